/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The congestion window: CUBIC (RFC 9438) with its Reno-friendly region, on top of what RFC 5681
 * says of slow start, restarts and the initial window (RFC 6928). With `reno` set, RFC 5681 alone.
 *
 *     W_cubic(t) = C (t - K)^3 + W_max        K = cbrt((W_max - cwnd_epoch) / C)
 *
 *     cwnd     slow start:   += min(acked, 8 MSS), or what HyStart++ says
 *              else:         += acked (target - cwnd) / cwnd,
 *                            target = W_cubic(t + SRTT) within [cwnd, 1.5 cwnd],
 *                            and never below W_est, the window that Reno would have
 *     loss     ssthresh = 0.7 in flight; W_max = cwnd, or 0.85 of it if below the last W_max
 *     timeout  the same, and cwnd = 1 MSS
 *
 * W in bytes; C = 0.4 MSS/s^3; time in units of 2^-16 s, products in 128 bits, so that no
 * rounding is larger than a byte. In recovery cwnd is PRR's to set (dp/tcp/prr.h).
 *
 * A value; the owner of the connection uses it, time comes in.
 */
#ifndef DP_TCP_CUBIC_H
#define DP_TCP_CUBIC_H

#include <stdbool.h>
#include <stdint.h>

#define SSTHRESH_NONE UINT32_MAX /* never set: the first slow start (RFC 5681 3.1) */
#define CWND_MAX      (1u << 30)

struct cubic {
	uint32_t cwnd, ssthresh; /* bytes */
	uint32_t w_max;          /* bytes; 0: none yet */
	uint32_t k;              /* units of 2^-16 s */
	uint64_t epoch;          /* when this stage of congestion avoidance began, ns; 0: none */
	uint64_t w_est;          /* bytes << 8 */
	uint64_t credit;         /* acked * (target - cwnd) that did not make a whole byte yet */
	uint32_t cwnd_prior;     /* before the last reduction, to undo it */
	uint32_t ssthresh_prior;
	uint32_t w_max_prior;
	bool reno;
	bool after_timeout; /* RFC 9438 4.8: the next epoch has K = 0 */
};

/* RFC 6928: min(10 MSS, max(2 MSS, 14600)). */
uint32_t cwnd_initial(uint32_t mss);

void cubic_init(struct cubic *c, uint32_t mss, bool reno);

static inline bool
cubic_slow_start(const struct cubic *c)
{
	return c->cwnd < c->ssthresh;
}

/* What an ACK is to congestion control. */
struct cubic_ack {
	uint64_t now;
	uint64_t srtt;  /* ns, 0: unknown */
	uint32_t acked; /* bytes newly acknowledged */
	uint32_t mss;
	uint32_t growth; /* in slow start: what the window grows by (hystart_growth; or
			    min(acked, 8 MSS)) */
};

/* The window grows. Not to be called in recovery, nor where the window did not limit what was in
 * flight (RFC 9438 5.8, RFC 7661): then cubic_not_limited. */
void cubic_ack(struct cubic *c, const struct cubic_ack *ack);
/* The window was not used up since the last ACK: time does not count (RFC 9438 5.8). */
void cubic_not_limited(struct cubic *c, uint64_t since, uint64_t now);

/* A loss (or an ECE: RFC 3168 6.1.2), once a window. flight: bytes in flight before it. Sets
 * ssthresh; cwnd is left to PRR, or for ECE to the caller: cwnd = ssthresh. */
void cubic_loss(struct cubic *c, uint32_t flight, uint32_t mss);
/* The retransmission timer went off. first: not for the same data again (RFC 5681 3.1: ssthresh
 * is held then). */
void cubic_timeout(struct cubic *c, uint32_t flight, uint32_t mss, bool first);
/* The last reduction was for nothing: all that was sent again had arrived (RFC 9438 4.9). */
void cubic_undo(struct cubic *c);
/* Nothing was sent for longer than one RTO: RFC 5681 4.1, restart window. */
void cubic_restart(struct cubic *c, uint32_t mss);
/* The path's MTU changed: windows keep their bytes, but no window is below 2 MSS. */
void cubic_set_mss(struct cubic *c, uint32_t mss);

#endif

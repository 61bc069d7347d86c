/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The round-trip time of a connection, and the retransmission timeout that follows (RFC 6298).
 *
 *     RTTVAR := 3/4 RTTVAR + 1/4 |SRTT - R|,  SRTT := 7/8 SRTT + 1/8 R
 *     RTO    := (SRTT + max(G, 4 RTTVAR)) << backoff,  within [min, 60 s]
 *
 * in nanoseconds with 8 binary places. Where many samples come in one round trip, each weighs
 * accordingly less (RFC 7323, appendix G). G, the granularity of the timers, is 1 ms. Besides, the
 * smallest sample of the last 5 to 10 minutes (RFC 8985 6.2, step 1).
 *
 * Karn's algorithm is the caller's: no samples of segments that were sent again (struct sent gives
 * none).
 *
 * A value; the owner of the connection uses it, time comes in.
 */
#ifndef DP_TCP_RTT_H
#define DP_TCP_RTT_H

#include <stdbool.h>
#include <stdint.h>

#define RTO_INITIAL        1000000000ull  /* RFC 6298 2.1 */
#define RTO_AFTER_LOST_SYN 3000000000ull  /* 5.7 */
#define RTO_MAX            60000000000ull /* 2.5 */
#define RTT_GRANULARITY    1000000ull
#define RTT_SAMPLE_MAX     RTO_MAX /* larger ones count as this */

struct rtt {
	uint64_t srtt, rttvar; /* ns << 8; srtt 0: no sample yet */
	uint32_t min[2];       /* ns; smallest of this half of the window and of the one before */
	uint32_t half;         /* when this half began, in units of 2^30 ns */
	uint16_t min_rto_ms;   /* the parameter */
	uint8_t backoff;       /* doublings since the last answer */
	bool syn_lost;
};

void rtt_init(struct rtt *r, uint16_t min_rto_ms);

/* A round trip of `sample` ns ended at now. segments: of the flight, for the weight. Ends the
 * back-off, and nothing else does (Karn's algorithm: if round trips have become longer than the
 * timeout, it is the back-off that lets one be measured again). */
void rtt_sample(struct rtt *r, uint64_t sample, uint64_t now, uint32_t segments);

/* ns, 0 before the first sample. */
static inline uint64_t
rtt_smoothed(const struct rtt *r)
{
	return r->srtt >> 8;
}

static inline uint64_t
rtt_variation(const struct rtt *r)
{
	return r->rttvar >> 8;
}

/* The smallest of the last minutes, ns; 0 before the first sample. Saturates at 4.29 s. */
uint32_t rtt_min(const struct rtt *r);

/* As if `min` had been measured at `when`, and nothing since. */
void rtt_set_minimum(struct rtt *r, uint32_t min, uint64_t when);

/* The timeout from now on, back-off included, ns. */
uint64_t rtt_timeout(const struct rtt *r);
/* 5.5: the timer went off. */
void rtt_back_off(struct rtt *r);
/* 5.7: the handshake is complete, and our SYN had to be sent again. */
void rtt_syn_was_lost(struct rtt *r);
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HyStart++ (RFC 9406): ends the first slow start of a connection when round trips get longer, so
 * before packets are lost, by way of some rounds of conservative slow start (CSS) in which the
 * window grows by a quarter of the usual.
 *
 * Only while ssthresh has never been set: the caller stops asking after the first loss, mark or
 * timeout, and when hystart_round says that congestion avoidance begins.
 *
 * A value; the owner of the connection uses it.
 */
#ifndef DP_TCP_HYSTART_H
#define DP_TCP_HYSTART_H

#include <stdbool.h>
#include <stdint.h>

#define HYSTART_MIN_RTT_THRESH 4000000u  /* ns */
#define HYSTART_MAX_RTT_THRESH 16000000u /* ns */
#define HYSTART_RTT_DIVISOR    8
#define HYSTART_SAMPLES        8
#define HYSTART_CSS_DIVISOR    4
#define HYSTART_CSS_ROUNDS     5
#define HYSTART_L              8 /* segments that count of one ACK: we do not pace */

struct hystart {
	uint32_t window_end;                          /* the round ends when this is acknowledged */
	uint32_t last_min, current_min, css_baseline; /* ns; UINT32_MAX: none */
	uint8_t samples;                              /* of this round, up to HYSTART_SAMPLES */
	uint8_t css_rounds;                           /* that are over */
	bool css;
};

/* snd_nxt: of the first data. */
void hystart_init(struct hystart *h, uint32_t snd_nxt);

/* An ACK in slow start. rtt: ns, 0 if it gave no sample. True: slow start is over; the caller sets
 * ssthresh to cwnd. */
bool hystart_ack(struct hystart *h, uint32_t ack, uint32_t snd_nxt, uint64_t rtt);

/* By how much the window grows in slow start for `acked` bytes (RFC 9406 4.2 and 4.3). */
static inline uint32_t
hystart_growth(const struct hystart *h, uint32_t acked, uint32_t mss)
{
	uint32_t most = HYSTART_L * mss, n = acked < most ? acked : most;

	return h->css ? n / HYSTART_CSS_DIVISOR : n;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a connection knows of the data it has sent: the queue, the round trip, the congestion
 * window, and which of three modes it is in. Part of its flight (flight.h); recovery.c sets one in
 * motion by the other.
 *
 *     OPEN --loss found by ACKs--> FAST --all up to `point` acknowledged--> OPEN
 *       \______timeout______> LOSS <__timeout__/    \___________same______________^
 */
#ifndef DP_TCP_RECOVERY_H
#define DP_TCP_RECOVERY_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "dp/tcp/cubic.h"
#include "dp/tcp/hystart.h"
#include "dp/tcp/prr.h"
#include "dp/tcp/rack.h"
#include "dp/tcp/rtt.h"
#include "dp/tcp/sent.h"

enum recovery_mode {
	RECOVERY_OPEN,
	RECOVERY_FAST, /* RFC 6675, 6937 */
	RECOVERY_LOSS, /* after a timeout */
};

struct tcp_recovery {
	struct sent sent;
	struct cubic cubic;
	struct rack rack;
	struct rtt rtt;
	struct hystart hystart;
	struct prr prr;
	/* Recovery is over when this is acknowledged; in OPEN, no second reduction for ECE before.
	 */
	uint32_t point;
	uint32_t limit_point; /* the window held data back when this was sent; see `limited` */
	uint32_t undo_left;   /* sent again in this recovery, not yet told of as needless */
	uint32_t sent_ms;     /* when data was last sent */
	uint32_t grown_ms;    /* when the window was last asked to grow */
	uint8_t mode;         /* enum recovery_mode */
	uint8_t duplicates;   /* duplicate ACKs in a row */
	uint8_t timeouts;     /* in a row, without any progress */
	bool limited : 1;     /* data waited for the congestion window */
	bool undo : 1;        /* undo_left counts */
};

/* What remains of it in the block of a connection that has nothing under way, and no flight. What
 * is left out begins anew: a stage of congestion avoidance from the window that there is, the
 * rounds of HyStart++, and what could be undone or was probed. */
struct recovery_idle {
	uint32_t cwnd, ssthresh, w_max;
	uint32_t srtt, rttvar; /* 16 ns; srtt 0: no sample yet */
	uint32_t rtt_min;      /* ns */
	uint32_t sent_ms;
	uint8_t backoff;
	uint8_t mult, persist; /* of RACK; mult saturates */
	bool reordering_seen : 1;
	bool syn_lost : 1;
};
static_assert(sizeof(struct recovery_idle) == 32, "an eighth of a block");

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a connection needs only while something of it is under way: data of ours that is not
 * acknowledged, or out-of-order data of the peer. Most connections are idle most of the time, so
 * flights are fewer than blocks, in a pool of the instance.
 *
 *                                       block_free, TIME-WAIT
 *           ┌──────────────────────────────────────────────────────────────────┐
 *           v        the first data to be sent, out-of-order data              │
 *         free ────────────────────────────────────────────────────────────> held
 *                                                                           │    ^
 *                                                                           └────┘
 *                         nothing is under way, none is free, and another needs it
 *
 * A connection keeps its flight when all is acknowledged: with as many as there are, nothing is
 * copied, and nothing forgotten. Only when none is free is it taken from the next one around the
 * pool that has nothing under way; of that, struct recovery_idle remains in its block.
 *
 *     data of c is under way, or out of order, or c has a duplicate to tell of  =>  c has a flight
 *     c has a flight  =>  c is ESTABLISHED or further, and not in TIME-WAIT
 *     held + free = all
 *
 * Who gets none waits: data to be sent as if no buffer was free (BLOCK_STARVED); out-of-order data
 * is dropped, and a duplicate not told of. Such are counted as no_flight. As one is looked for in a
 * bounded number of steps, and further on the next time, it may also be that it was not found yet.
 *
 * Owner: the worker of the instance.
 */
#ifndef DP_TCP_FLIGHT_H
#define DP_TCP_FLIGHT_H

#include <assert.h>
#include <stdalign.h>
#include <stdint.h>

#include "dp/tcp/recovery.h"

#define RUNS_TOLD 3 /* in one segment at the most */

struct flight {
	alignas(64) struct tcp_recovery recovery;
	uint32_t owner; /* a block, NIL: free */
	uint32_t next_free;
	/* out-of-order data, see reassembly.c */
	uint32_t run_bytes;              /* bytes of buffers in it; 0: there is none */
	uint32_t run_recent[RUNS_TOLD];  /* a sequence number in each that changed last */
	uint32_t dsack_start, dsack_end; /* if BLOCK_DSACK */
};
static_assert(sizeof(struct flight) == 320, "what a busy connection costs besides its block");

static inline void
flight_prefetch(const struct flight *f)
{
	unsigned int i;

	for (i = 0; i < sizeof(*f); i += 64)
		__builtin_prefetch((const char *)f + i);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The short way: packets as nearly all are go from the frame that came in to the frame that leaves
 * in three loops over a burst, without a struct packet.
 *
 *     look       is it usual, whose is it, what does that service do (its PLAN)?   lines on their
 *     fetch      the row, the client's entry, the connection                       way
 *     carry out  charge, rewrite, count, hand to the port; or drop, over a limit or denied
 *
 * It takes packets (IPv4 or IPv6, TCP or UDP, untagged, whole) of what is under way: to services of
 * the DSR modes whose pool rests, and of established nat connections in both directions. Whatever
 * else comes stays for the long way (pipeline.c), as it was:
 *
 *     a packet that is taken => frames, counters and state are what the stages parse to rewrite
 *                               would have made of it
 *
 * and order is kept: once a packet of a client stays, its later ones in the burst stay too, and
 * what was taken leaves before the rest begins.
 *
 * In a flood of SYNs to listeners these wait until all else has been seen to (syn_queue.h).
 *
 * Not taken while a capture runs. Worker only.
 */
#ifndef DP_L4_QUICK_H
#define DP_L4_QUICK_H

#include <stdint.h>

#include "dp/packet.h"
#include "dp/worker.h"

/* Packets of other workers, gathered so that an inbox is filled once a burst. */
struct steered {
	uint16_t count;
	uint16_t owners[BURST_MAX];
	struct rte_mbuf *mbufs[BURST_MAX];
};

/* In an inbox there are packets that another worker has parsed, with their struct packet behind the
 * mbuf, and such as it has only looked at: mbuf.packet_type says which. Of the latter, mbuf.port is
 * the index of the port that they came in by. */
#define STEERED_PARSED 0u
#define STEERED_RAW    0x70656e73u

/* n frames (at most BURST_MAX) that port `port` has received. Those that stay are moved to the
 * front, in order; returns how many. What other workers own of the rest is in *steered. */
uint16_t quick_received(struct worker *w, uint8_t port, struct rte_mbuf **mbufs, uint16_t n,
			struct steered *steered);
/* The same for packets out of the inbox: all of them are ours. */
uint16_t quick_steered(struct worker *w, struct rte_mbuf **mbufs, uint16_t n);

#endif

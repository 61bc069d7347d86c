/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A flood of SYNs to listeners: they wait until all else has been seen to, and are answered, by
 * cookies, in what time is left; what finds no room among those that wait is dropped. So
 * established connections' packets wait for none of them. Otherwise it is the port that drops,
 * which drops theirs, too, and makes all wait as long as its queue is.
 *
 *     port ──> short way ──> all but SYNs ──> answered, sent ──┐
 *                  └──────> queue ──> some of them <───────────┘ for as long as that took, or less
 *
 * What does not come by the short way (VLAN tags, captures, other workers' packets) is answered or
 * dropped at once (dp/proxy/stage.c).
 *
 * What is a flood the proxy finds out (dp/proxy/proxy.c): SYN cookies that nobody comes back with.
 * Worker only.
 */
#ifndef DP_L4_SYN_QUEUE_H
#define DP_L4_SYN_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rte_mbuf;

#define SYN_QUEUE_SIZE 256u /* a power of two */

struct syn_queue {
	bool flooded;   /* SYNs wait */
	bool answering; /* these have waited */
	uint32_t first, count;
	uint64_t dropped; /* for want of room, ever */
	struct rte_mbuf *mbufs[SYN_QUEUE_SIZE];
	uint8_t ports[SYN_QUEUE_SIZE];
};

/* Let a frame that came in at a port wait. False: no room, and it stays the caller's. */
static inline bool
syn_queue_put(struct syn_queue *q, struct rte_mbuf *m, uint8_t port)
{
	uint32_t at = (q->first + q->count) % SYN_QUEUE_SIZE;

	if (q->count == SYN_QUEUE_SIZE) {
		q->dropped++;
		return false;
	}
	q->mbufs[at] = m;
	q->ports[at] = port;
	q->count++;
	return true;
}

/* The one that has waited longest is the caller's now; NULL: none waits. */
static inline struct rte_mbuf *
syn_queue_take(struct syn_queue *q, uint8_t *port)
{
	uint32_t at = q->first;

	if (!q->count)
		return NULL;
	q->first = (at + 1) % SYN_QUEUE_SIZE;
	q->count--;
	*port = q->ports[at];
	return q->mbufs[at];
}

/* The one that is taken after i others; i < count. */
static inline const struct rte_mbuf *
syn_queue_peek(const struct syn_queue *q, uint32_t i, uint8_t *port)
{
	uint32_t at = (q->first + i) % SYN_QUEUE_SIZE;

	*port = q->ports[at];
	return q->mbufs[at];
}

#endif

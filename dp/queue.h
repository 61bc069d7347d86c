/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes that wait, in the packet buffers that they came in: one chain. The owner alone uses it; no
 * allocation but of buffers from the pools that the caller gives. Worker.
 */
#ifndef DP_QUEUE_H
#define DP_QUEUE_H

#include <stdint.h>

#include <rte_mbuf.h>

struct queue {
	struct rte_mbuf *head, *tail; /* one chain; tail is its last segment */
	uint32_t length;              /* bytes */
	uint32_t told;                /* the owner's: buffers that TCP knows of (tcp_hold) */
};

/* Put a chain of `length` bytes, which becomes the queue's, behind it. Small pieces are copied
 * together. */
void queue_add(struct queue *q, struct rte_mbuf *chain, uint32_t length);
void queue_free(struct queue *q);
/* Take `bytes` off its front; there are at least so many. */
void queue_cut(struct queue *q, uint32_t bytes);

/* What a part of a buffer becomes: a copy or a clone, `spare` or `spare_clone` if there is one
 * (which is then the chain's, and NULL here), else of a pool. */
struct queue_parts {
	struct rte_mempool *mbufs, *clones;
	struct rte_mbuf *spare, *spare_clone;
};
/* Take the first `bytes` (there is something in the queue) as a chain: whole buffers as they are,
 * of a part a clone or, of a small one, a copy. NULL: no buffer, and nothing has changed. */
struct rte_mbuf *queue_take(struct queue *q, uint32_t bytes, struct queue_parts *parts);

/* How many buffers are in it. */
static inline uint32_t
queue_buffers(const struct queue *q)
{
	return q->head ? q->head->nb_segs : 0;
}

#endif

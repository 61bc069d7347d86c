/* SPDX-License-Identifier: Apache-2.0 */
#include "dp/queue.h"

#include <string.h>

/* A piece so small is copied behind the one before it, so that many of them do not pin a buffer
 * each. */
#define SMALL 256

static struct rte_mbuf *
last_segment(struct rte_mbuf *m)
{
	while (m->next)
		m = m->next;
	return m;
}

/* True if the piece was copied behind the queue's last one. */
static bool
put_together(struct queue *q, struct rte_mbuf *piece)
{
	struct rte_mbuf *tail = q->tail;
	uint16_t length = rte_pktmbuf_data_len(piece);

	if (!tail || piece->next || length >= SMALL || !RTE_MBUF_DIRECT(tail) ||
	    rte_mbuf_refcnt_read(tail) != 1 || rte_pktmbuf_tailroom(tail) < length)
		return false;
	memcpy(rte_pktmbuf_mtod_offset(tail, char *, tail->data_len),
	       rte_pktmbuf_mtod(piece, char *), length);
	tail->data_len = (uint16_t)(tail->data_len + length);
	q->head->pkt_len += length;
	rte_pktmbuf_free(piece);
	return true;
}

void
queue_add(struct queue *q, struct rte_mbuf *chain, uint32_t length)
{
	struct rte_mbuf *tail;

	q->length += length;
	if (put_together(q, chain))
		return;
	tail = last_segment(chain);
	if (!q->head) {
		q->head = chain;
	} else {
		q->tail->next = chain;
		q->head->nb_segs = (uint16_t)(q->head->nb_segs + chain->nb_segs);
		q->head->pkt_len += chain->pkt_len;
	}
	q->tail = tail;
}

void
queue_free(struct queue *q)
{
	rte_pktmbuf_free(q->head);
	*q = (struct queue){ .told = q->told };
}

void
queue_cut(struct queue *q, uint32_t bytes)
{
	q->length -= bytes;
	while (q->head && bytes >= q->head->data_len) {
		struct rte_mbuf *m = q->head;

		bytes -= m->data_len;
		q->head = m->next;
		if (q->head) {
			q->head->nb_segs = (uint16_t)(m->nb_segs - 1);
			q->head->pkt_len = m->pkt_len - m->data_len;
		}
		m->next = NULL;
		m->nb_segs = 1;
		rte_pktmbuf_free_seg(m);
	}
	if (!q->head)
		q->tail = NULL;
	else if (bytes)
		rte_pktmbuf_adj(q->head, (uint16_t)bytes);
}

/* ---- parts ----------------------------------------------------------------------------------- */

/* A part of a buffer so small is copied, a larger one is shared. */
#define COPY_BELOW 512

static struct rte_mbuf *
buffer_of(struct rte_mbuf **spare, struct rte_mempool *pool)
{
	struct rte_mbuf *m = *spare;

	*spare = NULL;
	return m ? m : rte_pktmbuf_alloc(pool);
}

/* The first `n` bytes of one buffer, which keeps them, too. */
static struct rte_mbuf *
part_of(struct queue_parts *parts, struct rte_mbuf *m, uint16_t n)
{
	struct rte_mbuf *part;

	if (n < COPY_BELOW) {
		part = buffer_of(&parts->spare, parts->mbufs);
		if (part)
			memcpy(rte_pktmbuf_append(part, n), rte_pktmbuf_mtod(m, const char *), n);
		return part;
	}
	part = buffer_of(&parts->spare_clone, parts->clones);
	if (!part)
		return NULL;
	rte_pktmbuf_attach(part, m);
	part->data_len = n;
	part->pkt_len = n;
	part->nb_segs = 1;
	part->next = NULL;
	return part;
}

static struct rte_mbuf *
take_all(struct queue *q)
{
	struct rte_mbuf *all = q->head;

	*q = (struct queue){ .told = q->told };
	return all;
}

struct rte_mbuf *
queue_take(struct queue *q, uint32_t bytes, struct queue_parts *parts)
{
	struct rte_mbuf *first = q->head, *m = first, *before = NULL, *part = NULL;
	uint32_t whole = 0, total = first->nb_segs;
	uint16_t n = 0;

	if (bytes >= q->length)
		return take_all(q);
	for (; whole + m->data_len <= bytes; m = m->next) {
		whole += m->data_len;
		before = m;
		n++;
	}
	if (bytes > whole) {
		part = part_of(parts, m, (uint16_t)(bytes - whole));
		if (!part)
			return NULL;
		m->data_off = (uint16_t)(m->data_off + (bytes - whole));
		m->data_len = (uint16_t)(m->data_len - (bytes - whole));
	}
	q->length -= bytes;
	q->head = m;
	m->pkt_len = q->length;
	m->nb_segs = (uint16_t)(total - n);
	if (!before)
		return part;
	before->next = part;
	first->pkt_len = bytes;
	first->nb_segs = (uint16_t)(n + (part ? 1 : 0));
	return first;
}

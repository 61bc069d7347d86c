/* SPDX-License-Identifier: Apache-2.0 */
#include <rte_mbuf.h>

#include "dp/proxy/internal.h"

/* A piece so small is copied behind the one before it, so that many of them do not pin a buffer
 * each. */
#define SMALL TCP_COPY_BELOW

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
queue_tell(struct proxy *p, struct session *s, enum leg to)
{
	struct queue *q = &s->queues[to];
	uint32_t buffers = q->head ? q->head->nb_segs : 0;

	if (buffers == q->told)
		return;
	tcp_hold(p->tcp, s->legs[other_leg(to)], (int32_t)buffers - (int32_t)q->told);
	q->told = buffers;
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

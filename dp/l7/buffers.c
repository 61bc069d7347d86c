/* SPDX-License-Identifier: Apache-2.0 */
/* Heads and bodies in packet buffers. */
#include <errno.h>

#include <rte_mbuf.h>

#include "dp/l7/internal.h"

/* A part of a buffer so small is copied, a larger one is shared. */
#define COPY_BELOW 512u

const uint8_t *
http_peek(struct http *h, const struct queue *q, bool all, uint32_t *length)
{
	if (!all || !q->head->next) {
		*length = q->head->data_len;
		return rte_pktmbuf_mtod(q->head, const uint8_t *);
	}
	*length = RTE_MIN(q->length, HTTP_HEAD_MAX);
	return rte_pktmbuf_read(q->head, 0, *length, h->joined);
}

bool
http_reserve(struct http *h)
{
	while (h->n_spare < HTTP_SPARE) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(h->worker->dataplane->mbufs);

		if (!m)
			return false;
		h->spare[h->n_spare++] = m;
	}
	if (!h->spare_clone)
		h->spare_clone = rte_pktmbuf_alloc(h->proxy->clones);
	return h->spare_clone != NULL;
}

struct rte_mbuf *
http_buffer(struct http *h)
{
	if (h->n_spare)
		return h->spare[--h->n_spare];
	return rte_pktmbuf_alloc(h->worker->dataplane->mbufs);
}

struct rte_mbuf *
http_copy(struct http *h, const uint8_t *bytes, uint32_t length)
{
	struct rte_mbuf *head = http_buffer(h), *tail = head;

	if (!head)
		return NULL;
	for (;;) {
		uint16_t n = (uint16_t)RTE_MIN(length, (uint32_t)rte_pktmbuf_tailroom(tail));
		struct rte_mbuf *next;

		memcpy(rte_pktmbuf_mtod(tail, uint8_t *), bytes, n);
		tail->data_len = n;
		head->pkt_len += n;
		bytes += n;
		length -= n;
		if (!length)
			return head;
		next = http_buffer(h);
		if (!next)
			break;
		tail->next = next;
		tail = next;
		head->nb_segs++;
	}
	rte_pktmbuf_free(head);
	return NULL;
}

/* The first `n` bytes of one buffer, which keeps them, too. */
static struct rte_mbuf *
part_of(struct http *h, struct rte_mbuf *m, uint16_t n)
{
	struct rte_mbuf *part;

	if (n < COPY_BELOW)
		return http_copy(h, rte_pktmbuf_mtod(m, const uint8_t *), n);
	part = h->spare_clone ? h->spare_clone : rte_pktmbuf_alloc(h->proxy->clones);
	h->spare_clone = NULL;
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

	q->head = q->tail = NULL;
	q->length = 0;
	return all;
}

struct rte_mbuf *
http_take(struct http *h, struct queue *q, uint32_t bytes)
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
		part = part_of(h, m, (uint16_t)(bytes - whole));
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

static int
write_head(const struct http *h, enum http_kind kind, const uint8_t *bytes,
	   const struct http_change *change, struct http_out out)
{
	return kind == HTTP_KIND_REQUEST ? http_request_write(&h->head, bytes, change, out)
					 : http_response_write(&h->head, bytes, change, out);
}

struct rte_mbuf *
http_write(struct http *h, enum http_kind kind, const uint8_t *bytes,
	   const struct http_change *change, int *error)
{
	struct rte_mbuf *m = http_buffer(h);
	struct http_out out;
	int n;

	*error = -ENOBUFS;
	if (!m)
		return NULL;
	out = (struct http_out){ rte_pktmbuf_mtod(m, uint8_t *), rte_pktmbuf_tailroom(m) };
	n = write_head(h, kind, bytes, change, out);
	if (n > 0) {
		m->data_len = (uint16_t)n;
		m->pkt_len = (uint32_t)n;
		return m;
	}
	rte_pktmbuf_free(m);
	if (n == -ENOSPC) {
		n = write_head(h, kind, bytes, change,
			       (struct http_out){ h->written, sizeof(h->written) });
		if (n > 0)
			return http_copy(h, h->written, (uint32_t)n);
	}
	*error = n;
	return NULL;
}

void
http_tell(struct http *h, tcp_handle handle, struct queue *q)
{
	uint32_t buffers = q->head ? q->head->nb_segs : 0;

	if (buffers == q->told)
		return;
	stream_hold(h->proxy, handle, (int32_t)buffers - (int32_t)q->told);
	q->told = buffers;
}

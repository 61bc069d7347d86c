/* SPDX-License-Identifier: Apache-2.0 */
/* Heads and bodies in packet buffers. */
#include <errno.h>

#include <rte_mbuf.h>

#include "dp/l7/internal.h"

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

struct rte_mbuf *
http_take(struct http *h, struct queue *q, uint32_t bytes)
{
	struct queue_parts parts = {
		.mbufs = h->worker->dataplane->mbufs,
		.clones = h->proxy->clones,
		.spare = h->n_spare ? h->spare[--h->n_spare] : NULL,
		.spare_clone = h->spare_clone,
	};
	struct rte_mbuf *chain = queue_take(q, bytes, &parts);

	if (parts.spare)
		h->spare[h->n_spare++] = parts.spare;
	h->spare_clone = parts.spare_clone;
	return chain;
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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that are sent to a second pool as well: by a session without a client, whose answer
 * nobody gets. What is sent is a copy of the head and references to the body, as far as that is
 * here already as a whole; a request whose body is still to come is not mirrored.
 */
#include "dp/l7/internal.h"

/* Clients' own requests come first: with a quarter or less of the room left nothing is mirrored, so
 * that a second pool that never answers does not take all of it. */
static bool
room_to_spare(const struct http *h)
{
	return http_exchanges_left(h) > h->n_upstream / 4;
}

/* Does `in` have all of the body? */
static bool
body_is_here(const struct http_session *s)
{
	return s->x->request.done ||
	       (s->x->request.kind == HTTP_BODY_LENGTH && s->x->request.left <= s->in.length &&
		s->x->request.left <= HTTP_PUMP_BYTES);
}

/* The body once more, into `in` of the session that mirrors. False: no buffer. */
static bool
copy_body(struct http *h, const struct http_session *s, struct http_session *mirror)
{
	uint32_t left = (uint32_t)s->x->request.left;
	struct rte_mbuf *m;

	for (m = s->in.head; left && m; m = m->next) {
		uint32_t n = RTE_MIN(left, (uint32_t)m->data_len);
		struct rte_mbuf *copy = http_copy(h, rte_pktmbuf_mtod(m, const uint8_t *), n);

		if (!copy)
			return false;
		queue_add(&mirror->in, copy, n);
		left -= n;
	}
	return true;
}

static void
begin(struct http *h, const struct http_session *s, struct http_session *mirror)
{
	mirror->mirrors = true;
	mirror->last = true;
	mirror->service = s->service;
	mirror->service_epoch = s->service_epoch;
	mirror->tuple = s->tuple;
	mirror->ends = s->ends;
	mirror->since = mirror->seen = mirror->began = h->worker->now;
	mirror->x->listener = s->x->listener;
	http_listener_get(s->x->listener, h->worker->index);
	mirror->x->route = s->x->route;
	mirror->x->method = s->x->method;
	mirror->x->minor = s->x->minor;
	mirror->x->request = s->x->request;
	mirror->client = TCP_HANDLE_NONE;
	mirror->secure = s->secure;
	mirror->certified = s->certified;
	if (s->certified)
		h->peers[http_session_index(h, mirror)] = h->peers[http_session_index(h, s)];
}

void
http_mirror(struct http *h, const struct http_session *s, const uint8_t *bytes)
{
	struct http_session *mirror;

	if (!body_is_here(s) || h->head.websocket) {
		h->counters.mirrors_skipped++;
		return;
	}
	mirror = room_to_spare(h) ? http_session_new(h) : NULL;
	if (!mirror) {
		h->counters.mirrors_skipped++;
		return;
	}
	http_exchange_begin(h, mirror);
	begin(h, s, mirror);
	mirror->x->head = http_copy(h, bytes, h->head.length);
	if (!mirror->x->head || !copy_body(h, s, mirror)) {
		h->counters.mirrors_skipped++;
		http_abort(h, mirror);
		return;
	}
	h->counters.mirrors++;
	http_request_place(h, mirror, bytes);
	http_step(h, mirror);
}

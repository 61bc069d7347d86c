/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that are sent to a second pool as well: by a session without a client, whose answer
 * nobody gets. What is sent is a copy of the head and of the body, of at most HTTP_PUMP_BYTES, once
 * that is here as a whole. A body that is not when its request begins is copied as it passes:
 *
 *     client ──in──> payload ──────────────> backend
 *                       └──copy──> ended? ──> session that mirrors, with Content-Length
 *
 * which holds nobody up: what is too long, does not come to its end, or finds no room is not
 * mirrored, and counted. At most HTTP_COPIES requests of a worker are copied at a time.
 */
#include "dp/l7/internal.h"

/* Clients' own requests come first: with a quarter or less of the room left nothing is mirrored, so
 * that a second pool that never answers does not take all of it. */
static bool
room_to_spare(const struct http *h)
{
	return http_exchanges_left(h) > h->n_upstream / 4;
}

/* A session with all that the request's has but the head and the body; NULL: there is no room. */
static struct http_session *
begin(struct http *h, const struct http_session *s)
{
	struct http_session *mirror = room_to_spare(h) ? http_session_new(h) : NULL;

	if (!mirror)
		return NULL;
	http_exchange_begin(h, mirror);
	mirror->mirrors = true;
	mirror->last = true;
	mirror->service = s->service;
	mirror->service_epoch = s->service_epoch;
	mirror->tuple = s->tuple;
	mirror->ends = s->ends;
	mirror->since = mirror->seen = mirror->began = h->worker->now;
	mirror->x->listener = s->x->listener;
	mirror->x->header = s->x->header;
	http_listener_get(s->x->listener, h->worker->index);
	mirror->x->route = s->x->route;
	mirror->x->method = s->x->method;
	mirror->x->minor = s->x->minor;
	mirror->client = TCP_HANDLE_NONE;
	mirror->secure = s->secure;
	mirror->certified = s->certified;
	if (s->certified)
		h->peers[http_session_index(h, mirror)] = h->peers[http_session_index(h, s)];
	return mirror;
}

/* Body and head are there; bytes: what h->head is of, NULL: of another message. */
static void
send_copy(struct http *h, struct http_session *mirror, const uint8_t *bytes)
{
	h->counters.mirrors++;
	http_request_place(h, mirror, bytes);
	http_step(h, mirror);
}

/* ---- bodies that are here -------------------------------------------------------------------- */

/* Does `in` have all of the body? */
static bool
body_is_here(const struct http_session *s)
{
	return s->x->request.done ||
	       (s->x->request.kind == HTTP_BODY_LENGTH && s->x->request.left <= s->in.length &&
		s->x->request.left <= HTTP_PUMP_BYTES);
}

/* Put the first bytes of a chain once more behind a queue. False: no buffer. */
static bool
copy_chain(struct http *h, const struct rte_mbuf *m, uint32_t left, struct queue *to)
{
	for (; left && m; m = m->next) {
		uint32_t n = RTE_MIN(left, (uint32_t)m->data_len);
		struct rte_mbuf *copy;

		if (!n)
			continue;
		copy = http_copy(h, rte_pktmbuf_mtod(m, const uint8_t *), n);
		if (!copy)
			return false;
		queue_add(to, copy, n);
		left -= n;
	}
	return true;
}

static void
mirror_at_once(struct http *h, const struct http_session *s, const uint8_t *bytes)
{
	struct http_session *mirror = begin(h, s);

	if (!mirror) {
		h->counters.mirrors_skipped++;
		return;
	}
	mirror->x->request = s->x->request;
	mirror->x->head = http_copy(h, bytes, h->head.length);
	if (!mirror->x->head ||
	    !copy_chain(h, s->in.head, (uint32_t)s->x->request.left, &mirror->in)) {
		h->counters.mirrors_skipped++;
		http_abort(h, mirror);
		return;
	}
	send_copy(h, mirror, bytes);
}

/* ---- bodies that are to come ----------------------------------------------------------------- */

static bool
may_copy(const struct http *h, const struct http_session *s)
{
	const struct http_body_place *body = &s->x->request;

	return ~h->copying && (body->kind == HTTP_BODY_CHUNKED || body->left <= HTTP_PUMP_BYTES);
}

static void
begin_copy(struct http *h, struct http_session *s)
{
	uint32_t i = (uint32_t)__builtin_ctzll(~h->copying);

	h->copying |= 1ull << i;
	s->x->copy = (uint8_t)(i + 1);
}

/* What has been copied; nobody has it then. */
static struct queue
end_copy(struct http *h, struct http_session *s)
{
	struct queue *copy = &h->copies[s->x->copy - 1], body = *copy;

	*copy = (struct queue){ 0 };
	h->copying &= ~(1ull << (s->x->copy - 1));
	s->x->copy = 0;
	return body;
}

void
http_mirror_forget(struct http *h, struct http_session *s)
{
	struct queue body;

	if (!s->x->copy)
		return;
	body = end_copy(h, s);
	queue_free(&body);
	http_tell(h, TCP_HANDLE_NONE, &body);
	h->counters.mirrors_skipped++;
}

void
http_mirror_keep(struct http *h, struct http_session *s, const struct rte_mbuf *payload,
		 uint32_t bytes)
{
	struct queue *copy = &h->copies[s->x->copy - 1];

	if (copy->length + bytes > HTTP_PUMP_BYTES || !copy_chain(h, payload, bytes, copy))
		http_mirror_forget(h, s);
	else
		http_tell(h, TCP_HANDLE_NONE, copy); /* no part of what the client may hold */
}

void
http_mirror_ended(struct http *h, struct http_session *s)
{
	struct http_session *mirror = begin(h, s);

	if (mirror)
		mirror->x->head =
		    rte_pktmbuf_copy(s->x->head, h->worker->dataplane->mbufs, 0, UINT32_MAX);
	if (!mirror || !mirror->x->head) {
		if (mirror)
			http_abort(h, mirror);
		http_mirror_forget(h, s);
		return;
	}
	mirror->in = end_copy(h, s);
	mirror->x->request = (struct http_body_place){
		.kind = HTTP_BODY_LENGTH,
		.left = mirror->in.length,
		.done = !mirror->in.length,
	};
	send_copy(h, mirror, NULL);
}

void
http_mirror_frame(struct http_head *head, const struct http_session *s)
{
	if (!s->mirrors || head->body != HTTP_BODY_CHUNKED)
		return;
	head->body = HTTP_BODY_LENGTH;
	head->has_length = true;
	head->content_length = s->x->request.left;
}

/* ---- which of them --------------------------------------------------------------------------- */

void
http_mirror(struct http *h, struct http_session *s, const uint8_t *bytes)
{
	if (!h->head.websocket && body_is_here(s)) {
		mirror_at_once(h, s, bytes);
	} else if (!h->head.websocket && may_copy(h, s)) {
		begin_copy(h, s);
	} else {
		h->counters.mirrors_skipped++;
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The head of an answer: read, and written anew for the client. */
#include <errno.h>
#include <stdio.h>

#include "dp/l7/internal.h"

/* The name has at most 256 bytes. */
#define COOKIE_MAX 384

/* HTTP_DONE: h->head is of *bytes. The answer of a backend is in several buffers only where its
 * head is long. */
static enum http_result
parse_head(struct http *h, const struct http_session *s, const struct queue *in,
	   const uint8_t **bytes)
{
	enum http_result result;
	uint32_t length;

	http_response_start(&h->head, s->x->method);
	*bytes = http_peek(h, in, false, &length);
	result = http_response_parse(&h->head, &s->x->listener->head, *bytes, length);
	if (result != HTTP_MORE || !in->head->next)
		return result;
	http_response_start(&h->head, s->x->method);
	*bytes = http_peek(h, in, true, &length);
	return http_response_parse(&h->head, &s->x->listener->head, *bytes, length);
}

/* How the client is told where the body ends, and what of the connection. */
static void
frame(const struct http *h, struct http_session *s, struct http_change *change)
{
	const struct http_head *head = &h->head;

	s->x->chunks = false;
	if (head->body == HTTP_BODY_CHUNKED || head->body == HTTP_BODY_CLOSE) {
		s->x->chunks = s->x->minor > 0;
		change->framing = s->x->chunks ? HTTP_FRAMING_CHUNKED : HTTP_FRAMING_NONE;
		s->last = s->last || !s->x->chunks;
	}
	if (s->client_fin && !s->in.head)
		s->last = true;
	if (s->last)
		change->connection = HTTP_SAY_CLOSE;
	else if (s->x->minor == 0)
		change->connection = HTTP_SAY_KEEP_ALIVE;
}

static enum http_retry
retry_of(uint16_t status)
{
	switch (status) {
	case 502:
		return HTTP_RETRY_502;
	case 503:
		return HTTP_RETRY_503;
	case 504:
		return HTTP_RETRY_504;
	default:
		return 0;
	}
}

/* The head for the client, into `down`. False: it could not be written, and the session is over. */
static bool
pass_head(struct http *h, struct http_session *s, const uint8_t *bytes,
	  const struct http_change *change)
{
	struct rte_mbuf *head;
	int error;

	head = http_write(h, HTTP_KIND_RESPONSE, bytes, change, &error);
	if (head) {
		queue_add(&s->x->down, head, head->pkt_len);
		s->x->begun = true;
		return true;
	}
	h->counters.no_memory += error == -ENOBUFS;
	h->counters.backend_bad += error != -ENOBUFS;
	http_upstream_drop(h, s);
	http_answer(h, s, error == -ENOBUFS ? 503 : 502);
	return false;
}

static void
head_used(struct http *h, struct http_upstream *u)
{
	uint32_t length = h->head.length;

	queue_cut(&u->in, length);
	http_tell(h, u->handle, &u->in);
	stream_credit(h->proxy, u->handle, length);
}

/* 1xx: on to clients that know of it (RFC 9110 15.2). True: go on. */
static bool
interim(struct http *h, struct http_session *s, const uint8_t *bytes)
{
	static const struct http_change nothing;
	struct http_upstream *u = http_upstream_of(h, s);

	h->counters.answers_1xx++;
	if (s->x->minor > 0 && (h->head.status != 100 || s->x->expects_100)) {
		s->x->expects_100 = s->x->expects_100 && h->head.status != 100;
		if (!pass_head(h, s, bytes, &nothing))
			return false;
		s->x->begun = false; /* the request may still fail in order */
		http_flush_down(h, s);
	}
	head_used(h, u);
	return u->in.head != NULL;
}

static bool
switched(struct http *h, struct http_session *s, const uint8_t *bytes)
{
	const struct http_change change = { .connection = HTTP_SAY_UPGRADE };
	struct http_upstream *u = http_upstream_of(h, s);

	if (!pass_head(h, s, bytes, &change))
		return false;
	head_used(h, u);
	h->counters.upgrades++;
	http_count_answer(h, s, 101);
	s->state = HTTP_TUNNEL;
	stream_strict(h->proxy, s->client);
	stream_strict(h->proxy, u->handle);
	s->last = true;
	s->x->request.done = s->x->answer.done = false;
	http_watch(h, s);
	return true;
}

/* One more edit, in `edits`, to which those that there are come first. */
static void
add_edit(struct http_change *change, struct http_edit *edits, struct http_edit one)
{
	if (change->edits != edits && change->n_edits)
		memcpy(edits, change->edits, change->n_edits * sizeof(*edits));
	edits[change->n_edits++] = one;
	change->edits = edits;
}

/* The affinity cookie: the client comes back to this backend. */
static void
add_cookie(const struct http *h, const struct http_session *s, struct http_edit *edits,
	   struct http_change *change, char *text)
{
	const struct http_route *r = s->x->route;
	const struct http_upstream *u = &h->upstreams[s->x->upstream];
	int n = snprintf(text, COOKIE_MAX, "%.*s=%016llx; Path=/; HttpOnly",
			 (int)r->affinity_cookie.length, r->affinity_cookie.bytes,
			 (unsigned long long)u->backend_id);

	if (r->affinity_lifetime)
		snprintf(text + n, COOKIE_MAX - (size_t)n, "; Max-Age=%llu",
			 (unsigned long long)(r->affinity_lifetime / 1000000000ull));
	add_edit(change, edits, http_edit_text(HTTP_EDIT_ADD, "Set-Cookie", text));
}

static void
add_via(const struct http *h, const struct http_session *s, struct http_edit *edits,
	struct http_change *change, uint8_t text[HTTP_VIA_MAX])
{
	struct http_edit one = http_edit_text(HTTP_EDIT_ADD, "Via", NULL);

	one.value = text;
	one.value_length = (uint16_t)http_via(s->x->listener, h->head.minor, text);
	add_edit(change, edits, one);
}

static bool
final(struct http *h, struct http_session *s, const uint8_t *bytes)
{
	struct http_change change = {
		.edits = s->x->route->response_edits,
		.n_edits = s->x->route->n_response_edits,
	};
	enum http_retry retry = retry_of(h->head.status);
	struct http_upstream *u = http_upstream_of(h, s);
	struct http_edit edits[HTTP_EDITS_MAX + 1];
	uint8_t via[HTTP_VIA_MAX];
	char cookie[COOKIE_MAX];

	if (retry && http_request_retry(h, s, retry))
		return s->state == HTTP_WAITING;
	http_judge(h, s, u->backend, h->head.status < 500);
	http_seen_attempt(h, u->backend, h->head.status);
	if (s->x->set_cookie)
		add_cookie(h, s, edits, &change, cookie);
	if (s->x->listener->via.length)
		add_via(h, s, edits, &change, via);
	frame(h, s, &change);
	s->x->keep_upstream = h->head.keep_alive && h->head.body != HTTP_BODY_CLOSE && !u->told;
	if (h->head.body == HTTP_BODY_CLOSE)
		stream_strict(h->proxy, u->handle);
	http_body_begin(&s->x->answer, &h->head);
	if (!pass_head(h, s, bytes, &change))
		return false;
	http_count_answer(h, s, h->head.status);
	head_used(h, u);
	if (likely(!s->x->copy)) { /* else the copy that is sent has it, too */
		rte_pktmbuf_free(s->x->head);
		s->x->head = NULL;
	}
	s->state = HTTP_ANSWERING;
	http_watch(h, s);
	return true;
}

bool
http_read_answer(struct http *h, struct http_session *s)
{
	struct http_upstream *u = http_upstream_of(h, s);
	const uint8_t *bytes;

	switch (parse_head(h, s, &u->in, &bytes)) {
	case HTTP_MORE:
		return false;
	case HTTP_BAD:
		break;
	default:
		if (h->head.status == 101 && s->x->upgrade)
			return switched(h, s, bytes);
		if (h->head.status >= 200)
			return final(h, s, bytes);
		if (h->head.status != 101)
			return interim(h, s, bytes);
		break;
	}
	h->counters.backend_bad++;
	http_upstream_drop(h, s);
	http_answer(h, s, 502);
	return false;
}

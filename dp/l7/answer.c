/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that are not a backend's: errors, redirects, fixed ones. */
#include <stdio.h>

#include "dp/l7/internal.h"

/* A head of our own: its reason stands in `bytes`, its fields are edits. */
struct ours {
	uint16_t status;
	struct http_text body, type, location;
	uint32_t retry_after; /* seconds; 0: not said */
};

#define EDITS_MAX 8

/* RFC 9110 15, RFC 6585 */
static const struct {
	uint16_t status;
	const char *reason;
} reasons[] = {
	{ 200, "OK" },
	{ 204, "No Content" },
	{ 301, "Moved Permanently" },
	{ 302, "Found" },
	{ 303, "See Other" },
	{ 307, "Temporary Redirect" },
	{ 308, "Permanent Redirect" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 408, "Request Timeout" },
	{ 410, "Gone" },
	{ 413, "Content Too Large" },
	{ 414, "URI Too Long" },
	{ 417, "Expectation Failed" },
	{ 429, "Too Many Requests" },
	{ 431, "Request Header Fields Too Large" },
	{ 500, "Internal Server Error" },
	{ 501, "Not Implemented" },
	{ 502, "Bad Gateway" },
	{ 503, "Service Unavailable" },
	{ 504, "Gateway Timeout" },
	{ 505, "HTTP Version Not Supported" },
};

static const char *
reason_of(uint16_t status)
{
	size_t i;

	for (i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return status < 400 ? "OK" : "Error";
}

void
http_count_answer(struct http *h, struct http_session *s, uint16_t status)
{
	struct http_counters *c = &h->counters;

	http_seen_answered(h, s, status);
	c->answers_2xx += status >= 200 && status < 300;
	c->answers_3xx += status >= 300 && status < 400;
	c->answers_4xx += status >= 400 && status < 500;
	c->answers_5xx += status >= 500;
}

static void
add(struct http_change *change, struct http_edit *edits, const char *name,
    const struct http_text *value)
{
	struct http_edit e = http_edit_text(HTTP_EDIT_ADD, name, "");

	if (!value->bytes)
		return;
	e.value = (const uint8_t *)value->bytes;
	e.value_length = (uint16_t)value->length;
	edits[change->n_edits++] = e;
}

/* May a message with this status have a body (RFC 9110 6.4.1)? */
static bool
has_body(uint16_t status)
{
	return status >= 200 && status != 204 && status != 304;
}

/* h->head becomes the head of the answer. Its bytes are its reason. */
static const uint8_t *
head_of(struct http *h, const struct http_session *s, const struct ours *a)
{
	const char *reason = reason_of(a->status);

	http_response_start(&h->head, s->x->listener ? (enum http_method)s->x->method : HTTP_GET);
	h->head.minor = 1;
	h->head.status = a->status;
	h->head.reason = (struct http_span){ 0, (uint16_t)strlen(reason) };
	h->head.body = HTTP_BODY_NONE;
	h->head.has_length = has_body(a->status);
	h->head.content_length = a->body.length;
	if (h->head.has_length && !(s->x->listener && s->x->method == HTTP_HEAD))
		h->head.body = HTTP_BODY_LENGTH;
	return (const uint8_t *)reason;
}

/* Head and body into `down`. False: no buffer. */
static bool
compose(struct http *h, struct http_session *s, const struct ours *a)
{
	struct http_edit edits[EDITS_MAX + HTTP_EDITS_MAX];
	struct http_change change = { .edits = edits };
	struct rte_mbuf *head, *body = NULL;
	char seconds[16];
	struct http_text after = { a->retry_after ? seconds : NULL, 0 };
	const uint8_t *bytes = head_of(h, s, a);
	int error;

	after.length = (uint32_t)snprintf(seconds, sizeof(seconds), "%u", a->retry_after);
	add(&change, edits, "Location", &a->location);
	add(&change, edits, "Content-Type", &a->type);
	add(&change, edits, "Retry-After", &after);
	if (s->x->route && s->x->route->n_response_edits) {
		memcpy(edits + change.n_edits, s->x->route->response_edits,
		       s->x->route->n_response_edits * sizeof(*edits));
		change.n_edits += s->x->route->n_response_edits;
	}
	if (s->last)
		change.connection = HTTP_SAY_CLOSE;
	else if (s->x->minor == 0)
		change.connection = HTTP_SAY_KEEP_ALIVE;
	head = http_write(h, HTTP_KIND_RESPONSE, bytes, &change, &error);
	if (!head)
		return false;
	if (h->head.body == HTTP_BODY_LENGTH && a->body.length) {
		body = http_copy(h, (const uint8_t *)a->body.bytes, a->body.length);
		if (!body) {
			rte_pktmbuf_free(head);
			return false;
		}
	}
	queue_add(&s->x->down, head, head->pkt_len);
	if (body)
		queue_add(&s->x->down, body, a->body.length);
	s->x->answer.bytes = body ? a->body.length : 0;
	return true;
}

/* A body that is here as a whole is of no use any more, and no reason to end the connection. */
static void
swallow(struct http *h, struct http_session *s)
{
	uint32_t left = (uint32_t)s->x->request.left;

	if (!s->x->listener || s->x->request.done || s->x->request.kind != HTTP_BODY_LENGTH ||
	    s->x->request.left > s->in.length)
		return;
	queue_cut(&s->in, left);
	http_tell(h, s->client, &s->in);
	stream_credit(h->proxy, s->client, left);
	s->x->request.left = 0;
	s->x->request.done = true;
}

static void
answer(struct http *h, struct http_session *s, const struct ours *a)
{
	if (!http_has_exchange(s))
		http_exchange_begin(h, s);
	if (s->x->upstream != INDEX_NONE)
		http_upstream_drop(h, s);
	queue_free(&s->x->up);
	http_tell(h, s->client, &s->x->up);
	swallow(h, s);
	/* What is left of the request is not read to find the next one. */
	if (!s->x->listener || !s->x->request.done || (s->client_fin && !s->in.head))
		s->last = true;
	if (s->mirrors) {
		http_abort(h, s);
		return;
	}
	if (!s->x->mark.open)
		http_seen_begin(h, s, NULL);
	http_seen_refused(s, a->status);
	if (s->x->begun || !compose(h, s, a)) {
		h->counters.cut_off++;
		http_abort(h, s);
		return;
	}
	h->counters.answered_here++;
	http_count_answer(h, s, a->status);
	s->x->begun = true;
	s->x->answer.done = true;
	s->state = HTTP_ANSWERING;
	s->again = true;
}

/* ---- errors ---------------------------------------------------------------------------------- */

static struct http_text
error_page(const struct http *h, const struct http_session *s, uint16_t status)
{
	const struct proxy_settings *settings = http_settings(h, s);
	const struct http_listener *l = s->x->listener;

	if (!l && settings)
		l = settings->http;
	if (!l || !l->error_pages || status < 400 || status > 599)
		return (struct http_text){ NULL, 0 };
	return l->error_pages[status - 400];
}

void
http_answer(struct http *h, struct http_session *s, uint16_t status)
{
	char text[64];
	struct ours a = {
		.status = status,
		.body = error_page(h, s, status),
		.type = { "text/html; charset=utf-8", 24 },
		.retry_after = status == 503 ? 1 : 0,
	};

	if (!a.body.bytes) {
		int n = snprintf(text, sizeof(text), "%u %s\n", status, reason_of(status));

		a.body = (struct http_text){ text, (uint32_t)n };
		a.type = (struct http_text){ "text/plain", 10 };
	}
	answer(h, s, &a);
}

void
http_answer_limited(struct http *h, struct http_session *s, uint64_t wait)
{
	static const char text[] = "429 Too Many Requests\n";
	struct ours a = {
		.status = 429,
		.body = error_page(h, s, 429),
		.type = { "text/html; charset=utf-8", 24 },
		.retry_after = (uint32_t)RTE_MIN(wait / 1000000000ull + 1, (uint64_t)86400),
	};

	if (!a.body.bytes) {
		a.body = (struct http_text){ text, sizeof(text) - 1 };
		a.type = (struct http_text){ "text/plain", 10 };
	}
	h->counters.limited++;
	s->x->mark.cause = HTTP_CAUSE_LIMITED;
	answer(h, s, &a);
}

/* ---- of the route ---------------------------------------------------------------------------- */

struct growing {
	char *at, *end;
	const struct http_session *s;
};

static void
put(struct growing *g, const void *bytes, size_t length)
{
	size_t room = (size_t)(g->end - g->at);

	if (length > room) {
		g->end = g->at; /* it shows: nothing more is put */
		return;
	}
	memcpy(g->at, bytes, length);
	g->at += length;
}

static bool
begins_with(const char *at, const char *end, const char *word)
{
	size_t n = strlen(word);

	return (size_t)(end - at) >= n && memcmp(at, word, n) == 0;
}

static void
put_host(const struct http_head *head, const uint8_t *bytes, struct growing *g)
{
	char own[HTTP_AUTHORITY_MAX] = "";
	size_t length;

	if (head->authority.host.length) {
		put(g, bytes + head->authority.host.at, head->authority.host.length);
		return;
	}
	length = http_own_authority(g->s, false, own);
	put(g, own, length);
}

/* One variable of a location; how many characters its name has, 0: it is none. */
static size_t
put_variable(struct http *h, const uint8_t *bytes, struct growing *g, const char *at,
	     const char *end)
{
	const struct http_head *head = &h->head;
	struct http_text text;

	if (begins_with(at, end, "$scheme")) {
		text = http_scheme(g->s);
		put(g, text.bytes, text.length);
		return 7;
	}
	if (begins_with(at, end, "$host")) {
		put_host(head, bytes, g);
		return 5;
	}
	if (begins_with(at, end, "$path")) {
		text = http_request_path(h, g->s, bytes);
		put(g, text.bytes, text.length);
		return 5;
	}
	if (begins_with(at, end, "$query")) {
		if (head->has_query) {
			put(g, "?", 1);
			put(g, bytes + head->query.at, head->query.length);
		}
		return 6;
	}
	return 0;
}

/* A path that begins with two slashes would be another host's: one is left, unless both are of the
 * pattern. */
static struct http_text
of_this_host(const struct http_text *pattern, const char *at, const char *end)
{
	if (!begins_with(pattern->bytes, pattern->bytes + pattern->length, "//"))
		while (end - at > 1 && at[0] == '/' && at[1] == '/')
			at++;
	return (struct http_text){ at, (uint32_t)(end - at) };
}

/* The location with its variables replaced, in h->rewritten. */
static struct http_text
location(struct http *h, const struct http_session *s, const struct http_text *pattern,
	 const uint8_t *bytes)
{
	struct growing g = { (char *)h->rewritten, (char *)h->rewritten + UINT16_MAX, s };
	const char *at = pattern->bytes, *end = at + pattern->length;

	while (at < end) {
		size_t n = *at == '$' ? put_variable(h, bytes, &g, at, end) : 0;

		if (!n) {
			put(&g, at, 1);
			n = 1;
		}
		at += n;
	}
	return of_this_host(pattern, (char *)h->rewritten, g.at);
}

void
http_answer_route(struct http *h, struct http_session *s, const uint8_t *bytes)
{
	const struct http_route *r = s->x->route;
	struct ours a = { .status = r->status, .body = r->body, .type = r->content_type };

	if (r->action == HTTP_ACTION_REDIRECT) {
		h->counters.redirects++;
		a.location = location(h, s, &r->location, bytes);
	} else {
		h->counters.responds++;
	}
	answer(h, s, &a);
}

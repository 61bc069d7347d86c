/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a request's first byte to its being at a backend:
 *
 *     1. head      all of it is here, and is HTTP           400, 414, 431, 501, 505
 *     2. path      its normal form                          400
 *     3. route     the first that takes it                  404
 *     4. limits    of the client, of the route              429
 *     5. action    redirect, fixed answer, or a pool
 *     6. backend   chosen, and a connection to it           503, 502
 *     7. head      written anew and sent; the body follows  (body.c)
 *
 * Steps 6 and 7 happen again where a request is sent again; the head is kept for that as it came.
 */
#include <errno.h>

#include <rte_prefetch.h>

#include "dp/l7/internal.h"

/* ---- 1. the head ----------------------------------------------------------------------------- */

/* Does `in`, which lies in several buffers, hold an empty line? Looks at each byte once. Where it
 * does, or is longer than any head, it is worth putting together. */
static bool
head_ended(struct http_session *s, uint32_t most)
{
	const struct rte_mbuf *m;
	uint32_t at = 0;

	for (m = s->in.head; m; m = m->next) {
		const uint8_t *bytes = rte_pktmbuf_mtod(m, const uint8_t *);
		uint32_t i = s->scanned > at ? s->scanned - at : 0;

		for (; i < m->data_len; i++) {
			if (bytes[i] == '\n') {
				if (s->line_end)
					return true;
				s->line_end = 1;
			} else if (bytes[i] != '\r') {
				s->line_end = 0;
			}
		}
		at += m->data_len;
	}
	s->scanned = at;
	return at >= most;
}

static void
refuse(struct http *h, struct http_session *s, uint16_t status)
{
	s->last = true; /* where the next request begins is not known */
	http_answer(h, s, status);
}

/* Nothing is known of the head any more, nor of what was made of it. */
static void
start_head(struct http *h)
{
	http_request_start(&h->head);
	h->path_length = 0;
}

/* HTTP_DONE: h->head is of *bytes. */
static enum http_result
parse_head(struct http *h, const struct http_session *s, const struct http_listener *l,
	   const uint8_t **bytes)
{
	enum http_result result;
	uint32_t length;

	start_head(h);
	*bytes = http_peek(h, &s->in, false, &length);
	result = http_request_parse(&h->head, &l->head, *bytes, length);
	return result;
}

static enum http_result
parse_pieces(struct http *h, struct http_session *s, const struct http_listener *l,
	     const uint8_t **bytes)
{
	uint32_t length;

	if (!head_ended(s, l->head.head))
		return HTTP_MORE;
	start_head(h);
	*bytes = http_peek(h, &s->in, true, &length);
	return http_request_parse(&h->head, &l->head, *bytes, length);
}

/* The head leaves `in`; it is kept as it came if it may be needed again. False: no buffer. */
static bool
keep_head(struct http *h, struct http_session *s, const uint8_t **bytes)
{
	uint32_t length = h->head.length;

	if (length == s->in.head->data_len) { /* a request without a body, as most are */
		s->x->head = http_take(h, &s->in, length);
	} else {
		s->x->head = http_copy(h, *bytes, length);
		if (!s->x->head)
			return false;
		if (!s->x->head->next)
			*bytes = rte_pktmbuf_mtod(s->x->head, const uint8_t *);
		else if (*bytes != h->joined)
			*bytes = rte_pktmbuf_read(s->x->head, 0, length, h->joined);
		queue_cut(&s->in, length);
	}
	stream_credit(h->proxy, s->client, length);
	return s->x->head != NULL;
}

/* A head again that was understood before. */
static const uint8_t *
parse_kept(struct http *h, const struct http_session *s)
{
	struct queue kept = { .head = s->x->head, .length = s->x->head->pkt_len };
	uint32_t length;
	const uint8_t *bytes = http_peek(h, &kept, true, &length);

	start_head(h);
	http_request_parse(&h->head, &s->x->listener->head, bytes, length);
	http_mirror_frame(&h->head, s);
	return bytes;
}

/* ---- 2. and 3. the path and the route -------------------------------------------------------- */

static struct http_path
path_normal(struct http *h, const struct http_listener *l, const uint8_t *bytes,
	    enum http_path_reason *reason)
{
	struct http_path path = { h->path, sizeof(h->path), h->path_length };

	*reason = HTTP_PATH_OK;
	if (path.length)
		return path;
	*reason =
	    http_path_normal(&path, l->path_rules, bytes + h->head.path.at, h->head.path.length);
	if (*reason == HTTP_PATH_OK)
		h->path_length = path.length;
	return path;
}

struct http_text
http_request_path(struct http *h, const struct http_session *s, const uint8_t *bytes)
{
	enum http_path_reason reason;
	struct http_path path = path_normal(h, s->x->listener, bytes, &reason);

	return (struct http_text){ (const char *)path.bytes, (uint32_t)path.length };
}

/* Nearly all of a route is asked soon, and among many it has not been for long. */
static void
fetch_route(const struct http_route *route)
{
	const uint8_t *line = (const uint8_t *)route, *end = (const uint8_t *)(route + 1);

	for (; line < end; line += RTE_CACHE_LINE_SIZE)
		rte_prefetch0(line);
}

static bool
find_route(struct http *h, struct http_session *s, const uint8_t *bytes)
{
	struct http_question question = { .head = &h->head, .bytes = bytes };
	enum http_path_reason reason;
	struct http_path path = path_normal(h, s->x->listener, bytes, &reason);
	uint64_t given_up = http_scratch_limited(h->scratch);
	uint32_t route;

	if (reason != HTTP_PATH_OK) {
		h->counters.bad_path[reason]++;
		http_answer(h, s, reason == HTTP_PATH_TOO_LONG ? 414 : 400);
		return false;
	}
	question.path = path.bytes;
	question.path_length = path.length;
	route = http_route_find(s->x->listener->table, h->scratch, &question);
	if (unlikely(http_scratch_limited(h->scratch) != given_up)) {
		/* It may have been the route of an expression that took too long. */
		h->counters.regex_limited++;
		http_answer(h, s, 503);
		return false;
	}
	if (route == HTTP_ROUTE_NONE) {
		h->counters.no_route++;
		http_answer(h, s, 404);
		return false;
	}
	s->x->route = &s->x->listener->routes[route];
	fetch_route(s->x->route);
	return true;
}

/* ---- what a request begins with -------------------------------------------------------------- */

static bool
is_last(const struct http *h, const struct http_session *s)
{
	const struct http_listener *l = s->x->listener;

	return !s->x->keep_alive || (s->client_fin && s->in.length <= h->head.length) ||
	       (l->max_requests && s->requests >= l->max_requests) ||
	       (l->max_age && h->worker->now >= s->since + l->max_age);
}

static void
request_begin(struct http *h, struct http_session *s, const struct http_listener *l)
{
	const struct http_head *head = &h->head;

	http_listener_get(l, h->worker->index);
	s->x->listener = l;
	s->x->header = (uint8_t)http_settings(h, s)->header;
	s->requests++;
	s->x->method = head->method;
	s->x->minor = head->minor;
	s->x->keep_alive = head->keep_alive;
	s->x->expects_100 = head->expect_100 && head->minor > 0;
	s->seen = h->worker->now;
	if (!s->headed)
		s->began = s->seen;
	s->headed = true;
	http_body_begin(&s->x->request, head);
	s->last = is_last(h, s);
	h->counters.requests++;
}

/* What no backend is asked: 0, or the status. */
static uint16_t
refused_at_once(struct http *h, const struct http_session *s)
{
	const struct http_head *head = &h->head;

	if (head->method == HTTP_CONNECT || head->form == HTTP_AUTHORITY)
		return 405;
	if (http_find(head, HTTP_EXPECT) && !head->expect_100) {
		h->counters.expectations++;
		return 417;
	}
	if (s->x->listener->max_body && head->body == HTTP_BODY_LENGTH &&
	    head->content_length > s->x->listener->max_body) {
		h->counters.body_too_large++;
		return 413;
	}
	return 0;
}

/* As many requests are under way as may be. The status. */
static uint16_t
no_room(struct http *h, const struct http_session *s)
{
	h->counters.requests_full++;
	worker_count_drop(h->worker, s->service, DROP_CONNECTION_TABLE_FULL);
	return 503;
}

/* ---- 4. and 5. limits and actions ------------------------------------------------------------ */

/* A number of 32 bits that nobody can foresee well enough to matter. */
static bool
by_share(struct http *h, uint32_t share)
{
	return share && proxy_random(h->worker) <= share;
}

/* True: the route's fault was injected. */
static bool
inject_fault(struct http *h, struct http_session *s, const uint8_t *bytes)
{
	const struct http_fault *f = &s->x->route->fault;

	if (!f->delay_share && !f->abort_share)
		return false;
	if (f->header.bytes && !http_has_field(&h->head, bytes, &f->header, &f->value))
		return false;
	if (by_share(h, f->abort_share)) {
		h->counters.faults_aborted++;
		s->x->mark.cause = HTTP_CAUSE_FAULT;
		http_answer(h, s, f->abort_status);
		return true;
	}
	if (!by_share(h, f->delay_share))
		return false;
	h->counters.faults_delayed++;
	s->state = HTTP_DELAYED;
	s->x->sent = h->worker->now + f->delay;
	http_watch(h, s);
	return true;
}

/* Mirroring uses h->head and its bytes may move. */
static const uint8_t *
mirror(struct http *h, struct http_session *s, const uint8_t *bytes)
{
	http_mirror(h, s, bytes);
	return NULL;
}

void
http_request_act(struct http *h, struct http_session *s, const uint8_t *bytes)
{
	if (!bytes)
		bytes = parse_kept(h, s);
	if (s->x->route->action == HTTP_ACTION_POOL) {
		if (s->x->route->mirror_slot != UINT32_MAX &&
		    by_share(h, s->x->route->mirror_share))
			bytes = mirror(h, s, bytes);
		http_request_place(h, s, bytes);
	} else {
		http_answer_route(h, s, bytes);
	}
}

static void
begin_to_act(struct http *h, struct http_session *s, const uint8_t *bytes)
{
	s->x->upgrade = h->head.websocket && s->x->route->websocket && h->head.method == HTTP_GET &&
			s->x->request.done;
	if (!inject_fault(h, s, bytes))
		http_request_act(h, s, bytes);
}

static void
take_request(struct http *h, struct http_session *s, const struct http_listener *l,
	     const uint8_t *bytes)
{
	bool room = http_exchange_begin(h, s);
	uint16_t status;

	request_begin(h, s, l);
	http_seen_begin(h, s, bytes);
	if (!keep_head(h, s, &bytes)) {
		h->counters.no_memory++;
		refuse(h, s, 503);
		return;
	}
	status = room ? refused_at_once(h, s) : no_room(h, s);
	if (status)
		http_answer(h, s, status);
	else if (find_route(h, s, bytes) && http_charge(h, s, bytes))
		begin_to_act(h, s, bytes);
}

bool
http_read_request(struct http *h, struct http_session *s)
{
	const struct proxy_settings *settings = http_settings(h, s);
	enum http_result result;
	const uint8_t *bytes;

	if (!settings) {
		http_abort(h, s);
		return false;
	}
	result = parse_head(h, s, settings->http, &bytes);
	if (result == HTTP_MORE && s->in.head->next)
		result = parse_pieces(h, s, settings->http, &bytes);
	if (result == HTTP_MORE)
		return false;
	if (result == HTTP_DONE) {
		take_request(h, s, settings->http, bytes);
		return s->state != HTTP_FREE;
	}
	h->counters.bad[h->head.bad]++;
	refuse(h, s, http_bad_status(h->head.bad));
	return false;
}

/* ---- 6. the backend -------------------------------------------------------------------------- */

static bool
enter_pool(struct http *h, struct http_session *s)
{
	const struct pool *pool =
	    snapshot_pool(h->worker->snapshot, s->x->pool_slot, s->x->pool_epoch);

	if (!s->x->attempts)
		http_budget_request(h, s);
	return http_circuit_enter(h, pool, HTTP_BOUND_REQUESTS, &s->x->counted) &&
	       (!s->x->attempts || http_circuit_enter(h, pool, HTTP_BOUND_RETRIES, &s->x->counted));
}

static void
refuse_placed(struct http *h, struct http_session *s, uint32_t backend, enum drop_reason why)
{
	s->x->mark.cause = http_cause_unplaced(backend, why);
	worker_count_drop(h->worker, s->service, why);
	http_answer(h, s, 503);
}

/* The listener is another one now, and of the pools that the route leads to some are no more: that
 * one may be among them which the client is to come back to. What was compiled with this snapshot
 * has all. */
static bool
is_of_before(const struct http *h, const struct http_session *s)
{
	const struct proxy_settings *settings = http_settings(h, s);
	const struct http_route *r = s->x->route;
	uint32_t i;

	if (likely(!settings || settings->http == s->x->listener) || s->mirrors)
		return false;
	for (i = 0; i < r->n_pools; i++)
		if (!snapshot_pool(h->worker->snapshot, r->pools[i].slot, r->pools[i].epoch))
			return true;
	return false;
}

/* The request goes by what its listener is now. False: that is no pool, and it has been answered.
 */
static bool
follow_listener(struct http *h, struct http_session *s, const uint8_t *bytes)
{
	const struct proxy_settings *settings = http_settings(h, s);

	http_listener_get(settings->http, h->worker->index);
	http_listener_put(s->x->listener, h->worker->index);
	s->x->listener = settings->http;
	s->x->header = (uint8_t)settings->header;
	s->x->route = NULL;
	h->path_length = 0;
	if (!find_route(h, s, bytes))
		return false;
	s->x->upgrade = s->x->upgrade && s->x->route->websocket;
	if (s->x->route->action == HTTP_ACTION_POOL)
		return true;
	http_answer_route(h, s, bytes);
	return false;
}

void
http_request_place(struct http *h, struct http_session *s, const uint8_t *bytes)
{
	enum drop_reason why = DROP_NO_BACKEND;
	uint32_t backend;

	if (!bytes)
		bytes = parse_kept(h, s);
	s->x->sent = 0;
	if (unlikely(is_of_before(h, s)) && !follow_listener(h, s, bytes))
		return;
	backend = http_choose(h, s, bytes);
	if (backend == INDEX_NONE)
		h->counters.no_backend++;
	else if (enter_pool(h, s))
		why = http_upstream_get(h, s, backend, s->x->stale_tried);
	if (why != DROP_REASON_COUNT) {
		refuse_placed(h, s, backend, why);
		return;
	}
	http_seen_placed(h, s, backend);
	if (h->upstreams[s->x->upstream].state == HTTP_UPSTREAM_CONNECTING) {
		s->state = HTTP_CONNECTING;
		http_watch(h, s);
	} else {
		http_request_send(h, s, bytes);
	}
}

/* ---- 7. the head, written anew --------------------------------------------------------------- */

/* The path as the backend gets it, NULL: as the writer makes it of the head. False: it has become
 * too long. */
static bool
path_for_backend(struct http *h, const struct http_session *s, const uint8_t *bytes,
		 struct http_change *change)
{
	const struct http_text *to = &s->x->route->path_prefix;
	enum http_path_reason reason;
	struct http_path path;
	size_t cut, length;

	if (h->head.form == HTTP_ASTERISK ||
	    (!h->head.path.length && h->head.method == HTTP_OPTIONS))
		return true;
	path = path_normal(h, s->x->listener, bytes, &reason);
	change->path = path.bytes;
	if (to->bytes) {
		cut = s->x->route->match_prefix.length;
		length = to->length + path.length - cut;
		memcpy(h->rewritten, to->bytes, to->length);
		memcpy(h->rewritten + to->length, path.bytes + cut, path.length - cut);
		change->path = h->rewritten;
		path.length = length;
	}
	change->path_length = (uint16_t)path.length;
	return path.length < UINT16_MAX;
}

/* The head as the backend gets it, NULL: *error says why not. */
static struct rte_mbuf *
head_for_backend(struct http *h, struct http_session *s, const uint8_t *bytes, int *error)
{
	const struct http_route *route = s->x->route;
	struct http_edit edits[HTTP_EDITS_MAX];
	struct http_identity *identity = &h->identity;
	struct http_change change = {
		.edits = edits,
		.host = (const uint8_t *)route->host.bytes,
		.host_length = (uint16_t)route->host.length,
		.connection = s->x->upgrade ? HTTP_SAY_UPGRADE : HTTP_SAY_NOTHING,
	};
	char own[HTTP_AUTHORITY_MAX];

	http_identify(h, s, bytes, identity);
	http_trace_edits(h, s, bytes, identity);
	memcpy(edits, identity->edits, identity->n * sizeof(*edits));
	if (route->n_request_edits)
		memcpy(edits + identity->n, route->request_edits,
		       route->n_request_edits * sizeof(*edits));
	change.n_edits = identity->n + route->n_request_edits;
	if (!change.host && !h->head.authority.whole.length) {
		change.host = (const uint8_t *)own;
		change.host_length = (uint16_t)http_own_authority(s, true, own);
	}
	*error = -EINVAL;
	if (!path_for_backend(h, s, bytes, &change))
		return NULL;
	return http_write(h, HTTP_KIND_REQUEST, bytes, &change, error);
}

struct rte_mbuf *
http_proxy_header(struct http *h, const struct http_session *s)
{
	return header_make(h->proxy, &s->ends, &s->tuple, (enum proxy_header)s->x->header);
}

static bool
put_proxy_header(struct http *h, struct http_session *s)
{
	struct rte_mbuf *m = http_proxy_header(h, s);

	if (!m)
		return false;
	queue_add(&s->x->up, m, m->pkt_len);
	return true;
}

bool
http_request_send(struct http *h, struct http_session *s, const uint8_t *bytes)
{
	struct http_upstream *u = http_upstream_of(h, s);
	struct rte_mbuf *head;
	uint32_t length;
	int error;

	if (!bytes)
		bytes = parse_kept(h, s);
	head = head_for_backend(h, s, bytes, &error);
	if (!head) {
		http_upstream_put(h, s, true);
		h->counters.no_memory += error == -ENOBUFS;
		h->counters.heads_unfit += error != -ENOBUFS;
		http_answer(h, s, error == -ENOBUFS ? 503 : 400);
		return false;
	}
	length = head->pkt_len;
	if (u->told && !u->requests && !u->tls && !put_proxy_header(h, s)) {
		rte_pktmbuf_free(head);
		h->counters.no_memory++;
		http_answer(h, s, 503);
		return false;
	}
	queue_add(&s->x->up, head, length);
	http_seen_sent(h, s);
	s->state = HTTP_WAITING;
	s->seen = h->worker->now;
	http_watch(h, s);
	return true;
}

/* ---- again ----------------------------------------------------------------------------------- */

/* RFC 9110 9.2.2 */
static bool
is_idempotent(uint8_t method)
{
	switch (method) {
	case HTTP_GET:
	case HTTP_HEAD:
	case HTTP_PUT:
	case HTTP_DELETE:
	case HTTP_OPTIONS:
	case HTTP_TRACE:
		return true;
	default:
		return false;
	}
}

/* May it be sent again? Not if the backend may have acted on it and would act otherwise the second
 * time, nor when some of its body is gone. */
static bool
may_repeat(const struct http_session *s, enum http_retry when)
{
	if (s->x->begun || !s->x->head || s->mirrors)
		return false;
	if (when == HTTP_RETRY_CONNECT)
		return true;
	return is_idempotent(s->x->method) && !s->x->request.bytes && s->x->request.done;
}

/* The attempt and its backend are done with. */
static void
leave_backend(struct http *h, struct http_session *s, bool judge)
{
	struct http_upstream *u = http_upstream_of(h, s);

	if (u) {
		if (judge) {
			http_tried_add(h, s, u->backend);
			http_judge(h, s, u->backend, false);
		}
		http_upstream_drop(h, s);
	}
	http_circuit_leave_all(h, s);
}

void
http_request_unplaced(struct http *h, struct http_session *s, enum drop_reason why)
{
	uint32_t backend = http_upstream_of(h, s)->backend;
	bool gone = !snapshot_pool(h->worker->snapshot, s->x->pool_slot, s->x->pool_epoch);

	leave_backend(h, s, false);
	if (gone) /* and with it what its backends are spoken to with */
		http_request_place(h, s, NULL);
	else
		refuse_placed(h, s, backend, why);
}

/* May the pool have a retry more? Where another one takes the last place until this one enters, it
 * is refused after all. */
static bool
room_for_retry(struct http *h, struct http_session *s)
{
	const struct pool *pool =
	    snapshot_pool(h->worker->snapshot, s->x->pool_slot, s->x->pool_epoch);

	return !pool || s->x->counted & 1 << HTTP_BOUND_RETRIES ||
	       !http_circuit_full(h, pool, HTTP_BOUND_RETRIES);
}

bool
http_request_retry(struct http *h, struct http_session *s, enum http_retry when)
{
	if (s->x->attempts >= s->x->route->retry_attempts || !(s->x->route->retry_on & when) ||
	    !may_repeat(s, when) || !room_for_retry(h, s) || !http_budget_retry(h, s))
		return false;
	http_seen_failed(h, s, when);
	leave_backend(h, s, true);
	s->x->attempts++;
	h->counters.retries++;
	http_request_place(h, s, NULL);
	return true;
}

void
http_request_failed(struct http *h, struct http_session *s, enum http_retry when, uint16_t status)
{
	struct http_upstream *u = http_upstream_of(h, s);

	/* A kept connection that ends may have been about to before the request came. */
	if (u && u->reused && when == HTTP_RETRY_RESET && !s->x->stale_tried &&
	    may_repeat(s, when)) {
		leave_backend(h, s, false);
		s->x->stale_tried = true;
		h->counters.retries_stale++;
		http_request_place(h, s, NULL);
		return;
	}
	if (http_request_retry(h, s, when))
		return;
	http_seen_failed(h, s, when);
	leave_backend(h, s, true);
	http_answer(h, s, status);
}

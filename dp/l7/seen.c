/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is counted and noted of a request on its way, by hooks in its life (session.c): see
 * record.h.
 */
#include "dp/l7/internal.h"

/* ---- causes ---------------------------------------------------------------------------------- */

enum http_cause
http_cause_unplaced(uint32_t backend, enum drop_reason why)
{
	if (backend == INDEX_NONE)
		return HTTP_CAUSE_NO_BACKEND;
	return why == DROP_NO_BACKEND ? HTTP_CAUSE_CIRCUIT : HTTP_CAUSE_OVERLOAD;
}

/* What an attempt failed for. */
static enum http_cause
cause_failed(enum http_retry when)
{
	switch (when) {
	case HTTP_RETRY_CONNECT:
		return HTTP_CAUSE_CONNECT_FAILED;
	case HTTP_RETRY_RESET:
		return HTTP_CAUSE_BACKEND_CLOSED;
	case HTTP_RETRY_TIMEOUT:
		return HTTP_CAUSE_FIRST_BYTE_TIMEOUT;
	default:
		return HTTP_CAUSE_BACKEND_STATUS;
	}
}

/* Of an answer of our own, where its status says it all. */
static enum http_cause
cause_of(const struct http_session *s, uint16_t status)
{
	switch (status) {
	case 404:
		return HTTP_CAUSE_NO_ROUTE;
	case 408:
		return s->x->listener ? HTTP_CAUSE_BODY_TIMEOUT : HTTP_CAUSE_HEADER_TIMEOUT;
	case 413:
		return HTTP_CAUSE_BODY_TOO_LARGE;
	case 502:
		return HTTP_CAUSE_BACKEND_BAD;
	case 503:
		return HTTP_CAUSE_OVERLOAD;
	case 504:
		return HTTP_CAUSE_WHOLE_TIMEOUT;
	default:
		return HTTP_CAUSE_BAD_REQUEST;
	}
}

void
http_seen_refused(struct http_session *s, uint16_t status)
{
	bool wanted = s->x->route && s->x->route->action != HTTP_ACTION_POOL;

	if (!s->x->mark.cause && !wanted)
		s->x->mark.cause = (uint8_t)cause_of(s, status);
}

/* Of one that did not come to its end. */
static enum http_cause
cause_of_end(const struct http *h, const struct http_session *s)
{
	if (s->x->mark.cause)
		return s->x->mark.cause;
	if (s->client == TCP_HANDLE_NONE || (s->client_fin && !s->x->request.done))
		return HTTP_CAUSE_CLIENT_GONE;
	return http_settings(h, s) ? HTTP_CAUSE_OTHER : HTTP_CAUSE_LISTENER_GONE;
}

/* ---- the record ------------------------------------------------------------------------------ */

static struct http_open *
open_of(const struct http *h, const struct http_session *s)
{
	return s->x->mark.record ? &h->opens[s->x->mark.record - 1] : NULL;
}

/* There are as many as exchanges. */
static struct http_open *
open_get(struct http *h, struct http_session *s)
{
	struct http_open *o;

	if (h->opens_free) {
		s->x->mark.record = h->opens_free;
		h->opens_free = h->opens[h->opens_free - 1].next_free;
	} else {
		s->x->mark.record = ++h->opens_fresh;
	}
	o = open_of(h, s);
	memset(o, 0, offsetof(struct http_open, record.text));
	o->placed = o->connected = o->answered = 0;
	return o;
}

/* Append to the texts, at most `most` bytes. How many were. */
static uint32_t
put(struct http_record *r, uint32_t at, const void *bytes, uint32_t length, uint32_t most)
{
	uint32_t n = RTE_MIN(length, most);

	memcpy(r->text + at, bytes, n);
	return n;
}

static void
put_name(struct http_record *r, const struct http_text *name)
{
	if (name->bytes)
		r->listener_length = (uint8_t)put(r, (uint32_t)(record_listener(r) - r->text),
						  name->bytes, name->length, RECORD_NAME_MAX);
}

static void
note_head(struct http_record *r, const struct http_head *head, const uint8_t *bytes)
{
	r->minor = head->minor;
	r->method_length = (uint8_t)put(r, 0, bytes + head->method_name.at,
					head->method_name.length, RECORD_NAME_MAX);
	r->host_length = (uint8_t)put(r, r->method_length, bytes + head->authority.whole.at,
				      head->authority.whole.length, RECORD_HOST_MAX);
	if (r->host_length < head->authority.whole.length)
		r->flags |= HTTP_RECORD_HOST_CUT;
}

/* The path and its query, as they came; what is left is for the route's name. */
static void
note_path(struct http_record *r, const struct http_head *head, const uint8_t *bytes)
{
	uint32_t at = (uint32_t)(record_path(r) - r->text);
	uint32_t most = RECORD_TEXT - RECORD_NAME_MAX - at, length = head->path.length;

	if (head->has_query)
		length += 1u + head->query.length; /* they stand behind each other */
	r->path_length = (uint16_t)put(r, at, bytes + head->path.at, length, most);
	if (r->path_length < length)
		r->flags |= HTTP_RECORD_PATH_CUT;
}

static void
note(struct http *h, struct http_session *s, const uint8_t *bytes)
{
	const struct proxy_settings *settings = http_settings(h, s);
	struct http_record *r = &open_get(h, s)->record;

	r->began = s->began;
	r->client = *http_client(s);
	r->client_port = s->ends.known ? s->ends.sport : rte_be_to_cpu_16(s->tuple.sport);
	if (bytes)
		note_head(r, &h->head, bytes);
	if (settings)
		put_name(r, &settings->http->name);
	if (bytes)
		note_path(r, &h->head, bytes);
	http_trace_begin(h, r, bytes);
}

void
http_seen_begin(struct http *h, struct http_session *s, const uint8_t *bytes)
{
	const struct http_seen_settings *seen = &h->worker->snapshot->seen;

	s->x->mark = (struct http_mark){ .open = true };
	if (!bytes && !s->headed)
		s->began = h->worker->now;
	if (seen->records || seen->tracing)
		note(h, s, bytes);
}

void
http_seen_placed(struct http *h, struct http_session *s, uint32_t backend)
{
	const struct backend *b = &h->worker->snapshot->backends[backend];
	struct http_open *o = open_of(h, s);

	s->x->mark.pooled = true;
	s->x->mark.cause = HTTP_CAUSE_NONE;
	if (!o)
		return;
	o->placed = h->worker->now;
	o->connected = 0;
	o->record.backend = b->addr;
	o->record.backend_port = rte_be_to_cpu_16(b->port ? b->port : s->tuple.dport);
	o->record.pool_slot = s->x->pool_slot;
	o->record.pool_epoch = s->x->pool_epoch;
	o->record.flags |= HTTP_RECORD_BACKEND;
}

void
http_seen_sent(struct http *h, struct http_session *s)
{
	struct http_open *o = open_of(h, s);

	if (!o)
		return;
	o->connected = h->worker->now;
	if (h->upstreams[s->x->upstream].reused)
		o->record.flags |= HTTP_RECORD_REUSED;
	else
		o->record.flags &= (uint16_t)~HTTP_RECORD_REUSED;
}

void
http_seen_attempt(struct http *h, uint32_t backend, uint16_t status)
{
	h->attempts[backend].classes[status / 100 % HTTP_CLASSES]++;
}

static uint16_t
status_of(enum http_retry when)
{
	switch (when) {
	case HTTP_RETRY_502:
		return 502;
	case HTTP_RETRY_503:
		return 503;
	case HTTP_RETRY_504:
		return 504;
	default:
		return 0;
	}
}

void
http_seen_failed(struct http *h, struct http_session *s, enum http_retry when)
{
	const struct http_upstream *u = http_upstream_of(h, s);

	s->x->mark.cause = (uint8_t)cause_failed(when);
	if (u)
		http_seen_attempt(h, u->backend, status_of(when));
}

void
http_seen_answered(struct http *h, struct http_session *s, uint16_t status)
{
	struct http_open *o = open_of(h, s);

	s->x->mark.status = status;
	if (o)
		o->answered = h->worker->now;
}

/* ---- the end --------------------------------------------------------------------------------- */

static enum http_bucket
bucket_of(uint64_t ns)
{
	static const uint64_t bounds[] = {
#define X(ns, text) ns,
		HTTP_BUCKETS(X)
#undef X
	};
	enum http_bucket i = 0;

	while (i < HTTP_BUCKET_OVER && ns > bounds[i])
		i++;
	return i;
}

static void
count(struct http_latency *l, uint64_t ns, uint16_t status, bool cut)
{
	l->buckets[bucket_of(ns)]++;
	l->sum += ns;
	l->classes[status / 100 % HTTP_CLASSES]++;
	l->cut += cut;
}

static void
note_phases(const struct http_open *o, struct http_record *r, uint64_t now)
{
	uint64_t answered = o->answered ? o->answered : now;
	uint64_t placed = o->placed ? o->placed : answered;
	uint64_t connected = o->connected ? o->connected : answered;

	r->queue = placed - r->began;
	r->connect = o->placed ? connected - placed : 0;
	r->first_byte = o->connected ? answered - connected : 0;
	r->total = now - r->began;
}

static void
note_end(struct http *h, const struct http_session *s, struct http_record *r, bool cut)
{
	r->bytes_in = s->x->request.bytes;
	r->bytes_out = s->x->answer.bytes;
	r->status = s->x->mark.status;
	r->cause = (uint8_t)(cut ? cause_of_end(h, s) : s->x->mark.cause);
	r->retries = (uint8_t)(s->x->attempts + s->x->stale_tried);
	if (cut)
		r->flags |= HTTP_RECORD_CUT_OFF;
	if (s->x->mark.status == 101)
		r->flags |= HTTP_RECORD_UPGRADED;
	if (s->x->route)
		r->route_length =
		    (uint8_t)put(r, (uint32_t)(record_route(r) - r->text), s->x->route->name.bytes,
				 s->x->route->name.length, RECORD_NAME_MAX);
}

static void
leave(struct http *h, const struct http_session *s, struct http_open *o, bool cut)
{
	struct http_record *r = &o->record;

	note_phases(o, r, h->worker->now);
	note_end(h, s, r, cut);
	if (h->worker->snapshot->seen.records)
		r->flags |= HTTP_RECORD_LOG;
	if (http_trace_wants(h, r))
		r->flags |= HTTP_RECORD_SPAN;
	if (r->flags & (HTTP_RECORD_LOG | HTTP_RECORD_SPAN))
		http_records_put(h->records, r);
	o->next_free = h->opens_free;
	h->opens_free = s->x->mark.record;
}

void
http_seen_end(struct http *h, struct http_session *s)
{
	struct http_open *o = open_of(h, s);
	uint64_t ns = h->worker->now - s->began;
	bool cut = !s->x->answer.done;

	if (!s->x->mark.open)
		return;
	count(&h->listener_latency[s->service], ns, s->x->mark.status, cut);
	if (s->x->mark.pooled)
		count(&h->pool_latency[s->x->pool_slot], ns, s->x->mark.status, cut);
	if (o)
		leave(h, s, o, cut);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * READ FIRST: the life of a client's connection and of the requests on it. One function for each
 * state says what the state waits for, and goes on as far as what is here allows (http_step).
 *
 *              accepted
 *                 │  ├── PROXY header expected ──> PROXIED
 *                 │  └── TLS ──> SECURING <──────────┤
 *                 v                 v                │
 *     ┌──────> READING <───────────────────────────── ┘     request.c   head, route, action
 *     │           │ a head is complete
 *     │           ├── answer of our own ────────────────┐   answer.c
 *     │           ├── DELAYED (a fault is injected) ──┐ │
 *     │           v                                   │ │
 *     │       CONNECTING <────────────────────────────┘ │   upstream.c  no kept connection is free
 *     │           │  ^                                  │
 *     │           v  └── failed, and may be sent again  │
 *     │        WAITING ── 1xx ──> passed on             │   response.c  the answer's head
 *     │           │  └── 101 ──> TUNNEL                 │
 *     │           v                                     │
 *     │       ANSWERING                                 │   body.c      bodies, both ways
 *     │           │ both bodies are done                │
 *     └───────────┴───────────── <────────────────────  ┘
 *                 └── the connection has to end ──> ENDING ──> free
 *
 * While a request is at a backend its body may still come (WAITING, ANSWERING); what comes behind
 * it stays in `in`, where it closes the client's window. From its head to its end a request has an
 * exchange; a session that is READING has none.
 */
#include "dp/l7/internal.h"
#include "lib/proxy_protocol.h"

/* ---- exchanges ------------------------------------------------------------------------------- */

const struct http_exchange http_no_exchange = { .upstream = INDEX_NONE };

static struct http_exchange *
no_exchange(void)
{
	return (struct http_exchange *)(uintptr_t)&http_no_exchange;
}

/* The one for refusals. */
static struct http_exchange *
refusal(const struct http *h)
{
	return &h->exchanges[h->n_upstream];
}

bool
http_exchange_begin(struct http *h, struct http_session *s)
{
	struct http_exchange *x = refusal(h);

	if (h->exchanges_free != INDEX_NONE) {
		x = &h->exchanges[h->exchanges_free];
		h->exchanges_free = x->next_free;
	} else if (h->exchanges_fresh < h->n_upstream) {
		x = &h->exchanges[h->exchanges_fresh++];
	}
	*x = (struct http_exchange){ .upstream = INDEX_NONE };
	h->exchanges_used += x != refusal(h);
	s->x = x;
	return x != refusal(h);
}

/* What belongs to the request, the upstream excepted. */
static void
request_clear(struct http *h, struct http_session *s)
{
	struct http_exchange *x = s->x;

	if (!http_has_exchange(s))
		return;
	http_seen_end(h, s);
	http_circuit_leave_all(h, s);
	http_mirror_forget(h, s);
	queue_free(&x->down);
	http_tell(h, s->client, &x->down);
	queue_free(&x->up);
	http_tell(h, s->client, &x->up);
	rte_pktmbuf_free(x->head);
	http_trailer_free(&x->request);
	http_trailer_free(&x->answer);
	if (x->listener)
		http_listener_put(x->listener, h->worker->index);
	s->x = no_exchange();
	if (x == refusal(h))
		return;
	h->exchanges_used--;
	x->next_free = h->exchanges_free;
	h->exchanges_free = http_exchange_index(h, x);
}

/* ---- sessions -------------------------------------------------------------------------------- */

struct http_session *
http_session_new(struct http *h)
{
	struct http_session *s;

	if (h->sessions_free != INDEX_NONE) {
		s = &h->sessions[h->sessions_free];
		h->sessions_free = s->next_free;
	} else if (h->sessions_fresh < h->n) {
		s = &h->sessions[h->sessions_fresh++];
	} else {
		return NULL;
	}
	*s = (struct http_session){ .x = no_exchange(), .count.client = INDEX_NONE };
	h->sessions_used++;
	return s;
}

/* Nothing of it is left in TCP. */
static void
session_free(struct http *h, struct http_session *s)
{
	struct worker *w = h->worker;

	wheel_disarm(h->wheel, http_session_index(h, s));
	queue_free(&s->in);
	http_tell(h, s->client, &s->in);
	request_clear(h, s);
	if (!s->mirrors) {
		limit_leave(w, s->service, s->service_epoch, &s->count);
		w->service_stats[s->service].connections_ended++;
	}
	s->state = HTTP_FREE;
	s->next_free = h->sessions_free;
	h->sessions_free = http_session_index(h, s);
	h->sessions_used--;
}

void
http_abort(struct http *h, struct http_session *s)
{
	if (s->x->upstream != INDEX_NONE)
		http_upstream_drop(h, s);
	if (s->client != TCP_HANDLE_NONE)
		stream_abort(h->proxy, s->client);
	session_free(h, s);
}

/* ---- accepted -------------------------------------------------------------------------------- */

static bool
expects_proxy_header(const struct proxy_settings *settings, const struct addr *client)
{
	return settings->accept_header &&
	       (!settings->trusted || lpm_lookup(settings->trusted, client) != LPM_NONE);
}

/* From here on the client speaks TLS to us. False: there is no room for it, and the session is
 * gone. */
static bool
secure(struct http *h, struct http_session *s)
{
	const struct tls_begin what = {
		.tcp = s->client,
		.user = http_session_user(h, s),
		.slot = s->service,
		.epoch = s->service_epoch,
		.lenient = true, /* a request says itself where it ends */
		.in = &s->in,
	};
	tcp_handle handle = tls_begin(proxy_tls(h->proxy), &what);

	if (handle == TCP_HANDLE_NONE) {
		worker_count_drop(h->worker, s->service, DROP_CONNECTION_TABLE_FULL);
		http_abort(h, s);
		return false;
	}
	s->client = handle;
	s->secure = true;
	s->state = HTTP_SECURING;
	return true;
}

/* Behind the PROXY header, if there was one; settings may be NULL. False: the session is gone. */
static bool
begin_inside(struct http *h, struct http_session *s, const struct proxy_settings *settings)
{
	s->state = HTTP_READING;
	return !settings || !settings->tls || secure(h, s);
}

uint64_t
http_on_accepted(struct http *h, tcp_handle handle, uint32_t service, const struct tuple *tuple)
{
	struct worker *w = h->worker;
	const struct proxy_settings *settings = &w->snapshot->proxies[service];
	struct limit_count count;
	struct http_session *s;

	if (!proxy_admit(h->proxy, service, tuple, &count))
		return 0;
	s = http_session_new(h);
	if (!s) {
		limit_leave(w, service, w->snapshot->services[service].epoch, &count);
		h->counters.sessions_full++;
		worker_count_drop(w, service, DROP_CONNECTION_TABLE_FULL);
		return 0;
	}
	w->service_stats[service].connections_total++;
	s->client = handle;
	s->service = service;
	s->service_epoch = w->snapshot->services[service].epoch;
	s->tuple = *tuple;
	s->count = count;
	s->since = s->seen = s->began = w->now;
	http_arm(h, s, w->now + settings->http->timeout_header);
	if (expects_proxy_header(settings, &tuple->src))
		s->state = HTTP_PROXIED;
	else if (!begin_inside(h, s, settings))
		return 0;
	return stream_user(s->client, http_session_user(h, s));
}

/* ---- PROXIED --------------------------------------------------------------------------------- */

static bool
step_proxied(struct http *h, struct http_session *s)
{
	uint8_t copy[PROXY_PROTOCOL_MAX];
	uint32_t length = RTE_MIN(s->in.length, (uint32_t)sizeof(copy));
	int n = 0;

	if (s->in.head)
		n = proxy_protocol_parse(rte_pktmbuf_read(s->in.head, 0, length, copy), length,
					 &s->ends);
	if (n < 0 || (n == 0 && s->client_fin)) {
		h->counters.headers_bad++;
		http_abort(h, s);
		return false;
	}
	if (n == 0)
		return false;
	queue_cut(&s->in, (uint32_t)n);
	http_tell(h, s->client, &s->in);
	stream_credit(h->proxy, s->client, (uint32_t)n);
	return begin_inside(h, s, http_settings(h, s));
}

/* ---- READING --------------------------------------------------------------------------------- */

void
http_end_connection(struct http *h, struct http_session *s)
{
	queue_free(&s->in);
	http_tell(h, s->client, &s->in);
	s->state = HTTP_ENDING;
	s->untaken = 0;
	http_watch(h, s);
	if (s->client == TCP_HANDLE_NONE)
		session_free(h, s);
	else
		stream_drain(h->proxy, s->client);
}

void
http_abort_later(struct http *h, struct http_session *s)
{
	if (s->client == TCP_HANDLE_NONE) {
		http_abort(h, s);
		return;
	}
	if (s->x->upstream != INDEX_NONE)
		http_upstream_drop(h, s);
	request_clear(h, s);
	queue_free(&s->in);
	http_tell(h, s->client, &s->in);
	s->state = HTTP_ENDING;
	s->seen = h->worker->now;
	s->untaken = 0;
	http_watch(h, s);
	stream_abort_later(h->proxy, s->client);
}

static bool
step_reading(struct http *h, struct http_session *s)
{
	if (s->in.head && http_read_request(h, s))
		return true;
	if (s->state != HTTP_READING)
		return false;
	if (s->client_fin) {
		h->counters.client_gone += s->in.head != NULL;
		http_end_connection(h, s);
		return false;
	}
	if (s->in.head && !s->headed) {
		const struct proxy_settings *settings = http_settings(h, s);

		s->headed = true;
		s->began = h->worker->now;
		http_arm(h, s,
			 s->began + (settings ? settings->http->timeout_header : HTTP_FALLBACK_NS));
	}
	return false;
}

/* ---- WAITING and ANSWERING ------------------------------------------------------------------- */

/* The rest of the request will not come. */
static bool
request_is_cut(const struct http_session *s)
{
	return s->client_fin && !s->x->request.done && !s->in.head;
}

static bool
step_waiting(struct http *h, struct http_session *s)
{
	struct http_upstream *u;

	if (!s->x->request.done || s->x->up.head) {
		if (!http_pump_request(h, s))
			return false;
		if (request_is_cut(s)) {
			h->counters.client_gone++;
			http_abort(h, s);
			return false;
		}
	}
	u = http_upstream_of(h, s);
	if (u->in.head && http_read_answer(h, s))
		return true;
	if (s->state != HTTP_WAITING || s->x->upstream == INDEX_NONE)
		return false;
	if (!u->fin)
		return false;
	h->counters.backend_closed++;
	if (u->in.head) /* it has begun to answer: that it has not acted is not to be thought */
		http_answer(h, s, 502);
	else
		http_request_failed(h, s, HTTP_RETRY_RESET, 502);
	return s->state == HTTP_WAITING;
}

static bool
step_answering(struct http *h, struct http_session *s)
{
	if (s->x->upstream != INDEX_NONE && (!s->x->request.done || s->x->up.head) &&
	    !http_pump_request(h, s))
		return false;
	if (s->x->upstream == INDEX_NONE)
		http_flush_down(h, s);
	else if (!http_pump_answer(h, s))
		return false;
	if (s->x->answer.done && !s->x->down.head)
		http_request_end(h, s);
	return false;
}

void
http_request_end(struct http *h, struct http_session *s)
{
	bool whole = s->x->request.done && !s->x->up.head;
	struct http_upstream *u = http_upstream_of(h, s);

	if (u)
		http_upstream_put(h, s, whole && s->x->keep_upstream);
	request_clear(h, s);
	s->headed = false;
	s->scanned = 0;
	s->line_end = 0;
	s->seen = h->worker->now;
	if (s->last || !whole) {
		http_end_connection(h, s);
		return;
	}
	s->state = HTTP_READING;
	s->again = true;
	http_arm(h, s, s->seen + http_keepalive(h, s));
}

/* ---- TUNNEL ---------------------------------------------------------------------------------- */

static void
step_tunnel(struct http *h, struct http_session *s)
{
	struct http_upstream *u = http_upstream_of(h, s);

	if (!http_pump_tunnel(h, s))
		return;
	if (u->handle != TCP_HANDLE_NONE || s->client != TCP_HANDLE_NONE)
		return;
	http_upstream_put(h, s, false);
	session_free(h, s);
}

/* ---- all of them ----------------------------------------------------------------------------- */

static bool
step_once(struct http *h, struct http_session *s)
{
	switch (s->state) {
	case HTTP_PROXIED:
		return step_proxied(h, s);
	case HTTP_READING:
		return step_reading(h, s);
	case HTTP_WAITING:
		return step_waiting(h, s);
	case HTTP_ANSWERING:
		return step_answering(h, s);
	case HTTP_TUNNEL:
		step_tunnel(h, s);
		return false;
	default: /* SECURING, DELAYED, CONNECTING: a timer or TCP has the next word. ENDING: nobody
		  */
		return false;
	}
}

void
http_step(struct http *h, struct http_session *s)
{
	bool more;

	do {
		s->again = false;
		more = step_once(h, s);
	} while (more || s->again);
	/* A refusal that TCP does not take at once: the connection ends behind the answers that TCP
	 * has already, and are whole. */
	if (unlikely(s->x == refusal(h))) {
		s->x->answer.done = false;
		s->last = true;
		h->counters.cut_off++;
		http_request_end(h, s);
	}
	if (s->state != HTTP_FREE)
		http_tell(h, s->client, &s->in);
}

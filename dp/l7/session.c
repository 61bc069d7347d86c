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

#define MS 1000000ull
/* A listener that is no more has no times. */
#define FALLBACK_NS (10000 * MS)

/* ---- exchanges ------------------------------------------------------------------------------- */

const struct http_exchange http_no_exchange = { .upstream = INDEX_NONE, .failed = INDEX_NONE };

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
	*x = (struct http_exchange){ .upstream = INDEX_NONE, .failed = INDEX_NONE };
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

/* The connection has served its purpose: its last answer goes out, and what the client still sends
 * is of no interest. */
static void
end_connection(struct http *h, struct http_session *s)
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

static bool
step_reading(struct http *h, struct http_session *s)
{
	if (s->in.head && http_read_request(h, s))
		return true;
	if (s->state != HTTP_READING)
		return false;
	if (s->client_fin) {
		h->counters.client_gone += s->in.head != NULL;
		end_connection(h, s);
		return false;
	}
	if (s->in.head && !s->headed) {
		const struct proxy_settings *settings = http_settings(h, s);

		s->headed = true;
		s->began = h->worker->now;
		http_arm(h, s,
			 s->began + (settings ? settings->http->timeout_header : FALLBACK_NS));
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
		end_connection(h, s);
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

	http_pump_tunnel(h, s);
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

/* ---- events of the client's connection ------------------------------------------------------- */

static void
client_closed(struct http *h, struct http_session *s, enum tcp_close_cause cause)
{
	s->client = TCP_HANDLE_NONE;
	if (s->state == HTTP_TUNNEL && cause == TCP_CLOSED_DONE) {
		s->client_fin = true;
		http_step(h, s);
		return;
	}
	if (s->state != HTTP_ENDING && s->state != HTTP_READING && s->state != HTTP_SECURING)
		h->counters.client_gone++;
	http_abort(h, s);
}

/* ---- events of a backend's connection -------------------------------------------------------- */

static void
upstream_ready(struct http *h, struct http_upstream *u)
{
	struct http_session *s = &h->sessions[u->session];

	u->state = HTTP_UPSTREAM_BUSY;
	http_circuit_leave(h, s->x->pool_slot, HTTP_BOUND_PENDING, &s->x->counted);
	http_request_send(h, s, NULL);
	http_step(h, s);
}

static void
upstream_received(struct http *h, struct http_upstream *u, struct rte_mbuf *chain, uint32_t length)
{
	struct http_session *s;

	if (u->session == INDEX_NONE) { /* nobody has asked */
		rte_pktmbuf_free(chain);
		if (u->state == HTTP_UPSTREAM_IDLE)
			http_upstream_close(h, u);
		return;
	}
	s = &h->sessions[u->session];
	s->seen = h->worker->now;
	h->worker->service_stats[s->service].packets_out += chain->nb_segs;
	h->worker->service_stats[s->service].bytes_out += length;
	queue_add(&u->in, chain, length);
	http_tell(h, u->handle, &u->in);
	http_step(h, s);
}

static void
upstream_half_closed(struct http *h, struct http_upstream *u)
{
	u->fin = true;
	if (u->session != INDEX_NONE)
		http_step(h, &h->sessions[u->session]);
	else if (u->state == HTTP_UPSTREAM_IDLE)
		http_upstream_close(h, u);
}

static void
upstream_closed(struct http *h, struct http_upstream *u, enum tcp_close_cause cause)
{
	struct http_session *s = u->session == INDEX_NONE ? NULL : &h->sessions[u->session];

	u->handle = TCP_HANDLE_NONE;
	u->fin = true;
	u->broken = cause != TCP_CLOSED_DONE;
	if (!s) {
		http_upstream_gone(h, u);
		return;
	}
	if (s->state == HTTP_CONNECTING && cause == TCP_CLOSED_LOCAL) {
		http_request_unplaced(h, s, DROP_TLS_BUSY);
	} else if (s->state == HTTP_CONNECTING) {
		h->counters.upstreams_failed++;
		h->counters.connect_failed++;
		http_request_failed(h, s, HTTP_RETRY_CONNECT,
				    cause == TCP_CLOSED_TIMEOUT ? 504 : 502);
	} else if (s->state == HTTP_TUNNEL && u->broken) {
		s->x->mark.cause = HTTP_CAUSE_BACKEND_CLOSED;
		http_abort(h, s);
		return;
	}
	http_step(h, s);
}

static void
upstream_connected(struct http *h, struct http_upstream *u)
{
	struct http_session *s = &h->sessions[u->session];
	enum drop_reason why;

	if (!u->tls) {
		upstream_ready(h, u);
		return;
	}
	why = http_upstream_secure(h, s, u);
	if (why == DROP_REASON_COUNT)
		return;
	http_request_unplaced(h, s, why);
	http_step(h, s);
}

/* ---- events ---------------------------------------------------------------------------------- */

void
http_on_connected(struct http *h, uint64_t user)
{
	if (http_user_is_upstream(user))
		upstream_connected(h, &h->upstreams[http_user_index(user)]);
}

static void
client_secured(struct http *h, struct http_session *s, const struct tls_handover *handover)
{
	http_peer_keep(h, s, &handover->peer);
	s->state = HTTP_READING;
	s->seen = s->began = h->worker->now;
	http_watch(h, s);
}

void
http_on_secured(struct http *h, uint64_t user, const struct tls_handover *handover)
{
	uint32_t i = http_user_index(user);

	if (http_user_is_upstream(user))
		upstream_ready(h, &h->upstreams[i]);
	else
		client_secured(h, &h->sessions[i], handover);
}

static void
prefetch(const void *object, size_t size)
{
	size_t i;

	for (i = 0; i < size; i += 64)
		__builtin_prefetch((const char *)object + i);
}

/* An answer, or the rest of one: who has asked, the request, and its client's connection. */
static tcp_handle
expect_answer(const struct http *h, const struct http_upstream *u, uint32_t step)
{
	const struct http_session *s;

	if (step == 0) {
		prefetch(u, sizeof(*u));
		return TCP_HANDLE_NONE;
	}
	if (u->session == INDEX_NONE)
		return TCP_HANDLE_NONE;
	s = &h->sessions[u->session];
	if (step == 1) {
		prefetch(s, sizeof(*s));
		return TCP_HANDLE_NONE;
	}
	if (step == 2)
		prefetch(s->x, sizeof(*s->x));
	else if (s->x->head)
		prefetch(s->x->head, sizeof(*s->x->head));
	return stream_expected(h->proxy, s->client, step, 2);
}

/* A request, or the rest of one, whose backend is known then. */
static tcp_handle
expect_request(const struct http *h, const struct http_session *s, uint32_t step)
{
	const struct http_upstream *u;

	if (step == 0)
		prefetch(s, sizeof(*s));
	if (step == 0 || !http_has_exchange(s))
		return TCP_HANDLE_NONE;
	if (step == 1) {
		prefetch(s->x, sizeof(*s->x));
		return TCP_HANDLE_NONE;
	}
	if (s->x->upstream == INDEX_NONE)
		return TCP_HANDLE_NONE;
	u = &h->upstreams[s->x->upstream];
	if (step == 2) {
		prefetch(u, sizeof(*u));
		return TCP_HANDLE_NONE;
	}
	return stream_expected(h->proxy, u->handle, step, 3);
}

tcp_handle
http_on_expected(const struct http *h, uint64_t user, uint32_t step)
{
	uint32_t i = http_user_index(user);

	if (http_user_is_upstream(user))
		return expect_answer(h, &h->upstreams[i], step);
	return expect_request(h, &h->sessions[i], step);
}

void
http_on_received(struct http *h, uint64_t user, struct rte_mbuf *chain, uint32_t length)
{
	struct http_session *s;

	if (http_user_is_upstream(user)) {
		upstream_received(h, &h->upstreams[http_user_index(user)], chain, length);
		return;
	}
	s = &h->sessions[http_user_index(user)];
	s->seen = h->worker->now;
	queue_add(&s->in, chain, length);
	http_step(h, s);
}

void
http_on_room(struct http *h, uint64_t user)
{
	uint32_t i = http_user_index(user);

	if (!http_user_is_upstream(user)) {
		h->sessions[i].seen = h->worker->now;
		http_step(h, &h->sessions[i]);
	} else if (h->upstreams[i].session != INDEX_NONE) {
		h->sessions[h->upstreams[i].session].seen = h->worker->now;
		http_step(h, &h->sessions[h->upstreams[i].session]);
	}
}

void
http_on_half_closed(struct http *h, uint64_t user)
{
	uint32_t i = http_user_index(user);

	if (http_user_is_upstream(user)) {
		upstream_half_closed(h, &h->upstreams[i]);
		return;
	}
	h->sessions[i].client_fin = true;
	http_step(h, &h->sessions[i]);
}

void
http_on_closed(struct http *h, uint64_t user, enum tcp_close_cause cause)
{
	uint32_t i = http_user_index(user);

	if (http_user_is_upstream(user))
		upstream_closed(h, &h->upstreams[i], cause);
	else
		client_closed(h, &h->sessions[i], cause);
}

/* ---- time ------------------------------------------------------------------------------------ */

void
http_arm(struct http *h, struct http_session *s, uint64_t at)
{
	if (s->armed && s->armed <= at)
		return;
	s->armed = at;
	wheel_arm(h->wheel, http_session_index(h, s), at);
}

uint64_t
http_keepalive(const struct http *h, const struct http_session *s)
{
	const struct proxy_settings *settings = http_settings(h, s);

	return settings ? settings->http->timeout_idle : FALLBACK_NS;
}

static uint64_t
later(uint64_t from, uint64_t by)
{
	return by ? from + by : UINT64_MAX;
}

uint64_t
http_deadline(const struct http *h, const struct http_session *s)
{
	const struct proxy_settings *settings = http_settings(h, s);
	uint64_t header = settings ? settings->http->timeout_header : FALLBACK_NS;
	uint64_t at, whole;

	switch (s->state) {
	case HTTP_PROXIED:
	case HTTP_SECURING:
		return s->since + header;
	case HTTP_READING:
		if (s->headed || !s->requests)
			return s->began + header;
		return s->seen + http_keepalive(h, s);
	case HTTP_DELAYED:
		return s->x->sent;
	case HTTP_ENDING:
		return s->seen + HTTP_LINGER_NS;
	case HTTP_WAITING:
		at = s->x->sent ? later(s->x->sent, s->x->route->timeout_first_byte)
				: later(s->seen, s->x->listener->timeout_body);
		break;
	case HTTP_ANSWERING:
		if (!s->x->route) /* an answer of our own to what is no request, or has no route */
			return s->seen + http_keepalive(h, s);
		at = later(s->seen, s->x->route->timeout_idle);
		break;
	case HTTP_CONNECTING: /* TCP knows how long */
		at = UINT64_MAX;
		break;
	default:
		at = later(s->seen, s->x->route->timeout_idle);
		break;
	}
	whole = s->state == HTTP_TUNNEL ? UINT64_MAX : later(s->began, s->x->route->timeout_whole);
	return RTE_MIN(at, whole);
}

void
http_watch(struct http *h, struct http_session *s)
{
	uint64_t at = http_deadline(h, s);

	if (at != UINT64_MAX)
		http_arm(h, s, at);
}

/* Has the client acknowledged some of its last answer since this was asked last, but not all? */
static bool
still_takes(struct http *h, struct http_session *s)
{
	struct tcp_info info;
	uint64_t before = s->untaken;

	if (stream_info(h->proxy, s->client, &info) < 0)
		return false;
	s->untaken = info.queued;
	return s->untaken && s->untaken != before;
}

static void
expired(struct http *h, struct http_session *s)
{
	bool whole = s->x->route && s->x->route->timeout_whole && s->state != HTTP_TUNNEL &&
		     h->worker->now >= s->began + s->x->route->timeout_whole;

	switch (s->state) {
	case HTTP_READING:
		if (!s->headed) {
			h->counters.idle_closed++;
			end_connection(h, s);
			return;
		}
		h->counters.header_timeouts++;
		http_answer(h, s, 408);
		return;
	case HTTP_DELAYED:
		http_request_act(h, s, NULL);
		return;
	case HTTP_CONNECTING:
	case HTTP_WAITING:
		if (whole) {
			h->counters.whole_timeouts++;
			http_answer(h, s, 504);
		} else if (!s->x->sent && !s->x->up.head) { /* else the backend does not take it */
			h->counters.body_timeouts++;
			http_answer(h, s, 408);
		} else {
			h->counters.first_byte_timeouts++;
			http_request_failed(h, s, HTTP_RETRY_TIMEOUT, 504);
		}
		return;
	case HTTP_PROXIED:
		h->counters.headers_bad++;
		break;
	case HTTP_SECURING:
		h->counters.idle_closed++;
		break;
	case HTTP_ENDING:
		if (still_takes(h, s)) {
			s->seen = h->worker->now;
			return;
		}
		break;
	default:
		h->counters.whole_timeouts += whole;
		h->counters.idle_timeouts += !whole;
		s->x->mark.cause = whole ? HTTP_CAUSE_WHOLE_TIMEOUT : HTTP_CAUSE_IDLE_TIMEOUT;
		break;
	}
	http_abort(h, s);
}

void
http_session_timer(struct http *h, uint32_t index)
{
	struct http_session *s = &h->sessions[index];
	uint64_t at;

	if (index >= h->sessions_fresh || s->state == HTTP_FREE)
		return;
	s->armed = 0;
	at = http_deadline(h, s);
	if (h->worker->now >= at)
		expired(h, s);
	http_step(h, s);
	if (s->state != HTTP_FREE)
		http_watch(h, s);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session's life, event by event of its two connections.
 *
 *                 accepted
 *                    │
 *        no header   │   header expected
 *        ┌───────────┴───────────┐
 *        │                    HEADER ── none, or too late ──> abort
 *        │                       │ complete
 *        ├───────────────────────┤
 *        │ TCP                   │ TLS that is passed on
 *        │                     HELLO ── bad, too late, or of no pool ──> REFUSED ──> free
 *        │                       │ complete              TLS that ends here: SECURING comes first
 *        └────> CONNECTING <─────┘
 *                │  │  ^
 *      connected │  └──┘ refused or timed out: another backend; none left ──> abort
 *                v
 *              OPEN ── nothing comes for the idle time ──> abort
 *                │ └── a leg is reset or times out ──> CUT ──> free               cut.c
 *                │
 *                └── both legs have ended ──> free
 */
#include <errno.h>

#include "dp/proxy/stream.h"

/* A session whose data found no buffer is tried again after this long. */
#define RETRY_NS 10000000ull

/* ---- sessions -------------------------------------------------------------------------------- */

void
queue_tell(struct proxy *p, struct session *s, enum leg to)
{
	struct queue *q = &s->queues[to];
	uint32_t buffers = q->head ? q->head->nb_segs : 0;

	if (buffers == q->told)
		return;
	stream_hold(p, s->legs[other_leg(to)], (int32_t)buffers - (int32_t)q->told);
	q->told = buffers;
}

bool
session_used(const struct proxy *p, uint32_t index)
{
	return index < p->fresh && p->sessions[index].state != SESSION_FREE;
}

static struct session *
session_new(struct proxy *p)
{
	struct session *s;

	if (p->free_list != INDEX_NONE) {
		s = &p->sessions[p->free_list];
		p->free_list = s->next_free;
	} else if (p->fresh < p->n_sessions) {
		s = &p->sessions[p->fresh++];
	} else {
		return NULL;
	}
	*s = (struct session){ .backend = INDEX_NONE,
			       .pool = INDEX_NONE,
			       .count.client = INDEX_NONE };
	p->used++;
	return s;
}

/* Nothing of it is left in TCP. */
static void
session_free(struct proxy *p, struct session *s)
{
	struct worker *w = p->worker;
	enum leg leg;

	wheel_disarm(p->wheel, session_index(p, s));
	for (leg = LEG_CLIENT; leg < LEGS; leg++) {
		queue_free(&s->queues[leg]);
		queue_tell(p, s, leg);
	}
	limit_leave(w, s->service, s->service_epoch, &s->count);
	w->service_stats[s->service].connections_ended++;
	if (s->backend != INDEX_NONE)
		w->backend_stats[s->backend].connections_ended++;
	s->state = SESSION_FREE;
	s->next_free = p->free_list;
	p->free_list = session_index(p, s);
	p->used--;
}

static void
leg_abort(struct proxy *p, struct session *s, enum leg leg)
{
	if (s->legs[leg] != TCP_HANDLE_NONE)
		stream_abort(p, s->legs[leg]);
	s->legs[leg] = TCP_HANDLE_NONE;
}

void
session_abort(struct proxy *p, struct session *s)
{
	leg_abort(p, s, LEG_CLIENT);
	leg_abort(p, s, LEG_BACKEND);
	session_free(p, s);
}

void
session_refuse(struct proxy *p, struct session *s, enum drop_reason reason)
{
	p->counters.connect_failed++;
	worker_count_drop(p->worker, s->service, reason);
	session_abort(p, s);
}

static void
arm(struct proxy *p, const struct session *s, uint64_t at)
{
	wheel_arm(p->wheel, session_index(p, s), at);
}

/* ---- data ------------------------------------------------------------------------------------ */

/* May data leave by this leg? Before the backend has answered it may not: another one could be
 * chosen, which needs all of it. */
static bool
leg_is_open(const struct session *s, enum leg to)
{
	return s->state == SESSION_OPEN || s->state == SESSION_CUT || to == LEG_CLIENT;
}

/* Give a leg what waits for it. False: not now. */
static bool
flush_queue(struct proxy *p, struct session *s, enum leg to)
{
	struct queue *q = &s->queues[to], whole = *q;
	int rc;

	/* Its buffers go from one leg to the other, and count once. */
	*q = (struct queue){ .told = whole.told };
	queue_tell(p, s, to);
	rc = stream_send(p, s->legs[to], whole.head);
	if (rc == -ENOBUFS || rc == -EAGAIN) {
		whole.told = q->told;
		*q = whole;
		queue_tell(p, s, to);
		if (rc == -ENOBUFS)
			arm(p, s, p->worker->now + RETRY_NS);
		return false;
	}
	stream_credit(p, s->legs[other_leg(to)], whole.length);
	if (rc < 0) /* the leg is over: nobody wants it any more */
		queue_free(&whole);
	return true;
}

void
session_flush(struct proxy *p, struct session *s, enum leg to)
{
	if (!leg_is_open(s, to))
		return;
	if (s->queues[to].head && !flush_queue(p, s, to))
		return;
	if (s->fin[to]) {
		s->fin[to] = false;
		stream_shutdown(p, s->legs[to]);
	}
	if (unlikely(s->state == SESSION_CUT))
		stream_abort_later(p, s->legs[to]);
}

static void
count_received(struct proxy *p, struct session *s, enum leg from, const struct rte_mbuf *chain,
	       uint32_t length)
{
	struct worker *w = p->worker;

	s->seen = w->now;
	if (from == LEG_BACKEND) {
		w->service_stats[s->service].packets_out += chain->nb_segs;
		w->service_stats[s->service].bytes_out += length;
	} else if (s->backend != INDEX_NONE) {
		w->backend_stats[s->backend].packets += chain->nb_segs;
		w->backend_stats[s->backend].bytes += length;
	}
}

/* ---- the beginning --------------------------------------------------------------------------- */

static bool
expects_header(const struct proxy_settings *settings, const struct addr *client)
{
	return settings->accept_header &&
	       (!settings->trusted || lpm_lookup(settings->trusted, client) != LPM_NONE);
}

static struct session *
session_begin(struct proxy *p, uint32_t service, const struct tuple *tuple)
{
	struct worker *w = p->worker;
	struct limit_count count;
	struct session *s;

	if (!proxy_admit(p, service, tuple, &count))
		return NULL;
	s = session_new(p);
	if (!s) {
		limit_leave(w, service, w->snapshot->services[service].epoch, &count);
		p->counters.sessions_full++;
		worker_count_drop(w, service, DROP_CONNECTION_TABLE_FULL);
		return NULL;
	}
	s->count = count;
	s->client = *tuple;
	s->service = service;
	s->service_epoch = w->snapshot->services[service].epoch;
	s->seen = w->now;
	w->service_stats[service].connections_total++;
	return s;
}

void
session_connect(struct proxy *p, struct session *s)
{
	s->state = SESSION_CONNECTING;
	arm(p, s, s->seen + s->idle_ms * 1000000ull);
	backend_open(p, s);
}

/* From here on the client speaks TLS to us; it has so many ns for the handshake. */
static void
secure_client(struct proxy *p, struct session *s, uint64_t timeout)
{
	const struct tls_begin what = {
		.tcp = s->legs[LEG_CLIENT],
		.user = session_user(p, s, LEG_CLIENT),
		.slot = s->service,
		.epoch = s->service_epoch,
		.in = &s->queues[LEG_BACKEND],
	};
	tcp_handle h = tls_begin(proxy_tls(p), &what);

	if (h == TCP_HANDLE_NONE) {
		worker_count_drop(p->worker, s->service, DROP_CONNECTION_TABLE_FULL);
		session_abort(p, s);
		return;
	}
	s->legs[LEG_CLIENT] = h;
	s->state = SESSION_SECURING;
	arm(p, s, p->worker->now + timeout);
}

/* Behind the PROXY header, if there was one. settings may be NULL. */
static void
begin_inside(struct proxy *p, struct session *s, const struct proxy_settings *settings)
{
	if (settings && settings->names)
		hello_begin(p, s, settings->timeout_hello);
	else if (settings && settings->tls)
		secure_client(p, s, settings->timeout_hello);
	else
		session_connect(p, s);
}

bool
session_on_accepted(struct proxy *p, tcp_handle h, uint32_t listener, const struct tuple *tuple,
		    uint64_t *user)
{
	const struct proxy_settings *settings = &p->worker->snapshot->proxies[listener];
	struct session *s = session_begin(p, listener, tuple);

	if (!s)
		return false;
	*user = session_user(p, s, LEG_CLIENT);
	s->legs[LEG_CLIENT] = h;
	s->idle_ms = (uint32_t)(settings->timeout_idle / 1000000);
	if (expects_header(settings, &tuple->src)) {
		s->state = SESSION_HEADER;
		arm(p, s, s->seen + settings->timeout_connect);
		return true;
	}
	begin_inside(p, s, settings);
	*user = stream_user(s->legs[LEG_CLIENT], *user);
	return true;
}

/* More of the client's header. */
static void
header_received(struct proxy *p, struct session *s)
{
	int n = header_read(s);

	if (n == 0)
		return;
	if (n < 0) {
		p->counters.headers_bad++;
		session_abort(p, s);
		return;
	}
	queue_cut(&s->queues[LEG_BACKEND], (uint32_t)n);
	queue_tell(p, s, LEG_BACKEND);
	stream_credit(p, s->legs[LEG_CLIENT], (uint32_t)n);
	begin_inside(p, s, session_settings(p, s));
}

/* The backend may be told of the client before anything else. False: there is no buffer, or the
 * listener went meanwhile, and nobody knows whether it has to be told. */
static bool
tell_backend(struct proxy *p, const struct session *s, const struct proxy_settings *settings)
{
	struct rte_mbuf *header;

	if (!settings)
		return false;
	if (settings->header == PROXY_HEADER_NONE)
		return true;
	header = header_make(p, &s->ends, &s->client, settings->header);
	if (header && stream_send(p, s->legs[LEG_BACKEND], header) == 0)
		return true;
	rte_pktmbuf_free(header);
	worker_count_drop(p->worker, s->service, DROP_MBUF_EXHAUSTED);
	return false;
}

/* From here on we speak TLS to the backend. False: there is no room for it, or its pool is gone. */
static bool
secure_backend(struct proxy *p, struct session *s, const struct proxy_settings *settings)
{
	const struct pool *pool = session_pool(p, s);
	struct tls_begin what = {
		.tcp = s->legs[LEG_BACKEND],
		.user = session_user(p, s, LEG_BACKEND),
		.client = true,
	};
	tcp_handle h;

	if (!pool || !settings)
		return false;
	what.slot = pool->slot;
	what.epoch = pool->epoch;
	what.timeout = settings->timeout_connect;
	h = tls_begin(proxy_tls(p), &what);
	if (h == TCP_HANDLE_NONE) {
		worker_count_drop(p->worker, s->service, DROP_CONNECTION_TABLE_FULL);
		return false;
	}
	s->legs[LEG_BACKEND] = h;
	return true;
}

static void
open_session(struct proxy *p, struct session *s)
{
	s->state = SESSION_OPEN;
	session_flush(p, s, LEG_BACKEND);
}

void
session_on_connected(struct proxy *p, uint64_t user)
{
	struct session *s = session_of(p, user);
	const struct proxy_settings *settings = session_settings(p, s);

	s->seen = p->worker->now;
	if (!tell_backend(p, s, settings) || (s->secure && !secure_backend(p, s, settings))) {
		p->counters.aborted++;
		session_abort(p, s);
	} else if (!s->secure) {
		open_session(p, s);
	}
}

void
session_on_secured(struct proxy *p, uint64_t user)
{
	struct session *s = session_of(p, user);

	s->seen = p->worker->now;
	if (leg_of(user) == LEG_CLIENT)
		session_connect(p, s);
	else
		open_session(p, s);
}

/* ---- the middle ------------------------------------------------------------------------------ */

void
session_on_received(struct proxy *p, tcp_handle h, uint64_t user, struct rte_mbuf *chain,
		    uint32_t length)
{
	struct session *s = session_of(p, user);
	enum leg from = leg_of(user), to = other_leg(from);

	if (unlikely(s->state == SESSION_CUT)) {
		cut_received(p, h, chain, length);
		return;
	}
	count_received(p, s, from, chain, length);
	if (likely(s->state == SESSION_OPEN && !s->queues[to].head &&
		   stream_send(p, s->legs[to], chain) == 0)) {
		stream_credit(p, h, length);
		return;
	}
	queue_add(&s->queues[to], chain, length);
	queue_tell(p, s, to);
	if (s->state == SESSION_HEADER)
		header_received(p, s);
	else if (s->state == SESSION_HELLO)
		hello_received(p, s);
	else
		session_flush(p, s, to);
}

void
session_on_room(struct proxy *p, uint64_t user)
{

	session_flush(p, session_of(p, user), leg_of(user));
}

/* ---- the end --------------------------------------------------------------------------------- */

void
session_on_half_closed(struct proxy *p, uint64_t user)
{
	struct session *s = session_of(p, user);
	enum leg to = other_leg(leg_of(user));

	if (s->state == SESSION_CUT)
		return;
	s->seen = p->worker->now;
	if (s->state == SESSION_HEADER) {
		p->counters.headers_bad++;
		session_abort(p, s);
		return;
	}
	if (s->state == SESSION_HELLO) {
		hello_ended(p, s);
		return;
	}
	s->fin[to] = true;
	session_flush(p, s, to);
}

/* The backend did not take the connection; or we could not open it, then another one would not do
 * better. */
static void
backend_failed(struct proxy *p, struct session *s, enum tcp_close_cause cause)
{
	if (cause == TCP_CLOSED_LOCAL) {
		session_refuse(p, s, DROP_TLS_BUSY);
		return;
	}
	p->counters.backends_failed++;
	p->worker->backend_stats[s->backend].connections_ended++;
	s->backend = INDEX_NONE;
	backend_open(p, s);
}

void
session_on_closed(struct proxy *p, uint64_t user, enum tcp_close_cause cause)
{
	struct session *s = session_of(p, user);
	enum leg leg = leg_of(user);
	bool other_is_there = s->legs[other_leg(leg)] != TCP_HANDLE_NONE;

	s->legs[leg] = TCP_HANDLE_NONE;
	if (leg == LEG_BACKEND && s->state == SESSION_CONNECTING) {
		backend_failed(p, s, cause);
		return;
	}
	if (cause == TCP_CLOSED_DONE || s->state == SESSION_REFUSED || s->state == SESSION_CUT) {
		if (!other_is_there)
			session_free(p, s);
		return;
	}
	p->counters.aborted++;
	if (s->state == SESSION_OPEN && other_is_there)
		session_cut(p, s, leg);
	else
		session_abort(p, s);
}

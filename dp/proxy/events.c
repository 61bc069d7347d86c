/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The events of the worker's TCP: to layer-4 sessions (session.c) or to HTTP (dp/l7/), by a bit of
 * the connection's user; those of a connection with TLS to its stream (dp/tls/), whose events then
 * go the same ways. New connections go by their listener.
 */
#include "dp/l7/http.h"
#include "dp/proxy/stream.h"

bool
proxy_admit(struct proxy *p, uint32_t service, const struct tuple *tuple, struct limit_count *count)
{
	struct packet packet = { .service = service, .tuple = *tuple, .client = INDEX_NONE };

	if (limit_accept(p->worker, &packet, count))
		return true;
	worker_count_drop(p->worker, service, (enum drop_reason)packet.reason);
	return false;
}

static uint64_t
on_accepted(void *arg, tcp_handle h, uint32_t listener, const struct tuple *tuple)
{
	struct proxy *p = arg;
	const struct snapshot *s = p->worker->snapshot;
	uint64_t user = 0;
	bool accepted = false;

	if (is_listener(s, listener)) {
		if (s->proxies[listener].http) {
			user = http_on_accepted(proxy_http(p), h, listener, tuple);
			accepted = user != 0;
		} else {
			accepted = session_on_accepted(p, h, listener, tuple, &user);
		}
	}
	if (!accepted)
		tcp_abort(p->tcp, h);
	return user;
}

/* ---- of connections, or of the streams on them ----------------------------------------------- */

static void
on_connected(void *arg, tcp_handle h, uint64_t user)
{
	struct proxy *p = arg;

	(void)h;
	if (user & HTTP_USER)
		http_on_connected(proxy_http(p), user);
	else
		session_on_connected(p, user);
}

/* The session, and the leg that what comes is passed on by. */
static tcp_handle
expect_session(const struct proxy *p, uint64_t user, uint32_t step)
{
	const struct session *s = &p->sessions[user >> 1];

	if (step > 0)
		return stream_expected(p, s->legs[other_leg(leg_of(user))], step, 1);
	__builtin_prefetch(s);
	__builtin_prefetch((const char *)s + 64);
	__builtin_prefetch(&s->client);
	return TCP_HANDLE_NONE;
}

static tcp_handle
on_expected(void *arg, uint64_t user, uint32_t step)
{
	struct proxy *p = arg;

	if (user & TLS_USER)
		return tls_on_expected(proxy_tls(p), user, step);
	if (user & HTTP_USER)
		return http_on_expected(proxy_http(p), user, step);
	return expect_session(p, user, step);
}

static void
on_received(void *arg, tcp_handle h, uint64_t user, struct rte_mbuf *chain, uint32_t length)
{
	struct proxy *p = arg;

	if (user & HTTP_USER)
		http_on_received(proxy_http(p), user, chain, length);
	else
		session_on_received(p, h, user, chain, length);
}

static void
on_room(void *arg, tcp_handle h, uint64_t user)
{
	struct proxy *p = arg;

	(void)h;
	if (user & HTTP_USER)
		http_on_room(proxy_http(p), user);
	else
		session_on_room(p, user);
}

static void
on_half_closed(void *arg, tcp_handle h, uint64_t user)
{
	struct proxy *p = arg;

	(void)h;
	if (user & HTTP_USER)
		http_on_half_closed(proxy_http(p), user);
	else
		session_on_half_closed(p, user);
}

static void
on_closed(void *arg, tcp_handle h, uint64_t user, enum tcp_close_cause cause)
{
	struct proxy *p = arg;

	(void)h;
	if (user & HTTP_USER)
		http_on_closed(proxy_http(p), user, cause);
	else
		session_on_closed(p, user, cause);
}

static void
on_secured(void *arg, tcp_handle h, uint64_t user, const struct tls_handover *handover)
{
	struct proxy *p = arg;

	(void)h;
	if (user & HTTP_USER)
		http_on_secured(proxy_http(p), user, handover);
	else
		session_on_secured(p, user);
}

/* ---- of connections only --------------------------------------------------------------------- */

static void
on_tcp_received(void *arg, tcp_handle h, uint64_t user, struct rte_mbuf *chain, uint32_t length)
{
	struct proxy *p = arg;

	if (user & TLS_USER)
		tls_on_received(proxy_tls(p), user, chain, length);
	else
		on_received(arg, h, user, chain, length);
}

static void
on_tcp_room(void *arg, tcp_handle h, uint64_t user)
{
	struct proxy *p = arg;

	if (user & TLS_USER)
		tls_on_room(proxy_tls(p), user);
	else
		on_room(arg, h, user);
}

static void
on_tcp_half_closed(void *arg, tcp_handle h, uint64_t user)
{
	struct proxy *p = arg;

	if (user & TLS_USER)
		tls_on_half_closed(proxy_tls(p), user);
	else
		on_half_closed(arg, h, user);
}

static void
on_tcp_closed(void *arg, tcp_handle h, uint64_t user, enum tcp_close_cause cause)
{
	struct proxy *p = arg;

	if (user & TLS_USER)
		tls_on_closed(proxy_tls(p), user, cause);
	else
		on_closed(arg, h, user, cause);
}

void
proxy_tls_calls(struct tls_calls *calls)
{
	calls->secured = on_secured;
	calls->expected = on_expected;
	calls->received = on_received;
	calls->room = on_room;
	calls->half_closed = on_half_closed;
	calls->closed = on_closed;
}

void
proxy_calls(struct tcp_calls *calls)
{
	calls->accepted = on_accepted;
	calls->connected = on_connected;
	calls->expected = on_expected;
	calls->received = on_tcp_received;
	calls->room = on_tcp_room;
	calls->half_closed = on_tcp_half_closed;
	calls->closed = on_tcp_closed;
}

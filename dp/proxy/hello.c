/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ClientHello that a session begins with where TLS is passed on: it says which pool the client
 * gets. It stays in the queue towards the backend, which reads the same bytes.
 *
 * How often a hello that comes in pieces is looked at is up to the client, so it is no oftener than
 * something can be said of it: not before there are s->need bytes.
 */
#include <rte_mbuf.h>

#include "dp/proxy/server_names.h"
#include "dp/proxy/stream.h"

/* For so long a client that was refused may take to close its side. */
#define LINGER_NS 5000000000ull

void
hello_begin(struct proxy *p, struct session *s, uint64_t timeout)
{
	s->state = SESSION_HELLO;
	s->need = 1;
	wheel_arm(p->wheel, session_index(p, s), p->worker->now + timeout);
	hello_received(p, s);
}

/* Which pool? TLS_HELLO_BAD_NONE: s has it. */
static enum tls_bad
choose_pool(const struct proxy *p, struct session *s, const struct tls_hello *hello)
{
	const struct proxy_settings *settings = session_settings(p, s);
	struct server_pool pool;

	/* The listener has become another one meanwhile. */
	if (!settings || !settings->names)
		return TLS_HELLO_BAD_NONE;
	pool = server_names_find(settings->names, hello->name, hello->name_length);
	if (pool.slot == UINT32_MAX)
		return hello->name_length ? TLS_HELLO_BAD_NAME_UNKNOWN : TLS_HELLO_BAD_NAME_MISSING;
	s->pool = pool.slot;
	s->pool_epoch = pool.epoch;
	return TLS_HELLO_BAD_NONE;
}

void
hello_received(struct proxy *p, struct session *s)
{
	const struct queue *q = &s->queues[LEG_BACKEND];
	uint8_t room[TLS_HELLO_BYTES];
	uint32_t length = RTE_MIN(q->length, (uint32_t)sizeof(room));
	struct tls_hello hello;
	enum tls_hello_result result;

	if (length < s->need)
		return;
	result = tls_hello_parse(&hello, rte_pktmbuf_read(q->head, 0, length, room), length, room);
	if (result == TLS_HELLO_MORE) {
		s->need = hello.need;
		return;
	}
	if (result == TLS_HELLO_DONE)
		hello.bad = choose_pool(p, s, &hello);
	if (hello.bad != TLS_HELLO_BAD_NONE) {
		hello_refuse(p, s, hello.bad);
		return;
	}
	p->counters.hellos++;
	session_connect(p, s);
}

static struct rte_mbuf *
alert_make(struct proxy *p, enum tls_bad bad)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(p->worker->dataplane->mbufs);

	if (m)
		tls_alert_write(bad, (uint8_t *)rte_pktmbuf_append(m, TLS_ALERT_BYTES));
	return m;
}

/* Nobody will read what has come. */
static void
forget(struct proxy *p, struct session *s)
{
	struct queue *q = &s->queues[LEG_BACKEND];
	uint32_t length = q->length;

	queue_free(q);
	queue_tell(p, s, LEG_BACKEND);
	stream_credit(p, s->legs[LEG_CLIENT], length);
}

/* It is over when the client has closed its side as well. */
static void
leave(struct proxy *p, struct session *s)
{
	forget(p, s);
	s->state = SESSION_REFUSED;
	wheel_arm(p->wheel, session_index(p, s), p->worker->now + LINGER_NS);
	stream_drain(p, s->legs[LEG_CLIENT]);
}

void
hello_refuse(struct proxy *p, struct session *s, enum tls_bad bad)
{
	bool name = bad == TLS_HELLO_BAD_NAME_MISSING || bad == TLS_HELLO_BAD_NAME_UNKNOWN;
	struct rte_mbuf *alert = alert_make(p, bad);

	p->counters.hellos_refused++;
	p->hellos_bad[bad]++;
	worker_count_drop(p->worker, s->service, name ? DROP_SERVER_NAME : DROP_TLS_HELLO);
	if (!alert || stream_send(p, s->legs[LEG_CLIENT], alert) < 0) {
		rte_pktmbuf_free(alert);
		session_abort(p, s);
		return;
	}
	leave(p, s);
}

void
hello_ended(struct proxy *p, struct session *s)
{
	/* Who only looks whether the port is open has not done anything wrong. */
	if (s->queues[LEG_BACKEND].length == 0)
		leave(p, s);
	else
		hello_refuse(p, s, TLS_HELLO_BAD_INCOMPLETE);
}

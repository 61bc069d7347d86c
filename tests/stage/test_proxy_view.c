/* SPDX-License-Identifier: Apache-2.0 */
/* Listeners as people see them: the two connections of a session, and what explain says of one. */
#include <arpa/inet.h>
#include <stdlib.h>

#include <CUnit/CUnit.h>

#include "dp/l4/explain.h"
#include "proxy_wire.h"
#include "suites.h"

#define SAYS 100000u

struct world {
	struct proxy_wire wire;
	tcp_handle client;
	uint32_t heard;
};

static void
on_received(void *arg, tcp_handle h, uint64_t user, struct rte_mbuf *chain, uint32_t length)
{
	struct proxy_peer *p = arg;

	(void)user;
	((struct world *)p->wire->user)->heard += length;
	rte_pktmbuf_free(chain);
	tcp_credit(p->tcp, h, length);
}

static void
steps(struct world *w, uint32_t n)
{
	uint32_t i;

	for (; n; n--) {
		w->wire.now += MS;
		for (i = 0; i < 2; i++)
			proxy_wire_peer(&w->wire, &w->wire.peers[i]);
		proxy_wire_worker(&w->wire);
	}
}

static struct world *
world_create(const struct proxy_plan *plan)
{
	const struct tcp_calls events = { .received = on_received };
	struct world *w = calloc(1, sizeof(*w));

	CU_ASSERT_FATAL(w != NULL);
	proxy_wire_create(&w->wire, plan, &events);
	w->wire.user = w;
	proxy_wire_start(&w->wire);
	proxy_iterate(w->wire.f->worker);
	CU_ASSERT_FATAL(proxy_wire_connect(&w->wire, 5000, 0, &w->client));
	steps(w, 10);
	return w;
}

static void
world_destroy(struct world *w)
{
	tcp_abort(w->wire.peers[CLIENT].tcp, w->client);
	steps(w, 1000);
	CU_ASSERT_EQUAL(proxy_sessions(worker_proxy(w->wire.f->worker)), 0);
	CU_ASSERT_PTR_NULL(w->wire.wrong);
	proxy_wire_destroy(&w->wire);
	free(w);
	CU_ASSERT_EQUAL(fixture_mbufs_in_use(), 0);
}

static struct connection_view
view(struct world *w)
{
	static struct worker_query query;

	query.cursor = QUERY_SESSIONS;
	query.service = INDEX_NONE;
	query.count = 0;
	proxy_answer(w->wire.f->worker, &query);
	CU_ASSERT_EQUAL_FATAL(query.count, 1);
	return query.views[0];
}

static void
say(struct world *w, uint32_t n)
{
	static const uint8_t bytes[1000];
	struct rte_mbuf *m;

	for (; n; n -= (uint32_t)sizeof(bytes)) {
		m = fixture_mbuf(bytes, sizeof(bytes));
		CU_ASSERT_EQUAL_FATAL(tcp_send(w->wire.peers[CLIENT].tcp, w->client, m), 0);
	}
}

/* Round trips of a millisecond or two, and what was sent again over a wire that loses. */
static void
check_view(uint32_t lose_one_in)
{
	const struct proxy_plan plan = { .seed = 3, .lose_one_in = lose_one_in };
	struct world *w = world_create(&plan);
	struct connection_view v;

	steps(w, 3000);
	say(w, SAYS);
	steps(w, 20000);
	CU_ASSERT_EQUAL(w->heard, SAYS);
	v = view(w);
	CU_ASSERT(v.proxied && v.state == CONNECTION_ESTABLISHED);
	CU_ASSERT_EQUAL(v.tcp[0].bytes_in, SAYS);
	CU_ASSERT_EQUAL(v.tcp[1].bytes_out, SAYS);
	CU_ASSERT_EQUAL(v.tcp[0].bytes_out + v.tcp[1].bytes_in, 0);
	CU_ASSERT(v.tcp[1].rtt >= MS && v.tcp[1].rtt < 100 * MS);
	CU_ASSERT(v.tcp[1].cwnd >= 1400 && v.tcp[1].state == TCP_ESTABLISHED);
	CU_ASSERT_EQUAL(v.tcp[1].retransmits != 0, lose_one_in != 0);
	CU_ASSERT_EQUAL(v.tcp[1].in_flight + v.tcp[1].queued, 0);
	world_destroy(w);
}

static void
test_view(void)
{
	check_view(0);
	check_view(10);
}

static struct explain_query
ask_as(struct world *w, uint16_t port, uint8_t flags)
{
	bool ip6 = w->wire.plan.ip6;
	struct explain_query q = {
		.tuple = { .src = fixture_addr(ip6 ? "2001:db8:1::7" : "198.51.100.7"),
			   .dst = fixture_addr(ip6 ? "2001:db8::10" : "192.0.2.10"),
			   .sport = htons(port),
			   .dport = htons(80),
			   .proto = IPPROTO_TCP },
		.ip_len = 60,
		.tcp_flags = flags,
	};

	explain(w->wire.f->worker, &q);
	return q;
}

static struct explain_query
ask(struct world *w, uint16_t port)
{
	return ask_as(w, port, 0);
}

/* The packets of a session go to its backend, whatever would be chosen for a new one. */
static void
test_explain(void)
{
	uint32_t ip6;

	for (ip6 = 0; ip6 < 2; ip6++) {
		struct world *w = world_create(&(struct proxy_plan){ .seed = 4 + ip6, .ip6 = ip6 });
		struct explain_query q = ask(w, 5000);
		struct connection_view v = view(w);
		uint32_t other = !q.backend;

		CU_ASSERT(q.connected && q.verdict == VERDICT_TRANSMIT);
		CU_ASSERT(q.backend < 2 && q.backend == v.backend);
		CU_ASSERT_EQUAL(q.row, EXPLAIN_ROW_NONE);
		CU_ASSERT(q.connection.local_port && q.connection.local_port == v.local_port);
		CU_ASSERT_EQUAL(q.tcp_flags, TCP_ACK);
		w->wire.f->backends[q.backend].flags &= (uint8_t)~BACKEND_UP;
		CU_ASSERT_EQUAL(ask(w, 5000).backend, v.backend);
		q = ask(w, 5001);
		CU_ASSERT(!q.connected && q.verdict == VERDICT_TRANSMIT && q.backend == other);
		CU_ASSERT(q.source_port && q.source_port != v.local_port);
		q = ask_as(w, 5001, TCP_ACK);
		CU_ASSERT(q.verdict == VERDICT_DROP && q.reason == DROP_CONNECTION_UNKNOWN);
		world_destroy(w);
	}
}

/* Where all sources are used up a new connection would be dropped, and so explain says; the session
 * that has one goes on. Asking changes nothing. */
static void
test_explain_sources(void)
{
	struct world *w = world_create(&(struct proxy_plan){ .seed = 6 });
	struct snapshot *s = &w->wire.f->snapshot;
	uint16_t port = ntohs(view(w).local_port);
	struct explain_query q;
	uint32_t i;

	s->source_port_low = s->source_port_high = port;
	w->wire.f->backends[!view(w).backend].flags &= (uint8_t)~BACKEND_UP;
	for (i = 0; i < 3; i++) {
		q = ask(w, 5001);
		CU_ASSERT(q.verdict == VERDICT_DROP && q.reason == DROP_SOURCE_PORT_EXHAUSTED);
	}
	q = ask(w, 5000);
	CU_ASSERT(q.connected && q.verdict == VERDICT_TRANSMIT);
	CU_ASSERT_EQUAL(w->wire.f->worker->stats.drops[DROP_SOURCE_PORT_EXHAUSTED], 0);
	world_destroy(w);
}

int
test_proxy_view_register(void)
{
	CU_TestInfo tests[] = {
		{ "the two connections of a session", test_view },
		{ "explain: a session", test_explain },
		{ "explain: no source is left", test_explain_sources },
		CU_TEST_INFO_NULL,
	};

	return suite_add("proxy: views", tests);
}

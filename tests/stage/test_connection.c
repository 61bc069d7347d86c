/* SPDX-License-Identifier: Apache-2.0 */
/* The table of connections: entries, timers, room, answers, and all of it against a naive model. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "flows.h"
#include "suites.h"

#define TICK    (SECOND / 10) /* timers are at most this late */
#define TCP_ALL "192.0.2.0/24"

/* Service 0: nat with one backend at 10.0.0.1:8080; service 1: DSR, the same backend. */
static struct fixture *
two_services(uint32_t n)
{
	struct fixture *f = flow_fixture(n);
	uint32_t nat = fixture_service(f, TCP_ALL, IPPROTO_TCP, 80, MODE_NAT);
	uint32_t dsr = fixture_service(f, TCP_ALL, IPPROTO_TCP, 81, MODE_DSR_L2);

	fixture_backend(f, nat, "10.0.0.1", 8080);
	fixture_backend(f, dsr, "10.0.0.1", 0);
	fixture_publish(f);
	return f;
}

static uint32_t
open_one(struct fixture *f, uint32_t service, struct tuple t, enum drop_reason *why)
{
	struct burst b = { 0 };
	struct packet *p = flow_forward(&b, service, t, TCP_SYN);
	struct connection_target target = {
		.service = service,
		.backend = service, /* the fixture makes one backend for each */
		.backend_port = htons(8080),
		.backend_addr = fixture_addr("10.0.0.1"),
	};

	return connection_open(f->worker, p, &target, NULL, why);
}

static void
test_two_tuples(void)
{
	struct fixture *f = two_services(1024);
	struct tuple t = flow_number(1, IPPROTO_TCP), reply = flow_answer(&t, "10.0.0.1", 8080);
	enum drop_reason why;
	uint32_t index = open_one(f, 0, t, &why), hit;

	CU_ASSERT_NOT_EQUAL_FATAL(index, INDEX_NONE);
	hit = connection_find(f->worker, &t);
	CU_ASSERT_EQUAL(hit_index(hit), index);
	CU_ASSERT_FALSE(hit_is_reply(hit));
	hit = connection_find(f->worker, &reply);
	CU_ASSERT_EQUAL(hit_index(hit), index);
	CU_ASSERT_TRUE(hit_is_reply(hit));
	CU_ASSERT_TRUE(connection_reply_taken(f->worker, &reply));
	CU_ASSERT_EQUAL(connections_entries(f->worker->connections), 2);
	CU_ASSERT_TRUE(flow_invariant(f));
	/* Opened again, it is the same. */
	CU_ASSERT_EQUAL(open_one(f, 0, t, &why), index);
	CU_ASSERT_EQUAL(connections_live(f->worker->connections), 1);
	connection_close(f->worker, index);
	CU_ASSERT_EQUAL(connection_find(f->worker, &t), INDEX_NONE);
	CU_ASSERT_EQUAL(connection_find(f->worker, &reply), INDEX_NONE);
	CU_ASSERT_FALSE(connection_reply_taken(f->worker, &reply));
	CU_ASSERT_EQUAL(connections_entries(f->worker->connections), 0);
	CU_ASSERT_TRUE(flow_invariant(f));
	flow_fixture_destroy(f);
}

static void
test_dsr_one_tuple(void)
{
	struct fixture *f = two_services(1024);
	struct tuple t = flow_number(1, IPPROTO_TCP), reply = flow_answer(&t, "10.0.0.1", 8080);
	enum drop_reason why;

	CU_ASSERT_NOT_EQUAL(open_one(f, 1, t, &why), INDEX_NONE);
	CU_ASSERT_EQUAL(connection_find(f->worker, &reply), INDEX_NONE);
	CU_ASSERT_EQUAL(connections_entries(f->worker->connections), 1);
	CU_ASSERT_EQUAL(connections_of_service(f->worker->connections, 1), 1);
	CU_ASSERT_EQUAL(connections_of_service(f->worker->connections, 0), 0);
	CU_ASSERT_TRUE(flow_invariant(f));
	flow_fixture_destroy(f);
}

/* Every one of n connections has its place, with both tuples; the next has none, until one ends. */
static void
test_full(void)
{
	static const uint32_t sizes[] = { 1, 3, 7, 1000, 1024, 4096 };
	enum drop_reason why;
	size_t k;
	uint32_t i;

	for (k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
		struct fixture *f = two_services(sizes[k]);
		struct tuple first = flow_number(0, IPPROTO_TCP);

		for (i = 0; i < sizes[k]; i++)
			CU_ASSERT_NOT_EQUAL_FATAL(open_one(f, 0, flow_number(i, IPPROTO_TCP), &why),
						  INDEX_NONE);
		CU_ASSERT_EQUAL(open_one(f, 0, flow_number(i, IPPROTO_TCP), &why), INDEX_NONE);
		CU_ASSERT_EQUAL(why, DROP_CONNECTION_TABLE_FULL);
		CU_ASSERT_TRUE(flow_invariant(f));
		for (i = 0; i < sizes[k]; i++) {
			struct tuple t = flow_number(i, IPPROTO_TCP);

			CU_ASSERT_PTR_NOT_NULL(flow_connection(f, &t));
		}
		connection_close(f->worker, hit_index(connection_find(f->worker, &first)));
		CU_ASSERT_NOT_EQUAL(open_one(f, 0, flow_number(i, IPPROTO_TCP), &why), INDEX_NONE);
		CU_ASSERT_TRUE(flow_invariant(f));
		flow_fixture_destroy(f);
	}
}

/* One client port to two service addresses that share a backend: the backend could not tell them
 * apart. */
static void
test_clash(void)
{
	struct fixture *f = two_services(1024);
	struct tuple a = flow_tuple("198.51.100.7", 5000, "192.0.2.10", 80, IPPROTO_TCP);
	struct tuple b = flow_tuple("198.51.100.7", 5000, "192.0.2.11", 80, IPPROTO_TCP);
	enum drop_reason why;

	CU_ASSERT_NOT_EQUAL(open_one(f, 0, a, &why), INDEX_NONE);
	CU_ASSERT_EQUAL(open_one(f, 0, b, &why), INDEX_NONE);
	CU_ASSERT_EQUAL(why, DROP_CONNECTION_CLASH);
	CU_ASSERT_PTR_NOT_NULL(flow_connection(f, &a));
	CU_ASSERT_PTR_NULL(flow_connection(f, &b));
	CU_ASSERT_TRUE(flow_invariant(f));
	/* What is closing gives way... */
	flow_connection(f, &a)->state = CONNECTION_CLOSING;
	CU_ASSERT_NOT_EQUAL(open_one(f, 0, b, &why), INDEX_NONE);
	CU_ASSERT_PTR_NULL(flow_connection(f, &a));
	CU_ASSERT_TRUE(flow_invariant(f));
	/* ... and what has timed out, timer or not... */
	f->worker->now = flow_connection(f, &b)->deadline;
	CU_ASSERT_NOT_EQUAL(open_one(f, 0, a, &why), INDEX_NONE);
	CU_ASSERT_PTR_NULL(flow_connection(f, &b));
	/* ... and what leads nowhere. */
	f->backends[0].epoch = 2;
	CU_ASSERT_NOT_EQUAL(open_one(f, 0, b, &why), INDEX_NONE);
	CU_ASSERT_PTR_NULL(flow_connection(f, &a));
	CU_ASSERT_TRUE(flow_invariant(f));
	flow_fixture_destroy(f);
}

/* A tuple that is some connection's reply cannot open another, nor one that would answer itself. */
static void
test_clash_across_directions(void)
{
	struct fixture *f = two_services(1024);
	struct tuple t = flow_number(1, IPPROTO_TCP), reply = flow_answer(&t, "10.0.0.1", 8080);
	struct tuple self = flow_tuple("10.0.0.1", 8080, "10.0.0.1", 8080, IPPROTO_TCP);
	enum drop_reason why;

	CU_ASSERT_NOT_EQUAL(open_one(f, 0, t, &why), INDEX_NONE);
	CU_ASSERT_EQUAL(open_one(f, 0, reply, &why), INDEX_NONE);
	CU_ASSERT_EQUAL(why, DROP_CONNECTION_CLASH);
	CU_ASSERT_EQUAL(open_one(f, 0, self, &why), INDEX_NONE);
	CU_ASSERT_EQUAL(why, DROP_CONNECTION_CLASH);
	CU_ASSERT_EQUAL(connections_live(f->worker->connections), 1);
	CU_ASSERT_TRUE(flow_invariant(f));
	flow_fixture_destroy(f);
}

/* The timer fires at the deadline at the earliest and a tick later at the latest. */
static void
test_expire_exactly(void)
{
	uint64_t begin, deadline;
	enum drop_reason why;
	unsigned int k;

	for (k = 0; k < 50; k++) {
		struct fixture *f = two_services(16);
		struct tuple t = flow_number(1, IPPROTO_TCP);

		begin = 987654321000ull + k * 7777777ull;
		f->worker->now = begin;
		connections_expire(f->worker);
		open_one(f, 0, t, &why);
		deadline = begin + 30 * SECOND;
		CU_ASSERT_EQUAL(flow_connection(f, &t)->deadline, deadline);
		f->worker->now = deadline - 1;
		connections_expire(f->worker);
		CU_ASSERT_PTR_NOT_NULL(flow_connection(f, &t));
		f->worker->now = deadline + TICK;
		connections_expire(f->worker);
		CU_ASSERT_PTR_NULL(flow_connection(f, &t));
		CU_ASSERT_TRUE(flow_invariant(f));
		flow_fixture_destroy(f);
	}
}

/* A deadline that moves away takes its timer along when that fires. */
static void
test_expire_lazily(void)
{
	struct fixture *f = two_services(16);
	struct worker *w = f->worker;
	struct tuple t = flow_number(1, IPPROTO_TCP);
	uint64_t begin = w->now, deadline;
	enum drop_reason why;

	open_one(f, 0, t, &why);
	deadline = begin + 100 * SECOND;
	flow_connection(f, &t)->deadline = deadline;
	for (; w->now < deadline; w->now += SECOND / 3) {
		connections_expire(w);
		CU_ASSERT_PTR_NOT_NULL(flow_connection(f, &t));
	}
	w->now = deadline + TICK;
	connections_expire(w);
	CU_ASSERT_PTR_NULL(flow_connection(f, &t));
	flow_fixture_destroy(f);
}

/* Many at once are removed in portions. */
static void
test_expire_bounded(void)
{
	struct fixture *f = two_services(4096);
	uint32_t i, before, calls = 0;
	enum drop_reason why;

	for (i = 0; i < 4096; i++)
		open_one(f, 0, flow_number(i, IPPROTO_TCP), &why);
	f->worker->now += 40 * SECOND;
	while (connections_live(f->worker->connections) && calls < 1000) {
		before = connections_live(f->worker->connections);
		connections_expire(f->worker);
		CU_ASSERT_TRUE(before - connections_live(f->worker->connections) <= 512);
		calls++;
	}
	CU_ASSERT_TRUE(calls >= 8 && calls < 100);
	CU_ASSERT_TRUE(flow_invariant(f));
	flow_fixture_destroy(f);
}

/* Ask until the cursor says end; each connection of the service is seen once. */
static uint32_t
ask(struct fixture *f, uint32_t service, uint32_t *calls)
{
	struct worker_query *q = &f->worker->query;
	uint32_t seen = 0, i;

	*calls = 0;
	q->cursor = 0;
	do {
		q->service = service;
		atomic_store(&q->state, QUERY_ASKED);
		connections_answer(f->worker, q);
		CU_ASSERT_EQUAL(atomic_load(&q->state), QUERY_DONE);
		CU_ASSERT_TRUE_FATAL(q->count <= QUERY_MAX);
		for (i = 0; i < q->count; i++) {
			CU_ASSERT_TRUE(service == INDEX_NONE || q->views[i].service == service);
			CU_ASSERT_EQUAL(q->views[i].expires, 20 * SECOND);
			CU_ASSERT_EQUAL(q->views[i].state, CONNECTION_OPENING);
		}
		seen += q->count;
		++*calls;
	} while (q->cursor != UINT32_MAX && *calls < 1000);
	return seen;
}

static void
test_answer(void)
{
	struct fixture *f = two_services(8192);
	uint32_t i, calls;
	enum drop_reason why;

	CU_ASSERT_EQUAL(ask(f, INDEX_NONE, &calls), 0);
	for (i = 0; i < 5000; i++)
		open_one(f, i % 5 == 0, flow_number(i, IPPROTO_TCP), &why);
	f->worker->now += 10 * SECOND;
	CU_ASSERT_EQUAL(ask(f, INDEX_NONE, &calls), 5000);
	CU_ASSERT_TRUE(calls >= 20);
	CU_ASSERT_EQUAL(ask(f, 1, &calls), 1000);
	CU_ASSERT_EQUAL(ask(f, 0, &calls), 4000);
	CU_ASSERT_EQUAL(ask(f, 7, &calls), 0);
	/* Nobody asked: nobody is answered. */
	atomic_store(&f->worker->query.state, QUERY_IDLE);
	connections_answer(f->worker, &f->worker->query);
	CU_ASSERT_EQUAL(atomic_load(&f->worker->query.state), QUERY_IDLE);
	/* What has timed out is not shown, removed or not. */
	f->worker->now += 20 * SECOND;
	CU_ASSERT_EQUAL(ask(f, INDEX_NONE, &calls), 0);
	flow_fixture_destroy(f);
}

static void
test_state_names(void)
{
	CU_ASSERT_STRING_EQUAL(connection_state_name(CONNECTION_OPENING), "opening");
	CU_ASSERT_STRING_EQUAL(connection_state_name(CONNECTION_UDP), "udp");
	CU_ASSERT_STRING_EQUAL(connection_state_name(CONNECTION_STATES), "?");
}

/* ---- the model: for each of a few flows, whether it lives and until when ---- */

#define MODEL_FLOWS    300
#define MODEL_CAPACITY 200
#define MODEL_STEPS    200000

struct model {
	uint64_t until[MODEL_FLOWS]; /* 0: not there */
	uint32_t random;
};

static uint32_t
draw(struct model *m, uint32_t n)
{
	m->random ^= m->random << 13;
	m->random ^= m->random >> 17;
	m->random ^= m->random << 5;
	return m->random % n;
}

/* Of flows that are over the table may still keep the memory, for a tick. */
static uint32_t
model_count(const struct model *m, uint64_t later_than)
{
	uint32_t n = 0, i;

	for (i = 0; i < MODEL_FLOWS; i++)
		n += m->until[i] > later_than;
	return n;
}

static void
model_send(struct fixture *f, struct model *m, uint32_t i, uint8_t flags)
{
	struct worker *w = f->worker;
	uint64_t now = w->now;
	bool lives = m->until[i] > now;
	uint64_t room_before = MODEL_CAPACITY - connections_live(w->connections);
	struct packet *p = flow_send(f, 0, flow_number(i, IPPROTO_UDP), flags);

	if (lives || room_before > 0 || p->verdict == VERDICT_CONTINUE) {
		CU_ASSERT_EQUAL(p->verdict, VERDICT_CONTINUE);
		m->until[i] = now + 60 * SECOND;
		return;
	}
	CU_ASSERT_EQUAL(p->reason, DROP_CONNECTION_TABLE_FULL);
}

static void
model_answer(struct fixture *f, struct model *m, uint32_t i)
{
	struct tuple t = flow_number(i, IPPROTO_UDP);
	struct packet *p = flow_answered(f, flow_answer(&t, "10.0.0.1", 8080), 0);

	if (m->until[i] > f->worker->now) {
		CU_ASSERT_EQUAL(p->verdict, VERDICT_CONTINUE);
		m->until[i] = f->worker->now + 60 * SECOND;
	} else {
		CU_ASSERT_EQUAL(p->verdict, VERDICT_HOST);
	}
}

static void
model_close(struct fixture *f, struct model *m, uint32_t i)
{
	struct tuple t = flow_number(i, IPPROTO_UDP);
	uint32_t hit = connection_find(f->worker, &t);

	CU_ASSERT_TRUE(hit != INDEX_NONE || m->until[i] <= f->worker->now);
	if (hit != INDEX_NONE)
		connection_close(f->worker, hit_index(hit));
	m->until[i] = 0;
}

/* Everything that lives in the model lives in the table, and nothing is there for longer than a
 * tick after it died. */
static void
model_compare(struct fixture *f, const struct model *m)
{
	uint32_t live = connections_live(f->worker->connections), i;
	uint64_t now = f->worker->now;

	CU_ASSERT_TRUE(live >= model_count(m, now));
	CU_ASSERT_TRUE(live <= model_count(m, now > TICK ? now - TICK : 0));
	CU_ASSERT_TRUE(flow_invariant(f));
	for (i = 0; i < MODEL_FLOWS; i++) {
		struct tuple t = flow_number(i, IPPROTO_UDP);
		const struct connection *c = flow_connection(f, &t);

		CU_ASSERT_EQUAL(c && c->deadline > now, m->until[i] > now);
	}
}

static void
test_model(void)
{
	struct fixture *f = flow_fixture(MODEL_CAPACITY);
	struct model m = { .random = 12345 };
	uint32_t step, i;

	fixture_backend(f, fixture_service(f, TCP_ALL, IPPROTO_UDP, 80, MODE_NAT), "10.0.0.1",
			8080);
	fixture_publish(f);
	for (step = 0; step < MODEL_STEPS && CU_get_number_of_failures() == 0; step++) {
		i = draw(&m, MODEL_FLOWS);
		switch (draw(&m, 10)) {
		case 0:
			model_close(f, &m, i);
			break;
		case 1:
			f->worker->now += draw(&m, 2) ? draw(&m, 1000) : draw(&m, 4000000000u);
			break;
		case 2:
			model_answer(f, &m, i);
			break;
		default:
			model_send(f, &m, i, 0);
		}
		connections_expire(f->worker);
		if (step % 500 == 0)
			model_compare(f, &m);
	}
	flow_fixture_destroy(f);
}

int
test_connection_register(void)
{
	static const CU_TestInfo tests[] = {
		{ "nat: both tuples lead to the connection", test_two_tuples },
		{ "DSR: one tuple", test_dsr_one_tuple },
		{ "full table", test_full },
		{ "clash of reply tuples", test_clash },
		{ "clash across directions", test_clash_across_directions },
		{ "expiry exact to a tick", test_expire_exactly },
		{ "deadline that moves away", test_expire_lazily },
		{ "expiry in portions", test_expire_bounded },
		{ "answers to queries", test_answer },
		{ "names of states", test_state_names },
		{ "random steps against a model", test_model },
		CU_TEST_INFO_NULL,
	};

	return suite_add("connection", tests);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A process dies and the next one finds its connections: all of them, whole ones only. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "dp/l4/connection_memory.h"
#include "dp/l4/connection_table.h"
#include "flows.h"
#include "suites.h"

#define ROOM  1024u
#define FLOWS 600u

/* A worker whose table lies in memory that stays. */
struct life {
	struct fixture *f;
	void *memory;
	struct connections_restored result; /* of the last rebirth */
};

enum { NAT, DSR, NAT_UDP, FULL_NAT, KINDS };

static uint8_t
protocol_of(uint32_t kind)
{
	return kind == NAT_UDP ? IPPROTO_UDP : IPPROTO_TCP;
}

/* The n-th flow, to one of the four services in turn. */
static struct tuple
flow(uint32_t n)
{
	struct tuple t = flow_number(n, protocol_of(n % KINDS));

	t.dport = htons((uint16_t)(80 + n % KINDS));
	return t;
}

static void
table_create(struct life *l)
{
	struct worker *w = l->f->worker;

	w->connections = connections_create(ROOM, SOCKET_ID_ANY, l->memory);
	if (!w->connections)
		abort();
	memset(&w->stats, 0, sizeof(w->stats));
	memset(w->service_stats, 0, FIXTURE_MAX * sizeof(*w->service_stats));
	memset(w->backend_stats, 0, FIXTURE_MAX * sizeof(*w->backend_stats));
}

static struct life
life_begin(void)
{
	static const uint64_t all_rows[FIXTURE_ROWS / 64 + 1] = { ~0ull, ~0ull, ~0ull, ~0ull };
	static const enum forward modes[KINDS] = { MODE_NAT, MODE_DSR_L2, MODE_NAT, MODE_FULL_NAT };
	struct life l = { .f = flow_fixture(ROOM) };
	uint32_t i;

	for (i = 0; i < KINDS; i++) {
		fixture_service(l.f, "192.0.2.0/24", protocol_of(i), (uint16_t)(80 + i), modes[i]);
		fixture_backend(l.f, i, "10.0.0.1", (uint16_t)(i == DSR ? 0 : 8080 + i));
	}
	l.f->backends[FULL_NAT].sources_count = 1;
	fixture_source(l.f, "10.9.0.1", 0);
	l.f->snapshot.kernel_port_low = 1;
	l.f->snapshot.kernel_port_high = 0;
	fixture_publish(l.f);
	l.f->pools[DSR].moving = all_rows; /* DSR keeps the connections of such rows */
	l.f->pools[DSR].changed_at = l.f->worker->now;
	connections_destroy(l.f->worker->connections);
	l.memory = aligned_alloc(128, connections_memory_size(ROOM));
	if (!l.memory)
		abort();
	memset(l.memory, 0, connections_memory_size(ROOM));
	table_create(&l);
	return l;
}

static void
life_end(struct life *l)
{
	flow_fixture_destroy(l->f);
	free(l->memory);
}

/* The process is killed; the next one begins. */
static void
rebirth(struct life *l)
{
	connections_destroy(l->f->worker->connections);
	table_create(l);
	connections_restore(l->f->worker, &l->result);
}

static uint32_t
handled(const struct life *l)
{
	return l->result.alive + l->result.timed_out + l->result.stale + l->result.damaged;
}

static void
open_flows(struct life *l, uint32_t from, uint32_t to)
{
	uint32_t i;

	for (i = from; i < to; i++) {
		struct tuple t = flow(i);

		CU_ASSERT_EQUAL(flow_send(l->f, i % KINDS, t, TCP_SYN)->verdict, VERDICT_CONTINUE);
		if (protocol_of(i % KINDS) == IPPROTO_TCP)
			flow_send(l->f, i % KINDS, t, TCP_ACK);
		CU_ASSERT_PTR_NOT_NULL_FATAL(flow_connection(l->f, &t));
	}
}

static struct connection *
array_of(const struct life *l)
{
	return (struct connection *)((struct connections_head *)l->memory + 1);
}

/* The answer to a flow, as its connection says that it comes. */
static bool
answer_arrives(struct life *l, uint32_t n)
{
	struct tuple t = flow(n);
	const struct connection *c = flow_connection(l->f, &t);
	struct tuple reply;
	const struct packet *p;

	if (!c)
		return false;
	if (n % KINDS == DSR)
		return true;
	reply = connection_reply_tuple(c);
	p = flow_answered(l->f, reply, TCP_ACK);
	return p->verdict == VERDICT_CONTINUE && p->service == n % KINDS;
}

static void
test_all_go_on(void)
{
	struct life l = life_begin();
	struct connection before[FLOWS];
	uint32_t i;

	open_flows(&l, 0, FLOWS);
	for (i = 0; i < FLOWS; i++) {
		struct tuple t = flow(i);

		before[i] = *flow_connection(l.f, &t);
	}
	rebirth(&l);
	CU_ASSERT_EQUAL(l.result.alive, FLOWS);
	CU_ASSERT_EQUAL(handled(&l), FLOWS);
	CU_ASSERT_TRUE(flow_invariant(l.f));
	for (i = 0; i < FLOWS; i++) {
		struct tuple t = flow(i);
		const struct connection *c = flow_connection(l.f, &t);

		CU_ASSERT_PTR_NOT_NULL_FATAL(c);
		CU_ASSERT_EQUAL(memcmp(c, &before[i], sizeof(*c)), 0);
		CU_ASSERT_TRUE(answer_arrives(&l, i));
	}
	/* There is room for as many as before, and no more. */
	open_flows(&l, FLOWS, ROOM);
	CU_ASSERT_TRUE(flow_invariant(l.f));
	CU_ASSERT_EQUAL(flow_send(l.f, NAT, flow(ROOM * KINDS), TCP_SYN)->reason,
			DROP_CONNECTION_TABLE_FULL);
	/* And all end in time. */
	l.f->worker->now += 24 * 3600 * SECOND;
	for (i = 0; i < ROOM; i++)
		connections_expire(l.f->worker);
	CU_ASSERT_EQUAL(connections_live(l.f->worker->connections), 0);
	CU_ASSERT_TRUE(flow_invariant(l.f));
	life_end(&l);
}

static void
test_again_and_again(void)
{
	struct life l = life_begin();
	uint32_t i, n = 0;

	for (i = 0; i < 20; i++) {
		open_flows(&l, n, n + 30);
		n += 30;
		rebirth(&l);
		CU_ASSERT_EQUAL(l.result.alive, n);
		CU_ASSERT_EQUAL(l.result.damaged, 0);
		CU_ASSERT_TRUE(flow_invariant(l.f));
	}
	life_end(&l);
}

static void
test_timed_out_meanwhile(void)
{
	struct life l = life_begin();
	uint64_t udp = l.f->services[NAT_UDP].timeout_udp;

	open_flows(&l, 0, FLOWS);
	l.f->worker->now += udp;
	rebirth(&l);
	CU_ASSERT_EQUAL(l.result.timed_out, FLOWS / KINDS);
	CU_ASSERT_EQUAL(l.result.alive, FLOWS - FLOWS / KINDS);
	CU_ASSERT_TRUE(flow_invariant(l.f));
	life_end(&l);
}

/* How many of FLOWS go on after the snapshot has changed. */
static uint32_t
alive_after(void (*change)(struct fixture *f))
{
	struct life l = life_begin();
	uint32_t alive;

	open_flows(&l, 0, FLOWS);
	change(l.f);
	fixture_publish(l.f);
	rebirth(&l);
	alive = l.result.alive;
	CU_ASSERT_EQUAL(handled(&l), FLOWS);
	CU_ASSERT_EQUAL(l.result.stale, FLOWS - alive);
	CU_ASSERT_TRUE(flow_invariant(l.f));
	life_end(&l);
	return alive;
}

static void
another_service(struct fixture *f)
{
	f->services[NAT].epoch++;
}

static void
another_backend(struct fixture *f)
{
	f->backends[DSR].epoch++;
}

static void
another_mode(struct fixture *f)
{
	f->services[NAT_UDP].mode = MODE_DSR_L2;
}

static void
another_port(struct fixture *f)
{
	f->services[NAT].port = htons(99);
}

static void
another_source(struct fixture *f)
{
	f->sources[0].worker = 1;
}

static void
fewer_services(struct fixture *f)
{
	f->snapshot.n_services = FULL_NAT;
	f->snapshot.n_backends = FULL_NAT;
}

static void
test_stale(void)
{
	uint32_t three_of_four = FLOWS - FLOWS / KINDS;

	CU_ASSERT_EQUAL(alive_after(another_service), three_of_four);
	CU_ASSERT_EQUAL(alive_after(another_backend), three_of_four);
	CU_ASSERT_EQUAL(alive_after(another_mode), three_of_four);
	CU_ASSERT_EQUAL(alive_after(another_port), three_of_four);
	CU_ASSERT_EQUAL(alive_after(another_source), three_of_four);
	CU_ASSERT_EQUAL(alive_after(fewer_services), three_of_four);
}

/* Clients that another worker owns by now. */
static void
test_owner(void)
{
	struct life l = life_begin();
	uint32_t i, mine = 0;

	open_flows(&l, 0, FLOWS);
	fixture_workers(l.f, 4);
	fixture_publish(l.f);
	for (i = 0; i < FLOWS; i++) {
		struct tuple t = flow(i);

		mine += snapshot_owner(&l.f->snapshot, &t.src) == 0;
	}
	rebirth(&l);
	CU_ASSERT_EQUAL(l.result.alive, mine);
	CU_ASSERT_EQUAL(l.result.stale, FLOWS - mine);
	CU_ASSERT_TRUE(mine > 0 && mine < FLOWS);
	CU_ASSERT_TRUE(flow_invariant(l.f));
	life_end(&l);
}

/* Killed while a slot was being filled or freed. */
static void
test_torn(void)
{
	struct life l = life_begin();
	struct connections_head *head = l.memory;
	struct connection *c = array_of(&l);

	open_flows(&l, 0, 40);
	c[3].state = CONNECTION_FREE; /* all but the state is written */
	c[5].state = CONNECTION_FREE;
	c[5].next_free = 0xdeadbeef; /* freed, and in the list that is no more */
	head->fresh++;               /* taken, and nothing is written */
	rebirth(&l);
	CU_ASSERT_EQUAL(l.result.alive, 38);
	CU_ASSERT_EQUAL(handled(&l), 38);
	CU_ASSERT_TRUE(flow_invariant(l.f));
	open_flows(&l, 100, 100 + ROOM - 38);
	CU_ASSERT_TRUE(flow_invariant(l.f));
	life_end(&l);
}

static void
test_twice(void)
{
	struct life l = life_begin();
	struct connections_head *head = l.memory;
	struct connection *c = array_of(&l);

	open_flows(&l, 0, 40);
	c[40] = c[NAT]; /* both tuples */
	c[41] = c[FULL_NAT];
	c[41].forward.sport++; /* the reply tuple only */
	c[42] = c[DSR];        /* another worker's copy, in the same batch */
	head->fresh = 43;
	rebirth(&l);
	CU_ASSERT_EQUAL(l.result.alive, 40);
	CU_ASSERT_EQUAL(l.result.damaged, 3);
	CU_ASSERT_TRUE(flow_invariant(l.f));
	life_end(&l);
}

static void
test_deadline_too_far(void)
{
	struct life l = life_begin();
	struct tuple t = flow(NAT);
	const struct connection *c;

	open_flows(&l, 0, 4);
	flow_connection(l.f, &t)->deadline = UINT64_MAX;
	rebirth(&l);
	c = flow_connection(l.f, &t);
	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	CU_ASSERT_EQUAL(c->deadline, l.f->worker->now + l.f->services[NAT].timeout_established);
	life_end(&l);
}

/* Whatever lies there: no crash, nothing counted twice, and who was not touched goes on. */
static void
test_any_bytes(void)
{
	struct life l = life_begin();
	uint64_t random = 1;
	uint32_t round, i, k, touched;
	bool was_touched[ROOM];

	for (round = 0; round < 300; round++) {
		memset(l.memory, 0, connections_memory_size(ROOM));
		rebirth(&l);
		open_flows(&l, 0, 200);
		memset(was_touched, 0, sizeof(was_touched));
		for (i = touched = 0; i < 60; i++) {
			uint8_t *bytes;

			random = random * 6364136223846793005ull + 1442695040888963407ull;
			k = (uint32_t)(random >> 33) % 200;
			bytes = (uint8_t *)&array_of(&l)[k];
			bytes[(random >> 40) % sizeof(struct connection)] = (uint8_t)(random >> 50);
			touched += !was_touched[k];
			was_touched[k] = true;
		}
		if (round % 10 == 0)
			((struct connections_head *)l.memory)->fresh = UINT32_MAX;
		rebirth(&l);
		CU_ASSERT_TRUE(l.result.alive >= 200 - touched && handled(&l) <= 200);
		CU_ASSERT_TRUE_FATAL(flow_invariant(l.f));
	}
	life_end(&l);
}

static const CU_TestInfo tests[] = {
	{ "all go on", test_all_go_on },
	{ "again and again", test_again_and_again },
	{ "timed out meanwhile", test_timed_out_meanwhile },
	{ "lead nowhere any more", test_stale },
	{ "of another worker now", test_owner },
	{ "torn", test_torn },
	{ "the same twice", test_twice },
	{ "a deadline too far away", test_deadline_too_far },
	{ "any bytes at all", test_any_bytes },
	CU_TEST_INFO_NULL,
};

int
test_restore_register(void)
{
	return suite_add("restore", tests);
}

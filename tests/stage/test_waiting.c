/* SPDX-License-Identifier: Apache-2.0 */
/* Packets that wait for their next hop's Ethernet address. */
#include <netinet/in.h>

#include "dp/l4/waiting.h"
#include "flows.h"
#include "suites.h"

static struct fixture *f;
static struct burst held, tried;
static uint32_t service;

static void
set_up(void)
{
	f = flow_fixture(64);
	f->worker->waiting = waiting_create(SOCKET_ID_ANY);
	service = fixture_service(f, "192.0.2.10/32", IPPROTO_TCP, 80, MODE_NAT);
	fixture_backend(f, service, "10.0.0.1", 8080);
	fixture_publish(f);
	held.count = tried.count = 0;
}

static void
tear_down(void)
{
	waiting_destroy(f->worker->waiting);
	flow_fixture_destroy(f);
	CU_ASSERT_EQUAL(fixture_mbufs_in_use(), 0);
}

/* A packet of a connection, dropped as rewrite drops it. */
static struct packet *
unresolved(uint32_t number)
{
	struct packet *p = flow_forward(&held, service, flow_number(number, IPPROTO_TCP), TCP_SYN);
	struct burst one = { .count = 1 };

	one.packets[0] = *p;
	flow_run(f, &one);
	*p = one.packets[0];
	p->mbuf = fixture_mbuf("frame", 5);
	packet_drop(p, DROP_NEIGHBOUR_UNRESOLVED);
	return p;
}

static void
test_until_resolved(void)
{
	set_up();
	CU_ASSERT_TRUE(waiting_hold(f->worker, unresolved(1)));
	CU_ASSERT_TRUE(waiting_hold(f->worker, unresolved(2)));
	/* nothing new: they are left alone */
	f->snapshot.version++;
	CU_ASSERT_TRUE(waiting_take(f->worker, &tried));
	CU_ASSERT_EQUAL(tried.count, 2);
	packet_drop(&tried.packets[0], DROP_NEIGHBOUR_UNRESOLVED);
	packet_drop(&tried.packets[1], DROP_NEIGHBOUR_UNRESOLVED);
	waiting_return(f->worker, &tried);
	CU_ASSERT_EQUAL(tried.packets[0].verdict, VERDICT_TAKEN);
	CU_ASSERT_FALSE(waiting_take(f->worker, &tried));
	/* a new snapshot: in their order, ready for rewrite */
	f->snapshot.version++;
	CU_ASSERT_TRUE(waiting_take(f->worker, &tried));
	CU_ASSERT_EQUAL_FATAL(tried.count, 2);
	CU_ASSERT_EQUAL(tried.packets[0].verdict, VERDICT_CONTINUE);
	CU_ASSERT_EQUAL(tried.packets[0].tuple.sport, held.packets[0].tuple.sport);
	CU_ASSERT_FALSE(waiting_take(f->worker, &held));
	fixture_free(&tried);
	tear_down();
}

static void
test_time_over(void)
{
	set_up();
	CU_ASSERT_TRUE(waiting_hold(f->worker, unresolved(1)));
	f->snapshot.version++;
	waiting_take(f->worker, &tried);
	packet_drop(&tried.packets[0], DROP_NEIGHBOUR_UNRESOLVED);
	waiting_return(f->worker, &tried);
	/* being tried again gives no more time */
	f->worker->now += 299000000;
	CU_ASSERT_FALSE(waiting_take(f->worker, &tried));
	f->worker->now += 1000001;
	CU_ASSERT_TRUE(waiting_take(f->worker, &tried));
	CU_ASSERT_EQUAL(tried.packets[0].verdict, VERDICT_DROP);
	CU_ASSERT_EQUAL(tried.packets[0].reason, DROP_NEIGHBOUR_UNRESOLVED);
	waiting_return(f->worker, &tried);
	CU_ASSERT_EQUAL(tried.packets[0].verdict, VERDICT_DROP);
	CU_ASSERT_FALSE(waiting_hold(f->worker, &tried.packets[0]));
	fixture_free(&tried);
	tear_down();
}

static void
test_full(void)
{
	uint32_t i, got = 0;

	set_up();
	for (i = 0; i < 128; i++) {
		held.count = 0;
		CU_ASSERT_TRUE(waiting_hold(f->worker, unresolved(i % 8)));
	}
	held.count = 0;
	CU_ASSERT_FALSE(waiting_hold(f->worker, unresolved(9)));
	fixture_free(&held);
	/* all have their turn, in two bursts, and only once */
	f->snapshot.version++;
	for (i = 0; i < 4 && waiting_take(f->worker, &tried); i++) {
		got += tried.count;
		packet_drop(&tried.packets[0], DROP_NEIGHBOUR_UNRESOLVED);
		waiting_return(f->worker, &tried);
		fixture_free(&tried);
	}
	CU_ASSERT_EQUAL(i, 2);
	CU_ASSERT_EQUAL(got, 128);
	tear_down();
}

static void
test_meaning_changed(void)
{
	set_up();
	/* the service's slot, the backend's slot, the connection: each is somebody else's now */
	CU_ASSERT_TRUE(waiting_hold(f->worker, unresolved(1)));
	f->services[service].epoch++;
	f->snapshot.version++;
	CU_ASSERT_TRUE(waiting_take(f->worker, &tried));
	CU_ASSERT_EQUAL(tried.packets[0].verdict, VERDICT_DROP);
	fixture_free(&tried);

	held.count = 0;
	CU_ASSERT_TRUE(waiting_hold(f->worker, unresolved(2)));
	f->backends[0].epoch++;
	f->snapshot.version++;
	CU_ASSERT_TRUE(waiting_take(f->worker, &tried));
	CU_ASSERT_EQUAL(tried.packets[0].verdict, VERDICT_DROP);
	fixture_free(&tried);

	held.count = 0;
	CU_ASSERT_TRUE(waiting_hold(f->worker, unresolved(3)));
	connection_close(f->worker, held.packets[0].connection);
	f->snapshot.version++;
	CU_ASSERT_TRUE(waiting_take(f->worker, &tried));
	CU_ASSERT_EQUAL(tried.packets[0].verdict, VERDICT_DROP);
	fixture_free(&tried);
	tear_down();
}

int
test_waiting_register(void)
{
	static const CU_TestInfo tests[] = {
		{ "until a snapshot has the address", test_until_resolved },
		{ "not for ever", test_time_over },
		{ "a full queue", test_full },
		{ "what a packet refers to is gone", test_meaning_changed },
		CU_TEST_INFO_NULL,
	};

	return suite_add("waiting", tests);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* full-nat: the sources of connections to backends. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "flows.h"
#include "suites.h"

/* A full-nat service with one backend, whose sources are `count` from the first on; ports `low` to
 * `high` without a hole. */
static struct fixture *
full_nat(uint16_t low, uint16_t high, uint16_t count)
{
	struct fixture *f = flow_fixture(8192);

	fixture_service(f, "192.0.2.0/24", IPPROTO_TCP, 80, MODE_FULL_NAT);
	fixture_backend(f, 0, "10.0.0.1", 8080);
	f->backends[0].sources_count = count;
	f->snapshot.source_port_low = low;
	f->snapshot.source_port_high = high;
	f->snapshot.kernel_port_low = 1;
	f->snapshot.kernel_port_high = 0;
	fixture_publish(f);
	return f;
}

/* Open the n-th flow. Its connection, or NULL with the reason in *why. */
static const struct connection *
begin(struct fixture *f, uint32_t n, uint8_t *why)
{
	struct tuple t = flow_number(n, IPPROTO_TCP);
	const struct packet *p = flow_send(f, 0, t, TCP_SYN);

	*why = p->reason;
	return p->verdict == VERDICT_CONTINUE ? flow_connection(f, &t) : NULL;
}

static uint16_t
local_port(const struct connection *c)
{
	return ntohs(c->local_port);
}

static void
test_reply(void)
{
	struct fixture *f = full_nat(2000, 3000, 1);
	struct tuple reply = { 0 }, t = flow_number(1, IPPROTO_TCP);
	const struct connection *c;
	const struct packet *p;
	uint8_t why;

	fixture_source(f, "10.9.0.1", 0);
	c = begin(f, 1, &why);
	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	CU_ASSERT_TRUE(addr_equal(&c->local, &f->sources[0].addr));
	CU_ASSERT_TRUE(local_port(c) >= 2000 && local_port(c) <= 3000);
	CU_ASSERT_EQUAL(c->flags, CONNECTION_HAS_REPLY | CONNECTION_FULL_NAT);
	reply.src = fixture_addr("10.0.0.1");
	reply.sport = htons(8080);
	reply.dst = c->local;
	reply.dport = c->local_port;
	reply.proto = IPPROTO_TCP;
	p = flow_answered(f, reply, TCP_SYN | TCP_ACK);
	CU_ASSERT_EQUAL(p->verdict, VERDICT_CONTINUE);
	CU_ASSERT_PTR_EQUAL(connection_at(f->worker->connections, p->connection), c);
	/* What goes to the client's own address is no answer here. */
	reply = flow_answer(&t, "10.0.0.1", 8080);
	CU_ASSERT_EQUAL(flow_answered(f, reply, TCP_ACK)->verdict, VERDICT_HOST);
	CU_ASSERT_EQUAL(c->packets_out, 1);
	flow_fixture_destroy(f);
}

static void
test_only_syn_begins(void)
{
	struct fixture *f = full_nat(2000, 3000, 1);
	struct tuple t = flow_number(1, IPPROTO_TCP);
	const struct packet *p;

	fixture_source(f, "10.9.0.1", 0);
	p = flow_send(f, 0, t, TCP_ACK);
	CU_ASSERT_EQUAL(p->verdict, VERDICT_DROP);
	CU_ASSERT_EQUAL(p->reason, DROP_CONNECTION_UNKNOWN);
	CU_ASSERT_EQUAL(flow_send(f, 0, t, TCP_SYN | TCP_ACK)->reason, DROP_CONNECTION_UNKNOWN);
	t.proto = IPPROTO_UDP;
	CU_ASSERT_EQUAL(flow_send(f, 0, t, 0)->verdict, VERDICT_CONTINUE);
	flow_fixture_destroy(f);
}

/* Every source is used before the first one is refused, and none twice. */
static void
exhaust(struct fixture *f, uint32_t sources)
{
	uint8_t why;
	uint32_t i;

	for (i = 0; i < sources; i++)
		CU_ASSERT_PTR_NOT_NULL(begin(f, i, &why));
	CU_ASSERT_PTR_NULL(begin(f, i, &why));
	CU_ASSERT_EQUAL(why, DROP_SOURCE_PORT_EXHAUSTED);
	CU_ASSERT_EQUAL(connections_live(f->worker->connections), sources);
	/* Twice as many entries: the tuples of the answers are all different. */
	CU_ASSERT_TRUE(flow_invariant(f));
}

static void
test_exhausted(void)
{
	struct fixture *f = full_nat(2000, 2009, 1);
	struct tuple t = flow_number(3, IPPROTO_TCP);
	uint16_t freed;
	uint8_t why;

	fixture_source(f, "10.9.0.1", 0);
	exhaust(f, 10);
	/* One ends: its source is free again. */
	freed = flow_connection(f, &t)->local_port;
	connection_close(f->worker, hit_index(connection_find(f->worker, &t)));
	CU_ASSERT_EQUAL(begin(f, 50, &why)->local_port, freed);
	/* One that has timed out as well, before its timer fires. */
	t = flow_number(4, IPPROTO_TCP);
	freed = flow_connection(f, &t)->local_port;
	f->worker->now += 10 * SECOND;
	flow_connection(f, &t)->deadline = f->worker->now;
	CU_ASSERT_EQUAL(begin(f, 51, &why)->local_port, freed);
	CU_ASSERT_TRUE(flow_invariant(f));
	/* Another port of the backend is another matter. */
	f->backends[0].port = htons(8081);
	CU_ASSERT_PTR_NOT_NULL(begin(f, 52, &why));
	flow_fixture_destroy(f);
}

/* An address of ours may be a service's, too: answers to its port would be that service's. */
static void
test_port_of_service(void)
{
	struct fixture *f = full_nat(2000, 2004, 1);
	uint8_t why;
	uint32_t i;

	fixture_source(f, "10.9.0.1", 0);
	fixture_service(f, "10.9.0.1/32", IPPROTO_TCP, 2002, MODE_PROXY);
	fixture_service(f, "10.9.0.1/32", IPPROTO_UDP, 2003, MODE_NAT);
	fixture_publish(f);
	for (i = 0; i < 4; i++) {
		const struct connection *c = begin(f, i, &why);

		CU_ASSERT_PTR_NOT_NULL_FATAL(c);
		CU_ASSERT_NOT_EQUAL(local_port(c), 2002);
	}
	CU_ASSERT_PTR_NULL(begin(f, i, &why));
	CU_ASSERT_EQUAL(why, DROP_SOURCE_PORT_EXHAUSTED);
	flow_fixture_destroy(f);
}

static void
test_several_addresses(void)
{
	struct fixture *f = full_nat(2000, 2004, 3);

	fixture_source(f, "10.9.0.1", 0);
	fixture_source(f, "10.9.0.2", 0);
	fixture_source(f, "10.9.0.3", 0);
	fixture_source(f, "10.9.0.4", 0); /* not towards this backend */
	exhaust(f, 15);
	flow_fixture_destroy(f);
}

/* Addresses of other workers are not ours to use. */
static void
test_own_addresses(void)
{
	struct fixture *f = full_nat(2000, 2004, 4);
	uint8_t why;
	uint32_t i;

	fixture_workers(f, 4);
	fixture_source(f, "10.9.0.1", 3);
	fixture_source(f, "10.9.0.2", 0);
	fixture_source(f, "10.9.0.3", 1);
	fixture_source(f, "10.9.0.4", 2);
	for (i = 0; i < 5; i++)
		CU_ASSERT_TRUE(addr_equal(&begin(f, i, &why)->local, &f->sources[1].addr));
	CU_ASSERT_PTR_NULL(begin(f, i, &why));
	flow_fixture_destroy(f);
}

static void
test_no_address(void)
{
	struct fixture *f = full_nat(2000, 2004, 1);
	uint8_t why;

	fixture_workers(f, 4);
	fixture_source(f, "10.9.0.1", 3);
	CU_ASSERT_PTR_NULL(begin(f, 1, &why));
	CU_ASSERT_EQUAL(why, DROP_SOURCE_PORT_EXHAUSTED);
	f->backends[0].sources_count = 0;
	CU_ASSERT_PTR_NULL(begin(f, 2, &why));
	flow_fixture_destroy(f);
}

/* Of a shared address, the ports that lead back to this worker: those and all of those. */
static void
shared_ports(uint16_t workers, uint16_t me, uint16_t low, uint16_t high)
{
	struct fixture *f = full_nat(low, high, 1);
	uint32_t mine = 0, i, port;
	const struct connection *c;
	uint8_t why;

	fixture_workers(f, workers);
	f->worker->index = me;
	fixture_source(f, "10.9.0.1", SOURCE_BY_PORT);
	for (port = low; port <= high; port++)
		mine += port % workers == me;
	for (i = 0; i < mine; i++) {
		c = begin(f, i, &why);
		CU_ASSERT_PTR_NOT_NULL_FATAL(c);
		CU_ASSERT_EQUAL(snapshot_port_owner(&f->snapshot, c->local_port), me);
		CU_ASSERT_TRUE(local_port(c) >= low && local_port(c) <= high);
	}
	CU_ASSERT_PTR_NULL(begin(f, i, &why));
	flow_fixture_destroy(f);
}

static void
test_shared_address(void)
{
	uint16_t me;

	for (me = 0; me < 3; me++) {
		shared_ports(3, me, 2000, 2030);
		shared_ports(3, me, 2001, 2002);
	}
	shared_ports(1, 0, 65500, 65535);
	shared_ports(64, 63, 1024, 4096);
}

/* The kernel's range is left to the kernel. */
static void
hole(uint16_t low, uint16_t high, uint16_t expect)
{
	struct fixture *f = full_nat(2000, 2019, 1);
	const struct connection *c;
	uint8_t why;
	uint32_t i;

	f->snapshot.kernel_port_low = low;
	f->snapshot.kernel_port_high = high;
	fixture_source(f, "10.9.0.1", 0);
	for (i = 0; i < expect; i++) {
		c = begin(f, i, &why);
		CU_ASSERT_PTR_NOT_NULL_FATAL(c);
		CU_ASSERT_TRUE(local_port(c) >= 2000 && local_port(c) <= 2019);
		CU_ASSERT_FALSE(local_port(c) >= low && local_port(c) <= high);
	}
	CU_ASSERT_PTR_NULL(begin(f, i, &why));
	CU_ASSERT_EQUAL(why, DROP_SOURCE_PORT_EXHAUSTED);
	flow_fixture_destroy(f);
}

static void
test_hole(void)
{
	hole(2005, 2009, 15);
	hole(2000, 2004, 15);
	hole(1000, 2004, 15);
	hole(2015, 2019, 15);
	hole(2015, 65535, 15);
	hole(2000, 2019, 0);
	hole(1, 65535, 0);
	hole(0, 0, 20);
	hole(1000, 1999, 20);
	hole(2020, 3000, 20);
	hole(1, 0, 20);
}

/* A range that is far from full never refuses, and a source is not used again soon. */
static void
test_late_reuse(void)
{
	static uint8_t used[65536];
	struct fixture *f = full_nat(1024, 65535, 1);
	const struct connection *c;
	uint32_t i, again = 0;
	struct tuple t;
	uint8_t why;

	memset(used, 0, sizeof(used));
	fixture_source(f, "10.9.0.1", 0);
	for (i = 0; i < 30000; i++) {
		c = begin(f, i, &why);
		CU_ASSERT_PTR_NOT_NULL_FATAL(c);
		again += used[local_port(c)]++;
		t = flow_number(i, IPPROTO_TCP);
		connection_close(f->worker, hit_index(connection_find(f->worker, &t)));
	}
	CU_ASSERT_EQUAL(again, 0);
	flow_fixture_destroy(f);
}

int
test_source_port_register(void)
{
	static const CU_TestInfo tests[] = {
		{ "answers find the connection", test_reply },
		{ "only a SYN begins", test_only_syn_begins },
		{ "all ports, then none", test_exhausted },
		{ "a port of a service on the address", test_port_of_service },
		{ "several addresses", test_several_addresses },
		{ "this worker's addresses", test_own_addresses },
		{ "no address", test_no_address },
		{ "shared address: this worker's ports", test_shared_address },
		{ "the kernel's ports", test_hole },
		{ "late reuse", test_late_reuse },
		CU_TEST_INFO_NULL,
	};

	return suite_add("source port", tests);
}

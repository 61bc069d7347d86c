/* SPDX-License-Identifier: Apache-2.0 */
/* Stage rewrite without tunnels: bytes in, bytes out. */
#include <arpa/inet.h>

#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "dp/l4/stages.h"
#include "suites.h"
#include "vector.h"

static void
test_l2(void)
{
	vectors_run("l2");
}

static void
test_nat(void)
{
	vectors_run("nat");
}

static void
test_full_nat(void)
{
	vectors_run("full_nat");
}

static void
test_errors(void)
{
	vectors_run("errors");
}

static void
test_pieces(void)
{
	vectors_run("pieces");
}

/* Run a plain packet after `spoil` has changed the world; returns the reason of its drop. */
static enum drop_reason
reason_after(void (*spoil)(struct fixture *f), unsigned int packets)
{
	const struct vector *v = vector_find("nat", "udp over IPv4");
	struct fixture *f = vector_fixture(v);
	struct burst b = { 0 };
	enum drop_reason reason = DROP_REASON_COUNT;
	unsigned int i;

	spoil(f);
	for (i = 0; i < packets; i++) {
		struct packet *p = vector_receive(f, v, &b);

		stage_rewrite(f->worker, &b);
		if (p->verdict == VERDICT_DROP)
			reason = (enum drop_reason)p->reason;
		fixture_free(&b);
	}
	vector_fixture_free(f);
	CU_ASSERT_EQUAL(fixture_mbufs_in_use(), 0);
	return reason;
}

static void
no_nexthop(struct fixture *f)
{
	f->backends[0].nexthop = INDEX_NONE;
}

static void
test_no_route(void)
{
	CU_ASSERT_EQUAL(reason_after(no_nexthop, 1), DROP_NO_ROUTE);
}

static struct rte_ring *requests;

static void
unresolved(struct fixture *f)
{
	f->dataplane.resolve = requests;
	f->nexthops[0].state = NEXTHOP_UNRESOLVED;
	f->nexthops[0].addr = fixture_addr("10.2.0.254");
	f->nexthops[0].vlan = 7;
}

static void
connected(struct fixture *f)
{
	f->dataplane.resolve = requests;
	f->nexthops[0].state = NEXTHOP_CONNECTED;
}

static void
test_unresolved(void)
{
	struct addr gateway = fixture_addr("10.2.0.254"), backend = fixture_addr("10.2.0.11");
	struct resolve_request request;

	fixture_destroy(fixture_create()); /* the EAL */
	requests = rte_ring_create_elem("resolve", sizeof(request), 64, SOCKET_ID_ANY, 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(requests);
	CU_ASSERT_EQUAL(reason_after(unresolved, 1), DROP_NEIGHBOUR_UNRESOLVED);
	CU_ASSERT_EQUAL(rte_ring_dequeue_elem(requests, &request, sizeof(request)), 0);
	CU_ASSERT(addr_equal(&request.addr, &gateway));
	CU_ASSERT_EQUAL(request.vlan, 7);

	CU_ASSERT_EQUAL(reason_after(connected, 1), DROP_NEIGHBOUR_UNRESOLVED);
	CU_ASSERT_EQUAL(rte_ring_dequeue_elem(requests, &request, sizeof(request)), 0);
	CU_ASSERT(addr_equal(&request.addr, &backend));

	/* A flood asks no more than the burst allows. */
	CU_ASSERT_EQUAL(reason_after(connected, 500), DROP_NEIGHBOUR_UNRESOLVED);
	CU_ASSERT_EQUAL(rte_ring_count(requests), 16);
	rte_ring_free(requests);
}

/* A frame whose driver left no headroom is copied. */
static void
test_no_headroom(void)
{
	const struct vector *v = vector_find("nat", "udp over IPv4, tags");
	struct fixture *f = vector_fixture(v);
	struct burst b = { 0 };
	struct packet *p;

	f->nexthops[0].header_len = 16;
	p = vector_receive(f, vector_find("nat", "udp over IPv4"), &b);
	memmove(p->mbuf->buf_addr, rte_pktmbuf_mtod(p->mbuf, void *), p->mbuf->data_len);
	p->mbuf->data_off = 0;
	stage_rewrite(f->worker, &b);
	CU_ASSERT_EQUAL(p->verdict, VERDICT_TRANSMIT);
	CU_ASSERT_EQUAL(*rte_pktmbuf_mtod_offset(p->mbuf, uint16_t *, 12), htons(0x8100));
	CU_ASSERT_EQUAL(*rte_pktmbuf_mtod_offset(p->mbuf, uint16_t *, 16), htons(0x0800));
	CU_ASSERT_EQUAL(p->mbuf->pkt_len, strlen(v->in) / 2);
	fixture_free(&b);
	vector_fixture_free(f);
	CU_ASSERT_EQUAL(fixture_mbufs_in_use(), 0);
}

int
test_rewrite_register(void)
{
	static const CU_TestInfo tests[] = {
		{ "dsr-l2", test_l2 },
		{ "nat", test_nat },
		{ "full-nat", test_full_nat },
		{ "ICMP errors through nat", test_errors },
		{ "fragmentation", test_pieces },
		{ "no next hop", test_no_route },
		{ "unresolved neighbours", test_unresolved },
		{ "no headroom", test_no_headroom },
		CU_TEST_INFO_NULL,
	};

	return suite_add("rewrite", tests);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The short way: it does what the long way does, it takes what is usual, and what is compared in
 * one step is compared in plain steps too. */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <rte_malloc.h>

#include "dp/l4/connection_table.h"
#include "dp/l4/quick.h"
#include "dp/l4/quick_plan.h"
#include "dp/pipeline.h"
#include "lib/checksum.h"
#include "lib/maglev.h"
#include "suites.h"
#include "worlds.h"

#define ROUNDS FIXTURE_ROUNDS(30000)

static uint32_t seed;

static uint32_t
noise(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	return seed % n;
}

/* ---- frames ---- */

static uint8_t
any_flags(void)
{
	static const uint8_t flags[] = { TCP_ACK,           TCP_ACK,           TCP_ACK, TCP_ACK,
					 TCP_ACK,           TCP_ACK | 8,       TCP_SYN, TCP_SYN,
					 TCP_SYN | TCP_ACK, TCP_ACK | TCP_FIN, TCP_RST, 0xd0 };

	return flags[noise(sizeof(flags))];
}

/* The checksum of an IPv4 header without options. */
static void
mend_header(uint8_t *ip)
{
	uint16_t sum;

	memset(ip + 10, 0, 2);
	sum = csum_compute(ip, 20);
	memcpy(ip + 10, &sum, 2);
}

/* A bit of its headers. It may be another client's by that: one of its own. */
static void
throw_over(uint8_t *frame, uint16_t len, bool v6, uint16_t number)
{
	frame[14 + noise(RTE_MIN(60u, len - 22u))] ^= (uint8_t)(1 << noise(8));
	frame[len - 4] = (uint8_t)(64 + number % 64);
	if (!v6 && noise(2) == 0)
		mend_header(frame + 14);
}

/* A frame of some client to some service, or of a backend to it; nearly usual. The last bytes are
 * the client and a number. */
static uint16_t
any_frame(uint8_t *frame)
{
	static const char *const victims[] = { "192.0.2.1", "2001:db8:f::99", "192.0.2.254",
					       "203.0.113.77" };
	static uint16_t number;
	uint32_t s = noise(SERVICES), id = noise(CLIENTS);
	bool v6 = strchr(world_services[s].address, ':') != NULL,
	     reply = world_services[s].mode == MODE_NAT && noise(3) == 0;
	char client[64], service[64];
	uint8_t payload[1400];
	struct frame_spec spec = { .src = client,
				   .dst = service,
				   .proto = world_services[s].proto,
				   .tcp_flags = any_flags(),
				   .payload = payload,
				   .frag = 0x4000 };
	uint16_t len;

	snprintf(client, sizeof(client), v6 ? "2001:db8:1:%u::7" : "198.51.100.%u", id);
	snprintf(service, sizeof(service), "%s", world_services[s].address);
	*strchr(service, '/') = '\0';
	if (s == IPIP_ACROSS)
		snprintf(service, sizeof(service), "192.0.2.%u", 100 + noise(5));
	spec.sport = (uint16_t)(1000 + noise(4));
	spec.dport = world_services[s].port ? world_services[s].port : (uint16_t)(7 + noise(3));
	if (reply) {
		spec.dport = spec.sport;
		spec.sport = 8080;
		spec.dst = client;
		spec.src = world_services[s].backends[noise(3)];
	} else if (noise(40) == 0) {
		spec.dst = victims[noise(2) * 2 + (v6 ? 1 : 0)];
		spec.dst = v6 ? victims[1] : spec.dst;
	}
	spec.payload_len = (uint16_t)(noise(6) ? 26 + noise(60) : 26 + noise(1360));
	spec.ttl = noise(30) ? 0 : 1;
	spec.vlan = noise(40) ? 0 : FIXTURE_VLAN;
	if (v6)
		spec.frag = 0;
	if (noise(40) == 0)
		spec.frag = 0;
	if (noise(40) == 0) {
		spec.frag = 0x2000;
		spec.payload_len = 256;
	}
	spec.id = (uint16_t)noise(65536);
	memset(payload, 0, sizeof(payload));
	number++;
	memcpy(payload + spec.payload_len - 8, WORLD_MARK, 4);
	payload[spec.payload_len - 4] = (uint8_t)(id + (v6 ? 128 : 0));
	payload[spec.payload_len - 3] = (uint8_t)s;
	memcpy(payload + spec.payload_len - 2, &number, 2);
	len = frame_build(frame, &spec);
	if (!v6 && spec.proto == IPPROTO_UDP && noise(30) == 0)
		memset(frame + 14 + 20 + 6, 0, 2); /* none */
	if (noise(50) == 0)
		throw_over(frame, len, v6, number);
	if (noise(200) == 0)
		len = (uint16_t)(15 + noise(50));
	return len;
}

/* ---- tests ---- */

static void
both_do_the_same(void)
{
	static struct world_frame frames[BURST_MAX];
	uint32_t round, differ = 0;
	uint16_t n, i;

	for (round = 0; round < ROUNDS && !differ; round++) {
		n = (uint16_t)(1 + noise(noise(4) ? 12 : 40));
		for (i = 0; i < n; i++)
			frames[i].len = any_frame(frames[i].bytes);
		worlds_receive(frames, n, noise(20) ? noise(10000000) : noise(1000000000));
		differ += !worlds_sent_the_same();
		if (round % 32 == 0)
			differ += !worlds_know_the_same();
		if (differ)
			fprintf(stderr, "quick: round %u differs\n", round);
	}
	CU_ASSERT_EQUAL(differ, 0);
	worlds_tear_down();
	CU_ASSERT_EQUAL(fixture_mbufs_in_use(), 0);
}

static void
test_same(void)
{
	seed = 1;
	worlds_set_up();
	both_do_the_same();
}

/* Where rows name nobody, or a backend that is down. */
static void
test_same_without_backends(void)
{
	static const uint32_t some[] = { GUE_UDP, IPIP6, L2_4, GUE6 };
	uint32_t i, k, row;

	seed = 2;
	worlds_set_up();
	for (i = 0; i < 2; i++)
		for (k = 0; k < RTE_DIM(some); k++) {
			for (row = 0; row < FIXTURE_ROWS; row += 5)
				worlds[i]->rows[some[k]][row] = MAGLEV_NONE;
			worlds[i]->backends[3 * some[k] + 1].flags &= (uint8_t)~BACKEND_UP;
		}
	both_do_the_same();
}

/* Frames for another worker whose inbox is full are dropped, not lost; they are of no service that
 * we know. */
static void
test_inbox_full(void)
{
	struct frame_spec spec = { .dst = "192.0.2.10",
				   .proto = IPPROTO_UDP,
				   .sport = 4000,
				   .dport = 53,
				   .frag = 0x4000,
				   .payload_len = 30 };
	struct rte_mbuf *mbufs[BURST_MAX], *m;
	struct worker *w, *second = rte_zmalloc("second", sizeof(*second), RTE_CACHE_LINE_SIZE);
	uint8_t frame[FRAME_MAX];
	char client[32];
	uint16_t i;

	worlds_set_up();
	w = worlds[0]->worker;
	second->inbox = rte_ring_create("inbox", 4, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	fixture_workers(worlds[0], 2);
	w->dataplane->workers[1] = second;
	for (i = 0; i < BURST_MAX; i++) {
		snprintf(client, sizeof(client), "198.51.100.%u", i + 1u);
		spec.src = client;
		mbufs[i] = fixture_mbuf(frame, frame_build(frame, &spec));
	}
	/* As a card hands them over for the first time. */
	for (i = 0; i < BURST_MAX; i++)
		memset(packet_of_mbuf(mbufs[i]), 0, sizeof(struct packet));
	pipeline_received(w, 0, mbufs, BURST_MAX);
	while (w->tx[0].count)
		rte_pktmbuf_free(w->tx[0].mbufs[--w->tx[0].count]);
	CU_ASSERT_EQUAL(w->stats.steered_out, 3);
	CU_ASSERT(w->stats.drops[DROP_STEER_RING_FULL] > 10);
	for (i = 0; i < SERVICES; i++)
		CU_ASSERT_EQUAL(w->service_drops[i][DROP_STEER_RING_FULL], 0);
	while (rte_ring_dequeue(second->inbox, (void **)&m) == 0)
		rte_pktmbuf_free(m);
	CU_ASSERT_EQUAL(fixture_mbufs_in_use(), 0);
	rte_ring_free(second->inbox);
	rte_free(second);
	worlds_tear_down();
}

/* One packet of each service's, or of an answer to it; how many stay. */
static uint16_t
stays(uint32_t service, uint8_t flags, bool reply)
{
	const struct world_service *s = &world_services[service];
	bool v6 = strchr(s->address, ':') != NULL;
	char to[64];
	struct frame_spec spec = { .src = v6 ? "2001:db8:1:14::7" : "198.51.100.20",
				   .dst = to,
				   .proto = s->proto,
				   .sport = 4000,
				   .dport = s->port ? s->port : 7,
				   .tcp_flags = flags,
				   .frag = v6 ? 0 : 0x4000,
				   .payload_len = 30 };
	struct worker *w = worlds[0]->worker;
	struct steered steered = { .count = 0 };
	uint8_t frame[FRAME_MAX];
	struct rte_mbuf *m;
	uint16_t n;

	snprintf(to, sizeof(to), "%s", s->address);
	*strchr(to, '/') = '\0';
	if (reply) {
		spec.dst = spec.src;
		spec.src = s->backends[0];
		spec.dport = spec.sport;
		spec.sport = 8080;
	}
	m = fixture_mbuf(frame, frame_build(frame, &spec));
	n = quick_received(w, 0, &m, 1, &steered);
	if (n)
		rte_pktmbuf_free(m);
	while (w->tx[0].count)
		rte_pktmbuf_free(w->tx[0].mbufs[--w->tx[0].count]);
	return n;
}

static void
begin_connections(uint32_t service)
{
	static const uint8_t flags[] = { TCP_SYN, TCP_ACK };
	const bool v6 = service == NAT6;
	struct frame_spec spec = { .src = v6 ? "2001:db8:1:14::7" : "198.51.100.20",
				   .proto = world_services[service].proto,
				   .sport = 4000,
				   .dport = world_services[service].port,
				   .payload_len = 30 };
	struct world_frame frame;
	char to[64];
	int i;

	snprintf(to, sizeof(to), "%s", world_services[service].address);
	*strchr(to, '/') = '\0';
	spec.dst = to;
	for (i = 0; i < 2; i++) {
		spec.tcp_flags = flags[i];
		frame.len = frame_build(frame.bytes, &spec);
		worlds_receive(&frame, 1, 1000);
	}
}

/* All services but the one whose pool moves, from clients and back; but not what begins or ends a
 * connection, nor anything while entries are left from a pool that moved. */
static void
test_taken(void)
{
	struct fixture *f;
	uint32_t s, i;

	worlds_set_up();
	f = worlds[0];
	for (i = 0; i < 2; i++)
		for (s = 0; s < SERVICES; s++)
			worlds[i]->members[s][1] = worlds[i]->members[s][2] =
			    worlds[i]->members[s][0];
	for (s = 0; s < SERVICES; s++) {
		bool nat = world_services[s].mode == MODE_NAT;

		if (nat)
			begin_connections(s);
		CU_ASSERT_EQUAL(stays(s, TCP_ACK, false), s == MOVING);
		if (nat)
			CU_ASSERT_EQUAL(stays(s, TCP_ACK, true), 0);
		if (world_services[s].proto != IPPROTO_TCP)
			continue;
		CU_ASSERT_EQUAL(stays(s, TCP_SYN, false), 1);
		CU_ASSERT_EQUAL(stays(s, TCP_ACK | TCP_FIN, false), nat || s == MOVING);
		CU_ASSERT_EQUAL(stays(s, TCP_RST, false), nat || s == MOVING);
	}
	/* A connection that is not counted, as its service's limits want it. */
	CU_ASSERT_EQUAL(stays(NAT_COUNTED, TCP_ACK, false), 0);
	for (i = 0; i < f->worker->connections->head->fresh; i++)
		f->worker->connections->array[i].flags &= (uint8_t)~CONNECTION_COUNTED_CLIENT;
	CU_ASSERT_EQUAL(stays(NAT_COUNTED, TCP_ACK, false), 1);
	/* Another network, another port's address, nobody's answer. */
	CU_ASSERT_EQUAL(stays(GUE_TCP, TCP_ACK, false), 0);
	f->snapshot.ports[0].vlans[0] &= ~1ull;
	CU_ASSERT_EQUAL(stays(GUE_TCP, TCP_ACK, false), 1);
	f->snapshot.ports[0].vlans[0] |= 1;
	f->snapshot.ports[0].mac[5] ^= 1;
	CU_ASSERT_EQUAL(stays(GUE_TCP, TCP_ACK, false), 1);
	f->snapshot.ports[0].mac[5] ^= 1;
	f->snapshot.ports[0].side = PORT_SIDE_CLIENT;
	CU_ASSERT_EQUAL(stays(NAT4, TCP_ACK, true), 1);
	worlds_tear_down();
	CU_ASSERT_EQUAL(fixture_mbufs_in_use(), 0);
}

/* A next hop that changes, a backend that goes: what was made ready for the last snapshot is not
 * used with the next. */
static void
test_published_anew(void)
{
	struct fixture *f;

	worlds_set_up();
	f = worlds[0];
	CU_ASSERT_EQUAL(stays(L2_4, TCP_ACK, false), 0);
	f->nexthops[0].state = f->nexthops[1].state = NEXTHOP_UNRESOLVED;
	CU_ASSERT_EQUAL(stays(L2_4, TCP_ACK, false), 0); /* the same snapshot: it never changes */
	f->snapshot.version++;
	CU_ASSERT_EQUAL(stays(L2_4, TCP_ACK, false), 1);
	f->nexthops[0].state = f->nexthops[1].state = NEXTHOP_READY;
	f->snapshot.version++;
	CU_ASSERT_EQUAL(stays(L2_4, TCP_ACK, false), 0);
	worlds_tear_down();
}

static void
test_match(void)
{
	_Alignas(32) struct match m;
	uint8_t frame[64], *bytes = (uint8_t *)&m;
	uint32_t i, k, fits = 0;

	seed = 7;
	for (i = 0; i < 100000; i++) {
		for (k = 0; k < sizeof(frame); k++)
			frame[k] = (uint8_t)noise(256);
		m.at = (uint8_t)noise(32);
		memcpy(m.first, frame, MATCH_BYTES);
		memcpy(m.second, frame + m.at, MATCH_BYTES);
		memset(m.first_mask, 0xff, MATCH_BYTES);
		memset(m.second_mask, 0xff, MATCH_BYTES);
		/* Some bytes do not count, and some bits differ. */
		for (k = noise(40); k > 0; k--)
			bytes[MATCH_BYTES + noise(MATCH_BYTES) + 2 * MATCH_BYTES * noise(2)] = 0;
		for (k = noise(3); k > 0; k--)
			frame[noise(sizeof(frame))] ^= (uint8_t)(1 << noise(8));
		fits += match_fits(&m, frame);
		CU_ASSERT_EQUAL(match_fits(&m, frame), match_fits_plain(&m, frame));
	}
	CU_ASSERT(fits > 20000 && fits < 90000);
}

int
test_quick_register(void)
{
	CU_TestInfo tests[] = {
		{ "what the long way does", test_same },
		{ "what the long way does without backends", test_same_without_backends },
		{ "another worker's inbox is full", test_inbox_full },
		{ "what is usual is taken", test_taken },
		{ "published anew", test_published_anew },
		{ "matches, SIMD and plain", test_match },
		CU_TEST_INFO_NULL,
	};

	return suite_add("quick", tests);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The tunnel modes of stage rewrite, and what routers say about tunnels. */
#include "dp/l4/stages.h"
#include "frames.h"
#include "suites.h"
#include "vector.h"

static void
test_ipip(void)
{
	vectors_run("ipip");
}

static void
test_gue(void)
{
	vectors_run("gue");
}

static void
test_tunnel_errors(void)
{
	vectors_run("tunnel");
}

#define SOURCES 8

/* Flows spread over all source addresses, and each keeps its own. */
static void
test_sources(void)
{
	const struct vector *v = vector_find("ipip", "tcp over IPv4 in IPv4");
	struct fixture *f = vector_fixture(v);
	unsigned int hits[SOURCES] = { 0 }, i;
	struct burst b = { 0 };
	uint32_t again = 0;

	f->backends[0].sources_first = (uint16_t)f->snapshot.n_sources;
	f->backends[0].sources_count = SOURCES;
	for (i = 0; i < SOURCES; i++)
		f->sources[f->snapshot.n_sources++].addr = addr_from_v4(i);
	for (i = 0; i < 8000; i++) {
		struct packet *p = vector_receive(f, v, &b);
		uint32_t src;

		p->flow_hash = i / 2;
		stage_rewrite(f->worker, &b);
		memcpy(&src, rte_pktmbuf_mtod_offset(p->mbuf, uint8_t *, 26), 4);
		CU_ASSERT_FATAL(src < SOURCES);
		CU_ASSERT_FATAL(!(i & 1) || src == again);
		again = src;
		hits[src]++;
		fixture_free(&b);
	}
	for (i = 0; i < SOURCES; i++)
		CU_ASSERT(hits[i] > 8000 / SOURCES * 3 / 4);
	vector_fixture_free(f);
}

static void
test_no_source(void)
{
	const struct vector *v = vector_find("gue", "udp over IPv6 in IPv4");
	struct fixture *f = vector_fixture(v);
	struct burst b = { 0 };
	struct packet *p;

	f->backends[1].sources_count = 0;
	p = vector_receive(f, v, &b);
	stage_rewrite(f->worker, &b);
	CU_ASSERT_EQUAL(p->verdict, VERDICT_DROP);
	CU_ASSERT_EQUAL(p->reason, DROP_NO_ROUTE);
	fixture_free(&b);
	vector_fixture_free(f);
}

/* Rewrite one packet of a vector on a port that does checksums. */
static struct packet *
offloaded(struct fixture *f, const struct vector *v, struct burst *b)
{
	struct packet *p = vector_receive(f, v, b);
	unsigned int i;

	for (i = 0; i < SNAPSHOT_MAX_PORTS; i++)
		f->dataplane.ports[i].tx_ip_checksum = f->dataplane.ports[i].tx_l4_checksum = true;
	stage_rewrite(f->worker, b);
	CU_ASSERT_EQUAL_FATAL(p->verdict, VERDICT_TRANSMIT);
	return p;
}

/* What the device is to fill in: the IPv4 header's checksum, left zero. */
static void
test_offload_ip(void)
{
	const struct vector *v = vector_find("ipip", "tcp over IPv4 in IPv4");
	struct fixture *f = vector_fixture(v);
	struct burst b = { 0 };
	struct packet *p = offloaded(f, v, &b);
	const uint8_t *frame = rte_pktmbuf_mtod(p->mbuf, const uint8_t *);

	CU_ASSERT_EQUAL(p->mbuf->ol_flags & (RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM),
			RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM);
	CU_ASSERT_EQUAL(p->mbuf->ol_flags & RTE_MBUF_F_TX_L4_MASK, 0);
	CU_ASSERT_EQUAL(p->mbuf->l2_len, 14);
	CU_ASSERT_EQUAL(p->mbuf->l3_len, 20);
	CU_ASSERT(frame[24] == 0 && frame[25] == 0);
	fixture_free(&b);
	vector_fixture_free(f);
}

/* UDP in IPv6: the field holds the pseudo header's sum (RFC 8200, 8.1; next header 17). */
static void
test_offload_udp(void)
{
	const struct vector *v = vector_find("gue", "tcp over IPv6 in IPv6");
	struct fixture *f = vector_fixture(v);
	struct burst b = { 0 };
	struct packet *p = offloaded(f, v, &b);
	const uint8_t *frame = rte_pktmbuf_mtod(p->mbuf, const uint8_t *);
	uint32_t sum = frame_sum(17, frame + 22, 32) + (uint32_t)(frame[18] << 8 | frame[19]);

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	CU_ASSERT_EQUAL(p->mbuf->ol_flags & (RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_L4_MASK),
			RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_UDP_CKSUM);
	CU_ASSERT_EQUAL(p->mbuf->l2_len, 14);
	CU_ASSERT_EQUAL(p->mbuf->l3_len, 40);
	CU_ASSERT_EQUAL((uint32_t)(frame[60] << 8 | frame[61]), sum);
	fixture_free(&b);
	vector_fixture_free(f);
}

int
test_encap_register(void)
{
	static const CU_TestInfo tests[] = {
		{ "ipip", test_ipip },
		{ "gue", test_gue },
		{ "errors about tunnels", test_tunnel_errors },
		{ "source addresses", test_sources },
		{ "no source address", test_no_source },
		{ "the port's own checksum: IPv4", test_offload_ip },
		{ "the port's own checksum: UDP in IPv6", test_offload_udp },
		CU_TEST_INFO_NULL,
	};

	return suite_add("encap", tests);
}

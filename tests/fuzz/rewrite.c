/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: stages rewrite and echo, and errors about tunnels, on one frame that parse let pass.
 *
 * Input: one byte for the mode and the way (enum choice), one for the MTU, then the frame. The
 * frame ends at the end of a heap block, so that a read behind it is seen. What leaves must be
 * sound for parse, must fit, and where only addresses and ports were changed, every checksum must
 * be as right or wrong as it was.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <rte_eal.h>
#include <rte_mbuf.h>

#include "dp/l4/connection.h"
#include "dp/l4/heaviest.h"
#include "dp/l4/segments.h"
#include "dp/l4/stages.h"
#include "dp/l4/tunnel_error.h"
#include "lib/checksum.h"
#include "lib/lpm.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum choice {
	CHOICE_MODE = 7, /* enum forward, modulo its size */
	CHOICE_REPLY = 1 << 3,
	CHOICE_OUTER6 = 1 << 4, /* tunnels: the backend has IPv6 */
	CHOICE_TAG = 1 << 5,
	CHOICE_NO_ROUTE = 1 << 6,
	CHOICE_NO_HEADROOM = 1 << 7,
};

static struct worker worker;
static struct dataplane dataplane;
static struct snapshot snapshot;
static struct rte_mempool *pool;

static struct service services[1];
static struct backend backends[2]; /* by family */
static struct source sources[2];
static struct nexthop nexthops[2];
static struct destination destinations[2];
static struct lpm *routes, *no_routes;
static struct rte_mbuf_ext_shared_info shared;

static struct addr
addr(const char *text)
{
	struct addr a;

	assert(addr_parse(text, &a) == 0);
	return a;
}

static void
entry(struct lpm_entry *e, const char *prefix, uint32_t value)
{
	assert(prefix_parse(prefix, &e->prefix) == 0);
	e->value = value;
}

static void
make_tables(void)
{
	struct lpm *destination_lpm;
	struct lpm_entry e[4];

	entry(&e[0], "203.0.113.10", 0);
	entry(&e[1], "2001:db8:5::10", 0);
	entry(&e[2], "10.2.0.1", 1);
	entry(&e[3], "fd00:2::1", 1);
	assert(lpm_build(&destination_lpm, e, 4) == 0);
	entry(&e[0], "0.0.0.0/0", 1);
	entry(&e[1], "::/0", 1);
	assert(lpm_build(&routes, e, 2) == 0);
	assert(lpm_build(&no_routes, e, 0) == 0);
	destinations[0] =
	    (struct destination){ .parent = UINT32_MAX, .flags = DESTINATION_SERVICE };
	destinations[1] = (struct destination){ .parent = UINT32_MAX, .flags = DESTINATION_LOCAL };
	snapshot.destination_lpm = destination_lpm;
	snapshot.destinations = destinations;
	snapshot.n_destinations = 2;
}

static void
make_network(void)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		nexthops[i] = (struct nexthop){ .header = { 2, 0, 0, 0, 2, 11, 2, 0, 0, 0, 0, 1,
							    0x81, 0, 0, 200 },
						.state = NEXTHOP_READY };
		backends[i] = (struct backend){ .epoch = 1,
						.sources_first = (uint16_t)i,
						.sources_count = 1 };
	}
	backends[0].addr = addr("10.2.0.11");
	backends[1].addr = addr("fd00:2::11");
	sources[0].addr = addr("10.2.0.1");
	sources[1].addr = addr("fd00:2::1");
	snapshot.services = services;
	snapshot.n_services = 1;
	snapshot.backends = backends;
	snapshot.n_backends = 2;
	snapshot.nexthops = nexthops;
	snapshot.n_nexthops = 2;
	snapshot.sources = sources;
	snapshot.n_sources = 2;
	snapshot.n_ports = 1;
	snapshot.ports[0].mtu = 1500;
	snapshot.ports[0].vlans[0] = UINT64_MAX;
	snapshot.ports[0].own4 = addr("198.51.100.2");
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	char *eal[] = { "fuzz",           "--no-huge",     "--no-shconf", "-m", "128", "--no-pci",
			"--no-telemetry", "--log-level=4", "-l",          "0",  NULL };

	(void)argc;
	(void)argv;
	assert(rte_eal_init((int)(sizeof(eal) / sizeof(eal[0])) - 1, eal) >= 0);
	pool = rte_pktmbuf_pool_create("fuzz", 2047, 0,
				       RTE_ALIGN(sizeof(struct packet), RTE_MBUF_PRIV_ALIGN),
				       RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	assert(pool);
	make_tables();
	make_network();
	dataplane.mbufs = pool;
	worker.snapshot = &snapshot;
	worker.dataplane = &dataplane;
	worker.connections = connections_create(64, SOCKET_ID_ANY, NULL);
	worker.heaviest = heaviest_create(64, 0, SOCKET_ID_ANY);
	worker.service_drops = calloc(1, sizeof(*worker.service_drops));
	worker.service_stats = calloc(1, sizeof(*worker.service_stats));
	assert(worker.connections && worker.heaviest && worker.service_drops &&
	       worker.service_stats);
	return 0;
}

/* ---- one frame in ---- */

static void
free_block(void *block, void *opaque)
{
	(void)opaque;
	free(block);
}

/* The frame at the end of a block of its own, after `room` free bytes. */
static struct rte_mbuf *
frame_mbuf(const uint8_t *bytes, uint16_t len, uint16_t room)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	uint8_t *block = malloc((size_t)room + len);

	assert(m && block);
	memcpy(block + room, bytes, len);
	shared = (struct rte_mbuf_ext_shared_info){ .free_cb = free_block, .refcnt = 1 };
	rte_pktmbuf_attach_extbuf(m, block, 0, (uint16_t)(room + len), &shared);
	m->data_off = room;
	m->data_len = len;
	m->pkt_len = len;
	return m;
}

/* Make the IPv4 header's checksum right, which mutation seldom does. */
static void
mend(uint8_t *frame, uint32_t len)
{
	uint32_t l3 = len > 18 && frame[12] == 0x81 ? 18 : 14;
	uint32_t header;
	uint16_t sum;

	if (l3 + 20 > len || frame[l3] >> 4 != 4)
		return;
	header = (frame[l3] & 0xfu) * 4;
	if (header < 20 || l3 + header > len)
		return;
	frame[l3 + 10] = frame[l3 + 11] = 0;
	sum = csum_compute(frame + l3, header);
	memcpy(frame + l3 + 10, &sum, 2);
}

static void
set_connection(const struct packet *p, bool full)
{
	struct connection *c = connection_at(worker.connections, 0);
	bool v4 = p->flags & PACKET_V4;

	c->forward = (struct tuple){ .src = addr(v4 ? "192.0.2.7" : "2001:db8:c::7"),
				     .dst = addr(v4 ? "203.0.113.10" : "2001:db8:5::10"),
				     .sport = htons(40001),
				     .dport = htons(80) };
	c->backend_addr = backends[!v4].addr;
	c->backend_port = htons(8080);
	c->flags = full ? CONNECTION_FULL_NAT : 0;
	c->local = sources[!v4].addr;
	c->local_port = htons(20000);
}

static void
set_way(uint8_t choice, uint8_t mtu, struct packet *p)
{
	bool v4 = p->flags & PACKET_V4;
	bool tunnel;

	services[0].mode = (choice & CHOICE_MODE) % (MODE_FULL_NAT + 1);
	tunnel = services[0].mode == MODE_DSR_IPIP || services[0].mode == MODE_DSR_GUE;
	nexthops[0].header_len = nexthops[1].header_len = choice & CHOICE_TAG ? 16 : 12;
	nexthops[0].mtu = nexthops[1].mtu = (uint16_t)(mtu * 6);
	snapshot.routes = choice & CHOICE_NO_ROUTE ? no_routes : routes;
	p->service = 0;
	p->backend = tunnel ? !!(choice & CHOICE_OUTER6) : !v4;
	p->direction = choice & CHOICE_REPLY ? DIR_REPLY : DIR_FORWARD;
	p->connection = 0;
	p->flow_hash = mtu * 0x01010101u;
	set_connection(p, services[0].mode == MODE_FULL_NAT);
}

/* ---- what comes out ---- */

/* What is wrong with the checksum of p's transport, modulo 0xffff: 0 if nothing is. */
static uint16_t
residue(const struct packet *p)
{
	uint16_t len = (uint16_t)(p->l3 + p->ip_len - p->l4), sum;
	const uint8_t *ip = packet_at(p, p->l3);
	uint64_t total = 0;

	sum = csum_fold(csum_mbuf(p->mbuf, p->l4, len));
	if (p->flags & PACKET_V4) {
		if (p->ip_proto != IPPROTO_ICMP)
			total = csum_add_bytes(0, ip + 12, 8);
	} else {
		total = csum_add_bytes(0, ip + 8, 32);
	}
	total += (uint64_t)htons(len) + htons(p->ip_proto) + sum;
	if (p->ip_proto == IPPROTO_ICMP)
		total = sum;
	sum = csum_fold(total);
	return sum == 0xffff ? 0 : sum;
}

static bool
has_residue(const struct packet *p)
{
	const uint8_t *udp = packet_at(p, p->l4);

	return !(p->flags & PACKET_LATER) && !(p->ip_proto == IPPROTO_UDP && !udp[6] && !udp[7]);
}

/* Whatever leaves is sound, and fits. Frees it. */
static void
check_frame(struct rte_mbuf *m, uint16_t mtu)
{
	struct burst b = { .count = 1 };
	struct packet *p = &b.packets[0];
	uint8_t flat[UINT16_MAX];
	const uint8_t *bytes;

	*p = (struct packet){ .mbuf = m };
	/* Segments are parse's business only where headers end in the first one. */
	bytes = rte_pktmbuf_read(m, 0, m->pkt_len, flat);
	assert(bytes && m->pkt_len >= 34);
	stage_parse(&worker, &b);
	assert(p->verdict != VERDICT_DROP || p->reason == DROP_ICMP_INNER ||
	       p->reason == DROP_FRAGMENT_MALFORMED || p->reason == DROP_MARTIAN_SOURCE ||
	       p->reason == DROP_MARTIAN_DESTINATION);
	assert(!mtu || p->ip_len <= mtu);
	rte_pktmbuf_free(m);
}

static void
check_rewritten(const struct packet *before, uint16_t wrong, struct packet *p)
{
	bool nat = services[0].mode >= MODE_NAT || before->direction == DIR_REPLY;

	/* An answer is no rewritten packet: it has lost its way. */
	if (!nat || p->ip_len != before->ip_len || p->ip_proto != before->ip_proto)
		return;
	if (has_residue(p) && wrong != UINT16_MAX)
		assert(residue(p) == wrong);
}

static void
run_rewrite(struct burst *b, uint8_t mtu)
{
	struct packet *p = &b->packets[0];
	struct packet before = *p;
	uint16_t wrong = has_residue(p) ? residue(p) : UINT16_MAX;
	uint16_t limit = (uint16_t)(mtu * 6), i;
	bool echo = p->flags & PACKET_ECHO_REQUEST;

	if (echo)
		stage_echo(&worker, b);
	else
		stage_rewrite(&worker, b);
	assert(p->verdict == VERDICT_TRANSMIT || p->verdict == VERDICT_DROP);
	for (i = 0; i < worker.tx[0].count; i++)
		check_frame(worker.tx[0].mbufs[i], limit);
	if (p->verdict == VERDICT_DROP) {
		assert(p->reason < DROP_REASON_COUNT);
		rte_pktmbuf_free(p->mbuf);
	} else {
		if (echo)
			assert(residue(p) == wrong);
		else if (!worker.tx[0].count)
			check_rewritten(&before, wrong, p);
		check_frame(p->mbuf, 0);
	}
	worker.tx[0].count = 0;
}

static void
run_tunnel_error(struct packet *p, uint16_t len)
{
	uint8_t bytes[2048];

	memcpy(bytes, rte_pktmbuf_mtod(p->mbuf, void *), len);
	if (tunnel_error_translate(&worker, p)) {
		check_frame(p->mbuf, 0);
		return;
	}
	assert(p->mbuf->pkt_len == len);
	assert(memcmp(rte_pktmbuf_mtod(p->mbuf, void *), bytes, len) == 0);
	rte_pktmbuf_free(p->mbuf);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct burst b;
	struct packet *p = &b.packets[0];
	uint16_t len = (uint16_t)(size - 2);

	/* More pieces than a transmit queue takes are not this target's business. */
	if (size < 16 || size > 1600 || data[1] < 20)
		return 0;
	b.count = 1;
	p->mbuf = frame_mbuf(data + 2, len, data[0] & CHOICE_NO_HEADROOM ? 0 : 128);
	mend(rte_pktmbuf_mtod(p->mbuf, uint8_t *), len);
	p->in_port = 0;
	worker.now += 1000000;
	worker.random = 1;
	stage_parse(&worker, &b);
	set_way(data[0], data[1], p);
	if (p->verdict == VERDICT_CONTINUE && !(p->flags & PACKET_ICMP_OTHER))
		run_rewrite(&b, data[1]);
	else if (p->verdict == VERDICT_HOST)
		run_tunnel_error(p, len);
	else
		rte_pktmbuf_free(p->mbuf);
	assert(rte_mempool_in_use_count(pool) == 0);
	return 0;
}

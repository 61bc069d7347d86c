/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: stages parse, classify and steer on one frame.
 *
 * Input: one byte of what the device says (bit 0: it took the VLAN tag out, bit 1: the IPv4
 * checksum is right), then the frame. The frame lies in a heap block of just its size, so that a
 * read behind it is seen. No EAL: the mbuf is made by hand.
 */
#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "dp/l4/stages.h"
#include "lib/lpm.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct worker worker;
static struct dataplane dataplane;
static struct snapshot snapshot;
static struct toeplitz toeplitz;

static const struct service services[2] = {
	{ .epoch = 1, .port = 0x5000, .protocol = IPPROTO_TCP },
	{ .epoch = 1, .protocol = IPPROTO_UDP },
};
static struct destination destinations[2];
static struct destination_port destination_ports[4];
static const struct source sources[1];

static void
make_destinations(void)
{
	uint32_t i = destination_port_hash(IPPROTO_TCP, services[0].port) & 3;

	destination_ports[i] = (struct destination_port){ services[0].port, IPPROTO_TCP, 0, 0 };
	destinations[0] = (struct destination){
		.parent = 1,
		.flags = DESTINATION_SERVICE,
		.ports_mask = 3,
		.all_tcp = UINT32_MAX,
		.all_udp = 1,
		.source = UINT32_MAX,
		.prefix_len = 128,
	};
	destinations[1] = (struct destination){
		.parent = UINT32_MAX,
		.flags = DESTINATION_LOCAL,
		.ports_mask = 3,
		.all_tcp = UINT32_MAX,
		.all_udp = UINT32_MAX,
		.prefix_len = 120,
	};
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct lpm_entry to[4], from[2];
	struct lpm *destination_lpm, *nat_backends;
	unsigned int i;

	(void)argc;
	(void)argv;
	assert(prefix_parse("192.0.2.10", &to[0].prefix) == 0);
	assert(prefix_parse("2001:db8::10", &to[1].prefix) == 0);
	assert(prefix_parse("192.0.2.0/24", &to[2].prefix) == 0);
	assert(prefix_parse("2001:db8::/64", &to[3].prefix) == 0);
	to[0].value = to[1].value = 0;
	to[2].value = to[3].value = 1;
	assert(prefix_parse("10.0.0.0/24", &from[0].prefix) == 0);
	assert(prefix_parse("fd00::/64", &from[1].prefix) == 0);
	from[0].value = from[1].value = 0;
	assert(lpm_build(&destination_lpm, to, 4) == 0);
	assert(lpm_build(&nat_backends, from, 2) == 0);
	make_destinations();
	toeplitz_init(&toeplitz, toeplitz_key_microsoft);
	for (i = 0; i < OWNER_TABLE_SIZE; i++)
		snapshot.owners[i] = (uint16_t)(i % 4);
	snapshot.n_workers = 4;
	snapshot.owner_prefix4 = 128;
	snapshot.owner_prefix6 = 64;
	snapshot.toeplitz = &toeplitz;
	snapshot.services = services;
	snapshot.n_services = 2;
	snapshot.destination_lpm = destination_lpm;
	snapshot.nat_backends = nat_backends;
	snapshot.destinations = destinations;
	snapshot.n_destinations = 2;
	snapshot.destination_ports = destination_ports;
	snapshot.sources = sources;
	snapshot.n_sources = 1;
	snapshot.n_ports = 1;
	snapshot.ports[0].vlans[0] = 1 | 1ull << 5;
	worker.snapshot = &snapshot;
	worker.dataplane = &dataplane;
	return 0;
}

/* What every later stage relies on. */
static void
check_continue(const struct packet *p, size_t len)
{
	uint32_t end = (uint32_t)p->l3 + p->ip_len;
	uint32_t header = 8;

	assert(p->l3 == 14 || p->l3 == 18);
	assert(end <= len && p->l4 >= p->l3 + 20 && p->l4 <= end);
	assert(!addr_is_martian(&p->tuple.src) && !addr_is_martian(&p->tuple.dst));
	assert(addr_is_v4(&p->tuple.src) == !!(p->flags & PACKET_V4));
	assert(addr_is_v4(&p->tuple.dst) == !!(p->flags & PACKET_V4));
	if (p->flags & PACKET_LATER) {
		assert(p->flags & PACKET_FRAGMENT);
		assert(!p->tuple.sport && !p->tuple.dport && p->l4 < end);
		return;
	}
	if (p->ip_proto == IPPROTO_TCP)
		header = 20;
	assert(p->l4 + header <= end);
	if (p->flags & PACKET_ICMP_ERROR) {
		assert(p->inner_l3 == p->l4 + 8);
		assert(p->inner_l4 >= p->inner_l3 + 20 && p->inner_l4 + 8u <= end);
		assert(p->tuple.proto == IPPROTO_TCP || p->tuple.proto == IPPROTO_UDP);
		return;
	}
	assert(p->tuple.proto == p->ip_proto);
	assert(p->ip_proto == IPPROTO_TCP || p->ip_proto == IPPROTO_UDP ||
	       (p->flags & (PACKET_ECHO_REQUEST | PACKET_ICMP_OTHER)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct burst b;
	struct packet *p = &b.packets[0];
	struct rte_mbuf m = { .nb_segs = 1 };
	uint8_t *frame;

	if (size < 1 || size > UINT16_MAX)
		return 0;
	frame = malloc(size - 1);
	assert(frame || size == 1);
	if (size > 1)
		memcpy(frame, data + 1, size - 1);
	m.buf_addr = frame;
	m.buf_len = m.data_len = (uint16_t)(size - 1);
	m.pkt_len = (uint32_t)(size - 1);
	m.vlan_tci = 5;
	m.ol_flags = (data[0] & 1 ? RTE_MBUF_F_RX_VLAN_STRIPPED : 0) |
		     (data[0] & 2 ? RTE_MBUF_F_RX_IP_CKSUM_GOOD : 0);
	b.count = 1;
	p->mbuf = &m;
	p->in_port = 0;
	stage_parse(&worker, &b);
	assert(p->verdict == VERDICT_CONTINUE || p->verdict == VERDICT_HOST ||
	       (p->verdict == VERDICT_DROP && p->reason < DROP_REASON_COUNT));
	assert((p->verdict == VERDICT_HOST) == !!(p->flags & PACKET_HOST_ONLY));
	if (p->verdict == VERDICT_CONTINUE)
		check_continue(p, size - 1);
	stage_classify(&worker, &b);
	if (p->verdict == VERDICT_CONTINUE)
		assert(p->direction != DIR_NONE);
	stage_steer(&worker, &b);
	assert(p->verdict != VERDICT_STEER || p->owner < 4);
	free(frame);
	return 0;
}

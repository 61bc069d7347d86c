/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/common/traffic.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "bench/common/world.h"
#include "lib/checksum.h"

#define L3 14

/* As Linux sends them: MSS, SACK permitted, timestamps, window scale. */
static const uint8_t syn_options[20] = { 2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 1,
					 2, 3, 0, 0,    0, 0, 1, 3,  3, 7 };

static void
put16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static unsigned int
l4_offset(const struct traffic *t)
{
	return t->v6 ? L3 + 40 : L3 + 20;
}

static unsigned int
transport_header(const struct traffic *t)
{
	if (t->proto != IPPROTO_TCP)
		return 8;
	return t->syn_options ? 20 + sizeof(syn_options) : 20;
}

/* Where the transport checksum stands. */
static unsigned int
checksum_offset(const struct traffic *t)
{
	return l4_offset(t) + (t->proto == IPPROTO_TCP ? 16 : 6);
}

void
traffic_init(struct traffic *t)
{
	uint8_t *b = t->bytes;
	unsigned int l4 = l4_offset(t);
	uint16_t payload = (uint16_t)(t->frame - l4);

	if (t->flows & (t->flows - 1) || !t->clients || t->clients & (t->clients - 1) ||
	    t->clients > t->flows || t->frame < l4 + transport_header(t) ||
	    t->frame > TRAFFIC_FRAME_MAX)
		world_fail("no such traffic: %u flows, %u clients, frames of %u", t->flows,
			   t->clients, t->frame);
	memset(b, 0, sizeof(t->bytes));
	memcpy(b, t->mac, 6);
	memcpy(b + 6, "\x02\0\0\0\1\1", 6);
	put16(b + 12, t->v6 ? 0x86dd : 0x0800);
	if (t->v6) {
		b[L3] = 0x60;
		put16(b + L3 + 4, payload);
		b[L3 + 6] = t->proto;
		b[L3 + 7] = 64;
		memcpy(b + L3 + 24, t->service.b, 16);
	} else {
		b[L3] = 0x45;
		put16(b + L3 + 2, (uint16_t)(t->frame - L3));
		put16(b + L3 + 6, 0x4000);
		b[L3 + 8] = 64;
		b[L3 + 9] = t->proto;
		memcpy(b + L3 + 16, t->service.b + 12, 4);
	}
	put16(b + l4 + 2, t->port);
	if (t->proto == IPPROTO_TCP) {
		b[l4 + 12] = (uint8_t)(transport_header(t) / 4 << 4);
		b[l4 + 13] = t->tcp_flags;
		put16(b + l4 + 14, 0xffff);
		if (t->syn_options)
			memcpy(b + l4 + 20, syn_options, sizeof(syn_options));
	} else {
		put16(b + l4 + 4, payload);
	}
	t->step = (uint32_t)((double)t->flows * 0.6180339887) | 1;
	t->next = 0;
	t->clients_shift = (unsigned int)__builtin_ctz(t->clients);
}

/* 20.0.0.0/8 and 2001:db8:c::/48, a /64 a client. */
static struct addr
client_of(const struct traffic *t, uint32_t i)
{
	uint32_t n = i & (t->clients - 1);
	struct addr a = { 0 };

	if (!t->v6)
		return addr_from_v4(htonl(0x14000000u + n));
	a.w[0] = htonl(0x20010db8u);
	a.w[1] = htonl(0x00100000u + n);
	a.b[15] = 1;
	return a;
}

struct tuple
traffic_tuple(const struct traffic *t, uint32_t i)
{
	return (struct tuple){
		.src = client_of(t, i),
		.dst = t->service,
		.sport = htons((uint16_t)(1024 + (i >> t->clients_shift))),
		.dport = htons(t->port),
		.proto = t->proto,
	};
}

/* Header checksum and transport checksum of what is there now. */
static void
checksums(const struct traffic *t, uint8_t *b, const struct tuple *tuple)
{
	unsigned int l4 = l4_offset(t), at = checksum_offset(t);
	uint16_t len = (uint16_t)(t->frame - l4), sum;

	if (!t->v6) {
		memset(b + L3 + 10, 0, 2);
		sum = csum_compute(b + L3, 20);
		memcpy(b + L3 + 10, &sum, 2);
	}
	memset(b + at, 0, 2);
	sum = (uint16_t)~csum_fold(
	    csum_add_bytes(csum_pseudo(&tuple->src, &tuple->dst, t->proto, len), b + l4, len));
	if (t->proto == IPPROTO_UDP && sum == 0)
		sum = 0xffff;
	memcpy(b + at, &sum, 2);
}

static void
address(const struct traffic *t, uint8_t *b, const struct tuple *tuple)
{
	if (t->v6) {
		memcpy(b + L3 + 8, tuple->src.b, 16);
		memcpy(b + L3 + 24, tuple->dst.b, 16);
	} else {
		memcpy(b + L3 + 12, tuple->src.b + 12, 4);
		memcpy(b + L3 + 16, tuple->dst.b + 12, 4);
	}
	memcpy(b + l4_offset(t), &tuple->sport, 2);
	memcpy(b + l4_offset(t) + 2, &tuple->dport, 2);
}

static void
write_packet(const struct traffic *t, struct rte_mbuf *m, const struct tuple *tuple)
{
	uint8_t *b = rte_pktmbuf_mtod(m, uint8_t *);

	m->data_len = t->frame;
	m->pkt_len = t->frame;
	memcpy(b, t->bytes, t->frame);
	if (t->proto == IPPROTO_TCP)
		b[l4_offset(t) + 13] = t->tcp_flags;
	address(t, b, tuple);
	checksums(t, b, tuple);
}

void
traffic_burst(struct traffic *t, struct rte_mempool *pool, struct burst *b, uint16_t n)
{
	struct rte_mbuf *mbufs[BURST_MAX];
	struct tuple tuple;
	uint16_t i;

	if (rte_pktmbuf_alloc_bulk(pool, mbufs, n) != 0)
		world_fail("packet buffers have leaked");
	for (i = 0; i < n; i++) {
		tuple = traffic_tuple(t, t->next);
		t->next = (t->next + t->step) & (t->flows - 1);
		write_packet(t, mbufs[i], &tuple);
		b->packets[i].mbuf = mbufs[i];
		b->packets[i].in_port = 0;
	}
	b->count = n;
}

void
traffic_answer(const struct traffic *t, struct rte_mbuf *m, const struct tuple *reply)
{
	write_packet(t, m, reply);
}

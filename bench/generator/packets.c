/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/generator/packets.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "bench/common/world.h"
#include "lib/checksum.h"

#define L3 14

/* The sums of everything that stays: the template with addresses of clients and ports zero. */
static void
make_sums(struct packets *p)
{
	struct traffic *t = &p->traffic;
	unsigned int l4 = t->v6 ? L3 + 40 : L3 + 20;
	uint16_t len = (uint16_t)(t->frame - l4);

	p->ip_sum = csum_add_bytes(0, t->bytes + L3, 20);
	p->l4_sum = csum_add_bytes(0, t->bytes + l4, len) + csum_addr(&t->service) +
		    htons(t->proto) + htons(len);
}

/* This tuple into the buffer: source address and port, checksums. */
static inline void
write_flow(const struct packets *p, uint8_t *b, const struct tuple *tuple)
{
	const struct traffic *t = &p->traffic;
	unsigned int l4 = t->v6 ? L3 + 40 : L3 + 20;
	uint64_t address = csum_addr(&tuple->src);
	uint64_t flags = t->proto == IPPROTO_TCP ? htons(t->tcp_flags) : 0;
	uint16_t sum;

	if (t->v6) {
		memcpy(b + L3 + 8, tuple->src.b, 16);
		memcpy(b + L3 + 24, t->service.b, 16);
	} else {
		memcpy(b + L3 + 12, tuple->src.b + 12, 4);
		memcpy(b + L3 + 16, t->service.b + 12, 4);
		sum = (uint16_t)~csum_fold(p->ip_sum + address);
		memcpy(b + L3 + 10, &sum, 2);
	}
	memcpy(b + l4, &tuple->sport, 2);
	memcpy(b + l4 + 2, &tuple->dport, 2);
	sum = (uint16_t)~csum_fold(p->l4_sum + address + tuple->sport + flags);
	if (t->proto == IPPROTO_TCP) {
		b[l4 + 13] = t->tcp_flags;
		memcpy(b + l4 + 16, &sum, 2);
	} else {
		sum = sum ? sum : 0xffff;
		memcpy(b + l4 + 6, &sum, 2);
	}
}

/* What the backend of flow i answers: addresses and ports the other way. False: it is not known. */
static inline bool
write_answer(const struct packets *p, uint8_t *b, uint32_t i)
{
	const struct traffic *t = &p->traffic;
	struct tuple tuple = traffic_tuple(t, i);
	unsigned int l4 = t->v6 ? L3 + 40 : L3 + 20;
	struct addr backend = p->options->backends;
	uint64_t addresses, flags = t->proto == IPPROTO_TCP ? htons(t->tcp_flags) : 0;
	uint16_t sum;

	if (p->backend_of[i] == NO_ANSWER)
		return false;
	backend.b[15] = p->backend_of[i];
	addresses = csum_addr(&backend) + csum_addr(&tuple.src);
	if (t->v6) {
		memcpy(b + L3 + 8, backend.b, 16);
		memcpy(b + L3 + 24, tuple.src.b, 16);
	} else {
		memcpy(b + L3 + 12, backend.b + 12, 4);
		memcpy(b + L3 + 16, tuple.src.b + 12, 4);
		sum = (uint16_t)~csum_fold(p->ip_sum - t->service.w[3] + addresses);
		memcpy(b + L3 + 10, &sum, 2);
	}
	memcpy(b + l4, &tuple.dport, 2);
	memcpy(b + l4 + 2, &tuple.sport, 2);
	sum = (uint16_t)~csum_fold(p->l4_sum - csum_addr(&t->service) + addresses + tuple.sport +
				   flags);
	if (t->proto == IPPROTO_TCP) {
		b[l4 + 13] = t->tcp_flags;
		memcpy(b + l4 + 16, &sum, 2);
	} else {
		sum = sum ? sum : 0xffff;
		memcpy(b + l4 + 6, &sum, 2);
	}
	return true;
}

void
packets_learn(struct packets *p, const struct rte_mbuf *m)
{
	const struct traffic *t = &p->traffic;
	const uint8_t *b = rte_pktmbuf_mtod(m, const uint8_t *);
	unsigned int l4 = t->v6 ? L3 + 40 : L3 + 20;
	uint32_t client, number, flow;
	uint16_t port;

	if (rte_pktmbuf_data_len(m) < l4 + 8u)
		return;
	memcpy(&client, b + L3 + 12, 4);
	number = ntohl(client) - (t->v6 ? 0x00100000u : 0x14000000u);
	memcpy(&port, b + l4, 2);
	flow = (uint32_t)(ntohs(port) - 1024) * t->clients + number;
	if (number < t->clients && flow < t->flows)
		p->backend_of[flow] = b[L3 + (t->v6 ? 39 : 19)];
}

void
packets_init(struct packets *p, const struct options *o)
{
	struct traffic *t = &p->traffic;

	*t = (struct traffic){
		.v6 = o->v6,
		.proto = o->tcp ? IPPROTO_TCP : IPPROTO_UDP,
		.frame = o->frame,
		.flows = o->flows,
		.clients = o->clients,
		.service = o->service,
		.port = o->port,
	};
	p->options = o;
	memcpy(t->mac, o->mac, 6);
	traffic_init(t);
	t->tcp_flags = o->syn ? TCP_SYN : TCP_ACK;
	p->backend_of = malloc(o->flows);
	if (!p->backend_of)
		world_fail("no memory");
	memset(p->backend_of, NO_ANSWER, o->flows);
	make_sums(p);
}

void
packets_write(const struct packets *p, struct rte_mbuf **mbufs, uint16_t n, bool answer)
{
	const struct traffic *t = &p->traffic;
	struct tuple tuple;
	uint16_t i;

	for (i = 0; i < n; i++) {
		uint8_t *b = rte_pktmbuf_mtod(mbufs[i], uint8_t *);
		uint32_t flow = (t->next + i * t->step) & (t->flows - 1);

		if (answer && write_answer(p, b, flow))
			continue;
		tuple = traffic_tuple(t, flow);
		write_flow(p, b, &tuple);
	}
}

void
packets_write_good(const struct packets *p, struct rte_mbuf *m, uint32_t n)
{
	struct tuple tuple = traffic_tuple(&p->traffic, 0);

	tuple.src = addr_from_v4(htonl(GOOD_CLIENT_BASE + n % GOOD_CLIENTS));
	write_flow(p, rte_pktmbuf_mtod(m, uint8_t *), &tuple);
}

bool
packets_is_good(const struct packets *p, const struct rte_mbuf *m)
{
	unsigned int at = L3 + p->options->overhead + 12;

	return rte_pktmbuf_data_len(m) > at + 4 &&
	       rte_pktmbuf_mtod(m, const uint8_t *)[at] == GOOD_CLIENT_BASE >> 24;
}

uint32_t
packets_unknown(const struct packets *p)
{
	uint32_t i, n = 0;

	for (i = 0; i < p->traffic.flows; i++)
		n += p->backend_of[i] == NO_ANSWER;
	return n;
}

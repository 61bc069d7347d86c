/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets of many flows: a template and what differs, so that to make one costs little and touches
 * no memory but the packet's own.
 *
 * Flow i comes from client i mod clients and has a port of its own there (both powers of two).
 * Flows are taken in an order that no cache and no prefetcher guesses: i(k) = k * step mod flows,
 * step odd and about flows * 0.618, flows a power of two.
 */
#ifndef BENCH_COMMON_TRAFFIC_H
#define BENCH_COMMON_TRAFFIC_H

#include <stdbool.h>
#include <stdint.h>

#include "dp/packet.h"
#include "dp/worker.h"

#define TRAFFIC_FRAME_MAX 1514

struct traffic {
	bool v6;
	uint8_t proto;       /* IPPROTO_TCP (ACKs) or IPPROTO_UDP */
	uint8_t tcp_flags;   /* of the packets to come */
	bool syn_options;    /* TCP: the header has the options of a usual SYN, 20 bytes more */
	uint16_t frame;      /* bytes, without the frame check sequence: 60 is a 64-byte packet */
	uint32_t flows;      /* a power of two */
	uint32_t clients;    /* a power of two, at most flows */
	struct addr service; /* destination */
	uint16_t port;       /* its port, host byte order */
	uint8_t mac[6];      /* of our port */
	/* set by traffic_init */
	uint8_t bytes[TRAFFIC_FRAME_MAX];
	uint32_t step, next;
	unsigned int clients_shift; /* clients = 1 << clients_shift */
};

/* The fields above the line are set. */
void traffic_init(struct traffic *t);
/* The tuple of flow i. */
struct tuple traffic_tuple(const struct traffic *t, uint32_t i);
/* Fill the burst with n packets of the next flows, as received on port 0. */
void traffic_burst(struct traffic *t, struct rte_mempool *pool, struct burst *b, uint16_t n);
/* One of flow i that comes the other way, from a backend: written over the packet at m. */
void traffic_answer(const struct traffic *t, struct rte_mbuf *m, const struct tuple *reply);

#endif

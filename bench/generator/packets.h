/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The packets that bench-generator sends: a template in each buffer, in which only what tells flows
 * apart is written, and checksums that follow by increments from sums of what stays. So no packet
 * costs the generator a cache miss of its own.
 */
#ifndef BENCH_GENERATOR_PACKETS_H
#define BENCH_GENERATOR_PACKETS_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/common/traffic.h"
#include "bench/generator/options.h"

#define NO_ANSWER UINT8_MAX

/* Well-behaved clients are of 21.0.0.0/8, in turn. */
#define GOOD_CLIENTS     65536u
#define GOOD_CLIENT_BASE 0x15000000u

struct packets {
	const struct options *options;
	struct traffic traffic;  /* what flow i is; its next is the next flow to be sent */
	uint64_t ip_sum, l4_sum; /* of the template's words that do not change */
	uint8_t *backend_of;     /* by flow: last byte of its backend's address */
};

void packets_init(struct packets *p, const struct options *o);
/* So many buffers get the next flows; `answer`: what their backends would answer, where the backend
 * is known. */
void packets_write(const struct packets *p, struct rte_mbuf **mbufs, uint16_t n, bool answer);
/* The buffer gets a packet of well-behaved client n. */
void packets_write_good(const struct packets *p, struct rte_mbuf *m, uint32_t n);
/* Which flow is this forwarded packet of? Its backend is learned. */
void packets_learn(struct packets *p, const struct rte_mbuf *m);
/* Has a well-behaved client sent this one? */
bool packets_is_good(const struct packets *p, const struct rte_mbuf *m);
/* How many flows have no backend yet? */
uint32_t packets_unknown(const struct packets *p);

#endif

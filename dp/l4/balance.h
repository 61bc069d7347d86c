/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which backend: what stage balance shares with listeners, and what it would do with a packet,
 * without doing it. Worker only.
 */
#ifndef DP_L4_BALANCE_H
#define DP_L4_BALANCE_H

#include <stdbool.h>
#include <stdint.h>

#include "dp/packet.h"
#include "dp/worker.h"
#include "lib/fold.h"

struct balance_choice {
	uint32_t row;         /* of the pool's candidate table */
	bool moving, settled; /* the row has moved; the packet goes by it as it was */
	bool begins;          /* p would begin a connection, as far as limits are concerned */
	struct addr source;   /* full-nat: the source towards the backend; else zero */
	uint16_t source_port; /* network byte order */
};

/* What flows to one destination have in common of their hashes. The constants are the first digits
 * of pi: no secret, since every node has to choose the same rows, and after every restart. */
static inline uint64_t
balance_hash_to(const struct addr *dst, uint8_t proto)
{
	return multiply_fold(dst->q[0] ^ 0xa4093822299f31d0ull,
			     dst->q[1] ^ proto ^ 0x082efa98ec4e6c89ull);
}

/* A flow's hash, by which rows are chosen: of the tuple, or of the client alone (to = 0). ports: as
 * they lie in the packet. */
static inline uint32_t
balance_hash_from(const struct addr *src, uint32_t ports, uint64_t to)
{
	uint64_t h =
	    multiply_fold(src->q[0] ^ 0x243f6a8885a308d3ull, src->q[1] ^ 0x13198a2e03707344ull);

	return (uint32_t)(multiply_fold(h ^ to, ports ^ 0x452821e638d01377ull) >> 32);
}

static inline uint32_t
balance_hash(const struct tuple *t, bool client_only)
{
	if (client_only)
		return balance_hash_from(&t->src, 0, 0);
	return balance_hash_from(&t->src, (uint32_t)t->sport | (uint32_t)t->dport << 16,
				 balance_hash_to(&t->dst, t->proto));
}

/* The backend that a row's member slot names, INDEX_NONE: none that may be chosen. */
static inline uint32_t
balance_member(const struct snapshot *s, const struct pool *pool, uint16_t member)
{
	uint32_t backend;

	if (member >= pool->n_members)
		return INDEX_NONE;
	backend = pool->members[member];
	if (backend >= s->n_backends || s->backends[backend].epoch == 0 ||
	    !(s->backends[backend].flags & BACKEND_UP))
		return INDEX_NONE;
	return backend;
}

/* True if packets of the service that begin nothing go by their row alone: it is DSR, no connection
 * is remembered, and no row of its pool moves. */
static inline bool
balance_rests(const struct snapshot *s, uint32_t index)
{
	const struct service *service = &s->services[index];
	const struct pool *pool = &s->pools[service->pool];

	return !forward_tracks(service->mode) && !(service->flags & SERVICE_TRACKED) &&
	       !pool->moving && pool->rows == pool->settled_rows && pool->n_members > 0;
}

/* For a forward packet that belongs to no connection; sets p->flow_hash and p->backend. False: it
 * would be dropped, p says why. Nothing else changes. */
bool balance_peek(struct worker *w, struct packet *p, struct balance_choice *choice);

#endif

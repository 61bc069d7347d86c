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

/* A flow's hash, by which rows are chosen: of the tuple, or of the client alone. It is the same on
 * every node and after every restart, so that they choose the same rows: hence no secret. The
 * constants are the first digits of pi. */
static inline uint32_t
balance_hash(const struct tuple *t, bool client_only)
{
	uint64_t h =
	    multiply_fold(t->src.q[0] ^ 0x243f6a8885a308d3ull, t->src.q[1] ^ 0x13198a2e03707344ull);
	uint64_t ports = (uint64_t)t->sport | (uint64_t)t->dport << 16 | (uint64_t)t->proto << 32;

	if (!client_only) {
		h ^= multiply_fold(t->dst.q[0] ^ 0xa4093822299f31d0ull,
				   t->dst.q[1] ^ ports ^ 0x082efa98ec4e6c89ull);
		h = multiply_fold(h ^ 0x452821e638d01377ull, ports ^ 0xbe5466cf34e90c6cull);
	}
	return (uint32_t)(multiply_fold(h, 0xc0ac29b7c97c50ddull) >> 32);
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

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

struct balance_choice {
	uint32_t row;         /* of the pool's candidate table */
	bool moving, settled; /* the row has moved; the packet goes by it as it was */
	bool begins;          /* p would begin a connection, as far as limits are concerned */
	struct addr source;   /* full-nat: the source towards the backend; else zero */
	uint16_t source_port; /* network byte order */
};

/* A flow's hash, by which rows are chosen: of the tuple, or of the client alone. */
uint32_t balance_hash(const struct tuple *t, bool client_only);
/* The backend that a row's member slot names, INDEX_NONE: none that may be chosen. */
uint32_t balance_member(const struct snapshot *s, const struct pool *pool, uint16_t member);

/* For a forward packet that belongs to no connection; sets p->flow_hash and p->backend. False: it
 * would be dropped, p says why. Nothing else changes. */
bool balance_peek(struct worker *w, struct packet *p, struct balance_choice *choice);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stage balance would do with a packet, without doing it. Worker only.
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

/* For a forward packet that belongs to no connection; sets p->flow_hash and p->backend. False: it
 * would be dropped, p says why. Nothing else changes. */
bool balance_peek(struct worker *w, struct packet *p, struct balance_choice *choice);

#endif

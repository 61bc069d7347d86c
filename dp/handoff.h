/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What passes between the control thread and workers besides packets and snapshots.
 */
#ifndef DP_HANDOFF_H
#define DP_HANDOFF_H

#include <stdatomic.h>
#include <stdint.h>

#include "dp/packet.h"

/* Worker -> control, by value through dataplane.resolve (elements of this size): a packet found no
 * Ethernet address. */
struct resolve_request {
	struct addr addr;
	uint8_t port;
	uint8_t pad;
	uint16_t vlan;
	uint32_t pad2;
};
static_assert(sizeof(struct resolve_request) % 4 == 0, "rte_ring element");

enum connection_state {
	CONNECTION_FREE,
	CONNECTION_OPENING, /* TCP: SYN seen, no packet of the handshake's end yet; short timeout */
	CONNECTION_ESTABLISHED, /* TCP: established timeout. */
	CONNECTION_CLOSING,     /* TCP: RST seen, or FIN (both sides' where both are seen): closing
				   timeout */
	CONNECTION_UDP,         /* UDP timeout */
	CONNECTION_STATES,
};
const char *connection_state_name(enum connection_state state);

/* A connection as shown to people; a copy. Times in ns on the workers' clock. */
struct connection_view {
	struct tuple forward; /* client to service */
	struct addr local;    /* full-nat: our address towards the backend; else zero */
	uint16_t local_port;  /* network byte order */
	uint8_t state;        /* enum connection_state */
	uint8_t pad;
	uint32_t service, backend; /* slots, and whose they were */
	uint32_t service_epoch, backend_epoch;
	uint64_t expires; /* ns from now */
	uint64_t packets_in, packets_out;
};

#define QUERY_MAX 256

enum query_state {
	QUERY_IDLE,
	QUERY_ASKED, /* control has filled it in; the worker's turn */
	QUERY_DONE,  /* the worker has answered; control's turn */
};

/* Control asks a worker for some of its connections. One struct a worker; whoever's turn it is owns
 * all other fields. A worker answers within an iteration and looks at no more than a few hundred
 * slots each time: control repeats with the cursor until it is UINT32_MAX. */
struct worker_query {
	atomic_int state; /* enum query_state */
	uint32_t cursor;  /* in: slot to begin at; out: slot to go on at, UINT32_MAX at the end */
	uint32_t service; /* in: only of this service slot, INDEX_NONE: any */
	uint32_t count;   /* out */
	struct connection_view views[QUERY_MAX];
};

#endif

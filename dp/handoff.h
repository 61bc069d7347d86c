/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What passes between the control thread and workers besides packets and snapshots.
 */
#ifndef DP_HANDOFF_H
#define DP_HANDOFF_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "dp/l4/limit_view.h"
#include "dp/packet.h"
#include "lib/heavy.h"

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

/* One of the two TCP connections of a listener's session. */
struct tcp_view {
	uint64_t bytes_in, bytes_out; /* from the peer, to it */
	uint64_t rtt;                 /* ns, smoothed; 0: not measured */
	uint32_t cwnd, in_flight, retransmits;
	uint32_t queued; /* bytes that wait for the peer, in TCP or before it */
	uint8_t state;   /* enum tcp_state; CLOSED (0): not there */
};

/* A connection as shown to people; a copy. Times in ns on the workers' clock. */
struct connection_view {
	struct tuple forward;      /* client to service */
	struct addr local;         /* full-nat: our address towards the backend; else zero */
	uint16_t local_port;       /* network byte order */
	uint8_t state;             /* enum connection_state */
	bool proxied;              /* a listener's: tcp is set */
	uint32_t service, backend; /* slots, and whose they were */
	uint32_t service_epoch, backend_epoch;
	uint64_t expires; /* ns from now */
	uint64_t packets_in, packets_out;
	struct tcp_view tcp[2]; /* with the client, with the backend */
};

/* Cursors from here on are of listeners' sessions. */
#define QUERY_SESSIONS 0x80000000u
#define QUERY_MAX      256

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

/* How a packet without a connection gets its backend. */
enum explain_row {
	EXPLAIN_ROW_NONE, /* by no row: it belongs to a connection, or is not forwarded */
	EXPLAIN_ROW_STABLE,
	EXPLAIN_ROW_SETTLED,   /* a moving row, as it was */
	EXPLAIN_ROW_CANDIDATE, /* a moving row, as it will be */
};

/* Control asks the worker that owns a client what it would do with a packet now. One struct a
 * worker; whoever's turn it is owns all other fields. The worker answers within an iteration, from
 * its own memory and its own snapshot, and changes nothing. */
#define EXPLAIN_NAME 256

struct explain_query {
	atomic_int state; /* enum query_state */
	/* in */
	struct tuple tuple;
	uint16_t ip_len;   /* bytes of the IP packet */
	uint8_t tcp_flags; /* TCP; 0: the SYN of a new connection, unless there is a connection */
	uint8_t in_port;   /* index in dataplane.ports */
	char server_name[EXPLAIN_NAME]; /* of the ClientHello, in lower case; "": it has none */
	/* out */
	uint16_t owner;    /* if that is another worker, it is to be asked; nothing below is set */
	uint8_t verdict;   /* enum verdict: TRANSMIT, DROP, HOST */
	uint8_t reason;    /* enum drop_reason if DROP */
	uint8_t direction; /* enum direction */
	uint8_t row;       /* enum explain_row */
	uint8_t out_port;  /* if TRANSMIT */
	uint8_t mode;      /* enum forward of the service; with a service only */
	uint32_t row_index;
	uint32_t service, backend; /* slots, INDEX_NONE */
	uint32_t service_epoch, backend_epoch;
	struct limits_view limits; /* of a packet to a service */
	bool by_name;              /* to a listener that chooses the pool by the server name */
	bool connected;            /* the packet belongs to this connection: */
	struct connection_view connection;
	struct addr source; /* full-nat, no connection yet: what the backend would see; else zero */
	uint16_t source_port; /* network byte order */
	uint16_t vlan;        /* if TRANSMIT */
	uint8_t mac[6];       /* the next hop's, if TRANSMIT */
};

/* A client as shown to people; a copy. */
struct client_view {
	struct heavy_entry entry;
	uint32_t rate; /* packets in the last whole second */
	uint32_t weight;
	uint32_t connections;
	uint32_t pad;
};

/* Control asks a worker for some of its heaviest clients, in the same way. */
#define CLIENT_QUERY_MAX 64

struct client_query {
	atomic_int state; /* enum query_state */
	uint32_t cursor;  /* in: entry to begin at; out: entry to go on at, UINT32_MAX at the end */
	uint32_t count;   /* out */
	uint64_t now;     /* out: the worker's clock */
	struct client_view views[CLIENT_QUERY_MAX];
};

#endif

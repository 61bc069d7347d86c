/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits of clients and of services, and who may come at all.
 *
 *     stage limit   every forward packet:  allow and deny lists
 *                                          client:  packets, bytes      private memory of the owner
 *                                          service: packets, bytes      leased from all workers'
 *     limit_begin   where one begins       client:  new connections, connections
 *                   (stage balance):       service: new connections, connections
 *
 * All limits of a step are asked before any is charged, and what limit_begin refuses gets the
 * charge of stage limit back: a rejected packet uses nothing.
 *
 * Connections at a time are counted where they are limited, from their first packet until they
 * close, are closing (FIN, RST) or time out. One that goes on after it has closed is counted again,
 * so that a forged RST buys nothing.
 *
 * Worker only, but for names and limit_kind_*.
 */
#ifndef DP_L4_LIMIT_H
#define DP_L4_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "dp/l4/connection.h"
#include "dp/packet.h"
#include "dp/worker.h"

/* ---- for stage balance and connections ---- */

/* Forward packet p begins a connection: charge it. False: refused, p is dropped and nothing is
 * charged. */
bool limit_begin(struct worker *w, struct packet *p);
/* It has become connection p->connection: this one is counted. */
void limit_begun(struct worker *w, const struct packet *p);
/* It could not be opened: what limit_begin has charged is given back. */
void limit_abort(struct worker *w, const struct packet *p);
/* Forward packet p goes on in its connection, which is not counted although its service limits
 * connections: begun before that limit was set, or closing. False: refused, p is dropped. */
bool limit_adopt(struct worker *w, struct packet *p);
/* The connection was begun in an earlier process: count it here. */
void limit_restored(struct worker *w, struct connection *c);
/* The connection is closing or closed: it counts no longer. */
void limit_ended(struct worker *w, struct connection *c);

/* What of an address makes a client of the service. */
static inline void
limit_client_prefix(const struct service_limits *l, const struct addr *addr, struct addr *out)
{
	*out = *addr;
	if (addr_is_v4(addr)) {
		out->w[3] &= l->mask4;
	} else {
		out->q[0] &= l->mask6[0];
		out->q[1] &= l->mask6[1];
	}
}

/* ---- for explain ---- */

enum limit_kind {
	LIMIT_KIND_CLIENT_PACKETS,
	LIMIT_KIND_CLIENT_BYTES,
	LIMIT_KIND_CLIENT_NEW_CONNECTIONS,
	LIMIT_KIND_CLIENT_CONNECTIONS,
	LIMIT_KIND_SERVICE_PACKETS,
	LIMIT_KIND_SERVICE_BYTES,
	LIMIT_KIND_SERVICE_NEW_CONNECTIONS,
	LIMIT_KIND_SERVICE_CONNECTIONS,
	LIMIT_KINDS,
};
/* The reason for which what is over it is dropped; its name is the limit's too:
 * drop_reason_name(limit_kind_reason(kind)). */
enum drop_reason limit_kind_reason(enum limit_kind kind);

struct limit_view {
	uint8_t kind;              /* enum limit_kind */
	uint8_t exceeded;          /* 1: this packet would be refused by it */
	uint64_t count, period_ns; /* the rate; period 0: connections at a time */
	uint64_t burst_ns;         /* 0 for connections */
	uint64_t used;             /* connections: how many there are; else 0 */
	uint64_t left;             /* how many (packets, bytes, connections) may come now */
};

enum access_verdict {
	ACCESS_ANYBODY, /* the service has no lists */
	ACCESS_ALLOWED, /* by the allow list, or on no list where only deny has entries */
	ACCESS_DENIED,  /* by the deny list */
	ACCESS_MISSING, /* on no list, and there is an allow list */
};

enum client_place {
	CLIENT_UNLIMITED,    /* the service does not limit clients */
	CLIENT_KNOWN,        /* has an entry */
	CLIENT_NEW,          /* has none, and would get one */
	CLIENT_SHARED_PLACE, /* finds no place: the service's shared bucket counts */
};

/* What is asked: a packet that a client could send now. */
struct limit_query {
	uint32_t service; /* slot */
	struct addr client;
	uint16_t ip_len;
	bool begins; /* it would begin a connection */
};

struct limits_view {
	uint8_t access; /* enum access_verdict */
	uint8_t place;  /* enum client_place */
	uint8_t count;  /* of views */
	/* The reason for which the packet would be dropped; DROP_REASON_COUNT: it passes. */
	enum drop_reason reason;
	struct prefix client;        /* what counts as the client */
	uint32_t client_connections; /* counted now, if the service limits them */
	struct limit_view views[LIMIT_KINDS];
};

/* What the limits of a service say to a packet now. Changes nothing. */
void limit_peek(const struct worker *w, const struct limit_query *query, struct limits_view *out);

#endif

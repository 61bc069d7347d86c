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
 * close, are closing (FIN, RST) or time out. One that goes on after it has closed is counted again
 * after a few packets, or stopped, so that a forged RST buys no more than those; what it cannot
 * tell is that the backend keeps a connection in which the client is silent from then on.
 *
 * Worker only, but for names and limit_kind_*.
 */
#ifndef DP_L4_LIMIT_H
#define DP_L4_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "dp/l4/connection.h"
#include "dp/l4/limit_view.h"
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

/* ---- for listeners ---- */

/* Where a connection that ends here is counted. */
struct limit_count {
	uint32_t client; /* entry in the client table, INDEX_NONE: in none */
	bool service;
};

/* The connection of forward packet p, whose SYN limit_begin has let in, is there: count it. False:
 * refused, with p's reason. p needs no mbuf. */
bool limit_accept(struct worker *w, struct packet *p, struct limit_count *count);
/* It is over. service, epoch: as when it was counted. */
void limit_leave(struct worker *w, uint32_t service, uint32_t epoch,
		 const struct limit_count *count);

/* What of an address makes a client of the service. */
static inline void
limit_client_prefix(const struct service_limits *l, const struct addr *addr, struct addr *out)
{
	/* In whole words: what is read back wider than it was written has to wait. */
	const struct addr mask4 = { .w = { UINT32_MAX, UINT32_MAX, UINT32_MAX, l->mask4 } };
	bool v4 = addr_is_v4(addr);

	out->q[0] = addr->q[0] & (v4 ? UINT64_MAX : l->mask6[0]);
	out->q[1] = addr->q[1] & (v4 ? mask4.q[1] : l->mask6[1]);
}

/* ---- for the short way, quick.h ---- */

/* What the allow and deny lists of a service that has some say to an address. */
static inline bool
limit_lists_allow(const struct service_limits *l, const struct addr *src)
{
	uint32_t found = lpm_lookup(l->access, src);

	return found == ACCESS_ALLOW || (found == LPM_NONE && !(l->flags & LIMITS_ALLOW_ONLY));
}

/* A packet to a service that limits packets and bytes of clients, and none of its own. */
struct limit_charge {
	const struct service_limits *limits;
	uint64_t packet_cost; /* ticks */
	uint32_t client;      /* in the client table */
	uint32_t bytes;
};
/* Charge it, or say why not; DROP_REASON_COUNT: it may pass. */
enum drop_reason limit_charge(struct worker *w, const struct limit_charge *charge);

/* ---- for explain ---- */

/* What the limits of a service say to a packet now. Changes nothing. */
void limit_peek(const struct worker *w, const struct limit_query *query, struct limits_view *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections of one worker: a fixed array, found by either direction's tuple.
 *
 *   forward tuple (client -> service) ──┐
 *                                       ├──> index ──> struct connection
 *   reply tuple (backend -> client/us) ─┘     (only nat and full-nat have a reply tuple)
 *
 * Owner: the worker. Nothing is allocated after connections_create, and no time passes in a
 * connection but through worker.now: it lives while worker.now < deadline, exactly, whether or not
 * its timer has fired yet. Invariant:
 *     entries in hash = sum over live connections of (1 + has reply tuple)
 */
#ifndef DP_L4_CONNECTION_H
#define DP_L4_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "dp/handoff.h"
#include "dp/packet.h"
#include "dp/worker.h"

enum connection_flags {
	CONNECTION_FIN_FORWARD = 1 << 0,
	CONNECTION_FIN_REPLY = 1 << 1,
	CONNECTION_HAS_REPLY = 1 << 2, /* nat and full-nat: a reply tuple is in the hash */
	CONNECTION_FULL_NAT = 1 << 3,
	CONNECTION_COUNTED_CLIENT = 1 << 4,  /* in the client's connections, see limit.h */
	CONNECTION_COUNTED_SERVICE = 1 << 5, /* ... in the service's */
};

struct connection {
	struct tuple forward; /* client -> service, as first seen */
	uint32_t service, service_epoch;
	uint32_t backend, backend_epoch;
	uint16_t backend_port; /* network byte order: what the destination port becomes */
	uint16_t local_port;   /* full-nat: our source port, network byte order */
	uint8_t state;         /* enum connection_state */
	uint8_t flags;         /* enum connection_flags */
	uint8_t client_len;    /* of the client's prefix, as heaviest.h has counted it */
	uint8_t after_closing; /* what has come of the client since it is closing, see limit.c */
	/* second cache line */
	uint64_t deadline;        /* ns; the wheel entry may fire earlier and is then re-armed */
	struct addr backend_addr; /* nat modes: what the destination becomes */
	struct addr local;        /* full-nat: our source address */
	uint64_t packets_in, packets_out;
	uint32_t next_free;
	uint32_t client; /* COUNTED_CLIENT: whose, an index in the client table */
};
static_assert(sizeof(struct connection) == 128, "two cache lines a connection");

/* A table for n connections; hash tables and array on NUMA node `socket`. NULL without memory. The
 * array lies in `memory`, of connections_memory_size(n) bytes: all zero, or as an earlier table of
 * n left it, and then connections_restore comes next; it stays when the table is destroyed. NULL:
 * memory of its own. Control thread. */
struct connections *connections_create(uint32_t n, int socket, void *memory);
void connections_destroy(struct connections *c);

/* The connection at an index that packet.connection names. */
struct connection *connection_at(struct connections *c, uint32_t index);

/* How many connections of a service slot live here; how many altogether. Worker. */
uint32_t connections_of_service(const struct connections *c, uint32_t service);
uint32_t connections_live(const struct connections *c);
/* Entries in the hash, for the invariant. */
uint32_t connections_entries(const struct connections *c);

/* What a lookup finds: a connection, and which of its tuples it was. INDEX_NONE: nothing. */
static inline uint32_t
hit_index(uint32_t hit)
{
	return hit >> 1;
}

static inline bool
hit_is_reply(uint32_t hit)
{
	return hit & 1;
}

/* Look up n tuples (1 to BURST_MAX) at once; the connections' lines are on their way when it
 * returns. Worker. */
void connections_lookup(struct worker *w, const struct tuple *const *tuples, uint32_t n,
			uint32_t *hits);
/* ... and one. */
uint32_t connection_find(struct worker *w, const struct tuple *tuple);

/* connection_state.c: packet p was found to belong to connection hit. True: it does (not timed out,
 * its service and backend are what they were, the right direction): packet.connection, service and
 * backend are set, state and deadline follow p; an ICMP error changes neither. False: p has no
 * connection; one that is over is closed. Worker. */
bool connection_join(struct worker *w, struct packet *p, uint32_t hit);
/* Would it? Changes nothing. */
bool connection_would_join(const struct worker *w, const struct packet *p, uint32_t hit);
/* True if the slot still holds the connection of p's tuple: one that a packet has closed may be
 * another client's before the burst ends. Worker. */
bool connection_holds(const struct connection *c, const struct packet *p);
/* The first state and deadline of a connection that p opens. Worker. */
void connection_begin(struct worker *w, uint32_t index, const struct packet *p);
/* True if it lives and leads to what the snapshot says. Worker. */
bool connection_is_current(const struct worker *w, const struct connection *c);

/* What connection_open needs to know besides the packet. */
struct connection_target {
	uint32_t service, backend;
	uint16_t backend_port; /* network byte order */
	uint16_t local_port;   /* full-nat */
	struct addr backend_addr;
	struct addr local;
};

/* Hashes of both tuples. */
struct connection_hashes {
	uint64_t forward, reply; /* reply: if it has one */
};

/* What is known already of a connection that is to be opened. */
struct connection_sought {
	struct connection_hashes hashes; /* of what p and the target make: connection_foresee */
	uint32_t hit; /* what connection_seek has found for the forward tuple just before */
};

/* Make the connection of forward packet p. Returns its index, or INDEX_NONE with *why set: table
 * full, or a tuple belongs to another connection (CONNECTION_CLASH); one that is closing or stale
 * gives way. If p's tuple has a current connection already, that is returned, whatever t says. Sets
 * state and deadline by p's protocol and flags. sought: NULL if nothing is known. Worker. */
uint32_t connection_open(struct worker *w, const struct packet *p,
			 const struct connection_target *t, const struct connection_sought *sought,
			 enum drop_reason *why);
/* The hashes of what p and t make (of the reply tuple in nat only: full-nat has yet to choose a
 * source). Worker. */
void connection_foresee(const struct worker *w, const struct packet *p,
			const struct connection_target *t, struct connection_hashes *hashes);
/* Bring into the cache what connection_open will touch for p, whose backend is chosen. Worker. */
void connection_prefetch(const struct worker *w, const struct packet *p,
			 const struct connection_hashes *hashes);
/* connection_find by the hash of p's tuple. Worker. */
uint32_t connection_seek(struct worker *w, const struct packet *p, uint64_t hash);
/* Would connection_open find room, for a packet whose tuple has no current connection? Changes
 * nothing. */
bool connection_may_open(struct worker *w, const struct packet *p,
			 const struct connection_target *t, enum drop_reason *why);
/* True if a reply tuple (backend -> local address and port) belongs to a connection that lives.
 * Worker. */
bool connection_reply_taken(struct worker *w, const struct tuple *reply);
/* For full-nat sources: a keyed hash of a reply tuple without its destination, and a counter that
 * goes on at each call. Worker. */
uint32_t connections_source_offset(const struct connections *c, const struct tuple *reply);
uint32_t connections_source_count(struct connections *c);
/* Take back what connections_source_count has counted since it gave `count`. */
void connections_source_rewind(struct connections *c, uint32_t count);
void connection_close(struct worker *w, uint32_t index);
/* Have the timer of a connection fire at its deadline: needed when that has come nearer. Worker. */
void connection_rearm(struct worker *w, uint32_t index);

/* How long a connection of the service may be silent in a state, ns. */
uint64_t connection_timeout(const struct service *service, uint8_t state);

/* Remove what has timed out; bounded work (a few hundred timers a call). Called once per iteration.
 * Worker. */
void connections_expire(struct worker *w);
/* connection_answer.c: a copy for people. */
void connection_view_fill(struct connection_view *v, const struct connection *connection,
			  uint64_t now);
/* Answer a pending query of the control thread. Called once per iteration. Worker. */
void connections_answer(struct worker *w, struct worker_query *query);

#endif

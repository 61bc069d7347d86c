/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which clients send most, for `show clients`: a sketch (lib/heavy.h) of each worker, fed with the
 * packets that clients send to services, and a copy of it for the control thread.
 *
 * A worker owns its clients, so what it knows of one is all there is to know (until a change of the
 * ownership prefix moves it). Counts are exact while bursts are short. Where long ones are the rule
 * the worker looks at one packet in two, four or eight, which stands for all: the mean of a count
 * is then still right, its standard error at most sqrt(7 x count).
 *
 * Connections are counted by client in two rows of counters by hash. What is shown is the smaller
 * of a client's two: never less than its tracked connections, more by those of clients that share
 * both, which is little as there is a counter for each eight connections of the table.
 *
 * Owner: the worker; nothing is allocated after heaviest_create.
 */
#ifndef DP_L4_HEAVIEST_H
#define DP_L4_HEAVIEST_H

#include <stdatomic.h>
#include <stdint.h>

#include "dp/packet.h"
#include "dp/worker.h"
#include "lib/heavy.h"

#define HEAVIEST_CLIENTS   2048 /* that a worker knows */
#define HEAVIEST_QUERY_MAX 64

/* A client as shown to people; a copy. */
struct client_view {
	struct heavy_entry entry;
	uint32_t rate; /* packets in the last whole second */
	uint32_t weight;
	uint32_t connections;
	uint32_t pad;
};

/* Control asks a worker for some of its clients, as with struct worker_query (dp/handoff.h). One
 * struct a worker; whoever's turn it is owns all other fields. */
struct client_query {
	atomic_int state; /* enum query_state */
	uint32_t cursor;  /* in: entry to begin at; out: entry to go on at, UINT32_MAX at the end */
	uint32_t count;   /* out */
	uint64_t now;     /* out: the worker's clock */
	struct client_view views[HEAVIEST_QUERY_MAX];
};

/* For a table of `connections`; on NUMA node `socket`. NULL without memory. Control thread. */
struct heaviest *heaviest_create(uint32_t connections, uint64_t now, int socket);
void heaviest_destroy(struct heaviest *h);
/* Where control asks. */
struct client_query *heaviest_query(struct heaviest *h);

/* Count the forward packets of the burst, whatever became of them. Once for each packet. Worker. */
void stage_heaviest(struct worker *w, const struct burst *b);
/* A tracked connection of a client begins (+1) or ends (-1). Worker. */
void heaviest_connection(struct worker *w, const struct addr *client, int32_t change);
/* Let time pass, and answer a pending query. Called once per iteration. Worker. */
void heaviest_iterate(struct worker *w);

#endif

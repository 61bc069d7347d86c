/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which clients send most, for `show clients`: a sketch (lib/heavy.h) of each worker, fed with the
 * packets that clients send to services, and a copy of it for the control thread.
 *
 * A worker owns its clients, so what it knows of one is all there is to know (until a change of the
 * ownership prefix moves it). Counts are exact while bursts are short. Where long ones are the rule
 * the worker looks at one packet in two, four, eight or sixteen, which stands for all: the mean of
 * a count is then still right, its standard error at most sqrt(15 x count).
 *
 * Connections are counted by client in two rows of counters by hash. What is shown is the smaller
 * of a client's two: never less than its tracked connections, more by those of clients that share
 * both, which is little as there is a counter for each eight connections of the table.
 *
 * Owner: the worker; nothing is allocated after heaviest_create.
 */
#ifndef DP_L4_HEAVIEST_H
#define DP_L4_HEAVIEST_H

#include <stdint.h>

#include "dp/packet.h"
#include "dp/worker.h"

#define HEAVIEST_CLIENTS 2048 /* that a worker knows */

/* For a table of `connections`; on NUMA node `socket`. NULL without memory. Control thread. */
struct heaviest *heaviest_create(uint32_t connections, uint64_t now, int socket);
void heaviest_destroy(struct heaviest *h);

/* Count the forward packets of the burst, whatever became of them. Once for each packet. Worker. */
void stage_heaviest(struct worker *w, const struct burst *b);
/* The same in two steps, where there is no struct packet: choose which of a burst's n packets to
 * look at, by index; fill in what they are (leaving out what is not to count), and count. */
struct heaviest_seen {
	struct addr client; /* the source */
	uint32_t service;
	uint32_t bytes;
	uint8_t index;  /* in the burst */
	uint8_t reason; /* enum drop_reason if it was dropped, else DROP_REASON_COUNT */
};
struct heaviest_sample {
	uint32_t n;
	uint32_t packets; /* that each of them stands for */
	struct heaviest_seen seen[BURST_MAX];
};
void heaviest_choose(struct worker *w, uint32_t n, struct heaviest_sample *sample);
void heaviest_count(struct worker *w, struct heaviest_sample *sample);
/* A connection of the service's client is tracked from now on. Returns the length of the client's
 * prefix, for the end. Worker. */
uint8_t heaviest_connection_begin(struct worker *w, uint32_t service, const struct addr *client);
/* Bring what that counts into the cache. Worker. */
void heaviest_prefetch(const struct worker *w, uint32_t service, const struct addr *client);
/* It is no more. `len` as the beginning has said. Worker. */
void heaviest_connection_end(struct worker *w, uint8_t len, const struct addr *client);
/* Let time pass, and answer a pending query of the control thread. Called once per iteration.
 * Worker. */
void heaviest_iterate(struct worker *w);

#endif

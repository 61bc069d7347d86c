/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients that send ten times what they may, over many flows, and meters at the other end: what
 * arrives there is counted by the source address that it carries, by nothing that the workers say.
 *
 * Time is a parameter. One thread.
 */
#ifndef BENCH_LIMITS_LOAD_H
#define BENCH_LIMITS_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/limits/fleet.h"

#define LOAD_CLIENTS 20 /* five a kind of limit */

/* What is limited. */
enum load_kind {
	LOAD_PACKETS,         /* of each client */
	LOAD_BYTES,           /* of each client */
	LOAD_NEW_CONNECTIONS, /* of each client */
	LOAD_SERVICE,         /* packets of a service, whoever sends them */
	LOAD_KINDS,
};
const char *load_kind_name(enum load_kind kind);

#define LOAD_BURST_NS 1000000000ull /* of every limit: longer than a busy machine pauses us */

/* The configuration of pools, services and neighbours that all this needs; to be freed. */
char *load_objects(void);

/* One limit, and what has passed. */
struct meter {
	enum load_kind kind;
	uint64_t limit; /* a second; packets, bytes or connections */
	uint64_t sent, passed;
	uint64_t window; /* passed at the window's begin */
	/* The most that passed / (limit * time + burst) has ever been; time since the first packet.
	 */
	double most;
};

struct load;

/* Clients that begin to send at `now`. in_real_time: workers run by themselves, so packets are
 * counted at the time when they are found. */
struct load *load_open(struct fleet *f, uint64_t now, bool in_real_time);
void load_close(struct load *l);

/* Send what is due at `now`. What finds no room on the wire is lost. */
void load_send(struct load *l, uint64_t now);
/* Count what has come out by `now`. True if there was something. */
bool load_receive(struct load *l, uint64_t now);
/* True if hardly anything waits to be received by a worker. */
bool load_keeps_up(const struct load *l);
/* The window in which passing is compared with the limit begins. */
void load_window(struct load *l);

/* The meters, *n of them. */
const struct meter *load_meters(const struct load *l, uint32_t *n);
/* Packets that found no room on the wire. */
uint64_t load_lost(const struct load *l);

#endif

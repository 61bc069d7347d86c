/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Some workers in this process, as penstockd would have them, whose two ports are rings: what the
 * bench puts into rx[i] is received by worker i, what worker i sends arrives in tx[i].
 *
 *     fleet_start();                                   once a process
 *     struct fleet *f = fleet_open(objects, 4, FLEET_STEERED);
 *     fleet_run(f); ... fleet_halt(f);                 on lcores, in real time
 *     or fleet_step(f, now);                           all in this thread, in whatever time it is
 *     fleet_close(f);
 *
 * One thread besides the workers' own; a failure ends the program with a sentence.
 */
#ifndef BENCH_LIMITS_FLEET_H
#define BENCH_LIMITS_FLEET_H

#include <stdint.h>

#include "cp/compile/compile.h"
#include "cp/config/config.h"
#include "dp/worker.h"

#define FLEET_MAX 4

enum fleet_kind {
	FLEET_HASHED,  /* a card that hashes the client's address and says so */
	FLEET_STEERED, /* packets arrive anywhere, workers hand them to the client's owner */
	FLEET_PRIVATE, /* packets arrive anywhere and stay there: each worker has limits of its own.
			  Not how Penstock works, but what it is compared with */
	FLEET_KINDS,
};

struct fleet {
	enum fleet_kind kind;
	uint32_t n;
	struct config *config;
	struct compiler *compiler;
	const struct snapshot *snapshot;
	struct dataplane *planes; /* [n] with FLEET_PRIVATE, else one */
	struct snapshot *owned;   /* FLEET_PRIVATE: [n], each for a worker that owns everything */
	struct worker *workers[FLEET_MAX];
	struct rte_ring *rx[FLEET_MAX], *tx[FLEET_MAX];
	struct rte_mempool *mbufs;
	uint8_t mac[6]; /* of the port with the clients */
};

/* DPDK, in ordinary memory, with an lcore for each of FLEET_MAX workers; they share the machine's
 * cores if need be. */
void fleet_start(void);
void fleet_end(void);

/* n workers, with pools, services and static neighbours as configured. */
struct fleet *fleet_open(const char *objects, uint32_t n, enum fleet_kind kind);
void fleet_close(struct fleet *f);

void fleet_run(struct fleet *f);
void fleet_halt(struct fleet *f);
/* Run all workers until they have nothing left to do, at this time (ns). */
void fleet_step(struct fleet *f, uint64_t now);
/* ns, the workers' clock. */
uint64_t fleet_now(const struct fleet *f);

#endif

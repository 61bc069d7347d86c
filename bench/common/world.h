/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker or two in this process, as penstockd would have them: a configuration as text is
 * compiled to a snapshot, the ports are net_null devices (what is sent is freed), and the caller
 * hands bursts to the workers. Nothing else runs. One thread; a failure ends the program with a
 * sentence.
 *
 *     world_start(true);                    once a process
 *     struct world *w = world_open(text, 1 << 20, 1);
 *     ... pipeline_received(w->worker, port, mbufs, n) ...
 *     world_close(w);
 */
#ifndef BENCH_COMMON_WORLD_H
#define BENCH_COMMON_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "cp/compile/compile.h"
#include "cp/config/config.h"
#include "dp/worker.h"

#define WORLD_WORKERS      2
#define WORLD_SECOND_LCORE 2 /* on another core than this thread's if there is one */

struct world {
	struct config *config;
	struct compiler *compiler;
	const struct snapshot *snapshot;
	struct snapshot *owned; /* by world_share, or NULL */
	uint32_t n_workers;
	struct worker *worker, *workers[WORLD_WORKERS]; /* the first one, and all */
};

/* DPDK and the two ports wan (0) and lan (1), in hugepages or, with a note, in ordinary memory. */
void world_start(bool hugepages);
void world_end(void);
/* True if world_start got hugepages. */
bool world_has_hugepages(void);

/* Compile `objects` (pools, services, neighbours) and make one or two workers with room for so many
 * connections each. */
struct world *world_open(const char *objects, uint32_t connections, uint32_t workers);
/* So many eighths of all clients are the second worker's, the rest the first one's. Once a world.
 */
void world_share(struct world *w, unsigned int of_eight);
/* The workers' listeners, as the snapshot has them. */
void world_listen(struct world *w);
void world_close(struct world *w);
/* The workers' time goes on. */
void world_tick(struct world *w);

/* Print the sentence and exit with 1. */
void world_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One worker in this process, as penstockd would have it: a configuration as text is compiled to a
 * snapshot, the ports are net_null devices (what is sent is freed), and the caller hands bursts to
 * the worker. Nothing else runs. One thread; a failure ends the program with a sentence.
 *
 *     world_start(true);                    once a process
 *     struct world *w = world_open(text, 1 << 20);
 *     ... pipeline_received(w->worker, &burst) ...
 *     world_close(w);
 */
#ifndef BENCH_COMMON_WORLD_H
#define BENCH_COMMON_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "cp/compile/compile.h"
#include "cp/config/config.h"
#include "dp/worker.h"

struct world {
	struct config *config;
	struct compiler *compiler;
	const struct snapshot *snapshot;
	struct worker *worker;
};

/* DPDK and the two ports wan (0) and lan (1), in hugepages or, with a note, in ordinary memory. */
void world_start(bool hugepages);
void world_end(void);
/* True if world_start got hugepages. */
bool world_has_hugepages(void);

/* Compile `objects` (pools, services, neighbours) and make a worker with room for so many
 * connections. */
struct world *world_open(const char *objects, uint32_t connections);
void world_close(struct world *w);
/* The worker's time goes on. */
void world_tick(struct world *w);

/* Print the sentence and exit with 1. */
void world_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif

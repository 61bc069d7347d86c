/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory of a worker's connections, as far as the control thread may know of it: it provides
 * it, keeps it from one process to the next, and has the worker take over what lies in it.
 *
 * A table in given memory begins with all zero bytes, or with what an earlier table for as many
 * connections and of the same layout has left there; then connections_restore comes next.
 */
#ifndef DP_L4_CONNECTION_MEMORY_H
#define DP_L4_CONNECTION_MEMORY_H

#include <stddef.h>
#include <stdint.h>

struct worker;

/* Bytes for n connections. */
size_t connections_memory_size(uint32_t n);
/* All that a table for n connections takes: these, its index, and its timers. */
size_t connections_table_size(uint32_t n);
/* A number that changes when what lies in that memory means something else. */
uint64_t connections_layout(void);

/* What became of the connections that lay there. */
struct connections_restored {
	uint32_t alive, timed_out;
	uint32_t stale;   /* service or backend is gone, or another worker owns the client now */
	uint32_t damaged; /* says what no connection says, or the same as another */
};

/* Make the table anew from what lies in its memory, which may be anything at all. What is whole,
 * alive, this worker's, and leads where the worker's snapshot says goes on; the rest becomes free
 * slots. w->snapshot and w->now are set. Worker, or its lcore before it runs. */
void connections_restore(struct worker *w, struct connections_restored *result);

#endif

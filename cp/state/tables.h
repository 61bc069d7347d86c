/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory in which workers' connections lie, kept from one process to the next.
 *
 *     file:   [ header | connections of worker 0 | connections of worker 1 | ... ]
 *     store:  "slots": who has which slot of services and backends
 *
 * Connections name services and backends by slot and epoch, which mean the same to the next process
 * because the store is told who has them before workers are: what the store says is at least as new
 * as what any connection says. Header and slots carry the same random number, so that those of two
 * lives never mix. If anything does not fit the process starts with empty tables and says why.
 *
 * Owner: the control thread; workers write to their own part only. One state directory, whose lock
 * is held, has one such memory.
 */
#ifndef CP_STATE_TABLES_H
#define CP_STATE_TABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cp/compile/identity.h"

struct dp_clock;
struct store;
struct tables;

struct tables_request {
	struct store *store;
	const char *instance;
	const unsigned int *cores; /* by worker */
	uint32_t n_workers;
	uint32_t connections; /* per worker */
	uint64_t budget;      /* the file must be smaller than this */
	bool hugepages;
	bool fresh; /* start empty whatever is there */
};

/* Find the memory of the last process, or make new. NULL: there is none that would last, which was
 * logged; workers use memory of their own. */
struct tables *tables_open(const struct tables_request *request);
/* The memory stays for the next process; but if it is new and no worker has used it, it goes. t may
 * be NULL. */
void tables_close(struct tables *t, bool used);

/* Bytes of memory that it takes. */
size_t tables_size(const struct tables *t);
/* Where worker i's connections lie. */
void *tables_memory(const struct tables *t, uint32_t i);
/* Set the workers' clock: that of the last process goes on if its connections do. Now the memory is
 * valid for the next process. */
void tables_start_clock(struct tables *t, struct dp_clock *clock);
/* Are there connections of the last process, to be taken over by connections_restore? */
bool tables_restores(const struct tables *t);
/* Who had which slots then; once, and only if tables_restores. The caller owns them. */
void tables_take_slots(struct tables *t, struct identity **services, struct identity **backends);
/* Tell the store who has which slots, if that has changed; before workers know. If the store cannot
 * take it the next process will start empty; logged. */
void tables_save_slots(struct tables *t, const struct identity *services,
		       const struct identity *backends);

#endif

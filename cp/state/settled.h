/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settled tables outlive the process: the compiler's records (cp/compile/compile.h) in the file
 * "settled" of the state directory.
 *
 * Flows of DSR services that have been silent since their pool last changed are remembered nowhere
 * but in its settled table: without the file, a process that starts would go by the configuration
 * of today. The file is written
 *
 *     when a pool is new or gone   before workers know, and they wait for it
 *     when pools settle            before they do, aside of the control thread; they wait for it
 *
 * and at no other time: what health and operators do to a pool changes its candidate, which the
 * next process computes for itself, and no disk stands between a backend's failure and the tables.
 * Rows on which the two then differ move, from the start of that process on: to take them for
 * moving longer than they need be costs entries, never a connection. Rows that have moved and are
 * back where they were do not, since what was begun meanwhile has its entry among the connections.
 *
 * Control thread only.
 */
#ifndef CP_STATE_SETTLED_H
#define CP_STATE_SETTLED_H

#include <stdint.h>

struct compiler;
struct loop;
struct settled;
struct store;

/* Pools whose rows were due may settle now: compile. */
typedef void settled_fn(void *arg);

/* store outlives it, compiler too. NULL without memory. */
struct settled *settled_create(struct loop *loop, struct store *store, struct compiler *compiler,
			       settled_fn *fn, void *arg);
/* Waits for the disk. s may be NULL. */
void settled_destroy(struct settled *s);

/* Before the first compilation: have the compiler go on with what the last process has left. What
 * is there but cannot be used is said in the log. */
void settled_restore(struct settled *s);
/* Before a snapshot is published: see that its pools are on disk. If the disk does not take them
 * that is said, and tried again. */
void settled_publishing(struct settled *s);
/* Pools are due now, on the workers' clock: fn follows when that is on disk. */
void settled_due(struct settled *s, uint64_t now);

#endif

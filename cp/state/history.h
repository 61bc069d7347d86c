/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last generations, in memory and, where there is a state directory, on disk: one file each,
 * "generation-NUMBER".
 *
 * Owned by the control thread. What is on disk and cannot be read is left out, and reported by
 * name; its number is not given again.
 *
 * Invariant: numbers rise from element to element, at most HISTORY_MAX are kept, and the newest
 * confirmed one is among them if there ever was one.
 */
#ifndef CP_STATE_HISTORY_H
#define CP_STATE_HISTORY_H

#include <stddef.h>
#include <stdint.h>

#include "cp/state/generation.h"
#include "cp/state/store.h"

#define HISTORY_MAX 10

struct history;

/* Read what the store (may be NULL; must outlive the history) has. NULL without memory. */
struct history *history_load(struct store *store);
void history_free(struct history *h);
/* Log what was left out, and why. */
void history_report(const struct history *h);

/* The number for the next generation. */
uint64_t history_next(const struct history *h);
size_t history_count(const struct history *h);
/* i = 0 is the oldest. Valid until the history changes. */
const struct generation *history_at(const struct history *h, size_t i);
/* NULL if it is not there (any more). */
const struct generation *history_find(const struct history *h, uint64_t number);
/* The newest confirmed one below `number`; file: of daemons with this --config, NULL: of any. */
const struct generation *history_good(const struct history *h, uint64_t number, const char *file);

/* Add a copy of g, whose number is history_next, and let the oldest go. 0; -ENOMEM: not added;
 * other -errno: added, but not on disk. */
int history_add(struct history *h, const struct generation *g);
/* Somebody has confirmed it. 0, -ENOENT, or another -errno: true in memory, but not on disk. */
int history_confirm(struct history *h, uint64_t number);
/* It was not published after all. */
void history_forget(struct history *h, uint64_t number);

#endif

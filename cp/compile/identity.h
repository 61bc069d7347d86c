/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names to slots: what has a key (a service's name, a backend's pool, address and port) keeps its
 * slot as long as it is in the configuration, also under another name (identity_rename); a slot
 * that is given away again gets a new epoch. Slots that were freed longest ago are given first.
 *
 *     identity_get for all that exist now; identity_sweep frees the slots that were not asked for
 * since the last sweep.
 *
 * Control thread only.
 */
#ifndef CP_COMPILE_IDENTITY_H
#define CP_COMPILE_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct identity;

#define IDENTITY_KEY_MAX 96

struct identity *identity_create(uint32_t max_slots);
void identity_destroy(struct identity *t);
/* The slot of a key; a new one if it has none. Sets *epoch (never 0). UINT32_MAX: no memory, or all
 * slots are taken. */
uint32_t identity_get(struct identity *t, const void *key, size_t len, uint32_t *epoch);
/* The slot of a key, UINT32_MAX: it has none. */
uint32_t identity_find(const struct identity *t, const void *key, size_t len);
/* Who has a slot has another name from now on, which nobody else has. */
struct identity_rename {
	uint32_t slot;
	const char *name;
};
void identity_rename(struct identity *t, const struct identity_rename *renames, size_t n);
void identity_sweep(struct identity *t);
/* What was asked for since the last sweep does not exist after all: who is new since then has no
 * slot any more, and all others are as if nobody had asked for them. */
void identity_undo(struct identity *t);
/* One more than the highest slot that was ever given. */
uint32_t identity_limit(const struct identity *t);
/* Another number after each change of who has which slot. */
uint64_t identity_changes(const struct identity *t);

/* All that the next process must know to give the same slots and epochs, as bytes of this machine:
 * how many, and written there. */
size_t identity_image_size(const struct identity *t);
void identity_image_write(const struct identity *t, uint8_t *out);
/* Into a table that was just created, from bytes that may be anything: how many were read, or 0 if
 * they are no image of a table of so many slots (then the table is to be destroyed). */
size_t identity_image_read(struct identity *t, const uint8_t *bytes, size_t len);

#endif

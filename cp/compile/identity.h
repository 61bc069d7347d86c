/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names to slots: what has a key (a service's name, a backend's pool, address and port) keeps its
 * slot as long as it is in the configuration; a slot that is given away again gets a new epoch.
 * Slots that were freed longest ago are given first.
 *
 *     identity_get for all that exist now; identity_sweep frees the slots that were not asked for
 * since the last sweep.
 *
 * Control thread only.
 */
#ifndef CP_COMPILE_IDENTITY_H
#define CP_COMPILE_IDENTITY_H

#include <stddef.h>
#include <stdint.h>

struct identity;

#define IDENTITY_KEY_MAX 96

struct identity *identity_create(uint32_t max_slots);
void identity_destroy(struct identity *t);
/* The slot of a key; a new one if it has none. Sets *epoch (never 0). UINT32_MAX: no memory, or all
 * slots are taken. */
uint32_t identity_get(struct identity *t, const void *key, size_t len, uint32_t *epoch);
void identity_sweep(struct identity *t);
/* One more than the highest slot that was ever given. */
uint32_t identity_limit(const struct identity *t);

#endif

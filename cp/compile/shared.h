/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that several snapshots share: counted references, freed with the last. Control thread
 * only, so plain counts.
 */
#ifndef CP_COMPILE_SHARED_H
#define CP_COMPILE_SHARED_H

#include <stddef.h>

struct shared; /* the block's head; the data follows */

/* size bytes, zeroed, with one reference; NULL without memory. release, if any, is called with the
 * data before the block is freed. */
void *shared_new(size_t size, void (*release)(void *data));
/* The same, but what is in it is not said: for who writes all of it. */
void *shared_room(size_t size);
/* One reference more; returns data. NULL is allowed. */
void *shared_get(const void *data);
/* One reference less. NULL is allowed. */
void shared_put(const void *data);

#endif

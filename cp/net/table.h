/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash table of small fixed-size entries that begin with their key; grows by itself.
 *
 * Owner: whoever created it. Single-threaded. Pointers to entries are valid until the next insert
 * or remove. Keys are compared as bytes: padding must be zero. Open addressing with linear probing;
 * invariant: from the place that its hash names to where an entry lies, no place is empty.
 */
#ifndef CP_NET_TABLE_H
#define CP_NET_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table {
	uint8_t *entries;
	uint8_t *used; /* one byte a place */
	size_t size;   /* places: 0 or a power of two */
	size_t count;
	size_t entry_size, key_size;
};

void table_init(struct table *t, size_t entry_size, size_t key_size);
void table_free(struct table *t);
/* NULL if the key is not there. */
void *table_find(const struct table *t, const void *key);
/* The entry of the key; if it was not there, a new one, zero but for the key (*created says so).
 * NULL: no memory. */
void *table_insert(struct table *t, const void *key, bool *created);
void table_remove(struct table *t, void *entry);
/* Remove all entries for which doomed returns true; returns how many. */
size_t table_sweep(struct table *t, bool (*doomed)(const void *entry, const void *arg),
		   const void *arg);
/* Walk: NULL begins, NULL ends. No insert or remove meanwhile. */
void *table_next(const struct table *t, const void *entry);

#endif

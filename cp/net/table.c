/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/net/table.h"

#include <stdlib.h>
#include <string.h>

#define SIZE_FIRST 64

void
table_init(struct table *t, size_t entry_size, size_t key_size)
{
	*t = (struct table){ .entry_size = entry_size, .key_size = key_size };
}

void
table_free(struct table *t)
{
	free(t->entries);
	free(t->used);
	table_init(t, t->entry_size, t->key_size);
}

/* FNV-1a. */
static uint64_t
hash_key(const struct table *t, const void *key)
{
	const uint8_t *bytes = key;
	uint64_t h = 0xcbf29ce484222325ull;
	size_t i;

	for (i = 0; i < t->key_size; i++)
		h = (h ^ bytes[i]) * 0x100000001b3ull;
	return h ^ h >> 32;
}

static void *
entry_at(const struct table *t, size_t place)
{
	return t->entries + place * t->entry_size;
}

/* Where the key is, or the empty place where it would be. */
static size_t
find_place(const struct table *t, const void *key)
{
	size_t place = hash_key(t, key) & (t->size - 1);

	while (t->used[place] && memcmp(entry_at(t, place), key, t->key_size) != 0)
		place = (place + 1) & (t->size - 1);
	return place;
}

void *
table_find(const struct table *t, const void *key)
{
	size_t place;

	if (t->size == 0)
		return NULL;
	place = find_place(t, key);
	return t->used[place] ? entry_at(t, place) : NULL;
}

static bool
table_grow(struct table *t)
{
	struct table larger = *t;
	size_t i, place;

	larger.size = t->size ? t->size * 2 : SIZE_FIRST;
	larger.entries = calloc(larger.size, t->entry_size);
	larger.used = calloc(larger.size, 1);
	if (!larger.entries || !larger.used) {
		free(larger.entries);
		free(larger.used);
		return false;
	}
	for (i = 0; i < t->size; i++) {
		if (!t->used[i])
			continue;
		place = find_place(&larger, entry_at(t, i));
		memcpy(entry_at(&larger, place), entry_at(t, i), t->entry_size);
		larger.used[place] = 1;
	}
	free(t->entries);
	free(t->used);
	t->size = larger.size;
	t->entries = larger.entries;
	t->used = larger.used;
	return true;
}

void *
table_insert(struct table *t, const void *key, bool *created)
{
	void *entry = table_find(t, key);
	size_t place;

	*created = !entry;
	if (entry)
		return entry;
	if ((t->count + 1) * 4 > t->size * 3 && !table_grow(t))
		return NULL;
	place = find_place(t, key);
	entry = entry_at(t, place);
	memset(entry, 0, t->entry_size);
	memcpy(entry, key, t->key_size);
	t->used[place] = 1;
	t->count++;
	return entry;
}

void
table_remove(struct table *t, void *entry)
{
	size_t mask = t->size - 1;
	size_t hole = (size_t)((uint8_t *)entry - t->entries) / t->entry_size;
	size_t place = hole;

	/* Close the gap: move back what would no longer be found behind an empty place. */
	t->used[hole] = 0;
	t->count--;
	for (;;) {
		size_t home;

		place = (place + 1) & mask;
		if (!t->used[place])
			return;
		home = hash_key(t, entry_at(t, place)) & mask;
		if (((place - home) & mask) < ((place - hole) & mask))
			continue;
		memcpy(entry_at(t, hole), entry_at(t, place), t->entry_size);
		t->used[hole] = 1;
		t->used[place] = 0;
		hole = place;
	}
}

size_t
table_sweep(struct table *t, bool (*doomed)(const void *entry, const void *arg), const void *arg)
{
	size_t removed = 0, place = 0;

	while (place < t->size) {
		if (t->used[place] && doomed(entry_at(t, place), arg)) {
			/* Something else may have moved here: look again. What moves across the
			 * end of the array has been looked at before and is kept. */
			table_remove(t, entry_at(t, place));
			removed++;
		} else {
			place++;
		}
	}
	return removed;
}

void *
table_next(const struct table *t, const void *entry)
{
	size_t place = 0;

	if (entry)
		place = (size_t)((const uint8_t *)entry - t->entries) / t->entry_size + 1;
	while (place < t->size && !t->used[place])
		place++;
	return place < t->size ? entry_at(t, place) : NULL;
}

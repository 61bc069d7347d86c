/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/compile/identity.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/siphash.h"

struct entry {
	uint8_t key[IDENTITY_KEY_MAX];
	size_t len; /* 0: slot is free */
	uint32_t epoch;
	uint32_t round;     /* sweep round in which it was asked for last */
	uint32_t born;      /* ... and for the first time */
	uint32_t next_free; /* queue of free slots */
};

struct identity {
	uint32_t max, limit, capacity;
	uint32_t round, epoch;
	uint64_t changes;
	uint32_t free_head, free_tail; /* UINT32_MAX: empty */
	struct entry *entries;         /* [capacity] by slot */
	uint32_t *index; /* open addressing: slot + 1, 0 empty; rebuilt by sweeps and growth */
	uint32_t index_mask;
};

static const struct siphash_key index_key = { 0x70656e73746f636bULL, 0x6964656e74697479ULL };

struct identity *
identity_create(uint32_t max_slots)
{
	struct identity *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->max = max_slots;
	t->free_head = t->free_tail = UINT32_MAX;
	t->round = 1;
	return t;
}

void
identity_destroy(struct identity *t)
{
	if (!t)
		return;
	free(t->entries);
	free(t->index);
	free(t);
}

static uint32_t
index_position(const struct identity *t, const void *key, size_t len)
{
	uint32_t i = (uint32_t)siphash13(&index_key, key, len) & t->index_mask;

	while (t->index[i]) {
		const struct entry *e = &t->entries[t->index[i] - 1];

		if (e->len == len && memcmp(e->key, key, len) == 0)
			break;
		i = (i + 1) & t->index_mask;
	}
	return i;
}

static void
index_rebuild(struct identity *t)
{
	uint32_t slot;

	memset(t->index, 0, ((size_t)t->index_mask + 1) * sizeof(*t->index));
	for (slot = 0; slot < t->limit; slot++) {
		const struct entry *e = &t->entries[slot];

		if (e->len)
			t->index[index_position(t, e->key, e->len)] = slot + 1;
	}
}

static bool
grow(struct identity *t)
{
	uint32_t capacity = t->capacity ? t->capacity * 2 : 64;
	struct entry *entries;
	uint32_t *index;

	entries = realloc(t->entries, capacity * sizeof(*entries));
	if (!entries)
		return false;
	t->entries = entries;
	memset(entries + t->capacity, 0, (capacity - t->capacity) * sizeof(*entries));
	index = realloc(t->index, (size_t)capacity * 2 * sizeof(*index));
	if (!index)
		return false;
	t->index = index;
	t->index_mask = capacity * 2 - 1;
	t->capacity = capacity;
	index_rebuild(t);
	return true;
}

/* A slot for a new key: the one that has been free longest, else a fresh one. */
static uint32_t
take_slot(struct identity *t)
{
	uint32_t slot;

	if (t->free_head != UINT32_MAX) {
		slot = t->free_head;
		t->free_head = t->entries[slot].next_free;
		if (t->free_head == UINT32_MAX)
			t->free_tail = UINT32_MAX;
		return slot;
	}
	if (t->limit == t->max || (t->limit == t->capacity && !grow(t)))
		return UINT32_MAX;
	return t->limit++;
}

uint32_t
identity_get(struct identity *t, const void *key, size_t len, uint32_t *epoch)
{
	struct entry *e;
	uint32_t slot;

	if (!len || len > IDENTITY_KEY_MAX)
		return UINT32_MAX;
	if (t->index) {
		slot = t->index[index_position(t, key, len)];
		if (slot--) {
			t->entries[slot].round = t->round;
			*epoch = t->entries[slot].epoch;
			return slot;
		}
	}
	slot = take_slot(t);
	if (slot == UINT32_MAX)
		return UINT32_MAX;
	assert(t->index); /* who gives slots has grown */
	e = &t->entries[slot];
	memcpy(e->key, key, len);
	e->len = len;
	e->round = e->born = t->round;
	t->epoch = t->epoch + 1 ? t->epoch + 1 : 1;
	e->epoch = t->epoch;
	t->changes++;
	t->index[index_position(t, key, len)] = slot + 1;
	*epoch = e->epoch;
	return slot;
}

uint32_t
identity_find(const struct identity *t, const void *key, size_t len)
{
	uint32_t found = t->index ? t->index[index_position(t, key, len)] : 0;

	return found ? found - 1 : UINT32_MAX;
}

void
identity_rename(struct identity *t, const struct identity_rename *renames, size_t n)
{
	size_t i, len;

	for (i = 0; i < n; i++) {
		struct entry *e = &t->entries[renames[i].slot];

		len = strlen(renames[i].name);
		if (!e->len || len > IDENTITY_KEY_MAX)
			continue;
		memcpy(e->key, renames[i].name, len);
		e->len = len;
	}
	if (!n)
		return;
	index_rebuild(t);
	t->changes++;
}

static void
free_slot(struct identity *t, uint32_t slot)
{
	t->entries[slot].len = 0;
	t->entries[slot].next_free = UINT32_MAX;
	if (t->free_tail == UINT32_MAX)
		t->free_head = slot;
	else
		t->entries[t->free_tail].next_free = slot;
	t->free_tail = slot;
}

/* Free the slots of those that are gone in this round, and begin the next one. */
static void
round_end(struct identity *t, bool (*is_gone)(const struct identity *t, const struct entry *e))
{
	bool freed = false;
	uint32_t slot;

	for (slot = 0; slot < t->limit; slot++) {
		if (!t->entries[slot].len || !is_gone(t, &t->entries[slot]))
			continue;
		free_slot(t, slot);
		freed = true;
	}
	if (freed) {
		index_rebuild(t);
		t->changes++;
	}
	t->round++;
}

static bool
was_not_asked_for(const struct identity *t, const struct entry *e)
{
	return e->round != t->round;
}

static bool
is_new(const struct identity *t, const struct entry *e)
{
	return e->born == t->round;
}

void
identity_sweep(struct identity *t)
{
	round_end(t, was_not_asked_for);
}

void
identity_undo(struct identity *t)
{
	round_end(t, is_new);
}

uint32_t
identity_limit(const struct identity *t)
{
	return t->limit;
}

uint64_t
identity_changes(const struct identity *t)
{
	return t->changes;
}

/* ---- as bytes ---- */

struct image_head {
	uint32_t limit, count, epoch;
};

/* Before the key's bytes. */
struct image_entry {
	uint32_t slot, epoch, len;
};

size_t
identity_image_size(const struct identity *t)
{
	size_t size = sizeof(struct image_head);
	uint32_t slot;

	for (slot = 0; slot < t->limit; slot++)
		if (t->entries[slot].len)
			size += sizeof(struct image_entry) + t->entries[slot].len;
	return size;
}

void
identity_image_write(const struct identity *t, uint8_t *out)
{
	struct image_head head = { .limit = t->limit, .epoch = t->epoch };
	uint8_t *next = out + sizeof(head);
	uint32_t slot;

	for (slot = 0; slot < t->limit; slot++) {
		const struct entry *e = &t->entries[slot];
		struct image_entry entry = { slot, e->epoch, (uint32_t)e->len };

		if (!e->len)
			continue;
		memcpy(next, &entry, sizeof(entry));
		memcpy(next + sizeof(entry), e->key, e->len);
		next += sizeof(entry) + e->len;
		head.count++;
	}
	memcpy(out, &head, sizeof(head));
}

/* Put a key at its slot; false: no table says this. */
static bool
image_entry_enter(struct identity *t, const struct image_entry *entry, const uint8_t *key)
{
	struct entry *e;
	uint32_t i;

	if (entry->slot >= t->limit || entry->epoch == 0 || entry->epoch > t->epoch)
		return false;
	e = &t->entries[entry->slot];
	i = index_position(t, key, entry->len);
	if (e->len || t->index[i])
		return false; /* the slot or the key a second time */
	memcpy(e->key, key, entry->len);
	e->len = entry->len;
	e->epoch = entry->epoch;
	t->index[i] = entry->slot + 1;
	return true;
}

size_t
identity_image_read(struct identity *t, const uint8_t *bytes, size_t len)
{
	struct image_head head;
	struct image_entry entry;
	size_t at = sizeof(head);
	uint32_t i;

	if (len < sizeof(head))
		return 0;
	memcpy(&head, bytes, sizeof(head));
	if (head.limit > t->max || head.count > head.limit)
		return 0;
	while (t->capacity < head.limit)
		if (!grow(t))
			return 0;
	t->limit = head.limit;
	t->epoch = head.epoch;
	for (i = 0; i < head.count; i++) {
		if (len - at < sizeof(entry))
			return 0;
		memcpy(&entry, bytes + at, sizeof(entry));
		at += sizeof(entry);
		if (entry.len == 0 || entry.len > IDENTITY_KEY_MAX || len - at < entry.len ||
		    !image_entry_enter(t, &entry, bytes + at))
			return 0;
		at += entry.len;
	}
	for (i = 0; i < t->limit; i++)
		if (!t->entries[i].len)
			free_slot(t, i);
	return at;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash table that holds no keys: from a hash to the few values whose keys may have it. The caller
 * keeps the keys, at the values (array indices), and compares them: what it looks at to compare is
 * what it needs next anyway.
 *
 * Buckets of one cache line with 8 entries each: 16 bits of the hash (the tag) and a value. An
 * entry lives in its first or its second bucket (cuckoo hashing; Pagh and Rodler 2001), and the
 * second follows from the first and the tag alone, so entries move without their keys (partial-key
 * cuckoo hashing; Fan, Andersen, Kaminsky, CoNEXT 2014):
 *
 *     second = first ^ mix(tag), and first = second ^ mix(tag)
 *
 *     | tags[8] | values[8] | away: entries of this bucket that live in their second one | guests |
 *
 * away(b) = 0 says that nothing whose first bucket is b has to be looked for elsewhere, so most
 * lookups read one line, also those that find nothing. Up to a load of 80 % of flow_table_slots no
 * insertion has been seen to fail (unit tests fill to 90 %).
 *
 * Hashes must not be predictable by whoever chooses the keys. One thread (the worker that owns it).
 */
#ifndef LIB_FLOW_TABLE_H
#define LIB_FLOW_TABLE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define FLOW_BUCKET_ENTRIES 8

struct flow_bucket {
	uint16_t tags[FLOW_BUCKET_ENTRIES]; /* 0: empty */
	uint32_t values[FLOW_BUCKET_ENTRIES];
	uint32_t away;  /* entries that have this for their first bucket and live in the second */
	uint8_t guests; /* bit i: entry i lives here as in its second bucket */
	uint8_t pad[11];
};
static_assert(sizeof(struct flow_bucket) == 64, "a bucket is one cache line");

struct flow_table {
	struct flow_bucket *buckets; /* 64-byte aligned */
	uint32_t mask;               /* number of buckets, a power of two, less 1 */
	uint32_t entries;            /* now */
	uint32_t seed;               /* of the choice whom to move */
};

/* Buckets for n entries (at most 2^30) at no more than 80 % load, and the bytes that they take. */
uint32_t flow_table_buckets(uint32_t n);
size_t flow_table_size(uint32_t n);
/* memory: flow_table_size(n) zeroed bytes, 64-byte aligned; stays the caller's. */
void flow_table_init(struct flow_table *t, uint32_t n, void *memory);

/* Enter a value under a hash. False: no place was found after some moves; the table holds what it
 * held before. The same pair may stand in it twice: looking first is the caller's. */
bool flow_table_insert(struct flow_table *t, uint64_t hash, uint32_t value);
/* Remove one entry with this hash and value. False: there is none. */
bool flow_table_remove(struct flow_table *t, uint64_t hash, uint32_t value);

static inline uint16_t
flow_tag(uint64_t hash)
{
	uint16_t tag = (uint16_t)(hash >> 48);

	return tag ? tag : 1;
}

static inline uint32_t
flow_first(const struct flow_table *t, uint64_t hash)
{
	return (uint32_t)hash & t->mask;
}

static inline uint32_t
flow_other(const struct flow_table *t, uint32_t bucket, uint16_t tag)
{
	return (bucket ^ (uint32_t)tag * 0x9e3779b1u) & t->mask;
}

/* Bring the first bucket of a hash into the cache. */
static inline void
flow_table_prefetch(const struct flow_table *t, uint64_t hash)
{
	__builtin_prefetch(&t->buckets[flow_first(t, hash)]);
}

/* Bit i: entry i has the tag. The plain twin of flow_matches. */
static inline uint32_t
flow_matches_plain(const struct flow_bucket *b, uint16_t tag)
{
	uint32_t bits = 0, i;

	for (i = 0; i < FLOW_BUCKET_ENTRIES; i++)
		bits |= (uint32_t)(b->tags[i] == tag) << i;
	return bits;
}

#ifdef __SSE2__
static inline uint32_t
flow_matches(const struct flow_bucket *b, uint16_t tag)
{
	__m128i tags, equal;

	memcpy(&tags, b->tags, sizeof(tags));
	equal = _mm_cmpeq_epi16(tags, _mm_set1_epi16((short)tag));
	return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(equal, _mm_setzero_si128()));
}
#else
static inline uint32_t
flow_matches(const struct flow_bucket *b, uint16_t tag)
{
	return flow_matches_plain(b, tag);
}
#endif

/* A walk over the values that a hash may stand for. */
struct flow_cursor {
	const struct flow_bucket *bucket;
	uint32_t matches; /* of bucket, not yet given */
	bool second;
};

static inline struct flow_cursor
flow_table_find(const struct flow_table *t, uint64_t hash)
{
	const struct flow_bucket *b = &t->buckets[flow_first(t, hash)];

	return (struct flow_cursor){ b, flow_matches(b, flow_tag(hash)), false };
}

/* The next value, false: there is none. Nothing may be changed during a walk. */
static inline bool
flow_table_next(const struct flow_table *t, uint64_t hash, struct flow_cursor *c, uint32_t *value)
{
	uint32_t i;

	if (!c->matches && !c->second && c->bucket->away) {
		c->second = true;
		c->bucket = &t->buckets[flow_other(t, flow_first(t, hash), flow_tag(hash))];
		c->matches = flow_matches(c->bucket, flow_tag(hash));
	}
	if (!c->matches)
		return false;
	i = (uint32_t)__builtin_ctz(c->matches);
	c->matches &= c->matches - 1;
	*value = c->bucket->values[i];
	return true;
}

#endif

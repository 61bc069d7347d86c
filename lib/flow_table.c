/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/flow_table.h"

/* So many entries make room for a new one, at most: a bound on the work of an insertion. */
#define MOVES_MAX 128

uint32_t
flow_table_buckets(uint32_t n)
{
	uint32_t buckets = 1;

	/* n <= 0.8 * 8 * buckets */
	while ((uint64_t)buckets * 32 < (uint64_t)n * 5)
		buckets *= 2;
	return buckets;
}

size_t
flow_table_size(uint32_t n)
{
	return (size_t)flow_table_buckets(n) * sizeof(struct flow_bucket);
}

void
flow_table_init(struct flow_table *t, uint32_t n, void *memory)
{
	*t = (struct flow_table){
		.buckets = memory,
		.mask = flow_table_buckets(n) - 1,
		.seed = 1,
	};
}

/* One entry on its way to a place. */
struct entry {
	uint32_t value;
	uint16_t tag;
	bool guest; /* it goes to its second bucket */
};

static bool
put(struct flow_table *t, uint32_t bucket, const struct entry *e)
{
	struct flow_bucket *b = &t->buckets[bucket];
	uint32_t empty = flow_matches(b, 0), i;

	if (!empty)
		return false;
	i = (uint32_t)__builtin_ctz(empty);
	b->tags[i] = e->tag;
	b->values[i] = e->value;
	b->guests = (uint8_t)((b->guests & ~(1u << i)) | (uint32_t)e->guest << i);
	if (e->guest)
		t->buckets[flow_other(t, bucket, e->tag)].away++;
	return true;
}

/* Take entry i out of the bucket. */
static struct entry
take(struct flow_table *t, uint32_t bucket, uint32_t i)
{
	struct flow_bucket *b = &t->buckets[bucket];
	struct entry e = { b->values[i], b->tags[i], b->guests >> i & 1 };

	b->tags[i] = 0;
	b->guests = (uint8_t)(b->guests & ~(1u << i));
	if (e.guest)
		t->buckets[flow_other(t, bucket, e.tag)].away--;
	return e;
}

static uint32_t
random_entry(struct flow_table *t)
{
	t->seed = t->seed * 1664525u + 1013904223u;
	return t->seed >> 29;
}

/* Where an entry was taken from to make room: to put everything back. */
struct move {
	uint32_t bucket;
	uint32_t i;
};

/* Put the entries back, the last first: each place holds the entry that came before. */
static void
undo(struct flow_table *t, const struct move *moves, int n, struct entry homeless)
{
	while (n-- > 0) {
		struct entry newcomer = take(t, moves[n].bucket, moves[n].i);

		/* The homeless one returns to where it was: the bucket that it left is its other
		 * one. */
		homeless.guest = !homeless.guest;
		(void)put(t, moves[n].bucket, &homeless);
		homeless = newcomer;
	}
}

bool
flow_table_insert(struct flow_table *t, uint64_t hash, uint32_t value)
{
	struct entry e = { .value = value, .tag = flow_tag(hash) };
	uint32_t bucket = flow_first(t, hash);
	struct move moves[MOVES_MAX];
	int n;

	for (n = 0; n < MOVES_MAX; n++) {
		struct entry out;

		if (put(t, bucket, &e))
			break;
		/* A new entry has two places to go to; one that had to leave has but this. */
		if (n == 0) {
			e.guest = true;
			if (put(t, flow_other(t, bucket, e.tag), &e))
				break;
			e.guest = false;
		}
		moves[n] = (struct move){ bucket, random_entry(t) };
		out = take(t, bucket, moves[n].i);
		(void)put(t, bucket, &e);
		/* put takes the only empty place, that of `out`. */
		e = out;
		e.guest = !e.guest;
		bucket = flow_other(t, bucket, e.tag);
	}
	if (n == MOVES_MAX) {
		undo(t, moves, n, e);
		return false;
	}
	t->entries++;
	return true;
}

static bool
remove_from(struct flow_table *t, uint32_t bucket, uint16_t tag, uint32_t value)
{
	const struct flow_bucket *b = &t->buckets[bucket];
	uint32_t matches = flow_matches(b, tag);

	for (; matches; matches &= matches - 1) {
		uint32_t i = (uint32_t)__builtin_ctz(matches);

		if (b->values[i] != value)
			continue;
		(void)take(t, bucket, i);
		t->entries--;
		return true;
	}
	return false;
}

bool
flow_table_remove(struct flow_table *t, uint64_t hash, uint32_t value)
{
	uint32_t first = flow_first(t, hash);
	uint16_t tag = flow_tag(hash);

	if (remove_from(t, first, tag, value))
		return true;
	return t->buckets[first].away && remove_from(t, flow_other(t, first, tag), tag, value);
}

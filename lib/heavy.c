/* SPDX-License-Identifier: Apache-2.0 */
/*
 *     hash: | ... | tag (8 bits) | ... | bucket |
 *
 *     bucket  [ tags: t0 .. t7 | weights: w0 .. w7 ]     a line
 *     entries [ e0 ][ e1 ] ... [ e7 ]                    a line for each packet's, two for counts
 */
#include "lib/heavy.h"

#define DECAY_SHIFT 3 /* an eighth */
#define BYTES(x)    ((x)*0x0101010101010101ull)

static uint32_t
buckets_for(uint32_t n)
{
	uint32_t buckets = 1;

	while (buckets * HEAVY_WAYS < n && buckets < 1u << 24)
		buckets *= 2;
	return buckets;
}

size_t
heavy_size(uint32_t n)
{
	return buckets_for(n) *
	       (sizeof(struct heavy_bucket) + HEAVY_WAYS * sizeof(struct heavy_entry));
}

void
heavy_init(struct heavy *h, void *memory, uint32_t n, const uint64_t key[2], uint64_t now)
{
	uint32_t buckets = buckets_for(n);

	*h = (struct heavy){
		.buckets = memory,
		.mask = buckets - 1,
		.key = { key[0], key[1] },
		.decay_at = now + HEAVY_TICK,
	};
	h->entries = (struct heavy_entry *)(h->buckets + buckets);
}

static inline uint8_t
tag_of(uint64_t hash)
{
	uint8_t tag = (uint8_t)(hash >> 32);

	return tag ? tag : 1;
}

/* The high bit of each byte of x that is 0. */
static inline uint64_t
zero_bytes(uint64_t x)
{
	return ~(((x & BYTES(0x7f)) + BYTES(0x7f)) | x | BYTES(0x7f));
}

static inline struct heavy_entry *
find(const struct heavy *h, const struct heavy_item *item, uint32_t *way)
{
	struct heavy_entry *entries = &h->entries[(item->hash & h->mask) * HEAVY_WAYS];
	uint64_t marks =
	    zero_bytes(heavy_bucket(h, item->hash)->tags ^ BYTES((uint64_t)tag_of(item->hash)));

	for (; marks; marks &= marks - 1) {
		struct heavy_entry *e;

		*way = (uint32_t)__builtin_ctzll(marks) / 8;
		e = &entries[*way];
		if (addr_equal(&e->client, item->client) && e->len == item->len)
			return e;
	}
	return NULL;
}

static inline uint32_t
add_weight(uint32_t weight, uint32_t more)
{
	return weight > UINT32_MAX - more ? UINT32_MAX : weight + more;
}

/* A free way weighs 0 and is taken before any that is in use. */
static uint32_t
lightest(const struct heavy_bucket *b)
{
	uint64_t marks = zero_bytes(b->tags);
	uint32_t way = 0, i;

	if (marks)
		return (uint32_t)__builtin_ctzll(marks) / 8;
	for (i = 1; i < HEAVY_WAYS; i++)
		way = b->weights[i] < b->weights[way] ? i : way;
	return way;
}

/* By chance. */
static struct heavy_entry *
admit(struct heavy *h, const struct heavy_item *item, uint64_t now, uint32_t random)
{
	struct heavy_bucket *b = &h->buckets[item->hash & h->mask];
	uint32_t way = lightest(b), more = HEAVY_UNIT * item->packets;
	uint64_t sum = (uint64_t)b->weights[way] + more;
	struct heavy_entry *e;

	sum = sum < UINT32_MAX ? sum : UINT32_MAX;
	if ((random * sum) >> 32 >= more)
		return NULL;
	b->weights[way] = add_weight(b->weights[way], more);
	b->tags &= ~(0xffull << (8 * way));
	b->tags |= (uint64_t)tag_of(item->hash) << (8 * way);
	e = &h->entries[(item->hash & h->mask) * HEAVY_WAYS + way];
	*e = (struct heavy_entry){
		.client = *item->client,
		.packets = item->packets,
		.bytes = item->bytes,
		.since = now,
		.last = now,
		.tick = h->tick,
		.in_tick = item->packets,
		.len = item->len,
	};
	return e;
}

struct heavy_entry *
heavy_add(struct heavy *h, const struct heavy_item *item, uint64_t now, uint32_t random)
{
	struct heavy_bucket *b = &h->buckets[item->hash & h->mask];
	uint32_t way = 0;
	struct heavy_entry *e = find(h, item, &way);

	if (!e)
		return admit(h, item, now, random);
	b->weights[way] = add_weight(b->weights[way], HEAVY_UNIT * item->packets);
	if (e->tick != h->tick) {
		e->in_tick_before = e->tick + 1 == h->tick ? e->in_tick : 0;
		e->in_tick = 0;
		e->tick = h->tick;
	}
	e->in_tick += item->packets;
	e->packets += item->packets;
	e->bytes += item->bytes;
	e->last = now;
	return e;
}

/* False if nothing is left of any weight. */
static bool
decay(struct heavy *h)
{
	uint32_t left = 0, i, way;

	for (i = 0; i <= h->mask; i++) {
		uint32_t *weights = h->buckets[i].weights;

		/* Rounded so that it ends at 0. */
		for (way = 0; way < HEAVY_WAYS; way++) {
			weights[way] -= (weights[way] >> DECAY_SHIFT) + (weights[way] % 8 != 0);
			left |= weights[way];
		}
	}
	return left != 0;
}

void
heavy_decay(struct heavy *h, uint64_t now)
{
	uint64_t times;

	if (now < h->decay_at)
		return;
	times = (now - h->decay_at) / HEAVY_TICK + 1;
	h->decay_at += times * HEAVY_TICK;
	h->tick += (uint32_t)times;
	while (times && decay(h))
		times--;
}

uint32_t
heavy_entries(const struct heavy *h)
{
	return (h->mask + 1) * HEAVY_WAYS;
}

const struct heavy_entry *
heavy_at(const struct heavy *h, uint32_t i, uint32_t *weight)
{
	const struct heavy_bucket *b = &h->buckets[i / HEAVY_WAYS];
	uint32_t way = i % HEAVY_WAYS;

	if (!(b->tags >> (8 * way) & 0xff))
		return NULL;
	*weight = b->weights[way];
	return &h->entries[i];
}

uint32_t
heavy_rate(const struct heavy *h, const struct heavy_entry *e)
{
	if (e->tick == h->tick)
		return e->in_tick_before;
	return e->tick + 1 == h->tick ? e->in_tick : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The heaviest of very many clients in little memory: a sketch of fixed size.
 *
 * A table of buckets of HEAVY_WAYS entries. A client that has an entry is counted exactly. One that
 * has none takes the place of the lightest in its bucket, by chance: the heavier that is, the
 * smaller the chance (randomized admission: Ben Basat, Chen, Einziger, Friedman, INFOCOM 2017; a
 * Space-Saving that throws dice instead of evicting each time).
 *
 *     weight: HEAVY_UNIT for each packet, and every second an eighth of it goes
 *     admitted with probability  a / (lightest + a),  a = HEAVY_UNIT x packets;  its weight is then
 *     lightest + a
 *
 * Invariant: the weights of a bucket sum to no more than its packets' (decayed) number N times
 * HEAVY_UNIT. So the lightest stands for at most N / HEAVY_WAYS packets, and
 *
 *     P(a client without an entry sends x packets more and still has none)
 *         <= (1 - 1 / (1 + N / HEAVY_WAYS))^x
 *
 * packets, bytes and counts of an entry are those since `since`: never more than the client's own.
 * The hash is keyed: who does not know the key cannot aim at a bucket.
 *
 * Pure: memory, time and chance come from the caller. One thread.
 */
#ifndef LIB_HEAVY_H
#define LIB_HEAVY_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"

#define HEAVY_WAYS   8u
#define HEAVY_COUNTS 16u
#define HEAVY_UNIT   8u
#define HEAVY_TICK   1000000000ull /* ns, a second: between decays */

struct heavy_entry {
	struct addr client; /* the prefix's address */
	uint64_t packets, bytes;
	uint64_t since, last; /* ns: of the first and of the latest packet counted */
	uint32_t tick;        /* of the latest packet: packets in it, and in the one before */
	uint32_t in_tick, in_tick_before;
	uint8_t len; /* of the prefix, in the 128-bit space */
	uint8_t pad[3];
	/* from here on another cache line: the caller's */
	uint64_t counts[HEAVY_COUNTS];
};
static_assert(sizeof(struct heavy_entry) == 192, "what every packet changes is one line");

/* Which entries a bucket has, in a line of its own: most packets of light clients touch no other.
 */
struct heavy_bucket {
	uint64_t tags; /* a byte of each entry's hash, never 0; 0: free */
	uint32_t weights[HEAVY_WAYS];
	uint8_t pad[24];
};
static_assert(sizeof(struct heavy_bucket) == 64, "one cache line a bucket");

struct heavy {
	struct heavy_bucket *buckets;
	struct heavy_entry *entries; /* bucket i's begin at HEAVY_WAYS * i */
	uint64_t key[2];
	uint64_t decay_at;
	uint32_t tick; /* counts decays */
	uint32_t mask; /* buckets - 1 */
};

/* Bytes for n entries; n is rounded up to a power of two, at least HEAVY_WAYS. */
size_t heavy_size(uint32_t n);
/* Begin in zeroed memory of heavy_size(n) bytes, aligned to 64. The key is a secret. */
void heavy_init(struct heavy *h, void *memory, uint32_t n, const uint64_t key[2], uint64_t now);

/* The hash of a client's prefix (host bits zero; len in the 128-bit space). */
static inline uint64_t
heavy_hash(const struct heavy *h, const struct addr *client, uint8_t len)
{
	unsigned __int128 product =
	    (unsigned __int128)(client->q[0] ^ h->key[0] ^ len) * (client->q[1] ^ h->key[1]);
	uint64_t folded = (uint64_t)product ^ (uint64_t)(product >> 64);

	product = (unsigned __int128)(folded ^ h->key[1]) * 0x9e3779b97f4a7c15ull;
	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline const struct heavy_bucket *
heavy_bucket(const struct heavy *h, uint64_t hash)
{
	return &h->buckets[hash & h->mask];
}

/* Some packets of one client. */
struct heavy_item {
	const struct addr *client;
	uint64_t hash; /* heavy_hash of it */
	uint32_t packets;
	uint32_t bytes;
	uint8_t len;
};

/* Count them. The client's entry, or NULL: it has none. `random`: any 32 bits. */
struct heavy_entry *heavy_add(struct heavy *h, const struct heavy_item *item, uint64_t now,
			      uint32_t random);
/* Let weights decay, once for each HEAVY_TICK since the last time. */
void heavy_decay(struct heavy *h, uint64_t now);

/* Entries, free ones too; the i-th, or NULL if it is free; its weight. */
uint32_t heavy_entries(const struct heavy *h);
const struct heavy_entry *heavy_at(const struct heavy *h, uint32_t i, uint32_t *weight);

/* An entry's packets in the last whole second. */
uint32_t heavy_rate(const struct heavy *h, const struct heavy_entry *e);

#endif

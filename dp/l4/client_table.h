/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The limited clients of one worker: fixed memory, one cache line a client, no timers.
 *
 *     hash(client prefix, service) ─┬─> bucket: 10 tags, 10 indices             one cache line
 *                                   └─> another bucket, if the first has none idle
 *     index ──> struct client                                                   one cache line
 *     bucket ──> 10 times of use, for those who replace                         half a cache line
 *
 * Entries are given out one after the other, so that as many clients as there are lie close
 * together, however large the table may become: what counts is how much memory is in use.
 *
 * An entry is IDLE when it carries no information: all its tats have passed and no connection is
 * counted. Only idle entries are replaced, the longest unused first; so clients that are being
 * limited stay, whatever a flood of made-up sources does, and replacing loses nothing:
 *
 *     idle  <=>  for all r: tat[r] <= now, and connections == 0
 *
 * The hash is keyed: who makes up sources cannot choose their buckets. A client whose buckets have
 * nothing idle is charged to its service's one shared entry, which has one client's limits.
 *
 * Owner: the worker. Nothing is allocated after client_table_populate.
 */
#ifndef DP_L4_CLIENT_TABLE_H
#define DP_L4_CLIENT_TABLE_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_branch_prediction.h>
#include <rte_prefetch.h>

#include "dp/packet.h"
#include "dp/snapshot.h"
#include "lib/addr.h"
#include "lib/fold.h"

struct client_key {
	struct addr prefix; /* host bits are zero */
	union {
		struct {
			uint32_t service, epoch;
		};
		uint64_t owner; /* both: client_owner */
	};
};

/* Written at once, as it is read: see tuple_make. */
static inline uint64_t
client_owner(uint32_t service, uint32_t epoch)
{
	static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "service comes first");
	return (uint64_t)epoch << 32 | service;
}

struct client {
	struct client_key key;
	uint64_t tat[LIMIT_RATES]; /* ticks, see lib/gcra.h */
	uint32_t connections;      /* counted now; > 0 keeps the entry where it is */
	uint32_t touched;          /* last use, CLIENT_MS_SHIFT */
	uint32_t bucket, way;      /* that lead here */
};
static_assert(sizeof(struct client) == 64, "one cache line a client");

#define CLIENT_WAYS 10

struct client_bucket {
	uint16_t tags[CLIENT_WAYS]; /* 0: never used, has no entry */
	uint16_t spilled;           /* a client of this bucket has had to go to its other one */
	uint16_t pad;
	uint32_t entries[CLIENT_WAYS];
};
static_assert(sizeof(struct client_bucket) == 64, "one cache line a bucket");

/* Of a bucket's ways, in about ms from its base: a late use, or known not to be idle before. */
struct client_times {
	uint16_t used[CLIENT_WAYS];
	uint16_t base;
	uint16_t pad[5];
};
static_assert(sizeof(struct client_times) == 32, "two to a cache line");

/* Indices from here on are services' shared entries: CLIENT_SHARED | service slot. */
#define CLIENT_SHARED 0x80000000u

/* Where a client is or would be. */
struct client_lookup {
	struct client_key key;
	uint32_t bucket, other;
	uint32_t candidate; /* an entry that is likely to be the client's */
	uint16_t tag;
};

/* Its fields are for client_table.c and the functions below. */
struct client_table {
	struct client_bucket *buckets;
	struct client_times *times;
	struct client *entries; /* [n_buckets * CLIENT_WAYS] */
	struct client *shared;  /* [SNAPSHOT_MAX_SERVICES], mapped lazily */
	uint64_t key[4];
	uint32_t n_buckets;
	uint32_t n_entries; /* that have been given out */

	/* the walk that counts */
	uint32_t cursor, counted, used;
	uint64_t next_count, interval;
};

/* A table for n clients. Its memory is reserved, and comes when it is used. NULL without memory.
 * Control thread. */
struct client_table *client_table_create(uint32_t n, int socket);
void client_table_destroy(struct client_table *t);
/* Have the memory now, so that the worker need not wait for the kernel; changes no entry. 0 or
 * -ENOMEM. Control thread, while the worker runs. */
int client_table_populate(struct client_table *t);

/* Both halves of the first product go into the second one's factors. */
static inline uint64_t
client_hash(const struct client_table *t, const struct client_key *key)
{
	unsigned __int128 address =
	    (unsigned __int128)(key->prefix.q[0] ^ t->key[0]) * (key->prefix.q[1] ^ t->key[1]);

	return multiply_fold((uint64_t)address ^ t->key[2],
			     (uint64_t)(address >> 64) ^ t->key[3] ^ key->owner);
}

static inline uint32_t
client_reduce(uint32_t hash, uint32_t n)
{
	return (uint32_t)((uint64_t)hash * n >> 32);
}

/* Where is l->key? Its bucket is on its way. */
static inline void
client_lookup_begin(const struct client_table *t, struct client_lookup *l)
{
	uint64_t hash = client_hash(t, &l->key);
	uint32_t low = (uint32_t)hash, high = (uint32_t)(hash >> 32);

	/* client_reduce() takes the high bits of both halves. Never 0. */
	l->tag = (uint16_t)(low ^ high) | 1;
	l->bucket = client_reduce(low, t->n_buckets);
	l->other = client_reduce(high, t->n_buckets);
	l->candidate = INDEX_NONE;
	rte_prefetch0(&t->buckets[l->bucket]);
}

/* Three passes over a burst, so that memory is on its way before it is needed: fill n lookups from
 * their keys and fetch the buckets; fetch the entries; then find or take one after the other. */
void client_lookups_begin(const struct client_table *t, struct client_lookup *l, uint32_t n);
void client_lookups_fetch(const struct client_table *t, struct client_lookup *l, uint32_t n);
/* The client's index, INDEX_NONE if it has none. Changes nothing. */
uint32_t client_find(const struct client_table *t, const struct client_lookup *l);
/* ... and if it has none, that of an idle entry that is now the client's; of the service's shared
 * entry if there is none. now: ns. */
uint32_t client_take_any(struct client_table *t, const struct client_lookup *l, uint64_t now);

/* Uses are noted in the entry, which is written in any case; its bucket's times, another line of
 * memory, are told every 8 seconds, for the walk that counts. Who replaces entries asks both. */
#define CLIENT_MS_SHIFT   20 /* ns >> this: about ms */
#define CLIENT_TELL_SHIFT 13 /* ms >> this */

static inline bool
client_same_key(const struct client_key *a, const struct client_key *b)
{
	return addr_equal(&a->prefix, &b->prefix) && a->owner == b->owner;
}

/* The same, at once for those that were fetched and whose bucket knows of a late use. */
static inline uint32_t
client_take(struct client_table *t, const struct client_lookup *l, uint64_t now)
{
	uint32_t ms = (uint32_t)(now >> CLIENT_MS_SHIFT);
	struct client *c;

	if (unlikely(l->candidate == INDEX_NONE))
		return client_take_any(t, l, now);
	c = &t->entries[l->candidate];
	if (unlikely((c->touched ^ ms) >> CLIENT_TELL_SHIFT || !client_same_key(&c->key, &l->key)))
		return client_take_any(t, l, now);
	c->touched = ms;
	return l->candidate;
}

/* True if client_take would find a place for a client that has none. Changes nothing. */
bool client_has_room(const struct client_table *t, const struct client_lookup *l, uint64_t now);

/* The entry at an index that client_find or client_take has returned. */
static inline struct client *
client_at(const struct client_table *t, uint32_t index)
{
	if (unlikely(index & CLIENT_SHARED))
		return &t->shared[index & ~CLIENT_SHARED];
	return &t->entries[index];
}

/* The entry holds no connections any more. */
void client_released(struct client_table *t, uint32_t index, uint64_t now);

/* How many entries were in use within about the last half minute: counted by a walk that takes some
 * seconds, a few buckets a call. Called once per iteration. */
void client_table_count(struct client_table *t, uint64_t now);
uint32_t client_table_used(const struct client_table *t);

/* ---- for tests: ways whose tag is the given one, as bits ---- */

static inline uint32_t
client_tags_plain(const struct client_bucket *b, uint16_t tag)
{
	uint32_t bits = 0, i;

	for (i = 0; i < CLIENT_WAYS; i++)
		bits |= (uint32_t)(b->tags[i] == tag) << i;
	return bits;
}

uint32_t client_tags(const struct client_bucket *b, uint16_t tag);

#endif

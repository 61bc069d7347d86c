/* SPDX-License-Identifier: Apache-2.0 */
#include "dp/l7/limit.h"

#include <assert.h>
#include <string.h>
#include <sys/mman.h>

#include <rte_spinlock.h>

#define SET      8
#define OVERFLOW 256 /* buckets that those without a place share, by limit */

struct bucket {
	struct http_limit_key key; /* limit 0: never used */
	uint64_t tat;              /* ticks */
};

struct set {
	struct bucket buckets[SET];
};
static_assert(sizeof(struct set) == 256, "four cache lines");

struct http_limit_table {
	size_t size; /* of the mapping */
	uint32_t mask;
	bool shared;
	struct siphash_key hash;
	rte_spinlock_t overflow_lock;
	uint64_t overflow[OVERFLOW];
	rte_spinlock_t *locks; /* by set, if shared */
	struct set *sets;
};

struct http_limit_table *
http_limit_table_create(uint32_t buckets, bool shared, const struct siphash_key *hash)
{
	struct http_limit_table *t;
	uint32_t sets = 2;
	size_t size;
	void *p;

	while (sets < buckets / SET && sets < 1u << 26)
		sets *= 2;
	size = 4096 + sets * (sizeof(struct set) + (shared ? sizeof(rte_spinlock_t) : 0));
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		 -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	t = p;
	t->size = size;
	t->mask = sets - 1;
	t->shared = shared;
	t->hash = *hash;
	t->sets = (void *)((char *)p + 4096);
	if (shared)
		t->locks = (void *)(t->sets + sets);
	return t;
}
static_assert(sizeof(struct http_limit_table) <= 4096, "its head has a page");

void
http_limit_table_destroy(struct http_limit_table *t)
{
	if (t)
		munmap(t, t->size);
}

/* ---- places ---------------------------------------------------------------------------------- */

/* Keyed: whoever chooses addresses or values must not choose places. */
static inline uint64_t
hash_key(const struct http_limit_table *t, const struct http_limit_key *key)
{
	struct siphash_state s = siphash_begin(&t->hash);

	siphash_word(&s, key->whom[0]);
	siphash_word(&s, key->whom[1]);
	siphash_word(&s, key->limit);
	return siphash_end(&s);
}

static inline bool
same_key(const struct http_limit_key *a, const struct http_limit_key *b)
{
	return a->whom[0] == b->whom[0] && a->whom[1] == b->whom[1] && a->limit == b->limit;
}

static struct bucket *
find(struct set *set, const struct http_limit_key *key)
{
	uint32_t i;

	for (i = 0; i < SET; i++)
		if (same_key(&set->buckets[i].key, key))
			return &set->buckets[i];
	return NULL;
}

/* A bucket that says nothing any more. */
static struct bucket *
find_free(struct set *set, uint64_t now)
{
	uint32_t i;

	for (i = 0; i < SET; i++)
		if (set->buckets[i].tat <= now)
			return &set->buckets[i];
	return NULL;
}

/* The two sets of a key, the lower one first: so locks are always taken in the same order. */
struct places {
	uint32_t low, high;
};

static struct places
places_of(const struct http_limit_table *t, const struct http_limit_key *key)
{
	uint64_t h = hash_key(t, key);
	uint32_t a = (uint32_t)h & t->mask, b = (uint32_t)(h >> 32) & t->mask;

	return a < b ? (struct places){ a, b } : (struct places){ b, a };
}

static void
lock(struct http_limit_table *t, const struct places *p)
{
	if (!t->shared)
		return;
	rte_spinlock_lock(&t->locks[p->low]);
	if (p->high != p->low)
		rte_spinlock_lock(&t->locks[p->high]);
}

static void
unlock(struct http_limit_table *t, const struct places *p)
{
	if (!t->shared)
		return;
	if (p->high != p->low)
		rte_spinlock_unlock(&t->locks[p->high]);
	rte_spinlock_unlock(&t->locks[p->low]);
}

/* ---- buckets --------------------------------------------------------------------------------- */

/* 0, or ticks until it would be allowed. */
static uint64_t
take(const struct gcra *gcra, uint64_t *tat, uint64_t now)
{
	uint64_t cost = gcra_cost(gcra, 1), bounded = gcra_bounded(gcra, *tat, now), after;

	if (gcra_try(gcra, bounded, now, cost, &after)) {
		*tat = after;
		return 0;
	}
	*tat = bounded;
	return after - gcra->burst - now;
}

/* Whom those without a place share a bucket with. The sets' locks are held. */
static uint64_t
take_overflow(struct http_limit_table *t, const struct http_limit_key *key, const struct gcra *gcra,
	      uint64_t now)
{
	uint64_t *tat = &t->overflow[key->limit % OVERFLOW], shared, wait;

	if (t->shared)
		rte_spinlock_lock(&t->overflow_lock);
	shared = *tat;
	wait = take(gcra, &shared, now);
	__atomic_store_n(tat, shared, __ATOMIC_RELAXED);
	if (t->shared)
		rte_spinlock_unlock(&t->overflow_lock);
	return wait;
}

/* A place for a key that has none, NULL: there is none. It may have been served without one before,
 * so its bucket is no emptier than the one that all such share. */
static struct bucket *
find_place(struct http_limit_table *t, const struct places *p, const struct http_limit_key *key,
	   uint64_t now)
{
	struct bucket *b = find_free(&t->sets[p->low], now);

	if (!b)
		b = find_free(&t->sets[p->high], now);
	if (b) {
		b->key = *key;
		b->tat = __atomic_load_n(&t->overflow[key->limit % OVERFLOW], __ATOMIC_RELAXED);
	}
	return b;
}

uint64_t
http_limit_take(struct http_limit_table *t, const struct http_limit_key *key,
		const struct gcra *gcra, uint64_t now)
{
	struct places p = places_of(t, key);
	uint64_t ticks = gcra_time(now), wait;
	struct bucket *b;

	lock(t, &p);
	b = find(&t->sets[p.low], key);
	if (!b)
		b = find(&t->sets[p.high], key);
	if (!b)
		b = find_place(t, &p, key, ticks);
	wait = b ? take(gcra, &b->tat, ticks) : take_overflow(t, key, gcra, ticks);
	unlock(t, &p);
	return (wait + GCRA_TICKS_PER_NS - 1) / GCRA_TICKS_PER_NS;
}

void
http_limit_give_back(struct http_limit_table *t, const struct http_limit_key *key,
		     const struct gcra *gcra)
{
	struct places p = places_of(t, key);
	struct bucket *b;

	lock(t, &p);
	b = find(&t->sets[p.low], key);
	if (!b)
		b = find(&t->sets[p.high], key);
	if (b)
		b->tat -= RTE_MIN(b->tat, gcra_cost(gcra, 1));
	unlock(t, &p);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table's buckets, and who is replaced.
 *
 * Times of use are 16 bits in units of about a millisecond, counted from the bucket's own base,
 * which follows the time so that "now" is always between 2^15 and 2^16 from it (or less, in the
 * first half minute). What is older than the base counts as 0. They only bring the entries into an
 * order: whether one is idle is read from the entry itself.
 */
#include "dp/l4/client_table.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/random.h>

#include <rte_malloc.h>
#include <rte_prefetch.h>
#include <rte_vect.h>

#include "lib/gcra.h"

#define USED_SHIFT CLIENT_MS_SHIFT
#define BASE_SHIFT 35 /* the base's unit: 2^15 of these */
/* So many clients in the mean for the ways of a bucket: with more, buckets are full too often, and
 * the idle are replaced by each other. */
#define CLIENTS_MEAN 7
/* One walk over all buckets takes about so long, if as many buckets a call are enough for that. */
#define COUNT_NS    4000000000ull
#define COUNT_BATCH 16
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* Memory that the kernel provides when it is used, or when it is populated. */
static void *
map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	/* Without large pages it works as well. */
	madvise(p, size, MADV_HUGEPAGE);
	return p;
}

static size_t
buckets_size(const struct client_table *t)
{
	return t->n_buckets * sizeof(*t->buckets);
}

static size_t
times_size(const struct client_table *t)
{
	return t->n_buckets * sizeof(*t->times);
}

static size_t
entries_size(const struct client_table *t)
{
	return (size_t)t->n_buckets * CLIENT_WAYS * sizeof(*t->entries);
}

static size_t
shared_size(const struct client_table *t)
{
	return SNAPSHOT_MAX_SERVICES * sizeof(*t->shared);
}

struct client_table *
client_table_create(uint32_t n, int socket)
{
	struct client_table *t =
	    rte_zmalloc_socket("clients", sizeof(*t), RTE_CACHE_LINE_SIZE, socket);

	if (!t)
		return NULL;
	t->n_buckets = n / CLIENTS_MEAN + 2;
	t->interval = COUNT_NS / t->n_buckets + 1;
	t->buckets = map(buckets_size(t));
	t->times = map(times_size(t));
	t->entries = map(entries_size(t));
	t->shared = map(shared_size(t));
	if (!t->buckets || !t->times || !t->entries || !t->shared ||
	    getrandom(t->key, sizeof(t->key), 0) != sizeof(t->key)) {
		client_table_destroy(t);
		return NULL;
	}
	return t;
}

static void
unmap(void *p, size_t size)
{
	if (p)
		munmap(p, size);
}

void
client_table_destroy(struct client_table *t)
{
	if (!t)
		return;
	unmap(t->shared, shared_size(t));
	unmap(t->entries, entries_size(t));
	unmap(t->times, times_size(t));
	unmap(t->buckets, buckets_size(t));
	rte_free(t);
}

static int
populate(void *p, size_t size)
{
	return madvise(p, size, MADV_POPULATE_WRITE) < 0 ? -errno : 0;
}

int
client_table_populate(struct client_table *t)
{
	int rc = populate(t->buckets, buckets_size(t));

	if (rc == 0)
		rc = populate(t->times, times_size(t));
	if (rc == 0)
		rc = populate(t->entries, entries_size(t));
	/* Kernels before 5.14 cannot; the worker will have the page faults. */
	return rc == -EINVAL ? 0 : rc;
}

#ifdef __AVX2__
static inline uint32_t
match(const struct client_bucket *b, uint16_t tag)
{
	/* Of the indices behind the tags nothing is left in the end. */
	__m256i same =
	    _mm256_cmpeq_epi16(_mm256_load_si256((const void *)b), _mm256_set1_epi16((short)tag));
	/* Two bytes a way become one. */
	__m128i bytes =
	    _mm_packs_epi16(_mm256_castsi256_si128(same), _mm256_extracti128_si256(same, 1));

	return (uint32_t)_mm_movemask_epi8(bytes) & ((1u << CLIENT_WAYS) - 1);
}
#else
static inline uint32_t
match(const struct client_bucket *b, uint16_t tag)
{
	return client_tags_plain(b, tag);
}
#endif

uint32_t
client_tags(const struct client_bucket *b, uint16_t tag)
{
	return match(b, tag);
}

void
client_lookups_begin(const struct client_table *t, struct client_lookup *lookups, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		client_lookup_begin(t, &lookups[i]);
}

static uint32_t
find_in(const struct client_table *t, uint32_t bucket, const struct client_lookup *l)
{
	const struct client_bucket *b = &t->buckets[bucket];
	uint32_t bits = match(b, l->tag);

	for (; bits; bits &= bits - 1) {
		uint32_t index = b->entries[__builtin_ctz(bits)];

		if (client_same_key(&t->entries[index].key, &l->key))
			return index;
	}
	return INDEX_NONE;
}

uint32_t
client_find(const struct client_table *t, const struct client_lookup *l)
{
	uint32_t index = find_in(t, l->bucket, l);

	if (index == INDEX_NONE && t->buckets[l->bucket].spilled)
		index = find_in(t, l->other, l);
	return index;
}

/* ---- times of use ---- */

static inline uint16_t
used_offset(const struct client_times *b, uint64_t now)
{
	uint64_t since = (now >> USED_SHIFT) - ((uint64_t)b->base << (BASE_SHIFT - USED_SHIFT));

	return (uint16_t)since;
}

/* Bring the base up to date, so that `now` has an offset. */
static inline void
follow_time(struct client_times *b, uint64_t now)
{
	uint16_t behind = (uint16_t)((uint16_t)(now >> BASE_SHIFT) - b->base);
	uint32_t shift, i;

	if (behind < 2)
		return;
	shift = (uint32_t)(behind - 1) << (BASE_SHIFT - USED_SHIFT);
	for (i = 0; i < CLIENT_WAYS; i++)
		b->used[i] = b->used[i] > shift ? (uint16_t)(b->used[i] - shift) : 0;
	b->base = (uint16_t)(b->base + behind - 1);
}

static void
touch(struct client_table *t, uint32_t index, uint64_t now)
{
	struct client *c = &t->entries[index];
	uint32_t before = c->touched;
	struct client_times *b;
	uint16_t *used, at;

	c->touched = (uint32_t)(now >> USED_SHIFT);
	if ((c->touched ^ before) >> CLIENT_TELL_SHIFT == 0)
		return;
	b = &t->times[c->bucket];
	follow_time(b, now);
	at = used_offset(b, now);
	used = &b->used[c->way];
	if (*used < at)
		*used = at;
}

void
client_released(struct client_table *t, uint32_t index, uint64_t now)
{
	struct client *c = &t->entries[index];
	struct client_times *b;

	if (index & CLIENT_SHARED)
		return;
	c->touched = (uint32_t)(now >> USED_SHIFT);
	b = &t->times[c->bucket];
	follow_time(b, now);
	b->used[c->way] = used_offset(b, now);
}

/* ---- replacing ---- */

/* When the entry will be idle, ns; UINT64_MAX: while its connections live. */
static uint64_t
idle_at(const struct client *c)
{
	uint64_t last = 0;
	uint32_t i;

	if (c->connections)
		return UINT64_MAX;
	for (i = 0; i < LIMIT_RATES; i++)
		last = c->tat[i] > last ? c->tat[i] : last;
	return last / GCRA_TICKS_PER_NS + (last % GCRA_TICKS_PER_NS != 0);
}

/* The same of a way; one that has no entry yet is idle. */
static inline uint64_t
way_idle_at(const struct client_table *t, uint32_t bucket, uint32_t way)
{
	const struct client_bucket *b = &t->buckets[bucket];

	return b->tags[way] ? idle_at(&t->entries[b->entries[way]]) : 0;
}

/* The way used longest ago of those not used after `at` and not in `skip`; CLIENT_WAYS: none. */
static uint32_t
oldest_way(const struct client_times *b, uint16_t at, uint32_t skip)
{
	uint32_t best = CLIENT_WAYS, i;

	for (i = 0; i < CLIENT_WAYS; i++) {
		if (b->used[i] > at || (skip >> i & 1) ||
		    (best < CLIENT_WAYS && b->used[i] >= b->used[best]))
			continue;
		best = i;
	}
	return best;
}

/* Tell the times of the entry's last use. True if that is news. */
static bool
tell(struct client_table *t, uint32_t bucket, uint32_t way, uint64_t now)
{
	const struct client_bucket *b = &t->buckets[bucket];
	struct client_times *times = &t->times[bucket];
	uint16_t at = used_offset(times, now), last;
	uint32_t unused;

	if (!b->tags[way])
		return false;
	unused = (uint32_t)(now >> USED_SHIFT) - t->entries[b->entries[way]].touched;
	last = unused < at ? (uint16_t)(at - unused) : 0;
	if (last <= times->used[way])
		return false;
	times->used[way] = last;
	return true;
}

/* An idle way of the bucket, CLIENT_WAYS if there is none. */
static uint32_t
idle_way(struct client_table *t, uint32_t bucket, uint64_t now, uint32_t *busy)
{
	uint16_t at = used_offset(&t->times[bucket], now);
	uint32_t way;

	*busy = 0;
	for (;;) {
		way = oldest_way(&t->times[bucket], at, *busy);
		if (way == CLIENT_WAYS)
			return way;
		/* Each has one last use, so this ends. */
		if (tell(t, bucket, way, now))
			continue;
		if (way_idle_at(t, bucket, way) <= now)
			return way;
		*busy |= 1u << way;
	}
}

/* Ways that turned out to be busy will not be asked before they can be idle. */
static void
note_busy(struct client_table *t, uint32_t bucket, uint32_t busy, uint64_t now)
{
	struct client_times *b = &t->times[bucket];

	for (; busy; busy &= busy - 1) {
		uint32_t way = (uint32_t)__builtin_ctz(busy);
		uint64_t idle = way_idle_at(t, bucket, way);
		uint64_t ahead = (idle - now) >> USED_SHIFT,
			 most = UINT16_MAX - used_offset(b, now);

		/* One that holds connections is asked again in a second, unless client_released
		 * says when. */
		if (idle == UINT64_MAX)
			ahead = 1000;
		b->used[way] = (uint16_t)(used_offset(b, now) + (ahead < most ? ahead : most));
	}
}

static uint32_t
take_in(struct client_table *t, uint32_t bucket, const struct client_lookup *l, uint64_t now)
{
	struct client_times *times = &t->times[bucket];
	struct client_bucket *b = &t->buckets[bucket];
	uint32_t busy, way, index;

	follow_time(times, now);
	way = idle_way(t, bucket, now, &busy);
	note_busy(t, bucket, busy, now);
	if (way == CLIENT_WAYS)
		return INDEX_NONE;
	if (!b->tags[way])
		b->entries[way] = t->n_entries++;
	index = b->entries[way];
	b->tags[way] = l->tag;
	times->used[way] = used_offset(times, now);
	t->entries[index] = (struct client){ .key = l->key,
					     .touched = (uint32_t)(now >> USED_SHIFT),
					     .bucket = bucket,
					     .way = way };
	return index;
}

static uint32_t
take_shared(struct client_table *t, const struct client_lookup *l)
{
	struct client *c = &t->shared[l->key.service];

	if (c->key.epoch != l->key.epoch)
		*c = (struct client){ .key = { .service = l->key.service, .epoch = l->key.epoch } };
	return CLIENT_SHARED | l->key.service;
}

uint32_t
client_take_any(struct client_table *t, const struct client_lookup *l, uint64_t now)
{
	uint32_t index = l->candidate;

	/* Since it was found, another client of the burst may have got it. */
	if (index == INDEX_NONE || !client_same_key(&t->entries[index].key, &l->key))
		index = client_find(t, l);
	if (index != INDEX_NONE) {
		touch(t, index, now);
		return index;
	}
	index = take_in(t, l->bucket, l, now);
	if (index != INDEX_NONE)
		return index;
	index = take_in(t, l->other, l, now);
	if (index == INDEX_NONE)
		return take_shared(t, l);
	t->buckets[l->bucket].spilled = 1;
	return index;
}

bool
client_has_room(const struct client_table *t, const struct client_lookup *l, uint64_t now)
{
	uint32_t buckets[2] = { l->bucket, l->other }, i;

	for (i = 0; i < 2 * CLIENT_WAYS; i++) {
		if (way_idle_at(t, buckets[i & 1], i / 2) <= now)
			return true;
	}
	return false;
}

/* True: it is on its way. */
static inline bool
fetch(const struct client_table *t, struct client_lookup *l)
{
	const struct client_bucket *b = &t->buckets[l->bucket];
	uint32_t bits = match(b, l->tag);

	if (likely(bits)) {
		l->candidate = b->entries[__builtin_ctz(bits)];
		rte_prefetch0(&t->entries[l->candidate]);
		return true;
	}
	if (b->spilled)
		rte_prefetch0(&t->buckets[l->other]);
	rte_prefetch0(&t->times[l->bucket]);
	return false;
}

void
client_lookups_fetch(const struct client_table *t, struct client_lookup *lookups, uint32_t n)
{
	const struct client_lookup *missing[BURST_MAX];
	uint32_t n_missing = 0, i, way;

	for (i = 0; i < n; i++)
		if (unlikely(!fetch(t, &lookups[i])))
			missing[n_missing++] = &lookups[i];
	/* Who may be replaced by them. */
	for (i = 0; i < n_missing; i++) {
		way = oldest_way(&t->times[missing[i]->bucket], UINT16_MAX, 0);
		rte_prefetch0(&t->entries[t->buckets[missing[i]->bucket].entries[way]]);
	}
}

/* ---- how many ---- */

static uint32_t
used_ways(struct client_table *t, uint32_t bucket, uint64_t now)
{
	struct client_times *b = &t->times[bucket];
	uint32_t n = 0, i;

	follow_time(b, now);
	for (i = 0; i < CLIENT_WAYS; i++)
		n += t->buckets[bucket].tags[i] && b->used[i];
	return n;
}

void
client_table_count(struct client_table *t, uint64_t now)
{
	uint32_t i;

	for (i = 0; i < COUNT_BATCH && t->next_count <= now; i++) {
		t->counted += used_ways(t, t->cursor, now);
		if (++t->cursor == t->n_buckets) {
			t->used = t->counted;
			t->cursor = t->counted = 0;
		}
		rte_prefetch0(&t->buckets[t->cursor]);
		rte_prefetch0(&t->times[t->cursor]);
		t->next_count = t->next_count + t->interval * COUNT_BATCH < now
				    ? now
				    : t->next_count + t->interval;
	}
}

uint32_t
client_table_used(const struct client_table *t)
{
	return t->used;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "dp/l4/heaviest.h"

#include <sys/random.h>

#include <rte_malloc.h>
#include <rte_prefetch.h>

/* By the mean of some thirty bursts: up to 16 packets all are looked at, then one in two, from 32
 * in four, from 48 in eight. */
#define MEAN_SHIFT 5
#define MEAN_STEP  16u
#define SHIFT_MAX  3u

#define ANSWER_ENTRIES 256 /* that a query looks at in an iteration */

#define COUNTERS_MIN 1024u
#define COUNTERS_MAX (1u << 20)

struct heaviest {
	struct heavy sketch;
	uint32_t *connections[2]; /* [counters] */
	uint32_t counters_mask;
	uint32_t mean;   /* of packets in a burst, << MEAN_SHIFT */
	uint32_t random; /* xorshift state, never 0 */
	void *memory;
	struct client_query query;
};

struct heaviest *
heaviest_create(uint32_t connections, uint64_t now, int socket)
{
	struct heaviest *h =
	    rte_zmalloc_socket("heaviest", sizeof(*h), RTE_CACHE_LINE_SIZE, socket);
	uint32_t counters = COUNTERS_MIN;
	uint64_t secret[3];

	if (!h)
		return NULL;
	while (counters < connections / 8 && counters < COUNTERS_MAX)
		counters *= 2;
	h->counters_mask = counters - 1;
	h->connections[0] = rte_zmalloc_socket(
	    "connections by client", 2 * counters * sizeof(uint32_t), RTE_CACHE_LINE_SIZE, socket);
	h->memory = rte_zmalloc_socket("heaviest clients", heavy_size(HEAVIEST_CLIENTS),
				       RTE_CACHE_LINE_SIZE, socket);
	if (!h->connections[0] || !h->memory ||
	    getrandom(secret, sizeof(secret), 0) != sizeof(secret)) {
		heaviest_destroy(h);
		return NULL;
	}
	h->connections[1] = h->connections[0] + counters;
	h->random = (uint32_t)secret[2] | 1;
	heavy_init(&h->sketch, h->memory, HEAVIEST_CLIENTS, secret, now);
	return h;
}

void
heaviest_destroy(struct heaviest *h)
{
	if (!h)
		return;
	rte_free(h->memory);
	rte_free(h->connections[0]);
	rte_free(h);
}

struct client_query *
heaviest_query(struct heaviest *h)
{
	return &h->query;
}

static inline uint32_t
random_next(struct heaviest *h)
{
	h->random ^= h->random << 13;
	h->random ^= h->random >> 17;
	h->random ^= h->random << 5;
	return h->random;
}

/* The client as a prefix. */
static inline uint8_t
client_prefix(const struct addr *addr, struct addr *prefix)
{
	*prefix = *addr;
	if (addr_is_v4(addr))
		return 128;
	prefix->q[1] = 0;
	return 64;
}

static uint32_t
shift_for(struct heaviest *h, uint16_t packets)
{
	h->mean += packets - (h->mean >> MEAN_SHIFT);
	return RTE_MIN(h->mean / (MEAN_STEP << MEAN_SHIFT), SHIFT_MAX);
}

static inline bool
counts(const struct packet *p)
{
	return p->direction == DIR_FORWARD && p->service != INDEX_NONE &&
	       p->verdict != VERDICT_HOST && p->verdict != VERDICT_STEER;
}

void
stage_heaviest(struct worker *w, const struct burst *b)
{
	struct heaviest *h = w->heaviest;
	uint32_t shift = shift_for(h, b->count);
	struct addr prefixes[BURST_MAX];
	struct heavy_item items[BURST_MAX];
	uint32_t n = 0, i;

	/* 1. Who it is, and where that would be. A random first one, and then each 2^shift-th. */
	for (i = shift ? random_next(h) & ((1u << shift) - 1) : 0; i < b->count; i += 1u << shift) {
		const struct packet *p = &b->packets[i];

		if (!counts(p))
			continue;
		items[n] = (struct heavy_item){
			.client = &prefixes[n],
			.packets = 1u << shift,
			.bytes = (uint32_t)p->ip_len << shift,
			.len = client_prefix(&p->tuple.src, &prefixes[n]),
		};
		items[n].hash = heavy_hash(&h->sketch, items[n].client, items[n].len);
		rte_prefetch0(heavy_bucket(&h->sketch, items[n].hash));
		n++;
	}
	/* 2. Count. */
	for (i = 0; i < n; i++)
		heavy_add(&h->sketch, &items[i], w->now, random_next(h));
}

static inline uint32_t
counter(const struct heaviest *h, uint64_t hash, uint32_t row)
{
	return (uint32_t)(hash >> (row ? 40 : 12)) & h->counters_mask;
}

void
heaviest_connection(struct worker *w, const struct addr *client, int32_t change)
{
	struct heaviest *h = w->heaviest;
	struct addr prefix;
	uint8_t len = client_prefix(client, &prefix);
	uint64_t hash = heavy_hash(&h->sketch, &prefix, len);

	h->connections[0][counter(h, hash, 0)] += (uint32_t)change;
	h->connections[1][counter(h, hash, 1)] += (uint32_t)change;
}

static uint32_t
connections_of(const struct heaviest *h, const struct heavy_entry *e)
{
	uint64_t hash = heavy_hash(&h->sketch, &e->client, e->len);

	return RTE_MIN(h->connections[0][counter(h, hash, 0)],
		       h->connections[1][counter(h, hash, 1)]);
}

static void
answer(const struct heaviest *h, struct client_query *q, uint64_t now)
{
	uint32_t n = heavy_entries(&h->sketch), i = RTE_MIN(q->cursor, n), weight;
	uint32_t end = RTE_MIN(n - i, (uint32_t)ANSWER_ENTRIES) + i;

	q->count = 0;
	q->now = now;
	for (; i < end && q->count < HEAVIEST_QUERY_MAX; i++) {
		const struct heavy_entry *e = heavy_at(&h->sketch, i, &weight);

		if (!e)
			continue;
		q->views[q->count++] = (struct client_view){
			.entry = *e,
			.rate = heavy_rate(&h->sketch, e),
			.weight = weight,
			.connections = connections_of(h, e),
		};
	}
	q->cursor = i < n ? i : UINT32_MAX;
	atomic_store_explicit(&q->state, QUERY_DONE, memory_order_release);
}

void
heaviest_iterate(struct worker *w)
{
	struct heaviest *h = w->heaviest;

	heavy_decay(&h->sketch, w->now);
	if (atomic_load_explicit(&h->query.state, memory_order_acquire) == QUERY_ASKED)
		answer(h, &h->query, w->now);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "dp/l4/heaviest.h"

#include <sys/random.h>

#include <rte_malloc.h>
#include <rte_prefetch.h>

/* By the mean of some thirty bursts: below 16 packets all are looked at, then one in two, from 28
 * in four, from 40 in eight, from 52 in sixteen. */
#define MEAN_SHIFT 5
#define MEAN_LEAST 4u
#define MEAN_STEP  12u
#define SHIFT_MAX  4u

#define ANSWER_ENTRIES 256 /* that a query looks at in an iteration */

#define LIMITS (DROP_LIMIT_LAST - DROP_LIMIT_FIRST + 1)
static_assert(LIMITS <= HEAVY_COUNTS, "a count for each limit");

#define COUNTERS_MIN 1024u
#define COUNTERS_MAX (1u << 20)

struct heaviest {
	struct heavy sketch;
	uint32_t *connections[2]; /* [counters] */
	uint32_t counters_mask;
	uint32_t mean;   /* of packets in a burst, << MEAN_SHIFT */
	uint32_t random; /* xorshift state, never 0 */
	void *memory;
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

static inline uint32_t
random_next(struct heaviest *h)
{
	h->random ^= h->random << 13;
	h->random ^= h->random >> 17;
	h->random ^= h->random << 5;
	return h->random;
}

/* The client of an address, as the service's limits see it: a prefix, of the length returned. */
static inline uint8_t
client_prefix(const struct snapshot *s, uint32_t service, const struct addr *addr,
	      struct addr *prefix)
{
	const struct service_limits *limits = NULL;

	*prefix = *addr;
	if (s->services[service].flags & SERVICE_LIMITED)
		limits = &s->limits[service];
	if (addr_is_v4(addr)) {
		prefix->w[3] &= limits ? limits->mask4 : UINT32_MAX;
		return limits ? (uint8_t)(96 + limits->prefix4) : 128;
	}
	prefix->q[0] &= limits ? limits->mask6[0] : UINT64_MAX;
	prefix->q[1] &= limits ? limits->mask6[1] : 0;
	return limits ? limits->prefix6 : 64;
}

static uint32_t
shift_for(struct heaviest *h, uint32_t packets)
{
	uint32_t least = MEAN_LEAST << MEAN_SHIFT;

	h->mean += packets - (h->mean >> MEAN_SHIFT);
	return RTE_MIN((RTE_MAX(h->mean, least) - least) / (MEAN_STEP << MEAN_SHIFT), SHIFT_MAX);
}

void
heaviest_choose(struct worker *w, uint32_t n, struct heaviest_sample *sample)
{
	struct heaviest *h = w->heaviest;
	uint32_t shift = shift_for(h, n), random = random_next(h), first;

	sample->n = 0;
	sample->packets = 1u << shift;
	/* Of each 2^shift packets, one at random. */
	for (first = 0; first < n; first += 1u << shift, random >>= shift) {
		uint32_t index = first + (random & ((1u << shift) - 1));

		if (index >= n)
			break;
		sample->seen[sample->n++].index = (uint8_t)index;
	}
}

void
heaviest_count(struct worker *w, struct heaviest_sample *sample)
{
	struct heaviest *h = w->heaviest;
	struct heavy_item items[BURST_MAX];
	uint32_t i;

	/* 1. Who it is, and where that would be. */
	for (i = 0; i < sample->n; i++) {
		struct heaviest_seen *seen = &sample->seen[i];
		struct addr from = seen->client;

		items[i] = (struct heavy_item){
			.client = &seen->client,
			.packets = sample->packets,
			.bytes = seen->bytes * sample->packets,
			.len = client_prefix(w->snapshot, seen->service, &from, &seen->client),
		};
		items[i].hash = heavy_hash(&h->sketch, items[i].client, items[i].len);
		rte_prefetch0(heavy_bucket(&h->sketch, items[i].hash));
	}
	/* 2. Count; of what was dropped by a limit, which. */
	for (i = 0; i < sample->n; i++) {
		struct heavy_entry *e = heavy_add(&h->sketch, &items[i], w->now, random_next(h));
		uint8_t limit = (uint8_t)(sample->seen[i].reason - DROP_LIMIT_FIRST);

		if (e && limit < LIMITS)
			e->counts[limit] += sample->packets;
	}
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
	struct heaviest_sample sample;
	uint32_t i, n = 0;

	heaviest_choose(w, b->count, &sample);
	for (i = 0; i < sample.n; i++) {
		const struct packet *p = &b->packets[sample.seen[i].index];

		if (!counts(p))
			continue;
		sample.seen[n++] = (struct heaviest_seen){
			.client = p->tuple.src,
			.service = p->service,
			.bytes = p->ip_len,
			.reason = p->verdict == VERDICT_DROP ? p->reason : DROP_REASON_COUNT,
		};
	}
	sample.n = n;
	heaviest_count(w, &sample);
}

static inline uint32_t
counter(const struct heaviest *h, uint64_t hash, uint32_t row)
{
	return (uint32_t)(hash >> (row ? 40 : 12)) & h->counters_mask;
}

static void
change_connections(struct heaviest *h, uint8_t len, const struct addr *prefix, int32_t change)
{
	uint64_t hash = heavy_hash(&h->sketch, prefix, len);

	h->connections[0][counter(h, hash, 0)] += (uint32_t)change;
	h->connections[1][counter(h, hash, 1)] += (uint32_t)change;
}

uint8_t
heaviest_connection_begin(struct worker *w, uint32_t service, const struct addr *client)
{
	struct addr prefix;
	uint8_t len = client_prefix(w->snapshot, service, client, &prefix);

	change_connections(w->heaviest, len, &prefix, 1);
	return len;
}

void
heaviest_prefetch(const struct worker *w, uint32_t service, const struct addr *client)
{
	const struct heaviest *h = w->heaviest;
	struct addr prefix;
	uint8_t len = client_prefix(w->snapshot, service, client, &prefix);
	uint64_t hash = heavy_hash(&h->sketch, &prefix, len);

	rte_prefetch0(&h->connections[0][counter(h, hash, 0)]);
	rte_prefetch0(&h->connections[1][counter(h, hash, 1)]);
}

void
heaviest_connection_end(struct worker *w, uint8_t len, const struct addr *client)
{
	struct addr prefix = addr_mask(client, len);

	change_connections(w->heaviest, len, &prefix, -1);
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
	for (; i < end && q->count < CLIENT_QUERY_MAX; i++) {
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
	if (atomic_load_explicit(&w->client_query.state, memory_order_acquire) == QUERY_ASKED)
		answer(h, &w->client_query, w->now);
}

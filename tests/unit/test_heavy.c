/* SPDX-License-Identifier: Apache-2.0 */
/* lib/heavy: against exact counts of all clients. */
#include <CUnit/CUnit.h>
#include <stdlib.h>
#include <string.h>

#include "lib/heavy.h"
#include "tests/unit/suites.h"

#define ENTRIES 1024u
#define CLIENTS 100000u
#define SECOND  1000000000ull

struct stream {
	struct heavy heavy;
	void *memory;
	uint64_t seed, now;
	uint32_t *exact; /* packets by client */
	uint64_t sum;
};

static struct stream *
stream_open(uint64_t seed)
{
	struct stream *s = calloc(1, sizeof(*s));
	const uint64_t key[2] = { 0x0123456789abcdefull ^ seed, 0xfedcba9876543210ull };
	size_t size = heavy_size(ENTRIES);

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	s->memory = aligned_alloc(64, size);
	s->exact = calloc(CLIENTS, sizeof(*s->exact));
	CU_ASSERT_FATAL(s->memory && s->exact);
	memset(s->memory, 0, size);
	s->seed = seed;
	s->now = SECOND;
	heavy_init(&s->heavy, s->memory, ENTRIES, key, s->now);
	return s;
}

static void
stream_close(struct stream *s)
{
	free(s->memory);
	free(s->exact);
	free(s);
}

static struct addr
client_addr(uint32_t client)
{
	return addr_from_v4(__builtin_bswap32(0x0a000000u + client));
}

static uint32_t
client_number(const struct addr *addr)
{
	return __builtin_bswap32(addr->w[3]) - 0x0a000000u;
}

static struct heavy_entry *
add(struct stream *s, uint32_t client, uint32_t packets)
{
	struct addr addr = client_addr(client);
	struct heavy_item item = {
		.client = &addr,
		.hash = heavy_hash(&s->heavy, &addr, 128),
		.packets = packets,
		.bytes = 100 * packets,
		.len = 128,
	};

	s->exact[client] += packets;
	s->sum += packets;
	return heavy_add(&s->heavy, &item, s->now, (uint32_t)test_random(&s->seed));
}

static const struct heavy_entry *
entry_of(struct stream *s, uint32_t client)
{
	const struct heavy_entry *e;
	uint32_t i, weight;

	for (i = 0; i < heavy_entries(&s->heavy); i++) {
		e = heavy_at(&s->heavy, i, &weight);
		if (e && client_number(&e->client) == client)
			return e;
	}
	return NULL;
}

/* What is promised whatever comes: no client twice, none counted above what it sent, and no
 * bucket's weights above its packets. */
static void
check_promises(struct stream *s)
{
	uint64_t *sent = calloc(s->heavy.mask + 1ull, sizeof(*sent));
	uint8_t *seen = calloc(CLIENTS, 1);
	uint32_t i, client, weight;

	CU_ASSERT_FATAL(sent && seen);
	for (client = 0; client < CLIENTS; client++) {
		struct addr addr = client_addr(client);

		sent[heavy_hash(&s->heavy, &addr, 128) & s->heavy.mask] += s->exact[client];
	}
	for (i = 0; i < heavy_entries(&s->heavy); i++) {
		const struct heavy_entry *e = heavy_at(&s->heavy, i, &weight);

		if (!e)
			continue;
		client = client_number(&e->client);
		CU_ASSERT_FATAL(client < CLIENTS);
		CU_ASSERT(!seen[client]++);
		CU_ASSERT(e->packets > 0 && e->packets <= s->exact[client]);
		CU_ASSERT_EQUAL(e->bytes, 100 * e->packets);
		CU_ASSERT(s->now > SECOND || weight >= HEAVY_UNIT * e->packets);
		sent[i / HEAVY_WAYS] -= weight / HEAVY_UNIT;
	}
	for (i = 0; i <= s->heavy.mask; i++)
		CU_ASSERT((int64_t)sent[i] >= 0);
	free(sent);
	free(seen);
}

/* ---- few clients ---- */

static void
test_exact_while_there_is_room(void)
{
	struct stream *s = stream_open(1);
	const struct heavy_entry *e;
	uint32_t client, round;

	for (round = 1; round <= 100; round++) {
		for (client = 0; client < 100; client++)
			add(s, client, client + 1);
		s->now += SECOND / 100;
		heavy_decay(&s->heavy, s->now);
	}
	for (client = 0; client < 100; client++) {
		e = entry_of(s, client);
		CU_ASSERT_PTR_NOT_NULL_FATAL(e);
		CU_ASSERT_EQUAL(e->packets, 100 * (client + 1));
		CU_ASSERT_EQUAL(e->bytes, 10000 * (client + 1));
		CU_ASSERT_EQUAL(e->since, SECOND);
		CU_ASSERT_EQUAL(e->last, SECOND + 99 * (SECOND / 100));
	}
	check_promises(s);
	stream_close(s);
}

static void
test_prefix_length_is_of_the_key(void)
{
	struct stream *s = stream_open(2);
	struct addr addr = client_addr(0);
	struct heavy_item item = { .client = &addr, .packets = 1, .bytes = 100, .len = 120 };
	struct heavy_entry *wide, *narrow;

	item.hash = heavy_hash(&s->heavy, &addr, item.len);
	wide = heavy_add(&s->heavy, &item, s->now, 0);
	narrow = add(s, 0, 1);
	CU_ASSERT_PTR_NOT_EQUAL(wide, narrow);
	CU_ASSERT(wide && wide->len == 120);
	CU_ASSERT(narrow && narrow->len == 128);
	stream_close(s);
}

static void
test_sizes(void)
{
	CU_ASSERT_EQUAL(heavy_size(0), heavy_size(HEAVY_WAYS));
	CU_ASSERT_EQUAL(heavy_size(1000), heavy_size(1024));
	CU_ASSERT_EQUAL(heavy_size(16), 2 * heavy_size(8));
}

/* ---- many ---- */

/* Client i of n with probability about 1 / (i + 1): the harmonic series' inverse is an exponential.
 */
static uint32_t
zipf(struct stream *s)
{
	uint64_t random = test_random(&s->seed);
	uint32_t bits = (uint32_t)(random % 17); /* log2 of the rank, uniform: 0 .. 16 */
	uint32_t rank = (1u << bits) + (uint32_t)(random >> 32 & ((1u << bits) - 1));

	return rank - 1 < CLIENTS ? rank - 1 : 0;
}

/* Half of all packets come from the first few hundred clients: these are all there, and nearly all
 * of their packets are. */
static void
test_zipf(void)
{
	struct stream *s = stream_open(3);
	const struct heavy_entry *e;
	uint32_t i, client;

	for (i = 0; i < 2000000; i++)
		add(s, zipf(s), 1);
	for (client = 0; client < 256; client++) {
		e = entry_of(s, client);
		CU_ASSERT_PTR_NOT_NULL(e);
		if (e)
			CU_ASSERT(e->packets * 10 >= s->exact[client] * (client < 64 ? 9 : 4));
	}
	check_promises(s);
	stream_close(s);
}

/* A flood of sources that each send one packet, again and again, does not hide who sends one packet
 * in a hundred. */
static void
test_flood(void)
{
	struct stream *s = stream_open(4);
	const struct heavy_entry *e;
	uint32_t i;

	for (i = 0; i < 3000000; i++)
		add(s, i % 100 == 0 ? 7 : 100 + i % (CLIENTS - 100), 1);
	e = entry_of(s, 7);
	CU_ASSERT_PTR_NOT_NULL_FATAL(e);
	CU_ASSERT(e->packets > s->exact[7] * 95 / 100);
	check_promises(s);
	stream_close(s);
}

/* The bound of the header, in every bucket: 400 packets of light clients, and then one that sends
 * 150. The lightest stands for at most 50 packets, and grows by no more than an eighth for each
 * packet: so that one is missing with at most (1 - 1/70)^150 = 0.12. */
static void
test_admission(void)
{
	struct stream *s = stream_open(5);
	uint32_t before[ENTRIES / HEAVY_WAYS] = { 0 };
	uint32_t missing = 0, tries = 0, client, i;

	for (client = 0; client < CLIENTS; client++) {
		struct addr addr = client_addr(client);
		uint32_t bucket = (uint32_t)heavy_hash(&s->heavy, &addr, 128) & s->heavy.mask;

		before[bucket]++;
		if (before[bucket] <= 400) {
			add(s, client, 1);
		} else if (before[bucket] == 401) {
			for (i = 0; i < 150; i++)
				add(s, client, 1);
			missing += !entry_of(s, client);
			tries++;
		}
	}
	CU_ASSERT_EQUAL(tries, s->heavy.mask + 1);
	CU_ASSERT(missing <= tries * 20 / 100);
	stream_close(s);
}

/* Who does not get older than a few packets is in and out; counts stay below the truth all along.
 */
static void
test_churn(void)
{
	struct stream *s = stream_open(6);
	uint32_t i;

	for (i = 0; i < 500000; i++) {
		add(s, (uint32_t)test_random(&s->seed) % CLIENTS, 1 + i % 4);
		if (i % 50000 == 0)
			check_promises(s);
	}
	check_promises(s);
	stream_close(s);
}

/* ---- time ---- */

static uint32_t
weight_of(struct stream *s, uint32_t client)
{
	const struct heavy_entry *e;
	uint32_t i, weight;

	for (i = 0; i < heavy_entries(&s->heavy); i++) {
		e = heavy_at(&s->heavy, i, &weight);
		if (e && client_number(&e->client) == client)
			return weight;
	}
	return UINT32_MAX;
}

static void
test_decay(void)
{
	struct stream *s = stream_open(7);
	const struct heavy_entry *e;
	uint32_t weight, next, i;

	add(s, 1, 1000);
	weight = weight_of(s, 1);
	CU_ASSERT_EQUAL(weight, HEAVY_UNIT * 1000);
	heavy_decay(&s->heavy, s->now + SECOND - 1);
	CU_ASSERT_EQUAL(weight_of(s, 1), weight);
	for (i = 1; weight; i++) {
		heavy_decay(&s->heavy, s->now + i * SECOND);
		next = weight_of(s, 1);
		CU_ASSERT_FATAL(next < weight);
		CU_ASSERT(next <= weight - weight / 8 && next + 1 >= weight - weight / 8);
		weight = next;
	}
	/* What it has counted stays until the place is needed. */
	e = entry_of(s, 1);
	CU_ASSERT_PTR_NOT_NULL_FATAL(e);
	CU_ASSERT(e && e->packets == 1000);
	/* A long time at once. */
	add(s, 1, 4000000);
	heavy_decay(&s->heavy, s->now + 1000000 * SECOND);
	CU_ASSERT_EQUAL(weight_of(s, 1), 0);
	heavy_decay(&s->heavy, s->now + 1000000 * SECOND);
	stream_close(s);
}

/* Yesterday's heaviest gives way to today's at once. */
static void
test_old_give_way(void)
{
	struct stream *s = stream_open(8);
	uint32_t i;

	for (i = 0; i < 20000; i++)
		add(s, i % 8000, 500);
	s->now += 120 * SECOND;
	heavy_decay(&s->heavy, s->now);
	for (i = 0; i < 300; i++)
		CU_ASSERT_PTR_NOT_NULL(add(s, 50000 + i, 5));
	stream_close(s);
}

static void
test_rate(void)
{
	struct stream *s = stream_open(9);
	const struct heavy_entry *e = NULL;
	uint32_t i;

	for (i = 1; i <= 300; i++) {
		e = add(s, 1, 5000 + i / 100);
		CU_ASSERT_PTR_NOT_NULL_FATAL(e);
		if (i == 10)
			CU_ASSERT_EQUAL(heavy_rate(&s->heavy, e), 0);
		if (i > 10 && i < 100)
			CU_ASSERT_EQUAL(heavy_rate(&s->heavy, e), 50000);
		if (i > 210)
			CU_ASSERT_EQUAL(heavy_rate(&s->heavy, e), 50020);
		s->now += SECOND / 10;
		heavy_decay(&s->heavy, s->now);
	}
	CU_ASSERT_EQUAL(heavy_rate(&s->heavy, e), 50020 + 1);
	s->now += SECOND;
	heavy_decay(&s->heavy, s->now);
	CU_ASSERT_EQUAL(heavy_rate(&s->heavy, e), 0);
	/* A pause is not the second before. */
	e = add(s, 1, 3);
	CU_ASSERT_EQUAL(heavy_rate(&s->heavy, e), 0);
	s->now += SECOND;
	heavy_decay(&s->heavy, s->now);
	CU_ASSERT_EQUAL(heavy_rate(&s->heavy, e), 3);
	stream_close(s);
}

static void
test_no_overflow(void)
{
	struct stream *s = stream_open(10);
	struct heavy_entry *e = NULL;
	uint32_t i;

	for (i = 0; i < 200; i++)
		e = add(s, 1, 1u << 24);
	CU_ASSERT_PTR_NOT_NULL_FATAL(e);
	CU_ASSERT_EQUAL(weight_of(s, 1), UINT32_MAX);
	CU_ASSERT_EQUAL(e->packets, 200ull << 24);
	stream_close(s);
}

int
test_heavy_register(void)
{
	static CU_TestInfo tests[] = {
		{ "exact while there is room", test_exact_while_there_is_room },
		{ "the prefix's length is part of the key", test_prefix_length_is_of_the_key },
		{ "sizes", test_sizes },
		{ "Zipf", test_zipf },
		{ "a flood hides nobody", test_flood },
		{ "admission", test_admission },
		{ "churn", test_churn },
		{ "decay", test_decay },
		{ "the old give way", test_old_give_way },
		{ "rate", test_rate },
		{ "no overflow", test_no_overflow },
		CU_TEST_INFO_NULL,
	};
	static CU_SuiteInfo suites[] = { { "heavy", NULL, NULL, NULL, NULL, tests },
					 CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}

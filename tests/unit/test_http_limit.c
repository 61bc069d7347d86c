/* SPDX-License-Identifier: Apache-2.0 */
/* Rates of requests: exact for each key, however many there are, and whoever shares the table. */
#include <CUnit/CUnit.h>
#include <pthread.h>
#include <stdlib.h>

#include "dp/l7/limit.h"
#include "tests/unit/suites.h"

#define MS      1000000ull
#define SECOND  (1000 * MS)
#define THREADS 4
#define BURST   50000

static const struct siphash_key hash = { 1, 2 };

static struct gcra
limit_of(uint64_t per_second, uint64_t burst_ns)
{
	return gcra_make(&(struct gcra_rate){
	    .count = per_second, .period_ns = SECOND, .burst_ns = burst_ns, .max_n = 1 });
}

static struct http_limit_key
key_of(uint64_t whom, uint64_t limit)
{
	return (struct http_limit_key){ { whom, ~whom }, limit };
}

/* ---- one key --------------------------------------------------------------------------------- */

static void
check_one(bool shared)
{
	struct http_limit_table *t = http_limit_table_create(1024, shared, &hash);
	struct http_limit_key key = key_of(7, 1), other = key_of(7, 2), third = key_of(8, 1);
	struct gcra g = limit_of(10, SECOND);
	uint64_t now = 5 * SECOND, wait;
	uint32_t i;

	for (i = 0; i < 10; i++)
		CU_ASSERT_EQUAL(http_limit_take(t, &key, &g, now), 0);
	wait = http_limit_take(t, &key, &g, now);
	CU_ASSERT_EQUAL(wait, 100 * MS);
	/* Being refused costs nothing, and others have their own. */
	CU_ASSERT_EQUAL(http_limit_take(t, &key, &g, now), wait);
	CU_ASSERT_EQUAL(http_limit_take(t, &other, &g, now), 0);
	CU_ASSERT_EQUAL(http_limit_take(t, &third, &g, now), 0);
	/* To the nanosecond. */
	CU_ASSERT_EQUAL(http_limit_take(t, &key, &g, now + wait - 1), 1);
	CU_ASSERT_EQUAL(http_limit_take(t, &key, &g, now + wait), 0);
	CU_ASSERT_EQUAL(http_limit_take(t, &key, &g, now + wait), 100 * MS);
	/* What was given back can be had again, once. */
	http_limit_give_back(t, &key, &g);
	CU_ASSERT_EQUAL(http_limit_take(t, &key, &g, now + wait), 0);
	CU_ASSERT_EQUAL(http_limit_take(t, &key, &g, now + wait), 100 * MS);
	/* Giving back what was never taken gives nothing. */
	key = key_of(9, 1);
	for (i = 0; i < 5; i++)
		http_limit_give_back(t, &key, &g);
	for (i = 0; i < 10; i++)
		CU_ASSERT_EQUAL(http_limit_take(t, &key, &g, now), 0);
	CU_ASSERT_EQUAL(http_limit_take(t, &key, &g, now), 100 * MS);
	http_limit_table_destroy(t);
}

static void
test_one(void)
{
	check_one(false);
	check_one(true);
}

/* ---- beside a model ---------------------------------------------------------------------------
 */

#define KEYS 4000

/* Each key has a bucket of its own in the model. What the table lets through the model does, too;
 * and the other way round as long as there is a place for every key. */
static void
check_model(uint32_t buckets, uint32_t keys, bool all_fit, uint64_t seed)
{
	struct http_limit_table *t = http_limit_table_create(buckets, seed & 1, &hash);
	const struct gcra gcras[3] = { limit_of(100, 50 * MS), limit_of(3, 2 * SECOND),
				       limit_of(1, SECOND) };
	uint64_t *tats = calloc(keys, sizeof(*tats)), state = seed, now = SECOND;
	uint32_t i, allowed = 0, refused = 0, over = 0, differ = 0;

	for (i = 0; i < 200000; i++) {
		uint64_t r = test_random(&state);
		uint32_t k = (uint32_t)(r >> 32) % keys;
		const struct gcra *g = &gcras[k % 3];
		struct http_limit_key key = key_of(k / 3, 1 + k % 3);
		uint64_t after;
		bool model, table;

		now += r % 5 ? r % 1000 : r % (20 * MS) / 50;
		model = gcra_try(g, tats[k], gcra_time(now), gcra_cost(g, 1), &after);
		table = http_limit_take(t, &key, g, now) == 0;
		over += table && !model;
		differ += table != model;
		if (table)
			tats[k] = after;
		allowed += table;
		refused += !table;
	}
	CU_ASSERT_EQUAL(over, 0);
	CU_ASSERT(allowed > 100 && refused > 100);
	CU_ASSERT_EQUAL(differ == 0, all_fit);
	free(tats);
	http_limit_table_destroy(t);
}

static void
test_model(void)
{
	uint64_t seed;

	for (seed = 1; seed <= 4; seed++) {
		check_model(16384, 300, true, seed);
		check_model(16, 60, false, seed);
		check_model(256, KEYS, false, seed);
	}
}

/* ---- a flood of keys ---------------------------------------------------------------------------
 */

/* Whoever is limited stays so while others fill the table, and these get no more together than one
 * key would. */
static void
test_flood(void)
{
	struct http_limit_table *t = http_limit_table_create(64, false, &hash);
	struct http_limit_key victim = key_of(1, 1), key;
	struct gcra g = limit_of(1, 10 * SECOND);
	uint64_t now = SECOND, i, served = 0;

	for (i = 0; i < 10; i++)
		CU_ASSERT_EQUAL(http_limit_take(t, &victim, &g, now), 0);
	for (i = 0; i < 100000; i++) {
		key = key_of(1000 + i, 1);
		served += http_limit_take(t, &key, &g, now) == 0;
	}
	/* All places but the victim's, and one bucket for the rest. */
	CU_ASSERT(served <= 63 + 10);
	CU_ASSERT(served >= 40);
	CU_ASSERT(http_limit_take(t, &victim, &g, now) > 0);
	/* Another limit has its own bucket for those without a place. */
	key = key_of(5, 2);
	CU_ASSERT_EQUAL(http_limit_take(t, &key, &g, now), 0);
	/* When all have run out, there is room again. */
	now += 20 * SECOND;
	for (i = 0, served = 0; i < 30; i++) {
		key = key_of(500000 + i, 1);
		served += http_limit_take(t, &key, &g, now) == 0;
	}
	CU_ASSERT_EQUAL(served, 30);
	http_limit_table_destroy(t);
}

/* Who had to share a bucket gets no second burst with a place of its own. */
static void
test_late_place(void)
{
	struct http_limit_table *t = http_limit_table_create(16, false, &hash);
	struct gcra brief = limit_of(1000, 10 * MS), g = limit_of(1, 10 * SECOND);
	struct http_limit_key key, late = key_of(77, 2);
	uint64_t now = SECOND, i, served = 0;

	for (i = 0; i < 1000; i++) {
		key = key_of(1000 + i, 1);
		http_limit_take(t, &key, &brief, now);
	}
	for (i = 0; i < 20; i++)
		served += http_limit_take(t, &late, &g, now) == 0;
	now += 500 * MS; /* the others' places are free now */
	for (i = 0; i < 20; i++)
		served += http_limit_take(t, &late, &g, now) == 0;
	CU_ASSERT_EQUAL(served, 10);
	now += 500 * MS;
	CU_ASSERT_EQUAL(http_limit_take(t, &late, &g, now), 0);
	CU_ASSERT(http_limit_take(t, &late, &g, now) > 0);
	http_limit_table_destroy(t);
}

/* ---- threads -----------------------------------------------------------------------------------
 */

struct sharer {
	struct http_limit_table *table;
	pthread_barrier_t *start;
	pthread_t thread;
	uint64_t seed;
	uint32_t served[8];
};

static void *
share(void *arg)
{
	struct sharer *s = arg;
	struct gcra g = limit_of(BURST, SECOND);
	uint64_t i, state = s->seed;

	pthread_barrier_wait(s->start);
	for (i = 0; i < 8 * BURST; i++) {
		uint64_t r = test_random(&state);
		struct http_limit_key key = key_of(r % 8, 1);

		if (http_limit_take(s->table, &key, &g, 5 * SECOND))
			continue;
		if (r >> 32 & 7)
			s->served[r % 8]++;
		else
			http_limit_give_back(s->table, &key, &g);
	}
	return NULL;
}

/* At one moment, all threads together get the burst of each key, and not one more or less. */
static void
test_shared(void)
{
	struct sharer sharers[THREADS] = { 0 };
	pthread_barrier_t start;
	uint32_t i, k, sum;

	pthread_barrier_init(&start, NULL, THREADS);
	sharers[0].table = http_limit_table_create(16, true, &hash);
	for (i = 0; i < THREADS; i++) {
		sharers[i].table = sharers[0].table;
		sharers[i].start = &start;
		sharers[i].seed = i + 1;
		CU_ASSERT_EQUAL_FATAL(pthread_create(&sharers[i].thread, NULL, share, &sharers[i]),
				      0);
	}
	for (i = 0; i < THREADS; i++)
		pthread_join(sharers[i].thread, NULL);
	for (k = 0; k < 8; k++) {
		for (i = 0, sum = 0; i < THREADS; i++)
			sum += sharers[i].served[k];
		CU_ASSERT_EQUAL(sum, BURST);
	}
	pthread_barrier_destroy(&start);
	http_limit_table_destroy(sharers[0].table);
}

int
test_http_limit_register(void)
{
	CU_TestInfo tests[] = {
		{ "one key", test_one },
		{ "beside a model", test_model },
		{ "a flood of keys", test_flood },
		{ "a place that comes late", test_late_place },
		{ "shared by threads", test_shared },
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = { { "http limits", NULL, NULL, NULL, NULL, tests },
				  CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* GCRA: never more than limit * time + burst, and hardly less, whatever comes when. */
#include <CUnit/CUnit.h>
#include <stdlib.h>

#include "lib/gcra.h"
#include "tests/unit/suites.h"

#define SECOND 1000000000ull
#define START  (5 * SECOND)

static struct gcra
rate(uint64_t count, uint64_t period, uint64_t burst, uint32_t max_n)
{
	struct gcra_rate r = { count, period, burst, max_n };

	return gcra_make(&r);
}

/* How many of those that come at once pass. */
static uint32_t
at_once(const struct gcra *g, uint64_t *tat, uint64_t ns, uint32_t n)
{
	uint64_t now = gcra_time(ns), after;
	uint32_t passed = 0;

	while (n--) {
		bool allowed = gcra_allows(g, *tat, now, gcra_cost(g, 1));

		CU_ASSERT_EQUAL(gcra_try(g, *tat, now, gcra_cost(g, 1), &after), allowed);
		if (!allowed)
			continue;
		CU_ASSERT_EQUAL(after, gcra_commit(g, *tat, now, gcra_cost(g, 1)));
		*tat = after;
		passed++;
	}
	return passed;
}

static void
test_burst(void)
{
	struct gcra g = rate(1000, SECOND, 100000000, 1);
	uint64_t tat = 0;

	CU_ASSERT_EQUAL(gcra_left(&g, tat, gcra_time(START)), 100);
	CU_ASSERT_EQUAL(at_once(&g, &tat, START, 1000), 100);
	CU_ASSERT_EQUAL(gcra_left(&g, tat, gcra_time(START)), 0);
	CU_ASSERT_EQUAL(at_once(&g, &tat, START + 999999, 1000), 0);
	CU_ASSERT_EQUAL(at_once(&g, &tat, START + 1000000, 1000), 1);
	CU_ASSERT_EQUAL(at_once(&g, &tat, START + 11000000, 1000), 10);
	/* Full again, and no fuller. */
	CU_ASSERT_EQUAL(at_once(&g, &tat, START + 100 * SECOND, 1000), 100);
}

/* What fits into the burst exactly does so whatever the rounding. */
static void
test_exact_burst(void)
{
	uint64_t n;

	for (n = 1; n < 2000; n++) {
		struct gcra g = rate(n, SECOND, SECOND, 1);
		uint64_t tat = 0;

		CU_ASSERT_EQUAL(at_once(&g, &tat, START, 3000), n);
	}
}

/* A burst below one event: one at a time. */
static void
test_less_than_one(void)
{
	struct gcra g = rate(1, SECOND, 1000, 1), bytes = rate(1000, SECOND, 1000000, 65535);
	uint64_t tat = 0, now = gcra_time(START);

	CU_ASSERT_EQUAL(at_once(&g, &tat, START, 10), 1);
	CU_ASSERT_EQUAL(at_once(&g, &tat, START + SECOND - 1, 10), 0);
	CU_ASSERT_EQUAL(at_once(&g, &tat, START + SECOND, 10), 1);
	/* 1,500 bytes where one fits: allowed when the bucket is full, and 1.5 s follow. */
	CU_ASSERT_TRUE(gcra_allows(&bytes, 0, now, gcra_cost(&bytes, 1500)));
	tat = gcra_commit(&bytes, 0, now, gcra_cost(&bytes, 1500));
	CU_ASSERT_FALSE(gcra_allows(&bytes, tat, gcra_time(START + 1499 * SECOND / 1000 - 1),
				    gcra_cost(&bytes, 1)));
	CU_ASSERT_TRUE(gcra_allows(&bytes, tat, gcra_time(START + 1500 * SECOND / 1000), 1));
}

/* Random arrivals against the exact bound. */
static void
run_random(uint64_t count, uint64_t period, uint64_t burst, uint32_t most, uint64_t *seed)
{
	struct gcra g = rate(count, period, burst, 65535);
	uint64_t tat = 0, ns = START, passed = 0, i;
	unsigned __int128 bound;

	for (i = 0; i < 20000; i++) {
		uint32_t n = 1 + (uint32_t)(test_random(seed) % most);
		uint64_t gap =
		    test_random(seed) % 4 ? 0 : test_random(seed) % (period / count * most + 2);

		ns += gap;
		if (!gcra_allows(&g, tat, gcra_time(ns), gcra_cost(&g, n)))
			continue;
		tat = gcra_commit(&g, tat, gcra_time(ns), gcra_cost(&g, n));
		passed += n;
		/* passed * period <= (time + burst) * count, all exact; an event larger than the
		 * burst may stand alone. */
		bound = (unsigned __int128)(ns - START + burst) * count +
			(unsigned __int128)most * period;
		CU_ASSERT((unsigned __int128)passed * period <= bound);
		if (burst >= period / count * most * 2)
			CU_ASSERT((unsigned __int128)passed * period <=
				  (unsigned __int128)(ns - START + burst) * count);
	}
	CU_ASSERT(passed > 0);
}

static void
test_never_over(void)
{
	static const uint64_t counts[] = {
		1, 3, 7, 1000, 33333, 1000000, 7777777, 999999999, 5000000000ull, 999999999999ull
	};
	static const uint64_t bursts[] = { 1000, 1000000, 100000000, SECOND, 3600 * SECOND };
	uint64_t seed = 88172645463325252ull;
	size_t i, j;

	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		for (j = 0; j < sizeof(bursts) / sizeof(bursts[0]); j++) {
			run_random(counts[i], SECOND, bursts[j], 1, &seed);
			run_random(counts[i], 60 * SECOND, bursts[j], 1500, &seed);
		}
	}
}

/* Over 10 s of more than enough, what passes is the limit within 0.5 %, from below. */
static void
test_precision(void)
{
	static const uint64_t counts[] = { 1000,    9999,    10000,    123456,
					   1000000, 3333333, 14880952, 100000000 };
	size_t i;

	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct gcra g = rate(counts[i], SECOND, 10000000, 1);
		uint64_t cost = gcra_cost(&g, 1), n = 10 * SECOND * GCRA_TICKS_PER_NS / cost;

		CU_ASSERT(n <= 10 * counts[i]);
		CU_ASSERT(n >= 10 * counts[i] - 10 * counts[i] / 200);
	}
	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct gcra g = rate(counts[i] * 1000, SECOND, 10000000, 65535);
		uint64_t cost = gcra_cost(&g, 1400),
			 n = 10 * SECOND * GCRA_TICKS_PER_NS / cost * 1400;

		CU_ASSERT(n <= 10000 * counts[i]);
		CU_ASSERT(n + 1400 >= 10000 * counts[i] - 50 * counts[i]);
	}
}

/* A tat that stricter limits, or another clock, have left far ahead holds nobody off for longer
 * than the burst. */
static void
test_bounded(void)
{
	struct gcra g = rate(1000, SECOND, 100000000, 1);
	uint64_t tat = gcra_time(START + 86400 * SECOND);

	CU_ASSERT_FALSE(gcra_allows(&g, tat, gcra_time(START), gcra_cost(&g, 1)));
	tat = gcra_commit(&g, tat, gcra_time(START), 0);
	CU_ASSERT_EQUAL(tat, gcra_time(START + 100000000));
	CU_ASSERT_TRUE(gcra_allows(&g, tat, gcra_time(START + 1000000), gcra_cost(&g, 1)));
}

/* No sum of what limits may be runs over. */
static void
test_extremes(void)
{
	static const uint64_t counts[] = { 1, UINT32_MAX, 1000000000000000ull };
	static const uint64_t bursts[] = { 1000, 86400 * SECOND, UINT64_MAX };
	uint64_t now = gcra_time(4ull * 365 * 86400 * SECOND), tat;
	size_t i, j;

	for (i = 0; i < 3; i++) {
		for (j = 0; j < 3; j++) {
			struct gcra g = rate(counts[i], 3600 * SECOND, bursts[j], 65535);

			CU_ASSERT_TRUE(gcra_allows(&g, 0, now, gcra_cost(&g, 65535)));
			tat = gcra_commit(&g, 0, now, gcra_cost(&g, 65535));
			CU_ASSERT(tat >= now && tat - now <= g.ceiling);
			CU_ASSERT(now + g.ceiling > now && now + g.burst > now);
		}
	}
	CU_ASSERT_EQUAL(gcra_left(&(struct gcra){ 0 }, 0, now), UINT64_MAX);
}

static void
test_none(void)
{
	struct gcra g = gcra_none();
	uint64_t now = gcra_time(START);

	CU_ASSERT_EQUAL(gcra_cost(&g, 65535), 0);
	CU_ASSERT_TRUE(gcra_allows(&g, 0, now, 0));
	CU_ASSERT_EQUAL(gcra_commit(&g, 0, now, 0), now);
	CU_ASSERT_EQUAL(gcra_left(&g, 0, now), UINT64_MAX);
}

/* The short form for constants is the long one. */
static void
test_every(void)
{
	struct gcra made = rate(4000, SECOND, 4000000, 1), g = GCRA_EVERY(250000ull, 16);
	uint64_t tat = 0;
	uint32_t passed = 0, i;

	CU_ASSERT(g.mult == made.mult && g.shift == made.shift);
	CU_ASSERT(g.burst == made.burst && g.ceiling == made.ceiling);
	for (i = 0; i < 100; i++)
		passed += gcra_take(&g, &tat, gcra_time(START));
	CU_ASSERT_EQUAL(passed, 16);
	CU_ASSERT_FALSE(gcra_take(&g, &tat, gcra_time(START + 249999)));
	CU_ASSERT_TRUE(gcra_take(&g, &tat, gcra_time(START + 250000)));
	CU_ASSERT_FALSE(gcra_take(&g, &tat, gcra_time(START + 250000)));
}

int
test_gcra_register(void)
{
	static CU_TestInfo tests[] = {
		{ "a burst, then the rate", test_burst },
		{ "what fits exactly", test_exact_burst },
		{ "bursts of less than one", test_less_than_one },
		{ "never over limit * time + burst", test_never_over },
		{ "within 0.5 % of the limit", test_precision },
		{ "a tat too far ahead", test_bounded },
		{ "extremes", test_extremes },
		{ "no limit", test_none },
		{ "made of constants", test_every },
		CU_TEST_INFO_NULL,
	};

	static CU_SuiteInfo suites[] = { { "gcra", NULL, NULL, NULL, NULL, tests },
					 CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}

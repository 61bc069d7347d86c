/* SPDX-License-Identifier: Apache-2.0 */
/* Round-trip times and timeouts against the formulas of RFC 6298 and 7323, in exact arithmetic. */
#include <CUnit/CUnit.h>

#include "dp/tcp/rtt.h"
#include "tests/unit/suites.h"
#include "tests/unit/vectors_tcp.h"

#define MS     1000000ull
#define SECOND 1000000000ull

static bool
within(uint64_t got, uint64_t want, uint64_t off)
{
	return got <= want + off && want <= got + off;
}

static void
test_formula(void)
{
	size_t i, n = sizeof(rtt_vectors) / sizeof(rtt_vectors[0]);
	struct rtt r;

	rtt_init(&r, 200);
	for (i = 0; i < n; i++) {
		const struct rtt_vector *v = &rtt_vectors[i];

		rtt_sample(&r, v->sample, SECOND, v->segments);
		/* 8 binary places: what is cut off adds up over the memory of the filter, 8 and
		 * 2,800 samples. */
		CU_ASSERT(within(rtt_smoothed(&r), v->srtt, 16));
		CU_ASSERT(within(rtt_variation(&r), v->rttvar, 16));
		CU_ASSERT(within(rtt_timeout(&r), v->rto, 64));
	}
}

/* A minimum that was kept elsewhere ages as if it had been measured here. */
static void
test_kept_minimum(void)
{
	const uint64_t when = 1000 * SECOND;
	struct rtt r;

	rtt_init(&r, 200);
	rtt_sample(&r, 100 * MS, SECOND, 1);
	rtt_set_minimum(&r, 7 * MS, when);
	CU_ASSERT_EQUAL(rtt_min(&r), 7 * MS);
	rtt_sample(&r, 100 * MS, when + 290 * SECOND, 1);
	CU_ASSERT_EQUAL(rtt_min(&r), 7 * MS);
	rtt_sample(&r, 90 * MS, when + 320 * SECOND, 1);
	CU_ASSERT_EQUAL(rtt_min(&r), 7 * MS);
	rtt_sample(&r, 90 * MS, when + 650 * SECOND, 1);
	CU_ASSERT_EQUAL(rtt_min(&r), 90 * MS);
	rtt_set_minimum(&r, 7 * MS, when);
	rtt_sample(&r, 100 * MS, when + 700 * SECOND, 1);
	CU_ASSERT_EQUAL(rtt_min(&r), 100 * MS);
}

/* RFC 6298 2.1, 5.5 to 5.7. */
static void
test_timeouts(void)
{
	struct rtt r;

	rtt_init(&r, 200);
	CU_ASSERT_EQUAL(rtt_timeout(&r), SECOND);
	rtt_back_off(&r);
	CU_ASSERT_EQUAL(rtt_timeout(&r), 2 * SECOND);
	rtt_back_off(&r);
	CU_ASSERT_EQUAL(rtt_timeout(&r), 4 * SECOND);
	rtt_syn_was_lost(&r);
	CU_ASSERT_EQUAL(rtt_timeout(&r), 3 * SECOND);

	rtt_sample(&r, 100 * MS, SECOND, 1);
	CU_ASSERT_EQUAL(rtt_smoothed(&r), 100 * MS);
	CU_ASSERT_EQUAL(rtt_variation(&r), 50 * MS);
	CU_ASSERT_EQUAL(rtt_timeout(&r), 300 * MS);
	rtt_back_off(&r);
	CU_ASSERT_EQUAL(rtt_timeout(&r), 600 * MS);
	/* 2.3: RTTVAR is 3/4 of what it was. */
	rtt_sample(&r, 100 * MS, SECOND, 1);
	CU_ASSERT_EQUAL(rtt_timeout(&r), 250 * MS);
}

static void
test_bounds(void)
{
	struct rtt r;
	unsigned int i;

	rtt_init(&r, 200);
	for (i = 0; i < 100; i++)
		rtt_sample(&r, 50000, SECOND, 1);
	CU_ASSERT_EQUAL(rtt_timeout(&r), 200 * MS);
	for (i = 0; i < 300; i++) {
		rtt_back_off(&r);
		CU_ASSERT(rtt_timeout(&r) <= RTO_MAX);
	}
	CU_ASSERT_EQUAL(rtt_timeout(&r), RTO_MAX);
	rtt_sample(&r, UINT64_MAX, SECOND, 1);
	CU_ASSERT(rtt_smoothed(&r) < RTT_SAMPLE_MAX);
	rtt_sample(&r, 0, SECOND, UINT32_MAX);
	CU_ASSERT(rtt_smoothed(&r) > 0);

	/* The granularity of timers counts where nothing varies: RFC 6298 2.3. */
	rtt_init(&r, 1);
	for (i = 0; i < 1000; i++)
		rtt_sample(&r, 10 * MS, SECOND, 1);
	CU_ASSERT_EQUAL(rtt_timeout(&r), 11 * MS);
}

/* The minimum forgets what is older than 10 minutes, and nothing younger than 5. */
static void
test_minimum(void)
{
	struct rtt r;
	uint64_t now = 123456 * SECOND, begin = now;

	rtt_init(&r, 200);
	CU_ASSERT_EQUAL(rtt_min(&r), 0);
	rtt_sample(&r, 10 * MS, now, 1);
	CU_ASSERT_EQUAL(rtt_min(&r), 10 * MS);
	for (; now < begin + 590 * SECOND; now += SECOND) {
		rtt_sample(&r, 20 * MS, now, 1);
		CU_ASSERT_EQUAL(rtt_min(&r), 10 * MS);
	}
	for (; now < begin + 603 * SECOND; now += SECOND)
		rtt_sample(&r, 20 * MS, now, 1);
	CU_ASSERT_EQUAL(rtt_min(&r), 20 * MS);
	rtt_sample(&r, 30 * MS, now + 3600 * SECOND, 1);
	CU_ASSERT_EQUAL(rtt_min(&r), 30 * MS);
	rtt_sample(&r, 60 * SECOND, now + 7200 * SECOND, 1);
	CU_ASSERT_EQUAL(rtt_min(&r), UINT32_MAX);
}

int
test_tcp_rtt_register(void)
{
	static CU_TestInfo tests[] = {
		{ "the formulas", test_formula },
		{ "timeouts", test_timeouts },
		{ "bounds", test_bounds },
		{ "the minimum", test_minimum },
		{ "a minimum that was kept", test_kept_minimum },
		CU_TEST_INFO_NULL,
	};
	static CU_SuiteInfo suites[] = { { "tcp round trips", NULL, NULL, NULL, NULL, tests },
					 CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}

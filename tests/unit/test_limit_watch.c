/* SPDX-License-Identifier: Apache-2.0 */
/* cp/admin/limit_watch: when a limit is said to begin and to have ended. */
#include <CUnit/CUnit.h>

#include "cp/admin/limit_watch.h"
#include "tests/unit/suites.h"

#define SECOND 1000000000ULL

static void
test_one_limit(void)
{
	struct limit_state s = { 0 };
	uint64_t t = 100 * SECOND;
	int i;

	CU_ASSERT_EQUAL(limit_state_step(&s, 0, t), LIMIT_UNCHANGED);
	CU_ASSERT_EQUAL(limit_state_step(&s, 5, t += SECOND), LIMIT_BEGINS);
	CU_ASSERT_EQUAL(s.count - s.count_before, 5);
	/* It goes on, also with pauses of less than 10 s: nothing is said again. */
	for (i = 0; i < 30; i++)
		CU_ASSERT_EQUAL(limit_state_step(&s, 6 + i / 5, t += SECOND), LIMIT_UNCHANGED);
	CU_ASSERT_EQUAL(s.count - s.count_before, 11);
	for (i = 0; i < 5; i++)
		CU_ASSERT_EQUAL(limit_state_step(&s, 11, t += SECOND), LIMIT_UNCHANGED);
	CU_ASSERT_EQUAL(limit_state_step(&s, 11, t += SECOND), LIMIT_ENDS);
	CU_ASSERT_EQUAL((s.last - s.bites_since) / SECOND, 26);
	/* The caller has said so; the next drop begins anew and counts from there. */
	s.bites_since = 0;
	CU_ASSERT_EQUAL(limit_state_step(&s, 11, t += SECOND), LIMIT_UNCHANGED);
	CU_ASSERT_EQUAL(limit_state_step(&s, 14, t += SECOND), LIMIT_BEGINS);
	CU_ASSERT_EQUAL(s.count - s.count_before, 3);
}

int
test_limit_watch_register(void)
{
	static CU_TestInfo tests[] = {
		{ "begins and ends", test_one_limit },
		CU_TEST_INFO_NULL,
	};
	static CU_SuiteInfo suites[] = {
		{ "limit watch", NULL, NULL, NULL, NULL, tests },
		CU_SUITE_INFO_NULL,
	};

	return CU_register_suites(suites);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The hash table of the control side against an array. */
#include <CUnit/CUnit.h>
#include <string.h>

#include "cp/net/table.h"
#include "tests/unit/suites.h"

#define KEYS 600

struct entry {
	uint32_t key, value;
};

static void
agree(const struct table *t, const uint32_t *values)
{
	const struct entry *e = NULL;
	size_t count = 0, walked = 0;
	uint32_t key;

	for (key = 0; key < KEYS; key++) {
		e = table_find(t, &key);
		count += values[key] != 0;
		CU_ASSERT_EQUAL(e ? e->value : 0, values[key]);
	}
	for (e = table_next(t, NULL); e; e = table_next(t, e))
		walked++;
	CU_ASSERT_EQUAL(t->count, count);
	CU_ASSERT_EQUAL(walked, count);
}

static bool
divisible(const void *entry, const void *arg)
{
	return ((const struct entry *)entry)->key % *(const uint32_t *)arg == 0;
}

static void
random_changes_agree_with_an_array(void)
{
	uint32_t values[KEYS] = { 0 }, divisor, key;
	uint64_t state = 7;
	struct table t;
	unsigned int i;

	table_init(&t, sizeof(struct entry), sizeof(uint32_t));
	agree(&t, values);
	for (i = 0; i < 40000; i++) {
		struct entry *e;
		bool created;

		key = (uint32_t)(test_random(&state) % KEYS);
		if (test_random(&state) % 5 < 3) {
			e = table_insert(&t, &key, &created);
			CU_ASSERT_PTR_NOT_NULL_FATAL(e);
			CU_ASSERT_EQUAL(created, values[key] == 0);
			CU_ASSERT_EQUAL(e->value, values[key]);
			e->value = values[key] = i + 1;
		} else {
			e = table_find(&t, &key);
			CU_ASSERT_EQUAL(e != NULL, values[key] != 0);
			if (e)
				table_remove(&t, e);
			values[key] = 0;
		}
		if (i % 1000 != 999)
			continue;
		agree(&t, values);
		divisor = (uint32_t)(2 + test_random(&state) % 9);
		table_sweep(&t, divisible, &divisor);
		for (key = 0; key < KEYS; key += divisor)
			values[key] = 0;
		agree(&t, values);
	}
	table_free(&t);
	CU_ASSERT_EQUAL(t.count, 0);
}

int
test_table_register(void)
{
	CU_TestInfo tests[] = {
		{ "random changes agree with an array", random_changes_agree_with_an_array },
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = { { "table", NULL, NULL, NULL, NULL, tests }, CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}

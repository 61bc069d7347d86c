/* SPDX-License-Identifier: Apache-2.0 */
/* lib/flow_table: against an array of what should be in it. */
#include <CUnit/CUnit.h>
#include <stdlib.h>

#include "lib/flow_table.h"
#include "tests/unit/suites.h"

#define MANY 200000u

struct model {
	struct flow_table t;
	uint64_t *hashes; /* by value; 0: not in the table */
	uint32_t n;
	uint64_t seed;
};

static void
model_init(struct model *m, uint32_t n)
{
	size_t size = flow_table_size(n);
	void *memory = aligned_alloc(64, size);

	CU_ASSERT_PTR_NOT_NULL_FATAL(memory);
	memset(memory, 0, size);
	*m = (struct model){ .hashes = calloc(n, sizeof(uint64_t)), .n = n, .seed = 7 };
	CU_ASSERT_PTR_NOT_NULL_FATAL(m->hashes);
	flow_table_init(&m->t, n, memory);
}

static void
model_free(struct model *m)
{
	free(m->t.buckets);
	free(m->hashes);
}

static bool
finds(const struct flow_table *t, uint64_t hash, uint32_t value)
{
	struct flow_cursor c = flow_table_find(t, hash);
	uint32_t v;

	while (flow_table_next(t, hash, &c, &v))
		if (v == value)
			return true;
	return false;
}

static void
check_all(const struct model *m)
{
	uint32_t i, present = 0, missing = 0;

	for (i = 0; i < m->n; i++) {
		present += m->hashes[i] != 0;
		missing += m->hashes[i] && !finds(&m->t, m->hashes[i], i);
	}
	CU_ASSERT_EQUAL(missing, 0);
	CU_ASSERT_EQUAL(m->t.entries, present);
}

/* The table's own account: occupied places, and who is away from which bucket. */
static void
check_account(const struct flow_table *t)
{
	uint32_t *away = calloc(t->mask + 1, sizeof(*away)), b, i, occupied = 0, wrong = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(away);
	for (b = 0; b <= t->mask; b++) {
		const struct flow_bucket *bucket = &t->buckets[b];

		for (i = 0; i < FLOW_BUCKET_ENTRIES; i++) {
			occupied += bucket->tags[i] != 0;
			if (bucket->guests >> i & 1) {
				wrong += bucket->tags[i] == 0;
				away[flow_other(t, b, bucket->tags[i])]++;
			}
		}
	}
	for (b = 0; b <= t->mask; b++)
		wrong += away[b] != t->buckets[b].away;
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT_EQUAL(occupied, t->entries);
	free(away);
}

static uint64_t
some_hash(struct model *m)
{
	uint64_t hash = test_random(&m->seed);

	return hash ? hash : 1;
}

static void
test_random_changes(void)
{
	struct model m;
	uint32_t step, i;

	model_init(&m, 3000);
	for (step = 0; step < MANY; step++) {
		i = (uint32_t)(test_random(&m.seed) % m.n);
		if (m.hashes[i]) {
			CU_ASSERT_TRUE(flow_table_remove(&m.t, m.hashes[i], i));
			CU_ASSERT_FALSE(finds(&m.t, m.hashes[i], i));
			CU_ASSERT_FALSE(flow_table_remove(&m.t, m.hashes[i], i));
			m.hashes[i] = 0;
		} else {
			m.hashes[i] = some_hash(&m);
			CU_ASSERT_TRUE(flow_table_insert(&m.t, m.hashes[i], i));
		}
		if (step % 20000 == 0) {
			check_all(&m);
			check_account(&m.t);
		}
	}
	check_all(&m);
	model_free(&m);
}

/* What flow_table_size promises for, and a good deal more. */
static void
test_full(void)
{
	struct model m;
	uint32_t i, most, failed = 0;

	model_init(&m, 400000);
	most = (uint32_t)((uint64_t)(m.t.mask + 1) * FLOW_BUCKET_ENTRIES * 9 / 10);
	m.hashes = realloc(m.hashes, most * sizeof(*m.hashes));
	CU_ASSERT_PTR_NOT_NULL_FATAL(m.hashes);
	for (i = 0; i < most; i++) {
		m.hashes[i] = some_hash(&m);
		failed += !flow_table_insert(&m.t, m.hashes[i], i);
	}
	CU_ASSERT_EQUAL(failed, 0);
	m.n = most;
	check_all(&m);
	check_account(&m.t);
	model_free(&m);
}

/* One that finds no place changes nothing. */
static void
test_refused(void)
{
	struct model m;
	uint32_t i, refused = 0;

	model_init(&m, 50);
	CU_ASSERT_EQUAL(m.t.mask, 7);
	m.hashes = realloc(m.hashes, 1000 * sizeof(*m.hashes));
	CU_ASSERT_PTR_NOT_NULL_FATAL(m.hashes);
	m.n = 1000;
	for (i = 0; i < m.n; i++) {
		m.hashes[i] = some_hash(&m);
		if (!flow_table_insert(&m.t, m.hashes[i], i)) {
			m.hashes[i] = 0;
			refused++;
		}
	}
	CU_ASSERT(refused >= m.n - 64);
	check_all(&m);
	check_account(&m.t);
	for (i = 0; i < m.n; i++)
		CU_ASSERT_EQUAL(flow_table_remove(&m.t, m.hashes[i], i), m.hashes[i] != 0);
	CU_ASSERT_EQUAL(m.t.entries, 0);
	check_account(&m.t);
	model_free(&m);
}

/* Keys whose hashes are the same altogether. */
static void
test_same_hash(void)
{
	struct model m;
	uint32_t i, found = 0, value;
	struct flow_cursor c;

	model_init(&m, 1000);
	for (i = 0; i < 16; i++)
		CU_ASSERT_TRUE(flow_table_insert(&m.t, 0x1234567890abcdefULL, i));
	CU_ASSERT_FALSE(flow_table_insert(&m.t, 0x1234567890abcdefULL, 16));
	check_account(&m.t);
	c = flow_table_find(&m.t, 0x1234567890abcdefULL);
	while (flow_table_next(&m.t, 0x1234567890abcdefULL, &c, &value))
		found |= 1u << value;
	CU_ASSERT_EQUAL(found, 0xffff);
	for (i = 0; i < 16; i++)
		CU_ASSERT_TRUE(flow_table_remove(&m.t, 0x1234567890abcdefULL, i));
	CU_ASSERT_EQUAL(m.t.entries, 0);
	model_free(&m);
}

static void
test_matches(void)
{
	struct flow_bucket b = { .tags = { 1, 2, 0xffff, 1, 0, 0x8000, 2, 1 } };
	static const uint16_t tags[] = { 0, 1, 2, 3, 0x7fff, 0x8000, 0xffff };
	size_t i;

	CU_ASSERT_EQUAL(flow_matches_plain(&b, 1), 0x89);
	for (i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
		CU_ASSERT_EQUAL(flow_matches(&b, tags[i]), flow_matches_plain(&b, tags[i]));
}

static void
test_sizes(void)
{
	CU_ASSERT_EQUAL(flow_table_buckets(0), 1);
	CU_ASSERT_EQUAL(flow_table_buckets(6), 1);
	CU_ASSERT_EQUAL(flow_table_buckets(7), 2);
	CU_ASSERT_EQUAL(flow_table_buckets(1u << 23), 1u << 21);
	CU_ASSERT_EQUAL(flow_table_buckets(1u << 30), 1u << 28);
}

int
test_flow_table_register(void)
{
	CU_pSuite s = CU_add_suite("flow_table", NULL, NULL);

	CU_add_test(s, "random changes", test_random_changes);
	CU_add_test(s, "filled to 90 %", test_full);
	CU_add_test(s, "no place", test_refused);
	CU_add_test(s, "the same hash", test_same_hash);
	CU_add_test(s, "tags: SIMD and plain", test_matches);
	CU_add_test(s, "sizes", test_sizes);
	return CU_get_error();
}

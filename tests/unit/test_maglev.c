/* SPDX-License-Identifier: Apache-2.0 */
/* lib/maglev: the paper's example, the paper's algorithm by the letter, balance, weights, order,
 * and how much moves when members fail. */
#include <CUnit/CUnit.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/maglev.h"
#include "tests/unit/maglev_plain.h"
#include "tests/unit/suites.h"

#define MEMBERS 1000u

/* A pool to build from, and room for two tables. */
struct pool {
	uint64_t keys[MEMBERS];
	struct maglev_member members[MEMBERS];
	uint16_t before[MAGLEV_ROWS_LARGE], after[MAGLEV_ROWS_LARGE];
};

static struct pool *
make_pool(uint64_t seed)
{
	struct pool *p = malloc(sizeof(*p));
	unsigned int i;

	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	for (i = 0; i < MEMBERS; i++) {
		p->keys[i] = test_random(&seed);
		p->members[i].key = &p->keys[i];
		p->members[i].key_len = sizeof(p->keys[i]);
		p->members[i].weight = 100;
		p->members[i].slot = (uint16_t)i;
	}
	return p;
}

static void
test_maglev_paper(void)
{
	struct maglev_permutation b[] = { { 3, 4, 1, 0 }, { 0, 2, 1, 1 }, { 3, 1, 1, 2 } };
	static const uint16_t all[7] = { 1, 0, 1, 0, 2, 2, 0 };
	static const uint16_t without[7] = { 0, 0, 0, 0, 2, 2, 2 };
	uint16_t rows[7];

	CU_ASSERT_EQUAL(maglev_fill(rows, 7, b, 3), 0);
	CU_ASSERT_EQUAL(memcmp(rows, all, sizeof(rows)), 0);
	b[1].weight = 0;
	CU_ASSERT_EQUAL(maglev_fill(rows, 7, b, 3), 0);
	CU_ASSERT_EQUAL(memcmp(rows, without, sizeof(rows)), 0);
	b[1] = b[2];
	CU_ASSERT_EQUAL(maglev_fill(rows, 7, b, 2), 0);
	CU_ASSERT_EQUAL(memcmp(rows, without, sizeof(rows)), 0);
}

/* Pseudocode 1 of the paper, with the products that overflow 32 bits. */
static void
naive_fill(uint16_t *rows, uint32_t m, const struct maglev_permutation *perm, size_t n)
{
	uint32_t *next = calloc(n, sizeof(*next)), filled = 0;
	uint64_t c;
	size_t i;

	CU_ASSERT_PTR_NOT_NULL_FATAL(next);
	memset(rows, 0xff, m * sizeof(*rows));
	for (i = 0; filled < m; i = (i + 1) % n, filled++) {
		do
			c = (perm[i].offset + (uint64_t)next[i]++ * perm[i].skip) % m;
		while (rows[c] != MAGLEV_NONE);
		rows[c] = perm[i].slot;
	}
	free(next);
}

static void
check_against_naive(uint32_t m, size_t n, uint64_t *seed)
{
	struct maglev_permutation *perm = calloc(n, sizeof(*perm));
	uint16_t *ours = malloc(m * sizeof(*ours)), *theirs = malloc(m * sizeof(*theirs));
	size_t i;

	CU_ASSERT_FATAL(perm && ours && theirs);
	for (i = 0; i < n; i++) {
		perm[i].offset = (uint32_t)(test_random(seed) % m);
		perm[i].skip = (uint32_t)(test_random(seed) % (m - 1)) + 1;
		perm[i].weight = UINT32_MAX;
		perm[i].slot = (uint16_t)i;
	}
	/* The steepest skip and the last row. */
	perm[0].offset = m - 1;
	perm[0].skip = m - 1;
	CU_ASSERT_EQUAL(maglev_fill(ours, m, perm, n), 0);
	naive_fill(theirs, m, perm, n);
	CU_ASSERT_EQUAL(memcmp(ours, theirs, m * sizeof(*ours)), 0);
	CU_ASSERT_EQUAL(maglev_fill_plain(ours, m, perm, n), 0);
	CU_ASSERT_EQUAL(memcmp(ours, theirs, m * sizeof(*ours)), 0);
	free(perm);
	free(ours);
	free(theirs);
}

static void
test_maglev_naive(void)
{
	static const uint32_t primes[] = { 2, 3, 5, 7, 61, 127, 251, 1009, 4099 };
	uint64_t seed = 12;
	size_t i, k;

	for (i = 0; i < sizeof(primes) / sizeof(primes[0]); i++)
		for (k = 0; k < 50; k++)
			check_against_naive(primes[i], 1 + test_random(&seed) % primes[i], &seed);
	check_against_naive(MAGLEV_ROWS_SMALL, 600, &seed);
	/* A row's place passes 2^32 here: k * skip is up to 4 * 10^11. */
	check_against_naive(MAGLEV_ROWS_LARGE, 5, &seed);
	check_against_naive(MAGLEV_ROWS_LARGE, 1000, &seed);
}

/* |rows - m * weight / sum| <= 1 for each member, in integers; all rows are somebody's. */
static void
check_shares(const uint16_t *rows, uint32_t m, const struct maglev_member *members, size_t n)
{
	uint64_t *count = calloc(UINT16_MAX + 1, sizeof(*count)), sum = 0;
	__int128 error;
	uint32_t row;
	size_t i;

	CU_ASSERT_PTR_NOT_NULL_FATAL(count);
	for (row = 0; row < m; row++)
		count[rows[row]]++;
	CU_ASSERT_EQUAL(count[MAGLEV_NONE], 0);
	for (i = 0; i < n; i++)
		sum += members[i].weight;
	for (i = 0; i < n; i++) {
		error = (__int128)count[members[i].slot] * sum - (__int128)m * members[i].weight;
		CU_ASSERT(error <= (__int128)sum && -error <= (__int128)sum);
		if (members[i].weight == 0)
			CU_ASSERT_EQUAL(count[members[i].slot], 0);
	}
	free(count);
}

static void
test_maglev_balance(void)
{
	static const size_t sizes[] = { 1, 2, 3, 10, 100, 601, 1000 };
	struct pool *p = make_pool(13);
	uint32_t m;
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (m = MAGLEV_ROWS_SMALL; m; m = m == MAGLEV_ROWS_SMALL ? MAGLEV_ROWS_LARGE : 0) {
			CU_ASSERT_EQUAL(maglev_build(p->after, m, p->members, sizes[i]), 0);
			check_shares(p->after, m, p->members, sizes[i]);
		}
	}
	free(p);
}

static void
set_weights(struct pool *p, unsigned int kind, uint64_t *seed)
{
	unsigned int i;
	uint64_t r;

	for (i = 0; i < MEMBERS; i++) {
		r = test_random(seed);
		switch (kind) {
		case 0:
			p->members[i].weight = (uint32_t)(r % 100);
			break;
		case 1: /* one that outweighs all others */
			p->members[i].weight = i ? 1 + (uint32_t)(r % 3) : 100000;
			break;
		case 2: /* the sum passes the table's size by far */
			p->members[i].weight = UINT32_MAX - (uint32_t)(r % 1000);
			break;
		case 3: /* most get no row */
			p->members[i].weight = i < 10 ? UINT32_MAX : 1;
			break;
		default: /* all magnitudes */
			p->members[i].weight = (uint32_t)(r >> 32 >> r % 32);
		}
	}
}

static void
test_maglev_weights(void)
{
	struct pool *p = make_pool(14);
	uint64_t seed = 15;
	unsigned int kind;

	for (kind = 0; kind < 5; kind++) {
		set_weights(p, kind, &seed);
		CU_ASSERT_EQUAL(maglev_build(p->after, MAGLEV_ROWS_SMALL, p->members, MEMBERS), 0);
		check_shares(p->after, MAGLEV_ROWS_SMALL, p->members, MEMBERS);
		CU_ASSERT_EQUAL(maglev_build(p->after, 1009, p->members, MEMBERS), 0);
		check_shares(p->after, 1009, p->members, MEMBERS);
		CU_ASSERT_EQUAL(maglev_build(p->after, 65521, p->members, 3), 0);
		check_shares(p->after, 65521, p->members, 3);
	}
	free(p);
}

/* The same weights in another unit are the same table. */
static void
test_maglev_scale(void)
{
	struct pool *p = make_pool(16);
	uint64_t seed = 17;
	unsigned int i;

	set_weights(p, 0, &seed);
	CU_ASSERT_EQUAL(maglev_build(p->before, MAGLEV_ROWS_SMALL, p->members, MEMBERS), 0);
	for (i = 0; i < MEMBERS; i++)
		p->members[i].weight *= 10000;
	CU_ASSERT_EQUAL(maglev_build(p->after, MAGLEV_ROWS_SMALL, p->members, MEMBERS), 0);
	CU_ASSERT_EQUAL(memcmp(p->before, p->after, MAGLEV_ROWS_SMALL * sizeof(uint16_t)), 0);
	free(p);
}

static void
test_maglev_order(void)
{
	struct pool *p = make_pool(18);
	struct maglev_member swap;
	uint64_t seed = 19;
	unsigned int i, k, round;

	set_weights(p, 0, &seed);
	/* Keys of all lengths, one the beginning of another, and one key twice. */
	for (i = 0; i < 16; i++) {
		p->keys[i] = i < 9 ? 0x0101010101010101ULL : p->keys[i];
		p->members[i].key_len = i % 9;
		p->members[i].weight = 50 + i;
	}
	for (round = 0; round < 12; round++) {
		CU_ASSERT_EQUAL(maglev_build(p->after, MAGLEV_ROWS_SMALL, p->members, MEMBERS), 0);
		if (round == 0)
			memcpy(p->before, p->after, sizeof(p->before));
		CU_ASSERT_EQUAL(memcmp(p->before, p->after, MAGLEV_ROWS_SMALL * 2), 0);
		for (i = MEMBERS - 1; i > 0; i--) {
			k = (unsigned int)(test_random(&seed) % (i + 1));
			swap = p->members[i];
			p->members[i] = p->members[k];
			p->members[k] = swap;
		}
	}
	free(p);
}

/* One figure for a whole table (FNV-1a). */
static uint32_t
digest(const uint16_t *rows, uint32_t m)
{
	uint32_t h = 2166136261u, row;

	for (row = 0; row < m; row++)
		h = (h ^ rows[row]) * 16777619u;
	return h;
}

/* The table is the same on every node and in every version. (The figure is from another
 * implementation, of the hash too.) */
static void
test_maglev_pinned(void)
{
	static const char *const keys[] = { "alpha", "beta", "gamma", "delta", "epsilon" };
	struct pool *p = make_pool(25);
	unsigned int i;

	for (i = 0; i < 5; i++) {
		p->members[i].key = keys[i];
		p->members[i].key_len = strlen(keys[i]);
	}
	CU_ASSERT_EQUAL(maglev_build(p->after, MAGLEV_ROWS_SMALL, p->members, 5), 0);
	CU_ASSERT_EQUAL(digest(p->after, MAGLEV_ROWS_SMALL), 0x74a734d4);
	free(p);
}

/* ... and these figures are of the version that tried one row after the other. */
static void
test_maglev_pinned_weights(void)
{
	static const uint32_t small[] = { 0x9c62e4e0, 0xd79eb6bf, 0x264dffbc, 0xfb704c1a,
					  0x338230de };
	static const uint32_t large[] = { 0x71db98ba, 0xa7ae2e62, 0x2572b4ef, 0x8a440252,
					  0xc5a9f5c6 };
	struct pool *p = make_pool(26);
	uint64_t seed = 27;
	unsigned int kind;

	for (kind = 0; kind < 5; kind++) {
		set_weights(p, kind, &seed);
		CU_ASSERT_EQUAL(maglev_build(p->after, MAGLEV_ROWS_SMALL, p->members, 100), 0);
		CU_ASSERT_EQUAL(digest(p->after, MAGLEV_ROWS_SMALL), small[kind]);
		CU_ASSERT_EQUAL(maglev_build(p->after, MAGLEV_ROWS_LARGE, p->members, MEMBERS), 0);
		CU_ASSERT_EQUAL(digest(p->after, MAGLEV_ROWS_LARGE), large[kind]);
	}
	free(p);
}

/* Members that all want row 0, then 1, then 2, ... leave the order of their turns in the table. */
static void
test_maglev_turns(void)
{
	static const struct maglev_permutation perm[] = { { 0, 1, 9, 0 },
							  { 0, 1, 6, 1 },
							  { 0, 1, 2, 2 } };
	/* Rounds 0 to 8; in a round, who has waited longer comes first. */
	static const uint16_t want[17] = { 0, 1, 2, 0, 1, 0, 1, 0, 2, 1, 0, 0, 1, 0, 1, 0, 0 };
	uint16_t rows[17];

	CU_ASSERT_EQUAL(maglev_fill(rows, 17, perm, 3), 0);
	CU_ASSERT_EQUAL(memcmp(rows, want, sizeof(want)), 0);
}

/* A weight of 0 is the same as not being there. */
static void
test_maglev_zero(void)
{
	struct pool *p = make_pool(20);
	unsigned int i;

	for (i = 0; i < 10; i++)
		p->members[i].weight = 0;
	CU_ASSERT_EQUAL(maglev_build(p->before, MAGLEV_ROWS_SMALL, p->members, 100), 0);
	CU_ASSERT_EQUAL(maglev_build(p->after, MAGLEV_ROWS_SMALL, p->members + 10, 90), 0);
	CU_ASSERT_EQUAL(memcmp(p->before, p->after, MAGLEV_ROWS_SMALL * 2), 0);
	CU_ASSERT_EQUAL(maglev_build(p->after, MAGLEV_ROWS_SMALL, p->members, 10), 0);
	for (i = 0; i < MAGLEV_ROWS_SMALL; i++)
		CU_ASSERT_EQUAL(p->after[i], MAGLEV_NONE);
	p->after[0] = 1;
	CU_ASSERT_EQUAL(maglev_build(p->after, MAGLEV_ROWS_SMALL, NULL, 0), 0);
	CU_ASSERT_EQUAL(p->after[0], MAGLEV_NONE);
	free(p);
}

static void
test_maglev_bad(void)
{
	struct maglev_permutation perm = { 0, 1, 1, 0 };
	struct pool *p = make_pool(21);

	CU_ASSERT_EQUAL(maglev_build(p->after, 0, p->members, 1), -EINVAL);
	CU_ASSERT_EQUAL(maglev_build(p->after, 1, p->members, 1), -EINVAL);
	CU_ASSERT_EQUAL(maglev_build(p->after, 65536, p->members, 1), -EINVAL);
	CU_ASSERT_EQUAL(maglev_build(p->after, 251 * 251, p->members, 1), -EINVAL);
	CU_ASSERT_EQUAL(maglev_build(p->after, 7, p->members, 8), -EINVAL);
	CU_ASSERT_EQUAL(maglev_build(p->after, 7, p->members, 7), 0);
	p->members[0].slot = MAGLEV_NONE;
	CU_ASSERT_EQUAL(maglev_build(p->after, 7, p->members, 1), -EINVAL);
	perm.skip = 0;
	CU_ASSERT_EQUAL(maglev_fill(p->after, 7, &perm, 1), -EINVAL);
	perm.skip = 7;
	CU_ASSERT_EQUAL(maglev_fill(p->after, 7, &perm, 1), -EINVAL);
	perm.skip = 1;
	perm.offset = 7;
	CU_ASSERT_EQUAL(maglev_fill(p->after, 7, &perm, 1), -EINVAL);
	free(p);
}

/* The mean share, in percent, of the other members' rows that move when k of 1,000 fail. */
static double
moved_percent(struct pool *p, uint32_t m, unsigned int k, unsigned int trials)
{
	uint64_t seed = 22, moved = 0, kept = 0;
	unsigned int i, trial, left;
	uint32_t row;

	for (trial = 0; trial < trials; trial++) {
		for (i = 0; i < MEMBERS; i++)
			p->members[i].weight = 100;
		for (left = k; left > 0;) {
			i = (unsigned int)(test_random(&seed) % MEMBERS);
			left -= p->members[i].weight != 0;
			p->members[i].weight = 0;
		}
		CU_ASSERT_EQUAL_FATAL(maglev_build(p->after, m, p->members, MEMBERS), 0);
		for (row = 0; row < m; row++) {
			if (p->members[p->before[row]].weight == 0)
				continue;
			kept++;
			moved += p->before[row] != p->after[row];
		}
	}
	return 100.0 * (double)moved / (double)kept;
}

static void
test_maglev_disruption(void)
{
	static const struct {
		uint32_t m;
		unsigned int failing, trials;
		double percent;
	} cases[] = {
		{ MAGLEV_ROWS_SMALL, 1, 200, 0.60 }, { MAGLEV_ROWS_SMALL, 10, 50, 2.35 },
		{ MAGLEV_ROWS_SMALL, 50, 30, 3.25 }, { MAGLEV_ROWS_LARGE, 1, 30, 0.33 },
		{ MAGLEV_ROWS_LARGE, 10, 10, 0.57 }, { MAGLEV_ROWS_LARGE, 50, 5, 0.93 },
	};
	struct pool *p = make_pool(23);
	unsigned int i, k;
	double percent;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (k = 0; k < MEMBERS; k++)
			p->members[k].weight = 100;
		CU_ASSERT_EQUAL_FATAL(maglev_build(p->before, cases[i].m, p->members, MEMBERS), 0);
		percent = moved_percent(p, cases[i].m, cases[i].failing, cases[i].trials);
		CU_ASSERT_DOUBLE_EQUAL(percent, cases[i].percent, 0.1 * cases[i].percent);
	}
	free(p);
}

static void
test_maglev_row(void)
{
	CU_ASSERT_EQUAL(maglev_row(0, MAGLEV_ROWS_SMALL), 0);
	CU_ASSERT_EQUAL(maglev_row(UINT32_MAX, MAGLEV_ROWS_SMALL), MAGLEV_ROWS_SMALL - 1);
	CU_ASSERT_EQUAL(maglev_row(UINT32_MAX, MAGLEV_ROWS_LARGE), MAGLEV_ROWS_LARGE - 1);
	CU_ASSERT_EQUAL(maglev_row(1u << 31, MAGLEV_ROWS_SMALL), MAGLEV_ROWS_SMALL / 2);
	CU_ASSERT_EQUAL(maglev_rows_for(1), MAGLEV_ROWS_SMALL);
	CU_ASSERT_EQUAL(maglev_rows_for(600), MAGLEV_ROWS_SMALL);
	CU_ASSERT_EQUAL(maglev_rows_for(601), MAGLEV_ROWS_LARGE);
}

int
test_maglev_register(void)
{
	static CU_TestInfo tests[] = {
		{ "the paper's example", test_maglev_paper },
		{ "the paper's algorithm", test_maglev_naive },
		{ "balance", test_maglev_balance },
		{ "weights are exact", test_maglev_weights },
		{ "weights are ratios", test_maglev_scale },
		{ "order does not matter", test_maglev_order },
		{ "the same everywhere", test_maglev_pinned },
		{ "... also with weights", test_maglev_pinned_weights },
		{ "order of turns", test_maglev_turns },
		{ "weight 0", test_maglev_zero },
		{ "bad arguments", test_maglev_bad },
		{ "disruption", test_maglev_disruption },
		{ "rows", test_maglev_row },
		CU_TEST_INFO_NULL,
	};
	static CU_SuiteInfo suites[] = { { "maglev", NULL, NULL, NULL, NULL, tests },
					 CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filling the table: how many rows each member gets is settled first (largest remainders), then the
 * members take turns at claiming their next preferred row that is free. With equal weights all take
 * a turn in each round, as in the paper. With unequal ones the heaviest member takes a turn in each
 * round, and one of q rows when the heaviest has r takes its k-th turn in round floor(k * r / q):
 *
 *     round      0     1     2     3     4     5
 *     r = 6      *     *     *     *     *     *
 *     q = 4      *     *           *     *
 *     q = 1      *
 *
 * So members' claims are spread evenly over the fill (a light member does not get only what the
 * others left), and after r rounds each has exactly its rows. The rounds are a calendar: a list of
 * members for each round, in the order in which they entered it.
 */
#include "lib/maglev.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/siphash.h"

#define NIL UINT32_MAX

/* Any two keys do, but never others: a table must be the same on every node and in every version.
 */
static const struct siphash_key offset_key = { 0x70656e73746f636bULL, 0x6f66667365740001ULL };
static const struct siphash_key skip_key = { 0x70656e73746f636bULL, 0x736b697000000002ULL };

struct turn {
	uint32_t quota; /* rows in all */
	uint32_t left;  /* rows still to take */
	uint32_t row;   /* the next row to try */
	uint32_t skip;
	uint32_t whole, part, carry; /* rounds between turns: whole + part / quota */
	uint32_t next;               /* in the same round */
	uint16_t slot;
};

struct list {
	uint32_t first, last;
};

struct remainder {
	uint64_t rest;
	uint32_t i;
};

static int
compare_remainders(const void *a, const void *b)
{
	const struct remainder *x = a, *y = b;

	if (x->rest != y->rest)
		return x->rest > y->rest ? -1 : 1;
	return x->i < y->i ? -1 : 1;
}

/* Settle quotas: the whole part of m * weight / sum each, and one row more for those with the
 * largest remainders. The sum is not 0. */
static int
settle_quotas(struct turn *turns, uint32_t m, const struct maglev_permutation *perm, size_t n)
{
	struct remainder *rest = malloc(n * sizeof(*rest));
	uint64_t sum = 0, product;
	uint32_t given = 0;
	size_t i;

	if (!rest)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		sum += perm[i].weight;
	for (i = 0; i < n; i++) {
		product = (uint64_t)m * perm[i].weight;
		turns[i].quota = (uint32_t)(product / sum);
		rest[i].rest = product % sum;
		rest[i].i = (uint32_t)i;
		given += turns[i].quota;
	}
	qsort(rest, n, sizeof(*rest), compare_remainders);
	for (i = 0; given < m; i++, given++)
		turns[rest[i].i].quota++;
	free(rest);
	return 0;
}

static inline void
calendar_add(struct list *round, struct turn *turns, uint32_t i)
{
	turns[i].next = NIL;
	if (round->first == NIL)
		round->first = i;
	else
		turns[round->last].next = i;
	round->last = i;
}

/* The member's next preferred row that nobody has. The bitmap of taken rows fits the first cache
 * level where the table would not. */
static inline uint32_t
claim_row(struct turn *t, uint64_t *taken, uint32_t m)
{
	uint32_t row = t->row, skip = t->skip, back = m - skip;

	while (taken[row / 64] >> (row % 64) & 1)
		row = row >= back ? row - back : row + skip;
	taken[row / 64] |= 1ULL << (row % 64);
	t->row = row >= back ? row - back : row + skip;
	return row;
}

static void
take_turns(uint16_t *rows, uint32_t m, struct turn *turns, struct list *calendar, uint64_t *taken)
{
	uint32_t i, next, left = m, round;
	struct turn *t;

	for (round = 0; left > 0; round++) {
		for (i = calendar[round].first; i != NIL; i = next) {
			t = &turns[i];
			next = t->next;
			rows[claim_row(t, taken, m)] = t->slot;
			left--;
			if (--t->left == 0)
				continue;
			t->carry += t->part;
			if (t->carry < t->quota) {
				calendar_add(&calendar[round + t->whole], turns, i);
			} else {
				t->carry -= t->quota;
				calendar_add(&calendar[round + t->whole + 1], turns, i);
			}
		}
	}
}

/* Enter every member that has rows into round 0; the number of rounds. */
static uint32_t
prepare_turns(struct turn *turns, const struct maglev_permutation *perm, size_t n)
{
	uint32_t rounds = 0;
	size_t i;

	for (i = 0; i < n; i++)
		if (turns[i].quota > rounds)
			rounds = turns[i].quota;
	for (i = 0; i < n; i++) {
		if (turns[i].quota == 0)
			continue;
		turns[i].left = turns[i].quota;
		turns[i].row = perm[i].offset;
		turns[i].skip = perm[i].skip;
		turns[i].slot = perm[i].slot;
		turns[i].whole = rounds / turns[i].quota;
		turns[i].part = rounds % turns[i].quota;
		turns[i].carry = 0;
	}
	return rounds;
}

static int
fill(uint16_t *rows, uint32_t m, const struct maglev_permutation *perm, size_t n)
{
	struct turn *turns = calloc(n, sizeof(*turns));
	uint64_t *taken = calloc(m / 64 + 1, sizeof(*taken));
	struct list *calendar = NULL;
	uint32_t i, rounds;
	int rc = -ENOMEM;

	if (!turns || !taken)
		goto out;
	rc = settle_quotas(turns, m, perm, n);
	if (rc)
		goto out;
	rounds = prepare_turns(turns, perm, n);
	assert(rounds > 0); /* the m rows belong to somebody */
	calendar = malloc(rounds * sizeof(*calendar));
	if (!calendar) {
		rc = -ENOMEM;
		goto out;
	}
	memset(calendar, 0xff, rounds * sizeof(*calendar)); /* NIL everywhere */
	for (i = 0; i < n; i++)
		if (turns[i].quota > 0)
			calendar_add(&calendar[0], turns, i);
	take_turns(rows, m, turns, calendar, taken);
out:
	free(calendar);
	free(taken);
	free(turns);
	return rc;
}

/* Only with a prime m does every skip reach every row. */
static bool
is_prime(uint32_t m)
{
	uint32_t d;

	if (m < 4 || m % 2 == 0)
		return m == 2 || m == 3;
	for (d = 3; d <= m / d; d += 2)
		if (m % d == 0)
			return false;
	return true;
}

int
maglev_fill(uint16_t *rows, uint32_t m, const struct maglev_permutation *perm, size_t n)
{
	uint64_t sum = 0;
	size_t i;

	if (!is_prime(m) || n > m)
		return -EINVAL;
	for (i = 0; i < n; i++) {
		if (perm[i].slot == MAGLEV_NONE || perm[i].offset >= m || perm[i].skip == 0 ||
		    perm[i].skip >= m)
			return -EINVAL;
		sum += perm[i].weight;
	}
	if (sum == 0) {
		memset(rows, 0xff, (size_t)m * sizeof(*rows)); /* MAGLEV_NONE everywhere */
		return 0;
	}
	return fill(rows, m, perm, n);
}

/* By key; shorter first where one begins like the other. A key that is there twice: by slot. */
static int
compare_members(const void *a, const void *b)
{
	const struct maglev_member *x = a, *y = b;
	size_t common = x->key_len < y->key_len ? x->key_len : y->key_len;
	int c = common ? memcmp(x->key, y->key, common) : 0;

	if (c != 0)
		return c;
	if (x->key_len != y->key_len)
		return x->key_len < y->key_len ? -1 : 1;
	return (x->slot > y->slot) - (x->slot < y->slot);
}

int
maglev_build(uint16_t *rows, uint32_t m, const struct maglev_member *members, size_t n)
{
	struct maglev_permutation *perm;
	struct maglev_member *sorted;
	int rc = -ENOMEM;
	size_t i;

	if (m < 2 || n > m)
		return -EINVAL;
	perm = malloc((n + 1) * sizeof(*perm));
	sorted = malloc((n + 1) * sizeof(*sorted));
	if (!perm || !sorted)
		goto out;
	if (n)
		memcpy(sorted, members, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), compare_members);
	for (i = 0; i < n; i++) {
		perm[i].offset =
		    (uint32_t)(siphash13(&offset_key, sorted[i].key, sorted[i].key_len) % m);
		perm[i].skip =
		    (uint32_t)(siphash13(&skip_key, sorted[i].key, sorted[i].key_len) % (m - 1) +
			       1);
		perm[i].weight = sorted[i].weight;
		perm[i].slot = sorted[i].slot;
	}
	rc = maglev_fill(rows, m, perm, n);
out:
	free(sorted);
	free(perm);
	return rc;
}

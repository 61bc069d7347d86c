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
 *
 * Two things make the search for the next free row cheap:
 *
 *   A member looks several rows ahead at once and keeps a queue of those that are free. That is a
 *   loop without a branch that nobody can predict, and what it takes from the queue later is mostly
 *   free still: queues are so short that few rows have been claimed meanwhile.
 *
 *   When f rows are left a claim tries m / f of them in the mean, so more than half of all tries
 *   would be for the last sqrt(m) rows. For these it is turned round: which of the rows that are
 *   left comes first? From row r with skip s, row f is k steps ahead where k * s = f - r modulo m,
 *   that is k = (f - r) / s in the field of the integers modulo m.
 */
#include "lib/maglev.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/maglev_steps.h"
#include "lib/siphash.h"

#define NIL UINT32_MAX

#define QUEUE_MAX (WANT_MAX - 1 + LOOK) /* rows */
/* Beyond this many rows the last ones are searched for like the others: see find_in_list. */
#define LIST_MAX (1u << 24)

/* Any two keys do, but never others: a table must be the same on every node and in every version.
 */
static const struct siphash_key offset_key = { 0x70656e73746f636bULL, 0x6f66667365740001ULL };
static const struct siphash_key skip_key = { 0x70656e73746f636bULL, 0x736b697000000002ULL };

struct turn {
	uint32_t quota; /* rows in all */
	uint32_t left;  /* rows still to take */
	uint32_t row;   /* the next row to look at */
	uint32_t skip;
	uint32_t whole, part, carry; /* rounds between turns: whole + part / quota */
	uint32_t next;               /* in the same round */
	uint32_t *queue;             /* rows before `row` that were free: [head..end) */
	uint8_t head, end;
	uint16_t slot;
	uint64_t fraction; /* 2^64 / (skip * m), the division by skip being modulo m; 0: unknown */
};

/* The rows that nobody has: as a bitmap, which fits the first cache level where the table would
 * not, and the last ones as a list. */
struct rows {
	uint32_t m;
	uint32_t left;  /* how many */
	uint32_t shift; /* left >> shift rows are to be in a queue */
	uint32_t few;   /* when so many are left they are listed: a power of two */
	uint32_t n;     /* of list, 0: there is none yet */
	uint32_t *list;
	uint64_t *taken;
	uint32_t *queues;
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

/* ---- rows ---- */

static void
rows_free(struct rows *r)
{
	free(r->queues);
	free(r->list);
	free(r->taken);
}

/* For n members. On failure, too, rows_free has to follow. */
static int
rows_init(struct rows *r, uint32_t m, size_t n)
{
	*r = (struct rows){ .m = m, .left = m, .few = 1 };
	/* While q rows of a queue are used up all members claim q * n: so that is a quarter of
	 * those that are left. */
	while ((uint64_t)1 << r->shift < 4 * (uint64_t)n)
		r->shift++;
	while (r->few <= m / r->few / 2)
		r->few *= 2;
	r->queues = malloc(n * QUEUE_MAX * sizeof(*r->queues));
	r->list = malloc(r->few * sizeof(*r->list));
	r->taken = calloc(m / 64 + 1, sizeof(*r->taken));
	return r->queues && r->list && r->taken ? 0 : -ENOMEM;
}

/* Look ahead until as many rows are found as are wanted, at least one. */
static void
fill_queue(const struct rows *r, struct turn *t)
{
	struct steps s = steps_begin(t->row, t->skip, r->m);
	uint32_t n = 0, want = (uint32_t)((uint64_t)r->left >> r->shift);

	if (want > WANT_MAX)
		want = WANT_MAX;
	do
		n += steps_look(&s, r->taken, r->m, t->queue + n);
	while (n == 0 || n < want);
	t->row = steps_row(&s);
	t->head = 0;
	t->end = (uint8_t)n;
}

/* The member's next preferred row that nobody has. */
static inline uint32_t
find_row(const struct rows *r, struct turn *t)
{
	uint32_t row;

	do {
		if (t->head == t->end)
			fill_queue(r, t);
		row = t->queue[t->head++];
	} while (!is_free(r->taken, row));
	return row;
}

static __attribute__((noinline)) void
list_rows(struct rows *r)
{
	uint32_t word, row;
	uint64_t bits;

	for (word = 0; word <= r->m / 64; word++) {
		for (bits = ~r->taken[word]; bits; bits &= bits - 1) {
			row = word * 64 + (uint32_t)__builtin_ctzll(bits);
			if (row < r->m)
				r->list[r->n++] = row;
		}
	}
}

/* 1 / a modulo m, which is prime: Euclid's algorithm with x * a = r modulo m. */
static uint32_t
inverse(uint32_t a, uint32_t m)
{
	int64_t x = 1, next_x = 0, swap;
	uint32_t r = a, next_r = m, quotient, rest;

	while (next_r) {
		quotient = r / next_r;
		rest = r % next_r;
		r = next_r;
		next_r = rest;
		swap = x - (int64_t)quotient * next_x;
		x = next_x;
		next_x = swap;
	}
	return (uint32_t)(x < 0 ? x + m : x);
}

/* The same from the list, out of which it goes. With k the steps to a row,
 *
 *     (row - t->row) * fraction = 2^64 * k / m + error, modulo 2^64, 0 <= |error| <= m
 *
 * so these products are in the order of the steps: for two rows they are 2^64 / m or more apart,
 * which is far above m and above the low bits, where the place in the list is written. */
static __attribute__((noinline)) uint32_t
find_in_list(struct rows *r, struct turn *t)
{
	uint64_t best = UINT64_MAX, low = r->few - 1, key;
	uint32_t row, i;

	if (t->head < t->end)
		t->row = t->queue[t->head];
	t->head = t->end;
	if (!t->fraction)
		t->fraction =
		    (uint64_t)(((unsigned __int128)inverse(t->skip, r->m) << 64) / r->m) + 1;
	for (i = 0; i < r->n; i++) {
		key = (uint64_t)((int64_t)r->list[i] - t->row) * t->fraction;
		key = (key & ~low) | i;
		best = key < best ? key : best;
	}
	i = (uint32_t)(best & low);
	row = r->list[i];
	r->list[i] = r->list[--r->n];
	t->row = ahead(row, t->skip, r->m);
	return row;
}

static inline uint32_t
claim_row(struct rows *r, struct turn *t)
{
	uint32_t row = r->n ? find_in_list(r, t) : find_row(r, t);

	r->taken[row / 64] |= 1ULL << (row % 64);
	if (--r->left == r->few && r->m <= LIST_MAX)
		list_rows(r);
	return row;
}

/* ---- turns ---- */

static void
take_turns(uint16_t *table, struct rows *r, struct turn *turns, struct list *calendar)
{
	uint32_t i, next, round;
	struct turn *t;

	for (round = 0; r->left > 0; round++) {
		for (i = calendar[round].first; i != NIL; i = next) {
			t = &turns[i];
			next = t->next;
			table[claim_row(r, t)] = t->slot;
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

/* The number of rounds. */
static uint32_t
prepare_turns(struct turn *turns, const struct rows *r, const struct maglev_permutation *perm,
	      size_t n)
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
		turns[i].queue = r->queues + i * QUEUE_MAX;
		turns[i].whole = rounds / turns[i].quota;
		turns[i].part = rounds % turns[i].quota;
		turns[i].carry = 0;
	}
	return rounds;
}

static int
fill(uint16_t *table, uint32_t m, const struct maglev_permutation *perm, size_t n)
{
	struct turn *turns = calloc(n, sizeof(*turns));
	struct list *calendar = NULL;
	struct rows rows;
	uint32_t i, rounds;
	int rc = rows_init(&rows, m, n);

	if (!turns)
		rc = -ENOMEM;
	if (rc)
		goto out;
	rc = settle_quotas(turns, m, perm, n);
	if (rc)
		goto out;
	rounds = prepare_turns(turns, &rows, perm, n);
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
	take_turns(table, &rows, turns, calendar);
out:
	free(calendar);
	rows_free(&rows);
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

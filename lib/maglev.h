/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Maglev consistent hashing (Eisenbud et al., NSDI 2016, section 3.4) with exact weights.
 *
 * A table has M rows (M prime); each row names a member by the caller's 16-bit slot. The table is a
 * pure function of the set of (name hash, weight): members are taken in the order of their keys,
 * whatever order they are given in.
 *
 *     |rows(i) - M * weight(i) / sum(weights)| < 1, and the rows of all members sum to M
 *
 * Members of weight 0 get no row. Pure functions, any thread (the control thread builds, workers
 * only read).
 */
#ifndef LIB_MAGLEV_H
#define LIB_MAGLEV_H

#include <stddef.h>
#include <stdint.h>

#define MAGLEV_ROWS_SMALL    65537u
#define MAGLEV_ROWS_LARGE    655373u /* for pools of more than MAGLEV_SMALL_MEMBERS */
#define MAGLEV_SMALL_MEMBERS 600u
#define MAGLEV_NONE          UINT16_MAX /* row of an empty table */

struct maglev_member {
	const void *key; /* identity of the backend, e.g. address and port; not kept */
	size_t key_len;
	uint32_t weight;
	uint16_t slot; /* what a row says; below MAGLEV_NONE */
};

/* How many rows a pool of n members wants. */
static inline uint32_t
maglev_rows_for(size_t n)
{
	return n > MAGLEV_SMALL_MEMBERS ? MAGLEV_ROWS_LARGE : MAGLEV_ROWS_SMALL;
}

/* Fill rows[0..m-1]. m must be prime and n at most m. No member with weight: all rows MAGLEV_NONE.
 * 0, -ENOMEM, or -EINVAL. Allocates scratch memory and frees it. */
int maglev_build(uint16_t *rows, uint32_t m, const struct maglev_member *members, size_t n);

/* A member as the algorithm sees it: it prefers the rows offset + k * skip mod m, k = 0, 1, ... */
struct maglev_permutation {
	uint32_t offset; /* 0 <= offset < m */
	uint32_t skip;   /* 1 <= skip < m */
	uint32_t weight;
	uint16_t slot;
};

/* The algorithm itself on given permutations, in the given order. For tests against the paper's
 * example. Returns like maglev_build. */
int maglev_fill(uint16_t *rows, uint32_t m, const struct maglev_permutation *perm, size_t n);

/* The row of a flow hash: the high bits decide (Lemire's multiply-shift), no division. */
static inline uint32_t
maglev_row(uint32_t hash, uint32_t m)
{
	return (uint32_t)(((uint64_t)hash * m) >> 32);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Longest-prefix match over both address families, immutable once built.
 *
 * A trie of 8-bit strides with leaf pushing: an IPv4 lookup reads at most 4 words, an IPv6 lookup
 * at most 16, and a table of a few prefixes stays in the first cache level.
 *
 *     root4 --> node[256] --> node[256] --> ...
 *     root6 --> node[256] --> ...
 *     each word is either a value or (bit 31) a child's index
 *
 * The families are apart: ::/0 says nothing about IPv4. A range that says the same throughout has
 * no node of its own, so an entry costs at most one node (1 KB) for each byte of its length.
 *
 * Owner: whoever built it. After lpm_build read-only, any thread.
 */
#ifndef LIB_LPM_H
#define LIB_LPM_H

#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"

#define LPM_NONE  0x7fffffffu /* no prefix matches; values must be below */
#define LPM_CHILD 0x80000000u

struct lpm_entry {
	struct prefix prefix;
	uint32_t value; /* < LPM_NONE */
};

struct lpm {
	uint32_t root4, root6; /* a word: value, LPM_NONE, or LPM_CHILD | node */
	size_t nodes;          /* for statistics */
	uint32_t *words;       /* nodes * 256 */
};

/* Build from n entries in any order; of two with the same prefix the later wins. *out is to be
 * freed by lpm_free. 0, -EINVAL (value too large) or -ENOMEM. */
int lpm_build(struct lpm **out, const struct lpm_entry *entries, size_t n);
void lpm_free(struct lpm *t);

/* Byte i, out of a register: an address that is in none would have to be written first. */
static inline uint8_t
lpm_byte(const struct addr *a, unsigned int i)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return (uint8_t)((i < 8 ? a->q[0] : a->q[1]) >> 8 * (i & 7));
#else
	return a->b[i];
#endif
}

/* The value of the longest prefix that contains a, or LPM_NONE. */
static inline uint32_t
lpm_lookup(const struct lpm *t, const struct addr *a)
{
	unsigned int i = addr_is_v4(a) ? 12 : 0;
	uint32_t w = i ? t->root4 : t->root6;

	for (; (w & LPM_CHILD) && i < 16; i++)
		w = t->words[(size_t)(w & ~LPM_CHILD) * 256 + lpm_byte(a, i)];
	return w;
}

#endif

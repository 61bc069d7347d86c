/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Longest-prefix match over both address families, immutable once built.
 *
 * A trie of 8-bit strides with leaf pushing and path compression: bits that all prefixes of a
 * subtree share are compared at once, not walked through byte by byte. So one IPv6 address alone is
 * one comparison, a table of a few prefixes stays in the first cache level, and no lookup takes
 * more steps than the address has bytes (and one).
 *
 *     root4 --> node[256] --> path --> node[256] --> ...
 *     root6 --> path --> value
 *
 *     each word is a value, or (bit 31) the index of a node or (bit 30 too) of a path
 *     a path: does the address agree with these bits? then this word, else that value
 *
 * The families are apart: ::/0 says nothing about IPv4. A range that says the same throughout has
 * no node of its own, and no node has but one child and nothing else: an entry costs at most one
 * path (48 bytes), and one node (1 KB) for each byte at which others part from it.
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
#define LPM_PATH  0x40000000u /* with LPM_CHILD: a path, not a node */
#define LPM_INDEX 0x3fffffffu

struct lpm_entry {
	struct prefix prefix;
	uint32_t value; /* < LPM_NONE */
};

struct lpm_path {
	struct addr key, mask; /* key has no bits but those of mask */
	uint32_t word;         /* for addresses that agree */
	uint32_t outer;        /* for others: a value or LPM_NONE */
	uint32_t depth;        /* whole bytes of mask: where a node at word goes on */
};

struct lpm {
	uint32_t root4, root6; /* a word: value, LPM_NONE, or LPM_CHILD | node or path */
	size_t nodes, n_paths;
	uint32_t *words; /* nodes * 256 */
	struct lpm_path *paths;
};

/* Build from n entries in any order; of two with the same prefix the later wins. *out is to be
 * freed by lpm_free. 0, -EINVAL (value too large) or -ENOMEM. */
int lpm_build(struct lpm **out, const struct lpm_entry *entries, size_t n);
void lpm_free(struct lpm *t);

/* Byte i, out of a register: an address that is in none would have to be written first. */
static inline uint8_t
lpm_byte(const struct addr *a, unsigned int i)
{
	return (uint8_t)((i < 8 ? a->q[0] : a->q[1]) >> 8 * ADDR_BYTE_SHIFT(i));
}

static inline bool
lpm_agrees(const struct lpm_path *p, const struct addr *a)
{
	return (((a->q[0] & p->mask.q[0]) ^ p->key.q[0]) |
		((a->q[1] & p->mask.q[1]) ^ p->key.q[1])) == 0;
}

/* From word w on, with byte i of the address. */
static inline uint32_t
lpm_walk(const struct lpm *t, const struct addr *a, uint32_t w, unsigned int i)
{
	while (w & LPM_CHILD) {
		const struct lpm_path *path;

		if (!(w & LPM_PATH)) {
			w = t->words[(size_t)(w & LPM_INDEX) * 256 + lpm_byte(a, i++)];
			continue;
		}
		path = &t->paths[w & LPM_INDEX];
		if (!lpm_agrees(path, a))
			return path->outer;
		w = path->word;
		i = path->depth;
	}
	return w;
}

/* The value of the longest prefix that contains a, or LPM_NONE. v4: a's family, best as a constant:
 * a node at the root, which is often all there is, is then looked into without a loop. */
static inline uint32_t
lpm_lookup_as(const struct lpm *t, const struct addr *a, bool v4)
{
	unsigned int i = v4 ? 12 : 0;
	uint32_t w = v4 ? t->root4 : t->root6;

	if ((w & (LPM_CHILD | LPM_PATH)) == LPM_CHILD)
		w = t->words[(size_t)(w & LPM_INDEX) * 256 + lpm_byte(a, i++)];
	return w & LPM_CHILD ? lpm_walk(t, a, w, i) : w;
}

static inline uint32_t
lpm_lookup(const struct lpm *t, const struct addr *a)
{
	return lpm_lookup_as(t, a, addr_is_v4(a));
}

#endif

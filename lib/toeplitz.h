/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Toeplitz hash that network cards compute for RSS, and the ownership of clients on top of it.
 *
 *     owner(client) = table[toeplitz(key, client prefix) % size]
 *
 * The key is precomputed into byte tables so that a worker needs one load per input byte.
 * Pure functions over a caller's struct; read-only after toeplitz_init, any thread.
 */
#ifndef LIB_TOEPLITZ_H
#define LIB_TOEPLITZ_H

#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"

#define TOEPLITZ_KEY_LEN   40
#define TOEPLITZ_MAX_INPUT 36 /* two IPv6 addresses and two ports */

struct toeplitz {
	uint8_t key[TOEPLITZ_KEY_LEN];
	uint32_t table[TOEPLITZ_MAX_INPUT][256]; /* [i][v]: what byte v at position i contributes */
};

/* Microsoft's verification key. */
extern const uint8_t toeplitz_key_microsoft[TOEPLITZ_KEY_LEN];
/* The key that Penstock gives to network cards unless a device demands its own. */
extern const uint8_t toeplitz_key_default[TOEPLITZ_KEY_LEN];

void toeplitz_init(struct toeplitz *t, const uint8_t key[TOEPLITZ_KEY_LEN]);

/* Hash of len input bytes (at most TOEPLITZ_MAX_INPUT; the rest is ignored) in network order;
 * host-order result. */
uint32_t toeplitz_hash(const struct toeplitz *t, const void *input, size_t len);

/* Hash of one address as a card hashes it when only that address counts: 4 bytes for IPv4, 16 for
 * IPv6. */
static inline uint32_t
toeplitz_addr(const struct toeplitz *t, const struct addr *a)
{
	uint32_t h = 0;
	unsigned int i;

	if (addr_is_v4(a))
		return t->table[0][a->b[12]] ^ t->table[1][a->b[13]] ^ t->table[2][a->b[14]] ^
		       t->table[3][a->b[15]];
	for (i = 0; i < 16; i++)
		h ^= t->table[i][a->b[i]];
	return h;
}

#endif

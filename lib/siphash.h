/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keyed hashes of flows. SipHash-1-3 (Aumasson and Bernstein, 2012) where an attacker chooses the
 * input and a table could be flooded. Pure functions, any thread.
 */
#ifndef LIB_SIPHASH_H
#define LIB_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct siphash_key {
	uint64_t k0, k1;
};

uint64_t siphash13(const struct siphash_key *key, const void *p, size_t len);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The step of which fast hashes of flows are made: all bits of a product of 128 bits, in 64. With
 * factors mixed with a secret (a ^ key0, b ^ key1) nobody who chooses a and b knows the result.
 * Pure, any thread.
 */
#ifndef LIB_FOLD_H
#define LIB_FOLD_H

#include <stdint.h>

static inline uint64_t
multiply_fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

#endif

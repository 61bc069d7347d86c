/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sequence numbers (RFC 9293, 3.4): they wrap, so a < b means that b is less than 2^31 ahead of a.
 * Pure functions, any thread.
 */
#ifndef DP_TCP_SEQUENCE_H
#define DP_TCP_SEQUENCE_H

#include <stdbool.h>
#include <stdint.h>

static inline bool
seq_lt(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static inline bool
seq_le(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) <= 0;
}

static inline uint32_t
seq_max(uint32_t a, uint32_t b)
{
	return seq_lt(a, b) ? b : a;
}

static inline uint32_t
seq_min(uint32_t a, uint32_t b)
{
	return seq_lt(a, b) ? a : b;
}

#endif

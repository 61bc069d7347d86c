/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plans of the short way: which frames they are for, and what is to be done with these. Worker
 * only, for quick.c.
 */
#ifndef DP_L4_QUICK_PLAN_H
#define DP_L4_QUICK_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_vect.h>

#include "dp/l4/quick_run.h"

/* No frame. */
void plan_nobody(struct plan *plan);

/* The plan for the packet in m, which no plan at hand is for: found again, or made. It is r->last
 * then, also if it says that the packet goes the long way. NULL: there is none, and it does. */
struct plan *plan_for(struct run *r, const struct rte_mbuf *m, uint8_t in_port);

/* The plain twin of match_fits. d: MATCH_BYTES can be read at 0 and at match->at. */
static inline bool
match_fits_plain(const struct match *match, const uint8_t *d)
{
	uint8_t differs = 0;
	uint32_t i;

	for (i = 0; i < MATCH_BYTES; i++) {
		differs |= (d[i] ^ match->first[i]) & match->first_mask[i];
		differs |= (d[match->at + i] ^ match->second[i]) & match->second_mask[i];
	}
	return !differs;
}

/* Are a frame's bytes as they have to be? */
#ifdef __AVX2__
static inline bool
match_fits(const struct match *match, const uint8_t *d)
{
	const __m256i *want = (const void *)match->first;
	__m256i a = _mm256_loadu_si256((const void *)d);
	__m256i b = _mm256_loadu_si256((const void *)(d + match->at));

	a = _mm256_and_si256(_mm256_xor_si256(a, want[0]), want[1]);
	b = _mm256_and_si256(_mm256_xor_si256(b, want[2]), want[3]);
	a = _mm256_or_si256(a, b);
	return _mm256_testz_si256(a, a);
}
#else
static inline bool
match_fits(const struct match *match, const uint8_t *d)
{
	return match_fits_plain(match, d);
}
#endif
static_assert(offsetof(struct match, second_mask) == 3 * MATCH_BYTES, "four in a row");

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts of values by size, 32 steps for each power of two: quantiles to 3 %.
 */
#ifndef BENCH_PROXY_HISTOGRAM_H
#define BENCH_PROXY_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_STEPS 32
#define HISTOGRAM_SIZE  (60 * HISTOGRAM_STEPS)

struct histogram {
	uint64_t n, counts[HISTOGRAM_SIZE];
};

static inline void
histogram_add(struct histogram *h, uint64_t value)
{
	uint32_t shift = value < HISTOGRAM_STEPS ? 0 : 58 - (uint32_t)__builtin_clzll(value);
	uint64_t at = shift * HISTOGRAM_STEPS + (value >> shift);

	h->n++;
	h->counts[at < HISTOGRAM_SIZE ? at : HISTOGRAM_SIZE - 1]++;
}

static inline void
histogram_merge(struct histogram *h, const struct histogram *other)
{
	uint64_t at;

	h->n += other->n;
	for (at = 0; at < HISTOGRAM_SIZE; at++)
		h->counts[at] += other->counts[at];
}

/* The value that a share q does not pass, 0 without values. */
static inline uint64_t
histogram_quantile(const struct histogram *h, double q)
{
	uint64_t left = (uint64_t)((double)(h->n ? h->n - 1 : 0) * q), at;

	for (at = 0; at < HISTOGRAM_SIZE; at++) {
		uint64_t shift = at < HISTOGRAM_STEPS ? 0 : at / HISTOGRAM_STEPS - 1;

		if (h->counts[at] > left)
			return (at - shift * HISTOGRAM_STEPS) << shift;
		left -= h->counts[at];
	}
	return 0;
}

#endif

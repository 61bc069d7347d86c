/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The workers' clock: nanoseconds from the TSC, the same on every core (invariant TSC), monotonic,
 * never 0.
 *
 *     now = ((tsc - base) * multiplier) >> 32 + 1 s
 *
 * Set once at start by the control thread, read-only afterwards; any thread may read the time.
 */
#ifndef DP_CLOCK_H
#define DP_CLOCK_H

#include <stdint.h>

#include <rte_cycles.h>

struct dp_clock {
	uint64_t base;       /* TSC at start */
	uint64_t multiplier; /* ns per tick, 32.32 fixed point */
	uint64_t hz;
};

static inline void
dp_clock_init(struct dp_clock *c)
{
	c->hz = rte_get_tsc_hz();
	c->base = rte_rdtsc();
	c->multiplier = (uint64_t)(((unsigned __int128)1000000000u << 32) / c->hz);
}

/* Nanoseconds of a TSC reading taken after dp_clock_init. */
static inline uint64_t
dp_clock_ns(const struct dp_clock *c, uint64_t tsc)
{
	return (uint64_t)(((unsigned __int128)(tsc - c->base) * c->multiplier) >> 32) + 1000000000u;
}

static inline uint64_t
dp_clock_now(const struct dp_clock *c)
{
	return dp_clock_ns(c, rte_rdtsc());
}

#endif

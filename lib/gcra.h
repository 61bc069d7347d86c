/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One rate by GCRA (ITU-T I.371, virtual scheduling): a single number, the theoretical arrival time
 * (tat), says how much of the burst is used. An event that counts n costs n times the time that one
 * takes at the limit.
 *
 *     allowed  <=>  tat <= now,  or  max(tat, now) + cost <= now + burst
 *     commit        tat := max(tat, now) + cost
 *
 * So over any time T no more than (T + burst) / cost-of-one is allowed; only where a single event
 * costs more than the whole burst, one such event at a time (the bucket is full: tat <= now).
 * Checking and committing are apart, so that several limits can be asked before any is charged.
 * tat <= now carries no information: such a bucket is as good as new.
 *
 * Time is in ticks of 1/64 ns, which last for nine years. Costs are rounded up, so that rounding
 * never lets more through; they are computed with as many fractional bits as fit. One event costs
 * at most 2^61 ticks (more than a year).
 *
 * Pure values; no clock, no allocation, any thread.
 */
#ifndef LIB_GCRA_H
#define LIB_GCRA_H

#include <stdbool.h>
#include <stdint.h>

#define GCRA_TICKS_PER_NS 64u

struct gcra {
	uint64_t mult;    /* ticks that a count of one costs, << shift; 0: no limit */
	uint64_t burst;   /* ticks */
	uint64_t ceiling; /* ticks that tat is ahead of now at the most */
	uint32_t shift;
	uint32_t pad;
};

/* The limit of `count` (not 0) in period_ns, of which burst_ns may come at once, for events that
 * count at most max_n. */
struct gcra_rate {
	uint64_t count, period_ns, burst_ns;
	uint32_t max_n;
};
struct gcra gcra_make(const struct gcra_rate *rate);
/* No limit: everything is allowed and costs nothing. */
struct gcra gcra_none(void);
/* One event every interval_ns in the long run, n of them at once; each counts one. An initializer
 * made of constants. */
#define GCRA_EVERY(interval_ns, n)                                 \
	{                                                          \
		.mult = (uint64_t)(interval_ns)*GCRA_TICKS_PER_NS, \
		.burst = (n) * (interval_ns)*GCRA_TICKS_PER_NS,    \
		.ceiling = (n) * (interval_ns)*GCRA_TICKS_PER_NS,  \
	}

static inline uint64_t
gcra_time(uint64_t ns)
{
	return ns * GCRA_TICKS_PER_NS;
}

/* What an event that counts n (at most max_n) costs, in ticks. */
static inline uint64_t
gcra_cost(const struct gcra *g, uint32_t n)
{
	return (n * g->mult + (((uint64_t)1 << g->shift) - 1)) >> g->shift;
}

/* A tat that other limits or another clock have left behind may be too far ahead for these: who is
 * refused by it keeps what this returns, from which it goes down with time. */
static inline uint64_t
gcra_bounded(const struct gcra *g, uint64_t tat, uint64_t now)
{
	return tat > now + g->ceiling ? now + g->ceiling : tat;
}

static inline bool
gcra_allows(const struct gcra *g, uint64_t tat, uint64_t now, uint64_t cost)
{
	tat = gcra_bounded(g, tat, now);
	return tat <= now || tat + cost <= now + g->burst;
}

/* The tat after an event. */
static inline uint64_t
gcra_commit(const struct gcra *g, uint64_t tat, uint64_t now, uint64_t cost)
{
	tat = gcra_bounded(g, tat, now);
	return (tat > now ? tat : now) + cost;
}

/* Both at once: *after is the tat if the event is charged. */
static inline bool
gcra_try(const struct gcra *g, uint64_t tat, uint64_t now, uint64_t cost, uint64_t *after)
{
	uint64_t bounded = gcra_bounded(g, tat, now);

	*after = (bounded > now ? bounded : now) + cost;
	return bounded <= now || *after <= now + g->burst;
}

/* May an event that counts one happen? If so, it is charged. */
static inline bool
gcra_take(const struct gcra *g, uint64_t *tat, uint64_t now)
{
	uint64_t after;

	if (!gcra_try(g, *tat, now, gcra_cost(g, 1), &after))
		return false;
	*tat = after;
	return true;
}

/* How much would be allowed now, counted in ones (UINT64_MAX without a limit). */
uint64_t gcra_left(const struct gcra *g, uint64_t tat, uint64_t now);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/gcra.h"

/* Sums of now, ceiling, burst and a cost stay below 2^64. */
#define COST_MAX ((uint64_t)1 << 61)
#define TIME_MAX ((uint64_t)1 << 62)

struct gcra
gcra_none(void)
{
	return (struct gcra){ .burst = TIME_MAX, .ceiling = TIME_MAX };
}

static unsigned __int128
divide_up(unsigned __int128 a, uint64_t b)
{
	return (a + b - 1) / b;
}

/* So much that what fits exactly is not lost to the rounding of costs, and no more. */
static uint64_t
burst_ticks(const struct gcra *g, const struct gcra_rate *rate)
{
	unsigned __int128 fits = (unsigned __int128)rate->burst_ns * rate->count / rate->period_ns;
	unsigned __int128 cost = (fits * g->mult + (((uint64_t)1 << g->shift) - 1)) >> g->shift;
	uint64_t burst = TIME_MAX / 2;

	if (rate->burst_ns < burst / GCRA_TICKS_PER_NS)
		burst = gcra_time(rate->burst_ns);
	return cost > burst && cost < TIME_MAX / 2 ? (uint64_t)cost : burst;
}

struct gcra
gcra_make(const struct gcra_rate *rate)
{
	unsigned __int128 period = (unsigned __int128)rate->period_ns * GCRA_TICKS_PER_NS;
	uint64_t most = COST_MAX / (rate->max_n ? rate->max_n : 1), one;
	struct gcra g = { 0 };

	if (divide_up(period, rate->count) >= most) {
		g.mult = most;
	} else {
		/* Where each counts one, a cost is a whole number of ticks anyway. */
		while (rate->max_n > 1 && g.shift < 32 &&
		       divide_up(period << (g.shift + 1), rate->count) < most)
			g.shift++;
		g.mult = (uint64_t)divide_up(period << g.shift, rate->count);
	}
	g.burst = burst_ticks(&g, rate);
	one = gcra_cost(&g, rate->max_n);
	g.ceiling = one > g.burst ? one : g.burst;
	return g;
}

uint64_t
gcra_left(const struct gcra *g, uint64_t tat, uint64_t now)
{
	uint64_t left, n;

	if (!g->mult)
		return UINT64_MAX;
	tat = gcra_bounded(g, tat, now);
	if (tat < now)
		tat = now;
	left = now + g->burst > tat ? now + g->burst - tat : 0;
	n = (uint64_t)(((unsigned __int128)left << g->shift) / g->mult);
	return n == 0 && tat == now ? 1 : n;
}

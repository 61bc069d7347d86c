/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One rate by GCRA (ITU-T I.371, virtual scheduling): a single number, the theoretical time of the
 * next event, says how much of the burst is used. The caller owns it. Pure, any thread.
 *
 *     allowed  <=>  max(*next, now) - now <= (burst - 1) * interval
 */
#ifndef DP_L4_RATE_H
#define DP_L4_RATE_H

#include <stdbool.h>
#include <stdint.h>

/* May one more event happen at `now`? One every `interval` ns in the long run, `burst` at once. */
static inline bool
rate_allows(uint64_t *next, uint64_t now, uint64_t interval, uint64_t burst)
{
	uint64_t at = *next > now ? *next : now;

	if (at - now > (burst - 1) * interval)
		return false;
	*next = at + interval;
	return true;
}

#endif

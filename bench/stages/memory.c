/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/stages/memory.h"

#include <stdint.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_malloc.h>
#include <rte_prefetch.h>

#include "bench/common/world.h"
#include "dp/packet.h"

#define LINE   64u
#define ROUNDS 15
#define BURSTS 1024

static inline uint64_t
next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* One burst; its cycles. */
static uint64_t
touch(uint8_t *table, uint64_t lines, uint64_t *random)
{
	uint8_t *at[BURST_MAX];
	uint64_t start = rte_rdtsc();
	unsigned int i;

	for (i = 0; i < BURST_MAX; i++) {
		at[i] = table + (next_random(random) >> 20 & (lines - 1)) * LINE;
		rte_prefetch0(at[i]);
	}
	for (i = 0; i < BURST_MAX; i++)
		(*(volatile uint64_t *)(void *)at[i])++;
	return rte_rdtsc() - start;
}

void
memory_measure(unsigned int mb, struct samples *cycles)
{
	uint64_t size = (uint64_t)mb << 20, random = 88172645463325252ull;
	uint8_t *table = rte_zmalloc("memory", size, LINE);
	static struct samples bursts;
	unsigned int round, i;

	if (!table)
		world_fail("no memory for a table of %u MB", mb);
	/* Into the caches, as far as it fits. */
	memset(table, 1, size);
	for (round = 0; round < ROUNDS; round++) {
		bursts.n = 0;
		for (i = 0; i < BURSTS; i++)
			samples_add(&bursts,
				    (double)touch(table, size / LINE, &random) / BURST_MAX);
		samples_add(cycles, samples_quantile(&bursts, 0.5));
	}
	rte_free(table);
}

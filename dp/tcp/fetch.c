/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection's memory lies in ten places and more, which with thousands of connections no near
 * cache has. Most of them are found only by way of another one, so they are fetched in steps, each
 * for several packets at once:
 *
 *     bucket ──> block ──> flight ──> chunk of records ──> oldest record ──> its buffer
 *                  └─────> what the user has, in steps of its own
 *                             └────> the block to which data is passed on ──> flight ──> chunk
 *
 * Only hints: what was found is not held, and looked at again before it is used.
 */
#include "dp/tcp/internal.h"

/* So many packets are fetched for at a time: more would push each other out of the nearest cache.
 */
#define AHEAD 16

void
fetch_begin(const struct tcp *t, struct ahead *a, const struct tcp_packet *packets, uint32_t n)
{
	uint32_t i, index;

	a->n = n;
	a->done = 0;
	for (i = 0; i < n; i++) {
		if (packets[i].hash)
			a->hashes[i] = packets[i].hash;
		else
			a->hashes[i] = tcp_expect(t, packets[i].tuple);
	}
	for (i = 0; i < n; i++) {
		struct flow_cursor cursor = flow_table_find(&t->table, a->hashes[i]);

		a->found[i] = NULL;
		if (flow_table_next(&t->table, a->hashes[i], &cursor, &index)) {
			a->found[i] = &t->blocks[index];
			block_prefetch(a->found[i]);
		}
	}
}

void
tcp_fetch(const struct tcp *t, uint64_t hash)
{
	struct flow_cursor cursor = flow_table_find(&t->table, hash);
	uint32_t index;

	if (flow_table_next(&t->table, hash, &cursor, &index))
		block_prefetch(&t->blocks[index]);
}

/* Of a block's own; found may have holes. */
static void
fetch_flights(const struct tcp *t, struct tcp_block *const found[], uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		if (!found[i])
			continue;
		wheel_prefetch(t->wheel, block_index(t, found[i]));
		if (found[i]->flags & BLOCK_FLIGHT)
			flight_prefetch(found[i]->flight);
	}
}

/* Of what is under way, as far as the step before has brought it. */
static void
fetch_sent(const struct tcp *t, struct tcp_block *const found[], uint32_t n,
	   void (*fetch)(const struct sent_pool *p, const struct sent *q))
{
	uint32_t i;

	for (i = 0; i < n; i++)
		if (found[i] && found[i]->flags & BLOCK_FLIGHT)
			fetch(t->sent, &found[i]->flight->recovery.sent);
}

/* A step of the user's. What it says of where data goes is noted, and fetched. */
static void
fetch_of_user(const struct tcp *t, struct tcp_block *const found[], struct tcp_block *onward[],
	      uint32_t n, uint32_t step)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		uint32_t index;

		if (!found[i] || (found[i]->flags & (BLOCK_TOLD | BLOCK_GONE)) != BLOCK_TOLD)
			continue;
		index = (uint32_t)t->calls.expected(t->calls.arg, found[i]->user, step) - 1;
		if (index < t->fresh) {
			onward[i] = &t->blocks[index];
			block_prefetch(onward[i]);
		}
	}
}

void
fetch_next(const struct tcp *t, struct ahead *a, uint32_t from)
{
	struct tcp_block **found = a->found + from, *onward[AHEAD] = { NULL };
	uint32_t n = RTE_MIN(a->n - from, (uint32_t)AHEAD), step;

	a->done = from + n;
	fetch_flights(t, found, n);
	if (t->calls.expected)
		fetch_of_user(t, found, onward, n, 0);
	fetch_sent(t, found, n, sent_prefetch);
	for (step = 1; t->calls.expected && step < TCP_EXPECT_STEPS; step++)
		fetch_of_user(t, found, onward, n, step);
	fetch_sent(t, found, n, sent_prefetch_buffer);
	fetch_flights(t, onward, n);
	fetch_sent(t, onward, n, sent_prefetch);
}

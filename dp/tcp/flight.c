/* SPDX-License-Identifier: Apache-2.0 */
#include "dp/tcp/internal.h"

static uint32_t
take_free(struct tcp *t)
{
	uint32_t i = t->free_flight;

	if (i == NIL)
		return t->fresh_flights < t->settings.flights ? t->fresh_flights++ : NIL;
	t->free_flight = t->flights[i].next_free;
	return i;
}

static bool
is_idle(const struct flight *f)
{
	return sent_empty(&f->recovery.sent) && !f->run_bytes;
}

/* Its connection has to do without. */
static void
take_away(struct tcp *t, struct flight *f)
{
	struct tcp_block *c = &t->blocks[f->owner];

	c->flags &= ~(BLOCK_FLIGHT | BLOCK_DSACK);
	recovery_keep(c, &f->recovery);
	t->flights_held--;
}

/* All are held: one that is of no use at present. NIL: none was found. */
static uint32_t
take_idle(struct tcp *t)
{
	uint32_t i;

	while (t->flight_steps) {
		t->flight_steps--;
		i = t->flight_hand++;
		if (t->flight_hand == t->settings.flights)
			t->flight_hand = 0;
		if (is_idle(&t->flights[i])) {
			take_away(t, &t->flights[i]);
			return i;
		}
	}
	return NIL;
}

bool
flight_find(struct tcp *t, struct tcp_block *c)
{
	uint32_t i = take_free(t);
	struct flight *f;

	if (i == NIL)
		i = take_idle(t);
	if (i == NIL) {
		t->counters.no_flight++;
		return false;
	}
	f = &t->flights[i];
	*f = (struct flight){ .owner = block_index(t, c), .next_free = NIL };
	recovery_resume(t, c, &f->recovery);
	c->flight = f;
	c->flags |= BLOCK_FLIGHT;
	t->flights_held++;
	return true;
}

void
flight_give(struct tcp *t, struct tcp_block *c)
{
	struct flight *f;

	if (!has_flight(c))
		return;
	f = flight_of(c);
	f->owner = NIL;
	f->next_free = t->free_flight;
	t->free_flight = (uint32_t)(f - t->flights);
	c->flags &= ~(BLOCK_FLIGHT | BLOCK_DSACK);
	t->flights_held--;
}

/* ---- is it sound? --------------------------------------------------------------------------- */

const char *
flight_check(const struct tcp *t, const struct tcp_block *c)
{
	bool needed = (block_open(c) && under_way(c)) || c->runs || c->flags & BLOCK_DSACK;

	if (!has_flight(c))
		return needed ? "something is under way without a flight" : NULL;
	if (!block_open(c))
		return "a connection that is not open has a flight";
	if (flight_of(c)->owner != block_index(t, c))
		return "a flight is another connection's";
	return NULL;
}

const char *
flights_check(const struct tcp *t)
{
	uint32_t held = 0, free = t->settings.flights - t->fresh_flights, i;

	for (i = 0; i < t->fresh_flights; i++)
		held += t->flights[i].owner != NIL;
	for (i = t->free_flight; i != NIL && free < t->settings.flights; free++)
		i = t->flights[i].next_free;
	if (i != NIL || held != t->flights_held || held + free != t->settings.flights)
		return "flights are miscounted";
	return NULL;
}

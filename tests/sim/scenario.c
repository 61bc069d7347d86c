/* SPDX-License-Identifier: Apache-2.0 */
/* The seed's choices. Chances are in 1/65536. */
#include "tests/sim/scenario.h"

#include <stdio.h>
#include <string.h>

#define PERCENT 655
/* What a program hands over at a time fits. */
#define BUDGET_LEAST 64

static void
choose_way(struct way *w, struct random *r, bool clean)
{
	memset(w, 0, sizeof(*w));
	w->delay = random_scale(r, 50000, 300 * MS);
	w->mtu = 1500;
	if (random_one_in(r, 3)) {
		w->rate = random_scale(r, 500000, 10000000000ull);
		w->queue = random_scale(r, 8000, 1000000);
	}
	if (clean) {
		w->queue = 100000000;
		return;
	}
	if (random_one_in(r, 2))
		w->loss = (uint32_t)random_scale(r, 6, 12 * PERCENT);
	if (random_one_in(r, 6)) {
		w->burst_begin = (uint32_t)random_scale(r, 6, PERCENT);
		w->burst_end = (uint32_t)random_scale(r, 30 * PERCENT, 60 * PERCENT);
	}
	if (random_one_in(r, 3))
		w->corruption = (uint32_t)random_scale(r, 6, 5 * PERCENT);
	if (random_one_in(r, 3))
		w->twice = (uint32_t)random_scale(r, 6, 20 * PERCENT);
	if (random_one_in(r, 3))
		w->jitter = random_scale(r, 1000, 50 * MS);
	if (random_one_in(r, 3)) {
		w->late = (uint32_t)random_scale(r, 60, 30 * PERCENT);
		w->late_by = random_scale(r, 10000, SECOND);
	}
	if (random_one_in(r, 4))
		w->mark = (uint32_t)random_scale(r, 60, 10 * PERCENT);
	if (random_one_in(r, 8)) {
		w->dead_from = random_below(r, 3 * SECOND);
		w->dead_until = w->dead_from + random_scale(r, MS, 20 * SECOND);
	}
	if (random_one_in(r, 6)) {
		w->mtu_changes = random_scale(r, 1, 2 * SECOND);
		w->later_mtu = (uint16_t)random_between(r, 1280, 1499);
		w->icmp_loss = random_one_in(r, 2) ? 30 * PERCENT : 0;
	}
}

static void
choose_side(struct scenario_side *s, struct random *r)
{
	memset(s, 0, sizeof(*s));
	/* Clocks of 32 bits in ms, us or ns wrap during some runs. */
	s->clock = random_scale(r, SECOND, 1ull << 52);
	if (random_one_in(r, 3))
		s->clock = (1 + random_below(r, 900)) * ((1ull << 32) * MS) -
			   random_scale(r, MS, 10 * SECOND);
	s->period = random_scale(r, 1000, 400000);
	s->mtu = 1500;
	if (random_one_in(r, 4))
		s->mtu = (uint16_t)random_between(r, 1280, 1500);
	s->send_buffer = (uint32_t)random_scale(r, 1024, 1u << 20);
	s->buffer = (uint32_t)random_scale(r, 4096, 1u << 20);
	if (random_one_in(r, 6))
		s->buffer = (uint32_t)random_scale(r, 512, 4096);
	s->timestamps = !random_one_in(r, 4);
	s->sack = !random_one_in(r, 4);
	s->scale = !random_one_in(r, 4);
	s->ecn = random_one_in(r, 3);
	s->nagle = random_one_in(r, 4);
	s->no_rack = random_one_in(r, 6);
	s->no_cubic = random_one_in(r, 4);
	s->keepalive = random_one_in(r, 4);
	s->delayed_ack = random_one_in(r, 3) ? (uint32_t)random_between(r, 1, 500) : 0;
	s->min_rto = random_one_in(r, 3) ? (uint32_t)random_between(r, 5, 1000) : 0;
	s->cookies = random_one_in(r, 5);
	s->offload = random_one_in(r, 2);
	s->verified = random_one_in(r, 2);
	s->pieces = random_one_in(r, 4) ? (unsigned int)random_between(r, 2, 4) : 1;
}

static void
choose_stalls(struct scenario_side *s, struct random *r)
{
	for (int i = 0; i < 2; i++) {
		if (!random_one_in(r, 6))
			continue;
		s->stall_from[i] = random_scale(r, MS, 4 * SECOND);
		s->stall_for[i] = random_scale(r, 100000, 5 * SECOND);
	}
	if (random_one_in(r, 6)) {
		s->leap_at = random_scale(r, MS, 4 * SECOND);
		s->leap_by = random_scale(r, MS, 200 * SECOND);
	}
}

static void
choose_program(struct program *p, struct random *r, uint64_t most)
{
	memset(p, 0, sizeof(*p));
	p->bytes = random_one_in(r, 6) ? 0 : random_scale(r, 1, most);
	p->piece = (uint32_t)random_scale(r, 1, 65536);
	if (p->piece < p->bytes / 400)
		p->piece = (uint32_t)(p->bytes / 400);
	if (random_one_in(r, 4))
		p->write_pause = random_scale(r, 1000, 100 * MS);
	p->reading = random_one_in(r, 2) ? READ_AT_ONCE : random_below(r, READ_MODES);
	p->read_pause = random_scale(r, 10000, 200 * MS);
	p->read_piece = (uint32_t)random_scale(r, 1 + most / 200, 65536 + most / 200);
	p->stop_at = random_below(r, most + 1);
	p->stop_for = random_scale(r, MS, 100 * SECOND);
	p->ending = random_one_in(r, 3) ? END_SECOND : END_SHUTDOWN;
}

static void
choose_connection(struct scenario_connection *c, struct random *r, uint64_t most)
{
	c->opening = (enum opening)random_below(r, 2);
	if (random_one_in(r, 16))
		c->opening = OPEN_BOTH;
	c->begin = random_one_in(r, 2) ? 0 : random_below(r, SECOND);
	c->ip6 = random_one_in(r, 3);
	choose_program(&c->programs[0], r, most);
	choose_program(&c->programs[1], r, most);
	/* One has to begin. */
	if (c->programs[0].ending == END_SECOND && c->programs[1].ending == END_SECOND)
		c->programs[0].ending = END_SHUTDOWN;
}

static void
choose_abort(struct scenario *s, struct random *r)
{
	struct program *p;

	for (unsigned int i = 0; i < s->n_connections; i++) {
		if (!random_one_in(r, 3))
			continue;
		p = &s->connections[i].programs[random_below(r, 2)];
		p->ending = END_ABORT;
		p->abort_at = random_scale(r, 1000, 5 * SECOND);
		s->aborts = true;
	}
}

/* A server that keeps no state cannot know a client whose first segment was overtaken by the
 * second: cookies need order on the way to the server. Copies may come, and late. */
static bool
cookies_may_be_used(const struct way *w)
{
	return !w->loss && !w->burst_begin && !w->corruption && !w->twice && !w->jitter &&
	       !w->late && !w->mark && !w->dead_until && !w->mtu_changes && !w->rate;
}

/* Few buffers, at one side or both. By numbers of their own, so that a seed means the same as
 * before in all else. A client whose cookie is refused would not know. */
static void
choose_budgets(struct scenario *s)
{
	struct random r;

	random_seed(&r, s->seed ^ 0xb0ffe51);
	if (s->clean || !random_one_in(&r, 5))
		return;
	for (int i = 0; i < 2; i++) {
		if (!s->sides[i].cookies && !random_one_in(&r, 3))
			s->sides[i].budget = (uint32_t)random_scale(&r, BUDGET_LEAST, 2000);
	}
}

/* Few connections may have something under way at a time. By numbers of their own as well. */
static void
choose_flights(struct scenario *s)
{
	struct random r;

	random_seed(&r, s->seed ^ 0xf11687);
	if (!random_one_in(&r, 4))
		return;
	for (int i = 0; i < 2; i++) {
		if (!random_one_in(&r, 3))
			s->sides[i].flights = (uint32_t)random_between(&r, 1, 4);
	}
}

void
scenario_choose(struct scenario *s, uint64_t seed, struct random *r)
{
	uint64_t most;

	memset(s, 0, sizeof(*s));
	s->seed = seed;
	s->clean = random_one_in(r, 8);
	for (int i = 0; i < 2; i++) {
		choose_way(&s->ways[i], r, s->clean);
		choose_side(&s->sides[i], r);
		if (!s->clean)
			choose_stalls(&s->sides[i], r);
	}
	/* One delay for both ways more often than not. */
	if (!random_one_in(r, 3))
		s->ways[1].delay = s->ways[0].delay;
	for (int i = 0; i < 2; i++)
		if (!cookies_may_be_used(&s->ways[1 - i]) || s->sides[i].stall_for[0] ||
		    s->sides[i].stall_for[1])
			s->sides[i].cookies = false;
	s->n_connections = 1;
	if (random_one_in(r, 3))
		s->n_connections = (unsigned int)random_scale(r, 1, SCENARIO_CONNECTIONS);
	most = (random_one_in(r, 8) ? 1000000 : 150000) / s->n_connections;
	for (unsigned int i = 0; i < s->n_connections; i++)
		choose_connection(&s->connections[i], r, most);
	/* They begin in their order. */
	for (unsigned int i = 1; i < s->n_connections; i++)
		if (s->connections[i].begin < s->connections[i - 1].begin)
			s->connections[i].begin = s->connections[i - 1].begin;
	if (random_one_in(r, 8))
		choose_abort(s, r);
	if (!s->clean && random_one_in(r, 3))
		s->forged = (uint32_t)random_scale(r, 60, 10 * PERCENT);
	for (int i = 0; i < 2; i++) {
		if (!s->sides[i].cookies || random_one_in(r, 2))
			continue;
		s->ways[1 - i].copied = (uint32_t)random_scale(r, 600, 50 * PERCENT);
		s->ways[1 - i].copied_by = random_scale(r, MS, 40 * SECOND);
	}
	choose_budgets(s);
	choose_flights(s);
}

static void
print_way(const char *name, const struct way *w)
{
	printf("  %s: delay %.3f ms jitter %.3f ms rate %.1f Mb/s queue %llu loss %.2f%% "
	       "corrupt %.2f%% twice %.2f%% late %.2f%% by %.1f ms burst %.2f%%/%.2f%% mark %.2f%% "
	       "copied %.2f%% by %.1f ms dead %.3f-%.3f s mtu %u, %u from %.3f s\n",
	       name, (double)w->delay / 1e6, (double)w->jitter / 1e6, (double)w->rate / 1e6,
	       (unsigned long long)w->queue, w->loss / 655.36, w->corruption / 655.36,
	       w->twice / 655.36, w->late / 655.36, (double)w->late_by / 1e6,
	       w->burst_begin / 655.36, w->burst_end / 655.36, w->mark / 655.36, w->copied / 655.36,
	       (double)w->copied_by / 1e6, (double)w->dead_from / 1e9, (double)w->dead_until / 1e9,
	       w->mtu, w->later_mtu, (double)w->mtu_changes / 1e9);
}

static void
print_side(int i, const struct scenario_side *s)
{
	printf("  side %d: clock %llu period %.1f us mtu %u windows %u %u buffers %u flights %u "
	       "delayed ack %u "
	       "min rto %u%s%s%s%s%s%s%s%s%s%s pieces %u "
	       "stalls %.3f+%.3f %.3f+%.3f s leap at %.3f by %.3f s\n",
	       i, (unsigned long long)s->clock, (double)s->period / 1e3, s->mtu, s->buffer,
	       s->send_buffer, s->budget, s->flights, s->delayed_ack, s->min_rto,
	       s->timestamps ? " timestamps" : "", s->sack ? " sack" : "", s->scale ? " scale" : "",
	       s->ecn ? " ecn" : "", s->cookies ? " cookies" : "", s->offload ? " offload" : "",
	       s->nagle ? " nagle" : "", s->no_rack ? " no-rack" : "",
	       s->no_cubic ? " no-cubic" : "", s->keepalive ? " keepalive" : "", s->pieces,
	       (double)s->stall_from[0] / 1e9, (double)s->stall_for[0] / 1e9,
	       (double)s->stall_from[1] / 1e9, (double)s->stall_for[1] / 1e9,
	       (double)s->leap_at / 1e9, (double)s->leap_by / 1e9);
}

void
scenario_print(const struct scenario *s)
{
	static const char *const readings[] = { "at once", "late", "stops", "trickle" };
	static const char *const endings[] = { "shutdown", "second", "abort" };
	static const char *const openings[] = { "0", "1", "both" };

	printf("seed %llu: %u connections%s, forged %.2f%%\n", (unsigned long long)s->seed,
	       s->n_connections, s->clean ? ", clean" : "", s->forged / 655.36);
	print_way("0 to 1", &s->ways[0]);
	print_way("1 to 0", &s->ways[1]);
	print_side(0, &s->sides[0]);
	print_side(1, &s->sides[1]);
	for (unsigned int i = 0; i < s->n_connections; i++) {
		const struct scenario_connection *c = &s->connections[i];

		printf("  connection %u: IPv%d by %s at %.3f s\n", i, c->ip6 ? 6 : 4,
		       openings[c->opening], (double)c->begin / 1e9);
		for (int j = 0; j < 2; j++) {
			const struct program *p = &c->programs[j];

			printf("    %d: %llu bytes by %u pause %.3f ms, reads %s (%u, pause %.3f "
			       "ms, stop at %llu for %.3f s), ends %s %.3f s\n",
			       j, (unsigned long long)p->bytes, p->piece,
			       (double)p->write_pause / 1e6, readings[p->reading], p->read_piece,
			       (double)p->read_pause / 1e6, (unsigned long long)p->stop_at,
			       (double)p->stop_for / 1e9, endings[p->ending],
			       (double)p->abort_at / 1e9);
		}
	}
}

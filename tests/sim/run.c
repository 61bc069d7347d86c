/* SPDX-License-Identifier: Apache-2.0 */
/* A run from its seed to its verdict: whatever happens next, happens. */
#include "tests/sim/run.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "tests/sim/nic.h"
#include "tests/sim/world.h"

#define TOO_LONG (7200 * SECOND)
#define TOO_MANY 400000 /* segments */
#define POOL     16383

const struct pools *
pools(void)
{
	static struct pools made;

	if (made.wire)
		return &made;
	nic_start("sim", 512);
	made.wire = nic_pool("wire", POOL);
	made.user = nic_pool("user", 2 * POOL + 1);
	for (int i = 0; i < 2; i++) {
		made.headers[i] = nic_pool(i ? "headers1" : "headers0", POOL);
		made.clones[i] = nic_clones(i ? "clones1" : "clones0", POOL);
	}
	return &made;
}

void
fail(struct world *w, const char *format, ...)
{
	size_t n;
	va_list list;

	if (w->result->failed)
		return;
	w->result->failed = true;
	n = (size_t)snprintf(w->result->why, sizeof(w->result->why),
			     "at %.6f s: ", (double)w->now / 1e9);
	va_start(list, format);
	vsnprintf(w->result->why + n, sizeof(w->result->why) - n, format, list);
	va_end(list);
	trace(w, "FAILED: %s", w->result->why);
}

void
trace(const struct world *w, const char *format, ...)
{
	va_list list;

	if (!w->trace)
		return;
	printf("%12.6f ", (double)w->now / 1e9);
	va_start(list, format);
	vprintf(format, list);
	va_end(list);
	putchar('\n');
}

/* Connections begin in the order of their numbers' times; the plan has few of them. */
static uint64_t
next_begin(const struct world *w)
{
	return w->begun < w->plan.n_connections ? w->plan.connections[w->begun].begin : NEVER;
}

static void
begin_connection(struct world *w)
{
	enum opening opening = w->plan.connections[w->begun].opening;
	unsigned int i = w->begun;

	if (!side_may_open(&w->sides[0]) || !side_may_open(&w->sides[1])) {
		w->plan.connections[i].begin = w->now + 10 * MS;
		return;
	}
	w->begun++;
	if (opening != OPEN_BY_1)
		end_connect(&w->sides[0].ends[i]);
	if (opening != OPEN_BY_0)
		end_connect(&w->sides[1].ends[i]);
	for (int side = 0; side < 2; side++)
		w->sides[side].active_at = w->now;
	for (int side = 0; side < 2; side++)
		if (w->sides[side].next_poll > w->now)
			w->sides[side].next_poll = side_awake(&w->sides[side], w->now);
}

static bool
side_is_empty(const struct side *s)
{
	struct tcp_usage usage;

	tcp_usage(s->tcp, &usage);
	return !usage.connections && !usage.half_open && !usage.time_wait && !usage.timers;
}

static bool
is_over(const struct world *w)
{
	return w->begun == w->plan.n_connections && link_next(&w->link) == NEVER &&
	       !w->sides[0].queued && !w->sides[1].queued && side_is_empty(&w->sides[0]) &&
	       side_is_empty(&w->sides[1]);
}

/* One thing happens. */
static void
happen(struct world *w)
{
	uint64_t begin = next_begin(w), arrival = link_next(&w->link);
	struct side *s = &w->sides[w->sides[1].next_poll < w->sides[0].next_poll];
	struct frame *f;

	if (begin <= arrival && begin <= s->next_poll) {
		w->now = begin > w->now ? begin : w->now;
		begin_connection(w);
		return;
	}
	if (arrival <= s->next_poll) {
		w->now = arrival;
		f = link_take(&w->link);
		if (w->plan.forged && !f->forged && random_chance(&w->random, w->plan.forged))
			forge(w, f->to);
		side_arrival(&w->sides[f->to], f);
		return;
	}
	w->now = s->next_poll;
	side_poll(s);
}

static void
judge_pool(struct world *w, const struct rte_mempool *pool)
{
	unsigned int n = rte_mempool_in_use_count(pool);

	if (n)
		fail(w, "%u mbufs of pool %s are not back", n, pool->name);
}

static void
judge_side(struct world *w, struct side *s)
{
	const struct tcp_counters *c = tcp_counters(s->tcp);
	const char *wrong = tcp_check(s->tcp);
	struct tcp_usage usage;

	if (wrong)
		fail(w, "side %d: %s", s->index, wrong);
	tcp_usage(s->tcp, &usage);
	if (usage.records || usage.buffers || usage.flights)
		fail(w, "side %d: %u records, %u buffers and %u flights are left", s->index,
		     usage.records, usage.buffers, usage.flights);
	if (c->over_cwnd)
		fail(w, "side %d: sent %llu times beyond the congestion window", s->index,
		     (unsigned long long)c->over_cwnd);
	if (c->no_mbuf || c->no_record)
		fail(w, "side %d: no mbuf or no record", s->index);
	if (c->no_flight && !s->plan->flights)
		fail(w, "side %d: no flight", s->index);
	for (unsigned int i = 0; i < w->plan.n_connections; i++)
		end_judge(&s->ends[i]);
}

static void
judge(struct world *w)
{
	for (int i = 0; i < 2; i++)
		judge_side(w, &w->sides[i]);
	judge_pool(w, pools()->wire);
	judge_pool(w, pools()->user);
	for (int i = 0; i < 2; i++) {
		judge_pool(w, pools()->headers[i]);
		judge_pool(w, pools()->clones[i]);
	}
}

/* For people: what each stack thinks of its connections. */
static void
describe(struct world *w)
{
	struct tcp_info info;

	for (int side = 0; side < 2; side++)
		for (uint32_t cursor = 0; cursor != UINT32_MAX;)
			if (tcp_walk(w->sides[side].tcp, &cursor, UINT32_MAX, &info))
				trace(w,
				      "%d: %llu %s srtt %.3f rto %.3f ms cwnd %u ssthresh %u in "
				      "flight "
				      "%u queued %u unread %u windows %u %u mss %u repeated %u%s",
				      side, (unsigned long long)info.user,
				      tcp_state_name(info.state), (double)info.srtt / 1e6,
				      (double)info.rto / 1e6, info.cwnd, info.ssthresh,
				      info.in_flight, info.queued, info.unread, info.send_window,
				      info.receive_window, info.mss, info.retransmits,
				      info.recovering ? " recovering" : "");
}

/* What a failed run left behind must not fail the next one. */
static void
clean_up(struct world *w)
{
	link_destroy(&w->link);
	for (int i = 0; i < 2; i++)
		side_destroy(&w->sides[i]);
}

static void
play(struct world *w)
{
	while (!w->result->failed && !is_over(w)) {
		happen(w);
		if (w->now > TOO_LONG)
			fail(w, "the run does not come to an end");
		if (w->result->segments > TOO_MANY)
			fail(w, "too many segments");
	}
}

void
run_seed(uint64_t seed, bool tracing, struct run_result *result)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		abort();
	pools();
	memset(result, 0, sizeof(*result));
	w->result = result;
	w->trace = tracing;
	random_seed(&w->random, seed);
	scenario_choose(&w->plan, seed, &w->random);
	if (tracing)
		scenario_print(&w->plan);
	link_init(&w->link, &w->random);
	for (int i = 0; i < 2; i++)
		w->link.ways[i] = w->plan.ways[i];
	for (int i = 0; i < 2; i++)
		side_create(w, i);
	if (!result->failed)
		play(w);
	if (!result->failed)
		judge(w);
	if (tracing && result->failed)
		describe(w);
	result->virtual_ns = w->now;
	clean_up(w);
	free(w);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-limits: are limits exact, whatever the number of workers and whoever brings a packet to its
 * worker?
 *
 *     bench-limits [--seconds N] [--virtual] [--workers N] [--only hash | steering | private]
 *
 * Clients send ten times their limit over many flows each, to services with one limit each:
 * packets, bytes or new connections of a client, or packets of the service. What comes out is
 * counted on the wire. The program fails unless
 *
 *     in a window of N seconds (10), a second after the beginning, all that passes of a limit is
 *     within 0.5 % of limit * N; and at no time since the beginning more than limit * time + burst.
 *
 * Clients that keep opening connections, ten times as many as may be open, to services that limit
 * those of a client or of the service: what is open at a time must never be more than the limit,
 * and must reach it.
 *
 * Then a million made-up sources come, while real clients must keep all of their service.
 *
 * Beside it is shown what the same limiter lets through when each worker has one of its own and
 * packets stay where they arrive. The workers are penstockd's and run on lcores of their own, which
 * may share cores. With --virtual nothing waits for the clock: one thread, the same result each
 * time; for tests.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/common/world.h"
#include "bench/limits/fleet.h"
#include "bench/limits/flood.h"
#include "bench/limits/load.h"
#include "bench/limits/opening.h"

#define SECOND    1000000000ull
#define TICK_NS   50000ull /* of virtual time */
#define TOLERANCE 0.005
#define IDLE_NS   20000 /* the cores are the workers' too */
/* The window begins and ends when nobody has paused for so long. */
#define CALM_NS    50000000ull
#define PAUSE_NS   5000000ull
#define CALM_TRIES 200
#define OPENING_NS (3 * SECOND)

struct options {
	uint64_t window_ns;
	bool in_virtual_time;
	uint32_t workers; /* 0: 1, 2 and 4 */
	int only;         /* enum fleet_kind; FLEET_KINDS: all */
};

/* Of all limits of a kind: what passed in the window, as shares of the limit. */
struct range {
	double least, greatest;
};

struct result {
	struct range kinds[LOAD_KINDS];
	double most;      /* of limit * time + burst, at any time, of any limit */
	double sent;      /* times the limit, at least */
	uint64_t lost;    /* before the workers */
	uint64_t steered; /* from worker to worker */
};

static const char *const arrangement[FLEET_KINDS] = {
	[FLEET_HASHED] = "hash of the card",
	[FLEET_STEERED] = "software steering",
	[FLEET_PRIVATE] = "limiter per core",
};

static const uint32_t worker_counts[] = { 1, 2, 4 };

static unsigned int passed, failed;

static void
check(bool ok, const char *what, const char *kind)
{
	passed += ok;
	failed += !ok;
	if (!ok)
		printf("  NOT SO: %s: %s\n", kind, what);
}

/* ---- one run ---- */

/* Send and count until `end`. */
static void
run_until(const struct options *o, struct fleet *f, struct load *l, uint64_t *now, uint64_t end)
{
	const struct timespec idle = { .tv_nsec = IDLE_NS };

	while (*now < end) {
		load_send(l, *now);
		if (o->in_virtual_time) {
			fleet_step(f, *now);
			while (load_receive(l, *now))
				;
			*now += TICK_NS;
			continue;
		}
		if (!load_receive(l, *now))
			nanosleep(&idle, NULL);
		*now = fleet_now(f);
	}
}

/* Where the cores are shared with others, a worker or this thread may have to wait for its turn;
 * what its clients may send then comes a moment later. Not just while we look. */
static void
run_until_calm(const struct options *o, struct fleet *f, struct load *l, uint64_t *now)
{
	uint64_t calm_since = *now, before;
	int tries = CALM_TRIES * (int)(CALM_NS / PAUSE_NS);

	while (!o->in_virtual_time && *now - calm_since < CALM_NS && tries-- > 0) {
		before = *now;
		run_until(o, f, l, now, before + 1000000);
		if (*now - before > PAUSE_NS || !load_keeps_up(l))
			calm_since = *now;
	}
}

static void
summarize(const struct load *l, double seconds, struct result *out)
{
	uint32_t n, i;
	const struct meter *m = load_meters(l, &n);

	*out = (struct result){ .sent = 1e9, .lost = load_lost(l) };
	for (i = 0; i < n; i++) {
		struct range *r = &out->kinds[m[i].kind];
		double share = (double)(m[i].passed - m[i].window) / ((double)m[i].limit * seconds);

		if (r->greatest == 0.0 || share < r->least)
			r->least = share;
		r->greatest = share > r->greatest ? share : r->greatest;
		out->most = m[i].most > out->most ? m[i].most : out->most;
	}
}

static struct result
measure(const struct options *o, uint32_t workers, enum fleet_kind kind)
{
	char *objects = load_objects();
	struct fleet *f = fleet_open(objects, workers, kind);
	uint64_t now = fleet_now(f), begin = now, window;
	struct load *l = load_open(f, begin, !o->in_virtual_time);
	struct result result;
	uint32_t i;

	if (!o->in_virtual_time)
		fleet_run(f);
	run_until(o, f, l, &now, begin + SECOND);
	run_until_calm(o, f, l, &now);
	load_window(l);
	window = now;
	run_until(o, f, l, &now, window + o->window_ns);
	run_until_calm(o, f, l, &now);
	summarize(l, (double)(now - window) / 1e9, &result);
	if (!o->in_virtual_time)
		fleet_halt(f);
	for (i = 0; i < workers; i++)
		result.steered += f->workers[i]->stats.steered_in;
	load_close(l);
	fleet_close(f);
	free(objects);
	return result;
}

/* ---- the table ---- */

static void
print_head(void)
{
	int kind;

	printf("%-8s%-19s", "workers", "who is whose");
	for (kind = 0; kind < LOAD_KINDS; kind++)
		printf("%19s", load_kind_name((enum load_kind)kind));
	printf("%13s%12s%9s\n", "most ever", "steered", "lost");
}

static void
print_row(uint32_t workers, enum fleet_kind kind, const struct result *r)
{
	char text[40];
	int i;

	printf("%-8u%-19s", workers, arrangement[kind]);
	for (i = 0; i < LOAD_KINDS; i++) {
		snprintf(text, sizeof(text), "%.2f - %.2f %%", 100 * r->kinds[i].least,
			 100 * r->kinds[i].greatest);
		printf("%19s", text);
	}
	printf("%11.2f %%%12llu%9llu\n", 100 * r->most, (unsigned long long)r->steered,
	       (unsigned long long)r->lost);
	fflush(stdout);
}

static void
check_row(uint32_t workers, enum fleet_kind kind, const struct result *r)
{
	int i;

	for (i = 0; i < LOAD_KINDS; i++) {
		const char *name = load_kind_name((enum load_kind)i);
		double wanted = kind == FLEET_PRIVATE ? workers : 1;

		check(r->kinds[i].least >= wanted * (1 - TOLERANCE), "too little passes", name);
		check(r->kinds[i].greatest <= wanted * (1 + TOLERANCE), "too much passes", name);
	}
	if (kind != FLEET_PRIVATE)
		check(r->most <= 1.0, "more than limit * time + burst", "some limit");
	if (kind == FLEET_STEERED && workers > 1)
		check(r->steered > 0, "no packet was steered", "all limits");
}

/* ---- open at a time ---- */

static void
print_opening(uint32_t workers, enum fleet_kind kind, const struct opening_count *c)
{
	char text[40];
	int i;

	printf("%-8u%-19s", workers, arrangement[kind]);
	for (i = 0; i < OPENING_KINDS; i++) {
		snprintf(text, sizeof(text), "%u - %u of %u", c[i].least, c[i].most, c[i].limit);
		printf("%24s%9.1f %%%10llu of %8llu", text, 100 * c[i].mean,
		       (unsigned long long)c[i].begun, (unsigned long long)c[i].tried);
	}
	printf("\n");
	fflush(stdout);
}

static void
check_opening(uint32_t workers, enum fleet_kind kind, const struct opening_count *c)
{
	static const char *const names[OPENING_KINDS] = { "connections of a client",
							  "connections of a service" };
	int i;

	for (i = 0; i < OPENING_KINDS; i++) {
		uint32_t wanted = c[i].limit * (kind == FLEET_PRIVATE ? workers : 1);

		check(c[i].most <= wanted, "more are open than may be", names[i]);
		check(c[i].least == wanted, "fewer are open than may be", names[i]);
		check(c[i].begun < c[i].tried, "none was refused", names[i]);
	}
}

static bool
is_wanted(const struct options *o, uint32_t workers, int kind)
{
	return (!o->workers || o->workers == workers) &&
	       (o->only == FLEET_KINDS || o->only == kind);
}

static void
run_openings(const struct options *o)
{
	struct opening_count counts[OPENING_KINDS];
	struct opening_request request = { .ns = o->window_ns < OPENING_NS ? o->window_ns
									   : OPENING_NS,
					   .in_virtual_time = o->in_virtual_time };
	int kind;
	unsigned int i;

	printf("\nopen at a time; how many the least and the most, mean, connections that began\n"
	       "%-8s%-19s%24s%38s%24s\n",
	       "workers", "who is whose", "of a client", "", "of a service");
	for (kind = 0; kind < FLEET_KINDS; kind++) {
		for (i = 0; i < sizeof(worker_counts) / sizeof(worker_counts[0]); i++) {
			if (!is_wanted(o, worker_counts[i], kind))
				continue;
			request.workers = worker_counts[i];
			request.kind = (enum fleet_kind)kind;
			opening_run(&request, counts);
			print_opening(worker_counts[i], request.kind, counts);
			check_opening(worker_counts[i], request.kind, counts);
		}
	}
}

/* ---- the flood ---- */

static void
run_floods(uint32_t workers)
{
	struct flood_result r;
	unsigned int i;

	printf("\n1,000,000 made-up sources, %u workers\n%-26s%22s%26s\n", workers, "each of which",
	       "real clients: passed", "made-up ones: passed");
	for (i = 0; i < FLOODS; i++) {
		flood_run(i, workers, &r);
		printf("%-26s%11llu of %7llu%15llu of %7llu\n", r.name,
		       (unsigned long long)r.real_passed, (unsigned long long)r.real_sent,
		       (unsigned long long)r.flood_passed, (unsigned long long)r.flood_sent);
		fflush(stdout);
		check(r.real_passed == r.real_sent, "a real client has lost packets", r.name);
		check(r.flood_passed >= r.least, "all refused", r.name);
		check(r.flood_passed <= r.most, "unlimited", r.name);
	}
}

static int
kind_of(const char *text)
{
	static const char *const names[FLEET_KINDS] = { "hash", "steering", "private" };
	int kind;

	for (kind = 0; kind < FLEET_KINDS; kind++) {
		if (strcmp(text, names[kind]) == 0)
			return kind;
	}
	return -1;
}

static int
parse_options(int argc, char **argv, struct options *o)
{
	static const struct option table[] = {
		{ "seconds", required_argument, NULL, 's' },
		{ "virtual", no_argument, NULL, 'v' },
		{ "workers", required_argument, NULL, 'w' },
		{ "only", required_argument, NULL, 'o' },
		{ 0 },
	};
	int got;

	*o = (struct options){ .window_ns = 10 * SECOND, .only = FLEET_KINDS };
	while ((got = getopt_long(argc, argv, "", table, NULL)) != -1) {
		if (got == 's')
			o->window_ns = (uint64_t)strtoul(optarg, NULL, 10) * SECOND;
		else if (got == 'v')
			o->in_virtual_time = true;
		else if (got == 'w')
			o->workers = (uint32_t)strtoul(optarg, NULL, 10);
		else if (got == 'o')
			o->only = kind_of(optarg);
		else
			return -1;
	}
	return optind == argc && o->window_ns && o->only >= 0 && o->workers <= FLEET_MAX ? 0 : -1;
}

int
main(int argc, char **argv)
{
	struct options o;
	unsigned int i;
	int kind;

	if (parse_options(argc, argv, &o) < 0) {
		fprintf(stderr, "usage: bench-limits [--seconds N] [--virtual] [--workers N] "
				"[--only hash|steering|private]\n");
		return 2;
	}
	fleet_start();
	printf("what passes in %llu s of %s time, clients at 10 times their limit; 100 %% is the "
	       "limit\n",
	       (unsigned long long)(o.window_ns / SECOND), o.in_virtual_time ? "virtual" : "real");
	print_head();
	for (kind = 0; kind < FLEET_KINDS; kind++) {
		for (i = 0; i < sizeof(worker_counts) / sizeof(worker_counts[0]); i++) {
			struct result r;

			if (!is_wanted(&o, worker_counts[i], kind))
				continue;
			r = measure(&o, worker_counts[i], (enum fleet_kind)kind);
			print_row(worker_counts[i], (enum fleet_kind)kind, &r);
			check_row(worker_counts[i], (enum fleet_kind)kind, &r);
		}
	}
	run_openings(&o);
	if (o.only == FLEET_KINDS && !o.workers)
		run_floods(2);
	printf("%u passed, %u failed\n", passed, failed);
	fleet_end();
	return failed ? 1 : 0;
}

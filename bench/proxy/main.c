/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-proxy: clients and backends of a listener, both on one core, at the far end of one port.
 *
 *     bench-proxy EAL-OPTIONS -- OPTIONS exchange | open | bulk | idle | flood | paced | rush
 *                             (options.h)
 *
 * Waits until somebody answers, opens what connections are kept, goes on for a moment, and then
 * measures for --seconds; idle instead opens its connections, prints a line, waits for SIGUSR1 and
 * then has each of them carry a request and its answer. Prints one JSON object, and goes on, so
 * that the other side can be looked at and be ended first, until SIGTERM comes. `busy` is the share
 * of the time in which this program had something to do: where that is nearly all of it, it is this
 * program that limits.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_eal.h>

#include "bench/common/waited.h"
#include "bench/common/world.h"
#include "bench/proxy/http.h"
#include "bench/proxy/peers.h"

#define OPENING_MAX 256 /* connections that are opened at the same time */
#define POUR_MAX    8   /* segments of one connection in a row */
#define POUR_BURST  128 /* ... of all in one iteration */
#define FLOOD_BURST 32
/* Long enough for some thousand answers. */
#define WINDOW_MS    40
#define WINDOWS_MAX  2000
#define WINDOW_LEAST 100
#define WAIT_S       40 /* for somebody to answer */
#define SECURING     4  /* times as long for handshakes of TLS */
#define SETTLE_MS    300
#define RUSH_BURST   32
#define RUSH_S       60 /* for all of a rush to be answered */
#define RUSH_GAP_US  50 /* of this program's own, see catch_up() */
#define FLOOD_GAP_US 10
#define OPEN_SPREAD  65536 /* clients that take turns in being opened and closed */

struct bench {
	struct options options;
	struct wire wire;
	struct peers peers;
	uint64_t hz, busy, floods;
	uint64_t next_request, next_syn; /* TSC; 0: none are due */
	uint64_t began;                  /* TSC: this iteration */
	uint64_t gap;  /* TSC: one that took longer was stopped; 0: not looked for */
	uint64_t full; /* rings that were waited for, up to it */
	uint32_t turn;
	bool over; /* what is measured */
	bool more; /* the ring that is received from has not been seen empty */
	bool catching_up;
};

static volatile sig_atomic_t stopped, woken;

static void
on_signal(int signal)
{
	if (signal == SIGTERM)
		stopped = 1;
	else
		woken = 1;
}

/* ---- an iteration --------------------------------------------------------------------------- */

static bool
receive(struct bench *b)
{
	struct rte_mbuf *burst[WIRE_BURST];
	uint16_t n, i, rounds;

	for (rounds = 0; rounds < 4; rounds++) {
		n = wire_receive(&b->wire, burst, b->peers.now);
		for (i = 0; i < n; i++)
			peers_input(&b->peers, burst[i]);
		if (n)
			wire_done(burst, n);
		if (n < WIRE_BURST)
			break;
	}
	b->more = n == WIRE_BURST;
	return rounds || n;
}

/* Requests at a steady rate, of one connection after the other. */
static bool
requests_due(struct bench *b)
{
	struct peers *p = &b->peers;
	uint64_t interval = b->hz / b->options.rate;
	bool any = false;

	for (; b->next_request && b->next_request <= p->now; b->next_request += interval) {
		struct client *c = &p->clients[b->turn];

		if (c->state == CLIENT_OPEN && !c->waiting) {
			client_request(p, b->turn, b->next_request);
		} else if (c->state == CLIENT_OPEN) {
			p->count.late++;
			c->owed = true;
		}
		b->turn = b->turn + 1 < p->n_kept ? b->turn + 1 : 0;
		any = true;
	}
	return any;
}

/* SYNs of the flood: as many as are due and find room. */
static bool
flood_due(struct bench *b)
{
	struct peers *p = &b->peers;
	uint64_t due;
	uint32_t n, i;

	if (!b->next_syn || b->next_syn > p->now)
		return false;
	due = (p->now - b->next_syn) * b->options.flood / b->hz + 1;
	n = (uint32_t)RTE_MIN(due, (uint64_t)FLOOD_BURST);
	wire_flush(&b->wire);
	for (i = 0; i < n; i++)
		flood_syn(p);
	n = wire_offer(&b->wire);
	b->floods += n;
	b->next_syn += (uint64_t)n * b->hz / b->options.flood;
	return true;
}

/* Was this program stopped, by the kernel's clock or by the handshake threads that share its core?
 * Where it has waited for a full ring, it was the worker that was late. */
static bool
was_stopped(const struct bench *b, uint64_t now)
{
	return b->gap && now - b->began > b->gap && b->wire.full == b->full;
}

/* What this program's own stops have kept it from seeing is no latency of the worker's. Nothing is
 * asked and measured until all that has come meanwhile has been seen. A flood goes on as before:
 * others' machines do not stop when this one does. */
static void
catch_up(struct bench *b, uint64_t now)
{
	b->peers.not_before = now;
	if (b->next_request)
		b->next_request = RTE_MAX(b->next_request, now);
	if (b->next_syn)
		b->next_syn = RTE_MAX(b->next_syn, now);
}

static void
iterate(struct bench *b, bool (*pump)(struct bench *b))
{
	struct peers *p = &b->peers;
	uint64_t begin = rte_rdtsc();
	bool worked;

	p->now = begin;
	p->now_ms = (uint32_t)(begin / (b->hz / 1000));
	if (was_stopped(b, begin)) {
		b->catching_up = true;
		catch_up(b, begin);
	}
	b->began = begin;
	b->full = b->wire.full;
	worked = receive(b);
	if (b->catching_up) {
		catch_up(b, rte_rdtsc());
		b->catching_up = b->more;
	}
	worked |= requests_due(b);
	if (pump)
		worked |= pump(b);
	peers_watch(p);
	if (b->wire.n_out) {
		worked = true;
		wire_flush(&b->wire);
	}
	if (worked)
		b->busy += rte_rdtsc() - begin;
}

static void
go_on(struct bench *b, double seconds, bool (*pump)(struct bench *b))
{
	uint64_t end = rte_rdtsc() + (uint64_t)(seconds * (double)b->hz);

	while (rte_rdtsc() < end && !b->over)
		iterate(b, pump);
}

/* ---- what drives them ----------------------------------------------------------------------- */

/* Open connections as long as not too many are being opened. */
static bool
pump_open(struct bench *b)
{
	struct peers *p = &b->peers;
	uint64_t done = b->options.load == LOAD_OPEN ? p->count.closed : p->count.opened;
	uint64_t begun = p->next - p->count.broken - done, most = OPENING_MAX;
	bool any = false;
	uint32_t i;

	if (b->options.load == LOAD_OPEN)
		most = b->options.connections;
	for (; begun < most && (b->options.load == LOAD_OPEN || p->next < p->n_kept); begun++) {
		i = p->next % p->n_clients;
		if (p->clients[i].state != CLIENT_CLOSED)
			return any;
		client_open(p, i);
		p->next++;
		any = true;
	}
	return any;
}

static bool
pump_bulk(struct bench *b)
{
	struct peers *p = &b->peers;
	uint32_t left = POUR_BURST, i, n;
	bool any = false;

	if (p->http)
		return http_pour_some(p, POUR_BURST) > 0;
	for (i = 0; i < p->n_clients && left; i++) {
		n = client_pour(p, b->turn, RTE_MIN(left, (uint32_t)POUR_MAX));
		b->turn = b->turn + 1 < p->n_clients ? b->turn + 1 : 0;
		left -= n;
		any |= n > 0;
	}
	return any;
}

/* All that only shake hands, at once, until each of them has been answered or refused. */
static bool
pump_rush(struct bench *b)
{
	struct peers *p = &b->peers;
	uint32_t n;

	for (n = 0; n < RUSH_BURST && p->next < p->n_clients; n++)
		client_open(p, p->next++);
	b->over = p->count.rushed + p->count.broken >= b->options.rush;
	return n > 0;
}

/* One request on each connection in turn, as long as not too many wait. */
static bool
pump_once(struct bench *b)
{
	struct peers *p = &b->peers;
	bool any = false;

	while (b->turn < p->n_clients && b->turn - p->count.answers < OPENING_MAX) {
		if (p->clients[b->turn].state == CLIENT_OPEN)
			client_request(p, b->turn, p->now);
		b->turn++;
		any = true;
	}
	return any;
}

/* ---- phases --------------------------------------------------------------------------------- */

/* Until the first client's SYN is answered. */
static void
wait_for_peer(struct bench *b)
{
	struct peers *p = &b->peers;
	uint64_t end = rte_rdtsc() + WAIT_S * b->hz, next = 0;

	while (!p->count.opened) {
		if (stopped || rte_rdtsc() > end)
			world_fail("nobody answers");
		if (rte_rdtsc() > next) {
			next = rte_rdtsc() + b->hz / 50;
			client_try(p, 0);
			wire_offer(&b->wire);
		}
		iterate(b, NULL);
	}
	p->next = 1;
}

static void
open_all(struct bench *b)
{
	struct peers *p = &b->peers;
	uint64_t end = rte_rdtsc() + WAIT_S * b->hz * (p->tls ? SECURING : 1);

	while (p->count.opened < p->n_kept) {
		if (rte_rdtsc() > end)
			world_fail("only %" PRIu64 " of %u connections could be opened",
				   p->count.opened, p->n_kept);
		iterate(b, pump_open);
	}
}

/* Of a phase, microseconds; window_*: the median of its windows, most: what nine of ten do not
 * exceed. Windows with hardly any answer are counted only. */
struct latencies {
	struct histogram all;
	double window_p99, window_p99_most, window_p999;
	uint32_t windows_empty;
};

static double
microseconds(const struct bench *b, const struct histogram *h, double quantile)
{
	return (double)histogram_quantile(h, quantile) * 1e6 / (double)b->hz;
}

static int
by_size(const void *x, const void *y)
{
	double a = *(const double *)x, b = *(const double *)y;

	return (a > b) - (a < b);
}

static double
quantile(double *values, uint32_t n, double share)
{
	qsort(values, n, sizeof(*values), by_size);
	return n ? values[(uint32_t)(n * share)] : 0;
}

/* Go on, and find the latencies of the phase, and those of windows of it: what stops the machine
 * for some milliseconds is in all quantiles of the phase, and in those of few windows. */
static void
go_on_measured(struct bench *b, bool (*pump)(struct bench *b), struct latencies *l)
{
	static struct histogram window;
	static double p99[WINDOWS_MAX], p999[WINDOWS_MAX];
	uint32_t kept = 0;
	uint32_t n = (uint32_t)RTE_MIN(b->options.seconds * 1e3 / WINDOW_MS + 0.5, WINDOWS_MAX), i;

	memset(l, 0, sizeof(*l));
	b->peers.latency = &window;
	for (i = 0; i < n && !b->over; i++) {
		memset(&window, 0, sizeof(window));
		go_on(b, WINDOW_MS / 1e3, pump);
		histogram_merge(&l->all, &window);
		if (window.n < WINDOW_LEAST) {
			l->windows_empty++;
			continue;
		}
		p99[kept] = microseconds(b, &window, 0.99);
		p999[kept++] = microseconds(b, &window, 0.999);
	}
	b->peers.latency = NULL;
	l->window_p99 = quantile(p99, kept, 0.5);
	l->window_p99_most = quantile(p99, kept, 0.9);
	l->window_p999 = quantile(p999, kept, 0.5);
}

/* One phase, measured; prints the inside of a JSON object. */
static void
measure(struct bench *b, bool (*pump)(struct bench *b))
{
	static struct latencies latency;
	struct peers *p = &b->peers;
	struct peers_count from = p->count;
	uint64_t start = rte_rdtsc(), busy = b->busy, floods = b->floods, wait = thread_waited(),
		 took;
	double seconds;

	go_on_measured(b, pump, &latency);
	took = rte_rdtsc() - start;
	seconds = (double)took / (double)b->hz;
	printf("\"seconds\": %.4f, \"busy\": %.3f, \"waited\": %.4f, \"answers\": %" PRIu64
	       ", \"closed\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"floods\": %" PRIu64
	       ", \"cookies\": %" PRIu64 ", \"late\": %" PRIu64 ", \"resent\": %" PRIu64
	       ", \"p50\": %.1f, \"p99\": %.1f, \"p999\": %.1f, \"most\": %.1f"
	       ", \"window_p99\": %.1f, \"window_p99_most\": %.1f, \"window_p999\": %.1f"
	       ", \"windows_empty\": %u",
	       seconds, (double)(b->busy - busy) / (double)took,
	       (double)(thread_waited() - wait) / 1e9, p->count.answers - from.answers,
	       p->count.closed - from.closed, p->count.bytes - from.bytes, b->floods - floods,
	       p->count.cookies - from.cookies, p->count.late - from.late,
	       p->count.resent - from.resent, microseconds(b, &latency.all, 0.5),
	       microseconds(b, &latency.all, 0.99), microseconds(b, &latency.all, 0.999),
	       microseconds(b, &latency.all, 1.0), latency.window_p99, latency.window_p99_most,
	       latency.window_p999, latency.windows_empty);
}

/* A request on each connection. */
static void
ask_all(struct bench *b)
{
	struct peers *p = &b->peers;
	uint64_t end = rte_rdtsc() + WAIT_S * b->hz;

	b->turn = 0;
	p->count.answers = 0;
	while (p->count.answers < p->n_clients && rte_rdtsc() < end)
		iterate(b, pump_once);
}

static void
run_idle(struct bench *b)
{
	struct peers *p = &b->peers;
	uint64_t start = rte_rdtsc();

	open_all(b);
	if (p->http) /* kept ones have had a request */
		ask_all(b);
	printf("{\"opened\": %" PRIu64 ", \"seconds\": %.3f}\n", p->count.opened,
	       (double)(rte_rdtsc() - start) / (double)b->hz);
	fflush(stdout);
	while (!woken && !stopped)
		iterate(b, NULL);
	ask_all(b);
	printf("{\"connections\": %u, \"answered\": %" PRIu64, p->n_clients, p->count.answers);
}

static void
run_flood(struct bench *b)
{
	struct peers *p = &b->peers;
	uint64_t broken, voided;

	p->period = b->hz / b->options.rate * p->n_clients;
	b->gap = b->hz / 1000000 * FLOOD_GAP_US;
	open_all(b);
	b->next_request = rte_rdtsc();
	go_on(b, SETTLE_MS / 1e3, NULL);
	voided = p->count.voided;
	printf("{\"without\": {");
	measure(b, NULL);
	printf(", \"voided\": %" PRIu64 "}, \"with\": {", p->count.voided - voided);
	broken = p->count.broken;
	b->next_syn = rte_rdtsc();
	go_on(b, SETTLE_MS / 1e3, flood_due);
	voided = p->count.voided;
	measure(b, flood_due);
	printf(", \"voided\": %" PRIu64 ", \"broken\": %" PRIu64 "}", p->count.voided - voided,
	       p->count.broken - broken);
}

static void
run_paced(struct bench *b)
{
	struct peers *p = &b->peers;

	p->period = b->hz / b->options.rate * p->n_clients;
	open_all(b);
	b->next_request = rte_rdtsc();
	go_on(b, SETTLE_MS / 1e3, NULL);
	printf("{");
	measure(b, NULL);
}

static void
run_rush(struct bench *b)
{
	struct peers *p = &b->peers;
	uint64_t voided;

	p->period = b->hz / b->options.rate * p->n_kept;
	b->gap = b->hz / 1000000 * RUSH_GAP_US;
	open_all(b);
	b->next_request = rte_rdtsc();
	go_on(b, SETTLE_MS / 1e3, NULL);
	voided = p->count.voided;
	printf("{\"without\": {");
	measure(b, NULL);
	printf(", \"voided\": %" PRIu64 "}, \"with\": {", p->count.voided - voided);
	voided = p->count.voided;
	b->options.seconds = RUSH_S;
	measure(b, pump_rush);
	printf(", \"voided\": %" PRIu64 ", \"rushed\": %" PRIu64 "}", p->count.voided - voided,
	       p->count.rushed);
}

static void
run(struct bench *b)
{
	switch (b->options.load) {
	case LOAD_IDLE:
		run_idle(b);
		return;
	case LOAD_FLOOD:
		run_flood(b);
		return;
	case LOAD_PACED:
		run_paced(b);
		return;
	case LOAD_RUSH:
		run_rush(b);
		return;
	case LOAD_EXCHANGE:
		open_all(b);
		go_on(b, SETTLE_MS / 1e3, NULL);
		printf("{");
		measure(b, NULL);
		return;
	case LOAD_OPEN:
		go_on(b, SETTLE_MS / 1e3, pump_open);
		printf("{");
		measure(b, pump_open);
		return;
	case LOAD_BULK:
		open_all(b);
		go_on(b, SETTLE_MS / 1e3, pump_bulk);
		printf("{");
		measure(b, pump_bulk);
		return;
	}
}

static void
report(const struct bench *b)
{
	const struct peers_count *c = &b->peers.count;

	printf(", \"opened\": %" PRIu64 ", \"broken_in_all\": %" PRIu64 ", \"stuck\": %u"
	       ", \"strange\": %" PRIu64 ", \"wrong\": %" PRIu64 ", \"full\": %" PRIu64
	       ", \"unsent\": %" PRIu64 "}\n",
	       c->opened, c->broken, peers_stuck(&b->peers), c->strange, c->wrong, b->wire.full,
	       b->wire.lost);
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	static struct bench b;
	int used = rte_eal_init(argc, argv);
	struct options o;

	if (used < 0)
		world_fail("DPDK cannot start");
	options_parse(&b.options, argc - used, argv + used);
	signal(SIGTERM, on_signal);
	signal(SIGUSR1, on_signal);
	b.hz = rte_get_tsc_hz();
	wire_open(&b.wire);
	o = b.options;
	if (o.load == LOAD_OPEN)
		o.connections = OPEN_SPREAD;
	peers_init(&b.peers, &o, &b.wire);
	b.peers.options = &b.options;
	b.peers.again = o.load == LOAD_EXCHANGE || (o.http && o.load == LOAD_BULK);
	b.peers.talk = b.peers.again || (o.http && o.load == LOAD_OPEN);
	b.peers.leave = o.load == LOAD_OPEN;
	wait_for_peer(&b);
	run(&b);
	report(&b);
	while (!stopped)
		iterate(&b, NULL);
	wire_close();
	rte_eal_cleanup();
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listeners, whole: streams through a worker, between clients and servers with a TCP of their own
 * (proxy_wire.h). Each connection carries a stream of its own in either direction; its first byte
 * says which.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include <CUnit/CUnit.h>

#include "dp/pipeline.h"
#include "frames.h"
#include "proxy_wire.h"
#include "suites.h"

#define CONNECTIONS 6
#define STREAM      40000u
#define PATIENCE    120000 /* steps of a millisecond */

/* One end of one connection. */
struct stream {
	tcp_handle handle;
	uint32_t sent, received;
	uint8_t id, theirs;
	bool open, shut, half_closed, closed, wrong;
	enum tcp_close_cause cause;
};

struct peer {
	struct stream streams[2 * CONNECTIONS];
	uint32_t n;
};

struct world {
	struct proxy_wire wire;
	struct fixture *f;
	struct peer peers[2];
};

static struct peer *
peer_of(void *arg)
{
	const struct proxy_peer *p = arg;

	return &((struct world *)p->wire->user)->peers[p->where];
}

static uint8_t
pattern(uint8_t id, uint32_t at)
{
	return at ? (uint8_t)(at * 7 + (at >> 8) + id) : id;
}

/* ---- clients and servers --------------------------------------------------------------------- */

static uint64_t
on_accepted(void *arg, tcp_handle h, uint32_t listener, const struct tuple *tuple)
{
	struct peer *p = peer_of(arg);

	(void)listener;
	(void)tuple;
	CU_ASSERT_FATAL(p->n < 2 * CONNECTIONS);
	p->streams[p->n] =
	    (struct stream){ .handle = h, .open = true, .id = (uint8_t)(100 + p->n) };
	return p->n++;
}

static void
on_connected(void *arg, tcp_handle h, uint64_t user)
{
	(void)h;
	peer_of(arg)->streams[user].open = true;
}

static void
on_received(void *arg, tcp_handle h, uint64_t user, struct rte_mbuf *chain, uint32_t length)
{
	struct stream *s = &peer_of(arg)->streams[user];
	struct rte_mbuf *m;
	uint32_t i;

	for (m = chain; m; m = m->next) {
		for (i = 0; i < m->data_len; i++, s->received++) {
			uint8_t byte = *rte_pktmbuf_mtod_offset(m, uint8_t *, i);

			if (s->received == 0)
				s->theirs = byte;
			else if (byte != pattern(s->theirs, s->received))
				s->wrong = true;
		}
	}
	rte_pktmbuf_free(chain);
	tcp_credit(((struct proxy_peer *)arg)->tcp, h, length);
}

static void
on_half_closed(void *arg, tcp_handle h, uint64_t user)
{
	(void)h;
	peer_of(arg)->streams[user].half_closed = true;
}

static void
on_closed(void *arg, tcp_handle h, uint64_t user, enum tcp_close_cause cause)
{
	struct stream *s = &peer_of(arg)->streams[user];

	(void)h;
	s->closed = true;
	s->cause = cause;
}

/* Write some of a stream, and close it when it is complete. A server speaks first, too. */
static void
write_more(struct proxy_peer *p, struct stream *s)
{
	uint8_t bytes[1000];
	struct rte_mbuf *m;
	uint32_t n, i;

	while (s->open && !s->closed && !s->shut && s->sent < STREAM) {
		n = RTE_MIN(1 + (uint32_t)(proxy_wire_random(p->wire) % sizeof(bytes)),
			    STREAM - s->sent);
		for (i = 0; i < n; i++)
			bytes[i] = pattern(s->id, s->sent + i);
		m = fixture_mbuf(bytes, n);
		if (tcp_send(p->tcp, s->handle, m)) {
			rte_pktmbuf_free(m);
			return;
		}
		s->sent += n;
	}
	if (!s->open || s->closed || s->shut)
		return;
	tcp_shutdown(p->tcp, s->handle);
	s->shut = true;
}

/* ---- the world ------------------------------------------------------------------------------- */

static void
step(struct world *w)
{
	uint32_t i, k;

	w->wire.now += MS;
	for (i = 0; i < 2; i++) {
		for (k = 0; k < w->peers[i].n; k++)
			write_more(&w->wire.peers[i], &w->peers[i].streams[k]);
		proxy_wire_peer(&w->wire, &w->wire.peers[i]);
	}
	proxy_wire_worker(&w->wire);
}

static struct world *
world_create_as(const struct proxy_plan *plan)
{
	const struct tcp_calls events = {
		.accepted = on_accepted,
		.connected = on_connected,
		.received = on_received,
		.half_closed = on_half_closed,
		.closed = on_closed,
	};
	struct world *w = calloc(1, sizeof(*w));

	CU_ASSERT_FATAL(w != NULL);
	proxy_wire_create(&w->wire, plan, &events);
	w->wire.user = w;
	w->f = w->wire.f;
	proxy_wire_start(&w->wire);
	proxy_iterate(w->f->worker);
	return w;
}

static struct world *
world_create(uint64_t seed)
{
	return world_create_as(&(struct proxy_plan){ .seed = seed });
}

static void
world_destroy(struct world *w)
{
	CU_ASSERT_PTR_NULL(w->wire.wrong);
	proxy_wire_destroy(&w->wire);
	free(w);
	CU_ASSERT_EQUAL(fixture_mbufs_in_use(), 0);
}

static void
open_clients(struct world *w, uint32_t n)
{
	struct peer *p = &w->peers[CLIENT];
	uint32_t i;

	for (i = 0; i < n; i++) {
		struct stream *s = &p->streams[p->n];

		s->id = (uint8_t)(1 + i);
		CU_ASSERT_FATAL(
		    proxy_wire_connect(&w->wire, (uint16_t)(5000 + i), p->n++, &s->handle));
	}
}

/* A server may wait for the last acknowledgement in vain: when TIME-WAIT is over, its FIN would be
 * answered with a RST by the host, which is not here. */
static bool
all_closed(const struct peer *p, enum where where)
{
	const struct stream *s;
	uint32_t i;

	for (i = 0; i < p->n; i++) {
		s = &p->streams[i];
		if (!s->closed && !(where == SERVER && s->shut && s->half_closed))
			return false;
	}
	return true;
}

static bool
run(struct world *w)
{
	uint32_t i;

	for (i = 0; i < PATIENCE; i++) {
		step(w);
		if (all_closed(&w->peers[CLIENT], CLIENT) &&
		    all_closed(&w->peers[SERVER], SERVER) &&
		    proxy_sessions(worker_proxy(w->f->worker)) == 0)
			return true;
	}
	return false;
}

static bool
stream_complete(const struct stream *s)
{
	return (!s->closed || s->cause == TCP_CLOSED_DONE) && !s->wrong && s->half_closed &&
	       s->received == STREAM;
}

/* All streams arrive whole in both directions, and nothing is left. */
static void
check_run(const struct proxy_plan *plan)
{
	struct world *w = world_create_as(plan);
	const char *wrong;
	bool good;
	uint32_t i;

	open_clients(w, CONNECTIONS);
	good = run(w);
	for (i = 0; good && i < CONNECTIONS; i++)
		good = stream_complete(&w->peers[CLIENT].streams[i]) &&
		       stream_complete(&w->peers[SERVER].streams[i]);
	good = good && w->peers[SERVER].n == CONNECTIONS && proxy_wire_connections(&w->wire) == 0;
	wrong = tcp_check(proxy_tcp(worker_proxy(w->f->worker)));
	if (plan->cookies)
		CU_ASSERT(tcp_counters(proxy_tcp(worker_proxy(w->f->worker)))->syn_cookies_ok >=
			  CONNECTIONS);
	if (!good || wrong)
		fprintf(stderr, "seed %lu, one lost in %u: %s\n", (unsigned long)plan->seed,
			plan->lose_one_in, wrong ? wrong : "streams are not complete");
	CU_ASSERT(good && !wrong);
	/* Streams of 40,000 bytes give it occasion. */
	CU_ASSERT_EQUAL(plan->tso, w->wire.cut >= CONNECTIONS);
	world_destroy(w);
}

static void
test_clean(void)
{
	check_run(&(struct proxy_plan){ .seed = 1 });
	check_run(&(struct proxy_plan){ .seed = 1, .ip6 = true });
}

static void
test_losses(void)
{
	uint64_t seed;

	for (seed = 1; seed <= 20; seed++)
		check_run(&(struct proxy_plan){
		    .seed = seed, .lose_one_in = seed % 2 ? 20 : 100, .ip6 = seed % 4 >= 2 });
}

/* A cookie comes back with the first segment behind it, so the wire keeps the order. */
static void
test_cookies(void)
{
	uint32_t k;

	for (k = 0; k < 4; k++)
		check_run(&(struct proxy_plan){
		    .seed = 90 + k, .cookies = true, .ip6 = k & 1, .checksums = k & 2 });
}

/* Cards that do more and more of the work: the streams are the same. */
static void
test_offloads(void)
{
	static const struct proxy_plan cards[] = {
		{ .checksums = true },
		{ .segments = true },
		{ .checksums = true, .segments = true },
		{ .checksums = true, .segments = true, .tso = true },
	};
	struct proxy_plan plan;
	uint32_t i, k;

	for (i = 0; i < RTE_DIM(cards); i++) {
		for (k = 0; k < 8; k++) {
			plan = cards[i];
			plan.seed = 50 + k;
			plan.ip6 = k & 1;
			plan.lose_one_in = k & 2 ? 40 : 0;
			check_run(&plan);
		}
	}
}

/* Where one of two ports cannot cut, no packet is made that has to be cut: it may leave by either.
 */
static void
test_weaker_port(void)
{
	struct proxy_plan plan = { .seed = 9, .checksums = true, .segments = true, .tso = true };
	struct world *w = world_create_as(&plan);
	struct fixture *f = w->f;

	f->dataplane.n_ports = 2;
	f->dataplane.ports[1] = f->dataplane.ports[0];
	f->dataplane.ports[1].tx_tso = false;
	proxy_wire_start(&w->wire);
	proxy_iterate(f->worker);
	open_clients(w, CONNECTIONS);
	CU_ASSERT(run(w));
	CU_ASSERT_EQUAL(w->wire.cut, 0);
	f->dataplane.n_ports = 1;
	world_destroy(w);
}

/* Both backends refuse: the client is reset, both were tried, and nothing is left. */
static void
test_refused(void)
{
	struct world *w = world_create(3);
	const struct proxy_counters *c = proxy_counters(worker_proxy(w->f->worker));
	const struct stream *s = &w->peers[CLIENT].streams[0];

	w->f->backends[0].port = w->f->backends[1].port = htons(8081);
	open_clients(w, 1);
	CU_ASSERT(run(w));
	CU_ASSERT_EQUAL(s->cause, TCP_CLOSED_RESET);
	CU_ASSERT_EQUAL(c->backends_tried, 2);
	CU_ASSERT_EQUAL(c->backends_failed, 2);
	CU_ASSERT_EQUAL(w->f->worker->service_drops[0][DROP_CONNECT_FAILED], 1);
	CU_ASSERT_EQUAL(proxy_wire_connections(&w->wire), 0);
	world_destroy(w);
}

/* One refuses: the other one gets the client, and all that it has sent meanwhile. */
static void
test_another(void)
{
	struct world *w = world_create(4);
	uint32_t i;

	w->f->backends[0].port = htons(8081);
	open_clients(w, CONNECTIONS);
	CU_ASSERT(run(w));
	for (i = 0; i < CONNECTIONS; i++)
		CU_ASSERT(stream_complete(&w->peers[CLIENT].streams[i]));
	CU_ASSERT_EQUAL(w->f->worker->backend_stats[1].connections_total, CONNECTIONS);
	world_destroy(w);
}

/* A client's first packet may come with the first burst under the snapshot that has the listener.
 */
static void
test_first_burst(void)
{
	struct world *w = world_create(21);
	const struct proxy_settings *proxies = w->f->snapshot.proxies;
	uint32_t epoch = w->f->services[0].epoch;

	w->f->services[0].epoch = 0;
	w->f->snapshot.proxies = NULL;
	w->f->snapshot.version++;
	proxy_iterate(w->f->worker);
	w->f->services[0].epoch = epoch;
	w->f->snapshot.proxies = proxies;
	w->f->snapshot.version++;
	open_clients(w, CONNECTIONS);
	CU_ASSERT(run(w));
	CU_ASSERT_EQUAL(tcp_counters(proxy_tcp(worker_proxy(w->f->worker)))->resets_out, 0);
	CU_ASSERT(stream_complete(&w->peers[CLIENT].streams[0]));
	world_destroy(w);
}

/* How many ms a backend's neighbour stays unknown, and the client's streams still come through at
 * once: what was sent to it has waited. */
static void
check_neighbour_late(bool ip6)
{
	struct world *w = world_create_as(&(struct proxy_plan){ .seed = 31, .ip6 = ip6 });
	uint32_t i;

	w->f->nexthops[0].state = NEXTHOP_UNRESOLVED;
	w->f->snapshot.version++;
	open_clients(w, CONNECTIONS);
	for (i = 0; i < 200; i++)
		step(w);
	CU_ASSERT_EQUAL(w->peers[SERVER].n, 0);
	w->f->nexthops[0].state = NEXTHOP_READY;
	w->f->snapshot.version++;
	for (i = 0; i < 5; i++)
		step(w);
	CU_ASSERT_EQUAL(w->peers[SERVER].n, CONNECTIONS);
	CU_ASSERT_EQUAL(w->f->worker->stats.drops[DROP_NEIGHBOUR_UNRESOLVED], 0);
	CU_ASSERT(run(w));
	for (i = 0; i < CONNECTIONS; i++)
		CU_ASSERT(stream_complete(&w->peers[CLIENT].streams[i]));
	world_destroy(w);
}

static void
test_neighbour_late(void)
{
	check_neighbour_late(false);
	check_neighbour_late(true);
}

/* It never answers: what has waited for it is dropped, with its reason, and so it is with what
 * still waits when the worker ends. */
static void
test_neighbour_never(void)
{
	struct world *w = world_create(32);
	uint32_t i;

	w->f->nexthops[0].state = NEXTHOP_UNRESOLVED;
	w->f->snapshot.version++;
	open_clients(w, CONNECTIONS);
	for (i = 0; i < 290; i++)
		step(w);
	CU_ASSERT_EQUAL(w->f->worker->stats.drops[DROP_NEIGHBOUR_UNRESOLVED], 0);
	for (; i < 400; i++)
		step(w);
	CU_ASSERT_EQUAL(w->f->worker->stats.drops[DROP_NEIGHBOUR_UNRESOLVED], CONNECTIONS);
	for (; i < 1100; i++) /* a second SYN to each */
		step(w);
	CU_ASSERT_EQUAL(w->peers[SERVER].n, 0);
	world_destroy(w);
}

/* The listener goes: its sessions end at once, on both sides. */
static void
test_listener_goes(void)
{
	struct world *w = world_create(5);
	uint32_t i;

	open_clients(w, CONNECTIONS);
	for (i = 0; i < 3; i++)
		step(w);
	CU_ASSERT_EQUAL(proxy_sessions(worker_proxy(w->f->worker)), CONNECTIONS);
	w->f->services[0].epoch = 0;
	w->f->snapshot.proxies = NULL;
	w->f->snapshot.version++;
	CU_ASSERT(run(w));
	CU_ASSERT_EQUAL(w->peers[CLIENT].streams[0].cause, TCP_CLOSED_RESET);
	CU_ASSERT_EQUAL(w->peers[SERVER].streams[0].cause, TCP_CLOSED_RESET);
	world_destroy(w);
}

/* No more sessions than there may be connections to backends: others are refused, and those that
 * are there go on. */
static void
test_full(void)
{
	struct world *w =
	    world_create_as(&(struct proxy_plan){ .seed = 11, .backend_connections = 2 });
	struct proxy *p = worker_proxy(w->f->worker);
	uint32_t i, complete = 0;

	open_clients(w, CONNECTIONS);
	CU_ASSERT(run(w));
	CU_ASSERT_EQUAL(proxy_counters(p)->sessions_full, CONNECTIONS - 2);
	CU_ASSERT_EQUAL(w->f->worker->stats.drops[DROP_CONNECTION_TABLE_FULL], CONNECTIONS - 2);
	for (i = 0; i < CONNECTIONS; i++)
		complete += stream_complete(&w->peers[CLIENT].streams[i]);
	CU_ASSERT_EQUAL(complete, 2);
	world_destroy(w);
}

/* Nothing comes for the idle time. */
static void
test_idle(void)
{
	struct world *w = world_create(6);
	uint32_t i;

	w->wire.settings[0].timeout_idle = 300 * MS;
	open_clients(w, 1);
	w->peers[CLIENT].streams[0].shut = true; /* writes nothing */
	for (i = 0; i < 100; i++) {
		step(w);
		w->peers[SERVER].streams[0].shut = true;
	}
	for (; i < 1000 && proxy_sessions(worker_proxy(w->f->worker)); i++)
		step(w);
	CU_ASSERT(i >= 300 && i < 500);
	CU_ASSERT_EQUAL(proxy_counters(worker_proxy(w->f->worker))->idle_timeouts, 1);
	CU_ASSERT(run(w));
	world_destroy(w);
}

/* A fragment to a listener is dropped, with its reason; packets of nobody we know are not taken. */
static void
test_not_taken(void)
{
	struct world *w = world_create(7);
	struct tuple t = { .src = fixture_addr("10.0.0.1"),
			   .dst = fixture_addr("10.0.0.254"),
			   .sport = htons(8080),
			   .dport = htons(2000),
			   .proto = IPPROTO_TCP };
	struct burst b = { .count = 0 };
	uint8_t frame[64] = { 0 };
	struct packet *p;

	p = fixture_receive(&b, frame, sizeof(frame));
	*p = (struct packet){ .mbuf = p->mbuf, .direction = DIR_REPLY, .tuple = t };
	p = fixture_receive(&b, frame, sizeof(frame));
	*p = (struct packet){ .mbuf = p->mbuf,
			      .direction = DIR_FORWARD,
			      .flags = PACKET_V4 | PACKET_FRAGMENT,
			      .tuple = t };
	stage_proxy(w->f->worker, &b);
	CU_ASSERT_EQUAL(b.packets[0].verdict, VERDICT_CONTINUE);
	CU_ASSERT_EQUAL(b.packets[1].verdict, VERDICT_DROP);
	CU_ASSERT_EQUAL(b.packets[1].reason, DROP_PROXY_FRAGMENT);
	fixture_free(&b);
	world_destroy(w);
}

/* A burst of 40 SYNs of clients that never come back, with 20 packets of others between them. */
static void
flood_burst(struct world *w)
{
	bool ip6 = w->wire.plan.ip6;
	struct worker *worker = w->f->worker;
	struct rte_mbuf *mbufs[60];
	uint8_t frame[FRAME_MAX];
	uint16_t i;

	for (i = 0; i < 60; i++) {
		const struct frame_spec spec = {
			.src = ip6 ? "2001:db8:1::9" : "198.51.100.9",
			.dst = ip6 ? "2001:db8::10" : "192.0.2.10",
			.proto = IPPROTO_TCP,
			.sport = (uint16_t)(1024 + proxy_wire_random(&w->wire) % 60000),
			.dport = 80,
			.tcp_flags = i % 3 ? TCP_SYN : TCP_ACK,
		};

		mbufs[i] = fixture_mbuf(frame, frame_build(frame, &spec));
	}
	w->wire.now += MS / 2;
	worker->now = w->wire.now;
	pipeline_received(worker, 0, mbufs, 60);
	proxy_wire_worker(&w->wire);
	w->wire.n_frames[CLIENT] = 0; /* nobody is there */
}

static uint64_t
flood_answered(const struct world *w)
{
	return tcp_counters(proxy_tcp(worker_proxy(w->f->worker)))->syn_cookies_sent;
}

/* Nobody answers what is sent in 60 ms. */
static void
flood_begin(struct world *w)
{
	const struct syn_queue *q = &w->f->worker->syns;
	uint32_t i;

	flood_burst(w);
	CU_ASSERT_EQUAL(flood_answered(w), 40);
	for (i = 0; i < 120; i++)
		flood_burst(w);
	CU_ASSERT(q->flooded);
	while (pipeline_answer_syns(w->f->worker, 0))
		continue;
}

/* In a flood SYNs wait for all else, and what finds no room among them is dropped. */
static void
flood_waits(struct world *w)
{
	struct worker *worker = w->f->worker;
	const struct syn_queue *q = &worker->syns;
	const uint64_t *drops = &worker->service_drops[0][DROP_SYN_FLOOD];
	uint64_t answered = flood_answered(w), before = *drops;
	uint32_t i;

	flood_burst(w);
	CU_ASSERT_EQUAL(q->count, 40);
	CU_ASSERT_EQUAL(flood_answered(w), answered);
	CU_ASSERT(pipeline_answer_syns(worker, BURST_MAX));
	CU_ASSERT_EQUAL(flood_answered(w), answered + 1 + BURST_MAX / 64);
	CU_ASSERT(pipeline_answer_syns(worker, 0));
	CU_ASSERT(flood_answered(w) >= answered + 3 + BURST_MAX / 64);
	for (i = 0; pipeline_answer_syns(worker, 0); i++)
		CU_ASSERT(i < 20);
	CU_ASSERT_EQUAL(flood_answered(w), answered + 40);
	CU_ASSERT_EQUAL(*drops, before);
	for (i = 0; i < 7; i++)
		flood_burst(w);
	CU_ASSERT_EQUAL(q->count, SYN_QUEUE_SIZE);
	CU_ASSERT_EQUAL(*drops, before + 280 - SYN_QUEUE_SIZE);
	CU_ASSERT_EQUAL(q->dropped, *drops);
}

static void
test_flood_of(bool ip6)
{
	struct world *w =
	    world_create_as(&(struct proxy_plan){ .seed = 9, .ip6 = ip6, .cookies = true });
	struct worker *worker = w->f->worker;
	const uint64_t *drops = &worker->service_drops[0][DROP_SYN_FLOOD];
	uint64_t before;
	uint32_t i;

	flood_begin(w);
	flood_waits(w);
	/* What is dropped leaves few cookies: it is a flood all the same. */
	for (i = 0; i < 400; i++) {
		flood_burst(w);
		pipeline_answer_syns(worker, BURST_MAX);
		CU_ASSERT(worker->syns.flooded);
	}
	/* The long way has no queue. */
	worker->long_way = true;
	before = *drops;
	flood_burst(w);
	CU_ASSERT_EQUAL(*drops - before, 40 - 16);
	worker->long_way = false;
	for (i = 0; i < 110; i++) {
		w->wire.now += MS;
		proxy_wire_worker(&w->wire);
	}
	CU_ASSERT(!worker->syns.flooded); /* it is over */
	before = flood_answered(w);
	flood_burst(w);
	CU_ASSERT_EQUAL(flood_answered(w) - before, 40);
	CU_ASSERT_EQUAL(worker->syns.count, SYN_QUEUE_SIZE - 2); /* those that still wait */
	while (pipeline_answer_syns(worker, 0))
		continue;
	CU_ASSERT_EQUAL(flood_answered(w) - before, 40 + SYN_QUEUE_SIZE - 2);
	proxy_wire_worker(&w->wire);
	world_destroy(w);
	CU_ASSERT_EQUAL(fixture_mbufs_in_use(), 0);
}

static void
test_flood(void)
{
	test_flood_of(false);
	test_flood_of(true);
}

int
test_proxy_register(void)
{
	CU_TestInfo tests[] = {
		{ "streams both ways", test_clean },
		{ "... over a wire that loses and turns round", test_losses },
		{ "... of SYN cookies", test_cookies },
		{ "... by cards that compute checksums and cut segments", test_offloads },
		{ "a port that can do less", test_weaker_port },
		{ "backends that refuse", test_refused },
		{ "another backend", test_another },
		{ "first burst of a listener", test_first_burst },
		{ "a backend's neighbour is known later", test_neighbour_late },
		{ "... or never", test_neighbour_never },
		{ "the listener goes", test_listener_goes },
		{ "no room for more sessions", test_full },
		{ "idle", test_idle },
		{ "what is not taken", test_not_taken },
		{ "a flood of SYNs", test_flood },
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = { { "proxy", NULL, NULL, NULL, NULL, tests }, CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packet buffers that listeners hold: clients that ask and never acknowledge an answer, beside one
 * that does, in a pool that is small. Clients and the backend are segments made by hand.
 *
 *     greedy clients ──requests──>          ──> backend: an answer to each request
 *     one good client <==> worker: sessions <==>
 *
 * Whatever the greedy ones do, buffers are left to receive with, and the good one is served. After
 * each step the buffers that are in use are those that the worker's TCP has counted.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include <CUnit/CUnit.h>
#include <rte_mempool.h>
#include <rte_ring.h>

#include "dp/l4/connection.h"
#include "dp/l4/stages.h"
#include "dp/proxy/proxy.h"
#include "dp/tcp/tcp.h"
#include "dp/transmit.h"
#include "fixture.h"
#include "suites.h"
#include "tests/sim/nic.h"
#include "tests/sim/wire.h"

#define MS         1000000ull
#define POOL       1023
#define SESSIONS   1024
#define FRAMES     16384
#define ETHERNET   14
#define REQUEST    10
#define GOOD_PORT  5000
#define GREEDY     6000 /* and the ports behind it */
#define RESEND     300  /* ms */
#define BACKEND_IS 70000u
#define CLIENT_IS  100u

struct frame {
	uint16_t length;
	bool to_worker;
	uint8_t bytes[1600]; /* from the IP header on */
};

/* The backend's end of a connection, by the worker's port. */
struct server {
	uint32_t sent, acked, received;
	bool good;
};

struct bed {
	struct fixture *f;
	struct rte_mempool *pool, *clones;
	struct rte_ring *out;
	struct proxy_settings settings[FIXTURE_MAX];
	struct frame *frames, *next;
	uint32_t n_frames, n_next;
	struct server *servers; /* [65536] */
	uint64_t now;
	uint32_t answer;   /* bytes */
	uint32_t requests; /* of a greedy client */
	uint32_t window;   /* of a greedy client */
	uint32_t mss;
	uint32_t opened, served, resets;
	uint32_t missed; /* frames for which there was no buffer */
	uint32_t fullest, miscounted;
	uint32_t good_sent, good_acked, good_received; /* of the good client */
	uint64_t good_at;
};

/* ---- segments by hand ------------------------------------------------------------------------ */

static void
put(struct bed *b, const struct wire *w)
{
	static const uint8_t zeros[1460];
	struct wire filled = *w;
	struct frame *f = &b->next[b->n_next++];

	CU_ASSERT_FATAL(b->n_next < FRAMES);
	filled.payload = filled.payload ? filled.payload : zeros;
	filled.ttl = 64;
	f->length = (uint16_t)wire_build(&filled, f->bytes);
	f->to_worker = true;
}

static struct wire
from_client(uint16_t port, uint8_t flags, uint32_t seq, uint32_t ack)
{
	return (struct wire){
		.src = fixture_addr("198.51.100.7"),
		.dst = fixture_addr("192.0.2.10"),
		.sport = port,
		.dport = 80,
		.flags = flags,
		.seq = seq,
		.ack = ack,
		.window = UINT16_MAX,
	};
}

/* What answers a segment. */
static struct wire
answer_to(const struct wire *in, uint8_t flags, uint32_t seq, uint32_t ack)
{
	return (struct wire){
		.src = in->dst,
		.dst = in->src,
		.sport = in->dport,
		.dport = in->sport,
		.flags = flags,
		.seq = seq,
		.ack = ack,
		.window = UINT16_MAX,
	};
}

static void
open_client(struct bed *b, uint16_t port)
{
	struct wire w = from_client(port, WIRE_SYN, CLIENT_IS, 0);

	w.has_mss = true;
	w.mss = (uint16_t)(port == GOOD_PORT ? 1460 : b->mss);
	put(b, &w);
}

/* ---- the backend ----------------------------------------------------------------------------- */

static void
server_sends(struct bed *b, struct wire *w, struct server *s, uint32_t bytes)
{
	w->flags = WIRE_ACK | WIRE_PSH;
	w->ack = s->received;
	w->length = bytes;
	put(b, w);
}

static void
at_server(struct bed *b, const struct wire *in)
{
	struct server *s = &b->servers[in->sport];
	struct wire w = answer_to(in, WIRE_ACK, s->sent, 0);
	uint32_t fresh;

	if (in->flags & WIRE_SYN) {
		*s = (struct server){ BACKEND_IS + 1, BACKEND_IS + 1, in->seq + 1, false };
		w = answer_to(in, WIRE_SYN | WIRE_ACK, BACKEND_IS, s->received);
		w.has_mss = true;
		w.mss = 1460;
		put(b, &w);
		return;
	}
	if (in->flags & WIRE_RST)
		return;
	if ((int32_t)(in->ack - s->acked) > 0)
		s->acked = in->ack;
	if (!in->length || in->seq + in->length == s->received)
		return;
	if (in->seq != s->received)
		return;
	fresh = in->length / REQUEST;
	s->good = in->payload[0] == 'G';
	s->received += in->length;
	for (; fresh; fresh--) {
		w.seq = s->sent;
		server_sends(b, &w, s, b->answer);
		s->sent += b->answer;
	}
}

/* The worker may refuse what it has no buffers for: the good client's is sent again. */
static void
server_resends(struct bed *b, uint16_t port)
{
	struct server *s = &b->servers[port];
	struct wire w = {
		.src = fixture_addr("10.0.0.1"),
		.dst = fixture_addr("10.0.0.254"),
		.sport = 8080,
		.dport = port,
		.seq = s->acked,
		.window = UINT16_MAX,
	};

	if (s->good && s->acked != s->sent)
		server_sends(b, &w, s, s->sent - s->acked);
}

/* ---- clients --------------------------------------------------------------------------------- */

static void
good_asks(struct bed *b)
{
	struct wire w =
	    from_client(GOOD_PORT, WIRE_ACK | WIRE_PSH, b->good_sent - REQUEST, b->good_received);

	w.payload = (const uint8_t *)"Good......";
	w.length = REQUEST;
	b->good_at = b->now;
	put(b, &w);
}

static void
at_good(struct bed *b, const struct wire *in)
{
	struct wire w;

	if (in->flags & WIRE_SYN) {
		b->good_received = in->seq + 1;
		b->good_sent = in->ack + REQUEST;
		good_asks(b);
		return;
	}
	if (!in->length)
		return;
	if (in->seq == b->good_received) {
		b->good_received += in->length;
		b->good_acked += in->length;
		if (b->good_acked >= b->answer) {
			b->good_acked = 0;
			b->good_sent += REQUEST;
			b->served++;
			good_asks(b);
			return;
		}
	}
	w = from_client(GOOD_PORT, WIRE_ACK, b->good_sent, b->good_received);
	put(b, &w);
}

/* All its requests at once; of the answers it acknowledges nothing. */
static void
at_greedy(struct bed *b, const struct wire *in)
{
	struct wire w = answer_to(in, WIRE_ACK, in->ack, in->seq + 1);
	uint32_t i;

	if (in->flags & WIRE_RST)
		b->resets++;
	if (!(in->flags & WIRE_SYN))
		return;
	w.window = (uint16_t)b->window;
	put(b, &w);
	for (i = 0; i < b->requests; i++) {
		w.flags = WIRE_ACK | WIRE_PSH;
		w.seq = in->ack + i * REQUEST;
		w.length = REQUEST;
		put(b, &w);
	}
}

/* ---- the worker ------------------------------------------------------------------------------ */

static void
leaves(void *arg, const uint8_t *bytes, size_t length)
{
	struct bed *b = arg;
	struct wire w;

	CU_ASSERT_EQUAL_FATAL(wire_parse(&w, bytes, length), WIRE_OK);
	if (w.dport == 8080)
		at_server(b, &w);
	else if (w.dport == GOOD_PORT)
		at_good(b, &w);
	else
		at_greedy(b, &w);
}

static void
receive(struct bed *b, const struct frame *f)
{
	static const uint8_t header[ETHERNET] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0x99, 8, 0 };
	struct worker *w = b->f->worker;
	struct burst burst = { .count = 1 };
	struct rte_mbuf *m = rte_pktmbuf_alloc(b->pool);

	if (!m) {
		b->missed++;
		return;
	}
	memcpy(rte_pktmbuf_append(m, ETHERNET), header, ETHERNET);
	memcpy(rte_pktmbuf_append(m, f->length), f->bytes, f->length);
	burst.packets[0] = (struct packet){ .mbuf = m };
	stage_parse(w, &burst);
	stage_classify(w, &burst);
	stage_limit(w, &burst);
	stage_proxy(w, &burst);
	fixture_free(&burst);
}

static void
transmit(struct bed *b)
{
	void *taken;

	worker_flush_port(b->f->worker, 0);
	while (rte_ring_dequeue(b->out, &taken) == 0) {
		struct rte_mbuf *m = taken;

		rte_pktmbuf_adj(m, ETHERNET);
		m->l2_len = 0;
		nic_transmit(m, leaves, b);
		rte_pktmbuf_free(m);
	}
}

static struct tcp *
tcp_of(const struct bed *b)
{
	return proxy_tcp(worker_proxy(b->f->worker));
}

static uint32_t
buffers_held(const struct bed *b)
{
	struct tcp_usage usage;

	tcp_usage(tcp_of(b), &usage);
	return usage.buffers;
}

static void
count_buffers(struct bed *b)
{
	uint32_t used = rte_mempool_in_use_count(b->pool);

	b->fullest = RTE_MAX(b->fullest, used);
	b->miscounted += used + rte_mempool_in_use_count(b->clones) != buffers_held(b);
}

static void
step(struct bed *b)
{
	struct frame *frames = b->next;
	uint32_t i, n = b->n_next;

	b->now += MS;
	b->f->worker->now = b->now;
	b->next = b->frames;
	b->frames = frames;
	b->n_next = 0;
	for (i = 0; i < n; i++) {
		receive(b, &frames[i]);
		if (i % 32 == 31)
			proxy_iterate(b->f->worker);
		transmit(b);
	}
	proxy_iterate(b->f->worker);
	transmit(b);
	count_buffers(b);
	if (b->good_at && b->now - b->good_at >= RESEND * MS) {
		good_asks(b);
		for (i = 0; i < 65536; i++)
			server_resends(b, (uint16_t)i);
	}
}

static void
configure(struct bed *b)
{
	struct fixture *f = b->f;
	struct port *port = &f->dataplane.ports[0];
	uint32_t service = fixture_service(f, "192.0.2.10/32", IPPROTO_TCP, 80, MODE_PROXY);

	fixture_route(f, "0.0.0.0/0", fixture_nexthop(f, FIXTURE_PEER, 0));
	fixture_source(f, "10.0.0.254", SOURCE_BY_PORT);
	fixture_backend(f, service, "10.0.0.1", 8080);
	f->backends[0].nexthop = 0;
	f->backends[0].sources_count = 1;
	f->backends[0].weight = 100;
	b->settings[service] = (struct proxy_settings){
		.timeout_connect = 5000 * MS,
		.timeout_idle = 600000 * MS,
	};
	f->snapshot.proxies = b->settings;
	f->dataplane.mbufs = b->pool;
	port->tx_segments = true;
	port->tx_queues = 0;
	port->tx_shared = b->out;
}

static struct bed *
bed_create(void)
{
	static const struct proxy_bounds bounds = { SESSIONS, SESSIONS };
	static const uint8_t secret[48] = { 5, 6, 7 };
	struct bed *b = calloc(1, sizeof(*b));

	CU_ASSERT_FATAL(b != NULL);
	b->f = fixture_create();
	b->now = 1000 * MS;
	b->answer = 8;
	b->requests = 1;
	b->window = UINT16_MAX;
	b->mss = 1460;
	b->frames = calloc(FRAMES, sizeof(*b->frames));
	b->next = calloc(FRAMES, sizeof(*b->next));
	b->servers = calloc(65536, sizeof(*b->servers));
	b->pool = nic_pool("test-buffers", POOL);
	b->out = rte_ring_create("test-buffers", 4096, SOCKET_ID_ANY, 0);
	CU_ASSERT_FATAL(b->frames && b->next && b->servers && b->out);
	configure(b);
	b->f->worker->connections = connections_create(64, SOCKET_ID_ANY, NULL);
	fixture_publish(b->f);
	b->f->worker->now = b->now;
	atomic_store(&b->f->worker->proxy, proxy_create(b->f->worker, &bounds, secret));
	CU_ASSERT_FATAL(b->f->worker->connections && worker_proxy(b->f->worker));
	b->clones = rte_mempool_lookup("proxy-clones-0");
	CU_ASSERT_FATAL(b->clones != NULL);
	proxy_iterate(b->f->worker);
	return b;
}

static void
bed_destroy(struct bed *b)
{
	struct worker *worker = b->f->worker;

	proxy_destroy(worker_proxy(worker));
	connections_destroy(worker->connections);
	worker->connections = NULL;
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(b->pool), 0);
	rte_mempool_free(b->pool);
	rte_ring_free(b->out);
	fixture_destroy(b->f);
	free(b->frames);
	free(b->next);
	free(b->servers);
	free(b);
	CU_ASSERT_EQUAL(fixture_mbufs_in_use(), 0);
}

static void
run(struct bed *b, uint32_t ms)
{
	for (; ms; ms--)
		step(b);
}

/* So many clients more, a few with each step. */
static void
open_greedy(struct bed *b, uint32_t n)
{
	for (; n; n--) {
		open_client(b, (uint16_t)(GREEDY + b->opened++));
		if (b->opened % 8 == 0)
			step(b);
	}
}

static const struct tcp_counters *
counters(const struct bed *b)
{
	return tcp_counters(tcp_of(b));
}

/* ---- tests ----------------------------------------------------------------------------------- */

/* The good client is there first, then come the others, and it goes on meanwhile; answers that it
 * got in the second that follows. */
static uint32_t
served_beside(struct bed *b, uint32_t greedy)
{
	uint32_t before;

	open_client(b, GOOD_PORT);
	run(b, 100);
	CU_ASSERT(b->served > 10);
	open_greedy(b, greedy);
	run(b, 1000);
	before = b->served;
	run(b, 1000);
	CU_ASSERT_PTR_NULL(tcp_check(tcp_of(b)));
	return b->served - before;
}

static void
check_room(const struct bed *b)
{
	CU_ASSERT_EQUAL(b->missed, 0);
	CU_ASSERT_EQUAL(b->miscounted, 0);
	CU_ASSERT_EQUAL(counters(b)->no_mbuf, 0);
	CU_ASSERT(b->fullest <= POOL / 2 + 64);
}

/* A few answers to each of many: no more connections are taken when most of the budget is gone. */
static void
test_many(void)
{
	struct bed *b = bed_create();

	b->requests = 8;
	CU_ASSERT(served_beside(b, 900) > 400);
	CU_ASSERT(buffers_held(b) > POOL / 2 * 6 / 8);
	CU_ASSERT(counters(b)->budget_connections > 0);
	check_room(b);
	bed_destroy(b);
}

/* Many answers to each of a few. */
static void
test_few(void)
{
	struct bed *b = bed_create();

	b->requests = 200;
	CU_ASSERT(served_beside(b, 20) > 400);
	check_room(b);
	bed_destroy(b);
}

/* Large answers for clients whose window is closed: no more is taken for them, and what the backend
 * still sends waits in the sessions' queues, or is not kept. */
static void
test_closed_windows(void)
{
	struct bed *b = bed_create();

	b->requests = 100;
	b->answer = 600;
	b->window = 0;
	CU_ASSERT(served_beside(b, 50) > 400);
	CU_ASSERT(counters(b)->budget_sends > 0);
	CU_ASSERT(counters(b)->budget_received > 0);
	check_room(b);
	bed_destroy(b);
}

/* Clients that want segments so small that a buffer would become many. */
static void
test_small_segments(void)
{
	struct bed *b = bed_create();

	b->requests = 20;
	b->answer = 1400;
	b->mss = 64;
	CU_ASSERT(served_beside(b, 40) > 400);
	CU_ASSERT(counters(b)->budget_cuts > 0);
	check_room(b);
	bed_destroy(b);
}

/* When buffers run short the patience with those that give nothing is short, too: after a while
 * others are taken again. */
static void
test_they_end(void)
{
	struct bed *b = bed_create();
	uint64_t refused;
	uint32_t resets;

	served_beside(b, 600);
	refused = counters(b)->budget_connections;
	CU_ASSERT(refused > 0);
	CU_ASSERT_EQUAL(counters(b)->budget_ended, 0);
	resets = b->resets;
	run(b, 2 * TCP_SHORT_PATIENCE_MS);
	CU_ASSERT(counters(b)->budget_ended > 100);
	CU_ASSERT_EQUAL(counters(b)->budget_ended, b->resets - resets);
	CU_ASSERT(buffers_held(b) < POOL / 2 * 6 / 8);
	b->answer = 16;
	open_greedy(b, 8);
	run(b, 100);
	CU_ASSERT_EQUAL(counters(b)->budget_connections, refused);
	check_room(b);
	bed_destroy(b);
}

int
test_buffers_register(void)
{
	static const CU_TestInfo tests[] = {
		{ "a few small answers to each of many clients", test_many },
		{ "many small answers to each of a few", test_few },
		{ "closed windows", test_closed_windows },
		{ "small segments", test_small_segments },
		{ "they end when buffers run short", test_they_end },
		CU_TEST_INFO_NULL,
	};

	return suite_add("buffers", tests);
}

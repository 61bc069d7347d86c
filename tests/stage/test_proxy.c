/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listeners, whole: clients and servers with a TCP of their own around a worker that has parse,
 * classify, limit and proxy. A wire that may lose and turn round joins them, in a time that the
 * test makes.
 *
 *     client's TCP <== wire ==> worker: session, two legs <== wire ==> server's TCP
 *
 * Each connection carries a stream of its own in either direction; its first byte says which. What
 * the worker leaves to its port's card (checksums, cutting into segments) is done before the wire.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <CUnit/CUnit.h>
#include <rte_ring.h>

#include "dp/l4/connection.h"
#include "dp/l4/stages.h"
#include "dp/proxy/proxy.h"
#include "dp/tcp/tcp.h"
#include "dp/transmit.h"
#include "fixture.h"
#include "suites.h"
#include "tests/sim/nic.h"

#define MS          1000000ull
#define CONNECTIONS 6
#define WIRE        4096
#define STREAM      40000u
#define ETHERNET    14
#define PATIENCE    120000 /* steps of a millisecond */

enum where {
	CLIENT,
	SERVER,
	WORKER,
	PLACES,
};

struct frame {
	uint16_t length;
	uint8_t bytes[1600]; /* from the IP header on */
};

/* One end of one connection. */
struct stream {
	tcp_handle handle;
	uint32_t sent, received;
	uint8_t id, theirs;
	bool open, shut, half_closed, closed, wrong;
	enum tcp_close_cause cause;
};

struct peer {
	struct world *world;
	enum where where;
	struct tcp *tcp;
	struct stream streams[2 * CONNECTIONS];
	uint32_t n;
};

/* What a run is of. */
struct plan {
	uint64_t seed;
	uint32_t lose_one_in;
	bool ip6;
	bool checksums, segments, tso; /* what the worker's port can do */
	bool cookies;                  /* always */
};

struct world {
	struct fixture *f;
	struct plan plan;
	struct proxy_settings settings[FIXTURE_MAX];
	struct peer peers[2];
	struct frame *wire[PLACES];
	uint32_t n_wire[PLACES];
	struct rte_ring *out;
	uint64_t now, random;
	uint32_t cut; /* packets that the card has cut */
};

static uint64_t
random_of(struct world *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random;
}

static uint8_t
pattern(uint8_t id, uint32_t at)
{
	return at ? (uint8_t)(at * 7 + (at >> 8) + id) : id;
}

/* ---- the wire -------------------------------------------------------------------------------- */

static void
put_on_wire(struct world *w, enum where to, const uint8_t *bytes, size_t length)
{
	uint32_t n = w->n_wire[to], lose_one_in = w->plan.lose_one_in;
	struct frame *f = &w->wire[to][n];

	if (lose_one_in && random_of(w) % lose_one_in == 0)
		return;
	CU_ASSERT_FATAL(n < WIRE && length > 0 && length <= sizeof(f->bytes));
	memcpy(f->bytes, bytes, length);
	f->length = (uint16_t)length;
	w->n_wire[to]++;
	if (lose_one_in && n > 0 && random_of(w) % 16 == 0) {
		struct frame turned = *f;

		*f = f[-1];
		f[-1] = turned;
	}
}

static bool
is_ip6(const uint8_t *ip)
{
	return *ip >> 4 == 6;
}

static struct tuple
tuple_of(const uint8_t *ip)
{
	struct tuple t = { .proto = 6 };
	uint32_t src, dst;

	if (is_ip6(ip)) {
		t.src = addr_from_v6(ip + 8);
		t.dst = addr_from_v6(ip + 24);
		memcpy(&t.sport, ip + 40, 2);
		memcpy(&t.dport, ip + 42, 2);
		return t;
	}
	memcpy(&src, ip + 12, 4);
	memcpy(&dst, ip + 16, 4);
	t.src = addr_from_v4(src);
	t.dst = addr_from_v4(dst);
	memcpy(&t.sport, ip + 20, 2);
	memcpy(&t.dport, ip + 22, 2);
	return t;
}

static void
to_peer(struct peer *p, const struct frame *f)
{
	struct tuple tuple = tuple_of(f->bytes);
	bool refused = p->where == SERVER && ntohs(tuple.dport) != 8080;
	struct tcp_packet packet = {
		.mbuf = fixture_mbuf(f->bytes, f->length),
		.tuple = &tuple,
		.listener = p->where == SERVER && !refused ? 0 : TCP_LISTENER_NONE,
		.l4 = is_ip6(f->bytes) ? 40 : 20,
		.ip_len = f->length,
	};

	tcp_input(p->tcp, &packet, 1, p->world->now);
}

static void
to_worker(struct world *w, const struct frame *f)
{
	static const uint8_t header[ETHERNET] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0x99, 8, 0 };
	static const uint8_t ip6[2] = { 0x86, 0xdd };
	uint8_t bytes[ETHERNET + sizeof(f->bytes)];
	struct burst b = { .count = 0 };

	memcpy(bytes, header, ETHERNET);
	if (is_ip6(f->bytes))
		memcpy(bytes + ETHERNET - 2, ip6, 2);
	memcpy(bytes + ETHERNET, f->bytes, f->length);
	fixture_receive(&b, bytes, ETHERNET + (size_t)f->length);
	stage_parse(w->f->worker, &b);
	stage_classify(w->f->worker, &b);
	stage_limit(w->f->worker, &b);
	stage_proxy(w->f->worker, &b);
	fixture_free(&b);
}

/* A frame behind the card, to whom it is for. */
static void
leaves_card(void *arg, const uint8_t *ip, size_t length)
{
	struct tuple t = tuple_of(ip);
	uint8_t first = is_ip6(ip) ? t.dst.b[0] : t.dst.b[12];

	put_on_wire(arg, first == 10 || first == 0xfd ? SERVER : CLIENT, ip, length);
}

/* Does the packet ask of the card nothing that it cannot do? */
static void
judge_packet(struct world *w, const struct rte_mbuf *m)
{
	const struct plan *plan = &w->plan;
	bool cut = m->ol_flags & RTE_MBUF_F_TX_TCP_SEG;

	w->cut += cut;
	CU_ASSERT(plan->tso || !cut);
	CU_ASSERT(plan->segments || m->nb_segs == 1);
	CU_ASSERT(m->nb_segs <= 1 + TCP_PIECES_MAX);
	CU_ASSERT_EQUAL((m->ol_flags & RTE_MBUF_F_TX_TCP_CKSUM) != 0, plan->checksums);
	CU_ASSERT_EQUAL((m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM) != 0, plan->checksums && !plan->ip6);
	CU_ASSERT_EQUAL(m->l2_len, ETHERNET);
}

static void
from_worker(struct world *w)
{
	struct rte_mbuf *m;
	void *taken;

	worker_flush_port(w->f->worker, 0);
	while (rte_ring_dequeue(w->out, &taken) == 0) {
		m = taken;
		judge_packet(w, m);
		rte_pktmbuf_adj(m, ETHERNET);
		m->l2_len = 0;
		nic_transmit(m, leaves_card, w);
		rte_pktmbuf_free(m);
	}
}

static void
deliver(struct world *w, enum where to)
{
	uint32_t n = w->n_wire[to], i;
	struct frame *frames = malloc((n + 1) * sizeof(*frames));

	memcpy(frames, w->wire[to], n * sizeof(*frames));
	w->n_wire[to] = 0;
	for (i = 0; i < n; i++) {
		if (to == WORKER)
			to_worker(w, &frames[i]);
		else
			to_peer(&w->peers[to], &frames[i]);
	}
	free(frames);
}

/* ---- clients and servers --------------------------------------------------------------------- */

static void
on_output(void *arg, struct rte_mbuf *m, uint64_t route)
{
	struct peer *p = arg;

	(void)route;
	put_on_wire(p->world, WORKER, rte_pktmbuf_mtod(m, const uint8_t *), m->pkt_len);
	rte_pktmbuf_free(m);
}

static uint64_t
on_random(void *arg)
{
	return random_of(((struct peer *)arg)->world);
}

static uint64_t
on_accepted(void *arg, tcp_handle h, uint32_t listener, const struct tuple *tuple)
{
	struct peer *p = arg;

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
	((struct peer *)arg)->streams[user].open = true;
}

static void
on_received(void *arg, tcp_handle h, uint64_t user, struct rte_mbuf *chain, uint32_t length)
{
	struct peer *p = arg;
	struct stream *s = &p->streams[user];
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
	tcp_credit(p->tcp, h, length);
}

static void
on_half_closed(void *arg, tcp_handle h, uint64_t user)
{
	(void)h;
	((struct peer *)arg)->streams[user].half_closed = true;
}

static void
on_closed(void *arg, tcp_handle h, uint64_t user, enum tcp_close_cause cause)
{
	struct stream *s = &((struct peer *)arg)->streams[user];

	(void)h;
	s->closed = true;
	s->cause = cause;
}

static void
peer_create(struct world *w, enum where where)
{
	struct peer *p = &w->peers[where];
	const struct tcp_calls calls = {
		.arg = p,
		.output = on_output,
		.random = on_random,
		.accepted = on_accepted,
		.connected = on_connected,
		.received = on_received,
		.half_closed = on_half_closed,
		.closed = on_closed,
	};
	const struct tcp_settings settings = {
		.connections = 64,
		.sent_records = 1024,
		.socket = SOCKET_ID_ANY,
		.output = TCP_OUTPUT_LINEAR,
		.mbufs = fixture_pool(),
		.clones = fixture_pool(),
		.secret = { 9, (uint8_t)where },
	};

	p->world = w;
	p->where = where;
	p->tcp = tcp_create(&settings, &calls, w->now);
	CU_ASSERT_FATAL(p->tcp != NULL);
	if (where == SERVER)
		CU_ASSERT_EQUAL(tcp_listen(p->tcp, 0, NULL), 0);
}

/* Write some of a stream, and close it when it is complete. A server speaks first, too. */
static void
write_more(struct peer *p, struct stream *s)
{
	uint8_t bytes[1000];
	struct rte_mbuf *m;
	uint32_t n, i;

	while (s->open && !s->closed && !s->shut && s->sent < STREAM) {
		n = RTE_MIN(1 + (uint32_t)(random_of(p->world) % sizeof(bytes)), STREAM - s->sent);
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
	struct worker *worker = w->f->worker;
	uint32_t i, k;

	w->now += MS;
	worker->now = w->now;
	for (i = 0; i < 2; i++) {
		struct peer *p = &w->peers[i];

		deliver(w, (enum where)i);
		for (k = 0; k < p->n; k++)
			write_more(p, &p->streams[k]);
		tcp_advance(p->tcp, w->now);
		tcp_flush(p->tcp, w->now);
	}
	deliver(w, WORKER);
	proxy_iterate(worker);
	from_worker(w);
}

/* The listener, the addresses and the two backends. */
static void
configure(struct world *w)
{
	static const char *const backends[2][2] = { { "10.0.0.1", "10.0.0.2" },
						    { "fd00::1", "fd00::2" } };
	const struct plan *plan = &w->plan;
	struct fixture *f = w->f;
	struct port *port = &f->dataplane.ports[0];
	uint32_t service, i;

	service = fixture_service(f, plan->ip6 ? "2001:db8::10/128" : "192.0.2.10/32", IPPROTO_TCP,
				  80, MODE_PROXY);
	i = fixture_nexthop(f, FIXTURE_PEER, 0);
	fixture_route(f, plan->ip6 ? "::/0" : "0.0.0.0/0", i);
	fixture_source(f, plan->ip6 ? "fd00::fe" : "10.0.0.254", SOURCE_BY_PORT);
	for (i = 0; i < 2; i++) {
		fixture_backend(f, service, backends[plan->ip6][i], 8080);
		f->backends[i].nexthop = 0;
		f->backends[i].sources_count = 1;
		f->backends[i].weight = 100;
	}
	w->settings[service] = (struct proxy_settings){
		.timeout_connect = 5000 * MS,
		.timeout_idle = 600000 * MS,
		.syn_cookies = plan->cookies,
	};
	f->snapshot.proxies = w->settings;
	port->tx_ip_checksum = port->tx_l4_checksum = plan->checksums;
	port->tx_segments = plan->segments;
	port->tx_tso = plan->tso;
	port->tx_queues = 0;
	port->tx_shared = w->out;
}

static struct world *
world_create_as(const struct plan *plan)
{
	static const uint8_t secret[48] = { 5, 6, 7 };
	struct world *w = calloc(1, sizeof(*w));
	uint32_t i;

	CU_ASSERT_FATAL(w != NULL);
	w->f = fixture_create();
	w->plan = *plan;
	w->now = 1000 * MS;
	w->random = plan->seed * 0x9e3779b97f4a7c15ull | 1;
	for (i = 0; i < PLACES; i++)
		w->wire[i] = calloc(WIRE, sizeof(*w->wire[i]));
	w->out = rte_ring_create("test-proxy", 4096, SOCKET_ID_ANY, 0);
	CU_ASSERT_FATAL(w->out != NULL);
	configure(w);
	w->f->worker->connections = connections_create(64, SOCKET_ID_ANY, NULL);
	fixture_publish(w->f);
	w->f->worker->now = w->now;
	atomic_store(&w->f->worker->proxy, proxy_create(w->f->worker, 32, secret));
	CU_ASSERT_FATAL(w->f->worker->connections && worker_proxy(w->f->worker));
	peer_create(w, CLIENT);
	peer_create(w, SERVER);
	proxy_iterate(w->f->worker);
	return w;
}

static struct world *
world_create(uint64_t seed)
{
	return world_create_as(&(struct plan){ .seed = seed });
}

static void
world_destroy(struct world *w)
{
	struct worker *worker = w->f->worker;
	uint32_t i;

	proxy_destroy(worker_proxy(worker));
	connections_destroy(worker->connections);
	worker->connections = NULL;
	for (i = 0; i < 2; i++)
		tcp_destroy(w->peers[i].tcp);
	for (i = 0; i < PLACES; i++)
		free(w->wire[i]);
	rte_ring_free(w->out);
	fixture_destroy(w->f);
	free(w);
	CU_ASSERT_EQUAL(fixture_mbufs_in_use(), 0);
}

static void
open_clients(struct world *w, uint32_t n)
{
	struct peer *p = &w->peers[CLIENT];
	bool ip6 = w->plan.ip6;
	uint32_t i;

	for (i = 0; i < n; i++) {
		struct tcp_connect c = {
			.tuple = { .src = fixture_addr(ip6 ? "2001:db8::10" : "192.0.2.10"),
				   .dst = fixture_addr(ip6 ? "2001:db8:1::7" : "198.51.100.7"),
				   .sport = htons(80),
				   .dport = htons((uint16_t)(5000 + i)),
				   .proto = 6 },
			.user = p->n,
		};
		struct stream *s = &p->streams[p->n++];

		s->id = (uint8_t)(1 + i);
		CU_ASSERT_EQUAL_FATAL(tcp_connect(p->tcp, &c, &s->handle), 0);
	}
}

/* A server may wait for the last acknowledgement in vain: when TIME-WAIT is over, its FIN would be
 * answered with a RST by the host, which is not here. */
static bool
all_closed(const struct peer *p)
{
	const struct stream *s;
	uint32_t i;

	for (i = 0; i < p->n; i++) {
		s = &p->streams[i];
		if (!s->closed && !(p->where == SERVER && s->shut && s->half_closed))
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
		if (all_closed(&w->peers[CLIENT]) && all_closed(&w->peers[SERVER]) &&
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

static uint64_t
connections_left(const struct fixture *f)
{
	const struct worker *w = f->worker;

	return w->service_stats[0].connections_total - w->service_stats[0].connections_ended +
	       w->backend_stats[0].connections_total - w->backend_stats[0].connections_ended +
	       w->backend_stats[1].connections_total - w->backend_stats[1].connections_ended;
}

/* All streams arrive whole in both directions, and nothing is left. */
static void
check_run(const struct plan *plan)
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
	good = good && w->peers[SERVER].n == CONNECTIONS && connections_left(w->f) == 0;
	wrong = tcp_check(proxy_tcp(worker_proxy(w->f->worker)));
	if (plan->cookies)
		CU_ASSERT(tcp_counters(proxy_tcp(worker_proxy(w->f->worker)))->syn_cookies_ok >=
			  CONNECTIONS);
	if (!good || wrong)
		fprintf(stderr, "seed %lu, one lost in %u: %s\n", (unsigned long)plan->seed,
			plan->lose_one_in, wrong ? wrong : "streams are not complete");
	CU_ASSERT(good && !wrong);
	/* Streams of 40,000 bytes give it occasion. */
	CU_ASSERT_EQUAL(plan->tso, w->cut >= CONNECTIONS);
	world_destroy(w);
}

static void
test_clean(void)
{
	check_run(&(struct plan){ .seed = 1 });
	check_run(&(struct plan){ .seed = 1, .ip6 = true });
}

static void
test_losses(void)
{
	uint64_t seed;

	for (seed = 1; seed <= 20; seed++)
		check_run(&(struct plan){
		    .seed = seed, .lose_one_in = seed % 2 ? 20 : 100, .ip6 = seed % 4 >= 2 });
}

/* A cookie comes back with the first segment behind it, so the wire keeps the order. */
static void
test_cookies(void)
{
	uint32_t k;

	for (k = 0; k < 4; k++)
		check_run(&(struct plan){
		    .seed = 90 + k, .cookies = true, .ip6 = k & 1, .checksums = k & 2 });
}

/* Cards that do more and more of the work: the streams are the same. */
static void
test_offloads(void)
{
	static const struct plan cards[] = {
		{ .checksums = true },
		{ .segments = true },
		{ .checksums = true, .segments = true },
		{ .checksums = true, .segments = true, .tso = true },
	};
	struct plan plan;
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
	struct plan plan = { .seed = 9, .checksums = true, .segments = true, .tso = true };
	struct world *w = world_create_as(&plan);
	struct fixture *f = w->f;
	static const uint8_t secret[48] = { 5, 6, 7 };

	proxy_destroy(worker_proxy(f->worker));
	f->dataplane.n_ports = 2;
	f->dataplane.ports[1] = f->dataplane.ports[0];
	f->dataplane.ports[1].tx_tso = false;
	atomic_store(&f->worker->proxy, proxy_create(f->worker, 32, secret));
	proxy_iterate(f->worker);
	open_clients(w, CONNECTIONS);
	CU_ASSERT(run(w));
	CU_ASSERT_EQUAL(w->cut, 0);
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
	CU_ASSERT_EQUAL(connections_left(w->f), 0);
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

/* Nothing comes for the idle time. */
static void
test_idle(void)
{
	struct world *w = world_create(6);
	uint32_t i;

	w->settings[0].timeout_idle = 300 * MS;
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
		{ "the listener goes", test_listener_goes },
		{ "idle", test_idle },
		{ "what is not taken", test_not_taken },
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = { { "proxy", NULL, NULL, NULL, NULL, tests }, CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}

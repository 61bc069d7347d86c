/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy_wire.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ring.h>

#include "dp/l4/connection.h"
#include "dp/l4/stages.h"
#include "dp/transmit.h"
#include "tests/sim/nic.h"

#define FRAMES   4096
#define ETHERNET 14
#define SESSIONS 32

uint64_t
proxy_wire_random(struct proxy_wire *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random;
}

void
proxy_wire_wrong(struct proxy_wire *w, const char *what)
{
	if (!w->wrong)
		w->wrong = what;
}

static void
need(struct proxy_wire *w, bool condition, const char *what)
{
	if (!condition)
		proxy_wire_wrong(w, what);
}

/* ---- the wire -------------------------------------------------------------------------------- */

static void
put_on_wire(struct proxy_wire *w, enum where to, const uint8_t *bytes, size_t length)
{
	uint32_t n = w->n_frames[to], lose_one_in = w->plan.lose_one_in;
	struct wire_frame *f = &w->frames[to][n];

	if (w->deaf && to == SERVER)
		return;
	if (lose_one_in && proxy_wire_random(w) % lose_one_in == 0)
		return;
	if (n == FRAMES || !length || length > sizeof(f->bytes)) {
		proxy_wire_wrong(w, "a frame does not fit on the wire");
		return;
	}
	memcpy(f->bytes, bytes, length);
	f->length = (uint16_t)length;
	w->n_frames[to]++;
	if (lose_one_in && n > 0 && proxy_wire_random(w) % 16 == 0) {
		struct wire_frame turned = *f;

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
to_peer(struct proxy_peer *p, const struct wire_frame *f)
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

	tcp_input(p->tcp, &packet, 1, p->wire->now);
}

static void
to_worker(struct proxy_wire *w, const struct wire_frame *f)
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
judge_packet(struct proxy_wire *w, const struct rte_mbuf *m)
{
	const struct proxy_plan *plan = &w->plan;
	bool cut = m->ol_flags & RTE_MBUF_F_TX_TCP_SEG;

	w->cut += cut;
	need(w, plan->tso || !cut, "a packet to be cut");
	need(w, plan->segments || m->nb_segs == 1, "a packet in several segments");
	need(w, m->nb_segs <= 1 + TCP_PIECES_MAX, "a packet in too many segments");
	need(w, ((m->ol_flags & RTE_MBUF_F_TX_TCP_CKSUM) != 0) == plan->checksums, "TCP checksum");
	need(w, ((m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM) != 0) == (plan->checksums && !plan->ip6),
	     "IP checksum");
	need(w, m->l2_len == ETHERNET, "length of the Ethernet header");
}

/* A card reads a packet's buffers some time after they were handed to it, and gives them back one
 * by one later still: until then nobody may write there. */
static void
card_takes(struct proxy_wire *w, struct rte_mbuf *m)
{
	struct rte_mbuf *next;

	for (; m; m = next) {
		struct wire_buffer *b = &w->card[w->card_in++ % WIRE_CARD];

		next = m->next;
		if (w->card_in - w->card_out > WIRE_CARD) {
			proxy_wire_wrong(w, "more buffers than the card has room for");
			w->card_out++;
			rte_pktmbuf_free_seg(b->m);
		}
		b->m = m;
		b->bytes = rte_pktmbuf_mtod(m, const uint8_t *);
		b->length = m->data_len;
		b->until = w->now + proxy_wire_random(w) % 4 * MS;
		memcpy(b->copy, b->bytes, b->length);
	}
}

/* all: what it still has, too. */
static void
card_gives_back(struct proxy_wire *w, bool all)
{
	for (; w->card_out != w->card_in; w->card_out++) {
		struct wire_buffer *b = &w->card[w->card_out % WIRE_CARD];

		if (!all && b->until > w->now)
			return;
		need(w, memcmp(b->copy, b->bytes, b->length) == 0,
		     "written to while the card had it");
		rte_pktmbuf_free_seg(b->m);
	}
}

static void
from_worker(struct proxy_wire *w)
{
	struct rte_mbuf *m;
	void *taken;

	card_gives_back(w, false);
	worker_flush_port(w->f->worker, 0);
	while (rte_ring_dequeue(w->out, &taken) == 0) {
		m = taken;
		judge_packet(w, m);
		rte_pktmbuf_adj(m, ETHERNET);
		m->l2_len = 0;
		nic_transmit(m, leaves_card, w);
		card_takes(w, m);
	}
}

static void
deliver(struct proxy_wire *w, enum where to)
{
	uint32_t n = w->n_frames[to], i;
	struct wire_frame *frames;

	if (!n)
		return;
	frames = malloc(n * sizeof(*frames));
	memcpy(frames, w->frames[to], n * sizeof(*frames));
	w->n_frames[to] = 0;
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
	struct proxy_peer *p = arg;

	(void)route;
	put_on_wire(p->wire, WORKER, rte_pktmbuf_mtod(m, const uint8_t *), m->pkt_len);
	rte_pktmbuf_free(m);
}

static uint64_t
on_random(void *arg)
{
	return proxy_wire_random(((struct proxy_peer *)arg)->wire);
}

static void
peer_create(struct proxy_wire *w, enum where where, const struct tcp_calls *events)
{
	struct proxy_peer *p = &w->peers[where];
	const struct tcp_settings settings = {
		.connections = 64,
		.sent_records = 1024,
		.socket = SOCKET_ID_ANY,
		.output = TCP_OUTPUT_LINEAR,
		.mbufs = fixture_pool(),
		.clones = fixture_pool(),
		.secret = { 9, (uint8_t)where },
	};
	struct tcp_calls calls = *events;

	calls.arg = p;
	calls.output = on_output;
	calls.random = on_random;
	p->wire = w;
	p->where = where;
	p->tcp = tcp_create(&settings, &calls, w->now);
	if (where == SERVER)
		tcp_listen(p->tcp, 0, NULL);
}

bool
proxy_wire_connect(struct proxy_wire *w, uint16_t port, uint64_t user, tcp_handle *h)
{
	bool ip6 = w->plan.ip6;
	struct tcp_connect c = {
		.tuple = { .src = fixture_addr(ip6 ? "2001:db8::10" : "192.0.2.10"),
			   .dst = fixture_addr(ip6 ? "2001:db8:1::7" : "198.51.100.7"),
			   .sport = htons(80),
			   .dport = htons(port),
			   .proto = 6 },
		.user = user,
		.options = &(struct tcp_options){ .mtu = w->plan.client_mtu },
	};

	return tcp_connect(w->peers[CLIENT].tcp, &c, h) == 0;
}

void
proxy_wire_peer(struct proxy_wire *w, struct proxy_peer *p)
{
	deliver(w, p->where);
	tcp_advance(p->tcp, w->now);
	tcp_flush(p->tcp, w->now);
}

/* ---- the worker ------------------------------------------------------------------------------ */

void
proxy_wire_worker(struct proxy_wire *w)
{
	w->f->worker->now = w->now;
	deliver(w, WORKER);
	proxy_iterate(w->f->worker);
	from_worker(w);
}

/* The listener, the addresses and the two backends. */
static void
configure(struct proxy_wire *w)
{
	static const char *const backends[2][2] = { { "10.0.0.1", "10.0.0.2" },
						    { "fd00::1", "fd00::2" } };
	const struct proxy_plan *plan = &w->plan;
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

void
proxy_wire_create(struct proxy_wire *w, const struct proxy_plan *plan,
		  const struct tcp_calls *events)
{
	uint32_t i;

	memset(w, 0, sizeof(*w));
	w->f = fixture_create();
	w->plan = *plan;
	w->now = 1000 * MS;
	w->random = plan->seed * 0x9e3779b97f4a7c15ull | 1;
	for (i = 0; i < PLACES; i++)
		w->frames[i] = calloc(FRAMES, sizeof(*w->frames[i]));
	w->out = rte_ring_create("proxy-wire", 4096, SOCKET_ID_ANY, 0);
	w->card = calloc(WIRE_CARD, sizeof(*w->card));
	configure(w);
	w->f->worker->connections = connections_create(64, SOCKET_ID_ANY, NULL);
	peer_create(w, CLIENT, events);
	peer_create(w, SERVER, events);
	if (!w->out || !w->card || !w->f->worker->connections || !w->peers[0].tcp ||
	    !w->peers[1].tcp) {
		fprintf(stderr, "proxy wire: no memory\n");
		exit(2);
	}
}

void
proxy_wire_start(struct proxy_wire *w)
{
	static const uint8_t secret[48] = { 5, 6, 7 };
	struct worker *worker = w->f->worker;
	struct proxy_bounds bounds = { .clients = w->plan.sessions ? w->plan.sessions : SESSIONS };

	bounds.backends =
	    w->plan.backend_connections ? w->plan.backend_connections : bounds.clients;
	proxy_destroy(worker_proxy(worker));
	fixture_publish(w->f);
	worker->now = w->now;
	atomic_store(&worker->proxy, proxy_create(worker, &bounds, secret));
	if (!worker_proxy(worker)) {
		fprintf(stderr, "proxy wire: no memory\n");
		exit(2);
	}
}

void
proxy_wire_destroy(struct proxy_wire *w)
{
	struct worker *worker = w->f->worker;
	uint32_t i;

	card_gives_back(w, true);
	free(w->card);
	proxy_destroy(worker_proxy(worker));
	connections_destroy(worker->connections);
	worker->connections = NULL;
	for (i = 0; i < 2; i++)
		tcp_destroy(w->peers[i].tcp);
	for (i = 0; i < PLACES; i++)
		free(w->frames[i]);
	rte_ring_free(w->out);
	fixture_destroy(w->f);
}

uint64_t
proxy_wire_connections(const struct proxy_wire *w)
{
	const struct worker *k = w->f->worker;

	return k->service_stats[0].connections_total - k->service_stats[0].connections_ended +
	       k->backend_stats[0].connections_total - k->backend_stats[0].connections_ended +
	       k->backend_stats[1].connections_total - k->backend_stats[1].connections_ended;
}

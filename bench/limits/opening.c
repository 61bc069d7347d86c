/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Client k of 10 is 20.0.k.7, or 2001:db8:k::1 for the last two of each five. The first five have a
 * limit each, the others share those of two services.
 *
 *     SYN ──> workers ──> out: open, closes in LIFE ──> FIN or RST ──> workers ──> out
 *                │
 *             refused
 */
#include "bench/limits/opening.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_mbuf.h>
#include <rte_ring.h>

#include "bench/common/world.h"
#include "bench/limits/frame.h"
#include "bench/limits/objects.h"

#define SECOND     1000000000ull
#define TICK_NS    50000ull /* of virtual time */
#define IDLE_NS    20000
#define LIFE_NS    (SECOND / 5) /* of a connection */
#define OVER       10           /* times what may begin */
#define CLIENTS    10
#define BY_KIND    5
#define BY_KIND4   3
#define METERS     (BY_KIND + 2)
#define PORT_FIRST 1024
#define PORTS      64000
#define CATCH_UP   256 /* SYNs of a client at once */
#define IP_LEN     60

static const struct {
	const char *limits;
	uint32_t limit;
} kinds[OPENING_KINDS] = {
	[OPENING_CLIENT] = { "client = { connections = 200; };", 200 },
	[OPENING_SERVICE] = { "service = { connections = 500; };", 500 },
};

struct meter {
	enum opening_kind kind;
	uint32_t open, most;
	uint64_t tried, begun;
	double sum; /* of open, over `looks` */
};

/* Connections that are open, the oldest first. */
struct ring {
	uint32_t first, n;
	struct {
		uint16_t port;
		uint64_t since;
	} list[PORTS];
};

struct client {
	struct meter *meter;
	struct addr addr;
	uint32_t hash; /* what a card would say */
	uint64_t rate; /* SYNs a second */
	uint64_t sent;
	struct ring open;
};

struct opening {
	struct fleet *fleet;
	uint64_t begin, looks;
	struct meter meters[METERS];
	struct client clients[CLIENTS];
};

static bool
is_v4(uint32_t number)
{
	return number % BY_KIND < BY_KIND4;
}

static enum opening_kind
kind_of(uint32_t number)
{
	return number < BY_KIND ? OPENING_CLIENT : OPENING_SERVICE;
}

static char *
objects(void)
{
	struct objects o;
	uint32_t kind;

	objects_begin(&o);
	for (kind = 0; kind < 2 * OPENING_KINDS; kind++)
		objects_service(&o, &(struct objects_service){
					.number = kind / 2,
					.v4 = kind % 2 == 0,
					.protocol = IPPROTO_TCP,
					.limits = kinds[kind / 2].limits,
					.more = "timeouts = { closing = \"1s\"; };",
				    });
	return objects_end(&o);
}

static void
open_client(struct opening *o, uint32_t number)
{
	struct client *c = &o->clients[number];
	enum opening_kind kind = kind_of(number);
	uint32_t senders = 1, meter = number;

	c->addr = (struct addr){ 0 };
	c->addr.w[0] = htonl(0x20010db8u);
	c->addr.b[5] = (uint8_t)number;
	c->addr.b[15] = 1;
	if (is_v4(number))
		c->addr = addr_from_v4(htonl(0x14000007u + (number << 8)));
	c->hash = toeplitz_addr(o->fleet->snapshot->toeplitz, &c->addr);
	if (kind == OPENING_SERVICE) {
		meter = BY_KIND + !is_v4(number);
		senders = is_v4(number) ? BY_KIND4 : BY_KIND - BY_KIND4;
	}
	c->meter = &o->meters[meter];
	c->meter->kind = kind;
	c->rate = OVER * kinds[kind].limit * SECOND / LIFE_NS / senders;
}

/* ---- sending ---- */

static bool
send_packet(struct opening *o, const struct client *c, uint16_t port, uint8_t tcp_flags)
{
	const struct fleet *f = o->fleet;
	uint32_t number = (uint32_t)(c - o->clients);
	struct rte_mbuf *m = rte_pktmbuf_alloc(f->mbufs);
	const struct frame frame = {
		.mac = f->mac,
		.tuple = { .src = c->addr,
			   .dst = objects_address(kind_of(number), is_v4(number)),
			   .sport = htons(port),
			   .dport = htons(80),
			   .proto = IPPROTO_TCP },
		.tcp_flags = tcp_flags,
		.ip_len = IP_LEN,
	};
	uint32_t queue = port % f->n;

	if (!m)
		return false;
	frame_write(&frame, rte_pktmbuf_mtod(m, uint8_t *));
	m->data_len = FRAME_L3 + IP_LEN;
	m->pkt_len = m->data_len;
	if (f->kind == FLEET_HASHED) {
		m->ol_flags |= RTE_MBUF_F_RX_RSS_HASH;
		m->hash.rss = c->hash;
		queue = f->snapshot->owners[c->hash % OWNER_TABLE_SIZE];
	}
	if (rte_ring_sp_enqueue(f->rx[queue], m) == 0)
		return true;
	rte_pktmbuf_free(m);
	return false;
}

/* What is old enough ends, by turns with a FIN and with a RST. What finds no room on the wire ends
 * later. */
static void
send_ends(struct opening *o, struct client *c, uint64_t now)
{
	struct ring *r = &c->open;

	while (r->n && now - r->list[r->first].since >= LIFE_NS) {
		uint16_t port = r->list[r->first].port;

		/* The worker may have seen it before send_packet returns. */
		c->meter->open--;
		if (!send_packet(o, c, port, port / 8 % 2 ? TCP_RST : TCP_FIN | TCP_ACK)) {
			c->meter->open++;
			return;
		}
		r->first = (r->first + 1) % PORTS;
		r->n--;
	}
}

static void
send_due(struct opening *o, uint64_t now)
{
	uint32_t i;

	for (i = 0; i < CLIENTS; i++) {
		struct client *c = &o->clients[i];
		uint64_t due = (now - o->begin) * c->rate / SECOND;

		send_ends(o, c, now);
		/* After a pause of this thread nobody sends all that was missed. */
		if (due > c->sent + CATCH_UP)
			c->sent = due - CATCH_UP;
		for (; c->sent < due; c->sent++)
			c->meter->tried +=
			    send_packet(o, c, (uint16_t)(PORT_FIRST + c->sent % PORTS), TCP_SYN);
	}
}

/* ---- counting ---- */

static void
count(struct opening *o, const struct rte_mbuf *m, uint64_t now)
{
	const uint8_t *b = rte_pktmbuf_mtod(m, const uint8_t *);
	bool v4 = b[12] == 0x08;
	uint32_t number = v4 ? b[FRAME_L3 + 14] : b[FRAME_L3 + 8 + 5];
	const uint8_t *tcp = b + FRAME_L3 + (v4 ? 20 : 40);
	struct client *c = &o->clients[number];
	struct ring *r = &c->open;
	uint32_t at;

	if (number >= CLIENTS)
		world_fail("a packet that nobody has sent");
	if (tcp[13] != TCP_SYN)
		return;
	if (r->n == PORTS)
		world_fail("more connections than ports");
	at = (r->first + r->n++) % PORTS;
	r->list[at].port = (uint16_t)(tcp[0] << 8 | tcp[1]);
	r->list[at].since = now;
	c->meter->begun++;
	c->meter->open++;
	if (c->meter->open > c->meter->most)
		c->meter->most = c->meter->open;
}

static bool
receive(struct opening *o, uint64_t now)
{
	struct rte_mbuf *mbufs[BURST_MAX];
	unsigned int n, total = 0, i;
	uint32_t q;

	for (q = 0; q < o->fleet->n; q++) {
		n = rte_ring_sc_dequeue_burst(o->fleet->tx[q], (void **)mbufs, BURST_MAX, NULL);
		for (i = 0; i < n; i++)
			count(o, mbufs[i], now);
		rte_pktmbuf_free_bulk(mbufs, n);
		total += n;
	}
	return total > 0;
}

static void
look(struct opening *o)
{
	uint32_t i;

	o->looks++;
	for (i = 0; i < METERS; i++)
		o->meters[i].sum += o->meters[i].open;
}

static void
run(struct opening *o, const struct opening_request *request)
{
	const struct timespec idle = { .tv_nsec = IDLE_NS };
	uint64_t now = o->begin;

	while (now - o->begin < request->ns) {
		send_due(o, now);
		/* When they have had the time to fill up. */
		if (now - o->begin > LIFE_NS)
			look(o);
		if (request->in_virtual_time) {
			fleet_step(o->fleet, now);
			while (receive(o, now))
				;
			now += TICK_NS;
			continue;
		}
		if (!receive(o, now))
			nanosleep(&idle, NULL);
		now = fleet_now(o->fleet);
	}
}

static void
summarize(const struct opening *o, struct opening_count out[OPENING_KINDS])
{
	uint32_t i;

	memset(out, 0, OPENING_KINDS * sizeof(*out));
	for (i = 0; i < METERS; i++) {
		const struct meter *m = &o->meters[i];
		struct opening_count *c = &out[m->kind];
		double mean = m->sum / (double)o->looks / kinds[m->kind].limit;

		if (!c->limit || m->most < c->least)
			c->least = m->most;
		if (!c->limit || mean < c->mean)
			c->mean = mean;
		c->limit = kinds[m->kind].limit;
		c->most = m->most > c->most ? m->most : c->most;
		c->tried += m->tried;
		c->begun += m->begun;
	}
}

void
opening_run(const struct opening_request *request, struct opening_count out[OPENING_KINDS])
{
	char *text = objects();
	struct opening *o = calloc(1, sizeof(*o));
	uint32_t i;

	if (!o)
		world_fail("no memory");
	o->fleet = fleet_open(text, request->workers, request->kind);
	o->begin = fleet_now(o->fleet);
	for (i = 0; i < CLIENTS; i++)
		open_client(o, i);
	if (!request->in_virtual_time)
		fleet_run(o->fleet);
	run(o, request);
	if (!request->in_virtual_time)
		fleet_halt(o->fleet);
	summarize(o, out);
	fleet_close(o->fleet);
	free(o);
	free(text);
}

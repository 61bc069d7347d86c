/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Client k of 20 is 20.0.k.7, or 2001:db8:k::1 for the last two of each five. Its kind of limit is
 * k / 5, and each kind has a service of each family.
 */
#include "bench/limits/load.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>
#include <rte_ring.h>

#include "bench/common/world.h"
#include "bench/limits/frame.h"
#include "bench/limits/objects.h"

#define OVER      10 /* times the limit */
#define BY_KIND   5  /* clients of a kind; the first BY_KIND4 of them have IPv4 */
#define BY_KIND4  3
#define FLOWS     64 /* of each client, by port */
#define FRAME_MAX 514
#define CATCH_UP  256 /* packets of a client at once */

static const struct {
	const char *name, *setting;
	uint64_t limit;
	uint16_t ip_len; /* of each packet */
	uint8_t proto;
} kinds[LOAD_KINDS] = {
	[LOAD_PACKETS] = { "packets", "client = { packets", 2000, 60, IPPROTO_UDP },
	[LOAD_BYTES] = { "bytes", "client = { bytes", 1000000, 500, IPPROTO_UDP },
	[LOAD_NEW_CONNECTIONS] = { "new connections", "client = { new_connections", 1000, 60,
				   IPPROTO_TCP },
	[LOAD_SERVICE] = { "service packets", "service = { packets", 10000, 60, IPPROTO_UDP },
};

struct client {
	struct meter *meter;
	struct addr addr;
	uint32_t hash; /* what a card would say */
	uint64_t rate; /* packets a second that it sends */
	uint64_t sent;
	uint32_t flow;
	uint16_t len;
	uint8_t frames[FLOWS][FRAME_MAX];
};

struct load {
	struct fleet *fleet;
	bool in_real_time;
	uint64_t begin, lost;
	uint32_t n_meters;
	struct meter meters[LOAD_CLIENTS];
	struct client clients[LOAD_CLIENTS];
};

const char *
load_kind_name(enum load_kind kind)
{
	return kinds[kind].name;
}

/* ---- configuration ---- */

char *
load_objects(void)
{
	char limits[128];
	struct objects o;
	uint32_t i, kind;

	objects_begin(&o);
	for (i = 0; i < 2 * LOAD_KINDS; i++) {
		kind = i / 2;
		snprintf(limits, sizeof(limits), "%s = \"%llu/s\"; burst = \"1s\"; };",
			 kinds[kind].setting, (unsigned long long)kinds[kind].limit);
		objects_service(&o, &(struct objects_service){ .number = kind,
							       .v4 = i % 2 == 0,
							       .protocol = kinds[kind].proto,
							       .limits = limits });
	}
	return objects_end(&o);
}

/* ---- addresses ---- */

static bool
is_v4(uint32_t number)
{
	return number % BY_KIND < BY_KIND4;
}

static struct addr
client_addr(uint32_t number)
{
	struct addr a = { 0 };

	if (is_v4(number))
		return addr_from_v4(htonl(0x14000007u + (number << 8)));
	a.w[0] = htonl(0x20010db8u);
	a.b[5] = (uint8_t)number;
	a.b[15] = 1;
	return a;
}

/* ---- who there is ---- */

/* A client's own, or the one of its service. */
static struct meter *
meter_of(struct load *l, uint32_t number)
{
	uint32_t in_kind = number % BY_KIND, kind = number / BY_KIND;
	bool first = in_kind == 0 || in_kind == BY_KIND4;

	if (kind != LOAD_SERVICE || first) {
		l->meters[l->n_meters] = (struct meter){
			.kind = (enum load_kind)kind,
			.limit = kinds[kind].limit,
		};
		l->n_meters++;
	}
	return &l->meters[l->n_meters - 1];
}

static void
open_client(struct load *l, uint32_t number)
{
	struct client *c = &l->clients[number];
	uint32_t kind = number / BY_KIND, flow;
	uint64_t senders = 1;

	c->meter = meter_of(l, number);
	c->addr = client_addr(number);
	c->hash = toeplitz_addr(l->fleet->snapshot->toeplitz, &c->addr);
	c->len = (uint16_t)(FRAME_L3 + kinds[kind].ip_len);
	if (kind == LOAD_SERVICE)
		senders = is_v4(number) ? BY_KIND4 : BY_KIND - BY_KIND4;
	c->rate = OVER * kinds[kind].limit / senders;
	if (kind == LOAD_BYTES)
		c->rate /= kinds[kind].ip_len;
	for (flow = 0; flow < FLOWS; flow++) {
		const struct frame frame = {
			.mac = l->fleet->mac,
			.tuple = { .src = c->addr,
				   .dst = objects_address(kind, is_v4(number)),
				   .sport = htons((uint16_t)(10000 + 7 * flow)),
				   .dport = htons(80),
				   .proto = kinds[kind].proto },
			.tcp_flags = TCP_SYN,
			.ip_len = kinds[kind].ip_len,
		};

		frame_write(&frame, c->frames[flow]);
	}
}

struct load *
load_open(struct fleet *f, uint64_t now, bool in_real_time)
{
	struct load *l = calloc(1, sizeof(*l));
	uint32_t i;

	if (!l)
		world_fail("no memory");
	l->fleet = f;
	l->begin = now;
	l->in_real_time = in_real_time;
	for (i = 0; i < LOAD_CLIENTS; i++)
		open_client(l, i);
	return l;
}

void
load_close(struct load *l)
{
	free(l);
}

/* ---- sending ---- */

/* Where the packet arrives: at the queue that the card chooses by the client, or at any, by flow.
 */
static uint32_t
queue_of(const struct load *l, const struct client *c)
{
	const struct fleet *f = l->fleet;

	if (f->kind == FLEET_HASHED)
		return f->snapshot->owners[c->hash % OWNER_TABLE_SIZE];
	return c->flow % f->n;
}

static bool
send_one(struct load *l, struct client *c)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(l->fleet->mbufs);

	if (!m)
		return false;
	memcpy(rte_pktmbuf_mtod(m, void *), c->frames[c->flow], c->len);
	m->data_len = c->len;
	m->pkt_len = c->len;
	if (l->fleet->kind == FLEET_HASHED) {
		m->ol_flags |= RTE_MBUF_F_RX_RSS_HASH;
		m->hash.rss = c->hash;
	}
	if (rte_ring_sp_enqueue(l->fleet->rx[queue_of(l, c)], m) == 0)
		return true;
	rte_pktmbuf_free(m);
	return false;
}

void
load_send(struct load *l, uint64_t now)
{
	uint32_t i;

	for (i = 0; i < LOAD_CLIENTS; i++) {
		struct client *c = &l->clients[i];
		uint64_t due = (now - l->begin) * c->rate / 1000000000u, end;

		/* After a pause of this thread nobody sends all that was missed. */
		if (due > c->sent + CATCH_UP)
			c->sent = due - CATCH_UP;
		for (end = due; c->sent < end; c->sent++) {
			c->meter->sent++;
			l->lost += !send_one(l, c);
			c->flow = (c->flow + 1) % FLOWS;
		}
	}
}

/* ---- counting ---- */

static void
count(struct load *l, const struct rte_mbuf *m, uint64_t now)
{
	const uint8_t *b = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t number = b[12] == 0x08 ? b[FRAME_L3 + 14] : b[FRAME_L3 + 8 + 5];
	struct meter *meter;
	double most;

	if (number >= LOAD_CLIENTS)
		world_fail("a packet that nobody has sent");
	meter = l->clients[number].meter;
	meter->passed += meter->kind == LOAD_BYTES ? m->pkt_len - FRAME_L3 : 1;
	most = (double)meter->passed /
	       ((double)meter->limit * (double)(now - l->begin + LOAD_BURST_NS) / 1e9);
	meter->most = most > meter->most ? most : meter->most;
}

bool
load_receive(struct load *l, uint64_t now)
{
	struct rte_mbuf *mbufs[BURST_MAX];
	unsigned int n, total = 0, i;
	uint32_t q;

	for (q = 0; q < l->fleet->n; q++) {
		n = rte_ring_sc_dequeue_burst(l->fleet->tx[q], (void **)mbufs, BURST_MAX, NULL);
		/* They were let pass before this moment; how long before, nobody knows. */
		if (n && l->in_real_time)
			now = fleet_now(l->fleet);
		for (i = 0; i < n; i++)
			count(l, mbufs[i], now);
		rte_pktmbuf_free_bulk(mbufs, n);
		total += n;
	}
	return total > 0;
}

bool
load_keeps_up(const struct load *l)
{
	uint32_t q;

	for (q = 0; q < l->fleet->n; q++) {
		if (rte_ring_count(l->fleet->rx[q]) > BURST_MAX ||
		    rte_ring_count(l->fleet->workers[q]->inbox) > BURST_MAX)
			return false;
	}
	return true;
}

void
load_window(struct load *l)
{
	uint32_t i;

	for (i = 0; i < l->n_meters; i++)
		l->meters[i].window = l->meters[i].passed;
}

const struct meter *
load_meters(const struct load *l, uint32_t *n)
{
	*n = l->n_meters;
	return l->meters;
}

uint64_t
load_lost(const struct load *l)
{
	return l->lost;
}

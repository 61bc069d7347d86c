/* SPDX-License-Identifier: Apache-2.0 */
/*
 *     flood                     what the table of clients does
 *     ask once                  a source's entry is idle again after 10 ms: there always is one
 *     leave connections open    entries with connections stay: those of real clients too. What
 *                               finds no place shares one client's limits
 *     may come once a minute    no entry is idle again while the flood lasts: the table fills, and
 *                               the rest shares one client's limits
 *
 * Real clients have one connection each, begun before the flood, and send below their limits.
 */
#include "bench/limits/flood.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>
#include <rte_ring.h>

#include "bench/common/world.h"
#include "bench/limits/fleet.h"
#include "bench/limits/frame.h"
#include "bench/limits/objects.h"

#define SECOND      1000000000ull
#define SOURCES     1000000u
#define TICK_NS     50000ull
#define A_TICK      25u /* sources: a million in two seconds */
#define REAL        8u  /* clients, half of them IPv6 */
#define REAL_TICKS  20u /* a packet of each every millisecond */
#define IP_LEN      60
#define OPENING_MAX 60 /* seconds after which no connection is left open */

static const struct {
	const char *name, *limits;
	bool fills;  /* the table */
	bool begins; /* real clients go on to open connections */
} floods[FLOODS] = {
	{ "ask once", "packets = \"10k/s\"; new_connections = \"100/s\"; burst = \"100ms\";", false,
	  true },
	{ "leave connections open",
	  "packets = \"10k/s\"; new_connections = \"100/s\"; connections = 20; burst = \"100ms\";",
	  true, false },
	{ "may come once a minute",
	  "packets = \"10k/s\"; new_connections = \"1/m\"; burst = \"1m\";", true, false },
};

struct flood {
	struct fleet *fleet;
	struct flood_result *out;
	uint64_t now;
	uint32_t queue;
};

static char *
objects(unsigned int which)
{
	char limits[128];
	struct objects o;
	int family;

	snprintf(limits, sizeof(limits), "client = { %s };", floods[which].limits);
	objects_begin(&o);
	for (family = 0; family < 2; family++)
		objects_service(&o, &(struct objects_service){ .v4 = family == 0,
							       .protocol = IPPROTO_TCP,
							       .limits = limits });
	return objects_end(&o);
}

/* Made up: 32.0.0.0/11; real: 20.0.0.n or a /64 of 2001:db8:c::. Packets arrive at any worker. */
static void
send_packet(struct flood *f, const struct addr *src, uint16_t port, uint8_t tcp_flags)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(f->fleet->mbufs);
	const struct frame frame = {
		.mac = f->fleet->mac,
		.tuple = { .src = *src,
			   .dst = objects_address(0, addr_is_v4(src)),
			   .sport = htons(port),
			   .dport = htons(80),
			   .proto = IPPROTO_TCP },
		.tcp_flags = tcp_flags,
		.ip_len = IP_LEN,
	};

	if (!m)
		world_fail("packet buffers have leaked");
	frame_write(&frame, rte_pktmbuf_mtod(m, uint8_t *));
	m->data_len = FRAME_L3 + IP_LEN;
	m->pkt_len = m->data_len;
	if (rte_ring_sp_enqueue(f->fleet->rx[f->queue++ % f->fleet->n], m) != 0)
		world_fail("no room on the wire");
}

static void
count(struct flood *f, const struct rte_mbuf *m)
{
	const uint8_t *b = rte_pktmbuf_mtod(m, const uint8_t *);

	if (b[12] == 0x08 && b[FRAME_L3 + 12] >= 32)
		f->out->flood_passed++;
	else
		f->out->real_passed++;
}

/* Run the workers, count what comes out, and let time pass. */
static void
step(struct flood *f, uint64_t ns)
{
	struct rte_mbuf *mbufs[BURST_MAX];
	unsigned int n, i;
	uint32_t q;

	fleet_step(f->fleet, f->now);
	for (q = 0; q < f->fleet->n; q++) {
		do {
			n = rte_ring_sc_dequeue_burst(f->fleet->tx[q], (void **)mbufs, BURST_MAX,
						      NULL);
			for (i = 0; i < n; i++)
				count(f, mbufs[i]);
			rte_pktmbuf_free_bulk(mbufs, n);
		} while (n > 0);
	}
	f->now += ns;
}

static void
send_real(struct flood *f, uint16_t port, uint8_t tcp_flags)
{
	uint32_t i;

	for (i = 0; i < REAL; i++) {
		struct addr a = addr_from_v4(htonl(0x14000001u + i));

		if (i % 2) {
			a = (struct addr){ 0 };
			a.w[0] = htonl(0x20010db8u);
			a.b[5] = 0x0c;
			a.b[7] = (uint8_t)i;
			a.b[15] = 1;
		}
		send_packet(f, &a, port, tcp_flags);
		f->out->real_sent++;
	}
}

/* The n-th of a million, in an order that is none: odd multiples reach every one. */
static void
send_made_up(struct flood *f, uint32_t n)
{
	struct addr a = addr_from_v4(htonl(0x20000000u + (n * 0x9e3779b1u & 0x1fffffu)));

	send_packet(f, &a, (uint16_t)(1024 + n % 50000), TCP_SYN);
	f->out->flood_sent++;
}

static void
run(struct flood *f, unsigned int which)
{
	uint32_t sent = 0, tick, i;

	send_real(f, 5000, TCP_SYN);
	step(f, 1000000);
	send_real(f, 5000, TCP_ACK);
	step(f, 1000000);
	for (tick = 0; sent < SOURCES; tick++) {
		for (i = 0; i < A_TICK && sent < SOURCES; i++)
			send_made_up(f, sent++);
		if (tick % REAL_TICKS == 0)
			send_real(f, 5000, TCP_ACK);
		if (floods[which].begins && tick % (50 * REAL_TICKS) == 0)
			send_real(f, (uint16_t)(6000 + tick / REAL_TICKS), TCP_SYN);
		step(f, TICK_NS);
	}
	/* And when it is over, who was never seen comes in. */
	for (i = 0; i < 2 * OPENING_MAX * 10; i++)
		step(f, SECOND / 10);
	send_real(f, 7000, TCP_SYN);
	step(f, TICK_NS);
}

void
flood_run(unsigned int which, uint32_t workers, struct flood_result *out)
{
	char *text = objects(which);
	struct flood f = {
		.fleet = fleet_open(text, workers, FLEET_STEERED),
		.out = out,
	};
	uint64_t places = (uint64_t)workers * f.fleet->config->dataplane.clients;

	*out = (struct flood_result){ .name = floods[which].name };
	f.now = fleet_now(f.fleet);
	run(&f, which);
	out->least = floods[which].fills ? places * 9 / 10 : out->flood_sent;
	/* The table rounds its size up; each worker's shared entry is worth one client more, of
	 * 100 at most. */
	out->most = floods[which].fills ? places * 3 / 2 + 500 * workers : out->flood_sent;
	fleet_close(f.fleet);
	free(text);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-generator: one core that sends packets of very many flows through one port as fast as the
 * port takes them, and counts what comes back.
 *
 *     bench-generator EAL-OPTIONS -- OPTIONS        (options.c)
 *
 * Packets are sent from a small set of buffers that are never freed (packets.h). Phases:
 *
 *   1. wait until the port is up and packets come back (with --one-way: are taken);
 *   2. with --connect: each flow's SYN, then an ACK, not faster than they come back; what comes
 *      back says which backend a flow has;
 *   3. send for --seconds, or every flow --once; with --answers every other burst from the
 *      backends; with --good a few packets among them from clients that keep to their limits;
 *      with --window only while fewer than so many are on the way; count.
 *
 * What a full port refuses is offered again. SIGTERM ends the third phase. Prints one JSON object:
 * what was offered, sent (the port has taken it), received until the last packet was sent, and
 * received later; the seconds that it had to wait for its core; and what the port has sent and
 * received in all phases.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "bench/common/port.h"
#include "bench/common/waited.h"
#include "bench/common/world.h"
#include "bench/generator/options.h"
#include "bench/generator/packets.h"

#define BUFFERS 512 /* in turn: none is sent again while the port may still read it */
#define RECEIVE 64
/* A port that is full or empty is left alone for a while (much less than its rings last): who looks
 * at a ring without pause takes its cache lines from who works on it, and slows him down. */
#define PAUSE_US       5
#define LINGER_SECONDS 30
#define LOOKS          100000 /* for what does not come: in all longer than a pause */

struct counters {
	uint64_t offered, sent, received, received_bytes;
	uint64_t good_sent, good_received;
	uint64_t lost; /* given up on, with a window */
};

struct generator {
	struct options options;
	struct packets packets;
	struct rte_mempool *pool;
	struct rte_mbuf *buffers[BUFFERS];
	unsigned int next_buffer;
	struct counters count;
	uint64_t pause, send_next, receive_next; /* timer cycles */
	uint64_t good_interval, good_next;       /* timer cycles; 0: there are none */
	uint32_t good_client;
	bool answer;
};

static volatile sig_atomic_t stopped;

static void
stop(int signal)
{
	(void)signal;
	stopped = 1;
}

static void
make_buffers(struct generator *g)
{
	const struct traffic *t = &g->packets.traffic;
	unsigned int i;

	g->pool = rte_pktmbuf_pool_create("generator", 32767, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
					  SOCKET_ID_ANY);
	if (!g->pool || rte_pktmbuf_alloc_bulk(g->pool, g->buffers, BUFFERS) != 0)
		world_fail("no memory for packet buffers");
	for (i = 0; i < BUFFERS; i++) {
		struct rte_mbuf *m = g->buffers[i];

		m->data_len = t->frame;
		m->pkt_len = t->frame;
		memcpy(rte_pktmbuf_mtod(m, void *), t->bytes, t->frame);
	}
	packets_write(&g->packets, g->buffers, BUFFERS, false);
}

/* Is it time for a well-behaved client's packet? Then it is the first one of the burst. */
static bool
good_is_due(struct generator *g, struct rte_mbuf *first)
{
	if (!g->good_interval || rte_get_timer_cycles() < g->good_next)
		return false;
	packets_write_good(&g->packets, first, g->good_client);
	return true;
}

/* Send up to one burst of the next flows. */
static void
send_burst(struct generator *g)
{
	struct traffic *t = &g->packets.traffic;
	struct rte_mbuf *burst[BURST_MAX];
	bool answer = g->options.answers && g->answer, good;
	uint16_t i, sent;

	if (g->send_next && rte_get_timer_cycles() < g->send_next)
		return;
	for (i = 0; i < BURST_MAX; i++) {
		burst[i] = g->buffers[(g->next_buffer + i) % BUFFERS];
		rte_mbuf_refcnt_set(burst[i], 2); /* sending takes one */
	}
	if (!g->options.still)
		packets_write(&g->packets, burst, BURST_MAX, answer);
	good = good_is_due(g, burst[0]);
	sent = rte_eth_tx_burst(BENCH_PORT, 0, burst, BURST_MAX);
	g->count.offered += BURST_MAX;
	g->count.sent += sent;
	g->send_next = sent < BURST_MAX ? rte_get_timer_cycles() + g->pause : 0;
	if (good && sent) {
		g->count.good_sent++;
		g->good_client++;
		g->good_next = rte_get_timer_cycles() + g->good_interval;
	}
	/* Both directions of a flow in turn, flow after flow. */
	if (!g->options.answers || answer)
		t->next = (t->next + sent * t->step) & (t->flows - 1);
	g->next_buffer = (g->next_buffer + sent) % BUFFERS;
	g->answer = !answer;
}

static uint16_t
receive_burst(struct generator *g, bool learning)
{
	struct rte_mbuf *burst[RECEIVE];
	uint16_t n, i;

	if (g->receive_next && rte_get_timer_cycles() < g->receive_next)
		return 0;
	n = rte_eth_rx_burst(BENCH_PORT, 0, burst, RECEIVE);
	g->receive_next = n < RECEIVE / 2 ? rte_get_timer_cycles() + g->pause : 0;
	for (i = 0; i < n; i++) {
		g->count.received_bytes += rte_pktmbuf_pkt_len(burst[i]);
		if (learning)
			packets_learn(&g->packets, burst[i]);
		if (g->good_interval)
			g->count.good_received += packets_is_good(&g->packets, burst[i]);
	}
	if (n)
		rte_pktmbuf_free_bulk(burst, n);
	g->count.received += n;
	return n;
}

/* Packets from now until nothing has come for a moment. */
static void
drain(struct generator *g, bool learning)
{
	uint64_t quiet = rte_get_timer_hz() / 20, last = rte_get_timer_cycles();

	while (rte_get_timer_cycles() - last < quiet)
		if (receive_burst(g, learning))
			last = rte_get_timer_cycles();
}

static void
wait_for_peer(struct generator *g)
{
	uint64_t end = rte_get_timer_cycles() + 30 * rte_get_timer_hz();

	while (g->options.one_way ? g->count.sent < 1000 : !g->count.received) {
		if (stopped || rte_get_timer_cycles() > end)
			world_fail("nothing comes back");
		send_burst(g);
		usleep(1000);
		receive_burst(g, false);
	}
	drain(g, false);
}

static bool
goes_on(const struct generator *g, uint64_t end)
{
	if (stopped)
		return false;
	return g->options.once ? g->count.sent < g->options.flows : rte_get_timer_cycles() < end;
}

/* Since when nothing has come back: timer cycles, and how often somebody has looked. */
struct silence {
	uint64_t since, received;
	uint32_t looks;
};

/* At most a window of packets on the way: true if there is room for a burst. Packets that have not
 * come back for a while, in which this program was not stopped itself, will not. */
static bool
window_opens(struct generator *g, struct silence *silence, uint32_t window)
{
	struct counters *c = &g->count;
	uint64_t now = rte_get_timer_cycles();
	bool opens = c->sent - c->lost - c->received + BURST_MAX <= window;

	if (opens || c->received != silence->received)
		*silence = (struct silence){ now, c->received, 0 };
	else if (++silence->looks > LOOKS && now - silence->since > rte_get_timer_hz() / 2)
		c->lost = c->sent - c->received;
	return opens;
}

/* Send every flow's packet, not faster than they come back. */
static void
pass(struct generator *g)
{
	struct silence silence = { rte_get_timer_cycles(), 0, 0 };
	uint64_t end;

	memset(&g->count, 0, sizeof(g->count));
	for (end = g->options.flows; g->count.sent < end;) {
		if (window_opens(g, &silence, 512))
			send_burst(g);
		receive_burst(g, true);
	}
	drain(g, true);
}

static void
connect_flows(struct generator *g)
{
	bool answers = g->options.answers;
	unsigned int tries;

	g->options.answers = false;
	g->packets.traffic.next = 0;
	for (tries = 0; tries < 5 && (tries == 0 || packets_unknown(&g->packets)); tries++) {
		g->packets.traffic.tcp_flags = TCP_SYN;
		pass(g);
		g->packets.traffic.tcp_flags = TCP_ACK;
		pass(g);
	}
	if (packets_unknown(&g->packets))
		world_fail("%u of %u flows did not come back", packets_unknown(&g->packets),
			   g->options.flows);
	g->options.answers = answers;
}

static void
report(const struct counters *c, double seconds, uint64_t good_sent)
{
	printf("{\"seconds\": %.6f, \"offered\": %" PRIu64 ", \"sent\": %" PRIu64
	       ", \"received\": %" PRIu64 ", \"received_bytes\": %" PRIu64
	       ", \"good_sent\": %" PRIu64,
	       seconds, c->offered, c->sent, c->received, c->received_bytes, good_sent);
}

static void
measure(struct generator *g)
{
	const struct options *o = &g->options;
	uint64_t hz = rte_get_timer_hz(), start, end, received, wait = thread_waited();
	struct silence silence = { 0 };
	struct rte_eth_stats stats = { 0 };

	memset(&g->count, 0, sizeof(g->count));
	g->packets.traffic.tcp_flags = o->syn ? TCP_SYN : TCP_ACK;
	start = silence.since = rte_get_timer_cycles();
	end = start + (uint64_t)(o->seconds * (double)hz);
	while (goes_on(g, end)) {
		if (!o->window || window_opens(g, &silence, o->window))
			send_burst(g);
		receive_burst(g, false);
	}
	end = rte_get_timer_cycles();
	report(&g->count, (double)(end - start) / (double)hz, g->count.good_sent);
	printf(", \"waited\": %.4f", (double)(thread_waited() - wait) / 1e9);
	received = g->count.received;
	drain(g, false);
	rte_eth_stats_get(BENCH_PORT, &stats);
	printf(", \"good_received\": %" PRIu64 ", \"received_later\": %" PRIu64
	       ", \"no_buffer\": %" PRIu64 ", \"port_sent\": %" PRIu64
	       ", \"port_received\": %" PRIu64 "}\n",
	       g->count.good_received, g->count.received - received, stats.rx_nombuf,
	       stats.opackets, stats.ipackets);
}

/* The result is out; the wire stays until somebody ends this program: the other end may be looking
 * at its ring just now. */
static void
linger(void)
{
	uint64_t end = rte_get_timer_cycles() + LINGER_SECONDS * rte_get_timer_hz();

	fclose(stdout);
	stopped = 0;
	while (!stopped && rte_get_timer_cycles() < end)
		rte_delay_us_sleep(1000);
}

int
main(int argc, char **argv)
{
	static struct generator g;
	int used = rte_eal_init(argc, argv);

	if (used < 0)
		world_fail("DPDK cannot start");
	options_parse(&g.options, argc - used, argv + used);
	packets_init(&g.packets, &g.options);
	if (g.options.good)
		g.good_interval = rte_get_timer_hz() / g.options.good;
	signal(SIGTERM, stop);
	g.pause = rte_get_timer_hz() * PAUSE_US / 1000000;
	make_buffers(&g);
	bench_port_open(g.pool, 8192);
	wait_for_peer(&g);
	if (g.options.connect)
		connect_flows(&g);
	if (g.options.once)
		g.packets.traffic.next = 0;
	measure(&g);
	if (g.options.linger)
		linger();
	rte_eth_dev_stop(BENCH_PORT);
	rte_eth_dev_close(BENCH_PORT);
	rte_eal_cleanup();
	return 0;
}

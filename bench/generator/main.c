/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-generator: one core that sends packets of very many flows through one port as fast as the
 * port takes them, and counts what comes back.
 *
 *     bench-generator EAL-OPTIONS -- OPTIONS        (see usage)
 *
 * Packets are sent from a small set of buffers that are never freed: each time only the fields that
 * tell flows apart are written, and the checksums follow by increments, so the generator has no
 * cache misses of its own. Phases:
 *
 *   1. wait until the port is up and packets come back;
 *   2. with --connect: each flow's SYN, then an ACK, not faster than they come back; what comes
 *      back says which backend a flow has;
 *   3. send for --seconds, with --answers every other burst from the backends; count.
 *
 * Prints one JSON object: packets and bytes sent and received, drops of the port, seconds.
 */
#include <arpa/inet.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>

#include "bench/common/traffic.h"
#include "bench/common/world.h"
#include "lib/checksum.h"

#define PORT      0
#define BUFFERS   512 /* in turn: none is sent again while the port may still read it */
#define RECEIVE   64
#define L3        14
#define NO_ANSWER UINT8_MAX

struct options {
	bool v6, tcp, connect, answers, syn;
	uint32_t flows, clients;
	uint16_t frame, port;
	double seconds;
	struct addr service, backends; /* the first of the backends' addresses */
	uint8_t mac[6];                /* whom to send to */
};

struct generator {
	struct options options;
	struct traffic traffic;
	struct rte_mempool *pool;
	struct rte_mbuf *buffers[BUFFERS];
	unsigned int next_buffer;
	uint8_t *backend_of;     /* by flow: last byte of its backend's address */
	uint64_t ip_sum, l4_sum; /* of the template's words that do not change */
	uint64_t sent, received, received_bytes;
	bool answer;
};

static void
make_buffers(struct generator *g)
{
	unsigned int i;

	g->pool = rte_pktmbuf_pool_create("generator", 32767, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
					  SOCKET_ID_ANY);
	if (!g->pool || rte_pktmbuf_alloc_bulk(g->pool, g->buffers, BUFFERS) != 0)
		world_fail("no memory for packet buffers");
	for (i = 0; i < BUFFERS; i++) {
		struct rte_mbuf *m = g->buffers[i];

		m->data_len = g->traffic.frame;
		m->pkt_len = g->traffic.frame;
		memcpy(rte_pktmbuf_mtod(m, void *), g->traffic.bytes, g->traffic.frame);
	}
}

static void
open_port(struct generator *g)
{
	struct rte_eth_conf conf = { 0 };
	struct rte_eth_dev_info info;

	if (!rte_eth_dev_is_valid_port(PORT))
		world_fail("no port: give DPDK one by --vdev");
	if (rte_eth_dev_info_get(PORT, &info) < 0 || rte_eth_dev_configure(PORT, 1, 1, &conf) < 0 ||
	    rte_eth_rx_queue_setup(PORT, 0, 8192, rte_socket_id(), NULL, g->pool) < 0 ||
	    rte_eth_tx_queue_setup(PORT, 0, 8192, rte_socket_id(), NULL) < 0 ||
	    rte_eth_dev_start(PORT) < 0)
		world_fail("the port cannot be started");
}

/* The sums of everything that stays: the template with addresses of clients and ports zero. */
static void
make_sums(struct generator *g)
{
	struct traffic *t = &g->traffic;
	unsigned int l4 = t->v6 ? L3 + 40 : L3 + 20;
	uint16_t len = (uint16_t)(t->frame - l4);

	g->ip_sum = csum_add_bytes(0, t->bytes + L3, 20);
	g->l4_sum = csum_add_bytes(0, t->bytes + l4, len) + csum_addr(&t->service) +
		    htons(t->proto) + htons(len);
}

/* Flow i into the buffer: source address and port, checksums. */
static inline void
write_flow(const struct generator *g, uint8_t *b, uint32_t i)
{
	const struct traffic *t = &g->traffic;
	struct tuple tuple = traffic_tuple(t, i);
	unsigned int l4 = t->v6 ? L3 + 40 : L3 + 20;
	uint64_t address = csum_addr(&tuple.src);
	uint64_t flags = t->proto == IPPROTO_TCP ? htons(t->tcp_flags) : 0;
	uint16_t sum;

	if (t->v6) {
		memcpy(b + L3 + 8, tuple.src.b, 16);
		memcpy(b + L3 + 24, t->service.b, 16);
	} else {
		memcpy(b + L3 + 12, tuple.src.b + 12, 4);
		memcpy(b + L3 + 16, t->service.b + 12, 4);
		sum = (uint16_t)~csum_fold(g->ip_sum + address);
		memcpy(b + L3 + 10, &sum, 2);
	}
	memcpy(b + l4, &tuple.sport, 2);
	memcpy(b + l4 + 2, &tuple.dport, 2);
	sum = (uint16_t)~csum_fold(g->l4_sum + address + tuple.sport + flags);
	if (t->proto == IPPROTO_TCP) {
		b[l4 + 13] = t->tcp_flags;
		memcpy(b + l4 + 16, &sum, 2);
	} else {
		sum = sum ? sum : 0xffff;
		memcpy(b + l4 + 6, &sum, 2);
	}
}

/* What the backend of flow i answers: addresses and ports the other way. False: it is not known. */
static inline bool
write_answer(const struct generator *g, uint8_t *b, uint32_t i)
{
	const struct traffic *t = &g->traffic;
	struct tuple tuple = traffic_tuple(t, i);
	unsigned int l4 = t->v6 ? L3 + 40 : L3 + 20;
	struct addr backend = g->options.backends;
	uint64_t addresses, flags = t->proto == IPPROTO_TCP ? htons(t->tcp_flags) : 0;
	uint16_t sum;

	if (g->backend_of[i] == NO_ANSWER)
		return false;
	backend.b[15] = g->backend_of[i];
	addresses = csum_addr(&backend) + csum_addr(&tuple.src);
	if (t->v6) {
		memcpy(b + L3 + 8, backend.b, 16);
		memcpy(b + L3 + 24, tuple.src.b, 16);
	} else {
		memcpy(b + L3 + 12, backend.b + 12, 4);
		memcpy(b + L3 + 16, tuple.src.b + 12, 4);
		sum = (uint16_t)~csum_fold(g->ip_sum - t->service.w[3] + addresses);
		memcpy(b + L3 + 10, &sum, 2);
	}
	memcpy(b + l4, &tuple.dport, 2);
	memcpy(b + l4 + 2, &tuple.sport, 2);
	sum = (uint16_t)~csum_fold(g->l4_sum - csum_addr(&t->service) + addresses + tuple.sport +
				   flags);
	if (t->proto == IPPROTO_TCP) {
		b[l4 + 13] = t->tcp_flags;
		memcpy(b + l4 + 16, &sum, 2);
	} else {
		sum = sum ? sum : 0xffff;
		memcpy(b + l4 + 6, &sum, 2);
	}
	return true;
}

/* Send up to one burst of the next flows. */
static void
send_burst(struct generator *g)
{
	struct traffic *t = &g->traffic;
	struct rte_mbuf *burst[BURST_MAX];
	bool answer = g->options.answers && g->answer;
	uint16_t i, sent;

	for (i = 0; i < BURST_MAX; i++) {
		struct rte_mbuf *m = g->buffers[(g->next_buffer + i) % BUFFERS];
		uint8_t *b = rte_pktmbuf_mtod(m, uint8_t *);
		uint32_t flow = (t->next + i * t->step) & (t->flows - 1);

		if (!answer || !write_answer(g, b, flow))
			write_flow(g, b, flow);
		rte_mbuf_refcnt_set(m, 2); /* sending takes one */
		burst[i] = m;
	}
	sent = rte_eth_tx_burst(PORT, 0, burst, BURST_MAX);
	g->sent += sent;
	/* Both directions of a flow in turn, flow after flow. */
	if (!g->options.answers || answer)
		t->next = (t->next + sent * t->step) & (t->flows - 1);
	g->next_buffer = (g->next_buffer + sent) % BUFFERS;
	g->answer = !answer;
}

/* Which flow is this forwarded packet of, and which backend has it? */
static void
learn(struct generator *g, const struct rte_mbuf *m)
{
	const struct traffic *t = &g->traffic;
	const uint8_t *b = rte_pktmbuf_mtod(m, const uint8_t *);
	unsigned int l4 = t->v6 ? L3 + 40 : L3 + 20;
	uint32_t client, number, flow;
	uint16_t port;

	if (rte_pktmbuf_data_len(m) < l4 + 8u)
		return;
	memcpy(&client, b + L3 + (t->v6 ? 12 : 12), 4);
	number = ntohl(client) - (t->v6 ? 0x00100000u : 0x14000000u);
	memcpy(&port, b + l4, 2);
	flow = (uint32_t)(ntohs(port) - 1024) * t->clients + number;
	if (number < t->clients && flow < t->flows)
		g->backend_of[flow] = b[L3 + (t->v6 ? 39 : 19)];
}

static uint16_t
receive_burst(struct generator *g, bool learning)
{
	struct rte_mbuf *burst[RECEIVE];
	uint16_t n = rte_eth_rx_burst(PORT, 0, burst, RECEIVE), i;

	for (i = 0; i < n; i++) {
		g->received_bytes += rte_pktmbuf_pkt_len(burst[i]);
		if (learning)
			learn(g, burst[i]);
	}
	if (n)
		rte_pktmbuf_free_bulk(burst, n);
	g->received += n;
	return n;
}

/* Packets from now until nothing has come for a moment. */
static void
drain(struct generator *g, bool learning)
{
	uint64_t quiet = rte_get_timer_hz() / 50, last = rte_get_timer_cycles();

	while (rte_get_timer_cycles() - last < quiet)
		if (receive_burst(g, learning))
			last = rte_get_timer_cycles();
}

static void
wait_for_peer(struct generator *g)
{
	uint64_t end = rte_get_timer_cycles() + 20 * rte_get_timer_hz();

	while (!g->received) {
		if (rte_get_timer_cycles() > end)
			world_fail("nothing comes back");
		send_burst(g);
		usleep(1000);
		receive_burst(g, false);
	}
	drain(g, false);
}

/* Send every flow's packet, at most `window` on the way. */
static void
pass(struct generator *g, uint64_t window)
{
	uint64_t end = g->sent + g->options.flows, base_sent = g->sent, base = g->received;
	uint64_t stuck = rte_get_timer_cycles();

	while (g->sent < end) {
		if (g->sent - base_sent < g->received - base + window) {
			send_burst(g);
			stuck = rte_get_timer_cycles();
		} else if (rte_get_timer_cycles() - stuck > rte_get_timer_hz() / 20) {
			base_sent = g->sent; /* what is lost will not come */
			base = g->received;
		}
		receive_burst(g, true);
	}
	drain(g, true);
}

static uint32_t
unknown_flows(const struct generator *g)
{
	uint32_t i, n = 0;

	for (i = 0; i < g->options.flows; i++)
		n += g->backend_of[i] == NO_ANSWER;
	return n;
}

static void
connect_flows(struct generator *g)
{
	bool answers = g->options.answers;
	unsigned int tries;

	g->options.answers = false;
	g->traffic.next = 0;
	for (tries = 0; tries < 5 && (tries == 0 || unknown_flows(g)); tries++) {
		g->traffic.tcp_flags = TCP_SYN;
		pass(g, 512);
		g->traffic.tcp_flags = TCP_ACK;
		pass(g, 512);
	}
	if (unknown_flows(g))
		world_fail("%u of %u flows did not come back", unknown_flows(g), g->options.flows);
	g->options.answers = answers;
}

static void
measure(struct generator *g)
{
	struct rte_eth_stats stats = { 0 };
	uint64_t hz = rte_get_timer_hz(), start, end;
	double seconds;

	g->sent = g->received = g->received_bytes = 0;
	start = rte_get_timer_cycles();
	end = start + (uint64_t)(g->options.seconds * (double)hz);
	while (rte_get_timer_cycles() < end) {
		send_burst(g);
		receive_burst(g, false);
	}
	seconds = (double)(rte_get_timer_cycles() - start) / (double)hz;
	printf("{\"seconds\": %.6f, \"sent\": %" PRIu64 ", \"received\": %" PRIu64
	       ", \"received_bytes\": %" PRIu64,
	       seconds, g->sent, g->received, g->received_bytes);
	drain(g, false);
	rte_eth_stats_get(PORT, &stats);
	printf(", \"received_later\": %" PRIu64 ", \"no_buffer\": %" PRIu64 "}\n", g->received,
	       stats.rx_nombuf);
}

static void
usage(void)
{
	fprintf(stderr,
		"usage: bench-generator EAL-OPTIONS -- --service ADDRESS --port N --to MAC\n"
		"  [--tcp] [--syn] [--connect] [--answers --backends FIRST-ADDRESS]\n"
		"  [--flows N] [--clients N] [--frame BYTES] [--seconds N]\n");
	exit(2);
}

static void
set_option(struct options *o, int name)
{
	struct mac mac;
	int rc = 0;

	switch (name) {
	case 's':
		rc = addr_parse(optarg, &o->service);
		break;
	case 'b':
		rc = addr_parse(optarg, &o->backends);
		break;
	case 'm':
		rc = mac_parse(optarg, &mac);
		memcpy(o->mac, mac.b, 6);
		break;
	case 'p':
		o->port = (uint16_t)atoi(optarg);
		break;
	case 'f':
		o->flows = (uint32_t)strtoul(optarg, NULL, 10);
		break;
	case 'c':
		o->clients = (uint32_t)strtoul(optarg, NULL, 10);
		break;
	case 'l':
		o->frame = (uint16_t)atoi(optarg);
		break;
	case 't':
		o->seconds = atof(optarg);
		break;
	case 'T':
		o->tcp = true;
		break;
	case 'S':
		o->syn = true;
		break;
	case 'C':
		o->connect = true;
		break;
	case 'A':
		o->answers = true;
		break;
	default:
		rc = -1;
	}
	if (rc < 0)
		usage();
}

static void
options_parse(struct options *o, int argc, char **argv)
{
	static const struct option list[] = {
		{ "service", required_argument, NULL, 's' },
		{ "backends", required_argument, NULL, 'b' },
		{ "to", required_argument, NULL, 'm' },
		{ "port", required_argument, NULL, 'p' },
		{ "flows", required_argument, NULL, 'f' },
		{ "clients", required_argument, NULL, 'c' },
		{ "frame", required_argument, NULL, 'l' },
		{ "seconds", required_argument, NULL, 't' },
		{ "tcp", no_argument, NULL, 'T' },
		{ "syn", no_argument, NULL, 'S' },
		{ "connect", no_argument, NULL, 'C' },
		{ "answers", no_argument, NULL, 'A' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	*o = (struct options){ .flows = 1 << 20, .clients = 1 << 17, .frame = 60, .seconds = 3 };
	optind = 1;
	while ((c = getopt_long(argc, argv, "", list, NULL)) != -1)
		set_option(o, c);
	if (!o->port || o->service.q[1] == 0 || optind != argc)
		usage();
	o->v6 = !addr_is_v4(&o->service);
}

int
main(int argc, char **argv)
{
	static struct generator g;
	int used = rte_eal_init(argc, argv);

	if (used < 0)
		world_fail("DPDK cannot start");
	options_parse(&g.options, argc - used, argv + used);
	g.traffic = (struct traffic){
		.v6 = g.options.v6,
		.proto = g.options.tcp ? IPPROTO_TCP : IPPROTO_UDP,
		.frame = g.options.frame,
		.flows = g.options.flows,
		.clients = g.options.clients,
		.service = g.options.service,
		.port = g.options.port,
	};
	memcpy(g.traffic.mac, g.options.mac, 6);
	traffic_init(&g.traffic);
	g.traffic.tcp_flags = g.options.syn ? TCP_SYN : TCP_ACK;
	g.backend_of = malloc(g.options.flows);
	if (!g.backend_of)
		world_fail("no memory");
	memset(g.backend_of, NO_ANSWER, g.options.flows);
	make_buffers(&g);
	make_sums(&g);
	open_port(&g);
	wait_for_peer(&g);
	if (g.options.connect)
		connect_flows(&g);
	g.traffic.tcp_flags = g.options.syn ? TCP_SYN : TCP_ACK;
	measure(&g);
	rte_eth_dev_stop(PORT);
	rte_eth_dev_close(PORT);
	rte_eal_cleanup();
	return 0;
}

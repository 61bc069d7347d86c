/* SPDX-License-Identifier: Apache-2.0 */
/* The DPDK port below the stack. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_mbuf_pool_ops.h>
#include <rte_tcp.h>

#include "tests/tcp/peer/peer.h"

#define MBUFS       32767
#define DESCRIPTORS 2048
#define HOLD_NS     3000000 /* at most */

static void
need(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "tcp-peer: %s\n", what);
	exit(2);
}

static void
start_dpdk(const struct peer_options *o)
{
	char vdev[96];
	char *argv[] = {
		"tcp-peer",      "--in-memory",    "-m", "192",
		"--no-pci",      "--iova-mode=va", "-l", "0",
		"--log-level=4", "--no-telemetry", vdev,
	};

	snprintf(vdev, sizeof(vdev), "--vdev=net_%s0,iface=%s%s", o->driver, o->iface,
		 strcmp(o->driver, "af_packet") ? "" : ",blocksz=65536,framesz=2048,framecnt=2048");
	need(rte_eal_init((int)(sizeof(argv) / sizeof(argv[0])), argv) >= 0, "no EAL");
}

/* Mbufs one behind the other: the AF_XDP driver registers as much memory as all of them take. In a
 * pool as usual no mbuf lies across two pages, so some lie behind that; the kernel takes those and
 * never sends them, which looks like a connection that stalls. */
static struct rte_mempool *
pool_without_gaps(void)
{
	struct rte_pktmbuf_pool_private sizes = { .mbuf_data_room_size =
						      RTE_MBUF_DEFAULT_BUF_SIZE };
	struct rte_mempool *pool = rte_mempool_create_empty(
	    "mbufs", MBUFS, sizeof(struct rte_mbuf) + RTE_MBUF_DEFAULT_BUF_SIZE, 128, sizeof(sizes),
	    SOCKET_ID_ANY, RTE_MEMPOOL_F_NO_IOVA_CONTIG);

	need(pool && rte_mempool_set_ops_byname(pool, rte_mbuf_best_mempool_ops(), NULL) == 0,
	     "no memory for packets");
	rte_pktmbuf_pool_init(pool, &sizes);
	need(rte_mempool_populate_default(pool) == MBUFS && pool->nb_mem_chunks == 1,
	     "no memory for packets in one piece");
	rte_mempool_obj_iter(pool, rte_pktmbuf_init, NULL);
	return pool;
}

void
wire_open(struct peer *p)
{
	struct rte_eth_conf conf = { 0 };

	start_dpdk(&p->options);
	p->mbufs = pool_without_gaps();
	p->clones = rte_pktmbuf_pool_create("clones", MBUFS, 128, 0, 0, SOCKET_ID_ANY);
	need(p->mbufs && p->clones, "no memory for packets");
	need(rte_eth_dev_count_avail() == 1, "no port");
	p->port = (uint16_t)rte_eth_find_next(0);
	need(rte_eth_dev_configure(p->port, 1, 1, &conf) == 0, "port: configure");
	need(rte_eth_rx_queue_setup(p->port, 0, DESCRIPTORS, SOCKET_ID_ANY, NULL, p->mbufs) == 0,
	     "port: receive queue");
	need(rte_eth_tx_queue_setup(p->port, 0, DESCRIPTORS, SOCKET_ID_ANY, NULL) == 0,
	     "port: transmit queue");
	need(rte_eth_dev_start(p->port) == 0, "port: start");
	dp_clock_init(&p->clock);
	p->chance = p->clock.base | 1;
}

void
wire_close(struct peer *p)
{
	for (unsigned int i = 0; i < p->n_held; i++)
		rte_pktmbuf_free(p->held[i].mbuf);
	rte_eth_dev_stop(p->port);
	rte_eth_dev_close(p->port);
	rte_eal_cleanup();
}

uint64_t
peer_random(void *arg)
{
	struct peer *p = arg;

	p->chance ^= p->chance << 13;
	p->chance ^= p->chance >> 7;
	p->chance ^= p->chance << 17;
	return p->chance * 0x2545f4914f6cdd1dull;
}

/* Perhaps the packet waits a little, and others overtake it. */
static bool
hold(struct peer *p, struct rte_mbuf *m, bool in)
{
	if (!p->options.reorder || peer_random(p) % 1000 >= p->options.reorder ||
	    p->n_held == PEER_HELD)
		return false;
	p->held[p->n_held++] = (struct held){
		.mbuf = m,
		.until = p->now + peer_random(p) % HOLD_NS,
		.in = in,
	};
	return true;
}

void
wire_flush(struct peer *p)
{
	uint16_t sent = 0, n;

	for (int tries = 0; sent < p->n_tx && tries < 1000; tries++) {
		n = rte_eth_tx_burst(p->port, 0, p->tx + sent, (uint16_t)(p->n_tx - sent));
		sent = (uint16_t)(sent + n);
	}
	p->tx_dropped += (uint64_t)(p->n_tx - sent);
	for (; sent < p->n_tx; sent++)
		rte_pktmbuf_free(p->tx[sent]);
	p->n_tx = 0;
}

void
wire_describe(const struct peer *p)
{
	struct rte_eth_stats s;

	if (rte_eth_stats_get(p->port, &s) == 0)
		fprintf(stderr,
			"port: in %" PRIu64 ", missed %" PRIu64 ", no buffer %" PRIu64
			", out %" PRIu64 ", errors %" PRIu64 "\n",
			s.ipackets, s.imissed, s.rx_nombuf, s.opackets, s.oerrors);
}

static void
queue(struct peer *p, struct rte_mbuf *m)
{
	p->tx[p->n_tx++] = m;
	if (p->n_tx == PEER_BURST)
		wire_flush(p);
}

void
wire_output(void *arg, struct rte_mbuf *m, uint64_t route)
{
	struct peer *p = arg;
	bool ip6 = *rte_pktmbuf_mtod(m, const uint8_t *) >> 4 == 6;
	struct rte_ether_hdr *eth = (void *)rte_pktmbuf_prepend(m, sizeof(*eth));

	(void)route;
	need(eth != NULL, "no headroom");
	need(m->nb_segs == 1, "a packet in pieces");
	memcpy(eth->dst_addr.addr_bytes, p->options.peer_mac.b, 6);
	memcpy(eth->src_addr.addr_bytes, p->options.mac.b, 6);
	eth->ether_type = rte_cpu_to_be_16(ip6 ? RTE_ETHER_TYPE_IPV6 : RTE_ETHER_TYPE_IPV4);
	if (!hold(p, m, false))
		queue(p, m);
}

static uint32_t
listener_of(const struct peer *p, uint16_t port)
{
	static const uint16_t ports[] = { 5, 7, 9, 19, 80 };

	for (uint32_t i = 0; p->options.serve && i < SERVICES; i++)
		if (ports[i] == ntohs(port))
			return i;
	return TCP_LISTENER_NONE;
}

/* What the pipeline would find out of a packet. False: not TCP for us. */
static bool
take(struct peer *p, struct rte_mbuf *m, struct tcp_packet *t, struct tuple *tuple)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const void *);
	const void *ip = eth + 1;
	const struct rte_ipv4_hdr *ip4 = ip;
	const struct rte_ipv6_hdr *ip6 = ip;
	uint16_t header;

	memset(tuple, 0, sizeof(*tuple));
	*t = (struct tcp_packet){ .mbuf = m, .tuple = tuple, .l3 = sizeof(*eth) };
	tuple->proto = IPPROTO_TCP;
	if (eth->ether_type == htons(RTE_ETHER_TYPE_IPV4) && ip4->next_proto_id == IPPROTO_TCP) {
		header = (uint16_t)((ip4->version_ihl & 15) * 4);
		t->ip_len = ntohs(ip4->total_length);
		t->ecn = ip4->type_of_service & 3;
		tuple->src = addr_from_v4(ip4->src_addr);
		tuple->dst = addr_from_v4(ip4->dst_addr);
	} else if (eth->ether_type == htons(RTE_ETHER_TYPE_IPV6) && ip6->proto == IPPROTO_TCP) {
		header = sizeof(*ip6);
		t->ip_len = (uint16_t)(ntohs(ip6->payload_len) + sizeof(*ip6));
		t->ecn = (uint8_t)(ntohl(ip6->vtc_flow) >> 20 & 3);
		memcpy(tuple->src.b, ip6->src_addr, 16);
		memcpy(tuple->dst.b, ip6->dst_addr, 16);
	} else {
		return false;
	}
	t->l4 = (uint16_t)(t->l3 + header);
	if (t->ip_len < header + sizeof(struct rte_tcp_hdr) || t->l3 + t->ip_len > m->pkt_len)
		return false;
	memcpy(&tuple->sport, (const char *)ip + header, 4);
	t->listener = listener_of(p, tuple->dport);
	return true;
}

static void
input(struct peer *p, struct rte_mbuf **mbufs, uint16_t n)
{
	struct tcp_packet packets[PEER_BURST];
	struct tuple tuples[PEER_BURST];
	uint32_t count = 0;

	for (uint16_t i = 0; i < n; i++) {
		if (take(p, mbufs[i], &packets[count], &tuples[count]))
			count++;
		else
			rte_pktmbuf_free(mbufs[i]);
	}
	if (count)
		tcp_input(p->tcp, packets, count, p->now);
}

static void
release(struct peer *p)
{
	struct rte_mbuf *m;

	for (unsigned int i = 0; i < p->n_held;) {
		if (p->held[i].until > p->now) {
			i++;
			continue;
		}
		m = p->held[i].mbuf;
		if (p->held[i].in)
			input(p, &m, 1);
		else
			queue(p, m);
		p->held[i] = p->held[--p->n_held];
	}
}

bool
wire_poll(struct peer *p)
{
	struct rte_mbuf *mbufs[PEER_BURST];
	uint16_t n = rte_eth_rx_burst(p->port, 0, mbufs, PEER_BURST), kept = 0;

	for (uint16_t i = 0; i < n; i++)
		if (!hold(p, mbufs[i], true))
			mbufs[kept++] = mbufs[i];
	input(p, mbufs, kept);
	release(p);
	return n > 0;
}

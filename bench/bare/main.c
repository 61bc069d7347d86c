/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-bare: what the wire itself costs in penstockd's place, for packets that leave larger than
 * they came, or not at all. It is to penstockd's tunnels and drops what testpmd's macswap (R) is to
 * packets that keep their size: nothing is looked up, nothing is read but what is sent.
 *
 *     bench-bare EAL-OPTIONS -- [--grow BYTES | --drop]
 *
 * --grow: so many bytes come before the packet, written from a template. Ends with SIGTERM, and
 * prints {"busy_ns": nanoseconds for each packet in the iterations that had some}.
 */
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include "bench/common/port.h"
#include "bench/common/world.h"

#define BURST       64   /* as penstockd */
#define DESCRIPTORS 1024 /* as penstockd */
#define AHEAD       4
#define GROW_MAX    52 /* GUE over IPv6 */
#define ETHERNET    14

static volatile sig_atomic_t stopped;

static void
stop(int signal)
{
	(void)signal;
	stopped = 1;
}

/* A new beginning; the addresses change places as in macswap. */
static void
grow(struct rte_mbuf *m, const uint8_t *template, uint16_t bytes)
{
	const uint8_t *from = rte_pktmbuf_mtod(m, const uint8_t *);
	uint8_t addresses[12], *to;

	memcpy(addresses, from + 6, 6);
	memcpy(addresses + 6, from, 6);
	to = (uint8_t *)rte_pktmbuf_prepend(m, bytes);
	if (!to)
		world_fail("no room before the packet");
	memcpy(to, addresses, sizeof(addresses));
	memcpy(to + sizeof(addresses), template, ETHERNET - sizeof(addresses) + bytes);
}

static uint16_t
iterate(uint16_t bytes, bool drop)
{
	static const uint8_t template[ETHERNET + GROW_MAX] = { 8, 0, 0x45 };
	struct rte_mbuf *mbufs[BURST];
	uint16_t n, i, sent;

	n = rte_eth_rx_burst(BENCH_PORT, 0, mbufs, BURST);
	for (i = 0; i < n && !drop; i++) {
		if (i + AHEAD < n)
			rte_prefetch0(rte_pktmbuf_mtod(mbufs[i + AHEAD], void *));
		grow(mbufs[i], template, bytes);
	}
	sent = drop ? 0 : rte_eth_tx_burst(BENCH_PORT, 0, mbufs, n);
	if (sent < n)
		rte_pktmbuf_free_bulk(mbufs + sent, n - sent);
	return n;
}

static void
run(uint16_t bytes, bool drop)
{
	uint64_t packets = 0, busy = 0, start;
	uint16_t n;

	while (!stopped) {
		start = rte_rdtsc();
		n = iterate(bytes, drop);
		packets += n;
		busy += n ? rte_rdtsc() - start : 0;
	}
	printf("{\"busy_ns\": %.2f}\n",
	       packets ? (double)busy / (double)rte_get_tsc_hz() * 1e9 / (double)packets : 0);
}

int
main(int argc, char **argv)
{
	static const struct option list[] = { { "grow", required_argument, NULL, 'g' },
					      { "drop", no_argument, NULL, 'd' },
					      { NULL, 0, NULL, 0 } };
	struct rte_mempool *pool;
	unsigned long bytes = 0;
	bool drop = false;
	int used, c;

	used = rte_eal_init(argc, argv);
	if (used < 0)
		return 1;
	while ((c = getopt_long(argc - used, argv + used, "", list, NULL)) != -1) {
		if (c == 'g')
			bytes = strtoul(optarg, NULL, 10);
		else if (c == 'd')
			drop = true;
		else
			bytes = GROW_MAX + 1;
	}
	if (bytes > GROW_MAX) {
		fprintf(stderr, "usage: bench-bare EAL-OPTIONS -- [--grow BYTES | --drop]\n");
		return 2;
	}
	signal(SIGTERM, stop);
	pool = rte_pktmbuf_pool_create("bare", 32767, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
				       SOCKET_ID_ANY);
	if (!pool)
		world_fail("no memory for packet buffers");
	bench_port_open(pool, DESCRIPTORS);
	run((uint16_t)bytes, drop);
	rte_eth_dev_stop(BENCH_PORT);
	rte_eal_cleanup();
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/proxy/wire.h"

#include <string.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>

#include "bench/common/port.h"
#include "bench/common/world.h"
#include "bench/proxy/frame.h"

#define DESCRIPTORS 8192
#define BUFFERS     32767
/* An empty ring is left alone for a while: who looks at it without pause takes its cache lines from
 * who fills it. */
#define PAUSE_NS 1000
/* A ring that is full is waited for as long; the other side never stops working for that time. */
#define FULL_MS 20

static void
make_buffers(struct wire *p)
{
	uint16_t i;

	p->pool = rte_pktmbuf_pool_create("bench-proxy", BUFFERS, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
					  SOCKET_ID_ANY);
	if (!p->pool || rte_pktmbuf_alloc_bulk(p->pool, p->out, WIRE_BURST) != 0)
		world_fail("no memory for packet buffers");
	for (i = 0; i < WIRE_BURST; i++)
		frame_prepare(p->out[i]);
}

void
wire_open(struct wire *p)
{
	memset(p, 0, sizeof(*p));
	p->pause = rte_get_tsc_hz() / 1000000 * PAUSE_NS / 1000;
	make_buffers(p);
	bench_port_open(p->pool, DESCRIPTORS);
}

struct rte_mbuf *
wire_next(struct wire *p)
{
	if (p->n_out == WIRE_BURST)
		wire_flush(p);
	return p->out[p->n_out++];
}

/* Sending frees a buffer, but not the last reference of it. */
static void
hold(struct wire *p, uint16_t from)
{
	uint16_t i;

	for (i = from; i < p->n_out; i++)
		rte_mbuf_refcnt_set(p->out[i], 2);
}

uint16_t
wire_offer(struct wire *p)
{
	uint16_t sent;

	hold(p, 0);
	sent = rte_eth_tx_burst(BENCH_PORT, 0, p->out, p->n_out);
	p->full += sent < p->n_out;
	p->sent += sent;
	p->n_out = 0;
	return sent;
}

void
wire_flush(struct wire *p)
{
	uint64_t end = 0;
	uint16_t sent = 0;

	hold(p, 0);
	while (sent < p->n_out) {
		sent += rte_eth_tx_burst(BENCH_PORT, 0, p->out + sent, p->n_out - sent);
		if (sent == p->n_out)
			break;
		if (!end) {
			p->full++;
			end = rte_rdtsc() + rte_get_tsc_hz() / 1000 * FULL_MS;
		} else if (rte_rdtsc() > end) {
			p->lost += p->n_out - sent;
			break;
		}
	}
	p->sent += sent;
	p->n_out = 0;
}

uint16_t
wire_receive(struct wire *p, struct rte_mbuf **burst, uint64_t now)
{
	uint16_t n;

	if (now < p->receive_next)
		return 0;
	n = rte_eth_rx_burst(BENCH_PORT, 0, burst, WIRE_BURST);
	p->receive_next = n < WIRE_BURST / 4 ? now + p->pause : 0;
	p->received += n;
	return n;
}

void
wire_done(struct rte_mbuf **burst, uint16_t n)
{
	rte_pktmbuf_free_bulk(burst, n);
}

void
wire_close(void)
{
	rte_eth_dev_stop(BENCH_PORT);
	rte_eth_dev_close(BENCH_PORT);
}

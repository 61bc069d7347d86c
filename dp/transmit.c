/* SPDX-License-Identifier: Apache-2.0 */
#include "dp/transmit.h"

#include <string.h>

#include <rte_ethdev.h>

#include "dp/capture.h"

/* A port that takes nothing for so long (ns) has nobody at its other end: until it takes something
 * nothing waits for it. */
#define FULL_TIME 10000000u
/* What may wait for a port that is full: there is room for a burst besides. */
#define KEPT (TX_QUEUE_MAX - BURST_MAX)

static void
drop_unsent(struct worker *w, uint8_t port, struct rte_mbuf **mbufs, uint16_t count)
{
	uint16_t i;

	for (i = 0; i < count; i++) {
		capture_frame(w, port, mbufs[i], CAPTURE_OUT_UNSENT);
		worker_count_drop(w, INDEX_NONE, DROP_TRANSMIT_FULL);
		rte_pktmbuf_free(mbufs[i]);
	}
}

/* Offer a burst to the port; how many it has taken. */
static uint16_t
send_burst(struct worker *w, uint8_t port, struct rte_mbuf **mbufs, uint16_t count)
{
	const struct port *p = &w->dataplane->ports[port];
	struct port_stats *stats = &w->stats.ports[port];
	uint16_t sent = 0, most = count, offered, n, i;
	uint32_t segments = 0;
	uint64_t bytes = 0;

	for (i = 0; i < count; i++) {
		bytes += rte_pktmbuf_pkt_len(mbufs[i]);
		segments += mbufs[i]->nb_segs;
	}
	if (unlikely(p->tx_most) && segments != count)
		most = p->tx_most;
	do {
		offered = (uint16_t)RTE_MIN(count - sent, (int)most);
		n = rte_eth_tx_burst(p->port_id, w->index, mbufs + sent, offered);
		sent = (uint16_t)(sent + n);
	} while (n == offered && sent < count);
	for (i = sent; i < count; i++)
		bytes -= rte_pktmbuf_pkt_len(mbufs[i]);
	stats->tx_packets += sent;
	stats->tx_bytes += bytes;
	w->stats.packets_out += sent;
	return sent;
}

/* Send frames by this worker's own queue, in bursts, which is what drivers are made for; how many
 * have left. */
static uint16_t
send_frames(struct worker *w, uint8_t port, struct rte_mbuf **mbufs, uint16_t count)
{
	uint16_t sent = 0, offered, n;

	do {
		offered = (uint16_t)RTE_MIN(count - sent, BURST_MAX);
		n = send_burst(w, port, mbufs + sent, offered);
		sent = (uint16_t)(sent + n);
	} while (n == offered && sent < count);
	return sent;
}

/* How many may wait for a port that has taken `sent`. Time counts in which it was offered some: who
 * was stopped himself says nothing of it. */
static uint16_t
may_wait(struct worker *w, uint8_t port, uint16_t sent)
{
	struct tx_queue *q = &w->tx[port];
	uint32_t bit = 1u << port;

	if (sent)
		w->tx_dead &= ~bit;
	if (sent || !(w->tx_full & bit) || w->now - q->tried > FULL_TIME / 2)
		q->since = w->now;
	q->tried = w->now;
	if (w->now - q->since > FULL_TIME)
		w->tx_dead |= bit;
	return w->tx_dead & bit ? 0 : KEPT;
}

/* The port has taken some, and may be full. */
static void
keep(struct worker *w, uint8_t port, uint16_t sent)
{
	struct tx_queue *q = &w->tx[port];
	uint16_t kept = may_wait(w, port, sent);
	uint32_t bit = 1u << port;

	q->count = (uint16_t)(q->count - sent);
	memmove(q->mbufs, q->mbufs + sent, q->count * sizeof(*q->mbufs));
	if (q->count > kept) {
		drop_unsent(w, port, q->mbufs + kept, (uint16_t)(q->count - kept));
		q->count = kept;
	}
	w->tx_full = q->count ? w->tx_full | bit : w->tx_full & ~bit;
}

void
worker_flush_port(struct worker *w, uint32_t port)
{
	const struct port *p = &w->dataplane->ports[port];
	struct tx_queue *q = &w->tx[port];
	unsigned int taken;

	if (!q->count)
		return;
	if (w->index < p->tx_queues) {
		taken = send_frames(w, (uint8_t)port, q->mbufs, q->count);
		if (unlikely(taken < q->count || (w->tx_full | w->tx_dead) >> port & 1)) {
			keep(w, (uint8_t)port, (uint16_t)taken);
			return;
		}
	} else {
		taken = rte_ring_enqueue_burst(p->tx_shared, (void **)q->mbufs, q->count, NULL);
		drop_unsent(w, (uint8_t)port, q->mbufs + taken, (uint16_t)(q->count - taken));
	}
	q->count = 0;
}

void
worker_flush_full(struct worker *w)
{
	uint32_t ports;

	for (ports = w->tx_full; ports; ports &= ports - 1)
		worker_flush_port(w, (uint32_t)__builtin_ctz(ports));
}

unsigned int
worker_flush(struct worker *w)
{
	const struct port *p;
	struct tx_queue *q;
	unsigned int taken = 0;
	uint16_t count;
	uint32_t port;

	for (port = 0; port < w->dataplane->n_ports; port++) {
		worker_flush_port(w, port);
		p = &w->dataplane->ports[port];
		q = &w->tx[port];
		if (w->index || !p->tx_shared || q->count > KEPT - BURST_MAX)
			continue;
		count = (uint16_t)rte_ring_sc_dequeue_burst(
		    p->tx_shared, (void **)(q->mbufs + q->count), BURST_MAX, NULL);
		q->count = (uint16_t)(q->count + count);
		taken += count;
		worker_flush_port(w, port);
	}
	return taken;
}

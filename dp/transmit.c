/* SPDX-License-Identifier: Apache-2.0 */
#include "dp/transmit.h"

#include <rte_ethdev.h>

#include "dp/capture.h"

/* A port that is full for a moment (a kernel socket below, a peer that is slow to poll) gets this
 * many tries. */
#define TRANSMIT_TRIES 4

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

/* Send frames by this worker's own queue. */
static void
send_frames(struct worker *w, uint8_t port, struct rte_mbuf **mbufs, uint16_t count)
{
	const struct port *p = &w->dataplane->ports[port];
	struct port_stats *stats = &w->stats.ports[port];
	uint16_t sent = 0, most = count, n, i;
	uint32_t tries = 0, segments = 0;
	uint64_t bytes = 0;

	for (i = 0; i < count; i++) {
		bytes += rte_pktmbuf_pkt_len(mbufs[i]);
		segments += mbufs[i]->nb_segs;
	}
	if (unlikely(p->tx_most) && segments != count)
		most = p->tx_most;
	while (sent < count && tries < TRANSMIT_TRIES) {
		uint16_t offered = (uint16_t)RTE_MIN(count - sent, (int)most);

		n = rte_eth_tx_burst(p->port_id, w->index, mbufs + sent, offered);
		sent = (uint16_t)(sent + n);
		tries += n < offered;
	}
	for (i = sent; i < count; i++)
		bytes -= rte_pktmbuf_pkt_len(mbufs[i]);
	stats->tx_packets += sent;
	stats->tx_bytes += bytes;
	w->stats.packets_out += sent;
	drop_unsent(w, port, mbufs + sent, count - sent);
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
		send_frames(w, port, q->mbufs, q->count);
	} else {
		taken = rte_ring_enqueue_burst(p->tx_shared, (void **)q->mbufs, q->count, NULL);
		drop_unsent(w, (uint8_t)port, q->mbufs + taken, (uint16_t)(q->count - taken));
	}
	q->count = 0;
}

unsigned int
worker_flush(struct worker *w)
{
	struct rte_mbuf *mbufs[BURST_MAX];
	const struct port *p;
	unsigned int count, taken = 0;
	uint32_t port;

	for (port = 0; port < w->dataplane->n_ports; port++) {
		worker_flush_port(w, port);
		p = &w->dataplane->ports[port];
		if (w->index || !p->tx_shared)
			continue;
		count = rte_ring_sc_dequeue_burst(p->tx_shared, (void **)mbufs, BURST_MAX, NULL);
		if (count)
			send_frames(w, port, mbufs, (uint16_t)count);
		taken += count;
	}
	return taken;
}

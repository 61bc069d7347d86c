/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames on their way out: collected per port, sent once per iteration or when a burst is full.
 * Worker only.
 */
#ifndef DP_TRANSMIT_H
#define DP_TRANSMIT_H

#include <stdint.h>

#include "dp/worker.h"

/* Send what waits for one port. What the port does not take waits for the next time; what is too
 * much of it is dropped (DROP_TRANSMIT_FULL), and all where the port has taken nothing for long. */
void worker_flush_port(struct worker *w, uint32_t port);
/* Ports that were full may take more now. */
void worker_flush_full(struct worker *w);
/* Send what waits for any port, and, if this worker sends for workers without a transmit queue,
 * theirs: how many of theirs it took, since more may wait. */
unsigned int worker_flush(struct worker *w);

/* Take a complete frame for a port. Owns the mbuf from here on. */
static inline void
worker_transmit(struct worker *w, uint8_t port, struct rte_mbuf *m)
{
	struct tx_queue *q = &w->tx[port];

	q->mbufs[q->count++] = m;
	if (q->count % BURST_MAX == 0)
		worker_flush_port(w, port);
}

#endif

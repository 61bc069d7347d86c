/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A packet's journey through a worker. READ pipeline.c FIRST. Worker only.
 */
#ifndef DP_PIPELINE_H
#define DP_PIPELINE_H

#include <stdbool.h>

#include "dp/worker.h"

/* n frames (at most BURST_MAX) that a port has received; `port` is its index in dataplane.ports.
 * Disposes of every mbuf. */
void pipeline_received(struct worker *w, uint8_t port, struct rte_mbuf **mbufs, uint16_t n);
/* What other workers received and this one owns, out of its inbox. Disposes of every mbuf. */
void pipeline_steered(struct worker *w, struct rte_mbuf **mbufs, uint16_t n);
/* SYNs of a flood that have waited (dp/l4/syn_queue.h), in an iteration that has seen to n packets:
 * a few; if there were none, for as long as it has taken so far. False: none waits. */
bool pipeline_answer_syns(struct worker *w, uint32_t n);
/* One iteration: everything that waits at ports and rings, timers, sending. True if there was any
 * packet. */
bool pipeline_iterate(struct worker *w);

#endif

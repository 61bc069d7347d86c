/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A packet's journey through a worker. READ pipeline.c FIRST. Worker only.
 */
#ifndef DP_PIPELINE_H
#define DP_PIPELINE_H

#include <stdbool.h>

#include "dp/worker.h"

/* Frames that a port has received: b->packets[i].mbuf and in_port are set. Disposes of every mbuf.
 */
void pipeline_received(struct worker *w, struct burst *b);
/* Packets that another worker received and that this one owns. Disposes of every mbuf. */
void pipeline_steered(struct worker *w, struct burst *b);
/* One iteration: everything that waits at ports and rings, timers, sending. True if there was any
 * packet. */
bool pipeline_iterate(struct worker *w);

#endif

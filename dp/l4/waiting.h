/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets that wait a moment for their next hop's Ethernet address, instead of being dropped (RFC
 * 1122, 2.3.2.2): so the first packet to a new backend, or to a client on the link, is not lost.
 *
 * One queue a worker, of fixed size. A packet waits untouched, as stage rewrite found it; when a
 * new snapshot comes, rewrite tries it again. What it refers to may have changed meanwhile: only
 * what still means the same goes on.
 */
#ifndef DP_L4_WAITING_H
#define DP_L4_WAITING_H

#include <stdbool.h>

#include "dp/packet.h"
#include "dp/worker.h"

/* A queue, or NULL without memory. Control thread. */
struct waiting *waiting_create(int socket);
/* Frees the packets too. Control thread, after the worker has ended. */
void waiting_destroy(struct waiting *q);

/* Take a packet that rewrite dropped for DROP_NEIGHBOUR_UNRESOLVED. False: no room, it is to be
 * dropped. Worker. */
bool waiting_hold(struct worker *w, const struct packet *p);
/* Fill b with packets to be tried again (verdict CONTINUE) and with those whose time is over
 * (verdict DROP). False: none. Worker. */
bool waiting_take(struct worker *w, struct burst *b);
/* After rewrite: those of b, as waiting_take filled it, that still have no address go back (verdict
 * TAKEN) with the time that they have left. Worker. */
void waiting_return(struct worker *w, struct burst *b);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way out of a packet: its next hop, and the Ethernet header in front of it.
 *
 * Worker only; reads the worker's snapshot. What cannot leave is dropped here, with its reason.
 */
#ifndef DP_L4_NEXTHOP_H
#define DP_L4_NEXTHOP_H

#include <stdbool.h>
#include <stdint.h>

#include "dp/packet.h"
#include "dp/worker.h"

/* Can next hop `index` be used, and if not, why? Changes nothing. */
bool nexthop_usable(const struct snapshot *s, uint32_t index, enum drop_reason *why);
/* Next hop `index` of the snapshot (INDEX_NONE: there is none) for a packet to `to`, if it can be
 * used. Otherwise NULL and p is dropped; if an Ethernet address is missing, the control thread is
 * asked to find it. */
const struct nexthop *nexthop_use(struct worker *w, struct packet *p, uint32_t index,
				  const struct addr *to);
/* The same by the snapshot's routes. */
const struct nexthop *nexthop_route(struct worker *w, struct packet *p, const struct addr *to);

/* The way for an answer to the sender of p: by route if that is usable, else back to the Ethernet
 * address and VLAN that p came from. *back is room for the latter. Never fails. */
const struct nexthop *nexthop_answer(struct worker *w, struct packet *p, const struct addr *to,
				     struct nexthop *back);
/* Only the latter: by in_port, to where p came from. */
void nexthop_back(struct worker *w, const struct packet *p, struct nexthop *back);

/* Give the frame an Ethernet header for `hop` with an IP header of `v4` or IPv6 after it, `outer`
 * bytes in front of the present IP header. Moves p's offsets, sets out_port and VERDICT_TRANSMIT.
 * Returns where the outer bytes begin (not initialised), or NULL: no memory, p is dropped. */
uint8_t *nexthop_frame(struct worker *w, struct packet *p, const struct nexthop *hop,
		       unsigned int outer, bool v4);

#endif

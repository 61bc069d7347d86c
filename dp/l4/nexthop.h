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

#include <string.h>

#include <rte_byteorder.h>
#include <rte_ether.h>

#include "dp/packet.h"
#include "dp/worker.h"

/* Can next hop `index` be used, and if not, why? Changes nothing. */
bool nexthop_usable(const struct snapshot *s, uint32_t index, enum drop_reason *why);
/* Next hop `index` is none that can be used: drop p, and if an Ethernet address is missing, ask the
 * control thread to find it. NULL. */
__rte_cold const struct nexthop *nexthop_missing(struct worker *w, struct packet *p, uint32_t index,
						 const struct addr *to);

/* Next hop `index` of the snapshot (INDEX_NONE: there is none) for a packet to `to`, if it can be
 * used. Otherwise NULL, see nexthop_missing. */
static __rte_always_inline const struct nexthop *
nexthop_use(struct worker *w, struct packet *p, uint32_t index, const struct addr *to)
{
	const struct snapshot *s = w->snapshot;

	if (unlikely(index >= s->n_nexthops || s->nexthops[index].state != NEXTHOP_READY))
		return nexthop_missing(w, p, index, to);
	p->nexthop = index;
	return &s->nexthops[index];
}

/* The same by the snapshot's routes. */
static inline const struct nexthop *
nexthop_route(struct worker *w, struct packet *p, const struct addr *to)
{
	/* LPM_NONE is no index. */
	return nexthop_use(w, p, lpm_lookup(w->snapshot->routes, to), to);
}

/* The way for an answer to the sender of p: by route if that is usable, else back to the Ethernet
 * address and VLAN that p came from. *back is room for the latter. Never fails. */
const struct nexthop *nexthop_answer(struct worker *w, struct packet *p, const struct addr *to,
				     struct nexthop *back);
/* Only the latter: by in_port, to where p came from. */
void nexthop_back(struct worker *w, const struct packet *p, struct nexthop *back);

/* Have room for `more` bytes in front of the frame, which its driver has not given it: by a copy.
 * False: there is no memory for that, and p is dropped. */
__rte_cold bool nexthop_more_room(struct worker *w, struct packet *p, uint16_t more);

/* Give the frame an Ethernet header for `hop` with an IP header of `v4` or IPv6 after it, `outer`
 * bytes in front of the present IP header. Moves p's offsets, sets out_port and VERDICT_TRANSMIT.
 * Returns where the outer bytes begin (not initialised), or NULL: no memory, p is dropped. */
static __rte_always_inline uint8_t *
nexthop_frame(struct worker *w, struct packet *p, const struct nexthop *hop, unsigned int outer,
	      bool v4)
{
	uint16_t ether_type = rte_cpu_to_be_16(v4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6);
	int more = (int)(hop->header_len + 2u + outer) - p->l3;
	struct rte_mbuf *m;
	uint8_t *frame;

	if (unlikely(more > rte_pktmbuf_headroom(p->mbuf)) &&
	    !nexthop_more_room(w, p, (uint16_t)more))
		return NULL;
	m = p->mbuf;
	m->data_off = (uint16_t)(m->data_off - more);
	m->data_len = (uint16_t)(m->data_len + more);
	m->pkt_len = (uint32_t)((int)m->pkt_len + more);
	p->l3 = (uint16_t)(p->l3 + more);
	p->l4 = (uint16_t)(p->l4 + more);
	p->inner_l3 = (uint16_t)(p->inner_l3 + more);
	p->inner_l4 = (uint16_t)(p->inner_l4 + more);
	frame = packet_at(p, 0);
	memcpy(frame, hop->header, 12);
	if (unlikely(hop->header_len > 12))
		memcpy(frame + 12, hop->header + 12, 4);
	memcpy(frame + hop->header_len, &ether_type, 2);
	p->out_port = hop->port;
	p->verdict = VERDICT_TRANSMIT;
	return frame + hop->header_len + 2;
}

#endif

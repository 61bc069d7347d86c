/* SPDX-License-Identifier: Apache-2.0 */
#include "dp/l4/nexthop.h"

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ring_elem.h>

#include "lib/gcra.h"

/* Requests for Ethernet addresses: the control thread asks each neighbour at most once a second, so
 * a trickle is enough. What is not asked now is asked by the next packet. */
static const struct gcra resolve_rate = GCRA_EVERY(250000ull /* ns */, 16);

static void
request_resolution(struct worker *w, const struct nexthop *hop, const struct addr *to)
{
	struct resolve_request request = { .port = hop->port, .vlan = hop->vlan };

	if (!w->dataplane->resolve ||
	    !gcra_take(&resolve_rate, &w->resolve_next, gcra_time(w->now)))
		return;
	request.addr = hop->state == NEXTHOP_CONNECTED ? *to : hop->addr;
	/* A full ring holds enough requests already. */
	(void)rte_ring_mp_enqueue_elem(w->dataplane->resolve, &request, sizeof(request));
}

bool
nexthop_usable(const struct snapshot *s, uint32_t index, enum drop_reason *why)
{
	*why = index < s->n_nexthops ? DROP_NEIGHBOUR_UNRESOLVED : DROP_NO_ROUTE;
	return likely(index < s->n_nexthops && s->nexthops[index].state == NEXTHOP_READY);
}

const struct nexthop *
nexthop_missing(struct worker *w, struct packet *p, uint32_t index, const struct addr *to)
{
	enum drop_reason why;

	if (!nexthop_usable(w->snapshot, index, &why) && why == DROP_NEIGHBOUR_UNRESOLVED)
		request_resolution(w, &w->snapshot->nexthops[index], to);
	packet_drop(p, why);
	return NULL;
}

void
nexthop_back(struct worker *w, const struct packet *p, struct nexthop *back)
{
	const struct snapshot_port *port = &w->snapshot->ports[p->in_port];
	const uint8_t *frame = packet_at(p, 0);

	*back = (struct nexthop){ .state = NEXTHOP_READY,
				  .port = p->in_port,
				  .mtu = port->mtu,
				  .vlan = p->vlan,
				  .header_len = 2 * RTE_ETHER_ADDR_LEN };
	memcpy(back->header, frame + RTE_ETHER_ADDR_LEN, RTE_ETHER_ADDR_LEN);
	memcpy(back->header + RTE_ETHER_ADDR_LEN, port->mac, RTE_ETHER_ADDR_LEN);
	if (!(p->flags & PACKET_TAGGED))
		return;
	back->header_len = sizeof(back->header);
	if (p->l3 >= RTE_ETHER_HDR_LEN + 4) {
		memcpy(back->header + 12, frame + 12, 4);
	} else { /* the device has taken the tag out */
		back->header[12] = RTE_ETHER_TYPE_VLAN >> 8;
		back->header[13] = RTE_ETHER_TYPE_VLAN & 0xff;
		back->header[14] = (uint8_t)(p->vlan >> 8);
		back->header[15] = (uint8_t)p->vlan;
	}
}

const struct nexthop *
nexthop_answer(struct worker *w, struct packet *p, const struct addr *to, struct nexthop *back)
{
	uint32_t index = lpm_lookup(w->snapshot->routes, to);

	if (index < w->snapshot->n_nexthops &&
	    w->snapshot->nexthops[index].state == NEXTHOP_READY) {
		p->nexthop = index;
		return &w->snapshot->nexthops[index];
	}
	nexthop_back(w, p, back);
	return back;
}

/* A copy with room in front, for a frame that its driver gave too little. */
static bool
copy_with_headroom(struct worker *w, struct packet *p)
{
	struct rte_mbuf *copy = rte_pktmbuf_copy(p->mbuf, w->dataplane->mbufs, 0, UINT32_MAX);

	if (!copy)
		return false;
	rte_pktmbuf_free(p->mbuf);
	p->mbuf = copy;
	return true;
}

bool
nexthop_more_room(struct worker *w, struct packet *p, uint16_t more)
{
	if (copy_with_headroom(w, p) && more <= rte_pktmbuf_headroom(p->mbuf))
		return true;
	packet_drop(p, DROP_MBUF_EXHAUSTED);
	return false;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The short way through the DSR modes: untagged on both sides, with hops to live and small enough,
 * on a card that computes no checksums for us.
 *
 *     true   =>  charged, written, counted and handed to its port; or refused by a limit
 *     false  =>  everything is as it was
 *
 * What a mode writes is known at compile time, so it is a row of stores; offsets are those of an
 * untagged frame. For quick.c only.
 */
#ifndef DP_L4_QUICK_DSR_H
#define DP_L4_QUICK_DSR_H

#include "dp/l4/encap.h"
#include "dp/l4/limit.h"
#include "dp/l4/quick_run.h"
#include "dp/transmit.h"

#define QUICK_FRAME 14 /* where the IP header begins, on either side */

/* Charge the client, if that is to be done; false: over a limit. The last thing that may refuse. */
static inline bool
quick_charge(struct run *r, struct item *item)
{
	struct limit_charge charge;
	enum drop_reason why;

	if (!item->plan->charges)
		return true;
	charge.limits = item->plan->limits;
	charge.packet_cost = item->plan->packet_cost;
	charge.client = client_take(r->w->clients, &r->lookups[item->lookup], r->w->now);
	charge.bytes = item->ip_len;
	why = limit_charge(r->w, &charge);
	if (likely(why == DROP_REASON_COUNT))
		return true;
	item->fate = FATE_DROPPED;
	item->reason = (uint8_t)why;
	return false;
}

/* Of a forward packet that is complete. */
static inline void
quick_leave(struct run *r, struct item *item, uint32_t backend, uint8_t port)
{
	struct backend_stats *stats = &r->w->backend_stats[backend];

	item->plan->packets++;
	item->plan->bytes += item->ip_len;
	stats->packets++;
	stats->bytes += item->ip_len;
	item->fate = FATE_LEFT;
	worker_transmit(r->w, port, item->mbuf);
}

/* The backend's next hop if a packet that becomes `len` bytes can go there as it is. */
static inline const struct nexthop *
quick_hop(const struct snapshot *s, const struct backend *backend, uint32_t len)
{
	const struct nexthop *hop;

	if (unlikely(backend->nexthop >= s->n_nexthops))
		return NULL;
	hop = &s->nexthops[backend->nexthop];
	return likely(hop->state == NEXTHOP_READY && hop->header_len == 12 && len <= hop->mtu)
		   ? hop
		   : NULL;
}

static inline bool
quick_l2(struct run *r, struct item *item)
{
	const struct backend *backend = &r->s->backends[item->backend];
	const struct nexthop *hop;

	if (unlikely(item->backend == INDEX_NONE))
		return false;
	hop = quick_hop(r->s, backend, item->ip_len);
	if (unlikely(!hop))
		return false;
	if (unlikely(!quick_charge(r, item)))
		return true;
	memcpy(rte_pktmbuf_mtod(item->mbuf, uint8_t *), hop->header, 12);
	quick_leave(r, item, item->backend, hop->port);
	return true;
}

/* ---- tunnels ---- */

/* What is known at compile time. */
struct tunnel {
	uint8_t mode; /* enum forward */
	bool inner4, outer4;
};

/* The outer IPv4 header of a packet of `len` bytes. */
static __rte_always_inline void
quick_outer4(struct worker *w, uint8_t *at, const struct outer *o, uint32_t len)
{
	uint32_t first = htonl(0x45000000u | (uint32_t)o->traffic_class << 16 | len);
	uint32_t second = o->df ? htonl(0x4000) : htonl((uint32_t)next_id(w) << 16);
	uint16_t third = htons((uint16_t)(OUTER_HOPS << 8 | o->protocol));
	uint64_t sum = (uint64_t)first + second + third + o->src->w[3] + o->dst->w[3];

	sum = (sum & 0xffffffffu) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	put32(at, first);
	put32(at + 4, second);
	put16(at + 8, third);
	put16(at + 10, (uint16_t)~sum);
	put32(at + 12, o->src->w[3]);
	put32(at + 16, o->dst->w[3]);
}

static __rte_always_inline bool
quick_tunnel_as(struct run *r, struct item *item, const struct backend *backend,
		const struct tunnel t)
{
	const unsigned int gue = t.mode == MODE_DSR_GUE ? UDP_HEADER + GUE_HEADER : 0;
	const unsigned int more = (t.outer4 ? IP4_HEADER : IP6_HEADER) + gue;
	const uint8_t inner = t.inner4 ? IPPROTO_IPIP : IPPROTO_IPV6;
	const uint16_t type = htons(t.outer4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6);
	uint32_t hash = mix(item->flow_hash), len = item->ip_len + more;
	const struct nexthop *hop = quick_hop(r->s, backend, len);
	struct rte_mbuf *m = item->mbuf;
	uint8_t *ip = rte_pktmbuf_mtod_offset(m, uint8_t *, QUICK_FRAME), *frame, *at;
	struct outer o = { .dst = &backend->addr,
			   .protocol = gue ? IPPROTO_UDP : inner,
			   .df = item->df };

	if (unlikely(!hop || r->w->dataplane->ports[hop->port].tx_ip_checksum ||
		     rte_pktmbuf_headroom(m) < more || ip[t.inner4 ? 8 : 7] <= 1))
		return false;
	if (unlikely(!quick_charge(r, item)))
		return true;
	/* 1. The packet inside. */
	o.traffic_class = enter_tunnel(ip, t.inner4);
	o.src =
	    &r->s->sources[backend->sources_first + ((uint64_t)hash * backend->sources_count >> 32)]
		 .addr;
	/* 2. The frame; Ethernet's padding goes. */
	m->data_off = (uint16_t)(m->data_off - more);
	m->data_len = (uint16_t)(QUICK_FRAME + len);
	m->pkt_len = QUICK_FRAME + len;
	frame = ip - QUICK_FRAME - more;
	memcpy(frame, hop->header, 12);
	put16(frame + 12, type);
	/* 3. The outer headers. */
	at = frame + QUICK_FRAME;
	if (t.outer4) {
		quick_outer4(r->w, at, &o, len);
	} else {
		put32(at, htonl(6u << 28 | (uint32_t)o.traffic_class << 20 | (hash & 0xfffff)));
		put32(at + 4,
		      htonl((uint32_t)item->ip_len << 16 | (uint32_t)inner << 8 | OUTER_HOPS));
		memcpy(at + 8, o.src->b, 16);
		memcpy(at + 24, o.dst->b, 16);
	}
	if (gue) {
		at += IP4_HEADER;
		put32(at, htonl((GUE_PORT_FIRST | (hash & GUE_PORT_MASK)) << 16 | GUE_PORT));
		put32(at + 4, htonl((uint32_t)(item->ip_len + gue) << 16));
		put32(at + 8, htonl((uint32_t)inner << 16));
	}
	quick_leave(r, item, item->backend, hop->port);
	return true;
}

/* The families, as constants. */
static __rte_always_inline bool
quick_tunnel_families(struct run *r, struct item *item, const struct backend *backend, uint8_t mode)
{
	if (addr_is_v4(&backend->addr))
		return item->v4
			   ? quick_tunnel_as(r, item, backend, (struct tunnel){ mode, true, true })
			   : quick_tunnel_as(r, item, backend,
					     (struct tunnel){ mode, false, true });
	/* The UDP header of a tunnel over IPv6 has a checksum. */
	if (mode == MODE_DSR_GUE)
		return false;
	return item->v4 ? quick_tunnel_as(r, item, backend, (struct tunnel){ mode, true, false })
			: quick_tunnel_as(r, item, backend, (struct tunnel){ mode, false, false });
}

static inline bool
quick_tunnel(struct run *r, struct item *item)
{
	const struct backend *backend = &r->s->backends[item->backend];

	if (unlikely(item->backend == INDEX_NONE || !backend->sources_count))
		return false;
	return item->plan->mode == MODE_DSR_GUE
		   ? quick_tunnel_families(r, item, backend, MODE_DSR_GUE)
		   : quick_tunnel_families(r, item, backend, MODE_DSR_IPIP);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tunnels for the packets that nearly all are: neither fragment nor ICMP, untagged on both sides,
 * in one segment, with hops to live and small enough, on a card that computes no checksums for us.
 *
 *     encap_quick(w, p, mode) true   =>  p and its frame are what encap.h would have made of them
 *     encap_quick(w, p, mode) false  =>  both are as they were
 *
 * Here nothing is dropped and nothing is answered. What a mode writes is known at compile time, so
 * it is a row of stores; offsets are those of an untagged frame. Owner: the worker.
 */
#ifndef DP_L4_ENCAP_QUICK_H
#define DP_L4_ENCAP_QUICK_H

#include "dp/l4/encap.h"

#define QUICK_FRAME 14 /* where the IP header begins, on either side */

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
encap_quick_as(struct worker *w, struct packet *p, const struct backend *backend,
	       const struct tunnel t)
{
	const struct snapshot *s = w->snapshot;
	const unsigned int gue = t.mode == MODE_DSR_GUE ? UDP_HEADER + GUE_HEADER : 0;
	const unsigned int more = (t.outer4 ? IP4_HEADER : IP6_HEADER) + gue;
	const uint8_t inner = t.inner4 ? IPPROTO_IPIP : IPPROTO_IPV6;
	const uint16_t type = htons(t.outer4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6);
	const struct nexthop *hop = &s->nexthops[backend->nexthop];
	struct rte_mbuf *m = p->mbuf;
	uint8_t *ip = rte_pktmbuf_mtod_offset(m, uint8_t *, QUICK_FRAME), *frame, *at;
	uint32_t hash = mix(p->flow_hash), len = (uint32_t)p->ip_len + more;
	struct outer o = { .dst = &backend->addr,
			   .protocol = gue ? IPPROTO_UDP : inner,
			   .df = p->flags & PACKET_DF };

	if (unlikely(hop->state != NEXTHOP_READY || hop->header_len != 12 || len > hop->mtu ||
		     m->nb_segs != 1 || rte_pktmbuf_headroom(m) < more ||
		     ip[t.inner4 ? 8 : 7] <= 1))
		return false;
	/* 1. The packet inside. */
	o.traffic_class = enter_tunnel(ip, t.inner4);
	o.src =
	    &s->sources[backend->sources_first + ((uint64_t)hash * backend->sources_count >> 32)]
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
		quick_outer4(w, at, &o, len);
	} else {
		put32(at, htonl(6u << 28 | (uint32_t)o.traffic_class << 20 | (hash & 0xfffff)));
		put32(at + 4, htonl((uint32_t)p->ip_len << 16 | (uint32_t)inner << 8 | OUTER_HOPS));
		memcpy(at + 8, o.src->b, 16);
		memcpy(at + 24, o.dst->b, 16);
	}
	if (gue) {
		at += IP4_HEADER;
		put32(at, htonl((GUE_PORT_FIRST | (hash & GUE_PORT_MASK)) << 16 | GUE_PORT));
		put32(at + 4, htonl((uint32_t)(p->ip_len + gue) << 16));
		put32(at + 8, htonl((uint32_t)inner << 16));
	}
	p->nexthop = backend->nexthop;
	p->l3 = (uint16_t)(QUICK_FRAME + more);
	p->l4 = (uint16_t)(p->l4 + more);
	p->out_port = hop->port;
	p->verdict = VERDICT_TRANSMIT;
	return true;
}

/* The families, as constants. */
static __rte_always_inline bool
encap_quick_families(struct worker *w, struct packet *p, const struct backend *backend,
		     uint8_t mode)
{
	bool inner4 = p->flags & PACKET_V4;

	if (addr_is_v4(&backend->addr))
		return inner4 ? encap_quick_as(w, p, backend, (struct tunnel){ mode, true, true })
			      : encap_quick_as(w, p, backend, (struct tunnel){ mode, false, true });
	/* The UDP header of a tunnel over IPv6 has a checksum. */
	if (mode == MODE_DSR_GUE)
		return false;
	return inner4 ? encap_quick_as(w, p, backend, (struct tunnel){ mode, true, false })
		      : encap_quick_as(w, p, backend, (struct tunnel){ mode, false, false });
}

/* `mode` is of p's service, DSR by a tunnel. */
static __rte_always_inline bool
encap_quick(struct worker *w, struct packet *p, uint8_t mode)
{
	const struct snapshot *s = w->snapshot;
	const struct backend *backend;

	if (unlikely((p->flags & ~(PACKET_V4 | PACKET_DF)) || p->l3 != QUICK_FRAME ||
		     p->backend >= s->n_backends))
		return false;
	backend = &s->backends[p->backend];
	if (unlikely(!backend->sources_count || backend->nexthop >= s->n_nexthops ||
		     w->dataplane->ports[s->nexthops[backend->nexthop].port].tx_ip_checksum))
		return false;
	return mode == MODE_DSR_GUE ? encap_quick_families(w, p, backend, MODE_DSR_GUE)
				    : encap_quick_families(w, p, backend, MODE_DSR_IPIP);
}

#endif

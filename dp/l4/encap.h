/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tunnel modes: IP in IP (RFC 2003, RFC 2473, RFC 4213) and Generic UDP Encapsulation
 * (draft-ietf-intarea-gue, variant 0 without optional fields).
 *
 *   Ethernet | outer IPv4 or IPv6 | [UDP 6080 | GUE] | the client's packet, one hop older
 *
 * The outer family is that of the backend. Traffic class and ECN are copied (RFC 6040, normal
 * mode). The flow's hash is in the outer source address, the flow label and the UDP source port, so
 * that the receiver's card spreads flows over its cores and keeps each in order.
 *
 * Inline bodies, for stage rewrite's loop and (what is shared) the short way: they see what is
 * constant there. Worker only.
 */
#ifndef DP_L4_ENCAP_H
#define DP_L4_ENCAP_H

#include <netinet/in.h>

#include "dp/l4/bytes.h"
#include "dp/l4/nexthop.h"
#include "dp/l4/rewrite.h"
#include "dp/l4/segments.h"

#define OUTER_HOPS     64
#define GUE_PORT       6080
#define GUE_PORT_FIRST 0xc000 /* source ports, RFC 6335's dynamic range */
#define GUE_PORT_MASK  0x3fff

struct outer {
	const struct addr *src, *dst;
	uint32_t hash;         /* the flow's, mixed anew: backends are chosen by the same hash */
	uint16_t len;          /* bytes after the outer IP header */
	uint8_t protocol;      /* after the outer IP header */
	uint8_t traffic_class; /* with ECN */
	bool df;
	bool ip_checksum; /* the port does the outer header's */
};

static __rte_always_inline uint32_t
mix(uint32_t h)
{
	h ^= h >> 16;
	h *= 0x85ebca6bu;
	h ^= h >> 13;
	h *= 0xc2b2ae35u;
	return h ^ h >> 16;
}

static __rte_always_inline uint16_t
next_id(struct worker *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 17;
	w->random ^= w->random << 5;
	return (uint16_t)w->random;
}

/* Whole words, and a sum that is taken from them and not from memory: to read back wider than was
 * just written waits for the writes. */
static __rte_always_inline void
write_outer4(struct worker *w, uint8_t *at, const struct outer *o)
{
	/* A packet that is never fragmented needs no identification (RFC 6864, 4.1). */
	const uint32_t words[] = {
		htonl(0x45000000u | (uint32_t)o->traffic_class << 16 | (IP4_HEADER + o->len)),
		o->df ? htonl(0x4000) : htonl((uint32_t)next_id(w) << 16),
		htonl(OUTER_HOPS << 24 | (uint32_t)o->protocol << 16),
		o->src->w[3],
		o->dst->w[3],
	};
	uint64_t sum = (uint64_t)words[0] + words[1] + words[2] + words[3] + words[4];
	uint32_t checksum = o->ip_checksum ? 0 : ntohs((uint16_t)~csum_fold(sum));

	put32(at, words[0]);
	put32(at + 4, words[1]);
	put32(at + 8, words[2] | htonl(checksum));
	put32(at + 12, words[3]);
	put32(at + 16, words[4]);
}

static __rte_always_inline void
write_outer6(uint8_t *at, const struct outer *o)
{
	put32(at, htonl(6u << 28 | (uint32_t)o->traffic_class << 20 | (o->hash & 0xfffff)));
	put16(at + 4, htons(o->len));
	at[6] = o->protocol;
	at[7] = OUTER_HOPS;
	memcpy(at + 8, o->src->b, 16);
	memcpy(at + 24, o->dst->b, 16);
}

/* One hop less, and the traffic class with ECN. */
static __rte_always_inline uint8_t
enter_tunnel(uint8_t *ip, bool v4)
{
	uint32_t sum;

	if (!v4) {
		ip[7]--;
		return (uint8_t)(ip[0] << 4 | ip[1] >> 4);
	}
	/* RFC 1141 */
	put16(ip + 8, (uint16_t)(get16(ip + 8) - htons(0x0100)));
	sum = (uint32_t)get16(ip + 10) + htons(0x0100);
	put16(ip + 10, (uint16_t)(sum + (sum >= 0xffff)));
	return ip[1];
}

static __rte_always_inline uint8_t
protocol_of(const struct packet *p)
{
	return p->flags & PACKET_V4 ? IPPROTO_IPIP : IPPROTO_IPV6;
}

/* Have the port do what it can of the outer headers' checksums: `l4` of UDP too. */
static __rte_always_inline void
encap_request_checksums(struct rte_mbuf *m, const struct way *way, bool v4, bool l4)
{
	m->l2_len = way->hop->header_len + 2u;
	m->l3_len = v4 ? IP4_HEADER : IP6_HEADER;
	m->ol_flags |= v4 ? RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM : RTE_MBUF_F_TX_IPV6;
	m->ol_flags |= l4 ? RTE_MBUF_F_TX_UDP_CKSUM : 0;
}

/* Make room for `extra` bytes behind an outer IP header and write the latter. Returns where the
 * extra bytes begin, or NULL (dropped). o->protocol is set by the caller. */
static __rte_always_inline uint8_t *
encapsulate(struct worker *w, struct packet *p, const struct way *way, unsigned int extra,
	    struct outer *o)
{
	const struct backend *backend = way->backend;
	bool outer4 = addr_is_v4(&backend->addr);
	unsigned int ip_header = outer4 ? IP4_HEADER : IP6_HEADER;
	uint8_t *at;

	if (unlikely(!backend->sources_count)) {
		packet_drop(p, DROP_NO_ROUTE);
		return NULL;
	}
	/* Ethernet's padding must not be taken for content. */
	mbuf_cut(p->mbuf, (uint32_t)p->l3 + p->ip_len);
	o->hash = mix(p->flow_hash);
	o->src = &w->snapshot
		      ->sources[backend->sources_first +
				((uint64_t)o->hash * backend->sources_count >> 32)]
		      .addr;
	o->dst = &backend->addr;
	o->df = p->flags & PACKET_DF;
	o->len = (uint16_t)(p->ip_len + extra);
	o->traffic_class = enter_tunnel(packet_at(p, p->l3), p->flags & PACKET_V4);
	at = nexthop_frame(w, p, way->hop, ip_header + extra, outer4);
	if (unlikely(!at))
		return NULL;
	if (!outer4) {
		write_outer6(at, o);
		return at + ip_header;
	}
	o->ip_checksum = w->dataplane->ports[way->hop->port].tx_ip_checksum;
	if (o->ip_checksum)
		encap_request_checksums(p->mbuf, way, true, false);
	write_outer4(w, at, o);
	return at + ip_header;
}

static __rte_always_inline void
encap_ipip(struct worker *w, struct packet *p, const struct way *way)
{
	struct outer o = { .protocol = protocol_of(p) };

	(void)encapsulate(w, p, way, 0, &o);
}

/* The UDP checksum of a tunnel over IPv6, which demands one (RFC 8200, 8.1). */
void encap_checksum6(struct worker *w, const struct packet *p, const struct way *way,
		     const struct outer *o, uint8_t *udp);

static __rte_always_inline void
encap_gue(struct worker *w, struct packet *p, const struct way *way)
{
	struct outer o = { .protocol = IPPROTO_UDP };
	uint8_t *udp = encapsulate(w, p, way, UDP_HEADER + GUE_HEADER, &o);
	struct outer o6;

	if (unlikely(!udp))
		return;
	put32(udp, htonl((GUE_PORT_FIRST | (o.hash & GUE_PORT_MASK)) << 16 | GUE_PORT));
	put32(udp + 4, htonl((uint32_t)o.len << 16));
	/* variant 0, data message, no optional fields */
	put32(udp + 8, htonl((uint32_t)protocol_of(p) << 16));
	if (addr_is_v4(o.dst))
		return; /* the carried packet has its own checksum */
	o6 = o;         /* whose address is given away, that is kept in memory */
	encap_checksum6(w, p, way, &o6, udp);
}

#endif

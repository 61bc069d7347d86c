/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The nat modes: one change of addresses and ports per direction.
 *
 *                 source            destination
 *   forward       keep | local      backend           nat | full-nat
 *   reply         service           keep | client
 *
 * With full-nat even an error by a router comes from our local address: the backend's network knows
 * no other.
 *
 * An ICMP error travels in one direction and quotes a packet that travelled in the other, as it
 * looked beyond us. The receiver knows that packet as it looked before us, so inside the quote the
 * same change applies MIRRORED: what becomes the error's destination becomes the quoted packet's
 * source.
 */
#include <netinet/in.h>

#include "dp/l4/bytes.h"
#include "dp/l4/nexthop.h"
#include "dp/l4/rewrite.h"

#define TCP_CHECKSUM 16 /* offset in the header */
#define UDP_CHECKSUM 6

/* What becomes of a packet; NULL and 0: stays. Ports in network byte order. */
struct change {
	const struct addr *src, *dst;
	uint16_t sport, dport;
};

static inline void
change_addresses(uint8_t *ip, bool v4, const struct change *c, struct delta *d)
{
	if (v4) {
		if (c->src)
			set_addr4(ip + 12, c->src, d);
		if (c->dst)
			set_addr4(ip + 16, c->dst, d);
	} else {
		if (c->src)
			set_addr6(ip + 8, c->src, d);
		if (c->dst)
			set_addr6(ip + 24, c->dst, d);
	}
}

static inline void
change_ports(uint8_t *l4, const struct change *c, struct delta *d)
{
	if (c->sport)
		set16(l4, c->sport, d);
	if (c->dport)
		set16(l4 + 2, c->dport, d);
}

/* The checksum of a TCP or UDP header after `d` in what it covers; `field` is there. Returns the
 * new value. */
static inline uint16_t
transport_checksum(const uint8_t *field, uint8_t proto, const struct delta *d)
{
	uint16_t sum = get16(field);

	if (proto != IPPROTO_UDP)
		return csum_update(sum, d->old, d->new);
	/* UDP: 0 means none (RFC 768), a sum of 0 is sent as its other form. */
	if (!sum)
		return 0;
	sum = csum_update(sum, d->old, d->new);
	return sum ? sum : 0xffff;
}

static inline void
change_transport(uint8_t *l4, uint8_t proto, const struct change *c, const struct delta *addresses)
{
	uint8_t *field = l4 + (proto == IPPROTO_UDP ? UDP_CHECKSUM : TCP_CHECKSUM);
	struct delta d = *addresses;

	change_ports(l4, c, &d);
	put16(field, transport_checksum(field, proto, &d));
}

/* The message of an ICMP error, whose outer addresses have changed by `outer`. */
static void
change_icmp_error(struct packet *p, const struct change *c, const struct delta *outer)
{
	const struct change mirror = { c->dst, c->src, c->dport, c->sport };
	uint8_t *inner = packet_at(p, p->inner_l3);
	uint8_t *l4 = packet_at(p, p->inner_l4);
	unsigned int field = p->tuple.proto == IPPROTO_UDP ? UDP_CHECKSUM : TCP_CHECKSUM;
	unsigned int end = RTE_MIN((unsigned int)p->l3 + p->ip_len, p->mbuf->data_len);
	bool v4 = p->flags & PACKET_V4;
	struct delta addresses = { 0 }, ports = { 0 }, all = { 0 };

	change_addresses(inner, v4, &mirror, &addresses);
	change_ports(l4, &mirror, &ports);
	delta_add(&all, &addresses);
	delta_add(&all, &ports);
	if (v4)
		set16(inner + 10, csum_update(get16(inner + 10), addresses.old, addresses.new),
		      &all);
	/* A short quote of a TCP header ends before its checksum. */
	if (p->inner_l4 + field + 2 <= end) {
		delta_add(&ports, &addresses);
		set16(l4 + field, transport_checksum(l4 + field, p->tuple.proto, &ports), &all);
	}
	if (!v4) /* ICMPv6 has a pseudo header (RFC 4443, 2.3) */
		delta_add(&all, outer);
	csum_correct((uint8_t *)packet_at(p, p->l4) + 2, &all);
}

static inline struct change
change_of(const struct packet *p, const struct connection *c)
{
	bool full = c->flags & CONNECTION_FULL_NAT;

	if (p->direction == DIR_REPLY)
		return (struct change){ .src = &c->forward.dst,
					.sport = c->forward.dport,
					.dst = full ? &c->forward.src : NULL,
					.dport = full ? c->forward.sport : 0 };
	return (struct change){ .src = full ? &c->local : NULL,
				.sport = full ? c->local_port : 0,
				.dst = &c->backend_addr,
				.dport = c->backend_port };
}

/* Who sent the packet, is it the connection's backend? */
static bool
from_backend(const struct packet *p, const struct connection *c)
{
	const uint8_t *ip = packet_at(p, p->l3);
	struct addr src;

	src = p->flags & PACKET_V4 ? addr_from_v4(get32(ip + 12)) : addr_from_v6(ip + 8);
	return addr_equal(&src, &c->backend_addr);
}

void
rewrite_nat(struct worker *w, struct packet *p, const struct way *way)
{
	const struct change change = change_of(p, way->connection);
	struct change outer = change;
	struct delta addresses = { 0 }, header;
	bool v4 = p->flags & PACKET_V4;
	uint8_t *ip;

	if (!nexthop_frame(w, p, way->hop, 0, v4))
		return;
	ip = packet_at(p, p->l3);
	/* An error from a router on the way to the backend stays that router's (RFC 5508, 4.2). */
	if (unlikely(p->flags & PACKET_ICMP_ERROR) && p->direction == DIR_REPLY &&
	    !from_backend(p, way->connection))
		outer.src = NULL;

	change_addresses(ip, v4, &outer, &addresses);
	if (v4) {
		header = addresses;
		one_hop_less(ip, &header);
		csum_correct(ip + 10, &header);
	} else {
		ip[7]--;
	}
	if (unlikely(p->flags & PACKET_LATER))
		return; /* the first fragment carries the checksum of the whole datagram */
	if (unlikely(p->flags & PACKET_ICMP_ERROR))
		change_icmp_error(p, &change, &addresses);
	else
		change_transport(packet_at(p, p->l4), p->ip_proto, &change, &addresses);
}

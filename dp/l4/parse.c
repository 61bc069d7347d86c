/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stage parse: from mbuf to struct packet, trusting nothing.
 *
 *     | Ethernet | 802.1Q | IP, options, extensions | transport | payload | padding |
 *     0                   l3                        l4                    l3 + ip_len
 *
 * Every read is preceded by a check against head.len: the bytes that are both in the first segment
 * and in the IP packet. What is malformed is dropped by name; what is sound but no service's
 * business goes to the host.
 */
#include "dp/l4/parse.h"

#include <rte_ether.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include "dp/l4/parse_quick.h"
#include "dp/l4/stages.h"
#include "lib/checksum.h"

#define PREFETCH_AHEAD 4

#define ETHERTYPE_VLAN 0x8100
#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd

#define TCP_HEADER 20
#define UDP_HEADER 8
#define IP_MAX     65535

static inline bool
is_group(const struct addr *a)
{
	if (!addr_is_v4(a))
		return a->b[0] == 0xff;
	return (a->b[12] & 0xf0) == 0xe0 || a->w[3] == UINT32_MAX;
}

static inline bool
is_unspecified(const struct addr *a)
{
	if (addr_is_v4(a))
		return a->w[3] == 0;
	return a->q[0] == 0 && a->q[1] == 0;
}

/* ---- Ethernet ---- */

static bool
mac_is_ours(const struct snapshot_port *port, const uint8_t *mac)
{
	static const uint8_t unset[RTE_ETHER_ADDR_LEN];

	return memcmp(mac, port->mac, RTE_ETHER_ADDR_LEN) == 0 ||
	       memcmp(port->mac, unset, RTE_ETHER_ADDR_LEN) == 0;
}

/* Sets vlan and l3; returns the EtherType, or 0 with the verdict set. */
static uint16_t
parse_ethernet(const struct snapshot_port *port, struct packet *p, const struct head *h)
{
	uint16_t type;

	if (!readable(h, 0, RTE_ETHER_HDR_LEN)) {
		packet_drop(p, DROP_ETHERNET_TRUNCATED);
		return 0;
	}
	type = get16(h, 12);
	p->l3 = RTE_ETHER_HDR_LEN;
	if (p->mbuf->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) {
		p->flags |= PACKET_TAGGED;
		p->vlan = p->mbuf->vlan_tci & 0x0fff;
	} else if (type == ETHERTYPE_VLAN) {
		if (!readable(h, 0, RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN)) {
			packet_drop(p, DROP_ETHERNET_TRUNCATED);
			return 0;
		}
		p->flags |= PACKET_TAGGED;
		p->vlan = get16(h, 14) & 0x0fff;
		type = get16(h, 16);
		p->l3 += RTE_VLAN_HLEN;
	}
	if (h->data[0] & 1) {
		parse_to_host(p);
		return 0;
	}
	if (!mac_is_ours(port, h->data)) {
		packet_drop(p, DROP_NOT_OURS);
		return 0;
	}
	if ((type != ETHERTYPE_IPV4 && type != ETHERTYPE_IPV6) ||
	    !(port->vlans[p->vlan >> 6] >> (p->vlan & 63) & 1)) {
		parse_to_host(p);
		return 0;
	}
	return type;
}

/* ---- transport ---- */

static void
parse_tcp(struct packet *p, const struct head *h)
{
	uint32_t header;

	if (!readable(h, p->l4, TCP_HEADER)) {
		parse_drop_short(p, DROP_L4_TRUNCATED);
		return;
	}
	header = (h->data[p->l4 + 12] >> 4) * 4u;
	if (header < TCP_HEADER) {
		packet_drop(p, DROP_TCP_OFFSET);
		return;
	}
	if (!readable(h, p->l4, header)) {
		parse_drop_short(p, DROP_TCP_OFFSET);
		return;
	}
	p->tuple.sport = raw16(h, p->l4);
	p->tuple.dport = raw16(h, p->l4 + 2u);
	p->tcp_flags = h->data[p->l4 + 13];
}

static void
parse_udp(struct packet *p, const struct head *h)
{
	uint32_t payload = (uint32_t)p->l3 + p->ip_len - p->l4;
	uint16_t len;

	if (!readable(h, p->l4, UDP_HEADER)) {
		parse_drop_short(p, DROP_L4_TRUNCATED);
		return;
	}
	len = get16(h, p->l4 + 4u);
	if (len < UDP_HEADER || (len > payload && !(p->flags & PACKET_FRAGMENT))) {
		packet_drop(p, DROP_UDP_LENGTH);
		return;
	}
	p->tuple.sport = raw16(h, p->l4);
	p->tuple.dport = raw16(h, p->l4 + 2u);
}

static void
parse_transport(struct packet *p, const struct head *h)
{
	p->tuple.proto = p->ip_proto;
	if (p->ip_proto == IPPROTO_TCP)
		parse_tcp(p, h);
	else if (p->ip_proto == IPPROTO_UDP)
		parse_udp(p, h);
	else if (p->ip_proto == (p->flags & PACKET_V4 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		parse_icmp(p, h);
	else
		parse_to_host(p);
}

/* ---- IP ---- */

/* Verdict on the addresses; false if it is set. `solicits`: the packet may come from the
 * unspecified address, since its sender has none yet. */
static bool
check_addresses(struct packet *p, bool solicits)
{
	const struct addr *src = &p->tuple.src;
	const struct addr *dst = &p->tuple.dst;
	bool v4 = p->flags & PACKET_V4;
	bool group = is_group(dst);

	if (is_unspecified(src) && (group || solicits)) {
		parse_to_host(p);
		return false;
	}
	if (addr_is_martian(src) || (!v4 && addr_is_v4(src))) {
		packet_drop(p, DROP_MARTIAN_SOURCE);
		return false;
	}
	if (!v4 && addr_is_v4(dst)) {
		packet_drop(p, DROP_MARTIAN_DESTINATION);
		return false;
	}
	if (group) {
		parse_to_host(p);
		return false;
	}
	if (addr_is_martian(dst)) {
		packet_drop(p, DROP_MARTIAN_DESTINATION);
		return false;
	}
	return true;
}

/* Check a fragment of `payload` bytes at byte `offset`; `header` counts towards the datagram's
 * greatest length. Sets the flags; false: dropped. */
static bool
check_fragment(struct packet *p, uint32_t offset, uint32_t payload, uint32_t header)
{
	p->flags |= PACKET_FRAGMENT | (offset ? PACKET_LATER : 0);
	if (payload == 0 || ((p->flags & PACKET_MORE) && payload % 8 != 0) ||
	    header + offset + payload > IP_MAX) {
		packet_drop(p, DROP_FRAGMENT_MALFORMED);
		return false;
	}
	return true;
}

static bool
ipv4_checksum_good(const struct packet *p, const struct head *h, uint32_t header)
{
	uint64_t first, second, sum;
	uint32_t i;

	if ((p->mbuf->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_GOOD)
		return true;
	memcpy(&first, h->data + p->l3, sizeof(first));
	memcpy(&second, h->data + p->l3 + 8, sizeof(second));
	sum = (first >> 32) + (uint32_t)first + (second >> 32) + (uint32_t)second +
	      raw32(h, p->l3 + 16);
	for (i = IPV4_HEADER; unlikely(i < header); i += 4)
		sum += raw32(h, p->l3 + i);
	return csum_fold(sum) == 0xffff;
}

/* Length fields of the IPv4 header; returns its length, or 0: dropped. */
static uint32_t
check_ipv4_lengths(struct packet *p, const struct head *h)
{
	uint32_t header;

	if (!readable(h, p->l3, IPV4_HEADER)) {
		packet_drop(p, DROP_IP_TRUNCATED);
		return 0;
	}
	if (h->data[p->l3] >> 4 != 4) {
		packet_drop(p, DROP_IP_VERSION);
		return 0;
	}
	header = (h->data[p->l3] & 0x0fu) * 4;
	p->ip_len = get16(h, p->l3 + 2u);
	if (header < IPV4_HEADER) {
		packet_drop(p, DROP_IP_HEADER_LENGTH);
		return 0;
	}
	if (!readable(h, p->l3, header)) {
		packet_drop(p, DROP_IP_TRUNCATED);
		return 0;
	}
	if (p->ip_len < IPV4_HEADER || (uint32_t)p->l3 + p->ip_len > h->frame) {
		packet_drop(p, DROP_IP_TOTAL_LENGTH);
		return 0;
	}
	if (header > p->ip_len) {
		packet_drop(p, DROP_IP_HEADER_LENGTH);
		return 0;
	}
	return header;
}

static void
parse_ipv4(struct packet *p, struct head *h)
{
	uint32_t header = check_ipv4_lengths(p, h);
	uint32_t offset;
	uint16_t frag;

	if (!header)
		return;
	if (!ipv4_checksum_good(p, h, header)) {
		packet_drop(p, DROP_IP_CHECKSUM);
		return;
	}
	h->len = RTE_MIN(h->len, (uint32_t)p->l3 + p->ip_len);
	frag = get16(h, p->l3 + 6u);
	offset = (frag & IPV4_OFFSET) * 8u;
	p->flags |=
	    PACKET_V4 | (frag & IPV4_DF ? PACKET_DF : 0) | (frag & IPV4_MF ? PACKET_MORE : 0);
	p->l4 = (uint16_t)(p->l3 + header);
	p->ip_proto = h->data[p->l3 + 9];
	p->tuple.src = addr_from_v4(raw32(h, p->l3 + 12u));
	p->tuple.dst = addr_from_v4(raw32(h, p->l3 + 16u));
	p->tuple.proto = p->ip_proto;
	if (!check_addresses(p, false))
		return;
	if (frag & (IPV4_MF | IPV4_OFFSET)) {
		p->frag_id = raw16(h, p->l3 + 4u);
		if (!check_fragment(p, offset, p->ip_len - header, header))
			return;
	}
	if (!(p->flags & PACKET_LATER)) {
		parse_transport(p, h);
		return;
	}
	/* Offset 1 would overwrite the TCP flags that the first fragment showed (RFC 3128). */
	if (offset == 8 && p->ip_proto == IPPROTO_TCP)
		packet_drop(p, DROP_FRAGMENT_MALFORMED);
	else if (p->ip_proto != IPPROTO_TCP && p->ip_proto != IPPROTO_UDP)
		parse_to_host(p);
}

/* The fragment header that the walk found. False: dropped. */
static bool
parse_fragment_header(struct packet *p, const struct head *h, const struct chain *c)
{
	uint16_t field = get16(h, c->frag_off + 2);
	uint32_t payload = (uint32_t)p->l3 + p->ip_len - c->frag_off - FRAGMENT_HEADER;

	p->frag_off = (uint16_t)c->frag_off;
	if (!(field & (IPV6_MF | IPV6_OFFSET)))
		return true;
	p->frag_id = raw32(h, c->frag_off + 4);
	p->flags |= field & IPV6_MF ? PACKET_MORE : 0;
	return check_fragment(p, field & IPV6_OFFSET, payload, 0);
}

static void
parse_ipv6_chain(struct packet *p, const struct head *h)
{
	struct chain c = { .off = p->l3 + IPV6_HEADER, .proto = h->data[p->l3 + 6] };
	enum chain_end end = is_extension(c.proto) ? parse_chain(h, &c) : CHAIN_UPPER;

	p->l4 = (uint16_t)c.off;
	p->ip_proto = c.proto;
	p->tuple.proto = c.proto;
	if (c.frag_off && !parse_fragment_header(p, h, &c))
		return;
	switch (end) {
	case CHAIN_UPPER:
		parse_transport(p, h);
		break;
	case CHAIN_LATER:
		/* Behind an extension header may be anything; the first fragment knows. */
		if (c.proto != IPPROTO_TCP && c.proto != IPPROTO_UDP && !is_extension(c.proto))
			parse_to_host(p);
		break;
	case CHAIN_FOREIGN:
		parse_to_host(p);
		break;
	case CHAIN_SHORT:
		parse_drop_short(p, DROP_IP6_EXTENSION);
		break;
	case CHAIN_BAD:
		packet_drop(p, DROP_IP6_EXTENSION);
		break;
	}
}

static void
parse_ipv6(struct packet *p, struct head *h)
{
	uint32_t ip_len;

	if (!readable(h, p->l3, IPV6_HEADER)) {
		packet_drop(p, DROP_IP_TRUNCATED);
		return;
	}
	if (h->data[p->l3] >> 4 != 6) {
		packet_drop(p, DROP_IP_VERSION);
		return;
	}
	ip_len = IPV6_HEADER + (uint32_t)get16(h, p->l3 + 4u);
	if (p->l3 + ip_len > h->frame || ip_len > IP_MAX) {
		packet_drop(p, DROP_IP_TOTAL_LENGTH);
		return;
	}
	h->len = RTE_MIN(h->len, p->l3 + ip_len);
	p->ip_len = (uint16_t)ip_len;
	p->flags |= PACKET_DF;
	p->tuple.src = addr_from_v6(h->data + p->l3 + 8);
	p->tuple.dst = addr_from_v6(h->data + p->l3 + 24);
	if (!check_addresses(p, h->data[p->l3 + 6] == IPPROTO_ICMPV6))
		return;
	parse_ipv6_chain(p, h);
}

/* Headers must lie in one piece. Devices that split them off are rare; where the first segment has
 * the room, mend it, and where it has not, the packet counts as truncated. */
static void
gather(struct rte_mbuf *m)
{
	if (rte_pktmbuf_data_len(m) < CHAIN_MAX_BYTES)
		(void)rte_pktmbuf_linearize(m);
}

void
parse_packet(const struct snapshot *s, struct packet *p)
{
	struct rte_mbuf *m = p->mbuf;
	struct head h;
	uint16_t type;

	*p = (struct packet){
		.mbuf = m,
		.in_port = p->in_port,
		.verdict = VERDICT_CONTINUE,
		.service = INDEX_NONE,
		.backend = INDEX_NONE,
		.connection = INDEX_NONE,
		.nexthop = INDEX_NONE,
	};
	if (unlikely(m->nb_segs > 1))
		gather(m);
	h = (struct head){
		.data = rte_pktmbuf_mtod(m, const uint8_t *),
		.len = rte_pktmbuf_data_len(m),
		.frame = rte_pktmbuf_pkt_len(m),
	};
	type = parse_ethernet(&s->ports[p->in_port], p, &h);
	if (type == ETHERTYPE_IPV4)
		parse_ipv4(p, &h);
	else if (type == ETHERTYPE_IPV6)
		parse_ipv6(p, &h);
}

void
stage_parse(struct worker *w, struct burst *b)
{
	const struct packet *end = &b->packets[b->count], *ahead = b->packets + PREFETCH_AHEAD;
	const struct snapshot *s = w->snapshot;
	struct packet *p = b->packets;
	struct quick quick;

	if (!b->count)
		return;
	/* A burst comes from one port, and if it does not, the others take the long way. */
	quick = quick_begin(&s->ports[p->in_port], p->in_port);
	for (; p < end; p++, ahead++) {
		if (ahead < end)
			rte_prefetch0(rte_pktmbuf_mtod(ahead->mbuf, void *));
		if (unlikely(!quick_parse(&quick, p)))
			parse_packet(s, p);
	}
}

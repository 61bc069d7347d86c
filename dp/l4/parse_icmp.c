/* SPDX-License-Identifier: Apache-2.0 */
/* ICMP messages: errors are known by the packet that they quote (RFC 792, RFC 4443). */
#include "dp/l4/parse.h"

#define ICMP_HEADER      8
#define INNER_L4         8 /* what an error must quote of the transport header (RFC 792) */
#define ICMP4_ECHO       8
#define ICMP6_ECHO       128
#define ICMP6_ERROR_LAST 4

/* What the embedded packet says of itself. */
struct inner {
	struct addr src, dst;
	uint32_t l4;
	uint8_t proto;
	bool fragment;
	bool foreign; /* sound, but not of a flow that we could know */
};

static bool
parse_inner_v4(const struct head *h, uint32_t off, struct inner *in)
{
	uint32_t header;
	uint16_t frag;

	if (!readable(h, off, IPV4_HEADER))
		return false;
	header = (h->data[off] & 0x0fu) * 4;
	if (h->data[off] >> 4 != 4 || header < IPV4_HEADER || get16(h, off + 2) < header)
		return false;
	frag = get16(h, off + 6);
	in->src = addr_from_v4(raw32(h, off + 12));
	in->dst = addr_from_v4(raw32(h, off + 16));
	in->proto = h->data[off + 9];
	in->l4 = off + header;
	in->fragment = (frag & (IPV4_MF | IPV4_OFFSET)) != 0;
	in->foreign = (frag & IPV4_OFFSET) != 0;
	return readable(h, off, header);
}

static bool
parse_inner_v6(const struct head *h, uint32_t off, struct inner *in)
{
	struct chain c = { .off = off + IPV6_HEADER };
	enum chain_end end;

	if (!readable(h, off, IPV6_HEADER) || h->data[off] >> 4 != 6)
		return false;
	in->src = addr_from_v6(h->data + off + 8);
	in->dst = addr_from_v6(h->data + off + 24);
	c.proto = h->data[off + 6];
	end = parse_chain(h, &c);
	if (end == CHAIN_SHORT || end == CHAIN_BAD)
		return false;
	in->l4 = c.off;
	in->proto = c.proto;
	in->fragment = c.frag_off && (get16(h, c.frag_off + 2) & (IPV6_MF | IPV6_OFFSET));
	/* A mapped address would be taken for IPv4. */
	in->foreign = end != CHAIN_UPPER || addr_is_v4(&in->src) || addr_is_v4(&in->dst);
	return true;
}

/* The tuple becomes that of the embedded packet, turned round. */
static void
parse_icmp_error(struct packet *p, const struct head *h)
{
	uint32_t off = (uint32_t)p->l4 + ICMP_HEADER;
	struct inner in = { 0 };
	bool sound;

	sound = p->flags & PACKET_V4 ? parse_inner_v4(h, off, &in) : parse_inner_v6(h, off, &in);
	if (!sound) {
		packet_drop(p, DROP_ICMP_INNER);
		return;
	}
	if (in.foreign || (in.proto != IPPROTO_TCP && in.proto != IPPROTO_UDP) ||
	    addr_is_martian(&in.src) || addr_is_martian(&in.dst)) {
		parse_to_host(p);
		return;
	}
	if (!readable(h, in.l4, INNER_L4)) {
		packet_drop(p, DROP_ICMP_INNER);
		return;
	}
	p->flags |= PACKET_ICMP_ERROR | (in.fragment ? PACKET_INNER_FRAGMENT : 0);
	p->inner_l3 = (uint16_t)off;
	p->inner_l4 = (uint16_t)in.l4;
	p->tuple.src = in.dst;
	p->tuple.dst = in.src;
	p->tuple.sport = raw16(h, in.l4 + 2);
	p->tuple.dport = raw16(h, in.l4);
	p->tuple.proto = in.proto;
}

static bool
is_icmp_error(const struct packet *p, uint8_t type)
{
	/* Redirects (5) concern the host's routes. */
	if (p->flags & PACKET_V4)
		return type == 3 || type == 4 || type == 11 || type == 12;
	return type >= 1 && type <= ICMP6_ERROR_LAST;
}

void
parse_icmp(struct packet *p, const struct head *h)
{
	uint8_t echo = p->flags & PACKET_V4 ? ICMP4_ECHO : ICMP6_ECHO;

	if (!readable(h, p->l4, ICMP_HEADER)) {
		parse_drop_short(p, DROP_L4_TRUNCATED);
		return;
	}
	if (p->flags & PACKET_FRAGMENT)
		parse_to_host(p);
	else if (is_icmp_error(p, h->data[p->l4]))
		parse_icmp_error(p, h);
	else
		p->flags |= h->data[p->l4] == echo ? PACKET_ECHO_REQUEST : PACKET_ICMP_OTHER;
}

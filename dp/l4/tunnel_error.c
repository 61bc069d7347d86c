/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A router on the way to a backend says that an outer packet of ours is too big. Only the client
 * can do something about it:
 *
 *   in:   IP to us | ICMP too big, mtu | outer IP | [UDP | GUE] | client's IP | ...
 *   out:  IP service to client | ICMP too big, mtu - overhead   | client's IP | ...
 *
 * Anybody can send us such a message, so it must have a right checksum, quote a packet from one of
 * our tunnel sources to a service address of ours, and keep to the rate of ICMP answers. All bytes
 * are read here, with their bounds: parse has looked no further than the outer packet.
 */
#include "dp/l4/tunnel_error.h"

#include <netinet/in.h>

#include "dp/l4/bytes.h"
#include "dp/l4/classify.h"
#include "dp/l4/icmp.h"
#include "dp/l4/nexthop.h"
#include "dp/l4/rewrite.h"
#include "dp/l4/segments.h"

#define GUE_PORT      6080
#define QUOTED_L4_MIN 8 /* what a sender needs to recognise its packet (RFC 792) */

/* A quoted IP header, as far as it concerns us. */
struct quoted {
	uint16_t at;     /* offset from the frame's start */
	uint16_t behind; /* offset of what follows the header */
	uint8_t protocol;
	struct addr src, dst;
};

static bool
read_quoted(const struct packet *p, uint16_t at, uint16_t end, struct quoted *q)
{
	const uint8_t *ip = packet_at(p, at);

	q->at = at;
	if (at + IP4_HEADER > end)
		return false;
	if (ip[0] >> 4 == 4) {
		q->behind = (uint16_t)(at + (ip[0] & 0xf) * 4);
		q->protocol = ip[9];
		q->src = addr_from_v4(get32(ip + 12));
		q->dst = addr_from_v4(get32(ip + 16));
		return (ip[0] & 0xf) >= 5;
	}
	if (ip[0] >> 4 != 6 || at + IP6_HEADER > end)
		return false;
	q->behind = at + IP6_HEADER;
	q->protocol = ip[6];
	q->src = addr_from_v6(ip + 8);
	q->dst = addr_from_v6(ip + 24);
	return true;
}

/* The reported MTU, or 0 if this is no "too big". */
static uint16_t
reported_mtu(const struct packet *p)
{
	const uint8_t *icmp = packet_at(p, p->l4);
	uint32_t mtu;

	if (p->flags & PACKET_V4) {
		if (p->ip_proto != IPPROTO_ICMP || icmp[0] != ICMP4_UNREACHABLE ||
		    icmp[1] != ICMP4_FRAG_NEEDED)
			return 0;
		return ntohs(get16(icmp + 6));
	}
	if (p->ip_proto != IPPROTO_ICMPV6 || icmp[0] != ICMP6_TOO_BIG)
		return 0;
	mtu = ntohl(get32(icmp + 4));
	return mtu > UINT16_MAX ? UINT16_MAX : (uint16_t)mtu;
}

static bool
checksum_right(const struct packet *p)
{
	const uint8_t *ip = packet_at(p, p->l3);
	uint16_t len = (uint16_t)(p->l3 + p->ip_len - p->l4);
	uint64_t sum = csum_mbuf(p->mbuf, p->l4, len);

	if (!(p->flags & PACKET_V4))
		sum += csum_add_bytes(htons(IPPROTO_ICMPV6) + htons(len), ip + 8, 32);
	return csum_fold(sum) == 0xffff;
}

/* From the outer quoted packet to the client's inside it. */
static bool
client_packet(const struct packet *p, const struct quoted *outer, uint16_t end,
	      struct quoted *client)
{
	const uint8_t *udp = packet_at(p, outer->behind);
	uint16_t at = outer->behind;
	uint8_t protocol = outer->protocol;
	bool v4;

	if (protocol == IPPROTO_UDP) {
		at += UDP_HEADER + GUE_HEADER;
		if (at > end || ntohs(get16(udp + 2)) != GUE_PORT || udp[8])
			return false;
		protocol = udp[9];
	}
	if ((protocol != IPPROTO_IPIP && protocol != IPPROTO_IPV6) ||
	    !read_quoted(p, at, end, client))
		return false;
	v4 = addr_is_v4(&client->dst);
	return v4 == (protocol == IPPROTO_IPIP) && client->behind + QUOTED_L4_MIN <= end;
}

/* Where the ICMP message ends, or 0 if its headers are not all there. */
static uint16_t
message_end(const struct packet *p)
{
	uint32_t end = RTE_MIN((uint32_t)p->l3 + p->ip_len, p->mbuf->data_len);

	if (p->flags & PACKET_FRAGMENT ||
	    (p->ip_proto != IPPROTO_ICMP && p->ip_proto != IPPROTO_ICMPV6) || p->l3 >= p->l4 ||
	    (uint32_t)p->l4 + ICMP_HEADER + IP4_HEADER > end || end > UINT16_MAX)
		return 0;
	return (uint16_t)end;
}

bool
tunnel_error_translate(struct worker *w, struct packet *p)
{
	const struct snapshot *s = w->snapshot;
	uint16_t end = message_end(p);
	struct quoted message, outer, client;
	struct icmp_error e = { 0 };
	uint16_t mtu, overhead, least;
	bool v4;

	if (!end)
		return false;
	mtu = reported_mtu(p);
	if (!mtu || !read_quoted(p, p->l3, end, &message) ||
	    !read_quoted(p, (uint16_t)(p->l4 + ICMP_HEADER), end, &outer) ||
	    !addr_equal(&message.dst, &outer.src) || !client_packet(p, &outer, end, &client))
		return false;
	if (!(classify_destination_flags(s, &outer.src) & (DESTINATION_LOCAL | DESTINATION_OWN)) ||
	    !(classify_destination_flags(s, &client.dst) & DESTINATION_SERVICE) ||
	    addr_is_martian(&client.src) || !checksum_right(p))
		return false;

	v4 = addr_is_v4(&client.dst);
	overhead = (uint16_t)(client.at - outer.at);
	least = v4 ? IP4_MTU_MIN : IP6_MTU_MIN;
	e.src = client.dst;
	e.dst = client.src;
	e.type = v4 ? ICMP4_UNREACHABLE : ICMP6_TOO_BIG;
	e.code = v4 ? ICMP4_FRAG_NEEDED : 0;
	e.mtu = mtu > overhead + least ? (uint16_t)(mtu - overhead) : least;
	e.quote = client.at;
	e.quote_len = (uint32_t)(end - client.at);
	return icmp_error_send(w, p, &e);
}

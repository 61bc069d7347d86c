/* SPDX-License-Identifier: Apache-2.0 */
/* Tunnels over IPv6: the checksum of the outer UDP header. */
#include "dp/l4/encap.h"

/* Can the sum of the carried packet be known from its headers? It can if its own checksum covers
 * all bytes behind the addresses: then these bytes sum up to the complement of the pseudo header. A
 * packet whose own checksum is wrong becomes one whose outer checksum is wrong: it is lost either
 * way. */
static bool
transport_covers_all(const struct packet *p, const uint8_t *l4, bool v4)
{
	unsigned int header = v4 ? IP4_HEADER : IP6_HEADER;

	if (p->flags & PACKET_FRAGMENT || p->l4 != p->l3 + header)
		return false;
	if (p->ip_proto == IPPROTO_TCP)
		return true;
	return p->ip_proto == IPPROTO_UDP && get16(l4 + 6) &&
	       ntohs(get16(l4 + 4)) == p->ip_len - header;
}

/* Partial sum of the carried packet. */
static uint64_t
carried_sum(const struct packet *p)
{
	const uint8_t *ip = packet_at(p, p->l3);
	bool v4 = p->flags & PACKET_V4;
	uint64_t pseudo;

	if (!transport_covers_all(p, packet_at(p, p->l4), v4))
		return csum_mbuf(p->mbuf, p->l3, p->ip_len);
	pseudo = htons(p->ip_proto);
	if (v4) { /* a valid header sums up to zero */
		pseudo += csum_add_bytes(htons((uint16_t)(p->ip_len - IP4_HEADER)), ip + 12, 8);
		return (uint16_t)~csum_fold(pseudo);
	}
	pseudo += csum_add_bytes(htons((uint16_t)(p->ip_len - IP6_HEADER)), ip + 8, 32);
	return csum_add_bytes((uint16_t)~csum_fold(pseudo), ip, IP6_HEADER);
}

void
encap_checksum6(struct worker *w, const struct packet *p, const struct way *way,
		const struct outer *o, uint8_t *udp)
{
	uint64_t sum = csum_pseudo(o->src, o->dst, IPPROTO_UDP, o->len);
	uint16_t checksum;

	if (w->dataplane->ports[way->hop->port].tx_l4_checksum) {
		encap_request_checksums(p->mbuf, way, false, true);
		put16(udp + 6, csum_fold(sum));
		return;
	}
	sum = csum_add_bytes(sum, udp, UDP_HEADER + GUE_HEADER) + carried_sum(p);
	checksum = (uint16_t)~csum_fold(sum);
	put16(udp + 6, checksum ? checksum : 0xffff);
}

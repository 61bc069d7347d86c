/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stage parse for the packets that nearly all are: untagged, to us, IPv4 without options or IPv6
 * without extension headers, whole, TCP or UDP, in one segment, with everything as it should be.
 *
 *     quick_parse(q, p)  =>  p is what parse_packet would have made of it, and its verdict is
 *                            VERDICT_CONTINUE
 *
 * Anything else is left as it is for parse_packet: here nothing is dropped and nothing is judged.
 * The whole packet is written, in few and wide stores. Owner: the worker that parses.
 */
#ifndef DP_L4_PARSE_QUICK_H
#define DP_L4_PARSE_QUICK_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_common.h>
#include <rte_mbuf.h>

#include "dp/packet.h"
#include "dp/snapshot.h"
#include "lib/checksum.h"

#define QUICK_L3  14
#define QUICK_L4  34 /* IPv4 */
#define QUICK_L46 54 /* IPv6 */

/* What all packets of a port have in common. */
struct quick {
	struct packet template;
	uint64_t mac, mac_mask; /* of a frame's first eight bytes */
	bool usable;
};

static inline uint64_t
quick64(const uint8_t *at)
{
	uint64_t v;

	memcpy(&v, at, sizeof(v));
	return v;
}

static inline uint32_t
quick32(const uint8_t *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof(v));
	return v;
}

static inline uint16_t
quick16(const uint8_t *at)
{
	uint16_t v;

	memcpy(&v, at, sizeof(v));
	return rte_be_to_cpu_16(v);
}

static inline struct quick
quick_begin(const struct snapshot_port *port, uint8_t in_port)
{
	uint8_t mask[8] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, mac[8] = { 0 };
	static const uint8_t unset[6];
	struct quick q = {
		.template = { .in_port = in_port,
			      .l3 = QUICK_L3,
			      .verdict = VERDICT_CONTINUE,
			      .service = INDEX_NONE,
			      .backend = INDEX_NONE,
			      .connection = INDEX_NONE,
			      .nexthop = INDEX_NONE },
		.usable = (port->vlans[0] & 1) && !(port->mac[0] & 1),
	};

	/* A port without an address takes what is for a single station. */
	memcpy(mac, port->mac, sizeof(port->mac));
	if (memcmp(port->mac, unset, sizeof(unset)) == 0) {
		memset(mask, 0, sizeof(mask));
		mask[0] = 1;
	}
	q.mac = quick64(mac);
	q.mac_mask = quick64(mask);
	return q;
}

/* Sum of 32-bit words whose 16-bit words sum up to 0xffff: a header whose checksum is right. */
static inline bool
quick_sum_good(uint64_t sum)
{
	sum = (sum & 0xffffffffu) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff;
}

/* Where the transport header begins, and where the packet ends: as far as we can read it, and as
 * its IP header says. */
struct quick_span {
	uint32_t l4, end, ip_end;
};

static inline bool
quick_transport(const uint8_t *d, const struct quick_span span, uint8_t proto, uint8_t *tcp_flags)
{
	uint32_t l4 = span.l4, end = span.end, len;

	if (proto == IPPROTO_TCP) {
		if (l4 + 20 > end)
			return false;
		len = (d[l4 + 12] >> 4) * 4u;
		*tcp_flags = d[l4 + 13];
		return len >= 20 && l4 + len <= end;
	}
	if (proto != IPPROTO_UDP)
		return false;
	len = quick16(d + l4 + 4);
	return l4 + 8 <= end && len >= 8 && len <= span.ip_end - l4;
}

/* Neither 0.0.0.0/8 nor 127.0.0.0/8, 224.0.0.0/4 or 240.0.0.0/4. */
static inline bool
quick_single4(uint8_t first)
{
	return (uint8_t)(first - 1) < 223 && first != 127;
}

static inline bool
quick_parse4(const struct quick *q, struct packet *p, const uint8_t *d)
{
	struct rte_mbuf *m = p->mbuf;
	uint32_t data_len = rte_pktmbuf_data_len(m), ip_end = QUICK_L3 + quick16(d + 16);
	uint32_t src = quick32(d + 26), dst = quick32(d + 30);
	uint64_t sum = (uint64_t)quick32(d + 14) + quick32(d + 18) + quick32(d + 22) + src + dst;
	uint16_t frag = quick16(d + 20);
	uint8_t proto = d[23], tcp_flags = 0;

	if (!quick_sum_good(sum) &&
	    (m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) != RTE_MBUF_F_RX_IP_CKSUM_GOOD)
		return false;
	if ((frag & 0x3fff) || ip_end > rte_pktmbuf_pkt_len(m) || ip_end < QUICK_L4 ||
	    !quick_single4(d[26]) || !quick_single4(d[30]))
		return false;
	if (!quick_transport(d, (struct quick_span){ QUICK_L4, RTE_MIN(data_len, ip_end), ip_end },
			     proto, &tcp_flags))
		return false;
	*p = q->template;
	p->mbuf = m;
	p->flags = (uint16_t)(PACKET_V4 | (frag & 0x4000 ? PACKET_DF : 0));
	p->l4 = QUICK_L4;
	p->ip_len = (uint16_t)(ip_end - QUICK_L3);
	p->ip_proto = proto;
	p->tcp_flags = tcp_flags;
	p->tuple.src = addr_from_v4(src);
	p->tuple.dst = addr_from_v4(dst);
	memcpy(&p->tuple.sport, d + QUICK_L4, 4);
	p->tuple.proto = proto;
	return true;
}

/* Not a group, nor any of the addresses that begin with 64 zeros, among which are those that no
 * packet may have. */
static inline bool
quick_single6(const uint8_t *at)
{
	return at[0] != 0xff && quick64(at) != 0;
}

static inline bool
quick_parse6(const struct quick *q, struct packet *p, const uint8_t *d)
{
	struct rte_mbuf *m = p->mbuf;
	uint32_t data_len = rte_pktmbuf_data_len(m), ip_end;
	uint8_t proto = d[20], tcp_flags = 0;

	ip_end = QUICK_L46 + (uint32_t)quick16(d + 18);
	if (data_len < QUICK_L46 + 8 || ip_end > rte_pktmbuf_pkt_len(m) ||
	    ip_end > QUICK_L3 + UINT16_MAX || !quick_single6(d + 22) || !quick_single6(d + 38))
		return false;
	if (!quick_transport(d, (struct quick_span){ QUICK_L46, RTE_MIN(data_len, ip_end), ip_end },
			     proto, &tcp_flags))
		return false;
	*p = q->template;
	p->mbuf = m;
	p->flags = PACKET_DF;
	p->l4 = QUICK_L46;
	p->ip_len = (uint16_t)(ip_end - QUICK_L3);
	p->ip_proto = proto;
	p->tcp_flags = tcp_flags;
	p->tuple.src = addr_from_v6(d + 22);
	p->tuple.dst = addr_from_v6(d + 38);
	memcpy(&p->tuple.sport, d + QUICK_L46, 4);
	p->tuple.proto = proto;
	return true;
}

static inline bool
quick_parse(const struct quick *q, struct packet *p)
{
	const struct rte_mbuf *m = p->mbuf;
	const uint8_t *d = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t type;

	if (unlikely(!q->usable || p->in_port != q->template.in_port || m->nb_segs != 1 ||
		     rte_pktmbuf_data_len(m) < QUICK_L4 + 8 ||
		     (m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) ||
		     ((quick64(d) ^ q->mac) & q->mac_mask)))
		return false;
	/* EtherType, and version with the header's length or the traffic class. */
	type = rte_be_to_cpu_32(quick32(d + 12));
	if ((type & 0xffffff00) == 0x08004500)
		return quick_parse4(q, p, d);
	if ((type & 0xfffff000) == 0x86dd6000)
		return quick_parse6(q, p, d);
	return false;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parsing for the packets that nearly all are: untagged, to us, IPv4 without options or IPv6
 * without extension headers, whole, TCP or UDP, in one segment, with everything as it should be.
 * For stage parse and for the short way (quick.h).
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
#include <stddef.h>
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

#define QUICK_INVERSE 0xfffefffefffeffffull /* of 65,535, modulo 2^64 */

/* What all packets of a port have in common. */
struct quick {
	uint64_t mac, mac_mask; /* of a frame's first eight bytes */
	uint8_t in_port;
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
quick16le(const uint8_t *at)
{
	uint16_t v;

	memcpy(&v, at, sizeof(v));
	return rte_le_to_cpu_16(v);
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
	/* Words, not bytes: see tuple_make. */
	uint64_t mac = quick32(port->mac) | (uint64_t)quick16le(port->mac + 4) << 32;

	return (struct quick){
		.mac = mac,
		/* A port without an address takes what is for a single station. */
		.mac_mask = mac ? 0xffffffffffff : 1,
		.in_port = in_port,
		.usable = (port->vlans[0] & 1) && !(port->mac[0] & 1),
	};
}

/* Is the checksum of the IPv4 header (20 bytes, not all zero) at `ip` right? The ones' complement
 * sum of its words is their sum modulo 65,535, in whatever width; and what is divisible by an odd
 * number becomes small when it is multiplied by that one's inverse (Granlund, Montgomery, 1994). */
static inline bool
quick_sum_good(const uint8_t *ip)
{
	uint64_t a = quick64(ip), b = quick64(ip + 8), sum = a + b, rest = quick32(ip + 16);

	sum = (sum >> 32) + (uint32_t)sum + (sum < a) + rest;
	return sum * QUICK_INVERSE <= UINT64_MAX / 65535;
}

/* What the headers of a usual packet say. */
struct quick_headers {
	const uint8_t *frame;
	uint32_t l4;         /* where its transport header begins: QUICK_L4 or QUICK_L46 */
	uint32_t end;        /* what of it we can read */
	uint32_t ip_len;     /* IP header and payload */
	uint32_t src4, dst4; /* IPv4: the addresses, as on the wire */
	uint8_t proto, tcp_flags;
	bool v4, df;
};

static inline bool
quick_transport(struct quick_headers *h)
{
	const uint8_t *l4 = h->frame + h->l4;
	uint32_t left = h->end - h->l4, len;

	if (h->end < h->l4)
		return false;
	if (h->proto == IPPROTO_UDP) {
		len = quick16(l4 + 4);
		return left >= 8 && len >= 8 && len <= h->ip_len + QUICK_L3 - h->l4;
	}
	if (h->proto != IPPROTO_TCP || left < 20)
		return false;
	len = (l4[12] >> 4) * 4u;
	h->tcp_flags = l4[13];
	return len >= 20 && len <= left;
}

/* Neither 0.0.0.0/8 nor 127.0.0.0/8, 224.0.0.0/4 or 240.0.0.0/4. */
static inline bool
quick_single4(uint8_t first)
{
	return (uint8_t)(first - 1) < 223 && first != 127;
}

static inline bool
quick_look4(const struct rte_mbuf *m, struct quick_headers *h)
{
	const uint8_t *d = h->frame;
	uint16_t frag = quick16(d + 20);

	h->l4 = QUICK_L4;
	h->ip_len = quick16(d + 16);
	h->end = RTE_MIN((uint32_t)rte_pktmbuf_data_len(m), h->ip_len + QUICK_L3);
	h->src4 = quick32(d + 26);
	h->dst4 = quick32(d + 30);
	h->proto = d[23];
	h->v4 = true;
	h->df = frag & 0x4000;
	if (!quick_sum_good(d + QUICK_L3) &&
	    (m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) != RTE_MBUF_F_RX_IP_CKSUM_GOOD)
		return false;
	return !(frag & 0x3fff) && h->ip_len + QUICK_L3 <= rte_pktmbuf_pkt_len(m) &&
	       quick_single4(d[26]) && quick_single4(d[30]) && quick_transport(h);
}

/* Not a group, nor any of the addresses that begin with 64 zeros, among which are those that no
 * packet may have. */
static inline bool
quick_single6(const uint8_t *at)
{
	return at[0] != 0xff && quick64(at) != 0;
}

static inline bool
quick_look6(const struct rte_mbuf *m, struct quick_headers *h)
{
	const uint8_t *d = h->frame;

	h->l4 = QUICK_L46;
	h->ip_len = QUICK_L46 - QUICK_L3 + (uint32_t)quick16(d + 18);
	h->end = RTE_MIN((uint32_t)rte_pktmbuf_data_len(m), h->ip_len + QUICK_L3);
	h->proto = d[20];
	h->v4 = false;
	h->df = true;
	return h->end >= QUICK_L46 + 8 && h->ip_len + QUICK_L3 <= rte_pktmbuf_pkt_len(m) &&
	       h->ip_len <= UINT16_MAX && quick_single6(d + 22) && quick_single6(d + 38) &&
	       quick_transport(h);
}

/* True if the frame is usual: then h is what it says. False: h is of no use. */
static inline bool
quick_look(const struct quick *q, const struct rte_mbuf *m, struct quick_headers *h)
{
	const uint8_t *d = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t type;

	h->frame = d;
	h->tcp_flags = 0;
	if (unlikely(!q->usable || m->nb_segs != 1 || rte_pktmbuf_data_len(m) < QUICK_L4 + 8 ||
		     (m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) ||
		     ((quick64(d) ^ q->mac) & q->mac_mask)))
		return false;
	/* EtherType, and version with the header's length or the traffic class. */
	type = rte_be_to_cpu_32(quick32(d + 12));
	if ((type & 0xffffff00) == 0x08004500)
		return quick_look4(m, h);
	return (type & 0xfffff000) == 0x86dd6000 && quick_look6(m, h);
}

/* The tuple of a usual packet. In whole words, as it is read back. */
static inline void
quick_tuple(const struct quick_headers *h, struct tuple *t)
{
	uint64_t rest = quick32(h->frame + h->l4) | (uint64_t)h->proto << 32;

	static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "proto is the fifth byte");
	static_assert(offsetof(struct tuple, proto) == offsetof(struct tuple, sport) + 4,
		      "as here");
	if (h->v4) {
		t->src = addr_from_v4(h->src4);
		t->dst = addr_from_v4(h->dst4);
	} else {
		t->src = addr_from_v6(h->frame + 22);
		t->dst = addr_from_v6(h->frame + 38);
	}
	memcpy(&t->sport, &rest, sizeof(rest));
}

static inline bool
quick_parse(const struct quick *q, struct packet *p)
{
	struct rte_mbuf *m = p->mbuf;
	struct quick_headers h;

	if (unlikely(p->in_port != q->in_port) || !quick_look(q, m, &h))
		return false;
	*p = (struct packet){
		.mbuf = m,
		.flags = (uint16_t)((h.v4 ? PACKET_V4 : 0) | (h.df ? PACKET_DF : 0)),
		.l3 = QUICK_L3,
		.l4 = (uint16_t)h.l4,
		.ip_len = (uint16_t)h.ip_len,
		.ip_proto = h.proto,
		.tcp_flags = h.tcp_flags,
		.in_port = q->in_port,
		.verdict = VERDICT_CONTINUE,
		.service = INDEX_NONE,
		.backend = INDEX_NONE,
		.connection = INDEX_NONE,
		.nexthop = INDEX_NONE,
	};
	quick_tuple(&h, &p->tuple);
	return true;
}

#endif

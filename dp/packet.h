/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One packet on its way through the pipeline, and the burst that is the unit of work.
 *
 * Owner: the worker that runs the burst; no other thread looks at it. When a packet changes worker
 * (steer), its struct packet travels in the mbuf's private area.
 *
 * The tuple is what identifies the packet's flow, as it is on the wire: addresses as struct addr,
 * ports in network byte order. Two kinds differ:
 *   - an ICMP error carries the tuple of the packet inside it TURNED ROUND, so that it looks like a
 * packet of the direction in which the error itself travels, and every later stage treats it like
 * any other packet of that flow;
 *   - a later fragment has no ports until stage fragment has found them.
 */
#ifndef DP_PACKET_H
#define DP_PACKET_H

#include <assert.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "dp/drops.h"
#include "lib/addr.h"

#define BURST_MAX  64
#define INDEX_NONE UINT32_MAX
#define PORT_NONE  UINT16_MAX

/* Flow identity; also the key of the connection table: 40 bytes without padding, hashed as bytes.
 */
struct tuple {
	struct addr src, dst;
	uint16_t sport, dport; /* network byte order; 0 where there are none */
	uint8_t proto; /* IPPROTO_TCP or IPPROTO_UDP (also for an ICMP error about such a packet);
			  else the packet's own */
	uint8_t zero[3];
};
static_assert(sizeof(struct tuple) == 40, "struct tuple is a hash key");

/* What of a tuple is behind its addresses, as one word. */
static inline uint64_t
tuple_rest(uint16_t sport, uint16_t dport, uint8_t proto)
{
	return (uint64_t)sport | (uint64_t)dport << 16 | (uint64_t)proto << 32;
}

/* Written in whole words, as tuples are read: what is read in other pieces than it has just been
 * written in has to wait until it is in the cache. */
static inline void
tuple_make(struct tuple *t, const struct addr *src, const struct addr *dst, uint64_t rest)
{
	static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "proto is the fifth byte");
	t->src.q[0] = src->q[0];
	t->src.q[1] = src->q[1];
	t->dst.q[0] = dst->q[0];
	t->dst.q[1] = dst->q[1];
	memcpy(&t->sport, &rest, sizeof(rest));
}

enum verdict {
	VERDICT_CONTINUE, /* goes on to the next stage */
	VERDICT_TRANSMIT, /* rewritten, leaves by out_port */
	VERDICT_DROP,     /* for packet.reason */
	VERDICT_HOST,     /* to the twin of (in_port, vlan), as it came in */
	VERDICT_STEER,    /* to the worker packet.owner */
	VERDICT_TAKEN,    /* a stage keeps the mbuf (held fragment) or has disposed of it */
};

/* What parse found out. */
enum packet_flags {
	PACKET_V4 = 1 << 0,     /* else IPv6 */
	PACKET_TAGGED = 1 << 1, /* has an 802.1Q tag in the frame (or had: see vlan) */
	PACKET_FRAGMENT =
	    1 << 2, /* any fragment, first or later (not an IPv6 atomic fragment, RFC 6946) */
	PACKET_LATER = 1 << 3,      /* a fragment with offset > 0: l4 points at payload */
	PACKET_ICMP_ERROR = 1 << 4, /* the tuple is that of the embedded packet, turned round;
				       inner_l3 and inner_l4 are set */
	PACKET_ECHO_REQUEST = 1 << 5,
	PACKET_ICMP_OTHER =
	    1 << 6, /* ICMP that is neither error nor echo request (NDP, echo reply, ...) */
	PACKET_HOST_ONLY =
	    1
	    << 7, /* ARP, multicast, broadcast, other EtherTypes and protocols: never a service's */
	PACKET_DF = 1 << 8,   /* IPv4: don't fragment; set for IPv6 too */
	PACKET_MORE = 1 << 9, /* fragment with more to follow */
	PACKET_INNER_FRAGMENT =
	    1 << 10,             /* the packet inside an ICMP error was itself a first fragment */
	PACKET_WAITED = 1 << 11, /* has waited for its next hop's address already */
	PACKET_UNCAPTURED = 1 << 12,    /* its record was lost, dp/capture.h */
	PACKET_AFTER_CLOSING = 1 << 13, /* its connection was closing when it came */
};

enum direction {
	DIR_NONE,
	DIR_FORWARD, /* client to service */
	DIR_REPLY,   /* backend to client (nat) or to one of our source addresses (full-nat) */
};

/* TCP flag bits as on the wire. */
#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

struct packet {
	struct rte_mbuf *mbuf;
	uint16_t flags;    /* enum packet_flags */
	uint16_t vlan;     /* VLAN id of the tag, 0 if untagged or priority-tagged */
	uint16_t l3;       /* offset of the IP header from the frame's start: 14 or 18 */
	uint16_t l4;       /* offset of the transport header (or of a later fragment's payload) */
	uint16_t inner_l3; /* ICMP error: offset of the embedded IP header */
	uint16_t inner_l4; /* ... and of its transport header */
	uint16_t
	    ip_len; /* IP header and payload as the IP header says (Ethernet padding excluded) */
	uint8_t ip_proto;  /* protocol after all extension headers, of the packet itself */
	uint8_t tcp_flags; /* 0 if not TCP, a later fragment, or an ICMP error */
	uint8_t in_port;   /* index in dataplane.ports */
	uint8_t verdict;   /* enum verdict */
	uint8_t reason;    /* enum drop_reason if VERDICT_DROP */
	uint8_t direction; /* enum direction */
	uint16_t owner;    /* worker that owns the client */
	uint16_t
	    frag_off; /* IPv6: offset of the fragment header from the frame's start, 0 if none */
	uint32_t frag_id;    /* identification of a fragment, as on the wire */
	uint32_t flow_hash;  /* of the tuple or of the client only, by service.hash; chooses rows */
	uint32_t service;    /* index in snapshot.services, INDEX_NONE */
	uint32_t backend;    /* index in snapshot.backends, INDEX_NONE until balance */
	uint32_t connection; /* index in the worker's connections, INDEX_NONE */
	uint32_t nexthop;    /* index in snapshot.nexthops, INDEX_NONE */
	uint8_t out_port;    /* index in dataplane.ports if VERDICT_TRANSMIT */
	uint8_t frag_resolved; /* stage fragment has done its work on this packet */
	uint16_t mtu;          /* for "too big" answers: what the sender may send, set by rewrite */
	uint32_t client;  /* the client's entry in the client table, set by stage limit where its
			     service limits clients; INDEX_NONE else */
	uint32_t capture; /* position of its record, see dp/capture.h; 0: none */
	struct tuple tuple;
};
static_assert(sizeof(struct packet) <= 128, "struct packet stays within two cache lines");

struct burst {
	uint16_t count;
	struct packet packets[BURST_MAX];
};

static inline void
packet_drop(struct packet *p, enum drop_reason reason)
{
	p->verdict = VERDICT_DROP;
	p->reason = (uint8_t)reason;
}

static inline void *
packet_at(const struct packet *p, unsigned int offset)
{
	return rte_pktmbuf_mtod_offset(p->mbuf, void *, offset);
}

/* The client's address: the source on the way in, the destination on the way back. */
static inline const struct addr *
packet_client(const struct packet *p)
{
	return p->direction == DIR_REPLY ? &p->tuple.dst : &p->tuple.src;
}

#endif

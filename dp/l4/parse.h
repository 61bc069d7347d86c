/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the files of stage parse: what of a frame may be read, and the parts that few packets
 * need. Owner: the worker that parses; nothing outlives one packet.
 *
 * Invariant: every read of head.data is preceded by readable().
 */
#ifndef DP_L4_PARSE_H
#define DP_L4_PARSE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "dp/packet.h"
#include "dp/snapshot.h"

#define IPV4_HEADER     20
#define IPV6_HEADER     40
#define FRAGMENT_HEADER 8
#define IPV4_DF         0x4000
#define IPV4_MF         0x2000
#define IPV4_OFFSET     0x1fff
#define IPV6_MF         0x0001
#define IPV6_OFFSET     0xfff8

#define CHAIN_MAX_HEADERS 8
#define CHAIN_MAX_BYTES   512

/* The readable part of a frame. */
struct head {
	const uint8_t *data;
	uint32_t len; /* bytes that may be read: of the first segment, and of the IP packet once its
			 length is known */
	uint32_t frame; /* bytes of the whole frame */
};

static inline bool
readable(const struct head *h, uint32_t off, uint32_t n)
{
	return off + n <= h->len;
}

static inline uint16_t
get16(const struct head *h, uint32_t off)
{
	return (uint16_t)(h->data[off] << 8 | h->data[off + 1]);
}

/* As on the wire. */
static inline uint16_t
raw16(const struct head *h, uint32_t off)
{
	uint16_t v;

	memcpy(&v, h->data + off, sizeof(v));
	return v;
}

static inline uint32_t
raw32(const struct head *h, uint32_t off)
{
	uint32_t v;

	memcpy(&v, h->data + off, sizeof(v));
	return v;
}

/* Sound, but no service's business. */
static inline void
parse_to_host(struct packet *p)
{
	p->flags |= PACKET_HOST_ONLY;
	p->verdict = VERDICT_HOST;
}

/* A first fragment carries its whole transport header, or it is made to slip through (RFC 1858,
 * RFC 7112). */
static inline void
parse_drop_short(struct packet *p, enum drop_reason whole)
{
	packet_drop(p, p->flags & PACKET_FRAGMENT ? DROP_FRAGMENT_MALFORMED : whole);
}

/* ---- parse.c ---- */

/* The whole of stage parse for one packet, step by step: what parse_quick.h does not take. */
void parse_packet(const struct snapshot *s, struct packet *p);

/* ---- parse_chain.c: IPv6 extension headers ---- */

enum chain_end {
	CHAIN_UPPER,   /* off is at an upper-layer header, proto says which */
	CHAIN_LATER,   /* off is at a later fragment's payload */
	CHAIN_FOREIGN, /* nothing that we look into: the host's */
	CHAIN_SHORT,   /* ends before its end */
	CHAIN_BAD,     /* against RFC 8200, or more than we walk */
};

struct chain {
	uint32_t off;
	uint32_t frag_off; /* 0: no fragment header */
	uint8_t proto;
};

static inline bool
is_extension(uint8_t proto)
{
	return proto == IPPROTO_HOPOPTS || proto == IPPROTO_ROUTING || proto == IPPROTO_DSTOPTS ||
	       proto == IPPROTO_AH || proto == IPPROTO_FRAGMENT;
}

/* Walk from the header `proto` at c->off. Bounded in headers and bytes. */
enum chain_end parse_chain(const struct head *h, struct chain *c);

/* ---- parse_icmp.c ---- */

/* The ICMP or ICMPv6 message at p->l4: flags, and for an error the tuple of the packet inside, or
 * the verdict. */
void parse_icmp(struct packet *p, const struct head *h);

#endif

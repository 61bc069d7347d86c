/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The short way through the DSR modes: untagged on both sides, with hops to live and small enough,
 * on a card that computes no checksums for us.
 *
 *     true   =>  charged, written, counted and handed to its port; or refused by a limit
 *     false  =>  everything is as it was
 *     of tunnels, a row at a time: the item behind the last with which it was true
 *
 * What a mode writes is known at compile time, so it is a row of stores; offsets are those of an
 * untagged frame. For quick.c only.
 */
#ifndef DP_L4_QUICK_DSR_H
#define DP_L4_QUICK_DSR_H

#include "dp/l4/encap.h"
#include "dp/l4/limit.h"
#include "dp/l4/quick_run.h"
#include "dp/transmit.h"

#define QUICK_FRAME 14 /* where the IP header begins, on either side */

/* Charge the client, if that is to be done; false: over a limit. The last thing that may refuse. */
static inline bool
quick_charge(struct run *r, struct item *item)
{
	struct limit_charge charge;
	enum drop_reason why;

	if (!item->plan->charges)
		return true;
	charge.limits = item->plan->limits;
	charge.packet_cost = item->plan->packet_cost;
	charge.client = client_take(r->w->clients, &r->lookups[item->lookup], r->w->now);
	charge.bytes = item->ip_len;
	why = limit_charge(r->w, &charge);
	if (likely(why == DROP_REASON_COUNT))
		return true;
	item->fate = FATE_DROPPED;
	item->reason = (uint8_t)why;
	r->refused = true;
	return false;
}

/* Of a forward packet that is complete, but for its plan's counters. */
static __rte_always_inline void
quick_hand_over(struct run *r, struct item *item, uint32_t backend, uint8_t port)
{
	struct backend_stats *stats = &r->w->backend_stats[backend];

	stats->packets++;
	stats->bytes += item->ip_len;
	item->fate = FATE_LEFT;
	worker_transmit(r->w, port, item->mbuf);
}

static inline void
quick_leave(struct run *r, struct item *item, uint32_t backend, uint8_t port)
{
	item->plan->packets++;
	item->plan->bytes += item->ip_len;
	quick_hand_over(r, item, backend, port);
}

/* The backend's next hop if a packet that becomes `len` bytes can go there as it is. */
static inline const struct nexthop *
quick_hop(const struct snapshot *s, const struct backend *backend, uint32_t len)
{
	const struct nexthop *hop;

	if (unlikely(backend->nexthop >= s->n_nexthops))
		return NULL;
	hop = &s->nexthops[backend->nexthop];
	return likely(hop->state == NEXTHOP_READY && hop->header_len == 12 && len <= hop->mtu)
		   ? hop
		   : NULL;
}

/* ---- what leads to a backend, ready to be copied ---- */

/* Of a service: mode and family. */
enum tunnel_kind {
	TUNNEL_NONE, /* no tunnel: dsr-l2 */
	TUNNEL_IPIP4,
	TUNNEL_IPIP6,
	TUNNEL_GUE4,
	TUNNEL_GUE6,
};

static inline uint8_t
tunnel_kind(uint8_t mode, bool v4)
{
	if (mode == MODE_DSR_IPIP)
		return v4 ? TUNNEL_IPIP4 : TUNNEL_IPIP6;
	if (mode == MODE_DSR_GUE)
		return v4 ? TUNNEL_GUE4 : TUNNEL_GUE6;
	return TUNNEL_NONE;
}

/* By backend slot: made when it is first needed after each publication. Bytes that differ from
 * packet to packet are 0; where there are several sources struct tunnel_sources stands in place of
 * the source address. */
struct tunnel {
	uint8_t head[54]; /* Ethernet, IP, UDP, GUE */
	uint16_t most;    /* bytes of a client's packet that fit; 0: not this way */
	uint32_t mark;    /* what it was made for */
	uint8_t outer;    /* 4, 6 */
	uint8_t port;
	bool sources; /* there are several: chosen by flow */
	uint8_t unused;
};
static_assert(sizeof(struct tunnel) == 64, "a cache line");

/* Snapshot and kind. A tunnel that was never made has mark 0 and takes no packet. */
static inline uint32_t
tunnel_mark(const struct snapshot *s, uint8_t kind)
{
	static_assert(TUNNEL_GUE6 < 8, "three bits");
	return (uint32_t)s->version << 3 | kind;
}

struct tunnel_sources {
	uint16_t first, count; /* in snapshot.sources */
};
static_assert(sizeof(struct tunnel_sources) == 4, "no longer than an IPv4 address");

/* Where the source address is in an outer header. */
static inline unsigned int
tunnel_source_at(bool outer4)
{
	return outer4 ? 12 : 8;
}

/* Make *t for the backend, and for packets of the plan's service. */
void tunnel_make(const struct worker *w, struct tunnel *t, uint32_t backend,
		 const struct plan *plan);

/* NULL: not this way. */
static inline const struct tunnel *
tunnel_to(struct run *r, const struct item *item)
{
	struct tunnel *t = &r->w->tunnels[item->backend];

	if (unlikely(t->mark != item->plan->mark))
		tunnel_make(r->w, t, item->backend, item->plan);
	return likely(item->ip_len <= t->most) ? t : NULL;
}

static inline bool
quick_l2(struct run *r, struct item *item)
{
	const struct tunnel *t = tunnel_to(r, item);

	if (unlikely(!t))
		return false;
	if (unlikely(!quick_charge(r, item)))
		return true;
	memcpy(rte_pktmbuf_mtod(item->mbuf, uint8_t *), t->head, 12);
	quick_leave(r, item, item->backend, t->port);
	return true;
}

/* ---- tunnels ---- */

/* What is known at compile time. */
struct tunnel_form {
	bool gue, inner4, outer4;
};

static __rte_always_inline const struct addr *
quick_source(const struct run *r, const struct item *item, const struct tunnel *t, bool outer4)
{
	struct tunnel_sources sources;

	memcpy(&sources, t->head + QUICK_FRAME + tunnel_source_at(outer4), sizeof(sources));
	return &r->s->sources[sources.first + ((uint64_t)item->flow_hash * sources.count >> 32)]
		    .addr;
}

/* What differs from packet to packet in an outer IPv4 header; first: its first word. */
static __rte_always_inline void
quick_outer4(struct run *r, uint8_t *at, const struct item *item, const struct tunnel *t,
	     uint32_t first)
{
	const uint8_t *head = t->head + QUICK_FRAME;
	uint32_t second = item->df ? htonl(0x4000) : htonl((uint32_t)next_id(r->w) << 16);
	uint32_t src = get32(head + 12);
	uint64_t sum = (uint64_t)first + second + get32(head + 8) + get32(head + 16);

	if (t->sources) {
		src = quick_source(r, item, t, true)->w[3];
		put32(at + 12, src);
	}
	put32(at, first);
	put32(at + 4, second);
	put16(at + 10, (uint16_t)~csum_fold(sum + src));
}

/* Without the length. */
static __rte_always_inline void
quick_outer6(struct run *r, uint8_t *at, const struct item *item, const struct tunnel *t,
	     uint32_t first)
{
	put32(at, first | htonl(item->flow_hash & 0xfffff));
	if (t->sources)
		memcpy(at + 8, quick_source(r, item, t, false)->b, 16);
}

/* Can the sum of the packet inside be known from its headers? As in encap.c: it can if its own
 * checksum covers all bytes behind the addresses. */
static __rte_always_inline bool
quick_covered(const struct item *item, const uint8_t *ip, bool inner4)
{
	unsigned int header = inner4 ? IP4_HEADER : IP6_HEADER;
	const uint8_t *udp = ip + header;

	return item->plan->proto == IPPROTO_TCP ||
	       (get16(udp + 6) && ntohs(get16(udp + 4)) == item->ip_len - header);
}

/* The partial sum of that packet. An IPv4 header sums up to nothing, and what its transport's
 * checksum covers to the complement of the pseudo header; in IPv6 the pseudo header's addresses and
 * length are those of the header. */
static __rte_always_inline uint64_t
quick_carried(const struct item *item, const uint8_t *ip, bool inner4)
{
	uint16_t proto = htons(item->plan->proto);

	if (inner4)
		return (uint16_t)~csum_fold((uint64_t)get32(ip + 12) + get32(ip + 16) + proto +
					    htons((uint16_t)(item->ip_len - IP4_HEADER)));
	return (uint64_t)get32(ip) + get16(ip + 6) + (uint16_t)~proto;
}

/* The UDP and GUE headers over IPv6, whose checksum covers the packet inside. ip: that packet. */
static __rte_always_inline void
quick_gue6(const struct item *item, uint8_t *at, const uint8_t *ip, bool inner4)
{
	uint16_t len = htons((uint16_t)(item->ip_len + UDP_HEADER + GUE_HEADER)), checksum;
	uint32_t ports =
	    htonl((GUE_PORT_FIRST | (item->flow_hash & GUE_PORT_MASK)) << 16 | GUE_PORT);
	uint32_t gue = htonl((inner4 ? IPPROTO_IPIP : IPPROTO_IPV6) << 16);
	uint64_t sum = (uint64_t)ports + gue + 2u * len + htons(IPPROTO_UDP);
	unsigned int i;

	for (i = 8; i < IP6_HEADER; i += 4)
		sum += get32(at + i);
	checksum = (uint16_t)~csum_fold(sum + quick_carried(item, ip, inner4));
	at += IP6_HEADER;
	put32(at, ports);
	put16(at + 4, len);
	put16(at + 6, checksum ? checksum : 0xffff);
	put32(at + 8, gue);
}

/* What left of a row, until its plan is told. */
struct row_count {
	uint32_t packets, bytes;
};

static __rte_always_inline bool
quick_tunnel_as(struct run *r, struct item *item, const struct tunnel *t, struct row_count *count,
		const struct tunnel_form form)
{
	const unsigned int gue = form.gue ? UDP_HEADER + GUE_HEADER : 0;
	const unsigned int more = (form.outer4 ? IP4_HEADER : IP6_HEADER) + gue;
	const unsigned int ready = form.outer4 ? more : IP6_HEADER;
	uint32_t len = item->ip_len + more, class;
	struct rte_mbuf *m = item->mbuf;
	uint8_t *ip = rte_pktmbuf_mtod_offset(m, uint8_t *, QUICK_FRAME), *at = ip - more;

	if (unlikely(rte_pktmbuf_headroom(m) < more || ip[form.inner4 ? 8 : 7] <= 1))
		return false;
	if (gue && !form.outer4 && unlikely(!quick_covered(item, ip, form.inner4)))
		return false;
	if (unlikely(!quick_charge(r, item)))
		return true;
	/* 1. The packet inside. */
	class = enter_tunnel(ip, form.inner4);
	/* 2. The frame; Ethernet's padding goes. */
	m->data_off = (uint16_t)(m->data_off - more);
	m->data_len = (uint16_t)(QUICK_FRAME + len);
	m->pkt_len = QUICK_FRAME + len;
	memcpy(at - QUICK_FRAME, t->head, QUICK_FRAME + ready);
	/* 3. What differs from packet to packet. The backend was chosen by the same hash. */
	item->flow_hash = mix(item->flow_hash);
	if (form.outer4) {
		quick_outer4(r, at, item, t, htonl(0x45000000u | class << 16 | len));
	} else {
		quick_outer6(r, at, item, t, htonl(6u << 28 | class << 20));
		put16(at + 4, htons((uint16_t)(item->ip_len + gue)));
	}
	if (gue && !form.outer4)
		quick_gue6(item, at, ip, form.inner4);
	if (gue && form.outer4) {
		at += IP4_HEADER;
		put16(at, htons((uint16_t)(GUE_PORT_FIRST | (item->flow_hash & GUE_PORT_MASK))));
		put16(at + 4, htons((uint16_t)(item->ip_len + gue)));
	}
	count->packets++;
	count->bytes += item->ip_len;
	quick_hand_over(r, item, item->backend, t->port);
	return true;
}

/* A row of items from this one on: as many as are of its plan and its backends' family. Where
 * clients are held, one: who is held is asked for each. */
static __rte_always_inline struct item *
quick_row_as(struct run *r, struct item *item, const struct tunnel_form form)
{
	const struct item *end = r->held.any ? item + 1 : &r->items[r->n_items];
	struct row_count count = { 0, 0 };
	struct plan *plan = item->plan;
	const struct tunnel *t;

	do {
		t = tunnel_to(r, item);
		if (unlikely(!t || (t->outer == 4) != form.outer4) ||
		    unlikely(!quick_tunnel_as(r, item, t, &count, form)))
			break;
		item++;
	} while (item < end && likely(item->plan == plan && item->fate == FATE_OPEN));
	plan->packets += count.packets;
	plan->bytes += count.bytes;
	return item;
}

/* The first item is open. Returns the one behind the last that has been seen to; the first itself
 * if it goes the long way. Mode and families are constants in each loop. */
static inline struct item *
quick_tunnels(struct run *r, struct item *item)
{
	const struct tunnel *t = tunnel_to(r, item);

	if (unlikely(!t))
		return item;
	switch ((enum tunnel_kind)item->plan->tunnel) {
	case TUNNEL_IPIP4:
		return t->outer == 4
			   ? quick_row_as(r, item, (struct tunnel_form){ false, true, true })
			   : quick_row_as(r, item, (struct tunnel_form){ false, true, false });
	case TUNNEL_IPIP6:
		return t->outer == 4
			   ? quick_row_as(r, item, (struct tunnel_form){ false, false, true })
			   : quick_row_as(r, item, (struct tunnel_form){ false, false, false });
	case TUNNEL_GUE4:
		return t->outer == 4
			   ? quick_row_as(r, item, (struct tunnel_form){ true, true, true })
			   : quick_row_as(r, item, (struct tunnel_form){ true, true, false });
	case TUNNEL_GUE6:
		return t->outer == 4
			   ? quick_row_as(r, item, (struct tunnel_form){ true, false, true })
			   : quick_row_as(r, item, (struct tunnel_form){ true, false, false });
	default:
		return item;
	}
}

#endif

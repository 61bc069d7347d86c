/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The short way through nat, for established connections in both directions: one address, one port
 * and one hop of an untagged packet that stays untagged.
 *
 *     true   =>  charged, written, counted and handed to its port; or refused by a limit
 *     false  =>  everything is as it was
 *
 * Such a packet changes nothing of its connection but the deadline. For quick.c only.
 */
#ifndef DP_L4_QUICK_NAT_H
#define DP_L4_QUICK_NAT_H

#include "dp/l4/bytes.h"
#include "dp/l4/connection.h"
#include "dp/l4/parse_quick.h"
#include "dp/l4/quick_dsr.h"
#include "dp/l4/quick_run.h"

#define QUICK_TCP_CHECKSUM 16 /* offset in the header */
#define QUICK_UDP_CHECKSUM 6

/* reply: the source changes, else the destination; v4 and reply are constants. */
static __rte_always_inline void
quick_translate(const struct item *item, const struct nexthop *hop, const struct connection *c,
		bool v4, bool reply)
{
	const struct addr *address = reply ? &c->forward.dst : &c->backend_addr;
	uint16_t port = reply ? c->forward.dport : c->backend_port, hops, sum;
	uint8_t *frame = rte_pktmbuf_mtod(item->mbuf, uint8_t *), *ip = frame + QUICK_FRAME;
	uint8_t *l4 = frame + (v4 ? QUICK_L4 : QUICK_L46), *port_at = reply ? l4 : l4 + 2;
	bool udp = item->plan->proto == IPPROTO_UDP;
	uint8_t *field = l4 + (udp ? QUICK_UDP_CHECKSUM : QUICK_TCP_CHECKSUM);
	struct delta d = { 0 };
	uint64_t change;

	memcpy(frame, hop->header, 12);
	if (v4)
		set_addr4(ip + (reply ? 12 : 16), address, &d);
	else
		set_addr6(ip + (reply ? 8 : 24), address, &d);
	/* The complement of a sum of words, in as many bits as each word's complement. */
	change = d.new + (v4 ? (uint32_t)~d.old : 4ull * UINT32_MAX - d.old);
	if (v4) {
		hops = get16(ip + 8);
		put16(ip + 8, (uint16_t)(hops - htons(0x0100)));
		put16(ip + 10,
		      (uint16_t)~csum_fold(change + (uint16_t)~get16(ip + 10) + (uint16_t)~hops +
					   (uint16_t)(hops - htons(0x0100))));
	} else {
		ip[7]--;
	}
	sum = get16(field);
	change += (uint64_t)(uint16_t)~sum + (uint16_t)~get16(port_at) + port;
	put16(port_at, port);
	/* UDP: 0 means none (RFC 768), a sum of 0 is sent as its other form. */
	if (udp && !sum)
		return;
	sum = (uint16_t)~csum_fold(change);
	put16(field, udp && !sum ? 0xffff : sum);
}

/* Has the packet hops to live, and room on its way? */
static inline bool
quick_may_go(const struct item *item, const struct nexthop *hop)
{
	const uint8_t *ip = rte_pktmbuf_mtod_offset(item->mbuf, const uint8_t *, QUICK_FRAME);

	return ip[item->plan->v4 ? 8 : 7] > 1 && item->ip_len <= hop->mtu && hop->header_len == 12;
}

/* The connection that was found, if it goes on as it is. */
static inline struct connection *
quick_established(const struct run *r, const struct item *item, bool reply)
{
	uint32_t hit = r->hits[item->tuple];
	struct connection *c;

	if (unlikely(hit == INDEX_NONE || hit_is_reply(hit) != reply))
		return NULL;
	c = connection_at(r->w->connections, hit_index(hit));
	if (unlikely(c->state != (item->plan->proto == IPPROTO_TCP ? CONNECTION_ESTABLISHED
								   : CONNECTION_UDP) ||
		     (c->flags & CONNECTION_FULL_NAT) || !c->backend_port ||
		     !connection_is_current(r->w, c)))
		return NULL;
	return c;
}

static inline bool
quick_nat(struct run *r, struct item *item)
{
	struct connection *c = quick_established(r, item, false);
	const struct plan *plan = item->plan;
	const struct nexthop *hop;

	if (unlikely(!c || c->service != plan->service ||
		     (c->flags & plan->counted) != plan->counted))
		return false;
	hop = quick_hop(r->s, &r->s->backends[c->backend], item->ip_len);
	if (unlikely(!hop || !quick_may_go(item, hop)))
		return false;
	if (unlikely(!quick_charge(r, item)))
		return true;
	c->deadline = r->w->now + plan->timeout;
	c->packets_in++;
	if (item->plan->v4)
		quick_translate(item, hop, c, true, false);
	else
		quick_translate(item, hop, c, false, false);
	quick_leave(r, item, c->backend, hop->port);
	return true;
}

static inline bool
quick_reply(struct run *r, struct item *item)
{
	struct connection *c = quick_established(r, item, true);
	const struct snapshot *s = r->s;
	struct service_stats *stats;
	const struct nexthop *hop;
	uint32_t route;

	if (unlikely(!c))
		return false;
	route = lpm_lookup(s->routes, &c->forward.src);
	if (unlikely(route >= s->n_nexthops || s->nexthops[route].state != NEXTHOP_READY))
		return false;
	hop = &s->nexthops[route];
	if (unlikely(!quick_may_go(item, hop)))
		return false;
	c->deadline = r->w->now + (item->plan->proto == IPPROTO_TCP
				       ? s->services[c->service].timeout_established
				       : s->services[c->service].timeout_udp);
	c->packets_out++;
	stats = &r->w->service_stats[c->service];
	stats->packets_out++;
	stats->bytes_out += item->ip_len;
	if (item->plan->v4)
		quick_translate(item, hop, c, true, true);
	else
		quick_translate(item, hop, c, false, true);
	item->fate = FATE_LEFT;
	worker_transmit(r->w, hop->port, item->mbuf);
	return true;
}

#endif

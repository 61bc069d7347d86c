/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way out of what TCP sends: by the snapshot's routes; where these do not (yet) lead to a
 * client, back to where its packets came from.
 *
 * A route, as TCP carries it for us, is that way back: Ethernet address, VLAN and port in one word.
 *
 *     | address: 48 bits | VLAN: 12 | port: 4 |       0: there is none
 */
#include <rte_ether.h>

#include "dp/capture.h"
#include "dp/l4/nexthop.h"
#include "dp/proxy/internal.h"
#include "dp/transmit.h"

#define HELD_TIME 300000000ull /* ns; a neighbour on a link answers within a few ms */
#define TCP_FLAGS 13           /* where they are in the header */

static_assert(SNAPSHOT_MAX_PORTS <= 16, "a port fits in four bits");

uint64_t
route_back(const struct packet *p)
{
	const uint8_t *frame = packet_at(p, 0);
	uint64_t mac; /* and two bytes more, which the shift drops */

	memcpy(&mac, frame + RTE_ETHER_ADDR_LEN, sizeof(mac));
	return mac << 16 | (uint64_t)(p->vlan & 0xfff) << 4 | p->in_port;
}

static void
route_nexthop(const struct worker *w, uint64_t route, struct nexthop *out)
{
	uint8_t port = route_port(route);
	uint16_t vlan = (uint16_t)(route >> 4 & 0xfff);
	uint64_t mac = route >> 16;

	*out = (struct nexthop){ .state = NEXTHOP_READY, .port = port, .header_len = 12 };
	memcpy(out->header, &mac, RTE_ETHER_ADDR_LEN);
	memcpy(out->header + RTE_ETHER_ADDR_LEN, w->snapshot->ports[port].mac, RTE_ETHER_ADDR_LEN);
	if (!vlan)
		return;
	out->header_len = 16;
	out->header[12] = RTE_ETHER_TYPE_VLAN >> 8;
	out->header[13] = RTE_ETHER_TYPE_VLAN & 0xff;
	out->header[14] = (uint8_t)(vlan >> 8);
	out->header[15] = (uint8_t)vlan;
}

static struct addr
destination(const uint8_t *ip, bool v4)
{
	uint32_t be;

	if (!v4)
		return addr_from_v6(ip + 24);
	memcpy(&be, ip + 16, 4);
	return addr_from_v4(be);
}

static inline struct way_out *
way_of(struct proxy *p, const struct addr *to)
{
	uint64_t h = (to->q[0] ^ to->q[1]) * 0x9e3779b97f4a7c15ull;

	return &p->ways[h >> 52];
}
static_assert(WAYS == 1u << (64 - 52), "way_of gives an index");

/* The next hop by route, if it can be used. */
static const struct nexthop *
route_find(const struct snapshot *s, const struct addr *to)
{
	uint32_t index = lpm_lookup(s->routes, to);
	enum drop_reason why;

	return nexthop_usable(s, index, &why) ? &s->nexthops[index] : NULL;
}

/* The same by way of the cache. */
static const struct nexthop *
way_find(struct proxy *p, const struct addr *to)
{
	const struct snapshot *s = p->worker->snapshot;
	struct way_out *way = way_of(p, to);
	enum drop_reason why;
	uint32_t index;

	if (likely(way->version == s->version && addr_equal(&way->to, to)))
		return &s->nexthops[way->nexthop];
	index = lpm_lookup(s->routes, to);
	if (!nexthop_usable(s, index, &why))
		return NULL;
	/* By words, as it was written a moment ago. */
	way->to.q[0] = to->q[0];
	way->to.q[1] = to->q[1];
	way->version = s->version;
	way->nexthop = index;
	return &s->nexthops[index];
}

/* No way by route: have it looked for. Returns why. */
static enum drop_reason
way_ask(struct worker *w, const struct addr *to)
{
	struct packet p = { .service = INDEX_NONE };

	nexthop_missing(w, &p, lpm_lookup(w->snapshot->routes, to), to);
	return (enum drop_reason)p.reason;
}

/* A SYN or SYN-ACK. Of those floods are made, of addresses that nobody has: they would leave
 * nothing of use in the cache. */
static bool
is_opening(const struct rte_mbuf *m)
{
	return *rte_pktmbuf_mtod_offset(m, const uint8_t *, m->l3_len + TCP_FLAGS) & TCP_SYN;
}

/* Put the Ethernet header of the next hop in front, and hand it to the port. */
static void
send_by(struct worker *w, const struct nexthop *hop, struct rte_mbuf *m)
{
	bool v4 = *rte_pktmbuf_mtod(m, const uint8_t *) >> 4 == 4;
	uint16_t ether_type = rte_cpu_to_be_16(v4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6);
	uint8_t *frame = (uint8_t *)rte_pktmbuf_prepend(m, (uint16_t)(hop->header_len + 2));

	if (unlikely(!frame)) {
		worker_count_drop(w, INDEX_NONE, DROP_MBUF_EXHAUSTED);
		rte_pktmbuf_free(m);
		return;
	}
	m->l2_len = hop->header_len + 2u;
	memcpy(frame, hop->header, 12);
	if (unlikely(hop->header_len > 12))
		memcpy(frame + 12, hop->header + 12, 4);
	memcpy(frame + hop->header_len, &ether_type, 2);
	capture_frame(w, hop->port, m, CAPTURE_OUT_OURS);
	worker_transmit(w, hop->port, m);
}

/* A packet that nothing leads to and that cannot wait for it. */
static void
drop(struct worker *w, struct rte_mbuf *m, enum drop_reason why)
{
	worker_count_drop(w, INDEX_NONE, why);
	rte_pktmbuf_free(m);
}

/* Wait for the neighbour, as packets of layer 4 do (RFC 1122, 2.3.2.2). False: no room. */
static bool
hold(struct proxy *p, struct rte_mbuf *m)
{
	if (p->n_held == HELD_MAX)
		return false;
	if (!p->n_held)
		p->held_version = p->worker->snapshot->version;
	p->held[p->n_held++] = (struct held){ m, p->worker->now + HELD_TIME };
	return true;
}

void
proxy_output_held(struct proxy *p)
{
	struct worker *w = p->worker;
	uint32_t i, kept = 0;

	if (p->held_version == w->snapshot->version && w->now < p->held[0].deadline)
		return;
	p->held_version = w->snapshot->version;
	for (i = 0; i < p->n_held; i++) {
		struct held held = p->held[i];
		const uint8_t *ip = rte_pktmbuf_mtod(held.mbuf, const uint8_t *);
		struct addr to = destination(ip, ip[0] >> 4 == 4);
		const struct nexthop *hop = route_find(w->snapshot, &to);

		if (hop)
			send_by(w, hop, held.mbuf);
		else if (w->now >= held.deadline)
			drop(w, held.mbuf, way_ask(w, &to));
		else
			p->held[kept++] = held;
	}
	p->n_held = kept;
}

void
proxy_output(void *arg, struct rte_mbuf *m, uint64_t route)
{
	struct proxy *p = arg;
	struct worker *w = p->worker;
	const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *);
	struct addr to = destination(ip, ip[0] >> 4 == 4);
	const struct nexthop *hop = is_opening(m) ? route_find(w->snapshot, &to) : way_find(p, &to);
	struct nexthop back;

	if (unlikely(!hop)) {
		enum drop_reason why = way_ask(w, &to);

		if (!route) {
			if (why != DROP_NEIGHBOUR_UNRESOLVED || !hold(p, m))
				drop(w, m, why);
			return;
		}
		route_nexthop(w, route, &back);
		hop = &back;
	}
	send_by(w, hop, m);
}

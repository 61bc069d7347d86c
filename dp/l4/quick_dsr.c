/* SPDX-License-Identifier: Apache-2.0 */
#include "dp/l4/quick_dsr.h"

static void
head_outer4(struct tunnel *t, const struct backend *backend, uint8_t protocol)
{
	uint8_t *at = t->head + QUICK_FRAME;

	put16(t->head + 12, htons(RTE_ETHER_TYPE_IPV4));
	put32(at + 8, htonl(OUTER_HOPS << 24 | (uint32_t)protocol << 16));
	put32(at + 16, backend->addr.w[3]);
}

static void
head_outer6(struct tunnel *t, const struct backend *backend, uint8_t protocol)
{
	uint8_t *at = t->head + QUICK_FRAME;

	put16(t->head + 12, htons(RTE_ETHER_TYPE_IPV6));
	at[6] = protocol;
	at[7] = OUTER_HOPS;
	memcpy(at + 24, backend->addr.b, 16);
}

/* What of the way is the same for all kinds. NULL: it cannot be this way. */
static const struct nexthop *
way_to(const struct worker *w, const struct backend *backend)
{
	const struct snapshot *s = w->snapshot;
	const struct nexthop *hop;

	if (!backend->epoch || !(backend->flags & BACKEND_UP) || backend->nexthop >= s->n_nexthops)
		return NULL;
	hop = &s->nexthops[backend->nexthop];
	return hop->state == NEXTHOP_READY && hop->header_len == 12 ? hop : NULL;
}

static void
head_source(const struct snapshot *s, struct tunnel *t, const struct backend *backend)
{
	const struct tunnel_sources several = { backend->sources_first, backend->sources_count };
	const struct addr *source = &s->sources[backend->sources_first].addr;
	uint8_t *at = t->head + QUICK_FRAME + tunnel_source_at(t->outer == 4);

	if (t->sources)
		memcpy(at, &several, sizeof(several));
	else if (t->outer == 4)
		put32(at, source->w[3]);
	else
		memcpy(at, source->b, 16);
}

/* The IP headers of a tunnel, and what is behind them. */
static void
head_make(const struct snapshot *s, struct tunnel *t, const struct backend *backend,
	  const struct plan *plan)
{
	bool gue = plan->tunnel == TUNNEL_GUE4 || plan->tunnel == TUNNEL_GUE6;
	uint8_t inner = plan->v4 ? IPPROTO_IPIP : IPPROTO_IPV6;
	uint8_t *udp = t->head + QUICK_FRAME + IP4_HEADER;

	head_source(s, t, backend);
	if (t->outer == 6) {
		head_outer6(t, backend, gue ? IPPROTO_UDP : inner);
		return;
	}
	head_outer4(t, backend, gue ? IPPROTO_UDP : inner);
	if (!gue)
		return;
	put16(udp + 2, htons(GUE_PORT));
	put32(udp + UDP_HEADER, htonl((uint32_t)inner << 16));
}

void
tunnel_make(const struct worker *w, struct tunnel *t, uint32_t index, const struct plan *plan)
{
	const struct snapshot *s = w->snapshot;
	const struct backend *backend = &s->backends[index];
	const struct nexthop *hop = way_to(w, backend);
	bool outer4 = addr_is_v4(&backend->addr);
	bool gue = plan->tunnel == TUNNEL_GUE4 || plan->tunnel == TUNNEL_GUE6;
	uint32_t more = 0;

	*t = (struct tunnel){ .mark = plan->mark };
	if (!hop)
		return;
	if (plan->tunnel != TUNNEL_NONE)
		more = (outer4 ? IP4_HEADER : IP6_HEADER) + (gue ? UDP_HEADER + GUE_HEADER : 0);
	/* A card may compute the outer headers' checksums. */
	if (more && (!backend->sources_count || hop->mtu < more ||
		     w->dataplane->ports[hop->port].tx_ip_checksum ||
		     w->dataplane->ports[hop->port].tx_l4_checksum))
		return;
	t->port = hop->port;
	t->most = (uint16_t)(hop->mtu - more);
	t->sources = backend->sources_count > 1;
	t->outer = outer4 ? 4 : 6;
	memcpy(t->head, hop->header, 12);
	if (more)
		head_make(s, t, backend, plan);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "dp/l4/quick_plan.h"

#include <netinet/in.h>

#include "dp/l4/balance.h"
#include "dp/l4/classify.h"
#include "dp/l4/connection.h"
#include "dp/l4/limit.h"
#include "dp/l4/parse_quick.h"
#include "dp/l4/quick_dsr.h"

/* Where the second half of a match begins: it ends with the ports, or some bytes behind them. */
#define SECOND4 6u
#define SECOND6 26u

/* By flags (FIN 1, SYN 2, RST 4, ACK 16) as bits of a word: what begins a connection, a SYN
 * without ACK; and what does anything else than go on in one, any of the first three. */
#define FLAGS_BEGIN  0x0000ccccu
#define FLAGS_CHANGE 0xfefefefeu
/* What asks for a connection: of what begins one, that without RST. */
#define FLAGS_ASK 0x00000c0cu

/* A frame's first bytes, as they are wanted and as far as they count. */
struct wanted {
	uint8_t bytes[64], mask[64];
};

static void
want(struct wanted *w, uint32_t at, const void *bytes, uint32_t n)
{
	memcpy(w->bytes + at, bytes, n);
	memset(w->mask + at, 0xff, n);
}

static void
match_make(struct match *match, const struct wanted *w, uint8_t second)
{
	match->at = second;
	memcpy(match->first, w->bytes, MATCH_BYTES);
	memcpy(match->first_mask, w->mask, MATCH_BYTES);
	memcpy(match->second, w->bytes + second, MATCH_BYTES);
	memcpy(match->second_mask, w->mask + second, MATCH_BYTES);
}

void
plan_nobody(struct plan *plan)
{
	*plan = (struct plan){ .kind = PLAN_LONG, .service = INDEX_NONE };
	/* A byte cannot be two things. */
	plan->match.first_mask[0] = plan->match.second_mask[0] = 0xff;
	plan->match.second[0] = 1;
}

/* Frames of the port with a usual header, of a family and protocol; if dst is not NULL, to it. */
static void
plan_frames(struct plan *plan, const struct quick *port, const struct tuple *to)
{
	static const uint8_t ip4[] = { 0x08, 0x00, 0x45 }, ip6[] = { 0x86, 0xdd, 0x60 };
	struct wanted w = { 0 };

	memcpy(w.bytes, &port->mac, 8);
	memcpy(w.mask, &port->mac_mask, 8);
	if (plan->v4) {
		want(&w, 12, ip4, 3);
		w.mask[20] = 0x3f; /* no fragment */
		w.mask[21] = 0xff;
		want(&w, 23, &plan->proto, 1);
	} else {
		want(&w, 12, ip6, 3);
		w.mask[14] = 0xf0;
		want(&w, 20, &plan->proto, 1);
	}
	if (to && plan->v4)
		want(&w, 30, &to->dst.w[3], 4);
	else if (to)
		want(&w, 38, to->dst.b, 16);
	if (to)
		want(&w, (plan->v4 ? QUICK_L4 : QUICK_L46) + 2u, &to->dport, 2);
	match_make(&plan->match, &w, plan->v4 ? SECOND4 : SECOND6);
}

static enum plan_kind
plan_kind(const struct worker *w, const struct service *service, uint32_t index)
{
	if (service->mode == MODE_NAT)
		return PLAN_NAT;
	if (!balance_rests(w->snapshot, index) || service->mode == MODE_PROXY ||
	    connections_of_service(w->connections, index))
		return PLAN_LONG;
	return service->mode == MODE_DSR_L2 ? PLAN_L2 : PLAN_TUNNEL;
}

static void
plan_limits(const struct snapshot *s, struct plan *plan)
{
	const struct service_limits *l = &s->limits[plan->service];

	if (!(s->services[plan->service].flags & SERVICE_LIMITED))
		return;
	if (l->flags & LIMITS_SERVICE) {
		plan->kind = PLAN_LONG;
		return;
	}
	plan->limits = l;
	plan->access = l->flags & LIMITS_ACCESS;
	plan->charges = l->flags & LIMITS_CLIENT;
	plan->packet_cost = gcra_cost(&l->client[LIMIT_PACKETS], 1);
	if (l->flags & LIMITS_CLIENT_COUNT)
		plan->counted |= CONNECTION_COUNTED_CLIENT;
	if (l->flags & LIMITS_SERVICE_COUNT)
		plan->counted |= CONNECTION_COUNTED_SERVICE;
}

static void
plan_service(const struct worker *w, struct plan *plan, const struct tuple *t)
{
	const struct snapshot *s = w->snapshot;
	const struct service *service = &s->services[plan->service];

	plan->kind = (uint8_t)plan_kind(w, service, plan->service);
	plan->owner = client_owner(plan->service, service->epoch);
	plan->pool = &s->pools[service->pool];
	plan->timeout =
	    plan->proto == IPPROTO_TCP ? service->timeout_established : service->timeout_udp;
	plan->long_flags = plan->kind == PLAN_NAT ? FLAGS_CHANGE : FLAGS_BEGIN;
	if (!(service->flags & SERVICE_HASH_CLIENT)) {
		plan->hash_to = balance_hash_to(&t->dst, t->proto);
		plan->ports_mask = UINT32_MAX;
	}
	if (service->mode == MODE_PROXY && w->syns.flooded) {
		plan->syns_wait = true;
		plan->long_flags = ~FLAGS_ASK;
	}
	plan->tunnel = tunnel_kind(service->mode, plan->v4);
	plan->mark = tunnel_mark(s, plan->tunnel);
	plan_limits(s, plan);
}

/* The place of a key, taken or free; PLANS: none. */
static uint32_t
plan_place(const struct run *r, uint64_t key, const struct addr *dst)
{
	uint32_t at = ((dst->w[3] ^ (uint32_t)(key >> 16)) * 0x9e3779b1u) >> 26, tries;

	for (tries = 0; tries < PLAN_TRIES; tries++, at = (at + 1) % PLANS) {
		if (!(r->plans_used >> at & 1) ||
		    (r->plans[at].key == key && addr_equal(&r->plans[at].dst, dst)))
			return at;
	}
	return PLANS;
}

/* Of what is to no service. */
static enum plan_kind
kind_of_none(const struct snapshot *s, uint8_t in_port, const struct tuple *t)
{
	if (classify_is_answer(s, in_port, t))
		return PLAN_REPLY;
	return classify_is_local(s, &t->dst) ? PLAN_LEG : PLAN_LONG;
}

struct plan *
plan_for(struct run *r, const struct rte_mbuf *m, uint8_t in_port)
{
	const struct addr none = { 0 };
	enum plan_kind kind = PLAN_LONG;
	struct quick_headers h;
	struct plan *plan;
	struct tuple t;
	uint32_t service, at;
	uint64_t key;
	bool any;

	if (!quick_look(&r->port, m, &h))
		return NULL;
	quick_tuple(&h, &t);
	service = classify_service(r->s, &t.dst, t.proto, t.dport);
	any = service == INDEX_NONE;
	if (any && (kind = kind_of_none(r->s, in_port, &t)) == PLAN_LONG)
		return NULL;
	key = 1 | (uint64_t)kind << 1 | (uint64_t)h.v4 << 4 | (uint64_t)t.proto << 32 |
	      (any ? 0 : (uint64_t)t.dport << 16);
	at = plan_place(r, key, any ? &none : &t.dst);
	if (at == PLANS)
		return NULL;
	plan = &r->plans[at];
	if (!(r->plans_used >> at & 1)) {
		r->plans_used |= 1ull << at;
		*plan = (struct plan){ .key = key,
				       .dst = any ? none : t.dst,
				       .service = service,
				       .v4 = h.v4,
				       .proto = h.proto,
				       .kind = (uint8_t)kind,
				       .long_flags = FLAGS_CHANGE };
		plan_frames(plan, &r->port, any ? NULL : &t);
		if (!any)
			plan_service(r->w, plan, &t);
	}
	r->before = r->last;
	r->last = plan;
	return plan;
}

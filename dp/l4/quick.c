/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The three loops of the short way, and what becomes of packets in them. See quick.h.
 *
 * Whatever is found not to be usual, early or late, stays; so nothing is charged, counted or
 * written before the last check.
 */
#include "dp/l4/quick.h"

#include <netinet/in.h>

#include <rte_prefetch.h>

#include "dp/l4/balance.h"
#include "dp/l4/classify.h"
#include "dp/l4/connection.h"
#include "dp/l4/limit.h"
#include "dp/l4/quick_dsr.h"
#include "dp/l4/quick_nat.h"
#include "dp/l4/quick_run.h"
#include "dp/l4/steer.h"
#include "lib/maglev.h"

#define PREFETCH_AHEAD 4

/* ---- what a service does ---- */

/* By flags (FIN 1, SYN 2, RST 4, ACK 16) as bits of a word: what begins a connection, a SYN
 * without ACK; and what does anything else than go on in one, any of the first three. */
#define FLAGS_BEGIN  0x0000ccccu
#define FLAGS_CHANGE 0xfefefefeu

static enum plan_kind
plan_kind(const struct worker *w, const struct service *service, uint32_t index)
{
	const struct snapshot *s = w->snapshot;

	if (service->mode == MODE_NAT)
		return PLAN_NAT;
	if (forward_tracks(service->mode) || service->mode == MODE_PROXY ||
	    !balance_rests(s, index) || connections_of_service(w->connections, index))
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
plan_make(const struct worker *w, struct plan *plan)
{
	const struct snapshot *s = w->snapshot;
	const struct service *service = &s->services[plan->service];

	plan->kind = (uint8_t)plan_kind(w, service, plan->service);
	plan->mode = service->mode;
	plan->client_only = service->flags & SERVICE_HASH_CLIENT;
	plan->epoch = service->epoch;
	plan->pool = &s->pools[service->pool];
	plan->timeout_established = service->timeout_established;
	plan->timeout_udp = service->timeout_udp;
	plan->long_flags = plan->kind == PLAN_NAT ? FLAGS_CHANGE : FLAGS_BEGIN;
	plan_limits(s, plan);
}

/* Protocol, port and family: never 0. */
static inline uint64_t
plan_key(const struct tuple *t)
{
	return 1 | (uint64_t)t->dport << 16 | (uint64_t)t->proto << 32;
}

static inline bool
plan_is(const struct plan *plan, uint64_t key, const struct addr *dst)
{
	return plan->key == key && addr_equal(&plan->dst, dst);
}

/* Of packets that the last plan is not for. NULL: no service's and no backend's, or of one service
 * too many. */
static __rte_noinline struct plan *
plan_find(struct run *r, uint64_t key, const struct tuple *t, uint8_t in_port)
{
	uint32_t at = ((t->dst.w[3] ^ (uint32_t)(key >> 16)) * 0x9e3779b1u) >> 26, tries, service;
	struct plan *plan = &r->plans[at];

	for (tries = 0; r->plans_used >> at & 1; plan = &r->plans[at]) {
		if (plan_is(plan, key, &t->dst))
			return plan;
		if (++tries == PLAN_TRIES)
			return NULL;
		at = (at + 1) % PLANS;
	}
	service = classify_service(r->s, &t->dst, t->proto, t->dport);
	if (service == INDEX_NONE)
		return classify_is_answer(r->s, in_port, t) ? &r->reply : NULL;
	*plan = (struct plan){ .key = key, .dst = t->dst, .service = service };
	plan_make(r->w, plan);
	r->plans_used |= 1ull << at;
	return plan;
}

/* ---- look ---- */

/* The client of what stays is held: both addresses, as nobody has said which is the client's. */
static __rte_noinline void
stay_unseen(struct run *r, uint32_t i)
{
	const struct rte_mbuf *m = r->mbufs[i];
	const uint8_t *d = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t len = rte_pktmbuf_data_len(m), off = 14;
	struct addr src, dst;

	r->staying |= 1ull << i;
	if (len >= 18 && d[12] == 0x81 && d[13] == 0)
		off = 18;
	if (len < off + 20)
		return;
	if (d[off] >> 4 == 4) {
		src = addr_from_v4(quick32(d + off + 12));
		dst = addr_from_v4(quick32(d + off + 16));
	} else if (d[off] >> 4 == 6 && len >= off + 40) {
		src = addr_from_v6(d + off + 8);
		dst = addr_from_v6(d + off + 24);
	} else {
		return;
	}
	hold(&r->held, held_slot(&src));
	hold(&r->held, held_slot(&dst));
}

/* Another worker's packet. */
static void
send_away(struct run *r, struct rte_mbuf *m, uint8_t in_port, uint16_t owner)
{
	struct steered *steered = r->steered;

	m->packet_type = STEERED_RAW;
	m->port = in_port;
	steered->owners[steered->count] = owner;
	steered->mbufs[steered->count++] = m;
}

static uint16_t
owner_of(const struct run *r, const struct rte_mbuf *m, const struct addr *client, uint8_t in_port,
	 bool reply)
{
	const struct addr copy = *client;
	const struct steer_query query = { m, &copy, in_port, reply };

	return steer_client_owner(r->w, &query);
}

/* Where the plan's packets are remembered, on its way. */
static inline void
prepare(struct run *r, struct item *item, const struct tuple *t)
{
	struct plan *plan = item->plan;

	if (plan->kind == PLAN_NAT || plan->kind == PLAN_REPLY) {
		item->tuple = (uint8_t)r->n_tuples;
		r->tuples[r->n_tuples] = *t;
		r->tuple_at[r->n_tuples] = &r->tuples[r->n_tuples];
		r->n_tuples++;
	} else {
		item->flow_hash = balance_hash(t, plan->client_only);
		rte_prefetch0(
		    &plan->pool->candidate[maglev_row(item->flow_hash, plan->pool->rows)]);
	}
	if (plan->charges) {
		struct client_lookup *l = &r->lookups[r->n_lookups];

		item->lookup = (uint8_t)r->n_lookups++;
		limit_client_prefix(plan->limits, &t->src, &l->key.prefix);
		l->key.service = plan->service;
		l->key.epoch = plan->epoch;
		client_lookup_begin(r->w->clients, l);
	}
}

/* False: it stays. */
static inline bool
look(struct run *r, uint32_t i, uint8_t in_port)
{
	struct item *item = &r->items[r->n_items];
	struct rte_mbuf *m = r->mbufs[i];
	struct quick_headers h;
	struct addr client;
	struct plan *plan;
	struct tuple t;
	uint16_t owner;
	uint64_t key;

	if (unlikely(!quick_look(&r->port, m, &h)))
		return false;
	quick_tuple(&h, &t);
	key = plan_key(&t);
	plan = r->last;
	if (unlikely(!plan_is(plan, key, &t.dst))) {
		const struct tuple copy = t; /* so that t itself stays in registers */

		plan = plan_find(r, key, &copy, in_port);
	}
	if (unlikely(!plan || plan->kind == PLAN_LONG ||
		     (plan->long_flags >> (h.tcp_flags & 31) & 1)))
		return false;
	client = plan == &r->reply ? t.dst : t.src;
	item->held = held_slot(&client);
	if (unlikely(is_held(&r->held, item->held)) ||
	    unlikely(classify_spoofed(r->s, &t.src, &t.dst)))
		return false;
	if (plan != &r->reply)
		r->last = plan;
	if (unlikely(r->steered)) {
		owner = owner_of(r, m, &client, in_port, plan == &r->reply);
		if (unlikely(owner == STEER_UNPROVEN))
			return false;
		if (owner != r->w->index) {
			send_away(r, m, in_port, owner);
			return true;
		}
	}
	item->mbuf = m;
	item->plan = plan;
	item->ip_len = (uint16_t)h.ip_len;
	item->position = (uint8_t)i;
	item->proto = h.proto;
	item->v4 = h.v4;
	item->df = h.df;
	item->fate = FATE_OPEN;
	r->n_items++;
	if (unlikely(plan->access) && !limit_lists_allow(plan->limits, &t.src)) {
		item->fate = FATE_DROPPED;
		item->reason = DROP_DENIED;
		return true;
	}
	prepare(r, item, &t);
	return true;
}

/* ---- fetch ---- */

static inline void
stay(struct run *r, struct item *item)
{
	item->fate = FATE_STAYS;
	r->staying |= 1ull << item->position;
	hold(&r->held, item->held);
}

static void
fetch(struct run *r)
{
	const struct backend_stats *stats = r->w->backend_stats;
	struct item *item;

	if (r->n_lookups)
		client_lookups_fetch(r->w->clients, r->lookups, r->n_lookups);
	if (r->n_tuples)
		connections_lookup(r->w, r->tuple_at, r->n_tuples, r->hits);
	for (item = r->items; item < &r->items[r->n_items]; item++) {
		const struct plan *plan = item->plan;

		if (item->fate != FATE_OPEN || (plan->kind != PLAN_TUNNEL && plan->kind != PLAN_L2))
			continue;
		item->backend =
		    balance_member(r->s, plan->pool, pool_candidate(plan->pool, item->flow_hash));
		if (unlikely(item->backend == INDEX_NONE))
			continue;
		rte_prefetch0(&r->s->backends[item->backend]);
		rte_prefetch0(&stats[item->backend]);
	}
}

/* ---- carry out ---- */

static void
carry_out(struct run *r)
{
	bool done;
	struct item *item;

	for (item = r->items; item < &r->items[r->n_items]; item++) {
		if (unlikely(item->fate != FATE_OPEN))
			continue;
		if (unlikely(is_held(&r->held, item->held))) {
			stay(r, item);
			continue;
		}
		switch ((enum plan_kind)item->plan->kind) {
		case PLAN_TUNNEL:
			done = quick_tunnel(r, item);
			break;
		case PLAN_L2:
			done = quick_l2(r, item);
			break;
		case PLAN_NAT:
			done = quick_nat(r, item);
			break;
		case PLAN_REPLY:
			done = quick_reply(r, item);
			break;
		default:
			done = false;
			break;
		}
		if (unlikely(!done))
			stay(r, item);
	}
}

/* ---- the rest ---- */

static void
count(struct run *r)
{
	struct worker *w = r->w;
	uint64_t used;

	for (used = r->plans_used; used; used &= used - 1) {
		const struct plan *plan = &r->plans[__builtin_ctzll(used)];

		w->service_stats[plan->service].packets_in += plan->packets;
		w->service_stats[plan->service].bytes_in += plan->bytes;
	}
}

static void
drop_refused(struct run *r)
{
	struct item *item;

	for (item = r->items; item < &r->items[r->n_items]; item++) {
		if (item->fate != FATE_DROPPED)
			continue;
		worker_count_drop(r->w, item->plan->service, (enum drop_reason)item->reason);
		r->dropped[r->n_dropped++] = item->mbuf;
	}
	if (r->n_dropped)
		rte_pktmbuf_free_bulk(r->dropped, r->n_dropped);
}

/* Who it was, before the frames go. */
static uint32_t
see(const struct run *r, struct heaviest_sample *sample)
{
	uint32_t i;

	heaviest_choose(r->w, r->n_items, sample);
	for (i = 0; i < sample->n; i++) {
		const struct item *item = &r->items[sample->seen[i].index];
		const uint8_t *d = rte_pktmbuf_mtod(item->mbuf, const uint8_t *);

		sample->seen[i].client =
		    item->v4 ? addr_from_v4(quick32(d + 26)) : addr_from_v6(d + 22);
	}
	return sample->n;
}

static void
count_heaviest(const struct run *r, struct heaviest_sample *sample)
{
	uint32_t i, n = 0;

	for (i = 0; i < sample->n; i++) {
		struct heaviest_seen *seen = &sample->seen[i];
		const struct item *item = &r->items[seen->index];

		if (item->fate == FATE_STAYS || item->plan == &r->reply)
			continue;
		sample->seen[n] = (struct heaviest_seen){
			.client = seen->client,
			.service = item->plan->service,
			.bytes = item->ip_len,
			.reason = item->fate == FATE_DROPPED ? item->reason : DROP_REASON_COUNT,
		};
		n++;
	}
	sample->n = n;
	heaviest_count(r->w, sample);
}

static void
begin(struct run *r, struct worker *w, struct rte_mbuf **mbufs)
{
	r->w = w;
	r->s = w->snapshot;
	r->mbufs = mbufs;
	r->staying = 0;
	r->n_items = r->n_lookups = r->n_tuples = r->n_dropped = 0;
	r->plans_used = 0;
	r->held.any = false;
	r->reply =
	    (struct plan){ .kind = PLAN_REPLY, .service = INDEX_NONE, .long_flags = FLAGS_CHANGE };
	r->last = &r->reply;
}

static uint16_t
end(struct run *r)
{
	struct heaviest_sample sample;
	uint64_t staying;
	uint16_t n = 0;

	if (r->n_items) {
		see(r, &sample);
		fetch(r);
		carry_out(r);
		drop_refused(r);
		count(r);
		count_heaviest(r, &sample);
	}
	for (staying = r->staying; staying; staying &= staying - 1)
		r->mbufs[n++] = r->mbufs[__builtin_ctzll(staying)];
	return n;
}

uint16_t
quick_received(struct worker *w, uint8_t port, struct rte_mbuf **mbufs, uint16_t n,
	       struct steered *steered)
{
	struct run r;
	uint32_t i;

	begin(&r, w, mbufs);
	r.steered = w->snapshot->n_workers > 1 ? steered : NULL;
	r.port = quick_begin(&w->snapshot->ports[port], port);
	for (i = 0; i < n; i++) {
		if (i + PREFETCH_AHEAD < n)
			rte_prefetch0(rte_pktmbuf_mtod(mbufs[i + PREFETCH_AHEAD], void *));
		if (unlikely(!look(&r, i, port)))
			stay_unseen(&r, i);
	}
	return end(&r);
}

uint16_t
quick_steered(struct worker *w, struct rte_mbuf **mbufs, uint16_t n)
{
	uint16_t port = UINT16_MAX;
	struct run r;
	uint32_t i;

	begin(&r, w, mbufs);
	r.steered = NULL;
	for (i = 0; i < n; i++) {
		if (i + PREFETCH_AHEAD < n)
			rte_prefetch0(rte_pktmbuf_mtod(mbufs[i + PREFETCH_AHEAD], void *));
		if (unlikely(mbufs[i]->packet_type != STEERED_RAW)) {
			stay_unseen(&r, i);
			continue;
		}
		if (unlikely(mbufs[i]->port != port)) {
			port = mbufs[i]->port;
			r.port = quick_begin(&w->snapshot->ports[port], (uint8_t)port);
		}
		if (unlikely(!look(&r, i, (uint8_t)port)))
			stay_unseen(&r, i);
	}
	return end(&r);
}

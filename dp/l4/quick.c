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
#include "dp/l4/parse_quick.h"
#include "dp/l4/quick_dsr.h"
#include "dp/l4/quick_nat.h"
#include "dp/l4/quick_plan.h"
#include "dp/l4/quick_run.h"
#include "dp/l4/steer.h"
#include "lib/maglev.h"

#define PREFETCH_AHEAD 4

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
	hold(&r->held, held_slot(r->s, &src));
	hold(&r->held, held_slot(r->s, &dst));
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

/* A frame of a service whose packets all stay: its source is the client. */
static void
stay_whole(struct run *r, uint32_t i)
{
	const uint8_t *d = rte_pktmbuf_mtod(r->mbufs[i], const uint8_t *);
	struct addr src = r->last->v4 ? addr_from_v4(quick32(d + 26)) : addr_from_v6(d + 22);

	r->staying |= 1ull << i;
	hold(&r->held, held_slot(r->s, &src));
}

static uint16_t
owner_of(const struct run *r, const struct rte_mbuf *m, const struct addr *client, uint8_t in_port)
{
	const struct addr copy = *client;
	const struct steer_query query = { m, &copy, in_port, r->last->kind == PLAN_REPLY };

	return steer_client_owner(r->w, &query);
}

/* What is found out of a frame. */
struct seen {
	struct addr src, dst;
	uint32_t ports;
	uint32_t ip_len;
};

/* What of a frame that fits its plan is known at compile time. */
struct frame_form {
	bool v4, tcp, reply;
};

/* The transport header at l4, which is `left` bytes before the packet's end. */
static __rte_always_inline bool
transport_sound(const uint8_t *l4, int32_t left, bool tcp)
{
	int32_t len = tcp ? (l4[12] >> 4) * 4 : quick16(l4 + 4);

	return len >= (tcp ? 20 : 8) && len <= left;
}

/* FIN to ACK; of a frame that is too short for them they are anything. */
static __rte_always_inline uint32_t
flags_of(const uint8_t *l4, bool tcp)
{
	return tcp ? l4[13] & 31u : 0;
}

/* The rest of what quick_look asks, of a frame that fits its plan: lengths, checksum, source. */
static __rte_always_inline bool
sound(const struct rte_mbuf *m, const uint8_t *d, struct seen *seen, const struct frame_form form)
{
	uint32_t len = rte_pktmbuf_data_len(m), l4 = form.v4 ? QUICK_L4 : QUICK_L46;

	if (unlikely(m->nb_segs != 1 || (m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED)))
		return false;
	seen->ports = quick32(d + l4);
	seen->ip_len = form.v4 ? quick16(d + 16) : 40u + quick16(d + 18);
	seen->src = form.v4 ? addr_from_v4(quick32(d + 26)) : addr_from_v6(d + 22);
	seen->dst = form.v4 ? addr_from_v4(quick32(d + 30)) : addr_from_v6(d + 38);
	if (unlikely(seen->ip_len + QUICK_L3 > len || (!form.v4 && seen->ip_len > UINT16_MAX) ||
		     !transport_sound(d + l4, (int32_t)(seen->ip_len + QUICK_L3 - l4), form.tcp)))
		return false;
	if (!form.v4)
		return quick_single6(d + 22);
	return (quick_sum_good(d + QUICK_L3) ||
		(m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_GOOD) &&
	       quick_single4(d[26]);
}

/* Is the frame for this plan? Of legs and replies bytes do not tell enough. A leg may be a
 * service's of a prefix around: such a frame goes the long way, too, which it always may. */
static __rte_always_inline bool
plan_fits(const struct run *r, const struct plan *plan, const uint8_t *d, uint8_t in_port)
{
	struct tuple t;

	if (!match_fits(&plan->match, d))
		return false;
	if (likely(plan->kind != PLAN_REPLY && plan->kind != PLAN_LEG))
		return true;
	t.src = plan->v4 ? addr_from_v4(quick32(d + 26)) : addr_from_v6(d + 22);
	t.dst = plan->v4 ? addr_from_v4(quick32(d + 30)) : addr_from_v6(d + 38);
	return plan->kind == PLAN_LEG ? classify_is_local(r->s, &t.dst)
				      : classify_is_answer(r->s, in_port, &t);
}

/* Sets r->last. NULL: the packet goes the long way. */
static __rte_always_inline const struct plan *
plan_of(struct run *r, const struct rte_mbuf *m, uint8_t in_port)
{
	const uint8_t *d = rte_pktmbuf_mtod(m, const uint8_t *);
	struct plan *other;

	if (likely(plan_fits(r, r->last, d, in_port)))
		return r->last;
	if (!plan_fits(r, r->before, d, in_port))
		return plan_for(r, m, in_port);
	other = r->before;
	r->before = r->last;
	r->last = other;
	return other;
}

/* Where the plan's packets are remembered, on its way. */
static __rte_always_inline void
prepare(struct run *r, struct item *item, const struct seen *seen)
{
	struct plan *plan = item->plan;
	struct client_lookup *l;
	struct tuple *t;
	uint64_t rest;

	if (plan->kind >= PLAN_NAT) {
		item->tuple = (uint8_t)r->n_tuples;
		t = &r->tuples[r->n_tuples];
		rest = seen->ports | (uint64_t)plan->proto << 32;
		t->src = seen->src;
		t->dst = seen->dst;
		memcpy(&t->sport, &rest, sizeof(rest));
		r->tuple_at[r->n_tuples++] = t;
	} else {
		item->flow_hash =
		    balance_hash_from(&seen->src, seen->ports & plan->ports_mask, plan->hash_to);
		rte_prefetch0(
		    &plan->pool->candidate[maglev_row(item->flow_hash, plan->pool->rows)]);
	}
	if (plan->charges) {
		l = &r->lookups[r->n_lookups];
		item->lookup = (uint8_t)r->n_lookups++;
		limit_client_prefix(plan->limits, &seen->src, &l->key.prefix);
		l->key.owner = plan->owner;
		client_lookup_begin(r->w->clients, l);
	}
}

/* The packet fits r->last. False: it stays, and nobody has seen to that yet. */
static __rte_always_inline bool
look_as(struct run *r, uint32_t i, uint8_t in_port, const struct frame_form form)
{
	struct item *item = &r->items[r->n_items];
	struct rte_mbuf *m = r->mbufs[i];
	const uint8_t *d = rte_pktmbuf_mtod(m, const uint8_t *);
	const struct plan *plan = r->last;
	struct seen seen;
	struct addr client;
	uint16_t owner;

	if (unlikely(plan->long_flags >> flags_of(d + (form.v4 ? QUICK_L4 : QUICK_L46), form.tcp) &
		     1) ||
	    unlikely(!sound(m, d, &seen, form)) ||
	    unlikely(classify_spoofed_as(r->s, &seen.src, &seen.dst, form.v4)))
		return false;
	client = form.reply ? seen.dst : seen.src;
	if (unlikely(r->held.any) && is_held(&r->held, held_slot(r->s, &client)))
		return false;
	if (unlikely(r->steered)) {
		owner = owner_of(r, m, &client, in_port);
		if (unlikely(owner == STEER_UNPROVEN))
			return false;
		if (owner != r->w->index) {
			send_away(r, m, in_port, owner);
			return true;
		}
	}
	item->mbuf = m;
	item->plan = r->last;
	item->ip_len = (uint16_t)seen.ip_len;
	item->position = (uint8_t)i;
	item->df = form.v4 ? d[20] & 0x40 : 1;
	item->fate = FATE_OPEN;
	r->n_items++;
	if (unlikely(plan->access) && !limit_lists_allow(plan->limits, &seen.src)) {
		item->fate = FATE_DROPPED;
		item->reason = DROP_DENIED;
		r->refused = true;
		return true;
	}
	prepare(r, item, &seen);
	return true;
}

static __rte_always_inline bool
look_family(struct run *r, uint32_t i, uint8_t in_port, bool v4)
{
	bool udp = r->last->proto == IPPROTO_UDP;

	if (r->last->kind == PLAN_REPLY)
		return udp ? look_as(r, i, in_port, (struct frame_form){ v4, false, true })
			   : look_as(r, i, in_port, (struct frame_form){ v4, true, true });
	return udp ? look_as(r, i, in_port, (struct frame_form){ v4, false, false })
		   : look_as(r, i, in_port, (struct frame_form){ v4, true, false });
}

/* Is it a SYN that waits, or is dropped for want of room? */
static bool
syn_waits(struct run *r, uint32_t i, uint8_t in_port)
{
	struct plan *plan = r->last;
	const uint8_t *d = rte_pktmbuf_mtod(r->mbufs[i], const uint8_t *);
	uint32_t flags;

	if (likely(!plan->syns_wait))
		return false;
	flags = flags_of(d + (plan->v4 ? QUICK_L4 : QUICK_L46), true);
	if (plan->long_flags >> flags & 1)
		return false;
	if (syn_queue_put(&r->w->syns, r->mbufs[i], in_port))
		return true;
	plan->syns_dropped++;
	r->dropped[r->n_dropped++] = r->mbufs[i];
	return true;
}

/* The same, whatever the packet is. */
static __rte_always_inline bool
look(struct run *r, uint32_t i, uint8_t in_port)
{
	const struct plan *plan = plan_of(r, r->mbufs[i], in_port);

	if (unlikely(!plan || plan->kind == PLAN_LEG))
		return false;
	if (unlikely(plan->kind == PLAN_LONG)) {
		if (!syn_waits(r, i, in_port))
			stay_whole(r, i);
		return true;
	}
	if (plan->v4)
		return look_family(r, i, in_port, true);
	return look_family(r, i, in_port, false);
}

/* ---- fetch ---- */

static inline void
stay(struct run *r, struct item *item)
{
	item->fate = FATE_STAYS;
	r->staying |= 1ull << item->position;
	hold(&r->held, item_slot(r->s, item));
}

/* The backend that the row names, whether or not it may be chosen. */
static inline uint32_t
plan_backend(const struct plan *plan, uint32_t flow_hash)
{
	uint16_t member = pool_candidate(plan->pool, flow_hash);

	return likely(member < plan->pool->n_members) ? plan->pool->members[member] : INDEX_NONE;
}

static void
fetch(struct run *r)
{
	struct item *item;

	if (r->n_lookups)
		client_lookups_fetch(r->w->clients, r->lookups, r->n_lookups);
	if (r->n_tuples)
		connections_lookup(r->w, r->tuple_at, r->n_tuples, r->hits);
	for (item = r->items; item < &r->items[r->n_items]; item++) {
		const struct plan *plan = item->plan;

		if (unlikely(item->fate != FATE_OPEN) || plan->kind >= PLAN_NAT)
			continue;
		item->backend = plan_backend(plan, item->flow_hash);
		if (unlikely(item->backend >= r->s->n_backends)) {
			stay(r, item);
			continue;
		}
		rte_prefetch0(&r->w->tunnels[item->backend]);
		rte_prefetch0(&r->w->backend_stats[item->backend]);
	}
}

/* ---- carry out ---- */

/* Returns the item behind the last that has been seen to: the first itself if it stays. */
static inline struct item *
carry_out_from(struct run *r, struct item *item)
{
	if (unlikely(r->held.any)) {
		/* One after the other: each may be of a client that is held since the last. */
		if (is_held(&r->held, item_slot(r->s, item)))
			return item;
	}
	switch ((enum plan_kind)item->plan->kind) {
	case PLAN_TUNNEL:
		return quick_tunnels(r, item);
	case PLAN_L2:
		return item + quick_l2(r, item);
	case PLAN_NAT:
		return item + quick_nat(r, item);
	case PLAN_REPLY:
		return item + quick_reply(r, item);
	default:
		return item;
	}
}

static void
carry_out(struct run *r)
{
	const struct item *end = &r->items[r->n_items];
	struct item *item = r->items, *next;

	while (item < end) {
		next = item + 1;
		if (likely(item->fate == FATE_OPEN)) {
			next = carry_out_from(r, item);
			if (unlikely(next == item))
				stay(r, next++);
		}
		item = next;
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

		if (plan->service == INDEX_NONE)
			continue;
		w->service_stats[plan->service].packets_in += plan->packets;
		w->service_stats[plan->service].bytes_in += plan->bytes;
	}
}

static void
count_drops(const struct run *r, const struct item *first, uint32_t n)
{
	worker_count_drops(r->w, first->plan->service, (enum drop_reason)first->reason, n);
}

static void
drop_refused(struct run *r)
{
	const struct item *item, *end = &r->items[r->n_items], *first = NULL;
	uint32_t n = 0;

	/* Counted by rows of what is alike. */
	for (item = r->items; item < end; item++) {
		if (item->fate != FATE_DROPPED)
			continue;
		if (n && (item->plan != first->plan || item->reason != first->reason)) {
			count_drops(r, first, n);
			n = 0;
		}
		first = n++ ? first : item;
		r->dropped[r->n_dropped++] = item->mbuf;
	}
	if (n)
		count_drops(r, first, n);
	if (r->n_dropped)
		rte_pktmbuf_free_bulk(r->dropped, r->n_dropped);
}

static void
drop_syns(struct run *r)
{
	uint64_t used;

	for (used = r->plans_used; used; used &= used - 1) {
		const struct plan *plan = &r->plans[__builtin_ctzll(used)];

		if (plan->syns_dropped)
			worker_count_drops(r->w, plan->service, DROP_SYN_FLOOD, plan->syns_dropped);
	}
	rte_pktmbuf_free_bulk(r->dropped, r->n_dropped);
	r->n_dropped = 0;
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
		    item->plan->v4 ? addr_from_v4(quick32(d + 26)) : addr_from_v6(d + 22);
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

		if (item->fate == FATE_STAYS || item->plan->kind == PLAN_REPLY)
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
	r->refused = false;
	r->held.any = false;
	plan_nobody(&r->nobody);
	r->last = r->before = &r->nobody;
}

static uint16_t
end(struct run *r)
{
	struct heaviest_sample sample;
	uint64_t staying;
	uint16_t n = 0;

	if (unlikely(r->n_dropped))
		drop_syns(r);
	if (r->n_items) {
		see(r, &sample);
		fetch(r);
		carry_out(r);
		if (r->refused)
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
		rte_prefetch0(rte_pktmbuf_mtod(mbufs[RTE_MIN(i + PREFETCH_AHEAD, n - 1u)], void *));
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

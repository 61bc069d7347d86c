/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The short way from inside: what is known of a burst under way. Lives on the stack of quick.c.
 *
 *     mbufs[i] ──look──> items[] ──> plan ──> what the service does
 *         │                 ├──> lookups[]: the client, where clients are limited
 *         │                 └──> tuples[], hits[]: the connection, in the nat modes
 *         └─ stays (bit i of `staying`): its client is in `held`
 */
#ifndef DP_L4_QUICK_RUN_H
#define DP_L4_QUICK_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "dp/l4/client_table.h"
#include "dp/l4/heaviest.h"
#include "dp/l4/parse_quick.h"
#include "dp/l4/quick.h"
#include "dp/packet.h"
#include "dp/worker.h"

enum plan_kind {
	PLAN_LONG, /* the service's packets go the long way */
	PLAN_LEG,  /* and so does what comes to an address that we connect from */
	PLAN_TUNNEL,
	PLAN_L2,
	PLAN_NAT,   /* from here on there is a connection */
	PLAN_REPLY, /* of nat backends: what to do is known when the connection is */
};

/* What frames of a plan have in common: what of their first bytes has to be how. */
#define MATCH_BYTES 32
struct match {
	_Alignas(32) uint8_t first[MATCH_BYTES], first_mask[MATCH_BYTES];
	uint8_t second[MATCH_BYTES], second_mask[MATCH_BYTES]; /* from byte `at` on */
	uint8_t at;
};

/* What a service does with its usual packets, for one burst. */
struct plan {
	struct match match;
	/* which packets: protocol, port; destination. Of legs and replies: family and protocol. */
	uint64_t key;
	struct addr dst;
	uint32_t service; /* INDEX_NONE: replies, legs */
	uint8_t kind;     /* enum plan_kind */
	uint8_t proto;
	uint8_t counted; /* enum connection_flags that an established connection has */
	bool v4;
	bool charges;        /* packets and bytes of clients are limited */
	bool access;         /* there are allow or deny lists */
	bool syns_wait;      /* in the queue of SYNs */
	uint8_t tunnel;      /* enum tunnel_kind */
	uint32_t mark;       /* tunnel_mark of it */
	uint32_t long_flags; /* bit f: TCP packets with flags f (FIN to ACK) go the long way */
	uint32_t ports_mask; /* of what is hashed: 0 for the client alone */
	uint64_t owner;      /* client_owner */
	uint64_t hash_to;
	const struct pool *pool;
	const struct service_limits *limits;
	uint64_t packet_cost;
	uint64_t timeout;
	/* so far in this burst */
	uint64_t packets, bytes;
	uint32_t syns_dropped;
};

enum fate {
	FATE_OPEN,
	FATE_LEFT,    /* on its way, and counted */
	FATE_DROPPED, /* for `reason` */
	FATE_STAYS,   /* for the long way */
};

struct item {
	struct rte_mbuf *mbuf;
	struct plan *plan;
	uint32_t flow_hash;
	uint32_t backend;
	uint16_t ip_len;
	uint8_t position; /* in mbufs */
	uint8_t lookup;   /* in lookups, if plan.charges */
	uint8_t tuple;    /* in tuples, nat */
	uint8_t df;       /* not 0: must not be fragmented */
	uint8_t fate;     /* enum fate */
	uint8_t reason;   /* enum drop_reason */
};

/* Clients by hash, a bit each: whose packets stay. */
#define HELD_BITS 512u
struct held {
	bool any;
	uint64_t bits[HELD_BITS / 64];
};

/* A client is what owns a bucket of limits: an address, or a /64; where some limits say less, all
 * count as one. */
static inline uint32_t
held_slot(const struct snapshot *s, const struct addr *a)
{
	bool v4 = addr_is_v4(a);
	uint64_t client = v4 ? a->q[1] : a->q[0];

	if (unlikely((v4 ? s->owner_prefix4 : s->owner_prefix6) != (v4 ? 128 : 64)))
		return 0;
	return (uint32_t)((client * 0x9e3779b97f4a7c15ull) >> 55);
}
static_assert(HELD_BITS == 1u << (64 - 55), "held_slot takes the high bits");

static inline bool
is_held(const struct held *h, uint32_t slot)
{
	return h->any && (h->bits[slot / 64] >> (slot % 64) & 1);
}

/* The slot of the item's client, as long as its frame is what it was. */
static inline uint32_t
item_slot(const struct snapshot *s, const struct item *item)
{
	const uint8_t *d = rte_pktmbuf_mtod(item->mbuf, const uint8_t *);
	bool reply = item->plan->kind == PLAN_REPLY;
	struct addr client;

	if (item->plan->v4)
		client = addr_from_v4(quick32(d + (reply ? 30 : 26)));
	else
		client = addr_from_v6(d + (reply ? 38 : 22));
	return held_slot(s, &client);
}

static inline void
hold(struct held *h, uint32_t slot)
{
	if (!h->any)
		memset(h->bits, 0, sizeof(h->bits));
	h->any = true;
	h->bits[slot / 64] |= 1ull << (slot % 64);
}

#define PLANS      64u
#define PLAN_TRIES 4u

struct run {
	struct worker *w;
	const struct snapshot *s;
	struct steered *steered; /* NULL: all packets are ours */
	struct rte_mbuf **mbufs;
	uint64_t staying; /* bit i: mbufs[i] */
	bool refused;     /* items have been */
	uint32_t n_items, n_lookups, n_tuples, n_dropped;
	struct plan *last, *before; /* of the packet before this one, and the other one before */
	uint64_t plans_used;        /* bit i: plans[i] */
	struct held held;
	struct quick port;
	struct plan nobody; /* fits no frame */
	struct plan plans[PLANS];
	struct item items[BURST_MAX];
	struct client_lookup lookups[BURST_MAX];
	struct tuple tuples[BURST_MAX];
	const struct tuple *tuple_at[BURST_MAX];
	uint32_t hits[BURST_MAX];
	struct rte_mbuf *dropped[BURST_MAX];
};

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stage rewrite: a packet whose backend (forward) or connection (reply) is known becomes what
 * leaves.
 */
#include "dp/l4/rewrite.h"

#include "dp/capture.h"
#include "dp/l4/encap.h"
#include "dp/l4/icmp.h"
#include "dp/l4/nexthop.h"
#include "dp/l4/split.h"
#include "dp/l4/stages.h"
#include "dp/transmit.h"

static bool
way_forward(struct worker *w, struct packet *p, struct way *way)
{
	const struct snapshot *s = w->snapshot;

	if (unlikely(p->service >= s->n_services || p->backend >= s->n_backends)) {
		packet_drop(p, DROP_NO_BACKEND);
		return false;
	}
	way->mode = s->services[p->service].mode;
	way->backend = &s->backends[p->backend];
	way->overhead = encap_overhead(way->mode, &way->backend->addr);
	way->connection = NULL;
	if (way->mode == MODE_NAT || way->mode == MODE_FULL_NAT) {
		if (unlikely(p->connection == INDEX_NONE)) {
			packet_drop(p, DROP_CONNECTION_UNKNOWN);
			return false;
		}
		way->connection = connection_at(w->connections, p->connection);
	}
	way->hop = nexthop_use(w, p, way->backend->nexthop, &way->backend->addr);
	return way->hop != NULL;
}

static bool
way_reply(struct worker *w, struct packet *p, struct way *way)
{
	if (unlikely(p->connection == INDEX_NONE)) {
		packet_drop(p, DROP_CONNECTION_UNKNOWN);
		return false;
	}
	way->connection = connection_at(w->connections, p->connection);
	way->mode = way->connection->flags & CONNECTION_FULL_NAT ? MODE_FULL_NAT : MODE_NAT;
	way->backend = NULL;
	way->overhead = 0;
	way->hop = nexthop_route(w, p, &way->connection->forward.src);
	return way->hop != NULL;
}

static uint8_t
hops_left(const struct packet *p)
{
	const uint8_t *ip = packet_at(p, p->l3);

	return p->flags & PACKET_V4 ? ip[8] : ip[7];
}

/* One call per mode. */
static __rte_always_inline void
rewrite_by_mode(struct worker *w, struct packet *p, const struct way *way)
{
	switch ((enum forward)way->mode) {
	case MODE_DSR_L2:
		nexthop_frame(w, p, way->hop, 0, p->flags & PACKET_V4);
		break;
	case MODE_DSR_IPIP:
		encap_ipip(w, p, way);
		break;
	case MODE_DSR_GUE:
		encap_gue(w, p, way);
		break;
	case MODE_NAT:
	case MODE_FULL_NAT:
		rewrite_nat(w, p, way);
		break;
	case MODE_PROXY: /* ends here: never forwarded */
		packet_drop(p, DROP_CONNECTION_UNKNOWN);
		break;
	}
}

/* Send p as pieces of at most max bytes each, in order. The last one takes p's place. */
static void
rewrite_pieces(struct worker *w, struct packet *p, const struct way *way, uint16_t max)
{
	struct packet whole = *p;
	struct packet piece;
	struct split split;

	if (!split_begin(&split, &whole, max)) {
		packet_drop(p, DROP_TOO_BIG);
		return;
	}
	while (!split_done(&split)) {
		if (!split_next(w, &split, &piece)) {
			packet_drop(p, DROP_MBUF_EXHAUSTED);
			return;
		}
		rewrite_by_mode(w, &piece, way);
		if (split_done(&split))
			break;
		if (piece.verdict == VERDICT_TRANSMIT) {
			capture_out(w, &piece);
			worker_transmit(w, piece.out_port, piece.mbuf);
		} else {
			worker_count_drop(w, piece.service, (enum drop_reason)piece.reason);
			rte_pktmbuf_free(piece.mbuf);
		}
	}
	rte_pktmbuf_free(whole.mbuf);
	*p = piece;
}

static void
rewrite_oversized(struct worker *w, struct packet *p, const struct way *way)
{
	uint16_t max = way->hop->mtu > way->overhead ? way->hop->mtu - way->overhead : 0;

	if (p->flags & PACKET_DF)
		icmp_too_big(w, p, max);
	else
		rewrite_pieces(w, p, way, max);
}

static void
rewrite_packet(struct worker *w, struct packet *p)
{
	struct way way;

	/* 1. Where to, and how. */
	if (!(p->direction == DIR_REPLY ? way_reply(w, p, &way) : way_forward(w, p, &way)))
		return;
	/* 2. A routed hop costs one of the packet's hops; a switched one does not. */
	if (unlikely(way.mode != MODE_DSR_L2 && hops_left(p) <= 1)) {
		icmp_time_exceeded(w, p);
		return;
	}
	/* 3. Does it fit? */
	if (unlikely((uint32_t)p->ip_len + way.overhead > way.hop->mtu)) {
		rewrite_oversized(w, p, &way);
		return;
	}
	/* 4. The bytes, and the Ethernet header. */
	rewrite_by_mode(w, p, &way);
}

void
stage_rewrite(struct worker *w, struct burst *b)
{
	struct packet *p;

	for (p = b->packets; p < &b->packets[b->count]; p++)
		if (p->verdict == VERDICT_CONTINUE)
			rewrite_packet(w, p);
}

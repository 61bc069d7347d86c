/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journey of a packet, stage by stage. A worker runs whole bursts: each stage walks all packets
 * whose verdict is still VERDICT_CONTINUE before the next stage begins.
 *
 * Packets as nearly all are do not take it: l4/quick.h does with them, in three loops, what these
 * stages would do, and what it leaves comes here. This page is what both have to obey.
 *
 *   port ─> parse ─> classify ─> echo ─> steer ─> fragment ──┐
 *           │        │           │       │    ▲   │          │
 *           host     host        answer  │    │   held       │
 *           drop     drop                ▼    │   drop       │
 *                          another worker's inbox            │
 *           ┌────────────────────────────────────────────────┘
 *           └─> limit ─> proxy ─> track ─> balance ─> rewrite ─> port
 *               │        │        │        │          │
 *               drop     TCP      host     answer     answer
 *                        drop              drop       drop, wait
 *
 * "TCP" is the worker's own: a listener's connection ends there, and goes on in proxy/proxy.h as
 * it is, or in l7/session.c as HTTP. "host" is the twin's queue. What
 * finds no Ethernet address for its next hop waits (l4/waiting.h) and is rewritten again. A packet
 * from an inbox is classified anew, by this worker's snapshot; one that finds an inbox full is
 * dropped. Before rewrite, who sent what is counted (l4/heaviest.h).
 *
 * Only this file acts on verdicts.
 */
#include "dp/pipeline.h"

#include <rte_ethdev.h>
#include <rte_ring.h>

#include "dp/capture.h"
#include "dp/l4/client_table.h"
#include "dp/l4/connection.h"
#include "dp/l4/explain.h"
#include "dp/l4/fragment.h"
#include "dp/l4/heaviest.h"
#include "dp/l4/parse.h"
#include "dp/l4/quick.h"
#include "dp/l4/stages.h"
#include "dp/l4/tunnel_error.h"
#include "dp/l4/waiting.h"
#include "dp/proxy/proxy.h"
#include "dp/transmit.h"

/* Dropped packets of a burst, to be freed together; and of the latest of them those that are
 * counted alike. */
struct dropped {
	uint16_t count, alike;
	uint8_t reason;
	uint32_t service;
	struct rte_mbuf *mbufs[BURST_MAX];
};

static inline void
begin_dropped(struct dropped *d)
{
	d->count = d->alike = 0;
	d->reason = 0;
	d->service = INDEX_NONE;
}

static void
count_dropped(struct worker *w, struct dropped *d)
{
	if (d->alike)
		worker_count_drops(w, d->service, (enum drop_reason)d->reason, d->alike);
	d->alike = 0;
}

static inline void
discard(struct worker *w, struct dropped *d, struct packet *p)
{
	bool waits = unlikely(p->reason == DROP_NEIGHBOUR_UNRESOLVED) && waiting_hold(w, p);

	capture_drop(w, p, waits);
	if (waits)
		return;
	if (p->service != d->service || p->reason != d->reason) {
		count_dropped(w, d);
		d->service = p->service;
		d->reason = p->reason;
	}
	d->alike++;
	d->mbufs[d->count++] = p->mbuf;
}

static void
end_dropped(struct worker *w, struct dropped *d)
{
	if (!d->count)
		return;
	count_dropped(w, d);
	rte_pktmbuf_free_bulk(d->mbufs, d->count);
}

static void
drop(struct worker *w, struct packet *p)
{
	struct dropped one;

	begin_dropped(&one);
	discard(w, &one, p);
	end_dropped(w, &one);
}

/* Put the mbuf into a ring together with its struct packet; false if the ring is full. */
static bool
hand_over(struct rte_ring *ring, struct packet *p)
{
	*packet_of_mbuf(p->mbuf) = *p;
	return rte_ring_enqueue(ring, p->mbuf) == 0;
}

static void
to_host(struct worker *w, struct packet *p)
{
	const struct port *port = &w->dataplane->ports[p->in_port];

	if (tunnel_error_translate(w, p)) {
		capture_out(w, p);
		worker_transmit(w, p->out_port, p->mbuf);
		return;
	}
	if (!port->to_host) {
		packet_drop(p, DROP_NO_SERVICE);
		drop(w, p);
		return;
	}
	if (!hand_over(port->to_host, p)) {
		packet_drop(p, DROP_HOST_RING_FULL);
		drop(w, p);
		return;
	}
	w->stats.ports[p->in_port].to_host++;
}

static void
gather(struct steered *s, struct packet *p)
{
	p->verdict = VERDICT_CONTINUE;
	*packet_of_mbuf(p->mbuf) = *p;
	p->mbuf->packet_type = STEERED_PARSED;
	s->owners[s->count] = p->owner;
	s->mbufs[s->count++] = p->mbuf;
}

/* The owner's inbox is full. A frame that was sent on as it came has no struct packet, and nobody
 * knows its service. */
static void
drop_steered(struct worker *w, struct rte_mbuf *m)
{
	struct packet *p = packet_of_mbuf(m);

	if (m->packet_type == STEERED_RAW) {
		worker_count_drop(w, INDEX_NONE, DROP_STEER_RING_FULL);
		rte_pktmbuf_free(m);
		return;
	}
	packet_drop(p, DROP_STEER_RING_FULL);
	drop(w, p);
}

/* In the order of their arrival, so that a client's stay in order. */
static void
to_owner(struct worker *w, uint16_t owner, struct rte_mbuf **mbufs, uint16_t count)
{
	unsigned int i, taken;

	taken = rte_ring_enqueue_burst(w->dataplane->workers[owner]->inbox, (void **)mbufs, count,
				       NULL);
	w->stats.steered_out += taken;
	for (i = taken; i < count; i++)
		drop_steered(w, mbufs[i]);
}

/* One owner after the other. */
static void
to_owners(struct worker *w, struct steered *s)
{
	struct rte_mbuf *mbufs[BURST_MAX];

	while (s->count > 0) {
		uint16_t owner = s->owners[0], others = 0, n = 0, i;

		for (i = 0; i < s->count; i++) {
			if (s->owners[i] == owner) {
				mbufs[n++] = s->mbufs[i];
				continue;
			}
			s->owners[others] = s->owners[i];
			s->mbufs[others++] = s->mbufs[i];
		}
		s->count = others;
		to_owner(w, owner, mbufs, n);
	}
}

/* As nearly always in the middle of the journey. */
static inline bool
all_go_on(const struct burst *b)
{
	uint32_t decided = VERDICT_CONTINUE;
	uint16_t i;

	static_assert(VERDICT_CONTINUE == 0, "any other sets a bit");
	for (i = 0; i < b->count; i++)
		decided |= b->packets[i].verdict;
	return decided == VERDICT_CONTINUE;
}

/* Act on the verdicts that end a packet's stay here, and close the gaps that they leave. */
static void
dispatch(struct worker *w, struct burst *b)
{
	struct steered steered;
	struct dropped dropped;
	uint16_t kept = 0;
	uint16_t i;

	capture_before_dispatch(w, b);
	if (all_go_on(b))
		return;
	steered.count = 0;
	begin_dropped(&dropped);
	for (i = 0; i < b->count; i++) {
		struct packet *p = &b->packets[i];

		switch ((enum verdict)p->verdict) {
		case VERDICT_CONTINUE:
			if (kept != i)
				b->packets[kept] = *p;
			kept++;
			break;
		case VERDICT_TRANSMIT:
			worker_transmit(w, p->out_port, p->mbuf);
			break;
		case VERDICT_DROP:
			discard(w, &dropped, p);
			break;
		case VERDICT_HOST:
			to_host(w, p);
			break;
		case VERDICT_STEER:
			gather(&steered, p);
			break;
		case VERDICT_TAKEN:
			break;
		}
	}
	b->count = kept;
	end_dropped(w, &dropped);
	to_owners(w, &steered);
}

/* The stages that need the client's private state; ends every packet's stay. */
static void
forward(struct worker *w, struct burst *b)
{
	if (!b->count)
		return;
	/* 5. may it come, and so much? */
	stage_limit(w, b);
	/* 6. what ends here: listeners' connections */
	if (stage_proxy(w, b)) { /* all of them: nothing is left to do but to count who sent them */
		stage_heaviest(w, b);
		b->count = 0;
		return;
	}
	/* 7. whose connection is it? */
	stage_track(w, b);
	capture_before_balance(w, b);
	/* 8. which backend? */
	stage_balance(w, b);
	stage_heaviest(w, b);
	/* 9. make it what leaves */
	stage_rewrite(w, b);
	/* 10. hand it to the port */
	dispatch(w, b);
}

/* Packets that have waited for their next hop's address. */
static void
retry(struct worker *w)
{
	struct burst *b = &w->burst;

	while (waiting_take(w, b)) {
		stage_rewrite(w, b);
		waiting_return(w, b);
		dispatch(w, b);
	}
}

/* The owner's part of the journey. */
static void
owned(struct worker *w, struct burst *b)
{
	if (!b->count)
		return;
	/* 4. fragments get their datagram's ports; those of full-nat answers may then belong to yet
	 * another worker */
	w->released.count = 0;
	if (stage_fragment(w, b, &w->released)) {
		stage_steer(w, b);
		dispatch(w, b);
		stage_steer(w, &w->released);
		dispatch(w, &w->released);
	}
	forward(w, b);
	forward(w, &w->released);
}

/* A port of whose frames all have stayed in so many bursts (it has to do with listeners) has the
 * short way tried in one of as many. */
#define STAYED 32

/* The short way, if it may be taken: how many packets stay for the long one, in front. */
static uint16_t
quickly(struct worker *w, uint8_t port, struct rte_mbuf **mbufs, uint16_t n)
{
	uint8_t *stayed = &w->stayed[port];
	struct steered steered;
	uint16_t left;

	if (unlikely(w->capture || w->long_way))
		return n;
	if (*stayed >= STAYED && !w->syns.flooded && ++*stayed < 2 * STAYED)
		return n;
	steered.count = 0;
	left = quick_received(w, port, mbufs, n, &steered);
	to_owners(w, &steered);
	if (left < n)
		*stayed = 0;
	else
		*stayed = *stayed >= STAYED ? STAYED : *stayed + 1;
	return left;
}

/* Frames of ports. */
static void
long_way(struct worker *w, struct burst *b)
{
	/* 1. what is it? */
	stage_parse(w, b);
	/* 2. whose is it? */
	stage_classify(w, b);
	capture_before_echo(w, b);
	stage_echo(w, b);
	/* 3. which worker owns the client? */
	stage_steer(w, b);
	dispatch(w, b);
	owned(w, b);
}

void
pipeline_received(struct worker *w, uint8_t port, struct rte_mbuf **mbufs, uint16_t n)
{
	struct burst *b = &w->burst;
	uint16_t i;

	/* 0. what is as nearly all are */
	b->count = quickly(w, port, mbufs, n);
	if (!b->count)
		return;
	for (i = 0; i < b->count; i++) {
		b->packets[i].mbuf = mbufs[i];
		b->packets[i].in_port = port;
	}
	long_way(w, b);
}

/* What another worker has only looked at becomes a packet here. */
static void
unpack(struct worker *w, struct packet *p, struct rte_mbuf *m)
{
	if (m->packet_type == STEERED_PARSED) {
		*p = *packet_of_mbuf(m);
		return;
	}
	p->mbuf = m;
	p->in_port = (uint8_t)m->port;
	parse_packet(w->snapshot, p);
}

void
pipeline_steered(struct worker *w, struct rte_mbuf **mbufs, uint16_t n)
{
	struct burst *b = &w->burst;
	uint16_t i;

	b->count = w->capture || w->long_way ? n : quick_steered(w, mbufs, n);
	if (!b->count)
		return;
	for (i = 0; i < b->count; i++)
		unpack(w, &b->packets[i], mbufs[i]);
	/* The worker that sent it may have had another snapshot: its service index may be gone. */
	stage_classify(w, b);
	dispatch(w, b);
	owned(w, b);
}

/* So many packets in an iteration: more may wait in the ports. */
#define MANY 8
/* Of SYNs that have waited: answered at once; what they may take, in cycles, some us, of an
 * iteration that brought nothing else, or took as long by itself; with many packets, so many of
 * these for each. */
#define SYNS         2u
#define SYN_CYCLES   5000u
#define SYNS_BETWEEN 64u

/* The first ones become a burst. */
static void
take_syns(struct syn_queue *q, struct burst *b, uint16_t most)
{
	for (b->count = 0; b->count < most; b->count++) {
		struct packet *p = &b->packets[b->count];

		p->mbuf = syn_queue_take(q, &p->in_port);
		if (!p->mbuf)
			break;
	}
}

/* What looking for the connections of the next ones reads is fetched while others are served. */
static void
fetch_syns(const struct worker *w, const struct syn_queue *q)
{
	uint8_t port;
	uint32_t i;

	for (i = 0; i < SYNS && i < q->count; i++) {
		const struct rte_mbuf *m = syn_queue_peek(q, i, &port);

		proxy_fetch_syn(w, m, port);
	}
}

bool
pipeline_answer_syns(struct worker *w, uint32_t n)
{
	struct syn_queue *q = &w->syns;
	uint32_t at_once = n < MANY ? SYNS : RTE_MIN(1 + n / SYNS_BETWEEN, (uint32_t)BURST_MAX);
	uint64_t begin, took, most = 0;

	if (likely(!q->count))
		return false;
	if (w->tx_full)
		return true;
	begin = rte_rdtsc();
	took = begin - w->began;
	if (!n || (n < MANY && took >= SYN_CYCLES))
		most = RTE_MIN(took, SYN_CYCLES);
	q->answering = true;
	do {
		take_syns(q, &w->burst, (uint16_t)at_once);
		long_way(w, &w->burst);
	} while (q->count && rte_rdtsc() - begin < most);
	q->answering = false;
	fetch_syns(w, q);
	return true;
}

static uint16_t
receive(struct worker *w, uint32_t port)
{
	const struct port *p = &w->dataplane->ports[port];
	struct port_stats *stats = &w->stats.ports[port];
	struct rte_mbuf *mbufs[BURST_MAX];
	uint64_t bytes = 0;
	uint16_t count, i;

	if (w->index >= p->rx_queues)
		return 0;
	count = rte_eth_rx_burst(p->port_id, w->index, mbufs, BURST_MAX);
	if (!count)
		return 0;
	for (i = 0; i < count; i++)
		bytes += rte_pktmbuf_pkt_len(mbufs[i]);
	stats->rx_packets += count;
	stats->rx_bytes += bytes;
	w->stats.packets_in += count;
	pipeline_received(w, (uint8_t)port, mbufs, count);
	return count;
}

static uint16_t
receive_steered(struct worker *w)
{
	struct rte_mbuf *mbufs[BURST_MAX];
	uint16_t count;

	count = (uint16_t)rte_ring_sc_dequeue_burst(w->inbox, (void **)mbufs, BURST_MAX, NULL);
	if (!count)
		return 0;
	w->stats.steered_in += count;
	pipeline_steered(w, mbufs, count);
	return count;
}

/* Frames of the kernel leave as they are. */
static uint16_t
receive_from_host(struct worker *w)
{
	struct rte_mbuf *mbufs[BURST_MAX];
	uint16_t count, i;

	count = (uint16_t)rte_ring_sc_dequeue_burst(w->from_host, (void **)mbufs, BURST_MAX, NULL);
	for (i = 0; i < count; i++) {
		uint8_t port = (uint8_t)mbufs[i]->port;

		w->stats.ports[port].from_host++;
		capture_frame(w, port, mbufs[i], CAPTURE_OUT_FROM_HOST);
		worker_transmit(w, port, mbufs[i]);
	}
	return count;
}

bool
pipeline_iterate(struct worker *w)
{
	uint32_t work = 0;
	uint32_t port;

	/* Before what has come later. */
	if (unlikely(w->tx_full))
		worker_flush_full(w);
	retry(w);
	for (port = 0; port < w->dataplane->n_ports; port++)
		work += receive(w, port);
	work += receive_steered(w);
	work += receive_from_host(w);
	work += proxy_iterate(w);
	connections_expire(w);
	fragments_expire(w);
	connections_answer(w, &w->query);
	explain_answer(w);
	client_table_count(w->clients, w->now);
	w->stats.clients = client_table_used(w->clients);
	heaviest_iterate(w);
	work += worker_flush(w);
	work += pipeline_answer_syns(w, work);
	capture_end(w);
	return work || w->tx_full;
}

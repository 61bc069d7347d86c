/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stage steer: which worker owns the packet's client?
 *
 *     forward                 owner of the source address
 *     nat reply               owner of the destination address
 *     full-nat reply          by our source address: its worker, or by port
 *     ... whose fragments     meet at the owner of the backend's address first, until stage
 *                             fragment knows the ports
 *
 * A card that hashes just that address with our key has done the sum already. It is believed after
 * HASH_PROVEN packets in a row have agreed with ours, and never again after one has not.
 */
#include "dp/l4/steer.h"

#include "dp/l4/stages.h"

/* True if the device's hash of this packet, which is no ICMP error, is of the client's whole
 * address, if it is what the driver says. */
static inline bool
hash_fits(const struct worker *w, const struct steer_query *q)
{
	const struct port *port = &w->dataplane->ports[q->in_port];
	const struct snapshot *s = w->snapshot;

	return (q->mbuf->ol_flags & RTE_MBUF_F_RX_RSS_HASH) &&
	       (q->reply ? port->rss_destination : port->rss_source) &&
	       (addr_is_v4(q->client) ? s->owner_prefix4 : s->owner_prefix6) == 128;
}

uint16_t
steer_client_owner(const struct worker *w, const struct steer_query *q)
{
	uint16_t proof = w->hash_proof[q->in_port];

	if (proof == HASH_WRONG || !hash_fits(w, q))
		return snapshot_owner(w->snapshot, q->client);
	if (proof < HASH_PROVEN)
		return STEER_UNPROVEN;
	return w->snapshot->owners[q->mbuf->hash.rss % OWNER_TABLE_SIZE];
}

/* Compare the device's hash with ours; the owner by ours. */
static uint16_t
prove_hash(struct worker *w, const struct packet *p)
{
	struct port_stats *stats = &w->stats.ports[p->in_port];
	const struct snapshot *s = w->snapshot;
	uint32_t hash = toeplitz_addr(s->toeplitz, packet_client(p));

	stats->hash_checked++;
	if (p->mbuf->hash.rss == hash) {
		w->hash_proof[p->in_port]++;
	} else {
		w->hash_proof[p->in_port] = HASH_WRONG;
		stats->hash_wrong++;
	}
	return s->owners[hash % OWNER_TABLE_SIZE];
}

/* The addresses of an error on the wire are those of a router and of the packet's sender: no card
 * knows the client. */
static uint16_t
owner_of_client(struct worker *w, const struct packet *p)
{
	const struct steer_query query = { p->mbuf, packet_client(p), p->in_port,
					   p->direction == DIR_REPLY };
	uint16_t owner;

	if (p->flags & PACKET_ICMP_ERROR)
		return snapshot_owner(w->snapshot, query.client);
	owner = steer_client_owner(w, &query);
	return owner == STEER_UNPROVEN ? prove_hash(w, p) : owner;
}

/* The source address of ours that the packet is sent to, or NULL. */
static const struct source *
local_source(const struct snapshot *s, const struct addr *dst)
{
	uint32_t i = lpm_lookup(s->destination_lpm, dst);
	const struct destination *d;

	if (i >= s->n_destinations)
		return NULL;
	d = &s->destinations[i];
	if (!(d->flags & DESTINATION_LOCAL) || d->source >= s->n_sources)
		return NULL;
	return &s->sources[d->source];
}

/* The owner of an answer to an address of ours, or SNAPSHOT_MAX_WORKERS: its client's owner. */
static uint16_t
owner_of_local(const struct snapshot *s, const struct packet *p)
{
	const struct source *source = local_source(s, &p->tuple.dst);

	if (!source)
		return SNAPSHOT_MAX_WORKERS;
	if ((p->flags & PACKET_FRAGMENT) && !p->frag_resolved)
		return snapshot_owner(s, &p->tuple.src);
	if (source->worker != SOURCE_BY_PORT)
		return source->worker;
	return snapshot_port_owner(s, p->tuple.dport);
}

static uint16_t
owner_of_reply(struct worker *w, const struct packet *p)
{
	uint16_t owner = owner_of_local(w->snapshot, p);

	return owner < SNAPSHOT_MAX_WORKERS ? owner : owner_of_client(w, p);
}

uint16_t
steer_owner(const struct snapshot *s, const struct packet *p)
{
	uint16_t owner = SNAPSHOT_MAX_WORKERS;

	if (p->direction == DIR_REPLY)
		owner = owner_of_local(s, p);
	return owner < SNAPSHOT_MAX_WORKERS ? owner : snapshot_owner(s, packet_client(p));
}

void
stage_steer(struct worker *w, struct burst *b)
{
	bool alone = w->snapshot->n_workers == 1;
	uint16_t i;

	for (i = 0; i < b->count; i++) {
		struct packet *p = &b->packets[i];

		if (p->verdict != VERDICT_CONTINUE)
			continue;
		p->owner = w->index;
		if (alone)
			continue;
		p->owner = p->direction == DIR_REPLY ? owner_of_reply(w, p) : owner_of_client(w, p);
		if (p->owner != w->index)
			p->verdict = VERDICT_STEER;
	}
}

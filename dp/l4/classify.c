/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stage classify: whose packet is it?
 *
 *     destination has a service on the port         forward
 *     source is a nat backend, destination no own   reply (its connection may still be unknown)
 *     address, or one that we connect from
 *     echo request to a service address             answered by stage echo
 *     anything else                                 the host's
 *
 * What is not the host's must not come from one of our own addresses.
 */
#include "dp/l4/classify.h"

#include <netinet/in.h>

#include "dp/l4/stages.h"

static uint32_t
service_here(const struct snapshot *s, const struct destination *d, uint8_t protocol, uint16_t port)
{
	const struct destination_port *table = s->destination_ports + d->ports_first;
	uint32_t at = destination_port_hash(protocol, port);
	uint32_t tries;

	for (tries = 0; tries <= d->ports_mask; tries++, at++) {
		const struct destination_port *e = &table[at & d->ports_mask];

		if (!e->protocol)
			break;
		if (e->port == port && e->protocol == protocol)
			return e->service;
	}
	return protocol == IPPROTO_TCP ? d->all_tcp : d->all_udp;
}

static uint32_t
service_around(const struct snapshot *s, uint32_t destination, uint8_t protocol, uint16_t port)
{
	while (destination < s->n_destinations) {
		const struct destination *d = &s->destinations[destination];
		uint32_t service = service_here(s, d, protocol, port);

		if (service != INDEX_NONE)
			return service;
		destination = d->parent;
	}
	return INDEX_NONE;
}

static uint32_t
flags_around(const struct snapshot *s, uint32_t destination)
{
	uint32_t flags = 0;

	while (destination < s->n_destinations) {
		flags |= s->destinations[destination].flags;
		destination = s->destinations[destination].parent;
	}
	return flags;
}

uint32_t
classify_service(const struct snapshot *s, const struct addr *dst, uint8_t protocol, uint16_t port)
{
	return service_around(s, lpm_lookup(s->destination_lpm, dst), protocol, port);
}

uint32_t
classify_destination_flags(const struct snapshot *s, const struct addr *dst)
{
	return flags_around(s, lpm_lookup(s->destination_lpm, dst));
}

/* True if the packet may be a nat backend's answer to an address with these flags. */
static bool
may_answer(const struct snapshot *s, const struct packet *p, uint32_t flags)
{
	if (s->ports[p->in_port].side == PORT_SIDE_CLIENT)
		return false;
	if ((flags & DESTINATION_OWN) && !(flags & DESTINATION_LOCAL))
		return false;
	return lpm_lookup(s->nat_backends, &p->tuple.src) != LPM_NONE;
}

/* True if the packet may be for a connection of a listener to a backend that is in no pool any
 * more, which goes on all the same: it is to an address and a port that only listeners and full-nat
 * connect from. */
static bool
may_be_leg(const struct snapshot *s, const struct packet *p, uint32_t flags)
{
	uint16_t port = ntohs(p->tuple.dport);

	return (flags & DESTINATION_LOCAL) && p->tuple.proto == IPPROTO_TCP &&
	       s->ports[p->in_port].side != PORT_SIDE_CLIENT && port >= s->source_port_low &&
	       port <= s->source_port_high &&
	       (port < s->kernel_port_low || port > s->kernel_port_high);
}

static enum direction
direction_of_echo(uint32_t flags)
{
	return flags & DESTINATION_SERVICE ? DIR_FORWARD : DIR_NONE;
}

/* Of a fragment, whose ports may be unknown. A source address of ours may be a service's too; then
 * only the ports tell, and stage fragment asks again. */
static enum direction
direction_of_fragment(const struct snapshot *s, const struct packet *p, uint32_t flags)
{
	bool ambiguous = (flags & DESTINATION_LOCAL) || !(flags & DESTINATION_SERVICE);

	if (ambiguous && may_answer(s, p, flags))
		return DIR_REPLY;
	return flags & DESTINATION_SERVICE ? DIR_FORWARD : DIR_NONE;
}

/* Of a packet with ports. Sets service. */
static enum direction
direction_of_flow(const struct snapshot *s, struct packet *p, uint32_t destination)
{
	uint32_t flags;

	p->service = service_around(s, destination, p->tuple.proto, p->tuple.dport);
	if (p->service != INDEX_NONE)
		return DIR_FORWARD;
	flags = flags_around(s, destination);
	return may_answer(s, p, flags) || may_be_leg(s, p, flags) ? DIR_REPLY : DIR_NONE;
}

void
classify_packet(const struct snapshot *s, struct packet *p)
{
	uint32_t destination = lpm_lookup(s->destination_lpm, &p->tuple.dst);
	enum direction direction = DIR_NONE;

	p->service = INDEX_NONE;
	if (p->flags & PACKET_ECHO_REQUEST)
		direction = direction_of_echo(flags_around(s, destination));
	else if ((p->flags & PACKET_FRAGMENT) && !p->frag_resolved)
		direction = direction_of_fragment(s, p, flags_around(s, destination));
	else if (!(p->flags & PACKET_ICMP_OTHER))
		direction = direction_of_flow(s, p, destination);
	p->direction = (uint8_t)direction;
	if (direction == DIR_NONE)
		p->verdict = VERDICT_HOST;
	else if (classify_spoofed(s, &p->tuple.src, &p->tuple.dst))
		packet_drop(p, DROP_SPOOFED_SOURCE);
}

/* Flows to one service come in rows: what the packet before was found to be for. */
struct last {
	struct addr dst;
	uint32_t ports_proto; /* destination port and protocol */
	uint32_t service;
};

static inline uint32_t
port_and_protocol(const struct packet *p)
{
	return (uint32_t)p->tuple.dport << 16 | p->tuple.proto;
}

/* True if p is a forward packet of the same service as the last one; then it is classified. */
static inline bool
same_as_last(const struct snapshot *s, const struct last *last, struct packet *p)
{
	if (p->flags & (PACKET_ECHO_REQUEST | PACKET_FRAGMENT | PACKET_ICMP_OTHER) ||
	    port_and_protocol(p) != last->ports_proto || !addr_equal(&p->tuple.dst, &last->dst))
		return false;
	p->service = last->service;
	p->direction = DIR_FORWARD;
	if (classify_spoofed(s, &p->tuple.src, &p->tuple.dst))
		packet_drop(p, DROP_SPOOFED_SOURCE);
	return true;
}

void
stage_classify(struct worker *w, struct burst *b)
{
	struct last last = { .ports_proto = UINT32_MAX };
	uint16_t i;

	for (i = 0; i < b->count; i++) {
		struct packet *p = &b->packets[i];

		if (p->verdict != VERDICT_CONTINUE || same_as_last(w->snapshot, &last, p))
			continue;
		classify_packet(w->snapshot, p);
		if (p->direction != DIR_FORWARD || p->service == INDEX_NONE)
			continue;
		last.dst = p->tuple.dst;
		last.ports_proto = port_and_protocol(p);
		last.service = p->service;
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose packet is it: the answer for one packet, and the service that lives at a destination. Reads
 * the snapshot only; any thread that holds one.
 */
#ifndef DP_L4_CLASSIFY_H
#define DP_L4_CLASSIFY_H

#include <rte_branch_prediction.h>

#include "dp/packet.h"
#include "dp/snapshot.h"

/* The service at an address for a protocol and a port (network byte order): the exact port, then
 * the one for all ports, then the same in the prefix around. Index in snapshot.services, or
 * INDEX_NONE. */
uint32_t classify_service(const struct snapshot *s, const struct addr *dst, uint8_t protocol,
			  uint16_t port);

/* Flags (enum destination_flags) of all destinations that contain the address; 0: not ours. */
uint32_t classify_destination_flags(const struct snapshot *s, const struct addr *dst);

/* Set direction, service and verdict of one parsed packet. A fragment that has not been through
 * stage fragment (frag_resolved) goes on if it may be ours, by its addresses alone; so the first
 * and the later fragments of a datagram get the same direction. */
void classify_packet(const struct snapshot *s, struct packet *p);

/* Is what destination_lpm says of an address that only we and our backends have it? A service's
 * prefix may well contain clients, so only single addresses count there. */
static inline bool
classify_is_ours(const struct snapshot *s, uint32_t found)
{
	const struct destination *d;

	if (likely(found >= s->n_destinations))
		return false;
	d = &s->destinations[found];
	return (d->flags & (DESTINATION_OWN | DESTINATION_LOCAL)) ||
	       ((d->flags & DESTINATION_SERVICE) && d->prefix_len == 128);
}

/* True if it is one that we connect from, and no service is there. */
static inline bool
classify_is_local(const struct snapshot *s, const struct addr *dst)
{
	uint32_t found = lpm_lookup(s->destination_lpm, dst);

	return found < s->n_destinations &&
	       (s->destinations[found].flags & (DESTINATION_LOCAL | DESTINATION_SERVICE)) ==
		   DESTINATION_LOCAL;
}

/* True if the source is such an address, or is the destination itself. */
static inline bool
classify_spoofed(const struct snapshot *s, const struct addr *src, const struct addr *dst)
{
	return addr_equal(src, dst) || classify_is_ours(s, lpm_lookup(s->destination_lpm, src));
}

/* The same of two IPv4 addresses, or of two that are not. v4 is a constant. */
static __rte_always_inline bool
classify_spoofed_as(const struct snapshot *s, const struct addr *src, const struct addr *dst,
		    bool v4)
{
	bool same = v4 ? src->w[3] == dst->w[3] : addr_equal(src, dst);

	return same || classify_is_ours(s, lpm_lookup_as(s->destination_lpm, src, v4));
}

/* True if a whole packet of this tuple, which came in by in_port, is a nat backend's answer to a
 * client, whatever else: neither a service nor we are at its destination. */
static inline bool
classify_is_answer(const struct snapshot *s, uint8_t in_port, const struct tuple *t)
{
	return s->ports[in_port].side != PORT_SIDE_CLIENT &&
	       lpm_lookup(s->nat_backends, &t->src) != LPM_NONE &&
	       lpm_lookup(s->destination_lpm, &t->dst) == LPM_NONE;
}

#endif

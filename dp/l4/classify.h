/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose packet is it: the answer for one packet, and the service that lives at a destination. Reads
 * the snapshot only; any thread that holds one.
 */
#ifndef DP_L4_CLASSIFY_H
#define DP_L4_CLASSIFY_H

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

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers of a new connection that others must not guess: the initial sequence number (RFC 6528),
 * where its timestamps begin (RFC 7323 5.4), and the order in which local ports are tried (RFC
 * 6056).
 *
 *     ISN = M + F(addresses, ports, key)      M advances by one each 4 us
 *
 * so that to outsiders it says nothing, while a new connection of the same ends begins behind the
 * last one. A tuple is taken as it is: both calls of one connection give it the same way round.
 *
 * Pure functions, any thread. The key is the instance's, and nobody else's.
 */
#ifndef DP_TCP_ISN_H
#define DP_TCP_ISN_H

#include <stdint.h>

#include "dp/packet.h"
#include "lib/siphash.h"

/* The initial sequence number for a connection opened at now (ns). */
uint32_t isn_make(const struct siphash_key *key, const struct tuple *tuple, uint64_t now);

/* What is added to the clock of timestamps. The same for all connections of two addresses, so that
 * a new connection's timestamps are later than those of the last one that had its ports (RFC 6191
 * wants that to reopen one in TIME-WAIT). */
uint32_t isn_timestamp_offset(const struct siphash_key *key, const struct tuple *tuple);

/* The clock of timestamps: milliseconds, plus the connection's offset (RFC 7323 5.4). */
static inline uint32_t
timestamp_at(uint64_t ns, uint32_t offset)
{
	return (uint32_t)(ns / 1000000) + offset;
}

/*
 * RFC 6056 3.3.4, algorithm 4 (double-hash port selection), over a list of n usable ports instead
 * of a range: the first attempt is at position order.first of the list, the next at the one after
 * it, round and round. `counters` belongs to the caller; the one that counts for this remote end
 * goes on by each attempt that was made.
 */
#define PORT_COUNTERS 256 /* T of the RFC */

struct port_order {
	uint32_t offset;   /* F() */
	uint32_t *counter; /* table[G()] */
};

/* sport of the tuple is not looked at (that is what is to be chosen); n > 0. */
struct port_order port_order_make(const struct siphash_key *key, const struct tuple *tuple,
				  uint32_t counters[PORT_COUNTERS]);
/* The position of the next attempt, 0..n-1; each of n attempts in a row gives another. */
static inline uint32_t
port_order_next(struct port_order *o, uint32_t n)
{
	return (uint32_t)(((uint64_t)o->offset + (*o->counter)++) % n);
}

#endif

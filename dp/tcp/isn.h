/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers of a new connection that others must not guess: the initial sequence number (RFC 6528),
 * and where its timestamps begin (RFC 7323 5.4). (Its local port is the caller's to choose, see
 * dp/l4/source_port.c.)
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

#endif

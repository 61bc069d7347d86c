/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fragmentation of an IPv4 packet that may be fragmented (RFC 791, 3.2).
 *
 * The packet stays as it is and is the caller's; pieces are new packets of their own, to be
 * rewritten like any other. On the worker's stack. Invariant:
 *     payloads of the pieces, one after the other = the packet's payload
 */
#ifndef DP_L4_SPLIT_H
#define DP_L4_SPLIT_H

#include <stdbool.h>
#include <stdint.h>

#include "dp/packet.h"
#include "dp/worker.h"

#define SPLIT_HEADER_MAX 60

struct split {
	const struct packet *packet;
	uint16_t max;     /* bytes of a piece, IP header included */
	uint16_t payload; /* of the packet */
	uint16_t at;      /* how much of it has become pieces */
	uint16_t base;    /* the packet's own fragment offset, in units of 8 bytes */
	uint8_t first_len, later_len;
	uint8_t first[SPLIT_HEADER_MAX]; /* IP header of the packet */
	uint8_t later[SPLIT_HEADER_MAX]; /* ... of pieces after the first: options that are to be
					    copied */
};

/* False if max is too small to make progress. */
bool split_begin(struct split *s, const struct packet *p, uint16_t max);
static inline bool
split_done(const struct split *s)
{
	return s->at == s->payload;
}
/* The next piece; its frame begins with the IP header. False without memory. */
bool split_next(struct worker *w, struct split *s, struct packet *piece);

#endif

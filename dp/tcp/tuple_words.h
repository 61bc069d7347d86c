/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tuple's addresses for SipHash, in words that are full: one of both IPv4 addresses, or four. So
 * what is hashed per connection takes as few rounds as it can. Which it was is for the caller to
 * say in a later word, if all that he hashes is not of one kind.
 *
 * In the byte order of the machine: such hashes are of use to the process that made them.
 *
 * Pure function, any thread.
 */
#ifndef DP_TCP_TUPLE_WORDS_H
#define DP_TCP_TUPLE_WORDS_H

#include <stdint.h>

#include "dp/packet.h"
#include "lib/siphash.h"

/* 4 or 6: the family. */
static inline uint32_t
siphash_addresses(struct siphash_state *s, const struct tuple *tuple)
{
	if (addr_is_v4(&tuple->src)) {
		siphash_word(s, (uint64_t)tuple->src.w[3] << 32 | tuple->dst.w[3]);
		return 4;
	}
	siphash_word(s, tuple->src.q[0]);
	siphash_word(s, tuple->src.q[1]);
	siphash_word(s, tuple->dst.q[0]);
	siphash_word(s, tuple->dst.q[1]);
	return 6;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SYN cookies (RFC 4987 3.6): a half-open connection kept by the peer, in our initial sequence
 * number and, if it does timestamps, in the lowest 6 bits of ours, which it sends back.
 *
 *     sequence number   31 30 | 29 .. 26 | 25 ........................... 0
 *                       age   | MSS      | MAC of tuple, peer's ISN, age, MSS and the options
 *
 *     timestamp         5    | 4    | 3 .......... 0
 *                       ECN  | SACK | window scale (15: none)
 *
 * The age counts 64 s. A cookie holds for that during which it was made and the next. The MAC
 * covers the options too: what comes back is taken whole or not at all. A guess succeeds once in
 * 2^27 attempts, so whoever floods with guesses is to be counted and bounded by the caller.
 *
 * Pure functions, any thread. The key is the instance's, and only for this.
 */
#ifndef DP_TCP_COOKIE_H
#define DP_TCP_COOKIE_H

#include <stdbool.h>
#include <stdint.h>

#include "dp/packet.h"
#include "lib/siphash.h"

/* What the peer's SYN offered and we take. */
struct cookie_options {
	uint16_t mss;    /* rounded down to one of the 16 that a cookie can name, see cookie_mss */
	bool timestamps; /* without them the rest is lost: no window scale, SACK or ECN */
	bool sack, ecn;
	bool scaled;
	uint8_t window_scale; /* the peer's, if scaled */
};

/* Which connection: the same values come from the SYN and from the ACK that answers ours. */
struct cookie_ends {
	const struct tuple *tuple; /* the peer's packet's */
	uint32_t peer_isn;         /* SEG.SEQ of the SYN; SEG.SEQ - 1 of the ACK */
};

/* Our sequence number for the SYN-ACK. */
uint32_t cookie_make(const struct siphash_key *key, const struct cookie_ends *ends,
		     const struct cookie_options *options, uint64_t now);

/* The timestamp for the SYN-ACK, where it would be `timestamp` otherwise: at most 127 earlier, so
 * later ones of the connection follow it in order. */
uint32_t cookie_timestamp(const struct cookie_options *options, uint32_t timestamp);

/* The MSS that a cookie carries instead of this one; what is below 48 becomes 48. */
uint16_t cookie_mss(uint16_t mss);

/* Is `cookie` (SEG.ACK - 1) one of ours for these ends? timestamps: the ACK has them, and tsecr is
 * what it echoes. If so *options is what cookie_make was given. */
struct cookie_answer {
	uint32_t cookie;
	bool timestamps;
	uint32_t tsecr;
};
bool cookie_check(const struct siphash_key *key, const struct cookie_ends *ends,
		  const struct cookie_answer *answer, uint64_t now, struct cookie_options *options);

#endif

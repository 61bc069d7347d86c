/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options of a TCP header as a value: maximum segment size (RFC 9293 3.7.1), window scale and
 * timestamps (RFC 7323 2.2, 3.2), SACK permitted and SACK (RFC 2018). Bytes in, struct out, and
 * back. Others are skipped.
 *
 * Numbers are in host byte order. Pure functions, any thread.
 */
#ifndef DP_TCP_OPTIONS_H
#define DP_TCP_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#define OPTIONS_MAX      40 /* bytes of options in a header */
#define SACK_BLOCKS_MAX  4  /* that fit into them */
#define WINDOW_SCALE_MAX 14 /* RFC 7323 2.3 */

/* [left, right): right is the first sequence number that is missing again. */
struct sack_block {
	uint32_t left, right;
};

enum options_flags {
	OPTION_MSS = 1 << 0,
	OPTION_WINDOW_SCALE = 1 << 1,
	OPTION_SACK_PERMITTED = 1 << 2,
	OPTION_TIMESTAMPS = 1 << 3,
};

struct segment_options {
	uint8_t flags;        /* enum options_flags: which of the following are there */
	uint8_t window_scale; /* 0..WINDOW_SCALE_MAX: a larger one counts as 14 */
	uint16_t mss;         /* as sent; never 0 */
	uint32_t tsval, tsecr;
	uint8_t n_sack;                          /* 0: no SACK option */
	struct sack_block sack[SACK_BLOCKS_MAX]; /* as sent: any numbers at all */
};

/* Read `length` bytes (at most OPTIONS_MAX). Options that belong to a SYN are not seen in others,
 * and SACK not in a SYN; one of a known kind with the wrong length, or an MSS of 0, is as if it
 * were not there; of several of a kind the last counts. False: a length is impossible (below 2, or
 * beyond the end): what stood before it is in *o. */
bool segment_options_parse(struct segment_options *o, const uint8_t *p, uint32_t length, bool syn);

/* Write what o holds, padded with NOPs to a multiple of 4; the length. SACK blocks that do not fit
 * are left out, the last first. So a header with timestamps has 3 of them, one without 4. */
uint32_t options_build(const struct segment_options *o, uint8_t out[OPTIONS_MAX]);
/* The length that options_build will return. */
uint32_t options_length(const struct segment_options *o);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of TCP segments as a Linux peer would send them: timestamps in each, and in a SYN what one
 * offers nowadays. Data is always the same byte, so its sum is known beforehand and a segment costs
 * little more than its headers.
 */
#ifndef BENCH_PROXY_FRAME_H
#define BENCH_PROXY_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "dp/packet.h"

#define MESSAGE     64   /* bytes of a request, and of an answer */
#define SEGMENT     1448 /* bytes of data in a full segment, IPv4 */
#define SEGMENT_V6  1428
#define TIMESTAMPS  12 /* bytes of the option in each segment */
#define DATA_BYTE   'x'
#define SCALE       7 /* window scale that we offer */
#define WINDOW_FULL 65535
#define FLAG_PSH    0x08

/* Data that is not all the same byte, with its sum. */
struct text {
	uint16_t length;
	uint64_t sum;
	const uint8_t *bytes;
};

/* A segment, either way. */
struct segment {
	struct addr src, dst;
	uint16_t sport, dport; /* network byte order */
	uint32_t seq, ack;
	uint32_t ts_value, ts_echo;
	uint16_t window; /* as in the header */
	uint16_t data;   /* bytes */
	uint8_t flags;
	uint8_t scale; /* of a SYN that came in; 0: none */
	uint16_t mss;  /* the same */
	const uint8_t *bytes;
	const struct text *text; /* of data that goes out; NULL: DATA_BYTE */
};

struct frames {
	bool v6;
	uint8_t ethernet[14];
	uint16_t dirty; /* bytes of a buffer's data that other segments may have written */
	uint64_t data_sum[SEGMENT / 4 + 1]; /* by data / 4 */
};

void frames_init(struct frames *f, bool v6, const uint8_t to[6]);
/* Once for each buffer that frame_write is given: data lies there already. */
void frame_prepare(struct rte_mbuf *m);
/* Sums of a text's bytes. */
void text_init(struct text *t, const uint8_t *bytes, uint16_t length);
/* Without text, s->data is 0 or a multiple of 4. */
void frame_write(const struct frames *f, struct rte_mbuf *m, const struct segment *s);
/* False: no TCP segment. */
bool frame_read(const struct rte_mbuf *m, struct segment *s);

#endif

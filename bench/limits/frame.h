/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An Ethernet frame with a TCP or UDP packet, of either family, with right checksums. Pure.
 */
#ifndef BENCH_LIMITS_FRAME_H
#define BENCH_LIMITS_FRAME_H

#include <stdint.h>

#include "dp/packet.h"

#define FRAME_L3 14 /* where the IP header is */

struct frame {
	const uint8_t *mac; /* destination */
	struct tuple tuple;
	uint8_t tcp_flags;
	uint16_t ip_len; /* headers and payload */
};

/* Write FRAME_L3 + ip_len bytes. */
void frame_write(const struct frame *f, uint8_t *bytes);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run of bytes, as segments of packets are: where they are read, and where what becomes of them
 * is written to. The bytes are the caller's.
 */
#ifndef LIB_TLS_PIECE_H
#define LIB_TLS_PIECE_H

#include <stdint.h>

struct tls_piece {
	const uint8_t *from;
	uint8_t *to; /* from, or elsewhere; not overlapping in another way */
	uint32_t length;
};

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What follows the answer to `capture` on the admin socket: frames, until one of the last kind.
 *
 *     kind | length | content
 *
 * kind and length are 32-bit numbers in network byte order. Value types, no I/O; any thread.
 */
#ifndef LIB_STREAM_H
#define LIB_STREAM_H

#include <stdint.h>
#include <string.h>

#define STREAM_HEADER     8
#define STREAM_LENGTH_MAX (4u << 20) /* a longer frame is none of ours */

enum stream_kind {
	STREAM_BLOCKS = 1, /* whole blocks of a pcapng file */
	STREAM_END = 2,    /* JSON: {"packets": N, "lost": N, "reason": "..."} */
};

static inline void
stream_header_write(uint8_t header[STREAM_HEADER], enum stream_kind kind, uint32_t length)
{
	const uint32_t words[2] = { __builtin_bswap32(kind), __builtin_bswap32(length) };

	memcpy(header, words, sizeof(words));
}

static inline void
stream_header_read(const uint8_t header[STREAM_HEADER], uint32_t *kind, uint32_t *length)
{
	uint32_t words[2];

	memcpy(words, header, sizeof(words));
	*kind = __builtin_bswap32(words[0]);
	*length = __builtin_bswap32(words[1]);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The chunked coding (RFC 9112 7.1), decoded where it lies: pieces of any size come in, and for
 * each the decoder says which of its bytes are payload or trailer section, so that payload can go
 * on without being copied. And the framing of chunks that we write.
 *
 * Strict: sizes are hexadecimal digits and nothing else, lines end with CR LF. Extensions are
 * allowed, skipped and bounded, for each line and for the body.
 *
 * The caller owns the state, 24 bytes. Pure, any thread. Invariant: wherever a body is cut into
 * pieces, the same bytes are payload, the same are trailer section, and it ends or is bad at the
 * same byte for the same reason.
 */
#ifndef LIB_HTTP_CHUNKED_H
#define LIB_HTTP_CHUNKED_H

#include <stddef.h>
#include <stdint.h>

#include "lib/http/bad.h"
#include "lib/http/head.h"

#define HTTP_CHUNK_LINE_MAX       256  /* bytes of extensions behind a size */
#define HTTP_CHUNK_EXTENSIONS_MAX 8192 /* ... and behind all sizes of a body */

/* All zero: at the beginning of a body. */
struct http_chunked {
	uint64_t left;       /* of the chunk; while its size is read: so far */
	uint16_t extensions; /* bytes of them in the body */
	uint16_t in_line;    /* ... and in this line */
	uint16_t trailer;    /* bytes of the trailer section, its end included */
	uint8_t state;       /* enum chunk_state */
	uint8_t digits;      /* of the size */
	uint8_t bad;         /* enum http_bad, after HTTP_BAD */
};

enum http_run_kind {
	HTTP_RUN_NONE,
	HTTP_RUN_PAYLOAD,
	HTTP_RUN_TRAILER, /* lines of the section and the empty line at its end: put together they
			     are what http_trailer_parse reads */
};

/* What a call took of its bytes. */
struct http_run {
	size_t used;       /* so many have been dealt with */
	size_t at, length; /* of these, the ones that are of `kind`; length > 0 but for RUN_NONE */
	uint8_t kind;      /* enum http_run_kind */
};

/* Take the next run of `len` bytes. HTTP_MORE: the body goes on, in the bytes behind run->used if
 * there are any left. HTTP_DONE: it has ended with the byte before run->used. `trailer_max` bounds
 * the trailer section. After HTTP_DONE or HTTP_BAD the answer stays and no byte is taken. */
enum http_result http_chunked_next(struct http_chunked *c, uint16_t trailer_max,
				   const uint8_t *bytes, size_t len, struct http_run *run);

/* How many bytes of payload come next in any case; 0: something else comes. For so many the decoder
 * looks at none, and they need not lie in one piece. */
uint64_t http_chunked_left(const struct http_chunked *c);

#define HTTP_CHUNK_HEADER_MAX 20

/* The line before a chunk of `size` bytes, with the CR LF that ends the chunk before it unless it
 * is the first. A size of 0 is the last chunk, which the trailer section and one more CR LF follow.
 * How long it is. */
size_t http_chunk_write(uint64_t size, bool first, uint8_t out[HTTP_CHUNK_HEADER_MAX]);

#endif

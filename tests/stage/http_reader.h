/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One direction of an HTTP/1 connection, read as its receiver does, by lib/http: what was said
 * becomes a text in which it does not show how bodies were framed or where the bytes were cut.
 *
 *     head as it came, without what says who the client is   (http_reader.whole: with it)
 *     body, decoded
 *     of a chunked body: "#", the trailer section, "#"
 *     at a FIN: "."; at a FIN within a message: "!"
 *
 * The owner frees it. One thread.
 */
#ifndef TESTS_STAGE_HTTP_READER_H
#define TESTS_STAGE_HTTP_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/http/chunked.h"
#include "lib/http/head.h"

struct http_text_buffer {
	char *bytes; /* ends with a NUL that is not counted */
	size_t length, room;
};

struct http_reader {
	bool requests;       /* else answers */
	bool whole;          /* all fields in `seen` */
	bool silent;         /* no bodies in `seen` */
	const char *methods; /* of the requests answered, one letter each: H for HEAD; NULL: no H */
	/* what has come */
	struct http_text_buffer seen, raw;
	uint32_t heads, messages; /* begun, and ended; interim answers are neither */
	uint64_t body;            /* bytes of the current or last one, */
	uint64_t sum;             /* and a sum of them: see http_reader_sum */
	uint16_t status;
	bool expects; /* the current request waits for 100 Continue */
	bool in_body, tunnel, ended;
	const char *bad; /* NULL: nothing that is not HTTP has come */
	struct http_head head;
	struct http_chunked chunked;
	uint64_t left;
	uint8_t kind;
	/* called at each head (bytes: what reader->head is of), and when a message is over */
	void (*on_head)(void *arg, const uint8_t *bytes);
	void (*on_end)(void *arg);
	void *arg;
};

void http_reader_feed(struct http_reader *r, const void *bytes, size_t length);
void http_reader_fin(struct http_reader *r);
void http_reader_free(struct http_reader *r);

/* Of a body so far, and one byte more. */
static inline uint64_t
http_reader_sum(uint64_t sum, uint8_t byte)
{
	return (sum ^ byte) * 0x100000001b3ull + 1;
}

void http_text_add(struct http_text_buffer *t, const void *bytes, size_t length);

#endif

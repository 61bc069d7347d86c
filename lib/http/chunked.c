/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/http/chunked.h"

#include <assert.h>

#include "lib/http/scan.h"

static_assert(sizeof(struct http_chunked) <= 32, "one for each message that is on its way");

#define DIGITS_MAX 16

/*
 *      SIZE --;--> EXTENSION              LINE --name--> NAME --:--> VALUE
 *       | CR         | CR                  ^ | CR                      | CR
 *      SIZE_LF <-----+                     | END_LF                    VALUE_LF
 *       | LF, size > 0     | LF, 0         |   | LF                      | LF
 *      DATA                +---------------+  DONE                      LINE
 *       | all of it
 *      DATA_CR -- DATA_LF --> SIZE
 */
enum chunk_state {
	CHUNK_SIZE,
	CHUNK_BLANK, /* white space behind a size: only an extension may follow */
	CHUNK_EXTENSION,
	CHUNK_SIZE_LF,
	CHUNK_DATA,
	CHUNK_DATA_CR,
	CHUNK_DATA_LF,
	TRAILER_LINE,
	TRAILER_NAME,
	TRAILER_VALUE,
	TRAILER_VALUE_LF,
	TRAILER_END_LF,
	CHUNK_DONE,
	CHUNK_BAD,
};

static enum chunk_state
bad(struct http_chunked *c, enum http_bad reason)
{
	c->bad = (uint8_t)reason;
	return CHUNK_BAD;
}

/* The value of a hexadecimal digit, or -1. */
static int
hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* ---- the line of a size ---------------------------------------------------------------------- */

/* One byte of it that is not of the size. */
static enum chunk_state
extension(struct http_chunked *c, enum chunk_state state)
{
	c->in_line++;
	c->extensions++;
	if (c->in_line > HTTP_CHUNK_LINE_MAX || c->extensions > HTTP_CHUNK_EXTENSIONS_MAX)
		return bad(c, HTTP_BAD_CHUNK_EXTENSIONS);
	return state;
}

/* 1*HEXDIG, then white space, ";" or CR */
static enum chunk_state
size_byte(struct http_chunked *c, uint8_t byte)
{
	int digit = hex_digit(byte);

	if (digit >= 0) {
		if (c->digits == 0)
			c->left = 0;
		if (c->digits == DIGITS_MAX || c->left > INT64_MAX >> 4)
			return bad(c, HTTP_BAD_CHUNK_TOO_LARGE);
		c->digits++;
		c->left = c->left << 4 | (uint64_t)digit;
		return CHUNK_SIZE;
	}
	if (c->digits == 0)
		return bad(c, HTTP_BAD_CHUNK_SIZE);
	switch (byte) {
	case '\r':
		return CHUNK_SIZE_LF;
	case ';':
		return extension(c, CHUNK_EXTENSION);
	case ' ':
	case '\t':
		return extension(c, CHUNK_BLANK);
	case '\n':
		return bad(c, HTTP_BAD_CHUNK_LINE);
	default:
		return bad(c, HTTP_BAD_CHUNK_SIZE);
	}
}

static enum chunk_state
blank_byte(struct http_chunked *c, uint8_t byte)
{
	if (byte == ' ' || byte == '\t')
		return extension(c, CHUNK_BLANK);
	return byte == ';' ? extension(c, CHUNK_EXTENSION) : bad(c, HTTP_BAD_CHUNK_SIZE);
}

/* Nobody reads what they say, only where they end. */
static enum chunk_state
extension_byte(struct http_chunked *c, uint8_t byte)
{
	if (scan_is_text(byte))
		return extension(c, CHUNK_EXTENSION);
	return byte == '\r' ? CHUNK_SIZE_LF : bad(c, HTTP_BAD_CHUNK_LINE);
}

static enum chunk_state
size_end(struct http_chunked *c, uint8_t byte)
{
	if (byte != '\n')
		return bad(c, HTTP_BAD_CHUNK_LINE);
	c->digits = 0;
	c->in_line = 0;
	return c->left > 0 ? CHUNK_DATA : TRAILER_LINE;
}

static enum chunk_state
data_end(struct http_chunked *c, uint8_t byte)
{
	if (c->state == CHUNK_DATA_CR)
		return byte == '\r' ? CHUNK_DATA_LF : bad(c, HTTP_BAD_CHUNK_END);
	return byte == '\n' ? CHUNK_SIZE : bad(c, HTTP_BAD_CHUNK_END);
}

/* One byte between two chunks. */
static enum chunk_state
between_byte(struct http_chunked *c, uint8_t byte)
{
	switch (c->state) {
	case CHUNK_SIZE:
		return size_byte(c, byte);
	case CHUNK_BLANK:
		return blank_byte(c, byte);
	case CHUNK_EXTENSION:
		return extension_byte(c, byte);
	case CHUNK_SIZE_LF:
		return size_end(c, byte);
	default:
		return data_end(c, byte);
	}
}

/* ---- the trailer section --------------------------------------------------------------------- */

static enum chunk_state
trailer_name(struct http_chunked *c, uint8_t byte)
{
	if (scan_in(SCAN_TOKEN, byte))
		return TRAILER_NAME;
	if (c->state == TRAILER_LINE && byte == '\r')
		return TRAILER_END_LF;
	return c->state == TRAILER_NAME && byte == ':' ? TRAILER_VALUE : bad(c, HTTP_BAD_TRAILER);
}

static enum chunk_state
trailer_byte(struct http_chunked *c, uint8_t byte)
{
	switch (c->state) {
	case TRAILER_LINE:
	case TRAILER_NAME:
		return trailer_name(c, byte);
	case TRAILER_VALUE:
		if (scan_is_text(byte))
			return TRAILER_VALUE;
		return byte == '\r' ? TRAILER_VALUE_LF : bad(c, HTTP_BAD_TRAILER);
	case TRAILER_VALUE_LF:
		return byte == '\n' ? TRAILER_LINE : bad(c, HTTP_BAD_TRAILER);
	default:
		return byte == '\n' ? CHUNK_DONE : bad(c, HTTP_BAD_TRAILER);
	}
}

static void
take_trailer(struct http_chunked *c, uint16_t trailer_max, const uint8_t *bytes, size_t len,
	     struct http_run *run)
{
	size_t at = run->used;

	run->at = at;
	while (at < len && c->state < CHUNK_DONE) {
		if (c->trailer == trailer_max) {
			c->state = (uint8_t)bad(c, HTTP_BAD_TRAILER_TOO_LARGE);
			break;
		}
		c->trailer++;
		c->state = (uint8_t)trailer_byte(c, bytes[at++]);
	}
	run->used = at;
	run->length = at - run->at;
	if (run->length > 0)
		run->kind = HTTP_RUN_TRAILER;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static void
take_payload(struct http_chunked *c, size_t len, struct http_run *run)
{
	size_t here = len - run->used;

	run->kind = HTTP_RUN_PAYLOAD;
	run->at = run->used;
	run->length = c->left < here ? (size_t)c->left : here;
	run->used += run->length;
	c->left -= run->length;
	if (c->left == 0)
		c->state = CHUNK_DATA_CR;
}

enum http_result
http_chunked_next(struct http_chunked *c, uint16_t trailer_max, const uint8_t *bytes, size_t len,
		  struct http_run *run)
{
	*run = (struct http_run){ .kind = HTTP_RUN_NONE };
	while (run->used < len &&
	       (c->state < CHUNK_DATA || c->state == CHUNK_DATA_CR || c->state == CHUNK_DATA_LF))
		c->state = (uint8_t)between_byte(c, bytes[run->used++]);
	if (c->state == CHUNK_DATA && run->used < len)
		take_payload(c, len, run);
	else if (c->state >= TRAILER_LINE && c->state < CHUNK_DONE)
		take_trailer(c, trailer_max, bytes, len, run);
	if (c->state == CHUNK_BAD)
		return HTTP_BAD;
	return c->state == CHUNK_DONE ? HTTP_DONE : HTTP_MORE;
}

uint64_t
http_chunked_left(const struct http_chunked *c)
{
	return c->state == CHUNK_DATA ? c->left : 0;
}

size_t
http_chunk_write(uint64_t size, bool first, uint8_t out[HTTP_CHUNK_HEADER_MAX])
{
	static const char digits[] = "0123456789abcdef";
	size_t at = 0;
	int shift;

	if (!first) {
		out[at++] = '\r';
		out[at++] = '\n';
	}
	shift = size > 0 ? (63 - __builtin_clzll(size)) & ~3 : 0;
	for (; shift >= 0; shift -= 4)
		out[at++] = (uint8_t)digits[size >> shift & 15];
	out[at++] = '\r';
	out[at++] = '\n';
	return at;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another reader of HTTP/1 (libhttp-parser, of Node.js before 2019) and what it understood, in a
 * form to compare with. Its header and ours have names in common, so it is known to one file only.
 * One thread.
 */
#ifndef TESTS_UNIT_HTTP_OTHER_H
#define TESTS_UNIT_HTTP_OTHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OTHER_FIELDS_MAX 32
#define OTHER_TEXT_MAX   512

struct other_span {
	size_t at, length;
};

struct http_seen {
	bool good;         /* the head, or all of a chunked message, was read */
	const char *error; /* else: why not */
	char method[20];
	unsigned int minor, status;
	struct other_span target;
	size_t n_fields;
	struct other_span names[OTHER_FIELDS_MAX], values[OTHER_FIELDS_MAX];
	bool has_length, chunked, keep_alive;
	uint64_t length;
	char payload[OTHER_TEXT_MAX]; /* of a chunked message */
	size_t n_payload;
};

/* Read a head. */
void other_read_head(const char *text, size_t len, bool response, struct http_seen *seen);
/* Read a chunked body. */
void other_read_chunked(const char *text, size_t len, struct http_seen *seen);

#endif

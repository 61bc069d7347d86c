/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A record as a line of JSON. No I/O, no clock: any thread.
 */
#ifndef CP_RECORD_LINE_H
#define CP_RECORD_LINE_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "dp/l7/record.h"

/* The longest line, with its end. */
#define RECORD_LINE_MAX 8192

/* What a record does not say itself. */
struct record_context {
	const char *instance; /* at most 63 characters */
	const char *pool;     /* NULL: none, or it is no more */
	int64_t wall;         /* of the workers' time 0: ns since 1970 */
	uint32_t worker;
	/* the second that was written last, and its text */
	time_t second;
	char second_text[24];
};

/* Write it with the newline at its end; its length. */
size_t record_line(const struct http_record *r, struct record_context *c,
		   char out[RECORD_LINE_MAX]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * W3C Trace Context, level 1: the fields traceparent and tracestate. Pure, any thread.
 *
 *     traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
 *                  version, trace id, span id of the sender, flags
 *
 * Whether a trace is sampled follows from its id alone, so that all who go by the same share decide
 * alike: the last 56 bits, which are random, are at least (1 - share) * 2^56, as OpenTelemetry's
 * consistent samplers have it.
 */
#ifndef LIB_HTTP_TRACE_CONTEXT_H
#define LIB_HTTP_TRACE_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRACE_ID          16
#define TRACE_SPAN        8
#define TRACE_PARENT_SIZE 55  /* as we write it, without NUL */
#define TRACE_STATE_MAX   512 /* characters of tracestate that are passed on */
#define TRACE_MEMBERS_MAX 32  /* more make the whole list invalid */
#define TRACE_SAMPLED     0x01

struct trace_parent {
	uint8_t trace_id[TRACE_ID];
	uint8_t span_id[TRACE_SPAN];
	uint8_t flags; /* TRACE_SAMPLED; others are of versions that we do not know */
};

/* A value of a field. */
struct trace_text {
	const uint8_t *bytes;
	size_t length;
};

/* Is this a valid value? Then *out has what it says. A higher version is taken by what it has in
 * common with version 00 (section 3.2.4). */
bool trace_parent_parse(struct trace_parent *out, const uint8_t *bytes, size_t length);
/* Version 00. */
void trace_parent_write(const struct trace_parent *parent, uint8_t out[TRACE_PARENT_SIZE]);

/* The values of a request's fields tracestate in their order as one list, at most TRACE_STATE_MAX
 * characters of it: what is too long loses first members over 128 characters, then those at its
 * end (section 3.3.1.5). Members are not changed, empty ones go. Its length, 0: none; -1: not
 * valid, and to be dropped. */
int trace_state_join(const struct trace_text *fields, size_t n, uint8_t out[TRACE_STATE_MAX]);

/* share: of 2^56. */
bool trace_by_share(const uint8_t trace_id[TRACE_ID], uint64_t share);
#define TRACE_SHARE_WHOLE (1ull << 56)

#endif

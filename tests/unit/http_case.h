/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heads as texts, for the tests of the HTTP codec. One thread.
 */
#ifndef TESTS_UNIT_HTTP_CASE_H
#define TESTS_UNIT_HTTP_CASE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/http/head.h"

extern const struct http_limits http_case_limits;

/* Read a text whole, and by bytes, and in two parts cut at each byte: all ways must agree, what is
 * behind a head must not matter, and http_head_end must know where it ends. */
enum http_result http_case_request(const char *text, struct http_head *h);
enum http_result http_case_response(const char *text, enum http_method method, struct http_head *h);

/* Are these the span's bytes? */
bool http_case_is(const char *bytes, struct http_span s, const char *text);

/* Do two heads, read from these bytes, say the same? The connection's own fields and its options
 * do not count, nor the order of Host among the fields. */
bool http_case_same(const struct http_head *a, const char *a_bytes, const struct http_head *b,
		    const char *b_bytes);

#endif

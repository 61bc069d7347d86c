/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the files of the head's parser: head.c finds lines and fields, target.c reads first
 * lines, meaning.c what fields say of the message. Each returns HTTP_BAD_NONE or the reason, and
 * gets lines that are complete, without controls, and followed by CR LF. Pure, any thread.
 */
#ifndef LIB_HTTP_HEAD_PARTS_H
#define LIB_HTTP_HEAD_PARTS_H

#include "lib/http/head.h"

/* The line in bytes[h->line, end). */
enum http_bad http_read_request_line(struct http_head *h, const struct http_limits *limits,
				     const uint8_t *bytes, size_t end);
enum http_bad http_read_status_line(struct http_head *h, const uint8_t *bytes, size_t end);

/* host [":" port] (RFC 3986 3.2, without user information): false if it is none, or empty. */
bool http_read_authority(const uint8_t *bytes, struct http_span s, struct http_authority *out);

/* A field that is known, as it comes. */
enum http_bad http_read_known(struct http_head *h, const uint8_t *bytes, struct http_field *f);

/* When all are there. */
enum http_bad http_understand_request(struct http_head *h, const uint8_t *bytes);
enum http_bad http_understand_response(struct http_head *h, const uint8_t *bytes);

#endif

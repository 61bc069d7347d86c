/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head of a request or response written anew from what was understood of one (lib/http/head.h),
 * as HTTP/1.1. What is written is lines of our own made of the names and values that were
 * understood, and what frames the message or belongs to one connection is said by us alone. Lines
 * that came just as they would be written, one behind the other, are copied as one piece: which
 * bytes these are the parser has made sure of.
 *
 * Fields are kept in their order, but for those of this connection only (HTTP_FIELD_HOP), those
 * that are said anew (Host, Content-Length, Transfer-Encoding, Connection) and those that the
 * edits take away. Whatever the caller brings in is looked at before it is written: a value
 * with a line end in it writes nothing. Pure, any thread. Invariant:
 *     parse(write(h)) says of message, fields and framing what h says, edits applied
 *
 * An answer of our own is a struct http_head without fields: status, minor = 1, body, has_length
 * and content_length, and no bytes.
 */
#ifndef LIB_HTTP_WRITE_H
#define LIB_HTTP_WRITE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/http/head.h"

enum http_edit_op {
	HTTP_EDIT_REMOVE, /* all fields of that name */
	HTTP_EDIT_SET,    /* remove them, then add one */
	HTTP_EDIT_ADD,
};

/* What becomes of a field. Content-Length, Transfer-Encoding, Connection and, in requests, Host
 * cannot be edited. */
struct http_edit {
	const uint8_t *name, *value; /* REMOVE: no value */
	uint16_t name_length, value_length;
	uint8_t op;    /* enum http_edit_op */
	uint8_t known; /* http_known of the name */
};

/* How the message's end is told. */
enum http_framing {
	HTTP_FRAMING_SAME,    /* as it was understood */
	HTTP_FRAMING_CHUNKED, /* by chunks */
	HTTP_FRAMING_NONE,    /* by neither field: by the connection's end, or there is no body */
};

enum http_say_connection {
	HTTP_SAY_NOTHING, /* the connection goes on */
	HTTP_SAY_CLOSE,
	HTTP_SAY_KEEP_ALIVE, /* as clients of HTTP/1.0 want to hear */
	HTTP_SAY_UPGRADE,    /* and keep the field Upgrade */
};

/* What is to be different. All zero: nothing. */
struct http_change {
	const struct http_edit *edits; /* ADD and SET come in their order, behind what is kept */
	size_t n_edits;
	const uint8_t *path; /* request: instead of its own if not NULL, without query */
	const uint8_t *host; /* request: the same for the authority */
	uint16_t path_length, host_length;
	uint8_t framing;    /* enum http_framing */
	uint8_t connection; /* enum http_say_connection */
};

/* A buffer with a bound. */
struct http_out {
	uint8_t *bytes;
	size_t size;
};

/* Write the head that was read from `bytes`. Its length; -ENOSPC: there is not so much room;
 * -EINVAL: an edit, the path or the host is not what may be written, or an HTTP/1.0 request named
 * no host and the change does not either. */
int http_request_write(const struct http_head *h, const uint8_t *bytes,
		       const struct http_change *change, struct http_out out);
int http_response_write(const struct http_head *h, const uint8_t *bytes,
			const struct http_change *change, struct http_out out);

/* The trailer section that http_trailer_parse read, and the empty line that ends it. */
int http_trailer_write(const struct http_head *h, const uint8_t *bytes, struct http_out out);

/* An edit of texts; `value` is NULL to remove. */
struct http_edit http_edit_text(enum http_edit_op op, const char *name, const char *value);

#endif

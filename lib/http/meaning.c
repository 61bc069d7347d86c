/* SPDX-License-Identifier: Apache-2.0 */
/* What header fields say of the message and the connection (RFC 9112 6 and 9, RFC 9110 7.6). */
#include "lib/http/head_parts.h"
#include "lib/http/scan.h"

#define LENGTH_DIGITS 19 /* of 2^63 */

static bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static bool
span_is(const uint8_t *bytes, struct http_span s, const char *lower, size_t length)
{
	return s.length == length && http_token_is(bytes + s.at, lower, length);
}

/* ---- lists (RFC 9110 5.6.1) ------------------------------------------------------------------ */

/* The members of a list, which are separated by commas: *at walks over it. Empty ones are left out.
 */
struct list {
	const uint8_t *bytes;
	size_t at, end;
};

static struct list
list_of(const uint8_t *bytes, struct http_span value)
{
	return (struct list){ bytes, value.at, (size_t)value.at + value.length };
}

static bool
next_member(struct list *l, struct http_span *member)
{
	size_t from, to;

	while (l->at < l->end && (is_blank(l->bytes[l->at]) || l->bytes[l->at] == ','))
		l->at++;
	from = l->at;
	while (l->at < l->end && l->bytes[l->at] != ',')
		l->at++;
	for (to = l->at; to > from && is_blank(l->bytes[to - 1]); to--)
		;
	*member = (struct http_span){ (uint16_t)from, (uint16_t)(to - from) };
	return to > from;
}

static bool
is_token(const uint8_t *bytes, struct http_span s)
{
	size_t end = (size_t)s.at + s.length;

	return s.length > 0 && scan_set(SCAN_TOKEN, bytes, s.at, end) == end;
}

/* ---- framing --------------------------------------------------------------------------------- */

/* 1*DIGIT in [at, end), below 2^63. */
static bool
read_length(const uint8_t *bytes, size_t at, size_t end, uint64_t *out)
{
	uint64_t value = 0;

	if (at == end || end - at > LENGTH_DIGITS)
		return false;
	for (; at < end; at++) {
		if (bytes[at] < '0' || bytes[at] > '9')
			return false;
		value = value * 10 + (uint64_t)(bytes[at] - '0');
	}
	*out = value;
	return value <= INT64_MAX;
}

/* One number, or the same number several times (RFC 9110 8.6). */
static enum http_bad
read_content_length(struct http_head *h, const uint8_t *bytes, struct http_span value)
{
	size_t at = value.at, end = at + value.length, comma, last;
	uint64_t length;

	for (;; at = comma + 1) {
		for (comma = at; comma < end && bytes[comma] != ','; comma++)
			;
		while (at < comma && is_blank(bytes[at]))
			at++;
		for (last = comma; last > at && is_blank(bytes[last - 1]); last--)
			;
		if (!read_length(bytes, at, last, &length))
			return HTTP_BAD_CONTENT_LENGTH;
		if (h->has_length && h->content_length != length)
			return HTTP_BAD_CONTENT_LENGTHS;
		h->has_length = true;
		h->content_length = length;
		if (comma == end)
			return HTTP_BAD_NONE;
	}
}

/* Nothing but "chunked", once. What else is there decides whether it is nonsense or a coding that
 * we do not have. */
static enum http_bad
read_transfer_encoding(struct http_head *h, const uint8_t *bytes, struct http_span value)
{
	struct list list = list_of(bytes, value);
	struct http_span member;
	bool chunked = false, any = false;

	if (h->chunked)
		return HTTP_BAD_TRANSFER_ENCODING;
	h->chunked = true;
	if (span_is(bytes, value, "chunked", 7))
		return HTTP_BAD_NONE;
	while (next_member(&list, &member)) {
		if (chunked || !is_token(bytes, member))
			return HTTP_BAD_TRANSFER_ENCODING;
		chunked = span_is(bytes, member, "chunked", 7);
		any = any || !chunked;
	}
	return any ? HTTP_BAD_TRANSFER_CODING : HTTP_BAD_TRANSFER_ENCODING;
}

/* ---- the connection -------------------------------------------------------------------------- */

static enum http_bad
read_connection(struct http_head *h, const uint8_t *bytes, struct http_span value)
{
	struct list list = list_of(bytes, value);
	struct http_span option;

	while (next_member(&list, &option)) {
		if (!is_token(bytes, option))
			return HTTP_BAD_CONNECTION;
		if (span_is(bytes, option, "keep-alive", 10))
			h->connection_keep = true;
		else if (span_is(bytes, option, "close", 5))
			h->close = true;
		else if (span_is(bytes, option, "upgrade", 7))
			h->connection_upgrade = true;
		else if (h->nominated++ == HTTP_NOMINATED_MAX)
			return HTTP_BAD_CONNECTION;
	}
	return HTTP_BAD_NONE;
}

static void
mark_nominated(struct http_head *h, const uint8_t *bytes, struct http_span option)
{
	struct http_field *f;

	for (f = h->fields; f < h->fields + h->n_fields; f++)
		if (f->name.length == option.length &&
		    http_same_name(bytes + f->name.at, bytes + option.at, option.length))
			f->flags |= HTTP_FIELD_HOP;
}

/* All fields that Connection names are for this connection (RFC 9110 7.6.1). */
static void
mark_all_nominated(struct http_head *h, const uint8_t *bytes)
{
	const struct http_field *f;
	struct http_span option;
	struct list list;

	for (f = h->fields; f < h->fields + h->n_fields; f++) {
		if (f->known != HTTP_CONNECTION)
			continue;
		list = list_of(bytes, f->value);
		while (next_member(&list, &option))
			mark_nominated(h, bytes, option);
	}
}

static bool
names_websocket_only(const struct http_head *h, const uint8_t *bytes)
{
	const struct http_field *f;
	struct http_span protocol;
	bool any = false;

	for (f = h->fields; f < h->fields + h->n_fields; f++) {
		struct list list = list_of(bytes, f->value);

		if (f->known != HTTP_UPGRADE)
			continue;
		while (next_member(&list, &protocol)) {
			if (!span_is(bytes, protocol, "websocket", 9))
				return false;
			any = true;
		}
	}
	return any;
}

static void
understand_connection(struct http_head *h, const uint8_t *bytes)
{
	if (h->nominated)
		mark_all_nominated(h, bytes);
	/* RFC 9112 9.3 */
	h->keep_alive = !h->close && (h->minor == 1 || h->connection_keep);
	/* RFC 9110 7.8 */
	if (h->connection_upgrade && h->minor == 1 && http_find(h, HTTP_UPGRADE)) {
		h->upgrade = true;
		h->websocket = names_websocket_only(h, bytes);
	}
}

/* ---- fields as they come --------------------------------------------------------------------- */

/* What the target says counts (RFC 9112 3.2.2), but nonsense is nonsense. */
static enum http_bad
read_host(struct http_head *h, const uint8_t *bytes, struct http_span value)
{
	struct http_authority authority;

	if (!http_read_authority(bytes, value, &authority))
		return HTTP_BAD_HOST_INVALID;
	if (h->form == HTTP_ORIGIN || h->form == HTTP_ASTERISK)
		h->authority = authority;
	return HTTP_BAD_NONE;
}

static void
read_expect(struct http_head *h, const uint8_t *bytes, struct http_span value)
{
	struct list list = list_of(bytes, value);
	struct http_span member;

	while (next_member(&list, &member))
		if (span_is(bytes, member, "100-continue", 12))
			h->expect_100 = h->minor == 1; /* RFC 9110 10.1.1 */
}

enum http_bad
http_read_known(struct http_head *h, const uint8_t *bytes, struct http_field *f)
{
	switch (f->known) {
	case HTTP_HOST:
		if (&h->fields[h->first[HTTP_HOST]] != f)
			return HTTP_BAD_HOST_TWICE;
		return h->status ? HTTP_BAD_NONE : read_host(h, bytes, f->value);
	case HTTP_CONTENT_LENGTH:
		return read_content_length(h, bytes, f->value);
	case HTTP_TRANSFER_ENCODING:
		f->flags |= HTTP_FIELD_HOP;
		return read_transfer_encoding(h, bytes, f->value);
	case HTTP_CONNECTION:
		f->flags |= HTTP_FIELD_HOP;
		return read_connection(h, bytes, f->value);
	case HTTP_EXPECT:
		read_expect(h, bytes, f->value);
		return HTTP_BAD_NONE;
	case HTTP_TE:
	case HTTP_UPGRADE:
	case HTTP_KEEP_ALIVE:
	case HTTP_PROXY_CONNECTION:
		f->flags |= HTTP_FIELD_HOP;
		return HTTP_BAD_NONE;
	default:
		return HTTP_BAD_NONE;
	}
}

/* ---- when all are there ---------------------------------------------------------------------- */

static enum http_bad
framing(const struct http_head *h)
{
	if (h->chunked && h->minor == 0)
		return HTTP_BAD_TRANSFER_ENCODING_10;
	if (h->chunked && h->has_length)
		return HTTP_BAD_LENGTH_AND_CODING;
	return HTTP_BAD_NONE;
}

static enum http_body
body_given(const struct http_head *h, enum http_body otherwise)
{
	if (h->chunked)
		return HTTP_BODY_CHUNKED;
	return h->has_length ? HTTP_BODY_LENGTH : otherwise;
}

enum http_bad
http_understand_request(struct http_head *h, const uint8_t *bytes)
{
	if (h->minor == 1 && !http_find(h, HTTP_HOST))
		return HTTP_BAD_HOST_MISSING;
	understand_connection(h, bytes);
	h->body = (uint8_t)body_given(h, HTTP_BODY_NONE);
	return framing(h);
}

/* RFC 9112 6.3, in its order. */
static enum http_body
body_of_response(const struct http_head *h)
{
	if (h->status == 101)
		return HTTP_BODY_TUNNEL;
	if (h->method == HTTP_HEAD || h->status < 200 || h->status == 204 || h->status == 304)
		return HTTP_BODY_NONE;
	if (h->method == HTTP_CONNECT && h->status < 300)
		return HTTP_BODY_TUNNEL;
	return body_given(h, HTTP_BODY_CLOSE);
}

enum http_bad
http_understand_response(struct http_head *h, const uint8_t *bytes)
{
	understand_connection(h, bytes);
	h->body = (uint8_t)body_of_response(h);
	if (h->body == HTTP_BODY_CLOSE || h->body == HTTP_BODY_TUNNEL)
		h->keep_alive = false;
	return framing(h);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* First lines: method, target and its forms (RFC 9112 3), status (RFC 9112 4); and authorities. */
#include <string.h>

#include "lib/addr.h"
#include "lib/http/head_parts.h"
#include "lib/http/scan.h"

#define VERSION_LEN 8 /* HTTP/1.1 */
#define HOST_MAX    255

static struct http_span
span(size_t at, size_t end)
{
	return (struct http_span){ (uint16_t)at, (uint16_t)(end - at) };
}

static bool
is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* ---- versions and methods -------------------------------------------------------------------- */

/* HTTP-name "/" DIGIT "." DIGIT, at p (RFC 9112 2.3). */
static bool
is_version(const uint8_t *p)
{
	return memcmp(p, "HTTP/", 5) == 0 && is_digit(p[5]) && p[6] == '.' && is_digit(p[7]);
}

static enum http_bad
read_version(struct http_head *h, const uint8_t *p)
{
	if (p[5] != '1' || p[7] > '1')
		return HTTP_BAD_VERSION;
	h->minor = (uint8_t)(p[7] - '0');
	return HTTP_BAD_NONE;
}

static bool
is(const uint8_t *p, const char *text, size_t length)
{
	return memcmp(p, text, length) == 0;
}

/* They are told by case (RFC 9110 9.1). */
static enum http_method
method_of(const uint8_t *p, size_t length)
{
	switch (length) {
	case 3:
		if (is(p, "GET", 3))
			return HTTP_GET;
		return is(p, "PUT", 3) ? HTTP_PUT : HTTP_METHOD_OTHER;
	case 4:
		if (is(p, "POST", 4))
			return HTTP_POST;
		return is(p, "HEAD", 4) ? HTTP_HEAD : HTTP_METHOD_OTHER;
	case 5:
		if (is(p, "PATCH", 5))
			return HTTP_PATCH;
		return is(p, "TRACE", 5) ? HTTP_TRACE : HTTP_METHOD_OTHER;
	case 6:
		return is(p, "DELETE", 6) ? HTTP_DELETE : HTTP_METHOD_OTHER;
	case 7:
		if (is(p, "OPTIONS", 7))
			return HTTP_OPTIONS;
		return is(p, "CONNECT", 7) ? HTTP_CONNECT : HTTP_METHOD_OTHER;
	default:
		return HTTP_METHOD_OTHER;
	}
}

/* ---- authorities ----------------------------------------------------------------------------- */

/* The end of the address in brackets at `at`, or `at` if there is none. IPvFuture and zones are
 * none: nobody listens there. */
static size_t
end_of_literal(const uint8_t *bytes, size_t at, size_t end)
{
	const uint8_t *close = memchr(bytes + at, ']', end - at);
	size_t length = close ? (size_t)(close - bytes) - at - 1 : 0;
	char text[ADDR_STRLEN];
	struct addr address;

	if (length == 0 || length >= sizeof(text))
		return at;
	memcpy(text, bytes + at + 1, length);
	text[length] = '\0';
	if (!memchr(text, ':', length) || addr_parse(text, &address) != 0)
		return at;
	return at + length + 2;
}

/* *DIGIT, which may be empty (RFC 3986 3.2.3); 0 is no port. */
static bool
read_port(const uint8_t *bytes, size_t at, size_t end, uint16_t *out)
{
	uint32_t port = 0;

	if (at == end)
		return true;
	if (end - at > 5)
		return false;
	for (; at < end; at++) {
		if (!is_digit(bytes[at]))
			return false;
		port = port * 10 + (uint32_t)(bytes[at] - '0');
	}
	*out = (uint16_t)port;
	return port > 0 && port <= UINT16_MAX;
}

bool
http_read_authority(const uint8_t *bytes, struct http_span s, struct http_authority *out)
{
	size_t at = s.at, end = at + s.length, stop;

	*out = (struct http_authority){ .whole = s };
	if (s.length == 0)
		return false;
	/* No escapes: no name in use has them, and readers differ in when they undo them. */
	if (bytes[at] == '[')
		stop = end_of_literal(bytes, at, end);
	else
		stop = scan_set(SCAN_HOST, bytes, at, end);
	if (stop == at || stop - at > HOST_MAX || (stop < end && bytes[stop] != ':'))
		return false;
	out->host = span(at, stop);
	return stop == end || read_port(bytes, stop + 1, end, &out->port);
}

/* ---- targets --------------------------------------------------------------------------------- */

/* [ path ] [ "?" query ]: all characters have been seen to be some of a query. */
static enum http_bad
read_path(struct http_head *h, const uint8_t *bytes, size_t at, size_t end)
{
	size_t stop = scan_set(SCAN_PATH, bytes, at, end);

	h->path = span(at, stop);
	if (stop == end)
		return HTTP_BAD_NONE;
	if (bytes[stop] != '?')
		return HTTP_BAD_TARGET;
	h->has_query = true;
	h->query = span(stop + 1, end);
	return HTTP_BAD_NONE;
}

/* Where the authority of an absolute-form begins, behind "http://" or "https://" (RFC 9110 4.2),
 * or 0. */
static size_t
behind_scheme(const uint8_t *bytes, size_t at, size_t end)
{
	if (end - at >= 7 && http_token_is(bytes + at, "http", 4))
		at += 4 + ((bytes[at + 4] | 0x20) == 's');
	else
		return 0;
	return end - at >= 3 && is(bytes + at, "://", 3) ? at + 3 : 0;
}

static enum http_bad
read_absolute(struct http_head *h, const uint8_t *bytes, size_t at, size_t end)
{
	size_t authority = behind_scheme(bytes, at, end), stop = authority;

	if (authority == 0)
		return HTTP_BAD_TARGET;
	while (stop < end && bytes[stop] != '/' && bytes[stop] != '?')
		stop++;
	h->form = HTTP_ABSOLUTE;
	if (!http_read_authority(bytes, span(authority, stop), &h->authority))
		return HTTP_BAD_TARGET;
	return read_path(h, bytes, stop, end);
}

static enum http_bad
read_target(struct http_head *h, const uint8_t *bytes, size_t at, size_t end)
{
	if (h->method == HTTP_CONNECT) {
		h->form = HTTP_AUTHORITY;
		if (!http_read_authority(bytes, h->target, &h->authority) || h->authority.port == 0)
			return HTTP_BAD_TARGET;
		return HTTP_BAD_NONE;
	}
	if (bytes[at] == '/')
		return read_path(h, bytes, at, end);
	if (bytes[at] == '*' && end == at + 1 && h->method == HTTP_OPTIONS) {
		h->form = HTTP_ASTERISK;
		return HTTP_BAD_NONE;
	}
	return read_absolute(h, bytes, at, end);
}

/* method SP target SP version */
enum http_bad
http_read_request_line(struct http_head *h, const struct http_limits *limits, const uint8_t *bytes,
		       size_t end)
{
	size_t line = h->line, method, target, stop;
	enum http_bad reason;

	if (end == line)
		return HTTP_BAD_EMPTY_LINES;
	method = scan_set(SCAN_TOKEN, bytes, line, end);
	if (method == line || (method < end && bytes[method] != ' '))
		return HTTP_BAD_METHOD;
	target = method + 1;
	stop = target < end ? scan_set(SCAN_QUERY, bytes, target, end) : end;
	if (stop == end || stop == target)
		return HTTP_BAD_REQUEST_LINE;
	if (bytes[stop] != ' ')
		return HTTP_BAD_TARGET;
	h->target = span(target, stop);
	if (h->target.length > limits->target)
		return HTTP_BAD_TARGET_TOO_LONG;
	if (end - stop - 1 != VERSION_LEN || !is_version(bytes + stop + 1))
		return HTTP_BAD_REQUEST_LINE;
	reason = read_version(h, bytes + stop + 1);
	if (reason != HTTP_BAD_NONE)
		return reason;
	h->method_name = span(line, method);
	h->method = (uint8_t)method_of(bytes + line, method - line);
	return read_target(h, bytes, target, stop);
}

/* version SP 3DIGIT SP [ reason ]; the second space may be missing where there is no reason, as
 * some servers have it. */
enum http_bad
http_read_status_line(struct http_head *h, const uint8_t *bytes, size_t end)
{
	const uint8_t *p = bytes + h->line;
	size_t length = end - h->line;

	if (length < VERSION_LEN + 4 || !is_version(p) || p[8] != ' ')
		return HTTP_BAD_STATUS_LINE;
	if (!is_digit(p[9]) || !is_digit(p[10]) || !is_digit(p[11]))
		return HTTP_BAD_STATUS_LINE;
	if (length > VERSION_LEN + 4 && p[12] != ' ')
		return HTTP_BAD_STATUS_LINE;
	h->status = (uint16_t)((p[9] - '0') * 100 + (p[10] - '0') * 10 + (p[11] - '0'));
	if (h->status < 100 || h->status > 599)
		return HTTP_BAD_STATUS_LINE;
	if (length > VERSION_LEN + 5)
		h->reason = span(h->line + VERSION_LEN + 5u, end);
	return read_version(h, p);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/http/path.h"

#include <stdbool.h>
#include <string.h>

#include "lib/http/scan.h"

/* The path that is read. */
struct reading {
	const uint8_t *bytes;
	size_t at, end;
};

static const struct {
	const char *name, *help;
} reasons[HTTP_PATH_REASON_COUNT] = {
#define X(constant, name, help) [HTTP_PATH_##constant] = { name, help },
	HTTP_PATH_REASONS(X)
#undef X
};

const char *
http_path_reason_name(enum http_path_reason reason)
{
	return reasons[reason].name;
}

const char *
http_path_reason_help(enum http_path_reason reason)
{
	return reasons[reason].help;
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

static bool
put(struct http_path *out, uint8_t byte)
{
	if (out->length == out->size)
		return false;
	out->bytes[out->length++] = byte;
	return true;
}

static enum http_path_reason
put_escape(struct http_path *out, uint8_t c)
{
	static const char digits[] = "0123456789ABCDEF";

	return put(out, '%') && put(out, (uint8_t)digits[c >> 4]) &&
		       put(out, (uint8_t)digits[c & 15])
		   ? HTTP_PATH_OK
		   : HTTP_PATH_TOO_LONG;
}

/* What an escaped character becomes. */
static enum http_path_reason
escaped(struct http_path *out, unsigned int rules, uint8_t c)
{
	if (scan_in(SCAN_UNRESERVED, c))
		return put(out, c) ? HTTP_PATH_OK : HTTP_PATH_TOO_LONG;
	if (c == 0)
		return HTTP_PATH_NUL;
	if ((c < 0x20 || c == 0x7f) && (rules & HTTP_PATH_REFUSE_CONTROL))
		return HTTP_PATH_CONTROL;
	if ((c == '/' || c == '\\') && (rules & HTTP_PATH_REFUSE_SLASH))
		return HTTP_PATH_SLASH;
	return put_escape(out, c);
}

static enum http_path_reason
put_run(struct http_path *out, const uint8_t *p, size_t length)
{
	if (length > out->size - out->length)
		return HTTP_PATH_TOO_LONG;
	memcpy(out->bytes + out->length, p, length);
	out->length += length;
	return HTTP_PATH_OK;
}

/* The percent sign at `at`, and what it escapes. */
static enum http_path_reason
put_percent(struct http_path *out, unsigned int rules, struct reading *in)
{
	const uint8_t *p = in->bytes + in->at;
	int high = -1, low = -1;

	if (in->end - in->at >= 3) {
		high = hex_digit(p[1]);
		low = hex_digit(p[2]);
	}
	if (high >= 0 && low >= 0) {
		in->at += 3;
		return escaped(out, rules, (uint8_t)(high << 4 | low));
	}
	if (rules & HTTP_PATH_REFUSE_ESCAPE)
		return HTTP_PATH_ESCAPE;
	in->at++;
	return put_escape(out, '%');
}

/* A segment, up to its slash or the end of the path. */
static enum http_path_reason
put_segment(struct http_path *out, unsigned int rules, struct reading *in)
{
	enum http_path_reason reason = HTTP_PATH_OK;
	size_t stop;

	while (reason == HTTP_PATH_OK && in->at < in->end && in->bytes[in->at] != '/') {
		if (in->bytes[in->at] == '%') {
			reason = put_percent(out, rules, in);
			continue;
		}
		/* What no path has goes as it is. */
		stop = scan_set(SCAN_SEGMENT, in->bytes, in->at, in->end);
		stop += stop == in->at;
		reason = put_run(out, in->bytes + in->at, stop - in->at);
		in->at = stop;
	}
	return reason;
}

/* Out ends with a slash; so it does without the segment before that. */
static void
drop_segment(struct http_path *out)
{
	if (out->length > 1)
		out->length--;
	while (out->bytes[out->length - 1] != '/')
		out->length--;
}

/* The segment that begins at `from` is there: is it one that is not to be? Then out ends as if it,
 * and what it means, had been taken away. */
static bool
dot_segment(struct http_path *out, size_t from)
{
	size_t length = out->length - from;

	if (length == 0 || length > 2 || out->bytes[from] != '.' ||
	    out->bytes[out->length - 1] != '.')
		return false;
	out->length = from;
	if (length == 2)
		drop_segment(out);
	return true;
}

/* Is there nothing in it to be changed? True for most. Not every path that is normal is seen to be.
 */
static bool
is_normal(const uint8_t *path, size_t len)
{
	const uint8_t *end = path + len, *slash;

	if (len == 0 || path[0] != '/' || scan_set(SCAN_NORMAL, path, 0, len) != len)
		return false;
	for (slash = path; slash; slash = memchr(slash + 1, '/', (size_t)(end - slash - 1)))
		if (slash + 1 < end && (slash[1] == '/' || slash[1] == '.'))
			return false;
	return true;
}

enum http_path_reason
http_path_normal(struct http_path *out, unsigned int rules, const uint8_t *path, size_t len)
{
	struct reading in = { path, len > 0 && path[0] == '/', len };
	enum http_path_reason reason;
	size_t from;
	bool dots;

	out->length = 0;
	if (is_normal(path, len))
		return put_run(out, path, len);
	if (!put(out, '/'))
		return HTTP_PATH_TOO_LONG;
	/* Out ends with a slash whenever a segment begins. */
	for (;; in.at++) {
		from = out->length;
		reason = put_segment(out, rules, &in);
		if (reason != HTTP_PATH_OK)
			return reason;
		dots = dot_segment(out, from);
		if (in.at == in.end)
			return HTTP_PATH_OK;
		if (dots)
			continue;
		if (out->length == from && (rules & HTTP_PATH_MERGE_SLASHES))
			continue;
		if (!put(out, '/'))
			return HTTP_PATH_TOO_LONG;
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/http/head.h"

#include <string.h>

#include "lib/http/head_parts.h"
#include "lib/http/scan.h"

enum http_stage {
	STAGE_START, /* an empty line may come */
	STAGE_FIRST, /* the first line */
	STAGE_FIELDS,
	STAGE_DONE,
	STAGE_BAD,
};

/* What a request's first line has beside its target: the version, two spaces, and a method that
 * may be longer than any that is registered. */
#define BESIDE_TARGET 64

#define NO_LINE SIZE_MAX

/* One message as it is read. */
struct reading {
	struct http_head *h;
	const struct http_limits *limits;
	const uint8_t *bytes;
	size_t len;   /* of them that may belong to the head */
	bool limited; /* there are more */
};

static enum http_result
bad(struct http_head *h, enum http_bad reason)
{
	h->stage = STAGE_BAD;
	h->bad = (uint8_t)reason;
	return HTTP_BAD;
}

static enum http_result
verdict(const struct http_head *h)
{
	if (h->stage == STAGE_BAD)
		return HTTP_BAD;
	return h->stage == STAGE_DONE ? HTTP_DONE : HTTP_MORE;
}

static struct reading
begin(struct http_head *h, const struct http_limits *limits, const uint8_t *bytes, size_t len)
{
	return (struct reading){
		.h = h,
		.limits = limits,
		.bytes = bytes,
		.len = len < limits->head ? len : limits->head,
		.limited = len >= limits->head,
	};
}

/* The line is not complete within the first `seen` bytes. */
static size_t
no_line(struct reading *r, size_t seen, size_t scanned, enum http_bad too_long)
{
	r->h->scanned = (uint16_t)scanned;
	if (seen < r->len || r->limited)
		bad(r->h, too_long);
	return NO_LINE;
}

/* The end of the line at h->line: where its CR is, LF behind it; or NO_LINE. It ends within the
 * first `bound` bytes, or is bad as `too_long`. */
static size_t
line_end(struct reading *r, size_t bound, enum http_bad too_long)
{
	struct http_head *h = r->h;
	size_t seen = bound < r->len ? bound : r->len;
	size_t stop = scan_text(r->bytes, h->scanned, seen);

	if (stop == seen)
		return no_line(r, seen, stop, too_long);
	if (r->bytes[stop] == '\r') {
		if (stop + 1 == seen)
			return no_line(r, seen, stop, too_long);
		if (r->bytes[stop + 1] == '\n')
			return stop;
		bad(h, HTTP_BAD_BARE_CR);
		return NO_LINE;
	}
	bad(h, r->bytes[stop] == '\n' ? HTTP_BAD_BARE_LF : HTTP_BAD_CONTROL);
	return NO_LINE;
}

static void
next_line(struct http_head *h, size_t end)
{
	h->line = (uint16_t)(end + 2);
	h->scanned = h->line;
}

/* ---- fields ---------------------------------------------------------------------------------- */

/* What is wrong with a line whose name ends at `stop`, where no colon is. */
static enum http_bad
no_name(const struct http_head *h, const uint8_t *bytes, size_t stop, size_t end)
{
	size_t at = stop;

	if (stop == h->line && (bytes[stop] == ' ' || bytes[stop] == '\t'))
		return HTTP_BAD_OBS_FOLD;
	while (at < end && (bytes[at] == ' ' || bytes[at] == '\t'))
		at++;
	return stop < at && at < end && bytes[at] == ':' ? HTTP_BAD_SPACE_BEFORE_COLON
							 : HTTP_BAD_FIELD_NAME;
}

static void
remember_known(struct http_head *h, const struct http_field *f)
{
	uint64_t bit = http_known_bit((enum http_known)f->known);

	if (!(h->present & bit))
		h->first[f->known] = (uint8_t)(f - h->fields);
	h->present |= bit;
}

/* field-name ":" OWS field-value OWS (RFC 9112 5) */
static enum http_bad
read_field(struct reading *r, size_t end)
{
	struct http_head *h = r->h;
	const uint8_t *bytes = r->bytes;
	size_t line = h->line, colon = scan_set(SCAN_TOKEN, bytes, line, end + 2);
	size_t value = colon + 1;
	struct http_field *f;

	if (colon == line || bytes[colon] != ':')
		return no_name(h, bytes, colon, end);
	if (h->n_fields == r->limits->fields || h->n_fields == HTTP_FIELDS_MAX)
		return HTTP_BAD_TOO_MANY_FIELDS;
	while (value < end && (bytes[value] == ' ' || bytes[value] == '\t'))
		value++;
	while (end > value && (bytes[end - 1] == ' ' || bytes[end - 1] == '\t'))
		end--;
	f = &h->fields[h->n_fields++];
	*f = (struct http_field){
		.name = { (uint16_t)line, (uint16_t)(colon - line) },
		.value = { (uint16_t)value, (uint16_t)(end - value) },
		.known = (uint8_t)http_known(bytes + line, colon - line),
	};
	if (f->known == HTTP_UNKNOWN)
		return HTTP_BAD_NONE;
	remember_known(h, f);
	return http_read_known(h, bytes, f);
}

/* All fields that are there. True: and the empty line behind them. */
static bool
read_fields(struct reading *r)
{
	struct http_head *h = r->h;
	enum http_bad reason;
	size_t end;

	for (;;) {
		end = line_end(r, r->len, HTTP_BAD_HEAD_TOO_LARGE);
		if (end == NO_LINE)
			return false;
		if (end == h->line)
			return true;
		reason = read_field(r, end);
		if (reason != HTTP_BAD_NONE) {
			bad(h, reason);
			return false;
		}
		next_line(h, end);
	}
}

/* The empty line has come, at h->line. */
static enum http_result
understood(struct http_head *h, enum http_bad reason)
{
	if (reason != HTTP_BAD_NONE)
		return bad(h, reason);
	h->stage = STAGE_DONE;
	h->length = (uint16_t)(h->line + 2);
	return HTTP_DONE;
}

/* ---- messages -------------------------------------------------------------------------------- */

void
http_request_start(struct http_head *h)
{
	memset(h, 0, offsetof(struct http_head, first));
}

void
http_response_start(struct http_head *h, enum http_method method)
{
	memset(h, 0, offsetof(struct http_head, first));
	h->method = (uint8_t)method;
}

/* The first line, of at most `most` bytes, when it is there. */
static size_t
first_line(struct reading *r, size_t most, enum http_bad too_long)
{
	struct http_head *h = r->h;
	size_t end = line_end(r, h->line + most, too_long);

	if (end != NO_LINE)
		h->stage = STAGE_FIELDS;
	return end;
}

/* Skip an empty line (RFC 9112 2.2). False: it is not known yet whether there is one. */
static bool
skip_empty_line(struct reading *r)
{
	struct http_head *h = r->h;

	if (r->len == 0)
		return false;
	if (r->bytes[0] == '\r') {
		if (line_end(r, r->len, HTTP_BAD_HEAD_TOO_LARGE) == NO_LINE)
			return false;
		next_line(h, 0);
	}
	h->stage = STAGE_FIRST;
	return true;
}

enum http_result
http_request_parse(struct http_head *h, const struct http_limits *limits, const uint8_t *bytes,
		   size_t len)
{
	struct reading r = begin(h, limits, bytes, len);
	enum http_bad reason;
	size_t end;

	if (h->stage == STAGE_START && !skip_empty_line(&r))
		return verdict(h);
	if (h->stage == STAGE_FIRST) {
		end = first_line(&r, (size_t)limits->target + BESIDE_TARGET,
				 HTTP_BAD_TARGET_TOO_LONG);
		if (end == NO_LINE)
			return verdict(h);
		reason = http_read_request_line(h, limits, bytes, end);
		if (reason != HTTP_BAD_NONE)
			return bad(h, reason);
		next_line(h, end);
	}
	if (h->stage != STAGE_FIELDS || !read_fields(&r))
		return verdict(h);
	return understood(h, http_understand_request(h, bytes));
}

enum http_result
http_response_parse(struct http_head *h, const struct http_limits *limits, const uint8_t *bytes,
		    size_t len)
{
	struct reading r = begin(h, limits, bytes, len);
	enum http_bad reason;
	size_t end;

	if (h->stage == STAGE_START)
		h->stage = STAGE_FIRST;
	if (h->stage == STAGE_FIRST) {
		end = first_line(&r, r.len, HTTP_BAD_HEAD_TOO_LARGE);
		if (end == NO_LINE)
			return verdict(h);
		reason = http_read_status_line(h, bytes, end);
		if (reason != HTTP_BAD_NONE)
			return bad(h, reason);
		next_line(h, end);
	}
	if (h->stage != STAGE_FIELDS || !read_fields(&r))
		return verdict(h);
	return understood(h, http_understand_response(h, bytes));
}

/* ---- beside them ----------------------------------------------------------------------------- */

/* RFC 9110 6.5.1; the rest says whom the message is for or what comes of the connection. */
static const uint64_t no_trailers =
    1ULL << HTTP_CONTENT_LENGTH | 1ULL << HTTP_TRANSFER_ENCODING | 1ULL << HTTP_HOST |
    1ULL << HTTP_TE | 1ULL << HTTP_TRAILER | 1ULL << HTTP_CONNECTION | 1ULL << HTTP_KEEP_ALIVE |
    1ULL << HTTP_PROXY_CONNECTION | 1ULL << HTTP_UPGRADE | 1ULL << HTTP_EXPECT |
    1ULL << HTTP_MAX_FORWARDS | 1ULL << HTTP_AUTHORIZATION | 1ULL << HTTP_COOKIE |
    1ULL << HTTP_SET_COOKIE | HTTP_IDENTITY;

/* Is there one, or one that looks like one, or like what is said of clients? */
static bool
has_no_trailer(const struct http_head *h, const uint8_t *bytes)
{
	const struct http_field *f;

	if (h->present & no_trailers)
		return true;
	for (f = h->fields; f < h->fields + h->n_fields; f++)
		if (http_known_bit(http_known_alike(bytes + f->name.at, f->name.length)) &
			no_trailers ||
		    http_alike_identity(bytes + f->name.at, f->name.length))
			return true;
	return false;
}

enum http_result
http_trailer_parse(struct http_head *h, const struct http_limits *limits, const uint8_t *bytes,
		   size_t len)
{
	struct reading r = begin(h, limits, bytes, len);

	if (h->stage == STAGE_START)
		h->stage = STAGE_FIELDS;
	if (h->stage != STAGE_FIELDS || !read_fields(&r))
		return verdict(h);
	return understood(h, has_no_trailer(h, bytes) ? HTTP_BAD_TRAILER_FIELD : HTTP_BAD_NONE);
}

bool
http_head_end(const uint8_t *bytes, size_t len, uint32_t *scanned)
{
	size_t at = *scanned, stop;

	/* A line begins behind a line feed, and is empty if it begins with CR LF. */
	for (;;) {
		stop = scan_text(bytes, at, len);
		*scanned = (uint32_t)stop;
		if (stop + 1 >= len)
			return stop < len && bytes[stop] != '\r';
		if (bytes[stop] != '\r' || bytes[stop + 1] != '\n')
			return true;
		if (stop > 0 && bytes[stop - 1] == '\n')
			return true;
		at = stop + 2;
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/http/write.h"

#include <errno.h>
#include <string.h>

#include "lib/http/head_parts.h"
#include "lib/http/scan.h"

/* The fields that are said by us alone. */
#define OURS_IN_RESPONSES \
	(1ULL << HTTP_CONTENT_LENGTH | 1ULL << HTTP_TRANSFER_ENCODING | 1ULL << HTTP_CONNECTION)
#define OURS_IN_REQUESTS (OURS_IN_RESPONSES | 1ULL << HTTP_HOST)

/* A head as it is written. */
struct writing {
	const struct http_head *h;
	const uint8_t *bytes;
	const struct http_change *change;
	uint8_t *at, *end;
	bool full;
};

/* ---- pieces ---------------------------------------------------------------------------------- */

/* p may be NULL if there is nothing. */
static inline void
copy_plain(uint8_t *to, const void *p, size_t length)
{
	if (length > 0)
		memcpy(to, p, length);
}

#ifdef __AVX512BW__
/* Most of what is put is short, and more follows: where there is room for it, zeros are stored
 * behind, as a store of some bytes of a vector is a slow one. */
static inline void
copy(uint8_t *to, const uint8_t *end, const void *p, size_t length)
{
	__mmask64 k = scan_mask(length);

	/* A load from nowhere, though of nothing, is slow. */
	if (length == 0)
		return;
	if (length > 64)
		copy_plain(to, p, length);
	else if (end - to >= 64)
		_mm512_storeu_si512(to, _mm512_maskz_loadu_epi8(k, p));
	else
		_mm512_mask_storeu_epi8(to, k, _mm512_maskz_loadu_epi8(k, p));
}
#else
#define copy(to, end, p, length) copy_plain(to, p, length)
#endif

static void
put(struct writing *w, const void *p, size_t length)
{
	if (length > (size_t)(w->end - w->at)) {
		w->full = true;
		w->at = w->end;
		return;
	}
	copy(w->at, w->end, p, length);
	w->at += length;
}

#define PUT_TEXT(w, text) put(w, text, sizeof(text) - 1)

static void
put_span(struct writing *w, struct http_span s)
{
	put(w, s.length > 0 ? w->bytes + s.at : NULL, s.length);
}

/* Where it is to be, and not first elsewhere: what was just written by single bytes is slow to be
 * read as a whole. */
static void
put_number(struct writing *w, uint64_t value)
{
	uint64_t rest = value;
	size_t digits = 1, i;

	while (rest >= 10) {
		rest /= 10;
		digits++;
	}
	if (digits > (size_t)(w->end - w->at)) {
		w->full = true;
		w->at = w->end;
		return;
	}
	for (i = digits; i > 0; value /= 10)
		w->at[--i] = (uint8_t)('0' + value % 10);
	w->at += digits;
}

static void
put_field(struct writing *w, const struct http_field *f)
{
	put_span(w, f->name);
	PUT_TEXT(w, ": ");
	put_span(w, f->value);
	PUT_TEXT(w, "\r\n");
}

/* The field came written as we would write it. */
static bool
is_plain(const struct http_field *f, const uint8_t *bytes)
{
	const uint8_t *colon = bytes + f->name.at + f->name.length;

	return f->value.at == f->name.at + f->name.length + 2 && colon[1] == ' ';
}

/* Does the next one follow in the next line, with nothing but a line's end in between? Each line
 * ends with CR LF, which the value may have blanks before. */
static bool
goes_on(const struct http_field *f, const struct http_field *next)
{
	return next->name.at == f->value.at + f->value.length + 2;
}

/* Fields [f, end) that are all kept: those that came as we would write them go in one piece. */
static void
put_run(struct writing *w, const struct http_field *f, const struct http_field *end)
{
	const struct http_field *last;

	for (; f < end; f = last + 1) {
		last = f;
		if (!is_plain(f, w->bytes)) {
			put_field(w, f);
			continue;
		}
		while (last + 1 < end && goes_on(last, last + 1) && is_plain(last + 1, w->bytes))
			last++;
		put(w, w->bytes + f->name.at,
		    (size_t)(last->value.at + last->value.length - f->name.at));
		PUT_TEXT(w, "\r\n");
	}
}

static int
written(const struct writing *w, const struct http_out *out)
{
	return w->full ? -ENOSPC : (int)(w->at - out->bytes);
}

/* ---- what the caller brings in --------------------------------------------------------------- */

static bool
is_all(enum scan_set set, const uint8_t *bytes, size_t length)
{
	return length > 0 && scan_set(set, bytes, 0, length) == length;
}

static bool
name_is_good(const struct http_edit *e)
{
	const char *known = http_known_name((enum http_known)e->known);

	return (e->name == (const uint8_t *)known &&
		e->name_length == http_known_length((enum http_known)e->known) && known[0]) ||
	       is_all(SCAN_TOKEN, e->name, e->name_length);
}

static bool
edit_is_good(const struct http_edit *e, uint64_t ours)
{
	if (http_known_bit((enum http_known)e->known) & ours)
		return false;
	return name_is_good(e) && scan_text(e->value, 0, e->value_length) == e->value_length;
}

static bool
change_is_good(const struct http_change *c, uint64_t ours)
{
	struct http_authority authority;
	size_t i;

	for (i = 0; i < c->n_edits; i++)
		if (!edit_is_good(&c->edits[i], ours))
			return false;
	if (c->path && (!is_all(SCAN_PATH, c->path, c->path_length) || c->path[0] != '/'))
		return false;
	return !c->host ||
	       http_read_authority(c->host, (struct http_span){ 0, c->host_length }, &authority);
}

/* ---- fields ---------------------------------------------------------------------------------- */

/* The known fields that the edits take away, and whether there are others. */
static uint64_t
removed_by_edits(const struct http_change *c, bool *others)
{
	uint64_t removed = 0;
	size_t i;

	*others = false;
	for (i = 0; i < c->n_edits; i++) {
		if (c->edits[i].op == HTTP_EDIT_ADD)
			continue;
		if (c->edits[i].known == HTTP_UNKNOWN)
			*others = true;
		else
			removed |= http_known_bit((enum http_known)c->edits[i].known);
	}
	return removed;
}

static bool
edited_by_name(const struct writing *w, const struct http_field *f)
{
	const struct http_edit *e, *end = w->change->edits + w->change->n_edits;

	for (e = w->change->edits; e < end; e++)
		if (e->op != HTTP_EDIT_ADD && e->name_length == f->name.length &&
		    http_same_name(e->name, w->bytes + f->name.at, e->name_length))
			return true;
	return false;
}

/* Those that stay, then those that are new. */
static void
put_fields(struct writing *w, uint64_t ours)
{
	const struct http_change *c = w->change;
	bool upgrade = c->connection == HTTP_SAY_UPGRADE, others;
	uint64_t removed = ours | removed_by_edits(c, &others);
	const struct http_field *f, *kept = w->h->fields, *end = kept + w->h->n_fields;
	size_t i;

	for (f = kept; f < end; f++) {
		if ((!(f->flags & HTTP_FIELD_HOP) || (upgrade && f->known == HTTP_UPGRADE)) &&
		    !(removed & http_known_bit((enum http_known)f->known)) &&
		    !(others && f->known == HTTP_UNKNOWN && edited_by_name(w, f)))
			continue;
		put_run(w, kept, f);
		kept = f + 1;
	}
	put_run(w, kept, end);
	for (i = 0; i < c->n_edits; i++) {
		if (c->edits[i].op == HTTP_EDIT_REMOVE)
			continue;
		put(w, c->edits[i].name, c->edits[i].name_length);
		PUT_TEXT(w, ": ");
		put(w, c->edits[i].value, c->edits[i].value_length);
		PUT_TEXT(w, "\r\n");
	}
}

static void
put_connection(struct writing *w)
{
	switch (w->change->connection) {
	case HTTP_SAY_CLOSE:
		PUT_TEXT(w, "Connection: close\r\n");
		break;
	case HTTP_SAY_KEEP_ALIVE:
		PUT_TEXT(w, "Connection: keep-alive\r\n");
		break;
	case HTTP_SAY_UPGRADE:
		PUT_TEXT(w, "Connection: upgrade\r\n");
		break;
	default:
		break;
	}
}

/* Of a body that is not there the length may be told, but not by these (RFC 9110 8.6). */
static bool
tells_length(const struct http_head *h)
{
	if (h->body == HTTP_BODY_NONE)
		return h->has_length && (h->status == 0 || h->status >= 200) && h->status != 204;
	return h->body == HTTP_BODY_LENGTH;
}

static void
put_framing(struct writing *w)
{
	const struct http_head *h = w->h;
	uint8_t framing = w->change->framing;

	if (framing == HTTP_FRAMING_SAME && h->body == HTTP_BODY_CHUNKED)
		framing = HTTP_FRAMING_CHUNKED;
	if (framing == HTTP_FRAMING_CHUNKED) {
		PUT_TEXT(w, "Transfer-Encoding: chunked\r\n");
	} else if (framing == HTTP_FRAMING_SAME && tells_length(h)) {
		PUT_TEXT(w, "Content-Length: ");
		put_number(w, h->content_length);
		PUT_TEXT(w, "\r\n");
	}
}

/* ---- messages -------------------------------------------------------------------------------- */

static void
put_path(struct writing *w)
{
	const struct http_head *h = w->h;

	if (w->change->path)
		put(w, w->change->path, w->change->path_length);
	else if (h->path.length > 0)
		put_span(w, h->path);
	else if (h->method == HTTP_OPTIONS && !h->has_query)
		PUT_TEXT(w, "*"); /* RFC 9112 3.2.4 */
	else
		PUT_TEXT(w, "/");
	if (h->has_query) {
		PUT_TEXT(w, "?");
		put_span(w, h->query);
	}
}

static void
put_authority(struct writing *w)
{
	if (w->change->host)
		put(w, w->change->host, w->change->host_length);
	else
		put_span(w, w->h->authority.whole);
}

int
http_request_write(const struct http_head *h, const uint8_t *bytes,
		   const struct http_change *change, struct http_out out)
{
	struct writing w = { h, bytes, change, out.bytes, out.bytes + out.size, false };

	if (!change_is_good(change, OURS_IN_REQUESTS))
		return -EINVAL;
	/* HTTP/1.1 has no request without it. */
	if (!change->host && h->authority.whole.length == 0)
		return -EINVAL;
	put_span(&w, h->method_name);
	PUT_TEXT(&w, " ");
	if (h->form == HTTP_AUTHORITY)
		put_authority(&w);
	else
		put_path(&w);
	PUT_TEXT(&w, " HTTP/1.1\r\nHost: ");
	put_authority(&w);
	PUT_TEXT(&w, "\r\n");
	put_fields(&w, OURS_IN_REQUESTS);
	put_connection(&w);
	put_framing(&w);
	PUT_TEXT(&w, "\r\n");
	return written(&w, &out);
}

int
http_response_write(const struct http_head *h, const uint8_t *bytes,
		    const struct http_change *change, struct http_out out)
{
	struct writing w = { h, bytes, change, out.bytes, out.bytes + out.size, false };

	if (!change_is_good(change, OURS_IN_RESPONSES))
		return -EINVAL;
	PUT_TEXT(&w, "HTTP/1.1 ");
	put_number(&w, h->status);
	PUT_TEXT(&w, " ");
	put_span(&w, h->reason);
	PUT_TEXT(&w, "\r\n");
	put_fields(&w, OURS_IN_RESPONSES);
	put_connection(&w);
	put_framing(&w);
	PUT_TEXT(&w, "\r\n");
	return written(&w, &out);
}

int
http_trailer_write(const struct http_head *h, const uint8_t *bytes, struct http_out out)
{
	static const struct http_change nothing;
	struct writing w = { h, bytes, &nothing, out.bytes, out.bytes + out.size, false };

	put_fields(&w, OURS_IN_REQUESTS);
	PUT_TEXT(&w, "\r\n");
	return written(&w, &out);
}

struct http_edit
http_edit_text(enum http_edit_op op, const char *name, const char *value)
{
	size_t length = strlen(name);

	return (struct http_edit){
		.name = (const uint8_t *)name,
		.value = (const uint8_t *)value,
		.name_length = (uint16_t)length,
		.value_length = (uint16_t)(value ? strlen(value) : 0),
		.op = (uint8_t)op,
		.known = (uint8_t)http_known((const uint8_t *)name, length),
	};
}

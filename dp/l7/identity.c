/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a backend is told of the client: X-Forwarded-For, -Proto and -Host, and Forwarded
 * (RFC 7239). What clients say of themselves in these is removed; what a trusted proxy says is
 * kept, and its own address is put behind it.
 */
#include <string.h>

#include "dp/l7/internal.h"

static void
put(struct http_identity *out, const void *bytes, size_t length)
{
	memcpy(out->room + out->used, bytes, length);
	out->used += (uint32_t)length;
}

/* What lies in the room from `at` on is the value of a field. */
static void
edit(struct http_identity *out, enum http_known known, uint32_t at)
{
	const char *name = http_known_name(known);

	out->edits[out->n++] = (struct http_edit){
		.name = (const uint8_t *)name,
		.value = out->room + at,
		.name_length = (uint16_t)strlen(name),
		.value_length = (uint16_t)(out->used - at),
		.op = HTTP_EDIT_SET,
		.known = (uint8_t)known,
	};
}

/* What is there already, with a comma behind it; nothing if it is too long. */
static void
put_before(const struct http *h, const uint8_t *bytes, enum http_known known,
	   struct http_identity *out)
{
	const struct http_head *head = &h->head;
	const struct http_field *f;
	uint32_t begin = out->used;

	for (f = head->fields; f < head->fields + head->n_fields; f++) {
		if (f->known != known || !f->value.length)
			continue;
		if (out->used + f->value.length + 2 > HTTP_IDENTITY_BYTES / 2) {
			out->used = begin;
			return;
		}
		put(out, bytes + f->value.at, f->value.length);
		put(out, ", ", 2);
	}
}

static bool
is_trusted(const struct http *h, const struct http_session *s)
{
	const struct proxy_settings *settings = http_settings(h, s);

	return settings && settings->trusted &&
	       lpm_lookup(settings->trusted, &s->tuple.src) != LPM_NONE;
}

/* One of the fields that tell what the client has asked for. */
static void
identify_one(const struct http *h, enum http_known known, bool trusted, struct http_text value,
	     struct http_identity *out)
{
	uint32_t at = out->used;

	if ((trusted && http_find(&h->head, known)) ||
	    out->used + value.length > HTTP_IDENTITY_BYTES)
		return;
	put(out, value.bytes, value.length);
	edit(out, known, at);
}

void
http_identify(const struct http *h, const struct http_session *s, const uint8_t *bytes,
	      struct http_identity *out)
{
	const struct addr *client = http_client(s);
	const struct http_span *host = &h->head.authority.whole;
	struct http_text scheme = http_scheme(s);
	bool trusted = is_trusted(h, s), v4 = addr_is_v4(client);
	char text[ADDR_STRLEN];
	size_t length;
	uint32_t at = 0;

	out->n = out->used = 0;
	addr_format(client, text);
	length = strlen(text);

	if (trusted)
		put_before(h, bytes, HTTP_X_FORWARDED_FOR, out);
	put(out, text, length);
	edit(out, HTTP_X_FORWARDED_FOR, at);

	at = out->used;
	if (trusted)
		put_before(h, bytes, HTTP_FORWARDED, out);
	put(out, v4 ? "for=" : "for=\"[", v4 ? 4 : 6);
	put(out, text, length);
	put(out, v4 ? "" : "]\"", v4 ? 0 : 2);
	if (host->length && host->length < HTTP_IDENTITY_BYTES / 8) {
		put(out, ";host=\"", 7);
		put(out, bytes + host->at, host->length);
		put(out, "\"", 1);
	}
	put(out, ";proto=", 7);
	put(out, scheme.bytes, scheme.length);
	edit(out, HTTP_FORWARDED, at);

	identify_one(h, HTTP_X_FORWARDED_PROTO, trusted, scheme, out);
	identify_one(h, HTTP_X_FORWARDED_HOST, trusted,
		     (struct http_text){ (const char *)bytes + host->at, host->length }, out);
}

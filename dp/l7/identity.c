/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a backend is told of the client: X-Forwarded-For, -Proto and -Host, and Forwarded
 * (RFC 7239), and X-SSL-Client-... of the certificate that it has shown. What clients say of
 * themselves in these is removed; what a trusted proxy says is kept, and its own address is put
 * behind it. Names that many servers make the same of, as they are written with _ or another
 * character for -, are removed in any case.
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
	out->edits[out->n++] = (struct http_edit){
		.name = (const uint8_t *)http_known_name(known),
		.value = out->room + at,
		.name_length = (uint16_t)http_known_length(known),
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

/* A trusted one that passes connections on, and says so by a PROXY header, says nothing of what is
 * in them: there it counts whose they are. */
static bool
is_trusted(const struct http *h, const struct http_session *s)
{
	const struct proxy_settings *settings = http_settings(h, s);

	return settings && settings->trusted &&
	       lpm_lookup(settings->trusted, http_client(s)) != LPM_NONE;
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

/* ---- the client's certificate ---------------------------------------------------------------- */

static const enum http_known of_certificate[] = {
	HTTP_X_SSL_CLIENT_VERIFY, HTTP_X_SSL_CLIENT_DN,          HTTP_X_SSL_CLIENT_SAN,
	HTTP_X_SSL_CLIENT_SERIAL, HTTP_X_SSL_CLIENT_FINGERPRINT,
};

void
http_peer_keep(struct http *h, struct http_session *s, const struct tls_peer *peer)
{
	struct http_peer *kept = &h->peers[http_session_index(h, s)];
	unsigned int i;

	if (!peer->has_certificate)
		return;
	s->certified = true;
	kept->verified = peer->verified;
	memcpy(kept->subject, peer->subject, sizeof(kept->subject));
	memcpy(kept->names, peer->names, sizeof(kept->names));
	memcpy(kept->serial, peer->serial, sizeof(kept->serial));
	for (i = 0; i < sizeof(peer->fingerprint); i++) {
		kept->fingerprint[2 * i] = "0123456789abcdef"[peer->fingerprint[i] >> 4];
		kept->fingerprint[2 * i + 1] = "0123456789abcdef"[peer->fingerprint[i] & 15];
	}
	kept->fingerprint[2 * i] = '\0';
}

/* What is said in this field, "": nothing. Nobody shall believe what has not been verified. */
static const char *
of_peer(const struct http_peer *peer, enum http_known field)
{
	if (field == HTTP_X_SSL_CLIENT_VERIFY)
		return peer->verified ? "SUCCESS" : "FAILED";
	if (!peer->verified)
		return "";
	switch (field) {
	case HTTP_X_SSL_CLIENT_DN:
		return peer->subject;
	case HTTP_X_SSL_CLIENT_SAN:
		return peer->names;
	case HTTP_X_SSL_CLIENT_SERIAL:
		return peer->serial;
	default:
		return peer->fingerprint;
	}
}

static void
identify_certificate(const struct http *h, const struct http_session *s, bool trusted,
		     struct http_identity *out)
{
	const struct http_peer *peer = s->certified ? &h->peers[http_session_index(h, s)] : NULL;
	unsigned int i;

	for (i = 0; i < RTE_DIM(of_certificate); i++) {
		enum http_known field = of_certificate[i];
		const char *value = peer ? of_peer(peer, field) : "";

		if (value[0])
			out->edits[out->n++] =
			    http_edit_text(HTTP_EDIT_SET, http_known_name(field), value);
		else if (http_find(&h->head, field) && (peer || !trusted))
			out->edits[out->n++] =
			    http_edit_text(HTTP_EDIT_REMOVE, http_known_name(field), "");
	}
}

/* ---- names that look alike ------------------------------------------------------------------- */

/* All that says something of the client begins with one of these. */
static bool
begins_like_ours(uint8_t c)
{
	return (c | 0x20) == 'x' || (c | 0x20) == 'f';
}

/* Not passed on: what looks like ours and is not; of who is not trusted all that begins like what
 * says something of a certificate. */
static void
hide_lookalikes(struct http_head *head, const uint8_t *bytes, bool trusted)
{
	struct http_field *f;

	for (f = head->fields; f < head->fields + head->n_fields; f++) {
		const uint8_t *name = bytes + f->name.at;

		if (f->known == HTTP_UNKNOWN && begins_like_ours(name[0]) &&
		    (http_known_bit(http_known_alike(name, f->name.length)) & HTTP_IDENTITY ||
		     (!trusted && http_alike(name, f->name.length, "x-ssl-client-"))))
			f->flags |= HTTP_FIELD_HOP;
	}
}

/* ---- all of it ------------------------------------------------------------------------------- */

void
http_identify(struct http *h, const struct http_session *s, const uint8_t *bytes,
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
	hide_lookalikes(&h->head, bytes, trusted);
	identify_certificate(h, s, trusted, out);
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

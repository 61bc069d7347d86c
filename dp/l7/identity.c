/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a backend is told of the client: X-Forwarded-For, -Proto and -Host, and Forwarded
 * (RFC 7239), and X-SSL-Client-... of the certificate that it has shown. What clients say of
 * themselves in these, and in what else proxies say of clients (HTTP_CLIENT_SAYS, X-Forwarded-...,
 * X-SSL-Client-...), is removed; what a trusted proxy says is kept, and its own address is put
 * behind it. Names that many servers make the same of as of one that is ours, as they are written
 * with _ or another character for -, are removed in any case: those of fields that we know, and
 * that the route edits.
 */
#include <stdio.h>
#include <string.h>

#include "dp/l7/internal.h"
#include "lib/http/scan.h"

/* So much is kept of each list of those before us, and so long a host and a port can be. */
#define LIST_BYTES 1024u
#define HOST_BYTES 264u
static_assert(2 * LIST_BYTES + 2 * HOST_BYTES + 256 + HTTP_VIA_MAX <= HTTP_IDENTITY_BYTES,
	      "all that is said has room");

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

/* How many bytes of a list are left out so that these, or some more, are, and what follows begins
 * with an element. Commas of Forwarded may be quoted (RFC 7239 4). */
static uint32_t
cut_elements(const uint8_t *list, uint32_t length, uint32_t least, bool quotes)
{
	bool quoted = false;
	uint32_t i = 0;

	while (i < length) {
		uint8_t c = list[i++];

		if (quotes && c == '"')
			quoted = !quoted;
		else if (quoted && c == '\\')
			i++;
		if (quoted || c != ',')
			continue;
		while (i < length && (list[i] == ' ' || list[i] == '\t'))
			i++;
		if (i >= least)
			return RTE_MIN(i, length);
	}
	return length;
}

/* By how much what is there already is too long. */
static uint32_t
too_long(const struct http_head *head, enum http_known known)
{
	const struct http_field *f;
	uint32_t length = 0;

	for (f = head->fields; f < head->fields + head->n_fields; f++)
		if (f->known == known && f->value.length)
			length += f->value.length + 2u;
	return length > LIST_BYTES ? length - LIST_BYTES : 0;
}

/* What is there already, with a comma behind it. Of what is too long the last elements: those who
 * are nearest to us have said them. */
static void
put_before(struct http *h, const uint8_t *bytes, enum http_known known, struct http_identity *out)
{
	const struct http_head *head = &h->head;
	const struct http_field *f;
	uint32_t cut = too_long(head, known);

	h->counters.forwarded_cut += cut > 0;
	for (f = head->fields; f < head->fields + head->n_fields; f++) {
		uint32_t n = f->value.length, at = 0;

		if (f->known != known || !n)
			continue;
		if (cut)
			at = cut_elements(bytes + f->value.at, n, cut, known == HTTP_FORWARDED);
		cut -= RTE_MIN(cut, at == n ? n + 2 : at);
		if (at == n)
			continue;
		cut = 0;
		put(out, bytes + f->value.at + at, n - at);
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

	if (trusted && http_find(&h->head, known))
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

static bool
is_like(const struct http_text *key, const uint8_t *name, size_t length)
{
	return key->length == length && http_same_alike((const uint8_t *)key->bytes, name, length);
}

/* Are there servers that take a name that is not known for a known one, or for one that the route
 * edits or that requests are counted by? */
static bool
looks_alike(const struct http_exchange *x, const uint8_t *name, size_t length)
{
	const struct http_route *r = x->route;
	uint32_t i;

	if (scan_set(SCAN_NAME, name, 0, length) == length)
		return false;
	if (http_known_alike(name, length) != HTTP_UNKNOWN ||
	    is_like(&r->limit_key_name, name, length) ||
	    is_like(&x->listener->limit_key_name, name, length))
		return true;
	for (i = 0; i < r->n_request_edits; i++)
		if (r->request_edits[i].name_length == length &&
		    http_same_alike(r->request_edits[i].name, name, length))
			return true;
	return false;
}

/* Does a field say something of the client that only who is trusted may say? All such that is not
 * known begins with an x. */
static bool
says_of_client(const struct http_field *f, const uint8_t *name)
{
	if (f->known != HTTP_UNKNOWN)
		return http_known_bit((enum http_known)f->known) & HTTP_CLIENT_SAYS;
	return (name[0] | 0x20) == 'x' && http_alike_identity(name, f->name.length);
}

/* Not passed on: what looks like ours and is not; of who is not trusted all that says something of
 * the client. */
static void
hide(struct http *h, const struct http_exchange *x, const uint8_t *bytes, bool trusted)
{
	struct http_field *f;

	for (f = h->head.fields; f < h->head.fields + h->head.n_fields; f++) {
		const uint8_t *name = bytes + f->name.at;

		if (f->known == HTTP_UNKNOWN && looks_alike(x, name, f->name.length)) {
			h->counters.fields_alike++;
			f->flags |= HTTP_FIELD_HOP;
		} else if (!trusted && says_of_client(f, name)) {
			f->flags |= HTTP_FIELD_HOP;
		}
	}
}

/* ---- whom it is for, where the request does not say it --------------------------------------- */

size_t
http_own_authority(const struct http_session *s, bool port, char out[HTTP_AUTHORITY_MAX])
{
	const struct addr *to = s->ends.known ? &s->ends.dst : &s->tuple.dst;
	unsigned int at = s->ends.known ? s->ends.dport : rte_be_to_cpu_16(s->tuple.dport);
	bool v4 = addr_is_v4(to);
	char text[ADDR_STRLEN], colon[8] = "";

	if (port && at != (s->secure ? 443u : 80u))
		snprintf(colon, sizeof(colon), ":%u", at);
	return (size_t)snprintf(out, HTTP_AUTHORITY_MAX, "%s%s%s%s", v4 ? "" : "[",
				addr_format(to, text), v4 ? "" : "]", colon);
}

/* ---- by whom it goes on ---------------------------------------------------------------------- */

uint32_t
http_via(const struct http_listener *l, uint8_t minor, uint8_t out[HTTP_VIA_MAX])
{
	uint32_t length = RTE_MIN(l->via.length, HTTP_VIA_MAX - 4);

	memcpy(out, minor ? "1.1 " : "1.0 ", 4);
	memcpy(out + 4, l->via.bytes, length);
	return 4 + length;
}

static void
identify_us(const struct http *h, const struct http_session *s, struct http_identity *out)
{
	uint32_t at = out->used;

	if (!s->x->listener->via.length)
		return;
	out->used += http_via(s->x->listener, h->head.minor, out->room + at);
	edit(out, HTTP_VIA, at);
	out->edits[out->n - 1].op = HTTP_EDIT_ADD;
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
	uint32_t at;

	out->n = out->used = 0;
	hide(h, s->x, bytes, trusted);
	identify_certificate(h, s, trusted, out);
	identify_us(h, s, out);
	addr_format(client, text);
	length = strlen(text);

	at = out->used;
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
	if (host->length && host->length <= HOST_BYTES) {
		put(out, ";host=\"", 7);
		put(out, bytes + host->at, host->length);
		put(out, "\"", 1);
	}
	put(out, ";proto=", 7);
	put(out, scheme.bytes, scheme.length);
	edit(out, HTTP_FORWARDED, at);

	identify_one(h, HTTP_X_FORWARDED_PROTO, trusted, scheme, out);
	if (host->length && host->length <= HOST_BYTES)
		identify_one(h, HTTP_X_FORWARDED_HOST, trusted,
			     (struct http_text){ (const char *)bytes + host->at, host->length },
			     out);
	else if (!trusted)
		out->edits[out->n++] = http_edit_text(HTTP_EDIT_REMOVE, "x-forwarded-host", "");
}

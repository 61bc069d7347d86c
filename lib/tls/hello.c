/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/tls/hello.h"

#include <string.h>

#include "lib/addr.h"

#define RECORD_HANDSHAKE     22
#define RECORD_ALERT         21
#define ALERT_FATAL          2
#define MESSAGE_HEADER       4
#define MESSAGE_HELLO        1
#define RANDOM               32
#define SESSION_MOST         32
#define LABEL_MOST           63
#define NAME_TYPE_HOST       0
#define EXTENSION_NAME       0
#define EXTENSION_GROUPS     10
#define EXTENSION_SIGNATURES 13
#define EXTENSION_PSK        41
#define EXTENSION_PSK_MODES  45
#define PSK_ALONE            0 /* psk_ke */
#define EXTENSION_ALPN       16
#define EXTENSION_VERSION    43

/* ---- reasons --------------------------------------------------------------------------------- */

static const struct {
	const char *name, *help;
	uint8_t alert;
} reasons[] = {
#define X(constant, name, alert, help) { name, help, alert },
	TLS_HELLO_BAD_REASONS(X)
#undef X
};

const char *
tls_bad_name(enum tls_bad bad)
{
	return reasons[bad].name;
}

const char *
tls_bad_help(enum tls_bad bad)
{
	return reasons[bad].help;
}

void
tls_alert_write(enum tls_bad bad, uint8_t out[TLS_ALERT_BYTES])
{
	const uint8_t alert[] = { RECORD_ALERT, 3, 3, 0, 2, ALERT_FATAL, reasons[bad].alert };

	memcpy(out, alert, sizeof(alert));
}

static enum tls_hello_result
refuse(struct tls_hello *h, enum tls_bad bad)
{
	h->bad = bad;
	return TLS_HELLO_BAD;
}

/* ---- records --------------------------------------------------------------------------------- */

/* Where the walk along the records is. */
struct walk {
	const uint8_t *bytes;
	size_t length;
	size_t at;                      /* the record */
	size_t size;                    /* its content */
	size_t got;                     /* bytes of the message in the records before */
	size_t total;                   /* of the message; 0: not known yet */
	unsigned int records;           /* before this one */
	uint8_t header[MESSAGE_HEADER]; /* of the message, as far as it is there */
};

/* Anything may be wrong with the next byte. */
static enum tls_hello_result
more(struct tls_hello *h, size_t need)
{
	h->need = (uint32_t)need;
	return TLS_HELLO_MORE;
}

/* A hello of SSL 2.0 begins with a length whose first bit is set, and its type. */
static enum tls_hello_result
not_handshake(struct tls_hello *h, const struct walk *w)
{
	if (w->records == 0 && (w->bytes[0] & 0x80)) {
		if (w->length < 3)
			return more(h, w->length + 1);
		if (w->bytes[2] == MESSAGE_HELLO)
			return refuse(h, TLS_HELLO_BAD_SSLV2);
	}
	return refuse(h, TLS_HELLO_BAD_RECORD_TYPE);
}

static enum tls_hello_result
record_header(struct tls_hello *h, struct walk *w)
{
	const uint8_t *p = w->bytes + w->at;
	size_t there = w->length - w->at;

	if (there >= 1 && w->records == TLS_HELLO_RECORDS)
		return refuse(h, TLS_HELLO_BAD_TOO_MANY_RECORDS);
	if (there >= 1 && p[0] != RECORD_HANDSHAKE)
		return not_handshake(h, w);
	if (there >= 2 && p[1] != 3)
		return refuse(h, TLS_HELLO_BAD_RECORD_VERSION);
	if (there < TLS_RECORD_HEADER)
		return more(h, w->length + 1);
	w->size = (size_t)p[3] << 8 | p[4];
	if (w->size == 0)
		return refuse(h, TLS_HELLO_BAD_RECORD_EMPTY);
	if (w->size > TLS_RECORD_MOST)
		return refuse(h, TLS_HELLO_BAD_RECORD_TOO_LONG);
	return TLS_HELLO_DONE;
}

/* The message's own header may lie in several records as well. */
static enum tls_hello_result
message_header(struct tls_hello *h, struct walk *w)
{
	const uint8_t *content = w->bytes + w->at + TLS_RECORD_HEADER;
	size_t there = w->length - w->at - TLS_RECORD_HEADER, i;

	if (there > w->size)
		there = w->size;
	for (i = 0; i < there && w->got + i < MESSAGE_HEADER; i++)
		w->header[w->got + i] = content[i];
	if (w->got + there >= 1 && w->header[0] != MESSAGE_HELLO)
		return refuse(h, TLS_HELLO_BAD_HANDSHAKE_TYPE);
	if (w->got + there < MESSAGE_HEADER)
		return there < w->size ? more(h, w->length + 1) : TLS_HELLO_DONE;
	w->total = MESSAGE_HEADER + ((size_t)w->header[1] << 16 | w->header[2] << 8 | w->header[3]);
	if (w->total > TLS_HELLO_MOST)
		return refuse(h, TLS_HELLO_BAD_TOO_LONG);
	if (w->got + w->size > w->total)
		return refuse(h, TLS_HELLO_BAD_TRAILING);
	return TLS_HELLO_DONE;
}

/* Are all records of the message there? */
static enum tls_hello_result
walk_records(struct tls_hello *h, struct walk *w)
{
	enum tls_hello_result result;
	bool last;

	for (;; w->records++) {
		result = record_header(h, w);
		if (result == TLS_HELLO_DONE)
			result = message_header(h, w);
		if (result != TLS_HELLO_DONE)
			return result;
		w->at += TLS_RECORD_HEADER + w->size;
		w->got += w->size;
		last = w->got == w->total;
		if (w->length < w->at)
			return more(h, w->at + !last);
		if (last)
			return TLS_HELLO_DONE;
	}
}

/* The contents of the records, side by side. */
static void
join(uint8_t *room, const struct walk *w)
{
	size_t at = 0, got = 0;

	while (at < w->at) {
		size_t size = (size_t)w->bytes[at + 3] << 8 | w->bytes[at + 4];

		at += TLS_RECORD_HEADER + size;
		memmove(room + got, w->bytes + at - size, size);
		got += size;
	}
}

/* ---- what is inside -------------------------------------------------------------------------- */

struct reader {
	const uint8_t *at;
	size_t left;
	bool broken; /* more was read than there is: from then on there is nothing */
};

static struct reader
take(struct reader *r, size_t n)
{
	struct reader part = { r->at, n, r->broken || r->left < n };

	if (part.broken) {
		r->broken = true;
		r->left = part.left = 0;
		return part;
	}
	r->at += n;
	r->left -= n;
	return part;
}

/* An integer of one or two bytes. */
static unsigned int
number(struct reader *r, size_t bytes)
{
	struct reader part = take(r, bytes);
	unsigned int value = 0;

	while (part.left) {
		value = value << 8 | *part.at++;
		part.left--;
	}
	return value;
}

/* What a length of one or two bytes stands before; `least` bytes at least. */
static struct reader
vector(struct reader *r, size_t bytes, size_t least)
{
	size_t n = number(r, bytes);
	struct reader part = take(r, n);

	if (part.left < least)
		r->broken = part.broken = true;
	return part;
}

/* ---- names ----------------------------------------------------------------------------------- */

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_in_label(char c)
{
	return is_letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static bool
is_address(const char *name, size_t length)
{
	char text[ADDR_STRLEN];
	struct addr address;

	if (length >= sizeof(text) || memchr(name, '\0', length))
		return false;
	memcpy(text, name, length);
	text[length] = '\0';
	return addr_parse(text, &address) == 0;
}

static bool
is_name(const char *name, size_t length)
{
	size_t label = 0, i;

	if (length > TLS_NAME_MOST)
		return false;
	for (i = 0; i < length; i++) {
		if (name[i] == '.' ? !label : !is_in_label(name[i]))
			return false;
		label = name[i] == '.' ? 0 : label + 1;
		if (label > LABEL_MOST)
			return false;
	}
	return label > 0;
}

bool
tls_name_usable(const char *name, size_t length)
{
	return is_name(name, length) && !is_address(name, length);
}

size_t
tls_name_length(const char *name, size_t length)
{
	return length > 1 && name[length - 1] == '.' ? length - 1 : length;
}

static enum tls_bad
host_name(struct tls_hello *h, const char *name, size_t length)
{
	size_t i;

	if (h->name_length || h->name_is_address)
		return TLS_HELLO_BAD_NAME_TWICE;
	length = tls_name_length(name, length);
	h->name_is_address = is_address(name, length);
	if (h->name_is_address)
		return TLS_HELLO_BAD_NONE;
	if (!is_name(name, length))
		return TLS_HELLO_BAD_NAME_INVALID;
	for (i = 0; i < length; i++)
		h->name[i] = is_letter(name[i]) ? (char)(name[i] | 0x20) : name[i];
	h->name[length] = '\0';
	h->name_length = (uint8_t)length;
	return TLS_HELLO_BAD_NONE;
}

/* Names of other types are for others: all have their length in front (RFC 6066 3). */
static enum tls_bad
server_name(struct tls_hello *h, struct reader content)
{
	struct reader list = vector(&content, 2, 1);
	enum tls_bad bad = TLS_HELLO_BAD_NONE;

	if (content.broken || content.left)
		return TLS_HELLO_BAD_LENGTHS;
	while (list.left && bad == TLS_HELLO_BAD_NONE) {
		unsigned int type = number(&list, 1);
		struct reader name = vector(&list, 2, 1);

		if (list.broken)
			return TLS_HELLO_BAD_LENGTHS;
		if (type == NAME_TYPE_HOST)
			bad = host_name(h, (const char *)name.at, name.left);
	}
	return bad;
}

/* ---- other extensions ------------------------------------------------------------------------ */

static enum tls_bad
protocols(struct tls_hello *h, struct reader content)
{
	struct reader list = vector(&content, 2, 1);

	h->protocols = (struct tls_list){ list.at, (uint16_t)list.left };
	while (list.left)
		vector(&list, 1, 1);
	return content.broken || content.left || list.broken ? TLS_HELLO_BAD_LENGTHS
							     : TLS_HELLO_BAD_NONE;
}

static enum tls_bad
versions(struct tls_hello *h, struct reader content)
{
	struct reader list = vector(&content, 1, 2);

	h->versions = (struct tls_list){ list.at, (uint16_t)list.left };
	return content.broken || content.left || list.left % 2 ? TLS_HELLO_BAD_LENGTHS
							       : TLS_HELLO_BAD_NONE;
}

/* Without those that it cannot be made of. */
static struct tls_list
pairs(struct reader content)
{
	struct reader list = vector(&content, 2, 2);

	if (content.broken || content.left || list.left % 2)
		return (struct tls_list){ NULL, 0 };
	return (struct tls_list){ list.at, (uint16_t)list.left };
}

/* The same of a list that cannot be. */
static bool
has_mode(struct reader content, uint8_t mode)
{
	struct reader list = vector(&content, 1, 1);

	return !list.broken && !content.left && memchr(list.at, mode, list.left);
}

static enum tls_bad
extension(struct tls_hello *h, unsigned int type, struct reader content)
{
	switch (type) {
	case EXTENSION_NAME:
		return server_name(h, content);
	case EXTENSION_ALPN:
		return protocols(h, content);
	case EXTENSION_VERSION:
		return versions(h, content);
	case EXTENSION_GROUPS:
		h->groups = pairs(content);
		return TLS_HELLO_BAD_NONE;
	case EXTENSION_SIGNATURES:
		h->signatures = pairs(content);
		return TLS_HELLO_BAD_NONE;
	case EXTENSION_PSK:
		h->psk = true;
		return TLS_HELLO_BAD_NONE;
	case EXTENSION_PSK_MODES:
		h->psk_alone = has_mode(content, PSK_ALONE);
		return TLS_HELLO_BAD_NONE;
	default:
		return TLS_HELLO_BAD_NONE;
	}
}

static enum tls_bad
extensions(struct tls_hello *h, struct reader list)
{
	unsigned int seen[TLS_HELLO_EXTENSIONS], n, i;
	enum tls_bad bad = TLS_HELLO_BAD_NONE;

	for (n = 0; list.left && bad == TLS_HELLO_BAD_NONE; n++) {
		unsigned int type = number(&list, 2);
		struct reader content = vector(&list, 2, 0);

		if (list.broken)
			return TLS_HELLO_BAD_LENGTHS;
		if (n == TLS_HELLO_EXTENSIONS)
			return TLS_HELLO_BAD_TOO_MANY_EXTENSIONS;
		for (i = 0; i < n; i++)
			if (seen[i] == type)
				return TLS_HELLO_BAD_EXTENSION_TWICE;
		seen[n] = type;
		bad = extension(h, type, content);
	}
	return bad;
}

/* Before TLS 1.3 there need not be extensions. */
static enum tls_bad
body(struct tls_hello *h, struct reader r)
{
	struct reader ciphers, session, list;

	h->version = (uint16_t)number(&r, 2);
	take(&r, RANDOM);
	session = vector(&r, 1, 0);
	ciphers = vector(&r, 2, 2);
	vector(&r, 1, 1); /* compression methods */
	if (r.broken || session.left > SESSION_MOST || ciphers.left % 2)
		return TLS_HELLO_BAD_LENGTHS;
	if (h->version >> 8 != 3)
		return TLS_HELLO_BAD_VERSION;
	h->ciphers = (struct tls_list){ ciphers.at, (uint16_t)ciphers.left };
	if (!r.left)
		return TLS_HELLO_BAD_NONE;
	list = vector(&r, 2, 0);
	if (r.broken || r.left)
		return TLS_HELLO_BAD_LENGTHS;
	return extensions(h, list);
}

/* ---- all of it ------------------------------------------------------------------------------- */

enum tls_hello_result
tls_hello_parse(struct tls_hello *h, const uint8_t *bytes, size_t length, uint8_t *room)
{
	struct walk w = { .bytes = bytes, .length = length };
	enum tls_hello_result result;

	memset(h, 0, sizeof(*h));
	result = walk_records(h, &w);
	if (result != TLS_HELLO_DONE)
		return result;
	h->message = bytes + TLS_RECORD_HEADER;
	if (w.records > 0) {
		join(room, &w);
		h->message = room;
	}
	h->message_length = (uint32_t)w.total;
	h->bad = body(
	    h, (struct reader){ h->message + MESSAGE_HEADER, w.total - MESSAGE_HEADER, false });
	if (h->bad != TLS_HELLO_BAD_NONE)
		return TLS_HELLO_BAD;
	h->length = (uint32_t)w.at;
	return TLS_HELLO_DONE;
}

bool
tls_hello_offers(const struct tls_hello *h, const char *protocol)
{
	const uint8_t *list = h->protocols.bytes;
	size_t length = strlen(protocol), i;

	for (i = 0; i < h->protocols.length; i += 1u + list[i])
		if (list[i] == length && memcmp(list + i + 1, protocol, length) == 0)
			return true;
	return false;
}

/* A client that names its versions means those and no others (RFC 8446 4.2.1). */
bool
tls_hello_supports(const struct tls_hello *h, uint16_t version)
{
	size_t i;

	if (!h->versions.bytes)
		return version <= h->version && version < 0x0304;
	for (i = 0; i < h->versions.length; i += 2)
		if ((h->versions.bytes[i] << 8 | h->versions.bytes[i + 1]) == version)
			return true;
	return false;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/tls/watch.h"

#include <string.h>

#define SERVER_HELLO 2
#define CERTIFICATE  11
#define MESSAGE_HEAD 4

#define EXTENSION_EXTENDED_MASTER_SECRET 23
#define EXTENSION_PRE_SHARED_KEY         41
#define EXTENSION_SUPPORTED_VERSIONS     43

/* RFC 8446 4.1.3: the random of a HelloRetryRequest, SHA-256 of these words. */
static const uint8_t retry_random[TLS_RANDOM] = {
	0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c,
	0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb,
	0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
};

static size_t
get16(const uint8_t *p)
{
	return (size_t)p[0] << 8 | p[1];
}

static void
see_extensions(struct tls_watch *w, const uint8_t *p, size_t length)
{
	size_t n;

	for (; length >= 4; p += n, length -= n) {
		switch (get16(p)) {
		case EXTENSION_EXTENDED_MASTER_SECRET:
			w->extended_secret = true;
			break;
		case EXTENSION_PRE_SHARED_KEY:
			w->psk = true;
			break;
		case EXTENSION_SUPPORTED_VERSIONS:
			w->is_13 = true;
			break;
		}
		n = 4 + get16(p + 2);
		if (n > length)
			return;
	}
}

/* RFC 8446 4.1.3, RFC 5246 7.4.1.3: version, random, session, cipher suite, compression. */
static void
see_hello(struct tls_watch *w, const uint8_t *p, size_t length)
{
	size_t at = 2 + TLS_RANDOM;

	if (length < at + 1 || memcmp(p + 2, retry_random, TLS_RANDOM) == 0)
		return;
	w->hello = true;
	at += 1u + p[at];
	if (length < at + 2)
		return;
	w->suite = (uint16_t)get16(p + at);
	at += 2 + 1;
	if (length >= at + 2)
		see_extensions(w, p + at + 2, length - at - 2);
}

/* Whole messages, up to the ServerHello at least; how many bytes they are. */
static size_t
see_messages(struct tls_watch *watch, const uint8_t *p, size_t length)
{
	size_t at, n;

	for (at = 0; length - at >= MESSAGE_HEAD; at += n) {
		n = MESSAGE_HEAD + ((size_t)p[at + 1] << 16 | get16(p + at + 2));
		if (n > length - at)
			break;
		if (p[at] == SERVER_HELLO)
			see_hello(watch, p + at + MESSAGE_HEAD, n - MESSAGE_HEAD);
		watch->certificate |= p[at] == CERTIFICATE;
	}
	return at;
}

void
tls_watch_record(struct tls_watch *watch, const uint8_t *record, size_t length)
{
	if (record[0] == TLS_APPLICATION_DATA) {
		watch->protected_records++;
		return;
	}
	/* That of 1.3 means nothing (RFC 8446 D.4). */
	if (record[0] == TLS_CHANGE_CIPHER_SPEC && watch->hello && !watch->is_13)
		watch->ciphered = true;
	if (record[0] == TLS_HANDSHAKE && !watch->ciphered)
		see_messages(watch, record + TLS_HEADER, length - TLS_HEADER);
}

/* ---- of the other side ----------------------------------------------------------------------- */

static void
see_content(struct tls_input *in, const uint8_t *p, size_t length)
{
	size_t n = sizeof(in->messages) - in->n_messages;

	/* Level and description; an encrypted one is longer. */
	if (in->header[0] == TLS_ALERT && get16(in->header + 3) == 2)
		in->alert = p[length - 1];
	if (in->header[0] != TLS_HANDSHAKE || !in->watch || in->watch->hello)
		return;
	if (n > length)
		n = length;
	memcpy(in->messages + in->n_messages, p, n);
	in->n_messages += n;
	n = see_messages(in->watch, in->messages, in->n_messages);
	in->n_messages -= n;
	memmove(in->messages, in->messages + n, in->n_messages);
}

void
tls_watch_input(struct tls_input *in, const uint8_t *p, size_t length)
{
	size_t n;

	for (; length > 0; p += n, length -= n) {
		n = length < in->left ? length : in->left;
		in->left -= n;
		if (n > 0) {
			see_content(in, p, n);
			continue;
		}
		n = 1;
		in->n_header %= TLS_HEADER;
		in->header[in->n_header++] = *p;
		if (in->n_header == TLS_HEADER)
			in->left = get16(in->header + 3);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/tls/watch.h"

#include <string.h>

#include "lib/tls/record.h"

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
	at += 1u + p[at] + 2 + 1;
	if (length >= at + 2)
		see_extensions(w, p + at + 2, length - at - 2);
}

void
tls_watch_record(struct tls_watch *watch, const uint8_t *record, size_t length)
{
	const uint8_t *p = record + TLS_HEADER;
	size_t n;

	if (record[0] == TLS_APPLICATION_DATA) {
		watch->protected_records++;
		return;
	}
	/* That of 1.3 means nothing (RFC 8446 D.4). */
	if (record[0] == TLS_CHANGE_CIPHER_SPEC && watch->hello && !watch->is_13)
		watch->ciphered = true;
	if (record[0] != TLS_HANDSHAKE || watch->ciphered)
		return;
	for (length -= TLS_HEADER; length >= MESSAGE_HEAD; p += n, length -= n) {
		n = MESSAGE_HEAD + ((size_t)p[1] << 16 | get16(p + 2));
		if (n > length)
			return;
		if (p[0] == SERVER_HELLO)
			see_hello(watch, p + MESSAGE_HEAD, n - MESSAGE_HEAD);
		watch->certificate |= p[0] == CERTIFICATE;
	}
}

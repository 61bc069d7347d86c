/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as the beginning of a TLS connection: what is said of a beginning agrees with what is
 * said of the whole, and with what is said to be needed; what was read is within bounds; the same
 * message in other records is the same hello.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/tls/hello.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SIZE_MAX_HERE 2048 /* every beginning is tried */

static void
must(bool condition)
{
	if (!condition)
		abort();
}

/* In a buffer of its own length, so that reading past it is seen. */
static enum tls_hello_result
parse(struct tls_hello *h, const uint8_t *data, size_t size, uint8_t *room)
{
	uint8_t *part = malloc(size + !size);
	enum tls_hello_result result;

	memcpy(part, data, size);
	memset(h, 0xa5, sizeof(*h));
	result = tls_hello_parse(h, part, size, room);
	free(part);
	return result;
}

static void
check_beginnings(const struct tls_hello *whole, enum tls_hello_result result, const uint8_t *data,
		 size_t size)
{
	static uint8_t room[TLS_HELLO_BYTES];
	struct tls_hello h;
	size_t need = 0, n;

	for (n = 0; n <= size; n++) {
		enum tls_hello_result now = parse(&h, data, n, room);

		must(now == TLS_HELLO_MORE || now == result);
		must(n >= need || now == TLS_HELLO_MORE);
		if (now == TLS_HELLO_MORE) {
			must(h.need > n && h.need <= TLS_HELLO_BYTES);
			need = h.need;
		} else {
			must(h.bad == whole->bad && h.length == whole->length);
		}
	}
}

static bool
is_within(const struct tls_hello *h, struct tls_list list)
{
	return !list.bytes || (list.bytes > h->message && list.length > 0 &&
			       list.bytes + list.length <= h->message + h->message_length);
}

static void
check_promises(const struct tls_hello *h)
{
	must(h->length <= TLS_HELLO_BYTES && h->message_length <= TLS_HELLO_MOST);
	must(h->length >= h->message_length + TLS_RECORD_HEADER);
	must(is_within(h, h->protocols) && is_within(h, h->versions));
	must(is_within(h, h->ciphers) && h->ciphers.length % 2 == 0);
	must(is_within(h, h->groups) && h->groups.length % 2 == 0);
	must(is_within(h, h->signatures) && h->signatures.length % 2 == 0);
	must(strlen(h->name) == h->name_length && !(h->name_is_address && h->name_length));
	must(!h->name_length || tls_name_usable(h->name, h->name_length));
	must(strspn(h->name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == h->name_length);
	tls_hello_offers(h, "h2");
	tls_hello_supports(h, 0x0304);
}

static bool
same_list(struct tls_list a, struct tls_list b)
{
	return !a.bytes == !b.bytes && a.length == b.length &&
	       (!a.bytes || memcmp(a.bytes, b.bytes, a.length) == 0);
}

/* Put together where the bytes are. */
static void
check_recut(const struct tls_hello *whole, size_t piece)
{
	static uint8_t bytes[TLS_HELLO_BYTES];
	struct tls_hello h;
	size_t at, n, size = 0;

	if (whole->message_length > piece * TLS_HELLO_RECORDS)
		piece = TLS_RECORD_MOST;
	for (at = 0; at < whole->message_length; at += n) {
		n = whole->message_length - at < piece ? whole->message_length - at : piece;
		memcpy(bytes + size, "\x16\x03\x03", 3);
		bytes[size + 3] = (uint8_t)(n >> 8);
		bytes[size + 4] = (uint8_t)n;
		memcpy(bytes + size + TLS_RECORD_HEADER, whole->message + at, n);
		size += TLS_RECORD_HEADER + n;
	}
	must(tls_hello_parse(&h, bytes, size, bytes) == TLS_HELLO_DONE && h.length == size);
	must(strcmp(h.name, whole->name) == 0 && h.name_is_address == whole->name_is_address);
	must(h.version == whole->version && h.message_length == whole->message_length);
	must(same_list(h.protocols, whole->protocols) && same_list(h.versions, whole->versions));
	must(same_list(h.ciphers, whole->ciphers) && same_list(h.groups, whole->groups) &&
	     same_list(h.signatures, whole->signatures));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t room[TLS_HELLO_BYTES];
	struct tls_hello whole;
	enum tls_hello_result result;

	if (size > SIZE_MAX_HERE)
		return 0;
	memset(&whole, 0xa5, sizeof(whole));
	result = tls_hello_parse(&whole, data, size, room);
	must((result == TLS_HELLO_BAD) == (whole.bad != TLS_HELLO_BAD_NONE));
	must(whole.bad < TLS_HELLO_BAD_INCOMPLETE);
	check_beginnings(&whole, result, data, size);
	if (result != TLS_HELLO_DONE)
		return 0;
	must(whole.length <= size);
	check_promises(&whole);
	check_recut(&whole, 1 + size % 61);
	return 0;
}

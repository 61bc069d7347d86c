/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/tls/ticket_keys.h"

#include <mbedtls/sha256.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/hex.h"

#define DIGITS (2 * TLS_TICKET_KEY)
#define BLANKS " \t\r"

static bool
parse_key(uint8_t key[TLS_TICKET_KEY], const char *at, size_t length)
{
	char text[sizeof("hex:") + DIGITS];
	uint8_t bytes[HEX_BYTES_MAX];
	bool ok;

	if (length != DIGITS)
		return false;
	snprintf(text, sizeof(text), "hex:%.*s", (int)length, at);
	ok = hex_bytes(text, bytes) == TLS_TICKET_KEY;
	if (ok)
		memcpy(key, bytes, TLS_TICKET_KEY);
	explicit_bzero(text, sizeof(text));
	explicit_bzero(bytes, TLS_TICKET_KEY);
	return ok;
}

/* A line without its end. */
static bool
add_line(struct tls_ticket_keys *k, const char *at, size_t length, struct tls_fault *fault)
{
	uint8_t digest[32];
	const char *end = memchr(at, '#', length);

	end = end ? end : at + length;
	while (at < end && strchr(BLANKS, *at))
		at++;
	while (at < end && strchr(BLANKS, end[-1]))
		end--;
	if (at == end)
		return true;
	if (k->n == TLS_TICKET_KEYS)
		return tls_fault_set(fault, "has more than %d keys", TLS_TICKET_KEYS);
	if (!parse_key(k->keys[k->n], at, (size_t)(end - at)))
		return tls_fault_set(fault, "has a line that is no key of %d hexadecimal digits",
				     DIGITS);
	mbedtls_sha256(k->keys[k->n], TLS_TICKET_KEY, digest, 0);
	memcpy(k->names[k->n], digest, TLS_TICKET_NAME);
	k->n++;
	return true;
}

static bool
add_lines(struct tls_ticket_keys *k, const char *text, struct tls_fault *fault)
{
	size_t length;

	for (; *text; text += length + (text[length] == '\n')) {
		length = strcspn(text, "\n");
		if (!add_line(k, text, length, fault))
			return false;
	}
	return k->n > 0 || tls_fault_set(fault, "has no key");
}

struct tls_ticket_keys *
tls_ticket_keys_parse(const char *text, struct tls_fault *fault)
{
	struct tls_ticket_keys *k = calloc(1, sizeof(*k));

	if (!k) {
		tls_fault_set(fault, "cannot be used: no memory");
		return NULL;
	}
	atomic_init(&k->references, 1);
	if (add_lines(k, text, fault))
		return k;
	tls_ticket_keys_put(k);
	return NULL;
}

struct tls_ticket_keys *
tls_ticket_keys_load(const char *path, struct tls_fault *fault)
{
	struct tls_stamp stamp;
	char *text = tls_file_read(path, true, &stamp, fault);
	struct tls_ticket_keys *k = text ? tls_ticket_keys_parse(text, fault) : NULL;

	tls_file_free(text);
	if (k)
		k->stamp = stamp;
	return k;
}

struct tls_ticket_keys *
tls_ticket_keys_get(struct tls_ticket_keys *keys)
{
	if (keys)
		atomic_fetch_add_explicit(&keys->references, 1, memory_order_relaxed);
	return keys;
}

void
tls_ticket_keys_put(struct tls_ticket_keys *k)
{
	if (!k || atomic_fetch_sub_explicit(&k->references, 1, memory_order_acq_rel) > 1)
		return;
	explicit_bzero(k, sizeof(*k));
	free(k);
}

bool
tls_ticket_keys_equal(const struct tls_ticket_keys *a, const struct tls_ticket_keys *b)
{
	return a && b ? a->n == b->n && memcmp(a->keys, b->keys, sizeof(a->keys)) == 0 : a == b;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-2 by OpenSSL's libcrypto, in the same way as the rest of the arithmetic
 * (arithmetic_openssl.c): a handshake of TLS 1.3 hashes some hundred blocks, nearly all for keys.
 * Contexts are mbedTLS's at all times, and libcrypto adds blocks to their state; so it does not
 * matter which calls from mbedTLS's own objects the linker wraps.
 *
 * Any thread.
 */
#define OPENSSL_API_COMPAT 0x10100000L
/* What contexts have kept of a hash. */
#define MBEDTLS_ALLOW_PRIVATE_ACCESS

#include <assert.h>
#include <endian.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/sha256.h>
#include <mbedtls/sha512.h>
#include <openssl/sha.h>
#include <stdint.h>
#include <string.h>

/* What the linker makes of a name. */
#define WRAPPED(name) __typeof__(name) __wrap_##name
WRAPPED(mbedtls_sha256_update);
WRAPPED(mbedtls_sha256_finish);
WRAPPED(mbedtls_sha512_update);
WRAPPED(mbedtls_sha512_finish);

/* A context of either: its bytes that are less than a block, and how n whole blocks are added. */
struct hashing {
	uint8_t *kept;
	size_t n_kept, block;
	void *context;
	void (*add)(void *context, const uint8_t *from, size_t n);
};

static void
update(const struct hashing *h, const uint8_t *from, size_t length)
{
	size_t n = h->block - h->n_kept;

	if (length < n) {
		if (length > 0)
			memcpy(h->kept + h->n_kept, from, length);
		return;
	}
	if (h->n_kept > 0) {
		memcpy(h->kept + h->n_kept, from, n);
		h->add(h->context, h->kept, 1);
		from += n;
		length -= n;
	}
	n = length / h->block;
	if (n > 0)
		h->add(h->context, from, n);
	memcpy(h->kept, from + n * h->block, length % h->block);
}

/* The end: a bit, zeros, and how many bits there were, in an eighth of a block. */
static void
finish(const struct hashing *h, uint64_t high, uint64_t low)
{
	size_t n = h->n_kept, to = h->block - h->block / 8;
	uint64_t bits[2] = { htobe64(high << 3 | low >> 61), htobe64(low << 3) };

	h->kept[n++] = 0x80;
	if (n > to) {
		memset(h->kept + n, 0, h->block - n);
		h->add(h->context, h->kept, 1);
		n = 0;
	}
	memset(h->kept + n, 0, h->block - n);
	memcpy(h->kept + h->block - sizeof(bits[1]), &bits[1], sizeof(bits[1]));
	if (h->block / 8 == sizeof(bits))
		memcpy(h->kept + to, bits, sizeof(bits));
	h->add(h->context, h->kept, 1);
}

/* ---- SHA-256 --------------------------------------------------------------------------------- */

/* Of libcrypto's context, SHA256_Transform() looks at the state alone. */
static_assert(sizeof(((SHA256_CTX *)0)->h) == sizeof(((mbedtls_sha256_context *)0)->state),
	      "the state of one is that of the other");

static void
add_256(void *context, const uint8_t *from, size_t n)
{
	mbedtls_sha256_context *to = context;
	SHA256_CTX c;

	memcpy(c.h, to->state, sizeof(c.h));
	for (; n > 0; n--, from += sizeof(to->buffer))
		SHA256_Transform(&c, from);
	memcpy(to->state, c.h, sizeof(c.h));
	mbedtls_platform_zeroize(c.h, sizeof(c.h));
}

/* The bytes that have been added. */
static uint64_t
total_256(const mbedtls_sha256_context *context)
{
	return (uint64_t)context->total[1] << 32 | context->total[0];
}

static struct hashing
hashing_256(mbedtls_sha256_context *context)
{
	return (struct hashing){ context->buffer, total_256(context) % sizeof(context->buffer),
				 sizeof(context->buffer), context, add_256 };
}

int
__wrap_mbedtls_sha256_update(mbedtls_sha256_context *context, const unsigned char *from,
			     size_t length)
{
	struct hashing h = hashing_256(context);
	uint64_t total = total_256(context) + length;

	context->total[0] = (uint32_t)total;
	context->total[1] = (uint32_t)(total >> 32);
	update(&h, from, length);
	return 0;
}

int
__wrap_mbedtls_sha256_finish(mbedtls_sha256_context *context, unsigned char *digest)
{
	struct hashing h = hashing_256(context);
	uint32_t word;
	int i;

	finish(&h, 0, total_256(context));
	for (i = 0; i < (context->is224 ? 7 : 8); i++) {
		word = htobe32(context->state[i]);
		memcpy(digest + i * sizeof(word), &word, sizeof(word));
	}
	mbedtls_sha256_free(context);
	return 0;
}

/* ---- SHA-512 --------------------------------------------------------------------------------- */

static_assert(sizeof(((SHA512_CTX *)0)->h) == sizeof(((mbedtls_sha512_context *)0)->state),
	      "the state of one is that of the other");

static void
add_512(void *context, const uint8_t *from, size_t n)
{
	mbedtls_sha512_context *to = context;
	SHA512_CTX c;

	memcpy(c.h, to->state, sizeof(c.h));
	for (; n > 0; n--, from += sizeof(to->buffer))
		SHA512_Transform(&c, from);
	memcpy(to->state, c.h, sizeof(c.h));
	mbedtls_platform_zeroize(c.h, sizeof(c.h));
}

static struct hashing
hashing_512(mbedtls_sha512_context *context)
{
	return (struct hashing){ context->buffer, context->total[0] % sizeof(context->buffer),
				 sizeof(context->buffer), context, add_512 };
}

int
__wrap_mbedtls_sha512_update(mbedtls_sha512_context *context, const unsigned char *from,
			     size_t length)
{
	struct hashing h = hashing_512(context);

	context->total[0] += length;
	context->total[1] += context->total[0] < length;
	update(&h, from, length);
	return 0;
}

int
__wrap_mbedtls_sha512_finish(mbedtls_sha512_context *context, unsigned char *digest)
{
	struct hashing h = hashing_512(context);
	uint64_t word;
	int i;

	finish(&h, context->total[1], context->total[0]);
	for (i = 0; i < (context->is384 ? 6 : 8); i++) {
		word = htobe64(context->state[i]);
		memcpy(digest + i * sizeof(word), &word, sizeof(word));
	}
	mbedtls_sha512_free(context);
	return 0;
}

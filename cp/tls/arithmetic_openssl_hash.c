/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-2 by OpenSSL's libcrypto, in the same way as the rest of the arithmetic
 * (arithmetic_openssl.c): a handshake of TLS 1.3 hashes some hundred blocks, nearly all for keys.
 * All of these are called from other objects than their own (md, PSA's hashes), and on one context
 * either only these are called or, by mbedTLS's hashes in one call, only its own.
 *
 * Any thread.
 */
#define OPENSSL_API_COMPAT 0x10100000L

#include <assert.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/sha256.h>
#include <mbedtls/sha512.h>
#include <openssl/sha.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* What the linker makes of a name. */
#define WRAPPED(name) __typeof__(name) __wrap_##name
WRAPPED(mbedtls_sha256_starts);
WRAPPED(mbedtls_sha256_update);
WRAPPED(mbedtls_sha256_finish);
WRAPPED(mbedtls_sha512_starts);
WRAPPED(mbedtls_sha512_update);
WRAPPED(mbedtls_sha512_finish);

static int
result(int ok, int error)
{
	return ok == 1 ? 0 : error;
}

/* mbedTLS's contexts are copied and wiped as a whole and by nobody looked into, so what is kept
 * there is libcrypto's context. */
static_assert(sizeof(SHA512_CTX) <= sizeof(mbedtls_sha512_context), "SHA-512's fits");

/* That of SHA-256, with two small numbers at the end so that it fits. */
struct kept_sha256 {
	uint8_t state[offsetof(SHA256_CTX, num)];
	uint16_t num, md_len;
};
static_assert(sizeof(struct kept_sha256) <= sizeof(mbedtls_sha256_context), "SHA-256's fits");

static void
fetch_sha256(SHA256_CTX *to, const mbedtls_sha256_context *from)
{
	struct kept_sha256 kept;

	memcpy(&kept, from, sizeof(kept));
	memcpy(to, kept.state, sizeof(kept.state));
	to->num = kept.num;
	to->md_len = kept.md_len;
}

static void
put_sha256(mbedtls_sha256_context *to, SHA256_CTX *from)
{
	struct kept_sha256 kept = { .num = (uint16_t)from->num, .md_len = (uint16_t)from->md_len };

	memcpy(kept.state, from, sizeof(kept.state));
	memcpy(to, &kept, sizeof(kept));
	mbedtls_platform_zeroize(&kept, sizeof(kept));
	mbedtls_platform_zeroize(from, sizeof(*from));
}

int
__wrap_mbedtls_sha256_starts(mbedtls_sha256_context *context, int is224)
{
	SHA256_CTX c;
	int ok = is224 ? SHA224_Init(&c) : SHA256_Init(&c);

	put_sha256(context, &c);
	return result(ok, MBEDTLS_ERR_SHA256_BAD_INPUT_DATA);
}

int
__wrap_mbedtls_sha256_update(mbedtls_sha256_context *context, const unsigned char *from,
			     size_t length)
{
	SHA256_CTX c;
	int ok;

	fetch_sha256(&c, context);
	ok = SHA256_Update(&c, from, length);
	put_sha256(context, &c);
	return result(ok, MBEDTLS_ERR_SHA256_BAD_INPUT_DATA);
}

int
__wrap_mbedtls_sha256_finish(mbedtls_sha256_context *context, unsigned char *digest)
{
	SHA256_CTX c;
	int ok;

	fetch_sha256(&c, context);
	ok = SHA256_Final(digest, &c);
	put_sha256(context, &c);
	return result(ok, MBEDTLS_ERR_SHA256_BAD_INPUT_DATA);
}

int
__wrap_mbedtls_sha512_starts(mbedtls_sha512_context *context, int is384)
{
	SHA512_CTX *c = (void *)context;

	return result(is384 ? SHA384_Init(c) : SHA512_Init(c), MBEDTLS_ERR_SHA512_BAD_INPUT_DATA);
}

int
__wrap_mbedtls_sha512_update(mbedtls_sha512_context *context, const unsigned char *from,
			     size_t length)
{
	return result(SHA512_Update((void *)context, from, length),
		      MBEDTLS_ERR_SHA512_BAD_INPUT_DATA);
}

int
__wrap_mbedtls_sha512_finish(mbedtls_sha512_context *context, unsigned char *digest)
{
	return result(SHA512_Final(digest, (void *)context), MBEDTLS_ERR_SHA512_BAD_INPUT_DATA);
}

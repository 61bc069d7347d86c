/* SPDX-License-Identifier: Apache-2.0 */
/* X25519 in vectors: the RFC's vectors, OpenSSL as the other side, and its two ways to a public key
 * against each other. A processor that cannot do it has x25519_is_possible() say so, and no more is
 * asked of it. */
#include <CUnit/CUnit.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "cp/tls/x25519.h"
#include "tests/unit/suites.h"
#include "tests/unit/tls_bytes.h"

#define BYTES X25519_BYTES

static const uint8_t base[BYTES] = { 9 };

static bool
is(const uint8_t *bytes, const char *text)
{
	uint8_t expected[BYTES];

	CU_ASSERT_EQUAL_FATAL(tls_unhex(text, expected, BYTES), BYTES);
	return memcmp(bytes, expected, BYTES) == 0;
}

static void
multiply(const char *scalar, const char *point, uint8_t *out)
{
	uint8_t s[BYTES], p[BYTES];

	tls_unhex(scalar, s, BYTES);
	tls_unhex(point, p, BYTES);
	x25519(out, s, p);
}

/* Of OpenSSL; zeros where it refuses to agree. */
static void
multiply_there(const uint8_t *scalar, const uint8_t *point, uint8_t *out)
{
	EVP_PKEY *own = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, scalar, BYTES);
	EVP_PKEY *other = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, point, BYTES);
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(own, NULL);
	size_t n = BYTES;

	CU_ASSERT_FATAL(own && other && EVP_PKEY_derive_init(c) == 1 &&
			EVP_PKEY_derive_set_peer(c, other) == 1);
	if (EVP_PKEY_derive(c, out, &n) != 1)
		memset(out, 0, BYTES);
	EVP_PKEY_CTX_free(c);
	EVP_PKEY_free(other);
	EVP_PKEY_free(own);
}

/* ---- published ------------------------------------------------------------------------------- */

/* RFC 7748, 5.2: scalar, point, product. */
static void
test_vectors(void)
{
	uint8_t out[BYTES];

	multiply("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
		 "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c", out);
	CU_ASSERT(is(out, "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"));
	multiply("4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
		 "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493", out);
	CU_ASSERT(is(out, "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957"));
}

/* ... 6.1: keys of both sides, and what they share. */
static void
test_agreement(void)
{
	uint8_t scalar[BYTES], out[BYTES];

	tls_unhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a", scalar,
		  BYTES);
	x25519_public(out, scalar);
	CU_ASSERT(is(out, "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"));
	tls_unhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb", scalar,
		  BYTES);
	x25519(out, scalar, out);
	CU_ASSERT(is(out, "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"));
	x25519_public(scalar, scalar);
	CU_ASSERT(is(scalar, "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"));
}

/* ... 5.2: each product is the next scalar, and the scalar before it the next point. */
static void
test_iterations(void)
{
	uint8_t scalar[BYTES], point[BYTES], out[BYTES];
	int i;

	memcpy(scalar, base, BYTES);
	memcpy(point, base, BYTES);
	for (i = 1; i <= 1000; i++) {
		x25519(out, scalar, point);
		memcpy(point, scalar, BYTES);
		memcpy(scalar, out, BYTES);
		if (i == 1)
			CU_ASSERT(is(out, "422c8e7a6227d7bca1350b3e2bb7279f"
					  "7897b87bb6854b783c60e80311ae3079"));
	}
	CU_ASSERT(is(out, "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51"));
}

/* ---- hard ones ------------------------------------------------------------------------------- */

/* Of small order, or of p and above, which are as good as what is left of them, or both. */
static const char *const points[] = {
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000000",
	"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
	"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"efffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"f6ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	"0900000000000000000000000000000000000000000000000000000000000080",
	"02000000000000000000000000000000000000000000000000000000000000ff",
	"ffffffffffff07000000000000f8ffffffffff3f000000000000c0ffffffff01",
};

static const char *const scalars[] = {
	"0000000000000000000000000000000000000000000000000000000000000000",
	"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	"0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f",
	"f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0",
	"8888888888888888888888888888888888888888888888888888888888888888",
	"ffffffffffffffffffffffffffffffff00000000000000000000000000000000",
	"00000000000000000000000000000000ffffffffffffffffffffffffffffffff",
};

static void
test_hard_ones(void)
{
	uint8_t scalar[BYTES], point[BYTES], ours[BYTES], theirs[BYTES];
	size_t i, k;

	for (i = 0; i < sizeof(scalars) / sizeof(scalars[0]); i++) {
		tls_unhex(scalars[i], scalar, BYTES);
		for (k = 0; k < sizeof(points) / sizeof(points[0]); k++) {
			tls_unhex(points[k], point, BYTES);
			x25519(ours, scalar, point);
			multiply_there(scalar, point, theirs);
			CU_ASSERT_EQUAL(memcmp(ours, theirs, BYTES), 0);
		}
		x25519_public(ours, scalar);
		multiply_there(scalar, base, theirs);
		CU_ASSERT_EQUAL(memcmp(ours, theirs, BYTES), 0);
	}
}

/* ---- many ------------------------------------------------------------------------------------ */

static void
test_like_openssl(void)
{
	uint8_t scalar[BYTES], point[BYTES], ours[BYTES], theirs[BYTES];
	int i;

	for (i = 0; i < 2000; i++) {
		RAND_bytes(scalar, BYTES);
		RAND_bytes(point, BYTES);
		x25519(ours, scalar, point);
		multiply_there(scalar, point, theirs);
		CU_ASSERT_EQUAL_FATAL(memcmp(ours, theirs, BYTES), 0);
	}
}

/* The table's way and the ladder's have little in common. */
static void
test_both_ways(void)
{
	uint8_t scalar[BYTES], by_table[BYTES], by_ladder[BYTES];
	int i;

	for (i = 0; i < 5000; i++) {
		RAND_bytes(scalar, BYTES);
		x25519_public(by_table, scalar);
		x25519(by_ladder, scalar, base);
		CU_ASSERT_EQUAL_FATAL(memcmp(by_table, by_ladder, BYTES), 0);
	}
}

int
test_tls_x25519_register(void)
{
	static CU_TestInfo tests[] = {
		{ "published vectors", test_vectors },
		{ "keys and secrets", test_agreement },
		{ "a thousand times over", test_iterations },
		{ "hard points and scalars", test_hard_ones },
		{ "the same as OpenSSL's", test_like_openssl },
		{ "the table and the ladder agree", test_both_ways },
		CU_TEST_INFO_NULL,
	};
	static CU_SuiteInfo suites[] = { { "tls_x25519", NULL, NULL, NULL, NULL, tests },
					 CU_SUITE_INFO_NULL };

	if (!x25519_is_possible()) {
		printf("tls_x25519: not on this processor (no AVX-512 IFMA)\n");
		return CUE_SUCCESS;
	}
	return CU_register_suites(suites);
}

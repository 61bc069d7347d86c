/* SPDX-License-Identifier: Apache-2.0 */
/* The arithmetic of handshakes as mbedTLS's handshakes call it, whoever does it (the Makefile's
 * TLS_ARITHMETIC): published vectors, and OpenSSL as the other side. */
#include <CUnit/CUnit.h>
#include <mbedtls/ecdh.h>
#include <mbedtls/pk.h>
#include <mbedtls/psa_util.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <psa/crypto.h>
#include <string.h>

#include "tests/unit/suites.h"
#include "tests/unit/tls_bytes.h"
#include "tests/unit/tls_peer.h"

#define POINT_MAX 65

struct curve {
	psa_ecc_family_t family;
	uint16_t bits;
	mbedtls_ecp_group_id id;
	const char *name; /* OpenSSL's */
};

static const struct curve x25519 = { PSA_ECC_FAMILY_MONTGOMERY, 255, MBEDTLS_ECP_DP_CURVE25519,
				     "X25519" },
			  p256 = { PSA_ECC_FAMILY_SECP_R1, 256, MBEDTLS_ECP_DP_SECP256R1, "P-256" };
static const struct curve *const curves[] = { &x25519, &p256 };

struct bytes {
	uint8_t at[POINT_MAX];
	size_t length;
};

static struct bytes
unhex(const char *text)
{
	struct bytes b;

	b.length = tls_unhex(text, b.at, sizeof(b.at));
	return b;
}

static bool
is(const struct bytes *b, const char *text)
{
	struct bytes expected = unhex(text);

	return b->length == expected.length && memcmp(b->at, expected.at, b->length) == 0;
}

/* ---- agreement, as TLS 1.3 does it ----------------------------------------------------------- */

static psa_key_attributes_t
attributes_of(const struct curve *curve)
{
	psa_key_attributes_t a = PSA_KEY_ATTRIBUTES_INIT;

	psa_set_key_usage_flags(&a, PSA_KEY_USAGE_DERIVE);
	psa_set_key_algorithm(&a, PSA_ALG_ECDH);
	psa_set_key_type(&a, PSA_KEY_TYPE_ECC_KEY_PAIR(curve->family));
	psa_set_key_bits(&a, curve->bits);
	return a;
}

static psa_key_id_t
import(const struct curve *curve, const char *scalar)
{
	psa_key_attributes_t a = attributes_of(curve);
	struct bytes b = unhex(scalar);
	psa_key_id_t key = 0;

	CU_ASSERT_EQUAL_FATAL(psa_crypto_init(), PSA_SUCCESS);
	CU_ASSERT_EQUAL(psa_import_key(&a, b.at, b.length, &key), PSA_SUCCESS);
	return key;
}

static struct bytes
point_of(psa_key_id_t key)
{
	struct bytes b = { .length = 0 };

	CU_ASSERT_EQUAL(psa_export_public_key(key, b.at, sizeof(b.at), &b.length), PSA_SUCCESS);
	return b;
}

static psa_status_t
agree(psa_key_id_t key, const struct bytes *point, struct bytes *secret)
{
	return psa_raw_key_agreement(PSA_ALG_ECDH, key, point->at, point->length, secret->at,
				     sizeof(secret->at), &secret->length);
}

struct vector {
	const struct curve *curve;
	const char *scalar, *own, *other, *secret; /* own: NULL, it is not given */
};

/* RFC 7748 6.1, both sides, and 5.2; NIST's vectors of the ECC CDH primitive, P-256, count 0. */
static const struct vector vectors[] = {
	{ &x25519, "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
	  "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
	  "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
	  "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742" },
	{ &x25519, "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
	  "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
	  "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
	  "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742" },
	{ &x25519, "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4", NULL,
	  "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
	  "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552" },
	{ &x25519, "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d", NULL,
	  "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
	  "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957" },
	{ &p256, "7d7dc5f71eb29ddaf80d6214632eeae03d9058af1fb6d22ed80badb62bc1a534",
	  "04ead218590119e8876b29146ff89ca61770c4edbbf97d38ce385ed281d8a6b230"
	  "28af61281fd35e2fa7002523acc85a429cb06ee6648325389f59edfce1405141",
	  "04700c48f77f56584c5cc632ca65640db91b6bacce3a4df6b42ce7cc838833d287"
	  "db71e509e3fd9b060ddb20ba5c51dcc5948d46fbf640dfe0441782cab85fa4ac",
	  "46fc62106420ff012e54a434fbdd2d25ccc5852060561e68040dd7778997bd7b" },
};

static void
test_vectors(void)
{
	struct bytes other, secret, own;
	const struct vector *v;
	psa_key_id_t key;
	size_t i;

	for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		v = &vectors[i];
		key = import(v->curve, v->scalar);
		own = point_of(key);
		CU_ASSERT(!v->own || is(&own, v->own));
		other = unhex(v->other);
		CU_ASSERT_EQUAL(agree(key, &other, &secret), PSA_SUCCESS);
		CU_ASSERT(is(&secret, v->secret));
		psa_destroy_key(key);
	}
}

/* Points that only give a handful of secrets, and numbers that are no points. */
static const struct {
	const struct curve *curve;
	const char *point;
} bad[] = {
	{ &x25519, "0000000000000000000000000000000000000000000000000000000000000000" },
	{ &x25519, "0100000000000000000000000000000000000000000000000000000000000000" },
	{ &x25519, "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f" },
	{ &x25519, "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f" },
	{ &x25519, "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f" },
	{ &x25519, "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800" },
	{ &x25519, "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157" },
	{ &p256, "04700c48f77f56584c5cc632ca65640db91b6bacce3a4df6b42ce7cc838833d287"
		 "db71e509e3fd9b060ddb20ba5c51dcc5948d46fbf640dfe0441782cab85fa4ad" },
	{ &p256, "040000000000000000000000000000000000000000000000000000000000000000"
		 "0000000000000000000000000000000000000000000000000000000000000000" },
	{ &p256, "04ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
		 "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff" },
};

/* TLS 1.2: the point as it comes from a client. False: refused, at once or at the end. */
static bool
agrees_12(const struct curve *curve, const struct bytes *point, struct bytes *own,
	  struct bytes *secret)
{
	uint8_t parameters[POINT_MAX + 4], message[POINT_MAX + 1];
	mbedtls_ecdh_context e;
	size_t n = 0;
	bool ok;

	mbedtls_ecdh_init(&e);
	CU_ASSERT_EQUAL(mbedtls_ecdh_setup(&e, curve->id), 0);
	CU_ASSERT_EQUAL(mbedtls_ecdh_make_params(&e, &n, parameters, sizeof(parameters),
						 mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE),
			0);
	/* The curve's type and name, the point's length, and the point. */
	own->length = n - 4;
	memcpy(own->at, parameters + 4, own->length);
	message[0] = (uint8_t)point->length;
	memcpy(message + 1, point->at, point->length);
	ok = mbedtls_ecdh_read_public(&e, message, point->length + 1) == 0 &&
	     mbedtls_ecdh_calc_secret(&e, &secret->length, secret->at, sizeof(secret->at),
				      mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE) == 0;
	mbedtls_ecdh_free(&e);
	return ok;
}

static void
test_bad_points(void)
{
	struct bytes point, own, secret;
	psa_key_id_t key;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		point = unhex(bad[i].point);
		key = import(bad[i].curve,
			     bad[i].curve == &x25519 ? vectors[0].scalar : vectors[4].scalar);
		CU_ASSERT_NOT_EQUAL(agree(key, &point, &secret), PSA_SUCCESS);
		CU_ASSERT_FALSE(agrees_12(bad[i].curve, &point, &own, &secret));
		psa_destroy_key(key);
	}
}

/* ---- agreement with OpenSSL ------------------------------------------------------------------ */

static EVP_PKEY *
other_key(const struct curve *curve, struct bytes *point)
{
	EVP_PKEY *key =
	    curve == &p256 ? EVP_EC_gen("P-256") : EVP_PKEY_Q_keygen(NULL, NULL, curve->name);
	unsigned char *bytes = NULL;

	point->length = EVP_PKEY_get1_encoded_public_key(key, &bytes);
	CU_ASSERT_FATAL(point->length > 0 && point->length <= POINT_MAX);
	memcpy(point->at, bytes, point->length);
	OPENSSL_free(bytes);
	return key;
}

/* Does the other one get the same secret with our point? */
static bool
has_agreed(EVP_PKEY *key, const struct bytes *point, const struct bytes *secret)
{
	EVP_PKEY *peer = EVP_PKEY_new();
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(key, NULL);
	uint8_t got[POINT_MAX];
	size_t n = sizeof(got);
	bool ok;

	ok = EVP_PKEY_copy_parameters(peer, key) == 1 &&
	     EVP_PKEY_set1_encoded_public_key(peer, point->at, point->length) == 1 &&
	     EVP_PKEY_derive_init(c) == 1 && EVP_PKEY_derive_set_peer(c, peer) == 1 &&
	     EVP_PKEY_derive(c, got, &n) == 1 && n == secret->length &&
	     memcmp(got, secret->at, n) == 0;
	EVP_PKEY_CTX_free(c);
	EVP_PKEY_free(peer);
	return ok;
}

static void
agree_with(const struct curve *curve)
{
	psa_key_attributes_t a = attributes_of(curve);
	struct bytes own, point, secret;
	EVP_PKEY *other = other_key(curve, &point);
	psa_key_id_t key;

	CU_ASSERT_EQUAL(psa_generate_key(&a, &key), PSA_SUCCESS);
	own = point_of(key);
	CU_ASSERT_EQUAL(agree(key, &point, &secret), PSA_SUCCESS);
	CU_ASSERT(has_agreed(other, &own, &secret));
	psa_destroy_key(key);

	CU_ASSERT(agrees_12(curve, &point, &own, &secret));
	CU_ASSERT(has_agreed(other, &own, &secret));
	EVP_PKEY_free(other);
}

static void
test_agreement(void)
{
	int i, k;

	CU_ASSERT_EQUAL_FATAL(psa_crypto_init(), PSA_SUCCESS);
	for (i = 0; i < 2; i++) {
		for (k = 0; k < 20; k++)
			agree_with(curves[i]);
	}
}

/* What is in a build with OpenSSL's arithmetic alone, and called there on a processor without the
 * vectors of cp/tls/x25519. */
__attribute__((weak)) void arithmetic_openssl_x25519(uint8_t *out, uint8_t *scalar, uint8_t *point);

static void
test_without_vectors(void)
{
	struct bytes scalar, point;
	uint8_t out[32];
	size_t i;

	if (!arithmetic_openssl_x25519)
		return;
	for (i = 0; vectors[i].curve == &x25519; i++) {
		scalar = unhex(vectors[i].scalar);
		point = unhex(vectors[i].other);
		arithmetic_openssl_x25519(out, scalar.at, point.at);
		point = unhex(vectors[i].secret);
		CU_ASSERT_EQUAL(memcmp(out, point.at, sizeof(out)), 0);
	}
	for (i = 0; bad[i].curve == &x25519; i++) {
		point = unhex(bad[i].point);
		arithmetic_openssl_x25519(out, scalar.at, point.at);
		point = unhex(bad[0].point);
		CU_ASSERT_EQUAL(memcmp(out, point.at, sizeof(out)), 0);
	}
}

/* ---- signatures ------------------------------------------------------------------------------ */

static const struct hash {
	mbedtls_md_type_t type;
	const char *name;
	size_t length;
} hashes[] = { { MBEDTLS_MD_SHA256, "SHA256", 32 },
	       { MBEDTLS_MD_SHA384, "SHA384", 48 },
	       { MBEDTLS_MD_SHA512, "SHA512", 64 } };

static const uint8_t digest[64] = { 7, 7, 4, 8, 0xff };

/* One key in both libraries' form. */
struct signer {
	mbedtls_pk_context ours;
	EVP_PKEY *theirs;
};

static void
open_signer(struct signer *s, EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL;
	long n;

	CU_ASSERT_FATAL(key != NULL && psa_crypto_init() == PSA_SUCCESS);
	PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	BIO_write(bio, "", 1);
	n = BIO_get_mem_data(bio, &text);
	s->theirs = key;
	mbedtls_pk_init(&s->ours);
	CU_ASSERT_EQUAL_FATAL(mbedtls_pk_parse_key(&s->ours, (const uint8_t *)text, (size_t)n, NULL,
						   0, mbedtls_psa_get_random,
						   MBEDTLS_PSA_RANDOM_STATE),
			      0);
	BIO_free(bio);
}

static void
close_signer(struct signer *s)
{
	mbedtls_pk_free(&s->ours);
	EVP_PKEY_free(s->theirs);
}

struct signature {
	uint8_t at[MBEDTLS_PK_SIGNATURE_MAX_SIZE];
	size_t length;
};

static bool
signs(struct signer *s, mbedtls_pk_type_t type, const struct hash *hash, struct signature *to)
{
	return mbedtls_pk_sign_ext(type, &s->ours, hash->type, digest, hash->length, to->at,
				   sizeof(to->at), &to->length, mbedtls_psa_get_random,
				   MBEDTLS_PSA_RANDOM_STATE) == 0;
}

static EVP_PKEY_CTX *
open_context(EVP_PKEY *key, bool pss, const struct hash *hash, bool verify)
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(key, NULL);

	CU_ASSERT_EQUAL(verify ? EVP_PKEY_verify_init(c) : EVP_PKEY_sign_init(c), 1);
	if (pss) {
		EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PSS_PADDING);
		EVP_PKEY_CTX_set_rsa_pss_saltlen(c, RSA_PSS_SALTLEN_DIGEST);
	}
	EVP_PKEY_CTX_set_signature_md(c, EVP_get_digestbyname(hash->name));
	return c;
}

/* OpenSSL's opinion. */
static bool
is_good(struct signer *s, bool pss, const struct hash *hash, const struct signature *signature)
{
	EVP_PKEY_CTX *c = open_context(s->theirs, pss, hash, true);
	bool ok = EVP_PKEY_verify(c, signature->at, signature->length, digest, hash->length) == 1;

	EVP_PKEY_CTX_free(c);
	return ok;
}

/* Ours of OpenSSL's, and of what is nearly OpenSSL's. */
static void
check_verifying(struct signer *s, const struct hash *hash)
{
	EVP_PKEY_CTX *c = open_context(s->theirs, false, hash, false);
	struct signature g = { .length = sizeof(g.at) - 1 };
	uint8_t other[64] = { 0 };

	CU_ASSERT_EQUAL(EVP_PKEY_sign(c, g.at, &g.length, digest, hash->length), 1);
	EVP_PKEY_CTX_free(c);
#define VERIFY(d, n) mbedtls_pk_verify(&s->ours, hash->type, d, hash->length, g.at, n)
	CU_ASSERT_EQUAL(VERIFY(digest, g.length), 0);
	CU_ASSERT_NOT_EQUAL(VERIFY(other, g.length), 0);
	CU_ASSERT_NOT_EQUAL(VERIFY(digest, g.length - 1), 0);
	CU_ASSERT_NOT_EQUAL(VERIFY(digest, g.length + 1), 0);
	CU_ASSERT_NOT_EQUAL(VERIFY(digest, 0), 0);
	g.at[g.length - 1] ^= 1;
	CU_ASSERT_NOT_EQUAL(VERIFY(digest, g.length), 0);
#undef VERIFY
}

static void
test_ecdsa(void)
{
	static const char *const names[] = { "P-256", "P-384", "P-521" };
	struct signature g, again;
	struct signer s;
	size_t i, k;

	for (i = 0; i < 3; i++) {
		open_signer(&s, EVP_EC_gen(names[i]));
		for (k = 0; k < 3; k++) {
			CU_ASSERT(signs(&s, MBEDTLS_PK_ECDSA, &hashes[k], &g));
			CU_ASSERT(is_good(&s, false, &hashes[k], &g));
			CU_ASSERT(signs(&s, MBEDTLS_PK_ECDSA, &hashes[k], &again));
			CU_ASSERT(is_good(&s, false, &hashes[k], &again));
			check_verifying(&s, &hashes[k]);
		}
		close_signer(&s);
	}
}

static void
test_rsa(void)
{
	struct signature g;
	struct signer s;
	size_t k;

	open_signer(&s, EVP_RSA_gen(2048));
	for (k = 0; k < 3; k++) {
		CU_ASSERT(signs(&s, MBEDTLS_PK_RSA, &hashes[k], &g));
		CU_ASSERT(is_good(&s, false, &hashes[k], &g));
		CU_ASSERT(signs(&s, MBEDTLS_PK_RSASSA_PSS, &hashes[k], &g));
		CU_ASSERT(is_good(&s, true, &hashes[k], &g));
		check_verifying(&s, &hashes[k]);
	}
	close_signer(&s);
}

/* Keys that come and go are likely to lie where others have lain. */
static void
test_keys_change(void)
{
	struct signature g;
	struct signer s[2];
	int turn;

	open_signer(&s[0], EVP_RSA_gen(2048));
	CU_ASSERT(signs(&s[0], MBEDTLS_PK_RSASSA_PSS, &hashes[0], &g));
	for (turn = 0; turn < 4; turn++) {
		open_signer(&s[1], EVP_RSA_gen(turn % 2 ? 2048 : 3072));
		CU_ASSERT(signs(&s[1], MBEDTLS_PK_RSASSA_PSS, &hashes[0], &g));
		CU_ASSERT(is_good(&s[1], true, &hashes[0], &g));
		CU_ASSERT(signs(&s[0], MBEDTLS_PK_RSASSA_PSS, &hashes[0], &g));
		CU_ASSERT(is_good(&s[0], true, &hashes[0], &g));
		close_signer(&s[1]);
	}
	close_signer(&s[0]);
}

/* ---- hashes ---------------------------------------------------------------------------------- */

#define HASHED 300 /* bytes: more than two blocks of each */

/* In two pieces, with a copy in between that goes on by itself. */
static void
check_hash(mbedtls_md_type_t type, const EVP_MD *theirs, const uint8_t *bytes, size_t n)
{
	const mbedtls_md_info_t *info = mbedtls_md_info_from_type(type);
	uint8_t ours[2][MBEDTLS_MD_MAX_SIZE + 1], expected[EVP_MAX_MD_SIZE];
	mbedtls_md_context_t c[2];
	unsigned int length;
	size_t i, first = n * 2 / 3;

	for (i = 0; i < 2; i++) {
		mbedtls_md_init(&c[i]);
		CU_ASSERT_EQUAL_FATAL(mbedtls_md_setup(&c[i], info, 0), 0);
	}
	memset(ours, 0xa5, sizeof(ours));
	CU_ASSERT_EQUAL(mbedtls_md_starts(&c[0]), 0);
	CU_ASSERT_EQUAL(mbedtls_md_update(&c[0], bytes, first), 0);
	CU_ASSERT_EQUAL(mbedtls_md_clone(&c[1], &c[0]), 0);
	for (i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL(mbedtls_md_update(&c[i], bytes + first, n - first), 0);
		CU_ASSERT_EQUAL(mbedtls_md_finish(&c[i], ours[i]), 0);
		mbedtls_md_free(&c[i]);
	}
	CU_ASSERT_EQUAL(EVP_Digest(bytes, n, expected, &length, theirs, NULL), 1);
	CU_ASSERT_EQUAL(length, mbedtls_md_get_size(info));
	CU_ASSERT_EQUAL(memcmp(ours[0], expected, length), 0);
	CU_ASSERT_EQUAL(memcmp(ours[1], expected, length), 0);
	CU_ASSERT_EQUAL(ours[0][length], 0xa5);
}

static void
test_hashes(void)
{
	const struct {
		mbedtls_md_type_t type;
		const EVP_MD *theirs;
	} all[] = {
		{ MBEDTLS_MD_SHA224, EVP_sha224() },
		{ MBEDTLS_MD_SHA256, EVP_sha256() },
		{ MBEDTLS_MD_SHA384, EVP_sha384() },
		{ MBEDTLS_MD_SHA512, EVP_sha512() },
	};
	uint8_t bytes[HASHED];
	size_t i, n;

	for (n = 0; n < HASHED; n++)
		bytes[n] = (uint8_t)(n * 7 + 1);
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		for (n = 0; n <= HASHED; n++)
			check_hash(all[i].type, all[i].theirs, bytes, n);
}

int
test_tls_arithmetic_register(void)
{
	static CU_TestInfo tests[] = {
		{ "published vectors", test_vectors },
		{ "points of no use", test_bad_points },
		{ "secrets shared with OpenSSL", test_agreement },
		{ "X25519 without vectors", test_without_vectors },
		{ "ECDSA signatures", test_ecdsa },
		{ "RSA signatures", test_rsa },
		{ "keys come and go", test_keys_change },
		{ "hashes", test_hashes },
		CU_TEST_INFO_NULL,
	};
	static CU_SuiteInfo suites[] = { { "tls_arithmetic", NULL, NULL, NULL, NULL, tests },
					 CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}

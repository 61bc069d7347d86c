/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arithmetic of handshakes by OpenSSL's libcrypto instead of mbedTLS: X25519 (where it can be,
 * by x25519.c, which is quicker), P-256 and RSA's signatures (SHA-2: arithmetic_openssl_hash.c).
 * Compiled with `make TLS_ARITHMETIC=openssl`, and not otherwise.
 *
 * mbedTLS has hooks of its own (*_ALT, drivers of PSA), but each needs an mbedTLS that was built
 * for it, and none is for all that both versions of TLS ask for. So it is done by the linker: what
 * calls f in another object than that which defines it (with some linkers, in that one, too) gets
 * __wrap_f (ld's --wrap, in the Makefile), and __real_f is mbedTLS's own. What is wrapped is called
 * from other objects than its own, and all of its kind that handshakes ask for goes through it:
 *
 *     Hacl_Curve25519_crypto_scalarmult   X25519, keys and secrets, in TLS 1.2 and in PSA, so 1.3
 *     mbedtls_ecp_mul[_restartable]       the same with P-256
 *     mbedtls_ecdsa_write_signature, mbedtls_ecdsa_read_signature
 *     mbedtls_rsa_pkcs1_sign              TLS 1.2
 *     mbedtls_rsa_rsassa_pss_sign_no_mode_check   TLS 1.3
 *     mbedtls_rsa_free
 *
 * Other curves stay mbedTLS's, and so do RSA's public keys, which are quick enough. What is called
 * here takes the same time whatever the secrets are: libcrypto's X25519, its P-256 (nistz256), its
 * RSA, which is blinded. Copies of secrets are wiped.
 *
 * Any thread. An RSA key is kept in libcrypto's form from its first signature on, since bringing
 * it there takes a good part of what a signature takes. Invariant: of each key that is kept,
 * mbedTLS has not freed the context.
 */

/* Keys of curves as they were before OpenSSL 3: with its providers between, to make one takes
 * longer than to sign. */
#define OPENSSL_API_COMPAT 0x10100000L
/* The numbers of keys, which would have to be copied twice. */
#define MBEDTLS_ALLOW_PRIVATE_ACCESS

#include <mbedtls/ecdsa.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/rsa.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cp/tls/x25519.h"

#define NUMBER 32               /* bytes: a scalar, a coordinate, of both curves */
#define POINT  (1 + 2 * NUMBER) /* of P-256, uncompressed */

/* Not static, as a test calls it on processors that have the vectors. */
void arithmetic_openssl_x25519(uint8_t *out, uint8_t *scalar, uint8_t *point);

/* Not in mbedTLS's public headers. */
void Hacl_Curve25519_crypto_scalarmult(uint8_t *out, uint8_t *scalar, uint8_t *point);
int mbedtls_rsa_rsassa_pss_sign_no_mode_check(mbedtls_rsa_context *context,
					      int (*random)(void *, unsigned char *, size_t),
					      void *random_context, mbedtls_md_type_t md,
					      unsigned int hash_length, const unsigned char *hash,
					      unsigned char *signature);

/* What the linker makes of a name. */
#define WRAPPED(name) __typeof__(name) __wrap_##name, __real_##name
WRAPPED(Hacl_Curve25519_crypto_scalarmult);
WRAPPED(mbedtls_ecp_mul);
WRAPPED(mbedtls_ecp_mul_restartable);
WRAPPED(mbedtls_ecdsa_write_signature);
WRAPPED(mbedtls_ecdsa_read_signature);
WRAPPED(mbedtls_rsa_pkcs1_sign);
WRAPPED(mbedtls_rsa_rsassa_pss_sign_no_mode_check);
WRAPPED(mbedtls_rsa_free);

/* The result, and no errors that wait for somebody to ask for them. */
static int
answer(bool ok, int error)
{
	if (ok)
		return 0;
	ERR_clear_error();
	return error;
}

/* ---- X25519 ---------------------------------------------------------------------------------- */

/* A key whose scalar is ours and whose point is the other side's, as if they were a pair, agrees
 * with itself. libcrypto would make our own point otherwise, which takes as long as all the rest.
 */
static EVP_PKEY *
x25519_key(uint8_t *scalar, uint8_t *point)
{
	OSSL_PARAM parts[] = {
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PRIV_KEY, scalar, NUMBER),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, NUMBER),
		OSSL_PARAM_END,
	};
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "X25519", NULL);
	EVP_PKEY *key = NULL;

	if (c && EVP_PKEY_fromdata_init(c) == 1)
		EVP_PKEY_fromdata(c, &key, EVP_PKEY_KEYPAIR, parts);
	EVP_PKEY_CTX_free(c);
	return key;
}

/* On a processor without the vectors. What libcrypto does not do, be it for the point or for want
 * of anything else, mbedTLS does. */
void
arithmetic_openssl_x25519(uint8_t *out, uint8_t *scalar, uint8_t *point)
{
	EVP_PKEY *key = x25519_key(scalar, point);
	EVP_PKEY_CTX *c = key ? EVP_PKEY_CTX_new(key, NULL) : NULL;
	size_t n = NUMBER;
	bool ok;

	/* To look at a point again finds nothing but its length. */
	ok = c && EVP_PKEY_derive_init(c) == 1 && EVP_PKEY_derive_set_peer_ex(c, key, 0) == 1 &&
	     EVP_PKEY_derive(c, out, &n) == 1;
	EVP_PKEY_CTX_free(c);
	EVP_PKEY_free(key);
	if (answer(ok, 1) != 0)
		__real_Hacl_Curve25519_crypto_scalarmult(out, scalar, point);
}

/* For the few bad points there are zeros, which are an error to those who call. */
void
__wrap_Hacl_Curve25519_crypto_scalarmult(uint8_t *out, uint8_t *scalar, uint8_t *point)
{
	static const uint8_t base[NUMBER] = { 9 };

	if (!x25519_is_possible())
		arithmetic_openssl_x25519(out, scalar, point);
	else if (memcmp(point, base, sizeof(base)) == 0)
		x25519_public(out, scalar);
	else
		x25519(out, scalar, point);
}

/* ---- P-256 ----------------------------------------------------------------------------------- */

static EC_GROUP *p256; /* made once, for the life of the process; nobody changes it */

static void
make_p256(void)
{
	p256 = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
}

static bool
is_p256(const mbedtls_ecp_group *group)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	if (group->id != MBEDTLS_ECP_DP_SECP256R1)
		return false;
	pthread_once(&once, make_p256);
	return p256 != NULL;
}

/* A number, perhaps a secret one; NULL: no memory, or it is longer than any of a good key. */
static BIGNUM *
number_of(const mbedtls_mpi *from)
{
	uint8_t bytes[MBEDTLS_MPI_MAX_SIZE];
	size_t n = mbedtls_mpi_size(from);
	BIGNUM *to = NULL;

	if (n > sizeof(bytes))
		return NULL;
	if (mbedtls_mpi_write_binary(from, bytes, n) == 0)
		to = BN_bin2bn(bytes, (int)n, NULL);
	mbedtls_platform_zeroize(bytes, n);
	return to;
}

/* libcrypto's of a point; NULL: it is none of the curve, or there is no memory. */
static EC_POINT *
point_of(const mbedtls_ecp_group *group, const mbedtls_ecp_point *from)
{
	EC_POINT *to = EC_POINT_new(p256);
	uint8_t bytes[POINT];
	size_t n;

	if (to &&
	    mbedtls_ecp_point_write_binary(group, from, MBEDTLS_ECP_PF_UNCOMPRESSED, &n, bytes,
					   sizeof(bytes)) == 0 &&
	    n == sizeof(bytes) && /* the point at infinity has one byte */
	    EC_POINT_oct2point(p256, to, bytes, n, NULL) == 1)
		return to;
	EC_POINT_free(to);
	return NULL;
}

static bool
multiply_p256(mbedtls_ecp_group *group, mbedtls_ecp_point *to, const mbedtls_mpi *scalar,
	      const mbedtls_ecp_point *point)
{
	bool is_base = point == &group->G;
	EC_POINT *p = is_base ? NULL : point_of(group, point), *product = EC_POINT_new(p256);
	BIGNUM *k = number_of(scalar);
	uint8_t bytes[POINT];
	bool ok;

	ok = k && product && (is_base || p) &&
	     EC_POINT_mul(p256, product, is_base ? k : NULL, p, is_base ? NULL : k, NULL) == 1 &&
	     EC_POINT_point2oct(p256, product, POINT_CONVERSION_UNCOMPRESSED, bytes, sizeof(bytes),
				NULL) == sizeof(bytes) &&
	     mbedtls_ecp_point_read_binary(group, to, bytes, sizeof(bytes)) == 0;
	mbedtls_platform_zeroize(bytes, sizeof(bytes));
	BN_clear_free(k);
	EC_POINT_free(p);
	EC_POINT_clear_free(product);
	return ok;
}

int
__wrap_mbedtls_ecp_mul_restartable(mbedtls_ecp_group *group, mbedtls_ecp_point *to,
				   const mbedtls_mpi *scalar, const mbedtls_ecp_point *point,
				   int (*random)(void *, unsigned char *, size_t),
				   void *random_context, mbedtls_ecp_restart_ctx *restart)
{
	int code;

	if (!is_p256(group))
		return __real_mbedtls_ecp_mul_restartable(group, to, scalar, point, random,
							  random_context, restart);
	code = mbedtls_ecp_check_privkey(group, scalar);
	if (code == 0)
		code = mbedtls_ecp_check_pubkey(group, point);
	if (code != 0)
		return code;
	return answer(multiply_p256(group, to, scalar, point), MBEDTLS_ERR_ECP_ALLOC_FAILED);
}

int
__wrap_mbedtls_ecp_mul(mbedtls_ecp_group *group, mbedtls_ecp_point *to, const mbedtls_mpi *scalar,
		       const mbedtls_ecp_point *point,
		       int (*random)(void *, unsigned char *, size_t), void *random_context)
{
	return __wrap_mbedtls_ecp_mul_restartable(group, to, scalar, point, random, random_context,
						  NULL);
}

/* ---- ECDSA ----------------------------------------------------------------------------------- */

/* The nonce is made of the key, the hash and libcrypto's random numbers. */
int
__wrap_mbedtls_ecdsa_write_signature(mbedtls_ecdsa_context *context, mbedtls_md_type_t md,
				     const unsigned char *hash, size_t hash_length,
				     unsigned char *signature, size_t size, size_t *length,
				     int (*random)(void *, unsigned char *, size_t),
				     void *random_context)
{
	EC_KEY *key;
	BIGNUM *secret;
	unsigned int n = 0;
	bool ok;

	if (!is_p256(&context->grp))
		return __real_mbedtls_ecdsa_write_signature(context, md, hash, hash_length,
							    signature, size, length, random,
							    random_context);
	key = EC_KEY_new();
	secret = number_of(&context->d);
	ok = key && secret && EC_KEY_set_group(key, p256) == 1 &&
	     EC_KEY_set_private_key(key, secret) == 1 && size >= (size_t)ECDSA_size(key) &&
	     ECDSA_sign(0, hash, (int)hash_length, signature, &n, key) == 1;
	BN_clear_free(secret);
	EC_KEY_free(key);
	*length = n;
	return answer(ok, MBEDTLS_ERR_ECP_ALLOC_FAILED);
}

int
__wrap_mbedtls_ecdsa_read_signature(mbedtls_ecdsa_context *context, const unsigned char *hash,
				    size_t hash_length, const unsigned char *signature,
				    size_t length)
{
	EC_KEY *key;
	EC_POINT *point;
	bool ok;

	if (!is_p256(&context->grp))
		return __real_mbedtls_ecdsa_read_signature(context, hash, hash_length, signature,
							   length);
	key = EC_KEY_new();
	point = point_of(&context->grp, &context->Q);
	ok = key && point && EC_KEY_set_group(key, p256) == 1 &&
	     EC_KEY_set_public_key(key, point) == 1 &&
	     ECDSA_verify(0, hash, (int)hash_length, signature, (int)length, key) == 1;
	EC_POINT_free(point);
	EC_KEY_free(key);
	return answer(ok, MBEDTLS_ERR_ECP_VERIFY_FAILED);
}

/* ---- RSA ------------------------------------------------------------------------------------- */

struct kept {
	const mbedtls_rsa_context *context;
	EVP_PKEY *key;
	struct kept *next;
};

/* All of them; under the lock. */
static struct kept *all;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define NUMBERS 8

static EVP_PKEY *
make_rsa(const mbedtls_rsa_context *c)
{
	const mbedtls_mpi *from[NUMBERS] = { &c->N, &c->E,  &c->D,  &c->P,
					     &c->Q, &c->DP, &c->DQ, &c->QP };
	EVP_PKEY *key;
	RSA *rsa;
	BIGNUM *b[NUMBERS];
	bool ok;
	int i;

	/* mbedTLS has looked at these by what is left of them only. */
	if (mbedtls_mpi_cmp_mpi(&c->DP, &c->P) >= 0 || mbedtls_mpi_cmp_mpi(&c->DQ, &c->Q) >= 0 ||
	    mbedtls_mpi_cmp_mpi(&c->QP, &c->P) >= 0)
		return NULL;
	key = EVP_PKEY_new();
	rsa = RSA_new();
	ok = key && rsa;

	for (i = 0; i < NUMBERS; i++) {
		b[i] = number_of(from[i]);
		ok = ok && b[i];
	}
	/* From here on nothing fails. */
	if (ok) {
		RSA_set0_key(rsa, b[0], b[1], b[2]);
		RSA_set0_factors(rsa, b[3], b[4]);
		RSA_set0_crt_params(rsa, b[5], b[6], b[7]);
		EVP_PKEY_assign_RSA(key, rsa);
		return key;
	}
	for (i = 0; i < NUMBERS; i++)
		BN_clear_free(b[i]);
	RSA_free(rsa);
	EVP_PKEY_free(key);
	return NULL;
}

static struct kept *
keep(const mbedtls_rsa_context *context)
{
	struct kept *k = malloc(sizeof(*k));

	if (!k)
		return NULL;
	*k = (struct kept){ context, make_rsa(context), all };
	if (!k->key) {
		free(k);
		return NULL;
	}
	all = k;
	return k;
}

/* To be freed; NULL: no memory, or no good key. */
static EVP_PKEY *
key_of(const mbedtls_rsa_context *context)
{
	EVP_PKEY *key = NULL;
	struct kept *k;

	pthread_mutex_lock(&lock);
	for (k = all; k && k->context != context;)
		k = k->next;
	if (!k)
		k = keep(context);
	if (k && EVP_PKEY_up_ref(k->key) == 1)
		key = k->key;
	pthread_mutex_unlock(&lock);
	return key;
}

void
__wrap_mbedtls_rsa_free(mbedtls_rsa_context *context)
{
	struct kept **link, *k;

	pthread_mutex_lock(&lock);
	for (link = &all; *link && (*link)->context != context;)
		link = &(*link)->next;
	k = *link;
	if (k)
		*link = k->next;
	pthread_mutex_unlock(&lock);
	if (k)
		EVP_PKEY_free(k->key);
	free(k);
	__real_mbedtls_rsa_free(context);
}

/* NULL: what TLS does not sign; mbedTLS may. */
static const EVP_MD *
digest_of(mbedtls_md_type_t md, unsigned int length)
{
	const EVP_MD *found = NULL;

	if (md == MBEDTLS_MD_SHA256)
		found = EVP_sha256();
	else if (md == MBEDTLS_MD_SHA384)
		found = EVP_sha384();
	else if (md == MBEDTLS_MD_SHA512)
		found = EVP_sha512();
	return found && (unsigned int)EVP_MD_get_size(found) == length ? found : NULL;
}

static int
sign_rsa(const mbedtls_rsa_context *context, int padding, const EVP_MD *md,
	 const unsigned char *hash, unsigned char *signature)
{
	EVP_PKEY *key = key_of(context);
	EVP_PKEY_CTX *c = key ? EVP_PKEY_CTX_new(key, NULL) : NULL;
	size_t n = mbedtls_rsa_get_len(context);
	bool ok;

	ok = c && EVP_PKEY_sign_init(c) == 1 && EVP_PKEY_CTX_set_rsa_padding(c, padding) == 1 &&
	     EVP_PKEY_CTX_set_signature_md(c, md) == 1 &&
	     (padding != RSA_PKCS1_PSS_PADDING ||
	      EVP_PKEY_CTX_set_rsa_pss_saltlen(c, RSA_PSS_SALTLEN_DIGEST) == 1) &&
	     EVP_PKEY_sign(c, signature, &n, hash, (size_t)EVP_MD_get_size(md)) == 1;
	EVP_PKEY_CTX_free(c);
	EVP_PKEY_free(key);
	return answer(ok, MBEDTLS_ERR_RSA_PRIVATE_FAILED);
}

int
__wrap_mbedtls_rsa_pkcs1_sign(mbedtls_rsa_context *context,
			      int (*random)(void *, unsigned char *, size_t), void *random_context,
			      mbedtls_md_type_t md, unsigned int hash_length,
			      const unsigned char *hash, unsigned char *signature)
{
	const EVP_MD *digest = digest_of(md, hash_length);

	if (!digest || mbedtls_rsa_get_padding_mode(context) != MBEDTLS_RSA_PKCS_V15)
		return __real_mbedtls_rsa_pkcs1_sign(context, random, random_context, md,
						     hash_length, hash, signature);
	return sign_rsa(context, RSA_PKCS1_PADDING, digest, hash, signature);
}

int
__wrap_mbedtls_rsa_rsassa_pss_sign_no_mode_check(mbedtls_rsa_context *context,
						 int (*random)(void *, unsigned char *, size_t),
						 void *random_context, mbedtls_md_type_t md,
						 unsigned int hash_length,
						 const unsigned char *hash,
						 unsigned char *signature)
{
	const EVP_MD *digest = digest_of(md, hash_length);

	if (!digest)
		return __real_mbedtls_rsa_rsassa_pss_sign_no_mode_check(
		    context, random, random_context, md, hash_length, hash, signature);
	return sign_rsa(context, RSA_PKCS1_PSS_PADDING, digest, hash, signature);
}

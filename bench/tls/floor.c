/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/tls/floor.h"

#include <mbedtls/ecdh.h>
#include <mbedtls/psa_util.h>
#include <psa/crypto.h>
#include <string.h>

#define POINT_MAX 65

bool
floor_sign(struct tls_certificate *certificate, bool is_13)
{
	static const uint8_t hash[32] = { 1, 2, 3 };
	mbedtls_pk_type_t type = mbedtls_pk_get_type(&certificate->key);
	uint8_t signature[MBEDTLS_PK_SIGNATURE_MAX_SIZE];
	size_t length;

	if (is_13 && type == MBEDTLS_PK_RSA)
		type = MBEDTLS_PK_RSASSA_PSS;
	else if (type == MBEDTLS_PK_ECKEY)
		type = MBEDTLS_PK_ECDSA;
	return mbedtls_pk_sign_ext(type, &certificate->key, MBEDTLS_MD_SHA256, hash, sizeof(hash),
				   signature, sizeof(signature), &length, mbedtls_psa_get_random,
				   MBEDTLS_PSA_RANDOM_STATE) == 0;
}

static bool
make_key(enum floor_group group, psa_key_id_t *key, uint8_t *point, size_t *length)
{
	psa_key_attributes_t a = PSA_KEY_ATTRIBUTES_INIT;
	psa_ecc_family_t family =
	    group == FLOOR_P256 ? PSA_ECC_FAMILY_SECP_R1 : PSA_ECC_FAMILY_MONTGOMERY;

	psa_set_key_usage_flags(&a, PSA_KEY_USAGE_DERIVE);
	psa_set_key_algorithm(&a, PSA_ALG_ECDH);
	psa_set_key_type(&a, PSA_KEY_TYPE_ECC_KEY_PAIR(family));
	psa_set_key_bits(&a, group == FLOOR_P256 ? 256 : 255);
	return psa_generate_key(&a, key) == PSA_SUCCESS &&
	       psa_export_public_key(*key, point, POINT_MAX, length) == PSA_SUCCESS;
}

static bool
agree_13(enum floor_group group)
{
	static uint8_t peers[2][POINT_MAX];
	static size_t n_peers[2];
	uint8_t point[POINT_MAX], secret[POINT_MAX];
	psa_key_id_t key;
	size_t length;
	bool ok;

	if (n_peers[group] == 0) {
		if (!make_key(group, &key, peers[group], &n_peers[group]))
			return false;
		psa_destroy_key(key);
	}
	ok = make_key(group, &key, point, &length) &&
	     psa_raw_key_agreement(PSA_ALG_ECDH, key, peers[group], n_peers[group], secret,
				   sizeof(secret), &length) == PSA_SUCCESS;
	psa_destroy_key(key);
	return ok;
}

/* What a client sends: the length of a point, and the point. */
static bool
make_peer(mbedtls_ecp_group_id id, uint8_t *bytes, size_t *length)
{
	uint8_t parameters[POINT_MAX + 4];
	mbedtls_ecdh_context e;
	bool ok;

	mbedtls_ecdh_init(&e);
	ok = mbedtls_ecdh_setup(&e, id) == 0 &&
	     mbedtls_ecdh_make_params(&e, length, parameters, sizeof(parameters),
				      mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE) == 0;
	mbedtls_ecdh_free(&e);
	/* Behind the curve's type and name. */
	*length -= 3;
	memcpy(bytes, parameters + 3, *length);
	return ok;
}

static bool
agree_12(enum floor_group group)
{
	static uint8_t peers[2][POINT_MAX + 1];
	static size_t n_peers[2];
	mbedtls_ecp_group_id id =
	    group == FLOOR_P256 ? MBEDTLS_ECP_DP_SECP256R1 : MBEDTLS_ECP_DP_CURVE25519;
	uint8_t parameters[POINT_MAX + 4], secret[POINT_MAX];
	mbedtls_ecdh_context e;
	size_t length;
	bool ok;

	if (n_peers[group] == 0 && !make_peer(id, peers[group], &n_peers[group]))
		return false;
	mbedtls_ecdh_init(&e);
	ok = mbedtls_ecdh_setup(&e, id) == 0 &&
	     mbedtls_ecdh_make_params(&e, &length, parameters, sizeof(parameters),
				      mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE) == 0 &&
	     mbedtls_ecdh_read_public(&e, peers[group], n_peers[group]) == 0 &&
	     mbedtls_ecdh_calc_secret(&e, &length, secret, sizeof(secret), mbedtls_psa_get_random,
				      MBEDTLS_PSA_RANDOM_STATE) == 0;
	mbedtls_ecdh_free(&e);
	return ok;
}

bool
floor_agree(enum floor_group group, bool is_13)
{
	return is_13 ? agree_13(group) : agree_12(group);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/tls/certificate.h"

#include <assert.h>
#include <ctype.h>
#include <mbedtls/oid.h>
#include <mbedtls/psa_util.h>
#include <mbedtls/rsa.h>
#include <mbedtls/sha256.h>
#include <psa/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "lib/tls/hello.h"

#define RSA_LEAST 2048 /* bits */

/* ---- what it is for -------------------------------------------------------------------------- */

/* A name, if it is one that a client can ask for. False: no memory. */
static bool
add_name(struct tls_certificate *c, const char *name, size_t length)
{
	size_t domain = length > 2 && memcmp(name, "*.", 2) == 0 ? 2 : 0, i;
	char **more, *copy;

	if (!tls_name_usable(name + domain, length - domain))
		return true;
	more = realloc(c->names, (c->n_names + 1) * sizeof(*more));
	if (!more)
		return false;
	c->names = more;
	copy = strndup(name, length);
	if (!copy)
		return false;
	for (i = 0; i < length; i++)
		copy[i] = (char)tolower((unsigned char)copy[i]);
	c->names[c->n_names++] = copy;
	return true;
}

static bool
add_alternative_names(struct tls_certificate *c)
{
	const mbedtls_x509_sequence *at;
	bool ok = true;

	for (at = &c->chain.subject_alt_names; ok && at && at->buf.p; at = at->next) {
		mbedtls_x509_subject_alternative_name san;

		if (mbedtls_x509_parse_subject_alt_name(&at->buf, &san) != 0)
			continue;
		if (san.type == MBEDTLS_X509_SAN_DNS_NAME)
			ok = add_name(c, (const char *)san.san.unstructured_name.p,
				      san.san.unstructured_name.len);
		mbedtls_x509_free_subject_alt_name(&san);
	}
	return ok;
}

static bool
add_common_names(struct tls_certificate *c)
{
	const mbedtls_x509_name *at;
	bool ok = true;

	for (at = &c->chain.subject; ok && at; at = at->next)
		if (at->oid.p && MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &at->oid) == 0)
			ok = add_name(c, (const char *)at->val.p, at->val.len);
	return ok;
}

int64_t
tls_seconds_of(const mbedtls_x509_time *time)
{
	struct tm tm = {
		.tm_year = time->year - 1900,
		.tm_mon = time->mon - 1,
		.tm_mday = time->day,
		.tm_hour = time->hour,
		.tm_min = time->min,
		.tm_sec = time->sec,
	};

	return timegm(&tm);
}

static bool
describe(struct tls_certificate *c, struct tls_fault *fault)
{
	c->not_before = tls_seconds_of(&c->chain.valid_from);
	c->not_after = tls_seconds_of(&c->chain.valid_to);
	if (mbedtls_x509_crt_has_ext_type(&c->chain, MBEDTLS_X509_EXT_SUBJECT_ALT_NAME)
		? add_alternative_names(c)
		: add_common_names(c))
		return true;
	return tls_fault_set(fault, "cannot be used: no memory");
}

/* ---- parsing --------------------------------------------------------------------------------- */

static bool
parse_chain(struct tls_certificate *c, const char *text, struct tls_fault *fault)
{
	int code;

	if (!strstr(text, "-----BEGIN CERTIFICATE-----"))
		return tls_fault_set(fault, "is not a certificate in PEM: it has no line "
					    "\"-----BEGIN CERTIFICATE-----\"");
	code = mbedtls_x509_crt_parse(&c->chain, (const uint8_t *)text, strlen(text) + 1);
	if (code > 0)
		return tls_fault_set(fault, "has %d certificates that are not understood", code);
	return code == 0 ||
	       tls_fault_mbedtls(fault, code, "has a certificate that is not understood");
}

bool
tls_certificate_fits(const struct tls_certificate *c, enum tls_role role, struct tls_fault *fault)
{
	bool server = role == TLS_ROLE_SERVER;
	const char *use = server ? MBEDTLS_OID_SERVER_AUTH : MBEDTLS_OID_CLIENT_AUTH;

	static_assert(sizeof(MBEDTLS_OID_SERVER_AUTH) == sizeof(MBEDTLS_OID_CLIENT_AUTH),
		      "they have one length");
	if (mbedtls_x509_crt_check_key_usage(&c->chain, MBEDTLS_X509_KU_DIGITAL_SIGNATURE) == 0 &&
	    mbedtls_x509_crt_check_extended_key_usage(
		&c->chain, use, MBEDTLS_OID_SIZE(MBEDTLS_OID_SERVER_AUTH)) == 0)
		return true;
	return tls_fault_set(fault,
			     "has a certificate that is not for %s (its key usage has no "
			     "digitalSignature or %s)",
			     server ? "servers" : "clients", server ? "serverAuth" : "clientAuth");
}

static bool
is_curve_usable(const mbedtls_pk_context *key)
{
	switch (mbedtls_ecp_keypair_get_group_id(mbedtls_pk_ec(*key))) {
	case MBEDTLS_ECP_DP_SECP256R1:
	case MBEDTLS_ECP_DP_SECP384R1:
	case MBEDTLS_ECP_DP_SECP521R1:
		return true;
	default:
		return false;
	}
}

static bool
is_kind_usable(const mbedtls_pk_context *key, struct tls_fault *fault)
{
	size_t bits = mbedtls_pk_get_bitlen(key);

	switch (mbedtls_pk_get_type(key)) {
	case MBEDTLS_PK_RSA:
		return bits >= RSA_LEAST ||
		       tls_fault_set(fault, "is an RSA key of %zu bits; %d is the least", bits,
				     RSA_LEAST);
	case MBEDTLS_PK_ECKEY:
	case MBEDTLS_PK_ECDSA:
		if (is_curve_usable(key))
			return true;
		/* fall through */
	default:
		return tls_fault_set(
		    fault, "is a key of another kind than RSA and ECDSA with P-256, P-384 or "
			   "P-521");
	}
}

static bool
parse_key(struct tls_certificate *c, const char *text, struct tls_fault *fault)
{
	int code;

	if (!strstr(text, "-----BEGIN "))
		return tls_fault_set(fault, "is not a private key in PEM: it has no line "
					    "\"-----BEGIN PRIVATE KEY-----\"");
	code = mbedtls_pk_parse_key(&c->key, (const uint8_t *)text, strlen(text) + 1, NULL, 0,
				    mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
	if (code == MBEDTLS_ERR_PK_PASSWORD_REQUIRED || code == MBEDTLS_ERR_PK_PASSWORD_MISMATCH)
		return tls_fault_set(fault, "is encrypted, and there is nobody to ask for the "
					    "password");
	if (code != 0)
		return tls_fault_mbedtls(fault, code, "has a private key that is not understood");
	return is_kind_usable(&c->key, fault);
}

void
tls_digest(uint8_t digest[TLS_DIGEST], const char *first, const char *second)
{
	mbedtls_sha256_context context;

	mbedtls_sha256_init(&context);
	mbedtls_sha256_starts(&context, 0);
	mbedtls_sha256_update(&context, (const uint8_t *)first, strlen(first) + 1);
	mbedtls_sha256_update(&context, (const uint8_t *)second, strlen(second) + 1);
	mbedtls_sha256_finish(&context, digest);
	mbedtls_sha256_free(&context);
}

struct tls_certificate *
tls_certificate_parse(const char *certificate, const char *key, struct tls_pair_faults *faults)
{
	struct tls_certificate *c = calloc(1, sizeof(*c));
	bool ok;

	if (!c || psa_crypto_init() != PSA_SUCCESS) {
		free(c);
		tls_fault_set(&faults->certificate,
			      "cannot be used: no memory or no source of randomness");
		return NULL;
	}
	atomic_init(&c->references, 1);
	mbedtls_x509_crt_init(&c->chain);
	mbedtls_pk_init(&c->key);
	ok = parse_chain(c, certificate, &faults->certificate);
	ok &= parse_key(c, key, &faults->key);
	if (ok && mbedtls_pk_check_pair(&c->chain.pk, &c->key, mbedtls_psa_get_random,
					MBEDTLS_PSA_RANDOM_STATE) != 0)
		ok = tls_fault_set(&faults->key, "does not belong to the certificate");
	if (ok && describe(c, &faults->certificate)) {
		tls_digest(c->digest, certificate, key);
		return c;
	}
	tls_certificate_put(c);
	return NULL;
}

struct tls_certificate *
tls_certificate_load(const char *certificate, const char *key, enum tls_role role,
		     struct tls_pair_faults *faults)
{
	struct tls_certificate *c = NULL;
	struct tls_stamp stamps[2] = { 0 };
	char *open = tls_file_read(certificate, false, &stamps[0], &faults->certificate);
	char *secret = tls_file_read(key, true, &stamps[1], &faults->key);

	if (open && secret)
		c = tls_certificate_parse(open, secret, faults);
	tls_file_free(open);
	tls_file_free(secret);
	if (c && tls_certificate_fits(c, role, &faults->certificate)) {
		memcpy(c->stamps, stamps, sizeof(stamps));
		return c;
	}
	tls_certificate_put(c);
	return NULL;
}

struct tls_certificate *
tls_certificate_get(struct tls_certificate *certificate)
{
	atomic_fetch_add_explicit(&certificate->references, 1, memory_order_relaxed);
	return certificate;
}

void
tls_certificate_put(struct tls_certificate *c)
{
	size_t i;

	if (!c || atomic_fetch_sub_explicit(&c->references, 1, memory_order_acq_rel) > 1)
		return;
	mbedtls_x509_crt_free(&c->chain);
	mbedtls_pk_free(&c->key);
	for (i = 0; i < c->n_names; i++)
		free(c->names[i]);
	free(c->names);
	free(c);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/tls/trust.h"

#include <psa/crypto.h>
#include <stdlib.h>
#include <string.h>

static bool
parse_authorities(struct tls_trust *t, const char *text, struct tls_fault *fault)
{
	int code;

	if (!strstr(text, "-----BEGIN CERTIFICATE-----"))
		return tls_fault_set(fault, "has no certificates in PEM: there is no line "
					    "\"-----BEGIN CERTIFICATE-----\"");
	code = mbedtls_x509_crt_parse(&t->authorities, (const uint8_t *)text, strlen(text) + 1);
	if (code > 0 && !t->is_partial)
		return tls_fault_set(fault, "has %d certificates that are not understood", code);
	return code >= 0 ||
	       tls_fault_mbedtls(fault, code, "has a certificate that is not understood");
}

static bool
parse_revoked(struct tls_trust *t, const char *text, struct tls_fault *fault)
{
	const mbedtls_x509_crl *at;
	int code;

	if (!strstr(text, "-----BEGIN X509 CRL-----"))
		return tls_fault_set(fault, "has no list of revoked certificates in PEM: there is "
					    "no line \"-----BEGIN X509 CRL-----\"");
	code = mbedtls_x509_crl_parse(&t->revoked, (const uint8_t *)text, strlen(text) + 1);
	if (code != 0)
		return tls_fault_mbedtls(fault, code, "has a list that is not understood");
	t->has_revoked = true;
	for (at = &t->revoked; at; at = at->next) {
		int64_t next = tls_seconds_of(&at->next_update);

		if (at->next_update.year && next < t->next_update)
			t->next_update = next;
	}
	return true;
}

static struct tls_trust *
parse(const char *ca, const char *crl, bool is_partial, struct tls_trust_faults *faults)
{
	struct tls_trust *t = calloc(1, sizeof(*t));
	bool ok;

	if (!t || psa_crypto_init() != PSA_SUCCESS) {
		free(t);
		tls_fault_set(&faults->ca, "cannot be used: no memory or no source of randomness");
		return NULL;
	}
	atomic_init(&t->references, 1);
	t->is_partial = is_partial;
	t->next_update = INT64_MAX;
	mbedtls_x509_crt_init(&t->authorities);
	mbedtls_x509_crl_init(&t->revoked);
	ok = parse_authorities(t, ca, &faults->ca);
	ok &= !crl || parse_revoked(t, crl, &faults->crl);
	if (ok) {
		tls_digest(t->digest, ca, crl ? crl : "");
		return t;
	}
	tls_trust_put(t);
	return NULL;
}

struct tls_trust *
tls_trust_parse(const char *ca, const char *crl, struct tls_trust_faults *faults)
{
	return parse(ca, crl, false, faults);
}

struct tls_trust *
tls_trust_load(const char *ca, const char *crl, struct tls_trust_faults *faults)
{
	struct tls_trust *t = NULL;
	struct tls_stamp stamps[2] = { 0 };
	char *authorities = tls_file_read(ca, false, &stamps[0], &faults->ca);
	char *revoked = crl ? tls_file_read(crl, false, &stamps[1], &faults->crl) : NULL;

	if (authorities && (revoked || !crl))
		t = tls_trust_parse(authorities, revoked, faults);
	tls_file_free(authorities);
	tls_file_free(revoked);
	if (t)
		memcpy(t->stamps, stamps, sizeof(stamps));
	return t;
}

struct tls_trust *
tls_trust_load_partial(const char *ca, struct tls_fault *fault)
{
	struct tls_trust_faults faults = { 0 };
	struct tls_stamp stamp = { 0 };
	char *authorities = tls_file_read(ca, false, &stamp, &faults.ca);
	struct tls_trust *t = authorities ? parse(authorities, NULL, true, &faults) : NULL;

	tls_file_free(authorities);
	*fault = faults.ca;
	if (t)
		t->stamps[0] = stamp;
	return t;
}

bool
tls_trust_equal(const struct tls_trust *a, const struct tls_trust *b)
{
	return a && b ? memcmp(a->digest, b->digest, sizeof(a->digest)) == 0 : a == b;
}

struct tls_trust *
tls_trust_get(struct tls_trust *trust)
{
	if (trust)
		atomic_fetch_add_explicit(&trust->references, 1, memory_order_relaxed);
	return trust;
}

void
tls_trust_put(struct tls_trust *t)
{
	if (!t || atomic_fetch_sub_explicit(&t->references, 1, memory_order_acq_rel) > 1)
		return;
	mbedtls_x509_crt_free(&t->authorities);
	mbedtls_x509_crl_free(&t->revoked);
	free(t);
}

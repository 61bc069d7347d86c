/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whom we believe: authorities, and the lists of certificates that they have revoked. Nothing
 * changes it; it is freed with its last reference, by whatever thread has that.
 */
#ifndef CP_TLS_TRUST_H
#define CP_TLS_TRUST_H

#include <mbedtls/x509_crl.h>
#include <mbedtls/x509_crt.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "cp/tls/certificate.h"

#define TLS_SYSTEM_AUTHORITIES "/etc/ssl/certs/ca-certificates.crt"

struct tls_trust {
	mbedtls_x509_crt authorities;
	bool is_partial; /* those of its file that are not understood are left out */
	mbedtls_x509_crl revoked;
	bool has_revoked;
	int64_t next_update;        /* of the list that is the first to be out of date; INT64_MAX */
	uint8_t digest[TLS_DIGEST]; /* SHA-256 of both texts */
	struct tls_stamp stamps[2]; /* of the files; the second all 0: there is none */

	atomic_uint references;
};

struct tls_trust_faults {
	struct tls_fault ca, crl;
};

/* From texts (PEM), with one reference; crl may be NULL. NULL: faults say why. */
struct tls_trust *tls_trust_parse(const char *ca, const char *crl, struct tls_trust_faults *faults);
/* From files. */
struct tls_trust *tls_trust_load(const char *ca, const char *crl, struct tls_trust_faults *faults);
/* From a file of which one that is understood is enough: the system's are of all kinds, and not the
 * user's to choose. */
struct tls_trust *tls_trust_load_partial(const char *ca, struct tls_fault *fault);
/* Do both say the same? NULL is allowed. */
bool tls_trust_equal(const struct tls_trust *a, const struct tls_trust *b);
/* One reference more; returns it. NULL is allowed. */
struct tls_trust *tls_trust_get(struct tls_trust *trust);
/* One reference less. NULL is allowed. */
void tls_trust_put(struct tls_trust *trust);

#endif

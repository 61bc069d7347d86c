/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A certificate with its private key, as we show it to the other side, and what is known of it: the
 * names that it is for, how long it is good, which files it came from. Nothing changes it; it is
 * freed with its last reference, by whatever thread has that.
 *
 * Invariant: the key is that of the certificate.
 */
#ifndef CP_TLS_CERTIFICATE_H
#define CP_TLS_CERTIFICATE_H

#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cp/tls/file.h"

#define TLS_DIGEST 32

struct tls_certificate {
	mbedtls_x509_crt chain; /* the server's own first */
	mbedtls_pk_context key;
	/* Those that are server names, in lower case; "*.example.org": for one label in that
	 * domain. They are the certificate's dNSNames, or its common name if it has no
	 * subjectAltName. */
	char **names;
	size_t n_names;
	int64_t not_before, not_after; /* seconds since 1970 */
	uint8_t digest[TLS_DIGEST];    /* SHA-256 of both texts */
	struct tls_stamp stamps[2];    /* of the files; all 0: there are none */

	atomic_uint references;
};

/* What is wrong with each of the two. */
struct tls_pair_faults {
	struct tls_fault certificate, key;
};

/* From texts (PEM), with one reference; NULL: faults say why. */
struct tls_certificate *tls_certificate_parse(const char *certificate, const char *key,
					      struct tls_pair_faults *faults);
/* May it be shown in this role? Else fault says why not. mbedTLS would not do it, and fail each
 * handshake. */
enum tls_role { TLS_ROLE_SERVER, TLS_ROLE_CLIENT };
bool tls_certificate_fits(const struct tls_certificate *certificate, enum tls_role role,
			  struct tls_fault *fault);
/* From files; one that fits. */
struct tls_certificate *tls_certificate_load(const char *certificate, const char *key,
					     enum tls_role role, struct tls_pair_faults *faults);
/* One reference more; returns it. */
struct tls_certificate *tls_certificate_get(struct tls_certificate *certificate);
/* One reference less. NULL is allowed. */
void tls_certificate_put(struct tls_certificate *certificate);

/* SHA-256 of two texts. */
void tls_digest(uint8_t digest[TLS_DIGEST], const char *first, const char *second);
/* What mbedTLS calls a time, in seconds since 1970. */
int64_t tls_seconds_of(const mbedtls_x509_time *time);

#endif

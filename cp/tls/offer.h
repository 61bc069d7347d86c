/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What servers (cp/tls/server) and clients (cp/tls/client) of TLS have in common: what is offered
 * to the other side. Never anything without forward secrecy or without an AEAD. The texts are the
 * caller's, and not needed afterwards. Any thread.
 */
#ifndef CP_TLS_OFFER_H
#define CP_TLS_OFFER_H

#include <mbedtls/ssl.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/tls/keys.h"

/* Where a sentence about what is wrong goes. */
struct tls_complaint {
	char *error;
	size_t size;
};
/* False, always. `code` is mbedTLS's, whose meaning is added; 0: none is. */
bool tls_complain(const struct tls_complaint *complaint, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

struct tls_pair {
	const char *certificate; /* PEM: one's own, then those that lead to the authority */
	const char *key;         /* PEM, not encrypted */
};

#define TLS_ALPN_MAX 16 /* protocols */

struct tls_offer {
	int endpoint; /* MBEDTLS_SSL_IS_SERVER, MBEDTLS_SSL_IS_CLIENT */
	enum tls_version minimum, maximum;
	const enum tls_cipher *ciphers; /* best first */
	size_t n_ciphers;               /* 0: all three, AES-128-GCM first */
	const char *const *alpn;        /* best first, then NULL; NULL: none */
};

/* What each cipher is called with: in 1.3, and in 1.2 by the certificate's key. */
enum tls_key_kind {
	TLS_KEY_ANY,
	TLS_KEY_ECDSA,
	TLS_KEY_RSA,
	TLS_SUITE_KINDS,
};

/* What a config refers to, so that it has to live as long. All zero: nothing yet. */
struct tls_lists {
	int suites[TLS_SUITE_KINDS * TLS_CIPHERS + 1]; /* by cipher, then by key */
	char *alpn[TLS_ALPN_MAX + 1];
};

/* Make a config that was initialised. False: a complaint. */
bool tls_offer(mbedtls_ssl_config *config, struct tls_lists *lists, const struct tls_offer *offer,
	       const struct tls_complaint *complaint);
void tls_lists_free(struct tls_lists *lists);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a TLS client is configured with, towards the backends of a pool: whom it trusts, which name
 * a backend's certificate has to have, a certificate of its own, versions, ciphers, application
 * protocols. Made once; from then on nothing changes it, so handshakes on any number of threads use
 * it at the same time. Whoever gives its last reference back sees to it that none does any more.
 *
 * Invariant: with `verify`, no handshake ends well unless the certificate leads to one of the
 * authorities, is valid today, is meant for servers and has the name. A name is looked for among
 * the certificate's names of DNS, or in its subject if it has no names at all; an address only
 * among its addresses, and is not sent along as a name (RFC 6066 3).
 *
 * Sessions are not resumed. A backend that speaks no more than 1.2, has an RSA certificate and
 * insists on RSA-PSS whatever the client's order is, is not understood unless `maximum` is 1.2:
 * mbedTLS offers RSA-PSS for 1.3 and does not know it in 1.2.
 */
#ifndef CP_TLS_CLIENT_H
#define CP_TLS_CLIENT_H

#include <mbedtls/ssl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cp/tls/certificate.h"
#include "cp/tls/offer.h"
#include "cp/tls/trust.h"
#include "lib/tls/handover.h"

struct tls_client_settings {
	struct tls_trust *trust; /* NULL: by the text `ca` */
	const char *ca;          /* PEM; NULL: TLS_SYSTEM_AUTHORITIES */
	const char *server_name; /* or an address; NULL: none is sent, and verify has to be off */
	struct tls_certificate *certificate; /* the client's own; NULL: by the texts `pair` */
	const struct tls_pair *pair;         /* NULL: it has none */
	bool verify;
	enum tls_version minimum, maximum;
	enum tls_cipher ciphers[TLS_CIPHERS]; /* best first */
	size_t n_ciphers;                     /* 0: all three, AES-128-GCM first */
	const char *const *alpn;              /* best first, then NULL; NULL: none is asked for */
};

struct tls_client {
	mbedtls_ssl_config config;
	mbedtls_x509_crt authorities;        /* of `ca` */
	struct tls_trust *trust;             /* NULL: these */
	struct tls_certificate *certificate; /* NULL: none */
	struct tls_lists lists;
	bool verify;
	char name[TLS_NAME_MAX + 1]; /* that is sent; "" for none */
	uint8_t address[16];         /* that the certificate has to have */
	size_t n_address;            /* 0: a name, or nothing at all */

	atomic_uint references;
};

/* With one reference; NULL, and a sentence about what is wrong with the settings. */
struct tls_client *tls_client_create(const struct tls_client_settings *settings, char *error,
				     size_t size);
/* One reference more; returns it. */
struct tls_client *tls_client_get(struct tls_client *client);
/* One reference less. NULL is allowed. */
void tls_client_free(struct tls_client *client);

/* Can a backend be called so? By a name of DNS, or an address. */
bool tls_client_name_usable(const char *name);

/* The name for a connection. 0, or mbedTLS's code. */
int tls_client_name(const struct tls_client *client, mbedtls_ssl_context *ssl);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a TLS server is configured with, as mbedTLS wants to have it: certificates with their keys,
 * versions, ciphers, application protocols, tickets. Made once; from then on nothing changes it but
 * mbedTLS itself, behind its locks, so handshakes on any number of threads use it at the same time.
 * Whoever gives its last reference back sees to it that none does any more.
 *
 * A client gets a certificate by the server name that it asks for: those that have the whole name;
 * if there are none, those that have "*." and what follows the name's first label; else, and
 * without a name, the first certificate, and those that have that one's first name. Of these it
 * gets the first that it can use, ECDSA before RSA (cp/tls/choice); if it can use none that has the
 * whole name, one for "*.".
 */
#ifndef CP_TLS_SERVER_H
#define CP_TLS_SERVER_H

#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ticket.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cp/tls/certificate.h"
#include "cp/tls/offer.h"
#include "cp/tls/ticket_keys.h"
#include "cp/tls/trust.h"
#include "lib/tls/handover.h"

/* The keys that tickets are made with. They change by themselves when they are as old as tickets
 * get; those before them stay for as long again. */
struct tls_tickets {
	mbedtls_ssl_ticket_context context;
	atomic_uint references;
};

enum tls_client_auth {
	TLS_CLIENT_NONE,
	TLS_CLIENT_REQUEST, /* one that is not good is none */
	TLS_CLIENT_REQUIRE,
};

struct tls_server_settings {
	/* Certificates, by what has been parsed already, or (certificates is NULL) by texts. */
	struct tls_certificate *const *certificates;
	size_t n_certificates;
	const struct tls_pair *pairs;
	size_t n_pairs;
	enum tls_version minimum, maximum;
	enum tls_cipher ciphers[TLS_CIPHERS]; /* best first; in 1.3 the client's order counts */
	size_t n_ciphers;                     /* 0: all three, AES-128-GCM first */
	const char *const *alpn;         /* best first, then NULL; NULL: the client is not asked */
	uint32_t ticket_lifetime;        /* seconds, up to 7 days; 0: no tickets */
	uint16_t tickets;                /* 1.3: so many for each handshake */
	struct tls_tickets *ticket_keys; /* those of another server, for the same lifetime; NULL:
					    new ones */
	const struct tls_ticket_keys *shared_keys; /* ... that begin with these; they stay for half
						      a lifetime at the least; NULL: by chance */
	bool without_exchange; /* 1.3: clients who offer it are resumed without a key exchange */
	enum tls_client_auth client_auth;
	struct tls_trust *trust; /* whose certificates of clients are good */
};

/* A name of a certificate. */
struct tls_server_name {
	const char *name; /* the certificate's */
	size_t certificate;
};

struct tls_server {
	mbedtls_ssl_config config;
	/* For handshakes that resume a session of TLS 1.3 without a key exchange, and can do
	 * nothing else; what it points to is config's */
	mbedtls_ssl_config alone;
	bool has_alone;
	struct tls_certificate **certificates;
	size_t n_certificates;
	struct tls_server_name *names; /* in the order of names, then of certificates */
	size_t n_names;
	const struct tls_server_name *others; /* the certificates of everybody else */
	size_t n_others;
	struct tls_server_name first; /* the first certificate, whatever its names */
	enum tls_version maximum;
	struct tls_trust *trust;     /* NULL: clients are not asked */
	struct tls_tickets *tickets; /* NULL: there are none */
	struct tls_lists lists;

	atomic_uint references;
};

/* With one reference; NULL, and a sentence about what is wrong with the settings. */
struct tls_server *tls_server_create(const struct tls_server_settings *settings, char *error,
				     size_t size);
/* One reference more; returns it. */
struct tls_server *tls_server_get(struct tls_server *server);
/* One reference less. NULL is allowed. */
void tls_server_free(struct tls_server *server);

/* The certificates that have exactly this name (in lower case, NUL-terminated; "*.example.org" is
 * one): *n rows; NULL: none has. */
const struct tls_server_name *tls_server_find(const struct tls_server *server, const char *name,
					      size_t *n);

#endif

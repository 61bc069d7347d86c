/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a TLS server is configured with, as mbedTLS wants to have it: certificates with their keys,
 * versions, ciphers, application protocols, tickets. Made once from texts; from then on nothing
 * changes it but mbedTLS itself, behind its locks, so handshakes on any number of threads use it at
 * the same time. Whoever frees it sees to it that none does any more.
 */
#ifndef CP_TLS_SERVER_H
#define CP_TLS_SERVER_H

#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ticket.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/tls/handover.h"

struct tls_pair {
	const char *certificate; /* PEM: the server's own, then those that lead to the authority */
	const char *key;         /* PEM, not encrypted */
};

struct tls_server_settings {
	const struct tls_pair *pairs; /* the first that the client can verify is used */
	size_t n_pairs;
	enum tls_version minimum, maximum;
	enum tls_cipher ciphers[TLS_CIPHERS]; /* best first; in 1.3 the client's order counts */
	size_t n_ciphers;                     /* 0: all three, AES-128-GCM first */
	const char *const *alpn;  /* best first, then NULL; NULL: the client is not asked */
	uint32_t ticket_lifetime; /* seconds; 0: no tickets */
	uint16_t tickets;         /* 1.3: so many for each handshake */
};

#define TLS_ALPN_MAX  16 /* protocols */
#define TLS_PAIRS_MAX 8

struct tls_server {
	mbedtls_ssl_config config;
	mbedtls_x509_crt certificates[TLS_PAIRS_MAX];
	mbedtls_pk_context keys[TLS_PAIRS_MAX];
	size_t n_pairs;
	mbedtls_ssl_ticket_context tickets;
	bool has_tickets;
	int suites[3 * TLS_CIPHERS + 1];
	char *alpn[TLS_ALPN_MAX + 1];
	uint32_t users; /* of one in a store (cp/tls/store), behind its lock */
};

/* NULL, and a sentence about what is wrong with the settings. */
struct tls_server *tls_server_create(const struct tls_server_settings *settings, char *error,
				     size_t size);
void tls_server_free(struct tls_server *server);

#endif

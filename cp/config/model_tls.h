/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a listener has that ends its clients' TLS, and a pool whose backends are spoken to by TLS,
 * as the user wrote it: see model.h, of which it is a part. Strings and arrays are owned by the
 * config; times are nanoseconds.
 */
#ifndef CP_CONFIG_MODEL_TLS_H
#define CP_CONFIG_MODEL_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tls_certificate; /* cp/tls/certificate.h */
struct tls_ticket_keys; /* cp/tls/ticket_keys.h */
struct tls_trust;       /* cp/tls/trust.h */

#define CONFIG_MAX_CERTIFICATES 1000 /* of a listener */

struct tls_pair_config {
	char *certificate, *key;        /* files */
	struct tls_certificate *loaded; /* what is in them; one reference; read with the
					   configuration */
	int line;
};

enum tls_client_auth_config {
	TLS_CLIENT_AUTH_NONE,
	TLS_CLIENT_AUTH_REQUEST, /* clients without a certificate, or with a bad one, may come */
	TLS_CLIENT_AUTH_REQUIRE,
};

struct tls_config {
	struct tls_pair_config *certificates;
	size_t n_certificates;
	uint16_t minimum; /* enum tls_version */
	uint8_t *ciphers; /* enum tls_cipher, best first; none: all */
	size_t n_ciphers;
	char **alpn; /* best first; none: the protocol's own */
	size_t n_alpn;
	struct {
		uint8_t mode; /* enum tls_client_auth_config */
		char *ca, *crl;
		struct tls_trust *loaded; /* as above; NULL: no ca */
	} client_auth;
	struct {
		uint64_t lifetime; /* 0: no tickets */
		char *keys;        /* file of those that machines share; NULL: own ones */
		struct tls_ticket_keys *loaded; /* as above; NULL: own ones */
		bool forward_secrecy;           /* also of resumed sessions */
	} tickets;
	int line; /* 0: there is none */
};

/* Of a pool. */
struct pool_tls_config {
	char *ca;          /* file; NULL: the system's authorities */
	char *server_name; /* or an address; NULL: backends are not asked for one */
	bool verify;
	uint16_t minimum;           /* enum tls_version */
	struct tls_pair_config own; /* what backends are shown; its texts NULL: nothing */
	struct tls_trust *trust;    /* what is in ca; one reference; NULL: not to be verified */
	int line;                   /* 0: there is none */
};

/* The machine's part. */
struct tls_machine_config {
	uint32_t threads;
	uint32_t handshakes; /* at a time, per worker */
};

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client of mbedTLS's in memory, and a certificate that mbedTLS has made. What cannot be made
 * ends the program. One thread.
 */
#ifndef TESTS_UNIT_TLS_CLIENT_H
#define TESTS_UNIT_TLS_CLIENT_H

#include <mbedtls/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cp/tls/server.h"

#define TLS_CLIENT_ROOM (64 * 1024)

struct tls_client {
	mbedtls_ssl_context ssl;
	mbedtls_ssl_config config;
	uint8_t in[TLS_CLIENT_ROOM], out[TLS_CLIENT_ROOM];
	size_t n_in, n_out; /* of the server, not read yet; for it, not taken yet */
};

/* ECDSA, P-256; signs itself; made at the first call. */
struct tls_pair tls_client_pair(void);

/* suite: mbedTLS's number, 0 for all. */
void tls_client_begin(struct tls_client *c, enum tls_version version, int suite);
void tls_client_end(struct tls_client *c);

/* Bytes of the server. */
void tls_client_hear(struct tls_client *c, const uint8_t *bytes, size_t length);
/* 0: the handshake is over; else mbedTLS's answer. */
int tls_client_shake(struct tls_client *c);

#endif

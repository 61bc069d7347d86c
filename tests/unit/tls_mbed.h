/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client or server of mbedTLS's in memory, and a certificate that mbedTLS has made. What cannot
 * be made ends the program. One thread.
 */
#ifndef TESTS_UNIT_TLS_MBED_H
#define TESTS_UNIT_TLS_MBED_H

#include <mbedtls/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cp/tls/server.h"

#define TLS_MBED_ROOM (64 * 1024)

struct tls_mbed {
	mbedtls_ssl_context ssl;
	mbedtls_ssl_config config;
	mbedtls_x509_crt certificate; /* a server's */
	mbedtls_pk_context key;
	int suites[2];
	uint8_t in[TLS_MBED_ROOM], out[TLS_MBED_ROOM];
	size_t n_in, n_out; /* of the peer, not read yet; for it, not taken yet */
};

/* ECDSA, P-256; signs itself; made at the first call. */
struct tls_pair tls_mbed_pair(void);

/* A client of "shop.example" that believes everybody. suite: mbedTLS's number, 0 for all. */
void tls_mbed_begin(struct tls_mbed *c, enum tls_version version, int suite);
/* A server. */
void tls_mbed_serve(struct tls_mbed *c, const struct tls_pair *pair, enum tls_version version,
		    int suite);
/* A server with somebody else's configuration, which outlives it. */
void tls_mbed_borrow(struct tls_mbed *c, const mbedtls_ssl_config *config);
void tls_mbed_end(struct tls_mbed *c);

/* Bytes of the peer. */
void tls_mbed_hear(struct tls_mbed *c, const uint8_t *bytes, size_t length);
/* 0: the handshake is over; else mbedTLS's answer. */
int tls_mbed_shake(struct tls_mbed *c);

#endif

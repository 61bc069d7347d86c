/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which certificate a client gets. What it offers is read from the same bytes that mbedTLS gets,
 * which would go by the client's order of signatures (TLS 1.3) or by that of ciphers (1.2), and
 * says to nobody what the client offers. Our order is: ECDSA before RSA, whose signature takes
 * several times as long, then that of the configuration. Only the one that was chosen is given to
 * mbedTLS; all that come into question, if the client can use none or what it offers is not known.
 *
 *     bytes ─> tls_asked_add ─> ... ─> mbedTLS has the hello, its name: tls_asked_name
 *                                                             the rest: tls_choose
 *
 * One for each handshake; its thread.
 */
#ifndef CP_TLS_CHOICE_H
#define CP_TLS_CHOICE_H

#include <mbedtls/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/tls/handover.h"

#define TLS_CURVES 3 /* P-256, P-384, P-521 */

/* What certificates a client can use. */
struct tls_able {
	bool known; /* else the rest says nothing */
	bool rsa;
	bool ecdsa[TLS_CURVES]; /* by the key's curve */
};

struct tls_server;

/* What a client asks for, and whom. Each connection's user data (mbedtls_ssl_set_user_data_p)
 * points to one. */
struct tls_asked {
	const struct tls_server *server;
	struct tls_name *name; /* to be written */
	uint8_t *bytes;        /* from the first one on, while there may be more of its hello */
	size_t n, room;
	bool over; /* nothing that comes is of interest any more */
	struct tls_able able;
};

/* The next bytes of the client, whatever way they are cut. */
void tls_asked_add(struct tls_asked *asked, const uint8_t *bytes, size_t length);
/* What it holds is freed. */
void tls_asked_forget(struct tls_asked *asked);

/* For mbedtls_ssl_conf_sni, context: none. */
int tls_asked_name(void *context, mbedtls_ssl_context *ssl, const unsigned char *name,
		   size_t length);
/* For mbedtls_ssl_conf_cert_cb. */
int tls_choose(mbedtls_ssl_context *ssl);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client of OpenSSL's in memory, and a connection of it with our handshake and, after that, our
 * record layer. What cannot be made ends the test. One thread.
 */
#ifndef TESTS_UNIT_TLS_PEER_H
#define TESTS_UNIT_TLS_PEER_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cp/tls/handshake.h"
#include "tests/unit/tls_bytes.h"

/* Certificates for "shop.example" that sign themselves, made at the first call. */
enum tls_test_key { TLS_TEST_ECDSA, TLS_TEST_RSA, TLS_TEST_KEYS };
struct tls_pair tls_test_pair(enum tls_test_key kind);

/* Others, as one likes them. */
struct tls_wish {
	enum tls_test_key kind;
	const char *name;        /* common name */
	const char *alternative; /* subjectAltName: "DNS:a.example,DNS:b.example"; NULL: none */
	long begin, end;         /* seconds from now; both 0: from an hour ago for a day */
	bool authority;
	const struct tls_pair *issuer; /* NULL: it signs itself */
	long serial;                   /* 0: 1 */
	const char *use;               /* extendedKeyUsage: "clientAuth"; NULL: none */
	const char *usage;             /* extendedKeyUsage: "clientAuth"; NULL: any */
	bool weak;                     /* RSA, 1024 bits */
	void (*change)(X509 *x);       /* before it is signed */
};
/* To be freed. */
struct tls_pair tls_test_make(const struct tls_wish *wish);
void tls_test_free(struct tls_pair *pair);
/* The list of an authority that has revoked the certificate with this serial number; to be freed.
 */
char *tls_test_revoke(const struct tls_pair *authority, long serial);

/* A server with one of them, or both (TLS_TEST_KEYS); changed as a test likes. */
struct tls_server_settings tls_test_settings(enum tls_test_key kind);
struct tls_server *tls_test_server(const struct tls_server_settings *settings);

struct tls_peer_settings {
	int minimum, maximum; /* TLS1_2_VERSION...; 0: OpenSSL's own */
	const char *ciphers12, *ciphers13, *groups, *signatures;
	const char *name;
	const char *protocols; /* as on the wire: "\x08http/1.1" */
	bool verifies;         /* it refuses our certificates, then */
	bool no_extended_secret;
	bool alone; /* it offers to resume without a key exchange, too */
	SSL_SESSION *session;
	const struct tls_pair *own; /* its certificate; NULL: none */
};

#define TLS_STREAM_MAX (256 * 1024)

struct tls_meeting {
	SSL_CTX *context;
	SSL *peer;
	BIO *to_peer, *from_peer;
	struct tls_server *server;
	struct tls_handshake *handshake;
	enum tls_step step;
	size_t cut; /* so many bytes of the client for each step */
	/* After the handshake: */
	struct tls_end receive, send;
	uint8_t stream[TLS_STREAM_MAX]; /* of the client, not opened yet */
	size_t n_stream;
	uint8_t record[TLS_RECORD_MAX]; /* the one that was opened last */
};

void tls_meet(struct tls_meeting *m, struct tls_server *server, const struct tls_peer_settings *s,
	      size_t cut);
void tls_part(struct tls_meeting *m);

/* Until one side is through with the handshake or has failed; where it stands. */
enum tls_step tls_shake_hands(struct tls_meeting *m);
/* Bytes that the client has sent go to our handshake, or to the stream after it. */
enum tls_step tls_deliver(struct tls_meeting *m);
/* The next record of the client. */
struct tls_opened tls_receive(struct tls_meeting *m);
/* A record for the client. */
void tls_send(struct tls_meeting *m, uint8_t type, const void *content, size_t length);
/* Texts of one, four and 20,000 bytes in both directions. */
bool tls_talk(struct tls_meeting *m);

#endif

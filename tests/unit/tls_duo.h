/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our client and our server in memory, handshakes and then records; or one of them with a peer of
 * mbedTLS's. What cannot be made ends the test. One thread.
 */
#ifndef TESTS_UNIT_TLS_DUO_H
#define TESTS_UNIT_TLS_DUO_H

#include "cp/tls/client.h"
#include "cp/tls/handshake.h"
#include "tests/unit/tls_bytes.h"
#include "tests/unit/tls_mbed.h"

#define TLS_DUO_ROOM (160 * 1024)

struct tls_party {
	struct tls_handshake *handshake;
	enum tls_step step;
	struct tls_end receive, send; /* after the handshake */
	uint8_t in[TLS_DUO_ROOM];     /* of the other, not used yet */
	size_t n_in;
	uint8_t said[64]; /* the end of what it said last */
	size_t n_said;
	uint8_t record[TLS_RECORD_MAX]; /* the one that was opened last */
};

struct tls_duo {
	struct tls_party client, server;
	struct tls_mbed *mbed; /* in the server's place */
	size_t cut;            /* so many bytes for each step */
};

struct tls_client *tls_duo_client(const struct tls_client_settings *settings);

void tls_duo_begin(struct tls_duo *duo, struct tls_client *client, struct tls_server *server,
		   size_t cut);
/* With a server of mbedTLS's that has begun. */
void tls_duo_begin_mbed(struct tls_duo *duo, struct tls_client *client, struct tls_mbed *mbed,
			size_t cut);
void tls_duo_end(struct tls_duo *duo);

/* Until neither has anything to say; where the client stands. */
enum tls_step tls_duo_shake(struct tls_duo *duo);
/* Bytes for a party: it takes a step with them if the handshake goes on. False: nothing happened.
 */
bool tls_duo_step(struct tls_duo *duo, struct tls_party *party);

/* The next record that a party has. */
struct tls_opened tls_duo_receive(struct tls_party *party);
/* A record from one to the other. */
void tls_duo_send(struct tls_party *from, struct tls_party *to, uint8_t type, const char *text);
/* A few words in both directions. */
bool tls_duo_talk(struct tls_duo *duo);

#endif

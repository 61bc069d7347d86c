/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the server's records tell of a handshake that mbedTLS does not: whether the extended master
 * secret was agreed on, whether a session was resumed, how many tickets were sent. A server looks
 * at its own records on their way out, each as a whole; a client at the bytes that come, however
 * they are cut. One for each handshake; its thread.
 */
#ifndef CP_TLS_WATCH_H
#define CP_TLS_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/tls/record.h"

struct tls_watch {
	bool hello;                 /* there was a ServerHello, other than a HelloRetryRequest */
	bool is_13;                 /* ... of TLS 1.3 */
	uint16_t suite;             /* ... with this cipher suite */
	bool extended_secret;       /* ... with RFC 7627's extension */
	bool psk;                   /* ... with that of a resumed session of TLS 1.3 */
	bool certificate;           /* 1.2: there was a Certificate, so it is a full handshake */
	bool ciphered;              /* 1.2: what goes out cannot be read any more */
	uint32_t protected_records; /* 1.3: since the client's last byte */
};

/* A whole record of the server, by itself. */
void tls_watch_record(struct tls_watch *watch, const uint8_t *record, size_t length);

static inline bool
tls_watch_resumed(const struct tls_watch *watch)
{
	return watch->is_13 ? watch->psk : !watch->certificate;
}

/* Longer than any ServerHello in use. One that is not seen is one without extended secret. */
#define TLS_WATCH_HELLO 1024

/* The other side's records. */
struct tls_input {
	struct tls_watch
	    *watch; /* a client's; NULL: a server's, which only wants to know the rest */
	uint8_t header[TLS_HEADER]; /* of the record that came last */
	uint8_t n_header;
	size_t left;   /* bytes of it that have not come */
	uint8_t alert; /* the last one that was not encrypted; 0: none came */
	size_t n_messages;
	uint8_t messages[TLS_WATCH_HELLO]; /* of handshakes, up to the ServerHello */
};

void tls_watch_input(struct tls_input *input, const uint8_t *bytes, size_t length);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a handshake leaves: what the record layer goes on with and what is known of the peer, or why
 * there is nothing to go on with. Made by a handshake thread (cp/tls/), used by a worker (dp/tls/),
 * whose it is from then on. No allocation, any thread.
 */
#ifndef LIB_TLS_HANDOVER_H
#define LIB_TLS_HANDOVER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/tls/keys.h"

/* X(name, the alert to send where mbedTLS sends none (RFC 8446 6.2), what it says) */
#define TLS_CAUSES(X)                                                                         \
	X(NONE, 0, "none")                                                                    \
	X(VERSION, 70, "no version of TLS that both allow")                                   \
	X(NOTHING_SHARED, 40, "no cipher, group or signature that both allow")                \
	X(NO_PROTOCOL, 120, "no application protocol that both speak")                        \
	X(NO_EXTENDED_SECRET, 40, "a peer with TLS 1.2 and without extended master secret")   \
	X(NOT_TLS, 0, "bytes that are not TLS")                                               \
	X(MALFORMED, 50, "a message that is not understood")                                  \
	X(UNEXPECTED, 10, "a message that may not come here")                                 \
	X(NOT_AUTHENTIC, 20, "a record, signature or Finished made without the right secret") \
	X(CLIENT_GAVE_UP, 0, "an alert of the client")                                        \
	X(CLIENT_CERTIFICATE, 42, "no client certificate, or not a good one")                 \
	/* Towards backends, whose certificate comes first. */                                \
	X(UNTRUSTED, 48, "a backend's certificate that leads to no trusted authority")        \
	X(EXPIRED, 45, "a backend's certificate that has expired, or its authority's")        \
	X(NOT_YET_VALID, 45, "a backend's certificate that is not valid yet")                 \
	X(WRONG_NAME, 42, "a backend's certificate for other names")                          \
	X(WRONG_USE, 43, "a backend's certificate that is not meant for servers")             \
	X(WEAK_CERTIFICATE, 43, "a backend's certificate with a weak key or signature")       \
	X(BACKEND_CERTIFICATE, 42, "a backend's certificate that is not understood")          \
	X(CERTIFICATE_REFUSED, 0, "a backend that refuses our certificate, or wants one")     \
	X(BACKEND_GAVE_UP, 0, "an alert of the backend, or the end of its connection")        \
	X(TIMEOUT, 0, "a backend that took too long")                                         \
	X(TOO_LONG, 80, "more bytes than a handshake has")                                    \
	X(NO_MEMORY, 80, "no memory")                                                         \
	X(INTERNAL, 80, "another error of mbedTLS")                                           \
	X(NO_LISTENER, 80, "a listener that is not there any more")                           \
	X(NO_POOL, 80, "a pool that is not there any more")

enum tls_cause {
#define TLS_CAUSE_ENUM(name, alert, text) TLS_CAUSE_##name,
	TLS_CAUSES(TLS_CAUSE_ENUM)
#undef TLS_CAUSE_ENUM
	    TLS_CAUSE_COUNT
};
const char *tls_cause_text(enum tls_cause cause);

#define TLS_PROTOCOL_MAX 255 /* RFC 7301 3.1 */
#define TLS_NAME_MAX     255 /* RFC 6066 3 */

/* Whom the client wants to speak to; empty: it has named nobody. */
struct tls_name {
	uint8_t length;
	char text[TLS_NAME_MAX + 1];
};

/* What the peer's certificate says, for headers and logs: made of printable characters only,
 * without quotes and backslashes, so that nothing in a certificate can end a header or begin
 * another. In values each byte outside 0x20 to 0x7e, each of  " % + , ; \  and a space at either
 * end is written as % and two hexadecimal digits. So a comma separates, whatever a certificate
 * contains, and what is decoded after that is what stands in it. */
#define TLS_SUBJECT_MAX 255
#define TLS_NAMES_MAX   255
#define TLS_SERIAL_MAX  64

struct tls_peer {
	bool has_certificate;
	bool verified;                     /* by our authorities; only then may it be believed */
	bool incomplete;                   /* what did not fit is left out, each name as a whole */
	char subject[TLS_SUBJECT_MAX + 1]; /* "C=DE,O=Shop,CN=alice", in the certificate's order */
	char names[TLS_NAMES_MAX + 1];     /* "DNS:a.example,email:b@c.d,URI:spiffe://e/f,IP:..." */
	char serial[TLS_SERIAL_MAX + 1];   /* hexadecimal digits */
	uint8_t fingerprint[32];           /* SHA-256 of the certificate */
};

struct tls_handover {
	struct tls_keys receive, send; /* version, cipher and sequence numbers are in them */
	bool resumed;
	uint8_t n_protocol;
	char protocol[TLS_PROTOCOL_MAX + 1]; /* by ALPN; "" for none */
	struct tls_name name;                /* where the peer is the client */
	struct tls_peer peer;
};

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One TLS handshake of a server, by mbedTLS: the client's bytes go in, bytes for it come out, and
 * at the end there is what the record layer needs to go on (lib/tls/record): keys and sequence
 * numbers of both directions. mbedTLS's part of it, two buffers of 16 KB and more, is gone by then.
 *
 *     new ─> step ─> more ─┬─> step ...
 *                          ├─> done: keys, and the bytes that were not used are application data
 *                          └─> failed: why, and perhaps an alert to send
 *
 * No I/O and no clock but mbedTLS's for the age of tickets. One thread at a time uses a handshake;
 * which one does not matter. The server must outlive it.
 *
 * Invariants: keys are only handed out after the client's Finished was verified. In TLS 1.2 there
 * is an extended master secret (RFC 7627), or the handshake fails. Not one byte behind the client's
 * Finished is used.
 */
#ifndef CP_TLS_HANDSHAKE_H
#define CP_TLS_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cp/tls/server.h"
#include "lib/tls/keys.h"

/* X(name, the alert to send where mbedTLS sends none (RFC 8446 6.2), what it says) */
#define TLS_CAUSES(X)                                                                         \
	X(NONE, 0, "none")                                                                    \
	X(VERSION, 70, "no version of TLS that both allow")                                   \
	X(NOTHING_SHARED, 40, "no cipher, group or signature that both allow")                \
	X(NO_PROTOCOL, 120, "no application protocol that both speak")                        \
	X(NO_EXTENDED_SECRET, 40, "a client of TLS 1.2 without extended master secret")       \
	X(NOT_TLS, 0, "bytes that are not TLS")                                               \
	X(MALFORMED, 50, "a message that is not understood")                                  \
	X(UNEXPECTED, 10, "a message that may not come here")                                 \
	X(NOT_AUTHENTIC, 20, "a record or Finished that was not made with the shared secret") \
	X(CLIENT_GAVE_UP, 0, "an alert of the client")                                        \
	X(CLIENT_CERTIFICATE, 42, "no client certificate, or not a good one")                 \
	X(TOO_LONG, 80, "more bytes than a handshake has")                                    \
	X(NO_MEMORY, 80, "no memory")                                                         \
	X(INTERNAL, 80, "another error of mbedTLS")

enum tls_cause {
#define TLS_CAUSE_ENUM(name, alert, text) TLS_CAUSE_##name,
	TLS_CAUSES(TLS_CAUSE_ENUM)
#undef TLS_CAUSE_ENUM
	    TLS_CAUSE_COUNT
};
const char *tls_cause_text(enum tls_cause cause);

enum tls_step {
	TLS_STEP_MORE, /* the client's turn */
	TLS_STEP_DONE,
	TLS_STEP_FAILED,
};

#define TLS_PROTOCOL_MAX 255 /* RFC 7301 3.1 */
/* What a client may send: a ClientHello, a chain of certificates, and room to spare. */
#define TLS_HANDSHAKE_MAX (128 * 1024)

struct tls_handover {
	struct tls_keys receive, send; /* version, cipher and sequence numbers are in them */
	bool resumed;
	uint8_t n_protocol;
	char protocol[TLS_PROTOCOL_MAX + 1]; /* by ALPN; "" for none */
	struct tls_name name;
};

struct tls_handshake;

/* NULL: no memory. */
struct tls_handshake *tls_handshake_new(struct tls_server *server, const struct tls_engine *engine);
void tls_handshake_free(struct tls_handshake *h);

/* Take bytes of the client, whatever way they are cut. With TLS_STEP_MORE all have been used. What
 * the step before had to send is gone. */
enum tls_step tls_handshake_step(struct tls_handshake *h, struct tls_bytes in, size_t *used);
/* What has to go to the client now, before anything else; after a failure, too. */
struct tls_bytes tls_handshake_output(const struct tls_handshake *h);

/* After TLS_STEP_FAILED, and mbedTLS's own number for it. */
enum tls_cause tls_handshake_cause(const struct tls_handshake *h);
int tls_handshake_code(const struct tls_handshake *h);
/* After TLS_STEP_DONE. Good as long as the handshake. */
const struct tls_handover *tls_handshake_result(const struct tls_handshake *h);

#endif

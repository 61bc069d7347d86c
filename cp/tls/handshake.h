/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One TLS handshake by mbedTLS, of a server or of a client: the peer's bytes go in, bytes for it
 * come out, and at the end there is what the record layer needs to go on (lib/tls/record): keys and
 * sequence numbers of both directions. mbedTLS's part of it, two buffers of 16 KB and more, is gone
 * by then.
 *
 *     new ─> step ─> more ─┬─> step ...
 *                          ├─> done: keys, and the bytes that were not used are application data
 *                          └─> failed: why, and perhaps an alert to send
 *
 * A client begins: its first step needs no bytes. Its last one has something to send. What comes
 * behind a server's last bytes are records like any other, tickets among them, which a client of
 * ours has no use for (type TLS_HANDSHAKE, the first byte of the content is 4).
 *
 * No I/O and no clock but mbedTLS's, for the age of tickets and the validity of certificates. One
 * thread at a time uses a handshake; which one does not matter. The server or client must outlive
 * it.
 *
 * Invariants: keys are only handed out after the peer's Finished was verified. In TLS 1.2 there is
 * an extended master secret (RFC 7627), or the handshake fails. Not one byte behind the peer's
 * Finished is used.
 */
#ifndef CP_TLS_HANDSHAKE_H
#define CP_TLS_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cp/tls/server.h"
#include "lib/tls/handover.h"

enum tls_step {
	TLS_STEP_MORE, /* the peer's turn */
	TLS_STEP_DONE,
	TLS_STEP_FAILED,
};

/* What a peer may send: a hello, a chain of certificates, and room to spare. */
#define TLS_HANDSHAKE_MAX (128 * 1024)

struct tls_client;
struct tls_handshake;

/* NULL: no memory. */
struct tls_handshake *tls_handshake_new(struct tls_server *server, const struct tls_engine *engine);
struct tls_handshake *tls_handshake_new_client(struct tls_client *client,
					       const struct tls_engine *engine);
void tls_handshake_free(struct tls_handshake *h);

/* Take bytes of the peer, whatever way they are cut. With TLS_STEP_MORE all have been used. What
 * the step before had to send is gone. */
enum tls_step tls_handshake_step(struct tls_handshake *h, struct tls_bytes in, size_t *used);
/* What has to go to the peer now, before anything else; after a failure, too. */
struct tls_bytes tls_handshake_output(const struct tls_handshake *h);

/* After TLS_STEP_FAILED, and mbedTLS's own number for it. */
enum tls_cause tls_handshake_cause(const struct tls_handshake *h);
int tls_handshake_code(const struct tls_handshake *h);
/* After TLS_STEP_DONE. Good as long as the handshake. */
const struct tls_handover *tls_handshake_result(const struct tls_handshake *h);

#endif

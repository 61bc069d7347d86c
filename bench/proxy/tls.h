/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients that speak TLS 1.3 (AES-128-GCM): handshakes by mbedTLS, a few milliseconds each, before
 * anything is measured; then records by lib/tls, as penstockd has them, opened where they lie if
 * they came in one segment.
 *
 * What a client has said last is kept, as what got no answer has to be sent again as it was.
 */
#ifndef BENCH_PROXY_TLS_H
#define BENCH_PROXY_TLS_H

#include "bench/proxy/http.h"

struct peers;

void tls_peers_init(struct peers *p);
/* The client is connected: what it has to say first. */
const struct text *tls_peer_begin(struct peers *p, uint32_t i);
/* ... of one that stops when it is answered: a hello that all of them have, which costs nothing. */
const struct text *tls_peer_rush(struct peers *p, uint32_t i);
/* More of its handshake. What it has to say, NULL: nothing; *done: it is over. */
const struct text *tls_peer_shake(struct peers *p, uint32_t i, const struct segment *s, bool *done);
/* Its message as a record. */
const struct text *tls_peer_say(struct peers *p, uint32_t i, const struct text *message);
/* What it has said last. */
const struct text *tls_peer_said(const struct peers *p, uint32_t i);
/* Data of its connection has come, in order: of the answer, or tickets. */
enum http_answer tls_peer_take(struct peers *p, uint32_t i, const struct segment *s);

#endif

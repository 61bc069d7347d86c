/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A listener between a client and a server, one of which speaks TLS by OpenSSL and the other plain
 * TCP: each has a TCP of its own (proxy_wire.h). The worker's handshakes are done between its
 * iterations, by what a handshake thread does, or not at all. One client at a time; both ends say a
 * text of numbered bytes, as long as the test wants, and what they hear has to be that of the
 * other.
 */
#ifndef TESTS_STAGE_TLS_WORLD_H
#define TESTS_STAGE_TLS_WORLD_H

#include <openssl/ssl.h>

#include "cp/tls/serve.h"
#include "dp/proxy/internal.h"
#include "dp/tls/tls.h"
#include "proxy_wire.h"
#include "tests/unit/tls_peer.h"

struct tls_text {
	size_t n, sent;
};

struct tls_side_end {
	tcp_handle handle;
	bool open, half_closed, closed, shut;
	enum tcp_close_cause cause;
	size_t heard;
	bool wrong; /* what was heard is not what was said */
	struct tls_text says;
};

struct tls_world {
	struct proxy_wire wire;
	struct fixture *f;
	struct tls_side_end ends[2];
	enum where secure; /* who speaks TLS */
	SSL_CTX *context;
	SSL *ssl;
	BIO *in, *out;
	BIO *tap;         /* NULL, or the test's: what comes for who speaks TLS goes there, too */
	bool failed;      /* OpenSSL says that the connection is no good */
	bool peer_notify; /* close_notify of ours has come */
	bool deaf;        /* who speaks TLS reads nothing */
	bool silent;      /* ... neither reads nor says anything */
	bool no_threads;  /* nobody answers what the worker asks */
	bool tiny;        /* ... says one byte a record */
	uint32_t trickle; /* ... and its bytes leave in pieces of so many; 0: as they are */
	uint16_t port;
	struct tls_engine engine;
	struct tls_store *store;
	struct tls_serving serving;
	struct tls_port threads;
};

/* version: OpenSSL's; suite: NULL or a cipher of that version; name: that the backend's certificate
 * is to have, NULL: the one that it has. */
struct tls_world_plan {
	struct proxy_plan wire;
	bool to_backend; /* the server speaks TLS */
	const char *name;
	int version;
	const char *suite;
};

struct tls_world *tls_world_create(const struct tls_world_plan *plan);
void tls_world_destroy(struct tls_world *w);
void tls_world_step(struct tls_world *w);
void tls_world_steps(struct tls_world *w, uint32_t n);
/* A new client, connected by TCP. */
void tls_world_open(struct tls_world *w);
/* Bytes of the end with TLS that are none, or are put between what is. */
void tls_world_say(struct tls_world *w, const void *bytes, size_t n);
/* Until the handshake is done, or has failed. */
bool tls_world_shake(struct tls_world *w);
/* Until each end has heard so many bytes of the other, from now on. True: nothing was wrong. */
bool tls_world_talk(struct tls_world *w, size_t up, size_t down);
/* Bytes that the worker has taken and not given back to its peers' windows. */
uint64_t tls_world_unread(struct tls_world *w);
/* The end with TLS ends its side, in TLS and TCP, and the other then its own: both in good order?
 */
bool tls_world_close(struct tls_world *w);
const struct tls_counters *tls_world_counters(const struct tls_world *w);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS of a worker's connections: a stream lies between a connection of its TCP and the user of it,
 * and looks to the user as a connection does (dp/tcp/tcp.h): the same calls, the same events, of
 * what the records contain. READ FIRST: dp/tls/stream.c, the life of a stream.
 *
 *     user (dp/proxy, dp/l7)      stream                       TCP
 *     tls_stream_send ──────────> sealed in its buffers ──────────> tcp_send
 *     received <────────── opened where it lies <─────────── received
 *     secured  <── keys <── handshake threads <──bytes──> both ways
 *
 * A stream begins when the user says so, on a connection that may have carried other bytes before.
 * Then its handle takes the place of the connection's, and `secured` is the first event; no event
 * but `closed` comes before it. The handshake is done by other threads (dp/tls/jobs.h); the worker
 * reads the ClientHello itself, so what is no TLS, or does not come as a whole, costs them nothing.
 *
 * Records are sealed and opened in the buffers that they lie in; where those are shared with
 * somebody, sealing copies. An idle stream costs no buffer.
 *
 * The calls and events mean what they do in tcp.h, but for:
 *     send      a chain that was taken may still wait here: one at most, and -EAGAIN until it is
 *               gone
 *     shutdown  close_notify, then a FIN
 *     half_closed  the peer's close_notify. A FIN without one is as good while what is inside says
 *               itself where it ends (`lenient`), else it is a reset
 *     closed    of a failed handshake, and after records that are no good: TCP_CLOSED_RESET, or
 *               _LOCAL if that was for want of something of ours, or _TIMEOUT; the peer is still
 *               told by an alert
 *
 * Owner: the worker; made by the control thread; nothing is allocated afterwards but from the
 * dataplane's mempools. Invariants:
 *     streams in use = those with a user + those that only end
 *     no record's content goes up before its tag was verified, nothing goes up twice or out of
 * order
 */
#ifndef DP_TLS_TLS_H
#define DP_TLS_TLS_H

#include <stdbool.h>
#include <stdint.h>

#include "dp/queue.h"
#include "dp/tcp/tcp.h"
#include "dp/tls/jobs.h"
#include "lib/tls/hello.h"
#include "lib/tls/record.h"

struct tls;
struct worker;

/* Users of TCP connections that are streams have this bit. */
#define TLS_USER (1ull << 62)
/* Handles of streams have this bit, which those of connections never have. */
#define TLS_HANDLE (1ull << 31)

/* What a worker counts of its streams: X(name, help). */
#define TLS_COUNTERS(X)                                                                         \
	X(streams, "connections that began TLS")                                                \
	X(full, "handshakes completed with clients, in full")                                   \
	X(full_tls12, "handshakes completed with clients, in full, in TLS 1.2")                 \
	X(full_tls13, "handshakes completed with clients, in full, in TLS 1.3")                 \
	X(resumed, "handshakes completed with clients, of sessions that were resumed")          \
	X(resumed_tls12, "handshakes completed with clients, resumed, in TLS 1.2")              \
	X(resumed_tls13, "handshakes completed with clients, resumed, in TLS 1.3")              \
	X(hellos_bad, "clients refused for their ClientHello, or for want of one")              \
	X(failed, "handshakes with clients that failed")                                        \
	X(cipher_aes_128_gcm, "handshakes completed in all, with AES-128-GCM")                  \
	X(cipher_aes_256_gcm, "handshakes completed in all, with AES-256-GCM")                  \
	X(cipher_chacha20_poly1305, "handshakes completed in all, with ChaCha20-Poly1305")      \
	X(backends, "handshakes completed with backends")                                       \
	X(backends_tls12, "handshakes completed with backends, in TLS 1.2")                     \
	X(backends_tls13, "handshakes completed with backends, in TLS 1.3")                     \
	X(backends_failed, "handshakes with backends that failed, or took too long")            \
	X(given_up, "handshakes whose client ended the connection meanwhile")                   \
	X(gave_way, "handshakes ended for waiting for the peer when others needed their place") \
	X(busy, "connections refused: handshakes are asked for faster than they are done")      \
	X(no_stream, "connections refused: no room for another stream")                         \
	X(records_in, "records opened")                                                         \
	X(records_out, "records sealed")                                                        \
	X(bytes_in, "bytes of content received")                                                \
	X(bytes_out, "bytes of content sent")                                                   \
	X(records_bad, "connections ended: a record that is not what TLS allows")               \
	X(alerts_in, "connections ended by an alert of the peer")                               \
	X(truncated, "connections whose peer ended them without saying so in TLS")              \
	X(key_updates_in, "new keys of the peer's")                                             \
	X(key_updates_out, "new keys of ours")                                                  \
	X(copied, "buffers copied to be sealed, since somebody else had them, too")             \
	X(no_buffer, "times that something had to wait for a buffer")

struct tls_counters {
#define X(name, help) uint64_t name;
	TLS_COUNTERS(X)
#undef X
	uint64_t bad_hello[TLS_HELLO_BAD_COUNT];
	uint64_t cause[TLS_CAUSE_COUNT]; /* of failed and backends_failed */
	uint64_t error[TLS_ERROR_COUNT]; /* of records_bad */
};

struct tls_calls {
	void *arg;
	/* The handshake is done; `handover` is valid during the call. */
	void (*secured)(void *arg, tcp_handle h, uint64_t user,
			const struct tls_handover *handover);
	/* As of tcp_calls, of a connection that is open. */
	tcp_handle (*expected)(void *arg, uint64_t user, uint32_t step);
	void (*received)(void *arg, tcp_handle h, uint64_t user, struct rte_mbuf *chain,
			 uint32_t length);
	void (*room)(void *arg, tcp_handle h, uint64_t user);
	void (*half_closed)(void *arg, tcp_handle h, uint64_t user);
	void (*closed)(void *arg, tcp_handle h, uint64_t user, enum tcp_close_cause cause);
};

struct tls_settings {
	struct worker *worker;
	struct tcp *tcp;
	struct rte_mempool *mbufs, *clones;
	const struct tls_engine *engine;
	struct tls_port *ports; /* of the handshake threads */
	uint32_t n_ports;
	uint32_t streams;    /* at a time */
	uint32_t handshakes; /* at a time */
	int socket;
};

/* NULL without memory. Control thread. */
struct tls *tls_create(const struct tls_settings *settings, const struct tls_calls *calls);
/* After the worker and the handshake threads have ended. NULL is allowed. */
void tls_destroy(struct tls *t);
/* The ring that threads answer to. */
struct rte_ring *tls_answers(const struct tls *t);
const struct tls_counters *tls_counters(const struct tls *t);

/* What its handshakes are to the threads. Control thread; may be a moment old. */
struct tls_load {
	uint32_t active;     /* handshakes that go on, with clients and backends */
	uint32_t unanswered; /* steps of them that threads have been asked for */
	uint64_t spent_ns;   /* by threads, on all that they have answered */
};
struct tls_load tls_load(const struct tls *t);
/* In use now. */
uint32_t tls_streams(const struct tls *t);

/* ---- the user's calls; worker ---------------------------------------------------------------- */

/* The user of the connection that TCP knows from then on: to be returned from `accepted`. */
static inline uint64_t
tls_user(tcp_handle h)
{
	return TLS_USER | (uint32_t)(h & ~TLS_HANDLE);
}

struct tls_begin {
	tcp_handle tcp;
	uint64_t user;
	uint32_t slot, epoch; /* of the service; client: of the pool */
	bool client;          /* we speak first */
	uint64_t timeout;     /* client: ns that the handshake may take */
	bool lenient;         /* see half_closed */
	struct queue *in;     /* what has come already and is not credited; becomes the stream's */
};
/* The stream's handle, 0: no room (the queue stays the caller's). */
tcp_handle tls_begin(struct tls *t, const struct tls_begin *what);

int tls_stream_send(struct tls *t, tcp_handle h, struct rte_mbuf *chain);
uint32_t tls_stream_room(struct tls *t, tcp_handle h);
void tls_shutdown(struct tls *t, tcp_handle h);
void tls_drain(struct tls *t, tcp_handle h);
/* From now on only a close_notify is a good end. */
void tls_strict(struct tls *t, tcp_handle h);
void tls_abort(struct tls *t, tcp_handle h);
/* No close_notify either, unless tls_shutdown was called before. */
void tls_abort_later(struct tls *t, tcp_handle h);
/* It may soon be used: fetch. */
void tls_prefetch(const struct tls *t, tcp_handle h);
/* The connection below it, TCP_HANDLE_NONE: there is none (any more). For tcp_credit, tcp_hold and
 * tcp_info, which mean the same for both. */
tcp_handle tls_connection(const struct tls *t, tcp_handle h);

/* The user of the stream that TCP has as its user, UINT64_MAX: there is none any more. */
uint64_t tls_above(const struct tls *t, uint64_t user);

/* ---- events of TCP, for users with TLS_USER; worker ------------------------------------------ */

tcp_handle tls_on_expected(const struct tls *t, uint64_t user, uint32_t step);
void tls_on_received(struct tls *t, uint64_t user, struct rte_mbuf *chain, uint32_t length);
void tls_on_room(struct tls *t, uint64_t user);
void tls_on_half_closed(struct tls *t, uint64_t user);
void tls_on_closed(struct tls *t, uint64_t user, enum tcp_close_cause cause);
/* Once an iteration: answers of handshake threads, and what had to wait. True: there was work. */
bool tls_iterate(struct tls *t);

#endif

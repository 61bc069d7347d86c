/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker's streams from inside: for dp/tls/ only. Worker, but for creation.
 */
#ifndef DP_TLS_INTERNAL_H
#define DP_TLS_INTERNAL_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "dp/tls/tls.h"
#include "dp/worker.h"
#include "lib/wheel.h"

#define TLS_MESSAGE_HEADER 4 /* of handshake messages; RFC 8446 4 */

enum tls_stream_state {
	TLS_STREAM_FREE,
	TLS_STREAM_HELLO,     /* waits for the client's hello */
	TLS_STREAM_HANDSHAKE, /* of a thread */
	TLS_STREAM_OPEN,
	TLS_STREAM_ENDING, /* no user any more: what is left to send goes out, then TCP ends it */
};

struct tls_stream {
	tcp_handle tcp;
	union {
		uint64_t user;
		uint64_t ends; /* ENDING: ns, when it is over whatever is left */
	};
	uint32_t generation; /* upper half of the handle */
	uint8_t state;       /* enum tls_stream_state */
	bool client;         /* we are the client */
	bool lenient;
	bool told_full;    /* -EAGAIN was said: `room` is owed */
	bool shut;         /* close_notify has been sealed; a FIN follows when `out` is empty */
	bool drains : 1;   /* ... and nothing more is wanted */
	bool resets : 1;   /* ... and a RST follows */
	bool peer_done;    /* the peer's close_notify */
	bool tcp_done;     /* the peer's FIN */
	bool owes_update;  /* a KeyUpdate is due before the next record */
	bool worn;         /* nothing can be sealed any more, or should be */
	bool owes_goodbye; /* a close_notify is due before the FIN: there was no buffer for it */
	uint8_t idle;      /* records without content, since there was some, either way */
	union {
		uint32_t need;  /* HELLO: bytes to wait for */
		uint32_t until; /* a client's handshake: ms, when it has to be over */
		uint8_t n_head; /* OPEN: bytes of `head` that are there */
	};
	uint32_t skip; /* bytes to come of a message that is of no interest */
	uint32_t sent; /* bytes of content, up to TLS_SMALL_UNTIL */
	uint32_t told; /* buffers that TCP knows of */
	uint32_t lent; /* HANDSHAKE: buffers that its job has */
	uint32_t slot, epoch;
	union {
		uint32_t job;                     /* HANDSHAKE: its index */
		uint8_t head[TLS_MESSAGE_HEADER]; /* OPEN: of a handshake message that goes on */
		uint32_t next_free;               /* FREE */
	};
	struct queue in, out; /* records: from TCP, not opened yet; sealed, not taken by TCP yet */
	struct tls_keys receive, send;
};
static_assert(sizeof(struct tls_stream) <= 344, "what an idle stream costs");

/* The first bytes of a connection go out in small records: as many whole buffers as fit in a
 * segment, so that each can be opened when that is there, or the next one. */
#define TLS_SMALL_UNTIL 65536u
/* Pieces that a record is sealed from, or opened from, at the most. */
#define TLS_PIECES 320
/* Streams that begin with something at hand, in one iteration: more of them wait for a tick. */
#define TLS_BEGUN 256
/* Records without content that a peer may send in a row, while we send none either: new keys,
 * nothing, warnings. */
#define TLS_IDLE_RECORDS 32
/* What found no buffer is tried again after this long. */
#define TLS_RETRY_NS 10000000ull

struct tls {
	struct worker *worker;
	struct tcp *tcp;
	struct rte_mempool *mbufs, *clones;
	struct tls_calls calls;
	struct tls_stream *streams;
	uint32_t n, fresh, free_list, used;
	struct tls_jobs *jobs;
	struct tls_schedules schedules;
	struct tls_slot *slots;
	struct wheel *wheel; /* by stream: what had to wait for buffers, and what ends */
	uint32_t n_begun, begun[TLS_BEGUN]; /* streams to look at in this iteration */
	struct tls_counters counters;
};

static inline uint32_t
tls_stream_index(const struct tls *t, const struct tls_stream *s)
{
	return (uint32_t)(s - t->streams);
}

static inline tcp_handle
tls_handle(const struct tls *t, const struct tls_stream *s)
{
	return (uint64_t)s->generation << 32 | TLS_HANDLE | tls_stream_index(t, s);
}

static inline uint32_t
tls_handle_index(tcp_handle h)
{
	return (uint32_t)h & ~(uint32_t)TLS_HANDLE;
}

/* Has it the same user still, after something was said to that? */
static inline bool
tls_is_same(const struct tls_stream *s, uint32_t generation, uint8_t state)
{
	return s->generation == generation && s->state == state;
}

/* ---- stream.c -------------------------------------------------------------------------------- */

/* The stream with this handle, NULL: it is no more, or has no user. */
struct tls_stream *tls_stream_of(const struct tls *t, tcp_handle h);
/* Tell TCP how many buffers are kept. */
void tls_tell(struct tls *t, struct tls_stream *s);
void tls_retry_later(struct tls *t, const struct tls_stream *s);
/* The user is told that it is over; what is sealed still goes out, and whatever comes is of no
 * interest. */
void tls_end(struct tls *t, struct tls_stream *s, enum tcp_close_cause cause);

/* The peer ends the connection, and has not said in TLS that this was all. */
void tls_truncated(struct tls *t, struct tls_stream *s);

/* ---- handshake.c ----------------------------------------------------------------------------- */

/* Something of the handshake is here. */
void tls_hello_look(struct tls *t, struct tls_stream *s);
void tls_handshake_more(struct tls *t, struct tls_stream *s);
void tls_handshake_answered(struct tls *t, struct tls_job *job);
/* The peer has ended its side before the handshake was done. */
void tls_handshake_cut(struct tls *t, struct tls_stream *s);
/* Time has passed while a thread has it, or the peer. */
void tls_handshake_timer(struct tls *t, struct tls_stream *s);

/* ---- receive.c ------------------------------------------------------------------------------- */

/* Open what is there and give it to the user. The stream may be another one afterwards. */
void tls_stream_receive(struct tls *t, struct tls_stream *s);

/* ---- send.c ---------------------------------------------------------------------------------- */

/* Hand bytes for the peer to TCP, or keep them in `out`. */
void tls_push(struct tls *t, struct tls_stream *s, struct rte_mbuf *chain);
/* Give TCP what waits, and do what was to follow. True: nothing waits. */
bool tls_flush(struct tls *t, struct tls_stream *s);
/* An alert, sealed if there are keys; fatal unless it is close_notify (0). False: no buffer. */
bool tls_alert(struct tls *t, struct tls_stream *s, uint8_t description);
/* A KeyUpdate, and new keys. */
void tls_update_keys(struct tls *t, struct tls_stream *s);
/* close_notify, and a FIN. */
void tls_say_goodbye(struct tls *t, struct tls_stream *s);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker's HTTP from inside: for dp/l7/ only. Worker, but for creation.
 */
#ifndef DP_L7_INTERNAL_H
#define DP_L7_INTERNAL_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "dp/l4/limit.h"
#include "dp/l7/circuit.h"
#include "dp/l7/http.h"
#include "dp/l7/limit.h"
#include "dp/l7/record.h"
#include "dp/l7/route.h"
#include "dp/l7/settings.h"
#include "dp/proxy/stream.h"
#include "lib/http/chunked.h"
#include "lib/http/head.h"
#include "lib/http/write.h"
#include "lib/wheel.h"

/* Spans of heads have 16 bits, so no head is longer. */
#define HTTP_HEAD_MAX 65535u
/* So much of a body is put together before it is sent on. */
#define HTTP_PUMP_BYTES 65536u
/* So many requests of a worker at a time have their bodies copied to be mirrored. */
#define HTTP_COPIES 64u
/* Bytes of a trailer section: it is kept in one buffer. */
#define HTTP_TRAILER_MAX 1024u
/* Buffers that one step of a body needs at the most: a chunk's line, a part of a buffer, and a
 * trailer section. */
#define HTTP_SPARE 4u
/* A listener that is no more has no times. */
#define HTTP_FALLBACK_NS 10000000000ull
/* Of a connection that has been answered for the last time, until its client has closed it; of the
 * backend's of a tunnel whose client is gone, without its taking anything of what is left. */
#define HTTP_LINGER_NS 30000000000ull

enum http_state {
	HTTP_FREE,
	HTTP_PROXIED,    /* waits for the client's PROXY header */
	HTTP_SECURING,   /* the TLS handshake */
	HTTP_READING,    /* between requests, or within a head */
	HTTP_DELAYED,    /* a delay that the route injects */
	HTTP_CONNECTING, /* no connection to the backend yet */
	HTTP_WAITING,    /* the request is at the backend, the answer's head is not here yet */
	HTTP_ANSWERING,  /* the answer's body flows */
	HTTP_TUNNEL,     /* after an upgrade: bytes both ways */
	HTTP_ENDING,     /* answered for the last time */
	HTTP_STATES,
};

/* Where a body is. */
struct http_body_place {
	uint8_t kind; /* enum http_body */
	bool done;
	bool ended;       /* chunks: the last one has come */
	bool chunk_begun; /* we write chunks, and have written one */
	uint64_t left;    /* HTTP_BODY_LENGTH */
	uint64_t bytes;   /* of payload that have passed */
	struct http_chunked chunked;
	struct rte_mbuf *trailer; /* the trailer section so far, NULL: none */
};

/* What is to be told of a request when it is over. */
struct http_mark {
	uint32_t record; /* index + 1 in http.opens, 0: none */
	uint16_t status; /* of the answer, 0: not yet */
	uint8_t cause;   /* enum http_cause */
	bool open;       /* there is a request */
	bool pooled;     /* for the pool of pool_slot and pool_epoch */
};

/*
 * A request with its answer: what a session has only while one is under way. Most connections of
 * clients are idle most of the time, so there are fewer exchanges than sessions, in a pool.
 *
 *                head understood, or refused
 *         free ─────────────────────────────────> of a session
 *           ^                                        │
 *           └────────────────────────────────────────┘
 *                both bodies are done, or it is cut off
 *
 *     held + free = all; one more is for refusals, and held by nobody between two events
 */
struct http_exchange {
	const struct http_listener *listener; /* held while there is a request, else NULL */
	const struct http_route *route;
	uint32_t upstream;              /* index, INDEX_NONE */
	uint8_t header;                 /* enum proxy_header that backends are told of it by */
	uint8_t method;                 /* enum http_method */
	uint8_t minor;                  /* of the request's version */
	uint8_t attempts;               /* sent so many times by the route's rules */
	bool stale_tried;               /* ... and once more because a kept connection was over */
	bool keep_alive;                /* the client wants to go on */
	bool upgrade;                   /* to WebSocket, and it may */
	bool expects_100;               /* and no final answer is there yet */
	bool keep_upstream;             /* its connection can be used again */
	bool set_cookie;                /* the client is to come back to this backend */
	uint8_t counted;                /* 1 << enum http_bound: see circuit.h */
	bool begun;                     /* some of the answer is on its way */
	bool chunks;                    /* the client gets the answer in chunks */
	uint8_t copy;                   /* index + 1 in http.copies, 0: it is not copied */
	uint32_t pool_slot, pool_epoch; /* of the attempt */
	uint8_t n_tried;                /* of http_tried: backends that have failed it */
	uint64_t sent;                  /* ns: when the request was with the backend as a whole */
	struct rte_mbuf *head;          /* as it came, as long as it may be sent again */
	struct queue up;                /* to the backend, not taken yet */
	struct queue down;              /* to the client, not taken yet */
	struct http_body_place request, answer;
	struct http_mark mark;
	uint32_t next_free; /* index, INDEX_NONE */
};
static_assert(sizeof(struct http_exchange) <= 256, "what a request under way costs");

/* Of sessions without a request; nobody writes to it. */
extern const struct http_exchange http_no_exchange;

/* A client's connection. */
struct http_session {
	tcp_handle client;  /* TCP_HANDLE_NONE: over */
	uint8_t state;      /* enum http_state */
	bool client_fin;    /* it will send no more */
	bool last;          /* the connection ends after this answer */
	bool headed;        /* some of the request's head is here */
	bool again;         /* step once more: a request has ended */
	uint8_t line_end;   /* how much of an empty line has been seen, see head_ended() */
	bool mirrors;       /* another session's request; there is no client */
	bool secure : 1;    /* its connection is TLS */
	bool certified : 1; /* ... and it has shown a certificate: http.peers */
	bool cut : 1;       /* TUNNEL: it is gone without an end, what came from it is on its way */
	uint32_t service, service_epoch;
	uint32_t requests; /* on this connection */
	uint32_t scanned;  /* bytes of `in` that were looked at for line_end */
	uint64_t since;    /* ns: when it began */
	uint64_t seen;     /* ns: the last progress */
	uint64_t armed;    /* ns: when its timer fires; 0: not armed */
	union {
		uint64_t began;   /* ns: the request */
		uint64_t untaken; /* ENDING: bytes that the client had not acknowledged */
	};
	struct http_exchange *x; /* &http_no_exchange: there is no request */
	struct queue in;         /* from the client, not used yet */
	struct tuple tuple;      /* client -> listener, as on the wire */
	struct proxy_ends ends;
	union {
		struct limit_count count;
		uint32_t next_free; /* FREE: index, INDEX_NONE */
	};
	uint64_t pad;
};
static_assert(sizeof(struct http_session) == 192, "what an idle session costs besides its block");

enum http_upstream_state {
	HTTP_UPSTREAM_FREE,
	HTTP_UPSTREAM_CONNECTING,
	HTTP_UPSTREAM_BUSY,
	HTTP_UPSTREAM_IDLE,
	HTTP_UPSTREAM_CLOSING, /* FIN sent; its end is of no interest */
};

struct http_upstream {
	tcp_handle handle;
	uint8_t state; /* enum http_upstream_state */
	bool fin;      /* the backend will send no more */
	bool broken;   /* ... and its connection did not end in order */
	bool reused;
	bool told;       /* of a client, by a PROXY header: it is that one's alone */
	uint8_t counted; /* 1 << enum http_bound */
	uint32_t pool_slot, pool_epoch;
	uint32_t tls;     /* of the pool, when it was opened */
	uint32_t session; /* CONNECTING, BUSY: its request's; else INDEX_NONE */
	uint32_t backend, backend_epoch;
	uint64_t backend_id; /* what the backend is, when another one has its slot */
	uint32_t requests;
	uint32_t next,
	    previous; /* IDLE: of the same backend, the one used last first; FREE: next */
	uint32_t before, behind; /* IDLE, CLOSING: in the line of those; index + 1, 0: none */
	uint32_t older, newer;   /* IDLE: in the line of its pool; index + 1, 0: none */
	uint64_t idle_since, idle_ns;
	struct queue in; /* from the backend, not used yet */
};

/* Edits that a route can have, and those of the client's identity. */
#define HTTP_EDITS_MAX      80
#define HTTP_IDENTITY_EDITS 12 /* five of them for a certificate, two for the trace */
#define HTTP_IDENTITY_BYTES 3328
/* Via: a version, and a name of 256 bytes at the most. */
#define HTTP_VIA_MAX 260u

/* What is said of the certificate that a client has shown. */
struct http_peer {
	bool verified;
	char subject[TLS_SUBJECT_MAX + 1], names[TLS_NAMES_MAX + 1], serial[TLS_SERIAL_MAX + 1];
	char fingerprint[65];
};

/* What the backend is told of the client: edits, whose values lie in `room`. */
struct http_identity {
	struct http_edit edits[HTTP_IDENTITY_EDITS];
	uint32_t n;
	uint32_t used;
	uint8_t room[HTTP_IDENTITY_BYTES];
};
/* By backend slot. */
struct http_backend {
	uint32_t idle;      /* index + 1 of its idle upstream that was used last; 0: none */
	uint32_t active;    /* requests that are at it */
	uint32_t errors;    /* in a row */
	uint64_t out_until; /* ns: it is left alone until then */
	uint64_t pass;      /* round robin: its next turn, in 2^-32 of a request for weight 1 */
};

/* The backends that have failed a request, of which a retry is for another one. */
#define HTTP_TRIED_MAX 10 /* a route's attempts, see cp/config/keys_http.c */
struct http_tried {
	uint32_t backends[HTTP_TRIED_MAX];
};

/* A request of which a record will be left. */
struct http_open {
	struct http_record record;
	uint64_t placed, connected, answered; /* ns; 0: not yet */
	uint32_t next_free;                   /* index + 1, 0: none */
};

struct http {
	struct proxy *proxy;
	struct worker *worker;
	struct tcp *tcp;
	struct http_session *sessions;
	struct http_exchange *exchanges; /* one more than there may be under way: for refusals */
	struct http_upstream *upstreams;
	uint32_t n;          /* sessions */
	uint32_t n_upstream; /* upstreams, and exchanges that may be under way */
	uint32_t sessions_fresh, sessions_free, sessions_used;
	uint32_t exchanges_fresh, exchanges_free, exchanges_used;
	uint32_t upstreams_fresh, upstreams_free;
	struct http_line idle, closing; /* upstreams that give way to others, closing ones first */
	uint32_t check;          /* sessions to look at since the snapshot has changed: from here */
	struct wheel *wheel;     /* sessions, then upstreams */
	uint32_t crowded;        /* dataplane.http_crowded when this worker has looked last */
	struct http_pool *pools; /* [SNAPSHOT_MAX_POOLS], mapped lazily */
	struct http_backend *backends; /* [SNAPSHOT_MAX_BACKENDS], mapped lazily */
	uint64_t turn;                 /* of round robin: the pass of the backend chosen last */
	struct http_scratch *scratch;
	struct http_limit_table *limits; /* of clients, who are all ours */
	struct http_peer *peers;         /* [n], of sessions, mapped lazily */
	struct http_tried *tried;        /* [n_upstream + 1], of exchanges, mapped lazily */
	struct http_counters counters;
	struct http_latency *listener_latency; /* [SNAPSHOT_MAX_SERVICES], mapped lazily */
	struct http_latency *pool_latency;     /* [SNAPSHOT_MAX_POOLS], mapped lazily */
	struct http_attempts *attempts;        /* [SNAPSHOT_MAX_BACKENDS], mapped lazily */
	/* control makes both before the first snapshot that asks for them; NULL: none did */
	struct http_records *records;
	struct http_open *opens; /* [n_upstream + 1], mapped lazily */
	uint32_t opens_fresh, opens_free;
	struct siphash_key trace_key;
	uint64_t trace_count;
	struct rte_mbuf *spare[HTTP_SPARE]; /* see http_reserve */
	struct rte_mbuf *spare_clone;
	uint32_t n_spare;
	uint64_t copying;                 /* bit i: a request has copies[i] */
	struct queue copies[HTTP_COPIES]; /* so far, of bodies that will be mirrored */
	struct http_head head;            /* of the message that is being read */
	struct http_identity identity;
	uint8_t traceparent[TRACE_PARENT_SIZE], tracestate[TRACE_STATE_MAX];
	uint8_t joined[HTTP_HEAD_MAX + 1];    /* a head that came in pieces */
	uint8_t written[2 * HTTP_HEAD_MAX];   /* one that does not fit in a buffer */
	uint8_t path[3 * HTTP_HEAD_MAX + 1];  /* in normal form */
	size_t path_length;                   /* of the head's; 0: not made yet */
	uint8_t rewritten[4 * HTTP_HEAD_MAX]; /* as the route wants it */
};

/* ---- handles -------------------------------------------------------------------------------- */

static inline uint32_t
http_session_index(const struct http *h, const struct http_session *s)
{
	return (uint32_t)(s - h->sessions);
}

static inline uint32_t
http_upstream_index(const struct http *h, const struct http_upstream *u)
{
	return (uint32_t)(u - h->upstreams);
}

static inline uint32_t
http_exchange_index(const struct http *h, const struct http_exchange *x)
{
	return (uint32_t)(x - h->exchanges);
}

/* So many more requests may be under way. */
static inline uint32_t
http_exchanges_left(const struct http *h)
{
	return h->n_upstream - h->exchanges_used;
}

static inline bool
http_has_exchange(const struct http_session *s)
{
	return s->x != &http_no_exchange;
}

static inline uint64_t
http_session_user(const struct http *h, const struct http_session *s)
{
	return HTTP_USER | (uint64_t)http_session_index(h, s) << 1;
}

static inline uint64_t
http_upstream_user(const struct http *h, const struct http_upstream *u)
{
	return HTTP_USER | (uint64_t)http_upstream_index(h, u) << 1 | 1;
}

static inline bool
http_user_is_upstream(uint64_t user)
{
	return user & 1;
}

static inline uint32_t
http_user_index(uint64_t user)
{
	return (uint32_t)((user & ~HTTP_USER) >> 1);
}

static inline struct http_upstream *
http_upstream_of(struct http *h, const struct http_session *s)
{
	return s->x->upstream == INDEX_NONE ? NULL : &h->upstreams[s->x->upstream];
}

/* The listener as it is configured now, NULL: it is no more. */
static inline const struct proxy_settings *
http_settings(const struct http *h, const struct http_session *s)
{
	const struct snapshot *snapshot = h->worker->snapshot;

	if (!snapshot->proxies || s->service >= snapshot->n_services ||
	    snapshot->services[s->service].epoch != s->service_epoch ||
	    !snapshot->proxies[s->service].http)
		return NULL;
	return &snapshot->proxies[s->service];
}

/* Is the backend left alone for its errors? */
static inline bool
http_is_out(const struct http *h, uint32_t backend)
{
	return h->backends[backend].out_until > h->worker->now;
}

/* Who the request is of, as far as is known. */
static inline const struct addr *
http_client(const struct http_session *s)
{
	return s->ends.known ? &s->ends.src : &s->tuple.src;
}

/* How the client has asked. */
static inline struct http_text
http_scheme(const struct http_session *s)
{
	return s->secure ? (struct http_text){ "https", 5 } : (struct http_text){ "http", 4 };
}

/* ---- session.c ------------------------------------------------------------------------------ */

/* Cleared but for what a new one has; NULL: no room. */
struct http_session *http_session_new(struct http *h);
/* A request begins, if only to be refused: the session gets an exchange. False: there are as many
 * requests under way as may be, and it is the one for refusals: answer at once. */
bool http_exchange_begin(struct http *h, struct http_session *s);
/* Go on as far as what is here allows. The session may be gone afterwards. */
void http_step(struct http *h, struct http_session *s);
/* End it at once, with RST to both sides. */
void http_abort(struct http *h, struct http_session *s);
/* The same, but what TCP has for the client arrives before the RST. */
void http_abort_later(struct http *h, struct http_session *s);
/* The request is over; the connection goes on or ends. */
void http_request_end(struct http *h, struct http_session *s);
/* The connection has served its purpose: its last answer goes out, and what the client still sends
 * is of no interest. */
void http_end_connection(struct http *h, struct http_session *s);

/* ---- timers.c ------------------------------------------------------------------------------- */

/* ns that a client's connection may be idle. */
uint64_t http_keepalive(const struct http *h, const struct http_session *s);
/* See that the timer fires no later than `at`. */
void http_arm(struct http *h, struct http_session *s, uint64_t at);
/* ... or than the state that the session has come to may last. */
void http_watch(struct http *h, struct http_session *s);
/* When the session is over if nothing happens until then; UINT64_MAX: never. */
uint64_t http_deadline(const struct http *h, const struct http_session *s);
void http_session_timer(struct http *h, uint32_t index);

/* ---- request.c: a head has been understood -------------------------------------------------- */

/* Read a head from `in`. True: the state is another one now. */
bool http_read_request(struct http *h, struct http_session *s);
/* What the route does with it, at once or after a delay; bytes as below. */
void http_request_act(struct http *h, struct http_session *s, const uint8_t *bytes);
/* Find the request another (or its first) backend, and send it there or wait for the connection.
 * bytes, here and below: what h->head is of; NULL: of another message by now. */
void http_request_place(struct http *h, struct http_session *s, const uint8_t *bytes);
/* The path of h->head in its normal form; of a request that has been routed. */
struct http_text http_request_path(struct http *h, const struct http_session *s,
				   const uint8_t *bytes);
/* The head, to the backend. False: it could not be, and the request has been answered. */
bool http_request_send(struct http *h, struct http_session *s, const uint8_t *bytes);
/* ... which is this one, as a chain; NULL: no buffer. */
struct rte_mbuf *http_proxy_header(struct http *h, const struct http_session *s);
/* Send it again if the route's rules, its budget and the request allow it. `when` is one of enum
 * http_retry. */
bool http_request_retry(struct http *h, struct http_session *s, enum http_retry when);
/* The attempt has failed before any of the answer: another one, or `status`. */
/* The connection to the backend that was chosen cannot be had, which is no fault of the backend's:
 * it is refused, or placed again if its pool is no more. */
void http_request_unplaced(struct http *h, struct http_session *s, enum drop_reason why);
void http_request_failed(struct http *h, struct http_session *s, enum http_retry when,
			 uint16_t status);

/* ---- charge.c ------------------------------------------------------------------------------- */

/* Charge the request to the limits that it is under. False: it is over one, and answered. */
bool http_charge(struct http *h, struct http_session *s, const uint8_t *bytes);

/* ---- response.c ----------------------------------------------------------------------------- */

/* Read the head of the answer. True: the state is another one now. */
bool http_read_answer(struct http *h, struct http_session *s);

/* ---- body.c --------------------------------------------------------------------------------- */

/* Pass on what there is of the request's body. False: it is over for the session. */
bool http_pump_request(struct http *h, struct http_session *s);
bool http_pump_answer(struct http *h, struct http_session *s);
/* Both ways, uninterpreted. False: the session is over. */
bool http_pump_tunnel(struct http *h, struct http_session *s);
/* Give TCP what waits in `up` or `down`. True: nothing waits any more. */
bool http_flush_up(struct http *h, struct http_session *s);
bool http_flush_down(struct http *h, struct http_session *s);

/* A body with this head begins. */
void http_body_begin(struct http_body_place *place, const struct http_head *head);
void http_trailer_free(struct http_body_place *place);

/* ---- buffers.c ------------------------------------------------------------------------------ */

/* Have HTTP_SPARE buffers and a clone in reserve, so that the next calls find as many. */
bool http_reserve(struct http *h);
/* An empty buffer, NULL: none. */
struct rte_mbuf *http_buffer(struct http *h);

/* The first bytes of a queue in one piece, *length of them: at most HTTP_HEAD_MAX. all: of the
 * whole queue, else of its first buffer. */
const uint8_t *http_peek(struct http *h, const struct queue *q, bool all, uint32_t *length);
/* A chain with a copy, NULL: no buffer. */
struct rte_mbuf *http_copy(struct http *h, const uint8_t *bytes, uint32_t length);
/* Take the first `bytes` of a queue as a chain: whole buffers as they are, of a part a clone or, of
 * a small one, a copy. NULL: no buffer, and nothing has changed. */
struct rte_mbuf *http_take(struct http *h, struct queue *q, uint32_t bytes);
/* Write with `write` into buffers: see http_out. The chain, or NULL and *error: -ENOSPC, -EINVAL,
 * -ENOBUFS. */
enum http_kind {
	HTTP_KIND_REQUEST,
	HTTP_KIND_RESPONSE,
};
struct rte_mbuf *http_write(struct http *h, enum http_kind kind, const uint8_t *bytes,
			    const struct http_change *change, int *error);
/* Tell TCP how many buffers of what came by `handle` are kept in a queue. */
void http_tell(struct http *h, tcp_handle handle, struct queue *q);

/* ---- upstream.c ----------------------------------------------------------------------------- */

/* A connection to this backend for the session: a kept one, or a new one that is being opened
 * (then s->state is CONNECTING). Why not; DROP_REASON_COUNT: s->x->upstream is set. */
enum drop_reason http_upstream_get(struct http *h, struct http_session *s, uint32_t backend,
				   bool fresh);
/* The session's request is done with it: keep it for others, or end it. */
void http_upstream_put(struct http *h, struct http_session *s, bool keep);
/* ... or it is of no more use: RST. */
void http_upstream_drop(struct http *h, struct http_session *s);
/* The connection is there, and becomes one of TLS. Why it cannot; DROP_REASON_COUNT: it does. */
enum drop_reason http_upstream_secure(struct http *h, struct http_session *s,
				      struct http_upstream *u);
/* Close connections that wait for requests where a pool has more than its bound. */
void http_upstream_make_way(struct http *h);
/* The snapshot has changed: of pools that are no more nothing waits for requests, where it would
 * count as those of the pool that has the slot now. Before anything else is done by the new one. */
void http_upstream_follow(struct http *h);
/* Ends an idle connection. */
void http_upstream_close(struct http *h, struct http_upstream *u);
/* Its connection is over: nothing of it is left in TCP. */
void http_upstream_gone(struct http *h, struct http_upstream *u);
void http_upstream_timer(struct http *h, uint32_t index);

/* ---- choose.c ------------------------------------------------------------------------------- */

/* This backend has failed the request. */
void http_tried_add(struct http *h, struct http_session *s, uint32_t backend);
/* A backend of one of the route's pools, which becomes the session's; INDEX_NONE: none. */
uint32_t http_choose(struct http *h, struct http_session *s, const uint8_t *bytes);
/* The value of the first field of this name, in any case; length 0: there is none. */
struct http_span http_field_value(const struct http_head *head, const uint8_t *bytes,
				  const struct http_text *name);

/* Is there a field of this name, and with this value if one is given? */
bool http_has_field(const struct http_head *head, const uint8_t *bytes,
		    const struct http_text *name, const struct http_text *value);

/* circuit.c: the worker's part of a pool, which is in the worker's snapshot. */
struct http_pool *http_pool_state(struct http *h, uint32_t slot, uint32_t epoch);

/* ---- mirror.c ------------------------------------------------------------------------------- */

/* Send the request of h->head to the route's second pool as well, at once or when its body has
 * come. */
void http_mirror(struct http *h, struct http_session *s, const uint8_t *bytes);
/* Some of the body of a request that copies it is on its way to the backend; */
void http_mirror_keep(struct http *h, struct http_session *s, const struct rte_mbuf *payload,
		      uint32_t bytes);
/* ... all of it was: h->head is of another message then; */
void http_mirror_ended(struct http *h, struct http_session *s);
/* ... the request is over. */
void http_mirror_forget(struct http *h, struct http_session *s);
/* The head of a mirrored request as it is to be sent: a body that came in chunks has a length. */
void http_mirror_frame(struct http_head *head, const struct http_session *s);

/* ---- answer.c: answers of our own ----------------------------------------------------------- */

/* An error: a page, and what becomes of the connection follows from what is left of the request.
 */
void http_answer(struct http *h, struct http_session *s, uint16_t status);
/* The fixed answer of the route, or its redirect. bytes: what h->head is of. */
void http_answer_route(struct http *h, struct http_session *s, const uint8_t *bytes);
/* Over a limit: 429, and when to come again, wait in ns. */
void http_answer_limited(struct http *h, struct http_session *s, uint64_t wait);
/* Count an answer that begins. */
void http_count_answer(struct http *h, struct http_session *s, uint16_t status);

/* ---- identity.c ----------------------------------------------------------------------------- */

/* What is to be said of the client's certificate, if it has one. */
void http_peer_keep(struct http *h, struct http_session *s, const struct tls_peer *peer);
void http_identify(struct http *h, const struct http_session *s, const uint8_t *bytes,
		   struct http_identity *out);
/* What a message that has come with HTTP/1.minor gets in Via (RFC 9110 7.6.3); its length. */
uint32_t http_via(const struct http_listener *l, uint8_t minor, uint8_t out[HTTP_VIA_MAX]);

/* An address in brackets, a colon and a port. */
#define HTTP_AUTHORITY_MAX (ADDR_STRLEN + 9)
/* What stands for the host where a client of HTTP/1.0 has named none: the address that it has come
 * to, and the port if that is wanted and not the scheme's. Its length. */
size_t http_own_authority(const struct http_session *s, bool port, char out[HTTP_AUTHORITY_MAX]);

/* ---- seen.c: what is told of requests (record.h) --------------------------------------------- */

/* Why no backend was sent the request; backend INDEX_NONE: there was none to choose. */
enum http_cause http_cause_unplaced(uint32_t backend, enum drop_reason why);
/* A request begins: its head has been understood, or (bytes NULL) it is refused for its head. */
void http_seen_begin(struct http *h, struct http_session *s, const uint8_t *bytes);
/* ... and is to be sent to this backend, */
void http_seen_placed(struct http *h, struct http_session *s, uint32_t backend);
/* ... and is sent there. */
void http_seen_sent(struct http *h, struct http_session *s);
/* An attempt at a backend is over: the status of its answer, 0: there was none. */
void http_seen_attempt(struct http *h, uint32_t backend, uint16_t status);
/* ... for this reason, before any answer has been passed on. */
void http_seen_failed(struct http *h, struct http_session *s, enum http_retry when);
/* The answer begins. */
void http_seen_answered(struct http *h, struct http_session *s, uint16_t status);
/* An answer of our own is given: why, if nobody has said so yet. */
void http_seen_refused(struct http_session *s, uint16_t status);
/* No request, or this one is over. */
void http_seen_end(struct http *h, struct http_session *s);

/* ---- trace.c --------------------------------------------------------------------------------- */

/* The trace that the request of h->head belongs to. bytes NULL: it has none of its own. */
void http_trace_begin(struct http *h, struct http_record *r, const uint8_t *bytes);
/* What the backend is told of the trace: more edits. */
void http_trace_edits(struct http *h, const struct http_session *s, const uint8_t *bytes,
		      struct http_identity *out);
/* Is a span of this request wanted? */
bool http_trace_wants(const struct http *h, const struct http_record *r);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker's sessions from inside: for dp/proxy/ only. Worker, but for creation.
 */
#ifndef DP_PROXY_INTERNAL_H
#define DP_PROXY_INTERNAL_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "dp/l4/limit.h"
#include "dp/proxy/proxy.h"
#include "dp/queue.h"
#include "dp/tcp/tcp.h"
#include "lib/proxy_protocol.h"
#include "lib/siphash.h"
#include "lib/tls/hello.h"
#include "lib/wheel.h"

enum leg {
	LEG_CLIENT,
	LEG_BACKEND,
	LEGS,
};

enum session_state {
	SESSION_FREE,
	SESSION_HEADER,
	SESSION_HELLO,
	SESSION_SECURING,
	SESSION_CONNECTING,
	SESSION_OPEN,
	SESSION_CUT,     /* one leg is gone without an end, the other gets what came from it */
	SESSION_REFUSED, /* the client has been told, and has not closed its side yet */
};

/* Backends that a client's connection is tried with. */
#define SESSION_TRIES 3

struct session {
	tcp_handle legs[LEGS]; /* TCP_HANDLE_NONE: not opened yet, or over */
	uint64_t seen;         /* ns: when something came last */
	uint32_t idle_ms;      /* for how long nothing may come, or be taken */
	uint8_t state;         /* enum session_state */
	bool fin[LEGS];        /* the leg's FIN is due when its queue is empty */
	uint8_t tries : 7;
	bool secure : 1; /* the backend is spoken to by TLS */
	uint32_t service, service_epoch;
	uint32_t backend, backend_epoch; /* INDEX_NONE: none yet */
	uint32_t pool, pool_epoch;       /* its identity; INDEX_NONE: the listener's */
	/* Towards each leg: what it has not taken yet. Of the other leg's window until then. */
	struct queue queues[LEGS];
	/* rare */
	struct tuple client; /* client -> listener, as on the wire */
	struct proxy_ends ends;
	struct limit_count count;
	union {
		uint32_t tried[SESSION_TRIES];
		uint32_t need;      /* SESSION_HELLO: bytes to wait for */
		uint32_t next_free; /* SESSION_FREE */
	};
};
static_assert(sizeof(struct session) == 208, "what an idle session costs besides its two blocks");

/* Where an address is reached: a cache of the snapshot's routes. */
#define WAYS 4096

struct way_out {
	struct addr to;
	uint64_t version; /* of the snapshot that nexthop is an index of; 0: empty */
	uint32_t nexthop;
	uint32_t pad;
};

/* Packets that wait a moment for their neighbour's Ethernet address. */
#define HELD_MAX 64

struct held {
	struct rte_mbuf *mbuf; /* from the IP header on */
	uint64_t deadline;
};

/* Counters that tell of a flood of SYNs: cookies, and SYNs dropped. */
struct flood_seen {
	uint64_t cookies, answered, dropped;
};

struct proxy {
	struct worker *worker;
	bool holds;      /* TCP adds nothing to what waits for a full port */
	uint64_t let_go; /* ns: when it last did */
	struct tcp *tcp;
	struct session *sessions;
	uint32_t n_clients;  /* connections of clients at a time */
	uint32_t n_sessions; /* at a time: each has, or will have, a connection to a backend */
	uint32_t fresh, free_list, used; /* fresh: from here on never used */
	struct wheel *wheel;             /* by session */
	struct rte_mempool *clones;
	struct siphash_key random_key;
	uint64_t random_count;
	uint64_t version;    /* of the snapshot that the listeners are of */
	uint32_t check;      /* sessions to look at since the snapshot has changed: from here on */
	uint64_t flood_look; /* when to look again whether there is one */
	struct flood_seen flood; /* when last looked */
	bool resting;            /* nothing to do for the TCP since it was last asked */
	uint64_t listening[SNAPSHOT_MAX_SERVICES / 64];
	struct way_out ways[WAYS];
	uint32_t n_held;
	uint64_t held_version;      /* of the snapshot that they were tried with last */
	struct held held[HELD_MAX]; /* oldest first */
	struct proxy_counters counters;
	uint64_t hellos_bad[TLS_HELLO_BAD_COUNT];
	/* control sets it once, before the first snapshot with an HTTP listener; worker reads */
	_Atomic(struct http *) http;
	_Atomic(struct tls *) tls; /* the same, of one with TLS */
};

/* The user value of a leg's connection. */
static inline uint64_t
session_user(const struct proxy *p, const struct session *s, enum leg leg)
{
	return (uint64_t)(s - p->sessions) << 1 | (uint64_t)leg;
}

static inline uint32_t
session_index(const struct proxy *p, const struct session *s)
{
	return (uint32_t)(s - p->sessions);
}

static inline struct session *
session_of(struct proxy *p, uint64_t user)
{
	return &p->sessions[user >> 1];
}

static inline enum leg
leg_of(uint64_t user)
{
	return (enum leg)(user & 1);
}

static inline enum leg
other_leg(enum leg leg)
{
	return leg == LEG_CLIENT ? LEG_BACKEND : LEG_CLIENT;
}

/* The listener's settings, NULL: it is no more. */
static inline const struct proxy_settings *
session_settings(const struct proxy *p, const struct session *s)
{
	const struct snapshot *snapshot = p->worker->snapshot;

	if (!snapshot->proxies || s->service >= snapshot->n_services ||
	    snapshot->services[s->service].epoch != s->service_epoch)
		return NULL;
	return &snapshot->proxies[s->service];
}

/* The pool whose backends it gets, NULL: it is no more. */
static inline const struct pool *
session_pool(const struct proxy *p, const struct session *s)
{
	const struct snapshot *snapshot = p->worker->snapshot;

	if (s->pool != INDEX_NONE)
		return snapshot_pool(snapshot, s->pool, s->pool_epoch);
	return &snapshot->pools[snapshot->services[s->service].pool];
}

/* The snapshot is another one: its listeners count from now on. */
void proxy_follow(struct proxy *p);

/* events.c: the events of TCP, which it hands to sessions or to HTTP. */
void proxy_calls(struct tcp_calls *calls);
/* May the connection come, and where is it counted? False: it is counted why not. */
bool proxy_admit(struct proxy *p, uint32_t service, const struct tuple *tuple,
		 struct limit_count *count);

/* A number that is random enough to spread things. */
static inline uint32_t
proxy_random(struct worker *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 17;
	w->random ^= w->random << 5;
	return w->random;
}

/* Is this slot one of a listener's? */
static inline bool
is_listener(const struct snapshot *s, uint32_t service)
{
	return s->proxies && service < s->n_services && s->services[service].epoch &&
	       s->services[service].mode == MODE_PROXY;
}

/* NULL: there has been no HTTP listener. */
static inline struct http *
proxy_http(const struct proxy *p)
{
	return atomic_load_explicit(&p->http, memory_order_acquire);
}

/* NULL: there has been no listener with TLS. */
static inline struct tls *
proxy_tls(const struct proxy *p)
{
	return atomic_load_explicit(&p->tls, memory_order_acquire);
}

/* events.c: what `tls_create` is given. */
struct tls_calls;
void proxy_tls_calls(struct tls_calls *calls);

/* session.c: events of sessions. Accepted: false, it was refused. */
bool session_on_accepted(struct proxy *p, tcp_handle h, uint32_t listener,
			 const struct tuple *tuple, uint64_t *user);
void session_on_connected(struct proxy *p, uint64_t user);
/* The TLS handshake with the client, or with the backend, is done. */
void session_on_secured(struct proxy *p, uint64_t user);
void session_on_received(struct proxy *p, tcp_handle h, uint64_t user, struct rte_mbuf *chain,
			 uint32_t length);
void session_on_room(struct proxy *p, uint64_t user);
void session_on_half_closed(struct proxy *p, uint64_t user);
void session_on_closed(struct proxy *p, uint64_t user, enum tcp_close_cause cause);
/* End it, with a RST to the legs that are still there. */
void session_abort(struct proxy *p, struct session *s);
/* ... because no backend can be reached: counted as a drop of the service for this reason. */
void session_refuse(struct proxy *p, struct session *s, enum drop_reason reason);
bool session_used(const struct proxy *p, uint32_t index);
/* What had to come first has come: choose a backend and connect to it. */
void session_connect(struct proxy *p, struct session *s);

/* session.c: give a leg what waits for it, and its FIN when that was all. */
void session_flush(struct proxy *p, struct session *s, enum leg to);

/* timer.c: something due to a session's timer. */
void session_timer(struct proxy *p, uint32_t index);
/* When it ends if nothing comes, and neither peer takes anything. */
uint64_t session_expires(struct proxy *p, const struct session *s);

/* cut.c: a leg of an open session is gone; the other one is there. */
void session_cut(struct proxy *p, struct session *s, enum leg gone);
/* What comes from that one from now on. */
void cut_received(struct proxy *p, tcp_handle from, struct rte_mbuf *chain, uint32_t length);

/* session.c: after each change, what the queue towards a leg holds now. */
void queue_tell(struct proxy *p, struct session *s, enum leg to);

/* backend.c: choose a backend that was not tried and open a connection to it. False: the session
 * has been refused. */
bool backend_open(struct proxy *p, struct session *s);
/* The backend that would be chosen, INDEX_NONE: none. */
uint32_t backend_choose(struct proxy *p, const struct session *s,
			const struct proxy_settings *settings);

/* header.c: what the client's PROXY header says; -EINVAL: none, 0: not complete, else its length.
 */
int header_read(struct session *s);
/* The header for the backend as a chain of one mbuf, NULL: no memory. told: what the client's own
 * header said. */
struct rte_mbuf *header_make(struct proxy *p, const struct proxy_ends *told,
			     const struct tuple *client, uint8_t version);

/* hello.c: wait for the ClientHello, for so many ns; more of it may have come; refuse it. */
void hello_begin(struct proxy *p, struct session *s, uint64_t timeout);
void hello_received(struct proxy *p, struct session *s);
void hello_refuse(struct proxy *p, struct session *s, enum tls_bad bad);
/* The client has ended its side before its hello was complete. */
void hello_ended(struct proxy *p, struct session *s);

/* output.c */
void proxy_output(void *arg, struct rte_mbuf *m, uint64_t route);
/* Those that wait for a neighbour, when there is a new snapshot or the oldest one's time is over:
 * send what can be sent now, drop what has waited for too long. */
void proxy_output_held(struct proxy *p);
/* The way back to where a packet came from, as a route. */
uint64_t route_back(const struct packet *p);
/* The port that a route leads to. */
static inline uint8_t
route_port(uint64_t route)
{
	return (uint8_t)(route & 0xf);
}

#endif

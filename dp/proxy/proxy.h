/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listeners: a worker ends its clients' TCP, and opens connections of its own to backends.
 *
 *     client ──TCP──> leg CLIENT ──queue──> leg BACKEND ──TCP──> backend
 *            <─────              <──queue──             <─────
 *
 * A session joins two connections of the worker's TCP instance (dp/tcp/tcp.h). Payload moves from
 * one leg to the other as the mbufs that it came in; what the other leg does not take yet waits in
 * a queue, and is not credited to the sender until it has left that, so a slow reader slows down
 * its writer. An end of one direction (FIN) is passed on when what came before it has been.
 *
 *     HEADER      waits for the client's PROXY header           (accept_proxy_protocol)
 *     HELLO       waits for its ClientHello, which chooses the pool          (tls-passthrough)
 *     SECURING    the TLS handshake with the client is going on                           (tls)
 *     CONNECTING  a backend is chosen and has not answered yet; another one is tried if it refuses
 *     OPEN        both legs are there, or one has ended in good order
 *     CUT         one leg was reset; the other gets what had come from it, then a RST
 *     REFUSED     its ClientHello was, and it has been told
 *
 * A session needs a connection to a backend for all its life, an HTTP session (dp/l7/) only while a
 * request is under way. So there are two bounds: of clients' connections, and of backends'.
 *
 * Owner: the worker; made by the control thread before the first snapshot with a listener, and
 * nothing is allocated afterwards. A worker without it (worker_proxy is NULL) does nothing for
 * listeners. Invariant:
 *     sessions in use = connections_total - connections_ended over all listeners
 */
#ifndef DP_PROXY_PROXY_H
#define DP_PROXY_PROXY_H

#include <stdbool.h>
#include <stdint.h>

#include "dp/packet.h"
#include "dp/worker.h"

struct proxy;

/* What a worker counts of its listeners besides what services count: X(name, help). */
#define PROXY_COUNTERS(X)                                                                          \
	X(backends_tried, "connections opened to backends")                                        \
	X(backends_failed, "connections to backends that were refused or timed out, TLS included") \
	X(connect_failed, "clients whose connection no backend took")                              \
	X(headers_bad, "clients that sent no valid PROXY header")                                  \
	X(hellos, "ClientHellos that have chosen a pool (tls-passthrough)")                        \
	X(hellos_refused, "clients refused for their ClientHello, or for want of one")             \
	X(idle_timeouts, "sessions ended because nothing came or was taken for the idle time")     \
	X(aborted, "sessions ended by a reset, a timeout or want of memory")                       \
	X(sessions_full, "clients refused: no room for another session")

struct proxy_counters {
#define X(name, help) uint64_t name;
	PROXY_COUNTERS(X)
#undef X
};

/* At a time: connections of clients, and connections to backends, no more than those. */
struct proxy_bounds {
	uint32_t clients, backends;
};
/* For worker w, and not yet seen by it; secret: 48 bytes that nobody knows. NULL without memory.
 * Control thread. */
struct proxy *proxy_create(struct worker *w, const struct proxy_bounds *bounds,
			   const uint8_t secret[48]);
/* Have what HTTP listeners need, before there is one. 0 or -ENOMEM. Control thread. */
int proxy_prepare_http(struct proxy *proxy);
/* Have what listeners with TLS need, before there is one: handshakes at a time, and where the
 * handshake threads are met. 0 or -ENOMEM. Control thread. */
struct tls_engine;
struct tls_port;
int proxy_prepare_tls(struct proxy *proxy, struct tls_port *ports, uint32_t n_ports,
		      const struct tls_engine *engine, uint32_t handshakes);
/* The ring that the threads answer to. */
struct rte_ring *proxy_tls_answers(const struct proxy *proxy);
/* http_prepare_records; there must be HTTP. */
int proxy_prepare_records(struct proxy *proxy, const uint8_t secret[16]);
/* After the worker has ended. NULL is allowed. */
void proxy_destroy(struct proxy *proxy);

/* The worker's, or NULL. */
static inline struct proxy *
worker_proxy(const struct worker *w)
{
	return atomic_load_explicit(&w->proxy, memory_order_acquire);
}

/* Stage proxy: takes the packets to listeners, and those of backends to our connections. True: all
 * of the burst, as of a flood; nothing is left to be done with it. */
bool stage_proxy(struct worker *w, struct burst *b);
/* What stage_proxy() will look for first of a SYN that waits is fetched; m is as it came in. */
void proxy_fetch_syn(const struct worker *w, const struct rte_mbuf *m, uint8_t in_port);
/* Once an iteration, after all packets: follow the snapshot, timers, what is due to be sent. True:
 * there was work. */
bool proxy_iterate(struct worker *w);

/* Is there a connection of ours that these packets belong to? Worker. */
bool proxy_knows(const struct worker *w, const struct tuple *tuple);

/* Go on with a query of the control thread that has come to the sessions; a worker without any ends
 * it. Worker. */
void proxy_answer(struct worker *w, struct worker_query *query);

/* What a listener would do with a packet of this tuple, whose ClientHello has this server name
 * (empty: none); changes nothing. Worker. */
struct proxy_peek {
	bool connected;  /* there is a session: view, and nothing else, is set */
	bool by_request; /* backends are chosen for each request (HTTP): the rest is not set */
	bool by_row;     /* the row of the pool's table has decided */
	bool by_name;    /* the server name chooses the pool */
	bool no_pool;    /* ... and there is none for this one */
	bool no_source;  /* no source is free towards the backend: */
	uint16_t source_port;
	uint32_t backend; /* INDEX_NONE: none can be chosen */
	struct addr source;
	struct connection_view view;
};
void proxy_peek(struct worker *w, const struct packet *p, const char *server_name,
		struct proxy_peek *out);

const struct proxy_counters *proxy_counters(const struct proxy *proxy);
/* TLS_HELLO_BAD_COUNT numbers: hellos_refused by reason. */
const uint64_t *proxy_hellos_bad(const struct proxy *proxy);
struct http_counters;
/* NULL: there has been no HTTP listener. */
const struct http_counters *proxy_http_counters(const struct proxy *proxy);
/* HTTP requests that are under way now, mirrored ones included. */
uint32_t proxy_http_requests(const struct proxy *proxy);
struct tls_counters;
/* NULL: there has been no listener with TLS. */
const struct tls_counters *proxy_tls_counters(const struct proxy *proxy);
struct tls_load;
/* False: the same. */
bool proxy_tls_load(const struct proxy *proxy, struct tls_load *load);
struct http_view;
/* http_seen of the worker; all NULL: there has been no HTTP listener. */
void proxy_http_seen(const struct worker *w, struct http_view *out);
struct tcp;
struct tcp *proxy_tcp(struct proxy *proxy);
/* Sessions in use now. */
uint32_t proxy_sessions(const struct proxy *proxy);

#endif

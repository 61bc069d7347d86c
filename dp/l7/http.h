/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP listeners on a worker: clients' requests are read, routed, written anew and sent to
 * backends over connections that are kept; their answers the same way back. READ FIRST:
 * dp/l7/session.c, the life of a request.
 *
 *     client ──TCP──> session: head ──route──> pool ──balance──> upstream ──TCP──> backend
 *            <─────            body ══════════ mbufs ══════════>           <─────
 *
 * A session is a client's connection, an exchange the request that it is at with its answer (an
 * idle session has none), an upstream a connection to a backend, with a request's session or idle.
 * Heads are copied, payload is passed on as the mbufs that it came in. What the other side does not
 * take yet waits and is not credited to its sender.
 *
 * Owner: the worker; made by the control thread before the first snapshot with an HTTP listener,
 * nothing is allocated afterwards. Invariants:
 *     sessions in use   = connections_total - connections_ended over all HTTP listeners
 *     exchanges in use  = sessions with a request, or that mirror one
 *     upstreams busy    = sessions with a request that is at a backend
 *     requests          = answers to clients + requests that were cut off
 */
#ifndef DP_L7_HTTP_H
#define DP_L7_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "dp/packet.h"
#include "dp/tcp/tcp.h"
#include "lib/http/bad.h"
#include "lib/http/path.h"
#include "lib/tls/handover.h"

struct http;
struct http_attempts; /* dp/l7/record.h */
struct http_latency;
struct http_records;
struct proxy;

/* What a worker counts of its HTTP listeners: X(name, help). */
#define HTTP_COUNTERS(X)                                                                      \
	X(requests, "requests whose head was understood")                                     \
	X(answers_1xx, "interim answers passed on")                                           \
	X(answers_2xx, "answers with status 2xx")                                             \
	X(answers_3xx, "answers with status 3xx")                                             \
	X(answers_4xx, "answers with status 4xx")                                             \
	X(answers_5xx, "answers with status 5xx")                                             \
	X(answered_here, "answers that are not a backend's")                                  \
	X(cut_off, "requests whose answer could not be ended, or not begun")                  \
	X(client_gone, "requests whose client left before their end")                         \
	X(header_timeouts, "heads that took too long (408)")                                  \
	X(body_timeouts, "request bodies that took too long (408)")                           \
	X(body_too_large, "request bodies over the limit (413)")                              \
	X(first_byte_timeouts, "answers that did not begin in time (504)")                    \
	X(idle_timeouts, "answers that stopped for too long")                                 \
	X(whole_timeouts, "requests that took too long as a whole")                           \
	X(idle_closed, "idle clients' connections closed")                                    \
	X(no_route, "requests that no route takes (404)")                                     \
	X(regex_limited, "requests for which a regular expression took too many steps (503)") \
	X(no_backend, "requests for whose pool no backend may be chosen (503)")               \
	X(connect_failed, "requests that no backend's connection could be opened for (502)")  \
	X(backend_closed, "backends that ended a connection before their answer (502)")       \
	X(backend_bad, "answers of backends that are not HTTP (502)")                         \
	X(no_memory, "requests refused: no buffer (503)")                                     \
	X(no_buffer, "bodies that had to wait for buffers")                                   \
	X(retries, "requests sent again, by the route's rules")                               \
	X(retries_stale, "requests sent again: a kept connection had been closed")            \
	X(retries_refused, "requests not sent again: over the budget")                        \
	X(circuit_connections, "requests over the pool's connections (503)")                  \
	X(circuit_pending, "requests over the pool's pending requests (503)")                 \
	X(circuit_requests, "requests over the pool's requests (503)")                        \
	X(circuit_retries, "requests not sent again: over the pool's retries")                \
	X(outliers, "backends left alone for a while: too many errors in a row")              \
	X(mirrors, "requests mirrored")                                                       \
	X(mirrors_skipped, "requests not mirrored: their body was too long, or no room")      \
	X(redirects, "redirects")                                                             \
	X(responds, "fixed answers of routes")                                                \
	X(limited, "requests over a limit (429)")                                             \
	X(limit_keys_bad, "requests with a limit's header more than once (400)")              \
	X(faults_delayed, "requests delayed on purpose")                                      \
	X(faults_aborted, "requests answered with an error on purpose")                       \
	X(fields_alike, "header fields not passed on: names to be taken for others")          \
	X(forwarded_cut, "X-Forwarded-For or Forwarded too long: its end passed on")          \
	X(heads_unfit, "requests whose head cannot be written for a backend (400)")           \
	X(expectations, "requests with an expectation other than 100-continue (417)")         \
	X(upgrades, "connections that became tunnels")                                        \
	X(upstreams_opened, "connections opened to backends")                                 \
	X(upstreams_reused, "requests over a kept connection")                                \
	X(upstreams_failed,                                                                   \
	  "connections to backends that were refused or timed out, TLS included")             \
	X(upstreams_closed, "kept connections that ended while idle")                         \
	X(headers_bad, "clients that sent no valid PROXY header")                             \
	X(sessions_full, "clients refused: no room for another session")                      \
	X(requests_full, "requests refused: as many are under way as may be (503)")           \
	X(upstreams_full, "requests refused: no room for another connection to a backend (503)")

struct http_counters {
#define X(name, help) uint64_t name;
	HTTP_COUNTERS(X)
#undef X
	uint64_t bad[HTTP_BAD_COUNT];              /* requests refused, by reason */
	uint64_t bad_path[HTTP_PATH_REASON_COUNT]; /* the same for their paths */
};

/* Sessions at a time; upstreams at a time, and requests under way. NULL without memory. Control
 * thread. */
struct http *http_create(struct proxy *proxy, uint32_t sessions, uint32_t upstreams);
/* After the worker has ended. NULL is allowed. */
void http_destroy(struct http *h);

const struct http_counters *http_counters(const struct http *h);
/* Requests that are under way now, mirrored ones included. */
uint32_t http_requests_active(const struct http *h);

/* Have what records and traces need; secret: random, of this worker only. 0 or -ENOMEM. Control
 * thread, before the first snapshot that asks for them. */
int http_prepare_records(struct http *h, const uint8_t secret[16]);
/* What the worker tells of requests that are over (dp/l7/record.h); control thread. */
struct http_view {
	struct http_records *records;         /* NULL: nobody has asked yet */
	const struct http_latency *listeners; /* by service slot */
	const struct http_latency *pools;     /* by pool slot */
	const struct http_attempts *backends; /* by backend slot */
};
void http_seen(const struct http *h, struct http_view *out);

/* ---- events, for dp/proxy/events.c; worker -------------------------------------------------- */

/* All users of connections that are ours have this bit. */
#define HTTP_USER (1ull << 63)

/* Returns the user; 0: refused, the connection is gone. */
uint64_t http_on_accepted(struct http *h, tcp_handle handle, uint32_t service,
			  const struct tuple *tuple);
void http_on_connected(struct http *h, uint64_t user);
/* The TLS handshake with the client is done. */
void http_on_secured(struct http *h, uint64_t user, const struct tls_handover *handover);
/* Something of the connection will come soon, or else nothing will: fetch. */
tcp_handle http_on_expected(const struct http *h, uint64_t user, uint32_t step);
void http_on_received(struct http *h, uint64_t user, struct rte_mbuf *chain, uint32_t length);
void http_on_room(struct http *h, uint64_t user);
void http_on_half_closed(struct http *h, uint64_t user);
void http_on_closed(struct http *h, uint64_t user, enum tcp_close_cause cause);
/* The session at this index, if there is one (of the service slot; INDEX_NONE: of any). */
struct connection_view;
bool http_view(struct http *h, uint32_t index, uint32_t service, struct connection_view *v);
/* ... of a client's connection with this user. */
bool http_view_of(struct http *h, uint64_t user, struct connection_view *v);
/* From this index on none was ever used. */
uint32_t http_sessions_known(const struct http *h);
/* Once an iteration: timers, and sessions whose listener is no more. */
void http_iterate(struct http *h);
/* The snapshot has changed. */
void http_follow(struct http *h);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP listener, whole: clients and backends that are scripts, around a worker (proxy_wire.h),
 * in a time that the test makes.
 *
 *     w = http_world_create(&plan);
 *     w->routes[0].retry_attempts = 1;            any setting, by hand
 *     http_world_start(w);
 *     c = http_client_open(w);
 *     http_say(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
 *     http_world_wait(w, c, 1);                   until there is one answer, or no connection
 *     CU_ASSERT_STRING_EQUAL(http_world_asked(w), "GET / ...");
 *     CU_ASSERT_STRING_EQUAL(c->reader.seen.bytes, "HTTP/1.1 200 OK...");
 *     http_world_destroy(w);                      nothing may be left
 *
 * One thread. What must not happen is in w->wire.wrong, the first thing only.
 */
#ifndef TESTS_STAGE_HTTP_WORLD_H
#define TESTS_STAGE_HTTP_WORLD_H

#include "cp/config/model_http.h"
#include "dp/l7/http.h"
#include "dp/l7/settings.h"
#include "http_reader.h"
#include "proxy_wire.h"

#define HTTP_WORLD_ENDS   48 /* clients at a time, and the same of backends' connections */
#define HTTP_WORLD_ROUTES 4

struct http_world;

/* The peer's end of a connection. */
struct http_end {
	struct http_world *world;
	enum where where;
	tcp_handle handle;
	bool used, open, closed, half_closed;
	enum tcp_close_cause cause;
	/* what it says: */
	struct http_text_buffer out;
	size_t sent;
	size_t cut;         /* a segment ends behind so many bytes; 0: nowhere */
	size_t piece;       /* a segment has so many bytes, one each step; 0: as many as fit */
	bool random_pieces; /* of any size */
	bool fin, reset;    /* when all that is said */
	bool fin_sent;
	/* how it listens: */
	bool stays;    /* does not close when the other side has */
	bool stops;    /* takes nothing */
	uint32_t held; /* what it has not taken */
	struct http_reader reader;
	uint64_t random; /* for the test */
	uint32_t count;  /* the same */
};

/* A tunnel is asked for, and begins. */
#define WEBSOCKET                                               \
	"GET /w HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\n" \
	"Upgrade: websocket\r\n\r\n"
#define SWITCHING                                                     \
	"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n" \
	"Upgrade: websocket\r\n\r\n"

struct http_world {
	struct proxy_wire wire;
	struct http_listener listener;
	struct http_users users[2];
	struct http_route routes[HTTP_WORLD_ROUTES];
	struct http_match_config matches[HTTP_WORLD_ROUTES];
	struct http_route_pool pools[1];
	uint32_t n_routes; /* 1 */
	uint32_t pool_by_slot[1];
	struct http_table *table;
	struct rte_mempool *small; /* the worker's own, of plan.mbufs */
	struct http_end ends[2][HTTP_WORLD_ENDS];
	struct http_text_buffer asked;
	uint16_t port;
	/* The backends: `answers` in turn, the last one again and again; or a function, for each
	 * request that is complete (or each head, if early). */
	const char *const *answers;
	uint32_t answered;
	void (*backend)(struct http_world *w, struct http_end *s);
	void (*backend_head)(void *end, const uint8_t *bytes); /* looks at each head */
	bool early;
	size_t backend_cut, backend_piece; /* of each answer */
	bool backend_random_pieces;
	bool backend_fin; /* closes after each answer */
	uint32_t headers; /* connections of theirs that began with a PROXY header */
	void *user;       /* the test's */
};

struct http_world_plan {
	struct proxy_plan wire;
	uint32_t mbufs; /* of the worker's own pool; 0: it shares the peers' */
	bool both;      /* two backends, not one */
};

struct http_world *http_world_create(const struct http_world_plan *plan);
void http_world_start(struct http_world *w);
/* Ends what is open, waits until all has come to rest, and looks whether anything is left: that is
 * wrong, and returned. */
const char *http_world_rest(struct http_world *w);
/* ... and forgets all ends, to go on with others. */
const char *http_world_clear(struct http_world *w);
/* ... and frees it; anything that was wrong in all that time is returned. */
const char *http_world_destroy(struct http_world *w);

void http_world_step(struct http_world *w);
void http_world_run(struct http_world *w, uint32_t ms);
/* In larger steps, for long waits. */
void http_world_pass(struct http_world *w, uint64_t ms);
/* Until so many answers have come, or the connection has ended; false: not within a minute. */
bool http_world_wait(struct http_world *w, const struct http_end *c, uint32_t answers);
/* Until the worker has closed the client's connection. */
bool http_world_wait_end(struct http_world *w, const struct http_end *c);
/* What backends have been asked, connection by connection, since it was to be forgotten. */
const char *http_world_asked(struct http_world *w);
void http_world_forget(struct http_world *w);
const struct http_counters *http_world_counters(const struct http_world *w);
/* Open connections to backends; the first of them, or NULL. */
uint32_t http_world_backends(struct http_world *w);
struct http_end *http_world_backend(struct http_world *w);

struct http_end *http_client_open(struct http_world *w);
/* ... of whose answers only the heads are looked at. */
struct http_end *http_client_silent(struct http_world *w);
void http_say(struct http_end *e, const char *text);
void http_say_bytes(struct http_end *e, const void *bytes, size_t length);
/* Take what was held, and all that comes. */
void http_read_on(struct http_end *e);
/* RST now. */
void http_reset(struct http_end *e);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP listeners: connections that are lost in each phase of a request, on each side, and requests
 * that are sent again.
 */
#include <arpa/inet.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "http_world.h"
#include "suites.h"

#define GET        "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
#define POST       "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n"
#define HEAD_OF(n) "HTTP/1.1 200 OK\r\nContent-Length: " #n "\r\n\r\n"
#define OK         HEAD_OF(2) "ok"
#define CHUNKED    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
#define BAD_GATEWAY                                                \
	"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/plain\r\n" \
	"Content-Length: 16\r\n\r\n502 Bad Gateway\n"
#define BAD_GATEWAY_LAST                                           \
	"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/plain\r\n" \
	"Connection: close\r\nContent-Length: 16\r\n\r\n502 Bad Gateway\n."

#define BAD_REQUEST                                                \
	"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n" \
	"Connection: close\r\nContent-Length: 16\r\n\r\n400 Bad Request\n."

#define COUNTER(name) offsetof(struct http_counters, name)

enum who {
	CLIENT_RESETS,
	CLIENT_ENDS,
	BACKEND_RESETS,
	BACKEND_ENDS,
};

struct loss {
	const char *name;
	const char *request, *answer; /* so far; no answer: the backend says nothing */
	enum who who;
	const char *heard; /* by the client; NULL: of no interest */
	size_t counter;    /* that goes up by one; 0: none, which is `requests` */
	bool reset;        /* the client's connection ends by RST */
	bool deaf;         /* nothing reaches the backends */
};

static const struct loss losses[] = {
	{ "client resets before a byte", "", NULL, CLIENT_RESETS, NULL, 0, true, false },
	{ "... within a head", "GET / HT", NULL, CLIENT_RESETS, NULL, 0, true, false },
	{ "... within a body", POST "abc", NULL, CLIENT_RESETS, NULL, COUNTER(client_gone), true,
	  false },
	{ "... while connecting", GET, NULL, CLIENT_RESETS, NULL, COUNTER(client_gone), true,
	  true },
	{ "... while waiting", GET, NULL, CLIENT_RESETS, NULL, COUNTER(client_gone), true, false },
	{ "... within the answer", GET, HEAD_OF(10) "abc", CLIENT_RESETS, HEAD_OF(10) "abc",
	  COUNTER(client_gone), true, false },
	{ "... with both under way", POST "abc", HEAD_OF(10) "abc", CLIENT_RESETS, NULL,
	  COUNTER(client_gone), true, false },
	{ "... of a tunnel", WEBSOCKET, SWITCHING "abc", CLIENT_RESETS, NULL, COUNTER(client_gone),
	  true, false },
	{ "... between requests", GET, OK, CLIENT_RESETS, OK, 0, true, false },
	{ "client ends before a byte", "", NULL, CLIENT_ENDS, ".", 0, false, false },
	{ "... within a head", "GET / HT", NULL, CLIENT_ENDS, ".", COUNTER(client_gone), false,
	  false },
	{ "... within a body", POST "abc", NULL, CLIENT_ENDS, NULL, COUNTER(client_gone), true,
	  false },
	{ "... between requests", GET, OK, CLIENT_ENDS, OK ".", 0, false, false },
	{ "backend resets while waiting", GET, NULL, BACKEND_RESETS, BAD_GATEWAY,
	  COUNTER(backend_closed), false, false },
	{ "... within a head", GET, "HTTP/1.1 200", BACKEND_RESETS, BAD_GATEWAY,
	  COUNTER(backend_closed), false, false },
	{ "... within the answer", GET, HEAD_OF(10) "abc", BACKEND_RESETS, HEAD_OF(10) "abc",
	  COUNTER(cut_off), true, false },
	{ "... within chunks", GET, CHUNKED "5\r\nab", BACKEND_RESETS, CHUNKED "ab",
	  COUNTER(cut_off), true, false },
	{ "... before the connection's end ends the answer", GET, "HTTP/1.1 200 OK\r\n\r\nab",
	  BACKEND_RESETS, CHUNKED "ab", COUNTER(cut_off), true, false },
	{ "... of a tunnel", WEBSOCKET, SWITCHING "abc", BACKEND_RESETS, NULL, 0, true, false },
	{ "... between requests", GET, OK, BACKEND_RESETS, OK, COUNTER(upstreams_closed), false,
	  false },
	{ "... while the body still comes", POST "abc", NULL, BACKEND_RESETS, BAD_GATEWAY_LAST,
	  COUNTER(backend_closed), false, false },
	{ "backend ends while waiting", GET, NULL, BACKEND_ENDS, BAD_GATEWAY,
	  COUNTER(backend_closed), false, false },
	{ "... within a head", GET, "HTTP/1.1 200", BACKEND_ENDS, BAD_GATEWAY,
	  COUNTER(backend_closed), false, false },
	{ "... after an interim answer", GET, "HTTP/1.1 103 E\r\n\r\n", BACKEND_ENDS,
	  "HTTP/1.1 103 E\r\n\r\n" BAD_GATEWAY, COUNTER(backend_closed), false, false },
	{ "... within the answer", GET, HEAD_OF(10) "abc", BACKEND_ENDS, HEAD_OF(10) "abc",
	  COUNTER(cut_off), true, false },
	{ "... within chunks", GET, CHUNKED "5\r\nabcde\r\n", BACKEND_ENDS, CHUNKED "abcde",
	  COUNTER(cut_off), true, false },
	{ "... between requests", GET, OK, BACKEND_ENDS, OK, COUNTER(upstreams_closed), false,
	  false },
	{ "an answer that is no HTTP", GET, "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", CLIENT_ENDS,
	  BAD_GATEWAY ".", COUNTER(backend_bad), false, false },
	{ "101 that nobody asked for", GET, SWITCHING "abc", CLIENT_ENDS, BAD_GATEWAY ".",
	  COUNTER(backend_bad), false, false },
	{ "chunks that are none", GET, CHUNKED "2\r\nab\r\nx", CLIENT_ENDS, NULL,
	  COUNTER(backend_bad), true, false },
	{ "trailers that must not be", GET, CHUNKED "0\r\nContent-Length: 1\r\n\r\n", CLIENT_ENDS,
	  NULL, COUNTER(backend_bad), true, false },
	{ "a request's trailers that must not be",
	  "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nHost: x\r\n\r\n",
	  NULL, CLIENT_ENDS, BAD_REQUEST, 0, false, false },
	{ "more than the answer", GET GET, HEAD_OF(2) "okHTTP/1.1 200 OK\r\n", CLIENT_ENDS,
	  OK OK ".", 0, false, false },
};

static uint64_t
counter(const struct http_world *w, size_t at)
{
	return *(const uint64_t *)((const char *)http_world_counters(w) + at);
}

static void
lose(struct http_world *w, const struct loss *l, struct http_end *c)
{
	struct http_end *s = http_world_backend(w);

	switch (l->who) {
	case CLIENT_RESETS:
		http_reset(c);
		break;
	case CLIENT_ENDS:
		c->fin = true;
		break;
	case BACKEND_RESETS:
		http_reset(s);
		break;
	case BACKEND_ENDS:
		s->fin = true;
		break;
	}
}

static bool
is_lost(const struct loss *l, const struct http_end *c)
{
	const char *seen = c->reader.seen.bytes ? c->reader.seen.bytes : "";

	if (l->heard && strcmp(seen, l->heard) != 0)
		return false;
	return !l->reset || (c->closed && c->cause == TCP_CLOSED_RESET);
}

static void
check_loss(const struct loss *l, bool ip6)
{
	const char *answers[] = { l->answer ? l->answer : "", NULL };
	struct http_world *w =
	    http_world_create(&(struct http_world_plan){ .wire = { .seed = 2, .ip6 = ip6 } });
	struct http_end *c;
	bool good;

	w->answers = answers;
	w->early = true;
	w->wire.deaf = l->deaf;
	w->routes[0].websocket = true;
	http_world_start(w);
	c = http_client_open(w);
	http_say(c, l->request);
	http_world_run(w, 30);
	lose(w, l, c);
	http_world_run(w, 200);
	good = is_lost(l, c) && (!l->counter || counter(w, l->counter) == 1);
	if (!good)
		fprintf(stderr, "%s: %s, closed %u for %s, counted %lu\n", l->name,
			c->reader.seen.bytes ? c->reader.seen.bytes : "", c->closed,
			tcp_close_cause_name(c->cause), (unsigned long)counter(w, l->counter));
	CU_ASSERT(good);
	w->wire.deaf = false;
	CU_ASSERT_PTR_NULL(http_world_destroy(w));
}

static void
test_losses(void)
{
	size_t i;

	for (i = 0; i < RTE_DIM(losses); i++)
		check_loss(&losses[i], i & 1);
}

/* A backend that resets the connection right behind its answer, as one does that has not read all
 * of the request: the client gets all of it. */
static const struct {
	const char *request, *answer, *heard;
	bool reset; /* then, because nothing says that this was all */
} behind[] = {
	{ POST "abc", "HTTP/1.1 413 Large\r\nContent-Length: 2\r\n\r\nno",
	  "HTTP/1.1 413 Large\r\nContent-Length: 2\r\n\r\nno.", false },
	{ POST "abc", "HTTP/1.1 413 Large\r\n\r\nno",
	  "HTTP/1.1 413 Large\r\nTransfer-Encoding: chunked\r\n\r\nno", true },
	{ GET, CHUNKED "5\r\nab", CHUNKED "ab", true },
	{ WEBSOCKET, SWITCHING "abc",
	  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
	  "Connection: upgrade\r\n\r\nabc",
	  true },
};

static void
answers_and_resets(struct http_world *w, struct http_end *s)
{
	const char *const *answer = w->user;

	http_say(s, *answer);
	s->reset = true;
}

static void
check_behind(size_t i, bool ip6)
{
	struct http_world *w =
	    http_world_create(&(struct http_world_plan){ .wire = { .seed = 7, .ip6 = ip6 } });
	const char *answer = behind[i].answer, *seen;
	struct http_end *c;

	w->user = &answer;
	w->backend = answers_and_resets;
	w->early = true;
	w->routes[0].websocket = true;
	http_world_start(w);
	c = http_client_open(w);
	http_say(c, behind[i].request);
	http_world_run(w, 200);
	seen = c->reader.seen.bytes ? c->reader.seen.bytes : "";
	if (strcmp(seen, behind[i].heard) != 0)
		fprintf(stderr, "behind, %zu: %s\n", i, seen);
	CU_ASSERT_STRING_EQUAL(seen, behind[i].heard);
	CU_ASSERT_EQUAL(c->closed && c->cause == TCP_CLOSED_RESET, behind[i].reset);
	CU_ASSERT_PTR_NULL(http_world_destroy(w));
}

static void
test_behind(void)
{
	size_t i;

	for (i = 0; i < 2 * RTE_DIM(behind); i++)
		check_behind(i / 2, i & 1);
}

/* ---- requests that are sent again ------------------------------------------------------------ */

/* Answers a connection's first request; ends at the second one. */
static void
ends_at_second(struct http_world *w, struct http_end *s)
{
	(void)w;
	if (s->count++)
		s->fin = true;
	else
		http_say(s, OK);
}

static void
begins_at_second(struct http_world *w, struct http_end *s)
{
	(void)w;
	http_say(s, s->count ? "HTTP/1.1 200" : OK);
	s->fin = s->count++ > 0;
}

/* A second request over a connection that the backend has just closed. */
static void
check_stale(void (*backend)(struct http_world *, struct http_end *), const char *second,
	    const char *heard, const char *asked)
{
	struct http_world *w =
	    http_world_create(&(struct http_world_plan){ .wire = { .seed = 3 } });
	struct http_end *c;

	w->backend = backend;
	http_world_start(w);
	c = http_client_open(w);
	http_say(c, GET);
	CU_ASSERT(http_world_wait(w, c, 1));
	http_say(c, second);
	CU_ASSERT(http_world_wait(w, c, 2));
	http_world_run(w, 50);
	CU_ASSERT_STRING_EQUAL(c->reader.seen.bytes, heard);
	CU_ASSERT_STRING_EQUAL(http_world_asked(w), asked);
	CU_ASSERT_PTR_NULL(http_world_destroy(w));
}

static void
test_stale(void)
{
	check_stale(ends_at_second, GET, OK OK, GET GET GET);
	check_stale(ends_at_second, POST "0123456789", OK BAD_GATEWAY, GET POST "0123456789");
	/* It has begun to answer: it was not stale. */
	check_stale(begins_at_second, GET, OK BAD_GATEWAY, GET GET);
}

/* That a kept connection was over says nothing of its backend: where the choice is by what the
 * request says, it stays the same. */
static void
test_stale_same(void)
{
	struct http_world *w =
	    http_world_create(&(struct http_world_plan){ .wire = { .seed = 3 }, .both = true });
	const struct backend_stats *stats = w->wire.f->worker->backend_stats;
	struct http_end *c;

	w->backend = ends_at_second;
	w->routes[0].balance = HTTP_MAGLEV;
	http_world_start(w);
	c = http_client_open(w);
	http_say(c, GET GET);
	CU_ASSERT(http_world_wait(w, c, 2));
	CU_ASSERT_STRING_EQUAL(c->reader.seen.bytes, OK OK);
	CU_ASSERT_EQUAL(stats[0].connections_total + stats[1].connections_total, 2);
	CU_ASSERT_EQUAL(stats[0].connections_total * stats[1].connections_total, 0);
	CU_ASSERT_EQUAL(http_world_counters(w)->retries_stale, 1);
	CU_ASSERT_PTR_NULL(http_world_destroy(w));
}

/* One of two backends refuses connections. */
static void
test_refused(void)
{
	uint32_t attempts, k;

	for (attempts = 0; attempts < 2; attempts++) {
		struct http_world *w = http_world_create(&(struct http_world_plan){
		    .wire = { .seed = 4, .ip6 = attempts }, .both = true });
		const struct http_counters *n;

		w->wire.f->backends[0].port = htons(8081);
		w->routes[0].retry_attempts = (uint8_t)attempts;
		w->routes[0].retry_on = HTTP_RETRY_CONNECT;
		http_world_start(w);
		n = http_world_counters(w);
		for (k = 0; k < 4; k++) {
			struct http_end *c = http_client_open(w);

			http_say(c, POST "0123456789");
			CU_ASSERT(http_world_wait(w, c, 1));
			CU_ASSERT(c->reader.status == 200 ||
				  (!attempts && c->reader.status == 502));
		}
		CU_ASSERT(n->connect_failed > 0);
		CU_ASSERT_EQUAL(n->retries, attempts ? n->connect_failed : 0);
		CU_ASSERT_EQUAL(n->answers_2xx, 4 - (attempts ? 0 : n->connect_failed));
		CU_ASSERT_PTR_NULL(http_world_destroy(w));
	}
}

static void
check_status(const char *request, uint8_t on, const char *first, const char *heard)
{
	const char *answers[] = { first, OK, NULL };
	struct http_world *w =
	    http_world_create(&(struct http_world_plan){ .wire = { .seed = 5 } });
	struct http_end *c;

	w->answers = answers;
	w->routes[0].retry_attempts = 1;
	w->routes[0].retry_on = on;
	w->routes[0].timeout_first_byte = 100 * MS;
	http_world_start(w);
	c = http_client_open(w);
	http_say(c, request);
	CU_ASSERT(http_world_wait(w, c, 1));
	CU_ASSERT_STRING_EQUAL(c->reader.seen.bytes, heard);
	CU_ASSERT_PTR_NULL(http_world_destroy(w));
}

#define BUSY "HTTP/1.1 503 Busy\r\nX-Why: work\r\nContent-Length: 4\r\n\r\nbusy"

static void
test_status(void)
{
	check_status(GET, HTTP_RETRY_503, BUSY, OK);
	check_status(GET, HTTP_RETRY_502, BUSY, BUSY);
	/* What cannot be sent again gets the backend's answer. */
	check_status(POST "0123456789", HTTP_RETRY_503, BUSY, BUSY);
	check_status(GET, HTTP_RETRY_TIMEOUT, "", OK);
	check_status(POST "0123456789", HTTP_RETRY_TIMEOUT, "",
		     "HTTP/1.1 504 Gateway Timeout\r\nContent-Type: text/plain\r\n"
		     "Content-Length: 20\r\n\r\n504 Gateway Timeout\n");
}

int
test_http_lost_register(void)
{
	CU_TestInfo tests[] = {
		{ "connections lost in each phase", test_losses },
		{ "a reset right behind the answer", test_behind },
		{ "a kept connection that was over", test_stale },
		{ "... and its backend", test_stale_same },
		{ "a backend that refuses", test_refused },
		{ "sent again for the answer's sake", test_status },
		CU_TEST_INFO_NULL,
	};

	return suite_add("http: losses", tests);
}

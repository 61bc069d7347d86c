/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP listeners: readers that stop, which must stop their writers, and packet buffers that run
 * out. What Penstock holds is bounded in each case, and what comes after is right.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "dp/l7/internal.h"
#include "http_world.h"
#include "suites.h"

#define GET  "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
#define BODY 3000000u
/* Send buffer and window of a peer, and the same twice in the worker. */
#define UNDER_WAY (4u * 262144)

static uint8_t
body_byte(uint64_t id, uint64_t at)
{
	return (uint8_t)((at * 31 + (at >> 8) + id) ^ (at >> 16));
}

static uint64_t
body_sum(uint64_t id, uint64_t length)
{
	uint64_t sum = 0, i;

	for (i = 0; i < length; i++)
		sum = http_reader_sum(sum, body_byte(id, i));
	return sum;
}

static void
say_body(struct http_end *e, uint64_t id, uint32_t length)
{
	uint8_t *bytes = malloc(length);
	uint32_t i;

	for (i = 0; i < length; i++)
		bytes[i] = body_byte(id, i);
	http_say_bytes(e, bytes, length);
	free(bytes);
}

static uint32_t
buffers_held(const struct http_world *w)
{
	struct tcp_usage u;

	tcp_usage(proxy_tcp(worker_proxy(w->wire.f->worker)), &u);
	return u.buffers;
}

/* A message of BODY bytes after `head`. */
static void
say_large(struct http_end *e, const char *head)
{
	http_say(e, head);
	say_body(e, 7, BODY);
}

static void
answers_large(struct http_world *w, struct http_end *s)
{
	(void)w;
	say_large(s, "HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n");
}

/* One side reads nothing for a while: the other one has to wait, and so much is held. */
static void
check_stopped(struct http_world *w, struct http_end *reader, const struct http_end *writer)
{
	uint32_t budget = w->wire.f->dataplane.mbufs->size / 2, i;
	size_t sent;

	CU_ASSERT_FATAL(reader && writer);
	for (i = 0; i < 2000; i++) {
		http_world_step(w);
		CU_ASSERT(buffers_held(w) <= budget);
	}
	sent = writer->sent;
	CU_ASSERT(sent > 0 && sent < UNDER_WAY);
	CU_ASSERT(reader->reader.body < UNDER_WAY);
	http_world_run(w, 1000);
	CU_ASSERT(writer->sent < UNDER_WAY);
	http_read_on(reader);
}

static struct http_world *
patient_world(uint64_t seed)
{
	struct http_world *w = http_world_create(
	    &(struct http_world_plan){ .wire = { .seed = seed, .ip6 = seed & 1 } });

	w->routes[0].websocket = true;
	return w;
}

static void
test_client_stops(void)
{
	struct http_world *w = patient_world(20);
	struct http_end *c;

	w->backend = answers_large;
	http_world_start(w);
	c = http_client_silent(w);
	c->stops = true;
	http_say(c, GET);
	http_world_run(w, 20);
	check_stopped(w, c, http_world_backend(w));
	CU_ASSERT(http_world_wait(w, c, 1));
	CU_ASSERT_EQUAL(c->reader.sum, body_sum(7, BODY));
	CU_ASSERT_PTR_NULL(http_world_destroy(w));
}

static void
stops_at_head(struct http_world *w, struct http_end *s)
{
	s->reader.silent = true;
	if (s->reader.in_body)
		s->stops = true;
	else if (!w->early)
		http_say(s, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

static void
test_backend_stops(void)
{
	struct http_world *w = patient_world(21);
	struct http_end *c, *s;

	w->backend = stops_at_head;
	w->early = true;
	http_world_start(w);
	c = http_client_silent(w);
	say_large(c, "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 3000000\r\n\r\n");
	http_world_run(w, 20);
	s = http_world_backend(w);
	check_stopped(w, s, c);
	w->early = false;
	CU_ASSERT(http_world_wait(w, c, 1));
	CU_ASSERT_EQUAL(c->reader.status, 200);
	CU_ASSERT_EQUAL(s->reader.sum, body_sum(7, BODY));
	CU_ASSERT_PTR_NULL(http_world_destroy(w));
}

/* The backend sends back what it gets while it gets it; the client does not read until it has sent
 * a good deal. */
struct echo {
	struct http_end *end;
	size_t given;
};

static void
echo_begins(struct http_world *w, struct http_end *s)
{
	struct echo *e = w->user;

	e->end = s;
	http_say(s, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
}

static void
echo_step(struct echo *e)
{
	struct http_text_buffer *seen = &e->end->reader.seen;
	const char *body = seen->bytes ? strstr(seen->bytes, "\r\n\r\n") : NULL;
	size_t at, n;
	char line[32];

	if (!body)
		return;
	at = (size_t)(body + 4 - seen->bytes) + e->given;
	n = seen->length - at;
	if (n) {
		snprintf(line, sizeof(line), "%zx\r\n", n);
		http_say(e->end, line);
		http_say_bytes(e->end, seen->bytes + at, n);
		http_say(e->end, "\r\n");
		e->given += n;
	}
	if (e->given == BODY) {
		http_say(e->end, "0\r\n\r\n");
		e->given++;
	}
}

static void
test_echo(void)
{
	struct http_world *w = patient_world(22);
	struct echo echo = { 0 };
	struct http_end *c;
	uint32_t i;

	w->user = &echo;
	w->backend = echo_begins;
	w->early = true;
	http_world_start(w);
	c = http_client_silent(w);
	say_large(c, "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 3000000\r\n\r\n");
	c->stops = true;
	for (i = 0; i < 60000 && !c->reader.messages && !c->closed; i++) {
		if (echo.end && echo.given <= BODY)
			echo_step(&echo);
		if (i == 500)
			http_read_on(c);
		http_world_step(w);
	}
	CU_ASSERT_EQUAL(c->reader.messages, 1);
	CU_ASSERT_EQUAL(c->reader.sum, body_sum(7, BODY));
	CU_ASSERT_PTR_NULL(http_world_destroy(w));
}

/* The answer begins before the request has come, the backend then takes nothing for a while, and
 * the end of the request is just what waits for it. */
static void
check_early(uint32_t length)
{
	struct http_world *w = patient_world(length);
	struct http_end *c, *s;
	char head[80];

	w->backend = stops_at_head;
	w->early = true;
	http_world_start(w);
	c = http_client_silent(w);
	snprintf(head, sizeof(head), "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: %u\r\n\r\n",
		 length);
	http_say(c, head);
	say_body(c, 7, length);
	http_world_run(w, 20);
	s = http_world_backend(w);
	CU_ASSERT_FATAL(s != NULL);
	http_say(s, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel");
	http_world_run(w, 500);
	http_read_on(s);
	http_world_run(w, 2000);
	CU_ASSERT_EQUAL(s->reader.messages, 1);
	CU_ASSERT_EQUAL(s->reader.sum, body_sum(7, length));
	w->early = false;
	http_say(s, "lo");
	CU_ASSERT(http_world_wait(w, c, 1));
	CU_ASSERT_EQUAL(c->reader.body, 5);
	CU_ASSERT_PTR_NULL(http_world_destroy(w));
}

static void
test_early(void)
{
	uint32_t length;

	for (length = 100000; length < 800000; length += 50000)
		check_early(length);
}

static void
switches(struct http_world *w, struct http_end *s)
{
	(void)w;
	s->reader.tunnel = true;
	s->reader.silent = true;
	s->stops = true;
	http_say(s, "HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
	say_body(s, 9, BODY);
}

static void
test_tunnel_stops(void)
{
	struct http_world *w = patient_world(23);
	struct http_end *c, *s;
	uint32_t i;

	w->backend = switches;
	http_world_start(w);
	c = http_client_silent(w);
	c->stops = true;
	http_say(c,
		 "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
	say_body(c, 7, BODY);
	http_world_run(w, 20);
	s = http_world_backend(w);
	check_stopped(w, c, s);
	check_stopped(w, s, c);
	for (i = 0; i < 60000 && (c->reader.body < BODY || s->reader.body < BODY); i++)
		http_world_step(w);
	CU_ASSERT_EQUAL(c->reader.body, BODY);
	CU_ASSERT_EQUAL(c->reader.sum, body_sum(9, BODY));
	CU_ASSERT_EQUAL(s->reader.body, BODY);
	CU_ASSERT_EQUAL(s->reader.sum, body_sum(7, BODY));
	CU_ASSERT_PTR_NULL(http_world_destroy(w));
}

/* A client asks again and again and reads nothing, and then for what is not there, or for what is
 * no request: these answers, which no route makes, wait behind the others. */
static void
check_unread(const char *last, uint16_t status, uint32_t at)
{
	static char page[40000];
	struct http_world *w = patient_world(24 + status % 2);
	struct http_end *c;
	uint32_t i;

	memset(page, 'p', sizeof(page));
	w->matches[0].path_exact = (char *)(uintptr_t) "/";
	w->routes[0].action = HTTP_ACTION_RESPOND;
	w->routes[0].status = 200;
	w->routes[0].body = (struct http_text){ page, sizeof(page) };
	w->listener.timeout_header = w->listener.timeout_idle = 1000 * MS;
	http_world_start(w);
	c = http_client_silent(w);
	c->stops = true;
	for (i = 0; i < 40; i++) {
		http_say(c, i == at ? last : GET);
		http_world_run(w, 20);
	}
	http_world_pass(w, 3000);
	http_read_on(c);
	for (i = 0; i < 30; i++)
		http_world_run(w, 100);
	CU_ASSERT(c->reader.status == status || c->closed);
	CU_ASSERT_PTR_NULL(http_world_destroy(w));
}

static void
test_unread(void)
{
	uint32_t at;

	for (at = 1; at < 12; at++) {
		check_unread("GET /x HTTP/1.1\r\nHost: h\r\n\r\n", 200, at);
		check_unread("GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400, at);
	}
}

/* ---- buffers run out ------------------------------------------------------------------------- */

#define CROWD 12

static void
answers_much(struct http_world *w, struct http_end *s)
{
	(void)w;
	s->reader.silent = true;
	http_say(s, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4e20\r\n");
	say_body(s, 3, 20000);
	http_say(s, "\r\n0\r\n\r\n");
}

static uint64_t
shortages(const struct http_world *w)
{
	const struct tcp_counters *t = tcp_counters(proxy_tcp(worker_proxy(w->wire.f->worker)));
	const struct http_counters *n = http_world_counters(w);

	return n->no_memory + n->no_buffer + t->no_mbuf + t->budget_sends + t->budget_connections +
	       t->budget_received + t->budget_out_of_order;
}

/* Many clients that do not read, with few buffers: some are refused, all ends, and then one is
 * served as if nothing had been. */
static void
check_short(uint32_t mbufs, uint64_t seed)
{
	struct http_world *w = http_world_create(
	    &(struct http_world_plan){ .wire = { .seed = seed, .ip6 = seed & 1 }, .mbufs = mbufs });
	struct http_end *clients[CROWD], *c;
	uint32_t i;

	w->backend = answers_much;
	http_world_start(w);
	for (i = 0; i < CROWD; i++) {
		c = clients[i] = http_client_silent(w);
		c->stops = i % 3 != 0;
		c->random_pieces = i % 2;
		http_say(c, GET "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 20000\r\n\r\n");
		say_body(c, i, 20000);
		http_say(c, GET);
	}
	http_world_run(w, 3000);
	CU_ASSERT(shortages(w) > 0);
	for (i = 0; i < CROWD; i++)
		http_read_on(clients[i]);
	http_world_run(w, 3000);
	for (i = 0; i < CROWD; i++) {
		c = clients[i];
		if (c->reader.messages && c->reader.status == 200 && !c->reader.in_body)
			CU_ASSERT_EQUAL(c->reader.sum, body_sum(3, 20000));
	}
	CU_ASSERT_PTR_NULL(http_world_rest(w));
	c = http_client_silent(w);
	http_say(c, GET);
	CU_ASSERT(http_world_wait(w, c, 1));
	CU_ASSERT_EQUAL(c->reader.status, 200);
	CU_ASSERT_EQUAL(c->reader.sum, body_sum(3, 20000));
	CU_ASSERT_PTR_NULL(http_world_destroy(w));
}

static void
test_short(void)
{
	uint64_t seed;

	for (seed = 30; seed < 38; seed++)
		check_short(seed < 34 ? 63 : 127, seed);
}

/* As many connections to one backend are kept as there may be at all: another backend can be
 * reached. */
static void
test_all_kept(void)
{
	struct http_world *w = http_world_create(
	    &(struct http_world_plan){ .wire = { .seed = 40, .sessions = 4 }, .both = true });
	struct http_end *clients[4], *c;
	uint32_t i;

	w->wire.f->backends[1].weight = 0;
	http_world_start(w);
	for (i = 0; i < 4; i++) {
		clients[i] = http_client_silent(w);
		http_say(clients[i], GET);
	}
	for (i = 0; i < 4; i++)
		CU_ASSERT(http_world_wait(w, clients[i], 1));
	CU_ASSERT_EQUAL(http_world_backends(w), 4);
	for (i = 0; i < 4; i++)
		http_reset(clients[i]);
	http_world_run(w, 20);
	w->wire.f->backends[1].weight = 100;
	w->wire.f->backends[0].weight = 0;
	c = http_client_silent(w);
	http_say(c, GET);
	CU_ASSERT(http_world_wait(w, c, 1));
	CU_ASSERT_EQUAL(c->reader.status, 200);
	CU_ASSERT_PTR_NULL(http_world_destroy(w));
}

int
test_http_pressure_register(void)
{
	CU_TestInfo tests[] = {
		{ "a client that does not read", test_client_stops },
		{ "a backend that does not read", test_backend_stops },
		{ "answered while it comes", test_echo },
		{ "answered early", test_early },
		{ "a tunnel whose ends do not read", test_tunnel_stops },
		{ "errors behind what is not read", test_unread },
		{ "buffers run out", test_short },
		{ "all connections are kept ones", test_all_kept },
		CU_TEST_INFO_NULL,
	};

	return suite_add("http: pressure", tests);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP listeners: how long a client or a backend may say nothing, in each state. */
#include <stdio.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "dp/l7/internal.h"
#include "http_world.h"
#include "suites.h"

#define GET  "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
#define POST "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n"
#define OK   "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
/* A timer's tick, the way there and back, and what a step of the test skips. */
#define SLACK 150

static struct http_world *
world_of(const char *answer, bool ip6)
{
	static const char *answers[2];
	struct http_world *w =
	    http_world_create(&(struct http_world_plan){ .wire = { .seed = 6, .ip6 = ip6 } });

	answers[0] = answer;
	w->answers = answers;
	w->early = true;
	w->routes[0].websocket = true;
	return w;
}

/* Until the client's connection has ended or so many answers are there: ms since it opened it. */
static uint64_t
ms_until(struct http_world *w, const struct http_end *c, uint32_t answers)
{
	uint64_t began = w->wire.now;

	CU_ASSERT(http_world_wait(w, c, answers));
	return (w->wire.now - began) / MS;
}

struct patience {
	const char *name, *request, *answer;
	uint64_t ms;     /* after which it is over */
	uint16_t status; /* that the client gets; 0: none, or the answer is cut */
	size_t counter;
	bool deaf;
};

#define COUNTER(name) offsetof(struct http_counters, name)

static const struct patience patiences[] = {
	{ "no byte", "", "", 2000, 0, COUNTER(idle_closed), false },
	{ "part of a head", "GET / HT", "", 2000, 408, COUNTER(header_timeouts), false },
	{ "part of a body", POST "abc", "", 3000, 408, COUNTER(body_timeouts), false },
	{ "no connection", GET, "", 1000, 504, COUNTER(connect_failed), true },
	{ "no answer", GET, "", 4000, 504, COUNTER(first_byte_timeouts), false },
	{ "part of an answer's head", GET, "HTTP/1.1", 4000, 504, COUNTER(first_byte_timeouts),
	  false },
	{ "part of an answer", GET, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", 500, 0,
	  COUNTER(idle_timeouts), false },
};

static void
check_patience(const struct patience *p, bool ip6)
{
	struct http_world *w = world_of(p->answer, ip6);
	struct http_end *c;
	uint64_t ms;
	bool good;

	w->listener.timeout_header = 2000 * MS;
	w->listener.timeout_body = 3000 * MS;
	w->routes[0].timeout_connect = 1000 * MS;
	w->routes[0].timeout_first_byte = 4000 * MS;
	/* Shorter than the others: it must not count before an answer has begun. */
	w->routes[0].timeout_idle = 500 * MS;
	w->wire.deaf = p->deaf;
	http_world_start(w);
	c = http_client_open(w);
	http_say(c, p->request);
	ms = ms_until(w, c, 1);
	good = ms >= p->ms && ms <= p->ms + SLACK &&
	       (p->status ? c->reader.status == p->status && c->reader.messages == 1
			  : !c->reader.messages) &&
	       *(const uint64_t *)((const char *)http_world_counters(w) + p->counter) == 1;
	if (!good)
		fprintf(stderr, "%s: after %lu ms, %s\n", p->name, (unsigned long)ms,
			c->reader.seen.bytes ? c->reader.seen.bytes : "nothing");
	CU_ASSERT(good);
	w->wire.deaf = false;
	CU_ASSERT_PTR_NULL(http_world_destroy(w));
}

static void
test_patience(void)
{
	size_t i;

	for (i = 0; i < RTE_DIM(patiences); i++)
		check_patience(&patiences[i], i & 1);
}

/* What comes slowly is not nothing; but the whole has its bound. */
static void
test_slow(void)
{
	const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n";
	struct http_world *w = world_of(answer, false);
	struct http_end *c, *s;
	uint32_t i;

	w->routes[0].timeout_idle = 500 * MS;
	w->routes[0].timeout_whole = 5000 * MS;
	http_world_start(w);
	c = http_client_open(w);
	http_say(c, GET);
	http_world_run(w, 50);
	s = http_world_backend(w);
	for (i = 0; i < 16; i++) {
		http_say(s, ".");
		http_world_run(w, 300);
	}
	CU_ASSERT_FALSE(c->closed);
	http_world_run(w, 800);
	CU_ASSERT(c->closed && c->cause == TCP_CLOSED_RESET);
	CU_ASSERT_EQUAL(http_world_counters(w)->idle_timeouts, 0);
	CU_ASSERT_EQUAL(http_world_counters(w)->whole_timeouts, 1);
	CU_ASSERT_PTR_NULL(http_world_destroy(w));
}

/* A client that takes all the time something of an answer that is here as a whole: that is not
 * idle.
 */
static void
test_slow_client(void)
{
	static char body[900000];
	const char *answers[] = { "", NULL };
	struct http_world *w =
	    http_world_create(&(struct http_world_plan){ .wire = { .seed = 8 }, .mbufs = 16384 });
	struct http_end *c, *s;
	uint32_t ms;

	memset(body, 'b', sizeof(body));
	w->answers = answers;
	w->early = true;
	w->routes[0].timeout_idle = 500 * MS;
	http_world_start(w);
	c = http_client_open(w);
	c->stops = true;
	http_say(c, GET);
	http_world_run(w, 50);
	s = http_world_backend(w);
	http_say(s, "HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n");
	http_say_bytes(s, body, sizeof(body));
	for (ms = 0; ms < 20000 && !c->closed && !c->reader.messages; ms++) {
		uint32_t n = RTE_MIN(c->held, 40u);

		tcp_credit(w->wire.peers[CLIENT].tcp, c->handle, n);
		c->held -= n;
		http_world_step(w);
	}
	CU_ASSERT_EQUAL(c->reader.messages, 1);
	CU_ASSERT(ms > 3000 && !c->closed);
	CU_ASSERT_EQUAL(http_world_counters(w)->idle_timeouts, 0);
	CU_ASSERT_PTR_NULL(http_world_destroy(w));
}

/* A request whose body comes byte by byte may take as long as it likes, without timeout_whole. */
static void
test_slow_body(void)
{
	struct http_world *w = world_of(OK, true);
	struct http_end *c;
	uint32_t i;

	w->early = false;
	w->listener.timeout_body = 500 * MS;
	w->routes[0].timeout_first_byte = 300 * MS;
	http_world_start(w);
	c = http_client_open(w);
	http_say(c, POST);
	for (i = 0; i < 10; i++) {
		CU_ASSERT_EQUAL(c->reader.messages, 0);
		http_world_run(w, 400);
		http_say(c, "x");
	}
	CU_ASSERT(http_world_wait(w, c, 1));
	CU_ASSERT_EQUAL(c->reader.status, 200);
	CU_ASSERT_PTR_NULL(http_world_destroy(w));
}

static void
stops_reading(struct http_world *w, struct http_end *s)
{
	(void)w;
	s->stops = true;
}

/* That the request does not get on is the backend's doing, not the client's. */
static void
test_backend_reads_not(void)
{
	static char body[2000000];
	struct http_world *w = world_of("", false);
	struct http_end *c;
	uint64_t ms;

	w->backend = stops_reading;
	w->listener.timeout_body = 1000 * MS;
	http_world_start(w);
	c = http_client_open(w);
	http_say(c, "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 2000000\r\n\r\n");
	http_say_bytes(c, body, sizeof(body));
	ms = ms_until(w, c, 1);
	CU_ASSERT(ms >= 1000 && ms <= 2000); /* it is filled first */
	CU_ASSERT_EQUAL(c->reader.status, 504);
	CU_ASSERT_EQUAL(http_world_counters(w)->first_byte_timeouts, 1);
	CU_ASSERT_PTR_NULL(http_world_destroy(w));
}

/* Connections that nobody uses: the client's, and the kept one. */
static void
test_kept(void)
{
	struct http_world *w = world_of(OK, false);
	struct http_end *c;
	uint64_t ms;

	w->listener.timeout_idle = 3000 * MS;
	http_world_start(w);
	c = http_client_open(w);
	http_say(c, GET);
	CU_ASSERT(http_world_wait(w, c, 1));
	http_world_pass(w, 2500);
	http_say(c, GET);
	CU_ASSERT(http_world_wait(w, c, 2));
	CU_ASSERT_FALSE(c->half_closed);
	ms = ms_until(w, c, 3);
	CU_ASSERT(ms >= 3000 && ms <= 3000 + SLACK);
	CU_ASSERT_STRING_EQUAL(c->reader.seen.bytes, OK OK ".");
	CU_ASSERT_EQUAL(http_world_counters(w)->idle_closed, 1);
	CU_ASSERT_EQUAL(http_world_counters(w)->upstreams_reused, 1);
	CU_ASSERT_EQUAL(http_world_backends(w), 1);
	http_world_pass(w, 30000);
	CU_ASSERT_EQUAL(http_world_backends(w), 0);
	CU_ASSERT_EQUAL(http_world_counters(w)->upstreams_closed, 1);
	CU_ASSERT_PTR_NULL(http_world_destroy(w));
}

/* A client that never closes after its last answer, or never takes it. */
static void
test_last(void)
{
	static char body[700000];
	struct http_world *w = world_of(OK, true);
	const struct http *h;
	struct http_end *c;
	uint32_t i;

	memset(body, 'x', sizeof(body) - 1);
	w->routes[0].action = HTTP_ACTION_RESPOND;
	w->routes[0].status = 200;
	w->routes[0].body = (struct http_text){ body, sizeof(body) - 1 };
	w->listener.max_requests = 1;
	http_world_start(w);
	h = proxy_http(worker_proxy(w->wire.f->worker));
	c = http_client_open(w);
	c->stops = true;
	http_say(c, GET);
	/* It takes some of it each 10 s: that is slow, and no reason to end it. */
	for (i = 0; i < 10; i++) {
		http_world_pass(w, 10000);
		if (c->reader.messages)
			break;
		CU_ASSERT_FALSE(c->closed);
		c->stops = false;
		http_read_on(c);
		http_world_run(w, 20);
		c->stops = true;
	}
	CU_ASSERT(i > 4);
	http_read_on(c);
	CU_ASSERT(http_world_wait(w, c, 1));
	CU_ASSERT_EQUAL(c->reader.body, sizeof(body) - 1);
	CU_ASSERT_PTR_NULL(http_world_rest(w));
	c = http_client_open(w);
	c->stops = true;
	http_say(c, GET);
	http_world_run(w, 100);
	CU_ASSERT_EQUAL(h->sessions_used, 1);
	http_world_pass(w, 200000);
	CU_ASSERT_EQUAL(h->sessions_used, 0);
	CU_ASSERT_PTR_NULL(http_world_destroy(w));
}

/* Another listener takes the place of this one while a last answer is on its way: that ends in
 * order. */
static void
test_last_of_all(void)
{
	static char body[700000];
	struct http_world *w = world_of(OK, true);
	struct http_end *c;

	w->routes[0].action = HTTP_ACTION_RESPOND;
	w->routes[0].status = 200;
	w->routes[0].body = (struct http_text){ body, sizeof(body) };
	w->listener.max_requests = 1;
	http_world_start(w);
	c = http_client_open(w);
	c->stops = true;
	http_say(c, GET);
	http_world_run(w, 100);
	w->wire.f->services[0].epoch++;
	w->wire.f->snapshot.version++;
	http_world_run(w, 100);
	http_read_on(c);
	CU_ASSERT(http_world_wait(w, c, 1));
	CU_ASSERT_EQUAL(c->reader.messages, 1);
	CU_ASSERT_EQUAL(c->reader.body, sizeof(body));
	CU_ASSERT_PTR_NULL(http_world_destroy(w));
}

static void
test_tunnel(void)
{
	struct http_world *w =
	    world_of("HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", false);
	struct http_end *c;
	uint32_t i;

	w->routes[0].timeout_idle = 2000 * MS;
	w->routes[0].timeout_whole = 3000 * MS; /* is of no concern to tunnels */
	http_world_start(w);
	c = http_client_open(w);
	http_say(c,
		 "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
	for (i = 0; i < 5; i++) {
		http_world_pass(w, 1500);
		http_say(c, "x");
		http_world_run(w, 10);
		CU_ASSERT_FALSE(c->closed);
	}
	http_world_pass(w, 2600); /* from when the last of it was acknowledged */
	CU_ASSERT(c->closed);
	CU_ASSERT_EQUAL(http_world_counters(w)->idle_timeouts, 1);
	CU_ASSERT_PTR_NULL(http_world_destroy(w));
}

/* A delay on purpose, before whatever the route does. */
static void
test_delay(void)
{
	uint32_t k;

	for (k = 0; k < 2; k++) {
		struct http_world *w = world_of(OK, k);
		struct http_end *c;
		uint64_t ms;

		w->routes[0].fault =
		    (struct http_fault){ .delay = 700 * MS, .delay_share = UINT32_MAX };
		if (k) {
			w->routes[0].action = HTTP_ACTION_RESPOND;
			w->routes[0].status = 200;
			w->routes[0].pools = NULL;
			w->routes[0].n_pools = 0;
			w->routes[0].body = (struct http_text){ "ok", 2 };
		}
		http_world_start(w);
		c = http_client_open(w);
		http_say(c, GET);
		ms = ms_until(w, c, 1);
		CU_ASSERT(ms >= 700 && ms <= 700 + SLACK);
		CU_ASSERT_STRING_EQUAL(c->reader.seen.bytes, OK);
		CU_ASSERT_EQUAL(http_world_counters(w)->faults_delayed, 1);
		CU_ASSERT_PTR_NULL(http_world_destroy(w));
	}
}

/* ... and meanwhile the last of the listeners goes: the request goes on to a backend. */
static void
test_delay_alone(void)
{
	struct http_world *w = world_of(OK, false);
	struct http_end *c;

	w->routes[0].fault = (struct http_fault){ .delay = 700 * MS, .delay_share = UINT32_MAX };
	http_world_start(w);
	c = http_client_open(w);
	http_say(c, GET);
	http_world_run(w, 100);
	CU_ASSERT_EQUAL(http_world_counters(w)->faults_delayed, 1);
	w->wire.f->snapshot.proxies = NULL;
	w->wire.f->snapshot.version++;
	CU_ASSERT(http_world_wait(w, c, 1));
	CU_ASSERT_EQUAL(c->reader.status, 200);
	CU_ASSERT_PTR_NULL(http_world_destroy(w));
}

/* ... is a part of the whole. */
static void
test_delay_whole(void)
{
	uint32_t k;

	for (k = 0; k < 2; k++) {
		struct http_world *w = world_of(OK, k);
		struct http_end *c;
		uint64_t ms;

		w->routes[0].fault =
		    (struct http_fault){ .delay = 5000 * MS, .delay_share = UINT32_MAX };
		w->routes[0].timeout_whole = 600 * MS;
		http_world_start(w);
		c = http_client_open(w);
		http_say(c, GET);
		ms = ms_until(w, c, 1);
		CU_ASSERT(ms >= 600 && ms <= 600 + SLACK);
		CU_ASSERT_EQUAL(c->reader.status, 504);
		CU_ASSERT_FALSE(c->closed || c->half_closed);
		CU_ASSERT_EQUAL(http_world_counters(w)->whole_timeouts, 1);
		CU_ASSERT_EQUAL(http_world_backends(w), 0);
		CU_ASSERT_PTR_NULL(http_world_destroy(w));
	}
}

int
test_http_time_register(void)
{
	CU_TestInfo tests[] = {
		{ "nothing comes", test_patience },
		{ "it comes slowly", test_slow },
		{ "a client that takes its time", test_slow_client },
		{ "a body comes slowly", test_slow_body },
		{ "a backend does not read", test_backend_reads_not },
		{ "kept connections", test_kept },
		{ "the last answer", test_last },
		{ "... of a listener that is replaced", test_last_of_all },
		{ "tunnels", test_tunnel },
		{ "delays", test_delay },
		{ "... and the listener goes", test_delay_alone },
		{ "delays, and the whole", test_delay_whole },
		CU_TEST_INFO_NULL,
	};

	return suite_add("http: time", tests);
}

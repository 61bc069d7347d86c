/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP listeners: a client that resets a tunnel right behind its data. The backend gets that, and
 * then a RST.
 */
#include <string.h>

#include <CUnit/CUnit.h>

#include "dp/l7/internal.h"
#include "http_world.h"
#include "suites.h"

#define ASKED "GET /w HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"

/* A client with a tunnel, and its backend. */
static struct http_end *
tunnel_open(struct http_world *w, struct http_end **backend)
{
	static const char *const answers[] = { SWITCHING, NULL };
	struct http_end *c;

	w->answers = answers;
	w->routes[0].websocket = true;
	http_world_start(w);
	c = http_client_open(w);
	http_say(c, WEBSOCKET);
	http_world_run(w, 50);
	*backend = http_world_backend(w);
	CU_ASSERT_PTR_NOT_NULL_FATAL(*backend);
	CU_ASSERT_EQUAL(c->reader.status, 101);
	return c;
}

/* The backend gets the last data, and then a RST. What it says itself is of no interest: `talks`.
 */
static void
check_left(bool ip6, bool fin, bool talks)
{
	struct http_world *w =
	    http_world_create(&(struct http_world_plan){ .wire = { .seed = 8, .ip6 = ip6 } });
	struct http_end *s, *c = tunnel_open(w, &s);

	s->stays = fin;
	c->fin = fin;
	c->reset = !fin;
	http_say(c, "the last words");
	if (talks)
		http_say(s, "who cares");
	http_world_run(w, 50);
	if (fin)
		http_reset(c);
	http_world_run(w, 50);
	CU_ASSERT_STRING_EQUAL(http_world_asked(w),
			       fin ? ASKED "the last words." : ASKED "the last words");
	CU_ASSERT(s->closed && s->cause == TCP_CLOSED_RESET);
	CU_ASSERT_EQUAL(http_world_counters(w)->client_gone, 1);
	CU_ASSERT_EQUAL(http_requests_active(proxy_http(worker_proxy(w->wire.f->worker))), 0);
	CU_ASSERT_PTR_NULL(http_world_destroy(w));
}

static void
test_left(void)
{
	uint32_t i;

	for (i = 0; i < 8; i++)
		check_left(i & 1, i & 2, i & 4);
}

/* So many ms, in each second of which the backend says something. */
static void
pass_talking(struct http_world *w, struct http_end *s, uint32_t ms)
{
	for (; ms >= 1000 && !s->closed; ms -= 1000) {
		http_say(s, "who cares");
		http_world_pass(w, 1000);
	}
	http_world_pass(w, ms);
}

/* A backend that takes nothing for a while, and then all; or never anything, whatever it says. */
static void
check_left_slow(bool takes)
{
	static char much[1500000];
	struct http_world *w =
	    http_world_create(&(struct http_world_plan){ .wire = { .seed = 9, .ip6 = takes } });
	struct http_end *s, *c = tunnel_open(w, &s);
	const struct http *h = proxy_http(worker_proxy(w->wire.f->worker));
	uint64_t said;

	memset(much, 'a', sizeof(much));
	w->routes[0].timeout_idle = 0;
	s->stops = true;
	http_say_bytes(c, much, sizeof(much));
	http_world_pass(w, 3000);
	said = h->sessions[0].x->request.bytes + h->sessions[0].in.length;
	CU_ASSERT(said > s->reader.seen.length && h->sessions[0].x->up.length);
	http_reset(c);
	pass_talking(w, s, 20000);
	CU_ASSERT_FALSE(s->closed);
	if (takes)
		http_read_on(s);
	pass_talking(w, s, 15000);
	CU_ASSERT(s->closed && s->cause == TCP_CLOSED_RESET);
	if (takes)
		CU_ASSERT_EQUAL(s->reader.seen.length, strlen(ASKED) + said);
	CU_ASSERT_EQUAL(http_requests_active(h), 0);
	CU_ASSERT_EQUAL(http_world_counters(w)->idle_timeouts, 0);
	CU_ASSERT_PTR_NULL(http_world_destroy(w));
}

static void
test_left_slow(void)
{
	check_left_slow(true);
	check_left_slow(false);
}

int
test_http_left_register(void)
{
	CU_TestInfo tests[] = {
		{ "a tunnel's last data, and a reset right behind it", test_left },
		{ "... for a backend that is slow", test_left_slow },
		CU_TEST_INFO_NULL,
	};

	return suite_add("http: what a client leaves", tests);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP listeners: as many requests are under way as there may be. One more is refused by name and
 * its connection goes on; those under way do not notice; idle connections need no room of theirs.
 */
#include <string.h>

#include <CUnit/CUnit.h>

#include "dp/l7/internal.h"
#include "http_world.h"
#include "suites.h"

#define GET    "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define ROOM   3 /* for requests under way */

static void
keeps_silent(struct http_world *w, struct http_end *s)
{
	(void)w;
	(void)s;
}

static struct http_world *
world_create(uint32_t seed)
{
	struct http_world *w = http_world_create(&(struct http_world_plan){
	    .wire = { .seed = seed, .ip6 = seed & 1, .backend_connections = ROOM } });

	w->backend = keeps_silent;
	return w;
}

/* So many requests are under way from now on. */
static void
occupy(struct http_world *w, struct http_end **clients, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		clients[i] = http_client_silent(w);
		http_say(clients[i], GET);
	}
	http_world_run(w, 50);
}

/* The backends answer all that they have been asked, and what they are asked from now on. */
static void
answer_all(struct http_world *w)
{
	uint32_t i;

	w->backend = NULL;
	for (i = 0; i < HTTP_WORLD_ENDS; i++) {
		struct http_end *s = &w->ends[SERVER][i];

		if (s->used && !s->closed)
			http_say(s, ANSWER);
	}
}

/* Its n-th answer has this status, and it is still there, or is not. */
static void
check_answer(struct http_world *w, struct http_end *c, uint32_t n, uint32_t status, bool stays)
{
	CU_ASSERT(http_world_wait(w, c, n));
	http_world_run(w, 50);
	CU_ASSERT_EQUAL(c->reader.messages, n);
	CU_ASSERT_EQUAL(c->reader.status, status);
	CU_ASSERT_EQUAL(!c->closed && !c->half_closed, stays);
}

static uint64_t
refused(const struct http_world *w)
{
	return http_world_counters(w)->requests_full;
}

static uint32_t
under_way(const struct http_world *w)
{
	return proxy_http_requests(worker_proxy(w->wire.f->worker));
}

static void
test_refused(void)
{
	struct http_world *w = world_create(1);
	struct http_end *clients[ROOM], *c;
	uint32_t i;

	http_world_start(w);
	c = http_client_silent(w);
	occupy(w, clients, ROOM);
	CU_ASSERT_EQUAL(http_world_backends(w), ROOM);
	CU_ASSERT_EQUAL(under_way(w), ROOM);
	http_say(c, GET);
	check_answer(w, c, 1, 503, true);
	CU_ASSERT_EQUAL(refused(w), 1);
	CU_ASSERT_EQUAL(w->wire.f->worker->stats.drops[DROP_CONNECTION_TABLE_FULL], 1);
	/* a body that is here is no reason to end the connection, nor are requests behind it */
	http_say(c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody" GET GET);
	check_answer(w, c, 4, 503, true);
	CU_ASSERT_EQUAL(refused(w), 4);
	for (i = 0; i < ROOM; i++)
		CU_ASSERT_EQUAL(clients[i]->reader.messages, 0);
	answer_all(w);
	for (i = 0; i < ROOM; i++)
		check_answer(w, clients[i], 1, 200, true);
	http_say(c, GET);
	check_answer(w, c, 5, 200, true);
	CU_ASSERT_EQUAL(refused(w), 4);
	CU_ASSERT_EQUAL(http_world_counters(w)->requests, ROOM + 5);
	CU_ASSERT_EQUAL(under_way(w), 0);
	CU_ASSERT_PTR_NULL(http_world_destroy(w));
}

/* More of a body would have to be read: the connection ends with the refusal. What is no request
 * is told so. */
static void
test_ends(void)
{
	struct http_world *w = world_create(2);
	struct http_end *clients[ROOM], *c;
	uint32_t i;

	http_world_start(w);
	occupy(w, clients, ROOM);
	c = http_client_silent(w);
	http_say(c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbo");
	check_answer(w, c, 1, 503, false);
	c = http_client_silent(w);
	http_say(c, "GET  / HTTP/1.1\r\nHost: h\r\n\r\n");
	check_answer(w, c, 1, 400, false);
	CU_ASSERT_EQUAL(refused(w), 1);
	answer_all(w);
	for (i = 0; i < ROOM; i++)
		check_answer(w, clients[i], 1, 200, true);
	CU_ASSERT_PTR_NULL(http_world_destroy(w));
}

/* Connections that only wait, those with a part of a head included, take none of the room. */
static void
test_idle(void)
{
	struct http_world *w = world_create(3);
	struct http_end *clients[4 * ROOM];
	uint32_t i, turn;

	w->backend = NULL;
	http_world_start(w);
	for (i = 0; i < 4 * ROOM; i++)
		clients[i] = http_client_silent(w);
	for (turn = 1; turn <= 3; turn++) {
		for (i = 0; i < 4 * ROOM; i++) {
			http_say(clients[i], GET);
			check_answer(w, clients[i], turn, 200, true);
		}
	}
	for (i = 1; i < 4 * ROOM; i++)
		http_say(clients[i], "GET / HTTP/1.1\r\nHo");
	http_world_run(w, 50);
	http_say(clients[0], GET);
	check_answer(w, clients[0], turn, 200, true);
	CU_ASSERT_EQUAL(refused(w), 0);
	CU_ASSERT_PTR_NULL(http_world_destroy(w));
}

/* A request is not mirrored for want of room, and is served. */
static void
test_mirror(void)
{
	struct http_world *w = world_create(4);
	struct http_end *clients[ROOM], *c;

	http_world_start(w);
	w->routes[0].mirror_slot = 0;
	w->routes[0].mirror_epoch = 1;
	occupy(w, clients, ROOM - 1);
	w->routes[0].mirror_share = UINT32_MAX;
	c = http_client_silent(w);
	http_say(c, GET);
	http_world_run(w, 50);
	CU_ASSERT_EQUAL(http_world_counters(w)->mirrors, 0);
	CU_ASSERT_EQUAL(http_world_counters(w)->mirrors_skipped, 1);
	answer_all(w);
	check_answer(w, c, 1, 200, true);
	CU_ASSERT_EQUAL(refused(w), 0);
	CU_ASSERT_PTR_NULL(http_world_destroy(w));
}

#define MORE_ROOM 8
#define KEPT      (MORE_ROOM / 4) /* of it are not for copies */

/* Copies come before what they are copied from, and are never answered. */
static void
answers_no_copy(struct http_world *w, struct http_end *s)
{
	if (w->answered < http_world_counters(w)->mirrors)
		w->answered++;
	else
		http_say(s, ANSWER);
}

/* A pool that answers no copy does not take the room of requests. */
static void
test_mirror_silent(void)
{
	struct http_world *w = http_world_create(
	    &(struct http_world_plan){ .wire = { .seed = 6, .backend_connections = MORE_ROOM } });
	struct http_end *clients[KEPT + 1], *c;
	uint32_t i;

	w->backend = answers_no_copy;
	http_world_start(w);
	w->routes[0].mirror_slot = 0;
	w->routes[0].mirror_epoch = 1;
	w->routes[0].mirror_share = UINT32_MAX;
	c = http_client_silent(w);
	for (i = 1; i <= 3 * MORE_ROOM; i++) {
		http_say(c, GET);
		check_answer(w, c, i, 200, true);
	}
	CU_ASSERT_EQUAL(http_world_counters(w)->mirrors, MORE_ROOM - 1 - KEPT);
	CU_ASSERT_EQUAL(http_world_counters(w)->mirrors_skipped,
			3 * MORE_ROOM - (MORE_ROOM - 1 - KEPT));
	w->backend = keeps_silent;
	occupy(w, clients, KEPT + 1);
	w->backend = NULL;
	CU_ASSERT_EQUAL(refused(w), 0);
	CU_ASSERT_PTR_NULL(http_world_destroy(w));
}

/* It will not be asked again on this connection, and does not close it. */
static void
answers_last(struct http_world *w, struct http_end *s)
{
	(void)w;
	s->stays = true;
	http_say(s, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
}

/* Connections to backends that only wait for the backend's FIN give way, before those that may be
 * used again do. */
static void
test_closing(void)
{
	struct http_world *w = world_create(7);
	struct http_end *c, *d;
	uint32_t i;

	w->backend = NULL;
	http_world_start(w);
	c = http_client_silent(w);
	d = http_client_silent(w);
	http_say(d, GET);
	check_answer(w, d, 1, 200, true);
	w->backend = answers_last;
	http_say(d, GET);
	check_answer(w, d, 2, 200, true);
	w->backend = NULL;
	http_say(d, GET);
	check_answer(w, d, 3, 200, true);
	w->backend = keeps_silent;
	http_say(d, GET); /* has the one that was kept */
	http_world_run(w, 50);
	w->backend = answers_last;
	for (i = 1; i <= 4 * ROOM; i++) {
		http_say(c, GET);
		check_answer(w, c, i, 200, true);
	}
	answer_all(w);
	check_answer(w, d, 4, 200, true);
	CU_ASSERT_EQUAL(http_world_counters(w)->upstreams_full, 0);
	CU_ASSERT_EQUAL(http_world_counters(w)->upstreams_closed, 0);
	CU_ASSERT_PTR_NULL(http_world_destroy(w));
}

#define MANY 128

/* The only connection to a backend that is idle gives way to one to another backend, wherever it is
 * among those that are in use. */
static void
test_idle_upstream(void)
{
	struct http_world *w = http_world_create(&(struct http_world_plan){
	    .wire = { .seed = 9, .sessions = MANY, .backend_connections = MANY }, .both = true });
	const struct http_counters *n;
	struct http_end *c;
	struct http *h;
	uint32_t i;

	http_world_start(w);
	h = proxy_http(worker_proxy(w->wire.f->worker));
	n = http_world_counters(w);
	c = http_client_silent(w);
	http_say(c, GET);
	check_answer(w, c, 1, 200, true);
	h->upstreams_fresh = h->n_upstream; /* nobody knows for what */
	for (i = 2; i <= 4; i++) {
		http_say(c, GET);
		check_answer(w, c, i, 200, true);
	}
	CU_ASSERT(n->upstreams_closed > 0);
	CU_ASSERT_EQUAL(n->upstreams_opened, n->upstreams_closed + 1);
	CU_ASSERT_EQUAL(n->upstreams_full, 0);
	CU_ASSERT_PTR_NULL(http_world_destroy(w));
}

/* There is a place for a request, and none for its connection: it is refused by name. */
static void
test_no_upstream(void)
{
	struct http_world *w = world_create(8);
	struct http_end *c;
	struct http *h;

	w->backend = NULL;
	http_world_start(w);
	h = proxy_http(worker_proxy(w->wire.f->worker));
	h->upstreams_fresh = h->n_upstream; /* nobody knows for what */
	c = http_client_silent(w);
	http_say(c, GET);
	check_answer(w, c, 1, 503, true);
	CU_ASSERT_EQUAL(http_world_counters(w)->upstreams_full, 1);
	CU_ASSERT_EQUAL(refused(w), 0);
	h->upstreams_fresh = 0;
	http_say(c, GET);
	check_answer(w, c, 2, 200, true);
	CU_ASSERT_EQUAL(http_world_counters(w)->upstreams_full, 1);
	CU_ASSERT_PTR_NULL(http_world_destroy(w));
}

#define PAGE "GET /page HTTP/1.1\r\nHost: h\r\n\r\n"

static struct http_world *
page_world(void)
{
	static char page[40000];
	struct http_world *w = world_create(5);

	memset(page, 'p', sizeof(page));
	w->matches[0].path_exact = (char *)(uintptr_t) "/page";
	w->routes[0].action = HTTP_ACTION_RESPOND;
	w->routes[0].status = 200;
	w->routes[0].body = (struct http_text){ page, sizeof(page) };
	w->n_routes = 2;
	return w;
}

/* An answer that the client does not read is under way; one that TCP has all of is not. A refusal
 * cannot wait: the connection of a client that does not even take that ends, behind the answers
 * before it. True: it did. */
static bool
check_unread(uint32_t pages)
{
	struct http_world *w = page_world();
	struct http_end *clients[ROOM], *c;
	uint32_t i, held;
	bool cut;

	http_world_start(w);
	c = http_client_silent(w);
	c->stops = true;
	for (i = 0; i < pages; i++) {
		http_say(c, PAGE);
		http_world_run(w, 100);
	}
	held = under_way(w);
	CU_ASSERT(held <= 1);
	occupy(w, clients, ROOM - held);
	CU_ASSERT_EQUAL(under_way(w), ROOM);
	http_say(c, PAGE);
	http_world_run(w, 100);
	CU_ASSERT_EQUAL(refused(w), 1 - held);
	CU_ASSERT_EQUAL(under_way(w), ROOM);
	cut = http_world_counters(w)->cut_off == 1;
	http_read_on(c);
	http_world_run(w, 2000);
	if (cut)
		check_answer(w, c, pages, 200, false);
	else
		check_answer(w, c, pages + 1, held ? 200 : 503, true);
	CU_ASSERT(!c->closed || c->cause == TCP_CLOSED_DONE);
	answer_all(w);
	check_answer(w, clients[0], 1, 200, true);
	CU_ASSERT_PTR_NULL(http_world_destroy(w));
	return cut;
}

static void
test_unread(void)
{
	uint32_t pages, cut = 0;

	for (pages = 1; pages < 20; pages++)
		cut += check_unread(pages);
	CU_ASSERT(cut > 0);
}

int
test_http_full_register(void)
{
	CU_TestInfo tests[] = {
		{ "one request more", test_refused },
		{ "one more that ends its connection", test_ends },
		{ "idle connections need no room", test_idle },
		{ "no room to mirror", test_mirror },
		{ "copies leave room", test_mirror_silent },
		{ "backends that do not close hold none", test_closing },
		{ "an idle one is found", test_idle_upstream },
		{ "no room for a connection", test_no_upstream },
		{ "answers that are not read hold theirs", test_unread },
		CU_TEST_INFO_NULL,
	};

	return suite_add("http: as many as there may be", tests);
}

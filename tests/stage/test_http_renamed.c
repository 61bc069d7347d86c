/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP listeners: a configuration in which a pool has another name comes while a request has no
 * backend yet. What the request began with has that pool no more, so it goes by what its listener
 * is then.
 */
#include <stdio.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "dp/l7/internal.h"
#include "http_world.h"
#include "suites.h"

#define GET    "GET / HTTP/1.1\r\nHost: h\r\n"
#define COOKIE "Cookie: stay=%016lx\r\n"

/* Two pools, a backend each: nearly all go to the first one. */
struct renamed {
	struct http_world *w;
	struct http *h;
	uint32_t by_slot[3], by_id[2][4];
	struct http_listener listener; /* the next one */
	struct http_route route;
	struct http_route_pool pools[2][2]; /* of both generations */
	struct http_users users[2];
};

static void
pool_set(struct renamed *r, uint32_t i)
{
	struct fixture *f = r->w->wire.f;
	struct pool *pool = &f->pools[i];

	*pool = f->pools[0];
	pool->slot = i;
	pool->n_members = 1;
	pool->members = f->members[i];
	f->members[i][0] = i;
	f->backends[i].id = 4 + i;
	r->by_id[i][f->backends[i].id & 3] = 1;
	pool->by_id = r->by_id[i];
	pool->id_mask = 3;
	r->pools[0][i] = (struct http_route_pool){ i, 1, i ? UINT32_MAX : UINT32_MAX - 1 };
}

static void
renamed_create(struct renamed *r, uint32_t seed)
{
	struct fixture *f;

	memset(r, 0, sizeof(*r));
	r->w = http_world_create(
	    &(struct http_world_plan){ .wire = { .seed = seed, .ip6 = seed & 1 }, .both = true });
	f = r->w->wire.f;
	pool_set(r, 0);
	pool_set(r, 1);
	r->by_slot[0] = 0;
	r->by_slot[1] = 1;
	r->by_slot[2] = UINT32_MAX;
	f->snapshot.pool_by_slot = r->by_slot;
	f->snapshot.n_pool_slots = 3;
	f->snapshot.n_pools = 2;
	r->w->routes[0].pools = r->pools[0];
	r->w->routes[0].n_pools = 2;
	r->w->routes[0].total_weight = UINT32_MAX;
	r->w->routes[0].affinity_cookie = (struct http_text){ "stay", 4 };
	http_world_start(r->w);
	r->h = proxy_http(worker_proxy(f->worker));
}

/* The second pool has another name now: another slot, and so its backend. */
static void
rename_second(struct renamed *r)
{
	struct fixture *f = r->w->wire.f;

	r->by_slot[1] = UINT32_MAX;
	r->by_slot[2] = 1;
	f->pools[1].slot = 2;
	f->pools[1].epoch = 2;
	f->backends[1].epoch = 2;
	memcpy(r->pools[1], r->pools[0], sizeof(r->pools[1]));
	r->pools[1][1].slot = 2;
	r->pools[1][1].epoch = 2;
	r->route = r->w->routes[0];
	r->route.pools = r->pools[1];
	r->route.fault = (struct http_fault){ 0 };
	r->listener = r->w->listener;
	r->listener.routes = &r->route;
	r->listener.users = r->users;
	r->w->wire.settings[0].http = &r->listener;
	f->snapshot.version++;
}

static void
renamed_destroy(struct renamed *r)
{
	CU_ASSERT_PTR_NULL(http_world_rest(r->w));
	CU_ASSERT_EQUAL(r->users[0].requests, 0);
	CU_ASSERT_PTR_NULL(http_world_destroy(r->w));
}

/* A client that comes back to the backend of the second pool. */
static struct http_end *
comes_back(struct renamed *r)
{
	struct http_end *c = http_client_open(r->w);
	char text[200];

	snprintf(text, sizeof(text), GET COOKIE "\r\n",
		 (unsigned long)r->w->wire.f->backends[1].id);
	http_say(c, text);
	http_world_run(r->w, 20);
	return c;
}

static void
check_kept(struct renamed *r, const struct http_end *c)
{
	const struct backend_stats *stats = r->w->wire.f->worker->backend_stats;

	CU_ASSERT(http_world_wait(r->w, c, 1));
	CU_ASSERT_EQUAL(c->reader.status, 200);
	CU_ASSERT_PTR_NULL(strstr(c->reader.seen.bytes, "stay="));
	CU_ASSERT_EQUAL(stats[0].connections_total, 0);
	CU_ASSERT(stats[1].connections_total > 0);
	CU_ASSERT_EQUAL(http_world_counters(r->w)->no_backend, 0);
}

/* Held back: it goes where its cookie leads, which is the renamed pool. */
static void
test_delayed(void)
{
	struct renamed r;
	struct http_end *c;

	renamed_create(&r, 1);
	r.w->routes[0].fault = (struct http_fault){ .delay = 500 * MS, .delay_share = UINT32_MAX };
	c = comes_back(&r);
	CU_ASSERT_EQUAL(http_world_counters(r.w)->faults_delayed, 1);
	rename_second(&r);
	check_kept(&r, c);
	renamed_destroy(&r);
}

/* The connection to its backend is there, or nearly; but by what TLS with the pool's backends was
 * to be spoken is gone with the pool, and it ends as one that we cannot have. */
static void
test_connecting(void)
{
	struct http_upstream *u;
	struct http_end *c;
	struct renamed r;

	renamed_create(&r, 2);
	r.w->wire.deaf = true;
	c = comes_back(&r);
	u = &r.h->upstreams[0];
	CU_ASSERT_EQUAL_FATAL(u->state, HTTP_UPSTREAM_CONNECTING);
	rename_second(&r);
	http_world_run(r.w, 5);
	CU_ASSERT_EQUAL_FATAL(u->state, HTTP_UPSTREAM_CONNECTING);
	stream_abort(r.h->proxy, u->handle);
	http_on_closed(r.h, http_upstream_user(r.h, u), TCP_CLOSED_LOCAL);
	r.w->wire.deaf = false;
	check_kept(&r, c);
	renamed_destroy(&r);
}

static void
waits(struct http_world *w, struct http_end *s)
{
	(void)w;
	(void)s;
}

/* With a backend: it goes on, and the client is told to come back to that one, not to who has its
 * slot by then. */
static void
test_cookie(void)
{
	struct http_end *c, *s;
	struct renamed r;
	uint64_t id;

	renamed_create(&r, 3);
	r.w->backend = waits;
	c = http_client_open(r.w);
	c->reader.whole = true;
	http_say(c, GET "\r\n");
	http_world_run(r.w, 20);
	s = http_world_backend(r.w);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	id = r.w->wire.f->backends[0].id;
	r.w->wire.f->backends[0].epoch++;
	r.w->wire.f->backends[0].id = 99;
	rename_second(&r);
	http_world_run(r.w, 20);
	http_say(s, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
	CU_ASSERT(http_world_wait(r.w, c, 1));
	CU_ASSERT_EQUAL(c->reader.status, 200);
	CU_ASSERT_EQUAL(id, 4);
	CU_ASSERT_PTR_NOT_NULL(strstr(c->reader.seen.bytes, "stay=0000000000000004;"));
	renamed_destroy(&r);
}

/* Backends are told of clients no more while a request has no connection to one yet: it still is
 * that of its client alone, and begins as it was to begin. */
static void
check_header(bool ip6)
{
	struct http_world *w =
	    http_world_create(&(struct http_world_plan){ .wire = { .seed = 4, .ip6 = ip6 } });
	struct proxy_settings *settings = &w->wire.settings[0];
	struct http_end *c;

	settings->header = PROXY_HEADER_V1;
	http_world_start(w);
	w->wire.deaf = true;
	c = http_client_open(w);
	http_say(c, GET "\r\n");
	http_world_run(w, 50);
	settings->header = PROXY_HEADER_NONE;
	w->wire.f->snapshot.version++;
	w->wire.deaf = false;
	CU_ASSERT(http_world_wait(w, c, 1));
	CU_ASSERT_EQUAL(w->headers, 1);
	http_say(c, GET "\r\n");
	CU_ASSERT(http_world_wait(w, c, 2));
	CU_ASSERT_EQUAL(w->headers, 1);
	CU_ASSERT_EQUAL(http_world_counters(w)->upstreams_reused, 0);
	CU_ASSERT_PTR_NULL(http_world_destroy(w));
}

static void
test_header(void)
{
	check_header(false);
	check_header(true);
}

int
test_http_renamed_register(void)
{
	CU_TestInfo tests[] = {
		{ "a request that is held back", test_delayed },
		{ "... that has no connection yet", test_connecting },
		{ "... that has a backend", test_cookie },
		{ "... whose client backends are told of no more", test_header },
		CU_TEST_INFO_NULL,
	};

	return suite_add("http: pools renamed", tests);
}

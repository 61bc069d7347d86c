/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP listeners: what a pool may have at a time, all workers together. Who is refused, and a
 * connection that goes over from its request to those that wait for one, is never seen by others as
 * one too many; and a pool does not count what was kept for one that had its slot before.
 */
#include <pthread.h>
#include <stdlib.h>

#include <CUnit/CUnit.h>

#include "dp/l7/internal.h"
#include "http_world.h"
#include "suites.h"

#define GET    "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
#define POST   "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n"
#define ROUNDS 300000

/* ---- two workers ----------------------------------------------------------------------------- */

/* The other worker, in a thread of its own. */
struct other {
	struct http *h;
	const struct pool *pool;
	void (*round)(struct other *o);
	uint8_t counted;
	_Atomic bool done;
};

static void *
go_round(void *arg)
{
	struct other *o = arg;
	uint32_t i;

	for (i = 0; i < ROUNDS; i++)
		o->round(o);
	o->done = true;
	return NULL;
}

static struct http *
worker_http(struct http_world *w)
{
	struct http *h = calloc(1, sizeof(*h));

	h->worker = w->wire.f->worker;
	return h;
}

/* The pool has one connection, which is all that it may have, while the other worker goes its
 * rounds. How often is it seen to have more? */
static uint64_t
crowded_for_a_moment(struct http_world *w, struct other *o)
{
	struct http *mine = worker_http(w);
	uint64_t n = 0;
	pthread_t thread;

	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, go_round, o), 0);
	while (!o->done)
		n += http_circuit_crowded(mine, o->pool);
	pthread_join(thread, NULL);
	free(mine);
	return n;
}

static void
is_refused(struct other *o)
{
	uint8_t none = 0;

	if (http_circuit_enter(o->h, o->pool, HTTP_BOUND_CONNECTIONS, &none))
		http_circuit_leave(o->h, o->pool->slot, HTTP_BOUND_CONNECTIONS, &none);
}

static void
waits_and_goes_on(struct other *o)
{
	http_circuit_pass(o->h, o->pool, HTTP_BOUND_UNUSED, &o->counted);
	http_circuit_pass(o->h, o->pool, HTTP_BOUND_CONNECTIONS, &o->counted);
}

static void
check_rounds(void (*round)(struct other *o))
{
	struct http_world *w =
	    http_world_create(&(struct http_world_plan){ .wire = { .seed = 1 } });
	struct pool *pool = &w->wire.f->pools[0];
	struct other o = { .h = worker_http(w), .pool = pool, .round = round };

	pool->bounds.connections = 1;
	http_world_start(w);
	CU_ASSERT(http_circuit_enter(o.h, pool, HTTP_BOUND_CONNECTIONS, &o.counted));
	CU_ASSERT_EQUAL(crowded_for_a_moment(w, &o), 0);
	CU_ASSERT(http_circuit_full(o.h, pool, HTTP_BOUND_CONNECTIONS));
	http_circuit_leave(o.h, pool->slot, HTTP_BOUND_CONNECTIONS, &o.counted);
	CU_ASSERT_FALSE(http_circuit_full(o.h, pool, HTTP_BOUND_CONNECTIONS));
	free(o.h);
	CU_ASSERT_PTR_NULL(http_world_destroy(w));
}

static void
test_refused(void)
{
	check_rounds(is_refused);
}

static void
test_passes(void)
{
	check_rounds(waits_and_goes_on);
}

/* ---- a pool that is another one's now ----------------------------------------------------------
 */

/* All connections that the pool has, as it is counted. */
static uint64_t
counted(const struct http_world *w)
{
	return w->wire.f->dataplane.http_pools[0].now[HTTP_BOUND_CONNECTIONS];
}

/* The pool is gone, and another one has its slot, with the same backend. */
static void
replace_pool(struct http_world *w)
{
	struct fixture *f = w->wire.f;

	f->pools[0].epoch++;
	f->backends[0].epoch++;
	w->pools[0].epoch++;
	f->snapshot.version++;
	http_world_run(w, 20);
}

static void
check_replaced(bool under_way)
{
	struct http_world *w =
	    http_world_create(&(struct http_world_plan){ .wire = { .seed = 2 } });
	const struct http_counters *n;
	struct http_end *c[3];
	uint32_t i;

	w->wire.f->pools[0].bounds.connections = 2;
	http_world_start(w);
	n = http_world_counters(w);
	for (i = 0; i < 2; i++) {
		c[i] = http_client_open(w);
		http_say(c[i], i && under_way ? POST : GET);
	}
	http_world_run(w, 20);
	CU_ASSERT_EQUAL(http_world_backends(w), 2);
	CU_ASSERT_EQUAL(counted(w), under_way ? 1 + (1ull << 32) : 2ull << 32);
	replace_pool(w);
	CU_ASSERT_EQUAL(http_world_backends(w), under_way);
	CU_ASSERT_EQUAL(counted(w), under_way);
	c[2] = http_client_open(w);
	http_say(c[2], GET);
	CU_ASSERT(http_world_wait(w, c[2], 1));
	CU_ASSERT_EQUAL(c[2]->reader.status, 200);
	CU_ASSERT_EQUAL(counted(w), under_way + (1ull << 32));
	if (under_way) {
		http_say(c[1], "body");
		CU_ASSERT(http_world_wait(w, c[1], 1));
		CU_ASSERT_EQUAL(c[1]->reader.status, 200);
		CU_ASSERT_EQUAL(counted(w), 1ull << 32);
	}
	CU_ASSERT_EQUAL(n->circuit_connections, 0);
	CU_ASSERT_EQUAL(n->upstreams_closed, 2 - under_way);
	CU_ASSERT_PTR_NULL(http_world_destroy(w));
}

static void
test_replaced(void)
{
	check_replaced(false);
	check_replaced(true);
}

int
test_http_circuit_register(void)
{
	CU_TestInfo tests[] = {
		{ "who is refused at a bound is seen by nobody", test_refused },
		{ "a connection that is put back is never seen twice", test_passes },
		{ "what waited for a pool that is no more", test_replaced },
		CU_TEST_INFO_NULL,
	};

	return suite_add("http: circuit", tests);
}

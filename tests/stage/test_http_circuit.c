/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP listeners: what a pool may have at a time, all workers together. Who is refused, and a
 * connection that goes over from its request to those that wait for one, is never seen by others as
 * one too many.
 */
#include <pthread.h>
#include <stdlib.h>

#include <CUnit/CUnit.h>

#include "dp/l7/internal.h"
#include "http_world.h"
#include "suites.h"

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

int
test_http_circuit_register(void)
{
	CU_TestInfo tests[] = {
		{ "who is refused at a bound is seen by nobody", test_refused },
		{ "a connection that is put back is never seen twice", test_passes },
		CU_TEST_INFO_NULL,
	};

	return suite_add("http: circuit", tests);
}

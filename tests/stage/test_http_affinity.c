/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP listeners: affinity cookies. One that names a backend of the route's leads there; one that
 * somebody has made up costs no more than none.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <CUnit/CUnit.h>
#include <rte_cycles.h>

#include "dp/l7/internal.h"
#include "http_world.h"
#include "suites.h"

#define MEMBERS 60000u
#define SLOTS   (1u << 17)
#define ASKED   2000

/* A pool of many, and one request that is to be placed again and again. */
struct many {
	struct http_world *w;
	struct http *h;
	struct backend *backends;
	uint32_t *members, *by_id;
	struct http_session session;
	char head[200];
};

static uint64_t
id_of(uint32_t backend)
{
	return (backend + 1) * 0x9e3779b97f4a7c15ull;
}

static void
pool_fill(struct many *m)
{
	struct fixture *f = m->w->wire.f;
	uint32_t i, at;

	m->backends = calloc(MEMBERS, sizeof(*m->backends));
	m->members = calloc(MEMBERS, sizeof(*m->members));
	m->by_id = calloc(SLOTS, sizeof(*m->by_id));
	for (i = 0; i < MEMBERS; i++) {
		m->backends[i] = f->backends[0];
		m->backends[i].id = id_of(i);
		m->members[i] = i;
		at = (uint32_t)id_of(i) & (SLOTS - 1);
		while (m->by_id[at])
			at = (at + 1) & (SLOTS - 1);
		m->by_id[at] = i + 1;
	}
	f->snapshot.backends = m->backends;
	f->snapshot.n_backends = MEMBERS;
	f->pools[0].members = m->members;
	f->pools[0].n_members = MEMBERS;
	f->pools[0].by_id = m->by_id;
	f->pools[0].id_mask = SLOTS - 1;
}

static void
many_create(struct many *m)
{
	memset(m, 0, sizeof(*m));
	m->w = http_world_create(&(struct http_world_plan){ .wire = { .seed = 1 } });
	m->w->routes[0].affinity_cookie = (struct http_text){ "stay", 4 };
	http_world_start(m->w);
	m->h = proxy_http(worker_proxy(m->w->wire.f->worker));
	pool_fill(m);
	m->session.x = &m->h->exchanges[0];
	m->session.x->route = &m->w->routes[0];
}

static void
many_destroy(struct many *m)
{
	struct fixture *f = m->w->wire.f;

	memset(m->session.x, 0, sizeof(*m->session.x));
	f->snapshot.backends = f->backends;
	f->pools[0].n_members = 1;
	f->pools[0].members = f->members[0];
	CU_ASSERT_PTR_NULL(http_world_destroy(m->w));
	free(m->backends);
	free(m->members);
	free(m->by_id);
}

/* Whom the request with this cookie goes to. */
static uint32_t
choose(struct many *m, const char *cookie)
{
	snprintf(m->head, sizeof(m->head), "GET / HTTP/1.1\r\nHost: h\r\n%s\r\n", cookie);
	http_request_start(&m->h->head);
	CU_ASSERT_EQUAL(http_request_parse(&m->h->head, &m->w->listener.head,
					   (const uint8_t *)m->head, strlen(m->head)),
			HTTP_DONE);
	return http_choose(m->h, &m->session, (const uint8_t *)m->head);
}

static uint32_t
choose_by_id(struct many *m, uint64_t id)
{
	char cookie[64];

	snprintf(cookie, sizeof(cookie), "Cookie: a=b; stay=%016lx; c=d\r\n", (unsigned long)id);
	return choose(m, cookie);
}

/* It is kept to; other than that, as if there were no cookie. */
static void
test_kept(void)
{
	struct many m;
	uint32_t i;

	many_create(&m);
	for (i = 0; i < MEMBERS; i += 97) {
		CU_ASSERT_EQUAL(choose_by_id(&m, id_of(i)), i);
		CU_ASSERT_FALSE(m.session.x->set_cookie);
	}
	m.backends[7].weight = 0; /* draining: those who know it go on */
	CU_ASSERT_EQUAL(choose_by_id(&m, id_of(7)), 7);
	m.backends[7].flags = 0; /* down */
	CU_ASSERT_NOT_EQUAL(choose_by_id(&m, id_of(7)), 7);
	CU_ASSERT(m.session.x->set_cookie);
	m.h->backends[8].out_until = UINT64_MAX;
	CU_ASSERT_NOT_EQUAL(choose_by_id(&m, id_of(8)), 8);
	m.members[9] = INDEX_NONE; /* gone */
	CU_ASSERT_NOT_EQUAL(choose_by_id(&m, id_of(9)), 9);
	CU_ASSERT_NOT_EQUAL(choose_by_id(&m, 1), INDEX_NONE); /* made up */
	CU_ASSERT(m.session.x->set_cookie);
	m.h->backends[8].out_until = 0;
	many_destroy(&m);
}

/* Cycles for so many that are chosen; made_up: by a cookie that names nobody. The least of some. */
static uint64_t
cost(struct many *m, bool made_up)
{
	uint64_t least = UINT64_MAX;
	uint32_t i, k;

	for (k = 0; k < 3; k++) {
		uint64_t began = rte_rdtsc();

		for (i = 0; i < ASKED; i++)
			if (made_up)
				choose_by_id(m, i);
			else
				choose(m, "");
		least = RTE_MIN(least, rte_rdtsc() - began);
	}
	return least;
}

static void
test_made_up(void)
{
	uint64_t none, made_up;
	struct many m;

	many_create(&m);
	none = cost(&m, false);
	made_up = cost(&m, true);
	/* a look at each member makes it dozens of times as much */
	if (made_up > 8 * none)
		fprintf(stderr, "affinity: %.1f times as long\n", (double)made_up / (double)none);
	CU_ASSERT(made_up <= 8 * none);
	many_destroy(&m);
}

int
test_http_affinity_register(void)
{
	CU_TestInfo tests[] = {
		{ "a cookie that names a backend", test_kept },
		{ "one that is made up costs little", test_made_up },
		CU_TEST_INFO_NULL,
	};

	return suite_add("http: affinity", tests);
}

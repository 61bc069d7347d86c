/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP listeners: which requests are sent to a second pool as well, and with what body. Both pools
 * are one here, so what backends are asked is there twice.
 */
#include <stdio.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "dp/l7/internal.h"
#include "http_world.h"
#include "suites.h"

static struct http_world *
world_create(uint32_t seed)
{
	struct http_world *w = http_world_create(
	    &(struct http_world_plan){ .wire = { .seed = seed, .ip6 = seed & 1 } });

	w->routes[0].mirror_slot = 0;
	w->routes[0].mirror_epoch = 1;
	w->routes[0].mirror_share = UINT32_MAX;
	http_world_start(w);
	return w;
}

static char content[200001], request[300000], head[200], want[200200];

/* A body of so many bytes, in chunks of `chunk` or (0) with its length. */
static size_t
make(uint32_t size, uint32_t chunk)
{
	int n = sprintf(request, "POST /p?q HTTP/1.1\r\nHost: h\r\nX-A: b\r\n");
	uint32_t at, part;

	if (!chunk) {
		n += sprintf(request + n, "Content-Length: %u\r\n\r\n%.*s", size, (int)size,
			     content);
		return (size_t)n;
	}
	n += sprintf(request + n, "Transfer-Encoding: chunked\r\n\r\n");
	for (at = 0; at < size; at += part) {
		part = RTE_MIN(chunk, size - at);
		n += sprintf(request + n, "%x;e\r\n%.*s\r\n", part, (int)part, content + at);
	}
	return (size_t)n + (size_t)sprintf(request + n, "0\r\nX-Sum: 1\r\n\r\n");
}

static bool
counted(const struct http_world *w, uint64_t mirrors, uint64_t skipped)
{
	const struct http_counters *n = http_world_counters(w);

	if (n->mirrors == mirrors && n->mirrors_skipped == skipped)
		return true;
	fprintf(stderr, "%lu mirrored, %lu not: %s\n", (unsigned long)n->mirrors,
		(unsigned long)n->mirrors_skipped, head);
	return false;
}

/* Was a backend asked for this, and besides for nothing but what else is the request? */
static bool
asked_plain(struct http_world *w, uint32_t size)
{
	sprintf(want, "X-A: b\r\nContent-Length: %u\r\n\r\n%.*s", size, (int)size, content);
	return strstr(http_world_asked(w), want) != NULL;
}

static const struct {
	uint32_t size, chunk;
	size_t cut; /* the request's first segment ends there, 0: as it likes */
	bool copied;
} bodies[] = {
	{ 600, 0, 0, true },         { 600, 0, 100, true },     { 600, 7, 0, true },
	{ 600, 599, 120, true },     { 0, 1, 0, true },         { 30000, 0, 0, true },
	{ 65536, 0, 0, true },       { 65537, 0, 0, false },    { 65536, 1000, 0, true },
	{ 65536, 65536, 0, true },   { 65537, 1000, 0, false }, { 200000, 0, 0, false },
	{ 200000, 50000, 0, false },
};

static void
test_bodies(void)
{
	uint32_t i, k;

	memset(content, 'x', sizeof(content) - 1);
	for (i = 0; i < sizeof(content) - 1; i += 10)
		content[i] = (char)('a' + i / 10 % 26);
	for (i = 0; i < RTE_DIM(bodies); i++) {
		for (k = 0; k < 2; k++) {
			struct http_world *w = world_create(20 + k);
			struct http_end *c = http_client_open(w);
			const char *all;

			http_say_bytes(c, request, make(bodies[i].size, bodies[i].chunk));
			c->cut = bodies[i].cut;
			sprintf(head, "%u bytes in chunks of %u", bodies[i].size, bodies[i].chunk);
			CU_ASSERT(http_world_wait(w, c, 1));
			CU_ASSERT_EQUAL(c->reader.status, 200);
			http_world_run(w, 200);
			CU_ASSERT(counted(w, bodies[i].copied, !bodies[i].copied));
			/* the copy is the only one with a length, or both are */
			if (bodies[i].copied)
				CU_ASSERT(asked_plain(w, bodies[i].size));
			all = http_world_asked(w);
			all = strstr(all, "POST /p?q");
			CU_ASSERT(all && !strstr(all + 1, "POST /p?q") == !bodies[i].copied);
			CU_ASSERT_PTR_NULL(http_world_destroy(w));
		}
	}
}

/* An answer that begins before the end of the body changes nothing. */
static void
test_early(void)
{
	static const char *const answers[] = { "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nok",
					       NULL };
	struct http_world *w = world_create(23);
	struct http_end *c = http_client_open(w);
	size_t length = make(5000, 100);

	w->answers = answers;
	w->early = true;
	http_say_bytes(c, request, 3000);
	http_world_run(w, 100);
	CU_ASSERT(c->reader.heads == 1);
	http_say_bytes(c, request + 3000, length - 3000);
	http_world_run(w, 300);
	CU_ASSERT(counted(w, 1, 0));
	CU_ASSERT(asked_plain(w, 5000));
	http_say(http_world_backend(w), "ay");
	CU_ASSERT(http_world_wait(w, c, 1));
	CU_ASSERT_PTR_NULL(http_world_destroy(w));
}

/* A body that does not come to its end is not sent; so many are copied at a time, and those that
 * are not copied are served. */
static void
test_unfinished(void)
{
	struct http_world *w = http_world_create(&(struct http_world_plan){
	    .wire = { .seed = 24, .sessions = 128, .backend_connections = 128 } });
	struct http_end *clients[HTTP_WORLD_ENDS - 1], *c;
	struct http *h;
	uint32_t i;

	w->routes[0].mirror_slot = 0;
	w->routes[0].mirror_epoch = 1;
	w->routes[0].mirror_share = UINT32_MAX;
	http_world_start(w);
	h = proxy_http(worker_proxy(w->wire.f->worker));
	h->copying = 0xffffffffull << 32; /* half of the room is another's */
	make(5000, 100);
	for (i = 0; i < RTE_DIM(clients); i++) {
		clients[i] = http_client_silent(w);
		http_say_bytes(clients[i], request, 3000);
		http_world_run(w, 10);
	}
	http_world_run(w, 100);
	CU_ASSERT_EQUAL(h->copying, UINT64_MAX);
	CU_ASSERT(counted(w, 0, RTE_DIM(clients) - 32));
	c = http_client_silent(w);
	http_say_bytes(c, request, make(1000, 100));
	CU_ASSERT(http_world_wait(w, c, 1));
	CU_ASSERT_EQUAL(c->reader.status, 200);
	for (i = 0; i < RTE_DIM(clients); i++)
		http_reset(clients[i]);
	http_world_run(w, 100);
	CU_ASSERT_EQUAL(h->copying, 0xffffffffull << 32);
	CU_ASSERT(counted(w, 0, RTE_DIM(clients) + 1));
	h->copying = 0;
	CU_ASSERT_PTR_NULL(http_world_destroy(w));
}

int
test_http_mirror_register(void)
{
	CU_TestInfo tests[] = {
		{ "bodies", test_bodies },
		{ "an early answer", test_early },
		{ "bodies that do not end", test_unfinished },
		CU_TEST_INFO_NULL,
	};

	return suite_add("http: mirrors", tests);
}

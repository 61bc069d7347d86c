/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/http/routes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cp/compile/http_table.h"
#include "dp/l7/route.h"
#include "dp/l7/route_table.h"

#define HOSTS     10000
#define PATHS     1000
#define EACH      10 /* routes of a host, where it has several */
#define REQUESTS  16384
#define AHEAD     8
#define ELSEWHERE ((size_t)4 * 1024 * 1024)
#define LINES     64

/* What a table has: `paths` routes for any host, then for each of `hosts` so many. `busy`: between
 * two requests other memory is read, as all else that a worker does for a request would. */
static const struct kind {
	const char *name;
	size_t paths, hosts, each;
	bool busy;
} kinds[] = {
	{ "route: of 1", 1, 0, 0, false },
	{ "route: of 1,000 paths", PATHS, 0, 0, false },
	{ "route: of 10,000 hosts", 0, HOSTS, 1, false },
	{ "route: of both", PATHS, HOSTS, 1, false },
	{ "route: of hosts x 10", PATHS, HOSTS, EACH, false },
	{ "busy: of 1", 1, 0, 0, true },
	{ "busy: of 1,000 paths", PATHS, 0, 0, true },
	{ "busy: of 10,000 hosts", 0, HOSTS, 1, true },
	{ "busy: of both", PATHS, HOSTS, 1, true },
	{ "busy: of hosts x 10", PATHS, HOSTS, EACH, true },
};

struct request {
	uint8_t host_length, path_length;
	char host[54], path[64];
	uint32_t route;
};

struct bench_routes {
	const struct kind *kind;
	struct http_table *table;
	struct http_scratch *scratch;
	struct http_head head;
	uint8_t bytes[256];
	size_t next;
	uint64_t random, sum;
	struct request requests[REQUESTS];
	uint8_t elsewhere[ELSEWHERE];
};

static uint64_t
random_of(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

/* ---- routes and requests --------------------------------------------------------------------- */

static const char *const words[] = {
	"users",   "orders",  "static", "images", "search", "account", "products", "checkout",
	"reports", "history", "v1",     "v2",     "admin",  "files",   "events",   "messages",
};

#define WORDS (sizeof(words) / sizeof(words[0]))

/* Path n of those for any host: words in common, and of several lengths. */
static int
path_of(char *out, size_t size, size_t n)
{
	return snprintf(out, size, "/%s/%s/%zu/", words[n % WORDS], words[n / 7 % WORDS], n);
}

static int
host_of(char *out, size_t size, size_t n)
{
	return snprintf(out, size, "%s-%zu.shops.example", words[n % WORDS], n * 7919 % 100003);
}

static int
path_of_host(char *out, size_t size, size_t n)
{
	return snprintf(out, size, "/%s", n + 1 == EACH ? "" : words[n % WORDS]);
}

static char *
text_of(int (*write)(char *, size_t, size_t), size_t n)
{
	char text[64];

	write(text, sizeof(text), n);
	return strdup(text);
}

/* The last of a host's routes is for any path. */
static int
make_table(struct bench_routes *b)
{
	const struct kind *k = b->kind;
	size_t n = k->paths + k->hosts * k->each, i;
	struct http_route_config *routes = calloc(n, sizeof(*routes));
	int rc;

	if (!routes)
		return -1;
	for (i = 0; i < n; i++) {
		struct http_match_config *m = &routes[i].match;
		size_t of_host = i - k->paths;

		if (i < k->paths) {
			m->path = n == 1 ? strdup("/") : text_of(path_of, i);
			continue;
		}
		m->host = text_of(host_of, of_host / k->each);
		m->path = text_of(path_of_host, EACH - k->each + of_host % k->each);
	}
	rc = http_table_build(&b->table, routes, n);
	for (i = 0; i < n; i++) {
		free(routes[i].match.host);
		free(routes[i].match.path);
	}
	free(routes);
	return rc;
}

/* One request in two is for a path of any host, if there are any. */
static void
make_request(struct bench_routes *b, struct request *r)
{
	const struct kind *k = b->kind;
	size_t host = random_of(&b->random) % HOSTS, path = random_of(&b->random) % PATHS;
	size_t each = random_of(&b->random) % EACH;
	bool any = k->hosts == 0 || (k->paths > 0 && random_of(&b->random) % 2);
	int n;

	r->host_length = (uint8_t)host_of(r->host, sizeof(r->host), host);
	if (any) {
		n = path_of(r->path, sizeof(r->path), path);
		r->route = k->paths == 1 ? 0 : (uint32_t)path;
	} else {
		each = k->each == 1 ? EACH - 1 : each;
		n = path_of_host(r->path, sizeof(r->path), each);
		r->route = (uint32_t)(k->paths + host * k->each + each - (EACH - k->each));
	}
	r->path_length = (uint8_t)(n + snprintf(r->path + n, sizeof(r->path) - (size_t)n, "%s",
						any ? "view/item" : ""));
}

/* ---- the case -------------------------------------------------------------------------------- */

const char *
bench_routes_name(size_t i)
{
	return i < sizeof(kinds) / sizeof(kinds[0]) ? kinds[i].name : NULL;
}

struct bench_routes *
bench_routes_create(size_t i)
{
	static const char text[] = "GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: curl/7.88.1\r\n\r\n";
	static const struct http_limits limits = { .head = 4096, .target = 2048, .fields = 100 };
	struct bench_routes *b = calloc(1, sizeof(*b));
	size_t n;

	if (!b)
		return NULL;
	b->kind = &kinds[i];
	b->scratch = http_scratch_create();
	http_request_start(&b->head);
	if (!b->scratch || make_table(b) != 0 ||
	    http_request_parse(&b->head, &limits, (const uint8_t *)text, sizeof(text) - 1) !=
		HTTP_DONE) {
		bench_routes_destroy(b);
		return NULL;
	}
	for (n = 0; n < REQUESTS; n++)
		make_request(b, &b->requests[n]);
	memset(b->elsewhere, 1, sizeof(b->elsewhere));
	return b;
}

void
bench_routes_destroy(struct bench_routes *b)
{
	http_table_free(b->table);
	http_scratch_destroy(b->scratch);
	free(b);
}

size_t
bench_routes_size(const struct bench_routes *b)
{
	return b->table->bytes;
}

static void
work_elsewhere(struct bench_routes *b)
{
	uint64_t at = random_of(&b->random);
	size_t i;

	for (i = 0; i < LINES; i++, at += 0x9e3779b97f4a7c15ULL)
		b->sum += b->elsewhere[at >> 32 & (ELSEWHERE - 1)];
}

bool
bench_routes_run(struct bench_routes *b, size_t n)
{
	struct http_question q = { .head = &b->head, .bytes = b->bytes, .path = b->bytes + 128 };
	bool right = true;

	for (; n > 0; n--) {
		const struct request *r = &b->requests[b->next];

		b->next = (b->next + 1) & (REQUESTS - 1);
		__builtin_prefetch(&b->requests[(b->next + AHEAD) & (REQUESTS - 1)]);
		__builtin_prefetch(b->requests[(b->next + AHEAD) & (REQUESTS - 1)].path + 8);
		if (b->kind->busy)
			work_elsewhere(b);
		memcpy(b->bytes, r->host, sizeof(r->host));
		memcpy(b->bytes + 128, r->path, sizeof(r->path));
		b->head.authority.host = (struct http_span){ 0, r->host_length };
		q.path_length = r->path_length;
		right &= http_route_find(b->table, b->scratch, &q) == r->route;
	}
	return right;
}

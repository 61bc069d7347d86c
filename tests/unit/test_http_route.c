/* SPDX-License-Identifier: Apache-2.0 */
/* Routes by hand: each kind of condition, their order, and the bounds of a table. */
#include <CUnit/CUnit.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cp/compile/http_table.h"
#include "tests/unit/http_asking.h"
#include "tests/unit/suites.h"

#define NONE     HTTP_ROUTE_NONE
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct http_table *
table_of(const struct http_match_config *matches, size_t n)
{
	struct http_route_config *routes = calloc(n + 1, sizeof(*routes));
	struct http_table *table;
	size_t i;

	for (i = 0; i < n; i++)
		routes[i].match = matches[i];
	CU_ASSERT_EQUAL_FATAL(http_table_build(&table, routes, n), 0);
	/* The table keeps nothing of the configuration. */
	memset(routes, 0xa5, n * sizeof(*routes));
	free(routes);
	return table;
}

static uint32_t
find(const struct http_table *table, struct http_scratch *scratch, const char *text)
{
	static struct http_asking asking;
	size_t length = strlen(text);
	char *exact = malloc(length);
	uint32_t route;

	memcpy(exact, text, length);
	CU_ASSERT_FATAL(http_asking_read(&asking, exact, length));
	route = http_route_find(table, scratch, &asking.question);
	free(exact);
	return route;
}

struct expected {
	const char *request;
	uint32_t route;
};

static void
check(const struct http_match_config *matches, size_t n, const struct expected *expected,
      size_t n_expected)
{
	struct http_scratch *scratch = http_scratch_create();
	struct http_table *table = table_of(matches, n);
	size_t i;

	for (i = 0; i < n_expected; i++) {
		uint32_t got = find(table, scratch, expected[i].request);

		CU_ASSERT_EQUAL(got, expected[i].route);
		if (got != expected[i].route)
			printf("%u, not %u: %s\n", got, expected[i].route, expected[i].request);
	}
	http_table_free(table);
	http_scratch_destroy(scratch);
}

#define CHECK(matches, expected) check(matches, COUNT(matches), expected, COUNT(expected))
#define HOST(host)               "GET / HTTP/1.1\r\nHost: " host "\r\n\r\n"
#define PATH(path)               "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"
#define METHOD(method)           method " / HTTP/1.1\r\nHost: h\r\n\r\n"
#define FIELDS(fields)           "GET / HTTP/1.1\r\nHost: h\r\n" fields "\r\n"

/* ---- hosts ----------------------------------------------------------------------------------- */

static void
exact_hosts(void)
{
	static const struct http_match_config matches[] = {
		{ .host = "shop.example" },
		{ .host = "UPPER.Example." },
		{ .host = "[2001:db8::1]" },
		{ .host = "[2001:DB8:0:0:0::2]" },
		{ .host = "192.0.2.1" },
		{ .host = "a-name-that-is-longer-than-a-slot-of-the-table-has-room-for.example" },
	};
	static const struct expected expected[] = {
		{ HOST("shop.example"), 0 },
		{ HOST("SHOP.exAMPLE"), 0 },
		{ HOST("shop.example:8080"), 0 },
		{ HOST("shop.example."), 0 },
		{ HOST("shop.example.:80"), 0 },
		{ HOST("shop.example.."), NONE },
		{ HOST("shop.exampl"), NONE },
		{ HOST("www.shop.example"), NONE },
		{ HOST("."), NONE },
		{ HOST("upper.example"), 1 },
		{ HOST("[2001:db8::1]"), 2 },
		{ HOST("[2001:DB8::1]:443"), 2 },
		{ HOST("[2001:db8:0:0:0:0:0:1]"), 2 },
		{ HOST("[2001:db8::2]"), 3 },
		{ HOST("[2001:db8::3]"), NONE },
		{ HOST("192.0.2.1:80"), 4 },
		{ HOST("a-name-that-is-longer-than-a-slot-of-the-table-has-room-for.example"), 5 },
		{ HOST("a-name-that-is-longer-than-a-slot-of-the-table-has-room-for.examplf"),
		  NONE },
		{ "GET http://shop.example/ HTTP/1.1\r\nHost: other\r\n\r\n", 0 },
		{ "GET / HTTP/1.0\r\n\r\n", NONE },
	};

	CHECK(matches, expected);
}

static void
suffixes(void)
{
	static const struct http_match_config matches[] = {
		{ .host = "*.deep.shop.example" }, { .host = "*.shop.example" },
		{ .host = "www.shop.example" },    { .host = "*.Example." },
		{ .host = "shop.example" },        { .host = NULL },
		{ .host = "unreached" },
	};
	static const struct expected expected[] = {
		{ HOST("a.deep.shop.example"), 0 },
		{ HOST("b.a.deep.shop.example"), 0 },
		{ HOST("deep.shop.example"), 1 },
		{ HOST("www.shop.example"), 1 },
		{ HOST("WWW.SHOP.EXAMPLE.:1"), 1 },
		{ HOST("shop.example"), 3 },
		{ HOST("xshop.example"), 3 },
		{ HOST("example"), 5 },
		{ HOST(".example"), 5 },
		{ HOST("..example"), 3 },
		{ HOST("unreached"), 5 },
		{ "GET / HTTP/1.0\r\n\r\n", 5 },
	};

	CHECK(matches, expected);
}

/* The longest name that a request can have, of as many labels as that has. */
static void
many_labels(void)
{
	struct http_match_config matches[130] = { 0 };
	struct http_scratch *scratch = http_scratch_create();
	char *hosts[130], request[400], name[256];
	struct http_table *table;
	size_t i, at;

	for (i = 0; i < 255; i++)
		name[i] = i % 2 ? '.' : 'a';
	name[255] = '\0';
	/* From the shortest suffix on; none but the last is for a GET. */
	for (i = 0; i < 127; i++) {
		static char *post[] = { "POST" };

		at = 254 - 2 * i;
		hosts[i] = malloc(300);
		snprintf(hosts[i], 300, "*.%s", name + at);
		matches[i] = (struct http_match_config){ .host = hosts[i] };
		if (i < 126) {
			matches[i].methods = post;
			matches[i].n_methods = 1;
		}
	}
	table = table_of(matches, 127);
	snprintf(request, sizeof(request), HOST("%s"), name);
	CU_ASSERT_EQUAL(find(table, scratch, request), 126);
	snprintf(request, sizeof(request), "POST / HTTP/1.1\r\nHost: %s\r\n\r\n", name + 250);
	CU_ASSERT_EQUAL(find(table, scratch, request), 0);
	for (i = 0; i < 127; i++)
		free(hosts[i]);
	http_table_free(table);
	http_scratch_destroy(scratch);
}

/* The order is that of all routes, whichever host they are of. */
static void
order_of_hosts(void)
{
	static char *post[] = { "POST" };
	static const struct http_match_config matches[] = {
		{ .path = "/any" },
		{ .host = "a.example", .path = "/a", .methods = post, .n_methods = 1 },
		{ .host = "*.example", .path = "/a" },
		{ .host = "a.example" },
		{ .path = "/" },
	};
	static const struct expected expected[] = {
		{ "GET /any HTTP/1.1\r\nHost: a.example\r\n\r\n", 0 },
		{ "POST /a HTTP/1.1\r\nHost: a.example\r\n\r\n", 1 },
		{ "GET /a HTTP/1.1\r\nHost: a.example\r\n\r\n", 2 },
		{ "GET /b HTTP/1.1\r\nHost: a.example\r\n\r\n", 3 },
		{ "GET /b HTTP/1.1\r\nHost: b.example\r\n\r\n", 4 },
	};

	CHECK(matches, expected);
}

/* ---- paths ----------------------------------------------------------------------------------- */

static void
prefixes(void)
{
	static const struct http_match_config matches[] = {
		{ .path = "/api/v1/users" },  { .path_exact = "/api" },   { .path = "/api/" },
		{ .path = "/apis" },          { .path_exact = "/api/x" }, { .path = "/ap" },
		{ .path_exact = "/exact/a" }, { .path = "/exact/ab" },    { .path = "" },
	};
	static const struct expected expected[] = {
		{ PATH("/api/v1/users"), 0 },
		{ PATH("/api/v1/users/7"), 0 },
		{ PATH("/api/v1/users7"), 0 },
		{ PATH("/api/v1/user"), 2 },
		{ PATH("/api"), 1 },
		{ PATH("/api/"), 2 },
		{ PATH("/api/x"), 2 },
		{ PATH("/apis"), 3 },
		{ PATH("/apix"), 5 },
		{ PATH("/API"), 8 },
		{ PATH("/a"), 8 },
		{ PATH("/"), 8 },
		{ PATH("/exact/a"), 6 },
		{ PATH("/exact/ab"), 7 },
		{ PATH("/exact/ac"), 8 },
		{ PATH("/exact"), 8 },
		{ PATH("/%61p%69?x=/api/"), 1 },
		{ PATH("/x/../api"), 1 },
	};

	CHECK(matches, expected);
}

/* More conditions send a request on, from the longest path to the shorter ones and back. */
static void
order_of_paths(void)
{
	static char *post[] = { "POST" }, *put[] = { "PUT" };
	static const struct http_match_config matches[] = {
		{ .path = "/", .methods = put, .n_methods = 1 },
		{ .path = "/a/b", .methods = post, .n_methods = 1 },
		{ .path = "/a" },
		{ .path_exact = "/a/b" },
		{ .path_regex = "^/c" },
		{ .path_exact = "/c" },
		{ .path = "/d", .methods = post, .n_methods = 1 },
		{ .path_regex = "d" },
	};
	static const struct expected expected[] = {
		{ "PUT /a/b HTTP/1.1\r\nHost: h\r\n\r\n", 0 },
		{ "POST /a/b HTTP/1.1\r\nHost: h\r\n\r\n", 1 },
		{ PATH("/a/b"), 2 },
		{ PATH("/c"), 4 },
		{ PATH("/d"), 7 },
		{ PATH("/b"), NONE },
	};

	CHECK(matches, expected);
}

static void
regexes(void)
{
	static const struct http_match_config matches[] = {
		{ .path_regex = "^/user/[0-9]+$" },
		{ .path_regex = "\\.(jpg|png)$" },
		{ .path_regex = "(?i)/ADMIN" },
		{ .path_regex = "^/(.)\\1$" },
	};
	static const struct expected expected[] = {
		{ PATH("/user/42"), 0 }, { PATH("/user/42/"), NONE }, { PATH("/user/"), NONE },
		{ PATH("/a/b.jpg"), 1 }, { PATH("/a/b.jpgx"), NONE }, { PATH("/x/Admin/y"), 2 },
		{ PATH("/zz"), 3 },      { PATH("/zy"), NONE },
	};

	CHECK(matches, expected);
}

/* ---- what else ------------------------------------------------------------------------------- */

static void
methods(void)
{
	static char *reading[] = { "GET", "HEAD" }, *own[] = { "PURGE", "get" },
		    *mixed[] = { "POST", "PURGE-ALL" };
	static const struct http_match_config matches[] = {
		{ .methods = reading, .n_methods = 2 },
		{ .methods = own, .n_methods = 2 },
		{ .methods = mixed, .n_methods = 2 },
	};
	static const struct expected expected[] = {
		{ METHOD("GET"), 0 },    { METHOD("HEAD"), 0 },      { METHOD("PURGE"), 1 },
		{ METHOD("get"), 1 },    { METHOD("POST"), 2 },      { METHOD("PURGE-ALL"), 2 },
		{ METHOD("PUT"), NONE }, { METHOD("PURGE-"), NONE }, { METHOD("post"), NONE },
	};

	CHECK(matches, expected);
}

static void
fields(void)
{
	static struct http_condition_config value = { .name = "X-Env", .value = "prod" },
					    present = { .name = "x-debug" },
					    regex = { .name = "User-Agent", .regex = "^curl/" },
					    known = { .name = "cookie", .value = "a=1" },
					    empty = { .name = "x-empty", .value = "" };
	static struct http_condition_config both[] = { { .name = "x-a", .value = "1" },
						       { .name = "x-b" } };
	static const struct http_match_config matches[] = {
		{ .headers = &value, .n_headers = 1 }, { .headers = &present, .n_headers = 1 },
		{ .headers = &regex, .n_headers = 1 }, { .headers = &known, .n_headers = 1 },
		{ .headers = &empty, .n_headers = 1 }, { .headers = both, .n_headers = 2 },
	};
	static const struct expected expected[] = {
		{ FIELDS("X-Env: prod\r\n"), 0 },
		{ FIELDS("x-eNV:prod  \r\n"), 0 },
		{ FIELDS("X-Env: test\r\nX-Env: prod\r\n"), 0 },
		{ FIELDS("X-Env: Prod\r\n"), NONE },
		{ FIELDS("X-Env: prod, test\r\n"), NONE },
		{ FIELDS("X-Envy: prod\r\n"), NONE },
		{ FIELDS("X-DEBUG:\r\n"), 1 },
		{ FIELDS("User-Agent: curl/7.88\r\n"), 2 },
		{ FIELDS("User-Agent: not curl/7.88\r\n"), NONE },
		{ FIELDS("Cookie: b=2\r\nCOOKIE: a=1\r\n"), 3 },
		{ FIELDS("X-Empty: \r\n"), 4 },
		{ FIELDS("X-Empty: x\r\n"), NONE },
		{ FIELDS("x-a: 1\r\nx-b: any\r\n"), 5 },
		{ FIELDS("x-a: 1\r\n"), NONE },
		{ FIELDS(""), NONE },
	};

	CHECK(matches, expected);
}

static void
queries(void)
{
	static struct http_condition_config value = { .name = "v", .value = "a b&c" },
					    present = { .name = "debug" },
					    regex = { .name = "id", .regex = "^[0-9a]+$" },
					    empty = { .name = "e", .value = "" },
					    plus = { .name = "p", .value = "1+1" };
	static const struct http_match_config matches[] = {
		{ .queries = &value, .n_queries = 1 }, { .queries = &present, .n_queries = 1 },
		{ .queries = &regex, .n_queries = 1 }, { .queries = &empty, .n_queries = 1 },
		{ .queries = &plus, .n_queries = 1 },
	};
	static const struct expected expected[] = {
		{ PATH("/?v=a%20b%26c"), 0 },
		{ PATH("/?%76=%61%20b%26%63"), 0 },
		{ PATH("/?x=1&v=2&v=a%20b%26c"), 0 },
		{ PATH("/?v=a%20b%26cd"), NONE },
		{ PATH("/?v=a%20b%26"), NONE },
		{ PATH("/?v=a+b%26c"), NONE },
		{ PATH("/?V=a%20b%26c"), NONE },
		{ PATH("/?debug"), 1 },
		{ PATH("/?a&debug=0"), 1 },
		{ PATH("/?debug2"), NONE },
		{ PATH("/?debu"), NONE },
		{ PATH("/debug"), NONE },
		{ PATH("/?id=12"), 2 },
		{ PATH("/?id=x&id=12"), 2 },
		{ PATH("/?id=1%61%31"), 2 },
		{ PATH("/?id=1%0A"), NONE },
		{ PATH("/?id=1%"), NONE },
		{ PATH("/?e"), 3 },
		{ PATH("/?e="), 3 },
		{ PATH("/?e=%"), NONE },
		{ PATH("/?p=1+1"), 4 },
		{ PATH("/?p=1%2B1"), 4 },
		{ PATH("/?"), NONE },
		{ PATH("/?&&="), NONE },
		{ PATH("/?&&=&debug"), 1 },
	};

	CHECK(matches, expected);
}

/* ---- bounds ---------------------------------------------------------------------------------- */

static double
seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* However it is written and whatever is asked, an expression stops soon. */
static void
evil_regexes(void)
{
	static const char *const evil[] = {
		"^/(a+)+$",
		"(a|aa)+$",
		"(*NO_JIT)^/(a+)+$",
		"(*NO_JIT)(a|aa)+(b|c)",
		"(*NO_JIT)^/(?:(a)|b|c|a)*$",
		"((x+x+)+y|(a*)*b)$",
	};
	struct http_match_config matches[COUNT(evil) * 8] = { 0 };
	struct http_scratch *scratch = http_scratch_create();
	struct http_table *table;
	uint64_t limited = 0;
	char request[8300];
	double begun, took;
	size_t i, length;

	for (i = 0; i < COUNT(matches); i++)
		matches[i].path_regex = (char *)(uintptr_t)evil[i % COUNT(evil)];
	table = table_of(matches, COUNT(matches));
	for (length = 30; length < 8192; length *= 2) {
		snprintf(request, sizeof(request), "GET /%*s! HTTP/1.1\r\nHost: h\r\n\r\n",
			 (int)length, "");
		memset(request + 5, 'a', length);
		begun = seconds();
		CU_ASSERT_EQUAL(find(table, scratch, request), NONE);
		took = seconds() - begun;
		CU_ASSERT(took < 0.2);
		/* Each of the table's expressions is given up, but for those that cannot match. */
		CU_ASSERT(http_scratch_limited(scratch) - limited > COUNT(matches) / 2);
		limited = http_scratch_limited(scratch);
	}
	http_table_free(table);
	/* The request after that is not judged by it. */
	table = table_of(&(struct http_match_config){ .path_regex = "^/a+!$" }, 1);
	CU_ASSERT_EQUAL(find(table, scratch, PATH("/aa!")), 0);
	http_table_free(table);
	http_scratch_destroy(scratch);
}

static void
too_long_for_regexes(void)
{
	static struct http_condition_config query = { .name = "q", .regex = "b" };
	static const struct http_match_config matches[] = {
		{ .path_regex = "a" },
		{ .queries = &query, .n_queries = 1 },
	};
	struct http_scratch *scratch = http_scratch_create();
	struct http_table *table = table_of(matches, 2);
	char request[16000];
	int n;

	n = snprintf(request, sizeof(request), "GET /%*sa HTTP/1.1\r\nHost: h\r\n\r\n", 5000, "");
	memset(request + 5, 'x', 4000);
	memset(request + 4005, 'y', 1000);
	CU_ASSERT_FATAL(n > 0);
	CU_ASSERT_EQUAL(find(table, scratch, request), NONE);
	CU_ASSERT_EQUAL(http_scratch_limited(scratch), 1);
	snprintf(request, sizeof(request), "GET /?q=%%62%*s HTTP/1.1\r\nHost: h\r\n\r\n", 5000, "");
	memset(request + 11, 'x', 5000);
	CU_ASSERT_EQUAL(find(table, scratch, request), NONE);
	CU_ASSERT_EQUAL(http_scratch_limited(scratch), 2);
	http_table_free(table);
	http_scratch_destroy(scratch);
}

static void
wrong_regexes(void)
{
	struct http_route_config route = { .match = { .path_regex = "/(a" } };
	struct http_condition_config header = { .name = "a", .regex = "[" };
	struct http_table *table;
	const char *what;
	size_t offset = 0;

	CU_ASSERT_EQUAL(http_table_build(&table, &route, 1), -EINVAL);
	CU_ASSERT_PTR_NULL(table);
	what = http_regex_check("/(a", &offset);
	CU_ASSERT_PTR_NOT_NULL_FATAL(what);
	CU_ASSERT(strstr(what, "parenthesis") != NULL);
	CU_ASSERT_EQUAL(offset, 3);
	CU_ASSERT_PTR_NULL(http_regex_check("/(a)", &offset));
	CU_ASSERT_PTR_NOT_NULL(http_regex_check("(*UTF)a", &offset));
	route.match = (struct http_match_config){ .headers = &header, .n_headers = 1 };
	CU_ASSERT_EQUAL(http_table_build(&table, &route, 1), -EINVAL);
	http_table_free(NULL);
	http_scratch_destroy(NULL);
}

static void
empty_table(void)
{
	struct http_scratch *scratch = http_scratch_create();
	struct http_table *table = table_of(NULL, 0);

	CU_ASSERT_EQUAL(find(table, scratch, HOST("a")), NONE);
	http_table_free(table);
	http_scratch_destroy(scratch);
}

/* Each of the many paths would have to list each of the many routes for any path. */
static void
too_large(void)
{
	static char *post[] = { "POST" };
	size_t i, half = 12000;
	struct http_route_config *routes = calloc(2 * half, sizeof(*routes));
	struct http_table *table;
	char(*paths)[16] = calloc(half, sizeof(*paths));

	for (i = 0; i < half; i++) {
		snprintf(paths[i], sizeof(paths[i]), "/%zu", i);
		routes[i].match.methods = post;
		routes[i].match.n_methods = 1;
		routes[half + i].match.path = paths[i];
	}
	CU_ASSERT_EQUAL(http_table_build(&table, routes, 2 * half), -E2BIG);
	CU_ASSERT_PTR_NULL(table);
	/* In the other order none does. */
	for (i = 0; i < half; i++) {
		routes[i].match.path = paths[i];
		routes[i].match.n_methods = 0;
		routes[half + i].match =
		    (struct http_match_config){ .methods = post, .n_methods = 1 };
	}
	CU_ASSERT_EQUAL(http_table_build(&table, routes, 2 * half), 0);
	http_table_free(table);
	free(paths);
	free(routes);
}

int
test_http_route_register(void)
{
	static const CU_TestInfo tests[] = {
		{ "exact hosts", exact_hosts },
		{ "suffixes", suffixes },
		{ "many labels", many_labels },
		{ "order of hosts", order_of_hosts },
		{ "prefixes", prefixes },
		{ "order of paths", order_of_paths },
		{ "regular expressions", regexes },
		{ "methods", methods },
		{ "fields", fields },
		{ "query parameters", queries },
		{ "evil regular expressions", evil_regexes },
		{ "too long for regular expressions", too_long_for_regexes },
		{ "wrong regular expressions", wrong_regexes },
		{ "no routes", empty_table },
		{ "too large a table", too_large },
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = {
		{ .pName = "HTTP routes", .pTests = (CU_TestInfo *)(uintptr_t)tests },
		CU_SUITE_INFO_NULL,
	};

	return CU_register_suites(suites);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a request's head, and if they are one, its route in a table that has all kinds of
 * conditions: it is that of the first table of one route in which the request finds any, so what is
 * found does not hang on what else there is. Each head and each path lies in a block of its own
 * length.
 */
#include <stdlib.h>
#include <string.h>

#include "cp/compile/http_table.h"
#include "dp/l7/route.h"
#include "lib/http/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SIZE_MAX_HERE 2048
#define ROUTES        (sizeof(matches) / sizeof(matches[0]))

static char *post[] = { "POST", "PUT" }, *other[] = { "PURGE" };
static struct http_condition_config fields[] = {
	{ .name = "x-a" },
	{ .name = "Cookie", .value = "b=1" },
	{ .name = "x-c", .regex = "^(a|aa)+$" },
};
static struct http_condition_config parameters[] = {
	{ .name = "a" },
	{ .name = "b", .value = "1 2" },
	{ .name = "c", .regex = "^[0-9]+$" },
};

static struct http_match_config matches[] = {
	{ .host = "a.example", .path_exact = "/a" },
	{ .host = "*.a.example", .path = "/a/b", .methods = post, .n_methods = 2 },
	{ .host = "*.example", .path = "/a", .headers = &fields[0], .n_headers = 1 },
	{ .host = "[2001:db8::1]" },
	{ .path = "/a/long/prefix/", .headers = &fields[1], .n_headers = 1 },
	{ .path = "/a/long/prelude", .queries = &parameters[0], .n_queries = 1 },
	{ .path_regex = "^/(a|b)+/[0-9]*$", .methods = other, .n_methods = 1 },
	{ .path_regex = "(a+)+!", .headers = &fields[2], .n_headers = 1 },
	{ .path_exact = "/", .queries = &parameters[1], .n_queries = 1 },
	{ .host = "b.example.", .queries = &parameters[2], .n_queries = 1 },
	{ .host = "*.B.example", .path = "/b" },
	{ .path = "/c" },
};

static void
must(bool condition)
{
	if (!condition)
		abort();
}

/* Made once: the last one has all routes, the others one each. */
static struct http_table *tables[ROUTES + 1];
static struct http_scratch *scratch;

static void
make_tables(void)
{
	static struct http_route_config routes[ROUTES];
	size_t i;

	for (i = 0; i < ROUTES; i++)
		routes[i].match = matches[i];
	for (i = 0; i < ROUTES; i++)
		must(http_table_build(&tables[i], &routes[i], 1) == 0);
	must(http_table_build(&tables[ROUTES], routes, ROUTES) == 0);
	scratch = http_scratch_create();
	must(scratch != NULL);
}

static void
check(const struct http_question *q)
{
	uint64_t limited = http_scratch_limited(scratch);
	uint32_t found = http_route_find(tables[ROUTES], scratch, q), i;

	must(found == HTTP_ROUTE_NONE || found < ROUTES);
	must(http_route_find(tables[ROUTES], scratch, q) == found);
	for (i = 0; i < ROUTES; i++)
		if (http_route_find(tables[i], scratch, q) == 0)
			break;
	/* An expression that was given up for one may not have been for the other. */
	must(found == (i < ROUTES ? i : HTTP_ROUTE_NONE) ||
	     http_scratch_limited(scratch) > limited);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct http_limits limits = { .head = 2048, .target = 2048, .fields = 100 };
	struct http_head head;
	struct http_path path;
	uint8_t *bytes, *exact;

	if (!scratch)
		make_tables();
	if (size > SIZE_MAX_HERE)
		return 0;
	http_request_start(&head);
	if (http_request_parse(&head, &limits, data, size) != HTTP_DONE)
		return 0;
	bytes = malloc(head.length);
	memcpy(bytes, data, head.length);
	path =
	    (struct http_path){ malloc(3u * head.path.length + 1), 3u * head.path.length + 1, 0 };
	if (http_path_normal(&path, head.length & 1, bytes + head.path.at, head.path.length) ==
	    HTTP_PATH_OK) {
		exact = malloc(path.length);
		memcpy(exact, path.bytes, path.length);
		check(&(struct http_question){ &head, bytes, exact, path.length });
		free(exact);
	}
	free(path.bytes);
	free(bytes);
	return 0;
}

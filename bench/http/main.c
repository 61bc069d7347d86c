/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-http: nanoseconds that the HTTP codec takes for typical heads, on one core: to read one, to
 * find its end, to write it anew with what a proxy adds, and a path's normal form; and to find a
 * request's route.
 *
 *     bench-http [--json FILE]
 *
 * The bytes are in the cache, as they are when a worker has put them together. Each figure is the
 * median of many rounds, beside the least.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/common/samples.h"
#include "bench/http/routes.h"
#include "bench/http/seen.h"
#include "lib/http/path.h"
#include "lib/http/write.h"

#define ROUNDS 301
#define TIMES  2000

static const char curl[] = "GET /index.html HTTP/1.1\r\n"
			   "Host: www.example.org\r\n"
			   "User-Agent: curl/7.88.1\r\n"
			   "Accept: */*\r\n\r\n";

static const char browser[] =
    "GET /articles/2024/05/how-things-work?ref=front&page=2 HTTP/1.1\r\n"
    "Host: www.example.org\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8\r\n"
    "Accept-Language: en-GB,en;q=0.7,de;q=0.3\r\n"
    "Accept-Encoding: gzip, deflate, br\r\n"
    "Referer: https://www.example.org/articles/2024/\r\n"
    "Connection: keep-alive\r\n"
    "Cookie: session=8d7f0a6b5c4d3e2f1a0b9c8d7e6f5a4b; theme=dark\r\n"
    "Upgrade-Insecure-Requests: 1\r\n"
    "Sec-Fetch-Dest: document\r\n"
    "Sec-Fetch-Mode: navigate\r\n\r\n";

static const char response[] = "HTTP/1.1 200 OK\r\n"
			       "Server: nginx/1.22.1\r\n"
			       "Date: Mon, 06 May 2024 10:11:12 GMT\r\n"
			       "Content-Type: text/html; charset=utf-8\r\n"
			       "Content-Length: 10240\r\n"
			       "Last-Modified: Sun, 05 May 2024 10:11:12 GMT\r\n"
			       "Connection: keep-alive\r\n"
			       "ETag: \"66375e30-2800\"\r\n"
			       "Accept-Ranges: bytes\r\n\r\n";

static const struct http_limits limits = { .head = 16384, .target = 8192, .fields = 100 };

enum work { READ_REQUEST, READ_RESPONSE, FIND_END, WRITE_REQUEST, NORMAL_PATH };

static const struct {
	const char *name, *text;
	enum work work;
} cases[] = {
	{ "read: curl", curl, READ_REQUEST },
	{ "read: browser", browser, READ_REQUEST },
	{ "read: response", response, READ_RESPONSE },
	{ "find the end: browser", browser, FIND_END },
	{ "write: curl", curl, WRITE_REQUEST },
	{ "write: browser", browser, WRITE_REQUEST },
	{ "path: plain", "/articles/2024/05/how-things-work", NORMAL_PATH },
	{ "path: escapes", "/a%62c/./d/%2e%2e/%c3%a9/f//g", NORMAL_PATH },
};

static void
must(bool condition, const char *name)
{
	if (condition)
		return;
	fprintf(stderr, "bench-http: %s: not understood\n", name);
	exit(1);
}

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* A head that is read, and where it is written to. */
struct scratch {
	struct http_head head;
	uint8_t out[4096];
};

static bool
write_request(struct scratch *s, const uint8_t *bytes)
{
	struct http_edit edits[] = {
		http_edit_text(HTTP_EDIT_SET, "X-Forwarded-For", "203.0.113.57"),
		http_edit_text(HTTP_EDIT_SET, "X-Forwarded-Proto", "https"),
	};
	struct http_change change = { .edits = edits, .n_edits = 2 };

	return http_request_write(&s->head, bytes, &change,
				  (struct http_out){ s->out, sizeof(s->out) }) > 0;
}

static bool
once(enum work work, struct scratch *s, const uint8_t *bytes, size_t len)
{
	struct http_path path = { s->out, sizeof(s->out), 0 };
	uint32_t scanned = 0;

	switch (work) {
	case READ_REQUEST:
		http_request_start(&s->head);
		return http_request_parse(&s->head, &limits, bytes, len) == HTTP_DONE;
	case READ_RESPONSE:
		http_response_start(&s->head, HTTP_GET);
		return http_response_parse(&s->head, &limits, bytes, len) == HTTP_DONE;
	case FIND_END:
		return http_head_end(bytes, len, &scanned);
	case WRITE_REQUEST:
		return write_request(s, bytes);
	default:
		return http_path_normal(&path, 0, bytes, len) == HTTP_PATH_OK;
	}
}

static void
run(size_t i, struct samples *result)
{
	const uint8_t *bytes = (const uint8_t *)cases[i].text;
	size_t len = strlen(cases[i].text);
	static struct scratch s;
	uint64_t begun;
	int round, n;

	if (cases[i].work == WRITE_REQUEST)
		must(once(READ_REQUEST, &s, bytes, len), cases[i].name);
	for (round = 0; round < ROUNDS; round++) {
		begun = now_ns();
		for (n = 0; n < TIMES; n++)
			must(once(cases[i].work, &s, bytes, len), cases[i].name);
		samples_add(result, (double)(now_ns() - begun) / TIMES);
	}
}

static void
run_routes(struct bench_routes *routes, const char *name, struct samples *result)
{
	uint64_t begun;
	int round;

	for (round = 0; round < ROUNDS; round++) {
		begun = now_ns();
		must(bench_routes_run(routes, TIMES), name);
		samples_add(result, (double)(now_ns() - begun) / TIMES);
	}
}

static void
run_seen(struct bench_seen *seen, struct samples *result)
{
	uint64_t begun;
	int round;

	for (round = 0; round < ROUNDS; round++) {
		begun = now_ns();
		bench_seen_run(seen, TIMES);
		samples_add(result, (double)(now_ns() - begun) / TIMES);
	}
}

static void
show(const char *name, size_t bytes, struct samples *samples, json_t *results)
{
	double median = samples_quantile(samples, 0.5), least = samples_quantile(samples, 0);

	printf("%-24s %9zu %8.1f %8.1f\n", name, bytes, median, least);
	json_array_append_new(
	    results, json_pack("{s:s, s:f, s:f}", "case", name, "ns", median, "ns_least", least));
	samples->n = 0;
}

int
main(int argc, char **argv)
{
	const char *json = argc == 3 && strcmp(argv[1], "--json") == 0 ? argv[2] : NULL;
	json_t *results = json_array();
	static struct samples samples;
	struct bench_routes *routes;
	size_t i;

	if (argc != 1 && !json) {
		fprintf(stderr, "usage: bench-http [--json FILE]\n");
		return 2;
	}
	printf("%-24s %9s %8s %8s\n", "ns", "bytes", "median", "least");
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		run(i, &samples);
		show(cases[i].name, strlen(cases[i].text), &samples, results);
	}
	for (i = 0; bench_routes_name(i); i++) {
		routes = bench_routes_create(i);
		must(routes != NULL, bench_routes_name(i));
		run_routes(routes, bench_routes_name(i), &samples);
		show(bench_routes_name(i), bench_routes_size(routes), &samples, results);
		bench_routes_destroy(routes);
	}
	for (i = 0; bench_seen_name(i); i++) {
		struct bench_seen *seen = bench_seen_create(i);

		must(seen != NULL, bench_seen_name(i));
		run_seen(seen, &samples);
		show(bench_seen_name(i), 0, &samples, results);
		bench_seen_destroy(seen);
	}
	if (json && json_dump_file(results, json, JSON_INDENT(2)) < 0) {
		fprintf(stderr, "bench-http: %s: %s\n", json, strerror(errno));
		return 1;
	}
	json_decref(results);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Heads of HTTP/1: the forms of RFC 9112, each read whole and cut at every byte. */
#include <CUnit/CUnit.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/http_case.h"
#include "tests/unit/suites.h"

#define HOST "Host: example.org\r\n"

static void
test_request_line(void)
{
	static const char text[] = "GET /where?q=now HTTP/1.1\r\n"
				   "Host: www.example.org:8080\r\n"
				   "X-Empty:\r\n"
				   "x-Spaced: \t a b\tc \t\r\n"
				   "\r\nbody that is not ours";
	struct http_head h;

	CU_ASSERT_EQUAL_FATAL(http_case_request(text, &h), HTTP_DONE);
	CU_ASSERT_EQUAL(h.length, strlen(text) - strlen("body that is not ours"));
	CU_ASSERT_EQUAL(h.method, HTTP_GET);
	CU_ASSERT_EQUAL(h.minor, 1);
	CU_ASSERT(http_case_is(text, h.method_name, "GET"));
	CU_ASSERT(http_case_is(text, h.target, "/where?q=now"));
	CU_ASSERT(http_case_is(text, h.path, "/where"));
	CU_ASSERT(h.has_query && http_case_is(text, h.query, "q=now"));
	CU_ASSERT_EQUAL(h.form, HTTP_ORIGIN);
	CU_ASSERT(http_case_is(text, h.authority.whole, "www.example.org:8080"));
	CU_ASSERT(http_case_is(text, h.authority.host, "www.example.org"));
	CU_ASSERT_EQUAL(h.authority.port, 8080);
	CU_ASSERT_EQUAL_FATAL(h.n_fields, 3);
	CU_ASSERT(http_case_is(text, h.fields[1].name, "X-Empty"));
	CU_ASSERT(http_case_is(text, h.fields[1].value, ""));
	CU_ASSERT(http_case_is(text, h.fields[2].value, "a b\tc"));
	CU_ASSERT_EQUAL(h.fields[0].known, HTTP_HOST);
	CU_ASSERT_EQUAL(h.fields[2].known, HTTP_UNKNOWN);
	CU_ASSERT_PTR_EQUAL(http_find(&h, HTTP_HOST), &h.fields[0]);
	CU_ASSERT_PTR_NULL(http_find(&h, HTTP_COOKIE));
	CU_ASSERT(h.keep_alive && !h.has_length && !h.chunked && h.body == HTTP_BODY_NONE);
}

static void
test_methods(void)
{
	static const struct {
		const char *name;
		enum http_method method;
	} cases[] = {
		{ "GET", HTTP_GET },           { "PUT", HTTP_PUT },
		{ "HEAD", HTTP_HEAD },         { "POST", HTTP_POST },
		{ "PATCH", HTTP_PATCH },       { "TRACE", HTTP_TRACE },
		{ "DELETE", HTTP_DELETE },     { "OPTIONS", HTTP_OPTIONS },
		{ "get", HTTP_METHOD_OTHER },  { "M-SEARCH", HTTP_METHOD_OTHER },
		{ "BREW", HTTP_METHOD_OTHER }, { "!#$%&'*+-.^_`|~09", HTTP_METHOD_OTHER },
	};
	struct http_head h;
	char text[128];
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), "%s / HTTP/1.1\r\n" HOST "\r\n", cases[i].name);
		CU_ASSERT_EQUAL(http_case_request(text, &h), HTTP_DONE);
		CU_ASSERT_EQUAL(h.method, cases[i].method);
		CU_ASSERT(http_case_is(text, h.method_name, cases[i].name));
	}
}

/* RFC 9112 3.2.1 to 3.2.4 */
static void
test_targets(void)
{
	static const struct {
		const char *line, *path, *query, *host;
		uint16_t port;
		enum http_form form;
	} cases[] = {
		{ "GET / HTTP/1.1", "/", NULL, "h", 0, HTTP_ORIGIN },
		{ "GET /? HTTP/1.1", "/", "", "h", 0, HTTP_ORIGIN },
		{ "GET //a//b?c?d/e HTTP/1.1", "//a//b", "c?d/e", "h", 0, HTTP_ORIGIN },
		{ "GET /%zz%%2f%C3%a9 HTTP/1.1", "/%zz%%2f%C3%a9", NULL, "h", 0, HTTP_ORIGIN },
		{ "GET /a[1]|{b}?x\\y HTTP/1.1", "/a[1]|{b}", "x\\y", "h", 0, HTTP_ORIGIN },
		{ "GET /http://other/ HTTP/1.1", "/http://other/", NULL, "h", 0, HTTP_ORIGIN },
		{ "GET http://www.example.org/pub/WWW/ HTTP/1.1", "/pub/WWW/", NULL,
		  "www.example.org", 0, HTTP_ABSOLUTE },
		{ "GET HTTPS://www.example.org:444 HTTP/1.1", "", NULL, "www.example.org", 444,
		  HTTP_ABSOLUTE },
		{ "GET http://[2001:db8::1]:8080?q HTTP/1.1", "", "q", "[2001:db8::1]", 8080,
		  HTTP_ABSOLUTE },
		{ "GET http://a:/ HTTP/1.1", "/", NULL, "a", 0, HTTP_ABSOLUTE },
		{ "OPTIONS * HTTP/1.1", "", NULL, "h", 0, HTTP_ASTERISK },
		{ "OPTIONS http://www.example.org:8001 HTTP/1.1", "", NULL, "www.example.org", 8001,
		  HTTP_ABSOLUTE },
		{ "CONNECT www.example.org:80 HTTP/1.1", "", NULL, "www.example.org", 80,
		  HTTP_AUTHORITY },
	};
	struct http_head h;
	char text[256];
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), "%s\r\nHost: h\r\n\r\n", cases[i].line);
		CU_ASSERT_EQUAL(http_case_request(text, &h), HTTP_DONE);
		CU_ASSERT(http_case_is(text, h.path, cases[i].path));
		CU_ASSERT_EQUAL(h.has_query, cases[i].query != NULL);
		CU_ASSERT(http_case_is(text, h.query, cases[i].query ? cases[i].query : ""));
		CU_ASSERT(http_case_is(text, h.authority.host, cases[i].host));
		CU_ASSERT_EQUAL(h.authority.port, cases[i].port);
		CU_ASSERT_EQUAL(h.form, cases[i].form);
	}
}

static void
test_hosts(void)
{
	static const struct {
		const char *value;
		bool good;
	} cases[] = {
		{ "a", true },
		{ "EXAMPLE.org.", true },
		{ "192.0.2.1:80", true },
		{ "a_b-c.d~e", true },
		{ "[::1]", true },
		{ "[2001:db8::1]:65535", true },
		{ "a:", true },
		{ "", false },
		{ ":80", false },
		{ "a:0", false },
		{ "a:65536", false },
		{ "a:080808", false },
		{ "a:8a", false },
		{ "a:80:80", false },
		{ "a b", false },
		{ "a/b", false },
		{ "a?b", false },
		{ "a@b", false },
		{ "u:p@b", false },
		{ "a%41", false },
		{ "a\\b", false },
		{ "a\xc3\xa4", false },
		{ "[::1", false },
		{ "::1", false },
		{ "[]", false },
		{ "[1.2.3.4]", false },
		{ "[::1]x", false },
		{ "[fe80::1%25eth0]", false },
		{ "[v1.x]", false },
		{ "[::g]", false },
	};
	struct http_head h;
	char text[512];
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", cases[i].value);
		CU_ASSERT_EQUAL(http_case_request(text, &h), cases[i].good ? HTTP_DONE : HTTP_BAD);
		CU_ASSERT_EQUAL(h.bad, cases[i].good ? HTTP_BAD_NONE : HTTP_BAD_HOST_INVALID);
	}
	for (i = 255; i <= 256; i++) {
		snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: %0*d\r\n\r\n", (int)i, 0);
		CU_ASSERT_EQUAL(http_case_request(text, &h), i == 255 ? HTTP_DONE : HTTP_BAD);
	}
	/* The target says whom it is for; the field must be good all the same. */
	CU_ASSERT_EQUAL(http_case_request("GET http://a/ HTTP/1.1\r\nHost: b c\r\n\r\n", &h),
			HTTP_BAD);
	CU_ASSERT_EQUAL(http_case_request("GET http://a/ HTTP/1.1\r\n\r\n", &h), HTTP_BAD);
	CU_ASSERT_EQUAL(h.bad, HTTP_BAD_HOST_MISSING);
	CU_ASSERT_EQUAL(http_case_request("GET / HTTP/1.0\r\n\r\n", &h), HTTP_DONE);
	CU_ASSERT_EQUAL(h.authority.whole.length, 0);
}

static void
test_empty_line(void)
{
	struct http_head h;
	const char *text = "\r\nGET / HTTP/1.1\r\n" HOST "\r\n";

	CU_ASSERT_EQUAL(http_case_request(text, &h), HTTP_DONE);
	CU_ASSERT_EQUAL(h.length, strlen(text));
	CU_ASSERT_EQUAL(http_case_request("\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n", &h), HTTP_BAD);
	CU_ASSERT_EQUAL(h.bad, HTTP_BAD_EMPTY_LINES);
	CU_ASSERT_EQUAL(http_case_response("\r\nHTTP/1.1 200 OK\r\n\r\n", HTTP_GET, &h), HTTP_BAD);
}

static void
test_limits(void)
{
	static const struct http_limits limits = { .head = 100, .target = 20, .fields = 3 };
	struct http_limits exact = { .target = 16, .fields = 1 };
	static const char three[] = "GET / HTTP/1.1\r\nHost: a\r\nb:\r\nc:\r\n\r\n";
	static const char four[] = "GET / HTTP/1.1\r\nHost: a\r\nb:\r\nc:\r\nd:\r\n\r\n";
	static const char target[] = "GET /0123456789012345678 HTTP/1.1\r\nHost: a\r\n\r\n";
	static const char longer[] = "GET /01234567890123456789 HTTP/1.1\r\nHost: a\r\n\r\n";
	static const char fits[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
	uint8_t bytes[256];
	struct http_head h;
	size_t n;

	http_request_start(&h);
	CU_ASSERT_EQUAL(http_request_parse(&h, &limits, (const uint8_t *)three, strlen(three)),
			HTTP_DONE);
	http_request_start(&h);
	CU_ASSERT_EQUAL(http_request_parse(&h, &limits, (const uint8_t *)four, strlen(four)),
			HTTP_BAD);
	CU_ASSERT_EQUAL(http_bad_status(h.bad), 431);
	http_request_start(&h);
	CU_ASSERT_EQUAL(http_request_parse(&h, &limits, (const uint8_t *)target, strlen(target)),
			HTTP_DONE);
	http_request_start(&h);
	CU_ASSERT_EQUAL(http_request_parse(&h, &limits, (const uint8_t *)longer, strlen(longer)),
			HTTP_BAD);
	CU_ASSERT_EQUAL(http_bad_status(h.bad), 414);
	/* Told as soon as there is too much of it, not when the line's end comes. */
	memset(bytes, 'a', sizeof(bytes));
	memcpy(bytes, "GET /", 5);
	http_request_start(&h);
	CU_ASSERT_EQUAL(http_request_parse(&h, &limits, bytes, 84), HTTP_MORE);
	CU_ASSERT_EQUAL(http_request_parse(&h, &limits, bytes, 85), HTTP_BAD);
	CU_ASSERT_EQUAL(http_bad_status(h.bad), 414);
	memcpy(bytes, "GET / HTTP/1.1\r\n", 16);
	http_request_start(&h);
	CU_ASSERT_EQUAL(http_request_parse(&h, &limits, bytes, 99), HTTP_MORE);
	CU_ASSERT_EQUAL(http_request_parse(&h, &limits, bytes, 100), HTTP_BAD);
	CU_ASSERT_EQUAL(http_bad_status(h.bad), 431);
	/* A head of exactly the limit is none too large. */
	for (n = 1; n <= sizeof(fits) - 1; n++) {
		exact.head = (uint16_t)n;
		http_request_start(&h);
		CU_ASSERT_EQUAL(
		    http_request_parse(&h, &exact, (const uint8_t *)fits, sizeof(fits) - 1),
		    n == sizeof(fits) - 1 ? HTTP_DONE : HTTP_BAD);
	}
}

/* No more fields than there is room for, whatever the limit says. */
static void
test_many_fields(void)
{
	static const struct http_limits limits = { .head = 8192, .target = 20, .fields = 1000 };
	char text[4096] = "GET / HTTP/1.1\r\nHost: a\r\n";
	struct http_head h;
	int i;

	for (i = 1; i < HTTP_FIELDS_MAX; i++)
		strcat(text, "cookie: x\r\n");
	strcat(text, "\r\n");
	http_request_start(&h);
	CU_ASSERT_EQUAL(http_request_parse(&h, &limits, (const uint8_t *)text, strlen(text)),
			HTTP_DONE);
	CU_ASSERT_EQUAL(h.n_fields, HTTP_FIELDS_MAX);
	CU_ASSERT_PTR_EQUAL(http_find(&h, HTTP_COOKIE), &h.fields[1]);
	strcpy(text + strlen(text) - 2, "a:\r\n\r\n");
	http_request_start(&h);
	CU_ASSERT_EQUAL(http_request_parse(&h, &limits, (const uint8_t *)text, strlen(text)),
			HTTP_BAD);
	CU_ASSERT_EQUAL(h.bad, HTTP_BAD_TOO_MANY_FIELDS);
}

/* In both ways that there are. */
static enum http_known
known_of(const char *name, size_t length)
{
	enum http_known known = http_known((const uint8_t *)name, length);

	CU_ASSERT_EQUAL(http_known_plain((const uint8_t *)name, length), known);
	return known;
}

static void
test_known(void)
{
	char upper[HTTP_KNOWN_LENGTH_MAX + 2];
	enum http_known known;
	const char *name;
	size_t i, length, before = 0;

	for (known = HTTP_UNKNOWN + 1; known < HTTP_KNOWN_COUNT; known++) {
		name = http_known_name(known);
		length = strlen(name);
		CU_ASSERT(length >= before && length <= HTTP_KNOWN_LENGTH_MAX);
		before = length;
		CU_ASSERT_EQUAL(known_of(name, length), known);
		for (i = 0; i < length; i++)
			upper[i] =
			    (char)(name[i] >= 'a' && name[i] <= 'z' ? name[i] - 32 : name[i]);
		CU_ASSERT_EQUAL(known_of(upper, length), known);
		CU_ASSERT_EQUAL(known_of(upper, length - 1), HTTP_UNKNOWN);
		upper[length] = 'x';
		CU_ASSERT_EQUAL(known_of(upper, length + 1), HTTP_UNKNOWN);
		for (i = 0; i < length; i++) {
			upper[i] ^= 0x04;
			CU_ASSERT_NOT_EQUAL(known_of(upper, length), known);
			upper[i] ^= 0x04;
		}
	}
	/* Names that make the same variable. */
	for (known = HTTP_UNKNOWN + 1; known < HTTP_KNOWN_COUNT; known++) {
		name = http_known_name(known);
		length = strlen(name);
		for (i = 0; i < length; i++)
			upper[i] = name[i] == '-' ? "_.+~"[i % 4] : (char)toupper(name[i]);
		CU_ASSERT_EQUAL(http_known_alike((const uint8_t *)upper, length), known);
		CU_ASSERT_EQUAL(http_known_alike((const uint8_t *)name, length), known);
		upper[0] ^= 0x01;
		CU_ASSERT_NOT_EQUAL(http_known_alike((const uint8_t *)upper, length), known);
		upper[0] = '9';
		CU_ASSERT_EQUAL(http_known_alike((const uint8_t *)upper, length), HTTP_UNKNOWN);
	}
	CU_ASSERT(http_alike((const uint8_t *)"X_ssl.Client-Cert", 17, "x-ssl-client-"));
	CU_ASSERT_FALSE(http_alike((const uint8_t *)"X_ssl.Client", 12, "x-ssl-client-"));
	CU_ASSERT_FALSE(http_alike((const uint8_t *)"X-ssl-client9Cert", 17, "x-ssl-client-"));
	/* Setting bit 5 makes one of these of the other: not the same name. */
	CU_ASSERT(http_same_name((const uint8_t *)"x-Ab", (const uint8_t *)"X-aB", 4));
	CU_ASSERT_FALSE(http_same_name((const uint8_t *)"x^", (const uint8_t *)"x~", 2));
}

static void
test_reasons(void)
{
	enum http_bad bad;

	for (bad = HTTP_BAD_NONE + 1; bad < HTTP_BAD_COUNT; bad++) {
		uint16_t status = http_bad_status(bad);

		CU_ASSERT(strlen(http_bad_name(bad)) > 3 && strlen(http_bad_help(bad)) > 10);
		CU_ASSERT(status == 400 || status == 414 || status == 431 || status == 501 ||
			  status == 505);
	}
}

static void
test_status_line(void)
{
	static const struct {
		const char *line;
		uint16_t status; /* 0: bad */
		const char *reason;
	} cases[] = {
		{ "HTTP/1.1 200 OK", 200, "OK" },
		{ "HTTP/1.0 404 Not \xc3\xa4 Found", 404, "Not \xc3\xa4 Found" },
		{ "HTTP/1.1 100 ", 100, "" },
		{ "HTTP/1.1 599", 599, "" },
		{ "HTTP/1.1  200 OK", 0, NULL },
		{ "HTTP/1.1 600 OK", 0, NULL },
		{ "HTTP/1.1 099 OK", 0, NULL },
		{ "HTTP/1.1 2000 OK", 0, NULL },
		{ "HTTP/1.1 20 OK", 0, NULL },
		{ "HTTP/1.1 +20 OK", 0, NULL },
		{ "HTTP/1.1\t200 OK", 0, NULL },
		{ "HTTP/1.1 200\tOK", 0, NULL },
		{ "http/1.1 200 OK", 0, NULL },
		{ "HTTP/1.2 200 OK", 0, NULL },
		{ "HTTP/2.0 200 OK", 0, NULL },
		{ "ICY 200 OK", 0, NULL },
		{ "", 0, NULL },
	};
	struct http_head h;
	char text[128];
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), "%s\r\nContent-Length: 0\r\n\r\n", cases[i].line);
		CU_ASSERT_EQUAL(http_case_response(text, HTTP_GET, &h),
				cases[i].status ? HTTP_DONE : HTTP_BAD);
		if (!cases[i].status)
			continue;
		CU_ASSERT_EQUAL(h.status, cases[i].status);
		CU_ASSERT(http_case_is(text, h.reason, cases[i].reason));
	}
}

int
test_http_head_register(void)
{
	CU_TestInfo tests[] = {
		{ "a request and its spans", test_request_line },
		{ "methods", test_methods },
		{ "the four forms of a target", test_targets },
		{ "hosts", test_hosts },
		{ "an empty line before a request", test_empty_line },
		{ "limits", test_limits },
		{ "as many fields as there is room for", test_many_fields },
		{ "fields that are known", test_known },
		{ "reasons", test_reasons },
		{ "status lines", test_status_line },
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = { { "http_head", NULL, NULL, NULL, NULL, tests },
				  CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Heads written anew: what is kept, what goes, what is said otherwise; and read again. */
#include <CUnit/CUnit.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/http/write.h"
#include "tests/unit/http_case.h"
#include "tests/unit/suites.h"

#define GET "GET /a?b HTTP/1.1\r\nHost: a:81\r\n"

static const struct http_change nothing;

/* What is written, in a buffer of just its size; one byte less is not enough. */
static void
check_written(const char *text, int method, const struct http_change *change, const char *expected)
{
	const uint8_t *bytes = (const uint8_t *)text;
	size_t len = strlen(expected);
	uint8_t *out = malloc(len + 1);
	struct http_head h;
	int n, less;

	if (method < 0) {
		CU_ASSERT_EQUAL(http_case_request(text, &h), HTTP_DONE);
		n = http_request_write(&h, bytes, change, (struct http_out){ out, len });
		less = http_request_write(&h, bytes, change, (struct http_out){ out, len - 1 });
	} else {
		CU_ASSERT_EQUAL(http_case_response(text, (enum http_method)method, &h), HTTP_DONE);
		n = http_response_write(&h, bytes, change, (struct http_out){ out, len });
		less = http_response_write(&h, bytes, change, (struct http_out){ out, len - 1 });
	}
	CU_ASSERT_EQUAL(less, -ENOSPC);
	CU_ASSERT_EQUAL(n, (int)len);
	if (method < 0)
		http_request_write(&h, bytes, change, (struct http_out){ out, len });
	else
		http_response_write(&h, bytes, change, (struct http_out){ out, len });
	CU_ASSERT_EQUAL(memcmp(out, expected, len), 0);
	free(out);
}

/* And read again: it says the same. */
static void
check_same(const char *text, int method)
{
	struct http_head h, again;
	char out[2048];
	int n;

	if (method < 0) {
		CU_ASSERT_EQUAL(http_case_request(text, &h), HTTP_DONE);
		n = http_request_write(&h, (const uint8_t *)text, &nothing,
				       (struct http_out){ (uint8_t *)out, sizeof(out) - 1 });
		CU_ASSERT_FATAL(n > 0);
		out[n] = '\0';
		CU_ASSERT_EQUAL(http_case_request(out, &again), HTTP_DONE);
	} else {
		CU_ASSERT_EQUAL(http_case_response(text, (enum http_method)method, &h), HTTP_DONE);
		n = http_response_write(&h, (const uint8_t *)text, &nothing,
					(struct http_out){ (uint8_t *)out, sizeof(out) - 1 });
		CU_ASSERT_FATAL(n > 0);
		out[n] = '\0';
		CU_ASSERT_EQUAL(http_case_response(out, (enum http_method)method, &again),
				HTTP_DONE);
	}
	CU_ASSERT_EQUAL(again.length, n);
	CU_ASSERT(http_case_same(&h, text, &again, out));
}

static void
test_requests(void)
{
	static const char *const texts[] = {
		GET "\r\n",
		GET "Content-Length: 5, 5\r\n\r\n",
		GET "Transfer-Encoding: CHUNKED\r\n\r\n",
		GET "X:\r\nY: \xff b\tc\r\nConnection: x, close\r\nUpgrade: h2c\r\n\r\n",
		"\r\nOPTIONS http://b:82 HTTP/1.1\r\nHost: a\r\n\r\n",
		"OPTIONS http://b?x HTTP/1.1\r\nHost: a\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET https://b HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET http://b? HTTP/1.0\r\n\r\n",
		"CONNECT b:83 HTTP/1.1\r\nHost: b\r\n\r\n",
		"BREW /%zz?? HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
	};
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		check_same(texts[i], -1);
	check_written("\r\nGET http://B:82/a/?b HTTP/1.0\r\n"
		      "Host: other\r\ncookie:x\r\nConnection: x-one\r\nX-One: 1\r\n"
		      "X-Two: \t2 \r\nTE: trailers\r\nContent-Length: 07,7\r\n\r\n",
		      -1, &nothing,
		      "GET /a/?b HTTP/1.1\r\nHost: B:82\r\ncookie: x\r\nX-Two: 2\r\n"
		      "Content-Length: 7\r\n\r\n");
	check_written("OPTIONS http://b HTTP/1.1\r\nHost: a\r\n\r\n", -1, &nothing,
		      "OPTIONS * HTTP/1.1\r\nHost: b\r\n\r\n");
}

static void
test_responses(void)
{
	static const struct {
		const char *text;
		enum http_method method;
	} cases[] = {
		{ "HTTP/1.1 200 OK\r\nServer: x\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n"
		  "Content-Length: 5\r\n\r\n",
		  HTTP_GET },
		{ "HTTP/1.0 404\r\n\r\n", HTTP_GET },
		{ "HTTP/1.1 200 \xc3\xa4\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_GET },
		{ "HTTP/1.1 100 Continue\r\n\r\n", HTTP_POST },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", HTTP_HEAD },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_same(cases[i].text, (int)cases[i].method);
	/* The length of what is not sent is told where it may be (RFC 9110 8.6). */
	check_written("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", HTTP_HEAD, &nothing,
		      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
	check_written("HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\n", HTTP_GET, &nothing,
		      "HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\n");
	check_written("HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n", HTTP_GET, &nothing,
		      "HTTP/1.1 204 No\r\n\r\n");
	check_written("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", HTTP_CONNECT, &nothing,
		      "HTTP/1.1 200 OK\r\n\r\n");
	check_written("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_HEAD, &nothing,
		      "HTTP/1.1 200 OK\r\n\r\n");
}

static void
test_changes(void)
{
	struct http_edit edits[] = {
		http_edit_text(HTTP_EDIT_REMOVE, "X-Gone", NULL),
		http_edit_text(HTTP_EDIT_SET, "x-forwarded-for", "192.0.2.1"),
		http_edit_text(HTTP_EDIT_ADD, "Via", "1.1 p"),
		http_edit_text(HTTP_EDIT_REMOVE, "cookie", NULL),
		http_edit_text(HTTP_EDIT_ADD, "X-Empty", ""),
	};
	struct http_change change = {
		.edits = edits,
		.n_edits = sizeof(edits) / sizeof(edits[0]),
		.path = (const uint8_t *)"/new",
		.path_length = 4,
		.host = (const uint8_t *)"[::1]:8080",
		.host_length = 10,
		.connection = HTTP_SAY_CLOSE,
	};

	check_written(GET "x-gone: 1\r\nX-Gon: 2\r\nX-GONE: 3\r\nX-Forwarded-For: evil\r\n"
			  "Cookie: a\r\nVia: 1.0 q\r\nx-forwarded-for: evil\r\n"
			  "Transfer-Encoding: chunked\r\n\r\n",
		      -1, &change,
		      "GET /new?b HTTP/1.1\r\nHost: [::1]:8080\r\nX-Gon: 2\r\nVia: 1.0 q\r\n"
		      "x-forwarded-for: 192.0.2.1\r\nVia: 1.1 p\r\nX-Empty: \r\n"
		      "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n");
	change = (struct http_change){ .connection = HTTP_SAY_UPGRADE };
	check_written(GET "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n", -1, &change,
		      GET "Upgrade: websocket\r\nConnection: upgrade\r\n\r\n");
	/* An answer in chunks for a client of HTTP/1.0, and one that the connection ended. */
	change = (struct http_change){ .connection = HTTP_SAY_CLOSE, .framing = HTTP_FRAMING_NONE };
	check_written("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_GET, &change,
		      "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
	change = (struct http_change){ .connection = HTTP_SAY_KEEP_ALIVE,
				       .framing = HTTP_FRAMING_CHUNKED };
	check_written("HTTP/1.0 200 OK\r\n\r\n", HTTP_GET, &change,
		      "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n"
		      "Transfer-Encoding: chunked\r\n\r\n");
}

/* Nothing is written that would be read as something else. */
static void
test_refused(void)
{
	static const struct {
		const char *name, *value;
	} cases[] = {
		{ "X", "a\r\nY: b" },
		{ "X", "a\nb" },
		{ "X", "a\x01" },
		{ "X Y", "a" },
		{ "X:", "a" },
		{ "", "a" },
		{ "Host", "a" },
		{ "Connection", "close" },
		{ "content-length", "5" },
		{ "Transfer-Encoding", "chunked" },
	};
	static const char *const paths[] = { "a", "", "/a b", "/a\r\n", "/a?b", "/a#", "/\xff" };
	static const char *const hosts[] = { "", "a b", "a\r\n", "a:x", "a/b" };
	struct http_change change;
	struct http_edit edit;
	struct http_head h;
	uint8_t out[256];
	struct http_out to = { out, sizeof(out) };
	size_t i;

	CU_ASSERT_EQUAL(http_case_request(GET "\r\n", &h), HTTP_DONE);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		edit = http_edit_text(HTTP_EDIT_SET, cases[i].name, cases[i].value);
		change = (struct http_change){ .edits = &edit, .n_edits = 1 };
		CU_ASSERT_EQUAL(http_request_write(&h, (const uint8_t *)GET, &change, to), -EINVAL);
	}
	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		change = (struct http_change){ .path = (const uint8_t *)paths[i],
					       .path_length = (uint16_t)strlen(paths[i]) };
		CU_ASSERT_EQUAL(http_request_write(&h, (const uint8_t *)GET, &change, to), -EINVAL);
	}
	for (i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		change = (struct http_change){ .host = (const uint8_t *)hosts[i],
					       .host_length = (uint16_t)strlen(hosts[i]) };
		CU_ASSERT_EQUAL(http_request_write(&h, (const uint8_t *)GET, &change, to), -EINVAL);
	}
	CU_ASSERT_EQUAL(http_case_request("GET / HTTP/1.0\r\n\r\n", &h), HTTP_DONE);
	CU_ASSERT_EQUAL(
	    http_request_write(&h, (const uint8_t *)"GET / HTTP/1.0\r\n\r\n", &nothing, to),
	    -EINVAL);
}

static void
test_own_answer(void)
{
	static const char expected[] =
	    "HTTP/1.1 503 \r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n";
	struct http_edit edit = http_edit_text(HTTP_EDIT_ADD, "Retry-After", "5");
	struct http_change change = { .edits = &edit, .n_edits = 1 };
	struct http_head h;
	uint8_t out[128];

	http_response_start(&h, HTTP_GET);
	h.minor = 1;
	h.status = 503;
	h.body = HTTP_BODY_LENGTH;
	h.has_length = true;
	CU_ASSERT_EQUAL(
	    http_response_write(&h, NULL, &change, (struct http_out){ out, sizeof(out) }),
	    (int)sizeof(expected) - 1);
	CU_ASSERT_EQUAL(memcmp(out, expected, sizeof(expected) - 1), 0);
}

static void
test_trailers(void)
{
	static const char good[] = "X-Sum: 1\r\nY:\r\n\r\n";
	static const char *const refused[] = {
		"Content-Length: 5\r\n\r\n",
		"Transfer-Encoding: chunked\r\n\r\n",
		"Host: a\r\n\r\n",
		"connection: close\r\n\r\n",
		"Authorization: x\r\n\r\n",
		"X-Forwarded-For: a\r\n\r\n",
		"Cookie: a\r\n\r\n",
		"X : a\r\n\r\n",
		"X-SSL-Client-DN: a\r\n\r\n",
		"X_Forwarded_For: a\r\n\r\n",
		"x.ssl.client.cert: a\r\n\r\n",
		"X-Real-IP: a\r\n\r\n",
		"X-Forwarded_Port: a\r\n\r\n",
		"Content_Length: 5\r\n\r\n",
	};
	struct http_head h;
	uint8_t out[128];
	size_t i;
	int n;

	http_request_start(&h);
	for (i = 0; i < sizeof(good) - 1; i++)
		CU_ASSERT_EQUAL(http_trailer_parse(&h, &http_case_limits, (const uint8_t *)good, i),
				HTTP_MORE);
	CU_ASSERT_EQUAL(
	    http_trailer_parse(&h, &http_case_limits, (const uint8_t *)good, sizeof(good) - 1),
	    HTTP_DONE);
	n = http_trailer_write(&h, (const uint8_t *)good, (struct http_out){ out, sizeof(out) });
	CU_ASSERT_EQUAL(n, 17);
	CU_ASSERT_EQUAL(memcmp(out, "X-Sum: 1\r\nY: \r\n\r\n", 17), 0);
	CU_ASSERT_EQUAL(http_trailer_write(&h, (const uint8_t *)good, (struct http_out){ out, 16 }),
			-ENOSPC);
	for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		http_request_start(&h);
		CU_ASSERT_EQUAL(http_trailer_parse(&h, &http_case_limits,
						   (const uint8_t *)refused[i], strlen(refused[i])),
				HTTP_BAD);
	}
}

int
test_http_write_register(void)
{
	CU_TestInfo tests[] = {
		{ "requests", test_requests },
		{ "responses", test_responses },
		{ "changes", test_changes },
		{ "refused", test_refused },
		{ "an answer of our own", test_own_answer },
		{ "trailers", test_trailers },
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = { { "http_write", NULL, NULL, NULL, NULL, tests },
				  CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}

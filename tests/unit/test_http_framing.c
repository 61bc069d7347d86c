/* SPDX-License-Identifier: Apache-2.0 */
/* What a head says of its message and its connection; and every trick that would make two readers
 * see two messages where one was sent. */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/http_case.h"
#include "tests/unit/suites.h"

#define GET  "GET / HTTP/1.1\r\nHost: a\r\n"
#define POST "POST / HTTP/1.1\r\nHost: a\r\n"
#define MANY "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p"

/* Each is refused, and for this reason. */
struct refused {
	const char *text;
	enum http_bad bad;
};

static const struct refused refused_lines[] = {
	{ "GET / HTTP/1.1\nHost: a\n\n", HTTP_BAD_BARE_LF },
	{ "GET / HTTP/1.1\r\nHost: a\n\r\n", HTTP_BAD_BARE_LF },
	{ GET "X: a\nY: b\r\n\r\n", HTTP_BAD_BARE_LF },
	{ GET "\n", HTTP_BAD_BARE_LF },
	{ "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_BAD_BARE_LF },
	{ "GET / HTTP/1.1\rHost: a\r\r", HTTP_BAD_BARE_CR },
	{ GET "X: a\rY: b\r\n\r\n", HTTP_BAD_BARE_CR },
	{ GET "X: a\r\r\n\r\n", HTTP_BAD_BARE_CR },
	{ GET "\rX: a\r\n\r\n", HTTP_BAD_BARE_CR },
	{ "\rGET / HTTP/1.1\r\n", HTTP_BAD_BARE_CR },
	{ GET "X: \x01\r\n\r\n", HTTP_BAD_CONTROL },
	{ GET "X: \x7f\r\n\r\n", HTTP_BAD_CONTROL },
	{ GET "X\x0b: a\r\n\r\n", HTTP_BAD_CONTROL },
	{ "GET /\x01 HTTP/1.1\r\n", HTTP_BAD_CONTROL },
	{ "\x16\x03\x01", HTTP_BAD_CONTROL }, /* somebody speaks TLS */
	{ GET " X: a\r\n\r\n", HTTP_BAD_OBS_FOLD },
	{ GET "X: a\r\n b\r\n\r\n", HTTP_BAD_OBS_FOLD },
	{ GET "X: a\r\n\tb\r\n\r\n", HTTP_BAD_OBS_FOLD },
	{ "GET / HTTP/1.1\r\n Host: a\r\n\r\n", HTTP_BAD_OBS_FOLD },
	{ GET "X : a\r\n\r\n", HTTP_BAD_SPACE_BEFORE_COLON },
	{ GET "Content-Length \t: 5\r\n\r\n", HTTP_BAD_SPACE_BEFORE_COLON },
	{ GET "X\r\n\r\n", HTTP_BAD_FIELD_NAME },
	{ GET "X y: a\r\n\r\n", HTTP_BAD_FIELD_NAME },
	{ GET ": a\r\n\r\n", HTTP_BAD_FIELD_NAME },
	{ GET "X\xc3\xa4: a\r\n\r\n", HTTP_BAD_FIELD_NAME },
	{ GET "X(y): a\r\n\r\n", HTTP_BAD_FIELD_NAME },
};

static const struct refused refused_first_lines[] = {
	{ " GET / HTTP/1.1\r\n", HTTP_BAD_METHOD },
	{ "G(T / HTTP/1.1\r\n", HTTP_BAD_METHOD },
	{ "GET\t/ HTTP/1.1\r\n", HTTP_BAD_METHOD },
	{ "GET  / HTTP/1.1\r\n", HTTP_BAD_REQUEST_LINE },
	{ "GET /  HTTP/1.1\r\n", HTTP_BAD_REQUEST_LINE },
	{ "GET / HTTP/1.1 \r\n", HTTP_BAD_REQUEST_LINE },
	{ "GET /a b HTTP/1.1\r\n", HTTP_BAD_REQUEST_LINE },
	{ "GET /\r\n", HTTP_BAD_REQUEST_LINE },
	{ "GET\r\n", HTTP_BAD_REQUEST_LINE },
	{ "SSH-2.0-x\r\n", HTTP_BAD_REQUEST_LINE },
	{ "GET / http/1.1\r\n", HTTP_BAD_REQUEST_LINE },
	{ "GET / HTTP/1,1\r\n", HTTP_BAD_REQUEST_LINE },
	{ "GET / HTTP/11.1\r\n", HTTP_BAD_REQUEST_LINE },
	{ "GET / HTTP/0.9\r\n", HTTP_BAD_VERSION },
	{ "GET / HTTP/1.2\r\n", HTTP_BAD_VERSION },
	{ "GET / HTTP/2.0\r\n", HTTP_BAD_VERSION },
	{ "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", HTTP_BAD_VERSION },
	{ "GET /a#b HTTP/1.1\r\n", HTTP_BAD_TARGET },
	{ "GET /a?b#c HTTP/1.1\r\n", HTTP_BAD_TARGET },
	{ "GET /a\tb HTTP/1.1\r\n", HTTP_BAD_TARGET },
	{ "GET /\xc3\xa4 HTTP/1.1\r\n", HTTP_BAD_TARGET },
	{ "GET /a\\b HTTP/1.1\r\n", HTTP_BAD_TARGET },
	{ "GET a HTTP/1.1\r\n", HTTP_BAD_TARGET },
	{ "GET * HTTP/1.1\r\n", HTTP_BAD_TARGET },
	{ "OPTIONS ** HTTP/1.1\r\n", HTTP_BAD_TARGET },
	{ "GET a:80 HTTP/1.1\r\n", HTTP_BAD_TARGET },
	{ "GET http:///a HTTP/1.1\r\n", HTTP_BAD_TARGET },
	{ "GET http://u@a/ HTTP/1.1\r\n", HTTP_BAD_TARGET },
	{ "GET http://a:x/ HTTP/1.1\r\n", HTTP_BAD_TARGET },
	{ "GET ftp://a/ HTTP/1.1\r\n", HTTP_BAD_TARGET },
	{ "GET http:/a HTTP/1.1\r\n", HTTP_BAD_TARGET },
	{ "GET httpx://a HTTP/1.1\r\n", HTTP_BAD_TARGET },
	{ "CONNECT a HTTP/1.1\r\n", HTTP_BAD_TARGET },
	{ "CONNECT / HTTP/1.1\r\n", HTTP_BAD_TARGET },
	{ "CONNECT http://a:80/ HTTP/1.1\r\n", HTTP_BAD_TARGET },
};

static const struct refused refused_meanings[] = {
	{ "GET / HTTP/1.1\r\n\r\n", HTTP_BAD_HOST_MISSING },
	{ GET "Host: a\r\n\r\n", HTTP_BAD_HOST_TWICE },
	{ GET "host: b\r\n\r\n", HTTP_BAD_HOST_TWICE },
	/* framing */
	{ POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
	  HTTP_BAD_LENGTH_AND_CODING },
	{ POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
	  HTTP_BAD_LENGTH_AND_CODING },
	{ POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", HTTP_BAD_CONTENT_LENGTHS },
	{ POST "Content-Length: 5, 6\r\n\r\n", HTTP_BAD_CONTENT_LENGTHS },
	{ POST "Content-Length: 5,5\r\nContent-Length: 0\r\n\r\n", HTTP_BAD_CONTENT_LENGTHS },
	{ POST "Content-Length:\r\n\r\n", HTTP_BAD_CONTENT_LENGTH },
	{ POST "Content-Length: +5\r\n\r\n", HTTP_BAD_CONTENT_LENGTH },
	{ POST "Content-Length: -5\r\n\r\n", HTTP_BAD_CONTENT_LENGTH },
	{ POST "Content-Length: 0x5\r\n\r\n", HTTP_BAD_CONTENT_LENGTH },
	{ POST "Content-Length: 5 5\r\n\r\n", HTTP_BAD_CONTENT_LENGTH },
	{ POST "Content-Length: 5,\r\n\r\n", HTTP_BAD_CONTENT_LENGTH },
	{ POST "Content-Length: ,5\r\n\r\n", HTTP_BAD_CONTENT_LENGTH },
	{ POST "Content-Length: 5.0\r\n\r\n", HTTP_BAD_CONTENT_LENGTH },
	{ POST "Content-Length: 5_0\r\n\r\n", HTTP_BAD_CONTENT_LENGTH },
	{ POST "Content-Length: 9223372036854775808\r\n\r\n", HTTP_BAD_CONTENT_LENGTH },
	{ POST "Content-Length: 18446744073709551621\r\n\r\n", HTTP_BAD_CONTENT_LENGTH },
	{ POST "Content-Length: 00000000000000000005\r\n\r\n", HTTP_BAD_CONTENT_LENGTH },
	{ POST "Transfer-Encoding: gzip, chunked\r\n\r\n", HTTP_BAD_TRANSFER_CODING },
	{ POST "Transfer-Encoding: gzip\r\n\r\n", HTTP_BAD_TRANSFER_CODING },
	{ POST "Transfer-Encoding: identity\r\n\r\n", HTTP_BAD_TRANSFER_CODING },
	{ POST "Transfer-Encoding: xchunked\r\n\r\n", HTTP_BAD_TRANSFER_CODING },
	{ POST "Transfer-Encoding: chunked, identity\r\n\r\n", HTTP_BAD_TRANSFER_ENCODING },
	{ POST "Transfer-Encoding: chunked, chunked\r\n\r\n", HTTP_BAD_TRANSFER_ENCODING },
	{ POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
	  HTTP_BAD_TRANSFER_ENCODING },
	{ POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n",
	  HTTP_BAD_TRANSFER_ENCODING },
	{ POST "Transfer-Encoding:\r\n\r\n", HTTP_BAD_TRANSFER_ENCODING },
	{ POST "Transfer-Encoding: chunked,\r\n\r\n", HTTP_BAD_TRANSFER_ENCODING },
	{ POST "Transfer-Encoding: \"chunked\"\r\n\r\n", HTTP_BAD_TRANSFER_ENCODING },
	{ POST "Transfer-Encoding: chunked;q=1\r\n\r\n", HTTP_BAD_TRANSFER_ENCODING },
	{ POST "Transfer-Encoding: \x0b"
	       "chunked\r\n\r\n",
	  HTTP_BAD_CONTROL },
	{ POST "Transfer-Encoding : chunked\r\n\r\n", HTTP_BAD_SPACE_BEFORE_COLON },
	{ POST "Transfer-Encoding\r\n : chunked\r\n\r\n", HTTP_BAD_FIELD_NAME },
	{ "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_BAD_TRANSFER_ENCODING_10 },
	{ GET "Connection: a b\r\n\r\n", HTTP_BAD_CONNECTION },
	{ GET "Connection: " MANY ",q\r\n\r\n", HTTP_BAD_CONNECTION },
};

#define CHECK_REFUSED(list) check_refused(list, sizeof(list) / sizeof((list)[0]))

static void
check_refused(const struct refused *cases, size_t n)
{
	struct http_head h;
	size_t i;

	for (i = 0; i < n; i++) {
		CU_ASSERT_EQUAL(http_case_request(cases[i].text, &h), HTTP_BAD);
		CU_ASSERT_EQUAL(h.bad, cases[i].bad);
		if (h.bad != cases[i].bad)
			printf("%s instead of %s: %s\n", http_bad_name(h.bad),
			       http_bad_name(cases[i].bad), cases[i].text);
	}
}

static void
test_refused(void)
{
	CHECK_REFUSED(refused_lines);
	CHECK_REFUSED(refused_first_lines);
	CHECK_REFUSED(refused_meanings);
}

/* NUL, which no text holds, at each place of a head. */
static void
test_nul(void)
{
	static const char text[] = GET "Cookie: a=b\r\n\r\n";
	char bytes[sizeof(text)];
	struct http_head h;
	size_t at;

	for (at = 0; at < sizeof(text) - 1; at++) {
		memcpy(bytes, text, sizeof(text));
		bytes[at] = '\0';
		http_request_start(&h);
		CU_ASSERT_EQUAL(http_request_parse(&h, &http_case_limits, (const uint8_t *)bytes,
						   sizeof(text) - 1),
				HTTP_BAD);
	}
}

static void
test_lengths(void)
{
	static const struct {
		const char *fields;
		uint64_t length;
	} cases[] = {
		{ "Content-Length: 0\r\n", 0 },
		{ "content-length:  42\t\r\n", 42 },
		{ "Content-Length: 042\r\n", 42 },
		{ "Content-Length: 42, 42 ,42\r\n", 42 },
		{ "Content-Length: 42\r\nContent-Length: 42\r\n", 42 },
		{ "Content-Length: 9223372036854775807\r\n", INT64_MAX },
	};
	struct http_head h;
	char text[256];
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), POST "%s\r\n", cases[i].fields);
		CU_ASSERT_EQUAL(http_case_request(text, &h), HTTP_DONE);
		CU_ASSERT(h.has_length && h.body == HTTP_BODY_LENGTH);
		CU_ASSERT_EQUAL(h.content_length, cases[i].length);
	}
	CU_ASSERT_EQUAL(http_case_request(POST "Transfer-Encoding: Chunked\r\n\r\n", &h),
			HTTP_DONE);
	CU_ASSERT(h.chunked && !h.has_length && h.body == HTTP_BODY_CHUNKED);
}

/* RFC 9112 9.3 */
static void
test_keep_alive(void)
{
	static const struct {
		const char *text;
		bool keep;
	} cases[] = {
		{ GET "\r\n", true },
		{ GET "Connection: close\r\n\r\n", false },
		{ GET "Connection: Keep-Alive, CLOSE\r\n\r\n", false },
		{ GET "Connection: x\r\nConnection: ,, close ,\r\n\r\n", false },
		{ GET "Connection:\r\n\r\n", true },
		{ "GET / HTTP/1.0\r\n\r\n", false },
		{ "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true },
		{ "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false },
	};
	struct http_head h;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CU_ASSERT_EQUAL(http_case_request(cases[i].text, &h), HTTP_DONE);
		CU_ASSERT_EQUAL(h.keep_alive, cases[i].keep);
	}
}

/* RFC 9110 7.6.1: which fields are for this connection only. */
static void
test_hop_by_hop(void)
{
	static const char text[] = GET "X-One: 1\r\n"
				       "Keep-Alive: timeout=5\r\n"
				       "Connection: x-one, close, X-TWO,x-none\r\n"
				       "x-two: 2\r\n"
				       "X-Three: 3\r\n"
				       "TE: trailers\r\n"
				       "Upgrade: h2c\r\n"
				       "Proxy-Connection: keep-alive\r\n"
				       "Transfer-Encoding: chunked\r\n"
				       "Trailer: x-four\r\n\r\n";
	static const bool hop[] = { false, true, true, true, true, false,
				    true,  true, true, true, false };
	struct http_head h;
	size_t i;

	CU_ASSERT_EQUAL_FATAL(http_case_request(text, &h), HTTP_DONE);
	CU_ASSERT_EQUAL_FATAL(h.n_fields, sizeof(hop));
	for (i = 0; i < sizeof(hop); i++)
		CU_ASSERT_EQUAL(!!(h.fields[i].flags & HTTP_FIELD_HOP), hop[i]);
	/* As many as there may be, over several fields, and other options beside them. */
	CU_ASSERT_EQUAL(
	    http_case_request(GET "Connection: close, " MANY "\r\nConnection: upgrade\r\n\r\n", &h),
	    HTTP_DONE);
}

static void
test_upgrade(void)
{
	static const struct {
		const char *text;
		bool upgrade, websocket;
	} cases[] = {
		{ GET "Connection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n", true, true },
		{ GET "Upgrade: websocket\r\nConnection: keep-alive, upgrade\r\n\r\n", true, true },
		{ GET "Connection: upgrade\r\nUpgrade: h2c\r\n\r\n", true, false },
		{ GET "Connection: upgrade\r\nUpgrade: websocket, h2c\r\n\r\n", true, false },
		{ GET "Connection: upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n\r\n", true,
		  false },
		{ GET "Connection: upgrade\r\nUpgrade:\r\n\r\n", true, false },
		{ GET "Connection: upgrade\r\n\r\n", false, false },
		{ GET "Upgrade: websocket\r\n\r\n", false, false },
		{ "GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", false,
		  false },
	};
	struct http_head h;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CU_ASSERT_EQUAL(http_case_request(cases[i].text, &h), HTTP_DONE);
		CU_ASSERT_EQUAL(h.upgrade, cases[i].upgrade);
		CU_ASSERT_EQUAL(h.websocket, cases[i].websocket);
	}
}

static void
test_expect(void)
{
	struct http_head h;

	CU_ASSERT_EQUAL(http_case_request(POST "Expect: 100-Continue\r\n\r\n", &h), HTTP_DONE);
	CU_ASSERT(h.expect_100);
	CU_ASSERT_EQUAL(http_case_request(POST "Expect: x, 100-continue\r\n\r\n", &h), HTTP_DONE);
	CU_ASSERT(h.expect_100);
	CU_ASSERT_EQUAL(http_case_request(POST "Expect: 100-continued\r\n\r\n", &h), HTTP_DONE);
	CU_ASSERT_FALSE(h.expect_100);
	CU_ASSERT_EQUAL(http_case_request("POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n", &h),
			HTTP_DONE);
	CU_ASSERT_FALSE(h.expect_100);
}

/* RFC 9112 6.3, rule by rule. */
static void
test_response_bodies(void)
{
	static const struct {
		const char *text;
		enum http_method method;
		enum http_body body;
		bool keep;
	} cases[] = {
		{ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", HTTP_HEAD, HTTP_BODY_NONE, true },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_HEAD,
		  HTTP_BODY_NONE, true },
		{ "HTTP/1.1 200 OK\r\n\r\n", HTTP_HEAD, HTTP_BODY_NONE, true },
		{ "HTTP/1.1 100 Continue\r\n\r\n", HTTP_POST, HTTP_BODY_NONE, true },
		{ "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", HTTP_GET, HTTP_BODY_NONE, true },
		{ "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", HTTP_GET, HTTP_BODY_NONE,
		  true },
		{ "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", HTTP_GET,
		  HTTP_BODY_NONE, true },
		{ "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
		  HTTP_GET, HTTP_BODY_TUNNEL, false },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", HTTP_CONNECT, HTTP_BODY_TUNNEL,
		  false },
		{ "HTTP/1.1 403 No\r\nContent-Length: 5\r\n\r\n", HTTP_CONNECT, HTTP_BODY_LENGTH,
		  true },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_GET,
		  HTTP_BODY_CHUNKED, true },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", HTTP_GET, HTTP_BODY_LENGTH,
		  true },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n", HTTP_GET,
		  HTTP_BODY_LENGTH, false },
		{ "HTTP/1.1 200 OK\r\n\r\n", HTTP_GET, HTTP_BODY_CLOSE, false },
		{ "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n", HTTP_GET, HTTP_BODY_CLOSE,
		  false },
		{ "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\n",
		  HTTP_GET, HTTP_BODY_LENGTH, true },
	};
	static const char *const refused[] = {
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
		"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 200 OK\nContent-Length: 5\n\n",
		"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
	};
	struct http_head h;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CU_ASSERT_EQUAL(http_case_response(cases[i].text, cases[i].method, &h), HTTP_DONE);
		CU_ASSERT_EQUAL(h.body, cases[i].body);
		CU_ASSERT_EQUAL(h.keep_alive, cases[i].keep);
		CU_ASSERT_EQUAL(h.method, cases[i].method);
	}
	for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		CU_ASSERT_EQUAL(http_case_response(refused[i], HTTP_GET, &h), HTTP_BAD);
}

int
test_http_framing_register(void)
{
	CU_TestInfo tests[] = {
		{ "refused", test_refused },
		{ "NUL anywhere", test_nul },
		{ "lengths and the chunked coding", test_lengths },
		{ "keep-alive", test_keep_alive },
		{ "fields of this connection", test_hop_by_hop },
		{ "upgrade", test_upgrade },
		{ "expect", test_expect },
		{ "bodies of responses", test_response_bodies },
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = { { "http_framing", NULL, NULL, NULL, NULL, tests },
				  CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}

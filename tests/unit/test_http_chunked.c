/* SPDX-License-Identifier: Apache-2.0 */
/* The chunked coding: RFC 9112 7.1, cut anywhere, and what must be refused. */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/http/chunked.h"
#include "tests/unit/suites.h"

#define TRAILER_MAX 64

/* What comes of a body. */
struct decoded {
	enum http_result result;
	enum http_bad bad;
	size_t used, n_payload, n_trailer;
	char payload[70000], trailer[256];
};

static void
take(struct decoded *d, const uint8_t *bytes, const struct http_run *run)
{
	CU_ASSERT(run->at + run->length <= run->used);
	CU_ASSERT_EQUAL(run->kind == HTTP_RUN_NONE, run->length == 0);
	if (run->kind == HTTP_RUN_PAYLOAD) {
		memcpy(d->payload + d->n_payload, bytes + run->at, run->length);
		d->n_payload += run->length;
	} else if (run->kind == HTTP_RUN_TRAILER) {
		memcpy(d->trailer + d->n_trailer, bytes + run->at, run->length);
		d->n_trailer += run->length;
	}
}

/* One piece, until it is used up or the body has ended. */
static void
feed(struct http_chunked *c, struct decoded *d, const char *text, size_t len)
{
	uint8_t *bytes = malloc(len + !len);
	struct http_run run;
	size_t at = 0;

	memcpy(bytes, text, len);
	do {
		d->result = http_chunked_next(c, TRAILER_MAX, bytes + at, len - at, &run);
		take(d, bytes + at, &run);
		CU_ASSERT(run.used > 0 || at == len || d->result != HTTP_MORE);
		at += run.used;
	} while (d->result == HTTP_MORE && at < len);
	d->used += at;
	d->bad = c->bad;
	free(bytes);
}

static bool
same(const struct decoded *a, const struct decoded *b)
{
	return a->result == b->result && a->bad == b->bad && a->used == b->used &&
	       a->n_payload == b->n_payload && a->n_trailer == b->n_trailer &&
	       memcmp(a->payload, b->payload, a->n_payload) == 0 &&
	       memcmp(a->trailer, b->trailer, a->n_trailer) == 0;
}

/* Whole, cut in two at each byte, and by bytes: the same comes of it. */
static void
decode(struct decoded *whole, const char *text, size_t len)
{
	struct http_chunked c = { 0 };
	struct decoded *cut = calloc(1, sizeof(*cut));
	size_t n;

	memset(whole, 0, sizeof(*whole));
	feed(&c, whole, text, len);
	for (n = 0; n <= len; n++) {
		memset(cut, 0, sizeof(*cut));
		c = (struct http_chunked){ 0 };
		feed(&c, cut, text, n);
		if (cut->result == HTTP_MORE)
			feed(&c, cut, text + n, len - n);
		CU_ASSERT(same(whole, cut));
	}
	memset(cut, 0, sizeof(*cut));
	c = (struct http_chunked){ 0 };
	for (n = 0; n < len && (n == 0 || cut->result == HTTP_MORE); n++)
		feed(&c, cut, text + n, 1);
	CU_ASSERT(len == 0 || same(whole, cut));
	free(cut);
}

static void
test_good(void)
{
	static const struct {
		const char *text, *payload, *trailer;
	} cases[] = {
		{ "0\r\n\r\n", "", "\r\n" },
		{ "5\r\nhello\r\n0\r\n\r\n", "hello", "\r\n" },
		{ "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world", "\r\n" },
		{ "a\r\n0123456789\r\nA\r\n0123456789\r\n00\r\n\r\n", "01234567890123456789",
		  "\r\n" },
		{ "0000000000000003\r\nabc\r\n0000000000000000\r\n\r\n", "abc", "\r\n" },
		{ "3;name=value\r\nabc\r\n0;x\r\n\r\n", "abc", "\r\n" },
		{ "3 \t ; a=\"\\\";\xc3\xa4\" ; b\r\nabc\r\n0 ;x\r\n\r\n", "abc", "\r\n" },
		{ "4\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n", "\r\n" },
		{ "1\r\na\r\n0\r\nX: y\r\nZ:\r\n\r\n", "a", "X: y\r\nZ:\r\n\r\n" },
	};
	struct decoded *d = malloc(sizeof(*d));
	char text[256];
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		/* What is behind the body is not of it. */
		snprintf(text, sizeof(text), "%sGET /", cases[i].text);
		decode(d, text, strlen(text));
		CU_ASSERT_EQUAL(d->result, HTTP_DONE);
		CU_ASSERT_EQUAL(d->used, strlen(cases[i].text));
		CU_ASSERT_EQUAL(d->n_payload, strlen(cases[i].payload));
		CU_ASSERT_EQUAL(memcmp(d->payload, cases[i].payload, d->n_payload), 0);
		CU_ASSERT_EQUAL(d->n_trailer, strlen(cases[i].trailer));
		CU_ASSERT_EQUAL(memcmp(d->trailer, cases[i].trailer, d->n_trailer), 0);
		decode(d, cases[i].text, strlen(cases[i].text) - 1);
		CU_ASSERT_EQUAL(d->result, HTTP_MORE);
	}
	free(d);
}

static void
test_refused(void)
{
	static const struct {
		const char *text;
		enum http_bad bad;
	} cases[] = {
		{ "\r\n", HTTP_BAD_CHUNK_SIZE },
		{ ";x\r\n", HTTP_BAD_CHUNK_SIZE },
		{ " 5\r\n", HTTP_BAD_CHUNK_SIZE },
		{ "+5\r\n", HTTP_BAD_CHUNK_SIZE },
		{ "-5\r\n", HTTP_BAD_CHUNK_SIZE },
		{ "0x5\r\n", HTTP_BAD_CHUNK_SIZE },
		{ "5_0\r\n", HTTP_BAD_CHUNK_SIZE },
		{ "5h\r\n", HTTP_BAD_CHUNK_SIZE },
		{ "5,5\r\n", HTTP_BAD_CHUNK_SIZE },
		{ "g\r\n", HTTP_BAD_CHUNK_SIZE },
		{ "5 \r\n", HTTP_BAD_CHUNK_SIZE },
		{ "5 5\r\n", HTTP_BAD_CHUNK_SIZE },
		{ "5\x0b\r\n", HTTP_BAD_CHUNK_SIZE },
		{ "8000000000000000\r\n", HTTP_BAD_CHUNK_TOO_LARGE },
		{ "10000000000000005\r\n", HTTP_BAD_CHUNK_TOO_LARGE },
		{ "00000000000000005\r\n", HTTP_BAD_CHUNK_TOO_LARGE },
		{ "5\nhello", HTTP_BAD_CHUNK_LINE },
		{ "5;x\nhello", HTTP_BAD_CHUNK_LINE },
		{ "5;x=\"\n\"\r\nhello", HTTP_BAD_CHUNK_LINE },
		{ "5;x\rhello", HTTP_BAD_CHUNK_LINE },
		{ "5;\x01\r\nhello", HTTP_BAD_CHUNK_LINE },
		{ "5\rhello", HTTP_BAD_CHUNK_LINE },
		{ "5\r\r\nhello", HTTP_BAD_CHUNK_LINE },
		{ "5\r\nhello\n", HTTP_BAD_CHUNK_END },
		{ "5\r\nhello0\r\n\r\n", HTTP_BAD_CHUNK_END },
		{ "5\r\nhello\r0\r\n\r\n", HTTP_BAD_CHUNK_END },
		{ "5\r\nhello\r\n\r\n", HTTP_BAD_CHUNK_SIZE },
		{ "0\r\n\n", HTTP_BAD_TRAILER },
		{ "0\r\n\rx", HTTP_BAD_TRAILER },
		{ "0\r\n x: y\r\n\r\n", HTTP_BAD_TRAILER },
		{ "0\r\n: y\r\n\r\n", HTTP_BAD_TRAILER },
		{ "0\r\nx\r\n\r\n", HTTP_BAD_TRAILER },
		{ "0\r\nx : y\r\n\r\n", HTTP_BAD_TRAILER },
		{ "0\r\nx: y\n\r\n", HTTP_BAD_TRAILER },
		{ "0\r\nx: \x01\r\n\r\n", HTTP_BAD_TRAILER },
		{ "0\r\nx: y\rz\r\n\r\n", HTTP_BAD_TRAILER },
		{ "0\r\nx: 0123456789012345678901234567890123456789012345678901234567890\r\n\r\n",
		  HTTP_BAD_TRAILER_TOO_LARGE },
	};
	struct decoded *d = malloc(sizeof(*d));
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		decode(d, cases[i].text, strlen(cases[i].text));
		CU_ASSERT_EQUAL(d->result, HTTP_BAD);
		CU_ASSERT_EQUAL(d->bad, cases[i].bad);
		if (d->bad != cases[i].bad)
			printf("%s instead of %s: %s\n", http_bad_name(d->bad),
			       http_bad_name(cases[i].bad), cases[i].text);
	}
	decode(d, "5\0\r\nhello", 10);
	CU_ASSERT_EQUAL(d->bad, HTTP_BAD_CHUNK_SIZE);
	free(d);
}

/* Extensions: so many bytes in a line, and so many in a body. */
static void
test_extensions(void)
{
	struct decoded *d = malloc(sizeof(*d));
	char text[HTTP_CHUNK_LINE_MAX + 64];
	struct http_chunked c = { 0 };
	size_t sent;
	int n;

	n = snprintf(text, sizeof(text), "1;%0*d\r\na\r\n", HTTP_CHUNK_LINE_MAX - 1, 0);
	decode(d, text, (size_t)n);
	CU_ASSERT_EQUAL(d->result, HTTP_MORE);
	for (sent = 0; sent < HTTP_CHUNK_EXTENSIONS_MAX; sent += HTTP_CHUNK_LINE_MAX) {
		feed(&c, d, text, (size_t)n);
		CU_ASSERT_EQUAL(d->result, HTTP_MORE);
	}
	feed(&c, d, "1;", 2);
	CU_ASSERT_EQUAL(d->bad, HTTP_BAD_CHUNK_EXTENSIONS);
	n = snprintf(text, sizeof(text), "1;%0*d\r\na\r\n", HTTP_CHUNK_LINE_MAX, 0);
	decode(d, text, (size_t)n);
	CU_ASSERT_EQUAL(d->bad, HTTP_BAD_CHUNK_EXTENSIONS);
	n = snprintf(text, sizeof(text), "1%*s;\r\na\r\n", HTTP_CHUNK_LINE_MAX, "");
	decode(d, text, (size_t)n);
	CU_ASSERT_EQUAL(d->bad, HTTP_BAD_CHUNK_EXTENSIONS);
	free(d);
}

/* A trailer section of just the bound, and one byte more. */
static void
test_trailer_bound(void)
{
	struct decoded *d = malloc(sizeof(*d));
	char text[TRAILER_MAX + 16];
	int n;

	n = snprintf(text, sizeof(text), "0\r\nx:%0*d\r\n\r\n", TRAILER_MAX - 6, 0);
	decode(d, text, (size_t)n);
	CU_ASSERT_EQUAL(d->result, HTTP_DONE);
	CU_ASSERT_EQUAL(d->n_trailer, TRAILER_MAX);
	n = snprintf(text, sizeof(text), "0\r\nx:%0*d\r\n\r\n", TRAILER_MAX - 5, 0);
	decode(d, text, (size_t)n);
	CU_ASSERT_EQUAL(d->bad, HTTP_BAD_TRAILER_TOO_LARGE);
	free(d);
}

/* The largest chunk there is, in parts. */
static void
test_large(void)
{
	static const uint8_t bytes[4096];
	struct http_chunked c = { 0 };
	struct http_run run;

	CU_ASSERT(sizeof(c) <= 32);
	CU_ASSERT_EQUAL(http_chunked_next(&c, 0, (const uint8_t *)"7FFFFFFFFFFFFFFF\r\n", 18, &run),
			HTTP_MORE);
	CU_ASSERT_EQUAL(run.used, 18);
	CU_ASSERT_EQUAL(http_chunked_next(&c, 0, bytes, sizeof(bytes), &run), HTTP_MORE);
	CU_ASSERT_EQUAL(run.kind, HTTP_RUN_PAYLOAD);
	CU_ASSERT_EQUAL(run.length, sizeof(bytes));
	CU_ASSERT_EQUAL(c.left, INT64_MAX - sizeof(bytes));
}

/* What is written is what is read. */
static void
test_written(void)
{
	static const size_t sizes[] = { 1, 15, 16, 255, 256, 4095, 65535 };
	uint8_t header[HTTP_CHUNK_HEADER_MAX];
	struct decoded *d = calloc(1, sizeof(*d));
	char *payload = calloc(1, 65536);
	struct http_chunked c = { 0 };
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t n = http_chunk_write(sizes[i], i == 0, header);

		memset(d, 0, sizeof(*d));
		feed(&c, d, (const char *)header, n);
		feed(&c, d, payload, sizes[i]);
		CU_ASSERT_EQUAL(d->n_payload, sizes[i]);
		CU_ASSERT_EQUAL(d->result, HTTP_MORE);
	}
	CU_ASSERT_EQUAL(http_chunk_write(0, false, header), 5);
	CU_ASSERT_EQUAL(memcmp(header, "\r\n0\r\n", 5), 0);
	feed(&c, d, "\r\n0\r\n\r\n", 7);
	CU_ASSERT_EQUAL(d->result, HTTP_DONE);
	CU_ASSERT_EQUAL(http_chunk_write(0, true, header), 3);
	CU_ASSERT_EQUAL(http_chunk_write(UINT64_MAX, false, header), HTTP_CHUNK_HEADER_MAX);
	CU_ASSERT_EQUAL(memcmp(header, "\r\nffffffffffffffff\r\n", 20), 0);
	free(payload);
	free(d);
}

int
test_http_chunked_register(void)
{
	CU_TestInfo tests[] = {
		{ "good", test_good },
		{ "refused", test_refused },
		{ "extensions are bounded", test_extensions },
		{ "trailers are bounded", test_trailer_bound },
		{ "the largest chunk", test_large },
		{ "what is written", test_written },
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = { { "http_chunked", NULL, NULL, NULL, NULL, tests },
				  CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}

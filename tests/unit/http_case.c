/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/http_case.h"

#include <CUnit/CUnit.h>
#include <stdlib.h>
#include <string.h>

const struct http_limits http_case_limits = { .head = 8192, .target = 4096, .fields = 100 };

#define REQUEST (-1)

static void
start(struct http_head *h, int method)
{
	/* What is not set at first must not matter. */
	memset(h, 0xa5, sizeof(*h));
	if (method == REQUEST)
		http_request_start(h);
	else
		http_response_start(h, (enum http_method)method);
}

/* In a buffer of its own length, so that reading past it is seen under a sanitizer. */
static enum http_result
parse(struct http_head *h, int method, const char *text, size_t len)
{
	uint8_t *bytes = malloc(len + !len);
	enum http_result result;

	memcpy(bytes, text, len);
	if (method == REQUEST)
		result = http_request_parse(h, &http_case_limits, bytes, len);
	else
		result = http_response_parse(h, &http_case_limits, bytes, len);
	free(bytes);
	return result;
}

static bool
same_struct(const struct http_head *a, const struct http_head *b)
{
	size_t i;

	for (i = 0; i < a->n_fields && i < HTTP_FIELDS_MAX; i++)
		if (memcmp(&a->fields[i], &b->fields[i], sizeof(a->fields[i])) != 0)
			return false;
	for (i = 1; i < HTTP_KNOWN_COUNT; i++)
		if ((a->present >> i & 1) && a->first[i] != b->first[i])
			return false;
	return memcmp(a, b, offsetof(struct http_head, first)) == 0;
}

static void
check_cut(const char *text, int method, size_t cut, const struct http_head *whole)
{
	size_t len = strlen(text);
	struct http_head h;
	enum http_result begun, ended;

	start(&h, method);
	begun = parse(&h, method, text, cut);
	ended = parse(&h, method, text, len);
	if (whole->bad != HTTP_BAD_NONE) {
		CU_ASSERT_EQUAL(ended, HTTP_BAD);
		CU_ASSERT_EQUAL(h.bad, whole->bad);
		CU_ASSERT_NOT_EQUAL(begun, HTTP_DONE);
		return;
	}
	CU_ASSERT(same_struct(&h, whole));
	if (whole->length > 0)
		CU_ASSERT_EQUAL(begun, cut < whole->length ? HTTP_MORE : HTTP_DONE);
}

static void
check_end(const char *text, const struct http_head *whole)
{
	size_t len = strlen(text), n;
	uint32_t scanned = 0, fresh;

	for (n = 0; n <= len && n <= whole->length; n++) {
		fresh = 0;
		CU_ASSERT_EQUAL(http_head_end((const uint8_t *)text, n, &scanned),
				n == whole->length);
		CU_ASSERT_EQUAL(http_head_end((const uint8_t *)text, n, &fresh),
				n == whole->length);
	}
}

static enum http_result
read_all_ways(const char *text, int method, struct http_head *h)
{
	size_t len = strlen(text), n;
	struct http_head bytewise;
	enum http_result result;

	start(h, method);
	result = parse(h, method, text, len);
	CU_ASSERT_EQUAL(result == HTTP_BAD, h->bad != HTTP_BAD_NONE);
	CU_ASSERT_EQUAL(result == HTTP_DONE, h->length != 0);
	for (n = 0; n <= len; n++)
		check_cut(text, method, n, h);
	start(&bytewise, method);
	for (n = 0; n <= len; n++)
		parse(&bytewise, method, text, n);
	CU_ASSERT_EQUAL(bytewise.bad, h->bad);
	if (result == HTTP_DONE) {
		CU_ASSERT(same_struct(&bytewise, h));
		check_end(text, h);
	}
	return result;
}

enum http_result
http_case_request(const char *text, struct http_head *h)
{
	return read_all_ways(text, REQUEST, h);
}

enum http_result
http_case_response(const char *text, enum http_method method, struct http_head *h)
{
	return read_all_ways(text, (int)method, h);
}

bool
http_case_is(const char *bytes, struct http_span s, const char *text)
{
	return s.length == strlen(text) && memcmp(bytes + s.at, text, s.length) == 0;
}

static bool
same_span(const char *a_bytes, struct http_span a, const char *b_bytes, struct http_span b)
{
	return a.length == b.length && memcmp(a_bytes + a.at, b_bytes + b.at, a.length) == 0;
}

/* The next field that is for whoever gets the message. */
static const struct http_field *
next_field(const struct http_head *h, size_t *at)
{
	const struct http_field *f;

	while (*at < h->n_fields) {
		f = &h->fields[(*at)++];
		if (!(f->flags & HTTP_FIELD_HOP) && f->known != HTTP_CONTENT_LENGTH &&
		    (f->known != HTTP_HOST || h->status))
			return f;
	}
	return NULL;
}

bool
http_case_same(const struct http_head *a, const char *a_bytes, const struct http_head *b,
	       const char *b_bytes)
{
	const struct http_field *f, *g;
	size_t i = 0, j = 0;

	do {
		f = next_field(a, &i);
		g = next_field(b, &j);
		if (!f != !g || (f && (!same_span(a_bytes, f->name, b_bytes, g->name) ||
				       !same_span(a_bytes, f->value, b_bytes, g->value))))
			return false;
	} while (f);
	return a->status == b->status && a->method == b->method && a->body == b->body &&
	       (a->body != HTTP_BODY_LENGTH || a->content_length == b->content_length) &&
	       same_span(a_bytes, a->reason, b_bytes, b->reason) &&
	       same_span(a_bytes, a->method_name, b_bytes, b->method_name) &&
	       same_span(a_bytes, a->query, b_bytes, b->query) && a->has_query == b->has_query &&
	       same_span(a_bytes, a->authority.whole, b_bytes, b->authority.whole) &&
	       a->authority.port == b->authority.port &&
	       (a->path.length == 0 || same_span(a_bytes, a->path, b_bytes, b->path));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as the head of a request and of a response: beginnings agree with the whole, whatever
 * way they come; the ways of scanning agree; what was understood can be written, and is the same
 * when it is read again; a path's normal form is its own.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/http/path.h"
#include "lib/http/scan.h"
#include "lib/http/write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SIZE_MAX_HERE 2048
#define OUT_MAX       (4 * SIZE_MAX_HERE)

static const struct http_limits limits = { .head = 1024, .target = 256, .fields = 20 };
/* Names that are written anew are longer than they were: ": " for ":". */
static const struct http_limits wide = { .head = 8192, .target = 1024, .fields = 100 };

static void
must(bool condition)
{
	if (!condition)
		abort();
}

static void
start(struct http_head *h, int method)
{
	memset(h, 0xa5, sizeof(*h));
	if (method < 0)
		http_request_start(h);
	else
		http_response_start(h, (enum http_method)method);
}

static enum http_result
parse(struct http_head *h, int method, const struct http_limits *l, const uint8_t *p, size_t len)
{
	return method < 0 ? http_request_parse(h, l, p, len) : http_response_parse(h, l, p, len);
}

static bool
same_struct(const struct http_head *a, const struct http_head *b)
{
	return memcmp(a, b, offsetof(struct http_head, first)) == 0 &&
	       memcmp(a->fields, b->fields, a->n_fields * sizeof(a->fields[0])) == 0;
}

/* Byte by byte, each beginning in a buffer of its own length, beside each beginning afresh. */
static void
check_beginnings(const struct http_head *whole, int method, const uint8_t *data, size_t size)
{
	struct http_head grown, fresh;
	enum http_result a, b;
	uint32_t scanned = 0;
	size_t n;

	start(&grown, method);
	for (n = 0; n <= size; n++) {
		uint8_t *part = malloc(n + !n);
		bool end;

		memcpy(part, data, n);
		start(&fresh, method);
		a = parse(&grown, method, &limits, part, n);
		b = parse(&fresh, method, &limits, part, n);
		end = http_head_end(part, n, &scanned);
		free(part);
		must(a == b);
		if (a == HTTP_MORE)
			must(whole->length == 0 || n < whole->length);
		else
			must(grown.bad == whole->bad && grown.length == whole->length);
		if (a == HTTP_DONE)
			must(end && same_struct(&grown, whole) && same_struct(&fresh, whole));
		if (a == HTTP_DONE && n > whole->length)
			break;
		if (end && n < limits.head)
			must(a != HTTP_MORE);
	}
}

/* ---- written and read again ------------------------------------------------------------------ */

static bool
same_span(const uint8_t *a_bytes, struct http_span a, const uint8_t *b_bytes, struct http_span b)
{
	return a.length == b.length && memcmp(a_bytes + a.at, b_bytes + b.at, a.length) == 0;
}

/* The next field that is passed on as it is. */
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

static void
must_have_same_fields(const struct http_head *a, const uint8_t *a_bytes, const struct http_head *b,
		      const uint8_t *b_bytes)
{
	const struct http_field *f, *g;
	size_t i = 0, j = 0;

	do {
		f = next_field(a, &i);
		g = next_field(b, &j);
		must(!f == !g);
		must(!f || (same_span(a_bytes, f->name, b_bytes, g->name) &&
			    same_span(a_bytes, f->value, b_bytes, g->value)));
	} while (f);
}

static void
check_written(const struct http_head *h, int method, const uint8_t *data)
{
	static const struct http_change nothing;
	struct http_head again;
	uint8_t *out = malloc(OUT_MAX), *exact;
	struct http_out to = { out, OUT_MAX };
	int n;

	n = method < 0 ? http_request_write(h, data, &nothing, to)
		       : http_response_write(h, data, &nothing, to);
	if (n == -EINVAL) {
		must(method < 0 && h->minor == 0 && !http_find(h, HTTP_HOST) &&
		     h->authority.whole.length == 0);
		free(out);
		return;
	}
	must(n > 0);
	exact = malloc((size_t)n);
	to = (struct http_out){ exact, (size_t)n };
	must((method < 0 ? http_request_write(h, data, &nothing, to)
			 : http_response_write(h, data, &nothing, to)) == n);
	to.size--;
	must((method < 0 ? http_request_write(h, data, &nothing, to)
			 : http_response_write(h, data, &nothing, to)) == -ENOSPC);
	start(&again, method);
	must(parse(&again, method, &wide, out, (size_t)n) == HTTP_DONE && again.length == n);
	must(again.status == h->status && again.method == h->method && again.body == h->body);
	must(again.body != HTTP_BODY_LENGTH || again.content_length == h->content_length);
	must(same_span(data, h->reason, out, again.reason));
	must(same_span(data, h->method_name, out, again.method_name));
	must(same_span(data, h->query, out, again.query) && again.has_query == h->has_query);
	must(same_span(data, h->authority.whole, out, again.authority.whole));
	must(h->path.length == 0 || same_span(data, h->path, out, again.path));
	must_have_same_fields(h, data, &again, out);
	free(exact);
	free(out);
}

/* Whatever it was, this holds of a head that is good. */
static void
check_promises(const struct http_head *h, const uint8_t *data)
{
	const struct http_field *f;
	int hosts = 0, codings = 0;
	size_t i;

	for (f = h->fields; f < h->fields + h->n_fields; f++) {
		hosts += f->known == HTTP_HOST;
		codings += f->known == HTTP_TRANSFER_ENCODING;
		must(f->name.length > 0 && data[f->name.at + f->name.length] == ':');
		must(scan_set_plain(SCAN_TOKEN, data, f->name.at, h->length) ==
		     (size_t)f->name.at + f->name.length);
	}
	must(hosts <= 1 && (hosts == 1 || h->minor == 0 || h->status));
	must(codings == h->chunked && !(h->chunked && (h->has_length || h->minor == 0)));
	must(!h->has_length || h->content_length <= INT64_MAX);
	for (i = 0; i < h->length; i++)
		must(scan_is_text(data[i]) || (data[i] == '\r' && data[i + 1] == '\n') ||
		     (data[i] == '\n' && i > 0 && data[i - 1] == '\r'));
}

/* ---- beside heads ---------------------------------------------------------------------------- */

static void
check_path(const uint8_t *path, size_t len, unsigned int rules)
{
	size_t room = 3 * len + 1;
	uint8_t *once = malloc(room), *twice = malloc(room);
	struct http_path a = { once, room, 0 }, b = { twice, room, 0 };
	enum http_path_reason reason = http_path_normal(&a, rules, path, len);

	must(reason != HTTP_PATH_TOO_LONG);
	if (reason == HTTP_PATH_OK) {
		must(a.length > 0 && once[0] == '/');
		must(http_path_normal(&b, rules, once, a.length) == HTTP_PATH_OK);
		must(a.length == b.length && memcmp(once, twice, a.length) == 0);
		must(!memmem(once, a.length, "/../", 4) && !memmem(once, a.length, "/./", 3));
	}
	free(once);
	free(twice);
}

static void
check_scans(const uint8_t *data, size_t size)
{
	enum scan_set set;
	size_t at;

	for (at = 0; at < size && at < 100; at++) {
		must(scan_text(data, at, size) == scan_text_plain(data, at, size));
		for (set = 0; set < SCAN_SETS; set++)
			must(scan_set(set, data, at, size) == scan_set_plain(set, data, at, size));
	}
}

static void
check_head(int method, const uint8_t *data, size_t size)
{
	struct http_head whole;
	enum http_result result;

	start(&whole, method);
	result = parse(&whole, method, &limits, data, size);
	must((result == HTTP_DONE) == (whole.length > 0));
	must((result == HTTP_BAD) == (whole.bad > 0 && whole.bad < HTTP_BAD_COUNT));
	check_beginnings(&whole, method, data, size);
	if (result != HTTP_DONE)
		return;
	must(whole.length <= size && whole.length <= limits.head);
	check_promises(&whole, data);
	check_written(&whole, method, data);
	if (method < 0)
		check_path(data + whole.path.at, whole.path.length, whole.length & 15);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > SIZE_MAX_HERE)
		return 0;
	check_scans(data, size);
	check_head(-1, data, size);
	check_head(HTTP_GET, data, size);
	check_head(HTTP_HEAD, data, size);
	check_path(data, size, size & 15);
	return 0;
}

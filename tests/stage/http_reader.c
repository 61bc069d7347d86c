/* SPDX-License-Identifier: Apache-2.0 */
#include "http_reader.h"

#include <stdlib.h>
#include <string.h>

#include "lib/http/known.h"

static const struct http_limits limits = { 65000, 65000, HTTP_FIELDS_MAX };

void
http_text_add(struct http_text_buffer *t, const void *bytes, size_t length)
{
	if (t->length + length + 1 > t->room) {
		t->room = 2 * (t->length + length) + 256;
		t->bytes = realloc(t->bytes, t->room);
	}
	memcpy(t->bytes + t->length, bytes, length);
	t->length += length;
	t->bytes[t->length] = '\0';
}

static void
text_cut(struct http_text_buffer *t, size_t length)
{
	memmove(t->bytes, t->bytes + length, t->length - length + 1);
	t->length -= length;
}

void
http_reader_free(struct http_reader *r)
{
	free(r->seen.bytes);
	free(r->raw.bytes);
	memset(&r->seen, 0, sizeof(r->seen));
	memset(&r->raw, 0, sizeof(r->raw));
}

/* ---- heads ----------------------------------------------------------------------------------- */

static bool
tells_of_client(const char *line)
{
	static const char *const names[] = { "X-Forwarded-",
					     "Forwarded:", "traceparent:", "tracestate:" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncasecmp(line, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

static void
see_head(struct http_reader *r, size_t length)
{
	const char *line = r->raw.bytes, *end = line + length;

	while (line < end) {
		const char *next = memchr(line, '\n', (size_t)(end - line));

		next = next ? next + 1 : end;
		if (r->whole || !r->requests || !tells_of_client(line))
			http_text_add(&r->seen, line, (size_t)(next - line));
		line = next;
	}
}

static enum http_method
method_of(const struct http_reader *r)
{
	bool head =
	    r->methods && strlen(r->methods) > r->messages && r->methods[r->messages] == 'H';

	return head ? HTTP_HEAD : HTTP_GET;
}

static void
message_end(struct http_reader *r)
{
	r->in_body = false;
	r->messages++;
	if (r->on_end)
		r->on_end(r->arg);
}

static void
body_begin(struct http_reader *r)
{
	r->heads++;
	r->status = r->head.status;
	r->kind = r->head.body;
	r->left = r->head.content_length;
	r->body = r->sum = 0;
	r->in_body = true;
	r->expects = r->head.expect_100;
	memset(&r->chunked, 0, sizeof(r->chunked));
}

/* True: go on. */
static bool
read_head(struct http_reader *r)
{
	const uint8_t *bytes = (const uint8_t *)r->raw.bytes;
	enum http_result result;

	if (r->requests) {
		http_request_start(&r->head);
		result = http_request_parse(&r->head, &limits, bytes, r->raw.length);
	} else {
		http_response_start(&r->head, method_of(r));
		result = http_response_parse(&r->head, &limits, bytes, r->raw.length);
	}
	if (result == HTTP_BAD)
		r->bad = http_bad_name((enum http_bad)r->head.bad);
	if (result != HTTP_DONE)
		return false;
	see_head(r, r->head.length);
	if (!r->requests && r->head.status < 200 && r->head.status != 101) {
		if (r->on_head)
			r->on_head(r->arg, bytes);
		text_cut(&r->raw, r->head.length);
		return true;
	}
	body_begin(r);
	if (r->on_head)
		r->on_head(r->arg, bytes);
	text_cut(&r->raw, r->head.length);
	if (!r->requests && r->head.status == 101)
		r->tunnel = true;
	else if (r->kind == HTTP_BODY_NONE || (r->kind == HTTP_BODY_LENGTH && !r->left))
		message_end(r);
	return true;
}

/* ---- bodies ---------------------------------------------------------------------------------- */

static void
payload(struct http_reader *r, size_t at, size_t length)
{
	size_t i;

	if (!r->silent)
		http_text_add(&r->seen, r->raw.bytes + at, length);
	for (i = 0; i < length; i++)
		r->sum = http_reader_sum(r->sum, (uint8_t)r->raw.bytes[at + i]);
	r->body += length;
}

static bool
read_chunked(struct http_reader *r)
{
	enum http_result result;
	struct http_run run;

	result = http_chunked_next(&r->chunked, 4096, (const uint8_t *)r->raw.bytes, r->raw.length,
				   &run);
	if (result == HTTP_BAD) {
		r->bad = http_bad_name((enum http_bad)r->chunked.bad);
		return false;
	}
	if (run.kind == HTTP_RUN_PAYLOAD)
		payload(r, run.at, run.length);
	if (run.kind == HTTP_RUN_TRAILER) {
		if (!r->left)
			http_text_add(&r->seen, "#", 1);
		r->left = 1;
		http_text_add(&r->seen, r->raw.bytes + run.at, run.length);
	}
	text_cut(&r->raw, run.used);
	if (result == HTTP_DONE) {
		http_text_add(&r->seen, "#", 1);
		message_end(r);
		return true;
	}
	return run.used > 0;
}

static bool
read_body(struct http_reader *r)
{
	size_t n = r->raw.length;

	if (r->kind == HTTP_BODY_CHUNKED)
		return read_chunked(r);
	if (r->kind == HTTP_BODY_LENGTH && n > r->left)
		n = (size_t)r->left;
	payload(r, 0, n);
	text_cut(&r->raw, n);
	if (r->kind != HTTP_BODY_LENGTH)
		return false;
	r->left -= n;
	if (r->left)
		return false;
	message_end(r);
	return true;
}

void
http_reader_feed(struct http_reader *r, const void *bytes, size_t length)
{
	bool more = true;

	http_text_add(&r->raw, bytes, length);
	while (more && r->raw.length && !r->bad) {
		if (r->tunnel) {
			payload(r, 0, r->raw.length);
			text_cut(&r->raw, r->raw.length);
		} else if (r->in_body) {
			more = read_body(r);
		} else {
			more = read_head(r);
		}
	}
}

void
http_reader_fin(struct http_reader *r)
{
	bool cut = r->raw.length > 0 || (r->in_body && !r->tunnel && r->kind != HTTP_BODY_CLOSE);

	r->ended = true;
	http_text_add(&r->seen, cut ? "!" : ".", 1);
	if (r->in_body && !cut && !r->tunnel)
		message_end(r);
}

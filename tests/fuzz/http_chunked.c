/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a chunked body, the first two of them saying how it is cut: wherever that is, the
 * same bytes are payload, the same trailer section, and it ends in the same way. Payload that is
 * put into chunks again comes out again.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/http/chunked.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SIZE_MAX_HERE 4096
#define TRAILER_MAX   200

static void
must(bool condition)
{
	if (!condition)
		abort();
}

struct decoded {
	enum http_result result;
	uint8_t bad;
	size_t used, n_payload, n_trailer;
	uint8_t payload[SIZE_MAX_HERE], trailer[SIZE_MAX_HERE];
};

static void
take(struct decoded *d, const uint8_t *bytes, size_t len, const struct http_run *run)
{
	must(run->used <= len && run->at + run->length <= run->used);
	must((run->kind == HTTP_RUN_NONE) == (run->length == 0));
	if (run->kind == HTTP_RUN_PAYLOAD) {
		memcpy(d->payload + d->n_payload, bytes + run->at, run->length);
		d->n_payload += run->length;
	} else if (run->kind == HTTP_RUN_TRAILER) {
		memcpy(d->trailer + d->n_trailer, bytes + run->at, run->length);
		d->n_trailer += run->length;
	}
}

/* One piece, in a buffer of its own length. */
static void
feed(struct http_chunked *c, struct decoded *d, const uint8_t *data, size_t len)
{
	uint8_t *bytes = malloc(len + !len);
	struct http_run run;
	size_t at = 0;

	memcpy(bytes, data, len);
	do {
		d->result = http_chunked_next(c, TRAILER_MAX, bytes + at, len - at, &run);
		take(d, bytes + at, len - at, &run);
		must(run.used > 0 || at == len || d->result != HTTP_MORE);
		at += run.used;
	} while (d->result == HTTP_MORE && at < len);
	d->used += at;
	d->bad = c->bad;
	free(bytes);
}

/* In pieces of `step` bytes, the first of `first`. */
static void
decode(struct decoded *d, const uint8_t *data, size_t size, size_t first, size_t step)
{
	struct http_chunked c = { 0 };
	size_t at = first < size ? first : size, n;

	memset(d, 0, sizeof(*d));
	feed(&c, d, data, at);
	for (; at < size && d->result == HTTP_MORE; at += n) {
		n = step < size - at ? step : size - at;
		feed(&c, d, data + at, n);
	}
	must((d->result == HTTP_BAD) == (d->bad > 0 && d->bad < HTTP_BAD_COUNT));
	must(d->n_payload + d->n_trailer <= d->used && d->n_trailer <= TRAILER_MAX);
}

static void
must_be_same(const struct decoded *a, const struct decoded *b)
{
	must(a->result == b->result && a->bad == b->bad && a->used == b->used);
	must(a->n_payload == b->n_payload && memcmp(a->payload, b->payload, a->n_payload) == 0);
	must(a->n_trailer == b->n_trailer && memcmp(a->trailer, b->trailer, a->n_trailer) == 0);
}

/* The payload again, in chunks of `step` bytes. */
static void
check_written(const struct decoded *whole, struct decoded *again, size_t step)
{
	uint8_t header[HTTP_CHUNK_HEADER_MAX];
	struct http_chunked c = { 0 };
	size_t at, n;

	memset(again, 0, sizeof(*again));
	for (at = 0; at < whole->n_payload; at += n) {
		n = step < whole->n_payload - at ? step : whole->n_payload - at;
		feed(&c, again, header, http_chunk_write(n, at == 0, header));
		feed(&c, again, whole->payload + at, n);
		must(again->result == HTTP_MORE);
	}
	feed(&c, again, header, http_chunk_write(0, at == 0, header));
	feed(&c, again, whole->trailer, whole->n_trailer);
	must(again->result == HTTP_DONE && again->n_payload == whole->n_payload);
	must(memcmp(again->payload, whole->payload, whole->n_payload) == 0);
	must(again->n_trailer == whole->n_trailer);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct decoded *whole, *cut;
	size_t first, step;

	if (size < 2 || size > SIZE_MAX_HERE)
		return 0;
	first = data[0];
	step = data[1] % 32 + 1u;
	data += 2;
	size -= 2;
	whole = malloc(sizeof(*whole));
	cut = malloc(sizeof(*cut));
	decode(whole, data, size, size, 1);
	decode(cut, data, size, first, step);
	must_be_same(whole, cut);
	decode(cut, data, size, 1, 1);
	must_be_same(whole, cut);
	if (whole->result == HTTP_DONE)
		check_written(whole, cut, step);
	free(cut);
	free(whole);
	return 0;
}

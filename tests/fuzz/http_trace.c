/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as traceparent and as fields tracestate, which line ends part: what is valid is
 * written again as the same, and a list that was joined is one that joins to itself.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/http/trace_context.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FIELDS 8

static void
must(bool condition)
{
	if (!condition)
		abort();
}

static void
check_parent(const uint8_t *bytes, size_t size)
{
	struct trace_parent first, second;
	uint8_t text[TRACE_PARENT_SIZE];

	if (!trace_parent_parse(&first, bytes, size))
		return;
	trace_parent_write(&first, text);
	must(trace_parent_parse(&second, text, sizeof(text)));
	must(memcmp(first.trace_id, second.trace_id, TRACE_ID) == 0);
	must(memcmp(first.span_id, second.span_id, TRACE_SPAN) == 0);
	must(second.flags == (first.flags & TRACE_SAMPLED));
	must(memcmp(bytes + 2, text + 2, TRACE_PARENT_SIZE - 4) == 0);
	must(trace_by_share(first.trace_id, TRACE_SHARE_WHOLE));
	must(!trace_by_share(first.trace_id, 0));
}

static void
check_state(const uint8_t *bytes, size_t size)
{
	uint8_t joined[TRACE_STATE_MAX], again[TRACE_STATE_MAX];
	struct trace_text fields[FIELDS] = { { bytes, 0 } }, whole = { joined, 0 };
	size_t n = 1, i;
	int length;

	for (i = 0; i < size; i++) {
		if (bytes[i] != '\n' || n == FIELDS)
			fields[n - 1].length++;
		else
			fields[n++] = (struct trace_text){ bytes + i + 1, 0 };
	}
	length = trace_state_join(fields, n, joined);
	must(length >= -1 && length <= TRACE_STATE_MAX);
	if (length < 0)
		return;
	whole.length = (size_t)length;
	must(trace_state_join(&whole, 1, again) == length);
	must(memcmp(joined, again, (size_t)length) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *bytes = malloc(size + !size);

	memcpy(bytes, data, size);
	check_parent(bytes, size);
	check_state(bytes, size);
	free(bytes);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a PROXY protocol header: the answer to a beginning agrees with the answer to the
 * whole, and what was read can be written and read again.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/proxy_protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool condition)
{
	if (!condition)
		abort();
}

static bool
same_ends(const struct proxy_ends *a, const struct proxy_ends *b)
{
	return a->known == b->known &&
	       (!a->known || (addr_equal(&a->src, &b->src) && addr_equal(&a->dst, &b->dst) &&
			      a->sport == b->sport && a->dport == b->dport));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t v1[PROXY_PROTOCOL_V1_MAX], v2[PROXY_PROTOCOL_V2_LEN];
	struct proxy_ends ends, again;
	size_t len, n;
	int whole;

	/* Each beginning in a buffer of its own length, so that reading past it is seen. */
	whole = proxy_protocol_parse(data, size, &ends);
	must(whole <= (int)size && whole <= PROXY_PROTOCOL_MAX);
	for (len = 0; len < size && len < 200; len++) {
		uint8_t *part = malloc(len + !len);
		int answer;

		memcpy(part, data, len);
		answer = proxy_protocol_parse(part, len, &again);
		free(part);
		/* What is wrong stays wrong; what is whole stays whole. */
		if (answer != 0)
			must(answer == whole);
		must(answer == 0 || answer < 0 || (size_t)answer <= len);
	}
	if (whole <= 0)
		return 0;
	n = proxy_protocol_write_v1(&ends, v1);
	must(n <= sizeof(v1) && proxy_protocol_parse(v1, n, &again) == (int)n);
	must(same_ends(&ends, &again));
	n = proxy_protocol_write_v2(&ends, v2);
	must(n <= sizeof(v2) && proxy_protocol_parse(v2, n, &again) == (int)n);
	must(same_ends(&ends, &again));
	return 0;
}

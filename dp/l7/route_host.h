/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hosts as routes compare them: in lower case, without the dot that may end a name, IPv6 addresses
 * in their one spelling (RFC 5952). Pure, any thread; the builder of a table and the worker that
 * reads it have to agree.
 */
#ifndef DP_L7_ROUTE_HOST_H
#define DP_L7_ROUTE_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "dp/l7/route_table.h"
#include "lib/fold.h"

/* Behind the name there are zeros, enough for a word to be read at each of its characters. */
struct http_host {
	size_t length;
	uint8_t bytes[HTTP_HOST_MOST + 1 + 8];
};

/* The host, without port, in that form. False: it is empty or too long, no group has it. */
bool http_host_read(struct http_host *out, const uint8_t *bytes, size_t length);

/* Of the part of a host that is left from `at` on. */
static inline uint64_t
http_host_hash(const struct http_host *host, size_t at)
{
	uint64_t hash = host->length - at, word;

	for (; at < host->length; at += 8) {
		memcpy(&word, host->bytes + at, 8);
		hash = multiply_fold(hash ^ word, 0x9e3779b97f4a7c15ULL);
	}
	return multiply_fold(hash, 0xd6e8feb86659fd93ULL);
}

static inline bool
http_host_has_length(const struct http_hosts *hosts, size_t length)
{
	return hosts->lengths[length / 64] >> length % 64 & 1;
}

/* The slot of that name, or the empty one where it would be. */
static inline struct http_host_slot *
http_host_slot(const struct http_hosts *hosts, const uint8_t *text, const struct http_host *host,
	       size_t at)
{
	size_t length = host->length - at, i = http_host_hash(host, at) & hosts->mask;
	struct http_host_slot *s;

	for (;; i = (i + 1) & hosts->mask) {
		s = &hosts->slots[i];
		if (s->length == 0)
			return s;
		if (s->length == length &&
		    memcmp(length > HTTP_HOST_INLINE ? text + s->text : s->name, host->bytes + at,
			   length) == 0)
			return s;
	}
}

#endif

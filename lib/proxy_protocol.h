/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header of the PROXY protocol, versions 1 and 2 (Willy Tarreau, "The PROXY protocol", 2020):
 * what a proxy says of its client before the client's data.
 *
 * Bytes in, struct out, and back; no state, no I/O, any thread. What is read may be anything, and
 * may be only the beginning. Invariant:
 *     parse(bytes, n) = m > 0  =>  parse(bytes, m) = m, and parse(bytes, k) = 0 for all k < m
 */
#ifndef LIB_PROXY_PROTOCOL_H
#define LIB_PROXY_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"

#define PROXY_PROTOCOL_V1_MAX 107  /* bytes of a header of version 1 */
#define PROXY_PROTOCOL_V2_LEN 52   /* at most, of one that we write */
#define PROXY_PROTOCOL_MAX    4096 /* a longer one (of TLVs) is refused */

/* The connection that the header speaks of. */
struct proxy_ends {
	struct addr src, dst;  /* the client, and whom it meant; of one family */
	uint16_t sport, dport; /* host byte order */
	bool known; /* false: the header says nothing of it (UNKNOWN, LOCAL, a UNIX socket):
		       the connection's own ends count */
};

/* Read the header at the start of `len` bytes. How long it is (what follows it, TLVs included, is
 * skipped); 0: it is not complete yet; -EINVAL: no such header. */
int proxy_protocol_parse(const uint8_t *bytes, size_t len, struct proxy_ends *out);

/* Write a header; its length. Of ends that are not known it says so. */
size_t proxy_protocol_write_v1(const struct proxy_ends *ends, uint8_t out[PROXY_PROTOCOL_V1_MAX]);
size_t proxy_protocol_write_v2(const struct proxy_ends *ends, uint8_t out[PROXY_PROTOCOL_V2_LEN]);

#endif

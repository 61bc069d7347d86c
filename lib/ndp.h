/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answering neighbour solicitations (RFC 4861, sections 4.3, 4.4, 7.2.3 and 7.2.4) for whole
 * prefixes of ours.
 *
 * Linux answers for addresses that a device has, but not for a prefix that is merely routed to it;
 * a service or a set of source addresses may be such a prefix. Bytes in, bytes out; any thread.
 */
#ifndef LIB_NDP_H
#define LIB_NDP_H

#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"

/* Ethernet, IPv6, neighbour advertisement, one option. */
#define NDP_ANSWER_LEN (14 + 40 + 24 + 8)

/* Whose solicitations are answered, and with which Ethernet address. */
struct ndp_targets {
	const struct prefix *list;
	size_t count;
	struct mac mac;
};

/* If the untagged frame (len bytes) is a valid solicitation for an address of targets, and not a
 * probe for duplicates (those are for whoever has the address), write the advertisement to out.
 * Returns NDP_ANSWER_LEN, or 0. */
size_t ndp_answer(const void *frame, size_t len, const struct ndp_targets *targets,
		  uint8_t out[NDP_ANSWER_LEN]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pools by server name: what a listener that passes TLS on has beyond others. Made by
 * cp/compile/server_names.c; immutable, any thread.
 *
 * A name is looked for as a whole, then its suffixes, the longest first: "*.shop.example" is for
 * all names below shop.example, but for those that have a rule of their own.
 */
#ifndef DP_PROXY_SERVER_NAMES_H
#define DP_PROXY_SERVER_NAMES_H

#include <stdint.h>

#include "lib/host.h"

/* The identity of a pool. */
struct server_pool {
	uint32_t slot; /* UINT32_MAX: none */
	uint32_t epoch;
};

struct server_names {
	struct host_table exact, suffixes; /* values: slot and epoch of the pool */
	const uint8_t *text;
	struct server_pool fallback; /* of clients whose name is in neither, or who send none */
};

/* The pool of a name in lower case; length 0: there is none. */
static inline struct server_pool
server_names_find(const struct server_names *names, const char *name, size_t length)
{
	const struct host_slot *slot = NULL;
	struct host host;
	size_t at = 0;

	if (!host_read(&host, (const uint8_t *)name, length))
		return names->fallback;
	slot = host_find(&names->exact, names->text, &host, 0);
	while (!slot && (at = host_suffix(&host, at)) != 0)
		slot = host_find(&names->suffixes, names->text, &host, at);
	return slot ? (struct server_pool){ slot->value[0], slot->value[1] } : names->fallback;
}

#endif

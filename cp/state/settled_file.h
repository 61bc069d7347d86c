/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of the file "settled" of the state directory: by pool, the membership that its settled
 * table is built from. In the byte order of this machine:
 *
 *     file:    magic (8, with the version) | check (8, of all that follows) | pools (4) | pool ...
 *     pool:    length of the name (1) | name | rows (4) | members (4) | member ...
 *     member:  address (16) | weight (4) | port (2)
 *
 * Pools are in the order of their names, members in that of membership_compare. What is read may be
 * anything: it is taken as a whole or not at all. Pure functions, control thread.
 */
#ifndef CP_STATE_SETTLED_FILE_H
#define CP_STATE_SETTLED_FILE_H

#include <stddef.h>

#include "cp/compile/membership.h"

struct settled_pool {
	char *name;
	struct membership *membership; /* one reference */
};

struct settled_pools {
	struct settled_pool *list;
	size_t n;
};

/* The file, to be freed; NULL without memory. Sorts the list. Each name once, of 1 to
 * CONFIG_NAME_MAX bytes. */
void *settled_encode(struct settled_pools *pools, size_t *len);
/* What the bytes say. NULL: *pools is to be cleared; otherwise why they are refused. */
const char *settled_decode(const void *bytes, size_t len, struct settled_pools *pools);
void settled_pools_clear(struct settled_pools *pools);

/* For tests that forge files: the check of a file's bytes, made right. */
void settled_seal(void *bytes, size_t len);

#endif

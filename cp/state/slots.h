/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file "slots" of the state directory: who has which slot of services and backends, for the
 * connections that name them by slot and epoch. Binary, of this machine, with a checksum. What is
 * read may be anything. Control thread.
 */
#ifndef CP_STATE_SLOTS_H
#define CP_STATE_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cp/compile/identity.h"

struct store;

/* A random number that slots and the connections that use them have in common. */
struct slots_life {
	uint64_t id[2];
};

/* 0 or -errno: then the old ones are still there. */
int slots_save(struct store *store, const struct slots_life *life, const struct identity *services,
	       const struct identity *backends);
/* False: there are none of this life, or they are damaged. True: the caller owns both. */
bool slots_load(struct store *store, const struct slots_life *life, struct identity **services,
		struct identity **backends);
/* The same from bytes. */
bool slots_parse(const void *bytes, size_t len, const struct slots_life *life,
		 struct identity **services, struct identity **backends);

#endif

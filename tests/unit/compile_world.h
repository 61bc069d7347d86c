/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A compiler and what it looks at, for tests. Configurations come as text, as a user writes them;
 * the network as arrays. What cannot be made ends the test.
 */
#ifndef TESTS_UNIT_COMPILE_WORLD_H
#define TESTS_UNIT_COMPILE_WORLD_H

#include <stdint.h>

#include "cp/compile/compile.h"
#include "cp/config/config.h"

#define SECOND 1000000000ULL

/* A compiler with all that it looks at. */
struct world {
	struct compiler *compiler;
	struct config *config;
	struct compile_input in;
	struct network_neighbour neighbours[8];
	struct network_route routes[8];
	struct mac macs[2];
	const struct snapshot *snapshot;
};

struct addr A(const char *text);
struct prefix P(const char *text);

void world_init(struct world *w, uint16_t workers);
void world_free(struct world *w);
/* Compile again; the snapshot before is freed. */
const struct snapshot *recompile(struct world *w);
/* Apply pools, services and listeners to two interfaces. */
const struct snapshot *apply(struct world *w, const char *objects);
/* The same, but it is not published. */
void apply_in_vain(struct world *w, const char *objects);

#endif

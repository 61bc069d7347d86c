/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the configuration itself says of the network, whatever Linux knows: static neighbours,
 * routes, and the networks of links that have no twin. Owned by struct network; control thread
 * only.
 */
#ifndef CP_NET_FIXED_H
#define CP_NET_FIXED_H

#include <stdbool.h>
#include <stddef.h>

#include "cp/config/model.h"
#include "cp/net/links.h"
#include "cp/net/neighbours.h"
#include "cp/net/network.h"

struct fixed {
	struct network_neighbour *neighbours; /* sorted by port, VLAN, address */
	struct network_route *routes;
	size_t n_neighbours, n_routes;
};

/* A route that no link leads to: -ENETUNREACH with a sentence. */
int fixed_check(const struct config *config, char *error, size_t error_size);
/* Take over from the configuration. 0 or -ENOMEM. */
int fixed_configure(struct fixed *f, const struct links *links, const struct config *config);
void fixed_free(struct fixed *f);

bool fixed_has_neighbour(const struct fixed *f, const struct neighbour_key *key);

#endif

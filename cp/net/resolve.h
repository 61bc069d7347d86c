/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making the kernel find out Ethernet addresses, and keep them fresh: it does not see the traffic
 * of services, so it would take the neighbours for unused and forget them.
 *
 * Owned by struct network; control thread only.
 */
#ifndef CP_NET_RESOLVE_H
#define CP_NET_RESOLVE_H

#include <stddef.h>

#include "cp/loop.h"
#include "cp/net/links.h"
#include "cp/net/neighbours.h"
#include "cp/net/netlink.h"

struct resolver;

struct resolver *resolver_create(struct loop *loop, struct netlink *requests,
				 const struct links *links, const struct neighbours *neighbours);
void resolver_destroy(struct resolver *r);

/* Ask once, unless it was asked for within the last second, or too many were. */
void resolver_ask(struct resolver *r, const struct network_target *target);
/* Keep these resolved; the list is copied and replaces the earlier one. */
void resolver_keep(struct resolver *r, const struct network_target *targets, size_t count);
/* Neighbours have changed: ask soon for the kept ones that are no longer known. */
void resolver_look(struct resolver *r);

#endif

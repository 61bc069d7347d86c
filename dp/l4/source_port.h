/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The source of a full-nat connection towards its backend: an address of ours and a port such that
 * the backend's answers come to this worker, and that no other connection to this backend has.
 *
 *     address of this worker      any port of the range
 *     address that all share      a port that belongs to this worker (snapshot_port_owner)
 *
 * The range leaves out the kernel's own ports, since the kernel uses the same addresses.
 * Worker only.
 */
#ifndef DP_L4_SOURCE_PORT_H
#define DP_L4_SOURCE_PORT_H

#include <stdbool.h>

#include "dp/l4/connection.h"

/* Fill in t->local and t->local_port; the backend in t and p's protocol are given. False: none of
 * the sources that were tried is free. */
bool source_port_choose(struct worker *w, const struct packet *p, struct connection_target *t);

#endif

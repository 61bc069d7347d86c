/* SPDX-License-Identifier: Apache-2.0 */
/*
 * At start: have the workers take over the connections that lie in their memory, each on its own
 * lcore, all at a time. Control thread, after the first snapshot is published and before a worker
 * runs.
 */
#ifndef CP_STATE_TAKE_OVER_H
#define CP_STATE_TAKE_OVER_H

#include "dp/worker.h"

/* Returns when all have done so; what became of how many is logged. 0 or -errno, logged. */
int take_over_connections(struct dataplane *dp);

#endif

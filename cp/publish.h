/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publishing snapshots, and freeing old ones when no worker can still look at them: two phases, by
 * rte_rcu_qsbr.
 *
 *     publish(new): published := new; retired += (old, token)
 *     reclaim():    for each retired whose token every worker has passed: free
 *
 * Control thread only.
 */
#ifndef CP_PUBLISH_H
#define CP_PUBLISH_H

#include <stddef.h>

#include "dp/worker.h"

struct publisher;

struct publisher *publisher_create(struct dataplane *dp);
/* Also frees the published snapshot and all retired ones: only after the workers have ended. */
void publisher_destroy(struct publisher *p);
/* All that publishing can fail for. 0 or -ENOMEM. */
int publish_prepare(struct publisher *p);
/* Make workers see s from their next iteration on; takes over its reference. After publish_prepare.
 */
void publish(struct publisher *p, const struct snapshot *s);
/* Free what can be freed. Returns how many snapshots still wait. */
size_t publisher_reclaim(struct publisher *p);

#endif

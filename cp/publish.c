/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/publish.h"

#include <errno.h>
#include <stdlib.h>

#include "cp/compile/compile.h"

struct retired {
	const struct snapshot *snapshot;
	uint64_t token; /* workers that have passed it hold nothing older */
	struct retired *next;
};

struct publisher {
	struct dataplane *dp;
	struct retired *retired; /* oldest first */
};

struct publisher *
publisher_create(struct dataplane *dp)
{
	struct publisher *p = calloc(1, sizeof(*p));

	if (p)
		p->dp = dp;
	return p;
}

static void
free_first(struct publisher *p)
{
	struct retired *r = p->retired;

	p->retired = r->next;
	snapshot_free(r->snapshot);
	free(r);
}

void
publisher_destroy(struct publisher *p)
{
	if (!p)
		return;
	while (p->retired)
		free_first(p);
	snapshot_free(atomic_exchange(&p->dp->published, NULL));
	free(p);
}

int
publish(struct publisher *p, const struct snapshot *s)
{
	struct retired *r = calloc(1, sizeof(*r));
	struct retired **end = &p->retired;

	if (!r)
		return -ENOMEM;
	r->snapshot = atomic_exchange_explicit(&p->dp->published, s, memory_order_acq_rel);
	r->token = rte_rcu_qsbr_start(p->dp->rcu);
	while (*end)
		end = &(*end)->next;
	*end = r;
	return 0;
}

size_t
publisher_reclaim(struct publisher *p)
{
	const struct retired *r;
	size_t waiting = 0;

	while (p->retired && rte_rcu_qsbr_check(p->dp->rcu, p->retired->token, false) == 1)
		free_first(p);
	for (r = p->retired; r; r = r->next)
		waiting++;
	return waiting;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/publish.h"

#include <assert.h>
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
	struct retired *spare;   /* for the next one, see publish_prepare */
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
	free(p->spare);
	snapshot_free(atomic_exchange(&p->dp->published, NULL));
	free(p);
}

int
publish_prepare(struct publisher *p)
{
	if (!p->spare)
		p->spare = calloc(1, sizeof(*p->spare));
	return p->spare ? 0 : -ENOMEM;
}

void
publish(struct publisher *p, const struct snapshot *s)
{
	struct retired *r = p->spare;
	struct retired **end = &p->retired;

	assert(r);
	p->spare = NULL;
	r->snapshot = atomic_exchange_explicit(&p->dp->published, s, memory_order_acq_rel);
	r->token = rte_rcu_qsbr_start(p->dp->rcu);
	while (*end)
		end = &(*end)->next;
	*end = r;
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

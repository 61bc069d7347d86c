/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between a compilation and its publication: what a snapshot is compiled into stays apart until it
 * is known whether workers will see it.
 *
 *     compile ──> pending ──> commit: names that it has not lose their slots, pools go
 *        │           └──────> abandon: names that it alone has lose their slots, pools are what
 *        └── failed ────────> the same   they were
 *
 * So whoever is in the last published snapshot is in the next one what it was, whatever failed in
 * between. Pools are changed in place, so a copy of them is kept where the configuration is another
 * one. Where it is the same only conditions differ, and the next compilation sets those again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cp/compile/internal.h"

/* ---- pools as they were ---------------------------------------------------------------------- */

static void *
copy_of(const void *bytes, size_t size)
{
	void *copy = malloc(size + 1);

	if (copy && size)
		memcpy(copy, bytes, size);
	return copy;
}

/* NULL without memory. */
static struct pool_state *
pool_copy(const struct pool_state *p)
{
	struct pool_state *copy = copy_of(p, sizeof(*p));

	if (!copy)
		return NULL;
	shared_get(p->candidate);
	shared_get(p->settled);
	shared_get(p->moving);
	shared_get(p->built);
	shared_get(p->record);
	shared_get(p->by_id);
	copy->name = strdup(p->name);
	copy->members = copy_of(p->members, p->capacity * sizeof(*p->members));
	copy->index = p->index ? copy_of(p->index, (p->index_mask + 1) * sizeof(*p->index)) : NULL;
	copy->tls = p->tls ? strdup(p->tls) : NULL;
	if (copy->name && copy->members && (copy->index || !p->index) && (copy->tls || !p->tls))
		return copy;
	pool_state_free(copy);
	return NULL;
}

static void
pools_free(struct pool_state **pools, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		pool_state_free(pools[i]);
	free(pools);
}

int
pending_begin(struct compiler *c, const struct config *config)
{
	struct pending *p = &c->pending;

	if (config == c->config)
		return 0;
	p->pools = calloc(c->n_pools + 1, sizeof(*p->pools));
	if (!p->pools)
		return -ENOMEM;
	for (p->n_pools = 0; p->n_pools < c->n_pools; p->n_pools++) {
		p->pools[p->n_pools] = pool_copy(c->pools[p->n_pools]);
		if (!p->pools[p->n_pools])
			break;
	}
	if (p->n_pools == c->n_pools)
		return 0;
	pools_free(p->pools, p->n_pools);
	p->pools = NULL;
	return -ENOMEM;
}

static void
pools_restore(struct compiler *c)
{
	size_t i;

	if (c->pending.pools) {
		pools_free(c->pools, c->n_pools);
		c->pools = c->pending.pools;
		c->n_pools = c->pending.n_pools;
		c->pool_sets++;
		c->pending.pools = NULL;
	}
	for (i = 0; i < c->n_pools; i++)
		c->pools[i]->seen = false;
}

/* Forget pools that are no longer configured. */
static void
pools_sweep(struct compiler *c)
{
	size_t kept = 0, i;

	for (i = 0; i < c->n_pools; i++) {
		if (!c->pools[i]->seen) {
			pool_state_free(c->pools[i]);
			c->pool_sets++;
			continue;
		}
		c->pools[i]->seen = false;
		c->pools[kept++] = c->pools[i];
	}
	c->n_pools = kept;
}

/* ---- both ends ------------------------------------------------------------------------------- */

void
backend_slots_free(uint32_t **slots, size_t n_pools)
{
	size_t i;

	for (i = 0; slots && i < n_pools; i++)
		free(slots[i]);
	free(slots);
}

void
compiler_abandon(struct compiler *c)
{
	struct pending *p = &c->pending;

	if (!p->open)
		return;
	listeners_rename_back(c);
	identity_undo(c->services);
	identity_undo(c->backends);
	identity_undo(c->pool_slots);
	pools_restore(c);
	backend_slots_free(p->backend_slots, p->n_backend_slots);
	free(p->service_slots);
	free(p->targets);
	*p = (struct pending){ 0 };
}

void
compiler_commit(struct compiler *c)
{
	struct pending *p = &c->pending;

	if (!p->open)
		return;
	identity_sweep(c->services);
	identity_sweep(c->backends);
	identity_sweep(c->pool_slots);
	pools_sweep(c);
	if (p->pools)
		pools_free(p->pools, p->n_pools);
	backend_slots_free(c->backend_slots, c->n_backend_slots);
	c->backend_slots = p->backend_slots;
	c->n_backend_slots = p->n_backend_slots;
	free(c->service_slots);
	c->service_slots = p->service_slots;
	free(c->targets);
	c->targets = p->targets;
	c->n_targets = p->n_targets;
	shared_put(c->destinations);
	c->destinations = shared_get(p->parts->destinations);
	shared_put(c->limits);
	c->limits = shared_get(p->parts->limits);
	shared_put(c->proxies);
	c->proxies = shared_get(p->parts->proxies);
	http_blocks_sweep(c);
	c->config = p->config;
	c->generation = p->generation;
	*p = (struct pending){ 0 };
}

uint32_t
compiler_pending_slot(const struct compiler *c, size_t service)
{
	return c->pending.service_slots[service];
}

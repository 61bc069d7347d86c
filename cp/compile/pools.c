/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pool's members and its two Maglev tables.
 *
 *     candidate = maglev(present members)
 *     moving(row) <=> candidate(row) has differed from settled(row) at some time since settled was
 * set
 *
 * When nothing has changed for as long as any connection may be silent, whatever had to be
 * remembered has been seen by the workers and lives in their tables: candidate becomes settled.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cp/compile/internal.h"
#include "lib/maglev.h"

void
pool_state_free(struct pool_state *p)
{
	if (!p)
		return;
	shared_put(p->candidate);
	shared_put(p->settled);
	shared_put(p->moving);
	free(p->members);
	free(p->index);
	free(p->name);
	free(p);
}

static struct pool_state *
pool_find(struct compiler *c, const char *name)
{
	struct pool_state **pools, *p;
	size_t i;

	for (i = 0; i < c->n_pools; i++)
		if (strcmp(c->pools[i]->name, name) == 0)
			return c->pools[i];
	pools = realloc(c->pools, (c->n_pools + 1) * sizeof(*pools));
	if (!pools)
		return NULL;
	c->pools = pools;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->name = strdup(name);
	if (!p->name) {
		free(p);
		return NULL;
	}
	pools[c->n_pools++] = p;
	return p;
}

static size_t
member_hash(const struct addr *addr, uint16_t port)
{
	uint64_t h = (addr->q[0] ^ 0x9e3779b97f4a7c15ull) * 0xff51afd7ed558ccdull;

	h = (h ^ h >> 32 ^ addr->q[1] ^ port) * 0xc4ceb9fe1a85ec53ull;
	return (size_t)(h ^ h >> 29);
}

static struct pool_member *
member_find(const struct pool_state *p, const struct backend_config *b)
{
	size_t i;

	if (!p->index)
		return NULL;
	for (i = member_hash(&b->address, b->port) & p->index_mask; p->index[i];
	     i = (i + 1) & p->index_mask) {
		struct pool_member *m = &p->members[p->index[i] - 1];

		if (m->used && m->port == b->port && addr_equal(&m->addr, &b->address))
			return m;
	}
	return NULL;
}

uint16_t
pool_member_slot(const struct pool_state *p, const struct backend_config *b)
{
	const struct pool_member *m = member_find(p, b);

	return m && m->present ? (uint16_t)(m - p->members) : UINT16_MAX;
}

static void
index_put(struct pool_state *p, size_t slot)
{
	const struct pool_member *m = &p->members[slot];
	size_t i = member_hash(&m->addr, m->port) & p->index_mask;

	while (p->index[i])
		i = (i + 1) & p->index_mask;
	p->index[i] = (uint32_t)slot + 1;
	p->n_indexed++;
}

/* Room for one more in the index, which stays half empty; who has left goes out of it. */
static bool
index_room(struct pool_state *p)
{
	size_t size = 16, slot;
	uint32_t *index;

	if (p->index && (p->n_indexed + 1) * 2 <= p->index_mask + 1)
		return true;
	while (size < (p->n_used + 1) * 4)
		size *= 2;
	index = calloc(size, sizeof(*index));
	if (!index)
		return false;
	free(p->index);
	p->index = index;
	p->index_mask = size - 1;
	p->n_indexed = 0;
	for (slot = 0; slot < p->n_members; slot++)
		if (p->members[slot].used)
			index_put(p, slot);
	return true;
}

static struct pool_member *
member_add(struct pool_state *p, const struct backend_config *b)
{
	size_t i = p->n_used == p->n_members ? p->n_members : 0;
	struct pool_member *m;

	for (; i < p->n_members && p->members[i].used; i++)
		;
	if (i == MAGLEV_NONE || !index_room(p))
		return NULL;
	if (i == p->capacity) {
		size_t capacity = p->capacity ? p->capacity * 2 : 8;

		m = realloc(p->members, capacity * sizeof(*m));
		if (!m)
			return NULL;
		p->members = m;
		p->capacity = capacity;
	}
	if (i == p->n_members)
		p->n_members++;
	m = &p->members[i];
	*m = (struct pool_member){ .addr = b->address, .port = b->port, .used = true };
	p->n_used++;
	index_put(p, i);
	return m;
}

/* Members as the configuration and their conditions have them now. *changed: the candidate table
 * must be built anew. */
static int
members_update(struct pool_state *p, const struct pool_config *config,
	       const struct backend_condition *conditions, bool *changed)
{
	size_t i, present = 0;

	for (i = 0; i < config->n_backends; i++)
		if (!member_find(p, &config->backends[i]) && !member_add(p, &config->backends[i]))
			return -ENOMEM;
	*changed = !p->candidate;
	for (i = 0; i < p->n_members; i++)
		present += p->members[i].used && p->members[i].present;
	for (i = 0; i < config->n_backends; i++) {
		struct pool_member *m = member_find(p, &config->backends[i]);

		*changed |= !m->present || m->weight != conditions[i].weight;
		present -= m->present;
	}
	*changed |= present != 0; /* some that were there are not listed any more */
	for (i = 0; i < p->n_members; i++)
		p->members[i].present = false;
	for (i = 0; i < config->n_backends; i++) {
		struct pool_member *m = member_find(p, &config->backends[i]);

		m->present = true;
		m->weight = conditions[i].weight;
	}
	return 0;
}

/* A table of the present members, as a shared block. The key is what every node and every restart
 * agrees on. */
static uint16_t *
table_build(const struct pool_state *p, uint32_t rows)
{
	struct {
		struct addr addr;
		uint16_t port;
	} __attribute__((packed)) *keys = calloc(p->n_members + 1, sizeof(*keys));
	struct maglev_member *members = calloc(p->n_members + 1, sizeof(*members));
	uint16_t *table = shared_new(rows * sizeof(*table), NULL);
	size_t n = 0, i;
	int rc = -ENOMEM;

	if (keys && members && table) {
		for (i = 0; i < p->n_members; i++) {
			const struct pool_member *m = &p->members[i];

			if (!m->present)
				continue;
			keys[n].addr = m->addr;
			keys[n].port = m->port;
			members[n] = (struct maglev_member){ &keys[n], sizeof(keys[n]), m->weight,
							     (uint16_t)i };
			n++;
		}
		rc = maglev_build(table, rows, members, n);
	}
	free(keys);
	free(members);
	if (rc == 0)
		return table;
	shared_put(table);
	return NULL;
}

/* Slots of members that have left and that no table names any more. */
static void
forget_gone(struct pool_state *p)
{
	size_t i;

	for (i = 0; i < p->n_members; i++) {
		if (p->members[i].present || !p->members[i].used)
			continue;
		p->members[i].used = false;
		p->n_used--;
	}
}

static void
settle(struct pool_state *p)
{
	shared_put(p->settled);
	p->settled = shared_get(p->candidate);
	p->settled_rows = p->rows;
	shared_put(p->moving);
	p->moving = NULL;
	forget_gone(p);
}

static size_t
bitmap_words(uint32_t rows)
{
	return rows / 64 + 1;
}

/* The rows that move once `table` has become the candidate, as a shared block: those that moved
 * before, and those that differ now. NULL without memory. */
static uint64_t *
moving_rows(const struct pool_state *p, const uint16_t *table)
{
	size_t words = bitmap_words(p->settled_rows);
	uint64_t *moving = shared_new(words * sizeof(*moving), NULL);
	uint32_t row;

	if (!moving)
		return NULL;
	if (p->rows != p->settled_rows)
		memset(moving, 0xff, words * sizeof(*moving));
	else if (p->moving)
		memcpy(moving, p->moving, words * sizeof(*moving));
	for (row = 0; row < p->settled_rows; row++)
		if (table[row] != p->settled[row])
			moving[row >> 6] |= 1ULL << (row & 63);
	return moving;
}

static bool
any_bit(const uint64_t *words, size_t n)
{
	size_t i;

	for (i = 0; i < n && !words[i]; i++)
		;
	return i < n;
}

/* Make `table` of `rows` rows the candidate; takes over its reference, on failure too. */
static int
candidate_replace(struct pool_state *p, uint16_t *table, uint32_t rows, uint64_t now)
{
	uint64_t *moving = NULL;

	if (rows == p->settled_rows) {
		moving = moving_rows(p, table);
		if (!moving) {
			shared_put(table);
			return -ENOMEM;
		}
	}
	if (moving && !any_bit(moving, bitmap_words(rows))) {
		shared_put(moving);
		moving = NULL;
	}
	shared_put(p->moving);
	p->moving = moving;
	shared_put(p->candidate);
	p->candidate = table;
	p->rows = rows;
	p->changed_at = now;
	if (!moving && rows == p->settled_rows)
		settle(
		    p); /* both say the same: nothing is to be remembered, not even who has left */
	return 0;
}

struct pool_state *
pool_update(struct compiler *c, const struct pool_config *config,
	    const struct backend_condition *conditions, uint64_t lifetime, uint64_t now)
{
	struct pool_state *p = pool_find(c, config->name);
	uint32_t rows = maglev_rows_for(config->n_backends);
	uint16_t *table;
	bool changed;

	if (!p)
		return NULL;
	p->seen = true;
	p->lifetime = lifetime;
	if (pool_settles_at(p) <= now)
		settle(p);
	if (members_update(p, config, conditions, &changed) < 0)
		return NULL;
	if (!changed && !p->stale)
		return p;
	p->stale = true;
	table = table_build(p, rows);
	if (!table)
		return NULL;
	if (p->candidate) {
		if (candidate_replace(p, table, rows, now) < 0)
			return NULL;
	} else {
		p->candidate = table;
		p->rows = rows;
		p->changed_at = now;
		settle(p);
	}
	p->stale = false;
	return p;
}

uint64_t
pool_settles_at(const struct pool_state *p)
{
	bool moves = p->moving || p->rows != p->settled_rows;

	return moves ? p->changed_at + p->lifetime : UINT64_MAX;
}

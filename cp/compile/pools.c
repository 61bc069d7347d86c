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
#include "lib/fold.h"
#include "lib/maglev.h"

void
pool_state_free(struct pool_state *p)
{
	if (!p)
		return;
	shared_put(p->candidate);
	shared_put(p->settled);
	shared_put(p->moving);
	shared_put(p->built);
	shared_put(p->record);
	shared_put(p->by_id);
	free(p->members);
	free(p->index);
	free(p->tls);
	free(p->name);
	free(p);
}

static struct pool_state *
pool_add(struct compiler *c, const char *name)
{
	struct pool_state **pools, *p;

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

static struct pool_state *
pool_find(struct compiler *c, const char *name)
{
	size_t i;

	for (i = 0; i < c->n_pools; i++)
		if (strcmp(c->pools[i]->name, name) == 0)
			return c->pools[i];
	return pool_add(c, name);
}

static size_t
member_hash(const struct addr *addr, uint16_t port)
{
	/* Neighbours differ in an address's last byte, the highest one of q[1]: it has to reach the
	 * low bits. */
	return (size_t)multiply_fold(addr->q[0] ^ port ^ 0x9e3779b97f4a7c15ull,
				     addr->q[1] ^ 0xff51afd7ed558ccdull);
}

static struct pool_member *
member_find(const struct pool_state *p, const struct addr *addr, uint16_t port)
{
	size_t i;

	if (!p->index)
		return NULL;
	for (i = member_hash(addr, port) & p->index_mask; p->index[i];
	     i = (i + 1) & p->index_mask) {
		struct pool_member *m = &p->members[p->index[i] - 1];

		if (m->used && m->port == port && addr_equal(&m->addr, addr))
			return m;
	}
	return NULL;
}

uint16_t
pool_member_slot(const struct pool_state *p, const struct backend_config *b)
{
	const struct pool_member *m = member_find(p, &b->address, b->port);

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
member_add(struct pool_state *p, const struct addr *addr, uint16_t port)
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
	*m = (struct pool_member){ .addr = *addr, .port = port, .used = true };
	p->n_used++;
	index_put(p, i);
	shared_put(p->by_id);
	p->by_id = NULL;
	return m;
}

/* Members as the configuration and their conditions have them now. *changed: the candidate table
 * must be built anew. */
static int
members_update(struct pool_state *p, const struct pool_config *config,
	       const struct backend_condition *conditions, bool *changed)
{
	size_t i, present = 0;

	for (i = 0; i < config->n_backends; i++) {
		const struct backend_config *b = &config->backends[i];

		if (!member_find(p, &b->address, b->port) && !member_add(p, &b->address, b->port))
			return -ENOMEM;
	}
	*changed = !p->candidate;
	for (i = 0; i < p->n_members; i++)
		present += p->members[i].used && p->members[i].present;
	for (i = 0; i < config->n_backends; i++) {
		const struct backend_config *b = &config->backends[i];
		struct pool_member *m = member_find(p, &b->address, b->port);

		*changed |= !m->present || m->weight != conditions[i].weight;
		present -= m->present;
	}
	*changed |= present != 0; /* some that were there are not listed any more */
	for (i = 0; i < p->n_members; i++)
		p->members[i].present = false;
	for (i = 0; i < config->n_backends; i++) {
		const struct backend_config *b = &config->backends[i];
		struct pool_member *m = member_find(p, &b->address, b->port);

		m->present = true;
		m->weight = conditions[i].weight;
	}
	return 0;
}

/* The members that have a share of the rows, as they are now; NULL without memory. */
static struct membership *
membership_now(const struct pool_state *p, uint32_t rows)
{
	struct membership *m = membership_new(rows, p->n_used);
	size_t n = 0, i;

	for (i = 0; m && i < p->n_members; i++) {
		const struct pool_member *from = &p->members[i];

		if (from->used && from->present && from->weight)
			m->members[n++] =
			    (struct membership_member){ from->addr, from->weight, from->port };
	}
	if (!m)
		return NULL;
	m->n = (uint32_t)n;
	qsort(m->members, n, sizeof(m->members[0]), membership_compare);
	return m;
}

/* Its table, as a shared block; all of them are members of p. The key is what every node and every
 * restart agrees on. */
static uint16_t *
table_build(const struct pool_state *p, const struct membership *from)
{
	struct {
		struct addr addr;
		uint16_t port;
	} __attribute__((packed)) *keys = calloc(from->n + 1, sizeof(*keys));
	struct maglev_member *members = calloc(from->n + 1, sizeof(*members));
	uint16_t *table = shared_room(from->rows * sizeof(*table));
	uint32_t i;
	int rc = -ENOMEM;

	if (keys && members && table) {
		for (i = 0; i < from->n; i++) {
			const struct membership_member *m = &from->members[i];
			const struct pool_member *slot = member_find(p, &m->addr, m->port);

			keys[i].addr = m->addr;
			keys[i].port = m->port;
			members[i] = (struct maglev_member){ &keys[i], sizeof(keys[i]), m->weight,
							     (uint16_t)(slot - p->members) };
		}
		rc = maglev_build(table, from->rows, members, from->n);
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
	uint32_t row, end = p->settled_rows / 4 * 4;
	uint64_t x, y;

	if (!moving)
		return NULL;
	if (p->rows != p->settled_rows)
		memset(moving, 0xff, words * sizeof(*moving));
	else if (p->moving)
		memcpy(moving, p->moving, words * sizeof(*moving));
	/* Most rows do not move: four are compared at a time. */
	for (row = 0; row < p->settled_rows; row++) {
		while (row < end && row % 4 == 0) {
			memcpy(&x, &table[row], sizeof(x));
			memcpy(&y, &p->settled[row], sizeof(y));
			if (x != y)
				break;
			row += 4;
		}
		if (row < p->settled_rows && table[row] != p->settled[row])
			moving[row >> 6] |= 1ULL << (row & 63);
	}
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

/* ---- records: see compile.h ---- */

static void
record_set(struct compiler *c, struct pool_state *p, struct membership *m)
{
	shared_put(p->record);
	p->record = shared_get(m);
	p->recorded = ++c->records;
}

int
compiler_adopt_record(struct compiler *c, const char *pool, struct membership *m)
{
	struct pool_state *p = pool_add(c, pool);

	if (!p)
		return -ENOMEM;
	record_set(c, p, m);
	return 0;
}

void
compiler_record_due(struct compiler *c, uint64_t now)
{
	size_t i;

	for (i = 0; i < c->n_pools; i++) {
		struct pool_state *p = c->pools[i];

		if (pool_settles_at(p) <= now && p->record != p->built)
			record_set(c, p, p->built);
	}
}

void
compiler_each_record(const struct compiler *c, compiler_record_fn *fn, void *arg)
{
	size_t i;

	for (i = 0; i < c->n_pools; i++)
		if (c->pools[i]->record)
			fn(arg, c->pools[i]->name, c->pools[i]->record);
}

/* May a pool that is due settle? */
static bool
is_recorded(const struct compiler *c, const struct pool_state *p)
{
	return c->records_kept == UINT64_MAX ||
	       (p->record == p->built && p->recorded <= c->records_kept);
}

/* Begin where the last process was: with its settled table, and members that are gone unless the
 * configuration has them. More of them than there are slots are of no use. 0 or -ENOMEM. */
static int
settled_restore(struct pool_state *p, const struct pool_config *config)
{
	uint32_t i;

	if (p->record->n + config->n_backends > MEMBERSHIP_MAX)
		return 0;
	for (i = 0; i < p->record->n; i++) {
		const struct membership_member *m = &p->record->members[i];

		if (!member_find(p, &m->addr, m->port) && !member_add(p, &m->addr, m->port))
			return -ENOMEM;
	}
	p->settled = table_build(p, p->record);
	if (!p->settled)
		return -ENOMEM;
	p->rows = p->settled_rows = p->record->rows;
	return 0;
}

/* Without a settled table, the first candidate is that, too. 0 or -ENOMEM. */
static int
candidate_first(struct compiler *c, struct pool_state *p, uint16_t *table, uint64_t now)
{
	if (p->settled)
		return candidate_replace(p, table, p->built->rows, now);
	p->candidate = table;
	p->rows = p->built->rows;
	p->changed_at = now;
	settle(p);
	record_set(c, p, p->built);
	c->pool_sets++;
	return 0;
}

/* Build the candidate anew. 0 or -ENOMEM: then all is as it was. */
static int
candidate_rebuild(struct compiler *c, struct pool_state *p, uint32_t rows, uint64_t now)
{
	struct membership *before = p->built, *built = membership_now(p, rows);
	uint16_t *table = built ? table_build(p, built) : NULL;
	int rc = -ENOMEM;

	if (table) {
		p->built = built;
		rc = p->candidate ? candidate_replace(p, table, rows, now)
				  : candidate_first(c, p, table, now);
	}
	p->built = rc == 0 ? built : before;
	shared_put(rc == 0 ? before : built);
	return rc;
}

struct pool_state *
pool_update(struct compiler *c, const struct pool_config *config,
	    const struct backend_condition *conditions, uint64_t lifetime, uint64_t now)
{
	struct pool_state *p = pool_find(c, config->name);
	uint32_t rows = maglev_rows_for(config->n_backends);
	bool changed;

	if (!p)
		return NULL;
	p->seen = true;
	p->lifetime = lifetime;
	if (pool_settles_at(p) <= now && is_recorded(c, p))
		settle(p);
	if (!p->candidate && !p->settled && p->record && settled_restore(p, config) < 0)
		return NULL;
	if (members_update(p, config, conditions, &changed) < 0)
		return NULL;
	if (!changed && !p->stale)
		return p;
	p->stale = true;
	if (candidate_rebuild(c, p, rows, now) < 0)
		return NULL;
	p->stale = false;
	return p;
}

uint64_t
pool_settles_at(const struct pool_state *p)
{
	bool moves = p->candidate && (p->moving || p->rows != p->settled_rows);

	return moves ? p->changed_at + p->lifetime : UINT64_MAX;
}

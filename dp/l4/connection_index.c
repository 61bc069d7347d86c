/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From tuples to connections. A flow table (lib/flow_table.h) leads from a tuple's hash to the few
 * values that may be meant; the connection itself tells whether it is:
 *
 *     value = index << 1 | reply          reply: its reply tuple is meant, else its forward tuple
 *
 * So a lookup reads a bucket and the connection, which is needed in any case: two cache misses and
 * no copy of the keys.
 *
 * The hash is keyed by secrets of the table's own: clients choose addresses and ports, and could
 * choose them to fall into one bucket otherwise.
 */
#include <sys/random.h>

#include <rte_malloc.h>
#include <rte_prefetch.h>

#include "dp/l4/connection_table.h"
#include "lib/fold.h"

static inline uint64_t
tuple_hash(const struct connections *c, const struct tuple *t)
{
	const uint64_t *k = c->key;
	uint64_t rest;

	memcpy(&rest, &t->sport, sizeof(rest));
	return multiply_fold(multiply_fold(t->src.q[0] ^ k[0], t->src.q[1] ^ k[1]) ^
				 multiply_fold(t->dst.q[0] ^ k[2], t->dst.q[1] ^ k[3]) ^ k[4],
			     rest ^ k[5]);
}

/* Both tuples of every connection. */
static uint32_t
entries_for(uint32_t connections)
{
	return 2 * connections;
}

size_t
connections_index_size(uint32_t n)
{
	return flow_table_size(entries_for(n));
}

bool
connections_index_create(struct connections *c)
{
	void *memory = rte_zmalloc_socket("connection index", connections_index_size(c->capacity),
					  RTE_CACHE_LINE_SIZE, c->socket);

	if (!memory)
		return false;
	flow_table_init(&c->index, entries_for(c->capacity), memory);
	return getrandom(c->key, sizeof(c->key), 0) == sizeof(c->key);
}

void
connections_index_destroy(struct connections *c)
{
	rte_free(c->index.buckets);
}

bool
tuples_equal(const struct tuple *a, const struct tuple *b)
{
	const uint64_t *x = (const void *)a, *y = (const void *)b;

	return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]) | (x[4] ^ y[4])) == 0;
}

/* Is this the tuple that a value stands for? */
static inline bool
is_meant(const struct connections *c, uint32_t value, const struct tuple *t)
{
	const struct connection *connection = &c->array[hit_index(value)];
	bool full = connection->flags & CONNECTION_FULL_NAT;

	if (!hit_is_reply(value))
		return tuples_equal(&connection->forward, t);
	return addr_equal(&t->src, &connection->backend_addr) &&
	       addr_equal(&t->dst, full ? &connection->local : &connection->forward.src) &&
	       t->sport == connection->backend_port &&
	       t->dport == (full ? connection->local_port : connection->forward.sport) &&
	       t->proto == connection->forward.proto;
}

static inline uint32_t
walk(const struct connections *c, const struct tuple *t, uint64_t hash, struct flow_cursor *cursor)
{
	uint32_t value;

	while (flow_table_next(&c->index, hash, cursor, &value))
		if (is_meant(c, value, t))
			return value;
	return INDEX_NONE;
}

void
connections_lookup(struct worker *w, const struct tuple *const *tuples, uint32_t n, uint32_t *hits)
{
	const struct connections *c = w->connections;
	struct flow_cursor cursors[BURST_MAX], first;
	uint64_t hashes[BURST_MAX];
	uint32_t i, value;

	for (i = 0; i < n; i++) {
		hashes[i] = tuple_hash(c, tuples[i]);
		flow_table_prefetch(&c->index, hashes[i]);
	}
	for (i = 0; i < n; i++) {
		cursors[i] = flow_table_find(&c->index, hashes[i]);
		first = cursors[i];
		if (!flow_table_next(&c->index, hashes[i], &first, &value))
			continue;
		rte_prefetch0(&c->array[hit_index(value)]);
		rte_prefetch0(&c->array[hit_index(value)].deadline);
	}
	for (i = 0; i < n; i++)
		hits[i] = walk(c, tuples[i], hashes[i], &cursors[i]);
}

uint64_t
connections_hash(const struct connections *c, const struct tuple *t)
{
	return tuple_hash(c, t);
}

uint32_t
connections_find_hashed(const struct connections *c, const struct tuple *t, uint64_t hash)
{
	struct flow_cursor cursor = flow_table_find(&c->index, hash);

	return walk(c, t, hash, &cursor);
}

uint32_t
connection_find(struct worker *w, const struct tuple *tuple)
{
	return connections_find_hashed(w->connections, tuple, tuple_hash(w->connections, tuple));
}

uint32_t
connection_seek(struct worker *w, const struct packet *p, uint64_t hash)
{
	return connections_find_hashed(w->connections, &p->tuple, hash);
}

bool
connection_enter(struct connections *c, uint32_t index, const struct connection_hashes *h)
{
	if (!flow_table_insert(&c->index, h->forward, index << 1))
		return false;
	if (!(c->array[index].flags & CONNECTION_HAS_REPLY) ||
	    flow_table_insert(&c->index, h->reply, index << 1 | 1))
		return true;
	flow_table_remove(&c->index, h->forward, index << 1);
	return false;
}

void
connection_leave(struct connections *c, uint32_t index)
{
	const struct connection *connection = &c->array[index];
	struct tuple reply;

	flow_table_remove(&c->index, tuple_hash(c, &connection->forward), index << 1);
	if (!(connection->flags & CONNECTION_HAS_REPLY))
		return;
	reply = connection_reply_tuple(connection);
	flow_table_remove(&c->index, tuple_hash(c, &reply), index << 1 | 1);
}

uint32_t
connections_entries(const struct connections *c)
{
	return c->index.entries;
}

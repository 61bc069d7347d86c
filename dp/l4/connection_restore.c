/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking over the connections that an earlier process has left in memory.
 *
 *     array (kept) ──each slot, validated──> hash, timers, counters, list of free slots (made anew)
 *
 * One pass, in batches: the buckets of a batch are fetched from memory together, which is what the
 * time of this goes into. Nothing here trusts the array: who can write it is root, but a process
 * that was killed may have left it in any state, and a bug of the last version in a worse one.
 */
#include <netinet/in.h>

#include <rte_prefetch.h>

#include "dp/l4/classify.h"
#include "dp/l4/connection_memory.h"
#include "dp/l4/connection_table.h"
#include "dp/l4/limit.h"

#define BATCH 32u

enum fate {
	FATE_ALIVE,
	FATE_TIMED_OUT,
	FATE_STALE,
	FATE_DAMAGED,
};

/* Could any connection look like this? */
static bool
is_whole(const struct connection *c)
{
	const struct tuple *t = &c->forward;
	uint8_t known = CONNECTION_FIN_FORWARD | CONNECTION_FIN_REPLY | CONNECTION_HAS_REPLY |
			CONNECTION_FULL_NAT | CONNECTION_COUNTED_CLIENT |
			CONNECTION_COUNTED_SERVICE;

	if (t->proto != IPPROTO_TCP && t->proto != IPPROTO_UDP)
		return false;
	if (c->state >= CONNECTION_STATES ||
	    (c->state == CONNECTION_UDP) != (t->proto == IPPROTO_UDP))
		return false;
	if ((c->flags & ~known) ||
	    ((c->flags & CONNECTION_FULL_NAT) && !(c->flags & CONNECTION_HAS_REPLY)))
		return false;
	return t->zero[0] == 0 && t->zero[1] == 0 && t->zero[2] == 0 &&
	       addr_is_v4(&t->src) == addr_is_v4(&t->dst);
}

/* Is the source towards the backend still one of ours whose answers come to this worker? */
static bool
source_is_ours(const struct worker *w, const struct connection *c)
{
	const struct snapshot *s = w->snapshot;
	uint32_t i = lpm_lookup(s->destination_lpm, &c->local), source;

	if (i >= s->n_destinations || !(s->destinations[i].flags & DESTINATION_LOCAL))
		return false;
	source = s->destinations[i].source;
	if (source >= s->n_sources || !addr_equal(&s->sources[source].addr, &c->local))
		return false;
	if (s->sources[source].worker == SOURCE_BY_PORT)
		return snapshot_port_owner(s, c->local_port) == w->index;
	return s->sources[source].worker == w->index;
}

/* Does it lead where the snapshot says? */
static bool
is_current(const struct worker *w, const struct connection *c)
{
	const struct snapshot *s = w->snapshot;
	const struct tuple *t = &c->forward;
	const struct backend *backend;
	uint16_t port;

	if (c->service >= s->n_services || c->backend >= s->n_backends ||
	    !connection_is_current(w, c) || snapshot_owner(s, &t->src) != w->index ||
	    classify_service(s, &t->dst, t->proto, t->dport) != c->service)
		return false;
	if (!(c->flags & CONNECTION_HAS_REPLY))
		return true;
	backend = &s->backends[c->backend];
	port = backend->port ? backend->port : t->dport;
	if (!addr_equal(&c->backend_addr, &backend->addr) || c->backend_port != port)
		return false;
	return !(c->flags & CONNECTION_FULL_NAT) || source_is_ours(w, c);
}

static enum fate
judge(const struct worker *w, const struct connection *c)
{
	if (!is_whole(c))
		return FATE_DAMAGED;
	if (w->now >= c->deadline)
		return FATE_TIMED_OUT;
	return is_current(w, c) ? FATE_ALIVE : FATE_STALE;
}

static void
count(struct connections_restored *r, enum fate fate)
{
	uint32_t *const counters[] = {
		[FATE_ALIVE] = &r->alive,
		[FATE_TIMED_OUT] = &r->timed_out,
		[FATE_STALE] = &r->stale,
		[FATE_DAMAGED] = &r->damaged,
	};

	(*counters[fate])++;
}

/* Slots that go on, and what they are found by. */
struct batch {
	uint32_t n;
	uint32_t slots[BATCH];
	struct connection_hashes hashes[BATCH];
	struct tuple replies[BATCH];
};

/* Their buckets are on their way from now on. */
static void
batch_add(struct batch *b, const struct connections *c, uint32_t slot)
{
	const struct connection *connection = &c->array[slot];
	uint32_t i = b->n++;

	b->slots[i] = slot;
	b->hashes[i].forward = connections_hash(c, &connection->forward);
	flow_table_prefetch(&c->index, b->hashes[i].forward);
	if (!(connection->flags & CONNECTION_HAS_REPLY))
		return;
	b->replies[i] = connection_reply_tuple(connection);
	b->hashes[i].reply = connections_hash(c, &b->replies[i]);
	flow_table_prefetch(&c->index, b->hashes[i].reply);
}

/* Both tuples of the i-th of the batch are nobody's yet, and not the same. */
static bool
is_alone(const struct connections *c, const struct batch *b, uint32_t i)
{
	const struct connection *connection = &c->array[b->slots[i]];

	if (connections_find_hashed(c, &connection->forward, b->hashes[i].forward) != INDEX_NONE)
		return false;
	if (!(connection->flags & CONNECTION_HAS_REPLY))
		return true;
	return !tuples_equal(&connection->forward, &b->replies[i]) &&
	       connections_find_hashed(c, &b->replies[i], b->hashes[i].reply) == INDEX_NONE;
}

/* Have the i-th of the batch go on, unless it is the same as another. */
static enum fate
take_over(struct worker *w, const struct batch *b, uint32_t i)
{
	struct connections *c = w->connections;
	uint32_t slot = b->slots[i];
	struct connection *connection = &c->array[slot];
	uint64_t longest;

	if (!is_alone(c, b, i) || !connection_enter(c, slot, &b->hashes[i])) {
		connection_slot_give(c, slot);
		return FATE_DAMAGED;
	}
	longest =
	    connection_timeout(&w->snapshot->services[connection->service], connection->state);
	if (connection->deadline - w->now > longest)
		connection->deadline = w->now + longest;
	connection_count_opened(w, connection);
	connection_rearm(w, slot);
	limit_restored(w, connection);
	return FATE_ALIVE;
}

static void
batch_take_over(struct worker *w, struct batch *b, struct connections_restored *result)
{
	uint32_t i;

	for (i = 0; i < b->n; i++)
		count(result, take_over(w, b, i));
	b->n = 0;
}

void
connections_restore(struct worker *w, struct connections_restored *result)
{
	struct connections *c = w->connections;
	struct batch b = { .n = 0 };
	enum fate fate;
	uint32_t i;

	*result = (struct connections_restored){ 0 };
	if (c->head->fresh > c->capacity)
		c->head->fresh = c->capacity;
	for (i = 0; i < c->head->fresh; i++) {
		rte_prefetch0(&c->array[RTE_MIN(i + 8, c->capacity - 1)]);
		if (c->array[i].state == CONNECTION_FREE) {
			connection_slot_give(c, i);
			continue;
		}
		fate = judge(w, &c->array[i]);
		if (fate != FATE_ALIVE) {
			count(result, fate);
			connection_slot_give(c, i);
			continue;
		}
		batch_add(&b, c, i);
		if (b.n == BATCH)
			batch_take_over(w, &b, result);
	}
	batch_take_over(w, &b, result);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table: connections lie in one array and are found by connection_index.c. Free ones form a
 * list; those that were never used begin at `fresh`, so that a large table costs nothing to start.
 *
 *     index: tuple ──> slot << 1 | reply      array: [ c0 | c1 | free | c3 | never used ... ]
 *                                                            └─> next_free
 */
#include "dp/l4/connection_table.h"

#include <stddef.h>

#include <rte_malloc.h>
#include <rte_prefetch.h>

#include "dp/l4/connection_memory.h"
#include "dp/l4/heaviest.h"
#include "dp/l4/limit.h"

/* Timers fire at most this much late. It only says how long a dead connection keeps its memory:
 * lookups go by the deadline itself. */
#define TICK_NS 100000000ull
/* So many timers a call: some microseconds. */
#define EXPIRE_BATCH 64
/* Of slots that were never used, which come in a row, those so far ahead are sent for. */
#define FRESH_AHEAD 4
/* An index and a bit more in 32 bits, and both tuples in one flow table. */
#define CONNECTIONS_MAX (1u << 29)

const char *
connection_state_name(enum connection_state state)
{
	static const char *const names[CONNECTION_STATES] = {
		[CONNECTION_FREE] = "free",
		[CONNECTION_OPENING] = "opening",
		[CONNECTION_ESTABLISHED] = "established",
		[CONNECTION_CLOSING] = "closing",
		[CONNECTION_UDP] = "udp",
	};

	return state < CONNECTION_STATES ? names[state] : "?";
}

static void *
wheel_alloc(size_t size, void *arg)
{
	struct connections *c = arg;

	c->wheel_memory =
	    rte_zmalloc_socket("connection timers", size, RTE_CACHE_LINE_SIZE, c->socket);
	return c->wheel_memory;
}

size_t
connections_memory_size(uint32_t n)
{
	return sizeof(struct connections_head) + (size_t)n * sizeof(struct connection);
}

size_t
connections_table_size(uint32_t n)
{
	return connections_memory_size(n) + connections_index_size(n) + wheel_size(n);
}

/* A position within struct connection as a digit of a number. */
#define FIELD(hash, name) ((hash)*31 + offsetof(struct connection, name))

uint64_t
connections_layout(void)
{
	uint64_t h = sizeof(struct connection);

	h = FIELD(h, forward);
	h = FIELD(h, service);
	h = FIELD(h, service_epoch);
	h = FIELD(h, backend);
	h = FIELD(h, backend_epoch);
	h = FIELD(h, backend_port);
	h = FIELD(h, local_port);
	h = FIELD(h, state);
	h = FIELD(h, flags);
	h = FIELD(h, deadline);
	h = FIELD(h, backend_addr);
	h = FIELD(h, local);
	h = FIELD(h, packets_in);
	h = h * 31 + CONNECTION_STATES;
	return h;
}

/* The head and the array behind it, where the caller wants them or in memory of our own. */
static bool
place(struct connections *c, void *memory)
{
	c->shared = memory != NULL;
	c->head = memory;
	if (!c->head)
		c->head =
		    rte_zmalloc_socket("connection array", connections_memory_size(c->capacity),
				       RTE_CACHE_LINE_SIZE, c->socket);
	if (!c->head)
		return false;
	c->array = (struct connection *)(c->head + 1);
	return true;
}

struct connections *
connections_create(uint32_t n, int socket, void *memory)
{
	struct connections *c;

	if (n == 0 || n > CONNECTIONS_MAX)
		return NULL;
	c = rte_zmalloc_socket("connections", sizeof(*c), RTE_CACHE_LINE_SIZE, socket);
	if (!c)
		return NULL;
	c->capacity = n;
	c->socket = socket;
	c->free_list = INDEX_NONE;
	c->by_service = rte_zmalloc_socket("connections by service",
					   SNAPSHOT_MAX_SERVICES * sizeof(*c->by_service),
					   RTE_CACHE_LINE_SIZE, socket);
	/* Time 0 is before any worker's; the wheel jumps over what is empty. */
	c->wheel = wheel_create(n, TICK_NS, 0, wheel_alloc, c);
	if (!connections_index_create(c) || !place(c, memory) || !c->by_service || !c->wheel) {
		connections_destroy(c);
		return NULL;
	}
	return c;
}

void
connections_destroy(struct connections *c)
{
	if (!c)
		return;
	connections_index_destroy(c);
	rte_free(c->wheel_memory);
	if (!c->shared)
		rte_free(c->head);
	rte_free(c->by_service);
	rte_free(c);
}

struct connection *
connection_at(struct connections *c, uint32_t index)
{
	return &c->array[index];
}

uint32_t
connections_of_service(const struct connections *c, uint32_t service)
{
	return c->by_service[service];
}

uint32_t
connections_live(const struct connections *c)
{
	return c->live;
}

bool
connection_holds(const struct connection *c, const struct packet *p)
{
	struct tuple t = c->forward;

	if (p->direction == DIR_REPLY)
		t = connection_reply_tuple(c);
	return tuples_equal(&t, &p->tuple);
}

/* What is over or closing gives way to what begins. False: it does not. */
static bool
make_way(struct worker *w, uint32_t hit)
{
	struct connection *c;

	if (hit == INDEX_NONE)
		return true;
	c = connection_at(w->connections, hit_index(hit));
	if (c->state != CONNECTION_CLOSING && connection_is_current(w, c))
		return false;
	connection_close(w, hit_index(hit));
	return true;
}

/* The connection that a forward tuple has already, by what was found for it, or INDEX_NONE. One of
 * a service that has lost the tuple to this one is closed. *hit is what remains in the way. */
static uint32_t
find_same(struct worker *w, const struct connection_target *t, uint32_t *hit)
{
	const struct connection *c;

	if (*hit == INDEX_NONE || hit_is_reply(*hit))
		return INDEX_NONE;
	c = connection_at(w->connections, hit_index(*hit));
	if (c->service == t->service && connection_is_current(w, c))
		return hit_index(*hit);
	connection_close(w, hit_index(*hit));
	*hit = INDEX_NONE;
	return INDEX_NONE;
}

/* Bring a free slot into the cache. */
static void
slot_prefetch(const struct connections *c, uint32_t index)
{
	if (index == INDEX_NONE)
		return;
	__builtin_prefetch(&c->array[index], 1);
	__builtin_prefetch(&c->array[index].deadline, 1);
	wheel_prefetch(c->wheel, index);
}

static uint32_t
slot_take(struct connections *c)
{
	uint32_t index = c->free_list;

	if (index != INDEX_NONE) {
		c->free_list = c->array[index].next_free;
		/* For the next one: which it is is known only now. */
		slot_prefetch(c, c->free_list);
		return index;
	}
	index = c->head->fresh;
	if (index >= c->capacity)
		return INDEX_NONE;
	if (index + FRESH_AHEAD < c->capacity)
		slot_prefetch(c, index + FRESH_AHEAD);
	c->head->fresh = index + 1;
	return index;
}

void
connection_slot_give(struct connections *c, uint32_t index)
{
	c->array[index].state = CONNECTION_FREE;
	c->array[index].next_free = c->free_list;
	c->free_list = index;
}

static void
connection_fill(struct worker *w, struct connection *c, const struct packet *p,
		const struct connection_target *t)
{
	uint8_t mode = w->snapshot->services[t->service].mode;

	*c = (struct connection){
		.forward = p->tuple,
		.service = t->service,
		.service_epoch = w->snapshot->services[t->service].epoch,
		.backend = t->backend,
		.backend_epoch = w->snapshot->backends[t->backend].epoch,
		.backend_port = t->backend_port,
		.local_port = t->local_port,
		.backend_addr = t->backend_addr,
		.local = t->local,
	};
	if (mode == MODE_NAT)
		c->flags = CONNECTION_HAS_REPLY;
	if (mode == MODE_FULL_NAT)
		c->flags = CONNECTION_HAS_REPLY | CONNECTION_FULL_NAT;
}

/* Would make_way say yes? */
static bool
gives_way(const struct worker *w, uint32_t hit)
{
	const struct connection *c;

	if (hit == INDEX_NONE)
		return true;
	c = connection_at(w->connections, hit_index(hit));
	return c->state == CONNECTION_CLOSING || !connection_is_current(w, c);
}

bool
connection_may_open(struct worker *w, const struct packet *p, const struct connection_target *t,
		    enum drop_reason *why)
{
	const struct connections *c = w->connections;
	uint32_t hit = connection_find(w, &p->tuple);
	struct connection would;
	struct tuple reply;

	connection_fill(w, &would, p, t);
	reply = connection_reply_tuple(&would);
	*why = DROP_CONNECTION_CLASH;
	if (!gives_way(w, hit))
		return false;
	/* What gives way leaves its slot. */
	*why = DROP_CONNECTION_TABLE_FULL;
	if (hit == INDEX_NONE && c->free_list == INDEX_NONE && c->head->fresh >= c->capacity)
		return false;
	*why = DROP_CONNECTION_CLASH;
	if ((would.flags & CONNECTION_HAS_REPLY) &&
	    (tuples_equal(&reply, &p->tuple) || !gives_way(w, connection_find(w, &reply))))
		return false;
	return true;
}

void
connection_count_opened(struct worker *w, struct connection *connection)
{
	w->connections->live++;
	w->connections->by_service[connection->service]++;
	w->stats.connections++;
	if (!addr_is_v4(&connection->forward.src))
		w->stats.connections_v6++;
	w->service_stats[connection->service].connections_total++;
	w->backend_stats[connection->backend].connections_total++;
	connection->client_len =
	    heaviest_connection_begin(w, connection->service, &connection->forward.src);
}

static void
count_closed(struct worker *w, const struct connection *connection)
{
	w->connections->live--;
	w->connections->by_service[connection->service]--;
	w->stats.connections--;
	if (!addr_is_v4(&connection->forward.src))
		w->stats.connections_v6--;
	w->service_stats[connection->service].connections_ended++;
	w->backend_stats[connection->backend].connections_ended++;
	heaviest_connection_end(w, connection->client_len, &connection->forward.src);
}

void
connection_foresee(const struct worker *w, const struct packet *p,
		   const struct connection_target *t, struct connection_hashes *hashes)
{
	const struct connections *c = w->connections;
	struct tuple reply;

	hashes->forward = connections_hash(c, &p->tuple);
	if (w->snapshot->services[t->service].mode == MODE_NAT) {
		tuple_make(&reply, &t->backend_addr, &p->tuple.src,
			   tuple_rest(t->backend_port, p->tuple.sport, p->tuple.proto));
		hashes->reply = connections_hash(c, &reply);
	}
}

void
connection_prefetch(const struct worker *w, const struct packet *p,
		    const struct connection_hashes *hashes)
{
	if (w->snapshot->services[p->service].mode == MODE_NAT)
		flow_table_prefetch(&w->connections->index, hashes->reply);
	heaviest_prefetch(w, p->service, &p->tuple.src);
	rte_prefetch0(&w->backend_stats[p->backend]);
}

/* Sees to it that the connection's reply tuple may lead to it, and sets its hash. False: it is
 * somebody else's, or the forward tuple. */
static bool
claim_reply(struct worker *w, const struct connection *connection,
	    const struct connection_sought *sought, struct connection_hashes *hashes)
{
	const struct connections *c = w->connections;
	struct tuple reply = connection_reply_tuple(connection);

	if (!sought || (connection->flags & CONNECTION_FULL_NAT))
		hashes->reply = connections_hash(c, &reply);
	return !tuples_equal(&reply, &connection->forward) &&
	       make_way(w, connections_find_hashed(c, &reply, hashes->reply));
}

uint32_t
connection_open(struct worker *w, const struct packet *p, const struct connection_target *t,
		const struct connection_sought *sought, enum drop_reason *why)
{
	struct connections *c = w->connections;
	struct connection_hashes hashes;
	uint32_t hit, index;

	/* 1. The forward tuple. */
	if (sought) {
		hashes = sought->hashes;
		hit = sought->hit;
	} else {
		hashes.forward = connections_hash(c, &p->tuple);
		hit = connections_find_hashed(c, &p->tuple, hashes.forward);
	}
	index = find_same(w, t, &hit);
	if (index != INDEX_NONE)
		return index;
	*why = DROP_CONNECTION_CLASH;
	if (!make_way(w, hit))
		return INDEX_NONE;
	/* 2. A slot. */
	*why = DROP_CONNECTION_TABLE_FULL;
	index = slot_take(c);
	if (index == INDEX_NONE)
		return INDEX_NONE;
	connection_fill(w, &c->array[index], p, t);
	/* 3. The reply tuple. */
	if ((c->array[index].flags & CONNECTION_HAS_REPLY) &&
	    !claim_reply(w, &c->array[index], sought, &hashes)) {
		*why = DROP_CONNECTION_CLASH;
		connection_slot_give(c, index);
		return INDEX_NONE;
	}
	/* 4. Both into the hash, and the clock starts. */
	if (!connection_enter(c, index, &hashes)) {
		connection_slot_give(c, index);
		return INDEX_NONE;
	}
	connection_count_opened(w, &c->array[index]);
	connection_begin(w, index, p);
	connection_rearm(w, index);
	return index;
}

bool
connection_reply_taken(struct worker *w, const struct tuple *reply)
{
	uint32_t hit = connection_find(w, reply);

	return hit != INDEX_NONE &&
	       connection_is_current(w, connection_at(w->connections, hit_index(hit)));
}

uint32_t
connections_source_offset(const struct connections *c, const struct tuple *reply)
{
	return connections_hash(c, reply);
}

uint32_t
connections_source_count(struct connections *c)
{
	return c->source_count++;
}

void
connections_source_rewind(struct connections *c, uint32_t count)
{
	c->source_count = count;
}

void
connection_close(struct worker *w, uint32_t index)
{
	struct connections *c = w->connections;
	struct connection *connection = &c->array[index];

	connection_leave(c, index);
	wheel_disarm(c->wheel, index);
	count_closed(w, connection);
	if (connection->flags & (CONNECTION_COUNTED_CLIENT | CONNECTION_COUNTED_SERVICE))
		limit_ended(w, connection);
	connection_slot_give(c, index);
}

void
connection_rearm(struct worker *w, uint32_t index)
{
	wheel_arm(w->connections->wheel, index, w->connections->array[index].deadline);
}

void
connections_expire(struct worker *w)
{
	struct connections *c = w->connections;
	uint32_t due[EXPIRE_BATCH];
	size_t n = wheel_advance(c->wheel, w->now, due, EXPIRE_BATCH), i;

	for (i = 0; i < n; i++) {
		rte_prefetch0(&c->array[due[i]]);
		rte_prefetch0(&c->array[due[i]].deadline);
	}
	for (i = 0; i < n; i++) {
		/* Packets have moved the deadline on and left the timer alone. */
		if (w->now < c->array[due[i]].deadline)
			connection_rearm(w, due[i]);
		else
			connection_close(w, due[i]);
	}
}

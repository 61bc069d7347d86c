/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of connections from inside: for connection*.c only.
 *
 * The array and the number of slots in use may lie in memory that outlives the process; all else is
 * made from them again. A process may be killed between any two instructions, so of a slot's fields
 * the state is written last when a connection begins and first when it ends:
 *
 *     state != CONNECTION_FREE  =>  every other field is whole
 */
#ifndef DP_L4_CONNECTION_TABLE_H
#define DP_L4_CONNECTION_TABLE_H

#include "dp/l4/connection.h"
#include "lib/flow_table.h"
#include "lib/wheel.h"

/* Before the array. */
struct connections_head {
	uint32_t fresh; /* from here on never used: all zero */
	uint32_t pad[31];
};
static_assert(sizeof(struct connections_head) == sizeof(struct connection), "array is aligned");

struct connections {
	struct flow_table index; /* see connection_index.c */
	uint64_t key[6];
	struct connections_head *head;
	struct connection *array; /* behind head */
	struct wheel *wheel;
	void *wheel_memory;
	uint32_t *by_service; /* [SNAPSHOT_MAX_SERVICES] how many live */
	uint32_t capacity;
	uint32_t live;
	uint32_t free_list; /* INDEX_NONE: empty */
	uint32_t source_count;
	int socket;
	bool shared; /* head and array are somebody else's memory */
};

/* connection_index.c */
/* Bytes of the index for n connections. */
size_t connections_index_size(uint32_t n);
bool connections_index_create(struct connections *c);
void connections_index_destroy(struct connections *c);
uint64_t connections_hash(const struct connections *c, const struct tuple *t);
/* What is found for a tuple by its hash, INDEX_NONE: nothing. */
uint32_t connections_find_hashed(const struct connections *c, const struct tuple *t, uint64_t hash);
bool tuples_equal(const struct tuple *a, const struct tuple *b);
/* The tuple of the packets that come back: from the backend to the client, or to our address. */
static inline struct tuple
connection_reply_tuple(const struct connection *c)
{
	bool full = c->flags & CONNECTION_FULL_NAT;
	struct tuple t;

	tuple_make(
	    &t, &c->backend_addr, full ? &c->local : &c->forward.src,
	    tuple_rest(c->backend_port, full ? c->local_port : c->forward.sport, c->forward.proto));
	return t;
}
/* Enter the connection of a slot into the index, by both tuples or by none. False: no room. */
bool connection_enter(struct connections *c, uint32_t index, const struct connection_hashes *h);
/* ... and take it out again. */
void connection_leave(struct connections *c, uint32_t index);

/* connection.c: mark a slot as free and remember it. */
void connection_slot_give(struct connections *c, uint32_t index);
/* Count one that lives from now on. */
void connection_count_opened(struct worker *w, struct connection *c);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What the control thread is told of connections. */
#include "dp/l4/connection_table.h"
#include "dp/proxy/proxy.h"

/* Slots that a query looks at in an iteration: some microseconds. */
#define ANSWER_SLOTS 512

void
connection_view_fill(struct connection_view *v, const struct connection *connection, uint64_t now)
{
	*v = (struct connection_view){
		.forward = connection->forward,
		.local = connection->local,
		.local_port = connection->local_port,
		.state = connection->state,
		.service = connection->service,
		.backend = connection->backend,
		.service_epoch = connection->service_epoch,
		.backend_epoch = connection->backend_epoch,
		.expires = connection->deadline - now,
		.packets_in = connection->packets_in,
		.packets_out = connection->packets_out,
	};
}

void
connections_answer(struct worker *w, struct worker_query *query)
{
	const struct connections *c = w->connections;
	const struct connection *connection;
	uint32_t i, end;

	if (atomic_load_explicit(&query->state, memory_order_acquire) != QUERY_ASKED)
		return;
	query->count = 0;
	if (query->cursor & QUERY_SESSIONS) {
		proxy_answer(w, query);
		atomic_store_explicit(&query->state, QUERY_DONE, memory_order_release);
		return;
	}
	i = RTE_MIN(query->cursor, c->head->fresh);
	end = RTE_MIN(c->head->fresh - i, (uint32_t)ANSWER_SLOTS) + i;
	for (; i < end && query->count < QUERY_MAX; i++) {
		connection = &c->array[i];
		if (connection->state == CONNECTION_FREE || w->now >= connection->deadline)
			continue;
		if (query->service != INDEX_NONE && query->service != connection->service)
			continue;
		connection_view_fill(&query->views[query->count++], connection, w->now);
	}
	query->cursor = i < c->head->fresh ? i : QUERY_SESSIONS;
	atomic_store_explicit(&query->state, QUERY_DONE, memory_order_release);
}

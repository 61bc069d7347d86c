/* SPDX-License-Identifier: Apache-2.0 */
#include "dp/l4/waiting.h"

#include <rte_malloc.h>

#include "dp/l4/connection.h"

#define WAITING_MAX  128
#define WAITING_TIME 300000000ULL /* ns; a neighbour on a link answers within a few ms */

struct waiter {
	struct packet packet;
	struct tuple connection; /* its forward tuple, if the packet has a connection */
	uint32_t service_epoch, backend_epoch;
	uint64_t deadline;
};

struct waiting {
	uint64_t version;  /* of the snapshot that the queue was tried with last */
	uint64_t earliest; /* deadline of those that are not being tried */
	uint32_t count;
	uint32_t untried;               /* the first so many are to be tried in this round */
	struct waiter taken[BURST_MAX]; /* what waiting_take has handed out, in the burst's order */
	struct waiter list[WAITING_MAX]; /* oldest first */
};

struct waiting *
waiting_create(int socket)
{
	struct waiting *q = rte_zmalloc_socket("waiting", sizeof(*q), RTE_CACHE_LINE_SIZE, socket);

	if (q)
		q->earliest = UINT64_MAX;
	return q;
}

void
waiting_destroy(struct waiting *q)
{
	uint32_t i;

	for (i = 0; q && i < q->count; i++)
		rte_pktmbuf_free(q->list[i].packet.mbuf);
	rte_free(q);
}

static uint32_t
service_epoch(const struct snapshot *s, uint32_t service)
{
	return service < s->n_services ? s->services[service].epoch : 0;
}

static uint32_t
backend_epoch(const struct snapshot *s, uint32_t backend)
{
	return backend < s->n_backends ? s->backends[backend].epoch : 0;
}

static void
append(struct waiting *q, const struct waiter *new)
{
	if (new->deadline < q->earliest)
		q->earliest = new->deadline;
	q->list[q->count++] = *new;
}

bool
waiting_hold(struct worker *w, const struct packet *p)
{
	struct waiting *q = w->waiting;
	struct waiter new;

	if (q->count == WAITING_MAX || (p->flags & PACKET_WAITED))
		return false;
	new.packet = *p;
	new.service_epoch = service_epoch(w->snapshot, p->service);
	new.backend_epoch = backend_epoch(w->snapshot, p->backend);
	new.deadline = w->now + WAITING_TIME;
	if (p->connection != INDEX_NONE)
		new.connection = connection_at(w->connections, p->connection)->forward;
	append(q, &new);
	return true;
}

/* Does the packet still refer to the same service, backend and connection? */
static bool
is_current(struct worker *w, const struct waiter *held)
{
	const struct packet *p = &held->packet;
	const struct connection *c;

	if (service_epoch(w->snapshot, p->service) != held->service_epoch ||
	    backend_epoch(w->snapshot, p->backend) != held->backend_epoch)
		return false;
	if (p->connection == INDEX_NONE)
		return true;
	c = connection_at(w->connections, p->connection);
	return c->state != CONNECTION_FREE &&
	       memcmp(&c->forward, &held->connection, sizeof(c->forward)) == 0;
}

/* A new round when there is a new snapshot, or when somebody's time is over. */
static void
begin_round(struct waiting *q, const struct worker *w)
{
	if (q->untried || (q->version == w->snapshot->version && w->now < q->earliest))
		return;
	q->version = w->snapshot->version;
	q->untried = q->count;
	q->earliest = UINT64_MAX;
}

bool
waiting_take(struct worker *w, struct burst *b)
{
	struct waiting *q = w->waiting;
	uint32_t i;

	if (likely(!q->count))
		return false;
	begin_round(q, w);
	if (!q->untried)
		return false;
	b->count = (uint16_t)RTE_MIN(q->untried, (uint32_t)BURST_MAX);
	for (i = 0; i < b->count; i++) {
		struct packet *p = &b->packets[i];

		q->taken[i] = q->list[i];
		*p = q->list[i].packet;
		p->verdict = VERDICT_CONTINUE;
		p->flags |= PACKET_WAITED;
		if (w->now >= q->taken[i].deadline || !is_current(w, &q->taken[i]))
			packet_drop(p, DROP_NEIGHBOUR_UNRESOLVED);
	}
	q->count -= b->count;
	q->untried -= b->count;
	memmove(q->list, q->list + b->count, q->count * sizeof(q->list[0]));
	return true;
}

void
waiting_return(struct worker *w, struct burst *b)
{
	struct waiting *q = w->waiting;
	uint16_t i;

	for (i = 0; i < b->count; i++) {
		struct packet *p = &b->packets[i];

		if (p->verdict != VERDICT_DROP || p->reason != DROP_NEIGHBOUR_UNRESOLVED ||
		    w->now >= q->taken[i].deadline || !is_current(w, &q->taken[i]))
			continue;
		append(q, &q->taken[i]);
		p->verdict = VERDICT_TAKEN;
	}
}

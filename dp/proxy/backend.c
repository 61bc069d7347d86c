/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The backend of a session: chosen, and connected to.
 *
 *     maglev              the row of the connection's hash; where its backend was tried, the rows
 *                         that follow
 *     least-connections   the fewest connections of this worker for its weight, of all or, in a
 *                         large pool, of some at random (two choices and more: Mitzenmacher 1996)
 */
#include "dp/l4/balance.h"
#include "dp/proxy/dial.h"
#include "dp/proxy/internal.h"
#include "lib/maglev.h"

/* Of how many the best is taken; rows that are looked at for one that was not tried. */
#define CANDIDATES 32
#define ROWS_MAX   256

static bool
was_tried(const struct session *s, uint32_t backend)
{
	uint8_t i;

	for (i = 0; i < s->tries; i++)
		if (s->tried[i] == backend)
			return true;
	return false;
}

/* What decides about the row: the client, as far as we know it. */
static struct tuple
hashed_tuple(const struct session *s)
{
	struct tuple t = s->client;

	if (s->ends.known) {
		t.src = s->ends.src;
		t.sport = rte_cpu_to_be_16(s->ends.sport);
	}
	return t;
}

static uint32_t
choose_row(const struct proxy *p, const struct session *s, const struct pool *pool)
{
	const struct snapshot *snapshot = p->worker->snapshot;
	struct tuple t = hashed_tuple(s);
	bool client_only = snapshot->services[s->service].flags & SERVICE_HASH_CLIENT;
	uint32_t row = maglev_row(balance_hash(&t, client_only), pool->rows), i;

	for (i = 0; i < ROWS_MAX && i < pool->rows; i++) {
		uint32_t at = row + i < pool->rows ? row + i : row + i - pool->rows;
		uint32_t backend = balance_member(snapshot, pool, pool->candidate[at]);

		if (backend != INDEX_NONE && !was_tried(s, backend))
			return backend;
	}
	return INDEX_NONE;
}

static uint64_t
connections_now(const struct worker *w, uint32_t backend)
{
	const struct backend_stats *stats = &w->backend_stats[backend];

	return stats->connections_total - stats->connections_ended;
}

static uint32_t
choose_least(struct proxy *p, const struct session *s, const struct pool *pool)
{
	struct worker *w = p->worker;
	const struct snapshot *snapshot = w->snapshot;
	uint32_t best = INDEX_NONE, i, n = pool->n_members, at = proxy_random(w);
	bool all = n <= CANDIDATES;

	for (i = 0; i < (all ? n : CANDIDATES); i++) {
		uint32_t backend;

		at = all ? at + 1 : proxy_random(w);
		backend = balance_member(snapshot, pool, (uint16_t)(at % n));
		if (backend == INDEX_NONE || !snapshot->backends[backend].weight ||
		    was_tried(s, backend))
			continue;
		if (best == INDEX_NONE ||
		    connections_now(w, backend) * snapshot->backends[best].weight <
			connections_now(w, best) * snapshot->backends[backend].weight)
			best = backend;
	}
	return best;
}

uint32_t
backend_choose(struct proxy *p, const struct session *s, const struct proxy_settings *settings)
{
	const struct pool *pool = session_pool(p, s);
	uint32_t backend = INDEX_NONE;

	if (!pool || !pool->n_members)
		return INDEX_NONE;
	if (settings->balance == PROXY_LEAST_CONNECTIONS)
		backend = choose_least(p, s, pool);
	return backend == INDEX_NONE ? choose_row(p, s, pool) : backend;
}

/* Why a backend that was chosen cannot be connected to at all, DROP_REASON_COUNT: it can. */
static enum drop_reason
try_backend(struct proxy *p, struct session *s, const struct proxy_settings *settings)
{
	const struct proxy_dial dial = {
		.client = &s->client,
		.service = s->service,
		.backend = s->backend,
		.connect_ms = (uint32_t)(settings->timeout_connect / 1000000),
		.user = session_user(p, s, LEG_BACKEND),
		.keepalive = settings->keepalive,
		.grows = settings->tls,
	};
	enum drop_reason why = proxy_dial(p, &dial, &s->legs[LEG_BACKEND]);

	if (why != DROP_REASON_COUNT)
		return why;
	p->counters.backends_tried++;
	p->worker->backend_stats[s->backend].connections_total++;
	return DROP_REASON_COUNT;
}

bool
backend_open(struct proxy *p, struct session *s)
{
	const struct proxy_settings *settings = session_settings(p, s);
	enum drop_reason why = s->tries ? DROP_CONNECT_FAILED : DROP_NO_BACKEND;

	while (settings && s->tries < SESSION_TRIES) {
		uint32_t backend = backend_choose(p, s, settings);

		if (backend == INDEX_NONE)
			break;
		s->backend = backend;
		s->backend_epoch = p->worker->snapshot->backends[backend].epoch;
		s->tried[s->tries++] = backend;
		s->secure = session_pool(p, s)->tls != 0;
		why = try_backend(p, s, settings);
		if (why == DROP_REASON_COUNT) {
			s->state = SESSION_CONNECTING;
			return true;
		}
	}
	s->backend = INDEX_NONE;
	session_refuse(p, s, why);
	return false;
}

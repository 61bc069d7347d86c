/* SPDX-License-Identifier: Apache-2.0 */
#include "dp/l7/circuit.h"

#include "dp/l4/balance.h"
#include "dp/l7/internal.h"

#define TOKEN (1ull << 32)
/* Retries that a pool's requests can save up, and those that it has whatever its requests are: one
 * each FREE_NS, so many at once. */
#define TOKENS_MOST (100 * TOKEN)
#define FREE_NS     100000000ull
#define FREE_MOST   10

/* ---- bounds ---------------------------------------------------------------------------------- */

static uint32_t
most_of(const struct pool_bounds *b, enum http_bound bound)
{
	switch (bound) {
	case HTTP_BOUND_CONNECTIONS:
		return b->connections;
	case HTTP_BOUND_PENDING:
		return b->pending;
	case HTTP_BOUND_REQUESTS:
		return b->requests;
	case HTTP_BOUND_RETRIES:
		return b->retries;
	default: /* HTTP_BOUND_UNUSED is counted where connections are */
		return b->connections ? UINT32_MAX : 0;
	}
}

static void
count_refused(struct http_counters *c, enum http_bound bound)
{
	c->circuit_connections += bound == HTTP_BOUND_CONNECTIONS;
	c->circuit_pending += bound == HTTP_BOUND_PENDING;
	c->circuit_requests += bound == HTTP_BOUND_REQUESTS;
	c->circuit_retries += bound == HTTP_BOUND_RETRIES;
}

static _Atomic uint32_t *
use_of(const struct http *h, uint32_t slot, enum http_bound bound)
{
	return &h->worker->dataplane->http_pools[slot].now[bound];
}

bool
http_circuit_enter(struct http *h, const struct pool *pool, enum http_bound bound, uint8_t *counted)
{
	uint32_t most = most_of(&pool->bounds, bound);
	_Atomic uint32_t *now;

	if (likely(!most))
		return true;
	now = use_of(h, pool->slot, bound);
	if (atomic_fetch_add_explicit(now, 1, memory_order_relaxed) >= most) {
		atomic_fetch_sub_explicit(now, 1, memory_order_relaxed);
		count_refused(&h->counters, bound);
		return false;
	}
	*counted |= (uint8_t)(1 << bound);
	return true;
}

void
http_circuit_leave(struct http *h, uint32_t pool_slot, enum http_bound bound, uint8_t *counted)
{
	if (likely(!(*counted & 1 << bound)))
		return;
	*counted &= (uint8_t) ~(1 << bound);
	atomic_fetch_sub_explicit(use_of(h, pool_slot, bound), 1, memory_order_relaxed);
}

void
http_circuit_leave_all(struct http *h, struct http_session *s)
{
	enum http_bound bound;

	for (bound = 0; s->x->counted && bound < HTTP_BOUNDS; bound++)
		http_circuit_leave(h, s->x->pool_slot, bound, &s->x->counted);
}

bool
http_circuit_crowded(const struct http *h, const struct pool *pool)
{
	const _Atomic uint32_t *now = use_of(h, pool->slot, HTTP_BOUND_CONNECTIONS);
	const _Atomic uint32_t *unused = use_of(h, pool->slot, HTTP_BOUND_UNUSED);

	return pool->bounds.connections &&
	       (uint64_t)atomic_load_explicit(now, memory_order_relaxed) +
		       atomic_load_explicit(unused, memory_order_relaxed) >
		   pool->bounds.connections;
}

/* ---- retries --------------------------------------------------------------------------------- */

struct http_pool *
http_pool_state(struct http *h, uint32_t slot, uint32_t epoch)
{
	struct http_pool *p = &h->pools[slot];

	if (unlikely(p->epoch != epoch))
		*p = (struct http_pool){ .epoch = epoch };
	return p;
}

void
http_budget_request(struct http *h, const struct http_session *s)
{
	struct http_pool *p = http_pool_state(h, s->x->pool_slot, s->x->pool_epoch);

	p->tokens = RTE_MIN(p->tokens + s->x->route->retry_budget, TOKENS_MOST);
}

bool
http_budget_retry(struct http *h, const struct http_session *s)
{
	uint64_t now = h->worker->now;
	struct http_pool *p;

	if (!snapshot_pool(h->worker->snapshot, s->x->pool_slot, s->x->pool_epoch))
		return true;
	p = http_pool_state(h, s->x->pool_slot, s->x->pool_epoch);
	if (p->free_at <= now + (FREE_MOST - 1) * FREE_NS) {
		p->free_at = RTE_MAX(p->free_at, now) + FREE_NS;
		return true;
	}
	if (p->tokens < TOKEN) {
		h->counters.retries_refused++;
		return false;
	}
	p->tokens -= TOKEN;
	return true;
}

/* ---- outliers -------------------------------------------------------------------------------- */

/* May one more of the pool be left alone? Never more than half of those that could be chosen. */
static bool
may_eject(const struct http *h, const struct pool *pool)
{
	uint32_t i, usable = 0, out = 0;

	for (i = 0; i < pool->n_members; i++) {
		uint32_t backend = balance_member(h->worker->snapshot, pool, (uint16_t)i);

		if (backend == INDEX_NONE || !h->worker->snapshot->backends[backend].weight)
			continue;
		usable++;
		out += http_is_out(h, backend);
	}
	return 2 * (out + 1) <= usable;
}

void
http_judge(struct http *h, const struct http_session *s, uint32_t backend, bool good)
{
	struct http_backend *b = &h->backends[backend];
	const struct pool *pool;

	if (likely(good)) {
		b->errors = 0;
		return;
	}
	pool = snapshot_pool(h->worker->snapshot, s->x->pool_slot, s->x->pool_epoch);
	b->errors++;
	if (!pool || !pool->bounds.outlier_errors || b->errors < pool->bounds.outlier_errors ||
	    http_is_out(h, backend) || !may_eject(h, pool))
		return;
	b->errors = 0;
	b->out_until = h->worker->now + pool->bounds.outlier_time;
	h->counters.outliers++;
}

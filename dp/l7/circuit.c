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
	default: /* HTTP_BOUND_UNUSED has none of its own */
		return 0;
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

/* Connections and unused ones are counted in one word, the latter in its upper half, so that one
 * that goes over from one to the other is seen by nobody as both. */
static _Atomic uint64_t *
use_of(const struct http *h, uint32_t slot, enum http_bound bound)
{
	if (bound == HTTP_BOUND_UNUSED)
		bound = HTTP_BOUND_CONNECTIONS;
	return &h->worker->dataplane->http_pools[slot].now[bound];
}

static uint64_t
one_of(enum http_bound bound)
{
	return bound == HTTP_BOUND_UNUSED ? 1ull << 32 : 1;
}

/* Add to a count that is below `most`. What is refused was never in it: others do not see it. */
static bool
count(_Atomic uint64_t *now, uint64_t change, uint32_t most)
{
	uint64_t n = atomic_load_explicit(now, memory_order_relaxed);

	while ((uint32_t)n < most)
		if (atomic_compare_exchange_weak_explicit(now, &n, n + change, memory_order_relaxed,
							  memory_order_relaxed))
			return true;
	return false;
}

bool
http_circuit_enter(struct http *h, const struct pool *pool, enum http_bound bound, uint8_t *counted)
{
	uint32_t most = most_of(&pool->bounds, bound);

	if (likely(!most))
		return true;
	if (!count(use_of(h, pool->slot, bound), one_of(bound), most)) {
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
	atomic_fetch_sub_explicit(use_of(h, pool_slot, bound), one_of(bound), memory_order_relaxed);
}

bool
http_circuit_pass(struct http *h, const struct pool *pool, enum http_bound to, uint8_t *counted)
{
	enum http_bound from = to == HTTP_BOUND_UNUSED ? HTTP_BOUND_CONNECTIONS : HTTP_BOUND_UNUSED;
	uint32_t most = to == HTTP_BOUND_UNUSED ? UINT32_MAX : pool->bounds.connections;
	uint64_t less = *counted & 1 << from ? one_of(from) : 0;

	if (likely(!pool->bounds.connections)) {
		http_circuit_leave(h, pool->slot, from, counted);
		return true;
	}
	if (!count(use_of(h, pool->slot, to), one_of(to) - less, most)) {
		count_refused(&h->counters, to);
		return false;
	}
	*counted = (uint8_t)((*counted & ~(1 << from)) | 1 << to);
	return true;
}

bool
http_circuit_full(struct http *h, const struct pool *pool, enum http_bound bound)
{
	uint32_t most = most_of(&pool->bounds, bound);

	if (likely(!most) || (uint32_t)atomic_load_explicit(use_of(h, pool->slot, bound),
							    memory_order_relaxed) < most)
		return false;
	count_refused(&h->counters, bound);
	return true;
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
	uint64_t now;

	if (likely(!pool->bounds.connections))
		return false;
	now = atomic_load_explicit(use_of(h, pool->slot, HTTP_BOUND_CONNECTIONS),
				   memory_order_relaxed);
	return (uint32_t)now + (now >> 32) > pool->bounds.connections;
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

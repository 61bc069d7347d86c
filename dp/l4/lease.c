/* SPDX-License-Identifier: Apache-2.0 */
#include "dp/l4/lease.h"

#include "dp/worker.h"

/* ns: workers read the time once an iteration, and may have to wait for a CPU within one. */
#define CLOCKS_APART 10000000000ull

struct lease *
lease_of(struct worker *w, uint32_t service)
{
	const struct service_limits *limits = &w->snapshot->limits[service];
	struct lease *l = &w->leases[service];
	uint32_t epoch = w->snapshot->services[service].epoch, i;
	uint32_t generation = (uint32_t)w->snapshot->generation;

	if (l->epoch == epoch && l->generation == generation)
		return l;
	if (l->epoch != epoch)
		*l = (struct lease){ .epoch = epoch };
	l->generation = generation;
	for (i = 0; i < LIMIT_RATES; i++) {
		l->seen[i] = 0;
		if (l->credit[i] > limits->service[i].carry)
			l->credit[i] = limits->service[i].carry;
	}
	return l;
}

/* What to take when `need` is missing and the bucket holds `room`. */
static uint64_t
batch(const struct lease_rate *rate, uint64_t need, uint64_t room)
{
	uint64_t extra;

	if (room <= need)
		return need;
	extra = (room - need) >> rate->shift;
	return need + (extra < rate->batch ? extra : rate->batch);
}

/* The bucket's tat becomes `new` if it still is *old. A worker that is alone needs no locked
 * instruction. */
static inline bool
replace(const struct lease_request *r, _Atomic(uint64_t) *tat, uint64_t *old, uint64_t new)
{
	if (!r->rate->alone)
		return atomic_compare_exchange_weak_explicit(tat, old, new, memory_order_relaxed,
							     memory_order_relaxed);
	atomic_store_explicit(tat, new, memory_order_relaxed);
	return true;
}

/* The bucket refuses by `old`. What other limits have left too far ahead goes down from here, now;
 * but what another worker has just charged, whose clock is ahead of ours, stays. Returns what is
 * known to be too far ahead; 0: somebody has changed it meanwhile. */
static uint64_t
bucket_refused(const struct lease_request *r, _Atomic(uint64_t) *tat, uint64_t old)
{
	const struct gcra *g = &r->rate->gcra;
	uint64_t bounded = gcra_bounded(g, old, r->now);

	if (old <= r->now + g->ceiling + gcra_time(CLOCKS_APART))
		return old;
	return replace(r, tat, &old, bounded) ? bounded : 0;
}

bool
lease_take(const struct lease_request *r, uint64_t cost)
{
	_Atomic(uint64_t) *tat = &r->bucket->tat[r->kind];
	const struct gcra *g = &r->rate->gcra;
	uint64_t *credit = &r->lease->credit[r->kind], *seen = &r->lease->seen[r->kind];
	uint64_t need = cost - *credit, take, old, start;

	/* A tat grows (but for what others return): what was too little is too little, without
	 * asking again. */
	if (!gcra_allows(g, *seen, r->now, need))
		return false;
	old = atomic_load_explicit(tat, memory_order_relaxed);
	do {
		if (!gcra_allows(g, old, r->now, need)) {
			*seen = bucket_refused(r, tat, old);
			return false;
		}
		start = gcra_commit(g, old, r->now, 0);
		take =
		    batch(r->rate, need, r->now + g->burst > start ? r->now + g->burst - start : 0);
	} while (!replace(r, tat, &old, start + take));
	*credit += take;
	return true;
}

/* Return ticks to the bucket: no further than to full. */
static void
bucket_return(const struct lease_request *r, uint64_t ticks)
{
	_Atomic(uint64_t) *tat = &r->bucket->tat[r->kind];
	uint64_t old = atomic_load_explicit(tat, memory_order_relaxed), back;

	do {
		if (old <= r->now)
			return;
		back = old - r->now < ticks ? old - r->now : ticks;
	} while (!replace(r, tat, &old, old - back));
	/* It may have been what was too far ahead. */
	r->lease->seen[r->kind] = 0;
}

void
lease_give_back(const struct lease_request *r, uint64_t add)
{
	uint64_t *credit = &r->lease->credit[r->kind];

	*credit += add;
	if (*credit <= r->rate->carry)
		return;
	if (!r->rate->batch)
		bucket_return(r, *credit - r->rate->carry);
	*credit = r->rate->carry;
}

/* ---- connections at a time ---- */

bool
service_connection_add(struct service_bucket *b, uint32_t epoch, uint32_t most)
{
	uint64_t old = atomic_load_explicit(&b->connections, memory_order_relaxed), new;

	do {
		uint32_t owner = (uint32_t)(old >> 32), count = (uint32_t)old;

		/* A worker that has an older snapshot: the slot is another service's by now. */
		if ((int32_t)(epoch - owner) < 0 && owner)
			return false;
		if (owner != epoch)
			count = 0;
		if (count >= most)
			return false;
		new = (uint64_t)epoch << 32 | (count + 1);
	} while (!atomic_compare_exchange_weak_explicit(
	    &b->connections, &old, new, memory_order_relaxed, memory_order_relaxed));
	return true;
}

void
service_connection_remove(struct service_bucket *b, uint32_t epoch)
{
	uint64_t old = atomic_load_explicit(&b->connections, memory_order_relaxed);

	do {
		if ((uint32_t)(old >> 32) != epoch || (uint32_t)old == 0)
			return;
	} while (!atomic_compare_exchange_weak_explicit(
	    &b->connections, &old, old - 1, memory_order_relaxed, memory_order_relaxed));
}

uint32_t
service_connections(const struct service_bucket *b, uint32_t epoch)
{
	uint64_t value = atomic_load_explicit(&b->connections, memory_order_relaxed);

	return (uint32_t)(value >> 32) == epoch ? (uint32_t)value : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A service's limits, which belong to no one client: one bucket for all workers, out of which each
 * leases a batch at a time.
 *
 *     service_bucket (atomics, one cache line)  <── lease_ensure: one compare-and-swap a batch
 *     lease (worker's own, one cache line)       credit: taken and not used yet
 *
 * What is out on lease counts as used, and the bucket holds less than the burst by all that workers
 * may carry over. So over any time T, whoever takes when:
 *
 *     passed <= limit * T + burst,    unused <= workers * carry
 *
 * A batch is at most 1 / 2^shift of what the bucket holds: it shrinks as the bucket empties, and
 * limits whose burst is only a few events are taken one by one.
 *
 * Connections at a time are one atomic count, tagged with the service's epoch.
 *
 * Buckets: any worker. Leases: their worker.
 */
#ifndef DP_L4_LEASE_H
#define DP_L4_LEASE_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "dp/snapshot.h"

struct worker;

/* By service slot, in struct dataplane; workers write. */
struct service_bucket {
	_Alignas(64) _Atomic(uint64_t) tat[LIMIT_RATES];
	_Atomic(uint64_t) connections; /* epoch << 32 | count */
};
static_assert(sizeof(struct service_bucket) == 64, "one cache line a service");

/* By service slot, in struct worker. */
struct lease {
	_Alignas(64) uint64_t credit[LIMIT_RATES]; /* ticks */
	uint64_t seen[LIMIT_RATES];                /* a tat of the bucket that was too far ahead */
	uint32_t epoch;                            /* of the service whose credit it is */
	uint32_t generation; /* of the configuration by whose rates it is bounded */
};
static_assert(sizeof(struct lease) == 64, "one cache line a service");

/* The worker's lease of a service slot, without the credit of a service that had the slot before or
 * of larger limits. */
struct lease *lease_of(struct worker *w, uint32_t service);

/* What a worker wants of a limit. now: ticks. */
struct lease_request {
	struct lease *lease;
	struct service_bucket *bucket;
	const struct lease_rate *rate;
	enum limit_rate kind;
	uint64_t now;
};
/* Take out of the bucket what the credit is short of `cost` ticks, and a batch; false: the limit
 * does not allow it. */
bool lease_take(const struct lease_request *r, uint64_t cost);

/* Have credit of at least `cost` ticks, if the limit allows it. */
static inline bool
lease_ensure(const struct lease_request *r, uint64_t cost)
{
	return r->lease->credit[r->kind] >= cost || lease_take(r, cost);
}

/* Credit that was ensured and not used, or used for a packet that was then refused (add: its cost),
 * stays with the worker as far as it may, or goes back. */
void lease_give_back(const struct lease_request *r, uint64_t add);

/* Count one more connection of a service, unless there are `most`. */
bool service_connection_add(struct service_bucket *b, uint32_t epoch, uint32_t most);
void service_connection_remove(struct service_bucket *b, uint32_t epoch);
uint32_t service_connections(const struct service_bucket *b, uint32_t epoch);

#endif

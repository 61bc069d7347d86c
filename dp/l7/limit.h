/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rates of requests: one bucket (GCRA, lib/gcra.h) for each limit and whom it counts, a client or
 * the value of a header. A table of fixed size:
 *
 *     (whom, limit) ──hash──> two sets of 8 buckets ──> tat
 *
 * A bucket whose tat has passed says what a new one would say, so its place is free. Where both
 * sets are full of buckets in use, the rest counts against one bucket that all such share, so a
 * flood of made-up keys neither gets by the limit nor pushes out those that are limited. Who gets a
 * place later begins with what the shared bucket has left.
 *
 * Clients belong to one worker, whose table is its own. Values of headers come to any worker: their
 * table is shared, each set has a lock. Exact in both cases:
 *     taken in [t, t + d] <= burst + rate * d      for each (whom, limit)
 *
 * Leases (dp/l4/lease.h) would spare the locks, but only approximate: a limit of a few requests a
 * minute cannot be lent in parts to each of many workers. A request is worth a lock, of one of many
 * sets, that two workers seldom want at once.
 */
#ifndef DP_L7_LIMIT_H
#define DP_L7_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/gcra.h"
#include "lib/siphash.h"

struct http_limit_table;

/* Of at least so many buckets, in memory that is mapped lazily; `shared` by threads or not; hash:
 * that nobody knows. NULL without memory. */
struct http_limit_table *http_limit_table_create(uint32_t buckets, bool shared,
						 const struct siphash_key *hash);
void http_limit_table_destroy(struct http_limit_table *t);

struct http_limit_key {
	uint64_t whom[2]; /* a client's address, or a hash of 128 bits */
	uint64_t limit;   /* http_request_limit.id, never 0 */
};

/* Count one. 0: it is within the limit; else ns until it would be. now in ns. */
uint64_t http_limit_take(struct http_limit_table *t, const struct http_limit_key *key,
			 const struct gcra *gcra, uint64_t now);
/* Another limit has refused what was counted here at the same time. */
void http_limit_give_back(struct http_limit_table *t, const struct http_limit_key *key,
			  const struct gcra *gcra);

#endif

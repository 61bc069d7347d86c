/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a pool may have at a time, all workers together (circuit breaking: Nygard, Release It!),
 * what its retries may be, and which of its backends answer with errors (outliers), which this
 * worker then leaves alone for a while.
 *
 *     counted(pool, bound) = sum over sessions and connections that have entered it and not left
 *     entered              => counted <= the pool's bound at that moment
 *
 * Who is refused was never counted, so nobody else is refused for that.
 *
 * Connections that wait for requests count with those that are at one, but never keep a request
 * from its backend:
 *
 *     connections          <= bound     always
 *     connections + unused <= bound     as soon as each worker has closed what it has too much of
 *
 * Who opens one over that closes the one that has been unused for the longest, or, where it has
 * none of its own, tells the other workers (dataplane.http_crowded), who do.
 *
 * Only bounds that are set are counted.
 *
 * Retries have a budget, on each worker: tokens that requests bring and retries take, whatever they
 * are for, so that a pool that is dying gets little more than its requests; and a few retries a
 * second in any case, since a pool with few requests saves up no tokens (as Finagle has it):
 *
 *     retries in t seconds <= share of the requests + 10 * t + 10
 *
 * Worker.
 */
#ifndef DP_L7_CIRCUIT_H
#define DP_L7_CIRCUIT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "dp/snapshot.h"

enum http_bound {
	HTTP_BOUND_CONNECTIONS,
	HTTP_BOUND_PENDING,
	HTTP_BOUND_REQUESTS,
	HTTP_BOUND_RETRIES,
	HTTP_BOUND_UNUSED, /* kept connections: no bound of their own, see above */
	HTTP_BOUNDS,
};

/* By pool slot; all workers write. */
struct http_pool_use {
	/* by bound; HTTP_BOUND_UNUSED << 32 in HTTP_BOUND_CONNECTIONS */
	_Alignas(64) _Atomic uint64_t now[HTTP_BOUND_UNUSED];
};

/* Upstreams in a row, the one that came first to it first. */
struct http_line {
	uint32_t first, last; /* index + 1, 0: none */
};

/* By pool slot; this worker only. */
struct http_pool {
	uint32_t epoch;         /* of the pool that the rest is of */
	uint32_t unused;        /* connections */
	struct http_line spare; /* ... these */
	uint64_t tokens;        /* for retries, in 2^-32 of one */
	uint64_t free_at;       /* ns: when all retries that take no token are there again */
};

struct http;
struct http_session;

/* One more. False: the bound is reached, and it is counted. *counted tells what to leave again. */
bool http_circuit_enter(struct http *h, const struct pool *pool, enum http_bound bound,
			uint8_t *counted);
void http_circuit_leave(struct http *h, uint32_t pool_slot, enum http_bound bound,
			uint8_t *counted);
/* A connection goes over to CONNECTIONS or UNUSED from the other one, at once: nobody sees it in
 * both. False: the bound is reached, it is counted, and the connection stays where it is. */
bool http_circuit_pass(struct http *h, const struct pool *pool, enum http_bound to,
		       uint8_t *counted);
/* Is the bound reached? Then it is counted. One that is not may be by the time that one enters. */
bool http_circuit_full(struct http *h, const struct pool *pool, enum http_bound bound);
void http_circuit_leave_all(struct http *h, struct http_session *s);
/* Has the pool more connections, unused ones among them, than it may have? */
bool http_circuit_crowded(const struct http *h, const struct pool *pool);

/* A request comes to the pool, and may be tried again later. */
void http_budget_request(struct http *h, const struct http_session *s);
/* True: it may be tried again now; without a pool, which is no more, it has no budget. */
bool http_budget_retry(struct http *h, const struct http_session *s);

/* An attempt at the session's backend has ended well, or with an error that is the backend's. */
void http_judge(struct http *h, const struct http_session *s, uint32_t backend, bool good);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a row of check results means for a backend, and the share of one that has come back.
 *
 *     unknown ──a success──> passing ──fall failures in a row──> failing
 *        └───────fall failures in a row──────────────────────────>│
 *                               ▲                                 │
 *                               └────rise successes in a row──────┘
 *
 * Whoever is unknown gets packets. Pure, the caller owns the state and knows the time.
 */
#ifndef CP_HEALTH_STATE_H
#define CP_HEALTH_STATE_H

#include <stdbool.h>
#include <stdint.h>

/* Why a check failed. X(constant, name, help) */
#define HEALTH_CAUSES(X)                                                           \
	X(NONE, "", "it passed")                                                   \
	X(REFUSED, "refused", "nobody listens on the port")                        \
	X(TIMEOUT, "timeout", "no answer in time")                                 \
	X(UNREACHABLE, "unreachable", "no way to the backend")                     \
	X(CLOSED, "closed", "the backend ended the connection before it answered") \
	X(STATUS, "status", "another HTTP status than expected")                   \
	X(BODY, "body", "another answer than expected")                            \
	X(TLS, "tls", "no TLS, or a certificate that is not trusted")              \
	X(PROTOCOL, "protocol", "the answer is not HTTP")                          \
	X(LOCAL, "local", "penstockd itself could not check: says nothing of the backend")

enum health_cause {
#define X(constant, name, help) HEALTH_CAUSE_##constant,
	HEALTH_CAUSES(X)
#undef X
	    HEALTH_CAUSE_COUNT
};

const char *health_cause_name(enum health_cause cause);
/* The cause with that name; HEALTH_CAUSE_COUNT if there is none. */
enum health_cause health_cause_find(const char *name);

enum health_status {
	HEALTH_UNKNOWN,
	HEALTH_PASSING,
	HEALTH_FAILING,
};

struct health_state {
	enum health_status status;
	unsigned int streak; /* results in a row that speak against status */
};

/* One result. True if the status has changed. rise and fall are at least 1. */
bool health_state_result(struct health_state *s, bool passed, unsigned int rise, unsigned int fall);

/* The weight of a backend that came back at `since` (0: it was never away) and is to have `weight`
 * after slow_start: in ten steps, which backends of one slow_start take at the same moments. Never
 * 0 unless weight is. All times in ns of one clock. */
uint32_t slow_start_weight(uint32_t weight, uint64_t since, uint64_t slow_start, uint64_t now);
/* When the weight changes next; UINT64_MAX: not any more. */
uint64_t slow_start_next(uint64_t since, uint64_t slow_start, uint64_t now);

/* The wait from the begin of one check to that of the next: at most interval, at least nine tenths
 * of it, by a random number. Never longer, so that
 *
 *     time to find out <= fall * interval + timeout
 */
uint64_t health_wait(uint64_t interval, uint64_t random);

#endif

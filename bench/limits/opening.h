/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients that keep opening connections, ten times as many as may be open: how many are open at a
 * time?
 *
 * A connection is open from when its SYN has come out at the other end until its FIN or RST is on
 * the way: within the time in which the workers count it, so what is counted here is never too
 * much. What the workers themselves say is not asked.
 */
#ifndef BENCH_LIMITS_OPENING_H
#define BENCH_LIMITS_OPENING_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/limits/fleet.h"

/* Whose connections are limited. */
enum opening_kind {
	OPENING_CLIENT,
	OPENING_SERVICE,
	OPENING_KINDS,
};

/* Of all limits of a kind. */
struct opening_count {
	uint32_t limit;       /* connections at a time */
	uint32_t least, most; /* of the most that were ever open at a time */
	double mean;          /* open at a time, as a share of the limit, of the least */
	uint64_t tried, begun;
};

struct opening_request {
	uint32_t workers;
	enum fleet_kind kind;
	uint64_t ns; /* for so long */
	bool in_virtual_time;
};

void opening_run(const struct opening_request *request, struct opening_count out[OPENING_KINDS]);

#endif

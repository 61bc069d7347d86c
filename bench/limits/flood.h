/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A million made-up sources, and clients that are real. In virtual time, in one thread.
 */
#ifndef BENCH_LIMITS_FLOOD_H
#define BENCH_LIMITS_FLOOD_H

#include <stdbool.h>
#include <stdint.h>

/* What came of it: packets sent and passed. */
struct flood_result {
	const char *name;
	uint64_t real_sent, real_passed;
	uint64_t flood_sent, flood_passed;
	uint64_t least, most; /* of flood_passed: never all refused, never unlimited */
};

#define FLOODS 3
/* Run one of the floods against some workers. */
void flood_run(unsigned int which, uint32_t workers, struct flood_result *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run of the simulation: two stacks, the link between them, the programs above them.
 *
 * What has to hold in every run:
 *     each byte arrives once, in order, unchanged          (all of them, unless someone aborts)
 *     each connection ends at both sides
 *     in flight <= cwnd whenever something new is sent
 *     each segment keeps the rules of flow.h
 *     at the end no timer is armed and every mbuf is back in its pool
 *
 * One thread. The EAL and the pools are made at the first run and serve all.
 */
#ifndef TESTS_SIM_RUN_H
#define TESTS_SIM_RUN_H

#include <stdbool.h>
#include <stdint.h>

struct run_result {
	bool failed;
	char why[480]; /* of the first failure, with the virtual time */
	uint64_t segments;
	uint64_t bytes;
	uint64_t virtual_ns;
};

/* trace: print the scenario and each segment and event. */
void run_seed(uint64_t seed, bool trace, struct run_result *result);

#endif

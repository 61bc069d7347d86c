/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the machine's memory takes for what a table costs a packet at the least: a cache line in no
 * order, sent for in bursts as stages do, then read and written.
 */
#ifndef BENCH_STAGES_MEMORY_H
#define BENCH_STAGES_MEMORY_H

#include "bench/common/samples.h"

/* TSC cycles a line, a sample for each round, of a table of so many MB (a power of two). */
void memory_measure(unsigned int mb, struct samples *cycles);

#endif

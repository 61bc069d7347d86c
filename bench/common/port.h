/* SPDX-License-Identifier: Apache-2.0 */
/* The one port of a program that stands at an end of the wire. */
#ifndef BENCH_COMMON_PORT_H
#define BENCH_COMMON_PORT_H

#include <stdint.h>

#include <rte_mempool.h>

/* DPDK's number of it. */
#define BENCH_PORT 0

/* Start it, with one queue in each direction; its buffers come from the pool. What fails ends the
 * program. */
void bench_port_open(struct rte_mempool *pool, uint16_t descriptors);

#endif

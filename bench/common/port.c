/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/common/port.h"

#include <rte_ethdev.h>

#include "bench/common/world.h"

void
bench_port_open(struct rte_mempool *pool, uint16_t descriptors)
{
	struct rte_eth_conf conf = { 0 };
	unsigned int socket = rte_socket_id();

	if (!rte_eth_dev_is_valid_port(BENCH_PORT))
		world_fail("no port: give DPDK one by --vdev");
	if (rte_eth_dev_configure(BENCH_PORT, 1, 1, &conf) < 0 ||
	    rte_eth_rx_queue_setup(BENCH_PORT, 0, descriptors, socket, NULL, pool) < 0 ||
	    rte_eth_tx_queue_setup(BENCH_PORT, 0, descriptors, socket, NULL) < 0 ||
	    rte_eth_dev_start(BENCH_PORT) < 0)
		world_fail("the port cannot be started");
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening DPDK and the devices. Every failure becomes one sentence that says what and how to mend
 * it; DPDK's own log is shown only on request (environment PENSTOCK_DPDK_LOG=1, or log messages of
 * level error appended when there is nothing better). Control thread, at start and at the end.
 */
#ifndef CP_DEVICE_PORTS_H
#define CP_DEVICE_PORTS_H

#include <stddef.h>

#include "cp/config/model.h"
#include "dp/worker.h"

/* Start DPDK with the lcores, memory and arguments of the configuration; of dataplane.memory so
 * many bytes lie elsewhere. Worker i runs on lcore i + 1, pinned to its CPU; main lcore 0 is the
 * control thread on its CPU. 0 or -errno with a sentence in error. */
int ports_eal_init(const struct config *config, uint64_t elsewhere, char *error, size_t error_size);
/* Create the mbuf pool (private area: struct packet) and open, configure and start each interface's
 * device: as many queues as workers where the device has them, RSS on the client's address where
 * the device can, MTU, promiscuous mode if needed for the twin, fills dp->ports, dp->n_ports,
 * dp->mbufs. 0 or -errno with a sentence in error. */
int ports_open(struct dataplane *dp, const struct config *config, char *error, size_t error_size);
/* Set the MTU of a running port; 0 or -errno with a sentence. A device without the call (-ENOTSUP)
 * is not an error. */
int ports_set_mtu(struct dataplane *dp, unsigned int port, uint16_t mtu, char *error,
		  size_t error_size);
/* Close the devices, which give their buffers back: before a pool of buffers that they may hold, a
 * worker's of clones, too, is freed. */
void ports_stop(struct dataplane *dp);
/* The same, and free dp->mbufs. */
void ports_close(struct dataplane *dp);

#endif

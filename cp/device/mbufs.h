/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one pool of packet buffers, and what their size follows from. Control thread, at start.
 */
#ifndef CP_DEVICE_MBUFS_H
#define CP_DEVICE_MBUFS_H

#include <stddef.h>

#include <rte_mbuf.h>

#include "cp/config/model.h"
#include "dp/packet.h"
#include "dp/worker.h"

#define RX_DESCRIPTORS  1024
#define TX_DESCRIPTORS  1024
#define FRAME_OVERHEAD  18u  /* Ethernet header and a VLAN tag */
#define XDP_HEADROOM    256u /* what the kernel keeps for XDP programs */
#define XDP_PAGE        4096u
#define XDP_POOL_HEADER 64u /* of a mempool, before each mbuf */
/* Data that fits into a page, at most. */
#define XDP_ROOM_MAX                                                      \
	(XDP_PAGE - XDP_POOL_HEADER - (uint32_t)sizeof(struct rte_mbuf) - \
	 (uint32_t)sizeof(struct packet) - RTE_PKTMBUF_HEADROOM - 64u)

/* Make dp->mbufs: enough for all queues and rings, large enough for the largest MTU. 0 or -ENOMEM
 * with a sentence. */
int mbufs_create(struct dataplane *dp, const struct config *config, char *error, size_t error_size);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A DPDK port as workers see it: fixed when the port is started (cp/device/ports.c), read by
 * workers.
 */
#ifndef DP_PORT_H
#define DP_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_ring.h>

/* Flags of the rings that several workers fill and one thread empties. Where workers share a core,
 * one may be stopped in the middle of filling: with the usual kind of ring all others would spin
 * until it goes on; with this one they do not wait. (Fill with rte_ring_enqueue, which looks at the
 * kind.) */
#define RING_MANY_TO_ONE (RING_F_MP_RTS_ENQ | RING_F_SC_DEQ)

struct port {
	uint16_t port_id;   /* DPDK's */
	uint16_t rx_queues; /* worker i polls queue i, if i < rx_queues; with fewer queues than
			       workers the rest gets by steering */
	uint16_t tx_queues; /* == number of workers, or fewer: then tx_lock-free sharing is not
			       possible and see tx_worker */
	uint16_t numa;
	uint8_t mac[6];
	bool rss_source; /* the device hashes the source address alone with our key, proven on its
			    packets */
	bool rss_destination; /* ... the destination address alone */
	bool rx_checksum;     /* the device verifies IPv4 header checksums */
	bool tx_ip_checksum, tx_l4_checksum;
	bool tx_segments; /* takes frames of several mbufs, of any pool, shared ones too */
	bool tx_tso;      /* cuts large TCP segments, of either family */
	uint16_t tx_most; /* frames given to it in one call, where one has several mbufs; 0: any
			     number */
	/* Frames of workers without a transmit queue of their own: they enqueue here, worker 0
	 * sends. NULL if tx_queues covers all. */
	struct rte_ring *tx_shared;
	struct rte_ring *to_host; /* workers -> control: frames for the twins, struct packet in the
				     mbuf; NULL: no twin */
	char name[16];
};

#endif

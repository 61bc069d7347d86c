/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A card that is not there: DPDK without a device, pools, packets made of bytes and bytes made of
 * packets. On the way out it does what the packet's offload flags ask of a card (checksums, cutting
 * into segments), and believes nothing else.
 *
 * The EAL and its pools are the process's; one thread.
 */
#ifndef TESTS_SIM_NIC_H
#define TESTS_SIM_NIC_H

#include <stddef.h>
#include <stdint.h>

struct rte_mbuf;
struct rte_mempool;

/* Start the EAL without hugepages, devices or files, with `megabytes` of memory. Ends the program
 * if that fails. */
void nic_start(const char *name, unsigned int megabytes);
/* A pool of n packets of the usual size; ends the program if there is no memory. */
struct rte_mempool *nic_pool(const char *name, unsigned int n);
/* A pool of n packets without a buffer of their own, for references. */
struct rte_mempool *nic_clones(const char *name, unsigned int n);

/* The bytes as a packet in `pieces` segments, the first of which holds `head` bytes at least. NULL
 * if the pool is empty. */
struct rte_mbuf *nic_receive(struct rte_mempool *pool, const uint8_t *bytes, size_t len,
			     unsigned int pieces);

typedef void nic_frame_fn(void *arg, const uint8_t *bytes, size_t len);
/* What leaves as packet m, frame by frame. m stays the caller's. */
void nic_transmit(const struct rte_mbuf *m, nic_frame_fn *frame, void *arg);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/mbufs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dp/packet.h"

#define MBUF_CACHE  256  /* mbufs a core keeps of its own */
#define MBUFS_RINGS 8192 /* in rings between threads, and in workers' hands */
#define MBUFS_XDP   4096 /* AF_XDP keeps so many in its kernel rings, whatever is asked */

static bool
is_xdp(const struct interface_config *interface)
{
	return strncmp(interface->device, "net_af_xdp", 10) == 0;
}

/* Bytes of a packet that an mbuf can hold: a whole frame of the largest MTU, so that frames are in
 * one piece. AF_XDP keeps XDP_HEADROOM more before a frame and wants every mbuf within a page; then
 * other devices chain what is longer. */
static uint16_t
mbuf_data_room(const struct config *config)
{
	uint32_t room = RTE_MBUF_DEFAULT_DATAROOM, frame = 0;
	bool xdp = false;
	size_t i;

	for (i = 0; i < config->n_interfaces; i++) {
		const struct interface_config *interface = &config->interfaces[i];

		xdp |= is_xdp(interface);
		frame = RTE_MAX(frame, interface->mtu + FRAME_OVERHEAD);
	}
	room = RTE_MAX(room, frame + (xdp ? XDP_HEADROOM : 0));
	if (xdp)
		room = RTE_MIN(room, XDP_ROOM_MAX);
	room = RTE_ALIGN_CEIL(room, 64) + RTE_PKTMBUF_HEADROOM;
	return (uint16_t)RTE_MIN(room, (uint32_t)UINT16_MAX & ~63u);
}

static unsigned int
mbufs_wanted(const struct config *config)
{
	size_t workers = config->dataplane.n_workers, n = MBUFS_RINGS, i;

	n += workers * (MBUF_CACHE * 2 + BURST_MAX * 8);
	for (i = 0; i < config->n_interfaces; i++) {
		n += workers * (RX_DESCRIPTORS + TX_DESCRIPTORS);
		if (is_xdp(&config->interfaces[i]))
			n += MBUFS_XDP;
	}
	return (unsigned int)RTE_MAX(n, (size_t)16384);
}

int
mbufs_create(struct dataplane *dp, const struct config *config, char *error, size_t error_size)
{
	unsigned int n = mbufs_wanted(config);
	uint16_t room = mbuf_data_room(config);
	char size[UNITS_STRLEN];

	dp->mbufs = rte_pktmbuf_pool_create("mbufs", n, MBUF_CACHE,
					    RTE_ALIGN(sizeof(struct packet), RTE_MBUF_PRIV_ALIGN),
					    room, SOCKET_ID_ANY);
	if (dp->mbufs)
		return 0;
	snprintf(error, error_size,
		 "no memory for %u packet buffers of %u bytes: dataplane.memory = \"%s\" is too "
		 "little for %zu interfaces and %zu workers",
		 n, room, size_format(config->dataplane.memory, size), config->n_interfaces,
		 config->dataplane.n_workers);
	return -ENOMEM;
}

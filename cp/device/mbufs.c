/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/device/mbufs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_mbuf_pool_ops.h>
#include <rte_mempool.h>
#include <rte_memzone.h>

#include "cp/device/vhost.h"
#include "dp/worker.h"

#define MBUF_CACHE 256 /* mbufs a core keeps of its own */
#define MBUFS_RINGS \
	8192 /* in rings between workers and the control thread, and in workers' hands */
#define MBUFS_INBOX     5120  /* what other workers may send to one, and what it may hold of it */
#define MBUFS_LISTENERS 16384 /* what connections of listeners may hold, per worker */
#define MBUFS_XDP       4096  /* AF_XDP keeps so many in its kernel rings, whatever is asked */

static bool
is_xdp(const struct interface_config *interface)
{
	return strncmp(interface->device, "net_af_xdp", 10) == 0;
}

/* What an mbuf is besides its data: the pool's header, its own, and the packet's. */
#define MBUF_PRIV     RTE_ALIGN(sizeof(struct packet), RTE_MBUF_PRIV_ALIGN)
#define MBUF_OVERHEAD (XDP_POOL_HEADER + sizeof(struct rte_mbuf) + MBUF_PRIV)

static bool
any_xdp(const struct config *config)
{
	size_t i;

	for (i = 0; i < config->n_interfaces; i++)
		if (is_xdp(&config->interfaces[i]))
			return true;
	return false;
}

/* Bytes of a packet that an mbuf can hold: a whole frame of the largest MTU, so that frames are in
 * one piece. With AF_XDP it is what a page leaves; then other devices chain what is longer. */
static uint16_t
mbuf_data_room(const struct config *config)
{
	uint32_t room = RTE_MBUF_DEFAULT_DATAROOM;
	size_t i;

	if (any_xdp(config))
		return (uint16_t)(XDP_PAGE - MBUF_OVERHEAD);
	for (i = 0; i < config->n_interfaces; i++)
		room = RTE_MAX(room, config->interfaces[i].mtu + FRAME_OVERHEAD);
	room = RTE_ALIGN_CEIL(room, 64) + RTE_PKTMBUF_HEADROOM;
	return (uint16_t)RTE_MIN(room, (uint32_t)UINT16_MAX & ~63u);
}

/* Those of twins behind vhost-net. Twins of VLANs that come later live on what is free. */
static size_t
mbufs_of_twins(const struct config *config)
{
	size_t twins = 0, i;

	if (!vhost_path())
		return 0;
	for (i = 0; i < config->n_interfaces; i++)
		if (config->interfaces[i].twin)
			twins += 1 + config->interfaces[i].n_vlans;
	return RTE_MIN(twins, (size_t)RTE_MAX_ETHPORTS) * 2 * VHOST_DESCRIPTORS;
}

static unsigned int
mbufs_wanted(const struct config *config)
{
	size_t workers = config->dataplane.n_workers, n = MBUFS_RINGS, i;

	n += workers * (MBUF_CACHE * 2 + BURST_MAX * 8);
	n += config->n_listeners ? workers * SYN_QUEUE_SIZE : 0;
	n += workers > 1 ? workers * MBUFS_INBOX : 0;
	n += config->n_listeners ? workers * MBUFS_LISTENERS : 0;
	for (i = 0; i < config->n_interfaces; i++) {
		n += workers * (RX_DESCRIPTORS + TX_DESCRIPTORS + TX_QUEUE_MAX);
		if (is_xdp(&config->interfaces[i]))
			n += MBUFS_XDP;
	}
	return (unsigned int)RTE_MAX(n + mbufs_of_twins(config), (size_t)16384);
}

static void
free_pages(struct rte_mempool_memhdr *chunk, void *pages)
{
	(void)chunk;
	rte_memzone_free(pages);
}

/* One mbuf to a page, from the first byte on and without a gap: the AF_XDP driver registers as much
 * memory as all mbufs together take, from the pool's beginning. Mbufs that lie behind it, as they
 * would in a pool with gaps, the kernel takes and never sends. */
static struct rte_mempool *
create_in_pages(unsigned int n, uint16_t room)
{
	struct rte_pktmbuf_pool_private sizes = { .mbuf_data_room_size = room,
						  .mbuf_priv_size = MBUF_PRIV };
	const struct rte_memzone *pages = rte_memzone_reserve_aligned(
	    "mbuf-pages", (size_t)n * XDP_PAGE, SOCKET_ID_ANY, 0, XDP_PAGE);
	struct rte_mempool *pool;
	size_t page = XDP_PAGE;

	if (!pages)
		return NULL;
	pool = rte_mempool_create_empty("mbufs", n, (unsigned int)(XDP_PAGE - XDP_POOL_HEADER),
					MBUF_CACHE, sizeof(sizes), SOCKET_ID_ANY,
					RTE_MEMPOOL_F_NO_SPREAD);
	if (pool && rte_mempool_set_ops_byname(pool, rte_mbuf_best_mempool_ops(), NULL) == 0) {
		rte_pktmbuf_pool_init(pool, &sizes);
		if (pages->hugepage_sz > page)
			page = pages->hugepage_sz;
		if (rte_mempool_populate_virt(pool, pages->addr, pages->len, page, free_pages,
					      (void *)(uintptr_t)pages) == (int)n) {
			rte_mempool_obj_iter(pool, rte_pktmbuf_init, NULL);
			return pool;
		}
	}
	rte_mempool_free(pool);
	rte_memzone_free(pages);
	return NULL;
}

int
mbufs_create(struct dataplane *dp, const struct config *config, char *error, size_t error_size)
{
	unsigned int n = mbufs_wanted(config);
	uint16_t room = mbuf_data_room(config);
	char size[UNITS_STRLEN];

	if (any_xdp(config))
		dp->mbufs = create_in_pages(n, room);
	else
		dp->mbufs =
		    rte_pktmbuf_pool_create("mbufs", n, MBUF_CACHE, MBUF_PRIV, room, SOCKET_ID_ANY);
	if (dp->mbufs)
		return 0;
	snprintf(error, error_size,
		 "no memory for %u packet buffers of %u bytes: dataplane.memory = \"%s\" is too "
		 "little for %zu interfaces and %zu workers",
		 n, room, size_format(config->dataplane.memory, size), config->n_interfaces,
		 config->dataplane.n_workers);
	return -ENOMEM;
}

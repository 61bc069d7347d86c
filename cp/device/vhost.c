/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/device/vhost.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_ethdev.h>

#include "cp/device/eal.h"

#define VHOST_PATH  "/dev/vhost-net"
#define PORT_PREFIX "virtio_user_twin_" /* DPDK knows the driver by its beginning */

const char *
vhost_path(void)
{
	const char *path = getenv("PENSTOCK_VHOST_NET");

	if (!path)
		path = VHOST_PATH;
	return access(path, F_OK) == 0 ? path : NULL;
}

/* One queue each way. No offload is asked for: the kernel then fills in checksums, and sends no
 * frame that is longer than its MTU. */
static int
port_configure(struct vhost *v, struct rte_mempool *mbufs)
{
	struct rte_eth_conf conf = { .intr_conf.rxq = 1 };
	struct rte_eth_dev_info info;
	int ret;

	ret = rte_eth_dev_info_get(v->port_id, &info);
	if (ret)
		return ret;
	/* A frame longer than an mbuf, either way, is a chain. */
	conf.rxmode.offloads = info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
	conf.txmode.offloads = info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	ret = rte_eth_dev_configure(v->port_id, 1, 1, &conf);
	if (ret)
		return ret;
	info.default_rxconf.offloads = conf.rxmode.offloads;
	ret = rte_eth_rx_queue_setup(v->port_id, 0, VHOST_DESCRIPTORS, SOCKET_ID_ANY,
				     &info.default_rxconf, mbufs);
	if (ret)
		return ret;
	info.default_txconf.offloads = conf.txmode.offloads;
	/* What the kernel has taken returns to the pool with the next burst, not when the ring is
	 * nearly full. */
	info.default_txconf.tx_free_thresh = VHOST_DESCRIPTORS - 4;
	return rte_eth_tx_queue_setup(v->port_id, 0, VHOST_DESCRIPTORS, SOCKET_ID_ANY,
				      &info.default_txconf);
}

static int
port_start(struct vhost *v)
{
	int ret = rte_eth_dev_start(v->port_id);

	if (ret)
		return ret;
	v->fd = rte_eth_dev_rx_intr_ctl_q_get_fd(v->port_id, 0);
	if (v->fd < 0)
		return -ENOTSUP;
	/* For good: who empties the ring reads the descriptor first, so no wake-up is lost. */
	return rte_eth_dev_rx_intr_enable(v->port_id, 0);
}

static void
port_close(struct vhost *v)
{
	struct rte_eth_dev_info info = { 0 };

	rte_eth_dev_info_get(v->port_id, &info);
	rte_eth_dev_stop(v->port_id);
	rte_eth_dev_close(v->port_id);
	if (info.device)
		rte_dev_remove(info.device);
	v->fd = -1;
}

/* The port, with its device in the kernel. Between eal_quiet_begin and eal_quiet_end. */
static int
port_open(struct vhost *v, const struct vhost_request *r)
{
	const uint8_t *mac = r->mac;
	char args[512], *comma;
	int ret, len;

	len = snprintf(args, sizeof(args),
		       PORT_PREFIX "%s,path=%s,queues=1,queue_size=%u,iface=%s,"
				   "mac=%02x:%02x:%02x:%02x:%02x:%02x",
		       r->name, r->path, VHOST_DESCRIPTORS, r->name, mac[0], mac[1], mac[2], mac[3],
		       mac[4], mac[5]);
	if (len < 0 || len >= (int)sizeof(args))
		return -ENAMETOOLONG;
	ret = rte_dev_probe(args);
	if (ret)
		return ret;
	comma = strchr(args, ',');
	*comma = '\0';
	ret = rte_eth_dev_get_port_by_name(args, &v->port_id);
	if (ret)
		return ret;
	ret = port_configure(v, r->mbufs);
	if (!ret)
		ret = port_start(v);
	if (ret)
		port_close(v);
	return ret;
}

int
vhost_open(struct vhost *v, const struct vhost_request *request, char *error, size_t error_size)
{
	int fd, ret;

	/* DPDK would say less clearly why it cannot. */
	fd = open(request->path, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		ret = -errno;
		snprintf(error, error_size, "%s: %s", request->path, strerror(-ret));
		return ret;
	}
	close(fd);
	/* Its rings would keep what the ports need. */
	if (rte_mempool_avail_count(request->mbufs) < 8 * VHOST_DESCRIPTORS) {
		snprintf(error, error_size, "too few packet buffers are free");
		return -ENOBUFS;
	}
	eal_quiet_begin();
	ret = port_open(v, request);
	eal_quiet_end();
	if (ret)
		snprintf(error, error_size, "DPDK cannot use %s%s", request->path,
			 eal_log_reason());
	return ret;
}

void
vhost_close(struct vhost *v)
{
	eal_quiet_begin();
	port_close(v);
	eal_quiet_end();
}

uint16_t
vhost_receive(struct vhost *v, struct rte_mbuf **frames, uint16_t n)
{
	eventfd_t wakeups;
	uint16_t count, i;

	eventfd_read(v->fd, &wakeups);
	count = rte_eth_rx_burst(v->port_id, 0, frames, n);
	if (count == n)
		eventfd_write(v->fd, 1);
	for (i = 0; i < count; i++)
		frames[i]->ol_flags = 0; /* nothing was offloaded, nothing is to be */
	return count;
}

uint16_t
vhost_send(struct vhost *v, struct rte_mbuf **frames, uint16_t n)
{
	uint16_t i;

	for (i = 0; i < n; i++)
		frames[i]->ol_flags = 0; /* what the port they came from said of them */
	return rte_eth_tx_burst(v->port_id, 0, frames, n);
}

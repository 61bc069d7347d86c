/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening the devices of the interfaces.
 *
 * Each device is probed, configured and started by itself, in the order of the configuration, so
 * that an error names the interface it belongs to. What a device cannot do is either not needed
 * (then it is left out and software does it) or a sentence.
 */
#include "cp/device/ports.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "cp/device/eal.h"
#include "cp/device/mbufs.h"
#include "cp/device/netdev.h"
#include "dp/packet.h"
#include "dp/tcp/tcp.h"
#include "lib/toeplitz.h"

#define TO_HOST_SIZE   1024
#define TX_SHARED_SIZE 1024
#define KEY_MAX        64 /* longest RSS key of a device that we know how to fill */

/* One interface on its way to being a port. */
struct opening {
	const struct config *config;
	const struct interface_config *interface;
	struct port *port;
	struct rte_mempool *mbufs;
	struct rte_eth_dev_info info;
	struct rte_eth_conf conf;
	uint8_t key[KEY_MAX];
	uint16_t n_workers;
	char *error;
	size_t error_size;
};

/* Write the sentence of a failure, with the interface before it; returns err. */
static int __attribute__((format(printf, 3, 4)))
opening_failed(struct opening *o, int err, const char *format, ...)
{
	int len = snprintf(o->error, o->error_size, "interface \"%s\": ", o->interface->name);
	va_list list;

	va_start(list, format);
	if (len >= 0 && (size_t)len < o->error_size)
		vsnprintf(o->error + len, o->error_size - (size_t)len, format, list);
	va_end(list);
	return err;
}

/* ---- probing ---- */

/* Largest MTU that the device says it can carry, whether or not it can be told. */
static uint16_t
device_max_mtu(const struct rte_eth_dev_info *info)
{
	uint32_t max = info->max_mtu ? info->max_mtu : UINT16_MAX;

	if (info->max_rx_pktlen != 0 && info->max_rx_pktlen != UINT32_MAX) {
		uint32_t overhead = RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN;

		/* As ethdev reckons it. */
		if (info->max_mtu != UINT16_MAX && info->max_rx_pktlen > info->max_mtu)
			overhead = info->max_rx_pktlen - info->max_mtu;
		if (info->max_rx_pktlen > overhead)
			max = RTE_MIN(max, info->max_rx_pktlen - overhead);
	}
	return (uint16_t)RTE_MIN(max, (uint32_t)UINT16_MAX);
}

static int
mtu_failed(struct opening *o, int err)
{
	return opening_failed(o, err, "device \"%s\" cannot carry an MTU of %u (only %u to %u)",
			      o->interface->device, o->interface->mtu, o->info.min_mtu,
			      device_max_mtu(&o->info));
}

/* What usually is the matter with a device, found out before DPDK hides it. */
static int
opening_check(struct opening *o)
{
	const struct interface_config *other;
	size_t len = strcspn(o->interface->device, ",");
	char iface[NETDEV_NAME_SIZE];

	for (other = o->config->interfaces; other < o->interface; other++)
		if (strcspn(other->device, ",") == len &&
		    strncmp(other->device, o->interface->device, len) == 0)
			return opening_failed(o, -EEXIST,
					      "device \"%.*s\" is that of interface \"%s\" "
					      "already: each needs a name of its own",
					      (int)len, other->device, other->name);

	if (!netdev_of_device(o->interface->device, iface))
		return 0;
	if (netdev_index(iface) == 0)
		return opening_failed(o, -ENODEV,
				      "cannot open device \"%s\": there is no network device %s",
				      o->interface->device, iface);
	return 0;
}

/* `what` DPDK would not do with the device, why, and a guess at the mend. */
static int
device_failed(struct opening *o, int err, const char *what)
{
	const char *device = o->interface->device;
	const char *mend = "";

	if (geteuid() != 0)
		mend = "; run penstockd as root";
	else if (eal_device_is_pci(device))
		mend = "; is the device bound to vfio-pci (dpdk-devbind.py --status)?";
	return opening_failed(o, err, "cannot %s device \"%s\"%s%s", what, device, eal_log_reason(),
			      mend);
}

/* A port that belongs to no earlier interface: the one that the device just probed has brought. */
static int
find_new_port(const struct dataplane *dp, uint16_t *port_id)
{
	uint16_t id;
	uint32_t i;

	RTE_ETH_FOREACH_DEV(id)
	{
		for (i = 0; i < dp->n_ports && dp->ports[i].port_id != id; i++)
			;
		if (i == dp->n_ports) {
			*port_id = id;
			return 0;
		}
	}
	return -ENODEV;
}

static int
opening_probe(struct opening *o, struct dataplane *dp)
{
	char iface[NETDEV_NAME_SIZE];
	int ret = opening_check(o);

	if (ret)
		return ret;
	/* Before it is opened: older kernels do not share the packets of a device that is down
	 * between queues (PACKET_FANOUT). */
	if (netdev_of_device(o->interface->device, iface))
		netdev_hand_over(iface);
	ret = rte_dev_probe(o->interface->device);
	if (ret)
		return device_failed(o, ret, "open");
	ret = find_new_port(dp, &o->port->port_id);
	if (ret)
		return opening_failed(o, ret,
				      "device \"%s\" is no network device, or its DPDK driver is "
				      "not installed",
				      o->interface->device);
	dp->n_ports++; /* from here on ports_close has something to close */
	ret = rte_eth_dev_info_get(o->port->port_id, &o->info);
	if (ret)
		return device_failed(o, ret, "ask");
	if (strcmp(o->info.driver_name, "net_af_xdp") == 0) {
		o->info.max_mtu =
		    RTE_MIN(o->info.max_mtu,
			    (uint16_t)(XDP_ROOM_MAX / 64 * 64 - XDP_HEADROOM - FRAME_OVERHEAD));
		if (o->interface->mtu > o->info.max_mtu)
			return mtu_failed(o, -EINVAL);
	}
	return 0;
}

/* ---- configuration ---- */

/* Receive-side scaling. A device that hashes one address only takes the client's, with our key: it
 * then finds the owner by itself. Another one spreads packets as it likes, and software steers. */
static void
choose_rss(struct opening *o)
{
	const struct rte_eth_dev_info *info = &o->info;
	bool backend = o->interface->side == SIDE_BACKEND;
	uint64_t only = backend ? RTE_ETH_RSS_L3_DST_ONLY : RTE_ETH_RSS_L3_SRC_ONLY;
	uint64_t can = info->flow_type_rss_offloads;
	struct rte_eth_rss_conf *rss = &o->conf.rx_adv_conf.rss_conf;
	uint16_t i;

	if (o->port->rx_queues < 2 || !(can & RTE_ETH_RSS_IP) || info->reta_size == 0)
		return;
	o->conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	rss->rss_hf = can & (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP);
	if (!(can & only) || info->hash_key_size < TOEPLITZ_KEY_LEN ||
	    info->hash_key_size > KEY_MAX)
		return;
	for (i = 0; i < info->hash_key_size; i++)
		o->key[i] = toeplitz_key_default[i % TOEPLITZ_KEY_LEN];
	rss->rss_key = o->key;
	rss->rss_key_len = info->hash_key_size;
	rss->rss_hf = (can & RTE_ETH_RSS_IP) | only;
	/* Workers believe it only after they have compared hashes with their own. */
	o->port->rss_source = !backend;
	o->port->rss_destination = backend;
}

/* Does the device cut TCP segments as we make them? net_tap says so, but takes none over IPv6, and
 * none that fill the MTU (DPDK 22.11, pmd_tx_burst: it counts the Ethernet header). */
static bool
cuts_segments(const struct opening *o)
{
	const struct rte_eth_desc_lim *limit = &o->info.tx_desc_lim;

	return o->port->tx_segments && o->port->tx_ip_checksum && o->port->tx_l4_checksum &&
	       o->info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_TCP_TSO &&
	       (!limit->nb_seg_max || limit->nb_seg_max > TCP_PIECES_MAX) &&
	       strcmp(o->info.driver_name, "net_tap") != 0;
}

/*
 * memif without copies: of a call with more than four frames the driver takes four at a time while
 * five places are free in the ring, and counts a place for each (DPDK 22.11,
 * eth_memif_tx_zc). Frames of several mbufs take several: it then goes round the ring, loses the
 * buffers that are still under way there, and frees those of the new frames twice.
 */
#define MEMIF_ZERO_COPY_MOST 4

static uint16_t
frames_at_a_time(const struct opening *o)
{
	bool zero_copy = strcmp(o->info.driver_name, "net_memif") == 0 &&
			 strstr(o->interface->device, "zero-copy=yes");

	return zero_copy ? MEMIF_ZERO_COPY_MOST : 0;
}

/* What the TCP of listeners makes use of. Some drivers are faster without. */
static void
choose_listener_offloads(struct opening *o)
{
	uint64_t rx = o->info.rx_offload_capa, tx = o->info.tx_offload_capa;

	o->conf.rxmode.offloads |= rx & RTE_ETH_RX_OFFLOAD_TCP_CKSUM;
	o->port->tx_segments = tx & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	o->port->tx_tso = cuts_segments(o);
	if (o->port->tx_segments)
		o->conf.txmode.offloads |= RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	if (o->port->tx_tso)
		o->conf.txmode.offloads |= RTE_ETH_TX_OFFLOAD_TCP_TSO;
}

static void
choose_offloads(struct opening *o)
{
	uint64_t rx = o->info.rx_offload_capa, tx = o->info.tx_offload_capa;
	uint64_t l4 = RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
	uint32_t room = rte_pktmbuf_data_room_size(o->mbufs) - RTE_PKTMBUF_HEADROOM;

	o->port->tx_most = frames_at_a_time(o);
	o->port->rx_checksum = rx & RTE_ETH_RX_OFFLOAD_IPV4_CKSUM;
	o->port->tx_ip_checksum = tx & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM;
	o->port->tx_l4_checksum = (tx & l4) == l4;
	o->conf.rxmode.offloads |= rx & RTE_ETH_RX_OFFLOAD_IPV4_CKSUM;
	o->conf.txmode.offloads |= tx & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM;
	if (o->port->tx_l4_checksum)
		o->conf.txmode.offloads |= l4;
	if (o->port->rss_source || o->port->rss_destination)
		o->conf.rxmode.offloads |= rx & RTE_ETH_RX_OFFLOAD_RSS_HASH;
	if (o->config->n_listeners)
		choose_listener_offloads(o);
	if (o->interface->mtu + FRAME_OVERHEAD <= room)
		return;
	o->conf.rxmode.offloads |= rx & RTE_ETH_RX_OFFLOAD_SCATTER;
	o->conf.txmode.offloads |= tx & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
}

static int
configure_once(struct opening *o)
{
	return rte_eth_dev_configure(o->port->port_id, o->port->rx_queues, o->port->tx_queues,
				     &o->conf);
}

static int
opening_configure(struct opening *o)
{
	struct port *port = o->port;
	int ret;

	port->rx_queues = RTE_MIN(o->n_workers, o->info.max_rx_queues);
	port->tx_queues = RTE_MIN(o->n_workers, o->info.max_tx_queues);
	if (port->rx_queues == 0 || port->tx_queues == 0)
		return opening_failed(o, -EINVAL, "device \"%s\" cannot %s", o->interface->device,
				      port->rx_queues == 0 ? "receive" : "send");
	o->conf.rxmode.mtu = RTE_MIN(o->interface->mtu, device_max_mtu(&o->info));
	choose_rss(o);
	choose_offloads(o);
	ret = configure_once(o);
	if (ret && o->conf.rxmode.mq_mode == RTE_ETH_MQ_RX_RSS) {
		/* The promise was not kept: without it everything still works, in software. */
		o->conf.rxmode.mq_mode = RTE_ETH_MQ_RX_NONE;
		o->conf.rxmode.offloads &= ~(uint64_t)RTE_ETH_RX_OFFLOAD_RSS_HASH;
		memset(&o->conf.rx_adv_conf, 0, sizeof(o->conf.rx_adv_conf));
		port->rss_source = port->rss_destination = false;
		ret = configure_once(o);
	}
	if (ret)
		return device_failed(o, ret, "configure");
	return 0;
}

static int
opening_queues(struct opening *o)
{
	struct rte_eth_rxconf rx = o->info.default_rxconf;
	struct rte_eth_txconf tx = o->info.default_txconf;
	uint16_t n_rx = RX_DESCRIPTORS, n_tx = TX_DESCRIPTORS, q;
	uint16_t id = o->port->port_id;
	int ret;

	ret = rte_eth_dev_adjust_nb_rx_tx_desc(id, &n_rx, &n_tx);
	rx.offloads = o->conf.rxmode.offloads;
	tx.offloads = o->conf.txmode.offloads;
	for (q = 0; ret == 0 && q < o->port->rx_queues; q++)
		ret = rte_eth_rx_queue_setup(id, q, n_rx, o->port->numa, &rx, o->mbufs);
	for (q = 0; ret == 0 && q < o->port->tx_queues; q++)
		ret = rte_eth_tx_queue_setup(id, q, n_tx, o->port->numa, &tx);
	if (ret)
		return device_failed(o, ret, "set up the queues of");
	return 0;
}

/* The indirection table that snapshots use, in the device. */
static void
opening_reta(struct opening *o)
{
	struct rte_eth_rss_reta_entry64
	    reta[RTE_ETH_RSS_RETA_SIZE_512 * 4 / RTE_ETH_RETA_GROUP_SIZE] = { 0 };
	uint16_t size = o->info.reta_size, i;
	int ret = -EINVAL;

	if (!o->port->rss_source && !o->port->rss_destination)
		return;
	if (size <= RTE_DIM(reta) * RTE_ETH_RETA_GROUP_SIZE) {
		for (i = 0; i < size; i++) {
			uint16_t row = i / RTE_ETH_RETA_GROUP_SIZE;
			uint16_t at = i % RTE_ETH_RETA_GROUP_SIZE;
			uint32_t worker = i % OWNER_TABLE_SIZE % o->n_workers;

			reta[row].mask |= UINT64_C(1) << at;
			reta[row].reta[at] = (uint16_t)(worker % o->port->rx_queues);
		}
		ret = rte_eth_dev_rss_reta_update(o->port->port_id, reta, size);
	}
	if (ret)
		o->port->rss_source = o->port->rss_destination = false;
}

/* ---- starting ---- */

static int
set_mtu(uint16_t port_id, uint16_t mtu)
{
	int ret = rte_eth_dev_set_mtu(port_id, mtu);

	/* memif, pcap and others carry whatever comes. */
	return ret == -ENOTSUP ? 0 : ret;
}

static int
opening_rings(struct opening *o)
{
	struct port *port = o->port;
	char name[RTE_RING_NAMESIZE];

	if (port->tx_queues < o->n_workers) {
		snprintf(name, sizeof(name), "tx-%s", port->name);
		port->tx_shared =
		    rte_ring_create(name, TX_SHARED_SIZE, SOCKET_ID_ANY, RING_MANY_TO_ONE);
		if (!port->tx_shared)
			return opening_failed(o, -ENOMEM, "no memory for its transmit ring");
	}
	if (o->interface->twin) {
		snprintf(name, sizeof(name), "host-%s", port->name);
		port->to_host =
		    rte_ring_create(name, TO_HOST_SIZE, SOCKET_ID_ANY, RING_MANY_TO_ONE);
		if (!port->to_host)
			return opening_failed(o, -ENOMEM, "no memory for the ring to its twin");
	}
	return 0;
}

static int
opening_start(struct opening *o)
{
	uint16_t id = o->port->port_id;
	struct rte_ether_addr mac;
	int ret;

	ret = set_mtu(id, o->interface->mtu);
	if (ret)
		return mtu_failed(o, ret);
	ret = rte_eth_dev_start(id);
	if (ret)
		return device_failed(o, ret, "start");
	ret = rte_eth_macaddr_get(id, &mac);
	if (ret)
		return opening_failed(o, ret, "device \"%s\" has no Ethernet address",
				      o->interface->device);
	memcpy(o->port->mac, mac.addr_bytes, sizeof(o->port->mac));
	/* The twin has the port's own address, so all that is missing is multicast (neighbour
	 * discovery). A device that can do neither delivers everything anyway. */
	if (o->interface->twin && rte_eth_allmulticast_enable(id) != 0)
		rte_eth_promiscuous_enable(id);
	return 0;
}

static int
open_port(struct opening *o, struct dataplane *dp)
{
	struct port *port = o->port;
	int ret, numa;

	*port = (struct port){ 0 };
	snprintf(port->name, sizeof(port->name), "%s", o->interface->name);
	ret = opening_probe(o, dp);
	if (ret)
		return ret;
	numa = rte_eth_dev_socket_id(port->port_id);
	port->numa = numa < 0 ? 0 : (uint16_t)numa;
	ret = opening_configure(o);
	if (!ret)
		ret = opening_queues(o);
	if (!ret)
		ret = opening_rings(o);
	if (!ret)
		ret = opening_start(o);
	if (!ret)
		opening_reta(o);
	return ret;
}

int
ports_open(struct dataplane *dp, const struct config *config, char *error, size_t error_size)
{
	size_t i;
	int ret;

	dp->n_ports = 0;
	ret = mbufs_create(dp, config, error, error_size);
	for (i = 0; ret == 0 && i < config->n_interfaces; i++) {
		struct opening o = {
			.config = config,
			.interface = &config->interfaces[i],
			.port = &dp->ports[i],
			.mbufs = dp->mbufs,
			.n_workers = (uint16_t)config->dataplane.n_workers,
			.error = error,
			.error_size = error_size,
		};

		eal_quiet_begin();
		ret = open_port(&o, dp);
		eal_quiet_end();
	}
	if (ret)
		ports_close(dp);
	return ret;
}

int
ports_set_mtu(struct dataplane *dp, unsigned int port, uint16_t mtu, char *error, size_t error_size)
{
	struct port *p = &dp->ports[port];
	uint32_t room = rte_pktmbuf_data_room_size(dp->mbufs) - RTE_PKTMBUF_HEADROOM;
	struct rte_eth_dev_info info;
	uint16_t current = 0;
	int ret;

	if (rte_eth_dev_info_get(p->port_id, &info) != 0)
		return -ENODEV;
	if (strcmp(info.driver_name, "net_af_xdp") == 0)
		room -= XDP_HEADROOM;
	rte_eth_dev_get_mtu(p->port_id, &current);
	if (mtu > current && mtu + FRAME_OVERHEAD > room) {
		snprintf(error, error_size,
			 "interface \"%s\": an MTU of %u needs larger packet buffers: restart "
			 "penstockd",
			 p->name, mtu);
		return -EBUSY;
	}
	eal_quiet_begin();
	ret = set_mtu(p->port_id, mtu);
	eal_quiet_end();
	if (ret == -EBUSY)
		snprintf(error, error_size,
			 "interface \"%s\": the device cannot change its MTU while it runs: "
			 "restart penstockd",
			 p->name);
	else if (ret)
		snprintf(error, error_size,
			 "interface \"%s\": the device cannot carry an MTU of %u (only %u to %u)",
			 p->name, mtu, info.min_mtu, device_max_mtu(&info));
	return ret;
}

static void
drain(struct rte_ring *ring)
{
	void *mbuf;

	if (!ring)
		return;
	while (rte_ring_dequeue(ring, &mbuf) == 0)
		rte_pktmbuf_free(mbuf);
	rte_ring_free(ring);
}

void
ports_stop(struct dataplane *dp)
{
	uint32_t i;

	eal_quiet_begin();
	for (i = 0; i < dp->n_ports; i++) {
		struct port *port = &dp->ports[i];
		struct rte_eth_dev_info info = { 0 };

		rte_eth_dev_info_get(port->port_id, &info);
		rte_eth_promiscuous_disable(port->port_id);
		rte_eth_dev_stop(port->port_id);
		rte_eth_dev_close(port->port_id);
		if (info.device)
			rte_dev_remove(info.device);
		drain(port->tx_shared);
		drain(port->to_host);
		port->tx_shared = port->to_host = NULL;
	}
	dp->n_ports = 0;
	eal_quiet_end();
}

void
ports_close(struct dataplane *dp)
{
	ports_stop(dp);
	rte_mempool_free(dp->mbufs);
	dp->mbufs = NULL;
}

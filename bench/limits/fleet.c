/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/limits/fleet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_malloc.h>

#include "bench/common/world.h"
#include "cp/device/ports.h"
#include "cp/net/network.h"
#include "dp/pipeline.h"

#define RX_SIZE 8192
#define TX_SIZE 65536
#define MBUFS   (FLEET_MAX * (RX_SIZE + TX_SIZE / 2) + 16384)

/* The devices of the configuration are only named: the ports are rings. */
static const char head[] =
    "dataplane: { workers = [ %s ]; control = 0; share_cores = true; hugepages = false;\n"
    "  memory = \"1G\"; idle = \"sleep\"; connections = 131072; clients = 65536; };\n"
    "interfaces = (\n"
    "  { name = \"wan\"; device = \"net_null0\"; side = \"client\"; twin = false;\n"
    "    addresses = [ \"198.51.100.2/24\", \"2001:db8:1::2/64\" ]; },\n"
    "  { name = \"lan\"; device = \"net_null1\"; side = \"backend\"; twin = false;\n"
    "    addresses = [ \"10.2.0.1/16\", \"2001:db8:2::1/64\" ]; } );\n%s";

/* The process's one pair of ports. */
static struct {
	struct rte_mempool *mbufs;
	struct rte_ring *rx[FLEET_MAX], *tx[FLEET_MAX], *unused[2 * FLEET_MAX];
	struct port ports[2];
} wire;

static struct config *
parse(const char *objects, uint32_t workers)
{
	struct config_messages messages = { 0 };
	struct config *config;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	char list[64] = "", *text = NULL;
	uint32_t i;

	for (i = 0; i < workers; i++)
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%ld", i ? ", " : "",
			 i % (cpus > 0 ? cpus : 1));
	if (asprintf(&text, head, list, objects) < 0)
		world_fail("no memory");
	config = config_parse_for("bench", text, strlen(text), NULL, &messages);
	for (i = 0; i < messages.count; i++) {
		if (!messages.list[i].warning)
			fprintf(stderr, "%s\n", messages.list[i].text);
	}
	config_messages_free(&messages);
	free(text);
	if (!config)
		world_fail("the bench's own configuration is refused");
	return config;
}

static struct rte_ring *
ring(const char *name, uint32_t i, unsigned int size)
{
	char text[RTE_RING_NAMESIZE];
	struct rte_ring *r;

	snprintf(text, sizeof(text), "%s-%u", name, i);
	r = rte_ring_create(text, size, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	if (!r)
		world_fail("no memory for rings");
	return r;
}

static void
open_port(struct port *port, const char *name, struct rte_ring *const rx[FLEET_MAX],
	  struct rte_ring *const tx[FLEET_MAX])
{
	struct rte_eth_conf conf = { 0 };
	int id = rte_eth_from_rings(name, (struct rte_ring **)(uintptr_t)rx, FLEET_MAX,
				    (struct rte_ring **)(uintptr_t)tx, FLEET_MAX, 0);
	struct rte_ether_addr mac;
	uint16_t q;

	if (id < 0 || rte_eth_dev_configure((uint16_t)id, FLEET_MAX, FLEET_MAX, &conf) < 0)
		world_fail("no ring ports");
	for (q = 0; q < FLEET_MAX; q++) {
		if (rte_eth_rx_queue_setup((uint16_t)id, q, 0, SOCKET_ID_ANY, NULL, wire.mbufs) ||
		    rte_eth_tx_queue_setup((uint16_t)id, q, 0, SOCKET_ID_ANY, NULL))
			world_fail("no queues of ring ports");
	}
	if (rte_eth_dev_start((uint16_t)id) || rte_eth_macaddr_get((uint16_t)id, &mac))
		world_fail("ring ports do not start");
	port->port_id = (uint16_t)id;
	/* Two ports without an address of their own have the same. */
	memcpy(port->mac, mac.addr_bytes, 6);
	port->mac[0] = 0x02;
	port->mac[5] = (uint8_t)(1 + id);
	snprintf(port->name, sizeof(port->name), "%s", name);
}

/* Nothing is forwarded with this one; it only says how many workers there are. */
static const char nothing[] =
    "pools = ( { name = \"p\"; backends = ( { address = \"10.2.1.1\"; } ); } );\n"
    "services = ( { name = \"s\"; address = \"203.0.113.1\"; port = 80; protocol = \"udp\";\n"
    "  forward = \"dsr-l2\"; pool = \"p\"; } );\n";

void
fleet_start(void)
{
	struct config *config = parse(nothing, FLEET_MAX);
	char error[512] = "";
	uint32_t i;

	if (ports_eal_init(config, 0, error, sizeof(error)) < 0)
		world_fail("%s", error);
	config_free(config);
	wire.mbufs = rte_pktmbuf_pool_create("wire", MBUFS, 256,
					     RTE_ALIGN(sizeof(struct packet), RTE_MBUF_PRIV_ALIGN),
					     RTE_PKTMBUF_HEADROOM + 1024, SOCKET_ID_ANY);
	if (!wire.mbufs)
		world_fail("no memory for packet buffers");
	for (i = 0; i < FLEET_MAX; i++) {
		wire.rx[i] = ring("rx", i, RX_SIZE);
		wire.tx[i] = ring("tx", i, TX_SIZE);
		wire.unused[i] = ring("unused", i, 64);
		wire.unused[FLEET_MAX + i] = ring("unused", FLEET_MAX + i, 64);
	}
	open_port(&wire.ports[0], "wan", wire.rx, wire.unused);
	open_port(&wire.ports[1], "lan", wire.unused + FLEET_MAX, wire.tx);
}

void
fleet_end(void)
{
	rte_eth_dev_stop(wire.ports[0].port_id);
	rte_eth_dev_stop(wire.ports[1].port_id);
	rte_eal_cleanup();
}

/* Its own networks, and the neighbours as configured. */
static void
network_of(const struct config *config, struct compile_input *in)
{
	static struct network_route routes[8];
	static struct network_neighbour neighbours[8];
	size_t i, j;

	in->n_routes = 0;
	for (i = 0; i < config->n_interfaces; i++) {
		for (j = 0; j < config->interfaces[i].n_addresses; j++)
			routes[in->n_routes++] =
			    (struct network_route){ .to = config->interfaces[i].addresses[j].net,
						    .port = (uint8_t)i };
	}
	for (i = 0; i < config->n_neighbours && i < 8; i++)
		neighbours[i] = (struct network_neighbour){
			.addr = config->neighbours[i].address,
			.mac = config->neighbours[i].mac,
			.port = (uint8_t)config->neighbours[i].interface,
			.usable = true,
		};
	in->n_neighbours = i;
	in->routes = routes;
	in->neighbours = neighbours;
}

static void
compile_config(struct fleet *f, const struct dp_clock *clock)
{
	struct mac macs[2];
	struct compile_input in = { .generation = 1, .port_macs = macs, .config = f->config };
	const char *error = "no memory";

	memcpy(macs[0].b, wire.ports[0].mac, 6);
	memcpy(macs[1].b, wire.ports[1].mac, 6);
	in.kernel_port_low = 32768;
	in.kernel_port_high = 60999;
	in.now = dp_clock_now(clock);
	network_of(f->config, &in);
	f->compiler = compiler_create((uint16_t)f->n);
	f->snapshot = f->compiler ? compile(f->compiler, &in, &error) : NULL;
	if (!f->snapshot)
		world_fail("%s", error);
	compiler_commit(f->compiler);
}

static void
open_plane(const struct fleet *f, struct dataplane *dp, const struct snapshot *s)
{
	uint32_t i;

	dp->n_workers = f->n;
	dp->n_ports = 2;
	for (i = 0; i < 2; i++) {
		dp->ports[i] = wire.ports[i];
		dp->ports[i].rx_queues = dp->ports[i].tx_queues = (uint16_t)f->n;
		dp->ports[i].rss_source = f->kind == FLEET_HASHED;
	}
	dp->mbufs = wire.mbufs;
	dp->idle_sleep = true;
	dp->connections = f->config->dataplane.connections;
	dp->clients = f->config->dataplane.clients;
	dp->rcu = rte_zmalloc("rcu", rte_rcu_qsbr_get_memsize(SNAPSHOT_MAX_WORKERS), 64);
	dp->resolve = rte_ring_create_elem("resolve", sizeof(struct resolve_request), 64,
					   SOCKET_ID_ANY, RING_F_SC_DEQ);
	if (dataplane_create(dp) < 0 || !dp->rcu ||
	    rte_rcu_qsbr_init(dp->rcu, SNAPSHOT_MAX_WORKERS))
		world_fail("no memory");
	atomic_store(&dp->published, s);
}

/* Worker i's own world: everybody is its client. */
static const struct snapshot *
own_everything(struct fleet *f, uint32_t i)
{
	uint32_t row;

	f->owned[i] = *f->snapshot;
	for (row = 0; row < OWNER_TABLE_SIZE; row++)
		f->owned[i].owners[row] = (uint16_t)i;
	return &f->owned[i];
}

struct fleet *
fleet_open(const char *objects, uint32_t n, enum fleet_kind kind)
{
	struct fleet *f = calloc(1, sizeof(*f));
	uint32_t i, planes = kind == FLEET_PRIVATE ? n : 1;

	if (!f)
		world_fail("no memory");
	f->n = n;
	f->kind = kind;
	f->planes = aligned_alloc(_Alignof(struct dataplane), planes * sizeof(*f->planes));
	f->owned = calloc(n, sizeof(*f->owned));
	if (!f->planes || !f->owned)
		world_fail("no memory");
	memset(f->planes, 0, planes * sizeof(*f->planes));
	f->config = parse(objects, n);
	for (i = 0; i < planes; i++)
		dp_clock_init(&f->planes[i].clock);
	compile_config(f, &f->planes[0].clock);
	for (i = 0; i < planes; i++) {
		f->planes[i].clock = f->planes[0].clock;
		open_plane(f, &f->planes[i],
			   kind == FLEET_PRIVATE ? own_everything(f, i) : f->snapshot);
	}
	for (i = 0; i < n; i++) {
		struct dataplane *dp = &f->planes[kind == FLEET_PRIVATE ? i : 0];

		if (worker_create(dp, (uint16_t)i, i + 1, i) < 0)
			world_fail("no memory for workers");
		f->workers[i] = dp->workers[i];
	}
	memcpy(f->rx, wire.rx, sizeof(f->rx));
	memcpy(f->tx, wire.tx, sizeof(f->tx));
	memcpy(f->mac, wire.ports[0].mac, 6);
	f->mbufs = wire.mbufs;
	return f;
}

static void
empty(struct rte_ring *r)
{
	void *mbuf;

	while (rte_ring_dequeue(r, &mbuf) == 0)
		rte_pktmbuf_free(mbuf);
}

void
fleet_close(struct fleet *f)
{
	uint32_t i, planes = f->kind == FLEET_PRIVATE ? f->n : 1;

	for (i = 0; i < f->n; i++) {
		worker_destroy(f->workers[i]);
		empty(f->rx[i]);
		empty(f->tx[i]);
	}
	for (i = 0; i < planes; i++) {
		dataplane_destroy(&f->planes[i]);
		rte_free(f->planes[i].rcu);
		rte_ring_free(f->planes[i].resolve);
	}
	if (rte_mempool_in_use_count(wire.mbufs))
		world_fail("%u packet buffers have leaked", rte_mempool_in_use_count(wire.mbufs));
	snapshot_free(f->snapshot);
	compiler_destroy(f->compiler);
	config_free(f->config);
	free(f->planes);
	free(f->owned);
	free(f);
}

void
fleet_run(struct fleet *f)
{
	uint32_t i;

	for (i = 0; i < f->n; i++) {
		if (rte_eal_remote_launch(worker_run, f->workers[i], i + 1))
			world_fail("a worker does not start");
	}
}

void
fleet_halt(struct fleet *f)
{
	uint32_t i;

	for (i = 0; i < (f->kind == FLEET_PRIVATE ? f->n : 1); i++)
		atomic_store(&f->planes[i].stop, true);
	rte_eal_mp_wait_lcore();
}

void
fleet_step(struct fleet *f, uint64_t now)
{
	bool busy = true;
	uint32_t i;

	while (busy) {
		busy = false;
		for (i = 0; i < f->n; i++) {
			struct worker *w = f->workers[i];

			w->snapshot = atomic_load(&w->dataplane->published);
			w->now = now;
			busy |= pipeline_iterate(w);
		}
	}
}

uint64_t
fleet_now(const struct fleet *f)
{
	return dp_clock_now(&f->planes[0].clock);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/common/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_malloc.h>

#include "cp/device/ports.h"
#include "cp/net/network.h"
#include "dp/proxy/proxy.h"

/* In hugepages at least and at most; in ordinary memory, which is taken when it is touched. */
#define MEMORY_LEAST_MB    1800u
#define MEMORY_MOST_MB     16384u
#define MEMORY_ORDINARY_MB 3072u

#define SESSIONS 65536 /* of listeners */

/* What all configurations begin with. The addresses of clients are behind the gateway. */
static const char head[] =
    "dataplane: { workers = [ %s ]; control = 0; share_cores = true; hugepages = %s;\n"
    "  memory = \"%uM\";  };\n"
    "interfaces = (\n"
    "  { name = \"wan\"; device = \"net_null0\"; side = \"client\"; twin = false;\n"
    "    addresses = [ \"198.51.100.2/24\", \"2001:db8:1::2/64\" ]; },\n"
    "  { name = \"lan\"; device = \"net_null1\"; side = \"backend\"; twin = false;\n"
    "    addresses = [ \"10.2.0.1/16\", \"2001:db8:2::1/64\" ];\n"
    "    source_addresses = [ \"10.2.0.64/26\", \"2001:db8:2::100/120\" ]; } );\n"
    "routes = ( { to = \"default\"; via = \"198.51.100.1\"; },\n"
    "  { to = \"default\"; via = \"2001:db8:1::1\"; } );\n";

/* The process's one EAL and its ports. */
static struct dataplane dataplane;
static bool hugepages;
static unsigned int memory_mb;

void
world_fail(const char *format, ...)
{
	va_list args;

	fputs("bench: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

/* All hugepages that are free, up to what the largest case wants. */
static unsigned int
free_hugepages_mb(void)
{
	FILE *f = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "r");
	unsigned int pages = 0;

	if (f && fscanf(f, "%u", &pages) != 1)
		pages = 0;
	if (f)
		fclose(f);
	return RTE_MIN(2 * pages, MEMORY_MOST_MB);
}

static void
choose_memory(bool want_hugepages)
{
	memory_mb = want_hugepages ? free_hugepages_mb() : 0;
	hugepages = memory_mb >= MEMORY_LEAST_MB;
	if (hugepages)
		return;
	memory_mb = MEMORY_ORDINARY_MB;
	if (want_hugepages)
		fprintf(stderr, "bench: no free hugepages, ordinary memory is used: slower\n");
}

/* Their cores, as a configuration has them. */
static const char *
workers_of(uint32_t n)
{
	if (n < 2)
		return "0";
	return sysconf(_SC_NPROCESSORS_ONLN) > 1 ? "0, 1" : "0, 0";
}

static struct config *
parse(const char *objects, uint32_t workers)
{
	struct config_messages messages = { 0 };
	struct config *config;
	char *text = NULL;
	size_t i;

	if (asprintf(&text, head, workers_of(workers), hugepages ? "true" : "false", memory_mb) < 0)
		world_fail("no memory");
	text = realloc(text, strlen(text) + strlen(objects) + 1);
	if (!text)
		world_fail("no memory");
	strcat(text, objects);
	config = config_parse_for("bench", text, strlen(text), NULL, &messages);
	for (i = 0; i < messages.count; i++)
		if (!messages.list[i].warning)
			fprintf(stderr, "%s\n", messages.list[i].text);
	config_messages_free(&messages);
	free(text);
	if (!config)
		world_fail("the bench's own configuration is refused");
	return config;
}

/* Nothing is forwarded with this one; it only names the devices. */
static const char nothing[] =
    "pools = ( { name = \"p\"; backends = ( { address = \"10.2.1.1\"; port = 80; } ); } );\n"
    "services = ( { name = \"s\"; address = \"203.0.113.1\"; port = 80; protocol = \"udp\";\n"
    "  forward = \"nat\"; pool = \"p\"; } );\n";

void
world_start(bool want_hugepages)
{
	char error[512] = "";
	struct config *config;

	choose_memory(want_hugepages);
	config = parse(nothing, WORLD_WORKERS);
	if (ports_eal_init(config, 0, error, sizeof(error)) < 0)
		world_fail("%s", error);
	dp_clock_init(&dataplane.clock);
	if (ports_open(&dataplane, config, error, sizeof(error)) < 0)
		world_fail("%s", error);
	config_free(config);
	dataplane.rcu = rte_zmalloc("rcu", rte_rcu_qsbr_get_memsize(SNAPSHOT_MAX_WORKERS), 64);
	dataplane.resolve = rte_ring_create_elem("resolve", sizeof(struct resolve_request), 1024,
						 SOCKET_ID_ANY, RING_F_SC_DEQ);
	if (!dataplane.rcu || !dataplane.resolve ||
	    rte_rcu_qsbr_init(dataplane.rcu, SNAPSHOT_MAX_WORKERS))
		world_fail("no memory");
}

void
world_end(void)
{
	ports_close(&dataplane);
	rte_eal_cleanup();
}

bool
world_has_hugepages(void)
{
	return hugepages;
}

/* What a machine in the lab would know: the gateways, and the networks that are connected. */
static void
network_of(const struct config *config, struct compile_input *in)
{
	static struct network_route routes[8];
	static struct network_neighbour *neighbours;
	size_t i, j, n = 0;

	for (i = 0; i < config->n_interfaces; i++)
		for (j = 0; j < config->interfaces[i].n_addresses; j++)
			routes[n++] =
			    (struct network_route){ .to = config->interfaces[i].addresses[j].net,
						    .port = (uint8_t)i };
	for (i = 0; i < config->n_routes; i++)
		routes[n++] = (struct network_route){ .to = config->routes[i].to,
						      .via = config->routes[i].via };
	in->routes = routes;
	in->n_routes = n;
	free(neighbours);
	neighbours = calloc(config->n_neighbours + 1, sizeof(*neighbours));
	for (i = 0; neighbours && i < config->n_neighbours; i++)
		neighbours[i] = (struct network_neighbour){
			.addr = config->neighbours[i].address,
			.mac = config->neighbours[i].mac,
			.port = (uint8_t)config->neighbours[i].interface,
			.usable = true,
		};
	in->neighbours = neighbours;
	in->n_neighbours = config->n_neighbours;
}

static void
create_workers(struct world *w, uint32_t connections)
{
	uint16_t i;

	dataplane.n_workers = w->n_workers;
	dataplane.connections = connections;
	dataplane.clients = 1 << 20;
	if (dataplane_create(&dataplane) < 0)
		world_fail("no memory");
	for (i = 0; i < w->n_workers; i++) {
		if (worker_create(&dataplane, i, rte_lcore_id(), 0) < 0)
			world_fail("no memory for %u connections: more hugepages are needed",
				   connections);
		w->workers[i] = dataplane.workers[i];
		w->workers[i]->snapshot = w->snapshot;
	}
	w->worker = w->workers[0];
	if (dataplane_prepare_clients(&dataplane) < 0)
		world_fail("no memory for the clients");
}

struct world *
world_open(const char *objects, uint32_t connections, uint32_t workers)
{
	struct world *w = calloc(1, sizeof(*w));
	struct mac macs[2];
	struct compile_input in = { .generation = 1, .port_macs = macs };
	const char *error = "no memory";

	if (!w)
		world_fail("no memory");
	w->n_workers = workers;
	w->config = parse(objects, workers);
	w->compiler = compiler_create((uint16_t)workers);
	memcpy(macs[0].b, dataplane.ports[0].mac, 6);
	memcpy(macs[1].b, dataplane.ports[1].mac, 6);
	in.config = w->config;
	in.kernel_port_low = 32768;
	in.kernel_port_high = 60999;
	in.now = dp_clock_now(&dataplane.clock);
	network_of(w->config, &in);
	w->snapshot = w->compiler ? compile(w->compiler, &in, &error) : NULL;
	if (!w->snapshot)
		world_fail("%s", error);
	compiler_commit(w->compiler);
	create_workers(w, connections);
	atomic_store(&dataplane.published, w->snapshot);
	world_tick(w);
	return w;
}

void
world_share(struct world *w, unsigned int of_eight)
{
	uint32_t i;

	w->owned = malloc(sizeof(*w->owned));
	if (!w->owned)
		world_fail("no memory");
	*w->owned = *w->snapshot;
	for (i = 0; i < OWNER_TABLE_SIZE; i++)
		w->owned->owners[i] = i % 8 < of_eight;
	for (i = 0; i < w->n_workers; i++)
		w->workers[i]->snapshot = w->owned;
}

void
world_listen(struct world *w)
{
	uint32_t i;

	dataplane.sessions = dataplane.backend_connections = SESSIONS;
	if (dataplane_prepare_proxies(&dataplane, false) < 0)
		world_fail("no memory for the sessions");
	for (i = 0; i < w->n_workers; i++)
		proxy_iterate(w->workers[i]);
}

void
world_close(struct world *w)
{
	uint32_t i;

	for (i = 0; i < w->n_workers; i++)
		worker_destroy(w->workers[i]);
	dataplane_destroy(&dataplane);
	free(w->owned);
	snapshot_free(w->snapshot);
	compiler_destroy(w->compiler);
	config_free(w->config);
	free(w);
}

void
world_tick(struct world *w)
{
	uint32_t i;

	for (i = 0; i < w->n_workers; i++)
		w->workers[i]->now = dp_clock_now(&dataplane.clock);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that an earlier process has left: whatever lies there, what is taken over is a whole table
 * that works, and all of it can end. The input is the number of slots in use, then the slots. */
#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>

#include "dp/l4/connection_memory.h"
#include "dp/l4/connection_table.h"
#include "dp/l4/heaviest.h"
#include "lib/lpm.h"

#define SLOTS 40u /* more than are taken over at once */
#define NOW   1000000000u
#define HOUR  3600000000000ull

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

enum { NAT, FULL_NAT, DSR, UDP, SERVICES };

static struct dataplane dataplane;
static struct worker worker;
static struct snapshot snapshot;
static struct service services[SERVICES];
static struct backend backends[SERVICES];
static struct destination destinations[2];
static struct destination_port ports[8];
static struct source source;
static uint8_t *memory;

static struct addr
addr(const char *text)
{
	struct addr a;

	assert(addr_parse(text, &a) == 0);
	return a;
}

/* Services on ports 80 to 83 of one address; our own address towards backends. */
static void
make_destinations(void)
{
	struct lpm_entry e[2] = { { .value = 0 }, { .value = 1 } };
	struct lpm *lpm;
	uint32_t i, at;

	assert(prefix_parse("203.0.113.10", &e[0].prefix) == 0);
	assert(prefix_parse("10.2.0.1", &e[1].prefix) == 0);
	assert(lpm_build(&lpm, e, 2) == 0);
	destinations[0] = (struct destination){
		.parent = UINT32_MAX,
		.flags = DESTINATION_SERVICE,
		.ports_mask = 7,
		.all_tcp = UINT32_MAX,
		.all_udp = UINT32_MAX,
		.source = UINT32_MAX,
	};
	destinations[1] = destinations[0];
	destinations[1].flags = DESTINATION_LOCAL;
	destinations[1].source = 0;
	for (i = 0; i < SERVICES; i++) {
		at = destination_port_hash(services[i].protocol, services[i].port) & 7;
		while (ports[at].protocol)
			at = (at + 1) & 7;
		ports[at] =
		    (struct destination_port){ services[i].port, services[i].protocol, 0, i };
	}
	source = (struct source){ .addr = addr("10.2.0.1") };
	snapshot.destination_lpm = lpm;
	snapshot.destinations = destinations;
	snapshot.destination_ports = ports;
	snapshot.n_destinations = 2;
	snapshot.sources = &source;
	snapshot.n_sources = 1;
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const uint8_t modes[SERVICES] = { MODE_NAT, MODE_FULL_NAT, MODE_DSR_L2, MODE_NAT };
	char *eal[] = { "fuzz",           "--no-huge",     "--no-shconf", "-m", "64", "--no-pci",
			"--no-telemetry", "--log-level=4", "-l",          "0",  NULL };
	uint32_t i;

	(void)argc;
	(void)argv;
	assert(rte_eal_init((int)(sizeof(eal) / sizeof(eal[0])) - 1, eal) >= 0);
	for (i = 0; i < SERVICES; i++) {
		services[i] = (struct service){
			.epoch = 1 + i,
			.port = htons((uint16_t)(80 + i)),
			.protocol = i == UDP ? IPPROTO_UDP : IPPROTO_TCP,
			.mode = modes[i],
			.timeout_established = HOUR,
			.timeout_closing = HOUR,
			.timeout_udp = HOUR,
		};
		backends[i] = (struct backend){ .epoch = 1,
						.flags = BACKEND_UP,
						.port = htons(8080),
						.addr = addr("10.2.0.11") };
	}
	snapshot.services = services;
	snapshot.backends = backends;
	snapshot.n_services = snapshot.n_backends = SERVICES;
	snapshot.n_workers = 1;
	make_destinations();
	worker.snapshot = &snapshot;
	worker.dataplane = &dataplane;
	worker.service_drops = calloc(SERVICES, sizeof(*worker.service_drops));
	worker.service_stats = calloc(SERVICES, sizeof(*worker.service_stats));
	worker.backend_stats = calloc(SERVICES, sizeof(*worker.backend_stats));
	worker.heaviest = heaviest_create(SLOTS, NOW, SOCKET_ID_ANY);
	memory = aligned_alloc(128, connections_memory_size(SLOTS));
	assert(worker.service_drops && worker.service_stats && worker.backend_stats &&
	       worker.heaviest && memory);
	return 0;
}

/* Each that goes on is found by what it says, and by nothing else. */
static uint32_t
found_by_tuples(void)
{
	uint32_t i, live = 0, entries = 0;

	for (i = 0; i < worker.connections->head->fresh; i++) {
		struct connection *c = connection_at(worker.connections, i);
		struct tuple reply;

		if (c->state == CONNECTION_FREE)
			continue;
		live++;
		entries++;
		if (connection_find(&worker, &c->forward) != i << 1)
			abort();
		if (!(c->flags & CONNECTION_HAS_REPLY))
			continue;
		entries++;
		reply = connection_reply_tuple(c);
		if (connection_find(&worker, &reply) != (i << 1 | 1))
			abort();
	}
	if (entries != connections_entries(worker.connections))
		abort();
	return live;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct connections_restored r;
	size_t room = connections_memory_size(SLOTS) - sizeof(struct connections_head);
	uint32_t i;

	memset(memory, 0, connections_memory_size(SLOTS));
	if (size > 0)
		memcpy(memory, &(uint32_t){ data[0] }, sizeof(uint32_t));
	if (size > 1)
		memcpy(memory + sizeof(struct connections_head), data + 1,
		       size - 1 < room ? size - 1 : room);
	worker.now = NOW;
	worker.connections = connections_create(SLOTS, SOCKET_ID_ANY, memory);
	if (!worker.connections)
		abort();
	connections_restore(&worker, &r);
	if (found_by_tuples() != r.alive || connections_live(worker.connections) != r.alive ||
	    r.alive + r.timed_out + r.stale + r.damaged > SLOTS)
		abort();
	worker.now = NOW + 2 * HOUR;
	for (i = 0; i < 2 * SLOTS; i++)
		connections_expire(&worker);
	if (connections_live(worker.connections) != 0 ||
	    connections_entries(worker.connections) != 0)
		abort();
	connections_destroy(worker.connections);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A worker and a snapshot built by hand. */
#include "fixture.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <rte_eal.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "dp/l4/client_table.h"
#include "dp/l4/heaviest.h"
#include "dp/l4/quick_dsr.h"
#include "lib/maglev.h"

#define MBUFS 4095

static void
need(int condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "fixture: %s\n", what);
	exit(2);
}

/* The one pool of the process; made with the EAL at the first call. */
static struct rte_mempool *
mbuf_pool(void)
{
	static struct rte_mempool *pool;
	char *argv[] = {
		"stage-tests", "--no-huge",     "--no-shconf",    "-m", "256", "--no-pci", "-l",
		"0",           "--log-level=4", "--no-telemetry", NULL,
	};

	if (pool)
		return pool;
	need(rte_eal_init((int)(sizeof(argv) / sizeof(argv[0])) - 1, argv) >= 0, "no EAL");
	pool = rte_pktmbuf_pool_create("stage", MBUFS, 0,
				       RTE_ALIGN(sizeof(struct packet), RTE_MBUF_PRIV_ALIGN),
				       RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	need(pool != NULL, "no mbuf pool");
	return pool;
}

struct rte_mempool *
fixture_pool(void)
{
	return mbuf_pool();
}

static void *
map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	need(p != MAP_FAILED, "no memory");
	return p;
}

static struct worker *
worker_by_hand(struct fixture *f)
{
	struct worker *w = map(sizeof(*w));

	w->dataplane = &f->dataplane;
	w->snapshot = &f->snapshot;
	w->now = 1000000000;
	w->random = 1;
	w->leases = map(sizeof(*w->leases) * SNAPSHOT_MAX_SERVICES);
	w->tunnels = map(sizeof(*w->tunnels) * SNAPSHOT_MAX_BACKENDS);
	w->service_stats = map(sizeof(*w->service_stats) * SNAPSHOT_MAX_SERVICES);
	w->service_drops = map(sizeof(*w->service_drops) * SNAPSHOT_MAX_SERVICES);
	w->backend_stats = map(sizeof(*w->backend_stats) * SNAPSHOT_MAX_BACKENDS);
	w->heaviest = heaviest_create(0, w->now, SOCKET_ID_ANY);
	need(w->heaviest != NULL, "no memory");
	return w;
}

static void
one_port(struct fixture *f)
{
	struct snapshot_port *port = &f->snapshot.ports[0];
	struct mac mac;

	need(mac_parse(FIXTURE_MAC, &mac) == 0, "FIXTURE_MAC");
	memcpy(port->mac, mac.b, 6);
	memcpy(f->dataplane.ports[0].mac, mac.b, 6);
	f->dataplane.ports[0].rx_queues = f->dataplane.ports[0].tx_queues = 1;
	f->dataplane.n_ports = 1;
	f->snapshot.n_ports = 1;
	port->mtu = 1500;
	port->side = PORT_SIDE_BOTH;
	port->twin = 1;
	port->vlans[0] |= 1;
	port->vlans[FIXTURE_VLAN >> 6] |= 1ull << (FIXTURE_VLAN & 63);
}

struct fixture *
fixture_create(void)
{
	struct rte_mempool *pool = mbuf_pool();
	struct fixture *f = map(sizeof(*f));
	struct snapshot *s = &f->snapshot;

	f->dataplane.mbufs = pool;
	need(dataplane_create(&f->dataplane) == 0, "no memory");
	f->worker = worker_by_hand(f);
	f->dataplane.workers[0] = f->worker;
	atomic_store(&f->dataplane.published, s);
	toeplitz_init(&f->toeplitz, toeplitz_key_microsoft);
	s->generation = s->version = 1;
	s->owner_prefix4 = 128;
	s->owner_prefix6 = 64;
	s->toeplitz = &f->toeplitz;
	s->services = f->services;
	s->limits = f->limits;
	s->backends = f->backends;
	s->pools = f->pools;
	s->destinations = f->destinations;
	s->destination_ports = &f->ports[0][0];
	s->nexthops = f->nexthops;
	s->sources = f->sources;
	s->source_port_low = 1024;
	s->source_port_high = 65535;
	s->kernel_port_low = 32768;
	s->kernel_port_high = 60999;
	one_port(f);
	fixture_workers(f, 1);
	fixture_publish(f);
	return f;
}

void
fixture_destroy(struct fixture *f)
{
	struct worker *w = f->worker;

	lpm_free(f->destination_lpm);
	lpm_free(f->nat_backends);
	lpm_free(f->routes);
	heaviest_destroy(w->heaviest);
	dataplane_destroy(&f->dataplane);
	client_table_destroy(w->clients);
	munmap(w->leases, sizeof(*w->leases) * SNAPSHOT_MAX_SERVICES);
	munmap(w->tunnels, sizeof(*w->tunnels) * SNAPSHOT_MAX_BACKENDS);
	munmap(w->service_stats, sizeof(*w->service_stats) * SNAPSHOT_MAX_SERVICES);
	munmap(w->service_drops, sizeof(*w->service_drops) * SNAPSHOT_MAX_SERVICES);
	munmap(w->backend_stats, sizeof(*w->backend_stats) * SNAPSHOT_MAX_BACKENDS);
	munmap(w, sizeof(*w));
	munmap(f, sizeof(*f));
}

struct addr
fixture_addr(const char *text)
{
	struct addr a;

	need(addr_parse(text, &a) == 0, text);
	return a;
}

uint32_t
fixture_service(struct fixture *f, const char *prefix, uint8_t protocol, uint16_t port,
		enum forward mode)
{
	uint32_t i = f->snapshot.n_services++;
	struct service *service = &f->services[i];

	need(i < FIXTURE_MAX, "too many services");
	need(prefix_parse(prefix, &service->address) == 0, prefix);
	service->epoch = 1;
	service->pool = i;
	service->port = htons(port);
	service->protocol = protocol;
	service->mode = (uint8_t)mode;
	service->timeout_established = 900000000000u;
	service->timeout_closing = 30000000000u;
	service->timeout_udp = 60000000000u;
	f->pools[i].members = f->members[i];
	f->snapshot.n_pools = i + 1;
	return i;
}

uint32_t
fixture_backend(struct fixture *f, uint32_t service, const char *addr, uint16_t port)
{
	struct pool *pool = &f->pools[f->services[service].pool];
	uint32_t i = f->snapshot.n_backends++;
	struct backend *backend = &f->backends[i];

	need(i < FIXTURE_MAX, "too many backends");
	backend->epoch = 1;
	backend->flags = BACKEND_UP;
	backend->nexthop = INDEX_NONE;
	backend->pool = f->services[service].pool;
	backend->port = htons(port);
	backend->addr = fixture_addr(addr);
	f->members[backend->pool][pool->n_members++] = i;
	return i;
}

uint32_t
fixture_source(struct fixture *f, const char *addr, uint16_t worker)
{
	uint32_t i = f->snapshot.n_sources++;

	need(i < FIXTURE_MAX, "too many sources");
	f->sources[i].addr = fixture_addr(addr);
	f->sources[i].worker = worker;
	return i;
}

uint32_t
fixture_nexthop(struct fixture *f, const char *text, uint16_t vlan)
{
	uint32_t i = f->snapshot.n_nexthops++;
	struct nexthop *n = &f->nexthops[i];
	struct mac mac;

	need(i < FIXTURE_MAX, "too many next hops");
	need(mac_parse(text, &mac) == 0, text);
	memcpy(n->header, mac.b, 6);
	memcpy(n->header + 6, f->snapshot.ports[0].mac, 6);
	n->header_len = 12;
	if (vlan) {
		n->header[12] = 0x81;
		n->header[14] = (uint8_t)(vlan >> 8);
		n->header[15] = (uint8_t)vlan;
		n->header_len = 16;
	}
	n->state = NEXTHOP_READY;
	n->mtu = 1500;
	n->vlan = vlan;
	return i;
}

void
fixture_route(struct fixture *f, const char *prefix, uint32_t nexthop)
{
	struct lpm_entry *e = &f->route_entries[f->n_routes++];

	need(f->n_routes <= FIXTURE_MAX, "too many routes");
	need(prefix_parse(prefix, &e->prefix) == 0, prefix);
	e->value = nexthop;
}

void
fixture_own(struct fixture *f, const char *addr)
{
	need(f->n_own < FIXTURE_MAX, "too many addresses");
	f->own[f->n_own++] = fixture_addr(addr);
}

void
fixture_workers(struct fixture *f, uint16_t n)
{
	unsigned int i;

	f->snapshot.n_workers = n;
	f->dataplane.n_workers = n;
	for (i = 0; i < OWNER_TABLE_SIZE; i++)
		f->snapshot.owners[i] = (uint16_t)(i % n);
}

/* ---- tables ---- */

static struct destination *
destination_of(struct fixture *f, const struct addr *addr, uint8_t len)
{
	struct snapshot *s = &f->snapshot;
	struct destination *d;
	uint32_t i;

	for (i = 0; i < s->n_destinations; i++) {
		if (f->destination_prefixes[i].len == len &&
		    addr_equal(&f->destination_prefixes[i].addr, addr))
			return &f->destinations[i];
	}
	need(i < 4 * FIXTURE_MAX, "too many destinations");
	s->n_destinations++;
	f->destination_prefixes[i] = (struct prefix){ .addr = *addr, .len = len };
	d = &f->destinations[i];
	*d = (struct destination){
		.parent = UINT32_MAX,
		.ports_first = i * 64,
		.ports_mask = 63,
		.all_tcp = UINT32_MAX,
		.all_udp = UINT32_MAX,
		.source = UINT32_MAX,
		.prefix_len = len,
	};
	memset(f->ports[i], 0, sizeof(f->ports[i]));
	return d;
}

static void
add_service(struct fixture *f, uint32_t i)
{
	const struct service *service = &f->services[i];
	struct destination *d = destination_of(f, &service->address.addr, service->address.len);
	struct destination_port *ports = f->ports[d->ports_first / 64];
	uint32_t at = destination_port_hash(service->protocol, service->port) & 63;

	d->flags |= DESTINATION_SERVICE;
	if (!service->port) {
		*(service->protocol == IPPROTO_TCP ? &d->all_tcp : &d->all_udp) = i;
		return;
	}
	while (ports[at].protocol)
		at = (at + 1) & 63;
	ports[at] = (struct destination_port){ service->port, service->protocol, 0, i };
}

/* The longest other prefix around each one. */
static void
find_parents(struct fixture *f)
{
	const struct prefix *p = f->destination_prefixes;
	uint32_t i, k, n = f->snapshot.n_destinations;

	for (i = 0; i < n; i++) {
		for (k = 0; k < n; k++) {
			uint32_t *parent = &f->destinations[i].parent;

			if (p[k].len < p[i].len && prefix_contains(&p[k], &p[i].addr) &&
			    (*parent == UINT32_MAX || p[*parent].len < p[k].len))
				*parent = k;
		}
	}
}

static void
build_destinations(struct fixture *f)
{
	struct snapshot *s = &f->snapshot;
	struct lpm_entry entries[4 * FIXTURE_MAX];
	uint32_t i;

	s->n_destinations = 0;
	for (i = 0; i < s->n_services; i++)
		add_service(f, i);
	for (i = 0; i < s->n_sources; i++) {
		struct destination *d = destination_of(f, &f->sources[i].addr, 128);

		d->flags |= DESTINATION_LOCAL;
		d->source = i;
	}
	for (i = 0; i < f->n_own; i++)
		destination_of(f, &f->own[i], 128)->flags |= DESTINATION_OWN;
	find_parents(f);
	for (i = 0; i < s->n_destinations; i++)
		entries[i] = (struct lpm_entry){ f->destination_prefixes[i], i };
	lpm_free(f->destination_lpm);
	need(lpm_build(&f->destination_lpm, entries, s->n_destinations) == 0, "destinations");
	s->destination_lpm = f->destination_lpm;
}

static void
build_nat_backends(struct fixture *f)
{
	struct lpm_entry entries[FIXTURE_MAX];
	uint32_t i, n = 0;

	for (i = 0; i < f->snapshot.n_backends; i++) {
		uint8_t mode = f->services[f->backends[i].pool].mode;

		if (forward_returns((uint8_t)mode))
			entries[n++] =
			    (struct lpm_entry){ { .addr = f->backends[i].addr, .len = 128 }, i };
	}
	lpm_free(f->nat_backends);
	need(lpm_build(&f->nat_backends, entries, n) == 0, "backends");
	f->snapshot.nat_backends = f->nat_backends;
}

static void
build_pool(struct fixture *f, uint32_t i)
{
	struct maglev_member members[FIXTURE_MAX];
	struct pool *pool = &f->pools[i];
	uint16_t k;

	for (k = 0; k < pool->n_members; k++) {
		const struct backend *backend = &f->backends[f->members[i][k]];

		members[k] = (struct maglev_member){
			.key = &backend->addr,
			.key_len = sizeof(backend->addr),
			.weight = backend->flags & BACKEND_UP ? 1 : 0,
			.slot = k,
		};
	}
	need(maglev_build(f->rows[i], FIXTURE_ROWS, members, pool->n_members) == 0, "rows");
	pool->rows = pool->settled_rows = FIXTURE_ROWS;
	pool->candidate = pool->settled = f->rows[i];
}

void
fixture_publish(struct fixture *f)
{
	uint32_t i;

	build_destinations(f);
	build_nat_backends(f);
	for (i = 0; i < f->snapshot.n_pools; i++)
		build_pool(f, i);
	lpm_free(f->routes);
	need(lpm_build(&f->routes, f->route_entries, f->n_routes) == 0, "routes");
	f->snapshot.routes = f->routes;
}

/* ---- mbufs ---- */

struct rte_mbuf *
fixture_mbuf(const void *bytes, size_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(mbuf_pool());
	void *data;

	need(m != NULL, "no mbuf left");
	data = rte_pktmbuf_append(m, (uint16_t)len);
	need(data != NULL, "frame too long");
	memcpy(data, bytes, len);
	return m;
}

struct packet *
fixture_receive(struct burst *b, const void *bytes, size_t len)
{
	struct packet *p = &b->packets[b->count++];

	need(b->count <= BURST_MAX, "burst is full");
	/* Nothing may depend on what an earlier packet left here. */
	memset(p, 0xa5, sizeof(*p));
	p->mbuf = fixture_mbuf(bytes, len);
	p->in_port = 0;
	return p;
}

void
fixture_free(struct burst *b)
{
	uint16_t i;

	for (i = 0; i < b->count; i++) {
		if (b->packets[i].verdict != VERDICT_TAKEN)
			rte_pktmbuf_free(b->packets[i].mbuf);
	}
	b->count = 0;
}

unsigned int
fixture_mbufs_in_use(void)
{
	return rte_mempool_in_use_count(mbuf_pool());
}

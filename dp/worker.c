/* SPDX-License-Identifier: Apache-2.0 */
#include "dp/worker.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>

#include <rte_lcore.h>
#include <rte_malloc.h>

#include "dp/l4/client_table.h"
#include "dp/l4/connection.h"
#include "dp/l4/fragment.h"
#include "dp/l4/heaviest.h"
#include "dp/l4/quick_dsr.h"
#include "dp/l4/waiting.h"
#include "dp/l7/circuit.h"
#include "dp/l7/limit.h"
#include "dp/pipeline.h"
#include "dp/proxy/proxy.h"

#define INBOX_SIZE       4096
#define FROM_HOST_SIZE   1024
#define FRAGMENT_ENTRIES 4096

/* Sleeping workers: after this many empty iterations in a row, for this long, doubled up to the
 * last. */
#define IDLE_ITERATIONS 200
#define IDLE_SLEEP_MIN  20000
#define IDLE_SLEEP_MAX  1000000

/* Memory that the kernel provides page by page as slots come into use. */
static void *
map_lazily(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void
unmap(void *p, size_t size)
{
	if (p)
		munmap(p, size);
}

static struct rte_ring *
ring_create(const char *kind, uint16_t index, unsigned int size, int socket, unsigned int flags)
{
	char name[RTE_RING_NAMESIZE];

	snprintf(name, sizeof(name), "%s-%u", kind, index);
	return rte_ring_create(name, size, socket, flags);
}

static bool
allocate(struct worker *w, int socket)
{
	w->inbox = ring_create("inbox", w->index, INBOX_SIZE, socket, RING_MANY_TO_ONE);
	w->from_host = ring_create("from-host", w->index, FROM_HOST_SIZE, socket,
				   RING_F_SP_ENQ | RING_F_SC_DEQ);
	w->service_stats = map_lazily(sizeof(*w->service_stats) * SNAPSHOT_MAX_SERVICES);
	w->service_drops = map_lazily(sizeof(*w->service_drops) * SNAPSHOT_MAX_SERVICES);
	w->backend_stats = map_lazily(sizeof(*w->backend_stats) * SNAPSHOT_MAX_BACKENDS);
	w->leases = map_lazily(sizeof(*w->leases) * SNAPSHOT_MAX_SERVICES);
	w->tunnels = map_lazily(sizeof(*w->tunnels) * SNAPSHOT_MAX_BACKENDS);
	w->clients = client_table_create(w->dataplane->clients, socket);
	w->connections = connections_create(w->dataplane->connections, socket,
					    w->dataplane->connection_memory[w->index]);
	w->fragments = fragment_table_create(FRAGMENT_ENTRIES, socket);
	w->waiting = waiting_create(socket);
	w->heaviest = heaviest_create(w->dataplane->connections, w->now, socket);
	return w->heaviest && w->waiting && w->inbox && w->from_host && w->service_stats &&
	       w->service_drops && w->backend_stats && w->leases && w->tunnels && w->clients &&
	       w->connections && w->fragments;
}

int
dataplane_create(struct dataplane *dp)
{
	dp->service_buckets = map_lazily(sizeof(*dp->service_buckets) * SNAPSHOT_MAX_SERVICES);
	dp->http_pools = map_lazily(sizeof(*dp->http_pools) * SNAPSHOT_MAX_POOLS);
	return dp->service_buckets && dp->http_pools ? 0 : -ENOMEM;
}

void
dataplane_destroy(struct dataplane *dp)
{
	http_limit_table_destroy(dp->http_keys);
	unmap(dp->http_pools, sizeof(*dp->http_pools) * SNAPSHOT_MAX_POOLS);
	unmap(dp->service_buckets, sizeof(*dp->service_buckets) * SNAPSHOT_MAX_SERVICES);
}

int
dataplane_prepare_clients(struct dataplane *dp)
{
	uint32_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < dp->n_workers; i++)
		rc = client_table_populate(dp->workers[i]->clients);
	return rc;
}

/* Where all workers count what is no client of one. */
static int
prepare_http_keys(struct dataplane *dp)
{
	struct siphash_key key;

	if (dp->http_keys)
		return 0;
	if (getrandom(&key, sizeof(key), 0) != sizeof(key))
		return -EIO;
	dp->http_keys = http_limit_table_create(dp->clients, true, &key);
	return dp->http_keys ? 0 : -ENOMEM;
}

int
dataplane_prepare_proxies(struct dataplane *dp, bool http)
{
	const struct proxy_bounds bounds = { dp->sessions, dp->backend_connections };
	uint8_t secret[48];
	uint32_t i;
	int rc = http ? prepare_http_keys(dp) : 0;

	for (i = 0; i < dp->n_workers; i++) {
		struct worker *w = dp->workers[i];
		struct proxy *proxy;

		if (!worker_proxy(w)) {
			if (getrandom(secret, sizeof(secret), 0) != sizeof(secret))
				return -EIO;
			proxy = proxy_create(w, &bounds, secret);
			if (!proxy)
				return -ENOMEM;
			atomic_store_explicit(&w->proxy, proxy, memory_order_release);
		}
		if (http && rc == 0)
			rc = proxy_prepare_http(worker_proxy(w));
	}
	return rc;
}

int
dataplane_prepare_records(struct dataplane *dp)
{
	uint8_t secret[16];
	uint32_t i;
	int rc = 0;

	for (i = 0; i < dp->n_workers && rc == 0; i++) {
		if (getrandom(secret, sizeof(secret), 0) != sizeof(secret))
			return -EIO;
		rc = proxy_prepare_records(worker_proxy(dp->workers[i]), secret);
	}
	return rc;
}

int
worker_create(struct dataplane *dp, uint16_t index, unsigned int lcore, unsigned int core)
{
	int socket = (int)rte_lcore_to_socket_id(lcore);
	struct worker *w = rte_zmalloc_socket("worker", sizeof(*w), RTE_CACHE_LINE_SIZE, socket);

	if (!w)
		return -ENOMEM;
	w->index = index;
	w->lcore = lcore;
	w->core = core;
	w->dataplane = dp;
	w->now = dp_clock_now(&dp->clock);
	w->random = (uint32_t)rte_rdtsc() | 1;
	if (!allocate(w, socket)) {
		worker_destroy(w);
		return -ENOMEM;
	}
	dp->workers[index] = w;
	return 0;
}

static void
ring_destroy(struct rte_ring *ring)
{
	void *mbuf;

	while (ring && rte_ring_dequeue(ring, &mbuf) == 0)
		rte_pktmbuf_free(mbuf);
	rte_ring_free(ring);
}

void
worker_destroy(struct worker *w)
{
	struct rte_mbuf *m;
	uint8_t port;
	uint32_t i;

	if (!w)
		return;
	while ((m = syn_queue_take(&w->syns, &port)))
		rte_pktmbuf_free(m);
	for (i = 0; i < w->dataplane->n_ports; i++)
		rte_pktmbuf_free_bulk(w->tx[i].mbufs, w->tx[i].count);
	proxy_destroy(worker_proxy(w));
	ring_destroy(w->inbox);
	ring_destroy(w->from_host);
	heaviest_destroy(w->heaviest);
	waiting_destroy(w->waiting);
	fragment_table_destroy(w->fragments);
	connections_destroy(w->connections);
	client_table_destroy(w->clients);
	unmap(w->leases, sizeof(*w->leases) * SNAPSHOT_MAX_SERVICES);
	unmap(w->tunnels, sizeof(*w->tunnels) * SNAPSHOT_MAX_BACKENDS);
	unmap(w->service_stats, sizeof(*w->service_stats) * SNAPSHOT_MAX_SERVICES);
	unmap(w->service_drops, sizeof(*w->service_drops) * SNAPSHOT_MAX_SERVICES);
	unmap(w->backend_stats, sizeof(*w->backend_stats) * SNAPSHOT_MAX_BACKENDS);
	if (w->dataplane->workers[w->index] == w)
		w->dataplane->workers[w->index] = NULL;
	rte_free(w);
}

/* Nothing to do for a while: give the CPU away, longer each time, as configured by idle = "sleep".
 * A worker that has nothing to do at all takes 2 % of a core so, and one that wakes five times as
 * often 7 %. */
static void
rest(const struct worker *w, unsigned int idle)
{
	unsigned int doublings = (idle - IDLE_ITERATIONS) / 4;
	long ns = doublings > 6 ? IDLE_SLEEP_MAX : (long)IDLE_SLEEP_MIN << doublings;
	struct timespec ts = { .tv_nsec = ns < IDLE_SLEEP_MAX ? ns : IDLE_SLEEP_MAX };

	rte_rcu_qsbr_thread_offline(w->dataplane->rcu, w->index);
	nanosleep(&ts, NULL);
	rte_rcu_qsbr_thread_online(w->dataplane->rcu, w->index);
}

int
worker_run(void *arg)
{
	struct worker *w = arg;
	struct dataplane *dp = w->dataplane;
	uint64_t before = rte_rdtsc();
	unsigned int idle = 0;

	rte_rcu_qsbr_thread_register(dp->rcu, w->index);
	rte_rcu_qsbr_thread_online(dp->rcu, w->index);
	while (!atomic_load_explicit(&dp->stop, memory_order_relaxed)) {
		uint64_t after;
		bool busy;

		w->snapshot = atomic_load_explicit(&dp->published, memory_order_acquire);
		w->capture = atomic_load_explicit(&dp->capture, memory_order_acquire);
		w->began = before;
		w->now = dp_clock_ns(&dp->clock, before);
		busy = pipeline_iterate(w);
		rte_rcu_qsbr_quiescent(dp->rcu, w->index);

		idle = busy ? 0 : idle + 1;
		if (dp->idle_sleep && idle > IDLE_ITERATIONS)
			rest(w, idle);
		after = rte_rdtsc();
		w->stats.iterations++;
		w->stats.total_cycles += after - before;
		w->stats.busy_cycles += busy ? after - before : 0;
		before = after;
	}
	rte_rcu_qsbr_thread_offline(dp->rcu, w->index);
	rte_rcu_qsbr_thread_unregister(dp->rcu, w->index);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker: one polling core and everything that belongs to it alone.
 *
 * Writers are named per group. Other threads reach a worker only through its rings, through
 * `published`, and by reading `stats`.
 */
#ifndef DP_WORKER_H
#define DP_WORKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_mempool.h>
#include <rte_rcu_qsbr.h>
#include <rte_ring.h>

#include "dp/clock.h"
#include "dp/handoff.h"
#include "dp/l4/lease.h"
#include "dp/l4/syn_queue.h"
#include "dp/packet.h"
#include "dp/port.h"
#include "dp/snapshot.h"
#include "dp/stats.h"

struct capture;          /* dp/capture.h */
struct client_table;     /* dp/l4/client_table.c */
struct connections;      /* dp/l4/connection.c */
struct fragment_table;   /* dp/l4/fragment.c */
struct http_limit_table; /* dp/l7/limit.h */
struct http_pool_use;    /* dp/l7/circuit.h */
struct heaviest;         /* dp/l4/heaviest.c */
struct proxy;            /* dp/proxy/ */
struct tunnel;           /* dp/l4/quick_dsr.h */
struct waiting;          /* dp/l4/waiting.c */

/* What all workers share; fixed when they start. */
struct dataplane {
	uint32_t n_ports, n_workers;
	struct port ports[SNAPSHOT_MAX_PORTS];
	struct worker *workers[SNAPSHOT_MAX_WORKERS];
	struct rte_mempool *mbufs;
	struct rte_rcu_qsbr *rcu; /* thread id = worker index */
	struct rte_ring *resolve; /* workers -> control: elements are struct resolve_request */
	struct dp_clock clock;    /* the time that snapshots and workers speak of */
	bool idle_sleep;
	uint32_t connections;         /* per worker */
	uint32_t clients;             /* per worker */
	uint32_t sessions;            /* clients' connections through listeners, per worker */
	uint32_t backend_connections; /* of listeners, per worker */
	/* by worker: where its connections lie, NULL: in memory of its own */
	void *connection_memory[SNAPSHOT_MAX_WORKERS];
	/* made before the first HTTP listener; workers write */
	struct http_limit_table *http_keys;
	struct http_pool_use *http_pools;       /* [SNAPSHOT_MAX_POOLS] */
	struct service_bucket *service_buckets; /* [SNAPSHOT_MAX_SERVICES]; workers write */
	/* workers write: a pool may have unused connections too many (dp/l7/circuit.h) */
	_Alignas(64) _Atomic uint32_t http_crowded;
	_Alignas(64) atomic_bool stop; /* control writes, workers read */
	/* control writes, workers load once per iteration */
	_Atomic(const struct snapshot *) published;
	_Atomic(struct capture *) capture; /* NULL: none runs */
};

#define HASH_WRONG  UINT16_MAX
#define HASH_PROVEN 256 /* so many in a row and the port's hash is taken for ours */

#define TX_QUEUE_MAX 512

/* Frames that wait to leave by one port: of this iteration, and what the port has not taken yet. */
struct tx_queue {
	uint16_t count;
	uint64_t since; /* ns: when the port took one last, if it is full */
	uint64_t tried; /* ns: when it was offered some last */
	struct rte_mbuf *mbufs[TX_QUEUE_MAX];
};

/* What answers of our own we send; each kind has its own rate. */
enum icmp_kind {
	ICMP_KIND_ECHO,
	ICMP_KIND_TIME_EXCEEDED,
	ICMP_KIND_TOO_BIG,
	ICMP_KIND_UNREACHABLE,
	ICMP_KIND_RESET, /* TCP RST */
	ICMP_KINDS,
};

struct worker {
	/* fixed at start */
	uint16_t index;
	unsigned int lcore, core;
	struct dataplane *dataplane;
	struct rte_ring *inbox; /* packets that other workers received for us; their struct packet
				   is in the mbuf */
	struct rte_ring
	    *from_host; /* frames from twins, to be sent as they are; the port is in mbuf->port */

	/* this worker only */
	const struct snapshot *snapshot; /* loaded once per iteration */
	struct capture *capture;         /* loaded once per iteration; NULL: none runs */
	bool long_way;                   /* every packet goes the long way; for tests */
	uint64_t now;                    /* ns, read once per iteration; monotonic */
	uint64_t began;                  /* the same in cycles */
	struct syn_queue syns;
	struct connections *connections;
	struct client_table *clients;
	struct lease *leases; /* [SNAPSHOT_MAX_SERVICES], mapped lazily */
	struct fragment_table *fragments;
	struct waiting *waiting;
	struct heaviest *heaviest;
	struct tunnel *tunnels; /* [SNAPSHOT_MAX_BACKENDS], mapped lazily; dp/l4/quick_dsr.h */
	/* control sets it once, before the first snapshot with a listener; worker reads. NULL:
	 * there has been none */
	_Atomic(struct proxy *) proxy;
	uint64_t icmp_next[ICMP_KINDS];          /* lib/gcra.h: tat of ICMP answers */
	uint64_t resolve_next;                   /* the same of requests for neighbours */
	uint16_t hash_proof[SNAPSHOT_MAX_PORTS]; /* RSS hashes that agreed with ours in a row;
						    HASH_WRONG: never trusted again */
	uint8_t stayed[SNAPSHOT_MAX_PORTS]; /* bursts in a row in which nothing went the short way;
					       dp/pipeline.c */
	uint32_t random;                    /* xorshift state, never 0 */
	uint32_t tx_full;                   /* bit i: port i has not taken all of tx[i] */
	uint32_t tx_dead; /* bit i: it has taken nothing for long, and nothing waits for it */
	struct tx_queue tx[SNAPSHOT_MAX_PORTS];

	/* this worker writes, control reads; arrays by slot, each of the size of the slot space,
	 * mapped lazily */
	struct service_stats *service_stats;          /* [SNAPSHOT_MAX_SERVICES] */
	uint64_t (*service_drops)[DROP_REASON_COUNT]; /* [SNAPSHOT_MAX_SERVICES] */
	struct backend_stats *backend_stats;          /* [SNAPSHOT_MAX_BACKENDS] */
	struct worker_stats stats;

	/* whoever's turn it is, see handoff.h */
	struct worker_query query;
	struct client_query client_query; /* the same */
	struct explain_query explain;

	struct burst burst, released;
};

/* The mbuf's private area carries the packet across rings. */
static inline struct packet *
packet_of_mbuf(struct rte_mbuf *m)
{
	return (struct packet *)rte_mbuf_to_priv(m);
}

/* Count drops of n packets that belong to `service` (or INDEX_NONE). */
static inline void
worker_count_drops(struct worker *w, uint32_t service, enum drop_reason reason, uint32_t n)
{
	w->stats.drops[reason] += n;
	if (service != INDEX_NONE) {
		w->service_drops[service][reason] += n;
		w->service_stats[service].drops[0] += n;
	}
}

static inline void
worker_count_drop(struct worker *w, uint32_t service, enum drop_reason reason)
{
	worker_count_drops(w, service, reason, 1);
}

/* What workers share of limits. 0 or -ENOMEM. Control thread, before the first worker. */
int dataplane_create(struct dataplane *dp);
void dataplane_destroy(struct dataplane *dp);
/* Have the memory of all client tables, before there is a limit on clients. 0 or -errno. Control
 * thread, while workers run. */
int dataplane_prepare_clients(struct dataplane *dp);
/* Have what all workers need for listeners, before there is one; http: for one of HTTP. The same.
 */
int dataplane_prepare_proxies(struct dataplane *dp, bool http);
/* ... and for records of requests, after that for HTTP. The same. */
int dataplane_prepare_records(struct dataplane *dp);
/* Create worker `index` for the data plane: tables on the NUMA node of its core. 0 or -ENOMEM.
 * Control thread. */
int worker_create(struct dataplane *dp, uint16_t index, unsigned int lcore, unsigned int core);
void worker_destroy(struct worker *w);
/* The polling loop; returns when dataplane.stop is set, with everything flushed. arg is a struct
 * worker. Runs on its lcore. */
int worker_run(void *arg);

#endif

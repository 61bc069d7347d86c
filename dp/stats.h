/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker's counters. The worker writes (plain stores to its own memory), the control thread reads
 * and sums; a reader may see a counter a moment old, never torn (aligned 64-bit words).
 */
#ifndef DP_STATS_H
#define DP_STATS_H

#include <assert.h>
#include <stdint.h>

#include "dp/drops.h"
#include "dp/snapshot.h"

/* By service slot. in = from the client, out = towards the client (nat modes only). */
struct service_stats {
	uint64_t packets_in, bytes_in, packets_out, bytes_out;
	/* Untracked TCP connections (DSR modes) count by their SYNs, as begun and ended at once. */
	uint64_t connections_total;
	uint64_t connections_ended; /* active = total - ended */
	uint64_t drops[2];          /* [0] all drops after classify; [1] spare */
};
static_assert(sizeof(struct service_stats) == 64, "one cache line a service");

/* By backend slot. */
struct backend_stats {
	uint64_t packets, bytes; /* towards the backend */
	uint64_t connections_total, connections_ended;
};
static_assert(sizeof(struct backend_stats) == 32, "half a cache line a backend");

/* By port, per worker. Bytes are of frames. */
struct port_stats {
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
	uint64_t to_host, from_host;
	uint64_t hash_checked, hash_wrong; /* the start-up proof: RSS hashes compared with ours, and
					      how many differed */
};

struct worker_stats {
	uint64_t packets_in, packets_out;
	uint64_t steered_in, steered_out;
	uint64_t iterations, busy_cycles, total_cycles; /* busy: iterations that had work */
	uint64_t connections, connections_v6;           /* entries now */
	uint64_t fragments_held;                        /* now */
	uint64_t clients; /* entries of the client table in use within the last half minute */
	uint64_t drops[DROP_REASON_COUNT];
	struct port_stats ports[SNAPSHOT_MAX_PORTS];
};

/* Drops of a service by reason are counted in a table [service slot][reason], see struct worker. */

#endif

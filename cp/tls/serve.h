/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a handshake thread does with one question of a worker (dp/tls/jobs.h): all but how it comes
 * and how the answer goes. One for each thread, which alone uses it; others only read the counters,
 * which may be a moment old.
 *
 * Invariant: live = jobs whose handshake is not NULL. A handshake ends with the answer DONE or
 * FAILED, to TLS_ASK_END, or with tls_serving_end.
 */
#ifndef CP_TLS_SERVE_H
#define CP_TLS_SERVE_H

#include <stdint.h>

#include <rte_mempool.h>

#include "cp/tls/store.h"
#include "dp/tls/jobs.h"
#include "lib/tls/engine.h"

/* By cause of failure, version and so on. */
struct tls_thread_counters {
	uint64_t full[2], resumed[2];     /* TLS 1.2, 1.3: done */
	uint64_t by_cipher[TLS_CIPHERS];  /* done */
	uint64_t failed[TLS_CAUSE_COUNT]; /* by cause */
	uint64_t busy_ns;                 /* time spent in steps */
};

struct tls_live;

struct tls_serving {
	/* set before the first question, by the caller; all of them outlive it */
	struct rte_mempool *mbufs; /* for `out` */
	struct tls_store *store;
	const struct tls_engine *engine;

	struct tls_live *live; /* handshakes that go on */
	uint32_t n_live;
	struct tls_thread_counters counters;
};

/* Do what the job asks, and write the answer into it. */
void tls_serve(struct tls_serving *serving, struct tls_job *job);
/* Free what is left of handshakes, whoever's they are. */
void tls_serving_end(struct tls_serving *serving);

#endif

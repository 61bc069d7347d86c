/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a handshake thread does with one question of a worker (dp/tls/jobs.h): all but how it comes
 * and how the answer goes. One for each thread, which alone uses it. Workers count what comes of it
 * (TLS_COUNTERS).
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

struct tls_live;

struct tls_serving {
	/* set before the first question, by the caller; all of them outlive it */
	struct rte_mempool *mbufs; /* for `out` */
	struct tls_store *store;
	const struct tls_engine *engine;

	struct tls_live *live; /* handshakes that go on */
	uint32_t n_live;
};

/* Do what the job asks, and write the answer into it. */
void tls_serve(struct tls_serving *serving, struct tls_job *job);
/* Free what is left of handshakes, whoever's they are. */
void tls_serving_end(struct tls_serving *serving);

#endif

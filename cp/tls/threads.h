/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handshake threads: they take what workers ask (dp/tls/jobs.h), let mbedTLS do a step of the
 * handshake, and answer. They sleep when there is nothing to do. A thread serves its jobs in the
 * order in which they were asked, but those that go before the others (struct tls_port).
 */
#ifndef CP_TLS_THREADS_H
#define CP_TLS_THREADS_H

#include <stdint.h>

#include <rte_mempool.h>

#include "cp/tls/serve.h"
#include "cp/tls/store.h"
#include "dp/tls/jobs.h"
#include "lib/tls/engine.h"

struct tls_threads_settings {
	uint32_t n;         /* threads, at most TLS_THREADS_MAX */
	uint32_t questions; /* at a time at most: the jobs of all workers together */
	/* For `out`. Of its own, best: who allocates from a pool waits for another thread that was
	 * stopped while it did, and a worker should not. No thread frees any. */
	struct rte_mempool *mbufs;
	struct tls_store *store;
	const struct tls_engine *engine;
};

struct tls_threads;

/* They run where the control thread may run. NULL: no memory, or no thread can be started; errno
 * says why. Control thread, as all of it. */
struct tls_threads *tls_threads_start(const struct tls_threads_settings *settings);
/* Asks them to end, and waits for so long; questions that are left are not answered, and handshakes
 * that are left are freed. Workers do not run any more. False: one is stuck, and nothing has
 * been freed; ask again, if ever. NULL is allowed. */
#define TLS_THREADS_STOP_MS 3000
bool tls_threads_stop(struct tls_threads *threads);

/* Where workers meet them: settings.n ports. */
struct tls_port *tls_threads_ports(struct tls_threads *threads);
/* Give a worker's ring of answers to the threads; before it asks anything. */
void tls_threads_answer_to(struct tls_threads *threads, uint16_t worker, struct rte_ring *answers);

#endif

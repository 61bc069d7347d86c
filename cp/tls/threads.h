/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handshake threads: they take what workers ask (dp/tls/jobs.h), let mbedTLS do a step of the
 * handshake, and answer. They sleep when there is nothing to do. A thread serves its jobs in the
 * order in which they were asked.
 */
#ifndef CP_TLS_THREADS_H
#define CP_TLS_THREADS_H

#include <stdint.h>

#include <rte_mempool.h>

#include "cp/tls/store.h"
#include "dp/tls/jobs.h"
#include "lib/tls/engine.h"

/* What all threads together count, by cause of failure, version and so on. */
struct tls_thread_counters {
	uint64_t full[2], resumed[2];     /* TLS 1.2, 1.3: done */
	uint64_t by_cipher[TLS_CIPHERS];  /* done */
	uint64_t failed[TLS_CAUSE_COUNT]; /* by cause */
	uint64_t busy_ns;                 /* time spent in steps */
};

struct tls_threads_settings {
	uint32_t n;         /* threads, at most TLS_THREADS_MAX */
	uint32_t questions; /* of all workers together at most, a power of 2: the rings' size */
	struct rte_mempool *mbufs; /* for `out` */
	struct tls_store *store;
	const struct tls_engine *engine;
};

struct tls_threads;

/* NULL: no memory, or no thread can be started; errno says why. Control thread, as all but the
 * counters. */
struct tls_threads *tls_threads_start(const struct tls_threads_settings *settings);
/* Asks them to end, and waits. Workers do not run any more. NULL is allowed. */
void tls_threads_stop(struct tls_threads *threads);

/* Where workers meet them: settings.n ports. */
struct tls_port *tls_threads_ports(struct tls_threads *threads);
/* Give a worker's ring of answers to the threads; before it asks anything. */
void tls_threads_answer_to(struct tls_threads *threads, uint16_t worker, struct rte_ring *answers);
void tls_threads_counters(const struct tls_threads *threads, struct tls_thread_counters *sum);
/* Questions that nobody has taken up yet. */
uint32_t tls_threads_waiting(const struct tls_threads *threads);

#endif

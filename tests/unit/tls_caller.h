/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients of mbedTLS's, and backends, whose handshakes go through jobs (dp/tls/jobs.h), as a worker
 * would do it: their bytes in mbufs, cut as one likes. What cannot be made ends the program. One
 * thread.
 *
 *     ask ─> answer ─┬─ MORE ─> ask ...
 *                    ├─ DONE ─> talks?
 *                    └─ FAILED
 */
#ifndef TESTS_UNIT_TLS_CALLER_H
#define TESTS_UNIT_TLS_CALLER_H

#include <rte_mempool.h>

#include "dp/tls/jobs.h"
#include "tests/unit/tls_mbed.h"

struct tls_caller {
	struct tls_mbed *peer;
	bool is_backend;      /* a server, of whom we are a client */
	uint32_t slot, epoch; /* of the server it wants, or of our client */
	size_t cut, segment;  /* so many bytes a question, and of these a buffer; 0: all */

	struct tls_job *job; /* NULL: none */
	bool early;          /* it said something behind its Finished */
	enum tls_answer answer;
	enum tls_cause cause;
	struct tls_handover handover; /* DONE */
	uint8_t stream[TLS_MBED_ROOM];
	size_t n_stream; /* DONE: bytes of `in` that are left */
};

/* Of so many mbufs; starts DPDK at the first call, without hugepages, and leaves the thread where
 * it was allowed to run. */
struct rte_mempool *tls_caller_pool(const char *name, unsigned int n);

struct tls_caller *tls_caller_begin(enum tls_version version, int suite);
/* A backend that shows tls_mbed_pair. */
struct tls_caller *tls_caller_serve(enum tls_version version);
void tls_caller_end(struct tls_caller *c);

/* Ask with the peer's next bytes, for a server or client at first, else for more; takes a job if
 * there is none. False: there is none to take. */
bool tls_caller_ask(struct tls_caller *c, struct tls_jobs *jobs, struct rte_mempool *pool);
/* The job has been answered: take what it holds. Given back if that is the end of it. */
void tls_caller_answered(struct tls_caller *c, struct tls_jobs *jobs);
/* After DONE: does each understand what the other one says? */
bool tls_caller_talks(struct tls_caller *c);

#endif

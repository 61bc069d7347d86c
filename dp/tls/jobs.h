/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handshakes on their way between a worker and the handshake threads (cp/tls/threads). A job is one
 * connection's handshake; it belongs to the worker, or to its thread between a question and the
 * answer to it.
 *
 *     worker                    ring of the thread             thread
 *     take ─> ask BEGIN ────────────────────────────────────> makes a handshake, one step
 *             answer MORE <───────ring of the worker────────── bytes for the peer
 *             ask MORE ─────────────────────────────────────> another step
 *             answer DONE <─────────────────────────────────── the keys; the handshake is freed
 *     give back
 *
 * A worker never waits: it asks, and looks for answers once an iteration. It asks one question of a
 * job at a time, so no ring can be full that has room for all jobs. All questions of a job go to
 * the same thread: to the one with the fewest that are unanswered, when the job is taken. A thread
 * that does not answer keeps what it has been asked; when that is `most`, no more jobs are taken
 * for it.
 *
 * Invariants: jobs taken = jobs with a connection + abandoned ones that will be answered;
 * a job is given back only when no thread has a handshake of it.
 */
#ifndef DP_TLS_JOBS_H
#define DP_TLS_JOBS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>
#include <rte_ring.h>

#include "lib/tls/handover.h"

#define TLS_THREADS_MAX 64

enum tls_question {
	TLS_ASK_SERVER, /* begin: the client's first bytes are here */
	TLS_ASK_CLIENT, /* begin: nothing is here yet */
	TLS_ASK_MORE,   /* more bytes of the peer */
	TLS_ASK_END,    /* the connection is gone: free the handshake */
};

enum tls_answer {
	TLS_ANSWER_MORE,   /* it is the peer's turn */
	TLS_ANSWER_DONE,   /* `handover` holds the keys */
	TLS_ANSWER_FAILED, /* `cause` says why; `out` may hold an alert */
	TLS_ANSWER_ENDED,  /* to TLS_ASK_END */
};

struct tls_job {
	/* set by the worker before it asks */
	uint8_t question;    /* enum tls_question */
	uint8_t thread;      /* since it was taken */
	uint16_t worker;     /* index; fixed */
	uint32_t slot;       /* TLS_ASK_SERVER: of the service, _CLIENT: of the pool */
	uint32_t epoch;      /* of the slot */
	struct rte_mbuf *in; /* the peer's bytes, to be read only; NULL: none */
	uint32_t in_length;

	/* set by the thread before it answers */
	uint8_t answer;       /* enum tls_answer */
	uint8_t cause;        /* enum tls_cause */
	uint32_t used;        /* bytes of `in` that the handshake was made of; with MORE all */
	uint64_t spent_ns;    /* on this question */
	struct rte_mbuf *out; /* bytes for the peer, the worker's; NULL: none */
	struct tls_handover handover;

	void *handshake; /* the thread's own; NULL: none */

	/* the worker's own */
	uint32_t connection;
	uint32_t next_free;
	uint32_t before, behind; /* among those that wait for their peers */
	bool waits;              /* for its peer, and may have to give way */
	bool client;             /* we are: it has a time of its own */
	bool asked;              /* the thread has it */
	bool begun;              /* the thread has a handshake of it, or will have */
	bool abandoned;          /* nobody wants the answer */
} __rte_cache_aligned;

/* What the worker and a thread meet at. Made by cp/tls/threads; outlives the workers. Handshakes
 * that are under way, and those with backends, whose clients are here already, go before those that
 * clients ask to begin: a flood of these costs nobody else his place. */
struct tls_port {
	struct rte_ring
	    *first; /* of struct tls_job: many workers, one thread; NULL: all in `asked` */
	struct rte_ring *asked; /* the same: what begins with a client */
	int wake;               /* eventfd */
	atomic_bool asleep;     /* the thread waits for `wake`, or is about to */
} __rte_cache_aligned;

struct tls_jobs {
	struct tls_job *jobs;
	uint32_t n, free_list, taken;
	uint32_t waits_first, waits_last; /* who wait for their peers, the longest first */
	uint32_t most;                    /* unanswered questions of a thread */
	struct rte_ring *answers;         /* of struct tls_job: many threads, one worker */
	struct tls_port *ports;
	uint32_t n_ports, next_port;       /* the latter is chosen among equals */
	uint32_t waiting[TLS_THREADS_MAX]; /* unanswered questions of this worker to each */
	uint32_t unanswered;               /* the sum of it */
	uint64_t spent_ns;                 /* by threads, on what they have answered */
};

struct tls_jobs_settings {
	uint16_t worker;        /* its index */
	uint32_t n;             /* jobs at a time */
	uint32_t most;          /* unanswered questions of a thread */
	struct tls_port *ports; /* by thread; they stay the caller's */
	uint32_t n_ports;       /* at most TLS_THREADS_MAX */
	int socket;             /* memory of this NUMA node */
};

/* NULL without memory. Control thread. */
struct tls_jobs *tls_jobs_create(const struct tls_jobs_settings *settings);
/* When neither worker nor threads run any more: frees what lies in `in` and `out` of jobs that were
 * on their way. NULL is allowed. */
void tls_jobs_destroy(struct tls_jobs *jobs);

/* A job for a connection; NULL: none is free, or every thread has been asked too much. Worker. */
struct tls_job *tls_job_take(struct tls_jobs *jobs, uint32_t connection);
/* Ask; `in` and its chain are not to be touched until the answer, and the worker's again from then
 * on. Worker. */
void tls_job_ask(struct tls_jobs *jobs, struct tls_job *job, enum tls_question question);
/* The job that waits for its client the longest, NULL: none does. Worker. */
struct tls_job *tls_jobs_longest(struct tls_jobs *jobs);
/* Are so many taken that those that wait should give way to new ones? */
static inline bool
tls_jobs_scarce(const struct tls_jobs *jobs)
{
	return jobs->taken >= jobs->n - jobs->n / 8;
}
/* Jobs that have been answered since, at most n; of those that were abandoned none: what is to be
 * done with them has been. Worker. */
uint32_t tls_jobs_answered(struct tls_jobs *jobs, struct tls_job **answered, uint32_t n);
/* The connection needs it no more: before it has asked, after an answer, or in the middle of it.
 * What lies in `in` and `out` is freed, at once or when the answer comes. Worker. */
void tls_job_give_back(struct tls_jobs *jobs, struct tls_job *job);

#endif

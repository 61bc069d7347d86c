/* SPDX-License-Identifier: Apache-2.0 */
#include "dp/tls/jobs.h"

#include <assert.h>
#include <stdio.h>
#include <sys/eventfd.h>

#include <rte_malloc.h>

#define NONE UINT32_MAX

/* ---- beginning and end ----------------------------------------------------------------------- */

static void
free_bytes(struct tls_job *job)
{
	rte_pktmbuf_free(job->in);
	rte_pktmbuf_free(job->out);
	job->in = job->out = NULL;
	job->in_length = 0;
}

static void
wipe(struct tls_job *job)
{
	tls_keys_wipe(&job->handover.receive);
	tls_keys_wipe(&job->handover.send);
}

/* What threads answer does not wait for one of them that was stopped in the middle of it (RTS). */
static struct rte_ring *
make_answers(const struct tls_jobs_settings *s)
{
	char name[RTE_RING_NAMESIZE];

	snprintf(name, sizeof(name), "tls-answers-%u", s->worker);
	return rte_ring_create(name, s->n, s->socket,
			       RING_F_MP_RTS_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
}

struct tls_jobs *
tls_jobs_create(const struct tls_jobs_settings *s)
{
	struct tls_jobs *jobs =
	    rte_zmalloc_socket("tls", sizeof(*jobs), RTE_CACHE_LINE_SIZE, s->socket);
	uint32_t i;

	if (!jobs || s->n_ports > TLS_THREADS_MAX) {
		rte_free(jobs);
		return NULL;
	}
	jobs->jobs = rte_zmalloc_socket("tls-jobs", (size_t)s->n * sizeof(*jobs->jobs),
					RTE_CACHE_LINE_SIZE, s->socket);
	jobs->answers = make_answers(s);
	if (!jobs->jobs || !jobs->answers) {
		tls_jobs_destroy(jobs);
		return NULL;
	}
	jobs->n = s->n;
	jobs->most = s->most;
	jobs->ports = s->ports;
	jobs->n_ports = s->n_ports;
	for (i = 0; i < s->n; i++) {
		jobs->jobs[i].worker = s->worker;
		jobs->jobs[i].next_free = i + 1 < s->n ? i + 1 : NONE;
	}
	jobs->free_list = s->n ? 0 : NONE;
	jobs->waits_first = jobs->waits_last = NONE;
	return jobs;
}

void
tls_jobs_destroy(struct tls_jobs *jobs)
{
	uint32_t i;

	if (!jobs)
		return;
	for (i = 0; jobs->jobs && i < jobs->n; i++) {
		free_bytes(&jobs->jobs[i]);
		wipe(&jobs->jobs[i]);
	}
	rte_ring_free(jobs->answers);
	rte_free(jobs->jobs);
	rte_free(jobs);
}

/* ---- who waits for a peer -------------------------------------------------------------------- */

static uint32_t
index_of(const struct tls_jobs *jobs, const struct tls_job *job)
{
	return (uint32_t)(job - jobs->jobs);
}

static void
wait_begin(struct tls_jobs *jobs, struct tls_job *job)
{
	job->waits = true;
	job->behind = NONE;
	job->before = jobs->waits_last;
	if (job->before == NONE)
		jobs->waits_first = index_of(jobs, job);
	else
		jobs->jobs[job->before].behind = index_of(jobs, job);
	jobs->waits_last = index_of(jobs, job);
}

static void
wait_end(struct tls_jobs *jobs, struct tls_job *job)
{
	if (!job->waits)
		return;
	job->waits = false;
	if (job->before == NONE)
		jobs->waits_first = job->behind;
	else
		jobs->jobs[job->before].behind = job->behind;
	if (job->behind == NONE)
		jobs->waits_last = job->before;
	else
		jobs->jobs[job->behind].before = job->before;
}

struct tls_job *
tls_jobs_longest(struct tls_jobs *jobs)
{
	return jobs->waits_first == NONE ? NULL : &jobs->jobs[jobs->waits_first];
}

/* ---- to and fro ------------------------------------------------------------------------------ */

/* The thread with the fewest unanswered questions; NONE: each has `most` of them. */
static uint32_t
choose_thread(const struct tls_jobs *jobs)
{
	uint32_t i, best = NONE, fewest = jobs->most;

	for (i = 0; i < jobs->n_ports; i++) {
		uint32_t at = (jobs->next_port + i) % jobs->n_ports;

		if (jobs->waiting[at] >= fewest)
			continue;
		best = at;
		fewest = jobs->waiting[at];
	}
	return best;
}

struct tls_job *
tls_job_take(struct tls_jobs *jobs, uint32_t connection)
{
	uint32_t thread = choose_thread(jobs);
	struct tls_job *job;

	if (thread == NONE || jobs->free_list == NONE)
		return NULL;
	job = &jobs->jobs[jobs->free_list];
	jobs->free_list = job->next_free;
	jobs->taken++;
	jobs->next_port = (thread + 1) % jobs->n_ports;
	job->thread = (uint8_t)thread;
	job->connection = connection;
	job->asked = job->begun = job->abandoned = false;
	return job;
}

void
tls_job_ask(struct tls_jobs *jobs, struct tls_job *job, enum tls_question question)
{
	struct tls_port *port = &jobs->ports[job->thread];
	bool later = question == TLS_ASK_SERVER || !port->first;
	int rc;

	wait_end(jobs, job);
	job->question = (uint8_t)question;
	if (!job->begun)
		job->client = question == TLS_ASK_CLIENT;
	job->asked = true;
	job->begun = true;
	jobs->waiting[job->thread]++;
	jobs->unanswered++;
	rc = rte_ring_enqueue(later ? port->asked : port->first, job);
	assert(rc == 0); /* it has room for all jobs */
	(void)rc;
	/* Either the thread sees the question before it falls asleep, or we see that it does. While
	 * it is busy this costs no system call. */
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&port->asleep, memory_order_relaxed) &&
	    atomic_exchange(&port->asleep, false))
		eventfd_write(port->wake, 1);
}

/* No connection has it, and no thread. */
static void
let_go(struct tls_jobs *jobs, struct tls_job *job)
{
	wait_end(jobs, job);
	free_bytes(job);
	wipe(job);
	if (job->begun) {
		job->abandoned = true;
		tls_job_ask(jobs, job, TLS_ASK_END);
		return;
	}
	job->next_free = jobs->free_list;
	jobs->free_list = index_of(jobs, job);
	jobs->taken--;
}

uint32_t
tls_jobs_answered(struct tls_jobs *jobs, struct tls_job **answered, uint32_t n)
{
	uint32_t to = 0;
	void *next;

	/* As many are abandoned at the most as there are jobs. */
	while (to < n && rte_ring_dequeue(jobs->answers, &next) == 0) {
		struct tls_job *job = next;

		jobs->waiting[job->thread]--;
		jobs->unanswered--;
		jobs->spent_ns += job->spent_ns;
		job->asked = false;
		job->begun = job->answer == TLS_ANSWER_MORE;
		if (job->abandoned) {
			let_go(jobs, job);
			continue;
		}
		if (job->begun && !job->client)
			wait_begin(jobs, job);
		answered[to++] = job;
	}
	return to;
}

void
tls_job_give_back(struct tls_jobs *jobs, struct tls_job *job)
{
	if (job->asked)
		job->abandoned = true;
	else
		let_go(jobs, job);
}

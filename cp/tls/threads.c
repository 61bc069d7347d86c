/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/tls/threads.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <rte_errno.h>

#include "dp/snapshot.h"

#define IDLE_MS 1000

struct thread {
	struct tls_threads *all;
	struct tls_port *port;
	struct tls_serving serving;
	pthread_t id;
	bool joined;
} __rte_cache_aligned;

struct tls_threads {
	struct tls_port ports[TLS_THREADS_MAX];
	struct rte_ring *answers[SNAPSHOT_MAX_WORKERS]; /* by worker; control writes, before its
							   first question */
	uint32_t n, running;
	atomic_bool stop;
	atomic_bool untidy; /* they may have left memory behind that nobody uses */
	struct thread threads[];
};

/* ---- a thread -------------------------------------------------------------------------------- */

/* Until the port is woken. What many handshakes at once had in memory is the system's again when a
 * second has passed without any. */
static void
wait_for_wakeup(struct thread *t)
{
	struct pollfd wake = { .fd = t->port->wake, .events = POLLIN };
	eventfd_t wakeups;

	if (atomic_load_explicit(&t->all->untidy, memory_order_relaxed) &&
	    poll(&wake, 1, IDLE_MS) == 0 && atomic_exchange(&t->all->untidy, false))
		malloc_trim(0);
	eventfd_read(t->port->wake, &wakeups);
}

/* Until somebody has asked something, or it is to stop. A worker asks first and looks at `asleep`
 * then; this is the other way round, so one of both sees what the other has done. */
static void
sleep_until_asked(struct thread *t)
{
	struct tls_port *port = t->port;

	atomic_store(&port->asleep, true);
	atomic_thread_fence(memory_order_seq_cst);
	if (rte_ring_empty(port->first) && rte_ring_empty(port->asked) &&
	    !atomic_load(&t->all->stop))
		wait_for_wakeup(t);
	atomic_store(&port->asleep, false);
}

/* One thread at a time: the ring's own waits in circles for one that was stopped in the middle. */
static void
give_answer(struct tls_threads *all, struct tls_job *job)
{
	static pthread_mutex_t giving = PTHREAD_MUTEX_INITIALIZER;

	pthread_mutex_lock(&giving);
	rte_ring_enqueue(all->answers[job->worker], job);
	pthread_mutex_unlock(&giving);
}

static void *
run(void *arg)
{
	struct thread *t = arg;
	struct tls_threads *all = t->all;
	void *job;

	/* One at a time, so that what waits can be seen. */
	while (!atomic_load_explicit(&all->stop, memory_order_relaxed)) {
		if (rte_ring_dequeue(t->port->first, &job) != 0 &&
		    rte_ring_dequeue(t->port->asked, &job) != 0) {
			sleep_until_asked(t);
			continue;
		}
		atomic_store_explicit(&all->untidy, true, memory_order_relaxed);
		tls_serve(&t->serving, job);
		give_answer(all, job);
	}
	return NULL;
}

/* ---- beginning and end ----------------------------------------------------------------------- */

static struct rte_ring *
make_ring(const char *what, uint32_t index, uint32_t questions)
{
	char name[RTE_RING_NAMESIZE];

	snprintf(name, sizeof(name), "tls-%s-%u", what, index);
	return rte_ring_create(name, questions, SOCKET_ID_ANY, RING_F_SC_DEQ | RING_F_EXACT_SZ);
}

static int
make_port(struct tls_port *port, uint32_t index, uint32_t questions)
{
	port->wake = eventfd(0, EFD_CLOEXEC);
	if (port->wake < 0)
		return -errno;
	port->first = make_ring("first", index, questions);
	port->asked = port->first ? make_ring("asked", index, questions) : NULL;
	return port->asked ? 0 : -rte_errno;
}

static int
start_thread(struct tls_threads *all, const struct tls_threads_settings *settings, uint32_t index)
{
	struct thread *t = &all->threads[index];
	char name[16];
	int rc;

	t->all = all;
	t->port = &all->ports[index];
	t->serving.mbufs = settings->mbufs;
	t->serving.store = settings->store;
	t->serving.engine = settings->engine;
	rc = -pthread_create(&t->id, NULL, run, t);
	if (rc != 0)
		return rc;
	snprintf(name, sizeof(name), "tls-%u", index);
	pthread_setname_np(t->id, name);
	all->running++;
	return 0;
}

struct tls_threads *
tls_threads_start(const struct tls_threads_settings *settings)
{
	size_t size = sizeof(struct tls_threads) + settings->n * sizeof(struct thread);
	struct tls_threads *all;
	int rc = 0;
	uint32_t i;

	if (settings->n == 0 || settings->n > TLS_THREADS_MAX) {
		errno = EINVAL;
		return NULL;
	}
	all = aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_ALIGN(size, RTE_CACHE_LINE_SIZE));
	if (!all)
		return NULL;
	memset(all, 0, size);
	all->n = settings->n;
	for (i = 0; i < TLS_THREADS_MAX; i++)
		all->ports[i].wake = -1;
	for (i = 0; i < all->n && rc == 0; i++)
		rc = make_port(&all->ports[i], i, settings->questions);
	for (i = 0; i < all->n && rc == 0; i++)
		rc = start_thread(all, settings, i);
	if (rc == 0)
		return all;
	tls_threads_stop(all);
	errno = -rc;
	return NULL;
}

/* All of them within TLS_THREADS_STOP_MS. */
static bool
join(struct tls_threads *all)
{
	struct timespec until;
	bool all_ended = true;
	uint32_t i;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += TLS_THREADS_STOP_MS / 1000;
	for (i = 0; i < all->running; i++) {
		struct thread *t = &all->threads[i];

		t->joined =
		    t->joined || pthread_clockjoin_np(t->id, NULL, CLOCK_MONOTONIC, &until) == 0;
		all_ended &= t->joined;
	}
	return all_ended;
}

bool
tls_threads_stop(struct tls_threads *all)
{
	uint32_t i;

	if (!all)
		return true;
	atomic_store(&all->stop, true);
	for (i = 0; i < all->running; i++)
		eventfd_write(all->ports[i].wake, 1);
	if (!join(all))
		return false;
	for (i = 0; i < all->running; i++)
		tls_serving_end(&all->threads[i].serving);
	for (i = 0; i < all->n; i++) {
		rte_ring_free(all->ports[i].first);
		rte_ring_free(all->ports[i].asked);
		if (all->ports[i].wake >= 0)
			close(all->ports[i].wake);
	}
	free(all);
	return true;
}

struct tls_port *
tls_threads_ports(struct tls_threads *threads)
{
	return threads->ports;
}

void
tls_threads_answer_to(struct tls_threads *threads, uint16_t worker, struct rte_ring *answers)
{
	threads->answers[worker] = answers;
}

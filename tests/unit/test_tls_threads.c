/* SPDX-License-Identifier: Apache-2.0 */
/* cp/tls/threads: a worker that is this thread, and real handshake threads. */
#include <CUnit/CUnit.h>
#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cp/tls/client.h"
#include "cp/tls/threads.h"
#include "tests/unit/suites.h"
#include "tests/unit/tls_bytes.h"
#include "tests/unit/tls_caller.h"
#include "version.h"

#define JOBS 32
#define MOST 4
#define ALL  ((size_t)1 << 20)
/* A bound for what takes milliseconds, on a machine that does much else. */
#define PATIENCE 20000u

static struct {
	struct rte_mempool *in, *out;
	struct tls_store *store;
	struct tls_threads *threads;
	struct tls_jobs *jobs;
	struct tls_caller *callers[JOBS];
	uint32_t n;
	uint32_t over; /* handshakes that have come to an end */
} w;

static struct tls_server *
make_server(void)
{
	struct tls_pair pair = tls_mbed_pair();
	struct tls_server_settings s = {
		.pairs = &pair, .n_pairs = 1, .minimum = TLS_1_2, .maximum = TLS_1_3
	};
	char error[200] = "";
	struct tls_server *server = tls_server_create(&s, error, sizeof(error));

	CU_ASSERT_PTR_NOT_NULL_FATAL(server);
	return server;
}

static void
begin(uint32_t n, uint32_t most)
{
	struct tls_threads_settings ts = { .n = n, .questions = JOBS };
	struct tls_jobs_settings js = {
		.n = JOBS, .most = most, .n_ports = n, .socket = SOCKET_ID_ANY
	};

	if (!w.in) {
		w.in = tls_caller_pool("threads-in", 2047);
		w.out = tls_caller_pool("threads-out", 255);
	}
	w.n = w.over = 0;
	w.store = tls_store_create();
	CU_ASSERT_EQUAL(tls_store_put(w.store, 7, 1, make_server()), 0);
	ts.mbufs = w.out;
	ts.store = w.store;
	ts.engine = tls_test_engine();
	w.threads = tls_threads_start(&ts);
	CU_ASSERT_PTR_NOT_NULL_FATAL(w.threads);
	js.ports = tls_threads_ports(w.threads);
	w.jobs = tls_jobs_create(&js);
	CU_ASSERT_PTR_NOT_NULL_FATAL(w.jobs);
	tls_threads_answer_to(w.threads, 0, w.jobs->answers);
}

static void
end(void)
{
	uint32_t i;

	for (i = 0; i < w.n; i++)
		tls_caller_end(w.callers[i]);
	CU_ASSERT(tls_threads_stop(w.threads));
	tls_jobs_destroy(w.jobs);
	tls_store_destroy(w.store);
	CU_ASSERT(rte_mempool_full(w.in) && rte_mempool_full(w.out));
}

static uint64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static struct tls_caller *
call(uint32_t slot, enum tls_version version)
{
	struct tls_caller *c = tls_caller_begin(version, 0);

	c->slot = slot;
	c->epoch = 1;
	w.callers[w.n++] = c;
	return c;
}

static struct tls_caller *
caller_of(const struct tls_job *job)
{
	uint32_t i;

	for (i = 0; i < w.n; i++) {
		if (w.callers[i]->job == job)
			return w.callers[i];
	}
	return NULL;
}

/* What has been answered goes on with the next question. */
static void
look(void)
{
	struct tls_job *answered[JOBS];
	uint32_t n = tls_jobs_answered(w.jobs, answered, JOBS), i;

	for (i = 0; i < n; i++) {
		struct tls_caller *c = caller_of(answered[i]);

		CU_ASSERT_PTR_NOT_NULL_FATAL(c);
		tls_caller_answered(c, w.jobs);
		if (!c->job)
			w.over++;
		else if (!tls_caller_ask(c, w.jobs, w.in))
			CU_FAIL("no further question");
	}
	if (n == 0)
		usleep(200);
}

/* Until so many have come to an end since the beginning. */
static bool
wait_for(uint32_t n)
{
	uint64_t until = now_ms() + PATIENCE;

	while (w.over < n && now_ms() < until)
		look();
	return w.over >= n;
}

/* Until nobody has a job any more. */
static bool
all_come_back(void)
{
	uint64_t until = now_ms() + PATIENCE;

	while (w.jobs->taken > 0 && now_ms() < until)
		look();
	return w.jobs->taken == 0 && rte_mempool_full(w.in) && rte_mempool_full(w.out);
}

/* Questions that no thread has looked at yet. */
static uint32_t
not_taken_up(void)
{
	struct tls_port *ports = tls_threads_ports(w.threads);
	uint32_t i, n = 0;

	for (i = 0; i < TLS_THREADS_MAX; i++)
		if (ports[i].asked)
			n += rte_ring_count(ports[i].first) + rte_ring_count(ports[i].asked);
	return n;
}

/* ---- many ------------------------------------------------------------------------------------ */

static void
test_many(void)
{
	static const size_t cuts[] = { ALL, 1, 53 };
	uint32_t i;

	begin(3, JOBS);
	for (i = 0; i < 24; i++) {
		struct tls_caller *c = call(7, i % 2 ? TLS_1_3 : TLS_1_2);

		c->cut = cuts[i / 2 % 3];
		c->segment = i / 6 % 2 ? 17 : 0;
		CU_ASSERT_FATAL(tls_caller_ask(c, w.jobs, w.in));
	}
	CU_ASSERT(wait_for(24));
	for (i = 0; i < 24; i++)
		CU_ASSERT(tls_caller_talks(w.callers[i]));
	CU_ASSERT(all_come_back());
	CU_ASSERT_EQUAL(not_taken_up(), 0);
	CU_ASSERT(w.jobs->unanswered == 0 && w.jobs->spent_ns > 0);
	end();
}

/* As clients of backends. */
static void
test_backends(void)
{
	struct tls_client_settings s = { .ca = tls_mbed_pair().certificate,
					 .server_name = "shop.example",
					 .verify = true,
					 .minimum = TLS_1_2,
					 .maximum = TLS_1_3 };
	char error[200] = "";
	uint32_t i;

	begin(2, JOBS);
	CU_ASSERT_EQUAL(
	    tls_store_put_client(w.store, 7, 1, tls_client_create(&s, error, sizeof(error))), 0);
	for (i = 0; i < 12; i++) {
		struct tls_caller *c = tls_caller_serve(i % 2 ? TLS_1_3 : TLS_1_2);

		c->slot = 7;
		c->epoch = 1;
		c->cut = i / 2 % 2 ? 53 : ALL;
		w.callers[w.n++] = c;
		CU_ASSERT_FATAL(tls_caller_ask(c, w.jobs, w.in));
	}
	CU_ASSERT(wait_for(12));
	for (i = 0; i < 12; i++)
		CU_ASSERT(w.callers[i]->handover.peer.verified && tls_caller_talks(w.callers[i]));
	CU_ASSERT(all_come_back());
	end();
}

/* Given back while threads work on them, at any moment. */
static void
test_abandoned(void)
{
	uint64_t random = 1;
	uint32_t i, round;

	begin(2, JOBS);
	for (round = 0; round < 10; round++) {
		for (w.n = 0; w.n < 8;)
			CU_ASSERT_FATAL(
			    tls_caller_ask(call(7, w.n % 2 ? TLS_1_3 : TLS_1_2), w.jobs, w.in));
		for (i = 0; i < test_random(&random) % 8; i++)
			look();
		for (i = 0; i < w.n; i++) {
			if (w.callers[i]->job)
				tls_job_give_back(w.jobs, w.callers[i]->job);
			tls_caller_end(w.callers[i]);
		}
		w.n = 0;
		CU_ASSERT(all_come_back());
	}
	end();
}

/* The listener's certificates change all the time, and no handshake fails. */
static void
test_rotation(void)
{
	uint32_t i, round;

	begin(2, JOBS);
	for (round = 0; round < 5; round++) {
		for (w.n = w.over = 0; w.n < 6;)
			CU_ASSERT_FATAL(
			    tls_caller_ask(call(7, w.n % 2 ? TLS_1_3 : TLS_1_2), w.jobs, w.in));
		for (i = 0; i < 6; i++) {
			CU_ASSERT_EQUAL(tls_store_put(w.store, 7, 1, make_server()), 0);
			CU_ASSERT(wait_for(i + 1));
		}
		for (i = 0; i < w.n; i++) {
			CU_ASSERT(tls_caller_talks(w.callers[i]));
			tls_caller_end(w.callers[i]);
		}
		w.n = 0;
	}
	CU_ASSERT(all_come_back());
	end();
}

/* ---- asleep and stuck ------------------------------------------------------------------------ */

static bool
falls_asleep(struct tls_port *port)
{
	uint64_t until = now_ms() + PATIENCE;

	while (!atomic_load(&port->asleep) && now_ms() < until)
		usleep(1000);
	return atomic_load(&port->asleep);
}

static void
test_asleep(void)
{
	uint32_t i;

	begin(1, MOST);
	for (i = 0; i < 8; i++) {
		CU_ASSERT_FATAL(falls_asleep(w.jobs->ports));
		CU_ASSERT(tls_caller_ask(call(7, TLS_1_3), w.jobs, w.in));
		CU_ASSERT(wait_for(i + 1));
		CU_ASSERT(tls_caller_talks(w.callers[i]));
	}
	end();
}

static uint64_t
resident_bytes(void)
{
	unsigned long long size, resident = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	CU_ASSERT_EQUAL(fscanf(f, "%llu %llu", &size, &resident), 2);
	fclose(f);
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* As if many handshakes had been and gone, with something left that lies behind them. */
static void
test_tidy(void)
{
	enum { BLOCKS = 2000, BYTES = 8192 };
	static void *blocks[BLOCKS];
	uint64_t before, until;
	uint32_t i;

	begin(1, MOST);
	for (i = 0; i < BLOCKS; i++) {
		blocks[i] = malloc(BYTES);
		CU_ASSERT_PTR_NOT_NULL_FATAL(blocks[i]);
		memset(blocks[i], 1, BYTES);
	}
	for (i = 0; i < BLOCKS - 1; i++)
		free(blocks[i]);
	before = resident_bytes();
	CU_ASSERT(tls_caller_ask(call(7, TLS_1_3), w.jobs, w.in));
	CU_ASSERT(wait_for(1));
	/* A sanitizer's allocator keeps what it has: there it is only that the thread wakes up. */
	until = now_ms() + (strstr(PENSTOCK_BUILD, "sanitizers") ? 0 : PATIENCE);
	while (resident_bytes() > before - BLOCKS * BYTES / 2 && now_ms() < until)
		usleep(10000);
	CU_ASSERT(now_ms() < until || strstr(PENSTOCK_BUILD, "sanitizers"));
	CU_ASSERT(tls_caller_ask(call(7, TLS_1_3), w.jobs, w.in));
	CU_ASSERT(wait_for(2));
	free(blocks[BLOCKS - 1]);
	end();
}

static int
stay(void *go_on, mbedtls_ssl_context *ssl, const unsigned char *name, size_t length)
{
	(void)ssl;
	(void)name;
	(void)length;
	while (sem_wait(go_on) != 0)
		;
	return 0;
}

/* A server in slot 8 on which threads stay until they may go on. */
static void
put_sticky_server(sem_t *go_on)
{
	struct tls_server *server = make_server();

	sem_init(go_on, 0, 0);
	mbedtls_ssl_conf_sni(&server->config, stay, go_on);
	CU_ASSERT_EQUAL(tls_store_put(w.store, 8, 1, server), 0);
}

static void
test_others_go_on(void)
{
	struct tls_caller *stuck;
	sem_t go_on;
	uint32_t i;

	begin(2, MOST);
	put_sticky_server(&go_on);
	stuck = call(8, TLS_1_3);
	CU_ASSERT_FATAL(tls_caller_ask(stuck, w.jobs, w.in));
	for (i = 0; i < 12; i++) {
		struct tls_caller *c = call(7, i % 2 ? TLS_1_3 : TLS_1_2);

		CU_ASSERT(tls_caller_ask(c, w.jobs, w.in));
		CU_ASSERT(wait_for(i + 1));
		CU_ASSERT(tls_caller_talks(c));
	}
	CU_ASSERT(stuck->job && stuck->job->asked);
	sem_post(&go_on);
	CU_ASSERT(wait_for(13));
	CU_ASSERT(tls_caller_talks(stuck));
	CU_ASSERT(all_come_back());
	end();
	sem_destroy(&go_on);
}

static void
test_refused(void)
{
	struct tls_caller *refused;
	sem_t go_on;
	uint32_t i;

	begin(1, MOST);
	put_sticky_server(&go_on);
	for (i = 0; i < MOST; i++)
		CU_ASSERT_FATAL(tls_caller_ask(call(8, TLS_1_3), w.jobs, w.in));
	refused = call(7, TLS_1_3);
	CU_ASSERT_FALSE(tls_caller_ask(refused, w.jobs, w.in));
	/* One of them lost patience, and still counts. */
	tls_job_give_back(w.jobs, w.callers[0]->job);
	w.callers[0]->job = NULL;
	CU_ASSERT_FALSE(tls_caller_ask(refused, w.jobs, w.in));
	while (not_taken_up() >= MOST)
		look();
	CU_ASSERT_EQUAL(not_taken_up(), MOST - 1);
	for (i = 0; i < MOST; i++)
		sem_post(&go_on);
	CU_ASSERT(wait_for(MOST - 1));
	CU_ASSERT(tls_caller_ask(refused, w.jobs, w.in));
	CU_ASSERT(wait_for(MOST));
	for (i = 1; i < w.n; i++)
		CU_ASSERT(tls_caller_talks(w.callers[i]));
	CU_ASSERT(all_come_back());
	end();
	sem_destroy(&go_on);
}

/* ---- the end --------------------------------------------------------------------------------- */

/* In the middle of handshakes: with an answer that nobody has looked at, and with questions that
 * wait for a thread. */
static void
test_stop(void)
{
	struct tls_job *answered[JOBS];
	sem_t go_on;
	uint32_t i, n = 0;

	begin(1, JOBS);
	put_sticky_server(&go_on);
	for (i = 0; i < 3; i++)
		CU_ASSERT_FATAL(tls_caller_ask(call(7, TLS_1_3), w.jobs, w.in));
	while (n < 3)
		n += tls_jobs_answered(w.jobs, answered + n, JOBS - n);
	for (i = 0; i < 3; i++)
		CU_ASSERT(answered[i]->answer == TLS_ANSWER_MORE && answered[i]->handshake);
	for (i = 0; i < 3; i++)
		CU_ASSERT_FATAL(tls_caller_ask(call(8, TLS_1_2), w.jobs, w.in));
	while (not_taken_up() > 2)
		usleep(100);
	sem_post(&go_on);
	sem_post(&go_on);
	sem_post(&go_on);
	end();
	sem_destroy(&go_on);
}

/* One is stuck: nobody waits for it for ever, and nothing is freed under it. */
static void
test_stuck_at_end(void)
{
	uint64_t before;
	sem_t go_on;

	begin(2, JOBS);
	put_sticky_server(&go_on);
	CU_ASSERT_FATAL(tls_caller_ask(call(8, TLS_1_3), w.jobs, w.in));
	while (not_taken_up() > 0)
		usleep(100);
	before = now_ms();
	CU_ASSERT(!tls_threads_stop(w.threads));
	CU_ASSERT(now_ms() - before >= TLS_THREADS_STOP_MS - 100);
	sem_post(&go_on);
	end();
	sem_destroy(&go_on);
}

static void
test_settings(void)
{
	struct tls_threads_settings s = { .n = 0, .questions = JOBS };

	errno = 0;
	CU_ASSERT_PTR_NULL(tls_threads_start(&s));
	CU_ASSERT_EQUAL(errno, EINVAL);
	s.n = TLS_THREADS_MAX + 1;
	CU_ASSERT_PTR_NULL(tls_threads_start(&s));
	s.n = 1;
	s.questions = 1u << 30; /* larger than a ring can be */
	CU_ASSERT_PTR_NULL(tls_threads_start(&s));
	CU_ASSERT(tls_threads_stop(NULL));
}

int
test_tls_threads_register(void)
{
	static CU_TestInfo tests[] = {
		{ "many at a time", test_many },
		{ "backends", test_backends },
		{ "given back at any moment", test_abandoned },
		{ "certificates that change", test_rotation },
		{ "a thread that sleeps", test_asleep },
		{ "memory is given back", test_tidy },
		{ "a thread that is stuck", test_others_go_on },
		{ "all threads are stuck", test_refused },
		{ "the end", test_stop },
		{ "a thread that is stuck at the end", test_stuck_at_end },
		{ "settings", test_settings },
		CU_TEST_INFO_NULL,
	};
	static CU_SuiteInfo suites[] = { { "tls_threads", NULL, NULL, NULL, NULL, tests },
					 CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}

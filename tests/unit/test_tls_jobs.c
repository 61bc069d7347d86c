/* SPDX-License-Identifier: Apache-2.0 */
/* dp/tls/jobs, cp/tls/serve and cp/tls/store, with the threads' part done by hand. */
#include <CUnit/CUnit.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cp/tls/client.h"
#include "cp/tls/serve.h"
#include "lib/tls/record.h"
#include "tests/unit/suites.h"
#include "tests/unit/tls_bytes.h"
#include "tests/unit/tls_caller.h"
#include "tests/unit/tls_peer.h"

#define THREADS 3
#define JOBS    8
#define MOST    2
#define MBUFS   255
#define ALL     ((size_t)1 << 20)
#define TURNS   4096 /* no handshake has so many bytes */

static struct {
	struct rte_mempool *in, *out;
	struct tls_store *store;
	struct tls_port ports[THREADS];
	struct tls_serving serving[THREADS];
	uint64_t failed[TLS_CAUSE_COUNT]; /* as the threads answered */
	struct tls_jobs *jobs;
} w;

static struct tls_server *
make_server(void)
{
	struct tls_pair pair = tls_mbed_pair();
	struct tls_server_settings s = { .pairs = &pair,
					 .n_pairs = 1,
					 .minimum = TLS_1_2,
					 .maximum = TLS_1_3,
					 .ticket_lifetime = 3600,
					 .tickets = 2 };
	char error[200] = "";
	struct tls_server *server = tls_server_create(&s, error, sizeof(error));

	CU_ASSERT_PTR_NOT_NULL_FATAL(server);
	return server;
}

/* That believes whoever shows this certificate. */
static struct tls_client *
make_client(const char *ca)
{
	struct tls_client_settings s = { .ca = ca,
					 .server_name = "shop.example",
					 .verify = true,
					 .minimum = TLS_1_2,
					 .maximum = TLS_1_3 };
	char error[200] = "";
	struct tls_client *client = tls_client_create(&s, error, sizeof(error));

	CU_ASSERT_PTR_NOT_NULL_FATAL(client);
	return client;
}

static void
begin(void)
{
	struct tls_jobs_settings s = { .n = JOBS,
				       .most = MOST,
				       .ports = w.ports,
				       .n_ports = THREADS,
				       .socket = SOCKET_ID_ANY };
	char name[32];
	int i;

	if (!w.in) {
		w.in = tls_caller_pool("jobs-in", 1023);
		w.out = tls_caller_pool("jobs-out", MBUFS);
	}
	w.store = tls_store_create();
	CU_ASSERT_EQUAL(tls_store_put(w.store, 3, 1, make_server()), 0);
	CU_ASSERT_EQUAL(
	    tls_store_put_client(w.store, 4, 1, make_client(tls_mbed_pair().certificate)), 0);
	for (i = 0; i < THREADS; i++) {
		snprintf(name, sizeof(name), "jobs-first-%d", i);
		w.ports[i].first =
		    rte_ring_create(name, JOBS, SOCKET_ID_ANY, RING_F_SC_DEQ | RING_F_EXACT_SZ);
		snprintf(name, sizeof(name), "jobs-asked-%d", i);
		w.ports[i].asked =
		    rte_ring_create(name, JOBS, SOCKET_ID_ANY, RING_F_SC_DEQ | RING_F_EXACT_SZ);
		w.ports[i].wake = eventfd(0, EFD_NONBLOCK);
		w.serving[i] = (struct tls_serving){ .mbufs = w.out,
						     .store = w.store,
						     .engine = tls_test_engine() };
	}
	w.jobs = tls_jobs_create(&s);
	CU_ASSERT_PTR_NOT_NULL_FATAL(w.jobs);
}

static bool
all_is_back(void)
{
	return w.jobs->taken == 0 && rte_mempool_full(w.in) && rte_mempool_full(w.out);
}

static void
end(void)
{
	int i;

	for (i = 0; i < THREADS; i++) {
		tls_serving_end(&w.serving[i]);
		rte_ring_free(w.ports[i].first);
		rte_ring_free(w.ports[i].asked);
		close(w.ports[i].wake);
	}
	tls_jobs_destroy(w.jobs);
	tls_store_destroy(w.store);
	CU_ASSERT(rte_mempool_full(w.in) && rte_mempool_full(w.out));
}

/* The thread answers its next question. False: it has none. */
static bool
serve(uint32_t thread)
{
	void *job;

	if (rte_ring_dequeue(w.ports[thread].first, &job) != 0 &&
	    rte_ring_dequeue(w.ports[thread].asked, &job) != 0)
		return false;
	tls_serve(&w.serving[thread], job);
	if (((struct tls_job *)job)->answer == TLS_ANSWER_FAILED)
		w.failed[((struct tls_job *)job)->cause]++;
	CU_ASSERT_EQUAL(rte_ring_enqueue(w.jobs->answers, job), 0);
	return true;
}

/* Threads answer and the worker looks, until there is an answer that somebody wants or nothing is
 * asked any more. */
static uint32_t
serve_all(struct tls_job **answered)
{
	uint32_t thread, n;

	do {
		for (thread = 0; thread < THREADS; thread++)
			serve(thread);
		n = tls_jobs_answered(w.jobs, answered, JOBS);
	} while (n == 0 && w.jobs->waiting[0] + w.jobs->waiting[1] + w.jobs->waiting[2] > 0);
	return n;
}

static uint64_t
live(void)
{
	uint64_t n = 0;
	int i;

	for (i = 0; i < THREADS; i++)
		n += w.serving[i].n_live;
	return n;
}

static struct tls_caller *
call(enum tls_version version, int suite)
{
	struct tls_caller *c = tls_caller_begin(version, suite);

	c->slot = 3;
	c->epoch = 1;
	return c;
}

static struct tls_caller *
backend(enum tls_version version)
{
	struct tls_caller *c = tls_caller_serve(version);

	c->slot = 4;
	c->epoch = 1;
	return c;
}

/* A question and the answer to it. */
static bool
turn(struct tls_caller *c)
{
	struct tls_job *answered[JOBS];

	if (!tls_caller_ask(c, w.jobs, w.in))
		return false;
	CU_ASSERT_FATAL(serve_all(answered) == 1 && answered[0] == c->job);
	tls_caller_answered(c, w.jobs);
	return true;
}

static enum tls_answer
shake(struct tls_caller *c)
{
	uint32_t turns = 0;

	do {
		CU_ASSERT_FATAL(turn(c) && turns++ < TURNS);
	} while (c->answer == TLS_ANSWER_MORE);
	return c->answer;
}

/* ---- handshakes ------------------------------------------------------------------------------ */

static const enum tls_version versions[] = { TLS_1_2, TLS_1_3 };

/* Cut by questions and by buffers. What the peer says behind its Finished stays. */
static void
check_cuts(enum tls_version version, bool is_backend)
{
	static const size_t cuts[] = { ALL, 1, 97 }, segments[] = { ALL, 1, 53 };
	enum tls_version early = is_backend ? TLS_1_2 : TLS_1_3;
	struct tls_caller *c;
	size_t i, k;

	for (i = 0; i < 3; i++) {
		for (k = 0; k < 3; k++) {
			c = is_backend ? backend(version) : call(version, 0);
			c->cut = cuts[i];
			c->segment = segments[k];
			CU_ASSERT_EQUAL(shake(c), TLS_ANSWER_DONE);
			CU_ASSERT_EQUAL(c->handover.send.version, version);
			CU_ASSERT_EQUAL(c->handover.peer.verified, is_backend);
			CU_ASSERT_EQUAL(c->early, version == early);
			CU_ASSERT(tls_caller_talks(c));
			CU_ASSERT(all_is_back() && live() == 0);
			tls_caller_end(c);
		}
	}
}

static void
test_cut(void)
{
	size_t v;

	begin();
	for (v = 0; v < 2; v++)
		check_cuts(versions[v], false);
	end();
}

/* We are the client. */
static void
test_backends(void)
{
	struct tls_pair other = tls_test_pair(TLS_TEST_ECDSA);
	struct tls_caller *c;
	size_t v;

	begin();
	for (v = 0; v < 2; v++)
		check_cuts(versions[v], true);
	CU_ASSERT_EQUAL(tls_store_put_client(w.store, 4, 1, make_client(other.certificate)), 0);
	for (v = 0; v < 2; v++) {
		c = backend(versions[v]);
		CU_ASSERT_EQUAL(shake(c), TLS_ANSWER_FAILED);
		CU_ASSERT_EQUAL(c->cause, TLS_CAUSE_UNTRUSTED);
		/* It has been told; in 1.3 without encryption, as mbedTLS does it. */
		CU_ASSERT_EQUAL(tls_mbed_shake(c->peer), versions[v] == TLS_1_2
							     ? MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE
							     : MBEDTLS_ERR_SSL_INVALID_MAC);
		tls_caller_end(c);
	}
	CU_ASSERT(all_is_back() && live() == 0);
	end();
}

static void
test_told(void)
{
	static const int suites[2][TLS_CIPHERS] = {
		{ MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
		  MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		  MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 },
		{ MBEDTLS_TLS1_3_AES_128_GCM_SHA256, MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
		  MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256 },
	};
	uint64_t spent = 0;
	mbedtls_ssl_session session;
	struct tls_caller *c;
	size_t v, i;

	begin();
	w.jobs->n_ports = 1;
	for (v = 0; v < 2; v++) {
		for (i = 0; i < TLS_CIPHERS; i++) {
			c = call(versions[v], suites[v][i]);
			CU_ASSERT_EQUAL(shake(c), TLS_ANSWER_DONE);
			CU_ASSERT_EQUAL(c->handover.send.version, versions[v]);
			CU_ASSERT(c->handover.send.cipher == i && !c->handover.resumed);
			CU_ASSERT(w.jobs->spent_ns > spent && w.jobs->unanswered == 0);
			spent = w.jobs->spent_ns;
			tls_caller_end(c);
		}
	}
	mbedtls_ssl_session_init(&session);
	c = call(TLS_1_2, 0);
	CU_ASSERT_EQUAL(shake(c), TLS_ANSWER_DONE);
	CU_ASSERT(tls_caller_talks(c));
	CU_ASSERT_EQUAL(mbedtls_ssl_get_session(&c->peer->ssl, &session), 0);
	tls_caller_end(c);
	c = call(TLS_1_2, 0);
	CU_ASSERT_EQUAL(mbedtls_ssl_set_session(&c->peer->ssl, &session), 0);
	CU_ASSERT_EQUAL(shake(c), TLS_ANSWER_DONE);
	CU_ASSERT(c->handover.resumed);
	CU_ASSERT(tls_caller_talks(c));
	tls_caller_end(c);
	mbedtls_ssl_session_free(&session);
	end();
}

static void
test_failures(void)
{
	struct tls_caller *c;

	begin();
	/* It says so in an alert, which the client understands. */
	c = call(TLS_1_2, MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256);
	CU_ASSERT_EQUAL(shake(c), TLS_ANSWER_FAILED);
	CU_ASSERT_EQUAL(c->cause, TLS_CAUSE_NOTHING_SHARED);
	CU_ASSERT_EQUAL(tls_mbed_shake(c->peer), MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE);
	CU_ASSERT_EQUAL(w.failed[TLS_CAUSE_NOTHING_SHARED], 1);
	tls_caller_end(c);

	c = call(TLS_1_3, 0);
	memcpy(c->peer->out, "GET / HTTP/1.1\r\n", 16);
	c->peer->n_out = 16;
	CU_ASSERT_EQUAL(shake(c), TLS_ANSWER_FAILED);
	CU_ASSERT_EQUAL(c->cause, TLS_CAUSE_NOT_TLS);
	tls_caller_end(c);

	c = call(TLS_1_3, 0);
	c->epoch = 2;
	CU_ASSERT_EQUAL(shake(c), TLS_ANSWER_FAILED);
	CU_ASSERT_EQUAL(c->cause, TLS_CAUSE_NO_LISTENER);
	tls_caller_end(c);
	CU_ASSERT_EQUAL(w.failed[TLS_CAUSE_NO_LISTENER], 1);

	/* A server is no client. */
	c = backend(TLS_1_3);
	c->slot = 3;
	CU_ASSERT_EQUAL(shake(c), TLS_ANSWER_FAILED);
	CU_ASSERT(c->cause == TLS_CAUSE_NO_POOL && w.failed[TLS_CAUSE_NO_POOL] == 1);
	tls_caller_end(c);
	CU_ASSERT(all_is_back() && live() == 0);
	end();
}

/* Without buffers for what is to be sent a handshake fails, wherever it is, and leaves nothing. */
static void
test_no_buffers(void)
{
	struct rte_mbuf *held[MBUFS];
	struct tls_caller *c;
	size_t v, steps;
	unsigned int n;

	begin();
	for (v = 0; v < 2; v++) {
		for (steps = 0; steps < 2; steps++) {
			c = call(versions[v], 0);
			if (steps > 0)
				turn(c);
			for (n = rte_mempool_avail_count(w.out); n > 0; n--)
				CU_ASSERT_PTR_NOT_NULL(held[n - 1] = rte_pktmbuf_alloc(w.out));
			CU_ASSERT_EQUAL(shake(c), TLS_ANSWER_FAILED);
			CU_ASSERT_EQUAL(c->cause, TLS_CAUSE_NO_MEMORY);
			rte_pktmbuf_free_bulk(held, MBUFS);
			CU_ASSERT(all_is_back() && live() == 0);
			tls_caller_end(c);
		}
	}
	CU_ASSERT_EQUAL(w.failed[TLS_CAUSE_NO_MEMORY], 4);
	c = call(TLS_1_3, 0);
	CU_ASSERT_EQUAL(shake(c), TLS_ANSWER_DONE);
	CU_ASSERT(tls_caller_talks(c));
	tls_caller_end(c);
	end();
}

/* More than a buffer has room for, and than is free in the one that comes first. */
static void
test_large_flight(void)
{
	struct tls_caller *c;
	static char chain[16 * 2048];
	struct tls_pair pair = tls_mbed_pair();
	struct tls_server_settings s = {
		.pairs = &pair, .n_pairs = 1, .minimum = TLS_1_2, .maximum = TLS_1_3
	};
	char error[200];
	size_t v, i;

	begin();
	for (i = 0; i < 16; i++)
		strcat(chain, pair.certificate);
	pair.certificate = chain;
	CU_ASSERT_EQUAL(tls_store_put(w.store, 3, 1, tls_server_create(&s, error, sizeof(error))),
			0);
	for (v = 0; v < 2; v++) {
		c = call(versions[v], 0);
		CU_ASSERT_EQUAL(shake(c), TLS_ANSWER_DONE);
		CU_ASSERT(tls_caller_talks(c));
		tls_caller_end(c);
	}
	chain[0] = '\0';
	CU_ASSERT(all_is_back());
	end();
}

/* What the handshake has to send in the middle of a question leaves before what it has to send at
 * the end. (A client of 1.3 may send a ChangeCipherSpec behind its ClientHello: RFC 8446 D.4.) */
static void
test_order(void)
{
	static const uint8_t record[] = { TLS_CHANGE_CIPHER_SPEC, 3, 3, 0, 1, 1 };
	struct tls_caller *c;

	begin();
	c = call(TLS_1_3, 0);
	c->segment = 1;
	tls_mbed_shake(c->peer);
	memcpy(c->peer->out + c->peer->n_out, record, sizeof(record));
	c->peer->n_out += sizeof(record);
	CU_ASSERT_EQUAL(shake(c), TLS_ANSWER_DONE);
	CU_ASSERT(tls_caller_talks(c));
	tls_caller_end(c);
	end();
}

/* What goes on, and what is with a backend, is not behind what clients ask to begin; and a backend
 * that is waited for does not give way to them. */
static void
test_first(void)
{
	struct tls_caller *clients[2], *b;
	struct tls_job *answered[JOBS];
	uint32_t n;

	begin();
	w.jobs->n_ports = 1;
	clients[0] = call(TLS_1_3, 0);
	clients[1] = call(TLS_1_3, 0);
	b = backend(TLS_1_3);
	CU_ASSERT(tls_caller_ask(clients[0], w.jobs, w.in));
	CU_ASSERT_FATAL(tls_caller_ask(b, w.jobs, w.in));
	CU_ASSERT(serve(0));
	CU_ASSERT_EQUAL_FATAL(tls_jobs_answered(w.jobs, answered, JOBS), 1);
	CU_ASSERT_PTR_EQUAL(answered[0], b->job);
	CU_ASSERT_PTR_NULL(tls_jobs_longest(w.jobs));
	tls_caller_answered(b, w.jobs);
	CU_ASSERT_FATAL(tls_caller_ask(clients[1], w.jobs, w.in));
	CU_ASSERT(serve(0));
	CU_ASSERT_EQUAL_FATAL(tls_jobs_answered(w.jobs, answered, JOBS), 1);
	CU_ASSERT_PTR_EQUAL(answered[0], clients[0]->job);
	CU_ASSERT_PTR_EQUAL(tls_jobs_longest(w.jobs), clients[0]->job);
	tls_caller_answered(clients[0], w.jobs);
	CU_ASSERT(tls_caller_ask(clients[0], w.jobs, w.in)); /* more, while the other waits */
	CU_ASSERT(serve(0));
	CU_ASSERT_EQUAL_FATAL(tls_jobs_answered(w.jobs, answered, JOBS), 1);
	CU_ASSERT_PTR_EQUAL(answered[0], clients[0]->job);
	tls_caller_answered(clients[0], w.jobs);
	for (n = 0; n < 2; n++) {
		if (clients[n]->job)
			tls_job_give_back(w.jobs, clients[n]->job);
		tls_caller_end(clients[n]);
	}
	tls_job_give_back(w.jobs, b->job);
	tls_caller_end(b);
	while (serve(0))
		tls_jobs_answered(w.jobs, answered, JOBS);
	CU_ASSERT(all_is_back() && live() == 0);
	w.jobs->n_ports = THREADS;
	end();
}

/* ---- nobody wants it any more ---------------------------------------------------------------- */

/* Given back after so many steps: a question and its answer are two. `served`: the thread has
 * answered what was asked last, and the worker has not looked yet. */
static void
give_back_after(enum tls_version version, int steps, bool served)
{
	struct tls_caller *c = call(version, 0);
	struct tls_job *answered[JOBS];

	if (steps == 0)
		c->job = tls_job_take(w.jobs, 0);
	for (; steps > 0; steps--) {
		if (!c->job || !c->job->asked) {
			CU_ASSERT_FATAL(tls_caller_ask(c, w.jobs, w.in));
			continue;
		}
		CU_ASSERT_EQUAL_FATAL(serve_all(answered), 1);
		if (steps > 1)
			tls_caller_answered(c, w.jobs);
	}
	CU_ASSERT_PTR_NOT_NULL_FATAL(c->job);
	if (served)
		serve(c->job->thread);
	tls_job_give_back(w.jobs, c->job);
	tls_caller_end(c);
}

static void
test_abandoned(void)
{
	struct tls_job *answered[JOBS];
	int steps, v, served;

	begin();
	for (v = 0; v < 2; v++) {
		/* Four: the second answer is the last one. */
		for (steps = 0; steps <= 4; steps++) {
			for (served = 0; served < 2; served++) {
				give_back_after(versions[v], steps, served);
				CU_ASSERT_EQUAL(serve_all(answered), 0);
				CU_ASSERT(all_is_back() && live() == 0);
			}
		}
	}
	end();
}

static void
test_wiped(void)
{
	static const struct tls_keys wiped;
	struct tls_caller *c;
	struct tls_job *job;

	begin();
	c = call(TLS_1_3, 0);
	turn(c);
	job = c->job;
	CU_ASSERT_EQUAL(shake(c), TLS_ANSWER_DONE);
	CU_ASSERT(memcmp(&job->handover.receive, &wiped, sizeof(wiped)) == 0);
	CU_ASSERT(memcmp(&job->handover.send, &wiped, sizeof(wiped)) == 0);
	CU_ASSERT(memcmp(&c->handover.send, &wiped, sizeof(wiped)) != 0);
	tls_caller_end(c);
	end();
}

/* ---- which thread ---------------------------------------------------------------------------- */

static void
test_choice(void)
{
	struct tls_job *jobs[JOBS], *answered[JOBS], *more;
	uint32_t i, at[THREADS] = { 0 };

	begin();
	for (i = 0; i < THREADS * MOST; i++) {
		jobs[i] = tls_job_take(w.jobs, i);
		CU_ASSERT_PTR_NOT_NULL_FATAL(jobs[i]);
		at[jobs[i]->thread]++;
		tls_job_ask(w.jobs, jobs[i], TLS_ASK_SERVER);
	}
	CU_ASSERT(at[0] == MOST && at[1] == MOST && at[2] == MOST);
	/* All have enough; one that answers can be asked. */
	CU_ASSERT_PTR_NULL(tls_job_take(w.jobs, 9));
	CU_ASSERT(serve(1));
	CU_ASSERT_EQUAL(tls_jobs_answered(w.jobs, answered, JOBS), 1);
	more = tls_job_take(w.jobs, 9);
	CU_ASSERT_PTR_NOT_NULL_FATAL(more);
	CU_ASSERT(more->thread == 1 && more->connection == 9);
	tls_job_ask(w.jobs, more, TLS_ASK_SERVER);
	CU_ASSERT_PTR_NULL(tls_job_take(w.jobs, 10));
	/* What has been begun goes on nevertheless. */
	tls_job_ask(w.jobs, answered[0], TLS_ASK_MORE);
	CU_ASSERT_EQUAL(w.jobs->waiting[1], MOST + 1);
	/* At most so many at once, then the others. */
	while (serve(0) || serve(1) || serve(2))
		;
	CU_ASSERT_EQUAL(tls_jobs_answered(w.jobs, answered, 3), 3);
	CU_ASSERT_EQUAL(tls_jobs_answered(w.jobs, answered + 3, JOBS), 4);
	for (i = 0; i < 7; i++)
		tls_job_give_back(w.jobs, answered[i]);
	CU_ASSERT_EQUAL(serve_all(answered), 0);
	CU_ASSERT(all_is_back() && live() == 0);
	CU_ASSERT(w.jobs->waiting[0] == 0 && w.jobs->waiting[1] == 0 && w.jobs->waiting[2] == 0);
	/* And not more than there are; where all are alike, one after the other. */
	for (i = 0; i < JOBS; i++) {
		jobs[i] = tls_job_take(w.jobs, i);
		CU_ASSERT_PTR_NOT_NULL_FATAL(jobs[i]);
		CU_ASSERT_EQUAL(jobs[i]->thread, (jobs[0]->thread + i) % THREADS);
	}
	CU_ASSERT_PTR_NULL(tls_job_take(w.jobs, i));
	for (i = 0; i < JOBS; i++)
		tls_job_give_back(w.jobs, jobs[i]);
	end();
}

static bool
rung(struct tls_port *port)
{
	eventfd_t n;

	return eventfd_read(port->wake, &n) == 0;
}

/* Only one that sleeps is woken, and once. */
static void
test_wake(void)
{
	struct tls_job *jobs[JOBS], *answered[JOBS];
	int i;

	begin();
	w.jobs->n_ports = 1;
	w.jobs->most = JOBS;
	for (i = 0; i < 3; i++) {
		jobs[i] = tls_job_take(w.jobs, 0);
		if (i == 1)
			atomic_store(&w.ports[0].asleep, true);
		tls_job_ask(w.jobs, jobs[i], TLS_ASK_SERVER);
		CU_ASSERT_EQUAL(rung(&w.ports[0]), i == 1);
		CU_ASSERT_FALSE(w.ports[0].asleep);
	}
	for (i = 0; i < 3; i++)
		tls_job_give_back(w.jobs, jobs[i]);
	CU_ASSERT_EQUAL(serve_all(answered), 0);
	CU_ASSERT(all_is_back());
	end();
}

/* ---- the store ------------------------------------------------------------------------------- */

/* One that is replaced or removed lives until the last handshake with it has ended. */
static void
test_store(void)
{
	struct tls_caller *old, *other, *removed;
	struct tls_server *first = NULL;

	begin();
	first = tls_store_get(w.store, 3, 1);
	old = call(TLS_1_3, 0);
	turn(old);
	CU_ASSERT_EQUAL(atomic_load(&first->references), 3);
	CU_ASSERT_EQUAL(tls_store_put(w.store, 3, 2, make_server()), 0);
	CU_ASSERT_EQUAL(atomic_load(&first->references), 2);
	other = call(TLS_1_3, 0);
	other->epoch = 2;
	turn(other);
	CU_ASSERT_EQUAL(atomic_load(&first->references), 2);
	CU_ASSERT_PTR_NULL(tls_store_get(w.store, 3, 1));
	CU_ASSERT_EQUAL(tls_store_put(w.store, 3, 2, NULL), 0);
	CU_ASSERT_PTR_NULL(tls_store_get(w.store, 3, 2));
	CU_ASSERT_PTR_NULL(tls_store_get(w.store, UINT32_MAX, 1));
	CU_ASSERT_EQUAL(tls_store_put(w.store, UINT32_MAX, 1, first), -EINVAL);
	CU_ASSERT_EQUAL(shake(old), TLS_ANSWER_DONE);
	CU_ASSERT(tls_caller_talks(old));
	CU_ASSERT_EQUAL(atomic_load(&first->references), 1);
	tls_store_release(w.store, first);
	CU_ASSERT_EQUAL(shake(other), TLS_ANSWER_DONE);
	CU_ASSERT(tls_caller_talks(other));
	removed = call(TLS_1_3, 0);
	removed->epoch = 2;
	CU_ASSERT_EQUAL(shake(removed), TLS_ANSWER_FAILED);
	CU_ASSERT_EQUAL(removed->cause, TLS_CAUSE_NO_LISTENER);
	tls_caller_end(old);
	tls_caller_end(other);
	tls_caller_end(removed);
	end();
}

/* The same with clients. */
static void
test_store_clients(void)
{
	const char *ca = tls_mbed_pair().certificate;
	struct tls_client *first;
	struct tls_caller *old;

	begin();
	first = tls_store_get_client(w.store, 4, 1);
	old = backend(TLS_1_3);
	turn(old);
	CU_ASSERT_EQUAL(atomic_load(&first->references), 3);
	CU_ASSERT_EQUAL(tls_store_put_client(w.store, 4, 2, make_client(ca)), 0);
	CU_ASSERT_EQUAL(atomic_load(&first->references), 2);
	CU_ASSERT_PTR_NULL(tls_store_get_client(w.store, 4, 1));
	CU_ASSERT_EQUAL(tls_store_put_client(w.store, 4, 2, NULL), 0);
	CU_ASSERT_PTR_NULL(tls_store_get_client(w.store, 4, 2));
	CU_ASSERT_PTR_NULL(tls_store_get_client(w.store, UINT32_MAX, 1));
	CU_ASSERT_EQUAL(tls_store_put_client(w.store, UINT32_MAX, 1, first), -EINVAL);
	CU_ASSERT_EQUAL(shake(old), TLS_ANSWER_DONE);
	CU_ASSERT(tls_caller_talks(old));
	CU_ASSERT_EQUAL(atomic_load(&first->references), 1);
	tls_client_free(first);
	tls_caller_end(old);
	end();
}

int
test_tls_jobs_register(void)
{
	static CU_TestInfo tests[] = {
		{ "cut by questions and buffers", test_cut },
		{ "we are the client", test_backends },
		{ "what is told of each", test_told },
		{ "what fails", test_failures },
		{ "no buffers", test_no_buffers },
		{ "a flight of many buffers", test_large_flight },
		{ "output in the middle of a question", test_order },
		{ "given back in each state", test_abandoned },
		{ "keys do not stay", test_wiped },
		{ "what goes before the others", test_first },
		{ "which thread is asked", test_choice },
		{ "who is woken", test_wake },
		{ "servers that are replaced", test_store },
		{ "clients that are replaced", test_store_clients },
		CU_TEST_INFO_NULL,
	};
	static CU_SuiteInfo suites[] = { { "tls_jobs", NULL, NULL, NULL, NULL, tests },
					 CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}

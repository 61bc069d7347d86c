/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: what a worker and its handshake threads say to each other, in any order.
 *
 * Input: one byte for each thing that happens: what in its low half, to whom in its high half, and
 * for what a client does one more: how. Clients and backends of mbedTLS come and ask, threads
 * answer one question, the worker looks, gives back, buffers run out, certificates change. After
 * each no job is lost or has two owners; a handshake that nobody has disturbed ends with keys that
 * are right.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "cp/tls/client.h"
#include "cp/tls/serve.h"
#include "tests/unit/tls_bytes.h"
#include "tests/unit/tls_caller.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CALLERS 4
#define THREADS 2
#define JOBS    6
#define MOST    2
#define MBUFS   63

struct world {
	struct rte_mempool *in, *out;
	struct tls_store *store;
	struct tls_port ports[THREADS];
	struct tls_serving serving[THREADS];
	struct tls_jobs *jobs;
	struct tls_caller *callers[CALLERS];
	bool disturbed[CALLERS];
	struct rte_mbuf *held[MBUFS];
	uint32_t n_held, epoch;
	bool removed; /* there is no server and no client */
};

static void
must(bool condition)
{
	if (!condition)
		abort();
}

/* A server, and a client that believes its certificate. */
static void
put_both(struct world *w)
{
	struct tls_pair pair = tls_mbed_pair();
	struct tls_server_settings s = { .pairs = &pair,
					 .n_pairs = 1,
					 .minimum = TLS_1_2,
					 .maximum = TLS_1_3,
					 .ticket_lifetime = 60,
					 .tickets = 1 };
	struct tls_client_settings c = { .ca = pair.certificate,
					 .server_name = "shop.example",
					 .verify = true,
					 .minimum = TLS_1_2,
					 .maximum = TLS_1_3 };
	char error[200];
	struct tls_server *server = tls_server_create(&s, error, sizeof(error));
	struct tls_client *client = tls_client_create(&c, error, sizeof(error));

	must(server && tls_store_put(w->store, 0, ++w->epoch, server) == 0);
	must(client && tls_store_put_client(w->store, 0, w->epoch, client) == 0);
	w->removed = false;
}

static void
remove_both(struct world *w)
{
	must(tls_store_put(w->store, 0, w->epoch, NULL) == 0);
	must(tls_store_put_client(w->store, 0, w->epoch, NULL) == 0);
	w->removed = true;
}

static struct world *
world(void)
{
	static struct world w;
	struct tls_jobs_settings s = { .n = JOBS,
				       .most = MOST,
				       .ports = w.ports,
				       .n_ports = THREADS,
				       .socket = SOCKET_ID_ANY };
	char name[16];
	int i;

	if (w.jobs)
		return &w;
	w.in = tls_caller_pool("in", 2047);
	w.out = tls_caller_pool("out", MBUFS);
	w.store = tls_store_create();
	must(w.store != NULL);
	for (i = 0; i < THREADS; i++) {
		snprintf(name, sizeof(name), "asked-%d", i);
		w.ports[i].asked =
		    rte_ring_create(name, JOBS, SOCKET_ID_ANY, RING_F_SC_DEQ | RING_F_EXACT_SZ);
		w.ports[i].wake = eventfd(0, EFD_NONBLOCK);
		must(w.ports[i].asked && w.ports[i].wake >= 0);
		w.serving[i] = (struct tls_serving){ .mbufs = w.out,
						     .store = w.store,
						     .engine = tls_test_engine() };
	}
	w.jobs = tls_jobs_create(&s);
	must(w.jobs != NULL);
	put_both(&w);
	return &w;
}

/* ---- what happens ---------------------------------------------------------------------------- */

static void
forget(struct world *w, uint32_t who)
{
	tls_caller_end(w->callers[who]);
	w->callers[who] = NULL;
	w->disturbed[who] = false;
}

/* None is refused without a reason. */
static bool
may_be_refused(const struct world *w)
{
	return w->jobs->taken == JOBS ||
	       (w->jobs->waiting[0] >= MOST && w->jobs->waiting[1] >= MOST);
}

/* What it is that comes is in the high half. */
static void
ask(struct world *w, uint8_t what, uint8_t cut)
{
	enum tls_version version = what & 0x40 ? TLS_1_3 : TLS_1_2;
	struct tls_caller **at = &w->callers[what >> 4 & 3], *c = *at;

	if (!c) {
		c = *at = what & 0x80 ? tls_caller_serve(version) : tls_caller_begin(version, 0);
		c->epoch = w->epoch;
	}
	if (c->job && c->job->asked)
		return;
	c->cut = cut & 0x7f ? (cut & 0x7f) * 8u : 0;
	c->segment = cut & 0x80 ? 61 : 0;
	if (!tls_caller_ask(c, w->jobs, w->in))
		must(may_be_refused(w));
}

/* A byte of what it has to say next. */
static void
disturb(struct world *w, uint32_t who, uint8_t where)
{
	struct tls_caller *c = w->callers[who];

	if (!c)
		return;
	if (c->peer->n_out == 0)
		tls_mbed_shake(c->peer);
	if (c->peer->n_out == 0)
		return;
	c->peer->out[where * 7u % c->peer->n_out] ^= 0x40;
	w->disturbed[who] = true;
}

static void
serve(struct world *w, uint32_t thread)
{
	void *job;

	if (rte_ring_dequeue(w->ports[thread].asked, &job) != 0)
		return;
	tls_serve(&w->serving[thread], job);
	must(rte_ring_enqueue(w->jobs->answers, job) == 0);
}

static void
take_answer(struct world *w, const struct tls_job *job)
{
	uint32_t who;
	struct tls_caller *c;

	for (who = 0; who < CALLERS; who++) {
		if (w->callers[who] && w->callers[who]->job == job)
			break;
	}
	must(who < CALLERS);
	c = w->callers[who];
	tls_caller_answered(c, w->jobs);
	if (c->job)
		return;
	must(c->answer == TLS_ANSWER_DONE || c->answer == TLS_ANSWER_FAILED);
	must(c->answer == TLS_ANSWER_DONE || w->disturbed[who] || c->cause == TLS_CAUSE_NO_MEMORY ||
	     c->cause == (c->is_backend ? TLS_CAUSE_NO_POOL : TLS_CAUSE_NO_LISTENER));
	must(c->answer == TLS_ANSWER_FAILED || w->disturbed[who] || tls_caller_talks(c));
	forget(w, who);
}

static void
look(struct world *w, uint32_t n)
{
	struct tls_job *answered[JOBS];
	uint32_t i, got = tls_jobs_answered(w->jobs, answered, n);

	must(got <= n);
	for (i = 0; i < got; i++)
		take_answer(w, answered[i]);
}

static void
give_back(struct world *w, uint32_t who)
{
	if (!w->callers[who])
		return;
	if (w->callers[who]->job)
		tls_job_give_back(w->jobs, w->callers[who]->job);
	forget(w, who);
}

static void
hold_buffers(struct world *w, bool hold)
{
	while (hold && rte_mempool_avail_count(w->out) > 0)
		w->held[w->n_held++] = rte_pktmbuf_alloc(w->out);
	while (!hold && w->n_held > 0)
		rte_pktmbuf_free(w->held[--w->n_held]);
}

/* ---- what is always so ----------------------------------------------------------------------- */

static void
check(const struct world *w)
{
	const struct tls_jobs *jobs = w->jobs;
	uint32_t asked[THREADS] = { 0 }, abandoned = 0, held = 0, shaking = 0, n = 0, i;

	for (i = 0; i < CALLERS; i++)
		held += w->callers[i] && w->callers[i]->job;
	for (i = 0; i < JOBS; i++) {
		const struct tls_job *job = &jobs->jobs[i];

		shaking += job->handshake != NULL;
		asked[job->thread] += job->asked;
		abandoned += job->asked && job->abandoned;
	}
	must(jobs->taken == held + abandoned);
	for (i = jobs->free_list; i != UINT32_MAX && n <= JOBS; i = jobs->jobs[i].next_free) {
		must(!jobs->jobs[i].asked && !jobs->jobs[i].handshake && !jobs->jobs[i].in &&
		     !jobs->jobs[i].out);
		n++;
	}
	must(n + jobs->taken == JOBS);
	must(shaking == w->serving[0].n_live + w->serving[1].n_live);
	for (i = 0; i < THREADS; i++)
		must(jobs->waiting[i] == asked[i]);
	must(asked[0] + asked[1] == rte_ring_count(w->ports[0].asked) +
					rte_ring_count(w->ports[1].asked) +
					rte_ring_count(jobs->answers));
}

static void
end(struct world *w)
{
	uint32_t i;

	for (i = 0; i < CALLERS; i++)
		give_back(w, i);
	hold_buffers(w, false);
	do {
		serve(w, 0);
		serve(w, 1);
		look(w, JOBS);
		check(w);
	} while (w->jobs->waiting[0] + w->jobs->waiting[1] > 0);
	must(w->jobs->taken == 0 && rte_mempool_full(w->in) && rte_mempool_full(w->out));
	if (w->removed)
		put_both(w);
}

static void
happen(struct world *w, uint8_t what, uint8_t how)
{
	uint32_t who = what >> 4 & 3;

	switch (what & 15) {
	case 0 ... 2:
		ask(w, what, how);
		break;
	case 3:
		disturb(w, who, how);
		break;
	case 4 ... 6:
		serve(w, who % THREADS);
		break;
	case 7 ... 9:
		look(w, 1 + who);
		break;
	case 10:
		give_back(w, who);
		break;
	case 11:
		hold_buffers(w, who & 1);
		break;
	case 12:
		put_both(w);
		break;
	case 13:
		remove_both(w);
		break;
	default:
		atomic_store(&w->ports[who % THREADS].asleep, true);
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world *w = world();
	size_t at, last = size < 256 ? size : 256;

	for (at = 0; at < last; at++) {
		uint8_t what = data[at];

		if ((what & 15) < 4 && at + 1 < last)
			at++;
		happen(w, what, data[at]);
		check(w);
	}
	end(w);
	return 0;
}

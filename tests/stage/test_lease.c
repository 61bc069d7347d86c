/* SPDX-License-Identifier: Apache-2.0 */
/* Leases: several workers at once never use more than the limit, and leave hardly anything. */
#include <pthread.h>
#include <string.h>

#include "dp/l4/lease.h"
#include "lib/gcra.h"
#include "suites.h"

#define WORKERS 4
#define SECOND  1000000000ull
#define START   (5 * SECOND)

static struct lease_rate
shared_rate(uint64_t count, uint64_t burst_ns, uint32_t max_n, uint64_t least)
{
	struct gcra_rate rate = { count, SECOND, burst_ns, max_n };
	struct lease_rate r = { .gcra = gcra_make(&rate), .shift = 3 };
	uint64_t batch = r.gcra.burst / 16 / WORKERS;

	if (batch < least * gcra_cost(&r.gcra, 1))
		return r;
	r.batch = batch;
	r.carry = 2 * batch;
	r.gcra.burst -= WORKERS * r.carry;
	return r;
}

/* ---- one worker ---- */

static uint64_t
take_all(const struct lease_request *r, uint32_t n)
{
	uint64_t cost = gcra_cost(&r->rate->gcra, 1), passed = 0;

	for (; n; n--) {
		if (!lease_ensure(r, cost))
			continue;
		r->lease->credit[r->kind] -= cost;
		passed++;
	}
	return passed;
}

static void
test_alone(void)
{
	struct service_bucket bucket = { 0 };
	struct lease lease = { 0 };
	struct lease_rate rate = shared_rate(100000, 100000000, 1, 32);
	struct lease_request r = { &lease, &bucket, &rate, LIMIT_PACKETS, gcra_time(START) };
	uint64_t first = take_all(&r, 100000), later;

	/* 10,000 fit into the burst; 1/8 at most is what workers may hold. */
	CU_ASSERT(rate.batch > 0);
	CU_ASSERT(first <= 10000 && first >= 8700);
	r.now = gcra_time(START + SECOND / 2);
	later = take_all(&r, 1000000);
	CU_ASSERT(later <= 10000);
	/* In small steps the rate is what passes. */
	for (first = 0, later = 0; first < 1000; first++) {
		r.now += gcra_time(1000000);
		later += take_all(&r, 1000);
	}
	CU_ASSERT(later <= 100000 && later >= 99500);
}

/* Credit goes back: into the lease as far as it may, else into the bucket, and never beyond full.
 */
static void
test_give_back(void)
{
	struct service_bucket bucket = { 0 };
	struct lease lease = { 0 };
	struct lease_rate rate = shared_rate(100, SECOND / 10, 1, 32);
	struct lease_request r = { &lease, &bucket, &rate, LIMIT_PACKETS, gcra_time(START) };
	uint64_t cost = gcra_cost(&rate.gcra, 1);
	int i;

	CU_ASSERT_EQUAL(rate.batch, 0);
	CU_ASSERT_EQUAL(take_all(&r, 100), 10);
	for (i = 0; i < 4; i++)
		lease_give_back(&r, cost);
	CU_ASSERT_EQUAL(lease.credit[LIMIT_PACKETS], 0);
	CU_ASSERT_EQUAL(take_all(&r, 100), 4);
	for (i = 0; i < 1000; i++)
		lease_give_back(&r, cost);
	CU_ASSERT_EQUAL(take_all(&r, 100), 10);
	/* Ensured and not used. */
	r.now = gcra_time(START + SECOND / 100);
	CU_ASSERT_TRUE(lease_ensure(&r, cost));
	lease_give_back(&r, 0);
	CU_ASSERT_EQUAL(take_all(&r, 100), 1);
}

/* ---- several at once ---- */

struct crowd {
	struct service_bucket bucket;
	struct lease_rate rate;
	_Atomic(uint64_t) clock; /* ns */
	uint64_t until;
	uint32_t n; /* what an event counts */
	pthread_barrier_t barrier;
};

struct one {
	struct crowd *crowd;
	struct lease lease;
	uint64_t passed;
	bool refunds;
};

/* Asks as often as it can; the clock moves on with the asking. */
static void *
worker(void *arg)
{
	struct one *me = arg;
	struct crowd *c = me->crowd;
	struct lease_request r = { &me->lease, &c->bucket, &c->rate, LIMIT_PACKETS, 0 };
	uint64_t cost = gcra_cost(&c->rate.gcra, c->n), now, i;

	pthread_barrier_wait(&c->barrier);
	for (i = 0;; i++) {
		now = atomic_fetch_add(&c->clock, 20);
		if (now >= c->until)
			return NULL;
		r.now = gcra_time(now);
		if (!lease_ensure(&r, cost))
			continue;
		me->lease.credit[LIMIT_PACKETS] -= cost;
		/* Some are refused by another limit later on. */
		if (me->refunds && i % 3 == 0)
			lease_give_back(&r, cost);
		else
			me->passed += c->n;
	}
}

static uint64_t
run_crowd(uint64_t count, uint64_t burst_ns, uint32_t n, bool refunds, uint64_t ns)
{
	static struct one ones[WORKERS];
	static struct crowd c;
	pthread_t threads[WORKERS];
	uint64_t sum = 0;
	int i;

	memset(&c, 0, sizeof(c));
	memset(ones, 0, sizeof(ones));
	c.rate = shared_rate(count, burst_ns, n > 1 ? 65535 : 1, 32 * n);
	c.n = n;
	atomic_store(&c.clock, START);
	c.until = START + ns;
	pthread_barrier_init(&c.barrier, NULL, WORKERS);
	for (i = 0; i < WORKERS; i++) {
		ones[i].crowd = &c;
		ones[i].refunds = refunds;
		if (pthread_create(&threads[i], NULL, worker, &ones[i]) != 0)
			CU_FAIL_FATAL("no thread");
	}
	for (i = 0; i < WORKERS; i++) {
		pthread_join(threads[i], NULL);
		sum += ones[i].passed;
	}
	pthread_barrier_destroy(&c.barrier);
	return sum;
}

static void
test_crowd(void)
{
	static const struct {
		uint64_t count, burst_ns;
		uint32_t n;
	} cases[] = {
		{ 1000000, 100000000, 1 },   { 1000000, 1000000, 1 },
		{ 1000, 10000000, 1 },       { 100, 10000000, 1 },
		{ 3333333, 50000000, 1 },    { 2000000000, 100000000, 1400 },
		{ 5000000, 10000000, 1400 },
	};
	size_t i;
	int refunds;

	for (i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t count = cases[i / 2].count, burst = cases[i / 2].burst_ns,
			 ns = SECOND / 10;
		uint64_t passed, most;

		refunds = (int)(i & 1);
		passed = run_crowd(count, burst, cases[i / 2].n, refunds, ns);
		most = (uint64_t)((unsigned __int128)(ns + burst) * count / SECOND);
		CU_ASSERT(passed <= (most > cases[i / 2].n ? most : cases[i / 2].n));
		/* What workers may hold stays unused; then an event or two a worker. */
		CU_ASSERT(passed + (uint64_t)((unsigned __int128)burst * count / SECOND / 8) +
			      2 * WORKERS * cases[i / 2].n + most / 100 >=
			  most);
	}
}

/* ---- connections ---- */

static void *
connector(void *arg)
{
	struct one *me = arg;
	int i, held = 0;

	pthread_barrier_wait(&me->crowd->barrier);
	for (i = 0; i < 100000; i++) {
		if (service_connection_add(&me->crowd->bucket, 7, 100))
			held++;
		if (service_connections(&me->crowd->bucket, 7) > 100)
			me->passed++;
		if (i % 3 && held) {
			service_connection_remove(&me->crowd->bucket, 7);
			held--;
		}
	}
	for (; held; held--)
		service_connection_remove(&me->crowd->bucket, 7);
	return NULL;
}

static void
test_connections(void)
{
	static struct one ones[WORKERS];
	static struct crowd c;
	pthread_t threads[WORKERS];
	int i;

	pthread_barrier_init(&c.barrier, NULL, WORKERS);
	for (i = 0; i < WORKERS; i++) {
		ones[i].crowd = &c;
		if (pthread_create(&threads[i], NULL, connector, &ones[i]) != 0)
			CU_FAIL_FATAL("no thread");
	}
	for (i = 0; i < WORKERS; i++) {
		pthread_join(threads[i], NULL);
		CU_ASSERT_EQUAL(ones[i].passed, 0);
	}
	pthread_barrier_destroy(&c.barrier);
	CU_ASSERT_EQUAL(service_connections(&c.bucket, 7), 0);
	/* The next service at this slot begins with none, and those of the old one end unnoticed.
	 */
	CU_ASSERT_TRUE(service_connection_add(&c.bucket, 7, 1));
	CU_ASSERT_TRUE(service_connection_add(&c.bucket, 8, 1));
	CU_ASSERT_FALSE(service_connection_add(&c.bucket, 8, 1));
	service_connection_remove(&c.bucket, 7);
	CU_ASSERT_EQUAL(service_connections(&c.bucket, 8), 1);
	CU_ASSERT_FALSE(service_connection_add(&c.bucket, 7, 1));
}

int
test_lease_register(void)
{
	CU_TestInfo tests[] = {
		{ "one worker", test_alone },
		{ "credit goes back", test_give_back },
		{ "four workers at once", test_crowd },
		{ "connections of four workers", test_connections },
		CU_TEST_INFO_NULL,
	};

	return suite_add("lease", tests);
}

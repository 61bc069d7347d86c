/* SPDX-License-Identifier: Apache-2.0 */
/* dp/transmit: a port that does not take all that is to leave. */
#include <rte_ethdev.h>

#include "dp/transmit.h"
#include "fixture.h"
#include "suites.h"

#define MS    1000000ull
#define KEPT  (TX_QUEUE_MAX - BURST_MAX)
#define COUNT 4096

static struct fixture *f;
static struct rte_eth_fp_ops before;
static void *queues[1];

/* The port, and what has left by it, by number. */
static uint16_t room;
static uint32_t left[COUNT], n_left, n_made;

static uint16_t
port_takes(void *queue, struct rte_mbuf **mbufs, uint16_t n)
{
	uint16_t i;

	(void)queue;
	n = RTE_MIN(n, room);
	room = (uint16_t)(room - n);
	for (i = 0; i < n; i++) {
		left[n_left++] = *rte_pktmbuf_mtod(mbufs[i], uint32_t *);
		rte_pktmbuf_free(mbufs[i]);
	}
	return n;
}

static void
set_up(void)
{
	struct rte_eth_fp_ops *ops = &rte_eth_fp_ops[0];

	f = fixture_create();
	fixture_publish(f);
	before = *ops;
	ops->tx_pkt_burst = port_takes;
	ops->txq.data = queues;
	n_left = n_made = 0;
}

static void
tear_down(void)
{
	rte_eth_fp_ops[0] = before;
	fixture_destroy(f);
	CU_ASSERT_EQUAL(fixture_mbufs_in_use(), 0);
}

static void
transmit(uint32_t n)
{
	uint8_t frame[64] = { 0 };

	for (; n; n--) {
		memcpy(frame, &n_made, sizeof(n_made));
		n_made++;
		worker_transmit(f->worker, 0, fixture_mbuf(frame, sizeof(frame)));
	}
}

static uint64_t
dropped(void)
{
	return f->worker->stats.drops[DROP_TRANSMIT_FULL];
}

static bool
left_in_order(uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n_left && left[i] == i; i++)
		continue;
	return n_left == n && i == n;
}

static void
test_all_leaves(void)
{
	set_up();
	room = 200;
	transmit(100);
	CU_ASSERT_EQUAL(n_left, 64);
	worker_flush(f->worker);
	CU_ASSERT(left_in_order(100));
	CU_ASSERT_EQUAL(f->worker->tx_full, 0);
	tear_down();
}

static void
test_waits(void)
{
	set_up();
	room = 30;
	transmit(100);
	worker_flush(f->worker);
	CU_ASSERT(left_in_order(30));
	CU_ASSERT_EQUAL(f->worker->tx_full, 1);
	CU_ASSERT_EQUAL(f->worker->stats.packets_out, 30);
	transmit(100);
	room = 50;
	worker_flush_full(f->worker);
	CU_ASSERT(left_in_order(80));
	CU_ASSERT_EQUAL(f->worker->tx_full, 1);
	room = 500;
	worker_flush_full(f->worker);
	CU_ASSERT(left_in_order(200));
	CU_ASSERT_EQUAL(f->worker->tx_full, 0);
	CU_ASSERT_EQUAL(dropped(), 0);
	CU_ASSERT_EQUAL(f->worker->stats.ports[0].tx_bytes, 200 * 64);
	tear_down();
}

static void
test_too_many(void)
{
	set_up();
	room = 10;
	transmit(1000);
	worker_flush(f->worker);
	CU_ASSERT_EQUAL(dropped(), 1000 - 10 - KEPT);
	room = 1000;
	worker_flush(f->worker);
	CU_ASSERT(left_in_order(10 + KEPT));
	tear_down();
}

static void
offer(uint64_t after, uint32_t times)
{
	for (; times; times--) {
		f->worker->now += after;
		worker_flush(f->worker);
	}
}

/* As long as it takes some, however few, the others wait; and if nobody has offered any. */
static void
test_too_long(void)
{
	uint32_t i;

	set_up();
	room = 0;
	transmit(100);
	for (i = 0; i < 50; i++) {
		room = i % 2;
		offer(4 * MS, 1);
	}
	offer(60 * MS, 1);
	offer(4 * MS, 2);
	CU_ASSERT_EQUAL(dropped(), 0);
	CU_ASSERT(left_in_order(25));
	CU_ASSERT_EQUAL(f->worker->tx_full, 1);
	offer(4 * MS, 1);
	CU_ASSERT_EQUAL(dropped(), 75);
	CU_ASSERT_EQUAL(f->worker->tx_full, 0);
	tear_down();
}

/* Nothing waits for who is not there, until he is again. */
static void
test_dead(void)
{
	set_up();
	room = 0;
	transmit(1);
	offer(4 * MS, 4);
	CU_ASSERT_EQUAL(dropped(), 1);
	transmit(100);
	offer(1, 1);
	CU_ASSERT_EQUAL(dropped(), 101);
	CU_ASSERT_EQUAL(f->worker->tx_full, 0);
	room = 1;
	transmit(3);
	offer(1, 1);
	CU_ASSERT_EQUAL(n_left, 1);
	CU_ASSERT_EQUAL(dropped(), 101);
	CU_ASSERT_EQUAL(f->worker->tx_full, 1);
	room = 9;
	offer(1, 1);
	CU_ASSERT_EQUAL(n_left, 3);
	tear_down();
}

static void
frame_of_another(struct rte_ring *ring)
{
	uint8_t frame[64] = { 0 };

	memcpy(frame, &n_made, sizeof(n_made));
	n_made++;
	CU_ASSERT_EQUAL(rte_ring_enqueue(ring, fixture_mbuf(frame, sizeof(frame))), 0);
}

/* Frames of workers without a queue wait with those of the worker that sends them, or, if these are
 * many, where they are. */
static void
test_of_others(void)
{
	struct rte_ring *ring;

	set_up();
	ring = rte_ring_create("others", 64, SOCKET_ID_ANY, 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(ring);
	f->dataplane.ports[0].tx_shared = ring;
	room = 0;
	transmit(1);
	frame_of_another(ring);
	CU_ASSERT_EQUAL(worker_flush(f->worker), 1);
	transmit(KEPT - BURST_MAX - 1);
	frame_of_another(ring);
	CU_ASSERT_EQUAL(worker_flush(f->worker), 0);
	CU_ASSERT_EQUAL(rte_ring_count(ring), 1);
	room = KEPT;
	CU_ASSERT_EQUAL(worker_flush(f->worker), 1);
	CU_ASSERT(left_in_order(n_made));
	f->dataplane.ports[0].tx_shared = NULL;
	rte_ring_free(ring);
	tear_down();
}

int
test_transmit_register(void)
{
	static const CU_TestInfo tests[] = {
		{ "all leaves", test_all_leaves },
		{ "a full port: the rest waits", test_waits },
		{ "... but not too many", test_too_many },
		{ "... nor for too long", test_too_long },
		{ "a port with nobody at its other end", test_dead },
		{ "... and so do other workers' frames", test_of_others },
		CU_TEST_INFO_NULL,
	};

	return suite_add("transmit", tests);
}

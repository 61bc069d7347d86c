/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/stages/second.h"

#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_pause.h>
#include <rte_prefetch.h>

#include "bench/common/world.h"
#include "dp/pipeline.h"
#include "dp/transmit.h"

/* Packets on the way between two workers that keep up with each other. */
#define ON_THE_WAY 512

uint16_t
second_take(struct worker *w)
{
	struct rte_mbuf *mbufs[BURST_MAX];
	uint16_t n;

	n = (uint16_t)rte_ring_sc_dequeue_burst(w->inbox, (void **)mbufs, BURST_MAX, NULL);
	if (n)
		pipeline_steered(w, mbufs, n);
	worker_flush(w);
	return n;
}

uint16_t
second_take_bare(struct worker *w)
{
	struct rte_mbuf *mbufs[BURST_MAX];
	uint16_t n, i;

	n = (uint16_t)rte_ring_sc_dequeue_burst(w->inbox, (void **)mbufs, BURST_MAX, NULL);
	for (i = 0; i < n; i++)
		rte_prefetch0(mbufs[i]);
	for (i = 0; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(mbufs[i], void *));
	/* A hop less: the frame is read and written. */
	for (i = 0; i < n; i++)
		rte_pktmbuf_mtod(mbufs[i], uint8_t *)[22]--;
	if (n)
		rte_pktmbuf_free_bulk(mbufs, n);
	return n;
}

static int
run_apart(void *arg)
{
	struct second *s = arg;
	uint64_t start;
	uint16_t n;

	while (!atomic_load(&s->stop) || !rte_ring_empty(s->worker->inbox)) {
		start = rte_rdtsc();
		n = s->bare ? second_take_bare(s->worker) : second_take(s->worker);
		if (n)
			samples_add(&s->cycles, (double)(rte_rdtsc() - start) / n);
	}
	return 0;
}

void
second_start(struct second *s, struct worker *w, bool bare)
{
	s->worker = w;
	s->bare = bare;
	s->cycles.n = 0;
	atomic_store(&s->stop, false);
	if (rte_eal_remote_launch(run_apart, s, WORLD_SECOND_LCORE))
		world_fail("the second worker does not start");
}

void
second_wait(const struct second *s)
{
	while (rte_ring_count(s->worker->inbox) > ON_THE_WAY)
		rte_pause();
}

void
second_stop(struct second *s)
{
	atomic_store(&s->stop, true);
	rte_eal_wait_lcore(WORLD_SECOND_LCORE);
}

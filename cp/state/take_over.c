/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/state/take_over.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <rte_launch.h>

#include "cp/log.h"
#include "cp/loop.h"
#include "dp/l4/connection_memory.h"

struct job {
	struct worker *worker;
	struct connections_restored result;
};

static int
run_job(void *arg)
{
	struct job *job = arg;
	struct worker *w = job->worker;

	w->snapshot = atomic_load(&w->dataplane->published);
	w->now = dp_clock_now(&w->dataplane->clock);
	connections_restore(w, &job->result);
	return 0;
}

static void
say(const struct connections_restored *sum, uint64_t ns)
{
	char alive[16], timed_out[16], stale[16], damaged[16], ms[24];

	snprintf(alive, sizeof(alive), "%" PRIu32, sum->alive);
	snprintf(timed_out, sizeof(timed_out), "%" PRIu32, sum->timed_out);
	snprintf(stale, sizeof(stale), "%" PRIu32, sum->stale);
	snprintf(damaged, sizeof(damaged), "%" PRIu32, sum->damaged);
	snprintf(ms, sizeof(ms), "%" PRIu64, ns / 1000000);
	log_event(sum->damaged ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, "connections-taken-over",
		  "message", "goes on with the connections of the last penstockd", "#connections",
		  alive, "#timed_out", timed_out, "#stale", stale, "#damaged", damaged,
		  "#milliseconds", ms, NULL);
}

/* Without taking the CPU from a worker that shares it, as rte_eal_wait_lcore would. */
static void
wait_for(unsigned int lcore)
{
	const struct timespec ms = { .tv_nsec = 1000000 };

	while (rte_eal_get_lcore_state(lcore) == RUNNING)
		nanosleep(&ms, NULL);
	rte_eal_wait_lcore(lcore);
}

int
take_over_connections(struct dataplane *dp)
{
	struct job jobs[SNAPSHOT_MAX_WORKERS];
	struct connections_restored sum = { 0 };
	uint64_t began = loop_now();
	uint32_t i;
	int rc = 0;

	memset(jobs, 0, sizeof(jobs));
	for (i = 0; rc == 0 && i < dp->n_workers; i++) {
		jobs[i].worker = dp->workers[i];
		rc = rte_eal_remote_launch(run_job, &jobs[i], dp->workers[i]->lcore);
	}
	for (i = 0; i < dp->n_workers; i++)
		wait_for(dp->workers[i]->lcore);
	if (rc < 0) {
		log_error("cannot start a worker: %s", strerror(-rc));
		return rc;
	}
	for (i = 0; i < dp->n_workers; i++) {
		sum.alive += jobs[i].result.alive;
		sum.timed_out += jobs[i].result.timed_out;
		sum.stale += jobs[i].result.stale;
		sum.damaged += jobs[i].result.damaged;
	}
	say(&sum, loop_now() - began);
	return 0;
}

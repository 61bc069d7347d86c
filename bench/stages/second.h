/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The second worker of a run, which takes what the first one hands over: in the caller's thread, or
 * on a core of its own. The caller owns struct second; while it runs apart, only `worker->inbox`
 * may be touched.
 */
#ifndef BENCH_STAGES_SECOND_H
#define BENCH_STAGES_SECOND_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "bench/common/samples.h"
#include "dp/worker.h"

struct second {
	struct worker *worker;
	atomic_bool stop;
	bool bare;             /* second_take_bare instead of second_take */
	struct samples cycles; /* per packet, of each burst it has taken */
};

/* One burst of what is in its inbox, as its own iteration takes it. How many packets. */
uint16_t second_take(struct worker *w);

/* The same of packets that are only looked at and freed: what their way from core to core costs. */
uint16_t second_take_bare(struct worker *w);

/* Take everything, on the second worker's lcore, until second_stop, which waits for the last. */
void second_start(struct second *s, struct worker *w, bool bare);
/* Until little is in the inbox. */
void second_wait(const struct second *s);
void second_stop(struct second *s);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What would happen to a packet now: the journey of pipeline.c by functions that change nothing.
 * What it does not foretell: a limit's word on a connection that goes on although it has closed.
 *
 * The control thread asks through worker.explain (dp/handoff.h); worker only.
 */
#ifndef DP_L4_EXPLAIN_H
#define DP_L4_EXPLAIN_H

#include "dp/worker.h"

/* Fill in the answer to what w->explain asks. */
void explain(struct worker *w, struct explain_query *q);

/* Answer a pending question of the control thread. Called once per iteration. */
static inline void
explain_answer(struct worker *w)
{
	struct explain_query *q = &w->explain;

	if (likely(atomic_load_explicit(&q->state, memory_order_relaxed) != QUERY_ASKED))
		return;
	atomic_thread_fence(memory_order_acquire);
	explain(w, q);
	atomic_store_explicit(&q->state, QUERY_DONE, memory_order_release);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A flood of SYNs to listeners: where packets wait in a port, only some of each burst are answered,
 * by cookies, and the rest dropped unseen. Otherwise it is the port that drops, which drops
 * established connections' packets, too, and makes all wait as long as its queue is.
 *
 * What is a flood the proxy finds out (dp/proxy/proxy.c): SYN cookies that nobody comes back with,
 * of a worker that has no time left. Worker only.
 */
#ifndef DP_L4_SHED_H
#define DP_L4_SHED_H

#include "dp/worker.h"

/* A burst of n packets comes. So many of its SYNs are answered in any case: few enough that the
 * others, which cost less than half, are gone sooner than as many come; more of a long one, much of
 * which may be something else. */
static inline void
shed_begin(struct worker *w, uint16_t n)
{
	w->syns_answered = 2u + n / 32u;
}

/* Are SYNs of this burst to listeners dropped, but for the first? */
static inline bool
sheds_syns(const struct worker *w)
{
	return w->behind && w->flooded;
}

#endif

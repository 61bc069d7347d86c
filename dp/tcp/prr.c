/* SPDX-License-Identifier: Apache-2.0 */
#include "dp/tcp/prr.h"

#define PRR_MAX (1u << 30) /* no window is larger */

void
prr_enter(struct prr *p, uint32_t flight)
{
	*p = (struct prr){ .recover_fs = flight ? flight : 1 };
}

static uint32_t
maximum(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

/* pipe > ssthresh: in proportion to what is delivered. */
static uint32_t
proportional(const struct prr *p, uint32_t ssthresh)
{
	uint64_t due = ((uint64_t)p->delivered * ssthresh + p->recover_fs - 1) / p->recover_fs;

	due = due > p->out ? due - p->out : 0;
	return due < PRR_MAX ? (uint32_t)due : PRR_MAX;
}

/* pipe <= ssthresh: back up to it, no faster than slow start. */
static uint32_t
bounded(const struct prr *p, const struct prr_ack *ack)
{
	uint32_t limit = p->delivered > p->out ? p->delivered - p->out : 0;

	if (ack->safe)
		limit = maximum(limit, ack->delivered) + ack->mss;
	return limit < ack->ssthresh - ack->pipe ? limit : ack->ssthresh - ack->pipe;
}

uint32_t
prr_ack(struct prr *p, const struct prr_ack *ack)
{
	uint32_t n;

	p->delivered += ack->delivered;
	n = ack->pipe > ack->ssthresh ? proportional(p, ack->ssthresh) : bounded(p, ack);
	/* The fast retransmit itself waits for nothing. */
	if (p->out == 0)
		n = maximum(n, ack->mss);
	return ack->pipe + n;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One leg is gone without an end: reset by its peer, or that has not answered any more. What had
 * come from it is the other peer's all the same: it was acknowledged, and a backend that answers
 * and closes before it has read all of the request resets its connection right behind the answer.
 * So the other leg gets that first, and then a RST, by which its peer knows that this was no
 * orderly end. What that peer says is of no interest any more.
 *
 *     OPEN ── a leg is reset ──> CUT ── all has arrived, or no progress for a time ──> free
 */
#include "dp/proxy/stream.h"

#define CUT_MS 30000u /* without progress, if the idle time is not shorter */

/* What came from the leg that is left, for the one that is gone. */
static void
forget(struct proxy *p, struct session *s, enum leg left)
{
	enum leg gone = other_leg(left);
	uint32_t length = s->queues[gone].length;

	queue_free(&s->queues[gone]);
	queue_tell(p, s, gone);
	stream_credit(p, s->legs[left], length);
	s->fin[gone] = false;
}

void
session_cut(struct proxy *p, struct session *s, enum leg gone)
{
	enum leg left = other_leg(gone);

	s->state = SESSION_CUT;
	s->seen = p->worker->now;
	s->idle_ms = RTE_MIN(s->idle_ms, CUT_MS);
	wheel_arm(p->wheel, session_index(p, s), session_expires(p, s));
	forget(p, s, left);
	session_flush(p, s, left);
}

void
cut_received(struct proxy *p, tcp_handle from, struct rte_mbuf *chain, uint32_t length)
{
	rte_pktmbuf_free(chain);
	stream_credit(p, from, length);
}

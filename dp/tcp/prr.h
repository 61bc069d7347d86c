/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proportional rate reduction (RFC 6937): what may be sent for each ACK of a fast recovery, so that
 * at its end about ssthresh is in flight.
 *
 *     pipe > ssthresh   send  delivered * ssthresh / RecoverFS - out      (rounded up)
 *     else              up to ssthresh, no more than was delivered (CRB) or, on ACKs that advance
 *                       and tell of no new loss, a segment more (SSRB)
 *
 *     cwnd = pipe + what may be sent
 *
 * A value; the owner of the connection uses it.
 */
#ifndef DP_TCP_PRR_H
#define DP_TCP_PRR_H

#include <stdbool.h>
#include <stdint.h>

struct prr {
	uint32_t recover_fs; /* bytes in flight when recovery began (SND.NXT - SND.UNA) */
	uint32_t delivered, out;
};

/* Recovery begins. flight: bytes sent and not acknowledged, at least 1. */
void prr_enter(struct prr *p, uint32_t flight);

struct prr_ack {
	uint32_t delivered; /* sent_result.delivered */
	uint32_t pipe;      /* sent_pipe, after this ACK was applied and losses were marked */
	uint32_t ssthresh, mss;
	bool safe; /* SND.UNA advanced, and the ACK told of no new loss */
};

/* An ACK during recovery: the window from now on. The first one always allows one segment (the fast
 * retransmit). */
uint32_t prr_ack(struct prr *p, const struct prr_ack *ack);

/* So many bytes were sent during recovery, new ones and again. */
static inline void
prr_sent(struct prr *p, uint32_t bytes)
{
	p->out += bytes;
}

#endif

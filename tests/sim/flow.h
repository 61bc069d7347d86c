/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The judge of what one side of a connection puts on the wire. It sees each segment when it leaves
 * and each one that reaches the side, knows nothing of the stack's inside, and says which rule of
 * RFC 9293, 7323 or 5681 a segment breaks.
 *
 *     offset 0: the SYN; offset i + 1: byte i of the stream; behind the last byte: the FIN
 *
 * A value that the run owns; one thread.
 */
#ifndef TESTS_SIM_FLOW_H
#define TESTS_SIM_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/sim/wire.h"

#define FLOW_ISNS 8

struct flow {
	uint64_t stream;       /* its content */
	uint64_t now, min_rto; /* ns; the side says the time before each segment */
	bool mtu_changes;      /* segments may be cut anew, so some go twice */
	bool cookies; /* SYN-ACKs may have different sequence numbers until one is accepted */

	/* what this side has sent */
	uint32_t isns[FLOW_ISNS];
	unsigned int n_isns;
	bool settled; /* isns[0] is the one */
	bool fin, reset;
	bool forgotten; /* half-open, it was ended by a RST: an old SYN may make another one */
	bool reborn;    /* an old SYN has made another one after its end; it is left alone */
	uint64_t end;   /* highest offset sent, and one */
	uint64_t fin_at;
	bool has_ack;
	uint32_t ack;  /* highest acknowledgement, as on the wire */
	uint32_t edge; /* right edge of the window that it promised */
	bool has_scale, sack_permitted, has_time;
	uint8_t scale;
	uint16_t mss;
	uint32_t time_value;

	/* what has reached this side */
	bool peer_syn;
	bool peer_scaled, peer_sack_permitted, peer_time;
	uint8_t peer_scale;
	uint16_t peer_mss;
	uint64_t acked;   /* offset */
	uint32_t allowed; /* right edge that the peer promised, as on the wire */
	bool has_allowed;

	/* what it said it has, in its last segment: offsets */
	uint8_t n_sacked;
	uint64_t sacked[4][2];
	bool has_peer_end;
	uint32_t peer_end;     /* behind the highest that has reached this side */
	uint64_t heard;        /* when anything has reached this side last */
	unsigned int repeats;  /* of the oldest segment since then */
	unsigned int needless; /* repetitions of what the peer had */

	uint64_t segments, bytes, pure_acks, resets, received;
};

void flow_init(struct flow *f, uint64_t stream);
/* A segment leaves. NULL, or the rule that it breaks. path_mtu: the largest that the side may
 * believe in. */
const char *flow_sent(struct flow *f, const struct wire *w);
/* A segment of the peer, sound and undamaged, reaches the side. */
void flow_reached(struct flow *f, const struct wire *w);

/* Offsets in flight as the wire shows it. */
static inline uint64_t
flow_outstanding(const struct flow *f)
{
	return f->end > f->acked ? f->end - f->acked : 0;
}

#endif

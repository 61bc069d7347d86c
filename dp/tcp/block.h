/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The block of one connection. An instance has one array of them; all else refers to blocks by
 * index (or by handle, outside). Owner: the worker of the instance.
 *
 *     before ESTABLISHED: snd_una is our initial sequence number, rcv_nxt - 1 the peer's
 *     snd_una <= snd_nxt                    unsent: bytes behind snd_nxt, with a FIN at their end
 *                                           if BLOCK_FIN_QUEUED and not yet BLOCK_FIN_SENT
 *     rcv_nxt <= every run of out-of-order data <= rcv_adv
 *
 * The first two cache lines are all that an established connection touches for data that comes in
 * order, but for the queues themselves. What it needs only while something is under way is in its
 * flight (flight.h).
 */
#ifndef DP_TCP_BLOCK_H
#define DP_TCP_BLOCK_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "dp/packet.h"
#include "dp/tcp/recovery.h"

struct flight;

enum tcp_block_flags {
	BLOCK_OURS = 1 << 0,       /* opened by tcp_connect */
	BLOCK_TIMESTAMPS = 1 << 1, /* negotiated, as the next three */
	BLOCK_SACK = 1 << 2,
	BLOCK_ECN = 1 << 3,
	BLOCK_LISTED = 1 << 4,     /* on the flush list */
	BLOCK_ACK_NOW = 1 << 5,    /* the next flush sends an ACK */
	BLOCK_ACK_LATER = 1 << 6,  /* within the delay */
	BLOCK_FIN_QUEUED = 1 << 7, /* the user will send no more */
	BLOCK_FIN_SENT = 1 << 8,   /* it has a sequence number: snd_nxt - 1 */
	BLOCK_FIN_ACKED = 1 << 9,
	BLOCK_FIN_SEEN = 1 << 10,  /* the peer's, at fin_seq, perhaps behind missing data */
	BLOCK_WANT_ROOM = 1 << 11, /* tcp_send has said -EAGAIN */
	BLOCK_DRAIN = 1 << 12,     /* data of the peer is thrown away */
	BLOCK_TOLD = 1 << 13,      /* the user knows of the connection */
	BLOCK_GONE = 1 << 14,      /* the user has been told its end, or has aborted it */
	BLOCK_ECE = 1 << 15,       /* echo congestion until the peer says CWR */
	BLOCK_CWR = 1 << 16,       /* say CWR with the next new data */
	BLOCK_SYN_DUE = 1 << 17,   /* SYN or SYN-ACK to be sent by the next flush */
	BLOCK_PROBE_DUE = 1 << 18, /* a zero-window or keep-alive probe */
	BLOCK_TLP_DUE = 1 << 19,
	BLOCK_PMTU = 1 << 20,  /* the path takes less than the link does: pmtu is set */
	BLOCK_DSACK = 1 << 21, /* dsack_* to be told with the next ACK */
	BLOCK_DEAD = 1 << 22,  /* waits to be reused */
	BLOCK_WINDOW_SCALE = 1 << 23,
	BLOCK_STARVED = 1 << 24,    /* no buffer was free: try again with the next flush */
	BLOCK_PROBED = 1 << 26,     /* the byte at snd_nxt was sent to probe a closed window */
	BLOCK_SMALL_DUE = 1 << 25,  /* what is left of the peer's window is worth using now */
	BLOCK_PMTU_TRIED = 1 << 27, /* one larger segment is under way, and ends at pmtu_at */
	BLOCK_FLIGHT = 1 << 28,     /* it has one */
	BLOCK_RESET_LAST = 1 << 29, /* see tcp_abort_later */
};

/* What the one deadline for the sender's side means. */
enum tcp_send_timer {
	TIMER_NONE,
	TIMER_SYN,     /* repeat SYN or SYN-ACK */
	TIMER_RTO,     /* RFC 6298 */
	TIMER_REORDER, /* RACK's, RFC 8985 6.2 */
	TIMER_PROBE,   /* tail loss probe, RFC 8985 7.2 */
	TIMER_PERSIST, /* zero window */
};

struct tcp_block {
	/* every segment that comes in */
	struct tuple tuple;        /* src is the peer: as its packets show it */
	uint32_t rcv_nxt, rcv_adv; /* next expected; end of the window that we have promised */
	uint32_t snd_una, snd_nxt;
	uint32_t flags; /* enum tcp_block_flags */
	uint8_t state;  /* enum tcp_state */
	uint8_t rcv_scale, snd_scale;
	uint8_t segments_unacked; /* of data in order, received since our last ACK */

	uint32_t snd_wnd, snd_wl1;
	uint32_t ts_recent, ts_offset, last_ack_sent;
	uint32_t unread; /* bytes that the user has and did not credit */
	uint32_t unsent; /* bytes in unsent_head.. */
	uint32_t flush_next;
	/* what it is follows from the state */
	union {
		struct flight *flight;     /* block_open, if BLOCK_FLIGHT */
		struct recovery_idle idle; /* block_open, else */
		struct {
			/* in the list of its state: half open, TIME-WAIT, free */
			uint32_t order_next, order_prev;
			uint64_t opened; /* ns; until ESTABLISHED */
		};
	};

	struct rte_mbuf *unsent_head, *unsent_tail;
	uint16_t mss;      /* bytes of data that go into a segment of ours */
	uint16_t options;  /* index of its struct tcp_options in the instance */
	uint32_t heard_ms; /* when the last acceptable segment came */

	/* timers: ms as instance.now_ms, valid if the kind or flag says so; see timers.c */
	uint32_t wheel_ms; /* the wheel will look at it then, if it is armed */
	uint32_t send_ms, ack_ms, life_ms;
	uint8_t send_timer; /* enum tcp_send_timer */
	uint8_t life_timer; /* life_ms is set */
	uint8_t backoff;    /* doublings of the retransmission timeout, or probes */
	uint8_t keepalives; /* probes without an answer */
	uint32_t generation;

	/* receiver, rarely */
	struct rte_mbuf *runs; /* out-of-order data, see reassembly.c */
	uint16_t n_runs;
	uint16_t peer_mss;
	uint32_t fin_seq; /* if BLOCK_FIN_SEEN */

	/* sender, rarely */
	uint32_t max_wnd;  /* largest window that the peer ever offered */
	uint32_t queued;   /* bytes of data given to tcp_send and not acknowledged */
	uint32_t stuck_ms; /* since when data waits without any progress */
	uint16_t pmtu;     /* as ICMP says, if BLOCK_PMTU */
	uint16_t listener; /* not of ours */
	uint32_t pmtu_at;  /* when pmtu was set, ms; if BLOCK_PMTU_TRIED a sequence number */
	uint32_t held;     /* buffers: what waits and is under way, runs, and what the user keeps */

	uint32_t retransmits;
	uint32_t challenges; /* challenge ACKs, see challenge_ack */
	uint64_t user, route;
	uint64_t bytes_in, bytes_out;
};
static_assert(sizeof(struct tcp_block) == 256, "what an idle connection costs");
static_assert(offsetof(struct tcp_block, snd_wnd) == 64, "the first line is for every segment");

static inline void
block_prefetch(const struct tcp_block *c)
{
	unsigned int i;

	for (i = 0; i < sizeof(*c); i += 64)
		__builtin_prefetch((const char *)c + i);
}

#endif

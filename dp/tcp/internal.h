/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The instance, and what its files call of each other. Nothing outside dp/tcp/ includes this but
 * its tests. One thread.
 *
 *     instance.c    made and freed; listeners; sets of options
 *     input.c       burst -> segments -> states.c, listen.c, or a reset
 *     segment.c     bytes -> struct segment
 *     check.c       is it for now, is it from the peer: sequence, PAWS, RFC 5961
 *     states.c      one function per state (connect.c: SYN-SENT, time_wait.c: TIME-WAIT)
 *     listen.c      SYN, SYN cookies, the handshake's end (cookie_memory.c: each only once)
 *     ack.c         what an acknowledgement says, recovery.c: what follows from it
 *     reassembly.c  data and FIN, in order or not
 *     user.c        what the user asks for
 *     output.c      what leaves when; build.c: the bytes of it
 *     timers.c      wheel -> deadlines
 *     pmtu.c        ICMP errors
 *     block.c       blocks, their table, their end; budget of buffers
 *     flight.c      what a block has only while something is under way
 *     info.c        looking at it; is it sound?
 */
#ifndef DP_TCP_INTERNAL_H
#define DP_TCP_INTERNAL_H

#include "dp/tcp/block.h"
#include "dp/tcp/cookie_memory.h"
#include "dp/tcp/flight.h"
#include "dp/tcp/options.h"
#include "dp/tcp/sequence.h"
#include "dp/tcp/tcp.h"
#include "lib/flow_table.h"
#include "lib/siphash.h"
#include "lib/wheel.h"

#define NIL             UINT32_MAX
#define LISTENERS_MAX   65536
#define OPTION_SETS_MAX 1024
#define HEADER_BYTES    20 /* of TCP, without options */
#define FLAG_PSH        0x08
#define FLAG_ECE        0x40
#define FLAG_CWR        0x80
#define ECN_ECT0        2
#define ECN_CE          3
#define MSS_MIN         64  /* what a peer may ask us to be content with (CVE-2019-11479) */
#define MSS_DEFAULT_V4  536 /* RFC 9293 3.7.1 */
#define MSS_DEFAULT_V6  1220
#define PMTU_MIN_V4     576 /* what ICMP may bring a path down to */
#define PMTU_MIN_V6     1280
#define TIMESTAMP_BYTES 12
#define NS_PER_MS       1000000ull
#define RUNS_MAX        128 /* pieces of out-of-order data of a connection */
#define FLIGHT_STEPS    1024u

/* One segment that came in. */
struct segment {
	struct rte_mbuf *mbuf; /* from the data on; NULL once somebody has taken it */
	const struct tcp_packet *packet;
	const uint8_t *header, *options; /* of TCP */
	uint32_t seq, ack;
	uint32_t len;    /* of data */
	uint32_t window; /* as in the header: not scaled */
	uint32_t ts_value, ts_echo;
	uint8_t flags, ecn, option_bytes;
	bool timestamps; /* ts_* are there */
	bool joined;     /* several segments of the burst are in it */
};

struct tcp_listener {
	bool used;
	uint16_t options;
};

/* Options with every byte set, padding included: so they compare as bytes. */
union option_bytes {
	struct tcp_options options;
	uint8_t bytes[sizeof(struct tcp_options)];
};

struct option_set {
	union option_bytes is;
	uint32_t references;
};

/* A doubly linked list through order_next, order_prev. */
struct block_list {
	uint32_t head, tail, count;
};

/* What goes into one segment. */
struct outgoing {
	uint32_t seq;
	uint8_t flags; /* besides ACK */
	uint8_t ecn;
	struct rte_mbuf *payload; /* stays the caller's; NULL if len is 0 */
	uint32_t offset;          /* of the data in it */
	uint32_t len;             /* of the data */
	bool whole;               /* this is all the data of the record: headers may overwrite what
				     lies before it */
};

/* New data of one connection that leaves as one packet, see output.c. Empty between calls. */
#define TRAIN_BYTES_MAX 65000
struct train {
	uint32_t n, bytes, buffers; /* n: segments */
	struct outgoing pieces[TCP_PIECES_MAX];
};

struct tcp {
	struct tcp_calls calls;
	struct tcp_settings settings;
	uint64_t now;
	uint32_t now_ms;

	struct flow_table table;
	void *table_memory;
	struct siphash_key hash_key, isn_key, cookie_key;
	struct tcp_block *blocks;
	uint32_t fresh;     /* blocks from here on were never used */
	uint32_t free_head; /* through order_next */
	uint32_t dead_head; /* freed during this call, reused after it */
	uint32_t flush_head, flush_tail;
	uint32_t used;                          /* blocks that are not free */
	struct block_list half_open, time_wait; /* each the oldest first */

	struct flight *flights;
	uint32_t fresh_flights; /* from here on never used */
	uint32_t free_flight;   /* through next_free */
	uint32_t flight_hand;   /* where one is looked for next */
	uint32_t flight_steps;  /* so many may be looked at until the call from outside is over */
	uint32_t flights_held;

	struct cookie_memory cookies; /* that were redeemed */
	void *cookie_memory;

	struct wheel *wheel;
	void *wheel_memory;
	uint32_t armed;

	struct tcp_listener *listeners; /* [LISTENERS_MAX] */
	struct option_set *sets;        /* [OPTION_SETS_MAX] */
	uint32_t n_sets, last_set;

	uint32_t held, lent;    /* buffers; lent: of those what the user has said */
	uint64_t resets;        /* GCRA state, ns */
	uint64_t cookies_until; /* ns: cookies that may still come back */
	bool starved;
	struct tcp_counters counters;
	struct train train;
	struct sent_pool *sent;
	void *sent_memory;
};

/* What a burst will need, see fetch.c. */
struct ahead {
	uint32_t n, done; /* packets, and up to which one things are fetched */
	uint64_t hashes[BURST_MAX];
	struct tcp_block *found[BURST_MAX]; /* NULL: none */
};

static inline uint32_t
block_index(const struct tcp *t, const struct tcp_block *c)
{
	return (uint32_t)(c - t->blocks);
}

static inline tcp_handle
block_handle(const struct tcp *t, const struct tcp_block *c)
{
	return (uint64_t)c->generation << 32 | (block_index(t, c) + 1);
}

static inline const struct tcp_options *
block_options(const struct tcp *t, const struct tcp_block *c)
{
	return &t->sets[c->options].is.options;
}

/* Do both ends speak? Then data may be under way. */
static inline bool
block_open(const struct tcp_block *c)
{
	return c->state >= TCP_ESTABLISHED && c->state != TCP_TIME_WAIT;
}

/* Is anything of ours under way? Only if it is open. */
static inline bool
under_way(const struct tcp_block *c)
{
	return c->snd_una != c->snd_nxt;
}

static inline bool
has_flight(const struct tcp_block *c)
{
	return c->flags & BLOCK_FLIGHT;
}

/* Of a connection that has one. */
static inline struct flight *
flight_of(const struct tcp_block *c)
{
	return c->flight;
}

static inline struct tcp_recovery *
recovery_of(const struct tcp_block *c)
{
	return &c->flight->recovery;
}

/* a is at or before b, times of now_ms. */
static inline bool
ms_due(uint32_t a, uint32_t now_ms)
{
	return (int32_t)(a - now_ms) <= 0;
}

#define FETCH_DATA_AHEAD 2u
#define FETCH_DATA_FROM  256u /* bytes; less is there with its headers */

/* ---- fetch.c */
/* The blocks of a burst. */
void fetch_begin(const struct tcp *t, struct ahead *a, const struct tcp_packet *packets,
		 uint32_t n);
/* What the next packets will need, from the one that is looked at now on. */
void fetch_next(const struct tcp *t, struct ahead *a, uint32_t from);
/* The data of a packet some places behind this one, where nobody but us will have looked at it: the
 * checksum reads it all. n: packets from this one on. */
static inline void
fetch_data(const struct tcp_packet *p, uint32_t n)
{
	const struct tcp_packet *next = p + FETCH_DATA_AHEAD;
	const uint8_t *data;
	uint32_t at, length;

	if (n <= FETCH_DATA_AHEAD || next->checked || next->mbuf->data_len < FETCH_DATA_FROM)
		return;
	data = rte_pktmbuf_mtod(next->mbuf, const uint8_t *);
	length = next->mbuf->data_len;
	for (at = RTE_CACHE_LINE_SIZE; at < length; at += RTE_CACHE_LINE_SIZE)
		rte_prefetch0(data + at);
}

/* ---- block.c */
struct tcp_block *block_of(struct tcp *t, tcp_handle h);
uint64_t tuple_hash(const struct tcp *t, const struct tuple *tuple);
struct tcp_block *block_find(struct tcp *t, const struct tuple *tuple, uint64_t hash);
/* A zeroed block in the table. NULL: full. */
struct tcp_block *block_new(struct tcp *t, const struct tuple *tuple, uint16_t options);
/* Its end: out of the table, buffers freed, and the user told if he knows of it and does not know
 * this yet. */
void block_close(struct tcp *t, struct tcp_block *c, enum tcp_close_cause cause);
void block_free(struct tcp *t, struct tcp_block *c);
/* Both sides have ended it: the user is told, the block stays. */
void block_done(struct tcp *t, struct tcp_block *c);
/* Make what was freed ready to be used again, and allow as much work as ever. At the end of a call
 * from outside. */
void blocks_reap(struct tcp *t);
void list_append(struct tcp *t, struct block_list *l, struct tcp_block *c);
void list_remove(struct tcp *t, struct block_list *l, struct tcp_block *c);
/* The index of a set of options like these, with one more reference. -ENOMEM, -EINVAL. */
int options_take(struct tcp *t, const struct tcp_options *options);
void options_release(struct tcp *t, uint16_t set);
/* Buffers that c holds from now on, or holds no longer. */
static inline void
hold(struct tcp *t, struct tcp_block *c, uint32_t buffers)
{
	t->held += buffers;
	c->held += buffers;
}

static inline void
release(struct tcp *t, struct tcp_block *c, uint32_t buffers)
{
	t->held -= buffers;
	c->held -= buffers;
}

uint32_t chain_buffers(const struct rte_mbuf *m);
/* May n more be held, for something that is refused from `eighths` of the budget on? */
bool budget_allows(const struct tcp *t, uint32_t n, uint32_t eighths);
/* Has c room for n more in what is left for each connection, up to `eighths` of the budget? */
bool budget_fits(const struct tcp *t, const struct tcp_block *c, uint32_t n, uint32_t eighths);
/* How many that are, for connections that hold some already. */
uint32_t budget_share(const struct tcp *t, uint32_t eighths);

#define BUDGET_SHORT       5 /* eighths: see tcp.h */
#define BUDGET_MORE        6
#define BUDGET_CONNECTIONS 7
#define BUDGET_FIRST       8

/* ---- flight.c */
bool flight_find(struct tcp *t, struct tcp_block *c);
/* From now on c has a flight. False: there is none to be had, and this is counted. */
static inline bool
flight_take(struct tcp *t, struct tcp_block *c)
{
	return likely(has_flight(c)) || flight_find(t, c);
}
/* It has none any more; nothing is kept. */
void flight_give(struct tcp *t, struct tcp_block *c);
/* NULL or what is wrong. */
const char *flight_check(const struct tcp *t, const struct tcp_block *c);
const char *flights_check(const struct tcp *t);

/* ---- input.c */
void clock_set(struct tcp *t, uint64_t now);

/* ---- segment.c */
/* Fill s from a packet and cut the mbuf to the data. False: bad, counted; the mbuf is still
 * there. */
bool segment_parse(struct tcp *t, const struct tcp_packet *p, struct segment *s);
void segment_drop(struct segment *s);

/* Is s data that c waits for, with nothing to it but data? */
bool segment_is_next(const struct tcp_block *c, const struct segment *s);
/* Put what goes on where s ends behind it, of the n packets that follow it in the burst. Their
 * number: they are taken. */
uint32_t segments_join(struct tcp *t, const struct tcp_block *c, struct segment *s,
		       const struct tcp_packet *packets, uint32_t n);
/* The Internet checksum's sum of `length` bytes of a chain from `offset` on. */
uint64_t chain_sum(const struct rte_mbuf *m, uint32_t offset, uint32_t length);

/* ---- check.c */
/* May the state go on with this segment? If not, all has been said that is to be said. */
bool segment_check(struct tcp *t, struct tcp_block *c, struct segment *s);
void challenge_ack(struct tcp *t, struct tcp_block *c);

/* ---- states.c, connect.c, time_wait.c, listen.c */
void state_input(struct tcp *t, struct tcp_block *c, struct segment *s);
void syn_sent_input(struct tcp *t, struct tcp_block *c, struct segment *s);
void time_wait_enter(struct tcp *t, struct tcp_block *c);
void time_wait_input(struct tcp *t, struct tcp_block *c, struct segment *s);
/* Free the oldest, if there is one. */
bool time_wait_recycle(struct tcp *t);
void listen_input(struct tcp *t, struct segment *s);
/* What a SYN (or SYN-ACK) says of the peer. */
void take_syn_options(struct tcp *t, struct tcp_block *c, const struct segment *s);
void established_enter(struct tcp *t, struct tcp_block *c, const struct segment *s);

/* What we ask the peer not to exceed, and what fits into a segment of ours. */
uint8_t window_scale(uint32_t receive_window);
/* What a segment may have without its options, by our MTU; and what the peer is told of that. */
uint32_t mss_of_mtu(const struct tcp *t, const struct tcp_block *c);
uint16_t mss_announced(const struct tcp *t, const struct tcp_block *c);
void mss_update(struct tcp *t, struct tcp_block *c);

/* ---- recovery.c; all but the first six for connections that have a flight */
/* The handshake is complete: what it is like without a flight. */
void recovery_begin(const struct tcp *t, struct tcp_block *c);
/* Nothing is queued any more, whatever has become of it. The flight is given back. */
void recovery_end(struct tcp *t, struct tcp_block *c);
/* What is kept without a flight, and what follows of it when there is one again. */
void recovery_keep(struct tcp_block *c, const struct tcp_recovery *r);
void recovery_resume(const struct tcp *t, const struct tcp_block *c, struct tcp_recovery *r);
/* To look at: the flight's, or in *copy what would be resumed; zero if it is not open. */
const struct tcp_recovery *recovery_look(const struct tcp *t, const struct tcp_block *c,
					 struct tcp_recovery *copy);
/* The retransmission timeout, ns. */
uint64_t recovery_rto(const struct tcp *t, const struct tcp_block *c);
/* The queue was told of an ACK: mark losses, move the windows, arm the timer. */
struct ack_news {
	struct sent_result result;
	uint32_t pipe_before;
	bool duplicate; /* RFC 5681 2 */
	bool sack;      /* it had blocks */
	bool echoes;    /* it had timestamps, and echoes one of echo_ms ago */
	uint32_t echo_ms;
	bool ece;
};
void recovery_ack(struct tcp *t, struct tcp_block *c, struct ack_news *n);
/* Their timers went off. */
void recovery_timeout(struct tcp *t, struct tcp_block *c);
void recovery_reorder(struct tcp *t, struct tcp_block *c);
/* The timer that the queue needs now. restart: new data was acknowledged, or something was sent
 * again. */
void recovery_arm(struct tcp *t, struct tcp_block *c, bool restart);

/* ---- ack.c */
/* False: the connection is gone, or the segment is to be thrown away. */
bool ack_input(struct tcp *t, struct tcp_block *c, struct segment *s);

/* ---- reassembly.c */
/* Data and FIN of an acceptable segment. True: a FIN has now been reached. */
bool data_input(struct tcp *t, struct tcp_block *c, struct segment *s);
void runs_free(struct tcp *t, struct tcp_block *c);
/* At most `max` blocks for a SACK option, RFC 2018: the latest first. */
uint32_t runs_sack(const struct tcp_block *c, struct sack_block *out, uint32_t max);
/* What lies there has come twice: counted, and told of with the next ACK (RFC 2883). */
void duplicate(struct tcp *t, struct tcp_block *c, uint32_t start, uint32_t end);
/* Bytes of data in them. */
uint32_t runs_data(const struct tcp_block *c);
/* NULL or what is wrong; the number of buffers. */
const char *runs_check(const struct tcp_block *c, uint32_t *buffers);

/* ---- pmtu.c; only if BLOCK_PMTU */
/* How much data the next segment takes: a larger one is tried now and then. */
uint32_t pmtu_segment(const struct tcp *t, const struct tcp_block *c);
/* Such a one has left. */
void pmtu_sent(struct tcp_block *c);
/* snd_una has moved on. */
void pmtu_acked(struct tcp *t, struct tcp_block *c);
/* What was too large for the path has to be cut. */
void pmtu_cut(const struct tcp *t, struct tcp_block *c);

/* ---- output.c */
void flush_list(struct tcp *t, struct tcp_block *c);
/* All that this connection may send now. */
void output(struct tcp *t, struct tcp_block *c);
/* The peer acknowledges the byte that probed its closed window. False: there is none. */
bool probe_taken(struct tcp *t, struct tcp_block *c);
void unsent_free(struct tcp *t, struct tcp_block *c);
/* The window to say now, in bytes; moves rcv_adv. */
uint32_t window_advertise(struct tcp *t, struct tcp_block *c);

/* ---- build.c */
/* Each: false: no buffer, counted. */
bool send_segment(struct tcp *t, struct tcp_block *c, const struct outgoing *o);
/* n >= 2 pieces for a port that cuts (TSO); see output.c. */
bool send_train(struct tcp *t, struct tcp_block *c, const struct outgoing *o, uint32_t n);
bool send_ack(struct tcp *t, struct tcp_block *c);
/* SYN of ours, or SYN-ACK. */
bool send_syn(struct tcp *t, struct tcp_block *c);
/* RST for a connection of ours, or as the answer to a segment of none. */
void send_reset(struct tcp *t, struct tcp_block *c);
void answer_reset(struct tcp *t, const struct segment *s);
/* The SYN-ACK of a cookie: no block remembers it. In the SYN's own buffer, if that may be. */
struct cookie_reply {
	struct segment_options options;
	uint32_t seq, ack;
	uint16_t window;
	uint8_t tos, ttl;
	bool ecn;
};
bool send_cookie(struct tcp *t, struct segment *s, const struct cookie_reply *r);
uint32_t timestamp_now(const struct tcp *t, const struct tcp_block *c);

/* At most `per_second` on average, a second's worth at once. state: ns. */
static inline bool
rate_allows(uint64_t *state, uint64_t now, uint32_t per_second)
{
	uint64_t cost = 1000000000ull / per_second, from = *state > now ? *state : now;

	if (from + cost > now + 1000000000ull)
		return false;
	*state = from + cost;
	return true;
}

/* ---- timers.c */
/* ns from now on. */
void timer_send(struct tcp *t, struct tcp_block *c, enum tcp_send_timer kind, uint64_t ns);
void timer_life(struct tcp *t, struct tcp_block *c, uint32_t ms);
void timer_life_stop(struct tcp_block *c);
void timer_ack(struct tcp *t, struct tcp_block *c, uint32_t ms);
void timers_stop(struct tcp *t, struct tcp_block *c);

#endif

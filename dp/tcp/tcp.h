/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP (RFC 9293) for one worker: what the layer above sees of it.
 *
 * An instance belongs to one thread and shares nothing. It has no clock, no random source and no
 * port: packets and the time come in with each call, packets go out by the callback `output`.
 * Nothing is allocated after tcp_create but from the mempools that the caller gave, so the same
 * code runs under a worker, in a unit test and in a simulation.
 *
 *     tcp_input(t, packets, n, now)     a burst came in
 *     tcp_advance(t, now)               timers; once an iteration
 *     tcp_flush(t, now)                 sends what the burst, the timers and the user made due:
 *                                       data, one acknowledgement for several segments, windows
 *
 * Packets go out during all three, and during tcp_abort; in the other calls nothing does.
 *
 * Connections are known by handles. A handle holds a generation: one that outlived its connection
 * is recognised (-ENOENT, or nothing happens) and never means another connection.
 *
 * Events are called from tcp_input, tcp_advance and tcp_flush only, so never from inside a call
 * that the user makes, and the user may make any call from inside an event, tcp_abort included.
 * After `closed` the handle is dead; nothing is said of a connection before `accepted` or, for one
 * of ours, before tcp_connect has returned.
 *
 *     accepted | connected   once; or for one of ours that fails: closed, with the cause
 *     received*              data in order, exactly once
 *     room*                  sending is possible again after -EAGAIN
 *     half_closed            the peer has sent all it wants to (at most once, after all data)
 *     closed                 exactly once, last. TCP_CLOSED_DONE: both directions ended with a FIN
 *                            and the peer has acknowledged ours; what remains (TIME-WAIT) is no
 *                            concern of the user. Or all has arrived after tcp_abort_later. Not
 *                            called after tcp_abort by the user.
 *
 * Buffers: mbufs that come in belong to the instance (an answer may leave in one of them), data
 * that goes up in `received` to the user, data given to tcp_send to the instance again (if it
 * returns 0). Data is never copied, except that pieces below TCP_COPY_BELOW bytes are put together
 * into small buffers. The user's window: data that has gone up and was not given back by tcp_credit
 * closes the window.
 *
 * What is scarce is buffers, not bytes: a few bytes hold a buffer as a whole segment does. So
 * buffers are counted, and bounded by settings.buffer_budget: those that wait to be sent or
 * acknowledged, out-of-order data, and what the user says it keeps (tcp_hold). The fuller the
 * budget, the less is for each connection:
 *
 *     budget   0        5/8          6/8            7/8           8/8
 *     ─────────┴─────────┴────────────┴──────────────┴─────────────┘
 *     out-of-order data ─┘            │              │             │
 *     a sixteenth of what is left up  │              │             │
 *     to here, each connection ───────┘              │             │
 *     new connections ───────────────────────────────┘             │
 *     the first data of a connection that has none waiting ────────┘
 *
 * From 5/8 on connections without progress end after TCP_SHORT_PATIENCE_MS. So connections that
 * take and give nothing leave room for those that do.
 *
 * Invariants: in flight <= congestion window whenever new data leaves (tcp_counters.over_cwnd
 * stays 0); buffers held = sum over connections and what the user has said; each connection is in
 * exactly one state list. tcp_check verifies what can be verified.
 */
#ifndef DP_TCP_TCP_H
#define DP_TCP_TCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "dp/packet.h"

struct tcp;

/* index + 1 in the lower half, generation in the upper. 0: none. */
typedef uint64_t tcp_handle;
#define TCP_HANDLE_NONE 0ull

#define TCP_LISTENER_NONE UINT32_MAX
#define TCP_COPY_BELOW    256 /* bytes; smaller pieces of data are copied together */
/* What each output mbuf has free before the IP header at least, for what the caller puts there. */
#define TCP_HEADROOM 32
/* Data room that buffers of settings.mbufs need: headroom, IPv6 and TCP headers, and a segment
 * where payload has to be copied (TCP_OUTPUT_LINEAR: a whole one, so the MTU and 64). */
#define TCP_SMALL_ROOM 512
/* A packet that the port is to cut has at most so many buffers of data behind that of headers. */
#define TCP_PIECES_MAX 32
/* See tcp_calls.expected. */
#define TCP_EXPECT_STEPS 4
/* How long a connection may be without progress while buffers run short. */
#define TCP_SHORT_PATIENCE_MS 15000

enum tcp_state {
	TCP_CLOSED,
	TCP_SYN_SENT,
	TCP_SYN_RECEIVED,
	TCP_ESTABLISHED,
	TCP_FIN_WAIT_1,
	TCP_FIN_WAIT_2,
	TCP_CLOSE_WAIT,
	TCP_CLOSING,
	TCP_LAST_ACK,
	TCP_TIME_WAIT,
	TCP_STATES,
};

/* Why a connection ended: X(NAME, name, text). */
#define TCP_CLOSE_CAUSES(X)                                                               \
	X(DONE, done, "both sides have ended it")                                         \
	X(RESET, reset, "the peer has reset it")                                          \
	X(REFUSED, refused, "the peer has refused it")                                    \
	X(TIMEOUT, timeout, "no answer, after all repetitions")                           \
	X(KEEPALIVE, keepalive, "no answer to keep-alive probes")                         \
	X(UNREACHABLE, unreachable, "an ICMP error said that the peer cannot be reached") \
	X(LOCAL, local, "for want of something of our own; TCP itself never says it")

enum tcp_close_cause {
#define X(NAME, name, text) TCP_CLOSED_##NAME,
	TCP_CLOSE_CAUSES(X)
#undef X
	    TCP_CLOSE_CAUSE_COUNT,
};

/* What an instance counts: X(name, text). All since tcp_create, uint64_t. */
#define TCP_COUNTERS(X)                                                                        \
	X(segments_in, "segments received")                                                    \
	X(segments_out, "segments sent, a large one to be cut by the port counts once")        \
	X(bytes_in, "bytes of data delivered in order")                                        \
	X(bytes_out, "bytes of data sent, repetitions not counted")                            \
	X(accepted, "connections accepted")                                                    \
	X(connected, "connections of ours established")                                        \
	X(closed, "connections ended, whatever the cause")                                     \
	X(resets_in, "connections ended by a reset of the peer")                               \
	X(resets_out, "resets sent")                                                           \
	X(bad_checksum, "dropped: wrong checksum")                                             \
	X(bad_header, "dropped: header or options that cannot be")                             \
	X(bad_sequence, "dropped: outside the window")                                         \
	X(bad_ack, "dropped: acknowledges what was never sent, or long ago")                   \
	X(paws, "dropped: an old timestamp")                                                   \
	X(no_connection, "dropped: for no connection and no listener")                         \
	X(duplicates, "segments that brought only what was there already")                     \
	X(joined, "segments taken as one with the segment before them")                        \
	X(out_of_order, "segments kept until those before them come")                          \
	X(out_of_order_dropped, "out-of-order segments not kept: too many pieces")             \
	X(beyond_window, "segments cut at the end of the window")                              \
	X(retransmits, "segments sent again")                                                  \
	X(fast_recoveries, "losses found by acknowledgements")                                 \
	X(rto, "retransmission timeouts")                                                      \
	X(tlp, "tail loss probes")                                                             \
	X(spurious, "repetitions that turned out to be needless")                              \
	X(zero_window_probes, "probes of a closed window")                                     \
	X(keepalive_probes, "keep-alive probes")                                               \
	X(challenge_acks, "challenge acknowledgements sent")                                   \
	X(challenge_limited, "challenge acknowledgements not sent: too many")                  \
	X(ecn_marked, "segments with congestion experienced")                                  \
	X(ecn_reduced, "windows reduced for congestion experienced")                           \
	X(pmtu_reduced, "path MTUs reduced by ICMP")                                           \
	X(pmtu_raised, "path MTUs that were found to be the link's again")                     \
	X(icmp_ignored, "ICMP errors that match nothing in flight")                            \
	X(syn_cookies_sent, "SYN cookies sent")                                                \
	X(syn_cookies_ok, "connections made of a SYN cookie")                                  \
	X(syn_cookies_bad, "acknowledgements that are no valid cookie")                        \
	X(syn_cookies_again, "late copies of segments that had brought a SYN cookie")          \
	X(syn_dropped, "SYNs dropped: no room for half-open connections")                      \
	X(table_full, "connections not made: table full")                                      \
	X(time_wait_recycled, "connections in TIME-WAIT ended early to make room")             \
	X(time_wait_reused, "connections in TIME-WAIT replaced by a new one of the same ends") \
	X(no_mbuf, "segments not sent or data not kept: no free buffer")                       \
	X(no_record, "data not sent yet: no free record")                                      \
	X(no_flight, "data not sent or not kept yet: too many have something under way")       \
	X(budget_connections, "connections refused: over the budget of buffers")               \
	X(budget_sends, "data not taken for a connection yet: over the budget of buffers")     \
	X(budget_cuts, "buffers not cut into segments yet: over the budget of buffers")        \
	X(budget_received, "segments in order not kept: over the budget of buffers")           \
	X(budget_out_of_order, "out-of-order segments not kept: over the budget of buffers")   \
	X(budget_ended, "connections without progress ended early: buffers run short")         \
	X(resets_limited, "resets not sent: too many")                                         \
	X(over_cwnd, "new data sent beyond the congestion window: must stay 0")

struct tcp_counters {
#define X(name, text) uint64_t name;
	TCP_COUNTERS(X)
#undef X
};

/* ---- the caller's side ---------------------------------------------------------------------- */

struct tcp_calls {
	void *arg;
	/* A packet for the network: begins at the IP header, complete; owner is the callee, who
	 * may put something in front but must not change the rest: the data is shared with what
	 * waits for its acknowledgement. route is what came with the connection (tcp_packet.route,
	 * tcp_connect), opaque here. Checksums are written, or left to the port: see
	 * tcp_settings.output. */
	void (*output)(void *arg, struct rte_mbuf *m, uint64_t route);
	/* Packets of this route wait already: should tcp_flush leave a connection for the next
	 * time? NULL: never. */
	bool (*full)(void *arg, uint64_t route);
	/* 64 bits that nobody can predict. */
	uint64_t (*random)(void *arg);

	/* Events; user is what tcp_set_user or tcp_connect gave. NULL: of no interest. */
	/* The handshake of a connection to a listener is complete. Returns its user. */
	uint64_t (*accepted)(void *arg, tcp_handle h, uint32_t listener, const struct tuple *tuple);
	void (*connected)(void *arg, tcp_handle h, uint64_t user);
	/* A packet of the connection is soon to be looked at: fetch what the user has of it, in
	 * TCP_EXPECT_STEPS steps, of which each may read what the one before has fetched. Returns
	 * the connection to which data is likely to be passed on, which will be fetched as well;
	 * TCP_HANDLE_NONE: not known, or not in so few steps. May be wrong, and user of a
	 * connection that is over. No call into the instance from here. */
	tcp_handle (*expected)(void *arg, uint64_t user, uint32_t step);
	/* A chain of `length` bytes of data; the callee owns it. */
	void (*received)(void *arg, tcp_handle h, uint64_t user, struct rte_mbuf *chain,
			 uint32_t length);
	/* tcp_send has said -EAGAIN, something was acknowledged since, and half of the send buffer
	 * is free. */
	void (*room)(void *arg, tcp_handle h, uint64_t user);
	void (*half_closed)(void *arg, tcp_handle h, uint64_t user);
	void (*closed)(void *arg, tcp_handle h, uint64_t user, enum tcp_close_cause cause);
};

/* How output packets are made. Combine. */
enum tcp_output_flags {
	TCP_OUTPUT_CHECKSUM = 1 << 0, /* the port computes IPv4 and TCP checksums
					 (RTE_MBUF_F_TX_IP_CKSUM, _TCP_CKSUM); else software */
	TCP_OUTPUT_TSO = 1 << 1,      /* the port cuts large segments; needs _CHECKSUM */
	TCP_OUTPUT_LINEAR = 1 << 2,   /* one mbuf a packet: data is copied behind the headers */
};

struct tcp_settings {
	uint32_t connections;  /* in all states together, at most 2^26 */
	uint32_t sent_records; /* segments in flight, all connections together; 0: 2 a connection
				  and 65536 */
	uint32_t flights;      /* connections that have something under way, or out of order, at a
				  time: see flight.h; 0: as many as sent_records allow */
	int socket;            /* NUMA node of its memory */
	uint32_t output;       /* enum tcp_output_flags */
	struct rte_mempool *mbufs;  /* headers and copied data; TCP_SMALL_ROOM */
	struct rte_mempool *clones; /* indirect mbufs: no data room needed */
	uint32_t buffer_budget;     /* mbufs held at most, clones included; 0: no bound */
	uint32_t half_open;       /* of all listeners; from here on SYN cookies; 0: connections/4 */
	uint32_t challenge_per_s; /* challenge ACKs a connection; 0: 10 */
	uint32_t resets_per_s;    /* resets to packets of no connection; 0: 1000 */
	uint8_t secret[32];       /* keys of the hash, initial sequence numbers and cookies */
};

/* How a connection behaves: copied at tcp_listen and tcp_connect. Zero: the default. */
struct tcp_options {
	uint32_t receive_window;  /* bytes, at most 1 GB; 262144 */
	uint32_t send_buffer;     /* bytes queued or unacknowledged before -EAGAIN; 262144 */
	uint32_t connect_ms;      /* SYN_SENT and SYN_RECEIVED end after this; 75000 */
	uint32_t user_timeout_ms; /* data without acknowledgement; 900000 (RFC 9293 3.8.3 R2) */
	uint32_t keepalive_ms;    /* first probe after this silence; 0: none */
	uint32_t keepalive_interval_ms; /* 75000 */
	uint32_t keepalive_probes;      /* 9 */
	uint32_t fin_wait_ms;           /* FIN-WAIT-2 without a user's interest; 60000 */
	uint32_t time_wait_ms;          /* 2 MSL; 60000 */
	uint32_t delayed_ack_ms;        /* 25 (at most 500) */
	uint32_t min_rto_ms;            /* 200 */
	uint16_t mtu;                   /* of the link; 1500 */
	uint16_t mss_less; /* the peer is told an MSS so much below the MTU's: what it sends will
			      be passed on with so much more, or
			      by a narrower link; at most mtu - 512 */
	uint8_t ttl;       /* 64 */
	uint8_t tos;       /* DSCP << 2 */
	bool nagle;        /* RFC 896; else small segments leave at once */
	bool no_timestamps, no_sack, no_window_scale, no_ecn; /* not offered, not accepted */
	bool ask_ecn;            /* ask for ECN in connections of ours; else only agree to it */
	bool no_rack, no_cubic;  /* dupacks alone; Reno. For comparisons and tests */
	bool syn_cookies_always; /* listeners */
};

/* A packet whose IP header, options and fragments the caller has dealt with. */
struct tcp_packet {
	struct rte_mbuf *mbuf;     /* starting at the frame or at the IP header */
	const struct tuple *tuple; /* as on the wire: src is the peer; valid during the call */
	uint64_t route;            /* for a connection that it makes, and answers to it */
	uint64_t hash;             /* by tcp_expect; 0: it has not been asked */
	uint32_t listener;         /* the caller's number, as in tcp_listen; TCP_LISTENER_NONE */
	uint16_t l3, l4;           /* offsets of the headers from the mbuf's start */
	uint16_t ip_len;           /* from l3 on, Ethernet padding excluded */
	uint8_t ecn;               /* lower two bits of TOS or traffic class */
	bool checked;              /* the TCP checksum is known to be right */
};

/* An ICMP error about a packet of ours (RFC 5927: believed only with a sequence number that is in
 * flight). */
enum tcp_error_kind {
	TCP_ERROR_TOO_BIG,     /* mtu is set, 0: unknown (RFC 1191) */
	TCP_ERROR_UNREACHABLE, /* hard or soft: ends a connection only while it is being opened */
};

struct tcp_error {
	const struct tuple *tuple; /* of the packet inside, turned round: src is the peer */
	enum tcp_error_kind kind;
	uint32_t sequence; /* of the packet inside, host byte order */
	uint32_t mtu;
};

/* NULL: no memory, or settings that cannot be. `settings` and `calls` are copied; the mempools
 * stay the caller's and outlive the instance. */
struct tcp *tcp_create(const struct tcp_settings *settings, const struct tcp_calls *calls,
		       uint64_t now);
/* Frees everything without a word to peers or user: no event, no packet. NULL is allowed. */
void tcp_destroy(struct tcp *t);

/* A burst of at most BURST_MAX packets, whose mbufs now belong to the instance. now: ns,
 * monotonic, never 0. */
void tcp_input(struct tcp *t, const struct tcp_packet *packets, uint32_t n, uint64_t now);
void tcp_input_error(struct tcp *t, const struct tcp_error *error, uint64_t now);
/* A bounded number of timers that are due. True: there are more, call again soon. */
bool tcp_advance(struct tcp *t, uint64_t now);
/* True: some connection could not send for want of buffers; it is tried again by itself. */
bool tcp_flush(struct tcp *t, uint64_t now);

/* Soon tcp_known is asked, or tcp_input gets a packet of this tuple: fetch. Returns a hash of it,
 * for both; then tcp_fetch may be called to go on with that. */
uint64_t tcp_expect(const struct tcp *t, const struct tuple *tuple);
void tcp_fetch(const struct tcp *t, uint64_t hash);
/* Is there a connection for packets of this tuple (src is the peer), TIME-WAIT included? Where
 * addresses are shared with others (the kernel), only what is known is for tcp_input. hash: by
 * tcp_expect, 0: it has not been asked. */
bool tcp_known(const struct tcp *t, const struct tuple *tuple, uint64_t hash);

/* ---- the user's side ------------------------------------------------------------------------ */

/* Accept connections of packets with this listener number (the caller's, below 65536; matching
 * addresses to it is the caller's). Again with the same number: new options for connections to
 * come. 0, -EINVAL, -ENOMEM. */
int tcp_listen(struct tcp *t, uint32_t listener, const struct tcp_options *options);
/* Accept no more. Half-open connections of it end silently, established ones go on. */
void tcp_unlisten(struct tcp *t, uint32_t listener);

/* Open a connection. tuple as packets of the PEER will show it: src is the peer, dst and dport are
 * ours (choosing the port is the caller's). The SYN leaves with the next tcp_flush. 0;
 * -EADDRINUSE: there is such a connection (choose another port); -ENOMEM: table full, or over the
 * budget; -EINVAL. */
struct tcp_connect {
	struct tuple tuple;
	uint64_t route, user;
	const struct tcp_options *options; /* NULL: defaults */
};
int tcp_connect(struct tcp *t, const struct tcp_connect *what, tcp_handle *h);

/* Queue data. 0: the chain is the instance's now, and whole. -EAGAIN: the send buffer is full, or
 * the connection's share of the budget, and `room` will be called; -EPIPE: after tcp_shutdown;
 * -ENOENT: no such connection; -ENOBUFS: over the budget with nothing queued, so nothing will call:
 * try again later. Then the chain is still the caller's. A chain is taken whole if there is any
 * room in the send buffer, so that bound is exceeded by one chain at most. Before `connected` data
 * may be queued as well. The mbufs must be the caller's alone (a reference count of 1, or clones):
 * they are cut in place. */
int tcp_send(struct tcp *t, tcp_handle h, struct rte_mbuf *chain);
/* Bytes until -EAGAIN. */
uint32_t tcp_send_room(struct tcp *t, tcp_handle h);
/* Bytes of data in a segment that we send, at the most; 0: there is no such connection. */
uint32_t tcp_mss(struct tcp *t, tcp_handle h);
/* The user is done with so many bytes of what was received: opens the window. */
void tcp_credit(struct tcp *t, tcp_handle h, uint32_t bytes);
/* The user keeps so many mbufs more (negative: fewer) of what this connection has received: of the
 * budget until it says otherwise, even if the connection has ended meanwhile. */
void tcp_hold(struct tcp *t, tcp_handle h, int32_t buffers);
/* A FIN after what is queued. Data of the peer still comes. */
void tcp_shutdown(struct tcp *t, tcp_handle h);
/* RST, and the connection is gone with all that is queued; no event follows. */
void tcp_abort(struct tcp *t, tcp_handle h);
/* The user wants no more data (but lets what is queued go out): what still comes is acknowledged
 * and thrown away, for at most fin_wait_ms. Implies tcp_shutdown. `closed` still follows. So the
 * peer gets an answer that was sent before all of the question was read. */
void tcp_drain(struct tcp *t, tcp_handle h);
/* As tcp_abort, but what is queued arrives first: the RST leaves when all of it is acknowledged,
 * and the FIN, if tcp_shutdown was called before. Data of the peer is thrown away from now on.
 * `closed` follows, TCP_CLOSED_DONE if that was so. How long the peer may take without progress is
 * user_timeout_ms, or the user's to decide: by tcp_abort. */
void tcp_abort_later(struct tcp *t, tcp_handle h);
int tcp_set_user(struct tcp *t, tcp_handle h, uint64_t user);
int tcp_set_route(struct tcp *t, tcp_handle h, uint64_t route);

/* ---- looking at it -------------------------------------------------------------------------- */

struct tcp_info {
	tcp_handle handle;
	struct tuple tuple; /* src is the peer */
	uint64_t user, route;
	uint64_t bytes_in, bytes_out;
	uint64_t srtt, rttvar, rto;           /* ns; srtt 0: none measured */
	uint32_t cwnd, ssthresh, in_flight;   /* bytes */
	uint32_t queued;                      /* bytes given to tcp_send and not acknowledged */
	uint32_t unread;                      /* bytes received and not credited */
	uint32_t out_of_order;                /* bytes kept */
	uint32_t send_window, receive_window; /* as the peer allows, as we last said */
	uint32_t retransmits;                 /* segments */
	uint32_t waited_ms; /* since the peer has acknowledged data last, or has had to for the
			       first time; UINT32_MAX: it was sent none */
	uint16_t mss;       /* of data in what we send */
	uint8_t state;      /* enum tcp_state */
	bool ours;          /* by tcp_connect */
	bool sack, timestamps, window_scale, ecn, recovering;
};

/* 0 or -ENOENT. */
int tcp_info(struct tcp *t, tcp_handle h, struct tcp_info *info);
/* The connection of packets of this tuple (src is the peer), whoever knows of it. False: none. */
bool tcp_find(struct tcp *t, const struct tuple *tuple, struct tcp_info *info);
/* The next connection from *cursor on (0 at first), looking at no more than `slots` slots. True:
 * info is filled. False: none there; done if *cursor is UINT32_MAX, else call again. */
bool tcp_walk(struct tcp *t, uint32_t *cursor, uint32_t slots, struct tcp_info *info);

const struct tcp_counters *tcp_counters(const struct tcp *t);
const char *tcp_state_name(enum tcp_state state);
const char *tcp_close_cause_name(enum tcp_close_cause cause);

/* What is in use now. Idle, with all connections gone: all 0. */
struct tcp_usage {
	uint32_t connections, half_open, time_wait;
	uint32_t records; /* of sent segments */
	uint32_t timers;  /* armed */
	uint32_t buffers; /* of buffer_budget */
	uint32_t flights; /* that belong to a connection, though it may be idle */
};
void tcp_usage(const struct tcp *t, struct tcp_usage *usage);

/* Verify every invariant of every connection; slow, for tests. NULL, or what is wrong. */
const char *tcp_check(struct tcp *t);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The retransmission queue of a connection: a record for each segment that is sent and not yet
 * acknowledged, and what the peer has said of it (RFC 2018 scoreboard, RFC 6675 pipe).
 *
 * Records come from a pool of the instance, 16 of them side by side in a chunk, whose states are
 * bit masks. So a block that covers a whole chunk costs one step, and not one for each segment:
 *
 *     struct sent           chunk            chunk
 *       head  ----------->  |##......|  <->  |......oo|  <--- tail      # acknowledged
 *                           oldest           newest  append             . in flight, o free
 *
 * A record is in exactly one of these states:
 *
 *     IN FLIGHT  --RACK, timeout-->  LOST  --sent again-->  LOST + AGAIN  --RACK-->  LOST ...
 *         \________________________ SACKED ______________________/
 *
 *     pipe = bytes - sacked - lost + again            (again counts the bytes in LOST + AGAIN)
 *
 * Records are never split. A block that covers a part of one is taken to say nothing of it: RFC
 * 2018 wants blocks as large as what lies there without a gap, so the whole is told once it is
 * there. A cumulative acknowledgement inside a record cuts its front off.
 *
 * Work is bounded: an ACK takes at most SENT_STEPS_MAX chunk steps besides those for what it newly
 * acknowledges, whatever blocks it carries (CVE-2019-11478); what remains unread is as if it had
 * not been said.
 *
 * The queue holds one reference of each record's mbuf and frees it on acknowledgement. Several
 * records may refer to one mbuf, each with a reference of its own.
 *
 * Owner: the worker of the instance. Times are ns, never 0.
 */
#ifndef DP_TCP_SENT_H
#define DP_TCP_SENT_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dp/tcp/options.h"
#include "dp/tcp/sequence.h"

struct rte_mbuf;
struct sent_pool;

#define SENT_NONE        UINT32_MAX
#define SENT_CHUNK       16
#define SENT_STEPS_MAX   512
#define SENT_RECORDS_MAX 65535 /* of a connection */

/* What a record's bytes are besides data; each takes one sequence number. */
enum sent_flags {
	SENT_SYN = 1 << 0,
	SENT_FIN = 1 << 1,
};

struct sent_record {
	struct rte_mbuf *mbuf; /* NULL: no data */
	uint64_t time;         /* when last sent */
	uint32_t seq;
	uint16_t length;       /* of data */
	uint16_t offset;       /* of the data in the mbuf's chain; their sum is below 2^16 */
	uint32_t older, newer; /* LOST + AGAIN: in the order of sending again */
};
static_assert(sizeof(struct sent_record) == 32, "two records a cache line");

/* A connection's queue. All zero bytes are not a queue: sent_init. */
struct sent {
	uint32_t head, tail; /* chunks, SENT_NONE: none */
	uint16_t records, sacked_records;
	uint32_t bytes; /* of sequence space: end of the last - begin of the first */
	uint32_t sacked, lost, again;
	uint32_t duplicates; /* peer without SACK: bytes that duplicate ACKs stand for */
	uint32_t sack_hint;  /* chunk where the last block ended */
	uint32_t lost_hint;  /* chunks before it have nothing that waits to be sent again */
	uint32_t fresh_hint; /* chunks before it have nothing IN FLIGHT */
	uint32_t again_head, again_tail; /* records LOST + AGAIN by time, SENT_NONE */
	uint32_t end;                    /* sequence number behind the last record */
	uint32_t run_left, run_right;    /* all records within are SACKED; empty: none is known */
};
static_assert(sizeof(struct sent) == 64, "a cache line of a connection");

/* ---- the pool ------------------------------------------------------------------------------- */

/* For at least n records, in one piece of memory by the caller's allocator (freeing that frees the
 * pool). NULL: no memory, or n is 0 or above 2^31. A connection with anything in flight takes a
 * whole chunk, so n should be 16 for each connection that has. */
struct sent_pool *sent_pool_create(uint32_t n, void *(*alloc)(size_t size, void *arg), void *arg);
size_t sent_pool_size(uint32_t n);
/* Records in use now; chunks that are free. */
uint32_t sent_pool_used(const struct sent_pool *p);
uint32_t sent_pool_free_chunks(const struct sent_pool *p);

/* An acknowledgement may come soon: fetch what is first in the queue. */
void sent_prefetch(const struct sent_pool *p, const struct sent *q);
/* ... and then its buffer, to free it. */
void sent_prefetch_buffer(const struct sent_pool *p, const struct sent *q);

/* ---- sending -------------------------------------------------------------------------------- */

void sent_init(struct sent *q);
/* Is there room for one more record? */
bool sent_room(const struct sent_pool *p, const struct sent *q);

struct sent_segment {
	struct rte_mbuf *mbuf; /* its reference is the queue's from now on */
	uint32_t seq;          /* follows the last one without a gap */
	uint16_t length;
	uint8_t flags;   /* enum sent_flags; length + flags is not empty */
	uint16_t offset; /* not beside length, or both would be read as one word, which would have
			  * to wait until what was just written as two, and all before it, is in the
			  * cache */
};
/* A new segment is sent at now. False: no room, the reference is still the caller's. */
bool sent_append(struct sent_pool *p, struct sent *q, const struct sent_segment *s, uint64_t now);

/* The first record that is LOST and waits to be sent again (RFC 6675 NextSeg, rule 1). NULL: none.
 * What it holds is to be sent again from record->seq on: all of it, if need be in several
 * segments. */
struct sent_record *sent_next_lost(struct sent_pool *p, struct sent *q);
/* The newest record (a tail loss probe), the oldest one (a timeout); NULL if all is acknowledged.
 * Either may be in any state. */
struct sent_record *sent_last(struct sent_pool *p, const struct sent *q);
struct sent_record *sent_first(struct sent_pool *p, const struct sent *q);
/* The record was sent again at now (nothing happens if it is SACKED). One that was IN FLIGHT, like
 * that of a probe, is LOST + AGAIN then, which is the same to pipe. */
void sent_again(struct sent_pool *p, struct sent *q, struct sent_record *r, uint64_t now);

uint8_t sent_flags(const struct sent_pool *p, const struct sent_record *r);
/* Sequence space of a record: data, SYN and FIN. */
uint32_t sent_length(const struct sent_pool *p, const struct sent_record *r);
/* How often it was sent again, saturating at 255. */
uint8_t sent_repeats(const struct sent_pool *p, const struct sent_record *r);
bool sent_is_lost(const struct sent_pool *p, const struct sent_record *r);
bool sent_is_sacked(const struct sent_pool *p, const struct sent_record *r);

/* RFC 6675: bytes that are still in the network. */
static inline uint32_t
sent_pipe(const struct sent *q)
{
	uint32_t flying = q->bytes - q->sacked - q->lost + q->again;

	return flying > q->duplicates ? flying - q->duplicates : 0;
}

static inline bool
sent_empty(const struct sent *q)
{
	return q->records == 0;
}

/* ---- acknowledgements ----------------------------------------------------------------------- */

struct sent_ack {
	uint64_t now;
	uint32_t ack; /* within [first, end]: the caller has checked */
	uint32_t n_sack;
	const struct sack_block *sack; /* as they came: any numbers at all */
	/* Peers with timestamps: what it echoes, less our offset: in ms of our clock. Where the ACK
	 * advances it tells the acknowledgement of a segment that was sent again from that of its
	 * first sending. */
	bool echoes;
	uint32_t echo;
};

/* What an ACK brought. */
struct sent_result {
	uint32_t acked;     /* bytes newly acknowledged cumulatively, SYN and FIN included */
	uint32_t sacked;    /* bytes newly SACKED */
	uint32_t delivered; /* bytes of which it is new that they arrived, by either */
	uint32_t again;     /* records among those that had been sent again */

	/* Round trips, ns, 0: none. Of segments sent once only (Karn): the shortest, for minima,
	 * and the longest, in which the peer's delay of ACKs is contained, for the timeout. */
	uint64_t rtt_short, rtt_long;

	/* Of those delivered the one sent last (RFC 8985 6.2, step 2); time 0: none that says
	 * anything. */
	uint64_t rack_time, rack_rtt;
	uint32_t rack_end;
	uint32_t highest; /* end of the highest delivered, if delivered > 0 */
	/* One that was sent once only came behind the highest of former ACKs (step 3); *fack is
	 * of struct rack. */
	bool reordered;

	uint32_t buffers; /* mbufs that the queue no longer refers to */

	bool dsack; /* RFC 2883: the first block tells of something that came twice */
	struct sack_block duplicate;
	uint8_t bad_blocks; /* blocks that cannot be, or were not read to the end */
};

/* Apply an ACK. fack: RACK.fack, moved on. `rtt_floor`: RACK.min_RTT, round trips of segments sent
 * again that are shorter than this are not believed. */
struct sent_context {
	uint32_t *fack;
	uint32_t rtt_floor;
};
void sent_acknowledge(struct sent_pool *p, struct sent *q, const struct sent_ack *ack,
		      const struct sent_context *context, struct sent_result *out);

/* A peer without SACK sent a duplicate ACK (RFC 5681 2): one more segment has arrived, we do not
 * know which. Bytes to count as delivered (RFC 6937 4). The next cumulative acknowledgement takes
 * this back: sent_result.delivered is less by what was counted already. */
uint32_t sent_duplicate(struct sent *q, uint32_t mss);

/* ---- losses --------------------------------------------------------------------------------- */

/* Of (time, end) order: was t1, e1 sent after t2, e2? (RFC 8985, RACK_sent_after) */
static inline bool
sent_after(uint64_t t1, uint32_t e1, uint64_t t2, uint32_t e2)
{
	return t1 != t2 ? t1 > t2 : seq_lt(e2, e1);
}

/* Mark as LOST all that was sent before (time, end), is not SACKED, and whose time is at or before
 * `until`. The bytes newly lost; *waiting: there are others sent before (time, end), younger than
 * `until`. */
struct sent_deadline {
	uint64_t time, until;
	uint32_t end;
};
uint32_t sent_mark_lost(struct sent_pool *p, struct sent *q, const struct sent_deadline *d,
			bool *waiting);

/* All records with more than `length` bytes of data are LOST: the path's MTU has become smaller
 * (RFC 1191 6.4). Bytes newly lost. */
uint32_t sent_mark_long_lost(struct sent_pool *p, struct sent *q, uint32_t length);

/* The oldest record is LOST, be it sent again already or not: RFC 6582 (partial acknowledgement,
 * three duplicates), without SACK. Bytes newly lost. */
uint32_t sent_mark_first_lost(struct sent_pool *p, struct sent *q);

/* The retransmission timer went off: all that is not SACKED is LOST. If the oldest record is SACKED
 * the peer has thrown away what it had (reneging, RFC 2018 8): then nothing is SACKED any more.
 * True: it did. RFC 8985 6.3 marks only what is older than a round trip: `until` as above,
 * UINT64_MAX for all. */
bool sent_timeout(struct sent_pool *p, struct sent *q, uint64_t until);

/* Free all records and their mbufs; how many mbufs those were. */
uint32_t sent_clear(struct sent_pool *p, struct sent *q);

/* Mbufs that it refers to. For tests, slow. */
uint32_t sent_buffers(const struct sent_pool *p, const struct sent *q);
/* Is every sum right? NULL, or what is wrong. For tests, slow. */
const char *sent_check(const struct sent_pool *p, const struct sent *q);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the retransmission queue (dp/tcp/sent.h) lies in memory; for sent.c and sent_ack.c only.
 *
 * Record n is slot n % 16 of chunk n / 16. Slots of a chunk are taken in order, and freed in order
 * from the front of the queue; `live` has the bits of those in use. The other masks are parts of
 * it:
 *
 *     sacked, lost: disjoint      again: part of lost      repeated: was sent more than once
 *
 * begin and end: sequence numbers of the first live record and behind the last.
 */
#ifndef DP_TCP_SENT_CHUNK_H
#define DP_TCP_SENT_CHUNK_H

#include <rte_mbuf.h>

#include "dp/tcp/sent.h"

struct sent_chunk {
	uint32_t next, prev; /* towards tail, head; next also links free chunks */
	uint32_t begin, end;
	uint16_t live, sacked, lost, again, repeated;
	uint8_t flags[SENT_CHUNK];
	uint8_t repeats[SENT_CHUNK];
	uint8_t spare[6];
};
static_assert(sizeof(struct sent_chunk) == 64, "a cache line a chunk");

struct sent_pool {
	struct sent_chunk *chunks;
	struct sent_record *records;
	uint32_t n_chunks;
	uint32_t fresh; /* chunks from here on were never used */
	uint32_t free_head;
	uint32_t free_chunks;
	uint32_t used; /* records */
};

static inline uint32_t
record_number(const struct sent_pool *p, const struct sent_record *r)
{
	return (uint32_t)(r - p->records);
}

static inline struct sent_chunk *
record_chunk(const struct sent_pool *p, const struct sent_record *r)
{
	return &p->chunks[record_number(p, r) / SENT_CHUNK];
}

static inline unsigned int
record_slot(const struct sent_pool *p, const struct sent_record *r)
{
	return record_number(p, r) % SENT_CHUNK;
}

static inline struct sent_record *
chunk_record(const struct sent_pool *p, const struct sent_chunk *c, unsigned int slot)
{
	return &p->records[(uint32_t)(c - p->chunks) * SENT_CHUNK + slot];
}

/* Sequence space of a slot's record. */
static inline uint32_t
slot_length(const struct sent_chunk *c, const struct sent_record *r, unsigned int slot)
{
	return r->length + (c->flags[slot] & SENT_SYN) + (c->flags[slot] >> 1 & 1);
}

static inline unsigned int
lowest_bit(uint32_t mask)
{
	return (unsigned int)__builtin_ctz(mask);
}

static inline uint32_t
record_buffers(const struct sent_record *r)
{
	return r->mbuf ? r->mbuf->nb_segs : 0;
}

/* The record's reference; the number of mbufs. */
static inline uint32_t
record_free(struct sent_record *r)
{
	uint32_t n = record_buffers(r);

	rte_pktmbuf_free(r->mbuf);
	return n;
}

/* Out of the list of those sent again; its bytes fly no longer. */
void sent_again_remove(struct sent_pool *p, struct sent *q, struct sent_record *r);
/* The first chunk has nothing live any more. */
void sent_free_head(struct sent_pool *p, struct sent *q);

#endif

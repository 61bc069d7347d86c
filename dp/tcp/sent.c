/* SPDX-License-Identifier: Apache-2.0 */
/* The retransmission queue: the pool, what is sent, what is lost. Acknowledgements: sent_ack.c. */
#include "dp/tcp/sent.h"

#include <rte_mbuf.h>

#include "dp/tcp/sent_chunk.h"

/* ---- the pool ------------------------------------------------------------------------------- */

static uint32_t
chunks_for(uint32_t n)
{
	return n / SENT_CHUNK + (n % SENT_CHUNK != 0);
}

static size_t
head_size(void)
{
	return (sizeof(struct sent_pool) + 63) / 64 * 64;
}

size_t
sent_pool_size(uint32_t n)
{
	return head_size() + (size_t)chunks_for(n) * (sizeof(struct sent_chunk) +
						      SENT_CHUNK * sizeof(struct sent_record));
}

struct sent_pool *
sent_pool_create(uint32_t n, void *(*alloc)(size_t size, void *arg), void *arg)
{
	struct sent_pool *p;
	uint8_t *memory;

	if (n == 0 || n > 1u << 31)
		return NULL;
	memory = alloc(sent_pool_size(n), arg);
	if (!memory)
		return NULL;
	p = (struct sent_pool *)memory;
	*p = (struct sent_pool){ .n_chunks = chunks_for(n), .free_head = SENT_NONE };
	p->free_chunks = p->n_chunks;
	p->chunks = (struct sent_chunk *)(memory + head_size());
	p->records = (struct sent_record *)(p->chunks + p->n_chunks);
	return p;
}

uint32_t
sent_pool_used(const struct sent_pool *p)
{
	return p->used;
}

uint32_t
sent_pool_free_chunks(const struct sent_pool *p)
{
	return p->free_chunks;
}

static uint32_t
chunk_take(struct sent_pool *p)
{
	uint32_t n = p->free_head;

	if (n != SENT_NONE)
		p->free_head = p->chunks[n].next;
	else if (p->fresh < p->n_chunks)
		n = p->fresh++;
	else
		return SENT_NONE;
	p->free_chunks--;
	return n;
}

/* ---- sending -------------------------------------------------------------------------------- */

void
sent_init(struct sent *q)
{
	*q = (struct sent){
		.head = SENT_NONE,
		.tail = SENT_NONE,
		.sack_hint = SENT_NONE,
		.lost_hint = SENT_NONE,
		.fresh_hint = SENT_NONE,
		.again_head = SENT_NONE,
		.again_tail = SENT_NONE,
	};
}

static bool
tail_full(const struct sent_pool *p, const struct sent *q)
{
	return q->tail == SENT_NONE || p->chunks[q->tail].live >> (SENT_CHUNK - 1);
}

bool
sent_room(const struct sent_pool *p, const struct sent *q)
{
	return q->records < SENT_RECORDS_MAX && (!tail_full(p, q) || p->free_chunks > 0);
}

/* A new chunk at the tail, for what begins at seq. */
static bool
tail_grow(struct sent_pool *p, struct sent *q, uint32_t seq)
{
	uint32_t n = chunk_take(p);

	if (n == SENT_NONE)
		return false;
	p->chunks[n] =
	    (struct sent_chunk){ .next = SENT_NONE, .prev = q->tail, .begin = seq, .end = seq };
	if (q->tail == SENT_NONE)
		q->head = q->sack_hint = q->lost_hint = q->fresh_hint = n;
	else
		p->chunks[q->tail].next = n;
	q->tail = n;
	return true;
}

bool
sent_append(struct sent_pool *p, struct sent *q, const struct sent_segment *s, uint64_t now)
{
	struct sent_chunk *c;
	struct sent_record *r;
	unsigned int slot;
	uint32_t length;

	if (q->records == SENT_RECORDS_MAX || (tail_full(p, q) && !tail_grow(p, q, s->seq)))
		return false;
	c = &p->chunks[q->tail];
	slot = c->live ? 32 - (unsigned int)__builtin_clz(c->live) : 0;
	r = chunk_record(p, c, slot);
	*r = (struct sent_record){
		.mbuf = s->mbuf,
		.time = now,
		.seq = s->seq,
		.length = s->length,
		.offset = s->offset,
		.older = SENT_NONE,
		.newer = SENT_NONE,
	};
	c->live |= (uint16_t)(1u << slot);
	c->flags[slot] = s->flags;
	length = slot_length(c, r, slot);
	c->end = q->end = s->seq + length;
	q->bytes += length;
	q->records++;
	p->used++;
	return true;
}

struct sent_record *
sent_first(struct sent_pool *p, const struct sent *q)
{
	struct sent_chunk *c;

	if (q->head == SENT_NONE)
		return NULL;
	c = &p->chunks[q->head];
	return chunk_record(p, c, lowest_bit(c->live));
}

struct sent_record *
sent_last(struct sent_pool *p, const struct sent *q)
{
	struct sent_chunk *c;

	if (q->tail == SENT_NONE)
		return NULL;
	c = &p->chunks[q->tail];
	return chunk_record(p, c, 31 - (unsigned int)__builtin_clz(c->live));
}

struct sent_record *
sent_next_lost(struct sent_pool *p, struct sent *q)
{
	struct sent_chunk *c;
	uint32_t waiting;

	if (q->lost == q->again)
		return NULL;
	for (; q->lost_hint != SENT_NONE; q->lost_hint = c->next) {
		c = &p->chunks[q->lost_hint];
		waiting = c->lost & ~(uint32_t)c->again;
		if (waiting)
			return chunk_record(p, c, lowest_bit(waiting));
	}
	return NULL;
}

/* ---- what was sent again, by time ----------------------------------------------------------- */

static void
again_append(struct sent_pool *p, struct sent *q, struct sent_record *r)
{
	uint32_t n = record_number(p, r);

	r->older = q->again_tail;
	r->newer = SENT_NONE;
	if (q->again_tail == SENT_NONE)
		q->again_head = n;
	else
		p->records[q->again_tail].newer = n;
	q->again_tail = n;
}

void
sent_again_remove(struct sent_pool *p, struct sent *q, struct sent_record *r)
{
	struct sent_chunk *c = record_chunk(p, r);
	unsigned int slot = record_slot(p, r);

	if (r->older == SENT_NONE)
		q->again_head = r->newer;
	else
		p->records[r->older].newer = r->newer;
	if (r->newer == SENT_NONE)
		q->again_tail = r->older;
	else
		p->records[r->newer].older = r->older;
	c->again &= (uint16_t) ~(1u << slot);
	q->again -= slot_length(c, r, slot);
}

void
sent_again(struct sent_pool *p, struct sent *q, struct sent_record *r, uint64_t now)
{
	struct sent_chunk *c = record_chunk(p, r);
	unsigned int slot = record_slot(p, r);
	uint16_t bit = (uint16_t)(1u << slot);
	uint32_t length = slot_length(c, r, slot);

	if (c->sacked & bit)
		return;
	if (c->again & bit)
		sent_again_remove(p, q, r);
	if (!(c->lost & bit)) {
		c->lost |= bit;
		q->lost += length;
	}
	c->again |= bit;
	c->repeated |= bit;
	q->again += length;
	if (c->repeats[slot] < UINT8_MAX)
		c->repeats[slot]++;
	r->time = now;
	again_append(p, q, r);
}

uint8_t
sent_flags(const struct sent_pool *p, const struct sent_record *r)
{
	return record_chunk(p, r)->flags[record_slot(p, r)];
}

uint32_t
sent_length(const struct sent_pool *p, const struct sent_record *r)
{
	return slot_length(record_chunk(p, r), r, record_slot(p, r));
}

uint8_t
sent_repeats(const struct sent_pool *p, const struct sent_record *r)
{
	return record_chunk(p, r)->repeats[record_slot(p, r)];
}

bool
sent_is_lost(const struct sent_pool *p, const struct sent_record *r)
{
	return record_chunk(p, r)->lost >> record_slot(p, r) & 1;
}

bool
sent_is_sacked(const struct sent_pool *p, const struct sent_record *r)
{
	return record_chunk(p, r)->sacked >> record_slot(p, r) & 1;
}

/* ---- losses --------------------------------------------------------------------------------- */

/* IN FLIGHT or LOST + AGAIN -> LOST; bytes newly lost. */
static uint32_t
lose(struct sent_pool *p, struct sent *q, struct sent_record *r)
{
	struct sent_chunk *c = record_chunk(p, r);
	unsigned int slot = record_slot(p, r);
	uint16_t bit = (uint16_t)(1u << slot);
	uint32_t length = slot_length(c, r, slot);

	if (c->sacked & bit || (c->lost & bit && !(c->again & bit)))
		return 0;
	if (c->again & bit) {
		sent_again_remove(p, q, r);
	} else {
		c->lost |= bit;
		q->lost += length;
	}
	if (q->lost_hint == SENT_NONE || seq_lt(c->begin, p->chunks[q->lost_hint].begin))
		q->lost_hint = (uint32_t)(c - p->chunks);
	return length;
}

/* Is the record older than what the deadline speaks of? */
static bool
sent_before(const struct sent_pool *p, const struct sent_record *r, const struct sent_deadline *d)
{
	return sent_after(d->time, d->end, r->time, r->seq + sent_length(p, r));
}

/* Those that were sent once lie in the order of their times: nothing behind the first that is too
 * young is to be looked at. */
static uint32_t
lose_fresh(struct sent_pool *p, struct sent *q, const struct sent_deadline *d, bool *waiting)
{
	uint32_t newly = 0, fresh;
	struct sent_record *r;
	struct sent_chunk *c;

	while (q->fresh_hint != SENT_NONE) {
		c = &p->chunks[q->fresh_hint];
		fresh = c->live & ~(uint32_t)(c->sacked | c->lost);
		for (; fresh; fresh &= fresh - 1) {
			r = chunk_record(p, c, lowest_bit(fresh));
			if (!sent_before(p, r, d))
				return newly;
			if (r->time > d->until) {
				*waiting = true;
				return newly;
			}
			newly += lose(p, q, r);
		}
		if (c->next == SENT_NONE)
			return newly;
		q->fresh_hint = c->next;
	}
	return newly;
}

uint32_t
sent_mark_lost(struct sent_pool *p, struct sent *q, const struct sent_deadline *d, bool *waiting)
{
	uint32_t newly = 0;
	struct sent_record *r;

	*waiting = false;
	while (q->again_head != SENT_NONE) {
		r = &p->records[q->again_head];
		if (!sent_before(p, r, d))
			break;
		if (r->time > d->until) {
			*waiting = true;
			break;
		}
		newly += lose(p, q, r);
	}
	return newly + lose_fresh(p, q, d, waiting);
}

uint32_t
sent_mark_first_lost(struct sent_pool *p, struct sent *q)
{
	struct sent_record *r = sent_first(p, q);

	return r ? lose(p, q, r) : 0;
}

uint32_t
sent_mark_long_lost(struct sent_pool *p, struct sent *q, uint32_t length)
{
	uint32_t n, live, newly = 0;
	struct sent_record *r;

	for (n = q->head; n != SENT_NONE; n = p->chunks[n].next) {
		for (live = p->chunks[n].live; live; live &= live - 1) {
			r = chunk_record(p, &p->chunks[n], lowest_bit(live));
			if (r->length > length)
				newly += lose(p, q, r);
		}
	}
	return newly;
}

/* The peer has kept nothing of what it SACKed. */
static void
renege(struct sent_pool *p, struct sent *q)
{
	struct sent_chunk *c;
	uint32_t n;

	for (n = q->head; n != SENT_NONE; n = c->next) {
		c = &p->chunks[n];
		c->lost = c->live;
		c->sacked = c->again = 0;
	}
	q->lost = q->bytes;
	q->sacked = q->again = 0;
	q->sacked_records = 0;
	q->run_left = q->run_right = 0;
	q->again_head = q->again_tail = SENT_NONE;
	q->lost_hint = q->head;
	q->fresh_hint = q->tail;
}

bool
sent_timeout(struct sent_pool *p, struct sent *q, uint64_t until)
{
	const struct sent_deadline d = { .time = UINT64_MAX, .until = until };
	struct sent_record *first = sent_first(p, q);
	bool waiting;

	q->duplicates = 0;
	if (!first)
		return false;
	if (sent_is_sacked(p, first)) {
		renege(p, q);
		return true;
	}
	sent_mark_lost(p, q, &d, &waiting);
	lose(p, q, first);
	return false;
}

/* ---- the end -------------------------------------------------------------------------------- */

void
sent_free_head(struct sent_pool *p, struct sent *q)
{
	uint32_t n = q->head, next = p->chunks[n].next;

	q->head = next;
	if (next == SENT_NONE)
		q->tail = SENT_NONE;
	else
		p->chunks[next].prev = SENT_NONE;
	if (q->sack_hint == n)
		q->sack_hint = next;
	if (q->lost_hint == n)
		q->lost_hint = next;
	if (q->fresh_hint == n)
		q->fresh_hint = next;
	p->chunks[n].next = p->free_head;
	p->free_head = n;
	p->free_chunks++;
}

uint32_t
sent_clear(struct sent_pool *p, struct sent *q)
{
	uint32_t live, buffers = 0;

	while (q->head != SENT_NONE) {
		for (live = p->chunks[q->head].live; live; live &= live - 1) {
			buffers +=
			    record_free(chunk_record(p, &p->chunks[q->head], lowest_bit(live)));
			p->used--;
		}
		sent_free_head(p, q);
	}
	sent_init(q);
	return buffers;
}

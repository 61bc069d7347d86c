/* SPDX-License-Identifier: Apache-2.0 */
/* Does the retransmission queue keep its promises? For tests: looks at every record. */
#include "dp/tcp/sent.h"
#include "dp/tcp/sent_chunk.h"

struct sums {
	uint32_t records, sacked_records, bytes, sacked, lost, again, again_records;
	uint32_t next_seq;
	uint64_t last_fresh; /* time of the last record that is in flight for the first time */
	bool first;
};

static const char *
check_record(const struct sent_pool *p, const struct sent_chunk *c, unsigned int slot,
	     struct sums *s)
{
	const struct sent_record *r = chunk_record(p, c, slot);
	uint32_t length = slot_length(c, r, slot), bit = 1u << slot;

	if (!s->first && r->seq != s->next_seq)
		return "a gap between two records";
	if (!length)
		return "a record of nothing";
	s->first = false;
	s->next_seq = r->seq + length;
	s->records++;
	s->bytes += length;
	if (c->sacked & bit) {
		s->sacked += length;
		s->sacked_records++;
	}
	if (c->lost & bit)
		s->lost += length;
	if (c->again & bit) {
		s->again += length;
		s->again_records++;
	}
	if (!((c->sacked | c->lost) & bit)) {
		if (r->time < s->last_fresh)
			return "records in flight are not in the order of their times";
		s->last_fresh = r->time;
	}
	return NULL;
}

static const char *
check_chunk(const struct sent_pool *p, const struct sent_chunk *c, struct sums *s)
{
	const char *wrong = NULL;
	uint32_t live;

	if (!c->live)
		return "an empty chunk";
	if ((c->sacked | c->lost | c->again | c->repeated) & ~(uint32_t)c->live)
		return "a state of a slot that is free";
	if (c->sacked & c->lost || c->again & ~(uint32_t)c->lost ||
	    c->again & ~(uint32_t)c->repeated)
		return "states that exclude each other";
	if (c->begin != chunk_record(p, c, lowest_bit(c->live))->seq)
		return "a chunk's begin";
	for (live = c->live; live && !wrong; live &= live - 1)
		wrong = check_record(p, c, lowest_bit(live), s);
	if (!wrong && c->end != s->next_seq)
		return "a chunk's end";
	return wrong;
}

/* Nothing that a hint jumps over may be what it is to find. */
static const char *
check_hints(const struct sent_pool *p, const struct sent *q)
{
	bool before_lost = true, before_fresh = true;
	const struct sent_chunk *c;
	uint32_t n, prev = SENT_NONE;

	for (n = q->head; n != SENT_NONE; n = c->next) {
		c = &p->chunks[n];
		if (c->prev != prev)
			return "links between chunks";
		prev = n;
		before_lost = before_lost && n != q->lost_hint;
		before_fresh = before_fresh && n != q->fresh_hint;
		if (before_lost && c->lost & ~(uint32_t)c->again)
			return "something lost before lost_hint";
		if (before_fresh && c->live & ~(uint32_t)(c->sacked | c->lost))
			return "something in flight before fresh_hint";
	}
	return prev == q->tail ? NULL : "the tail";
}

static const char *
check_again(const struct sent_pool *p, const struct sent *q, uint32_t want)
{
	uint32_t n, prev = SENT_NONE, count = 0;
	uint64_t time = 0;

	for (n = q->again_head; n != SENT_NONE && count <= want; n = p->records[n].newer) {
		const struct sent_record *r = &p->records[n];

		if (r->older != prev || !(record_chunk(p, r)->again >> record_slot(p, r) & 1))
			return "the list of what was sent again";
		if (r->time < time)
			return "the order of what was sent again";
		time = r->time;
		prev = n;
		count++;
	}
	return count == want && prev == q->again_tail ? NULL : "the length of what was sent again";
}

static const char *
check_run(const struct sent_pool *p, const struct sent *q)
{
	const struct sent_chunk *c;
	const struct sent_record *r;
	uint32_t n, live;

	for (n = q->head; n != SENT_NONE && q->run_left != q->run_right; n = c->next) {
		c = &p->chunks[n];
		for (live = c->live; live; live &= live - 1) {
			r = chunk_record(p, c, lowest_bit(live));
			if (seq_le(q->run_left, r->seq) && seq_lt(r->seq, q->run_right) &&
			    !(c->sacked & live & -live))
				return "the run holds what is not SACKED";
		}
	}
	return NULL;
}

uint32_t
sent_buffers(const struct sent_pool *p, const struct sent *q)
{
	uint32_t n, live, buffers = 0;

	for (n = q->head; n != SENT_NONE; n = p->chunks[n].next)
		for (live = p->chunks[n].live; live; live &= live - 1)
			buffers += record_buffers(chunk_record(p, &p->chunks[n], lowest_bit(live)));
	return buffers;
}

const char *
sent_check(const struct sent_pool *p, const struct sent *q)
{
	struct sums s = { .first = true };
	const char *wrong = NULL;
	uint32_t n;

	for (n = q->head; n != SENT_NONE && !wrong; n = p->chunks[n].next)
		wrong = check_chunk(p, &p->chunks[n], &s);
	if (wrong)
		return wrong;
	if (s.records != q->records || s.bytes != q->bytes || (s.records && s.next_seq != q->end))
		return "the number of records or bytes";
	if (s.sacked != q->sacked || s.sacked_records != q->sacked_records)
		return "the sum of what is SACKED";
	if (s.lost != q->lost || s.again != q->again)
		return "the sum of what is lost";
	if (q->duplicates > q->bytes)
		return "more duplicates than bytes";
	wrong = check_hints(p, q);
	if (!wrong)
		wrong = check_again(p, q, s.again_records);
	return wrong ? wrong : check_run(p, q);
}

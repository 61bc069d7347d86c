/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an acknowledgement does to the retransmission queue:
 *
 *  1. the cumulative part frees records from the front,
 *  2. the blocks are sorted out: impossible ones, D-SACK, and the rest in ascending order,
 *  3. each block marks the records that it covers whole; where it lies within what is known to be
 *     SACKED it costs nothing.
 *
 * Everything that is newly delivered passes through note(), which gathers round trips, RACK's
 * latest segment and reordering.
 */
#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include "dp/tcp/sent.h"
#include "dp/tcp/sent_chunk.h"

#define NS_PER_MS 1000000

/* One call of sent_acknowledge. */
struct work {
	struct sent_pool *p;
	struct sent *q;
	const struct sent_ack *ack;
	const struct sent_context *context;
	struct sent_result *out;
	uint32_t steps; /* left */
	bool advancing; /* at the cumulative part */
};

/* RFC 8985 6.2, step 2: may the ACK be for the first sending of a segment that was sent again? What
 * it echoes says so only if it advances: behind a gap the peer goes on echoing what came before the
 * gap (RFC 7323 4.3). */
static bool
doubtful(const struct work *w, const struct sent_record *r, uint64_t rtt)
{
	const struct sent_ack *ack = w->ack;

	if (ack->echoes && w->advancing && seq_lt(ack->echo, (uint32_t)(r->time / NS_PER_MS)))
		return true;
	return rtt < w->context->rtt_floor;
}

static void
note(struct work *w, const struct sent_record *r, uint32_t end, bool repeated)
{
	uint64_t now = w->ack->now, rtt = now > r->time ? now - r->time : 1;
	struct sent_result *out = w->out;
	uint32_t *fack = w->context->fack;

	if (repeated) {
		out->again++;
	} else {
		if (!out->rtt_short || rtt < out->rtt_short)
			out->rtt_short = rtt;
		if (rtt > out->rtt_long)
			out->rtt_long = rtt;
	}
	if (seq_lt(*fack, end))
		*fack = end;
	else if (seq_lt(end, *fack) && !repeated)
		out->reordered = true;
	if (!out->delivered || seq_lt(out->highest, end))
		out->highest = end;
	if (repeated && doubtful(w, r, rtt))
		return;
	if (!out->rack_time || sent_after(r->time, end, out->rack_time, out->rack_end)) {
		out->rack_time = r->time;
		out->rack_end = end;
		out->rack_rtt = rtt;
	}
}

/* ---- 1. cumulative -------------------------------------------------------------------------- */

/* The first record of the queue has arrived whole. */
static void
pop(struct work *w, struct sent_chunk *c, unsigned int slot)
{
	struct sent_record *r = chunk_record(w->p, c, slot);
	uint32_t length = slot_length(c, r, slot), bit = 1u << slot;
	struct sent *q = w->q;

	if (c->sacked & bit) {
		q->sacked -= length;
		q->sacked_records--;
	} else {
		note(w, r, r->seq + length, c->repeated & bit);
		w->out->delivered += length;
	}
	if (c->again & bit)
		sent_again_remove(w->p, q, r);
	if (c->lost & bit)
		q->lost -= length;
	q->bytes -= length;
	q->records--;
	w->p->used--;
	c->begin = r->seq + length;
	c->live &= (uint16_t)~bit;
	c->sacked &= c->live;
	c->lost &= c->live;
	c->repeated &= c->live;
	w->out->buffers += record_free(r);
}

/* The first n bytes of the first record have arrived; it is longer. */
static void
cut(struct work *w, struct sent_chunk *c, unsigned int slot, uint32_t n)
{
	struct sent_record *r = chunk_record(w->p, c, slot);
	uint32_t bit = 1u << slot, data = n;
	struct sent *q = w->q;

	if (c->flags[slot] & SENT_SYN) {
		c->flags[slot] &= (uint8_t)~SENT_SYN;
		data--;
	}
	r->seq += n;
	r->offset += (uint16_t)data;
	r->length -= (uint16_t)data;
	c->begin += n;
	q->bytes -= n;
	if (c->sacked & bit)
		q->sacked -= n;
	else
		w->out->delivered += n;
	if (c->lost & bit)
		q->lost -= n;
	if (c->again & bit)
		q->again -= n;
}

/* Duplicate ACKs have counted some of this already: all but the segment that was missing. */
static void
settle_duplicates(struct work *w, uint32_t first)
{
	struct sent *q = w->q;
	uint32_t counted = w->out->acked > first ? w->out->acked - first : 0;

	if (counted > q->duplicates)
		counted = q->duplicates;
	q->duplicates -= counted;
	if (q->duplicates > q->bytes)
		q->duplicates = q->bytes;
	w->out->delivered -= counted < w->out->delivered ? counted : w->out->delivered;
}

/* The usual case: one segment is under way, sent once (else it is LOST), and arrives. Does what the
 * steps below would. False: it is another case, and nothing is done. */
static bool
apply_only(struct sent_pool *p, struct sent *q, const struct sent_ack *ack,
	   const struct sent_context *context, struct sent_result *out)
{
	struct sent_chunk *c;
	struct sent_record *r;

	if (q->records != 1 || ack->ack != q->end || ack->n_sack || q->lost || q->sacked ||
	    q->duplicates)
		return false;
	c = &p->chunks[q->head];
	r = chunk_record(p, c, lowest_bit(c->live));
	out->acked = out->delivered = q->bytes;
	out->rtt_short = ack->now > r->time ? ack->now - r->time : 1;
	out->rtt_long = out->rack_rtt = out->rtt_short;
	out->rack_time = r->time;
	out->rack_end = out->highest = q->end;
	out->reordered = seq_lt(q->end, *context->fack);
	*context->fack = seq_max(*context->fack, q->end);
	out->buffers = record_free(r);
	q->bytes = 0;
	q->records = 0;
	p->used--;
	c->live = 0;
	q->run_left = q->run_right = q->end;
	sent_free_head(p, q);
	return true;
}

static void
apply_cumulative(struct work *w)
{
	struct sent *q = w->q;
	uint32_t ack = w->ack->ack, begin, first, length, slot;
	struct sent_chunk *c;
	struct sent_record *r;

	if (q->head == SENT_NONE)
		return;
	begin = w->p->chunks[q->head].begin;
	first = sent_length(w->p, sent_first(w->p, q));
	while (q->head != SENT_NONE && seq_lt(w->p->chunks[q->head].begin, ack)) {
		c = &w->p->chunks[q->head];
		slot = lowest_bit(c->live);
		r = chunk_record(w->p, c, slot);
		length = slot_length(c, r, slot);
		if (seq_lt(ack, r->seq + length)) {
			cut(w, c, slot, ack - r->seq);
			break;
		}
		if (slot < SENT_CHUNK - 1)
			rte_prefetch0(r[1].mbuf);
		pop(w, c, slot);
		if (!c->live)
			sent_free_head(w->p, q);
	}
	w->out->acked = ack - begin;
	if (w->out->acked && q->duplicates)
		settle_duplicates(w, first);
	if (seq_lt(q->run_left, ack))
		q->run_left = seq_lt(q->run_right, ack) ? q->run_right : ack;
}

/* ---- 2. sorting out ------------------------------------------------------------------------- */

/* RFC 2883 4: the first block tells of a duplicate if it lies below the cumulative acknowledgement
 * or within the second block. */
static bool
is_duplicate(const struct sent_ack *ack)
{
	const struct sack_block *first = &ack->sack[0], *second = &ack->sack[1];

	if (seq_le(first->right, ack->ack))
		return true;
	return ack->n_sack > 1 && seq_le(second->left, first->left) &&
	       seq_le(first->right, second->right);
}

static bool
is_possible(const struct work *w, const struct sack_block *b)
{
	return seq_lt(b->left, b->right) && seq_le(b->right, w->q->end);
}

/* Blocks above the cumulative acknowledgement, ascending; their number. */
static uint32_t
sort_out(struct work *w, struct sack_block sorted[SACK_BLOCKS_MAX])
{
	const struct sent_ack *ack = w->ack;
	uint32_t i, at, n = 0;
	struct sack_block b;

	for (i = 0; i < ack->n_sack && i < SACK_BLOCKS_MAX; i++) {
		b = ack->sack[i];
		if (!is_possible(w, &b)) {
			w->out->bad_blocks++;
			continue;
		}
		if (i == 0 && is_duplicate(ack)) {
			w->out->dsack = true;
			w->out->duplicate = b;
		}
		if (seq_le(b.right, ack->ack))
			continue;
		for (at = n++; at > 0 && seq_lt(b.left, sorted[at - 1].left); at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = b;
	}
	return n;
}

/* ---- 3. blocks ------------------------------------------------------------------------------ */

static void
deliver(struct work *w, struct sent_chunk *c, unsigned int slot)
{
	struct sent_record *r = chunk_record(w->p, c, slot);
	uint32_t length = slot_length(c, r, slot), bit = 1u << slot;
	struct sent *q = w->q;

	note(w, r, r->seq + length, c->repeated & bit);
	if (c->again & bit)
		sent_again_remove(w->p, q, r);
	if (c->lost & bit) {
		c->lost &= (uint16_t)~bit;
		q->lost -= length;
	}
	c->sacked |= (uint16_t)bit;
	q->sacked += length;
	q->sacked_records++;
	w->out->sacked += length;
	w->out->delivered += length;
}

/* The live slots of a chunk whose records lie within [left, right) whole. */
static uint32_t
covered_slots(const struct work *w, const struct sent_chunk *c, const struct sack_block *b)
{
	uint32_t live, covered = 0;
	const struct sent_record *r;
	unsigned int slot;

	if (seq_le(b->left, c->begin) && seq_le(c->end, b->right))
		return c->live;
	for (live = c->live; live; live &= live - 1) {
		slot = lowest_bit(live);
		r = chunk_record(w->p, c, slot);
		if (seq_le(b->left, r->seq) && seq_le(r->seq + slot_length(c, r, slot), b->right))
			covered |= 1u << slot;
	}
	return covered;
}

/* The chunk in which seq lies, from where the last block ended. NULL: too far for one ACK. */
static struct sent_chunk *
find_chunk(struct work *w, uint32_t seq)
{
	struct sent_chunk *c = &w->p->chunks[w->q->sack_hint];

	for (; w->steps; w->steps--) {
		if (seq_lt(seq, c->begin) && c->prev != SENT_NONE)
			c = &w->p->chunks[c->prev];
		else if (seq_le(c->end, seq) && c->next != SENT_NONE)
			c = &w->p->chunks[c->next];
		else
			return c;
	}
	return NULL;
}

/* Widen the run by what a block covers, where they meet; else keep the longer one. Both begin and
 * end with whole records. */
static void
extend_run(struct sent *q, uint32_t left, uint32_t right)
{
	if (seq_le(left, q->run_right) && seq_le(q->run_left, right) &&
	    q->run_left != q->run_right) {
		q->run_left = seq_min(q->run_left, left);
		q->run_right = seq_max(q->run_right, right);
	} else if (right - left > q->run_right - q->run_left) {
		q->run_left = left;
		q->run_right = right;
	}
}

static void
apply_range(struct work *w, const struct sack_block *b)
{
	uint32_t covered, fresh, left = 0, right = 0;
	struct sent_chunk *c = find_chunk(w, b->left);
	const struct sent_record *r;
	bool any = false;

	for (; c && w->steps; w->steps--) {
		covered = covered_slots(w, c, b);
		if (covered) {
			r = chunk_record(w->p, c, lowest_bit(covered));
			left = any ? left : r->seq;
			any = true;
			r = chunk_record(w->p, c, 31 - (unsigned int)__builtin_clz(covered));
			right = r->seq + sent_length(w->p, r);
		}
		for (fresh = covered & ~(uint32_t)c->sacked; fresh; fresh &= fresh - 1)
			deliver(w, c, lowest_bit(fresh));
		w->q->sack_hint = (uint32_t)(c - w->p->chunks);
		if (c->next == SENT_NONE || seq_le(b->right, c->end))
			break;
		c = &w->p->chunks[c->next];
	}
	if (any)
		extend_run(w->q, left, right);
	if (!w->steps)
		w->out->bad_blocks++;
}

/* What of the block lies outside of the run, which is known: one part, two, or nothing. */
static void
apply_block(struct work *w, const struct sack_block *b)
{
	uint32_t run_left = w->q->run_left, run_right = w->q->run_right;
	struct sack_block part = *b;

	if (run_left == run_right || seq_le(b->right, run_left) || seq_le(run_right, b->left)) {
		apply_range(w, b);
		return;
	}
	if (seq_lt(b->left, run_left)) {
		part.right = run_left;
		apply_range(w, &part);
	}
	if (seq_lt(run_right, b->right)) {
		part = (struct sack_block){ run_right, b->right };
		apply_range(w, &part);
	}
}

void
sent_prefetch(const struct sent_pool *p, const struct sent *q)
{
	if (q->head == SENT_NONE)
		return;
	rte_prefetch0(&p->chunks[q->head]);
	rte_prefetch0(chunk_record(p, &p->chunks[q->head], 0));
}

void
sent_prefetch_buffer(const struct sent_pool *p, const struct sent *q)
{
	const struct sent_chunk *c;
	const char *m;

	if (q->head == SENT_NONE)
		return;
	c = &p->chunks[q->head];
	m = (const char *)chunk_record(p, c, lowest_bit(c->live))->mbuf;
	if (!m) /* a FIN alone */
		return;
	rte_prefetch0(m);
	rte_prefetch0(m + RTE_CACHE_LINE_SIZE);
}

void
sent_acknowledge(struct sent_pool *p, struct sent *q, const struct sent_ack *ack,
		 const struct sent_context *context, struct sent_result *out)
{
	struct work w = {
		.p = p, .q = q, .ack = ack, .context = context, .out = out, .steps = SENT_STEPS_MAX
	};
	struct sack_block sorted[SACK_BLOCKS_MAX];
	uint32_t i, n;

	*out = (struct sent_result){ 0 };
	if (apply_only(p, q, ack, context, out))
		return;
	w.advancing = true;
	apply_cumulative(&w);
	w.advancing = false;
	if (!ack->n_sack)
		return;
	n = sort_out(&w, sorted);
	for (i = 0; i < n && q->head != SENT_NONE; i++)
		apply_block(&w, &sorted[i]);
}

uint32_t
sent_duplicate(struct sent *q, uint32_t mss)
{
	uint32_t flying = sent_pipe(q), n = mss < flying ? mss : flying;

	q->duplicates += n;
	return n;
}

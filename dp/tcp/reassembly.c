/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Data that comes in, in order or not.
 *
 * What is out of order is kept in runs, each a stretch without a gap, by sequence number. A run
 * needs no memory of its own: its head lies in the room before the data in its first buffer, where
 * the packet's headers were.
 *
 *     c->runs ─> [run|data]─>[data]      gap      [run|data]─>[data]─>[data]
 *                  └──────────── next ────────────^
 *
 *     rcv_nxt < runs[0].start, runs[i].end <= runs[i + 1].start, all within rcv_adv
 *
 * Bounds: RUNS_MAX runs; bytes of buffers (not of data: CVE-2018-5390) at most twice the receive
 * window; and the instance's budget of buffers. A segment walks at most RUNS_MAX runs. Small
 * pieces, which is what an attacker would send, are copied into small buffers, behind each other
 * where they adjoin. A connection that has runs has a flight.
 */
#include "dp/tcp/internal.h"

struct run {
	uint32_t start, end;
	uint32_t bytes; /* of buffers */
	uint32_t pad;
	struct rte_mbuf *next; /* first buffer of the next run */
	struct rte_mbuf *tail;
};

static struct run *
run_of(const struct rte_mbuf *m)
{
	return (struct run *)(void *)RTE_PTR_ALIGN_CEIL(m->buf_addr, 8);
}

/* Is there room for a run's head before the data, and may we write there? */
static bool
can_head(const struct rte_mbuf *m)
{
	return RTE_MBUF_DIRECT(m) && rte_mbuf_refcnt_read(m) == 1 &&
	       m->data_off >= sizeof(struct run) + 8;
}

static uint32_t
buffer_bytes(const struct rte_mbuf *m)
{
	uint32_t n = 0;

	for (; m; m = m->next)
		n += m->buf_len;
	return n;
}

/* Cut a chain at its front or its end. */
static struct rte_mbuf *
cut_front(struct rte_mbuf *m, uint32_t n)
{
	struct rte_mbuf *next;

	while (n >= m->data_len && m->next) {
		n -= m->data_len;
		next = m->next;
		next->pkt_len = m->pkt_len - m->data_len;
		next->nb_segs = (uint16_t)(m->nb_segs - 1);
		m->next = NULL;
		m->nb_segs = 1;
		rte_pktmbuf_free_seg(m);
		m = next;
	}
	rte_pktmbuf_adj(m, (uint16_t)n);
	return m;
}

static void
cut_end(struct rte_mbuf *m, uint32_t keep)
{
	struct rte_mbuf *i = m, *rest;
	uint32_t left = keep;
	uint16_t segments = 1;

	while (left > i->data_len && i->next) {
		left -= i->data_len;
		i = i->next;
		segments++;
	}
	i->data_len = (uint16_t)RTE_MIN(left, (uint32_t)i->data_len);
	rest = i->next;
	i->next = NULL;
	m->nb_segs = segments;
	m->pkt_len = keep;
	rte_pktmbuf_free(rest);
}

/* ---- delivery ------------------------------------------------------------------------------- */

/* Hand a chain up. False: the connection is gone. */
static bool
deliver(struct tcp *t, struct tcp_block *c, struct rte_mbuf *m, uint32_t len)
{
	c->rcv_nxt += len;
	c->bytes_in += len;
	t->counters.bytes_in += len;
	if (c->flags & BLOCK_DRAIN || !t->calls.received) {
		rte_pktmbuf_free(m);
		return true;
	}
	c->unread += len;
	t->calls.received(t->calls.arg, block_handle(t, c), c->user, m, len);
	return c->state != TCP_CLOSED;
}

static bool
run_due(const struct tcp_block *c, uint32_t end)
{
	return c->runs && seq_le(run_of(c->runs)->start, end);
}

/* Take the first run away; what of it lies behind `from`. NULL: nothing does. */
static struct rte_mbuf *
take_run(struct tcp *t, struct tcp_block *c, uint32_t from)
{
	struct rte_mbuf *m = c->runs;
	struct run run = *run_of(m);

	c->runs = run.next;
	c->n_runs--;
	flight_of(c)->run_bytes -= run.bytes;
	release(t, c, m->nb_segs);
	if (seq_le(run.end, from)) {
		rte_pktmbuf_free(m);
		return NULL;
	}
	return cut_front(m, from - run.start);
}

/* Hand up m and what becomes in order by it: in one chain, as long as a chain can be. */
static bool
deliver_all(struct tcp *t, struct tcp_block *c, struct rte_mbuf *m)
{
	struct rte_mbuf *next;

	for (;;) {
		uint32_t end = c->rcv_nxt + m->pkt_len;

		while (run_due(c, end) && m->nb_segs + c->runs->nb_segs <= RTE_MBUF_MAX_NB_SEGS) {
			next = take_run(t, c, end);
			if (!next)
				continue;
			rte_pktmbuf_lastseg(m)->next = next;
			m->nb_segs = (uint16_t)(m->nb_segs + next->nb_segs);
			m->pkt_len += next->pkt_len;
			end += next->pkt_len;
		}
		if (!deliver(t, c, m, m->pkt_len))
			return false;
		if (!run_due(c, c->rcv_nxt))
			return true;
		m = take_run(t, c, c->rcv_nxt);
		if (!m)
			return true;
	}
}

/* ---- runs ----------------------------------------------------------------------------------- */

/* A small piece in a buffer of its size, or as it came. */
static struct rte_mbuf *
shrink(struct tcp *t, struct rte_mbuf *m)
{
	struct rte_mbuf *small;

	if (m->nb_segs != 1 || m->data_len >= TCP_COPY_BELOW || m->pool == t->settings.mbufs)
		return m;
	small = rte_pktmbuf_alloc(t->settings.mbufs);
	if (!small)
		return m;
	if (small->buf_len >= m->buf_len || rte_pktmbuf_tailroom(small) < m->data_len) {
		rte_pktmbuf_free(small);
		return m;
	}
	memcpy(rte_pktmbuf_append(small, m->data_len), rte_pktmbuf_mtod(m, void *), m->data_len);
	rte_pktmbuf_free(m);
	return small;
}

/* It is kept: so many bytes of buffers. */
static uint32_t
run_keeps(struct tcp *t, struct tcp_block *c, const struct rte_mbuf *m)
{
	uint32_t bytes = buffer_bytes(m);

	flight_of(c)->run_bytes += bytes;
	hold(t, c, m->nb_segs);
	return bytes;
}

/* Append a chain to the end of a run. Small pieces go into the room behind what is there. */
static void
run_append(struct tcp *t, struct tcp_block *c, struct rte_mbuf *head, struct rte_mbuf *m)
{
	struct run *r = run_of(head);
	uint32_t len = m->pkt_len;

	head->pkt_len += len;
	r->end += len;
	if (m->nb_segs == 1 && len < TCP_COPY_BELOW && RTE_MBUF_DIRECT(r->tail) &&
	    rte_mbuf_refcnt_read(r->tail) == 1 && rte_pktmbuf_tailroom(r->tail) >= len) {
		memcpy(rte_pktmbuf_mtod_offset(r->tail, char *, r->tail->data_len),
		       rte_pktmbuf_mtod(m, void *), len);
		r->tail->data_len = (uint16_t)(r->tail->data_len + len);
		rte_pktmbuf_free(m);
		return;
	}
	r->bytes += run_keeps(t, c, m);
	r->tail->next = m;
	r->tail = rte_pktmbuf_lastseg(m);
	head->nb_segs = (uint16_t)(head->nb_segs + m->nb_segs);
}

/* The run behind `head` begins where head ends: one run of both. */
static void
run_join(struct tcp_block *c, struct rte_mbuf *head)
{
	struct run *r = run_of(head), next;
	struct rte_mbuf *m = r->next;

	if (!m || run_of(m)->start != r->end || head->nb_segs + m->nb_segs > RTE_MBUF_MAX_NB_SEGS)
		return;
	next = *run_of(m);
	r->tail->next = m;
	r->tail = next.tail;
	r->end = next.end;
	r->next = next.next;
	r->bytes += next.bytes;
	head->nb_segs = (uint16_t)(head->nb_segs + m->nb_segs);
	head->pkt_len += m->pkt_len;
	c->n_runs--;
}

void
duplicate(struct tcp *t, struct tcp_block *c, uint32_t start, uint32_t end)
{
	struct flight *f;

	t->counters.duplicates++;
	if (!flight_take(t, c))
		return;
	f = flight_of(c);
	c->flags |= BLOCK_DSACK;
	f->dsack_start = start;
	f->dsack_end = end;
}

/* May these buffers be kept for a run? If not it is counted why. */
static bool
may_keep(struct tcp *t, const struct tcp_block *c, const struct rte_mbuf *m)
{
	uint64_t most = 2 * (uint64_t)block_options(t, c)->receive_window + 65536;

	if (!budget_fits(t, c, m->nb_segs, BUDGET_SHORT)) {
		t->counters.budget_out_of_order++;
		return false;
	}
	if (flight_of(c)->run_bytes + buffer_bytes(m) > most) {
		t->counters.out_of_order_dropped++;
		return false;
	}
	return true;
}

/* Where a new piece goes: behind `before` (NULL: first). */
struct place {
	struct rte_mbuf *before;
	struct rte_mbuf *after;
};

static struct place
find_place(const struct tcp_block *c, uint32_t seq)
{
	struct place p = { NULL, c->runs };

	while (p.after && seq_le(run_of(p.after)->start, seq)) {
		p.before = p.after;
		p.after = run_of(p.after)->next;
	}
	return p;
}

/* The latest change first, then those before it (RFC 2018 4). */
static void
remember(const struct tcp_block *c, uint32_t seq)
{
	struct flight *f = flight_of(c);

	memmove(&f->run_recent[1], &f->run_recent[0], sizeof(f->run_recent) - 4);
	f->run_recent[0] = seq;
}

/* Keep an out-of-order segment, at least what of it is new: first come, first kept. */
static void
runs_insert(struct tcp *t, struct tcp_block *c, struct segment *s)
{
	struct place p = find_place(c, s->seq);
	struct rte_mbuf *m = s->mbuf;
	uint32_t start = s->seq, end = s->seq + s->len;
	bool append = false;

	if (!flight_take(t, c))
		return;
	if (p.before && seq_lt(start, run_of(p.before)->end)) {
		if (seq_le(end, run_of(p.before)->end)) {
			duplicate(t, c, start, end);
			remember(c, start);
			return;
		}
		start = run_of(p.before)->end;
	}
	if (p.before && start == run_of(p.before)->end)
		append = true;
	if (p.after && seq_lt(run_of(p.after)->start, end))
		end = run_of(p.after)->start;
	if (start == end) {
		duplicate(t, c, s->seq, s->seq + s->len);
		return;
	}
	s->mbuf = NULL;
	m = cut_front(m, start - s->seq);
	cut_end(m, end - start);
	m = shrink(t, m);
	if (!may_keep(t, c, m)) {
		rte_pktmbuf_free(m);
		return;
	}
	if ((!append && (c->n_runs >= RUNS_MAX || !can_head(m))) ||
	    m->nb_segs + (append ? p.before->nb_segs : 0) > RTE_MBUF_MAX_NB_SEGS / 2) {
		t->counters.out_of_order_dropped++;
		rte_pktmbuf_free(m);
		return;
	}
	t->counters.out_of_order++;
	remember(c, start);
	if (append) {
		run_append(t, c, p.before, m);
		run_join(c, p.before);
		return;
	}
	*run_of(m) = (struct run){
		.start = start,
		.end = end,
		.bytes = run_keeps(t, c, m),
		.next = p.after,
		.tail = rte_pktmbuf_lastseg(m),
	};
	if (p.before)
		run_of(p.before)->next = m;
	else
		c->runs = m;
	c->n_runs++;
	run_join(c, m);
}

void
runs_free(struct tcp *t, struct tcp_block *c)
{
	struct rte_mbuf *m = c->runs, *next;

	for (; m; m = next) {
		next = run_of(m)->next;
		release(t, c, m->nb_segs);
		rte_pktmbuf_free(m);
	}
	c->runs = NULL;
	c->n_runs = 0;
	if (has_flight(c))
		flight_of(c)->run_bytes = 0;
}

static const struct run *
run_with(const struct tcp_block *c, uint32_t seq)
{
	const struct rte_mbuf *m;

	for (m = c->runs; m; m = run_of(m)->next) {
		if (seq_lt(seq, run_of(m)->start))
			return NULL;
		if (seq_lt(seq, run_of(m)->end))
			return run_of(m);
	}
	return NULL;
}

/* Add a run that is not yet among them. A FIN that waits behind its data is told of too. */
static uint32_t
sack_add(const struct tcp_block *c, const struct run *r, struct sack_block *out, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		if (out[i].left == r->start)
			return n;
	}
	out[n].left = r->start;
	out[n].right = r->end + (c->flags & BLOCK_FIN_SEEN && c->fin_seq == r->end);
	return n + 1;
}

uint32_t
runs_sack(const struct tcp_block *c, struct sack_block *out, uint32_t max)
{
	const struct rte_mbuf *m;
	const struct run *r;
	uint32_t n = 0, i;

	if (!c->runs)
		return 0;
	for (i = 0; i < RUNS_TOLD && n < max; i++) {
		r = run_with(c, flight_of(c)->run_recent[i]);
		if (r)
			n = sack_add(c, r, out, n);
	}
	for (m = c->runs; m && n < max; m = run_of(m)->next)
		n = sack_add(c, run_of(m), out, n);
	return n;
}

uint32_t
runs_data(const struct tcp_block *c)
{
	const struct rte_mbuf *m;
	uint32_t n = 0;

	for (m = c->runs; m; m = run_of(m)->next)
		n += run_of(m)->end - run_of(m)->start;
	return n;
}

const char *
runs_check(const struct tcp_block *c, uint32_t *buffers)
{
	const struct rte_mbuf *m;
	uint32_t at = c->rcv_nxt, n = 0, bytes = 0;

	*buffers = 0;
	for (m = c->runs; m; m = run_of(m)->next) {
		const struct run *r = run_of(m);

		if (!seq_le(at, r->start) || r->start == c->rcv_nxt || !seq_lt(r->start, r->end))
			return "runs overlap or are not in order, or are due";
		if (m->pkt_len != r->end - r->start)
			return "a run has not as many bytes as it says";
		at = r->end;
		n++;
		bytes += r->bytes;
		*buffers += chain_buffers(m);
	}
	if (n != c->n_runs || bytes != (has_flight(c) ? flight_of(c)->run_bytes : 0))
		return "runs or their bytes are miscounted";
	return NULL;
}

/* ---- what a segment brings ------------------------------------------------------------------ */

/* Cut what lies before and behind the window. False: nothing is left, and no FIN. */
static bool
trim(struct tcp *t, struct tcp_block *c, struct segment *s)
{
	uint32_t old, beyond;

	if (seq_lt(s->seq, c->rcv_nxt)) {
		old = RTE_MIN(c->rcv_nxt - s->seq, s->len);
		if (old) {
			duplicate(t, c, s->seq, s->seq + old);
			s->mbuf = cut_front(s->mbuf, old);
			c->flags |= BLOCK_ACK_NOW;
		}
		s->seq += old;
		s->len -= old;
	}
	if (seq_lt(c->rcv_adv, s->seq + s->len)) {
		beyond = RTE_MIN(s->seq + s->len - c->rcv_adv, s->len);
		t->counters.beyond_window++;
		s->len -= beyond;
		s->flags &= (uint8_t)~TCP_FIN;
		cut_end(s->mbuf, s->len);
		c->flags |= BLOCK_ACK_NOW;
	}
	return s->len || s->flags & TCP_FIN;
}

static void
congestion_seen(struct tcp *t, struct tcp_block *c, const struct segment *s)
{
	if (!(c->flags & BLOCK_ECN))
		return;
	if (s->flags & FLAG_CWR)
		c->flags &= ~BLOCK_ECE;
	if (s->ecn == ECN_CE) {
		t->counters.ecn_marked++;
		c->flags |= BLOCK_ECE;
	}
}

/* When to acknowledge (RFC 9293 3.8.6.3, RFC 5681 4.2): every second segment at once, a single one
 * after a while, and always at once where something is missing or was. */
static void
acknowledge(struct tcp *t, struct tcp_block *c, uint32_t len, bool urgent)
{
	c->segments_unacked++;
	if (urgent || c->segments_unacked >= 2 ||
	    c->rcv_nxt + len - c->last_ack_sent >= 2u * mss_announced(t, c)) {
		c->flags |= BLOCK_ACK_NOW;
	} else if (!(c->flags & BLOCK_ACK_LATER)) {
		c->flags |= BLOCK_ACK_LATER;
		timer_ack(t, c, block_options(t, c)->delayed_ack_ms);
	}
	flush_list(t, c);
}

static bool
fin_reached(struct tcp *t, struct tcp_block *c)
{
	if (!(c->flags & BLOCK_FIN_SEEN) || (c->fin_seq != c->rcv_nxt))
		return false;
	c->flags |= BLOCK_ACK_NOW;
	c->rcv_nxt++;
	c->rcv_adv = seq_max(c->rcv_adv, c->rcv_nxt);
	flush_list(t, c);
	return true;
}

/* Data in order that finds no buffers left is as if it had been lost: the peer sends it again. Who
 * has nothing waiting goes on in any case. */
static bool
may_receive(struct tcp *t, const struct tcp_block *c, const struct rte_mbuf *m)
{
	if (budget_fits(t, c, m->nb_segs, BUDGET_MORE) ||
	    (!c->unread && budget_allows(t, m->nb_segs, BUDGET_FIRST)) || c->flags & BLOCK_DRAIN)
		return true;
	t->counters.budget_received++;
	return false;
}

bool
data_input(struct tcp *t, struct tcp_block *c, struct segment *s)
{
	bool missing = c->runs != NULL;
	struct rte_mbuf *m;

	if (c->state == TCP_CLOSED || (!s->len && !(s->flags & TCP_FIN)))
		return false;
	congestion_seen(t, c, s);
	if (c->flags & BLOCK_FIN_SEEN && c->rcv_nxt == c->fin_seq + 1) {
		/* Behind its FIN a peer has nothing to say. */
		acknowledge(t, c, 0, true);
		return false;
	}
	if (!trim(t, c, s)) {
		acknowledge(t, c, 0, true);
		return false;
	}
	if (s->flags & TCP_FIN && !(c->flags & BLOCK_FIN_SEEN)) {
		c->flags |= BLOCK_FIN_SEEN;
		c->fin_seq = s->seq + s->len;
	}
	if (s->len && s->seq != c->rcv_nxt) {
		runs_insert(t, c, s);
		acknowledge(t, c, 0, true);
		return false;
	}
	if (s->len && unlikely(!may_receive(t, c, s->mbuf)))
		return false;
	acknowledge(t, c, s->len, missing || s->joined || s->flags & TCP_FIN);
	if (s->len) {
		m = s->mbuf;
		s->mbuf = NULL;
		if (!deliver_all(t, c, m))
			return false;
	}
	return fin_reached(t, c);
}

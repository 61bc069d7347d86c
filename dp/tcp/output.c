/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What leaves when. A connection that has, or may have, something to send is on the flush list;
 * tcp_flush goes through it once:
 *
 *     1. SYN            2. what is lost      3. new data, FIN     4. probes     5. an ACK alone
 *
 * New data is bounded by both windows, and not cut small by either (silly-window avoidance, RFC
 * 9293 3.8.6.2.1); in flight + what is sent <= congestion window.
 */
#include "dp/tcp/internal.h"

#define PERSIST_MAX 60000000000ull
/* Segments that fit into a window however few buffers there are. */
#define WINDOW_LEAST 4

void
flush_list(struct tcp *t, struct tcp_block *c)
{
	uint32_t i = block_index(t, c);

	if (c->flags & BLOCK_LISTED)
		return;
	c->flags |= BLOCK_LISTED;
	c->flush_next = NIL;
	if (t->flush_tail != NIL)
		t->blocks[t->flush_tail].flush_next = i;
	else
		t->flush_head = i;
	t->flush_tail = i;
}

/* ---- the receive window --------------------------------------------------------------------- */

/* Where the window ends if all that is free is offered. When buffers run short, that is no more
 * than the connection may have waiting; a few segments in any case. */
static uint32_t
window_edge(const struct tcp *t, const struct tcp_block *c)
{
	uint64_t mss = mss_announced(t, c), room = budget_share(t, BUDGET_MORE) * mss / 2;
	uint32_t size = block_options(t, c)->receive_window;

	size = (uint32_t)RTE_MIN(size, RTE_MAX(room, WINDOW_LEAST * mss));
	return c->rcv_nxt + (size > c->unread ? size - c->unread : 0);
}

/* So much more must be free before the peer is told (RFC 9293 3.8.6.2.2). */
static uint32_t
worth_telling(const struct tcp *t, const struct tcp_block *c)
{
	return RTE_MIN(block_options(t, c)->receive_window / 2, (uint32_t)mss_announced(t, c));
}

uint32_t
window_advertise(struct tcp *t, struct tcp_block *c)
{
	uint32_t edge = window_edge(t, c), window;

	if (!seq_lt(c->rcv_adv, edge) || edge - c->rcv_adv < worth_telling(t, c))
		edge = c->rcv_adv; /* never taken back */
	window = RTE_MIN(edge - c->rcv_nxt, (uint32_t)UINT16_MAX << c->rcv_scale);
	window = window >> c->rcv_scale << c->rcv_scale;
	c->rcv_adv = seq_max(c->rcv_adv, c->rcv_nxt + window);
	return window;
}

/* The user has given back room: is that news that cannot wait for the next ACK? */
static void
window_opened(struct tcp *t, struct tcp_block *c)
{
	uint32_t open = c->rcv_adv - c->rcv_nxt, most = block_options(t, c)->receive_window;
	uint32_t quarter = most / 4, edge, more;
	bool little = open < 2u * mss_announced(t, c);

	/* The edge is nowhere beyond `most`. */
	if (likely(!little && open > most - quarter))
		return;
	edge = window_edge(t, c);
	if (!seq_lt(c->rcv_adv, edge))
		return;
	more = edge - c->rcv_adv;
	if (more >= worth_telling(t, c) && (more >= quarter || little)) {
		c->flags |= BLOCK_ACK_NOW;
		flush_list(t, c);
	}
}

void
tcp_credit(struct tcp *t, tcp_handle h, uint32_t bytes)
{
	struct tcp_block *c = block_of(t, h);

	if (!c)
		return;
	c->unread -= RTE_MIN(bytes, c->unread);
	if (c->state == TCP_ESTABLISHED || c->state == TCP_FIN_WAIT_1 || c->state == TCP_FIN_WAIT_2)
		window_opened(t, c);
}

/* ---- data that waits ------------------------------------------------------------------------ */

void
unsent_free(struct tcp *t, struct tcp_block *c)
{
	release(t, c, chain_buffers(c->unsent_head));
	rte_pktmbuf_free(c->unsent_head);
	c->unsent_head = c->unsent_tail = NULL;
	c->unsent = 0;
}

/* A buffer of its own for the first n bytes of the head of what waits. */
static struct rte_mbuf *
split_head(struct tcp *t, struct tcp_block *c, uint32_t n)
{
	struct rte_mbuf *head = c->unsent_head, *m;
	bool copy = n < TCP_COPY_BELOW;

	m = rte_pktmbuf_alloc(copy ? t->settings.mbufs : t->settings.clones);
	if (!m) {
		t->counters.no_mbuf++;
		return NULL;
	}
	hold(t, c, 1);
	if (copy) {
		memcpy(rte_pktmbuf_append(m, (uint16_t)n), rte_pktmbuf_mtod(head, void *), n);
	} else {
		rte_pktmbuf_attach(m, head);
		m->data_len = (uint16_t)n;
		m->pkt_len = n;
	}
	head->data_off = (uint16_t)(head->data_off + n);
	head->data_len = (uint16_t)(head->data_len - n);
	return m;
}

static struct rte_mbuf *
pop_head(struct tcp_block *c)
{
	struct rte_mbuf *m = c->unsent_head;

	c->unsent_head = m->next;
	if (!c->unsent_head)
		c->unsent_tail = NULL;
	m->next = NULL;
	m->nb_segs = 1;
	m->pkt_len = m->data_len;
	return m;
}

/* The first n bytes of what waits as a chain of their own. NULL: no buffer; nothing has changed
 * but for the bounds between buffers. */
static struct rte_mbuf *
unsent_take(struct tcp *t, struct tcp_block *c, uint32_t n)
{
	struct rte_mbuf *first = NULL, *last = NULL, *m;
	uint32_t left = n;

	while (left) {
		if (c->unsent_head->data_len <= left)
			m = pop_head(c);
		else
			m = split_head(t, c, left);
		if (!m)
			break;
		left -= m->data_len;
		if (first) {
			last->next = m;
			first->nb_segs++;
			first->pkt_len += m->data_len;
		} else {
			first = m;
		}
		last = m;
	}
	if (left && first) { /* put it back */
		last->next = c->unsent_head;
		if (!c->unsent_head)
			c->unsent_tail = last;
		c->unsent_head = first;
		return NULL;
	}
	c->unsent -= n - left;
	return first;
}

/* ---- sending -------------------------------------------------------------------------------- */

/*
 * Where the port cuts segments (TSO) new data waits for what is sent right behind it, and leaves
 * with that as one packet. There is a record for each segment all the same, so losses are found,
 * and repaired, segment by segment.
 */
static void
train_leave(struct tcp *t, struct tcp_block *c)
{
	struct train *train = &t->train;

	/* If no buffer is left the records wait for their timer, like those that the network lost.
	 */
	if (train->n == 1)
		send_segment(t, c, &train->pieces[0]);
	else if (train->n)
		send_train(t, c, train->pieces, train->n);
	train->n = train->bytes = train->buffers = 0;
}

static bool
joins(const struct train *train, const struct outgoing *o, uint32_t mss)
{
	const struct outgoing *last;

	if (!train->n)
		return false;
	last = &train->pieces[train->n - 1];
	return o->len && o->len <= mss && last->len == mss && !(o->flags & FLAG_CWR) &&
	       train->buffers + o->payload->nb_segs <= TCP_PIECES_MAX &&
	       train->bytes + o->len <= TRAIN_BYTES_MAX;
}

static void
leave(struct tcp *t, struct tcp_block *c, const struct outgoing *o)
{
	struct train *train = &t->train;

	if ((t->settings.output & (TCP_OUTPUT_TSO | TCP_OUTPUT_LINEAR)) != TCP_OUTPUT_TSO) {
		send_segment(t, c, o);
		return;
	}
	if (!joins(train, o, c->mss))
		train_leave(t, c);
	train->pieces[train->n++] = *o;
	train->bytes += o->len;
	train->buffers += o->payload ? o->payload->nb_segs : 0;
}

/* The last data carries the FIN: the state goes on when it leaves. */
static void
fin_sent(struct tcp_block *c)
{
	c->flags |= BLOCK_FIN_SENT;
	c->state = c->state == TCP_CLOSE_WAIT ? TCP_LAST_ACK : TCP_FIN_WAIT_1;
}

/* Send `len` new bytes, with TCP_FIN and FLAG_PSH if flags say so; PSH in any case where nothing is
 * left. False: not now. */
static bool
send_new(struct tcp *t, struct tcp_block *c, uint32_t len, uint8_t flags)
{
	bool fin = flags & TCP_FIN;
	struct sent_segment record = { .seq = c->snd_nxt,
				       .length = (uint16_t)len,
				       .flags = fin ? SENT_FIN : 0 };
	struct outgoing o = { .seq = c->snd_nxt, .len = len, .whole = true };
	struct tcp_recovery *r = recovery_of(c);

	if (len == c->unsent)
		flags |= FLAG_PSH;
	if (!sent_room(t->sent, &r->sent)) {
		t->counters.no_record++;
		return false;
	}
	if (len) {
		record.mbuf = unsent_take(t, c, len);
		if (!record.mbuf)
			return false;
	}
	o.payload = record.mbuf;
	if (!under_way(c))
		c->stuck_ms = t->now_ms;
	sent_append(t->sent, &r->sent, &record, t->now);
	o.flags = flags;
	if (c->flags & BLOCK_ECN && len) {
		o.ecn = ECN_ECT0;
		if (c->flags & BLOCK_CWR)
			o.flags |= FLAG_CWR;
		c->flags &= ~BLOCK_CWR;
	}
	c->flags &= ~BLOCK_PROBED;
	c->snd_nxt += len + fin;
	c->bytes_out += len;
	t->counters.bytes_out += len;
	r->sent_ms = t->now_ms;
	if (fin)
		fin_sent(c);
	leave(t, c, &o);
	return true;
}

/* Send a record again, in several segments if the MSS is smaller now. */
static void
send_record(struct tcp *t, struct tcp_block *c, struct sent_record *record)
{
	struct tcp_recovery *r = recovery_of(c);
	uint8_t flags = sent_flags(t->sent, record);
	uint32_t at = 0, length = record->length;
	struct outgoing o;

	if (unlikely(length > c->mss))
		pmtu_cut(t, c);
	do {
		o = (struct outgoing){
			.seq = record->seq + at,
			.payload = record->mbuf,
			.len = RTE_MIN(length - at, (uint32_t)c->mss),
			.whole = length <= c->mss,
		};
		if (o.len)
			o.offset = record->mbuf->pkt_len - length + at;
		at += o.len;
		if (at == length)
			o.flags = FLAG_PSH | (flags & SENT_FIN ? TCP_FIN : 0);
		t->counters.retransmits++;
		c->retransmits++;
		if (!send_segment(t, c, &o))
			break;
	} while (at < length);
	sent_again(t->sent, &r->sent, record, t->now);
	if (r->mode == RECOVERY_FAST) {
		prr_sent(&r->prr, length);
		r->undo_left += length;
	}
}

/* What is lost comes first. False: the window is full, or more has to wait. */
static bool
send_lost(struct tcp *t, struct tcp_block *c)
{
	struct tcp_recovery *r;
	struct sent_record *record;
	bool any = false;

	if (!under_way(c))
		return true;
	r = recovery_of(c);
	if (r->mode == RECOVERY_OPEN)
		return true;
	while ((record = sent_next_lost(t->sent, &r->sent))) {
		uint32_t pipe = sent_pipe(&r->sent);

		if (pipe && pipe + record->length > r->cubic.cwnd)
			break;
		send_record(t, c, record);
		any = true;
	}
	if (any)
		recovery_arm(t, c, c->send_timer != TIMER_REORDER);
	return !record;
}

/* How much new data the windows let leave in one segment now; 0: none. */
static uint32_t
windows_allow(struct tcp *t, struct tcp_block *c)
{
	struct tcp_recovery *r = recovery_of(c);
	uint32_t most = unlikely(c->flags & BLOCK_PMTU) ? pmtu_segment(t, c) : c->mss;
	uint32_t pipe = sent_pipe(&r->sent), want = RTE_MIN(c->unsent, most);
	int32_t window = (int32_t)(c->snd_una + c->snd_wnd - c->snd_nxt);

	if (!want || window <= 0)
		return 0;
	if (pipe + want > r->cubic.cwnd) {
		r->limited = true;
		r->limit_point = c->snd_nxt;
		return 0;
	}
	if (want < c->mss && block_options(t, c)->nagle && under_way(c) &&
	    !(c->flags & BLOCK_FIN_QUEUED))
		return 0;
	if ((uint32_t)window >= want)
		return want;
	/* The peer's window is too small for that: worth it if it never had much more, or if
	 * nothing else would tell us when it opens. */
	if ((uint32_t)window >= c->max_wnd / 2 || c->flags & BLOCK_SMALL_DUE ||
	    (!under_way(c) && (uint32_t)window >= c->mss / 2))
		return (uint32_t)window;
	return 0;
}

/* Does a segment of the first n bytes end inside of a buffer? */
static bool
cuts(const struct tcp_block *c, uint32_t n)
{
	const struct rte_mbuf *m = c->unsent_head;

	for (; n > m->data_len; m = m->next)
		n -= m->data_len;
	return n < m->data_len;
}

static bool
nearly(uint32_t length, uint32_t n)
{
	return length <= n && n - length <= n / 16;
}

/* A full segment may as well end where a buffer does: a packet of whole buffers needs none of its
 * own. Of n bytes that are due, or of the buffers that they hold: if these are nearly as much, or
 * if those behind them would be, and are not so as long as the segments' bounds lie within them. */
static uint32_t
whole_buffers(const struct tcp *t, const struct tcp_block *c, uint32_t n)
{
	const struct rte_mbuf *m = c->unsent_head;
	uint32_t whole = 0;

	for (; m && whole + m->data_len <= n; m = m->next)
		whole += m->data_len;
	if (nearly(whole, n))
		return whole;
	if (!whole || (block_options(t, c)->nagle && under_way(c)))
		return n;
	return m && nearly(m->data_len, n) && m->next && nearly(m->next->data_len, n) ? whole : n;
}

/* A peer may ask for segments so small that a buffer becomes many: no more of them than the
 * connection may hold. What is under way brings it here again; without that, the persist timer. */
static bool
may_cut(const struct tcp *t, const struct tcp_block *c)
{
	return budget_fits(t, c, 1, BUDGET_MORE) ||
	       (!under_way(c) && budget_allows(t, 1, BUDGET_FIRST));
}

/* How much new data may leave in one segment now; 0: none. */
static uint32_t
may_send(struct tcp *t, struct tcp_block *c)
{
	uint32_t n = windows_allow(t, c);

	if (n && n == c->mss && !(t->settings.output & TCP_OUTPUT_TSO))
		n = whole_buffers(t, c, n);
	if (unlikely(n && !may_cut(t, c) && cuts(c, n))) {
		t->counters.budget_cuts++;
		return 0;
	}
	return n;
}

static bool
fin_due(const struct tcp_block *c)
{
	return (c->flags & (BLOCK_FIN_QUEUED | BLOCK_FIN_SENT)) == BLOCK_FIN_QUEUED;
}

/* RFC 5681 4.1: what the window was before a long silence says little. */
static void
restart_if_idle(struct tcp *t, struct tcp_block *c)
{
	struct tcp_recovery *r = recovery_of(c);
	uint32_t idle_ms = t->now_ms - r->sent_ms;

	/* No timeout is shorter. */
	if (likely(idle_ms <= RTE_MIN(r->rtt.min_rto_ms, RTO_INITIAL / NS_PER_MS)))
		return;
	if (!under_way(c) && c->unsent && idle_ms * NS_PER_MS > rtt_timeout(&r->rtt))
		cubic_restart(&r->cubic, c->mss);
}

/* In recovery there may be no ACK on its way but that of what is sent now, and if it does not come
 * the timeout is next. So it is asked for by PSH, which RFC 9293 3.9.1.2 demands of the last
 * segment and allows of any: Linux (6.6 on) acknowledges a whole segment that has it as soon as it
 * is read, one that has not after 40 ms, where it is alone. */
static uint8_t
new_data_flags(const struct tcp_recovery *r)
{
	return r->mode == RECOVERY_OPEN ? 0 : FLAG_PSH;
}

static void
starve(struct tcp *t, struct tcp_block *c)
{
	t->starved = true;
	c->flags |= BLOCK_STARVED;
}

static void
send_data(struct tcp *t, struct tcp_block *c)
{
	struct tcp_recovery *r;
	bool any = false;
	uint32_t n;

	if (!flight_take(t, c)) {
		starve(t, c);
		return;
	}
	r = recovery_of(c);
	restart_if_idle(t, c);
	while ((n = may_send(t, c))) {
		uint8_t fin = fin_due(c) && n == c->unsent ? TCP_FIN : 0;

		if (sent_pipe(&r->sent) + n > r->cubic.cwnd)
			t->counters.over_cwnd++;
		if (!send_new(t, c, n, fin | new_data_flags(r))) {
			starve(t, c);
			break;
		}
		if (unlikely(n > c->mss))
			pmtu_sent(c);
		if (r->mode == RECOVERY_FAST)
			prr_sent(&r->prr, n);
		any = true;
	}
	if (fin_due(c) && !c->unsent) {
		if (send_new(t, c, 0, TCP_FIN))
			any = true;
		else
			c->flags |= BLOCK_STARVED;
	}
	train_leave(t, c);
	c->flags &= ~BLOCK_SMALL_DUE;
	if (any)
		recovery_arm(t, c, c->send_timer == TIMER_PROBE);
}

/* A tail loss probe: new data if the peer takes it, else the last segment again; with PSH, as in
 * recovery. */
static void
send_probe(struct tcp *t, struct tcp_block *c)
{
	uint32_t n = RTE_MIN(c->unsent, (uint32_t)c->mss);
	int32_t window = (int32_t)(c->snd_una + c->snd_wnd - c->snd_nxt);
	struct tcp_recovery *r;
	struct sent_record *last;

	c->flags &= ~BLOCK_TLP_DUE;
	if (!under_way(c))
		return;
	r = recovery_of(c);
	if (r->mode != RECOVERY_OPEN)
		return;
	last = sent_last(t->sent, &r->sent);
	t->counters.tlp++;
	if (n && window >= (int32_t)n && send_new(t, c, n, FLAG_PSH)) {
		train_leave(t, c);
		tlp_sent(&r->rack, false, c->snd_nxt);
	} else {
		if (!sent_is_sacked(t->sent, last))
			send_record(t, c, last);
		tlp_sent(&r->rack, true, c->snd_nxt);
	}
	recovery_arm(t, c, true);
}

/* The peer's window holds everything back and nothing is under way: only asking helps. */
static void
persist_if_stuck(struct tcp *t, struct tcp_block *c)
{
	uint64_t after;

	if (under_way(c) || !c->unsent || c->flags & BLOCK_STARVED ||
	    c->state == TCP_SYN_RECEIVED) {
		if (c->send_timer == TIMER_PERSIST)
			c->send_timer = TIMER_NONE;
		return;
	}
	if (c->send_timer == TIMER_PERSIST)
		return;
	if (!c->backoff)
		c->stuck_ms = t->now_ms;
	after = recovery_rto(t, c) << c->backoff;
	timer_send(t, c, TIMER_PERSIST, RTE_MIN(after, PERSIST_MAX));
}

/* Whether it is there (RFC 9293 3.8.4): with a sequence number that it has seen. */
static void
ask_peer(struct tcp *t, struct tcp_block *c)
{
	send_segment(t, c, &(struct outgoing){ .seq = c->snd_una - 1 });
}

/* One byte beyond the window (RFC 9293 3.8.6.1). It is not in flight: if the peer takes it after
 * all, probe_taken makes up for that. Some window, but a small one, now has to do. */
static void
probe_window(struct tcp *t, struct tcp_block *c)
{
	t->counters.zero_window_probes++;
	c->flags |= BLOCK_SMALL_DUE;
	send_data(t, c);
	if (under_way(c))
		return;
	/* It is not the window that holds the data back. */
	if (c->flags & BLOCK_STARVED) {
		ask_peer(t, c);
		return;
	}
	if (send_segment(
		t, c, &(struct outgoing){ .seq = c->snd_nxt, .payload = c->unsent_head, .len = 1 }))
		c->flags |= BLOCK_PROBED;
}

bool
probe_taken(struct tcp *t, struct tcp_block *c)
{
	struct sent_segment record = { .seq = c->snd_nxt, .length = 1 };

	if (!(c->flags & BLOCK_PROBED) || !c->unsent || !flight_take(t, c) ||
	    !sent_room(t->sent, &recovery_of(c)->sent))
		return false;
	record.mbuf = unsent_take(t, c, 1);
	if (!record.mbuf)
		return false;
	sent_append(t->sent, &recovery_of(c)->sent, &record, t->now);
	c->flags &= ~BLOCK_PROBED;
	c->snd_nxt++;
	c->bytes_out++;
	t->counters.bytes_out++;
	return true;
}

/* Asks the peer for an ACK: about the window, or whether it is there. */
static void
send_question(struct tcp *t, struct tcp_block *c)
{
	c->flags &= ~BLOCK_PROBE_DUE;
	if (c->unsent && !under_way(c))
		probe_window(t, c);
	else
		ask_peer(t, c);
}

static void
syn_due(struct tcp *t, struct tcp_block *c)
{
	c->flags &= ~BLOCK_SYN_DUE;
	send_syn(t, c);
	timer_send(t, c, TIMER_SYN, RTE_MIN(RTO_INITIAL << c->backoff, RTO_MAX));
}

/* Has all arrived that was to arrive before the RST? */
static bool
reset_is_due(const struct tcp_block *c)
{
	uint32_t fin = c->flags & (BLOCK_FIN_QUEUED | BLOCK_FIN_ACKED);

	return c->flags & BLOCK_RESET_LAST && !c->queued && fin != BLOCK_FIN_QUEUED &&
	       c->state >= TCP_ESTABLISHED && c->state != TCP_TIME_WAIT;
}

void
output(struct tcp *t, struct tcp_block *c)
{
	c->flags &= ~BLOCK_STARVED;
	if (unlikely(reset_is_due(c))) {
		send_reset(t, c);
		block_close(t, c, TCP_CLOSED_DONE);
		return;
	}
	/* A burst may bring a SYN again and then what completes the handshake. */
	if (c->state > TCP_SYN_RECEIVED)
		c->flags &= ~BLOCK_SYN_DUE;
	if (c->flags & BLOCK_SYN_DUE)
		syn_due(t, c);
	if (c->state >= TCP_ESTABLISHED && c->state != TCP_TIME_WAIT) {
		if (c->flags & BLOCK_TLP_DUE)
			send_probe(t, c);
		if (send_lost(t, c) && (c->unsent || fin_due(c)))
			send_data(t, c);
		if (c->flags & BLOCK_PROBE_DUE)
			send_question(t, c);
		persist_if_stuck(t, c);
	}
	if (c->flags & BLOCK_ACK_NOW && c->state > TCP_SYN_RECEIVED && !send_ack(t, c))
		c->flags |= BLOCK_STARVED;
}

bool
tcp_flush(struct tcp *t, uint64_t now)
{
	uint32_t i = t->flush_head;
	bool starved;

	clock_set(t, now);
	t->flush_head = t->flush_tail = NIL;
	t->starved = false;
	while (i != NIL) {
		struct tcp_block *c = &t->blocks[i];

		i = c->flush_next;
		if (i != NIL)
			__builtin_prefetch(&t->blocks[i].flags);
		c->flags &= ~BLOCK_LISTED;
		if (c->state == TCP_CLOSED)
			continue;
		if (t->calls.full && t->calls.full(t->calls.arg, c->route)) {
			t->starved = true;
			flush_list(t, c);
			continue;
		}
		output(t, c);
		if (c->flags & BLOCK_STARVED) {
			t->starved = true;
			flush_list(t, c);
		}
	}
	starved = t->starved;
	blocks_reap(t);
	return starved;
}

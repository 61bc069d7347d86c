/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Losses and the congestion window: joins the queue (sent.h), round trips (RFC 6298), RACK and tail
 * loss probes (RFC 8985), rate reduction (RFC 6937), CUBIC (RFC 9438), HyStart++ (RFC 9406) and ECN
 * (RFC 3168).
 *
 *     an ACK:  round trip -> losses -> begin, go on or end recovery -> congestion window -> timer
 *
 * One timer serves all: the retransmission timeout, unless a reordering window or a probe is due
 * before it.
 */
#include "dp/tcp/internal.h"

#define BACKOFF_IN_PROGRESS 4
#define DUPLICATES          3 /* RFC 5681 3.2 */

static bool
uses_rack(const struct tcp *t, const struct tcp_block *c)
{
	return c->flags & BLOCK_SACK && !block_options(t, c)->no_rack;
}

static struct rack_state
rack_state(const struct tcp *t, const struct tcp_block *c)
{
	return (struct rack_state){
		.now = t->now,
		.rtt = &recovery_of(c)->rtt,
		.snd_una = c->snd_una,
		.snd_nxt = c->snd_nxt,
		.recovering = recovery_of(c)->mode != RECOVERY_OPEN,
	};
}

/* ---- with a flight and without -------------------------------------------------------------- */

/* struct rtt has ns << 8, struct recovery_idle 16 ns. */
#define KEPT_SHIFT 12

/* Rounded up: 0 is no sample. */
static uint32_t
kept(uint64_t scaled)
{
	return (uint32_t)((scaled + (1u << KEPT_SHIFT) - 1) >> KEPT_SHIFT);
}

static void
init(const struct tcp *t, const struct tcp_block *c, struct tcp_recovery *r)
{
	const struct tcp_options *o = block_options(t, c);

	*r = (struct tcp_recovery){ .sent_ms = t->now_ms };
	sent_init(&r->sent);
	rtt_init(&r->rtt, (uint16_t)o->min_rto_ms);
	cubic_init(&r->cubic, c->mss, o->no_cubic);
	rack_init(&r->rack, c->snd_una - 1);
	hystart_init(&r->hystart, c->snd_nxt);
	r->point = r->limit_point = c->snd_una;
}

void
recovery_begin(const struct tcp *t, struct tcp_block *c)
{
	struct tcp_recovery r;

	init(t, c, &r);
	if (c->backoff)
		rtt_syn_was_lost(&r.rtt);
	else if (t->now > c->opened)
		rtt_sample(&r.rtt, t->now - c->opened, t->now, 1);
	recovery_keep(c, &r);
}

void
recovery_end(struct tcp *t, struct tcp_block *c)
{
	if (has_flight(c))
		release(t, c, sent_clear(t->sent, &recovery_of(c)->sent));
	c->queued = 0;
	flight_give(t, c);
}

void
recovery_keep(struct tcp_block *c, const struct tcp_recovery *r)
{
	c->idle = (struct recovery_idle){
		.cwnd = r->cubic.cwnd,
		.ssthresh = r->cubic.ssthresh,
		.w_max = r->cubic.w_max,
		.srtt = kept(r->rtt.srtt),
		.rttvar = kept(r->rtt.rttvar),
		.rtt_min = rtt_min(&r->rtt),
		.sent_ms = r->sent_ms,
		.backoff = r->rtt.backoff,
		.mult = (uint8_t)RTE_MIN(r->rack.mult, UINT8_MAX),
		.persist = r->rack.persist,
		.reordering_seen = r->rack.reordering_seen,
		.syn_lost = r->rtt.syn_lost,
	};
}

static void
resume_rtt(const struct tcp *t, const struct tcp_block *c, struct rtt *rtt)
{
	const struct recovery_idle *idle = &c->idle;
	uint64_t since = (uint64_t)(t->now_ms - idle->sent_ms) * NS_PER_MS;

	rtt_init(rtt, (uint16_t)block_options(t, c)->min_rto_ms);
	rtt->srtt = (uint64_t)idle->srtt << KEPT_SHIFT;
	rtt->rttvar = (uint64_t)idle->rttvar << KEPT_SHIFT;
	rtt->backoff = idle->backoff;
	rtt->syn_lost = idle->syn_lost;
	rtt_set_minimum(rtt, idle->rtt_min, t->now - since);
}

void
recovery_resume(const struct tcp *t, const struct tcp_block *c, struct tcp_recovery *r)
{
	const struct recovery_idle *idle = &c->idle;

	init(t, c, r);
	resume_rtt(t, c, &r->rtt);
	r->cubic.cwnd = idle->cwnd;
	r->cubic.ssthresh = idle->ssthresh;
	/* The window before the last loss; all that there is to say of it. */
	r->cubic.w_max = r->cubic.cwnd_prior = idle->w_max;
	r->rack.mult = idle->mult;
	r->rack.persist = idle->persist;
	r->rack.reordering_seen = idle->reordering_seen;
	r->sent_ms = idle->sent_ms;
}

const struct tcp_recovery *
recovery_look(const struct tcp *t, const struct tcp_block *c, struct tcp_recovery *copy)
{
	if (has_flight(c))
		return recovery_of(c);
	if (block_open(c))
		recovery_resume(t, c, copy);
	else
		*copy = (struct tcp_recovery){ .mode = RECOVERY_OPEN };
	return copy;
}

uint64_t
recovery_rto(const struct tcp *t, const struct tcp_block *c)
{
	struct rtt idle;

	if (has_flight(c))
		return rtt_timeout(&recovery_of(c)->rtt);
	resume_rtt(t, c, &idle);
	return rtt_timeout(&idle);
}

/* ---- the timer ------------------------------------------------------------------------------ */

void
recovery_arm(struct tcp *t, struct tcp_block *c, bool restart)
{
	struct tcp_recovery *r = recovery_of(c);
	uint64_t rto = rtt_timeout(&r->rtt);

	if (sent_empty(&r->sent)) {
		if (c->send_timer != TIMER_PERSIST)
			timer_send(t, c, TIMER_NONE, 0);
		return;
	}
	if (!restart && c->send_timer != TIMER_NONE && c->send_timer != TIMER_PERSIST)
		return;
	if (uses_rack(t, c) && r->mode == RECOVERY_OPEN && !tlp_out(&r->rack) && !r->rtt.backoff) {
		timer_send(t, c, TIMER_PROBE, tlp_timeout(&r->rtt, r->sent.records == 1, rto));
		return;
	}
	timer_send(t, c, TIMER_RTO, rto);
}

/* ---- losses --------------------------------------------------------------------------------- */

/* FlightSize of RFC 5681 before an ACK of `acked` bytes: what is not acknowledged cumulatively.
 * Behind a hole that may be more than the window ever was. */
static uint32_t
flight_size(const struct tcp_recovery *r, uint32_t acked)
{
	return RTE_MIN(r->sent.bytes + acked, r->cubic.cwnd);
}

/* Does anything wait to be sent again? */
static bool
lost_waits(const struct tcp_recovery *r)
{
	return r->sent.lost != r->sent.again;
}

static void
begin_fast(struct tcp *t, struct tcp_block *c, uint32_t flight)
{
	struct tcp_recovery *r = recovery_of(c);

	t->counters.fast_recoveries++;
	r->mode = RECOVERY_FAST;
	r->point = c->snd_nxt;
	cubic_loss(&r->cubic, flight, c->mss);
	prr_enter(&r->prr, c->snd_nxt - c->snd_una);
	r->undo = uses_rack(t, c);
	r->undo_left = 0;
	if (c->flags & BLOCK_ECN)
		c->flags |= BLOCK_CWR;
}

static void
end_recovery(struct tcp_block *c)
{
	struct tcp_recovery *r = recovery_of(c);

	if (r->mode == RECOVERY_FAST)
		r->cubic.cwnd = RTE_MAX(r->cubic.ssthresh, 2u * c->mss);
	r->mode = RECOVERY_OPEN;
	r->duplicates = 0;
	rack_recovery_ended(&r->rack);
}

/* The timeout of a peer that answers: not doubled. */
static uint64_t
timeout_once(const struct rtt *rtt)
{
	struct rtt once = *rtt;

	once.backoff = 0;
	return rtt_timeout(&once);
}

/* A partial acknowledgement: the next one is lost too. After a timeout it may have been sent again
 * a moment ago; then a round trip has to go by first, and if nothing comes in that time, *timer. */
static uint32_t
partial(struct tcp *t, struct tcp_block *c, uint64_t *timer)
{
	struct tcp_recovery *r = recovery_of(c);
	const struct sent_record *first = sent_first(t->sent, &r->sent);
	uint64_t age, patience;

	if (!first || r->mode == RECOVERY_OPEN || !seq_lt(c->snd_una, r->point))
		return 0;
	age = t->now - first->time;
	if (r->mode == RECOVERY_LOSS && age < rtt_smoothed(&r->rtt) + rtt_variation(&r->rtt)) {
		patience = timeout_once(&r->rtt);
		*timer = patience > age ? patience - age : 1;
		return 0;
	}
	return sent_mark_first_lost(t->sent, &r->sent);
}

/* Without SACK, or without RACK: RFC 5681 3.2 and RFC 6582. */
static uint32_t
count_duplicates(struct tcp *t, struct tcp_block *c, const struct ack_news *n, uint64_t *timer)
{
	struct tcp_recovery *r = recovery_of(c);

	if (n->result.acked) {
		r->duplicates = 0;
		return partial(t, c, timer);
	}
	if (!n->duplicate)
		return 0;
	if (r->duplicates < UINT8_MAX)
		r->duplicates++;
	/* After a timeout everything was sent again, and of that one may be lost as well: better a
	 * needless segment than another timeout, which has doubled. */
	if (r->duplicates == DUPLICATES && r->mode == RECOVERY_LOSS)
		return partial(t, c, timer);
	return r->duplicates == DUPLICATES && r->mode == RECOVERY_OPEN
		   ? sent_mark_first_lost(t->sent, &r->sent)
		   : 0;
}

/* Which segments does this ACK show to be lost? Bytes. *timer: when RACK wants to look again. */
static uint32_t
find_losses(struct tcp *t, struct tcp_block *c, const struct ack_news *n, uint64_t *timer)
{
	struct tcp_recovery *r = recovery_of(c);
	struct rack_state state = rack_state(t, c);

	*timer = 0;
	if (!uses_rack(t, c))
		return count_duplicates(t, c, n, timer);
	rack_update(&r->rack, &state, &n->result);
	return rack_detect(&r->rack, &state, t->sent, &r->sent, timer);
}

/* A D-SACK of what a probe or a timeout sent again tells of a late or lost ACK, and nothing of what
 * was sent again in recovery. */
static bool
dsack_of_recovery(const struct tcp_recovery *r, const struct sent_result *result)
{
	return result->dsack && r->undo && r->undo_left && !tlp_told(&r->rack, result);
}

/* RFC 2883 and RFC 9438 4.9: when all that was sent again in a recovery is told to have come twice,
 * there was no loss, and the window is what it was. */
static void
undo(struct tcp_block *c, const struct sent_result *result)
{
	struct tcp_recovery *r = recovery_of(c);
	uint32_t bytes = result->duplicate.right - result->duplicate.left;

	r->undo_left -= RTE_MIN(bytes, r->undo_left);
	if (r->undo_left)
		return;
	r->undo = false;
	cubic_undo(&r->cubic);
	if (r->mode != RECOVERY_FAST)
		return;
	/* What is taken for lost still is sent again, but no longer at PRR's rate. */
	r->mode = lost_waits(r) ? RECOVERY_LOSS : RECOVERY_OPEN;
}

/* ---- the window ----------------------------------------------------------------------------- */

/* RFC 3168 6.1.2: as for a loss, at most once a window. */
static void
echo(struct tcp *t, struct tcp_block *c, uint32_t flight)
{
	struct tcp_recovery *r = recovery_of(c);

	if (r->mode != RECOVERY_OPEN || !seq_lt(r->point, c->snd_una))
		return;
	t->counters.ecn_reduced++;
	r->point = c->snd_nxt;
	cubic_loss(&r->cubic, flight, c->mss);
	r->cubic.cwnd = r->cubic.ssthresh;
	c->flags |= BLOCK_CWR;
}

/* RFC 9438 5.8: time in which the window was not used up does not make it grow. */
static void
pass_time(const struct tcp *t, struct tcp_recovery *r)
{
	uint64_t since = (uint64_t)(t->now_ms - r->grown_ms) * NS_PER_MS;

	if (!r->limited)
		cubic_not_limited(&r->cubic, t->now > since ? t->now - since : 0, t->now);
	r->grown_ms = t->now_ms;
}

static void
grow(struct tcp *t, struct tcp_block *c, const struct ack_news *n)
{
	struct tcp_recovery *r = recovery_of(c);
	struct cubic_ack a = {
		.now = t->now,
		.srtt = rtt_smoothed(&r->rtt),
		.acked = n->result.acked,
		.mss = c->mss,
		.growth = RTE_MIN(n->result.acked, (uint32_t)HYSTART_L * c->mss),
	};

	if (!a.acked)
		return;
	pass_time(t, r);
	if (r->cubic.ssthresh == SSTHRESH_NONE && !block_options(t, c)->no_cubic) {
		if (hystart_ack(&r->hystart, c->snd_una, c->snd_nxt, n->result.rtt_short))
			r->cubic.ssthresh = r->cubic.cwnd;
		a.growth = hystart_growth(&r->hystart, a.acked, c->mss);
	}
	/* What was not used up proves nothing (RFC 7661); in slow start half of it is enough. */
	if (r->limited ||
	    (cubic_slow_start(&r->cubic) && r->cubic.cwnd < 2 * (uint64_t)n->pipe_before))
		cubic_ack(&r->cubic, &a);
	if (r->limited && seq_lt(r->limit_point, c->snd_una))
		r->limited = false;
}

static void
move_window(struct tcp *t, struct tcp_block *c, const struct ack_news *n, uint32_t lost)
{
	struct tcp_recovery *r = recovery_of(c);
	struct prr_ack a = {
		.delivered = n->result.delivered,
		.pipe = sent_pipe(&r->sent),
		.ssthresh = r->cubic.ssthresh,
		.mss = c->mss,
		.safe = n->result.acked && !lost,
	};

	if (r->mode == RECOVERY_FAST) {
		r->cubic.cwnd = prr_ack(&r->prr, &a);
		/* RFC 6582 3.2, step 3: a partial acknowledgement sends the next segment. */
		if (!(c->flags & BLOCK_SACK) && n->result.acked)
			r->cubic.cwnd = RTE_MAX(r->cubic.cwnd, a.pipe + c->mss);
		return;
	}
	if (n->ece)
		echo(t, c, flight_size(r, n->result.acked));
	grow(t, c, n);
}

/* A round trip: of segments that were sent once, to the nanosecond; else what the timestamp says,
 * which knows whose answer it is (RFC 7323 4.1), to the millisecond. */
static void
measure(struct tcp *t, struct tcp_block *c, const struct ack_news *n)
{
	uint64_t rtt = n->result.rtt_long;
	struct rtt *rounds = &recovery_of(c)->rtt;

	if (!rtt && n->result.acked && n->echoes && n->echo_ms <= RTT_SAMPLE_MAX / NS_PER_MS)
		rtt = RTE_MAX((uint64_t)n->echo_ms * NS_PER_MS, rtt_min(rounds));
	if (rtt)
		rtt_sample(rounds, rtt, t->now, n->pipe_before / c->mss + 1);
}

/* ---- entries -------------------------------------------------------------------------------- */

/* Nothing is under way any more, nothing was missing, and the ACK says no more than that. */
static bool
all_arrived(const struct tcp_recovery *r, const struct ack_news *n)
{
	return r->mode == RECOVERY_OPEN && n->result.acked && sent_empty(&r->sent) &&
	       !n->result.dsack && !n->ece && !tlp_out(&r->rack);
}

/* Then this is what is left of the steps of recovery_ack. */
static void
arrived(struct tcp *t, struct tcp_block *c, const struct ack_news *n)
{
	struct tcp_recovery *r = recovery_of(c);
	struct rack_state state = rack_state(t, c);

	if (uses_rack(t, c))
		rack_update(&r->rack, &state, &n->result);
	else
		r->duplicates = 0;
	grow(t, c, n);
	if (c->send_timer != TIMER_PERSIST)
		c->send_timer = TIMER_NONE;
}

void
recovery_ack(struct tcp *t, struct tcp_block *c, struct ack_news *n)
{
	struct tcp_recovery *r = recovery_of(c);
	uint32_t lost, flight;
	uint64_t timer;
	bool masked; /* a loss that a probe has repaired */
	bool early;  /* what was sent again in recovery was not lost */

	measure(t, c, n);
	if (n->result.acked) {
		r->timeouts = 0;
		/* Karn: not forgotten before a round trip was measured; but a peer that goes on is
		 * not one to wait a minute for. */
		r->rtt.backoff = RTE_MIN(r->rtt.backoff, (uint8_t)BACKOFF_IN_PROGRESS);
	}
	if (likely(all_arrived(r, n))) {
		arrived(t, c, n);
		return;
	}
	if (n->duplicate && !(c->flags & BLOCK_SACK))
		n->result.delivered += sent_duplicate(&r->sent, c->mss);
	flight = flight_size(r, n->result.acked);
	t->counters.spurious += n->result.dsack;
	early = dsack_of_recovery(r, &n->result);
	masked = tlp_ack(&r->rack, c->snd_una, &n->result, n->duplicate && !n->sack);
	lost = find_losses(t, c, n, &timer);
	if (early)
		undo(c, &n->result);
	if (r->mode != RECOVERY_OPEN && seq_le(r->point, c->snd_una))
		end_recovery(c);
	if (r->mode == RECOVERY_OPEN && lost_waits(r)) {
		begin_fast(t, c, flight);
	} else if (r->mode == RECOVERY_OPEN && masked) {
		cubic_loss(&r->cubic, flight, c->mss);
		r->cubic.cwnd = r->cubic.ssthresh;
	}
	move_window(t, c, n, lost);
	if (timer)
		timer_send(t, c, TIMER_REORDER, timer);
	else
		recovery_arm(t, c, n->result.acked > 0);
}

void
recovery_reorder(struct tcp *t, struct tcp_block *c)
{
	struct tcp_recovery *r;
	struct rack_state state;
	uint32_t lost;
	uint64_t timer;

	if (!under_way(c))
		return;
	r = recovery_of(c);
	state = rack_state(t, c);
	if (!uses_rack(t, c)) {
		if (r->mode != RECOVERY_OPEN)
			sent_mark_first_lost(t->sent, &r->sent);
		recovery_arm(t, c, true);
		flush_list(t, c);
		return;
	}
	lost = rack_detect(&r->rack, &state, t->sent, &r->sent, &timer);
	if (lost && r->mode == RECOVERY_OPEN) {
		begin_fast(t, c, flight_size(r, 0));
		r->cubic.cwnd = prr_ack(&r->prr, &(struct prr_ack){
						     .pipe = sent_pipe(&r->sent),
						     .ssthresh = r->cubic.ssthresh,
						     .mss = c->mss,
						 });
	}
	if (timer)
		timer_send(t, c, TIMER_REORDER, timer);
	else
		recovery_arm(t, c, true);
	flush_list(t, c);
}

void
recovery_timeout(struct tcp *t, struct tcp_block *c)
{
	struct tcp_recovery *r;
	struct rack_state state;

	if (!under_way(c))
		return;
	r = recovery_of(c);
	state = rack_state(t, c);
	t->counters.rto++;
	if (uses_rack(t, c))
		rack_timeout(&r->rack, &state, t->sent, &r->sent);
	else
		sent_timeout(t->sent, &r->sent, UINT64_MAX);
	cubic_timeout(&r->cubic, flight_size(r, 0), c->mss, r->timeouts == 0);
	if (r->timeouts < UINT8_MAX)
		r->timeouts++;
	r->mode = RECOVERY_LOSS;
	r->point = c->snd_nxt;
	r->duplicates = 0;
	r->undo = false;
	rtt_back_off(&r->rtt);
	recovery_arm(t, c, true);
	flush_list(t, c);
}

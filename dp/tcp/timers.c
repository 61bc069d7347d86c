/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deadlines of connections. Each block has three (sender, delayed ACK, the connection's own), in
 * milliseconds; the wheel has one entry a block, at or before the earliest. An entry that fires too
 * early, because its deadline has moved on since, is armed again: so moving a deadline on, which
 * each ACK does, costs nothing.
 */
#include "dp/tcp/internal.h"

#define ADVANCE_BATCH 256

/* Have the wheel look at the block at ms, or before. */
static void
arm(struct tcp *t, struct tcp_block *c, uint32_t ms)
{
	uint32_t i = block_index(t, c);
	int64_t ticks;

	if (wheel_armed(t->wheel, i)) {
		if (ms_due(c->wheel_ms, ms))
			return;
	} else {
		t->armed++;
	}
	c->wheel_ms = ms;
	ticks = (int64_t)(t->now / NS_PER_MS) + (int32_t)(ms - t->now_ms);
	wheel_arm(t->wheel, i, ticks > 0 ? (uint64_t)ticks * NS_PER_MS : 0);
}

void
timer_send(struct tcp *t, struct tcp_block *c, enum tcp_send_timer kind, uint64_t ns)
{
	c->send_timer = (uint8_t)kind;
	if (kind == TIMER_NONE)
		return;
	c->send_ms = (uint32_t)((t->now + ns + NS_PER_MS - 1) / NS_PER_MS);
	arm(t, c, c->send_ms);
}

void
timer_life(struct tcp *t, struct tcp_block *c, uint32_t ms)
{
	c->life_timer = 1;
	c->life_ms = t->now_ms + ms;
	arm(t, c, c->life_ms);
}

void
timer_life_stop(struct tcp_block *c)
{
	c->life_timer = 0;
}

void
timer_ack(struct tcp *t, struct tcp_block *c, uint32_t ms)
{
	c->ack_ms = t->now_ms + ms;
	arm(t, c, c->ack_ms);
}

void
timers_stop(struct tcp *t, struct tcp_block *c)
{
	uint32_t i = block_index(t, c);

	c->send_timer = TIMER_NONE;
	c->life_timer = 0;
	c->flags &= ~BLOCK_ACK_LATER;
	if (wheel_armed(t->wheel, i)) {
		wheel_disarm(t->wheel, i);
		t->armed--;
	}
}

/* ---- what goes off -------------------------------------------------------------------------- */

static void
syn_timeout(struct tcp *t, struct tcp_block *c)
{
	c->backoff++;
	t->counters.rto++;
	t->counters.retransmits++;
	c->retransmits++;
	c->flags |= BLOCK_SYN_DUE;
	flush_list(t, c);
}

/* Buffers run short, and this connection's are of no use to anybody (RFC 6429 3: those whose window
 * is closed may be among them). */
static bool
ends_early(struct tcp *t, const struct tcp_block *c)
{
	if (budget_allows(t, 1, BUDGET_SHORT) || t->now_ms - c->stuck_ms <= TCP_SHORT_PATIENCE_MS)
		return false;
	t->counters.budget_ended++;
	return true;
}

static void
give_up(struct tcp *t, struct tcp_block *c)
{
	send_reset(t, c);
	block_close(t, c, TCP_CLOSED_TIMEOUT);
}

/* The window is closed: ask again, less and less often (RFC 9293 3.8.6.1). A peer that answers may
 * keep it closed as long as it likes. */
static void
persist(struct tcp *t, struct tcp_block *c)
{
	if (t->now_ms - c->heard_ms > block_options(t, c)->user_timeout_ms) {
		block_close(t, c, TCP_CLOSED_TIMEOUT);
		return;
	}
	if (ends_early(t, c)) {
		give_up(t, c);
		return;
	}
	if (c->backoff < 16)
		c->backoff++;
	c->flags |= BLOCK_PROBE_DUE;
	flush_list(t, c);
}

static void
send_timer_fired(struct tcp *t, struct tcp_block *c)
{
	enum tcp_send_timer kind = c->send_timer;

	c->send_timer = TIMER_NONE;
	switch (kind) {
	case TIMER_SYN:
		syn_timeout(t, c);
		break;
	case TIMER_RTO:
		if (t->now_ms - c->stuck_ms > block_options(t, c)->user_timeout_ms ||
		    ends_early(t, c))
			give_up(t, c);
		else
			recovery_timeout(t, c);
		break;
	case TIMER_REORDER:
		recovery_reorder(t, c);
		break;
	case TIMER_PROBE:
		c->flags |= BLOCK_TLP_DUE;
		flush_list(t, c);
		break;
	case TIMER_PERSIST:
		persist(t, c);
		break;
	case TIMER_NONE:
		break;
	}
}

/* RFC 9293 3.8.4. Called when the connection was silent for keepalive_ms, and then at intervals. */
static void
keepalive(struct tcp *t, struct tcp_block *c)
{
	const struct tcp_options *o = block_options(t, c);
	uint32_t silent = t->now_ms - c->heard_ms;

	if (!o->keepalive_ms)
		return;
	if (silent < o->keepalive_ms) {
		timer_life(t, c, o->keepalive_ms - silent);
		return;
	}
	/* While data waits for an acknowledgement its own timer decides. */
	if (!under_way(c)) {
		if (c->keepalives >= o->keepalive_probes) {
			send_reset(t, c);
			block_close(t, c, TCP_CLOSED_KEEPALIVE);
			return;
		}
		c->keepalives++;
		t->counters.keepalive_probes++;
		c->flags |= BLOCK_PROBE_DUE;
		flush_list(t, c);
	}
	timer_life(t, c, o->keepalive_interval_ms);
}

/* The user has gone, and the peer takes its time. As long as it takes data it may. */
static void
drained(struct tcp *t, struct tcp_block *c)
{
	uint32_t patience = block_options(t, c)->fin_wait_ms, still = t->now_ms - c->stuck_ms;

	if (c->queued && still < patience) {
		timer_life(t, c, patience - still);
		return;
	}
	send_reset(t, c);
	block_close(t, c, TCP_CLOSED_TIMEOUT);
}

static void
life_timer_fired(struct tcp *t, struct tcp_block *c)
{
	c->life_timer = 0;
	switch ((enum tcp_state)c->state) {
	case TCP_SYN_SENT:
	case TCP_SYN_RECEIVED:
		block_close(t, c, TCP_CLOSED_TIMEOUT);
		break;
	case TCP_TIME_WAIT:
		block_free(t, c);
		break;
	case TCP_ESTABLISHED:
	case TCP_FIN_WAIT_1:
	case TCP_FIN_WAIT_2:
	case TCP_CLOSE_WAIT:
	case TCP_CLOSING:
	case TCP_LAST_ACK:
		if ((c->flags & (BLOCK_DRAIN | BLOCK_RESET_LAST)) == BLOCK_DRAIN)
			drained(t, c);
		else
			keepalive(t, c);
		break;
	case TCP_CLOSED:
	case TCP_STATES:
		break;
	}
}

/* Look at one block whose entry has fired. */
static void
fired(struct tcp *t, struct tcp_block *c)
{
	uint32_t earliest = t->now_ms + (1u << 30);

	if (c->send_timer && ms_due(c->send_ms, t->now_ms))
		send_timer_fired(t, c);
	if (c->state != TCP_CLOSED && c->flags & BLOCK_ACK_LATER && ms_due(c->ack_ms, t->now_ms)) {
		c->flags &= ~BLOCK_ACK_LATER;
		c->flags |= BLOCK_ACK_NOW;
		flush_list(t, c);
	}
	if (c->state != TCP_CLOSED && c->life_timer && ms_due(c->life_ms, t->now_ms))
		life_timer_fired(t, c);
	if (c->state == TCP_CLOSED)
		return;
	if (c->send_timer && ms_due(c->send_ms, earliest))
		earliest = c->send_ms;
	if (c->flags & BLOCK_ACK_LATER && ms_due(c->ack_ms, earliest))
		earliest = c->ack_ms;
	if (c->life_timer && ms_due(c->life_ms, earliest))
		earliest = c->life_ms;
	if (c->send_timer || c->life_timer || c->flags & BLOCK_ACK_LATER)
		arm(t, c, earliest);
}

bool
tcp_advance(struct tcp *t, uint64_t now)
{
	uint32_t due[ADVANCE_BATCH];
	size_t n, i;

	clock_set(t, now);
	n = wheel_advance(t->wheel, now, due, ADVANCE_BATCH);
	t->armed -= (uint32_t)n;
	for (i = 0; i < n; i++) {
		struct tcp_block *c = &t->blocks[due[i]];

		if (i + 4 < n)
			__builtin_prefetch(&t->blocks[due[i + 4]].wheel_ms);
		if (c->state != TCP_CLOSED)
			fired(t, c);
	}
	blocks_reap(t);
	return n == ADVANCE_BATCH || wheel_behind(t->wheel);
}

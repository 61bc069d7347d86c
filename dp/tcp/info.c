/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at an instance: connections, counters, usage, and whether all of it is sound. */
#include "dp/tcp/internal.h"

#include <errno.h>

const char *
tcp_state_name(enum tcp_state state)
{
	static const char *const names[TCP_STATES] = {
		[TCP_CLOSED] = "closed",
		[TCP_SYN_SENT] = "syn-sent",
		[TCP_SYN_RECEIVED] = "syn-received",
		[TCP_ESTABLISHED] = "established",
		[TCP_FIN_WAIT_1] = "fin-wait-1",
		[TCP_FIN_WAIT_2] = "fin-wait-2",
		[TCP_CLOSE_WAIT] = "close-wait",
		[TCP_CLOSING] = "closing",
		[TCP_LAST_ACK] = "last-ack",
		[TCP_TIME_WAIT] = "time-wait",
	};

	return state < TCP_STATES ? names[state] : "?";
}

const char *
tcp_close_cause_name(enum tcp_close_cause cause)
{
	static const char *const names[TCP_CLOSE_CAUSE_COUNT] = {
#define X(NAME, name, text) [TCP_CLOSED_##NAME] = #name,
		TCP_CLOSE_CAUSES(X)
#undef X
	};

	return cause < TCP_CLOSE_CAUSE_COUNT ? names[cause] : "?";
}

static void
describe(struct tcp *t, const struct tcp_block *c, struct tcp_info *info)
{
	struct tcp_recovery copy;
	const struct tcp_recovery *r = recovery_look(t, c, &copy);

	*info = (struct tcp_info){
		.handle = block_handle(t, c),
		.tuple = c->tuple,
		.user = c->user,
		.route = c->route,
		.bytes_in = c->bytes_in,
		.bytes_out = c->bytes_out,
		.srtt = rtt_smoothed(&r->rtt),
		.rttvar = rtt_variation(&r->rtt),
		.rto = block_open(c) ? rtt_timeout(&r->rtt) : 0,
		.cwnd = r->cubic.cwnd,
		.ssthresh = r->cubic.ssthresh,
		.in_flight = sent_pipe(&r->sent),
		.queued = c->queued,
		.unread = c->unread,
		.out_of_order = runs_data(c),
		.send_window = c->snd_wnd,
		.receive_window = c->rcv_adv - c->rcv_nxt,
		.retransmits = c->retransmits,
		.waited_ms = c->bytes_out ? t->now_ms - c->stuck_ms : UINT32_MAX,
		.mss = c->mss,
		.state = c->state,
		.ours = c->flags & BLOCK_OURS,
		.sack = c->flags & BLOCK_SACK,
		.timestamps = c->flags & BLOCK_TIMESTAMPS,
		.window_scale = c->flags & BLOCK_WINDOW_SCALE,
		.ecn = c->flags & BLOCK_ECN,
		.recovering = r->mode != RECOVERY_OPEN,
	};
}

int
tcp_info(struct tcp *t, tcp_handle h, struct tcp_info *info)
{
	const struct tcp_block *c = block_of(t, h);

	if (!c)
		return -ENOENT;
	describe(t, c, info);
	return 0;
}

bool
tcp_find(struct tcp *t, const struct tuple *tuple, struct tcp_info *info)
{
	const struct tcp_block *c = block_find(t, tuple, tuple_hash(t, tuple));

	if (c)
		describe(t, c, info);
	return c != NULL;
}

bool
tcp_walk(struct tcp *t, uint32_t *cursor, uint32_t slots, struct tcp_info *info)
{
	for (; slots && *cursor < t->fresh; slots--) {
		const struct tcp_block *c = &t->blocks[(*cursor)++];

		if (c->state == TCP_CLOSED)
			continue;
		describe(t, c, info);
		return true;
	}
	if (*cursor >= t->fresh)
		*cursor = UINT32_MAX;
	return false;
}

const struct tcp_counters *
tcp_counters(const struct tcp *t)
{
	return &t->counters;
}

void
tcp_usage(const struct tcp *t, struct tcp_usage *u)
{
	*u = (struct tcp_usage){
		.connections = t->used,
		.half_open = t->half_open.count,
		.time_wait = t->time_wait.count,
		.records = sent_pool_used(t->sent),
		.timers = t->armed,
		.buffers = t->held,
		.flights = t->flights_held,
	};
}

/* ---- is it sound? --------------------------------------------------------------------------- */

static uint32_t
chain_bytes(const struct rte_mbuf *m)
{
	uint32_t n = 0;

	for (; m; m = m->next)
		n += m->data_len;
	return n;
}

static const char *
check_sequence(const struct tcp_block *c, const struct tcp_recovery *r)
{
	if (!seq_le(c->snd_una, c->snd_nxt))
		return "snd_una is beyond snd_nxt";
	if (!seq_le(c->rcv_nxt, c->rcv_adv))
		return "rcv_nxt is beyond the window that was promised";
	if (block_open(c) && c->snd_nxt - c->snd_una != r->sent.bytes)
		return "the queue does not hold what is in flight";
	return NULL;
}

static const char *
check_block(const struct tcp *t, const struct tcp_block *c, uint32_t *held)
{
	struct tcp_recovery copy;
	const struct tcp_recovery *r = recovery_look(t, c, &copy);
	const char *wrong = flight_check(t, c);
	uint32_t buffers, fin = (c->flags & (BLOCK_FIN_SENT | BLOCK_FIN_ACKED)) == BLOCK_FIN_SENT;

	if (!wrong)
		wrong = check_sequence(c, r);
	if (!wrong)
		wrong = runs_check(c, &buffers);
	if (!wrong && has_flight(c))
		wrong = sent_check(t->sent, &r->sent);
	if (wrong)
		return wrong;
	buffers += chain_buffers(c->unsent_head);
	buffers += has_flight(c) ? sent_buffers(t->sent, &r->sent) : 0;
	if (c->held < buffers)
		return "a connection's buffers are miscounted";
	*held += buffers;
	if (chain_bytes(c->unsent_head) != c->unsent)
		return "unsent data is miscounted";
	if (c->state != TCP_TIME_WAIT && c->queued != c->unsent + r->sent.bytes - fin)
		return "queued is not unsent and in flight";
	if (block_open(c) && under_way(c) && !c->send_timer && !(c->flags & BLOCK_LISTED))
		return "data is in flight and no timer is set";
	return NULL;
}

const char *
tcp_check(struct tcp *t)
{
	uint32_t i, used = 0, half_open = 0, time_wait = 0, held = t->lent;
	const char *wrong;

	for (i = 0; i < t->fresh; i++) {
		const struct tcp_block *c = &t->blocks[i];

		if (c->state == TCP_CLOSED)
			continue;
		used++;
		half_open += c->state == TCP_SYN_RECEIVED;
		time_wait += c->state == TCP_TIME_WAIT;
		wrong = check_block(t, c, &held);
		if (wrong)
			return wrong;
		if (block_find(t, &c->tuple, tuple_hash(t, &c->tuple)) != c)
			return "a connection is not in the table";
	}
	if (used != t->used || half_open != t->half_open.count || time_wait != t->time_wait.count)
		return "connections are miscounted";
	if (t->table.entries != used)
		return "the table holds what is no connection";
	if (held != t->held)
		return "buffers are miscounted";
	if (t->counters.over_cwnd)
		return "more was in flight than the congestion window allows";
	return flights_check(t);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections that others open (RFC 9293 3.10.7.2, 3.10.7.4). A SYN takes a block, or, when too
 * many are half open, no memory at all: a SYN cookie (RFC 4987 3.6).
 *
 *     SYN ──> half open < bound?  yes: block, SYN-RECEIVED ──ACK──> ESTABLISHED
 *                                 no:  cookie .............. ──ACK──> block, ESTABLISHED
 */
#include "dp/tcp/internal.h"

#include "dp/tcp/cookie.h"
#include "dp/tcp/isn.h"

#define COOKIE_LIFE 128000000000ull /* cookie.h: 64 s and what was left of those before */

/* The window scale that a receive window needs. */
uint8_t
window_scale(uint32_t receive_window)
{
	uint8_t scale = 0;

	while (scale < WINDOW_SCALE_MAX && receive_window >> scale > UINT16_MAX)
		scale++;
	return scale;
}

uint32_t
mss_of_mtu(const struct tcp *t, const struct tcp_block *c)
{
	return block_options(t, c)->mtu - (addr_is_v4(&c->tuple.src) ? 40u : 60u);
}

uint16_t
mss_announced(const struct tcp *t, const struct tcp_block *c)
{
	return (uint16_t)(mss_of_mtu(t, c) - block_options(t, c)->mss_less);
}

void
mss_update(struct tcp *t, struct tcp_block *c)
{
	uint32_t mss = RTE_MIN(mss_of_mtu(t, c), (uint32_t)c->peer_mss);

	if (c->flags & BLOCK_PMTU)
		mss = RTE_MIN(mss, c->pmtu - (addr_is_v4(&c->tuple.src) ? 40 : 60));
	/* RFC 6691: options are not in the MSS. */
	if (c->flags & BLOCK_TIMESTAMPS)
		mss -= TIMESTAMP_BYTES;
	c->mss = (uint16_t)mss;
}

static uint16_t
peer_mss(const struct tuple *tuple, const struct segment_options *o)
{
	if (o->flags & OPTION_MSS)
		return RTE_MAX(o->mss, (uint16_t)MSS_MIN);
	return addr_is_v4(&tuple->src) ? MSS_DEFAULT_V4 : MSS_DEFAULT_V6;
}

void
take_syn_options(struct tcp *t, struct tcp_block *c, const struct segment *s)
{
	const struct tcp_options *mine = block_options(t, c);
	struct segment_options o;

	segment_options_parse(&o, s->options, s->option_bytes, true);
	c->peer_mss = peer_mss(&c->tuple, &o);
	c->flags &= ~(BLOCK_WINDOW_SCALE | BLOCK_SACK | BLOCK_TIMESTAMPS);
	c->snd_scale = 0;
	if (o.flags & OPTION_WINDOW_SCALE && !mine->no_window_scale) {
		c->flags |= BLOCK_WINDOW_SCALE;
		c->snd_scale = o.window_scale;
		c->rcv_scale = window_scale(mine->receive_window);
	} else {
		c->rcv_scale = 0;
	}
	if (o.flags & OPTION_SACK_PERMITTED && !mine->no_sack)
		c->flags |= BLOCK_SACK;
	if (o.flags & OPTION_TIMESTAMPS && !mine->no_timestamps) {
		c->flags |= BLOCK_TIMESTAMPS;
		c->ts_recent = o.tsval;
	}
	mss_update(t, c);
}

/* The peer has answered our SYN or SYN-ACK: both directions are open. */
void
established_enter(struct tcp *t, struct tcp_block *c, const struct segment *s)
{
	bool ours = c->flags & BLOCK_OURS;
	uint32_t scale = s->flags & TCP_SYN ? 0 : c->snd_scale;

	if (c->state == TCP_SYN_RECEIVED)
		list_remove(t, &t->half_open, c);
	c->state = TCP_ESTABLISHED;
	c->snd_una = s->ack;
	c->snd_wnd = s->window << scale;
	c->max_wnd = c->snd_wnd;
	c->snd_wl1 = s->seq;
	c->heard_ms = c->stuck_ms = t->now_ms;
	c->send_timer = TIMER_NONE;
	timer_life_stop(c);
	if (block_options(t, c)->keepalive_ms)
		timer_life(t, c, block_options(t, c)->keepalive_ms);
	recovery_begin(t, c);
	c->backoff = 0;
	c->flags |= BLOCK_TOLD;
	c->flags &= ~BLOCK_SYN_DUE;
	flush_list(t, c);
	if (ours) {
		t->counters.connected++;
		if (t->calls.connected)
			t->calls.connected(t->calls.arg, block_handle(t, c), c->user);
		return;
	}
	t->counters.accepted++;
	if (t->calls.accepted)
		c->user =
		    t->calls.accepted(t->calls.arg, block_handle(t, c), c->listener, &c->tuple);
}

/* What is common to a block from a SYN and one from a cookie. */
static struct tcp_block *
passive_block(struct tcp *t, const struct segment *s)
{
	const struct tcp_packet *p = s->packet;
	struct tcp_block *c;

	if (!budget_allows(t, 1, BUDGET_CONNECTIONS)) {
		t->counters.budget_connections++;
		return NULL;
	}
	c = block_new(t, p->tuple, t->listeners[p->listener].options);
	if (!c)
		return NULL;
	c->listener = (uint16_t)p->listener;
	c->route = p->route;
	return c;
}

/* ---- SYN ------------------------------------------------------------------------------------ */

static bool
ecn_asked(const struct segment *s)
{
	return (s->flags & (FLAG_ECE | FLAG_CWR)) == (FLAG_ECE | FLAG_CWR);
}

static void
syn_to_block(struct tcp *t, const struct segment *s)
{
	struct tcp_block *c = passive_block(t, s);

	if (!c) {
		t->counters.syn_dropped++;
		return;
	}
	c->state = TCP_SYN_RECEIVED;
	list_append(t, &t->half_open, c);
	c->rcv_nxt = c->rcv_adv = s->seq + 1;
	c->ts_offset = isn_timestamp_offset(&t->isn_key, &c->tuple);
	c->snd_una = isn_make(&t->isn_key, &c->tuple, t->now);
	c->snd_nxt = c->snd_una + 1;
	take_syn_options(t, c, s);
	if (ecn_asked(s) && !block_options(t, c)->no_ecn)
		c->flags |= BLOCK_ECN;
	c->flags |= BLOCK_SYN_DUE;
	timer_life(t, c, block_options(t, c)->connect_ms);
	flush_list(t, c);
}

static void
syn_to_cookie(struct tcp *t, struct segment *s)
{
	const struct tcp_packet *p = s->packet;
	const struct tcp_options *mine = &t->sets[t->listeners[p->listener].options].is.options;
	struct cookie_ends ends = { p->tuple, s->seq };
	struct cookie_reply r = { .tos = mine->tos, .ttl = mine->ttl };
	struct cookie_options o = { 0 };
	struct segment_options theirs;

	segment_options_parse(&theirs, s->options, s->option_bytes, true);
	o.mss = cookie_mss(peer_mss(p->tuple, &theirs));
	o.timestamps = theirs.flags & OPTION_TIMESTAMPS && !mine->no_timestamps;
	if (o.timestamps) {
		o.sack = theirs.flags & OPTION_SACK_PERMITTED && !mine->no_sack;
		o.ecn = ecn_asked(s) && !mine->no_ecn;
		o.scaled = theirs.flags & OPTION_WINDOW_SCALE && !mine->no_window_scale;
		o.window_scale = o.scaled ? theirs.window_scale : 0;
	}
	r.seq = cookie_make(&t->cookie_key, &ends, &o, t->now);
	r.ack = s->seq + 1;
	r.window = (uint16_t)RTE_MIN(mine->receive_window, UINT16_MAX);
	r.ecn = o.ecn;
	r.options.flags = OPTION_MSS | (o.timestamps ? OPTION_TIMESTAMPS : 0) |
			  (o.sack ? OPTION_SACK_PERMITTED : 0) |
			  (o.scaled ? OPTION_WINDOW_SCALE : 0);
	r.options.mss = (uint16_t)(mine->mtu - (addr_is_v4(&p->tuple->src) ? 40 : 60));
	r.options.window_scale = window_scale(mine->receive_window);
	if (o.timestamps) {
		uint32_t offset = isn_timestamp_offset(&t->isn_key, p->tuple);

		r.options.tsval = cookie_timestamp(&o, timestamp_at(t->now, offset));
		r.options.tsecr = theirs.tsval;
	}
	if (send_cookie(t, s, &r)) {
		t->counters.syn_cookies_sent++;
		t->cookies_until = t->now + COOKIE_LIFE;
	}
}

/* ---- the ACK of a cookie -------------------------------------------------------------------- */

static struct tcp_block *
block_of_cookie(struct tcp *t, const struct segment *s, const struct cookie_options *o)
{
	struct tcp_block *c = passive_block(t, s);

	if (!c)
		return NULL;
	c->state = TCP_SYN_RECEIVED;
	list_append(t, &t->half_open, c);
	c->rcv_nxt = s->seq;
	c->snd_una = s->ack - 1;
	c->snd_nxt = s->ack;
	c->ts_offset = isn_timestamp_offset(&t->isn_key, &c->tuple);
	c->peer_mss = o->mss;
	if (o->timestamps) {
		c->flags |= BLOCK_TIMESTAMPS;
		c->ts_recent = s->ts_value;
	}
	c->flags |= (o->sack ? BLOCK_SACK : 0) | (o->ecn ? BLOCK_ECN : 0);
	if (o->scaled) {
		c->flags |= BLOCK_WINDOW_SCALE;
		c->snd_scale = o->window_scale;
		c->rcv_scale = window_scale(block_options(t, c)->receive_window);
	}
	mss_update(t, c);
	c->rcv_adv =
	    c->rcv_nxt + RTE_MIN(block_options(t, c)->receive_window, (uint32_t)UINT16_MAX);
	c->last_ack_sent = c->rcv_nxt;
	return c;
}

/* No connection, no SYN: perhaps the answer to a cookie. */
static void
ack_to_cookie(struct tcp *t, struct segment *s)
{
	struct cookie_ends ends = { s->packet->tuple, s->seq - 1 };
	struct cookie_answer answer = { s->ack - 1, s->timestamps, s->ts_echo };
	uint64_t hash = tuple_hash(t, s->packet->tuple);
	struct cookie_options o;
	struct tcp_block *c;

	if (t->now >= t->cookies_until) {
		t->counters.no_connection++;
		answer_reset(t, s);
		return;
	}
	if (!cookie_check(&t->cookie_key, &ends, &answer, t->now, &o)) {
		t->counters.syn_cookies_bad++;
		answer_reset(t, s);
		return;
	}
	/* Its connection was, or there would be a block. */
	if (cookie_memory_has(&t->cookies, hash, answer.cookie)) {
		t->counters.syn_cookies_again++;
		answer_reset(t, s);
		return;
	}
	c = block_of_cookie(t, s, &o);
	if (!c)
		return;
	t->counters.syn_cookies_ok++;
	cookie_memory_add(&t->cookies, hash, answer.cookie);
	state_input(t, c, s);
}

/* So many connections are half open that SYNs are answered by cookies only. */
static bool
is_crowded(const struct tcp *t)
{
	return t->half_open.count >= t->settings.half_open;
}

void
listen_input(struct tcp *t, struct segment *s)
{
	const struct tcp_listener *l = &t->listeners[s->packet->listener];

	if (s->flags & TCP_RST)
		return;
	if (s->flags & TCP_ACK) {
		if (s->flags & TCP_SYN) {
			t->counters.no_connection++;
			answer_reset(t, s);
			return;
		}
		ack_to_cookie(t, s);
		return;
	}
	if (!(s->flags & TCP_SYN) || s->flags & TCP_FIN)
		return;
	if (t->sets[l->options].is.options.syn_cookies_always || is_crowded(t))
		syn_to_cookie(t, s);
	else
		syn_to_block(t, s);
}

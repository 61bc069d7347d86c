/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that we open: tcp_connect and the state SYN-SENT (RFC 9293 3.10.1, 3.10.7.3). */
#include "dp/tcp/internal.h"

#include <errno.h>

#include "dp/tcp/isn.h"

/* May a connection in TIME-WAIT give its ends to a new one of ours? RFC 6191, seen from the other
 * side: only if our timestamps tell the peer that this is a new one. */
static bool
reusable(struct tcp *t, struct tcp_block *c)
{
	if (c->state != TCP_TIME_WAIT || !(c->flags & BLOCK_TIMESTAMPS) ||
	    t->now_ms - c->heard_ms < 1000)
		return false;
	t->counters.time_wait_reused++;
	block_free(t, c);
	return true;
}

int
tcp_connect(struct tcp *t, const struct tcp_connect *what, tcp_handle *h)
{
	const struct tcp_options none = { 0 };
	struct tcp_block *c = block_find(t, &what->tuple, tuple_hash(t, &what->tuple));
	const struct tcp_options *o;
	int set;

	if (!what->tuple.sport || !what->tuple.dport ||
	    addr_is_v4(&what->tuple.src) != addr_is_v4(&what->tuple.dst))
		return -EINVAL;
	if (c && !reusable(t, c))
		return -EADDRINUSE;
	if (!budget_allows(t, 1, BUDGET_CONNECTIONS)) {
		t->counters.budget_connections++;
		return -ENOMEM;
	}
	set = options_take(t, what->options ? what->options : &none);
	if (set < 0)
		return set;
	c = block_new(t, &what->tuple, (uint16_t)set);
	options_release(t, (uint16_t)set);
	if (!c)
		return -ENOMEM;
	o = block_options(t, c);
	c->state = TCP_SYN_SENT;
	c->flags = BLOCK_OURS | BLOCK_TOLD | BLOCK_SYN_DUE;
	c->flags |= (o->no_timestamps ? 0 : BLOCK_TIMESTAMPS) | (o->no_sack ? 0 : BLOCK_SACK) |
		    (o->ask_ecn && !o->no_ecn ? BLOCK_ECN : 0) |
		    (o->no_window_scale ? 0 : BLOCK_WINDOW_SCALE);
	c->rcv_scale = o->no_window_scale ? 0 : window_scale(o->receive_window);
	c->route = what->route;
	c->user = what->user;
	c->ts_offset = isn_timestamp_offset(&t->isn_key, &c->tuple);
	c->snd_una = isn_make(&t->isn_key, &c->tuple, t->now);
	c->snd_nxt = c->snd_una + 1;
	timer_life(t, c, o->connect_ms);
	flush_list(t, c);
	*h = block_handle(t, c);
	return 0;
}

/* Both sides have sent a SYN at the same time (RFC 9293 3.5, figure 8). */
static void
simultaneous(struct tcp *t, struct tcp_block *c)
{
	c->state = TCP_SYN_RECEIVED;
	list_append(t, &t->half_open, c);
	c->flags |= BLOCK_SYN_DUE;
	c->flags &= ~BLOCK_ECN;
	flush_list(t, c);
}

void
syn_sent_input(struct tcp *t, struct tcp_block *c, struct segment *s)
{
	bool ack = s->flags & TCP_ACK;

	if (ack && (seq_le(s->ack, c->snd_una) || seq_lt(c->snd_nxt, s->ack))) {
		t->counters.bad_ack++;
		answer_reset(t, s);
		return;
	}
	if (s->flags & TCP_RST) {
		if (ack) {
			t->counters.resets_in++;
			block_close(t, c, TCP_CLOSED_REFUSED);
		}
		return;
	}
	if (!(s->flags & TCP_SYN))
		return;
	c->rcv_nxt = s->seq + 1;
	c->rcv_adv = c->rcv_nxt + RTE_MIN(block_options(t, c)->receive_window, UINT16_MAX);
	take_syn_options(t, c, s);
	if (!ack) {
		simultaneous(t, c);
		return;
	}
	/* RFC 3168 6.1.1: ECE without CWR agrees. */
	if ((s->flags & (FLAG_ECE | FLAG_CWR)) != FLAG_ECE)
		c->flags &= ~BLOCK_ECN;
	c->flags |= BLOCK_ACK_NOW;
	established_enter(t, c, s);
	/* Data that comes with a SYN-ACK (RFC 9293 allows it) is taken as any other. */
	if (c->state == TCP_ESTABLISHED && s->len) {
		s->seq++;
		data_input(t, c, s);
	}
}

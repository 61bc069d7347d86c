/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TIME-WAIT: the user knows that all is done, but our last ACK may be lost, and old segments may
 * still be under way (RFC 9293 3.6.1). RST does not end it early (RFC 1337); a SYN that is surely
 * new does (RFC 6191). When blocks run out the oldest makes room.
 */
#include "dp/tcp/internal.h"

void
time_wait_enter(struct tcp *t, struct tcp_block *c)
{
	unsent_free(t, c);
	runs_free(t, c);
	recovery_end(t, c);
	c->state = TCP_TIME_WAIT;
	c->send_timer = TIMER_NONE;
	c->flags &= ~BLOCK_ACK_LATER;
	list_append(t, &t->time_wait, c);
	timer_life(t, c, block_options(t, c)->time_wait_ms);
	block_done(t, c);
}

bool
time_wait_recycle(struct tcp *t)
{
	if (t->time_wait.head == NIL)
		return false;
	block_free(t, &t->blocks[t->time_wait.head]);
	return true;
}

/* RFC 6191: with timestamps a later one, else a higher sequence number. */
static bool
surely_new(const struct tcp_block *c, const struct segment *s)
{
	if (s->flags & (TCP_RST | TCP_ACK | TCP_FIN) || !(s->flags & TCP_SYN))
		return false;
	if (c->flags & BLOCK_TIMESTAMPS && s->timestamps)
		return seq_lt(c->ts_recent, s->ts_value) ||
		       (c->ts_recent == s->ts_value && seq_lt(c->rcv_nxt, s->seq));
	return seq_lt(c->rcv_nxt, s->seq);
}

void
time_wait_input(struct tcp *t, struct tcp_block *c, struct segment *s)
{
	uint32_t listener = s->packet->listener;

	if (s->flags & TCP_RST)
		return;
	if (surely_new(c, s) && listener < LISTENERS_MAX && t->listeners[listener].used) {
		t->counters.time_wait_reused++;
		block_free(t, c);
		listen_input(t, s);
		return;
	}
	/* The peer has not heard our last ACK: once more, and its time begins anew. */
	if (s->flags & TCP_FIN) {
		list_remove(t, &t->time_wait, c);
		list_append(t, &t->time_wait, c);
		timer_life(t, c, block_options(t, c)->time_wait_ms);
	}
	if (s->flags & (TCP_FIN | TCP_SYN) || s->len)
		challenge_ack(t, c);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One function per state (RFC 9293, figure 5), for segments that passed segment_check. Each may end
 * the connection, directly or by an event whose receiver calls tcp_abort; after anything that may
 * have, TCP_CLOSED is looked for.
 *
 *     SYN-SENT -> connect.c      TIME-WAIT -> time_wait.c
 */
#include "dp/tcp/internal.h"

/* The peer has sent all it wants to. */
static void
tell_half_closed(struct tcp *t, struct tcp_block *c)
{
	if (t->calls.half_closed && !(c->flags & (BLOCK_GONE | BLOCK_DRAIN)))
		t->calls.half_closed(t->calls.arg, block_handle(t, c), c->user);
}

static void
established(struct tcp *t, struct tcp_block *c, struct segment *s)
{
	if (!ack_input(t, c, s))
		return;
	if (data_input(t, c, s)) {
		c->state = TCP_CLOSE_WAIT;
		tell_half_closed(t, c);
	}
}

static void
syn_received(struct tcp *t, struct tcp_block *c, struct segment *s)
{
	if (!seq_lt(c->snd_una, s->ack)) {
		/* RFC 9293 3.10.7.4, fifth: not of our SYN. */
		answer_reset(t, s);
		return;
	}
	established_enter(t, c, s);
	if (c->state == TCP_ESTABLISHED)
		established(t, c, s);
	else if (c->state != TCP_CLOSED)
		state_input(t, c, s);
}

/* Ours is acknowledged: only the peer's FIN is missing. */
static void
fin_wait_2(struct tcp *t, struct tcp_block *c, struct segment *s)
{
	if (!data_input(t, c, s))
		return;
	tell_half_closed(t, c);
	if (c->state == TCP_FIN_WAIT_2)
		time_wait_enter(t, c);
}

static void
fin_wait_1(struct tcp *t, struct tcp_block *c, struct segment *s)
{
	if (!ack_input(t, c, s))
		return;
	if (c->flags & BLOCK_FIN_ACKED) {
		c->state = TCP_FIN_WAIT_2;
		fin_wait_2(t, c, s);
		return;
	}
	if (!data_input(t, c, s))
		return;
	c->state = TCP_CLOSING;
	tell_half_closed(t, c);
}

static void
close_wait(struct tcp *t, struct tcp_block *c, struct segment *s)
{
	if (ack_input(t, c, s))
		data_input(t, c, s); /* nothing can come; it is answered and dropped */
}

static void
closing(struct tcp *t, struct tcp_block *c, struct segment *s)
{
	if (!ack_input(t, c, s))
		return;
	data_input(t, c, s);
	if (c->state == TCP_CLOSING && c->flags & BLOCK_FIN_ACKED)
		time_wait_enter(t, c);
}

static void
last_ack(struct tcp *t, struct tcp_block *c, struct segment *s)
{
	if (!ack_input(t, c, s))
		return;
	data_input(t, c, s);
	if (c->state == TCP_LAST_ACK && c->flags & BLOCK_FIN_ACKED)
		block_close(t, c, TCP_CLOSED_DONE);
}

void
state_input(struct tcp *t, struct tcp_block *c, struct segment *s)
{
	switch ((enum tcp_state)c->state) {
	case TCP_SYN_RECEIVED:
		syn_received(t, c, s);
		break;
	case TCP_ESTABLISHED:
		established(t, c, s);
		break;
	case TCP_FIN_WAIT_1:
		fin_wait_1(t, c, s);
		break;
	case TCP_FIN_WAIT_2:
		if (ack_input(t, c, s))
			fin_wait_2(t, c, s);
		break;
	case TCP_CLOSE_WAIT:
		close_wait(t, c, s);
		break;
	case TCP_CLOSING:
		closing(t, c, s);
		break;
	case TCP_LAST_ACK:
		last_ack(t, c, s);
		break;
	case TCP_CLOSED:
	case TCP_SYN_SENT:
	case TCP_TIME_WAIT:
	case TCP_STATES:
		break;
	}
}

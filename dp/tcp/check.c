/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is a segment from the peer, and is it for now? RFC 9293 3.10.7.4, first to fifth, with RFC 7323
 * (old timestamps) and RFC 5961 (guessed RST, SYN and ACK) in their places.
 */
#include "dp/tcp/internal.h"

#define PAWS_DAYS_MS (24u * 24 * 3600 * 1000) /* RFC 7323 5.5 */

/* RFC 5961 7: a bounded number, by connection: a shared bound would tell others of it
 * (CVE-2016-5696). By GCRA in milliseconds, a second's worth at once: a state further ahead is one
 * of long ago. */
static bool
challenge_allowed(struct tcp *t, struct tcp_block *c)
{
	uint32_t ahead = c->challenges - t->now_ms;

	if (ahead > 1000)
		ahead = 0;
	ahead += RTE_MAX(1000 / t->settings.challenge_per_s, 1u);
	if (ahead > 1000) {
		t->counters.challenge_limited++;
		return false;
	}
	c->challenges = t->now_ms + ahead;
	return true;
}

void
challenge_ack(struct tcp *t, struct tcp_block *c)
{
	if (!challenge_allowed(t, c))
		return;
	t->counters.challenge_acks++;
	send_ack(t, c);
}

static uint32_t
sequence_length(const struct segment *s)
{
	return s->len + !!(s->flags & TCP_SYN) + !!(s->flags & TCP_FIN);
}

/* A segment that came before, or beyond what we allowed. An answer tells a peer that has lost our
 * ACK, or probes; data and probes get one each, all else a bounded number, so that two such ends
 * do not go on forever. */
static void
refuse(struct tcp *t, struct tcp_block *c, const struct segment *s)
{
	if (s->flags & TCP_RST)
		return;
	if (c->state == TCP_SYN_RECEIVED) {
		/* A peer that speaks already, but not so that we could go on: the SYN-ACK makes
		 * it say where it is. */
		if (challenge_allowed(t, c)) {
			c->flags |= BLOCK_SYN_DUE;
			flush_list(t, c);
		}
		return;
	}
	if (s->len || s->flags & TCP_FIN) {
		if (seq_lt(s->seq, c->rcv_nxt))
			duplicate(t, c, s->seq, seq_min(s->seq + sequence_length(s), c->rcv_nxt));
		c->flags |= BLOCK_ACK_NOW;
		flush_list(t, c);
		return;
	}
	challenge_ack(t, c);
}

/* RFC 9293 3.10.7.4, first. A pure ACK right at the end of a full window is taken too: it is what a
 * peer sends whose first segment of the window was lost. */
static bool
in_window(const struct tcp_block *c, const struct segment *s)
{
	uint32_t n = sequence_length(s);

	if (n == 0 || c->rcv_adv == c->rcv_nxt)
		return seq_le(c->rcv_nxt, s->seq) && seq_le(s->seq, c->rcv_adv);
	return seq_lt(s->seq, c->rcv_adv) && seq_lt(c->rcv_nxt, s->seq + n);
}

/* RFC 7323 5.5: the peer's clock may have gone round, so what it said last says nothing any more.
 */
static bool
is_silent_too_long(const struct tcp *t, const struct tcp_block *c)
{
	return t->now_ms - c->heard_ms >= PAWS_DAYS_MS;
}

/* RFC 7323 5.3 R1 to R3. False: too old. */
static bool
timestamps_check(struct tcp *t, struct tcp_block *c, const struct segment *s)
{
	if (!(c->flags & BLOCK_TIMESTAMPS) || s->flags & TCP_RST)
		return true;
	if (!s->timestamps) {
		/* 3.2: not without, once agreed. */
		t->counters.paws++;
		return false;
	}
	if (seq_lt(s->ts_value, c->ts_recent) && !is_silent_too_long(t, c)) {
		t->counters.paws++;
		refuse(t, c, s);
		return false;
	}
	return true;
}

/* RFC 5961 3 and 4. False: the segment ends here. */
static bool
rst_syn_check(struct tcp *t, struct tcp_block *c, const struct segment *s)
{
	if (s->flags & TCP_RST) {
		if (s->seq != c->rcv_nxt) {
			challenge_ack(t, c);
			return false;
		}
		t->counters.resets_in++;
		block_close(t, c,
			    c->state == TCP_SYN_RECEIVED && c->flags & BLOCK_OURS
				? TCP_CLOSED_REFUSED
				: TCP_CLOSED_RESET);
		return false;
	}
	if (!(s->flags & TCP_SYN))
		return true;
	challenge_ack(t, c);
	return false;
}

/* RFC 5961 5: of what was acknowledged long ago, and of what was never sent, neither the ACK nor
 * the data is taken. */
static bool
ack_check(struct tcp *t, struct tcp_block *c, const struct segment *s)
{
	if (!(s->flags & TCP_ACK))
		return false;
	if (s->ack == c->snd_nxt + 1)
		probe_taken(t, c);
	if (seq_lt(c->snd_nxt, s->ack) || seq_lt(s->ack, c->snd_una - c->max_wnd)) {
		t->counters.bad_ack++;
		challenge_ack(t, c);
		return false;
	}
	return true;
}

bool
segment_check(struct tcp *t, struct tcp_block *c, struct segment *s)
{
	if (!timestamps_check(t, c, s))
		return false;
	if (!in_window(c, s)) {
		/* RFC 9293: with a closed window ACKs and RSTs of what lies right there count. */
		if (c->rcv_adv != c->rcv_nxt || s->seq != c->rcv_nxt) {
			t->counters.bad_sequence++;
			refuse(t, c, s);
			return false;
		}
	}
	if (s->flags & (TCP_RST | TCP_SYN) && !rst_syn_check(t, c, s))
		return false;
	if (!ack_check(t, c, s))
		return false;
	/* RFC 7323 4.3 (2) and (3): of the segment that contains what we acknowledged last. */
	if (s->timestamps && c->flags & BLOCK_TIMESTAMPS && seq_le(s->seq, c->last_ack_sent) &&
	    (seq_le(c->ts_recent, s->ts_value) || is_silent_too_long(t, c)))
		c->ts_recent = s->ts_value;
	c->heard_ms = t->now_ms;
	c->keepalives = 0;
	return true;
}

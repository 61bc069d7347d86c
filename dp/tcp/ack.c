/* SPDX-License-Identifier: Apache-2.0 */
/* What an acknowledgement says: how far our data has come, and how much more the peer takes. What
 * follows for the congestion window and for what is sent again is recovery.c's. */
#include "dp/tcp/internal.h"

#include "dp/tcp/isn.h"

/* RFC 9293 3.10.7.4, fifth: newer segments say the window. A segment that was sent again is newer
 * than its number says if it acknowledges more. (SND.WL2 is never beyond SND.UNA, so older
 * acknowledgements do not come here.) */
static bool
window_update(struct tcp_block *c, const struct segment *s)
{
	uint32_t window = s->window << c->snd_scale;
	bool changed;

	if (!seq_lt(c->snd_una, s->ack) && seq_lt(s->seq, c->snd_wl1))
		return false;
	changed = window != c->snd_wnd;
	c->snd_wnd = window;
	c->snd_wl1 = s->seq;
	c->max_wnd = RTE_MAX(c->max_wnd, window);
	return changed;
}

static void
progress(struct tcp *t, struct tcp_block *c, const struct sent_result *r)
{
	bool fin = c->flags & BLOCK_FIN_SENT && c->snd_una == c->snd_nxt;
	uint32_t data = r->acked;

	if (fin && !(c->flags & BLOCK_FIN_ACKED)) {
		c->flags |= BLOCK_FIN_ACKED;
		data--;
	}
	c->queued -= data;
	release(t, c, r->buffers);
	c->stuck_ms = t->now_ms;
	c->backoff = 0;
	if (unlikely(c->flags & BLOCK_PMTU_TRIED))
		pmtu_acked(t, c);
}

/* Room to send again, for a user that found none. */
static void
tell_room(struct tcp *t, struct tcp_block *c)
{
	if (!(c->flags & BLOCK_WANT_ROOM) || c->queued > block_options(t, c)->send_buffer / 2 ||
	    c->flags & (BLOCK_FIN_QUEUED | BLOCK_GONE))
		return;
	c->flags &= ~BLOCK_WANT_ROOM;
	if (t->calls.room)
		t->calls.room(t->calls.arg, block_handle(t, c), c->user);
}

/* Options besides timestamps: a D-SACK may come when all is acknowledged. */
static bool
tells_more(const struct tcp_block *c, const struct segment *s)
{
	return c->flags & BLOCK_SACK && s->option_bytes > (s->timestamps ? TIMESTAMP_BYTES : 0);
}

static void
apply(struct tcp *t, struct tcp_block *c, const struct segment *s, struct ack_news *news)
{
	struct tcp_recovery *r = recovery_of(c);
	struct segment_options options = { 0 };
	struct sent_context context = { &r->rack.fack, rtt_min(&r->rtt) };
	struct sent_ack ack = { .now = t->now, .ack = s->ack };

	if (tells_more(c, s)) {
		segment_options_parse(&options, s->options, s->option_bytes, false);
		ack.n_sack = options.n_sack;
		ack.sack = options.sack;
	}
	if (c->flags & BLOCK_TIMESTAMPS && s->timestamps) {
		ack.echoes = true;
		ack.echo = s->ts_echo - c->ts_offset;
	}
	news->sack = ack.n_sack > 0;
	news->echoes = ack.echoes;
	news->echo_ms = t->now_ms - ack.echo;
	news->pipe_before = sent_pipe(&r->sent);
	sent_acknowledge(t->sent, &r->sent, &ack, &context, &news->result);
}

bool
ack_input(struct tcp *t, struct tcp_block *c, struct segment *s)
{
	struct ack_news news;
	bool changed;

	if (seq_lt(s->ack, c->snd_una))
		return true; /* an old one: its data may be new */
	changed = window_update(c, s);
	if (s->ack == c->snd_una && !under_way(c) && (!has_flight(c) || !tells_more(c, s))) {
		/* Nothing is under way; the window may have opened. */
		if (changed && (c->unsent || c->flags & BLOCK_FIN_QUEUED))
			flush_list(t, c);
		return true;
	}
	news.duplicate = s->ack == c->snd_una && !s->len && !changed && !(s->flags & TCP_FIN);
	news.ece = c->flags & BLOCK_ECN && s->flags & FLAG_ECE;
	apply(t, c, s, &news);
	c->snd_una = s->ack;
	if (news.result.acked)
		progress(t, c, &news.result);
	recovery_ack(t, c, &news);
	flush_list(t, c);
	tell_room(t, c);
	return c->state != TCP_CLOSED;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The rules that every segment has to keep. */
#include "tests/sim/flow.h"

#include <string.h>

#include "tests/sim/content.h"

void
flow_init(struct flow *f, uint64_t stream)
{
	memset(f, 0, sizeof(*f));
	f->stream = stream;
}

static bool
after(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

static uint64_t
offset(const struct flow *f, uint32_t seq)
{
	return f->end + (uint64_t)(int64_t)(int32_t)(seq - (f->isns[0] + (uint32_t)f->end));
}

static const char *
sent_syn(struct flow *f, const struct wire *w)
{
	if (w->length)
		return "data in a SYN";
	if (f->settled && w->seq != f->isns[0])
		return "a SYN with another sequence number";
	for (unsigned int i = 0; i < f->n_isns; i++)
		if (f->isns[i] == w->seq)
			return NULL;
	if (f->n_isns && !f->cookies)
		return "a repeated SYN with another sequence number";
	if (f->n_isns == FLOW_ISNS) {
		memmove(f->isns, f->isns + 1, sizeof(f->isns) - sizeof(f->isns[0]));
		f->n_isns--;
	}
	f->isns[f->n_isns++] = w->seq;
	if (f->end == 0)
		f->end = 1;
	f->has_scale = w->has_scale;
	f->scale = w->scale;
	f->sack_permitted = w->sack_permitted;
	f->has_time = w->has_time;
	f->mss = w->has_mss ? w->mss : 536;
	if (w->has_scale && w->scale > 14)
		return "a window scale above 14";
	if ((w->flags & WIRE_ACK) && f->peer_syn) {
		if (w->has_scale && !f->peer_scaled)
			return "a window scale that was not offered";
		if (w->sack_permitted && !f->peer_sack_permitted)
			return "SACK permitted unasked";
		if (w->has_time && !f->peer_time)
			return "timestamps unasked";
	}
	return NULL;
}

/* The first segment behind the SYN says which of several cookies was accepted. */
static void
settle(struct flow *f, const struct wire *w)
{
	unsigned int best = 0;

	for (unsigned int i = 1; i < f->n_isns; i++)
		if (w->seq - f->isns[i] < w->seq - f->isns[best])
			best = i;
	f->isns[0] = f->isns[best];
	f->n_isns = 1;
	f->settled = true;
}

static bool
uses_time(const struct flow *f)
{
	return f->has_time && f->peer_time;
}

static const char *
sent_payload(struct flow *f, const struct wire *w, uint64_t at)
{
	uint32_t most = f->peer_mss ? f->peer_mss : 536;

	if (w->length + w->tcp_header - 20 > most)
		return "a segment larger than the peer's MSS";
	if (content_check(f->stream, at - 1, w->payload, w->length) != w->length)
		return "wrong bytes leave";
	if (f->fin && at + w->length > f->fin_at)
		return "data behind the FIN";
	if (f->has_allowed && after(w->seq + w->length, f->allowed) &&
	    !(w->length == 1 && w->seq == f->allowed))
		return "data outside the peer's window";
	return NULL;
}

#define NEEDLESS 16 /* what has just come may not have been looked at yet */
#define REPEATS  10 /* in silence, before their distances are looked at */

/* RFC 6298 5.5: in silence the distances of repetitions double. RFC 2018: what has arrived is not
 * sent again. */
static const char *
sent_again(struct flow *f, const struct wire *w, uint64_t at)
{
	if (at == f->acked) {
		f->repeats++;
		if (f->repeats >= REPEATS && f->now - f->heard < f->min_rto << (f->repeats - 5))
			return "repetitions that do not become rarer";
	}
	for (int i = 0; i < f->n_sacked && !f->mtu_changes; i++)
		if (w->length && at > f->acked && at >= f->sacked[i][0] &&
		    at + w->length <= f->sacked[i][1] && ++f->needless >= NEEDLESS)
			return "segments again that have arrived";
	return NULL;
}

static const char *
sent_data(struct flow *f, const struct wire *w)
{
	uint64_t at = offset(f, w->seq), end = at + w->length + !!(w->flags & WIRE_FIN);
	const char *wrong;

	if (at > f->end)
		return "a gap in what is sent";
	if (end > at && at < f->end) {
		wrong = sent_again(f, w, at);
		if (wrong)
			return wrong;
	}
	if (w->length) {
		wrong = sent_payload(f, w, at);
		if (wrong)
			return wrong;
	}
	if (w->flags & WIRE_FIN) {
		if (f->fin && end - 1 != f->fin_at)
			return "a FIN at another place";
		f->fin = true;
		f->fin_at = end - 1;
	}
	if (end > f->end)
		f->end = end;
	if (end == at)
		f->pure_acks++;
	f->bytes += w->length;
	return NULL;
}

static const char *
sent_options(struct flow *f, const struct wire *w)
{
	if (w->has_mss || w->has_scale || w->sack_permitted)
		return "an option of SYNs in another segment";
	if (w->has_time && !uses_time(f))
		return "timestamps that were not agreed on";
	if (!w->has_time && uses_time(f) && !(w->flags & WIRE_RST))
		return "a segment without the timestamps that were agreed on";
	if (w->has_time && f->time_value && after(f->time_value, w->time_value))
		return "a timestamp that goes back";
	if (w->n_sacks && !(f->sack_permitted && f->peer_sack_permitted))
		return "SACK that was not agreed on";
	for (int i = 0; i < w->n_sacks; i++)
		if (!after(w->sacks[i][1], w->sacks[i][0]))
			return "an empty SACK block";
	return NULL;
}

/* What it promises: acknowledgements do not go back, nor does the right edge of the window (RFC
 * 9293, 3.8.6.2.1). A window field is rounded down by the scale, so the edge may seem to go back by
 * less than one unit. */
static const char *
sent_promise(struct flow *f, const struct wire *w)
{
	uint8_t scale = f->has_scale && f->peer_scaled && !(w->flags & WIRE_SYN) ? f->scale : 0;
	uint32_t edge = w->ack + ((uint32_t)w->window << scale);

	if (f->has_ack && after(f->ack, w->ack))
		return "an acknowledgement that goes back";
	/* The window of a SYN cannot be scaled, and may say less than an ACK before it has. */
	if (f->has_ack && !(w->flags & WIRE_SYN) && after(f->edge, edge + (1u << scale) - 1))
		return "a window whose right edge goes back";
	if (!f->has_ack || after(edge, f->edge))
		f->edge = edge;
	f->has_ack = true;
	f->ack = w->ack;
	return NULL;
}

const char *
flow_sent(struct flow *f, const struct wire *w)
{
	const char *wrong;

	f->segments++;
	if (w->flags & WIRE_RST) {
		f->resets++;
		f->reset = true;
		return w->flags & (WIRE_SYN | WIRE_FIN) || w->length ? "a RST with more in it"
								     : NULL;
	}
	if (f->reset)
		return "a segment behind a RST";
	if (w->flags & WIRE_SYN) {
		wrong = sent_syn(f, w);
	} else {
		if (!f->n_isns)
			return "a segment without a SYN";
		if (!(w->flags & WIRE_ACK))
			return "a segment without ACK";
		if (!f->settled)
			settle(f, w);
		wrong = sent_options(f, w);
		if (!wrong)
			wrong = sent_data(f, w);
	}
	if (!wrong && (w->flags & WIRE_ACK) && !(f->cookies && (w->flags & WIRE_SYN)))
		wrong = sent_promise(f, w);
	if (w->has_time && !(w->flags & WIRE_SYN))
		f->time_value = w->time_value;
	return wrong;
}

void
flow_reached(struct flow *f, const struct wire *w)
{
	uint32_t edge;
	uint64_t acked;

	f->received++;
	f->heard = f->now;
	f->repeats = 0;
	if (w->flags & WIRE_RST) {
		/* RFC 9293 3.10.7.4: back to LISTEN, if it is the RST that it looks like. */
		if (f->peer_syn && !f->settled && f->has_ack && w->seq == f->ack)
			f->forgotten = true;
		return;
	}
	if (w->flags & WIRE_SYN) {
		f->peer_syn = true;
		f->peer_scaled = w->has_scale;
		f->peer_scale = w->scale > 14 ? 14 : w->scale;
		f->peer_sack_permitted = w->sack_permitted;
		f->peer_time = w->has_time;
		f->peer_mss = w->has_mss ? w->mss : 536;
	}
	if (!(w->flags & WIRE_ACK) || !f->n_isns)
		return;
	edge = w->ack +
	       ((uint32_t)w->window
		<< (f->has_scale && f->peer_scaled && !(w->flags & WIRE_SYN) ? f->peer_scale : 0));
	if (!f->has_allowed || after(edge, f->allowed))
		f->allowed = edge;
	f->has_allowed = true;
	acked = offset(f, w->ack);
	if (acked > f->acked && acked <= f->end)
		f->acked = acked;
	/* One that seems to come too late may be dropped with all that it says. */
	if (f->has_peer_end && after(f->peer_end, w->seq))
		return;
	f->has_peer_end = true;
	f->peer_end = w->seq + wire_span(w);
	f->n_sacked = w->n_sacks;
	for (int i = 0; i < w->n_sacks; i++)
		for (int side = 0; side < 2; side++)
			f->sacked[i][side] = offset(f, w->sacks[i][side]);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "dp/tcp/rack.h"

void
rack_init(struct rack *k, uint32_t iss)
{
	*k = (struct rack){ .end = iss, .fack = iss, .mult = 1 };
}

/* Step 4, first half: a round in which the peer tells of duplicates widens the window. */
static void
update_window(struct rack *k, const struct rack_state *s, bool dsack)
{
	if (k->in_dsack_round && seq_le(k->dsack_round, s->snd_una))
		k->in_dsack_round = false;
	if (k->in_dsack_round || !dsack)
		return;
	k->in_dsack_round = true;
	k->dsack_round = s->snd_nxt;
	if (k->mult < UINT16_MAX)
		k->mult++;
	k->persist = RACK_PERSIST;
}

void
rack_update(struct rack *k, const struct rack_state *s, const struct sent_result *r)
{
	if (r->rack_time) {
		k->rtt = r->rack_rtt;
		if (sent_after(r->rack_time, r->rack_end, k->time, k->end)) {
			k->time = r->rack_time;
			k->end = r->rack_end;
		}
	}
	/* What came twice was sent again too early. The RFC takes reordering as seen only by
	 * segments that were sent once; where each one that is late is sent again before it comes,
	 * there are none, and the window that D-SACK widens would never be used. */
	if (r->reordered || r->dsack)
		k->reordering_seen = true;
	update_window(k, s, r->dsack);
}

/* Step 4, second half: how long a segment may be late. */
static uint64_t
reordering_window(const struct rack *k, const struct rack_state *s, const struct sent *q)
{
	uint64_t window, srtt = rtt_smoothed(s->rtt);

	if (!k->reordering_seen && (s->recovering || q->sacked_records >= RACK_DUPTHRESH))
		return 0;
	window = (uint64_t)k->mult * rtt_min(s->rtt) / 4;
	return window < srtt ? window : srtt;
}

uint32_t
rack_detect(struct rack *k, const struct rack_state *s, struct sent_pool *p, struct sent *q,
	    uint64_t *timer)
{
	struct sent_deadline d = { .time = k->time, .end = k->end };
	uint64_t allowed;
	uint32_t newly;
	bool waiting;

	*timer = 0;
	if (!k->time)
		return 0;
	allowed = k->rtt + reordering_window(k, s, q);
	d.until = s->now > allowed ? s->now - allowed : 0;
	newly = sent_mark_lost(p, q, &d, &waiting);
	/* The RFC's timer is that of the youngest that may be late. None of them is younger than
	 * the one that has arrived, and one look for all is enough. */
	if (waiting)
		*timer = k->time + allowed > s->now ? k->time + allowed - s->now : 1;
	return newly;
}

void
rack_recovery_ended(struct rack *k)
{
	if (k->persist)
		k->persist--;
	if (!k->persist)
		k->mult = 1;
}

bool
rack_timeout(struct rack *k, const struct rack_state *s, struct sent_pool *p, struct sent *q)
{
	uint64_t allowed = k->rtt + reordering_window(k, s, q);

	k->tlp_out = false;
	return sent_timeout(p, q, s->now > allowed ? s->now - allowed : 0);
}

/* ---- tail loss probes ----------------------------------------------------------------------- */

uint64_t
tlp_timeout(const struct rtt *r, bool one_segment, uint64_t rto_in)
{
	uint64_t t = rtt_smoothed(r) ? 2 * rtt_smoothed(r) : TLP_TIMEOUT_FIRST;

	if (one_segment)
		t += TLP_MAX_ACK_DELAY;
	return t < rto_in ? t : rto_in;
}

void
tlp_sent(struct rack *k, bool again, uint32_t snd_nxt)
{
	k->tlp_out = true;
	k->tlp_again = again;
	k->tlp_end = snd_nxt;
}

bool
tlp_ack(struct rack *k, uint32_t ack, const struct sent_result *r, bool duplicate)
{
	if (!k->tlp_out || seq_lt(ack, k->tlp_end))
		return false;
	if (!k->tlp_again || tlp_told(k, r)) {
		k->tlp_out = false;
		return false;
	}
	/* Something newer than the probe is acknowledged: the probe has repaired a loss, or the
	 * last segment of the flight would have been told of as a duplicate. */
	if (seq_lt(k->tlp_end, ack)) {
		k->tlp_out = false;
		return true;
	}
	if (duplicate)
		k->tlp_out = false;
	return false;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A burst comes in:
 *
 *     1. find each packet's block, and fetch what will be needed, some packets ahead (fetch.c)
 *     2. parse, and let the state have it, one after the other; what follows in order as one
 *        segment with it (coalesce.c)
 *
 * Between the two blocks may come and go, so what was found is looked at again.
 */
#include "dp/tcp/internal.h"

void
clock_set(struct tcp *t, uint64_t now)
{
	if (now < t->now)
		return; /* a clock that goes back stands still */
	t->now = now;
	t->now_ms = (uint32_t)(now / NS_PER_MS);
}

static void
segment_input(struct tcp *t, struct tcp_block *c, struct segment *s)
{
	if (!c) {
		uint32_t listener = s->packet->listener;

		if (listener < LISTENERS_MAX && t->listeners[listener].used) {
			listen_input(t, s);
			return;
		}
		t->counters.no_connection++;
		answer_reset(t, s);
		return;
	}
	if (c->state == TCP_SYN_SENT) {
		syn_sent_input(t, c, s);
		return;
	}
	if (c->state == TCP_TIME_WAIT) {
		time_wait_input(t, c, s);
		return;
	}
	/* A SYN that came again: the answer to it was lost (RFC 9293 3.10.7.4 would have us
	 * challenge; the same SYN, though, asks for the same answer). */
	if (c->state == TCP_SYN_RECEIVED && s->flags & TCP_SYN && !(s->flags & TCP_ACK) &&
	    s->seq == c->rcv_nxt - 1) {
		c->flags |= BLOCK_SYN_DUE;
		flush_list(t, c);
		return;
	}
	/* Both have opened at once: this is the answer to our SYN, with the SYN that we have seen
	 * (RFC 9293 3.5, figure 8). */
	if (c->state == TCP_SYN_RECEIVED && c->flags & BLOCK_OURS && s->seq == c->rcv_nxt - 1 &&
	    (s->flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK)) {
		s->flags &= (uint8_t)~TCP_SYN;
		s->seq++;
	}
	if (segment_check(t, c, s))
		state_input(t, c, s);
}

/* Whether blocks were made since `before`: what is freed is not used again within a burst, so they
 * came from either of these. */
struct made {
	uint32_t fresh, free_head;
};

static bool
none_made(const struct tcp *t, const struct made *before)
{
	return t->fresh == before->fresh && t->free_head == before->free_head;
}

/* What was found for the packet, if it still is that. */
static struct tcp_block *
again(struct tcp *t, struct tcp_block *c, const struct tcp_packet *p, uint64_t hash)
{
	if (c && c->state != TCP_CLOSED && addr_equal(&c->tuple.src, &p->tuple->src) &&
	    c->tuple.sport == p->tuple->sport && c->tuple.dport == p->tuple->dport &&
	    addr_equal(&c->tuple.dst, &p->tuple->dst))
		return c;
	return block_find(t, p->tuple, hash);
}

void
tcp_input(struct tcp *t, const struct tcp_packet *packets, uint32_t n, uint64_t now)
{
	struct ahead ahead;
	struct made before;
	uint32_t i;

	clock_set(t, now);
	fetch_begin(t, &ahead, packets, n);
	before = (struct made){ t->fresh, t->free_head };
	for (i = 0; i < n; i++) {
		struct tcp_block *c;
		struct segment s;

		if (i >= ahead.done)
			fetch_next(t, &ahead, i);
		fetch_data(&packets[i], n - i);
		c = ahead.found[i];
		if (c || !none_made(t, &before))
			c = again(t, c, &packets[i], ahead.hashes[i]);
		if (segment_parse(t, &packets[i], &s)) {
			if (c && segment_is_next(c, &s))
				i += segments_join(t, c, &s, packets + i + 1, n - i - 1);
			segment_input(t, c, &s);
		}
		segment_drop(&s);
	}
	blocks_reap(t);
}

uint64_t
tcp_expect(const struct tcp *t, const struct tuple *tuple)
{
	uint64_t hash = tuple_hash(t, tuple);

	flow_table_prefetch(&t->table, hash);
	return hash;
}

bool
tcp_known(const struct tcp *t, const struct tuple *tuple, uint64_t hash)
{
	return block_find((struct tcp *)(uintptr_t)t, tuple, hash ? hash : tuple_hash(t, tuple)) !=
	       NULL;
}

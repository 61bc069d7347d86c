/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A burst comes in:
 *
 *     1. hash every tuple, fetch its bucket
 *     2. find its block, fetch that
 *     3. fetch its flight and what the user has of it, then what is under way
 *     4. parse, and let the state have it, one after the other; what follows in order as one
 *        segment with it (coalesce.c)
 *
 * Between 2 and 4 blocks may come and go, so what was found is looked at again.
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

static void
fetch(const struct tcp *t, struct tcp_block *const found[], uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		const struct tcp_block *c = found[i];

		if (!c)
			continue;
		if (c->flags & BLOCK_FLIGHT)
			flight_prefetch(c->flight);
		if (t->calls.expected)
			t->calls.expected(t->calls.arg, c->user);
	}
	for (i = 0; i < n; i++)
		if (found[i] && found[i]->flags & BLOCK_FLIGHT)
			sent_prefetch(t->sent, &found[i]->flight->recovery.sent);
}

void
tcp_input(struct tcp *t, const struct tcp_packet *packets, uint32_t n, uint64_t now)
{
	struct tcp_block *found[BURST_MAX];
	uint64_t hashes[BURST_MAX];
	struct made before;
	uint32_t i;

	clock_set(t, now);
	for (i = 0; i < n; i++) {
		hashes[i] = tuple_hash(t, packets[i].tuple);
		flow_table_prefetch(&t->table, hashes[i]);
	}
	for (i = 0; i < n; i++) {
		struct flow_cursor cursor = flow_table_find(&t->table, hashes[i]);
		uint32_t index;

		found[i] = NULL;
		if (flow_table_next(&t->table, hashes[i], &cursor, &index)) {
			found[i] = &t->blocks[index];
			__builtin_prefetch(found[i]);
			__builtin_prefetch((char *)found[i] + 64);
			__builtin_prefetch(&found[i]->user);
		}
	}
	fetch(t, found, n);
	before = (struct made){ t->fresh, t->free_head };
	for (i = 0; i < n; i++) {
		struct tcp_block *c = found[i];
		struct segment s;

		if (c || !none_made(t, &before))
			c = again(t, c, &packets[i], hashes[i]);
		if (segment_parse(t, &packets[i], &s)) {
			if (c && segment_is_next(c, &s))
				i += segments_join(t, c, &s, packets + i + 1, n - i - 1);
			segment_input(t, c, &s);
		}
		segment_drop(&s);
	}
	blocks_reap(t);
}

void
tcp_expect(const struct tcp *t, const struct tuple *tuple)
{
	flow_table_prefetch(&t->table, tuple_hash(t, tuple));
}

bool
tcp_known(const struct tcp *t, const struct tuple *tuple)
{
	return block_find((struct tcp *)(uintptr_t)t, tuple, tuple_hash(t, tuple)) != NULL;
}

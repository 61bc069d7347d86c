/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ICMP errors. Anybody can send one, so only those count that quote a sequence number which is in
 * flight (RFC 5927 4.1). Path MTU discovery: RFC 1191, RFC 8201; no error ends an established
 * connection (RFC 5927 5.2, RFC 5461).
 */
#include "dp/tcp/internal.h"

/* Before a path is asked for more again: ten minutes (RFC 1191 6.3, RFC 8201 4). */
#define PMTU_AGAIN_MS 600000

/* RFC 1191 7: what to try where the router does not say. */
static uint32_t
next_plateau(uint32_t mtu)
{
	static const uint16_t plateaus[] = { 32000, 17914, 8166, 4352, 2002, 1492, 1006, 576 };
	uint32_t i;

	for (i = 0; i < RTE_DIM(plateaus); i++) {
		if (plateaus[i] < mtu)
			return plateaus[i];
	}
	return PMTU_MIN_V4;
}

/* The path takes packets of this size. */
static void
set(struct tcp *t, struct tcp_block *c, uint32_t mtu)
{
	c->pmtu = (uint16_t)mtu;
	c->pmtu_at = t->now_ms;
	c->flags = (c->flags & ~BLOCK_PMTU_TRIED) | BLOCK_PMTU;
	mss_update(t, c);
}

static void
too_big(struct tcp *t, struct tcp_block *c, uint32_t mtu)
{
	struct tcp_recovery *r;
	bool v4 = addr_is_v4(&c->tuple.src), tried = c->flags & BLOCK_PMTU_TRIED;
	uint32_t link = block_options(t, c)->mtu, now = c->flags & BLOCK_PMTU ? c->pmtu : link;
	uint32_t most = tried ? link : now;

	if (!mtu)
		mtu = tried ? now : next_plateau(now);
	mtu = RTE_MAX(mtu, (uint32_t)(v4 ? PMTU_MIN_V4 : PMTU_MIN_V6));
	if (mtu >= most) {
		t->counters.icmp_ignored++;
		return;
	}
	t->counters.pmtu_reduced += mtu < now;
	set(t, c, mtu);
	if (c->state < TCP_ESTABLISHED)
		return;
	r = recovery_of(c);
	cubic_set_mss(&r->cubic, c->mss);
	/* What was too large did not arrive: again, and this says nothing of congestion. */
	if (!sent_mark_long_lost(t->sent, &r->sent, c->mss))
		return;
	r->mode = RECOVERY_LOSS;
	r->point = c->snd_nxt;
	r->undo = false;
	flush_list(t, c);
}

/* ---- perhaps the path takes more by now ----------------------------------------------------- */

/* What a segment would take if the link were all of the path. */
static uint32_t
link_mss(const struct tcp *t, const struct tcp_block *c)
{
	uint32_t mss = RTE_MIN(mss_of_mtu(t, c), (uint32_t)c->peer_mss);

	return c->flags & BLOCK_TIMESTAMPS ? mss - TIMESTAMP_BYTES : mss;
}

/* RFC 1191 6.3, RFC 8201 4. One segment goes first, so that a path that is still narrow costs one
 * segment: it is told of by ICMP or found lost as any other, and leaves again in pieces. */
uint32_t
pmtu_segment(const struct tcp *t, const struct tcp_block *c)
{
	const struct tcp_recovery *r = recovery_of(c);
	uint32_t n = link_mss(t, c);

	if (c->flags & BLOCK_PMTU_TRIED || t->now_ms - c->pmtu_at < PMTU_AGAIN_MS ||
	    r->mode != RECOVERY_OPEN || n <= c->mss || c->unsent < n ||
	    sent_pipe(&r->sent) + n > r->cubic.cwnd || c->snd_nxt + n - c->snd_una > c->snd_wnd)
		return c->mss;
	return n;
}

void
pmtu_sent(struct tcp_block *c)
{
	c->flags |= BLOCK_PMTU_TRIED;
	c->pmtu_at = c->snd_nxt;
}

void
pmtu_acked(struct tcp *t, struct tcp_block *c)
{
	if (seq_lt(c->snd_una, c->pmtu_at))
		return;
	c->flags &= ~(BLOCK_PMTU | BLOCK_PMTU_TRIED);
	mss_update(t, c);
	t->counters.pmtu_raised++;
}

void
pmtu_cut(const struct tcp *t, struct tcp_block *c)
{
	if (!(c->flags & BLOCK_PMTU_TRIED))
		return;
	c->flags &= ~BLOCK_PMTU_TRIED;
	c->pmtu_at = t->now_ms;
}

void
tcp_input_error(struct tcp *t, const struct tcp_error *e, uint64_t now)
{
	struct tcp_block *c;

	clock_set(t, now);
	c = block_find(t, e->tuple, tuple_hash(t, e->tuple));
	if (!c || c->state == TCP_TIME_WAIT || !seq_le(c->snd_una, e->sequence) ||
	    !seq_lt(e->sequence, c->snd_nxt)) {
		t->counters.icmp_ignored++;
		return;
	}
	if (e->kind == TCP_ERROR_TOO_BIG)
		too_big(t, c, e->mtu);
	else if (c->state == TCP_SYN_SENT)
		block_close(t, c, TCP_CLOSED_UNREACHABLE);
	blocks_reap(t);
}

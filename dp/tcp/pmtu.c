/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ICMP errors. Anybody can send one, so only those count that quote a sequence number which is in
 * flight (RFC 5927 4.1). Path MTU discovery: RFC 1191, RFC 8201; no error ends an established
 * connection (RFC 5927 5.2, RFC 5461).
 */
#include "dp/tcp/internal.h"

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

static void
too_big(struct tcp *t, struct tcp_block *c, uint32_t mtu)
{
	struct tcp_recovery *r = &c->recovery;
	bool v4 = addr_is_v4(&c->tuple.src);
	uint32_t now = c->pmtu ? c->pmtu : block_options(t, c)->mtu;

	if (!mtu)
		mtu = next_plateau(now);
	mtu = RTE_MAX(mtu, (uint32_t)(v4 ? PMTU_MIN_V4 : PMTU_MIN_V6));
	if (mtu >= now) {
		t->counters.icmp_ignored++;
		return;
	}
	t->counters.pmtu_reduced++;
	c->pmtu = (uint16_t)mtu;
	mss_update(t, c);
	if (c->state < TCP_ESTABLISHED)
		return;
	cubic_set_mss(&r->cubic, c->mss);
	/* What was too large did not arrive: again, and this says nothing of congestion. */
	if (!sent_mark_long_lost(t->sent, &r->sent, c->mss))
		return;
	r->mode = RECOVERY_LOSS;
	r->point = c->snd_nxt;
	r->undo = false;
	flush_list(t, c);
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

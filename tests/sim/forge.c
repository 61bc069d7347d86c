/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An attacker beside the path, who knows ports and windows but must not be believed: RFC 5961 and
 * 7323 say why. Everything he sends carries bytes that are not the stream's, so that whatever is
 * taken of it is seen.
 *
 *     rcv_nxt <= ... peer's highest <= [ where he aims ] <= right edge of the window
 */
#include "tests/sim/world.h"

enum forgery {
	FORGE_RST,         /* in the window, not at its left edge: challenged */
	FORGE_SYN,         /* anywhere: challenged */
	FORGE_OLD_TIME,    /* data in the window with an old timestamp: PAWS */
	FORGE_OUTSIDE,     /* data behind the window */
	FORGE_EARLY_ACK,   /* data that acknowledges what was never sent */
	FORGE_OLD_ACK,     /* data that acknowledges what is long gone */
	FORGE_REPEATED,    /* data that was received already */
	FORGE_RST_OUTSIDE, /* */
	FORGERIES
};

static uint32_t
wire_sequence(const struct flow *f, uint64_t offset)
{
	return f->isns[0] + (uint32_t)offset;
}

/* Where, in what the peer may send next, nothing of its own is under way. False: no room. */
static bool
aim(struct world *w, const struct flow *victim, const struct flow *peer, uint32_t *seq)
{
	uint32_t first = wire_sequence(peer, peer->end) + 1, space = victim->edge - first;

	if (space == 0 || space > 1u << 30)
		return false;
	*seq = first + (uint32_t)random_below(&w->random, space);
	return true;
}

static bool
choose(struct world *w, const struct flow *victim, const struct flow *peer, struct wire *s)
{
	enum forgery kind = (enum forgery)random_below(&w->random, FORGERIES);
	bool timed = victim->has_time && victim->peer_time;

	switch (kind) {
	case FORGE_RST:
		s->flags = WIRE_RST | (random_one_in(&w->random, 2) ? WIRE_ACK : 0);
		s->length = 0;
		return aim(w, victim, peer, &s->seq);
	case FORGE_RST_OUTSIDE:
		s->flags = WIRE_RST;
		s->length = 0;
		s->seq = victim->edge + 1 + (uint32_t)random_below(&w->random, 1u << 30);
		return true;
	case FORGE_SYN:
		s->flags = WIRE_SYN | (random_one_in(&w->random, 2) ? WIRE_ACK : 0);
		s->length = 0;
		s->has_time = false;
		s->seq = (uint32_t)random_next(&w->random);
		return true;
	case FORGE_OLD_TIME:
		s->time_value -= 1 + (uint32_t)random_below(&w->random, 1u << 30);
		return timed && aim(w, victim, peer, &s->seq);
	case FORGE_OUTSIDE:
		s->seq = victim->edge + 1 + (uint32_t)random_below(&w->random, 1u << 30);
		return true;
	case FORGE_EARLY_ACK:
		s->ack = wire_sequence(victim, victim->end) + 1 +
			 (uint32_t)random_below(&w->random, 1u << 30);
		return aim(w, victim, peer, &s->seq);
	case FORGE_OLD_ACK:
		s->ack -= (1u << 30) + (uint32_t)random_below(&w->random, 1u << 29);
		return aim(w, victim, peer, &s->seq);
	default:
		if (victim->ack - peer->isns[0] < 2 + s->length)
			return false;
		s->seq =
		    victim->ack - s->length -
		    (uint32_t)random_below(&w->random, victim->ack - peer->isns[0] - 1 - s->length);
		return true;
	}
}

void
forge(struct world *w, int to)
{
	unsigned int i = (unsigned int)random_below(&w->random, w->plan.n_connections);
	const struct flow *victim = &w->sides[to].flows[i], *peer = &w->sides[1 - to].flows[i];
	const struct end *end = &w->sides[to].ends[i];
	struct tuple tuple = side_tuple(&w->sides[to], i);
	uint8_t payload[1000], bytes[WIRE_MAX];
	struct wire s = {
		.src = tuple.src,
		.dst = tuple.dst,
		.sport = (uint16_t)(tuple.sport >> 8 | tuple.sport << 8),
		.dport = (uint16_t)(tuple.dport >> 8 | tuple.dport << 8),
		.flags = WIRE_ACK,
		.window = (uint16_t)random_next(&w->random),
		.payload = payload,
		.length = (uint32_t)random_between(&w->random, 1, sizeof(payload)),
	};

	if (!victim->settled || !peer->settled || victim->fin || peer->fin || victim->reset ||
	    peer->reset || !end->up || !w->sides[1 - to].ends[i].up || !victim->has_ack)
		return;
	for (size_t j = 0; j < s.length; j++)
		payload[j] = (uint8_t)random_next(&w->random);
	s.ack = wire_sequence(victim, victim->acked);
	s.has_time = victim->has_time && victim->peer_time;
	s.time_value = peer->time_value;
	s.time_echo = victim->time_value;
	if (choose(w, victim, peer, &s))
		link_inject(&w->link, to, bytes, wire_build(&s, bytes), w->now);
}

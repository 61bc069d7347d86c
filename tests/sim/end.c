/* SPDX-License-Identifier: Apache-2.0 */
/* The program at one side of a connection: it writes, reads, and ends as the scenario says. */
#include <rte_mbuf.h>

#include "tests/sim/content.h"
#include "tests/sim/world.h"

#define TIME_WAIT_NS  (60 * SECOND)
#define NO_BUFFERS_NS (10 * MS) /* then it is tried again */

static struct tcp *
tcp_of(const struct end *e)
{
	return e->world->sides[e->side].tcp;
}

static uint64_t
stream_of(const struct world *w, int side, unsigned int index)
{
	return w->plan.seed * 1000 + 2 * (uint64_t)index + (uint64_t)side;
}

void
end_init(struct world *w, int side, unsigned int index)
{
	struct end *e = &w->sides[side].ends[index];

	memset(e, 0, sizeof(*e));
	e->world = w;
	e->side = side;
	e->index = index;
	e->program = &w->plan.connections[index].programs[side];
	e->credit_at = e->abort_at = NEVER;
	flow_init(&w->sides[side].flows[index], stream_of(w, side, index));
	w->sides[side].flows[index].cookies = w->plan.sides[side].cookies;
	w->sides[side].flows[index].min_rto =
	    (w->plan.sides[side].min_rto ? w->plan.sides[side].min_rto : 200) * MS;
	w->sides[side].flows[index].mtu_changes = w->plan.ways[side].mtu_changes != 0;
}

static void
end_began(struct end *e)
{
	if (e->program->ending == END_ABORT)
		e->abort_at = e->world->now + e->program->abort_at;
}

/* May one side end a connection and the other never hear of it? */
static bool
ends_early(const struct world *w)
{
	return w->plan.aborts || w->plan.sides[0].budget || w->plan.sides[1].budget;
}

/* How the plan of the run's side reads as options of a connection. */
static struct tcp_options
options_of(const struct world *w, int side)
{
	const struct scenario_side *plan = &w->plan.sides[side];

	return (struct tcp_options){
		.receive_window = plan->buffer,
		.send_buffer = plan->send_buffer,
		.connect_ms = 600000,
		.user_timeout_ms = 86400000,
		.keepalive_ms = ends_early(w) || plan->keepalive ? 20000 : 0,
		.keepalive_interval_ms = 5000,
		.keepalive_probes = 30,
		.mtu = plan->mtu,
		.nagle = plan->nagle,
		.delayed_ack_ms = plan->delayed_ack,
		.min_rto_ms = plan->min_rto,
		.no_timestamps = !plan->timestamps,
		.no_sack = !plan->sack,
		.no_window_scale = !plan->scale,
		.no_ecn = !plan->ecn,
		.no_rack = plan->no_rack,
		.no_cubic = plan->no_cubic,
		.syn_cookies_always = plan->cookies,
	};
}

void
end_listen(struct world *w, int side)
{
	struct tcp_options options = options_of(w, side);

	if (tcp_listen(w->sides[side].tcp, 0, &options) != 0)
		fail(w, "side %d cannot listen", side);
}

void
end_connect(struct end *e)
{
	struct tcp_options options = options_of(e->world, e->side);
	struct tcp_connect what = {
		.tuple = side_tuple(&e->world->sides[e->side], e->index),
		.route = e->index,
		.user = e->index,
		.options = &options,
	};
	int error = tcp_connect(tcp_of(e), &what, &e->h);

	if (error) {
		fail(e->world, "connect of %u at side %d: %s", e->index, e->side, strerror(-error));
		return;
	}
	e->open = true;
	end_began(e);
}

void
end_accepted(struct end *e, tcp_handle h)
{
	trace(e->world, "%d: connection %u accepted", e->side, e->index);
	if (e->open || e->closed)
		fail(e->world, "connection %u accepted twice", e->index);
	e->h = h;
	e->open = e->up = true;
	end_began(e);
}

void
end_connected(struct end *e)
{
	trace(e->world, "%d: connection %u connected", e->side, e->index);
	if (e->up)
		fail(e->world, "connection %u connected twice", e->index);
	e->up = true;
	end_act(e);
}

/* A chain of the next `len` bytes of the stream, in mbufs of at most `room` bytes. */
static struct rte_mbuf *
chain_of(struct end *e, uint32_t len, uint32_t room)
{
	struct rte_mbuf *head = NULL, **link = &head, *m;
	uint64_t stream = stream_of(e->world, e->side, e->index), at = e->sent;
	uint32_t n, left = len;
	uint16_t count = 0;

	for (; left; left -= n, at += n) {
		m = rte_pktmbuf_alloc(pools()->user);
		if (!m) {
			rte_pktmbuf_free(head);
			return NULL;
		}
		n = left < room ? left : room;
		content_fill(stream, at, rte_pktmbuf_mtod(m, uint8_t *), n);
		m->data_len = (uint16_t)n;
		*link = m;
		link = &m->next;
		count++;
	}
	head->pkt_len = len;
	head->nb_segs = count;
	return head;
}

/* Write as much as goes. Returns when to go on. */
static uint64_t
end_write(struct end *e)
{
	const struct program *p = e->program;
	struct world *w = e->world;
	uint32_t len, room;
	struct rte_mbuf *chain;
	int error;

	while (e->sent < p->bytes && !e->blocked && e->open) {
		if (e->write_at > w->now)
			return e->write_at;
		len = p->bytes - e->sent < p->piece ? (uint32_t)(p->bytes - e->sent) : p->piece;
		room = random_one_in(&w->random, 4)
			   ? (uint32_t)random_between(&w->random, 1 + len / 40, 1900)
			   : 1900;
		chain = chain_of(e, len, room);
		if (!chain) {
			fail(w, "no mbuf for the program");
			return NEVER;
		}
		error = tcp_send(tcp_of(e), e->h, chain);
		if (error) {
			rte_pktmbuf_free(chain);
			e->blocked = error == -EAGAIN;
			if (error == -ENOBUFS && w->plan.sides[e->side].budget) {
				e->write_at = w->now + NO_BUFFERS_NS;
				return e->write_at;
			}
			if (error != -EAGAIN)
				fail(w, "send on %u at side %d: %s", e->index, e->side,
				     strerror(-error));
			return NEVER;
		}
		e->sent += len;
		e->write_at = w->now + p->write_pause;
	}
	return NEVER;
}

static void
end_shutdown(struct end *e)
{
	const struct program *p = e->program;

	if (e->shut || !e->open || e->sent < p->bytes || (p->ending == END_SECOND && !e->heard))
		return;
	e->shut = true;
	trace(e->world, "%d: connection %u shuts down", e->side, e->index);
	tcp_shutdown(tcp_of(e), e->h);
}

/* Give credit back that is due. Returns when to go on. */
static uint64_t
end_credit(struct end *e)
{
	const struct program *p = e->program;
	uint64_t n = e->owed;

	if (!e->owed || !e->open)
		return NEVER;
	if (e->credit_at > e->world->now)
		return e->credit_at;
	if (p->reading == READ_TRICKLE && n > p->read_piece)
		n = p->read_piece;
	e->owed -= n;
	tcp_credit(tcp_of(e), e->h, (uint32_t)n);
	if (!e->owed)
		return NEVER;
	e->credit_at = e->world->now + p->read_pause;
	return e->credit_at;
}

/* When data that has just come is to be credited. */
static uint64_t
credit_time(struct end *e)
{
	const struct program *p = e->program;
	uint64_t now = e->world->now;

	switch (p->reading) {
	case READ_AT_ONCE:
		return now;
	case READ_STOPS:
		if (e->stopped || e->received < p->stop_at)
			return now;
		e->stopped = true;
		return now + p->stop_for;
	default:
		return now + p->read_pause;
	}
}

uint64_t
end_act(struct end *e)
{
	uint64_t next, credit;

	if (!e->open)
		return NEVER;
	if (e->abort_at <= e->world->now) {
		trace(e->world, "%d: connection %u aborts", e->side, e->index);
		e->aborted = true;
		e->open = false;
		tcp_abort(tcp_of(e), e->h);
		return NEVER;
	}
	next = end_write(e);
	end_shutdown(e);
	credit = end_credit(e);
	next = credit < next ? credit : next;
	return e->abort_at < next ? e->abort_at : next;
}

void
end_received(struct end *e, struct rte_mbuf *chain, uint32_t length)
{
	struct world *w = e->world;
	uint64_t stream = stream_of(w, 1 - e->side, e->index);
	uint32_t sum = 0, segments = 0;

	if (!e->open)
		fail(w, "connection %u at side %d: data for a dead handle", e->index, e->side);
	if (e->heard)
		fail(w, "connection %u at side %d: data behind the FIN", e->index, e->side);
	for (struct rte_mbuf *m = chain; m; m = m->next, segments++) {
		const uint8_t *bytes = rte_pktmbuf_mtod(m, const uint8_t *);
		size_t right = content_check(stream, e->received + sum, bytes, m->data_len);

		if (right != m->data_len)
			fail(w, "connection %u at side %d: wrong byte at offset %llu", e->index,
			     e->side, (unsigned long long)(e->received + sum + right));
		sum += m->data_len;
	}
	if (sum != length || !length)
		fail(w, "a chain of %u bytes that is said to have %u", sum, length);
	rte_pktmbuf_free(chain);
	e->received += length;
	if (!e->owed || e->program->reading == READ_STOPS)
		e->credit_at = e->credit_at != NEVER && e->credit_at > w->now && e->owed
				   ? e->credit_at
				   : credit_time(e);
	e->owed += length;
	if (e->owed > w->plan.sides[e->side].buffer)
		fail(w, "connection %u at side %d: %llu bytes unread, with a window of %u",
		     e->index, e->side, (unsigned long long)e->owed, w->plan.sides[e->side].buffer);
	end_act(e);
}

void
end_room(struct end *e)
{
	if (!e->open || !e->blocked)
		fail(e->world, "connection %u at side %d: room, unasked", e->index, e->side);
	e->blocked = false;
	end_act(e);
}

void
end_half_closed(struct end *e)
{
	trace(e->world, "%d: connection %u half-closed by the peer", e->side, e->index);
	if (e->heard)
		fail(e->world, "connection %u at side %d: half-closed twice", e->index, e->side);
	e->heard = true;
	end_act(e);
}

void
end_closed(struct end *e, enum tcp_close_cause cause)
{
	struct side *s = &e->world->sides[e->side];

	trace(e->world, "%d: connection %u closed: %s", e->side, e->index,
	      tcp_close_cause_name(cause));
	if (e->closed || !e->open)
		fail(e->world, "connection %u at side %d: closed twice", e->index, e->side);
	e->closed = true;
	e->open = false;
	e->cause = cause;
	if (tcp_counters(tcp_of(e))->budget_ended != s->given_up) {
		s->given_up = tcp_counters(tcp_of(e))->budget_ended;
		e->given_up = e->world->sides[1 - e->side].ends[e->index].given_up = true;
	}
	e->closed_at = e->world->now;
}

/* A peer that has left TIME-WAIT, or whose clock said so, answers a last FIN with a RST. */
static bool
may_be_reset(const struct end *e, const struct end *peer)
{
	const struct world *w = e->world;

	if (e->cause != TCP_CLOSED_RESET || !e->shut || !e->heard || !peer->closed)
		return false;
	return e->closed_at - peer->closed_at >= TIME_WAIT_NS ||
	       w->plan.sides[1 - e->side].leap_by >= TIME_WAIT_NS / 2 ||
	       e->closed_at < peer->closed_at;
}

void
end_judge(struct end *e)
{
	struct world *w = e->world;
	const struct end *peer = &w->sides[1 - e->side].ends[e->index];

	if (e->open)
		fail(w, "connection %u has not ended at side %d", e->index, e->side);
	if (e->received > peer->sent)
		fail(w, "connection %u: side %d received more than was sent", e->index, e->side);
	if (e->closed && e->cause == TCP_CLOSED_DONE && e->received != peer->program->bytes)
		fail(w, "connection %u: done at side %d with %llu of %llu bytes", e->index, e->side,
		     (unsigned long long)e->received, (unsigned long long)peer->program->bytes);
	if (e->program->ending == END_ABORT || peer->program->ending == END_ABORT || e->given_up)
		return;
	if (!e->closed)
		fail(w, "connection %u was never at side %d", e->index, e->side);
	else if (e->cause != TCP_CLOSED_DONE && !may_be_reset(e, peer))
		fail(w, "connection %u ended at side %d: %s", e->index, e->side,
		     tcp_close_cause_name(e->cause));
	if (e->received != peer->program->bytes)
		fail(w, "connection %u: side %d received %llu of %llu bytes", e->index, e->side,
		     (unsigned long long)e->received, (unsigned long long)peer->program->bytes);
	if (!e->heard)
		fail(w, "connection %u: side %d was not told of the FIN", e->index, e->side);
}

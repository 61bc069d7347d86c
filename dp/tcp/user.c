/* SPDX-License-Identifier: Apache-2.0 */
/* What the user of a connection asks for: send, end, abort. Nothing leaves from in here but a
 * reset; the rest is for the next tcp_flush. */
#include "dp/tcp/internal.h"

#include <errno.h>

/* ---- sending -------------------------------------------------------------------------------- */

/* May small pieces be put behind what this buffer holds? */
static bool
takes_more(const struct tcp *t, const struct rte_mbuf *tail, uint32_t bytes)
{
	return tail && tail->pool == t->settings.mbufs && RTE_MBUF_DIRECT(tail) &&
	       rte_mbuf_refcnt_read(tail) == 1 && rte_pktmbuf_tailroom(tail) >= bytes;
}

static void
link_buffer(struct tcp *t, struct tcp_block *c, struct rte_mbuf *m)
{
	hold(t, c, 1);
	m->next = NULL;
	m->nb_segs = 1;
	m->pkt_len = m->data_len;
	if (c->unsent_tail)
		c->unsent_tail->next = m;
	else
		c->unsent_head = m;
	c->unsent_tail = m;
}

/* A small piece does not hold a whole buffer. */
static void
queue_small(struct tcp *t, struct tcp_block *c, struct rte_mbuf *m)
{
	struct rte_mbuf *to = c->unsent_tail;
	uint16_t n = m->data_len;

	if (!takes_more(t, to, n)) {
		to = m->pool == t->settings.mbufs ? NULL : rte_pktmbuf_alloc(t->settings.mbufs);
		if (!to || rte_pktmbuf_tailroom(to) < n) {
			rte_pktmbuf_free(to);
			link_buffer(t, c, m);
			return;
		}
		link_buffer(t, c, to);
	}
	memcpy(rte_pktmbuf_mtod_offset(to, char *, to->data_len), rte_pktmbuf_mtod(m, void *), n);
	to->data_len = (uint16_t)(to->data_len + n);
	m->next = NULL;
	m->nb_segs = 1;
	rte_pktmbuf_free_seg(m);
}

static void
queue_chain(struct tcp *t, struct tcp_block *c, struct rte_mbuf *m)
{
	struct rte_mbuf *next;

	for (; m; m = next) {
		next = m->next;
		if (m->data_len == 0) {
			m->next = NULL;
			m->nb_segs = 1;
			rte_pktmbuf_free_seg(m);
		} else if (m->data_len < TCP_COPY_BELOW) {
			queue_small(t, c, m);
		} else {
			link_buffer(t, c, m);
		}
	}
}

static bool
can_send(const struct tcp_block *c)
{
	return !(c->flags & (BLOCK_FIN_QUEUED | BLOCK_RESET_LAST)) &&
	       (c->state <= TCP_ESTABLISHED || c->state == TCP_CLOSE_WAIT);
}

/* Who has nothing queued goes on in any case: what is acknowledged makes room for more. */
static bool
may_queue(const struct tcp *t, const struct tcp_block *c, uint32_t buffers)
{
	return budget_fits(t, c, buffers, BUDGET_MORE) ||
	       (!c->queued && budget_allows(t, buffers, BUDGET_FIRST));
}

int
tcp_send(struct tcp *t, tcp_handle h, struct rte_mbuf *chain)
{
	struct tcp_block *c = block_of(t, h);
	uint32_t bytes = chain->pkt_len;

	if (!c)
		return -ENOENT;
	if (!can_send(c))
		return -EPIPE;
	if (c->queued >= block_options(t, c)->send_buffer) {
		c->flags |= BLOCK_WANT_ROOM;
		return -EAGAIN;
	}
	if (unlikely(!may_queue(t, c, chain->nb_segs))) {
		t->counters.budget_sends++;
		c->flags |= c->queued ? BLOCK_WANT_ROOM : 0;
		return c->queued ? -EAGAIN : -ENOBUFS;
	}
	c->queued += bytes;
	c->unsent += bytes;
	queue_chain(t, c, chain);
	flush_list(t, c);
	return 0;
}

uint32_t
tcp_send_room(struct tcp *t, tcp_handle h)
{
	const struct tcp_block *c = block_of(t, h);
	uint32_t size;

	if (!c || !can_send(c))
		return 0;
	size = block_options(t, c)->send_buffer;
	return size > c->queued ? size - c->queued : 0;
}

uint32_t
tcp_mss(struct tcp *t, tcp_handle h)
{
	const struct tcp_block *c = block_of(t, h);

	return c ? c->mss : 0;
}

/* ---- ending --------------------------------------------------------------------------------- */

void
tcp_shutdown(struct tcp *t, tcp_handle h)
{
	struct tcp_block *c = block_of(t, h);

	if (!c || c->flags & (BLOCK_FIN_QUEUED | BLOCK_RESET_LAST))
		return;
	c->flags |= BLOCK_FIN_QUEUED;
	c->flags &= ~BLOCK_WANT_ROOM;
	flush_list(t, c);
}

void
tcp_drain(struct tcp *t, tcp_handle h)
{
	struct tcp_block *c = block_of(t, h);

	if (!c)
		return;
	tcp_shutdown(t, h);
	c->flags |= BLOCK_DRAIN;
	tcp_credit(t, h, c->unread);
	timer_life(t, c, block_options(t, c)->fin_wait_ms);
}

void
tcp_abort_later(struct tcp *t, tcp_handle h)
{
	struct tcp_block *c = block_of(t, h);

	if (!c)
		return;
	c->flags |= BLOCK_DRAIN | BLOCK_RESET_LAST;
	c->flags &= ~BLOCK_WANT_ROOM;
	tcp_credit(t, h, c->unread);
	flush_list(t, c);
}

void
tcp_abort(struct tcp *t, tcp_handle h)
{
	struct tcp_block *c = block_of(t, h);

	if (!c)
		return;
	if (c->state >= TCP_SYN_RECEIVED && c->state != TCP_TIME_WAIT)
		send_reset(t, c);
	t->counters.closed++;
	block_free(t, c);
}

int
tcp_set_user(struct tcp *t, tcp_handle h, uint64_t user)
{
	struct tcp_block *c = block_of(t, h);

	if (!c)
		return -ENOENT;
	c->user = user;
	return 0;
}

int
tcp_set_route(struct tcp *t, tcp_handle h, uint64_t route)
{
	struct tcp_block *c = block_of(t, h);

	if (!c)
		return -ENOENT;
	c->route = route;
	return 0;
}

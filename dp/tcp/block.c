/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks: found by the four numbers of their connection, made, and ended.
 *
 * A block that ends during a call may still be in the hands of a caller further up (an event that
 * called tcp_abort), so it stays as it is, TCP_CLOSED and BLOCK_DEAD, until the call from outside
 * is over:
 *
 *     fresh ──> in use ──block_free──> dead ──blocks_reap──> free ──> in use ...
 */
#include "dp/tcp/internal.h"

/* Blocks that are kept free as long as TIME-WAIT has any to give. */
#define RESERVE (2u * BURST_MAX)
/* The part of what is left of the budget that one connection may hold. */
#define SHARE 16

uint64_t
tuple_hash(const struct tcp *t, const struct tuple *tuple)
{
	struct siphash_state s = siphash_begin(&t->hash_key);

	if (addr_is_v4(&tuple->src)) {
		siphash_word(&s, (uint64_t)tuple->src.w[3] << 32 | tuple->dst.w[3]);
	} else {
		siphash_word(&s, tuple->src.q[0]);
		siphash_word(&s, tuple->src.q[1]);
		siphash_word(&s, tuple->dst.q[0]);
		siphash_word(&s, tuple->dst.q[1]);
	}
	siphash_word(&s, (uint64_t)tuple->sport << 16 | tuple->dport);
	return siphash_end(&s);
}

static bool
same_ends(const struct tuple *a, const struct tuple *b)
{
	return addr_equal(&a->src, &b->src) && addr_equal(&a->dst, &b->dst) &&
	       a->sport == b->sport && a->dport == b->dport;
}

struct tcp_block *
block_find(struct tcp *t, const struct tuple *tuple, uint64_t hash)
{
	struct flow_cursor cursor = flow_table_find(&t->table, hash);
	uint32_t i;

	while (flow_table_next(&t->table, hash, &cursor, &i)) {
		if (same_ends(&t->blocks[i].tuple, tuple))
			return &t->blocks[i];
	}
	return NULL;
}

struct tcp_block *
block_of(struct tcp *t, tcp_handle h)
{
	uint32_t index = (uint32_t)h - 1;
	struct tcp_block *c;

	if (index >= t->fresh)
		return NULL;
	c = &t->blocks[index];
	if (c->generation != h >> 32 || c->state == TCP_CLOSED || c->flags & BLOCK_GONE)
		return NULL;
	return c;
}

static struct tcp_block *
take_free(struct tcp *t)
{
	struct tcp_block *c;

	if (t->free_head != NIL) {
		c = &t->blocks[t->free_head];
		t->free_head = c->order_next;
		return c;
	}
	return t->fresh < t->settings.connections ? &t->blocks[t->fresh++] : NULL;
}

struct tcp_block *
block_new(struct tcp *t, const struct tuple *tuple, uint16_t options)
{
	struct tcp_block *c = take_free(t);
	uint32_t generation;

	if (!c || !flow_table_insert(&t->table, tuple_hash(t, tuple), block_index(t, c))) {
		if (c) {
			c->order_next = t->free_head;
			t->free_head = block_index(t, c);
		}
		t->counters.table_full++;
		return NULL;
	}
	generation = c->generation + 1;
	memset(c, 0, sizeof(*c));
	c->generation = generation;
	c->tuple = *tuple;
	c->options = options;
	c->order_next = c->order_prev = c->flush_next = NIL;
	c->opened = t->now;
	c->heard_ms = t->now_ms;
	t->sets[options].references++;
	t->used++;
	return c;
}

void
block_free(struct tcp *t, struct tcp_block *c)
{
	if (c->flags & BLOCK_DEAD)
		return;
	if (c->state == TCP_SYN_RECEIVED)
		list_remove(t, &t->half_open, c);
	if (c->state == TCP_TIME_WAIT)
		list_remove(t, &t->time_wait, c);
	flow_table_remove(&t->table, tuple_hash(t, &c->tuple), block_index(t, c));
	timers_stop(t, c);
	unsent_free(t, c);
	runs_free(t, c);
	recovery_end(t, c);
	options_release(t, c->options);
	c->state = TCP_CLOSED;
	c->flags = (c->flags & BLOCK_LISTED) | BLOCK_DEAD | BLOCK_GONE;
	c->order_next = t->dead_head;
	t->dead_head = block_index(t, c);
	t->used--;
}

/* Connections in TIME-WAIT give way in time, so that a burst of new ones finds room at once. */
static void
keep_reserve(struct tcp *t)
{
	uint32_t reserve = RTE_MIN(RESERVE, t->settings.connections / 8);

	while (t->settings.connections - t->used < reserve && time_wait_recycle(t))
		t->counters.time_wait_recycled++;
}

void
blocks_reap(struct tcp *t)
{
	uint32_t i, next, kept = NIL;

	keep_reserve(t);
	t->flight_steps = RTE_MIN(FLIGHT_STEPS, t->settings.flights);
	i = t->dead_head;
	for (; i != NIL; i = next) {
		struct tcp_block *c = &t->blocks[i];

		next = c->order_next;
		/* On the flush list it is still referred to. */
		if (c->flags & BLOCK_LISTED) {
			c->order_next = kept;
			kept = i;
			continue;
		}
		c->order_next = t->free_head;
		t->free_head = i;
	}
	t->dead_head = kept;
}

/* Tell the user, once. */
static void
tell_closed(struct tcp *t, struct tcp_block *c, enum tcp_close_cause cause)
{
	tcp_handle h = block_handle(t, c);

	if (!(c->flags & BLOCK_TOLD) || c->flags & BLOCK_GONE)
		return;
	c->flags |= BLOCK_GONE;
	t->counters.closed++;
	if (t->calls.closed)
		t->calls.closed(t->calls.arg, h, c->user, cause);
}

void
block_close(struct tcp *t, struct tcp_block *c, enum tcp_close_cause cause)
{
	tell_closed(t, c, cause);
	if (c->state != TCP_CLOSED)
		block_free(t, c);
}

void
block_done(struct tcp *t, struct tcp_block *c)
{
	tell_closed(t, c, TCP_CLOSED_DONE);
}

void
list_append(struct tcp *t, struct block_list *l, struct tcp_block *c)
{
	uint32_t i = block_index(t, c);

	c->order_next = NIL;
	c->order_prev = l->tail;
	if (l->tail != NIL)
		t->blocks[l->tail].order_next = i;
	else
		l->head = i;
	l->tail = i;
	l->count++;
}

void
list_remove(struct tcp *t, struct block_list *l, struct tcp_block *c)
{
	if (c->order_prev != NIL)
		t->blocks[c->order_prev].order_next = c->order_next;
	else
		l->head = c->order_next;
	if (c->order_next != NIL)
		t->blocks[c->order_next].order_prev = c->order_prev;
	else
		l->tail = c->order_prev;
	l->count--;
}

/* ---- buffers -------------------------------------------------------------------------------- */

uint32_t
chain_buffers(const struct rte_mbuf *m)
{
	uint32_t n = 0;

	for (; m; m = m->next)
		n++;
	return n;
}

/* What is left up to there; without a budget, more than there can be. */
static uint32_t
budget_left(const struct tcp *t, uint32_t eighths)
{
	uint64_t budget = t->settings.buffer_budget, up_to = budget * eighths / 8;

	if (!budget)
		return INT32_MAX;
	return up_to > t->held ? (uint32_t)(up_to - t->held) : 0;
}

bool
budget_allows(const struct tcp *t, uint32_t n, uint32_t eighths)
{
	return n <= budget_left(t, eighths);
}

/* So shares become smaller as the budget is used up: any number of connections that take all they
 * get leave a share of the same size for one more (Choudhury and Hahne, Dynamic queue length
 * thresholds, 1998). */
uint32_t
budget_share(const struct tcp *t, uint32_t eighths)
{
	return t->settings.buffer_budget ? budget_left(t, eighths) / SHARE : INT32_MAX;
}

bool
budget_fits(const struct tcp *t, const struct tcp_block *c, uint32_t n, uint32_t eighths)
{
	return (uint64_t)c->held + n <= budget_share(t, eighths);
}

void
tcp_hold(struct tcp *t, tcp_handle h, int32_t buffers)
{
	struct tcp_block *c = block_of(t, h);

	t->held += (uint32_t)buffers;
	t->lent += (uint32_t)buffers;
	if (c)
		c->held += (uint32_t)buffers;
}

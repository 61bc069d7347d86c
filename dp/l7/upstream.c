/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections to backends: one request at a time, and kept between them. A backend's idle ones are
 * a stack: the one used last, which the backend is the least likely to have closed, is used first,
 * and those at the bottom time out.
 */
#include "dp/l7/internal.h"
#include "dp/proxy/dial.h"

/* ---- those that may give way ----------------------------------------------------------------- */

static struct http_line *
line_of(struct http *h, const struct http_upstream *u)
{
	return u->state == HTTP_UPSTREAM_IDLE ? &h->idle : &h->closing;
}

/* Its state is IDLE or CLOSING since now. */
static void
line_enter(struct http *h, struct http_upstream *u)
{
	struct http_line *line = line_of(h, u);
	uint32_t index = http_upstream_index(h, u) + 1;

	u->before = line->last;
	u->behind = 0;
	if (line->last)
		h->upstreams[line->last - 1].behind = index;
	else
		line->first = index;
	line->last = index;
}

/* ... and will soon be another one. */
static void
line_leave(struct http *h, struct http_upstream *u)
{
	struct http_line *line = line_of(h, u);

	if (u->before)
		h->upstreams[u->before - 1].behind = u->behind;
	else
		line->first = u->behind;
	if (u->behind)
		h->upstreams[u->behind - 1].before = u->before;
	else
		line->last = u->before;
}

/* ---- a pool's idle ones, the one that is idle for the longest first ---------------------------
 */

static void
spare_enter(struct http *h, struct http_upstream *u)
{
	struct http_pool *pool = http_pool_state(h, u->pool_slot, u->pool_epoch);
	uint32_t index = http_upstream_index(h, u) + 1;

	pool->unused++;
	u->older = pool->spare.last;
	u->newer = 0;
	if (u->older)
		h->upstreams[u->older - 1].newer = index;
	else
		pool->spare.first = index;
	pool->spare.last = index;
}

static void
spare_leave(struct http *h, struct http_upstream *u)
{
	struct http_pool *pool = &h->pools[u->pool_slot];

	if (pool->epoch != u->pool_epoch)
		return;
	pool->unused--;
	if (u->older)
		h->upstreams[u->older - 1].newer = u->newer;
	else
		pool->spare.first = u->newer;
	if (u->newer)
		h->upstreams[u->newer - 1].older = u->older;
	else
		pool->spare.last = u->older;
}

/* ---- the list of a backend's idle ones ------------------------------------------------------- */

static void
idle_add(struct http *h, struct http_upstream *u)
{
	uint32_t index = http_upstream_index(h, u), *first = &h->backends[u->backend].idle;

	u->state = HTTP_UPSTREAM_IDLE;
	line_enter(h, u);
	spare_enter(h, u);
	u->previous = INDEX_NONE;
	u->next = *first - 1; /* 0: INDEX_NONE */
	if (u->next != INDEX_NONE)
		h->upstreams[u->next].previous = index;
	*first = index + 1;
}

static void
idle_remove(struct http *h, struct http_upstream *u)
{
	line_leave(h, u);
	spare_leave(h, u);
	http_circuit_leave(h, u->pool_slot, HTTP_BOUND_UNUSED, &u->counted);
	if (u->previous == INDEX_NONE)
		h->backends[u->backend].idle = u->next + 1;
	else
		h->upstreams[u->previous].next = u->next;
	if (u->next != INDEX_NONE)
		h->upstreams[u->next].previous = u->previous;
}

/* ---- upstreams ------------------------------------------------------------------------------- */

/* One that closes, or else the one that has been idle for the longest, gives way to one for another
 * backend. There is one: all others are at a request, of which there are no more, and the one that
 * wants another has none. */
static void
make_room(struct http *h)
{
	uint32_t first = h->closing.first ? h->closing.first : h->idle.first;
	struct http_upstream *u = &h->upstreams[first - 1];

	if (!first)
		return;
	stream_abort(h->proxy, u->handle);
	http_upstream_gone(h, u);
}

static struct http_upstream *
upstream_new(struct http *h)
{
	struct http_upstream *u;

	if (h->upstreams_free == INDEX_NONE && h->upstreams_fresh == h->n_upstream)
		make_room(h);
	if (h->upstreams_free != INDEX_NONE) {
		u = &h->upstreams[h->upstreams_free];
		h->upstreams_free = u->next;
	} else if (h->upstreams_fresh < h->n_upstream) {
		u = &h->upstreams[h->upstreams_fresh++];
	} else {
		return NULL;
	}
	*u = (struct http_upstream){ .session = INDEX_NONE };
	return u;
}

void
http_upstream_gone(struct http *h, struct http_upstream *u)
{
	if (u->state == HTTP_UPSTREAM_IDLE) {
		idle_remove(h, u);
		h->counters.upstreams_closed++;
	} else if (u->state == HTTP_UPSTREAM_CLOSING) {
		line_leave(h, u);
	}
	wheel_disarm(h->wheel, h->n + http_upstream_index(h, u));
	queue_free(&u->in);
	http_tell(h, u->handle, &u->in);
	h->worker->backend_stats[u->backend].connections_ended++;
	http_circuit_leave(h, u->pool_slot, HTTP_BOUND_CONNECTIONS, &u->counted);
	u->state = HTTP_UPSTREAM_FREE;
	u->next = h->upstreams_free;
	h->upstreams_free = http_upstream_index(h, u);
}

static struct http_upstream *
idle_find(struct http *h, const struct http_session *s, uint32_t backend)
{
	const struct snapshot *snapshot = h->worker->snapshot;
	const struct pool *pool = snapshot_pool(snapshot, s->x->pool_slot, s->x->pool_epoch);
	const struct backend *b = &snapshot->backends[backend];
	uint32_t first = h->backends[backend].idle;

	while (first) {
		struct http_upstream *u = &h->upstreams[first - 1];

		if (u->backend_epoch == b->epoch && pool && u->tls == pool->tls)
			return u;
		/* The slot is another backend's now, or it is to be spoken to otherwise. */
		http_upstream_close(h, u);
		first = h->backends[backend].idle;
	}
	return NULL;
}

/* This worker's idle ones give way where their pool has too many. True: it still has. */
static bool
give_way(struct http *h, const struct pool *pool)
{
	const struct http_pool *ours = http_pool_state(h, pool->slot, pool->epoch);

	while (http_circuit_crowded(h, pool)) {
		if (!ours->spare.first)
			return true;
		http_upstream_close(h, &h->upstreams[ours->spare.first - 1]);
	}
	return false;
}

void
http_upstream_make_way(struct http *h)
{
	const struct snapshot *snapshot = h->worker->snapshot;
	uint32_t i;

	h->crowded =
	    atomic_load_explicit(&h->worker->dataplane->http_crowded, memory_order_relaxed);
	for (i = 0; i < snapshot->n_pools; i++)
		give_way(h, &snapshot->pools[i]);
}

void
http_upstream_follow(struct http *h)
{
	const struct snapshot *snapshot = h->worker->snapshot;
	uint32_t slot;

	for (slot = 0; slot < snapshot->n_pool_slots; slot++) {
		const struct http_pool *ours = &h->pools[slot];

		if (!ours->spare.first || snapshot_pool(snapshot, slot, ours->epoch))
			continue;
		while (ours->spare.first)
			http_upstream_close(h, &h->upstreams[ours->spare.first - 1]);
	}
}

/* May the pool have a connection more, and a request that waits for it? */
static bool
enter(struct http *h, struct http_session *s, struct http_upstream *u)
{
	const struct pool *pool =
	    snapshot_pool(h->worker->snapshot, s->x->pool_slot, s->x->pool_epoch);

	if (!pool)
		return false;
	u->tls = pool->tls;
	if (!http_circuit_enter(h, pool, HTTP_BOUND_CONNECTIONS, &u->counted) ||
	    !http_circuit_enter(h, pool, HTTP_BOUND_PENDING, &s->x->counted))
		return false;
	if (unlikely(give_way(h, pool)))
		atomic_fetch_add_explicit(&h->worker->dataplane->http_crowded, 1,
					  memory_order_relaxed);
	return true;
}

static enum drop_reason
open_new(struct http *h, struct http_session *s, uint32_t backend)
{
	const struct proxy_settings *settings =
	    http_settings(h, s); /* NULL: the listener is gone */
	struct http_upstream *u = upstream_new(h);
	struct proxy_dial dial = {
		.client = &s->tuple,
		.service = s->service,
		.backend = backend,
		.connect_ms = (uint32_t)(s->x->route->timeout_connect / 1000000),
		.grows = settings && settings->tls,
	};
	enum drop_reason why = DROP_CONNECTION_TABLE_FULL;

	if (!u) {
		h->counters.upstreams_full++;
		return why;
	}
	u->pool_slot = s->x->pool_slot;
	u->pool_epoch = s->x->pool_epoch;
	u->told = s->x->header != PROXY_HEADER_NONE;
	dial.user = http_upstream_user(h, u);
	u->backend = backend;
	u->backend_epoch = h->worker->snapshot->backends[backend].epoch;
	u->backend_id = h->worker->snapshot->backends[backend].id;
	if (enter(h, s, u)) {
		why = proxy_dial(h->proxy, &dial, &u->handle);
		h->counters.upstreams_full += why == DROP_CONNECTION_TABLE_FULL;
	}
	if (why != DROP_REASON_COUNT) {
		http_circuit_leave(h, u->pool_slot, HTTP_BOUND_CONNECTIONS, &u->counted);
		u->next = h->upstreams_free;
		h->upstreams_free = http_upstream_index(h, u);
		return why;
	}
	u->state = HTTP_UPSTREAM_CONNECTING;
	u->session = http_session_index(h, s);
	s->x->upstream = http_upstream_index(h, u);
	h->counters.upstreams_opened++;
	h->backends[backend].active++;
	h->worker->backend_stats[backend].connections_total++;
	return DROP_REASON_COUNT;
}

/* The same for one that is there. */
static bool
enter_again(struct http *h, struct http_upstream *u)
{
	const struct pool *pool = snapshot_pool(h->worker->snapshot, u->pool_slot, u->pool_epoch);

	return !pool || http_circuit_pass(h, pool, HTTP_BOUND_CONNECTIONS, &u->counted);
}

enum drop_reason
http_upstream_get(struct http *h, struct http_session *s, uint32_t backend, bool fresh)
{
	bool own = fresh || s->x->header != PROXY_HEADER_NONE;
	struct http_upstream *u = own ? NULL : idle_find(h, s, backend);

	if (!u)
		return open_new(h, s, backend);
	if (!enter_again(h, u))
		return DROP_CONNECTION_TABLE_FULL;
	idle_remove(h, u);
	u->state = HTTP_UPSTREAM_BUSY;
	u->reused = true;
	u->session = http_session_index(h, s);
	s->x->upstream = http_upstream_index(h, u);
	h->counters.upstreams_reused++;
	h->backends[backend].active++;
	return DROP_REASON_COUNT;
}

/* Before TLS, as it is of the connection. */
static bool
send_proxy_header(struct http *h, const struct http_session *s, const struct http_upstream *u)
{
	struct rte_mbuf *m = http_proxy_header(h, s);

	if (m && stream_send(h->proxy, u->handle, m) == 0)
		return true;
	rte_pktmbuf_free(m);
	h->counters.no_memory++;
	return false;
}

enum drop_reason
http_upstream_secure(struct http *h, struct http_session *s, struct http_upstream *u)
{
	const struct tls_begin what = {
		.tcp = u->handle,
		.user = http_upstream_user(h, u),
		.slot = u->pool_slot,
		.epoch = u->pool_epoch,
		.client = true,
		.lenient = true, /* an answer says itself where it ends */
		.timeout = s->x->route->timeout_connect,
	};
	tcp_handle handle;

	if (u->told && !send_proxy_header(h, s, u))
		return DROP_MBUF_EXHAUSTED;
	handle = tls_begin(proxy_tls(h->proxy), &what);
	if (handle == TCP_HANDLE_NONE) {
		h->counters.upstreams_full++;
		return DROP_CONNECTION_TABLE_FULL;
	}
	u->handle = handle;
	return DROP_REASON_COUNT;
}

void
http_upstream_close(struct http *h, struct http_upstream *u)
{
	if (u->state == HTTP_UPSTREAM_IDLE) {
		idle_remove(h, u);
		h->counters.upstreams_closed++;
	}
	http_circuit_leave(h, u->pool_slot, HTTP_BOUND_CONNECTIONS, &u->counted);
	u->state = HTTP_UPSTREAM_CLOSING;
	line_enter(h, u);
	u->session = INDEX_NONE;
	queue_free(&u->in);
	http_tell(h, u->handle, &u->in);
	wheel_disarm(h->wheel, h->n + http_upstream_index(h, u));
	if (u->handle == TCP_HANDLE_NONE)
		http_upstream_gone(h, u);
	else
		stream_drain(h->proxy, u->handle);
}

static bool
may_be_kept(struct http *h, const struct pool *pool, const struct http_upstream *u)
{
	const struct pool_bounds *b = &pool->bounds;

	return !http_circuit_crowded(h, pool) &&
	       http_pool_state(h, pool->slot, pool->epoch)->unused < b->unused &&
	       (!b->reuse || u->requests < b->reuse);
}

void
http_upstream_put(struct http *h, struct http_session *s, bool keep)
{
	struct http_upstream *u = http_upstream_of(h, s);
	const struct pool *pool = snapshot_pool(h->worker->snapshot, u->pool_slot, u->pool_epoch);

	s->x->upstream = INDEX_NONE;
	u->session = INDEX_NONE;
	u->requests++;
	h->backends[u->backend].active--;
	if (!keep || u->fin || u->in.head || u->handle == TCP_HANDLE_NONE || !pool ||
	    !may_be_kept(h, pool, u)) {
		http_upstream_close(h, u);
		return;
	}
	u->idle_since = h->worker->now;
	u->idle_ns = pool->bounds.unused_time;
	http_circuit_pass(h, pool, HTTP_BOUND_UNUSED, &u->counted);
	idle_add(h, u);
	if (!wheel_armed(h->wheel, h->n + http_upstream_index(h, u)))
		wheel_arm(h->wheel, h->n + http_upstream_index(h, u), u->idle_since + u->idle_ns);
}

void
http_upstream_drop(struct http *h, struct http_session *s)
{
	struct http_upstream *u = http_upstream_of(h, s);

	s->x->upstream = INDEX_NONE;
	h->backends[u->backend].active--;
	if (u->handle != TCP_HANDLE_NONE)
		stream_abort(h->proxy, u->handle);
	queue_free(&s->x->up);
	http_tell(h, s->client, &s->x->up);
	http_upstream_gone(h, u);
}

/* The timer of an upstream is set when it is first idle and looks again later: it may have been in
 * use since. */
void
http_upstream_timer(struct http *h, uint32_t index)
{
	struct http_upstream *u = &h->upstreams[index];
	uint64_t at = u->idle_since + u->idle_ns;

	if (u->state != HTTP_UPSTREAM_IDLE)
		return;
	if (h->worker->now >= at)
		http_upstream_close(h, u);
	else
		wheel_arm(h->wheel, h->n + index, at);
}

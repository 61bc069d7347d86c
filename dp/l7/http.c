/* SPDX-License-Identifier: Apache-2.0 */
/* A worker's HTTP: its memory, its timers, and how it follows the snapshot. */
#include "dp/l7/http.h"

#include <errno.h>
#include <sys/mman.h>

#include <rte_lcore.h>
#include <rte_malloc.h>

#include "dp/l7/internal.h"

#define TICK_NS 10000000ull
/* In one iteration. */
#define TIMERS 64
#define CHECKS 256

static void *
allocate(size_t size, void *arg)
{
	const int *socket = arg;

	return rte_zmalloc_socket("http-wheel", size, RTE_CACHE_LINE_SIZE, *socket);
}

/* Arrays by slot, of which few are used. */
static void *
map_lazily(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void
unmap(void *p, size_t size)
{
	if (p)
		munmap(p, size);
}

struct http *
http_create(struct proxy *proxy, uint32_t sessions, uint32_t upstreams)
{
	struct worker *w = proxy->worker;
	int socket = (int)rte_lcore_to_socket_id(w->lcore);
	struct http *h = rte_zmalloc_socket("http", sizeof(*h), RTE_CACHE_LINE_SIZE, socket);

	if (!h)
		return NULL;
	h->proxy = proxy;
	h->worker = w;
	h->tcp = proxy->tcp;
	h->n = sessions;
	h->n_upstream = upstreams;
	h->check = sessions;
	h->sessions_free = h->exchanges_free = h->upstreams_free = INDEX_NONE;
	h->sessions = rte_zmalloc_socket("http-sessions", (size_t)sessions * sizeof(*h->sessions),
					 RTE_CACHE_LINE_SIZE, socket);
	h->exchanges =
	    rte_zmalloc_socket("http-exchanges", (upstreams + 1ul) * sizeof(*h->exchanges),
			       RTE_CACHE_LINE_SIZE, socket);
	h->upstreams =
	    rte_zmalloc_socket("http-upstreams", (size_t)upstreams * sizeof(*h->upstreams),
			       RTE_CACHE_LINE_SIZE, socket);
	h->wheel = wheel_create(sessions + upstreams, TICK_NS, dp_clock_now(&w->dataplane->clock),
				allocate, &socket);
	h->backends = map_lazily(sizeof(struct http_backend) * SNAPSHOT_MAX_BACKENDS);
	h->pools = map_lazily(sizeof(struct http_pool) * SNAPSHOT_MAX_POOLS);
	h->scratch = http_scratch_create();
	h->listener_latency = map_lazily(sizeof(struct http_latency) * SNAPSHOT_MAX_SERVICES);
	h->pool_latency = map_lazily(sizeof(struct http_latency) * SNAPSHOT_MAX_POOLS);
	h->attempts = map_lazily(sizeof(struct http_attempts) * SNAPSHOT_MAX_BACKENDS);
	h->peers = map_lazily(sizeof(struct http_peer) * h->n);
	h->tried = map_lazily(sizeof(struct http_tried) * (upstreams + 1ul));
	h->limits = http_limit_table_create(w->dataplane->clients, false, &proxy->random_key);
	if (h->sessions && h->exchanges && h->upstreams && h->wheel && h->backends && h->pools &&
	    h->scratch && h->limits && h->peers && h->tried && h->listener_latency &&
	    h->pool_latency && h->attempts)
		return h;
	http_destroy(h);
	return NULL;
}

static void
session_destroy(struct http_session *s)
{
	if (s->state == HTTP_FREE)
		return;
	queue_free(&s->in);
	if (!http_has_exchange(s))
		return;
	queue_free(&s->x->down);
	queue_free(&s->x->up);
	rte_pktmbuf_free(s->x->head);
	http_trailer_free(&s->x->request);
	http_trailer_free(&s->x->answer);
}

void
http_destroy(struct http *h)
{
	uint32_t i;

	if (!h)
		return;
	for (i = 0; h->sessions && i < h->sessions_fresh; i++)
		session_destroy(&h->sessions[i]);
	for (i = 0; h->upstreams && i < h->upstreams_fresh; i++)
		queue_free(&h->upstreams[i].in);
	for (i = 0; i < HTTP_COPIES; i++)
		queue_free(&h->copies[i]);
	for (i = 0; i < h->n_spare; i++)
		rte_pktmbuf_free(h->spare[i]);
	rte_pktmbuf_free(h->spare_clone);
	unmap(h->backends, sizeof(struct http_backend) * SNAPSHOT_MAX_BACKENDS);
	unmap(h->pools, sizeof(struct http_pool) * SNAPSHOT_MAX_POOLS);
	unmap(h->listener_latency, sizeof(struct http_latency) * SNAPSHOT_MAX_SERVICES);
	unmap(h->pool_latency, sizeof(struct http_latency) * SNAPSHOT_MAX_POOLS);
	unmap(h->attempts, sizeof(struct http_attempts) * SNAPSHOT_MAX_BACKENDS);
	unmap(h->peers, sizeof(struct http_peer) * h->n);
	unmap(h->tried, sizeof(struct http_tried) * (h->n_upstream + 1ul));
	unmap(h->opens, sizeof(struct http_open) * (h->n_upstream + 1ul));
	http_records_destroy(h->records);
	http_scratch_destroy(h->scratch);
	http_limit_table_destroy(h->limits);
	rte_free(h->wheel);
	rte_free(h->sessions);
	rte_free(h->exchanges);
	rte_free(h->upstreams);
	rte_free(h);
}

const struct http_counters *
http_counters(const struct http *h)
{
	return &h->counters;
}

uint32_t
http_requests_active(const struct http *h)
{
	return h->exchanges_used;
}

int
http_prepare_records(struct http *h, const uint8_t secret[16])
{
	if (h->records)
		return 0;
	memcpy(&h->trace_key, secret, sizeof(h->trace_key));
	h->opens = map_lazily(sizeof(struct http_open) * (h->n_upstream + 1ul));
	h->records = h->opens ? http_records_create() : NULL;
	return h->records ? 0 : -ENOMEM;
}

void
http_seen(const struct http *h, struct http_view *out)
{
	*out = (struct http_view){ h->records, h->listener_latency, h->pool_latency, h->attempts };
}

/* ---- following the snapshot ------------------------------------------------------------------ */

void
http_follow(struct http *h)
{
	h->check = 0;
	http_upstream_follow(h);
}

/* Sessions whose listener is no more: a request that is under way may still end in order. */
static void
check_sessions(struct http *h)
{
	uint32_t end = RTE_MIN(h->check + CHECKS, h->sessions_fresh);

	for (; h->check < end; h->check++) {
		struct http_session *s = &h->sessions[h->check];

		if (s->state == HTTP_FREE || s->state == HTTP_ENDING || http_settings(h, s))
			continue;
		if (s->x->listener && s->state != HTTP_TUNNEL)
			s->last = true;
		else
			http_abort(h, s);
	}
	if (h->check == h->sessions_fresh)
		h->check = h->n;
}

static void
run_timers(struct http *h)
{
	uint32_t due[TIMERS];
	size_t n = wheel_advance(h->wheel, h->worker->now, due, TIMERS), i;

	for (i = 0; i < n; i++) {
		if (due[i] < h->n)
			http_session_timer(h, due[i]);
		else
			http_upstream_timer(h, due[i] - h->n);
	}
}

void
http_iterate(struct http *h)
{
	if (h->check < h->n)
		check_sessions(h);
	if (unlikely(h->crowded != atomic_load_explicit(&h->worker->dataplane->http_crowded,
							memory_order_relaxed)))
		http_upstream_make_way(h);
	run_timers(h);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A worker's listeners: their memory, and how they follow the snapshot. */
#include "dp/proxy/proxy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_lcore.h>
#include <rte_malloc.h>

#include "dp/l7/http.h"
#include "dp/proxy/internal.h"
#include "dp/tcp/sent.h"
#include "dp/tls/tls.h"

/* A session's timer need not be finer. */
#define TICK_NS 10000000ull
/* Connections of TCP besides those of clients and to backends: such as are half open or in
 * TIME-WAIT, one for each client, but no more than so many: the oldest of them give way. */
#define CONNECTIONS_BESIDES 65536u
/* What is under way is data in packet buffers, or a FIN; each may take a whole chunk of records. */
#define FINS_UNDER_WAY 32768u
/* So many clients may be half open before SYN cookies take over. Cookies keep all that is of use,
 * and what is half open costs a block and a SYN-ACK again after a second, of all of a flood at
 * once. */
#define HALF_OPEN 4096u
/* So many cookies in so many ns that nobody answers: a flood. */
#define FLOOD_COOKIES 2048
#define FLOOD_LOOK    50000000u
/* A client that does not complete its handshake. */
#define HANDSHAKE_MS 20000
/* In one iteration: timers, and sessions that are looked at after a change. */
#define TIMERS 64
#define CHECKS 256
/* What connections may hold of the packet buffers that there are, all workers together: half. The
 * other half is for what comes in and goes out. */
#define BUFFER_SHARE 2

static void *
allocate(size_t size, void *arg)
{
	const int *socket = arg;

	return rte_zmalloc_socket("proxy-wheel", size, RTE_CACHE_LINE_SIZE, *socket);
}

static uint64_t
random64(void *arg)
{
	struct proxy *p = arg;

	p->random_count++;
	return siphash13(&p->random_key, &p->random_count, sizeof(p->random_count));
}

/* A port that has not taken all that was to leave gets no more of TCP than once in this time (ns):
 * it may be others who fill it. */
#define HOLD_TIME 1000000u

/* Does what waits for the route's port keep others from being added? Without a route it may be any
 * port. */
static bool
is_full(void *arg, uint64_t route)
{
	const struct proxy *p = arg;
	uint32_t ports = route ? 1u << route_port(route) : UINT32_MAX;

	return p->holds && p->worker->tx_full & ports;
}

/* What all ports can do: a packet leaves by any of them. */
static uint32_t
output_flags(const struct dataplane *dp)
{
	bool checksum = true, segments = true, cuts = true;
	uint32_t i;

	for (i = 0; i < dp->n_ports; i++) {
		const struct port *port = &dp->ports[i];

		checksum = checksum && port->tx_ip_checksum && port->tx_l4_checksum;
		segments = segments && port->tx_segments;
		cuts = cuts && port->tx_tso;
	}
	return (checksum ? TCP_OUTPUT_CHECKSUM : 0) | (segments ? 0 : TCP_OUTPUT_LINEAR) |
	       (checksum && segments && cuts ? TCP_OUTPUT_TSO : 0);
}

static uint32_t
buffer_budget(const struct dataplane *dp)
{
	return dp->mbufs->size / BUFFER_SHARE / dp->n_workers;
}

/* Records of segments under way, at least so many that packet buffers run out first. */
static uint32_t
sent_records(const struct dataplane *dp, uint32_t connections)
{
	uint64_t most = 2ull * connections + 65536;
	uint64_t enough = (uint64_t)SENT_CHUNK * (dp->mbufs->size + FINS_UNDER_WAY);

	return (uint32_t)RTE_MIN(most, enough);
}

static bool
tcp_make(struct proxy *p, int socket, const uint8_t *secret)
{
	struct dataplane *dp = p->worker->dataplane;
	struct tcp_settings settings = {
		.connections =
		    p->n_clients + p->n_sessions + RTE_MIN(p->n_clients, CONNECTIONS_BESIDES),
		.socket = socket,
		.output = output_flags(dp),
		.mbufs = dp->mbufs,
		.clones = p->clones,
		.buffer_budget = buffer_budget(dp),
		.half_open = RTE_MIN(p->n_clients, HALF_OPEN),
	};
	struct tcp_calls calls = {
		.arg = p, .output = proxy_output, .full = is_full, .random = random64
	};

	settings.sent_records = sent_records(dp, settings.connections);
	memcpy(settings.secret, secret, sizeof(settings.secret));
	proxy_calls(&calls);
	p->tcp = tcp_create(&settings, &calls, dp_clock_now(&dp->clock));
	return p->tcp != NULL;
}

/* So many that were freed last are taken again first: their memory is in the nearest cache. */
#define CLONES_CACHE 256u

/* Indirect mbufs: as many as there are buffers that they can point to. */
static bool
clones_make(struct proxy *p, int socket)
{
	char name[RTE_MEMPOOL_NAMESIZE];
	unsigned int n = p->worker->dataplane->mbufs->size;

	snprintf(name, sizeof(name), "proxy-clones-%u", p->worker->index);
	p->clones = rte_pktmbuf_pool_create(name, n, RTE_MIN(n / 4, CLONES_CACHE), 0, 0, socket);
	return p->clones != NULL;
}

struct proxy *
proxy_create(struct worker *w, const struct proxy_bounds *bounds, const uint8_t secret[48])
{
	uint32_t sessions = RTE_MIN(bounds->backends, bounds->clients);
	int socket = (int)rte_lcore_to_socket_id(w->lcore);
	struct proxy *p = rte_zmalloc_socket("proxy", sizeof(*p), RTE_CACHE_LINE_SIZE, socket);

	if (!p)
		return NULL;
	p->worker = w;
	p->n_clients = bounds->clients;
	p->n_sessions = sessions;
	p->free_list = INDEX_NONE;
	p->check = sessions;
	memcpy(&p->random_key, secret + 32, sizeof(p->random_key));
	p->sessions = rte_zmalloc_socket("proxy-sessions", (size_t)sessions * sizeof(*p->sessions),
					 RTE_CACHE_LINE_SIZE, socket);
	p->wheel =
	    wheel_create(sessions, TICK_NS, dp_clock_now(&w->dataplane->clock), allocate, &socket);
	if (p->sessions && p->wheel && clones_make(p, socket) && tcp_make(p, socket, secret))
		return p;
	proxy_destroy(p);
	return NULL;
}

int
proxy_prepare_http(struct proxy *p)
{
	struct http *http;

	if (proxy_http(p))
		return 0;
	http = http_create(p, p->n_clients, p->n_sessions);
	if (!http)
		return -ENOMEM;
	atomic_store_explicit(&p->http, http, memory_order_release);
	return 0;
}

int
proxy_prepare_tls(struct proxy *p, struct tls_port *ports, uint32_t n_ports,
		  const struct tls_engine *engine, uint32_t handshakes)
{
	struct tls_settings settings = {
		.worker = p->worker,
		.tcp = p->tcp,
		.mbufs = p->worker->dataplane->mbufs,
		.clones = p->clones,
		.engine = engine,
		.ports = ports,
		.n_ports = n_ports,
		.streams = p->n_clients + p->n_sessions,
		.handshakes = handshakes,
		.socket = (int)rte_lcore_to_socket_id(p->worker->lcore),
	};
	struct tls_calls calls = { .arg = p };
	struct tls *tls;

	if (proxy_tls(p))
		return 0;
	proxy_tls_calls(&calls);
	tls = tls_create(&settings, &calls);
	if (!tls)
		return -ENOMEM;
	atomic_store_explicit(&p->tls, tls, memory_order_release);
	return 0;
}

struct rte_ring *
proxy_tls_answers(const struct proxy *p)
{
	return tls_answers(proxy_tls(p));
}

int
proxy_prepare_records(struct proxy *p, const uint8_t secret[16])
{
	return http_prepare_records(proxy_http(p), secret);
}

void
proxy_destroy(struct proxy *p)
{
	uint32_t i;

	if (!p)
		return;
	for (i = 0; p->sessions && i < p->fresh; i++) {
		if (p->sessions[i].state == SESSION_FREE)
			continue;
		queue_free(&p->sessions[i].queues[LEG_CLIENT]);
		queue_free(&p->sessions[i].queues[LEG_BACKEND]);
	}
	for (i = 0; i < p->n_held; i++)
		rte_pktmbuf_free(p->held[i].mbuf);
	http_destroy(proxy_http(p));
	tls_destroy(proxy_tls(p));
	tcp_destroy(p->tcp);
	rte_mempool_free(p->clones);
	rte_free(p->wheel);
	rte_free(p->sessions);
	rte_free(p);
}

/* ---- following the snapshot ------------------------------------------------------------------ */

static uint16_t
least_mtu(const struct snapshot *s)
{
	uint16_t mtu = UINT16_MAX;
	uint32_t i;

	for (i = 0; i < s->n_ports; i++)
		mtu = RTE_MIN(mtu, s->ports[i].mtu);
	return mtu;
}

static bool
is_listening(const struct proxy *p, uint32_t service)
{
	return p->listening[service / 64] >> (service % 64) & 1;
}

static void
listen_to(struct proxy *p, uint32_t service, uint16_t mtu)
{
	const struct proxy_settings *settings = &p->worker->snapshot->proxies[service];
	const struct tcp_options options = {
		.connect_ms = HANDSHAKE_MS,
		.keepalive_ms = settings->keepalive.idle_ms,
		.keepalive_interval_ms = settings->keepalive.interval_ms,
		.keepalive_probes = settings->keepalive.probes,
		.mtu = mtu,
		.syn_cookies_always = settings->syn_cookies,
	};

	if (tcp_listen(p->tcp, service, &options) == 0)
		p->listening[service / 64] |= 1ULL << (service % 64);
}

static void
listen_no_more(struct proxy *p, uint32_t service)
{
	tcp_unlisten(p->tcp, service);
	p->listening[service / 64] &= ~(1ULL << (service % 64));
}

/* Listeners come and go with the snapshot; sessions of those that went are looked for from now on.
 */
void
proxy_follow(struct proxy *p)
{
	const struct snapshot *s = p->worker->snapshot;
	uint16_t mtu = least_mtu(s);
	uint32_t i;

	p->version = s->version;
	for (i = 0; i < SNAPSHOT_MAX_SERVICES; i++) {
		if (i % 64 == 0 && !p->listening[i / 64] && i >= s->n_services) {
			i += 63;
			continue;
		}
		if (is_listener(s, i))
			listen_to(p, i, mtu);
		else if (is_listening(p, i))
			listen_no_more(p, i);
	}
	p->check = 0;
	if (proxy_http(p))
		http_follow(proxy_http(p));
}

/* Sessions whose listener is no more: its address may be somebody else's now. */
static void
check_sessions(struct proxy *p)
{
	uint32_t end = RTE_MIN(p->check + CHECKS, p->fresh);

	for (; p->check < end; p->check++) {
		struct session *s = &p->sessions[p->check];

		if (s->state == SESSION_FREE || session_settings(p, s))
			continue;
		p->counters.aborted++;
		session_abort(p, s);
	}
	if (p->check == p->fresh)
		p->check = p->n_sessions;
}

static void
run_timers(struct proxy *p)
{
	uint32_t due[TIMERS];
	size_t n = wheel_advance(p->wheel, p->worker->now, due, TIMERS), i;

	for (i = 0; i < n; i++)
		if (session_used(p, due[i]))
			session_timer(p, due[i]);
}

/* SYN cookies that peers who mean it answer come back, if later; those of a flood do not. While
 * SYNs are dropped for want of room there may be few cookies: then it goes on as long as most of
 * them stay without an answer. */
static void
look_for_flood(struct proxy *p)
{
	const struct tcp_counters *c = tcp_counters(p->tcp);
	struct syn_queue *q = &p->worker->syns;
	const struct flood_seen now = { c->syn_cookies_sent, c->syn_cookies_ok, q->dropped };
	const struct flood_seen *before = &p->flood;
	int64_t sent = (int64_t)(now.cookies - before->cookies);
	int64_t unanswered = sent - (int64_t)(now.answered - before->answered);
	bool drops = now.dropped - before->dropped > FLOOD_COOKIES;

	q->flooded = unanswered > FLOOD_COOKIES || (q->flooded && drops && unanswered > sent / 2);
	p->flood = now;
	p->flood_look = p->worker->now + FLOOD_LOOK;
}

bool
proxy_iterate(struct worker *w)
{
	struct proxy *p = worker_proxy(w);
	bool more;

	if (likely(!p))
		return false;
	if (unlikely(p->version != w->snapshot->version))
		proxy_follow(p);
	if (unlikely(p->check < p->n_sessions))
		check_sessions(p);
	run_timers(p);
	if (unlikely(w->now >= p->flood_look))
		look_for_flood(p);
	if (unlikely(p->n_held))
		proxy_output_held(p);
	if (proxy_http(p))
		http_iterate(proxy_http(p));
	more = proxy_tls(p) && tls_iterate(proxy_tls(p));
	if (tcp_advance(p->tcp, w->now))
		more = true;
	p->holds = w->tx_full && w->now - p->let_go < HOLD_TIME;
	if (!p->holds)
		p->let_go = w->now;
	if (tcp_flush(p->tcp, w->now))
		more = true;
	return more;
}

bool
proxy_knows(const struct worker *w, const struct tuple *tuple)
{
	return tcp_known(worker_proxy(w)->tcp, tuple, 0);
}

const struct proxy_counters *
proxy_counters(const struct proxy *p)
{
	return &p->counters;
}

const uint64_t *
proxy_hellos_bad(const struct proxy *p)
{
	return p->hellos_bad;
}

const struct http_counters *
proxy_http_counters(const struct proxy *p)
{
	const struct http *http = proxy_http(p);

	return http ? http_counters(http) : NULL;
}

uint32_t
proxy_http_requests(const struct proxy *p)
{
	const struct http *http = proxy_http(p);

	return http ? http_requests_active(http) : 0;
}

const struct tls_counters *
proxy_tls_counters(const struct proxy *p)
{
	const struct tls *tls = proxy_tls(p);

	return tls ? tls_counters(tls) : NULL;
}

bool
proxy_tls_load(const struct proxy *p, struct tls_load *load)
{
	const struct tls *tls = proxy_tls(p);

	if (tls)
		*load = tls_load(tls);
	return tls != NULL;
}

void
proxy_http_seen(const struct worker *w, struct http_view *out)
{
	const struct proxy *p = worker_proxy(w);
	const struct http *http = p ? proxy_http(p) : NULL;

	*out = (struct http_view){ 0 };
	if (http)
		http_seen(http, out);
}

struct tcp *
proxy_tcp(struct proxy *p)
{
	return p->tcp;
}

uint32_t
proxy_sessions(const struct proxy *p)
{
	return p->used;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "http_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cp/compile/http_table.h"
#include "dp/l7/internal.h"
#include "tests/sim/nic.h"

#define PATIENCE   60000 /* steps of a millisecond */
#define SEGMENT    1000
#define FIRST_PORT 5000
#define PORTS      20000

static const char fine[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/* ---- ends ------------------------------------------------------------------------------------ */

static struct http_world *
world_of(void *arg)
{
	return ((struct proxy_peer *)arg)->wire->user;
}

static struct http_end *
end_of(void *arg, uint64_t user)
{
	return &world_of(arg)->ends[((struct proxy_peer *)arg)->where][user];
}

static struct tcp *
tcp_of(const struct http_end *e)
{
	return e->world->wire.peers[e->where].tcp;
}

static void
end_free(struct http_end *e)
{
	http_reader_free(&e->reader);
	free(e->out.bytes);
	memset(e, 0, sizeof(*e));
}

/* Room for one more: ends that are over make room if their text has been looked at. */
static struct http_end *
end_new(struct http_world *w, enum where where)
{
	struct http_end *e, *over = NULL;
	uint32_t i;

	for (i = 0; i < HTTP_WORLD_ENDS; i++) {
		e = &w->ends[where][i];
		if (!e->used)
			break;
		if (!over && e->closed && (where == CLIENT || !e->reader.seen.length))
			over = e;
	}
	if (i == HTTP_WORLD_ENDS) {
		if (!over)
			return NULL;
		end_free(over);
		e = over;
	}
	*e = (struct http_end){ .world = w, .where = where, .used = true };
	e->reader.requests = where == SERVER;
	e->reader.arg = e;
	return e;
}

static void
close_end(struct http_end *e, enum tcp_close_cause cause)
{
	e->closed = true;
	e->cause = cause;
}

/* One segment, or as many as fit. */
static void
say_some(struct http_end *e)
{
	bool all = !e->cut && !e->piece && !e->random_pieces;

	do {
		size_t n = RTE_MIN(e->out.length - e->sent, (size_t)SEGMENT);
		struct rte_mbuf *m;

		if (e->cut > e->sent && e->cut < e->sent + n)
			n = e->cut - e->sent;
		if (e->piece && e->piece < n)
			n = e->piece;
		if (e->random_pieces)
			n = 1 + proxy_wire_random(&e->world->wire) % n;
		m = fixture_mbuf(e->out.bytes + e->sent, n);
		if (tcp_send(tcp_of(e), e->handle, m)) {
			rte_pktmbuf_free(m);
			return;
		}
		e->sent += n;
	} while (all && e->sent < e->out.length);
}

static void
end_step(struct http_end *e)
{
	if (!e->used || !e->open || e->closed)
		return;
	if (e->sent < e->out.length)
		say_some(e);
	if (e->sent < e->out.length)
		return;
	if (e->reset) {
		tcp_flush(tcp_of(e), e->world->wire.now);
		http_reset(e);
	} else if (e->fin && !e->fin_sent) {
		e->fin_sent = true;
		tcp_shutdown(tcp_of(e), e->handle);
	}
}

void
http_say_bytes(struct http_end *e, const void *bytes, size_t length)
{
	http_text_add(&e->out, bytes, length);
}

void
http_say(struct http_end *e, const char *text)
{
	http_say_bytes(e, text, strlen(text));
}

void
http_read_on(struct http_end *e)
{
	if (!e->closed)
		tcp_credit(tcp_of(e), e->handle, e->held);
	e->held = 0;
	e->stops = false;
}

void
http_reset(struct http_end *e)
{
	if (e->closed)
		return;
	tcp_abort(tcp_of(e), e->handle);
	close_end(e, TCP_CLOSED_RESET);
}

struct http_end *
http_client_open(struct http_world *w)
{
	struct http_end *e = end_new(w, CLIENT);

	w->port = (uint16_t)((w->port + 1) % PORTS);
	if (e && proxy_wire_connect(&w->wire, (uint16_t)(FIRST_PORT + w->port),
				    (uint64_t)(e - w->ends[CLIENT]), &e->handle))
		return e;
	fprintf(stderr, "http world: no room for another client\n");
	exit(2);
}

struct http_end *
http_client_silent(struct http_world *w)
{
	struct http_end *c = http_client_open(w);

	c->reader.silent = true;
	return c;
}

/* ---- backends -------------------------------------------------------------------------------- */

static void
answer_in_turn(struct http_world *w, struct http_end *s)
{
	const char *text = w->answers[w->answered];

	if (w->answers[w->answered + 1])
		w->answered++;
	if (w->backend_cut)
		s->cut = s->out.length + w->backend_cut;
	s->piece = w->backend_piece;
	s->reader.tunnel = strncmp(text, "HTTP/1.1 101", 12) == 0;
	http_say(s, text);
	s->fin = w->backend_fin;
}

static void
call_backend(struct http_end *s)
{
	struct http_world *w = s->world;

	s->random_pieces = w->backend_random_pieces;
	if (w->backend)
		w->backend(w, s);
	else
		answer_in_turn(w, s);
}

static void
request_head(void *arg, const uint8_t *bytes)
{
	struct http_end *s = arg;

	if (s->world->backend_head)
		s->world->backend_head(s, bytes);
	if (s->world->early)
		call_backend(s);
}

static void
request_end(void *arg)
{
	struct http_end *s = arg;

	if (!s->world->early)
		call_backend(s);
}

/* ---- events ---------------------------------------------------------------------------------- */

static uint64_t
on_accepted(void *arg, tcp_handle h, uint32_t listener, const struct tuple *tuple)
{
	struct http_end *e = end_new(world_of(arg), SERVER);

	(void)listener;
	(void)tuple;
	if (!e) {
		proxy_wire_wrong(((struct proxy_peer *)arg)->wire,
				 "too many backends' connections");
		return HTTP_WORLD_ENDS - 1;
	}
	e->handle = h;
	e->open = true;
	e->reader.on_head = request_head;
	e->reader.on_end = request_end;
	return (uint64_t)(e - e->world->ends[SERVER]);
}

static void
on_connected(void *arg, tcp_handle h, uint64_t user)
{
	(void)h;
	end_of(arg, user)->open = true;
}

/* How many bytes the PROXY header (version 1) has with which a backend's connection begins. */
static uint16_t
proxy_header(struct http_end *e, const struct rte_mbuf *m)
{
	const char *bytes = rte_pktmbuf_mtod(m, const char *), *end;

	if (e->where != SERVER || e->reader.raw.length || m->data_len < 6 ||
	    memcmp(bytes, "PROXY ", 6) != 0)
		return 0;
	end = memchr(bytes, '\n', m->data_len);
	if (!end)
		return 0;
	e->world->headers++;
	return (uint16_t)(end + 1 - bytes);
}

static void
on_received(void *arg, tcp_handle h, uint64_t user, struct rte_mbuf *chain, uint32_t length)
{
	struct http_end *e = end_of(arg, user);
	const struct rte_mbuf *m;
	uint16_t at;

	for (m = chain, at = proxy_header(e, m); m; m = m->next, at = 0)
		http_reader_feed(&e->reader, rte_pktmbuf_mtod_offset(m, const void *, at),
				 (uint16_t)(m->data_len - at));
	rte_pktmbuf_free(chain);
	if (e->reader.bad) {
		fprintf(stderr, "http world: %s gets no HTTP: %s\n%s\n",
			e->where == SERVER ? "a backend" : "a client", e->reader.bad,
			e->reader.raw.bytes);
		proxy_wire_wrong(((struct proxy_peer *)arg)->wire, e->reader.bad);
	}
	if (e->stops)
		e->held += length;
	else
		tcp_credit(((struct proxy_peer *)arg)->tcp, h, length);
}

static void
on_half_closed(void *arg, tcp_handle h, uint64_t user)
{
	struct http_end *e = end_of(arg, user);

	(void)h;
	e->half_closed = true;
	e->fin = !e->stays; /* no peer here has more to say then, once it has said what it has */
	http_reader_fin(&e->reader);
}

static void
on_closed(void *arg, tcp_handle h, uint64_t user, enum tcp_close_cause cause)
{
	(void)h;
	close_end(end_of(arg, user), cause);
}

/* ---- the world ------------------------------------------------------------------------------- */

static void
settings_default(struct http_world *w)
{
	uint32_t i;

	w->pools[0] = (struct http_route_pool){ .slot = 0, .epoch = 1, .up_to = 1 };
	for (i = 0; i < HTTP_WORLD_ROUTES; i++)
		w->routes[i] = (struct http_route){
			.name = { "r", 1 },
			.pools = w->pools,
			.n_pools = 1,
			.total_weight = 1,
			.mirror_slot = UINT32_MAX,
			.timeout_connect = 5000 * MS,
			.timeout_first_byte = 10000 * MS,
			.timeout_idle = 10000 * MS,
			.limit_client = UINT32_MAX,
			.limit_key = UINT32_MAX,
		};
	w->n_routes = 1;
	w->listener = (struct http_listener){
		.routes = w->routes,
		.head = { 16384, 8192, 64 },
		.timeout_header = 10000 * MS,
		.timeout_body = 10000 * MS,
		.timeout_idle = 20000 * MS,
		.limit_client = UINT32_MAX,
		.limit_key = UINT32_MAX,
		.mask4 = UINT32_MAX,
		.mask6 = { UINT64_MAX, 0 },
		.users = w->users,
	};
}

struct http_world *
http_world_create(const struct http_world_plan *plan)
{
	static const char *const answers[] = { fine, NULL };
	const struct tcp_calls events = {
		.accepted = on_accepted,
		.connected = on_connected,
		.received = on_received,
		.half_closed = on_half_closed,
		.closed = on_closed,
	};
	struct http_world *w = aligned_alloc(64, RTE_ALIGN(sizeof(*w), 64));
	struct fixture *f;

	memset(w, 0, sizeof(*w));
	proxy_wire_create(&w->wire, &plan->wire, &events);
	w->wire.user = w;
	w->answers = answers;
	settings_default(w);
	if (!plan->both)
		w->wire.f->backends[1].weight = 0;
	f = w->wire.f;
	f->pools[0].epoch = 1;
	f->pools[0].bounds.unused = HTTP_WORLD_ENDS;
	f->pools[0].bounds.unused_time = 30000 * MS;
	f->snapshot.pool_by_slot = w->pool_by_slot;
	f->snapshot.n_pool_slots = 1;
	f->snapshot.seen.records = true;
	w->wire.settings[0].http = &w->listener;
	if (plan->mbufs) {
		w->small = nic_pool("http-world", plan->mbufs);
		f->dataplane.mbufs = w->small;
	}
	return w;
}

void
http_world_start(struct http_world *w)
{
	static const uint8_t secret[16] = { 1, 2, 3 };
	struct http_route_config *config = calloc(w->n_routes, sizeof(*config));
	uint32_t i;

	for (i = 0; i < w->n_routes; i++)
		config[i].match = w->matches[i];
	w->listener.n_routes = w->n_routes;
	http_table_free(w->table);
	w->table = NULL;
	proxy_wire_start(&w->wire);
	if (http_table_build(&w->table, config, w->n_routes) ||
	    proxy_prepare_http(worker_proxy(w->wire.f->worker)) ||
	    proxy_prepare_records(worker_proxy(w->wire.f->worker), secret)) {
		fprintf(stderr, "http world: no memory\n");
		exit(2);
	}
	w->listener.table = w->table;
	free(config);
	proxy_iterate(w->wire.f->worker);
}

static void
step_by(struct http_world *w, uint64_t ns)
{
	uint32_t i, k;

	w->wire.now += ns;
	for (i = 0; i < 2; i++) {
		for (k = 0; k < HTTP_WORLD_ENDS; k++)
			end_step(&w->ends[i][k]);
		proxy_wire_peer(&w->wire, &w->wire.peers[i]);
	}
	proxy_wire_worker(&w->wire);
}

void
http_world_step(struct http_world *w)
{
	step_by(w, MS);
}

void
http_world_run(struct http_world *w, uint32_t ms)
{
	for (; ms; ms--)
		http_world_step(w);
}

void
http_world_pass(struct http_world *w, uint64_t ms)
{
	for (; ms >= 100; ms -= 100)
		step_by(w, 100 * MS);
	http_world_run(w, (uint32_t)ms);
}

bool
http_world_wait(struct http_world *w, const struct http_end *c, uint32_t answers)
{
	uint32_t i;

	for (i = 0; i < PATIENCE; i++) {
		if (c->reader.messages >= answers || c->closed || c->reader.ended)
			return true;
		http_world_step(w);
	}
	return false;
}

bool
http_world_wait_end(struct http_world *w, const struct http_end *c)
{
	uint32_t i;

	for (i = 0; i < PATIENCE && !c->closed && !c->half_closed; i++)
		http_world_step(w);
	return c->closed || c->half_closed;
}

const char *
http_world_asked(struct http_world *w)
{
	uint32_t i;

	w->asked.length = 0;
	http_text_add(&w->asked, "", 0);
	for (i = 0; i < HTTP_WORLD_ENDS; i++) {
		struct http_text_buffer *seen = &w->ends[SERVER][i].reader.seen;

		http_text_add(&w->asked, seen->bytes ? seen->bytes : "", seen->length);
	}
	return w->asked.bytes;
}

void
http_world_forget(struct http_world *w)
{
	uint32_t i;

	for (i = 0; i < HTTP_WORLD_ENDS; i++)
		w->ends[SERVER][i].reader.seen.length = 0;
}

const struct http_counters *
http_world_counters(const struct http_world *w)
{
	return proxy_http_counters(worker_proxy(w->wire.f->worker));
}

uint32_t
http_world_backends(struct http_world *w)
{
	uint32_t i, n = 0;

	for (i = 0; i < HTTP_WORLD_ENDS; i++)
		n += w->ends[SERVER][i].used && !w->ends[SERVER][i].closed;
	return n;
}

struct http_end *
http_world_backend(struct http_world *w)
{
	uint32_t i;

	for (i = 0; i < HTTP_WORLD_ENDS; i++)
		if (w->ends[SERVER][i].used && !w->ends[SERVER][i].closed)
			return &w->ends[SERVER][i];
	return NULL;
}

/* ---- the end --------------------------------------------------------------------------------- */

/* Each request has been counted once, by listener and status, and has left a record. */
static bool
all_seen(const struct http *h)
{
	uint64_t counted = 0, put = h->records->head + h->records->dropped;
	uint32_t i, open = h->opens_fresh;

	for (i = 0; i < HTTP_CLASSES; i++)
		counted += h->listener_latency[0].classes[i] + h->listener_latency[1].classes[i];
	for (i = h->opens_free; i; i = h->opens[i - 1].next_free)
		open--;
	return !open && counted == put && counted >= h->counters.requests;
}

static const char *
left_over(const struct http_world *w)
{
	const struct proxy *p = worker_proxy(w->wire.f->worker);
	const struct http *h = proxy_http(p);
	struct tcp_usage u;
	const char *wrong = tcp_check(p->tcp);

	if (wrong)
		return wrong;
	tcp_usage(p->tcp, &u);
	if (u.connections || u.half_open || u.time_wait)
		return "connections are left";
	if (u.records || u.timers || u.flights)
		return "records, timers or flights are left";
	if (u.buffers)
		return "buffers are counted that nobody has";
	if (h->sessions_used)
		return "sessions are left";
	if (h->exchanges_used)
		return "exchanges are left";
	if (!all_seen(h))
		return "requests have left no record";
	if (proxy_wire_connections(&w->wire))
		return "connections were begun and not ended";
	if (w->users[0].requests)
		return "the listener is still held";
	if (tcp_counters(p->tcp)->over_cwnd)
		return "beyond the congestion window";
	return NULL;
}

static void
end_all(struct http_world *w, enum where where)
{
	uint32_t i;

	for (i = 0; i < HTTP_WORLD_ENDS; i++) {
		struct http_end *e = &w->ends[where][i];

		if (e->used && !e->closed)
			http_reset(e);
	}
}

const char *
http_world_rest(struct http_world *w)
{
	const char *left;
	uint32_t i;

	w->wire.plan.lose_one_in = 0;
	end_all(w, CLIENT);
	http_world_run(w, 50);
	for (i = 0; i < 40; i++)
		step_by(w, 1000 * MS);
	for (i = 0; i < 300 && left_over(w); i++)
		step_by(w, 1000 * MS);
	left = left_over(w);
	if (left)
		proxy_wire_wrong(&w->wire, left);
	return w->wire.wrong;
}

const char *
http_world_clear(struct http_world *w)
{
	const char *wrong = http_world_rest(w);
	uint32_t i, k;

	end_all(w, SERVER);
	http_world_run(w, 2);
	for (i = 0; i < 2; i++)
		for (k = 0; k < HTTP_WORLD_ENDS; k++)
			if (w->ends[i][k].used)
				end_free(&w->ends[i][k]);
	return wrong;
}

const char *
http_world_destroy(struct http_world *w)
{
	const char *wrong = http_world_rest(w);
	uint32_t i, k;

	proxy_wire_destroy(&w->wire);
	for (i = 0; i < 2; i++)
		for (k = 0; k < HTTP_WORLD_ENDS; k++)
			if (w->ends[i][k].used)
				end_free(&w->ends[i][k]);
	http_table_free(w->table);
	if (!wrong && (fixture_mbufs_in_use() || (w->small && rte_mempool_in_use_count(w->small))))
		wrong = "packet buffers are left";
	rte_mempool_free(w->small);
	free(w->asked.bytes);
	free(w);
	if (wrong)
		fprintf(stderr, "http world: %s\n", wrong);
	return wrong;
}

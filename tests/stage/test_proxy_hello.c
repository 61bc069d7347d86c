/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listeners that pass TLS on: the ClientHello chooses the pool and goes to its backend unchanged,
 * or the client is told why not. One client at a time, between TCPs of their own (proxy_wire.h);
 * the server answers its first bytes with a word, and closes.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "dp/proxy/server_names.h"
#include "lib/tls/hello.h"
#include "proxy_wire.h"
#include "suites.h"

#define HELLO_MOST 400
#define ANSWER     "ok"
#define BEHIND     "more" /* what the client sends behind its hello */

struct end {
	tcp_handle handle;
	bool open, half_closed, closed;
	enum tcp_close_cause cause;
	size_t n;
	uint8_t got[2 * HELLO_MOST];
	struct addr local;
};

struct hello_world {
	struct proxy_wire wire;
	struct fixture *f;
	struct end ends[2]; /* the client's, the server's */
	struct host_slot slots[2][4];
	struct server_names names;
	uint32_t pool_by_slot[2];
	uint16_t port;
	bool client_stays; /* does not close its side */
};

/* ---- clients and servers --------------------------------------------------------------------- */

static struct hello_world *
world_of(void *arg)
{
	return ((struct proxy_peer *)arg)->wire->user;
}

static struct end *
end_of(void *arg)
{
	return &world_of(arg)->ends[((struct proxy_peer *)arg)->where];
}

static uint64_t
on_accepted(void *arg, tcp_handle h, uint32_t listener, const struct tuple *tuple)
{
	(void)listener;
	*end_of(arg) = (struct end){ .handle = h, .open = true, .local = tuple->dst };
	return 0;
}

static void
on_connected(void *arg, tcp_handle h, uint64_t user)
{
	(void)h;
	(void)user;
	end_of(arg)->open = true;
}

static void
on_received(void *arg, tcp_handle h, uint64_t user, struct rte_mbuf *chain, uint32_t length)
{
	struct proxy_peer *p = arg;
	struct end *e = end_of(arg);
	bool first = e->n == 0;
	uint8_t bytes[sizeof(e->got)];

	(void)user;
	CU_ASSERT_FATAL(e->n + length <= sizeof(e->got));
	memcpy(e->got + e->n, rte_pktmbuf_read(chain, 0, length, bytes), length);
	e->n += length;
	rte_pktmbuf_free(chain);
	tcp_credit(p->tcp, h, length);
	if (p->where == SERVER && first)
		tcp_send(p->tcp, h, fixture_mbuf(ANSWER, strlen(ANSWER)));
}

/* Each closes when the other one has. */
static void
on_half_closed(void *arg, tcp_handle h, uint64_t user)
{
	struct proxy_peer *p = arg;

	(void)user;
	end_of(arg)->half_closed = true;
	if (p->where == SERVER || !world_of(arg)->client_stays)
		tcp_shutdown(p->tcp, h);
}

static void
on_closed(void *arg, tcp_handle h, uint64_t user, enum tcp_close_cause cause)
{
	(void)h;
	(void)user;
	end_of(arg)->closed = true;
	end_of(arg)->cause = cause;
}

/* ---- the world ------------------------------------------------------------------------------- */

static void
step(struct hello_world *w)
{
	w->wire.now += MS;
	proxy_wire_peer(&w->wire, &w->wire.peers[CLIENT]);
	proxy_wire_peer(&w->wire, &w->wire.peers[SERVER]);
	proxy_wire_worker(&w->wire);
}

static void
steps(struct hello_world *w, uint32_t n)
{
	while (n--)
		step(w);
}

static void
add_name(struct hello_world *w, bool suffix, const char *name, uint32_t pool)
{
	struct host_table *table = suffix ? &w->names.suffixes : &w->names.exact;
	struct host_slot *slot;
	struct host host;

	table->slots = w->slots[suffix];
	table->mask = 3;
	host_read(&host, (const uint8_t *)name, strlen(name));
	slot = host_add(table, NULL, 0, &host);
	slot->value[0] = pool;
	slot->value[1] = 1;
}

/* Pool 0 has the backends .1 and .2, for shop.example and who is in no rule; pool 1 has .3, for
 * all names below it. */
static struct hello_world *
world_create(const struct proxy_plan *plan)
{
	const struct tcp_calls events = {
		.accepted = on_accepted,
		.connected = on_connected,
		.received = on_received,
		.half_closed = on_half_closed,
		.closed = on_closed,
	};
	struct hello_world *w = calloc(1, sizeof(*w));
	uint32_t other, i;

	CU_ASSERT_FATAL(w != NULL);
	proxy_wire_create(&w->wire, plan, &events);
	w->wire.user = w;
	w->f = w->wire.f;
	other = fixture_service(w->f, plan->ip6 ? "2001:db8::11/128" : "192.0.2.11/32", 6, 80,
				MODE_PROXY);
	i = fixture_backend(w->f, other, plan->ip6 ? "fd00::3" : "10.0.0.3", 8080);
	w->f->backends[i].nexthop = 0;
	w->f->backends[i].sources_count = 1;
	w->f->backends[i].weight = 100;
	w->f->pools[0].epoch = w->f->pools[1].epoch = 1;
	w->pool_by_slot[1] = 1;
	w->f->snapshot.pool_by_slot = w->pool_by_slot;
	w->f->snapshot.n_pool_slots = 2;
	add_name(w, false, "shop.example", 0);
	add_name(w, true, "shop.example", 1);
	w->names.fallback = (struct server_pool){ 0, 1 };
	w->wire.settings[0].names = &w->names;
	w->wire.settings[0].timeout_hello = 500 * MS;
	w->port = 5000;
	proxy_wire_start(&w->wire);
	proxy_iterate(w->f->worker);
	return w;
}

/* Nothing is left of anything. */
static void
world_destroy(struct hello_world *w)
{
	CU_ASSERT_PTR_NULL(w->wire.wrong);
	CU_ASSERT_EQUAL(proxy_sessions(worker_proxy(w->f->worker)), 0);
	CU_ASSERT_EQUAL(proxy_wire_connections(&w->wire), 0);
	CU_ASSERT_PTR_NULL(tcp_check(proxy_tcp(worker_proxy(w->f->worker))));
	proxy_wire_destroy(&w->wire);
	free(w);
	CU_ASSERT_EQUAL(fixture_mbufs_in_use(), 0);
}

static uint64_t
bad(const struct hello_world *w, enum tls_bad reason)
{
	return proxy_hellos_bad(worker_proxy(w->f->worker))[reason];
}

static uint64_t
drops(const struct hello_world *w, enum drop_reason reason)
{
	return w->f->worker->service_drops[0][reason];
}

static void
open_client(struct hello_world *w)
{
	memset(w->ends, 0, sizeof(w->ends));
	CU_ASSERT_FATAL(proxy_wire_connect(&w->wire, w->port++, 0, &w->ends[CLIENT].handle));
	while (!w->ends[CLIENT].open)
		step(w);
}

static void
say(struct hello_world *w, const void *bytes, size_t n)
{
	CU_ASSERT_EQUAL(
	    tcp_send(w->wire.peers[CLIENT].tcp, w->ends[CLIENT].handle, fixture_mbuf(bytes, n)), 0);
}

/* In pieces, a millisecond apart. */
static void
say_in_pieces(struct hello_world *w, const uint8_t *bytes, size_t n, size_t piece)
{
	size_t at, now;

	for (at = 0; at < n; at += now) {
		now = n - at < piece ? n - at : piece;
		say(w, bytes + at, now);
		step(w);
	}
}

/* A hello in one record, with that name unless it is NULL; its length. */
static size_t
make_hello(uint8_t *out, const char *name)
{
	size_t length = name ? strlen(name) : 0, extensions = name ? length + 9 : 0;
	size_t message = 2 + 32 + 1 + 4 + 2 + 2 + extensions, at = 0;
	const uint8_t head[] = { 22,
				 3,
				 1,
				 (uint8_t)((message + 4) >> 8),
				 (uint8_t)(message + 4),
				 1,
				 0,
				 0,
				 (uint8_t)message,
				 3,
				 3 };
	const uint8_t middle[] = { 0, 0, 2, 0x13, 1, 1, 0, 0, (uint8_t)extensions };
	const uint8_t before[] = {
		0, 0, 0, (uint8_t)(length + 5), 0, (uint8_t)(length + 3), 0, 0, (uint8_t)length
	};

	memcpy(out, head, sizeof(head));
	at = sizeof(head);
	memset(out + at, 0x77, 32);
	at += 32;
	memcpy(out + at, middle, sizeof(middle));
	at += sizeof(middle);
	if (!name)
		return at;
	memcpy(out + at, before, sizeof(before));
	memcpy(out + at + sizeof(before), name, length);
	return at + sizeof(before) + length;
}

/* A hello in such pieces, and more behind it, reaches the server as it is, and the answer comes
 * back. True: it was a backend of the second pool. */
static bool
reaches(struct hello_world *w, const char *name, size_t piece)
{
	uint8_t bytes[HELLO_MOST];
	size_t n = make_hello(bytes, name);
	struct end *client = &w->ends[CLIENT], *server = &w->ends[SERVER];

	memcpy(bytes + n, BEHIND, strlen(BEHIND));
	n += strlen(BEHIND);
	open_client(w);
	say_in_pieces(w, bytes, n, piece);
	while (!client->closed && w->wire.now < 100000000 * MS &&
	       (server->n < n || client->n < strlen(ANSWER)))
		step(w);
	CU_ASSERT(server->n == n && memcmp(server->got, bytes, n) == 0);
	CU_ASSERT(client->n == strlen(ANSWER) && memcmp(client->got, ANSWER, client->n) == 0);
	tcp_shutdown(w->wire.peers[CLIENT].tcp, client->handle);
	for (n = 0; n < 20000 && !client->closed; n++)
		step(w);
	CU_ASSERT(client->closed && client->cause == TCP_CLOSED_DONE);
	return server->local.b[15] == 3;
}

/* The client says this; it gets an alert for the reason, and the end. */
static void
refused(struct hello_world *w, const void *bytes, size_t n, enum tls_bad reason)
{
	uint64_t before = bad(w, reason);
	struct end *client = &w->ends[CLIENT];
	uint8_t alert[TLS_ALERT_BYTES];
	uint32_t i;

	tls_alert_write(reason, alert);
	open_client(w);
	if (n)
		say(w, bytes, n);
	for (i = 0; i < 1000 && !client->closed; i++)
		step(w);
	CU_ASSERT(client->closed && client->cause == TCP_CLOSED_DONE);
	CU_ASSERT(client->n == sizeof(alert) && memcmp(client->got, alert, sizeof(alert)) == 0);
	CU_ASSERT_EQUAL(bad(w, reason), before + 1);
	CU_ASSERT(!w->ends[SERVER].open);
	CU_ASSERT_EQUAL(proxy_sessions(worker_proxy(w->f->worker)), 0);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void
test_pools(void)
{
	struct proxy_plan plan = { .seed = 1 };
	uint64_t hellos;

	for (; plan.seed <= 2; plan.seed++) {
		struct hello_world *w = world_create(&plan);

		CU_ASSERT(!reaches(w, "shop.example", HELLO_MOST));
		CU_ASSERT(!reaches(w, "SHOP.example", 1));
		CU_ASSERT(reaches(w, "www.shop.example", HELLO_MOST));
		CU_ASSERT(reaches(w, "a.b.Shop.Example", 7));
		CU_ASSERT(!reaches(w, "xshop.example", HELLO_MOST));
		CU_ASSERT(!reaches(w, "example", 50));
		CU_ASSERT(!reaches(w, NULL, HELLO_MOST));
		CU_ASSERT(!reaches(w, "192.0.2.77", HELLO_MOST));
		hellos = proxy_counters(worker_proxy(w->f->worker))->hellos;
		CU_ASSERT_EQUAL(hellos, 8);
		CU_ASSERT_EQUAL(proxy_counters(worker_proxy(w->f->worker))->hellos_refused, 0);
		world_destroy(w);
		plan.ip6 = true;
	}
}

static void
test_losses(void)
{
	struct proxy_plan plan = { .lose_one_in = 15 };

	for (plan.seed = 1; plan.seed <= 12; plan.seed++) {
		struct hello_world *w;

		plan.ip6 = plan.seed & 1;
		w = world_create(&plan);
		w->wire.settings[0].timeout_hello = 60000 * MS;
		CU_ASSERT(reaches(w, "www.shop.example", 1 + 11 * plan.seed));
		world_destroy(w);
	}
}

/* Without a pool for others. */
static void
test_no_pool(void)
{
	struct proxy_plan plan = { .seed = 3 };
	uint8_t bytes[HELLO_MOST];
	struct hello_world *w = world_create(&plan);

	w->names.fallback = (struct server_pool){ UINT32_MAX, 0 };
	refused(w, bytes, make_hello(bytes, NULL), TLS_HELLO_BAD_NAME_MISSING);
	refused(w, bytes, make_hello(bytes, "192.0.2.77"), TLS_HELLO_BAD_NAME_MISSING);
	refused(w, bytes, make_hello(bytes, "other.example"), TLS_HELLO_BAD_NAME_UNKNOWN);
	CU_ASSERT_EQUAL(drops(w, DROP_SERVER_NAME), 3);
	CU_ASSERT_EQUAL(drops(w, DROP_TLS_HELLO), 0);
	CU_ASSERT(reaches(w, "www.shop.example", HELLO_MOST));
	world_destroy(w);
}

static void
test_bad(void)
{
	static const char http[] = "GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n";
	struct proxy_plan plan = { .seed = 4, .ip6 = true };
	struct hello_world *w = world_create(&plan);
	uint8_t bytes[HELLO_MOST];
	size_t n = make_hello(bytes, "sh op.example");

	refused(w, http, strlen(http), TLS_HELLO_BAD_RECORD_TYPE);
	refused(w, bytes, n, TLS_HELLO_BAD_NAME_INVALID);
	bytes[0] = 0x80;
	refused(w, bytes, 2, TLS_HELLO_BAD_TIMEOUT);
	bytes[2] = 1;
	refused(w, bytes, n, TLS_HELLO_BAD_SSLV2);
	CU_ASSERT_EQUAL(drops(w, DROP_TLS_HELLO), 4);
	CU_ASSERT_EQUAL(proxy_counters(worker_proxy(w->f->worker))->hellos_refused, 4);
	world_destroy(w);
}

/* Nothing, half of it, half of it and the end. */
static void
test_incomplete(void)
{
	struct proxy_plan plan = { .seed = 5 };
	struct hello_world *w = world_create(&plan);
	uint8_t bytes[HELLO_MOST];
	size_t n = make_hello(bytes, "shop.example");
	uint64_t begin = w->wire.now;

	refused(w, bytes, 0, TLS_HELLO_BAD_TIMEOUT);
	refused(w, bytes, n - 1, TLS_HELLO_BAD_TIMEOUT);
	CU_ASSERT(w->wire.now - begin > 1000 * MS && w->wire.now - begin < 1200 * MS);
	open_client(w);
	say(w, bytes, n / 2);
	tcp_shutdown(w->wire.peers[CLIENT].tcp, w->ends[CLIENT].handle);
	steps(w, 200);
	CU_ASSERT_EQUAL(bad(w, TLS_HELLO_BAD_INCOMPLETE), 1);
	CU_ASSERT_EQUAL(w->ends[CLIENT].n, TLS_ALERT_BYTES);
	/* Who has only looked whether somebody listens is told nothing, and is no fault. */
	open_client(w);
	tcp_shutdown(w->wire.peers[CLIENT].tcp, w->ends[CLIENT].handle);
	steps(w, 200);
	CU_ASSERT_EQUAL(bad(w, TLS_HELLO_BAD_INCOMPLETE), 1);
	CU_ASSERT_EQUAL(w->ends[CLIENT].n, 0);
	CU_ASSERT_EQUAL(proxy_counters(worker_proxy(w->f->worker))->hellos_refused, 3);
	world_destroy(w);
}

/* Who was refused and does not go is reset after a while; what it sends meanwhile, which is more
 * than windows and buffers hold, is thrown away. */
static void
test_stays(void)
{
	static const uint8_t more[1400];
	struct proxy_plan plan = { .seed = 6 };
	struct hello_world *w = world_create(&plan);
	uint32_t i;

	w->client_stays = true;
	open_client(w);
	say(w, "GET ", 4);
	for (i = 0; i < 4900; i++) {
		if (i % 10 == 0)
			say(w, more, sizeof(more));
		step(w);
	}
	CU_ASSERT(w->ends[CLIENT].half_closed && !w->ends[CLIENT].closed);
	CU_ASSERT_EQUAL(proxy_sessions(worker_proxy(w->f->worker)), 1);
	steps(w, 300);
	CU_ASSERT_EQUAL(w->ends[CLIENT].cause, TCP_CLOSED_RESET);
	world_destroy(w);
}

/* PROXY headers before the hello, the client's and ours, in one segment and in many. */
static void
test_headers(void)
{
	static const char line[] = "PROXY TCP4 192.0.2.77 192.0.2.10 7 80\r\n";
	struct proxy_plan plan = { .seed = 7 };
	struct hello_world *w = world_create(&plan);
	uint8_t bytes[HELLO_MOST];
	size_t n = strlen(line), piece;

	memcpy(bytes, line, n);
	n += make_hello(bytes + n, "www.shop.example");
	w->wire.settings[0].accept_header = true;
	w->wire.settings[0].header = PROXY_HEADER_V1;
	for (piece = 1; piece <= HELLO_MOST; piece *= 20) {
		open_client(w);
		say_in_pieces(w, bytes, n, piece);
		steps(w, 100);
		CU_ASSERT(w->ends[SERVER].n == n && memcmp(w->ends[SERVER].got, bytes, n) == 0);
		CU_ASSERT_EQUAL(w->ends[SERVER].local.b[15], 3);
		tcp_shutdown(w->wire.peers[CLIENT].tcp, w->ends[CLIENT].handle);
		steps(w, 1000);
	}
	world_destroy(w);
}

/* The first backend refuses: the other one of the same pool gets the hello. Both refuse, or the
 * pool is gone by then: there is none. */
static void
test_retries(void)
{
	struct proxy_plan plan = { .seed = 8 };
	struct hello_world *w = world_create(&plan);
	uint8_t bytes[HELLO_MOST];
	size_t n = make_hello(bytes, "shop.example");
	uint32_t i;

	w->f->backends[0].port = htons(8081);
	for (i = 0; i < 6; i++)
		CU_ASSERT(!reaches(w, "shop.example", HELLO_MOST));
	CU_ASSERT(proxy_counters(worker_proxy(w->f->worker))->backends_failed > 0);
	w->f->backends[1].port = htons(8081);
	for (i = 0; i < 2; i++) {
		open_client(w);
		say(w, bytes, n);
		w->f->pools[0].epoch = 1 + i;
		steps(w, 200);
		CU_ASSERT_EQUAL(w->ends[CLIENT].cause, TCP_CLOSED_RESET);
		CU_ASSERT(!w->ends[SERVER].open);
	}
	CU_ASSERT_EQUAL(drops(w, DROP_CONNECT_FAILED), 1);
	CU_ASSERT_EQUAL(drops(w, DROP_NO_BACKEND), 1);
	world_destroy(w);
}

/* What explain asks. */
static void
test_peek(void)
{
	struct proxy_plan plan = { .seed = 9 };
	struct hello_world *w = world_create(&plan);
	struct packet p = { .service = 0 };
	struct proxy_peek peek;

	proxy_peek(w->f->worker, &p, "www.shop.example", &peek);
	CU_ASSERT(peek.by_name && !peek.no_pool && !peek.by_row && peek.backend == 2);
	proxy_peek(w->f->worker, &p, "", &peek);
	CU_ASSERT(peek.by_name && !peek.no_pool && peek.by_row && peek.backend < 2);
	w->names.fallback.slot = UINT32_MAX;
	proxy_peek(w->f->worker, &p, "", &peek);
	CU_ASSERT(peek.by_name && peek.no_pool && peek.backend == INDEX_NONE);
	w->wire.settings[0].names = NULL;
	proxy_peek(w->f->worker, &p, "", &peek);
	CU_ASSERT(!peek.by_name && !peek.no_pool && peek.backend < 2);
	world_destroy(w);
}

int
test_proxy_hello_register(void)
{
	CU_TestInfo tests[] = {
		{ "pools by name", test_pools },
		{ "... over a wire that loses and turns round", test_losses },
		{ "no pool for others", test_no_pool },
		{ "bad hellos", test_bad },
		{ "hellos that do not end", test_incomplete },
		{ "a client that stays", test_stays },
		{ "PROXY headers", test_headers },
		{ "backends that refuse, and a pool that goes", test_retries },
		{ "what explain sees", test_peek },
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = { { "proxy hello", NULL, NULL, NULL, NULL, tests },
				  CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two instances of the workers' TCP, back to back: what one sends comes in at the other after a
 * millisecond of time that the test makes. The wire copies, as a network does.
 *
 *     user 0 <-> instance 0 <== wire, may lose, turn round ==> instance 1 <-> user 1
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "dp/tcp/tcp.h"
#include "fixture.h"
#include "suites.h"

#define MS     1000000ull
#define ENDS   2
#define WIRE   4096
#define STREAM 300000

struct frame {
	uint16_t length;
	uint8_t bytes[2048];
};

struct end {
	struct pair *pair;
	uint32_t index;
	struct tcp *tcp;
	tcp_handle handle;
	uint32_t accepted, connected, half_closed, closed, room;
	enum tcp_close_cause cause;
	uint64_t received; /* bytes, all as pattern() says */
	uint64_t sent, to_send;
	uint32_t held; /* bytes received and not credited, if hold */
	bool hold, wrong, shut;
};

struct pair {
	struct end ends[ENDS];
	struct frame *wire[ENDS]; /* to ends[i] */
	struct frame *spare;
	uint32_t n_wire[ENDS];
	uint64_t now;
	uint64_t random;
	uint32_t lose_one_in;
	bool ipv6;
};

static uint8_t
pattern(uint64_t at)
{
	return (uint8_t)(at * 7 + (at >> 8));
}

static struct tuple
tuple_to(const struct pair *p, uint32_t receiver)
{
	const char *a = p->ipv6 ? "2001:db8::1" : "192.0.2.1";
	const char *b = p->ipv6 ? "2001:db8::2" : "192.0.2.2";
	struct tuple t = { .proto = 6 };

	t.src = fixture_addr(receiver ? a : b);
	t.dst = fixture_addr(receiver ? b : a);
	t.sport = receiver ? htons(4000) : htons(80);
	t.dport = receiver ? htons(80) : htons(4000);
	return t;
}

static uint64_t
random_of(struct pair *p)
{
	p->random ^= p->random << 13;
	p->random ^= p->random >> 7;
	p->random ^= p->random << 17;
	return p->random;
}

/* ---- calls of the instances ----------------------------------------------------------------- */

static void
on_output(void *arg, struct rte_mbuf *m, uint64_t route)
{
	struct end *e = arg;
	struct pair *p = e->pair;
	uint32_t to = !e->index;
	struct frame *f;
	const void *from;

	CU_ASSERT_EQUAL(route, 7 + e->index);
	if (p->lose_one_in && random_of(p) % p->lose_one_in == 0) {
		rte_pktmbuf_free(m);
		return;
	}
	CU_ASSERT_FATAL(p->n_wire[to] < WIRE && m->pkt_len <= sizeof(f->bytes));
	f = &p->wire[to][p->n_wire[to]++];
	f->length = (uint16_t)m->pkt_len;
	from = rte_pktmbuf_read(m, 0, m->pkt_len, f->bytes);
	if (from != f->bytes)
		memcpy(f->bytes, from, m->pkt_len);
	rte_pktmbuf_free(m);
}

static uint64_t
on_random(void *arg)
{
	return random_of(((struct end *)arg)->pair);
}

static uint64_t
on_accepted(void *arg, tcp_handle h, uint32_t listener, const struct tuple *tuple)
{
	struct end *e = arg;

	CU_ASSERT_EQUAL(listener, 3);
	CU_ASSERT_EQUAL(tuple->dport, htons(80));
	e->accepted++;
	e->handle = h;
	return 42;
}

static void
on_connected(void *arg, tcp_handle h, uint64_t user)
{
	struct end *e = arg;

	CU_ASSERT_EQUAL(user, 42);
	CU_ASSERT_EQUAL(h, e->handle);
	e->connected++;
}

static void
on_received(void *arg, tcp_handle h, uint64_t user, struct rte_mbuf *chain, uint32_t length)
{
	struct end *e = arg;
	uint32_t i, n = 0;

	CU_ASSERT_EQUAL(user, 42);
	for (struct rte_mbuf *m = chain; m; m = m->next) {
		for (i = 0; i < m->data_len; i++, n++) {
			if (*rte_pktmbuf_mtod_offset(m, uint8_t *, i) != pattern(e->received + n))
				e->wrong = true;
		}
	}
	if (n != length || !chain || chain->pkt_len != length)
		e->wrong = true;
	e->received += length;
	rte_pktmbuf_free(chain);
	if (e->hold)
		e->held += length;
	else
		tcp_credit(e->tcp, h, length);
}

static void
on_room(void *arg, tcp_handle h, uint64_t user)
{
	(void)h;
	(void)user;
	((struct end *)arg)->room++;
}

static void
on_half_closed(void *arg, tcp_handle h, uint64_t user)
{
	(void)h;
	(void)user;
	((struct end *)arg)->half_closed++;
}

static void
on_closed(void *arg, tcp_handle h, uint64_t user, enum tcp_close_cause cause)
{
	struct end *e = arg;

	CU_ASSERT_EQUAL(user, 42);
	CU_ASSERT_EQUAL(h, e->handle);
	e->closed++;
	e->cause = cause;
}

/* ---- the pair ------------------------------------------------------------------------------- */

static struct tcp *
instance(struct end *e)
{
	struct tcp_calls calls = {
		.arg = e,
		.output = on_output,
		.random = on_random,
		.accepted = on_accepted,
		.connected = on_connected,
		.received = on_received,
		.room = on_room,
		.half_closed = on_half_closed,
		.closed = on_closed,
	};
	struct tcp_settings settings = {
		.connections = 16,
		.sent_records = 4096,
		.socket = SOCKET_ID_ANY,
		.mbufs = fixture_pool(),
		.clones = fixture_pool(),
		.secret = { 1, 2, 3, (uint8_t)e->index },
	};

	return tcp_create(&settings, &calls, e->pair->now);
}

static struct pair *
pair_create(void)
{
	struct pair *p = calloc(1, sizeof(*p));
	uint32_t i;

	if (!p)
		abort();
	p->now = 1000 * MS;
	p->random = 88172645463325252ull;
	p->spare = calloc(WIRE, sizeof(*p->spare));
	for (i = 0; i < ENDS; i++) {
		p->wire[i] = calloc(WIRE, sizeof(*p->wire[i]));
		p->ends[i].pair = p;
		p->ends[i].index = i;
		p->ends[i].tcp = instance(&p->ends[i]);
		CU_ASSERT_FATAL(p->spare && p->wire[i] && p->ends[i].tcp);
	}
	return p;
}

static void
pair_destroy(struct pair *p)
{
	uint32_t i;

	for (i = 0; i < ENDS; i++) {
		tcp_destroy(p->ends[i].tcp);
		free(p->wire[i]);
	}
	free(p->spare);
	free(p);
	CU_ASSERT_EQUAL(fixture_mbufs_in_use(), 0);
}

static void
come_in(struct pair *p, uint32_t to)
{
	struct frame *frames = p->wire[to];
	uint32_t n = p->n_wire[to], i;
	struct tuple tuple = tuple_to(p, to);

	/* Answers leave while frames come in: they go to the other array. */
	p->wire[to] = p->spare;
	p->spare = frames;
	p->n_wire[to] = 0;
	for (i = 0; i < n; i++) {
		struct tcp_packet packet = {
			.mbuf = fixture_mbuf(frames[i].bytes, frames[i].length),
			.tuple = &tuple,
			.route = 7 + to,
			.listener = to ? 3 : TCP_LISTENER_NONE,
			.l4 = p->ipv6 ? 40 : 20,
			.ip_len = frames[i].length,
		};

		tcp_input(p->ends[to].tcp, &packet, 1, p->now);
	}
}

static void
write_more(struct end *e)
{
	uint8_t bytes[1200];
	uint32_t n, i;
	int rc = 0;

	while (e->connected + e->accepted && e->sent < e->to_send && !rc) {
		struct rte_mbuf *m;

		n = (uint32_t)RTE_MIN(sizeof(bytes) - e->sent % 1100, e->to_send - e->sent);
		for (i = 0; i < n; i++)
			bytes[i] = pattern(e->sent + i);
		m = fixture_mbuf(bytes, n);
		rc = tcp_send(e->tcp, e->handle, m);
		if (rc)
			rte_pktmbuf_free(m);
		else
			e->sent += n;
	}
	if (!rc && e->shut && e->sent == e->to_send && e->connected + e->accepted)
		tcp_shutdown(e->tcp, e->handle);
}

/* A millisecond of both. */
static void
step(struct pair *p)
{
	uint32_t i;

	p->now += MS;
	for (i = 0; i < ENDS; i++) {
		struct end *e = &p->ends[i];
		const char *wrong;

		come_in(p, i);
		write_more(e);
		tcp_advance(e->tcp, p->now);
		tcp_flush(e->tcp, p->now);
		wrong = tcp_check(e->tcp);
		if (wrong) {
			fprintf(stderr, "end %u: %s\n", i, wrong);
			CU_FAIL("tcp_check");
		}
	}
}

static void
steps(struct pair *p, uint32_t n)
{
	while (n--)
		step(p);
}

static void
open_pair(struct pair *p, const struct tcp_options *options)
{
	struct tcp_connect c = {
		.tuple = tuple_to(p, 0), .route = 7, .user = 42, .options = options
	};

	CU_ASSERT_EQUAL(tcp_listen(p->ends[1].tcp, 3, options), 0);
	CU_ASSERT_EQUAL(tcp_connect(p->ends[0].tcp, &c, &p->ends[0].handle), 0);
}

/* ---- tests ---------------------------------------------------------------------------------- */

static void
opens_sends_closes(bool ipv6, const struct tcp_options *options, uint32_t lose_one_in)
{
	struct pair *p = pair_create();
	struct tcp_usage usage;
	uint32_t i, limit;

	p->ipv6 = ipv6;
	p->lose_one_in = lose_one_in;
	open_pair(p, options);
	for (i = 0; i < ENDS; i++) {
		p->ends[i].to_send = STREAM;
		p->ends[i].shut = true;
	}
	for (limit = 0; limit < 60000 && !(p->ends[0].closed && p->ends[1].closed); limit++)
		step(p);
	for (i = 0; i < ENDS; i++) {
		const struct end *e = &p->ends[i];

		CU_ASSERT_EQUAL(e->accepted, i);
		CU_ASSERT_EQUAL(e->connected, 1 - i);
		CU_ASSERT_EQUAL(e->received, STREAM);
		CU_ASSERT_FALSE(e->wrong);
		CU_ASSERT_EQUAL(e->half_closed, 1);
		CU_ASSERT_EQUAL(e->closed, 1);
		CU_ASSERT_EQUAL(e->cause, TCP_CLOSED_DONE);
	}
	if (getenv("TCP_SHOW"))
		fprintf(stderr, "lose 1/%u: %u ms, rto %lu tlp %lu again %lu\n", lose_one_in, limit,
			tcp_counters(p->ends[0].tcp)->rto, tcp_counters(p->ends[0].tcp)->tlp,
			tcp_counters(p->ends[0].tcp)->retransmits);
	p->lose_one_in = 0;
	steps(p, 62000);
	for (i = 0; i < ENDS; i++) {
		tcp_usage(p->ends[i].tcp, &usage);
		CU_ASSERT_EQUAL(usage.connections, 0);
		CU_ASSERT_EQUAL(usage.timers, 0);
		CU_ASSERT_EQUAL(usage.records, 0);
		CU_ASSERT_EQUAL(usage.buffers, 0);
	}
	CU_ASSERT_EQUAL(fixture_mbufs_in_use(), 0);
	pair_destroy(p);
}

static void
test_both_ways(void)
{
	opens_sends_closes(false, NULL, 0);
	opens_sends_closes(true, NULL, 0);
}

static void
test_without_options(void)
{
	struct tcp_options plain = {
		.no_timestamps = true, .no_sack = true, .no_window_scale = true, .no_ecn = true
	};

	opens_sends_closes(false, &plain, 0);
	opens_sends_closes(false, &plain, 20);
}

static void
test_losses(void)
{
	struct tcp_options reno = { .no_rack = true, .no_cubic = true };

	opens_sends_closes(false, NULL, 50);
	opens_sends_closes(true, NULL, 10);
	opens_sends_closes(false, &reno, 20);
}

/* A user that does not read: the window closes, is probed, and opens again. */
static void
test_closed_window(void)
{
	struct pair *p = pair_create();
	struct tcp_options small = { .receive_window = 20000 };
	struct end *reader = &p->ends[1];

	open_pair(p, &small);
	p->ends[0].to_send = 100000;
	reader->hold = true;
	steps(p, 2000);
	CU_ASSERT_EQUAL(reader->received, reader->held);
	CU_ASSERT(reader->received <= 20000 && reader->received > 18000);
	CU_ASSERT(tcp_counters(p->ends[0].tcp)->zero_window_probes > 0);
	reader->hold = false;
	tcp_credit(reader->tcp, reader->handle, reader->held);
	steps(p, 200);
	CU_ASSERT_EQUAL(reader->received, 100000);
	CU_ASSERT_FALSE(reader->wrong);
	pair_destroy(p);
}

static void
test_refused_and_aborted(void)
{
	struct pair *p = pair_create();
	struct tcp_connect c = { .tuple = tuple_to(p, 0), .route = 7, .user = 42 };
	tcp_handle before;

	CU_ASSERT_EQUAL(tcp_connect(p->ends[0].tcp, &c, &p->ends[0].handle), 0);
	CU_ASSERT_EQUAL(tcp_connect(p->ends[0].tcp, &c, &before), -EADDRINUSE);
	steps(p, 5);
	CU_ASSERT_EQUAL(p->ends[0].closed, 1);
	CU_ASSERT_EQUAL(p->ends[0].cause, TCP_CLOSED_REFUSED);
	before = p->ends[0].handle;

	open_pair(p, NULL);
	steps(p, 5);
	CU_ASSERT_EQUAL(p->ends[0].connected, 1);
	CU_ASSERT_EQUAL(tcp_set_user(p->ends[0].tcp, before, 1), -ENOENT);
	tcp_abort(p->ends[0].tcp, p->ends[0].handle);
	CU_ASSERT_EQUAL(tcp_set_user(p->ends[0].tcp, p->ends[0].handle, 1), -ENOENT);
	steps(p, 5);
	CU_ASSERT_EQUAL(p->ends[0].closed, 1);
	CU_ASSERT_EQUAL(p->ends[1].closed, 1);
	CU_ASSERT_EQUAL(p->ends[1].cause, TCP_CLOSED_RESET);
	pair_destroy(p);
}

static void
test_cookies(void)
{
	struct tcp_options always = { .syn_cookies_always = true };

	opens_sends_closes(false, &always, 0);
	opens_sends_closes(true, &always, 30);
}

static void
test_keepalive(void)
{
	struct pair *p = pair_create();
	struct tcp_options o = { .keepalive_ms = 100,
				 .keepalive_interval_ms = 50,
				 .keepalive_probes = 3 };

	open_pair(p, &o);
	steps(p, 1000);
	CU_ASSERT_EQUAL(p->ends[0].closed, 0);
	CU_ASSERT(tcp_counters(p->ends[0].tcp)->keepalive_probes >= 1);
	p->lose_one_in = 1;
	steps(p, 600);
	CU_ASSERT_EQUAL(p->ends[0].closed, 1);
	CU_ASSERT_EQUAL(p->ends[0].cause, TCP_CLOSED_KEEPALIVE);
	pair_destroy(p);
}

int
test_tcp_pair_register(void)
{
	static const CU_TestInfo tests[] = {
		{ "both ways, half-closed, closed, nothing left", test_both_ways },
		{ "a peer without any option", test_without_options },
		{ "losses", test_losses },
		{ "a closed window", test_closed_window },
		{ "refused, aborted, stale handles", test_refused_and_aborted },
		{ "SYN cookies", test_cookies },
		{ "keep-alive", test_keepalive },
		CU_TEST_INFO_NULL,
	};

	return suite_add("tcp: two instances", tests);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Listeners: what becomes of the one leg's data when the other one is reset, and how long a leg may
 * take. One connection; the fast end says all that it has at once, the slow one reads as the test
 * wants. */
#include <stdlib.h>

#include <CUnit/CUnit.h>

#include "proxy_wire.h"
#include "suites.h"

#define REQUEST 100000u /* bytes that nobody reads */
#define IDLE_MS 400u
#define TOTAL   400000u /* more than an end takes that reads nothing */

struct end {
	tcp_handle handle;
	uint32_t received, unread, reads; /* reads: bytes a step */
	uint32_t to_send;
	bool open, half_closed, closed, wrong;
	enum tcp_close_cause cause;
};

struct world {
	struct proxy_wire wire;
	struct end ends[2];
	enum where gone; /* if is_gone: hears and says nothing any more */
	bool is_gone;
};

static struct end *
end_of(void *arg)
{
	const struct proxy_peer *p = arg;

	return &((struct world *)p->wire->user)->ends[p->where];
}

static uint64_t
on_accepted(void *arg, tcp_handle h, uint32_t listener, const struct tuple *tuple)
{
	(void)listener;
	(void)tuple;
	end_of(arg)->handle = h;
	end_of(arg)->open = true;
	return 0;
}

static void
on_connected(void *arg, tcp_handle h, uint64_t user)
{
	(void)h;
	(void)user;
	end_of(arg)->open = true;
}

static uint8_t
pattern(uint32_t at)
{
	return (uint8_t)(at * 7 + (at >> 8));
}

static void
on_received(void *arg, tcp_handle h, uint64_t user, struct rte_mbuf *chain, uint32_t length)
{
	struct end *e = end_of(arg);
	struct rte_mbuf *m;
	uint16_t i;

	(void)h;
	(void)user;
	for (m = chain; m; m = m->next)
		for (i = 0; i < m->data_len; i++)
			e->wrong |=
			    *rte_pktmbuf_mtod_offset(m, uint8_t *, i) != pattern(e->received++);
	e->unread += length;
	rte_pktmbuf_free(chain);
}

static void
on_half_closed(void *arg, tcp_handle h, uint64_t user)
{
	(void)h;
	(void)user;
	end_of(arg)->half_closed = true;
}

static void
on_closed(void *arg, tcp_handle h, uint64_t user, enum tcp_close_cause cause)
{
	(void)h;
	(void)user;
	end_of(arg)->closed = true;
	end_of(arg)->cause = cause;
}

static void
say(struct proxy_peer *p, struct end *e, uint32_t *said)
{
	uint8_t bytes[1000];

	while (e->open && !e->closed && *said < e->to_send) {
		uint32_t n = RTE_MIN(e->to_send - *said, (uint32_t)sizeof(bytes)), i;
		struct rte_mbuf *m;

		for (i = 0; i < n; i++)
			bytes[i] = pattern(*said + i);
		m = fixture_mbuf(bytes, n);
		if (tcp_send(p->tcp, e->handle, m)) {
			rte_pktmbuf_free(m);
			return;
		}
		*said += n;
	}
}

static void
step(struct world *w, uint32_t said[2])
{
	uint32_t i;

	w->wire.now += MS;
	for (i = 0; i < 2; i++) {
		struct proxy_peer *p = &w->wire.peers[i];
		struct end *e = &w->ends[i];
		uint32_t n = RTE_MIN(e->reads, e->unread);

		tcp_credit(p->tcp, e->handle, n);
		e->unread -= n;
		say(p, e, &said[i]);
		if (w->is_gone && i == w->gone)
			w->wire.n_frames[i] = 0;
		proxy_wire_peer(&w->wire, p);
	}
	proxy_wire_worker(&w->wire);
}

static struct world *
world_create_as(bool ip6, uint64_t idle_ms, const struct proxy_keepalive *keepalive)
{
	const struct proxy_plan plan = { .seed = 8, .ip6 = ip6 };
	const struct tcp_calls events = {
		.accepted = on_accepted,
		.connected = on_connected,
		.received = on_received,
		.half_closed = on_half_closed,
		.closed = on_closed,
	};
	struct world *w = calloc(1, sizeof(*w));
	uint32_t said[2] = { 0 }, i;

	CU_ASSERT_FATAL(w != NULL);
	proxy_wire_create(&w->wire, &plan, &events);
	w->wire.settings[0].timeout_idle = idle_ms * MS;
	w->wire.settings[0].keepalive = *keepalive;
	w->wire.user = w;
	proxy_wire_start(&w->wire);
	proxy_iterate(w->wire.f->worker);
	CU_ASSERT_FATAL(proxy_wire_connect(&w->wire, 5000, 0, &w->ends[CLIENT].handle));
	for (i = 0; i < 10; i++)
		step(w, said);
	CU_ASSERT_FATAL(w->ends[SERVER].open);
	return w;
}

static struct world *
world_create(bool ip6)
{
	return world_create_as(ip6, IDLE_MS, &(struct proxy_keepalive){ 0 });
}

static struct world *
world_create_probing(bool ip6)
{
	return world_create_as(
	    ip6, 3600000,
	    &(struct proxy_keepalive){ .idle_ms = 1000, .interval_ms = 200, .probes = 3 });
}

static struct proxy *
proxy_of(struct world *w)
{
	return worker_proxy(w->wire.f->worker);
}

/* Until the session is over; how many ms that took. */
static uint32_t
run(struct world *w, uint32_t said[2])
{
	uint32_t ms = 0;

	while (proxy_sessions(proxy_of(w)) && ms < 60000) {
		step(w, said);
		ms++;
	}
	step(w, said);
	CU_ASSERT_EQUAL(proxy_sessions(proxy_of(w)), 0);
	return ms;
}

static void
world_destroy(struct world *w)
{
	struct tcp_usage usage;

	tcp_usage(proxy_tcp(proxy_of(w)), &usage);
	CU_ASSERT_EQUAL(usage.buffers, 0);
	CU_ASSERT_EQUAL(proxy_wire_connections(&w->wire), 0);
	CU_ASSERT_PTR_NULL(w->wire.wrong);
	proxy_wire_destroy(&w->wire);
	free(w);
	CU_ASSERT_EQUAL(fixture_mbufs_in_use(), 0);
}

/* One end says so much and resets its connection right behind it, though the other end has said
 * what it does not read: that end gets all of it, and no FIN. */
static void
check_cut(enum where gone, uint32_t answer, bool ip6)
{
	struct world *w = world_create(ip6);
	struct end *from = &w->ends[gone], *to = &w->ends[!gone];
	struct proxy_peer *p = &w->wire.peers[gone];
	uint32_t said[2] = { 0 }, i;

	to->to_send = REQUEST;
	for (i = 0; i < 50; i++)
		step(w, said);
	from->to_send = answer;
	say(p, from, &said[gone]);
	CU_ASSERT_EQUAL(said[gone], answer);
	tcp_flush(p->tcp, w->wire.now);
	tcp_abort(p->tcp, from->handle);
	from->closed = true;
	to->reads = 50;
	run(w, said);
	CU_ASSERT_EQUAL(to->received, answer);
	CU_ASSERT(!to->wrong && !to->half_closed);
	CU_ASSERT(to->closed && to->cause == TCP_CLOSED_RESET);
	CU_ASSERT_EQUAL(proxy_counters(proxy_of(w))->aborted, 1);
	CU_ASSERT_EQUAL(proxy_counters(proxy_of(w))->idle_timeouts, 0);
	world_destroy(w);
}

static void
test_cut(void)
{
	check_cut(SERVER, 50, false);
	check_cut(SERVER, 10000, true);
	check_cut(CLIENT, 50, true);
	check_cut(CLIENT, 10000, false);
	check_cut(SERVER, 0, false);
}

/* The end that goes has had everything acknowledged, the other one reads it slowly. */
static void
check_slow(enum where gone, uint32_t reads, bool ends)
{
	struct world *w = world_create(gone == CLIENT);
	struct end *from = &w->ends[gone], *to = &w->ends[!gone];
	uint32_t said[2] = { 0 }, i, ms;

	from->to_send = TOTAL;
	to->reads = 300;
	for (i = 0; i < 150; i++)
		step(w, said);
	if (ends)
		tcp_shutdown(w->wire.peers[gone].tcp, from->handle);
	for (i = 0; i < 50; i++)
		step(w, said);
	CU_ASSERT(to->received < TOTAL);
	tcp_abort(w->wire.peers[gone].tcp, from->handle);
	from->closed = true;
	to->reads = reads;
	ms = run(w, said);
	CU_ASSERT(to->closed && to->cause == TCP_CLOSED_RESET);
	if (!reads) {
		CU_ASSERT(to->received < TOTAL && !to->half_closed);
		CU_ASSERT(ms >= IDLE_MS - 100 && ms < 8 * IDLE_MS);
		CU_ASSERT_EQUAL(proxy_counters(proxy_of(w))->idle_timeouts, 1);
	} else {
		CU_ASSERT_EQUAL(to->received, TOTAL);
		CU_ASSERT_EQUAL(to->half_closed, ends);
	}
	world_destroy(w);
}

static void
test_cut_slow(void)
{
	check_slow(SERVER, 200, false);
	check_slow(CLIENT, 200, false);
}

/* ... and had ended its side in good order before: that arrives, too. */
static void
test_cut_ended(void)
{
	check_slow(SERVER, 200, true);
	check_slow(CLIENT, 200, true);
}

/* Nothing is taken of it: no longer than the idle time. (But for a few probes, a byte each: the
 * window is told in steps of 16 bytes.) */
static void
test_cut_stuck(void)
{
	check_slow(SERVER, 0, false);
	check_slow(CLIENT, 0, false);
}

/* The idle time does not end a transfer of which something is taken all the time, though nothing
 * new comes: it begins when the last of it has been. */
static void
check_taken(enum where speaks)
{
	struct world *w = world_create(speaks == CLIENT);
	struct end *from = &w->ends[speaks], *to = &w->ends[!speaks];
	uint32_t said[2] = { 0 }, ms;

	from->to_send = TOTAL;
	to->reads = 150;
	ms = run(w, said);
	CU_ASSERT_EQUAL(to->received, TOTAL);
	CU_ASSERT(ms > 2 * IDLE_MS && ms < 4 * IDLE_MS);
	CU_ASSERT_EQUAL(proxy_counters(proxy_of(w))->idle_timeouts, 1);
	world_destroy(w);
}

static void
test_taken(void)
{
	check_taken(SERVER);
	check_taken(CLIENT);
}

/* A peer that is gone without a word is found by probes, and the other one is reset; one that is
 * there and silent may be so. */
static void
check_probed(enum where gone)
{
	struct world *w = world_create_probing(gone == CLIENT);
	uint32_t said[2] = { 0 }, i, ms;

	for (i = 0; i < 5000; i++)
		step(w, said);
	CU_ASSERT_EQUAL(proxy_sessions(proxy_of(w)), 1);
	w->gone = gone;
	w->is_gone = true;
	ms = run(w, said);
	CU_ASSERT(ms > 1000 && ms < 2500);
	CU_ASSERT(w->ends[!gone].closed && w->ends[!gone].cause == TCP_CLOSED_RESET);
	CU_ASSERT_EQUAL(proxy_counters(proxy_of(w))->idle_timeouts, 0);
	world_destroy(w);
}

static void
test_probed(void)
{
	check_probed(CLIENT);
	check_probed(SERVER);
}

int
test_proxy_cut_register(void)
{
	CU_TestInfo tests[] = {
		{ "an answer with a reset right behind it", test_cut },
		{ "... for a slow reader", test_cut_slow },
		{ "... behind an end in good order", test_cut_ended },
		{ "... for one that takes nothing", test_cut_stuck },
		{ "a slow reader is not idle", test_taken },
		{ "peers that are gone", test_probed },
		CU_TEST_INFO_NULL,
	};

	return suite_add("proxy: legs that are cut", tests);
}

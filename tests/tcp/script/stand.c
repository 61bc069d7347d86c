/* SPDX-License-Identifier: Apache-2.0 */
/* What a script is played against: a stack whose packets and events are kept until it looks. */
#include "tests/tcp/script/stand.h"

#include <CUnit/CUnit.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "tests/sim/content.h"
#include "tests/sim/nic.h"

#define POOL  2047
#define BEGIN 5000000000ull

const struct stand_pools *
stand_pools(void)
{
	static struct stand_pools made;

	if (made.headers)
		return &made;
	nic_start("tcp-tests", 128);
	made.headers = nic_pool("headers", POOL);
	made.clones = nic_clones("clones", POOL);
	made.wire = nic_pool("wire", POOL);
	made.user = nic_pool("user", POOL);
	return &made;
}

/* ---- what the stack calls ------------------------------------------------------------------- */

static void
note(struct script *s, const char *word, uint64_t number)
{
	struct script_event *e = &s->events[s->n_events % SCRIPT_EVENTS];

	snprintf(e->word, sizeof(e->word), "%s", word);
	e->number = number;
	s->n_events++;
}

static void
take_out(void *arg, const uint8_t *bytes, size_t len)
{
	struct script *s = arg;
	struct script_out *o = &s->out[s->n_out % SCRIPT_OUT];
	enum wire_error error;

	if (len > sizeof(o->bytes)) {
		s->failed = true;
		CU_FAIL("a packet that is too large");
		return;
	}
	o->at = s->now;
	o->len = len;
	memcpy(o->bytes, bytes, len);
	error = wire_parse(&o->wire, o->bytes, len);
	if (error != WIRE_OK) {
		s->failed = true;
		fprintf(stderr, "a packet with %s\n", wire_error_text(error));
		CU_FAIL("a packet that cannot be read");
		return;
	}
	if ((o->wire.flags & WIRE_SYN) && !s->has_isn) {
		s->isn = o->wire.seq;
		s->has_isn = true;
	}
	s->n_out++;
}

static void
output(void *arg, struct rte_mbuf *m, uint64_t route)
{
	(void)route;
	nic_transmit(m, take_out, arg);
	rte_pktmbuf_free(m);
}

static uint64_t
chance(void *arg)
{
	struct script *s = arg;

	return s->now * 0x9e3779b97f4a7c15ull;
}

static uint64_t
accepted(void *arg, tcp_handle h, uint32_t listener, const struct tuple *tuple)
{
	struct script *s = arg;

	(void)tuple;
	s->h = h;
	note(s, "accepted", listener);
	return 1;
}

static void
connected(void *arg, tcp_handle h, uint64_t user)
{
	(void)h;
	(void)user;
	note(arg, "connected", 0);
}

static void
received(void *arg, tcp_handle h, uint64_t user, struct rte_mbuf *chain, uint32_t length)
{
	struct script *s = arg;

	(void)h;
	(void)user;
	for (const struct rte_mbuf *m = chain; m; m = m->next) {
		if (content_check(STAND_IN, s->received, rte_pktmbuf_mtod(m, const uint8_t *),
				  m->data_len) != m->data_len) {
			s->failed = true;
			CU_FAIL("wrong bytes go up");
		}
		s->received += m->data_len;
	}
	s->unread += length;
	rte_pktmbuf_free(chain);
	note(s, "received", length);
}

static void
room(void *arg, tcp_handle h, uint64_t user)
{
	(void)h;
	(void)user;
	note(arg, "room", 0);
}

static void
half_closed(void *arg, tcp_handle h, uint64_t user)
{
	(void)h;
	(void)user;
	note(arg, "half_closed", 0);
}

static void
closed(void *arg, tcp_handle h, uint64_t user, enum tcp_close_cause cause)
{
	struct script *s = arg;

	(void)h;
	(void)user;
	s->h = TCP_HANDLE_NONE;
	note(s, tcp_close_cause_name(cause), 0);
}

/* ---- its life ------------------------------------------------------------------------------- */

void
script_settings(struct tcp_settings *settings)
{
	*settings = (struct tcp_settings){
		.connections = 32,
		.sent_records = 512,
		.socket = SOCKET_ID_ANY,
		.mbufs = stand_pools()->headers,
		.clones = stand_pools()->clones,
		.secret = { 1, 2, 3, 4, 5, 6, 7, 8 },
	};
}

static bool
full(void *arg, uint64_t route)
{
	const struct script *s = arg;

	(void)route;
	return s->full;
}

void
script_begin_settings(struct script *s, const struct tcp_options *options,
		      const struct tcp_settings *settings)
{
	struct tcp_calls calls = {
		.arg = s,
		.output = output,
		.full = full,
		.random = chance,
		.accepted = accepted,
		.connected = connected,
		.received = received,
		.room = room,
		.half_closed = half_closed,
		.closed = closed,
	};

	memset(s, 0, sizeof(*s));
	s->now = s->begin = s->last = BEGIN;
	s->port = 40000;
	s->own_port = 80;
	if (options)
		s->options = *options;
	s->tcp = tcp_create(settings, &calls, s->now);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s->tcp);
	CU_ASSERT_EQUAL(tcp_listen(s->tcp, 0, &s->options), 0);
}

void
script_begin(struct script *s, const struct tcp_options *options)
{
	struct tcp_settings settings;

	script_settings(&settings);
	script_begin_settings(s, options, &settings);
}

static struct addr
address(const struct script *s, int last)
{
	struct addr a = { .w = { htonl(0x20010db8), 0, 0, htonl((uint32_t)last) } };

	return s->ip6 ? a : addr_from_v4(htonl(0x0a000000 + (uint32_t)last));
}

struct tuple
stand_tuple(const struct script *s)
{
	return (struct tuple){
		.src = address(s, 2),
		.dst = address(s, 1),
		.sport = htons(s->port),
		.dport = htons(s->own_port),
		.proto = IPPROTO_TCP,
	};
}

void
stand_turn(struct script *s)
{
	tcp_advance(s->tcp, s->now);
	tcp_flush(s->tcp, s->now);
}

void
script_end(struct script *s)
{
	struct tcp_usage usage;
	const char *wrong;

	if (s->h != TCP_HANDLE_NONE)
		tcp_abort(s->tcp, s->h);
	wrong = tcp_check(s->tcp);
	if (wrong)
		fprintf(stderr, "%s\n", wrong);
	CU_ASSERT_PTR_NULL(wrong);
	CU_ASSERT_EQUAL(script_counter(s, over_cwnd), 0);
	/* TIME-WAIT and what listens for a handshake runs out. */
	tcp_unlisten(s->tcp, 0);
	for (int i = 0; i < 5000; i++) {
		s->now += 100 * STAND_MS;
		stand_turn(s);
	}
	tcp_usage(s->tcp, &usage);
	CU_ASSERT_EQUAL(usage.connections, 0);
	CU_ASSERT_EQUAL(usage.timers, 0);
	CU_ASSERT_EQUAL(usage.records, 0);
	CU_ASSERT_EQUAL(usage.buffers, 0);
	CU_ASSERT_EQUAL(usage.flights, 0);
	tcp_destroy(s->tcp);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(stand_pools()->headers), 0);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(stand_pools()->clones), 0);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(stand_pools()->wire), 0);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(stand_pools()->user), 0);
}

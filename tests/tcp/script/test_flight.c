/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flights (dp/tcp/flight.h): there is one here for two connections, so who has something under way
 * has it, and the other waits.
 */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

#include "tests/tcp/script/script.h"
#include "tests/tcp/script/stand.h"
#include "tests/tcp/script/suites.h"

/* The connection that the script is not at. */
struct other {
	uint16_t port;
	uint32_t isn;
	bool has_isn;
	tcp_handle h;
	uint64_t sent, received;
	uint32_t unread;
};

static struct other
of_script(const struct script *s)
{
	return (struct other){ s->port, s->isn, s->has_isn, s->h, s->sent, s->received, s->unread };
}

static void
change(struct script *s, struct other *o)
{
	struct other before = of_script(s);

	CU_ASSERT_PTR_NULL(tcp_check(s->tcp));
	s->port = o->port;
	s->isn = o->isn;
	s->has_isn = o->has_isn;
	s->h = o->h;
	s->sent = o->sent;
	s->received = o->received;
	s->unread = o->unread;
	*o = before;
}

/* Two of them; the script is at the first. */
static void
begin(struct script *s, struct other *o)
{
	const struct tcp_options options = { .no_timestamps = true };
	struct tcp_settings settings;

	script_settings(&settings);
	settings.flights = 1;
	script_begin_settings(s, &options, &settings);
	*o = (struct other){ .port = (uint16_t)(s->port + 1) };
	script_accept(s);
	change(s, o);
	script_accept(s);
	change(s, o);
}

static void
end(struct script *s, struct other *o)
{
	CU_ASSERT_PTR_NULL(tcp_check(s->tcp));
	if (o->h != TCP_HANDLE_NONE)
		tcp_abort(s->tcp, o->h);
	script_end(s);
}

static uint32_t
held(const struct script *s)
{
	struct tcp_usage usage;

	tcp_usage(s->tcp, &usage);
	return usage.flights;
}

/* Bytes of the connection that the script is at. What leaves while it is at the other one, which
 * the other's script has to pass over (~), is seen by this. */
static uint32_t
in_flight(const struct script *s)
{
	struct tcp_info info = { .in_flight = UINT32_MAX };

	CU_ASSERT_EQUAL(tcp_info(s->tcp, s->h, &info), 0);
	return info.in_flight;
}

/* Who only listens, or has only opened, needs none. */
static void
in_order(void)
{
	static struct script s;
	struct other o;

	begin(&s, &o);
	play(&s, "< A seq 1 (100) ack 1 win 1000\n"
		 "= received 100\n"
		 "+25 > A ack 101\n");
	CU_ASSERT_EQUAL(held(&s), 0);
	play(&s, "! send 100\n"
		 "> A seq 1 (100) ack 101\n"
		 "< A seq 101 ack 101 win 1000\n"
		 "+5 .\n");
	CU_ASSERT_EQUAL(held(&s), 1);
	CU_ASSERT_EQUAL(script_counter(&s, no_flight), 0);
	end(&s, &o);
}

static void
data_waits(void)
{
	static struct script s;
	struct other o;

	begin(&s, &o);
	play(&s, "! send 100\n"
		 "> A seq 1 (100)\n");
	change(&s, &o);
	play(&s, "! send 200\n"
		 "! shutdown\n"
		 "+50 .\n");
	CU_ASSERT(script_counter(&s, no_flight) > 0);
	CU_ASSERT_EQUAL(in_flight(&s), 0);
	change(&s, &o);
	play(&s, "< A seq 1 ack 101 win 1000\n"
		 "~\n");
	change(&s, &o);
	CU_ASSERT_EQUAL(in_flight(&s), 201);
	play(&s, "< A seq 1 ack 202 win 1000\n"
		 "+5 .\n");
	change(&s, &o);
	play(&s, "! send 100\n"
		 "> A seq 101 (100)\n"
		 "< A seq 1 ack 201 win 1000\n");
	end(&s, &o);
}

/* A FIN is something that is under way, too, and what has ended leaves its flight to others. */
static void
end_leaves_it(void)
{
	static struct script s;
	struct other o;

	begin(&s, &o);
	play(&s, "! shutdown\n"
		 "> FA seq 1\n");
	change(&s, &o);
	play(&s, "! send 200\n"
		 "+50 .\n");
	change(&s, &o);
	play(&s, "! abort\n"
		 "> RA seq 2\n"
		 "~\n");
	change(&s, &o);
	CU_ASSERT_EQUAL(in_flight(&s), 200);
	play(&s, "< A seq 1 ack 201 win 1000\n"
		 "+5 .\n");
	end(&s, &o);
}

/* Out-of-order data without a flight is as if it had been lost; with one it keeps it until the gap
 * is filled. */
static void
out_of_order(void)
{
	static struct script s;
	struct other o;

	begin(&s, &o);
	play(&s, "! send 100\n"
		 "> A seq 1 (100)\n");
	change(&s, &o);
	play(&s, "< A seq 1001 (1000) ack 1 win 1000\n"
		 "> A ack 1 no-sack\n");
	CU_ASSERT_EQUAL(script_counter(&s, no_flight), 1);
	CU_ASSERT_EQUAL(script_counter(&s, out_of_order), 0);
	change(&s, &o);
	play(&s, "< A seq 1 ack 101 win 1000\n");
	change(&s, &o);
	play(&s, "< A seq 1001 (1000) ack 1 win 1000\n"
		 "> A ack 1 sack 1001-2001\n");
	change(&s, &o);
	play(&s, "! send 100\n"
		 "+50 .\n");
	CU_ASSERT_EQUAL(in_flight(&s), 0);
	change(&s, &o);
	play(&s, "< A seq 1 (1000) ack 1 win 1000\n"
		 "= received 2000\n"
		 "~\n");
	change(&s, &o);
	CU_ASSERT_EQUAL(in_flight(&s), 100);
	play(&s, "< A seq 1 ack 201 win 1000\n");
	end(&s, &o);
}

/* What came twice is answered in any case, and told of if there is a flight. */
static void
duplicates(void)
{
	static struct script s;
	struct other o;

	begin(&s, &o);
	change(&s, &o);
	play(&s, "< A seq 1 (100) ack 1 win 1000\n"
		 "= received 100\n"
		 "+25 > A ack 101\n");
	change(&s, &o);
	play(&s, "! send 100\n"
		 "> A seq 1 (100)\n");
	change(&s, &o);
	play(&s, "< A seq 1 (100) ack 1 win 1000\n"
		 "> A ack 101 no-sack\n");
	change(&s, &o);
	play(&s, "< A seq 1 ack 101 win 1000\n");
	change(&s, &o);
	play(&s, "< A seq 1 (100) ack 1 win 1000\n"
		 "> A ack 101 sack 1-101\n");
	CU_ASSERT_EQUAL(script_counter(&s, duplicates), 2);
	end(&s, &o);
}

/* A closed window holds no flight; it is probed all the same. */
static void
closed_window(void)
{
	static struct script s;
	struct other o;

	begin(&s, &o);
	play(&s, "< A seq 1 ack 1 win 0\n"
		 "! send 100\n"
		 "+50 .\n");
	change(&s, &o);
	play(&s, "! send 200\n"
		 "> A seq 1 (200)\n");
	CU_ASSERT_EQUAL(script_counter(&s, no_flight), 0);
	change(&s, &o);
	/* Without a flight nothing tells it that the window still is closed. */
	play(&s, "+150 > A seq 0\n"
		 "< A seq 1 ack 1 win 0\n");
	change(&s, &o);
	play(&s, "~\n"
		 "< A seq 1 ack 201 win 1000\n"
		 "~\n");
	change(&s, &o);
	play(&s, "+400 > A seq 1 (1)\n"
		 "< A seq 1 ack 2 win 1000\n"
		 "> A seq 2 (99)\n"
		 "< A seq 1 ack 101 win 1000\n"
		 "+5 .\n");
	end(&s, &o);
}

static struct tcp_info
info_of(struct script *s)
{
	struct tcp_info info = { .state = TCP_CLOSED };

	CU_ASSERT_EQUAL(tcp_info(s->tcp, s->h, &info), 0);
	return info;
}

/* Round trip, windows and timeout are the same with a flight, without, and with one again. */
static void
expect_same(const struct tcp_info *a, const struct tcp_info *b)
{
	CU_ASSERT(b->srtt >= a->srtt && b->srtt < a->srtt + 32);
	CU_ASSERT(b->rttvar >= a->rttvar && b->rttvar < a->rttvar + 32);
	CU_ASSERT(b->rto >= a->rto && b->rto < a->rto + 200);
	CU_ASSERT_EQUAL(a->cwnd, b->cwnd);
	CU_ASSERT_EQUAL(a->ssthresh, b->ssthresh);
	CU_ASSERT_EQUAL(a->bytes_out, b->bytes_out);
	CU_ASSERT_EQUAL(b->in_flight, 0);
	CU_ASSERT_FALSE(b->recovering);
}

static void
what_is_kept(void)
{
	static struct script s;
	struct tcp_info with, without;
	struct other o;

	begin(&s, &o);
	/* A timeout, so that no value is the one that a connection begins with. */
	play(&s, "! send 14600\n"
		 "~\n"
		 "+900 ~\n"
		 "< A seq 1 ack 14601 win 1000\n"
		 "~\n");
	with = info_of(&s);
	CU_ASSERT(with.ssthresh < 14600 && with.srtt > 0);
	change(&s, &o);
	play(&s, "! send 200\n"
		 "> A seq 1 (200)\n"
		 "< A seq 1 ack 201 win 1000\n");
	change(&s, &o);
	without = info_of(&s);
	expect_same(&with, &without);
	play(&s, "< A seq 1 ack 14601 win 900\n"
		 "! send 10\n"
		 "> A seq 14601 (10)\n");
	with = info_of(&s);
	with.in_flight = 0;
	with.bytes_out -= 10;
	CU_ASSERT_EQUAL(held(&s), 1);
	expect_same(&without, &with);
	end(&s, &o);
}

int
test_flight_register(void)
{
	static const CU_TestInfo tests[] = {
		{ "flight: data in order needs none", in_order },
		{ "flight: data waits for it", data_waits },
		{ "flight: the end leaves it to others", end_leaves_it },
		{ "flight: out-of-order data", out_of_order },
		{ "flight: duplicates", duplicates },
		{ "flight: a closed window", closed_window },
		{ "flight: what is kept without", what_is_kept },
		CU_TEST_INFO_NULL,
	};
	CU_pSuite suite = CU_add_suite("flight", NULL, NULL);

	for (const CU_TestInfo *i = tests; suite && i->pName; i++)
		if (!CU_add_test(suite, i->pName, i->pTestFunc))
			break;
	return (int)CU_get_error();
}

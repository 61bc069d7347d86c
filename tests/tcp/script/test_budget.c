/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The budget of buffers (dp/tcp/tcp.h): who is refused what, and from where on. It is 256 here, of
 * which the program may be said to hold any number (fill): what is left of 6/8 is shared by 16.
 */
#include <CUnit/CUnit.h>
#include <errno.h>
#include <stdio.h>

#include <rte_mbuf.h>

#include "tests/sim/content.h"
#include "tests/tcp/script/script.h"
#include "tests/tcp/script/stand.h"
#include "tests/tcp/script/suites.h"

#define BUDGET 256

static uint32_t others;

static void
begin(struct script *s, const struct tcp_options *options)
{
	struct tcp_settings settings;

	script_settings(&settings);
	settings.buffer_budget = BUDGET;
	others = 0;
	script_begin_settings(s, options, &settings);
}

static uint32_t
held(const struct script *s)
{
	struct tcp_usage usage;

	tcp_usage(s->tcp, &usage);
	return usage.buffers;
}

/* Somebody else's connections hold so many in all. */
static void
fill(struct script *s, uint32_t buffers)
{
	tcp_hold(s->tcp, TCP_HANDLE_NONE, (int32_t)buffers - (int32_t)others);
	others = buffers;
}

/* `n` buffers of `bytes` each. */
static int
send_buffers(struct script *s, uint32_t n, uint16_t bytes)
{
	struct rte_mbuf *head = NULL, *m;
	int error;

	for (; n; n--) {
		m = rte_pktmbuf_alloc(stand_pools()->user);
		CU_ASSERT_PTR_NOT_NULL_FATAL(m);
		content_fill(STAND_OUT, s->sent, (uint8_t *)rte_pktmbuf_append(m, bytes), bytes);
		s->sent += bytes;
		if (head)
			rte_pktmbuf_chain(head, m);
		else
			head = m;
	}
	error = tcp_send(s->tcp, s->h, head);
	if (error) {
		s->sent -= head->pkt_len;
		rte_pktmbuf_free(head);
	}
	stand_turn(s);
	return error;
}

static const struct tcp_options plain = { .no_timestamps = true };

/* Each small answer leaves at once, in a buffer of its own: twelve of them are a share. */
static void
small_answers(void)
{
	static struct script s;
	uint32_t n = 0;

	begin(&s, &plain);
	script_accept(&s);
	while (n < 100 && send_buffers(&s, 1, 3) == 0)
		n++;
	CU_ASSERT(n >= 10 && n <= 12);
	CU_ASSERT(held(&s) >= 10 && held(&s) <= 12);
	play(&s, "~\n"
		 "< A seq 1 ack 25 win 1000\n"
		 "= room\n"
		 "~\n");
	CU_ASSERT(held(&s) <= 4);
	script_end(&s);
}

/* ... and what is too much for it has to wait for an acknowledgement. */
static void
share(void)
{
	static struct script s;

	begin(&s, &plain);
	script_accept(&s);
	fill(&s, BUDGET / 2); /* 64 are left of 6/8: a share of 4 */
	CU_ASSERT_EQUAL(send_buffers(&s, 3, 1460), 0);
	CU_ASSERT_EQUAL(held(&s), BUDGET / 2 + 3);
	CU_ASSERT_EQUAL(send_buffers(&s, 1, 1460), -EAGAIN);
	CU_ASSERT_EQUAL(script_counter(&s, budget_sends), 1);
	play(&s, "> A seq 1 (1460)\n"
		 "> A seq 1461 (1460)\n"
		 "> A seq 2921 (1460)\n"
		 "< A seq 1 ack 1461 win 1000\n"
		 "= room\n");
	fill(&s, 0);
	script_end(&s);
}

/* Who has nothing queued may send whatever the others hold, but nobody beyond the end. */
static void
nothing_queued(void)
{
	static struct script s;

	begin(&s, &plain);
	script_accept(&s);
	fill(&s, BUDGET - 2);
	CU_ASSERT_EQUAL(send_buffers(&s, 3, 300), -ENOBUFS);
	CU_ASSERT_EQUAL(send_buffers(&s, 2, 300), 0);
	CU_ASSERT_EQUAL(held(&s), BUDGET);
	play(&s, "> A seq 1 (600)\n"
		 "< A seq 1 ack 601 win 1000\n");
	CU_ASSERT_EQUAL(held(&s), BUDGET - 2);
	fill(&s, 0);
	script_end(&s);
}

static void
connections(void)
{
	static struct script s;

	begin(&s, &plain);
	fill(&s, BUDGET / 8 * 7);
	play(&s, "< S seq 0 win 65535 mss 1460\n"
		 "+30 .\n");
	CU_ASSERT_EQUAL(script_counter(&s, budget_connections), 1);
	fill(&s, BUDGET / 8 * 7 - 1);
	script_accept(&s);
	fill(&s, 0);
	script_end(&s);
}

/* Out-of-order data gives way first: it comes again. */
static void
out_of_order(void)
{
	static struct script s;

	begin(&s, &plain);
	script_accept(&s);
	fill(&s, BUDGET / 8 * 5 - 16);
	play(&s, "< A seq 1001 (1000) ack 1 win 1000\n"
		 "> A ack 1 sack 1001-2001\n"
		 "< A seq 3001 (1000) ack 1 win 1000\n"
		 "> A ack 1 sack 1001-2001\n");
	CU_ASSERT_EQUAL(script_counter(&s, budget_out_of_order), 1);
	CU_ASSERT_EQUAL(held(&s), BUDGET / 8 * 5 - 15);
	play(&s, "< A seq 1 (1000) ack 1 win 1000\n"
		 "= received 2000\n"
		 "> A ack 2001 no-sack\n");
	CU_ASSERT_EQUAL(held(&s), BUDGET / 8 * 5 - 16);
	fill(&s, 0);
	script_end(&s);
}

/* Data in order is taken from who has nothing waiting; of the others it is as if it had been lost.
 */
static void
in_order(void)
{
	static struct script s;

	begin(&s, &plain);
	script_accept(&s);
	fill(&s, BUDGET - 1);
	play(&s, "< A seq 1 (1000) ack 1 win 1000\n"
		 "= received 1000\n"
		 "< A seq 1001 (1000) ack 1 win 1000\n"
		 "+25 > A ack 1001\n");
	CU_ASSERT_EQUAL(script_counter(&s, budget_received), 1);
	play(&s, "! credit 0\n"
		 "< A seq 1001 (1000) ack 1 win 1000\n"
		 "= received 1000\n"
		 "+25 > A ack 2001\n");
	fill(&s, BUDGET);
	play(&s, "! credit 0\n"
		 "< A seq 2001 (1000) ack 1 win 1000\n"
		 "+40 .\n");
	fill(&s, 0);
	play(&s, "< A seq 2001 (1000) ack 1 win 1000\n"
		 "= received 1000\n"
		 "+25 > A ack 3001\n");
	script_end(&s);
}

/* The window opens for no more than there is room for; for a few segments it always does. */
static void
window(void)
{
	static struct script s;
	struct tcp_info info;

	begin(&s, &plain);
	script_accept(&s);
	fill(&s, BUDGET / 2); /* a share of 4 buffers */
	play(&s, "< A seq 1 (1000) ack 1 win 1000\n"
		 "= received 1000\n"
		 "! credit 0\n"
		 "+25 > A ack 1001\n");
	CU_ASSERT_EQUAL(tcp_info(s.tcp, s.h, &info), 0);
	CU_ASSERT_EQUAL(info.receive_window, 65535 - 1000); /* never taken back */
	for (int i = 1; i < 80; i++) {
		char text[128];

		snprintf(text, sizeof(text),
			 "< A seq %d (1000) ack 1 win 1000\n= received 1000\n~\n"
			 "! credit 0\n~\n",
			 1 + i * 1000);
		play(&s, text);
	}
	CU_ASSERT_EQUAL(tcp_info(s.tcp, s.h, &info), 0);
	CU_ASSERT(info.receive_window >= 2000 && info.receive_window <= 4 * 1460);
	fill(&s, 0);
	play(&s, "< A seq 80001 (1000) ack 1 win 1000\n"
		 "= received 1000\n"
		 "~\n"
		 "! credit 0\n"
		 "~\n");
	CU_ASSERT_EQUAL(tcp_info(s.tcp, s.h, &info), 0);
	CU_ASSERT(info.receive_window > 4 * 1460);
	script_end(&s);
}

/* Segments so small that a buffer becomes many. */
static void
small_segments(void)
{
	static struct script s;

	begin(&s, &plain);
	play(&s, "< S seq 0 win 65535 mss 100 scale 7\n"
		 "> SA seq 0 ack 1\n"
		 "< A seq 1 ack 1 win 1000\n"
		 "= accepted\n");
	fill(&s, BUDGET / 2); /* a share of 4 buffers */
	CU_ASSERT_EQUAL(send_buffers(&s, 1, 1900), 0);
	play(&s, "> A seq 1 (100)\n"
		 "> A seq 101 (100)\n"
		 "< A seq 1 ack 201 win 1000\n"
		 "> A seq 201 (100)\n"
		 "> A seq 301 (100)\n"
		 "+5 .\n");
	CU_ASSERT(script_counter(&s, budget_cuts) > 0);
	fill(&s, 0);
	play(&s, "< A seq 1 ack 401 win 1000\n"
		 "> A seq 401 (100)\n"
		 "> A seq 501 (100)\n"
		 "> A seq 601 (100)\n"
		 "> A seq 701 (100)\n"
		 "> A seq 801 (100)\n"
		 "~\n");
	script_end(&s);
}

/* Nothing is acknowledged: with buffers for all there is time, when they run short there is not. */
static void
no_progress(void)
{
	static struct script s;

	begin(&s, &plain);
	script_accept(&s);
	CU_ASSERT_EQUAL(send_buffers(&s, 1, 300), 0);
	play(&s, "+60000 ~\n");
	CU_ASSERT_NOT_EQUAL(s.h, TCP_HANDLE_NONE);
	fill(&s, BUDGET / 8 * 5);
	play(&s, "+60000 ~\n"
		 "= timeout\n");
	CU_ASSERT_EQUAL(script_counter(&s, budget_ended), 1);
	fill(&s, 0);
	script_end(&s);
}

/* The same behind a window that stays closed, though the peer answers each probe. */
static void
no_window(void)
{
	static struct script s;

	begin(&s, &plain);
	script_accept(&s);
	play(&s, "< A seq 1 ack 1 win 0\n");
	CU_ASSERT_EQUAL(send_buffers(&s, 1, 300), 0);
	fill(&s, BUDGET / 8 * 5);
	for (int i = 0; i < 3000 && s.h != TCP_HANDLE_NONE; i++) {
		s.now += 10 * STAND_MS;
		stand_turn(&s);
		if (i % 100 == 0)
			play(&s, "~\n"
				 "< A seq 1 ack 1 win 0\n");
	}
	play(&s, "~\n"
		 "= timeout\n");
	CU_ASSERT_EQUAL(script_counter(&s, budget_ended), 1);
	fill(&s, 0);
	script_end(&s);
}

int
test_budget_register(void)
{
	static const CU_TestInfo tests[] = {
		{ "budget: small answers", small_answers },
		{ "budget: a share of what is left", share },
		{ "budget: nothing queued", nothing_queued },
		{ "budget: new connections", connections },
		{ "budget: out-of-order data", out_of_order },
		{ "budget: data in order", in_order },
		{ "budget: the window", window },
		{ "budget: small segments", small_segments },
		{ "budget: no progress", no_progress },
		{ "budget: no window", no_window },
		CU_TEST_INFO_NULL,
	};
	CU_pSuite suite = CU_add_suite("budget", NULL, NULL);

	for (const CU_TestInfo *i = tests; suite && i->pName; i++)
		if (!CU_add_test(suite, i->pName, i->pTestFunc))
			break;
	return (int)CU_get_error();
}

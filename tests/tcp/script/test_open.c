/* SPDX-License-Identifier: Apache-2.0 */
/* How connections are opened, and what is agreed on. */
#include <CUnit/CUnit.h>

#include "tests/tcp/script/script.h"
#include "tests/tcp/script/suites.h"

#define PLAIN .options = { .no_timestamps = true }

static const struct script_case cases[] = {
	{ .name = "RFC 9293 3.5: passive open",
	  PLAIN,
	  .text = "< S seq 0 win 65535 mss 1460\n"
		  "> SA seq 0 ack 1\n"
		  "< A seq 1 ack 1 win 65535\n"
		  "= accepted\n" },
	{ .name = "RFC 9293 3.5: active open",
	  PLAIN,
	  .opening = OPEN_CONNECT,
	  .text = "+100 .\n"
		  "! send 10\n"
		  "> A seq 1 (10) ack 1\n"
		  "< A seq 1 ack 11 win 1000\n" },
	{ .name = "RFC 9293 3.7.1: a peer may be told a smaller MSS than it is sent",
	  .options = { .no_timestamps = true, .mss_less = 32 },
	  .text = "! connect\n"
		  "> S seq 0 mss 1428\n"
		  "< SA seq 0 ack 1 win 65535 mss 1460\n"
		  "> A seq 1 ack 1\n"
		  "= connected\n"
		  "? mss 1460\n" },
	{ .name = "RFC 9293 3.5: both open at once",
	  PLAIN,
	  .text = "! connect\n"
		  "> S seq 0\n"
		  "< S seq 0 win 65535 mss 1460\n"
		  "> SA seq 0 ack 1\n"
		  "< SA seq 0 ack 1 win 65535 mss 1460\n"
		  "= connected\n" },
	{ .name = "RFC 9293 3.5: over IPv6",
	  PLAIN,
	  .ip6 = true,
	  .opening = OPEN_ACCEPT,
	  .text = "< A seq 1 (10) ack 1 win 1000\n"
		  "= received 10\n"
		  "+25 > A seq 1 ack 11\n" },
	{ .name = "RFC 9293 3.10.7.3: an ACK of something else resets nobody but the sender",
	  PLAIN,
	  .text = "! connect\n"
		  "> S seq 0\n"
		  "< SA seq 0 ack 77 win 65535\n"
		  "> R seq 77\n"
		  "< SA seq 0 ack 1 win 65535\n"
		  "> A seq 1 ack 1\n"
		  "= connected\n" },
	{ .name = "RFC 9293 3.10.7.3: refused",
	  PLAIN,
	  .text = "! connect\n"
		  "> S seq 0\n"
		  "< RA seq 0 ack 1 win 0\n"
		  "= refused\n" },
	{ .name = "RFC 9293 3.10.7.3: a RST that acknowledges nothing is not believed",
	  PLAIN,
	  .text = "! connect\n"
		  "> S seq 0\n"
		  "< R seq 0 win 0\n"
		  "< RA seq 0 ack 0 win 0\n"
		  "< SA seq 0 ack 1 win 65535\n"
		  "> A seq 1 ack 1\n"
		  "= connected\n" },
	{ .name = "RFC 6298 2.1, 5.7: a lost SYN is sent again after 1 s, then 2 s",
	  PLAIN,
	  .text = "! connect\n"
		  "> S seq 0\n"
		  "+1000 > S seq 0\n"
		  "+2000 > S seq 0\n"
		  "+4000 > S seq 0\n"
		  "< SA seq 0 ack 1 win 65535\n"
		  "> A seq 1 ack 1\n"
		  "= connected\n" },
	{ .name = "RFC 6298 5.7: a lost SYN-ACK is sent again after 1 s",
	  PLAIN,
	  .text = "< S seq 0 win 65535 mss 1460\n"
		  "> SA seq 0 ack 1\n"
		  "+1000 > SA seq 0 ack 1\n"
		  "+2000 > SA seq 0 ack 1\n"
		  "< A seq 1 ack 1 win 65535\n"
		  "= accepted\n" },
	{ .name = "RFC 9293 3.8.3: an open that nobody answers ends",
	  .options = { .no_timestamps = true, .connect_ms = 2500 },
	  .text = "! connect\n"
		  "> S seq 0\n"
		  "+1000 > S seq 0\n"
		  "+1500 = timeout\n" },
	{ .name = "RFC 6691: MSS is offered, and kept to without options",
	  PLAIN,
	  .text = "< S seq 0 win 65535 mss 1000\n"
		  "> SA seq 0 ack 1 mss 1460\n"
		  "< A seq 1 ack 1 win 65535\n"
		  "= accepted\n"
		  "! send 1500\n"
		  "> A seq 1 (1000)\n"
		  "> A seq 1001 (500)\n" },
	{ .name = "RFC 6691: options of each segment count against the MSS",
	  .text = "< S seq 0 win 65535 mss 1000 ts 5 0\n"
		  "> SA seq 0 ack 1 mss 1460 ts 0 5\n"
		  "< A seq 1 ack 1 win 65535 ts 6 0\n"
		  "= accepted\n"
		  "! send 1500\n"
		  "> A seq 1 (988) ts 0 6\n"
		  "> A seq 989 (512)\n" },
	{ .name = "RFC 9293 3.7.1: without an MSS option it is 536",
	  PLAIN,
	  .text = "< S seq 0 win 65535\n"
		  "> SA seq 0 ack 1\n"
		  "< A seq 1 ack 1 win 65535\n"
		  "= accepted\n"
		  "! send 700\n"
		  "> A seq 1 (536)\n"
		  "> A seq 537 (164)\n" },
	{ .name = "RFC 9293 3.7.1: over IPv6 without an MSS option it is 1220",
	  PLAIN,
	  .ip6 = true,
	  .text = "< S seq 0 win 65535\n"
		  "> SA seq 0 ack 1 mss 1440\n"
		  "< A seq 1 ack 1 win 65535\n"
		  "= accepted\n"
		  "! send 1300\n"
		  "> A seq 1 (1220)\n"
		  "> A seq 1221 (80)\n" },
	{ .name = "RFC 7323 2.2: scaling is not answered where it was not offered",
	  PLAIN,
	  .text = "< S seq 0 win 65535 mss 1460 sackOK\n"
		  "> SA seq 0 ack 1 no-scale sackOK\n"
		  "< A seq 1 ack 1 win 65535\n"
		  "= accepted\n" },
	{ .name = "RFC 7323 2.2: the window of a SYN is never scaled",
	  PLAIN,
	  .text = "< S seq 0 win 2000 mss 1000 scale 7\n"
		  "> SA seq 0 ack 1\n"
		  "+20 < A seq 1 ack 1 win 10\n"
		  "= accepted\n"
		  "! send 3000\n"
		  "> A seq 1 (1000)\n"
		  "+200 > A seq 1 (1000)\n"
		  "< A seq 1 ack 1001 win 10\n"
		  "> A seq 1001 (1000)\n" },
	{ .name = "RFC 7323 3.2: timestamps are not answered where they were not offered",
	  .text = "< S seq 0 win 65535 mss 1460\n"
		  "> SA seq 0 ack 1 no-ts no-sackOK no-scale\n"
		  "< A seq 1 ack 1 win 65535\n"
		  "= accepted\n" },
	{ .name = "RFC 7323 3.2: timestamps are echoed",
	  .text = "< S seq 0 win 65535 mss 1460 ts 700 0\n"
		  "> SA seq 0 ack 1 ts 0 700\n"
		  "< A seq 1 ack 1 win 65535 ts 710 0\n"
		  "= accepted\n"
		  "< A seq 1 (10) ack 1 win 65535 ts 720 0\n"
		  "= received 10\n"
		  "+25 > A seq 1 ack 11 ts 0 720\n" },
	{ .name = "RFC 2018 2: SACK is agreed on",
	  PLAIN,
	  .text = "< S seq 0 win 65535 mss 1460 sackOK\n"
		  "> SA seq 0 ack 1 sackOK\n"
		  "< A seq 1 ack 1 win 65535\n"
		  "= accepted\n"
		  "< A seq 101 (100) ack 1 win 65535\n"
		  "> A seq 1 ack 1 sack 101-201\n" },
	{ .name = "RFC 4987: a cookie keeps MSS, scale and SACK",
	  .options = { .syn_cookies_always = true },
	  .text = "< S seq 0 win 65535 mss 1460 sackOK scale 7 ts 700 0\n"
		  "> SA seq 0 ack 1 sackOK ts 0 700\n"
		  "< A seq 1 ack 1 win 100 ts 710 0\n"
		  "= accepted\n"
		  "! send 3000\n"
		  "> A seq 1 (1448)\n"
		  "> A seq 1449 (1448)\n"
		  "> A seq 2897 (104)\n"
		  "< A seq 1 ack 3001 win 100 ts 720 0\n"
		  "< A seq 101 (100) ack 3001 win 100 ts 720 0\n"
		  "> A seq 3001 ack 1 sack 101-201\n" },
	{ .name = "RFC 4987: a cookie is accepted with the data that brings it",
	  .options = { .syn_cookies_always = true },
	  .text = "< S seq 0 win 65535 mss 1460 ts 700 0\n"
		  "> SA seq 0 ack 1\n"
		  "< A seq 1 (100) ack 1 win 65535 ts 710 0\n"
		  "= accepted\n"
		  "= received 100\n"
		  "+25 > A seq 1 ack 101\n" },
	{ .name = "RFC 4987: a late copy of what brought a cookie does not open anew",
	  .options = { .no_timestamps = true, .syn_cookies_always = true },
	  .text = "< S seq 0 win 65535 mss 1460 sackOK\n"
		  "> SA seq 0 ack 1\n"
		  "< PA seq 1 (100) ack 1 win 1000\n"
		  "= accepted\n"
		  "= received 100\n"
		  "! send 50\n"
		  "> PA seq 1 (50) ack 101\n"
		  "< FA seq 101 ack 51 win 1000\n"
		  "= half_closed\n"
		  "> A seq 51 ack 102\n"
		  "! shutdown\n"
		  "> FA seq 51 ack 102\n"
		  "< A seq 102 ack 52 win 1000\n"
		  "= done\n"
		  "< PA seq 1 (100) ack 1 win 1000\n"
		  "> R seq 1\n"
		  "+3000 < A seq 1 ack 1 win 1000\n"
		  "> R seq 1\n"
		  "< S seq 5000 win 65535 mss 1460 sackOK\n"
		  "> SA ack 5001\n" },
	{ .name = "RFC 4987: an ACK that is no cookie is refused",
	  .options = { .syn_cookies_always = true },
	  .text = "< S seq 0 win 65535 mss 1460 ts 700 0\n"
		  "> SA seq 0 ack 1\n"
		  "< A seq 1 ack 12345 win 65535 ts 710 0\n"
		  "> R seq 12345\n" },
	{ .name = "RFC 3168 6.1.1: ECN is agreed on",
	  PLAIN,
	  .text = "< SEC seq 0 win 65535 mss 1460\n"
		  "> SAE seq 0 ack 1\n"
		  "< A seq 1 ack 1 win 65535\n"
		  "= accepted\n"
		  "! send 100\n"
		  "> A seq 1 (100) ecn 2\n" },
	{ .name = "RFC 3168 6.1.1: ... and not used where it was not asked for",
	  PLAIN,
	  .text = "< S seq 0 win 65535 mss 1460\n"
		  "> SA seq 0 ack 1 ecn 0\n"
		  "< A seq 1 ack 1 win 65535\n"
		  "= accepted\n"
		  "! send 100\n"
		  "> A seq 1 (100) ecn 0\n" },
	{ .name = "RFC 5927: an ICMP error ends an open only with the right number",
	  PLAIN,
	  .text = "! connect\n"
		  "> S seq 0\n"
		  "! unreachable 4711\n"
		  "+100 .\n"
		  "! unreachable 0\n"
		  "= unreachable\n" },
};

static const char handshake[] = "< S seq 0 win 65535 mss 1460\n"
				"> SA seq 0 ack 1\n"
				"< A seq 1 ack 1 win 65535\n"
				"= accepted\n";

/* RFC 6528: what is sent on one connection tells nothing of the next, but of the same ends it
 * grows. */
static void
initial_sequence_numbers(void)
{
	static struct script s;
	struct tcp_options options = { .no_timestamps = true };
	uint32_t first, second;

	script_begin(&s, &options);
	play(&s, handshake);
	first = s.isn;
	tcp_abort(s.tcp, s.h);
	play(&s, "> RA\n");
	s.port++;
	s.has_isn = false;
	play(&s, handshake);
	second = s.isn;
	CU_ASSERT_TRUE(second - first > 1000000 && first - second > 1000000);
	tcp_abort(s.tcp, s.h);
	play(&s, "> RA\n");
	s.port--;
	s.now += 1000000000;
	s.has_isn = false;
	play(&s, handshake);
	/* RFC 6528: the clock ticks every 4 us. */
	CU_ASSERT_TRUE(s.isn - first >= 200000 && s.isn - first < 300000 * 2);
	script_end(&s);
}

/* From the threshold on SYNs make no state; below it they do. */
static void
cookies_from_a_threshold_on(void)
{
	static struct script s;
	struct tcp_options options = { 0 };
	struct tcp_settings settings;
	struct tcp_usage usage;

	script_settings(&settings);
	settings.half_open = 4;
	script_begin_settings(&s, &options, &settings);
	for (int i = 0; i < 10; i++) {
		s.port = (uint16_t)(41000 + i);
		s.has_isn = false;
		play(&s, "< S seq 0 win 65535 mss 1460 scale 7 sackOK ts 9 0\n"
			 "> SA seq 0 ack 1\n");
	}
	tcp_usage(s.tcp, &usage);
	CU_ASSERT_EQUAL(usage.half_open, 4);
	CU_ASSERT_EQUAL(script_counter(&s, syn_cookies_sent), 6);
	play(&s, "< A seq 1 ack 1 win 1000\n"
		 "= accepted\n");
	CU_ASSERT_EQUAL(script_counter(&s, syn_cookies_ok), 1);
	script_end(&s);
}

/* RFC 9293 3.10.7.1: answered by a RST, but only so many a second. */
static void
segments_of_no_connection(void)
{
	static struct script s;
	struct tcp_options options = { .no_timestamps = true };
	struct tcp_settings settings;

	script_settings(&settings);
	settings.resets_per_s = 2;
	script_begin_settings(&s, &options, &settings);
	s.has_isn = true;
	s.own_port = 81;
	play(&s, "< A seq 1 ack 500 win 100\n"
		 "> R seq 500\n"
		 "< S seq 7 win 100\n"
		 "> RA seq 0 ack 8\n"
		 "< R seq 7 win 100\n"
		 "+5 .\n"
		 "< A seq 1 ack 500 win 100\n"
		 "+5 .\n");
	CU_ASSERT_EQUAL(script_counter(&s, resets_limited), 1);
	script_end(&s);
}

int
test_open_register(void)
{
	CU_pSuite suite = CU_add_suite("open, more", NULL, NULL);

	if (!suite || !CU_add_test(suite, "RFC 6528: numbers", initial_sequence_numbers) ||
	    !CU_add_test(suite, "RFC 4987: threshold", cookies_from_a_threshold_on) ||
	    !CU_add_test(suite, "RFC 9293 3.10.7.1: no connection", segments_of_no_connection))
		return (int)CU_get_error();
	return script_suite("open", cases, sizeof(cases) / sizeof(cases[0]));
}

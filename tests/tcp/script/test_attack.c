/* SPDX-License-Identifier: Apache-2.0 */
/* What must not be believed. */
#include <CUnit/CUnit.h>
#include <stdio.h>

#include "tests/tcp/script/script.h"
#include "tests/tcp/script/suites.h"

#define PLAIN .options = { .no_timestamps = true }, .opening = OPEN_ACCEPT
#define WINDOW(n) \
	.options = { .no_timestamps = true, .receive_window = (n) }, .opening = OPEN_ACCEPT

static const struct script_case cases[] = {
	{ .name = "RFC 5961 3.2: a RST in the window is challenged",
	  PLAIN,
	  .text = "< R seq 100 win 0\n"
		  "> A seq 1 ack 1\n"
		  "< A seq 1 (10) ack 1 win 1000\n"
		  "= received 10\n"
		  "+25 > A ack 11\n" },
	{ .name = "RFC 5961 3.2: one outside is nothing",
	  WINDOW(10000),
	  .text = "< R seq 10002 win 0\n"
		  "< R seq 0 win 0\n"
		  "+30 .\n" },
	{ .name = "RFC 5961 4.2: a SYN is challenged, wherever it points",
	  PLAIN,
	  .text = "< S seq 100 win 1000\n"
		  "> A seq 1 ack 1\n"
		  "< S seq 2000000000 win 1000\n"
		  "> A seq 1 ack 1\n"
		  "< SA seq 1 ack 1 win 1000\n"
		  "> A seq 1 ack 1\n"
		  "< A seq 1 (10) ack 1 win 1000\n"
		  "= received 10\n"
		  "+25 > A ack 11\n" },
	{ .name = "RFC 5961 5.2: data that acknowledges what was never sent is dropped",
	  PLAIN,
	  .text = "< A seq 1 (10) ack 5000 win 1000\n"
		  "> A seq 1 ack 1\n"
		  "+40 .\n" },
	{ .name = "RFC 5961 5.2: ... and what acknowledges the distant past",
	  PLAIN,
	  .text = "! send 100\n"
		  "> A seq 1 (100)\n"
		  "< A seq 1 ack 101 win 1000\n"
		  "< A seq 1 (10) ack -200000 win 1000\n"
		  "> A seq 101 ack 1\n"
		  "+40 .\n" },
	{ .name = "RFC 5961 7: challenges are limited",
	  .options = { .no_timestamps = true },
	  .opening = OPEN_ACCEPT,
	  .text = "< R seq 100 win 0\n> A seq 1 ack 1\n"
		  "< R seq 100 win 0\n> A seq 1 ack 1\n"
		  "< R seq 100 win 0\n> A seq 1 ack 1\n"
		  "< R seq 100 win 0\n> A seq 1 ack 1\n"
		  "< R seq 100 win 0\n> A seq 1 ack 1\n"
		  "< R seq 100 win 0\n> A seq 1 ack 1\n"
		  "< R seq 100 win 0\n> A seq 1 ack 1\n"
		  "< R seq 100 win 0\n> A seq 1 ack 1\n"
		  "< R seq 100 win 0\n> A seq 1 ack 1\n"
		  "< R seq 100 win 0\n> A seq 1 ack 1\n"
		  "< R seq 100 win 0\n"
		  "+30 .\n"
		  "+1000 < R seq 100 win 0\n> A seq 1 ack 1\n" },
	{ .name = "RFC 9293 3.10.7.4: data outside the window is answered, not taken",
	  WINDOW(10000),
	  .text = "< A seq 10001 (10) ack 1 win 1000\n"
		  "> A seq 1 ack 1\n"
		  "< A seq -500 (100) ack 1 win 1000\n"
		  "> A seq 1 ack 1\n" },
	{ .name = "RFC 9293 3.10.7.4: data without ACK is dropped",
	  PLAIN,
	  .text = "< P seq 1 (10) win 1000\n"
		  "+40 .\n" },
	{ .name = "RFC 9293 3.1: a wrong checksum is nothing",
	  PLAIN,
	  .text = "< A seq 1 (10) ack 1 win 1000 damaged\n"
		  "+40 .\n"
		  "< R seq 1 win 0 damaged\n"
		  "< A seq 1 (10) ack 1 win 1000\n"
		  "= received 10\n"
		  "+25 > A ack 11\n" },
	{ .name = "RFC 9293 3.10.7.4: SYN and FIN together, or nothing at all, open nothing",
	  .options = { .no_timestamps = true },
	  .text = "< SR seq 0 win 1000\n"
		  "+30 .\n" },
	{ .name = "RFC 7323 5.2: a RST is not held back by PAWS, nor believed off the edge",
	  .options = { 0 },
	  .opening = OPEN_ACCEPT,
	  .text = "< R seq 100 win 0 no-ts\n"
		  "> A seq 1 ack 1\n"
		  "< R seq 1 win 0 no-ts\n"
		  "= reset\n" },
	{ .name = "RFC 5961: a window update of old does not shrink the window",
	  PLAIN,
	  .text = "! send 100\n"
		  "> A seq 1 (100)\n"
		  "< A seq 1 ack 101 win 1000\n"
		  "< A seq 1 ack 1 win 0\n"
		  "! send 100\n"
		  "> A seq 101 (100)\n" },
	{ .name = "RFC 7323 2.3: a scale above 14 counts as 14",
	  .options = { .no_timestamps = true },
	  .text = "< S seq 0 win 65535 mss 1460 scale 200\n"
		  "> SA seq 0 ack 1\n"
		  "< A seq 1 ack 1 win 1\n"
		  "= accepted\n"
		  "! send 14600\n"
		  "> A seq 1 (1460)\n> A seq 1461 (1460)\n> A seq 2921 (1460)\n"
		  "> A seq 4381 (1460)\n> A seq 5841 (1460)\n> A seq 7301 (1460)\n"
		  "> A seq 8761 (1460)\n> A seq 10221 (1460)\n> A seq 11681 (1460)\n"
		  "> A seq 13141 (1460)\n" },
	{ .name = "RFC 9293 3.7.1: an MSS of 1 does not make segments of 1",
	  .options = { .no_timestamps = true },
	  .text = "< S seq 0 win 65535 mss 1\n"
		  "> SA seq 0 ack 1\n"
		  "< A seq 1 ack 1 win 1000\n"
		  "= accepted\n"
		  "? mss 48 1000\n" },
};

/* CVE-2018-5390: many tiny pieces out of order are neither kept without bound nor forgotten. */
static void
segment_smack(void)
{
	static struct script s;
	struct tcp_options options = { .no_timestamps = true };
	char line[64];
	struct tcp_info info;

	script_begin(&s, &options);
	script_accept(&s);
	for (int i = 0; i < 200; i++) {
		snprintf(line, sizeof(line), "< A seq %d (1) ack 1 win 1000\n> A ack 1\n",
			 3 + 2 * i);
		play(&s, line);
	}
	CU_ASSERT_EQUAL(tcp_info(s.tcp, s.h, &info), 0);
	CU_ASSERT_TRUE(info.out_of_order <= 200);
	CU_ASSERT_TRUE(script_counter(&s, out_of_order_dropped) > 0);
	play(&s, "< A seq 1 (500) ack 1 win 1000\n"
		 "= received 500\n"
		 "> A ack 501 no-sack\n");
	script_end(&s);
}

int
test_attack_register(void)
{
	CU_pSuite suite = CU_add_suite("attack, more", NULL, NULL);

	if (!suite || !CU_add_test(suite, "CVE-2018-5390: pieces", segment_smack))
		return (int)CU_get_error();
	return script_suite("attack", cases, sizeof(cases) / sizeof(cases[0]));
}

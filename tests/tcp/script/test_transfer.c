/* SPDX-License-Identifier: Apache-2.0 */
/* Data without losses: acknowledgements, windows, options, paths. */
#include <CUnit/CUnit.h>

#include "tests/tcp/script/script.h"
#include "tests/tcp/script/suites.h"

#define PLAIN      .options = { .no_timestamps = true }, .opening = OPEN_ACCEPT
#define WITH_TIMES .options = { 0 }, .opening = OPEN_ACCEPT
#define WINDOW(n) \
	.options = { .no_timestamps = true, .receive_window = (n) }, .opening = OPEN_ACCEPT
/* ICMP has brought the path down to 1000 bytes. */
#define NARROW                          \
	"! send 1460\n"                 \
	"> A seq 1 (1460)\n"            \
	"! too_big 1 1000\n"            \
	"> A seq 1 (960)\n"             \
	"> A seq 961 (500)\n"           \
	"< A seq 1 ack 1461 win 1000\n" \
	"? mss 960\n"

static const struct script_case cases[] = {
	/* ---- acknowledgements */
	{ .name = "RFC 1122 4.2.3.2: one small segment is acknowledged late",
	  PLAIN,
	  .text = "< A seq 1 (100) ack 1 win 1000\n"
		  "= received 100\n"
		  "+25 > A seq 1 ack 101\n" },
	{ .name = "RFC 1122 4.2.3.2: the delay is the option's",
	  .options = { .no_timestamps = true, .delayed_ack_ms = 200 },
	  .opening = OPEN_ACCEPT,
	  .text = "< A seq 1 (100) ack 1 win 1000\n"
		  "= received 100\n"
		  "+200 > A seq 1 ack 101\n" },
	{ .name = "RFC 5681 4.2: every second full segment is acknowledged at once",
	  PLAIN,
	  .text = "< A seq 1 (1460) ack 1 win 1000\n"
		  "= received 1460\n"
		  "+1 < A seq 1461 (1460) ack 1 win 1000\n"
		  "= received 1460\n"
		  "> A seq 1 ack 2921\n" },
	{ .name = "RFC 5681 4.2: data out of order is acknowledged at once, and so is what fills "
		  "the gap",
	  PLAIN,
	  .text = "< A seq 101 (100) ack 1 win 1000\n"
		  "> A seq 1 ack 1 sack 101-201\n"
		  "< A seq 1 (100) ack 1 win 1000\n"
		  "= received 200\n"
		  "> A seq 1 ack 201 no-sack\n" },
	{ .name = "RFC 9293 3.8.6.3: an acknowledgement rides on data",
	  PLAIN,
	  .text = "< A seq 1 (100) ack 1 win 1000\n"
		  "= received 100\n"
		  "! send 10\n"
		  "> A seq 1 (10) ack 101\n"
		  "+100 .\n"
		  "< A seq 101 ack 11 win 1000\n" },
	{ .name = "RFC 2018 4: the block of the latest segment comes first",
	  PLAIN,
	  .text = "< A seq 201 (100) ack 1 win 1000\n"
		  "> A ack 1 sack 201-301\n"
		  "< A seq 601 (100) ack 1 win 1000\n"
		  "> A ack 1 sack 601-701 sack 201-301\n"
		  "< A seq 401 (100) ack 1 win 1000\n"
		  "> A ack 1 sack 401-501 sack 601-701 sack 201-301\n"
		  "< A seq 301 (100) ack 1 win 1000\n"
		  "> A ack 1 sack 201-501 sack 601-701\n"
		  "< A seq 1 (200) ack 1 win 1000\n"
		  "= received 500\n"
		  "> A ack 501 sack 601-701\n" },
	{ .name = "RFC 2018: with timestamps there is room for three blocks",
	  WITH_TIMES,
	  .text = "< A seq 201 (100) ack 1 win 1000\n"
		  "> A ack 1 sack 201-301\n"
		  "< A seq 401 (100) ack 1 win 1000\n"
		  "> A ack 1 sack 401-501 sack 201-301\n"
		  "< A seq 601 (100) ack 1 win 1000\n"
		  "> A ack 1 sack 601-701 sack 401-501 sack 201-301\n"
		  "< A seq 801 (100) ack 1 win 1000\n"
		  "> A ack 1 sack 801-901 sack 601-701 sack 401-501\n" },
	{ .name = "RFC 2883 4: what came twice is told first",
	  PLAIN,
	  .text = "< A seq 1 (100) ack 1 win 1000\n"
		  "= received 100\n"
		  "+25 > A ack 101\n"
		  "< A seq 1 (100) ack 1 win 1000\n"
		  "> A seq 1 ack 101 sack 1-101\n" },
	{ .name = "RFC 2883 4.2: ... out of order as well",
	  PLAIN,
	  .text = "< A seq 201 (100) ack 1 win 1000\n"
		  "> A ack 1 sack 201-301\n"
		  "< A seq 201 (100) ack 1 win 1000\n"
		  "> A ack 1 sack 201-301 sack 201-301\n" },
	{ .name = "RFC 9293 3.10.7.4: overlapping segments give each byte once",
	  PLAIN,
	  .text = "< A seq 51 (100) ack 1 win 1000\n"
		  "> A ack 1 sack 51-151\n"
		  "< A seq 1 (100) ack 1 win 1000\n"
		  "= received 150\n"
		  "> A ack 151\n"
		  "< A seq 101 (200) ack 1 win 1000\n"
		  "= received 150\n"
		  "> A ack 301\n" },

	/* ---- windows */
	{ .name = "RFC 6928: ten segments to begin with",
	  PLAIN,
	  .text = "! send 20000\n"
		  "> A seq 1 (1460)\n> A seq 1461 (1460)\n> A seq 2921 (1460)\n"
		  "> A seq 4381 (1460)\n> A seq 5841 (1460)\n> A seq 7301 (1460)\n"
		  "> A seq 8761 (1460)\n> A seq 10221 (1460)\n> A seq 11681 (1460)\n"
		  "> A seq 13141 (1460)\n" },
	{ .name = "RFC 5681 3.1: slow start: each acknowledgement lets twice as much go",
	  PLAIN,
	  .text = "! send 30000\n"
		  "> A seq 1 (1460)\n> A seq 1461 (1460)\n> A seq 2921 (1460)\n"
		  "> A seq 4381 (1460)\n> A seq 5841 (1460)\n> A seq 7301 (1460)\n"
		  "> A seq 8761 (1460)\n> A seq 10221 (1460)\n> A seq 11681 (1460)\n"
		  "> A seq 13141 (1460)\n"
		  "+10 < A seq 1 ack 2921 win 1000\n"
		  "> A seq 14601 (1460)\n> A seq 16061 (1460)\n"
		  "> A seq 17521 (1460)\n> A seq 18981 (1460)\n"
		  "? cwnd 17520\n" },
	{ .name = "RFC 5681 4.1: after a long silence the window is the first one again",
	  PLAIN,
	  .text = "! send 14600\n"
		  "> A seq 1 (1460)\n> A seq 1461 (1460)\n> A seq 2921 (1460)\n"
		  "> A seq 4381 (1460)\n> A seq 5841 (1460)\n> A seq 7301 (1460)\n"
		  "> A seq 8761 (1460)\n> A seq 10221 (1460)\n> A seq 11681 (1460)\n"
		  "> A seq 13141 (1460)\n"
		  "+10 < A seq 1 ack 14601 win 1000\n"
		  "? cwnd 26000 29200\n"
		  "+2000 ! send 16060\n"
		  "> A seq 14601 (1460)\n> A seq 16061 (1460)\n> A seq 17521 (1460)\n"
		  "> A seq 18981 (1460)\n> A seq 20441 (1460)\n> A seq 21901 (1460)\n"
		  "> A seq 23361 (1460)\n> A seq 24821 (1460)\n> A seq 26281 (1460)\n"
		  "> A seq 27741 (1460)\n"
		  "? cwnd 14600\n" },
	{ .name = "RFC 9293 3.8.6.2.1: what is left of a window does not make small segments",
	  PLAIN,
	  .text = "< A seq 1 ack 1 win 24\n"
		  "! send 5000\n"
		  "> A seq 1 (1460)\n"
		  "> A seq 1461 (1460)\n"
		  "+15 .\n"
		  "< A seq 1 ack 2921 win 24\n"
		  "> A seq 2921 (1460)\n"
		  "> A seq 4381 (620)\n" },
	{ .name = "a segment ends where a buffer does, if it is nearly full then",
	  PLAIN,
	  .text = "< A seq 1 ack 1 win 0\n"
		  "! send 1400\n"
		  "! send 700\n"
		  "! send 700\n"
		  "! send 1000\n"
		  "! send 1000\n"
		  "< A seq 1 ack 1 win 1000\n"
		  "> A seq 1 (1400)\n"
		  "> A seq 1401 (1400)\n"
		  "> A seq 2801 (1460)\n"
		  "> A seq 4261 (540)\n" },
	{ .name = "... or earlier, if full ones follow",
	  PLAIN,
	  .text = "< A seq 1 ack 1 win 0\n"
		  "! send 500\n"
		  "! send 1400\n"
		  "! send 1400\n"
		  "! send 500\n"
		  "! send 1400\n"
		  "! send 500\n"
		  "< A seq 1 ack 1 win 1000\n"
		  "> A seq 1 (500)\n"
		  "> A seq 501 (1400)\n"
		  "> A seq 1901 (1400)\n"
		  "> A seq 3301 (1460)\n"
		  "> A seq 4761 (940)\n" },
	{ .name = "where packets wait to leave, nothing is added to them",
	  PLAIN,
	  .text = "! full 1\n"
		  "! send 10\n"
		  "< A seq 1 (100) ack 1 win 1000\n"
		  "= received 100\n"
		  "+5 .\n"
		  "! full 0\n"
		  "> A seq 1 (10) ack 101\n"
		  "< A seq 101 ack 11 win 1000\n" },
	{ .name = "RFC 9293 3.8.6: no more than the peer's window",
	  PLAIN,
	  .text = "< A seq 1 ack 1 win 10\n"
		  "! send 3000\n"
		  "> A seq 1 (1280)\n"
		  "+10 < A seq 1 ack 1281 win 10\n"
		  "> A seq 1281 (1280)\n"
		  "+10 < A seq 1 ack 2561 win 10\n"
		  "> A seq 2561 (440)\n" },
	{ .name = "RFC 9293 3.8.6.1: a closed window is probed, less and less often",
	  PLAIN,
	  .text = "< A seq 1 ack 1 win 0\n"
		  "! send 3000\n"
		  "+200 > A seq 1 (1) ack 1\n"
		  "< A seq 1 ack 1 win 0\n"
		  "+400 > A seq 1 (1) ack 1\n"
		  "< A seq 1 ack 1 win 0\n"
		  "+800 > A seq 1 (1) ack 1\n"
		  "< A seq 1 ack 1 win 1000\n"
		  "> A seq 1 (1460)\n"
		  "> A seq 1461 (1460)\n"
		  "> A seq 2921 (80)\n" },
	{ .name = "RFC 9293 3.8.6: the window is what the program has room for",
	  WINDOW(4000),
	  .text = "< A seq 1 (1000) ack 1 win 1000\n"
		  "= received 1000\n"
		  "+25 > A ack 1001 win 3000\n"
		  "< A seq 1001 (3000) ack 1 win 1000\n"
		  "= received 3000\n"
		  "> A ack 4001 win 0\n"
		  "< A seq 4001 (1) ack 1 win 1000\n"
		  "> A ack 4001 win 0\n"
		  "! credit 4000\n"
		  "> A ack 4001 win 4000\n" },
	{ .name = "RFC 9293 3.8.6.2.2: a window opens by a segment or by half, not by bytes",
	  WINDOW(2000),
	  .text = "< A seq 1 (2000) ack 1 win 1000\n"
		  "= received 2000\n"
		  "+25 > A ack 2001 win 0\n"
		  "! credit 500\n"
		  "+50 .\n"
		  "! credit 600\n"
		  "> A ack 2001 win 1100\n" },
	{ .name = "RFC 9293 3.8.6: what goes beyond the window is cut",
	  WINDOW(1000),
	  .text = "< A seq 1 (1400) ack 1 win 1000\n"
		  "= received 1000\n"
		  "> A ack 1001 win 0\n" },
	{ .name = "RFC 896: with Nagle's rule small data waits for the acknowledgement",
	  .options = { .no_timestamps = true, .nagle = true },
	  .opening = OPEN_ACCEPT,
	  .text = "! send 10\n"
		  "> A seq 1 (10)\n"
		  "! send 10\n"
		  "! send 10\n"
		  "+20 .\n"
		  "< A seq 1 ack 11 win 1000\n"
		  "> A seq 11 (20)\n" },
	{ .name = "RFC 1122 4.2.3.4: without it small data goes at once",
	  PLAIN,
	  .text = "! send 10\n"
		  "> A seq 1 (10)\n"
		  "! send 10\n"
		  "> A seq 11 (10)\n" },
	{ .name = "Limits: a full send buffer says so, and says when there is room",
	  .options = { .no_timestamps = true, .send_buffer = 2000 },
	  .opening = OPEN_ACCEPT,
	  .text = "! send 2920\n"
		  "> A seq 1 (1460)\n"
		  "> A seq 1461 (1460)\n"
		  "? in_flight 2920\n" },

	/* ---- timestamps */
	{ .name = "RFC 7323 4.3: the echo is of the segment that moves the left edge",
	  WITH_TIMES,
	  .text = "< A seq 1 (100) ack 1 win 1000 ts 200 0\n"
		  "= received 100\n"
		  "< A seq 301 (100) ack 1 win 1000 ts 201 0\n"
		  "> A ack 101 ts 0 200 sack 301-401\n"
		  "< A seq 101 (200) ack 1 win 1000 ts 202 0\n"
		  "= received 300\n"
		  "> A ack 401 ts 0 202\n" },
	{ .name = "RFC 7323 5.3: data with an old timestamp is dropped and acknowledged",
	  WITH_TIMES,
	  .text = "< A seq 1 (100) ack 1 win 1000 ts 200 0\n"
		  "= received 100\n"
		  "+25 > A ack 101\n"
		  "< A seq 101 (100) ack 1 win 1000 ts 199 0\n"
		  "> A seq 1 ack 101 ts 0 200\n"
		  "< A seq 101 (100) ack 1 win 1000 ts 200 0\n"
		  "= received 100\n"
		  "+25 > A ack 201\n" },
	{ .name = "RFC 7323 3.2: without timestamps, where they were agreed on, data is not taken",
	  WITH_TIMES,
	  .text = "< A seq 1 (100) ack 1 win 1000 no-ts\n"
		  "+40 .\n" },
	{ .name = "RFC 6298 2.2: the first measurement",
	  WITH_TIMES,
	  .text = "! send 100\n"
		  "> A seq 1 (100)\n"
		  "+80 < A seq 1 ack 101 win 1000\n"
		  "? srtt_us 1 82000\n"
		  "? rto_ms 200 320\n" },

	/* ---- paths */
	{ .name = "RFC 1191: a packet too big for the path is cut anew and sent at once",
	  PLAIN,
	  .text = "! send 2000\n"
		  "> A seq 1 (1460)\n"
		  "> A seq 1461 (540)\n"
		  "! too_big 1 1240\n"
		  "> A seq 1 (1200)\n"
		  "> A seq 1201 (260)\n"
		  "< A seq 1 ack 2001 win 1000\n"
		  "! send 2000\n"
		  "> A seq 2001 (1200)\n"
		  "> A seq 3201 (800)\n" },
	{ .name = "RFC 5927 7.2: an error about what is not in flight is not believed",
	  PLAIN,
	  .text = "! send 100\n"
		  "> A seq 1 (100)\n"
		  "< A seq 1 ack 101 win 1000\n"
		  "! too_big 1 600\n"
		  "! too_big 5000 600\n"
		  "! send 1460\n"
		  "> A seq 101 (1460)\n" },
	{ .name = "RFC 5927 5.2: an error that says unreachable does not end what is established",
	  PLAIN,
	  .text = "! send 100\n"
		  "> A seq 1 (100)\n"
		  "! unreachable 1\n"
		  "! unreachable 50\n"
		  "+10 .\n"
		  "< A seq 1 ack 101 win 1000\n"
		  "! unreachable 101\n"
		  "< A seq 1 (10) ack 101 win 1000\n"
		  "= received 10\n"
		  "+25 > A seq 101 ack 11\n"
		  "! send 100\n"
		  "> A seq 101 (100)\n"
		  "! shutdown\n"
		  "> FA seq 201\n"
		  "! unreachable 201\n"
		  "< A seq 11 ack 202 win 1000\n"
		  "< FA seq 11 ack 202 win 1000\n"
		  "= half_closed\n"
		  "= done\n"
		  "> A seq 202 ack 12\n" },
	{ .name = "RFC 5927: an absurd MTU does not make tiny segments",
	  PLAIN,
	  .text = "! send 1460\n"
		  "> A seq 1 (1460)\n"
		  "! too_big 1 68\n"
		  "> A seq 1 (536)\n"
		  "> A seq 537 (536)\n"
		  "> A seq 1073 (388)\n"
		  "? mss 536\n" },
	{ .name = "RFC 5927 7: an error about an MTU that is no smaller changes nothing",
	  PLAIN,
	  .text = "! send 1460\n"
		  "> A seq 1 (1460)\n"
		  "! too_big 1 1500\n"
		  "! too_big 1 9000\n"
		  "+20 .\n"
		  "? mss 1460\n" },
	{ .name =
	      "RFC 1191 6.3: after ten minutes one larger segment is tried, then all are larger",
	  PLAIN,
	  .text = NARROW "+599000 ! send 1460\n"
			 "> A seq 1461 (960)\n"
			 "> A seq 2421 (500)\n"
			 "< A seq 1 ack 2921 win 1000\n"
			 "+1010 ! send 4000\n"
			 "> A seq 2921 (1460)\n"
			 "> A seq 4381 (960)\n"
			 "> A seq 5341 (960)\n"
			 "> A seq 6301 (620)\n"
			 "? mss 960\n"
			 "< A seq 1 ack 6921 win 1000\n"
			 "? mss 1460\n"
			 "! send 1460\n"
			 "> A seq 6921 (1460)\n" },
	{ .name = "RFC 8201 4: ... over IPv6 as well",
	  PLAIN,
	  .ip6 = true,
	  .text = "! send 1400\n"
		  "> A seq 1 (1400)\n"
		  "! too_big 1 1280\n"
		  "> A seq 1 (1220)\n"
		  "> A seq 1221 (180)\n"
		  "< A seq 1 ack 1401 win 1000\n"
		  "+600010 ! send 1440\n"
		  "> A seq 1401 (1440)\n"
		  "< A seq 1 ack 2841 win 1000\n"
		  "? mss 1440\n" },
	{ .name =
	      "RFC 1191 6.3: a path that is still narrow says so, and is left alone as long again",
	  PLAIN,
	  .text = NARROW "+600010 ! send 2420\n"
			 "> A seq 1461 (1460)\n"
			 "> A seq 2921 (960)\n"
			 "! too_big 1461 1000\n"
			 "> A seq 1461 (960)\n"
			 "> A seq 2421 (500)\n"
			 "? cwnd 9600 20000\n"
			 "< A seq 1 ack 3881 win 1000\n"
			 "+599000 ! send 1460\n"
			 "> A seq 3881 (960)\n"
			 "> A seq 4841 (500)\n"
			 "< A seq 1 ack 5341 win 1000\n"
			 "+1010 ! send 1460\n"
			 "> A seq 5341 (1460)\n" },
	{ .name = "RFC 1191 6.3: a path that has become a little wider says so",
	  PLAIN,
	  .text = NARROW "+600010 ! send 1460\n"
			 "> A seq 1461 (1460)\n"
			 "! too_big 1461 1240\n"
			 "> A seq 1461 (1200)\n"
			 "> A seq 2661 (260)\n"
			 "? mss 1200\n" },
	{ .name = "RFC 1191 6.3: one that says nothing loses that segment, which leaves in pieces",
	  PLAIN,
	  .text = NARROW "+600010 ! send 4340\n"
			 "> A seq 1461 (1460)\n"
			 "> A seq 2921 (960)\n"
			 "> A seq 3881 (960)\n"
			 "> A seq 4841 (960)\n"
			 "< A seq 1 ack 1461 win 1000 sack 2921-5801\n"
			 "> A seq 1461 (960)\n"
			 "> A seq 2421 (500)\n"
			 "< A seq 1 ack 5801 win 1000\n"
			 "? mss 960\n"
			 "+599000 ! send 1460\n"
			 "> A seq 5801 (960)\n"
			 "> A seq 6761 (500)\n" },

	/* ---- ECN */
	{ .name = "RFC 3168 6.1.3: a mark is echoed until CWR comes",
	  .options = { .no_timestamps = true },
	  .text = "< SEC seq 0 win 65535 mss 1460\n"
		  "> SAE seq 0 ack 1\n"
		  "< A seq 1 ack 1 win 65535\n"
		  "= accepted\n"
		  "< A seq 1 (1460) ack 1 win 65535 ecn 3\n"
		  "= received 1460\n"
		  "< A seq 1461 (1460) ack 1 win 65535 ecn 2\n"
		  "= received 1460\n"
		  "> AE ack 2921\n"
		  "< AC seq 2921 (1460) ack 1 win 65535 ecn 2\n"
		  "= received 1460\n"
		  "< A seq 4381 (1460) ack 1 win 65535 ecn 2\n"
		  "= received 1460\n"
		  "> A ack 5841\n" },
	{ .name = "RFC 3168 6.1.2: an echo reduces the window once, and is answered by CWR",
	  .options = { .no_timestamps = true },
	  .text = "< SEC seq 0 win 65535 mss 1460\n"
		  "> SAE seq 0 ack 1\n"
		  "< A seq 1 ack 1 win 65535\n"
		  "= accepted\n"
		  "! send 2920\n"
		  "> A seq 1 (1460) ecn 2\n"
		  "> A seq 1461 (1460) ecn 2\n"
		  "+10 < AE seq 1 ack 1461 win 65535\n"
		  "? cwnd 1460 13140\n"
		  "< AE seq 1 ack 2921 win 65535\n"
		  "! send 100\n"
		  "> AC seq 2921 (100) ecn 2\n" },

	{ .name = "RFC 3168 6.1.5: what is sent again is not marked as able to bear a mark",
	  .options = { .no_timestamps = true },
	  .text = "< SEC seq 0 win 65535 mss 1460\n"
		  "> SAE seq 0 ack 1\n"
		  "< A seq 1 ack 1 win 65535\n"
		  "= accepted\n"
		  "! send 100\n"
		  "> A seq 1 (100) ecn 2\n"
		  "+1000 > A seq 1 (100) ecn 0\n" },
	{ .name = "RFC 3168 6.1.1.1: a SYN that got no answer asks no more",
	  .options = { .no_timestamps = true, .ask_ecn = true },
	  .text = "! connect\n"
		  "> SEC seq 0\n"
		  "+1000 > S seq 0\n"
		  "< SAE seq 0 ack 1 win 65535 mss 1460\n"
		  "> A seq 1 ack 1\n"
		  "= connected\n" },

	/* ---- urgent data, keep-alive */
	{ .name = "RFC 6093: urgent data is taken in-band",
	  PLAIN,
	  .text = "< AU seq 1 (100) ack 1 win 1000 urg 50\n"
		  "= received 100\n"
		  "+25 > A ack 101\n" },
	{ .name = "RFC 9293 3.8.4: keep-alive probes an idle peer",
	  .options = { .no_timestamps = true,
		       .keepalive_ms = 1000,
		       .keepalive_interval_ms = 500,
		       .keepalive_probes = 3 },
	  .opening = OPEN_ACCEPT,
	  .text = "+1000 > A seq 0 ack 1\n"
		  "< A seq 1 ack 1 win 1000\n"
		  "+1000 > A seq 0 ack 1\n"
		  "+500 > A seq 0 ack 1\n"
		  "+500 > A seq 0 ack 1\n"
		  "+500 = keepalive\n"
		  "> RA seq 1\n" },
	{ .name = "RFC 9293 3.8.4: a keep-alive probe is answered",
	  PLAIN,
	  .text = "< A seq 1 (10) ack 1 win 1000\n"
		  "= received 10\n"
		  "+25 > A ack 11\n"
		  "< A seq 10 ack 1 win 1000\n"
		  "> A seq 1 ack 11\n" },
};

static void
pass_hours(struct script *s, uint64_t hours)
{
	s->now += hours * 3600000000000ull;
	while (tcp_advance(s->tcp, s->now))
		;
	s->last = s->now;
}

/* RFC 7323 5.5: after 24 days of silence a timestamp says nothing, since the peer's clock may have
 * gone round; from then on it goes by the new ones. */
static void
paws_given_up(void)
{
	static struct script s;

	script_begin(&s, &(struct tcp_options){ 0 });
	script_accept(&s);
	play(&s, "< A seq 1 (100) ack 1 win 1000 ts 200 0\n"
		 "= received 100\n"
		 "+25 > A ack 101\n");
	pass_hours(&s, 24 * 24 - 1);
	play(&s, "< A seq 101 (100) ack 1 win 1000 ts 150 0\n"
		 "> A ack 101 ts 0 200\n");
	pass_hours(&s, 2);
	play(&s, "< A seq 101 (100) ack 1 win 1000 ts 150 0\n"
		 "= received 100\n"
		 "+25 > A ack 201 ts 0 150\n"
		 "< A seq 201 (100) ack 1 win 1000 ts 151 0\n"
		 "= received 100\n"
		 "+25 > A ack 301 ts 0 151\n"
		 "< A seq 301 (100) ack 1 win 1000 ts 150 0\n"
		 "> A ack 301 ts 0 151\n");
	script_end(&s);
}

int
test_transfer_register(void)
{
	CU_pSuite suite = CU_add_suite("transfer, more", NULL, NULL);

	if (!suite || !CU_add_test(suite, "RFC 7323 5.5: 24 days of silence", paws_given_up))
		return (int)CU_get_error();
	return script_suite("transfer", cases, sizeof(cases) / sizeof(cases[0]));
}

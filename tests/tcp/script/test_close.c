/* SPDX-License-Identifier: Apache-2.0 */
/* How connections end: each state's FIN, half-closes, resets, TIME-WAIT. */
#include "tests/tcp/script/script.h"
#include "tests/tcp/script/suites.h"

#define PLAIN .options = { .no_timestamps = true }, .opening = OPEN_ACCEPT
#define TIMES .options = { 0 }, .opening = OPEN_ACCEPT

/* The stack closes first and is in TIME-WAIT behind it. */
#define TO_TIME_WAIT                  \
	"! shutdown\n"                \
	"> FA seq 1 ack 1\n"          \
	"< A seq 1 ack 2 win 1000\n"  \
	"< FA seq 1 ack 2 win 1000\n" \
	"= half_closed\n"             \
	"= done\n"                    \
	"> A seq 2 ack 2\n"

static const struct script_case cases[] = {
	{ .name = "RFC 9293 3.6: the peer ends first: CLOSE-WAIT, LAST-ACK",
	  PLAIN,
	  .text = "< FA seq 1 ack 1 win 1000\n"
		  "= half_closed\n"
		  "> A seq 1 ack 2\n"
		  "! send 100\n"
		  "> A seq 1 (100) ack 2\n"
		  "< A seq 2 ack 101 win 1000\n"
		  "! shutdown\n"
		  "> FA seq 101 ack 2\n"
		  "< A seq 2 ack 102 win 1000\n"
		  "= done\n"
		  "+100 .\n" },
	{ .name = "RFC 9293 3.6: the stack ends first: FIN-WAIT-1, FIN-WAIT-2, TIME-WAIT",
	  PLAIN,
	  .text = TO_TIME_WAIT "+100 .\n" },
	{ .name = "RFC 9293 3.6: data still comes in FIN-WAIT-1 and FIN-WAIT-2",
	  PLAIN,
	  .text = "! shutdown\n"
		  "> FA seq 1 ack 1\n"
		  "< A seq 1 (10) ack 1 win 1000\n"
		  "= received 10\n"
		  "+25 > A seq 2 ack 11\n"
		  "< A seq 11 ack 2 win 1000\n"
		  "< A seq 11 (10) ack 2 win 1000\n"
		  "= received 10\n"
		  "+25 > A seq 2 ack 21\n"
		  "< FA seq 21 (10) ack 2 win 1000\n"
		  "= received 10\n"
		  "= half_closed\n"
		  "= done\n"
		  "> A seq 2 ack 32\n" },
	{ .name = "RFC 9293 3.6: a FIN with the acknowledgement: FIN-WAIT-1 to TIME-WAIT",
	  PLAIN,
	  .text = "! shutdown\n"
		  "> FA seq 1 ack 1\n"
		  "< FA seq 1 ack 2 win 1000\n"
		  "= half_closed\n"
		  "= done\n"
		  "> A seq 2 ack 2\n" },
	{ .name = "RFC 9293 3.6: both end at once: CLOSING",
	  PLAIN,
	  .text = "! shutdown\n"
		  "> FA seq 1 ack 1\n"
		  "< FA seq 1 ack 1 win 1000\n"
		  "= half_closed\n"
		  "> A seq 2 ack 2\n"
		  "< A seq 2 ack 2 win 1000\n"
		  "= done\n" },
	{ .name = "RFC 9293 3.6: a FIN waits for the data in front of it",
	  PLAIN,
	  .text = "< FA seq 101 (100) ack 1 win 1000\n"
		  "> A seq 1 ack 1 sack 101-202\n"
		  "< A seq 1 (100) ack 1 win 1000\n"
		  "= received 200\n"
		  "= half_closed\n"
		  "> A seq 1 ack 202\n" },
	{ .name = "RFC 9293 3.6: the FIN goes behind all data",
	  PLAIN,
	  .text = "! send 2000\n"
		  "> A seq 1 (1460)\n"
		  "> A seq 1461 (540)\n"
		  "! shutdown\n"
		  "> FA seq 2001\n"
		  "< A seq 1 ack 2002 win 1000\n" },
	{ .name = "RFC 9293 3.6: a FIN is not held back by a closed window",
	  PLAIN,
	  .text = "< A seq 1 ack 1 win 0\n"
		  "! shutdown\n"
		  "> FA seq 1 ack 1\n" },
	{ .name = "RFC 9293 3.10.7.4: a FIN that comes again is acknowledged again",
	  PLAIN,
	  .text = "< FA seq 1 ack 1 win 1000\n"
		  "= half_closed\n"
		  "> A seq 1 ack 2\n"
		  "< FA seq 1 ack 1 win 1000\n"
		  "> A seq 1 ack 2\n" },
	{ .name = "RFC 9293 3.10.7.4: a FIN during the handshake",
	  .options = { .no_timestamps = true },
	  .text = "< S seq 0 win 65535 mss 1460\n"
		  "> SA seq 0 ack 1\n"
		  "< FA seq 1 ack 1 win 65535\n"
		  "= accepted\n"
		  "= half_closed\n"
		  "> A seq 1 ack 2\n" },
	{ .name = "RFC 9293 3.6.1: TIME-WAIT answers the FIN that comes again",
	  PLAIN,
	  .text = TO_TIME_WAIT "+10000 .\n"
			       "< FA seq 1 ack 2 win 1000\n"
			       "> A seq 2 ack 2\n" },
	{ .name = "RFC 9293 3.6.1: TIME-WAIT lasts 2 MSL",
	  .options = { .no_timestamps = true, .time_wait_ms = 5000 },
	  .opening = OPEN_ACCEPT,
	  .text = TO_TIME_WAIT "+4500 .\n"
			       "< FA seq 1 ack 2 win 1000\n"
			       "> A seq 2 ack 2\n"
			       "+4500 < FA seq 1 ack 2 win 1000\n"
			       "> A seq 2 ack 2\n"
			       "+5500 < FA seq 1 ack 2 win 1000\n"
			       "> R seq 2\n" },
	{ .name = "RFC 1337: a RST does not end TIME-WAIT",
	  PLAIN,
	  .text = TO_TIME_WAIT "< R seq 2 win 0\n"
			       "+10 < FA seq 1 ack 2 win 1000\n"
			       "> A seq 2 ack 2\n" },
	{ .name = "RFC 6191: a SYN with a later timestamp opens anew from TIME-WAIT",
	  TIMES,
	  .text = TO_TIME_WAIT "+1000 < S seq 5000 win 65535 mss 1460 ts 5000 0\n"
			       "> SA ack 5001 ts 0 5000\n" },
	{ .name = "RFC 6191: one with an older timestamp does not",
	  TIMES,
	  .text = TO_TIME_WAIT "+1000 < S seq 5000 win 65535 mss 1460 ts 50 0\n"
			       "> A seq 2 ack 2\n" },
	{ .name = "RFC 9293 3.10.7.4: without timestamps, one with a later sequence number does",
	  PLAIN,
	  .text = TO_TIME_WAIT "+1000 < S seq 5000 win 65535 mss 1460\n"
			       "> SA ack 5001\n" },
	{ .name = "RFC 9293 3.10.5: an abort sends a RST",
	  PLAIN,
	  .text = "! send 100\n"
		  "> A seq 1 (100)\n"
		  "! abort\n"
		  "> RA seq 101 ack 1\n"
		  "+1000 .\n"
		  "< A seq 1 ack 101 win 1000\n"
		  "> R seq 101\n" },
	{ .name = "RFC 9293 3.10.7.4: a RST at the left edge ends it",
	  PLAIN,
	  .text = "! send 100\n"
		  "> A seq 1 (100)\n"
		  "< R seq 1 win 0\n"
		  "= reset\n"
		  "+1000 .\n" },
	{ .name = "RFC 9293 3.10.7.4: ... in FIN-WAIT-2 as well",
	  PLAIN,
	  .text = "! shutdown\n"
		  "> FA seq 1\n"
		  "< A seq 1 ack 2 win 1000\n"
		  "< R seq 1 win 0\n"
		  "= reset\n" },
	{ .name = "Drain: unread data does not cost the peer the answer",
	  PLAIN,
	  .text = "< A seq 1 (1000) ack 1 win 1000\n"
		  "= received 1000\n"
		  "+25 > A ack 1001\n"
		  "! send 100\n"
		  "> A seq 1 (100)\n"
		  "! drain\n"
		  "> FA seq 101 ack 1001\n"
		  "< A seq 1001 (1000) ack 102 win 1000\n"
		  "+25 > A seq 102 ack 2001\n"
		  "< FA seq 2001 ack 102 win 1000\n"
		  "= done\n"
		  "> A seq 102 ack 2002\n" },
	{ .name = "Abort later: what is queued arrives, then a RST and no FIN",
	  PLAIN,
	  .text = "! send 2000\n"
		  "> A seq 1 (1460)\n"
		  "> A seq 1461 (540)\n"
		  "! abort_later\n"
		  "< A seq 1 (1000) ack 1461 win 1000\n"
		  "+25 > A seq 2001 ack 1001\n"
		  "< A seq 1001 ack 2001 win 1000\n"
		  "= done\n"
		  "> RA seq 2001 ack 1001\n"
		  "+1000 .\n" },
	{ .name = "Abort later: for as long as the peer takes of it, through a closed window",
	  PLAIN,
	  .text = "! send 100\n"
		  "> A seq 1 (100)\n"
		  "< A seq 1 ack 101 win 0\n"
		  "! send 100\n"
		  "! abort_later\n"
		  "+1000 ~\n"
		  "+70000 ~\n"
		  "< A seq 1 ack 101 win 1000\n"
		  "> A seq 101 (100)\n"
		  "< A seq 1 ack 201 win 1000\n"
		  "= done\n"
		  "> RA seq 201 ack 1\n" },
	{ .name = "Abort later: nothing is queued",
	  PLAIN,
	  .text = "! abort_later\n"
		  "= done\n"
		  "> RA seq 1 ack 1\n" },
	{ .name = "Abort later: behind a FIN that is on its way already",
	  PLAIN,
	  .text = "! send 100\n"
		  "> A seq 1 (100)\n"
		  "! shutdown\n"
		  "> FA seq 101\n"
		  "! abort_later\n"
		  "< A seq 1 ack 101 win 1000\n"
		  "+10 < A seq 1 ack 102 win 1000\n"
		  "= done\n"
		  "> RA seq 102 ack 1\n" },
	{ .name = "Abort later: the peer's own FIN does not end it before",
	  PLAIN,
	  .text = "! send 100\n"
		  "> A seq 1 (100)\n"
		  "! abort_later\n"
		  "< FA seq 1 ack 1 win 1000\n"
		  "> A seq 101 ack 2\n"
		  "< A seq 2 ack 101 win 1000\n"
		  "= done\n"
		  "> RA seq 101 ack 2\n" },
	{ .name = "Abort later: the peer resets it",
	  PLAIN,
	  .text = "! send 100\n"
		  "> A seq 1 (100)\n"
		  "! abort_later\n"
		  "< R seq 1 win 0\n"
		  "= reset\n"
		  "+1000 .\n" },
	{ .name = "Unlisten: half-open connections end silently, others go on",
	  PLAIN,
	  .text = "! unlisten\n"
		  "< A seq 1 (10) ack 1 win 1000\n"
		  "= received 10\n"
		  "+25 > A ack 11\n" },
};

int
test_close_register(void)
{
	return script_suite("close", cases, sizeof(cases) / sizeof(cases[0]));
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Losses: how they are found, what is sent again, what becomes of the window. */
#include <CUnit/CUnit.h>
#include <stdio.h>

#include "tests/tcp/script/script.h"
#include "tests/tcp/script/suites.h"

#define SACK .options = { .no_timestamps = true }, .opening = OPEN_ACCEPT
#define NEWRENO                                                                                   \
	.options = { .no_timestamps = true, .no_sack = true, .no_rack = true, .no_cubic = true }, \
	.opening = OPEN_ACCEPT

/* Ten segments leave; a round trip takes 20 ms. */
#define TEN                                                                 \
	"! send 14600\n"                                                    \
	"> A seq 1 (1460)\n> A seq 1461 (1460)\n> A seq 2921 (1460)\n"      \
	"> A seq 4381 (1460)\n> A seq 5841 (1460)\n> A seq 7301 (1460)\n"   \
	"> A seq 8761 (1460)\n> A seq 10221 (1460)\n> A seq 11681 (1460)\n" \
	"> A seq 13141 (1460)\n"
/* A first exchange, so that the round trip is known: 100 bytes. */
#define MEASURED            \
	"! send 100\n"      \
	"> A seq 1 (100)\n" \
	"+20 < A seq 1 ack 101 win 1000\n"

static const struct script_case cases[] = {
	/* ---- timeouts */
	{ .name = "RFC 6298 5: the timeout doubles, and the window is one segment",
	  .options = { .no_timestamps = true, .no_rack = true },
	  .opening = OPEN_ACCEPT,
	  .text = MEASURED "! send 100\n"
			   "> A seq 101 (100)\n"
			   "+200 > A seq 101 (100)\n"
			   "? cwnd 1460\n"
			   "+400 > A seq 101 (100)\n"
			   "+800 > A seq 101 (100)\n" },
	{ .name = "RFC 6298 5.7, Karn: the timeout stays doubled until a round trip is measured",
	  .options = { .no_timestamps = true, .no_rack = true },
	  .opening = OPEN_ACCEPT,
	  .text = MEASURED "! send 100\n"
			   "> A seq 101 (100)\n"
			   "+200 > A seq 101 (100)\n"
			   "< A seq 1 ack 201 win 1000\n"
			   "! send 100\n"
			   "> A seq 201 (100)\n"
			   "+400 > A seq 201 (100)\n"
			   "< A seq 1 ack 301 win 1000\n"
			   "! send 100\n"
			   "> A seq 301 (100)\n"
			   "+20 < A seq 1 ack 401 win 1000\n"
			   "! send 100\n"
			   "> A seq 401 (100)\n"
			   "+200 > A seq 401 (100)\n" },
	{ .name = "RFC 6298 3: a segment that was sent again measures nothing (Karn)",
	  .options = { .no_timestamps = true, .no_sack = true, .no_rack = true },
	  .opening = OPEN_ACCEPT,
	  .text = MEASURED "? srtt_us 18000 23000\n"
			   "! send 100\n"
			   "> A seq 101 (100)\n"
			   "+200 > A seq 101 (100)\n"
			   "< A seq 1 ack 201 win 1000\n"
			   "? srtt_us 18000 23000\n" },
	{ .name = "RFC 9293 3.8.3: data that nobody acknowledges ends the connection",
	  .options = { .no_timestamps = true, .user_timeout_ms = 3000 },
	  .opening = OPEN_ACCEPT,
	  .text = MEASURED "! send 100\n"
			   "> A seq 101 (100)\n"
			   "+200 > A seq 101 (100)\n" /* a probe of the tail, RFC 8985 7 */
			   "+200 > A seq 101 (100)\n"
			   "+400 > A seq 101 (100)\n"
			   "+800 > A seq 101 (100)\n"
			   "+1600 = timeout\n"
			   "> RA\n" },

	/* ---- RFC 6582 and 3042: without SACK */
	{ .name = "RFC 5681 3.2: three duplicates send the first segment again; RFC 3042 lets two "
		  "new ones go",
	  NEWRENO,
	  .text = "! send 20000\n"
		  "> A seq 1 (1460)\n> A seq 1461 (1460)\n> A seq 2921 (1460)\n"
		  "> A seq 4381 (1460)\n> A seq 5841 (1460)\n> A seq 7301 (1460)\n"
		  "> A seq 8761 (1460)\n> A seq 10221 (1460)\n> A seq 11681 (1460)\n"
		  "> A seq 13141 (1460)\n"
		  "+20 < A seq 1 ack 1 win 512\n"
		  "< A seq 1 ack 1 win 512\n"
		  "> A seq 14601 (1460)\n"
		  "< A seq 1 ack 1 win 512\n"
		  "> A seq 16061 (1460)\n"
		  "< A seq 1 ack 1 win 512\n"
		  "> A seq 1 (1460)\n"
		  "? ssthresh 7300 8760\n" },
	{ .name = "RFC 6582 3.2: a partial acknowledgement sends the next hole",
	  NEWRENO,
	  .text = TEN "+20 < A seq 1 ack 1 win 1000\n"
		      "< A seq 1 ack 1 win 1000\n"
		      "< A seq 1 ack 1 win 1000\n"
		      "> A seq 1 (1460)\n"
		      "+20 < A seq 1 ack 4381 win 1000\n"
		      "> A seq 4381 (1460)\n"
		      "+20 < A seq 1 ack 14601 win 1000\n"
		      "? in_flight 0\n"
		      "? cwnd 2920 8760\n" },

	{ .name =
	      "RFC 6298 5.7: a peer that answers after a timeout does not wait for a doubled one",
	  NEWRENO,
	  .text = MEASURED "! send 100\n> A seq 101 (100)\n"
			   "! send 100\n> A seq 201 (100)\n"
			   "! send 100\n> A seq 301 (100)\n"
			   "+200 > A seq 101 (100)\n> A seq 201 (100)\n> A seq 301 (100)\n"
			   "+5 < A seq 1 ack 201 win 1000\n"
			   "+195 > A seq 201 (100)\n"
			   "+5 < A seq 1 ack 401 win 1000\n"
			   "? in_flight 0\n" },

	/* ---- SACK, RACK */
	{ .name = "RFC 6675, 8985: a hole behind which much arrived is sent again",
	  SACK,
	  .text = MEASURED "! send 14600\n"
			   "> A seq 101 (1460)\n> A seq 1561 (1460)\n> A seq 3021 (1460)\n"
			   "> A seq 4481 (1460)\n> A seq 5941 (1460)\n> A seq 7401 (1460)\n"
			   "> A seq 8861 (1460)\n> A seq 10321 (1460)\n> A seq 11781 (1460)\n"
			   "> A seq 13241 (1460)\n"
			   "+20 < A seq 1 ack 101 win 1000 sack 1561-3021\n"
			   "< A seq 1 ack 101 win 1000 sack 1561-4481\n"
			   "< A seq 1 ack 101 win 1000 sack 1561-5941\n"
			   "+1 > A seq 101 (1460)\n"
			   "< A seq 1 ack 14701 win 1000\n"
			   "? in_flight 0\n" },
	{ .name = "RFC 8985 6: a little disorder sends nothing again",
	  SACK,
	  .text = MEASURED "! send 4380\n"
			   "> A seq 101 (1460)\n> A seq 1561 (1460)\n> A seq 3021 (1460)\n"
			   "+20 < A seq 1 ack 101 win 1000 sack 1561-3021\n"
			   "+1 < A seq 1 ack 4481 win 1000\n"
			   "+50 .\n"
			   "? cwnd 14600 20000\n" },
	{ .name = "RFC 8985 6: after a quarter of a round trip the hole is lost",
	  SACK,
	  .text = MEASURED "! send 4380\n"
			   "> A seq 101 (1460)\n> A seq 1561 (1460)\n> A seq 3021 (1460)\n"
			   "+20 < A seq 1 ack 101 win 1000 sack 1561-4481\n"
			   "+5 > A seq 101 (1460)\n"
			   "+20 < A seq 1 ack 4481 win 1000\n"
			   "? in_flight 0\n" },
	{ .name = "RFC 8985 7: a lost tail is probed after two round trips",
	  SACK,
	  .text = MEASURED "! send 2920\n"
			   "> A seq 101 (1460)\n> A seq 1561 (1460)\n"
			   "+40 > A seq 1561 (1460)\n"
			   "+20 < A seq 1 ack 101 win 1000 sack 1561-3021\n"
			   "> A seq 101 (1460)\n"
			   "< A seq 1 ack 3021 win 1000\n" },
	{ .name = "RFC 8985 7.3: ... with new data, if there is some",
	  SACK,
	  .text = MEASURED "! send 16000\n"
			   "> A seq 101 (1460)\n> A seq 1561 (1460)\n> A seq 3021 (1460)\n"
			   "> A seq 4481 (1460)\n> A seq 5941 (1460)\n> A seq 7401 (1460)\n"
			   "> A seq 8861 (1460)\n> A seq 10321 (1460)\n> A seq 11781 (1460)\n"
			   "> A seq 13241 (1460)\n"
			   "+40 > A seq 14701 (1400)\n"
			   "< A seq 1 ack 16101 win 1000\n"
			   "? in_flight 0\n" },
	{ .name = "RFC 8985 7.3: ... which asks for its ACK, though more waits",
	  SACK,
	  .text = MEASURED "! send 20000\n"
			   "> A seq 101 (1460)\n> A seq 1561 (1460)\n> A seq 3021 (1460)\n"
			   "> A seq 4481 (1460)\n> A seq 5941 (1460)\n> A seq 7401 (1460)\n"
			   "> A seq 8861 (1460)\n> A seq 10321 (1460)\n> A seq 11781 (1460)\n"
			   "> A seq 13241 (1460)\n"
			   "+40 > PA seq 14701 (1460)\n"
			   "< A seq 1 ack 16161 win 1000\n"
			   "> A seq 16161 (1460)\n> A seq 17621 (1460)\n> PA seq 19081 (1020)\n" },
	{ .name = "RFC 8985 7.4: a loss that a probe repairs makes the window smaller",
	  SACK,
	  .text = MEASURED "! send 2920\n"
			   "> A seq 101 (1460)\n> A seq 1561 (1460)\n"
			   "+40 > A seq 1561 (1460)\n"
			   "! send 100\n"
			   "> A seq 3021 (100)\n"
			   "< A seq 1 ack 3121 win 1000\n"
			   "? cwnd 2920\n" },
	{ .name = "RFC 8985 7.4: ... and one that was needless does not",
	  SACK,
	  .text = MEASURED "! send 2920\n"
			   "> A seq 101 (1460)\n> A seq 1561 (1460)\n"
			   "+40 > A seq 1561 (1460)\n"
			   "< A seq 1 ack 3021 win 1000\n"
			   "< A seq 1 ack 3021 win 1000 sack 1561-3021\n"
			   "? cwnd 14600 20000\n" },
	{ .name = "RFC 9438 4.9.1: ... and takes back no reduction of before",
	  SACK,
	  .text = MEASURED "! send 7300\n"
			   "> A seq 101 (1460)\n> A seq 1561 (1460)\n> A seq 3021 (1460)\n"
			   "> A seq 4481 (1460)\n> A seq 5941 (1460)\n"
			   "+20 < A seq 1 ack 101 win 1000 sack 1561-7401\n"
			   "> A seq 101 (1460)\n"
			   "+20 < A seq 1 ack 7401 win 1000\n"
			   "? cwnd 5000 5200\n"
			   "! send 2920\n"
			   "> A seq 7401 (1460)\n> A seq 8861 (1460)\n"
			   "+40 > A seq 8861 (1460)\n"
			   "< A seq 1 ack 10321 win 1000 sack 8861-10321\n"
			   "? cwnd 5000 5800\n" },
	{ .name = "RFC 2883, 9438 4.9.1: a reduction for nothing is taken back",
	  SACK,
	  .text = MEASURED "! send 14600\n"
			   "> A seq 101 (1460)\n> A seq 1561 (1460)\n> A seq 3021 (1460)\n"
			   "> A seq 4481 (1460)\n> A seq 5941 (1460)\n> A seq 7401 (1460)\n"
			   "> A seq 8861 (1460)\n> A seq 10321 (1460)\n> A seq 11781 (1460)\n"
			   "> A seq 13241 (1460)\n"
			   "+20 < A seq 1 ack 101 win 1000 sack 1561-14701\n"
			   "> A seq 101 (1460)\n"
			   "? ssthresh 9000 10700\n"
			   "+1 < A seq 1 ack 14701 win 1000\n"
			   "? cwnd 9000 10700\n"
			   "+5 < A seq 1 ack 14701 win 1000 sack 101-1561\n"
			   "? cwnd 14600 20000\n" },
	{ .name = "RFC 9438 4.6: CUBIC's window shrinks to seven tenths",
	  SACK,
	  .text = MEASURED "! send 14600\n"
			   "> A seq 101 (1460)\n> A seq 1561 (1460)\n> A seq 3021 (1460)\n"
			   "> A seq 4481 (1460)\n> A seq 5941 (1460)\n> A seq 7401 (1460)\n"
			   "> A seq 8861 (1460)\n> A seq 10321 (1460)\n> A seq 11781 (1460)\n"
			   "> A seq 13241 (1460)\n"
			   "+20 < A seq 1 ack 101 win 1000 sack 1561-14701\n"
			   "> A seq 101 (1460)\n"
			   "? ssthresh 9000 10700\n"
			   "+20 < A seq 1 ack 14701 win 1000\n"
			   "? cwnd 9000 10700\n" },
	{ .name = "RFC 6937: recovery sends no more than arrives",
	  SACK,
	  .text = MEASURED "! send 40000\n"
			   "> A seq 101 (1460)\n> A seq 1561 (1460)\n> A seq 3021 (1460)\n"
			   "> A seq 4481 (1460)\n> A seq 5941 (1460)\n> A seq 7401 (1460)\n"
			   "> A seq 8861 (1460)\n> A seq 10321 (1460)\n> A seq 11781 (1460)\n"
			   "> A seq 13241 (1460)\n"
			   "+20 < A seq 1 ack 101 win 1000 sack 4481-14701\n"
			   "> A seq 101 (1460)\n> A seq 1561 (1460)\n> A seq 3021 (1460)\n"
			   "> PA seq 14701 (1460)\n> PA seq 16161 (1460)\n"
			   "> PA seq 17621 (1460)\n> PA seq 19081 (1460)\n"
			   "? in_flight 10220\n"
			   "< A seq 1 ack 1561 win 1000 sack 4481-14701\n"
			   "> A seq 20541 (1460)\n"
			   "? in_flight 10220\n" },
	{ .name = "CVE-2019-11477 and on: SACK blocks of what was never sent are nothing",
	  SACK,
	  .text = TEN "+20 < A seq 1 ack 1 win 1000 sack 20000-30000 sack 5-4\n"
		      "? in_flight 14600\n"
		      "< A seq 1 ack 14601 win 1000\n"
		      "? in_flight 0\n" },
	{ .name = "RFC 2883, 3168: a repetition that was needless is noticed",
	  SACK,
	  .text = MEASURED "! send 1460\n"
			   "> A seq 101 (1460)\n"
			   "+200 > A seq 101 (1460)\n"
			   "+5 < A seq 1 ack 1561 win 1000\n"
			   "+10 < A seq 1 ack 1561 win 1000 sack 101-1561\n"
			   "? cwnd 14600 20000\n" },
	{ .name = "RFC 9293 3.8.1: a lost FIN is sent again",
	  SACK,
	  .text = MEASURED "! shutdown\n"
			   "> FA seq 101\n"
			   "+200 > FA seq 101\n"
			   "+200 > FA seq 101\n"
			   "+400 > FA seq 101\n"
			   "< A seq 1 ack 102 win 1000\n" },
};

/* One round of slow start: what is under way is acknowledged segment by segment after `ms`. */
static void
round_trip(struct script *s, uint64_t *acked, uint64_t ms)
{
	const struct wire *last = &s->out[(s->n_out - 1) % SCRIPT_OUT].wire;
	uint32_t end = last->seq - s->isn + last->length;
	char line[64];

	snprintf(line, sizeof(line), "+%d ~\n", (int)ms);
	play(s, line);
	while (*acked < end) {
		*acked += 1460;
		snprintf(line, sizeof(line), "< A seq 1 ack %d win 60000\n~\n", (int)*acked);
		play(s, line);
	}
}

/* RFC 9406: round trips that become longer end slow start before anything is lost; such as stay
 * what they are do not. */
static void
hystart(void)
{
	static struct script s;
	struct tcp_options options = { .no_timestamps = true, .send_buffer = 4000000 };
	struct tcp_info info;
	uint64_t acked, ms;
	int longer, i;

	for (longer = 0; longer < 2; longer++) {
		script_begin(&s, &options);
		script_accept(&s);
		play(&s, "! send 1000000\n~\n");
		for (acked = 1, i = 0; i < 5; i++) {
			ms = longer && i >= 2 ? 60 : 20;
			round_trip(&s, &acked, ms);
		}
		CU_ASSERT_EQUAL(tcp_info(s.tcp, s.h, &info), 0);
		CU_ASSERT_EQUAL(info.retransmits, 0);
		CU_ASSERT_EQUAL(info.ssthresh, UINT32_MAX);
		CU_ASSERT(longer ? info.cwnd < 200000 : info.cwnd > 300000);
		script_end(&s);
	}
}

int
test_loss_register(void)
{
	CU_pSuite suite = CU_add_suite("loss, more", NULL, NULL);

	if (!suite ||
	    !CU_add_test(suite, "RFC 9406: slow start ends before the queue is full", hystart))
		return (int)CU_get_error();
	return script_suite("loss", cases, sizeof(cases) / sizeof(cases[0]));
}

/* SPDX-License-Identifier: Apache-2.0 */
/* CUBIC, HyStart++ and PRR against what their RFCs' formulas say. */
#include <CUnit/CUnit.h>
#include <stdlib.h>

#include "dp/tcp/cubic.h"
#include "dp/tcp/hystart.h"
#include "dp/tcp/prr.h"
#include "tests/unit/suites.h"
#include "tests/unit/vectors_tcp.h"

#define MS     1000000ull
#define SECOND 1000000000ull
#define MSS    1000u

/* ---- CUBIC ---------------------------------------------------------------------------------- */

/* Within half a per mille, and two bytes for each ACK's rounding. */
static bool
near(uint32_t got, uint32_t want)
{
	uint32_t off = got > want ? got - want : want - got;

	return off <= want / 2000 + 2;
}

static void
follow(const struct cubic_vector *v, size_t n, uint32_t mss, uint64_t srtt)
{
	struct cubic c;
	size_t i, wrong = 0;

	cubic_init(&c, mss, false);
	for (i = 0; i < n && !wrong; i++) {
		uint32_t most = 8 * mss;
		struct cubic_ack a = { .now = v[i].now,
				       .srtt = srtt,
				       .acked = v[i].size,
				       .mss = mss,
				       .growth = v[i].size < most ? v[i].size : most };

		if (v[i].kind == 'L') {
			cubic_loss(&c, c.cwnd, mss);
			c.cwnd = c.ssthresh;
		} else if (v[i].kind == 'T') {
			cubic_timeout(&c, c.cwnd, mss, true);
		} else {
			cubic_ack(&c, &a);
		}
		if (!near(c.cwnd, v[i].cwnd) || !near(c.ssthresh, v[i].ssthresh)) {
			printf("cubic: row %zu: cwnd %u, want %u; ssthresh %u, want %u\n", i,
			       c.cwnd, v[i].cwnd, c.ssthresh, v[i].ssthresh);
			wrong++;
		}
	}
	CU_ASSERT_EQUAL(wrong, 0);
}

#define FOLLOW(v, mss, srtt) follow(v, sizeof(v) / sizeof((v)[0]), mss, srtt)

static void
test_cubic_formula(void)
{
	FOLLOW(cubic_long, 1448, 100 * MS);
	FOLLOW(cubic_short, 1448, 200000);
	FOLLOW(cubic_jumbo, 8948, 20 * MS);
	FOLLOW(cubic_tiny, 64, 300 * MS);
}

/* RFC 6928 2: min(10 MSS, max(2 MSS, 14600)). */
static void
test_initial_window(void)
{
	CU_ASSERT_EQUAL(cwnd_initial(1460), 14600);
	CU_ASSERT_EQUAL(cwnd_initial(1448), 14480);
	CU_ASSERT_EQUAL(cwnd_initial(536), 5360);
	CU_ASSERT_EQUAL(cwnd_initial(2000), 14600);
	CU_ASSERT_EQUAL(cwnd_initial(8948), 17896);
}

/* RFC 5681 3.1 (4), and that a loss of little in flight leaves two segments. */
static void
test_cubic_loss_floor(void)
{
	struct cubic c;

	cubic_init(&c, MSS, false);
	cubic_loss(&c, MSS, MSS);
	CU_ASSERT_EQUAL(c.ssthresh, 2 * MSS);
	cubic_init(&c, MSS, false);
	cubic_loss(&c, 10 * MSS, MSS);
	CU_ASSERT_EQUAL(c.ssthresh, 7 * MSS);
	cubic_init(&c, MSS, true);
	cubic_loss(&c, 10 * MSS, MSS);
	CU_ASSERT_EQUAL(c.ssthresh, 5 * MSS);
}

/* A second timeout for the same data leaves ssthresh alone (RFC 5681 3.1). */
static void
test_cubic_timeout(void)
{
	struct cubic c;

	cubic_init(&c, MSS, false);
	cubic_timeout(&c, 10 * MSS, MSS, true);
	CU_ASSERT_EQUAL(c.cwnd, MSS);
	CU_ASSERT_EQUAL(c.ssthresh, 7 * MSS);
	cubic_timeout(&c, MSS, MSS, false);
	CU_ASSERT_EQUAL(c.cwnd, MSS);
	CU_ASSERT_EQUAL(c.ssthresh, 7 * MSS);
}

static void
test_cubic_undo(void)
{
	struct cubic c;

	cubic_init(&c, MSS, false);
	c.cwnd = 100 * MSS;
	cubic_loss(&c, 100 * MSS, MSS);
	c.cwnd = c.ssthresh;
	cubic_undo(&c);
	CU_ASSERT_EQUAL(c.cwnd, 100 * MSS);
	CU_ASSERT_EQUAL(c.ssthresh, SSTHRESH_NONE);
	CU_ASSERT_EQUAL(c.w_max, 0);
}

/* RFC 5681 4.1: after an idle time no more than the initial window; ssthresh stays. */
static void
test_cubic_restart(void)
{
	struct cubic c;

	cubic_init(&c, MSS, false);
	c.cwnd = 100 * MSS;
	c.ssthresh = 50 * MSS;
	cubic_restart(&c, MSS);
	CU_ASSERT_EQUAL(c.cwnd, 10 * MSS);
	CU_ASSERT_EQUAL(c.ssthresh, 50 * MSS);
	c.cwnd = 3 * MSS;
	cubic_restart(&c, MSS);
	CU_ASSERT_EQUAL(c.cwnd, 3 * MSS);
}

/* RFC 9438 5.8: a pause of 10 s in which the window was not used up makes no difference. */
static void
test_cubic_not_limited(void)
{
	struct cubic a, b;
	struct cubic_ack ack = { .now = SECOND, .srtt = 50 * MS, .acked = 10 * MSS, .mss = MSS };
	unsigned int i;

	cubic_init(&a, MSS, false);
	a.cwnd = 100 * MSS;
	cubic_loss(&a, 100 * MSS, MSS);
	a.cwnd = a.ssthresh;
	cubic_ack(&a, &ack);
	b = a;
	for (i = 0; i < 20; i++) {
		ack.now += 50 * MS;
		cubic_ack(&a, &ack);
	}
	ack.now = SECOND;
	cubic_not_limited(&b, ack.now, ack.now + 10 * SECOND);
	ack.now += 10 * SECOND;
	for (i = 0; i < 20; i++) {
		ack.now += 50 * MS;
		cubic_ack(&b, &ack);
	}
	CU_ASSERT_EQUAL(a.cwnd, b.cwnd);
}

/* RFC 5681 3.1: a segment more for each window that was acknowledged. */
static void
test_reno(void)
{
	struct cubic c;
	struct cubic_ack ack = { .now = SECOND, .srtt = 50 * MS, .acked = 2 * MSS, .mss = MSS };
	unsigned int i;

	cubic_init(&c, MSS, true);
	c.cwnd = 20 * MSS;
	c.ssthresh = 20 * MSS;
	for (i = 0; i < 10; i++)
		cubic_ack(&c, &ack);
	CU_ASSERT(c.cwnd > 20 * MSS + 950 && c.cwnd <= 21 * MSS);
	/* In single bytes as well: what is less than one is not lost. */
	c.cwnd = 20 * MSS;
	ack.acked = 1;
	for (i = 0; i < 20 * MSS; i++)
		cubic_ack(&c, &ack);
	CU_ASSERT(c.cwnd > 20 * MSS + 950 && c.cwnd <= 21 * MSS);
}

/* RFC 9438 4.4: however far the curve has come, half of the window a round trip is the most. */
static void
test_cubic_target(void)
{
	struct cubic c;
	struct cubic_ack ack = { .now = SECOND, .srtt = 50 * MS, .acked = 10 * MSS, .mss = MSS };

	cubic_init(&c, MSS, false);
	c.ssthresh = c.cwnd = 10 * MSS;
	cubic_ack(&c, &ack);
	c.cwnd = 10 * MSS;
	ack.now = 100 * SECOND;
	cubic_ack(&c, &ack);
	CU_ASSERT_EQUAL(c.cwnd, 15 * MSS);
}

/* Any values at all: the window stays within its bounds. */
static void
test_cubic_extremes(void)
{
	uint64_t seed = 9438, now = 1, bad = 0;
	struct cubic c;
	unsigned int i;

	for (i = 0; i < 200000; i++) {
		uint32_t mss = i / 5000 % 2 ? 65495 : 64;
		struct cubic_ack ack = { .mss = mss };

		if (i % 5000 == 0)
			cubic_init(&c, mss, i / 5000 % 3 == 0);
		now += test_random(&seed) >> (test_random(&seed) % 64) >> 8;
		ack.now = now;
		ack.srtt = test_random(&seed) >> (28 + test_random(&seed) % 30);
		ack.acked = (uint32_t)(test_random(&seed) >> (34 + test_random(&seed) % 20));
		ack.growth = ack.acked < 8 * mss ? ack.acked : 8 * mss;
		switch (test_random(&seed) % 64) {
		case 0:
			cubic_loss(&c, (uint32_t)(test_random(&seed) >> 34), mss);
			c.cwnd = c.ssthresh;
			break;
		case 1:
			cubic_timeout(&c, c.cwnd, mss, test_random(&seed) % 2);
			break;
		case 2:
			cubic_not_limited(&c, now - 1, now);
			break;
		default:
			cubic_ack(&c, &ack);
		}
		bad += c.cwnd < mss || c.cwnd > CWND_MAX || c.ssthresh < 2 * mss;
	}
	CU_ASSERT_EQUAL(bad, 0);
}

/* ---- HyStart++ ------------------------------------------------------------------------------ */

/* A round of `n` ACKs with this round trip; the round ends with the last. */
static bool
hystart_round(struct hystart *h, uint32_t *seq, unsigned int n, uint64_t rtt)
{
	bool over = false;
	uint32_t nxt = *seq + 2 * n * MSS;
	unsigned int i;

	for (i = 0; i < n; i++) {
		*seq += MSS;
		over = hystart_ack(h, *seq, nxt, rtt);
		if (over)
			return true;
	}
	h->window_end = *seq + MSS;
	return over;
}

/* Round ends are exact: the ACK of window_end, which is SND.NXT at the end of the last round. */
static void
test_hystart_rounds(void)
{
	struct hystart h;
	uint32_t seq = UINT32_MAX - 500;

	hystart_init(&h, seq);
	CU_ASSERT_FALSE(hystart_ack(&h, seq, seq + 1000, 20 * MS));
	CU_ASSERT_EQUAL(h.window_end, seq + 1000);
	CU_ASSERT_FALSE(hystart_ack(&h, seq + 999, seq + 3000, 30 * MS));
	CU_ASSERT_EQUAL(h.window_end, seq + 1000);
	CU_ASSERT_EQUAL(h.current_min, 30 * MS);
	CU_ASSERT_FALSE(hystart_ack(&h, seq + 1000, seq + 3000, 25 * MS));
	CU_ASSERT_EQUAL(h.window_end, seq + 3000);
	CU_ASSERT_EQUAL(h.last_min, 25 * MS);
	CU_ASSERT_EQUAL(h.current_min, UINT32_MAX);
}

/* One round trip of `before`, then rounds of `after`: after how many of them is slow start over?
 * 0: never. */
static unsigned int
rounds_until_over(uint64_t before, uint64_t after)
{
	struct hystart h;
	uint32_t seq = 1;
	unsigned int round, i;

	hystart_init(&h, seq);
	h.window_end = seq + 10 * MSS;
	for (round = 0; round < 20; round++) {
		uint32_t nxt = h.window_end + 10 * MSS;
		uint64_t rtt = round == 0 ? before : after;

		for (i = 0; i < 10; i++) {
			seq += MSS;
			if (hystart_ack(&h, seq, nxt, rtt))
				return round;
		}
	}
	return 0;
}

/* RttThresh = clamp(4 ms, last / 8, 16 ms); then five rounds of CSS, the first of them the one in
 * which it began (RFC 9406 4.2, 4.3). */
static void
test_hystart_threshold(void)
{
	CU_ASSERT_EQUAL(rounds_until_over(10 * MS, 14 * MS), 5);
	CU_ASSERT_EQUAL(rounds_until_over(10 * MS, 14 * MS - 1), 0);
	CU_ASSERT_EQUAL(rounds_until_over(80 * MS, 90 * MS), 5);
	CU_ASSERT_EQUAL(rounds_until_over(80 * MS, 90 * MS - 1), 0);
	CU_ASSERT_EQUAL(rounds_until_over(400 * MS, 416 * MS), 5);
	CU_ASSERT_EQUAL(rounds_until_over(400 * MS, 416 * MS - 1), 0);
	CU_ASSERT_EQUAL(rounds_until_over(100000, 200000), 0);
}

/* Fewer than eight samples say nothing. */
static void
test_hystart_samples(void)
{
	struct hystart h;
	uint32_t seq = 1;

	hystart_init(&h, seq);
	h.window_end = seq + 100 * MSS;
	h.last_min = 10 * MS;
	hystart_round(&h, &seq, 7, 100 * MS);
	CU_ASSERT_FALSE(h.css);
	hystart_ack(&h, seq, seq + MSS, 0);
	CU_ASSERT_FALSE(h.css);
	hystart_ack(&h, seq, seq + MSS, 100 * MS);
	CU_ASSERT_TRUE(h.css);
	CU_ASSERT_EQUAL(h.css_baseline, 100 * MS);
}

/* A round trip below the baseline: it was jitter, slow start goes on. */
static void
test_hystart_resume(void)
{
	struct hystart h;
	uint32_t seq = 1;

	hystart_init(&h, seq);
	h.window_end = seq + 100 * MSS;
	h.last_min = 10 * MS;
	hystart_round(&h, &seq, 8, 30 * MS);
	CU_ASSERT_TRUE(h.css);
	CU_ASSERT_EQUAL(hystart_growth(&h, 4 * MSS, MSS), MSS);
	hystart_ack(&h, h.window_end, h.window_end + 50 * MSS, 30 * MS);
	hystart_round(&h, &seq, 8, 30 * MS - 1);
	CU_ASSERT_FALSE(h.css);
	CU_ASSERT_EQUAL(hystart_growth(&h, 4 * MSS, MSS), 4 * MSS);
	CU_ASSERT_EQUAL(hystart_growth(&h, 40 * MSS, MSS), 8 * MSS);
}

/* ---- PRR ------------------------------------------------------------------------------------ */

/* RFC 6937 4, first example: 20 segments in flight, the first lost, ssthresh 10: two ACKs for each
 * segment sent, and 10 in flight at the end. */
static void
test_prr_example(void)
{
	struct prr p;
	struct prr_ack ack = { .delivered = MSS, .ssthresh = 10 * MSS, .mss = MSS };
	uint32_t pipe = 19 * MSS, cwnd, sent = 0;
	unsigned int i;
	bool above;

	prr_enter(&p, 20 * MSS);
	for (i = 1; i <= 19; i++) {
		pipe -= MSS;
		ack.pipe = pipe;
		above = pipe > ack.ssthresh;
		cwnd = prr_ack(&p, &ack);
		while (pipe + MSS <= cwnd) {
			pipe += MSS;
			sent++;
			prr_sent(&p, MSS);
		}
		/* Proportional: the fast retransmit at once, then half of what was delivered, as
		 * long as the pipe is above ssthresh. */
		if (above)
			CU_ASSERT_EQUAL(sent, i > 2 ? i / 2 : 1);
		CU_ASSERT_EQUAL(above, i < 16);
	}
	CU_ASSERT_EQUAL(pipe, 10 * MSS);
	CU_ASSERT_EQUAL(sent, 10);
}

/* Second example: 15 of 20 lost. The pipe is below ssthresh at once: what is delivered is sent, and
 * one more where the ACK is a good sign. */
static void
test_prr_many_lost(void)
{
	struct prr p;
	struct prr_ack ack = { .delivered = MSS, .ssthresh = 10 * MSS, .mss = MSS };
	uint32_t pipe = 4 * MSS, cwnd;

	prr_enter(&p, 20 * MSS);
	ack.pipe = pipe;
	CU_ASSERT_EQUAL(prr_ack(&p, &ack), pipe + MSS); /* the fast retransmit, CRB */
	prr_sent(&p, MSS);
	ack.pipe = pipe;
	CU_ASSERT_EQUAL(prr_ack(&p, &ack), pipe + MSS); /* packet conservation */
	prr_sent(&p, MSS);
	ack.safe = true;
	CU_ASSERT_EQUAL(prr_ack(&p, &ack), pipe + 2 * MSS); /* SSRB */
	prr_sent(&p, 2 * MSS);
	/* Never beyond ssthresh. */
	ack.pipe = 10 * MSS - 100;
	cwnd = prr_ack(&p, &ack);
	CU_ASSERT_EQUAL(cwnd, 10 * MSS);
}

/* What was sent too much is taken into account, and nothing turns negative. */
static void
test_prr_bounds(void)
{
	struct prr p;
	struct prr_ack ack = { .delivered = 0, .pipe = 30 * MSS, .ssthresh = 10 * MSS, .mss = MSS };

	prr_enter(&p, 0);
	CU_ASSERT_EQUAL(p.recover_fs, 1);
	prr_enter(&p, 20 * MSS);
	CU_ASSERT_EQUAL(prr_ack(&p, &ack), 31 * MSS);
	prr_sent(&p, 5 * MSS);
	CU_ASSERT_EQUAL(prr_ack(&p, &ack), 30 * MSS);
	ack.pipe = 2 * MSS;
	CU_ASSERT_EQUAL(prr_ack(&p, &ack), 2 * MSS);
	ack.pipe = UINT32_MAX / 4;
	ack.delivered = UINT32_MAX / 4;
	ack.ssthresh = UINT32_MAX / 8;
	CU_ASSERT(prr_ack(&p, &ack) >= ack.pipe);
	/* Rounded up: a third of 1,000 less the one byte that was sent. */
	prr_enter(&p, 30 * MSS);
	prr_sent(&p, 1);
	ack = (struct prr_ack){
		.delivered = 1000, .pipe = 29 * MSS, .ssthresh = 10 * MSS, .mss = MSS
	};
	CU_ASSERT_EQUAL(prr_ack(&p, &ack), 29 * MSS + 333);
}

int
test_tcp_congestion_register(void)
{
	static CU_TestInfo tests[] = {
		{ "CUBIC: the formula", test_cubic_formula },
		{ "initial window", test_initial_window },
		{ "CUBIC: no less than two segments", test_cubic_loss_floor },
		{ "CUBIC: timeouts", test_cubic_timeout },
		{ "CUBIC: a reduction for nothing", test_cubic_undo },
		{ "CUBIC: after an idle time", test_cubic_restart },
		{ "CUBIC: window not used up", test_cubic_not_limited },
		{ "Reno: one segment a window", test_reno },
		{ "CUBIC: no faster than by half", test_cubic_target },
		{ "CUBIC: extremes", test_cubic_extremes },
		{ "HyStart++: rounds", test_hystart_rounds },
		{ "HyStart++: threshold", test_hystart_threshold },
		{ "HyStart++: eight samples", test_hystart_samples },
		{ "HyStart++: back to slow start", test_hystart_resume },
		{ "PRR: one lost", test_prr_example },
		{ "PRR: many lost", test_prr_many_lost },
		{ "PRR: bounds", test_prr_bounds },
		CU_TEST_INFO_NULL,
	};
	static CU_SuiteInfo suites[] = { { "tcp congestion", NULL, NULL, NULL, NULL, tests },
					 CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}

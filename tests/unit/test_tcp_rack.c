/* SPDX-License-Identifier: Apache-2.0 */
/* RACK and tail loss probes, rule by rule (RFC 8985). Segments are of 100 bytes from 0 on. */
#include <CUnit/CUnit.h>
#include <stdlib.h>

#include "dp/tcp/rack.h"
#include "tests/unit/suites.h"

#define MS  1000000ull
#define RTT (40 * MS)

struct path {
	struct sent_pool *p;
	struct sent q;
	struct rack k;
	struct rtt rtt;
	struct rack_state s;
	struct sent_result r;
	uint64_t timer;
};

static void *
take_memory(size_t size, void *arg)
{
	(void)arg;
	return aligned_alloc(64, (size + 63) / 64 * 64);
}

static void
path_make(struct path *u)
{
	unsigned int i;

	u->p = sent_pool_create(1024, take_memory, NULL);
	sent_init(&u->q);
	rack_init(&u->k, 0);
	rtt_init(&u->rtt, 200);
	for (i = 0; i < 100; i++)
		rtt_sample(&u->rtt, RTT, MS, 1);
	u->s = (struct rack_state){ .rtt = &u->rtt };
}

static void
path_free(struct path *u)
{
	CU_ASSERT_PTR_NULL(sent_check(u->p, &u->q));
	sent_clear(u->p, &u->q);
	free(u->p);
}

static void
send_segments(struct path *u, uint32_t n, uint64_t now)
{
	while (n--) {
		struct sent_segment s = { .seq = u->s.snd_nxt, .length = 100 };

		CU_ASSERT_TRUE(sent_append(u->p, &u->q, &s, now));
		u->s.snd_nxt += 100;
	}
}

/* An ACK with at most one block (left == right: none); bytes newly lost. */
static uint32_t
receive(struct path *u, uint64_t now, uint32_t ack, struct sack_block b)
{
	struct sent_ack a = { .now = now, .ack = ack, .sack = &b, .n_sack = b.left != b.right };
	struct sent_context c = { .fack = &u->k.fack, .rtt_floor = rtt_min(&u->rtt) };

	sent_acknowledge(u->p, &u->q, &a, &c, &u->r);
	u->s.now = now;
	u->s.snd_una = ack;
	rack_update(&u->k, &u->s, &u->r);
	return rack_detect(&u->k, &u->s, u->p, &u->q, &u->timer);
}

static struct sack_block
block(uint32_t left, uint32_t right)
{
	return (struct sack_block){ left, right };
}

static uint32_t
later(struct path *u, uint64_t now)
{
	u->s.now = now;
	return rack_detect(&u->k, &u->s, u->p, &u->q, &u->timer);
}

/* 6.2, steps 4 and 5: a quarter of the smallest round trip may go by, then it is lost; the timer
 * says when. */
static void
test_window(void)
{
	struct path u;

	path_make(&u);
	send_segments(&u, 3, 100 * MS);
	CU_ASSERT_EQUAL(receive(&u, 140 * MS, 0, block(100, 200)), 0);
	CU_ASSERT_EQUAL(u.k.rtt, RTT);
	CU_ASSERT_EQUAL(u.timer, RTT / 4);
	CU_ASSERT_EQUAL(later(&u, 150 * MS - 1), 0);
	CU_ASSERT_EQUAL(u.timer, 1);
	CU_ASSERT_EQUAL(later(&u, 150 * MS), 100);
	CU_ASSERT_EQUAL(u.timer, 0);
	CU_ASSERT_EQUAL(sent_next_lost(u.p, &u.q)->seq, 0);
	/* The third was sent with the others but ends behind what arrived: it is not older. */
	CU_ASSERT_EQUAL(u.q.lost, 100);
	path_free(&u);
}

/* Step 4: three SACKed segments and no reordering ever: at once, as by three duplicates. */
static void
test_dupthresh(void)
{
	struct path u;

	path_make(&u);
	send_segments(&u, 10, 100 * MS);
	CU_ASSERT_EQUAL(receive(&u, 140 * MS, 0, block(100, 200)), 0);
	CU_ASSERT_EQUAL(receive(&u, 140 * MS, 0, block(100, 300)), 0);
	CU_ASSERT_EQUAL(receive(&u, 140 * MS, 0, block(100, 400)), 100);
	CU_ASSERT_FALSE(u.k.reordering_seen);
	path_free(&u);
	/* In recovery what is older than what arrives is lost without delay. */
	path_make(&u);
	send_segments(&u, 3, 100 * MS);
	u.s.recovering = true;
	CU_ASSERT_EQUAL(receive(&u, 140 * MS, 0, block(100, 200)), 100);
	path_free(&u);
}

/* Step 3: reordering was seen, so three are not enough; the window counts, in recovery too. */
static void
test_reordering(void)
{
	struct path u;

	path_make(&u);
	send_segments(&u, 10, 100 * MS);
	CU_ASSERT_EQUAL(receive(&u, 140 * MS, 0, block(100, 300)), 0);
	CU_ASSERT_EQUAL(receive(&u, 141 * MS, 300, block(0, 0)), 0);
	CU_ASSERT_TRUE(u.k.reordering_seen);
	CU_ASSERT_EQUAL(receive(&u, 142 * MS, 300, block(400, 900)), 0);
	CU_ASSERT_EQUAL(u.timer, 100 * MS + 42 * MS + RTT / 4 - 142 * MS);
	u.s.recovering = true;
	CU_ASSERT_EQUAL(later(&u, 151 * MS), 0);
	CU_ASSERT_EQUAL(later(&u, 152 * MS), 100);
	path_free(&u);
}

/* Step 3: what was sent again and then fills the gap is no reordering. */
static void
test_no_reordering(void)
{
	struct path u;

	path_make(&u);
	send_segments(&u, 5, 100 * MS);
	CU_ASSERT_EQUAL(receive(&u, 140 * MS, 0, block(100, 500)), 100);
	sent_again(u.p, &u.q, sent_next_lost(u.p, &u.q), 140 * MS);
	CU_ASSERT_EQUAL(receive(&u, 180 * MS, 500, block(0, 0)), 0);
	CU_ASSERT_FALSE(u.k.reordering_seen);
	path_free(&u);
}

/* A retransmission that is lost is found by what was sent after it (no timeout). */
static void
test_lost_again(void)
{
	struct path u;
	struct sent_record *r;

	path_make(&u);
	send_segments(&u, 5, 100 * MS);
	CU_ASSERT_EQUAL(receive(&u, 140 * MS, 0, block(100, 500)), 100);
	u.s.recovering = true;
	r = sent_next_lost(u.p, &u.q);
	sent_again(u.p, &u.q, r, 140 * MS);
	send_segments(&u, 2, 141 * MS);
	CU_ASSERT_EQUAL(sent_pipe(&u.q), 300);
	CU_ASSERT_EQUAL(receive(&u, 181 * MS, 0, block(100, 600)), 100);
	CU_ASSERT_PTR_EQUAL(sent_next_lost(u.p, &u.q), r);
	CU_ASSERT_EQUAL(sent_pipe(&u.q), 100);
	path_free(&u);
}

/* Step 2: an answer that came too soon to be that of the repetition does not move RACK's clock, or
 * all that was sent in the meantime would be lost. */
static void
test_spurious(void)
{
	struct path u;

	path_make(&u);
	send_segments(&u, 4, 100 * MS);
	u.s.recovering = true;
	sent_mark_first_lost(u.p, &u.q);
	sent_again(u.p, &u.q, sent_next_lost(u.p, &u.q), 130 * MS);
	/* Of the first sending. */
	CU_ASSERT_EQUAL(receive(&u, 140 * MS, 100, block(0, 0)), 0);
	CU_ASSERT_EQUAL(u.k.time, 0);
	CU_ASSERT_EQUAL(u.q.lost, 0);
	/* One that took a round trip does. */
	sent_mark_first_lost(u.p, &u.q);
	sent_again(u.p, &u.q, sent_next_lost(u.p, &u.q), 150 * MS);
	CU_ASSERT_EQUAL(receive(&u, 190 * MS, 200, block(0, 0)), 200);
	CU_ASSERT_EQUAL(u.k.time, 150 * MS);
	path_free(&u);
}

/* Step 4: each round with a D-SACK widens by a quarter, up to the round trip; 16 recoveries
 * without one narrow it again. */
static void
test_dsack_window(void)
{
	struct path u;
	unsigned int i;

	path_make(&u);
	send_segments(&u, 10, 100 * MS);
	receive(&u, 140 * MS, 200, block(0, 100));
	CU_ASSERT_TRUE(u.k.reordering_seen);
	CU_ASSERT_EQUAL(u.k.mult, 2);
	CU_ASSERT_TRUE(u.r.dsack);
	/* Once a round. */
	receive(&u, 140 * MS, 200, block(0, 100));
	CU_ASSERT_EQUAL(u.k.mult, 2);
	CU_ASSERT_EQUAL(receive(&u, 140 * MS, 200, block(300, 900)), 0);
	CU_ASSERT_EQUAL(u.timer, 2 * RTT / 4);
	receive(&u, 141 * MS, 1000, block(0, 100));
	CU_ASSERT_EQUAL(u.k.mult, 3);
	/* Never wider than SRTT. */
	for (i = 0; i < 10; i++) {
		send_segments(&u, 1, 200 * MS);
		receive(&u, 240 * MS, u.s.snd_nxt, block(0, 100));
	}
	CU_ASSERT_EQUAL(u.k.mult, 13);
	send_segments(&u, 3, 300 * MS);
	receive(&u, 340 * MS, u.s.snd_nxt - 300, block(u.s.snd_nxt - 200, u.s.snd_nxt - 100));
	CU_ASSERT_EQUAL(u.timer, rtt_smoothed(&u.rtt));
	for (i = 0; i < 15; i++)
		rack_recovery_ended(&u.k);
	CU_ASSERT_EQUAL(u.k.mult, 13);
	rack_recovery_ended(&u.k);
	CU_ASSERT_EQUAL(u.k.mult, 1);
	path_free(&u);
}

/* 6.3: a timeout takes the first one, and the others that are older than a round trip. */
static void
test_timeout(void)
{
	struct path u;

	path_make(&u);
	send_segments(&u, 2, 100 * MS);
	receive(&u, 140 * MS, 200, block(0, 0));
	send_segments(&u, 2, 200 * MS);
	send_segments(&u, 2, 395 * MS);
	u.s.now = 400 * MS;
	CU_ASSERT_FALSE(rack_timeout(&u.k, &u.s, u.p, &u.q));
	CU_ASSERT_EQUAL(u.q.lost, 200);
	/* Reneging: the first is SACKed, and yet the timer went off. */
	receive(&u, 410 * MS, 200, block(200, 400));
	CU_ASSERT_EQUAL(u.q.sacked, 200);
	u.s.now = 800 * MS;
	CU_ASSERT_TRUE(rack_timeout(&u.k, &u.s, u.p, &u.q));
	CU_ASSERT_EQUAL(u.q.sacked, 0);
	CU_ASSERT_EQUAL(u.q.lost, 400);
	path_free(&u);
}

/* The clock of sequence numbers wraps in the middle of it. */
static void
test_wrap(void)
{
	struct path u;
	uint32_t start = UINT32_MAX - 449;

	path_make(&u);
	rack_init(&u.k, start);
	u.s.snd_nxt = start;
	u.q.end = start;
	send_segments(&u, 10, 100 * MS);
	CU_ASSERT_EQUAL(receive(&u, 140 * MS, start, block(start + 600, start + 1000)), 600);
	CU_ASSERT_EQUAL(u.k.fack, start + 1000);
	CU_ASSERT_EQUAL(sent_next_lost(u.p, &u.q)->seq, start);
	path_free(&u);
}

/* ---- tail loss probes ----------------------------------------------------------------------- */

/* 7.2 */
static void
test_probe_timeout(void)
{
	struct path u;
	struct rtt none;

	path_make(&u);
	CU_ASSERT_EQUAL(tlp_timeout(&u.rtt, false, UINT64_MAX), 2 * RTT);
	CU_ASSERT_EQUAL(tlp_timeout(&u.rtt, true, UINT64_MAX), 2 * RTT + TLP_MAX_ACK_DELAY);
	CU_ASSERT_EQUAL(tlp_timeout(&u.rtt, true, 5 * MS), 5 * MS);
	rtt_init(&none, 200);
	CU_ASSERT_EQUAL(tlp_timeout(&none, false, UINT64_MAX), 1000 * MS);
	path_free(&u);
}

/* 7.4.2, its three cases, and a probe of new data. */
static void
test_probe_answers(void)
{
	struct sent_result none = { 0 }, twice = { .dsack = true, .duplicate = { 400, 500 } };
	struct rack k;

	rack_init(&k, 0);
	CU_ASSERT_FALSE(tlp_ack(&k, 500, &none, true));
	/* New data: any answer ends it. */
	tlp_sent(&k, false, 500);
	CU_ASSERT_FALSE(tlp_ack(&k, 499, &none, false));
	CU_ASSERT_TRUE(tlp_out(&k));
	CU_ASSERT_FALSE(tlp_ack(&k, 500, &none, false));
	CU_ASSERT_FALSE(tlp_out(&k));
	/* 1: a D-SACK says that both arrived. */
	tlp_sent(&k, true, 500);
	CU_ASSERT_FALSE(tlp_ack(&k, 500, &none, false));
	CU_ASSERT_TRUE(tlp_out(&k));
	CU_ASSERT_FALSE(tlp_ack(&k, 500, &twice, false));
	CU_ASSERT_FALSE(tlp_out(&k));
	/* 2: something newer is acknowledged, and nobody has told of a duplicate: it was lost. */
	tlp_sent(&k, true, 500);
	CU_ASSERT_TRUE(tlp_ack(&k, 600, &none, false));
	CU_ASSERT_FALSE(tlp_out(&k));
	/* 3: a plain duplicate. */
	tlp_sent(&k, true, 500);
	CU_ASSERT_FALSE(tlp_ack(&k, 500, &none, true));
	CU_ASSERT_FALSE(tlp_out(&k));
}

/* The probe is in flight once, not twice, and its answer takes it out of flight. */
static void
test_probe_pipe(void)
{
	struct path u;

	path_make(&u);
	send_segments(&u, 4, 100 * MS);
	sent_again(u.p, &u.q, sent_last(u.p, &u.q), 200 * MS);
	tlp_sent(&u.k, true, u.s.snd_nxt);
	CU_ASSERT_EQUAL(sent_pipe(&u.q), 400);
	/* The tail was lost: the probe shows it. */
	CU_ASSERT_EQUAL(receive(&u, 240 * MS, 100, block(300, 400)), 200);
	CU_ASSERT_EQUAL(sent_pipe(&u.q), 0);
	path_free(&u);
}

int
test_tcp_rack_register(void)
{
	static CU_TestInfo tests[] = {
		{ "the window", test_window },
		{ "three are enough", test_dupthresh },
		{ "reordering", test_reordering },
		{ "no reordering", test_no_reordering },
		{ "lost again", test_lost_again },
		{ "needless repetitions", test_spurious },
		{ "D-SACK widens the window", test_dsack_window },
		{ "timeouts", test_timeout },
		{ "sequence numbers wrap", test_wrap },
		{ "TLP: timeout", test_probe_timeout },
		{ "TLP: answers", test_probe_answers },
		{ "TLP: in flight", test_probe_pipe },
		CU_TEST_INFO_NULL,
	};
	static CU_SuiteInfo suites[] = { { "tcp rack", NULL, NULL, NULL, NULL, tests },
					 CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The retransmission queue against one that keeps a plain list and looks at all of it each time,
 * and against RFC 2018, 2883 and 6675 by hand. */
#include <CUnit/CUnit.h>
#include <stdlib.h>
#include <string.h>

#include "dp/tcp/sent.h"
#include "tests/unit/suites.h"

#define NS_PER_MS 1000000u
#define NEVER     UINT64_MAX
#define POOL      4096
#define PLAIN_MAX 512

static void *
take_memory(size_t size, void *arg)
{
	(void)arg;
	return aligned_alloc(64, (size + 63) / 64 * 64);
}

/* ---- the plain list ------------------------------------------------------------------------- */

struct plain_record {
	uint32_t seq, length;
	uint64_t time;
	bool sacked, lost, again, repeated;
};

struct plain {
	struct plain_record r[PLAIN_MAX];
	uint32_t n, una, end, fack;
};

struct plain_sums {
	uint32_t bytes, sacked, lost, again, sacked_records;
};

static struct plain_sums
plain_sums(const struct plain *l)
{
	struct plain_sums s = { 0 };
	uint32_t i;

	for (i = 0; i < l->n; i++) {
		const struct plain_record *r = &l->r[i];

		s.bytes += r->length;
		s.sacked += r->sacked ? r->length : 0;
		s.sacked_records += r->sacked;
		s.lost += r->lost ? r->length : 0;
		s.again += r->again ? r->length : 0;
	}
	return s;
}

static void
plain_note(struct plain *l, const struct plain_record *r, const struct sent_ack *ack,
	   struct sent_result *out, bool advancing)
{
	uint64_t rtt = ack->now > r->time ? ack->now - r->time : 1;
	uint32_t end = r->seq + r->length;
	bool first = out->rack_time == 0;

	if (!r->repeated) {
		if (!out->rtt_short || rtt < out->rtt_short)
			out->rtt_short = rtt;
		if (rtt > out->rtt_long)
			out->rtt_long = rtt;
		if ((int32_t)(end - l->fack) < 0)
			out->reordered = true;
	}
	out->again += r->repeated;
	if ((int32_t)(end - l->fack) > 0)
		l->fack = end;
	if (out->delivered == 0 || (int32_t)(end - out->highest) > 0)
		out->highest = end;
	if (r->repeated && ack->echoes && advancing &&
	    (int32_t)(ack->echo - (uint32_t)(r->time / NS_PER_MS)) < 0)
		return;
	if (first || r->time > out->rack_time ||
	    (r->time == out->rack_time && (int32_t)(end - out->rack_end) > 0)) {
		out->rack_time = r->time;
		out->rack_end = end;
		out->rack_rtt = rtt;
	}
}

static void
plain_cumulative(struct plain *l, const struct sent_ack *ack, struct sent_result *out)
{
	uint32_t i = 0, n;
	struct plain_record *r;

	out->acked = ack->ack - l->una;
	for (; i < l->n; i++) {
		r = &l->r[i];
		if ((int32_t)(r->seq + r->length - ack->ack) > 0)
			break;
		if (!r->sacked) {
			plain_note(l, r, ack, out, true);
			out->delivered += r->length;
		}
	}
	l->n -= i;
	memmove(l->r, l->r + i, l->n * sizeof(l->r[0]));
	if (l->n && (int32_t)(ack->ack - l->r[0].seq) > 0) {
		n = ack->ack - l->r[0].seq;
		l->r[0].seq += n;
		l->r[0].length -= n;
		out->delivered += l->r[0].sacked ? 0 : n;
	}
	l->una = ack->ack;
}

static bool
plain_possible(const struct plain *l, const struct sack_block *b)
{
	return (int32_t)(b->right - b->left) > 0 && (int32_t)(l->end - b->right) >= 0;
}

/* Is the record covered by one of the blocks, the front of it that is acknowledged set aside? */
static bool
plain_covered(const struct plain *l, const struct plain_record *r, const struct sent_ack *ack)
{
	uint32_t i;

	for (i = 0; i < ack->n_sack; i++) {
		const struct sack_block *b = &ack->sack[i];

		if (plain_possible(l, b) && (int32_t)(b->left - r->seq) <= 0 &&
		    (int32_t)(r->seq + r->length - b->right) <= 0)
			return true;
	}
	return false;
}

static void
plain_acknowledge(struct plain *l, const struct sent_ack *ack, struct sent_result *out)
{
	const struct sack_block *b = ack->sack;
	uint32_t i;

	*out = (struct sent_result){ 0 };
	plain_cumulative(l, ack, out);
	for (i = 0; i < ack->n_sack; i++)
		out->bad_blocks += !plain_possible(l, &b[i]);
	if (ack->n_sack && plain_possible(l, &b[0]) &&
	    ((int32_t)(b[0].right - ack->ack) <= 0 ||
	     (ack->n_sack > 1 && (int32_t)(b[1].left - b[0].left) <= 0 &&
	      (int32_t)(b[0].right - b[1].right) <= 0))) {
		out->dsack = true;
		out->duplicate = b[0];
	}
	for (i = 0; i < l->n; i++) {
		struct plain_record *r = &l->r[i];

		if (r->sacked || !plain_covered(l, r, ack))
			continue;
		plain_note(l, r, ack, out, false);
		r->sacked = true;
		r->lost = r->again = false;
		out->sacked += r->length;
		out->delivered += r->length;
	}
}

static uint32_t
plain_mark(struct plain *l, const struct sent_deadline *d)
{
	uint32_t i, newly = 0;

	for (i = 0; i < l->n; i++) {
		struct plain_record *r = &l->r[i];
		uint32_t end = r->seq + r->length;

		if (r->sacked || (r->lost && !r->again) || r->time > d->until)
			continue;
		if (d->time < r->time || (d->time == r->time && (int32_t)(d->end - end) <= 0))
			continue;
		r->lost = true;
		r->again = false;
		newly += r->length;
	}
	return newly;
}

/* ---- both in step --------------------------------------------------------------------------- */

struct both {
	struct sent_pool *p;
	struct sent q;
	struct plain l;
	uint32_t fack;
	uint64_t now, seed;
	uint32_t wrong;
};

static uint32_t
below(struct both *b, uint32_t n)
{
	return (uint32_t)(test_random(&b->seed) % n);
}

/* A failure is printed once for each run, with what is needed to see it again. */
static void
expect(struct both *b, bool right, const char *what)
{
	if (right)
		return;
	if (!b->wrong++)
		printf("sent: %s differs (seed state %llu)\n", what, (unsigned long long)b->seed);
}

static void
compare(struct both *b)
{
	struct plain_sums s = plain_sums(&b->l);
	const char *wrong = sent_check(b->p, &b->q);
	const struct sent_record *r = sent_next_lost(b->p, &b->q);
	uint32_t i = 0;

	expect(b, !wrong, wrong ? wrong : "");
	expect(b, b->q.records == b->l.n && b->q.bytes == s.bytes, "bytes");
	expect(b, b->q.sacked == s.sacked && b->q.sacked_records == s.sacked_records, "sacked");
	expect(b, b->q.lost == s.lost && b->q.again == s.again, "lost");
	expect(b, sent_pipe(&b->q) == s.bytes - s.sacked - s.lost + s.again, "pipe");
	while (i < b->l.n && (!b->l.r[i].lost || b->l.r[i].again))
		i++;
	expect(b, (r == NULL) == (i == b->l.n), "whether something waits");
	expect(b, !r || r->seq == b->l.r[i].seq, "what waits first");
}

static void
both_append(struct both *b)
{
	uint32_t n = 1 + below(b, 20), length;

	while (n-- && b->l.n < PLAIN_MAX) {
		uint8_t flags = below(b, 50) ? 0 : SENT_FIN;
		struct sent_segment s = { .seq = b->l.end,
					  .length = (uint16_t)(1 + below(b, 1500)),
					  .flags = flags };

		if (!sent_append(b->p, &b->q, &s, b->now))
			return;
		length = s.length + (flags ? 1 : 0);
		b->l.r[b->l.n++] =
		    (struct plain_record){ .seq = b->l.end, .length = length, .time = b->now };
		b->l.end += length;
	}
}

/* An edge for a block: mostly of a record, sometimes anywhere. */
static uint32_t
edge(struct both *b)
{
	const struct plain_record *r = &b->l.r[below(b, b->l.n + 1)];

	switch (below(b, 12)) {
	case 0:
		return b->l.una + below(b, 3000) - 1500;
	case 1:
		return (uint32_t)test_random(&b->seed);
	default:
		return r < b->l.r + b->l.n ? r->seq : b->l.end;
	}
}

static void
both_ack(struct both *b)
{
	struct sack_block blocks[SACK_BLOCKS_MAX];
	struct sent_ack ack = { .now = b->now, .ack = b->l.una, .sack = blocks };
	struct sent_context c = { .fack = &b->fack };
	struct sent_result got, want;

	if (below(b, 3) == 0)
		ack.ack =
		    below(b, 4) ? b->l.r[below(b, b->l.n / 4 + 1)].seq : b->l.una + below(b, 3000);
	if (b->l.n == 0 || (int32_t)(ack.ack - b->l.una) < 0 || (int32_t)(ack.ack - b->l.end) > 0)
		ack.ack = b->l.una;
	for (ack.n_sack = 0; ack.n_sack < below(b, SACK_BLOCKS_MAX + 1); ack.n_sack++)
		blocks[ack.n_sack] = (struct sack_block){ edge(b), edge(b) };
	ack.echoes = below(b, 2);
	ack.echo = (uint32_t)(b->now / NS_PER_MS) - below(b, 20);
	plain_acknowledge(&b->l, &ack, &want);
	sent_acknowledge(b->p, &b->q, &ack, &c, &got);
	expect(b, got.acked == want.acked && got.sacked == want.sacked, "newly acknowledged");
	expect(b, got.delivered == want.delivered && got.again == want.again, "delivered");
	expect(b, got.rtt_short == want.rtt_short && got.rtt_long == want.rtt_long, "round trips");
	expect(b, got.rack_time == want.rack_time && got.rack_rtt == want.rack_rtt, "the latest");
	expect(b, !got.rack_time || got.rack_end == want.rack_end, "the end of the latest");
	expect(b, !want.delivered || got.highest == want.highest, "the highest");
	expect(b, got.reordered == want.reordered && b->fack == b->l.fack, "reordering");
	expect(b, got.dsack == want.dsack && got.duplicate.left == want.duplicate.left, "D-SACK");
	expect(b, got.bad_blocks == want.bad_blocks, "bad blocks");
}

static void
both_lose(struct both *b)
{
	struct sent_deadline d = { .time = b->now - below(b, 30 * NS_PER_MS),
				   .end = b->l.una + below(b, 100000) };
	bool waiting;

	d.until = b->now - below(b, 60 * NS_PER_MS);
	expect(b, sent_mark_lost(b->p, &b->q, &d, &waiting) == plain_mark(&b->l, &d), "newly lost");
}

static void
both_repeat(struct both *b)
{
	uint32_t n = below(b, 30), i;
	struct sent_record *r;

	while (n-- && (r = sent_next_lost(b->p, &b->q))) {
		for (i = 0; i < b->l.n && b->l.r[i].seq != r->seq; i++)
			;
		expect(b, i < b->l.n, "a record to send again");
		if (i == b->l.n)
			return;
		sent_again(b->p, &b->q, r, b->now);
		b->l.r[i].again = b->l.r[i].repeated = true;
		b->l.r[i].time = b->now;
	}
}

static void
both_timeout(struct both *b)
{
	uint64_t until = below(b, 2) ? NEVER : b->now - below(b, 60 * NS_PER_MS);
	struct sent_deadline d = { .time = NEVER, .until = until };
	bool reneged = b->l.n && b->l.r[0].sacked;
	uint32_t i;

	expect(b, sent_timeout(b->p, &b->q, until) == reneged, "reneging");
	for (i = 0; reneged && i < b->l.n; i++) {
		b->l.r[i].sacked = b->l.r[i].again = false;
		b->l.r[i].lost = true;
	}
	if (!reneged)
		plain_mark(&b->l, &d);
	if (b->l.n) {
		b->l.r[0].lost = true;
		b->l.r[0].again = false;
	}
}

static void
run_seed(struct both *b, uint64_t seed)
{
	uint32_t start = (uint32_t)seed * 0x9e3779b9u, i;

	sent_init(&b->q);
	/* Half of the runs wrap within the first windows. */
	start = seed % 2 ? start : UINT32_MAX - start % 200000;
	b->l.n = 0;
	b->l.una = b->l.end = b->l.fack = b->fack = start;
	b->q.end = start;
	b->now = 1000 * (uint64_t)NS_PER_MS;
	b->seed = seed;
	b->wrong = 0;
	for (i = 0; i < 400 && !b->wrong; i++) {
		uint32_t what = below(b, 100);

		b->now += 1 + below(b, 3) * below(b, 10 * NS_PER_MS);
		if (what < 30)
			both_append(b);
		else if (what < 75)
			both_ack(b);
		else if (what < 85)
			both_lose(b);
		else if (what < 99)
			both_repeat(b);
		else
			both_timeout(b);
		compare(b);
	}
	if (b->wrong)
		printf("sent: seed %llu, step %u\n", (unsigned long long)seed, i);
	CU_ASSERT_EQUAL(b->wrong, 0);
	sent_clear(b->p, &b->q);
	CU_ASSERT_EQUAL(sent_pool_used(b->p), 0);
	CU_ASSERT_EQUAL(sent_pool_free_chunks(b->p), POOL / SENT_CHUNK);
}

static void
test_against_plain(void)
{
	struct both *b = calloc(1, sizeof(*b));
	uint64_t seed;

	b->p = sent_pool_create(POOL, take_memory, NULL);
	for (seed = 1; seed <= 1500; seed++)
		run_seed(b, seed);
	free(b->p);
	free(b);
}

/* ---- by hand -------------------------------------------------------------------------------- */

struct queue {
	struct sent_pool *p;
	struct sent q;
	uint32_t fack;
	struct sent_result r;
};

/* n segments of 100 bytes from `start` on, sent at 1 ms, 2 ms, ... */
static void
queue_make(struct queue *u, uint32_t start, uint32_t n)
{
	uint32_t i;

	u->p = sent_pool_create(POOL, take_memory, NULL);
	sent_init(&u->q);
	u->fack = start;
	for (i = 0; i < n; i++) {
		struct sent_segment s = { .seq = start + 100 * i, .length = 100 };

		CU_ASSERT_TRUE(sent_append(u->p, &u->q, &s, (i + 1) * (uint64_t)NS_PER_MS));
	}
}

static void
queue_free(struct queue *u)
{
	CU_ASSERT_PTR_NULL(sent_check(u->p, &u->q));
	free(u->p);
}

static void
queue_ack(struct queue *u, uint32_t ack, const struct sack_block *blocks, uint32_t n)
{
	struct sent_ack a = { .now = NS_PER_MS * 1000ull, .ack = ack, .sack = blocks, .n_sack = n };
	struct sent_context c = { .fack = &u->fack };

	sent_acknowledge(u->p, &u->q, &a, &c, &u->r);
	CU_ASSERT_PTR_NULL(sent_check(u->p, &u->q));
}

/* RFC 2883 4, its examples: duplicates below the cumulative acknowledgement and above it. */
static void
test_dsack(void)
{
	static const struct sack_block lower[] = { { 3000, 3100 } };
	static const struct sack_block both[] = { { 3000, 3100 }, { 3900, 4000 } };
	static const struct sack_block upper[] = { { 3900, 4000 }, { 3800, 4000 } };
	static const struct sack_block plain[] = { { 3900, 4000 }, { 3800, 3900 } };
	static const struct sack_block empty[] = { { 3900, 3900 } };
	static const struct sack_block future[] = { { 3900, 4001 } };
	struct queue u;

	queue_make(&u, 3000, 10);
	queue_ack(&u, 3500, lower, 1);
	CU_ASSERT_TRUE(u.r.dsack);
	CU_ASSERT_EQUAL(u.r.duplicate.left, 3000);
	CU_ASSERT_EQUAL(u.r.sacked, 0);
	CU_ASSERT_EQUAL(u.r.bad_blocks, 0);
	queue_ack(&u, 3500, both, 2);
	CU_ASSERT_TRUE(u.r.dsack);
	CU_ASSERT_EQUAL(u.r.sacked, 100);
	queue_ack(&u, 3500, plain, 2);
	CU_ASSERT_FALSE(u.r.dsack);
	queue_ack(&u, 3500, upper, 2);
	CU_ASSERT_TRUE(u.r.dsack);
	queue_ack(&u, 3500, empty, 1);
	CU_ASSERT_FALSE(u.r.dsack);
	CU_ASSERT_EQUAL(u.r.bad_blocks, 1);
	queue_ack(&u, 3500, future, 1);
	CU_ASSERT_FALSE(u.r.dsack);
	CU_ASSERT_EQUAL(u.r.bad_blocks, 1);
	queue_ack(&u, 4000, NULL, 0);
	/* All is acknowledged: D-SACK is seen still. */
	queue_ack(&u, 4000, upper, 1);
	CU_ASSERT_TRUE(u.r.dsack);
	queue_free(&u);
}

/* What a block must not do. */
static void
test_hostile_blocks(void)
{
	static const struct sack_block cases[][2] = {
		{ { 500, 400 }, { 0, 0 } },             /* reversed */
		{ { 1000, 2001 }, { 1900, 2100 } },     /* beyond what was sent */
		{ { 2000, 3000 }, { 0x80000000u, 5 } }, /* never sent */
		{ { 0, 999 }, { 1, 1000 } },            /* acknowledged */
		{ { 1001, 1099 }, { 1150, 1250 } },     /* parts of segments */
		{ { 1000 - 0x80000000u, 1100 }, { 1000, 1000 + 0x80000000u } },
	};
	struct queue u;
	size_t i;

	queue_make(&u, 1000, 10);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		queue_ack(&u, 1000, cases[i], 2);
		CU_ASSERT_EQUAL(u.r.sacked, 0);
		CU_ASSERT_EQUAL(u.r.delivered, 0);
		CU_ASSERT_EQUAL(sent_pipe(&u.q), 1000);
	}
	/* Overlapping ones count once. */
	queue_ack(&u, 1000, (const struct sack_block[]){ { 1100, 1500 }, { 1300, 1700 } }, 2);
	CU_ASSERT_EQUAL(u.r.sacked, 600);
	CU_ASSERT_EQUAL(sent_pipe(&u.q), 400);
	queue_ack(&u, 1000, (const struct sack_block[]){ { 1100, 1700 }, { 1200, 1600 } }, 2);
	CU_ASSERT_EQUAL(u.r.sacked, 0);
	queue_free(&u);
}

/* CVE-2019-11477 and 11478: thousands of one-byte segments and blocks all over them. The work for
 * an ACK stays bounded: counted in chunk steps by what is left unread. */
static void
test_bounded_work(void)
{
	struct queue u = { .p = sent_pool_create(65536, take_memory, NULL) };
	uint32_t i, n = 60000, start = UINT32_MAX - 30000, sacked = 0, unread = 0;
	uint64_t seed = 11477;

	sent_init(&u.q);
	u.fack = start;
	for (i = 0; i < n; i++) {
		struct sent_segment s = { .seq = start + i, .length = 1 };

		CU_ASSERT_TRUE(sent_append(u.p, &u.q, &s, i + 1));
	}
	for (i = 0; i < 3000; i++) {
		struct sack_block b[4];
		struct sent_ack a = { .now = 1000000, .ack = start, .sack = b, .n_sack = 4 };
		struct sent_context c = { .fack = &u.fack };
		unsigned int k;

		for (k = 0; k < 4; k++) {
			b[k].left = start + 1 + (uint32_t)(test_random(&seed) % (n - 1));
			b[k].right = b[k].left + 1;
		}
		sent_acknowledge(u.p, &u.q, &a, &c, &u.r);
		sacked += u.r.sacked;
		unread += u.r.bad_blocks;
	}
	CU_ASSERT_EQUAL(u.q.sacked, sacked);
	CU_ASSERT(sacked > 0);
	CU_ASSERT(unread > 0); /* 3,750 chunks are too far for one ACK */
	CU_ASSERT_PTR_NULL(sent_check(u.p, &u.q));
	/* One block for all that remains is taken in pieces, by and by. */
	for (i = 0; i < 10 && u.q.sacked < n - 1; i++) {
		const struct sack_block all = { start + 1, start + n };

		queue_ack(&u, start, &all, 1);
	}
	CU_ASSERT_EQUAL(u.q.sacked, n - 1);
	queue_ack(&u, start + n, NULL, 0);
	CU_ASSERT_TRUE(sent_empty(&u.q));
	CU_ASSERT_EQUAL(sent_pool_used(u.p), 0);
	free(u.p);
}

/* A window of 60 MB with one hole: the block that grows costs no more with each ACK, so no part of
 * it is ever unread. */
static void
test_growing_block(void)
{
	struct queue u = { .p = sent_pool_create(65536, take_memory, NULL) };
	uint32_t i, n = 40000, unread = 0;

	sent_init(&u.q);
	for (i = 0; i < n; i++) {
		struct sent_segment s = { .seq = 1000 * i, .length = 1000 };

		CU_ASSERT_TRUE(sent_append(u.p, &u.q, &s, i + 1));
	}
	for (i = 2; i <= n; i++) {
		const struct sack_block b = { 1000, 1000 * i };
		struct sent_ack a = { .now = 1000000, .ack = 0, .sack = &b, .n_sack = 1 };
		struct sent_context c = { .fack = &u.fack };

		sent_acknowledge(u.p, &u.q, &a, &c, &u.r);
		unread += u.r.bad_blocks;
	}
	CU_ASSERT_EQUAL(unread, 0);
	CU_ASSERT_EQUAL(u.q.sacked, 1000 * (n - 1));
	queue_free(&u);
}

/* RFC 6675: what pipe says at each step of a small recovery; Karn and the echoed timestamp. */
static void
test_recovery(void)
{
	const struct sack_block b = { 200, 1000 };
	struct sent_deadline d = { .time = 10 * NS_PER_MS, .end = 1000, .until = NEVER };
	struct sent_context c;
	struct sent_ack a;
	struct sent_record *r;
	struct queue u;
	bool waiting;

	queue_make(&u, 0, 10);
	queue_ack(&u, 0, &b, 1);
	CU_ASSERT_EQUAL(sent_pipe(&u.q), 200);
	CU_ASSERT_EQUAL(u.r.rtt_short, 990ull * NS_PER_MS);
	CU_ASSERT_EQUAL(u.r.rtt_long, 997ull * NS_PER_MS);
	CU_ASSERT_EQUAL(u.r.rack_time, 10 * NS_PER_MS);
	CU_ASSERT_EQUAL(sent_mark_lost(u.p, &u.q, &d, &waiting), 200);
	CU_ASSERT_EQUAL(sent_pipe(&u.q), 0);
	/* What has arrived is not sent again, whoever asks. */
	sent_again(u.p, &u.q, sent_last(u.p, &u.q), 2000ull * NS_PER_MS);
	CU_ASSERT_EQUAL(sent_pipe(&u.q), 0);
	CU_ASSERT_TRUE(sent_is_sacked(u.p, sent_last(u.p, &u.q)));
	r = sent_next_lost(u.p, &u.q);
	CU_ASSERT_EQUAL(r->seq, 0);
	sent_again(u.p, &u.q, r, 2000ull * NS_PER_MS);
	CU_ASSERT_EQUAL(sent_pipe(&u.q), 100);
	CU_ASSERT_EQUAL(sent_repeats(u.p, r), 1);
	CU_ASSERT_TRUE(sent_is_lost(u.p, r));
	r = sent_next_lost(u.p, &u.q);
	CU_ASSERT_EQUAL(r->seq, 100);
	/* Echoes a time before it was sent again: the first sending has arrived. */
	c.fack = &u.fack;
	c.rtt_floor = 0;
	a = (struct sent_ack){
		.now = 2001ull * NS_PER_MS, .ack = 100, .echoes = true, .echo = 1999
	};
	sent_acknowledge(u.p, &u.q, &a, &c, &u.r);
	CU_ASSERT_EQUAL(u.r.acked, 100);
	CU_ASSERT_EQUAL(u.r.again, 1);
	CU_ASSERT_EQUAL(u.r.rtt_short, 0);
	CU_ASSERT_EQUAL(u.r.rack_time, 0);
	/* And one that is shorter than any round trip. */
	sent_again(u.p, &u.q, sent_first(u.p, &u.q), 3000ull * NS_PER_MS);
	c.rtt_floor = 2 * NS_PER_MS;
	a = (struct sent_ack){
		.now = 3001ull * NS_PER_MS, .ack = 200, .echoes = true, .echo = 3000
	};
	sent_acknowledge(u.p, &u.q, &a, &c, &u.r);
	CU_ASSERT_EQUAL(u.r.acked, 900 - 800); /* the rest was SACKED, not acknowledged */
	CU_ASSERT_EQUAL(u.r.rack_time, 0);
	CU_ASSERT_EQUAL(u.r.delivered, 100);
	CU_ASSERT_EQUAL(sent_pipe(&u.q), 0);
	queue_free(&u);
}

/* SYN, data and FIN; an acknowledgement within a segment. */
static void
test_cut(void)
{
	struct queue u = { .p = sent_pool_create(64, take_memory, NULL) };
	struct sent_segment s = {
		.seq = UINT32_MAX - 1, .length = 10, .offset = 4, .flags = SENT_SYN | SENT_FIN
	};
	struct sent_record *r;

	sent_init(&u.q);
	u.fack = s.seq;
	CU_ASSERT_TRUE(sent_append(u.p, &u.q, &s, 5));
	r = sent_first(u.p, &u.q);
	CU_ASSERT_EQUAL(sent_length(u.p, r), 12);
	CU_ASSERT_EQUAL(u.q.end, 10);
	queue_ack(&u, UINT32_MAX, NULL, 0);
	CU_ASSERT_EQUAL(sent_flags(u.p, r), SENT_FIN);
	CU_ASSERT_EQUAL(r->offset, 4);
	CU_ASSERT_EQUAL(r->length, 10);
	queue_ack(&u, 3, NULL, 0);
	CU_ASSERT_EQUAL(r->seq, 3);
	CU_ASSERT_EQUAL(r->offset, 8);
	CU_ASSERT_EQUAL(r->length, 6);
	CU_ASSERT_EQUAL(u.r.acked, 4);
	queue_ack(&u, 9, NULL, 0);
	CU_ASSERT_EQUAL(r->length, 0);
	CU_ASSERT_EQUAL(sent_length(u.p, r), 1);
	queue_ack(&u, 10, NULL, 0);
	CU_ASSERT_TRUE(sent_empty(&u.q));
	queue_free(&u);
}

/* RFC 5681 and 6582: without SACK a duplicate stands for a segment, and the next acknowledgement
 * does not deliver it twice. */
static void
test_duplicates(void)
{
	struct queue u;
	uint32_t i, delivered = 0;

	queue_make(&u, 0, 10);
	for (i = 0; i < 9; i++)
		delivered += sent_duplicate(&u.q, 100);
	CU_ASSERT_EQUAL(delivered, 900);
	CU_ASSERT_EQUAL(sent_pipe(&u.q), 100);
	CU_ASSERT_EQUAL(sent_mark_first_lost(u.p, &u.q), 100);
	CU_ASSERT_EQUAL(sent_pipe(&u.q), 0);
	CU_ASSERT_EQUAL(sent_duplicate(&u.q, 100), 0); /* no more than there are */
	sent_again(u.p, &u.q, sent_next_lost(u.p, &u.q), NS_PER_MS * 20ull);
	CU_ASSERT_EQUAL(sent_pipe(&u.q), 100);
	/* Partial: five more have arrived, one of them is the repeated one. */
	queue_ack(&u, 500, NULL, 0);
	CU_ASSERT_EQUAL(u.r.acked, 500);
	CU_ASSERT_EQUAL(u.r.delivered, 100);
	CU_ASSERT_EQUAL(sent_pipe(&u.q), 0);
	queue_ack(&u, 1000, NULL, 0);
	CU_ASSERT_EQUAL(u.q.duplicates, 0);
	queue_free(&u);
}

static void
test_pool(void)
{
	struct queue u = { .p = sent_pool_create(40, take_memory, NULL) };
	struct sent_segment s = { .length = 1 };
	struct sent other;
	uint32_t n = 0;

	CU_ASSERT_PTR_NULL(sent_pool_create(0, take_memory, NULL));
	sent_init(&u.q);
	sent_init(&other);
	while (sent_append(u.p, &u.q, &s, 1)) {
		s.seq++;
		n++;
	}
	CU_ASSERT_EQUAL(n, 48); /* whole chunks */
	CU_ASSERT_FALSE(sent_room(u.p, &u.q));
	CU_ASSERT_FALSE(sent_room(u.p, &other));
	CU_ASSERT_FALSE(sent_append(u.p, &other, &s, 1));
	queue_ack(&u, 16, NULL, 0);
	CU_ASSERT_TRUE(sent_append(u.p, &other, &s, 1));
	CU_ASSERT_EQUAL(sent_pool_used(u.p), 33);
	sent_clear(u.p, &u.q);
	sent_clear(u.p, &other);
	CU_ASSERT_EQUAL(sent_pool_used(u.p), 0);
	CU_ASSERT_EQUAL(sent_pool_free_chunks(u.p), 3);
	CU_ASSERT_PTR_NULL(sent_first(u.p, &u.q));
	CU_ASSERT_PTR_NULL(sent_last(u.p, &u.q));
	free(u.p);
}

/* RFC 1191 6.4: what no longer fits is sent again, whatever else is in flight. */
static void
test_long_lost(void)
{
	struct queue u = { .p = sent_pool_create(64, take_memory, NULL) };
	uint32_t i, seq = 0;

	sent_init(&u.q);
	for (i = 0; i < 20; i++) {
		struct sent_segment s = { .seq = seq, .length = i % 2 ? 1448 : 500 };

		sent_append(u.p, &u.q, &s, 1);
		seq += s.length;
	}
	CU_ASSERT_EQUAL(sent_mark_long_lost(u.p, &u.q, 1200), 10 * 1448);
	CU_ASSERT_EQUAL(sent_next_lost(u.p, &u.q)->seq, 500);
	CU_ASSERT_EQUAL(sent_mark_long_lost(u.p, &u.q, 1200), 0);
	sent_clear(u.p, &u.q);
	queue_free(&u);
}

int
test_tcp_sent_register(void)
{
	static CU_TestInfo tests[] = {
		{ "against a plain list", test_against_plain },
		{ "D-SACK", test_dsack },
		{ "hostile blocks", test_hostile_blocks },
		{ "bounded work", test_bounded_work },
		{ "a block that grows", test_growing_block },
		{ "a recovery", test_recovery },
		{ "within a segment", test_cut },
		{ "peers without SACK", test_duplicates },
		{ "the pool", test_pool },
		{ "too long for the path", test_long_lost },
		CU_TEST_INFO_NULL,
	};
	static CU_SuiteInfo suites[] = { { "tcp sent", NULL, NULL, NULL, NULL, tests },
					 CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}

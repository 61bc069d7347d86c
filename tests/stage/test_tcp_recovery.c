/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Losses, disorder and congestion between two instances, in virtual time: one sends as fast as it
 * may, the other takes it. What is looked at is what the rules of RFC 5681, 6298, 6582, 6937, 8985,
 * 9406 and 9438 have in common: how often something is sent again, what ends slow start, how fast
 * it is, and that a timeout is the last resort.
 *
 *     sender --- delay, rate, queue, `fate` of each segment of data ---> receiver
 *            <------------------ delay, no loss ----------------------
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "dp/tcp/tcp.h"
#include "fixture.h"
#include "suites.h"

#define MS    1000000ull
#define TICK  (MS / 10)
#define QUEUE 4096 /* frames under way each way; a power of two */
#define MSS   1448 /* of 1500 bytes, with timestamps */

enum fate { ARRIVES, LOST, LATE, MARKED };

struct frame {
	uint64_t due;
	uint16_t length;
	uint8_t bytes[1514];
};

struct wire {
	struct frame *frames; /* [QUEUE], in the order of due */
	uint32_t head, tail;
};

struct path;
typedef enum fate (*fate_fn)(struct path *p, uint32_t n, uint32_t seq);

struct path {
	struct tcp *sender, *receiver;
	tcp_handle h;
	uint64_t now, delay, late; /* ns; late: what LATE ones take besides */
	uint64_t rate;             /* bytes a second, 0: no bound */
	uint64_t queue_ns;         /* a queue longer than this loses */
	uint64_t free_at;          /* when the sender's side of the link is idle */
	struct wire in_order, disordered, back;
	fate_fn fate;
	uint32_t n;     /* segments of data that were sent */
	uint32_t first; /* sequence number of the first byte of data */
	uint32_t marks, overflows;
	uint64_t seed;
	uint64_t received, written; /* bytes */
	uint32_t max_cwnd;
	bool open, closed, wrong;
};

static void
wire_add(struct wire *w, const struct rte_mbuf *m, uint64_t due)
{
	struct frame *f = &w->frames[w->tail++ % QUEUE];
	const void *from;

	CU_ASSERT_FATAL(w->tail - w->head < QUEUE && m->pkt_len <= sizeof(f->bytes));
	f->due = due;
	f->length = (uint16_t)m->pkt_len;
	from = rte_pktmbuf_read(m, 0, m->pkt_len, f->bytes);
	if (from != f->bytes)
		memcpy(f->bytes, from, m->pkt_len);
}

static uint32_t
sequence_of(struct rte_mbuf *m)
{
	return ntohl(*rte_pktmbuf_mtod_offset(m, uint32_t *, 24));
}

/* When what is sent now gets to the other end; 0: the queue is full. */
static uint64_t
passes(struct path *p, uint32_t length)
{
	if (!p->rate)
		return p->now + p->delay;
	if (p->free_at < p->now)
		p->free_at = p->now;
	if (p->free_at - p->now > p->queue_ns) {
		p->overflows++;
		return 0;
	}
	p->free_at += length * 1000000000ull / p->rate;
	return p->free_at + p->delay;
}

static void
sent_out(void *arg, struct rte_mbuf *m, uint64_t route)
{
	struct path *p = arg;
	uint32_t seq = sequence_of(m);
	bool data = m->pkt_len > 100;
	enum fate fate = data && p->fate ? p->fate(p, p->n, seq - p->first) : ARRIVES;
	uint64_t due = passes(p, m->pkt_len);

	(void)route;
	p->n += data;
	if (!p->open)
		p->first = seq + 1;
	if (due && fate != LOST) {
		wire_add(fate == LATE ? &p->disordered : &p->in_order, m,
			 fate == LATE ? due + p->late : due);
		if (fate == MARKED) {
			p->in_order.frames[(p->in_order.tail - 1) % QUEUE].bytes[1] |= 3;
			p->marks++;
		}
	}
	rte_pktmbuf_free(m);
}

static void
answered(void *arg, struct rte_mbuf *m, uint64_t route)
{
	struct path *p = arg;

	(void)route;
	wire_add(&p->back, m, p->now + p->delay);
	rte_pktmbuf_free(m);
}

static uint64_t
random_of(void *arg)
{
	struct path *p = arg;

	p->seed ^= p->seed << 13;
	p->seed ^= p->seed >> 7;
	p->seed ^= p->seed << 17;
	return p->seed;
}

static void
on_connected(void *arg, tcp_handle h, uint64_t user)
{
	(void)h;
	(void)user;
	((struct path *)arg)->open = true;
}

static void
on_received(void *arg, tcp_handle h, uint64_t user, struct rte_mbuf *chain, uint32_t length)
{
	struct path *p = arg;

	(void)user;
	for (struct rte_mbuf *m = chain; m; m = m->next) {
		/* Each piece of 8 bytes holds its own place in the stream. */
		if (m->data_len && *rte_pktmbuf_mtod(m, uint8_t *) !=
				       (uint8_t)(p->received / 8 * 37 + p->received % 8))
			p->wrong = true;
		p->received += m->data_len;
	}
	rte_pktmbuf_free(chain);
	tcp_credit(p->receiver, h, length);
}

static void
on_closed(void *arg, tcp_handle h, uint64_t user, enum tcp_close_cause cause)
{
	(void)h;
	(void)user;
	(void)cause;
	((struct path *)arg)->closed = true;
}

static struct tuple
tuple_of(bool at_receiver)
{
	struct addr a = fixture_addr("192.0.2.1"), b = fixture_addr("192.0.2.2");

	return (struct tuple){
		.src = at_receiver ? a : b,
		.dst = at_receiver ? b : a,
		.sport = htons(at_receiver ? 4000 : 80),
		.dport = htons(at_receiver ? 80 : 4000),
		.proto = 6,
	};
}

static struct path *
path_create(const struct tcp_options *options, uint64_t delay)
{
	struct path *p = calloc(1, sizeof(*p));
	struct tcp_calls calls = { .arg = p, .random = random_of, .received = on_received };
	struct tcp_settings settings = { .connections = 16,
					 .sent_records = 8192,
					 .socket = SOCKET_ID_ANY,
					 .mbufs = fixture_pool(),
					 .clones = fixture_pool(),
					 .secret = { 1, 2, 3 } };
	struct tcp_connect connect = { .tuple = tuple_of(false), .options = options };

	p->now = 1000 * MS;
	p->seed = 88172645463325252ull;
	p->delay = delay;
	p->in_order.frames = calloc(QUEUE, sizeof(struct frame));
	p->disordered.frames = calloc(QUEUE, sizeof(struct frame));
	p->back.frames = calloc(QUEUE, sizeof(struct frame));
	calls.output = answered;
	p->receiver = tcp_create(&settings, &calls, p->now);
	calls.output = sent_out;
	calls.connected = on_connected;
	calls.closed = on_closed;
	p->sender = tcp_create(&settings, &calls, p->now);
	CU_ASSERT_FATAL(p->sender && p->receiver);
	CU_ASSERT_EQUAL(tcp_listen(p->receiver, 3, options), 0);
	CU_ASSERT_EQUAL(tcp_connect(p->sender, &connect, &p->h), 0);
	return p;
}

static void
path_destroy(struct path *p)
{
	CU_ASSERT_FALSE(p->wrong);
	CU_ASSERT_EQUAL(tcp_counters(p->sender)->over_cwnd, 0);
	tcp_destroy(p->sender);
	tcp_destroy(p->receiver);
	free(p->in_order.frames);
	free(p->disordered.frames);
	free(p->back.frames);
	free(p);
	CU_ASSERT_EQUAL(fixture_mbufs_in_use(), 0);
}

static void
deliver(struct path *p, struct wire *w, struct tcp *to, bool at_receiver)
{
	struct tuple tuple = tuple_of(at_receiver);

	while (w->head != w->tail && w->frames[w->head % QUEUE].due <= p->now) {
		const struct frame *f = &w->frames[w->head++ % QUEUE];
		struct tcp_packet packet = {
			.mbuf = fixture_mbuf(f->bytes, f->length),
			.tuple = &tuple,
			.listener = at_receiver ? 3 : TCP_LISTENER_NONE,
			.l4 = 20,
			.ip_len = f->length,
			.ecn = f->bytes[1] & 3,
		};

		tcp_input(to, &packet, 1, p->now);
	}
}

/* Let it run until `bytes` have arrived, or for `limit` ns; keeps the send buffer full up to
 * `total` bytes. The ns that went by. */
static uint64_t
run(struct path *p, uint64_t total, uint64_t bytes, uint64_t limit)
{
	uint64_t begin = p->now;
	struct tcp_info info = { 0 };

	while (p->received < bytes && p->now - begin < limit && !p->closed) {
		p->now += TICK;
		deliver(p, &p->in_order, p->receiver, true);
		deliver(p, &p->disordered, p->receiver, true);
		deliver(p, &p->back, p->sender, false);
		while (p->open && p->written < total && tcp_send_room(p->sender, p->h) > 0) {
			uint8_t data[MSS];
			uint32_t i, n = (uint32_t)RTE_MIN(sizeof(data), total - p->written);
			struct rte_mbuf *m;

			for (i = 0; i < n; i++)
				data[i] =
				    (uint8_t)((p->written + i) / 8 * 37 + (p->written + i) % 8);
			m = fixture_mbuf(data, n);
			CU_ASSERT_EQUAL_FATAL(tcp_send(p->sender, p->h, m), 0);
			p->written += n;
		}
		tcp_advance(p->receiver, p->now);
		tcp_flush(p->receiver, p->now);
		tcp_advance(p->sender, p->now);
		tcp_flush(p->sender, p->now);
		if (tcp_info(p->sender, p->h, &info) == 0 && info.cwnd > p->max_cwnd)
			p->max_cwnd = info.cwnd;
	}
	if (getenv("TCP_SHOW")) {
		const struct tcp_counters *c = tcp_counters(p->sender);

		fprintf(stderr,
			"%.3f s, %lu bytes, %u segments, %lu again, %lu fast, %lu rto, %lu tlp, "
			"%lu spurious, %u overflows; cwnd %u of %u, ssthresh %u\n",
			(double)(p->now - begin) / 1e9, p->received, p->n, c->retransmits,
			c->fast_recoveries, c->rto, c->tlp, c->spurious, p->overflows, info.cwnd,
			p->max_cwnd, info.ssthresh);
	}
	return p->now - begin;
}

static struct tcp_info
info_of(struct path *p)
{
	struct tcp_info info = { 0 };

	CU_ASSERT_EQUAL(tcp_info(p->sender, p->h, &info), 0);
	return info;
}

#define COUNTER(p, name) (tcp_counters((p)->sender)->name)

/* ---- single losses -------------------------------------------------------------------------- */

static enum fate
loses_20th(struct path *p, uint32_t n, uint32_t seq)
{
	(void)p;
	(void)seq;
	return n == 20 ? LOST : ARRIVES;
}

static enum fate
loses_20th_twice(struct path *p, uint32_t n, uint32_t seq)
{
	(void)p;
	return n == 20 || (seq == 20 * MSS && n < 60) ? LOST : ARRIVES;
}

/* One segment is sent again, once, and nobody waits for a timer. */
static void
test_one_lost(void)
{
	struct path *p = path_create(NULL, 10 * MS);

	p->fate = loses_20th;
	CU_ASSERT(run(p, 300000, 300000, 5000 * MS) < 320 * MS);
	CU_ASSERT_EQUAL(p->received, 300000);
	CU_ASSERT_EQUAL(COUNTER(p, retransmits), 1);
	CU_ASSERT_EQUAL(COUNTER(p, fast_recoveries), 1);
	CU_ASSERT_EQUAL(COUNTER(p, rto), 0);
	path_destroy(p);
}

/* RFC 8985: what was sent again and is lost once more is found as well. RFC 6675 cannot. */
static void
test_lost_again(void)
{
	struct path *p = path_create(NULL, 10 * MS);

	p->fate = loses_20th_twice;
	run(p, 300000, 300000, 5000 * MS);
	CU_ASSERT_EQUAL(p->received, 300000);
	CU_ASSERT(COUNTER(p, retransmits) >= 2 && COUNTER(p, retransmits) <= 4);
	CU_ASSERT_EQUAL(COUNTER(p, rto), 0);
	path_destroy(p);
}

static enum fate
loses_tail(struct path *p, uint32_t n, uint32_t seq)
{
	(void)p;
	(void)seq;
	return n == 8 || n == 9 ? LOST : ARRIVES;
}

/* RFC 8985 7: the last two of ten are lost: a probe after two round trips, no timeout. */
static void
test_tail(void)
{
	struct path *p = path_create(NULL, 10 * MS);

	p->fate = loses_tail;
	CU_ASSERT(run(p, 10 * MSS, 10 * MSS, 5000 * MS) < 130 * MS);
	CU_ASSERT_EQUAL(p->received, 10 * MSS);
	CU_ASSERT_EQUAL(COUNTER(p, tlp), 1);
	CU_ASSERT_EQUAL(COUNTER(p, retransmits), 2);
	CU_ASSERT_EQUAL(COUNTER(p, rto), 0);
	path_destroy(p);
}

static enum fate
loses_half(struct path *p, uint32_t n, uint32_t seq)
{
	(void)p;
	(void)seq;
	return n >= 40 && n < 60 && n % 2 ? LOST : ARRIVES;
}

/* RFC 6675, 6937: every other one of twenty, all mended within one recovery. */
static void
test_many_lost(void)
{
	struct path *p = path_create(NULL, 10 * MS);

	p->fate = loses_half;
	run(p, 300000, 300000, 5000 * MS);
	CU_ASSERT_EQUAL(p->received, 300000);
	CU_ASSERT_EQUAL(COUNTER(p, retransmits), 10);
	CU_ASSERT_EQUAL(COUNTER(p, fast_recoveries), 1);
	CU_ASSERT_EQUAL(COUNTER(p, rto), 0);
	path_destroy(p);
}

/* RFC 6582: the same to a peer without SACK takes a round trip for each hole, and no timeout. */
static void
test_newreno(void)
{
	struct tcp_options plain = { .no_sack = true, .no_timestamps = true };
	struct path *p = path_create(&plain, 10 * MS);

	p->fate = loses_half;
	run(p, 300000, 300000, 5000 * MS);
	CU_ASSERT_EQUAL(p->received, 300000);
	CU_ASSERT(COUNTER(p, retransmits) >= 10 && COUNTER(p, retransmits) <= 12);
	CU_ASSERT_EQUAL(COUNTER(p, rto), 0);
	path_destroy(p);
}

/* ---- disorder ------------------------------------------------------------------------------- */

static enum fate
tenth_late(struct path *p, uint32_t n, uint32_t seq)
{
	(void)p;
	(void)seq;
	return n % 10 == 9 ? LATE : ARRIVES;
}

/* RFC 8985 6.2: every tenth comes an eighth of a round trip late. Once disorder was seen nothing is
 * sent again for it, and the window is not made smaller again. */
static void
test_disorder(void)
{
	struct path *p = path_create(&(struct tcp_options){ .send_buffer = 1000000 }, 10 * MS);

	p->fate = tenth_late;
	p->late = 5 * MS / 2;
	p->rate = 2500000;
	p->queue_ns = 100 * MS;
	run(p, 5000000, 5000000, 20000 * MS);
	CU_ASSERT_EQUAL(p->received, 5000000);
	CU_ASSERT(COUNTER(p, retransmits) <= 10);
	CU_ASSERT(COUNTER(p, fast_recoveries) <= 2);
	CU_ASSERT_EQUAL(COUNTER(p, rto), 0);
	path_destroy(p);
}

/* RFC 8985 6.2 step 4: a round trip late is more than the window at first. D-SACK widens it until
 * it is enough. */
static void
test_disorder_long(void)
{
	struct path *p = path_create(&(struct tcp_options){ .send_buffer = 1000000 }, 10 * MS);
	uint64_t early;

	p->fate = tenth_late;
	p->late = 14 * MS;
	p->rate = 2500000;
	p->queue_ns = 100 * MS;
	run(p, 10000000, 5000000, 20000 * MS);
	early = COUNTER(p, retransmits);
	CU_ASSERT(COUNTER(p, spurious) > 0);
	run(p, 10000000, 10000000, 20000 * MS);
	CU_ASSERT_EQUAL(p->received, 10000000);
	/* 345 of each half were late. */
	CU_ASSERT(early < 60);
	CU_ASSERT(COUNTER(p, retransmits) - early < 20);
	CU_ASSERT_EQUAL(COUNTER(p, rto), 0);
	path_destroy(p);
}

/* ---- congestion ----------------------------------------------------------------------------- */

/* A queue of 100 ms behind 20 Mb/s, 40 ms away. Segments that it loses during the first slow start,
 * and until the link is full. */
static uint32_t
first_slow_start(bool hystart)
{
	struct path *p = path_create(&(struct tcp_options){ .send_buffer = 1000000,
							    .receive_window = 4000000,
							    .no_cubic = !hystart },
				     20 * MS);
	uint32_t overflows;
	uint64_t took;

	p->rate = 2500000;
	p->queue_ns = 100 * MS;
	took = run(p, 3000000, 3000000, 30000 * MS);
	CU_ASSERT_EQUAL(p->received, 3000000);
	CU_ASSERT(took < 1500 * MS); /* 1,243 at the rate of the link, and slow start */
	CU_ASSERT_EQUAL(COUNTER(p, rto), 0);
	CU_ASSERT_NOT_EQUAL(info_of(p).ssthresh, UINT32_MAX);
	overflows = p->overflows;
	path_destroy(p);
	return overflows;
}

/* HyStart++ sees the queue fill; plain slow start overshoots by all that is in flight. */

static void
test_hystart(void)
{
	CU_ASSERT(first_slow_start(true) * 3 < first_slow_start(false));
}

/* A queue of 10 ms only: it overflows again and again, and the link is well used all the same. */
static void
test_small_queue(void)
{
	struct path *p = path_create(
	    &(struct tcp_options){ .send_buffer = 1000000, .receive_window = 4000000 }, 20 * MS);
	uint64_t took;

	p->rate = 2500000;
	p->queue_ns = 10 * MS;
	took = run(p, 20000000, 20000000, 60000 * MS);
	CU_ASSERT_EQUAL(p->received, 20000000);
	CU_ASSERT(took < 10400 * MS); /* 80 % */
	CU_ASSERT(p->overflows > 0);
	CU_ASSERT_EQUAL(COUNTER(p, retransmits), p->overflows);
	CU_ASSERT_EQUAL(COUNTER(p, rto), 0);
	path_destroy(p);
}

static enum fate
one_percent(struct path *p, uint32_t n, uint32_t seq)
{
	(void)n;
	(void)seq;
	return random_of(p) % 100 == 0 ? LOST : ARRIVES;
}

static enum fate
five_percent(struct path *p, uint32_t n, uint32_t seq)
{
	(void)n;
	(void)seq;
	return random_of(p) % 20 == 0 ? LOST : ARRIVES;
}

/* At random losses p the window is at least MSS * sqrt(3/2 / p) (Mathis et al., 1997; CUBIC in its
 * Reno-friendly region is no worse): at 20 ms and 1 % 7.1 Mb/s, at 5 % 3.2. */
static void
random_losses(fate_fn fate, uint64_t bytes_per_s, uint64_t rto_max)
{
	struct path *p = path_create(&(struct tcp_options){ .send_buffer = 1000000 }, 10 * MS);
	uint64_t took, n = 4000000;

	p->fate = fate;
	took = run(p, n, n, 60000 * MS);
	CU_ASSERT_EQUAL(p->received, n);
	CU_ASSERT(n * 1000 * MS / took >= bytes_per_s);
	CU_ASSERT(COUNTER(p, rto) <= rto_max);
	CU_ASSERT(COUNTER(p, spurious) * 50 <= COUNTER(p, retransmits));
	path_destroy(p);
}

static void
test_random_losses(void)
{
	random_losses(one_percent, 800000, 0);
	random_losses(five_percent, 330000, 4);
}

static enum fate
marks_30th(struct path *p, uint32_t n, uint32_t seq)
{
	(void)p;
	(void)seq;
	return n == 30 ? MARKED : ARRIVES;
}

/* RFC 3168 6.1.2: a mark makes the window smaller, once, and nothing is sent again. */
static void
test_mark(void)
{
	struct tcp_options o = { .ask_ecn = true };
	struct path *p = path_create(&o, 10 * MS);

	p->fate = marks_30th;
	run(p, 300000, 300000, 5000 * MS);
	CU_ASSERT_EQUAL(p->marks, 1);
	CU_ASSERT_EQUAL(COUNTER(p, ecn_reduced), 1);
	CU_ASSERT_EQUAL(COUNTER(p, retransmits), 0);
	CU_ASSERT(info_of(p).ssthresh < p->max_cwnd);
	path_destroy(p);
}

/* ---- timers --------------------------------------------------------------------------------- */

/* RFC 6298 and Karn: round trips of 20 ms become 1.5 s, longer than any timeout so far. What is
 * sent again needlessly is bounded: the timeout backs off until it is long enough, and is then
 * measured anew; with timestamps and without. */
static void
grows_longer(const struct tcp_options *options)
{
	struct path *p = path_create(options, 10 * MS);
	uint64_t before;

	run(p, 2000000, 300000, 5000 * MS);
	CU_ASSERT_EQUAL(COUNTER(p, rto), 0);
	p->delay = 750 * MS;
	run(p, 2000000, 1200000, 200000 * MS);
	before = COUNTER(p, rto);
	CU_ASSERT(before <= 6);
	run(p, 2000000, 2000000, 200000 * MS);
	CU_ASSERT_EQUAL(p->received, 2000000);
	CU_ASSERT_EQUAL(COUNTER(p, rto), before);
	CU_ASSERT(info_of(p).rto > 1500 * MS);
	path_destroy(p);
}

static void
test_longer_path(void)
{
	grows_longer(NULL);
	grows_longer(&(struct tcp_options){ .no_timestamps = true });
	grows_longer(&(struct tcp_options){ .no_timestamps = true, .no_sack = true });
}

static enum fate
dead(struct path *p, uint32_t n, uint32_t seq)
{
	(void)n;
	(void)seq;
	return p->now > 2000 * MS && p->now < 9000 * MS ? LOST : ARRIVES;
}

/* A link that is dead for 7 s: few attempts, and all goes on when it is back. */
static void
test_dead_link(void)
{
	struct path *p = path_create(NULL, 10 * MS);

	p->fate = dead;
	p->rate = 250000;
	p->queue_ns = 100 * MS;
	run(p, 600000, 600000, 30000 * MS);
	CU_ASSERT_EQUAL(p->received, 600000);
	/* 0.2, 0.4, 0.8, 1.6, 3.2 s: 6.2 s, and one more. */
	CU_ASSERT(COUNTER(p, rto) >= 4 && COUNTER(p, rto) <= 7);
	path_destroy(p);
}

int
test_tcp_recovery_register(void)
{
	static const CU_TestInfo tests[] = {
		{ "one lost", test_one_lost },
		{ "lost again", test_lost_again },
		{ "a lost tail", test_tail },
		{ "many lost", test_many_lost },
		{ "many lost, no SACK", test_newreno },
		{ "disorder", test_disorder },
		{ "long disorder", test_disorder_long },
		{ "slow start ends in time", test_hystart },
		{ "a small queue", test_small_queue },
		{ "random losses", test_random_losses },
		{ "a mark", test_mark },
		{ "round trips grow longer", test_longer_path },
		{ "a dead link", test_dead_link },
		CU_TEST_INFO_NULL,
	};

	return suite_add("tcp: recovery", tests);
}

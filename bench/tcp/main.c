/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much the workers' TCP costs: two instances in one thread, a wire between them that copies
 * each packet into a buffer of the receiver as a port would, and time from the TSC.
 *
 *     bench-tcp exchange   1000 kept connections, 64 bytes there and back on each
 *     bench-tcp open       connections opened, and closed by the side that opened them; after a
 *                          moment the table is full of those in TIME-WAIT, which give way
 *     bench-tcp bulk       one direction, as much as the windows let through, on 16 connections
 *
 * Cycles are those of both ends together; the copy of the wire is measured and told apart.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>

#include "dp/clock.h"
#include "dp/tcp/tcp.h"

#define ENDS        2
#define BACKLOG     8192
#define CONNECTIONS 200000
#define BULK        16
#define SECONDS     2

struct link {
	uint32_t head, tail;
	struct rte_mbuf *packets[BACKLOG];
};

struct end {
	struct bench *bench;
	uint32_t index;
	struct tcp *tcp;
	struct link in;
};

struct bench {
	struct end ends[ENDS];
	struct rte_mempool *frames, *small, *clones;
	struct dp_clock clock;
	uint64_t now;
	uint64_t exchanges, opened, closed, bytes, packets, copy_cycles, refused;
	bool echo;
	uint32_t next_port;
};

static struct addr
address(uint32_t n)
{
	return addr_from_v4(htonl(0x0a000000u + n));
}

static struct rte_mbuf *
message(struct bench *b, uint32_t bytes)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(b->frames);

	if (m)
		memset(rte_pktmbuf_append(m, (uint16_t)bytes), 'x', bytes);
	return m;
}

static void
say(struct end *e, tcp_handle h, uint32_t bytes)
{
	struct rte_mbuf *m = message(e->bench, bytes);

	if (m && tcp_send(e->tcp, h, m) != 0)
		rte_pktmbuf_free(m);
}

static void
on_output(void *arg, struct rte_mbuf *m, uint64_t route)
{
	struct end *e = arg;
	struct bench *b = e->bench;
	struct link *to = &b->ends[!e->index].in;
	uint64_t begin = rte_rdtsc();
	struct rte_mbuf *copy = rte_pktmbuf_alloc(b->frames);
	char *at;

	(void)route;
	if (!copy || to->tail - to->head >= BACKLOG) {
		b->refused++;
		rte_pktmbuf_free(copy);
		rte_pktmbuf_free(m);
		return;
	}
	at = rte_pktmbuf_append(copy, (uint16_t)m->pkt_len);
	for (const struct rte_mbuf *i = m; i; at += i->data_len, i = i->next)
		memcpy(at, rte_pktmbuf_mtod(i, void *), i->data_len);
	rte_pktmbuf_free(m);
	to->packets[to->tail++ % BACKLOG] = copy;
	b->packets++;
	b->copy_cycles += rte_rdtsc() - begin;
}

static uint64_t
on_random(void *arg)
{
	(void)arg;
	return rte_rdtsc() * 0x9e3779b97f4a7c15ull;
}

static uint64_t
on_accepted(void *arg, tcp_handle h, uint32_t listener, const struct tuple *tuple)
{
	(void)arg;
	(void)h;
	(void)listener;
	(void)tuple;
	return 0;
}

static void
on_connected(void *arg, tcp_handle h, uint64_t user)
{
	struct end *e = arg;

	e->bench->opened++;
	if (user == 1)
		say(e, h, 64);
	else if (user == 2)
		tcp_shutdown(e->tcp, h);
}

static void
on_received(void *arg, tcp_handle h, uint64_t user, struct rte_mbuf *chain, uint32_t length)
{
	struct end *e = arg;

	(void)user;
	tcp_credit(e->tcp, h, length);
	e->bench->bytes += length;
	if (!e->bench->echo) {
		rte_pktmbuf_free(chain);
		return;
	}
	if (!e->index)
		e->bench->exchanges++;
	if (tcp_send(e->tcp, h, chain) != 0)
		rte_pktmbuf_free(chain);
}

static void
on_half_closed(void *arg, tcp_handle h, uint64_t user)
{
	(void)user;
	tcp_shutdown(((struct end *)arg)->tcp, h);
}

static void
on_closed(void *arg, tcp_handle h, uint64_t user, enum tcp_close_cause cause)
{
	struct end *e = arg;

	(void)h;
	(void)user;
	(void)cause;
	e->bench->closed += e->index == 0;
}

static void
receive(struct end *e)
{
	struct tcp_packet packets[BURST_MAX];
	struct tuple tuples[BURST_MAX];
	uint32_t n, i;

	for (n = e->in.tail - e->in.head; n; n -= i) {
		for (i = 0; i < RTE_MIN(n, (uint32_t)BURST_MAX); i++) {
			struct rte_mbuf *m = e->in.packets[e->in.head++ % BACKLOG];
			const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
			struct tuple *t = &tuples[i];

			memset(t, 0, sizeof(*t));
			memcpy(&t->src.w[3], p + 12, 4);
			memcpy(&t->dst.w[3], p + 16, 4);
			t->src = addr_from_v4(t->src.w[3]);
			t->dst = addr_from_v4(t->dst.w[3]);
			memcpy(&t->sport, p + 20, 2);
			memcpy(&t->dport, p + 22, 2);
			packets[i] = (struct tcp_packet){
				.mbuf = m,
				.tuple = t,
				.listener = e->index ? 1 : TCP_LISTENER_NONE,
				.l4 = 20,
				.ip_len = (uint16_t)m->pkt_len,
				.checked = true,
			};
		}
		tcp_input(e->tcp, packets, i, e->bench->now);
	}
}

static void
turn(struct bench *b)
{
	uint32_t i;

	b->now = dp_clock_now(&b->clock);
	for (i = 0; i < ENDS; i++) {
		receive(&b->ends[i]);
		tcp_advance(b->ends[i].tcp, b->now);
		tcp_flush(b->ends[i].tcp, b->now);
	}
}

static tcp_handle
open_one(struct bench *b, uint64_t user)
{
	static const struct tcp_options options = { .receive_window = 1 << 20,
						    .send_buffer = 1 << 20 };
	struct tcp_connect c = { .user = user, .options = &options };
	tcp_handle h = TCP_HANDLE_NONE;

	c.tuple.proto = IPPROTO_TCP;
	c.tuple.src = address(1);
	c.tuple.dst = address(2 + b->next_port / 60000);
	c.tuple.sport = htons(80);
	c.tuple.dport = htons((uint16_t)(1024 + b->next_port % 60000));
	b->next_port = (b->next_port + 1) % (60000 * 16);
	return tcp_connect(b->ends[0].tcp, &c, &h) == 0 ? h : TCP_HANDLE_NONE;
}

/* ---- what is measured ----------------------------------------------------------------------- */

struct mark {
	uint64_t tsc, packets, copy, exchanges, closed, bytes;
};

static struct mark
mark(const struct bench *b)
{
	return (struct mark){ rte_rdtsc(),  b->packets, b->copy_cycles,
			      b->exchanges, b->closed,  b->bytes };
}

static void
report(const struct bench *b, const struct mark *from, const char *what, uint64_t n)
{
	struct mark to = mark(b);
	double cycles = (double)(to.tsc - from->tsc);
	double own = cycles - (double)(to.copy - from->copy);
	double seconds = cycles / (double)b->clock.hz;
	uint64_t packets = to.packets - from->packets;

	printf("%s: %.0f/s; %.0f cycles each, both ends, without the wire's copies; %.2f packets "
	       "each, %.0f cycles a packet; %llu refused\n",
	       what, (double)n / seconds, own / (double)n, (double)packets / (double)n,
	       own / (double)packets, (unsigned long long)b->refused);
}

static void
run_exchange(struct bench *b)
{
	uint64_t end;
	struct mark from;
	uint32_t i;

	b->echo = true;
	for (i = 0; i < 1000; i++)
		open_one(b, 1);
	for (i = 0; i < 2000; i++)
		turn(b);
	from = mark(b);
	for (end = b->now + SECONDS * 1000000000ull; b->now < end;)
		turn(b);
	report(b, &from, "exchanges of 64 bytes", b->exchanges - from.exchanges);
}

static void
run_open(struct bench *b)
{
	uint64_t end, begun = 0;
	struct mark from = mark(b);

	b->now = dp_clock_now(&b->clock);
	for (end = b->now + SECONDS * 1000000000ull; b->now < end;) {
		while (begun - b->closed < 64 && open_one(b, 2) != TCP_HANDLE_NONE)
			begun++;
		turn(b);
	}
	report(b, &from, "connections opened and closed", b->closed - from.closed);
}

static void
run_bulk(struct bench *b)
{
	tcp_handle handles[BULK];
	uint64_t end;
	struct mark from;
	uint32_t i;

	for (i = 0; i < BULK; i++)
		handles[i] = open_one(b, 0);
	for (i = 0; i < 100; i++)
		turn(b);
	from = mark(b);
	for (end = b->now + SECONDS * 1000000000ull; b->now < end;) {
		for (i = 0; i < BULK; i++) {
			while (tcp_send_room(b->ends[0].tcp, handles[i]) > 1 << 19)
				say(&b->ends[0], handles[i], 1448);
		}
		turn(b);
	}
	report(b, &from, "segments of 1448 bytes, one way", (b->bytes - from.bytes) / 1448);
}

static struct tcp *
instance(struct end *e)
{
	struct bench *b = e->bench;
	struct tcp_calls calls = {
		.arg = e,
		.output = on_output,
		.random = on_random,
		.accepted = on_accepted,
		.connected = on_connected,
		.received = on_received,
		.half_closed = on_half_closed,
		.closed = on_closed,
	};
	struct tcp_settings settings = {
		.connections = CONNECTIONS,
		.sent_records = 1 << 18,
		.socket = SOCKET_ID_ANY,
		.output = TCP_OUTPUT_CHECKSUM,
		.mbufs = b->small,
		.clones = b->clones,
		.secret = { 5 },
	};
	static const struct tcp_options options = { .receive_window = 1 << 20,
						    .send_buffer = 1 << 20 };
	struct tcp *t = tcp_create(&settings, &calls, dp_clock_now(&b->clock));

	if (t)
		tcp_listen(t, 1, &options);
	return t;
}

static int
create(struct bench *b)
{
	uint32_t i;

	dp_clock_init(&b->clock);
	b->frames = rte_pktmbuf_pool_create("frames", 65535, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
					    SOCKET_ID_ANY);
	b->small = rte_pktmbuf_pool_create("small", 65535, 256, 0, TCP_SMALL_ROOM, SOCKET_ID_ANY);
	b->clones = rte_pktmbuf_pool_create("clones", 65535, 256, 0, 0, SOCKET_ID_ANY);
	if (!b->frames || !b->small || !b->clones)
		return -1;
	for (i = 0; i < ENDS; i++) {
		b->ends[i].bench = b;
		b->ends[i].index = i;
		b->ends[i].tcp = instance(&b->ends[i]);
		if (!b->ends[i].tcp)
			return -1;
	}
	return 0;
}

int
main(int argc, char **argv)
{
	char *eal[] = { argv[0], "--no-huge",     "--no-shconf",    "-m", "1024", "--no-pci", "-l",
			"0",     "--log-level=4", "--no-telemetry", NULL };
	static struct bench bench;
	struct bench *b = &bench;
	const char *what = argc > 1 ? argv[1] : "exchange";

	if (rte_eal_init((int)RTE_DIM(eal) - 1, eal) < 0 || create(b) != 0) {
		fprintf(stderr, "bench-tcp: no memory\n");
		return EXIT_FAILURE;
	}
	if (!strcmp(what, "open"))
		run_open(b);
	else if (!strcmp(what, "bulk"))
		run_bulk(b);
	else
		run_exchange(b);
	return EXIT_SUCCESS;
}

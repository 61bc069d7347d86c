/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: the workers' TCP, any segments in any order with the state machine behind.
 *
 * Input: one byte of settings, then steps. A step is a byte that says what happens (enum act) and
 * what that needs. A segment's numbers are counted from what the stack has sent last, so that the
 * fuzzer finds its way through handshakes; its options are raw bytes. What leaves has to be a sound
 * packet; after each step the buffers that are in use are those that the stack has counted, and no
 * more than it may hold; at the end its own invariants hold, and nothing is left.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "dp/tcp/tcp.h"
#include "tests/sim/nic.h"
#include "tests/sim/wire.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PORTS     4
#define MS        1000000ull
#define STEPS_MAX 200
#define BURST     4
#define BUDGET    24 /* buffers, with SETTING_SMALL */

enum setting {
	SETTING_NO_SACK = 1 << 0,
	SETTING_NO_TIME = 1 << 1,
	SETTING_COOKIES = 1 << 2,
	SETTING_IP6 = 1 << 3,
	SETTING_NAGLE = 1 << 4,
	SETTING_RENO = 1 << 5,
	SETTING_SMALL = 1 << 6, /* windows and budget */
	SETTING_TSO = 1 << 7,
};

enum act {
	ACT_SEGMENT, /* port, flags, seq, ack (2 each), window (2), payload, options */
	ACT_DATA,    /* in order, sound: length */
	ACT_RAW,     /* a TCP header and more: length, bytes */
	ACT_TIME,    /* ms (2) */
	ACT_SEND,    /* bytes (2) */
	ACT_CREDIT,
	ACT_SHUTDOWN,
	ACT_ABORT,
	ACT_DRAIN,   /* or an abort that lets what is queued arrive */
	ACT_CONNECT, /* port */
	ACT_ICMP,    /* sequence (2), MTU (2) */
	ACTS
};

struct input {
	const uint8_t *at, *end;
};

struct bed {
	struct tcp *tcp;
	struct tcp_options options;
	uint64_t now;
	uint8_t settings;
	tcp_handle h[PORTS];
	uint32_t unread[PORTS];
	uint32_t seq[PORTS], ack[PORTS]; /* what the stack expects, and what it has sent */
	uint32_t time[PORTS];
	struct tcp_packet burst[BURST]; /* that have not come in yet */
	struct tuple tuples[BURST];
	uint32_t n_burst;
	uint32_t ahead[PORTS]; /* bytes of data in it */
};

static struct rte_mempool *mbufs, *clones, *wire;

static unsigned int
get(struct input *in, unsigned int bytes)
{
	unsigned int value = 0;

	for (; bytes; bytes--)
		value = value << 8 | (in->at < in->end ? *in->at++ : 0);
	return value;
}

/* ---- what the stack calls ------------------------------------------------------------------- */

static void
sent(void *arg, const uint8_t *bytes, size_t len)
{
	struct bed *b = arg;
	unsigned int port;
	struct wire w;
	enum wire_error error = wire_parse(&w, bytes, len);

	assert(error == WIRE_OK);
	port = (w.dport - 1000u) % PORTS;
	if (w.flags & WIRE_RST)
		return;
	b->ack[port] = w.seq + wire_span(&w);
	b->seq[port] = w.ack;
	b->time[port] = w.time_value;
}

static void
output(void *arg, struct rte_mbuf *m, uint64_t route)
{
	(void)route;
	nic_transmit(m, sent, arg);
	rte_pktmbuf_free(m);
}

static uint64_t
chance(void *arg)
{
	struct bed *b = arg;

	return b->now * 0x9e3779b97f4a7c15ull;
}

static uint64_t
accepted(void *arg, tcp_handle h, uint32_t listener, const struct tuple *tuple)
{
	struct bed *b = arg;
	unsigned int port = (ntohs(tuple->sport) - 1000u) % PORTS;

	assert(listener == 7);
	b->h[port] = h;
	b->unread[port] = 0;
	return port;
}

static void
received(void *arg, tcp_handle h, uint64_t user, struct rte_mbuf *chain, uint32_t length)
{
	struct bed *b = arg;
	uint32_t sum = 0;

	assert(user < PORTS && b->h[user] == h);
	for (const struct rte_mbuf *m = chain; m; m = m->next)
		sum += m->data_len;
	assert(sum == length && length > 0);
	b->unread[user] += length;
	assert(b->unread[user] <= b->options.receive_window);
	rte_pktmbuf_free(chain);
}

static void
closed(void *arg, tcp_handle h, uint64_t user, enum tcp_close_cause cause)
{
	struct bed *b = arg;

	assert(user < PORTS && b->h[user] == h && cause < TCP_CLOSE_CAUSE_COUNT);
	b->h[user] = TCP_HANDLE_NONE;
}

/* ---- steps ---------------------------------------------------------------------------------- */

static struct tuple
tuple_of(const struct bed *b, unsigned int port)
{
	struct addr peer = addr_from_v4(htonl(0x0a000002)), own = addr_from_v4(htonl(0x0a000001));

	if (b->settings & SETTING_IP6) {
		peer = (struct addr){ .b = { 0x20, 1, [15] = 2 } };
		own = (struct addr){ .b = { 0x20, 1, [15] = 1 } };
	}
	return (struct tuple){
		.src = peer,
		.dst = own,
		.sport = htons((uint16_t)(1000 + port)),
		.dport = htons(80),
		.proto = IPPROTO_TCP,
	};
}

static void
come_in(struct bed *b, unsigned int port, const uint8_t *bytes, size_t len)
{
	struct tuple *tuple = &b->tuples[b->n_burst];
	struct tcp_packet packet = {
		.mbuf = nic_receive(wire, bytes, len, 1 + port % 3),
		.tuple = tuple,
		.listener = port == PORTS - 1 ? TCP_LISTENER_NONE : 7,
		.l4 = b->settings & SETTING_IP6 ? 40 : 20,
		.ip_len = (uint16_t)len,
		.ecn = port & 3,
		.checked = port == 1,
	};

	*tuple = tuple_of(b, port);
	if (packet.mbuf)
		b->burst[b->n_burst++] = packet;
}

static void
burst_in(struct bed *b)
{
	tcp_input(b->tcp, b->burst, b->n_burst, b->now);
	b->n_burst = 0;
	memset(b->ahead, 0, sizeof(b->ahead));
}

static struct wire
segment(const struct bed *b, unsigned int port)
{
	struct tuple tuple = tuple_of(b, port);

	return (struct wire){
		.src = tuple.src,
		.dst = tuple.dst,
		.sport = ntohs(tuple.sport),
		.dport = 80,
		.seq = b->seq[port],
		.ack = b->ack[port],
		.flags = WIRE_ACK,
		.window = 65535,
	};
}

/* Options are put between header and payload as they are. */
static void
act_segment(struct bed *b, struct input *in)
{
	static const uint8_t payload[4096] = { 1, 2, 3 };
	uint8_t bytes[WIRE_MAX], options[40];
	unsigned int port = get(in, 1) % PORTS, n;
	struct wire w = segment(b, port);
	size_t len, header = b->settings & SETTING_IP6 ? 40 : 20;

	w.flags = (uint8_t)get(in, 1);
	w.seq += (uint32_t)(int16_t)get(in, 2);
	w.ack += (uint32_t)(int16_t)get(in, 2);
	w.window = (uint16_t)get(in, 2);
	w.urgent = w.window;
	w.payload = payload;
	w.length = get(in, 1) * 16 % 1401;
	n = get(in, 1) % 11 * 4;
	for (unsigned int i = 0; i < n; i++)
		options[i] = (uint8_t)get(in, 1);
	len = wire_build(&w, bytes);
	memmove(bytes + header + 20 + n, bytes + header + 20, w.length);
	memcpy(bytes + header + 20, options, n);
	bytes[header + 12] = (uint8_t)((20 + n) << 2);
	len += n;
	n = (unsigned int)(len - (header == 40 ? 40 : 0));
	bytes[header == 40 ? 4 : 2] = (uint8_t)(n >> 8);
	bytes[header == 40 ? 5 : 3] = (uint8_t)n;
	wire_checksum(bytes, len);
	come_in(b, port, bytes, len);
}

static void
act_data(struct bed *b, struct input *in)
{
	static const uint8_t payload[1024];
	uint8_t bytes[WIRE_MAX];
	unsigned int port = get(in, 1) % PORTS;
	struct wire w = segment(b, port);

	w.payload = payload;
	w.length = get(in, 1) * 4;
	w.seq += b->ahead[port];
	b->ahead[port] += (uint32_t)w.length;
	w.has_time = !(b->settings & SETTING_NO_TIME);
	w.time_value = (uint32_t)(b->now / MS);
	w.time_echo = b->time[port];
	come_in(b, port, bytes, wire_build(&w, bytes));
}

static void
act_raw(struct bed *b, struct input *in)
{
	unsigned int port = get(in, 1) % PORTS, n = 20 + get(in, 1);
	struct wire w = segment(b, port);
	uint8_t bytes[WIRE_MAX];
	size_t header = b->settings & SETTING_IP6 ? 40 : 20, len;

	w.payload = bytes + 1000;
	w.length = n - 20;
	len = wire_build(&w, bytes);
	for (unsigned int i = 4; i < n; i++)
		bytes[header + i] = (uint8_t)get(in, 1);
	if (port != 2)
		wire_checksum(bytes, len);
	come_in(b, port, bytes, len);
}

static void
act_time(struct bed *b, struct input *in)
{
	uint64_t until = b->now + get(in, 2) * 10 * MS;

	while (b->now < until) {
		b->now += until - b->now < 5000 * MS ? until - b->now : 5000 * MS;
		tcp_advance(b->tcp, b->now);
		tcp_flush(b->tcp, b->now);
	}
}

static void
act_send(struct bed *b, struct input *in)
{
	unsigned int port = get(in, 1) % PORTS, n = get(in, 2) % 8000 + 1, piece;
	struct rte_mbuf *head = NULL, *m;

	for (; n; n -= piece) {
		m = rte_pktmbuf_alloc(wire);
		if (!m)
			break;
		piece = n < 1500 ? n : 1500;
		memset(rte_pktmbuf_append(m, (uint16_t)piece), 7, piece);
		if (!head)
			head = m;
		else
			rte_pktmbuf_chain(head, m);
	}
	if (head && tcp_send(b->tcp, b->h[port], head) != 0)
		rte_pktmbuf_free(head);
}

static void
act_connect(struct bed *b, struct input *in)
{
	unsigned int port = get(in, 1) % PORTS;
	struct tcp_connect what = {
		.tuple = tuple_of(b, port),
		.user = port,
		.options = &b->options,
	};
	tcp_handle h;

	/* A handle that is forgotten cannot be told its events. */
	if (b->h[port] != TCP_HANDLE_NONE || tcp_connect(b->tcp, &what, &h) != 0)
		return;
	b->h[port] = h;
	b->unread[port] = 0;
}

static void
act_icmp(struct bed *b, struct input *in)
{
	unsigned int port = get(in, 1) % PORTS;
	struct tuple tuple = tuple_of(b, port);
	struct tcp_error error = { .tuple = &tuple };

	error.sequence = b->ack[port] - get(in, 2);
	error.mtu = get(in, 2);
	error.kind = error.mtu & 1 ? TCP_ERROR_UNREACHABLE : TCP_ERROR_TOO_BIG;
	tcp_input_error(b->tcp, &error, b->now);
}

static void
act_user(struct bed *b, enum act act, unsigned int port)
{
	switch (act) {
	case ACT_CREDIT:
		tcp_credit(b->tcp, b->h[port], b->unread[port]);
		b->unread[port] = 0;
		break;
	case ACT_SHUTDOWN:
		tcp_shutdown(b->tcp, b->h[port]);
		break;
	case ACT_ABORT:
		tcp_abort(b->tcp, b->h[port]);
		b->h[port] = TCP_HANDLE_NONE;
		break;
	default:
		if (b->unread[port] & 1)
			tcp_abort_later(b->tcp, b->h[port]);
		else
			tcp_drain(b->tcp, b->h[port]);
		break;
	}
}

/* A probe may have to be cut whatever there is: one more of each connection. */
static void
judge_buffers(const struct bed *b)
{
	struct tcp_usage usage;

	tcp_usage(b->tcp, &usage);
	assert(rte_mempool_in_use_count(mbufs) + rte_mempool_in_use_count(clones) +
		   rte_mempool_in_use_count(wire) ==
	       usage.buffers);
	assert(!(b->settings & SETTING_SMALL) || usage.buffers <= BUDGET + PORTS);
}

static void
step(struct bed *b, struct input *in)
{
	unsigned int byte = get(in, 1);
	enum act act = (enum act)(byte % ACTS);

	if (b->n_burst == BURST || (b->n_burst && act > ACT_RAW))
		burst_in(b);
	switch (act) {
	case ACT_SEGMENT:
		act_segment(b, in);
		break;
	case ACT_DATA:
		act_data(b, in);
		break;
	case ACT_RAW:
		act_raw(b, in);
		break;
	case ACT_TIME:
		act_time(b, in);
		break;
	case ACT_SEND:
		act_send(b, in);
		break;
	case ACT_CONNECT:
		act_connect(b, in);
		break;
	case ACT_ICMP:
		act_icmp(b, in);
		break;
	default:
		act_user(b, act, get(in, 1) % PORTS);
		break;
	}
	/* Packets with the high bit come in with those that follow. */
	if (b->n_burst && byte & 0x80 && in->at < in->end)
		return;
	if (b->n_burst)
		burst_in(b);
	b->now += MS / 4;
	tcp_advance(b->tcp, b->now);
	tcp_flush(b->tcp, b->now);
	judge_buffers(b);
}

/* ---- the target ----------------------------------------------------------------------------- */

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	nic_start("fuzz", 128);
	mbufs = nic_pool("mbufs", 4095);
	clones = nic_clones("clones", 4095);
	wire = nic_pool("wire", 4095);
	return 0;
}

static void
begin(struct bed *b)
{
	struct tcp_calls calls = {
		.arg = b,
		.output = output,
		.random = chance,
		.accepted = accepted,
		.received = received,
		.closed = closed,
	};
	struct tcp_settings settings = {
		.connections = 16,
		.sent_records = 256,
		.socket = SOCKET_ID_ANY,
		.output = b->settings & SETTING_TSO ? TCP_OUTPUT_CHECKSUM | TCP_OUTPUT_TSO : 0,
		.mbufs = mbufs,
		.clones = clones,
		.buffer_budget = b->settings & SETTING_SMALL ? BUDGET : 0,
		.secret = { 1, 2, 3 },
	};

	b->now = 1000 * MS;
	b->options = (struct tcp_options){
		.receive_window = b->settings & SETTING_SMALL ? 3000 : 100000,
		.no_sack = b->settings & SETTING_NO_SACK,
		.no_timestamps = b->settings & SETTING_NO_TIME,
		.syn_cookies_always = b->settings & SETTING_COOKIES,
		.nagle = b->settings & SETTING_NAGLE,
		.no_cubic = b->settings & SETTING_RENO,
		.no_rack = b->settings & SETTING_RENO,
		.keepalive_ms = b->settings & SETTING_SMALL ? 1000 : 0,
	};
	b->tcp = tcp_create(&settings, &calls, b->now);
	assert(b->tcp);
	assert(tcp_listen(b->tcp, 7, &b->options) == 0);
}

static void
finish(struct bed *b)
{
	const char *wrong = tcp_check(b->tcp);

	if (wrong) {
		fprintf(stderr, "%s\n", wrong);
		abort();
	}
	assert(tcp_counters(b->tcp)->over_cwnd == 0);
	tcp_destroy(b->tcp);
	assert(rte_mempool_in_use_count(mbufs) == 0);
	assert(rte_mempool_in_use_count(clones) == 0);
	assert(rte_mempool_in_use_count(wire) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, data + size };
	struct bed b = { 0 };

	b.settings = (uint8_t)get(&in, 1);
	begin(&b);
	for (int i = 0; i < STEPS_MAX && in.at < in.end; i++)
		step(&b, &in);
	if (b.n_burst)
		burst_in(&b);
	finish(&b);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answers to SYNs that make no state: whatever the SYN's buffer is like, they are the same,
 * byte by byte. Where nobody else has that buffer they lie in it, and no other is taken.
 */
#include <CUnit/CUnit.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "tests/sim/nic.h"
#include "tests/sim/random.h"
#include "tests/tcp/script/stand.h"
#include "tests/tcp/script/suites.h"

#define NOW    7000000000ull
#define ROUNDS 4000

/* What is about a SYN's buffer. */
enum how {
	ALONE,
	BEHIND_FRAME, /* Ethernet in front, padding behind */
	OPTIONS_OF_IP,
	/* in these there is no answering */
	SHARED,
	NO_HEADROOM,
	HOWS,
};

struct stand {
	struct tcp *tcp;
	unsigned int n; /* answers */
	struct rte_mempool *pool;
	uint16_t headroom;
	size_t length;
	uint8_t bytes[1600];
};

static void
frame(void *arg, const uint8_t *bytes, size_t length)
{
	struct stand *s = arg;

	CU_ASSERT_FATAL(length > 0 && length <= sizeof(s->bytes));
	memcpy(s->bytes, bytes, length);
	s->length = length;
	s->n++;
}

static void
output(void *arg, struct rte_mbuf *m, uint64_t route)
{
	struct stand *s = arg;

	CU_ASSERT_EQUAL(route, 4711);
	CU_ASSERT_EQUAL(m->nb_segs, 1);
	CU_ASSERT_EQUAL(m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_GOOD, 0);
	s->pool = m->pool;
	s->headroom = m->data_off;
	nic_transmit(m, frame, s);
	rte_pktmbuf_free(m);
}

static uint64_t
chance(void *arg)
{
	(void)arg;
	return 1;
}

static void
begin(struct stand *s, const struct tcp_options *options, uint32_t output_flags)
{
	struct tcp_calls calls = { .arg = s, .output = output, .random = chance };
	struct tcp_settings settings;

	script_settings(&settings);
	settings.output = output_flags;
	memset(s, 0, sizeof(*s));
	s->tcp = tcp_create(&settings, &calls, NOW);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s->tcp);
	CU_ASSERT_EQUAL(tcp_listen(s->tcp, 0, options), 0);
}

static void
end(struct stand *s)
{
	struct tcp_usage usage;

	tcp_usage(s->tcp, &usage);
	CU_ASSERT_EQUAL(usage.connections, 0);
	tcp_destroy(s->tcp);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(stand_pools()->headers), 0);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(stand_pools()->wire), 0);
}

static struct wire
any_syn(uint64_t *seed)
{
	static const uint8_t data[600];
	uint64_t r = random_mix(seed);
	bool ip6 = r & 1;
	struct wire w = {
		.src = addr_from_v4(htonl(0x14000000u | (uint32_t)(r >> 40))),
		.dst = addr_from_v4(htonl(0x0a000001u)),
		.sport = (uint16_t)(r >> 16),
		.dport = 80,
		.seq = (uint32_t)random_mix(seed),
		.window = 65535,
		.flags = r & 2 ? WIRE_SYN : WIRE_SYN | WIRE_ECE | WIRE_CWR,
		.ttl = 64,
		.has_mss = r & 4,
		.has_scale = r & 8,
		.sack_permitted = r & 16,
		.has_time = r & 32,
		.mss = (uint16_t)(r >> 8),
		.scale = (uint8_t)(r >> 24 & 15),
		.time_value = (uint32_t)random_mix(seed),
		.payload = data,
		.length = r & 64 ? (uint32_t)(r >> 32) % sizeof(data) : 0,
	};

	if (ip6) {
		w.dst = (struct addr){ .w = { htonl(0x20010db8), 0, 0, 1 } };
		w.src = (struct addr){ .w = { htonl(0x20010db8), w.src.w[3], 0, 2 } };
	}
	return w;
}

/* Its packet; *l4 is where TCP begins. */
static struct rte_mbuf *
packet(const struct wire *w, enum how how, unsigned int pieces, uint16_t *l4)
{
	uint8_t bytes[1600] = { 0 }, *ip = bytes + (how == BEHIND_FRAME ? 14 : 0);
	size_t length = wire_build(w, ip);
	struct rte_mbuf *m;

	*l4 = addr_is_v4(&w->src) ? 20 : 40;
	if (how == OPTIONS_OF_IP) {
		memmove(ip + *l4 + 4, ip + *l4, length - *l4);
		memset(ip + *l4, 1, 4);
		*l4 += 4;
		length += 4;
	}
	m = nic_receive(stand_pools()->wire, bytes, how == BEHIND_FRAME ? length + 14 + 6 : length,
			pieces);
	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	m->ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD;
	if (how == NO_HEADROOM) {
		memmove(m->buf_addr, rte_pktmbuf_mtod(m, void *), m->data_len);
		m->data_off = 0;
	}
	return m;
}

static void
give(struct stand *s, const struct wire *w, enum how how, unsigned int pieces)
{
	struct tuple tuple = { .src = w->src,
			       .dst = w->dst,
			       .sport = htons(w->sport),
			       .dport = htons(w->dport),
			       .proto = IPPROTO_TCP };
	uint16_t l4, l3 = how == BEHIND_FRAME ? 14 : 0;
	struct rte_mbuf *m = packet(w, how, pieces, &l4);
	struct tcp_packet p = { .mbuf = m,
				.tuple = &tuple,
				.route = 4711,
				.l3 = l3,
				.l4 = (uint16_t)(l3 + l4),
				.ip_len = (uint16_t)(m->pkt_len - (l3 ? 20 : 0)) };
	uint16_t others = how == SHARED ? 1 : 0;

	rte_mbuf_refcnt_update(m, (int16_t)others);
	s->n = 0;
	tcp_input(s->tcp, &p, 1, NOW);
	CU_ASSERT_EQUAL(s->n, 1);
	CU_ASSERT(s->headroom >= TCP_HEADROOM);
	if (others)
		rte_pktmbuf_free(m);
}

static void
judge(const struct stand *s, const struct wire *syn, const struct tcp_options *options)
{
	bool time = syn->has_time && !options->no_timestamps;
	struct wire w;

	CU_ASSERT_EQUAL_FATAL(wire_parse(&w, s->bytes, s->length), WIRE_OK);
	CU_ASSERT(addr_equal(&w.src, &syn->dst) && addr_equal(&w.dst, &syn->src));
	CU_ASSERT_EQUAL(w.sport, syn->dport);
	CU_ASSERT_EQUAL(w.dport, syn->sport);
	CU_ASSERT_EQUAL(w.ack, syn->seq + 1);
	CU_ASSERT_EQUAL(w.flags & ~WIRE_ECE, WIRE_SYN | WIRE_ACK);
	CU_ASSERT_EQUAL((w.flags & WIRE_ECE) != 0, time && syn->flags & WIRE_ECE);
	CU_ASSERT_EQUAL(w.length, 0);
	CU_ASSERT(w.has_mss && w.mss == (addr_is_v4(&w.src) ? 1460 : 1440));
	CU_ASSERT_EQUAL(w.has_time, time);
	CU_ASSERT_EQUAL(w.has_scale, time && syn->has_scale);
	CU_ASSERT_EQUAL(w.sack_permitted, time && syn->sack_permitted);
	if (time)
		CU_ASSERT_EQUAL(w.time_echo, syn->time_value);
}

static void
compare(const struct tcp_options *options, uint32_t output_flags)
{
	static struct stand s;
	uint64_t seed = 4987;
	uint8_t first[1600];
	size_t length;
	unsigned int i;

	begin(&s, options, output_flags);
	for (i = 0; i < ROUNDS; i++) {
		struct wire syn = any_syn(&seed);

		give(&s, &syn, ALONE, 1);
		CU_ASSERT_EQUAL(s.pool, stand_pools()->wire);
		judge(&s, &syn, options);
		memcpy(first, s.bytes, sizeof(first));
		length = s.length;
		for (enum how how = ALONE; how < HOWS; how++) {
			give(&s, &syn, how, 1);
			CU_ASSERT_EQUAL(s.pool, how < SHARED ? stand_pools()->wire
							     : stand_pools()->headers);
			CU_ASSERT(s.length == length && !memcmp(s.bytes, first, length));
		}
		if (syn.length < 300)
			continue;
		give(&s, &syn, ALONE, 3);
		CU_ASSERT_EQUAL(s.pool, stand_pools()->headers);
		CU_ASSERT(s.length == length && !memcmp(s.bytes, first, length));
	}
	end(&s);
}

static void
in_any_buffer(void)
{
	struct tcp_options options = { .syn_cookies_always = true };

	compare(&options, 0);
	compare(&options, TCP_OUTPUT_CHECKSUM);
	options.no_timestamps = true;
	compare(&options, 0);
}

/* Nothing is answered that is not right, and the buffers come back. */
static void
only_what_is_right(void)
{
	static struct stand s;
	struct tcp_options options = { .syn_cookies_always = true };
	uint64_t seed = 793;
	unsigned int i;

	begin(&s, &options, 0);
	for (i = 0; i < ROUNDS; i++) {
		struct wire syn = any_syn(&seed);
		struct tuple tuple = { .src = syn.src,
				       .dst = syn.dst,
				       .sport = htons(syn.sport),
				       .dport = htons(syn.dport),
				       .proto = IPPROTO_TCP };
		uint16_t l4;
		struct rte_mbuf *m = packet(&syn, ALONE, 1, &l4);
		struct tcp_packet p = {
			.mbuf = m, .tuple = &tuple, .l4 = l4, .ip_len = (uint16_t)m->pkt_len
		};
		uint64_t r = random_mix(&seed);

		*rte_pktmbuf_mtod_offset(m, uint8_t *, l4 + 4 + r % (m->pkt_len - l4 - 4)) ^=
		    (uint8_t)(1u << (r >> 32) % 8);
		tcp_input(s.tcp, &p, 1, NOW);
	}
	CU_ASSERT_EQUAL(s.n, 0);
	end(&s);
}

/* Two copies of what brings a cookie, in one burst: nothing is known of the connection when the
 * burst is looked up, and the first of them makes it. The second is of that connection then. */
static void
twice_in_a_burst(void)
{
	static struct stand s;
	struct tcp_options options = { .syn_cookies_always = true };
	struct wire syn = { .src = addr_from_v4(htonl(0x0a000002u)),
			    .dst = addr_from_v4(htonl(0x0a000001u)),
			    .sport = 4000,
			    .dport = 80,
			    .seq = 100,
			    .window = 65535,
			    .flags = WIRE_SYN,
			    .ttl = 64 };
	struct tuple tuple = { .src = syn.src,
			       .dst = syn.dst,
			       .sport = htons(syn.sport),
			       .dport = htons(syn.dport),
			       .proto = IPPROTO_TCP };
	struct tcp_packet copies[2] = { { .tuple = &tuple, .route = 4711 } };
	struct wire answer, ack = syn;
	unsigned int i;

	begin(&s, &options, 0);
	give(&s, &syn, ALONE, 1);
	CU_ASSERT_EQUAL_FATAL(wire_parse(&answer, s.bytes, s.length), WIRE_OK);
	ack.flags = WIRE_ACK;
	ack.seq++;
	ack.ack = answer.seq + 1;
	copies[1] = copies[0];
	for (i = 0; i < 2; i++) {
		copies[i].mbuf = packet(&ack, ALONE, 1, &copies[i].l4);
		copies[i].ip_len = (uint16_t)copies[i].mbuf->pkt_len;
	}
	tcp_input(s.tcp, copies, 2, NOW);
	CU_ASSERT_EQUAL(tcp_counters(s.tcp)->syn_cookies_ok, 1);
	CU_ASSERT_EQUAL(tcp_counters(s.tcp)->syn_cookies_again, 0);
	CU_ASSERT_EQUAL(tcp_counters(s.tcp)->resets_out, 0);
	tcp_destroy(s.tcp);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(stand_pools()->wire), 0);
}

int
test_cookie_register(void)
{
	CU_pSuite suite = CU_add_suite("cookies", NULL, NULL);

	if (!suite || !CU_add_test(suite, "RFC 4987: the same in any buffer", in_any_buffer) ||
	    !CU_add_test(suite, "RFC 9293 3.1: a damaged SYN is not answered",
			 only_what_is_right) ||
	    !CU_add_test(suite, "RFC 4987: twice in a burst", twice_in_a_burst))
		return (int)CU_get_error();
	return CUE_SUCCESS;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Stage parse on packets that end too early, on fragments, on errors that quote packets, and on
 * noise. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

#include "dp/l4/stages.h"
#include "fixture.h"
#include "frames.h"
#include "suites.h"

#define CLIENT4 "198.51.100.7"
#define ROUTER4 "203.0.113.1"
#define VIP4    "192.0.2.10"
#define CLIENT6 "2001:db8:1::7"
#define ROUTER6 "2001:db8:2::1"
#define VIP6    "2001:db8::10"
#define NO_DROP DROP_REASON_COUNT

/* A sound frame, and what it is called. */
struct sample {
	const char *name;
	uint8_t bytes[FRAME_MAX];
	uint16_t len;
	uint16_t l3;
	uint16_t header; /* from l3 to the end of the headers that must be whole */
};

#define SAMPLES 10

static void
add_sample(struct sample *s, const char *name, const struct frame_spec *spec, uint16_t header)
{
	s->name = name;
	s->len = frame_build(s->bytes, spec);
	s->l3 = spec->vlan ? 18 : 14;
	s->header = header;
}

static void
add_error(struct sample *s, const char *name, int v6)
{
	uint8_t about[FRAME_MAX];
	struct frame_error e = {
		.src = v6 ? ROUTER6 : ROUTER4,
		.dst = v6 ? VIP6 : VIP4,
		.type = v6 ? 2 : 3,
		.code = v6 ? 0 : 4,
		.about = about,
		.quoted = v6 ? 48 : 28,
	};

	frame_build(about, &(struct frame_spec){ .src = v6 ? VIP6 : VIP4,
						 .dst = v6 ? CLIENT6 : CLIENT4,
						 .proto = IPPROTO_UDP,
						 .payload_len = 8 });
	s->name = name;
	s->len = frame_build_error(s->bytes, &e);
	s->l3 = 14;
	s->header = (v6 ? 40 : 20) + 8 + e.quoted;
}

static void
make_samples(struct sample *s)
{
	static const uint8_t router_alert[4] = { 0x94, 4, 0, 0 };
	static const uint8_t extensions[16] = { IPPROTO_DSTOPTS, 0, 1, 4, 0, 0, 0, 0, 0, 0, 1, 4 };
	struct frame_spec t4 = { .src = CLIENT4, .dst = VIP4, .proto = IPPROTO_TCP };
	struct frame_spec t6 = { .src = CLIENT6, .dst = VIP6, .proto = IPPROTO_TCP };
	struct frame_spec spec;

	add_sample(s++, "TCP4", &t4, 40);
	add_sample(s++, "TCP6", &t6, 60);
	spec = t4;
	spec.proto = IPPROTO_UDP;
	spec.vlan = FIXTURE_VLAN;
	add_sample(s++, "UDP4 in a VLAN", &spec, 28);
	spec = t6;
	spec.proto = IPPROTO_UDP;
	spec.vlan = FIXTURE_VLAN;
	add_sample(s++, "UDP6 in a VLAN", &spec, 48);
	spec = t4;
	spec.options = router_alert;
	spec.options_len = 4;
	add_sample(s++, "TCP4 with options", &spec, 44);
	spec = t6;
	spec.options = extensions;
	spec.options_len = 16;
	spec.options_proto = IPPROTO_HOPOPTS;
	spec.options_last = 8;
	add_sample(s++, "TCP6 with extensions", &spec, 76);
	spec = t4;
	spec.proto = IPPROTO_ICMP;
	spec.sport = 8;
	add_sample(s++, "echo", &spec, 28);
	spec = t6;
	spec.proto = IPPROTO_ICMPV6;
	spec.sport = 128;
	add_sample(s++, "echo6", &spec, 48);
	add_error(s++, "error", 0);
	add_error(s++, "error6", 1);
}

static void
expect(const struct packet *p, enum verdict verdict, enum drop_reason reason, const char *what)
{
	bool good = p->verdict == verdict && (verdict != VERDICT_DROP || p->reason == reason);

	if (!good)
		fprintf(stderr, "%s: verdict %u, reason %s; expected %u, %s\n", what, p->verdict,
			drop_reason_name((enum drop_reason)p->reason), verdict,
			drop_reason_name(reason));
	CU_ASSERT_TRUE(good);
}

static struct packet
parse(struct fixture *f, const uint8_t *frame, uint16_t len)
{
	struct burst b = { 0 };
	struct packet *p = fixture_receive(&b, frame, len);
	struct packet out;

	stage_parse(f->worker, &b);
	out = *p;
	fixture_free(&b);
	return out;
}

static struct packet
parse_spec(struct fixture *f, const struct frame_spec *spec)
{
	uint8_t frame[FRAME_MAX];
	uint16_t len = frame_build(frame, spec);

	return parse(f, frame, len);
}

/* ---- truncation ---- */

/* The frame ends at every offset, while the IP header still tells the old length. */
static void
test_cut_frames(void)
{
	struct fixture *f = fixture_create();
	struct sample samples[SAMPLES];
	uint16_t i, len;

	make_samples(samples);
	for (i = 0; i < SAMPLES; i++) {
		const struct sample *s = &samples[i];
		uint16_t ip = s->bytes[s->l3] >> 4 == 4 ? (s->bytes[s->l3] & 15) * 4 : 40;
		struct packet p = parse(f, s->bytes, s->len);

		expect(&p, VERDICT_CONTINUE, NO_DROP, s->name);
		CU_ASSERT_EQUAL(s->len, s->l3 + s->header);
		for (len = 0; len < s->len; len++) {
			enum drop_reason reason = DROP_IP_TOTAL_LENGTH;

			if (len < s->l3)
				reason = DROP_ETHERNET_TRUNCATED;
			else if (len < s->l3 + ip)
				reason = DROP_IP_TRUNCATED;
			p = parse(f, s->bytes, len);
			expect(&p, VERDICT_DROP, reason, s->name);
		}
	}
	fixture_destroy(f);
}

/* The IP packet ends at every offset and says so; the frame goes on, so that a reader who trusts
 * the frame would find its header. */
static void
test_cut_packets(void)
{
	struct fixture *f = fixture_create();
	struct sample samples[SAMPLES];
	uint16_t i, len;

	make_samples(samples);
	for (i = 0; i < SAMPLES; i++) {
		struct sample *s = &samples[i];
		uint8_t *ip = s->bytes + s->l3;
		bool v4 = ip[0] >> 4 == 4;
		uint16_t first = v4 ? (uint16_t)((ip[0] & 15) * 4) : 40;

		for (len = first; len < s->header; len++) {
			uint16_t field = v4 ? len : len - 40;
			uint8_t *at = ip + (v4 ? 2 : 4);
			struct packet p;

			at[0] = (uint8_t)(field >> 8);
			at[1] = (uint8_t)field;
			if (v4) {
				uint16_t sum;

				ip[10] = ip[11] = 0;
				sum = (uint16_t)~frame_sum(0, ip, first);
				ip[10] = (uint8_t)(sum >> 8);
				ip[11] = (uint8_t)sum;
			}
			p = parse(f, s->bytes, s->len);
			if (len >= first + 8 && strncmp(s->name, "error", 5) == 0)
				expect(&p, VERDICT_DROP, DROP_ICMP_INNER, s->name);
			else if (len < 40 + 16 && strstr(s->name, "extensions"))
				expect(&p, VERDICT_DROP, DROP_IP6_EXTENSION, s->name);
			else
				expect(&p, VERDICT_DROP, DROP_L4_TRUNCATED, s->name);
		}
	}
	fixture_destroy(f);
}

/* ---- several segments ---- */

/* The frame split in two at `at`. `room`: tailroom that the first segment has left. */
static struct packet
parse_split(struct fixture *f, const struct sample *s, uint16_t at, bool room)
{
	struct burst b = { 0 };
	struct packet *p = fixture_receive(&b, s->bytes, at);
	struct rte_mbuf *tail = fixture_mbuf(s->bytes + at, s->len - at);
	struct packet out;

	if (!room)
		p->mbuf->data_off = p->mbuf->buf_len - at;
	if (!room)
		memcpy(rte_pktmbuf_mtod(p->mbuf, void *), s->bytes, at);
	rte_pktmbuf_chain(p->mbuf, tail);
	stage_parse(f->worker, &b);
	out = *p;
	fixture_free(&b);
	return out;
}

static void
test_segments(void)
{
	struct fixture *f = fixture_create();
	struct sample samples[SAMPLES];
	uint16_t i, at;

	make_samples(samples);
	for (i = 0; i < SAMPLES; i++) {
		for (at = 1; at < samples[i].len; at++) {
			struct packet p = parse_split(f, &samples[i], at, true);

			expect(&p, VERDICT_CONTINUE, NO_DROP, "with room");
			p = parse_split(f, &samples[i], at, false);
			CU_ASSERT_EQUAL(p.verdict, VERDICT_DROP);
		}
	}
	CU_ASSERT_EQUAL(fixture_mbufs_in_use(), 0);
	fixture_destroy(f);
}

/* ---- fragments ---- */

static void
test_fragments(void)
{
	const uint16_t both = PACKET_V4 | PACKET_FRAGMENT;
	struct fixture *f = fixture_create();
	struct frame_spec spec = { .src = CLIENT4,
				   .dst = VIP4,
				   .proto = IPPROTO_UDP,
				   .sport = 7,
				   .dport = 53,
				   .id = 0x1234,
				   .frag = 0x2000,
				   .payload_len = 16 };
	struct packet p = parse_spec(f, &spec);

	expect(&p, VERDICT_CONTINUE, NO_DROP, "first");
	CU_ASSERT_EQUAL(p.flags, both | PACKET_MORE);
	CU_ASSERT_EQUAL(p.frag_id, htons(0x1234));
	CU_ASSERT_EQUAL(p.tuple.dport, htons(53));
	CU_ASSERT_EQUAL(p.frag_off, 0);
	spec.raw = 1;
	spec.frag = 3;
	spec.payload_len = 5;
	p = parse_spec(f, &spec);
	expect(&p, VERDICT_CONTINUE, NO_DROP, "last");
	CU_ASSERT_EQUAL(p.flags, both | PACKET_LATER);
	CU_ASSERT_EQUAL(p.tuple.sport | p.tuple.dport, 0);
	CU_ASSERT_EQUAL(p.l4, 34);
	spec.src = CLIENT6;
	spec.dst = VIP6;
	spec.frag = 0x2003;
	spec.payload_len = 8;
	p = parse_spec(f, &spec);
	expect(&p, VERDICT_CONTINUE, NO_DROP, "middle 6");
	CU_ASSERT_EQUAL(p.flags, PACKET_DF | PACKET_FRAGMENT | PACKET_LATER | PACKET_MORE);
	CU_ASSERT_EQUAL(p.frag_off, 54);
	CU_ASSERT_EQUAL(p.frag_id, htonl(0x1234));
	CU_ASSERT_EQUAL(p.l4, 62);
	/* What the datagram begins with is not known yet. */
	spec.proto = IPPROTO_DSTOPTS;
	p = parse_spec(f, &spec);
	expect(&p, VERDICT_CONTINUE, NO_DROP, "behind destination options");
	spec.proto = 50;
	p = parse_spec(f, &spec);
	expect(&p, VERDICT_HOST, NO_DROP, "ESP fragment");
	fixture_destroy(f);
}

/* A fragment header with neither offset nor more: a whole packet (RFC 6946). */
static void
test_atomic_fragment(void)
{
	static const uint8_t header[8] = { 0, 0, 0, 0, 0, 0, 0, 9 };
	struct fixture *f = fixture_create();
	struct frame_spec spec = { .src = CLIENT6,
				   .dst = VIP6,
				   .proto = IPPROTO_TCP,
				   .dport = 80,
				   .options = header,
				   .options_len = 8,
				   .options_proto = IPPROTO_FRAGMENT };
	struct packet p = parse_spec(f, &spec);

	expect(&p, VERDICT_CONTINUE, NO_DROP, "atomic");
	CU_ASSERT_EQUAL(p.flags, PACKET_DF);
	CU_ASSERT_EQUAL(p.l4, 62);
	CU_ASSERT_EQUAL(p.tuple.dport, htons(80));
	/* Two fragment headers. */
	spec.frag = 0x2000;
	spec.payload_len = 4;
	p = parse_spec(f, &spec);
	CU_ASSERT_EQUAL(p.verdict, VERDICT_DROP);
	fixture_destroy(f);
}

static void
test_bad_fragments(void)
{
	static const struct {
		const char *what;
		uint8_t proto, raw;
		uint16_t frag, payload_len;
		enum verdict verdict;
	} cases[] = {
		{ "empty", IPPROTO_UDP, 1, 2, 0, VERDICT_DROP },
		{ "unaligned", IPPROTO_UDP, 1, 0x2002, 9, VERDICT_DROP },
		{ "aligned", IPPROTO_UDP, 1, 0x2002, 16, VERDICT_CONTINUE },
		{ "past 65535", IPPROTO_UDP, 1, 0x1fff, 8, VERDICT_DROP },
		{ "first without UDP header", IPPROTO_UDP, 1, 0x2000, 0, VERDICT_DROP },
		{ "first with 8 bytes of TCP", IPPROTO_TCP, 1, 0x2000, 8, VERDICT_DROP },
		{ "first with 16 bytes of TCP", IPPROTO_TCP, 1, 0x2000, 16, VERDICT_DROP },
		{ "first with 24 bytes of TCP", IPPROTO_TCP, 0, 0x2000, 4, VERDICT_CONTINUE },
		{ "later of UDP at 8", IPPROTO_UDP, 1, 1, 8, VERDICT_CONTINUE },
		{ "later of TCP at 16", IPPROTO_TCP, 1, 2, 8, VERDICT_CONTINUE },
	};
	struct fixture *f = fixture_create();
	unsigned int i, v6;

	for (i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		struct packet p;

		v6 = i & 1;
		p = parse_spec(f, &(struct frame_spec){ .src = v6 ? CLIENT6 : CLIENT4,
							.dst = v6 ? VIP6 : VIP4,
							.proto = cases[i / 2].proto,
							.raw = cases[i / 2].raw,
							.frag = cases[i / 2].frag,
							.payload_len = cases[i / 2].payload_len });
		/* Counting bytes as TCP: the data offset is 3 words, but too short comes first. */
		expect(&p, cases[i / 2].verdict, DROP_FRAGMENT_MALFORMED, cases[i / 2].what);
	}
	/* RFC 3128 */
	{
		struct packet p = parse_spec(f, &(struct frame_spec){ .src = CLIENT4,
								      .dst = VIP4,
								      .proto = IPPROTO_TCP,
								      .raw = 1,
								      .frag = 1,
								      .payload_len = 8 });
		expect(&p, VERDICT_DROP, DROP_FRAGMENT_MALFORMED, "TCP at 8");
	}
	fixture_destroy(f);
}

/* ---- ICMP errors ---- */

static void
test_error_tuples(void)
{
	struct fixture *f = fixture_create();
	uint8_t about[FRAME_MAX], frame[FRAME_MAX];
	unsigned int v6;

	for (v6 = 0; v6 < 2; v6++) {
		struct frame_spec spec = { .src = v6 ? VIP6 : VIP4,
					   .dst = v6 ? CLIENT6 : CLIENT4,
					   .proto = IPPROTO_TCP,
					   .sport = 80,
					   .dport = 4711,
					   .frag = 0x2000,
					   .payload_len = 4 };
		struct addr client = fixture_addr(spec.dst), vip = fixture_addr(spec.src);
		struct frame_error e = { .src = v6 ? ROUTER6 : ROUTER4,
					 .dst = spec.src,
					 .type = v6 ? 3 : 11,
					 .about = about,
					 .quoted = v6 ? 56 : 28 };
		uint16_t ip = v6 ? 40 : 20;
		struct packet p;

		frame_build(about, &spec);
		p = parse(f, frame, frame_build_error(frame, &e));
		expect(&p, VERDICT_CONTINUE, NO_DROP, "error");
		CU_ASSERT_EQUAL(p.flags & ~(PACKET_DF | PACKET_V4),
				PACKET_ICMP_ERROR | PACKET_INNER_FRAGMENT);
		CU_ASSERT_TRUE(addr_equal(&p.tuple.src, &client));
		CU_ASSERT_TRUE(addr_equal(&p.tuple.dst, &vip));
		CU_ASSERT_EQUAL(p.tuple.sport, htons(4711));
		CU_ASSERT_EQUAL(p.tuple.dport, htons(80));
		CU_ASSERT_EQUAL(p.tuple.proto, IPPROTO_TCP);
		CU_ASSERT_EQUAL(p.ip_proto, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
		CU_ASSERT_EQUAL(p.tcp_flags, 0);
		CU_ASSERT_EQUAL(p.l4, 14 + ip);
		CU_ASSERT_EQUAL(p.inner_l3, 14 + ip + 8);
		CU_ASSERT_EQUAL(p.inner_l4, 14 + ip + 8 + ip + (v6 ? 8 : 0));
	}
	fixture_destroy(f);
}

static void
test_error_inners(void)
{
	static const struct {
		const char *what;
		uint8_t v6, at, value; /* a byte of the embedded packet, changed */
		enum verdict verdict;
	} cases[] = {
		{ "as it is", 0, 8, 64, VERDICT_CONTINUE },
		{ "version", 0, 0, 0x65, VERDICT_DROP },
		{ "header of 16", 0, 0, 0x44, VERDICT_DROP },
		{ "header past the quote", 0, 0, 0x4f, VERDICT_DROP },
		{ "length below the header", 0, 3, 19, VERDICT_DROP },
		{ "GRE", 0, 9, 47, VERDICT_HOST },
		{ "ICMP", 0, 9, IPPROTO_ICMP, VERDICT_HOST },
		{ "later fragment", 0, 7, 1, VERDICT_HOST },
		{ "multicast", 0, 16, 224, VERDICT_HOST },
		{ "checksum changed", 0, 10, 0xaa, VERDICT_CONTINUE },
		{ "as it is 6", 1, 7, 64, VERDICT_CONTINUE },
		{ "version 6", 1, 0, 0x45, VERDICT_DROP },
		{ "options past the quote", 1, 6, IPPROTO_DSTOPTS, VERDICT_DROP },
		{ "ICMPv6", 1, 6, IPPROTO_ICMPV6, VERDICT_HOST },
		{ "loopback", 1, 24, 0xff, VERDICT_HOST },
	};
	struct fixture *f = fixture_create();
	unsigned int i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sample s;
		uint16_t ip = cases[i].v6 ? 40 : 20;
		struct packet p;

		add_error(&s, cases[i].what, cases[i].v6);
		s.bytes[14 + ip + 8 + cases[i].at] = cases[i].value;
		p = parse(f, s.bytes, s.len);
		expect(&p, cases[i].verdict, DROP_ICMP_INNER, cases[i].what);
	}
	fixture_destroy(f);
}

/* ---- noise ---- */

static uint32_t
next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

/* What the next stages rely on holds for whatever goes on. */
static void
test_noise(void)
{
	struct fixture *f = fixture_create();
	struct sample samples[SAMPLES];
	uint32_t state = 1, n, i, passed = 0;

	make_samples(samples);
	for (n = 0; n < 100000; n++) {
		const struct sample *s = &samples[n % SAMPLES];
		uint8_t frame[FRAME_MAX];
		uint16_t len = s->len;
		struct packet p;

		memcpy(frame, s->bytes, len);
		for (i = next_random(&state) % 4; i > 0; i--)
			frame[6 + next_random(&state) % (len - 6u)] = (uint8_t)next_random(&state);
		if (next_random(&state) % 8 == 0)
			len = (uint16_t)(next_random(&state) % (len + 1u));
		p = parse(f, frame, len);
		if (p.verdict == VERDICT_CONTINUE) {
			uint32_t end = (uint32_t)p.l3 + p.ip_len;

			passed++;
			if (end > len || p.l4 > end ||
			    (!(p.flags & PACKET_LATER) && p.l4 + 8u > end))
				CU_FAIL("offsets");
			if ((p.flags & PACKET_ICMP_ERROR) && p.inner_l4 + 8u > end)
				CU_FAIL("inner offsets");
			continue;
		}
		if (p.verdict != VERDICT_HOST &&
		    (p.verdict != VERDICT_DROP || p.reason >= DROP_REASON_COUNT))
			CU_FAIL("verdict");
	}
	CU_ASSERT_TRUE(passed > 10000 && passed < 90000);
	CU_ASSERT_EQUAL(fixture_mbufs_in_use(), 0);
	fixture_destroy(f);
}

int
test_parse_cut_register(void)
{
	static const CU_TestInfo tests[] = {
		{ "frames cut at every offset", test_cut_frames },
		{ "packets cut at every offset", test_cut_packets },
		{ "several segments", test_segments },
		{ "fragments", test_fragments },
		{ "atomic fragments", test_atomic_fragment },
		{ "malformed fragments", test_bad_fragments },
		{ "ICMP errors", test_error_tuples },
		{ "malformed ICMP errors", test_error_inners },
		{ "noise", test_noise },
		CU_TEST_INFO_NULL,
	};

	return suite_add("parse, hostile", tests);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Stage parse: frames in, verdicts and fields out. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

#include "dp/l4/stages.h"
#include "fixture.h"
#include "frames.h"
#include "suites.h"

#define CLIENT4 "198.51.100.7"
#define VIP4    "192.0.2.10"
#define CLIENT6 "2001:db8:1::7"
#define VIP6    "2001:db8::10"
#define NO_DROP DROP_REASON_COUNT

/* Parse one frame; what the device says of it goes into ol_flags. */
static struct packet
parse_as(const uint8_t *frame, uint16_t len, uint64_t ol_flags)
{
	struct fixture *f = fixture_create();
	struct burst b = { 0 };
	struct packet *p = fixture_receive(&b, frame, len);
	struct packet out;

	p->mbuf->ol_flags = ol_flags;
	p->mbuf->vlan_tci = 0x6000 | FIXTURE_VLAN;
	stage_parse(f->worker, &b);
	out = *p;
	fixture_free(&b);
	fixture_destroy(f);
	return out;
}

static struct packet
parse_spec(const struct frame_spec *spec)
{
	uint8_t frame[FRAME_MAX];
	uint16_t len = frame_build(frame, spec);

	return parse_as(frame, len, 0);
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

/* The IPv4 header checksum of an untagged frame, after a test has changed the header. */
static void
mend_ipv4(uint8_t *frame)
{
	uint8_t *ip = frame + 14;
	uint16_t sum;

	ip[10] = ip[11] = 0;
	sum = (uint16_t)~frame_sum(0, ip, (uint16_t)((ip[0] & 15) * 4));
	ip[10] = (uint8_t)(sum >> 8);
	ip[11] = (uint8_t)sum;
}

/* ---- sound packets ---- */

static void
test_tcp4(void)
{
	struct packet p = parse_spec(&(struct frame_spec){ .src = CLIENT4,
							   .dst = VIP4,
							   .proto = IPPROTO_TCP,
							   .sport = 1234,
							   .dport = 80,
							   .tcp_flags = TCP_SYN,
							   .payload_len = 7 });
	struct addr src = fixture_addr(CLIENT4), dst = fixture_addr(VIP4);

	expect(&p, VERDICT_CONTINUE, NO_DROP, "tcp4");
	CU_ASSERT_EQUAL(p.flags, PACKET_V4);
	CU_ASSERT_EQUAL(p.vlan, 0);
	CU_ASSERT_EQUAL(p.l3, 14);
	CU_ASSERT_EQUAL(p.l4, 34);
	CU_ASSERT_EQUAL(p.ip_len, 47);
	CU_ASSERT_EQUAL(p.ip_proto, IPPROTO_TCP);
	CU_ASSERT_EQUAL(p.tcp_flags, TCP_SYN);
	CU_ASSERT_EQUAL(p.tuple.sport, htons(1234));
	CU_ASSERT_EQUAL(p.tuple.dport, htons(80));
	CU_ASSERT_EQUAL(p.tuple.proto, IPPROTO_TCP);
	CU_ASSERT_TRUE(addr_equal(&p.tuple.src, &src));
	CU_ASSERT_TRUE(addr_equal(&p.tuple.dst, &dst));
	CU_ASSERT_EQUAL(p.service, INDEX_NONE);
	CU_ASSERT_EQUAL(p.connection, INDEX_NONE);
	CU_ASSERT_EQUAL(p.backend, INDEX_NONE);
	CU_ASSERT_EQUAL(p.nexthop, INDEX_NONE);
	CU_ASSERT_EQUAL(p.frag_resolved, 0);
	CU_ASSERT_EQUAL(p.tuple.zero[0] | p.tuple.zero[1] | p.tuple.zero[2], 0);
}

static void
test_udp6_vlan(void)
{
	struct packet p = parse_spec(&(struct frame_spec){ .src = CLIENT6,
							   .dst = VIP6,
							   .proto = IPPROTO_UDP,
							   .sport = 5353,
							   .dport = 53,
							   .vlan = FIXTURE_VLAN,
							   .payload_len = 9 });
	struct addr src = fixture_addr(CLIENT6);

	expect(&p, VERDICT_CONTINUE, NO_DROP, "udp6 vlan");
	CU_ASSERT_EQUAL(p.flags, PACKET_TAGGED | PACKET_DF);
	CU_ASSERT_EQUAL(p.vlan, FIXTURE_VLAN);
	CU_ASSERT_EQUAL(p.l3, 18);
	CU_ASSERT_EQUAL(p.l4, 58);
	CU_ASSERT_EQUAL(p.ip_len, 57);
	CU_ASSERT_EQUAL(p.tuple.dport, htons(53));
	CU_ASSERT_EQUAL(p.tcp_flags, 0);
	CU_ASSERT_TRUE(addr_equal(&p.tuple.src, &src));
}

static void
test_vlan(void)
{
	struct frame_spec spec = { .src = CLIENT4, .dst = VIP4, .proto = IPPROTO_UDP };
	uint8_t frame[FRAME_MAX];
	struct packet p;
	uint16_t len;

	/* A priority tag (VLAN 0) is no VLAN; the header is there all the same. */
	spec.vlan = FIXTURE_VLAN;
	len = frame_build(frame, &spec);
	frame[14] = 0xe0;
	frame[15] = 0;
	p = parse_as(frame, len, 0);
	expect(&p, VERDICT_CONTINUE, NO_DROP, "priority tag");
	CU_ASSERT_EQUAL(p.vlan, 0);
	CU_ASSERT_EQUAL(p.l3, 18);
	CU_ASSERT_EQUAL(p.flags, PACKET_V4 | PACKET_TAGGED);
	/* The device took the tag out. */
	spec.vlan = 0;
	len = frame_build(frame, &spec);
	p = parse_as(frame, len, RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED);
	expect(&p, VERDICT_CONTINUE, NO_DROP, "stripped tag");
	CU_ASSERT_EQUAL(p.vlan, FIXTURE_VLAN);
	CU_ASSERT_EQUAL(p.l3, 14);
	CU_ASSERT_EQUAL(p.flags, PACKET_V4 | PACKET_TAGGED);
	/* A VLAN that is not ours. */
	spec.vlan = 101;
	p = parse_spec(&spec);
	expect(&p, VERDICT_HOST, NO_DROP, "foreign VLAN");
}

static void
test_options_padding_checksum(void)
{
	static const uint8_t options[8] = { 0x94, 4, 0, 0, 1, 1, 1, 0 };
	uint8_t frame[FRAME_MAX];
	struct packet p;
	uint16_t len;

	len = frame_build(frame, &(struct frame_spec){ .src = CLIENT4,
						       .dst = VIP4,
						       .proto = IPPROTO_UDP,
						       .dport = 53,
						       .frag = 0x4000,
						       .options = options,
						       .options_len = 8 });
	memset(frame + len, 0xee, 10);
	p = parse_as(frame, len + 10, 0);
	expect(&p, VERDICT_CONTINUE, NO_DROP, "options and padding");
	CU_ASSERT_EQUAL(p.l4, 42);
	CU_ASSERT_EQUAL(p.ip_len, 36);
	CU_ASSERT_EQUAL(p.flags, PACKET_V4 | PACKET_DF);
	/* Options are part of the header checksum. */
	frame[40] ^= 1;
	p = parse_as(frame, len, 0);
	expect(&p, VERDICT_DROP, DROP_IP_CHECKSUM, "option changed");
	p = parse_as(frame, len, RTE_MBUF_F_RX_IP_CKSUM_BAD);
	expect(&p, VERDICT_DROP, DROP_IP_CHECKSUM, "device says bad");
	p = parse_as(frame, len, RTE_MBUF_F_RX_IP_CKSUM_GOOD);
	expect(&p, VERDICT_CONTINUE, NO_DROP, "device says good");
	/* UDP may say less than IP (RFC 768 says nothing of the rest), never more. */
	mend_ipv4(frame);
	frame[14 + 3] += 4;
	mend_ipv4(frame);
	p = parse_as(frame, len + 10, 0);
	expect(&p, VERDICT_CONTINUE, NO_DROP, "UDP shorter than IP");
}

static void
test_extension_headers(void)
{
	/* hop-by-hop 8, destination options 16, routing without segments left 8, AH 24 */
	uint8_t ext[56] = { IPPROTO_DSTOPTS, 0, 5, 2 };
	struct frame_spec spec = { .src = CLIENT6,
				   .dst = VIP6,
				   .proto = IPPROTO_TCP,
				   .dport = 443,
				   .options = ext,
				   .options_len = 56,
				   .options_proto = IPPROTO_HOPOPTS,
				   .options_last = 32 };
	struct packet p;

	ext[8] = IPPROTO_ROUTING;
	ext[9] = 1;
	ext[24] = IPPROTO_AH;
	ext[26] = 2;
	ext[33] = 4;
	p = parse_spec(&spec);
	expect(&p, VERDICT_CONTINUE, NO_DROP, "extension headers");
	CU_ASSERT_EQUAL(p.l4, 14 + 40 + 56);
	CU_ASSERT_EQUAL(p.ip_proto, IPPROTO_TCP);
	CU_ASSERT_EQUAL(p.tuple.dport, htons(443));
	ext[27] = 1;
	p = parse_spec(&spec);
	expect(&p, VERDICT_HOST, NO_DROP, "segments left");
	/* Hop-by-hop options not in the first place. */
	ext[27] = 0;
	ext[24] = IPPROTO_HOPOPTS;
	p = parse_spec(&spec);
	expect(&p, VERDICT_DROP, DROP_IP6_EXTENSION, "late hop-by-hop");
}

static void
test_too_many_extensions(void)
{
	uint8_t ext[8 * 9] = { 0 };
	struct frame_spec spec = { .src = CLIENT6,
				   .dst = VIP6,
				   .proto = IPPROTO_UDP,
				   .options = ext,
				   .options_proto = IPPROTO_DSTOPTS };
	struct packet p;
	unsigned int i;

	for (i = 0; i < sizeof(ext); i += 8)
		ext[i] = IPPROTO_DSTOPTS;
	spec.options_len = 64;
	spec.options_last = 56;
	p = parse_spec(&spec);
	expect(&p, VERDICT_CONTINUE, NO_DROP, "8 headers");
	ext[56] = IPPROTO_DSTOPTS;
	spec.options_len = 72;
	spec.options_last = 64;
	p = parse_spec(&spec);
	expect(&p, VERDICT_DROP, DROP_IP6_EXTENSION, "9 headers");
}

static void
test_too_long_extensions(void)
{
	static uint8_t ext[528];
	struct frame_spec spec = { .src = CLIENT6,
				   .dst = VIP6,
				   .proto = IPPROTO_UDP,
				   .options = ext,
				   .options_len = 512,
				   .options_proto = IPPROTO_DSTOPTS };
	struct packet p;

	ext[1] = 63;
	p = parse_spec(&spec);
	expect(&p, VERDICT_CONTINUE, NO_DROP, "512 bytes");
	ext[1] = 64;
	spec.options_len = 520;
	p = parse_spec(&spec);
	expect(&p, VERDICT_DROP, DROP_IP6_EXTENSION, "520 bytes");
}

static void
test_icmp(void)
{
	static const struct {
		const char *what;
		uint8_t v6, type;
		uint16_t flag;
	} cases[] = {
		{ "echo request", 0, 8, PACKET_ECHO_REQUEST },
		{ "echo request 6", 1, 128, PACKET_ECHO_REQUEST },
		{ "echo reply", 0, 0, PACKET_ICMP_OTHER },
		{ "redirect", 0, 5, PACKET_ICMP_OTHER },
		{ "echo reply 6", 1, 129, PACKET_ICMP_OTHER },
		{ "neighbour solicitation", 1, 135, PACKET_ICMP_OTHER },
	};
	unsigned int i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct frame_spec spec = {
			.src = cases[i].v6 ? CLIENT6 : CLIENT4,
			.dst = cases[i].v6 ? VIP6 : VIP4,
			.proto = cases[i].v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
			.sport = cases[i].type,
			.payload_len = 24,
		};
		struct packet p = parse_spec(&spec);

		expect(&p, VERDICT_CONTINUE, NO_DROP, cases[i].what);
		CU_ASSERT_EQUAL(p.flags, cases[i].flag | (cases[i].v6 ? PACKET_DF : PACKET_V4));
		CU_ASSERT_EQUAL(p.tuple.sport | p.tuple.dport, 0);
	}
}

/* ---- the host's ---- */

static void
test_host(void)
{
	static const struct {
		const char *what;
		struct frame_spec spec;
	} cases[] = {
		{ "GRE", { .src = CLIENT4, .dst = VIP4, .proto = 47, .raw = 1, .payload_len = 8 } },
		{ "ESP6",
		  { .src = CLIENT6, .dst = VIP6, .proto = 50, .raw = 1, .payload_len = 8 } },
		{ "no next header", { .src = CLIENT6, .dst = VIP6, .proto = 59, .raw = 1 } },
		{ "ICMP in IPv6", { .src = CLIENT6, .dst = VIP6, .proto = IPPROTO_ICMP } },
		{ "ICMPv6 in IPv4", { .src = CLIENT4, .dst = VIP4, .proto = IPPROTO_ICMPV6 } },
		{ "multicast 4", { .src = CLIENT4, .dst = "224.0.0.5", .proto = 89 } },
		{ "multicast 6", { .src = CLIENT6, .dst = "ff02::1", .proto = IPPROTO_UDP } },
		{ "DHCP", { .src = "0.0.0.0", .dst = "255.255.255.255", .proto = IPPROTO_UDP } },
		{ "DAD", { .src = "::", .dst = "ff02::1:ff00:10", .proto = IPPROTO_ICMPV6 } },
		{ "unicast DAD", { .src = "::", .dst = VIP6, .proto = IPPROTO_ICMPV6 } },
		{ "fragmented echo",
		  { .src = CLIENT4,
		    .dst = VIP4,
		    .proto = IPPROTO_ICMP,
		    .sport = 8,
		    .frag = 0x2000 } },
		{ "later fragment of an echo",
		  { .src = CLIENT6,
		    .dst = VIP6,
		    .proto = IPPROTO_ICMPV6,
		    .frag = 2,
		    .raw = 1,
		    .payload_len = 4 } },
	};
	unsigned int i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct packet p = parse_spec(&cases[i].spec);

		expect(&p, VERDICT_HOST, NO_DROP, cases[i].what);
		CU_ASSERT_TRUE(p.flags & PACKET_HOST_ONLY);
	}
}

static void
test_ethernet(void)
{
	struct frame_spec spec = { .src = CLIENT4, .dst = VIP4, .proto = IPPROTO_UDP };
	uint8_t frame[FRAME_MAX];
	uint16_t len = frame_build(frame, &spec);
	struct packet p;

	frame[12] = 0x08;
	frame[13] = 0x06;
	p = parse_as(frame, len, 0);
	expect(&p, VERDICT_HOST, NO_DROP, "ARP");
	frame[12] = 0x88;
	frame[13] = 0xa8;
	p = parse_as(frame, len, 0);
	expect(&p, VERDICT_HOST, NO_DROP, "802.1ad");
	frame_build(frame, &spec);
	frame[5] = 0x02;
	p = parse_as(frame, len, 0);
	expect(&p, VERDICT_DROP, DROP_NOT_OURS, "not our address");
	memset(frame, 0xff, 6);
	p = parse_as(frame, len, 0);
	expect(&p, VERDICT_HOST, NO_DROP, "broadcast");
	memcpy(frame, "\x01\x00\x5e\x00\x00\x05", 6);
	p = parse_as(frame, len, 0);
	expect(&p, VERDICT_HOST, NO_DROP, "multicast");
	spec.vlan = FIXTURE_VLAN;
	len = frame_build(frame, &spec);
	frame[16] = 0x81;
	frame[17] = 0x00;
	p = parse_as(frame, len, 0);
	expect(&p, VERDICT_HOST, NO_DROP, "two tags");
}

static void
test_martians(void)
{
	static const struct {
		const char *src, *dst;
		enum drop_reason reason;
	} cases[] = {
		{ "0.0.0.0", VIP4, DROP_MARTIAN_SOURCE },
		{ "0.1.2.3", VIP4, DROP_MARTIAN_SOURCE },
		{ "127.0.0.1", VIP4, DROP_MARTIAN_SOURCE },
		{ "224.0.0.1", VIP4, DROP_MARTIAN_SOURCE },
		{ "240.0.0.1", VIP4, DROP_MARTIAN_SOURCE },
		{ "255.255.255.255", VIP4, DROP_MARTIAN_SOURCE },
		{ "127.0.0.1", "224.0.0.1", DROP_MARTIAN_SOURCE },
		{ "::", VIP6, DROP_MARTIAN_SOURCE },
		{ "::1", VIP6, DROP_MARTIAN_SOURCE },
		{ "ff02::1", VIP6, DROP_MARTIAN_SOURCE },
		{ "::ffff:198.51.100.7", VIP6, DROP_MARTIAN_SOURCE },
		{ CLIENT4, "0.0.0.0", DROP_MARTIAN_DESTINATION },
		{ CLIENT4, "127.0.0.1", DROP_MARTIAN_DESTINATION },
		{ CLIENT4, "240.0.0.1", DROP_MARTIAN_DESTINATION },
		{ CLIENT6, "::", DROP_MARTIAN_DESTINATION },
		{ CLIENT6, "::1", DROP_MARTIAN_DESTINATION },
		{ CLIENT6, "::ffff:192.0.2.10", DROP_MARTIAN_DESTINATION },
		{ CLIENT6, "::ffff:224.0.0.1", DROP_MARTIAN_DESTINATION },
	};
	unsigned int i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct packet p = parse_spec(&(struct frame_spec){
		    .src = cases[i].src, .dst = cases[i].dst, .proto = IPPROTO_UDP });

		expect(&p, VERDICT_DROP, cases[i].reason, cases[i].src);
	}
}

/* ---- malformed headers: a sound frame with bytes changed ---- */

static void
test_malformed4(void)
{
	static const struct {
		const char *what;
		uint8_t proto, at, value; /* at: from the IP header */
		enum drop_reason reason;
	} cases[] = {
		{ "version 6", IPPROTO_TCP, 0, 0x65, DROP_IP_VERSION },
		{ "version 0", IPPROTO_TCP, 0, 0x05, DROP_IP_VERSION },
		{ "header of 16", IPPROTO_TCP, 0, 0x44, DROP_IP_HEADER_LENGTH },
		{ "header of 0", IPPROTO_TCP, 0, 0x40, DROP_IP_HEADER_LENGTH },
		{ "header past the frame", IPPROTO_UDP, 0, 0x4f, DROP_IP_TRUNCATED },
		{ "header past the packet", IPPROTO_TCP, 3, 20, NO_DROP },
		{ "total length 19", IPPROTO_TCP, 3, 19, DROP_IP_TOTAL_LENGTH },
		{ "total length 0", IPPROTO_TCP, 3, 0, DROP_IP_TOTAL_LENGTH },
		{ "total length past the frame", IPPROTO_TCP, 2, 1, DROP_IP_TOTAL_LENGTH },
		{ "data offset 16", IPPROTO_TCP, 20 + 12, 0x40, DROP_TCP_OFFSET },
		{ "data offset 0", IPPROTO_TCP, 20 + 12, 0x00, DROP_TCP_OFFSET },
		{ "data offset past the packet", IPPROTO_TCP, 20 + 12, 0x70, DROP_TCP_OFFSET },
		{ "UDP length 7", IPPROTO_UDP, 20 + 5, 7, DROP_UDP_LENGTH },
		{ "UDP length 0", IPPROTO_UDP, 20 + 5, 0, DROP_UDP_LENGTH },
		{ "UDP length past the packet", IPPROTO_UDP, 20 + 5, 13, DROP_UDP_LENGTH },
	};
	unsigned int i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct frame_spec spec = {
			.src = CLIENT4, .dst = VIP4, .proto = cases[i].proto, .payload_len = 4
		};
		uint8_t frame[FRAME_MAX];
		uint16_t len = frame_build(frame, &spec);
		struct packet p;

		frame[14 + cases[i].at] = cases[i].value;
		if (cases[i].reason == NO_DROP) {
			/* 24 bytes of header in a packet of 20 */
			frame[14] = 0x46;
			p = parse_as(frame, len, RTE_MBUF_F_RX_IP_CKSUM_GOOD);
			expect(&p, VERDICT_DROP, DROP_IP_HEADER_LENGTH, cases[i].what);
			continue;
		}
		p = parse_as(frame, len, RTE_MBUF_F_RX_IP_CKSUM_GOOD);
		expect(&p, VERDICT_DROP, cases[i].reason, cases[i].what);
	}
}

static void
test_malformed6(void)
{
	static const struct {
		const char *what;
		uint8_t proto, at, value;
		enum drop_reason reason;
	} cases[] = {
		{ "version 4", IPPROTO_TCP, 0, 0x45, DROP_IP_VERSION },
		{ "payload past the frame", IPPROTO_TCP, 4, 1, DROP_IP_TOTAL_LENGTH },
		{ "payload of 65535", IPPROTO_TCP, 4, 0xff, DROP_IP_TOTAL_LENGTH },
		{ "payload of 19", IPPROTO_TCP, 5, 19, DROP_L4_TRUNCATED },
		{ "payload of 0", IPPROTO_TCP, 5, 0, DROP_L4_TRUNCATED },
		{ "payload of 7", IPPROTO_UDP, 5, 7, DROP_L4_TRUNCATED },
		{ "data offset 16", IPPROTO_TCP, 40 + 12, 0x40, DROP_TCP_OFFSET },
		{ "data offset past the packet", IPPROTO_TCP, 40 + 12, 0x70, DROP_TCP_OFFSET },
		{ "UDP length 0", IPPROTO_UDP, 40 + 5, 0, DROP_UDP_LENGTH },
		{ "UDP length past the packet", IPPROTO_UDP, 40 + 5, 13, DROP_UDP_LENGTH },
		{ "extension past the packet", IPPROTO_TCP, 6, IPPROTO_DSTOPTS,
		  DROP_IP6_EXTENSION },
	};
	unsigned int i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct frame_spec spec = { .src = CLIENT6,
					   .dst = VIP6,
					   .proto = cases[i].proto,
					   .sport = 0x2020,
					   .payload_len = 4 };
		uint8_t frame[FRAME_MAX];
		uint16_t len = frame_build(frame, &spec);
		struct packet p;

		frame[14 + cases[i].at] = cases[i].value;
		p = parse_as(frame, len, 0);
		expect(&p, VERDICT_DROP, cases[i].reason, cases[i].what);
	}
}

int
test_parse_register(void)
{
	static const CU_TestInfo tests[] = {
		{ "TCP over IPv4", test_tcp4 },
		{ "UDP over IPv6 in a VLAN", test_udp6_vlan },
		{ "VLAN tags", test_vlan },
		{ "IPv4 options, padding, header checksum", test_options_padding_checksum },
		{ "IPv6 extension headers", test_extension_headers },
		{ "too many extension headers", test_too_many_extensions },
		{ "too long extension headers", test_too_long_extensions },
		{ "ICMP that is no error", test_icmp },
		{ "what is the host's", test_host },
		{ "Ethernet addresses and types", test_ethernet },
		{ "martians", test_martians },
		{ "malformed IPv4", test_malformed4 },
		{ "malformed IPv6", test_malformed6 },
		CU_TEST_INFO_NULL,
	};

	return suite_add("parse", tests);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The short way of stage parse takes what is usual, and says of it what the long way says. */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "dp/l4/parse.h"
#include "dp/l4/parse_quick.h"
#include "dp/l4/stages.h"
#include "fixture.h"
#include "frames.h"
#include "lib/checksum.h"
#include "suites.h"

#define CLIENT4 "198.51.100.7"
#define VIP4    "192.0.2.10"
#define CLIENT6 "2001:db8:1::7"
#define VIP6    "2001:db8::10"

#define ROUNDS 200000

static const struct frame_spec usual[] = {
	{ .src = CLIENT4, .dst = VIP4, .proto = IPPROTO_TCP, .sport = 1, .dport = 80 },
	{ .src = CLIENT4, .dst = VIP4, .proto = IPPROTO_UDP, .dport = 53, .payload_len = 18 },
	{ .src = CLIENT4, .dst = VIP4, .proto = IPPROTO_UDP, .frag = 0x4000, .payload_len = 99 },
	{ .src = CLIENT6, .dst = VIP6, .proto = IPPROTO_TCP, .tcp_flags = TCP_SYN, .dport = 80 },
	{ .src = CLIENT6, .dst = VIP6, .proto = IPPROTO_UDP, .dport = 53, .payload_len = 8 },
};
#define USUAL (sizeof(usual) / sizeof(usual[0]))

static bool
same(const struct packet *a, const struct packet *b)
{
	struct packet x, y;

	/* Without what lies between fields. */
	memset(&x, 0, sizeof(x));
	memset(&y, 0, sizeof(y));
	memcpy(&x, a, offsetof(struct packet, capture) + sizeof(a->capture));
	memcpy(&y, b, offsetof(struct packet, capture) + sizeof(b->capture));
	return memcmp(&x, &y, sizeof(x)) == 0 &&
	       memcmp(&a->tuple, &b->tuple, sizeof(a->tuple)) == 0;
}

/* Whether the short way takes the frame; 2: it says something else than the long way. */
static int
compare(const struct fixture *f, struct rte_mbuf *m)
{
	const struct quick q = quick_begin(&f->snapshot.ports[0], 0);
	struct packet quick = { .mbuf = m }, before = quick, plain = quick;

	parse_packet(&f->snapshot, &plain);
	if (!quick_parse(&q, &quick))
		return same(&quick, &before) ? 0 : 2;
	return same(&quick, &plain) ? 1 : 2;
}

static void
test_usual(void)
{
	struct fixture *f = fixture_create();
	struct burst b = { 0 };
	uint8_t frame[FRAME_MAX];
	unsigned int i;

	for (i = 0; i < USUAL; i++) {
		uint16_t len = frame_build(frame, &usual[i]);

		CU_ASSERT_EQUAL(compare(f, fixture_receive(&b, frame, len)->mbuf), 1);
	}
	/* A device that strips tags, or has verified the checksum. */
	b.packets[0].mbuf->ol_flags = RTE_MBUF_F_RX_VLAN_STRIPPED;
	CU_ASSERT_EQUAL(compare(f, b.packets[0].mbuf), 0);
	b.packets[0].mbuf->ol_flags = RTE_MBUF_F_RX_IP_CKSUM_GOOD;
	rte_pktmbuf_mtod(b.packets[0].mbuf, uint8_t *)[14 + 10] ^= 1;
	CU_ASSERT_EQUAL(compare(f, b.packets[0].mbuf), 1);
	b.packets[0].mbuf->ol_flags = 0;
	CU_ASSERT_EQUAL(compare(f, b.packets[0].mbuf), 0);
	/* A network that is not in use; a port that takes what is for any station. */
	f->snapshot.ports[0].vlans[0] &= ~1ull;
	CU_ASSERT_EQUAL(compare(f, b.packets[1].mbuf), 0);
	f->snapshot.ports[0].vlans[0] |= 1;
	memset(f->snapshot.ports[0].mac, 0, 6);
	rte_pktmbuf_mtod(b.packets[1].mbuf, uint8_t *)[5] ^= 0x55;
	CU_ASSERT_EQUAL(compare(f, b.packets[1].mbuf), 1);
	rte_pktmbuf_mtod(b.packets[1].mbuf, uint8_t *)[0] |= 1;
	CU_ASSERT_EQUAL(compare(f, b.packets[1].mbuf), 0);
	fixture_free(&b);
	fixture_destroy(f);
}

static uint32_t
noise(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

/* A usual frame with some bytes of its headers changed, perhaps cut. */
static uint16_t
spoil(uint8_t *frame, uint32_t *state)
{
	static const uint8_t values[] = { 0, 1, 4, 6, 17, 40, 0x45, 0x60, 0x7f, 0x80, 0xe0, 0xff };
	uint16_t len = frame_build(frame, &usual[noise(state) % USUAL]), sum;
	uint32_t changes = noise(state) % 4, i;

	for (i = 0; i < changes; i++) {
		uint32_t value = noise(state);

		frame[12 + noise(state) % 50] =
		    value & 1 ? (uint8_t)(value >> 8) : values[(value >> 8) % sizeof(values)];
	}
	if (noise(state) % 4 && frame[14] == 0x45) {
		frame[24] = frame[25] = 0;
		sum = csum_compute(frame + 14, 20);
		memcpy(frame + 24, &sum, 2);
	}
	if (noise(state) % 4 == 0)
		frame[noise(state) % 6] ^= 1;
	return noise(state) % 4 ? len : (uint16_t)(noise(state) % len + 1);
}

static void
test_noise(void)
{
	struct fixture *f = fixture_create();
	uint32_t state = 20, i, taken = 0, different = 0;
	uint8_t frame[FRAME_MAX];

	for (i = 0; i < ROUNDS; i++) {
		struct burst b = { 0 };
		uint16_t len = spoil(frame, &state);
		int result = compare(f, fixture_receive(&b, frame, len)->mbuf);

		taken += result == 1;
		different += result == 2;
		fixture_free(&b);
	}
	CU_ASSERT_EQUAL(different, 0);
	CU_ASSERT_TRUE(taken > ROUNDS / 10 && taken < ROUNDS / 10 * 9);
	fixture_destroy(f);
}

int
test_parse_quick_register(void)
{
	static const CU_TestInfo tests[] = {
		{ "what is usual", test_usual },
		{ "noise", test_noise },
		CU_TEST_INFO_NULL,
	};

	return suite_add("parse, the short way", tests);
}

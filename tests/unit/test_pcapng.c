/* SPDX-License-Identifier: Apache-2.0 */
/* lib/pcapng: blocks read back by what the format says, field by field; lengths at every size. */
#include <CUnit/CUnit.h>
#include <stdbool.h>
#include <string.h>

#include "lib/pcapng.h"
#include "tests/unit/suites.h"

static uint8_t out[8192];

static uint32_t
u32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint32_t
u16(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8;
}

/* A whole block of this type: both lengths agree. */
static bool
is_block(const uint8_t *block, size_t len, uint32_t type)
{
	return len >= 12 && len % 4 == 0 && u32(block) == type && u32(block + 4) == len &&
	       u32(block + len - 4) == len;
}

/* The value of the first option with this code among those from `at` on; NULL: none. *len is its
 * length. Checks that the list ends where the block does. */
static const uint8_t *
option(const uint8_t *block, size_t at, uint32_t code, uint32_t *len)
{
	size_t end = u32(block + 4) - 4;
	const uint8_t *found = NULL;

	for (;;) {
		uint32_t this = u16(block + at), n = u16(block + at + 2);

		at += 4;
		if (at > end)
			break;
		if (this == 0) {
			CU_ASSERT_EQUAL(n, 0);
			CU_ASSERT_EQUAL(at, end);
			return found;
		}
		if (this == code && !found) {
			found = block + at;
			*len = n;
		}
		at += (n + 3) & ~3u;
	}
	CU_FAIL("the options have no end");
	return NULL;
}

static bool
text_is(const uint8_t *block, size_t at, uint32_t code, const char *text)
{
	uint32_t len = 0;
	const uint8_t *value = option(block, at, code, &len);

	return value && len == strlen(text) && memcmp(value, text, len) == 0;
}

static void
test_section(void)
{
	static const uint8_t head[] = { 0x0a, 0x0d, 0x0d, 0x0a };
	size_t len = pcapng_section(out, sizeof(out), "abcde");

	CU_ASSERT_TRUE(is_block(out, len, 0x0a0d0d0a));
	CU_ASSERT_EQUAL(memcmp(out, head, 4), 0);
	CU_ASSERT_EQUAL(u32(out + 8), 0x1a2b3c4d);
	CU_ASSERT_EQUAL(u16(out + 12), 1);
	CU_ASSERT_EQUAL(u16(out + 14), 0);
	CU_ASSERT_EQUAL(u32(out + 16), UINT32_MAX);
	CU_ASSERT_EQUAL(u32(out + 20), UINT32_MAX);
	CU_ASSERT_TRUE(text_is(out, 24, 4, "abcde"));
}

static void
test_interface(void)
{
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 7 };
	struct pcapng_interface i = { .name = "wan", .mac = mac, .snaplen = 2048 };
	size_t len = pcapng_interface(out, sizeof(out), &i);
	const uint8_t *value;
	uint32_t n = 0;

	CU_ASSERT_TRUE(is_block(out, len, 1));
	CU_ASSERT_EQUAL(u16(out + 8), 1); /* Ethernet */
	CU_ASSERT_EQUAL(u32(out + 12), 2048);
	CU_ASSERT_TRUE(text_is(out, 16, 2, "wan"));
	value = option(out, 16, 6, &n);
	CU_ASSERT_TRUE(value && n == 6 && memcmp(value, mac, 6) == 0);
	value = option(out, 16, 9, &n);
	CU_ASSERT_TRUE(value && n == 1 && *value == 9);
	i.mac = NULL;
	len = pcapng_interface(out, sizeof(out), &i);
	CU_ASSERT_TRUE(is_block(out, len, 1));
	CU_ASSERT_PTR_NULL(option(out, 16, 6, &n));
}

static struct pcapng_packet
packet_of(const uint8_t *data, uint32_t captured)
{
	return (struct pcapng_packet){
		.interface = 3,
		.direction = PCAPNG_OUTBOUND,
		.time = 0x0123456789abcdefull,
		.data = data,
		.captured = captured,
		.length = captured + 1000,
		.comment = "worker 1, sent",
	};
}

static void
test_packet(void)
{
	uint8_t data[64];
	uint32_t n, i, size = 0;

	for (i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i + 1);
	for (n = 0; n <= sizeof(data); n++) {
		struct pcapng_packet p = packet_of(data, n);
		size_t len = pcapng_packet(out, sizeof(out), &p), options = 28 + ((n + 3) & ~3u);
		const uint8_t *flags;

		CU_ASSERT_TRUE(is_block(out, len, 6));
		CU_ASSERT_TRUE(len <= n + strlen(p.comment) + PCAPNG_PACKET_OVERHEAD);
		CU_ASSERT_EQUAL(u32(out + 8), 3);
		CU_ASSERT_EQUAL(u32(out + 12), 0x01234567);
		CU_ASSERT_EQUAL(u32(out + 16), 0x89abcdef);
		CU_ASSERT_EQUAL(u32(out + 20), n);
		CU_ASSERT_EQUAL(u32(out + 24), n + 1000);
		CU_ASSERT_EQUAL(memcmp(out + 28, data, n), 0);
		flags = option(out, options, 2, &size);
		CU_ASSERT_TRUE(flags && size == 4 && u32(flags) == 2);
		CU_ASSERT_TRUE(text_is(out, options, 1, p.comment));
		p.comment = NULL;
		len = pcapng_packet(out, sizeof(out), &p);
		CU_ASSERT_TRUE(is_block(out, len, 6));
		CU_ASSERT_PTR_NULL(option(out, options, 1, &size));
	}
}

static void
test_statistics(void)
{
	const struct pcapng_statistics s = { 2, 5, 0x100000002ull, 7 };
	size_t len = pcapng_statistics(out, sizeof(out), &s);
	const uint8_t *value;
	uint32_t n = 0;

	CU_ASSERT_TRUE(is_block(out, len, 5));
	CU_ASSERT_EQUAL(u32(out + 8), 2);
	CU_ASSERT_EQUAL(u32(out + 12), 0);
	CU_ASSERT_EQUAL(u32(out + 16), 5);
	value = option(out, 20, 4, &n);
	CU_ASSERT_TRUE(value && n == 8 && u32(value) == 2 && u32(value + 4) == 1);
	value = option(out, 20, 5, &n);
	CU_ASSERT_TRUE(value && n == 8 && u32(value) == 7);
}

/* What does not fit is not written, and never past the end. */
static void
test_no_room(void)
{
	static const uint8_t data[33] = { 1 };
	const struct pcapng_packet p = packet_of(data, sizeof(data));
	size_t whole = pcapng_packet(out, sizeof(out), &p), size, i;

	for (size = 0; size < whole; size++) {
		memset(out, 0xee, sizeof(out));
		CU_ASSERT_EQUAL(pcapng_packet(out, size, &p), 0);
		for (i = size; i < whole + 64; i++)
			CU_ASSERT_EQUAL(out[i], 0xee);
	}
	CU_ASSERT_EQUAL(pcapng_packet(out, whole, &p), whole);
}

static void
test_long_comment(void)
{
	static char comment[5000];
	struct pcapng_packet p = packet_of(out, 0);
	uint32_t n = 0;
	size_t len;

	memset(comment, 'x', sizeof(comment) - 1);
	p.comment = comment;
	len = pcapng_packet(out, sizeof(out), &p);
	CU_ASSERT_TRUE(is_block(out, len, 6));
	CU_ASSERT_PTR_NOT_NULL(option(out, 28, 1, &n));
	CU_ASSERT_EQUAL(n, 1024);
}

int
test_pcapng_register(void)
{
	static CU_TestInfo tests[] = {
		{ "section header", test_section },
		{ "interface", test_interface },
		{ "packets of all lengths", test_packet },
		{ "statistics", test_statistics },
		{ "no room", test_no_room },
		{ "a long comment is cut", test_long_comment },
		CU_TEST_INFO_NULL,
	};
	static CU_SuiteInfo suites[] = {
		{ .pName = "pcapng", .pTests = tests },
		CU_SUITE_INFO_NULL,
	};

	return CU_register_suites(suites);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The PROXY protocol: the examples of its specification, what must be refused, every beginning. */
#include <CUnit/CUnit.h>
#include <errno.h>
#include <string.h>

#include "lib/proxy_protocol.h"
#include "tests/unit/suites.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

static int
parse_text(const char *text, struct proxy_ends *ends)
{
	return proxy_protocol_parse((const uint8_t *)text, strlen(text), ends);
}

static struct addr
address(const char *text)
{
	struct addr a;

	CU_ASSERT_EQUAL_FATAL(addr_parse(text, &a), 0);
	return a;
}

static bool
ends_are(const struct proxy_ends *e, const char *src, const char *dst, uint64_t ports)
{
	struct addr s = address(src), d = address(dst);

	return e->known && addr_equal(&e->src, &s) && addr_equal(&e->dst, &d) &&
	       e->sport == ports / 100000 && e->dport == ports % 100000;
}

/* All beginnings of a header are incomplete, and what comes behind it is not looked at. */
static void
check_beginnings(const void *header, size_t len)
{
	uint8_t bytes[PROXY_PROTOCOL_MAX + 8];
	struct proxy_ends ends;
	size_t n;

	memset(bytes, 'x', sizeof(bytes));
	memcpy(bytes, header, len);
	for (n = 0; n < len; n++)
		CU_ASSERT_EQUAL(proxy_protocol_parse(bytes, n, &ends), 0);
	CU_ASSERT_EQUAL(proxy_protocol_parse(bytes, len, &ends), (int)len);
	CU_ASSERT_EQUAL(proxy_protocol_parse(bytes, len + 8, &ends), (int)len);
}

/* Section 2.1: the longest line of each kind, and the ways to say nothing. */
static void
test_v1_examples(void)
{
	static const char *const lines[] = {
		"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
		"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
		"PROXY UNKNOWN\r\n",
		"PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
		"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n",
	};
	static const size_t lengths[] = { 56, 104, 15, 107, 47 };
	struct proxy_ends ends;
	size_t i;

	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		CU_ASSERT_EQUAL(strlen(lines[i]), lengths[i]);
		check_beginnings(lines[i], strlen(lines[i]));
		parse_text(lines[i], &ends);
		CU_ASSERT_EQUAL(ends.known, i != 2 && i != 3);
	}
	CU_ASSERT(ends_are(&ends, "192.168.0.1", "192.168.0.11", 5632400443u));
	CU_ASSERT_EQUAL(parse_text("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\nGET / "
				   "HTTP/1.1\r\nHost: 192.168.0.11\r\n\r\n",
				   &ends),
			47);
	CU_ASSERT_EQUAL(parse_text("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 1 2\r\n", &ends),
			50);
	CU_ASSERT(ends_are(&ends, "192.0.2.1", "192.0.2.2", 100002));
}

static void
test_v1_refused(void)
{
	static const char *const lines[] = {
		"GET / HTTP/1.1\r\n",
		"proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
		"PROXY\r\n",
		"PROXY \r\n",
		"PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n",
		"PROXY TCP4\r\n",
		"PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
		"PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n",
		"PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n",
		"PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n",
		"PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n",
		"PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n",
		"PROXY TCP4 192.0.2.1 192.0.2.2 -1 2\r\n",
		"PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n",
		"PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
		"PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
		"PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 1 2\r\n",
		"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n",
		"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\rx",
		/* a byte longer than any line can be */
		("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
		 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 655355\r\n"),
	};
	struct proxy_ends ends;
	size_t i;

	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		CU_ASSERT_EQUAL(parse_text(lines[i], &ends), -EINVAL);
	/* Refused at the first wrong byte, not when a line's end comes. */
	CU_ASSERT_EQUAL(parse_text("PROXIES", &ends), -EINVAL);
	CU_ASSERT_EQUAL(parse_text("G", &ends), -EINVAL);
	CU_ASSERT_EQUAL(proxy_protocol_parse((const uint8_t *)"PROXY TCP4 \0", 12, &ends), -EINVAL);
}

/* Section 2.2: the structures. */
static void
test_v2_examples(void)
{
	static const char tcp4[] =
	    SIGNATURE "\x21\x11\0\x0c\xc0\xa8\0\x01\xc0\xa8\0\x0b\xdc\x04\x01\xbb";
	static const char tcp6[] =
	    SIGNATURE "\x21\x21\0\x24\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
		      "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\0\x01\0\x02";
	static const char local[] = SIGNATURE "\x20\0\0\0";
	static const char unspec[] = SIGNATURE "\x21\0\0\x03\xff\xff\xff";
	/* with PP2_TYPE_NOOP of 4 bytes behind the addresses */
	static const char tlv[] = SIGNATURE
	    "\x21\x11\0\x13\xc0\xa8\0\x01\xc0\xa8\0\x0b\xdc\x04\x01\xbb\x04\0\x04\0\0\0\0";
	struct proxy_ends ends;

	check_beginnings(tcp4, sizeof(tcp4) - 1);
	proxy_protocol_parse((const uint8_t *)tcp4, sizeof(tcp4) - 1, &ends);
	CU_ASSERT(ends_are(&ends, "192.168.0.1", "192.168.0.11", 5632400443u));
	check_beginnings(tcp6, sizeof(tcp6) - 1);
	proxy_protocol_parse((const uint8_t *)tcp6, sizeof(tcp6) - 1, &ends);
	CU_ASSERT(ends_are(&ends, "2001:db8::1", "2001:db8::2", 100002));
	check_beginnings(tlv, sizeof(tlv) - 1);
	proxy_protocol_parse((const uint8_t *)tlv, sizeof(tlv) - 1, &ends);
	CU_ASSERT(ends_are(&ends, "192.168.0.1", "192.168.0.11", 5632400443u));
	check_beginnings(local, sizeof(local) - 1);
	CU_ASSERT_EQUAL(proxy_protocol_parse((const uint8_t *)local, 16, &ends), 16);
	CU_ASSERT_FALSE(ends.known);
	check_beginnings(unspec, sizeof(unspec) - 1);
	CU_ASSERT_EQUAL(proxy_protocol_parse((const uint8_t *)unspec, 19, &ends), 19);
	CU_ASSERT_FALSE(ends.known);
}

static void
test_v2_refused(void)
{
	static const struct {
		uint8_t command, family;
		uint16_t len;
	} cases[] = {
		{ 0x11, 0x11, 12 },   /* version 1 in the binary form */
		{ 0x22, 0x11, 12 },   /* no such command */
		{ 0x21, 0x11, 11 },   /* too short for its addresses */
		{ 0x21, 0x21, 35 },   /* the same */
		{ 0x21, 0x41, 12 },   /* no such family */
		{ 0x21, 0x13, 12 },   /* no such transport */
		{ 0x21, 0x11, 4081 }, /* longer than anybody needs */
	};
	uint8_t bytes[8192];
	struct proxy_ends ends;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(bytes, 0, sizeof(bytes));
		memcpy(bytes, SIGNATURE, 12);
		bytes[12] = cases[i].command;
		bytes[13] = cases[i].family;
		bytes[14] = (uint8_t)(cases[i].len >> 8);
		bytes[15] = (uint8_t)cases[i].len;
		CU_ASSERT_EQUAL(proxy_protocol_parse(bytes, sizeof(bytes), &ends), -EINVAL);
	}
	memcpy(bytes, SIGNATURE, 12);
	bytes[11] = 'x';
	CU_ASSERT_EQUAL(proxy_protocol_parse(bytes, 12, &ends), -EINVAL);
}

static void
test_written(void)
{
	static const char line[] = "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n";
	struct proxy_ends ends = { .known = true, .sport = 56324, .dport = 443 }, again;
	uint8_t v1[PROXY_PROTOCOL_V1_MAX], v2[PROXY_PROTOCOL_V2_LEN];
	size_t n;

	ends.src = address("192.168.0.1");
	ends.dst = address("192.168.0.11");
	n = proxy_protocol_write_v1(&ends, v1);
	CU_ASSERT_EQUAL(n, sizeof(line) - 1);
	CU_ASSERT_EQUAL(memcmp(v1, line, n), 0);
	n = proxy_protocol_write_v2(&ends, v2);
	CU_ASSERT_EQUAL(n, 28);
	CU_ASSERT_EQUAL(
	    memcmp(v2, SIGNATURE "\x21\x11\0\x0c\xc0\xa8\0\x01\xc0\xa8\0\x0b\xdc\x04\x01\xbb", n),
	    0);
	memset(&ends.src, 0xff, 16);
	memset(&ends.dst, 0xff, 16);
	n = proxy_protocol_write_v1(&ends, v1);
	CU_ASSERT_EQUAL(n, 102); /* the ports are shorter than they could be */
	CU_ASSERT_EQUAL(proxy_protocol_parse(v1, n, &again), (int)n);
	CU_ASSERT(addr_equal(&again.src, &ends.src) && again.dport == 443);
	CU_ASSERT_EQUAL(proxy_protocol_write_v2(&ends, v2), PROXY_PROTOCOL_V2_LEN);
	ends.known = false;
	CU_ASSERT_EQUAL(proxy_protocol_write_v1(&ends, v1), 15);
	CU_ASSERT_EQUAL(proxy_protocol_write_v2(&ends, v2), 16);
	CU_ASSERT_EQUAL(proxy_protocol_parse(v2, 16, &again), 16);
	CU_ASSERT_FALSE(again.known);
}

int
test_proxy_protocol_register(void)
{
	CU_TestInfo tests[] = {
		{ "v1: the specification's examples", test_v1_examples },
		{ "v1: refused", test_v1_refused },
		{ "v2: the specification's structures", test_v2_examples },
		{ "v2: refused", test_v2_refused },
		{ "what is written", test_written },
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = { { "proxy_protocol", NULL, NULL, NULL, NULL, tests },
				  CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}

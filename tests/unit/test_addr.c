/* SPDX-License-Identifier: Apache-2.0 */
/* lib/addr: text in and out, masks, order, membership. */
#include <CUnit/CUnit.h>
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include "lib/addr.h"
#include "tests/unit/suites.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct addr
must_parse(const char *text)
{
	struct addr a;

	memset(&a, 0xa5, sizeof(a));
	CU_ASSERT_EQUAL_FATAL(addr_parse(text, &a), 0);
	return a;
}

static void
report(bool good, const char *what)
{
	if (!good)
		printf("  for \"%s\":\n", what);
}

static void
test_addr_bytes(void)
{
	static const uint8_t four[16] = { [10] = 0xff, 0xff, 192, 0, 2, 1 };
	static const uint8_t six[16] = { 0x20, 0x01, 0x0d, 0xb8, [14] = 0xab, 0xcd };
	struct addr a = must_parse("192.0.2.1"), b = must_parse("2001:db8::abcd"), c;

	CU_ASSERT_EQUAL(memcmp(a.b, four, 16), 0);
	CU_ASSERT_EQUAL(memcmp(b.b, six, 16), 0);
	c = addr_from_v4(htonl(0xc0000201));
	CU_ASSERT_TRUE(addr_equal(&a, &c));
	c = addr_from_v6(six);
	CU_ASSERT_TRUE(addr_equal(&b, &c));
	CU_ASSERT_FALSE(addr_equal(&a, &b));
	CU_ASSERT_TRUE(addr_is_v4(&a));
	CU_ASSERT_FALSE(addr_is_v4(&b));
}

static void
test_addr_bad(void)
{
	static const char *const bad[] = {
		"",
		" ",
		"1",
		"1.2.3",
		"1.2.3.4.5",
		"256.1.1.1",
		"10.2.0.300",
		"01.2.3.4",
		"1.2.3.4 ",
		" 1.2.3.4",
		"1.2.3.-4",
		"+1.2.3.4",
		"0x1.2.3.4",
		"1.2.3.",
		".1.2.3",
		"1..2.3",
		"1.2.3.4/32",
		"1.2.3.4:80",
		"a.b.c.d",
		"localhost",
		":",
		":::",
		"1::2::3",
		"1:2:3:4:5:6:7",
		"1:2:3:4:5:6:7:8:9",
		"12345::",
		"g::",
		"::1%lo",
		"[::1]",
		"::1/128",
		":1",
		"1:",
		"1:2:3:4:5:6:7:",
		":1:2:3:4:5:6:7",
		"::1.2.3",
		"::1.2.3.4.5",
		"::ffff:192.0.2.1",
		"0:0:0:0:0:ffff:c000:201",
		"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb",
		"0000000000000000000000000000000000000000000001.2.3.4",
	};
	struct addr a;
	size_t i;

	for (i = 0; i < COUNT(bad); i++) {
		report(addr_parse(bad[i], &a) == -EINVAL, bad[i]);
		CU_ASSERT_EQUAL(addr_parse(bad[i], &a), -EINVAL);
	}
}

/* The examples of RFC 5952, and its rules one by one. */
static void
test_addr_format(void)
{
	static const char *const pairs[][2] = {
		{ "0.0.0.0", "0.0.0.0" },
		{ "255.255.255.255", "255.255.255.255" },
		{ "2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1" },    /* of two runs the first */
		{ "2001:0db8::0001", "2001:db8::1" },               /* 4.1 */
		{ "2001:db8:0:0:0:0:2:1", "2001:db8::2:1" },        /* 4.2.1 */
		{ "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1" }, /* 4.2.2: not for one group */
		{ "2001:0:0:1:0:0:0:1", "2001:0:0:1::1" },          /* 4.2.3: the longest */
		{ "2001:DB8::ABCD", "2001:db8::abcd" },             /* 4.3 */
		{ "0:0:0:0:0:0:0:0", "::" },
		{ "0:0:0:0:0:0:0:1", "::1" },
		{ "1:0:0:0:0:0:0:0", "1::" },
		{ "0:0:3:4:5:6:7:8", "::3:4:5:6:7:8" },
		{ "1:2:3:4:5:6:0:0", "1:2:3:4:5:6::" },
		{ "0:2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8" },
		{ "1:2:3:4:5:6:7:0", "1:2:3:4:5:6:7:0" },
		{ "::102:304", "::102:304" },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
		{ "64:ff9b::192.0.2.33", "64:ff9b::c000:221" },
	};
	char buf[ADDR_STRLEN];
	struct addr a;
	size_t i;

	for (i = 0; i < COUNT(pairs); i++) {
		a = must_parse(pairs[i][0]);
		CU_ASSERT_STRING_EQUAL(addr_format(&a, buf), pairs[i][1]);
	}
}

static void
test_addr_round_trip(void)
{
	char buf[ADDR_STRLEN], ours[ADDR_PORT_STRLEN];
	uint64_t seed = 1, r;
	struct addr a, b;
	uint16_t port, p;
	unsigned int i, k;

	for (i = 0; i < 20000; i++) {
		a.q[0] = test_random(&seed);
		a.q[1] = test_random(&seed);
		r = test_random(&seed);
		for (k = 0; k < 8; k++) /* many zero groups */
			if (r >> k & 1)
				a.b[2 * k] = a.b[2 * k + 1] = 0;
		if (r >> 8 & 1)
			a = addr_from_v4(a.w[3]);
		CU_ASSERT_EQUAL_FATAL(addr_parse(addr_format(&a, buf), &b), 0);
		CU_ASSERT_TRUE(addr_equal(&a, &b));
		port = (uint16_t)(r >> 16);
		CU_ASSERT_EQUAL_FATAL(addr_port_parse(addr_port_format(&a, port, ours), &b, &p), 0);
		CU_ASSERT_TRUE(addr_equal(&a, &b) && p == port);
	}
}

static void
test_addr_order(void)
{
	static const char *const sorted[] = { "::",          "::1",      "0.0.0.0",   "9.255.0.1",
					      "10.0.0.0",    "10.0.0.1", "192.0.2.1", "2001:db8::",
					      "2001:db8::1", "ff02::1" };
	struct addr a, b;
	size_t i, k;
	int c;

	for (i = 0; i < COUNT(sorted); i++) {
		for (k = 0; k < COUNT(sorted); k++) {
			a = must_parse(sorted[i]);
			b = must_parse(sorted[k]);
			c = addr_compare(&a, &b);
			CU_ASSERT_EQUAL((c > 0) - (c < 0), (i > k) - (i < k));
		}
	}
}

static void
test_addr_mask(void)
{
	uint64_t seed = 2;
	struct addr a, m;
	unsigned int len, bit, want, got;

	a.q[0] = test_random(&seed);
	a.q[1] = test_random(&seed);
	for (len = 0; len <= 128; len++) {
		m = addr_mask(&a, len);
		for (bit = 0; bit < 128; bit++) {
			want = bit < len ? a.b[bit / 8] >> (7 - bit % 8) & 1 : 0;
			got = m.b[bit / 8] >> (7 - bit % 8) & 1;
			CU_ASSERT_EQUAL(got, want);
		}
	}
}

static void
test_addr_martian(void)
{
	static const char *const bad[] = { "0.0.0.0",     "0.1.2.3",         "127.0.0.1",
					   "127.255.1.1", "224.0.0.1",       "239.255.255.255",
					   "240.0.0.1",   "255.255.255.255", "::",
					   "::1",         "ff02::1",         "ff0e::1:2" };
	static const char *const good[] = { "1.0.0.1",     "10.0.0.1",        "126.255.255.255",
					    "128.0.0.1",   "223.255.255.255", "::2",
					    "2001:db8::1", "fe80::1",         "fd00::1",
					    "1::" };
	struct addr a;
	size_t i;

	for (i = 0; i < COUNT(bad); i++) {
		a = must_parse(bad[i]);
		report(addr_is_martian(&a), bad[i]);
		CU_ASSERT_TRUE(addr_is_martian(&a));
	}
	for (i = 0; i < COUNT(good); i++) {
		a = must_parse(good[i]);
		report(!addr_is_martian(&a), good[i]);
		CU_ASSERT_FALSE(addr_is_martian(&a));
	}
}

static void
test_prefix_parse(void)
{
	static const struct {
		const char *text;
		int rc;
		unsigned int len;
		const char *out;
	} cases[] = {
		{ "192.0.2.0/24", 0, 120, "192.0.2.0/24" },
		{ "192.0.2.1", 0, 128, "192.0.2.1/32" },
		{ "192.0.2.1/32", 0, 128, "192.0.2.1/32" },
		{ "0.0.0.0/0", 0, 96, "0.0.0.0/0" },
		{ "128.0.0.0/1", 0, 97, "128.0.0.0/1" },
		{ "::/0", 0, 0, "::/0" },
		{ "2001:db8::/32", 0, 32, "2001:db8::/32" },
		{ "2001:db8::1", 0, 128, "2001:db8::1/128" },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff0/124", 0, 124,
		  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff0/124" },
		{ "192.0.2.1/24", -ERANGE, 120, "192.0.2.0/24" },
		{ "2001:db8::1/64", -ERANGE, 64, "2001:db8::/64" },
		{ "10.0.0.1/0", -ERANGE, 96, "0.0.0.0/0" },
		{ "10.2.0.300/24", -EINVAL, 0, NULL },
		{ "10.0.0.0/33", -EINVAL, 0, NULL },
		{ "2001:db8::/129", -EINVAL, 0, NULL },
		{ "10.0.0.0/", -EINVAL, 0, NULL },
		{ "/8", -EINVAL, 0, NULL },
		{ "", -EINVAL, 0, NULL },
		{ "10.0.0.0/-1", -EINVAL, 0, NULL },
		{ "10.0.0.0/+8", -EINVAL, 0, NULL },
		{ "10.0.0.0/ 8", -EINVAL, 0, NULL },
		{ "10.0.0.0/8 ", -EINVAL, 0, NULL },
		{ "10.0.0.0/08", -EINVAL, 0, NULL },
		{ "10.0.0.0/8/8", -EINVAL, 0, NULL },
		{ "10.0.0.0/255.0.0.0", -EINVAL, 0, NULL },
		{ "10.0.0.0/4294967304", -EINVAL, 0, NULL },
		{ "10/8", -EINVAL, 0, NULL },
		{ "::ffff:10.0.0.0/104", -EINVAL, 0, NULL },
	};
	char buf[PREFIX_STRLEN];
	struct prefix p;
	size_t i;
	int rc;

	for (i = 0; i < COUNT(cases); i++) {
		rc = prefix_parse(cases[i].text, &p);
		report(rc == cases[i].rc, cases[i].text);
		CU_ASSERT_EQUAL(rc, cases[i].rc);
		if (!cases[i].out)
			continue;
		CU_ASSERT_EQUAL(p.len, cases[i].len);
		CU_ASSERT_STRING_EQUAL(prefix_format(&p, buf), cases[i].out);
	}
}

static void
test_prefix_interface(void)
{
	char buf[PREFIX_STRLEN];
	struct prefix net;
	struct addr a;

	CU_ASSERT_EQUAL(prefix_parse_interface("198.51.100.2/24", &a, &net), 0);
	CU_ASSERT_STRING_EQUAL(addr_format(&a, buf), "198.51.100.2");
	CU_ASSERT_STRING_EQUAL(prefix_format(&net, buf), "198.51.100.0/24");
	CU_ASSERT_EQUAL(prefix_parse_interface("2001:db8:1::2/64", &a, &net), 0);
	CU_ASSERT_STRING_EQUAL(addr_format(&a, buf), "2001:db8:1::2");
	CU_ASSERT_STRING_EQUAL(prefix_format(&net, buf), "2001:db8:1::/64");
	CU_ASSERT_EQUAL(prefix_parse_interface("198.51.100.2", &a, &net), -EINVAL);
	CU_ASSERT_EQUAL(prefix_parse_interface("198.51.100.2/", &a, &net), -EINVAL);
	CU_ASSERT_EQUAL(prefix_parse_interface("198.51.100.2/33", &a, &net), -EINVAL);
	CU_ASSERT_EQUAL(prefix_parse_interface("x/24", &a, &net), -EINVAL);
}

static void
test_prefix_contains(void)
{
	static const struct {
		const char *prefix, *addr;
		bool in;
	} cases[] = {
		{ "10.0.0.0/8", "10.255.255.255", true },
		{ "10.0.0.0/8", "11.0.0.0", false },
		{ "10.0.0.0/8", "9.255.255.255", false },
		{ "192.0.2.1", "192.0.2.1", true },
		{ "192.0.2.1", "192.0.2.0", false },
		{ "0.0.0.0/0", "255.1.2.3", true },
		{ "0.0.0.0/0", "2001:db8::1", false },
		{ "::/0", "2001:db8::1", true },
		{ "::/0", "192.0.2.1", false },
		{ "::/64", "192.0.2.1", false },
		{ "::/64", "::1", true },
		{ "10.128.0.0/9", "10.127.0.1", false },
		{ "2001:db8::/33", "2001:db8:7fff::", true },
		{ "2001:db8::/33", "2001:db8:8000::", false },
	};
	struct prefix p;
	struct addr a;
	size_t i;

	for (i = 0; i < COUNT(cases); i++) {
		CU_ASSERT_EQUAL_FATAL(prefix_parse(cases[i].prefix, &p), 0);
		a = must_parse(cases[i].addr);
		report(prefix_contains(&p, &a) == cases[i].in, cases[i].prefix);
		CU_ASSERT_EQUAL(prefix_contains(&p, &a), cases[i].in);
	}
}

static void
test_addr_port(void)
{
	static const char *const bad[] = {
		"",
		"192.0.2.1",
		"192.0.2.1:",
		"192.0.2.1:65536",
		"192.0.2.1:-1",
		"192.0.2.1:+1",
		"192.0.2.1: 1",
		"192.0.2.1:80 ",
		"192.0.2.1:0x50",
		"192.0.2.1:080",
		"192.0.2.1:4294967376",
		"192.0.2.1:99999999999999999999",
		":80",
		"[]:80",
		"[:80",
		"]:80",
		"[192.0.2.1]:80",
		"2001:db8::1:80",
		"[2001:db8::1]",
		"[2001:db8::1]:",
		"[2001:db8::1]80",
		"2001:db8::1]:80",
		"[2001:db8::1:80",
		"[[2001:db8::1]]:80",
		"[2001:db8::1]x:80",
		"192.0.2.1:80:81",
		"host:80",
	};
	char buf[ADDR_PORT_STRLEN];
	uint16_t port = 1;
	struct addr a;
	size_t i;

	CU_ASSERT_EQUAL(addr_port_parse("192.0.2.1:8080", &a, &port), 0);
	CU_ASSERT_EQUAL(port, 8080);
	CU_ASSERT_STRING_EQUAL(addr_port_format(&a, port, buf), "192.0.2.1:8080");
	CU_ASSERT_EQUAL(addr_port_parse("[2001:db8::1]:65535", &a, &port), 0);
	CU_ASSERT_EQUAL(port, 65535);
	CU_ASSERT_STRING_EQUAL(addr_port_format(&a, port, buf), "[2001:db8::1]:65535");
	CU_ASSERT_EQUAL(addr_port_parse("192.0.2.1:0", &a, &port), 0);
	CU_ASSERT_EQUAL(port, 0);
	for (i = 0; i < COUNT(bad); i++) {
		report(addr_port_parse(bad[i], &a, &port) == -EINVAL, bad[i]);
		CU_ASSERT_EQUAL(addr_port_parse(bad[i], &a, &port), -EINVAL);
	}
}

static void
test_mac(void)
{
	static const char *const bad[] = { "",
					   "02:00:00:00:02",
					   "02:00:00:00:02:0b:01",
					   "02:00:00:00:02:0",
					   "02:00:00:00:02:0b:",
					   "02-00-00-00-02-0b",
					   "2:0:0:0:2:b",
					   "02:00:00:00:02:0g",
					   " 02:00:00:00:02:0b",
					   "02:00:00:00:02:0b ",
					   "0200.0000.020b",
					   "02:00:00:00:02:+b",
					   "02:" };
	static const uint8_t want[6] = { 0x02, 0x00, 0xfe, 0x10, 0xab, 0x0b };
	char buf[MAC_STRLEN];
	struct mac m;
	size_t i;

	CU_ASSERT_EQUAL(mac_parse("02:00:Fe:10:aB:0b", &m), 0);
	CU_ASSERT_EQUAL(memcmp(m.b, want, 6), 0);
	CU_ASSERT_STRING_EQUAL(mac_format(&m, buf), "02:00:fe:10:ab:0b");
	for (i = 0; i < COUNT(bad); i++) {
		report(mac_parse(bad[i], &m) == -EINVAL, bad[i]);
		CU_ASSERT_EQUAL(mac_parse(bad[i], &m), -EINVAL);
	}
}

/* Each value of a byte and of a group, in each place, as the C library has them. */
static void
test_addr_digits(void)
{
	char text[ADDR_STRLEN], want[INET6_ADDRSTRLEN];
	uint32_t value, place, wrong = 0;

	for (value = 0; value < 256; value++) {
		for (place = 0; place < 4; place++) {
			struct addr a = addr_from_v4(htonl(value << 8 * place));

			inet_ntop(AF_INET, a.b + 12, want, sizeof(want));
			wrong += strcmp(addr_format(&a, text), want) != 0;
		}
	}
	CU_ASSERT_EQUAL(wrong, 0);
	for (value = 0; value < 65536; value++) {
		struct addr a = { .b = { 0x20, 1 } };

		place = 1 + value % 7;
		a.b[2 * place] = (uint8_t)(value >> 8);
		a.b[2 * place + 1] = (uint8_t)value;
		inet_ntop(AF_INET6, a.b, want, sizeof(want));
		wrong += strcmp(addr_format(&a, text), want) != 0;
	}
	CU_ASSERT_EQUAL(wrong, 0);
}

int
test_addr_register(void)
{
	static CU_TestInfo tests[] = {
		{ "addresses as bytes", test_addr_bytes },
		{ "bad addresses", test_addr_bad },
		{ "text of RFC 5952", test_addr_format },
		{ "text and back", test_addr_round_trip },
		{ "text of every byte and group", test_addr_digits },
		{ "order", test_addr_order },
		{ "mask", test_addr_mask },
		{ "martians", test_addr_martian },
		{ "prefixes", test_prefix_parse },
		{ "interface addresses", test_prefix_interface },
		{ "membership", test_prefix_contains },
		{ "address and port", test_addr_port },
		{ "Ethernet addresses", test_mac },
		CU_TEST_INFO_NULL,
	};
	static CU_SuiteInfo suites[] = { { "addr", NULL, NULL, NULL, NULL, tests },
					 CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* lib/toeplitz: Microsoft's vectors, the definition bit by bit, and the spread of our own key. */
#include <CUnit/CUnit.h>
#include <arpa/inet.h>

#include "lib/toeplitz.h"
#include "tests/unit/suites.h"

#define ENTRIES 128u /* of a small indirection table */

struct vector {
	const char *src, *dst;
	uint16_t sport, dport;
	uint32_t addresses, ports, source; /* source: 0 where no figure is published */
};

static const struct vector vectors[] = {
	{ "66.9.149.187", "161.142.100.80", 2794, 1766, 0x323e8fc2, 0x51ccc178, 0x0e48b9de },
	{ "199.92.111.2", "65.69.140.83", 14230, 4739, 0xd718262a, 0xc626b0ea, 0x7c4061d0 },
	{ "24.19.198.95", "12.22.207.184", 12898, 38024, 0xd2d0a5de, 0x5c2b394a, 0 },
	{ "38.27.205.30", "209.142.163.6", 48228, 2217, 0x82989176, 0xafc7327f, 0 },
	{ "153.39.163.191", "202.188.127.2", 44251, 1303, 0x5d1809c5, 0x10e828a2, 0 },
	{ "3ffe:2501:200:1fff::7", "3ffe:2501:200:3::1", 2794, 1766, 0x2cc18cd5, 0x40207d3d, 0 },
	{ "3ffe:501:8::260:97ff:fe40:efab", "ff02::1", 14230, 4739, 0x0f0c461c, 0xdde51bbf, 0 },
	{ "3ffe:1900:4545:3:200:f8ff:fe21:67cf", "fe80::200:f8ff:fe21:67cf", 44251, 38024,
	  0x4b61e985, 0x02d1feef, 0 },
};

static void
test_toeplitz_vectors(void)
{
	struct toeplitz t;
	struct addr src, dst;
	uint8_t in[36];
	uint16_t ports[2];
	size_t i, len;

	toeplitz_init(&t, toeplitz_key_microsoft);
	CU_ASSERT_EQUAL(memcmp(t.key, toeplitz_key_microsoft, TOEPLITZ_KEY_LEN), 0);
	for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		const struct vector *v = &vectors[i];

		CU_ASSERT_EQUAL_FATAL(addr_parse(v->src, &src), 0);
		CU_ASSERT_EQUAL_FATAL(addr_parse(v->dst, &dst), 0);
		len = addr_is_v4(&src) ? 4 : 16;
		memcpy(in, src.b + 16 - len, len);
		memcpy(in + len, dst.b + 16 - len, len);
		ports[0] = htons(v->sport);
		ports[1] = htons(v->dport);
		memcpy(in + 2 * len, ports, 4);
		CU_ASSERT_EQUAL(toeplitz_hash(&t, in, 2 * len), v->addresses);
		CU_ASSERT_EQUAL(toeplitz_hash(&t, in, 2 * len + 4), v->ports);
		CU_ASSERT_EQUAL(toeplitz_hash(&t, in, len), toeplitz_addr(&t, &src));
		if (v->source)
			CU_ASSERT_EQUAL(toeplitz_addr(&t, &src), v->source);
	}
}

/* The definition: for each input bit that is set, the 32 key bits from there on. */
static uint32_t
naive_toeplitz(const uint8_t *key, const uint8_t *in, size_t len)
{
	uint32_t h = 0;
	size_t i, k;

	for (i = 0; i < 8 * len; i++) {
		if (!(in[i / 8] >> (7 - i % 8) & 1))
			continue;
		for (k = 0; k < 32; k++)
			if (key[(i + k) / 8] >> (7 - (i + k) % 8) & 1)
				h ^= 1u << (31 - k);
	}
	return h;
}

static void
test_toeplitz_definition(void)
{
	uint8_t in[64], key[TOEPLITZ_KEY_LEN];
	struct toeplitz t;
	uint64_t seed = 9;
	size_t i, k, len;

	for (i = 0; i < 20; i++) {
		for (k = 0; k < TOEPLITZ_KEY_LEN; k++)
			key[k] = (uint8_t)test_random(&seed);
		toeplitz_init(&t, key);
		for (len = 0; len <= TOEPLITZ_MAX_INPUT; len++) {
			for (k = 0; k < sizeof(in); k++)
				in[k] = (uint8_t)test_random(&seed);
			CU_ASSERT_EQUAL(toeplitz_hash(&t, in, len), naive_toeplitz(key, in, len));
		}
		/* What is too long is cut. */
		CU_ASSERT_EQUAL(toeplitz_hash(&t, in, 64), toeplitz_hash(&t, in, 36));
	}
}

/* Owners follow from the key: it is the same on every node and in every version. (The figures are
 * from another implementation.) */
static void
test_toeplitz_default(void)
{
	struct toeplitz t;
	struct addr a;

	toeplitz_init(&t, toeplitz_key_default);
	CU_ASSERT_EQUAL_FATAL(addr_parse("192.0.2.1", &a), 0);
	CU_ASSERT_EQUAL(toeplitz_addr(&t, &a), 0xdb3c4b10);
	CU_ASSERT_EQUAL_FATAL(addr_parse("2001:db8::1", &a), 0);
	CU_ASSERT_EQUAL(toeplitz_addr(&t, &a), 0x9bd665c1);
}

/* The sum over entries of (count - mean)^2 / mean for `n` clients: about 127 for random ones. */
static double
chi_square(const unsigned int count[ENTRIES], unsigned int n)
{
	double mean = (double)n / ENTRIES, sum = 0;
	unsigned int i;

	for (i = 0; i < ENTRIES; i++)
		sum += (count[i] - mean) * (count[i] - mean) / mean;
	return sum;
}

/* The clients base, base + step, ...: step is at bit `shift` of the 64 high or the 32 low bits. */
static double
spread(const struct toeplitz *t, const char *base, unsigned int shift, unsigned int n)
{
	unsigned int count[ENTRIES] = { 0 }, i;
	struct addr first, a;

	CU_ASSERT_EQUAL_FATAL(addr_parse(base, &first), 0);
	for (i = 0; i < n; i++) {
		a = first;
		if (addr_is_v4(&a))
			a.w[3] = htonl(ntohl(a.w[3]) + (i << shift));
		else
			a.q[0] =
			    __builtin_bswap64(__builtin_bswap64(a.q[0]) + ((uint64_t)i << shift));
		count[toeplitz_addr(t, &a) % ENTRIES]++;
	}
	return chi_square(count, n);
}

/* 128 entries have 127 degrees of freedom: a random spread is above 200 once in 25,000 times, and
 * ours should be better than random. */
static void
test_toeplitz_spread(void)
{
	static const unsigned int clients[] = { 256, 1000, 4096, 50000 };
	struct toeplitz t;
	unsigned int shift;
	size_t i;

	toeplitz_init(&t, toeplitz_key_default);
	for (i = 0; i < sizeof(clients) / sizeof(clients[0]); i++) {
		for (shift = 0; shift <= 8; shift++) {
			CU_ASSERT(spread(&t, "10.0.0.0", shift, clients[i]) < 200);
			CU_ASSERT(spread(&t, "198.51.100.77", shift, clients[i]) < 200);
		}
		for (shift = 0; shift <= 16; shift++) {
			CU_ASSERT(spread(&t, "2001:db8::", shift, clients[i]) < 200);
			CU_ASSERT(spread(&t, "2a02:8071:1234:77::1", shift, clients[i]) < 200);
		}
	}
}

/* What the key was made for: 256 neighbours, aligned, fall on each of 128 entries twice. */
static void
test_toeplitz_neighbours(void)
{
	struct toeplitz t;
	unsigned int shift;

	toeplitz_init(&t, toeplitz_key_default);
	for (shift = 0; shift <= 24; shift++)
		CU_ASSERT(spread(&t, "0.0.0.0", shift, 256) < 1e-9);
	for (shift = 0; shift <= 56; shift++)
		CU_ASSERT(spread(&t, "::", shift, 256) < 1e-9);
	CU_ASSERT(spread(&t, "203.0.113.0", 0, 256) < 1e-9);
}

int
test_toeplitz_register(void)
{
	static CU_TestInfo tests[] = {
		{ "Microsoft's vectors", test_toeplitz_vectors },
		{ "the definition", test_toeplitz_definition },
		{ "the default key", test_toeplitz_default },
		{ "spread of the default key", test_toeplitz_spread },
		{ "neighbours spread evenly", test_toeplitz_neighbours },
		CU_TEST_INFO_NULL,
	};
	static CU_SuiteInfo suites[] = { { "toeplitz", NULL, NULL, NULL, NULL, tests },
					 CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* lib/siphash: against the paper's algorithm written a second time, byte by byte, and against
 * values from a third implementation. */
#include <CUnit/CUnit.h>
#include <string.h>

#include "lib/siphash.h"
#include "tests/unit/suites.h"

/* Section 2.1 of the paper for any number of rounds, so that the same code can be held against the
 * paper's own vector, which is of SipHash-2-4 (appendix A). */
static uint64_t
naive_siphash(const uint8_t key[16], const uint8_t *in, size_t len, const unsigned int rounds[2])
{
	static const char constant[4][9] = { "somepseu", "dorandom", "lygenera", "tedbytes" };
	uint64_t v[4], m;
	size_t word, i;
	unsigned int r, n;

	for (i = 0; i < 4; i++) {
		v[i] = 0;
		for (n = 0; n < 8; n++)
			v[i] |= (uint64_t)(uint8_t)constant[i][n] << (56 - 8 * n);
		for (n = 0; n < 8; n++)
			v[i] ^= (uint64_t)key[i % 2 * 8 + n] << 8 * n;
	}
	/* Words 0..len/8 are the message; the one after them stands for finalization. */
	for (word = 0; word <= len / 8 + 1; word++) {
		m = 0;
		for (i = 8 * word; i < 8 * word + 8; i++) {
			if (i < len)
				m |= (uint64_t)in[i] << 8 * (i % 8);
			else if (i % 8 == 7)
				m |= (uint64_t)(len & 0xff) << 56;
		}
		if (word == len / 8 + 1) {
			v[2] ^= 0xff;
			m = 0;
		}
		v[3] ^= m;
		n = word == len / 8 + 1 ? rounds[1] : rounds[0];
		for (r = 0; r < n; r++) {
			v[0] += v[1];
			v[2] += v[3];
			v[1] = (v[1] << 13 | v[1] >> 51) ^ v[0];
			v[3] = (v[3] << 16 | v[3] >> 48) ^ v[2];
			v[0] = v[0] << 32 | v[0] >> 32;
			v[2] += v[1];
			v[0] += v[3];
			v[1] = (v[1] << 17 | v[1] >> 47) ^ v[2];
			v[3] = (v[3] << 21 | v[3] >> 43) ^ v[0];
			v[2] = v[2] << 32 | v[2] >> 32;
		}
		v[0] ^= m;
	}
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static uint64_t
word_of(const uint8_t *p)
{
	uint64_t x = 0;
	unsigned int i;

	for (i = 0; i < 8; i++)
		x |= (uint64_t)p[i] << 8 * i;
	return x;
}

static void
test_siphash_paper(void)
{
	static const unsigned int rounds24[2] = { 2, 4 };
	uint8_t bytes[16];
	unsigned int i;

	for (i = 0; i < 16; i++)
		bytes[i] = (uint8_t)i;
	/* Key 00..0f, message 00..0e: the vector of appendix A. It holds the reference. */
	CU_ASSERT_EQUAL(naive_siphash(bytes, bytes, 15, rounds24), 0xa129ca6149be45e5ULL);
}

static void
test_siphash_reference(void)
{
	static const unsigned int rounds13[2] = { 1, 3 };
	uint8_t key[16], in[300];
	struct siphash_key k;
	uint64_t seed = 8;
	unsigned int i, len, at;

	for (i = 0; i < 20000; i++) {
		for (len = 0; len < 16; len++)
			key[len] = (uint8_t)test_random(&seed);
		k.k0 = word_of(key);
		k.k1 = word_of(key + 8);
		at = (unsigned int)(test_random(&seed) % 8);
		len = i < 292 ? i : (unsigned int)(test_random(&seed) % 64);
		for (unsigned int b = 0; b < len; b++)
			in[at + b] = (uint8_t)test_random(&seed);
		CU_ASSERT_EQUAL(siphash13(&k, in + at, len),
				naive_siphash(key, in + at, len, rounds13));
	}
}

/* What CPython 3.11 says of bytes(range(1)), bytes(range(2)), ...: hash(), whose algorithm is
 * SipHash-1-3, with PYTHONHASHSEED=0, which is the key 0. */
static void
test_siphash_fixed(void)
{
	static const uint64_t want[] = { 0x68a914128e01e473ULL, 0x010bac45c41e3669ULL,
					 0x4d4c9a4a8ef6e0adULL, 0x7cc43f98813e4dbdULL,
					 0x5abe2169dff36275ULL, 0xe3c25f87624f1cdbULL,
					 0x2f098ab0c751325aULL, 0xead411e67ebe2eeaULL,
					 0x75927f9d95124362ULL, 0xaf9f77a65ab51a1dULL,
					 0xfe64ce8b6617fcffULL, 0xa6baf4fb0f9fe1c2ULL,
					 0xa0cf3211850f8e0dULL, 0x7f86049379fbfe67ULL,
					 0xf30eb725bb91c9eaULL, 0x8972188433a5c5b7ULL };
	const struct siphash_key k = { 0, 0 };
	uint8_t in[16];
	unsigned int i;

	for (i = 0; i < 16; i++) {
		in[i] = (uint8_t)i;
		CU_ASSERT_EQUAL(siphash13(&k, in, i + 1), want[i]);
	}
}

int
test_siphash_register(void)
{
	static CU_TestInfo tests[] = {
		{ "the paper's vector", test_siphash_paper },
		{ "against the reference", test_siphash_reference },
		{ "fixed values", test_siphash_fixed },
		CU_TEST_INFO_NULL,
	};
	static CU_SuiteInfo suites[] = { { "siphash", NULL, NULL, NULL, NULL, tests },
					 CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* lib/checksum: against a plain sum of 16-bit big-endian words, and incremental against whole. */
#include <CUnit/CUnit.h>
#include <arpa/inet.h>

#include "lib/checksum.h"
#include "tests/unit/suites.h"

/* RFC 1071 by the letter: big-endian words, carries added at each step. */
static uint16_t
naive_sum(uint16_t sum, const uint8_t *p, size_t len)
{
	uint32_t s = sum;
	size_t i;

	for (i = 0; i < len; i++) {
		s += i % 2 ? p[i] : (uint32_t)p[i] << 8;
		s = (s & 0xffff) + (s >> 16);
	}
	return (uint16_t)s;
}

static uint16_t
naive_checksum(const uint8_t *p, size_t len)
{
	return htons((uint16_t)~naive_sum(0, p, len));
}

/* Bytes as they are in packets: random, or mostly 00 or ff, where carries and zeros go wrong. */
static void
fill_bytes(uint8_t *p, size_t len, uint64_t *seed)
{
	uint64_t kind = test_random(seed) % 4, r;
	size_t i;

	for (i = 0; i < len; i++) {
		r = test_random(seed);
		p[i] = (uint8_t)r;
		if (kind < 2 && (r >> 8) % 8)
			p[i] = kind ? 0xff : 0x00;
	}
}

static void
test_checksum_known(void)
{
	/* RFC 1071, 3: the example's sum is ddf2. */
	static const uint8_t rfc[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };
	/* An IPv4 header whose checksum, b861, is well known. */
	static const uint8_t header[] = { 0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40,
					  0x00, 0x40, 0x11, 0x00, 0x00, 0xc0, 0xa8,
					  0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7 };
	static const uint8_t zeros[20];

	CU_ASSERT_EQUAL(csum_compute(rfc, sizeof(rfc)), htons((uint16_t)~0xddf2u));
	CU_ASSERT_EQUAL(csum_compute(header, sizeof(header)), htons(0xb861));
	CU_ASSERT_EQUAL(csum_compute(zeros, sizeof(zeros)), 0xffff);
	CU_ASSERT_EQUAL(csum_compute(zeros, 0), 0xffff);
}

static void
test_checksum_lengths(void)
{
	uint8_t bytes[9100];
	uint64_t seed = 3;
	size_t i, at, len;

	for (i = 0; i < 20000; i++) {
		at = test_random(&seed) % 16;
		len = i < 10000 ? i % 100 : test_random(&seed) % 300;
		if (i < 10)
			len = 9000 + i;
		fill_bytes(bytes + at, len, &seed);
		CU_ASSERT_EQUAL(csum_compute(bytes + at, len), naive_checksum(bytes + at, len));
		CU_ASSERT_EQUAL(csum_fold(csum_add_bytes_plain(i, bytes + at, len)),
				csum_fold(csum_add_bytes(i, bytes + at, len)));
	}
}

static void
test_checksum_fold(void)
{
	uint64_t seed = 4, sum;
	unsigned int i;

	CU_ASSERT_EQUAL(csum_fold(0), 0);
	CU_ASSERT_EQUAL(csum_fold(0xffff), 0xffff);
	CU_ASSERT_EQUAL(csum_fold(0x10000), 1);
	CU_ASSERT_EQUAL(csum_fold(0xffffffffULL), 0xffff);
	CU_ASSERT_EQUAL(csum_fold(UINT64_MAX), 0xffff);
	for (i = 0; i < 20000; i++) {
		sum = test_random(&seed) >> test_random(&seed) % 64;
		/* Congruent modulo 0xffff, and 0 only for 0. */
		CU_ASSERT_EQUAL(csum_fold(sum) % 0xffff, sum % 0xffff);
		CU_ASSERT_EQUAL(csum_fold(sum) == 0, sum == 0);
	}
}

static void
test_checksum_pseudo(void)
{
	uint8_t wire[40] = { 0 };
	struct addr a, b;
	uint64_t seed = 5;
	uint32_t len;
	unsigned int i;
	uint8_t proto;

	for (i = 0; i < 20000; i++) {
		fill_bytes(a.b, 16, &seed);
		fill_bytes(b.b, 16, &seed);
		proto = (uint8_t)test_random(&seed);
		len = (uint32_t)test_random(&seed);
		if (i % 2) {
			a = addr_from_v4(a.w[3]);
			b = addr_from_v4(b.w[3]);
			len &= 0xffff;
			memcpy(wire, &a.b[12], 4);
			memcpy(wire + 4, &b.b[12], 4);
			wire[8] = 0;
			wire[9] = proto;
			wire[10] = (uint8_t)(len >> 8);
			wire[11] = (uint8_t)len;
			CU_ASSERT_EQUAL(csum_fold(csum_pseudo(&a, &b, proto, len)),
					htons(naive_sum(0, wire, 12)));
			continue;
		}
		a.b[0] = b.b[0] = 0x20;
		memcpy(wire, a.b, 16);
		memcpy(wire + 16, b.b, 16);
		len = htonl(len);
		memcpy(wire + 32, &len, 4);
		memset(wire + 36, 0, 3);
		wire[39] = proto;
		CU_ASSERT_EQUAL(csum_fold(csum_pseudo(&a, &b, proto, ntohl(len))),
				htons(naive_sum(0, wire, 40)));
	}
}

/* Replace some 16-bit words of a message and update its field; a receiver's view is the judge. */
static void
test_checksum_update(void)
{
	uint8_t m[64], before[64];
	uint64_t seed = 6, old, new;
	uint16_t field, updated;
	size_t at, len, i;

	for (i = 0; i < 200000; i++) {
		fill_bytes(m, sizeof(m), &seed);
		memset(m, 0, 2);
		m[2] |= 1; /* a packet is never all zeros */
		at = 4 + test_random(&seed) % 20 * 2;
		len = 2 + test_random(&seed) % 10 * 2;
		memcpy(before, m, sizeof(m));
		field = csum_compute(m, sizeof(m));
		fill_bytes(m + at, len, &seed);
		old = csum_add_bytes(0, before + at, len);
		new = csum_add_bytes(0, m + at, len);
		updated = csum_update(field, old, new);
		CU_ASSERT_EQUAL(updated, csum_compute(m, sizeof(m)));
		/* And back. */
		CU_ASSERT_EQUAL(csum_update(updated, new, old), field);
	}
}

/* The cases at which RFC 1141 went wrong (RFC 1624, 3 and 4). */
static void
test_checksum_zeros(void)
{
	uint8_t m[6] = { 0 };
	uint16_t w, field;
	uint32_t old, new;

	/* RFC 1624, 4: field dd2f, 5555 becomes 3285: 0000, and not ffff. */
	CU_ASSERT_EQUAL(csum_update(htons(0xdd2f), htons(0x5555), htons(0x3285)), 0x0000);
	CU_ASSERT_EQUAL(csum_update(0x0000, htons(0x3285), htons(0x5555)), htons(0xdd2f));
	/* No change changes nothing, whatever the field. */
	for (w = 0; w < 0xffff; w++) {
		CU_ASSERT_EQUAL(csum_update(w, 0x1234, 0x1234), w);
		CU_ASSERT_EQUAL(csum_update(w, 0, 0), w);
	}
	/* A field of zero, and words to and from 0000 and ffff. */
	for (old = 0; old <= 0xffff; old += 0x1111) {
		for (new = 0; new <= 0xffff; new += 0x1111) {
			memset(m, 0, sizeof(m));
			m[3] = 0x01;
			m[4] = (uint8_t)(old >> 8);
			m[5] = (uint8_t)old;
			field = csum_compute(m, sizeof(m));
			m[4] = (uint8_t)(new >> 8);
			m[5] = (uint8_t) new;
			CU_ASSERT_EQUAL(
			    csum_update(field, htons((uint16_t)old), htons((uint16_t) new)),
			    csum_compute(m, sizeof(m)));
		}
	}
}

static void
test_checksum_addresses(void)
{
	struct addr a, b;
	uint64_t seed = 7;
	uint16_t field, whole;
	uint8_t m[20] = { 1 };
	unsigned int i, len;

	for (i = 0; i < 20000; i++) {
		fill_bytes(a.b, 16, &seed);
		fill_bytes(b.b, 16, &seed);
		a.b[0] = b.b[0] = 0x20;
		len = 16;
		if (i % 2) {
			a = addr_from_v4(a.w[3]);
			b = addr_from_v4(b.w[3]);
			len = 4;
		}
		memcpy(m + 4, a.b + 16 - len, len);
		field = csum_compute(m, 4 + len);
		memcpy(m + 4, b.b + 16 - len, len);
		whole = csum_compute(m, 4 + len);
		CU_ASSERT_EQUAL(csum_update(field, csum_addr(&a), csum_addr(&b)), whole);
	}
}

int
test_checksum_register(void)
{
	static CU_TestInfo tests[] = {
		{ "known sums", test_checksum_known },
		{ "all lengths and alignments", test_checksum_lengths },
		{ "fold", test_checksum_fold },
		{ "pseudo headers", test_checksum_pseudo },
		{ "incremental equals whole", test_checksum_update },
		{ "0000 and ffff", test_checksum_zeros },
		{ "addresses replaced", test_checksum_addresses },
		CU_TEST_INFO_NULL,
	};
	static CU_SuiteInfo suites[] = { { "checksum", NULL, NULL, NULL, NULL, tests },
					 CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}

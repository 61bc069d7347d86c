/* SPDX-License-Identifier: Apache-2.0 */
/* Initial sequence numbers, port order and SYN cookies, against a second implementation. */
#include <CUnit/CUnit.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "dp/tcp/cookie.h"
#include "dp/tcp/cookie_memory.h"
#include "dp/tcp/isn.h"
#include "tests/unit/suites.h"
#include "tests/unit/vectors_tcp.h"

#define AGE 64000000000ull

static const struct siphash_key key = { 0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull };

static struct tuple
ends(const char *src, uint16_t sport, const char *dst, uint16_t dport)
{
	struct tuple t = { .sport = htons(sport), .dport = htons(dport), .proto = IPPROTO_TCP };

	if (addr_parse(src, &t.src) || addr_parse(dst, &t.dst))
		abort();
	return t;
}

static void
test_isn(void)
{
	size_t i;

	for (i = 0; i < sizeof(isn_vectors) / sizeof(isn_vectors[0]); i++) {
		const struct isn_vector *v = &isn_vectors[i];
		struct tuple t = ends(v->src, v->sport, v->dst, v->dport);

		CU_ASSERT_EQUAL(isn_make(&key, &t, v->now), v->isn);
		CU_ASSERT_EQUAL(isn_timestamp_offset(&key, &t), v->offset);
	}
}

/* RFC 6528 3: for the same ends it goes on by 250,000 a second, for others it is elsewhere. */
static void
test_isn_in_time(void)
{
	struct tuple a = ends("192.0.2.1", 1, "192.0.2.2", 2);
	struct tuple b = ends("192.0.2.1", 3, "192.0.2.2", 2);
	uint32_t first = isn_make(&key, &a, 1000000000ull);

	CU_ASSERT_EQUAL(isn_make(&key, &a, 2000000000ull) - first, 250000);
	CU_ASSERT_NOT_EQUAL(isn_make(&key, &b, 1000000000ull), first);
	/* Timestamps of two connections of the same addresses are of one clock. */
	CU_ASSERT_EQUAL(isn_timestamp_offset(&key, &a), isn_timestamp_offset(&key, &b));
	CU_ASSERT_EQUAL(timestamp_at(5000000, 7), 12);
	CU_ASSERT_EQUAL(timestamp_at(5999999, UINT32_MAX), 4);
}

static struct cookie_options
options_of(const struct cookie_vector *v)
{
	return (struct cookie_options){
		.mss = v->mss,
		.timestamps = v->timestamps,
		.sack = v->sack,
		.ecn = v->ecn,
		.scaled = v->scale != 15,
		.window_scale = v->scale,
	};
}

static void
check_back(const struct cookie_vector *v, const struct cookie_options *got)
{
	CU_ASSERT_EQUAL(got->mss, v->mss_back);
	CU_ASSERT_EQUAL(got->timestamps, v->timestamps);
	if (!v->timestamps) {
		CU_ASSERT_FALSE(got->sack || got->ecn || got->scaled);
		return;
	}
	CU_ASSERT_EQUAL(got->sack, v->sack);
	CU_ASSERT_EQUAL(got->ecn, v->ecn);
	CU_ASSERT_EQUAL(got->scaled, v->scale != 15);
	if (got->scaled)
		CU_ASSERT_EQUAL(got->window_scale, v->scale);
}

static void
test_cookie_layout(void)
{
	size_t i;

	for (i = 0; i < sizeof(cookie_vectors) / sizeof(cookie_vectors[0]); i++) {
		const struct cookie_vector *v = &cookie_vectors[i];
		struct tuple t = ends(v->src, v->sport, v->dst, v->dport);
		struct cookie_ends e = { &t, v->peer_isn };
		struct cookie_options o = options_of(v), back;
		struct cookie_answer a = { .cookie = cookie_make(&key, &e, &o, v->now),
					   .timestamps = v->timestamps,
					   .tsecr = cookie_timestamp(&o, 123456789) };

		CU_ASSERT_EQUAL(a.cookie, v->cookie);
		CU_ASSERT_EQUAL(cookie_mss(v->mss), v->mss_back);
		CU_ASSERT_TRUE(cookie_check(&key, &e, &a, v->now, &back));
		check_back(v, &back);
	}
}

/* Good until the end of the next 64 s, and no longer; not before it was made. */
static void
test_cookie_age(void)
{
	struct tuple t = ends("192.0.2.1", 1, "192.0.2.2", 2);
	struct cookie_ends e = { &t, 99 };
	struct cookie_options o = { .mss = 1460 }, back;
	struct cookie_answer a = { .cookie = cookie_make(&key, &e, &o, 10 * AGE) };

	CU_ASSERT_TRUE(cookie_check(&key, &e, &a, 10 * AGE, &back));
	CU_ASSERT_TRUE(cookie_check(&key, &e, &a, 12 * AGE - 1, &back));
	CU_ASSERT_FALSE(cookie_check(&key, &e, &a, 12 * AGE, &back));
	CU_ASSERT_FALSE(cookie_check(&key, &e, &a, 14 * AGE, &back));
	CU_ASSERT_FALSE(cookie_check(&key, &e, &a, 10 * AGE - 1, &back));
	/* In the first period there is none before. */
	a.cookie = cookie_make(&key, &e, &o, 5);
	CU_ASSERT_TRUE(cookie_check(&key, &e, &a, 5, &back));
}

/* Any bit of anything: refused. */
static void
test_cookie_forged(void)
{
	struct tuple t = ends("2001:db8::1", 1, "2001:db8::2", 2), other;
	struct cookie_ends e = { &t, 0x12345678 }, forged_ends;
	struct cookie_options o = { .mss = 1400,
				    .timestamps = true,
				    .sack = true,
				    .scaled = true,
				    .window_scale = 9 },
			      back;
	struct cookie_answer a = { .cookie = cookie_make(&key, &e, &o, 3 * AGE),
				   .timestamps = true,
				   .tsecr = cookie_timestamp(&o, 0xffffffe0) };
	struct cookie_answer forged;
	uint64_t seed = 4987;
	unsigned int i, passed = 0;

	CU_ASSERT_TRUE(cookie_check(&key, &e, &a, 3 * AGE, &back));
	for (i = 0; i < 32; i++) {
		forged = a;
		forged.cookie ^= 1u << i;
		CU_ASSERT_FALSE(cookie_check(&key, &e, &forged, 3 * AGE, &back));
		forged = a;
		forged.tsecr ^= 1u << i;
		CU_ASSERT_EQUAL(cookie_check(&key, &e, &forged, 3 * AGE, &back), i >= 6);
		forged_ends = e;
		forged_ends.peer_isn ^= 1u << i;
		CU_ASSERT_FALSE(cookie_check(&key, &forged_ends, &a, 3 * AGE, &back));
	}
	forged = a;
	forged.timestamps = false;
	CU_ASSERT_FALSE(cookie_check(&key, &e, &forged, 3 * AGE, &back));
	other = t;
	other.sport ^= 1;
	forged_ends = (struct cookie_ends){ &other, e.peer_isn };
	CU_ASSERT_FALSE(cookie_check(&key, &forged_ends, &a, 3 * AGE, &back));
	/* A million guesses: one in 2^27 of them hits. */
	for (i = 0; i < 1000000; i++) {
		forged.cookie = (uint32_t)test_random(&seed);
		passed += cookie_check(&key, &e, &forged, 3 * AGE, &back);
	}
	CU_ASSERT(passed <= 1);
}

/* Never later than the clock, so that PAWS at the peer does not refuse what follows. */
static void
test_cookie_timestamp(void)
{
	uint64_t seed = 7323;
	unsigned int i;

	for (i = 0; i < 20000; i++) {
		uint32_t clock = (uint32_t)test_random(&seed), t;
		struct cookie_options o = { .mss = 1460,
					    .timestamps = true,
					    .sack = i & 1,
					    .ecn = i & 2,
					    .scaled = i & 4,
					    .window_scale = (uint8_t)(i / 8 % 15) };

		if (i < 100)
			clock = i;
		t = cookie_timestamp(&o, clock);
		CU_ASSERT((int32_t)(clock - t) >= 0 && clock - t <= 127);
		CU_ASSERT_EQUAL(t >> 4 & 1, i & 1);
		CU_ASSERT_EQUAL(t >> 5 & 1, i >> 1 & 1);
		CU_ASSERT_EQUAL(t & 15, i & 4 ? i / 8 % 15 : 15);
		o.timestamps = false;
		CU_ASSERT_EQUAL(cookie_timestamp(&o, clock), clock);
	}
	for (i = 48; i <= 65535; i++)
		CU_ASSERT(cookie_mss((uint16_t)i) <= i);
}

#define REMEMBERED 4096

/* The latest are known, none that was not there is, and what makes room is the oldest. */
static void
test_cookie_memory(void)
{
	struct cookie_memory m;
	void *memory = calloc(1, cookie_memory_size(REMEMBERED));
	uint64_t seed = 4987, hash, known = 0;
	uint32_t i;

	CU_ASSERT_EQUAL(cookie_memory_size(REMEMBERED), REMEMBERED * 8);
	CU_ASSERT_EQUAL(cookie_memory_size(0), COOKIE_BUCKET * 8);
	cookie_memory_init(&m, REMEMBERED, memory);
	for (i = 0; i < 8 * REMEMBERED; i++) {
		hash = test_random(&seed);
		CU_ASSERT_FALSE(cookie_memory_has(&m, hash, i));
		cookie_memory_add(&m, hash, i);
		CU_ASSERT_TRUE(cookie_memory_has(&m, hash, i));
		CU_ASSERT_FALSE(cookie_memory_has(&m, hash, i + 1));
		CU_ASSERT_FALSE(cookie_memory_has(&m, hash ^ 1ull << 40, i));
	}
	for (i = 0, seed = 4987; i < 8 * REMEMBERED; i++) {
		hash = test_random(&seed);
		known += cookie_memory_has(&m, hash, i);
		if (i < 2 * REMEMBERED)
			CU_ASSERT_FALSE(cookie_memory_has(&m, hash, i));
		if (i >= 8 * REMEMBERED - REMEMBERED / 8)
			CU_ASSERT_TRUE(cookie_memory_has(&m, hash, i));
	}
	CU_ASSERT_EQUAL(known, REMEMBERED);
	/* Of one client, the last eight. */
	for (i = 0; i < 20; i++)
		cookie_memory_add(&m, 77, i);
	for (i = 0; i < 20; i++)
		CU_ASSERT_EQUAL(cookie_memory_has(&m, 77, i), i >= 12);
	free(memory);
}

int
test_tcp_numbers_register(void)
{
	static CU_TestInfo tests[] = {
		{ "initial sequence numbers", test_isn },
		{ "initial sequence numbers in time", test_isn_in_time },
		{ "cookies: layout", test_cookie_layout },
		{ "cookies: age", test_cookie_age },
		{ "cookies: forged", test_cookie_forged },
		{ "cookies: timestamps", test_cookie_timestamp },
		{ "cookies: which were redeemed", test_cookie_memory },
		CU_TEST_INFO_NULL,
	};
	static CU_SuiteInfo suites[] = { { "tcp numbers", NULL, NULL, NULL, NULL, tests },
					 CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}

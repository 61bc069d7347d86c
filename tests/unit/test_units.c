/* SPDX-License-Identifier: Apache-2.0 */
/* lib/units: what is a rate, a duration, a size, and what is not; text and back. */
#include <CUnit/CUnit.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/units.h"
#include "tests/unit/suites.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SECOND       1000000000ULL

struct value_case {
	const char *text;
	int rc;
	uint64_t value;
};

static void
check_values(int (*parse)(const char *, uint64_t *), const struct value_case *c, size_t n)
{
	uint64_t v;
	size_t i;
	int rc;

	for (i = 0; i < n; i++) {
		v = 0;
		rc = parse(c[i].text, &v);
		if (rc != c[i].rc || (rc == 0 && v != c[i].value))
			printf("  for \"%s\":\n", c[i].text);
		CU_ASSERT_EQUAL(rc, c[i].rc);
		if (c[i].rc == 0)
			CU_ASSERT_EQUAL(v, c[i].value);
	}
}

static void
test_units_rate(void)
{
	static const struct {
		const char *text;
		uint64_t count, period;
	} cases[] = {
		{ "10k/s", 10000, SECOND },
		{ "5M/s", 5000000, SECOND },
		{ "100/m", 100, 60 * SECOND },
		{ "3/h", 3, 3600 * SECOND },
		{ "90/m", 90, 60 * SECOND },
		{ "2G/s", 2000000000, SECOND },
		{ "1.5M/s", 1500000, SECOND },
		{ "0.001k/s", 1, SECOND },
		{ "1.0/s", 1, SECOND },
		{ "1.000000000000000000000000/s", 1, SECOND },
		{ "0/s", 0, SECOND },
		{ "18446744073709551615/s", UINT64_MAX, SECOND },
		{ "18446744073.709551615G/h", UINT64_MAX, 3600 * SECOND },
	};
	struct rate r;
	size_t i;

	for (i = 0; i < COUNT(cases); i++) {
		CU_ASSERT_EQUAL_FATAL(rate_parse(cases[i].text, &r), 0);
		CU_ASSERT_EQUAL(r.count, cases[i].count);
		CU_ASSERT_EQUAL(r.period_ns, cases[i].period);
	}
}

static void
test_units_rate_bad(void)
{
	static const struct {
		const char *text;
		int rc;
	} cases[] = {
		{ "", -EINVAL },
		{ "10", -EINVAL }, /* a bare number */
		{ "10k", -EINVAL },
		{ "/s", -EINVAL },
		{ "k/s", -EINVAL },
		{ "10/", -EINVAL },
		{ "10/d", -EINVAL },
		{ "10/ms", -EINVAL },
		{ "10/s ", -EINVAL },
		{ " 10/s", -EINVAL },
		{ "10 /s", -EINVAL },
		{ "10/ s", -EINVAL },
		{ "10/ss", -EINVAL },
		{ "10/s/s", -EINVAL },
		{ "10//s", -EINVAL },
		{ "-10/s", -EINVAL },
		{ "+10/s", -EINVAL },
		{ "10K/s", -EINVAL },
		{ "10m/s", -EINVAL },
		{ "10kk/s", -EINVAL },
		{ "10kM/s", -EINVAL },
		{ "10T/s", -EINVAL },
		{ "0x10/s", -EINVAL },
		{ "1e3/s", -EINVAL },
		{ "1,5M/s", -EINVAL },
		{ ".5M/s", -EINVAL },
		{ "5.M/s", -EINVAL },
		{ "1.5.5M/s", -EINVAL },
		{ "0.5/s", -EINVAL }, /* not a whole number */
		{ "1.0005k/s", -EINVAL },
		{ "1.0000000000000000001G/s", -EINVAL },
		{ "1.00000000000000000000000000000000000000001G/s", -EINVAL },
		{ "18446744073709551616/s", -ERANGE },
		{ "99999999999999999999999999999999/s", -ERANGE },
		{ "18446744073.709551616G/s", -ERANGE },
		{ "18446744073709551615k/s", -ERANGE },
		{ "99999999999999999999999999999999x/s", -EINVAL },
	};
	struct rate r;
	size_t i;

	for (i = 0; i < COUNT(cases); i++) {
		if (rate_parse(cases[i].text, &r) != cases[i].rc)
			printf("  for \"%s\":\n", cases[i].text);
		CU_ASSERT_EQUAL(rate_parse(cases[i].text, &r), cases[i].rc);
	}
}

static void
test_units_duration(void)
{
	static const struct value_case cases[] = {
		{ "2s", 0, 2 * SECOND },
		{ "100ms", 0, SECOND / 10 },
		{ "15m", 0, 900 * SECOND },
		{ "1h", 0, 3600 * SECOND },
		{ "250us", 0, 250000 },
		{ "10ns", 0, 10 },
		{ "1.5s", 0, 3 * SECOND / 2 },
		{ "0.1h", 0, 360 * SECOND },
		{ "0s", 0, 0 },
		{ "1.000000001s", 0, SECOND + 1 },
		{ "18446744073709551615ns", 0, UINT64_MAX },
		{ "18446744073.709551615s", 0, UINT64_MAX },
		{ "5124095h", 0, 5124095ULL * 3600 * SECOND },
		{ "2", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
		{ "s", -EINVAL, 0 },
		{ "-1s", -EINVAL, 0 },
		{ "+1s", -EINVAL, 0 },
		{ "1 s", -EINVAL, 0 },
		{ "1s ", -EINVAL, 0 },
		{ " 1s", -EINVAL, 0 },
		{ "1S", -EINVAL, 0 },
		{ "1sec", -EINVAL, 0 },
		{ "1d", -EINVAL, 0 },
		{ "1m30s", -EINVAL, 0 },
		{ "1k", -EINVAL, 0 },
		{ "1s/s", -EINVAL, 0 },
		{ "1.5ns", -EINVAL, 0 },
		{ "1.0000000001s", -EINVAL, 0 },
		{ "1.s", -EINVAL, 0 },
		{ ".1s", -EINVAL, 0 },
		{ "0x1s", -EINVAL, 0 },
		{ "5124096h", -ERANGE, 0 },
		{ "18446744073709551616ns", -ERANGE, 0 },
		{ "18446744073.709551616s", -ERANGE, 0 },
		{ "18446744073709551615h", -ERANGE, 0 },
	};

	check_values(duration_parse, cases, COUNT(cases));
}

static void
test_units_size(void)
{
	static const struct value_case cases[] = {
		{ "2G", 0, 2ULL << 30 },
		{ "512M", 0, 512ULL << 20 },
		{ "64k", 0, 64 << 10 },
		{ "100B", 0, 100 },
		{ "1T", 0, 1ULL << 40 },
		{ "1.5k", 0, 1536 },
		{ "0.5G", 0, 512ULL << 20 },
		{ "0B", 0, 0 },
		{ "18446744073709551615B", 0, UINT64_MAX },
		{ "16777215T", 0, 16777215ULL << 40 },
		{ "2", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
		{ "G", -EINVAL, 0 },
		{ "-2G", -EINVAL, 0 },
		{ "2 G", -EINVAL, 0 },
		{ "2G ", -EINVAL, 0 },
		{ "2GB", -EINVAL, 0 },
		{ "2Gi", -EINVAL, 0 },
		{ "2g", -EINVAL, 0 },
		{ "2K", -EINVAL, 0 },
		{ "0.3k", -EINVAL, 0 }, /* 307.2 bytes */
		{ "0.5B", -EINVAL, 0 },
		{ "16777216T", -ERANGE, 0 },
		{ "18446744073709551616B", -ERANGE, 0 },
	};

	check_values(size_parse, cases, COUNT(cases));
}

static void
test_units_format(void)
{
	static const struct value_case durations[] = {
		{ "0s", 0, 0 },
		{ "1ns", 0, 1 },
		{ "999ns", 0, 999 },
		{ "100ms", 0, SECOND / 10 },
		{ "2s", 0, 2 * SECOND },
		{ "1.5s", 0, 3 * SECOND / 2 },
		{ "90s", 0, 90 * SECOND },
		{ "15m", 0, 900 * SECOND },
		{ "1h", 0, 3600 * SECOND },
		{ "90m", 0, 5400 * SECOND },
		{ "1.123456789h", 0, 4044444440400 },
		{ "250us", 0, 250000 },
	};
	static const struct value_case sizes[] = {
		{ "0B", 0, 0 },          { "100B", 0, 100 },       { "1k", 0, 1024 },
		{ "1025B", 0, 1025 },    { "1.5k", 0, 1536 },      { "2G", 0, 2ULL << 30 },
		{ "3T", 0, 3ULL << 40 }, { "512M", 0, 512 << 20 },
	};
	struct rate r = { 1500000, SECOND };
	char buf[UNITS_STRLEN];
	size_t i;

	for (i = 0; i < COUNT(durations); i++)
		CU_ASSERT_STRING_EQUAL(duration_format(durations[i].value, buf), durations[i].text);
	for (i = 0; i < COUNT(sizes); i++)
		CU_ASSERT_STRING_EQUAL(size_format(sizes[i].value, buf), sizes[i].text);
	CU_ASSERT_STRING_EQUAL(rate_format(&r, buf), "1.5M/s");
	r = (struct rate){ 10000, SECOND };
	CU_ASSERT_STRING_EQUAL(rate_format(&r, buf), "10k/s");
	r = (struct rate){ 90, 60 * SECOND };
	CU_ASSERT_STRING_EQUAL(rate_format(&r, buf), "90/m");
	r = (struct rate){ 0, 3600 * SECOND };
	CU_ASSERT_STRING_EQUAL(rate_format(&r, buf), "0/h");
	r = (struct rate){ 1234567, SECOND };
	CU_ASSERT_STRING_EQUAL(rate_format(&r, buf), "1234567/s");
}

static void
test_units_round_trip(void)
{
	static const uint64_t periods[] = { SECOND, 60 * SECOND, 3600 * SECOND };
	static const uint64_t units[] = { 1, 1000, 1024, 1000000, 1 << 20, SECOND, 60 * SECOND };
	char buf[UNITS_STRLEN];
	uint64_t seed = 24, v, back;
	struct rate r, s;
	unsigned int i;

	for (i = 0; i < 50000; i++) {
		v = i < 2 ? UINT64_MAX - i : test_random(&seed) >> test_random(&seed) % 64;
		if (i % 2)
			v = v % 100000 * units[test_random(&seed) % COUNT(units)];
		CU_ASSERT_EQUAL_FATAL(duration_parse(duration_format(v, buf), &back), 0);
		CU_ASSERT_EQUAL(back, v);
		CU_ASSERT_EQUAL_FATAL(size_parse(size_format(v, buf), &back), 0);
		CU_ASSERT_EQUAL(back, v);
		r = (struct rate){ v, periods[i % 3] };
		CU_ASSERT_EQUAL_FATAL(rate_parse(rate_format(&r, buf), &s), 0);
		CU_ASSERT(s.count == v && s.period_ns == r.period_ns);
	}
}

static void
test_units_count(void)
{
	static const struct value_case cases[] = {
		{ "0", 0, 0 },
		{ "999", 0, 999 },
		{ "9999", 0, 9999 },
		{ "10.0k", 0, 10000 },
		{ "12.3k", 0, 12345 },
		{ "99.9k", 0, 99949 },
		{ "100k", 0, 99951 },
		{ "999k", 0, 999499 },
		{ "1.00M", 0, 999500 },
		{ "4.56M", 0, 4560000 },
		{ "9.99M", 0, 9994000 },
		{ "10.0M", 0, 9996000 },
		{ "456M", 0, 456000000 },
		{ "1.00G", 0, 999999999 },
		{ "18.4E", 0, UINT64_MAX },
	};
	char buf[UNITS_STRLEN];
	size_t i;

	for (i = 0; i < COUNT(cases); i++)
		CU_ASSERT_STRING_EQUAL(count_format(cases[i].value, buf), cases[i].text);
}

int
test_units_register(void)
{
	static CU_TestInfo tests[] = {
		{ "rates", test_units_rate },
		{ "bad rates", test_units_rate_bad },
		{ "durations", test_units_duration },
		{ "sizes", test_units_size },
		{ "text", test_units_format },
		{ "text and back", test_units_round_trip },
		{ "counts for people", test_units_count },
		CU_TEST_INFO_NULL,
	};
	static CU_SuiteInfo suites[] = { { "units", NULL, NULL, NULL, NULL, tests },
					 CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}

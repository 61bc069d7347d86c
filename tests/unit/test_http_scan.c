/* SPDX-License-Identifier: Apache-2.0 */
/* The scans of the HTTP codec: the sets are what the RFCs say, and the ways of scanning agree. */
#include <CUnit/CUnit.h>
#include <stdlib.h>
#include <string.h>

#include "lib/http/scan.h"
#include "tests/unit/suites.h"

#define DIGITS  "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

static void
check_set(enum scan_set set, const char *members)
{
	int c;

	for (c = 0; c < 256; c++)
		CU_ASSERT_EQUAL(scan_in(set, (uint8_t)c), c != 0 && strchr(members, c) != NULL);
}

static void
test_sets(void)
{
	char query[128] = "", path[128] = "", segment[128] = "";
	char c, text[2] = "";

	for (c = 0x21; c < 0x7f; c++) {
		text[0] = c;
		if (!strchr("\"#<>", c))
			strcat(query, text);
		if (!strchr("\"#<>?\\", c))
			strcat(path, text);
		if (!strchr("\"#<>?\\/%", c))
			strcat(segment, text);
	}
	check_set(SCAN_TOKEN, "!#$%&'*+-.^_`|~" DIGITS LETTERS);
	check_set(SCAN_UNRESERVED, "-._~" DIGITS LETTERS);
	check_set(SCAN_NAME, "-" DIGITS LETTERS);
	check_set(SCAN_HOST, "-._~!$&'()*+,;=" DIGITS LETTERS);
	check_set(SCAN_QUERY, query);
	check_set(SCAN_PATH, path);
	check_set(SCAN_SEGMENT, segment);
	strcat(segment, "/");
	check_set(SCAN_NORMAL, segment);
}

/* All scans of these bytes, from each place to the end. */
static void
check_scans(const uint8_t *bytes, size_t len)
{
	enum scan_set set;
	size_t at;

	for (at = 0; at <= len; at++) {
		CU_ASSERT_EQUAL(scan_text(bytes, at, len), scan_text_plain(bytes, at, len));
		for (set = 0; set < SCAN_SETS; set++)
			CU_ASSERT_EQUAL(scan_set(set, bytes, at, len),
					scan_set_plain(set, bytes, at, len));
#ifdef __AVX2__
		/* What is built for a machine without AVX-512. */
		CU_ASSERT_EQUAL(scan_text_avx2(bytes, at, len), scan_text_plain(bytes, at, len));
		for (set = 0; set < SCAN_SETS; set++)
			CU_ASSERT_EQUAL(scan_set_avx2(set, bytes, at, len),
					scan_set_plain(set, bytes, at, len));
#endif
	}
}

/* Every byte at every place of buffers of some lengths, in a memory of just that length. */
static void
test_each_byte(void)
{
	static const size_t lengths[] = { 1,  3,  4,  5,  7,  8,  9,  12, 15, 16,
					  17, 24, 31, 32, 33, 63, 64, 65, 100 };
	size_t i, at;
	int c;

	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		size_t len = lengths[i];
		uint8_t *bytes = malloc(len);

		memset(bytes, 'a', len);
		for (c = 0; c < 256; c++) {
			at = (size_t)c * 7 % len;
			bytes[at] = (uint8_t)c;
			check_scans(bytes, len);
			bytes[at] = 'a';
		}
		for (at = 0; at < len; at++) {
			bytes[at] = '\n';
			CU_ASSERT_EQUAL(scan_text(bytes, 0, len), at);
			CU_ASSERT_EQUAL(scan_set(SCAN_PATH, bytes, 0, len), at);
			bytes[at] = 'a';
		}
		free(bytes);
	}
}

static void
test_random_bytes(void)
{
	uint64_t state = 0x5ca9;
	uint8_t bytes[200];
	int round;
	size_t i;

	for (round = 0; round < 300; round++) {
		size_t len = test_random(&state) % sizeof(bytes);

		for (i = 0; i < len; i++) {
			uint64_t r = test_random(&state);

			bytes[i] = (uint8_t)(r >> 8 & 31 ? 'A' + r % 26 : r >> 16);
		}
		check_scans(bytes, len);
	}
}

int
test_http_scan_register(void)
{
	CU_TestInfo tests[] = {
		{ "the sets", test_sets },
		{ "each byte", test_each_byte },
		{ "random bytes", test_random_bytes },
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = { { "http_scan", NULL, NULL, NULL, NULL, tests },
				  CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Options of TCP headers: bytes as RFC 9293, 7323 and 2018 draw them, and hostile ones. */
#include <CUnit/CUnit.h>
#include <stdlib.h>
#include <string.h>

#include "dp/tcp/options.h"
#include "tests/unit/suites.h"

/* Parse the text of bytes from a block of exactly that length, so that a sanitizer sees a read
 * behind it. */
static bool
parse(struct segment_options *o, const char *text, bool syn)
{
	size_t n = strlen(text) / 2, i;
	uint8_t *p = malloc(n ? n : 1);
	unsigned int byte;
	bool sound;

	for (i = 0; i < n; i++) {
		if (sscanf(text + 2 * i, "%2x", &byte) != 1)
			abort();
		p[i] = (uint8_t)byte;
	}
	memset(o, 0xee, sizeof(*o));
	sound = segment_options_parse(o, p, (uint32_t)n, syn);
	free(p);
	return sound;
}

/* What Linux sends with a SYN: MSS, SACK permitted, timestamps, NOP, window scale. */
static void
test_syn(void)
{
	struct segment_options o;

	CU_ASSERT_TRUE(parse(&o,
			     "020405b40402080a0102030400000000"
			     "01030307",
			     true));
	CU_ASSERT_EQUAL(o.flags, OPTION_MSS | OPTION_SACK_PERMITTED | OPTION_TIMESTAMPS |
				     OPTION_WINDOW_SCALE);
	CU_ASSERT_EQUAL(o.mss, 1460);
	CU_ASSERT_EQUAL(o.window_scale, 7);
	CU_ASSERT_EQUAL(o.tsval, 0x01020304);
	CU_ASSERT_EQUAL(o.tsecr, 0);
	CU_ASSERT_EQUAL(o.n_sack, 0);
	/* The same in another segment: only the timestamps count. */
	CU_ASSERT_TRUE(parse(&o,
			     "020405b40402080a0102030400000000"
			     "01030307",
			     false));
	CU_ASSERT_EQUAL(o.flags, OPTION_TIMESTAMPS);
	/* RFC 7323 2.3: a larger scale counts as 14. */
	CU_ASSERT_TRUE(parse(&o, "0103030f", true));
	CU_ASSERT_EQUAL(o.window_scale, 14);
	CU_ASSERT_TRUE(parse(&o, "010303ff", true));
	CU_ASSERT_EQUAL(o.window_scale, 14);
	CU_ASSERT_TRUE(parse(&o, "0103030e", true));
	CU_ASSERT_EQUAL(o.window_scale, 14);
}

static void
test_others(void)
{
	struct segment_options o;

	CU_ASSERT_TRUE(parse(&o, "", false));
	CU_ASSERT_EQUAL(o.flags, 0);
	CU_ASSERT_EQUAL(o.n_sack, 0);
	CU_ASSERT_TRUE(parse(&o, "0101080affffffff80000001", false));
	CU_ASSERT_EQUAL(o.flags, OPTION_TIMESTAMPS);
	CU_ASSERT_EQUAL(o.tsval, UINT32_MAX);
	CU_ASSERT_EQUAL(o.tsecr, 0x80000001);
	/* The same behind one another, not aligned. */
	CU_ASSERT_TRUE(parse(&o, "080affffffff80000001050a0000000100000009", false));
	CU_ASSERT_EQUAL(o.flags, OPTION_TIMESTAMPS);
	CU_ASSERT_EQUAL(o.n_sack, 1);
	CU_ASSERT_EQUAL(o.sack[0].left, 1);
	CU_ASSERT_EQUAL(o.sack[0].right, 9);
	/* Four blocks; unknown options are jumped over. */
	CU_ASSERT_TRUE(parse(&o,
			     "fd04abcd0522000000010000000200000003000000040000000500000006"
			     "0000000700000008",
			     false));
	CU_ASSERT_EQUAL(o.n_sack, 4);
	CU_ASSERT_EQUAL(o.sack[3].left, 7);
	CU_ASSERT_EQUAL(o.sack[3].right, 8);
	/* No SACK in a SYN. */
	CU_ASSERT_TRUE(parse(&o, "050a0000000100000009", true));
	CU_ASSERT_EQUAL(o.n_sack, 0);
	/* The end of the list: what follows is padding. */
	CU_ASSERT_TRUE(parse(&o, "0002040005b4ff", true));
	CU_ASSERT_EQUAL(o.flags, 0);
	/* The last of a kind counts. */
	CU_ASSERT_TRUE(parse(&o, "020405b402040200", true));
	CU_ASSERT_EQUAL(o.mss, 512);
}

/* RFC 9293 3.1, MUST-7: illegal lengths. */
static void
test_malformed(void)
{
	static const char *const bad[] = { "020405b40800",   "020405b408",     "020405b4080a0000",
					   "020405b4ff01",   "020405b40801",   "020405b402",
					   "020405b40204ff", "020405b405ff01", "020405b40101fe" };
	static const char *const ignored[] = {
		"02030500", "02050501ff", "02040000",           "030400ff",
		"0302",     "040300",     "0809000000000000ff", "080b0000000000000000ff"
	};
	static const char *const no_sack[] = { "0502", "05030a", "050900000001000000",
					       "050b000000010000000900" };
	struct segment_options o;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CU_ASSERT_FALSE(parse(&o, bad[i], true));
		CU_ASSERT_EQUAL(o.flags, OPTION_MSS);
		CU_ASSERT_EQUAL(o.mss, 1460);
	}
	for (i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++) {
		CU_ASSERT_TRUE(parse(&o, ignored[i], true));
		CU_ASSERT_EQUAL(o.flags, 0);
	}
	for (i = 0; i < sizeof(no_sack) / sizeof(no_sack[0]); i++) {
		CU_ASSERT_TRUE(parse(&o, no_sack[i], false));
		CU_ASSERT_EQUAL(o.n_sack, 0);
	}
}

/* Any bytes of any length: no read beyond them (under sanitizers), no value beyond its bounds. */
static void
test_random_bytes(void)
{
	uint64_t seed = 2018;
	struct segment_options o;
	unsigned int i, j, n;

	for (i = 0; i < 200000; i++) {
		uint8_t *p;

		n = (unsigned int)(test_random(&seed) % (OPTIONS_MAX + 1));
		p = malloc(n ? n : 1);
		for (j = 0; j < n; j++)
			p[j] = (uint8_t)(test_random(&seed) % (i % 2 ? 256 : 12));
		segment_options_parse(&o, p, n, i & 2);
		CU_ASSERT(o.n_sack <= SACK_BLOCKS_MAX);
		CU_ASSERT(!(o.flags & OPTION_MSS) || o.mss);
		CU_ASSERT(!(o.flags & OPTION_WINDOW_SCALE) || o.window_scale <= WINDOW_SCALE_MAX);
		free(p);
	}
}

static bool
same(const struct segment_options *a, const struct segment_options *b)
{
	return a->flags == b->flags && a->n_sack == b->n_sack &&
	       (!(a->flags & OPTION_MSS) || a->mss == b->mss) &&
	       (!(a->flags & OPTION_WINDOW_SCALE) || a->window_scale == b->window_scale) &&
	       (!(a->flags & OPTION_TIMESTAMPS) || (a->tsval == b->tsval && a->tsecr == b->tsecr));
}

/* What is usual is read at once, and so has to be what it would be with NOPs in front, which it is
 * not. Nearly usual counts too. */
static void
test_usual_syn(void)
{
	static const uint8_t usual[] = { 2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2,
					 3, 4, 0, 0,    0, 0, 1, 3,  3, 7 };
	uint8_t bytes[4 + sizeof(usual)] = { 1, 1, 1, 1 };
	struct segment_options quick, slow;
	uint64_t seed = 1323;
	unsigned int i, n;
	bool sound;

	for (i = 0; i < 100000; i++) {
		memcpy(bytes + 4, usual, sizeof(usual));
		for (n = i % 4; n; n--)
			bytes[4 + test_random(&seed) % sizeof(usual)] =
			    (uint8_t)(test_random(&seed) % (i & 4 ? 256 : 20));
		sound = segment_options_parse(&quick, bytes + 4, sizeof(usual), true);
		CU_ASSERT_EQUAL(segment_options_parse(&slow, bytes, sizeof(bytes), true), sound);
		CU_ASSERT(same(&quick, &slow));
	}
}

static void
build_as(const struct segment_options *o, const char *text)
{
	uint8_t out[OPTIONS_MAX];
	char got[2 * OPTIONS_MAX + 1] = "";
	uint32_t i, n = options_build(o, out);

	CU_ASSERT_EQUAL(n, options_length(o));
	CU_ASSERT_EQUAL(n % 4, 0);
	for (i = 0; i < n; i++)
		sprintf(got + 2 * i, "%02x", out[i]);
	CU_ASSERT_STRING_EQUAL(got, text);
}

static void
test_build(void)
{
	struct segment_options o = { .mss = 1460,
				     .window_scale = 7,
				     .tsval = 0x01020304,
				     .tsecr = 0x0a0b0c0d,
				     .sack = { { 1, 2 }, { 3, 4 }, { 5, 6 }, { 7, 8 } } };

	build_as(&o, "");
	o.flags = OPTION_MSS;
	build_as(&o, "020405b4");
	o.flags |= OPTION_SACK_PERMITTED;
	build_as(&o, "020405b401010402");
	o.flags |= OPTION_WINDOW_SCALE;
	build_as(&o, "020405b40101040201030307");
	o.flags |= OPTION_TIMESTAMPS;
	build_as(&o, "020405b40402080a010203040a0b0c0d01030307");
	o.flags = OPTION_TIMESTAMPS;
	build_as(&o, "0101080a010203040a0b0c0d");
	/* RFC 2018 3: with timestamps three blocks, else four. */
	o.n_sack = 4;
	build_as(&o, "0101080a010203040a0b0c0d0101051a000000010000000200000003000000040000000500000"
		     "006");
	o.flags = 0;
	build_as(&o, "010105220000000100000002000000030000000400000005000000060000000700000008");
	o.n_sack = 1;
	build_as(&o, "0101050a0000000100000002");
}

/* Read what was written: the same, for every set of options. */
static void
test_there_and_back(void)
{
	struct segment_options o, back;
	uint8_t out[OPTIONS_MAX];
	unsigned int flags, blocks, n;
	bool syn;

	for (flags = 0; flags < 16; flags++) {
		for (blocks = 0; blocks <= 4; blocks++) {
			o = (struct segment_options){ .flags = (uint8_t)flags,
						      .mss = 9000,
						      .window_scale = 3,
						      .tsval = 5,
						      .tsecr = 6,
						      .n_sack = (uint8_t)blocks };
			for (n = 0; n < blocks; n++)
				o.sack[n] = (struct sack_block){ 100 * n, 100 * n + 50 };
			syn = flags & ~(unsigned int)OPTION_TIMESTAMPS;
			if (syn && blocks)
				continue;
			n = options_build(&o, out);
			CU_ASSERT_TRUE(segment_options_parse(&back, out, n, syn));
			CU_ASSERT_EQUAL(back.flags, flags);
			CU_ASSERT(!(flags & OPTION_MSS) || back.mss == 9000);
			CU_ASSERT(!(flags & OPTION_WINDOW_SCALE) || back.window_scale == 3);
			CU_ASSERT(!(flags & OPTION_TIMESTAMPS) ||
				  (back.tsval == 5 && back.tsecr == 6));
			n = flags & OPTION_TIMESTAMPS && blocks > 3 ? 3 : blocks;
			CU_ASSERT_EQUAL(back.n_sack, n);
			CU_ASSERT_EQUAL(memcmp(back.sack, o.sack, n * sizeof(o.sack[0])), 0);
		}
	}
}

int
test_tcp_options_register(void)
{
	static CU_TestInfo tests[] = {
		{ "a SYN's", test_syn },
		{ "other segments'", test_others },
		{ "usual SYNs", test_usual_syn },
		{ "malformed", test_malformed },
		{ "random bytes", test_random_bytes },
		{ "built", test_build },
		{ "there and back", test_there_and_back },
		CU_TEST_INFO_NULL,
	};
	static CU_SuiteInfo suites[] = { { "tcp options", NULL, NULL, NULL, NULL, tests },
					 CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}

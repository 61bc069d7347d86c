/* SPDX-License-Identifier: Apache-2.0 */
/* Trace context: the cases of W3C's own test suite (w3c/trace-context, test/test.py), and shares.
 */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

#include "lib/http/trace_context.h"
#include "tests/unit/suites.h"

#define ID   "12345678901234567890123456789012"
#define SPAN "1234567890123456"

static bool
parse(const char *text, struct trace_parent *out)
{
	return trace_parent_parse(out, (const uint8_t *)text, strlen(text));
}

static void
test_parent(void)
{
	static const struct {
		const char *text;
		bool valid;
	} cases[] = {
		{ "00-" ID "-" SPAN "-01", true },
		{ "00-" ID "-" SPAN "-00", true },
		{ "00-" ID "-" SPAN "-ff", true },
		/* version */
		{ "cc-" ID "-" SPAN "-01", true },
		{ "cc-" ID "-" SPAN "-01-what-the-future-will-be-like", true },
		{ "cc-" ID "-" SPAN "-01.what-the-future-will-be-like", false },
		{ "cc-" ID "-" SPAN "-01-", true },
		{ "ff-" ID "-" SPAN "-01", false },
		{ ".0-" ID "-" SPAN "-01", false },
		{ "0.-" ID "-" SPAN "-01", false },
		{ "000-" ID "-" SPAN "-01", false },
		{ "0000-" ID "-" SPAN "-01", false },
		{ "0-" ID "-" SPAN "-01", false },
		{ "00-" ID "-" SPAN "-01-", false },
		{ "00-" ID "-" SPAN "-01-what-the-future-will-be-like", false },
		/* trace id */
		{ "00-00000000000000000000000000000000-" SPAN "-01", false },
		{ "00-.2345678901234567890123456789012-" SPAN "-01", false },
		{ "00-1234567890123456789012345678901.-" SPAN "-01", false },
		{ "00-1234567890123456789012345678901A-" SPAN "-01", false },
		{ "00-123456789012345678901234567890123-" SPAN "-01", false },
		{ "00-1234567890123456789012345678901-" SPAN "-01", false },
		/* parent id */
		{ "00-" ID "-0000000000000000-01", false },
		{ "00-" ID "-.234567890123456-01", false },
		{ "00-" ID "-123456789012345.-01", false },
		{ "00-" ID "-12345678901234567-01", false },
		{ "00-" ID "-123456789012345-01", false },
		/* flags */
		{ "00-" ID "-" SPAN "-.0", false },
		{ "00-" ID "-" SPAN "-0.", false },
		{ "00-" ID "-" SPAN "-001", false },
		{ "00-" ID "-" SPAN "-1", false },
		{ "00-" ID "-" SPAN "-0A", false },
		{ "", false },
		{ "-", false },
	};
	struct trace_parent p;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool valid = parse(cases[i].text, &p);

		if (valid != cases[i].valid)
			printf("\n%s\n", cases[i].text);
		CU_ASSERT_EQUAL(valid, cases[i].valid);
		if (valid) {
			CU_ASSERT_EQUAL(p.trace_id[0], 0x12);
			CU_ASSERT_EQUAL(p.trace_id[15], 0x12);
			CU_ASSERT_EQUAL(p.span_id[7], 0x56);
		}
	}
}

static void
test_written(void)
{
	static const char text[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
	uint8_t out[TRACE_PARENT_SIZE];
	struct trace_parent p;

	CU_ASSERT(parse(text, &p));
	p.flags = 0xff;
	trace_parent_write(&p, out);
	CU_ASSERT_EQUAL(memcmp(out, text, sizeof(out)), 0);
	p.flags = 0;
	trace_parent_write(&p, out);
	CU_ASSERT_EQUAL(memcmp(out, text, sizeof(out) - 1), 0);
	CU_ASSERT_EQUAL(out[54], '0');
}

/* `text` has fields with line ends between them; NULL: refused. */
static void
check_state(const char *text, const char *wanted)
{
	struct trace_text fields[8] = { { (const uint8_t *)text, 0 } };
	uint8_t out[TRACE_STATE_MAX];
	size_t n = 1, i;
	int length;

	for (i = 0; text[i]; i++) {
		if (text[i] == '\n')
			fields[n++] = (struct trace_text){ (const uint8_t *)text + i + 1, 0 };
		else
			fields[n - 1].length++;
	}
	length = trace_state_join(fields, n, out);
	CU_ASSERT_EQUAL(length, wanted ? (int)strlen(wanted) : -1);
	if (wanted && length == (int)strlen(wanted))
		CU_ASSERT_EQUAL(memcmp(out, wanted, strlen(wanted)), 0);
}

static void
test_state(void)
{
	check_state("foo=1", "foo=1");
	check_state("foo=1,bar=2\nrojo=1,congo=2\nbaz=3", "foo=1,bar=2,rojo=1,congo=2,baz=3");
	check_state("foo=1 \t , \t bar=2", "foo=1,bar=2");
	check_state("foo=1\n\nbar=2", "foo=1,bar=2");
	check_state("", "");
	check_state(",,", "");
	check_state("foo= 1,bar=2", "foo= 1,bar=2");
	check_state("foo =1", NULL);
	check_state("FOO=1", NULL);
	check_state("foo.bar=1", NULL);
	check_state("foo@=1,bar=2", NULL);
	check_state("@foo=1,bar=2", NULL);
	check_state("foo@@bar=1,bar=2", NULL);
	check_state("foo@bar@baz=1,bar=2", NULL);
	check_state("foo@9ar=1", NULL);
	check_state("foo=bar=baz", NULL);
	check_state("foo=,bar=3", NULL);
	check_state("foo", NULL);
	check_state("foo=\x7f", NULL);
	check_state("abcdefghijklmnopqrstuvwxyz0123456789_-*/=1",
		    "abcdefghijklmnopqrstuvwxyz0123456789_-*/=1");
	check_state("foo=!\"#$%&'()*+-./:;<>?@[\\]^_`{|}~", "foo=!\"#$%&'()*+-./:;<>?@[\\]^_`{|}~");
}

static char *
repeat(char *at, char c, size_t n)
{
	memset(at, c, n);
	at[n] = '\0';
	return at;
}

static void
test_state_bounds(void)
{
	char text[4096], wanted[2048], z[512], v[512];
	size_t i, n;

	for (n = TRACE_MEMBERS_MAX; n <= TRACE_MEMBERS_MAX + 1; n++) {
		text[0] = '\0';
		for (i = 0; i < n; i++)
			sprintf(text + strlen(text), "%sbar%02zu=%02zu", i ? "," : "", i, i);
		check_state(text, n == TRACE_MEMBERS_MAX ? text : NULL);
	}
	/* keys: 256, and 241 at 14 */
	sprintf(text, "foo=1,%s=1", repeat(z, 'z', 256));
	check_state(text, text);
	sprintf(text, "foo=1,%s=1", repeat(z, 'z', 257));
	check_state(text, NULL);
	sprintf(text, "%s@%s=1", repeat(z, 't', 241), repeat(v, 'v', 14));
	check_state(text, text);
	sprintf(text, "%s@v=1", repeat(z, 't', 242));
	check_state(text, NULL);
	sprintf(text, "t@%s=1", repeat(v, 'v', 15));
	check_state(text, NULL);
	/* too long: those over 128 go first, from the end, then the last ones */
	sprintf(text, "a=%s,b=%s,c=%s,d=1", repeat(z, 'z', 200), z, z);
	sprintf(wanted, "a=%s,b=%s,d=1", z, z);
	check_state(text, wanted);
	text[0] = '\0';
	for (i = 0; i < 6; i++)
		sprintf(text + strlen(text), "%s%c=%s", i ? "," : "", (int)('a' + i),
			repeat(v, 'v', 100));
	snprintf(wanted, sizeof(wanted), "%s", text);
	wanted[4 * 103 - 1] = '\0';
	check_state(text, wanted);
}

/* A share of many random ids, and each by its last 56 bits only. */
static void
test_share(void)
{
	uint8_t id[TRACE_ID];
	uint64_t random = 7, share = TRACE_SHARE_WHOLE / 10;
	unsigned int i, sampled = 0;

	for (i = 0; i < 100000; i++) {
		uint64_t a = test_random(&random), b = test_random(&random);

		memcpy(id, &a, 8);
		memcpy(id + 8, &b, 8);
		sampled += trace_by_share(id, share);
		CU_ASSERT(trace_by_share(id, TRACE_SHARE_WHOLE));
		CU_ASSERT(!trace_by_share(id, 0));
	}
	CU_ASSERT(sampled > 9600 && sampled < 10400);
	memset(id, 0xff, sizeof(id));
	CU_ASSERT(trace_by_share(id, 1));
	memset(id + 9, 0, 7);
	CU_ASSERT(!trace_by_share(id, TRACE_SHARE_WHOLE - 1));
}

int
test_http_trace_register(void)
{
	CU_TestInfo tests[] = {
		{ "traceparent", test_parent }, { "traceparent written", test_written },
		{ "tracestate", test_state },   { "tracestate's bounds", test_state_bounds },
		{ "a share", test_share },      CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = { { "http_trace", NULL, NULL, NULL, NULL, tests },
				  CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}

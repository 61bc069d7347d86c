/* SPDX-License-Identifier: Apache-2.0 */
/* lib/lpm: against a walk over all entries. */
#include <CUnit/CUnit.h>
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "lib/lpm.h"
#include "tests/unit/suites.h"

#define MANY 100000u

/* By the definition, bit by bit and by nothing from lib/. */
static bool
naive_contains(const struct prefix *p, const struct addr *a)
{
	unsigned int bit;

	for (bit = 0; bit < p->len; bit++)
		if ((p->addr.b[bit / 8] ^ a->b[bit / 8]) & 0x80u >> bit % 8)
			return false;
	return (p->len >= 96 && addr_is_v4(&p->addr)) == addr_is_v4(a);
}

static uint32_t
naive_lookup(const struct lpm_entry *e, size_t n, const struct addr *a)
{
	const struct lpm_entry *best = NULL;
	size_t i;

	for (i = 0; i < n; i++)
		if (naive_contains(&e[i].prefix, a) &&
		    (!best || e[i].prefix.len >= best->prefix.len))
			best = &e[i];
	return best ? best->value : LPM_NONE;
}

static struct addr
random_addr(uint64_t *seed, bool v4)
{
	struct addr a;

	/* Few bits vary, so that prefixes nest and lookups hit. */
	a.q[0] = test_random(seed) & test_random(seed) & test_random(seed);
	a.q[1] = test_random(seed) & test_random(seed) & test_random(seed);
	if (v4)
		return addr_from_v4(a.w[3]);
	a.b[0] = 0x20;
	return a;
}

/* A prefix of its own, or one around, inside or beside an earlier one, or the same again. */
static void
random_entry(struct lpm_entry *e, size_t i, uint64_t *seed)
{
	uint64_t r = test_random(seed);
	bool v4 = r & 1;
	struct addr a;
	unsigned int low = v4 ? 96 : 0, len, bit;

	len = low + (unsigned int)((r >> 8) % (129 - low));
	a = random_addr(seed, v4);
	if (i > 0 && (r >> 1) % 4) {
		a = e[(r >> 16) % i].prefix.addr;
		v4 = e[(r >> 16) % i].prefix.len >= 96 && addr_is_v4(&a);
		low = v4 ? 96 : 0;
		len = low + (unsigned int)((r >> 8) % (129 - low));
		if (r >> 62) { /* it parts from the earlier one at some bit */
			bit = low + (unsigned int)((r >> 32) % (128 - low));
			a.b[bit / 8] ^= (uint8_t)(0x80u >> bit % 8);
		}
	}
	e[i].prefix.addr = addr_mask(&a, len);
	e[i].prefix.len = (uint8_t)len;
	e[i].value = (uint32_t)(r >> 40) % 50;
}

/* Look up an address at, before and after the prefix's first and last one. */
static void
check_edges(const struct lpm *t, const struct lpm_entry *e, size_t n, const struct prefix *p)
{
	struct addr a = p->addr;
	unsigned int bit;
	int k;

	for (bit = p->len; bit < 128; bit++)
		a.b[bit / 8] |= (uint8_t)(0x80u >> bit % 8);
	CU_ASSERT_EQUAL(lpm_lookup(t, &a), naive_lookup(e, n, &a));
	for (k = 15; k >= 0 && ++a.b[k] == 0; k--)
		;
	CU_ASSERT_EQUAL(lpm_lookup(t, &a), naive_lookup(e, n, &a));
	a = p->addr;
	CU_ASSERT_EQUAL(lpm_lookup(t, &a), naive_lookup(e, n, &a));
	for (k = 15; k >= 0 && a.b[k]-- == 0; k--)
		;
	CU_ASSERT_EQUAL(lpm_lookup(t, &a), naive_lookup(e, n, &a));
}

static void
test_lpm_random(void)
{
	struct lpm_entry e[200];
	uint64_t seed = 10;
	struct lpm *t;
	struct addr a;
	size_t round, n, i;

	for (round = 0; round < 150; round++) {
		n = round < 20 ? round : test_random(&seed) % 200;
		for (i = 0; i < n; i++)
			random_entry(e, i, &seed);
		CU_ASSERT_EQUAL_FATAL(lpm_build(&t, e, n), 0);
		for (i = 0; i < n; i++)
			check_edges(t, e, n, &e[i].prefix);
		for (i = 0; i < 200; i++) {
			a = random_addr(&seed, i % 2);
			CU_ASSERT_EQUAL(lpm_lookup(t, &a), naive_lookup(e, n, &a));
		}
		lpm_free(t);
	}
}

static struct lpm *
build_texts(const char *const *texts, size_t n)
{
	struct lpm_entry e[16] = { 0 };
	struct lpm *t = NULL;
	size_t i;

	for (i = 0; i < n; i++) {
		CU_ASSERT_EQUAL_FATAL(prefix_parse(texts[i], &e[i].prefix), 0);
		e[i].value = (uint32_t)i;
	}
	CU_ASSERT_EQUAL_FATAL(lpm_build(&t, e, n), 0);
	return t;
}

static uint32_t
lookup_text(const struct lpm *t, const char *text)
{
	struct addr a;

	CU_ASSERT_EQUAL_FATAL(addr_parse(text, &a), 0);
	return lpm_lookup(t, &a);
}

static void
test_lpm_nested(void)
{
	static const char *const texts[] = { "0.0.0.0/0",
					     "10.0.0.0/8",
					     "10.1.0.0/16",
					     "10.1.2.0/23",
					     "10.1.2.128/25",
					     "10.1.2.200",
					     "::/0",
					     "2001:db8::/32",
					     "2001:db8:0:1::/64",
					     "2001:db8:0:1::5",
					     "2001:db8::8000/113" };
	struct lpm *t = build_texts(texts, 11);

	CU_ASSERT_EQUAL(lookup_text(t, "192.0.2.1"), 0);
	CU_ASSERT_EQUAL(lookup_text(t, "0.0.0.0"), 0);
	CU_ASSERT_EQUAL(lookup_text(t, "255.255.255.255"), 0);
	CU_ASSERT_EQUAL(lookup_text(t, "10.255.0.1"), 1);
	CU_ASSERT_EQUAL(lookup_text(t, "10.1.255.1"), 2);
	CU_ASSERT_EQUAL(lookup_text(t, "10.1.3.255"), 3);
	CU_ASSERT_EQUAL(lookup_text(t, "10.1.2.127"), 3);
	CU_ASSERT_EQUAL(lookup_text(t, "10.1.2.199"), 4);
	CU_ASSERT_EQUAL(lookup_text(t, "10.1.2.200"), 5);
	CU_ASSERT_EQUAL(lookup_text(t, "10.1.2.201"), 4);
	CU_ASSERT_EQUAL(lookup_text(t, "fd00::1"), 6);
	CU_ASSERT_EQUAL(lookup_text(t, "2001:db8:1::"), 7);
	CU_ASSERT_EQUAL(lookup_text(t, "2001:db8::7fff"), 7);
	CU_ASSERT_EQUAL(lookup_text(t, "2001:db8::8000"), 10);
	CU_ASSERT_EQUAL(lookup_text(t, "2001:db8:0:1::4"), 8);
	CU_ASSERT_EQUAL(lookup_text(t, "2001:db8:0:1::5"), 9);
	lpm_free(t);
}

static void
test_lpm_families(void)
{
	static const char *const six[] = { "::/0" }, *const four[] = { "0.0.0.0/0" };
	struct lpm *t;

	t = build_texts(six, 1);
	CU_ASSERT_EQUAL(t->nodes, 0);
	CU_ASSERT_EQUAL(lookup_text(t, "2001:db8::1"), 0);
	CU_ASSERT_EQUAL(lookup_text(t, "192.0.2.1"), LPM_NONE);
	lpm_free(t);
	t = build_texts(four, 1);
	CU_ASSERT_EQUAL(t->nodes, 0);
	CU_ASSERT_EQUAL(lookup_text(t, "2001:db8::1"), LPM_NONE);
	CU_ASSERT_EQUAL(lookup_text(t, "192.0.2.1"), 0);
	lpm_free(t);
	t = build_texts(NULL, 0);
	CU_ASSERT_EQUAL(lookup_text(t, "2001:db8::1"), LPM_NONE);
	CU_ASSERT_EQUAL(lookup_text(t, "192.0.2.1"), LPM_NONE);
	lpm_free(t);
	lpm_free(NULL);
}

static void
test_lpm_bad(void)
{
	struct lpm_entry e = { .value = LPM_NONE };
	struct lpm *t;

	CU_ASSERT_EQUAL(lpm_build(&t, &e, 1), -EINVAL);
	e.value = LPM_CHILD | 1;
	CU_ASSERT_EQUAL(lpm_build(&t, &e, 1), -EINVAL);
	e.value = 0;
	e.prefix.len = 129;
	CU_ASSERT_EQUAL(lpm_build(&t, &e, 1), -EINVAL);
	e.prefix.len = 128;
	e.value = LPM_NONE - 1;
	CU_ASSERT_EQUAL_FATAL(lpm_build(&t, &e, 1), 0);
	CU_ASSERT_EQUAL(lookup_text(t, "::"), LPM_NONE - 1);
	lpm_free(t);
}

/* Of a range that says the same throughout no node is kept, however it is put together. */
static void
test_lpm_uniform(void)
{
	struct lpm_entry e[257] = { 0 };
	struct lpm *t;
	size_t i;

	CU_ASSERT_EQUAL_FATAL(prefix_parse("10.0.0.0/8", &e[256].prefix), 0);
	e[256].value = 7;
	for (i = 0; i < 256; i++) {
		e[i].prefix.addr = addr_from_v4(htonl(0x0a010200u + (uint32_t)i));
		e[i].prefix.len = 128;
		e[i].value = 7;
	}
	CU_ASSERT_EQUAL_FATAL(lpm_build(&t, e, 257), 0);
	CU_ASSERT_EQUAL(t->nodes, 0);
	CU_ASSERT_EQUAL(t->n_paths, 1);
	CU_ASSERT_EQUAL(lookup_text(t, "10.1.2.3"), 7);
	CU_ASSERT_EQUAL(lookup_text(t, "11.1.2.3"), LPM_NONE);
	lpm_free(t);
	e[9].value = 8;
	CU_ASSERT_EQUAL_FATAL(lpm_build(&t, e, 257), 0);
	CU_ASSERT_EQUAL(t->nodes, 1);
	CU_ASSERT_EQUAL(t->n_paths, 2);
	CU_ASSERT_EQUAL(lookup_text(t, "10.1.2.9"), 8);
	CU_ASSERT_EQUAL(lookup_text(t, "10.1.2.10"), 7);
	lpm_free(t);
	e[9].value = 7;
	e[255].value = 9;
	CU_ASSERT_EQUAL_FATAL(lpm_build(&t, e, 257), 0);
	CU_ASSERT_EQUAL(lookup_text(t, "10.1.2.255"), 9);
	CU_ASSERT_EQUAL(lookup_text(t, "10.1.2.254"), 7);
	lpm_free(t);
}

/* Steps of a lookup: what lpm_lookup walks through, counted. */
static unsigned int
steps(const struct lpm *t, const struct addr *a)
{
	unsigned int i = addr_is_v4(a) ? 12 : 0, n;
	uint32_t w = i ? t->root4 : t->root6;

	for (n = 0; w & LPM_CHILD; n++) {
		if (w & LPM_PATH) {
			const struct lpm_path *p = &t->paths[w & LPM_INDEX];

			CU_ASSERT(p->depth > i || !(p->word & LPM_CHILD));
			w = lpm_agrees(p, a) ? p->word : p->outer;
			i = p->depth;
		} else {
			CU_ASSERT_FATAL(i < 16);
			w = t->words[(size_t)(w & LPM_INDEX) * 256 + a->b[i++]];
		}
	}
	return n;
}

/* What prefixes have in common is one step, and no lookup takes more than its bytes and one. */
static void
test_lpm_paths(void)
{
	static const char *const alone[] = { "2001:db8::5" };
	static const char *const two[] = { "2001:db8::5", "2001:db8::1:0:5", "192.0.2.0/25" };
	struct lpm_entry e[129] = { 0 };
	struct lpm *t;
	struct addr a;
	unsigned int i;

	t = build_texts(alone, 1);
	CU_ASSERT(t->nodes == 0 && t->n_paths == 1);
	CU_ASSERT_EQUAL(lookup_text(t, "2001:db8::5"), 0);
	CU_ASSERT_EQUAL(lookup_text(t, "2001:db8::4"), LPM_NONE);
	CU_ASSERT_EQUAL(lookup_text(t, "a001:db8::5"), LPM_NONE);
	lpm_free(t);
	t = build_texts(two, 3);
	CU_ASSERT(t->nodes == 1 && t->n_paths == 4);
	CU_ASSERT_EQUAL(lookup_text(t, "2001:db8::5"), 0);
	CU_ASSERT_EQUAL(lookup_text(t, "2001:db8::1:0:5"), 1);
	CU_ASSERT_EQUAL(lookup_text(t, "2001:db8::2:0:5"), LPM_NONE);
	CU_ASSERT_EQUAL(lookup_text(t, "192.0.2.127"), 2);
	CU_ASSERT_EQUAL(lookup_text(t, "192.0.2.128"), LPM_NONE);
	lpm_free(t);
	/* The deepest: each length of one address. */
	CU_ASSERT_EQUAL_FATAL(addr_parse("2001:db8:1:2:3:4:5:6", &a), 0);
	for (i = 0; i <= 128; i++)
		e[i] = (struct lpm_entry){ { addr_mask(&a, i), (uint8_t)i }, i };
	CU_ASSERT_EQUAL_FATAL(lpm_build(&t, e, 129), 0);
	CU_ASSERT_EQUAL(lpm_lookup(t, &a), 128);
	CU_ASSERT(steps(t, &a) <= 17);
	lpm_free(t);
}

static void
test_lpm_many(void)
{
	struct lpm_entry *e = calloc(MANY, sizeof(*e));
	uint64_t seed = 11;
	struct lpm *t;
	struct addr a;
	clock_t start;
	unsigned int i, len;

	CU_ASSERT_PTR_NOT_NULL_FATAL(e);
	for (i = 0; i < MANY; i++) {
		a = addr_from_v4((uint32_t)test_random(&seed));
		len = 96 + 12 + (unsigned int)(test_random(&seed) % 13);
		e[i].prefix.addr = addr_mask(&a, len);
		e[i].prefix.len = (uint8_t)len;
		e[i].value = i;
	}
	start = clock();
	CU_ASSERT_EQUAL_FATAL(lpm_build(&t, e, MANY), 0);
	/* It takes a tenth of a second; sanitizers and busy machines take longer. */
	CU_ASSERT(clock() - start < 3 * CLOCKS_PER_SEC);
	CU_ASSERT(t->nodes <= 1 + 256 + 65536);
	for (i = 0; i < 30; i++) {
		a = addr_from_v4((uint32_t)test_random(&seed));
		CU_ASSERT_EQUAL(lpm_lookup(t, &a), naive_lookup(e, MANY, &a));
		CU_ASSERT(steps(t, &a) <= 5);
	}
	lpm_free(t);
	free(e);
}

int
test_lpm_register(void)
{
	static CU_TestInfo tests[] = {
		{ "nested prefixes", test_lpm_nested }, { "families apart", test_lpm_families },
		{ "bad entries", test_lpm_bad },        { "random prefixes", test_lpm_random },
		{ "uniform ranges", test_lpm_uniform }, { "paths", test_lpm_paths },
		{ "100,000 prefixes", test_lpm_many },  CU_TEST_INFO_NULL,
	};
	static CU_SuiteInfo suites[] = { { "lpm", NULL, NULL, NULL, NULL, tests },
					 CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}

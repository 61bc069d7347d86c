/* SPDX-License-Identifier: Apache-2.0 */
/* cp/state/generation and history: the form on disk, what is refused, what is kept. */
#include <CUnit/CUnit.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cp/state/history.h"
#include "tests/unit/folder.h"
#include "tests/unit/suites.h"

/* Texts that are not to be changed. */
static struct generation
sample(uint64_t number)
{
	return (struct generation){
		.number = number,
		.time = 1769860800,
		.how = GENERATION_APPLY,
		.confirmed = true,
		.name = (char *)"new.conf",
		.file = (char *)"/etc/penstock/penstock.conf",
		.changes = (char *)"+ service web\n- service old\n",
		.text = (char *)"instance = \"edge-1\";\n\n# the end",
		.text_len = 31,
	};
}

/* ---- the form on disk ---- */

static void
test_round_trip(void)
{
	struct generation in = sample(12), out;
	size_t len = 0, again_len = 0;
	char *data, *again;
	int how;

	CU_ASSERT_EQUAL_FATAL(strlen(in.text), in.text_len);
	for (how = 0; how < GENERATION_HOW_COUNT; how++) {
		in.how = (enum generation_how)how;
		in.from = how == GENERATION_ROLLBACK ? GENERATION_NUMBER_MAX : 0;
		in.confirmed = how != GENERATION_APPLY;
		data = generation_encode(&in, &len);
		CU_ASSERT_PTR_NOT_NULL_FATAL(data);
		CU_ASSERT_PTR_NULL_FATAL(generation_decode(data, len, &out));
		CU_ASSERT(out.number == in.number && out.time == in.time && out.how == in.how);
		CU_ASSERT(out.from == in.from && out.confirmed == in.confirmed);
		CU_ASSERT_STRING_EQUAL(out.name, in.name);
		CU_ASSERT_STRING_EQUAL(out.file, in.file);
		CU_ASSERT_STRING_EQUAL(out.changes, in.changes);
		CU_ASSERT_STRING_EQUAL(out.text, in.text);
		CU_ASSERT_EQUAL(out.text_len, in.text_len);
		again = generation_encode(&out, &again_len);
		CU_ASSERT(again && again_len == len && memcmp(again, data, len) == 0);
		free(data);
		free(again);
		generation_clear(&out);
	}
}

static const char *
decode(const char *data, size_t len)
{
	/* No longer than the data, so that a read behind it is seen. */
	char *copy = malloc(len ? len : 1);
	struct generation g;
	const char *error;

	CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
	memcpy(copy, data, len);
	error = generation_decode(copy, len, &g);
	free(copy);
	generation_clear(&g);
	return error;
}

/* Cut anywhere, one bit wrong anywhere, more at its end. */
static void
test_torn(void)
{
	struct generation in = sample(12);
	size_t len = 0, i;
	char *data = generation_encode(&in, &len);
	char *longer = malloc(len + 1);

	CU_ASSERT_PTR_NOT_NULL_FATAL(data);
	CU_ASSERT_PTR_NOT_NULL_FATAL(longer);
	CU_ASSERT_PTR_NULL(decode(data, len));
	for (i = 0; i < len; i++)
		CU_ASSERT_PTR_NOT_NULL(decode(data, i));
	for (i = 0; i < len * 8; i++) {
		data[i / 8] ^= (char)(1 << i % 8);
		CU_ASSERT_PTR_NOT_NULL(decode(data, len));
		data[i / 8] ^= (char)(1 << i % 8);
	}
	memcpy(longer, data, len);
	longer[len] = 'x';
	CU_ASSERT_PTR_NOT_NULL(decode(longer, len + 1));
	free(data);
	free(longer);
}

/* The right checksum over something wrong. */
static const char *
decode_forged(const char *header, const char *texts, size_t texts_len)
{
	char data[1024];
	size_t first, n, len;

	n = (size_t)snprintf(data + GENERATION_FIRST_LINE, 512, "%s", header);
	memcpy(data + GENERATION_FIRST_LINE + n, texts, texts_len);
	len = n + texts_len;
	generation_first_line(data + GENERATION_FIRST_LINE, len, data);
	first = strlen(data);
	memmove(data + first, data + GENERATION_FIRST_LINE, len);
	return decode(data, first + len);
}

static void
test_forged(void)
{
	static const char good[] = "number 1\ntime 0\nhow apply\nfrom 0\nconfirmed no\n"
				   "name 1\nfile 1\nchanges 1\ntext 1\n\n";
	static const char *const bad[] = {
		"",
		"\n",
		"number 0\ntime 0\nhow apply\nfrom 0\nconfirmed no\nname 1\nfile 1\nchanges "
		"1\ntext 1\n\n",
		"number 01\ntime 0\nhow apply\nfrom 0\nconfirmed no\nname 1\nfile 1\nchanges "
		"1\ntext 1\n\n",
		"number +1\ntime 0\nhow apply\nfrom 0\nconfirmed no\nname 1\nfile 1\nchanges "
		"1\ntext 1\n\n",
		"number 9007199254740993\ntime 0\nhow apply\nfrom 0\nconfirmed no\nname 1\nfile 1\n"
		"changes 1\ntext 1\n\n",
		"number 99999999999999999999\ntime 0\nhow apply\nfrom 0\nconfirmed no\nname "
		"1\nfile 1\n"
		"changes 1\ntext 1\n\n",
		"time 0\nnumber 1\nhow apply\nfrom 0\nconfirmed no\nname 1\nfile 1\nchanges "
		"1\ntext 1\n\n",
		"number 1\ntime -1\nhow apply\nfrom 0\nconfirmed no\nname 1\nfile 1\nchanges "
		"1\ntext 1\n\n",
		"number 1\ntime 253402300800\nhow apply\nfrom 0\nconfirmed no\nname 1\nfile "
		"1\nchanges 1\n"
		"text 1\n\n",
		"number 1\ntime 0\nhow magic\nfrom 0\nconfirmed no\nname 1\nfile 1\nchanges "
		"1\ntext 1\n\n",
		"number 1\ntime 0\nhow apply\nfrom x\nconfirmed no\nname 1\nfile 1\nchanges "
		"1\ntext 1\n\n",
		"number 1\ntime 0\nhow apply\nfrom 0\nconfirmed \nname 1\nfile 1\nchanges 1\ntext "
		"1\n\n",
		"number 1\ntime 0\nhow apply\nfrom 0\nconfirmed no\nname 4097\nfile 1\nchanges "
		"1\ntext 1\n\n",
		"number 1\ntime 0\nhow apply\nfrom 0\nconfirmed no\nname 2\nfile 1\nchanges "
		"1\ntext 1\n\n",
		"number 1\ntime 0\nhow apply\nfrom 0\nconfirmed no\nname 0\nfile 1\nchanges "
		"1\ntext 1\n\n",
		"number 1\ntime 0\nhow apply\nfrom 0\nconfirmed no\nname 1\nfile 1\nchanges 1\n"
		"text 18446744073709551614\n\n",
		"number 1\ntime 0\nhow apply\nfrom 0\nconfirmed no\nname 1\nfile 1\nchanges "
		"1\ntext 1\nx",
	};
	size_t i;

	CU_ASSERT_PTR_NULL(decode_forged(good, "abcd", 4));
	CU_ASSERT_PTR_NOT_NULL(decode_forged(good, "abc", 3));
	CU_ASSERT_PTR_NOT_NULL(decode_forged(good, "abcde", 5));
	CU_ASSERT_PTR_NOT_NULL(decode_forged(good, "abc\0", 4));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_PTR_NOT_NULL(decode_forged(bad[i], "abcd", 4));
}

/* ---- what is kept ---- */

static uint64_t
add(struct history *h, bool confirmed)
{
	struct generation g = sample(history_next(h));

	g.confirmed = confirmed;
	CU_ASSERT_EQUAL(history_add(h, &g), 0);
	return g.number;
}

/* Numbers rise, and these are the oldest and the newest. */
static void
check(const struct history *h, size_t n, uint64_t oldest, uint64_t newest)
{
	size_t i;

	CU_ASSERT_EQUAL_FATAL(history_count(h), n);
	CU_ASSERT_EQUAL(history_at(h, 0)->number, oldest);
	CU_ASSERT_EQUAL(history_at(h, n - 1)->number, newest);
	for (i = 1; i < n; i++)
		CU_ASSERT(history_at(h, i - 1)->number < history_at(h, i)->number);
	CU_ASSERT_PTR_EQUAL(history_find(h, newest), history_at(h, n - 1));
	CU_ASSERT_PTR_NULL(history_find(h, newest + 1));
}

static void
test_kept(void)
{
	struct store *s = folder_store();
	struct history *h = history_load(s);
	unsigned int i;

	CU_ASSERT_PTR_NOT_NULL_FATAL(h);
	CU_ASSERT_EQUAL(history_next(h), 1);
	CU_ASSERT_EQUAL(history_count(h), 0);
	CU_ASSERT_PTR_NULL(history_good(h, UINT64_MAX, NULL));
	for (i = 0; i < 13; i++)
		add(h, true);
	check(h, 10, 4, 13);
	history_free(h);
	h = history_load(s);
	check(h, 10, 4, 13);
	CU_ASSERT_EQUAL(history_next(h), 14);
	/* The newest confirmed one stays, however many come after it. */
	for (i = 0; i < 15; i++)
		add(h, false);
	check(h, 10, 13, 28);
	history_free(h);
	h = history_load(s);
	check(h, 10, 13, 28);
	CU_ASSERT_EQUAL(history_good(h, UINT64_MAX, NULL)->number, 13);
	CU_ASSERT_PTR_NULL(history_good(h, 13, NULL));
	CU_ASSERT_PTR_NULL(history_good(h, UINT64_MAX, "/another"));
	CU_ASSERT_PTR_NOT_NULL(history_good(h, UINT64_MAX, "/etc/penstock/penstock.conf"));
	CU_ASSERT_EQUAL(history_confirm(h, 20), 0);
	CU_ASSERT_EQUAL(history_confirm(h, 12), -ENOENT);
	add(h, false);
	check(h, 10, 20, 29);
	history_forget(h, 29);
	history_forget(h, 29);
	history_free(h);
	h = history_load(s);
	check(h, 9, 20, 28);
	CU_ASSERT(history_at(h, 0)->confirmed);
	history_free(h);
	store_close(s);
}

static void
put(struct store *s, const char *name, uint64_t number)
{
	struct generation g = sample(number);
	size_t len;
	char *data = generation_encode(&g, &len);

	CU_ASSERT_EQUAL(store_write(s, name, data, len), 0);
	free(data);
}

/* More and other files than we would write. */
static void
test_strange(void)
{
	struct store *s = folder_store();
	struct history *h;
	char name[64];
	unsigned int i;

	for (i = 1; i <= 200; i++) {
		snprintf(name, sizeof(name), "generation-%u", i * 3);
		put(s, name, i * 3);
	}
	put(s, "generation-601", 7);
	CU_ASSERT_EQUAL(store_write(s, "generation-9007199254740992", "x", 1), 0);
	CU_ASSERT_EQUAL(store_write(s, "generation-9007199254740993", "x", 1), 0);
	CU_ASSERT_EQUAL(store_write(s, "generation--1", "x", 1), 0);
	CU_ASSERT_EQUAL(store_write(s, "generation-", "x", 1), 0);
	h = history_load(s);
	CU_ASSERT_PTR_NOT_NULL_FATAL(h);
	check(h, 10, 573, 600);
	history_free(h);
	store_close(s);
}

/* A disk that takes nothing: kept in memory, and said. */
static void
test_no_disk(void)
{
	struct store *s = folder_store();
	struct history *h = history_load(s);
	struct generation g = sample(1);
	char path[96];

	CU_ASSERT_PTR_NOT_NULL_FATAL(h);
	folder_file("generation-1", path, sizeof(path));
	CU_ASSERT_EQUAL(mkdir(path, 0700), 0);
	CU_ASSERT(history_add(h, &g) < 0);
	check(h, 1, 1, 1);
	CU_ASSERT(history_confirm(h, 1) < 0);
	history_free(h);
	h = history_load(NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(h);
	CU_ASSERT_EQUAL(history_add(h, &g), 0);
	check(h, 1, 1, 1);
	history_free(h);
	store_close(s);
}

int
test_history_register(void)
{
	static CU_TestInfo tests[] = {
		{ "to disk and back", test_round_trip },
		{ "torn and bent files", test_torn },
		{ "files that lie", test_forged },
		{ "ten are kept, and the last good one", test_kept },
		{ "strange files", test_strange },
		{ "no disk", test_no_disk },
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = {
		{ "history", NULL, NULL, folder_begin, folder_end, tests },
		CU_SUITE_INFO_NULL,
	};

	return CU_register_suites(suites);
}

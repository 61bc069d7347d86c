/* SPDX-License-Identifier: Apache-2.0 */
/* cp/state/store: old or new at whatever moment the writer dies; nothing that lies in the directory
 * is trusted; one owner at a time. */
#include <CUnit/CUnit.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cp/state/store.h"
#include "tests/unit/folder.h"
#include "tests/unit/suites.h"

static bool
has(struct store *s, const char *name, const char *content)
{
	size_t len = 0;
	char *data = store_read(s, name, &len);
	bool same = data && len == strlen(content) && strcmp(data, content) == 0;

	free(data);
	return same;
}

static void
count_name(void *arg, const char *name)
{
	(void)name;
	++*(int *)arg;
}

static int
count_names(struct store *s, const char *prefix)
{
	int n = 0;

	CU_ASSERT_EQUAL(store_list(s, prefix, count_name, &n), 0);
	return n;
}

static void
test_files(void)
{
	struct store *s = folder_store();
	char bytes[3] = { 'a', 0, 'b' };
	size_t len = 0;
	char *data;

	CU_ASSERT_STRING_EQUAL(store_dir(s), folder_path());
	CU_ASSERT_PTR_NULL(store_read(s, "none", &len));
	CU_ASSERT_EQUAL(errno, ENOENT);
	CU_ASSERT_EQUAL(store_write(s, "one", "first", 5), 0);
	CU_ASSERT(has(s, "one", "first"));
	CU_ASSERT_EQUAL(store_write(s, "one", "", 0), 0);
	CU_ASSERT(has(s, "one", ""));
	CU_ASSERT_EQUAL(store_write(s, "one", bytes, 3), 0);
	data = store_read(s, "one", &len);
	CU_ASSERT(data && len == 3 && memcmp(data, "a\0b", 4) == 0);
	free(data);
	CU_ASSERT_EQUAL(store_write(s, "two-2", "x", 1), 0);
	CU_ASSERT_EQUAL(count_names(s, ""), 2);
	CU_ASSERT_EQUAL(count_names(s, "two-"), 1);
	CU_ASSERT_EQUAL(store_remove(s, "one"), 0);
	CU_ASSERT_EQUAL(store_remove(s, "one"), 0);
	CU_ASSERT_EQUAL(count_names(s, ""), 1);
	store_close(s);
	store_close(NULL);
}

static void
test_names(void)
{
	static const char *const bad[] = { "",       ".", "..",  ".x",  "a/b",  "../x",
					   "/etc/x", "A", "a b", "a\n", "lock", "\xc3\xa4" };
	char longest[STORE_NAME_MAX + 2];
	struct store *s = folder_store();
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CU_ASSERT_EQUAL(store_write(s, bad[i], "x", 1), -EINVAL);
		CU_ASSERT_EQUAL(store_remove(s, bad[i]), -EINVAL);
		CU_ASSERT_PTR_NULL(store_read(s, bad[i], NULL));
		CU_ASSERT_EQUAL(errno, EINVAL);
	}
	memset(longest, 'n', sizeof(longest));
	longest[STORE_NAME_MAX + 1] = '\0';
	CU_ASSERT_EQUAL(store_write(s, longest, "x", 1), -EINVAL);
	longest[STORE_NAME_MAX] = '\0';
	CU_ASSERT_EQUAL(store_write(s, longest, "x", 1), 0);
	CU_ASSERT(has(s, longest, "x"));
	CU_ASSERT_EQUAL(store_write(s, "x", "x", (size_t)STORE_MAX_BYTES + 1), -EFBIG);
	store_close(s);
}

static void
make(const char *format, const char *name)
{
	char command[256], text[160];

	snprintf(text, sizeof(text), format, name, name);
	snprintf(command, sizeof(command), "cd %s && %s", folder_path(), text);
	CU_ASSERT_EQUAL(system(command), 0);
}

/* What somebody else may have put there. */
static void
test_hostile(void)
{
	struct store *s = folder_store();

	make("ln -s /etc/passwd %s", "link");
	CU_ASSERT_PTR_NULL(store_read(s, "link", NULL));
	CU_ASSERT_EQUAL(errno, ELOOP);
	make("mkfifo %s", "pipe");
	CU_ASSERT_PTR_NULL(store_read(s, "pipe", NULL));
	CU_ASSERT_EQUAL(errno, EINVAL);
	make("mkdir %s", "folder");
	CU_ASSERT_PTR_NULL(store_read(s, "folder", NULL));
	CU_ASSERT_EQUAL(errno, EINVAL);
	make("truncate -s 100M %s", "long");
	CU_ASSERT_PTR_NULL(store_read(s, "long", NULL));
	CU_ASSERT_EQUAL(errno, EFBIG);
	/* Written over, not through. */
	CU_ASSERT_EQUAL(store_write(s, "link", "mine", 4), 0);
	CU_ASSERT(has(s, "link", "mine"));
	CU_ASSERT(store_write(s, "folder", "x", 1) < 0);
	make("ln -s /tmp/nowhere .%s.new", "trap");
	CU_ASSERT_EQUAL(store_write(s, "trap", "x", 1), 0);
	CU_ASSERT(has(s, "trap", "x"));
	CU_ASSERT(access("/tmp/nowhere", F_OK) < 0);
	store_close(s);
}

/* ---- dying ---- */

struct death {
	const char *step;
	int after; /* how many times it is survived */
};

static void
die_at(void *arg, const char *step)
{
	struct death *d = arg;

	if (strcmp(step, d->step) == 0 && d->after-- == 0)
		_exit(0);
}

/* A process that dies at the step of its second write. */
static void
write_and_die(const char *step)
{
	struct death death = { step, 1 };
	int status = -1;
	pid_t child = fork();

	if (child == 0) {
		const char *error;
		struct store *s = store_open(folder_path(), &error);

		if (!s)
			_exit(1);
		store_observe(s, die_at, &death);
		store_write(s, "victim", "old", 3);
		store_write(s, "victim", "the new one", 11);
		_exit(2);
	}
	CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
	CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void
test_crash(void)
{
	static const struct {
		const char *step, *left;
	} cases[] = {
		{ "opened", "old" },
		{ "written", "old" },
		{ "synced", "old" },
		{ "renamed", "the new one" },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct store *s;

		write_and_die(cases[i].step);
		s = folder_store();
		CU_ASSERT(has(s, "victim", cases[i].left));
		CU_ASSERT_EQUAL(count_names(s, "victim"), 1);
		/* What the dead writer left is not in the way. */
		CU_ASSERT_EQUAL(store_write(s, "victim", "next", 4), 0);
		CU_ASSERT(has(s, "victim", "next"));
		store_close(s);
		make("test ! -e .%s.new", "victim");
	}
}

/* A disk that takes no more: said, and the old content stays. */
static void
test_full(void)
{
	struct store *s = folder_store();
	struct rlimit before, low;
	char big[8192];

	memset(big, 'x', sizeof(big));
	CU_ASSERT_EQUAL(store_write(s, "kept", "old", 3), 0);
	CU_ASSERT_EQUAL(getrlimit(RLIMIT_FSIZE, &before), 0);
	low = before;
	low.rlim_cur = 4096;
	signal(SIGXFSZ, SIG_IGN);
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &low), 0);
	CU_ASSERT_EQUAL(store_write(s, "kept", big, sizeof(big)), -EFBIG);
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &before), 0);
	CU_ASSERT(has(s, "kept", "old"));
	make("test ! -e .%s.new", "kept");
	store_close(s);
}

static void
test_owner(void)
{
	struct store *s = folder_store(), *other;
	const char *error = NULL;
	char path[96];

	other = store_open(folder_path(), &error);
	CU_ASSERT_PTR_NULL(other);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, folder_path()));
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "another penstockd"));
	store_close(s);
	store_close(folder_store());
	folder_file("no/such", path, sizeof(path));
	CU_ASSERT_PTR_NULL(store_open(path, &error));
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "No such file"));
	CU_ASSERT_PTR_NULL(store_open("/dev/null", &error));
	folder_file("made", path, sizeof(path));
	s = store_open(path, &error);
	CU_ASSERT_PTR_NOT_NULL(s);
	store_close(s);
}

int
test_store_register(void)
{
	static CU_TestInfo tests[] = {
		{ "files: write, read, list, remove", test_files },
		{ "names: what is not one", test_names },
		{ "links, pipes, folders, long files", test_hostile },
		{ "dying between the steps of a write", test_crash },
		{ "a disk that takes no more", test_full },
		{ "one owner at a time", test_owner },
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = {
		{ "store", NULL, NULL, folder_begin, folder_end, tests },
		CU_SUITE_INFO_NULL,
	};

	return CU_register_suites(suites);
}

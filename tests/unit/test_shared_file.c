/* SPDX-License-Identifier: Apache-2.0 */
/* cp/state/shared_file in a directory where anybody may put anything: nothing there is used that is
 * not ours, and nothing of others' keeps us from making our own. */
#include <CUnit/CUnit.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cp/state/shared_file.h"
#include "tests/unit/suites.h"

#define SIZE   65536u
#define NOBODY 65534

static struct shared_place place;
static char path[SHARED_FILE_PATH_MAX];

static void
begin(void)
{
	place = (struct shared_place){ .dir = "/tmp/penstock-shared-XXXXXX", .page = 4096 };
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(place.dir));
	snprintf(path, sizeof(path), "%s/file", place.dir);
}

static void
end(void)
{
	CU_ASSERT_EQUAL(unlink(path), 0);
	CU_ASSERT_EQUAL(rmdir(place.dir), 0);
}

/* Whatever lies there is refused, and a new file takes its place. */
static void
expect_made(void)
{
	struct shared_file f;
	struct stat st;

	CU_ASSERT(shared_file_open(&f, &place, "file", SIZE) < 0);
	CU_ASSERT_EQUAL_FATAL(shared_file_create(&f, &place, "file", SIZE), 0);
	CU_ASSERT_EQUAL(shared_file_populate(&f), 0);
	CU_ASSERT_EQUAL(lstat(path, &st), 0);
	CU_ASSERT(S_ISREG(st.st_mode) && st.st_uid == geteuid() && (st.st_mode & 077) == 0);
	shared_file_close(&f);
}

static void
test_again(void)
{
	struct shared_file f, other;

	begin();
	CU_ASSERT_EQUAL(shared_file_open(&f, &place, "file", SIZE), -ENOENT);
	expect_made();
	CU_ASSERT_EQUAL_FATAL(shared_file_open(&f, &place, "file", SIZE), 0);
	/* Who has it open keeps it. */
	CU_ASSERT_EQUAL(shared_file_open(&other, &place, "file", SIZE), -EBUSY);
	CU_ASSERT_EQUAL(shared_file_create(&other, &place, "file", SIZE), -EBUSY);
	shared_file_close(&f);
	CU_ASSERT_EQUAL(shared_file_open(&f, &place, "file", 2 * SIZE), -EMSGSIZE);
	end();
}

static void
test_links(void)
{
	begin();
	CU_ASSERT_EQUAL(symlink("/etc/passwd", path), 0);
	expect_made();
	end();
	begin();
	CU_ASSERT_EQUAL(mkfifo(path, 0666), 0);
	expect_made();
	end();
}

/* Another user's file, which that user holds a lock on. Needs root. */
static void
test_others(void)
{
	int fd;

	if (geteuid() != 0)
		return;
	begin();
	fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	CU_ASSERT_EQUAL(ftruncate(fd, SIZE), 0);
	CU_ASSERT_EQUAL(fchown(fd, NOBODY, NOBODY), 0);
	CU_ASSERT_EQUAL(flock(fd, LOCK_EX | LOCK_NB), 0);
	expect_made();
	close(fd);
	end();
}

int
test_shared_file_register(void)
{
	static CU_TestInfo tests[] = {
		{ "made, found again, held", test_again },
		{ "links and pipes in its place", test_links },
		{ "another user's file in its place", test_others },
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = {
		{ "shared_file", NULL, NULL, NULL, NULL, tests },
		CU_SUITE_INFO_NULL,
	};

	return CU_register_suites(suites);
}

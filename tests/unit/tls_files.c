/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tls_files.h"

#include <CUnit/CUnit.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH 200

static int saved = -1; /* standard error */

void
tls_files_begin(void)
{
	char path[PATH];
	int fd;

	folder_begin();
	saved = dup(STDERR_FILENO);
	fd = open(folder_file("log", path, sizeof(path)), O_CREAT | O_APPEND | O_WRONLY, 0600);
	CU_ASSERT_EQUAL(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	close(fd);
}

void
tls_files_end(void)
{
	dup2(saved, STDERR_FILENO);
	close(saved);
	folder_end();
}

void
tls_files_replace(const char *name, const char *text, mode_t mode)
{
	char path[PATH], new[PATH];
	FILE *f = fopen(folder_file("new", new, sizeof(new)), "w");

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	fputs(text, f);
	fclose(f);
	chmod(new, mode);
	CU_ASSERT_EQUAL(rename(new, folder_file(name, path, sizeof(path))), 0);
}

void
tls_files_replace_pair(const char *name, const struct tls_wish *wish)
{
	struct tls_pair pair = tls_test_make(wish);
	char file[40];

	snprintf(file, sizeof(file), "%s.pem", name);
	tls_files_replace(file, pair.certificate, 0644);
	snprintf(file, sizeof(file), "%s.key", name);
	tls_files_replace(file, pair.key, 0600);
	tls_test_free(&pair);
}

bool
tls_files_logged(const char *text)
{
	char path[PATH], log[8000];
	FILE *f = fopen(folder_file("log", path, sizeof(path)), "r");
	size_t n;

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	n = fread(log, 1, sizeof(log) - 1, f);
	log[n] = '\0';
	fclose(f);
	CU_ASSERT_EQUAL(truncate(path, 0), 0);
	return *text ? strstr(log, text) != NULL : n == 0;
}

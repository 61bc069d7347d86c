/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/folder.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>

static char folder[64];

void
folder_begin(void)
{
	snprintf(folder, sizeof(folder), "/tmp/penstock-unit-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
}

void
folder_end(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", folder);
	CU_ASSERT_EQUAL(system(command), 0);
}

const char *
folder_path(void)
{
	return folder;
}

const char *
folder_file(const char *name, char *out, size_t size)
{
	snprintf(out, size, "%s/%s", folder, name);
	return out;
}

struct store *
folder_store(void)
{
	const char *error = NULL;
	struct store *s = store_open(folder, &error);

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	return s;
}

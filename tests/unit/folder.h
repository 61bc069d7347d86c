/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A folder for each test that needs one: made before it, removed after it with all that is in it.
 * folder_begin and folder_end are a suite's setup and teardown of a test. One thread.
 */
#ifndef TESTS_UNIT_FOLDER_H
#define TESTS_UNIT_FOLDER_H

#include <stddef.h>

#include "cp/state/store.h"

void folder_begin(void);
void folder_end(void);

/* Where it is. */
const char *folder_path(void);
/* The path of a file in it, written into out. */
const char *folder_file(const char *name, char *out, size_t size);
/* A store that lies there. */
struct store *folder_store(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates, keys and authorities in a test's folder, that are replaced while somebody uses
 * them, and what the log says of that. One thread.
 */
#ifndef TESTS_UNIT_TLS_FILES_H
#define TESTS_UNIT_TLS_FILES_H

#include <stdbool.h>
#include <sys/types.h>

#include "tests/unit/folder.h"
#include "tests/unit/tls_peer.h"

/* The folder, and standard error goes to a file in it. */
void tls_files_begin(void);
void tls_files_end(void);

/* Another file of this name, at once. */
void tls_files_replace(const char *name, const char *text, mode_t mode);
/* NAME.pem and NAME.key. */
void tls_files_replace_pair(const char *name, const struct tls_wish *wish);

/* Has the log said that since the last time? It is empty then. "": has it said nothing? */
bool tls_files_logged(const char *text);

#endif

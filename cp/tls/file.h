/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of certificates and keys: read as a whole, or not at all. No state; any thread, but it may
 * wait for the disk.
 */
#ifndef CP_TLS_FILE_H
#define CP_TLS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#define TLS_FILE_MAX (4u << 20) /* bytes */

/* What is wrong with a file, as what follows its name in a sentence; empty: nothing. */
#define TLS_FAULT_LEN 200
struct tls_fault {
	char text[TLS_FAULT_LEN];
};
/* False. */
bool tls_fault_set(struct tls_fault *fault, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The same, and what mbedTLS says of its error. */
bool tls_fault_mbedtls(struct tls_fault *fault, int code, const char *what);

/* Changes whenever what a path leads to may be something else: another file by this name or behind
 * a link, other content, another mode. */
struct tls_stamp {
	bool there;
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec modified, changed;
};
struct tls_stamp tls_file_stamp(const char *path);
bool tls_stamp_equal(const struct tls_stamp *a, const struct tls_stamp *b);

/* The text of a file, NUL-terminated, to be given to tls_file_free; NULL: fault says why. stamp is
 * that of what was read. secret: refused if others than its owner, who is root or this process's
 * user, may do anything with it. */
char *tls_file_read(const char *path, bool secret, struct tls_stamp *stamp,
		    struct tls_fault *fault);
/* Nothing of it stays in memory. NULL is allowed. */
void tls_file_free(char *text);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/tls/file.h"

#include <errno.h>
#include <fcntl.h>
#include <mbedtls/error.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool
tls_fault_set(struct tls_fault *fault, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(fault->text, sizeof(fault->text), format, args);
	va_end(args);
	return false;
}

bool
tls_fault_mbedtls(struct tls_fault *fault, int code, const char *what)
{
	char why[120];

	mbedtls_strerror(code, why, sizeof(why));
	return tls_fault_set(fault, "%s (mbedTLS: %s)", what, why);
}

/* ---- stamps ---------------------------------------------------------------------------------- */

static struct tls_stamp
stamp_of(const struct stat *st)
{
	return (struct tls_stamp){ true,        st->st_dev,  st->st_ino,
				   st->st_size, st->st_mtim, st->st_ctim };
}

struct tls_stamp
tls_file_stamp(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return (struct tls_stamp){ 0 };
	return stamp_of(&st);
}

static bool
same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool
tls_stamp_equal(const struct tls_stamp *a, const struct tls_stamp *b)
{
	return a->there == b->there && a->device == b->device && a->inode == b->inode &&
	       a->size == b->size && same_time(a->modified, b->modified) &&
	       same_time(a->changed, b->changed);
}

/* ---- reading --------------------------------------------------------------------------------- */

static bool
is_private(const struct stat *st, struct tls_fault *fault)
{
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return tls_fault_set(fault, "belongs to user %u; a private key has to be root's",
				     (unsigned int)st->st_uid);
	if (st->st_mode & 077)
		return tls_fault_set(fault,
				     "is open to others than its owner (mode %04o); a private key "
				     "has to have mode 0600",
				     (unsigned int)st->st_mode & 07777);
	return true;
}

static bool
is_good(const struct stat *st, bool secret, struct tls_fault *fault)
{
	if (!S_ISREG(st->st_mode))
		return tls_fault_set(fault, "is not a file");
	if (st->st_size > (off_t)TLS_FILE_MAX)
		return tls_fault_set(fault, "is longer than %u MB", TLS_FILE_MAX >> 20);
	return !secret || is_private(st, fault);
}

/* All of it; a file that shrinks meanwhile is read up to its end. */
static char *
read_all(int fd, size_t size, struct tls_fault *fault)
{
	char *text = malloc(size + 1);
	size_t n = 0;
	ssize_t got = 1;

	if (!text) {
		tls_fault_set(fault, "cannot be read: %s", strerror(ENOMEM));
		return NULL;
	}
	while (n < size && got > 0) {
		got = read(fd, text + n, size - n);
		n += got > 0 ? (size_t)got : 0;
	}
	text[n] = '\0';
	if (got < 0)
		tls_fault_set(fault, "cannot be read: %s", strerror(errno));
	else if (strlen(text) == n)
		return text;
	else
		tls_fault_set(fault, "is not a text (PEM)");
	explicit_bzero(text, n);
	free(text);
	return NULL;
}

char *
tls_file_read(const char *path, bool secret, struct tls_stamp *stamp, struct tls_fault *fault)
{
	struct stat st;
	char *text = NULL;
	int fd = -1;

	/* To open what is no file may do something. */
	if (stat(path, &st) == 0 && !is_good(&st, secret, fault))
		return NULL;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0)
		tls_fault_set(fault, "cannot be read: %s", strerror(errno));
	else if (is_good(&st, secret, fault))
		text = read_all(fd, (size_t)st.st_size, fault);
	if (text)
		*stamp = stamp_of(&st);
	if (fd >= 0)
		close(fd);
	return text;
}

void
tls_file_free(char *text)
{
	if (!text)
		return;
	explicit_bzero(text, strlen(text));
	free(text);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/state/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_NAME  "lock"
#define NAME_BYTES "abcdefghijklmnopqrstuvwxyz0123456789.-"
/* .NAME.new */
#define TEMPORARY_SIZE (STORE_NAME_MAX + sizeof("..new"))

struct store {
	char *path;
	int dir;  /* the directory; files are opened relative to it */
	int lock; /* held as long as it is open */
	store_step_fn *observe;
	void *observe_arg;
};

static bool
is_name(const char *name)
{
	size_t len = strspn(name, NAME_BYTES);

	return len > 0 && len <= STORE_NAME_MAX && name[len] == '\0' && name[0] != '.' &&
	       strcmp(name, LOCK_NAME) != 0;
}

static void
step(const struct store *s, const char *name)
{
	if (s->observe)
		s->observe(s->observe_arg, name);
}

void
store_observe(struct store *s, store_step_fn *fn, void *arg)
{
	s->observe = fn;
	s->observe_arg = arg;
}

/* ---- opening ---- */

/* What a writer that died has left. */
static void
remove_leftovers(const struct store *s)
{
	DIR *dir = fdopendir(openat(s->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	const struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		size_t len = strlen(entry->d_name);

		if (entry->d_name[0] == '.' && len > 5 &&
		    strcmp(entry->d_name + len - 4, ".new") == 0)
			unlinkat(s->dir, entry->d_name, 0);
	}
	closedir(dir);
}

static bool
open_directory(struct store *s)
{
	if (mkdir(s->path, 0750) < 0 && errno != EEXIST)
		return false;
	s->dir = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return s->dir >= 0;
}

static bool
take_lock(struct store *s)
{
	s->lock = openat(s->dir, LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	return s->lock >= 0 && flock(s->lock, LOCK_EX | LOCK_NB) == 0;
}

struct store *
store_open(const char *dir, const char **error)
{
	static char sentence[512];
	struct store *s = calloc(1, sizeof(*s));

	*error = "not enough memory";
	if (!s)
		return NULL;
	s->dir = s->lock = -1;
	s->path = strdup(dir);
	if (s->path && open_directory(s) && take_lock(s)) {
		remove_leftovers(s);
		return s;
	}
	if (errno == EWOULDBLOCK)
		snprintf(sentence, sizeof(sentence), "%.400s is in use by another penstockd", dir);
	else
		snprintf(sentence, sizeof(sentence), "%.400s: %s", dir, strerror(errno));
	*error = sentence;
	store_close(s);
	return NULL;
}

void
store_close(struct store *s)
{
	if (!s)
		return;
	if (s->lock >= 0)
		close(s->lock);
	if (s->dir >= 0)
		close(s->dir);
	free(s->path);
	free(s);
}

const char *
store_dir(const struct store *s)
{
	return s->path;
}

/* ---- writing ---- */

/* 0 or -errno. */
static int
write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

/* The temporary file with the content, on disk. 0 or -errno. */
static int
write_temporary(struct store *s, const char *temporary, const void *data, size_t len)
{
	int fd, rc;

	unlinkat(s->dir, temporary, 0);
	fd = openat(s->dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	step(s, "opened");
	rc = write_all(fd, data, len);
	step(s, "written");
	if (rc == 0 && fsync(fd) < 0)
		rc = -errno;
	if (close(fd) < 0 && rc == 0)
		rc = -errno;
	step(s, "synced");
	return rc;
}

int
store_write(struct store *s, const char *name, const void *data, size_t len)
{
	char temporary[TEMPORARY_SIZE];
	int rc;

	if (!is_name(name))
		return -EINVAL;
	if (len > STORE_MAX_BYTES)
		return -EFBIG;
	snprintf(temporary, sizeof(temporary), ".%s.new", name);
	rc = write_temporary(s, temporary, data, len);
	if (rc == 0 && renameat(s->dir, temporary, s->dir, name) < 0)
		rc = -errno;
	if (rc < 0) {
		unlinkat(s->dir, temporary, 0);
		return rc;
	}
	step(s, "renamed");
	return fsync(s->dir) < 0 ? -errno : 0;
}

int
store_remove(struct store *s, const char *name)
{
	if (!is_name(name))
		return -EINVAL;
	if (unlinkat(s->dir, name, 0) < 0)
		return errno == ENOENT ? 0 : -errno;
	return fsync(s->dir) < 0 ? -errno : 0;
}

/* ---- reading ---- */

/* The size of a plain file that is not too long; -1 with errno. */
static ssize_t
plain_size(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -1;
	if (S_ISREG(st.st_mode) && st.st_size <= (off_t)STORE_MAX_BYTES)
		return (ssize_t)st.st_size;
	errno = S_ISREG(st.st_mode) ? EFBIG : EINVAL;
	return -1;
}

static char *
read_all(int fd, size_t *len)
{
	ssize_t size = plain_size(fd), n = 0;
	size_t got = 0;
	char *data = size < 0 ? NULL : malloc((size_t)size + 1);

	if (!data)
		return NULL;
	while (got < (size_t)size && (n = read(fd, data + got, (size_t)size - got)) != 0) {
		if (n < 0 && errno != EINTR) {
			free(data);
			return NULL;
		}
		got += n > 0 ? (size_t)n : 0;
	}
	data[got] = '\0';
	if (len)
		*len = got;
	return data;
}

char *
store_read(struct store *s, const char *name, size_t *len)
{
	char *data;
	int fd, error;

	errno = EINVAL;
	if (!is_name(name))
		return NULL;
	/* Not blocking: it could be a pipe. */
	fd = openat(s->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	data = read_all(fd, len);
	error = errno;
	close(fd);
	errno = error;
	return data;
}

int
store_list(struct store *s, const char *prefix, store_name_fn *fn, void *arg)
{
	int fd = openat(s->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!dir) {
		int rc = -errno;

		if (fd >= 0)
			close(fd);
		return rc;
	}
	while ((entry = readdir(dir)))
		if (is_name(entry->d_name) && strncmp(entry->d_name, prefix, strlen(prefix)) == 0)
			fn(arg, entry->d_name);
	closedir(dir);
	return 0;
}

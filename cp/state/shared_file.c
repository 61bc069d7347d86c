/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/state/shared_file.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/magic.h>
#include <linux/mempolicy.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

struct shared_place
shared_place_huge(void)
{
	struct shared_place best = { .huge = true };
	FILE *mounts = setmntent("/proc/self/mounts", "r");
	const struct mntent *m;
	struct statfs fs;

	while (mounts && (m = getmntent(mounts))) {
		if (strcmp(m->mnt_type, "hugetlbfs") != 0 || statfs(m->mnt_dir, &fs) < 0 ||
		    access(m->mnt_dir, W_OK) < 0 || strlen(m->mnt_dir) >= sizeof(best.dir))
			continue;
		if (best.page && (size_t)fs.f_bsize >= best.page)
			continue;
		snprintf(best.dir, sizeof(best.dir), "%s", m->mnt_dir);
		best.page = (size_t)fs.f_bsize;
	}
	if (mounts)
		endmntent(mounts);
	return best;
}

struct shared_place
shared_place_tmpfs(void)
{
	struct shared_place place = { .dir = "/dev/shm" };
	struct statfs fs;

	if (statfs(place.dir, &fs) == 0 && fs.f_type == TMPFS_MAGIC && access(place.dir, W_OK) == 0)
		place.page = (size_t)sysconf(_SC_PAGESIZE);
	return place;
}

static void
path_make(const struct shared_place *place, const char *name, char path[SHARED_FILE_PATH_MAX])
{
	snprintf(path, SHARED_FILE_PATH_MAX, "%s/%s", place->dir, name);
}

/* Give up on f, for `reason`. */
static int
refuse(struct shared_file *f, int reason)
{
	shared_file_close(f);
	return reason;
}

static int
map(struct shared_file *f, size_t size)
{
	f->base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
	if (f->base == MAP_FAILED) {
		f->base = NULL;
		return -errno;
	}
	f->size = size;
	return 0;
}

int
shared_file_open(struct shared_file *f, const struct shared_place *place, const char *name,
		 size_t size)
{
	struct stat st;
	int rc;

	*f = (struct shared_file){ .fd = -1 };
	path_make(place, name, f->path);
	f->fd = open(f->path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (f->fd < 0)
		return -errno;
	if (flock(f->fd, LOCK_EX | LOCK_NB) < 0)
		return refuse(f, -EBUSY);
	if (fstat(f->fd, &st) < 0)
		return refuse(f, -errno);
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077))
		return refuse(f, -EPERM);
	if ((size_t)st.st_size != size)
		return refuse(f, -EMSGSIZE);
	rc = map(f, size);
	return rc < 0 ? refuse(f, rc) : 0;
}

void
shared_file_remove(const struct shared_place *place, const char *name)
{
	char path[SHARED_FILE_PATH_MAX];
	struct stat st;
	int fd;

	if (!place->page)
		return;
	path_make(place, name, path);
	/* In /dev/shm anybody may take our name; whatever lock they hold means nothing. */
	if (lstat(path, &st) == 0 && (!S_ISREG(st.st_mode) || st.st_uid != geteuid())) {
		unlink(path);
		return;
	}
	fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		unlink(path);
	close(fd);
}

int
shared_file_create(struct shared_file *f, const struct shared_place *place, const char *name,
		   size_t size)
{
	int rc;

	*f = (struct shared_file){ .fd = -1 };
	path_make(place, name, f->path);
	shared_file_remove(place, name);
	f->fd = open(f->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (f->fd < 0)
		return errno == EEXIST ? -EBUSY : -errno;
	rc = flock(f->fd, LOCK_EX | LOCK_NB) < 0 || ftruncate(f->fd, (off_t)size) < 0 ? -errno : 0;
	if (rc == 0)
		rc = map(f, size);
	if (rc == 0)
		return 0;
	unlink(f->path);
	return refuse(f, rc);
}

static int
node_of_cpu(unsigned int cpu)
{
	char pattern[64];
	glob_t found;
	int node = -1;

	snprintf(pattern, sizeof(pattern), "/sys/devices/system/cpu/cpu%u/node[0-9]*", cpu);
	if (glob(pattern, 0, NULL, &found) != 0)
		return -1;
	node = atoi(strrchr(found.gl_pathv[0], 'e') + 1);
	globfree(&found);
	return node;
}

void
shared_file_near(struct shared_file *f, size_t at, size_t size, unsigned int cpu)
{
	unsigned long nodes[16] = { 0 };
	int node = node_of_cpu(cpu);

	if (node < 0 || (size_t)node >= sizeof(nodes) * 8)
		return;
	nodes[node / (8 * (int)sizeof(long))] = 1ul << node % (8 * (int)sizeof(long));
	/* Where the kernel knows of no nodes, or may not be asked, any memory is near. */
	syscall(SYS_mbind, f->base + at, size, MPOL_PREFERRED, nodes, sizeof(nodes) * 8, 0);
}

int
shared_file_populate(struct shared_file *f)
{
	if (fallocate(f->fd, 0, 0, (off_t)f->size) == 0)
		return 0;
	return -ENOMEM;
}

void
shared_file_close(struct shared_file *f)
{
	if (f->base)
		munmap(f->base, f->size);
	if (f->fd >= 0)
		close(f->fd);
	f->base = NULL;
	f->fd = -1;
}

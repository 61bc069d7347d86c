/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/admin/admin_socket.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 32

/* The directory of a path that has one, made if its own parent is there. */
static int
make_directory(const char *path, char *error, size_t error_size)
{
	char directory[sizeof(((struct sockaddr_un *)0)->sun_path)];
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 0;

	if (len == 0)
		return 0;
	memcpy(directory, path, len);
	directory[len] = '\0';
	if (mkdir(directory, 0755) == 0 || errno == EEXIST)
		return 0;
	snprintf(error, error_size,
		 "cannot make the directory %s of the admin socket: %s; make it, or name another "
		 "place with --socket",
		 directory, strerror(errno));
	return -errno;
}

/* Remove what an earlier process left at the address; refuse what is alive or not a socket. */
static int
remove_stale(const struct sockaddr_un *address, char *error, size_t error_size)
{
	const char *path = address->sun_path;
	struct stat st;
	int fd, ret;

	if (lstat(path, &st) != 0)
		return 0; /* usually: nothing there; anything else, bind tells */
	if (!S_ISSOCK(st.st_mode)) {
		snprintf(error, error_size,
			 "%s is there and is not a socket; remove it, or name "
			 "another place with --socket",
			 path);
		return -EEXIST;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	ret = connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ? 0 : errno;
	close(fd);
	/* EAGAIN: somebody listens, with a full queue. */
	if (ret == 0 || ret == EAGAIN) {
		snprintf(error, error_size,
			 "another penstockd answers at %s; stop it, or name "
			 "another place with --socket",
			 path);
		return -EADDRINUSE;
	}
	if (ret == ECONNREFUSED)
		unlink(path);
	return 0;
}

int
admin_socket_group(const char *path, const char *group, char *error, size_t error_size)
{
	gid_t gid = getegid();
	const struct group *entry;

	if (group) {
		entry = getgrnam(group);
		if (!entry) {
			snprintf(error, error_size,
				 "admin.group: there is no group \"%s\" on this machine", group);
			return -ENOENT;
		}
		gid = entry->gr_gid;
	}
	if (chown(path, (uid_t)-1, gid) == 0)
		return 0;
	snprintf(error, error_size, "cannot give %s to the group %s: %s", path,
		 group ? group : "of the process", strerror(errno));
	return -errno;
}

static int
bind_and_listen(int fd, const struct sockaddr_un *address, const char *group, char *error,
		size_t error_size)
{
	const char *path = address->sun_path;
	mode_t before;
	int ret;

	/* Nobody else may connect before the file has its group. */
	before = umask(0177);
	ret = bind(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ? 0 : -errno;
	umask(before);
	if (ret) {
		snprintf(error, error_size,
			 "cannot make the admin socket %s: %s; run as root, or "
			 "name another place with --socket",
			 path, strerror(-ret));
		return ret;
	}
	ret = admin_socket_group(path, group, error, error_size);
	if (ret) {
		unlink(path);
		return ret;
	}
	if (chmod(path, 0660) == 0 && listen(fd, BACKLOG) == 0)
		return 0;
	ret = -errno;
	unlink(path);
	snprintf(error, error_size, "cannot listen at %s: %s", path, strerror(-ret));
	return ret;
}

static int
address_fill(struct sockaddr_un *address, const char *path, char *error, size_t error_size)
{
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (!*path || strlen(path) >= sizeof(address->sun_path)) {
		snprintf(error, error_size, "the admin socket's path must have 1 to %zu bytes: %s",
			 sizeof(address->sun_path) - 1, path);
		return -ENAMETOOLONG;
	}
	memcpy(address->sun_path, path, strlen(path));
	return 0;
}

int
admin_socket_vacant(const char *path, char *error, size_t error_size)
{
	struct sockaddr_un address;
	int ret = address_fill(&address, path, error, error_size);

	return ret ? ret : remove_stale(&address, error, error_size);
}

int
admin_socket_listen(const char *path, const char *group, char *error, size_t error_size)
{
	struct sockaddr_un address;
	int fd, ret = address_fill(&address, path, error, error_size);

	if (!ret)
		ret = make_directory(path, error, error_size);
	if (!ret)
		ret = remove_stale(&address, error, error_size);
	if (ret)
		return ret;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		ret = -errno;
		snprintf(error, error_size, "cannot make a socket: %s", strerror(-ret));
		return ret;
	}
	ret = bind_and_listen(fd, &address, group, error, error_size);
	if (ret) {
		close(fd);
		return ret;
	}
	return fd;
}

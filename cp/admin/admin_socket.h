/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The admin socket's file: made, given to its group, removed. Errors come back as -errno with a
 * sentence. Control thread only.
 */
#ifndef CP_ADMIN_ADMIN_SOCKET_H
#define CP_ADMIN_ADMIN_SOCKET_H

#include <stddef.h>
#include <sys/stat.h>

/* 0 unless another process listens at path; -EADDRINUSE, or another -errno, with a sentence. */
int admin_socket_vacant(const char *path, char *error, size_t error_size);

/* Listen at path: mode 0660, the group named (NULL: the process's). Its directory is made if only
 * that is missing. A file that nobody listens on any more is replaced. The descriptor, or -errno.
 */
int admin_socket_listen(const char *path, const char *group, char *error, size_t error_size);
/* Give the file to another group. 0 or -errno. */
int admin_socket_group(const char *path, const char *group, char *error, size_t error_size);

#endif

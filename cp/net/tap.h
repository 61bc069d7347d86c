/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TAP device: an Ethernet device of the kernel whose frames are read and written here. It lives
 * as long as its descriptor is open. Control thread only.
 */
#ifndef CP_NET_TAP_H
#define CP_NET_TAP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* 0 if the name is free, or -EEXIST with a sentence in error. */
int tap_vacant(const char *name, char *error, size_t error_size);
/* Create the device, down, in the process's network namespace. Its descriptor (non-blocking), or
 * -errno with a sentence in error. */
int tap_open(const char *name, const uint8_t mac[6], char *error, size_t error_size);
void tap_close(int fd);
/* One frame. Its length, or -errno (-EAGAIN: none there). */
ssize_t tap_read(int fd, void *frame, size_t size);
/* One frame in n parts. */
ssize_t tap_write(int fd, const struct iovec *parts, int n);

#endif

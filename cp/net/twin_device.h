/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network device of the kernel that a twin is: behind vhost-net where the kernel has that, else
 * a TAP. Belongs to its twin (twin.c), control thread only. Frames are the holder's: what is
 * received is the caller's, what is sent no longer.
 */
#ifndef CP_NET_TWIN_DEVICE_H
#define CP_NET_TWIN_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cp/device/vhost.h"

struct twin_device {
	int fd; /* readable when there are frames to receive; -1: closed */
	bool by_vhost;
	struct vhost vhost; /* if by_vhost */
	struct rte_mempool *mbufs;
};

/* Make the device, down, in the process's network namespace. If vhost-net (request->path, NULL:
 * none) cannot be had, a warning is logged, request->path becomes NULL, and it is a TAP. 0, or
 * -errno with a sentence in error. */
int twin_device_open(struct twin_device *d, struct vhost_request *request, char *error,
		     size_t error_size);
void twin_device_close(struct twin_device *d);
/* Up to n frames: how many. An entry is NULL where a frame got lost for want of mbufs. -errno:
 * there is no such device any more. If more frames wait, d->fd is readable again. */
int twin_device_receive(struct twin_device *d, struct rte_mbuf **frames, uint16_t n);
/* How many of the n frames the kernel took. */
uint16_t twin_device_send(struct twin_device *d, struct rte_mbuf **frames, uint16_t n);

#endif

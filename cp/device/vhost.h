/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network device of the kernel behind a DPDK port (virtio_user): frames pass through two rings in
 * memory that a thread of the kernel (vhost-net) works on, without a system call for each.
 *
 * The port belongs to whoever opened it and is none of the configuration's: workers and
 * dataplane.ports do not know it. Its frames come from, and return to, the pool given at the
 * opening. The device lives as long as the port is open. Control thread only.
 */
#ifndef CP_DEVICE_VHOST_H
#define CP_DEVICE_VHOST_H

#include <stddef.h>
#include <stdint.h>

#include <rte_mbuf.h>

/* Frames that either ring holds. */
#define VHOST_DESCRIPTORS 512u

struct vhost {
	uint16_t port_id; /* DPDK's */
	int fd;           /* readable when the kernel has sent frames; closed with the port */
};

/* What is to be made, and of what. */
struct vhost_request {
	const char *path; /* from vhost_path */
	const char *name; /* of the network device */
	const uint8_t *mac;
	struct rte_mempool *mbufs;
};

/* The kernel's vhost-net device: /dev/vhost-net, or what the environment's PENSTOCK_VHOST_NET says;
 * NULL if there is none. */
const char *vhost_path(void);
/* Make the network device, down, in the process's network namespace. 0, or -errno with the reason
 * in error. */
int vhost_open(struct vhost *v, const struct vhost_request *request, char *error,
	       size_t error_size);
void vhost_close(struct vhost *v);
/* Up to n frames, now the caller's. More may wait: then v->fd is readable again. */
uint16_t vhost_receive(struct vhost *v, struct rte_mbuf **frames, uint16_t n);
/* How many of n frames the ring took, from the first on; the others stay the caller's. */
uint16_t vhost_send(struct vhost *v, struct rte_mbuf **frames, uint16_t n);

#endif

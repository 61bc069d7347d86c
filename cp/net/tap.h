/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TAP device: an Ethernet device of the kernel whose frames are read and written here, one system
 * call each. It lives as long as its descriptor is open. Control thread only.
 */
#ifndef CP_NET_TAP_H
#define CP_NET_TAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_mbuf.h>

/* 0 if the name is free, or -EEXIST with a sentence in error. */
int tap_vacant(const char *name, char *error, size_t error_size);
/* Create the device, down, in the process's network namespace. Its descriptor (non-blocking), or
 * -errno with a sentence in error. */
int tap_open(const char *name, const uint8_t mac[6], char *error, size_t error_size);
void tap_close(int fd);
/* One frame in mbufs of the pool; *frame is NULL if there were none for it. 0, or -errno (-EAGAIN:
 * no frame there). */
int tap_receive(int fd, struct rte_mempool *pool, struct rte_mbuf **frame);
/* The frame stays the caller's. False: the kernel did not take it. */
bool tap_send(int fd, const struct rte_mbuf *frame);

#endif

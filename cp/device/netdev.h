/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel network devices, by name: what DPDK devices lie on (AF_XDP, AF_PACKET) and what twins are.
 * System calls and files below /proc/sys only; no state. Control thread.
 */
#ifndef CP_DEVICE_NETDEV_H
#define CP_DEVICE_NETDEV_H

#include <stdbool.h>
#include <stdint.h>

#define NETDEV_NAME_SIZE 16

/* The kernel device that a DPDK device takes over ("net_af_xdp0,iface=eth0": eth0). False if there
 * is none. */
bool netdev_of_device(const char *device, char name[NETDEV_NAME_SIZE]);

/* 0: there is no such device. */
unsigned int netdev_index(const char *name);

/* Set and clear interface flags (IFF_UP). 0 or -errno. */
int netdev_flags(const char *name, unsigned int set, unsigned int clear);

/* Write a per-device setting: /proc/sys/net/FAMILY/conf/NAME/KEY. 0 or -errno. */
int netdev_setting(const char *family, const char *name, const char *key, const char *value);

/* Bring the device up, and keep the kernel from answering on it what Penstock answers: with
 * AF_PACKET it still gets a copy of every packet. Best effort. */
void netdev_hand_over(const char *name);

#endif

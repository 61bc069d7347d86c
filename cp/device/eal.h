/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DPDK's log, kept from people unless they ask for it (PENSTOCK_DPDK_LOG=1).
 *
 * Messages of level error are remembered; so is what DPDK and the libraries below it print on
 * standard output and error between eal_quiet_begin and eal_quiet_end. Control thread, while no
 * other thread prints. There is one EAL in a process, hence one log: state of file scope.
 */
#ifndef CP_DEVICE_EAL_H
#define CP_DEVICE_EAL_H

#include <stdbool.h>

/* Send DPDK's log here. Once, before rte_eal_init. 0 or -errno. */
int eal_log_open(void);

/* Forget what was remembered, and keep standard output and error from being written to. */
void eal_quiet_begin(void);
void eal_quiet_end(void);

/* What went wrong since eal_quiet_begin: " (DPDK: first error message)", or "" if there was none.
 * Valid until the next eal_quiet_begin. */
const char *eal_log_reason(void);

/* True for "0000:3b:00.0" and "3b:00.0", with or without ",arguments": a PCI device. */
bool eal_device_is_pci(const char *device);

#endif

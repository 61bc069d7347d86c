/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Twins: each link (port, vlan) has a network device in the kernel, behind vhost-net where the
 * kernel has that, else a TAP (twin_device.h). What no service claims is carried to it, and what
 * the kernel sends there leaves by the port, tagged if the link is a VLAN.
 *
 *     worker --port.to_host ring--> control --send--> device
 *     device --receive--> control --worker.from_host ring--> worker --> port
 *
 * Control thread only.
 */
#ifndef CP_NET_TWIN_H
#define CP_NET_TWIN_H

#include <stdint.h>

#include "cp/config/model.h"
#include "cp/loop.h"
#include "cp/net/network.h"
#include "dp/worker.h"

struct twins;

/* Create the twins of all interfaces that want one (their names, MAC addresses of the ports),
 * register them with network, begin to carry frames. NULL with *error a sentence. */
struct twins *twins_create(struct loop *loop, struct dataplane *dp, const struct config *config,
			   struct network *network, const char **error);
/* After an apply: twins of VLANs that came or went, and those that were lost. 0 or -errno with
 * *error. */
int twins_configure(struct twins *t, const struct config *config, const char **error);
/* True if somebody has deleted a twin since: twins_configure makes it anew, without its addresses.
 * To be asked when links of the network have changed. */
bool twins_lost(struct twins *t);
void twins_destroy(struct twins *t);

/* For `show interfaces`. */
struct twin_stats {
	uint64_t to_kernel, from_kernel, errors;
};
void twins_stats(const struct twins *t, uint8_t port, uint16_t vlan, struct twin_stats *out);
/* Add the frames dropped between workers and kernel, by reason. */
void twins_drops(const struct twins *t, uint64_t sums[DROP_REASON_COUNT]);

#endif

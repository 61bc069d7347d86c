/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links: the networks (port, vlan) whose twin is a device in the kernel. Owned by struct network;
 * control thread only. Invariant: ifindex and (port, vlan) are unique.
 */
#ifndef CP_NET_LINKS_H
#define CP_NET_LINKS_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct network_link {
	unsigned int ifindex;
	uint8_t port;
	uint16_t vlan;
	bool up; /* IFF_UP */
	char name[IFNAMSIZ];
};

struct links {
	struct network_link *list;
	size_t count, size;
};

const struct network_link *links_by_ifindex(const struct links *l, unsigned int ifindex);
const struct network_link *links_find(const struct links *l, uint8_t port, uint16_t vlan);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Linux knows of the network, followed by netlink: neighbours and routes on our twins; and
 * what we tell Linux: addresses, MTU, routes.
 *
 * A LINK is one network of an interface: (port, vlan), vlan 0 = untagged. Each link with a twin has
 * a network device in the kernel of its own: NAME, or NAME.ID for a VLAN (a device each, so no VLAN
 * support is asked of the kernel). Without twins (twin = false) only static neighbours and
 * configured addresses and routes exist. Control thread only.
 */
#ifndef CP_NET_NETWORK_H
#define CP_NET_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cp/config/model.h"
#include "cp/loop.h"
#include "lib/addr.h"

struct network;

struct network_neighbour {
	struct addr addr;
	struct mac mac;
	uint8_t port; /* index in config.interfaces == index in dataplane.ports */
	uint16_t vlan;
	bool fixed;        /* from the configuration */
	const char *state; /* "static", "reachable", "stale", "failed", "incomplete"; mac counts
			      unless failed or incomplete */
	bool usable;
};

struct network_route {
	struct prefix to;
	struct addr via; /* zero address (all 16 bytes 0): on-link */
	uint8_t port;
	uint16_t vlan;
	uint32_t metric;
};

/* Called (from the loop, at most once per batch of netlink messages) when neighbours or routes have
 * changed. */
typedef void network_changed_fn(void *arg);

/* Opens netlink sockets and begins to follow. Twins are registered afterwards by network_link_add.
 * NULL with *error set to a sentence. */
struct network *network_create(struct loop *loop, network_changed_fn *changed, void *arg,
			       const char **error);
void network_destroy(struct network *n);

/* The kernel device `ifindex` is the twin of (port, vlan). Sets it up, reads its neighbours and
 * routes. 0 or -errno. */
int network_link_add(struct network *n, uint8_t port, uint16_t vlan, unsigned int ifindex);

/* Make the kernel agree with the configuration: MTU, addresses (interfaces' own, and service
 * addresses as /32 or /128 so that ARP and NDP answer for them; service prefixes as local routes),
 * configured routes. Adds what is missing and removes what an earlier call added and is no longer
 * wanted; never touches what others configured. Also takes static neighbours and connected networks
 * from config for links without twins. 0, or -errno with *error a sentence (which setting, what the
 * kernel said). */
int network_configure(struct network *n, const struct config *config, const char **error);

/* What is known now. The arrays are valid until the next call into network. Routes include
 * connected networks (via zero). */
const struct network_neighbour *network_neighbours(struct network *n, size_t *count);
const struct network_route *network_routes(struct network *n, size_t *count);

/* Ask the kernel to resolve addr on the link (and to keep it resolved if keep). Rate-limited
 * inside; cheap to repeat. */
void network_resolve(struct network *n, uint8_t port, uint16_t vlan, const struct addr *addr);
/* The set of addresses that must stay resolved (backends and gateways): replaces the earlier set.
 */
struct network_target {
	struct addr addr;
	uint8_t port;
	uint16_t vlan;
};
void network_keep(struct network *n, const struct network_target *targets, size_t count);

/* The kernel's ephemeral port range (/proc/sys/net/ipv4/ip_local_port_range). */
void network_port_range(uint16_t *low, uint16_t *high);

#endif

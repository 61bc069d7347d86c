/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of validation, and the picture of the network that they share.
 *
 * Lives as long as one validate(); one thread. Invariant: subnets are those of addresses that are
 * good by themselves; direct finds them, all finds them and the good routes, both by the longest
 * prefix.
 */
#ifndef CP_CONFIG_VALIDATE_H
#define CP_CONFIG_VALIDATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cp/config/load.h"
#include "lib/lpm.h"

/* An address of our own and the network around it. */
struct subnet {
	struct interface_address address;
	size_t interface;
	uint16_t vlan; /* 0: untagged */
	config_setting_t *setting;
};

struct network {
	struct subnet *subnets;
	size_t n_subnets;
	struct lpm *direct; /* value: index in subnets */
	struct lpm *all;    /* value: index in subnets: where the packet leaves */
	bool incomplete;    /* an address or route is wrong: what is found nowhere may be there */
	bool no_backend_side;
};

/* ---- the order in which validate() calls them -------------------------------------------------
 */

void validate_dataplane(struct load *load);
/* Those that return false are out of memory. */
/* Fills network, also where there are errors. */
bool validate_interfaces(struct load *load, struct network *network);
/* Needs direct; fills all. */
bool validate_routes(struct load *load, struct network *network);
void validate_neighbours(struct load *load, const struct network *network);
bool validate_pools(struct load *load, const struct network *network);
/* How the pool of that setting is checked; called by validate_pools. */
void validate_health(struct load *load, const struct network *network,
		     const config_setting_t *setting, const struct pool_config *pool);
/* Services and listeners. */
bool validate_services(struct load *load);
bool validate_listeners(struct load *load);
/* Of the listener of that setting. */
bool validate_server_names(struct load *load, const struct listener_config *l,
			   const config_setting_t *listener);
/* The same; reads certificates and keys. */
bool validate_tls(struct load *load, struct listener_config *l, const config_setting_t *listener);
/* Pools whose backends are spoken to by TLS; reads certificates and keys. */
void validate_pools_tls(struct load *load);
/* Records and tracing. */
void validate_seen(struct load *load);
/* The service's way to each backend of its pool. */
bool validate_forwarding(struct load *load, const struct network *network);
void validate_sources(struct load *load, const struct network *network);

/* ---- shared ---------------------------------------------------------------------------------- */

/* Where packets to an address leave; direct: without a gateway. NULL: nowhere. */
const struct subnet *network_find(const struct network *network, const struct addr *addr,
				  bool direct);
/* The subnet whose own address that is, or NULL. */
const struct subnet *network_own(const struct network *network, const struct addr *addr);
bool subnet_serves_backends(const struct load *load, const struct subnet *subnet);

/* The name of an object in a message, also where it has none. */
static inline const char *
shown_name(const char *name)
{
	return name ? name : "?";
}

/* Report names that stand more than once in a list, or in it and another (NULL: none). False: out
 * of memory. */
bool validate_names(struct load *load, const char *list, const char *other);
/* True if the whole prefix is what no packet may be sent to (martian). */
bool prefix_is_martian(const struct prefix *prefix);
bool prefixes_overlap(const struct prefix *a, const struct prefix *b);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What we have told the kernel about our links, and bringing it in line with a configuration:
 * MTU, addresses, service addresses, service prefixes, static neighbours, routes.
 *
 * Owned by struct network; control thread only. Invariant: each item in the list is in the kernel
 * because of us, or was there before (then `foreign`, and is left alone), unless somebody else took
 * it away since.
 */
#ifndef CP_NET_INSTALL_H
#define CP_NET_INSTALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cp/config/model.h"
#include "cp/net/links.h"
#include "cp/net/netlink.h"

/* In the order in which they are added. */
enum install_kind {
	INSTALL_MTU,
	INSTALL_ADDRESS,         /* an interface's own */
	INSTALL_SERVICE_ADDRESS, /* a single service address: the kernel answers ARP and NDP for it
				  */
	INSTALL_SERVICE_PREFIX,  /* a local route, so that ARP is answered for all of it; also for
				    source addresses */
	INSTALL_NEIGHBOUR,
	INSTALL_ROUTE,
};

/* Compared as bytes up to `here`: padding is zero. */
struct install_item {
	uint8_t kind; /* enum install_kind */
	uint8_t port;
	uint16_t vlan;
	uint16_t mtu;
	uint8_t len; /* of addr, in the 128-bit space */
	struct mac mac;
	uint8_t zero[3];
	struct addr addr, via;
	bool here;    /* in the kernel */
	bool foreign; /* it was there before us */
	bool wanted;  /* by the configuration that is being installed */
};

struct install {
	struct install_item *list; /* sorted */
	size_t count, size;
	char error[320];
};

/* Add a copy to the list; NULL: no memory. */
struct install_item *install_append(struct install *list, const struct install_item *item);
/* In order, each item once. */
void install_sort(struct install *list);
/* All that the configuration wants (cp/net/wanted.c), sorted. 0 or -ENOMEM. */
int install_wanted(struct install *wanted, const struct links *links, const struct config *config);

void install_free(struct install *have);
/* Bring the kernel in line. 0, or -errno with have->error a sentence; what was done until then
 * stays, and the next call starts from there. */
int install_configure(struct install *have, const struct links *links, struct netlink *nl,
		      const struct config *config);
/* The link came up again: Linux has forgotten some of it. */
void install_again(struct install *have, const struct links *links, struct netlink *nl);
/* The link is gone, and with it all that was there. */
void install_forget(struct install *have, uint8_t port, uint16_t vlan);

/* The link whose network the address is in, or false. Configured networks only. */
bool install_link_towards(const struct config *config, const struct addr *addr, uint8_t *port,
			  uint16_t *vlan);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's routes by our links (main table, unicast), as its messages tell them. Owned by
 * struct network; control thread only.
 *
 * One route per destination and metric is kept, with the first usable next hop. Where the kernel
 * has several, and one of them goes, the routes must be read again (routes.stale).
 */
#ifndef CP_NET_ROUTES_H
#define CP_NET_ROUTES_H

#include <stdbool.h>
#include <stdint.h>

#include <libmnl/libmnl.h>

#include "cp/net/links.h"
#include "cp/net/network.h"
#include "cp/net/table.h"

struct route_key {
	struct addr to;
	uint32_t metric;
	uint8_t len;
	uint8_t zero[3];
};

struct route_entry {
	struct route_key key;
	struct addr via; /* zero: on-link */
	uint16_t vlan;
	uint8_t port;
	bool several;   /* the kernel has, or had, more than one of this destination and metric */
	uint32_t round; /* of the reading that saw it last */
};

struct routes {
	struct table table; /* of struct route_entry */
	uint32_t round;
	bool reading; /* between read_begin and read_end */
	bool stale;   /* to be read again */
};

void routes_init(struct routes *r);
void routes_free(struct routes *r);

/* RTM_NEWROUTE or RTM_DELROUTE. True if something has changed. */
bool routes_message(struct routes *r, const struct links *links, const struct nlmsghdr *header);
/* Around a dump: what it did not mention is gone. */
void routes_read_begin(struct routes *r);
bool routes_read_end(struct routes *r);
/* The link is gone. */
bool routes_forget(struct routes *r, uint8_t port, uint16_t vlan);

#endif

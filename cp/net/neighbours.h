/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's neighbours on our links (ARP and NDP entries), as its messages tell them. Owned by
 * struct network; control thread only.
 */
#ifndef CP_NET_NEIGHBOURS_H
#define CP_NET_NEIGHBOURS_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include <libmnl/libmnl.h>

#include "cp/net/links.h"
#include "cp/net/network.h"
#include "cp/net/table.h"

struct neighbour_key {
	struct addr addr;
	uint16_t vlan;
	uint8_t port;
	uint8_t zero[5]; /* keys are compared as bytes */
};
static_assert(sizeof(struct neighbour_key) == 24, "no bytes that nobody writes");

struct neighbour_entry {
	struct neighbour_key key;
	struct mac mac;
	uint16_t state; /* NUD_... */
	uint32_t round; /* of the reading that saw it last */
};

struct neighbours {
	struct table table; /* of struct neighbour_entry */
	uint32_t round;
};

void neighbours_init(struct neighbours *n);
void neighbours_free(struct neighbours *n);

/* RTM_NEWNEIGH or RTM_DELNEIGH. True if what packets need has changed. */
bool neighbours_message(struct neighbours *n, const struct links *links,
			const struct nlmsghdr *header);
/* Around a dump: what it did not mention is gone. */
void neighbours_read_begin(struct neighbours *n);
bool neighbours_read_end(struct neighbours *n);
/* The link is gone. */
bool neighbours_forget(struct neighbours *n, uint8_t port, uint16_t vlan);

const struct neighbour_entry *neighbours_find(const struct neighbours *n, uint8_t port,
					      uint16_t vlan, const struct addr *addr);
/* The address may be sent to. */
bool neighbour_usable(const struct neighbour_entry *e);
const char *neighbour_state(const struct neighbour_entry *e);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages to and from the kernel's routing subsystem (rtnetlink), one at a time.
 *
 * A struct netlink is one socket. One is for requests (each waits for the kernel's answer, which
 * comes at once), another one follows changes and never blocks. Control thread only.
 */
#ifndef CP_NET_NETLINK_H
#define CP_NET_NETLINK_H

#include <stdbool.h>
#include <stdint.h>

#include <libmnl/libmnl.h>

#include "lib/addr.h"

struct netlink;

/* groups: a bit per RTNLGRP_ number (bit 0 is group 1); 0 for requests. NULL: errno. */
struct netlink *netlink_open(uint32_t groups);
void netlink_close(struct netlink *nl);
int netlink_fd(const struct netlink *nl);

/* A request being written. */
struct netlink_request {
	struct nlmsghdr *header;
	char buffer[1024];
};

/* Begin a request: type RTM_..., flags NLM_F_... (ACK comes by itself); returns the zeroed family
 * header of `size` bytes. */
void *netlink_begin(struct netlink_request *r, uint16_t type, uint16_t flags, size_t size);
/* An address as an attribute: 4 or 16 bytes. */
void netlink_put_addr(struct netlink_request *r, uint16_t type, const struct addr *addr);
/* Send, wait for the acknowledgement. 0 or the kernel's -errno; then netlink_reason may say more.
 */
int netlink_send(struct netlink *nl, struct netlink_request *r);
/* The kernel's words about the last request that failed (extended acknowledgement), or the text of
 * its errno. Valid until the next request. */
const char *netlink_reason(const struct netlink *nl);

/* Called for each message. */
typedef void netlink_message_fn(const struct nlmsghdr *header, void *arg);

/* All objects of a kind: type RTM_GETROUTE, ...; family AF_INET, ... 0 or -errno; -EINTR: they
 * changed meanwhile, ask again. */
int netlink_dump(struct netlink *nl, uint16_t type, uint8_t family, netlink_message_fn *fn,
		 void *arg);
/* What has happened since the last call; returns when there is no more. 0, or -ENOBUFS: some
 * messages are lost. */
int netlink_follow(struct netlink *nl, netlink_message_fn *fn, void *arg);

/* The attributes of a message by type, for types below `count`; the others are NULL. */
void netlink_attributes(const struct nlmsghdr *header, size_t family_header,
			const struct nlattr **list, size_t count);
/* The same for nested attributes of len bytes. */
void netlink_nested(const void *data, size_t len, const struct nlattr **list, size_t count);
/* True and *out set if the attribute is there and holds an address of the family. */
bool netlink_get_addr(const struct nlattr *attribute, int family, struct addr *out);

/* AF_INET or AF_INET6, and an address of that family's bytes. */
int netlink_family(const struct addr *addr);

#endif

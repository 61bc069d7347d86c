/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list of wanted items is made from the configuration and compared with what is there.
 */
#include "cp/net/install.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "cp/log.h"

#define KEY_SIZE offsetof(struct install_item, here)

void
install_free(struct install *have)
{
	free(have->list);
	*have = (struct install){ 0 };
}

static int
item_compare(const void *a, const void *b)
{
	return memcmp(a, b, KEY_SIZE);
}

struct install_item *
install_append(struct install *list, const struct install_item *item)
{
	if (list->count == list->size) {
		size_t size = list->size ? list->size * 2 : 64;
		struct install_item *grown = realloc(list->list, size * sizeof(*grown));

		if (!grown)
			return NULL;
		list->list = grown;
		list->size = size;
	}
	list->list[list->count] = *item;
	return &list->list[list->count++];
}

void
install_sort(struct install *list)
{
	size_t i, n = 0;

	if (list->count == 0)
		return;
	qsort(list->list, list->count, sizeof(*list->list), item_compare);
	for (i = 1; i < list->count; i++)
		if (item_compare(&list->list[n], &list->list[i]) != 0)
			list->list[++n] = list->list[i];
	list->count = n + 1;
}

static struct install_item *
install_find(const struct install *list, const struct install_item *item)
{
	if (list->count == 0)
		return NULL;
	return bsearch(item, list->list, list->count, sizeof(*item), item_compare);
}

/* ---- one item, as a message ---- */

static uint8_t
family_len(const struct install_item *item)
{
	return (uint8_t)(addr_is_v4(&item->addr) ? item->len - 96 : item->len);
}

static void
request_link(struct netlink_request *r, const struct install_item *item, unsigned int ifindex)
{
	struct ifinfomsg *message = netlink_begin(r, RTM_NEWLINK, 0, sizeof(*message));

	message->ifi_family = AF_UNSPEC;
	message->ifi_index = (int)ifindex;
	mnl_attr_put_u32(r->header, IFLA_MTU, item->mtu);
}

static void
request_address(struct netlink_request *r, const struct install_item *item, unsigned int ifindex,
		bool add)
{
	bool v4 = addr_is_v4(&item->addr), service = item->kind == INSTALL_SERVICE_ADDRESS;
	struct ifaddrmsg *message =
	    netlink_begin(r, add ? RTM_NEWADDR : RTM_DELADDR, add ? NLM_F_CREATE | NLM_F_EXCL : 0,
			  sizeof(*message));
	uint32_t flags = v4 ? 0 : IFA_F_NODAD;

	message->ifa_family = (uint8_t)netlink_family(&item->addr);
	message->ifa_prefixlen = family_len(item);
	message->ifa_index = ifindex;
	/* The kernel shall not choose a service's address for connections of its own: IPv4 goes by
	 * scope, IPv6 by preference. */
	message->ifa_scope = v4 && service ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
	netlink_put_addr(r, IFA_LOCAL, &item->addr);
	netlink_put_addr(r, IFA_ADDRESS, &item->addr);
	if (!add)
		return;
	if (!v4 && service) {
		struct ifa_cacheinfo lifetime = { .ifa_prefered = 0, .ifa_valid = UINT32_MAX };

		flags |= IFA_F_NOPREFIXROUTE;
		mnl_attr_put(r->header, IFA_CACHEINFO, sizeof(lifetime), &lifetime);
	}
	mnl_attr_put_u32(r->header, IFA_FLAGS, flags);
}

static void
request_route(struct netlink_request *r, const struct install_item *item, unsigned int ifindex,
	      bool add)
{
	bool local = item->kind == INSTALL_SERVICE_PREFIX;
	struct rtmsg *message =
	    netlink_begin(r, add ? RTM_NEWROUTE : RTM_DELROUTE, add ? NLM_F_CREATE | NLM_F_EXCL : 0,
			  sizeof(*message));

	message->rtm_family = (uint8_t)netlink_family(&item->addr);
	message->rtm_dst_len = family_len(item);
	message->rtm_table = local ? RT_TABLE_LOCAL : RT_TABLE_MAIN;
	message->rtm_type = local ? RTN_LOCAL : RTN_UNICAST;
	message->rtm_scope = local ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
	message->rtm_protocol = RTPROT_STATIC;
	if (message->rtm_dst_len > 0)
		netlink_put_addr(r, RTA_DST, &item->addr);
	mnl_attr_put_u32(r->header, RTA_OIF, ifindex);
	if (!local)
		netlink_put_addr(r, RTA_GATEWAY, &item->via);
}

static void
request_neighbour(struct netlink_request *r, const struct install_item *item, unsigned int ifindex,
		  bool add)
{
	struct ndmsg *message =
	    netlink_begin(r, add ? RTM_NEWNEIGH : RTM_DELNEIGH,
			  add ? NLM_F_CREATE | NLM_F_REPLACE : 0, sizeof(*message));

	message->ndm_family = (uint8_t)netlink_family(&item->addr);
	message->ndm_ifindex = (int)ifindex;
	message->ndm_state = NUD_PERMANENT;
	netlink_put_addr(r, NDA_DST, &item->addr);
	if (add)
		mnl_attr_put(r->header, NDA_LLADDR, sizeof(item->mac), &item->mac);
}

static int
item_send(const struct install_item *item, const struct links *links, struct netlink *nl, bool add)
{
	const struct network_link *link = links_find(links, item->port, item->vlan);
	struct netlink_request r;

	if (!link)
		return add ? -ENODEV : 0;
	switch ((enum install_kind)item->kind) {
	case INSTALL_MTU:
		if (!add)
			return 0;
		request_link(&r, item, link->ifindex);
		break;
	case INSTALL_ADDRESS:
	case INSTALL_SERVICE_ADDRESS:
		request_address(&r, item, link->ifindex, add);
		break;
	case INSTALL_SERVICE_PREFIX:
	case INSTALL_ROUTE:
		request_route(&r, item, link->ifindex, add);
		break;
	case INSTALL_NEIGHBOUR:
		request_neighbour(&r, item, link->ifindex, add);
		break;
	}
	return netlink_send(nl, &r);
}

/* ---- bringing it about ---- */

static const char *
item_describe(const struct install_item *item, char *text, size_t size)
{
	struct prefix prefix = { item->addr, item->len };
	char a[PREFIX_STRLEN], b[ADDR_STRLEN];

	switch ((enum install_kind)item->kind) {
	case INSTALL_MTU:
		snprintf(text, size, "MTU %u", item->mtu);
		break;
	case INSTALL_ADDRESS:
		snprintf(text, size, "address %s/%u", addr_format(&item->addr, b),
			 family_len(item));
		break;
	case INSTALL_SERVICE_ADDRESS:
	case INSTALL_SERVICE_PREFIX:
		snprintf(text, size, "service or source address %s", prefix_format(&prefix, a));
		break;
	case INSTALL_NEIGHBOUR:
		snprintf(text, size, "neighbour %s", addr_format(&item->addr, b));
		break;
	case INSTALL_ROUTE:
		snprintf(text, size, "route to %s", prefix_format(&prefix, a));
		break;
	}
	return text;
}

static int
item_add(struct install *have, struct install_item *item, const struct links *links,
	 struct netlink *nl)
{
	const struct network_link *link = links_find(links, item->port, item->vlan);
	int ret = item_send(item, links, nl, true);
	char what[128];

	if (ret == -EEXIST && !item->here && item->kind == INSTALL_ROUTE)
		log_warning("Linux has another %s already, which stays",
			    item_describe(item, what, sizeof(what)));
	if (ret == 0 || ret == -EEXIST) {
		item->foreign = ret == -EEXIST && !item->here;
		item->here = true;
		return 0;
	}
	snprintf(have->error, sizeof(have->error), "interface \"%s\": Linux refuses the %s: %s",
		 link ? link->name : "?", item_describe(item, what, sizeof(what)),
		 netlink_reason(nl));
	return ret;
}

static void
item_remove(struct install_item *item, const struct links *links, struct netlink *nl)
{
	/* If it fails, somebody else has removed it. */
	if (item->here && !item->foreign)
		item_send(item, links, nl, false);
	item->here = false;
}

static bool
is_address(const struct install_item *item)
{
	return item->kind == INSTALL_ADDRESS || item->kind == INSTALL_SERVICE_ADDRESS;
}

/* An IPv6 address that stays but with another prefix length, or in another role: to the kernel that
 * is the same object, so the old one has to go first. */
static bool
stands_in_the_way(const struct install_item *old, const struct install *wanted)
{
	size_t i;

	if (addr_is_v4(&old->addr))
		return false;
	for (i = 0; i < wanted->count; i++)
		if (is_address(&wanted->list[i]) && wanted->list[i].port == old->port &&
		    wanted->list[i].vlan == old->vlan &&
		    addr_equal(&wanted->list[i].addr, &old->addr))
			return true;
	return false;
}

/* Remove what is no longer wanted; addresses stay, unless they stand in the way of others, until
 * the new ones are there: without any address Linux would forget its neighbours. */
static void
remove_unwanted(struct install *have, const struct install *wanted, const struct links *links,
		struct netlink *nl)
{
	size_t i;

	for (i = have->count; i-- > 0;) {
		struct install_item *old = &have->list[i];

		if (!old->wanted && (!is_address(old) || stands_in_the_way(old, wanted)))
			item_remove(old, links, nl);
	}
}

static int
add_wanted(struct install *have, struct install *wanted, const struct links *links,
	   struct netlink *nl)
{
	size_t i;
	int ret;

	for (i = 0; i < wanted->count; i++) {
		if (wanted->list[i].here)
			continue;
		ret = item_add(have, &wanted->list[i], links, nl);
		if (ret)
			return ret;
	}
	return 0;
}

/* What is there now, in one list. */
static int
take_over(struct install *have, struct install *wanted)
{
	struct install now = { 0 };
	size_t i;

	for (i = 0; i < wanted->count; i++)
		if (wanted->list[i].here && !install_append(&now, &wanted->list[i]))
			goto no_memory;
	for (i = 0; i < have->count; i++)
		if (have->list[i].here && !have->list[i].wanted &&
		    !install_append(&now, &have->list[i]))
			goto no_memory;
	for (i = 0; i < now.count; i++)
		now.list[i].wanted = false;
	free(have->list);
	have->list = now.list;
	have->count = now.count;
	have->size = now.size;
	install_sort(have);
	return 0;

no_memory:
	install_free(&now);
	return -ENOMEM;
}

int
install_configure(struct install *have, const struct links *links, struct netlink *nl,
		  const struct config *config)
{
	struct install wanted = { 0 };
	size_t i;
	int ret;

	snprintf(have->error, sizeof(have->error), "not enough memory");
	ret = install_wanted(&wanted, links, config);
	if (ret) {
		install_free(&wanted);
		return ret;
	}
	/* 1. what is there already */
	for (i = 0; i < have->count; i++)
		have->list[i].wanted = false;
	for (i = 0; i < wanted.count; i++) {
		struct install_item *old = install_find(have, &wanted.list[i]);

		if (!old)
			continue;
		old->wanted = true;
		wanted.list[i].here = true;
		wanted.list[i].foreign = old->foreign;
	}
	/* 2. from the old to the new */
	remove_unwanted(have, &wanted, links, nl);
	ret = add_wanted(have, &wanted, links, nl);
	for (i = 0; ret == 0 && i < have->count; i++)
		if (!have->list[i].wanted)
			item_remove(&have->list[i], links, nl);
	/* 3. routes that Linux dropped together with an address */
	for (i = 0; ret == 0 && i < wanted.count; i++)
		if (wanted.list[i].kind == INSTALL_ROUTE)
			ret = item_add(have, &wanted.list[i], links, nl);
	if (take_over(have, &wanted) != 0)
		ret = -ENOMEM;
	install_free(&wanted);
	return ret;
}

void
install_again(struct install *have, const struct links *links, struct netlink *nl)
{
	size_t i;

	for (i = 0; i < have->count; i++)
		item_send(&have->list[i], links, nl, true);
}

void
install_forget(struct install *have, uint8_t port, uint16_t vlan)
{
	size_t i, n = 0;

	for (i = 0; i < have->count; i++)
		if (have->list[i].port != port || have->list[i].vlan != vlan)
			have->list[n++] = have->list[i];
	have->count = n;
}

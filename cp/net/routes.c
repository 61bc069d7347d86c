/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/net/routes.h"

#include <string.h>
#include <sys/socket.h>

#include <linux/rtnetlink.h>

#include "cp/net/netlink.h"

/* The kernel's list of attributes grows; what we look at ends here. */
#define ATTRIBUTES (RTA_VIA + 1)

void
routes_init(struct routes *r)
{
	table_init(&r->table, sizeof(struct route_entry), sizeof(struct route_key));
	r->round = 0;
	r->stale = r->reading = false;
}

void
routes_free(struct routes *r)
{
	table_free(&r->table);
}

static bool
is_link_local(const struct addr *addr)
{
	return addr->b[0] == 0xfe && (addr->b[1] & 0xc0) == 0x80;
}

/* The gateway of a route or of one of its next hops; zero if the destination is on the link. */
static struct addr
gateway_of(int family, const struct nlattr *gateway, const struct nlattr *via)
{
	struct addr addr;

	if (netlink_get_addr(gateway, family, &addr))
		return addr;
	if (via && mnl_attr_get_payload_len(via) >= sizeof(struct rtvia)) {
		const struct rtvia *v = mnl_attr_get_payload(via);
		size_t len = mnl_attr_get_payload_len(via) - sizeof(*v);
		uint32_t v4;

		if (v->rtvia_family == AF_INET6 && len >= 16)
			return addr_from_v6(v->rtvia_addr);
		if (v->rtvia_family == AF_INET && len >= 4) {
			memcpy(&v4, v->rtvia_addr, 4);
			return addr_from_v4(v4);
		}
	}
	return (struct addr){ .q = { 0, 0 } };
}

/* Fill in where the route leads by a next hop; false if that is no link of ours. */
static bool
take_nexthop(struct route_entry *e, const struct links *links, unsigned int ifindex,
	     const struct addr *via)
{
	const struct network_link *link = links_by_ifindex(links, ifindex);

	if (!link)
		return false;
	e->port = link->port;
	e->vlan = link->vlan;
	e->via = *via;
	return true;
}

/* The first usable next hop of a multipath route. */
static bool
take_multipath(struct route_entry *e, const struct links *links, int family,
	       const struct nlattr *multipath)
{
	const struct rtnexthop *hop = mnl_attr_get_payload(multipath);
	size_t left = mnl_attr_get_payload_len(multipath);

	while (left >= sizeof(*hop) && hop->rtnh_len >= sizeof(*hop) && hop->rtnh_len <= left) {
		const struct nlattr *list[ATTRIBUTES];
		struct addr via;

		netlink_nested(hop + 1, hop->rtnh_len - sizeof(*hop), list, ATTRIBUTES);
		via = gateway_of(family, list[RTA_GATEWAY], list[RTA_VIA]);
		if (!(hop->rtnh_flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN)) &&
		    take_nexthop(e, links, (unsigned int)hop->rtnh_ifindex, &via))
			return true;
		if ((size_t)RTNH_ALIGN(hop->rtnh_len) > left)
			break;
		left -= RTNH_ALIGN(hop->rtnh_len);
		hop = (const void *)((const char *)hop + RTNH_ALIGN(hop->rtnh_len));
	}
	return false;
}

/* Whether the message is about a route that we follow; fills in its key. */
static bool
route_key_of(const struct rtmsg *message, const struct nlattr **list, struct route_key *key)
{
	uint32_t table = message->rtm_table;
	struct addr to = { .q = { 0, 0 } };

	if (list[RTA_TABLE])
		table = mnl_attr_get_u32(list[RTA_TABLE]);
	if (table != RT_TABLE_MAIN || message->rtm_type != RTN_UNICAST || message->rtm_tos != 0 ||
	    message->rtm_src_len != 0 || message->rtm_flags & RTM_F_CLONED)
		return false;
	if (message->rtm_family != AF_INET && message->rtm_family != AF_INET6)
		return false;
	/* No destination attribute: the default route. */
	if (!netlink_get_addr(list[RTA_DST], message->rtm_family, &to) &&
	    message->rtm_family == AF_INET)
		to = addr_from_v4(0);
	if (is_link_local(&to))
		return false; /* every link has it */
	*key = (struct route_key){ .to = to, .len = message->rtm_dst_len };
	if (message->rtm_family == AF_INET)
		key->len = (uint8_t)(key->len + 96);
	if (list[RTA_PRIORITY])
		key->metric = mnl_attr_get_u32(list[RTA_PRIORITY]);
	return true;
}

static bool
same_way(const struct route_entry *a, const struct route_entry *b)
{
	return a->port == b->port && a->vlan == b->vlan && addr_equal(&a->via, &b->via);
}

static bool
route_delete(struct routes *r, const struct route_entry *gone, bool ours)
{
	struct route_entry *e = table_find(&r->table, &gone->key);

	if (!e)
		return false;
	if (e->several)
		r->stale = true;
	/* Another route of the same destination and metric. */
	if (!ours || !same_way(e, gone))
		return false;
	table_remove(&r->table, e);
	return true;
}

/* A route that leads by a link of ours. */
static bool
route_put(struct routes *r, const struct route_entry *next, bool replaces)
{
	bool created, several, changed;
	struct route_entry *e = table_insert(&r->table, &next->key, &created);

	if (!e)
		return false;
	changed = created || !same_way(e, next);
	if (!created && changed && !replaces && (!r->reading || e->round == r->round)) {
		/* A second one beside the first; which counts is seen when reading all of them. */
		e->several = true;
		r->stale |= !r->reading;
		return false;
	}
	several = next->several || (e->several && (!r->reading || e->round == r->round));
	*e = *next;
	e->several = several;
	return changed;
}

bool
routes_message(struct routes *r, const struct links *links, const struct nlmsghdr *header)
{
	const struct rtmsg *message = mnl_nlmsg_get_payload(header);
	const struct nlattr *list[ATTRIBUTES];
	struct route_entry next = { .round = r->round };
	bool ours;

	if (mnl_nlmsg_get_payload_len(header) < sizeof(*message))
		return false;
	netlink_attributes(header, sizeof(*message), list, ATTRIBUTES);
	if (!route_key_of(message, list, &next.key))
		return false;
	if (list[RTA_MULTIPATH]) {
		ours = take_multipath(&next, links, message->rtm_family, list[RTA_MULTIPATH]);
		next.several = true;
	} else {
		struct addr via = gateway_of(message->rtm_family, list[RTA_GATEWAY], list[RTA_VIA]);

		ours = list[RTA_OIF] && !(message->rtm_flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN)) &&
		       take_nexthop(&next, links, mnl_attr_get_u32(list[RTA_OIF]), &via);
	}
	if (header->nlmsg_type == RTM_DELROUTE)
		return route_delete(r, &next, ours);
	if (!ours) {
		/* It may have replaced one of ours. */
		if (table_find(&r->table, &next.key))
			r->stale = true;
		return false;
	}
	return route_put(r, &next, header->nlmsg_flags & NLM_F_REPLACE);
}

void
routes_read_begin(struct routes *r)
{
	r->round++;
	r->reading = true;
	r->stale = false;
}

static bool
not_seen(const void *entry, const void *arg)
{
	return ((const struct route_entry *)entry)->round != *(const uint32_t *)arg;
}

bool
routes_read_end(struct routes *r)
{
	r->reading = false;
	return table_sweep(&r->table, not_seen, &r->round) > 0;
}

static bool
on_link(const void *entry, const void *arg)
{
	const struct route_entry *e = entry, *link = arg;

	return e->port == link->port && e->vlan == link->vlan;
}

bool
routes_forget(struct routes *r, uint8_t port, uint16_t vlan)
{
	struct route_entry link = { .port = port, .vlan = vlan };

	return table_sweep(&r->table, on_link, &link) > 0;
}

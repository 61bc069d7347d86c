/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Following the kernel: one netlink socket for requests, one that hears of changes.
 *
 *     changes ──> links, neighbours, routes ──getters──> one array each, with what the
 *                                                         configuration says besides
 *
 * Changes are read until there are no more, then, if something that matters to packets was among
 * them, `changed` is called once. When messages were lost, or where a message does not tell enough
 * (an interface that goes down takes its routes along without a word), everything is read again.
 */
#include "cp/net/network.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "cp/device/netdev.h"
#include "cp/log.h"
#include "cp/net/fixed.h"
#include "cp/net/install.h"
#include "cp/net/links.h"
#include "cp/net/neighbours.h"
#include "cp/net/netlink.h"
#include "cp/net/resolve.h"
#include "cp/net/routes.h"

#define MS           1000000ull
#define REREAD_DELAY (20 * MS)
#define READ_TRIES   5

struct network {
	struct loop *loop;
	network_changed_fn *changed;
	void *changed_arg;
	struct netlink *requests, *changes;
	struct loop_timer *reread_timer, *notify_timer;

	struct links links;
	struct neighbours neighbours;
	struct routes routes;
	struct install install;
	struct resolver *resolver;
	bool important; /* changed is to be called */

	struct fixed fixed; /* from the configuration */

	/* What the getters return; made anew when asked for. */
	struct network_neighbour *neighbour_list;
	struct network_route *route_list;
	char error[320];
};

/* ---- links ---- */

const struct network_link *
links_by_ifindex(const struct links *l, unsigned int ifindex)
{
	size_t i;

	for (i = 0; i < l->count; i++)
		if (l->list[i].ifindex == ifindex)
			return &l->list[i];
	return NULL;
}

const struct network_link *
links_find(const struct links *l, uint8_t port, uint16_t vlan)
{
	size_t i;

	for (i = 0; i < l->count; i++)
		if (l->list[i].port == port && l->list[i].vlan == vlan)
			return &l->list[i];
	return NULL;
}

static void
link_remove(struct network *n, struct network_link *link)
{
	uint8_t port = link->port;
	uint16_t vlan = link->vlan;

	*link = n->links.list[--n->links.count];
	n->important |= neighbours_forget(&n->neighbours, port, vlan);
	n->important |= routes_forget(&n->routes, port, vlan);
	install_forget(&n->install, port, vlan);
}

static void
link_message(struct network *n, const struct nlmsghdr *header)
{
	const struct ifinfomsg *message = mnl_nlmsg_get_payload(header);
	struct network_link *link;
	bool up;

	if (mnl_nlmsg_get_payload_len(header) < sizeof(*message) ||
	    message->ifi_family != AF_UNSPEC)
		return;
	link = (struct network_link *)links_by_ifindex(&n->links, (unsigned int)message->ifi_index);
	if (!link)
		return;
	if (header->nlmsg_type == RTM_DELLINK) {
		link_remove(n, link);
		n->important = true;
		return;
	}
	up = message->ifi_flags & IFF_UP;
	if (up == link->up)
		return;
	link->up = up;
	n->routes.stale = true;
	if (up)
		install_again(&n->install, &n->links, n->requests);
}

/* ---- following ---- */

static void
on_message(const struct nlmsghdr *header, void *arg)
{
	struct network *n = arg;
	const struct ifaddrmsg *address;

	switch (header->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		link_message(n, header);
		break;
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		n->important |= neighbours_message(&n->neighbours, &n->links, header);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		n->important |= routes_message(&n->routes, &n->links, header);
		break;
	case RTM_DELADDR:
		address = mnl_nlmsg_get_payload(header);
		if (mnl_nlmsg_get_payload_len(header) >= sizeof(*address) &&
		    links_by_ifindex(&n->links, address->ifa_index))
			n->routes.stale = true;
		break;
	default:
		break;
	}
}

/* All objects of a kind; again if they change meanwhile. */
static int
read_kind(struct network *n, uint16_t type, uint8_t family)
{
	int tries, ret = -EINTR;

	for (tries = 0; tries < READ_TRIES && ret == -EINTR; tries++)
		ret = netlink_dump(n->requests, type, family, on_message, n);
	return ret == -EOPNOTSUPP || ret == -EAFNOSUPPORT ? 0 : ret;
}

static int
read_routes(struct network *n)
{
	int ret;

	routes_read_begin(&n->routes);
	ret = read_kind(n, RTM_GETROUTE, AF_INET);
	if (!ret)
		ret = read_kind(n, RTM_GETROUTE, AF_INET6);
	/* After a failure nothing is said to be gone. */
	if (ret)
		n->routes.reading = false;
	else
		n->important |= routes_read_end(&n->routes);
	return ret;
}

static int
read_neighbours(struct network *n)
{
	int ret;

	neighbours_read_begin(&n->neighbours);
	ret = read_kind(n, RTM_GETNEIGH, AF_UNSPEC);
	if (!ret)
		n->important |= neighbours_read_end(&n->neighbours);
	return ret;
}

/* Take in what has happened. */
static void
catch_up(struct network *n)
{
	if (netlink_follow(n->changes, on_message, n) == -ENOBUFS) {
		n->routes.stale = true;
		read_neighbours(n);
	}
	if (n->routes.stale)
		loop_timer_arm(n->reread_timer, loop_now() + REREAD_DELAY);
}

static void
notify(struct network *n)
{
	if (!n->important)
		return;
	n->important = false;
	resolver_look(n->resolver);
	n->changed(n->changed_arg);
}

static void
on_changes(int fd, uint32_t events, void *arg)
{
	struct network *n = arg;

	(void)fd;
	(void)events;
	catch_up(n);
	notify(n);
}

static void
on_reread(void *arg)
{
	struct network *n = arg;

	if (read_routes(n) != 0)
		loop_timer_arm(n->reread_timer, loop_now() + 50 * REREAD_DELAY);
	notify(n);
}

static void
on_notify(void *arg)
{
	notify(arg);
}

/* Outside of the loop's callbacks: who called us sees the new state already, others shall hear. */
static void
catch_up_now(struct network *n)
{
	catch_up(n);
	if (n->routes.stale && read_routes(n) == 0)
		loop_timer_disarm(n->reread_timer);
	if (n->important)
		loop_timer_arm(n->notify_timer, loop_now());
}

/* ---- beginning and end ---- */

#define GROUP(number) (1u << ((number)-1))

static int
network_open(struct network *n)
{
	n->requests = netlink_open(0);
	if (!n->requests)
		return -errno;
	n->changes = netlink_open(GROUP(RTNLGRP_LINK) | GROUP(RTNLGRP_NEIGH) |
				  GROUP(RTNLGRP_IPV4_IFADDR) | GROUP(RTNLGRP_IPV6_IFADDR) |
				  GROUP(RTNLGRP_IPV4_ROUTE) | GROUP(RTNLGRP_IPV6_ROUTE));
	if (!n->changes)
		return -errno;
	n->reread_timer = loop_timer_create(n->loop, on_reread, n);
	n->notify_timer = loop_timer_create(n->loop, on_notify, n);
	n->resolver = resolver_create(n->loop, n->requests, &n->links, &n->neighbours);
	if (!n->reread_timer || !n->notify_timer || !n->resolver)
		return -ENOMEM;
	return loop_fd_add(n->loop, netlink_fd(n->changes), EPOLLIN, on_changes, n);
}

struct network *
network_create(struct loop *loop, network_changed_fn *changed, void *arg, const char **error)
{
	struct network *n = calloc(1, sizeof(*n));

	*error = "cannot follow the kernel's network: no memory, or no netlink sockets";
	if (!n)
		return NULL;
	n->loop = loop;
	n->changed = changed;
	n->changed_arg = arg;
	neighbours_init(&n->neighbours);
	routes_init(&n->routes);
	if (network_open(n) != 0) {
		network_destroy(n);
		return NULL;
	}
	return n;
}

void
network_destroy(struct network *n)
{
	if (!n)
		return;
	if (n->changes)
		loop_fd_remove(n->loop, netlink_fd(n->changes));
	netlink_close(n->changes);
	netlink_close(n->requests);
	loop_timer_free(n->reread_timer);
	loop_timer_free(n->notify_timer);
	resolver_destroy(n->resolver);
	neighbours_free(&n->neighbours);
	routes_free(&n->routes);
	install_free(&n->install);
	free(n->links.list);
	fixed_free(&n->fixed);
	free(n->neighbour_list);
	free(n->route_list);
	free(n);
}

/* ---- a new link ---- */

static void
link_settings(const char *name)
{
	/* Answers may come by another link than questions went. */
	netdev_setting("ipv4", name, "rp_filter", "0");
	/* Removing one address of a network shall not remove the others. */
	netdev_setting("ipv4", name, "promote_secondaries", "1");
	netdev_setting("ipv4", name, "arp_notify", "1");
	netdev_setting("ipv6", name, "disable_ipv6", "0");
	/* Addresses are there at once: nobody waits for duplicates to be found. */
	netdev_setting("ipv6", name, "accept_dad", "0");
	netdev_setting("ipv6", name, "dad_transmits", "0");
	netdev_setting("ipv6", name, "ndisc_notify", "1");
	netdev_setting("ipv6", name, "keep_addr_on_down", "1");
}

int
network_link_add(struct network *n, uint8_t port, uint16_t vlan, unsigned int ifindex)
{
	struct network_link link = { .ifindex = ifindex, .port = port, .vlan = vlan, .up = true };
	struct network_link *old;
	int ret;

	if (!if_indextoname(ifindex, link.name))
		return -errno;
	/* A link that was removed a moment ago is still to be heard of. */
	catch_up(n);
	old = (struct network_link *)links_find(&n->links, port, vlan);
	if (old)
		link_remove(n, old);
	if (n->links.count == n->links.size) {
		size_t size = n->links.size ? n->links.size * 2 : 16;
		struct network_link *list = realloc(n->links.list, size * sizeof(*list));

		if (!list)
			return -ENOMEM;
		n->links.list = list;
		n->links.size = size;
	}
	link_settings(link.name);
	ret = netdev_flags(link.name, IFF_UP, 0);
	if (ret)
		return ret;
	n->links.list[n->links.count++] = link;
	/* Mostly the device is new and nothing is there yet. */
	ret = read_neighbours(n);
	if (!ret)
		n->routes.stale = true;
	catch_up_now(n);
	return ret;
}

/* ---- the configuration ---- */

int
network_configure(struct network *n, const struct config *config, const char **error)
{
	int ret;

	*error = n->error;
	catch_up(n);
	ret = fixed_check(config, n->error, sizeof(n->error));
	if (ret)
		return ret;
	ret = install_configure(&n->install, &n->links, n->requests, config);
	if (ret)
		snprintf(n->error, sizeof(n->error), "%s", n->install.error);
	if (!ret) {
		snprintf(n->error, sizeof(n->error), "not enough memory");
		ret = fixed_configure(&n->fixed, &n->links, config);
	}
	catch_up_now(n);
	return ret;
}

/* ---- what is known ---- */

const struct network_neighbour *
network_neighbours(struct network *n, size_t *count)
{
	const struct table *table = &n->neighbours.table;
	struct network_neighbour *list =
	    realloc(n->neighbour_list, (n->fixed.n_neighbours + table->count + 1) * sizeof(*list));
	const struct neighbour_entry *e = NULL;

	*count = 0;
	if (!list)
		return n->neighbour_list;
	n->neighbour_list = list;
	for (; *count < n->fixed.n_neighbours; (*count)++)
		list[*count] = n->fixed.neighbours[*count];
	while ((e = table_next(table, e))) {
		if (fixed_has_neighbour(&n->fixed, &e->key))
			continue;
		list[(*count)++] = (struct network_neighbour){
			.addr = e->key.addr,
			.mac = e->mac,
			.port = e->key.port,
			.vlan = e->key.vlan,
			.state = neighbour_state(e),
			.usable = neighbour_usable(e),
		};
	}
	return list;
}

const struct network_route *
network_routes(struct network *n, size_t *count)
{
	const struct table *table = &n->routes.table;
	struct network_route *list =
	    realloc(n->route_list, (n->fixed.n_routes + table->count + 1) * sizeof(*list));
	const struct route_entry *e = NULL;

	*count = 0;
	if (!list)
		return n->route_list;
	n->route_list = list;
	for (; *count < n->fixed.n_routes; (*count)++)
		list[*count] = n->fixed.routes[*count];
	while ((e = table_next(table, e)))
		list[(*count)++] = (struct network_route){
			.to = { e->key.to, e->key.len },
			.via = e->via,
			.port = e->port,
			.vlan = e->vlan,
			.metric = e->key.metric,
		};
	return list;
}

void
network_resolve(struct network *n, uint8_t port, uint16_t vlan, const struct addr *addr)
{
	struct network_target target = { *addr, port, vlan };

	resolver_ask(n->resolver, &target);
}

void
network_keep(struct network *n, const struct network_target *targets, size_t count)
{
	resolver_keep(n->resolver, targets, count);
}

void
network_port_range(uint16_t *low, uint16_t *high)
{
	FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
	unsigned int a, b;

	*low = 32768;
	*high = 60999;
	if (!file)
		return;
	if (fscanf(file, "%u %u", &a, &b) == 2 && a <= b && b <= UINT16_MAX) {
		*low = (uint16_t)a;
		*high = (uint16_t)b;
	}
	fclose(file);
}

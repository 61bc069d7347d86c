/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a configuration wants of the kernel, as a list of items.
 */
#include <errno.h>
#include <string.h>

#include "cp/net/install.h"

/* One network of an interface: the interface itself, or one of its VLANs. */
struct configured_link {
	uint8_t port;
	uint16_t vlan;
	const struct interface_address *addresses;
	size_t n_addresses;
};

/* The links of an interface: 0 is the untagged one. */
static struct configured_link
configured_link(const struct config *config, size_t port, size_t i)
{
	const struct interface_config *interface = &config->interfaces[port];

	if (i == 0)
		return (struct configured_link){ (uint8_t)port, 0, interface->addresses,
						 interface->n_addresses };
	return (struct configured_link){ (uint8_t)port, interface->vlans[i - 1].id,
					 interface->vlans[i - 1].addresses,
					 interface->vlans[i - 1].n_addresses };
}

bool
install_link_towards(const struct config *config, const struct addr *addr, uint8_t *port,
		     uint16_t *vlan)
{
	size_t p, i, a;
	int best = -1;

	for (p = 0; p < config->n_interfaces; p++)
		for (i = 0; i <= config->interfaces[p].n_vlans; i++) {
			struct configured_link link = configured_link(config, p, i);

			for (a = 0; a < link.n_addresses; a++)
				if (prefix_contains(&link.addresses[a].net, addr) &&
				    link.addresses[a].net.len > best) {
					best = link.addresses[a].net.len;
					*port = link.port;
					*vlan = link.vlan;
				}
		}
	return best >= 0;
}

static struct install_item
item_of(enum install_kind kind, const struct configured_link *link)
{
	struct install_item item;

	memset(&item, 0, sizeof(item));
	item.kind = (uint8_t)kind;
	item.port = link->port;
	item.vlan = link->vlan;
	return item;
}

static bool
is_own_address(const struct configured_link *link, const struct addr *addr)
{
	size_t i;

	for (i = 0; i < link->n_addresses; i++)
		if (addr_equal(&link->addresses[i].addr, addr))
			return true;
	return false;
}

/* Service addresses live on the links that clients come by: those with addresses, or the untagged
 * one if none has. */
static bool
serves_clients(const struct config *config, const struct configured_link *link)
{
	const struct interface_config *interface = &config->interfaces[link->port];
	size_t i;

	if (interface->side == SIDE_BACKEND)
		return false;
	if (link->n_addresses > 0)
		return true;
	for (i = 0; i < interface->n_vlans; i++)
		if (interface->vlans[i].n_addresses > 0)
			return false;
	return link->vlan == 0;
}

static int
want_services(struct install *wanted, const struct config *config,
	      const struct configured_link *link)
{
	size_t i;

	for (i = 0; i < config_n_services(config); i++) {
		const struct prefix *address = &config_service(config, i)->address;
		bool single = address->len == 128;
		struct install_item item =
		    item_of(single ? INSTALL_SERVICE_ADDRESS : INSTALL_SERVICE_PREFIX, link);

		if (single && is_own_address(link, &address->addr))
			continue;
		item.addr = address->addr;
		item.len = address->len;
		if (!install_append(wanted, &item))
			return -ENOMEM;
	}
	return 0;
}

/* Source addresses: the kernel shall answer ARP for them, and refuse what no connection of ours
 * knows. (Solicitations for those of IPv6 are answered by the twin.) */
static int
want_sources(struct install *wanted, const struct config *config,
	     const struct configured_link *link)
{
	const struct interface_config *interface = &config->interfaces[link->port];
	size_t i;

	for (i = 0; i < interface->n_source_addresses; i++) {
		struct install_item item = item_of(INSTALL_SERVICE_PREFIX, link);

		item.addr = interface->source_addresses[i].addr;
		item.len = interface->source_addresses[i].len;
		if (item.len == 128 && is_own_address(link, &item.addr))
			continue;
		if (!install_append(wanted, &item))
			return -ENOMEM;
	}
	return 0;
}

static int
want_link(struct install *wanted, const struct config *config, const struct configured_link *link)
{
	struct install_item item = item_of(INSTALL_MTU, link);
	size_t i;

	item.mtu = config->interfaces[link->port].mtu;
	if (!install_append(wanted, &item))
		return -ENOMEM;
	for (i = 0; i < link->n_addresses; i++) {
		item = item_of(INSTALL_ADDRESS, link);
		item.addr = link->addresses[i].addr;
		item.len = link->addresses[i].net.len;
		if (!install_append(wanted, &item))
			return -ENOMEM;
	}
	if (link->vlan == 0 && want_sources(wanted, config, link) < 0)
		return -ENOMEM;
	return serves_clients(config, link) ? want_services(wanted, config, link) : 0;
}

static int
want_neighbours_and_routes(struct install *wanted, const struct links *links,
			   const struct config *config)
{
	struct configured_link link = { 0 };
	struct install_item item;
	size_t i;

	for (i = 0; i < config->n_neighbours; i++) {
		link.port = (uint8_t)config->neighbours[i].interface;
		link.vlan = config->neighbours[i].vlan;
		if (!links_find(links, link.port, link.vlan))
			continue;
		item = item_of(INSTALL_NEIGHBOUR, &link);
		item.addr = config->neighbours[i].address;
		item.mac = config->neighbours[i].mac;
		if (!install_append(wanted, &item))
			return -ENOMEM;
	}
	for (i = 0; i < config->n_routes; i++) {
		if (!install_link_towards(config, &config->routes[i].via, &link.port, &link.vlan) ||
		    !links_find(links, link.port, link.vlan))
			continue;
		item = item_of(INSTALL_ROUTE, &link);
		item.addr = config->routes[i].to.addr;
		item.len = config->routes[i].to.len;
		item.via = config->routes[i].via;
		if (!install_append(wanted, &item))
			return -ENOMEM;
	}
	return 0;
}

int
install_wanted(struct install *wanted, const struct links *links, const struct config *config)
{
	size_t p, i;
	int ret = 0;

	for (p = 0; ret == 0 && p < config->n_interfaces; p++)
		for (i = 0; ret == 0 && i <= config->interfaces[p].n_vlans; i++) {
			struct configured_link link = configured_link(config, p, i);

			if (links_find(links, link.port, link.vlan))
				ret = want_link(wanted, config, &link);
		}
	if (ret == 0)
		ret = want_neighbours_and_routes(wanted, links, config);
	install_sort(wanted);
	return ret;
}

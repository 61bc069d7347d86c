/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/net/fixed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cp/net/install.h"

/* Add the networks of a link without a twin: no kernel says what is on it. */
static size_t
fixed_networks(struct network_route *list, uint8_t port, uint16_t vlan,
	       const struct interface_address *addresses, size_t n_addresses)
{
	size_t i;

	for (i = 0; i < n_addresses; i++)
		list[i] =
		    (struct network_route){ .to = addresses[i].net, .port = port, .vlan = vlan };
	return n_addresses;
}

static size_t
count_addresses(const struct config *config)
{
	size_t count = 0, p, v;

	for (p = 0; p < config->n_interfaces; p++) {
		count += config->interfaces[p].n_addresses;
		for (v = 0; v < config->interfaces[p].n_vlans; v++)
			count += config->interfaces[p].vlans[v].n_addresses;
	}
	return count;
}

static int
fixed_routes_build(struct fixed *f, const struct links *links, const struct config *config)
{
	struct network_route *list =
	    calloc(count_addresses(config) + config->n_routes + 1, sizeof(*list));
	size_t count = 0, p, v, i;

	if (!list)
		return -ENOMEM;
	for (p = 0; p < config->n_interfaces; p++) {
		const struct interface_config *interface = &config->interfaces[p];

		if (!links_find(links, (uint8_t)p, 0))
			count += fixed_networks(list + count, (uint8_t)p, 0, interface->addresses,
						interface->n_addresses);
		for (v = 0; v < interface->n_vlans; v++)
			if (!links_find(links, (uint8_t)p, interface->vlans[v].id))
				count += fixed_networks(
				    list + count, (uint8_t)p, interface->vlans[v].id,
				    interface->vlans[v].addresses, interface->vlans[v].n_addresses);
	}
	for (i = 0; i < config->n_routes; i++) {
		struct network_route route = { .to = config->routes[i].to,
					       .via = config->routes[i].via };

		if (install_link_towards(config, &route.via, &route.port, &route.vlan))
			list[count++] = route;
	}
	free(f->routes);
	f->routes = list;
	f->n_routes = count;
	return 0;
}

static int
neighbour_compare(const void *a, const void *b)
{
	const struct network_neighbour *x = a, *y = b;

	if (x->port != y->port)
		return x->port < y->port ? -1 : 1;
	if (x->vlan != y->vlan)
		return x->vlan < y->vlan ? -1 : 1;
	return addr_compare(&x->addr, &y->addr);
}

static int
fixed_neighbours_build(struct fixed *f, const struct config *config)
{
	struct network_neighbour *list = calloc(config->n_neighbours + 1, sizeof(*list));
	size_t i;

	if (!list)
		return -ENOMEM;
	for (i = 0; i < config->n_neighbours; i++)
		list[i] = (struct network_neighbour){
			.addr = config->neighbours[i].address,
			.mac = config->neighbours[i].mac,
			.port = (uint8_t)config->neighbours[i].interface,
			.vlan = config->neighbours[i].vlan,
			.fixed = true,
			.state = "static",
			.usable = true,
		};
	qsort(list, config->n_neighbours, sizeof(*list), neighbour_compare);
	free(f->neighbours);
	f->neighbours = list;
	f->n_neighbours = config->n_neighbours;
	return 0;
}

/* A route that no link leads to is a mistake that only shows with all interfaces at hand. */
int
fixed_check(const struct config *config, char *error, size_t error_size)
{
	char via[ADDR_STRLEN];
	uint8_t port;
	uint16_t vlan;
	size_t i;

	for (i = 0; i < config->n_routes; i++) {
		if (install_link_towards(config, &config->routes[i].via, &port, &vlan))
			continue;
		snprintf(error, error_size,
			 "line %d: routes[%zu].via: no interface has an address in the network of "
			 "%s",
			 config->routes[i].line, i, addr_format(&config->routes[i].via, via));
		return -ENETUNREACH;
	}
	return 0;
}

int
fixed_configure(struct fixed *f, const struct links *links, const struct config *config)
{
	int ret = fixed_neighbours_build(f, config);

	return ret ? ret : fixed_routes_build(f, links, config);
}

bool
fixed_has_neighbour(const struct fixed *f, const struct neighbour_key *key)
{
	struct network_neighbour n = { .addr = key->addr, .port = key->port, .vlan = key->vlan };

	return f->n_neighbours > 0 &&
	       bsearch(&n, f->neighbours, f->n_neighbours, sizeof(n), neighbour_compare);
}

void
fixed_free(struct fixed *f)
{
	free(f->neighbours);
	free(f->routes);
	*f = (struct fixed){ 0 };
}

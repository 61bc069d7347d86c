/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes and static neighbours: do they lie in the subnets of our interfaces?
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cp/config/validate.h"

/* ---- routes ---------------------------------------------------------------------------------- */

/* Where the route leaves, or NULL if it is wrong. */
static const struct subnet *
check_route(struct load *load, const struct network *network, config_setting_t *setting,
	    struct route_config *route)
{
	const char *to = NULL;
	const struct subnet *subnet;
	char via[ADDR_STRLEN], text[PREFIX_STRLEN];

	if (!usable(setting, "via") || !usable(setting, "to"))
		return NULL;
	addr_format(&route->via, via);
	config_setting_lookup_string(setting, "to", &to);
	if (to && strcmp(to, "default") == 0 && addr_is_v4(&route->via))
		route->to = (struct prefix){ addr_from_v4(0), 96 };
	if (addr_is_v4(&route->via) != (addr_is_v4(&route->to.addr) && route->to.len >= 96)) {
		report(load, setting, "via", "%s and \"to\" (%s) are of different families", via,
		       prefix_format(&route->to, text));
		return NULL;
	}
	if (network_own(network, &route->via)) {
		report(load, setting, "via", "%s is our own address", via);
		return NULL;
	}
	subnet = network_find(network, &route->via, true);
	if (!subnet && !network->incomplete)
		report(load, setting, "via", "%s is in no subnet of an interface", via);
	return subnet;
}

/* Order by destination, then as in the file. */
static int
by_destination(const void *a, const void *b)
{
	const struct route_config *x = *(const struct route_config *const *)a;
	const struct route_config *y = *(const struct route_config *const *)b;
	int order = addr_compare(&x->to.addr, &y->to.addr);

	if (order == 0)
		order = (int)x->to.len - (int)y->to.len;
	return order ? order : (x > y) - (x < y);
}

static bool
check_same_routes(struct load *load)
{
	struct config *config = load->config;
	const struct route_config **routes = calloc(config->n_routes + 1, sizeof(*routes));
	size_t n = 0, i;

	if (!routes)
		return false;
	for (i = 0; i < config->n_routes; i++) {
		const config_setting_t *setting = element(load, "routes", i);

		if (usable(setting, "to") && usable(setting, "via"))
			routes[n++] = &config->routes[i];
	}
	qsort(routes, n, sizeof(*routes), by_destination);
	for (i = 1; i < n; i++) {
		if (addr_equal(&routes[i]->to.addr, &routes[i - 1]->to.addr) &&
		    routes[i]->to.len == routes[i - 1]->to.len)
			report(load, element(load, "routes", (size_t)(routes[i] - config->routes)),
			       "to", "there is a route to this already (line %d)",
			       routes[i - 1]->line);
	}
	free(routes);
	return true;
}

bool
validate_routes(struct load *load, struct network *network)
{
	struct config *config = load->config;
	struct lpm_entry *entries;
	size_t n = 0, i;
	bool wrong = !usable(config_root_setting(&load->tree), "routes");
	int err;

	entries = calloc(network->n_subnets + config->n_routes + 1, sizeof(*entries));
	if (!entries)
		return false;
	for (i = 0; i < config->n_routes; i++) {
		const struct subnet *subnet =
		    check_route(load, network, element(load, "routes", i), &config->routes[i]);

		wrong = wrong || !subnet;
		if (subnet)
			entries[n++] = (struct lpm_entry){ config->routes[i].to,
							   (uint32_t)(subnet - network->subnets) };
	}
	/* After the routes: a subnet counts more than a route to the same. */
	for (i = network->n_subnets; i-- > 0;)
		entries[n++] = (struct lpm_entry){ network->subnets[i].address.net, (uint32_t)i };
	err = lpm_build(&network->all, entries, n);
	free(entries);
	network->incomplete = network->incomplete || wrong;
	return err == 0 && check_same_routes(load);
}

/* ---- neighbours ------------------------------------------------------------------------------ */

static bool
has_vlan(const struct interface_config *interface, uint16_t vlan)
{
	size_t i;

	for (i = 0; i < interface->n_vlans; i++) {
		if (interface->vlans[i].id == vlan)
			return true;
	}
	return vlan == 0;
}

/* True if the address is in a subnet of that interface and VLAN. Link-local addresses are wherever
 * IPv6 is. */
static bool
is_neighbour(const struct network *network, const struct neighbour_config *neighbour)
{
	const struct addr *a = &neighbour->address;
	bool link_local = a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
	size_t i;

	for (i = 0; i < network->n_subnets; i++) {
		const struct subnet *s = &network->subnets[i];

		if (s->interface != neighbour->interface || s->vlan != neighbour->vlan)
			continue;
		if (prefix_contains(&s->address.net, a) ||
		    (link_local && !addr_is_v4(&s->address.addr)))
			return true;
	}
	return false;
}

static void
check_neighbour(struct load *load, const struct network *network, size_t i)
{
	static const struct mac zero;
	const struct neighbour_config *n = &load->config->neighbours[i];
	const config_setting_t *setting = element(load, "neighbours", i);
	const struct interface_config *interface;
	char text[ADDR_STRLEN], where[32] = "";

	if (usable(setting, "mac") &&
	    ((n->mac.b[0] & 1) || memcmp(&n->mac, &zero, sizeof(zero)) == 0))
		report(load, setting, "mac", "no single machine can have this Ethernet address");
	if (!usable(setting, "interface") || !usable(setting, "vlan") || n->interface == SIZE_MAX)
		return;
	interface = &load->config->interfaces[n->interface];
	if (!has_vlan(interface, n->vlan)) {
		report(load, setting, "vlan", "interface %s has no VLAN %u", interface->name,
		       n->vlan);
		return;
	}
	if (!usable(setting, "address"))
		return;
	addr_format(&n->address, text);
	if (n->vlan)
		snprintf(where, sizeof(where), ", VLAN %u", n->vlan);
	if (network_own(network, &n->address))
		report(load, setting, "address", "%s is our own address", text);
	else if (!network->incomplete && !is_neighbour(network, n))
		report(load, setting, "address", "%s is in no subnet of interface %s%s", text,
		       interface->name, where);
}

void
validate_neighbours(struct load *load, const struct network *network)
{
	const struct neighbour_config *list = load->config->neighbours;
	char text[ADDR_STRLEN];
	size_t i, j;

	for (i = 0; i < load->config->n_neighbours; i++) {
		const config_setting_t *setting = element(load, "neighbours", i);

		if (!usable(setting, NULL))
			continue;
		check_neighbour(load, network, i);
		if (!usable(setting, "address") || !usable(setting, "interface"))
			continue;
		for (j = 0; j < i; j++) {
			if (addr_equal(&list[i].address, &list[j].address) &&
			    list[i].interface == list[j].interface && list[i].vlan == list[j].vlan)
				break;
		}
		if (j < i)
			report(load, setting, "address", "%s is here twice (also on line %d)",
			       addr_format(&list[i].address, text), list[j].line);
	}
}

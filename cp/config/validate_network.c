/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interfaces, routes and neighbours: do they make one network?
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cp/config/validate.h"

#define MAX_SUBNETS 4096

/* ---- addresses of our own -------------------------------------------------------------------- */

/* The first address of a subnet is the subnet, the last one (IPv4) is everybody in it. */
static const char *
address_flaw(const struct interface_address *a)
{
	unsigned int host_bits = 128u - a->net.len, i;
	bool v4 = addr_is_v4(&a->addr), last = true;

	if (a->net.len <= (v4 ? 96 : 0))
		return "a subnet of length 0 is everything";
	if (addr_is_martian(&a->addr))
		return "no interface can have this address";
	if (host_bits < 2)
		return NULL;
	if (addr_equal(&a->addr, &a->net.addr))
		return "this is the subnet's own address, not one in it";
	for (i = a->net.len; i < 128; i++)
		last = last && (a->addr.b[i / 8] >> (7 - i % 8) & 1);
	return v4 && last ? "this is the subnet's broadcast address" : NULL;
}

static bool
add_subnet(struct load *load, struct network *network, const struct subnet *subnet)
{
	const struct subnet *other = network_own(network, &subnet->address.addr);
	const char *flaw = address_flaw(&subnet->address);
	char text[ADDR_STRLEN];

	if (flaw) {
		report(load, subnet->setting, NULL, "%s: %s",
		       addr_format(&subnet->address.addr, text), flaw);
		return true;
	}
	if (other) {
		report(load, subnet->setting, NULL, "%s is used twice (also on line %u)",
		       addr_format(&subnet->address.addr, text),
		       config_setting_source_line(other->setting));
		return true;
	}
	if (network->n_subnets == MAX_SUBNETS) {
		report(load, subnet->setting, NULL, "more than %d addresses", MAX_SUBNETS);
		return true;
	}
	if ((network->n_subnets & (network->n_subnets - 1)) == 0) {
		size_t room = network->n_subnets ? network->n_subnets * 2 : 1;
		struct subnet *more = realloc(network->subnets, room * sizeof(*more));

		if (!more)
			return false;
		network->subnets = more;
	}
	network->subnets[network->n_subnets++] = *subnet;
	return true;
}

static bool
add_addresses(struct load *load, struct network *network, const config_setting_t *setting,
	      const struct vlan_config *vlan, size_t interface)
{
	const struct interface_config *config = &load->config->interfaces[interface];
	const struct interface_address *list = vlan ? vlan->addresses : config->addresses;
	size_t n = vlan ? vlan->n_addresses : config->n_addresses;
	size_t i;

	for (i = 0; i < n; i++) {
		struct subnet subnet = { .address = list[i],
					 .interface = interface,
					 .vlan = vlan ? vlan->id : 0,
					 .setting = inner_element(setting, "addresses", i) };

		if (usable(subnet.setting, NULL) && !add_subnet(load, network, &subnet))
			return false;
	}
	return true;
}

/* The same subnet behind two interfaces: which one leads to an address in it? */
static void
check_same_subnets(struct load *load, const struct network *network)
{
	char text[PREFIX_STRLEN];
	size_t i;

	for (i = 0; i < network->n_subnets; i++) {
		const struct subnet *s = &network->subnets[i];
		const struct subnet *first = network_find(network, &s->address.addr, true);

		if (!first || (first->interface == s->interface && first->vlan == s->vlan) ||
		    first->address.net.len != s->address.net.len)
			continue;
		report_warning(load, s->setting, NULL,
			       "the subnet %s is also that of line %u, by which its addresses are "
			       "reached",
			       prefix_format(&s->address.net, text),
			       config_setting_source_line(first->setting));
	}
}

/* ---- interfaces ------------------------------------------------------------------------------ */

static void
check_vlans(struct load *load, const config_setting_t *setting, size_t interface)
{
	const struct interface_config *config = &load->config->interfaces[interface];
	size_t i, j, k;

	for (i = 0; i < config->n_vlans; i++) {
		const config_setting_t *vlan = inner_element(setting, "vlans", i);
		char twin[CONFIG_NAME_MAX + 8];

		if (!usable(vlan, "id"))
			continue;
		for (j = 0; j < i && config->vlans[j].id != config->vlans[i].id; j++)
			;
		if (j < i)
			report(load, vlan, "id", "%u is used twice (also on line %d)",
			       config->vlans[i].id, config->vlans[j].line);
		if (!config->twin || !usable(setting, "name"))
			continue;
		snprintf(twin, sizeof(twin), "%s.%u", config->name, config->vlans[i].id);
		if (strlen(twin) > 15)
			report(load, vlan, "id",
			       "the name of its twin, \"%s\", would be longer than 15 characters",
			       twin);
		for (k = 0; k < load->config->n_interfaces; k++) {
			const char *name = load->config->interfaces[k].name;

			if (name && strcmp(name, twin) == 0)
				report(load, vlan, "id",
				       "the name of its twin, \"%s\", is that of an interface",
				       twin);
		}
	}
}

/* The part of a device's name that must be its own: the device, or iface= of a kernel interface. */
static size_t
device_part(const char *device, const char *option, const char **part)
{
	const char *p = device;

	if (!option) {
		*part = strncmp(device, "0000:", 5) == 0 ? device + 5 : device;
		return strcspn(*part, ",");
	}
	while ((p = strchr(p, ','))) {
		p++;
		if (strncmp(p, option, strlen(option)) == 0) {
			*part = p + strlen(option);
			return strcspn(*part, ",");
		}
	}
	return 0;
}

static bool
same_part(const char *a, const char *b, const char *option)
{
	const char *x = NULL, *y = NULL;
	size_t n = device_part(a, option, &x), m = device_part(b, option, &y);

	return n > 0 && n == m && strncasecmp(x, y, n) == 0;
}

static void
check_device(struct load *load, const config_setting_t *setting, size_t interface)
{
	const struct interface_config *list = load->config->interfaces;
	size_t i;

	if (!usable(setting, "device"))
		return;
	for (i = 0; i < interface; i++) {
		if (!list[i].device)
			continue;
		if (same_part(list[i].device, list[interface].device, NULL) ||
		    same_part(list[i].device, list[interface].device, "iface=")) {
			report(load, setting, "device",
			       "the interface of line %d has the same device", list[i].line);
			return;
		}
	}
}

static void
check_mtu(struct load *load, const config_setting_t *setting, const struct network *network,
	  size_t interface)
{
	size_t i;

	if (!usable(setting, "mtu") || load->config->interfaces[interface].mtu >= 1280)
		return;
	for (i = 0; i < network->n_subnets; i++) {
		const struct subnet *s = &network->subnets[i];

		if (s->interface != interface || addr_is_v4(&s->address.addr))
			continue;
		report(load, setting, "mtu",
		       "%u is too small for IPv6, of which the interface has an address: at least "
		       "1280",
		       load->config->interfaces[interface].mtu);
		return;
	}
}

static void
check_sides(struct load *load)
{
	const config_setting_t *root = config_root_setting(&load->tree);
	bool clients = false, backends = false;
	size_t i;

	for (i = 0; i < load->config->n_interfaces; i++) {
		if (!usable(element(load, "interfaces", i), "side"))
			return;
		clients = clients || load->config->interfaces[i].side != SIDE_BACKEND;
		backends = backends || load->config->interfaces[i].side != SIDE_CLIENT;
	}
	if (load->config->n_interfaces == 0 || load->config->n_services == 0)
		return;
	if (!clients)
		report(load, root, "interfaces",
		       "none has the side \"client\" or \"both\": no client can come");
	if (!backends)
		report(load, root, "interfaces",
		       "none has the side \"backend\" or \"both\": no backend can be reached");
}

static bool
build_direct(struct network *network)
{
	struct lpm_entry *entries = calloc(network->n_subnets + 1, sizeof(*entries));
	size_t i, n = network->n_subnets;
	int err;

	if (!entries)
		return false;
	/* Of equal prefixes the later entry wins: the first of the file is to. */
	for (i = 0; i < n; i++)
		entries[i] = (struct lpm_entry){ network->subnets[n - 1 - i].address.net,
						 (uint32_t)(n - 1 - i) };
	err = lpm_build(&network->direct, entries, n);
	free(entries);
	return err == 0;
}

bool
validate_interfaces(struct load *load, struct network *network)
{
	const struct config *config = load->config;
	size_t i, j;

	if (!validate_names(load, "interfaces"))
		return false;
	for (i = 0; i < config->n_interfaces; i++) {
		const struct interface_config *interface = &config->interfaces[i];
		config_setting_t *setting = element(load, "interfaces", i);

		if (!usable(setting, NULL))
			continue;
		if (usable(setting, "name") && interface->twin &&
		    strcmp(interface->name, "lo") == 0)
			report(load, setting, "name", "\"lo\" is taken in the kernel");
		check_device(load, setting, i);
		check_vlans(load, setting, i);
		if (!add_addresses(load, network, setting, NULL, i))
			return false;
		for (j = 0; j < interface->n_vlans; j++) {
			if (!add_addresses(load, network, inner_element(setting, "vlans", j),
					   &interface->vlans[j], i))
				return false;
		}
		check_mtu(load, setting, network, i);
	}
	check_sides(load);
	if (!build_direct(network))
		return false;
	check_same_subnets(load, network);
	return true;
}

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
	if (!subnet)
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
	int err;

	entries = calloc(network->n_subnets + config->n_routes + 1, sizeof(*entries));
	if (!entries)
		return false;
	for (i = 0; i < config->n_routes; i++) {
		const struct subnet *subnet =
		    check_route(load, network, element(load, "routes", i), &config->routes[i]);

		if (subnet)
			entries[n++] = (struct lpm_entry){ config->routes[i].to,
							   (uint32_t)(subnet - network->subnets) };
	}
	/* After the routes: a subnet counts more than a route to the same. */
	for (i = network->n_subnets; i-- > 0;)
		entries[n++] = (struct lpm_entry){ network->subnets[i].address.net, (uint32_t)i };
	err = lpm_build(&network->all, entries, n);
	free(entries);
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
	else if (!is_neighbour(network, n))
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

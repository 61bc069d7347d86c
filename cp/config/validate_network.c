/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interfaces: which addresses are ours, and what is around them?
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
		return "has a subnet of length 0, which is everything";
	if (addr_is_martian(&a->addr))
		return "cannot be the address of an interface";
	if (host_bits < 2)
		return NULL;
	if (addr_equal(&a->addr, &a->net.addr))
		return "is the subnet's own address, not one in it";
	for (i = a->net.len; i < 128; i++)
		last = last && (a->addr.b[i / 8] >> (7 - i % 8) & 1);
	return v4 && last ? "is the subnet's broadcast address" : NULL;
}

static bool
add_subnet(struct load *load, struct network *network, const struct subnet *subnet)
{
	const struct subnet *other = network_own(network, &subnet->address.addr);
	const char *flaw = address_flaw(&subnet->address);
	char text[ADDR_STRLEN];

	if (flaw || other || network->n_subnets == MAX_SUBNETS)
		network->incomplete = true;
	if (flaw) {
		report(load, subnet->setting, NULL, "%s %s",
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

	if (!usable(setting, "addresses"))
		network->incomplete = true;
	for (i = 0; i < n; i++) {
		struct subnet subnet = { .address = list[i],
					 .interface = interface,
					 .vlan = vlan ? vlan->id : 0,
					 .setting = inner_element(setting, "addresses", i) };

		if (!usable(subnet.setting, NULL))
			network->incomplete = true;
		else if (!add_subnet(load, network, &subnet))
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
check_sides(struct load *load, struct network *network)
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
	if (load->config->n_interfaces == 0 || config_n_services(load->config) == 0)
		return;
	network->no_backend_side = !backends;
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

	if (!validate_names(load, "interfaces", NULL))
		return false;
	if (!usable(config_root_setting(&load->tree), "interfaces"))
		network->incomplete = true;
	for (i = 0; i < config->n_interfaces; i++) {
		const struct interface_config *interface = &config->interfaces[i];
		config_setting_t *setting = element(load, "interfaces", i);

		if (!usable(setting, NULL)) {
			network->incomplete = true;
			continue;
		}
		if (!usable(setting, "vlans"))
			network->incomplete = true;
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
	check_sides(load, network);
	if (!build_direct(network))
		return false;
	check_same_subnets(load, network);
	return true;
}

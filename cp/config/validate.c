/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that needs more than one setting to be judged. Each check looks only at settings that
 * are good by themselves, so that one mistake is reported once.
 */
#include "cp/config/validate.h"

#include <stdlib.h>
#include <string.h>

#include "cp/config/message.h"

/* ---- shared ---------------------------------------------------------------------------------- */

bool
prefixes_overlap(const struct prefix *a, const struct prefix *b)
{
	return prefix_contains(a, &b->addr) || prefix_contains(b, &a->addr);
}

/* RFC 6890 where the destination column says no. */
bool
prefix_is_martian(const struct prefix *prefix)
{
	static const char *const ranges[] = { "0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3", "::/127",
					      "ff00::/8" };
	struct prefix range;
	size_t i;

	if (prefix->len == 128 && addr_is_martian(&prefix->addr))
		return true;
	for (i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		if (prefix_parse(ranges[i], &range) == 0 && prefix->len >= range.len &&
		    prefix_contains(&range, &prefix->addr))
			return true;
	}
	return false;
}

const struct subnet *
network_find(const struct network *network, const struct addr *addr, bool direct)
{
	const struct lpm *lpm = direct ? network->direct : network->all;
	uint32_t i = lpm_lookup(lpm, addr);

	return i == LPM_NONE ? NULL : &network->subnets[i];
}

const struct subnet *
network_own(const struct network *network, const struct addr *addr)
{
	size_t i;

	for (i = 0; i < network->n_subnets; i++) {
		if (addr_equal(&network->subnets[i].address.addr, addr))
			return &network->subnets[i];
	}
	return NULL;
}

bool
subnet_serves_backends(const struct load *load, const struct subnet *subnet)
{
	return load->config->interfaces[subnet->interface].side != SIDE_CLIENT;
}

struct named {
	const char *name;
	config_setting_t *setting;
	size_t index;
};

static int
by_name(const void *a, const void *b)
{
	const struct named *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : (x->index > y->index) - (x->index < y->index);
}

static size_t
list_length(const struct load *load, const char *list)
{
	const config_setting_t *all =
	    list ? config_setting_get_member(config_root_setting(&load->tree), list) : NULL;

	return all ? (size_t)config_setting_length(all) : 0;
}

bool
validate_names(struct load *load, const char *list, const char *other)
{
	size_t first = list_length(load, list), n = first + list_length(load, other);
	struct named *names = calloc(n + 1, sizeof(*names));
	size_t used = 0, i;

	if (!names)
		return false;
	for (i = 0; i < n; i++) {
		config_setting_t *setting =
		    i < first ? element(load, list, i) : element(load, other, i - first);
		const char *name = NULL;

		if (usable(setting, "name") && config_setting_lookup_string(setting, "name", &name))
			names[used++] = (struct named){ name, setting, i };
	}
	qsort(names, used, sizeof(*names), by_name);
	for (i = 1; i < used; i++) {
		if (strcmp(names[i].name, names[i - 1].name) == 0)
			report(load, names[i].setting, "name",
			       "\"%s\" is used twice (also on line %u)", names[i].name,
			       config_setting_source_line(
				   config_setting_get_member(names[i - 1].setting, "name")));
	}
	free(names);
	return true;
}

/* ---- cores ----------------------------------------------------------------------------------- */

static void
check_cpu(struct load *load, const config_setting_t *setting, const char *key, unsigned int cpu)
{
	const struct config_cpus *cpus = load->cpus;

	if (cpus && cpu < CONFIG_MAX_CPUS && !(cpus->bits[cpu / 64] >> (cpu % 64) & 1))
		report(load, setting, key, "there is no core %u on this machine (it has %s)", cpu,
		       cpus->text);
}

void
validate_dataplane(struct load *load)
{
	const struct dataplane_config *dataplane = &load->config->dataplane;
	const config_setting_t *group =
	    config_setting_get_member(config_root_setting(&load->tree), "dataplane");
	size_t i, j;

	if (!usable(group, NULL))
		return;
	if (usable(group, "control"))
		check_cpu(load, group, "control", dataplane->control);
	if (dataplane->backend_connections > dataplane->sessions && usable(group, "sessions") &&
	    usable(group, "backend_connections"))
		report(load, group, "backend_connections", "%u is more than sessions (%u)",
		       dataplane->backend_connections, dataplane->sessions);
	for (i = 0; i < dataplane->n_workers; i++) {
		const config_setting_t *setting = inner_element(group, "workers", i);
		unsigned int cpu = dataplane->workers[i];

		if (!usable(setting, NULL))
			continue;
		check_cpu(load, setting, NULL, cpu);
		if (dataplane->share_cores || !usable(group, "share_cores"))
			continue;
		for (j = 0; j < i; j++) {
			if (dataplane->workers[j] == cpu &&
			    usable(inner_element(group, "workers", j), NULL))
				break;
		}
		if (j < i)
			report(load, setting, NULL,
			       "core %u is used twice; share_cores = true; would allow it", cpu);
		if (cpu == dataplane->control && usable(group, "control"))
			report(
			    load, setting, NULL,
			    "core %u is also that of control; share_cores = true; would allow it",
			    cpu);
	}
}

/* ---- all of it ------------------------------------------------------------------------------- */

void
validate(struct load *load)
{
	struct network network = { 0 };
	bool ok;

	/* 1. this machine */
	validate_dataplane(load);
	/* 2. the network around it, which the rest asks */
	ok = validate_interfaces(load, &network) && validate_routes(load, &network);
	/* 3. who is in it */
	if (ok) {
		validate_neighbours(load, &network);
		ok = validate_pools(load, &network) && validate_services(load) &&
		     validate_forwarding(load, &network);
	}
	if (ok) {
		validate_sources(load, &network);
		validate_seen(load);
		validate_pools_tls(load);
		ok = validate_listeners(load);
	}
	if (!ok)
		message_add(load->messages, load->file, 0, false, "out of memory");
	lpm_free(network.direct);
	lpm_free(network.all);
	free(network.subnets);
}

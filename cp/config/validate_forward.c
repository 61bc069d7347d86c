/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Can each service reach the backends of its pool in its mode, through these interfaces? And do the
 * addresses that we take for ourselves stay ours?
 *
 * What is wrong with a backend is reported once, at the backend, for the first service that it does
 * not suit.
 */
#include <stdlib.h>
#include <string.h>

#include "cp/config/validate.h"

enum flaw {
	FLAW_FAMILY = 1,
	FLAW_PORT = 2,
	FLAW_SUBNET = 4,
	FLAW_HEALTH = 8,
	FLAW_VIP = 16,
	FLAW_ADDRESS = 32, /* there is no good one */
};

struct validation {
	struct load *load;
	const struct network *network;
};

/* One service and one backend of its pool. */
struct pair {
	struct load *load;
	const struct network *network;
	const struct service_config *service;
	size_t pool;
	const config_setting_t *setting; /* of the service */
	const char *kind;                /* what it is called */
	const struct backend_config *backend;
	const config_setting_t *list; /* of backends */
	size_t index;                 /* in it */
	uint8_t *flaws;               /* of the backend, reported so far */
	const char *forward;
};

static const config_setting_t *
backend_setting(const struct pair *p)
{
	return config_setting_get_elem(p->list, (unsigned int)p->index);
}

static bool
is_dsr(enum forward_mode mode)
{
	return mode == FORWARD_DSR_L2 || mode == FORWARD_DSR_IPIP || mode == FORWARD_DSR_GUE;
}

static bool
crosses_families(enum forward_mode mode)
{
	return mode == FORWARD_DSR_IPIP || mode == FORWARD_DSR_GUE || mode == FORWARD_PROXY;
}

/* The modes in which backends are reached from addresses of ours. */
static bool
has_source(enum forward_mode mode)
{
	return mode == FORWARD_FULL_NAT || mode == FORWARD_PROXY;
}

static bool
prefix_is_v4(const struct prefix *p)
{
	return p->len >= 96 && addr_is_v4(&p->addr);
}

static const char *
family(bool v4)
{
	return v4 ? "IPv4" : "IPv6";
}

static void
check_family(struct pair *p)
{
	bool service_v4 = prefix_is_v4(&p->service->address);
	bool backend_v4 = addr_is_v4(&p->backend->address);
	char text[ADDR_STRLEN];

	if (service_v4 == backend_v4 || crosses_families(p->service->forward) ||
	    (*p->flaws & FLAW_FAMILY))
		return;
	*p->flaws |= FLAW_FAMILY;
	report(p->load, backend_setting(p), "address",
	       "%s is %s, but %s %s is %s, and \"%s\" does not cross families",
	       addr_format(&p->backend->address, text), family(backend_v4), p->kind,
	       shown_name(p->service->name), family(service_v4), p->forward);
}

static void
check_port(struct pair *p)
{
	uint16_t backend = p->backend->port, service = p->service->port;

	if (*p->flaws & FLAW_PORT)
		return;
	if (is_dsr(p->service->forward) && backend != 0 && backend != service) {
		*p->flaws |= FLAW_PORT;
		report(p->load, backend_setting(p), "port",
		       "\"%s\" does not change the port, and service %s is on port %u: leave "
		       "this out, or 0",
		       p->forward, shown_name(p->service->name), service);
	}
	if (!is_dsr(p->service->forward) && backend == 0 && service != 0) {
		*p->flaws |= FLAW_PORT;
		report(p->load, backend_setting(p), "port",
		       "missing: %s %s on port %u (\"%s\") needs to know the backend's port",
		       p->kind, shown_name(p->service->name), service, p->forward);
	}
}

/* dsr-l2 only writes the backend's Ethernet address: a gateway would send the packet back. */
static void
check_subnet(struct pair *p)
{
	char text[ADDR_STRLEN];

	if (p->service->forward != FORWARD_DSR_L2 || (*p->flaws & FLAW_SUBNET) ||
	    network_find(p->network, &p->backend->address, true) ||
	    !network_find(p->network, &p->backend->address, false))
		return;
	*p->flaws |= FLAW_SUBNET;
	report(p->load, backend_setting(p), "address",
	       "%s is behind a gateway, but \"dsr-l2\" of service %s needs it in a subnet of an "
	       "interface",
	       addr_format(&p->backend->address, text), shown_name(p->service->name));
}

/* A backend with a service's address would get what we should. */
static void
check_vip(struct pair *p)
{
	char text[ADDR_STRLEN];

	if (p->service->address.len != 128 || (*p->flaws & FLAW_VIP) ||
	    !addr_equal(&p->service->address.addr, &p->backend->address))
		return;
	*p->flaws |= FLAW_VIP;
	report(p->load, backend_setting(p), "address", "%s is the address of %s %s itself",
	       addr_format(&p->backend->address, text), p->kind, shown_name(p->service->name));
}

static void
check_health_port(struct pair *p)
{
	const struct health_config *health = &p->load->config->pools[p->pool].health;

	if (health->check == HEALTH_NONE || health->check == HEALTH_ICMP || health->port ||
	    p->backend->port || p->service->port || (*p->flaws & FLAW_HEALTH))
		return;
	*p->flaws |= FLAW_HEALTH;
	report(p->load, backend_setting(p), "port",
	       "missing: the pool's health check needs a port, here or in health");
}

/* Full NAT and listeners connect from an address of ours of the backend's family. False: reported.
 */
static bool
check_source(struct pair *p)
{
	const struct subnet *out = network_find(p->network, &p->backend->address, false);
	const struct interface_config *interface;
	bool v4 = addr_is_v4(&p->backend->address);
	size_t i;

	if (!out || !has_source(p->service->forward))
		return true;
	interface = &p->load->config->interfaces[out->interface];
	/* By default they are the interface's addresses; a subnet of the family is one of them. */
	if (interface->n_source_addresses == 0)
		return true;
	for (i = 0; i < interface->n_source_addresses; i++) {
		if (prefix_is_v4(&interface->source_addresses[i]) == v4)
			return true;
	}
	report(p->load, p->setting, p->service->forward == FORWARD_PROXY ? "pool" : "forward",
	       "\"%s\" needs an %s address to connect from, but interface %s has none in "
	       "source_addresses",
	       p->forward, family(v4), shown_name(interface->name));
	return false;
}

/* The i-th service with one of its pools; flaws: of that pool's backends. */
static void
check_service(struct validation v, size_t i, size_t pool_index, uint8_t *flaws)
{
	struct load *load = v.load;
	const struct service_config *service = config_service(load->config, i);
	const struct pool_config *pool = &load->config->pools[pool_index];
	const config_setting_t *setting = service_setting(load, i);
	bool port = usable(setting, "port"), address = usable(setting, "address");
	bool sources = true;
	struct pair p = { .load = load,
			  .network = v.network,
			  .service = service,
			  .pool = pool_index,
			  .setting = setting,
			  .kind = service_kind(load->config, i),
			  .list = config_setting_get_member(element(load, "pools", pool_index),
							    "backends"),
			  .forward = forward_mode_name(service->forward) };

	for (p.index = 0; p.index < pool->n_backends; p.index++) {
		p.backend = &pool->backends[p.index];
		p.flaws = &flaws[p.index];
		if (port) {
			check_port(&p);
			check_health_port(&p);
		}
		if (!address || (*p.flaws & FLAW_ADDRESS))
			continue;
		check_vip(&p);
		check_family(&p);
		check_subnet(&p);
		sources = sources && check_source(&p);
	}
}

/* What is wrong with a backend by itself has been reported and is not to be looked at again.
 * Looking it up once and not for each service keeps large files quick. */
static void
known_flaws(const struct load *load, size_t pool, uint8_t *flaws)
{
	size_t i;

	for (i = 0; i < load->config->pools[pool].n_backends; i++) {
		const config_setting_t *setting =
		    inner_element(element(load, "pools", pool), "backends", i);

		if (!usable(setting, "port"))
			flaws[i] |= FLAW_PORT | FLAW_HEALTH;
		if (!usable(setting, "address"))
			flaws[i] |= FLAW_ADDRESS;
	}
}

bool
validate_forwarding(struct load *load, const struct network *network)
{
	const struct config *config = load->config;
	size_t *first = calloc(config->n_pools + 1, sizeof(*first));
	struct validation v = { load, network };
	uint8_t *flaws = NULL;
	size_t n, i, j;

	if (!first)
		return false;
	for (i = 0; i < config->n_pools; i++)
		first[i + 1] = first[i] + config->pools[i].n_backends;
	flaws = calloc(first[config->n_pools] + 1, 1);
	for (i = 0; flaws && i < config->n_pools; i++)
		known_flaws(load, i, flaws + first[i]);
	for (i = 0; flaws && i < config_n_services(config); i++) {
		const size_t *pools = config_service_pools(config, i, &n);

		if (!config_listener(config, i) && !usable(service_setting(load, i), "forward"))
			continue;
		for (j = 0; j < n; j++)
			check_service(v, i, pools[j], flaws + first[pools[j]]);
	}
	free(first);
	if (!flaws)
		return false;
	free(flaws);
	return true;
}

/* ---- source addresses ------------------------------------------------------------------------ */

struct source {
	struct load *load;
	const struct network *network;
	size_t interface;
	const struct prefix *prefix;
	const config_setting_t *setting;
	char text[PREFIX_STRLEN];
};

/* Addresses that belong to somebody else. */
static bool
source_taken(const struct source *s)
{
	const struct config *config = s->load->config;
	char text[ADDR_STRLEN];
	size_t i, j;

	for (i = 0; i < config->n_pools; i++) {
		for (j = 0; j < config->pools[i].n_backends; j++) {
			const struct backend_config *backend = &config->pools[i].backends[j];

			if (!prefix_contains(s->prefix, &backend->address) ||
			    !usable(inner_element(element(s->load, "pools", i), "backends", j),
				    "address"))
				continue;
			report(s->load, s->setting, NULL, "%s contains the backend %s of line %d",
			       s->text, addr_format(&backend->address, text), backend->line);
			return true;
		}
	}
	for (i = 0; i < config->n_routes; i++) {
		const struct route_config *route = &config->routes[i];

		if (!prefix_contains(s->prefix, &route->via) ||
		    !usable(element(s->load, "routes", i), "via"))
			continue;
		report(s->load, s->setting, NULL, "%s contains the gateway %s of line %d", s->text,
		       addr_format(&route->via, text), route->line);
		return true;
	}
	return false;
}

static bool
source_of_service(const struct source *s)
{
	const struct config *config = s->load->config;
	size_t i;

	for (i = 0; i < config_n_services(config); i++) {
		const struct service_config *service = config_service(config, i);

		if (!usable(service_setting(s->load, i), "address") ||
		    !prefixes_overlap(s->prefix, &service->address))
			continue;
		report(s->load, s->setting, NULL, "%s overlaps the address of %s %s (line %d)",
		       s->text, service_kind(config, i), shown_name(service->name), service->line);
		return true;
	}
	return false;
}

/* Two interfaces cannot connect from the same address: where would the answer arrive? */
static bool
source_of_interface(const struct source *s)
{
	const struct interface_config *list = s->load->config->interfaces;
	size_t i, j;

	for (i = 0; i <= s->interface; i++) {
		for (j = 0; j < list[i].n_source_addresses; j++) {
			const struct prefix *other = &list[i].source_addresses[j];
			const config_setting_t *setting =
			    inner_element(element(s->load, "interfaces", i), "source_addresses", j);

			if (other == s->prefix)
				return false;
			if (!usable(setting, NULL) || !prefixes_overlap(s->prefix, other))
				continue;
			report(s->load, s->setting, NULL, "%s overlaps those of line %u", s->text,
			       config_setting_source_line(setting));
			return true;
		}
	}
	return false;
}

static void
check_source_prefix(struct source *s)
{
	size_t i;

	prefix_format(s->prefix, s->text);
	if (prefix_is_martian(s->prefix)) {
		report(s->load, s->setting, NULL, "no packet can come from %s", s->text);
		return;
	}
	if (source_of_service(s) || source_of_interface(s) || source_taken(s))
		return;
	for (i = 0; i < s->network->n_subnets; i++) {
		const struct subnet *own = &s->network->subnets[i];

		if (own->interface == s->interface ||
		    !prefix_contains(s->prefix, &own->address.addr))
			continue;
		report(s->load, s->setting, NULL, "%s contains the address of another interface",
		       s->text);
		return;
	}
}

void
validate_sources(struct load *load, const struct network *network)
{
	size_t i, j;

	for (i = 0; i < load->config->n_interfaces; i++) {
		const struct interface_config *interface = &load->config->interfaces[i];

		for (j = 0; j < interface->n_source_addresses; j++) {
			struct source s = { .load = load,
					    .network = network,
					    .interface = i,
					    .prefix = &interface->source_addresses[j],
					    .setting = inner_element(element(load, "interfaces", i),
								     "source_addresses", j) };

			if (usable(s.setting, NULL))
				check_source_prefix(&s);
		}
	}
}

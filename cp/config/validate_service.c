/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pools and services, each by itself and among its kind.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cp/config/config.h"
#include "cp/config/validate.h"
#include "cp/config/validate_http.h"

/* ---- pools ----------------------------------------------------------------------------------- */

static int
by_address(const void *a, const void *b)
{
	const struct backend_config *x = *(const struct backend_config *const *)a;
	const struct backend_config *y = *(const struct backend_config *const *)b;
	int order = addr_compare(&x->address, &y->address);

	if (order == 0)
		order = (int)x->port - (int)y->port;
	return order ? order : (x > y) - (x < y);
}

static bool
check_same_backends(struct load *load, const config_setting_t *setting,
		    const struct pool_config *pool)
{
	const struct backend_config **list = calloc(pool->n_backends + 1, sizeof(*list));
	char text[ADDR_PORT_STRLEN];
	size_t n = 0, i;

	if (!list)
		return false;
	for (i = 0; i < pool->n_backends; i++) {
		const config_setting_t *backend = inner_element(setting, "backends", i);

		if (usable(backend, "address") && usable(backend, "port"))
			list[n++] = &pool->backends[i];
	}
	qsort(list, n, sizeof(*list), by_address);
	for (i = 1; i < n; i++) {
		const struct backend_config *b = list[i];

		if (!addr_equal(&b->address, &list[i - 1]->address) || b->port != list[i - 1]->port)
			continue;
		report(load, inner_element(setting, "backends", (size_t)(b - pool->backends)),
		       "address", "%s is in this pool twice (also on line %d)",
		       addr_port_format(&b->address, b->port, text), list[i - 1]->line);
	}
	free(list);
	return true;
}

static void
check_weights(struct load *load, const config_setting_t *setting, const struct pool_config *pool)
{
	uint64_t sum = 0;
	size_t i;

	if (!usable(setting, "backends"))
		return;
	for (i = 0; i < pool->n_backends; i++) {
		if (!usable(inner_element(setting, "backends", i), "weight"))
			return;
		sum += pool->backends[i].weight;
	}
	if (sum == 0)
		report(load, setting, "backends",
		       "the weights add up to 0: no backend would get anything");
}

/* Can packets go there at all? */
static void
check_backend(struct load *load, const struct network *network, const config_setting_t *setting,
	      const struct backend_config *backend)
{
	const struct subnet *subnet;
	char text[ADDR_STRLEN];

	if (!usable(setting, "address"))
		return;
	addr_format(&backend->address, text);
	if (addr_is_martian(&backend->address)) {
		report(load, setting, "address", "%s cannot be the address of a server", text);
		return;
	}
	subnet = network_own(network, &backend->address);
	if (subnet) {
		report(load, setting, "address", "%s is our own address, on interface %s", text,
		       shown_name(load->config->interfaces[subnet->interface].name));
		return;
	}
	if (network->incomplete || network->no_backend_side)
		return;
	subnet = network_find(network, &backend->address, false);
	if (!subnet)
		report(load, setting, "address",
		       "%s is in no subnet of an interface, and no route leads there", text);
	else if (!subnet_serves_backends(load, subnet))
		report(load, setting, "address",
		       "%s is reached by interface %s, whose side is \"client\"; it must be "
		       "\"backend\" or \"both\"",
		       text, shown_name(load->config->interfaces[subnet->interface].name));
}

/* True if a pool of this name is used, so that another one is the matter of validate_names. */
static bool
name_is_used(const struct config *config, const bool *used, const char *name)
{
	size_t i;

	for (i = 0; i < config->n_pools; i++) {
		if (used[i] && config->pools[i].name && strcmp(config->pools[i].name, name) == 0)
			return true;
	}
	return false;
}

/* True if it names none although it would have to. */
static bool
lacks_pool(const struct config *config, size_t i)
{
	const struct listener_config *listener = config_listener(config, i);

	return listener && listener->pool == SIZE_MAX && !listener->http.n_routes &&
	       !listener->n_server_names;
}

/* Pools that nobody uses; a reference that cannot be read could be to any. */
static void
check_used(struct load *load, bool *used)
{
	const struct config *config = load->config;
	const config_setting_t *root = config_root_setting(&load->tree);
	size_t n, i, j;

	if (load->pools_unknown || !usable(root, "services") || !usable(root, "listeners"))
		return;
	for (i = 0; i < config_n_services(config); i++) {
		const size_t *pools = config_service_pools(config, i, &n);

		if (lacks_pool(config, i) &&
		    !config_setting_get_member(service_setting(load, i), "pool"))
			return;
		for (j = 0; j < n; j++)
			used[pools[j]] = true;
	}
	for (i = 0; i < config->n_pools; i++) {
		const config_setting_t *setting = element(load, "pools", i);

		if (usable(setting, "name") && !load->meant_pools[i] &&
		    !name_is_used(config, used, shown_name(config->pools[i].name)))
			report(load, setting, NULL, "no service or listener uses this pool");
	}
}

bool
validate_pools(struct load *load, const struct network *network)
{
	const struct config *config = load->config;
	bool *used = calloc(config->n_pools + 1, sizeof(*used));
	bool ok = used && validate_names(load, "pools", NULL);
	size_t i, j;

	for (i = 0; ok && i < config->n_pools; i++) {
		const struct pool_config *pool = &config->pools[i];
		const config_setting_t *setting = element(load, "pools", i);

		if (!usable(setting, NULL))
			continue;
		validate_health(load, network, setting, pool);
		check_weights(load, setting, pool);
		for (j = 0; j < pool->n_backends; j++)
			check_backend(load, network, inner_element(setting, "backends", j),
				      &pool->backends[j]);
		ok = check_same_backends(load, setting, pool);
	}
	if (ok)
		check_used(load, used);
	free(used);
	return ok;
}

/* ---- services and listeners ------------------------------------------------------------------ */

struct destined {
	const struct service_config *service;
	size_t index; /* for config_service */
};

static int
by_destination(const void *a, const void *b)
{
	const struct destined *p = a, *q = b;
	const struct service_config *x = p->service, *y = q->service;
	int order = addr_compare(&x->address.addr, &y->address.addr);

	if (order == 0)
		order = (int)x->address.len - (int)y->address.len;
	if (order == 0)
		order = (int)x->port - (int)y->port;
	if (order == 0)
		order = (int)x->protocol - (int)y->protocol;
	return order ? order : (p->index > q->index) - (p->index < q->index);
}

static bool
same_destination(const struct service_config *x, const struct service_config *y)
{
	return addr_equal(&x->address.addr, &y->address.addr) && x->address.len == y->address.len &&
	       x->port == y->port && x->protocol == y->protocol;
}

/* Two services for the same packets. One on port 0 or on a wider prefix is another service: the
 * exact port, then the longest prefix wins. */
static bool
check_same_services(struct load *load)
{
	const struct config *config = load->config;
	struct destined *list = calloc(config_n_services(config) + 1, sizeof(*list));
	size_t n = 0, i;

	if (!list)
		return false;
	for (i = 0; i < config_n_services(config); i++) {
		const config_setting_t *setting = service_setting(load, i);

		if (usable(setting, "address") && usable(setting, "port") &&
		    usable(setting, "protocol"))
			list[n++] = (struct destined){ config_service(config, i), i };
	}
	qsort(list, n, sizeof(*list), by_destination);
	for (i = 1; i < n; i++) {
		if (!same_destination(list[i].service, list[i - 1].service))
			continue;
		report(load, service_setting(load, list[i].index), "address",
		       "the %s of line %d has the same address, port and protocol",
		       service_kind(config, list[i - 1].index), list[i - 1].service->line);
	}
	free(list);
	return true;
}

/* True if the group has only what says how limits are meant. (What cannot be read is no limit, but
 * has been reported.) */
static bool
limits_nothing(const config_setting_t *group)
{
	const char *name;
	int i;

	for (i = 0; i < config_setting_length(group); i++) {
		name = config_setting_name(config_setting_get_elem(group, (unsigned int)i));
		if (strcmp(name, "burst") != 0 && strcmp(name, "prefix4") != 0 &&
		    strcmp(name, "prefix6") != 0)
			return false;
	}
	return true;
}

static void
check_limits(struct load *load, const config_setting_t *setting, const char *whose)
{
	const config_setting_t *group = config_setting_get_member(setting, "limits");

	group = group ? config_setting_get_member(group, whose) : NULL;
	if (group && config_setting_is_group(group) && limits_nothing(group))
		report_warning(load, group, NULL,
			       "limits nothing: give packets, bytes, new_connections or "
			       "connections");
}

/* What can be read in two ways. */
static void
check_clients(struct load *load, const struct service_config *service,
	      const struct listener_config *listener, const config_setting_t *setting)
{
	if (!config_limits_requests(listener))
		check_limits(load, setting, "client");
	check_limits(load, setting, "service");
	if (config_setting_get_member(setting, "allow") && usable(setting, "allow") &&
	    service->n_allow == 0)
		report_warning(load, setting, "allow",
			       "empty, so that all clients may come; name those that may, or leave "
			       "it out");
}

bool
validate_services(struct load *load)
{
	const struct config *config = load->config;
	char text[PREFIX_STRLEN];
	size_t i;

	if (!validate_names(load, "services", "listeners"))
		return false;
	for (i = 0; i < config_n_services(config); i++) {
		const struct service_config *service = config_service(config, i);
		const config_setting_t *setting = service_setting(load, i);

		if (usable(setting, "address") && prefix_is_martian(&service->address))
			report(load, setting, "address", "no client can reach %s",
			       service->address.len == 128
				   ? addr_format(&service->address.addr, text)
				   : prefix_format(&service->address, text));
		check_clients(load, service, config_listener(config, i), setting);
	}
	return check_same_services(load);
}

/* Where requests or connections go. */
static void
check_listener_pool(struct load *load, const struct listener_config *l,
		    const config_setting_t *setting)
{
	bool pool = config_setting_get_member(setting, "pool");
	bool routes = config_setting_get_member(setting, "routes");
	bool names = config_setting_get_member(setting, "server_names");

	if (!usable(setting, "protocol") || !usable(setting, "routes") ||
	    !usable(setting, "server_names"))
		return;
	if ((l->protocol == LISTENER_TCP || l->protocol == LISTENER_TLS) && !pool)
		report(load, setting, "pool", "missing; for example pool = \"db\";");
	else if (listener_has_http(l) && !pool && !routes)
		report(load, setting, "pool",
		       "missing; give pool = \"web\"; or routes = ( { ... } );");
	else if (listener_has_http(l) && pool && routes)
		report(load, setting, "pool", "says nothing beside routes; give one of them");
	else if (l->protocol == LISTENER_TLS_PASSTHROUGH && !pool && !names)
		report(load, setting, "pool",
		       "missing; give pool = \"web\"; or server_names = ( { ... } ); or both");
}

/* Settings of a listener that say nothing together. */
static void
check_listener(struct load *load, size_t i)
{
	const struct listener_config *l = &load->config->listeners[i];
	const config_setting_t *setting = element(load, "listeners", i);

	if (!usable(setting, NULL))
		return;
	check_listener_pool(load, l, setting);
	if (usable(setting, "trusted_proxies") && usable(setting, "accept_proxy_protocol") &&
	    l->n_trusted_proxies && !l->accept_proxy_protocol && !listener_has_http(l))
		report(load, setting, "trusted_proxies",
		       "nobody's header is read without accept_proxy_protocol = true;");
	if (!listener_has_http(l) && usable(setting, "hash") && usable(setting, "balance") &&
	    l->balance == BALANCE_LEAST_CONNECTIONS && l->service.hash == HASH_CLIENT)
		report(
		    load, setting, "hash",
		    "\"client\" needs balance = \"maglev\"; with \"least-connections\" a client's "
		    "connections go to different backends");
}

bool
validate_listeners(struct load *load)
{
	bool ok = true;
	size_t i;

	for (i = 0; ok && i < load->config->n_listeners; i++) {
		check_listener(load, i);
		ok = validate_http(load, i) &&
		     validate_server_names(load, &load->config->listeners[i],
					   element(load, "listeners", i)) &&
		     validate_tls(load, &load->config->listeners[i], element(load, "listeners", i));
	}
	return ok;
}

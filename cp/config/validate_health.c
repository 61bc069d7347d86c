/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the backends of a pool are checked.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cp/config/validate.h"
#include "lib/units.h"

#define BIT(check) (1u << (check))
#define HTTP_KINDS (BIT(HEALTH_HTTP) | BIT(HEALTH_HTTPS))

/* Keys that mean something for some kinds of checks only. */
static const struct {
	const char *key;
	unsigned int kinds;
	const char *whose;
} keys[] = {
	{ "path", HTTP_KINDS, "\"http\" and \"https\"" },
	{ "host", HTTP_KINDS, "\"http\" and \"https\"" },
	{ "expect", HTTP_KINDS, "\"http\" and \"https\"" },
	{ "body", HTTP_KINDS, "\"http\" and \"https\"" },
	{ "verify", BIT(HEALTH_HTTPS), "\"https\"" },
	{ "ca", BIT(HEALTH_HTTPS), "\"https\"" },
	{ "payload", BIT(HEALTH_UDP), "\"udp\"" },
	{ "answer", BIT(HEALTH_UDP), "\"udp\"" },
};

static void
check_times(struct load *load, const config_setting_t *group, const struct health_config *health)
{
	char timeout[UNITS_STRLEN], interval[UNITS_STRLEN];

	if (!usable(group, "interval") || !usable(group, "timeout"))
		return;
	if (health->timeout >= health->interval)
		report(load, group,
		       config_setting_get_member(group, "timeout") ? "timeout" : "interval",
		       "the timeout (%s) must be less than the interval (%s)",
		       duration_format(health->timeout, timeout),
		       duration_format(health->interval, interval));
}

/* A check that is switched off may keep its settings. */
static void
check_keys(struct load *load, const config_setting_t *group, const struct health_config *health)
{
	size_t i;

	if (!usable(group, "check") || health->check == HEALTH_NONE)
		return;
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (config_setting_get_member(group, keys[i].key) && usable(group, keys[i].key) &&
		    !(keys[i].kinds & BIT(health->check)))
			report_warning(load, group, keys[i].key,
				       "means nothing for check = \"%s\", only for %s",
				       health_check_name(health->check), keys[i].whose);
	}
}

/* It goes into a URL and a header. */
static void
check_host(struct load *load, const config_setting_t *group, const struct health_config *health)
{
	const char *p = health->host;

	if (!p || !usable(group, "host"))
		return;
	while (isalnum((unsigned char)*p) || (*p && strchr("-._", *p)))
		p++;
	if (*p == ':' && p[1])
		p += 1 + strspn(p + 1, "0123456789");
	if (*p || p == health->host || strlen(health->host) > 255)
		report(load, group, "host",
		       "is not a host's name, for example \"www.example.net\"");
}

static void
check_ca(struct load *load, const config_setting_t *group, const struct health_config *health)
{
	if (health->check == HEALTH_HTTPS && health->ca && health->verify &&
	    access(health->ca, R_OK) != 0)
		report_warning(load, group, "ca", "cannot be read: %s", strerror(errno));
}

static void
check_source(struct load *load, const struct network *network, const config_setting_t *group,
	     const struct health_config *health)
{
	static const struct addr unset;
	char text[ADDR_STRLEN];

	if (addr_equal(&health->source, &unset) || !usable(group, "source") || network->incomplete)
		return;
	if (!network_own(network, &health->source))
		report(load, group, "source",
		       "%s is none of our interfaces' addresses (interfaces.addresses)",
		       addr_format(&health->source, text));
}

/* Is there something to connect to, and a way for the kernel's sockets? */
static void
check_backends(struct load *load, const struct network *network, const config_setting_t *setting,
	       const struct pool_config *pool)
{
	const config_setting_t *group = config_setting_get_member(setting, "health");
	char text[ADDR_STRLEN];
	size_t i;

	for (i = 0; i < pool->n_backends; i++) {
		const struct backend_config *b = &pool->backends[i];
		const config_setting_t *backend = inner_element(setting, "backends", i);
		const struct subnet *subnet;

		if (!usable(backend, "address") || !usable(backend, "port"))
			continue;
		if (!b->port && !pool->health.port && pool->health.check != HEALTH_ICMP &&
		    usable(group, "port")) {
			report(load, group, "port",
			       "missing: backend %s has no port of its own to check",
			       addr_format(&b->address, text));
			return;
		}
		subnet = network_find(network, &b->address, false);
		if (!subnet || load->config->interfaces[subnet->interface].twin)
			continue;
		report_warning(load, group, "check",
			       "interface %s, which leads to backend %s, has twin = false: checks "
			       "do not get there by it",
			       shown_name(load->config->interfaces[subnet->interface].name),
			       addr_format(&b->address, text));
		return;
	}
}

void
validate_health(struct load *load, const struct network *network, const config_setting_t *setting,
		const struct pool_config *pool)
{
	const config_setting_t *group = config_setting_get_member(setting, "health");

	if (!group || !usable(group, NULL))
		return;
	check_times(load, group, &pool->health);
	check_keys(load, group, &pool->health);
	check_host(load, group, &pool->health);
	check_ca(load, group, &pool->health);
	check_source(load, network, group, &pool->health);
	if (pool->health.check != HEALTH_NONE && usable(group, "check"))
		check_backends(load, network, setting, pool);
}

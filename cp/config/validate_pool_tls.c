/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pools whose backends are spoken to by TLS: their certificates, keys and authorities are read
 * here, and stay with the configuration. And whoever uses such a pool has to be one that can speak
 * TLS.
 */
#include <string.h>

#include "cp/config/message.h"
#include "cp/config/validate.h"
#include "cp/config/validate_tls.h"
#include "cp/tls/client.h"
#include "cp/tls/trust.h"

static bool
has(const config_setting_t *group, const char *key)
{
	return config_setting_get_member(group, key) != NULL;
}

/* ---- a pool ---------------------------------------------------------------------------------- */

static void
check_name(struct load *load, const struct pool_tls_config *tls, const config_setting_t *group)
{
	char text[QUOTED_LEN];

	if (!usable(group, "server_name") || !usable(group, "verify"))
		return;
	if (!tls->server_name && tls->verify)
		report(load, group, "server_name",
		       "missing, and without it no backend's certificate can be verified; for "
		       "example server_name = \"shop.example\";");
	else if (tls->server_name && !tls_client_name_usable(tls->server_name))
		report(load, group, "server_name",
		       "\"%s\" is neither a server's name, for example \"shop.example\", nor an "
		       "address",
		       text_printable(tls->server_name, text));
}

static void
check_own(struct load *load, struct pool_tls_config *tls, const config_setting_t *group)
{
	bool cert = has(group, "cert"), key = has(group, "key");

	if (cert && key)
		load_tls_pair(load, group, &tls->own, TLS_ROLE_CLIENT);
	else if (cert)
		report(load, group, "key",
		       "missing; for example key = \"/etc/penstock/tls/gateway.key\";");
	else if (key)
		report(load, group, "cert",
		       "missing; for example cert = \"/etc/penstock/tls/gateway.pem\";");
}

/* A pool before this one that trusts the same file, and has read it. */
static const struct pool_tls_config *
find_reader(const struct load *load, size_t i)
{
	const char *ca = load->config->pools[i].tls.ca;
	size_t j;

	for (j = 0; j < i; j++) {
		const struct pool_tls_config *other = &load->config->pools[j].tls;

		if (other->trust &&
		    (ca && other->ca ? strcmp(other->ca, ca) == 0 : other->ca == ca))
			return other;
	}
	return NULL;
}

/* Each file once: that of the system's authorities is large. */
static void
read_trust(struct load *load, size_t i, const config_setting_t *group)
{
	struct pool_tls_config *tls = &load->config->pools[i].tls;
	const struct pool_tls_config *reader = find_reader(load, i);
	struct tls_trust_faults faults = { 0 };

	if (reader) {
		tls->trust = tls_trust_get(reader->trust);
	} else if (tls->ca) {
		tls->trust = tls_trust_load(tls->ca, NULL, &faults);
		report_tls_fault(load, group, "ca", tls->ca, &faults.ca);
	} else {
		tls->trust = tls_trust_load_partial(TLS_SYSTEM_AUTHORITIES, &faults.ca);
		if (!tls->trust)
			report(load, group, "ca",
			       "missing, and the file of the system's authorities, "
			       "\"" TLS_SYSTEM_AUTHORITIES "\", %s",
			       faults.ca.text);
	}
}

static void
check_trust(struct load *load, size_t i, const config_setting_t *group)
{
	const struct pool_tls_config *tls = &load->config->pools[i].tls;

	if (!usable(group, "verify") || !usable(group, "ca"))
		return;
	if (!tls->verify && tls->ca)
		report(load, group, "ca", "says nothing with verify = false");
	if (tls->verify && (!tls->ca || tls_path_usable(load, group, "ca", tls->ca)))
		read_trust(load, i, group);
}

/* ---- who uses it ----------------------------------------------------------------------------- */

/* Does this setting name a pool with TLS, and why may it not? */
static void
check_user(struct load *load, const config_setting_t *setting, size_t pool, const char *why)
{
	const struct config *config = load->config;

	if (pool >= config->n_pools || !pool_speaks_tls(&config->pools[pool]))
		return;
	report(load, setting, "pool", "\"%s\" has tls (line %d), but %s",
	       shown_name(config->pools[pool].name), config->pools[pool].tls.line, why);
}

static void
check_users(struct load *load)
{
	static const char service[] =
	    "a service passes on what clients send as it is, and speaks no TLS to backends; "
	    "listeners do";
	static const char passed[] =
	    "protocol = \"tls-passthrough\" passes on the client's own TLS as it is; leave tls "
	    "out, or end the client's with protocol = \"tls\" or \"https\"";
	const struct config *config = load->config;
	size_t i, j;

	for (i = 0; i < config->n_services; i++)
		check_user(load, element(load, "services", i), config->services[i].pool, service);
	for (i = 0; i < config->n_listeners; i++) {
		const struct listener_config *l = &config->listeners[i];
		const config_setting_t *setting = element(load, "listeners", i);

		if (!usable(setting, "protocol") || l->protocol != LISTENER_TLS_PASSTHROUGH)
			continue;
		check_user(load, setting, l->pool, passed);
		for (j = 0; j < l->n_server_names; j++)
			check_user(load, inner_element(setting, "server_names", j),
				   l->server_names[j].pool, passed);
	}
}

void
validate_pools_tls(struct load *load)
{
	size_t i;

	for (i = 0; i < load->config->n_pools; i++) {
		const config_setting_t *pool = element(load, "pools", i);
		const config_setting_t *group =
		    pool ? config_setting_get_member(pool, "tls") : NULL;

		if (!group || !usable(group, NULL))
			continue;
		check_name(load, &load->config->pools[i].tls, group);
		check_trust(load, i, group);
		check_own(load, &load->config->pools[i].tls, group);
	}
	check_users(load);
}

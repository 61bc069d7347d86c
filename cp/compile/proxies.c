/* SPDX-License-Identifier: Apache-2.0 */
/* What listeners have beyond services, by slot. */
#include <stdlib.h>

#include "cp/compile/internal.h"

#define NS_PER_MS 1000000ull

static_assert((int)BALANCE_MAGLEV == PROXY_MAGLEV &&
		  (int)BALANCE_LEAST_CONNECTIONS == PROXY_LEAST_CONNECTIONS &&
		  (int)PROXY_PROTOCOL_NONE == PROXY_HEADER_NONE &&
		  (int)PROXY_PROTOCOL_V1 == PROXY_HEADER_V1 &&
		  (int)PROXY_PROTOCOL_V2 == PROXY_HEADER_V2,
	      "the configuration and the data plane number these alike");

static void
release(void *data)
{
	struct proxy_set *set = data;
	uint32_t i;

	for (i = 0; set->trusted && i < set->n; i++)
		lpm_free(set->trusted[i]);
	for (i = 0; set->https && i < set->n; i++)
		http_block_put(set->https[i]);
	for (i = 0; set->names && i < set->n; i++)
		server_names_free(set->names[i]);
	free(set->names);
	free(set->https);
	free(set->trusted);
	free(set->settings);
}

/* Of the addresses whose headers are believed; *out stays NULL where everybody is. False: no
 * memory. */
static bool
trusted_build(const struct listener_config *l, struct lpm **out)
{
	struct lpm_entry *entries;
	size_t i;
	int rc;

	if (!l->n_trusted_proxies)
		return true;
	entries = calloc(l->n_trusted_proxies, sizeof(*entries));
	if (!entries)
		return false;
	for (i = 0; i < l->n_trusted_proxies; i++)
		entries[i] = (struct lpm_entry){ l->trusted_proxies[i], 1 };
	rc = lpm_build(out, entries, l->n_trusted_proxies);
	free(entries);
	return rc == 0;
}

/* What the listener at index i of config_service has for its protocol. False: no memory. */
static bool
protocol_build(struct compiler *c, struct proxy_set *set, const struct config *config, size_t i,
	       uint32_t slot)
{
	const struct listener_config *l = config_listener(config, i);

	switch (l->protocol) {
	case LISTENER_TCP:
	case LISTENER_TLS:
		break;
	case LISTENER_HTTP:
	case LISTENER_HTTPS:
		set->https[slot] = http_block_get(c, config, i);
		return set->https[slot] != NULL;
	case LISTENER_TLS_PASSTHROUGH:
		set->names[slot] = server_names_build(c, config, l);
		return set->names[slot] != NULL;
	}
	return true;
}

static struct proxy_keepalive
keepalive_of(const struct listener_config *l)
{
	return (struct proxy_keepalive){
		.idle_ms = (uint32_t)((l->keepalive.idle + NS_PER_MS - 1) / NS_PER_MS),
		.interval_ms = (uint32_t)(l->keepalive.interval / NS_PER_MS),
		.probes = l->keepalive.probes,
	};
}

static bool
proxies_fill(struct compiler *c, struct proxy_set *set, const struct compile_services *services)
{
	const struct config *config = services->config;
	size_t i;

	set->settings = calloc((size_t)set->n + 1, sizeof(*set->settings));
	set->trusted = calloc((size_t)set->n + 1, sizeof(*set->trusted));
	set->https = calloc((size_t)set->n + 1, sizeof(*set->https));
	set->names = calloc((size_t)set->n + 1, sizeof(*set->names));
	if (!set->settings || !set->trusted || !set->https || !set->names)
		return false;
	for (i = config->n_services; i < config_n_services(config); i++) {
		const struct listener_config *l = config_listener(config, i);
		uint32_t slot = services->slots[i];

		if (!trusted_build(l, &set->trusted[slot]))
			return false;
		if (!protocol_build(c, set, config, i, slot))
			return false;
		set->settings[slot] = (struct proxy_settings){
			.http = http_block_listener(set->https[slot]),
			.names = set->names[slot],
			.timeout_connect = l->timeout_connect,
			.timeout_idle = l->service.timeout_established,
			.timeout_hello = l->http.timeout_header,
			.keepalive = keepalive_of(l),
			.trusted = set->trusted[slot],
			.balance = (uint8_t)l->balance,
			.header = (uint8_t)l->proxy_protocol,
			.accept_header = l->accept_proxy_protocol,
			.syn_cookies = l->syn_cookies,
			.tls = listener_ends_tls(l),
		};
	}
	return true;
}

struct proxy_set *
proxy_set_build(struct compiler *c, const struct compile_services *services)
{
	struct proxy_set *set = shared_new(sizeof(*set), release);

	if (!set)
		return NULL;
	set->n = identity_limit(c->services);
	if (!services->config->n_listeners || proxies_fill(c, set, services))
		return set;
	shared_put(set);
	return NULL;
}

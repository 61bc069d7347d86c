/* SPDX-License-Identifier: Apache-2.0 */
/* What listeners have beyond services, by slot. */
#include <stdlib.h>

#include "cp/compile/internal.h"

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

static bool
proxies_fill(struct compiler *c, struct proxy_set *set, const struct compile_services *services)
{
	const struct config *config = services->config;
	size_t i;

	set->settings = calloc((size_t)set->n + 1, sizeof(*set->settings));
	set->trusted = calloc((size_t)set->n + 1, sizeof(*set->trusted));
	set->https = calloc((size_t)set->n + 1, sizeof(*set->https));
	if (!set->settings || !set->trusted || !set->https)
		return false;
	for (i = config->n_services; i < config_n_services(config); i++) {
		const struct listener_config *l = config_listener(config, i);
		uint32_t slot = services->slots[i];

		if (!trusted_build(l, &set->trusted[slot]))
			return false;
		if (l->protocol == LISTENER_HTTP) {
			set->https[slot] = http_block_get(c, config, i);
			if (!set->https[slot])
				return false;
		}
		set->settings[slot] = (struct proxy_settings){
			.http = http_block_listener(set->https[slot]),
			.timeout_connect = l->timeout_connect,
			.timeout_idle = l->service.timeout_established,
			.trusted = set->trusted[slot],
			.balance = (uint8_t)l->balance,
			.header = (uint8_t)l->proxy_protocol,
			.accept_header = l->accept_proxy_protocol,
			.syn_cookies = l->syn_cookies,
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

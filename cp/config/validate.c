/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that needs more than one setting to be judged. Each check looks only at settings that
 * are good by themselves, so that one mistake is reported once.
 */
#include "cp/config/load.h"

void
validate(struct load *load)
{
	struct config *config = load->config;
	size_t i;

	for (i = 0; i < config->n_routes; i++) {
		struct route_config *route = &config->routes[i];

		if (route->to.len == 0 && addr_is_v4(&route->via))
			route->to = (struct prefix){ addr_from_v4(0), 96 };
	}
}

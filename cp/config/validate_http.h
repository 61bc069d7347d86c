/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The validation of HTTP listeners; see validate.h.
 */
#ifndef CP_CONFIG_VALIDATE_HTTP_H
#define CP_CONFIG_VALIDATE_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "cp/config/validate.h"

#define HTTP_CONFIG_PATH_MAX 4096 /* bytes of a path */

/* The listener at an index, whatever its protocol; reads its error pages. False: out of memory. */
bool validate_http(struct load *load, size_t i);
/* The routes of the listener of that setting. False: out of memory. */
bool validate_http_routes(struct load *load, const struct listener_config *l,
			  const config_setting_t *listener);

/* The conditions of a route (its setting). */
void validate_http_match(struct load *load, const struct listener_config *l,
			 const struct http_route_config *route, const config_setting_t *setting);
/* True for a host, with a port behind it if that may be. */
bool http_host_usable(const char *text, bool port);

/* Texts at the member `key` of a setting, or (names) at the setting itself if key is NULL: false if
 * there is none, or it is bad, which is reported: a name that is no token, a value that no line of
 * a head can hold. */
bool http_name_usable(struct load *load, const config_setting_t *setting, const char *key,
		      const char *name);
bool http_value_usable(struct load *load, const config_setting_t *setting, const char *key,
		       const char *value);

#endif

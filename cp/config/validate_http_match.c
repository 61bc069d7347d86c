/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The conditions of an HTTP route. What no request can fulfil is an error: requests' hosts and
 * paths are compared in their normal form.
 */
#include <string.h>

#include "cp/compile/http_table.h"
#include "cp/config/message.h"
#include "cp/config/validate_http.h"
#include "lib/http/path.h"
#include "lib/http/scan.h"

#define HOST_MAX 255

/* True for what a host consists of, without port: a name, or an IPv6 address in brackets. */
static bool
is_host(const char *text, size_t length)
{
	char address[ADDR_STRLEN + 1];
	struct addr addr;

	if (length == 0 || length > HOST_MAX || text[0] == '.')
		return false;
	if (text[0] == '[') {
		if (length < 4 || length > ADDR_STRLEN || text[length - 1] != ']')
			return false;
		memcpy(address, text + 1, length - 2);
		address[length - 2] = '\0';
		return addr_parse(address, &addr) == 0 && !addr_is_v4(&addr);
	}
	return !memchr(text, '*', length) &&
	       scan_set(SCAN_HOST, (const uint8_t *)text, 0, length) == length;
}

bool
http_host_usable(const char *text, bool port)
{
	const char *end = strrchr(text, ':');

	if (is_host(text, strlen(text)))
		return true;
	return port && end && end[1] && strlen(end + 1) <= 5 &&
	       end[1 + strspn(end + 1, "0123456789")] == '\0' &&
	       is_host(text, (size_t)(end - text));
}

static void
check_host(struct load *load, const struct http_match_config *m, const config_setting_t *match)
{
	const char *host = m->host;

	if (!host || !usable(match, "host"))
		return;
	if (strncmp(host, "*.", 2) == 0)
		host += 2;
	if (!http_host_usable(host, false))
		report(load, match, "host",
		       "is not a host without port, for example \"shop.example\", nor \"*.\" and a "
		       "domain");
}

/* A path that is not in normal form matches nothing. */
static void
check_path(struct load *load, const struct listener_config *l, const config_setting_t *match,
	   const char *key, const char *path)
{
	uint8_t normal[3 * HTTP_CONFIG_PATH_MAX + 1];
	struct http_path out = { normal, sizeof(normal), 0 };
	unsigned int rules = l->http.merge_slashes ? HTTP_PATH_MERGE_SLASHES : 0;
	size_t length = path ? strlen(path) : 0;
	char text[QUOTED_LEN];

	if (!length || !usable(match, key))
		return;
	if (length > HTTP_CONFIG_PATH_MAX) {
		report(load, match, key, "is longer than %d bytes", HTTP_CONFIG_PATH_MAX);
		return;
	}
	if (strpbrk(path, "?#") ||
	    http_path_normal(&out, rules, (const uint8_t *)path, length) != HTTP_PATH_OK) {
		report(load, match, key, "is not a path without query");
		return;
	}
	if (out.length == length && memcmp(normal, path, length) == 0)
		return;
	normal[out.length] = '\0';
	report(load, match, key, "matches nothing: requests' paths are compared as \"%s\"",
	       text_printable((const char *)normal, text));
}

static void
check_regex(struct load *load, const config_setting_t *setting, const char *key, const char *regex)
{
	size_t offset = 0;
	const char *wrong;

	if (!regex || !usable(setting, key))
		return;
	wrong = http_regex_check(regex, &offset);
	if (wrong)
		report(load, setting, key, "is not a regular expression: %s (at character %zu)",
		       wrong, offset + 1);
}

static void
check_conditions(struct load *load, const config_setting_t *match, const char *list,
		 const struct http_condition_config *conditions)
{
	const config_setting_t *all = config_setting_get_member(match, list);
	int i, n = all && usable(all, NULL) ? config_setting_length(all) : 0;

	for (i = 0; i < n; i++) {
		const config_setting_t *setting = config_setting_get_elem(all, (unsigned int)i);

		if (!usable(setting, NULL))
			continue;
		/* A parameter may be called anything. */
		if (strcmp(list, "headers") == 0)
			http_name_usable(load, setting, "name", conditions[i].name);
		http_value_usable(load, setting, "value", conditions[i].value);
		check_regex(load, setting, "regex", conditions[i].regex);
		if (conditions[i].value && conditions[i].regex)
			report(load, setting, "regex",
			       "says nothing beside value; give one of them");
	}
}

void
validate_http_match(struct load *load, const struct listener_config *l,
		    const struct http_route_config *route, const config_setting_t *setting)
{
	const struct http_match_config *m = &route->match;
	const config_setting_t *match = config_setting_get_member(setting, "match");
	size_t i;

	if (!match || !usable(match, NULL))
		return;
	check_host(load, m, match);
	if (!!m->path + !!m->path_exact + !!m->path_regex > 1)
		report(load, match, NULL,
		       "has more than one of path, path_exact and path_regex; give one of them");
	check_path(load, l, match, "path", m->path);
	check_path(load, l, match, "path_exact", m->path_exact);
	check_regex(load, match, "path_regex", m->path_regex);
	for (i = 0; usable(match, "methods") && i < m->n_methods; i++)
		if (http_name_usable(load, inner_element(match, "methods", i), NULL,
				     m->methods[i]) &&
		    strcmp(m->methods[i], "CONNECT") == 0)
			report(load, inner_element(match, "methods", i), NULL,
			       "requests with CONNECT are refused");
	check_conditions(load, match, "headers", m->headers);
	check_conditions(load, match, "query", m->queries);
}

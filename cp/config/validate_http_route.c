/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The routes of an HTTP listener: where each leads to and what it does on the way, and their
 * names and order. Conditions are looked at in validate_http_match.c.
 */
#include <stdlib.h>
#include <string.h>

#include "cp/config/message.h"
#include "cp/config/validate_http.h"
#include "dp/l7/settings.h"
#include "lib/http/known.h"
#include "lib/http/scan.h"

struct route {
	struct load *load;
	const struct http_route_config *config;
	const config_setting_t *setting;
};

static const config_setting_t *
group_of(const struct route *r, const char *name)
{
	const config_setting_t *group = config_setting_get_member(r->setting, name);

	return group && usable(group, NULL) ? group : NULL;
}

static bool
has(const config_setting_t *group, const char *key)
{
	return config_setting_get_member(group, key) != NULL;
}

/* ---- what it does ---------------------------------------------------------------------------- */

/* Keys that say something on the way to a backend only. */
static void
check_pool_keys(const struct route *r)
{
	static const char *const keys[] = { "rewrite",  "timeouts",    "retries",
					    "mirror",   "balance",     "hash_header",
					    "affinity", "hash_cookie", "websocket" };
	const config_setting_t *headers = group_of(r, "headers");
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (has(r->setting, keys[i]))
			report(r->load, r->setting, keys[i],
			       "says nothing where no pool gets the request");
	if (headers && has(headers, "request"))
		report(r->load, headers, "request", "says nothing where no pool gets the request");
}

static void
check_action(const struct route *r)
{
	bool pools = has(r->setting, "pools");
	int n = pools + has(r->setting, "redirect") + has(r->setting, "respond");

	if (!usable(r->setting, "pools") || !usable(r->setting, "redirect") ||
	    !usable(r->setting, "respond"))
		return;
	if (n == 0)
		report(r->load, r->setting, "pools",
		       "missing; give pools, redirect or respond, for example pools = ( { pool = "
		       "\"web\"; } );");
	else if (n > 1)
		report(r->load, r->setting, NULL,
		       "has more than one of pools, redirect and respond; a route does one of "
		       "these");
	else if (!pools)
		check_pool_keys(r);
}

static void
check_pools(const struct route *r)
{
	const struct http_route_config *c = r->config;
	uint64_t sum = 0;
	bool known = true;
	size_t i, j;

	if (!has(r->setting, "pools") || !usable(r->setting, "pools"))
		return;
	if (c->n_pools == 0) {
		report(r->load, r->setting, "pools", "is empty");
		return;
	}
	for (i = 0; i < c->n_pools; i++) {
		const config_setting_t *setting = inner_element(r->setting, "pools", i);

		known = known && usable(setting, "weight");
		sum += c->pools[i].weight;
		for (j = 0; j < i && c->pools[j].pool != c->pools[i].pool; j++)
			;
		if (j < i && c->pools[i].pool != SIZE_MAX)
			report(r->load, setting, "pool", "is in this route twice (also on line %d)",
			       c->pools[j].line);
	}
	if (known && sum == 0)
		report(r->load, r->setting, "pools",
		       "the weights add up to 0: no pool would get anything");
}

/* Of "$name": is it one that redirects replace? */
static bool
is_variable(const char *text)
{
	static const char *const names[] = { "$scheme", "$host", "$path", "$query" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(text, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

static void
check_redirect(const struct route *r)
{
	const config_setting_t *group = group_of(r, "redirect");
	const char *at;
	uint16_t status = r->config->redirect.status;
	char text[QUOTED_LEN];

	if (!group)
		return;
	if (usable(group, "status") && status >= 304 && status <= 306)
		report(r->load, group, "status", "%u is not 301, 302, 303, 307 or 308", status);
	if (!http_value_usable(r->load, group, "location", r->config->redirect.location))
		return;
	for (at = strchr(r->config->redirect.location, '$'); at; at = strchr(at + 1, '$')) {
		if (is_variable(at))
			continue;
		report(r->load, group, "location",
		       "\"%s\" is none of $scheme, $host, $path and $query",
		       text_printable(at, text));
		return;
	}
}

static void
check_respond(const struct route *r)
{
	const config_setting_t *group = group_of(r, "respond");
	uint16_t status = r->config->respond.status;

	if (!group)
		return;
	http_value_usable(r->load, group, "content_type", r->config->respond.content_type);
	if (usable(group, "status") && has(group, "body") &&
	    (status == 204 || status == 205 || status == 304))
		report(r->load, group, "body", "an answer with status %u has none", status);
}

/* ---- what it changes ------------------------------------------------------------------------- */

static void
check_rewrite(const struct route *r)
{
	const config_setting_t *group = group_of(r, "rewrite");
	const config_setting_t *match = config_setting_get_member(r->setting, "match");
	const char *host = r->config->rewrite.host;

	if (!group)
		return;
	if (has(group, "path_prefix") && usable(group, "path_prefix") &&
	    (!match || (usable(match, NULL) && usable(match, "path") && !r->config->match.path)))
		report(r->load, group, "path_prefix",
		       "needs match.path, which it is put in the place of");
	if (r->config->rewrite.path_prefix && usable(group, "path_prefix") &&
	    (strpbrk(r->config->rewrite.path_prefix, "?#") ||
	     strlen(r->config->rewrite.path_prefix) > HTTP_CONFIG_PATH_MAX))
		report(r->load, group, "path_prefix",
		       "is not a path without query of up to %d bytes", HTTP_CONFIG_PATH_MAX);
	if (host && usable(group, "host") && !http_host_usable(host, true))
		report(r->load, group, "host", "is not a host, or a host and a port");
}

/* Why a header may not be edited, or NULL. */
static const char *
name_is_ours(const char *name, bool request)
{
	switch (http_known((const uint8_t *)name, strlen(name))) {
	case HTTP_HOST:
		return request ? "give rewrite.host instead" : NULL;
	case HTTP_CONTENT_LENGTH:
	case HTTP_TRANSFER_ENCODING:
	case HTTP_TRAILER:
		return "it frames the message";
	case HTTP_CONNECTION:
	case HTTP_KEEP_ALIVE:
	case HTTP_PROXY_CONNECTION:
	case HTTP_TE:
	case HTTP_UPGRADE:
		return "it belongs to one connection";
	default:
		return NULL;
	}
}

/* A name at the member `key` of a setting, or at the setting itself. */
static void
check_edited(const struct route *r, const config_setting_t *setting, const char *key,
	     const char *name, bool request)
{
	const char *why;
	char text[QUOTED_LEN];

	if (!http_name_usable(r->load, setting, key, name))
		return;
	why = name_is_ours(name, request);
	if (why)
		report(r->load, setting, key, "\"%s\" cannot be changed: %s",
		       text_printable(name, text), why);
}

static void
check_fields(const struct route *r, const config_setting_t *group, const char *list,
	     const struct http_field_config *fields, bool request)
{
	const config_setting_t *all = config_setting_get_member(group, list);
	int i, n = all && usable(all, NULL) ? config_setting_length(all) : 0;

	for (i = 0; i < n; i++) {
		const config_setting_t *setting = config_setting_get_elem(all, (unsigned int)i);

		if (!usable(setting, NULL))
			continue;
		check_edited(r, setting, "name", fields[i].name, request);
		http_value_usable(r->load, setting, "value", fields[i].value);
	}
}

static void
check_edits(const struct route *r, const char *which, const struct http_edits_config *edits,
	    bool request)
{
	const config_setting_t *headers = group_of(r, "headers");
	const config_setting_t *group = headers ? config_setting_get_member(headers, which) : NULL;
	size_t i;

	if (!group || !usable(group, NULL))
		return;
	check_fields(r, group, "set", edits->set, request);
	check_fields(r, group, "add", edits->add, request);
	for (i = 0; usable(group, "remove") && i < edits->n_remove; i++)
		check_edited(r, inner_element(group, "remove", i), NULL, edits->remove[i], request);
	if (edits->n_set + edits->n_add + edits->n_remove > HTTP_ROUTE_EDITS)
		report(r->load, group, NULL, "changes more than %u header fields",
		       HTTP_ROUTE_EDITS);
}

/* ---- the rest -------------------------------------------------------------------------------- */

/* A key that says nothing without another one in the same group. */
static void
check_needs(const struct route *r, const config_setting_t *group, const char *key,
	    const char *needed)
{
	if (has(group, key) && !has(group, needed))
		report(r->load, group, key, "says nothing without %s", needed);
}

static void
check_fault(const struct route *r)
{
	const config_setting_t *group = group_of(r, "fault");

	if (!group)
		return;
	check_needs(r, group, "delay_share", "delay");
	check_needs(r, group, "abort_share", "abort");
	check_needs(r, group, "value", "header");
	if (!has(group, "delay") && !has(group, "abort"))
		report(r->load, group, NULL, "says nothing without delay or abort");
	http_name_usable(r->load, group, "header", r->config->fault.header);
	http_value_usable(r->load, group, "value", r->config->fault.value);
}

static void
check_balance(const struct route *r)
{
	const struct http_route_config *c = r->config;
	const config_setting_t *affinity = group_of(r, "affinity");
	const char *hash = has(r->setting, "hash_header") ? "hash_header" : "hash_cookie";

	if (has(r->setting, hash) && usable(r->setting, "balance") &&
	    c->balance != HTTP_BALANCE_MAGLEV)
		report(r->load, r->setting, hash, "needs balance = \"maglev\"");
	if (has(r->setting, "hash_header") && has(r->setting, "hash_cookie"))
		report(r->load, r->setting, "hash_cookie",
		       "says nothing beside hash_header; give one of them");
	http_name_usable(r->load, r->setting, "hash_header", c->hash_header);
	http_name_usable(r->load, r->setting, "hash_cookie", c->hash_cookie);
	if (affinity)
		http_name_usable(r->load, affinity, "cookie", c->affinity_cookie);
}

static void
check_rest(const struct route *r)
{
	const config_setting_t *limits = group_of(r, "limits");
	const config_setting_t *key = limits ? config_setting_get_member(limits, "key") : NULL;

	if (key && usable(key, NULL))
		http_name_usable(r->load, key, "header", r->config->limit_key_header);
}

static void
check_route(struct load *load, const struct listener_config *l, size_t i,
	    const config_setting_t *setting)
{
	struct route r = { load, &l->http.routes[i], setting };

	check_action(&r);
	check_pools(&r);
	check_redirect(&r);
	check_respond(&r);
	validate_http_match(load, l, r.config, setting);
	check_rewrite(&r);
	check_edits(&r, "request", &r.config->request, true);
	check_edits(&r, "response", &r.config->response, false);
	check_fault(&r);
	check_balance(&r);
	check_rest(&r);
}

/* ---- all of them ----------------------------------------------------------------------------- */

static int
by_name(const void *a, const void *b)
{
	const struct http_route_config *x = *(const struct http_route_config *const *)a;
	const struct http_route_config *y = *(const struct http_route_config *const *)b;
	int order = strcmp(x->name, y->name);

	return order ? order : (x > y) - (x < y);
}

/* Routes are named in what is counted and recorded. False: no memory. */
static bool
check_names(struct load *load, const struct http_config *http, const config_setting_t *listener)
{
	const struct http_route_config **list = calloc(http->n_routes + 1, sizeof(*list));
	size_t n = 0, i;

	if (!list)
		return false;
	for (i = 0; i < http->n_routes; i++)
		if (usable(inner_element(listener, "routes", i), "name"))
			list[n++] = &http->routes[i];
	qsort(list, n, sizeof(*list), by_name);
	for (i = 1; i < n; i++)
		if (strcmp(list[i]->name, list[i - 1]->name) == 0)
			report(load,
			       inner_element(listener, "routes", (size_t)(list[i] - http->routes)),
			       "name", "\"%s\" is used twice (also on line %d)", list[i]->name,
			       list[i - 1]->line);
	free(list);
	return true;
}

/* Behind a route that takes everything there is nothing left. */
static void
check_order(struct load *load, const struct http_config *http, const config_setting_t *listener)
{
	const struct http_route_config *all = NULL;
	size_t i;

	for (i = 0; i < http->n_routes; i++) {
		const config_setting_t *setting = inner_element(listener, "routes", i);
		const config_setting_t *match;

		if (!usable(setting, NULL))
			continue;
		if (all)
			report(load, setting, NULL,
			       "can never match: route \"%s\" of line %d has no conditions and "
			       "takes every request",
			       shown_name(all->name), all->line);
		match = config_setting_get_member(setting, "match");
		if (!all && (!match || (usable(match, NULL) && !config_setting_length(match))))
			all = &http->routes[i];
	}
}

bool
validate_http_routes(struct load *load, const struct listener_config *l,
		     const config_setting_t *listener)
{
	size_t i;

	if (config_setting_get_member(listener, "routes") && !l->http.n_routes)
		report(load, listener, "routes", "is empty: no request would be answered");
	if (!check_names(load, &l->http, listener))
		return false;
	check_order(load, &l->http, listener);
	for (i = 0; i < l->http.n_routes; i++) {
		const config_setting_t *setting = inner_element(listener, "routes", i);

		if (usable(setting, NULL))
			check_route(load, l, i, setting);
	}
	return true;
}

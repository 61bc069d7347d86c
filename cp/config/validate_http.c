/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP listeners: what belongs to one protocol only, and what is the listener's own. Its routes are
 * looked at in validate_http_route.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cp/config/message.h"
#include "cp/config/validate_http.h"
#include "lib/http/known.h"
#include "lib/http/scan.h"
#include "lib/units.h"

#define PAGE_MAX  (64u << 10)
#define VALUE_MAX 8192
#define TOKEN_MAX 256

/* ---- keys of one protocol -------------------------------------------------------------------- */

/* Where a key stands: in the listener, or in a group inside. */
struct place {
	const char *group, *inner; /* NULL: none */
	const char *key;
};

static const struct place http_only[] = {
	{ NULL, NULL, "routes" },
	{ NULL, NULL, "http" },
	{ NULL, NULL, "errors" },
	{ "timeouts", NULL, "body" },
	{ "timeouts", NULL, "keepalive" },
	{ "limits", "client", "requests" },
	{ "limits", "client", "requests_burst" },
	{ "limits", NULL, "key" },
};
static const struct place http_and_tls[] = { { "timeouts", NULL, "header" } };
static const struct place passthrough_only[] = { { NULL, NULL, "server_names" } };
static const struct place not_http[] = {
	{ "timeouts", NULL, "idle" },
	{ NULL, NULL, "tcp_keepalive" },
};

static void
check_places(struct load *load, const config_setting_t *listener, const struct place *places,
	     size_t n, const char *protocols)
{
	size_t i;

	for (i = 0; i < n; i++) {
		const struct place *p = &places[i];
		const config_setting_t *at = listener;

		if (p->group)
			at = config_setting_get_member(at, p->group);
		if (at && p->inner)
			at = usable(at, NULL) ? config_setting_get_member(at, p->inner) : NULL;
		if (at && usable(at, NULL) && config_setting_get_member(at, p->key))
			report(load, at, p->key, "is only for protocol = %s", protocols);
	}
}

/* ---- texts ----------------------------------------------------------------------------------- */

bool
http_name_usable(struct load *load, const config_setting_t *setting, const char *key,
		 const char *name)
{
	size_t length = name ? strlen(name) : 0;
	char text[QUOTED_LEN];

	if (!length || (key && !usable(setting, key)) || !usable(setting, NULL))
		return false;
	if (length <= TOKEN_MAX && scan_set(SCAN_TOKEN, (const uint8_t *)name, 0, length) == length)
		return true;
	report(
	    load, setting, key,
	    "\"%s\" is not a name as HTTP has them: up to 256 letters, digits and !#$%%&'*+-.^_`|~",
	    text_printable(name, text));
	return false;
}

bool
http_value_usable(struct load *load, const config_setting_t *setting, const char *key,
		  const char *value)
{
	size_t length = value ? strlen(value) : 0;

	if (!length || !usable(setting, key))
		return false;
	if (length > VALUE_MAX)
		report(load, setting, key, "is longer than %d bytes", VALUE_MAX);
	else if (scan_text((const uint8_t *)value, 0, length) != length)
		report(load, setting, key, "has a line end or another control character in it");
	else if (strchr(" \t", value[0]) || strchr(" \t", value[length - 1]))
		report(load, setting, key, "begins or ends with white space");
	else
		return true;
	return false;
}

/* ---- error pages ----------------------------------------------------------------------------- */

/* Read the page; *out is as long as *length. 0 or -errno; -EFBIG. */
static int
page_read(const char *file, char **out, size_t *length)
{
	FILE *f = fopen(file, "re");
	int rc = f ? 0 : -errno;

	*out = malloc(PAGE_MAX + 1);
	if (f && *out) {
		errno = 0;
		*length = fread(*out, 1, PAGE_MAX + 1, f);
		if (ferror(f))
			rc = errno ? -errno : -EIO;
		else if (*length > PAGE_MAX)
			rc = -EFBIG;
	}
	if (f)
		fclose(f);
	return rc == 0 && !*out ? -ENOMEM : rc;
}

static void
check_page(struct load *load, struct http_error_page_config *page, const config_setting_t *setting)
{
	char text[QUOTED_LEN];
	int rc;

	if (!usable(setting, "file"))
		return;
	if (page->file[0] != '/') {
		report(load, setting, "file", "\"%s\" does not begin with \"/\"",
		       text_printable(page->file, text));
		return;
	}
	rc = page_read(page->file, &page->body, &page->length);
	if (rc == -EFBIG)
		report(load, setting, "file", "\"%s\" is longer than 64 KB",
		       text_printable(page->file, text));
	else if (rc < 0)
		report(load, setting, "file", "\"%s\" cannot be read: %s",
		       text_printable(page->file, text), strerror(-rc));
	if (rc == 0)
		return;
	free(page->body);
	page->body = NULL;
	page->length = 0;
}

static void
check_pages(struct load *load, struct http_config *http, const config_setting_t *listener)
{
	int lines[200] = { 0 };
	size_t i;

	if (!usable(listener, "errors"))
		return;
	for (i = 0; i < http->n_errors; i++) {
		struct http_error_page_config *page = &http->errors[i];
		const config_setting_t *setting = inner_element(listener, "errors", i);

		if (!usable(setting, NULL))
			continue;
		check_page(load, page, setting);
		if (!usable(setting, "status"))
			continue;
		if (lines[page->status - 400])
			report(load, setting, "status", "%u has a page already (line %d)",
			       page->status, lines[page->status - 400]);
		else
			lines[page->status - 400] = page->line;
	}
}

/* ---- the listener ---------------------------------------------------------------------------- */

static void
check_sizes(struct load *load, const struct http_config *http, const config_setting_t *listener)
{
	const config_setting_t *group = config_setting_get_member(listener, "http");
	char head[UNITS_STRLEN], target[UNITS_STRLEN];

	if (!group || !usable(group, NULL))
		return;
	http_name_usable(load, group, "via", http->via);
	if (usable(group, "header_size") && usable(group, "target_size") &&
	    http->target_size > http->header_size)
		report(
		    load, group,
		    config_setting_get_member(group, "target_size") ? "target_size" : "header_size",
		    "a target (%s) does not fit into a head (%s)",
		    size_format(http->target_size, target), size_format(http->header_size, head));
}

static void
check_limits(struct load *load, const struct http_config *http, const config_setting_t *listener)
{
	const config_setting_t *at = config_setting_get_member(listener, "limits");

	at = at && usable(at, NULL) ? config_setting_get_member(at, "key") : NULL;
	if (at && usable(at, NULL))
		http_name_usable(load, at, "header", http->limit_key_header);
}

static void
check_protocol(struct load *load, const config_setting_t *setting, enum listener_protocol protocol)
{
	bool http = protocol == LISTENER_HTTP || protocol == LISTENER_HTTPS;

	if (!http)
		check_places(load, setting, http_only, sizeof(http_only) / sizeof(http_only[0]),
			     "\"http\" and \"https\"");
	if (protocol == LISTENER_TCP)
		check_places(load, setting, http_and_tls, 1,
			     "\"http\", \"https\", \"tls\" and \"tls-passthrough\"");
	if (protocol != LISTENER_TLS_PASSTHROUGH)
		check_places(load, setting, passthrough_only, 1, "\"tls-passthrough\"");
	if (http)
		check_places(load, setting, not_http, sizeof(not_http) / sizeof(not_http[0]),
			     "\"tcp\", \"tls\" and \"tls-passthrough\"");
}

bool
validate_http(struct load *load, size_t i)
{
	struct listener_config *l = &load->config->listeners[i];
	const config_setting_t *setting = element(load, "listeners", i);

	if (!usable(setting, "protocol"))
		return true;
	check_protocol(load, setting, l->protocol);
	if (!listener_has_http(l))
		return true;
	check_sizes(load, &l->http, setting);
	check_pages(load, &l->http, setting);
	check_limits(load, &l->http, setting);
	return !usable(setting, "routes") || validate_http_routes(load, l, setting);
}

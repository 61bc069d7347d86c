/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is said about a setting, and what is known of it.
 *
 * A setting's hook says how reading it went: its row of the table (good), bad_mark, or NULL (not
 * read). The hook of an unknown key is the row of the key that was probably meant.
 */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "cp/config/load.h"
#include "cp/config/message.h"
#include "cp/config/value.h"

#define PATH_LEN   512
#define REPORT_LEN 1200

static const char bad_mark[] = "bad";

/* ---- reports -------------------------------------------------------------------------------- */

/* The name of a list's element, if it has one that can stand in a path. */
const char *
element_name(const config_setting_t *setting)
{
	const config_setting_t *name;
	const char *text;

	if (config_setting_type(setting) != CONFIG_TYPE_GROUP)
		return NULL;
	name = config_setting_get_member(setting, "name");
	text = name ? config_setting_get_string(name) : NULL;
	return text && name_is_valid(text) ? text : NULL;
}

/* Append the path of a setting: by name, by the name it has in its list, or by its index there. */
static void
put_path(const config_setting_t *setting, char path[PATH_LEN])
{
	const config_setting_t *parent = config_setting_parent(setting);
	const char *name = config_setting_name(setting);
	size_t n;

	if (!parent)
		return;
	put_path(parent, path);
	n = strlen(path);
	if (!name)
		name = element_name(setting);
	if (name)
		snprintf(path + n, PATH_LEN - n, "%s%s", n ? "." : "", name + strspn(name, "*"));
	else
		snprintf(path + n, PATH_LEN - n, "[%d]", config_setting_index(setting));
}

static void
vreport(struct load *load, const config_setting_t *setting, const char *key, bool warning,
	const char *what)
{
	const config_setting_t *member = key ? config_setting_get_member(setting, key) : NULL;
	char path[PATH_LEN] = "";
	size_t n;

	put_path(member ? member : setting, path);
	n = strlen(path);
	if (key && !member)
		snprintf(path + n, PATH_LEN - n, "%s%s", n ? "." : "", key);
	/* The file as a whole has no line of its own. */
	if (!member)
		member = setting;
	message_add(load->messages, load->file,
		    config_setting_parent(member) ? (int)config_setting_source_line(member) : 1,
		    warning, "%s%s%s%s", path, path[0] ? ": " : "", warning ? "warning: " : "",
		    what);
}

void
report(struct load *load, const config_setting_t *setting, const char *key, const char *fmt, ...)
{
	char what[REPORT_LEN];
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	vreport(load, setting, key, false, what);
}

void
report_warning(struct load *load, const config_setting_t *setting, const char *key, const char *fmt,
	       ...)
{
	char what[REPORT_LEN];
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	vreport(load, setting, key, true, what);
}

/* ---- marks ---------------------------------------------------------------------------------- */

void
mark_bad(config_setting_t *setting)
{
	config_setting_set_hook(setting, (void *)(uintptr_t)bad_mark);
}

void
mark_good(config_setting_t *setting, const struct key *key)
{
	config_setting_set_hook(setting, (void *)(uintptr_t)key);
}

bool
meant(const config_setting_t *group, const struct key *key)
{
	int i, n = config_setting_length(group);

	for (i = 0; i < n; i++) {
		const config_setting_t *member = config_setting_get_elem(group, (unsigned int)i);

		if (config_setting_get_hook(member) == key)
			return true;
	}
	return false;
}

bool
usable(const config_setting_t *setting, const char *key)
{
	const config_setting_t *member;
	const struct key *row, *child;
	const void *mark = setting ? config_setting_get_hook(setting) : NULL;

	if (!mark || mark == bad_mark)
		return false;
	if (!key)
		return true;
	member = config_setting_get_member(setting, key);
	if (member)
		return usable(member, NULL);
	row = mark;
	child = key_child(row, key);
	return child && !(child->flags & KEY_REQUIRED) && !meant(setting, child);
}

config_setting_t *
inner_element(const config_setting_t *setting, const char *name, size_t i)
{
	config_setting_t *list = setting ? config_setting_get_member(setting, name) : NULL;

	return list ? config_setting_get_elem(list, (unsigned int)i) : NULL;
}

config_setting_t *
element(const struct load *load, const char *name, size_t i)
{
	return inner_element(config_root_setting(&load->tree), name, i);
}

config_setting_t *
service_setting(const struct load *load, size_t i)
{
	size_t services = load->config->n_services;

	return i < services ? element(load, "services", i)
			    : element(load, "listeners", i - services);
}

const char *
service_kind(const struct config *config, size_t i)
{
	return i < config->n_services ? "service" : "listener";
}

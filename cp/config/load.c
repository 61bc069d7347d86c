/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From libconfig's tree to the model, driven by the table of keys: each setting is looked up in the
 * table, its value parsed into place, and what is absent gets its default or is reported missing.
 */
#include "cp/config/load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cp/config/message.h"
#include "cp/config/value.h"

static void load_group(struct load *load, const struct key *group, config_setting_t *setting,
		       char *base);

/* ---- single values -------------------------------------------------------------------------- */

/* What the file has there, for a message. */
static const char *
describe(const config_setting_t *setting, char buf[QUOTED_LEN + 2])
{
	char text[QUOTED_LEN];
	size_t n;

	switch (config_setting_type(setting)) {
	case CONFIG_TYPE_INT64:
		snprintf(buf, QUOTED_LEN, "%lld", config_setting_get_int64(setting));
		break;
	case CONFIG_TYPE_FLOAT:
		n = (size_t)snprintf(buf, QUOTED_LEN, "%g", config_setting_get_float(setting));
		if (buf[strspn(buf, "0123456789")] == '\0')
			snprintf(buf + n, QUOTED_LEN - n, ".0");
		break;
	case CONFIG_TYPE_BOOL:
		snprintf(buf, QUOTED_LEN, "%s",
			 config_setting_get_bool(setting) ? "true" : "false");
		break;
	case CONFIG_TYPE_STRING:
		snprintf(buf, QUOTED_LEN + 2, "\"%s\"",
			 text_printable(config_setting_get_string(setting), text));
		break;
	case CONFIG_TYPE_GROUP:
		snprintf(buf, QUOTED_LEN, "a group { }");
		break;
	default:
		snprintf(buf, QUOTED_LEN, "a list");
	}
	return buf;
}

static void
report_value(struct load *load, const struct key *key, config_setting_t *setting, int err,
	     const void *at)
{
	int type = config_setting_type(setting);
	char is[QUOTED_LEN + 2], wanted[VALUE_STRLEN];

	mark_bad(setting);
	describe(setting, is);
	if (err == -ENOMEM)
		report(load, setting, NULL, "out of memory");
	else if (err == -ERANGE)
		report(load, setting, NULL, "%s has host bits; the prefix is \"%s\"", is,
		       value_format(load->config, key, at, wanted));
	else if ((type == CONFIG_TYPE_INT64 || type == CONFIG_TYPE_FLOAT) && value_has_unit(key))
		report(load, setting, NULL, "%s has no unit; give %s", is,
		       value_wanted(key, wanted));
	else
		report(load, setting, NULL, "%s is not %s", is, value_wanted(key, wanted));
}

static void
load_value(struct load *load, const struct key *key, config_setting_t *setting, void *at)
{
	int type = config_setting_type(setting);
	int err = -EINVAL;

	mark_good(setting, key);
	if (key->type == KEY_REFERENCE)
		err = type == CONFIG_TYPE_STRING ? 0 : -EINVAL;
	else if (type == CONFIG_TYPE_INT64 && key->type == KEY_INT)
		err = value_store_integer(key, config_setting_get_int64(setting), at);
	else if (type == CONFIG_TYPE_BOOL && key->type == KEY_BOOL)
		err = value_parse(key, config_setting_get_bool(setting) ? "true" : "false", at);
	else if (type == CONFIG_TYPE_STRING && key->type != KEY_INT && key->type != KEY_BOOL)
		err = value_parse(key, config_setting_get_string(setting), at);
	if (err)
		report_value(load, key, setting, err, at);
}

/* ---- lists ---------------------------------------------------------------------------------- */

/* Room for n elements of the list that key describes, in the object at base; NULL: none needed or
 * no memory. */
static char *
list_room(const struct key *key, char *base, size_t n)
{
	char *room;

	if (key->flags & KEY_INLINE) {
		memcpy(base + key->count, &n, sizeof(n));
		return base + key->offset;
	}
	room = n ? calloc(n, key->size) : NULL;
	if (!room)
		return NULL;
	memcpy(base + key->offset, &room, sizeof(room));
	memcpy(base + key->count, &n, sizeof(n));
	return room;
}

static void
load_element(struct load *load, const struct key *key, config_setting_t *setting, char *at)
{
	char is[QUOTED_LEN + 2];
	int line = (int)config_setting_source_line(setting);

	if (key->flags & KEY_MANY) {
		load_value(load, key, setting, at);
		return;
	}
	mark_good(setting, key);
	if (config_setting_type(setting) != CONFIG_TYPE_GROUP) {
		mark_bad(setting);
		report(load, setting, NULL, "%s is not a group { ... }", describe(setting, is));
		return;
	}
	memcpy(at + key->line, &line, sizeof(line));
	load_group(load, key, setting, at);
}

/* An array of plain values or a list of groups. */
static void
load_list(struct load *load, const struct key *key, config_setting_t *setting, char *base)
{
	size_t most = key->flags & KEY_MANY ? key->most : key->max;
	size_t least = key->flags & KEY_MANY ? !!(key->flags & KEY_REQUIRED) : key->min;
	char wanted[VALUE_STRLEN], is[QUOTED_LEN + 2];
	size_t n, i;
	char *room;

	mark_good(setting, key);
	if (config_setting_type(setting) != CONFIG_TYPE_LIST) {
		mark_bad(setting);
		report(load, setting, NULL, "%s is not %s%s%s", describe(setting, is),
		       key->flags & KEY_MANY ? "a list [ ... ], for example " : "",
		       key->flags & KEY_MANY ? key->example : value_wanted(key, wanted), "");
		return;
	}
	n = (size_t)config_setting_length(setting);
	if (n < least || n > most) {
		mark_bad(setting);
		report(load, setting, NULL, "%zu entries; there can be %zu to %zu", n, least, most);
		return;
	}
	room = list_room(key, base, n);
	if (!room && n > 0) {
		mark_bad(setting);
		report(load, setting, NULL, "out of memory");
		return;
	}
	for (i = 0; i < n; i++)
		load_element(load, key, config_setting_get_elem(setting, (unsigned int)i),
			     room + i * key->size);
}

/* ---- groups --------------------------------------------------------------------------------- */

/* A key that the table has not, or that stands there again. */
static void
report_unknown(struct load *load, const struct key *group, config_setting_t *setting)
{
	const config_setting_t *parent = config_setting_parent(setting);
	const char *name = config_setting_name(setting);
	const struct key *nearest = key_nearest(group, name);

	mark_bad(setting);
	if (name[0] == '*') {
		parent = config_setting_get_member(parent, name + strspn(name, "*"));
		report(load, setting, NULL, "set twice (first on line %u)",
		       config_setting_source_line(parent));
		return;
	}
	report(load, setting, NULL, "unknown key; did you mean \"%s\"?", key_name(nearest));
	/* A likely slip: what it was meant to set is neither missing nor at its default. */
	if (edit_distance(name, key_name(nearest)) <= 2 &&
	    !config_setting_get_member(parent, key_name(nearest)))
		mark_good(setting, nearest);
}

static void
load_member(struct load *load, const struct key *group, config_setting_t *setting, char *base)
{
	const struct key *key = key_child(group, config_setting_name(setting));
	char is[QUOTED_LEN + 2];
	int line = (int)config_setting_source_line(setting);

	if (!key) {
		report_unknown(load, group, setting);
		return;
	}
	if (key->type == KEY_LATER) {
		report(load, setting, NULL, "not in this version (%s)", key->help);
		return;
	}
	if (key->type == KEY_LIST || (key->flags & KEY_MANY)) {
		load_list(load, key, setting, base);
		return;
	}
	if (key->type != KEY_GROUP) {
		load_value(load, key, setting, base + key->offset);
		return;
	}
	mark_good(setting, key);
	if (config_setting_type(setting) != CONFIG_TYPE_GROUP) {
		mark_bad(setting);
		report(load, setting, NULL, "%s is not a group { ... }", describe(setting, is));
		return;
	}
	if (key->line != KEY_NOWHERE)
		memcpy(base + key->line, &line, sizeof(line));
	load_group(load, key, setting, base);
}

/* A key that the file does not have; setting is the group around it, or NULL if that is not there
 * either. */
static void
load_absent(struct load *load, const struct key *key, config_setting_t *setting, char *base)
{
	if (setting && meant(setting, key))
		return;
	if (setting && (key->flags & KEY_REQUIRED)) {
		report(load, setting, key_name(key), "missing; for example %s = %s;", key_name(key),
		       key->example);
		return;
	}
	if (key->type == KEY_GROUP)
		load_group(load, key, NULL, base);
	if (key->fallback && value_parse(key, key->fallback, base + key->offset) != 0)
		message_add(load->messages, load->file, 0, false, "out of memory");
}

static void
load_group(struct load *load, const struct key *group, config_setting_t *setting, char *base)
{
	const struct key *key = NULL;
	int i, n = setting ? config_setting_length(setting) : 0;

	for (i = 0; i < n; i++)
		load_member(load, group, config_setting_get_elem(setting, (unsigned int)i), base);
	while ((key = key_next(group, key))) {
		if (!setting || !config_setting_get_member(setting, key_name(key)))
			load_absent(load, key, setting, base);
	}
}

void
load_tree(struct load *load)
{
	config_setting_t *root = config_root_setting(&load->tree);

	mark_good(root, config_keys_root);
	load_group(load, config_keys_root, root, (char *)load->config);
}

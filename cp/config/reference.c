/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings that name an object: pool = "web".
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cp/config/load.h"
#include "cp/config/message.h"

struct named {
	const char *name;
	size_t index;
};

static int
by_name(const void *a, const void *b)
{
	const struct named *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : (x->index > y->index) - (x->index < y->index);
}

/* The objects of a list that have a name, in the order of their names. */
static struct named *
sorted_names(const struct load *load, const char *list, size_t *n)
{
	const config_setting_t *all =
	    config_setting_get_member(config_root_setting(&load->tree), list);
	size_t i, len = all ? (size_t)config_setting_length(all) : 0;
	struct named *names = calloc(len + 1, sizeof(*names));

	*n = 0;
	for (i = 0; names && i < len; i++) {
		const config_setting_t *setting = element(load, list, i);

		if (usable(setting, "name"))
			names[(*n)++] = (struct named){ element_name(setting), i };
	}
	if (names)
		qsort(names, *n, sizeof(*names), by_name);
	return names;
}

static size_t
resolve(struct load *load, config_setting_t *setting, const char *key, const struct named *names,
	size_t n)
{
	config_setting_t *member = config_setting_get_member(setting, key);
	struct named wanted = { config_setting_get_string(member), 0 };
	char text[QUOTED_LEN];
	const struct named *nearest = NULL;
	unsigned int least = UINT32_MAX;
	size_t low = 0, high = n, i;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (strcmp(names[mid].name, wanted.name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	if (low < n && strcmp(names[low].name, wanted.name) == 0)
		return names[low].index;
	/* Names are many and typos few: after so many messages none is shown. */
	for (i = 0; i < n && load->messages->count < MESSAGES_MAX; i++) {
		unsigned int d = edit_distance(wanted.name, names[i].name);

		if (d < least) {
			least = d;
			nearest = &names[i];
		}
	}
	mark_bad(member);
	text_printable(wanted.name, text);
	if (nearest)
		report(load, member, NULL, "there is no %s \"%s\"; did you mean \"%s\"?", key, text,
		       nearest->name);
	else
		report(load, member, NULL, "there is no %s \"%s\"", key, text);
	if (nearest && least <= 2 && strcmp(key, "pool") == 0 && load->meant_pools)
		load->meant_pools[nearest->index] = true;
	return SIZE_MAX;
}

/* The names that references may mean. */
struct references {
	struct load *load;
	struct named *pools, *interfaces;
	size_t n_pools, n_interfaces;
};

static void resolve_group(struct references *r, const struct key *group, config_setting_t *setting,
			  char *base);

/* The reference `key` of the object at base, in the group `setting` (NULL: not in the file). */
static void
resolve_one(struct references *r, const struct key *key, config_setting_t *setting, char *base)
{
	bool is_pool = strcmp(key->refers, "pools") == 0;
	const struct named *names = is_pool ? r->pools : r->interfaces;
	const config_setting_t *member =
	    setting ? config_setting_get_member(setting, key_name(key)) : NULL;
	size_t index = SIZE_MAX;

	if (member && names && usable(member, NULL))
		index = resolve(r->load, setting, key_name(key), names,
				is_pool ? r->n_pools : r->n_interfaces);
	else if (is_pool && (member || (setting && (key->flags & KEY_REQUIRED))))
		r->load->pools_unknown = true;
	memcpy(base + key->offset, &index, sizeof(index));
}

/* A setting of services or listeners that cannot be read may have named any pool. */
static void
note_unread(struct references *r, const struct key *key, const config_setting_t *setting)
{
	if (setting && !usable(setting, NULL) &&
	    (strncmp(key->path, "services", 8) == 0 || strncmp(key->path, "listeners", 9) == 0))
		r->load->pools_unknown = true;
}

static void
resolve_list(struct references *r, const struct key *key, config_setting_t *setting, char *base)
{
	config_setting_t *list = setting ? config_setting_get_member(setting, key_name(key)) : NULL;
	char *room;
	size_t n, i;

	note_unread(r, key, list);
	memcpy(&room, base + key->offset, sizeof(room));
	memcpy(&n, base + key->count, sizeof(n));
	for (i = 0; room && i < n; i++)
		resolve_group(r, key, config_setting_get_elem(list, (unsigned int)i),
			      room + i * key->size);
}

static void
resolve_group(struct references *r, const struct key *group, config_setting_t *setting, char *base)
{
	const struct key *key = NULL;

	note_unread(r, group, setting);
	if (setting && config_setting_type(setting) != CONFIG_TYPE_GROUP)
		setting = NULL;
	while ((key = key_next(group, key))) {
		if (key->type == KEY_GROUP)
			resolve_group(r, key,
				      setting ? config_setting_get_member(setting, key_name(key))
					      : NULL,
				      base);
		else if (key->type == KEY_LIST)
			resolve_list(r, key, setting, base);
		else if (key->type == KEY_REFERENCE)
			resolve_one(r, key, setting, base);
	}
}

void
load_references(struct load *load)
{
	struct config *config = load->config;
	struct references r = { .load = load };

	r.pools = sorted_names(load, "pools", &r.n_pools);
	r.interfaces = sorted_names(load, "interfaces", &r.n_interfaces);
	load->meant_pools = calloc(config->n_pools + 1, sizeof(*load->meant_pools));
	if (!r.pools || !r.interfaces || !load->meant_pools) {
		message_add(load->messages, load->file, 0, false, "out of memory");
		r.n_pools = r.n_interfaces = 0;
	}
	resolve_group(&r, config_keys_root, config_root_setting(&load->tree), (char *)config);
	free(r.pools);
	free(r.interfaces);
}

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
	if (nearest && least <= 2 && strcmp(key, "pool") == 0)
		load->meant_pools[nearest->index] = true;
	return SIZE_MAX;
}

void
load_references(struct load *load)
{
	struct config *config = load->config;
	size_t n_pools, n_interfaces, i;
	struct named *pools = sorted_names(load, "pools", &n_pools);
	struct named *interfaces = sorted_names(load, "interfaces", &n_interfaces);

	load->meant_pools = calloc(config->n_pools + 1, sizeof(*load->meant_pools));
	if (!pools || !interfaces || !load->meant_pools) {
		message_add(load->messages, load->file, 0, false, "out of memory");
		n_pools = n_interfaces = 0;
	}
	for (i = 0; i < config->n_services; i++) {
		config_setting_t *setting = element(load, "services", i);

		config->services[i].pool = SIZE_MAX;
		if (pools && usable(setting, "pool"))
			config->services[i].pool = resolve(load, setting, "pool", pools, n_pools);
	}
	for (i = 0; i < config->n_listeners; i++) {
		config_setting_t *setting = element(load, "listeners", i);

		config->listeners[i].service.pool = SIZE_MAX;
		if (pools && usable(setting, "pool"))
			config->listeners[i].service.pool =
			    resolve(load, setting, "pool", pools, n_pools);
	}
	for (i = 0; i < config->n_neighbours; i++) {
		config_setting_t *setting = element(load, "neighbours", i);

		config->neighbours[i].interface = SIZE_MAX;
		if (interfaces && usable(setting, "interface"))
			config->neighbours[i].interface =
			    resolve(load, setting, "interface", interfaces, n_interfaces);
	}
	free(pools);
	free(interfaces);
}

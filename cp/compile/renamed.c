/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listeners that have another name now. Slots go by names, but what clients know of a listener is
 * its address: where a name is new, and stands for the address, port and protocol of a listener
 * whose name is gone, it is the same listener. It keeps its slot and epoch, and so its connections
 * and counters.
 */
#include <stdlib.h>
#include <string.h>

#include "cp/compile/internal.h"

/* A listener of the last configuration whose name is gone. */
struct gone {
	const struct listener_config *listener;
	uint32_t slot;
};

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int
by_place(const void *a, const void *b)
{
	const struct listener_config *x = ((const struct gone *)a)->listener;
	const struct listener_config *y = ((const struct gone *)b)->listener;
	const struct prefix *at = &x->service.address, *there = &y->service.address;
	int order = memcmp(at->addr.b, there->addr.b, sizeof(at->addr.b));

	if (order)
		return order;
	if (at->len != there->len)
		return at->len < there->len ? -1 : 1;
	if (x->service.port != y->service.port)
		return x->service.port < y->service.port ? -1 : 1;
	return (x->protocol > y->protocol) - (x->protocol < y->protocol);
}

static bool
is_new(const struct compiler *c, const struct listener_config *l)
{
	const char *name = l->service.name;

	return identity_find(c->services, name, strlen(name)) == UINT32_MAX;
}

/* Names of all services and listeners in order; NULL: no memory. */
static const char **
names_sorted(const struct config *config)
{
	size_t n = config_n_services(config), i;
	const char **names = calloc(n + 1, sizeof(*names));

	for (i = 0; names && i < n; i++)
		names[i] = config_service(config, i)->name;
	if (names)
		qsort(names, n, sizeof(*names), by_name);
	return names;
}

/* Those of the last configuration whose names are not in this one, in the order of their places.
 * How many. */
static size_t
gone_find(const struct compiler *c, const struct config *config, struct gone *out)
{
	const char **names = names_sorted(config);
	size_t i, n = 0;

	for (i = 0; names && i < c->config->n_listeners; i++) {
		const struct listener_config *l = &c->config->listeners[i];

		if (!bsearch(&l->service.name, names, config_n_services(config), sizeof(*names),
			     by_name))
			out[n++] = (struct gone){ l, c->service_slots[c->config->n_services + i] };
	}
	free(names);
	qsort(out, n, sizeof(*out), by_place);
	return n;
}

static size_t
renames_find(const struct compiler *c, const struct config *config, struct gone *gone,
	     struct identity_rename *out)
{
	size_t n_gone = gone_find(c, config, gone), n = 0, i;

	for (i = 0; i < config->n_listeners; i++) {
		const struct gone key = { .listener = &config->listeners[i] };
		const struct gone *old;

		if (!is_new(c, key.listener))
			continue;
		old = bsearch(&key, gone, n_gone, sizeof(*gone), by_place);
		if (old)
			out[n++] =
			    (struct identity_rename){ old->slot, key.listener->service.name };
	}
	return n;
}

/* Without memory nobody is found again, and what they had ends. */
void
listeners_rename(struct compiler *c, const struct config *config)
{
	struct identity_rename *renames;
	struct gone *gone;
	size_t i = 0;

	while (i < config->n_listeners && !is_new(c, &config->listeners[i]))
		i++;
	if (i == config->n_listeners || !c->config || !c->service_slots || !c->config->n_listeners)
		return;
	gone = calloc(c->config->n_listeners, sizeof(*gone));
	renames = calloc(config->n_listeners, sizeof(*renames));
	if (gone && renames)
		identity_rename(c->services, renames, renames_find(c, config, gone, renames));
	free(renames);
	free(gone);
}

void
listeners_rename_back(struct compiler *c)
{
	const struct config *config = c->config;
	struct identity_rename *renames;
	size_t n = 0, i;

	if (!config || !c->service_slots || !config->n_listeners)
		return;
	renames = calloc(config->n_listeners, sizeof(*renames));
	for (i = 0; renames && i < config->n_listeners; i++)
		if (is_new(c, &config->listeners[i]))
			renames[n++] = (struct identity_rename){
				c->service_slots[config->n_services + i],
				config->listeners[i].service.name,
			};
	identity_rename(c->services, renames, n);
	free(renames);
}

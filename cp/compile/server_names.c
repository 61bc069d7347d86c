/* SPDX-License-Identifier: Apache-2.0 */
/* The server names of a listener that passes TLS on, as workers look them up. */
#include <stdlib.h>
#include <string.h>

#include "cp/compile/internal.h"
#include "dp/proxy/server_names.h"

#define CACHE_LINE ((size_t)64)

/* A set in one's own memory: what it points to is freed with it. */
struct names_build {
	struct compiler *compiler;
	const struct config *config;
	struct server_names *names;
	uint8_t *text;
	uint32_t n_text;
};

static bool
is_suffix(const char *name)
{
	return strncmp(name, "*.", 2) == 0;
}

/* Room for n names. False: no memory. */
static bool
table_room(struct host_table *table, size_t n)
{
	size_t slots = host_slots(n), bytes = slots * sizeof(*table->slots);

	if (slots == 0)
		return true;
	table->mask = slots - 1;
	table->slots = aligned_alloc(CACHE_LINE, bytes);
	if (!table->slots)
		return false;
	memset(table->slots, 0, bytes);
	return true;
}

static struct server_pool
pool_of(const struct names_build *b, size_t pool)
{
	struct server_pool out = { UINT32_MAX, 0 };
	const char *name;

	if (pool >= b->config->n_pools)
		return out;
	name = b->config->pools[pool].name;
	out.slot = identity_get(b->compiler->pool_slots, name, strlen(name), &out.epoch);
	return out;
}

static void
add_name(struct names_build *b, const char *name, struct server_pool pool)
{
	bool suffix = is_suffix(name);
	struct host_table *table = suffix ? &b->names->suffixes : &b->names->exact;
	struct host_slot *slot;
	struct host host;

	name += suffix ? 2 : 0;
	if (!host_read(&host, (const uint8_t *)name, strlen(name)))
		return;
	memcpy(b->text + b->n_text, host.bytes, host.length);
	slot = host_add(table, b->text, b->n_text, &host);
	slot->value[0] = pool.slot;
	slot->value[1] = pool.epoch;
	b->n_text += (uint32_t)host.length;
}

static bool
make_room(struct names_build *b, const struct listener_config *l)
{
	size_t exact = 0, suffixes = 0, text = 0, i, j;

	for (i = 0; i < l->n_server_names; i++) {
		for (j = 0; j < l->server_names[i].n_names; j++) {
			const char *name = l->server_names[i].names[j];

			text += strlen(name);
			exact += !is_suffix(name);
			suffixes += is_suffix(name);
		}
	}
	b->text = malloc(text + 1);
	b->names->text = b->text;
	return b->text && table_room(&b->names->exact, exact) &&
	       table_room(&b->names->suffixes, suffixes);
}

struct server_names *
server_names_build(struct compiler *c, const struct config *config, const struct listener_config *l)
{
	struct names_build b = { .compiler = c, .config = config };
	size_t i, j;

	b.names = calloc(1, sizeof(*b.names));
	if (!b.names)
		return NULL;
	if (!make_room(&b, l)) {
		server_names_free(b.names);
		return NULL;
	}
	b.names->fallback = pool_of(&b, l->pool);
	for (i = 0; i < l->n_server_names; i++)
		for (j = 0; j < l->server_names[i].n_names; j++)
			add_name(&b, l->server_names[i].names[j],
				 pool_of(&b, l->server_names[i].pool));
	return b.names;
}

void
server_names_free(struct server_names *names)
{
	if (!names)
		return;
	free(names->exact.slots);
	free(names->suffixes.slots);
	free((void *)(uintptr_t)names->text);
	free(names);
}

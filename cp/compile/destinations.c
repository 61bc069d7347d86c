/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which destination addresses concern us: service addresses and prefixes, interfaces' own
 * addresses, source addresses.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "cp/compile/internal.h"

/* A wanted destination before prefixes are made unique. service: UINT32_MAX for an address of ours.
 */
struct wanted {
	struct prefix prefix;
	uint32_t flags;
	uint32_t service; /* index in config.services */
	uint32_t source;  /* index in sources, UINT32_MAX */
};

static int
wanted_compare(const void *a, const void *b)
{
	const struct wanted *x = a, *y = b;
	int order = addr_compare(&x->prefix.addr, &y->prefix.addr);

	if (order)
		return order;
	if (x->prefix.len != y->prefix.len)
		return x->prefix.len < y->prefix.len ? -1 : 1;
	return x->service < y->service ? -1 : x->service > y->service;
}

static void
release(void *data)
{
	struct destination_set *s = data;

	lpm_free(s->lpm);
	lpm_free(s->nat_backends);
	free(s->destinations);
	free(s->ports);
}

static void
want_address(struct wanted *w, const struct addr *addr, uint32_t flags, uint32_t source)
{
	*w = (struct wanted){ { *addr, 128 }, flags, UINT32_MAX, source };
}

/* Everything that is wanted, sorted so that an outer prefix stands right before what it contains.
 */
static struct wanted *
collect(const struct config *config, const struct network_build *net, size_t *count)
{
	size_t max = config_n_services(config) + net->n_sources;
	struct wanted *list;
	size_t n = 0, i, j, k;

	for (i = 0; i < config->n_interfaces; i++) {
		max += config->interfaces[i].n_addresses;
		for (j = 0; j < config->interfaces[i].n_vlans; j++)
			max += config->interfaces[i].vlans[j].n_addresses;
	}
	list = calloc(max + 1, sizeof(*list));
	if (!list)
		return NULL;
	for (i = 0; i < config_n_services(config); i++)
		list[n++] = (struct wanted){ config_service(config, i)->address,
					     DESTINATION_SERVICE, (uint32_t)i, UINT32_MAX };
	for (i = 0; i < net->n_sources; i++)
		want_address(&list[n++], &net->sources[i].addr, DESTINATION_LOCAL, (uint32_t)i);
	for (i = 0; i < config->n_interfaces; i++) {
		const struct interface_config *f = &config->interfaces[i];

		for (j = 0; j < f->n_addresses; j++)
			want_address(&list[n++], &f->addresses[j].addr, DESTINATION_OWN,
				     UINT32_MAX);
		for (j = 0; j < f->n_vlans; j++)
			for (k = 0; k < f->vlans[j].n_addresses; k++)
				want_address(&list[n++], &f->vlans[j].addresses[k].addr,
					     DESTINATION_OWN, UINT32_MAX);
	}
	qsort(list, n, sizeof(*list), wanted_compare);
	*count = n;
	return list;
}

static void
ports_insert(struct destination_port *table, uint32_t mask, const struct service_config *s,
	     uint32_t slot)
{
	uint16_t port = htons(s->port);
	uint32_t i = destination_port_hash(s->protocol, port) & mask;

	while (table[i].protocol)
		i = (i + 1) & mask;
	table[i] =
	    (struct destination_port){ .port = port, .protocol = s->protocol, .service = slot };
}

/* Fill destination d, and its table of ports from d->ports_first on, from the wanted entries of one
 * prefix. Returns the size of the table. */
static uint32_t
destination_fill(struct destination_set *set, struct destination *d, const struct wanted *w,
		 size_t n, const struct compile_services *services)
{
	uint32_t size = 2;
	size_t i;

	while (size < 2 * n)
		size *= 2;
	d->ports_mask = size - 1;
	d->all_tcp = d->all_udp = d->source = UINT32_MAX;
	d->prefix_len = w[0].prefix.len;
	for (i = 0; i < n; i++) {
		const struct service_config *s;

		d->flags |= w[i].flags;
		if (w[i].source != UINT32_MAX)
			d->source = w[i].source;
		if (w[i].service == UINT32_MAX)
			continue;
		s = config_service(services->config, w[i].service);
		if (s->port)
			ports_insert(set->ports + d->ports_first, d->ports_mask, s,
				     services->slots[w[i].service]);
		else if (s->protocol == IPPROTO_TCP)
			d->all_tcp = services->slots[w[i].service];
		else
			d->all_udp = services->slots[w[i].service];
	}
	return size;
}

/* One destination for each prefix; parents by a walk over the sorted list, since prefixes nest or
 * are disjoint. */
static int
destinations_build(struct destination_set *set, const struct wanted *list, size_t n,
		   const struct compile_services *services)
{
	struct lpm_entry *entries = calloc(n + 1, sizeof(*entries));
	uint32_t ports_used = 0;
	size_t i, end;
	int rc;

	set->destinations = calloc(n + 1, sizeof(*set->destinations));
	set->ports = calloc(4 * n + 2, sizeof(*set->ports));
	if (!entries || !set->destinations || !set->ports) {
		free(entries);
		return -ENOMEM;
	}
	for (i = 0; i < n; i = end) {
		uint32_t index = set->n_destinations++;
		uint32_t parent = index ? index - 1 : UINT32_MAX;

		for (end = i + 1; end < n && list[end].prefix.len == list[i].prefix.len &&
				  addr_equal(&list[end].prefix.addr, &list[i].prefix.addr);
		     end++)
			;
		while (parent != UINT32_MAX &&
		       !prefix_contains(&entries[parent].prefix, &list[i].prefix.addr))
			parent = set->destinations[parent].parent;
		set->destinations[index].parent = parent;
		entries[index] = (struct lpm_entry){ list[i].prefix, index };
		set->destinations[index].ports_first = ports_used;
		ports_used +=
		    destination_fill(set, &set->destinations[index], &list[i], end - i, services);
	}
	rc = lpm_build(&set->lpm, entries, set->n_destinations);
	free(entries);
	return rc;
}

static int
nat_backends_build(struct destination_set *set, const struct config *config)
{
	struct lpm_entry *entries;
	size_t n = 0, max = 1, n_pools, i, j, k;
	int rc;

	for (i = 0; i < config_n_services(config); i++) {
		const size_t *pools = config_service_pools(config, i, &n_pools);

		for (k = 0; k < n_pools; k++)
			max += config->pools[pools[k]].n_backends;
	}
	entries = calloc(max, sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	for (i = 0; i < config_n_services(config); i++) {
		const size_t *pools = config_service_pools(config, i, &n_pools);

		if (!forward_returns((uint8_t)config_service(config, i)->forward))
			continue;
		for (k = 0; k < n_pools; k++) {
			const struct pool_config *pool = &config->pools[pools[k]];

			for (j = 0; j < pool->n_backends; j++)
				entries[n++] =
				    (struct lpm_entry){ { pool->backends[j].address, 128 }, 1 };
		}
	}
	rc = lpm_build(&set->nat_backends, entries, n);
	free(entries);
	return rc;
}

struct destination_set *
destination_set_build(const struct compile_services *services, const struct network_build *net)
{
	struct destination_set *set = shared_new(sizeof(*set), release);
	struct wanted *list;
	size_t n = 0;
	int rc;

	if (!set)
		return NULL;
	list = collect(services->config, net, &n);
	rc = list ? destinations_build(set, list, n, services) : -ENOMEM;
	if (rc == 0)
		rc = nat_backends_build(set, services->config);
	free(list);
	if (rc == 0)
		return set;
	shared_put(set);
	return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Next hops, routes and source addresses: what Linux and the configuration say of the network, as
 * arrays for workers.
 *
 * A next hop is made for each usable neighbour, for each gateway, and (as "connected") for each
 * on-link network; neighbours are also host routes, so that one lookup leads from any address to
 * the Ethernet header.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cp/compile/internal.h"
#include "lib/siphash.h"

#define SOURCES_MAX 1024u /* of one port and family */

static const struct addr addr_none;

static bool
is_none(const struct addr *a)
{
	return addr_equal(a, &addr_none);
}

/* Link-local addresses (RFC 3927, RFC 4291 2.5.6) mean nothing without their link, so they never
 * become routes. */
static bool
is_link_local(const struct addr *a)
{
	if (addr_is_v4(a))
		return a->b[12] == 169 && a->b[13] == 254;
	return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

/* What makes two next hops the same; hashed as bytes. */
struct nexthop_key {
	struct addr addr;
	uint16_t vlan;
	uint8_t port;
	uint8_t connected;
	uint32_t zero;
};

static struct nexthop_key
key_of(const struct network_target *t, uint8_t state)
{
	return (struct nexthop_key){ t->addr, t->vlan, t->port, state == NEXTHOP_CONNECTED, 0 };
}

/* Where the key is, or would be, in the open-addressed index. */
static size_t
index_position(const struct network_build *b, const struct nexthop_key *key)
{
	static const struct siphash_key hash_key = { 0x6e657874686f7073ULL, 0x696e646578656421ULL };
	size_t i = siphash13(&hash_key, key, sizeof(*key)) & b->index_mask;

	for (; b->index[i]; i = (i + 1) & b->index_mask) {
		const struct nexthop *h = &b->nexthops[b->index[i] - 1];

		if (h->port == key->port && h->vlan == key->vlan &&
		    addr_equal(&h->addr, &key->addr) &&
		    (h->state == NEXTHOP_CONNECTED) == key->connected)
			break;
	}
	return i;
}

static bool
grow(struct network_build *b)
{
	size_t capacity = b->capacity ? b->capacity * 2 : 64;
	struct nexthop *h = realloc(b->nexthops, capacity * sizeof(*h));
	uint32_t *index;
	size_t i;

	if (!h)
		return false;
	b->nexthops = h;
	index = calloc(capacity * 2, sizeof(*index));
	if (!index)
		return false;
	free(b->index);
	b->index = index;
	b->index_mask = capacity * 2 - 1;
	b->capacity = capacity;
	for (i = 0; i < b->n_nexthops; i++) {
		struct network_target t = { h[i].addr, h[i].port, h[i].vlan };
		struct nexthop_key key = key_of(&t, h[i].state);

		index[index_position(b, &key)] = (uint32_t)i + 1;
	}
	return true;
}

/* The next hop towards a neighbour (mac NULL: not known) or, with state CONNECTED, towards a whole
 * network: the one that exists, or a new one. */
static uint32_t
nexthop_get(struct network_build *b, const struct network_target *t, const struct mac *mac,
	    uint8_t state)
{
	const struct compile_input *in = b->input;
	struct nexthop_key key = key_of(t, state);
	struct nexthop *h;
	size_t at;

	if (b->n_nexthops == b->capacity && !grow(b))
		return NEXTHOP_NO_MEMORY;
	at = index_position(b, &key);
	if (b->index[at])
		return b->index[at] - 1;
	h = &b->nexthops[b->n_nexthops];
	memset(h, 0, sizeof(*h));
	h->state = state;
	h->port = t->port;
	h->vlan = t->vlan;
	h->mtu = in->config->interfaces[t->port].mtu;
	h->addr = t->addr;
	h->header_len = 12;
	if (mac)
		memcpy(h->header, mac->b, 6);
	memcpy(h->header + 6, in->port_macs[t->port].b, 6);
	if (t->vlan) {
		h->header[12] = 0x81;
		h->header[14] = (uint8_t)(t->vlan >> 8);
		h->header[15] = (uint8_t)t->vlan;
		h->header_len = 16;
	}
	b->index[at] = (uint32_t)++b->n_nexthops;
	return (uint32_t)b->n_nexthops - 1;
}

/* True if addr lies in an on-link network of the link. */
static bool
on_link(const struct compile_input *in, const struct network_target *t)
{
	size_t i;

	for (i = 0; i < in->n_routes; i++) {
		const struct network_route *r = &in->routes[i];

		if (r->port == t->port && r->vlan == t->vlan && is_none(&r->via) &&
		    prefix_contains(&r->to, &t->addr))
			return true;
	}
	return false;
}

/* Neighbours become next hops, and host routes if their network is on the link. */
static int
neighbours_build(struct network_build *b, struct lpm_entry *entries, size_t *n)
{
	const struct compile_input *in = b->input;
	size_t i;

	for (i = 0; i < in->n_neighbours; i++) {
		const struct network_neighbour *nb = &in->neighbours[i];
		struct network_target t = { nb->addr, nb->port, nb->vlan };
		uint32_t index;

		if (!nb->usable)
			continue;
		index = nexthop_get(b, &t, &nb->mac, NEXTHOP_READY);
		if (index == NEXTHOP_NO_MEMORY)
			return -ENOMEM;
		if (!is_link_local(&nb->addr) && on_link(in, &t))
			entries[(*n)++] = (struct lpm_entry){ { nb->addr, 128 }, index };
	}
	return 0;
}

static int
metric_order(const void *a, const void *b)
{
	const struct network_route *x = *(const struct network_route *const *)a;
	const struct network_route *y = *(const struct network_route *const *)b;

	return x->metric > y->metric ? -1 : x->metric < y->metric;
}

/* Routes in the order of falling metric: of equal prefixes the last, which has the lowest metric,
 * wins in lpm_build. */
static int
gateways_build(struct network_build *b, struct lpm_entry *entries, size_t *n)
{
	const struct compile_input *in = b->input;
	const struct network_route **order = calloc(in->n_routes + 1, sizeof(*order));
	size_t i;

	if (!order)
		return -ENOMEM;
	for (i = 0; i < in->n_routes; i++)
		order[i] = &in->routes[i];
	qsort(order, in->n_routes, sizeof(*order), metric_order);
	for (i = 0; i < in->n_routes; i++) {
		const struct network_route *r = order[i];
		struct network_target t = { r->via, r->port, r->vlan };
		uint32_t index = nexthop_get(
		    b, &t, NULL, is_none(&r->via) ? NEXTHOP_CONNECTED : NEXTHOP_UNRESOLVED);

		if (index == NEXTHOP_NO_MEMORY)
			break;
		entries[(*n)++] = (struct lpm_entry){ r->to, index };
	}
	free(order);
	return i < in->n_routes ? -ENOMEM : 0;
}

static int
routes_build(struct network_build *b)
{
	const struct compile_input *in = b->input;
	struct lpm_entry *entries = calloc(in->n_routes + in->n_neighbours + 1, sizeof(*entries));
	struct lpm_entry *neighbours = calloc(in->n_neighbours + 1, sizeof(*neighbours));
	size_t n = 0, n_neighbours = 0;
	int rc = entries && neighbours ? 0 : -ENOMEM;

	/* neighbours first, so that gateways find their next hops ready; but later in the list, so
	 * that they win */
	if (rc == 0)
		rc = neighbours_build(b, neighbours, &n_neighbours);
	if (rc == 0)
		rc = gateways_build(b, entries, &n);
	if (rc == 0) {
		memcpy(entries + n, neighbours, n_neighbours * sizeof(*entries));
		rc = lpm_build(&b->routes, entries, n + n_neighbours);
	}
	free(neighbours);
	free(entries);
	return rc;
}

/* The i-th address of a prefix. */
static struct addr
prefix_address(const struct prefix *p, uint32_t i)
{
	struct addr a = p->addr;

	a.w[3] = htonl(ntohl(a.w[3]) + i);
	return a;
}

static uint32_t
prefix_size(const struct prefix *p)
{
	return 128 - p->len >= 10 ? SOURCES_MAX : 1u << (128 - p->len);
}

/* True for the first and the last address of an IPv4 network of the interface: they are nobody's
 * (RFC 1122, 3.2.1.3). */
static bool
is_network_or_broadcast(const struct interface_config *f, const struct addr *a)
{
	size_t i;

	if (!addr_is_v4(a))
		return false;
	for (i = 0; i < f->n_addresses; i++) {
		const struct prefix *net = &f->addresses[i].net;
		uint32_t host;

		if (net->len < 96 || net->len >= 127 || !prefix_contains(net, a))
			continue;
		host = UINT32_MAX >> (net->len - 96);
		if ((ntohl(a->w[3]) & host) == 0 || (ntohl(a->w[3]) & host) == host)
			return true;
	}
	return false;
}

/* Append the addresses of one configured prefix. */
static void
sources_of_prefix(struct network_build *b, const struct interface_config *f, const struct prefix *p,
		  struct source_range *range)
{
	uint32_t n = prefix_size(p), i;

	for (i = 0; i < n && range->count < SOURCES_MAX; i++) {
		struct addr a = prefix_address(p, i);

		if (is_network_or_broadcast(f, &a))
			continue;
		b->sources[b->n_sources++].addr = a;
		range->count++;
	}
}

/* Append the source addresses of one port and family. */
static void
sources_of_port(struct network_build *b, size_t port, bool v6)
{
	const struct interface_config *f = &b->input->config->interfaces[port];
	struct source_range *range = &b->source_ranges[port][v6];
	size_t i, j;

	range->first = (uint16_t)b->n_sources;
	for (i = 0; i < f->n_source_addresses; i++) {
		if (addr_is_v4(&f->source_addresses[i].addr) == v6)
			continue;
		sources_of_prefix(b, f, &f->source_addresses[i], range);
	}
	if (range->count)
		return;
	for (i = 0; i < f->n_addresses; i++)
		if (addr_is_v4(&f->addresses[i].addr) != v6 && range->count < SOURCES_MAX) {
			b->sources[b->n_sources++].addr = f->addresses[i].addr;
			range->count++;
		}
	for (j = 0; j < f->n_vlans; j++)
		for (i = 0; i < f->vlans[j].n_addresses; i++)
			if (addr_is_v4(&f->vlans[j].addresses[i].addr) != v6 &&
			    range->count < SOURCES_MAX) {
				b->sources[b->n_sources++].addr = f->vlans[j].addresses[i].addr;
				range->count++;
			}
}

/* Which worker owns what: by the address's own hash if so each worker has at least one, else by
 * port. */
static void
sources_assign(struct network_build *b, const struct compiler *c, const uint16_t *owners,
	       struct source_range range)
{
	uint64_t has = 0;
	uint16_t i;

	for (i = 0; i < range.count; i++) {
		struct source *s = &b->sources[range.first + i];

		s->worker = owners[toeplitz_addr(c->toeplitz, &s->addr) % OWNER_TABLE_SIZE];
		has |= 1ULL << s->worker;
	}
	if (__builtin_popcountll(has) == c->n_workers)
		return;
	for (i = 0; i < range.count; i++)
		b->sources[range.first + i].worker = SOURCE_BY_PORT;
}

static int
sources_build(struct network_build *b, const struct compiler *c, const uint16_t *owners)
{
	size_t n = b->input->config->n_interfaces, port;

	b->sources = calloc(n * 2 * SOURCES_MAX, sizeof(*b->sources));
	if (!b->sources)
		return -ENOMEM;
	for (port = 0; port < n; port++) {
		sources_of_port(b, port, false);
		sources_assign(b, c, owners, b->source_ranges[port][0]);
		sources_of_port(b, port, true);
		sources_assign(b, c, owners, b->source_ranges[port][1]);
	}
	return 0;
}

int
network_build(struct network_build *b, const struct compiler *c, const uint16_t *owners)
{
	int rc = sources_build(b, c, owners);

	return rc < 0 ? rc : routes_build(b);
}

void
network_build_free(struct network_build *b)
{
	free(b->nexthops);
	free(b->index);
	free(b->sources);
	free(b->targets);
	lpm_free(b->routes);
}

/* Remember that a next hop's neighbour must stay resolved. */
static bool
keep(struct network_build *b, const struct network_target *t)
{
	if (b->n_targets == b->targets_capacity) {
		size_t capacity = b->targets_capacity ? b->targets_capacity * 2 : 64;
		struct network_target *targets = realloc(b->targets, capacity * sizeof(*targets));

		if (!targets)
			return false;
		b->targets = targets;
		b->targets_capacity = capacity;
	}
	b->targets[b->n_targets++] = *t;
	return true;
}

uint32_t
network_build_nexthop(struct network_build *b, const struct addr *addr)
{
	uint32_t i = lpm_lookup(b->routes, addr);
	struct network_target t;

	if (i == LPM_NONE)
		return UINT32_MAX;
	t = (struct network_target){ b->nexthops[i].addr, b->nexthops[i].port,
				     b->nexthops[i].vlan };
	if (b->nexthops[i].state == NEXTHOP_CONNECTED) {
		t.addr = *addr;
		i = nexthop_get(b, &t, NULL, NEXTHOP_UNRESOLVED);
	}
	if (i == NEXTHOP_NO_MEMORY || !keep(b, &t))
		return NEXTHOP_NO_MEMORY;
	return i;
}

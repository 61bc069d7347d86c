/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiling a snapshot, step by step: see compile().
 */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "cp/compile/internal.h"
#include "lib/http/trace_context.h"

struct compiler *
compiler_create(uint16_t n_workers)
{
	struct compiler *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->n_workers = n_workers;
	c->records_kept = UINT64_MAX;
	c->toeplitz = malloc(sizeof(*c->toeplitz));
	c->services = identity_create(SNAPSHOT_MAX_SERVICES);
	c->backends = identity_create(SNAPSHOT_MAX_BACKENDS);
	c->pool_slots = identity_create(SNAPSHOT_MAX_POOLS);
	if (!c->toeplitz || !c->services || !c->backends || !c->pool_slots) {
		compiler_destroy(c);
		return NULL;
	}
	toeplitz_init(c->toeplitz, toeplitz_key_default);
	return c;
}

const struct identity *
compiler_services(const struct compiler *c)
{
	return c->services;
}

const struct identity *
compiler_backends(const struct compiler *c)
{
	return c->backends;
}

void
compiler_adopt(struct compiler *c, struct identity *services, struct identity *backends)
{
	identity_destroy(c->services);
	identity_destroy(c->backends);
	c->services = services;
	c->backends = backends;
}

void
compiler_keep_records(struct compiler *c)
{
	c->records_kept = 0;
}

uint64_t
compiler_records(const struct compiler *c)
{
	return c->records;
}

uint64_t
compiler_pool_sets(const struct compiler *c)
{
	return c->pool_sets;
}

void
compiler_records_kept(struct compiler *c, uint64_t records)
{
	c->records_kept = records;
}

void
compiler_destroy(struct compiler *c)
{
	size_t i;

	if (!c)
		return;
	compiler_abandon(c);
	for (i = 0; i < c->n_pools; i++)
		pool_state_free(c->pools[i]);
	free(c->pools);
	backend_slots_free(c->backend_slots, c->n_backend_slots);
	free(c->service_slots);
	shared_put(c->destinations);
	shared_put(c->limits);
	shared_put(c->proxies);
	http_blocks_free(c);
	free(c->targets);
	identity_destroy(c->services);
	identity_destroy(c->backends);
	identity_destroy(c->pool_slots);
	free(c->toeplitz);
	free(c);
}

void
snapshot_free(const struct snapshot *s)
{
	struct snapshot_parts *p;
	uint32_t i;

	if (!s)
		return;
	p = s->compile_private;
	for (i = 0; p->pools && i < s->n_pools; i++) {
		shared_put(p->pools[i].candidate);
		shared_put(p->pools[i].settled);
		shared_put(p->pools[i].moving);
		shared_put(p->pools[i].by_id);
		free(p->pool_members[i]);
	}
	free(p->pool_members);
	free(p->pool_by_slot);
	free(p->pools);
	free(p->services);
	free(p->backends);
	shared_put(p->destinations);
	shared_put(p->limits);
	shared_put(p->proxies);
	free(p->nexthops);
	free(p->sources);
	lpm_free(p->routes);
	free(p);
}

/* Longest silence of a living connection of any service of the pool. */
static uint64_t
pool_lifetime(const struct config *config, size_t pool)
{
	uint64_t lifetime = 0;
	size_t i;

	for (i = 0; i < config_n_services(config); i++) {
		const struct service_config *s = config_service(config, i);
		uint64_t t = s->protocol == IPPROTO_UDP ? s->timeout_udp : s->timeout_established;

		/* What a listener has begun needs no row any more. */
		if (s->pool == pool && s->forward != FORWARD_PROXY && t > lifetime)
			lifetime = t;
	}
	return lifetime;
}

/* What becomes of the pool's backends, to be freed; NULL without memory. */
static struct backend_condition *
conditions_of(const struct compile_input *in, const struct pool_config *pool)
{
	struct backend_condition *conditions = calloc(pool->n_backends + 1, sizeof(*conditions));
	size_t i;

	if (!conditions)
		return NULL;
	for (i = 0; i < pool->n_backends; i++)
		conditions[i].weight = pool->backends[i].weight;
	if (in->conditions)
		in->conditions(in->conditions_arg, pool, conditions);
	return conditions;
}

static uint32_t
backend_flags(const struct backend_condition *condition)
{
	return (condition->down ? 0 : BACKEND_UP) | (condition->weight ? 0 : BACKEND_DRAIN);
}

static struct pool_bounds
bounds_of(const struct pool_config *pool)
{
	return (struct pool_bounds){
		.connections = pool->limits.connections,
		.pending = pool->limits.pending,
		.requests = pool->limits.requests,
		.retries = pool->limits.retries,
		.outlier_errors = pool->outlier.errors,
		.outlier_time = pool->outlier.time,
		.unused = pool->keepalive.connections,
		.unused_time = pool->keepalive.idle,
		.reuse = pool->keepalive.requests,
	};
}

/* The pool at index i of the configuration; slots are those of its backends. */
static int
pool_fill(struct compiler *c, struct snapshot_parts *p, const struct compile_input *in, size_t i,
	  const uint32_t *slots)
{
	const struct pool_config *pc = &in->config->pools[i];
	struct backend_condition *conditions = conditions_of(in, pc);
	struct pool_state *state = NULL;
	uint32_t *members = NULL, epoch = 0;
	uint32_t slot = identity_get(c->pool_slots, pc->name, strlen(pc->name), &epoch);
	size_t j;

	if (slot == UINT32_MAX) {
		free(conditions);
		return -E2BIG;
	}
	if (conditions)
		state = pool_update(c, pc, conditions, pool_lifetime(in->config, i), in->now);
	if (state && pool_tls_update(c, state, &pc->tls) == 0 && pool_ids_update(state) == 0)
		members = malloc((state->n_members + 1) * sizeof(*members));
	if (!members) {
		free(conditions);
		return -ENOMEM;
	}
	memset(members, 0xff, (state->n_members + 1) * sizeof(*members));
	for (j = 0; j < pc->n_backends; j++) {
		members[pool_member_slot(state, &pc->backends[j])] = slots[j];
		p->backends[slots[j]].flags = backend_flags(&conditions[j]);
		p->backends[slots[j]].weight =
		    (uint16_t)(conditions[j].weight < UINT16_MAX ? conditions[j].weight
								 : UINT16_MAX);
	}
	free(conditions);
	p->pool_members[i] = members;
	p->pools[i] = (struct pool){
		.rows = state->rows,
		.settled_rows = state->settled_rows,
		.n_members = (uint32_t)state->n_members,
		.candidate = shared_get(state->candidate),
		.settled = shared_get(state->settled),
		.moving = shared_get(state->moving),
		.members = members,
		.changed_at = state->changed_at,
		.slot = slot,
		.epoch = epoch,
		.tls = state->tls_number,
		.by_id = shared_get(state->by_id),
		.id_mask = state->id_mask,
		.bounds = bounds_of(pc),
	};
	p->snapshot.n_pools = (uint32_t)i + 1;
	return 0;
}

/* Behind all others: the pool of a listener that has none. */
static const struct pool *
pool_none(void)
{
	static const uint16_t nobody[1] = { MAGLEV_NONE };
	static const struct pool none = {
		.rows = 1, .settled_rows = 1, .candidate = nobody, .settled = nobody
	};

	return &none;
}

/* Where the pools stand. 0 or -ENOMEM. */
static int
pool_by_slot_fill(const struct compiler *c, struct snapshot_parts *p)
{
	uint32_t n = identity_limit(c->pool_slots), i;

	p->pool_by_slot = malloc(((size_t)n + 1) * sizeof(*p->pool_by_slot));
	if (!p->pool_by_slot)
		return -ENOMEM;
	memset(p->pool_by_slot, 0xff, ((size_t)n + 1) * sizeof(*p->pool_by_slot));
	for (i = 0; i < p->snapshot.n_pools; i++)
		p->pool_by_slot[p->pools[i].slot] = i;
	p->snapshot.n_pool_slots = n;
	return 0;
}

static int
pools_fill(struct compiler *c, struct snapshot_parts *p, const struct compile_input *in,
	   uint32_t **slots)
{
	const struct config *config = in->config;
	size_t i;

	p->pools = calloc(config->n_pools + 1, sizeof(*p->pools));
	p->pool_members = calloc(config->n_pools + 1, sizeof(*p->pool_members));
	if (!p->pools || !p->pool_members)
		return -ENOMEM;
	p->pools[config->n_pools] = *pool_none();
	for (i = 0; i < config->n_pools; i++) {
		int rc;

		assert(slots[i]); /* a row for each pool */
		rc = pool_fill(c, p, in, i, slots[i]);
		if (rc < 0)
			return rc;
	}
	return pool_by_slot_fill(c, p);
}

/* Ownership: the same rows that a port's indirection table gets (cp/device/ports.c). The coarsest
 * prefix of any limit decides, so that what any limit calls one client is on one worker. */
static void
ownership_fill(const struct compiler *c, struct snapshot *s, const struct config *config)
{
	uint8_t prefix4, prefix6;
	size_t i;

	compile_owner_prefixes(config, &prefix4, &prefix6);
	s->n_workers = c->n_workers;
	s->owner_prefix4 = (uint8_t)(96 + prefix4);
	s->owner_prefix6 = prefix6;
	s->toeplitz = c->toeplitz;
	for (i = 0; i < OWNER_TABLE_SIZE; i++)
		s->owners[i] = (uint16_t)(i % c->n_workers);
}

static void
addresses_fill(struct snapshot_port *p, const struct interface_address *list, size_t n)
{
	static const struct addr none;
	size_t i;

	for (i = 0; i < n; i++) {
		struct addr *own = addr_is_v4(&list[i].addr) ? &p->own4 : &p->own6;

		if (addr_equal(own, &none))
			*own = list[i].addr;
	}
}

static void
ports_fill(struct snapshot *s, const struct compile_input *in)
{
	const struct config *config = in->config;
	size_t i, j;

	s->n_ports = (uint32_t)config->n_interfaces;
	for (i = 0; i < config->n_interfaces; i++) {
		const struct interface_config *f = &config->interfaces[i];
		struct snapshot_port *p = &s->ports[i];

		p->mtu = f->mtu;
		p->side = (uint8_t)f->side;
		p->twin = f->twin;
		memcpy(p->mac, in->port_macs[i].b, 6);
		p->vlans[0] = 1;
		addresses_fill(p, f->addresses, f->n_addresses);
		for (j = 0; j < f->n_vlans; j++) {
			p->vlans[f->vlans[j].id / 64] |= 1ULL << (f->vlans[j].id % 64);
			addresses_fill(p, f->vlans[j].addresses, f->vlans[j].n_addresses);
		}
	}
}

/* What the snapshot takes over from the network build. */
static void
network_move(struct snapshot_parts *p, struct network_build *net, struct pending *pending)
{
	p->nexthops = net->nexthops;
	p->sources = net->sources;
	p->routes = net->routes;
	p->snapshot.n_nexthops = (uint32_t)net->n_nexthops;
	p->snapshot.n_sources = (uint32_t)net->n_sources;
	pending->targets = net->targets;
	pending->n_targets = net->n_targets;
	net->nexthops = NULL;
	net->sources = NULL;
	net->routes = NULL;
	net->targets = NULL;
}

static void
seen_compile(struct http_seen_settings *out, const struct config *config)
{
	*out = (struct http_seen_settings){
		.records = config->records.file || config->records.socket,
		.tracing = config->tracing.endpoint != NULL,
		.slow = config->tracing.slow,
		.share = TRACE_SHARE_WHOLE / CONFIG_SHARE_WHOLE * config->tracing.share,
	};
	if (config->tracing.share == CONFIG_SHARE_WHOLE)
		out->share = TRACE_SHARE_WHOLE;
}

/* Point the snapshot at its parts. */
static void
snapshot_connect(struct compiler *c, struct snapshot_parts *p, const struct compile_input *in)
{
	struct snapshot *s = &p->snapshot;

	s->generation = in->generation;
	s->version = ++c->version;
	s->services = p->services;
	s->n_services = identity_limit(c->services);
	s->backends = p->backends;
	s->n_backends = identity_limit(c->backends);
	s->pools = p->pools;
	s->pool_by_slot = p->pool_by_slot;
	s->limits = p->limits->limits;
	s->proxies = p->proxies->settings;
	s->destination_lpm = p->destinations->lpm;
	s->destinations = p->destinations->destinations;
	s->destination_ports = p->destinations->ports;
	s->n_destinations = p->destinations->n_destinations;
	s->nat_backends = p->destinations->nat_backends;
	s->routes = p->routes;
	s->nexthops = p->nexthops;
	s->sources = p->sources;
	s->source_port_low = 1024;
	s->source_port_high = 65535;
	s->kernel_port_low = in->kernel_port_low;
	s->kernel_port_high = in->kernel_port_high;
	seen_compile(&s->seen, in->config);
}

/* Everything but the commit; on failure what was made so far hangs on p and net and is freed by the
 * caller. */
static int
compile_parts(struct compiler *c, struct snapshot_parts *p, struct network_build *net,
	      uint32_t *service_slots, uint32_t **backend_slots)
{
	const struct compile_input *in = net->input;
	struct compile_services services = { in->config, service_slots };
	int rc;

	/* 1. who owns which client */
	ownership_fill(c, &p->snapshot, in->config);
	ports_fill(&p->snapshot, in);
	/* 2. the network: sources, next hops, routes */
	rc = network_build(net, c, p->snapshot.owners);
	/* 3. services and backends at their slots */
	if (rc == 0)
		rc = service_slots_get(c, in->config, service_slots, &p->services);
	if (rc == 0)
		rc = backends_fill(c, p, net, backend_slots);
	/* 4. pools and their tables */
	if (rc == 0)
		rc = pools_fill(c, p, in, backend_slots);
	/* 5. destinations, limits and listeners, unless the configuration is the same */
	if (rc < 0)
		return rc;
	if (in->config == c->config && in->generation == c->generation) {
		p->destinations = shared_get(c->destinations);
		p->limits = shared_get(c->limits);
		p->proxies = shared_get(c->proxies);
	} else {
		p->destinations = destination_set_build(&services, net);
		p->limits = limit_set_build(c, &services);
		p->proxies = proxy_set_build(c, &services);
	}
	return p->destinations && p->limits && p->proxies ? 0 : -ENOMEM;
}

const struct snapshot *
compile(struct compiler *c, const struct compile_input *in, const char **error)
{
	struct network_build net = { .input = in };
	struct pending *pending = &c->pending;
	struct snapshot_parts *p = aligned_alloc(64, (sizeof(*p) + 63) / 64 * 64);
	int rc = p ? 0 : -ENOMEM;

	assert(!pending->open);
	*pending = (struct pending){ true, .config = in->config, .generation = in->generation };
	pending->service_slots =
	    calloc(config_n_services(in->config) + 1, sizeof(*pending->service_slots));
	pending->backend_slots = backend_slots_get(c, in->config);
	pending->n_backend_slots = in->config->n_pools;
	if (p) {
		memset(p, 0, sizeof(*p));
		p->snapshot.compile_private = p;
	}
	if (!pending->service_slots || !pending->backend_slots)
		rc = -ENOMEM;
	if (rc == 0)
		rc = pending_begin(c, in->config);
	if (rc == 0)
		rc = compile_parts(c, p, &net, pending->service_slots, pending->backend_slots);
	if (rc < 0) {
		*error = rc == -E2BIG ? "too many services, pools or backends"
				      : "not enough memory for the configuration";
		compiler_abandon(c);
		if (p)
			snapshot_free(&p->snapshot);
		network_build_free(&net);
		return NULL;
	}
	network_move(p, &net, pending);
	network_build_free(&net);
	snapshot_connect(c, p, in);
	pending->parts = p;
	return &p->snapshot;
}

size_t
compiler_reclaim(struct compiler *c)
{
	return http_blocks_sweep(c);
}

uint64_t
compiler_next_settle(const struct compiler *c)
{
	uint64_t next = UINT64_MAX, at;
	size_t i;

	for (i = 0; i < c->n_pools; i++) {
		at = pool_settles_at(c->pools[i]);
		next = at < next ? at : next;
	}
	return next;
}

uint64_t
compiler_pool_settle(const struct compiler *c, const char *pool)
{
	size_t i;

	for (i = 0; i < c->n_pools; i++) {
		if (strcmp(c->pools[i]->name, pool) == 0)
			return pool_settles_at(c->pools[i]);
	}
	return UINT64_MAX;
}

const struct network_target *
compiler_targets(struct compiler *c, size_t *count)
{
	*count = c->n_targets;
	return c->targets;
}

uint32_t
compiler_service_slot(const struct compiler *c, size_t service)
{
	return c->service_slots ? c->service_slots[service] : UINT32_MAX;
}

uint32_t
compiler_backend_slot(const struct compiler *c, size_t pool, size_t backend)
{
	return pool < c->n_backend_slots ? c->backend_slots[pool][backend] : UINT32_MAX;
}

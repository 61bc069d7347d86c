/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits and lists of who may come, from what is configured to what workers compute with. Trees of
 * prefixes are kept from one configuration to the next where the lists are the same.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "cp/compile/internal.h"
#include "cp/config/config.h"
#include "lib/gcra.h"

/* A batch is worth it if it is for so many packets, of this size. */
#define BATCH_PACKETS 32
#define BATCH_BYTES   1500
/* What all workers together may carry over is at most 1 / BURST_SHARE of a service's burst, twice.
 */
#define BURST_SHARE 16

/* The lists of a service, and the tree of them: a shared block. */
struct access {
	struct lpm *lpm;
	size_t n_allow, n_deny;
	struct prefix *prefixes; /* allow, then deny, as configured */
};

static void
access_release(void *data)
{
	struct access *a = data;

	lpm_free(a->lpm);
	free(a->prefixes);
}

static bool
prefixes_same(const struct prefix *a, const struct prefix *b, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (a[i].len != b[i].len || !addr_equal(&a[i].addr, &b[i].addr))
			return false;
	return true;
}

static bool
access_same(const struct access *a, const struct service_config *s)
{
	return a->n_allow == s->n_allow && a->n_deny == s->n_deny &&
	       prefixes_same(a->prefixes, s->allow, s->n_allow) &&
	       prefixes_same(a->prefixes + s->n_allow, s->deny, s->n_deny);
}

/* The most specific prefix decides; where both lists have it, deny. */
static int
access_build(struct access *a, const struct service_config *s)
{
	size_t n = s->n_allow + s->n_deny, i;
	struct lpm_entry *entries = calloc(n, sizeof(*entries));
	int rc = -ENOMEM;

	a->prefixes = malloc(n * sizeof(*a->prefixes));
	if (entries && a->prefixes) {
		a->n_allow = s->n_allow;
		a->n_deny = s->n_deny;
		/* lpm_build: the later of two wins. */
		for (i = 0; i < n; i++) {
			bool allow = i < s->n_allow;

			a->prefixes[i] = allow ? s->allow[i] : s->deny[i - s->n_allow];
			entries[i].prefix = a->prefixes[i];
			entries[i].value = allow ? ACCESS_ALLOW : ACCESS_DENY;
		}
		rc = lpm_build(&a->lpm, entries, n);
	}
	free(entries);
	return rc;
}

/* A shared block with one reference, of `old` if that says the same; NULL without memory. */
static struct access *
access_get(const struct service_config *s, const struct access *old)
{
	struct access *a;

	if (old && access_same(old, s))
		return shared_get(old);
	a = shared_new(sizeof(*a), access_release);
	if (a && access_build(a, s) == 0)
		return a;
	shared_put(a);
	return NULL;
}

/* ---- rates ---- */

static const struct rate *
configured_rate(const struct limits_config *l, enum limit_rate kind)
{
	switch (kind) {
	case LIMIT_PACKETS:
		return &l->packets;
	case LIMIT_BYTES:
		return &l->bytes;
	default:
		return &l->new_connections;
	}
}

static struct gcra
rate_compile(const struct limits_config *l, enum limit_rate kind, struct limit_setting *setting)
{
	const struct rate *rate = configured_rate(l, kind);
	struct gcra_rate r = {
		.count = rate->count,
		.period_ns = rate->period_ns,
		.burst_ns = l->burst,
		.max_n = kind == LIMIT_BYTES ? UINT16_MAX : 1,
	};

	if (!rate->count)
		return gcra_none();
	*setting = (struct limit_setting){ rate->count, rate->period_ns, l->burst };
	return gcra_make(&r);
}

/* Divide the burst into what the bucket holds and what workers may carry over. */
static struct lease_rate
lease_compile(struct gcra g, enum limit_rate kind, uint16_t n_workers)
{
	struct lease_rate r = { .gcra = g, .alone = n_workers == 1 };
	uint64_t batch = g.burst / BURST_SHARE / n_workers;
	uint64_t least = BATCH_PACKETS * gcra_cost(&g, kind == LIMIT_BYTES ? BATCH_BYTES : 1);

	/* A worker that is alone gains nothing. */
	if (!g.mult || n_workers == 1 || batch < least)
		return r;
	r.batch = batch;
	r.carry = 2 * batch;
	r.gcra.burst -= n_workers * r.carry;
	for (r.shift = 1; 1u << r.shift < n_workers; r.shift++)
		;
	r.shift++;
	return r;
}

static bool
limits_packets(const struct limits_config *l)
{
	return l->packets.count || l->bytes.count;
}

static uint32_t
limits_flags(const struct service_config *s)
{
	const struct limits_config *client = &s->limit_client, *service = &s->limit_service;
	uint32_t flags = 0;

	if (s->n_allow || s->n_deny)
		flags |= LIMITS_ACCESS;
	if (s->n_allow)
		flags |= LIMITS_ALLOW_ONLY;
	if (limits_packets(client))
		flags |= LIMITS_CLIENT;
	if (client->new_connections.count || client->connections)
		flags |= LIMITS_CLIENT_BEGIN;
	if (client->connections)
		flags |= LIMITS_CLIENT_COUNT;
	if (limits_packets(service))
		flags |= LIMITS_SERVICE;
	if (service->new_connections.count || service->connections)
		flags |= LIMITS_SERVICE_BEGIN;
	if (service->connections)
		flags |= LIMITS_SERVICE_COUNT;
	return flags;
}

uint32_t
limits_service_flags(const struct service_config *s)
{
	uint32_t limits = limits_flags(s), flags = 0;

	if (limits)
		flags |= SERVICE_LIMITED;
	/* TCP begins with a SYN; where a flow of UDP begins, only memory tells. Listeners count
	 * their own connections. */
	if (s->forward == FORWARD_PROXY)
		return flags;
	if ((limits & LIMITS_COUNT) || (s->protocol == IPPROTO_UDP && (limits & LIMITS_BEGIN)))
		flags |= SERVICE_TRACKED;
	return flags;
}

static uint32_t
connections_compile(const struct limits_config *l)
{
	return l->connections ? (uint32_t)l->connections : UINT32_MAX;
}

static void
limits_compile(struct service_limits *out, const struct service_config *s, uint16_t n_workers)
{
	const struct limits_config *client = &s->limit_client;
	struct addr ones, mask;
	enum limit_rate kind;

	memset(&ones, 0xff, sizeof(ones));
	out->flags = limits_flags(s);
	out->prefix4 = client->set ? client->prefix4 : 32;
	out->prefix6 = client->set ? client->prefix6 : 64;
	mask = addr_mask(&ones, 96u + out->prefix4);
	out->mask4 = mask.w[3];
	mask = addr_mask(&ones, out->prefix6);
	memcpy(out->mask6, mask.q, sizeof(out->mask6));
	out->client_connections = connections_compile(client);
	out->service_connections = connections_compile(&s->limit_service);
	for (kind = 0; kind < LIMIT_RATES; kind++) {
		struct gcra g = rate_compile(&s->limit_service, kind, &out->service_settings[kind]);

		out->client[kind] = rate_compile(client, kind, &out->client_settings[kind]);
		out->service[kind] = lease_compile(g, kind, n_workers);
	}
}

/* ---- all services ---- */

void
compile_owner_prefixes(const struct config *config, uint8_t *prefix4, uint8_t *prefix6)
{
	size_t i;

	*prefix4 = 32;
	*prefix6 = 64;
	for (i = 0; i < config_n_services(config); i++) {
		const struct limits_config *l = &config_service(config, i)->limit_client;

		if (!l->set && !config_limits_requests(config_listener(config, i)))
			continue;
		*prefix4 = l->prefix4 < *prefix4 ? l->prefix4 : *prefix4;
		*prefix6 = l->prefix6 < *prefix6 ? l->prefix6 : *prefix6;
	}
}

static void
release(void *data)
{
	struct limit_set *set = data;
	uint32_t i;

	for (i = 0; set->access && i < set->n; i++)
		shared_put(set->access[i]);
	free(set->access);
	free(set->limits);
}

struct limit_set *
limit_set_build(const struct compiler *c, const struct compile_services *services)
{
	struct limit_set *set = shared_new(sizeof(*set), release);
	size_t i, size;

	if (!set)
		return NULL;
	set->n = identity_limit(c->services);
	size = ((size_t)set->n + 1) * sizeof(*set->limits);
	set->limits = aligned_alloc(64, size);
	set->access = calloc((size_t)set->n + 1, sizeof(*set->access));
	if (!set->limits || !set->access) {
		shared_put(set);
		return NULL;
	}
	memset(set->limits, 0, size);
	for (i = 0; i < config_n_services(services->config); i++) {
		const struct service_config *s = config_service(services->config, i);
		uint32_t slot = services->slots[i];

		limits_compile(&set->limits[slot], s, c->n_workers);
		if (!(set->limits[slot].flags & LIMITS_ACCESS))
			continue;
		set->access[slot] = access_get(
		    s, c->limits && slot < c->limits->n ? c->limits->access[slot] : NULL);
		if (!set->access[slot]) {
			shared_put(set);
			return NULL;
		}
		set->limits[slot].access = set->access[slot]->lpm;
	}
	return set;
}

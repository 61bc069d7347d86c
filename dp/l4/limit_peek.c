/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the limits would say to a packet, in the order in which limit.c asks them; nothing is
 * charged, and no entry is taken.
 */
#include <string.h>

#include "dp/l4/client_table.h"
#include "dp/l4/lease.h"
#include "dp/l4/limit.h"
#include "lib/gcra.h"

static_assert(LIMIT_KIND_CLIENT_PACKETS + LIMIT_NEW_CONNECTIONS ==
		      (int)LIMIT_KIND_CLIENT_NEW_CONNECTIONS &&
		  LIMIT_KIND_SERVICE_PACKETS + LIMIT_NEW_CONNECTIONS ==
		      (int)LIMIT_KIND_SERVICE_NEW_CONNECTIONS,
	      "kinds follow the rates");

enum drop_reason
limit_kind_reason(enum limit_kind kind)
{
	static const enum drop_reason reasons[LIMIT_KINDS] = {
		[LIMIT_KIND_CLIENT_PACKETS] = DROP_CLIENT_PACKETS,
		[LIMIT_KIND_CLIENT_BYTES] = DROP_CLIENT_BYTES,
		[LIMIT_KIND_CLIENT_NEW_CONNECTIONS] = DROP_CLIENT_NEW_CONNECTIONS,
		[LIMIT_KIND_CLIENT_CONNECTIONS] = DROP_CLIENT_CONNECTIONS,
		[LIMIT_KIND_SERVICE_PACKETS] = DROP_SERVICE_PACKETS,
		[LIMIT_KIND_SERVICE_BYTES] = DROP_SERVICE_BYTES,
		[LIMIT_KIND_SERVICE_NEW_CONNECTIONS] = DROP_SERVICE_NEW_CONNECTIONS,
		[LIMIT_KIND_SERVICE_CONNECTIONS] = DROP_SERVICE_CONNECTIONS,
	};

	return kind < LIMIT_KINDS ? reasons[kind] : DROP_REASON_COUNT;
}

/* What is looked at. */
struct peek {
	const struct worker *w;
	const struct limit_query *query;
	const struct service_limits *limits;
	struct client client; /* a copy of the client's entry, or one that is as good as new */
	struct limits_view *out;
};

static uint8_t
access_of(const struct service_limits *l, const struct addr *client)
{
	uint32_t found;

	if (!(l->flags & LIMITS_ACCESS))
		return ACCESS_ANYBODY;
	found = lpm_lookup(l->access, client);
	if (found == ACCESS_DENY)
		return ACCESS_DENIED;
	return found == LPM_NONE && (l->flags & LIMITS_ALLOW_ONLY) ? ACCESS_MISSING
								   : ACCESS_ALLOWED;
}

static uint8_t
place_of(struct peek *k)
{
	const struct client_table *t = k->w->clients;
	struct client_lookup l = {
		.key = { .prefix = k->out->client.addr,
			 .service = k->query->service,
			 .epoch = k->w->snapshot->services[k->query->service].epoch },
	};
	uint32_t index;

	if (!(k->limits->flags & (LIMITS_CLIENT | LIMITS_CLIENT_BEGIN)))
		return CLIENT_UNLIMITED;
	client_lookups_begin(t, &l, 1);
	index = client_find(t, &l);
	if (index != INDEX_NONE) {
		k->client = *client_at(t, index);
		return CLIENT_KNOWN;
	}
	if (client_has_room(t, &l, k->w->now))
		return CLIENT_NEW;
	k->client = *client_at(t, CLIENT_SHARED | k->query->service);
	if (k->client.key.epoch != l.key.epoch)
		k->client = (struct client){ .key = l.key };
	return CLIENT_SHARED_PLACE;
}

/* Note what one limit says; the first that refuses is the packet's fate. */
static void
add(struct peek *k, const struct limit_view *view)
{
	struct limits_view *out = k->out;
	bool client = view->kind < LIMIT_KIND_SERVICE_PACKETS;

	out->views[out->count++] = *view;
	if (!view->exceeded || out->reason != DROP_REASON_COUNT)
		return;
	out->reason = client && out->place == CLIENT_SHARED_PLACE ? DROP_CLIENT_TABLE_FULL
								  : limit_kind_reason(view->kind);
}

static uint32_t
counts(const struct peek *k, enum limit_rate rate)
{
	return rate == LIMIT_BYTES ? k->query->ip_len : 1;
}

static bool
is_asked(const struct peek *k, enum limit_rate rate)
{
	return rate != LIMIT_NEW_CONNECTIONS || k->query->begins;
}

static struct limit_view
rate_view(enum limit_kind kind, const struct limit_setting *setting)
{
	return (struct limit_view){
		.kind = (uint8_t)kind,
		.count = setting->count,
		.period_ns = setting->period_ns,
		.burst_ns = setting->burst_ns,
	};
}

static void
client_rate(struct peek *k, enum limit_rate rate)
{
	const struct limit_setting *setting = &k->limits->client_settings[rate];
	struct limit_view view = rate_view(LIMIT_KIND_CLIENT_PACKETS + rate, setting);
	const struct gcra *g = &k->limits->client[rate];
	uint64_t now = gcra_time(k->w->now), tat = k->client.tat[rate];

	if (!setting->count)
		return;
	view.left = gcra_left(g, tat, now);
	view.exceeded =
	    is_asked(k, rate) && !gcra_allows(g, tat, now, gcra_cost(g, counts(k, rate)));
	add(k, &view);
}

static void
service_rate(struct peek *k, enum limit_rate rate)
{
	const struct limit_setting *setting = &k->limits->service_settings[rate];
	const struct service_bucket *bucket = &k->w->dataplane->service_buckets[k->query->service];
	const struct lease *lease = &k->w->leases[k->query->service];
	struct limit_view view = rate_view(LIMIT_KIND_SERVICE_PACKETS + rate, setting);
	const struct gcra *g = &k->limits->service[rate].gcra;
	uint64_t now = gcra_time(k->w->now), cost = gcra_cost(g, counts(k, rate)), credit = 0, tat;

	if (!setting->count)
		return;
	tat = atomic_load_explicit(&bucket->tat[rate], memory_order_relaxed);
	if (lease->epoch == k->w->snapshot->services[k->query->service].epoch)
		credit = lease->credit[rate];
	view.left =
	    gcra_left(g, tat, now) + (uint64_t)(((unsigned __int128)credit << g->shift) / g->mult);
	view.exceeded =
	    is_asked(k, rate) && credit < cost && !gcra_allows(g, tat, now, cost - credit);
	add(k, &view);
}

static void
connections(struct peek *k, enum limit_kind kind, uint32_t used, uint32_t most)
{
	struct limit_view view = {
		.kind = (uint8_t)kind,
		.count = most,
		.used = used,
		.left = used < most ? most - used : 0,
		.exceeded = k->query->begins && used >= most,
	};

	add(k, &view);
}

/* In the order of stage limit, then of limit_begin. */
static void
views_fill(struct peek *k)
{
	const struct service_bucket *bucket = &k->w->dataplane->service_buckets[k->query->service];
	const struct service_limits *l = k->limits;

	client_rate(k, LIMIT_PACKETS);
	client_rate(k, LIMIT_BYTES);
	service_rate(k, LIMIT_PACKETS);
	service_rate(k, LIMIT_BYTES);
	client_rate(k, LIMIT_NEW_CONNECTIONS);
	if (l->flags & LIMITS_CLIENT_COUNT)
		connections(k, LIMIT_KIND_CLIENT_CONNECTIONS, k->client.connections,
			    l->client_connections);
	service_rate(k, LIMIT_NEW_CONNECTIONS);
	if (l->flags & LIMITS_SERVICE_COUNT)
		connections(
		    k, LIMIT_KIND_SERVICE_CONNECTIONS,
		    service_connections(bucket, k->w->snapshot->services[k->query->service].epoch),
		    l->service_connections);
}

void
limit_peek(const struct worker *w, const struct limit_query *query, struct limits_view *out)
{
	const struct snapshot *s = w->snapshot;
	struct peek k = { .w = w, .query = query, .out = out };

	*out = (struct limits_view){ .reason = DROP_REASON_COUNT };
	out->client = (struct prefix){ .addr = query->client, .len = 128 };
	if (query->service >= s->n_services || !s->services[query->service].epoch ||
	    !(s->services[query->service].flags & SERVICE_LIMITED))
		return;
	k.limits = &s->limits[query->service];
	limit_client_prefix(k.limits, &query->client, &out->client.addr);
	out->client.len =
	    addr_is_v4(&query->client) ? (uint8_t)(96 + k.limits->prefix4) : k.limits->prefix6;
	out->access = access_of(k.limits, &query->client);
	if (out->access == ACCESS_DENIED || out->access == ACCESS_MISSING)
		out->reason = DROP_DENIED;
	out->place = place_of(&k);
	out->client_connections = k.client.connections;
	views_fill(&k);
}

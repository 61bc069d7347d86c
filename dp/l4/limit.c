/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stage limit, and what is charged where a connection begins.
 */
#include "dp/l4/limit.h"

#include <netinet/in.h>

#include "dp/l4/client_table.h"
#include "dp/l4/lease.h"
#include "dp/l4/stages.h"
#include "lib/gcra.h"

/* What may still come of a client whose connection is closing before it counts again: the last ACKs
 * and a FIN that is sent again some times, but no more: either acknowledges what the backend sends,
 * and keeps a connection going. */
#define CLOSING_BUDGET 11u
#define CLOSING_FIN    1u
#define CLOSING_OTHER  4u

/* The packets of a burst that are limited, and the clients that they belong to, in the same order:
 * not all of them need theirs. */
struct visits {
	uint32_t n, n_lookups;
	struct {
		struct packet *p;
		const struct service_limits *limits;
		uint64_t packet_cost;
		bool client;
	} list[BURST_MAX];
	struct client_lookup lookups[BURST_MAX];
};

static inline const struct service_limits *
limits_of(const struct worker *w, const struct packet *p)
{
	return &w->snapshot->limits[p->service];
}

static inline uint32_t
bytes_of(const struct packet *p, enum limit_rate kind)
{
	return kind == LIMIT_BYTES ? p->ip_len : 1;
}

/* ---- who is it? ---- */

static void
client_key(const struct worker *w, const struct service_limits *l, const struct packet *p,
	   struct client_key *key)
{
	limit_client_prefix(l, &p->tuple.src, &key->prefix);
	key->owner = client_owner(p->service, w->snapshot->services[p->service].epoch);
}

/* True if the packet may begin a connection, as far as this stage can tell. */
static inline bool
may_begin(const struct packet *p)
{
	if (p->tuple.proto == IPPROTO_UDP)
		return true;
	return (p->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

static inline bool
wants_client(const struct service_limits *l, const struct packet *p)
{
	return (l->flags & LIMITS_CLIENT) || ((l->flags & LIMITS_CLIENT_BEGIN) && may_begin(p));
}

/* The client's entry, looked up alone. */
static struct client *
client_alone(struct worker *w, const struct service_limits *l, struct packet *p)
{
	struct client_lookup lookup;

	client_key(w, l, p, &lookup.key);
	client_lookups_begin(w->clients, &lookup, 1);
	p->client = client_take(w->clients, &lookup, w->now);
	return client_at(w->clients, p->client);
}

/* The entry that stage limit has found for p, or another if it has none or had nothing to keep it
 * in its place. */
static struct client *
client_of(struct worker *w, const struct service_limits *l, struct packet *p)
{
	struct client_key key;
	struct client *c;

	if (p->client == INDEX_NONE)
		return client_alone(w, l, p);
	c = client_at(w->clients, p->client);
	if (p->client & CLIENT_SHARED)
		return c;
	client_key(w, l, p, &key);
	return client_same_key(&c->key, &key) ? c : client_alone(w, l, p);
}

/* ---- refusing ---- */

/* One who shares an entry is told so: it is not this client's own limit. */
static bool
reject_client(struct packet *p, enum drop_reason reason)
{
	packet_drop(p, p->client & CLIENT_SHARED ? DROP_CLIENT_TABLE_FULL : reason);
	return false;
}

static bool
reject(struct packet *p, enum drop_reason reason)
{
	packet_drop(p, reason);
	return false;
}

/* ---- rates ---- */

static inline bool
client_allows(const struct worker *w, const struct service_limits *l, const struct client *c,
	      enum limit_rate kind, uint32_t n)
{
	const struct gcra *g = &l->client[kind];

	return gcra_allows(g, c->tat[kind], gcra_time(w->now), gcra_cost(g, n));
}

static inline void
client_charge(const struct worker *w, const struct service_limits *l, struct client *c,
	      enum limit_rate kind, uint32_t n)
{
	const struct gcra *g = &l->client[kind];

	c->tat[kind] = gcra_commit(g, c->tat[kind], gcra_time(w->now), gcra_cost(g, n));
}

static inline void
client_refund(const struct service_limits *l, struct client *c, enum limit_rate kind, uint32_t n)
{
	uint64_t cost = gcra_cost(&l->client[kind], n);

	c->tat[kind] -= c->tat[kind] < cost ? c->tat[kind] : cost;
}

/* Refused by a rate: what other limits have left too far ahead goes down from here, now. */
static enum drop_reason
refuse_rate(struct worker *w, const struct service_limits *l, uint32_t client,
	    enum drop_reason reason)
{
	struct client *c = client_at(w->clients, client);
	enum limit_rate kind;

	for (kind = 0; kind < LIMIT_RATES; kind++)
		c->tat[kind] = gcra_bounded(&l->client[kind], c->tat[kind], gcra_time(w->now));
	return client & CLIENT_SHARED ? DROP_CLIENT_TABLE_FULL : reason;
}

static bool
reject_rate(struct worker *w, struct packet *p, enum drop_reason reason)
{
	packet_drop(p, refuse_rate(w, limits_of(w, p), p->client, reason));
	return false;
}

static struct lease_request
lease_request(struct worker *w, const struct packet *p, enum limit_rate kind)
{
	return (struct lease_request){
		.lease = lease_of(w, p->service),
		.bucket = &w->dataplane->service_buckets[p->service],
		.rate = &limits_of(w, p)->service[kind],
		.kind = kind,
		.now = gcra_time(w->now),
	};
}

static inline uint64_t
lease_cost(const struct lease_request *r, uint32_t n)
{
	return gcra_cost(&r->rate->gcra, n);
}

/* ---- the stage ---- */

/* Have credit for both, or for none. */
static bool
service_allows(struct worker *w, struct packet *p)
{
	struct lease_request packets = lease_request(w, p, LIMIT_PACKETS), bytes = packets;

	bytes.kind = LIMIT_BYTES;
	bytes.rate = &limits_of(w, p)->service[LIMIT_BYTES];
	if (!lease_ensure(&packets, lease_cost(&packets, 1)))
		return reject(p, DROP_SERVICE_PACKETS);
	if (!lease_ensure(&bytes, lease_cost(&bytes, p->ip_len))) {
		lease_give_back(&packets, 0);
		return reject(p, DROP_SERVICE_BYTES);
	}
	packets.lease->credit[LIMIT_PACKETS] -= lease_cost(&packets, 1);
	packets.lease->credit[LIMIT_BYTES] -= lease_cost(&bytes, p->ip_len);
	return true;
}

/* Packets and bytes: all limits are asked, then all are charged. */
static void
charge(struct worker *w, const struct service_limits *l, struct packet *p)
{
	uint64_t now = gcra_time(w->now), packets, bytes;
	struct client *c;

	if (!(l->flags & LIMITS_CLIENT)) {
		if (l->flags & LIMITS_SERVICE)
			service_allows(w, p);
		return;
	}
	c = client_at(w->clients, p->client);
	if (!gcra_try(&l->client[LIMIT_PACKETS], c->tat[LIMIT_PACKETS], now,
		      gcra_cost(&l->client[LIMIT_PACKETS], 1), &packets)) {
		reject_rate(w, p, DROP_CLIENT_PACKETS);
		return;
	}
	if (!gcra_try(&l->client[LIMIT_BYTES], c->tat[LIMIT_BYTES], now,
		      gcra_cost(&l->client[LIMIT_BYTES], p->ip_len), &bytes)) {
		reject_rate(w, p, DROP_CLIENT_BYTES);
		return;
	}
	if ((l->flags & LIMITS_SERVICE) && !service_allows(w, p))
		return;
	c->tat[LIMIT_PACKETS] = packets;
	c->tat[LIMIT_BYTES] = bytes;
}

/* What the packets of a row have in common: those to one service. */
struct row {
	uint32_t service, epoch;
	const struct service_limits *limits; /* NULL: it has none */
	uint64_t packet_cost;                /* of a client's packets */
};

static struct row
row_of(const struct snapshot *s, uint32_t index)
{
	struct row row = { .service = index };

	if (index >= s->n_services || !s->services[index].epoch ||
	    !(s->services[index].flags & SERVICE_LIMITED))
		return row;
	row.epoch = s->services[index].epoch;
	row.limits = &s->limits[index];
	row.packet_cost = gcra_cost(&row.limits->client[LIMIT_PACKETS], 1);
	return row;
}

/* Is the client on the lists' right side? */
static inline bool
may_come(const struct service_limits *l, const struct packet *p)
{
	return !(l->flags & LIMITS_ACCESS) || limit_lists_allow(l, &p->tuple.src);
}

/* Note a packet that is limited; drop it if it may not come at all. */
static inline void
visit(struct worker *w, struct visits *v, const struct row *row, struct packet *p)
{
	const struct service_limits *l = row->limits;
	bool client = wants_client(l, p);
	struct client_lookup *lookup;

	if (!may_come(l, p)) {
		packet_drop(p, DROP_DENIED);
		return;
	}
	if (client) {
		lookup = &v->lookups[v->n_lookups++];
		limit_client_prefix(l, &p->tuple.src, &lookup->key.prefix);
		lookup->key.owner = client_owner(row->service, row->epoch);
		client_lookup_begin(w->clients, lookup);
	} else if (!(l->flags & LIMITS_SERVICE)) {
		return;
	}
	v->list[v->n].p = p;
	v->list[v->n].limits = l;
	v->list[v->n].packet_cost = row->packet_cost;
	v->list[v->n++].client = client;
}

enum drop_reason
limit_charge(struct worker *w, const struct limit_charge *charge)
{
	const struct service_limits *l = charge->limits;
	const struct gcra *of_packets = &l->client[LIMIT_PACKETS];
	const struct gcra *of_bytes = &l->client[LIMIT_BYTES];
	struct client *c = client_at(w->clients, charge->client);
	uint64_t now = gcra_time(w->now), packets, bytes;

	if (unlikely(
		!gcra_try(of_packets, c->tat[LIMIT_PACKETS], now, charge->packet_cost, &packets)))
		return refuse_rate(w, l, charge->client, DROP_CLIENT_PACKETS);
	if (unlikely(!gcra_try(of_bytes, c->tat[LIMIT_BYTES], now,
			       gcra_cost(of_bytes, charge->bytes), &bytes)))
		return refuse_rate(w, l, charge->client, DROP_CLIENT_BYTES);
	c->tat[LIMIT_PACKETS] = packets;
	c->tat[LIMIT_BYTES] = bytes;
	return DROP_REASON_COUNT;
}

/* As charge, for packets to services that limit clients only: nearly all that are limited. */
static inline void
charge_client(struct worker *w, const struct service_limits *l, struct packet *p,
	      uint64_t packet_cost)
{
	const struct limit_charge c = { l, packet_cost, p->client, p->ip_len };
	enum drop_reason why = limit_charge(w, &c);

	if (unlikely(why != DROP_REASON_COUNT))
		packet_drop(p, why);
}

void
stage_limit(struct worker *w, struct burst *b)
{
	struct row row = { .service = INDEX_NONE };
	const struct client_lookup *lookup;
	struct visits v;
	struct packet *p;
	uint32_t i;

	/* 1. Who may not come goes; who are the others? */
	v.n = v.n_lookups = 0;
	for (p = b->packets; p < &b->packets[b->count]; p++) {
		p->client = INDEX_NONE;
		if (p->verdict != VERDICT_CONTINUE || p->direction != DIR_FORWARD)
			continue;
		if (unlikely(p->service != row.service))
			row = row_of(w->snapshot, p->service);
		if (row.limits)
			visit(w, &v, &row, p);
	}
	/* 2. Their entries, on their way. */
	if (v.n_lookups)
		client_lookups_fetch(w->clients, v.lookups, v.n_lookups);
	/* 3. Charge. */
	lookup = v.lookups;
	for (i = 0; i < v.n; i++) {
		const struct service_limits *l = v.list[i].limits;

		p = v.list[i].p;
		if (v.list[i].client)
			p->client = client_take(w->clients, lookup++, w->now);
		if ((l->flags & (LIMITS_CLIENT | LIMITS_SERVICE)) == LIMITS_CLIENT)
			charge_client(w, l, p, v.list[i].packet_cost);
		else
			charge(w, l, p);
	}
}

/* ---- where a connection begins ---- */

/* What stage limit has charged for p. */
static void
refund_packet(struct worker *w, struct packet *p)
{
	const struct service_limits *l = limits_of(w, p);
	enum limit_rate kind;

	for (kind = LIMIT_PACKETS; kind <= LIMIT_BYTES; kind++) {
		if (l->flags & LIMITS_CLIENT)
			client_refund(l, client_at(w->clients, p->client), kind, bytes_of(p, kind));
		if (l->flags & LIMITS_SERVICE) {
			struct lease_request r = lease_request(w, p, kind);

			lease_give_back(&r, lease_cost(&r, bytes_of(p, kind)));
		}
	}
}

/* What the client's limits say to one more connection. */
static bool
client_begins(struct worker *w, struct packet *p, struct client *c)
{
	const struct service_limits *l = limits_of(w, p);

	if (!client_allows(w, l, c, LIMIT_NEW_CONNECTIONS, 1))
		return reject_rate(w, p, DROP_CLIENT_NEW_CONNECTIONS);
	if (c->connections >= l->client_connections)
		return reject_client(p, DROP_CLIENT_CONNECTIONS);
	return true;
}

/* A listener's connections are counted when their handshake is complete: limit_accept. */
static inline bool
counts_at_once(const struct worker *w, const struct packet *p)
{
	return w->snapshot->services[p->service].mode != MODE_PROXY;
}

/* One connection more of the service, which is counted then if it is to be counted at once. */
static bool
service_has_room(struct worker *w, const struct packet *p, struct service_bucket *bucket)
{
	uint32_t epoch = w->snapshot->services[p->service].epoch;
	uint32_t most = limits_of(w, p)->service_connections;

	if (counts_at_once(w, p))
		return service_connection_add(bucket, epoch, most);
	return service_connections(bucket, epoch) < most;
}

/* The same of the service's; if it may, it is charged. */
static bool
service_begins(struct worker *w, struct packet *p)
{
	const struct service_limits *l = limits_of(w, p);
	struct lease_request r = lease_request(w, p, LIMIT_NEW_CONNECTIONS);

	if (!lease_ensure(&r, lease_cost(&r, 1)))
		return reject(p, DROP_SERVICE_NEW_CONNECTIONS);
	if ((l->flags & LIMITS_SERVICE_COUNT) && !service_has_room(w, p, r.bucket)) {
		lease_give_back(&r, 0);
		return reject(p, DROP_SERVICE_CONNECTIONS);
	}
	r.lease->credit[LIMIT_NEW_CONNECTIONS] -= lease_cost(&r, 1);
	return true;
}

static inline bool
begins_limited(const struct worker *w, const struct packet *p)
{
	return (w->snapshot->services[p->service].flags & SERVICE_LIMITED) &&
	       (limits_of(w, p)->flags & LIMITS_BEGIN);
}

bool
limit_begin(struct worker *w, struct packet *p)
{
	const struct service_limits *l = limits_of(w, p);
	struct client *c = NULL;

	if (!begins_limited(w, p))
		return true;
	if (l->flags & LIMITS_CLIENT_BEGIN)
		c = client_of(w, l, p);
	if ((c && !client_begins(w, p, c)) ||
	    ((l->flags & LIMITS_SERVICE_BEGIN) && !service_begins(w, p))) {
		refund_packet(w, p);
		return false;
	}
	if (!c)
		return true;
	client_charge(w, l, c, LIMIT_NEW_CONNECTIONS, 1);
	if ((l->flags & LIMITS_CLIENT_COUNT) && counts_at_once(w, p))
		c->connections++;
	return true;
}

void
limit_begun(struct worker *w, const struct packet *p)
{
	struct connection *c = connection_at(w->connections, p->connection);

	if (!begins_limited(w, p))
		return;
	c->client = p->client;
	if (limits_of(w, p)->flags & LIMITS_CLIENT_COUNT)
		c->flags |= CONNECTION_COUNTED_CLIENT;
	if (limits_of(w, p)->flags & LIMITS_SERVICE_COUNT)
		c->flags |= CONNECTION_COUNTED_SERVICE;
}

static void
uncount_client(struct worker *w, uint32_t index, uint32_t service, uint32_t epoch)
{
	struct client *c = client_at(w->clients, index);

	/* The shared entry may be another service's by now. */
	if (c->key.service != service || c->key.epoch != epoch || !c->connections)
		return;
	if (--c->connections == 0)
		client_released(w->clients, index, w->now);
}

void
limit_abort(struct worker *w, const struct packet *p)
{
	const struct service_limits *l = limits_of(w, p);
	uint32_t epoch = w->snapshot->services[p->service].epoch;

	if (!begins_limited(w, p))
		return;
	if (l->flags & LIMITS_CLIENT_BEGIN)
		client_refund(l, client_at(w->clients, p->client), LIMIT_NEW_CONNECTIONS, 1);
	if (l->flags & LIMITS_CLIENT_COUNT)
		uncount_client(w, p->client, p->service, epoch);
	if (l->flags & LIMITS_SERVICE_BEGIN) {
		struct lease_request r = lease_request(w, p, LIMIT_NEW_CONNECTIONS);

		lease_give_back(&r, lease_cost(&r, 1));
	}
	if (l->flags & LIMITS_SERVICE_COUNT)
		service_connection_remove(&w->dataplane->service_buckets[p->service], epoch);
}

void
limit_ended(struct worker *w, struct connection *c)
{
	if (c->flags & CONNECTION_COUNTED_CLIENT)
		uncount_client(w, c->client, c->service, c->service_epoch);
	if (c->flags & CONNECTION_COUNTED_SERVICE)
		service_connection_remove(&w->dataplane->service_buckets[c->service],
					  c->service_epoch);
	c->flags &= (uint8_t) ~(CONNECTION_COUNTED_CLIENT | CONNECTION_COUNTED_SERVICE);
}

/* ---- connections that end here ---- */

bool
limit_accept(struct worker *w, struct packet *p, struct limit_count *count)
{
	uint32_t epoch = w->snapshot->services[p->service].epoch;
	const struct service_limits *l = limits_of(w, p);
	struct client *c = NULL;

	*count = (struct limit_count){ .client = INDEX_NONE };
	if (!begins_limited(w, p))
		return true;
	if (l->flags & LIMITS_CLIENT_COUNT) {
		c = client_of(w, l, p);
		if (c->connections >= l->client_connections)
			return reject_client(p, DROP_CLIENT_CONNECTIONS);
	}
	if (l->flags & LIMITS_SERVICE_COUNT) {
		if (!service_connection_add(&w->dataplane->service_buckets[p->service], epoch,
					    l->service_connections))
			return reject(p, DROP_SERVICE_CONNECTIONS);
		count->service = true;
	}
	if (c) {
		c->connections++;
		count->client = p->client;
	}
	return true;
}

void
limit_leave(struct worker *w, uint32_t service, uint32_t epoch, const struct limit_count *count)
{
	if (count->client != INDEX_NONE)
		uncount_client(w, count->client, service, epoch);
	if (count->service)
		service_connection_remove(&w->dataplane->service_buckets[service], epoch);
}

/* ---- connections that are not counted yet, or no longer ---- */

/* Count connection c of p by what `flags` (LIMITS_COUNT) says, if there is room. */
static bool
count_again(struct worker *w, struct packet *p, struct connection *c, bool force)
{
	const struct service_limits *l = limits_of(w, p);
	bool client = (l->flags & LIMITS_CLIENT_COUNT) && !(c->flags & CONNECTION_COUNTED_CLIENT);
	bool service =
	    (l->flags & LIMITS_SERVICE_COUNT) && !(c->flags & CONNECTION_COUNTED_SERVICE);
	struct client *entry = client ? client_of(w, l, p) : NULL;

	if (client && !force && entry->connections >= l->client_connections)
		return reject_client(p, DROP_CLIENT_CONNECTIONS);
	if (service &&
	    !service_connection_add(&w->dataplane->service_buckets[p->service], c->service_epoch,
				    force ? UINT32_MAX : l->service_connections))
		return force || reject(p, DROP_SERVICE_CONNECTIONS);
	if (service)
		c->flags |= CONNECTION_COUNTED_SERVICE;
	if (!client)
		return true;
	c->client = p->client;
	c->flags |= CONNECTION_COUNTED_CLIENT;
	entry->connections++;
	return true;
}

static inline bool
all_counted(const struct service_limits *l, const struct connection *c)
{
	return (!(l->flags & LIMITS_CLIENT_COUNT) || (c->flags & CONNECTION_COUNTED_CLIENT)) &&
	       (!(l->flags & LIMITS_SERVICE_COUNT) || (c->flags & CONNECTION_COUNTED_SERVICE));
}

void
limit_restored(struct worker *w, struct connection *c)
{
	uint8_t counted = CONNECTION_COUNTED_CLIENT | CONNECTION_COUNTED_SERVICE;
	struct packet p = { .service = c->service, .tuple = c->forward, .client = INDEX_NONE };
	bool over = c->state == CONNECTION_CLOSING && !(c->flags & counted);

	c->flags &= (uint8_t)~counted;
	if (over || !begins_limited(w, &p) || !(limits_of(w, &p)->flags & LIMITS_COUNT))
		return;
	count_again(w, &p, c, true);
}

/* True if p may be one of the last packets of a connection that is closing. */
static bool
closing_allows(struct connection *c, const struct packet *p)
{
	uint32_t used = c->after_closing + (p->tcp_flags & TCP_FIN ? CLOSING_FIN : CLOSING_OTHER);

	/* Nothing is acknowledged by a RST. */
	if (p->tcp_flags & TCP_RST)
		return true;
	if (used > CLOSING_BUDGET)
		return false;
	c->after_closing = (uint8_t)used;
	return true;
}

bool
limit_adopt(struct worker *w, struct packet *p)
{
	struct connection *c = connection_at(w->connections, p->connection);

	if (all_counted(limits_of(w, p), c) || (p->flags & (PACKET_ICMP_ERROR | PACKET_LATER)))
		return true;
	/* A later packet of the burst has ended it; the slot may be another connection's. */
	if (c->state == CONNECTION_FREE || !connection_holds(c, p))
		return true;
	if (c->state != CONNECTION_CLOSING)
		return count_again(w, p, c, true);
	/* It closed behind p, or it is over, as it seems. */
	if (!(p->flags & PACKET_AFTER_CLOSING) || closing_allows(c, p))
		return true;
	if (count_again(w, p, c, false))
		return true;
	refund_packet(w, p);
	return false;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stage balance: which backend gets a forward packet?
 *
 * A packet of a known connection goes where that goes. Any other goes by its row of the pool's
 * tables (architecture, section 5):
 *
 *     row is        packet                    goes by      leaves an entry
 *     stable        any                       either       nat, full-nat
 *     moving        TCP SYN; UDP in nat       candidate    yes
 *                   and full-nat
 *     moving        else, while what began    settled      yes
 *                   before the change may live
 *     moving        else, later               candidate    yes
 *
 * A backend that is down or gone counts in no table: then the candidate decides. ICMP errors, later
 * fragments and RSTs never leave an entry.
 */
#include "dp/l4/balance.h"

#include <netinet/in.h>

#include <rte_prefetch.h>

#include "dp/l4/connection.h"
#include "dp/l4/limit.h"
#include "dp/l4/refuse.h"
#include "dp/l4/source_port.h"
#include "dp/l4/stages.h"
#include "lib/maglev.h"

static inline bool
is_syn(const struct packet *p)
{
	return (p->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

/* Says enough about its connection to leave an entry for it. */
static bool
leaves_entry(const struct packet *p)
{
	return !(p->flags & (PACKET_ICMP_ERROR | PACKET_LATER)) && !(p->tcp_flags & TCP_RST);
}

/* May p belong to what began before the row moved? */
static bool
goes_by_settled(const struct worker *w, const struct packet *p, const struct pool *pool)
{
	const struct service *service = &w->snapshot->services[p->service];

	if (is_syn(p))
		return false;
	/* Where every flow has an entry, a datagram without one begins a flow. */
	if (p->tuple.proto == IPPROTO_UDP && forward_tracks(service->mode))
		return false;
	if (p->tuple.proto == IPPROTO_TCP)
		return w->now < pool->changed_at + service->timeout_established;
	return w->now < pool->changed_at + service->timeout_udp;
}

static uint32_t
choose_backend(const struct worker *w, const struct packet *p, const struct pool *pool)
{
	uint32_t backend;

	if (pool_moving(pool, p->flow_hash) && goes_by_settled(w, p, pool)) {
		backend = balance_member(w->snapshot, pool, pool_settled(pool, p->flow_hash));
		if (backend != INDEX_NONE)
			return backend;
	}
	return balance_member(w->snapshot, pool, pool_candidate(pool, p->flow_hash));
}

/* Of a connection that p begins in the nat modes, but for full-nat's source. Where it is wanted, as
 * a copy would have to wait for what it copies. */
static inline void
tracked_target(const struct worker *w, const struct packet *p, struct connection_target *t)
{
	const struct backend *b = &w->snapshot->backends[p->backend];

	t->service = p->service;
	t->backend = p->backend;
	t->backend_port = b->port ? b->port : p->tuple.dport;
	t->local_port = 0;
	t->backend_addr = b->addr;
	t->local = (struct addr){ 0 };
}

/* After a restart of ours nat finds its way in the middle of a stream; full-nat cannot know the
 * source that the backend saw. */
static bool
may_begin_tracked(const struct packet *p, uint8_t mode)
{
	return leaves_entry(p) &&
	       (mode != MODE_FULL_NAT || p->tuple.proto != IPPROTO_TCP || is_syn(p));
}

/* nat and full-nat: no packet goes without a connection. */
static bool
begin_tracked(struct worker *w, struct packet *p, uint8_t mode,
	      const struct connection_sought *sought)
{
	struct connection_target t;
	enum drop_reason why;

	if (!may_begin_tracked(p, mode)) {
		packet_drop(p, DROP_CONNECTION_UNKNOWN);
		return false;
	}
	if (!limit_begin(w, p))
		return false;
	tracked_target(w, p, &t);
	if (mode == MODE_FULL_NAT && !source_port_choose(w, p, &t)) {
		limit_abort(w, p);
		packet_drop(p, DROP_SOURCE_PORT_EXHAUSTED);
		return false;
	}
	p->connection = connection_open(w, p, &t, sought, &why);
	if (p->connection == INDEX_NONE) {
		limit_abort(w, p);
		packet_drop(p, why);
		return false;
	}
	limit_begun(w, p);
	p->backend = connection_at(w->connections, p->connection)->backend;
	return true;
}

/* DSR: the entry of a moving row. Without room for it the packet goes all the same; it only will
 * not be remembered. */
static void
begin_pinned(struct worker *w, struct packet *p)
{
	const struct connection_target t = { .service = p->service, .backend = p->backend };
	enum drop_reason why;

	if (leaves_entry(p))
		p->connection = connection_open(w, p, &t, NULL, &why);
}

/* DSR, where a limit counts connections: none begins without an entry. */
static bool
begin_counted(struct worker *w, struct packet *p, const struct connection_sought *sought)
{
	const struct connection_target t = { .service = p->service, .backend = p->backend };
	enum drop_reason why;

	if (!leaves_entry(p))
		return true;
	if (!limit_begin(w, p))
		return false;
	p->connection = connection_open(w, p, &t, sought, &why);
	if (p->connection == INDEX_NONE) {
		limit_abort(w, p);
		packet_drop(p, why);
		return false;
	}
	limit_begun(w, p);
	return true;
}

/* A connection that is not remembered, so that nobody will see its end: it has begun, and it is
 * none of those that are active. */
static void
count_unremembered(struct worker *w, const struct packet *p)
{
	struct service_stats *service = &w->service_stats[p->service];
	struct backend_stats *backend = &w->backend_stats[p->backend];

	service->connections_total++;
	service->connections_ended++;
	backend->connections_total++;
	backend->connections_ended++;
}

/* p has a connection. False: dropped, since its connection is not one that counts. */
static inline bool
keep(struct worker *w, struct packet *p)
{
	return !(w->snapshot->services[p->service].flags & SERVICE_TRACKED) || limit_adopt(w, p);
}

/* What the packets of a row have in common: those to one service. */
struct row {
	uint32_t service;
	const struct pool *pool;
	bool client_only; /* the hash */
	bool tracks;      /* packets of a connection need no hash */
	bool opens;       /* every flow has a connection */
	bool stable;      /* no connection is remembered, and no row of the pool moves */
};

static struct row
row_of(const struct snapshot *s, uint32_t index)
{
	const struct service *service = &s->services[index];
	const struct pool *pool = &s->pools[service->pool];
	bool tracks = forward_tracks(service->mode);

	return (struct row){
		.service = index,
		.pool = pool,
		.client_only = service->flags & SERVICE_HASH_CLIENT,
		.tracks = tracks,
		.opens = tracks || (service->flags & SERVICE_TRACKED),
		.stable = balance_rests(s, index),
	};
}

/* The backend of a packet of a stable row that begins nothing. False: it is for place(). */
static inline bool
place_stable(const struct snapshot *s, const struct row *row, struct packet *p)
{
	uint32_t backend;

	if (!row->stable || is_syn(p))
		return false;
	backend = balance_member(s, row->pool, pool_candidate(row->pool, p->flow_hash));
	if (unlikely(backend == INDEX_NONE))
		return false;
	p->backend = backend;
	return true;
}

/* Refuse p, whose pool has no backend for it. */
static void
refuse_unserved(struct worker *w, struct packet *p)
{
	if (w->snapshot->services[p->service].flags & SERVICE_REFUSE)
		refuse(w, p, DROP_NO_BACKEND);
	else
		packet_drop(p, DROP_NO_BACKEND);
}

/* Give p a backend, and a connection where that is due. hashes: NULL, or p has been foreseen:
 * then p->backend is chosen. False: dropped. */
static bool
place(struct worker *w, struct packet *p, const struct connection_hashes *hashes, bool *opened)
{
	const struct service *service = &w->snapshot->services[p->service];
	const struct pool *pool = &w->snapshot->pools[service->pool];
	struct connection_sought sought, *known = NULL;

	if (hashes) {
		known = &sought;
		sought.hashes = *hashes;
		sought.hit = connection_seek(w, p, hashes->forward);
	} else if (*opened) {
		sought.hit = connection_find(w, &p->tuple);
	}
	/* An earlier packet of this burst may have opened it after stage track looked. */
	if (*opened && sought.hit != INDEX_NONE) {
		if (connection_join(w, p, sought.hit))
			return keep(w, p);
		/* If it was over it is gone. */
		if (hashes)
			sought.hit = connection_seek(w, p, hashes->forward);
	}
	if (!hashes)
		p->backend = pool->n_members ? choose_backend(w, p, pool) : INDEX_NONE;
	if (p->backend == INDEX_NONE) {
		refuse_unserved(w, p);
		return false;
	}
	if (forward_tracks(service->mode)) {
		*opened = true;
		return begin_tracked(w, p, service->mode, known);
	}
	if (service->flags & SERVICE_TRACKED) {
		*opened = true;
		return begin_counted(w, p, known);
	}
	if (is_syn(p) && !limit_begin(w, p))
		return false;
	if (pool_moving(pool, p->flow_hash)) {
		*opened = true;
		begin_pinned(w, p);
	}
	if (is_syn(p) && p->connection == INDEX_NONE)
		count_unremembered(w, p);
	return true;
}

static inline bool
wants_backend(const struct packet *p)
{
	return p->verdict == VERDICT_CONTINUE && p->direction == DIR_FORWARD &&
	       p->service != INDEX_NONE;
}

/* A burst's packets to one service, counted at once. */
struct tally {
	uint32_t service;
	uint32_t packets, bytes;
};

static inline void
tally_end(struct worker *w, const struct tally *t)
{
	if (!t->packets)
		return;
	w->service_stats[t->service].packets_in += t->packets;
	w->service_stats[t->service].bytes_in += t->bytes;
}

static inline void
count_forward(struct worker *w, struct tally *t, const struct packet *p)
{
	struct backend_stats *backend = &w->backend_stats[p->backend];

	if (unlikely(p->service != t->service)) {
		tally_end(w, t);
		*t = (struct tally){ .service = p->service };
	}
	t->packets++;
	t->bytes += p->ip_len;
	backend->packets++;
	backend->bytes += p->ip_len;
	if (p->connection != INDEX_NONE)
		connection_at(w->connections, p->connection)->packets_in++;
}

/* A connection that a packet of this burst has closed may be another client's now. Earlier packets
 * of the old one must not leave as that client's. */
static void
check_connections(struct worker *w, struct burst *b)
{
	uint16_t i;

	for (i = 0; i < b->count; i++) {
		struct packet *p = &b->packets[i];

		if (p->verdict != VERDICT_CONTINUE || p->connection == INDEX_NONE ||
		    connection_holds(connection_at(w->connections, p->connection), p))
			continue;
		p->connection = INDEX_NONE; /* DSR: the backend is known, and enough */
		if (forward_tracks(w->snapshot->services[p->service].mode))
			packet_drop(p, DROP_CONNECTION_UNKNOWN);
	}
}

/* Send for a row; a pool without backends has no table, so the address is a number until then. */
static void
prefetch_row(const struct pool *pool, uint32_t row)
{
	rte_prefetch0((const void *)((uintptr_t)pool->candidate + row * sizeof(*pool->candidate)));
}

/* Hashes (DSR modes spread their tunnels by them too), and the rows that they name. True if
 * a connection may begin. */
static bool
hash_flows(const struct snapshot *s, struct burst *b)
{
	struct row row = { .service = INDEX_NONE };
	bool begin = false;
	struct packet *p;

	for (p = b->packets; p < &b->packets[b->count]; p++) {
		if (!wants_backend(p))
			continue;
		if (unlikely(p->service != row.service))
			row = row_of(s, p->service);
		if (row.tracks && p->connection != INDEX_NONE)
			continue;
		p->flow_hash = balance_hash(&p->tuple, row.client_only);
		prefetch_row(row.pool, maglev_row(p->flow_hash, row.pool->rows));
		begin |= row.opens && p->connection == INDEX_NONE;
	}
	return begin;
}

/* What connections that may begin will be: of packet i if bit i of `seen` is set. */
struct foresight {
	uint64_t seen;
	struct connection_hashes hashes[BURST_MAX];
};
static_assert(BURST_MAX <= 64, "a bit for each packet of a burst");

/* So many packets before a connection begins, what it needs is sent for: it lies in many places.
 * (For the whole burst at once the processor would wait here, with nothing to do meanwhile.) */
#define AHEAD 8

/* Choose backends, and hash what they make of the packets. All packets in a row, as each has many
 * steps of which one waits for the other. */
static void
foresee(struct worker *w, struct burst *b, struct foresight *f)
{
	struct row row = { .service = INDEX_NONE };
	uint32_t i;

	for (i = 0; i < b->count; i++) {
		struct packet *p = &b->packets[i];
		struct connection_target t;

		if (!wants_backend(p) || p->connection != INDEX_NONE)
			continue;
		if (unlikely(p->service != row.service))
			row = row_of(w->snapshot, p->service);
		if (!row.opens || !row.pool->n_members)
			continue;
		p->backend = choose_backend(w, p, row.pool);
		if (p->backend == INDEX_NONE)
			continue;
		tracked_target(w, p, &t);
		connection_foresee(w, p, &t, &f->hashes[i]);
		f->seen |= 1ull << i;
	}
}

static inline void
prefetch_foreseen(const struct worker *w, const struct burst *b, const struct foresight *f,
		  uint32_t i)
{
	if (i < b->count && (f->seen >> i & 1))
		connection_prefetch(w, &b->packets[i], &f->hashes[i]);
}

void
stage_balance(struct worker *w, struct burst *b)
{
	const struct snapshot *s = w->snapshot;
	struct row row = { .service = INDEX_NONE };
	struct tally tally = { 0 };
	bool opened = false;
	const struct connection_hashes *hashes;
	struct foresight f;
	struct packet *p;
	uint32_t i;

	/* 1. Which row? */
	f.seen = 0;
	if (hash_flows(s, b))
		foresee(w, b, &f);
	for (i = 0; f.seen && i < AHEAD; i++)
		prefetch_foreseen(w, b, &f, i);
	/* 2. A backend for those without a connection. */
	for (i = 0; i < b->count; i++) {
		p = &b->packets[i];
		prefetch_foreseen(w, b, &f, i + AHEAD);
		if (!wants_backend(p))
			continue;
		if (unlikely(p->service != row.service))
			row = row_of(s, p->service);
		hashes = f.seen >> i & 1 ? &f.hashes[i] : NULL;
		if (p->connection != INDEX_NONE
			? keep(w, p)
			: likely(place_stable(s, &row, p)) || place(w, p, hashes, &opened))
			count_forward(w, &tally, p);
	}
	tally_end(w, &tally);
	/* 3. Where slots have been given, those of before. */
	if (opened)
		check_connections(w, b);
}

/* Would begin_tracked succeed, and with which source? */
static bool
peek_tracked(struct worker *w, struct packet *p, uint8_t mode, struct balance_choice *choice)
{
	enum drop_reason why = DROP_CONNECTION_UNKNOWN;
	struct connection_target t;
	uint32_t count;
	bool found;

	choice->begins = may_begin_tracked(p, mode);
	if (!choice->begins) {
		packet_drop(p, why);
		return false;
	}
	tracked_target(w, p, &t);
	if (mode == MODE_FULL_NAT) {
		count = connections_source_count(w->connections);
		connections_source_rewind(w->connections, count);
		found = source_port_choose(w, p, &t);
		connections_source_rewind(w->connections, count);
		if (!found) {
			packet_drop(p, DROP_SOURCE_PORT_EXHAUSTED);
			return false;
		}
		choice->source = t.local;
		choice->source_port = t.local_port;
	}
	if (!connection_may_open(w, p, &t, &why)) {
		packet_drop(p, why);
		return false;
	}
	return true;
}

/* ... begin_counted? */
static bool
peek_counted(struct worker *w, struct packet *p, struct balance_choice *choice)
{
	const struct connection_target t = { .service = p->service, .backend = p->backend };
	enum drop_reason why;

	choice->begins = leaves_entry(p);
	if (!choice->begins || connection_may_open(w, p, &t, &why))
		return true;
	packet_drop(p, why);
	return false;
}

static void
peek_row(const struct worker *w, struct packet *p, const struct pool *pool,
	 struct balance_choice *choice)
{
	const struct service *service = &w->snapshot->services[p->service];
	uint32_t settled;

	if (!pool->n_members)
		return;
	p->flow_hash = balance_hash(&p->tuple, service->flags & SERVICE_HASH_CLIENT);
	choice->row = maglev_row(p->flow_hash, pool->rows);
	choice->moving = pool_moving(pool, p->flow_hash);
	settled = choice->moving
		      ? balance_member(w->snapshot, pool, pool_settled(pool, p->flow_hash))
		      : INDEX_NONE;
	choice->settled = settled != INDEX_NONE && goes_by_settled(w, p, pool);
	p->backend = choose_backend(w, p, pool);
}

bool
balance_peek(struct worker *w, struct packet *p, struct balance_choice *choice)
{
	const struct service *service = &w->snapshot->services[p->service];

	*choice = (struct balance_choice){ 0 };
	peek_row(w, p, &w->snapshot->pools[service->pool], choice);
	if (p->backend == INDEX_NONE) {
		packet_drop(p, DROP_NO_BACKEND);
		return false;
	}
	if (forward_tracks(service->mode))
		return peek_tracked(w, p, service->mode, choice);
	if (service->flags & SERVICE_TRACKED)
		return peek_counted(w, p, choice);
	choice->begins = is_syn(p);
	return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "worlds.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dp/l4/client_table.h"
#include "dp/l4/connection_table.h"
#include "dp/l4/fragment.h"
#include "dp/l4/limit.h"
#include "dp/l4/waiting.h"
#include "dp/pipeline.h"
#include "flows.h"
#include "lib/gcra.h"

#define CLIENTS  24 /* of each family */
#define SENT_MAX 128

const struct world_service world_services[SERVICES] = {
	[GUE_UDP] = { "192.0.2.10/32",
		      IPPROTO_UDP,
		      53,
		      MODE_DSR_GUE,
		      { "10.0.0.1", "10.0.0.2", "2001:db8:2::1" } },
	[GUE_TCP] = { "192.0.2.11/32",
		      IPPROTO_TCP,
		      80,
		      MODE_DSR_GUE,
		      { "10.0.0.3", "10.0.0.4", "2001:db8:2::22" } },
	[IPIP6] = { "2001:db8:f::10/128",
		    IPPROTO_TCP,
		    80,
		    MODE_DSR_IPIP,
		    { "2001:db8:2::3", "2001:db8:2::4", "10.0.0.6" } },
	[IPIP_ACROSS] = { "192.0.2.0/24",
			  IPPROTO_UDP,
			  0,
			  MODE_DSR_IPIP,
			  { "2001:db8:2::5", "10.0.0.7", "10.0.0.8" } },
	[L2_6] = { "2001:db8:f::11/128",
		   IPPROTO_UDP,
		   53,
		   MODE_DSR_L2,
		   { "2001:db8:2::6", "2001:db8:2::7", "2001:db8:2::8" } },
	[L2_4] = { "192.0.2.12/32",
		   IPPROTO_TCP,
		   80,
		   MODE_DSR_L2,
		   { "10.0.0.9", "10.0.0.10", "10.0.0.11" } },
	[NAT4] = { "192.0.2.13/32",
		   IPPROTO_TCP,
		   80,
		   MODE_NAT,
		   { "10.1.0.1", "10.1.0.2", "10.1.0.3" } },
	[NAT6] = { "2001:db8:f::13/128",
		   IPPROTO_UDP,
		   53,
		   MODE_NAT,
		   { "2001:db8:3::1", "2001:db8:3::2", "2001:db8:3::3" } },
	[NAT_COUNTED] = { "192.0.2.14/32",
			  IPPROTO_TCP,
			  80,
			  MODE_NAT,
			  { "10.1.0.4", "10.1.0.5", "10.1.0.6" } },
	[DENY] = { "192.0.2.15/32",
		   IPPROTO_UDP,
		   53,
		   MODE_DSR_GUE,
		   { "10.0.0.12", "10.0.0.13", "10.0.0.14" } },
	[MOVING] = { "192.0.2.16/32",
		     IPPROTO_TCP,
		     80,
		     MODE_DSR_GUE,
		     { "10.0.0.15", "10.0.0.16", "10.0.0.17" } },
	[GUE6] = { "2001:db8:f::12/128",
		   IPPROTO_UDP,
		   54,
		   MODE_DSR_GUE,
		   { "2001:db8:2::20", "10.0.0.18", "2001:db8:2::21" } },
};

struct sent {
	uint32_t n;
	struct {
		uint16_t len;
		uint8_t bytes[FRAME_MAX];
	} frames[SENT_MAX];
};

struct fixture *worlds[2];
static struct sent sent[2];
static struct lpm *access_lists;
static uint64_t moving_bits[FIXTURE_ROWS / 64 + 1];
static uint16_t settled_rows[FIXTURE_ROWS];

/* ---- two worlds ---- */

static void
limit(struct fixture *f, uint32_t service, uint32_t flags)
{
	struct service_limits *l = &f->limits[service];
	enum limit_rate kind;

	f->services[service].flags |= SERVICE_LIMITED;
	l->flags = flags;
	for (kind = 0; kind < LIMIT_RATES; kind++)
		l->client[kind] = l->service[kind].gcra = gcra_none();
	l->mask4 = UINT32_MAX;
	l->mask6[0] = UINT64_MAX;
	l->prefix4 = 32;
	l->prefix6 = 64;
	l->client_connections = l->service_connections = UINT32_MAX;
}

static struct gcra
a_second(uint64_t count, uint32_t max)
{
	const struct gcra_rate rate = { count, SECOND, SECOND, max };

	return gcra_make(&rate);
}

static void
limits(struct fixture *f)
{
	limit(f, GUE_TCP, LIMITS_CLIENT);
	f->limits[GUE_TCP].client[LIMIT_PACKETS] = a_second(20, 1);
	limit(f, NAT6, LIMITS_CLIENT);
	f->limits[NAT6].client[LIMIT_BYTES] = a_second(4000, 65535);
	limit(f, NAT_COUNTED,
	      LIMITS_CLIENT | LIMITS_CLIENT_BEGIN | LIMITS_CLIENT_COUNT | LIMITS_SERVICE_BEGIN |
		  LIMITS_SERVICE_COUNT);
	f->services[NAT_COUNTED].flags |= SERVICE_TRACKED;
	f->limits[NAT_COUNTED].client[LIMIT_PACKETS] = a_second(50, 1);
	f->limits[NAT_COUNTED].client_connections = 3;
	f->limits[NAT_COUNTED].service_connections = 40;
	limit(f, DENY, LIMITS_ACCESS | LIMITS_CLIENT);
	f->limits[DENY].access = access_lists;
}

/* Half of the rows led elsewhere a moment ago. */
static void
move_rows(struct pool *pool)
{
	uint32_t i;

	memset(moving_bits, 0, sizeof(moving_bits));
	for (i = 0; i < FIXTURE_ROWS; i++) {
		settled_rows[i] = pool->candidate[i];
		if (i % 2 == 0)
			continue;
		settled_rows[i] = (uint16_t)((pool->candidate[i] + 1) % 3);
		moving_bits[i >> 6] |= 1ull << (i & 63);
	}
	pool->settled = settled_rows;
	pool->moving = moving_bits;
	pool->changed_at = 0;
}

static struct fixture *
world(bool long_way)
{
	struct fixture *f = flow_fixture(4096);
	uint32_t i, k, hop, small, tagged, service;

	dp_clock_init(&f->dataplane.clock);
	f->worker->waiting = waiting_create(SOCKET_ID_ANY);
	f->worker->fragments = fragment_table_create(4096, SOCKET_ID_ANY);
	f->worker->clients = client_table_create(4096, SOCKET_ID_ANY);
	f->worker->now = 5000 * SECOND;
	f->worker->long_way = long_way;
	hop = fixture_nexthop(f, "02:00:00:00:00:42", 0);
	small = fixture_nexthop(f, "02:00:00:00:00:43", 0);
	f->nexthops[small].mtu = 300;
	tagged = fixture_nexthop(f, "02:00:00:00:00:44", FIXTURE_VLAN);
	/* Of a service's three backends; every fourth service has one behind a VLAN. */
	const uint32_t ways[2][3] = { { hop, small, hop }, { hop, small, tagged } };

	fixture_source(f, "10.9.0.1", 0);
	fixture_source(f, "10.9.0.2", 0);
	fixture_source(f, "2001:db8:9::1", 0);
	fixture_source(f, "2001:db8:9::2", 0);
	for (i = 0; i < SERVICES; i++) {
		service = fixture_service(f, world_services[i].address, world_services[i].proto,
					  world_services[i].port, world_services[i].mode);
		for (k = 0; k < 3; k++) {
			bool v6 = strchr(world_services[i].backends[k], ':') != NULL;
			struct backend *b = &f->backends[fixture_backend(
			    f, service, world_services[i].backends[k],
			    world_services[i].mode == MODE_NAT ? 8080 : 0)];

			b->nexthop = ways[i % 4 == 0][k];
			b->sources_first = v6 ? 2 : 0;
			b->sources_count = 2;
		}
	}
	fixture_route(f, "198.51.100.0/25", hop);
	fixture_route(f, "2001:db8:1::/48", hop);
	fixture_own(f, "192.0.2.254");
	fixture_publish(f);
	limits(f);
	move_rows(&f->pools[MOVING]);
	return f;
}

void
worlds_set_up(void)
{
	const struct lpm_entry denied = { { addr_from_v4(inet_addr("198.51.100.0")), 96 + 29 },
					  ACCESS_DENY };

	if (lpm_build(&access_lists, &denied, 1) != 0)
		abort();
	worlds[0] = world(false);
	worlds[1] = world(true);
}

void
worlds_tear_down(void)
{
	int i;

	for (i = 0; i < 2; i++) {
		waiting_destroy(worlds[i]->worker->waiting);
		fragment_table_destroy(worlds[i]->worker->fragments);
		flow_fixture_destroy(worlds[i]);
	}
	lpm_free(access_lists);
}

/* ---- one burst through both ---- */

/* What the worker chose at random is no difference: the identification of an outer header without
 * DF, and its checksum. */
static void
mask(uint8_t *frame, uint16_t len)
{
	if (len < 34 || frame[12] != 0x08 || frame[13] != 0 || (frame[20] & 0x40))
		return;
	if (frame[23] != IPPROTO_IPIP && frame[23] != IPPROTO_IPV6 && frame[23] != IPPROTO_UDP)
		return;
	if (frame[26] != 10) /* from a source of ours */
		return;
	memset(frame + 18, 0, 2);
	memset(frame + 24, 0, 2);
}

static void
collect(struct worker *w, struct sent *out)
{
	struct tx_queue *q = &w->tx[0];
	uint16_t i;

	out->n = q->count;
	for (i = 0; i < q->count; i++) {
		struct rte_mbuf *m = q->mbufs[i];
		const void *bytes =
		    rte_pktmbuf_read(m, 0, rte_pktmbuf_pkt_len(m), out->frames[i].bytes);

		out->frames[i].len = (uint16_t)rte_pktmbuf_pkt_len(m);
		if (bytes != out->frames[i].bytes)
			memcpy(out->frames[i].bytes, bytes, out->frames[i].len);
		mask(out->frames[i].bytes, out->frames[i].len);
		rte_pktmbuf_free(m);
	}
	q->count = 0;
}

#define NOBODY 256u /* an answer of our own, a piece, a frame whose length lies */

static uint16_t
client_of(const struct sent *s, uint32_t i)
{
	const uint8_t *end = s->frames[i].bytes + s->frames[i].len;

	return memcmp(end - 8, WORLD_MARK, 4) == 0 ? end[-4] : NOBODY;
}

/* The next of a client's frames, s->n if there is none. */
static uint32_t
next_of(const struct sent *s, uint32_t client, uint32_t from)
{
	while (from < s->n && client_of(s, from) != client)
		from++;
	return from;
}

static bool
same_frame(uint32_t a, uint32_t b)
{
	uint16_t len = sent[0].frames[a].len;

	return len == sent[1].frames[b].len &&
	       memcmp(sent[0].frames[a].bytes, sent[1].frames[b].bytes, len) == 0;
}

static bool
same_of(uint32_t client)
{
	uint32_t a = next_of(&sent[0], client, 0), b = next_of(&sent[1], client, 0);

	while (a < sent[0].n && b < sent[1].n) {
		if (!same_frame(a, b))
			return false;
		a = next_of(&sent[0], client, a + 1);
		b = next_of(&sent[1], client, b + 1);
	}
	return a == sent[0].n && b == sent[1].n;
}

/* Those of nobody, in whatever order. */
static bool
same_of_nobody(void)
{
	bool used[SENT_MAX] = { false };
	uint32_t a, b;

	for (a = next_of(&sent[0], NOBODY, 0); a < sent[0].n;
	     a = next_of(&sent[0], NOBODY, a + 1)) {
		for (b = 0; b < sent[1].n && (used[b] || !same_frame(a, b)); b++)
			;
		if (b == sent[1].n)
			return false;
		used[b] = true;
	}
	return true;
}

bool
worlds_sent_the_same(void)
{
	uint32_t client;

	if (sent[0].n != sent[1].n || !same_of_nobody())
		return false;
	for (client = 0; client < NOBODY; client++)
		if (!same_of(client))
			return false;
	return true;
}

static bool
same_connections(const struct connections *a, const struct connections *b)
{
	uint32_t i;

	if (a->head->fresh != b->head->fresh || a->live != b->live)
		return false;
	for (i = 0; i < a->head->fresh; i++) {
		struct connection x = a->array[i], y = b->array[i];

		if (x.state != y.state)
			return false;
		if (x.state == CONNECTION_FREE)
			continue;
		/* Clients have other places in the other table. */
		x.client = y.client;
		if (memcmp(&x, &y, sizeof(x)) != 0)
			return false;
	}
	return true;
}

static uint64_t
tat_of(struct fixture *f, const struct addr *client, uint32_t service, enum limit_rate kind)
{
	struct client_lookup l = { .key = { .service = service,
					    .epoch = f->services[service].epoch } };
	uint32_t index;

	limit_client_prefix(&f->limits[service], client, &l.key.prefix);
	client_lookups_begin(f->worker->clients, &l, 1);
	index = client_find(f->worker->clients, &l);
	return index == INDEX_NONE ? 0 : client_at(f->worker->clients, index)->tat[kind];
}

static bool
same_clients(void)
{
	uint32_t i, s, kind;
	char text[64];

	for (s = 0; s < SERVICES; s++) {
		if (!(worlds[0]->services[s].flags & SERVICE_LIMITED))
			continue;
		for (i = 0; i < CLIENTS; i++) {
			snprintf(text, sizeof(text),
				 strchr(world_services[s].address, ':') ? "2001:db8:1:%u::7"
									: "198.51.100.%u",
				 i);
			struct addr a = fixture_addr(text);

			for (kind = 0; kind < LIMIT_RATES; kind++)
				if (tat_of(worlds[0], &a, s, kind) !=
				    tat_of(worlds[1], &a, s, kind))
					return false;
		}
	}
	return true;
}

static bool
same_counters(const struct worker *a, const struct worker *b)
{
	return memcmp(a->stats.drops, b->stats.drops, sizeof(a->stats.drops)) == 0 &&
	       memcmp(a->service_stats, b->service_stats, SERVICES * sizeof(*a->service_stats)) ==
		   0 &&
	       memcmp(a->service_drops, b->service_drops, SERVICES * sizeof(*a->service_drops)) ==
		   0 &&
	       memcmp(a->backend_stats, b->backend_stats,
		      3 * SERVICES * sizeof(*a->backend_stats)) == 0;
}

/* What a worker counts and remembers. */
bool
worlds_know_the_same(void)
{
	const struct worker *a = worlds[0]->worker, *b = worlds[1]->worker;

	return same_counters(a, b) && same_connections(a->connections, b->connections) &&
	       same_clients();
}

void
worlds_receive(const struct world_frame *frames, uint16_t n, uint64_t later)
{
	struct rte_mbuf *mbufs[BURST_MAX];
	uint16_t i;
	int k;

	for (k = 0; k < 2; k++) {
		struct worker *w = worlds[k]->worker;

		w->now += later;
		w->random = 1;
		for (i = 0; i < n; i++)
			mbufs[i] = fixture_mbuf(frames[i].bytes, frames[i].len);
		pipeline_received(w, 0, mbufs, n);
		connections_expire(w);
		collect(w, &sent[k]);
	}
}

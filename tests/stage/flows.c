/* SPDX-License-Identifier: Apache-2.0 */
#include "flows.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <rte_lcore.h>

struct tuple
flow_tuple(const char *src, uint16_t sport, const char *dst, uint16_t dport, uint8_t proto)
{
	return (struct tuple){
		.src = fixture_addr(src),
		.dst = fixture_addr(dst),
		.sport = htons(sport),
		.dport = htons(dport),
		.proto = proto,
	};
}

struct tuple
flow_number(uint32_t n, uint8_t proto)
{
	struct tuple t = flow_tuple("198.51.100.0", 0, "192.0.2.10", 80, proto);

	t.src.b[13] = (uint8_t)(n >> 16);
	t.src.b[15] = (uint8_t)n;
	t.sport = htons((uint16_t)(1024 + (n >> 8 & 0xff)));
	return t;
}

struct tuple
flow_answer(const struct tuple *forward, const char *backend, uint16_t port)
{
	return (struct tuple){
		.src = fixture_addr(backend),
		.dst = forward->src,
		.sport = htons(port),
		.dport = forward->sport,
		.proto = forward->proto,
	};
}

static struct packet *
add(struct burst *b, struct tuple t, uint8_t tcp_flags)
{
	struct packet *p = &b->packets[b->count++];

	if (b->count > BURST_MAX)
		abort();
	/* Nothing may depend on what an earlier packet left here. */
	memset(p, 0xa5, sizeof(*p));
	p->flags = addr_is_v4(&t.src) ? PACKET_V4 : 0;
	p->verdict = VERDICT_CONTINUE;
	p->ip_len = FLOW_IP_LEN;
	p->ip_proto = t.proto;
	p->tcp_flags = tcp_flags;
	p->service = INDEX_NONE;
	p->backend = INDEX_NONE;
	p->tuple = t;
	return p;
}

struct packet *
flow_forward(struct burst *b, uint32_t service, struct tuple t, uint8_t tcp_flags)
{
	struct packet *p = add(b, t, tcp_flags);

	p->direction = DIR_FORWARD;
	p->service = service;
	return p;
}

struct packet *
flow_reply(struct burst *b, struct tuple t, uint8_t tcp_flags)
{
	struct packet *p = add(b, t, tcp_flags);

	p->direction = DIR_REPLY;
	return p;
}

void
flow_run(struct fixture *f, struct burst *b)
{
	stage_track(f->worker, b);
	stage_balance(f->worker, b);
}

struct packet *
flow_send(struct fixture *f, uint32_t service, struct tuple t, uint8_t tcp_flags)
{
	struct burst *b = &f->worker->burst;

	b->count = 0;
	flow_forward(b, service, t, tcp_flags);
	flow_run(f, b);
	return &b->packets[0];
}

struct packet *
flow_answered(struct fixture *f, struct tuple t, uint8_t tcp_flags)
{
	struct burst *b = &f->worker->burst;

	b->count = 0;
	flow_reply(b, t, tcp_flags);
	flow_run(f, b);
	return &b->packets[0];
}

struct connection *
flow_connection(struct fixture *f, const struct tuple *t)
{
	uint32_t hit = connection_find(f->worker, t);

	if (hit == INDEX_NONE || hit_is_reply(hit))
		return NULL;
	return connection_at(f->worker->connections, hit_index(hit));
}

bool
flow_invariant(struct fixture *f)
{
	const struct worker *w = f->worker;
	uint32_t live = 0, entries = 0, service = 0, backend = 0, by_service = 0, i;

	for (i = 0; i < w->dataplane->connections; i++) {
		const struct connection *c = connection_at(w->connections, i);

		if (c->state == CONNECTION_FREE)
			continue;
		live++;
		entries += c->flags & CONNECTION_HAS_REPLY ? 2 : 1;
	}
	for (i = 0; i < FIXTURE_MAX; i++) {
		service += (uint32_t)(w->service_stats[i].connections_total -
				      w->service_stats[i].connections_ended);
		backend += (uint32_t)(w->backend_stats[i].connections_total -
				      w->backend_stats[i].connections_ended);
		by_service += connections_of_service(w->connections, i);
	}
	return entries == connections_entries(w->connections) &&
	       live == connections_live(w->connections) && live == w->stats.connections &&
	       live == service && live == backend && live == by_service;
}

struct fixture *
flow_fixture(uint32_t n)
{
	struct fixture *f = fixture_create();

	f->dataplane.connections = n;
	f->worker->connections = connections_create(n, SOCKET_ID_ANY, NULL);
	if (!f->worker->connections)
		abort();
	return f;
}

void
flow_fixture_destroy(struct fixture *f)
{
	connections_destroy(f->worker->connections);
	fixture_destroy(f);
}

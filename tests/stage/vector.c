/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the vectors of make_vectors.py: one packet each through parse and the stage under test. */
#include "vector.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "dp/l4/connection.h"
#include "dp/l4/stages.h"
#include "dp/l4/tunnel_error.h"
#include "vectors_rewrite.h"

#define N_VECTORS  (sizeof(vectors_rewrite) / sizeof(vectors_rewrite[0]))
#define FRAME_ROOM 2048

/* The same as in make_vectors.py. */
#define FLOW_HASH 0x12345678u
#define CPORT     40001
#define SPORT     80
#define BPORT     8080
#define LPORT     20000
static const char *const client[] = { "192.0.2.7", "2001:db8:c::7" };
static const char *const service[] = { "203.0.113.10", "2001:db8:5::10" };
static const char *const local[] = { "10.2.0.64", "fd00:2::64" };
static const char *const tunnel[] = { "10.2.0.1", "fd00:2::1" };

static uint16_t
unhex(const char *text, uint8_t out[FRAME_ROOM])
{
	unsigned int byte;
	uint16_t n = 0;

	for (; sscanf(text, "%2x", &byte) == 1; text += 2)
		out[n++] = (uint8_t)byte;
	return n;
}

static uint32_t
vector_service(struct fixture *f, const struct vector *v, unsigned int family, uint16_t source)
{
	char prefix[64];
	uint32_t i;

	snprintf(prefix, sizeof(prefix), "%s/%s", service[family], family ? "128" : "32");
	i = fixture_service(f, prefix, IPPROTO_TCP, SPORT, v->mode);
	fixture_backend(f, i, v->backend, BPORT);
	f->backends[i].nexthop = 0;
	f->backends[i].sources_first = source;
	f->backends[i].sources_count = 1;
	return i;
}

struct fixture *
vector_fixture(const struct vector *v)
{
	struct fixture *f = fixture_create();
	struct addr backend = fixture_addr(v->backend);
	unsigned int i;

	fixture_nexthop(f, "02:00:00:00:02:0b", v->vlan);
	fixture_nexthop(f, "02:00:00:00:00:fe", 0);
	f->nexthops[0].mtu = f->nexthops[1].mtu = v->mtu ? v->mtu : 1500;
	if (!v->no_route) {
		fixture_route(f, "192.0.2.0/24", 1);
		fixture_route(f, "2001:db8:c::/48", 1);
	}
	for (i = 0; i < 2; i++) {
		fixture_source(f, tunnel[i], 0);
		vector_service(f, v, i, !addr_is_v4(&backend));
	}
	if (!v->no_own) {
		f->snapshot.ports[0].own4 = fixture_addr("198.51.100.2");
		f->snapshot.ports[0].own6 = fixture_addr("2001:db8:1::2");
	}
	fixture_publish(f);
	f->worker->connections = connections_create(64, SOCKET_ID_ANY, NULL);
	return f;
}

void
vector_fixture_free(struct fixture *f)
{
	connections_destroy(f->worker->connections);
	fixture_destroy(f);
}

/* The one connection, by hand: stage rewrite only reads it. */
static void
vector_connection(struct fixture *f, const struct vector *v, const struct packet *p)
{
	struct connection *c = connection_at(f->worker->connections, 0);
	unsigned int family = p->flags & PACKET_V4 ? 0 : 1;

	c->forward = (struct tuple){ .src = fixture_addr(client[family]),
				     .dst = fixture_addr(service[family]),
				     .sport = htons(CPORT),
				     .dport = htons(SPORT),
				     .proto = p->tuple.proto };
	c->service = c->backend = family;
	c->backend_addr = fixture_addr(v->backend);
	c->backend_port = htons(BPORT);
	c->flags = CONNECTION_HAS_REPLY;
	if (v->mode == MODE_FULL_NAT) {
		c->flags |= CONNECTION_FULL_NAT;
		c->local = fixture_addr(local[family]);
		c->local_port = htons(LPORT);
	}
}

struct packet *
vector_receive(struct fixture *f, const struct vector *v, struct burst *b)
{
	uint8_t frame[FRAME_ROOM];
	uint16_t len = unhex(v->in, frame);
	struct packet *p = fixture_receive(b, frame, len);

	stage_parse(f->worker, b);
	p->service = p->backend = p->flags & PACKET_V4 ? 0 : 1;
	p->direction = v->reply ? DIR_REPLY : DIR_FORWARD;
	p->flow_hash = FLOW_HASH;
	if (v->mode == MODE_NAT || v->mode == MODE_FULL_NAT) {
		p->connection = 0;
		vector_connection(f, v, p);
	}
	return p;
}

static void
show(const char *what, const uint8_t *bytes, uint32_t len)
{
	uint32_t i;

	printf("\n    %s ", what);
	for (i = 0; i < len; i++)
		printf("%02x", bytes[i]);
}

/* Compares, and frees the frame. */
static bool
same_frame(struct rte_mbuf *m, const char *hex)
{
	uint8_t want[FRAME_ROOM], got[FRAME_ROOM];
	uint16_t len = unhex(hex, want);
	const uint8_t *bytes = rte_pktmbuf_read(m, 0, rte_pktmbuf_pkt_len(m), got);
	bool same = m->pkt_len == len && memcmp(bytes, want, len) == 0;

	if (!same) {
		show("want", want, len);
		show("got ", bytes, m->pkt_len);
	}
	rte_pktmbuf_free(m);
	return same;
}

/* What leaves: pieces that the stage has sent on its own, then the packet itself. */
static bool
right_frames(struct fixture *f, const struct vector *v, const struct packet *p)
{
	struct tx_queue *q = &f->worker->tx[0];
	unsigned int want = 0, got, i;
	bool right = true;

	while (want < VECTOR_OUT_MAX && v->out[want])
		want++;
	if (p->verdict == VERDICT_TRANSMIT)
		q->mbufs[q->count++] = p->mbuf;
	else
		rte_pktmbuf_free(p->mbuf);
	got = q->count;
	for (i = 0; i < got; i++) {
		if (i < want)
			right &= same_frame(q->mbufs[i], v->out[i]);
		else
			rte_pktmbuf_free(q->mbufs[i]);
	}
	q->count = 0;
	return right && got == want;
}

static bool
right_reason(const struct fixture *f, const struct vector *v, const struct packet *p)
{
	if (!v->drop)
		return p->verdict != VERDICT_DROP;
	if (v->out[0])
		return f->worker->stats.drops[v->drop] == 1;
	return p->verdict == VERDICT_DROP && p->reason == v->drop;
}

/* Put what follows the headers into a segment of its own. (Parse sees to it that more than that is
 * in the first one: what is quoted about a tunnel too.) */
static void
split_behind_headers(struct packet *p)
{
	uint16_t at = (uint16_t)((p->inner_l4 ? p->inner_l4 : p->l4) + 21);
	struct rte_mbuf *tail;

	if (p->mbuf->data_len <= at)
		return;
	tail = rte_pktmbuf_copy(p->mbuf, p->mbuf->pool, at, UINT32_MAX);
	rte_pktmbuf_trim(p->mbuf, (uint16_t)tail->pkt_len);
	CU_ASSERT_EQUAL(rte_pktmbuf_chain(p->mbuf, tail), 0);
}

static void
run(const struct vector *v, bool segments)
{
	struct fixture *f = vector_fixture(v);
	struct burst b = { 0 };
	struct packet *p = vector_receive(f, v, &b);
	bool parsed = true, frames, reason;

	if (segments && strcmp(v->group, "tunnel") != 0)
		split_behind_headers(p);
	if (strcmp(v->group, "tunnel") == 0) {
		parsed = p->flags & PACKET_ICMP_ERROR || p->verdict == VERDICT_HOST;
		p->verdict = VERDICT_HOST;
		CU_ASSERT_EQUAL(tunnel_error_translate(f->worker, p), v->out[0] != NULL);
	} else if (strcmp(v->group, "echo") == 0) {
		parsed = p->verdict == VERDICT_CONTINUE;
		stage_echo(f->worker, &b);
	} else {
		parsed = p->verdict == VERDICT_CONTINUE;
		stage_rewrite(f->worker, &b);
	}
	reason = right_reason(f, v, p);
	frames = right_frames(f, v, p);
	if (!parsed || !reason || !frames)
		printf("\n  %s: %s: %s%s%s\n", v->group, v->name, parsed ? "" : "not parsed ",
		       reason ? "" : "reason ", frames ? "" : "frames");
	CU_ASSERT(parsed && reason && frames);
	CU_ASSERT_EQUAL(fixture_mbufs_in_use(), 0);
	vector_fixture_free(f);
}

const struct vector *
vector_find(const char *group, const char *name)
{
	size_t i;

	for (i = 0; i < N_VECTORS; i++) {
		if (strcmp(vectors_rewrite[i].group, group) == 0 &&
		    strcmp(vectors_rewrite[i].name, name) == 0)
			return &vectors_rewrite[i];
	}
	fprintf(stderr, "no vector %s: %s\n", group, name);
	exit(2);
}

void
vectors_run(const char *group)
{
	unsigned int n = 0;
	size_t i;

	for (i = 0; i < N_VECTORS; i++) {
		if (strcmp(vectors_rewrite[i].group, group) != 0)
			continue;
		run(&vectors_rewrite[i], false);
		run(&vectors_rewrite[i], true);
		n++;
	}
	CU_ASSERT(n > 0);
}

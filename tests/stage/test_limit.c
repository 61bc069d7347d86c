/* SPDX-License-Identifier: Apache-2.0 */
/* Stage limit and the beginnings of connections: what is charged, refused, given back. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "dp/l4/client_table.h"
#include "dp/l4/lease.h"
#include "dp/l4/limit.h"
#include "flows.h"
#include "suites.h"

/* Everything without a limit; TCP, UDP. */
#define TCP 0
#define UDP 1

static struct fixture *
limited(enum forward mode)
{
	struct fixture *f = flow_fixture(4096);
	uint32_t i;

	fixture_service(f, "192.0.2.0/24", IPPROTO_TCP, 80, mode);
	fixture_service(f, "192.0.2.0/24", IPPROTO_UDP, 80, mode);
	fixture_service(f, "2001:db8:f::/64", IPPROTO_TCP, 80, mode);
	for (i = 0; i < 3; i++) {
		struct service_limits *l = &f->limits[i];
		enum limit_rate kind;

		fixture_backend(f, i, i < 2 ? "10.0.0.1" : "2001:db8:2::1",
				forward_tracks((uint8_t)mode) ? 8080 : 0);
		f->services[i].flags |= SERVICE_LIMITED;
		for (kind = 0; kind < LIMIT_RATES; kind++)
			l->client[kind] = l->service[kind].gcra = gcra_none();
		l->mask4 = UINT32_MAX;
		l->mask6[0] = UINT64_MAX;
		l->prefix4 = 32;
		l->prefix6 = 64;
		l->client_connections = l->service_connections = UINT32_MAX;
	}
	fixture_publish(f);
	f->worker->clients = client_table_create(1024, SOCKET_ID_ANY);
	CU_ASSERT_PTR_NOT_NULL_FATAL(f->worker->clients);
	return f;
}

/* `count` a second, all of which may come at once. */
static struct gcra
a_second(uint64_t count, enum limit_rate kind)
{
	struct gcra_rate rate = { count, SECOND, SECOND, kind == LIMIT_BYTES ? 65535 : 1 };

	return gcra_make(&rate);
}

static void
limit_client(struct fixture *f, uint32_t service, enum limit_rate kind, uint64_t count)
{
	struct service_limits *l = &f->limits[service];

	l->client[kind] = a_second(count, kind);
	l->client_settings[kind] = (struct limit_setting){ count, SECOND, SECOND };
	l->flags |= kind == LIMIT_NEW_CONNECTIONS ? LIMITS_CLIENT_BEGIN : LIMITS_CLIENT;
	if (kind == LIMIT_NEW_CONNECTIONS && service == UDP)
		f->services[service].flags |= SERVICE_TRACKED;
}

static void
limit_service(struct fixture *f, uint32_t service, enum limit_rate kind, uint64_t count)
{
	struct service_limits *l = &f->limits[service];

	l->service[kind].gcra = a_second(count, kind);
	l->service_settings[kind] = (struct limit_setting){ count, SECOND, SECOND };
	l->flags |= kind == LIMIT_NEW_CONNECTIONS ? LIMITS_SERVICE_BEGIN : LIMITS_SERVICE;
	if (kind == LIMIT_NEW_CONNECTIONS && service == UDP)
		f->services[service].flags |= SERVICE_TRACKED;
}

static void
limit_connections(struct fixture *f, uint32_t service, uint32_t client, uint32_t all)
{
	struct service_limits *l = &f->limits[service];

	f->services[service].flags |= SERVICE_TRACKED;
	if (client) {
		l->client_connections = client;
		l->flags |= LIMITS_CLIENT_BEGIN | LIMITS_CLIENT_COUNT;
	}
	if (all) {
		l->service_connections = all;
		l->flags |= LIMITS_SERVICE_BEGIN | LIMITS_SERVICE_COUNT;
	}
}

/* A packet alone through limit, track and balance. */
static struct packet *
sent(struct fixture *f, uint32_t service, struct tuple t, uint8_t tcp_flags)
{
	struct burst *b = &f->worker->burst;

	b->count = 0;
	flow_forward(b, service, t, tcp_flags);
	stage_limit(f->worker, b);
	flow_run(f, b);
	return &b->packets[0];
}

static struct tuple
from(const char *client, uint16_t port, uint8_t proto)
{
	const char *service = strchr(client, ':') ? "2001:db8:f::10" : "192.0.2.10";

	return flow_tuple(client, port, service, 80, proto);
}

/* Of n packets, each of another flow, how many pass; the others must fall for `reason`. */
static uint32_t
pass(struct fixture *f, uint32_t service, const char *client, uint32_t n, enum drop_reason reason)
{
	uint8_t proto = service == UDP ? IPPROTO_UDP : IPPROTO_TCP;
	static uint16_t port = 1024;
	uint32_t passed = 0;

	while (n--) {
		struct packet *p = sent(f, service, from(client, port++, proto),
					proto == IPPROTO_TCP ? TCP_SYN : 0);

		if (p->verdict == VERDICT_CONTINUE)
			passed++;
		else
			CU_ASSERT_EQUAL(p->reason, reason);
	}
	return passed;
}

#define A  "198.51.100.1"
#define B  "198.51.100.2"
#define V6 "2001:db8:1::1"

static void
test_client_rates(void)
{
	static const enum drop_reason reasons[] = { DROP_CLIENT_PACKETS, DROP_CLIENT_BYTES,
						    DROP_CLIENT_NEW_CONNECTIONS };
	static const enum forward modes[] = { MODE_DSR_L2, MODE_NAT };
	uint32_t service, mode;
	enum limit_rate kind;

	for (mode = 0; mode < 2; mode++) {
		for (service = 0; service < 3; service++) {
			for (kind = 0; kind < LIMIT_RATES; kind++) {
				struct fixture *f = limited(modes[mode]);
				const char *a = service == 2 ? V6 : A;
				const char *b = service == 2 ? "2001:db8:1:1::1" : B;

				limit_client(f, service, kind,
					     kind == LIMIT_BYTES ? 5 * FLOW_IP_LEN : 5);
				CU_ASSERT_EQUAL(pass(f, service, a, 20, reasons[kind]), 5);
				CU_ASSERT_EQUAL(pass(f, service, b, 20, reasons[kind]), 5);
				f->worker->now += SECOND / 5;
				CU_ASSERT_EQUAL(pass(f, service, a, 20, reasons[kind]), 1);
				/* Another service of the same client is another matter. */
				if (service != 2)
					CU_ASSERT_EQUAL(pass(f, !service, a, 20, DROP_REASON_COUNT),
							20);
				CU_ASSERT_TRUE(flow_invariant(f));
				flow_fixture_destroy(f);
			}
		}
	}
}

static void
test_service_rates(void)
{
	static const enum drop_reason reasons[] = { DROP_SERVICE_PACKETS, DROP_SERVICE_BYTES,
						    DROP_SERVICE_NEW_CONNECTIONS };
	enum limit_rate kind;
	uint32_t service;

	for (service = 0; service < 2; service++) {
		for (kind = 0; kind < LIMIT_RATES; kind++) {
			struct fixture *f = limited(MODE_NAT);

			limit_service(f, service, kind, kind == LIMIT_BYTES ? 5 * FLOW_IP_LEN : 5);
			CU_ASSERT_EQUAL(pass(f, service, A, 3, reasons[kind]), 3);
			CU_ASSERT_EQUAL(pass(f, service, B, 20, reasons[kind]), 2);
			f->worker->now += SECOND;
			CU_ASSERT_EQUAL(pass(f, service, B, 20, reasons[kind]), 5);
			flow_fixture_destroy(f);
		}
	}
}

/* All are asked before any is charged. */
static void
test_nothing_used(void)
{
	struct fixture *f = limited(MODE_NAT);

	/* The service refuses: the client has used nothing. */
	limit_client(f, TCP, LIMIT_PACKETS, 10);
	limit_service(f, TCP, LIMIT_PACKETS, 4);
	CU_ASSERT_EQUAL(pass(f, TCP, A, 100, DROP_SERVICE_PACKETS), 4);
	f->limits[TCP].service[LIMIT_PACKETS].gcra = gcra_none();
	CU_ASSERT_EQUAL(pass(f, TCP, A, 100, DROP_CLIENT_PACKETS), 6);
	flow_fixture_destroy(f);

	/* A refused connection has used neither packets nor bytes, of the client or the service. */
	f = limited(MODE_NAT);
	limit_client(f, TCP, LIMIT_PACKETS, 10);
	limit_client(f, TCP, LIMIT_BYTES, 10 * FLOW_IP_LEN);
	limit_service(f, TCP, LIMIT_PACKETS, 12);
	limit_service(f, TCP, LIMIT_BYTES, 13 * FLOW_IP_LEN);
	limit_client(f, TCP, LIMIT_NEW_CONNECTIONS, 3);
	CU_ASSERT_EQUAL(pass(f, TCP, A, 500, DROP_CLIENT_NEW_CONNECTIONS), 3);
	f->limits[TCP].client[LIMIT_NEW_CONNECTIONS] = gcra_none();
	CU_ASSERT_EQUAL(pass(f, TCP, A, 500, DROP_CLIENT_PACKETS), 7);
	CU_ASSERT_EQUAL(pass(f, TCP, B, 500, DROP_SERVICE_PACKETS), 2);
	flow_fixture_destroy(f);

	/* Nor has one for which the table has no room used up connections. */
	f = limited(MODE_DSR_L2);
	limit_connections(f, TCP, 5000, 6000);
	limit_client(f, TCP, LIMIT_NEW_CONNECTIONS, 4200);
	CU_ASSERT_EQUAL(pass(f, TCP, A, 4200, DROP_CONNECTION_TABLE_FULL), 4096);
	CU_ASSERT_EQUAL(service_connections(&f->dataplane.service_buckets[TCP], 1), 4096);
	flow_fixture_destroy(f);
}

static void
test_connections(void)
{
	static const enum forward modes[] = { MODE_DSR_L2, MODE_DSR_GUE, MODE_NAT };
	struct tuple first = from(A, 5000, IPPROTO_TCP), other = from(A, 5001, IPPROTO_TCP);
	uint32_t i;

	for (i = 0; i < 3; i++) {
		struct fixture *f = limited(modes[i]);

		limit_connections(f, TCP, 5, 8);
		sent(f, TCP, first, TCP_SYN);
		sent(f, TCP, other, TCP_SYN);
		CU_ASSERT_EQUAL(pass(f, TCP, A, 20, DROP_CLIENT_CONNECTIONS), 3);
		CU_ASSERT_EQUAL(pass(f, TCP, B, 20, DROP_SERVICE_CONNECTIONS), 3);
		/* What has begun goes on, and its SYN may come again. */
		CU_ASSERT_EQUAL(sent(f, TCP, first, TCP_SYN)->verdict, VERDICT_CONTINUE);
		CU_ASSERT_EQUAL(sent(f, TCP, first, TCP_ACK)->verdict, VERDICT_CONTINUE);
		/* One ends, one begins. */
		sent(f, TCP, first, TCP_RST);
		CU_ASSERT_EQUAL(pass(f, TCP, A, 20, DROP_CLIENT_CONNECTIONS), 1);
		/* One that only pretended to end does not go on for long. */
		CU_ASSERT_EQUAL(sent(f, TCP, first, TCP_ACK)->verdict, VERDICT_CONTINUE);
		CU_ASSERT_EQUAL(sent(f, TCP, first, TCP_ACK)->verdict, VERDICT_CONTINUE);
		CU_ASSERT_EQUAL(sent(f, TCP, first, TCP_ACK)->reason, DROP_CLIENT_CONNECTIONS);
		/* ... unless there is room: then it counts. */
		sent(f, TCP, other, TCP_RST);
		CU_ASSERT_EQUAL(sent(f, TCP, first, TCP_ACK)->verdict, VERDICT_CONTINUE);
		CU_ASSERT_EQUAL(pass(f, TCP, A, 20, DROP_CLIENT_CONNECTIONS), 0);
		/* All time out. */
		f->worker->now += 2000 * SECOND;
		while (connections_live(f->worker->connections) > 0) {
			f->worker->now += SECOND;
			connections_expire(f->worker);
		}
		CU_ASSERT_EQUAL(service_connections(&f->dataplane.service_buckets[TCP], 1), 0);
		CU_ASSERT_EQUAL(pass(f, TCP, A, 20, DROP_CLIENT_CONNECTIONS), 5);
		CU_ASSERT_TRUE(flow_invariant(f));
		flow_fixture_destroy(f);
	}
}

/* A connection that a later packet of its burst ends is not counted for the earlier ones. */
static void
test_ended_in_burst(void)
{
	static const enum forward modes[] = { MODE_DSR_L2, MODE_NAT };
	struct tuple first = from(A, 5000, IPPROTO_TCP);
	uint32_t i, j;

	for (i = 0; i < 2; i++) {
		struct fixture *f = limited(modes[i]);
		struct burst *b = &f->worker->burst;

		limit_connections(f, TCP, 5, 8);
		for (j = 0; j < 20; j++) {
			sent(f, TCP, first, TCP_SYN);
			sent(f, TCP, first, TCP_RST);
			b->count = 0;
			flow_forward(b, TCP, first, TCP_ACK);
			flow_forward(b, TCP, first, TCP_SYN);
			stage_limit(f->worker, b);
			flow_run(f, b);
			CU_ASSERT_EQUAL(b->packets[1].verdict, VERDICT_CONTINUE);
			CU_ASSERT_EQUAL(service_connections(&f->dataplane.service_buckets[TCP], 1),
					1);
			sent(f, TCP, first, TCP_RST);
		}
		CU_ASSERT_EQUAL(service_connections(&f->dataplane.service_buckets[TCP], 1), 0);
		CU_ASSERT_EQUAL(pass(f, TCP, A, 20, DROP_CLIENT_CONNECTIONS), 5);
		CU_ASSERT_TRUE(flow_invariant(f));
		flow_fixture_destroy(f);
	}
}

/* What a client sends before its FIN is of a connection that counts, however much of it there is;
 * what it sends afterwards, FINs too, is soon too much. */
static void
test_closing(void)
{
	struct fixture *f = limited(MODE_DSR_L2);
	struct tuple first = from(A, 5000, IPPROTO_TCP);
	struct burst *b = &f->worker->burst;
	uint32_t i, passed = 0;

	limit_connections(f, TCP, 5, 0);
	sent(f, TCP, first, TCP_SYN);
	CU_ASSERT_EQUAL(pass(f, TCP, A, 20, DROP_CLIENT_CONNECTIONS), 4);
	b->count = 0;
	for (i = 0; i < 20; i++)
		flow_forward(b, TCP, first, TCP_ACK);
	flow_forward(b, TCP, first, TCP_FIN | TCP_ACK);
	stage_limit(f->worker, b);
	flow_run(f, b);
	for (i = 0; i < 21; i++)
		CU_ASSERT_EQUAL(b->packets[i].verdict, VERDICT_CONTINUE);
	/* It counts no longer. */
	CU_ASSERT_EQUAL(pass(f, TCP, A, 20, DROP_CLIENT_CONNECTIONS), 1);
	/* The FIN may be lost, and the last ACK come behind it. */
	for (i = 0; i < 5; i++)
		CU_ASSERT_EQUAL(sent(f, TCP, first, TCP_FIN | TCP_ACK)->verdict, VERDICT_CONTINUE);
	CU_ASSERT_EQUAL(sent(f, TCP, first, TCP_ACK)->verdict, VERDICT_CONTINUE);
	for (i = 0; i < 100; i++)
		passed += sent(f, TCP, first, TCP_FIN | TCP_ACK)->verdict == VERDICT_CONTINUE;
	CU_ASSERT(passed < 10);
	flow_fixture_destroy(f);
}

/* Limits that were stricter hold nobody off for longer than the burst of those that are now, or one
 * packet of the largest size. */
static void
test_relaxed(void)
{
	static const enum drop_reason reasons[2][LIMIT_RATES] = {
		{ DROP_CLIENT_PACKETS, DROP_CLIENT_BYTES, DROP_CLIENT_NEW_CONNECTIONS },
		{ DROP_SERVICE_PACKETS, DROP_SERVICE_BYTES, DROP_SERVICE_NEW_CONNECTIONS },
	};
	enum limit_rate kind;
	uint32_t service;

	for (service = 0; service < 2; service++) {
		for (kind = 0; kind < LIMIT_RATES; kind++) {
			struct fixture *f = limited(MODE_DSR_L2);
			uint32_t unit = kind == LIMIT_BYTES ? FLOW_IP_LEN : 1;
			struct gcra_rate day = { 3 * unit, 86400 * SECOND, 86400 * SECOND,
						 kind == LIMIT_BYTES ? 65535 : 1 };

			(service ? limit_service : limit_client)(f, TCP, kind, 5 * unit);
			if (service)
				f->limits[TCP].service[kind].gcra = gcra_make(&day);
			else
				f->limits[TCP].client[kind] = gcra_make(&day);
			CU_ASSERT_EQUAL(pass(f, TCP, A, 20, reasons[service][kind]), 3);
			f->snapshot.generation++;
			(service ? limit_service : limit_client)(f, TCP, kind, 5 * unit);
			pass(f, TCP, A, 1, reasons[service][kind]);
			f->worker->now +=
			    kind == LIMIT_BYTES ? (65536 / FLOW_IP_LEN + 1) * SECOND / 5 : SECOND;
			CU_ASSERT_EQUAL(pass(f, TCP, A, 20, reasons[service][kind]), 5);
			flow_fixture_destroy(f);
		}
	}
}

/* Connections from before there was a limit count as soon as they are heard of. */
static void
test_adopted(void)
{
	struct fixture *f = limited(MODE_NAT);
	uint16_t port;

	for (port = 1; port <= 8; port++)
		sent(f, TCP, from(A, port, IPPROTO_TCP), TCP_SYN);
	limit_connections(f, TCP, 5, 0);
	for (port = 1; port <= 8; port++)
		CU_ASSERT_EQUAL(sent(f, TCP, from(A, port, IPPROTO_TCP), TCP_ACK)->verdict,
				VERDICT_CONTINUE);
	CU_ASSERT_EQUAL(pass(f, TCP, A, 5, DROP_CLIENT_CONNECTIONS), 0);
	for (port = 1; port <= 4; port++)
		sent(f, TCP, from(A, port, IPPROTO_TCP), TCP_RST);
	CU_ASSERT_EQUAL(pass(f, TCP, A, 5, DROP_CLIENT_CONNECTIONS), 1);
	flow_fixture_destroy(f);
}

static void
test_prefix(void)
{
	struct fixture *f = limited(MODE_DSR_L2);

	limit_client(f, TCP, LIMIT_PACKETS, 5);
	limit_client(f, 2, LIMIT_PACKETS, 5);
	f->limits[TCP].mask4 = htonl(0xffffff00);
	CU_ASSERT_EQUAL(pass(f, TCP, A, 3, DROP_CLIENT_PACKETS), 3);
	CU_ASSERT_EQUAL(pass(f, TCP, B, 3, DROP_CLIENT_PACKETS), 2);
	CU_ASSERT_EQUAL(pass(f, TCP, "198.51.101.1", 3, DROP_CLIENT_PACKETS), 3);
	CU_ASSERT_EQUAL(pass(f, 2, V6, 3, DROP_CLIENT_PACKETS), 3);
	CU_ASSERT_EQUAL(pass(f, 2, "2001:db8:1::ffff", 3, DROP_CLIENT_PACKETS), 2);
	CU_ASSERT_EQUAL(pass(f, 2, "2001:db8:1:1::1", 3, DROP_CLIENT_PACKETS), 3);
	flow_fixture_destroy(f);
}

static void
test_access(void)
{
	struct fixture *f = limited(MODE_DSR_L2);
	struct lpm_entry entries[2] = { { .value = ACCESS_ALLOW }, { .value = ACCESS_DENY } };
	struct lpm *lpm;

	CU_ASSERT_EQUAL(prefix_parse("198.51.100.0/24", &entries[0].prefix), 0);
	CU_ASSERT_EQUAL(prefix_parse(A, &entries[1].prefix), 0);
	CU_ASSERT_EQUAL_FATAL(lpm_build(&lpm, entries, 2), 0);
	f->limits[TCP].access = lpm;
	f->limits[TCP].flags |= LIMITS_ACCESS;
	CU_ASSERT_EQUAL(pass(f, TCP, A, 1, DROP_DENIED), 0);
	CU_ASSERT_EQUAL(pass(f, TCP, B, 1, DROP_DENIED), 1);
	CU_ASSERT_EQUAL(pass(f, TCP, "10.9.9.9", 1, DROP_DENIED), 1);
	f->limits[TCP].flags |= LIMITS_ALLOW_ONLY;
	CU_ASSERT_EQUAL(pass(f, TCP, "10.9.9.9", 1, DROP_DENIED), 0);
	CU_ASSERT_EQUAL(pass(f, TCP, B, 1, DROP_DENIED), 1);
	lpm_free(lpm);
	flow_fixture_destroy(f);
}

/* Made-up sources fill the table: who was there keeps its own limit, the others share one. */
static void
test_flood(void)
{
	struct fixture *f = limited(MODE_DSR_L2);
	uint32_t i, passed = 0, shared = 0;

	limit_client(f, UDP, LIMIT_PACKETS, 2);
	CU_ASSERT_EQUAL(pass(f, UDP, A, 1, DROP_CLIENT_PACKETS), 1);
	for (i = 0; i < 100000; i++) {
		struct tuple t = from("10.0.0.0", 1, IPPROTO_UDP);
		struct packet *p;

		t.src.w[3] = htonl(0x0a000000 + i);
		p = sent(f, UDP, t, 0);
		passed += p->verdict == VERDICT_CONTINUE;
		shared += p->verdict == VERDICT_DROP && p->reason == DROP_CLIENT_TABLE_FULL;
	}
	CU_ASSERT(passed >= 1024 && passed < 2000);
	CU_ASSERT_EQUAL(passed + shared, 100000);
	CU_ASSERT_EQUAL(pass(f, UDP, A, 5, DROP_CLIENT_PACKETS), 1);
	/* Two a second for all the others together. */
	f->worker->now += SECOND / 2 - 1;
	CU_ASSERT_EQUAL(pass(f, UDP, B, 5, DROP_CLIENT_TABLE_FULL), 0);
	f->worker->now += SECOND;
	CU_ASSERT_EQUAL(pass(f, UDP, B, 5, DROP_CLIENT_PACKETS), 2);
	flow_fixture_destroy(f);
}

/* What a burst brings of one client, new and in any order, counts for one client. */
static void
test_burst(void)
{
	struct fixture *f = limited(MODE_NAT);
	struct burst *b = &f->worker->burst;
	uint32_t i, a = 0, other = 0;

	limit_client(f, UDP, LIMIT_PACKETS, 7);
	limit_client(f, UDP, LIMIT_NEW_CONNECTIONS, 5);
	b->count = 0;
	for (i = 0; i < BURST_MAX; i++)
		flow_forward(b, UDP, from(i % 2 ? A : B, (uint16_t)(2000 + i / 2), IPPROTO_UDP), 0);
	stage_limit(f->worker, b);
	flow_run(f, b);
	for (i = 0; i < BURST_MAX; i++) {
		a += i % 2 && b->packets[i].verdict == VERDICT_CONTINUE;
		other += !(i % 2) && b->packets[i].verdict == VERDICT_CONTINUE;
	}
	CU_ASSERT_EQUAL(a, 5);
	CU_ASSERT_EQUAL(other, 5);
	flow_fixture_destroy(f);
}

static void
test_peek(void)
{
	struct fixture *f = limited(MODE_NAT);
	struct limit_query q = { TCP, fixture_addr(A), FLOW_IP_LEN, true };
	struct limits_view v;
	int i;

	limit_client(f, TCP, LIMIT_PACKETS, 10);
	limit_service(f, TCP, LIMIT_PACKETS, 100);
	limit_connections(f, TCP, 4, 0);
	for (i = 0; i < 3; i++) {
		limit_peek(f->worker, &q, &v);
		CU_ASSERT_EQUAL(v.place, CLIENT_NEW);
		CU_ASSERT_EQUAL(v.count, 3);
		CU_ASSERT_EQUAL(v.reason, DROP_REASON_COUNT);
		CU_ASSERT_EQUAL(v.views[0].left, 10);
		CU_ASSERT_EQUAL(v.views[1].kind, LIMIT_KIND_SERVICE_PACKETS);
		CU_ASSERT_EQUAL(v.views[1].left, 100);
		CU_ASSERT_EQUAL(v.views[2].left, 4);
	}
	CU_ASSERT_EQUAL(pass(f, TCP, A, 3, DROP_REASON_COUNT), 3);
	limit_peek(f->worker, &q, &v);
	CU_ASSERT_EQUAL(v.place, CLIENT_KNOWN);
	CU_ASSERT_EQUAL(v.views[0].left, 7);
	CU_ASSERT_EQUAL(v.views[1].left, 97);
	CU_ASSERT_EQUAL(v.views[2].left, 1);
	CU_ASSERT_EQUAL(v.client_connections, 3);
	pass(f, TCP, A, 1, DROP_REASON_COUNT);
	limit_peek(f->worker, &q, &v);
	CU_ASSERT_EQUAL(v.reason, DROP_CLIENT_CONNECTIONS);
	q.begins = false;
	limit_peek(f->worker, &q, &v);
	CU_ASSERT_EQUAL(v.reason, DROP_REASON_COUNT);
	pass(f, TCP, A, 20, DROP_CLIENT_CONNECTIONS);
	for (i = 0; i < 10; i++)
		sent(f, TCP, from(A, 1, IPPROTO_TCP), TCP_RST);
	limit_peek(f->worker, &q, &v);
	CU_ASSERT_EQUAL(v.views[0].count, 10);
	flow_fixture_destroy(f);
}

int
test_limit_register(void)
{
	CU_TestInfo tests[] = {
		{ "rates of clients", test_client_rates },
		{ "rates of services", test_service_rates },
		{ "what is refused has used nothing", test_nothing_used },
		{ "connections at a time", test_connections },
		{ "connections that end within a burst", test_ended_in_burst },
		{ "connections that are closing", test_closing },
		{ "limits that were stricter", test_relaxed },
		{ "connections from before the limit", test_adopted },
		{ "a client is a prefix", test_prefix },
		{ "allow and deny", test_access },
		{ "a flood of sources", test_flood },
		{ "within one burst", test_burst },
		{ "peek", test_peek },
		CU_TEST_INFO_NULL,
	};

	return suite_add("limit", tests);
}

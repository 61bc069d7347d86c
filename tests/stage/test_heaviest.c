/* SPDX-License-Identifier: Apache-2.0 */
/* The heaviest clients: what is counted for whom, by one packet or by one for many, and what the
 * control thread gets. */
#include <netinet/in.h>
#include <stdlib.h>

#include "dp/l4/heaviest.h"
#include "flows.h"
#include "suites.h"

#define NAT 0
#define DSR 1

static struct fixture *
two_services(void)
{
	struct fixture *f = flow_fixture(4096);

	fixture_service(f, "192.0.2.0/24", IPPROTO_TCP, 80, MODE_NAT);
	fixture_service(f, "2001:db8:80::/64", IPPROTO_TCP, 80, MODE_DSR_L2);
	fixture_backend(f, NAT, "10.0.0.1", 8080);
	fixture_backend(f, DSR, "2001:db8:2::3", 0);
	fixture_publish(f);
	return f;
}

static struct tuple
client4(uint8_t last, uint16_t port)
{
	struct tuple t = flow_tuple("198.51.100.0", port, "192.0.2.10", 80, IPPROTO_TCP);

	t.src.b[15] = last;
	return t;
}

/* All that the worker knows, as the control thread asks for it. */
static uint32_t
ask(struct fixture *f, struct client_view *views, uint32_t max)
{
	struct client_query *q = &f->worker->client_query;
	uint32_t n = 0, turns;

	q->cursor = 0;
	for (turns = 0; turns < 1000 && q->cursor != UINT32_MAX; turns++) {
		atomic_store(&q->state, QUERY_ASKED);
		heaviest_iterate(f->worker);
		CU_ASSERT_EQUAL_FATAL(atomic_load(&q->state), QUERY_DONE);
		CU_ASSERT_FATAL(n + q->count <= max);
		CU_ASSERT_EQUAL(q->now, f->worker->now);
		memcpy(&views[n], q->views, q->count * sizeof(*views));
		n += q->count;
	}
	CU_ASSERT_EQUAL(q->cursor, UINT32_MAX);
	return n;
}

/* The view of one client, or one that is all zero. */
static struct client_view
view_of(struct fixture *f, const char *client, uint8_t len)
{
	static struct client_view views[HEAVIEST_CLIENTS];
	struct addr addr = fixture_addr(client);
	uint32_t n = ask(f, views, HEAVIEST_CLIENTS), i;

	for (i = 0; i < n; i++) {
		if (addr_equal(&views[i].entry.client, &addr) && views[i].entry.len == len)
			return views[i];
	}
	return (struct client_view){ 0 };
}

static void
count(struct fixture *f, struct burst *b)
{
	stage_heaviest(f->worker, b);
	b->count = 0;
}

/* ---- for whom ---- */

static void
test_who(void)
{
	struct fixture *f = two_services();
	struct tuple six =
	    flow_tuple("2001:db8:77:0:1:2:3:4", 5, "2001:db8:80::1", 80, IPPROTO_TCP);
	struct client_view view;
	struct burst b = { 0 };

	flow_forward(&b, NAT, client4(7, 1), TCP_ACK);
	flow_forward(&b, NAT, client4(7, 2), TCP_ACK);
	flow_forward(&b, NAT, client4(8, 1), TCP_ACK);
	flow_forward(&b, DSR, six, TCP_ACK);
	six.src.b[15]++;
	flow_forward(&b, DSR, six, TCP_ACK);
	/* Neither answers, nor what is the host's. */
	flow_reply(&b, client4(9, 1), TCP_ACK)->service = NAT;
	flow_forward(&b, NAT, client4(10, 1), TCP_ACK)->verdict = VERDICT_HOST;
	flow_forward(&b, INDEX_NONE, client4(11, 1), TCP_ACK);
	count(f, &b);
	view = view_of(f, "198.51.100.7", 128);
	CU_ASSERT_EQUAL(view.entry.packets, 2);
	CU_ASSERT_EQUAL(view.entry.bytes, 2 * FLOW_IP_LEN);
	CU_ASSERT_EQUAL(view.entry.since, f->worker->now);
	CU_ASSERT_EQUAL(view_of(f, "198.51.100.8", 128).entry.packets, 1);
	CU_ASSERT_EQUAL(view_of(f, "2001:db8:77::", 64).entry.packets, 2);
	CU_ASSERT_EQUAL(view_of(f, "198.51.100.9", 128).entry.packets, 0);
	CU_ASSERT_EQUAL(view_of(f, "198.51.100.10", 128).entry.packets, 0);
	CU_ASSERT_EQUAL(view_of(f, "198.51.100.11", 128).entry.packets, 0);
	flow_fixture_destroy(f);
}

/* A service's limits say what a client is. */
static void
test_prefix_of_limits(void)
{
	struct fixture *f = two_services();
	struct service_limits limits[2] = { 0 };
	struct burst b = { 0 };

	limits[NAT].prefix4 = 24;
	limits[NAT].mask4 = htonl(0xffffff00u);
	limits[DSR].prefix6 = 48;
	limits[DSR].mask6[0] = fixture_addr("ffff:ffff:ffff::").q[0];
	f->snapshot.limits = limits;
	f->services[NAT].flags |= SERVICE_LIMITED;
	f->services[DSR].flags |= SERVICE_LIMITED;
	flow_forward(&b, NAT, client4(7, 1), TCP_ACK);
	flow_forward(&b, NAT, client4(8, 1), TCP_ACK);
	flow_forward(&b, DSR, flow_tuple("2001:db8:77:1::1", 5, "2001:db8:80::1", 80, IPPROTO_TCP),
		     TCP_ACK);
	count(f, &b);
	CU_ASSERT_EQUAL(view_of(f, "198.51.100.0", 120).entry.packets, 2);
	CU_ASSERT_EQUAL(view_of(f, "2001:db8:77::", 48).entry.packets, 1);
	flow_fixture_destroy(f);
}

static void
test_limited(void)
{
	struct fixture *f = two_services();
	struct burst b = { 0 };
	struct client_view view;
	int reason;

	for (reason = 0; reason < DROP_REASON_COUNT; reason++) {
		packet_drop(flow_forward(&b, NAT, client4(7, 1), TCP_ACK),
			    (enum drop_reason)reason);
		count(f, &b);
	}
	flow_forward(&b, NAT, client4(7, 1), TCP_ACK);
	count(f, &b);
	view = view_of(f, "198.51.100.7", 128);
	CU_ASSERT_EQUAL(view.entry.packets, DROP_REASON_COUNT + 1);
	for (reason = 0; reason < (int)HEAVY_COUNTS; reason++)
		CU_ASSERT_EQUAL(view.entry.counts[reason],
				reason <= DROP_LIMIT_LAST - DROP_LIMIT_FIRST);
	flow_fixture_destroy(f);
}

/* ---- one for many ---- */

static uint64_t
packets_of(struct fixture *f, uint8_t last)
{
	char text[ADDR_STRLEN];
	struct addr addr = client4(last, 1).src;

	return view_of(f, addr_format(&addr, text), 128).entry.packets;
}

static void
test_sampled(void)
{
	struct fixture *f = two_services();
	struct burst b = { 0 };
	struct heaviest_sample sample;
	uint64_t packets, sum = 0;
	uint32_t bursts, i;

	/* Short bursts: exact. */
	for (bursts = 0; bursts < 1000; bursts++) {
		for (i = 0; i < 12; i++)
			flow_forward(&b, NAT, client4((uint8_t)(i % 4), 1), TCP_ACK);
		count(f, &b);
	}
	for (i = 0; i < 4; i++)
		CU_ASSERT_EQUAL(packets_of(f, (uint8_t)i), 3000);
	/* Long ones: right in the mean, though clients come in the same order each time. */
	for (bursts = 0; bursts < 20000; bursts++) {
		for (i = 0; i < BURST_MAX; i++)
			flow_forward(&b, NAT, client4((uint8_t)(100 + i % 8), 1), TCP_ACK);
		count(f, &b);
	}
	heaviest_choose(f->worker, BURST_MAX, &sample);
	CU_ASSERT_EQUAL(sample.packets, 16);
	CU_ASSERT_EQUAL(sample.n, BURST_MAX / 16);
	for (i = 0; i < 8; i++) {
		packets = packets_of(f, (uint8_t)(100 + i));
		/* The standard error is 1,549: one packet in sixteen. */
		CU_ASSERT(packets > 152000 && packets < 168000);
		sum += packets;
	}
	CU_ASSERT_EQUAL(sum, 1280000);
	flow_fixture_destroy(f);
}

/* ---- connections ---- */

static void
close_connection(struct fixture *f, struct tuple t)
{
	connection_close(f->worker, hit_index(connection_find(f->worker, &t)));
}

static void
test_connections(void)
{
	struct fixture *f = two_services();
	uint16_t port;

	for (port = 1; port <= 20; port++) {
		flow_send(f, NAT, client4(7, port), TCP_SYN);
		count(f, &f->worker->burst);
	}
	CU_ASSERT_EQUAL(view_of(f, "198.51.100.7", 128).connections, 20);
	for (port = 1; port <= 5; port++)
		close_connection(f, client4(7, port));
	CU_ASSERT_EQUAL(view_of(f, "198.51.100.7", 128).connections, 15);
	f->worker->now += 3600 * SECOND;
	for (port = 0; port < 100; port++)
		connections_expire(f->worker);
	CU_ASSERT_EQUAL(connections_live(f->worker->connections), 0);
	CU_ASSERT_EQUAL(view_of(f, "198.51.100.7", 128).connections, 0);
	flow_fixture_destroy(f);
}

/* The prefix of a connection's end is that of its beginning. */
static void
test_connections_keep_their_prefix(void)
{
	struct fixture *f = two_services();
	struct service_limits limits[2] = { 0 };
	struct tuple t = client4(7, 1);

	flow_send(f, NAT, t, TCP_SYN);
	count(f, &f->worker->burst);
	limits[NAT].prefix4 = 24;
	limits[NAT].mask4 = htonl(0xffffff00u);
	f->snapshot.limits = limits;
	f->services[NAT].flags |= SERVICE_LIMITED;
	close_connection(f, t);
	CU_ASSERT_EQUAL(view_of(f, "198.51.100.7", 128).connections, 0);
	flow_send(f, NAT, t, TCP_SYN);
	count(f, &f->worker->burst);
	CU_ASSERT_EQUAL(view_of(f, "198.51.100.0", 120).connections, 1);
	flow_fixture_destroy(f);
}

/* ---- what the control thread gets ---- */

static void
test_query(void)
{
	static struct client_view views[HEAVIEST_CLIENTS];
	struct fixture *f = two_services();
	struct burst b = { 0 };
	uint32_t i, n;

	CU_ASSERT_EQUAL(ask(f, views, HEAVIEST_CLIENTS), 0);
	/* Nobody asks, nobody answers. */
	atomic_store(&f->worker->client_query.state, QUERY_IDLE);
	heaviest_iterate(f->worker);
	CU_ASSERT_EQUAL(atomic_load(&f->worker->client_query.state), QUERY_IDLE);
	for (i = 0; i < 20000; i++) {
		struct tuple t = flow_number(i, IPPROTO_TCP);

		t.src.b[14] = (uint8_t)(i >> 8);
		flow_forward(&b, NAT, t, TCP_ACK);
		count(f, &b);
	}
	n = ask(f, views, HEAVIEST_CLIENTS);
	CU_ASSERT(n > HEAVIEST_CLIENTS * 9 / 10);
	/* A second later that was the last second's traffic. */
	f->worker->now += SECOND;
	n = ask(f, views, HEAVIEST_CLIENTS);
	for (i = 0; i < n; i++)
		CU_ASSERT(views[i].rate == views[i].entry.packets && views[i].rate > 0);
	flow_fixture_destroy(f);
}

int
test_heaviest_register(void)
{
	static const CU_TestInfo tests[] = {
		{ "for whom", test_who },
		{ "limits say what a client is", test_prefix_of_limits },
		{ "what limits refuse", test_limited },
		{ "one for many", test_sampled },
		{ "connections", test_connections },
		{ "connections keep their prefix", test_connections_keep_their_prefix },
		{ "the control thread's question", test_query },
		CU_TEST_INFO_NULL,
	};

	return suite_add("heaviest", tests);
}

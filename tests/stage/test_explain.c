/* SPDX-License-Identifier: Apache-2.0 */
/* explain: it says what the stages then do, and it changes nothing. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "dp/l4/classify.h"
#include "dp/l4/client_table.h"
#include "dp/l4/explain.h"
#include "dp/l4/nexthop.h"
#include "flows.h"
#include "frames.h"
#include "lib/maglev.h"
#include "suites.h"

static struct fixture *f;
static uint16_t candidate[FIXTURE_ROWS];
static uint64_t moving[FIXTURE_ROWS / 64 + 1];

/* One service of a mode with two backends, for TCP and UDP of IPv4. */
static void
set_up(enum forward mode, uint8_t proto)
{
	uint32_t hop, i;

	f = flow_fixture(64);
	f->worker->now = 5000 * SECOND;
	hop = fixture_nexthop(f, "02:00:00:00:00:42", 7);
	fixture_service(f, "192.0.2.10/32", proto, 80, mode);
	fixture_backend(f, 0, "10.0.0.1", 8080);
	fixture_backend(f, 0, "10.0.0.2", 8080);
	fixture_source(f, "10.0.0.64", SOURCE_BY_PORT);
	for (i = 0; i < 2; i++) {
		f->backends[i].nexthop = hop;
		f->backends[i].sources_count = 1;
	}
	fixture_route(f, "198.0.0.0/8", hop);
	fixture_publish(f);
}

static struct explain_query
question(struct tuple t, uint8_t tcp_flags)
{
	return (struct explain_query){ .tuple = t, .tcp_flags = tcp_flags, .ip_len = 100 };
}

/* All that a worker can change: the struct itself, what it counts, its connections. */
struct memory {
	uint8_t worker[sizeof(struct worker)];
	struct service_stats service_stats;
	struct backend_stats backend_stats[2];
	uint64_t drops[DROP_REASON_COUNT];
	uint32_t entries, live, source_count;
	struct connection connections[64];
};

static void
remember(struct memory *m)
{
	struct worker *w = f->worker;
	uint32_t i;

	memcpy(m->worker, w, sizeof(m->worker));
	m->service_stats = w->service_stats[0];
	memcpy(m->backend_stats, w->backend_stats, sizeof(m->backend_stats));
	memcpy(m->drops, w->service_drops[0], sizeof(m->drops));
	m->entries = connections_entries(w->connections);
	m->live = connections_live(w->connections);
	m->source_count = connections_source_count(w->connections);
	connections_source_rewind(w->connections, m->source_count);
	for (i = 0; i < 64; i++)
		m->connections[i] = *connection_at(w->connections, i);
}

/* Ask, and see that nothing has changed. */
static struct explain_query
ask(struct tuple t, uint8_t tcp_flags)
{
	static struct memory before, after;
	struct explain_query q = question(t, tcp_flags);

	remember(&before);
	explain(f->worker, &q);
	remember(&after);
	CU_ASSERT_EQUAL(memcmp(&before, &after, sizeof(before)), 0);
	return q;
}

/* What the stages do with such a packet. */
static struct packet
happen(struct tuple t, uint8_t tcp_flags)
{
	uint8_t frame[FRAME_MAX];
	struct burst b = { 0 };
	char src[ADDR_STRLEN], dst[ADDR_STRLEN];
	const struct frame_spec spec = {
		.src = addr_format(&t.src, src),
		.dst = addr_format(&t.dst, dst),
		.proto = t.proto,
		.sport = ntohs(t.sport),
		.dport = ntohs(t.dport),
		.tcp_flags = tcp_flags,
		.payload_len = 40,
	};

	fixture_receive(&b, frame, frame_build(frame, &spec));
	stage_parse(f->worker, &b);
	stage_classify(f->worker, &b);
	stage_steer(f->worker, &b);
	stage_limit(f->worker, &b);
	stage_track(f->worker, &b);
	stage_balance(f->worker, &b);
	stage_rewrite(f->worker, &b);
	fixture_free(&b);
	return b.packets[0];
}

static bool
agree(const struct explain_query *q, const struct packet *p)
{
	if (q->verdict != p->verdict || q->direction != p->direction || q->service != p->service)
		return false;
	if (p->verdict == VERDICT_DROP)
		return q->reason == p->reason;
	return p->verdict != VERDICT_TRANSMIT ||
	       (q->backend == p->backend && q->out_port == p->out_port);
}

/* The backend's rows go from where they are to B. */
static void
move_rows(void)
{
	unsigned int i;

	for (i = 0; i < FIXTURE_ROWS; i++)
		candidate[i] = 1;
	memset(moving, 0xff, sizeof(moving));
	f->pools[0].settled = f->pools[0].candidate;
	f->pools[0].candidate = candidate;
	f->pools[0].moving = moving;
	f->pools[0].changed_at = f->worker->now;
}

/* Every mode and protocol, rows that stand and rows that move, packets that begin and packets that
 * go on: what is said before is what happens then. */
static void
test_agrees(void)
{
	static const uint8_t flags[] = { TCP_SYN, TCP_ACK, TCP_ACK | TCP_FIN, TCP_RST };
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP };
	unsigned int mode, proto, moves;
	uint32_t i, forwarded = 0;

	for (mode = MODE_DSR_L2; mode <= MODE_FULL_NAT; mode++) {
		for (proto = 0; proto < 2; proto++) {
			for (moves = 0; moves < 2; moves++) {
				set_up((enum forward)mode, protocols[proto]);
				if (moves)
					move_rows();
				for (i = 0; i < 400; i++) {
					struct tuple t =
					    flow_number(i * 7919 % 90, protocols[proto]);
					uint8_t flag = proto ? 0 : flags[i * 31 % 97 % 4];
					struct explain_query q = ask(t, flag);
					struct packet p = happen(t, flag);

					CU_ASSERT_TRUE(agree(&q, &p));
					forwarded += p.verdict == VERDICT_TRANSMIT;
				}
				flow_fixture_destroy(f);
			}
		}
	}
	CU_ASSERT_TRUE(forwarded > 4000);
}

/* `count` a second, a tenth of which may come at once. */
static struct gcra
a_second(uint64_t count)
{
	struct gcra_rate rate = { count, SECOND, SECOND / 10, 1 };

	return gcra_make(&rate);
}

/* All that a client and a service can be limited in; little of each. */
static void
limit_all(uint8_t proto)
{
	struct service_limits *l = &f->limits[0];
	enum limit_rate kind;

	for (kind = 0; kind < LIMIT_RATES; kind++)
		l->client[kind] = l->service[kind].gcra = gcra_none();
	l->mask4 = UINT32_MAX;
	l->mask6[0] = UINT64_MAX;
	l->prefix4 = 32;
	l->prefix6 = 64;
	l->client[LIMIT_PACKETS] = a_second(30);
	l->client[LIMIT_NEW_CONNECTIONS] = a_second(100);
	l->service[LIMIT_NEW_CONNECTIONS].gcra = a_second(200);
	l->client_settings[LIMIT_PACKETS] = (struct limit_setting){ 30, SECOND, SECOND / 10 };
	l->client_connections = 12;
	l->service_connections = 30;
	l->flags = LIMITS_CLIENT | LIMITS_CLIENT_BEGIN | LIMITS_CLIENT_COUNT |
		   LIMITS_SERVICE_BEGIN | LIMITS_SERVICE_COUNT;
	f->services[0].flags |= SERVICE_LIMITED | SERVICE_TRACKED;
	f->services[0].protocol = proto;
	f->worker->clients = client_table_create(1024, SOCKET_ID_ANY);
	CU_ASSERT_PTR_NOT_NULL_FATAL(f->worker->clients);
}

/* With limits that bite in turn: what is said before is what happens then. */
static void
test_agrees_on_limits(void)
{
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP };
	uint32_t reasons[DROP_REASON_COUNT] = { 0 };
	unsigned int mode, proto;
	uint32_t i;

	for (mode = MODE_DSR_L2; mode <= MODE_FULL_NAT; mode++) {
		for (proto = 0; proto < 2; proto++) {
			set_up((enum forward)mode, protocols[proto]);
			limit_all(protocols[proto]);
			for (i = 0; i < 600; i++) {
				/* four clients, twenty flows each */
				struct tuple t =
				    flow_number(i % 4 | i / 4 * 7919 % 20 << 8, protocols[proto]);
				uint8_t flag = proto ? 0 : TCP_SYN;
				struct explain_query q;
				struct packet p;

				f->worker->now += i % 50 ? SECOND / 500 : SECOND / 5;
				if (!proto && i % 3 == 0)
					flag = TCP_ACK;
				q = ask(t, flag);
				p = happen(t, flag);
				CU_ASSERT_TRUE(agree(&q, &p));
				reasons[p.verdict == VERDICT_DROP ? p.reason : 0]++;
			}
			flow_fixture_destroy(f);
		}
	}
	CU_ASSERT_TRUE(reasons[0] > 500);
	CU_ASSERT_TRUE(reasons[DROP_CLIENT_PACKETS] > 10);
	CU_ASSERT_TRUE(reasons[DROP_CLIENT_CONNECTIONS] + reasons[DROP_SERVICE_CONNECTIONS] > 10);
}

static void
test_connection(void)
{
	struct tuple t = flow_number(1, IPPROTO_TCP);
	struct explain_query q;
	uint32_t backend;

	set_up(MODE_NAT, IPPROTO_TCP);
	q = ask(t, 0);
	CU_ASSERT_FALSE(q.connected);
	CU_ASSERT_EQUAL(q.tcp_flags, TCP_SYN); /* it would be the first */
	CU_ASSERT_EQUAL(q.row, EXPLAIN_ROW_STABLE);
	CU_ASSERT_TRUE(q.row_index < FIXTURE_ROWS);
	CU_ASSERT_EQUAL(q.mode, MODE_NAT);
	CU_ASSERT_EQUAL(q.vlan, 7);
	CU_ASSERT_EQUAL(q.mac[5], 0x42);
	backend = q.backend;
	happen(t, TCP_SYN);
	q = ask(t, 0);
	CU_ASSERT_TRUE(q.connected);
	CU_ASSERT_EQUAL(q.tcp_flags, TCP_ACK);
	CU_ASSERT_EQUAL(q.row, EXPLAIN_ROW_NONE);
	CU_ASSERT_EQUAL(q.backend, backend);
	CU_ASSERT_EQUAL(q.connection.state, CONNECTION_OPENING);
	CU_ASSERT_EQUAL(q.connection.packets_in, 1);
	/* its backend goes */
	f->backends[backend].flags = 0;
	q = ask(t, 0);
	CU_ASSERT_FALSE(q.connected);
	flow_fixture_destroy(f);
}

static void
test_answer(void)
{
	struct tuple t = flow_number(1, IPPROTO_TCP), back;
	struct explain_query q;
	char backend[ADDR_STRLEN];

	set_up(MODE_NAT, IPPROTO_TCP);
	q = ask(t, TCP_SYN);
	addr_format(&f->backends[q.backend].addr, backend);
	back = flow_answer(&t, backend, 8080);
	q = ask(back, TCP_ACK);
	CU_ASSERT_EQUAL(q.verdict, VERDICT_DROP); /* the host's, but there is no twin */
	CU_ASSERT_EQUAL(q.reason, DROP_NO_SERVICE);
	happen(t, TCP_SYN);
	q = ask(back, TCP_ACK);
	CU_ASSERT_EQUAL(q.direction, DIR_REPLY);
	CU_ASSERT_TRUE(q.connected);
	CU_ASSERT_EQUAL(q.service, 0);
	CU_ASSERT_EQUAL(q.verdict, VERDICT_TRANSMIT);
	flow_fixture_destroy(f);
}

static void
test_rows(void)
{
	struct tuple t = flow_number(0, IPPROTO_TCP);
	struct explain_query q;
	uint32_t i;

	set_up(MODE_DSR_L2, IPPROTO_TCP);
	for (i = 0; ask(t, TCP_SYN).backend != 0; i++)
		t = flow_number(i, IPPROTO_TCP);
	move_rows();
	q = ask(t, TCP_SYN);
	CU_ASSERT_EQUAL(q.row, EXPLAIN_ROW_CANDIDATE);
	CU_ASSERT_EQUAL(q.backend, 1);
	q = ask(t, TCP_ACK);
	CU_ASSERT_EQUAL(q.row, EXPLAIN_ROW_SETTLED);
	CU_ASSERT_EQUAL(q.backend, 0);
	f->worker->now += 1000 * SECOND;
	q = ask(t, TCP_ACK);
	CU_ASSERT_EQUAL(q.row, EXPLAIN_ROW_CANDIDATE);
	flow_fixture_destroy(f);
}

/* The source that is told is the one that the next connection gets. */
static void
test_full_nat_source(void)
{
	struct tuple t = flow_number(1, IPPROTO_TCP);
	struct explain_query q, again;

	set_up(MODE_FULL_NAT, IPPROTO_TCP);
	q = ask(t, TCP_SYN);
	again = ask(t, TCP_SYN);
	CU_ASSERT_NOT_EQUAL(q.source_port, 0);
	CU_ASSERT_EQUAL(q.source_port, again.source_port);
	happen(t, TCP_SYN);
	CU_ASSERT_PTR_NOT_NULL_FATAL(flow_connection(f, &t));
	CU_ASSERT_EQUAL(flow_connection(f, &t)->local_port, q.source_port);
	q = ask(t, 0);
	CU_ASSERT_EQUAL(q.source.q[0] | q.source.q[1], 0); /* it is in the connection */
	CU_ASSERT_EQUAL(q.connection.local_port, again.source_port);
	f->backends[0].sources_count = f->backends[1].sources_count = 0;
	q = ask(flow_number(2, IPPROTO_TCP), TCP_SYN);
	CU_ASSERT_EQUAL(q.reason, DROP_SOURCE_PORT_EXHAUSTED);
	flow_fixture_destroy(f);
}

static uint8_t
reason_of(struct tuple t, uint16_t ip_len)
{
	struct explain_query q = question(t, TCP_SYN);

	q.ip_len = ip_len;
	explain(f->worker, &q);
	return q.verdict == VERDICT_DROP ? q.reason : DROP_REASON_COUNT;
}

static void
test_refusals(void)
{
	struct tuple t = flow_number(1, IPPROTO_TCP), other = t;
	uint32_t i;

	set_up(MODE_DSR_IPIP, IPPROTO_TCP);
	CU_ASSERT_EQUAL(reason_of(t, 1480), DROP_REASON_COUNT);
	CU_ASSERT_EQUAL(reason_of(t, 1481), DROP_TOO_BIG);
	other.src = fixture_addr("127.0.0.1");
	CU_ASSERT_EQUAL(reason_of(other, 40), DROP_MARTIAN_SOURCE);
	other.src = fixture_addr("192.0.2.10");
	CU_ASSERT_EQUAL(reason_of(other, 40), DROP_SPOOFED_SOURCE);
	other = t;
	other.dport = htons(81);
	CU_ASSERT_EQUAL(reason_of(other, 40), DROP_NO_SERVICE);
	f->nexthops[0].state = NEXTHOP_UNRESOLVED;
	CU_ASSERT_EQUAL(reason_of(t, 40), DROP_NEIGHBOUR_UNRESOLVED);
	f->backends[0].nexthop = f->backends[1].nexthop = INDEX_NONE;
	CU_ASSERT_EQUAL(reason_of(t, 40), DROP_NO_ROUTE);
	f->backends[0].flags = f->backends[1].flags = 0;
	CU_ASSERT_EQUAL(reason_of(t, 40), DROP_NO_BACKEND);
	flow_fixture_destroy(f);
	/* a full table */
	set_up(MODE_NAT, IPPROTO_TCP);
	for (i = 0; i < 64; i++)
		happen(flow_number(i, IPPROTO_TCP), TCP_SYN);
	CU_ASSERT_EQUAL(reason_of(flow_number(64, IPPROTO_TCP), 40), DROP_CONNECTION_TABLE_FULL);
	flow_fixture_destroy(f);
}

/* Another worker's client: that one is to be asked. */
static void
test_owner(void)
{
	unsigned int i, ours = 0;

	set_up(MODE_NAT, IPPROTO_TCP);
	fixture_workers(f, 3);
	for (i = 0; i < 300; i++) {
		struct tuple t = flow_number(i, IPPROTO_TCP);
		struct explain_query q = ask(t, TCP_SYN);

		CU_ASSERT_EQUAL(q.owner, snapshot_owner(&f->snapshot, &t.src));
		ours += q.owner == 0;
		CU_ASSERT_EQUAL(q.verdict == VERDICT_TRANSMIT, q.owner == 0);
	}
	CU_ASSERT_TRUE(ours > 50 && ours < 150);
	flow_fixture_destroy(f);
}

static void
test_handoff(void)
{
	set_up(MODE_NAT, IPPROTO_TCP);
	f->worker->explain.verdict = 99;
	explain_answer(f->worker);
	CU_ASSERT_EQUAL(f->worker->explain.verdict, 99);
	f->worker->explain.tuple = flow_number(1, IPPROTO_TCP);
	f->worker->explain.ip_len = 40;
	atomic_store(&f->worker->explain.state, QUERY_ASKED);
	explain_answer(f->worker);
	CU_ASSERT_EQUAL(atomic_load(&f->worker->explain.state), QUERY_DONE);
	CU_ASSERT_EQUAL(f->worker->explain.verdict, VERDICT_TRANSMIT);
	flow_fixture_destroy(f);
}

int
test_explain_register(void)
{
	static const CU_TestInfo tests[] = {
		{ "says what then happens, in all modes", test_agrees },
		{ "... and with limits", test_agrees_on_limits },
		{ "a connection", test_connection },
		{ "an answer of a backend", test_answer },
		{ "settled and candidate rows", test_rows },
		{ "the source of full-nat", test_full_nat_source },
		{ "why it is dropped", test_refusals },
		{ "the owner", test_owner },
		{ "when control asks", test_handoff },
		CU_TEST_INFO_NULL,
	};

	return suite_add("explain", tests);
}

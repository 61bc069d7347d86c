/* SPDX-License-Identifier: Apache-2.0 */
/* Stage balance: settled and candidate tables, which packets leave entries, and what is refused. */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "flows.h"
#include "lib/maglev.h"
#include "suites.h"

/* One service (index 0) with backends A, B, C. Its tables say one backend throughout, so that no
 * test depends on how a flow is hashed; those about hashing use the fixture's. */
#define A 0u
#define B 1u
#define C 2u

static uint16_t settled[FIXTURE_ROWS], candidate[FIXTURE_ROWS];
static uint64_t moving[FIXTURE_ROWS / 64 + 1];

static void
fill(uint16_t *rows, uint16_t member)
{
	unsigned int i;

	for (i = 0; i < FIXTURE_ROWS; i++)
		rows[i] = member;
}

static struct fixture *
service_of(enum forward mode, uint8_t proto)
{
	struct fixture *f = flow_fixture(64);

	fixture_service(f, "192.0.2.0/24", proto, 80, mode);
	fixture_backend(f, 0, "10.0.0.1", 8080);
	fixture_backend(f, 0, "10.0.0.2", 8080);
	fixture_backend(f, 0, "10.0.0.3", 8080);
	fixture_publish(f);
	f->worker->now = 5000 * SECOND;
	return f;
}

/* The pool changes now: every row goes from one backend to another. */
static void
move(struct fixture *f, uint16_t from, uint16_t to)
{
	fill(settled, from);
	fill(candidate, to);
	memset(moving, 0xff, sizeof(moving));
	f->pools[0].settled = settled;
	f->pools[0].candidate = candidate;
	f->pools[0].moving = moving;
	f->pools[0].changed_at = f->worker->now;
}

/* Nothing moves any more. */
static void
settle(struct fixture *f)
{
	memcpy(settled, candidate, sizeof(settled));
	f->pools[0].moving = NULL;
}

static struct fixture *
moving_service(enum forward mode, uint8_t proto)
{
	struct fixture *f = service_of(mode, proto);

	move(f, A, B);
	return f;
}

/* Where one packet goes; -1 - reason if it is dropped. */
static int
backend_of(struct fixture *f, struct tuple t, uint8_t flags)
{
	const struct packet *p = flow_send(f, 0, t, flags);

	return p->verdict == VERDICT_CONTINUE ? (int)p->backend : -1 - (int)p->reason;
}

#define REFUSED(reason) (-1 - (int)DROP_##reason)

/* ... with packet flags. */
static int
backend_of_kind(struct fixture *f, struct tuple t, uint16_t kind)
{
	struct burst b = { 0 };
	struct packet *p = flow_forward(&b, 0, t, 0);

	p->flags |= kind;
	flow_run(f, &b);
	return p->verdict == VERDICT_CONTINUE ? (int)p->backend : -1 - (int)p->reason;
}

static uint32_t
live(const struct fixture *f)
{
	return connections_live(f->worker->connections);
}

/* ---- rows ---- */

static void
test_stable_dsr(void)
{
	static const enum forward modes[] = { MODE_DSR_L2, MODE_DSR_IPIP, MODE_DSR_GUE };
	unsigned int hits[3] = { 0 }, k;
	uint32_t i;

	for (k = 0; k < 3; k++) {
		struct fixture *f = service_of(modes[k], IPPROTO_TCP);

		for (i = 0; i < 10000; i++) {
			struct tuple t = flow_number(i, IPPROTO_TCP);
			const struct packet *p = flow_send(f, 0, t, i & 1 ? TCP_SYN : TCP_ACK);
			uint32_t row = maglev_row(p->flow_hash, FIXTURE_ROWS);

			CU_ASSERT_EQUAL(p->verdict, VERDICT_CONTINUE);
			CU_ASSERT_EQUAL(p->connection, INDEX_NONE);
			CU_ASSERT_EQUAL(p->backend, f->rows[0][row]);
			hits[p->backend]++;
		}
		CU_ASSERT_EQUAL(live(f), 0);
		CU_ASSERT_EQUAL(f->worker->service_stats[0].packets_in, 10000);
		flow_fixture_destroy(f);
	}
	/* A third each, within what chance and the small table allow. */
	for (k = 0; k < 3; k++)
		CU_ASSERT_TRUE(hits[k] > 9300 && hits[k] < 10700);
}

static void
test_tracked_modes(void)
{
	struct fixture *f = service_of(MODE_NAT, IPPROTO_TCP);
	struct tuple t = flow_number(1, IPPROTO_TCP);
	const struct packet *p = flow_send(f, 0, t, TCP_SYN);
	uint32_t backend = p->backend;

	CU_ASSERT_NOT_EQUAL(p->connection, INDEX_NONE);
	CU_ASSERT_EQUAL(flow_connection(f, &t)->backend, backend);
	CU_ASSERT_EQUAL(flow_connection(f, &t)->backend_port, htons(8080));
	CU_ASSERT_TRUE(
	    addr_equal(&flow_connection(f, &t)->backend_addr, &f->backends[backend].addr));
	/* Port 0: the destination port stays. */
	f->backends[A].port = f->backends[B].port = f->backends[C].port = 0;
	t = flow_number(2, IPPROTO_TCP);
	flow_send(f, 0, t, TCP_SYN);
	CU_ASSERT_EQUAL(flow_connection(f, &t)->backend_port, htons(80));
	flow_fixture_destroy(f);
}

static void
test_hash(void)
{
	struct fixture *f = service_of(MODE_DSR_GUE, IPPROTO_TCP);
	struct tuple base = flow_number(1, IPPROTO_TCP), t;
	uint32_t hash = flow_send(f, 0, base, TCP_SYN)->flow_hash, i, differ = 0;

	/* The same flow, the same hash, with whatever flags. */
	CU_ASSERT_EQUAL(flow_send(f, 0, base, TCP_ACK)->flow_hash, hash);
	/* It must not change with versions: nodes of a fleet have to agree. */
	CU_ASSERT_EQUAL(hash, 0x48d97d60); /* computed apart, in Python */
	for (i = 1; i < 1000; i++) {
		t = base;
		t.sport = htons((uint16_t)(ntohs(t.sport) + i));
		differ += flow_send(f, 0, t, TCP_SYN)->flow_hash != hash;
	}
	CU_ASSERT_EQUAL(differ, 999);
	t = base;
	t.dport = htons(81);
	CU_ASSERT_NOT_EQUAL(flow_send(f, 0, t, TCP_SYN)->flow_hash, hash);
	t = base;
	t.dst.b[15]++;
	CU_ASSERT_NOT_EQUAL(flow_send(f, 0, t, TCP_SYN)->flow_hash, hash);

	f->services[0].flags |= SERVICE_HASH_CLIENT;
	hash = flow_send(f, 0, base, TCP_SYN)->flow_hash;
	CU_ASSERT_EQUAL(hash, 0x3a0d6158);
	t = base;
	t.sport = htons(9999);
	t.dst.b[15]++;
	t.dport = htons(81);
	CU_ASSERT_EQUAL(flow_send(f, 0, t, TCP_SYN)->flow_hash, hash);
	t = base;
	t.src.b[15]++;
	CU_ASSERT_NOT_EQUAL(flow_send(f, 0, t, TCP_SYN)->flow_hash, hash);
	flow_fixture_destroy(f);
}

/* chi-square of hashes over rows: flows that differ little must spread like chance. */
static double
chi_square(struct fixture *f, bool by_port)
{
	static uint32_t hits[FIXTURE_ROWS];
	struct tuple t = flow_tuple("198.51.100.1", 1024, "192.0.2.10", 80, IPPROTO_TCP);
	double expected = 50000.0 / FIXTURE_ROWS, sum = 0;
	uint32_t i;

	memset(hits, 0, sizeof(hits));
	for (i = 0; i < 50000; i++) {
		if (by_port)
			t.sport = htons((uint16_t)(1024 + i));
		else
			t.src.w[3] = htonl(0x0a000000 + i);
		hits[maglev_row(flow_send(f, 0, t, TCP_ACK)->flow_hash, FIXTURE_ROWS)]++;
	}
	for (i = 0; i < FIXTURE_ROWS; i++)
		sum += (hits[i] - expected) * (hits[i] - expected) / expected;
	return sum;
}

static void
test_spread(void)
{
	struct fixture *f = service_of(MODE_DSR_L2, IPPROTO_TCP);

	/* 250 degrees of freedom: mean 250, standard deviation 22. */
	CU_ASSERT_TRUE(chi_square(f, true) < 350);
	CU_ASSERT_TRUE(chi_square(f, false) < 350);
	f->services[0].flags |= SERVICE_HASH_CLIENT;
	CU_ASSERT_TRUE(chi_square(f, false) < 350);
	flow_fixture_destroy(f);
}

/* ---- moving rows ---- */

static void
moving_tcp(enum forward mode)
{
	struct fixture *f = moving_service(mode, IPPROTO_TCP);
	struct tuple new = flow_number(1, IPPROTO_TCP), old = flow_number(2, IPPROTO_TCP);

	CU_ASSERT_EQUAL(backend_of(f, new, TCP_SYN), B);
	CU_ASSERT_EQUAL(backend_of(f, old, TCP_ACK), A);
	CU_ASSERT_EQUAL(live(f), 2);
	/* Both stay where they are, now and when the row has settled. */
	CU_ASSERT_EQUAL(backend_of(f, new, TCP_ACK), B);
	CU_ASSERT_EQUAL(backend_of(f, old, TCP_ACK), A);
	settle(f);
	CU_ASSERT_EQUAL(backend_of(f, new, TCP_ACK), B);
	CU_ASSERT_EQUAL(backend_of(f, old, TCP_ACK), A);
	CU_ASSERT_EQUAL(live(f), 2);
	/* Others go by the new table; DSR needs no entry for them. */
	CU_ASSERT_EQUAL(backend_of(f, flow_number(3, IPPROTO_TCP), TCP_ACK), B);
	CU_ASSERT_EQUAL(live(f), forward_tracks((uint8_t)mode) ? 3 : 2);
	CU_ASSERT_TRUE(flow_invariant(f));
	flow_fixture_destroy(f);
}

static void
test_moving_tcp(void)
{
	moving_tcp(MODE_DSR_L2);
	moving_tcp(MODE_DSR_GUE);
	moving_tcp(MODE_NAT);
}

/* What began before the change has ended by its timeout. */
static void
test_moving_tcp_window(void)
{
	struct fixture *f = moving_service(MODE_DSR_L2, IPPROTO_TCP);

	f->worker->now += 900 * SECOND - 1;
	CU_ASSERT_EQUAL(backend_of(f, flow_number(1, IPPROTO_TCP), TCP_ACK), A);
	f->worker->now += 1;
	CU_ASSERT_EQUAL(backend_of(f, flow_number(2, IPPROTO_TCP), TCP_ACK), B);
	/* Each leaves an entry: a further change may come. */
	CU_ASSERT_EQUAL(live(f), 2);
	CU_ASSERT_EQUAL(backend_of(f, flow_number(1, IPPROTO_TCP), TCP_ACK), A);
	flow_fixture_destroy(f);
}

static void
test_moving_udp(void)
{
	struct fixture *f = moving_service(MODE_DSR_L2, IPPROTO_UDP);
	struct tuple t = flow_number(1, IPPROTO_UDP);
	unsigned int k;

	CU_ASSERT_EQUAL(backend_of(f, t, 0), A);
	f->worker->now += 60 * SECOND - 1;
	CU_ASSERT_EQUAL(backend_of(f, flow_number(2, IPPROTO_UDP), 0), A);
	f->worker->now += 1;
	CU_ASSERT_EQUAL(backend_of(f, flow_number(3, IPPROTO_UDP), 0), B);
	/* The second stays until it has been idle for its timeout; the first was. */
	CU_ASSERT_EQUAL(backend_of(f, t, 0), B);
	for (k = 0; k < 5; k++) {
		CU_ASSERT_EQUAL(backend_of(f, flow_number(2, IPPROTO_UDP), 0), A);
		f->worker->now += 59 * SECOND;
	}
	f->worker->now += SECOND;
	CU_ASSERT_EQUAL(backend_of(f, flow_number(2, IPPROTO_UDP), 0), B);
	flow_fixture_destroy(f);
}

/* In the nat modes a datagram without an entry begins a flow: a backend that drains gets none. */
static void
test_moving_udp_tracked(void)
{
	struct fixture *f = moving_service(MODE_NAT, IPPROTO_UDP);

	CU_ASSERT_EQUAL(backend_of(f, flow_number(1, IPPROTO_UDP), 0), B);
	flow_fixture_destroy(f);
}

/* Stable and moving rows in one table. */
static void
test_some_rows_move(void)
{
	struct fixture *f = moving_service(MODE_DSR_L2, IPPROTO_TCP);
	uint32_t i, row, entries = 0;

	for (i = 0; i < FIXTURE_ROWS; i++) {
		if (i % 3) {
			candidate[i] = A;
			moving[i >> 6] &= ~(1ull << (i & 63));
		}
	}
	for (i = 0; i < 50; i++) {
		const struct packet *p = flow_send(f, 0, flow_number(i, IPPROTO_TCP), TCP_SYN);

		row = maglev_row(p->flow_hash, FIXTURE_ROWS);
		CU_ASSERT_EQUAL(p->backend, row % 3 ? A : B);
		CU_ASSERT_EQUAL(p->connection != INDEX_NONE, row % 3 == 0);
		entries += row % 3 == 0;
	}
	CU_ASSERT_TRUE(entries > 0);
	CU_ASSERT_EQUAL(live(f), entries);
	flow_fixture_destroy(f);
}

static void
test_two_changes(void)
{
	struct fixture *f = moving_service(MODE_DSR_IPIP, IPPROTO_TCP);
	struct tuple old = flow_number(1, IPPROTO_TCP), mid = flow_number(2, IPPROTO_TCP);
	struct tuple silent = flow_number(3, IPPROTO_TCP), new = flow_number(4, IPPROTO_TCP);

	CU_ASSERT_EQUAL(backend_of(f, old, TCP_ACK), A);
	CU_ASSERT_EQUAL(backend_of(f, mid, TCP_SYN), B);
	CU_ASSERT_EQUAL(backend_of(f, mid, TCP_ACK), B);
	f->worker->now += 100 * SECOND;
	move(f, A, C); /* settled stays, rows stay moving */
	CU_ASSERT_EQUAL(backend_of(f, old, TCP_ACK), A);
	CU_ASSERT_EQUAL(backend_of(f, mid, TCP_ACK), B);
	CU_ASSERT_EQUAL(backend_of(f, silent, TCP_ACK), A);
	CU_ASSERT_EQUAL(backend_of(f, new, TCP_SYN), C);
	CU_ASSERT_EQUAL(live(f), 4);
	/* Changed back: the tables agree, the rows still move, and entries are still made. */
	move(f, A, A);
	CU_ASSERT_EQUAL(backend_of(f, mid, TCP_ACK), B);
	CU_ASSERT_EQUAL(backend_of(f, new, TCP_ACK), C);
	CU_ASSERT_EQUAL(backend_of(f, flow_number(5, IPPROTO_TCP), TCP_SYN), A);
	CU_ASSERT_EQUAL(live(f), 5);
	settle(f);
	CU_ASSERT_EQUAL(backend_of(f, mid, TCP_ACK), B);
	CU_ASSERT_EQUAL(backend_of(f, new, TCP_ACK), C);
	flow_fixture_destroy(f);
}

/* A pool that has grown past the smaller table: the tables differ in length, so all rows move. */
static void
test_tables_of_two_lengths(void)
{
	static uint16_t small[13];
	struct fixture *f = service_of(MODE_DSR_L2, IPPROTO_TCP);
	uint32_t i;

	fill(candidate, B);
	f->pools[0].candidate = candidate;
	f->pools[0].settled = small;
	f->pools[0].settled_rows = 13;
	f->pools[0].changed_at = f->worker->now;
	for (i = 0; i < 13; i++)
		small[i] = i % 2 ? A : C;
	for (i = 0; i < 40; i++) {
		const struct packet *p = flow_send(f, 0, flow_number(i, IPPROTO_TCP), TCP_ACK);

		CU_ASSERT_EQUAL(p->backend, maglev_row(p->flow_hash, 13) % 2 ? A : C);
		CU_ASSERT_NOT_EQUAL(p->connection, INDEX_NONE);
	}
	CU_ASSERT_EQUAL(backend_of(f, flow_number(i, IPPROTO_TCP), TCP_SYN), B);
	flow_fixture_destroy(f);
}

/* ---- backends that may not be chosen ---- */

static void
test_down(void)
{
	struct fixture *f = moving_service(MODE_DSR_L2, IPPROTO_TCP);
	struct tuple t = flow_number(1, IPPROTO_TCP);

	CU_ASSERT_EQUAL(backend_of(f, t, TCP_ACK), A);
	f->backends[A].flags = 0;
	/* The entry is void; the row goes by the candidate at once. */
	CU_ASSERT_EQUAL(backend_of(f, t, TCP_ACK), B);
	CU_ASSERT_EQUAL(backend_of(f, flow_number(2, IPPROTO_TCP), TCP_ACK), B);
	f->backends[A].flags = BACKEND_UP;
	/* No way back for what has moved. */
	CU_ASSERT_EQUAL(backend_of(f, t, TCP_ACK), B);
	CU_ASSERT_EQUAL(backend_of(f, flow_number(3, IPPROTO_TCP), TCP_ACK), A);
	/* A candidate that is down is not taken, though settled is up. */
	f->backends[B].flags = BACKEND_DRAIN;
	CU_ASSERT_EQUAL(backend_of(f, flow_number(4, IPPROTO_TCP), TCP_SYN), REFUSED(NO_BACKEND));
	CU_ASSERT_EQUAL(f->worker->service_stats[0].packets_in, 5);
	flow_fixture_destroy(f);
}

static void
test_gone(void)
{
	struct fixture *f = moving_service(MODE_DSR_L2, IPPROTO_TCP);

	f->members[0][A] = UINT32_MAX;
	CU_ASSERT_EQUAL(backend_of(f, flow_number(1, IPPROTO_TCP), TCP_ACK), B);
	f->members[0][A] = A;
	f->backends[A].epoch = 0;
	CU_ASSERT_EQUAL(backend_of(f, flow_number(2, IPPROTO_TCP), TCP_ACK), B);
	f->backends[A].epoch = 1;
	fill(settled, 3); /* past the pool's members */
	CU_ASSERT_EQUAL(backend_of(f, flow_number(3, IPPROTO_TCP), TCP_ACK), B);
	fill(settled, MAGLEV_NONE);
	CU_ASSERT_EQUAL(backend_of(f, flow_number(4, IPPROTO_TCP), TCP_ACK), B);
	fill(candidate, MAGLEV_NONE);
	CU_ASSERT_EQUAL(backend_of(f, flow_number(5, IPPROTO_TCP), TCP_ACK), REFUSED(NO_BACKEND));
	CU_ASSERT_EQUAL(backend_of(f, flow_number(6, IPPROTO_TCP), TCP_SYN), REFUSED(NO_BACKEND));
	settle(f);
	CU_ASSERT_EQUAL(backend_of(f, flow_number(7, IPPROTO_TCP), TCP_SYN), REFUSED(NO_BACKEND));
	flow_fixture_destroy(f);
}

/* A pool without members may have no rows at all. */
static void
test_empty_pool(void)
{
	struct fixture *f = service_of(MODE_NAT, IPPROTO_TCP);

	f->pools[0] = (struct pool){ 0 };
	CU_ASSERT_EQUAL(backend_of(f, flow_number(1, IPPROTO_TCP), TCP_SYN), REFUSED(NO_BACKEND));
	CU_ASSERT_EQUAL(live(f), 0);
	flow_fixture_destroy(f);
}

static void
test_drain(void)
{
	struct fixture *f = moving_service(MODE_DSR_L2, IPPROTO_TCP);
	struct tuple old = flow_number(1, IPPROTO_TCP);

	f->backends[A].flags = BACKEND_UP | BACKEND_DRAIN;
	CU_ASSERT_EQUAL(backend_of(f, old, TCP_ACK), A);
	CU_ASSERT_EQUAL(backend_of(f, flow_number(2, IPPROTO_TCP), TCP_SYN), B);
	settle(f);
	CU_ASSERT_EQUAL(backend_of(f, old, TCP_ACK), A);
	/* What ends there does not begin there again. */
	flow_send(f, 0, old, TCP_RST);
	CU_ASSERT_EQUAL(backend_of(f, old, TCP_SYN), B);
	flow_fixture_destroy(f);
}

/* ---- packets that begin nothing ---- */

static void
test_strays_dsr(void)
{
	struct fixture *f = moving_service(MODE_DSR_L2, IPPROTO_TCP);
	struct tuple t = flow_number(1, IPPROTO_TCP);

	CU_ASSERT_EQUAL(backend_of_kind(f, t, PACKET_ICMP_ERROR), A);
	CU_ASSERT_EQUAL(backend_of_kind(f, t, PACKET_FRAGMENT | PACKET_LATER), A);
	CU_ASSERT_EQUAL(backend_of(f, t, TCP_RST), A);
	CU_ASSERT_EQUAL(live(f), 0);
	flow_fixture_destroy(f);
}

static void
strays_tracked(enum forward mode, uint8_t proto)
{
	struct fixture *f = service_of(mode, proto);
	struct tuple t = flow_number(1, proto);

	CU_ASSERT_EQUAL(backend_of_kind(f, t, PACKET_ICMP_ERROR), REFUSED(CONNECTION_UNKNOWN));
	CU_ASSERT_EQUAL(backend_of_kind(f, t, PACKET_FRAGMENT | PACKET_LATER),
			REFUSED(CONNECTION_UNKNOWN));
	if (proto == IPPROTO_TCP) {
		CU_ASSERT_EQUAL(backend_of(f, t, TCP_RST), REFUSED(CONNECTION_UNKNOWN));
		CU_ASSERT_EQUAL(backend_of(f, t, TCP_RST | TCP_ACK), REFUSED(CONNECTION_UNKNOWN));
	}
	CU_ASSERT_EQUAL(live(f), 0);
	CU_ASSERT_EQUAL(f->worker->service_stats[0].packets_in, 0);
	flow_fixture_destroy(f);
}

static void
test_strays_tracked(void)
{
	strays_tracked(MODE_NAT, IPPROTO_TCP);
	strays_tracked(MODE_NAT, IPPROTO_UDP);
	strays_tracked(MODE_FULL_NAT, IPPROTO_TCP);
	strays_tracked(MODE_FULL_NAT, IPPROTO_UDP);
}

/* After a restart of ours nat connections go on. */
static void
test_mid_stream_nat(void)
{
	struct fixture *f = service_of(MODE_NAT, IPPROTO_TCP);
	struct tuple t = flow_number(1, IPPROTO_TCP);

	CU_ASSERT_TRUE(backend_of(f, t, TCP_ACK) >= 0);
	CU_ASSERT_EQUAL(flow_connection(f, &t)->state, CONNECTION_ESTABLISHED);
	CU_ASSERT_EQUAL(flow_connection(f, &t)->deadline, f->worker->now + 900 * SECOND);
	flow_fixture_destroy(f);
}

/* ---- one burst ---- */

/* TCP; both backends have a source for full-nat. */
static struct fixture *
moving_with_source(enum forward mode)
{
	struct fixture *f = moving_service(mode, IPPROTO_TCP);

	f->backends[A].sources_count = f->backends[B].sources_count = 1;
	fixture_source(f, "10.9.9.9", 0);
	return f;
}

static void
test_same_burst(void)
{
	static const enum forward modes[] = { MODE_NAT, MODE_DSR_L2, MODE_FULL_NAT };
	unsigned int k, i;

	for (k = 0; k < 3; k++) {
		struct fixture *f = moving_with_source(modes[k]);
		struct tuple t = flow_number(1, IPPROTO_TCP);
		struct burst b = { 0 };

		flow_forward(&b, 0, t, TCP_SYN);
		flow_forward(&b, 0, flow_number(2, IPPROTO_TCP), TCP_SYN);
		flow_forward(&b, 0, t, TCP_SYN);
		flow_forward(&b, 0, t, TCP_ACK);
		flow_forward(&b, 0, t, 0)->flags |= PACKET_FRAGMENT | PACKET_LATER;
		flow_forward(&b, 0, t, 0)->flags |= PACKET_ICMP_ERROR;
		flow_run(f, &b);
		for (i = 0; i < b.count; i++) {
			CU_ASSERT_EQUAL(b.packets[i].verdict, VERDICT_CONTINUE);
			CU_ASSERT_EQUAL(b.packets[i].backend, B);
			CU_ASSERT_EQUAL(b.packets[i].connection == b.packets[0].connection, i != 1);
		}
		CU_ASSERT_EQUAL(live(f), 2);
		CU_ASSERT_EQUAL(flow_connection(f, &t)->state, CONNECTION_ESTABLISHED);
		CU_ASSERT_EQUAL(flow_connection(f, &t)->packets_in, 5);
		CU_ASSERT_TRUE(flow_invariant(f));
		flow_fixture_destroy(f);
	}
}

/* A connection that begins, ends and begins again, all in one burst. */
static void
test_again_in_burst(void)
{
	static const enum forward modes[] = { MODE_NAT, MODE_FULL_NAT };
	unsigned int k;

	for (k = 0; k < 2; k++) {
		struct fixture *f = moving_with_source(modes[k]);
		struct tuple t = flow_number(1, IPPROTO_TCP);
		struct burst b = { 0 };

		flow_forward(&b, 0, t, TCP_SYN);
		flow_forward(&b, 0, t, TCP_RST);
		flow_forward(&b, 0, t, TCP_SYN);
		flow_run(f, &b);
		CU_ASSERT_EQUAL(live(f), 1);
		CU_ASSERT_EQUAL(b.packets[2].verdict, VERDICT_CONTINUE);
		CU_ASSERT_PTR_NOT_NULL_FATAL(flow_connection(f, &t));
		CU_ASSERT_EQUAL(flow_connection(f, &t)->state, CONNECTION_OPENING);
		CU_ASSERT_EQUAL(flow_connection(f, &t)->packets_in, 1);
		CU_ASSERT_EQUAL(f->worker->service_stats[0].connections_total, 2);
		CU_ASSERT_TRUE(flow_invariant(f));
		flow_fixture_destroy(f);
	}
}

/* Nobody sees the end of what is not remembered: it has begun, and is not active. */
static void
test_begun_dsr(void)
{
	struct fixture *f = service_of(MODE_DSR_L2, IPPROTO_TCP);
	const struct service_stats *service = &f->worker->service_stats[0];
	uint64_t backends = 0;
	uint32_t i;

	for (i = 0; i < 10; i++) {
		flow_send(f, 0, flow_number(i, IPPROTO_TCP), TCP_SYN);
		flow_send(f, 0, flow_number(i, IPPROTO_TCP), TCP_ACK);
		flow_send(f, 0, flow_number(i, IPPROTO_TCP), TCP_SYN | TCP_ACK);
		flow_send(f, 0, flow_number(i, IPPROTO_TCP), TCP_FIN | TCP_ACK);
	}
	CU_ASSERT_EQUAL(service->connections_total, 10);
	CU_ASSERT_EQUAL(service->connections_ended, 10);
	for (i = A; i <= C; i++) {
		backends += f->worker->backend_stats[i].connections_total;
		CU_ASSERT_EQUAL(f->worker->backend_stats[i].connections_total,
				f->worker->backend_stats[i].connections_ended);
	}
	CU_ASSERT_EQUAL(backends, 10);
	/* Remembered while the pool changes: counted once, and active. */
	move(f, A, B);
	for (i = 0; i < 3; i++)
		flow_send(f, 0, flow_number(100, IPPROTO_TCP), TCP_SYN);
	CU_ASSERT_EQUAL(service->connections_total, 11);
	CU_ASSERT_EQUAL(service->connections_ended, 10);
	CU_ASSERT_TRUE(flow_invariant(f));
	flow_fixture_destroy(f);
}

/* ---- full table ---- */

static void
test_full_nat_table(void)
{
	struct fixture *f = service_of(MODE_NAT, IPPROTO_UDP);
	uint32_t i;

	for (i = 0; i < 64; i++)
		CU_ASSERT_TRUE(backend_of(f, flow_number(i, IPPROTO_UDP), 0) >= 0);
	CU_ASSERT_EQUAL(backend_of(f, flow_number(64, IPPROTO_UDP), 0),
			REFUSED(CONNECTION_TABLE_FULL));
	/* The old ones are kept. */
	f->worker->now += 59 * SECOND;
	for (i = 0; i < 63; i++)
		CU_ASSERT_TRUE(backend_of(f, flow_number(i, IPPROTO_UDP), 0) >= 0);
	CU_ASSERT_EQUAL(f->worker->service_stats[0].connections_total, 64);
	CU_ASSERT_EQUAL(f->worker->service_stats[0].packets_in, 64 + 63);
	/* The idle one makes room. */
	f->worker->now += 2 * SECOND;
	connections_expire(f->worker);
	CU_ASSERT_TRUE(backend_of(f, flow_number(64, IPPROTO_UDP), 0) >= 0);
	CU_ASSERT_TRUE(flow_invariant(f));
	flow_fixture_destroy(f);
}

static void
test_full_dsr_table(void)
{
	struct fixture *f = moving_service(MODE_DSR_L2, IPPROTO_TCP);
	uint32_t i;

	for (i = 0; i < 64; i++)
		backend_of(f, flow_number(i, IPPROTO_TCP), TCP_SYN);
	CU_ASSERT_EQUAL(live(f), 64);
	for (; i < 70; i++) {
		CU_ASSERT_EQUAL(backend_of(f, flow_number(i, IPPROTO_TCP), TCP_SYN), B);
		CU_ASSERT_EQUAL(backend_of(f, flow_number(i, IPPROTO_TCP), TCP_ACK), A);
	}
	CU_ASSERT_EQUAL(live(f), 64);
	flow_fixture_destroy(f);
}

int
test_balance_register(void)
{
	static const CU_TestInfo tests[] = {
		{ "DSR, stable rows: by the table, no entry", test_stable_dsr },
		{ "nat: always an entry", test_tracked_modes },
		{ "flow hash", test_hash },
		{ "spread of similar flows", test_spread },
		{ "moving rows, TCP", test_moving_tcp },
		{ "moving rows, TCP, when the old ones have ended", test_moving_tcp_window },
		{ "moving rows, UDP", test_moving_udp },
		{ "moving rows, UDP in nat", test_moving_udp_tracked },
		{ "stable beside moving rows", test_some_rows_move },
		{ "two changes", test_two_changes },
		{ "tables of two lengths", test_tables_of_two_lengths },
		{ "backends that are down", test_down },
		{ "members that are gone", test_gone },
		{ "empty pool", test_empty_pool },
		{ "drain", test_drain },
		{ "strays in DSR modes", test_strays_dsr },
		{ "strays in nat modes", test_strays_tracked },
		{ "nat in the middle of a stream", test_mid_stream_nat },
		{ "one flow twice in a burst", test_same_burst },
		{ "begun, ended and begun again in a burst", test_again_in_burst },
		{ "connections that have begun in DSR modes", test_begun_dsr },
		{ "full table, nat", test_full_nat_table },
		{ "full table, DSR", test_full_dsr_table },
		CU_TEST_INFO_NULL,
	};

	return suite_add("balance", tests);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Stage track: who has a connection, what packets do to it, and when it is none any more. */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "flows.h"
#include "suites.h"

#define TCP 0 /* nat */
#define UDP 1 /* nat */
#define DSR 2 /* TCP, every row moving */

static uint64_t every_row[FIXTURE_ROWS / 64 + 1];

/* Services 0 to 2 as above, each with one backend: 10.0.0.1:8080, 10.0.0.2:5353, 10.0.0.3. */
static struct fixture *
three_services(void)
{
	struct fixture *f = flow_fixture(64);

	fixture_service(f, "192.0.2.0/24", IPPROTO_TCP, 80, MODE_NAT);
	fixture_service(f, "192.0.2.0/24", IPPROTO_UDP, 80, MODE_NAT);
	fixture_service(f, "192.0.2.0/24", IPPROTO_TCP, 81, MODE_DSR_L2);
	fixture_backend(f, TCP, "10.0.0.1", 8080);
	fixture_backend(f, UDP, "10.0.0.2", 5353);
	fixture_backend(f, DSR, "10.0.0.3", 0);
	fixture_publish(f);
	memset(every_row, 0xff, sizeof(every_row));
	f->pools[DSR].moving = every_row;
	return f;
}

static struct tuple
client(uint8_t proto)
{
	return flow_tuple("198.51.100.7", 5000, "192.0.2.10", 80, proto);
}

static uint8_t
state_of(struct fixture *f, const struct tuple *t)
{
	const struct connection *c = flow_connection(f, t);

	return c ? c->state : CONNECTION_FREE;
}

/* Time until the connection ends. */
static uint64_t
left(struct fixture *f, const struct tuple *t)
{
	const struct connection *c = flow_connection(f, t);

	return c ? c->deadline - f->worker->now : 0;
}

/* ---- who has one ---- */

static void
test_reply(void)
{
	struct fixture *f = three_services();
	struct tuple t = client(IPPROTO_TCP), reply = flow_answer(&t, "10.0.0.1", 8080);
	struct packet *p = flow_answered(f, reply, TCP_SYN | TCP_ACK);

	CU_ASSERT_EQUAL(p->verdict, VERDICT_HOST);
	CU_ASSERT_EQUAL(p->connection, INDEX_NONE);
	flow_send(f, TCP, t, TCP_SYN);
	p = flow_answered(f, reply, TCP_SYN | TCP_ACK);
	CU_ASSERT_EQUAL(p->verdict, VERDICT_CONTINUE);
	CU_ASSERT_EQUAL(p->service, TCP);
	CU_ASSERT_EQUAL(p->backend, 0);
	CU_ASSERT_PTR_EQUAL(connection_at(f->worker->connections, p->connection),
			    flow_connection(f, &t));
	/* From another port of the backend, or to another of the client: not ours. */
	reply.sport = htons(8081);
	CU_ASSERT_EQUAL(flow_answered(f, reply, TCP_ACK)->verdict, VERDICT_HOST);
	reply = flow_answer(&t, "10.0.0.1", 8080);
	reply.dport++;
	CU_ASSERT_EQUAL(flow_answered(f, reply, TCP_ACK)->verdict, VERDICT_HOST);
	/* A client's packet that looks like a reply is not one: it cannot pass for the backend. */
	p = flow_send(f, TCP, flow_answer(&t, "10.0.0.1", 8080), TCP_ACK);
	CU_ASSERT_EQUAL(p->verdict, VERDICT_DROP);
	CU_ASSERT_EQUAL(p->reason, DROP_CONNECTION_CLASH);
	/* Nor the other way round. */
	CU_ASSERT_EQUAL(flow_answered(f, t, TCP_ACK)->verdict, VERDICT_HOST);
	flow_fixture_destroy(f);
}

static void
test_counts(void)
{
	struct fixture *f = three_services();
	struct tuple t = client(IPPROTO_TCP), reply = flow_answer(&t, "10.0.0.1", 8080);
	const struct service_stats *stats = &f->worker->service_stats[TCP];
	const struct backend_stats *backend = &f->worker->backend_stats[0];

	flow_send(f, TCP, t, TCP_SYN);
	flow_answered(f, reply, TCP_SYN | TCP_ACK);
	flow_send(f, TCP, t, TCP_ACK);
	flow_send(f, TCP, t, TCP_ACK);
	CU_ASSERT_EQUAL(stats->packets_in, 3);
	CU_ASSERT_EQUAL(stats->bytes_in, 3 * FLOW_IP_LEN);
	CU_ASSERT_EQUAL(stats->packets_out, 1);
	CU_ASSERT_EQUAL(stats->bytes_out, FLOW_IP_LEN);
	CU_ASSERT_EQUAL(stats->connections_total, 1);
	CU_ASSERT_EQUAL(stats->connections_ended, 0);
	CU_ASSERT_EQUAL(backend->packets, 3);
	CU_ASSERT_EQUAL(backend->bytes, 3 * FLOW_IP_LEN);
	CU_ASSERT_EQUAL(backend->connections_total, 1);
	CU_ASSERT_EQUAL(flow_connection(f, &t)->packets_in, 3);
	CU_ASSERT_EQUAL(flow_connection(f, &t)->packets_out, 1);
	CU_ASSERT_EQUAL(f->worker->stats.connections, 1);
	CU_ASSERT_EQUAL(f->worker->stats.connections_v6, 0);
	connection_close(f->worker, hit_index(connection_find(f->worker, &t)));
	CU_ASSERT_EQUAL(stats->connections_ended, 1);
	CU_ASSERT_EQUAL(backend->connections_ended, 1);
	CU_ASSERT_EQUAL(f->worker->stats.connections, 0);
	flow_fixture_destroy(f);
}

static void
test_others_untouched(void)
{
	static const uint8_t verdicts[] = { VERDICT_TRANSMIT, VERDICT_DROP, VERDICT_HOST,
					    VERDICT_STEER, VERDICT_TAKEN };
	struct fixture *f = three_services();
	struct burst b = { 0 };
	size_t i;

	for (i = 0; i < sizeof(verdicts); i++) {
		flow_forward(&b, TCP, flow_number((uint32_t)i, IPPROTO_TCP), TCP_SYN)->verdict =
		    verdicts[i];
		flow_reply(&b, client(IPPROTO_TCP), TCP_ACK)->verdict = verdicts[i];
	}
	flow_run(f, &b);
	for (i = 0; i < sizeof(verdicts); i++) {
		CU_ASSERT_EQUAL(b.packets[2 * i].verdict, verdicts[i]);
		CU_ASSERT_EQUAL(b.packets[2 * i + 1].verdict, verdicts[i]);
	}
	CU_ASSERT_EQUAL(connections_live(f->worker->connections), 0);
	CU_ASSERT_EQUAL(f->worker->service_stats[TCP].packets_in, 0);
	flow_fixture_destroy(f);
}

/* ---- TCP ---- */

static void
test_handshake(void)
{
	struct fixture *f = three_services();
	struct tuple t = client(IPPROTO_TCP), reply = flow_answer(&t, "10.0.0.1", 8080);

	flow_send(f, TCP, t, TCP_SYN);
	CU_ASSERT_EQUAL(state_of(f, &t), CONNECTION_OPENING);
	CU_ASSERT_EQUAL(left(f, &t), 30 * SECOND);
	/* The backend's repeated answers do not keep it alive, the client's SYNs do. */
	f->worker->now += 10 * SECOND;
	flow_answered(f, reply, TCP_SYN | TCP_ACK);
	CU_ASSERT_EQUAL(state_of(f, &t), CONNECTION_OPENING);
	CU_ASSERT_EQUAL(left(f, &t), 20 * SECOND);
	flow_send(f, TCP, t, TCP_SYN);
	CU_ASSERT_EQUAL(state_of(f, &t), CONNECTION_OPENING);
	CU_ASSERT_EQUAL(left(f, &t), 30 * SECOND);
	flow_answered(f, reply, TCP_ACK);
	CU_ASSERT_EQUAL(state_of(f, &t), CONNECTION_OPENING);
	flow_send(f, TCP, t, TCP_ACK);
	CU_ASSERT_EQUAL(state_of(f, &t), CONNECTION_ESTABLISHED);
	CU_ASSERT_EQUAL(left(f, &t), 900 * SECOND);
	/* From here on either side keeps it alive. */
	f->worker->now += 100 * SECOND;
	flow_answered(f, reply, TCP_ACK);
	CU_ASSERT_EQUAL(left(f, &t), 900 * SECOND);
	CU_ASSERT_EQUAL(f->worker->service_stats[TCP].connections_total, 1);
	flow_fixture_destroy(f);
}

static void
test_short_established(void)
{
	struct fixture *f = three_services();
	struct tuple t = client(IPPROTO_TCP);

	f->services[TCP].timeout_established = 5 * SECOND;
	flow_send(f, TCP, t, TCP_SYN);
	CU_ASSERT_EQUAL(left(f, &t), 5 * SECOND);
	flow_fixture_destroy(f);
}

static void
test_fins(void)
{
	struct fixture *f = three_services();
	struct tuple t = client(IPPROTO_TCP), reply = flow_answer(&t, "10.0.0.1", 8080);

	flow_send(f, TCP, t, TCP_SYN);
	flow_send(f, TCP, t, TCP_ACK);
	flow_send(f, TCP, t, TCP_FIN | TCP_ACK);
	/* Half closed: the backend may go on for long. */
	CU_ASSERT_EQUAL(state_of(f, &t), CONNECTION_ESTABLISHED);
	flow_send(f, TCP, t, TCP_FIN | TCP_ACK);
	CU_ASSERT_EQUAL(state_of(f, &t), CONNECTION_ESTABLISHED);
	flow_answered(f, reply, TCP_FIN | TCP_ACK);
	CU_ASSERT_EQUAL(state_of(f, &t), CONNECTION_CLOSING);
	CU_ASSERT_EQUAL(left(f, &t), 30 * SECOND);
	f->worker->now += 10 * SECOND;
	CU_ASSERT_EQUAL(flow_send(f, TCP, t, TCP_ACK)->verdict, VERDICT_CONTINUE);
	CU_ASSERT_EQUAL(state_of(f, &t), CONNECTION_CLOSING);
	CU_ASSERT_EQUAL(left(f, &t), 30 * SECOND);
	f->worker->now += 31 * SECOND;
	connections_expire(f->worker);
	CU_ASSERT_EQUAL(connections_live(f->worker->connections), 0);
	flow_fixture_destroy(f);
}

/* The timer stands at the end of the established timeout, and comes nearer with the deadline. */
static void
test_timer_comes_nearer(void)
{
	struct fixture *f = three_services();
	struct tuple t = client(IPPROTO_TCP);

	flow_send(f, TCP, t, TCP_SYN);
	flow_send(f, TCP, t, TCP_ACK);
	f->worker->now += 40 * SECOND;
	connections_expire(f->worker); /* the timer of the handshake goes off and is set anew */
	flow_send(f, TCP, t, TCP_RST);
	f->worker->now += 30 * SECOND - 1;
	connections_expire(f->worker);
	CU_ASSERT_EQUAL(connections_live(f->worker->connections), 1);
	f->worker->now += SECOND / 5;
	connections_expire(f->worker);
	CU_ASSERT_EQUAL(connections_live(f->worker->connections), 0);
	flow_fixture_destroy(f);
}

static void
test_fins_other_order(void)
{
	struct fixture *f = three_services();
	struct tuple t = client(IPPROTO_TCP), reply = flow_answer(&t, "10.0.0.1", 8080);

	flow_send(f, TCP, t, TCP_SYN);
	flow_send(f, TCP, t, TCP_ACK);
	flow_answered(f, reply, TCP_FIN | TCP_ACK);
	CU_ASSERT_EQUAL(state_of(f, &t), CONNECTION_ESTABLISHED);
	flow_send(f, TCP, t, TCP_FIN | TCP_ACK);
	CU_ASSERT_EQUAL(state_of(f, &t), CONNECTION_CLOSING);
	flow_fixture_destroy(f);
}

/* DSR: only the client's side is seen. */
static void
test_fin_dsr(void)
{
	struct fixture *f = three_services();
	struct tuple t = client(IPPROTO_TCP);

	flow_send(f, DSR, t, TCP_SYN);
	CU_ASSERT_EQUAL(state_of(f, &t), CONNECTION_OPENING);
	flow_send(f, DSR, t, TCP_ACK);
	CU_ASSERT_EQUAL(state_of(f, &t), CONNECTION_ESTABLISHED);
	flow_send(f, DSR, t, TCP_FIN | TCP_ACK);
	CU_ASSERT_EQUAL(state_of(f, &t), CONNECTION_CLOSING);
	flow_fixture_destroy(f);
}

static void
test_rst(void)
{
	struct fixture *f = three_services();
	struct tuple t = client(IPPROTO_TCP), reply = flow_answer(&t, "10.0.0.1", 8080);
	unsigned int k;

	for (k = 0; k < 4; k++) {
		t.sport++;
		reply.dport++;
		flow_send(f, TCP, t, TCP_SYN);
		if (k & 1)
			flow_send(f, TCP, t, TCP_ACK);
		if (k & 2)
			flow_send(f, TCP, t, TCP_RST);
		else
			flow_answered(f, reply, TCP_RST | TCP_ACK);
		CU_ASSERT_EQUAL(state_of(f, &t), CONNECTION_CLOSING);
		CU_ASSERT_EQUAL(left(f, &t), 30 * SECOND);
		/* A forged one: what goes on still arrives, and keeps it. */
		f->worker->now += 29 * SECOND;
		CU_ASSERT_EQUAL(flow_send(f, TCP, t, TCP_ACK)->verdict, VERDICT_CONTINUE);
		f->worker->now += 29 * SECOND;
		connections_expire(f->worker);
		CU_ASSERT_EQUAL(flow_answered(f, reply, TCP_ACK)->verdict, VERDICT_CONTINUE);
	}
	flow_fixture_destroy(f);
}

static void
test_syn_on_closing(void)
{
	struct fixture *f = three_services();
	struct tuple t = client(IPPROTO_TCP);
	const struct service_stats *stats = &f->worker->service_stats[TCP];

	flow_send(f, TCP, t, TCP_SYN);
	flow_send(f, TCP, t, TCP_RST);
	/* Not a beginning. */
	flow_send(f, TCP, t, TCP_SYN | TCP_ACK);
	CU_ASSERT_EQUAL(state_of(f, &t), CONNECTION_CLOSING);
	CU_ASSERT_EQUAL(stats->connections_total, 1);
	CU_ASSERT_EQUAL(flow_send(f, TCP, t, TCP_SYN)->verdict, VERDICT_CONTINUE);
	CU_ASSERT_EQUAL(state_of(f, &t), CONNECTION_OPENING);
	CU_ASSERT_EQUAL(left(f, &t), 30 * SECOND);
	CU_ASSERT_EQUAL(stats->connections_total, 2);
	CU_ASSERT_EQUAL(stats->connections_ended, 1);
	CU_ASSERT_TRUE(flow_invariant(f));
	/* A SYN on one that lives is a repetition. */
	flow_send(f, TCP, t, TCP_ACK);
	flow_send(f, TCP, t, TCP_SYN);
	CU_ASSERT_EQUAL(state_of(f, &t), CONNECTION_ESTABLISHED);
	CU_ASSERT_EQUAL(stats->connections_total, 2);
	flow_fixture_destroy(f);
}

/* Both were looked up before the first closed what the second found. */
static void
test_closed_within_burst(void)
{
	struct fixture *f = three_services();
	struct tuple t = client(IPPROTO_TCP);
	struct burst b = { 0 };

	flow_send(f, TCP, t, TCP_SYN);
	flow_send(f, TCP, t, TCP_RST);
	flow_forward(&b, TCP, t, TCP_SYN);
	flow_forward(&b, TCP, t, TCP_SYN);
	flow_reply(&b, flow_answer(&t, "10.0.0.1", 8080), TCP_ACK);
	flow_forward(&b, TCP, t, TCP_ACK);
	flow_run(f, &b);
	CU_ASSERT_EQUAL(b.packets[0].verdict, VERDICT_CONTINUE);
	CU_ASSERT_EQUAL(b.packets[1].verdict, VERDICT_CONTINUE);
	CU_ASSERT_EQUAL(b.packets[1].connection, b.packets[0].connection);
	CU_ASSERT_EQUAL(b.packets[2].verdict, VERDICT_HOST);
	CU_ASSERT_EQUAL(b.packets[3].connection, b.packets[0].connection);
	CU_ASSERT_EQUAL(state_of(f, &t), CONNECTION_ESTABLISHED);
	CU_ASSERT_EQUAL(f->worker->service_stats[TCP].connections_total, 2);
	CU_ASSERT_TRUE(flow_invariant(f));
	flow_fixture_destroy(f);
}

/* ... and before a third opened another client's connection in its slot: what was found first must
 * not leave as that client's. */
static void
test_slot_taken_within_burst(void)
{
	struct fixture *f = three_services();
	struct tuple t = client(IPPROTO_TCP), other = flow_number(1, IPPROTO_TCP);
	struct burst b = { 0 };

	flow_send(f, TCP, t, TCP_SYN);
	flow_send(f, TCP, t, TCP_RST);
	flow_forward(&b, TCP, t, TCP_ACK);
	flow_reply(&b, flow_answer(&t, "10.0.0.1", 8080), TCP_ACK);
	flow_forward(&b, TCP, other, TCP_SYN);
	flow_forward(&b, TCP, t, TCP_SYN);
	flow_run(f, &b);
	CU_ASSERT_EQUAL(b.packets[0].verdict, VERDICT_DROP);
	CU_ASSERT_EQUAL(b.packets[0].reason, DROP_CONNECTION_UNKNOWN);
	CU_ASSERT_EQUAL(b.packets[1].verdict, VERDICT_DROP);
	CU_ASSERT_EQUAL(b.packets[1].reason, DROP_CONNECTION_UNKNOWN);
	CU_ASSERT_EQUAL(b.packets[2].verdict, VERDICT_CONTINUE);
	CU_ASSERT_EQUAL(b.packets[3].verdict, VERDICT_CONTINUE);
	CU_ASSERT_NOT_EQUAL(b.packets[3].connection, b.packets[2].connection);
	CU_ASSERT_EQUAL(state_of(f, &t), CONNECTION_OPENING);
	CU_ASSERT_EQUAL(state_of(f, &other), CONNECTION_OPENING);
	CU_ASSERT_TRUE(flow_invariant(f));
	flow_fixture_destroy(f);
}

/* ---- UDP, ICMP errors, fragments ---- */

static void
test_udp(void)
{
	struct fixture *f = three_services();
	struct tuple t = client(IPPROTO_UDP), reply = flow_answer(&t, "10.0.0.2", 5353);
	unsigned int k;

	flow_send(f, UDP, t, 0);
	CU_ASSERT_EQUAL(state_of(f, &t), CONNECTION_UDP);
	for (k = 0; k < 10; k++) {
		f->worker->now += 59 * SECOND;
		connections_expire(f->worker);
		if (k & 1)
			flow_send(f, UDP, t, 0);
		else
			CU_ASSERT_EQUAL(flow_answered(f, reply, 0)->verdict, VERDICT_CONTINUE);
		CU_ASSERT_EQUAL(left(f, &t), 60 * SECOND);
	}
	CU_ASSERT_EQUAL(f->worker->service_stats[UDP].connections_total, 1);
	/* Exactly, even if no timer has fired. */
	f->worker->now += 60 * SECOND - 1;
	CU_ASSERT_EQUAL(flow_answered(f, reply, 0)->verdict, VERDICT_CONTINUE);
	f->worker->now += 60 * SECOND;
	CU_ASSERT_EQUAL(flow_answered(f, reply, 0)->verdict, VERDICT_HOST);
	CU_ASSERT_EQUAL(connections_live(f->worker->connections), 0);
	flow_fixture_destroy(f);
}

static void
test_icmp_error(void)
{
	struct fixture *f = three_services();
	struct tuple t = client(IPPROTO_TCP), reply = flow_answer(&t, "10.0.0.1", 8080);
	struct burst b = { 0 };

	flow_send(f, TCP, t, TCP_SYN);
	flow_send(f, TCP, t, TCP_ACK);
	f->worker->now += 100 * SECOND;
	flow_forward(&b, TCP, t, 0)->flags |= PACKET_ICMP_ERROR;
	flow_reply(&b, reply, 0)->flags |= PACKET_ICMP_ERROR;
	flow_run(f, &b);
	CU_ASSERT_EQUAL(b.packets[0].verdict, VERDICT_CONTINUE);
	CU_ASSERT_EQUAL(b.packets[0].backend, 0);
	CU_ASSERT_NOT_EQUAL(b.packets[0].connection, INDEX_NONE);
	CU_ASSERT_EQUAL(b.packets[1].verdict, VERDICT_CONTINUE);
	CU_ASSERT_EQUAL(b.packets[1].connection, b.packets[0].connection);
	CU_ASSERT_EQUAL(state_of(f, &t), CONNECTION_ESTABLISHED);
	CU_ASSERT_EQUAL(left(f, &t), 800 * SECOND);
	flow_fixture_destroy(f);
}

/* A fragment without a TCP header is no end of a handshake. */
static void
test_later_fragment(void)
{
	struct fixture *f = three_services();
	struct tuple t = client(IPPROTO_TCP);
	struct burst b = { 0 };

	flow_send(f, TCP, t, TCP_SYN);
	flow_forward(&b, TCP, t, 0)->flags |= PACKET_FRAGMENT | PACKET_LATER;
	flow_run(f, &b);
	CU_ASSERT_EQUAL(b.packets[0].verdict, VERDICT_CONTINUE);
	CU_ASSERT_EQUAL(b.packets[0].backend, 0);
	CU_ASSERT_EQUAL(state_of(f, &t), CONNECTION_OPENING);
	flow_fixture_destroy(f);
}

static void
test_v6(void)
{
	struct fixture *f = flow_fixture(16);
	struct tuple t = flow_tuple("2001:db8::7", 5000, "2001:db8:1::10", 80, IPPROTO_UDP);

	fixture_service(f, "2001:db8:1::/64", IPPROTO_UDP, 80, MODE_NAT);
	fixture_backend(f, 0, "2001:db8:2::1", 0);
	fixture_publish(f);
	CU_ASSERT_EQUAL(flow_send(f, 0, t, 0)->verdict, VERDICT_CONTINUE);
	CU_ASSERT_EQUAL(flow_answered(f, flow_answer(&t, "2001:db8:2::1", 80), 0)->verdict,
			VERDICT_CONTINUE);
	CU_ASSERT_EQUAL(f->worker->stats.connections_v6, 1);
	f->worker->now += 61 * SECOND;
	connections_expire(f->worker);
	CU_ASSERT_EQUAL(f->worker->stats.connections_v6, 0);
	flow_fixture_destroy(f);
}

/* ---- what the snapshot says ---- */

static void
establish(struct fixture *f, uint32_t service, struct tuple t)
{
	flow_send(f, service, t, TCP_SYN);
	flow_send(f, service, t, TCP_ACK);
	CU_ASSERT_EQUAL(state_of(f, &t), CONNECTION_ESTABLISHED);
}

/* The answers of a connection that is no more go to the host, and its memory is free. */
static void
expect_gone(struct fixture *f, struct tuple t)
{
	CU_ASSERT_EQUAL(flow_answered(f, flow_answer(&t, "10.0.0.1", 8080), TCP_ACK)->verdict,
			VERDICT_HOST);
	CU_ASSERT_EQUAL(connections_live(f->worker->connections), 0);
	CU_ASSERT_TRUE(flow_invariant(f));
}

static void
test_epochs(void)
{
	struct fixture *f = three_services();
	struct tuple t = client(IPPROTO_TCP);

	establish(f, TCP, t);
	f->services[TCP].epoch++;
	expect_gone(f, t);
	establish(f, TCP, t);
	f->backends[0].epoch++;
	expect_gone(f, t);
	/* Slots that are not in use any more. */
	establish(f, TCP, t);
	f->snapshot.n_backends = 0;
	expect_gone(f, t);
	f->snapshot.n_backends = 3;
	establish(f, TCP, t);
	f->snapshot.n_services = 0;
	expect_gone(f, t);
	f->snapshot.n_services = 3;
	/* The client's packets find the new one. */
	establish(f, TCP, t);
	f->backends[0].epoch++;
	CU_ASSERT_EQUAL(flow_send(f, TCP, t, TCP_ACK)->verdict, VERDICT_CONTINUE);
	CU_ASSERT_EQUAL(flow_connection(f, &t)->backend_epoch, f->backends[0].epoch);
	CU_ASSERT_EQUAL(connections_live(f->worker->connections), 1);
	flow_fixture_destroy(f);
}

static void
test_backend_state(void)
{
	struct fixture *f = three_services();
	struct tuple t = client(IPPROTO_TCP);

	establish(f, TCP, t);
	f->backends[0].flags = BACKEND_UP | BACKEND_DRAIN;
	CU_ASSERT_EQUAL(flow_send(f, TCP, t, TCP_ACK)->verdict, VERDICT_CONTINUE);
	CU_ASSERT_EQUAL(flow_answered(f, flow_answer(&t, "10.0.0.1", 8080), TCP_ACK)->verdict,
			VERDICT_CONTINUE);
	CU_ASSERT_EQUAL(f->worker->service_stats[TCP].connections_total, 1);
	f->backends[0].flags = 0;
	expect_gone(f, t);
	flow_fixture_destroy(f);
}

static void
test_mode_changes(void)
{
	struct fixture *f = three_services();
	struct tuple t = client(IPPROTO_TCP);

	establish(f, TCP, t);
	f->services[TCP].mode = MODE_DSR_GUE;
	expect_gone(f, t);
	f->services[TCP].mode = MODE_NAT;
	establish(f, TCP, t);
	f->services[TCP].mode = MODE_FULL_NAT;
	expect_gone(f, t);
	/* Among DSR modes only the backend is remembered. */
	establish(f, DSR, t);
	f->services[DSR].mode = MODE_DSR_IPIP;
	CU_ASSERT_EQUAL(flow_send(f, DSR, t, TCP_ACK)->verdict, VERDICT_CONTINUE);
	CU_ASSERT_EQUAL(f->worker->service_stats[DSR].connections_total, 1);
	f->services[DSR].mode = MODE_NAT;
	CU_ASSERT_EQUAL(flow_send(f, DSR, t, TCP_ACK)->verdict, VERDICT_CONTINUE);
	CU_ASSERT_EQUAL(f->worker->service_stats[DSR].connections_total, 2);
	CU_ASSERT_TRUE(flow_invariant(f));
	flow_fixture_destroy(f);
}

/* Another service has taken over the address and port. */
static void
test_service_changes(void)
{
	struct fixture *f = three_services();
	struct tuple t = client(IPPROTO_TCP);

	establish(f, TCP, t);
	CU_ASSERT_EQUAL(flow_send(f, DSR, t, TCP_ACK)->backend, 2);
	CU_ASSERT_EQUAL(flow_connection(f, &t)->service, DSR);
	CU_ASSERT_EQUAL(f->worker->service_stats[TCP].connections_ended, 1);
	CU_ASSERT_EQUAL(connections_live(f->worker->connections), 1);
	establish(f, TCP, t);
	CU_ASSERT_EQUAL(flow_send(f, UDP, t, TCP_ACK)->backend, 1);
	CU_ASSERT_EQUAL(flow_connection(f, &t)->service, UDP);
	CU_ASSERT_EQUAL(connections_live(f->worker->connections), 1);
	CU_ASSERT_TRUE(flow_invariant(f));
	flow_fixture_destroy(f);
}

/* Such packets come from workers that still saw an older snapshot. */
static void
test_service_gone(void)
{
	struct fixture *f = three_services();
	struct tuple t = client(IPPROTO_TCP);

	CU_ASSERT_EQUAL(flow_send(f, FIXTURE_MAX - 1, t, TCP_SYN)->verdict, VERDICT_HOST);
	f->services[TCP].epoch = 0;
	CU_ASSERT_EQUAL(flow_send(f, TCP, t, TCP_SYN)->verdict, VERDICT_HOST);
	CU_ASSERT_EQUAL(connections_live(f->worker->connections), 0);
	flow_fixture_destroy(f);
}

int
test_track_register(void)
{
	static const CU_TestInfo tests[] = {
		{ "replies with and without a connection", test_reply },
		{ "counters", test_counts },
		{ "other verdicts are left alone", test_others_untouched },
		{ "handshake", test_handshake },
		{ "half open no longer than established", test_short_established },
		{ "FIN of both sides", test_fins },
		{ "a deadline that comes nearer", test_timer_comes_nearer },
		{ "FIN of the backend first", test_fins_other_order },
		{ "DSR: FIN of the client", test_fin_dsr },
		{ "RST", test_rst },
		{ "SYN on a closing connection", test_syn_on_closing },
		{ "closed by an earlier packet of the burst", test_closed_within_burst },
		{ "its slot taken by a later one", test_slot_taken_within_burst },
		{ "UDP", test_udp },
		{ "ICMP errors change nothing", test_icmp_error },
		{ "later fragments", test_later_fragment },
		{ "IPv6", test_v6 },
		{ "epochs and slots", test_epochs },
		{ "backend drains, backend is down", test_backend_state },
		{ "the service's mode changes", test_mode_changes },
		{ "the tuple belongs to another service", test_service_changes },
		{ "the service is gone", test_service_gone },
		CU_TEST_INFO_NULL,
	};

	return suite_add("track", tests);
}

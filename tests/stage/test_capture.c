/* SPDX-License-Identifier: Apache-2.0 */
/* What a capture sees of the pipeline: bytes as they came and as they go, verdicts, filters, and a
 * ring that is full. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ring.h>

#include "dp/capture.h"
#include "dp/l4/fragment.h"
#include "dp/l4/waiting.h"
#include "dp/pipeline.h"
#include "flows.h"
#include "frames.h"
#include "suites.h"

#define SNAPLEN 2048
#define SEEN    64

/* A nat service (192.0.2.10:80, 2001:db8:80::1 for IPv6) with one backend of each family. */
static struct fixture *f;
static struct burst in;
static struct capture *capture;
static const struct capture_record *seen[SEEN];
static uint32_t n_seen;
static uint32_t web, six;

static void
set_up_at(uint32_t first, uint32_t snaplen)
{
	uint32_t hop;

	f = flow_fixture(64);
	dp_clock_init(&f->dataplane.clock);
	f->worker->waiting = waiting_create(SOCKET_ID_ANY);
	f->worker->fragments = fragment_table_create(64, SOCKET_ID_ANY);
	f->worker->now = 5000 * SECOND;
	hop = fixture_nexthop(f, "02:00:00:00:00:42", 0);
	web = fixture_service(f, "192.0.2.10/32", IPPROTO_TCP, 80, MODE_NAT);
	f->backends[fixture_backend(f, web, "10.0.0.1", 8080)].nexthop = hop;
	six = fixture_service(f, "2001:db8:80::1/128", IPPROTO_TCP, 0, MODE_DSR_L2);
	f->backends[fixture_backend(f, six, "2001:db8:2::3", 0)].nexthop = hop;
	fixture_route(f, "198.51.100.0/24", hop);
	fixture_publish(f);
	capture = capture_create(1, snaplen, first);
	if (!capture)
		abort();
	capture->filter.service = INDEX_NONE;
	f->worker->capture = capture;
	in.count = 0;
	n_seen = 0;
}

static void
set_up(void)
{
	set_up_at(1, SNAPLEN);
}

static void
free_sent(void)
{
	struct tx_queue *q = &f->worker->tx[0];

	while (q->count)
		rte_pktmbuf_free(q->mbufs[--q->count]);
}

static void
tear_down(void)
{
	free_sent();
	capture_destroy(capture);
	waiting_destroy(f->worker->waiting);
	fragment_table_destroy(f->worker->fragments);
	flow_fixture_destroy(f);
	CU_ASSERT_EQUAL(fixture_mbufs_in_use(), 0);
}

/* A TCP packet to one of the services; returns its length in out. */
static uint16_t
syn_of(const char *client, uint16_t port, uint8_t ttl, uint8_t *out)
{
	const struct frame_spec spec = {
		.src = client,
		.dst = strchr(client, ':') ? "2001:db8:80::1" : "192.0.2.10",
		.proto = IPPROTO_TCP,
		.sport = port,
		.dport = 80,
		.tcp_flags = TCP_SYN,
		.ttl = ttl,
		.payload_len = 40,
	};

	return frame_build(out, &spec);
}

static void
receive(const char *client, uint16_t port, uint8_t ttl)
{
	uint8_t frame[FRAME_MAX];

	fixture_receive(&in, frame, syn_of(client, port, ttl, frame));
}

/* What has been received runs through the pipeline. */
static void
run(void)
{
	struct rte_mbuf *mbufs[BURST_MAX];
	uint16_t i;

	for (i = 0; i < in.count; i++)
		mbufs[i] = in.packets[i].mbuf;
	pipeline_received(f->worker, 0, mbufs, in.count);
	in.count = 0;
}

/* One iteration, as far as captures are concerned; afterwards seen[] are the records. They stay
 * where they are until capture_done. */
static void
iterate(void)
{
	const struct capture_record *r;

	if (in.count)
		run();
	CU_ASSERT_PTR_NULL(capture_peek(capture, 0));
	capture_commit(f->worker);
	n_seen = 0;
	while ((r = capture_peek(capture, 0)) != NULL && n_seen < SEEN) {
		if (r->event != CAPTURE_NOTHING)
			seen[n_seen++] = r;
		capture_done(capture, 0);
	}
}

static bool
bytes_are(const struct capture_record *r, const void *frame, size_t len)
{
	return r->length == len && r->captured == len && memcmp(r->data, frame, len) == 0;
}

/* ---- what is seen ---- */

static void
test_forwarded(void)
{
	uint8_t frame[FRAME_MAX];
	uint16_t len = syn_of("198.51.100.7", 1234, 64, frame);
	const struct rte_mbuf *sent;
	struct addr backend;

	set_up();
	backend = fixture_addr("10.0.0.1");
	fixture_receive(&in, frame, len);
	iterate();
	CU_ASSERT_EQUAL_FATAL(n_seen, 2);
	CU_ASSERT_EQUAL(seen[0]->event, CAPTURE_FORWARDED);
	CU_ASSERT_TRUE(bytes_are(seen[0], frame, len));
	CU_ASSERT_EQUAL(seen[0]->service, web);
	CU_ASSERT_EQUAL(seen[0]->service_epoch, 1);
	CU_ASSERT_EQUAL(seen[0]->direction, DIR_FORWARD);
	CU_ASSERT_TRUE(addr_equal(&seen[0]->to, &backend));
	CU_ASSERT_EQUAL(seen[0]->to_port, htons(8080));
	CU_ASSERT_EQUAL(seen[1]->event, CAPTURE_OUT);
	sent = f->worker->tx[0].mbufs[0];
	CU_ASSERT_TRUE(bytes_are(seen[1], rte_pktmbuf_mtod(sent, void *), sent->pkt_len));
	CU_ASSERT_NOT_EQUAL(memcmp(seen[0]->data, seen[1]->data, len), 0);
	CU_ASSERT_TRUE(seen[0]->time <= seen[1]->time);
	tear_down();
}

static void
test_reply(void)
{
	struct frame_spec answer = {
		.src = "10.0.0.1",
		.dst = "198.51.100.7",
		.proto = IPPROTO_TCP,
		.sport = 8080,
		.dport = 1234,
		.tcp_flags = TCP_SYN | TCP_ACK,
	};
	uint8_t frame[FRAME_MAX];
	struct addr client;
	uint16_t len;

	set_up();
	client = fixture_addr("198.51.100.7");
	receive("198.51.100.7", 1234, 64);
	iterate();
	len = frame_build(frame, &answer);
	fixture_receive(&in, frame, len);
	iterate();
	CU_ASSERT_EQUAL_FATAL(n_seen, 2);
	CU_ASSERT_EQUAL(seen[0]->event, CAPTURE_FORWARDED);
	CU_ASSERT_EQUAL(seen[0]->direction, DIR_REPLY);
	CU_ASSERT_TRUE(bytes_are(seen[0], frame, len));
	CU_ASSERT_TRUE(addr_equal(&seen[0]->to, &client));
	CU_ASSERT_EQUAL(seen[0]->to_port, htons(1234));
	CU_ASSERT_EQUAL(seen[1]->event, CAPTURE_OUT);
	/* What belongs to nothing of ours goes to the host, and none is there. */
	answer.sport = 8081;
	fixture_receive(&in, frame, frame_build(frame, &answer));
	iterate();
	CU_ASSERT_EQUAL_FATAL(n_seen, 1);
	CU_ASSERT_EQUAL(seen[0]->event, CAPTURE_DROPPED);
	CU_ASSERT_EQUAL(seen[0]->reason, DROP_NO_SERVICE);
	tear_down();
}

static void
test_dropped(void)
{
	uint8_t frame[FRAME_MAX];
	uint16_t len = syn_of("198.51.100.7", 1234, 64, frame);

	set_up();
	/* by parse, before anything is known of it */
	frame[14 + 10] ^= 1;
	fixture_receive(&in, frame, len);
	iterate();
	CU_ASSERT_EQUAL_FATAL(n_seen, 1);
	CU_ASSERT_EQUAL(seen[0]->event, CAPTURE_DROPPED);
	CU_ASSERT_EQUAL(seen[0]->reason, DROP_IP_CHECKSUM);
	CU_ASSERT_EQUAL(seen[0]->service, INDEX_NONE);
	CU_ASSERT_TRUE(bytes_are(seen[0], frame, len));
	/* by balance */
	f->backends[0].flags = 0;
	receive("198.51.100.7", 1234, 64);
	iterate();
	CU_ASSERT_EQUAL_FATAL(n_seen, 1);
	CU_ASSERT_EQUAL(seen[0]->event, CAPTURE_DROPPED);
	CU_ASSERT_EQUAL(seen[0]->reason, DROP_NO_BACKEND);
	CU_ASSERT_EQUAL(seen[0]->service, web);
	/* by rewrite */
	f->backends[0].flags = BACKEND_UP;
	f->backends[0].nexthop = INDEX_NONE;
	receive("198.51.100.7", 1235, 64);
	iterate();
	CU_ASSERT_EQUAL_FATAL(n_seen, 1);
	CU_ASSERT_EQUAL(seen[0]->reason, DROP_NO_ROUTE);
	tear_down();
}

/* As it came, although its buffer becomes the answer. */
static void
answered(bool drops_only)
{
	uint8_t frame[FRAME_MAX];
	uint16_t len = syn_of("198.51.100.7", 1234, 1, frame);

	set_up();
	capture->filter.drops = drops_only;
	fixture_receive(&in, frame, len);
	receive("198.51.100.7", 1235, 64);
	iterate();
	CU_ASSERT_EQUAL_FATAL(n_seen, drops_only ? 1 : 4);
	CU_ASSERT_EQUAL(seen[0]->event, CAPTURE_ANSWERED);
	CU_ASSERT_EQUAL(seen[0]->reason, DROP_TTL_EXPIRED);
	CU_ASSERT_TRUE(bytes_are(seen[0], frame, len));
	CU_ASSERT_EQUAL(seen[0]->echo, 0);
	if (!drops_only) {
		CU_ASSERT_EQUAL(seen[1]->event, CAPTURE_FORWARDED);
		CU_ASSERT_EQUAL(seen[2]->event, CAPTURE_OUT_ANSWER);
		CU_ASSERT_EQUAL(seen[2]->data[14 + 20], 11); /* time exceeded */
		CU_ASSERT_EQUAL(seen[3]->event, CAPTURE_OUT);
	}
	tear_down();
}

static void
test_answered(void)
{
	answered(false);
	answered(true);
}

static void
test_refused(void)
{
	uint8_t frame[FRAME_MAX];
	uint16_t len = syn_of("198.51.100.7", 1234, 64, frame);

	set_up();
	f->services[web].flags |= SERVICE_REFUSE;
	f->backends[0].flags = 0;
	fixture_receive(&in, frame, len);
	iterate();
	CU_ASSERT_EQUAL_FATAL(n_seen, 2);
	CU_ASSERT_EQUAL(seen[0]->event, CAPTURE_ANSWERED);
	CU_ASSERT_EQUAL(seen[0]->reason, DROP_NO_BACKEND);
	CU_ASSERT_TRUE(bytes_are(seen[0], frame, len));
	CU_ASSERT_EQUAL(seen[1]->event, CAPTURE_OUT_ANSWER);
	CU_ASSERT_EQUAL(seen[1]->data[14 + 20 + 13] & TCP_RST, TCP_RST);
	tear_down();
}

static void
test_echo(void)
{
	const struct frame_spec ping = {
		.src = "198.51.100.7",
		.dst = "192.0.2.10",
		.proto = IPPROTO_ICMP,
		.sport = 8,
	};
	uint8_t frame[FRAME_MAX];
	uint16_t len = frame_build(frame, &ping);

	set_up();
	fixture_receive(&in, frame, len);
	iterate();
	CU_ASSERT_EQUAL_FATAL(n_seen, 2);
	CU_ASSERT_EQUAL(seen[0]->event, CAPTURE_ANSWERED);
	CU_ASSERT_EQUAL(seen[0]->echo, 1);
	CU_ASSERT_TRUE(bytes_are(seen[0], frame, len));
	CU_ASSERT_EQUAL(seen[1]->event, CAPTURE_OUT_ANSWER);
	CU_ASSERT_EQUAL(seen[1]->data[14 + 20], 0); /* echo reply */
	tear_down();
}

static void
test_host(void)
{
	const struct frame_spec other = {
		.src = "198.51.100.7",
		.dst = "192.0.2.11",
		.proto = IPPROTO_TCP,
		.dport = 22,
	};
	uint8_t frame[FRAME_MAX];
	uint16_t len = frame_build(frame, &other);
	struct rte_ring *ring;
	void *mbuf;

	set_up();
	ring = rte_ring_create("capture-host", 2, SOCKET_ID_ANY, 0);
	f->dataplane.ports[0].to_host = ring;
	fixture_receive(&in, frame, len);
	fixture_receive(&in, frame, len);
	iterate();
	CU_ASSERT_EQUAL_FATAL(n_seen, 2);
	CU_ASSERT_EQUAL(seen[0]->event, CAPTURE_TO_HOST);
	CU_ASSERT_TRUE(bytes_are(seen[0], frame, len));
	/* The ring has room for one. */
	CU_ASSERT_EQUAL(seen[1]->event, CAPTURE_DROPPED);
	CU_ASSERT_EQUAL(seen[1]->reason, DROP_HOST_RING_FULL);
	while (rte_ring_dequeue(ring, &mbuf) == 0)
		rte_pktmbuf_free(mbuf);
	rte_ring_free(ring);
	tear_down();
}

static void
test_waits(void)
{
	set_up();
	f->nexthops[0].state = NEXTHOP_UNRESOLVED;
	receive("198.51.100.7", 1234, 64);
	iterate();
	CU_ASSERT_EQUAL_FATAL(n_seen, 1);
	CU_ASSERT_EQUAL(seen[0]->event, CAPTURE_WAITS);
	/* It goes out; it does not come in a second time. */
	f->nexthops[0].state = NEXTHOP_READY;
	f->snapshot.version++;
	while (waiting_take(f->worker, &in)) {
		stage_rewrite(f->worker, &in);
		capture_before_dispatch(f->worker, &in);
		free_sent();
		fixture_free(&in);
	}
	iterate();
	CU_ASSERT_EQUAL_FATAL(n_seen, 1);
	CU_ASSERT_EQUAL(seen[0]->event, CAPTURE_OUT);
	tear_down();
}

static void
test_held_fragment(void)
{
	const struct frame_spec later = {
		.src = "198.51.100.7",
		.dst = "192.0.2.10",
		.proto = IPPROTO_TCP,
		.id = 99,
		.frag = 100,
		.raw = 1,
		.payload_len = 64,
	};
	uint8_t frame[FRAME_MAX];
	uint16_t len = frame_build(frame, &later);

	set_up();
	fixture_receive(&in, frame, len);
	iterate();
	CU_ASSERT_EQUAL(n_seen, 0); /* held: nothing to say yet */
	f->worker->now += 60 * SECOND;
	fragments_expire(f->worker);
	iterate();
	CU_ASSERT_EQUAL_FATAL(n_seen, 1);
	CU_ASSERT_EQUAL(seen[0]->event, CAPTURE_DROPPED);
	CU_ASSERT_EQUAL(seen[0]->reason, DROP_FRAGMENT_NO_FIRST);
	CU_ASSERT_TRUE(bytes_are(seen[0], frame, len));
	tear_down();
}

static void
test_frames_without_packet(void)
{
	uint8_t frame[FRAME_MAX];
	struct rte_mbuf *m;

	set_up();
	m = fixture_mbuf(frame, syn_of("198.51.100.7", 1, 64, frame));
	capture_frame(f->worker, 0, m, CAPTURE_OUT_FROM_HOST);
	capture_frame(f->worker, 0, m, CAPTURE_OUT_UNSENT);
	iterate();
	CU_ASSERT_EQUAL_FATAL(n_seen, 2);
	CU_ASSERT_EQUAL(seen[0]->event, CAPTURE_OUT_FROM_HOST);
	CU_ASSERT_EQUAL(seen[1]->event, CAPTURE_OUT_UNSENT);
	CU_ASSERT_EQUAL(seen[1]->reason, DROP_TRANSMIT_FULL);
	capture->filter.drops = true;
	capture_frame(f->worker, 0, m, CAPTURE_OUT_FROM_HOST);
	capture_frame(f->worker, 0, m, CAPTURE_OUT_UNSENT);
	iterate();
	CU_ASSERT_EQUAL(n_seen, 1);
	rte_pktmbuf_free(m);
	tear_down();
}

/* ---- what is wanted ---- */

/* How many records three clients leave: two of IPv4, one of IPv6, one packet each and one more that
 * is dropped. */
static uint32_t
records_of_three(void)
{
	receive("198.51.100.7", 1, 64);
	receive("198.51.101.8", 2, 64);
	receive("2001:db8:9::77", 3, 64);
	receive("127.0.0.1", 4, 64);
	iterate();
	free_sent();
	return n_seen;
}

static void
filter_client(const char *prefix)
{
	CU_ASSERT_EQUAL(prefix_parse(prefix, &capture->filter.client), 0);
	capture->filter.by_client = true;
}

static void
test_filters(void)
{
	set_up();
	CU_ASSERT_EQUAL(records_of_three(), 7);
	filter_client("198.51.100.7/32");
	CU_ASSERT_EQUAL(records_of_three(), 2);
	filter_client("198.51.100.0/23");
	CU_ASSERT_EQUAL(records_of_three(), 4);
	filter_client("0.0.0.0/0");
	CU_ASSERT_EQUAL(records_of_three(), 5);
	filter_client("2001:db8::/32");
	CU_ASSERT_EQUAL(records_of_three(), 2);
	filter_client("::/0");
	CU_ASSERT_EQUAL(records_of_three(), 2);
	filter_client("203.0.113.1/32");
	CU_ASSERT_EQUAL(records_of_three(), 0);
	capture->filter.by_client = false;
	capture->filter.service = six;
	capture->filter.service_epoch = 1;
	CU_ASSERT_EQUAL(records_of_three(), 2);
	capture->filter.service = web;
	CU_ASSERT_EQUAL(records_of_three(), 4);
	filter_client("198.51.101.8/32");
	CU_ASSERT_EQUAL(records_of_three(), 2);
	/* The slot belongs to another service now. */
	capture->filter.by_client = false;
	capture->filter.service_epoch = 2;
	CU_ASSERT_EQUAL(records_of_three(), 0);
	capture->filter = (struct capture_filter){ .service = INDEX_NONE, .drops = true };
	CU_ASSERT_EQUAL(records_of_three(), 1);
	CU_ASSERT_EQUAL(seen[0]->reason, DROP_MARTIAN_SOURCE);
	tear_down();
}

/* The client of a full-nat answer is in its connection only. */
static void
test_full_nat_client(void)
{
	const struct frame_spec answer = {
		.src = "10.0.0.1",
		.dst = "10.0.0.64",
		.proto = IPPROTO_TCP,
		.sport = 8080,
		.tcp_flags = TCP_SYN | TCP_ACK,
	};
	uint8_t frame[FRAME_MAX];
	struct frame_spec spec = answer;
	struct tuple t = flow_tuple("198.51.100.7", 1234, "192.0.2.10", 80, IPPROTO_TCP);

	set_up();
	f->services[web].mode = MODE_FULL_NAT;
	fixture_source(f, "10.0.0.64", 0);
	f->backends[0].sources_count = 1;
	fixture_publish(f);
	filter_client("198.51.100.7/32");
	receive("198.51.100.7", 1234, 64);
	iterate();
	CU_ASSERT_EQUAL(n_seen, 2);
	CU_ASSERT_PTR_NOT_NULL_FATAL(flow_connection(f, &t));
	spec.dport = ntohs(flow_connection(f, &t)->local_port);
	fixture_receive(&in, frame, frame_build(frame, &spec));
	iterate();
	CU_ASSERT_EQUAL(n_seen, 2);
	CU_ASSERT_EQUAL(seen[0]->direction, DIR_REPLY);
	tear_down();
}

/* ---- the ring ---- */

static void
test_full_ring(void)
{
	const struct capture_record *r;
	uint32_t slots, taken = 0, i;

	set_up();
	slots = capture->mask + 1;
	f->backends[0].flags = 0; /* one record a packet */
	for (i = 0; i < slots + 10; i++) {
		receive("198.51.100.7", 1, 64);
		run();
		capture_commit(f->worker);
	}
	CU_ASSERT_EQUAL(capture->rings[0].lost[0], 10);
	while ((r = capture_peek(capture, 0)) != NULL) {
		CU_ASSERT_EQUAL(r->event, CAPTURE_DROPPED);
		capture_done(capture, 0);
		taken++;
	}
	CU_ASSERT_EQUAL(taken, slots);
	receive("198.51.100.7", 1, 64);
	iterate();
	CU_ASSERT_EQUAL(n_seen, 1);
	CU_ASSERT_EQUAL(capture->rings[0].lost[0], 10);
	tear_down();
}

/* Positions are 32 bits; 0 is none of a packet. */
static void
test_positions_wrap(void)
{
	uint32_t i, forwarded = 0, out = 0;

	set_up_at(UINT32_MAX - 5, SNAPLEN);
	for (i = 0; i < 12; i++) {
		receive("198.51.100.7", (uint16_t)(1 + i), 64);
		iterate();
		CU_ASSERT_TRUE(n_seen == 2 || n_seen == 1);
		forwarded += seen[0]->event == CAPTURE_FORWARDED;
		out += seen[n_seen - 1]->event == CAPTURE_OUT;
	}
	CU_ASSERT_EQUAL(out, 12);
	CU_ASSERT_TRUE(forwarded >= 11);
	CU_ASSERT_EQUAL(capture->rings[0].lost[0], 0);
	tear_down();
}

/* A record of an earlier iteration is no longer the packet's. */
static void
test_stale_position(void)
{
	struct packet p;

	set_up();
	receive("198.51.100.7", 1, 64);
	iterate();
	p = (struct packet){ .capture = 1, .mbuf = fixture_mbuf("x", 1), .service = INDEX_NONE };
	p.connection = INDEX_NONE;
	p.verdict = VERDICT_TRANSMIT;
	in.packets[in.count++] = p;
	capture_before_dispatch(f->worker, &in);
	fixture_free(&in);
	iterate();
	CU_ASSERT_EQUAL(n_seen, 1);
	CU_ASSERT_EQUAL(seen[0]->event, CAPTURE_OUT);
	tear_down();
}

static void
test_snaplen(void)
{
	uint8_t frame[FRAME_MAX];
	uint16_t len = syn_of("198.51.100.7", 1, 64, frame);
	struct rte_mbuf *m;

	set_up_at(1, 60);
	receive("198.51.100.7", 1, 64);
	iterate();
	CU_ASSERT_EQUAL_FATAL(n_seen, 2);
	CU_ASSERT_EQUAL(seen[0]->length, len);
	CU_ASSERT_EQUAL(seen[0]->captured, 60);
	CU_ASSERT_EQUAL(memcmp(seen[0]->data, frame, 60), 0);
	/* in two segments */
	m = fixture_mbuf(frame, 40);
	CU_ASSERT_EQUAL(rte_pktmbuf_chain(m, fixture_mbuf(frame + 40, len - 40u)), 0);
	capture_frame(f->worker, 0, m, CAPTURE_OUT_FROM_HOST);
	iterate();
	CU_ASSERT_EQUAL_FATAL(n_seen, 1);
	CU_ASSERT_EQUAL(seen[0]->length, len);
	CU_ASSERT_EQUAL(memcmp(seen[0]->data, frame, 60), 0);
	rte_pktmbuf_free(m);
	tear_down();
}

int
test_capture_register(void)
{
	static const CU_TestInfo tests[] = {
		{ "forwarded: in and out", test_forwarded },
		{ "replies, and what is none", test_reply },
		{ "dropped by each part of the journey", test_dropped },
		{ "answered", test_answered },
		{ "refused with an answer", test_refused },
		{ "echo", test_echo },
		{ "to the host", test_host },
		{ "waits for an Ethernet address", test_waits },
		{ "a fragment that was held", test_held_fragment },
		{ "frames of the host, and unsent ones", test_frames_without_packet },
		{ "filters", test_filters },
		{ "the client of a full-nat answer", test_full_nat_client },
		{ "a full ring", test_full_ring },
		{ "positions wrap", test_positions_wrap },
		{ "a stale position", test_stale_position },
		{ "snap length, segments", test_snaplen },
		CU_TEST_INFO_NULL,
	};

	return suite_add("capture", tests);
}

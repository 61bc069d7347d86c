/* SPDX-License-Identifier: Apache-2.0 */
/* Stage fragment: fragments in any order, their ports and their place; what is held, and for how
 * long. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

#include "dp/l4/fragment.h"
#include "dp/l4/stages.h"
#include "fixture.h"
#include "frames.h"
#include "suites.h"

#define CLIENT4 "198.51.100.7"
#define CLIENT6 "2001:db8:1::7"
#define VIP4    "192.0.2.10"
#define VIP6    "2001:db8::10"
#define SECOND  1000000000ull
#define ENTRIES 64 /* one group of 4 sets of 16 */

static struct fixture *
make_fixture(void)
{
	struct fixture *f = fixture_create();
	uint32_t dns = fixture_service(f, VIP4, IPPROTO_UDP, 53, MODE_NAT);

	fixture_service(f, VIP6, IPPROTO_UDP, 53, MODE_DSR_GUE);
	fixture_service(f, "10.0.0.254", IPPROTO_UDP, 443, MODE_FULL_NAT);
	fixture_backend(f, dns, "10.0.0.1", 53);
	fixture_source(f, "10.0.0.254", SOURCE_BY_PORT);
	fixture_publish(f);
	f->worker->fragments = fragment_table_create(ENTRIES, SOCKET_ID_ANY);
	CU_ASSERT_PTR_NOT_NULL_FATAL(f->worker->fragments);
	return f;
}

static void
end_fixture(struct fixture *f)
{
	fragment_table_destroy(f->worker->fragments);
	CU_ASSERT_EQUAL(fixture_mbufs_in_use(), 0);
	fixture_destroy(f);
}

/* A fragment of a UDP datagram: `at` in units of 8, 0 the first. */
struct piece {
	const char *src, *dst;
	uint16_t id, at;
	bool last;
	uint16_t dport;
	uint16_t len; /* of the fragment's payload, UDP header included; 0: 24 */
};

static struct packet *
add(struct burst *b, const struct piece *piece)
{
	uint16_t len = piece->len ? piece->len : 24;
	uint8_t frame[FRAME_MAX];
	struct frame_spec spec = {
		.src = piece->src ? piece->src : CLIENT4,
		.dst = piece->dst ? piece->dst : VIP4,
		.proto = IPPROTO_UDP,
		.sport = 4711,
		.dport = piece->dport ? piece->dport : 53,
		.id = piece->id,
		.frag = (uint16_t)(piece->at | (piece->last ? 0 : 0x2000)),
		.raw = piece->at != 0,
		.payload_len = piece->at ? len : len - 8,
	};
	uint16_t size = frame_build(frame, &spec);

	return fixture_receive(b, frame, size);
}

/* Stages parse to fragment. */
static bool
run(struct fixture *f, struct burst *b, struct burst *released)
{
	stage_parse(f->worker, b);
	stage_classify(f->worker, b);
	stage_steer(f->worker, b);
	return stage_fragment(f->worker, b, released);
}

/* One fragment alone; the packet after the stage. What was released goes to `released`. */
static struct packet
send_piece(struct fixture *f, const struct piece *piece, struct burst *released)
{
	struct burst b = { 0 };
	struct packet out;

	add(&b, piece);
	CU_ASSERT_TRUE(run(f, &b, released));
	out = b.packets[0];
	fixture_free(&b);
	return out;
}

static void
check_resolved(const struct packet *p, uint32_t service)
{
	CU_ASSERT_EQUAL(p->verdict, VERDICT_CONTINUE);
	CU_ASSERT_EQUAL(p->direction, DIR_FORWARD);
	CU_ASSERT_EQUAL(p->service, service);
	CU_ASSERT_EQUAL(p->tuple.sport, htons(4711));
	CU_ASSERT_EQUAL(p->tuple.dport, htons(53));
	CU_ASSERT_EQUAL(p->tuple.proto, IPPROTO_UDP);
	CU_ASSERT_EQUAL(p->ip_proto, IPPROTO_UDP);
	CU_ASSERT_EQUAL(p->frag_resolved, 1);
}

static void
test_in_order(void)
{
	struct fixture *f = make_fixture();
	struct burst b = { 0 }, released = { 0 };
	unsigned int i;

	/* both families in one burst, between others */
	add(&b, &(struct piece){ .id = 1 });
	add(&b, &(struct piece){ .id = 1, .at = 3 });
	add(&b, &(struct piece){ .id = 1, .at = 6, .last = true });
	add(&b, &(struct piece){ .src = CLIENT6, .dst = VIP6, .id = 1 });
	add(&b, &(struct piece){ .src = CLIENT6, .dst = VIP6, .id = 1, .at = 3, .last = true });
	CU_ASSERT_TRUE(run(f, &b, &released));
	for (i = 0; i < 5; i++)
		check_resolved(&b.packets[i], i < 3 ? 0 : 1);
	CU_ASSERT_TRUE(memcmp(&b.packets[0].tuple, &b.packets[2].tuple, sizeof(struct tuple)) == 0);
	CU_ASSERT_TRUE(memcmp(&b.packets[3].tuple, &b.packets[4].tuple, sizeof(struct tuple)) == 0);
	CU_ASSERT_EQUAL(released.count, 0);
	/* A second pass does nothing. */
	CU_ASSERT_FALSE(stage_fragment(f->worker, &b, &released));
	fixture_free(&b);
	end_fixture(f);
}

static void
test_untouched(void)
{
	struct fixture *f = make_fixture();
	struct burst b = { 0 }, released = { 0 };
	uint8_t frame[FRAME_MAX];
	uint16_t len = frame_build(
	    frame,
	    &(struct frame_spec){ .src = CLIENT4, .dst = VIP4, .proto = IPPROTO_UDP, .dport = 53 });

	fixture_receive(&b, frame, len);
	CU_ASSERT_FALSE(run(f, &b, &released));
	CU_ASSERT_EQUAL(b.packets[0].verdict, VERDICT_CONTINUE);
	CU_ASSERT_EQUAL(b.packets[0].frag_resolved, 0);
	fixture_free(&b);
	end_fixture(f);
}

/* Later ones first: held, then released in the order of their arrival. */
static void
test_out_of_order(void)
{
	struct fixture *f = make_fixture();
	struct burst released = { 0 };
	struct packet p;
	unsigned int i;

	p = send_piece(f, &(struct piece){ .id = 9, .at = 6, .last = true }, &released);
	CU_ASSERT_EQUAL(p.verdict, VERDICT_TAKEN);
	p = send_piece(f, &(struct piece){ .id = 9, .at = 3 }, &released);
	CU_ASSERT_EQUAL(p.verdict, VERDICT_TAKEN);
	CU_ASSERT_EQUAL(f->worker->stats.fragments_held, 2);
	CU_ASSERT_EQUAL(released.count, 0);
	/* of another datagram */
	p = send_piece(f, &(struct piece){ .id = 8 }, &released);
	check_resolved(&p, 0);
	CU_ASSERT_EQUAL(released.count, 0);
	p = send_piece(f, &(struct piece){ .id = 9 }, &released);
	check_resolved(&p, 0);
	CU_ASSERT_EQUAL(released.count, 2);
	CU_ASSERT_EQUAL(f->worker->stats.fragments_held, 0);
	for (i = 0; i < released.count; i++)
		check_resolved(&released.packets[i], 0);
	/* fragment offset 6 came before 3 */
	CU_ASSERT_EQUAL(*(uint8_t *)packet_at(&released.packets[0], 21), 6);
	CU_ASSERT_EQUAL(*(uint8_t *)packet_at(&released.packets[1], 21), 3);
	fixture_free(&released);
	end_fixture(f);
}

/* When all bytes have passed, the identification is free for another datagram. */
static void
test_identification_comes_round(void)
{
	struct fixture *f = make_fixture();
	struct burst released = { 0 };
	struct packet p;

	send_piece(f, &(struct piece){ .id = 5, .dport = 53 }, &released);
	p = send_piece(f, &(struct piece){ .id = 5, .at = 3, .last = true }, &released);
	CU_ASSERT_EQUAL(p.tuple.dport, htons(53));
	p = send_piece(f, &(struct piece){ .id = 5, .at = 3, .last = true }, &released);
	CU_ASSERT_EQUAL(p.verdict, VERDICT_TAKEN);
	p = send_piece(f, &(struct piece){ .id = 5, .dport = 54 }, &released);
	CU_ASSERT_EQUAL(released.count, 1);
	CU_ASSERT_EQUAL(released.packets[0].tuple.dport, htons(54));
	fixture_free(&released);
	end_fixture(f);
}

/* ... also when its first fragment came last; and the same first fragment twice is not two parts.
 */
static void
test_bytes_are_counted_once(void)
{
	struct fixture *f = make_fixture();
	struct burst released = { 0 };
	struct packet p;

	send_piece(f, &(struct piece){ .id = 5, .at = 3, .last = true }, &released);
	send_piece(f, &(struct piece){ .id = 5 }, &released);
	CU_ASSERT_EQUAL(released.count, 1);
	p = send_piece(f, &(struct piece){ .id = 5, .at = 3, .last = true }, &released);
	CU_ASSERT_EQUAL(p.verdict, VERDICT_TAKEN);
	fixture_free(&released);
	send_piece(f, &(struct piece){ .id = 6 }, &released);
	send_piece(f, &(struct piece){ .id = 6 }, &released);
	p = send_piece(f, &(struct piece){ .id = 6, .at = 6, .last = true }, &released);
	check_resolved(&p, 0);
	p = send_piece(f, &(struct piece){ .id = 6, .at = 3 }, &released);
	check_resolved(&p, 0);
	end_fixture(f);
}

/* A datagram that no service takes is the host's, each fragment of it. */
static void
test_host(void)
{
	struct fixture *f = make_fixture();
	struct burst released = { 0 };
	struct packet p;

	p = send_piece(f, &(struct piece){ .id = 1, .at = 3 }, &released);
	CU_ASSERT_EQUAL(p.verdict, VERDICT_TAKEN);
	p = send_piece(f, &(struct piece){ .id = 1, .dport = 54 }, &released);
	CU_ASSERT_EQUAL(p.verdict, VERDICT_HOST);
	CU_ASSERT_EQUAL(released.count, 1);
	CU_ASSERT_EQUAL(released.packets[0].verdict, VERDICT_HOST);
	p = send_piece(f, &(struct piece){ .id = 1, .at = 6, .last = true }, &released);
	CU_ASSERT_EQUAL(p.verdict, VERDICT_HOST);
	fixture_free(&released);
	end_fixture(f);
}

/* The ports tell whether a backend's packet is an answer or a request of its own. */
static void
test_full_nat(void)
{
	struct fixture *f = make_fixture();
	struct burst released = { 0 };
	struct packet p;

	p = send_piece(
	    f, &(struct piece){ .src = "10.0.0.1", .dst = "10.0.0.254", .id = 1, .dport = 40000 },
	    &released);
	CU_ASSERT_EQUAL(p.direction, DIR_REPLY);
	CU_ASSERT_EQUAL(p.verdict, VERDICT_CONTINUE);
	p = send_piece(f,
		       &(struct piece){
			   .src = "10.0.0.1", .dst = "10.0.0.254", .id = 1, .at = 3, .last = true },
		       &released);
	CU_ASSERT_EQUAL(p.direction, DIR_REPLY);
	CU_ASSERT_EQUAL(p.tuple.dport, htons(40000));
	p = send_piece(
	    f, &(struct piece){ .src = "10.0.0.1", .dst = "10.0.0.254", .id = 2, .dport = 443 },
	    &released);
	CU_ASSERT_EQUAL(p.direction, DIR_FORWARD);
	CU_ASSERT_EQUAL(p.service, 2);
	p = send_piece(f,
		       &(struct piece){
			   .src = "10.0.0.1", .dst = "10.0.0.254", .id = 2, .at = 3, .last = true },
		       &released);
	CU_ASSERT_EQUAL(p.direction, DIR_FORWARD);
	CU_ASSERT_EQUAL(p.service, 2);
	end_fixture(f);
}

/* IPv6: the first fragment has destination options before its UDP header, the later ones name these
 * as what follows. */
static void
test_protocol_of_the_first(void)
{
	struct fixture *f = make_fixture();
	struct burst b = { 0 }, released = { 0 };
	uint8_t frame[FRAME_MAX];
	uint8_t options[24] = { IPPROTO_UDP, 0, 1, 4 };
	struct frame_spec spec = { .src = CLIENT6,
				   .dst = VIP6,
				   .proto = IPPROTO_DSTOPTS,
				   .id = 77,
				   .frag = 0x2000,
				   .raw = 1,
				   .payload = options,
				   .payload_len = 24 };
	uint16_t len;

	memcpy(options + 8, "\x12\x67\x00\x35\x00\x20\x00\x00", 8);
	len = frame_build(frame, &spec);
	fixture_receive(&b, frame, len);
	spec.frag = 3;
	len = frame_build(frame, &spec);
	fixture_receive(&b, frame, len);
	run(f, &b, &released);
	check_resolved(&b.packets[0], 1);
	check_resolved(&b.packets[1], 1);
	fixture_free(&b);
	end_fixture(f);
}

static void
test_expiry(void)
{
	struct fixture *f = make_fixture();
	struct burst released = { 0 };
	struct packet p;

	send_piece(f, &(struct piece){ .id = 1, .at = 3 }, &released);
	f->worker->now += SECOND / 2;
	send_piece(f, &(struct piece){ .id = 1, .at = 6 }, &released);
	send_piece(f, &(struct piece){ .id = 2, .at = 6 }, &released);
	f->worker->now += SECOND / 2 - 1;
	fragments_expire(f->worker);
	CU_ASSERT_EQUAL(f->worker->stats.fragments_held, 3);
	f->worker->now += 1;
	fragments_expire(f->worker);
	CU_ASSERT_EQUAL(f->worker->stats.fragments_held, 1);
	CU_ASSERT_EQUAL(f->worker->stats.drops[DROP_FRAGMENT_NO_FIRST], 2);
	f->worker->now += SECOND / 2;
	fragments_expire(f->worker);
	CU_ASSERT_EQUAL(f->worker->stats.fragments_held, 0);
	CU_ASSERT_EQUAL(f->worker->stats.drops[DROP_FRAGMENT_NO_FIRST], 3);
	/* Ports are remembered for two seconds. */
	send_piece(f, &(struct piece){ .id = 3 }, &released);
	f->worker->now += 2 * SECOND - 1;
	p = send_piece(f, &(struct piece){ .id = 3, .at = 3 }, &released);
	check_resolved(&p, 0);
	f->worker->now += 1;
	p = send_piece(f, &(struct piece){ .id = 3, .at = 6 }, &released);
	CU_ASSERT_EQUAL(p.verdict, VERDICT_TAKEN);
	end_fixture(f);
}

static void
test_bounds_of_holding(void)
{
	struct fixture *f = make_fixture();
	struct burst released = { 0 };
	struct packet p;
	uint16_t i, taken = 0;

	/* 16 a datagram */
	for (i = 0; i < 17; i++) {
		p = send_piece(f, &(struct piece){ .id = 1, .at = 3 * (i + 1) }, &released);
		CU_ASSERT_EQUAL(p.verdict, i < 16 ? VERDICT_TAKEN : VERDICT_DROP);
	}
	CU_ASSERT_EQUAL(p.reason, DROP_FRAGMENT_TABLE_FULL);
	p = send_piece(f, &(struct piece){ .id = 1 }, &released);
	check_resolved(&p, 0);
	CU_ASSERT_EQUAL(released.count, 16);
	for (i = 0; i < 16; i++)
		check_resolved(&released.packets[i], 0);
	fixture_free(&released);
	/* Only so many of one client, however many datagrams; afterwards there is room again. */
	for (i = 0; i < 300; i++) {
		p = send_piece(f, &(struct piece){ .id = 100 + i, .at = 3 }, &released);
		taken += p.verdict == VERDICT_TAKEN;
	}
	CU_ASSERT_TRUE(taken <= ENTRIES);
	CU_ASSERT_TRUE(taken > ENTRIES / 2);
	CU_ASSERT_EQUAL(f->worker->stats.fragments_held, taken);
	f->worker->now += SECOND;
	fragments_expire(f->worker);
	fragments_expire(f->worker);
	CU_ASSERT_EQUAL(f->worker->stats.fragments_held, 0);
	p = send_piece(f, &(struct piece){ .id = 7, .at = 3 }, &released);
	CU_ASSERT_EQUAL(p.verdict, VERDICT_TAKEN);
	end_fixture(f);
}

/* A group holds 128, of however many datagrams. */
static void
test_bounds_of_a_group(void)
{
	struct fixture *f = make_fixture();
	struct burst released = { 0 };
	struct packet p;
	uint16_t i, taken = 0;

	for (i = 0; i < 12 * 16; i++) {
		p = send_piece(f, &(struct piece){ .id = i / 16, .at = 3 * (i % 16 + 1) },
			       &released);
		taken += p.verdict == VERDICT_TAKEN;
	}
	CU_ASSERT_EQUAL(taken, 128);
	CU_ASSERT_EQUAL(f->worker->stats.fragments_held, 128);
	end_fixture(f);
}

/* What one burst cannot release is dropped and counted. */
static void
test_bounds_of_release(void)
{
	struct fixture *f = make_fixture();
	struct burst b = { 0 }, released = { 0 };
	struct packet p;
	uint16_t i, k;

	for (i = 0; i < 5; i++) {
		for (k = 1; k <= 16; k++) {
			p = send_piece(f, &(struct piece){ .id = i, .at = 3 * k }, &released);
			CU_ASSERT_EQUAL(p.verdict, VERDICT_TAKEN);
		}
	}
	for (i = 0; i < 5; i++)
		add(&b, &(struct piece){ .id = i });
	run(f, &b, &released);
	CU_ASSERT_EQUAL(released.count, BURST_MAX);
	CU_ASSERT_EQUAL(f->worker->stats.drops[DROP_FRAGMENT_TABLE_FULL], 16);
	CU_ASSERT_EQUAL(f->worker->stats.fragments_held, 0);
	fixture_free(&b);
	fixture_free(&released);
	end_fixture(f);
}

/* A flood of firsts from one network fills its group; a client elsewhere is served. */
static void
test_flood(void)
{
	struct fixture *f = make_fixture();
	struct burst released = { 0 };
	unsigned int i, served = 0, full = 0;
	struct packet p;

	fragment_table_destroy(f->worker->fragments);
	f->worker->fragments = fragment_table_create(64 * ENTRIES, SOCKET_ID_ANY);
	for (i = 0; i < 5000; i++) {
		char src[32];

		snprintf(src, sizeof(src), "2001:db8:bad::%x", i + 1);
		p = send_piece(f, &(struct piece){ .src = src, .dst = VIP6, .id = (uint16_t)i },
			       &released);
		full += p.verdict == VERDICT_DROP && p.reason == DROP_FRAGMENT_TABLE_FULL;
	}
	CU_ASSERT_EQUAL(full, 5000 - ENTRIES);
	for (i = 0; i < 100; i++) {
		char src[32];

		snprintf(src, sizeof(src), "198.51.100.%u", i + 1);
		p = send_piece(f, &(struct piece){ .src = src, .id = 1 }, &released);
		served += p.verdict == VERDICT_CONTINUE;
	}
	/* 1 of 64 shares the group */
	CU_ASSERT_TRUE(served >= 90);
	end_fixture(f);
}

int
test_fragment_register(void)
{
	static const CU_TestInfo tests[] = {
		{ "in order", test_in_order },
		{ "whole packets pass", test_untouched },
		{ "out of order", test_out_of_order },
		{ "an identification comes round", test_identification_comes_round },
		{ "bytes are counted once", test_bytes_are_counted_once },
		{ "the host's datagrams", test_host },
		{ "full-nat answers and requests", test_full_nat },
		{ "the first fragment knows the protocol", test_protocol_of_the_first },
		{ "time", test_expiry },
		{ "bounds of holding", test_bounds_of_holding },
		{ "bounds of a group", test_bounds_of_a_group },
		{ "bounds of release", test_bounds_of_release },
		{ "a flood", test_flood },
		CU_TEST_INFO_NULL,
	};

	return suite_add("fragment", tests);
}

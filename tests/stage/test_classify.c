/* SPDX-License-Identifier: Apache-2.0 */
/* Stage classify: whose packet is it? */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

#include "dp/l4/classify.h"
#include "dp/l4/stages.h"
#include "fixture.h"
#include "frames.h"
#include "suites.h"

#define CLIENT4 "198.51.100.7"
#define CLIENT6 "2001:db8:1::7"

enum {
	WEB,    /* tcp 192.0.2.10:80, nat */
	WEB6,   /* tcp [2001:db8::10]:80, nat */
	DNS,    /* udp 192.0.2.10, all ports, dsr-gue */
	PREFIX, /* tcp 192.0.2.0/24:8080, dsr-gue */
	ALL,    /* tcp 192.0.2.0/24, all ports, dsr-gue */
	LOCAL,  /* tcp 10.0.0.254:443 on a source address, full-nat */
};

static struct fixture *
make_fixture(void)
{
	struct fixture *f = fixture_create();

	fixture_service(f, "192.0.2.10", IPPROTO_TCP, 80, MODE_NAT);
	fixture_service(f, "2001:db8::10", IPPROTO_TCP, 80, MODE_NAT);
	fixture_service(f, "192.0.2.10", IPPROTO_UDP, 0, MODE_DSR_GUE);
	fixture_service(f, "192.0.2.0/24", IPPROTO_TCP, 8080, MODE_DSR_GUE);
	fixture_service(f, "192.0.2.0/24", IPPROTO_TCP, 0, MODE_DSR_GUE);
	fixture_service(f, "10.0.0.254", IPPROTO_TCP, 443, MODE_FULL_NAT);
	fixture_backend(f, WEB, "10.0.0.1", 8080);
	fixture_backend(f, WEB6, "fd00::1", 8080);
	fixture_backend(f, DNS, "10.0.0.3", 53);
	fixture_backend(f, LOCAL, "10.0.0.2", 443);
	fixture_source(f, "10.0.0.254", 0);
	fixture_own(f, "203.0.113.2");
	fixture_own(f, "10.0.0.254");
	fixture_publish(f);
	return f;
}

static struct packet
classify_frame(struct fixture *f, const uint8_t *frame, uint16_t len)
{
	struct burst b = { 0 };
	struct packet *p = fixture_receive(&b, frame, len);
	struct packet out;

	stage_parse(f->worker, &b);
	CU_ASSERT_EQUAL(p->verdict, VERDICT_CONTINUE);
	stage_classify(f->worker, &b);
	out = *p;
	fixture_free(&b);
	return out;
}

static struct packet
classify(struct fixture *f, const struct frame_spec *spec)
{
	uint8_t frame[FRAME_MAX];
	uint16_t len = frame_build(frame, spec);

	return classify_frame(f, frame, len);
}

/* What a packet becomes, in one word for tables. */
enum outcome {
	TO_SERVICE, /* forward; the table says which */
	REPLY,
	HOST,
	ECHO,
	SPOOFED,
};

static enum outcome
outcome_of(const struct packet *p)
{
	if (p->verdict == VERDICT_HOST)
		return HOST;
	if (p->verdict == VERDICT_DROP && p->reason == DROP_SPOOFED_SOURCE)
		return SPOOFED;
	if (p->flags & PACKET_ECHO_REQUEST)
		return ECHO;
	return p->direction == DIR_REPLY ? REPLY : TO_SERVICE;
}

struct row {
	const char *src, *dst;
	uint8_t proto;
	uint16_t dport;
	enum outcome outcome;
	uint32_t service;
};

static void
check_rows(struct fixture *f, const struct row *rows, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		struct packet p = classify(f, &(struct frame_spec){ .src = rows[i].src,
								    .dst = rows[i].dst,
								    .proto = rows[i].proto,
								    .sport = 4000,
								    .dport = rows[i].dport });

		if (outcome_of(&p) != rows[i].outcome)
			fprintf(stderr, "%s > %s:%u: outcome %u, expected %u\n", rows[i].src,
				rows[i].dst, rows[i].dport, outcome_of(&p), rows[i].outcome);
		CU_ASSERT_EQUAL(outcome_of(&p), rows[i].outcome);
		CU_ASSERT_EQUAL(p.service,
				rows[i].outcome == TO_SERVICE ? rows[i].service : INDEX_NONE);
	}
}

static void
test_services(void)
{
	static const struct row rows[] = {
		{ CLIENT4, "192.0.2.10", IPPROTO_TCP, 80, TO_SERVICE, WEB },
		{ CLIENT6, "2001:db8::10", IPPROTO_TCP, 80, TO_SERVICE, WEB6 },
		/* all ports of the address */
		{ CLIENT4, "192.0.2.10", IPPROTO_UDP, 80, TO_SERVICE, DNS },
		{ CLIENT4, "192.0.2.10", IPPROTO_UDP, 53, TO_SERVICE, DNS },
		/* what the address lacks is asked of the prefix: exact port first */
		{ CLIENT4, "192.0.2.10", IPPROTO_TCP, 8080, TO_SERVICE, PREFIX },
		{ CLIENT4, "192.0.2.10", IPPROTO_TCP, 81, TO_SERVICE, ALL },
		{ CLIENT4, "192.0.2.99", IPPROTO_TCP, 8080, TO_SERVICE, PREFIX },
		{ CLIENT4, "192.0.2.99", IPPROTO_TCP, 80, TO_SERVICE, ALL },
		/* a client inside a service's prefix is no spoofer */
		{ "192.0.2.77", "192.0.2.10", IPPROTO_TCP, 80, TO_SERVICE, WEB },
		/* a backend is a client of other services */
		{ "10.0.0.1", "192.0.2.10", IPPROTO_TCP, 80, TO_SERVICE, WEB },
		/* no such service */
		{ CLIENT4, "192.0.2.99", IPPROTO_UDP, 53, HOST, 0 },
		{ CLIENT6, "2001:db8::10", IPPROTO_TCP, 81, HOST, 0 },
		{ CLIENT6, "2001:db8::10", IPPROTO_UDP, 80, HOST, 0 },
		{ CLIENT4, "203.0.113.2", IPPROTO_TCP, 80, HOST, 0 },
		{ CLIENT4, "203.0.113.9", IPPROTO_TCP, 80, HOST, 0 },
		{ CLIENT6, "fe80::1", IPPROTO_UDP, 80, HOST, 0 },
	};
	struct fixture *f = make_fixture();

	check_rows(f, rows, sizeof(rows) / sizeof(rows[0]));
	fixture_destroy(f);
}

static void
test_replies(void)
{
	static const struct row rows[] = {
		{ "10.0.0.1", CLIENT4, IPPROTO_TCP, 4711, REPLY, 0 },
		{ "fd00::1", CLIENT6, IPPROTO_TCP, 4711, REPLY, 0 },
		/* full-nat: to the address that we connect from */
		{ "10.0.0.2", "10.0.0.254", IPPROTO_TCP, 4711, REPLY, 0 },
		{ CLIENT4, "10.0.0.254", IPPROTO_TCP, 22, HOST, 0 },
		/* unless a service lives on that port */
		{ "10.0.0.2", "10.0.0.254", IPPROTO_TCP, 443, TO_SERVICE, LOCAL },
		/* to our own address, which is no source address */
		{ "10.0.0.1", "203.0.113.2", IPPROTO_TCP, 22, HOST, 0 },
		/* backends of DSR modes answer directly */
		{ "10.0.0.3", CLIENT4, IPPROTO_UDP, 4711, HOST, 0 },
		/* not a backend */
		{ "10.0.0.9", CLIENT4, IPPROTO_TCP, 4711, HOST, 0 },
		/* not of a connection */
		{ "10.0.0.1", CLIENT4, IPPROTO_ICMP, 0, HOST, 0 },
	};
	struct fixture *f = make_fixture();
	struct packet p;

	check_rows(f, rows, sizeof(rows) / sizeof(rows[0]));
	/* Answers do not come in where only clients are; services are everywhere. */
	f->snapshot.ports[0].side = PORT_SIDE_CLIENT;
	p = classify(
	    f, &(struct frame_spec){ .src = "10.0.0.1", .dst = CLIENT4, .proto = IPPROTO_TCP });
	CU_ASSERT_EQUAL(p.verdict, VERDICT_HOST);
	f->snapshot.ports[0].side = PORT_SIDE_BACKEND;
	p = classify(
	    f, &(struct frame_spec){ .src = "10.0.0.1", .dst = CLIENT4, .proto = IPPROTO_TCP });
	CU_ASSERT_EQUAL(p.direction, DIR_REPLY);
	p = classify(f,
		     &(struct frame_spec){
			 .src = CLIENT4, .dst = "192.0.2.10", .proto = IPPROTO_TCP, .dport = 80 });
	CU_ASSERT_EQUAL(p.service, WEB);
	fixture_destroy(f);
}

/* What comes from an address that is in no pool any more to where a listener connects from. */
static void
test_legs(void)
{
	static const struct row rows[] = {
		{ "10.0.0.9", "10.0.0.254", IPPROTO_TCP, 1024, REPLY, 0 },
		{ "10.0.0.9", "10.0.0.254", IPPROTO_TCP, 32767, REPLY, 0 },
		{ "10.0.0.9", "10.0.0.254", IPPROTO_TCP, 61000, REPLY, 0 },
		{ "10.0.0.9", "10.0.0.254", IPPROTO_TCP, 65535, REPLY, 0 },
		/* the kernel's own, and those that nobody connects from */
		{ "10.0.0.9", "10.0.0.254", IPPROTO_TCP, 32768, HOST, 0 },
		{ "10.0.0.9", "10.0.0.254", IPPROTO_TCP, 60999, HOST, 0 },
		{ "10.0.0.9", "10.0.0.254", IPPROTO_TCP, 179, HOST, 0 },
		/* full-nat has no connections to such backends */
		{ "10.0.0.9", "10.0.0.254", IPPROTO_UDP, 1024, HOST, 0 },
		{ "10.0.0.9", "203.0.113.2", IPPROTO_TCP, 1024, HOST, 0 },
		{ "10.0.0.9", "10.0.0.254", IPPROTO_TCP, 443, TO_SERVICE, LOCAL },
	};
	struct fixture *f = make_fixture();
	struct packet p;

	f->snapshot.source_port_low = 1024;
	f->snapshot.source_port_high = 65535;
	f->snapshot.kernel_port_low = 32768;
	f->snapshot.kernel_port_high = 60999;
	check_rows(f, rows, sizeof(rows) / sizeof(rows[0]));
	f->snapshot.ports[0].side = PORT_SIDE_CLIENT;
	p = classify(
	    f, &(struct frame_spec){
		   .src = "10.0.0.9", .dst = "10.0.0.254", .proto = IPPROTO_TCP, .dport = 1024 });
	CU_ASSERT_EQUAL(p.verdict, VERDICT_HOST);
	fixture_destroy(f);
}

static void
test_spoofed(void)
{
	static const struct row rows[] = {
		{ "192.0.2.10", "192.0.2.10", IPPROTO_TCP, 80, SPOOFED, 0 },
		{ "192.0.2.10", "2.2.2.2", IPPROTO_TCP, 80, HOST, 0 },
		{ "203.0.113.2", "192.0.2.10", IPPROTO_TCP, 80, SPOOFED, 0 },
		{ "10.0.0.254", "192.0.2.10", IPPROTO_TCP, 80, SPOOFED, 0 },
		{ "2001:db8::10", "2001:db8::10", IPPROTO_TCP, 80, SPOOFED, 0 },
		{ "192.0.2.55", "192.0.2.55", IPPROTO_TCP, 80, SPOOFED, 0 },
		/* not for us, then it is the kernel's to judge */
		{ "192.0.2.10", "203.0.113.2", IPPROTO_TCP, 80, HOST, 0 },
	};
	struct fixture *f = make_fixture();
	unsigned int i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct packet p = classify(f, &(struct frame_spec){ .src = rows[i].src,
								    .dst = rows[i].dst,
								    .proto = rows[i].proto,
								    .dport = rows[i].dport });

		CU_ASSERT_EQUAL(outcome_of(&p), rows[i].outcome);
	}
	fixture_destroy(f);
}

static void
test_icmp(void)
{
	/* dport is the code, sport (4000) would be the type: built by hand below */
	static const struct {
		const char *src, *dst;
		uint8_t type;
		enum outcome outcome;
	} rows[] = {
		{ CLIENT4, "192.0.2.10", 8, ECHO },          { CLIENT4, "192.0.2.99", 8, ECHO },
		{ CLIENT6, "2001:db8::10", 128, ECHO },      { CLIENT4, "203.0.113.2", 8, HOST },
		{ CLIENT4, "192.0.2.10", 0, HOST },          { CLIENT6, "2001:db8::10", 135, HOST },
		{ "203.0.113.2", "192.0.2.10", 8, SPOOFED },
	};
	struct fixture *f = make_fixture();
	unsigned int i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct frame_spec spec = { .src = rows[i].src,
					   .dst = rows[i].dst,
					   .proto = IPPROTO_ICMP,
					   .sport = rows[i].type };
		struct packet p;

		if (rows[i].type >= 128)
			spec.proto = IPPROTO_ICMPV6;
		p = classify(f, &spec);
		CU_ASSERT_EQUAL(outcome_of(&p), rows[i].outcome);
		CU_ASSERT_EQUAL(p.service, INDEX_NONE);
	}
	fixture_destroy(f);
}

/* An error goes where the packet that it quotes came from. */
static void
test_icmp_errors(void)
{
	static const struct {
		const char *src, *dst; /* of the embedded packet */
		uint16_t sport, dport;
		enum outcome outcome;
		uint32_t service;
	} rows[] = {
		/* a router says that our answer to the client is too big */
		{ "192.0.2.10", CLIENT4, 80, 4711, TO_SERVICE, WEB },
		/* ... that what we sent to the backend is */
		{ CLIENT4, "10.0.0.1", 4711, 8080, REPLY, INDEX_NONE },
		{ "10.0.0.254", "10.0.0.2", 4711, 443, REPLY, INDEX_NONE },
		/* about the kernel's own packet */
		{ "203.0.113.2", CLIENT4, 22, 4711, HOST, INDEX_NONE },
	};
	struct fixture *f = make_fixture();
	uint8_t about[FRAME_MAX], frame[FRAME_MAX];
	unsigned int i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct packet p;
		uint16_t len;

		frame_build(about, &(struct frame_spec){ .src = rows[i].src,
							 .dst = rows[i].dst,
							 .proto = IPPROTO_TCP,
							 .sport = rows[i].sport,
							 .dport = rows[i].dport });
		len = frame_build_error(frame, &(struct frame_error){ .src = "203.0.113.1",
								      .dst = rows[i].src,
								      .type = 3,
								      .code = 4,
								      .about = about,
								      .quoted = 28 });
		p = classify_frame(f, frame, len);
		CU_ASSERT_EQUAL(outcome_of(&p), rows[i].outcome);
		CU_ASSERT_EQUAL(p.service, rows[i].service);
	}
	fixture_destroy(f);
}

/* Fragments go on by addresses alone, first and later ones alike. */
static void
test_fragments(void)
{
	static const struct {
		const char *src, *dst;
		uint16_t dport;
		uint8_t direction; /* DIR_NONE: the host's */
	} rows[] = {
		{ CLIENT4, "192.0.2.10", 80, DIR_FORWARD },
		/* no service, but that is known only when all fragments can be told */
		{ CLIENT6, "2001:db8::10", 81, DIR_FORWARD },
		{ CLIENT4, "203.0.113.2", 80, DIR_NONE },
		{ "10.0.0.1", CLIENT4, 4711, DIR_REPLY },
		{ "10.0.0.2", "10.0.0.254", 4711, DIR_REPLY },
		{ "10.0.0.2", "10.0.0.254", 443, DIR_REPLY },
	};
	struct fixture *f = make_fixture();
	unsigned int i, later;

	for (i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		struct packet p;

		later = i & 1;
		p = classify(f, &(struct frame_spec){ .src = rows[i / 2].src,
						      .dst = rows[i / 2].dst,
						      .proto = IPPROTO_TCP,
						      .dport = rows[i / 2].dport,
						      .frag = later ? 4 : 0x2000,
						      .raw = (int)later,
						      .payload_len = 12 });
		CU_ASSERT_EQUAL(p.direction, rows[i / 2].direction);
		CU_ASSERT_EQUAL(p.verdict, rows[i / 2].direction == DIR_NONE ? VERDICT_HOST
									     : VERDICT_CONTINUE);
	}
	fixture_destroy(f);
}

static void
test_lookup(void)
{
	struct fixture *f = make_fixture();
	const struct snapshot *s = &f->snapshot;
	struct addr vip = fixture_addr("192.0.2.10"), prefix = fixture_addr("192.0.2.11"),
		    other = fixture_addr("192.0.3.1");

	CU_ASSERT_EQUAL(classify_service(s, &vip, IPPROTO_TCP, htons(80)), WEB);
	CU_ASSERT_EQUAL(classify_service(s, &vip, IPPROTO_UDP, htons(9)), DNS);
	CU_ASSERT_EQUAL(classify_service(s, &prefix, IPPROTO_TCP, htons(9)), ALL);
	CU_ASSERT_EQUAL(classify_service(s, &prefix, IPPROTO_UDP, htons(9)), INDEX_NONE);
	CU_ASSERT_EQUAL(classify_service(s, &other, IPPROTO_TCP, htons(80)), INDEX_NONE);
	CU_ASSERT_EQUAL(classify_destination_flags(s, &vip), DESTINATION_SERVICE);
	CU_ASSERT_EQUAL(classify_destination_flags(s, &other), 0);
	fixture_destroy(f);
}

int
test_classify_register(void)
{
	static const CU_TestInfo tests[] = {
		{ "ports, all ports, prefixes", test_services },
		{ "replies", test_replies },
		{ "a backend that was removed", test_legs },
		{ "spoofed sources", test_spoofed },
		{ "ICMP", test_icmp },
		{ "ICMP errors", test_icmp_errors },
		{ "fragments", test_fragments },
		{ "service of an address", test_lookup },
		CU_TEST_INFO_NULL,
	};

	return suite_add("classify", tests);
}

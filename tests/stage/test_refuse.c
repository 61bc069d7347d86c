/* SPDX-License-Identifier: Apache-2.0 */
/* Clients of a service without a backend that is to say so: RST and "port unreachable". */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "dp/l4/stages.h"
#include "flows.h"
#include "frames.h"
#include "suites.h"

#define CLIENT4  "198.51.100.7"
#define SERVICE4 "192.0.2.10"
#define CLIENT6  "2001:db8:c::7"
#define SERVICE6 "2001:db8:f::10"

/* A service of each protocol and family on port 80, whose backends are all down. */
static struct fixture *
fixture_refusing(enum forward mode, uint32_t flags)
{
	struct fixture *f = flow_fixture(64);
	uint32_t i;

	fixture_service(f, SERVICE4, IPPROTO_TCP, 80, mode);
	fixture_service(f, SERVICE4, IPPROTO_UDP, 80, mode);
	fixture_service(f, SERVICE6, IPPROTO_TCP, 80, mode);
	fixture_service(f, SERVICE6, IPPROTO_UDP, 80, mode);
	for (i = 0; i < 4; i++) {
		f->services[i].flags |= flags;
		f->backends[fixture_backend(f, i, i < 2 ? "10.0.0.1" : "2001:db8:2::1", 8080)]
		    .flags = 0;
	}
	fixture_publish(f);
	f->worker->now = 5000 * SECOND;
	return f;
}

/* The frame through the stages up to balance. */
static struct packet *
run(struct fixture *f, struct burst *b, const struct frame_spec *spec)
{
	uint8_t frame[FRAME_MAX];
	struct packet *p;

	p = fixture_receive(b, frame, frame_build(frame, spec));
	stage_parse(f->worker, b);
	stage_classify(f->worker, b);
	stage_track(f->worker, b);
	stage_balance(f->worker, b);
	return p;
}

static struct frame_spec
spec_of(int v6, uint8_t proto, uint8_t flags, uint16_t payload)
{
	return (struct frame_spec){
		.src = v6 ? CLIENT6 : CLIENT4,
		.dst = v6 ? SERVICE6 : SERVICE4,
		.proto = proto,
		.sport = 4000,
		.dport = 80,
		.tcp_flags = flags,
		.payload_len = payload,
	};
}

static uint32_t
word(const uint8_t *at)
{
	uint32_t v;

	memcpy(&v, at, 4);
	return ntohl(v);
}

/* The answer goes to whom the packet came from, with right checksums and no byte too many. Where
 * its transport header begins. */
static const uint8_t *
answer_of(const struct packet *p, const struct frame_spec *spec, uint8_t proto, uint16_t ip_len)
{
	const uint8_t *frame = rte_pktmbuf_mtod(p->mbuf, const uint8_t *);
	const struct addr src = fixture_addr(spec->src), dst = fixture_addr(spec->dst);
	bool v4 = addr_is_v4(&src);
	const uint8_t *ip = frame + (spec->vlan ? 18 : 14);
	unsigned int len = v4 ? 4 : 16, at = v4 ? 12 : 8;

	CU_ASSERT_EQUAL_FATAL(p->verdict, VERDICT_TRANSMIT);
	CU_ASSERT_EQUAL(p->out_port, 0);
	CU_ASSERT_EQUAL(rte_pktmbuf_pkt_len(p->mbuf), (spec->vlan ? 18u : 14u) + ip_len);
	CU_ASSERT_TRUE(frame_checksums_right(frame, (uint16_t)rte_pktmbuf_pkt_len(p->mbuf)));
	CU_ASSERT_EQUAL(memcmp(ip + at, dst.b + 16 - len, len), 0);
	CU_ASSERT_EQUAL(memcmp(ip + at + len, src.b + 16 - len, len), 0);
	CU_ASSERT_EQUAL(ip[v4 ? 9 : 6], proto);
	CU_ASSERT_EQUAL(word(ip + (v4 ? 0 : 2)) & 0xffff, v4 ? ip_len : ip_len - 40u);
	return ip + (v4 ? 20 : 40);
}

/* A segment of each kind, and what RFC 9293 says of it. The frames have sequence 0x11223344 and
 * acknowledge 0x55667788. */
static void
test_reset(void)
{
	static const uint8_t options[8] = { 1, 1, 1, 1, 1, 1, 1, 0 };
	static const struct {
		uint8_t flags;
		uint16_t payload;
		uint32_t seq, ack;
		uint8_t answer;
	} cases[] = {
		{ TCP_SYN, 0, 0, 0x11223345, TCP_RST | TCP_ACK },
		{ TCP_SYN, 7, 0, 0x1122334c, TCP_RST | TCP_ACK },
		{ TCP_ACK, 0, 0x55667788, 0, TCP_RST },
		{ TCP_ACK, 100, 0x55667788, 0, TCP_RST },
		{ TCP_SYN | TCP_ACK, 0, 0x55667788, 0, TCP_RST },
		{ TCP_FIN, 3, 0, 0x11223348, TCP_RST | TCP_ACK },
		{ TCP_FIN | TCP_ACK, 0, 0x55667788, 0, TCP_RST },
	};
	struct burst b = { 0 };
	unsigned int i, kind;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (kind = 0; kind < 8; kind++) {
			struct fixture *f =
			    fixture_refusing(kind & 2 ? MODE_NAT : MODE_DSR_L2, SERVICE_REFUSE);
			struct frame_spec spec =
			    spec_of(kind & 1, IPPROTO_TCP, cases[i].flags, cases[i].payload);
			const uint8_t *tcp;

			spec.vlan = kind & 4 ? FIXTURE_VLAN : 0;
			if (kind == 4) {
				spec.options = options;
				spec.options_len = sizeof(options);
			}
			tcp = answer_of(run(f, &b, &spec), &spec, IPPROTO_TCP,
					(uint16_t)((kind & 1 ? 40 : 20) + 20));
			CU_ASSERT_EQUAL(word(tcp), 80u << 16 | 4000);
			CU_ASSERT_EQUAL(word(tcp + 4), cases[i].seq);
			CU_ASSERT_EQUAL(word(tcp + 8), cases[i].ack);
			CU_ASSERT_EQUAL(tcp[12], 0x50);
			CU_ASSERT_EQUAL(tcp[13], cases[i].answer);
			CU_ASSERT_EQUAL(f->worker->stats.drops[DROP_NO_BACKEND], 1);
			fixture_free(&b);
			flow_fixture_destroy(f);
		}
	}
	CU_ASSERT_EQUAL(fixture_mbufs_in_use(), 0);
}

/* ICMP quotes the datagram from its IP header on, as much of it as is allowed. */
static void
test_unreachable(void)
{
	static const uint16_t payloads[] = { 0, 5, 100, 1400 };
	struct burst b = { 0 };
	unsigned int i, v6;

	for (i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
		for (v6 = 0; v6 < 2; v6++) {
			struct fixture *f = fixture_refusing(MODE_NAT, SERVICE_REFUSE);
			struct frame_spec spec = spec_of((int)v6, IPPROTO_UDP, 0, payloads[i]);
			uint16_t quoted = (uint16_t)((v6 ? 48 : 28) + payloads[i]);
			uint16_t most = v6 ? 1280 - 48 : 576 - 28;
			uint8_t frame[FRAME_MAX];
			const uint8_t *icmp;

			quoted = quoted < most ? quoted : most;
			icmp =
			    answer_of(run(f, &b, &spec), &spec, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
				      (uint16_t)((v6 ? 48 : 28) + quoted));
			CU_ASSERT_EQUAL(icmp[0], v6 ? 1 : 3);
			CU_ASSERT_EQUAL(icmp[1], v6 ? 4 : 3);
			CU_ASSERT_EQUAL(word(icmp + 4), 0);
			frame_build(frame, &spec);
			CU_ASSERT_EQUAL(memcmp(icmp + 8, frame + 14, quoted), 0);
			CU_ASSERT_EQUAL(f->worker->stats.drops[DROP_NO_BACKEND], 1);
			fixture_free(&b);
			flow_fixture_destroy(f);
		}
	}
	CU_ASSERT_EQUAL(fixture_mbufs_in_use(), 0);
}

static void
silent(struct fixture *f, const struct frame_spec *spec)
{
	struct burst b = { 0 };
	struct packet *p = run(f, &b, spec);

	CU_ASSERT_EQUAL(p->verdict, VERDICT_DROP);
	CU_ASSERT_EQUAL(p->reason, DROP_NO_BACKEND);
	fixture_free(&b);
}

/* What must not be answered, and services that do not refuse. */
static void
test_silent(void)
{
	struct fixture *f = fixture_refusing(MODE_NAT, SERVICE_REFUSE);
	struct frame_spec spec = spec_of(0, IPPROTO_TCP, TCP_RST, 0), about;
	uint8_t inner[FRAME_MAX], frame[FRAME_MAX];
	struct burst b = { 0 };
	struct packet *p;
	uint16_t len;

	silent(f, &spec);
	spec.tcp_flags = TCP_RST | TCP_ACK;
	silent(f, &spec);
	/* an ICMP error about a packet of the service's to the client */
	about = spec_of(0, IPPROTO_UDP, 0, 8);
	about.src = SERVICE4;
	about.dst = CLIENT4;
	about.sport = 80;
	about.dport = 4000;
	frame_build(inner, &about);
	len = frame_build_error(frame,
				&(struct frame_error){ CLIENT4, SERVICE4, 3, 3, 0, inner, 36 });
	p = fixture_receive(&b, frame, len);
	stage_parse(f->worker, &b);
	stage_classify(f->worker, &b);
	stage_track(f->worker, &b);
	stage_balance(f->worker, &b);
	CU_ASSERT_EQUAL(p->verdict, VERDICT_DROP);
	CU_ASSERT_EQUAL(p->reason, DROP_NO_BACKEND);
	fixture_free(&b);
	flow_fixture_destroy(f);

	f = fixture_refusing(MODE_NAT, 0);
	spec = spec_of(0, IPPROTO_TCP, TCP_SYN, 0);
	silent(f, &spec);
	spec = spec_of(1, IPPROTO_UDP, 0, 10);
	silent(f, &spec);
	flow_fixture_destroy(f);
	CU_ASSERT_EQUAL(fixture_mbufs_in_use(), 0);
}

static unsigned int
answered(struct fixture *f, uint8_t proto, unsigned int n)
{
	struct frame_spec spec = spec_of(0, proto, TCP_SYN, 0);
	struct burst b = { 0 };
	unsigned int count = 0;

	while (n--) {
		count += run(f, &b, &spec)->verdict == VERDICT_TRANSMIT;
		fixture_free(&b);
	}
	return count;
}

/* A thousand a second, a hundred at once, each kind by itself; every packet is counted. */
static void
test_rate(void)
{
	struct fixture *f = fixture_refusing(MODE_NAT, SERVICE_REFUSE);

	CU_ASSERT_EQUAL(answered(f, IPPROTO_TCP, 160), 100);
	CU_ASSERT_EQUAL(answered(f, IPPROTO_UDP, 160), 100);
	f->worker->now += SECOND / 100;
	CU_ASSERT_EQUAL(answered(f, IPPROTO_TCP, 20), 10);
	/* those that were answered are counted here, the rest by dispatch */
	CU_ASSERT_EQUAL(f->worker->stats.drops[DROP_NO_BACKEND], 210);
	flow_fixture_destroy(f);
}

/* A backend that comes up gets the packet instead. */
static void
test_up_again(void)
{
	struct fixture *f = fixture_refusing(MODE_NAT, SERVICE_REFUSE);
	struct frame_spec spec = spec_of(0, IPPROTO_TCP, TCP_SYN, 0);
	struct burst b = { 0 };
	struct packet *p;

	f->backends[0].flags = BACKEND_UP;
	fixture_publish(f);
	p = run(f, &b, &spec);
	CU_ASSERT_EQUAL(p->verdict, VERDICT_CONTINUE);
	CU_ASSERT_EQUAL(p->backend, 0);
	fixture_free(&b);
	flow_fixture_destroy(f);
}

int
test_refuse_register(void)
{
	static const CU_TestInfo tests[] = {
		{ "RST", test_reset },
		{ "port unreachable", test_unreachable },
		{ "what is not answered", test_silent },
		{ "rate", test_rate },
		{ "up again", test_up_again },
		CU_TEST_INFO_NULL,
	};

	return suite_add("refuse", tests);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Stage parse: frames in, verdicts and fields out. */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "dp/l4/stages.h"
#include "fixture.h"
#include "frames.h"
#include "suites.h"

static void
test_tcp4(void)
{
	struct fixture *f = fixture_create();
	struct burst b = { 0 };
	uint8_t frame[FRAME_MAX];
	struct packet *p;
	uint16_t len;

	len = frame_build(frame, &(struct frame_spec){ .src = "198.51.100.7",
						       .dst = "192.0.2.10",
						       .proto = IPPROTO_TCP,
						       .sport = 1234,
						       .dport = 80,
						       .tcp_flags = TCP_SYN });
	p = fixture_receive(&b, frame, len);
	stage_parse(f->worker, &b);
	CU_ASSERT_EQUAL(p->verdict, VERDICT_CONTINUE);
	CU_ASSERT_EQUAL(p->flags, PACKET_V4);
	CU_ASSERT_EQUAL(p->l4, 34);
	CU_ASSERT_EQUAL(p->tuple.dport, htons(80));
	fixture_free(&b);
	CU_ASSERT_EQUAL(fixture_mbufs_in_use(), 0);
	fixture_destroy(f);
}

int
test_parse_register(void)
{
	static const CU_TestInfo tests[] = {
		{ "TCP over IPv4", test_tcp4 },
		CU_TEST_INFO_NULL,
	};

	return suite_add("parse", tests);
}

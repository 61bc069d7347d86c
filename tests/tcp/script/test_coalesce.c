/* SPDX-License-Identifier: Apache-2.0 */
/* Segments of one burst: which are taken as one, and which one by one. */
#include <CUnit/CUnit.h>

#include "dp/tcp/internal.h"
#include "tests/tcp/script/script.h"
#include "tests/tcp/script/suites.h"

#define PLAIN .options = { .no_timestamps = true }, .opening = OPEN_ACCEPT
#define TIMES .options = { 0 }, .opening = OPEN_ACCEPT

static const struct script_case cases[] = {
	{ .name = "what follows in order is one for the program, and acknowledged at once",
	  PLAIN,
	  .text = "& A seq 1 (300) ack 1 win 1000\n"
		  "& A seq 301 (1460) ack 1 win 1000\n"
		  "< A seq 1761 (300) ack 1 win 1000\n"
		  "= received 2060\n"
		  "> A seq 1 ack 2061\n"
		  "+100 .\n" },
	{ .name = "... with PSH in any of them",
	  PLAIN,
	  .text = "& PA seq 1 (300) ack 1 win 1000\n"
		  "& A seq 301 (300) ack 1 win 1000\n"
		  "< PA seq 601 (300) ack 1 win 1000\n"
		  "= received 900\n"
		  "> A seq 1 ack 901\n" },
	{ .name = "... over IPv6, with timestamps",
	  TIMES,
	  .ip6 = true,
	  .text = "& A seq 1 (300) ack 1 win 1000 ts 200 0\n"
		  "< A seq 301 (300) ack 1 win 1000 ts 200 0\n"
		  "= received 600\n"
		  "> A seq 1 ack 601\n" },
	{ .name = "one alone is acknowledged late, as ever",
	  PLAIN,
	  .text = "< A seq 1 (300) ack 1 win 1000\n"
		  "= received 300\n"
		  "+25 > A seq 1 ack 301\n" },
	{ .name = "another timestamp",
	  TIMES,
	  .text = "& A seq 1 (300) ack 1 win 1000 ts 200 0\n"
		  "< A seq 301 (300) ack 1 win 1000 ts 201 0\n"
		  "= received 300\n"
		  "= received 300\n"
		  "> A seq 1 ack 601\n" },
	{ .name = "another window",
	  PLAIN,
	  .text = "& A seq 1 (300) ack 1 win 1000\n"
		  "< A seq 301 (300) ack 1 win 1001\n"
		  "= received 300\n"
		  "= received 300\n"
		  "> A seq 1 ack 601\n" },
	{ .name = "another acknowledgement",
	  PLAIN,
	  .text = "! send 100\n"
		  "> A seq 1 (100) ack 1\n"
		  "& A seq 1 (300) ack 1 win 1000\n"
		  "< A seq 301 (300) ack 101 win 1000\n"
		  "= received 300\n"
		  "= received 300\n"
		  "> A seq 101 ack 601\n" },
	{ .name = "a mark of congestion (ECN)",
	  .options = { .no_timestamps = true },
	  .opening = OPEN_ACCEPT,
	  .text = "& A seq 1 (300) ack 1 win 1000\n"
		  "< A seq 301 (300) ack 1 win 1000 ecn 3\n"
		  "= received 300\n"
		  "= received 300\n"
		  "> A seq 1 ack 601\n" },
	{ .name = "urgent data",
	  PLAIN,
	  .text = "& A seq 1 (300) ack 1 win 1000\n"
		  "< AU seq 301 (300) ack 1 win 1000 urg 1\n"
		  "= received 300\n"
		  "= received 300\n"
		  "> A seq 1 ack 601\n" },
	{ .name = "the end of a stream",
	  PLAIN,
	  .text = "& A seq 1 (300) ack 1 win 1000\n"
		  "< FA seq 301 (300) ack 1 win 1000\n"
		  "= received 300\n"
		  "= received 300\n"
		  "= half_closed\n"
		  "> A seq 1 ack 602\n" },
	{ .name = "a reset behind data",
	  PLAIN,
	  .text = "& A seq 1 (300) ack 1 win 1000\n"
		  "< RA seq 301 ack 1 win 1000\n"
		  "= received 300\n"
		  "= reset\n" },
	{ .name = "no data: what probes is answered",
	  PLAIN,
	  .text = "& A seq 1 (300) ack 1 win 1000\n"
		  "& A seq 301 ack 1 win 1000\n"
		  "< A seq 300 ack 1 win 1000\n"
		  "= received 300\n"
		  "> A seq 1 ack 301\n" },
	{ .name = "no data behind data: no second segment",
	  PLAIN,
	  .text = "& A seq 1 (300) ack 1 win 1000\n"
		  "< A seq 301 ack 1 win 1000\n"
		  "= received 300\n"
		  "+25 > A seq 1 ack 301\n" },
	{ .name = "what says that it lies behind the end of a stream",
	  PLAIN,
	  .text = "& FA seq 1 (300) ack 1 win 1000\n"
		  "< A seq 301 (300) ack 1 win 1000\n"
		  "= received 300\n"
		  "= half_closed\n"
		  "> A seq 1 ack 302\n" },
	{ .name = "a gap: each says where it is",
	  PLAIN,
	  .text = "& A seq 601 (300) ack 1 win 1000\n"
		  "< A seq 901 (300) ack 1 win 1000\n"
		  "> A seq 1 ack 1 sack 601-1201\n"
		  "& A seq 1 (300) ack 1 win 1000\n"
		  "< A seq 301 (300) ack 1 win 1000\n"
		  "= received 300\n"
		  "= received 900\n"
		  "> A seq 1 ack 1201 no-sack\n" },
	{ .name = "small pieces, which are copied together later",
	  PLAIN,
	  .text = "& A seq 1 (255) ack 1 win 1000\n"
		  "& A seq 256 (300) ack 1 win 1000\n"
		  "< A seq 556 (255) ack 1 win 1000\n"
		  "= received 255\n"
		  "= received 300\n"
		  "= received 255\n"
		  "> A seq 1 ack 811\n" },
	{ .name = "an end that was seen before",
	  PLAIN,
	  .text = "< FA seq 301 ack 1 win 1000\n"
		  "> A seq 1 ack 1\n"
		  "& A seq 1 (300) ack 1 win 1000\n"
		  "< A seq 301 (300) ack 1 win 1000\n"
		  "= received 300\n"
		  "= half_closed\n"
		  "> A seq 1 ack 302\n" },
	{ .name = "the same twice, and half of it",
	  PLAIN,
	  .text = "& A seq 1 (300) ack 1 win 1000\n"
		  "& A seq 1 (300) ack 1 win 1000\n"
		  "< A seq 151 (300) ack 1 win 1000\n"
		  "= received 300\n"
		  "= received 150\n"
		  "> A seq 1 ack 451\n" },
	{ .name = "a damaged one ends it, and is not taken",
	  PLAIN,
	  .text = "& A seq 1 (300) ack 1 win 1000\n"
		  "& A seq 301 (300) ack 1 win 1000\n"
		  "& A seq 601 (300) ack 1 win 1000 damaged\n"
		  "< A seq 601 (300) ack 1 win 1000\n"
		  "= received 600\n"
		  "= received 300\n"
		  "> A seq 1 ack 901\n" },
	{ .name = "beyond the window: what fits is taken",
	  .options = { .no_timestamps = true, .receive_window = 4000 },
	  .opening = OPEN_ACCEPT,
	  .text = "& A seq 1 (1460) ack 1 win 1000\n"
		  "& A seq 1461 (1460) ack 1 win 1000\n"
		  "< A seq 2921 (1460) ack 1 win 1000\n"
		  "= received 4000\n"
		  "> A seq 1 ack 4001 win 0\n" },
};

/* Somebody else's packet with the right numbers. */
static void
test_others(void)
{
	static struct script s;
	static const struct tcp_block c;
	struct segment first;
	struct tuple other;
	unsigned int i;

	script_begin(&s, &(struct tcp_options){ .no_timestamps = true });
	script_accept(&s);
	play(&s, "& A seq 1 (300) ack 1 win 1000\n"
		 "& A seq 301 (300) ack 1 win 1000\n");
	CU_ASSERT_FATAL(segment_parse(s.tcp, &s.burst[0], &first));
	for (i = 0; i < 4; i++) {
		other = s.tuple;
		other.src.b[15] ^= i == 0;
		other.dst.b[15] ^= i == 1;
		other.sport ^= i == 2;
		other.dport ^= i == 3;
		s.burst[1].tuple = &other;
		CU_ASSERT_EQUAL(segments_join(s.tcp, &c, &first, &s.burst[1], 1), 0);
		CU_ASSERT_EQUAL(first.len, 300);
	}
	s.burst[1].tuple = &s.tuple;
	CU_ASSERT_EQUAL(segments_join(s.tcp, &c, &first, &s.burst[1], 1), 1);
	CU_ASSERT_EQUAL(first.len, 600);
	CU_ASSERT_EQUAL(first.mbuf->pkt_len, 600);
	CU_ASSERT_EQUAL(rte_mbuf_check(first.mbuf, 1, &(const char *){ NULL }), 0);
	segment_drop(&first);
	s.n_burst = 0;
	script_end(&s);
}

int
test_coalesce_register(void)
{
	static CU_TestInfo tests[] = {
		{ "not of another connection", test_others },
		CU_TEST_INFO_NULL,
	};
	static CU_SuiteInfo suites[] = { { "a connection's own", NULL, NULL, NULL, NULL, tests },
					 CU_SUITE_INFO_NULL };

	if (CU_register_suites(suites) != CUE_SUCCESS)
		return (int)CU_get_error();
	return script_suite("bursts", cases, sizeof(cases) / sizeof(cases[0]));
}

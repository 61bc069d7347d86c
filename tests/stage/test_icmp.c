/* SPDX-License-Identifier: Apache-2.0 */
/* ICMP messages of our own: too big, time exceeded, echo replies, and their rate. */
#include "dp/l4/stages.h"
#include "suites.h"
#include "vector.h"

static void
test_too_big(void)
{
	vectors_run("too_big");
}

static void
test_hops(void)
{
	vectors_run("hops");
}

static void
test_echo(void)
{
	vectors_run("echo");
}

/* How many of n packets are answered. */
static unsigned int
answered(struct fixture *f, const struct vector *v, unsigned int n,
	 void (*stage)(struct worker *w, struct burst *b))
{
	unsigned int count = 0, i;
	struct burst b = { 0 };

	for (i = 0; i < n; i++) {
		struct packet *p = vector_receive(f, v, &b);

		stage(f->worker, &b);
		if (p->verdict == VERDICT_TRANSMIT)
			count++;
		else
			CU_ASSERT_EQUAL(p->reason, DROP_ICMP_RATE);
		fixture_free(&b);
	}
	return count;
}

/* Each kind has a thousand a second, a hundred at once: one that is used up leaves the others
 * alone.
 */
static void
test_rate(void)
{
	const struct vector *echo = vector_find("echo", "IPv4, 33 bytes");
	const struct vector *hops = vector_find("hops", "NAT, tcp over IPv4");
	const struct vector *big = vector_find("too_big", "NAT, IPv4");
	struct fixture *f = vector_fixture(echo);

	f->nexthops[0].mtu = big->mtu;
	CU_ASSERT_EQUAL(answered(f, echo, 160, stage_echo), 100);
	CU_ASSERT_EQUAL(answered(f, hops, 160, stage_rewrite), 100);
	CU_ASSERT_EQUAL(answered(f, big, 160, stage_rewrite), 100);
	CU_ASSERT_EQUAL(answered(f, echo, 5, stage_echo), 0);
	f->worker->now += 10000000;
	CU_ASSERT_EQUAL(answered(f, echo, 20, stage_echo), 10);
	CU_ASSERT_EQUAL(answered(f, big, 20, stage_rewrite), 10);
	f->worker->now += 1000000000;
	CU_ASSERT_EQUAL(answered(f, hops, 200, stage_rewrite), 100);
	vector_fixture_free(f);
	CU_ASSERT_EQUAL(fixture_mbufs_in_use(), 0);
}

int
test_icmp_register(void)
{
	static const CU_TestInfo tests[] = {
		{ "too big", test_too_big }, { "time exceeded", test_hops },
		{ "echo", test_echo },       { "rate", test_rate },
		CU_TEST_INFO_NULL,
	};

	return suite_add("icmp", tests);
}

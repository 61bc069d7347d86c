/* SPDX-License-Identifier: Apache-2.0 */
/* Stage steer: which worker owns the client? Hashes are those of Microsoft's verification suite. */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "dp/l4/stages.h"
#include "fixture.h"
#include "suites.h"

/* Toeplitz of 66.9.149.187 alone, with Microsoft's key. */
#define CLIENT      "66.9.149.187"
#define CLIENT_HASH 0x0e48b9deu
#define WORKERS     4
#define VIP         "192.0.2.10"
#define BY_PORT     "10.0.0.254"
#define BY_ADDRESS  "10.0.0.253"

static struct fixture *
make_fixture(void)
{
	struct fixture *f = fixture_create();
	uint32_t service = fixture_service(f, VIP, IPPROTO_TCP, 80, MODE_FULL_NAT);

	fixture_backend(f, service, "10.0.0.1", 8080);
	fixture_source(f, BY_PORT, SOURCE_BY_PORT);
	fixture_source(f, BY_ADDRESS, 3);
	fixture_publish(f);
	fixture_workers(f, WORKERS);
	return f;
}

/* A packet as classify leaves it. */
static struct packet *
add(struct burst *b, enum direction direction, const char *src, const char *dst)
{
	struct packet *p = fixture_receive(b, "", 0);

	*p = (struct packet){ .mbuf = p->mbuf, .direction = (uint8_t)direction };
	p->tuple.src = fixture_addr(src);
	p->tuple.dst = fixture_addr(dst);
	p->tuple.dport = htons(40001);
	return p;
}

static void
test_client(void)
{
	struct fixture *f = make_fixture();
	struct burst b = { 0 };
	struct packet *forward = add(&b, DIR_FORWARD, CLIENT, VIP);
	struct packet *reply = add(&b, DIR_REPLY, "10.0.0.1", CLIENT);
	struct packet *host = add(&b, DIR_NONE, CLIENT, VIP);

	host->verdict = VERDICT_HOST;
	/* 0x0e48b9de % 512 = 0x1de = 478; 478 % 4 = 2 */
	stage_steer(f->worker, &b);
	CU_ASSERT_EQUAL(CLIENT_HASH % OWNER_TABLE_SIZE % WORKERS, 2);
	CU_ASSERT_EQUAL(forward->verdict, VERDICT_STEER);
	CU_ASSERT_EQUAL(forward->owner, 2);
	CU_ASSERT_EQUAL(reply->verdict, VERDICT_STEER);
	CU_ASSERT_EQUAL(reply->owner, 2);
	CU_ASSERT_EQUAL(host->verdict, VERDICT_HOST);
	/* On its own worker it stays. */
	f->worker->index = 2;
	forward->verdict = reply->verdict = VERDICT_CONTINUE;
	stage_steer(f->worker, &b);
	CU_ASSERT_EQUAL(forward->verdict, VERDICT_CONTINUE);
	CU_ASSERT_EQUAL(forward->owner, 2);
	CU_ASSERT_EQUAL(reply->verdict, VERDICT_CONTINUE);
	/* Alone there is nobody to give it to. */
	fixture_workers(f, 1);
	f->worker->index = 0;
	stage_steer(f->worker, &b);
	CU_ASSERT_EQUAL(forward->verdict, VERDICT_CONTINUE);
	CU_ASSERT_EQUAL(forward->owner, 0);
	fixture_free(&b);
	fixture_destroy(f);
}

/* An IPv6 client is a /64. */
static void
test_client6(void)
{
	struct fixture *f = make_fixture();
	struct burst b = { 0 };
	struct packet *a = add(&b, DIR_FORWARD, "2001:db8:1::7", "2001:db8::10");
	struct packet *c = add(&b, DIR_FORWARD, "2001:db8:1::dead:beef", "2001:db8::10");
	struct addr net = fixture_addr("2001:db8:1::");
	uint16_t owner = (uint16_t)(toeplitz_hash(&f->toeplitz, net.b, 16) % 512 % WORKERS);

	stage_steer(f->worker, &b);
	CU_ASSERT_EQUAL(a->owner, owner);
	CU_ASSERT_EQUAL(c->owner, owner);
	fixture_free(&b);
	fixture_destroy(f);
}

static void
test_full_nat(void)
{
	struct fixture *f = make_fixture();
	struct burst b = { 0 };
	struct packet *by_port = add(&b, DIR_REPLY, "10.0.0.1", BY_PORT);
	struct packet *by_address = add(&b, DIR_REPLY, "10.0.0.1", BY_ADDRESS);
	struct packet *fragment = add(&b, DIR_REPLY, "10.0.0.1", BY_PORT);
	struct packet *resolved = add(&b, DIR_REPLY, "10.0.0.1", BY_PORT);
	struct packet *fragment3 = add(&b, DIR_REPLY, "10.0.0.1", BY_ADDRESS);
	struct addr backend = fixture_addr("10.0.0.1");
	uint16_t home = (uint16_t)(toeplitz_hash(&f->toeplitz, backend.b + 12, 4) % 512 % WORKERS);

	fragment->flags = fragment3->flags = resolved->flags = PACKET_FRAGMENT;
	resolved->frag_resolved = 1;
	stage_steer(f->worker, &b);
	CU_ASSERT_EQUAL(by_port->owner, 40001 % WORKERS);
	CU_ASSERT_EQUAL(by_address->owner, 3);
	CU_ASSERT_EQUAL(fragment->owner, home);
	CU_ASSERT_EQUAL(fragment3->owner, home);
	CU_ASSERT_EQUAL(resolved->owner, 40001 % WORKERS);
	fixture_free(&b);
	fixture_destroy(f);
}

/* One forward packet with a device's hash; the owner that steer finds. */
static uint16_t
steer_hashed(struct fixture *f, uint32_t hash, uint16_t flags)
{
	struct burst b = { 0 };
	struct packet *p = add(&b, DIR_FORWARD, CLIENT, VIP);
	uint16_t owner;

	p->flags = flags;
	p->mbuf->hash.rss = hash;
	p->mbuf->ol_flags = RTE_MBUF_F_RX_RSS_HASH;
	stage_steer(f->worker, &b);
	owner = p->owner;
	fixture_free(&b);
	return owner;
}

static void
test_proof(void)
{
	struct fixture *f = make_fixture();
	struct port_stats *stats = &f->worker->stats.ports[0];
	unsigned int i;

	/* Not claimed by the driver: not even looked at. */
	CU_ASSERT_EQUAL(steer_hashed(f, 1, 0), 2);
	CU_ASSERT_EQUAL(stats->hash_checked, 0);
	f->dataplane.ports[0].rss_source = true;
	for (i = 0; i < HASH_PROVEN; i++)
		CU_ASSERT_EQUAL(steer_hashed(f, CLIENT_HASH, 0), 2);
	CU_ASSERT_EQUAL(stats->hash_checked, HASH_PROVEN);
	CU_ASSERT_EQUAL(stats->hash_wrong, 0);
	/* Believed now. Not about errors, whose addresses on the wire are others, */
	CU_ASSERT_EQUAL(steer_hashed(f, 1, 0), 1);
	CU_ASSERT_EQUAL(steer_hashed(f, 1, PACKET_ICMP_ERROR), 2);
	/* nor where a client is a prefix. */
	f->snapshot.owner_prefix4 = 120;
	steer_hashed(f, 1, 0);
	CU_ASSERT_EQUAL(stats->hash_checked, HASH_PROVEN);
	fixture_destroy(f);
}

/* Towards backends the destination is the client; a port may do the one and not the other. */
static void
test_proof_of_replies(void)
{
	struct fixture *f = make_fixture();
	struct burst b = { 0 };
	struct packet *p = add(&b, DIR_REPLY, "10.0.0.1", CLIENT);

	p->mbuf->hash.rss = CLIENT_HASH;
	p->mbuf->ol_flags = RTE_MBUF_F_RX_RSS_HASH;
	f->dataplane.ports[0].rss_source = true;
	stage_steer(f->worker, &b);
	CU_ASSERT_EQUAL(f->worker->hash_proof[0], 0);
	f->dataplane.ports[0].rss_destination = true;
	p->verdict = VERDICT_CONTINUE;
	stage_steer(f->worker, &b);
	CU_ASSERT_EQUAL(f->worker->hash_proof[0], 1);
	CU_ASSERT_EQUAL(p->owner, 2);
	fixture_free(&b);
	fixture_destroy(f);
}

static void
test_disproof(void)
{
	struct fixture *f = make_fixture();
	struct port_stats *stats = &f->worker->stats.ports[0];
	unsigned int i;

	f->dataplane.ports[0].rss_source = true;
	for (i = 0; i < HASH_PROVEN - 1; i++)
		steer_hashed(f, CLIENT_HASH, 0);
	/* The last but one disagrees: never again. */
	CU_ASSERT_EQUAL(steer_hashed(f, 1, 0), 2);
	CU_ASSERT_EQUAL(stats->hash_wrong, 1);
	for (i = 0; i < 2 * HASH_PROVEN; i++)
		CU_ASSERT_EQUAL(steer_hashed(f, CLIENT_HASH, 0), 2);
	CU_ASSERT_EQUAL(steer_hashed(f, 1, 0), 2);
	CU_ASSERT_EQUAL(f->worker->hash_proof[0], HASH_WRONG);
	fixture_destroy(f);
}

int
test_steer_register(void)
{
	static const CU_TestInfo tests[] = {
		{ "by client", test_client },
		{ "by client network, IPv6", test_client6 },
		{ "full-nat answers", test_full_nat },
		{ "the device's hash is proven first", test_proof },
		{ "... for replies too", test_proof_of_replies },
		{ "a wrong hash is never believed", test_disproof },
		CU_TEST_INFO_NULL,
	};

	return suite_add("steer", tests);
}

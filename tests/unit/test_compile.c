/* SPDX-License-Identifier: Apache-2.0 */
/* Compiling snapshots: identities, pools that move and settle, destinations, next hops, sources.
 * Configurations come as text, as a user writes them; the network as arrays. */
#include <CUnit/CUnit.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cp/compile/compile.h"
#include "cp/compile/identity.h"
#include "tests/unit/compile_world.h"
#include "tests/unit/suites.h"

#define SERVICE(name, addr, port, pool)                               \
	"{ name = \"" name "\"; address = \"" addr "\"; port = " port \
	"; protocol = \"tcp\"; forward = \"nat\"; pool = \"" pool "\"; }"
#define BACKEND(addr)        "{ address = \"" addr "\"; port = 8080; }"
#define POOL(name, backends) "{ name = \"" name "\"; backends = ( " backends " ); }"
#define ONE_SERVICE(backends)                                                                   \
	"pools = ( " POOL("p", backends) " ); services = ( " SERVICE("s", "203.0.113.10", "80", \
								     "p") " );"

static void
test_identity(void)
{
	struct identity *t = identity_create(3);
	uint32_t epoch_a, epoch_b, epoch, a, b;

	a = identity_get(t, "a", 1, &epoch_a);
	b = identity_get(t, "b", 1, &epoch_b);
	CU_ASSERT_NOT_EQUAL(a, b);
	CU_ASSERT_NOT_EQUAL(epoch_a, 0);
	identity_sweep(t);
	/* b is not asked for any more; a stays what it was */
	CU_ASSERT_EQUAL(identity_get(t, "a", 1, &epoch), a);
	CU_ASSERT_EQUAL(epoch, epoch_a);
	identity_sweep(t);
	CU_ASSERT_EQUAL(identity_get(t, "a", 1, &epoch), a);
	/* b comes back as somebody new */
	CU_ASSERT_EQUAL(identity_get(t, "b", 1, &epoch), b);
	CU_ASSERT_NOT_EQUAL(epoch, epoch_b);
	CU_ASSERT_NOT_EQUAL(identity_get(t, "c", 1, &epoch), UINT32_MAX);
	CU_ASSERT_EQUAL(identity_get(t, "d", 1, &epoch), UINT32_MAX);
	CU_ASSERT_EQUAL(identity_limit(t), 3);
	CU_ASSERT_EQUAL(identity_get(t, "", 0, &epoch), UINT32_MAX);
	identity_destroy(t);
}

static void
test_identity_many(void)
{
	struct identity *t = identity_create(10000);
	uint32_t slots[1000], epochs[1000], epoch;
	char key[16];
	int round, i;

	for (round = 0; round < 20; round++) {
		for (i = 0; i < 1000; i++) {
			uint32_t slot;

			if (i % 20 == round)
				continue; /* left out this time: freed */
			snprintf(key, sizeof(key), "key-%d", i);
			slot = identity_get(t, key, strlen(key), &epoch);
			CU_ASSERT_NOT_EQUAL_FATAL(slot, UINT32_MAX);
			if (round > 0 && i % 20 != round - 1) {
				CU_ASSERT_EQUAL(slot, slots[i]);
				CU_ASSERT_EQUAL(epoch, epochs[i]);
			} else if (round > 0) {
				CU_ASSERT_NOT_EQUAL(epoch, epochs[i]);
			}
			slots[i] = slot;
			epochs[i] = epoch;
		}
		identity_sweep(t);
	}
	CU_ASSERT(identity_limit(t) <= 1100);
	identity_destroy(t);
}

static void
test_slots(void)
{
	struct world w;
	const struct snapshot *s;
	uint32_t a, b, backend, epoch_a, epoch_backend;

	world_init(&w, 1);
	s = apply(
	    &w,
	    "pools = ( " POOL(
		"p",
		BACKEND("10.2.0.11") ", " BACKEND(
		    "10.2.0.12")) " ); services = ( " SERVICE("a", "203.0.113.1", "80",
							      "p") ", " SERVICE("b", "203.0.113.2",
										"80", "p") " );");
	a = compiler_service_slot(w.compiler, 0);
	b = compiler_service_slot(w.compiler, 1);
	backend = compiler_backend_slot(w.compiler, 0, 1);
	epoch_a = s->services[a].epoch;
	epoch_backend = s->backends[backend].epoch;
	/* another order, another address: the same slots */
	s = apply(
	    &w,
	    "pools = ( " POOL(
		"p",
		BACKEND("10.2.0.12") ", " BACKEND(
		    "10.2.0.11")) " ); services = ( " SERVICE("b", "203.0.113.2", "80",
							      "p") ", " SERVICE("a", "203.0.113.9",
										"81", "p") " );");
	CU_ASSERT_EQUAL(compiler_service_slot(w.compiler, 0), b);
	CU_ASSERT_EQUAL(compiler_service_slot(w.compiler, 1), a);
	CU_ASSERT_EQUAL(compiler_backend_slot(w.compiler, 0, 0), backend);
	CU_ASSERT_EQUAL(s->services[a].epoch, epoch_a);
	CU_ASSERT_EQUAL(s->backends[backend].epoch, epoch_backend);
	CU_ASSERT_EQUAL(s->services[a].port, htons(81));
	/* gone, and back as somebody else */
	s = apply(&w, ONE_SERVICE(BACKEND("10.2.0.11")));
	CU_ASSERT_EQUAL(s->services[a].epoch, 0);
	CU_ASSERT_EQUAL(s->backends[backend].epoch, 0);
	s = apply(&w, "pools = ( " POOL("p", BACKEND("10.2.0.12")) " ); services = ( " SERVICE(
			  "a", "203.0.113.1", "80", "p") " );");
	a = compiler_service_slot(w.compiler, 0);
	backend = compiler_backend_slot(w.compiler, 0, 0);
	CU_ASSERT_NOT_EQUAL(s->services[a].epoch, epoch_a);
	CU_ASSERT_NOT_EQUAL(s->backends[backend].epoch, epoch_backend);
	world_free(&w);
}

/* Rows of a pool on which the tables say different things, and rows that are marked as moving. */
static void
count_rows(const struct pool *p, uint32_t *differ, uint32_t *moving)
{
	uint32_t row;

	*differ = *moving = 0;
	for (row = 0; row < p->rows; row++) {
		*differ += p->candidate[row] != p->settled[row];
		*moving += p->moving && (p->moving[row >> 6] >> (row & 63) & 1);
	}
}

static void
test_moving(void)
{
	struct world w;
	const struct snapshot *s;
	uint32_t differ, moving, first;
	uint16_t gone;

	world_init(&w, 1);
	s = apply(&w, ONE_SERVICE(BACKEND("10.2.0.11") ", " BACKEND("10.2.0.12")));
	CU_ASSERT_PTR_NULL(s->pools[0].moving);
	CU_ASSERT_PTR_EQUAL(s->pools[0].candidate, s->pools[0].settled);
	CU_ASSERT_EQUAL(compiler_next_settle(w.compiler), UINT64_MAX);

	/* a third one comes: about a third of the rows move, and only these */
	w.in.now += SECOND;
	s = apply(&w, ONE_SERVICE(BACKEND("10.2.0.11") ", " BACKEND("10.2.0.12") ", " BACKEND(
			  "10.2.0.13")));
	count_rows(&s->pools[0], &differ, &moving);
	CU_ASSERT_EQUAL(differ, moving);
	CU_ASSERT(moving > 65537 * 32 / 100 && moving < 65537 * 36 / 100);
	CU_ASSERT_EQUAL(s->pools[0].changed_at, w.in.now);
	CU_ASSERT_EQUAL(compiler_next_settle(w.compiler), w.in.now + 900 * SECOND);

	/* it goes again: nothing differs, but the rows have moved and still need memory */
	first = moving;
	w.in.now += SECOND;
	s = apply(&w, ONE_SERVICE(BACKEND("10.2.0.11") ", " BACKEND("10.2.0.12")));
	count_rows(&s->pools[0], &differ, &moving);
	CU_ASSERT_EQUAL(differ, 0);
	CU_ASSERT_EQUAL(moving, first);

	/* one of the first two goes: settled still names its slot, which leads nowhere */
	w.in.now += SECOND;
	s = apply(&w, ONE_SERVICE(BACKEND("10.2.0.12")));
	count_rows(&s->pools[0], &differ, &moving);
	CU_ASSERT(differ > 65537 * 48 / 100 && differ < 65537 * 52 / 100);
	CU_ASSERT(moving >= differ);
	for (gone = 0; gone < s->pools[0].n_members && s->pools[0].members[gone] != UINT32_MAX;
	     gone++)
		;
	CU_ASSERT(gone < s->pools[0].n_members);

	/* not before its time, but then it settles */
	w.in.now = compiler_next_settle(w.compiler) - 1;
	s = recompile(&w);
	CU_ASSERT_PTR_NOT_NULL(s->pools[0].moving);
	w.in.now++;
	s = recompile(&w);
	CU_ASSERT_PTR_NULL(s->pools[0].moving);
	CU_ASSERT_PTR_EQUAL(s->pools[0].candidate, s->pools[0].settled);
	CU_ASSERT_EQUAL(compiler_next_settle(w.compiler), UINT64_MAX);
	world_free(&w);
}

/* A backend of weight 0 has no row: as such backends come and go nothing moves, and slots are free
 * again. */
static void
test_member_without_rows(void)
{
	struct world w;
	const struct snapshot *s;
	char text[512];
	int i;

	world_init(&w, 1);
	for (i = 0; i < 20; i++) {
		snprintf(
		    text, sizeof(text),
		    ONE_SERVICE(BACKEND(
			"10.2.0.11") ", { address = \"10.2.0.%d\"; port = 8080; weight = 0; }"),
		    20 + i);
		s = apply(&w, text);
		CU_ASSERT_PTR_NULL(s->pools[0].moving);
		CU_ASSERT(s->pools[0].n_members <= 3);
	}
	world_free(&w);
}

static void
test_same_pool_shares(void)
{
	struct world w;
	const uint16_t *table;

	world_init(&w, 1);
	table = apply(&w, ONE_SERVICE(BACKEND("10.2.0.11")))->pools[0].candidate;
	CU_ASSERT_PTR_EQUAL(apply(&w, ONE_SERVICE(BACKEND("10.2.0.11")))->pools[0].candidate,
			    table);
	CU_ASSERT_PTR_EQUAL(recompile(&w)->pools[0].candidate, table);
	world_free(&w);
}

/* 590 and then 610 backends: the larger table, and all rows move until they settle. */
static void
test_larger_table(void)
{
	struct world w;
	const struct snapshot *s;
	char *text = malloc(100000), *end;
	int n[] = { 590, 610 }, round, i;

	world_init(&w, 1);
	for (round = 0; round < 2; round++) {
		end = text + sprintf(text, "pools = ( { name = \"p\"; backends = ( ");
		for (i = 0; i < n[round]; i++)
			end += sprintf(end, "%s{ address = \"10.9.%d.%d\"; port = 80; }",
				       i ? ", " : "", i / 200, 1 + i % 200);
		sprintf(end,
			" ); } ); services = ( " SERVICE("s", "203.0.113.10", "80", "p") " );");
		s = apply(&w, text);
	}
	CU_ASSERT_EQUAL(s->pools[0].rows, 655373);
	CU_ASSERT_EQUAL(s->pools[0].settled_rows, 65537);
	CU_ASSERT_TRUE(pool_moving(&s->pools[0], 12345));
	w.in.now = compiler_next_settle(w.compiler);
	s = recompile(&w);
	CU_ASSERT_EQUAL(s->pools[0].settled_rows, 655373);
	CU_ASSERT_FALSE(pool_moving(&s->pools[0], 12345));
	free(text);
	world_free(&w);
}

static uint32_t
service_at(const struct snapshot *s, const char *addr, uint16_t port)
{
	struct addr a = A(addr);
	uint32_t d = lpm_lookup(s->destination_lpm, &a);

	for (; d < s->n_destinations; d = s->destinations[d].parent) {
		const struct destination *dest = &s->destinations[d];
		const struct destination_port *table = s->destination_ports + dest->ports_first;
		uint32_t i = destination_port_hash(IPPROTO_TCP, htons(port)) & dest->ports_mask;

		for (; table[i].protocol; i = (i + 1) & dest->ports_mask)
			if (table[i].protocol == IPPROTO_TCP && table[i].port == htons(port))
				return table[i].service;
		if (dest->all_tcp != UINT32_MAX)
			return dest->all_tcp;
	}
	return UINT32_MAX;
}

static void
test_destinations(void)
{
	struct world w;
	const struct snapshot *s;
	uint32_t d;
	struct addr a;

	world_init(&w, 1);
	s = apply(
	    &w, "pools = ( " POOL(
		    "p", BACKEND("10.2.0.11")) ", { name = \"q\"; backends = ( { address = "
					       "\"10.2.0.12\"; port = 0; } ); } ); services = "
					       "( " SERVICE(
						   "one", "203.0.113.10", "80",
						   "p") ", " SERVICE("other", "203.0.113.10", "443",
								     "p") ", "
									  "{ name = \"net\"; "
									  "address = "
									  "\"203.0.113.0/24\"; "
									  "port = 81; protocol "
									  "= \"tcp\"; forward "
									  "= \"dsr-ipip\"; "
									  "pool = \"q\"; }, "
									  "{ name = \"all\"; "
									  "address = "
									  "\"203.0.0.0/16\"; "
									  "port = 0; protocol "
									  "= \"tcp\"; forward "
									  "= \"dsr-ipip\"; "
									  "pool = \"q\"; } );");
	CU_ASSERT_EQUAL(service_at(s, "203.0.113.10", 80), compiler_service_slot(w.compiler, 0));
	CU_ASSERT_EQUAL(service_at(s, "203.0.113.10", 443), compiler_service_slot(w.compiler, 1));
	/* what the inner prefix has no service for is asked of the outer ones */
	CU_ASSERT_EQUAL(service_at(s, "203.0.113.10", 81), compiler_service_slot(w.compiler, 2));
	CU_ASSERT_EQUAL(service_at(s, "203.0.113.10", 82), compiler_service_slot(w.compiler, 3));
	CU_ASSERT_EQUAL(service_at(s, "203.0.113.11", 80), compiler_service_slot(w.compiler, 3));
	CU_ASSERT_EQUAL(service_at(s, "203.0.1.1", 1), compiler_service_slot(w.compiler, 3));
	CU_ASSERT_EQUAL(service_at(s, "203.1.1.1", 1), UINT32_MAX);
	/* addresses of ours */
	a = A("198.51.100.2");
	d = lpm_lookup(s->destination_lpm, &a);
	CU_ASSERT_EQUAL_FATAL(s->destinations[d].flags, DESTINATION_OWN | DESTINATION_LOCAL);
	a = A("10.2.0.65");
	d = lpm_lookup(s->destination_lpm, &a);
	CU_ASSERT_EQUAL_FATAL(s->destinations[d].flags, DESTINATION_LOCAL);
	CU_ASSERT(addr_equal(&s->sources[s->destinations[d].source].addr, &a));
	a = A("10.2.0.11");
	CU_ASSERT_NOT_EQUAL(lpm_lookup(s->nat_backends, &a), LPM_NONE);
	a = A("10.2.0.12"); /* of a DSR service only */
	CU_ASSERT_EQUAL(lpm_lookup(s->nat_backends, &a), LPM_NONE);
	world_free(&w);
}

static const struct nexthop *
nexthop_of(const struct snapshot *s, const char *addr)
{
	struct addr a = A(addr);
	uint32_t i = lpm_lookup(s->routes, &a);

	return i == LPM_NONE ? NULL : &s->nexthops[i];
}

static void
test_nexthops(void)
{
	static const uint8_t ready[12] = { 2, 0, 0, 0, 2, 11, 2, 0, 0, 0, 0, 2 };
	const struct network_target *targets;
	struct world w;
	const struct snapshot *s;
	const struct backend *b;
	size_t n;

	world_init(&w, 1);
	s = apply(&w, ONE_SERVICE(BACKEND("10.2.0.11") ", " BACKEND("10.2.0.12")));
	b = &s->backends[compiler_backend_slot(w.compiler, 0, 0)];
	CU_ASSERT_EQUAL(s->nexthops[b->nexthop].state, NEXTHOP_READY);
	CU_ASSERT_EQUAL(memcmp(s->nexthops[b->nexthop].header, ready, 12), 0);
	b = &s->backends[compiler_backend_slot(w.compiler, 0, 1)];
	CU_ASSERT_EQUAL(s->nexthops[b->nexthop].state, NEXTHOP_UNRESOLVED);
	CU_ASSERT(addr_equal(&s->nexthops[b->nexthop].addr, &b->addr));
	/* a client far away goes by the gateway, one on the link has to be resolved */
	CU_ASSERT_EQUAL(nexthop_of(s, "192.0.2.1")->state, NEXTHOP_READY);
	CU_ASSERT_EQUAL(nexthop_of(s, "192.0.2.1")->port, 0);
	CU_ASSERT_EQUAL(nexthop_of(s, "198.51.100.77")->state, NEXTHOP_CONNECTED);
	CU_ASSERT_PTR_NULL(nexthop_of(s, "2001:db8:9::1"));
	targets = compiler_targets(w.compiler, &n);
	CU_ASSERT(n >= 2);
	CU_ASSERT_PTR_NOT_NULL(targets);

	/* of two routes the lower metric wins, whatever their order */
	w.routes[4] = (struct network_route){
		.to = P("192.0.2.0/24"), .via = A("10.2.0.11"), .port = 1, .metric = 10
	};
	w.routes[5] = (struct network_route){
		.to = P("192.0.2.0/24"), .via = A("198.51.100.1"), .port = 0, .metric = 20
	};
	w.in.n_routes = 6;
	CU_ASSERT_EQUAL(nexthop_of(recompile(&w), "192.0.2.1")->port, 1);
	w.routes[4].metric = 30;
	CU_ASSERT_EQUAL(nexthop_of(recompile(&w), "192.0.2.1")->port, 0);

	/* a neighbour on a VLAN of the interface gets a tag */
	w.neighbours[2] = (struct network_neighbour){ .addr = A("10.5.0.1"),
						      .mac = { { 2, 0, 0, 0, 5, 1 } },
						      .port = 1,
						      .vlan = 100,
						      .usable = true };
	w.routes[6] = (struct network_route){ .to = P("10.5.0.0/24"), .port = 1, .vlan = 100 };
	w.in.n_neighbours = 3;
	w.in.n_routes = 7;
	s = recompile(&w);
	CU_ASSERT_EQUAL(nexthop_of(s, "10.5.0.1")->header_len, 16);
	CU_ASSERT_EQUAL(memcmp(nexthop_of(s, "10.5.0.1")->header + 12, "\x81\x00\x00\x64", 4), 0);
	/* a neighbour that does not answer is as good as none */
	w.neighbours[2].usable = false;
	CU_ASSERT_EQUAL(nexthop_of(recompile(&w), "10.5.0.1")->state, NEXTHOP_CONNECTED);
	world_free(&w);
}

static void
test_sources(void)
{
	struct world w;
	const struct snapshot *s;
	const struct backend *b;
	uint16_t i;

	world_init(&w, 4);
	s = apply(&w, ONE_SERVICE(BACKEND("10.2.0.11")));
	b = &s->backends[compiler_backend_slot(w.compiler, 0, 0)];
	CU_ASSERT_EQUAL(b->sources_count, 64);
	for (i = 0; i < b->sources_count; i++) {
		const struct source *source = &s->sources[b->sources_first + i];

		/* each address belongs to the worker to which its own hash leads */
		CU_ASSERT(source->worker < 4);
		CU_ASSERT_EQUAL(
		    source->worker,
		    s->owners[toeplitz_addr(s->toeplitz, &source->addr) % OWNER_TABLE_SIZE]);
	}
	world_free(&w);

	/* more workers than addresses: shared, ports decide */
	world_init(&w, 60);
	s = apply(&w, ONE_SERVICE(BACKEND("10.2.0.11")));
	b = &s->backends[compiler_backend_slot(w.compiler, 0, 0)];
	CU_ASSERT_EQUAL(s->sources[b->sources_first].worker, SOURCE_BY_PORT);
	world_free(&w);
}

int
test_compile_register(void)
{
	CU_TestInfo tests[] = {
		{ "identities keep their slot, get a new epoch when they return", test_identity },
		{ "a thousand identities that come and go", test_identity_many },
		{ "services and backends keep their slots", test_slots },
		{ "a pool's rows move and settle", test_moving },
		{ "backends without rows come and go", test_member_without_rows },
		{ "an unchanged pool shares its table", test_same_pool_shares },
		{ "a pool that grows past the smaller table", test_larger_table },
		{ "destinations, nested prefixes, addresses of ours", test_destinations },
		{ "next hops: neighbours, gateways, metrics, VLANs", test_nexthops },
		{ "source addresses and the workers that own them", test_sources },
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = { { "compile", NULL, NULL, NULL, NULL, tests },
				  CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}

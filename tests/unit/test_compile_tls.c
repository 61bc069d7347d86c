/* SPDX-License-Identifier: Apache-2.0 */
/* Compiling listeners that pass TLS on: which pool a name leads to, across snapshots. */
#include <CUnit/CUnit.h>
#include <string.h>

#include "dp/proxy/server_names.h"
#include "tests/unit/compile_world.h"
#include "tests/unit/suites.h"

#define POOL(name, host) \
	"{ name = \"" name "\"; backends = ( { address = \"" host "\"; port = 443; } ); }"
#define SHOP        POOL("shop", "10.2.0.11")
#define WIKI        POOL("wiki", "10.2.0.12")
#define REST        POOL("rest", "10.2.0.13")
#define POOLS(list) "pools = ( " list " );\n"
#define LISTENER(rest)                                                                        \
	"listeners = ( { name = \"tls\"; address = \"203.0.113.20\"; port = 443; protocol = " \
	"\"tls-passthrough\"; " rest " } );\n"
#define LONG_NAME "a23456789-123456789-123456789-123456789-123456789-123456789-123.example.org"

static const struct proxy_settings *
settings_of(const struct world *w)
{
	return &w->snapshot->proxies[compiler_service_slot(w->compiler, 0)];
}

/* Does the name lead to the pool at this index of the snapshot? SIZE_MAX: to none. */
static bool
leads_to(const struct world *w, const char *name, size_t index)
{
	const struct server_names *names = settings_of(w)->names;
	struct server_pool pool;

	CU_ASSERT_PTR_NOT_NULL_FATAL(names);
	pool = server_names_find(names, name, strlen(name));
	if (index == SIZE_MAX)
		return pool.slot == UINT32_MAX;
	return snapshot_pool(w->snapshot, pool.slot, pool.epoch) == &w->snapshot->pools[index];
}

static void
test_names(void)
{
	struct world w;

	world_init(&w, 1);
	apply(&w, POOLS(SHOP ", " WIKI ", " REST)
		      LISTENER("pool = \"rest\"; timeouts = { header = \"2s\"; idle = \"3s\"; }; "
			       "server_names = ( { names = [ \"Shop.example\", \"*.shop.example\" "
			       "]; pool = \"shop\"; }, "
			       "{ names = [ \"*.b.shop.example\", \"c.shop.example\", \"" LONG_NAME
			       "\" ]; pool = \"wiki\"; } );"));
	CU_ASSERT_PTR_NULL(settings_of(&w)->http);
	CU_ASSERT_EQUAL(settings_of(&w)->timeout_hello, 2 * SECOND);
	CU_ASSERT_EQUAL(settings_of(&w)->timeout_idle, 3 * SECOND);
	CU_ASSERT(leads_to(&w, "shop.example", 0));
	CU_ASSERT(leads_to(&w, "a.shop.example", 0));
	CU_ASSERT(leads_to(&w, "a.c.shop.example", 0));
	CU_ASSERT(leads_to(&w, "b.shop.example", 0));
	CU_ASSERT(leads_to(&w, "a.b.shop.example", 1));
	CU_ASSERT(leads_to(&w, "x.a.b.shop.example", 1));
	CU_ASSERT(leads_to(&w, "c.shop.example", 1));
	CU_ASSERT(leads_to(&w, LONG_NAME, 1));
	CU_ASSERT(leads_to(&w, "x" LONG_NAME, 2));
	CU_ASSERT(leads_to(&w, "ashop.example", 2));
	CU_ASSERT(leads_to(&w, "example", 2));
	CU_ASSERT(leads_to(&w, "", 2));
	world_free(&w);
}

/* Without a pool of its own; pools are the same ones wherever they stand, and others if they were
 * away meanwhile. */
static void
test_changes(void)
{
	struct server_pool before, after;
	uint32_t service;
	struct world w;

	world_init(&w, 1);
	apply(&w, POOLS(SHOP) LISTENER(
		      "server_names = ( { names = [ \"a.example\" ]; pool = \"shop\"; } );"));
	service = compiler_service_slot(w.compiler, 0);
	CU_ASSERT_EQUAL(w.snapshot->services[service].pool, w.snapshot->n_pools);
	CU_ASSERT(leads_to(&w, "b.example", SIZE_MAX) && leads_to(&w, "", SIZE_MAX));
	CU_ASSERT(leads_to(&w, "a.example", 0));
	before = server_names_find(settings_of(&w)->names, "a.example", 9);
	apply(&w,
	      POOLS(WIKI ", " SHOP) LISTENER("pool = \"wiki\"; server_names = ( "
					     "{ names = [ \"a.example\" ]; pool = \"shop\"; } );"));
	CU_ASSERT(leads_to(&w, "a.example", 1) && leads_to(&w, "", 0));
	CU_ASSERT_EQUAL(w.snapshot->services[service].pool, 0);
	after = server_names_find(settings_of(&w)->names, "a.example", 9);
	CU_ASSERT(after.slot == before.slot && after.epoch == before.epoch);
	apply(&w, POOLS(WIKI) LISTENER("pool = \"wiki\";"));
	CU_ASSERT(leads_to(&w, "a.example", 0));
	CU_ASSERT_PTR_NULL(snapshot_pool(w.snapshot, before.slot, before.epoch));
	world_free(&w);
}

int
test_compile_tls_register(void)
{
	CU_TestInfo tests[] = {
		{ "names", test_names },
		{ "changes", test_changes },
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = { { "compile tls", NULL, NULL, NULL, NULL, tests },
				  CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}

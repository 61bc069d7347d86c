/* SPDX-License-Identifier: Apache-2.0 */
/* Compiling listeners that pass TLS on: which pool a name leads to, across snapshots. And pools
 * whose backends are spoken to by TLS: which number their settings have. */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

#include "dp/proxy/server_names.h"
#include "tests/unit/compile_world.h"
#include "tests/unit/suites.h"
#include "tests/unit/tls_files.h"

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
			       "tcp_keepalive = { idle = \"5m\"; interval = \"2s\"; }; "
			       "server_names = ( { names = [ \"Shop.example\", \"*.shop.example\" "
			       "]; pool = \"shop\"; }, "
			       "{ names = [ \"*.b.shop.example\", \"c.shop.example\", \"" LONG_NAME
			       "\" ]; pool = \"wiki\"; } );"));
	CU_ASSERT_PTR_NULL(settings_of(&w)->http);
	CU_ASSERT_EQUAL(settings_of(&w)->timeout_hello, 2 * SECOND);
	CU_ASSERT_EQUAL(settings_of(&w)->timeout_idle, 3 * SECOND);
	CU_ASSERT_EQUAL(settings_of(&w)->keepalive.idle_ms, 300000);
	CU_ASSERT_EQUAL(settings_of(&w)->keepalive.interval_ms, 2000);
	CU_ASSERT_EQUAL(settings_of(&w)->keepalive.probes, 9);
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

/* ---- towards backends ------------------------------------------------------------------------ */

#define TLS(settings) "tls = { " settings " };"
#define ANY           TLS("verify = false;")

/* Two pools, with these settings of TLS; the numbers that these have. */
static void
number(struct world *w, const char *shop, const char *wiki, uint32_t numbers[2])
{
	char text[2000];

	snprintf(
	    text, sizeof(text),
	    POOLS("{ name = \"shop\"; backends = ( { address = \"10.2.0.11\"; port = 443; } ); "
		  "%s }, { name = \"wiki\"; backends = ( { address = \"10.2.0.12\"; port = 443; "
		  "} ); %s }") "listeners = ( { name = \"shop\"; address = \"203.0.113.20\"; port "
			       "= 80; protocol "
			       "= \"tcp\"; pool = \"shop\"; },\n"
			       "{ name = \"wiki\"; address = \"203.0.113.21\"; port = 80; protocol "
			       "= \"tcp\"; "
			       "pool = \"wiki\"; } );\n",
	    shop, wiki);
	apply(w, text);
	numbers[0] = w->snapshot->pools[0].tls;
	numbers[1] = w->snapshot->pools[1].tls;
}

static void
test_backends(void)
{
	static const char *const others[] = {
		TLS("verify = false; server_name = \"a\";"),
		TLS("verify = false; server_name = \"b\";"),
		TLS("verify = false; server_name = \"b\"; minimum = \"1.3\";"), ANY
	};
	uint32_t before[2], now[2];
	struct world w;
	size_t i;

	world_init(&w, 1);
	number(&w, "", ANY, before);
	CU_ASSERT(before[0] == 0 && before[1] != 0);
	recompile(&w);
	CU_ASSERT_EQUAL(w.snapshot->pools[1].tls, before[1]);
	number(&w, ANY, ANY, now);
	CU_ASSERT(now[0] != 0 && now[0] != before[1] && now[1] == before[1]);
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		before[0] = now[0];
		number(&w, others[i], ANY, now);
		CU_ASSERT(now[0] > before[0] && now[1] == before[1]);
	}
	before[0] = now[0];
	number(&w, "", ANY, now);
	CU_ASSERT_EQUAL(now[0], 0);
	number(&w, ANY, ANY, now);
	CU_ASSERT(now[0] > before[0]);
	world_free(&w);
}

/* The files count by their names, not by what is in them. */
static void
test_backends_files(void)
{
	char one[400], other[400];
	uint32_t before[2], now[2];
	struct world w;

	tls_files_begin();
	tls_files_replace_pair("one", &(struct tls_wish){ .name = "one", .authority = true });
	tls_files_replace_pair("two", &(struct tls_wish){ .name = "two", .authority = true });
	snprintf(one, sizeof(one), TLS("server_name = \"a\"; ca = \"%s/one.pem\";"), folder_path());
	snprintf(other, sizeof(other), TLS("server_name = \"a\"; ca = \"%s/two.pem\";"),
		 folder_path());
	world_init(&w, 1);
	number(&w, one, other, before);
	tls_files_replace_pair("one", &(struct tls_wish){ .name = "new", .authority = true });
	number(&w, one, other, now);
	CU_ASSERT(now[0] == before[0] && now[1] == before[1]);
	number(&w, other, other, now);
	CU_ASSERT(now[0] > before[0] && now[1] == before[1]);
	snprintf(one, sizeof(one),
		 TLS("verify = false; cert = \"%1$s/one.pem\"; key = \"%1$s/one.key\";"),
		 folder_path());
	snprintf(other, sizeof(other),
		 TLS("verify = false; cert = \"%1$s/two.pem\"; key = \"%1$s/two.key\";"),
		 folder_path());
	number(&w, one, other, before);
	number(&w, other, other, now);
	CU_ASSERT(now[0] > before[0] && now[1] == before[1]);
	world_free(&w);
	tls_files_end();
}

int
test_compile_tls_register(void)
{
	CU_TestInfo tests[] = {
		{ "names", test_names },
		{ "changes", test_changes },
		{ "numbers of settings towards backends", test_backends },
		{ "... with files", test_backends_files },
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = { { "compile tls", NULL, NULL, NULL, NULL, tests },
				  CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Compiling HTTP listeners: what becomes of each key, what stays the same across snapshots, and
 * what requests hold on to. */
#include <CUnit/CUnit.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "dp/l7/route.h"
#include "dp/l7/settings.h"
#include "lib/http/path.h"
#include "tests/unit/compile_world.h"
#include "tests/unit/suites.h"

#define POOL(name, host) \
	"{ name = \"" name "\"; backends = ( { address = \"" host "\"; port = 80; } ); }"
#define POOLS      "pools = ( " POOL("web", "10.2.0.11") ", " POOL("api", "10.2.0.12") " );\n"
#define LISTEN     "{ name = \"shop\"; address = \"203.0.113.20\"; port = 80; protocol = \"http\"; "
#define SHOP(rest) "listeners = ( " LISTEN rest " } );\n"
#define TO(pool)   "pools = ( { pool = \"" pool "\"; } ); "
#define TO_MIRROR  "mirror = { pool = \"api\"; };"

static const struct proxy_settings *
settings_of(const struct world *w, size_t i)
{
	return &w->snapshot->proxies[compiler_service_slot(w->compiler, i)];
}

static const struct http_listener *
shop(const struct world *w)
{
	CU_ASSERT_PTR_NOT_NULL_FATAL(settings_of(w, 0)->http);
	return settings_of(w, 0)->http;
}

static bool
says(struct http_text text, const char *expected)
{
	if (!expected)
		return !text.bytes && !text.length;
	return text.bytes && text.length == strlen(expected) &&
	       memcmp(text.bytes, expected, text.length) == 0;
}

static bool
edits(const struct http_edit *e, enum http_edit_op op, const char *name, const char *value)
{
	return e->op == op && e->name_length == strlen(name) &&
	       memcmp(e->name, name, strlen(name)) == 0 &&
	       e->value_length == (value ? strlen(value) : 0) &&
	       (!value || memcmp(e->value, value, strlen(value)) == 0);
}

/* ---- keys ------------------------------------------------------------------------------------ */

static void
test_listener(void)
{
	const struct http_listener *l;
	struct world w;

	world_init(&w, 2);
	apply(&w,
	      POOLS SHOP("http = { header_size = \"8k\"; headers = 20; target_size = \"2k\"; "
			 "body_size = \"1M\"; requests = 9; age = \"1h\"; via = \"edge\"; "
			 "escaped_slash = true; }; "
			 "timeouts = { header = \"1s\"; body = \"2s\"; keepalive = \"3s\"; }; "
			 "limits = { client = { requests = \"10/s\"; prefix4 = 24; }; "
			 "key = { header = \"X-Key\"; requests = \"2/s\"; burst = \"2s\"; }; }; "
			 "errors = ( { status = 599; file = \"/dev/null\"; } ); "
			 "routes = ( { name = \"w\"; match = { path = \"/\"; }; " TO(
			     "web") " }, "
				    "{ name = \"a\"; " TO("api") " } );"));
	l = shop(&w);
	CU_ASSERT_EQUAL(l->head.head, 8192);
	CU_ASSERT_EQUAL(l->head.target, 2048);
	CU_ASSERT_EQUAL(l->head.fields, 20);
	CU_ASSERT_EQUAL(l->max_body, 1 << 20);
	CU_ASSERT_EQUAL(l->max_requests, 9);
	CU_ASSERT_EQUAL(l->max_age, 3600 * SECOND);
	CU_ASSERT_EQUAL(l->timeout_header, SECOND);
	CU_ASSERT_EQUAL(l->timeout_body, 2 * SECOND);
	CU_ASSERT_EQUAL(l->timeout_idle, 3 * SECOND);
	CU_ASSERT_EQUAL(l->path_rules, HTTP_PATH_MERGE_SLASHES | HTTP_PATH_REFUSE_CONTROL |
					   HTTP_PATH_REFUSE_ESCAPE);
	CU_ASSERT(says(l->via, "edge"));
	CU_ASSERT_EQUAL(ntohl(l->mask4), 0xffffff00);
	CU_ASSERT_EQUAL(l->mask6[0], UINT64_MAX);
	CU_ASSERT_EQUAL(l->mask6[1], 0);
	CU_ASSERT_EQUAL(w.snapshot->owner_prefix4, 96 + 24);
	CU_ASSERT_PTR_NOT_NULL_FATAL(l->error_pages);
	CU_ASSERT_PTR_NOT_NULL(l->error_pages[199].bytes);
	CU_ASSERT_PTR_NULL(l->error_pages[103].bytes);
	CU_ASSERT_EQUAL(l->n_routes, 2);
	CU_ASSERT_EQUAL(l->n_limits, 2);
	CU_ASSERT_EQUAL(l->limit_client, 0);
	CU_ASSERT_EQUAL(l->limit_key, 1);
	CU_ASSERT(says(l->limit_key_name, "x-key"));
	CU_ASSERT_EQUAL(l->limits[1].gcra.burst, gcra_time(2 * SECOND));
	CU_ASSERT_NOT_EQUAL(l->limits[0].id, l->limits[1].id);
	CU_ASSERT_EQUAL(l->limits[0].gcra.burst, gcra_time(SECOND));
	CU_ASSERT_PTR_NOT_NULL(l->table);
	CU_ASSERT_EQUAL(settings_of(&w, 0)->timeout_connect, 3 * SECOND);
	world_free(&w);
}

static void
test_route(void)
{
	const struct http_route *r;
	const struct pool *pool;
	struct world w;

	world_init(&w, 1);
	apply(&w,
	      POOLS SHOP(
		  "timeouts = { connect = \"7s\"; }; routes = ( "
		  "{ name = \"all\"; match = { path = \"/x/\"; }; "
		  "pools = ( { pool = \"api\"; weight = 5; }, { pool = \"web\"; weight = 95; } ); "
		  "rewrite = { path_prefix = \"/y/\"; host = \"h\"; }; "
		  "headers = { request = { add = ( { name = \"A\"; value = \"1\"; } ); "
		  "set = ( { name = \"Cookie\"; value = \"2\"; } ); remove = [ \"C\" ]; }; }; "
		  "timeouts = { first_byte = \"1s\"; idle = \"2s\"; whole = \"3s\"; }; "
		  "retries = { attempts = 3; on = [ \"connect\", \"504\" ]; budget = \"50%\"; }; "
		  "mirror = { pool = \"web\"; share = \"25%\"; }; "
		  "fault = { delay = \"1s\"; abort = 503; abort_share = \"10%\"; header = \"X-F\"; "
		  "value = \"Yes\"; }; "
		  "limits = { client = { requests = \"1/s\"; }; "
		  "key = { header = \"X-Key\"; requests = \"2/s\"; }; }; "
		  "balance = \"maglev\"; hash_header = \"X-User\"; "
		  "affinity = { cookie = \"Sid\"; lifetime = \"1h\"; }; websocket = true; }, "
		  "{ name = \"to\"; match = { path = \"/t\"; }; "
		  "redirect = { status = 308; location = \"/$query\"; }; }, "
		  "{ name = \"say\"; respond = { status = 200; body = \"OK\"; }; } );"));
	r = &shop(&w)->routes[0];
	CU_ASSERT(says(r->name, "all"));
	CU_ASSERT_EQUAL(r->action, HTTP_ACTION_POOL);
	CU_ASSERT_EQUAL(r->n_pools, 2);
	CU_ASSERT_EQUAL(r->total_weight, 100);
	CU_ASSERT_EQUAL(r->pools[0].up_to, 5);
	CU_ASSERT_EQUAL(r->pools[1].up_to, 100);
	pool = snapshot_pool(w.snapshot, r->pools[0].slot, r->pools[0].epoch);
	CU_ASSERT_PTR_EQUAL(pool, &w.snapshot->pools[1]);
	pool = snapshot_pool(w.snapshot, r->mirror_slot, r->mirror_epoch);
	CU_ASSERT_PTR_EQUAL(pool, &w.snapshot->pools[0]);
	CU_ASSERT_EQUAL(r->mirror_share, UINT32_MAX / 4);
	CU_ASSERT(says(r->match_prefix, "/x/") && says(r->path_prefix, "/y/") &&
		  says(r->host, "h"));
	CU_ASSERT_EQUAL(r->n_request_edits, 3);
	CU_ASSERT(edits(&r->request_edits[0], HTTP_EDIT_REMOVE, "C", NULL));
	CU_ASSERT(edits(&r->request_edits[1], HTTP_EDIT_SET, "Cookie", "2"));
	CU_ASSERT_EQUAL(r->request_edits[1].known, HTTP_COOKIE);
	CU_ASSERT(edits(&r->request_edits[2], HTTP_EDIT_ADD, "A", "1"));
	CU_ASSERT_EQUAL(r->n_response_edits, 0);
	CU_ASSERT_EQUAL(r->timeout_connect, 7 * SECOND);
	CU_ASSERT_EQUAL(r->timeout_first_byte, SECOND);
	CU_ASSERT_EQUAL(r->timeout_idle, 2 * SECOND);
	CU_ASSERT_EQUAL(r->timeout_whole, 3 * SECOND);
	CU_ASSERT_EQUAL(r->retry_attempts, 3);
	CU_ASSERT_EQUAL(r->retry_on, HTTP_RETRY_CONNECT | HTTP_RETRY_504);
	CU_ASSERT_EQUAL(r->retry_budget, UINT32_MAX / 2);
	CU_ASSERT_EQUAL(r->fault.delay, SECOND);
	CU_ASSERT_EQUAL(r->fault.delay_share, UINT32_MAX);
	CU_ASSERT_EQUAL(r->fault.abort_share, UINT32_MAX / 10);
	CU_ASSERT_EQUAL(r->fault.abort_status, 503);
	CU_ASSERT(says(r->fault.header, "x-f") && says(r->fault.value, "Yes"));
	CU_ASSERT_EQUAL(shop(&w)->limit_client, UINT32_MAX);
	CU_ASSERT_EQUAL(r->limit_client, 0);
	CU_ASSERT_EQUAL(r->limit_key, 1);
	CU_ASSERT(says(r->limit_key_name, "x-key"));
	CU_ASSERT_EQUAL(r->balance, HTTP_MAGLEV);
	CU_ASSERT_EQUAL(r->hash, HTTP_HASH_HEADER);
	CU_ASSERT(says(r->hash_name, "x-user") && says(r->affinity_cookie, "Sid"));
	CU_ASSERT_EQUAL(r->affinity_lifetime, 3600 * SECOND);
	CU_ASSERT(r->websocket);

	CU_ASSERT_EQUAL(r[1].action, HTTP_ACTION_REDIRECT);
	CU_ASSERT_EQUAL(r[1].status, 308);
	CU_ASSERT(says(r[1].location, "/$query"));
	CU_ASSERT_EQUAL(r[1].mirror_slot, UINT32_MAX);
	CU_ASSERT_EQUAL(r[1].limit_client, UINT32_MAX);
	CU_ASSERT_EQUAL(r[1].retry_attempts, 1);
	CU_ASSERT_EQUAL(r[1].retry_on, HTTP_RETRY_CONNECT);
	CU_ASSERT_EQUAL(r[1].fault.delay_share, 0);
	CU_ASSERT_EQUAL(r[1].fault.abort_share, 0);
	CU_ASSERT_EQUAL(r[2].action, HTTP_ACTION_RESPOND);
	CU_ASSERT(says(r[2].body, "OK") && says(r[2].content_type, "text/plain"));
	world_free(&w);
}

/* ---- pools ----------------------------------------------------------------------------------- */

static void
test_pool_alone(void)
{
	const struct http_listener *l;
	struct world w;

	world_init(&w, 1);
	apply(&w,
	      "pools = ( { name = \"web\"; backends = ( { address = \"10.2.0.11\"; port = 80; } "
	      "); limits = { connections = 1; pending = 2; requests = 3; retries = 4; }; "
	      "outlier = { errors = 6; time = \"7s\"; }; "
	      "keepalive = { idle = \"8s\"; connections = 9; requests = 10; }; } );\n" SHOP(
		  "pool = \"web\"; balance = \"least-connections\";"));
	l = shop(&w);
	CU_ASSERT_EQUAL(l->n_routes, 1);
	CU_ASSERT_EQUAL(l->routes[0].total_weight, 1);
	CU_ASSERT_EQUAL(l->routes[0].balance, HTTP_LEAST_REQUESTS);
	CU_ASSERT_PTR_EQUAL(
	    snapshot_pool(w.snapshot, l->routes[0].pools[0].slot, l->routes[0].pools[0].epoch),
	    &w.snapshot->pools[0]);
	CU_ASSERT_EQUAL(w.snapshot->pools[0].bounds.connections, 1);
	CU_ASSERT_EQUAL(w.snapshot->pools[0].bounds.pending, 2);
	CU_ASSERT_EQUAL(w.snapshot->pools[0].bounds.requests, 3);
	CU_ASSERT_EQUAL(w.snapshot->pools[0].bounds.retries, 4);
	CU_ASSERT_EQUAL(w.snapshot->pools[0].bounds.outlier_errors, 6);
	CU_ASSERT_EQUAL(w.snapshot->pools[0].bounds.outlier_time, 7 * SECOND);
	CU_ASSERT_EQUAL(w.snapshot->pools[0].bounds.unused_time, 8 * SECOND);
	CU_ASSERT_EQUAL(w.snapshot->pools[0].bounds.unused, 9);
	CU_ASSERT_EQUAL(w.snapshot->pools[0].bounds.reuse, 10);
	world_free(&w);
}

/* A listener that leads nowhere points at a pool in which there is nobody. */
static void
test_no_pool(void)
{
	const struct pool *pool;
	struct world w;

	world_init(&w, 1);
	apply(&w,
	      SHOP("routes = ( { name = \"r\"; redirect = { status = 301; location = \"/\"; }; } "
		   ");"));
	CU_ASSERT_EQUAL(w.snapshot->n_pools, 0);
	pool = &w.snapshot->pools[w.snapshot->services[compiler_service_slot(w.compiler, 0)].pool];
	CU_ASSERT_EQUAL(pool->n_members, 0);
	CU_ASSERT_EQUAL(pool_candidate(pool, 0), MAGLEV_NONE);
	CU_ASSERT_EQUAL(pool_settled(pool, UINT32_MAX), MAGLEV_NONE);
	CU_ASSERT_FALSE(pool_moving(pool, 1));
	world_free(&w);
}

/* Pools keep their identity where they stand, and lose it when they go. */
static void
test_pool_identity(void)
{
	const struct addr mirrored = A("10.2.0.12");
	const struct snapshot *s;
	uint32_t slot, epoch;
	struct world w;

	world_init(&w, 1);
	s = apply(&w,
		  POOLS SHOP("routes = ( { name = \"r\"; " TO("web") " mirror = { pool = \"api\"; "
								     "}; } );"));
	slot = s->pools[1].slot;
	epoch = s->pools[1].epoch;
	CU_ASSERT_NOT_EQUAL(epoch, 0);
	CU_ASSERT_NOT_EQUAL(s->pools[0].slot, slot);
	/* answers of all of its pools' backends come to us */
	CU_ASSERT_EQUAL(lpm_lookup(s->nat_backends, &mirrored), 1);
	s = apply(&w, "pools = ( " POOL("api", "10.2.0.13") " );\n" SHOP("pool = \"api\";"));
	CU_ASSERT_PTR_EQUAL(snapshot_pool(s, slot, epoch), &s->pools[0]);
	s = apply(&w, "pools = ( " POOL("web", "10.2.0.13") " );\n" SHOP("pool = \"web\";"));
	CU_ASSERT_PTR_NULL(snapshot_pool(s, slot, epoch));
	s = apply(&w,
		  POOLS SHOP("routes = ( { name = \"r\"; " TO("web") " mirror = { pool = \"api\"; "
								     "}; } );"));
	CU_ASSERT_PTR_NULL(snapshot_pool(s, slot, epoch));
	CU_ASSERT_PTR_NULL(snapshot_pool(s, 4711, 1));
	world_free(&w);
}

/* ---- what stays ------------------------------------------------------------------------------ */

#define OTHER ", { name = \"other\"; address = \"203.0.113.21\"; port = 80; protocol = \"http\"; "
#define BOTH(first, second)                                                               \
	POOLS "listeners = ( " LISTEN "routes = ( { name = \"r\"; " first " } ); }" OTHER \
	      "pool = \"" second "\"; } );\n"

static void
test_same(void)
{
	const struct http_listener *one, *two;
	struct world w;

	world_init(&w, 1);
	apply(&w, BOTH(TO("web"), "api"));
	one = settings_of(&w, 0)->http;
	two = settings_of(&w, 1)->http;
	CU_ASSERT_PTR_NOT_EQUAL(one, two);
	recompile(&w);
	CU_ASSERT_PTR_EQUAL(settings_of(&w, 0)->http, one);
	apply(&w, BOTH(TO("web"), "api"));
	CU_ASSERT_PTR_EQUAL(settings_of(&w, 0)->http, one);
	CU_ASSERT_PTR_EQUAL(settings_of(&w, 1)->http, two);
	/* hold on to the one that changes, or its memory may be used again */
	http_listener_get(one, 0);
	apply(&w, BOTH(TO("web") " websocket = true;", "api"));
	CU_ASSERT_PTR_NOT_EQUAL(settings_of(&w, 0)->http, one);
	CU_ASSERT_PTR_EQUAL(settings_of(&w, 1)->http, two);
	http_listener_put(one, 0);
	world_free(&w);
}

/* The same text with a pool that has gone meanwhile is another listener. */
static void
test_same_text_other_pool(void)
{
	const struct http_listener *before;
	struct world w;

	world_init(&w, 1);
	apply(&w, POOLS SHOP("routes = ( { name = \"r\"; " TO("web") TO_MIRROR " } );"));
	before = shop(&w);
	http_listener_get(before, 0);
	apply(&w, "pools = ( " POOL("web", "10.2.0.11") " );\n" SHOP("pool = \"web\";"));
	apply(&w, POOLS SHOP("routes = ( { name = \"r\"; " TO("web") TO_MIRROR " } );"));
	CU_ASSERT_PTR_NOT_EQUAL(shop(&w), before);
	CU_ASSERT_PTR_NOT_NULL(snapshot_pool(w.snapshot, shop(&w)->routes[0].mirror_slot,
					     shop(&w)->routes[0].mirror_epoch));
	http_listener_put(before, 0);
	world_free(&w);
}

/* A listener stays until the requests of all workers that use it have ended. */
static void
test_users(void)
{
	const struct http_listener *old;
	struct world w;

	world_init(&w, 3);
	apply(&w, POOLS SHOP("routes = ( { name = \"old\"; " TO("web") TO_MIRROR " } );"));
	old = shop(&w);
	CU_ASSERT_EQUAL(compiler_reclaim(w.compiler), 0);
	CU_ASSERT_PTR_EQUAL(shop(&w), old); /* in use by the snapshot */
	http_listener_get(old, 0);
	http_listener_get(old, 2);
	http_listener_get(old, 2);
	apply(&w, POOLS SHOP("routes = ( { name = \"new\"; " TO("web") TO_MIRROR " } );"));
	CU_ASSERT_PTR_NOT_EQUAL(shop(&w), old);
	CU_ASSERT_EQUAL(compiler_reclaim(w.compiler), 1);
	CU_ASSERT(says(old->routes[0].name, "old"));
	http_listener_put(old, 0);
	CU_ASSERT_EQUAL(compiler_reclaim(w.compiler), 1);
	http_listener_put(old, 2);
	CU_ASSERT_EQUAL(compiler_reclaim(w.compiler), 1);
	CU_ASSERT(says(old->routes[0].name, "old"));
	http_listener_put(old, 2);
	CU_ASSERT_EQUAL(compiler_reclaim(w.compiler), 0);
	/* at the end it is freed whoever uses it */
	http_listener_get(shop(&w), 1);
	apply(&w, "");
	CU_ASSERT_EQUAL(compiler_reclaim(w.compiler), 1);
	world_free(&w);
}

/* ---- names ----------------------------------------------------------------------------------- */

/* The member that is found by the id of this backend, UINT32_MAX: none. */
static uint32_t
member_by_id(const struct pool *pool, uint64_t id, const struct snapshot *s)
{
	uint32_t at = (uint32_t)id & pool->id_mask;

	for (; pool->by_id[at]; at = (at + 1) & pool->id_mask) {
		uint32_t backend = pool->members[pool->by_id[at] - 1];

		if (backend != UINT32_MAX && s->backends[backend].id == id)
			return pool->by_id[at] - 1;
	}
	return UINT32_MAX;
}

/* A pool of n backends, from this one on; all of them are found, and nobody else. */
static void
check_ids(struct world *w, uint32_t first, uint32_t n)
{
	static const char head[] = "pools = ( { name = \"web\"; backends = ( ";
	char text[8192];
	int length = snprintf(text, sizeof(text), "%s", head);
	const struct snapshot *s;
	uint32_t i, found = 0, there = 0;

	for (i = 0; i < n; i++)
		length += snprintf(text + length, sizeof(text) - (size_t)length,
				   "%s{ address = \"10.2.0.11\"; port = %u; }", i ? ", " : "",
				   8000 + first + i);
	snprintf(text + length, sizeof(text) - (size_t)length, " ); } );\n%s",
		 SHOP("pool = \"web\";"));
	s = apply(w, text);
	for (i = 0; i < s->pools[0].n_members; i++) {
		uint32_t backend = s->pools[0].members[i];

		if (backend == UINT32_MAX)
			continue;
		there++;
		found += member_by_id(&s->pools[0], s->backends[backend].id, s) == i;
	}
	CU_ASSERT_EQUAL(there, n);
	CU_ASSERT_EQUAL(found, n);
	for (i = 0; i < 1000; i++)
		CU_ASSERT_EQUAL(member_by_id(&s->pools[0], i, s), UINT32_MAX);
}

/* Affinity cookies name backends by their ids. */
static void
test_ids(void)
{
	struct world w;

	world_init(&w, 1);
	check_ids(&w, 10, 1);
	check_ids(&w, 10, 60);
	check_ids(&w, 40, 60);
	check_ids(&w, 95, 3);
	check_ids(&w, 10, 60);
	world_free(&w);
}

int
test_compile_http_register(void)
{
	CU_TestInfo tests[] = {
		{ "a listener's settings", test_listener },
		{ "a route's settings", test_route },
		{ "a listener with a pool has one route; pools' bounds", test_pool_alone },
		{ "a listener without a pool", test_no_pool },
		{ "pools keep their identity", test_pool_identity },
		{ "a listener that stays the same is the same", test_same },
		{ "the same words, another pool", test_same_text_other_pool },
		{ "a listener stays while requests use it", test_users },
		{ "backends are found by their ids", test_ids },
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = { { "compile http", NULL, NULL, NULL, NULL, tests },
				  CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}

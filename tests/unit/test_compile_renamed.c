/* SPDX-License-Identifier: Apache-2.0 */
/* Listeners that have another name, and whatever a configuration that fails would have changed: all
 * are what they were. */
#include <CUnit/CUnit.h>
#include <string.h>

#include "dp/l7/settings.h"
#include "tests/unit/compile_world.h"
#include "tests/unit/suites.h"

#define POOL(name, host) \
	"{ name = \"" name "\"; backends = ( { address = \"" host "\"; port = 80; } ); }"
#define TO(pool) "pools = ( { pool = \"" pool "\"; } ); "
#define WEB      "pools = ( " POOL("web", "10.2.0.11") " );\n"
#define NAMED(name, port, protocol)                                                     \
	"listeners = ( { name = \"" name "\"; address = \"203.0.113.20\"; port = " port \
	"; protocol = \"" protocol "\"; pool = \"web\"; } );\n"
#define BESIDE(name, port)                                                                         \
	"{ name = \"" name "\"; address = \"203.0.113.20\"; port = " port "; protocol = \"tcp\"; " \
	"pool = \"web\"; }"

static const struct http_listener *
listener_of(const struct world *w, size_t i)
{
	return w->snapshot->proxies[compiler_service_slot(w->compiler, i)].http;
}

static bool
same_after(struct world *w, const char *objects)
{
	uint32_t slot = compiler_service_slot(w->compiler, 0);
	uint32_t epoch = w->snapshot->services[slot].epoch;

	apply(w, objects);
	return compiler_service_slot(w->compiler, 0) == slot &&
	       w->snapshot->services[slot].epoch == epoch;
}

/* A listener with another name is the same one if it stands where the one that is gone stood. */
static void
test_renamed(void)
{
	struct world w;

	world_init(&w, 1);
	apply(&w, WEB NAMED("a", "80", "http"));
	CU_ASSERT(same_after(&w, WEB NAMED("b", "80", "http")));
	CU_ASSERT(same_after(&w, WEB NAMED("b", "80", "http")));
	CU_ASSERT(same_after(&w, WEB NAMED("a", "80", "http")));
	CU_ASSERT_FALSE(same_after(&w, WEB NAMED("b", "81", "http")));
	CU_ASSERT_FALSE(same_after(&w, WEB NAMED("c", "81", "tcp")));
	/* the name is not gone: it stands elsewhere now, and the new one is somebody new */
	CU_ASSERT_FALSE(
	    same_after(&w, WEB "listeners = ( " BESIDE("d", "81") ", " BESIDE("c", "82") " );\n"));
	/* names that change places: each is what it was by name */
	CU_ASSERT_FALSE(
	    same_after(&w, WEB "listeners = ( " BESIDE("c", "81") ", " BESIDE("d", "82") " );\n"));
	world_free(&w);
}

#define LIMITED(name, port)                                               \
	"{ name = \"" name "\"; address = \"203.0.113.20\"; port = " port \
	"; protocol = \"http\"; "                                         \
	"limits = { client = { requests = \"9/s\"; }; "                   \
	"key = { header = \"X-Key\"; requests = \"8/s\"; }; }; "          \
	"routes = ( { name = \"r\"; " TO(                                 \
	    "web") "limits = { client = { requests = \"7/s\"; }; }; } ); }"

/* The ids of a listener's limits, into out. */
static void
limits_of(const struct world *w, size_t i, uint64_t out[3])
{
	const struct http_listener *l = listener_of(w, i);
	uint32_t k;

	CU_ASSERT_EQUAL_FATAL(l->n_limits, 3);
	for (k = 0; k < 3; k++)
		out[k] = l->limits[k].id;
}

/* Limits go on where their listener does, under whatever name. */
static void
test_renamed_limits(void)
{
	uint64_t before[2][3], now[3];
	struct world w;
	uint32_t i, k;

	world_init(&w, 1);
	apply(&w, WEB "listeners = ( " LIMITED("a", "80") ", " LIMITED("b", "81") " );\n");
	limits_of(&w, 0, before[0]);
	limits_of(&w, 1, before[1]);
	for (i = 0; i < 3; i++)
		for (k = 0; k < 3; k++)
			CU_ASSERT(before[0][i] != before[1][k] &&
				  (i == k || before[0][i] != before[0][k]));
	apply(&w, WEB "listeners = ( " LIMITED("c", "80") ", " LIMITED("b", "81") " );\n");
	limits_of(&w, 0, now);
	CU_ASSERT_EQUAL(memcmp(now, before[0], sizeof(now)), 0);
	limits_of(&w, 1, now);
	CU_ASSERT_EQUAL(memcmp(now, before[1], sizeof(now)), 0);
	/* the same name elsewhere, and again the first one */
	apply(&w, WEB "listeners = ( " LIMITED("c", "82") " );\n");
	limits_of(&w, 0, now);
	CU_ASSERT_EQUAL(memcmp(now, before[0], sizeof(now)), 0);
	apply(&w, WEB "listeners = ( " LIMITED("a", "82") " );\n");
	limits_of(&w, 0, now);
	CU_ASSERT_EQUAL(memcmp(now, before[0], sizeof(now)), 0);
	world_free(&w);
}

/* ---- configurations that are not published --------------------------------------------------- */

#define SECURE(name)                                                                       \
	"{ name = \"" name "\"; backends = ( { address = \"10.2.0.12\"; port = 443; } ); " \
	"tls = { verify = false; }; }"
#define SECURED                                                                               \
	"{ name = \"d\"; address = \"203.0.113.20\"; port = 82; protocol = \"http\"; pool = " \
	"\"api\"; }"
#define RUNNING                                                                                   \
	"pools = ( " POOL("web", "10.2.0.11") ", " SECURE(                                        \
	    "api") " );\n"                                                                        \
		   "services = ( { name = \"s\"; address = \"203.0.113.9\"; port = 53; protocol " \
		   "= \"udp\"; "                                                                  \
		   "forward = \"nat\"; pool = \"web\"; } );\n"                                    \
		   "listeners = ( " LIMITED("a", "80") ", " SECURED " );\n"
/* The listener has another name, a pool is new and others are gone, a service is another one. */
#define IN_VAIN                                                                                    \
	"pools = ( " SECURE("web") ", " POOL(                                                      \
	    "more", "10.2.0.13") " );\n"                                                           \
				 "services = ( { name = \"t\"; address = \"203.0.113.9\"; port = " \
				 "53; protocol = \"udp\"; "                                        \
				 "forward = \"nat\"; pool = \"more\"; } );\n"                      \
				 "listeners = ( " LIMITED("b", "80") ", " LIMITED("c",             \
										  "81") " );\n"

/* All that workers know things by. */
struct known {
	struct pool pools[2];
	uint32_t slots[2], epochs[2], backends[2], backend_epochs[2];
	const struct http_listener *http;
	uint64_t limits[3];
};

static void
note(const struct world *w, struct known *k)
{
	const struct snapshot *s = w->snapshot;
	size_t i;

	memset(k, 0, sizeof(*k));
	for (i = 0; i < 2; i++) {
		k->pools[i] = s->pools[i];
		k->pools[i].members = NULL; /* of each snapshot */
		k->slots[i] = compiler_service_slot(w->compiler, i);
		k->epochs[i] = s->services[k->slots[i]].epoch;
		k->backends[i] = compiler_backend_slot(w->compiler, i, 0);
		k->backend_epochs[i] = s->backends[k->backends[i]].epoch;
	}
	k->http = listener_of(w, 1);
	limits_of(w, 1, k->limits);
}

/* What is not published changes nothing, in whatever comes next. */
static void
test_in_vain(void)
{
	struct known before, after;
	struct world w;

	world_init(&w, 1);
	apply(&w, RUNNING);
	note(&w, &before);
	apply_in_vain(&w, IN_VAIN);
	note(&w, &after);
	CU_ASSERT_EQUAL(memcmp(&before, &after, sizeof(after)), 0);
	recompile(&w);
	note(&w, &after);
	CU_ASSERT_EQUAL(memcmp(&before, &after, sizeof(after)), 0);
	apply_in_vain(&w, IN_VAIN);
	apply_in_vain(&w, WEB NAMED("x", "90", "tcp"));
	apply_in_vain(&w, IN_VAIN);
	apply(&w, RUNNING);
	note(&w, &after);
	CU_ASSERT_EQUAL(memcmp(&before, &after, sizeof(after)), 0);
	world_free(&w);
}

/* A name that was given in vain is as new as any other: the listener can have it later. */
static void
test_in_vain_name(void)
{
	struct world w;

	world_init(&w, 1);
	apply(&w, WEB NAMED("a", "80", "http"));
	apply_in_vain(&w, WEB "listeners = ( " BESIDE("b", "81") ", " BESIDE("a", "80") " );\n");
	CU_ASSERT(same_after(&w, WEB NAMED("b", "80", "http")));
	apply_in_vain(&w, WEB NAMED("a", "80", "http"));
	CU_ASSERT(same_after(&w, WEB NAMED("c", "80", "http")));
	CU_ASSERT(same_after(&w, WEB NAMED("a", "80", "http")));
	world_free(&w);
}

int
test_compile_renamed_register(void)
{
	CU_TestInfo tests[] = {
		{ "a listener with another name at the same place is the same", test_renamed },
		{ "... and its limits go on", test_renamed_limits },
		{ "what is not published changes nothing", test_in_vain },
		{ "... and its names are as new as others", test_in_vain_name },
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = { { "compile renamed", NULL, NULL, NULL, NULL, tests },
				  CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* cp/tls/pools: clients of a configuration in the store, and files that change. */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cp/tls/client.h"
#include "tests/unit/suites.h"
#include "tests/unit/tls_scene.h"

#define PATH 200

/* ---- a scene --------------------------------------------------------------------------------- */

/* Two pools and what each has of TLS, if it has any. */
static struct config *
parse(const char *first, const char *second)
{
	char pools[1000];

	snprintf(
	    pools, sizeof(pools),
	    "{ name = \"shop\"; backends = ( { address = \"198.51.100.11\"; port = 443; } ); %s }, "
	    "{ name = \"wiki\"; backends = ( { address = \"198.51.100.12\"; port = 443; } ); %s }",
	    first, second);
	return tls_scene_parse(
	    pools, "{ name = \"shop\"; address = \"203.0.113.1\"; port = 80; protocol = \"tcp\"; "
		   "pool = \"shop\"; }, { name = \"wiki\"; address = \"203.0.113.2\"; port = 80; "
		   "protocol = \"tcp\"; pool = \"wiki\"; }");
}

static void
run(struct tls_scene *s, const char *first, const char *second)
{
	tls_scene_run(s, parse(first, second));
}

static void
scene_begin(struct tls_scene *s)
{
	tls_scene_begin(s);
	tls_files_replace_pair("ca", &(struct tls_wish){ .name = "one", .authority = true });
	tls_files_replace_pair("own", &(struct tls_wish){ .name = "gateway" });
}

/* The client of the pool at this index, which stays the store's; NULL: none. */
static const struct tls_client *
client_of(struct tls_scene *s, uint32_t index)
{
	struct tls_client *client =
	    tls_store_get_client(s->store, index + TLS_SCENE_SLOT, TLS_SCENE_EPOCH);

	tls_client_free(client);
	return client;
}

static bool
is_called(const mbedtls_x509_crt *certificate, const char *name)
{
	const mbedtls_x509_buf *is = &certificate->subject.val;

	return is->len == strlen(name) && memcmp(is->p, name, is->len) == 0;
}

/* Does it believe that authority? */
static bool
trusts(const struct tls_client *client, const char *name)
{
	return client && client->trust && is_called(&client->trust->authorities, name);
}

static bool
shows(const struct tls_client *client, const char *name)
{
	return client && client->certificate && is_called(&client->certificate->chain, name);
}

/* What a pool has of TLS. */
#define TLS(settings) "tls = { " settings " };"
#define NONE          ""
#define TRUST         "server_name = \"shop.example\"; ca = \"@/ca.pem\";"
#define OWN           "cert = \"@/own.pem\"; key = \"@/own.key\";"
#define ADDRESS       "server_name = \"192.0.2.1\"; ca = \"@/ca.pem\";"
#define ANY           "verify = false;"

/* ---- tests ----------------------------------------------------------------------------------- */

static void
test_configurations(void)
{
	const struct tls_client *client;
	struct tls_scene s;

	scene_begin(&s);
	run(&s, TLS(TRUST OWN), TLS(ADDRESS));
	client = client_of(&s, 0);
	CU_ASSERT_FATAL(trusts(client, "one") && shows(client, "gateway"));
	CU_ASSERT(client->verify && strcmp(client->name, "shop.example") == 0);
	client = client_of(&s, 1);
	CU_ASSERT_FATAL(trusts(client, "one") && !client->certificate);
	CU_ASSERT(client->n_address == 4 && client->name[0] == '\0');
	CU_ASSERT_PTR_NULL(tls_store_get_client(s.store, TLS_SCENE_SLOT,
						TLS_SCENE_EPOCH - 1)); /* of another epoch */
	run(&s, NONE, TLS(ANY OWN));
	CU_ASSERT_PTR_NULL(client_of(&s, 0));
	client = client_of(&s, 1);
	CU_ASSERT_FATAL(client && !client->verify && !client->trust);
	CU_ASSERT(shows(client, "gateway"));
	run(&s, NONE, NONE);
	CU_ASSERT_PTR_NULL(client_of(&s, 1));
	tls_scene_end(&s);
}

static void
test_withdrawn(void)
{
	struct tls_scene s;
	struct config *config;

	scene_begin(&s);
	run(&s, TLS(TRUST), NONE);
	config = parse(TLS(ANY), TLS(ANY));
	tls_scene_offer(&s, config);
	CU_ASSERT(client_of(&s, 0) && !client_of(&s, 0)->verify && client_of(&s, 1));
	tls_scene_withdraw(&s);
	CU_ASSERT(trusts(client_of(&s, 0), "one"));
	CU_ASSERT_PTR_NULL(client_of(&s, 1));
	config_free(config);
	tls_scene_end(&s);
}

/* Another certificate of ours; handshakes that have begun go on with what they began with. */
static void
test_certificate(void)
{
	const struct tls_client *before;
	struct tls_client *held;
	struct tls_scene s;

	scene_begin(&s);
	run(&s, TLS(ANY OWN), NONE);
	before = client_of(&s, 0);
	tls_scene_look(&s);
	CU_ASSERT_PTR_EQUAL(client_of(&s, 0), before);
	CU_ASSERT(tls_files_logged(""));
	held = tls_store_get_client(s.store, TLS_SCENE_SLOT, TLS_SCENE_EPOCH);
	tls_files_replace_pair("own", &(struct tls_wish){ .name = "new" });
	tls_pools_look(s.pools); /* is it still being written? */
	CU_ASSERT_PTR_EQUAL(client_of(&s, 0), before);
	tls_pools_look(s.pools);
	CU_ASSERT(shows(client_of(&s, 0), "new"));
	CU_ASSERT(tls_files_logged("certificate-reloaded pool=shop file="));
	CU_ASSERT(shows(held, "gateway"));
	tls_client_free(held);
	tls_scene_look(&s);
	CU_ASSERT(tls_files_logged(""));
	tls_scene_end(&s);
}

/* Two pools have read the same file once, also when it changes. */
static void
test_authorities(void)
{
	const struct tls_client *before;
	struct tls_pair pair;
	struct tls_scene s;

	scene_begin(&s);
	run(&s, TLS(TRUST), TLS(ADDRESS));
	before = client_of(&s, 1);
	CU_ASSERT_PTR_EQUAL(client_of(&s, 0)->trust, before->trust);
	pair = tls_test_make(&(struct tls_wish){ .name = "two", .authority = true });
	tls_files_replace("ca.pem", pair.certificate, 0644);
	tls_scene_look(&s);
	CU_ASSERT(trusts(client_of(&s, 0), "two") && trusts(client_of(&s, 1), "two"));
	CU_ASSERT_PTR_EQUAL(client_of(&s, 0)->trust, client_of(&s, 1)->trust);
	CU_ASSERT(tls_files_logged("authorities-reloaded pool=wiki file="));
	/* The same in another file. */
	before = client_of(&s, 1);
	tls_files_replace("ca.pem", pair.certificate, 0644);
	tls_scene_look(&s);
	CU_ASSERT_PTR_EQUAL(client_of(&s, 1), before);
	CU_ASSERT(tls_files_logged(""));
	tls_test_free(&pair);
	tls_scene_end(&s);
}

static void
test_bad_files(void)
{
	const struct tls_client *before;
	struct tls_pair pair = tls_test_make(&(struct tls_wish){ .name = "other" });
	struct tls_scene s;
	char path[PATH];

	scene_begin(&s);
	run(&s, TLS(TRUST OWN), NONE);
	before = client_of(&s, 0);
	tls_files_replace("own.pem", pair.certificate, 0644);
	tls_scene_look(&s);
	CU_ASSERT(tls_files_logged("pool=shop file="));
	tls_scene_look(&s);
	CU_ASSERT(tls_files_logged("")); /* said once */
	tls_files_replace("own.key", pair.key, 0644);
	tls_scene_look(&s);
	CU_ASSERT(tls_files_logged("(mode 0644)"));
	tls_files_replace_pair("own", &(struct tls_wish){ .name = "a", .use = "serverAuth" });
	tls_scene_look(&s);
	CU_ASSERT(tls_files_logged("has a certificate that is not for clients"));
	tls_files_replace_pair("own", &(struct tls_wish){ .name = "a", .begin = -20, .end = -10 });
	tls_scene_look(&s);
	CU_ASSERT(tls_files_logged("reason=\"has expired\""));
	tls_files_replace("ca.pem", "none", 0644);
	tls_scene_look(&s);
	CU_ASSERT(tls_files_logged("has no certificates in PEM"));
	unlink(folder_file("ca.pem", path, sizeof(path)));
	tls_scene_look(&s);
	CU_ASSERT(tls_files_logged("cannot be read: No such file or directory"));
	CU_ASSERT_PTR_EQUAL(client_of(&s, 0), before);
	tls_files_replace_pair("own", &(struct tls_wish){ .name = "new" });
	tls_scene_look(&s);
	CU_ASSERT(shows(client_of(&s, 0), "new") && trusts(client_of(&s, 0), "one"));
	tls_test_free(&pair);
	tls_scene_end(&s);
}

/* With the configuration they are an error. */
static void
test_bad_configuration(void)
{
	struct tls_scene s;

	scene_begin(&s);
	tls_files_replace_pair("own", &(struct tls_wish){ .name = "a", .use = "serverAuth" });
	CU_ASSERT_PTR_NULL(parse(TLS(ANY OWN), NONE));
	CU_ASSERT(tls_files_logged("pools.shop.tls.cert: \""));
	tls_files_replace("ca.pem", "none", 0644);
	CU_ASSERT_PTR_NULL(parse(NONE, TLS(TRUST)));
	CU_ASSERT(tls_files_logged("pools.wiki.tls.ca: \""));
	tls_scene_end(&s);
}

struct seen {
	size_t n;
	const char *pool;
};

static void
see(void *arg, const struct pool_config *pool, const struct tls_certificate *certificate)
{
	struct seen *seen = arg;

	CU_ASSERT(is_called(&certificate->chain, "gateway"));
	seen->n++;
	seen->pool = pool->name;
}

static void
test_each(void)
{
	struct seen seen = { 0 };
	struct tls_scene s;

	tls_pools_each(NULL, see, &seen);
	scene_begin(&s);
	run(&s, TLS(TRUST), TLS(ANY OWN));
	tls_pools_each(s.pools, see, &seen);
	CU_ASSERT(seen.n == 1 && strcmp(seen.pool, "wiki") == 0);
	tls_scene_end(&s);
}

/* ---- the system's authorities ---------------------------------------------------------------- */

#define NOT_UNDERSTOOD                  \
	"-----BEGIN CERTIFICATE-----\n" \
	"MIIBAAAA\n"                    \
	"-----END CERTIFICATE-----\n"

/* Some of them may be of a kind that is not understood. */
static void
test_partial(void)
{
	struct tls_pair pair =
	    tls_test_make(&(struct tls_wish){ .name = "one", .authority = true });
	struct tls_trust_faults faults = { 0 };
	struct tls_trust *trust;
	char text[4000], path[PATH];

	tls_files_begin();
	folder_file("some.pem", path, sizeof(path));
	snprintf(text, sizeof(text), "%s%s", NOT_UNDERSTOOD, pair.certificate);
	tls_files_replace("some.pem", text, 0644);
	CU_ASSERT_PTR_NULL(tls_trust_load(path, NULL, &faults));
	CU_ASSERT_STRING_EQUAL(faults.ca.text, "has 1 certificates that are not understood");
	trust = tls_trust_load_partial(path, &faults.ca);
	CU_ASSERT_PTR_NOT_NULL_FATAL(trust);
	CU_ASSERT(trust->is_partial && is_called(&trust->authorities, "one"));
	CU_ASSERT(trust->stamps[0].there && faults.ca.text[0] == '\0');
	tls_trust_put(trust);
	tls_files_replace("some.pem", NOT_UNDERSTOOD, 0644);
	CU_ASSERT_PTR_NULL(tls_trust_load_partial(path, &faults.ca));
	CU_ASSERT_PTR_NOT_NULL(strstr(faults.ca.text, "has a certificate that is not understood"));
	unlink(path);
	CU_ASSERT_PTR_NULL(tls_trust_load_partial(path, &faults.ca));
	CU_ASSERT_STRING_EQUAL(faults.ca.text, "cannot be read: No such file or directory");
	tls_test_free(&pair);
	tls_files_end();
}

static void
test_system(void)
{
	struct tls_scene s;

	scene_begin(&s);
	if (access(TLS_SYSTEM_AUTHORITIES, R_OK) == 0) {
		run(&s, TLS("server_name = \"shop.example\";"),
		    TLS("server_name = \"wiki.example\";"));
		CU_ASSERT(client_of(&s, 0)->trust && client_of(&s, 0)->trust->is_partial);
		CU_ASSERT_PTR_EQUAL(client_of(&s, 0)->trust, client_of(&s, 1)->trust);
		tls_scene_look(&s);
		CU_ASSERT(tls_files_logged(""));
	} else {
		CU_ASSERT_PTR_NULL(parse(TLS("server_name = \"shop.example\";"), NONE));
		CU_ASSERT(tls_files_logged("pools.shop.tls.ca: missing, and the file of the "
					   "system's authorities, \"" TLS_SYSTEM_AUTHORITIES
					   "\", cannot be read"));
	}
	tls_scene_end(&s);
}

int
test_tls_pools_register(void)
{
	static CU_TestInfo tests[] = {
		{ "one configuration after the other", test_configurations },
		{ "a configuration that does not come", test_withdrawn },
		{ "another certificate of ours", test_certificate },
		{ "other authorities, of two pools", test_authorities },
		{ "files that are no good", test_bad_files },
		{ "... with the configuration", test_bad_configuration },
		{ "certificates that backends are shown", test_each },
		{ "authorities that are not understood", test_partial },
		{ "the system's authorities", test_system },
		CU_TEST_INFO_NULL,
	};
	static CU_SuiteInfo suites[] = { { "tls_pools", NULL, NULL, NULL, NULL, tests },
					 CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}

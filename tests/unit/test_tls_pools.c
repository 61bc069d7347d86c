/* SPDX-License-Identifier: Apache-2.0 */
/* cp/tls/pools: clients of a configuration in the store, and files that change. */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cp/config/config.h"
#include "cp/tls/client.h"
#include "cp/tls/pools.h"
#include "tests/unit/suites.h"
#include "tests/unit/tls_files.h"

#define PATH 200

/* One configuration at a time, of two pools; its certificates in the test's folder. */
struct scene {
	struct loop *loop;
	struct tls_store *store;
	struct tls_pools *pools;
	struct config *config;
};

/* ---- a scene --------------------------------------------------------------------------------- */

static struct tls_place
place_of(const void *arg, size_t pool)
{
	(void)arg;
	return (struct tls_place){ (uint32_t)pool + 5, 7 };
}

/* The pool's settings of TLS; @ stands for the folder, NULL for none. */
static void
write_tls(FILE *out, const char *settings)
{
	if (!settings)
		return;
	fputs(" tls = { ", out);
	for (; *settings; settings++) {
		if (*settings == '@')
			fputs(folder_path(), out);
		else
			fputc(*settings, out);
	}
	fputs(" };", out);
}

static struct config *
parse(const char *first, const char *second)
{
	struct config_messages messages;
	struct config *config;
	char text[4000] = "";
	FILE *out = fmemopen(text, sizeof(text), "w");
	size_t i;

	fputs("dataplane = { workers = [ 0 ]; control = 0; share_cores = true; };\n"
	      "interfaces = ( { name = \"net\"; device = \"net_null0\"; addresses = [ "
	      "\"198.51.100.2/24\" ]; } );\n"
	      "pools = ( { name = \"shop\"; backends = ( { address = \"198.51.100.11\"; port = "
	      "443; } );",
	      out);
	write_tls(out, first);
	fputs(" }, { name = \"wiki\"; backends = ( { address = \"198.51.100.12\"; port = 443; } "
	      ");",
	      out);
	write_tls(out, second);
	fputs(" } );\n"
	      "listeners = ( { name = \"shop\"; address = \"203.0.113.1\"; port = 80; protocol = "
	      "\"tcp\"; pool = \"shop\"; },\n"
	      "{ name = \"wiki\"; address = \"203.0.113.2\"; port = 80; protocol = \"tcp\"; pool = "
	      "\"wiki\"; } );\n",
	      out);
	fclose(out);
	config = config_parse("test.conf", text, strlen(text), &messages);
	for (i = 0; !config && i < messages.count; i++)
		fprintf(stderr, "%s\n", messages.list[i].text);
	config_messages_free(&messages);
	return config;
}

/* False: it was not taken. */
static bool
offer(struct scene *s, struct config *config)
{
	const char *error = NULL;

	if (tls_pools_offer(s->pools, config, place_of, NULL, &error) == 0)
		return true;
	fprintf(stderr, "%s\n", error);
	return false;
}

static void
run(struct scene *s, const char *first, const char *second)
{
	struct config *config = parse(first, second);

	CU_ASSERT_PTR_NOT_NULL_FATAL(config);
	CU_ASSERT_FATAL(offer(s, config));
	tls_pools_published(s->pools);
	config_free(s->config);
	s->config = config;
}

static void
scene_begin(struct scene *s)
{
	tls_files_begin();
	memset(s, 0, sizeof(*s));
	s->loop = loop_create();
	s->store = tls_store_create();
	s->pools = tls_pools_create(s->loop, s->store);
	CU_ASSERT_FATAL(s->loop && s->store && s->pools);
	tls_files_replace_pair("ca", &(struct tls_wish){ .name = "one", .authority = true });
	tls_files_replace_pair("own", &(struct tls_wish){ .name = "gateway" });
}

static void
scene_end(struct scene *s)
{
	tls_pools_destroy(s->pools);
	tls_store_destroy(s->store);
	loop_destroy(s->loop);
	config_free(s->config);
	tls_files_end();
}

/* The client of the pool at this index, which stays the store's; NULL: none. */
static const struct tls_client *
client_of(struct scene *s, uint32_t index)
{
	struct tls_client *client = tls_store_get_client(s->store, index + 5, 7);

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

/* What the timer does, as often as it takes. */
static void
look(struct scene *s)
{
	tls_pools_look(s->pools);
	tls_pools_look(s->pools);
}

#define TRUST   "server_name = \"shop.example\"; ca = \"@/ca.pem\";"
#define OWN     "cert = \"@/own.pem\"; key = \"@/own.key\";"
#define ADDRESS "server_name = \"192.0.2.1\"; ca = \"@/ca.pem\";"
#define ANY     "verify = false;"

/* ---- tests ----------------------------------------------------------------------------------- */

static void
test_configurations(void)
{
	const struct tls_client *client;
	struct scene s;

	scene_begin(&s);
	run(&s, TRUST OWN, ADDRESS);
	client = client_of(&s, 0);
	CU_ASSERT_FATAL(trusts(client, "one") && shows(client, "gateway"));
	CU_ASSERT(client->verify && strcmp(client->name, "shop.example") == 0);
	client = client_of(&s, 1);
	CU_ASSERT_FATAL(trusts(client, "one") && !client->certificate);
	CU_ASSERT(client->n_address == 4 && client->name[0] == '\0');
	CU_ASSERT_PTR_NULL(tls_store_get_client(s.store, 5, 6)); /* of another epoch */
	run(&s, NULL, ANY OWN);
	CU_ASSERT_PTR_NULL(client_of(&s, 0));
	client = client_of(&s, 1);
	CU_ASSERT_FATAL(client && !client->verify && !client->trust);
	CU_ASSERT(shows(client, "gateway"));
	run(&s, NULL, NULL);
	CU_ASSERT_PTR_NULL(client_of(&s, 1));
	scene_end(&s);
}

static void
test_withdrawn(void)
{
	struct scene s;
	struct config *config;

	scene_begin(&s);
	run(&s, TRUST, NULL);
	config = parse(ANY, ANY);
	CU_ASSERT_PTR_NOT_NULL_FATAL(config);
	CU_ASSERT(offer(&s, config));
	CU_ASSERT(client_of(&s, 0) && !client_of(&s, 0)->verify && client_of(&s, 1));
	tls_pools_withdraw(s.pools);
	CU_ASSERT(trusts(client_of(&s, 0), "one"));
	CU_ASSERT_PTR_NULL(client_of(&s, 1));
	config_free(config);
	scene_end(&s);
}

/* Another certificate of ours; handshakes that have begun go on with what they began with. */
static void
test_certificate(void)
{
	const struct tls_client *before;
	struct tls_client *held;
	struct scene s;

	scene_begin(&s);
	run(&s, ANY OWN, NULL);
	before = client_of(&s, 0);
	look(&s);
	CU_ASSERT_PTR_EQUAL(client_of(&s, 0), before);
	CU_ASSERT(tls_files_logged(""));
	held = tls_store_get_client(s.store, 5, 7);
	tls_files_replace_pair("own", &(struct tls_wish){ .name = "new" });
	tls_pools_look(s.pools); /* is it still being written? */
	CU_ASSERT_PTR_EQUAL(client_of(&s, 0), before);
	tls_pools_look(s.pools);
	CU_ASSERT(shows(client_of(&s, 0), "new"));
	CU_ASSERT(tls_files_logged("certificate-reloaded pool=shop file="));
	CU_ASSERT(shows(held, "gateway"));
	tls_client_free(held);
	look(&s);
	CU_ASSERT(tls_files_logged(""));
	scene_end(&s);
}

/* Two pools have read the same file once, also when it changes. */
static void
test_authorities(void)
{
	const struct tls_client *before;
	struct tls_pair pair;
	struct scene s;

	scene_begin(&s);
	run(&s, TRUST, ADDRESS);
	before = client_of(&s, 1);
	CU_ASSERT_PTR_EQUAL(client_of(&s, 0)->trust, before->trust);
	pair = tls_test_make(&(struct tls_wish){ .name = "two", .authority = true });
	tls_files_replace("ca.pem", pair.certificate, 0644);
	look(&s);
	CU_ASSERT(trusts(client_of(&s, 0), "two") && trusts(client_of(&s, 1), "two"));
	CU_ASSERT_PTR_EQUAL(client_of(&s, 0)->trust, client_of(&s, 1)->trust);
	CU_ASSERT(tls_files_logged("authorities-reloaded pool=wiki file="));
	/* The same in another file. */
	before = client_of(&s, 1);
	tls_files_replace("ca.pem", pair.certificate, 0644);
	look(&s);
	CU_ASSERT_PTR_EQUAL(client_of(&s, 1), before);
	CU_ASSERT(tls_files_logged(""));
	tls_test_free(&pair);
	scene_end(&s);
}

static void
test_bad_files(void)
{
	const struct tls_client *before;
	struct tls_pair pair = tls_test_make(&(struct tls_wish){ .name = "other" });
	struct scene s;
	char path[PATH];

	scene_begin(&s);
	run(&s, TRUST OWN, NULL);
	before = client_of(&s, 0);
	tls_files_replace("own.pem", pair.certificate, 0644);
	look(&s);
	CU_ASSERT(tls_files_logged("pool=shop file="));
	look(&s);
	CU_ASSERT(tls_files_logged("")); /* said once */
	tls_files_replace("own.key", pair.key, 0644);
	look(&s);
	CU_ASSERT(tls_files_logged("(mode 0644)"));
	tls_files_replace_pair("own", &(struct tls_wish){ .name = "a", .use = "serverAuth" });
	look(&s);
	CU_ASSERT(tls_files_logged("has a certificate that is not for clients"));
	tls_files_replace_pair("own", &(struct tls_wish){ .name = "a", .begin = -20, .end = -10 });
	look(&s);
	CU_ASSERT(tls_files_logged("reason=\"has expired\""));
	tls_files_replace("ca.pem", "none", 0644);
	look(&s);
	CU_ASSERT(tls_files_logged("has no certificates in PEM"));
	unlink(folder_file("ca.pem", path, sizeof(path)));
	look(&s);
	CU_ASSERT(tls_files_logged("cannot be read: No such file or directory"));
	CU_ASSERT_PTR_EQUAL(client_of(&s, 0), before);
	tls_files_replace_pair("own", &(struct tls_wish){ .name = "new" });
	look(&s);
	CU_ASSERT(shows(client_of(&s, 0), "new") && trusts(client_of(&s, 0), "one"));
	tls_test_free(&pair);
	scene_end(&s);
}

/* With the configuration they are an error. */
static void
test_bad_configuration(void)
{
	struct scene s;

	scene_begin(&s);
	tls_files_replace_pair("own", &(struct tls_wish){ .name = "a", .use = "serverAuth" });
	CU_ASSERT_PTR_NULL(parse(ANY OWN, NULL));
	CU_ASSERT(tls_files_logged("pools.shop.tls.cert: \""));
	tls_files_replace("ca.pem", "none", 0644);
	CU_ASSERT_PTR_NULL(parse(NULL, TRUST));
	CU_ASSERT(tls_files_logged("pools.wiki.tls.ca: \""));
	scene_end(&s);
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
	struct scene s;

	tls_pools_each(NULL, see, &seen);
	scene_begin(&s);
	run(&s, TRUST, ANY OWN);
	tls_pools_each(s.pools, see, &seen);
	CU_ASSERT(seen.n == 1 && strcmp(seen.pool, "wiki") == 0);
	scene_end(&s);
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
	struct scene s;

	scene_begin(&s);
	if (access(TLS_SYSTEM_AUTHORITIES, R_OK) == 0) {
		run(&s, "server_name = \"shop.example\";", "server_name = \"wiki.example\";");
		CU_ASSERT(client_of(&s, 0)->trust && client_of(&s, 0)->trust->is_partial);
		CU_ASSERT_PTR_EQUAL(client_of(&s, 0)->trust, client_of(&s, 1)->trust);
		look(&s);
		CU_ASSERT(tls_files_logged(""));
	} else {
		CU_ASSERT_PTR_NULL(parse("server_name = \"shop.example\";", NULL));
		CU_ASSERT(tls_files_logged("pools.shop.tls.ca: missing, and the file of the "
					   "system's authorities, \"" TLS_SYSTEM_AUTHORITIES
					   "\", cannot be read"));
	}
	scene_end(&s);
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

/* SPDX-License-Identifier: Apache-2.0 */
/* cp/tls/listeners: servers of a configuration in the store, and files that change. */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cp/tls/server.h"
#include "tests/unit/suites.h"
#include "tests/unit/tls_scene.h"

#define PATH 200

/* ---- a scene --------------------------------------------------------------------------------- */

/* A listener with one certificate of the folder, and what else its tls has. */
static const char *
listener(const char *name, unsigned int host, const char *certificate, const char *rest)
{
	static char text[4][1000];
	static unsigned int next;
	char *out = text[next++ % 4];

	snprintf(out, sizeof(text[0]),
		 "{ name = \"%s\"; address = \"203.0.113.%u\"; port = 443; protocol = \"https\"; "
		 "pool = \"web\"; tls = { certificates = ( { cert = \"@/%s.pem\"; key = "
		 "\"@/%s.key\"; } ); %s }; }",
		 name, host, certificate, certificate, rest);
	return out;
}

static struct config *
parse(const char *listeners)
{
	static const char pool[] =
	    "{ name = \"web\"; backends = ( { address = \"198.51.100.11\"; port = 80; } ); }";

	return tls_scene_parse(pool, listeners);
}

static void
run(struct tls_scene *s, const char *listeners)
{
	tls_scene_run(s, parse(listeners));
}

/* Tickets of the first listener good for a second, which is less than a configuration may say. */
static void
run_for_a_second(struct tls_scene *s, const char *listeners)
{
	struct config *config = parse(listeners);

	CU_ASSERT_PTR_NOT_NULL_FATAL(config);
	config->listeners[0].tls.tickets.lifetime = 1000000000;
	tls_scene_run(s, config);
}

static void
scene_begin(struct tls_scene *s)
{
	tls_scene_begin(s);
	tls_files_replace_pair("shop", &(struct tls_wish){ .name = "shop.example" });
}

/* The server of the listener at this index, which stays the store's; NULL: none. */
static const struct tls_server *
server_of(struct tls_scene *s, uint32_t index)
{
	struct tls_server *server =
	    tls_store_get(s->store, index + TLS_SCENE_SLOT, TLS_SCENE_EPOCH);

	if (server)
		tls_store_release(s->store, server);
	return server;
}

static bool
is_for(const struct tls_server *server, const char *name)
{
	size_t n;

	return server && tls_server_find(server, name, &n) != NULL;
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void
test_configurations(void)
{
	struct tls_scene s;
	char both[3000];

	scene_begin(&s);
	tls_files_replace_pair("wiki", &(struct tls_wish){ .name = "wiki.example" });
	snprintf(both, sizeof(both), "%s, %s", listener("shop", 1, "shop", ""),
		 listener("wiki", 2, "wiki", ""));
	run(&s, both);
	CU_ASSERT(is_for(server_of(&s, 0), "shop.example"));
	CU_ASSERT(is_for(server_of(&s, 1), "wiki.example"));
	CU_ASSERT_FALSE(is_for(server_of(&s, 0), "wiki.example"));
	run(&s, listener("shop", 1, "wiki", ""));
	CU_ASSERT(is_for(server_of(&s, 0), "wiki.example"));
	CU_ASSERT_PTR_NULL(server_of(&s, 1));
	run(&s, "{ name = \"web\"; address = \"203.0.113.1\"; port = 80; protocol = \"http\"; pool "
		"= \"web\"; }");
	CU_ASSERT_PTR_NULL(server_of(&s, 0));
	tls_scene_end(&s);
}

static void
test_withdrawn(void)
{
	struct tls_scene s;
	char both[3000];
	struct config *config;

	scene_begin(&s);
	tls_files_replace_pair("wiki", &(struct tls_wish){ .name = "wiki.example" });
	run(&s, listener("shop", 1, "shop", ""));
	snprintf(both, sizeof(both), "%s, %s", listener("shop", 1, "wiki", ""),
		 listener("wiki", 2, "wiki", ""));
	config = parse(both);
	tls_scene_offer(&s, config);
	CU_ASSERT(is_for(server_of(&s, 0), "wiki.example"));
	tls_scene_withdraw(&s);
	CU_ASSERT(is_for(server_of(&s, 0), "shop.example"));
	CU_ASSERT_PTR_NULL(server_of(&s, 1));
	config_free(config);
	tls_scene_end(&s);
}

static void
test_reload(void)
{
	const struct tls_server *before;
	struct tls_scene s;

	scene_begin(&s);
	run(&s, listener("shop", 1, "shop", ""));
	before = server_of(&s, 0);
	tls_scene_look(&s);
	CU_ASSERT_PTR_EQUAL(server_of(&s, 0), before);
	CU_ASSERT(tls_files_logged(""));
	tls_files_replace_pair("shop", &(struct tls_wish){ .name = "new.example" });
	tls_listeners_look(s.listeners); /* is it still being written? */
	CU_ASSERT_PTR_EQUAL(server_of(&s, 0), before);
	tls_listeners_look(s.listeners);
	CU_ASSERT(is_for(server_of(&s, 0), "new.example"));
	CU_ASSERT(tls_files_logged("certificate-reloaded listener=shop file="));
	tls_scene_look(&s);
	CU_ASSERT(tls_files_logged(""));
	tls_scene_end(&s);
}

/* Handshakes that have begun go on with what they began with. */
static void
test_reload_held(void)
{
	struct tls_server *held;
	struct tls_scene s;

	scene_begin(&s);
	run(&s, listener("shop", 1, "shop", ""));
	held = tls_store_get(s.store, TLS_SCENE_SLOT, TLS_SCENE_EPOCH);
	CU_ASSERT_PTR_NOT_NULL_FATAL(held);
	tls_files_replace_pair("shop", &(struct tls_wish){ .name = "new.example" });
	tls_scene_look(&s);
	CU_ASSERT(is_for(server_of(&s, 0), "new.example"));
	CU_ASSERT(is_for(held, "shop.example"));
	tls_store_release(s.store, held);
	tls_scene_end(&s);
}

/* A certificate without its key, then with it. */
static void
test_mismatch(void)
{
	struct tls_pair pair = tls_test_make(&(struct tls_wish){ .name = "new.example" });
	const struct tls_server *before;
	struct tls_scene s;
	char path[PATH];

	scene_begin(&s);
	run(&s, listener("shop", 1, "shop", ""));
	before = server_of(&s, 0);
	tls_files_replace("shop.pem", pair.certificate, 0644);
	tls_scene_look(&s);
	CU_ASSERT_PTR_EQUAL(server_of(&s, 0), before);
	CU_ASSERT(tls_files_logged("reason=\"does not belong to the certificate\""));
	tls_scene_look(&s);
	CU_ASSERT(tls_files_logged("")); /* said once */
	tls_files_replace("shop.key", pair.key, 0644);
	tls_scene_look(&s);
	CU_ASSERT_PTR_EQUAL(server_of(&s, 0), before);
	CU_ASSERT(tls_files_logged("(mode 0644)"));
	CU_ASSERT_EQUAL(chmod(folder_file("shop.key", path, sizeof(path)), 0600), 0);
	tls_scene_look(&s);
	CU_ASSERT(is_for(server_of(&s, 0), "new.example"));
	CU_ASSERT(tls_files_logged("certificate-reloaded"));
	tls_test_free(&pair);
	tls_scene_end(&s);
}

static void
test_bad_files(void)
{
	const struct tls_server *before;
	struct tls_scene s;
	char path[PATH];

	scene_begin(&s);
	run(&s, listener("shop", 1, "shop", ""));
	before = server_of(&s, 0);
	tls_files_replace("shop.pem", "", 0644);
	tls_scene_look(&s);
	CU_ASSERT(tls_files_logged("is not a certificate in PEM"));
	unlink(folder_file("shop.pem", path, sizeof(path)));
	tls_scene_look(&s);
	CU_ASSERT(tls_files_logged("cannot be read: No such file or directory"));
	tls_files_replace_pair(
	    "shop", &(struct tls_wish){ .name = "old.example", .begin = -20, .end = -10 });
	tls_scene_look(&s);
	CU_ASSERT(tls_files_logged("reason=\"has expired\""));
	CU_ASSERT_PTR_EQUAL(server_of(&s, 0), before);
	tls_files_replace_pair("shop", &(struct tls_wish){ .name = "new.example" });
	tls_scene_look(&s);
	CU_ASSERT(is_for(server_of(&s, 0), "new.example"));
	tls_scene_end(&s);
}

/* As those do it who want both files to change at once. */
static void
test_symlink(void)
{
	char target[2][PATH], link[PATH], new[PATH];
	struct tls_scene s;
	int i;

	scene_begin(&s);
	for (i = 0; i < 2; i++) {
		char name[20];

		snprintf(name, sizeof(name), "version%d", i);
		mkdir(folder_file(name, target[i], sizeof(target[i])), 0700);
		snprintf(name, sizeof(name), "version%d/shop", i);
		tls_files_replace_pair(
		    name, &(struct tls_wish){ .name = i ? "new.example" : "shop.example" });
	}
	folder_file("current", link, sizeof(link));
	folder_file("link", new, sizeof(new));
	CU_ASSERT_EQUAL(symlink(target[0], link), 0);
	run(&s, listener("shop", 1, "current/shop", ""));
	CU_ASSERT(is_for(server_of(&s, 0), "shop.example"));
	CU_ASSERT_EQUAL(symlink(target[1], new), 0);
	CU_ASSERT_EQUAL(rename(new, link), 0);
	tls_scene_look(&s);
	CU_ASSERT(is_for(server_of(&s, 0), "new.example"));
	tls_scene_end(&s);
}

/* Another time, or another file with the same in it. */
static void
test_same_content(void)
{
	struct tls_pair pair = tls_test_make(&(struct tls_wish){ .name = "shop.example" });
	const struct tls_server *before;
	struct tls_scene s;

	scene_begin(&s);
	tls_files_replace("shop.pem", pair.certificate, 0644);
	tls_files_replace("shop.key", pair.key, 0600);
	run(&s, listener("shop", 1, "shop", ""));
	before = server_of(&s, 0);
	tls_files_replace("shop.pem", pair.certificate, 0644);
	tls_files_replace("shop.key", pair.key, 0600);
	tls_scene_look(&s);
	CU_ASSERT_PTR_EQUAL(server_of(&s, 0), before);
	CU_ASSERT(tls_files_logged(""));
	tls_test_free(&pair);
	tls_scene_end(&s);
}

/* Tickets stay good while what was agreed on with their clients does. */
static void
test_tickets(void)
{
	const struct tls_tickets *before;
	struct tls_scene s;

	scene_begin(&s);
	run(&s, listener("shop", 1, "shop", ""));
	before = server_of(&s, 0)->tickets;
	CU_ASSERT_PTR_NOT_NULL(before);
	tls_files_replace_pair("shop", &(struct tls_wish){ .name = "new.example" });
	tls_scene_look(&s);
	CU_ASSERT(is_for(server_of(&s, 0), "new.example"));
	CU_ASSERT_PTR_EQUAL(server_of(&s, 0)->tickets, before);
	run(&s, listener("shop", 1, "shop", ""));
	CU_ASSERT_PTR_EQUAL(server_of(&s, 0)->tickets, before);
	run(&s, listener("shop", 1, "shop", "minimum = \"1.3\";"));
	CU_ASSERT_PTR_NOT_EQUAL(server_of(&s, 0)->tickets, before);
	run(&s, listener("shop", 1, "shop", "tickets = { lifetime = \"0s\"; };"));
	CU_ASSERT_PTR_NULL(server_of(&s, 0)->tickets);
	tls_scene_end(&s);
}

static void
test_authorities(void)
{
	struct tls_pair pair;
	struct tls_scene s;

	scene_begin(&s);
	tls_files_replace_pair("ca", &(struct tls_wish){ .name = "one", .authority = true });
	run(&s, listener("shop", 1, "shop",
			 "client_auth = { mode = \"require\"; ca = \"@/ca.pem\"; };"));
	tls_files_replace("ca.pem", "none", 0644);
	tls_scene_look(&s);
	CU_ASSERT(tls_files_logged("has no certificates in PEM"));
	pair = tls_test_make(&(struct tls_wish){ .name = "two", .authority = true });
	tls_files_replace("ca.pem", pair.certificate, 0644);
	tls_scene_look(&s);
	CU_ASSERT(tls_files_logged("authorities-reloaded"));
	/* Who was good to the one may not be to the other. */
	CU_ASSERT_PTR_NULL(server_of(&s, 0)->tickets);
	CU_ASSERT(server_of(&s, 0)->trust->authorities.subject.val.len == 3 &&
		  memcmp(server_of(&s, 0)->trust->authorities.subject.val.p, "two", 3) == 0);
	tls_test_free(&pair);
	tls_scene_end(&s);
}

/* Of the key that makes tickets. */
static const unsigned char *
key_name(const struct tls_tickets *tickets)
{
	const mbedtls_ssl_ticket_context *c = &tickets->context;

	return c->MBEDTLS_PRIVATE(keys)[c->MBEDTLS_PRIVATE(active)].MBEDTLS_PRIVATE(name);
}

static void
test_shared_keys(void)
{
	char key[2][80];
	struct tls_scene s;
	int i;

	for (i = 0; i < 2; i++)
		snprintf(key[i], sizeof(key[i]), "%064x\n", i + 1);
	scene_begin(&s);
	tls_files_replace("tickets", key[0], 0600);
	run(&s, listener("shop", 1, "shop", "tickets = { keys = \"@/tickets\"; };"));
	tls_scene_look(&s);
	CU_ASSERT(tls_files_logged(""));
	tls_files_replace("tickets", key[1], 0644);
	tls_scene_look(&s);
	CU_ASSERT(tls_files_logged("(mode 0644)"));
	tls_files_replace("tickets", key[1], 0600);
	tls_scene_look(&s);
	CU_ASSERT(tls_files_logged("ticket-keys-reloaded listener=shop file="));
	tls_scene_end(&s);
}

/* mbedTLS would bring keys of its own when those of the file are as old as tickets get: when half
 * of that has passed, there is another server with the same keys, and nobody is told. */
static void
test_shared_keys_stay(void)
{
	static const char key[] =
	    "00000000000000000000000000000000000000000000000000000000000000a1\n";
	const struct tls_server *first;
	struct tls_tickets *tickets;
	struct tls_scene s;

	scene_begin(&s);
	tls_files_replace("tickets", key, 0600);
	run_for_a_second(&s, listener("shop", 1, "shop", "tickets = { keys = \"@/tickets\"; };"));
	first = tls_server_get((struct tls_server *)server_of(&s, 0));
	tls_scene_look(&s);
	CU_ASSERT_PTR_EQUAL(server_of(&s, 0), first);
	usleep(510000);
	tls_scene_look(&s);
	CU_ASSERT_PTR_NOT_EQUAL(server_of(&s, 0), first);
	tickets = server_of(&s, 0)->tickets;
	CU_ASSERT_PTR_NOT_EQUAL(tickets, first->tickets);
	CU_ASSERT_EQUAL(memcmp(key_name(tickets), key_name(first->tickets), TLS_TICKET_NAME), 0);
	CU_ASSERT(tls_files_logged(""));
	tls_server_free((struct tls_server *)first);
	/* Own ones mbedTLS itself replaces. */
	run_for_a_second(&s, listener("shop", 1, "shop", ""));
	first = server_of(&s, 0);
	usleep(510000);
	tls_scene_look(&s);
	CU_ASSERT_PTR_EQUAL(server_of(&s, 0), first);
	tls_scene_end(&s);
}

int
test_tls_listeners_register(void)
{
	static CU_TestInfo tests[] = {
		{ "one configuration after the other", test_configurations },
		{ "a configuration that does not come", test_withdrawn },
		{ "another certificate", test_reload },
		{ "the old one is still in use", test_reload_held },
		{ "a certificate before its key", test_mismatch },
		{ "files that are no good", test_bad_files },
		{ "a link to other files", test_symlink },
		{ "the same content", test_same_content },
		{ "tickets", test_tickets },
		{ "authorities", test_authorities },
		{ "keys of tickets that machines share", test_shared_keys },
		{ "... stay the same ones", test_shared_keys_stay },
		CU_TEST_INFO_NULL,
	};
	static CU_SuiteInfo suites[] = { { "tls_listeners", NULL, NULL, NULL, NULL, tests },
					 CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}

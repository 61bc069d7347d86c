/* SPDX-License-Identifier: Apache-2.0 */
/* cp/tls/server: which certificate a client gets, and whose certificate it may show. */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/suites.h"
#include "tests/unit/tls_peer.h"

#define MOST 8

static struct tls_meeting m; /* large, and one at a time */

/* A server with certificates that are called by their common names. */
struct named_server {
	struct tls_pair pairs[MOST];
	size_t n;
	struct tls_server *server;
};

static void
named_begin(struct named_server *s, const struct tls_wish *wishes, size_t n)
{
	struct tls_server_settings settings = {
		.pairs = s->pairs, .n_pairs = n, .minimum = TLS_1_2, .maximum = TLS_1_3
	};

	for (s->n = 0; s->n < n; s->n++)
		s->pairs[s->n] = tls_test_make(&wishes[s->n]);
	s->server = tls_test_server(&settings);
}

static void
named_end(struct named_server *s)
{
	tls_server_free(s->server);
	while (s->n > 0)
		tls_test_free(&s->pairs[--s->n]);
}

/* The common name of the certificate that a client got; "-": none. */
static const char *
meet(struct tls_server *server, const struct tls_peer_settings *client)
{
	static char name[100];
	X509 *x;

	tls_meet(&m, server, client, TLS_STREAM_MAX);
	snprintf(name, sizeof(name), "-");
	if (tls_shake_hands(&m) == TLS_STEP_DONE && tls_talk(&m)) {
		x = SSL_get0_peer_certificate(m.peer);
		X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, name,
					  sizeof(name));
	}
	tls_part(&m);
	return name;
}

/* With both versions; asked: NULL for none. */
static void
check_name(struct tls_server *server, const char *asked, const char *got)
{
	struct tls_peer_settings p = { .name = asked };

	CU_ASSERT_STRING_EQUAL(meet(server, &p), got);
	p.maximum = TLS1_2_VERSION;
	CU_ASSERT_STRING_EQUAL(meet(server, &p), got);
}

static void
test_names(void)
{
	static const struct tls_wish wishes[] = {
		{ .name = "first", .alternative = "DNS:first.example" },
		{ .name = "exact", .alternative = "DNS:Shop.example,DNS:www.shop.example" },
		{ .name = "wild", .alternative = "DNS:*.shop.example,IP:192.0.2.1" },
		{ .name = "common.example" },
		{ .name = "unused.example", .alternative = "DNS:*.other.example" },
	};
	struct named_server s;

	named_begin(&s, wishes, 5);
	check_name(s.server, "shop.example", "exact");
	check_name(s.server, "SHOP.example", "exact");
	check_name(s.server, "www.shop.example", "exact");
	check_name(s.server, "shop.example.", "exact");
	check_name(s.server, "a.shop.example.", "wild");
	check_name(s.server, "a.shop.example", "wild");
	check_name(s.server, "A.Shop.Example", "wild");
	check_name(s.server, "a.b.shop.example", "first");
	check_name(s.server, "xshop.example", "first");
	check_name(s.server, "common.example", "common.example");
	check_name(s.server, "unused.example", "first");
	check_name(s.server, "x.other.example", "unused.example");
	check_name(s.server, "other.example", "first");
	check_name(s.server, "example", "first");
	check_name(s.server, NULL, "first");
	named_end(&s);
}

/* What a client can use of two. */
static void
test_kinds(void)
{
	static const struct tls_wish wishes[] = {
		{ .name = "first" },
		{ .kind = TLS_TEST_RSA, .name = "rsa", .alternative = "DNS:shop.example" },
		{ .kind = TLS_TEST_ECDSA, .name = "ecdsa", .alternative = "DNS:shop.example" },
	};
	static const struct {
		int version;
		const char *ciphers12, *signatures, *groups, *got;
	} cases[] = {
		{ TLS1_2_VERSION, "ECDHE-RSA-AES128-GCM-SHA256", NULL, NULL, "rsa" },
		{ TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", NULL, NULL, "ecdsa" },
		{ TLS1_2_VERSION, "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256", NULL,
		  NULL, "ecdsa" },
		/* Whatever the order of ciphers and signatures, the client's and ours. */
		{ TLS1_2_VERSION, "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305", NULL,
		  NULL, "ecdsa" },
		{ TLS1_2_VERSION, NULL, "RSA+SHA256:ECDSA+SHA256", NULL, "ecdsa" },
		{ TLS1_2_VERSION, NULL, "RSA+SHA256", NULL, "rsa" },
		{ TLS1_2_VERSION, "ECDHE-RSA-AES128-GCM-SHA256", "RSA-PSS+SHA256", NULL, "-" },
		/* ECDSA with curves that the client has, only. */
		{ TLS1_2_VERSION, NULL, NULL, "X25519", "rsa" },
		{ TLS1_2_VERSION, NULL, NULL, "X25519:P-256", "ecdsa" },
		{ TLS1_3_VERSION, NULL, "RSA-PSS+SHA256", NULL, "rsa" },
		{ TLS1_3_VERSION, NULL, "ECDSA+SHA256", NULL, "ecdsa" },
		{ TLS1_3_VERSION, NULL, "ECDSA+SHA256:RSA-PSS+SHA256", NULL, "ecdsa" },
		{ TLS1_3_VERSION, NULL, "RSA-PSS+SHA256:ECDSA+SHA256", NULL, "ecdsa" },
		{ TLS1_3_VERSION, NULL, "RSA-PSS+SHA256:ECDSA+SHA384", NULL, "rsa" },
		{ TLS1_3_VERSION, NULL, "RSA-PSS+SHA256:ECDSA+SHA256", "X25519", "ecdsa" },
		/* There is a second hello. */
		{ TLS1_3_VERSION, NULL, "RSA-PSS+SHA256:ECDSA+SHA256", "P-521:P-256", "ecdsa" },
	};
	struct named_server s;
	size_t i;

	named_begin(&s, wishes, 3);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tls_peer_settings p = { .name = "shop.example",
					       .minimum = cases[i].version,
					       .maximum = cases[i].version,
					       .ciphers12 = cases[i].ciphers12,
					       .signatures = cases[i].signatures,
					       .groups = cases[i].groups };

		CU_ASSERT_STRING_EQUAL(meet(s.server, &p), cases[i].got);
	}
	named_end(&s);
}

/* A name's own certificate, which is ECDSA, is not in the way of the RSA one of its domain. */
static void
test_kinds_by_name(void)
{
	static const struct tls_wish wishes[] = {
		{ .kind = TLS_TEST_RSA, .name = "first" },
		{ .name = "exact", .alternative = "DNS:a.shop.example,DNS:b.example" },
		{ .kind = TLS_TEST_RSA, .name = "wild", .alternative = "DNS:*.shop.example" },
	};
	static const char *const signatures[] = { "RSA+SHA256", "RSA-PSS+SHA256" };
	struct named_server s;
	int v;

	named_begin(&s, wishes, 3);
	check_name(s.server, "a.shop.example", "exact");
	for (v = 0; v < 2; v++) {
		struct tls_peer_settings p = { .name = "a.shop.example",
					       .signatures = signatures[v],
					       .maximum = v ? TLS1_3_VERSION : TLS1_2_VERSION };

		CU_ASSERT_STRING_EQUAL(meet(s.server, &p), "wild");
		/* There is none for it: not another name's. */
		p.name = "b.example";
		CU_ASSERT_STRING_EQUAL(meet(s.server, &p), "-");
	}
	named_end(&s);
}

/* Whoever asks for a name that nobody has gets what the first has, of both kinds. */
static void
test_default(void)
{
	static const struct tls_wish wishes[] = {
		{ .name = "ecdsa", .alternative = "DNS:shop.example" },
		{ .name = "other", .alternative = "DNS:other.example" },
		{ .kind = TLS_TEST_RSA, .name = "rsa", .alternative = "DNS:shop.example" },
	};
	struct tls_peer_settings p = { .maximum = TLS1_2_VERSION,
				       .ciphers12 = "ECDHE-RSA-AES128-GCM-SHA256" };
	struct named_server s;

	named_begin(&s, wishes, 3);
	CU_ASSERT_STRING_EQUAL(meet(s.server, &p), "rsa");
	p.name = "nobody.example";
	CU_ASSERT_STRING_EQUAL(meet(s.server, &p), "rsa");
	p.ciphers12 = NULL;
	CU_ASSERT_STRING_EQUAL(meet(s.server, &p), "ecdsa");
	named_end(&s);
}

/* ---- clients' certificates ------------------------------------------------------------------- */

struct authority {
	struct tls_pair pair, client, revoked, stranger;
	char *list;
	struct tls_trust *trust;
};

static void
authority_begin(struct authority *a)
{
	struct tls_trust_faults faults = { 0 };

	a->pair = tls_test_make(&(struct tls_wish){ .name = "authority", .authority = true });
	a->client =
	    tls_test_make(&(struct tls_wish){ .name = "client", .issuer = &a->pair, .serial = 10 });
	a->revoked = tls_test_make(
	    &(struct tls_wish){ .name = "revoked", .issuer = &a->pair, .serial = 11 });
	a->stranger = tls_test_make(&(struct tls_wish){ .name = "stranger" });
	a->list = tls_test_revoke(&a->pair, 11);
	a->trust = tls_trust_parse(a->pair.certificate, a->list, &faults);
	CU_ASSERT_PTR_NOT_NULL_FATAL(a->trust);
}

static void
authority_end(struct authority *a)
{
	tls_trust_put(a->trust);
	tls_test_free(&a->pair);
	tls_test_free(&a->client);
	tls_test_free(&a->revoked);
	tls_test_free(&a->stranger);
	free(a->list);
}

static void
check_client(struct tls_server *server, const struct tls_pair *own, bool may)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	size_t i;

	for (i = 0; i < 2; i++) {
		struct tls_peer_settings p = { .minimum = versions[i],
					       .maximum = versions[i],
					       .own = own };

		tls_meet(&m, server, &p, TLS_STREAM_MAX);
		tls_shake_hands(&m);
		CU_ASSERT_EQUAL(m.step, may ? TLS_STEP_DONE : TLS_STEP_FAILED);
		CU_ASSERT_EQUAL(tls_handshake_cause(m.handshake),
				may ? TLS_CAUSE_NONE : TLS_CAUSE_CLIENT_CERTIFICATE);
		tls_part(&m);
	}
}

static void
test_clients(void)
{
	struct tls_server_settings s = tls_test_settings(TLS_TEST_ECDSA);
	struct tls_server *server;
	struct authority a;

	authority_begin(&a);
	s.trust = a.trust;
	s.client_auth = TLS_CLIENT_REQUIRE;
	server = tls_test_server(&s);
	check_client(server, &a.client, true);
	check_client(server, NULL, false);
	check_client(server, &a.stranger, false);
	check_client(server, &a.revoked, false);
	tls_server_free(server);

	s.client_auth = TLS_CLIENT_REQUEST;
	server = tls_test_server(&s);
	check_client(server, &a.client, true);
	check_client(server, NULL, true);
	check_client(server, &a.stranger, true);
	check_client(server, &a.revoked, true);
	tls_server_free(server);

	/* nobody is asked */
	s.client_auth = TLS_CLIENT_NONE;
	server = tls_test_server(&s);
	check_client(server, &a.revoked, true);
	tls_server_free(server);
	authority_end(&a);
}

static void
test_roles(void)
{
	static const struct {
		const char *use;
		bool fits[2];
	} cases[] = {
		{ NULL, { true, true } },
		{ "serverAuth", { true, false } },
		{ "clientAuth", { false, true } },
		{ "clientAuth,serverAuth", { true, true } },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tls_pair pair = tls_test_make(
		    &(struct tls_wish){ .name = "shop.example", .use = cases[i].use });
		struct tls_pair_faults faults = { 0 };
		struct tls_certificate *c =
		    tls_certificate_parse(pair.certificate, pair.key, &faults);
		enum tls_role role;

		CU_ASSERT_PTR_NOT_NULL_FATAL(c);
		for (role = TLS_ROLE_SERVER; role <= TLS_ROLE_CLIENT; role++) {
			struct tls_fault fault = { "" };

			CU_ASSERT_EQUAL(tls_certificate_fits(c, role, &fault), cases[i].fits[role]);
			CU_ASSERT_EQUAL(fault.text[0] == '\0', cases[i].fits[role]);
		}
		tls_certificate_put(c);
		tls_test_free(&pair);
	}
}

/* ---- tickets --------------------------------------------------------------------------------- */

static SSL_SESSION *
get_ticket(struct tls_server *server)
{
	struct tls_peer_settings p = { .maximum = TLS1_2_VERSION };
	SSL_SESSION *session;

	tls_meet(&m, server, &p, TLS_STREAM_MAX);
	CU_ASSERT_EQUAL_FATAL(tls_shake_hands(&m), TLS_STEP_DONE);
	session = SSL_get1_session(m.peer);
	tls_part(&m);
	return session;
}

static bool
resumes(struct tls_server *server, SSL_SESSION *session)
{
	struct tls_peer_settings p = { .maximum = TLS1_2_VERSION, .session = session };
	bool resumed;

	tls_meet(&m, server, &p, TLS_STREAM_MAX);
	CU_ASSERT_EQUAL_FATAL(tls_shake_hands(&m), TLS_STEP_DONE);
	resumed = tls_handshake_result(m.handshake)->resumed;
	CU_ASSERT(tls_talk(&m));
	tls_part(&m);
	return resumed;
}

/* A server that follows another takes its tickets if it has its keys, also when that is gone. */
static void
test_ticket_keys(void)
{
	struct tls_server_settings s = tls_test_settings(TLS_TEST_ECDSA);
	struct tls_server *first, *second, *third;
	SSL_SESSION *session;

	s.ticket_lifetime = 3600;
	first = tls_test_server(&s);
	session = get_ticket(first);
	CU_ASSERT(resumes(first, session));
	s.ticket_keys = first->tickets;
	second = tls_test_server(&s);
	s.ticket_keys = NULL;
	third = tls_test_server(&s);
	tls_server_free(first);
	CU_ASSERT(resumes(second, session));
	CU_ASSERT_FALSE(resumes(third, session));
	SSL_SESSION_free(session);
	tls_server_free(second);
	tls_server_free(third);
}

/* So many seconds pass for the key that makes tickets now. */
static void
age(struct tls_server *server, time_t seconds)
{
	mbedtls_ssl_ticket_context *c = &server->tickets->context;

	c->MBEDTLS_PRIVATE(keys)[c->MBEDTLS_PRIVATE(active)].MBEDTLS_PRIVATE(generation_time) -=
	    seconds;
}

/* By the name that a ticket begins with. */
static bool
of_the_same_key(const SSL_SESSION *a, const SSL_SESSION *b)
{
	const unsigned char *x, *y;
	size_t n_x, n_y;

	SSL_SESSION_get0_ticket(a, &x, &n_x);
	SSL_SESSION_get0_ticket(b, &y, &n_y);
	return n_x >= TLS_TICKET_NAME && n_y >= TLS_TICKET_NAME &&
	       memcmp(x, y, TLS_TICKET_NAME) == 0;
}

/* Keys of a server's own make tickets as long as these are good, and open them as long again. */
static void
test_own_keys_change(void)
{
	struct tls_server_settings s = tls_test_settings(TLS_TEST_ECDSA);
	SSL_SESSION *sessions[3];
	struct tls_server *server;
	int i;

	s.ticket_lifetime = 3600;
	server = tls_test_server(&s);
	sessions[0] = get_ticket(server);
	age(server, 3590);
	sessions[1] = get_ticket(server);
	CU_ASSERT(of_the_same_key(sessions[0], sessions[1]));
	age(server, 10);
	CU_ASSERT(resumes(server, sessions[1]));
	sessions[2] = get_ticket(server);
	CU_ASSERT_FALSE(of_the_same_key(sessions[1], sessions[2]));
	CU_ASSERT(resumes(server, sessions[2]));
	age(server, 3600);
	CU_ASSERT(resumes(server, sessions[2]));
	CU_ASSERT_FALSE(resumes(server, sessions[1]));
	for (i = 0; i < 3; i++)
		SSL_SESSION_free(sessions[i]);
	tls_server_free(server);
}

/* A listener that asks for certificates takes nobody's ticket, and gives none. */
static void
test_no_tickets(void)
{
	struct tls_server_settings s = tls_test_settings(TLS_TEST_ECDSA);
	struct tls_server *open, *strict;
	SSL_SESSION *session;
	struct authority a;

	authority_begin(&a);
	s.ticket_lifetime = 3600;
	open = tls_test_server(&s);
	s.ticket_keys = open->tickets;
	s.trust = a.trust;
	s.client_auth = TLS_CLIENT_REQUEST;
	strict = tls_test_server(&s);
	session = get_ticket(open);
	CU_ASSERT(resumes(open, session));
	CU_ASSERT_FALSE(resumes(strict, session));
	SSL_SESSION_free(session);
	session = get_ticket(strict);
	CU_ASSERT_FALSE(resumes(open, session));
	SSL_SESSION_free(session);
	tls_server_free(open);
	tls_server_free(strict);
	authority_end(&a);
}

static struct tls_ticket_keys *
keys_of(const char *text)
{
	struct tls_fault fault = { "" };
	struct tls_ticket_keys *keys = tls_ticket_keys_parse(text, &fault);

	CU_ASSERT_PTR_NOT_NULL_FATAL(keys);
	return keys;
}

#define KEY_A "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF\n"
#define KEY_B "f0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n"
#define KEY_C "e0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n"

/* Two machines that have a key in common. */
static void
test_shared_keys(void)
{
	static const struct {
		const char *one, *other;
		bool resumes;
	} cases[] = {
		{ KEY_A, KEY_A, true },        { KEY_A, KEY_B KEY_A, true },
		{ KEY_A KEY_B, KEY_A, true },  { KEY_A, KEY_B, false },
		{ KEY_B KEY_A, KEY_A, false }, { KEY_A KEY_B, KEY_C KEY_A, true },
	};
	struct tls_server_settings s = tls_test_settings(TLS_TEST_ECDSA);
	size_t i;

	s.ticket_lifetime = 3600;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tls_ticket_keys *keys[2] = { keys_of(cases[i].one),
						    keys_of(cases[i].other) };
		struct tls_server *servers[2];
		SSL_SESSION *session;
		int j;

		for (j = 0; j < 2; j++) {
			s.shared_keys = keys[j];
			servers[j] = tls_test_server(&s);
			tls_ticket_keys_put(keys[j]);
		}
		session = get_ticket(servers[0]);
		CU_ASSERT(resumes(servers[0], session));
		CU_ASSERT_EQUAL(resumes(servers[1], session), cases[i].resumes);
		SSL_SESSION_free(session);
		tls_server_free(servers[0]);
		tls_server_free(servers[1]);
	}
}

static void
test_key_files(void)
{
	static const struct {
		const char *text, *fault;
	} cases[] = {
		{ "", "has no key" },
		{ "# none\n\n", "has no key" },
		{ KEY_A KEY_B KEY_C, "has more than 2 keys" },
		{ "x" KEY_A, "has a line that is no key of 64 hexadecimal digits" },
		{ KEY_A "0011\n", "has a line that is no key of 64 hexadecimal digits" },
		{ "0011223344556677889gaabbccddeeff00112233445566778899aabbccddeeff",
		  "has a line that is no key of 64 hexadecimal digits" },
	};
	struct tls_ticket_keys *a, *b;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tls_fault fault = { "" };

		CU_ASSERT_PTR_NULL(tls_ticket_keys_parse(cases[i].text, &fault));
		CU_ASSERT_STRING_EQUAL(fault.text, cases[i].fault);
	}
	a = keys_of(KEY_A KEY_B);
	b = keys_of("# new\n \t" KEY_A "\r\n" KEY_B "# old");
	CU_ASSERT(a->n == 2 && a->keys[0][1] == 0x11 && a->keys[0][31] == 0xff &&
		  a->keys[1][0] == 0xf0);
	CU_ASSERT(tls_ticket_keys_equal(a, b));
	tls_ticket_keys_put(b);
	b = keys_of(KEY_B KEY_A);
	CU_ASSERT_FALSE(tls_ticket_keys_equal(a, b));
	CU_ASSERT_FALSE(tls_ticket_keys_equal(a, NULL));
	tls_ticket_keys_put(a);
	tls_ticket_keys_put(b);
}

int
test_tls_server_register(void)
{
	static CU_TestInfo tests[] = {
		{ "certificates by name", test_names },
		{ "ECDSA and RSA for one name", test_kinds },
		{ "... and in the domain's certificate", test_kinds_by_name },
		{ "names that nobody has", test_default },
		{ "clients' certificates", test_clients },
		{ "certificates of servers and of clients", test_roles },
		{ "tickets of the server before", test_ticket_keys },
		{ "own keys of tickets change", test_own_keys_change },
		{ "no tickets where certificates are asked for", test_no_tickets },
		{ "tickets of another machine", test_shared_keys },
		{ "files of their keys", test_key_files },
		CU_TEST_INFO_NULL,
	};
	static CU_SuiteInfo suites[] = { { "tls_server", NULL, NULL, NULL, NULL, tests },
					 CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Handshakes of our client: with our server, and with one of mbedTLS's. */
#include <CUnit/CUnit.h>
#include <mbedtls/psa_util.h>
#include <mbedtls/ssl_ciphersuites.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/suites.h"
#include "tests/unit/tls_authority.h"
#include "tests/unit/tls_duo.h"
#include "tests/unit/tls_peer.h"

#define WHOLE TLS_DUO_ROOM

static struct tls_duo d; /* large, and one at a time */
static struct tls_mbed mbed;

static const enum tls_version versions[] = { TLS_1_2, TLS_1_3 };

/* A client that believes whoever has this certificate for shop.example. */
static struct tls_client_settings
settings(enum tls_test_key key)
{
	return (struct tls_client_settings){ .ca = tls_test_pair(key).certificate,
					     .server_name = "shop.example",
					     .verify = true,
					     .minimum = TLS_1_2,
					     .maximum = TLS_1_3 };
}

static struct tls_client_settings
settings_of(enum tls_version version)
{
	struct tls_client_settings s = settings(TLS_TEST_ECDSA);

	s.minimum = s.maximum = version;
	return s;
}

static const struct tls_handover *
result(const struct tls_party *party)
{
	return tls_handshake_result(party->handshake);
}

static void
check_good(enum tls_version version, enum tls_cipher cipher)
{
	const struct tls_handover *r = result(&d.client);

	CU_ASSERT_EQUAL_FATAL(d.client.step, TLS_STEP_DONE);
	CU_ASSERT_EQUAL(tls_handshake_cause(d.client.handshake), TLS_CAUSE_NONE);
	CU_ASSERT(r->receive.version == version && r->send.version == version);
	CU_ASSERT(r->receive.cipher == cipher && r->send.cipher == cipher);
	CU_ASSERT(r->receive.sequence == (version == TLS_1_2) &&
		  r->send.sequence == (version == TLS_1_2));
	CU_ASSERT_FALSE(r->resumed);
	CU_ASSERT(r->peer.has_certificate && r->peer.verified);
	CU_ASSERT_STRING_EQUAL(r->peer.subject, "CN=shop.example");
}

/* ---- good ones ------------------------------------------------------------------------------- */

static void
check_all_ciphers(enum tls_test_key key, size_t cut)
{
	struct tls_server_settings ss = tls_test_settings(key);
	struct tls_server *server = tls_test_server(&ss);
	int v, c;

	for (v = 0; v < 2; v++) {
		for (c = 0; c < TLS_CIPHERS; c++) {
			struct tls_client_settings s = settings(key);
			struct tls_client *client;

			s.minimum = s.maximum = versions[v];
			s.ciphers[0] = (enum tls_cipher)c;
			s.n_ciphers = 1;
			client = tls_duo_client(&s);
			tls_duo_begin(&d, client, server, cut);
			tls_duo_shake(&d);
			check_good(versions[v], (enum tls_cipher)c);
			CU_ASSERT_EQUAL_FATAL(d.server.step, TLS_STEP_DONE);
			CU_ASSERT_STRING_EQUAL(result(&d.server)->name.text, "shop.example");
			CU_ASSERT_FALSE(result(&d.server)->peer.has_certificate);
			CU_ASSERT(tls_duo_talk(&d));
			tls_duo_end(&d);
			tls_client_free(client);
		}
	}
	tls_server_free(server);
}

static void
test_ecdsa(void)
{
	check_all_ciphers(TLS_TEST_ECDSA, WHOLE);
}

static void
test_rsa(void)
{
	check_all_ciphers(TLS_TEST_RSA, WHOLE);
}

static void
test_cut(void)
{
	check_all_ciphers(TLS_TEST_ECDSA, 1);
	check_all_ciphers(TLS_TEST_ECDSA, 97);
}

static void
test_mbed(void)
{
	static const struct {
		enum tls_version version;
		int suite;
		enum tls_cipher cipher;
	} cases[] = {
		{ TLS_1_3, MBEDTLS_TLS1_3_AES_128_GCM_SHA256, TLS_AES_128_GCM },
		{ TLS_1_3, MBEDTLS_TLS1_3_AES_256_GCM_SHA384, TLS_AES_256_GCM },
		{ TLS_1_3, MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256, TLS_CHACHA20_POLY1305 },
		{ TLS_1_2, MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_AES_128_GCM },
		{ TLS_1_2, MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, TLS_AES_256_GCM },
		{ TLS_1_2, MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
		  TLS_CHACHA20_POLY1305 },
	};
	struct tls_client_settings s = settings(TLS_TEST_ECDSA);
	struct tls_client *client = tls_duo_client(&s);
	struct tls_pair pair = tls_test_pair(TLS_TEST_ECDSA);
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		tls_mbed_serve(&mbed, &pair, cases[i].version, cases[i].suite);
		tls_duo_begin_mbed(&d, client, &mbed, i % 2 ? 53 : WHOLE);
		tls_duo_shake(&d);
		check_good(cases[i].version, cases[i].cipher);
		CU_ASSERT(tls_duo_talk(&d));
		tls_duo_end(&d);
		tls_mbed_end(&mbed);
	}
	tls_client_free(client);
}

/* The group that we guess is not the server's: HelloRetryRequest. */
static void
test_retry(void)
{
	static const uint16_t groups[] = { MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1,
					   MBEDTLS_SSL_IANA_TLS_GROUP_NONE };
	struct tls_client_settings s = settings(TLS_TEST_ECDSA);
	struct tls_client *client = tls_duo_client(&s);
	struct tls_pair pair = tls_test_pair(TLS_TEST_ECDSA);

	tls_mbed_serve(&mbed, &pair, TLS_1_3, 0);
	mbedtls_ssl_conf_groups(&mbed.config, groups);
	tls_duo_begin_mbed(&d, client, &mbed, WHOLE);
	tls_duo_shake(&d);
	CU_ASSERT_EQUAL_FATAL(d.client.step, TLS_STEP_DONE);
	CU_ASSERT(tls_duo_talk(&d));
	tls_duo_end(&d);
	tls_mbed_end(&mbed);
	tls_client_free(client);
}

static void
check_protocol(const char *const *ours, const char *const *theirs, const char *expected)
{
	struct tls_server_settings ss = tls_test_settings(TLS_TEST_ECDSA);
	struct tls_server *server;
	int v;

	ss.alpn = theirs;
	server = tls_test_server(&ss);
	for (v = 0; v < 2; v++) {
		struct tls_client_settings s = settings_of(versions[v]);
		struct tls_client *client;

		s.alpn = ours;
		client = tls_duo_client(&s);
		tls_duo_begin(&d, client, server, WHOLE);
		CU_ASSERT_EQUAL(tls_duo_shake(&d), expected ? TLS_STEP_DONE : TLS_STEP_FAILED);
		if (expected) {
			CU_ASSERT_STRING_EQUAL(result(&d.client)->protocol, expected);
			CU_ASSERT_EQUAL(result(&d.client)->n_protocol, strlen(expected));
			CU_ASSERT_STRING_EQUAL(result(&d.server)->protocol, expected);
		} else {
			CU_ASSERT_EQUAL(tls_handshake_cause(d.client.handshake),
					TLS_CAUSE_NO_PROTOCOL);
		}
		tls_duo_end(&d);
		tls_client_free(client);
	}
	tls_server_free(server);
}

static void
test_protocols(void)
{
	static const char *const both[] = { "h2", "http/1.1", NULL };
	static const char *const one[] = { "http/1.1", NULL };
	static const char *const other[] = { "h3", NULL };

	check_protocol(one, both, "http/1.1");
	check_protocol(both, one, "http/1.1");
	check_protocol(one, NULL, "");
	check_protocol(NULL, both, "");
	check_protocol(one, other, NULL);
}

/* ---- behind the Finished --------------------------------------------------------------------- */

/* Tickets, which no client of ours asks for but which a server may send, and data with them. */
static void
test_tickets(void)
{
	struct tls_server_settings ss = tls_test_settings(TLS_TEST_ECDSA);
	struct tls_client_settings s = settings_of(TLS_1_3);
	struct tls_client *client = tls_duo_client(&s);
	struct tls_server *server;
	struct tls_opened o;
	unsigned int i;

	ss.ticket_lifetime = 3600;
	ss.tickets = 3;
	server = tls_test_server(&ss);
	tls_duo_begin(&d, client, server, WHOLE);
	CU_ASSERT_EQUAL_FATAL(tls_duo_shake(&d), TLS_STEP_DONE);
	CU_ASSERT_EQUAL(d.client.n_in, 0);
	tls_duo_end(&d);

	mbedtls_ssl_conf_tls13_key_exchange_modes(
	    &client->config, MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL |
				 MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_PSK_EPHEMERAL);
	tls_duo_begin(&d, client, server, WHOLE);
	CU_ASSERT_EQUAL_FATAL(tls_duo_shake(&d), TLS_STEP_DONE);
	CU_ASSERT_EQUAL_FATAL(d.server.step, TLS_STEP_DONE);
	tls_duo_send(&d.server, &d.client, TLS_APPLICATION_DATA, "and data");
	for (i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(d.client.receive.keys.sequence, i);
		o = tls_duo_receive(&d.client);
		CU_ASSERT(o.error == TLS_OK && o.type == TLS_HANDSHAKE);
		CU_ASSERT(o.error == TLS_OK && o.length > 4 && o.content[0] == 4);
	}
	o = tls_duo_receive(&d.client);
	CU_ASSERT(o.error == TLS_OK && o.type == TLS_APPLICATION_DATA && o.length == 8);
	CU_ASSERT(tls_duo_talk(&d));
	tls_duo_end(&d);
	tls_server_free(server);
	tls_client_free(client);
}

/* A server that speaks at once: right behind its Finished, in 1.2. */
static void
test_early(void)
{
	struct tls_server_settings ss = tls_test_settings(TLS_TEST_ECDSA);
	struct tls_server *server = tls_test_server(&ss);
	struct tls_opened o;
	int v;

	for (v = 0; v < 2; v++) {
		struct tls_client_settings s = settings_of(versions[v]);
		struct tls_client *client = tls_duo_client(&s);

		tls_duo_begin(&d, client, server, WHOLE);
		while (d.server.step == TLS_STEP_MORE) {
			tls_duo_step(&d, &d.client);
			tls_duo_step(&d, &d.server);
		}
		CU_ASSERT_EQUAL_FATAL(d.server.step, TLS_STEP_DONE);
		tls_duo_send(&d.server, &d.client, TLS_APPLICATION_DATA, "hello");
		CU_ASSERT_EQUAL_FATAL(tls_duo_shake(&d), TLS_STEP_DONE);
		o = tls_duo_receive(&d.client);
		CU_ASSERT(o.error == TLS_OK && o.type == TLS_APPLICATION_DATA && o.length == 5);
		CU_ASSERT(tls_duo_talk(&d));
		tls_duo_end(&d);
		tls_client_free(client);
	}
	tls_server_free(server);
}

/* ---- certificates of ours -------------------------------------------------------------------- */

struct badge {
	struct tls_authority authority, other;
	mbedtls_x509_crt authorities;
	struct tls_server *server;
};

/* A server that wants certificates of an authority. */
static void
open_badge(struct badge *b, int authmode)
{
	struct tls_server_settings ss = tls_test_settings(TLS_TEST_ECDSA);

	tls_authority_make(&b->authority, NULL, "Staff");
	tls_authority_make(&b->other, NULL, "Strangers");
	b->server = tls_test_server(&ss);
	mbedtls_x509_crt_init(&b->authorities);
	CU_ASSERT_EQUAL_FATAL(mbedtls_x509_crt_parse(&b->authorities,
						     (const uint8_t *)b->authority.pem,
						     strlen(b->authority.pem) + 1),
			      0);
	mbedtls_ssl_conf_ca_chain(&b->server->config, &b->authorities, NULL);
	mbedtls_ssl_conf_authmode(&b->server->config, authmode);
}

static void
close_badge(struct badge *b)
{
	tls_server_free(b->server);
	mbedtls_x509_crt_free(&b->authorities);
	tls_authority_free(&b->authority);
	tls_authority_free(&b->other);
}

/* A handshake with a certificate of this authority; NULL: with none. */
static void
show(struct badge *b, const struct tls_authority *by, enum tls_version version)
{
	static const struct tls_leaf leaf = { .name = "alice", .names = "URI:spiffe://shop/alice" };
	struct tls_client_settings s = settings_of(version);
	struct tls_pair pair = { 0 };
	struct tls_client *client;

	if (by) {
		pair = tls_authority_issue(by, &leaf);
		s.pair = &pair;
	}
	client = tls_duo_client(&s);
	tls_test_free(&pair);
	tls_duo_begin(&d, client, b->server, WHOLE);
	tls_duo_shake(&d);
	/* The handshake holds on to it. */
	tls_handshake_free(d.client.handshake);
	d.client.handshake = NULL;
	tls_client_free(client);
}

static void
test_own_certificate(void)
{
	struct badge b;
	int v;

	open_badge(&b, MBEDTLS_SSL_VERIFY_REQUIRED);
	for (v = 0; v < 2; v++) {
		const struct tls_peer *peer;

		show(&b, &b.authority, versions[v]);
		CU_ASSERT(d.client.step == TLS_STEP_DONE && d.server.step == TLS_STEP_DONE);
		CU_ASSERT(tls_duo_talk(&d));
		peer = &result(&d.server)->peer;
		CU_ASSERT(peer->has_certificate && peer->verified && !peer->incomplete);
		CU_ASSERT_STRING_EQUAL(peer->subject, "CN=alice");
		CU_ASSERT_STRING_EQUAL(peer->names, "URI:spiffe://shop/alice");
		tls_duo_end(&d);

		show(&b, &b.other, versions[v]);
		CU_ASSERT_EQUAL(d.server.step, TLS_STEP_FAILED);
		CU_ASSERT_EQUAL(tls_handshake_cause(d.server.handshake),
				TLS_CAUSE_CLIENT_CERTIFICATE);
		CU_ASSERT_FALSE(result(&d.server)->peer.has_certificate);
		tls_duo_end(&d);

		show(&b, NULL, versions[v]);
		CU_ASSERT_EQUAL(d.server.step, TLS_STEP_FAILED);
		CU_ASSERT_EQUAL(tls_handshake_cause(d.server.handshake),
				TLS_CAUSE_CLIENT_CERTIFICATE);
		tls_duo_end(&d);
	}
	close_badge(&b);
}

/* "request": anybody may come, but only some are believed. */
static void
test_optional_certificate(void)
{
	struct badge b;
	int v;

	open_badge(&b, MBEDTLS_SSL_VERIFY_OPTIONAL);
	for (v = 0; v < 2; v++) {
		show(&b, &b.authority, versions[v]);
		CU_ASSERT_EQUAL(d.server.step, TLS_STEP_DONE);
		CU_ASSERT_TRUE(result(&d.server)->peer.verified);
		tls_duo_end(&d);
		show(&b, &b.other, versions[v]);
		CU_ASSERT_EQUAL(d.server.step, TLS_STEP_DONE);
		CU_ASSERT_TRUE(result(&d.server)->peer.has_certificate);
		CU_ASSERT_FALSE(result(&d.server)->peer.verified);
		CU_ASSERT_STRING_EQUAL(result(&d.server)->peer.subject, "CN=alice");
		tls_duo_end(&d);
		show(&b, NULL, versions[v]);
		CU_ASSERT_EQUAL(d.server.step, TLS_STEP_DONE);
		CU_ASSERT_FALSE(result(&d.server)->peer.has_certificate);
		CU_ASSERT_FALSE(result(&d.server)->peer.verified);
		tls_duo_end(&d);
	}
	close_badge(&b);
}

/* What the client knows of it: in 1.2 the handshake fails, in 1.3 the alert comes behind it. */
static void
test_certificate_refused(void)
{
	struct badge b;
	int v, mine;

	open_badge(&b, MBEDTLS_SSL_VERIFY_REQUIRED);
	for (v = 0; v < 2; v++) {
		for (mine = 0; mine < 2; mine++) {
			struct tls_pair pair =
			    tls_authority_issue(&b.other, &(struct tls_leaf){ .name = "bob" });
			struct tls_client_settings s = settings_of(versions[v]);
			struct tls_client *client;
			struct tls_opened o;
			enum tls_cause cause;

			s.pair = mine ? &pair : NULL;
			client = tls_duo_client(&s);
			tls_duo_begin(&d, client, b.server, WHOLE);
			tls_duo_shake(&d);
			if (versions[v] == TLS_1_2) {
				CU_ASSERT_EQUAL(d.client.step, TLS_STEP_FAILED);
				cause = tls_handshake_cause(d.client.handshake);
				CU_ASSERT(cause == TLS_CAUSE_CERTIFICATE_REFUSED ||
					  (!mine && cause == TLS_CAUSE_BACKEND_GAVE_UP));
			} else {
				CU_ASSERT_EQUAL_FATAL(d.client.step, TLS_STEP_DONE);
				o = tls_duo_receive(&d.client);
				CU_ASSERT_FATAL(o.error == TLS_OK && o.type == TLS_ALERT);
				/* unknown_ca, certificate_required */
				CU_ASSERT(o.content[0] == 2 && o.content[1] == (mine ? 48 : 116));
			}
			tls_duo_end(&d);
			tls_client_free(client);
			tls_test_free(&pair);
		}
	}
	close_badge(&b);
}

/* A session of TLS 1.2 that was begun with a certificate: it does not prove anything here. */
static void
test_resumed_certificate(void)
{
	struct tls_authority staff;
	mbedtls_x509_crt authorities;
	struct tls_server_settings ss = tls_test_settings(TLS_TEST_ECDSA);
	struct tls_server *server;
	mbedtls_ssl_session session;
	struct tls_pair pair;
	int turn;

	ss.ticket_lifetime = 3600;
	server = tls_test_server(&ss);
	tls_authority_make(&staff, NULL, "Staff");
	pair = tls_authority_issue(&staff, &(struct tls_leaf){ .name = "alice" });
	mbedtls_x509_crt_init(&authorities);
	mbedtls_x509_crt_parse(&authorities, (const uint8_t *)staff.pem, strlen(staff.pem) + 1);
	mbedtls_ssl_conf_ca_chain(&server->config, &authorities, NULL);
	mbedtls_ssl_conf_authmode(&server->config, MBEDTLS_SSL_VERIFY_REQUIRED);
	mbedtls_ssl_session_init(&session);
	for (turn = 0; turn < 2; turn++) {
		struct tls_handshake *h = tls_handshake_new(server, tls_test_engine());
		enum tls_step step = TLS_STEP_MORE;
		struct tls_bytes out;
		int turns;
		size_t used;

		tls_mbed_begin(&mbed, TLS_1_2, 0);
		mbedtls_x509_crt_parse(&mbed.certificate, (const uint8_t *)pair.certificate,
				       strlen(pair.certificate) + 1);
		mbedtls_pk_parse_key(&mbed.key, (const uint8_t *)pair.key, strlen(pair.key) + 1,
				     NULL, 0, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
		mbedtls_ssl_conf_own_cert(&mbed.config, &mbed.certificate, &mbed.key);
		if (turn == 1)
			CU_ASSERT_EQUAL(mbedtls_ssl_set_session(&mbed.ssl, &session), 0);
		for (turns = 0; turns < 6; turns++) {
			tls_mbed_shake(&mbed);
			step = tls_handshake_step(h, (struct tls_bytes){ mbed.out, mbed.n_out },
						  &used);
			mbed.n_out = 0;
			out = tls_handshake_output(h);
			tls_mbed_hear(&mbed, out.at, out.length);
			if (step != TLS_STEP_MORE)
				break;
		}
		tls_mbed_shake(&mbed);
		CU_ASSERT_EQUAL(step, TLS_STEP_DONE);
		CU_ASSERT_EQUAL(tls_handshake_result(h)->resumed, turn == 1);
		CU_ASSERT_EQUAL(tls_handshake_result(h)->peer.verified, turn == 0);
		if (turn == 0)
			CU_ASSERT_EQUAL(mbedtls_ssl_get_session(&mbed.ssl, &session), 0);
		tls_handshake_free(h);
		tls_mbed_end(&mbed);
	}
	mbedtls_ssl_session_free(&session);
	tls_server_free(server);
	mbedtls_x509_crt_free(&authorities);
	tls_test_free(&pair);
	tls_authority_free(&staff);
}

int
test_tls_client_register(void)
{
	static CU_TestInfo tests[] = {
		{ "ECDSA: versions and ciphers, and then records", test_ecdsa },
		{ "RSA: the same", test_rsa },
		{ "byte by byte", test_cut },
		{ "a server of mbedTLS's", test_mbed },
		{ "another group", test_retry },
		{ "protocols", test_protocols },
		{ "tickets behind the Finished", test_tickets },
		{ "data behind the Finished", test_early },
		{ "a certificate of its own", test_own_certificate },
		{ "... which need not be good", test_optional_certificate },
		{ "... which is refused", test_certificate_refused },
		{ "... of a session that is resumed", test_resumed_certificate },
		CU_TEST_INFO_NULL,
	};
	static CU_SuiteInfo suites[] = { { "tls_client", NULL, NULL, NULL, NULL, tests },
					 CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}

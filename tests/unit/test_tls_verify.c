/* SPDX-License-Identifier: Apache-2.0 */
/* What our client does not put up with: certificates, and everything else that a server may do. */
#include <CUnit/CUnit.h>
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

/* ---- certificates ---------------------------------------------------------------------------- */

enum issuer { ROOT, BELOW, STRANGER };

struct showing {
	const char *server_name; /* what the client wants */
	struct tls_leaf leaf;    /* what the server has */
	enum issuer by;
	enum tls_cause cause;
	uint8_t alert;
};

static const struct showing good[] = {
	{ "a.example", { .name = "x", .names = "DNS:b.example,DNS:a.example" }, ROOT, 0, 0 },
	{ "A.Example", { .name = "x", .names = "DNS:a.example" }, BELOW, 0, 0 },
	{ "a.shop.example", { .name = "x", .names = "DNS:*.shop.example" }, ROOT, 0, 0 },
	{ "a.example", { .name = "a.example" }, ROOT, 0, 0 },
	{ "192.0.2.1", { .name = "x", .names = "DNS:a.example,IP:192.0.2.1" }, ROOT, 0, 0 },
	{ "2001:db8::1", { .name = "x", .names = "IP:192.0.2.1,IP:2001:db8::1" }, BELOW, 0, 0 },
	{ "a.example", { .name = "a.example", .usage = "clientAuth,serverAuth" }, ROOT, 0, 0 },
};

static const struct showing bad[] = {
	{ "a.example", { .name = "a.example" }, STRANGER, TLS_CAUSE_UNTRUSTED, 48 },
	/* Wrong in more than one way: that it is nobody's comes first. */
	{ "a.example",
	  { .name = "b.example", .from = -5, .until = -1 },
	  STRANGER,
	  TLS_CAUSE_UNTRUSTED,
	  42 },
	{ "a.example",
	  { .name = "a.example", .from = -5, .until = -1 },
	  ROOT,
	  TLS_CAUSE_EXPIRED,
	  45 },
	{ "a.example",
	  { .name = "a.example", .from = 1, .until = 5 },
	  BELOW,
	  TLS_CAUSE_NOT_YET_VALID,
	  46 },
	{ "a.example", { .name = "b.example" }, ROOT, TLS_CAUSE_WRONG_NAME, 42 },
	/* Where there are names, the subject does not count; one star is for one label. */
	{ "a.example",
	  { .name = "a.example", .names = "DNS:b.example" },
	  ROOT,
	  TLS_CAUSE_WRONG_NAME,
	  42 },
	{ "a.b.shop.example",
	  { .name = "x", .names = "DNS:*.shop.example" },
	  ROOT,
	  TLS_CAUSE_WRONG_NAME,
	  42 },
	/* An address is none of the names, even if it is written there. */
	{ "192.0.2.1", { .name = "192.0.2.1" }, ROOT, TLS_CAUSE_WRONG_NAME, 42 },
	{ "192.0.2.1",
	  { .name = "x", .names = "DNS:192.0.2.1,IP:192.0.2.2" },
	  ROOT,
	  TLS_CAUSE_WRONG_NAME,
	  42 },
	{ "2001:db8::1",
	  { .name = "x", .names = "IP:192.0.2.1,IP:2001:db8::2" },
	  ROOT,
	  TLS_CAUSE_WRONG_NAME,
	  42 },
};

struct show {
	struct tls_authority root, below, stranger;
};

static void
open_show(struct show *s)
{
	tls_authority_make(&s->root, NULL, "Root");
	tls_authority_make(&s->below, &s->root, "Below");
	tls_authority_make(&s->stranger, NULL, "Root");
}

static void
close_show(struct show *s)
{
	tls_authority_free(&s->root);
	tls_authority_free(&s->below);
	tls_authority_free(&s->stranger);
}

/* The handshake of one of them; the server of it is the caller's. */
static struct tls_server *
play(const struct show *s, const struct showing *showing, enum tls_version version, bool verify)
{
	const struct tls_authority *by[] = { &s->root, &s->below, &s->stranger };
	struct tls_pair pair = tls_authority_issue(by[showing->by], &showing->leaf);
	struct tls_server_settings ss = {
		.pairs = &pair, .n_pairs = 1, .minimum = version, .maximum = version
	};
	struct tls_client_settings cs = { .ca = s->root.pem,
					  .server_name = showing->server_name,
					  .verify = verify,
					  .minimum = TLS_1_2,
					  .maximum = TLS_1_3 };
	struct tls_server *server = tls_test_server(&ss);
	struct tls_client *client = tls_duo_client(&cs);

	tls_test_free(&pair);
	tls_duo_begin(&d, client, server, WHOLE);
	tls_duo_shake(&d);
	tls_client_free(client);
	return server;
}

static void
test_good_certificates(void)
{
	struct show s;
	size_t i;
	int v;

	open_show(&s);
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		for (v = 0; v < 2; v++) {
			struct tls_server *server = play(&s, &good[i], versions[v], true);
			bool is_address =
			    good[i].server_name[0] == '1' || good[i].server_name[0] == '2';

			CU_ASSERT_EQUAL_FATAL(d.client.step, TLS_STEP_DONE);
			CU_ASSERT_TRUE(tls_handshake_result(d.client.handshake)->peer.verified);
			CU_ASSERT_STRING_EQUAL(tls_handshake_result(d.server.handshake)->name.text,
					       is_address ? "" : good[i].server_name);
			CU_ASSERT(tls_duo_talk(&d));
			tls_duo_end(&d);
			tls_server_free(server);
		}
	}
	close_show(&s);
}

static void
test_bad_certificates(void)
{
	static const struct tls_keys wiped;
	struct show s;
	size_t i;
	int v;

	open_show(&s);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		for (v = 0; v < 2; v++) {
			struct tls_server *server = play(&s, &bad[i], versions[v], true);
			const struct tls_party *c = &d.client;
			const struct tls_handover *r = tls_handshake_result(c->handshake);

			CU_ASSERT_EQUAL(c->step, TLS_STEP_FAILED);
			CU_ASSERT_EQUAL(tls_handshake_cause(c->handshake), bad[i].cause);
			CU_ASSERT_FALSE(r->peer.verified);
			CU_ASSERT(memcmp(&r->receive, &wiped, sizeof(wiped)) == 0);
			CU_ASSERT(memcmp(&r->send, &wiped, sizeof(wiped)) == 0);
			CU_ASSERT_EQUAL(d.server.step, TLS_STEP_FAILED);
			CU_ASSERT_EQUAL(tls_handshake_cause(d.server.handshake),
					TLS_CAUSE_CLIENT_GAVE_UP);
			/* In 1.3 it is encrypted. */
			if (versions[v] == TLS_1_2)
				CU_ASSERT(c->n_said == 7 && c->said[0] == TLS_ALERT &&
					  c->said[5] == 2 && c->said[6] == bad[i].alert);
			tls_duo_end(&d);
			tls_server_free(server);
		}
	}
	close_show(&s);
}

static void
test_without_verification(void)
{
	struct show s;
	size_t i;
	int v;

	open_show(&s);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		for (v = 0; v < 2; v++) {
			struct tls_server *server = play(&s, &bad[i], versions[v], false);

			CU_ASSERT_EQUAL_FATAL(d.client.step, TLS_STEP_DONE);
			CU_ASSERT_FALSE(tls_handshake_result(d.client.handshake)->peer.verified);
			CU_ASSERT(tls_duo_talk(&d));
			tls_duo_end(&d);
			tls_server_free(server);
		}
	}
	close_show(&s);
}

/* ---- other servers --------------------------------------------------------------------------- */

static struct tls_client_settings
settings(void)
{
	return (struct tls_client_settings){ .ca = tls_test_pair(TLS_TEST_ECDSA).certificate,
					     .server_name = "shop.example",
					     .verify = true,
					     .minimum = TLS_1_2,
					     .maximum = TLS_1_3 };
}

static enum tls_cause
meet(const struct tls_client_settings *cs, const struct tls_server_settings *ss)
{
	struct tls_client *client = tls_duo_client(cs);
	struct tls_server *server = tls_test_server(ss);
	enum tls_cause cause;

	tls_duo_begin(&d, client, server, WHOLE);
	tls_duo_shake(&d);
	cause = tls_handshake_cause(d.client.handshake);
	CU_ASSERT_EQUAL(d.client.step == TLS_STEP_FAILED, cause != TLS_CAUSE_NONE);
	tls_duo_end(&d);
	tls_client_free(client);
	tls_server_free(server);
	return cause;
}

static void
test_nothing_shared(void)
{
	struct tls_server_settings ss = tls_test_settings(TLS_TEST_ECDSA);
	struct tls_client_settings cs = settings();

	CU_ASSERT_EQUAL(meet(&cs, &ss), TLS_CAUSE_NONE);
	cs.minimum = TLS_1_3;
	ss.maximum = TLS_1_2;
	/* mbedTLS looks at the ciphers first, as a server of 1.2. */
	CU_ASSERT_EQUAL(meet(&cs, &ss), TLS_CAUSE_NOTHING_SHARED);
	cs.minimum = cs.maximum = TLS_1_2;
	ss.minimum = ss.maximum = TLS_1_3;
	CU_ASSERT_EQUAL(meet(&cs, &ss), TLS_CAUSE_VERSION);
	ss.minimum = TLS_1_2;
	cs.maximum = TLS_1_3;
	cs.ciphers[0] = TLS_AES_128_GCM;
	ss.ciphers[0] = TLS_CHACHA20_POLY1305;
	cs.n_ciphers = ss.n_ciphers = 1;
	CU_ASSERT_EQUAL(meet(&cs, &ss), TLS_CAUSE_NOTHING_SHARED);
	cs.maximum = TLS_1_2;
	CU_ASSERT_EQUAL(meet(&cs, &ss), TLS_CAUSE_NOTHING_SHARED);
}

static void
test_no_extended_secret(void)
{
	struct tls_client_settings cs = settings();
	struct tls_client *client = tls_duo_client(&cs);
	struct tls_pair pair = tls_test_pair(TLS_TEST_ECDSA);
	static const size_t cuts[] = { WHOLE, 1 };
	size_t i;

	for (i = 0; i < 2; i++) {
		tls_mbed_serve(&mbed, &pair, TLS_1_2, 0);
		mbedtls_ssl_conf_extended_master_secret(&mbed.config,
							MBEDTLS_SSL_EXTENDED_MS_DISABLED);
		tls_duo_begin_mbed(&d, client, &mbed, cuts[i]);
		CU_ASSERT_EQUAL(tls_duo_shake(&d), TLS_STEP_FAILED);
		CU_ASSERT_EQUAL(tls_handshake_cause(d.client.handshake),
				TLS_CAUSE_NO_EXTENDED_SECRET);
		CU_ASSERT(d.client.n_said == 7 && d.client.said[6] == 40);
		/* At once, not when everything has been said. */
		CU_ASSERT_FALSE(mbedtls_ssl_is_handshake_over(&mbed.ssl));
		tls_duo_end(&d);
		tls_mbed_end(&mbed);
	}
	tls_client_free(client);
}

/* What a handshake that has said its hello makes of these bytes, so many times. */
static enum tls_cause
hear(const void *bytes, size_t length, size_t times)
{
	struct tls_client_settings cs = settings();
	struct tls_client *client = tls_duo_client(&cs);
	struct tls_handshake *h = tls_handshake_new_client(client, tls_test_engine());
	struct tls_bytes in = { bytes, length };
	enum tls_cause cause;
	enum tls_step step;
	size_t used;

	step = tls_handshake_step(h, (struct tls_bytes){ NULL, 0 }, &used);
	CU_ASSERT(step == TLS_STEP_MORE && tls_handshake_output(h).length > 100);
	for (; times > 0 && step == TLS_STEP_MORE; times--)
		step = tls_handshake_step(h, in, &used);
	cause = tls_handshake_cause(h);
	CU_ASSERT_NOT_EQUAL(step, TLS_STEP_DONE);
	CU_ASSERT_EQUAL(step == TLS_STEP_FAILED, cause != TLS_CAUSE_NONE);
	tls_handshake_free(h);
	tls_client_free(client);
	return cause;
}

static enum tls_cause
hear_alert(uint8_t description)
{
	const uint8_t alert[] = { TLS_ALERT, 3, 3, 0, 2, 2, description };

	return hear(alert, sizeof(alert), 1);
}

static void
test_no_tls(void)
{
	static const uint8_t ccs[] = { TLS_CHANGE_CIPHER_SPEC, 3, 3, 0, 1, 1 };
	static const uint8_t data[] = { TLS_HANDSHAKE, 3, 3, 0, 4, 14, 0, 0, 0 };

	CU_ASSERT_EQUAL(hear("HTTP/1.1 400 Bad Request\r\n", 26, 1), TLS_CAUSE_NOT_TLS);
	CU_ASSERT_EQUAL(hear("", 0, 3), TLS_CAUSE_NONE);
	CU_ASSERT_NOT_EQUAL(hear(data, sizeof(data), 1), TLS_CAUSE_NONE);
	CU_ASSERT_NOT_EQUAL(hear(ccs, sizeof(ccs), TLS_HANDSHAKE_MAX), TLS_CAUSE_NONE);
	CU_ASSERT_EQUAL(hear_alert(70), TLS_CAUSE_VERSION);
	CU_ASSERT_EQUAL(hear_alert(40), TLS_CAUSE_NOTHING_SHARED);
	CU_ASSERT_EQUAL(hear_alert(120), TLS_CAUSE_NO_PROTOCOL);
	CU_ASSERT_EQUAL(hear_alert(116), TLS_CAUSE_CERTIFICATE_REFUSED);
	CU_ASSERT_EQUAL(hear_alert(80), TLS_CAUSE_BACKEND_GAVE_UP);
	CU_ASSERT_EQUAL(hear_alert(0), TLS_CAUSE_BACKEND_GAVE_UP);
}

/* One bit of the server's flights is another. If the client is content nevertheless, then with
 * something that does not matter: both have the same keys. */
static void
check_forged(struct tls_client *client, struct tls_server *server, size_t at, size_t *heard)
{
	size_t before = 0;
	bool more = true;

	tls_duo_begin(&d, client, server, WHOLE);
	while (more) {
		more = tls_duo_step(&d, &d.client);
		more |= tls_duo_step(&d, &d.server);
		if (at >= before && at - before < d.client.n_in)
			d.client.in[at - before] ^= 0x80;
		before += d.client.step == TLS_STEP_MORE ? d.client.n_in : 0;
	}
	*heard = before;
	if (d.client.step == TLS_STEP_DONE && d.server.step == TLS_STEP_DONE)
		CU_ASSERT(tls_duo_talk(&d));
	/* Behind the last flight there is nothing to change. */
	if (at >= before)
		CU_ASSERT_EQUAL(d.client.step, TLS_STEP_DONE);
	tls_duo_end(&d);
}

static void
test_forged(void)
{
	struct tls_server_settings ss = tls_test_settings(TLS_TEST_ECDSA);
	struct tls_server *server = tls_test_server(&ss);
	size_t at, heard, all;
	int v;

	for (v = 0; v < 2; v++) {
		struct tls_client_settings cs = settings();
		struct tls_client *client;

		cs.minimum = cs.maximum = versions[v];
		client = tls_duo_client(&cs);
		check_forged(client, server, SIZE_MAX, &all);
		CU_ASSERT(all > 500);
		for (at = 0; at < all; at += 11)
			check_forged(client, server, at, &heard);
		tls_client_free(client);
	}
	tls_server_free(server);
}

/* Somebody who has the certificate, but not the key of it. */
static void
test_stolen_certificate(void)
{
	struct tls_authority root;
	const struct tls_leaf leaf = { .name = "shop.example" };
	struct tls_pair theirs, mine;
	struct tls_client_settings cs = settings();
	struct tls_client *client;
	int v;

	tls_authority_make(&root, NULL, "Root");
	theirs = tls_authority_issue(&root, &leaf);
	mine = tls_authority_issue(&root, &leaf);
	cs.ca = root.pem;
	client = tls_duo_client(&cs);
	for (v = 0; v < 2; v++) {
		struct tls_pair pair = { theirs.certificate, mine.key };

		tls_mbed_serve(&mbed, &pair, versions[v], 0);
		tls_duo_begin_mbed(&d, client, &mbed, WHOLE);
		CU_ASSERT_EQUAL(tls_duo_shake(&d), TLS_STEP_FAILED);
		CU_ASSERT_EQUAL(tls_handshake_cause(d.client.handshake), TLS_CAUSE_NOT_AUTHENTIC);
		tls_duo_end(&d);
		tls_mbed_end(&mbed);
	}
	tls_client_free(client);
	tls_test_free(&theirs);
	tls_test_free(&mine);
	tls_authority_free(&root);
}

/* ---- settings -------------------------------------------------------------------------------- */

static const char *
refusal(const struct tls_client_settings *settings)
{
	static char error[200];
	struct tls_client *client;

	error[0] = '\0';
	client = tls_client_create(settings, error, sizeof(error));
	CU_ASSERT_EQUAL(client == NULL, error[0] != '\0');
	tls_client_free(client);
	return error;
}

static void
test_settings(void)
{
	static const char *const many[] = { "a", "b", "c", "d", "e", "f", "g", "h", "i",
					    "j", "k", "l", "m", "n", "o", "p", "q", NULL };
	struct tls_client_settings s = settings();
	struct tls_pair mixed = { tls_test_pair(TLS_TEST_RSA).certificate,
				  tls_test_pair(TLS_TEST_ECDSA).key };

	s.pair = &mixed;
	CU_ASSERT_STRING_EQUAL(refusal(&s), "the key does not belong to the certificate");
	s.pair = NULL;
	s.server_name = NULL;
	CU_ASSERT_STRING_EQUAL(refusal(&s),
			       "no server_name is given, and a certificate cannot be verified "
			       "without one");
	s.verify = false;
	CU_ASSERT_STRING_EQUAL(refusal(&s), "");
	s.server_name = "a.example\r\nb";
	CU_ASSERT_STRING_EQUAL(refusal(&s), "server_name is neither a host's name nor an address");
	s.server_name = "";
	CU_ASSERT_STRING_EQUAL(refusal(&s), "server_name is neither a host's name nor an address");
	s = settings();
	s.ca = "no certificate";
	CU_ASSERT_PTR_NOT_NULL(
	    strstr(refusal(&s), "the authorities' certificates are not understood: "));
	s = settings();
	s.alpn = many;
	CU_ASSERT_STRING_EQUAL(refusal(&s), "at most 16 application protocols");
	tls_client_free(NULL);
}

/* The machine's own authorities: none of them knows the test's. */
static void
test_system_authorities(void)
{
	struct tls_server_settings ss = tls_test_settings(TLS_TEST_ECDSA);
	struct tls_client_settings cs = settings();
	const char *error;

	cs.ca = NULL;
	error = refusal(&cs);
	if (error[0]) {
		CU_ASSERT_PTR_NOT_NULL(strstr(error, TLS_SYSTEM_AUTHORITIES));
		return;
	}
	CU_ASSERT_EQUAL(meet(&cs, &ss), TLS_CAUSE_UNTRUSTED);
}

int
test_tls_verify_register(void)
{
	static CU_TestInfo tests[] = {
		{ "certificates that are good", test_good_certificates },
		{ "certificates that are not", test_bad_certificates },
		{ "without verification", test_without_verification },
		{ "nothing shared", test_nothing_shared },
		{ "no extended master secret", test_no_extended_secret },
		{ "bytes that are no handshake", test_no_tls },
		{ "flights that were changed", test_forged },
		{ "a certificate without its key", test_stolen_certificate },
		{ "settings", test_settings },
		{ "the system's authorities", test_system_authorities },
		CU_TEST_INFO_NULL,
	};
	static CU_SuiteInfo suites[] = { { "tls_verify", NULL, NULL, NULL, NULL, tests },
					 CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}

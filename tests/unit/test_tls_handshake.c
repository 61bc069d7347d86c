/* SPDX-License-Identifier: Apache-2.0 */
/* cp/tls/handshake with OpenSSL as the client, and then our record layer with the keys of it. */
#include <CUnit/CUnit.h>
#include <openssl/err.h>
#include <string.h>

#include "cp/tls/choice.h"
#include "tests/unit/suites.h"
#include "tests/unit/tls_mbed.h"
#include "tests/unit/tls_peer.h"

static struct tls_meeting m; /* large, and one at a time */

static const struct {
	const char *ciphers12, *ciphers13;
} ciphers[TLS_CIPHERS] = {
	[TLS_AES_128_GCM] = { "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256",
			      "TLS_AES_128_GCM_SHA256" },
	[TLS_AES_256_GCM] = { "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384",
			      "TLS_AES_256_GCM_SHA384" },
	[TLS_CHACHA20_POLY1305] = { "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305",
				    "TLS_CHACHA20_POLY1305_SHA256" },
};

static struct tls_peer_settings
client(int version, int cipher)
{
	return (struct tls_peer_settings){ .minimum = version,
					   .maximum = version,
					   .ciphers12 = ciphers[cipher].ciphers12,
					   .ciphers13 = ciphers[cipher].ciphers13 };
}

static void
check_good(int version, int cipher)
{
	const struct tls_handover *r = tls_handshake_result(m.handshake);

	CU_ASSERT_EQUAL_FATAL(m.step, TLS_STEP_DONE);
	CU_ASSERT_EQUAL(tls_handshake_cause(m.handshake), TLS_CAUSE_NONE);
	CU_ASSERT_EQUAL(SSL_version(m.peer), version);
	CU_ASSERT(r->receive.version == version && r->send.version == version);
	CU_ASSERT(r->receive.cipher == cipher && r->send.cipher == cipher);
	CU_ASSERT_EQUAL(r->receive.sequence, version == TLS1_2_VERSION);
}

/* ---- good ones ------------------------------------------------------------------------------- */

static void
check_all_ciphers(enum tls_test_key key, size_t cut)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	struct tls_server_settings s = tls_test_settings(key);
	struct tls_server *server = tls_test_server(&s);
	int v, c;

	for (v = 0; v < 2; v++) {
		for (c = 0; c < TLS_CIPHERS; c++) {
			struct tls_peer_settings p = client(versions[v], c);

			tls_meet(&m, server, &p, cut);
			tls_shake_hands(&m);
			check_good(versions[v], c);
			CU_ASSERT_FALSE(tls_handshake_result(m.handshake)->resumed);
			CU_ASSERT(tls_talk(&m));
			tls_part(&m);
		}
	}
	tls_server_free(server);
}

static void
test_ecdsa(void)
{
	check_all_ciphers(TLS_TEST_ECDSA, TLS_STREAM_MAX);
}

static void
test_rsa(void)
{
	check_all_ciphers(TLS_TEST_RSA, TLS_STREAM_MAX);
}

static void
test_cut(void)
{
	check_all_ciphers(TLS_TEST_ECDSA, 1);
	check_all_ciphers(TLS_TEST_ECDSA, 97);
}

/* The client's preference where it has one; else ECDSA, which is first. */
static void
test_two_certificates(void)
{
	static const struct {
		const char *ciphers;
		int key;
	} cases[] = { { "ECDHE-RSA-AES128-GCM-SHA256", EVP_PKEY_RSA },
		      { "ECDHE-ECDSA-AES128-GCM-SHA256", EVP_PKEY_EC },
		      { "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256",
			EVP_PKEY_EC } };
	struct tls_server_settings s = tls_test_settings(TLS_TEST_KEYS);
	struct tls_server *server = tls_test_server(&s);
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tls_peer_settings p = { .maximum = TLS1_2_VERSION,
					       .ciphers12 = cases[i].ciphers };

		tls_meet(&m, server, &p, TLS_STREAM_MAX);
		CU_ASSERT_EQUAL_FATAL(tls_shake_hands(&m), TLS_STEP_DONE);
		CU_ASSERT_EQUAL(
		    EVP_PKEY_base_id(X509_get0_pubkey(SSL_get0_peer_certificate(m.peer))),
		    cases[i].key);
		CU_ASSERT(tls_talk(&m));
		tls_part(&m);
	}
	tls_server_free(server);
}

/* The group that the client guesses is not ours: HelloRetryRequest. */
static void
test_retry(void)
{
	struct tls_server_settings s = tls_test_settings(TLS_TEST_ECDSA);
	struct tls_server *server = tls_test_server(&s);
	struct tls_peer_settings p = client(TLS1_3_VERSION, TLS_AES_128_GCM);

	p.groups = "P-521:P-384";
	tls_meet(&m, server, &p, TLS_STREAM_MAX);
	tls_shake_hands(&m);
	check_good(TLS1_3_VERSION, TLS_AES_128_GCM);
	CU_ASSERT(tls_talk(&m));
	tls_part(&m);
	tls_server_free(server);
}

static void
test_names(void)
{
	static const char *const protocols[] = { "h2", "http/1.1", NULL };
	struct tls_server_settings s = tls_test_settings(TLS_TEST_ECDSA);
	struct tls_peer_settings p = { .name = "shop.example", .protocols = "\x08http/1.1" };
	const struct tls_handover *r;
	struct tls_server *server;

	s.alpn = protocols;
	server = tls_test_server(&s);
	tls_meet(&m, server, &p, TLS_STREAM_MAX);
	CU_ASSERT_EQUAL_FATAL(tls_shake_hands(&m), TLS_STEP_DONE);
	r = tls_handshake_result(m.handshake);
	CU_ASSERT(r->name.length == 12 && strcmp(r->name.text, "shop.example") == 0);
	CU_ASSERT(r->n_protocol == 8 && strcmp(r->protocol, "http/1.1") == 0);
	CU_ASSERT(tls_talk(&m));
	tls_part(&m);

	p = (struct tls_peer_settings){ 0 };
	tls_meet(&m, server, &p, TLS_STREAM_MAX);
	CU_ASSERT_EQUAL_FATAL(tls_shake_hands(&m), TLS_STEP_DONE);
	r = tls_handshake_result(m.handshake);
	CU_ASSERT(r->name.length == 0 && r->n_protocol == 0 && r->protocol[0] == '\0');
	tls_part(&m);
	tls_server_free(server);
}

/* ---- KeyUpdate and the end ------------------------------------------------------------------- */

/* The client has written something, before which it updated its keys; does it ask for ours? */
static bool
receive_update(void)
{
	struct tls_opened o = tls_receive(&m);
	bool asks = false;

	CU_ASSERT(o.error == TLS_OK && o.type == TLS_HANDSHAKE);
	CU_ASSERT_FATAL(o.error == TLS_OK && tls_key_update_read(o.content, o.length, &asks));
	tls_keys_update(&m.receive.keys, tls_test_engine());
	return asks;
}

static void
send_update(bool asks)
{
	uint8_t message[TLS_KEY_UPDATE];

	tls_key_update_write(message, asks);
	tls_send(&m, TLS_HANDSHAKE, message, sizeof(message));
	tls_keys_update(&m.send.keys, tls_test_engine());
}

static void
hear_text(const char *text)
{
	struct tls_opened o = tls_receive(&m);

	CU_ASSERT(o.error == TLS_OK && o.type == TLS_APPLICATION_DATA);
	CU_ASSERT(o.length == strlen(text) && memcmp(o.content, text, o.length) == 0);
}

static void
test_key_update(void)
{
	struct tls_server_settings s = tls_test_settings(TLS_TEST_ECDSA);
	struct tls_server *server = tls_test_server(&s);
	char got[16];
	int c, turn;

	for (c = 0; c < TLS_CIPHERS; c++) {
		struct tls_peer_settings p = client(TLS1_3_VERSION, c);

		tls_meet(&m, server, &p, TLS_STREAM_MAX);
		tls_shake_hands(&m);
		check_good(TLS1_3_VERSION, c);
		for (turn = 0; turn < 3; turn++) {
			/* The client's, without and with a wish for ours. */
			CU_ASSERT(SSL_key_update(m.peer, SSL_KEY_UPDATE_NOT_REQUESTED) == 1);
			CU_ASSERT_EQUAL(SSL_write(m.peer, "one", 3), 3);
			CU_ASSERT_FALSE(receive_update());
			hear_text("one");
			CU_ASSERT(SSL_key_update(m.peer, SSL_KEY_UPDATE_REQUESTED) == 1);
			CU_ASSERT_EQUAL(SSL_write(m.peer, "two", 3), 3);
			CU_ASSERT(receive_update());
			hear_text("two");
			send_update(false);
			CU_ASSERT(tls_talk(&m));
			/* Ours, with a wish for the client's. */
			send_update(true);
			tls_send(&m, TLS_APPLICATION_DATA, "three", 5);
			CU_ASSERT_EQUAL(SSL_read(m.peer, got, sizeof(got)), 5);
			CU_ASSERT_EQUAL(SSL_write(m.peer, "four", 4), 4);
			CU_ASSERT_FALSE(receive_update());
			hear_text("four");
			CU_ASSERT(tls_talk(&m));
		}
		CU_ASSERT(m.receive.keys.generation == 9 && m.send.keys.generation == 6);
		tls_part(&m);
	}
	tls_server_free(server);
}

static void
test_close(void)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	static const uint8_t close_notify[2] = { 1, 0 };
	struct tls_server_settings s = tls_test_settings(TLS_TEST_ECDSA);
	struct tls_server *server = tls_test_server(&s);
	struct tls_opened o;
	char got[16];
	int v, n;

	for (v = 0; v < 2; v++) {
		struct tls_peer_settings p = client(versions[v], TLS_AES_128_GCM);

		tls_meet(&m, server, &p, TLS_STREAM_MAX);
		CU_ASSERT_EQUAL_FATAL(tls_shake_hands(&m), TLS_STEP_DONE);
		CU_ASSERT_EQUAL(SSL_shutdown(m.peer), 0);
		o = tls_receive(&m);
		CU_ASSERT(o.error == TLS_OK && o.type == TLS_ALERT && o.length == 2);
		CU_ASSERT(o.error || memcmp(o.content, close_notify, 2) == 0);
		tls_send(&m, TLS_ALERT, close_notify, 2);
		n = SSL_read(m.peer, got, sizeof(got));
		CU_ASSERT_EQUAL(SSL_get_error(m.peer, n), SSL_ERROR_ZERO_RETURN);
		tls_part(&m);
	}
	tls_server_free(server);
}

/* ---- tickets --------------------------------------------------------------------------------- */

/* A session that can be resumed; alone: without a key exchange. */
static SSL_SESSION *
first_visit_of(struct tls_server *server, int version, int cipher, bool alone)
{
	struct tls_peer_settings p = client(version, cipher);
	SSL_SESSION *session;

	p.alone = alone;
	tls_meet(&m, server, &p, TLS_STREAM_MAX);
	tls_shake_hands(&m);
	check_good(version, cipher);
	CU_ASSERT_FALSE(tls_handshake_result(m.handshake)->resumed);
	/* 1.3: three tickets are on their way, with the first three numbers. */
	CU_ASSERT_EQUAL(tls_handshake_result(m.handshake)->send.sequence,
			version == TLS1_2_VERSION ? 1 : 3);
	CU_ASSERT(tls_talk(&m));
	session = SSL_get1_session(m.peer);
	CU_ASSERT(SSL_SESSION_is_resumable(session));
	tls_part(&m);
	return session;
}

static SSL_SESSION *
first_visit(struct tls_server *server, int version, int cipher)
{
	return first_visit_of(server, version, cipher, false);
}

static void
test_tickets(void)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	struct tls_server_settings s = tls_test_settings(TLS_TEST_ECDSA);
	struct tls_server *server;
	int v, c;

	s.ticket_lifetime = 3600;
	s.tickets = 3;
	server = tls_test_server(&s);
	for (v = 0; v < 2; v++) {
		for (c = 0; c < TLS_CIPHERS; c++) {
			struct tls_peer_settings p = client(versions[v], c);

			p.session = first_visit(server, versions[v], c);
			tls_meet(&m, server, &p, 53);
			tls_shake_hands(&m);
			check_good(versions[v], c);
			CU_ASSERT(SSL_session_reused(m.peer) == 1);
			CU_ASSERT(tls_handshake_result(m.handshake)->resumed);
			CU_ASSERT(tls_talk(&m));
			tls_part(&m);
			SSL_SESSION_free(p.session);
		}
	}
	tls_server_free(server);
}

/* A session that was begun before, perhaps with another server. */
static void
visit_again(struct tls_server *server, SSL_SESSION *session, bool resumed)
{
	struct tls_peer_settings p = client(TLS1_3_VERSION, 0);

	p.session = session;
	p.alone = true;
	p.name = "shop.example";
	tls_meet(&m, server, &p, TLS_STREAM_MAX);
	tls_shake_hands(&m);
	check_good(TLS1_3_VERSION, 0);
	CU_ASSERT_EQUAL(SSL_session_reused(m.peer), resumed);
	CU_ASSERT_EQUAL(tls_handshake_result(m.handshake)->resumed, resumed);
	CU_ASSERT_STRING_EQUAL(tls_handshake_result(m.handshake)->name.text, "shop.example");
	CU_ASSERT(tls_talk(&m));
}

/* Did the client get a share of a key? */
static bool
exchanged(void)
{
	EVP_PKEY *share = NULL;
	bool is = SSL_get_peer_tmp_key(m.peer, &share) == 1;

	EVP_PKEY_free(share);
	return is;
}

/* What a server does first for clients that seem to want no key exchange makes none, and no
 * signature, whatever they want: all else comes after it, and would be done twice. */
static void
test_nothing_else(void)
{
	struct tls_server_settings s = tls_test_settings(TLS_TEST_ECDSA);
	static struct tls_mbed client12, alone;
	struct tls_server *server;
	struct tls_name name = { .length = 0 };
	struct tls_asked asked = { .name = &name };

	s.ticket_lifetime = 3600;
	s.without_exchange = true;
	asked.server = server = tls_test_server(&s);
	tls_mbed_begin(&client12, TLS_1_2, 0);
	tls_mbed_shake(&client12);
	tls_mbed_borrow(&alone, &server->alone);
	mbedtls_ssl_set_user_data_p(&alone.ssl, &asked);
	tls_mbed_hear(&alone, client12.out, client12.n_out);
	CU_ASSERT_EQUAL(tls_mbed_shake(&alone), MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION);
	tls_mbed_end(&alone);
	tls_mbed_end(&client12);
	tls_server_free(server);
}

/* Resumed without a key exchange where both want it; with one where one of them does; and in full
 * where the ticket is no good. */
static void
test_without_exchange(void)
{
	struct tls_server_settings s = tls_test_settings(TLS_TEST_ECDSA);
	struct tls_server *with, *without, *other;
	SSL_SESSION *session;

	s.ticket_lifetime = 3600;
	s.tickets = 3;
	s.without_exchange = true;
	without = tls_test_server(&s);
	other = tls_test_server(&s);
	s.without_exchange = false;
	s.ticket_keys = without->tickets;
	with = tls_test_server(&s);
	session = first_visit_of(without, TLS1_3_VERSION, 0, true);
	visit_again(without, session, true);
	CU_ASSERT_FALSE(exchanged());
	tls_part(&m);
	visit_again(with, session, true);
	CU_ASSERT(exchanged());
	tls_part(&m);
	visit_again(other, session, false);
	CU_ASSERT(exchanged());
	tls_part(&m);
	SSL_SESSION_free(session);
	tls_server_free(with);
	tls_server_free(without);
	tls_server_free(other);
}

/* What the client says right behind its Finished is not for the handshake: in 1.3, and in 1.2 when
 * a session is resumed. */
static void
check_early(struct tls_server *server, const struct tls_peer_settings *p)
{
	uint32_t more = p->minimum == TLS1_3_VERSION ? TLS_TAIL_MAX : 8 + TLS_TAG;
	struct tls_opened o;

	tls_meet(&m, server, p, TLS_STREAM_MAX);
	CU_ASSERT_EQUAL(SSL_do_handshake(m.peer), -1);
	tls_deliver(&m);
	CU_ASSERT_EQUAL_FATAL(SSL_do_handshake(m.peer), 1);
	CU_ASSERT_EQUAL(SSL_write(m.peer, "GET /", 5), 5);
	CU_ASSERT_EQUAL(SSL_write(m.peer, "x", 1), 1);
	CU_ASSERT_EQUAL(tls_deliver(&m), TLS_STEP_DONE);
	CU_ASSERT_EQUAL(m.n_stream, 5 + 5 + more + 5 + 1 + more);
	o = tls_receive(&m);
	CU_ASSERT(o.error == TLS_OK && o.length == 5 && memcmp(o.content, "GET /", 5) == 0);
	o = tls_receive(&m);
	CU_ASSERT(o.error == TLS_OK && o.length == 1);
	CU_ASSERT(tls_talk(&m));
	tls_part(&m);
}

static void
test_early(void)
{
	struct tls_server_settings s = tls_test_settings(TLS_TEST_ECDSA);
	struct tls_peer_settings p = client(TLS1_3_VERSION, TLS_AES_128_GCM);
	struct tls_server *server;

	s.ticket_lifetime = 3600;
	s.tickets = 3;
	server = tls_test_server(&s);
	check_early(server, &p);
	p = client(TLS1_2_VERSION, TLS_AES_128_GCM);
	p.session = first_visit(server, TLS1_2_VERSION, TLS_AES_128_GCM);
	check_early(server, &p);
	SSL_SESSION_free(p.session);
	tls_server_free(server);
}

/* A client of TLS 1.2 whose session had an extended master secret and who now wants none. */
static void
test_ticket_downgrade(void)
{
	struct tls_server_settings s = tls_test_settings(TLS_TEST_ECDSA);
	struct tls_peer_settings p = client(TLS1_2_VERSION, TLS_AES_128_GCM);
	struct tls_server *server;

	s.ticket_lifetime = 3600;
	server = tls_test_server(&s);
	p.session = first_visit(server, TLS1_2_VERSION, TLS_AES_128_GCM);
	p.no_extended_secret = true;
	tls_meet(&m, server, &p, TLS_STREAM_MAX);
	CU_ASSERT_EQUAL(tls_shake_hands(&m), TLS_STEP_FAILED);
	tls_part(&m);
	SSL_SESSION_free(p.session);
	tls_server_free(server);
}

/* ---- what must fail -------------------------------------------------------------------------- */

static const struct {
	struct tls_peer_settings client;
	enum tls_cause cause;
	int alert; /* that the client hears, 0: it gave up itself */
	bool only_13;
} bad[] = {
	{ { .maximum = TLS1_1_VERSION, .minimum = TLS1_VERSION, .ciphers12 = "ALL" },
	  TLS_CAUSE_VERSION,
	  SSL_AD_PROTOCOL_VERSION,
	  false },
	{ { .maximum = TLS1_2_VERSION }, TLS_CAUSE_VERSION, SSL_AD_PROTOCOL_VERSION, true },
	{ { .maximum = TLS1_2_VERSION,
	    .ciphers12 = "ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA" },
	  TLS_CAUSE_NOTHING_SHARED,
	  SSL_AD_HANDSHAKE_FAILURE,
	  false },
	{ { .maximum = TLS1_2_VERSION, .ciphers12 = "AES128-GCM-SHA256:AES256-SHA" },
	  TLS_CAUSE_NOTHING_SHARED,
	  SSL_AD_HANDSHAKE_FAILURE,
	  false },
	{ { .maximum = TLS1_2_VERSION, .ciphers12 = "DHE-RSA-AES128-GCM-SHA256" },
	  TLS_CAUSE_NOTHING_SHARED,
	  SSL_AD_HANDSHAKE_FAILURE,
	  false },
	{ { .minimum = TLS1_3_VERSION, .groups = "P-521" },
	  TLS_CAUSE_NOTHING_SHARED,
	  SSL_AD_HANDSHAKE_FAILURE,
	  false },
	/* mbedTLS has sent its hello and certificate when it sees that. */
	{ { .maximum = TLS1_2_VERSION, .groups = "P-521" },
	  TLS_CAUSE_NOTHING_SHARED,
	  SSL_AD_HANDSHAKE_FAILURE,
	  false },
	{ { .maximum = TLS1_2_VERSION, .no_extended_secret = true },
	  TLS_CAUSE_NO_EXTENDED_SECRET,
	  SSL_AD_HANDSHAKE_FAILURE,
	  false },
	{ { .protocols = "\x02h3" }, TLS_CAUSE_NO_PROTOCOL, SSL_AD_NO_APPLICATION_PROTOCOL, false },
	{ { .maximum = TLS1_2_VERSION, .protocols = "\x02h3" },
	  TLS_CAUSE_NO_PROTOCOL,
	  SSL_AD_NO_APPLICATION_PROTOCOL,
	  false },
	{ { .verifies = true }, TLS_CAUSE_CLIENT_GAVE_UP, 0, false },
	{ { .maximum = TLS1_2_VERSION, .verifies = true }, TLS_CAUSE_CLIENT_GAVE_UP, 0, false },
};

static void
test_bad_clients(void)
{
	static const char *const protocols[] = { "http/1.1", NULL };
	static const struct tls_keys wiped;
	struct tls_server_settings s = tls_test_settings(TLS_TEST_KEYS);
	struct tls_server *server;
	size_t i;

	s.alpn = protocols;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const struct tls_handover *r;

		s.minimum = bad[i].only_13 ? TLS_1_3 : TLS_1_2;
		server = tls_test_server(&s);
		tls_meet(&m, server, &bad[i].client, TLS_STREAM_MAX);
		CU_ASSERT_EQUAL(tls_shake_hands(&m), TLS_STEP_FAILED);
		CU_ASSERT_EQUAL(tls_handshake_cause(m.handshake), bad[i].cause);
		if (bad[i].alert)
			CU_ASSERT_EQUAL(ERR_GET_REASON(ERR_peek_error()),
					SSL_AD_REASON_OFFSET + bad[i].alert);
		r = tls_handshake_result(m.handshake);
		CU_ASSERT(memcmp(&r->receive, &wiped, sizeof(wiped)) == 0);
		CU_ASSERT(memcmp(&r->send, &wiped, sizeof(wiped)) == 0);
		tls_part(&m);
		tls_server_free(server);
	}
}

/* A bit of the client's last flight is another: no keys. */
static void
test_bad_finished(void)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	struct tls_server_settings s = tls_test_settings(TLS_TEST_ECDSA);
	struct tls_server *server = tls_test_server(&s);
	uint8_t flight[4096];
	size_t used;
	int v, n;

	for (v = 0; v < 2; v++) {
		struct tls_peer_settings p = client(versions[v], TLS_AES_128_GCM);

		tls_meet(&m, server, &p, TLS_STREAM_MAX);
		SSL_do_handshake(m.peer);
		tls_deliver(&m);
		SSL_do_handshake(m.peer);
		n = BIO_read(m.from_peer, flight, sizeof(flight));
		flight[n - 1] ^= 1;
		CU_ASSERT_EQUAL(
		    tls_handshake_step(m.handshake, (struct tls_bytes){ flight, (size_t)n }, &used),
		    TLS_STEP_FAILED);
		CU_ASSERT_EQUAL(tls_handshake_cause(m.handshake), TLS_CAUSE_NOT_AUTHENTIC);
		/* And it stays so. */
		flight[n - 1] ^= 1;
		CU_ASSERT_EQUAL(
		    tls_handshake_step(m.handshake, (struct tls_bytes){ flight, (size_t)n }, &used),
		    TLS_STEP_FAILED);
		CU_ASSERT(used == 0 && tls_handshake_output(m.handshake).length == 0);
		tls_part(&m);
	}
	tls_server_free(server);
}

/* ChangeCipherSpecs, which mean nothing in 1.3, without end. */
static void
test_endless(void)
{
	static const uint8_t record[] = { TLS_CHANGE_CIPHER_SPEC, 3, 3, 0, 1, 1 };
	struct tls_server_settings s = tls_test_settings(TLS_TEST_ECDSA);
	struct tls_server *server = tls_test_server(&s);
	struct tls_peer_settings p = client(TLS1_3_VERSION, TLS_AES_128_GCM);
	enum tls_step step = TLS_STEP_MORE;
	size_t used, i;

	tls_meet(&m, server, &p, TLS_STREAM_MAX);
	SSL_do_handshake(m.peer);
	tls_deliver(&m);
	for (i = 0; i < TLS_HANDSHAKE_MAX && step == TLS_STEP_MORE; i++)
		step = tls_handshake_step(m.handshake, (struct tls_bytes){ record, sizeof(record) },
					  &used);
	CU_ASSERT(step == TLS_STEP_FAILED && i < TLS_HANDSHAKE_MAX / sizeof(record));
	CU_ASSERT_EQUAL(tls_handshake_cause(m.handshake), TLS_CAUSE_TOO_LONG);
	tls_part(&m);
	tls_server_free(server);
}

static enum tls_cause
feed(struct tls_server *server, const void *bytes, size_t length, size_t times)
{
	struct tls_handshake *h = tls_handshake_new(server, tls_test_engine());
	enum tls_step step = TLS_STEP_MORE;
	enum tls_cause cause;
	size_t used;

	while (times-- > 0 && step == TLS_STEP_MORE)
		step = tls_handshake_step(h, (struct tls_bytes){ bytes, length }, &used);
	cause = tls_handshake_cause(h);
	CU_ASSERT_EQUAL(step == TLS_STEP_FAILED, cause != TLS_CAUSE_NONE);
	tls_handshake_free(h);
	return cause;
}

static void
test_no_tls(void)
{
	struct tls_server_settings s = tls_test_settings(TLS_TEST_ECDSA);
	struct tls_server *server = tls_test_server(&s);
	static const uint8_t small[] = { 22, 3, 1, 0, 0 },
			     early[] = { 22, 3, 1, 0, 4, 20, 0, 0, 0 };
	static const uint8_t alert[] = { 21, 3, 1, 0, 2, 2, 40 };
	static uint8_t large[16 + 17000] = { 22, 3, 1, 0x44, 0 }, hello[1024];
	struct tls_peer_settings p = { 0 };
	int n, i;

	CU_ASSERT_EQUAL(feed(server, "GET / HTTP/1.1\r\n", 16, 1), TLS_CAUSE_NOT_TLS);
	CU_ASSERT_EQUAL(feed(server, "", 0, 3), TLS_CAUSE_NONE);
	CU_ASSERT_NOT_EQUAL(feed(server, small, sizeof(small), 100000), TLS_CAUSE_NONE);
	CU_ASSERT_NOT_EQUAL(feed(server, early, sizeof(early), 1), TLS_CAUSE_NONE);
	CU_ASSERT_EQUAL(feed(server, alert, sizeof(alert), 1), TLS_CAUSE_CLIENT_GAVE_UP);
	CU_ASSERT_NOT_EQUAL(feed(server, large, sizeof(large), 1), TLS_CAUSE_NONE);

	/* A ClientHello, cut off: nothing yet. Its lengths changed: never more than a failure. */
	tls_meet(&m, server, &p, TLS_STREAM_MAX);
	SSL_do_handshake(m.peer);
	n = BIO_read(m.from_peer, hello, sizeof(hello));
	tls_part(&m);
	CU_ASSERT_FATAL(n > 100);
	for (i = 0; i < n; i++)
		CU_ASSERT_EQUAL(feed(server, hello, (size_t)i, 1), TLS_CAUSE_NONE);
	for (i = 5; i < n; i++) {
		hello[i] ^= 0x80;
		feed(server, hello, (size_t)n, 1);
		hello[i] ^= 0x80;
	}
	tls_server_free(server);
}

static void
test_settings(void)
{
	struct tls_pair mixed[] = { { tls_test_pair(TLS_TEST_RSA).certificate,
				      tls_test_pair(TLS_TEST_ECDSA).key } };
	struct tls_server_settings s = tls_test_settings(TLS_TEST_ECDSA);
	char error[200];

	s.pairs = mixed;
	CU_ASSERT_PTR_NULL(tls_server_create(&s, error, sizeof(error)));
	CU_ASSERT_STRING_EQUAL(error,
			       "the key of certificate 1 does not belong to the certificate");
	mixed[0].certificate = "no certificate";
	CU_ASSERT_PTR_NULL(tls_server_create(&s, error, sizeof(error)));
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "certificate 1 is not a certificate in PEM"));
	mixed[0] = tls_test_pair(TLS_TEST_ECDSA);
	mixed[0].key = "no key";
	CU_ASSERT_PTR_NULL(tls_server_create(&s, error, sizeof(error)));
	CU_ASSERT_PTR_NOT_NULL(
	    strstr(error, "the key of certificate 1 is not a private key in PEM"));
	s.n_pairs = 0;
	CU_ASSERT_PTR_NULL(tls_server_create(&s, error, sizeof(error)));
	tls_server_free(NULL);
}

int
test_tls_handshake_register(void)
{
	static CU_TestInfo tests[] = {
		{ "ECDSA: versions and ciphers, and then records", test_ecdsa },
		{ "RSA: the same", test_rsa },
		{ "byte by byte", test_cut },
		{ "two certificates", test_two_certificates },
		{ "another group", test_retry },
		{ "names and protocols", test_names },
		{ "data behind the Finished", test_early },
		{ "KeyUpdate both ways", test_key_update },
		{ "close_notify both ways", test_close },
		{ "tickets", test_tickets },
		{ "resumed without a key exchange", test_without_exchange },
		{ "... and nothing else", test_nothing_else },
		{ "a ticket without extended secret", test_ticket_downgrade },
		{ "clients that get nothing", test_bad_clients },
		{ "a Finished that is wrong", test_bad_finished },
		{ "bytes without end", test_endless },
		{ "bytes that are no handshake", test_no_tls },
		{ "settings", test_settings },
		CU_TEST_INFO_NULL,
	};
	static CU_SuiteInfo suites[] = { { "tls_handshake", NULL, NULL, NULL, NULL, tests },
					 CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}

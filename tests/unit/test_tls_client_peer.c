/* SPDX-License-Identifier: Apache-2.0 */
/* Handshakes of our client with OpenSSL as the server, and then our record layer with the keys. */
#include <CUnit/CUnit.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#include "tests/unit/suites.h"
#include "tests/unit/tls_authority.h"
#include "tests/unit/tls_duo.h"
#include "tests/unit/tls_peer.h"

/* OpenSSL's end, and what it has said that we have not used. */
struct server {
	SSL_CTX *context;
	SSL *ssl;
	BIO *in, *out;
	struct tls_client *client;
	struct tls_party us;
	size_t cut;
};

static struct server s; /* large, and one at a time */

struct want {
	int version;
	const char *ciphers12, *ciphers13, *groups;
	enum tls_test_key key;
	size_t cut; /* 0: whole */
	bool no_extended_secret;
	const struct tls_leaf *leaf; /* of an authority; NULL: by itself */
};

static void
start_server(const struct want *want, const struct tls_pair *pair)
{
	BIO *certificate = BIO_new_mem_buf(pair->certificate, -1),
	    *key = BIO_new_mem_buf(pair->key, -1);
	X509 *x = PEM_read_bio_X509(certificate, NULL, NULL, NULL);
	EVP_PKEY *k = PEM_read_bio_PrivateKey(key, NULL, NULL, NULL);

	s.context = SSL_CTX_new(TLS_server_method());
	SSL_CTX_set_security_level(s.context, 0);
	SSL_CTX_set_min_proto_version(s.context, want->version);
	SSL_CTX_set_max_proto_version(s.context, want->version);
	CU_ASSERT_FATAL(SSL_CTX_use_certificate(s.context, x) == 1 &&
			SSL_CTX_use_PrivateKey(s.context, k) == 1);
	CU_ASSERT_FATAL(!want->ciphers12 || SSL_CTX_set_cipher_list(s.context, want->ciphers12));
	CU_ASSERT_FATAL(!want->ciphers13 || SSL_CTX_set_ciphersuites(s.context, want->ciphers13));
	CU_ASSERT_FATAL(!want->groups || SSL_CTX_set1_groups_list(s.context, want->groups));
	if (want->no_extended_secret)
		SSL_CTX_set_options(s.context, SSL_OP_NO_EXTENDED_MASTER_SECRET);
	X509_free(x);
	EVP_PKEY_free(k);
	BIO_free(certificate);
	BIO_free(key);
	s.ssl = SSL_new(s.context);
	s.in = BIO_new(BIO_s_mem());
	s.out = BIO_new(BIO_s_mem());
	BIO_set_mem_eof_return(s.in, -1);
	SSL_set_bio(s.ssl, s.in, s.out);
	SSL_set_accept_state(s.ssl);
}

static void
start_with(const struct want *want, const struct tls_pair *pair, const char *ca)
{
	struct tls_client_settings cs = { .ca = ca,
					  .server_name = "shop.example",
					  .verify = true,
					  .minimum = TLS_1_2,
					  .maximum = TLS_1_3 };

	memset(&s, 0, sizeof(s));
	ERR_clear_error();
	s.cut = want->cut ? want->cut : sizeof(s.us.in);
	s.client = tls_duo_client(&cs);
	s.us.handshake = tls_handshake_new_client(s.client, tls_test_engine());
	start_server(want, pair);
}

static void
start(const struct want *want)
{
	struct tls_pair pair = tls_test_pair(want->key);
	struct tls_authority root;

	if (!want->leaf) {
		start_with(want, &pair, pair.certificate);
		return;
	}
	tls_authority_make(&root, NULL, "Root");
	pair = tls_authority_issue(&root, want->leaf);
	start_with(want, &pair, root.pem);
	tls_test_free(&pair);
	tls_authority_free(&root);
}

static void
stop(void)
{
	tls_handshake_free(s.us.handshake);
	tls_client_free(s.client);
	SSL_free(s.ssl);
	SSL_CTX_free(s.context);
	ERR_clear_error();
}

/* What OpenSSL has written. */
static void
hear(void)
{
	int n = BIO_read(s.out, s.us.in + s.us.n_in, (int)(sizeof(s.us.in) - s.us.n_in));

	s.us.n_in += n > 0 ? (size_t)n : 0;
}

static void
step(void)
{
	size_t n = s.us.n_in < s.cut ? s.us.n_in : s.cut, used;
	struct tls_bytes out;

	s.us.step = tls_handshake_step(s.us.handshake, (struct tls_bytes){ s.us.in, n }, &used);
	s.us.n_in -= used;
	memmove(s.us.in, s.us.in + used, s.us.n_in);
	out = tls_handshake_output(s.us.handshake);
	if (out.length > 0)
		CU_ASSERT_EQUAL(BIO_write(s.in, out.at, (int)out.length), (int)out.length);
}

static enum tls_step
shake_hands(void)
{
	bool waits = false;

	while (!waits && s.us.step == TLS_STEP_MORE) {
		step();
		if (s.us.n_in > 0)
			continue;
		SSL_do_handshake(s.ssl);
		hear();
		waits = s.us.n_in == 0;
	}
	SSL_do_handshake(s.ssl);
	hear();
	if (s.us.step != TLS_STEP_DONE)
		return s.us.step;
	s.us.receive.keys = tls_handshake_result(s.us.handshake)->receive;
	s.us.send.keys = tls_handshake_result(s.us.handshake)->send;
	tls_end_link(&s.us.receive);
	tls_end_link(&s.us.send);
	return TLS_STEP_DONE;
}

/* Tickets first, of which there are so many in the end. */
static bool
talk(unsigned int *tickets)
{
	uint8_t record[256];
	struct tls_opened o;
	char got[16];
	size_t n;
	int turn;

	for (turn = 0; turn < 3; turn++) {
		n = tls_end_seal(&s.us.send, TLS_APPLICATION_DATA, "question", 8, record);
		BIO_write(s.in, record, (int)n);
		if (SSL_read(s.ssl, got, sizeof(got)) != 8 || memcmp(got, "question", 8) != 0 ||
		    SSL_write(s.ssl, "answer", 6) != 6)
			return false;
		hear();
		for (;;) {
			o = tls_duo_receive(&s.us);
			if (o.error || o.type != TLS_HANDSHAKE || o.content[0] != 4)
				break;
			++*tickets;
		}
		if (o.error || o.type != TLS_APPLICATION_DATA || o.length != 6 ||
		    memcmp(o.content, "answer", 6) != 0)
			return false;
	}
	return s.us.n_in == 0;
}

static const struct want all[] = {
	{ .version = TLS1_3_VERSION, .ciphers13 = "TLS_AES_128_GCM_SHA256" },
	{ .version = TLS1_3_VERSION, .ciphers13 = "TLS_AES_256_GCM_SHA384", .cut = 1 },
	{ .version = TLS1_3_VERSION, .ciphers13 = "TLS_CHACHA20_POLY1305_SHA256", .cut = 31 },
	{ .version = TLS1_3_VERSION, .key = TLS_TEST_RSA },
	{ .version = TLS1_3_VERSION, .groups = "P-384", .cut = 97 }, /* HelloRetryRequest */
	{ .version = TLS1_2_VERSION, .ciphers12 = "ECDHE-ECDSA-AES128-GCM-SHA256" },
	{ .version = TLS1_2_VERSION, .ciphers12 = "ECDHE-ECDSA-AES256-GCM-SHA384", .cut = 1 },
	{ .version = TLS1_2_VERSION, .ciphers12 = "ECDHE-ECDSA-CHACHA20-POLY1305", .cut = 31 },
	{ .version = TLS1_2_VERSION, .key = TLS_TEST_RSA, .groups = "P-256" },
};

static void
test_all(void)
{
	size_t i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		unsigned int tickets = 0;

		start(&all[i]);
		CU_ASSERT_EQUAL_FATAL(shake_hands(), TLS_STEP_DONE);
		CU_ASSERT_EQUAL(tls_handshake_result(s.us.handshake)->receive.version,
				all[i].version);
		CU_ASSERT_STRING_EQUAL(SSL_get_servername(s.ssl, TLSEXT_NAMETYPE_host_name),
				       "shop.example");
		CU_ASSERT(talk(&tickets));
		/* OpenSSL sends two in 1.3, whether one has a use for them or not. */
		CU_ASSERT(tickets == (all[i].version == TLS1_3_VERSION ? 2 : 0));
		stop();
	}
}

static void
test_refused(void)
{
	static const struct tls_leaf for_clients = { .name = "shop.example",
						     .usage = "clientAuth" },
				     weak = { .name = "shop.example", .weak = true };
	static const struct {
		struct want want;
		enum tls_cause cause;
	} cases[] = {
		{ { .version = TLS1_2_VERSION, .no_extended_secret = true },
		  TLS_CAUSE_NO_EXTENDED_SECRET },
		{ { .version = TLS1_2_VERSION, .ciphers12 = "ECDHE-ECDSA-AES128-SHA256" },
		  TLS_CAUSE_NOTHING_SHARED },
		{ { .version = TLS1_3_VERSION, .groups = "P-521" }, TLS_CAUSE_NOTHING_SHARED },
		{ { .version = TLS1_1_VERSION }, TLS_CAUSE_VERSION },
		/* Which no server of ours would use. */
		{ { .version = TLS1_2_VERSION, .leaf = &for_clients }, TLS_CAUSE_WRONG_USE },
		{ { .version = TLS1_3_VERSION, .leaf = &for_clients }, TLS_CAUSE_WRONG_USE },
		{ { .version = TLS1_2_VERSION, .leaf = &weak }, TLS_CAUSE_WEAK_CERTIFICATE },
		{ { .version = TLS1_3_VERSION, .leaf = &weak }, TLS_CAUSE_WEAK_CERTIFICATE },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		start(&cases[i].want);
		CU_ASSERT_EQUAL(shake_hands(), TLS_STEP_FAILED);
		CU_ASSERT_EQUAL(tls_handshake_cause(s.us.handshake), cases[i].cause);
		stop();
	}
}

int
test_tls_client_peer_register(void)
{
	static CU_TestInfo tests[] = {
		{ "versions, ciphers and groups, and then records", test_all },
		{ "servers that are refused", test_refused },
		CU_TEST_INFO_NULL,
	};
	static CU_SuiteInfo suites[] = { { "tls_client_peer", NULL, NULL, NULL, NULL, tests },
					 CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}

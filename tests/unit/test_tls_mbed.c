/* SPDX-License-Identifier: Apache-2.0 */
/* cp/tls/handshake with mbedTLS as the client, and then our record layer with the keys of it. */
#include <CUnit/CUnit.h>
#include <mbedtls/ssl_ciphersuites.h>
#include <string.h>

#include "cp/tls/handshake.h"
#include "tests/unit/suites.h"
#include "tests/unit/tls_bytes.h"
#include "tests/unit/tls_mbed.h"

static struct tls_mbed client;
static struct tls_end receive, send;

/* To the end, all bytes in one piece each time. */
static enum tls_step
shake_hands(struct tls_handshake *h)
{
	enum tls_step step = TLS_STEP_MORE;
	struct tls_bytes out;
	int turns, code = -1;
	size_t used;

	for (turns = 0; turns < 10 && (code != 0 || step == TLS_STEP_MORE); turns++) {
		code = tls_mbed_shake(&client);
		step = tls_handshake_step(h, (struct tls_bytes){ client.out, client.n_out }, &used);
		CU_ASSERT_EQUAL(used, client.n_out);
		client.n_out = 0;
		out = tls_handshake_output(h);
		tls_mbed_hear(&client, out.at, out.length);
	}
	return step;
}

static void
talk(void)
{
	static uint8_t record[TLS_RECORD_MAX];
	struct tls_opened o;
	uint8_t got[16];
	size_t n;
	int turn;

	for (turn = 0; turn < 3; turn++) {
		n = tls_end_seal(&send, TLS_APPLICATION_DATA, "of the server", 13, record);
		tls_mbed_hear(&client, record, n);
		CU_ASSERT_EQUAL(mbedtls_ssl_read(&client.ssl, got, sizeof(got)), 13);
		CU_ASSERT(memcmp(got, "of the server", 13) == 0);
		CU_ASSERT_EQUAL(
		    mbedtls_ssl_write(&client.ssl, (const uint8_t *)"of the client", 13), 13);
		o = tls_end_open(&receive, client.out, client.n_out);
		CU_ASSERT(o.error == TLS_OK && o.type == TLS_APPLICATION_DATA && o.length == 13);
		CU_ASSERT(o.error || memcmp(o.content, "of the client", 13) == 0);
		client.n_out = 0;
	}
}

static void
check(struct tls_server *server, enum tls_version version, int suite, enum tls_cipher cipher)
{
	struct tls_handshake *h = tls_handshake_new(server, tls_test_engine());
	const struct tls_handover *r;

	tls_mbed_begin(&client, version, suite);
	CU_ASSERT_EQUAL_FATAL(shake_hands(h), TLS_STEP_DONE);
	r = tls_handshake_result(h);
	CU_ASSERT(r->receive.version == version && r->send.version == version);
	CU_ASSERT(r->receive.cipher == cipher && r->send.cipher == cipher);
	CU_ASSERT_STRING_EQUAL(r->name.text, "shop.example");
	receive.keys = r->receive;
	send.keys = r->send;
	tls_handshake_free(h);
	tls_end_link(&receive);
	tls_end_link(&send);
	talk();
	tls_mbed_end(&client);
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
	struct tls_pair pair = tls_mbed_pair();
	struct tls_server_settings s = {
		.pairs = &pair, .n_pairs = 1, .minimum = TLS_1_2, .maximum = TLS_1_3
	};
	char error[200] = "";
	struct tls_server *server = tls_server_create(&s, error, sizeof(error));
	size_t i;

	CU_ASSERT_STRING_EQUAL(error, "");
	CU_ASSERT_PTR_NOT_NULL_FATAL(server);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check(server, cases[i].version, cases[i].suite, cases[i].cipher);
	tls_server_free(server);
}

int
test_tls_mbed_register(void)
{
	static CU_TestInfo tests[] = {
		{ "versions and ciphers, and then records", test_mbed },
		CU_TEST_INFO_NULL,
	};
	static CU_SuiteInfo suites[] = { { "tls_mbed", NULL, NULL, NULL, NULL, tests },
					 CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}

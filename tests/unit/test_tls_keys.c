/* SPDX-License-Identifier: Apache-2.0 */
/* lib/tls/keys: the trace of RFC 8448, HMAC's own vectors, and OpenSSL's key derivation. */
#include <CUnit/CUnit.h>
#include <openssl/core_names.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <string.h>

#include "tests/unit/suites.h"
#include "tests/unit/tls_bytes.h"

static bool
is(const uint8_t *got, const char *wanted)
{
	uint8_t bytes[64];
	size_t n = tls_unhex(wanted, bytes, sizeof(bytes));

	return memcmp(got, bytes, n) == 0;
}

/* RFC 8448 3: both sides' application traffic secrets, keys and ivs. */
static void
test_trace(void)
{
	struct tls_keys k = { .cipher = TLS_AES_128_GCM, .sequence = 7 };

	tls_unhex("9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5", k.secret,
		  sizeof(k.secret));
	tls_keys_from_secret(&k, tls_test_engine());
	CU_ASSERT(is(k.key, "17422dda596ed5d9acd890e3c63f5051"));
	CU_ASSERT(is(k.iv, "5b78923dee08579033e523d9"));
	CU_ASSERT(k.sequence == 0 && k.version == TLS_1_3);

	tls_unhex("a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643", k.secret,
		  sizeof(k.secret));
	tls_keys_from_secret(&k, tls_test_engine());
	CU_ASSERT(is(k.key, "9f02283b6c9c07efc26bb9f2ac92e356"));
	CU_ASSERT(is(k.iv, "cf782b88dd83549aadf1e984"));
}

static const char *
hash_name(enum tls_cipher cipher)
{
	return cipher == TLS_AES_256_GCM ? "SHA384" : "SHA256";
}

/* RFC 4231, cases 1, 2 and 3: keys of up to a block. */
static void
test_hmac(void)
{
	static const struct {
		const char *key, *message, *sha256, *sha384;
	} cases[] = {
		{ "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
		  "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
		  "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59c"
		  "faea9ea9076ede7f4af152e8b2fa9cb6" },
		{ "4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
		  "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
		  "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e"
		  "8e2240ca5e69e2c78b3239ecfab21649" },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		  "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
		  "dddddddddddddddddddddddddddddddddddd",
		  "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
		  "88062608d3e6ad8a0aa2ace014c8a86f0aa635d947ac9febe83ef4e55966144b"
		  "2a5ab39dc13814b94e3ab6e101a34f27" },
	};
	uint8_t key[64], message[TLS_HMAC_MESSAGE_MAX], out[TLS_SECRET_MAX];
	struct tls_bytes k = { key, 0 }, m = { message, 0 };
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		k.length = tls_unhex(cases[i].key, key, sizeof(key));
		m.length = tls_unhex(cases[i].message, message, sizeof(message));
		tls_hmac(tls_test_engine(), TLS_CHACHA20_POLY1305, k, m, out);
		CU_ASSERT(is(out, cases[i].sha256));
		tls_hmac(tls_test_engine(), TLS_AES_256_GCM, k, m, out);
		CU_ASSERT(is(out, cases[i].sha384));
	}
}

/* What OpenSSL derives with these parameters. */
static void
openssl_derive(const char *kdf, OSSL_PARAM *parameters, struct tls_room out)
{
	EVP_KDF *method = EVP_KDF_fetch(NULL, kdf, NULL);
	EVP_KDF_CTX *c = EVP_KDF_CTX_new(method);

	CU_ASSERT_FATAL(EVP_KDF_derive(c, out.at, out.length, parameters) == 1);
	EVP_KDF_CTX_free(c);
	EVP_KDF_free(method);
}

static void
openssl_expand(enum tls_cipher cipher, const uint8_t *secret, const char *label,
	       struct tls_room out)
{
	uint8_t info[64];
	int n = snprintf((char *)info + 2, sizeof(info) - 2, "%ctls13 %s", (int)strlen(label) + 6,
			 label);
	int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
	OSSL_PARAM p[] = {
		OSSL_PARAM_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)hash_name(cipher), 0),
		OSSL_PARAM_octet_string(OSSL_KDF_PARAM_KEY, (void *)secret,
					tls_secret_length(cipher)),
		OSSL_PARAM_octet_string(OSSL_KDF_PARAM_INFO, info, (size_t)n + 3),
		OSSL_PARAM_int(OSSL_KDF_PARAM_MODE, &mode),
		OSSL_PARAM_END,
	};

	info[0] = 0;
	info[1] = (uint8_t)out.length;
	info[n + 2] = 0;
	openssl_derive("HKDF", p, out);
}

/* Three generations of keys, all ciphers. */
static void
test_update(void)
{
	uint8_t secret[TLS_SECRET_MAX], next[TLS_SECRET_MAX], key[TLS_KEY_MAX], iv[TLS_IV];
	struct tls_end end;
	int cipher, i;

	for (cipher = 0; cipher < TLS_CIPHERS; cipher++) {
		enum tls_cipher c = (enum tls_cipher)cipher;
		struct tls_keys *k = &end.keys;

		tls_end_make(&end, TLS_1_3, c, 77);
		memcpy(secret, k->secret, sizeof(secret));
		tls_keys_from_secret(k, tls_test_engine());
		for (i = 0; i < 3; i++) {
			openssl_expand(c, secret, "key",
				       (struct tls_room){ key, tls_key_length(c) });
			openssl_expand(c, secret, "iv", (struct tls_room){ iv, TLS_IV });
			CU_ASSERT(memcmp(k->key, key, tls_key_length(c)) == 0);
			CU_ASSERT(memcmp(k->iv, iv, TLS_IV) == 0);
			CU_ASSERT_EQUAL(k->generation, i);
			openssl_expand(c, secret, "traffic upd",
				       (struct tls_room){ next, tls_secret_length(c) });
			memcpy(secret, next, tls_secret_length(c));
			k->sequence = 99;
			tls_keys_update(k, tls_test_engine());
			CU_ASSERT(k->sequence == 0 && k->cipher == cipher);
		}
	}
}

/* The key block of TLS 1.2, in the order of RFC 5246 6.3. */
static void
test_key_block(void)
{
	uint64_t random = 5;
	uint8_t block[2 * TLS_KEY_MAX + 2 * TLS_IV];
	uint32_t cipher, key, iv;
	size_t i;

	for (cipher = 0; cipher < TLS_CIPHERS; cipher++) {
		struct tls_master m = { .cipher = (enum tls_cipher)cipher };
		struct tls_keys client, server;
		OSSL_PARAM p[] = {
			OSSL_PARAM_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)hash_name(m.cipher),
					       0),
			OSSL_PARAM_octet_string(OSSL_KDF_PARAM_SECRET, m.secret, TLS_SECRET_MAX),
			OSSL_PARAM_octet_string(OSSL_KDF_PARAM_SEED, (char *)"key expansion", 13),
			OSSL_PARAM_octet_string(OSSL_KDF_PARAM_SEED, m.server_random, TLS_RANDOM),
			OSSL_PARAM_octet_string(OSSL_KDF_PARAM_SEED, m.client_random, TLS_RANDOM),
			OSSL_PARAM_END,
		};

		for (i = 0; i < TLS_RANDOM; i++) {
			m.secret[i] = (uint8_t)test_random(&random);
			m.client_random[i] = (uint8_t)test_random(&random);
			m.server_random[i] = (uint8_t)test_random(&random);
		}
		key = tls_key_length(m.cipher);
		iv = cipher == TLS_CHACHA20_POLY1305 ? 12 : 4;
		openssl_derive("TLS1-PRF", p, (struct tls_room){ block, 2 * (key + iv) });
		tls_keys_from_master(&client, &server, &m, tls_test_engine());
		CU_ASSERT(memcmp(client.key, block, key) == 0);
		CU_ASSERT(memcmp(server.key, block + key, key) == 0);
		CU_ASSERT(memcmp(client.iv, block + 2 * key, iv) == 0);
		CU_ASSERT(memcmp(server.iv, block + 2 * key + iv, iv) == 0);
		CU_ASSERT(client.sequence == 1 && server.sequence == 1);
		CU_ASSERT(client.version == TLS_1_2 && server.cipher == cipher);
	}
}

static void
test_key_update_message(void)
{
	static const uint8_t wanted[2][TLS_KEY_UPDATE] = { { 24, 0, 0, 1, 0 }, { 24, 0, 0, 1, 1 } };
	uint8_t m[TLS_KEY_UPDATE + 1] = { 0 };
	bool asks = true;
	int i;

	for (i = 0; i < 2; i++) {
		tls_key_update_write(m, i);
		CU_ASSERT(memcmp(m, wanted[i], TLS_KEY_UPDATE) == 0);
		CU_ASSERT(tls_key_update_read(m, TLS_KEY_UPDATE, &asks) && asks == i);
	}
	/* Another message behind it in the same record: RFC 8446 5.1 forbids that. */
	CU_ASSERT_FALSE(tls_key_update_read(m, TLS_KEY_UPDATE + 1, &asks));
	CU_ASSERT_FALSE(tls_key_update_read(m, TLS_KEY_UPDATE - 1, &asks));
	CU_ASSERT_FALSE(tls_key_update_read(m, 0, &asks));
	m[4] = 2;
	CU_ASSERT_FALSE(tls_key_update_read(m, TLS_KEY_UPDATE, &asks));
	m[4] = 0;
	m[0] = 4;
	CU_ASSERT_FALSE(tls_key_update_read(m, TLS_KEY_UPDATE, &asks));
}

static void
test_worn(void)
{
	struct tls_keys k = { .cipher = TLS_AES_256_GCM, .sequence = TLS_GCM_RECORDS_SOON - 1 };
	static const struct tls_keys wiped;

	CU_ASSERT_FALSE(tls_keys_worn(&k));
	k.sequence++;
	CU_ASSERT(tls_keys_worn(&k));
	CU_ASSERT(TLS_GCM_RECORDS_SOON < TLS_GCM_RECORDS_MAX);
	k.cipher = TLS_CHACHA20_POLY1305;
	CU_ASSERT_FALSE(tls_keys_worn(&k));
	memset(&k, 0xaa, sizeof(k));
	tls_keys_wipe(&k);
	CU_ASSERT(memcmp(&k, &wiped, sizeof(k)) == 0);
}

int
test_tls_keys_register(void)
{
	static CU_TestInfo tests[] = {
		{ "RFC 8448's trace", test_trace },
		{ "HMAC: RFC 4231", test_hmac },
		{ "KeyUpdate, against OpenSSL", test_update },
		{ "key block of 1.2, against OpenSSL", test_key_block },
		{ "the message KeyUpdate", test_key_update_message },
		{ "worn keys, wiped keys", test_worn },
		CU_TEST_INFO_NULL,
	};
	static CU_SuiteInfo suites[] = { { "tls_keys", NULL, NULL, NULL, NULL, tests },
					 CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}

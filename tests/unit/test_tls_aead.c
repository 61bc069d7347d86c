/* SPDX-License-Identifier: Apache-2.0 */
/* lib/tls/aead: published vectors, and OpenSSL's answers for all lengths and cuts. */
#include <CUnit/CUnit.h>
#include <openssl/evp.h>
#include <string.h>

#include "lib/tls/aead.h"
#include "tests/unit/suites.h"
#include "tests/unit/tls_bytes.h"

#define TEXT_MAX 4096

struct vector {
	const char *name;
	enum tls_cipher cipher;
	const char *key, *nonce, *additional, *plain, *sealed, *tag;
};

/* McGrew and Viega, "The Galois/Counter Mode of Operation", appendix B (cases 1 to 4 and 13 to 16,
 * of which NIST has made its own); RFC 8439 2.8.2. */
static const struct vector vectors[] = {
	{ "GCM 1", TLS_AES_128_GCM, "00000000000000000000000000000000", "000000000000000000000000",
	  "", "", "", "58e2fccefa7e3061367f1d57a4e7455a" },
	{ "GCM 2", TLS_AES_128_GCM, "00000000000000000000000000000000", "000000000000000000000000",
	  "", "00000000000000000000000000000000", "0388dace60b6a392f328c2b971b2fe78",
	  "ab6e47d42cec13bdf53a67b21257bddf" },
	{ "GCM 3", TLS_AES_128_GCM, "feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
	  "",
	  "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
	  "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
	  "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
	  "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091473f5985",
	  "4d5c2af327cd64a62cf35abd2ba6fab4" },
	{ "GCM 4", TLS_AES_128_GCM, "feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
	  "feedfacedeadbeeffeedfacedeadbeefabaddad2",
	  "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
	  "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
	  "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
	  "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
	  "5bc94fbc3221a5db94fae95ae7121a47" },
	{ "GCM 13", TLS_AES_256_GCM,
	  "0000000000000000000000000000000000000000000000000000000000000000",
	  "000000000000000000000000", "", "", "", "530f8afbc74536b9a963b4f1c4cb738b" },
	{ "GCM 14", TLS_AES_256_GCM,
	  "0000000000000000000000000000000000000000000000000000000000000000",
	  "000000000000000000000000", "", "00000000000000000000000000000000",
	  "cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919" },
	{ "GCM 15", TLS_AES_256_GCM,
	  "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
	  "cafebabefacedbaddecaf888", "",
	  "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
	  "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
	  "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
	  "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad",
	  "b094dac5d93471bdec1a502270e3cc6c" },
	{ "GCM 16", TLS_AES_256_GCM,
	  "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
	  "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
	  "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
	  "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
	  "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
	  "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
	  "76fc6ece0f4e1768cddf8853bb2d551b" },
	{ "RFC 8439", TLS_CHACHA20_POLY1305,
	  "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
	  "070000004041424344454647", "50515253c0c1c2c3c4c5c6c7",
	  "4c616469657320616e642047656e746c656d656e206f662074686520636c6173"
	  "73206f66202739393a204966204920636f756c64206f6666657220796f75206f"
	  "6e6c79206f6e652074697020666f7220746865206675747572652c2073756e73"
	  "637265656e20776f756c642062652069742e",
	  "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6"
	  "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36"
	  "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
	  "3ff4def08e4b7a9de576d26586cec64b6116",
	  "1ae10b594f09e26a7e902ecbd0600691" },
};

/* Through the steps, cut at `cut` and `cut2`; or all at once. */
static void
run(const struct tls_aead_input *in, bool seals, const struct tls_piece *whole,
    const uint32_t cuts[2], uint8_t tag[TLS_TAG])
{
	struct tls_piece p = *whole;
	uint32_t ends[3] = { 0, 0, whole->length }, at = 0, i;
	struct tls_aead a;

	tls_aead_start(&a, tls_test_engine(), in, seals);
	if (!cuts) {
		tls_aead_whole(&a, in, whole, tag);
		return;
	}
	ends[0] = cuts[0];
	ends[1] = cuts[1];
	tls_aead_begin(&a, in);
	for (i = 0; i < 3; at = ends[i++]) {
		p.from = whole->from + at;
		p.to = whole->to + at;
		p.length = ends[i] - at;
		tls_aead_over(&a, &p);
	}
	tls_aead_end(&a, tag);
}

static void
check(const struct tls_aead_input *in, const uint8_t *plain, const uint8_t *sealed, uint32_t length,
      const uint8_t *tag)
{
	uint8_t out[TEXT_MAX] = { 0 }, got[TLS_TAG];
	struct tls_piece forward = { plain, out, length }, back = { out, out, length };
	uint32_t cuts[2];
	uint32_t step = length > 200 ? length / 37 : 1;

	run(in, true, &forward, NULL, got);
	CU_ASSERT(memcmp(out, sealed, length) == 0 && tls_same_tag(tag, got));
	run(in, false, &back, NULL, got);
	CU_ASSERT(memcmp(out, plain, length) == 0 && tls_same_tag(tag, got));
	for (cuts[0] = 0; cuts[0] <= length; cuts[0] += step) {
		cuts[1] = cuts[0] + (length - cuts[0]) / 3;
		run(in, true, &forward, cuts, got);
		CU_ASSERT(memcmp(out, sealed, length) == 0 && tls_same_tag(tag, got));
		run(in, false, &back, cuts, got);
		CU_ASSERT(memcmp(out, plain, length) == 0 && tls_same_tag(tag, got));
	}
}

static void
test_vectors(void)
{
	uint8_t plain[TEXT_MAX], sealed[TEXT_MAX], tag[TLS_TAG], additional[32];
	struct tls_end end;
	size_t i;

	for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		const struct vector *v = &vectors[i];
		struct tls_aead_input in = { .keys = &end.keys, .additional = additional };
		size_t length = tls_unhex(v->plain, plain, sizeof(plain));

		tls_end_make(&end, TLS_1_3, v->cipher, 0);
		CU_ASSERT_EQUAL(tls_unhex(v->key, end.keys.key, sizeof(end.keys.key)),
				tls_key_length(v->cipher));
		in.schedule = tls_schedules_get(end.side.schedules, &end.keys);
		CU_ASSERT_EQUAL(tls_unhex(v->nonce, in.nonce, sizeof(in.nonce)), TLS_IV);
		in.n_additional = (uint8_t)tls_unhex(v->additional, additional, sizeof(additional));
		CU_ASSERT_EQUAL(tls_unhex(v->sealed, sealed, sizeof(sealed)), length);
		CU_ASSERT_EQUAL(tls_unhex(v->tag, tag, sizeof(tag)), TLS_TAG);
		check(&in, plain, sealed, (uint32_t)length, tag);
	}
}

static void
openssl_seal(const struct tls_aead_input *in, const uint8_t *plain, uint8_t *sealed,
	     uint32_t length, uint8_t tag[TLS_TAG])
{
	static const EVP_CIPHER *(*const ciphers[TLS_CIPHERS])(void) = {
		[TLS_AES_128_GCM] = EVP_aes_128_gcm,
		[TLS_AES_256_GCM] = EVP_aes_256_gcm,
		[TLS_CHACHA20_POLY1305] = EVP_chacha20_poly1305,
	};
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int n;

	CU_ASSERT_FATAL(EVP_EncryptInit_ex(c, ciphers[in->keys->cipher](), NULL, in->keys->key,
					   in->nonce) == 1);
	CU_ASSERT(EVP_EncryptUpdate(c, NULL, &n, in->additional, in->n_additional) == 1);
	CU_ASSERT(EVP_EncryptUpdate(c, sealed, &n, plain, (int)length) == 1);
	CU_ASSERT(EVP_EncryptFinal_ex(c, sealed + n, &n) == 1);
	CU_ASSERT(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TLS_TAG, tag) == 1);
	EVP_CIPHER_CTX_free(c);
}

static void
test_openssl(void)
{
	uint8_t plain[TEXT_MAX], sealed[TEXT_MAX], tag[TLS_TAG], additional[16];
	uint64_t random = 11;
	struct tls_end end;
	uint32_t cipher, length, i;

	for (cipher = 0; cipher < TLS_CIPHERS; cipher++) {
		for (length = 0; length <= TEXT_MAX; length += length < 300 ? 7 : 411) {
			struct tls_aead_input in = { .keys = &end.keys, .additional = additional };

			tls_end_make(&end, TLS_1_3, (enum tls_cipher)cipher, random);
			in.schedule = tls_schedules_get(end.side.schedules, &end.keys);
			for (i = 0; i < length; i++)
				plain[i] = (uint8_t)test_random(&random);
			for (i = 0; i < TLS_IV; i++)
				in.nonce[i] = (uint8_t)test_random(&random);
			in.n_additional = (uint8_t)(1 + test_random(&random) % 13);
			for (i = 0; i < in.n_additional; i++)
				additional[i] = (uint8_t)test_random(&random);
			openssl_seal(&in, plain, sealed, length, tag);
			check(&in, plain, sealed, length, tag);
		}
	}
}

static void
test_same_tag(void)
{
	uint8_t a[TLS_TAG] = { 0 }, b[TLS_TAG] = { 0 };
	int i;

	CU_ASSERT(tls_same_tag(a, b));
	for (i = 0; i < TLS_TAG * 8; i++) {
		b[i / 8] ^= (uint8_t)(1 << i % 8);
		CU_ASSERT_FALSE(tls_same_tag(a, b));
		b[i / 8] = 0;
	}
}

int
test_tls_aead_register(void)
{
	static CU_TestInfo tests[] = {
		{ "published vectors, cut everywhere", test_vectors },
		{ "as OpenSSL, all lengths and cuts", test_openssl },
		{ "tags differ in any bit", test_same_tag },
		CU_TEST_INFO_NULL,
	};
	static CU_SuiteInfo suites[] = { { "tls_aead", NULL, NULL, NULL, NULL, tests },
					 CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}

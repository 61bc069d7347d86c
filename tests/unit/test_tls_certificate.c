/* SPDX-License-Identifier: Apache-2.0 */
/* What is told of a certificate (cp/tls/peer), and what is seen of a server's hello (cp/tls/watch).
 */
#include <CUnit/CUnit.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

#include "cp/tls/peer.h"
#include "cp/tls/watch.h"
#include "tests/unit/suites.h"
#include "tests/unit/tls_authority.h"
#include "tests/unit/tls_bytes.h"

/* ---- certificates ---------------------------------------------------------------------------- */

static struct tls_peer
describe(const struct tls_leaf *leaf)
{
	struct tls_authority root;
	struct tls_pair pair;
	struct tls_peer peer;
	mbedtls_x509_crt x;

	tls_authority_make(&root, NULL, "Root");
	pair = tls_authority_issue(&root, leaf);
	mbedtls_x509_crt_init(&x);
	CU_ASSERT_EQUAL(mbedtls_x509_crt_parse(&x, (const uint8_t *)pair.certificate,
					       strlen(pair.certificate) + 1),
			0);
	memset(&peer, 0xff, sizeof(peer));
	tls_peer_describe(&peer, &x);
	CU_ASSERT(peer.has_certificate && !peer.verified);
	mbedtls_x509_crt_free(&x);
	tls_test_free(&pair);
	tls_authority_free(&root);
	return peer;
}

static void
add(X509 *x, const char *type, const char *bytes, int length)
{
	X509_NAME *name = X509_get_subject_name(x);

	CU_ASSERT_EQUAL(X509_NAME_add_entry_by_txt(name, type, V_ASN1_UTF8STRING,
						   (const uint8_t *)bytes, length, -1, 0),
			1);
}

static void
hostile_subject(X509 *x)
{
	add(x, "O", "Doe, \"Inc\";+1%\\", -1);
	add(x, "OU", "a\r\nX-Client-Name: admin\0b", 25);
	add(x, "L", " K\xc3\xb6ln ", -1);
	add(x, "1.3.6.1.4.1.99999.7", "own", -1);
}

static void
test_subject(void)
{
	struct tls_peer peer = describe(&(struct tls_leaf){ .name = "alice smith" });

	CU_ASSERT_STRING_EQUAL(peer.subject, "CN=alice smith");
	CU_ASSERT_STRING_EQUAL(peer.names, "");
	CU_ASSERT_FALSE(peer.incomplete);
	peer = describe(&(struct tls_leaf){ .name = "alice", .change = hostile_subject });
	CU_ASSERT_STRING_EQUAL(peer.subject, "CN=alice,O=Doe%2c %22Inc%22%3b%2b1%25%5c,"
					     "OU=a%0d%0aX-Client-Name: admin%00b,L=%20K%c3%b6ln%20,"
					     "1.3.6.1.4.1.99999.7=own");
	CU_ASSERT_FALSE(peer.incomplete);
}

static void
add_name(GENERAL_NAMES *names, int type, const char *bytes, int length)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_STRING *value = ASN1_STRING_type_new(V_ASN1_IA5STRING);

	ASN1_STRING_set(value, bytes, length);
	GENERAL_NAME_set0_value(name, type, value);
	sk_GENERAL_NAME_push(names, name);
}

static void
hostile_names(X509 *x)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();

	add_name(names, GEN_DNS, "good.example\0.evil.example", 26);
	add_name(names, GEN_URI, "x,DNS:admin.example", -1);
	add_name(names, GEN_EMAIL, "a\"b@c.example\n", -1);
	CU_ASSERT_EQUAL(X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0, 0), 1);
	GENERAL_NAMES_free(names);
}

static void
test_names(void)
{
	static const char all[] = "DNS:*.shop.example,email:a@b.example,URI:spiffe://shop/a?b=c,"
				  "IP:192.0.2.1,IP:2001:db8::1";
	struct tls_peer peer = describe(&(struct tls_leaf){
	    .name = "a",
	    .names = "DNS:*.shop.example,email:a@b.example,"
		     "URI:spiffe://shop/a?b=c,RID:1.2.3,IP:192.0.2.1,IP:2001:db8::1" });

	CU_ASSERT_STRING_EQUAL(peer.names, all);
	CU_ASSERT_FALSE(peer.incomplete);
	peer = describe(&(struct tls_leaf){ .name = "a", .change = hostile_names });
	CU_ASSERT_STRING_EQUAL(peer.names,
			       "DNS:good.example%00.evil.example,URI:x%2cDNS:admin.example,"
			       "email:a%22b@c.example%0a");
}

/* 250 characters that the subject has no room for, and of the names only those that fit. */
static void
long_ones(X509 *x)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	char text[251];
	int i;

	memset(text, 'a', 250);
	text[250] = '\0';
	for (i = 0; i < 5; i++)
		add(x, "OU", text, 60);
	add_name(names, GEN_DNS, "first.example", -1);
	add_name(names, GEN_DNS, text, 250);
	add_name(names, GEN_DNS, "last.example", -1);
	CU_ASSERT_EQUAL(X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0, 0), 1);
	GENERAL_NAMES_free(names);
}

static void
test_too_long(void)
{
	struct tls_peer peer = describe(&(struct tls_leaf){ .name = "a", .change = long_ones });

	CU_ASSERT_STRING_EQUAL(peer.subject, "");
	CU_ASSERT_STRING_EQUAL(peer.names, "DNS:first.example,DNS:last.example");
	CU_ASSERT_TRUE(peer.incomplete);
}

static void
other_serial(X509 *x)
{
	BIGNUM *n = NULL;

	BN_hex2bn(&n, "FEDCBA98765432100000000000000000000001");
	BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x));
	BN_free(n);
}

static void
test_serial_and_fingerprint(void)
{
	struct tls_authority root;
	const struct tls_leaf leaf = { .name = "a", .change = other_serial };
	struct tls_peer peer = describe(&leaf);
	mbedtls_x509_crt x;
	uint8_t digest[32];
	unsigned int n = sizeof(digest);
	X509 *own;
	BIO *bio;

	CU_ASSERT_STRING_EQUAL(peer.serial, "fedcba98765432100000000000000000000001");
	tls_authority_make(&root, NULL, "Root");
	bio = BIO_new_mem_buf(root.pem, -1);
	mbedtls_x509_crt_init(&x);
	mbedtls_x509_crt_parse(&x, (const uint8_t *)root.pem, strlen(root.pem) + 1);
	tls_peer_describe(&peer, &x);
	own = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	CU_ASSERT_EQUAL(X509_digest(own, EVP_sha256(), digest, &n), 1);
	CU_ASSERT(memcmp(peer.fingerprint, digest, sizeof(digest)) == 0);
	X509_free(own);
	BIO_free(bio);
	mbedtls_x509_crt_free(&x);
	tls_authority_free(&root);
	tls_peer_describe(&peer, NULL);
	CU_ASSERT(!peer.has_certificate && peer.serial[0] == '\0');
}

/* ---- hellos ---------------------------------------------------------------------------------- */

/* A ServerHello of 1.2: the random is 32 times 0x11; with the extension or without. */
#define RANDOM_11                          \
	"11111111111111111111111111111111" \
	"11111111111111111111111111111111"
static const char with_secret[] = "02 00002e 0303" RANDOM_11 "00 c02b 00 0006 00170002 beef",
		  without_secret[] = "02 00002c 0303" RANDOM_11 "00 c02b 00 0004 ff010000",
		  of_13[] = "02 00002e 0303" RANDOM_11 "00 1301 00 0006 002b0002 0304",
		  retry[] = "02 00002e 0303"
			    "cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c"
			    "00 1301 00 0006 002b0002 0304";

/* The message in records of so many bytes, given so many bytes at a time. */
static struct tls_watch
watch(const char *message, size_t record, size_t piece)
{
	struct tls_watch w = { 0 };
	struct tls_input in = { .watch = &w };
	uint8_t bytes[128], all[1024];
	size_t length = tls_unhex(message, bytes, sizeof(bytes)), at, n, to = 0;

	for (at = 0; at < length; at += n) {
		n = length - at < record ? length - at : record;
		memcpy(all + to, (uint8_t[]){ TLS_HANDSHAKE, 3, 3, 0, (uint8_t)n }, 5);
		memcpy(all + to + 5, bytes + at, n);
		to += 5 + n;
	}
	for (at = 0; at < to; at += n) {
		n = to - at < piece ? to - at : piece;
		CU_ASSERT_FALSE(w.hello);
		tls_watch_input(&in, all + at, n);
	}
	CU_ASSERT_EQUAL(in.header[0], TLS_HANDSHAKE);
	return w;
}

static void
test_hellos(void)
{
	static const size_t records[] = { 128, 17, 1 }, pieces[] = { 1024, 7, 1 };
	struct tls_watch w;
	int r, p;

	for (r = 0; r < 3; r++) {
		for (p = 0; p < 3; p++) {
			w = watch(with_secret, records[r], pieces[p]);
			CU_ASSERT(w.hello && w.extended_secret && !w.is_13);
			w = watch(without_secret, records[r], pieces[p]);
			CU_ASSERT(w.hello && !w.extended_secret && !w.is_13);
			w = watch(of_13, records[r], pieces[p]);
			CU_ASSERT(w.hello && w.is_13);
			w = watch(retry, records[r], pieces[p]);
			CU_ASSERT(!w.hello && !w.is_13);
		}
	}
}

/* Alerts, and a message without end in front of the hello. */
static void
test_other_input(void)
{
	static const uint8_t alert[] = { TLS_ALERT, 3, 3, 0, 2, 2, 48 },
			     sealed[] = { TLS_ALERT, 3, 3, 0, 4, 1, 2, 3, 4 },
			     large[] = { TLS_HANDSHAKE, 3, 3, 0, 5, 9, 255, 255, 255, 0 };
	struct tls_watch w = { 0 };
	struct tls_input in = { .watch = &w };
	int i;

	tls_watch_input(&in, alert, sizeof(alert));
	CU_ASSERT_EQUAL(in.alert, 48);
	tls_watch_input(&in, sealed, sizeof(sealed));
	CU_ASSERT_EQUAL(in.alert, 48);
	for (i = 0; i < 1000; i++)
		tls_watch_input(&in, large, sizeof(large));
	CU_ASSERT(!w.hello && in.n_messages == TLS_WATCH_HELLO);
}

int
test_tls_certificate_register(void)
{
	static CU_TestInfo tests[] = {
		{ "subjects, and what hostile ones contain", test_subject },
		{ "names", test_names },
		{ "what does not fit", test_too_long },
		{ "serial number and fingerprint", test_serial_and_fingerprint },
		{ "hellos in pieces", test_hellos },
		{ "alerts and endless messages", test_other_input },
		CU_TEST_INFO_NULL,
	};
	static CU_SuiteInfo suites[] = { { "tls_certificate", NULL, NULL, NULL, NULL, tests },
					 CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}

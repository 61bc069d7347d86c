/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tls_peer.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
must(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "%s failed\n", what);
	ERR_print_errors_fp(stderr);
	exit(1);
}

/* ---- certificates ---------------------------------------------------------------------------- */

static char *
text_of(BIO *bio)
{
	char *bytes;
	long n = BIO_get_mem_data(bio, &bytes);
	char *text = strndup(bytes, (size_t)n);

	BIO_free(bio);
	return text;
}

static void *
read_pem(const char *text, bool key)
{
	BIO *bio = BIO_new_mem_buf(text, -1);
	void *out = key ? (void *)PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL)
			: (void *)PEM_read_bio_X509(bio, NULL, NULL, NULL);

	BIO_free(bio);
	must(out != NULL, "reading PEM");
	return out;
}

static void
add_extension(X509 *x, int id, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, id, value);

	must(extension != NULL, "making an extension");
	X509_add_ext(x, extension, -1);
	X509_EXTENSION_free(extension);
}

/* Signed by its issuer, whose name it gets; the issuer's key is given back. */
static void
sign(X509 *x, EVP_PKEY *key, const struct tls_pair *issuer)
{
	X509 *by = issuer ? read_pem(issuer->certificate, false) : NULL;
	EVP_PKEY *secret = issuer ? read_pem(issuer->key, true) : key;

	X509_set_issuer_name(x, X509_get_subject_name(by ? by : x));
	must(X509_sign(x, secret, EVP_sha256()) > 0, "signing a certificate");
	if (secret != key)
		EVP_PKEY_free(secret);
	X509_free(by);
}

struct tls_pair
tls_test_make(const struct tls_wish *wish)
{
	unsigned int bits = wish->weak ? 1024 : 2048;
	EVP_PKEY *key = wish->kind == TLS_TEST_RSA ? EVP_RSA_gen(bits) : EVP_EC_gen("P-256");
	bool dated = wish->begin || wish->end;
	X509 *x = X509_new();
	BIO *certificate = BIO_new(BIO_s_mem()), *secret = BIO_new(BIO_s_mem());

	must(key && x, "making a key");
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), wish->serial ? wish->serial : 1);
	X509_gmtime_adj(X509_getm_notBefore(x), dated ? wish->begin : -3600);
	X509_gmtime_adj(X509_getm_notAfter(x), dated ? wish->end : 86400);
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
				   (const uint8_t *)wish->name, -1, -1, 0);
	if (wish->alternative)
		add_extension(x, NID_subject_alt_name, wish->alternative);
	if (wish->authority)
		add_extension(x, NID_basic_constraints, "critical,CA:TRUE");
	if (wish->usage)
		add_extension(x, NID_ext_key_usage, wish->usage);
	if (wish->change)
		wish->change(x);
	if (wish->use)
		add_extension(x, NID_ext_key_usage, wish->use);
	sign(x, key, wish->issuer);
	must(PEM_write_bio_X509(certificate, x) == 1, "writing a certificate");
	must(PEM_write_bio_PKCS8PrivateKey(secret, key, NULL, NULL, 0, NULL, NULL) == 1,
	     "writing a key");
	X509_free(x);
	EVP_PKEY_free(key);
	return (struct tls_pair){ text_of(certificate), text_of(secret) };
}

void
tls_test_free(struct tls_pair *pair)
{
	free((void *)(uintptr_t)pair->certificate);
	free((void *)(uintptr_t)pair->key);
}

char *
tls_test_revoke(const struct tls_pair *authority, long serial)
{
	X509 *by = read_pem(authority->certificate, false);
	EVP_PKEY *secret = read_pem(authority->key, true);
	X509_CRL *list = X509_CRL_new();
	X509_REVOKED *revoked = X509_REVOKED_new();
	ASN1_INTEGER *number = ASN1_INTEGER_new();
	ASN1_TIME *time = ASN1_TIME_new();
	BIO *bio = BIO_new(BIO_s_mem());

	ASN1_INTEGER_set(number, serial);
	X509_REVOKED_set_serialNumber(revoked, number);
	X509_gmtime_adj(time, -3600);
	X509_REVOKED_set_revocationDate(revoked, time);
	X509_CRL_set_version(list, 1);
	X509_CRL_set_issuer_name(list, X509_get_subject_name(by));
	X509_CRL_set1_lastUpdate(list, time);
	X509_gmtime_adj(time, 86400);
	X509_CRL_set1_nextUpdate(list, time);
	X509_CRL_add0_revoked(list, revoked);
	must(X509_CRL_sign(list, secret, EVP_sha256()) > 0, "signing a list");
	must(PEM_write_bio_X509_CRL(bio, list) == 1, "writing a list");
	ASN1_INTEGER_free(number);
	ASN1_TIME_free(time);
	X509_CRL_free(list);
	X509_free(by);
	EVP_PKEY_free(secret);
	return text_of(bio);
}

struct tls_pair
tls_test_pair(enum tls_test_key kind)
{
	static struct tls_pair pairs[TLS_TEST_KEYS];

	if (!pairs[kind].key)
		pairs[kind] =
		    tls_test_make(&(struct tls_wish){ .kind = kind, .name = "shop.example" });
	return pairs[kind];
}

struct tls_server_settings
tls_test_settings(enum tls_test_key kind)
{
	static struct tls_pair pairs[TLS_TEST_KEYS];
	struct tls_server_settings s = { .minimum = TLS_1_2, .maximum = TLS_1_3, .n_pairs = 1 };
	int i;

	for (i = 0; i < TLS_TEST_KEYS; i++)
		pairs[i] = tls_test_pair((enum tls_test_key)i);
	s.pairs = &pairs[kind % TLS_TEST_KEYS];
	if (kind == TLS_TEST_KEYS)
		s.n_pairs = TLS_TEST_KEYS;
	return s;
}

struct tls_server *
tls_test_server(const struct tls_server_settings *settings)
{
	char error[200] = "";
	struct tls_server *server = tls_server_create(settings, error, sizeof(error));

	must(server != NULL, error);
	return server;
}

/* ---- the two of them ------------------------------------------------------------------------- */

static void
show_own(SSL *peer, const struct tls_pair *own)
{
	X509 *x = read_pem(own->certificate, false);
	EVP_PKEY *key = read_pem(own->key, true);

	must(SSL_use_certificate(peer, x) == 1 && SSL_use_PrivateKey(peer, key) == 1,
	     "a client's certificate");
	X509_free(x);
	EVP_PKEY_free(key);
}

static void
set_up(struct tls_meeting *m, const struct tls_peer_settings *s)
{
	m->context = SSL_CTX_new(TLS_client_method());
	must(m->context != NULL, "OpenSSL");
	SSL_CTX_set_security_level(m->context, 0);
	SSL_CTX_set_min_proto_version(m->context, s->minimum);
	SSL_CTX_set_max_proto_version(m->context, s->maximum);
	must(!s->ciphers12 || SSL_CTX_set_cipher_list(m->context, s->ciphers12), "cipher list");
	must(!s->ciphers13 || SSL_CTX_set_ciphersuites(m->context, s->ciphers13), "cipher suites");
	must(!s->groups || SSL_CTX_set1_groups_list(m->context, s->groups), "groups");
	if (s->verifies)
		SSL_CTX_set_verify(m->context, SSL_VERIFY_PEER, NULL);
	if (s->no_extended_secret)
		SSL_CTX_set_options(m->context, SSL_OP_NO_EXTENDED_MASTER_SECRET);
	m->peer = SSL_new(m->context);
	must(!s->name || SSL_set_tlsext_host_name(m->peer, s->name), "name");
	must(!s->protocols || SSL_set_alpn_protos(m->peer, (const uint8_t *)s->protocols,
						  (unsigned int)strlen(s->protocols)) == 0,
	     "protocols");
	must(!s->signatures || SSL_set1_sigalgs_list(m->peer, s->signatures), "signatures");
	if (s->own)
		show_own(m->peer, s->own);
	if (s->alone)
		SSL_set_options(m->peer, SSL_OP_ALLOW_NO_DHE_KEX);
	must(!s->session || SSL_set_session(m->peer, s->session), "session");
}

void
tls_meet(struct tls_meeting *m, struct tls_server *server, const struct tls_peer_settings *s,
	 size_t cut)
{
	memset(m, 0, sizeof(*m));
	ERR_clear_error();
	m->server = server;
	m->cut = cut;
	set_up(m, s);
	m->to_peer = BIO_new(BIO_s_mem());
	m->from_peer = BIO_new(BIO_s_mem());
	BIO_set_mem_eof_return(m->to_peer, -1);
	SSL_set_bio(m->peer, m->to_peer, m->from_peer);
	SSL_set_connect_state(m->peer);
	m->handshake = tls_handshake_new(server, tls_test_engine());
	must(m->handshake != NULL, "a handshake");
}

void
tls_part(struct tls_meeting *m)
{
	/* Else OpenSSL does not resume the session. */
	SSL_set_shutdown(m->peer, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(m->peer);
	SSL_CTX_free(m->context);
	tls_handshake_free(m->handshake);
	ERR_clear_error();
}

static void
take_over(struct tls_meeting *m)
{
	const struct tls_handover *r = tls_handshake_result(m->handshake);

	m->receive.keys = r->receive;
	m->send.keys = r->send;
	tls_end_link(&m->receive);
	tls_end_link(&m->send);
}

static void
pass(struct tls_meeting *m, const uint8_t *bytes, size_t length)
{
	struct tls_bytes in = { bytes, length }, out;
	size_t used = 0;

	if (m->step == TLS_STEP_MORE) {
		m->step = tls_handshake_step(m->handshake, in, &used);
		out = tls_handshake_output(m->handshake);
		must(out.length == 0 ||
			 BIO_write(m->to_peer, out.at, (int)out.length) == (int)out.length,
		     "memory");
		if (m->step == TLS_STEP_DONE)
			take_over(m);
		must(m->step != TLS_STEP_MORE || used == length, "using all bytes");
	}
	must(m->n_stream + length - used <= TLS_STREAM_MAX, "room");
	memcpy(m->stream + m->n_stream, bytes + used, length - used);
	m->n_stream += length - used;
}

enum tls_step
tls_deliver(struct tls_meeting *m)
{
	static uint8_t bytes[TLS_STREAM_MAX];
	int n = BIO_read(m->from_peer, bytes, sizeof(bytes)), at, piece;

	for (at = 0; at < n; at += piece) {
		piece = n - at < (int)m->cut ? n - at : (int)m->cut;
		pass(m, bytes + at, (size_t)piece);
	}
	return m->step;
}

enum tls_step
tls_shake_hands(struct tls_meeting *m)
{
	int turns, n = 0, error = SSL_ERROR_WANT_READ;

	for (turns = 0; turns < 10 && m->step != TLS_STEP_FAILED; turns++) {
		if (n == 1 ? m->step == TLS_STEP_DONE : error != SSL_ERROR_WANT_READ)
			break;
		n = SSL_do_handshake(m->peer);
		error = SSL_get_error(m->peer, n);
		tls_deliver(m);
	}
	/* The alert. */
	if (m->step == TLS_STEP_FAILED)
		SSL_do_handshake(m->peer);
	return m->step;
}

struct tls_opened
tls_receive(struct tls_meeting *m)
{
	struct tls_opened o;
	size_t n;

	tls_deliver(m);
	n = m->n_stream < sizeof(m->record) ? m->n_stream : sizeof(m->record);
	memcpy(m->record, m->stream, n);
	o = tls_end_open(&m->receive, m->record, n);
	if (o.error == TLS_OK) {
		m->n_stream -= o.whole;
		memmove(m->stream, m->stream + o.whole, m->n_stream);
	}
	return o;
}

void
tls_send(struct tls_meeting *m, uint8_t type, const void *content, size_t length)
{
	static uint8_t record[TLS_RECORD_MAX];
	size_t n = tls_end_seal(&m->send, type, content, length, record);

	must(n > 0 && BIO_write(m->to_peer, record, (int)n) == (int)n, "sealing");
}

static bool
hear(struct tls_meeting *m, const uint8_t *text, size_t length)
{
	size_t at;

	for (at = 0; at < length;) {
		struct tls_opened o = tls_receive(m);

		if (o.error || o.type != TLS_APPLICATION_DATA || o.length > length - at ||
		    memcmp(o.content, text + at, o.length) != 0)
			return false;
		at += o.length;
	}
	return m->n_stream == 0;
}

bool
tls_talk(struct tls_meeting *m)
{
	static const size_t lengths[] = { 1, 4, 20000 };
	static uint8_t text[20000], got[20000];
	size_t i, at, n;

	for (i = 0; i < 3; i++) {
		memset(text, 'a' + (int)i, sizeof(text));
		text[lengths[i] / 2] = '!';
		if (SSL_write(m->peer, text, (int)lengths[i]) != (int)lengths[i] ||
		    !hear(m, text, lengths[i]))
			return false;
		for (at = 0; at < lengths[i]; at += n) {
			n = lengths[i] - at < TLS_CONTENT_MAX ? lengths[i] - at : TLS_CONTENT_MAX;
			tls_send(m, TLS_APPLICATION_DATA, text + at, n);
		}
		for (at = 0; at < lengths[i]; at += n) {
			int k = SSL_read(m->peer, got + at, (int)(lengths[i] - at));

			if (k <= 0)
				return false;
			n = (size_t)k;
		}
		if (memcmp(text, got, lengths[i]) != 0)
			return false;
	}
	return true;
}

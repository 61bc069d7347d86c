/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tls_mbed.h"

#include <mbedtls/ecp.h>
#include <mbedtls/pk.h>
#include <mbedtls/psa_util.h>
#include <mbedtls/x509_crt.h>
#include <psa/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
must(int code, const char *what)
{
	if (code == 0)
		return;
	fprintf(stderr, "%s: %d\n", what, code);
	exit(1);
}

static void
write_certificate(mbedtls_pk_context *key, char *out, size_t size)
{
	mbedtls_x509write_cert c;

	mbedtls_x509write_crt_init(&c);
	mbedtls_x509write_crt_set_subject_key(&c, key);
	mbedtls_x509write_crt_set_issuer_key(&c, key);
	mbedtls_x509write_crt_set_md_alg(&c, MBEDTLS_MD_SHA256);
	must(mbedtls_x509write_crt_set_subject_name(&c, "CN=shop.example"), "subject");
	must(mbedtls_x509write_crt_set_issuer_name(&c, "CN=shop.example"), "issuer");
	must(mbedtls_x509write_crt_set_serial_raw(&c, (unsigned char[]){ 1 }, 1), "serial");
	must(mbedtls_x509write_crt_set_validity(&c, "20200101000000", "20991231235959"),
	     "validity");
	must(mbedtls_x509write_crt_pem(&c, (unsigned char *)out, size, mbedtls_psa_get_random,
				       MBEDTLS_PSA_RANDOM_STATE),
	     "certificate");
	mbedtls_x509write_crt_free(&c);
}

struct tls_pair
tls_mbed_pair(void)
{
	static char certificate[2048], secret[1024];
	mbedtls_pk_context key;

	if (certificate[0])
		return (struct tls_pair){ certificate, secret };
	must(psa_crypto_init(), "psa_crypto_init");
	mbedtls_pk_init(&key);
	must(mbedtls_pk_setup(&key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)), "key");
	must(mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(key),
				 mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE),
	     "key");
	must(mbedtls_pk_write_key_pem(&key, (unsigned char *)secret, sizeof(secret)), "key");
	write_certificate(&key, certificate, sizeof(certificate));
	mbedtls_pk_free(&key);
	return (struct tls_pair){ certificate, secret };
}

static int
on_read(void *context, unsigned char *to, size_t length)
{
	struct tls_mbed *c = context;
	size_t n = length < c->n_in ? length : c->n_in;

	if (n == 0)
		return MBEDTLS_ERR_SSL_WANT_READ;
	memcpy(to, c->in, n);
	c->n_in -= n;
	memmove(c->in, c->in + n, c->n_in);
	return (int)n;
}

static int
on_write(void *context, const unsigned char *from, size_t length)
{
	struct tls_mbed *c = context;

	must(length > TLS_MBED_ROOM - c->n_out, "room");
	memcpy(c->out + c->n_out, from, length);
	c->n_out += length;
	return (int)length;
}

static void
begin(struct tls_mbed *c, int endpoint, enum tls_version version, int suite)
{
	memset(c, 0, sizeof(*c));
	c->suites[0] = suite;
	must(psa_crypto_init(), "psa_crypto_init");
	mbedtls_ssl_init(&c->ssl);
	mbedtls_ssl_config_init(&c->config);
	mbedtls_x509_crt_init(&c->certificate);
	mbedtls_pk_init(&c->key);
	must(mbedtls_ssl_config_defaults(&c->config, endpoint, MBEDTLS_SSL_TRANSPORT_STREAM,
					 MBEDTLS_SSL_PRESET_DEFAULT),
	     "defaults");
	mbedtls_ssl_conf_rng(&c->config, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
	mbedtls_ssl_conf_authmode(&c->config, MBEDTLS_SSL_VERIFY_NONE);
	mbedtls_ssl_conf_min_tls_version(&c->config, (mbedtls_ssl_protocol_version)version);
	mbedtls_ssl_conf_max_tls_version(&c->config, (mbedtls_ssl_protocol_version)version);
	if (suite)
		mbedtls_ssl_conf_ciphersuites(&c->config, c->suites);
}

void
tls_mbed_begin(struct tls_mbed *c, enum tls_version version, int suite)
{
	begin(c, MBEDTLS_SSL_IS_CLIENT, version, suite);
	must(mbedtls_ssl_setup(&c->ssl, &c->config), "setup");
	must(mbedtls_ssl_set_hostname(&c->ssl, "shop.example"), "name");
	mbedtls_ssl_set_bio(&c->ssl, c, on_write, on_read, NULL);
}

void
tls_mbed_serve(struct tls_mbed *c, const struct tls_pair *pair, enum tls_version version, int suite)
{
	begin(c, MBEDTLS_SSL_IS_SERVER, version, suite);
	must(mbedtls_x509_crt_parse(&c->certificate, (const uint8_t *)pair->certificate,
				    strlen(pair->certificate) + 1),
	     "certificate");
	must(mbedtls_pk_parse_key(&c->key, (const uint8_t *)pair->key, strlen(pair->key) + 1, NULL,
				  0, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE),
	     "key");
	must(mbedtls_ssl_conf_own_cert(&c->config, &c->certificate, &c->key), "own certificate");
	must(mbedtls_ssl_setup(&c->ssl, &c->config), "setup");
	mbedtls_ssl_set_bio(&c->ssl, c, on_write, on_read, NULL);
}

void
tls_mbed_borrow(struct tls_mbed *c, const mbedtls_ssl_config *config)
{
	begin(c, MBEDTLS_SSL_IS_SERVER, TLS_1_3, 0);
	must(mbedtls_ssl_setup(&c->ssl, config), "setup");
	mbedtls_ssl_set_bio(&c->ssl, c, on_write, on_read, NULL);
}

void
tls_mbed_end(struct tls_mbed *c)
{
	mbedtls_ssl_free(&c->ssl);
	mbedtls_ssl_config_free(&c->config);
	mbedtls_x509_crt_free(&c->certificate);
	mbedtls_pk_free(&c->key);
}

void
tls_mbed_hear(struct tls_mbed *c, const uint8_t *bytes, size_t length)
{
	must(length > TLS_MBED_ROOM - c->n_in, "room");
	if (length == 0)
		return;
	memcpy(c->in + c->n_in, bytes, length);
	c->n_in += length;
}

int
tls_mbed_shake(struct tls_mbed *c)
{
	return mbedtls_ssl_handshake(&c->ssl);
}

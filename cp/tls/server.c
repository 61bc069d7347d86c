/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/tls/server.h"

#include <mbedtls/error.h>
#include <mbedtls/psa_util.h>
#include <mbedtls/ssl_ciphersuites.h>
#include <psa/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is being made, and where to complain. */
struct making {
	struct tls_server *server;
	const struct tls_server_settings *settings;
	char *error;
	size_t size;
};

/* False; `code` is mbedTLS's, 0 for none. */
static bool __attribute__((format(printf, 3, 4)))
refuse(struct making *m, int code, const char *format, ...)
{
	char why[120];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(m->error, m->size, format, args);
	va_end(args);
	if (code == 0 || n < 0 || (size_t)n >= m->size)
		return false;
	mbedtls_strerror(code, why, sizeof(why));
	snprintf(m->error + n, m->size - (size_t)n, ": %s", why);
	return false;
}

/* ---- certificates ---------------------------------------------------------------------------- */

static bool
add_pair(struct making *m, size_t i)
{
	const struct tls_pair *pair = &m->settings->pairs[i];
	mbedtls_x509_crt *certificate = &m->server->certificates[i];
	mbedtls_pk_context *key = &m->server->keys[i];
	int code;

	code = mbedtls_x509_crt_parse(certificate, (const uint8_t *)pair->certificate,
				      strlen(pair->certificate) + 1);
	if (code != 0)
		return refuse(m, code < 0 ? code : 0, "certificate %zu is not understood", i + 1);
	code = mbedtls_pk_parse_key(key, (const uint8_t *)pair->key, strlen(pair->key) + 1, NULL, 0,
				    mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
	if (code != 0)
		return refuse(m, code, "the key of certificate %zu is not understood", i + 1);
	code = mbedtls_pk_check_pair(&certificate->pk, key, mbedtls_psa_get_random,
				     MBEDTLS_PSA_RANDOM_STATE);
	if (code != 0)
		return refuse(m, 0, "certificate %zu and its key do not belong together", i + 1);
	code = mbedtls_ssl_conf_own_cert(&m->server->config, certificate, key);
	return code == 0 || refuse(m, code, "certificate %zu cannot be used", i + 1);
}

static bool
add_pairs(struct making *m)
{
	struct tls_server *s = m->server;

	if (m->settings->n_pairs == 0 || m->settings->n_pairs > TLS_PAIRS_MAX)
		return refuse(m, 0, "1 to %d certificates are needed", TLS_PAIRS_MAX);
	for (; s->n_pairs < m->settings->n_pairs; s->n_pairs++) {
		mbedtls_x509_crt_init(&s->certificates[s->n_pairs]);
		mbedtls_pk_init(&s->keys[s->n_pairs]);
	}
	for (size_t i = 0; i < s->n_pairs; i++) {
		if (!add_pair(m, i))
			return false;
	}
	return true;
}

/* ---- what is offered ------------------------------------------------------------------------- */

/* Only what has forward secrecy and an AEAD. */
static const int suites_of[TLS_CIPHERS][3] = {
	[TLS_AES_128_GCM] = { MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
			      MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
			      MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 },
	[TLS_AES_256_GCM] = { MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
			      MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
			      MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 },
	[TLS_CHACHA20_POLY1305] = { MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
				    MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
				    MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 },
};

static void
offer_ciphers(struct making *m)
{
	static const enum tls_cipher all[] = { TLS_AES_128_GCM, TLS_AES_256_GCM,
					       TLS_CHACHA20_POLY1305 };
	const struct tls_server_settings *s = m->settings;
	size_t n = s->n_ciphers ? s->n_ciphers : TLS_CIPHERS, i, j, to = 0;

	for (i = 0; i < n; i++) {
		enum tls_cipher cipher = s->n_ciphers ? s->ciphers[i] : all[i];

		for (j = 0; j < 3; j++)
			m->server->suites[to++] = suites_of[cipher][j];
	}
	m->server->suites[to] = 0;
	mbedtls_ssl_conf_ciphersuites(&m->server->config, m->server->suites);
}

static bool
offer_protocols(struct making *m)
{
	struct tls_server *s = m->server;
	size_t i;
	int code;

	if (!m->settings->alpn)
		return true;
	for (i = 0; m->settings->alpn[i]; i++) {
		if (i == TLS_ALPN_MAX)
			return refuse(m, 0, "at most %d application protocols", TLS_ALPN_MAX);
		s->alpn[i] = strdup(m->settings->alpn[i]);
		if (!s->alpn[i])
			return refuse(m, 0, "no memory");
	}
	code = mbedtls_ssl_conf_alpn_protocols(&s->config, (const char **)s->alpn);
	return code == 0 || refuse(m, code, "the application protocols cannot be offered");
}

static bool
offer_tickets(struct making *m)
{
	struct tls_server *s = m->server;
	int code;

	if (m->settings->ticket_lifetime == 0)
		return true;
	mbedtls_ssl_ticket_init(&s->tickets);
	s->has_tickets = true;
	code =
	    mbedtls_ssl_ticket_setup(&s->tickets, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE,
				     MBEDTLS_CIPHER_AES_256_GCM, m->settings->ticket_lifetime);
	if (code != 0)
		return refuse(m, code, "tickets cannot be made");
	mbedtls_ssl_conf_session_tickets_cb(&s->config, mbedtls_ssl_ticket_write,
					    mbedtls_ssl_ticket_parse, &s->tickets);
	mbedtls_ssl_conf_new_session_tickets(&s->config, m->settings->tickets);
	return true;
}

/* The name lies in a message that is gone when the handshake is over. */
static int
on_name(void *context, mbedtls_ssl_context *ssl, const unsigned char *name, size_t length)
{
	struct tls_name *asked = mbedtls_ssl_get_user_data_p(ssl);

	(void)context;
	if (length > TLS_NAME_MAX)
		return MBEDTLS_ERR_SSL_DECODE_ERROR;
	memcpy(asked->text, name, length);
	asked->text[length] = '\0';
	asked->length = (uint8_t)length;
	return 0;
}

static bool
configure(struct making *m)
{
	static const uint16_t groups[] = { MBEDTLS_SSL_IANA_TLS_GROUP_X25519,
					   MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1,
					   MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1,
					   MBEDTLS_SSL_IANA_TLS_GROUP_NONE };
	mbedtls_ssl_config *c = &m->server->config;
	int code;

	if (psa_crypto_init() != PSA_SUCCESS)
		return refuse(m, 0, "mbedTLS cannot be used: it has no source of randomness");
	code = mbedtls_ssl_config_defaults(c, MBEDTLS_SSL_IS_SERVER, MBEDTLS_SSL_TRANSPORT_STREAM,
					   MBEDTLS_SSL_PRESET_DEFAULT);
	if (code != 0)
		return refuse(m, code, "mbedTLS cannot be used");
	mbedtls_ssl_conf_rng(c, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
	mbedtls_ssl_conf_min_tls_version(c, (mbedtls_ssl_protocol_version)m->settings->minimum);
	mbedtls_ssl_conf_max_tls_version(c, (mbedtls_ssl_protocol_version)m->settings->maximum);
	mbedtls_ssl_conf_groups(c, groups);
	mbedtls_ssl_conf_sni(c, on_name, NULL);
	/* A resumed connection has a secret of its own, too. */
	mbedtls_ssl_conf_tls13_key_exchange_modes(
	    c, MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL |
		   MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_PSK_EPHEMERAL);
	offer_ciphers(m);
	return add_pairs(m) && offer_protocols(m) && offer_tickets(m);
}

struct tls_server *
tls_server_create(const struct tls_server_settings *settings, char *error, size_t size)
{
	struct making m = { calloc(1, sizeof(struct tls_server)), settings, error, size };

	if (!m.server) {
		refuse(&m, 0, "no memory");
		return NULL;
	}
	mbedtls_ssl_config_init(&m.server->config);
	if (configure(&m))
		return m.server;
	tls_server_free(m.server);
	return NULL;
}

void
tls_server_free(struct tls_server *server)
{
	size_t i;

	if (!server)
		return;
	mbedtls_ssl_config_free(&server->config);
	for (i = 0; i < server->n_pairs; i++) {
		mbedtls_x509_crt_free(&server->certificates[i]);
		mbedtls_pk_free(&server->keys[i]);
	}
	for (i = 0; server->alpn[i]; i++)
		free(server->alpn[i]);
	if (server->has_tickets)
		mbedtls_ssl_ticket_free(&server->tickets);
	free(server);
}

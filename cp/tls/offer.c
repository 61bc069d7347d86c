/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/tls/offer.h"

#include <mbedtls/error.h>
#include <mbedtls/psa_util.h>
#include <mbedtls/ssl_ciphersuites.h>
#include <psa/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool
tls_complain(const struct tls_complaint *complaint, int code, const char *format, ...)
{
	char why[120];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(complaint->error, complaint->size, format, args);
	va_end(args);
	if (code == 0 || n < 0 || (size_t)n >= complaint->size)
		return false;
	mbedtls_strerror(code, why, sizeof(why));
	snprintf(complaint->error + n, complaint->size - (size_t)n, ": %s", why);
	return false;
}

/* ---- what is offered ------------------------------------------------------------------------- */

static const int suites_of[TLS_CIPHERS][TLS_SUITE_KINDS] = {
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
offer_ciphers(mbedtls_ssl_config *config, int *suites, const struct tls_offer *offer)
{
	static const enum tls_cipher all[] = { TLS_AES_128_GCM, TLS_AES_256_GCM,
					       TLS_CHACHA20_POLY1305 };
	const enum tls_cipher *ciphers = offer->n_ciphers ? offer->ciphers : all;
	size_t n = offer->n_ciphers ? offer->n_ciphers : TLS_CIPHERS, i, j, to = 0;

	for (i = 0; i < n; i++) {
		for (j = 0; j < TLS_SUITE_KINDS; j++)
			suites[to++] = suites_of[ciphers[i]][j];
	}
	suites[to] = 0;
	mbedtls_ssl_conf_ciphersuites(config, suites);
}

static bool
offer_protocols(mbedtls_ssl_config *config, char **alpn, const struct tls_offer *offer,
		const struct tls_complaint *complaint)
{
	size_t i;
	int code;

	if (!offer->alpn)
		return true;
	for (i = 0; offer->alpn[i]; i++) {
		if (i == TLS_ALPN_MAX)
			return tls_complain(complaint, 0, "at most %d application protocols",
					    TLS_ALPN_MAX);
		alpn[i] = strdup(offer->alpn[i]);
		if (!alpn[i])
			return tls_complain(complaint, 0, "no memory");
	}
	code = mbedtls_ssl_conf_alpn_protocols(config, (const char **)alpn);
	return code == 0 ||
	       tls_complain(complaint, code, "the application protocols cannot be offered");
}

bool
tls_offer(mbedtls_ssl_config *config, struct tls_lists *lists, const struct tls_offer *offer,
	  const struct tls_complaint *complaint)
{
	static const uint16_t groups[] = { MBEDTLS_SSL_IANA_TLS_GROUP_X25519,
					   MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1,
					   MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1,
					   MBEDTLS_SSL_IANA_TLS_GROUP_NONE };
	int code;

	if (psa_crypto_init() != PSA_SUCCESS)
		return tls_complain(complaint, 0,
				    "mbedTLS cannot be used: it has no source of randomness");
	code = mbedtls_ssl_config_defaults(config, offer->endpoint, MBEDTLS_SSL_TRANSPORT_STREAM,
					   MBEDTLS_SSL_PRESET_DEFAULT);
	if (code != 0)
		return tls_complain(complaint, code, "mbedTLS cannot be used");
	mbedtls_ssl_conf_rng(config, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
	mbedtls_ssl_conf_min_tls_version(config, (mbedtls_ssl_protocol_version)offer->minimum);
	mbedtls_ssl_conf_max_tls_version(config, (mbedtls_ssl_protocol_version)offer->maximum);
	mbedtls_ssl_conf_groups(config, groups);
	offer_ciphers(config, lists->suites, offer);
	return offer_protocols(config, lists->alpn, offer, complaint);
}

void
tls_lists_free(struct tls_lists *lists)
{
	size_t i;

	for (i = 0; lists->alpn[i]; i++)
		free(lists->alpn[i]);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/tls/cause.h"

#include <mbedtls/ecp.h>
#include <mbedtls/rsa.h>
#include <mbedtls/ssl.h>
#include <stddef.h>

#define ALERT_CERTIFICATE_REQUIRED 116 /* RFC 8446 6; mbedTLS has no name for it */

/* ---- alerts ---------------------------------------------------------------------------------- */

static enum tls_cause
cause_of_alert(const struct tls_failure *f)
{
	if (!f->is_client)
		return TLS_CAUSE_CLIENT_GAVE_UP;
	switch (f->alert) {
	case MBEDTLS_SSL_ALERT_MSG_PROTOCOL_VERSION:
		return TLS_CAUSE_VERSION;
	case MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE:
		/* Later there are other reasons for it. */
		return f->hello ? TLS_CAUSE_BACKEND_GAVE_UP : TLS_CAUSE_NOTHING_SHARED;
	case MBEDTLS_SSL_ALERT_MSG_NO_APPLICATION_PROTOCOL:
		return TLS_CAUSE_NO_PROTOCOL;
	case MBEDTLS_SSL_ALERT_MSG_NO_CERT:
	case MBEDTLS_SSL_ALERT_MSG_BAD_CERT:
	case MBEDTLS_SSL_ALERT_MSG_UNSUPPORTED_CERT:
	case MBEDTLS_SSL_ALERT_MSG_CERT_REVOKED:
	case MBEDTLS_SSL_ALERT_MSG_CERT_EXPIRED:
	case MBEDTLS_SSL_ALERT_MSG_CERT_UNKNOWN:
	case MBEDTLS_SSL_ALERT_MSG_UNKNOWN_CA:
	case ALERT_CERTIFICATE_REQUIRED:
		return TLS_CAUSE_CERTIFICATE_REFUSED;
	default:
		return TLS_CAUSE_BACKEND_GAVE_UP;
	}
}

uint8_t
tls_alert_of(enum tls_cause cause, int code, uint32_t flags)
{
	static const uint8_t alerts[] = {
#define TLS_CAUSE_ALERT(name, alert, text) alert,
		TLS_CAUSES(TLS_CAUSE_ALERT)
#undef TLS_CAUSE_ALERT
	};

	if (cause != TLS_CAUSE_CLIENT_CERTIFICATE)
		return alerts[cause];
	if (code == MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE)
		return ALERT_CERTIFICATE_REQUIRED;
	if (flags == UINT32_MAX)
		return alerts[cause];
	if (flags & MBEDTLS_X509_BADCERT_REVOKED)
		return MBEDTLS_SSL_ALERT_MSG_CERT_REVOKED;
	if (flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED)
		return MBEDTLS_SSL_ALERT_MSG_UNKNOWN_CA;
	if (flags & MBEDTLS_X509_BADCERT_EXPIRED)
		return MBEDTLS_SSL_ALERT_MSG_CERT_EXPIRED;
	return alerts[cause];
}

/* ---- certificates ---------------------------------------------------------------------------- */

static enum tls_cause
cause_of_flags(uint32_t flags)
{
	static const struct {
		uint32_t flags;
		enum tls_cause cause;
	} table[] = {
		{ MBEDTLS_X509_BADCERT_NOT_TRUSTED | MBEDTLS_X509_BADCERT_REVOKED,
		  TLS_CAUSE_UNTRUSTED },
		{ MBEDTLS_X509_BADCERT_EXPIRED, TLS_CAUSE_EXPIRED },
		{ MBEDTLS_X509_BADCERT_FUTURE, TLS_CAUSE_NOT_YET_VALID },
		{ MBEDTLS_X509_BADCERT_CN_MISMATCH, TLS_CAUSE_WRONG_NAME },
		{ MBEDTLS_X509_BADCERT_KEY_USAGE | MBEDTLS_X509_BADCERT_EXT_KEY_USAGE |
		      MBEDTLS_X509_BADCERT_NS_CERT_TYPE,
		  TLS_CAUSE_WRONG_USE },
		{ MBEDTLS_X509_BADCERT_BAD_MD | MBEDTLS_X509_BADCERT_BAD_PK |
		      MBEDTLS_X509_BADCERT_BAD_KEY,
		  TLS_CAUSE_WEAK_CERTIFICATE },
	};
	size_t i;

	/* There is no result. */
	if (flags == UINT32_MAX)
		return TLS_CAUSE_BACKEND_CERTIFICATE;
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (flags & table[i].flags)
			return table[i].cause;
	}
	return TLS_CAUSE_BACKEND_CERTIFICATE;
}

static enum tls_cause
cause_of_certificate(const struct tls_failure *f)
{
	return f->is_client ? cause_of_flags(f->flags) : TLS_CAUSE_CLIENT_CERTIFICATE;
}

/* Codes of X.509 and of keys. */
static bool
is_of_certificate(int code)
{
	return code <= MBEDTLS_ERR_X509_FEATURE_UNAVAILABLE && code > MBEDTLS_ERR_PK_ALLOC_FAILED;
}

/* ---- all codes ------------------------------------------------------------------------------- */

static const struct {
	int code;
	enum tls_cause cause;
} causes[] = {
	{ MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION, TLS_CAUSE_VERSION },
	{ MBEDTLS_ERR_SSL_NO_APPLICATION_PROTOCOL, TLS_CAUSE_NO_PROTOCOL },
	{ MBEDTLS_ERR_SSL_DECODE_ERROR, TLS_CAUSE_MALFORMED },
	{ MBEDTLS_ERR_SSL_ILLEGAL_PARAMETER, TLS_CAUSE_MALFORMED },
	{ MBEDTLS_ERR_SSL_INVALID_RECORD, TLS_CAUSE_MALFORMED },
	{ MBEDTLS_ERR_SSL_UNSUPPORTED_EXTENSION, TLS_CAUSE_MALFORMED },
	{ MBEDTLS_ERR_SSL_BAD_INPUT_DATA, TLS_CAUSE_MALFORMED },
	{ MBEDTLS_ERR_ECP_BAD_INPUT_DATA, TLS_CAUSE_MALFORMED },
	{ MBEDTLS_ERR_ECP_INVALID_KEY, TLS_CAUSE_MALFORMED },
	{ MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE, TLS_CAUSE_UNEXPECTED },
	{ MBEDTLS_ERR_SSL_UNEXPECTED_RECORD, TLS_CAUSE_UNEXPECTED },
	{ MBEDTLS_ERR_ECP_VERIFY_FAILED, TLS_CAUSE_NOT_AUTHENTIC },
	{ MBEDTLS_ERR_RSA_VERIFY_FAILED, TLS_CAUSE_NOT_AUTHENTIC },
	{ MBEDTLS_ERR_PK_SIG_LEN_MISMATCH, TLS_CAUSE_NOT_AUTHENTIC },
	{ MBEDTLS_ERR_SSL_ALLOC_FAILED, TLS_CAUSE_NO_MEMORY },
	{ MBEDTLS_ERR_X509_ALLOC_FAILED, TLS_CAUSE_NO_MEMORY },
	{ MBEDTLS_ERR_PK_ALLOC_FAILED, TLS_CAUSE_NO_MEMORY },
};

enum tls_cause
tls_cause_of(const struct tls_failure *f)
{
	/* Without what ASN.1 and arithmetic add to it. */
	int code = -(-f->code & 0xff80);
	size_t i;

	switch (code) {
	case MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE:
		/* The same when there is nothing to agree on and when what came is a forgery. */
		if (f->no_extended_secret)
			return TLS_CAUSE_NO_EXTENDED_SECRET;
		return f->proven ? TLS_CAUSE_NOT_AUTHENTIC : TLS_CAUSE_NOTHING_SHARED;
	case MBEDTLS_ERR_SSL_INVALID_MAC:
		/* Peers of 1.3 that do not like our hello or certificate may say so without
		 * encryption, as they have not sent anything with it yet. */
		return f->alert_last ? cause_of_alert(f) : TLS_CAUSE_NOT_AUTHENTIC;
	case MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE:
	case MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY:
		return cause_of_alert(f);
	case MBEDTLS_ERR_ECP_RANDOM_FAILED:
		/* What X25519 gives for the points of no use (RFC 7748 6.1); where we are the
		 * server mbedTLS says something else of these. */
		return f->is_client ? TLS_CAUSE_MALFORMED : TLS_CAUSE_INTERNAL;
	case MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE:
	case MBEDTLS_ERR_SSL_BAD_CERTIFICATE:
		return cause_of_certificate(f);
	}
	for (i = 0; i < sizeof(causes) / sizeof(causes[0]); i++) {
		if (causes[i].code == code)
			return causes[i].cause;
	}
	return is_of_certificate(code) ? cause_of_certificate(f) : TLS_CAUSE_INTERNAL;
}

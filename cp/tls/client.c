/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/tls/client.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "lib/tls/hello.h"

/* What is being made, and where to complain. */
struct making {
	struct tls_client *client;
	const struct tls_client_settings *settings;
	struct tls_complaint complaint;
};

/* ---- whom to believe ------------------------------------------------------------------------- */

static bool
trust(struct making *m)
{
	const char *ca = m->settings->ca;
	mbedtls_x509_crt *to = &m->client->authorities;
	int code;

	if (!m->settings->verify)
		return true;
	if (m->settings->trust) {
		m->client->trust = tls_trust_get(m->settings->trust);
		mbedtls_ssl_conf_ca_chain(&m->client->config, &m->client->trust->authorities,
					  m->client->trust->has_revoked ? &m->client->trust->revoked
									: NULL);
		return true;
	}
	if (ca) {
		code = mbedtls_x509_crt_parse(to, (const uint8_t *)ca, strlen(ca) + 1);
		if (code > 0)
			return tls_complain(
			    &m->complaint, 0,
			    "%d of the authorities' certificates are not understood", code);
	} else {
		/* Which may have some that mbedTLS does not know how to use. */
		code = mbedtls_x509_crt_parse_file(to, TLS_SYSTEM_AUTHORITIES);
	}
	if (code < 0)
		return tls_complain(&m->complaint, code,
				    "the authorities' certificates%s are not understood",
				    ca ? "" : " in " TLS_SYSTEM_AUTHORITIES);
	mbedtls_ssl_conf_ca_chain(&m->client->config, to, NULL);
	return true;
}

/* A certificate of its own, if it is to have one. */
static bool
show(struct making *m)
{
	const struct tls_client_settings *s = m->settings;
	struct tls_pair_faults faults = { 0 };
	struct tls_certificate *own;
	int code;

	if (!s->certificate && !s->pair)
		return true;
	own = s->certificate ? tls_certificate_get(s->certificate)
			     : tls_certificate_parse(s->pair->certificate, s->pair->key, &faults);
	m->client->certificate = own;
	if (!own)
		return tls_complain(&m->complaint, 0, "the %s %s",
				    faults.certificate.text[0] ? "certificate" : "key",
				    faults.certificate.text[0] ? faults.certificate.text
							       : faults.key.text);
	code = mbedtls_ssl_conf_own_cert(&m->client->config, &own->chain, &own->key);
	return code == 0 || tls_complain(&m->complaint, code, "the certificate cannot be used");
}

/* How many bytes the address has that a text is; 0: it is none. */
static size_t
address_of(const char *text, uint8_t address[16])
{
	if (inet_pton(AF_INET, text, address) == 1)
		return 4;
	return inet_pton(AF_INET6, text, address) == 1 ? 16 : 0;
}

bool
tls_client_name_usable(const char *name)
{
	uint8_t address[16];

	return address_of(name, address) > 0 || tls_name_usable(name, strlen(name));
}

/* mbedTLS would compare an address with names, too, and send it as one. */
static int
check_address(void *context, mbedtls_x509_crt *certificate, int depth, uint32_t *flags)
{
	const struct tls_client *c = context;
	const mbedtls_x509_sequence *name;

	if (depth > 0)
		return 0;
	for (name = &certificate->subject_alt_names; name && name->buf.p; name = name->next) {
		if ((name->buf.tag & MBEDTLS_ASN1_TAG_VALUE_MASK) == MBEDTLS_X509_SAN_IP_ADDRESS &&
		    name->buf.len == c->n_address &&
		    memcmp(name->buf.p, c->address, c->n_address) == 0)
			return 0;
	}
	*flags |= MBEDTLS_X509_BADCERT_CN_MISMATCH;
	return 0;
}

static bool
name_it(struct making *m)
{
	const char *name = m->settings->server_name;
	struct tls_client *c = m->client;

	if (!name)
		return !m->settings->verify ||
		       tls_complain(&m->complaint, 0,
				    "no server_name is given, and a certificate cannot be verified "
				    "without one");
	if (!tls_client_name_usable(name))
		return tls_complain(&m->complaint, 0,
				    "server_name is neither a host's name nor an address");
	c->n_address = address_of(name, c->address);
	if (c->n_address > 0)
		mbedtls_ssl_conf_verify(&c->config, check_address, c);
	else
		memcpy(c->name, name, strlen(name) + 1);
	return true;
}

int
tls_client_name(const struct tls_client *client, mbedtls_ssl_context *ssl)
{
	return mbedtls_ssl_set_hostname(ssl, client->name[0] ? client->name : NULL);
}

/* mbedTLS reads RSA-PSS in 1.3 only, and offers it to servers of both versions: those that choose
 * 1.2 shall find something else first. */
static const uint16_t signatures[] = {
	MBEDTLS_TLS1_3_SIG_ECDSA_SECP256R1_SHA256, MBEDTLS_TLS1_3_SIG_ECDSA_SECP384R1_SHA384,
	MBEDTLS_TLS1_3_SIG_ECDSA_SECP521R1_SHA512, MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA256,
	MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA384,       MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA512,
	MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA256,    MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA384,
	MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA512,    MBEDTLS_TLS1_3_SIG_NONE
};

/* ---- all of it ------------------------------------------------------------------------------- */

static bool
configure(struct making *m)
{
	const struct tls_client_settings *s = m->settings;
	struct tls_client *c = m->client;
	struct tls_offer offer = { MBEDTLS_SSL_IS_CLIENT, s->minimum, s->maximum, s->ciphers,
				   s->n_ciphers,          s->alpn };

	if (!tls_offer(&c->config, &c->lists, &offer, &m->complaint))
		return false;
	c->verify = s->verify;
	mbedtls_ssl_conf_authmode(&c->config, s->verify ? MBEDTLS_SSL_VERIFY_REQUIRED
							: MBEDTLS_SSL_VERIFY_NONE);
	mbedtls_ssl_conf_sig_algs(&c->config, signatures);
	/* No tickets, in 1.2 and 1.3: nobody would use them. */
	mbedtls_ssl_conf_session_tickets(&c->config, MBEDTLS_SSL_SESSION_TICKETS_DISABLED);
	mbedtls_ssl_conf_tls13_key_exchange_modes(&c->config,
						  MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL);
	return trust(m) && name_it(m) && show(m);
}

struct tls_client *
tls_client_create(const struct tls_client_settings *settings, char *error, size_t size)
{
	struct making m = { calloc(1, sizeof(struct tls_client)), settings, { error, size } };

	if (!m.client) {
		tls_complain(&m.complaint, 0, "no memory");
		return NULL;
	}
	atomic_init(&m.client->references, 1);
	mbedtls_ssl_config_init(&m.client->config);
	mbedtls_x509_crt_init(&m.client->authorities);
	if (configure(&m))
		return m.client;
	tls_client_free(m.client);
	return NULL;
}

struct tls_client *
tls_client_get(struct tls_client *client)
{
	atomic_fetch_add_explicit(&client->references, 1, memory_order_relaxed);
	return client;
}

void
tls_client_free(struct tls_client *client)
{
	if (!client || atomic_fetch_sub_explicit(&client->references, 1, memory_order_acq_rel) > 1)
		return;
	mbedtls_ssl_config_free(&client->config);
	mbedtls_x509_crt_free(&client->authorities);
	tls_trust_put(client->trust);
	tls_certificate_put(client->certificate);
	tls_lists_free(&client->lists);
	free(client);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/tls/server.h"

#include <mbedtls/psa_util.h>
#include <stdlib.h>
#include <string.h>

#include "cp/tls/choice.h"

/* What is being made, and where to complain. */
struct making {
	struct tls_server *server;
	const struct tls_server_settings *settings;
	struct tls_complaint complaint;
};

/* ---- certificates ---------------------------------------------------------------------------- */

static bool
parse_pair(struct making *m, size_t i)
{
	const struct tls_pair *pair = &m->settings->pairs[i];
	struct tls_pair_faults faults = { 0 };

	m->server->certificates[i] = tls_certificate_parse(pair->certificate, pair->key, &faults);
	if (m->server->certificates[i])
		return true;
	if (faults.certificate.text[0])
		return tls_complain(&m->complaint, 0, "certificate %zu %s", i + 1,
				    faults.certificate.text);
	return tls_complain(&m->complaint, 0, "the key of certificate %zu %s", i + 1,
			    faults.key.text);
}

static bool
add_certificates(struct making *m)
{
	const struct tls_server_settings *settings = m->settings;
	struct tls_server *s = m->server;
	size_t n = settings->certificates ? settings->n_certificates : settings->n_pairs, i;

	if (n == 0)
		return tls_complain(&m->complaint, 0, "there is no certificate");
	s->certificates = calloc(n, sizeof(struct tls_certificate *));
	if (!s->certificates)
		return tls_complain(&m->complaint, 0, "no memory");
	s->n_certificates = n;
	for (i = 0; i < n; i++) {
		if (settings->certificates)
			s->certificates[i] = tls_certificate_get(settings->certificates[i]);
		else if (!parse_pair(m, i))
			return false;
	}
	return true;
}

static int
by_name(const void *x, const void *y)
{
	const struct tls_server_name *a = x, *b = y;
	int order = strcmp(a->name, b->name);

	return order ? order
		     : (a->certificate > b->certificate) - (a->certificate < b->certificate);
}

static bool
sort_names(struct making *m)
{
	struct tls_server *s = m->server;
	size_t n = 0, i, j;

	for (i = 0; i < s->n_certificates; i++)
		n += s->certificates[i]->n_names;
	s->names = calloc(n + 1, sizeof(*s->names));
	if (!s->names)
		return tls_complain(&m->complaint, 0, "no memory");
	for (i = 0; i < s->n_certificates; i++)
		for (j = 0; j < s->certificates[i]->n_names; j++)
			s->names[s->n_names++] =
			    (struct tls_server_name){ s->certificates[i]->names[j], i };
	qsort(s->names, s->n_names, sizeof(*s->names), by_name);
	return true;
}

const struct tls_server_name *
tls_server_find(const struct tls_server *s, const char *name, size_t *n)
{
	size_t low = 0, high = s->n_names, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (strcmp(s->names[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (*n = 0; low + *n < s->n_names && strcmp(s->names[low + *n].name, name) == 0;)
		++*n;
	return *n ? &s->names[low] : NULL;
}

/* What clients get whose name nobody has. */
static bool
add_default(struct making *m)
{
	struct tls_server *s = m->server;
	struct tls_certificate *first = s->certificates[0], *c;
	size_t i;
	int code = 0;

	s->others = &s->first;
	s->n_others = 1;
	if (first->n_names)
		s->others = tls_server_find(s, first->names[0], &s->n_others);
	for (i = 0; code == 0 && i < s->n_others; i++) {
		c = s->certificates[s->others[i].certificate];
		code = mbedtls_ssl_conf_own_cert(&s->config, &c->chain, &c->key);
	}
	return code == 0 || tls_complain(&m->complaint, code, "the certificate cannot be used");
}

static bool
ask_clients(struct making *m)
{
	struct tls_server *s = m->server;

	if (m->settings->client_auth == TLS_CLIENT_NONE)
		return true;
	if (!m->settings->trust)
		return tls_complain(&m->complaint, 0,
				    "there is no authority of clients' certificates");
	s->trust = tls_trust_get(m->settings->trust);
	mbedtls_ssl_conf_authmode(&s->config, m->settings->client_auth == TLS_CLIENT_REQUIRE
						  ? MBEDTLS_SSL_VERIFY_REQUIRED
						  : MBEDTLS_SSL_VERIFY_OPTIONAL);
	mbedtls_ssl_conf_ca_chain(&s->config, &s->trust->authorities,
				  s->trust->has_revoked ? &s->trust->revoked : NULL);
	return true;
}

/* ---- what is offered ------------------------------------------------------------------------- */

static void
tickets_put(struct tls_tickets *tickets)
{
	if (!tickets ||
	    atomic_fetch_sub_explicit(&tickets->references, 1, memory_order_acq_rel) > 1)
		return;
	mbedtls_ssl_ticket_free(&tickets->context);
	free(tickets);
}

/* The one that was put in last makes tickets. */
static int
use_shared(mbedtls_ssl_ticket_context *context, const struct tls_server_settings *settings)
{
	const struct tls_ticket_keys *shared = settings->shared_keys;
	size_t i = shared ? shared->n : 0;
	int code = 0;

	for (; code == 0 && i > 0; i--)
		code = mbedtls_ssl_ticket_rotate(context, shared->names[i - 1], TLS_TICKET_NAME,
						 shared->keys[i - 1], TLS_TICKET_KEY,
						 settings->ticket_lifetime);
	return code;
}

/* NULL, and m says why. */
static struct tls_tickets *
tickets_new(struct making *m)
{
	struct tls_tickets *t = calloc(1, sizeof(*t));
	int code;

	if (!t) {
		tls_complain(&m->complaint, 0, "no memory");
		return NULL;
	}
	atomic_init(&t->references, 1);
	mbedtls_ssl_ticket_init(&t->context);
	code =
	    mbedtls_ssl_ticket_setup(&t->context, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE,
				     MBEDTLS_CIPHER_AES_256_GCM, m->settings->ticket_lifetime);
	if (code == 0)
		code = use_shared(&t->context, m->settings);
	if (code == 0)
		return t;
	tls_complain(&m->complaint, code, "tickets cannot be made");
	tickets_put(t);
	return NULL;
}

static bool
offer_tickets(struct making *m)
{
	struct tls_server *s = m->server;

	/* Who resumes a session shows no certificate; with shared keys the session may even be one
	 * of a listener that asks for none, or trusts others. */
	if (m->settings->ticket_lifetime == 0 || m->settings->client_auth != TLS_CLIENT_NONE)
		return true;
	s->tickets = m->settings->ticket_keys;
	if (s->tickets)
		atomic_fetch_add_explicit(&s->tickets->references, 1, memory_order_relaxed);
	else
		s->tickets = tickets_new(m);
	if (!s->tickets)
		return false;
	mbedtls_ssl_conf_session_tickets_cb(&s->config, mbedtls_ssl_ticket_write,
					    mbedtls_ssl_ticket_parse, &s->tickets->context);
	mbedtls_ssl_conf_new_session_tickets(&s->config, m->settings->tickets);
	return true;
}

/* mbedTLS would make a key exchange with all who offer one, too. */
static void
resume_alone(struct making *m)
{
	struct tls_server *s = m->server;

	if (!s->tickets || !m->settings->without_exchange)
		return;
	s->alone = s->config;
	mbedtls_ssl_conf_tls13_key_exchange_modes(&s->alone,
						  MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_PSK);
	/* A client may offer TLS 1.2 before 1.3, which is that much work for nothing. */
	mbedtls_ssl_conf_min_tls_version(&s->alone, MBEDTLS_SSL_VERSION_TLS1_3);
	s->has_alone = true;
}

static bool
configure(struct making *m)
{
	const struct tls_server_settings *s = m->settings;
	struct tls_offer offer = { MBEDTLS_SSL_IS_SERVER, s->minimum, s->maximum, s->ciphers,
				   s->n_ciphers,          s->alpn };
	mbedtls_ssl_config *c = &m->server->config;

	if (!tls_offer(c, &m->server->lists, &offer, &m->complaint))
		return false;
	m->server->maximum = s->maximum;
	mbedtls_ssl_conf_sni(c, tls_asked_name, NULL);
	mbedtls_ssl_conf_cert_cb(c, tls_choose);
	/* A resumed connection has a secret of its own, too, but see resume_alone. */
	mbedtls_ssl_conf_tls13_key_exchange_modes(
	    c, MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL |
		   MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_PSK_EPHEMERAL);
	if (!add_certificates(m) || !sort_names(m) || !add_default(m) || !ask_clients(m) ||
	    !offer_tickets(m))
		return false;
	resume_alone(m);
	return true;
}

struct tls_server *
tls_server_create(const struct tls_server_settings *settings, char *error, size_t size)
{
	struct making m = { calloc(1, sizeof(struct tls_server)), settings, { error, size } };

	if (!m.server) {
		tls_complain(&m.complaint, 0, "no memory");
		return NULL;
	}
	atomic_init(&m.server->references, 1);
	mbedtls_ssl_config_init(&m.server->config);
	if (configure(&m))
		return m.server;
	tls_server_free(m.server);
	return NULL;
}

struct tls_server *
tls_server_get(struct tls_server *server)
{
	atomic_fetch_add_explicit(&server->references, 1, memory_order_relaxed);
	return server;
}

void
tls_server_free(struct tls_server *server)
{
	size_t i;

	if (!server || atomic_fetch_sub_explicit(&server->references, 1, memory_order_acq_rel) > 1)
		return;
	mbedtls_ssl_config_free(&server->config);
	for (i = 0; i < server->n_certificates; i++)
		tls_certificate_put(server->certificates[i]);
	free(server->certificates);
	free(server->names);
	tls_trust_put(server->trust);
	tickets_put(server->tickets);
	tls_lists_free(&server->lists);
	free(server);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listeners that end TLS: their certificates, keys and authorities are read here, and stay with the
 * configuration.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cp/config/message.h"
#include "cp/config/validate.h"
#include "cp/config/validate_tls.h"
#include "cp/tls/ticket_keys.h"
#include "cp/tls/trust.h"
#include "lib/tls/handover.h"

#define SECOND 1000000000ULL
/* Seconds that tickets are good for, at the least: files of keys are looked at every two, and keys
 * that were read serve half as long as tickets. */
#define TICKETS_LEAST 10

/* ---- files ----------------------------------------------------------------------------------- */

bool
tls_path_usable(struct load *load, const config_setting_t *group, const char *key, const char *path)
{
	char text[QUOTED_LEN];

	if (!path || !usable(group, key))
		return false;
	if (path[0] == '/')
		return true;
	report(load, group, key, "\"%s\" does not begin with \"/\"", text_printable(path, text));
	return false;
}

void
report_tls_fault(struct load *load, const config_setting_t *group, const char *key,
		 const char *path, const struct tls_fault *fault)
{
	char file[QUOTED_LEN];

	if (fault->text[0])
		report(load, group, key, "\"%s\" %s", text_printable(path, file), fault->text);
}

static const char *
date(int64_t seconds, char buf[32])
{
	time_t t = (time_t)seconds;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || strftime(buf, 32, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
		return "?";
	return buf;
}

static void
check_age(struct load *load, const config_setting_t *group, const struct tls_pair_config *pair)
{
	char text[QUOTED_LEN], day[32];
	int64_t now = time(NULL);

	if (pair->loaded->not_after < now)
		report_warning(load, group, "cert", "\"%s\" has expired, on %s",
			       text_printable(pair->certificate, text),
			       date(pair->loaded->not_after, day));
	else if (pair->loaded->not_before > now)
		report_warning(load, group, "cert", "\"%s\" is not good before %s",
			       text_printable(pair->certificate, text),
			       date(pair->loaded->not_before, day));
}

/* ---- certificates ---------------------------------------------------------------------------- */

void
load_tls_pair(struct load *load, const config_setting_t *group, struct tls_pair_config *pair,
	      enum tls_role role)
{
	struct tls_pair_faults faults = { 0 };
	bool paths = tls_path_usable(load, group, "cert", pair->certificate);

	paths &= tls_path_usable(load, group, "key", pair->key);
	if (!paths)
		return;
	pair->loaded = tls_certificate_load(pair->certificate, pair->key, role, &faults);
	if (pair->loaded) {
		check_age(load, group, pair);
		return;
	}
	report_tls_fault(load, group, "cert", pair->certificate, &faults.certificate);
	report_tls_fault(load, group, "key", pair->key, &faults.key);
}

/* A certificate, and where it stands. */
struct placed {
	const char *file;
	const config_setting_t *setting;
	size_t index;
};

static int
by_file(const void *a, const void *b)
{
	const struct placed *x = a, *y = b;
	int order = strcmp(x->file, y->file);

	return order ? order : (x->index > y->index) - (x->index < y->index);
}

static void
check_twice(struct load *load, struct placed *list, size_t n)
{
	char text[QUOTED_LEN];
	size_t i;

	qsort(list, n, sizeof(*list), by_file);
	for (i = 1; i < n; i++)
		if (strcmp(list[i].file, list[i - 1].file) == 0)
			report(load, list[i].setting, "cert",
			       "\"%s\" is in this listener twice (also on line %u)",
			       text_printable(list[i].file, text),
			       config_setting_source_line(
				   config_setting_get_member(list[i - 1].setting, "cert")));
}

static bool
check_certificates(struct load *load, struct tls_config *tls, const config_setting_t *group)
{
	struct placed *list;
	size_t n = 0, i;

	if (!usable(group, "certificates"))
		return true;
	list = calloc(tls->n_certificates + 1, sizeof(*list));
	if (!list)
		return false;
	for (i = 0; i < tls->n_certificates; i++) {
		const config_setting_t *setting = inner_element(group, "certificates", i);

		if (!usable(setting, NULL))
			continue;
		load_tls_pair(load, setting, &tls->certificates[i], TLS_ROLE_SERVER);
		if (usable(setting, "cert"))
			list[n++] = (struct placed){ tls->certificates[i].certificate, setting, i };
	}
	check_twice(load, list, n);
	free(list);
	return true;
}

/* ---- the rest -------------------------------------------------------------------------------- */

/* An empty list is no way to say "none", and it should not mean all. */
static bool
is_empty(struct load *load, const config_setting_t *group, const char *key, const char *otherwise)
{
	const config_setting_t *list = config_setting_get_member(group, key);

	if (!list || config_setting_length(list) > 0)
		return false;
	report(load, group, key, "is empty; %s", otherwise);
	return true;
}

static void
check_ciphers(struct load *load, const struct tls_config *tls, const config_setting_t *group)
{
	bool seen[TLS_CIPHERS] = { false };
	size_t i;

	if (!usable(group, "ciphers") ||
	    is_empty(load, group, "ciphers", "leave it out to offer all"))
		return;
	for (i = 0; i < tls->n_ciphers; i++) {
		const config_setting_t *setting = inner_element(group, "ciphers", i);

		if (!usable(setting, NULL) || tls->ciphers[i] >= TLS_CIPHERS)
			continue;
		if (seen[tls->ciphers[i]])
			report(load, setting, NULL, "is there twice");
		seen[tls->ciphers[i]] = true;
	}
}

static void
check_alpn(struct load *load, const struct listener_config *l, const config_setting_t *group)
{
	char text[QUOTED_LEN];
	size_t i;

	if (!usable(group, "alpn") ||
	    is_empty(load, group, "alpn",
		     l->protocol == LISTENER_HTTPS ? "leave it out for \"http/1.1\""
						   : "leave it out if clients are not to be asked"))
		return;
	for (i = 0; i < l->tls.n_alpn; i++) {
		const config_setting_t *setting = inner_element(group, "alpn", i);

		if (!usable(setting, NULL))
			continue;
		if (strlen(l->tls.alpn[i]) > TLS_PROTOCOL_MAX)
			report(load, setting, NULL, "is longer than %d bytes", TLS_PROTOCOL_MAX);
		else if (l->protocol == LISTENER_HTTPS && strcmp(l->tls.alpn[i], "http/1.1") != 0 &&
			 strcmp(l->tls.alpn[i], "http/1.0") != 0)
			report(load, setting, NULL,
			       "\"%s\" is not spoken with protocol = \"https\"; \"http/1.1\" is",
			       text_printable(l->tls.alpn[i], text));
	}
}

static void
read_trust(struct load *load, struct tls_config *tls, const config_setting_t *group)
{
	struct tls_trust_faults faults = { 0 };
	bool paths = tls_path_usable(load, group, "ca", tls->client_auth.ca);
	char text[QUOTED_LEN], day[32];

	if (config_setting_get_member(group, "crl"))
		paths &= tls_path_usable(load, group, "crl", tls->client_auth.crl);
	if (!paths)
		return;
	tls->client_auth.loaded =
	    tls_trust_load(tls->client_auth.ca, tls->client_auth.crl, &faults);
	report_tls_fault(load, group, "ca", tls->client_auth.ca, &faults.ca);
	report_tls_fault(load, group, "crl", tls->client_auth.crl, &faults.crl);
	if (tls->client_auth.loaded && tls->client_auth.loaded->next_update < time(NULL))
		report_warning(load, group, "crl",
			       "\"%s\" is out of date since %s: no client's certificate is good",
			       text_printable(tls->client_auth.crl, text),
			       date(tls->client_auth.loaded->next_update, day));
}

static void
check_client_auth(struct load *load, struct tls_config *tls, const config_setting_t *listener_tls)
{
	static const char *const keys[] = { "ca", "crl" };
	const config_setting_t *group = config_setting_get_member(listener_tls, "client_auth");
	size_t i;

	if (!group || !usable(group, NULL) || !usable(group, "mode"))
		return;
	if (tls->client_auth.mode == TLS_CLIENT_AUTH_NONE) {
		for (i = 0; i < 2; i++)
			if (config_setting_get_member(group, keys[i]))
				report(load, group, keys[i], "says nothing with mode = \"none\"");
	} else if (config_setting_get_member(group, "ca")) {
		read_trust(load, tls, group);
	} else {
		report(load, group, "ca",
		       "missing; for example ca = \"/etc/penstock/tls/clients.pem\";");
	}
}

static void
check_tickets(struct load *load, struct tls_config *tls, const config_setting_t *listener_tls)
{
	const config_setting_t *group = config_setting_get_member(listener_tls, "tickets");
	struct tls_fault fault = { "" };

	if (!group || !usable(group, "lifetime"))
		return;
	if (tls->client_auth.mode != TLS_CLIENT_AUTH_NONE && tls->tickets.lifetime)
		report_warning(load, group, NULL,
			       "has no effect with client_auth: who resumes a session shows no "
			       "certificate, so this listener gives no tickets");
	if (tls->tickets.lifetime % SECOND)
		report(load, group, "lifetime", "is not a number of whole seconds");
	else if (tls->tickets.lifetime && tls->tickets.lifetime < TICKETS_LEAST * SECOND)
		report(load, group, "lifetime",
		       "is less than %d seconds, so that some tickets would not be taken; \"0s\": "
		       "there are none",
		       TICKETS_LEAST);
	if (!config_setting_get_member(group, "keys"))
		return;
	if (tls->tickets.lifetime == 0)
		report(load, group, "keys", "says nothing with lifetime = \"0s\"");
	if (!tls_path_usable(load, group, "keys", tls->tickets.keys))
		return;
	tls->tickets.loaded = tls_ticket_keys_load(tls->tickets.keys, &fault);
	report_tls_fault(load, group, "keys", tls->tickets.keys, &fault);
}

bool
validate_tls(struct load *load, struct listener_config *l, const config_setting_t *listener)
{
	const config_setting_t *group = config_setting_get_member(listener, "tls");

	if (!usable(listener, "protocol") || !usable(listener, "tls"))
		return true;
	if (!listener_ends_tls(l)) {
		if (group)
			report(load, listener, "tls",
			       "is only for protocol = \"https\" and \"tls\"");
		return true;
	}
	if (!group) {
		report(load, listener, "tls",
		       "missing; for example tls = { certificates = ( { cert = "
		       "\"/etc/penstock/tls/shop.pem\"; key = \"/etc/penstock/tls/shop.key\"; } "
		       "); };");
		return true;
	}
	check_ciphers(load, &l->tls, group);
	check_alpn(load, l, group);
	check_client_auth(load, &l->tls, group);
	check_tickets(load, &l->tls, group);
	return check_certificates(load, &l->tls, group);
}

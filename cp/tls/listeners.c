/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/tls/listeners.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "cp/tls/places.h"
#include "cp/tls/server.h"
#include "cp/tls/ticket_keys.h"

/* As browsers take them; each is good for one connection. */
#define TICKETS 2

#define SECOND 1000000000ULL

static_assert((int)TLS_CLIENT_AUTH_NONE == TLS_CLIENT_NONE &&
		  (int)TLS_CLIENT_AUTH_REQUEST == TLS_CLIENT_REQUEST &&
		  (int)TLS_CLIENT_AUTH_REQUIRE == TLS_CLIENT_REQUIRE,
	      "the configuration and mbedTLS's settings number these alike");

struct listener {
	struct tls_placed placed;
	const struct listener_config *config;
	struct tls_certificate **certificates; /* references, by config */
	struct tls_watched *pairs;             /* by config */
	size_t n;                              /* of them */
	struct tls_trust *trust;               /* a reference; NULL: clients are not asked */
	struct tls_watched trusted;
	struct tls_ticket_keys *shared; /* a reference; NULL: tickets have keys of their own */
	struct tls_watched shared_file;
	uint64_t made_at; /* when the server was, by loop_now */
};

struct tls_listeners {
	struct tls_places places;
};

/* ---- a listener ------------------------------------------------------------------------------ */

/* From what was read with the configuration; no server yet. NULL: no memory. */
static struct tls_placed *
listener_create(const struct listener_config *config)
{
	const struct tls_config *tls = &config->tls;
	struct listener *l = calloc(1, sizeof(*l));
	size_t i;

	if (!l)
		return NULL;
	l->placed.owner = (struct tls_owner){ "listener", config->service.name };
	l->config = config;
	l->certificates = calloc(tls->n_certificates + 1, sizeof(struct tls_certificate *));
	l->pairs = calloc(tls->n_certificates + 1, sizeof(*l->pairs));
	if (!l->certificates || !l->pairs)
		return &l->placed; /* of which no server can be made */
	for (i = 0; i < tls->n_certificates; i++) {
		const struct tls_pair_config *pair = &tls->certificates[i];

		l->certificates[l->n++] = tls_certificate_get(pair->loaded);
		tls_watched_begin(&l->pairs[i], pair->certificate, pair->key, pair->loaded->stamps);
	}
	l->trust = tls_trust_get(tls->client_auth.loaded);
	if (l->trust)
		tls_watched_begin(&l->trusted, tls->client_auth.ca, tls->client_auth.crl,
				  l->trust->stamps);
	l->shared = tls_ticket_keys_get(tls->tickets.loaded);
	if (l->shared)
		tls_watched_begin(&l->shared_file, tls->tickets.keys, NULL,
				  (struct tls_stamp[2]){ l->shared->stamp });
	return &l->placed;
}

static void
listener_destroy(struct tls_placed *placed)
{
	struct listener *l = (struct listener *)placed;
	size_t i;

	for (i = 0; i < l->n; i++)
		tls_certificate_put(l->certificates[i]);
	tls_trust_put(l->trust);
	tls_ticket_keys_put(l->shared);
	free(l->certificates);
	free(l->pairs);
	free(l);
}

static bool
same_texts(char *const *a, char *const *b, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (strcmp(a[i], b[i]) != 0)
			return false;
	return true;
}

/* Would both have agreed on the same with a client? Then its ticket of one is good for the other:
 * the other has the keys of the one. Those of a file are not handed on, they are read. Clients'
 * certificates that were good once say nothing of what other authorities say. */
static bool
same_terms(const struct listener *a, const struct listener *b)
{
	const struct tls_server *server = a->placed.made;
	const struct tls_config *x = &a->config->tls, *y = &b->config->tls;

	return a->config->protocol == b->config->protocol && x->minimum == y->minimum &&
	       x->n_ciphers == y->n_ciphers && x->n_alpn == y->n_alpn &&
	       x->tickets.lifetime == y->tickets.lifetime &&
	       x->tickets.forward_secrecy == y->tickets.forward_secrecy && !a->shared &&
	       !b->shared && x->client_auth.mode == y->client_auth.mode &&
	       (x->n_ciphers == 0 || memcmp(x->ciphers, y->ciphers, x->n_ciphers) == 0) &&
	       same_texts(x->alpn, y->alpn, x->n_alpn) && tls_trust_equal(server->trust, b->trust);
}

static void *
make_server(struct tls_placed *placed, const struct tls_placed *before, char *error, size_t size)
{
	const struct listener *old = (const struct listener *)before;
	struct listener *l = (struct listener *)placed;
	const struct tls_config *tls = &l->config->tls;
	const char *alpn[TLS_ALPN_MAX + 1] = { NULL };
	struct tls_server_settings s = {
		.certificates = l->certificates,
		.n_certificates = l->n,
		.minimum = (enum tls_version)tls->minimum,
		.maximum = TLS_1_3,
		.n_ciphers = tls->n_ciphers,
		.ticket_lifetime = (uint32_t)(tls->tickets.lifetime / SECOND),
		.tickets = TICKETS,
		.shared_keys = l->shared,
		.without_exchange = !tls->tickets.forward_secrecy,
		.client_auth = (enum tls_client_auth)tls->client_auth.mode,
		.trust = l->trust,
	};
	size_t i;

	if (!l->certificates || !l->pairs)
		return NULL;
	if (old && same_terms(old, l))
		s.ticket_keys = ((const struct tls_server *)before->made)->tickets;
	for (i = 0; i < tls->n_ciphers; i++)
		s.ciphers[i] = (enum tls_cipher)tls->ciphers[i];
	for (i = 0; i < tls->n_alpn; i++)
		alpn[i] = tls->alpn[i];
	if (tls->n_alpn == 0 && l->config->protocol == LISTENER_HTTPS)
		alpn[0] = "http/1.1";
	s.alpn = alpn[0] ? alpn : NULL;
	l->made_at = loop_now();
	return tls_server_create(&s, error, size);
}

static int
put_server(struct tls_store *store, struct tls_place place, void *server)
{
	int rc =
	    tls_store_put(store, place.slot, place.epoch, server ? tls_server_get(server) : NULL);

	if (rc < 0)
		tls_server_free(server);
	return rc;
}

static void
free_server(void *server)
{
	tls_server_free(server);
}

/* ---- files that change ----------------------------------------------------------------------- */

static bool
read_shared(struct listener *l)
{
	struct tls_fault fault = { "" };
	struct tls_watched *w = &l->shared_file;
	struct tls_ticket_keys *k = tls_ticket_keys_load(w->paths[0], &fault);

	w->known[0] = k ? k->stamp : w->seen[0];
	if (!k)
		tls_watched_refuse(&l->placed.owner, w->paths[0], fault.text);
	if (k && !tls_ticket_keys_equal(k, l->shared)) {
		tls_ticket_keys_put(l->shared);
		l->shared = k;
		return w->fresh = true;
	}
	tls_ticket_keys_put(k);
	return false;
}

static bool
read_files(const struct tls_places *t, struct tls_placed *placed, unsigned int *left)
{
	struct listener *l = (struct listener *)placed;
	bool others = false;
	size_t i;

	(void)t;
	for (i = 0; i < l->n; i++)
		if (tls_watched_due(&l->pairs[i], left))
			others |= tls_watched_read_pair(&l->pairs[i], &placed->owner,
							TLS_ROLE_SERVER, &l->certificates[i]);
	if (l->trust && tls_watched_due(&l->trusted, left))
		others |= tls_watched_read_trust(&l->trusted, &placed->owner, &l->trust);
	if (l->shared && tls_watched_due(&l->shared_file, left))
		others |= read_shared(l);
	/* mbedTLS replaces keys that are as old as tickets get by others, also those of a file. */
	return others ||
	       (l->shared && loop_now() - l->made_at > l->config->tls.tickets.lifetime / 2);
}

static void
log_files(struct tls_placed *placed)
{
	struct listener *l = (struct listener *)placed;
	size_t i;

	for (i = 0; i < l->n; i++)
		tls_watched_log_pair(&l->pairs[i], &placed->owner, l->certificates[i]);
	tls_watched_log(&l->trusted, &placed->owner, "authorities-reloaded");
	tls_watched_log(&l->shared_file, &placed->owner, "ticket-keys-reloaded");
}

/* ---- all of it ------------------------------------------------------------------------------- */

struct tls_listeners *
tls_listeners_create(struct loop *loop, struct tls_store *store)
{
	static const struct tls_placed_kind kind = {
		.make = make_server,
		.put = put_server,
		.free_made = free_server,
		.free = listener_destroy,
		.read = read_files,
		.log = log_files,
	};
	struct tls_listeners *t = calloc(1, sizeof(*t));

	if (t && tls_places_init(&t->places, &kind, loop, store))
		return t;
	free(t);
	return NULL;
}

void
tls_listeners_destroy(struct tls_listeners *t)
{
	if (t)
		tls_places_end(&t->places);
	free(t);
}

int
tls_listeners_offer(struct tls_listeners *t, const struct config *config, tls_place_fn *place,
		    const void *arg, const char **error)
{
	bool ok = true;
	size_t i;

	*error = tls_places_begin(&t->places);
	for (i = config->n_services; ok && i < config_n_services(config); i++)
		if (listener_ends_tls(config_listener(config, i)))
			ok = tls_places_add(&t->places, listener_create(config_listener(config, i)),
					    place(arg, i));
	return tls_places_offer(&t->places, ok);
}

void
tls_listeners_published(struct tls_listeners *t)
{
	tls_places_published(&t->places);
}

void
tls_listeners_withdraw(struct tls_listeners *t)
{
	tls_places_withdraw(&t->places);
}

void
tls_listeners_look(struct tls_listeners *t)
{
	tls_places_look(&t->places);
}

void
tls_listeners_each(const struct tls_listeners *t, tls_certificate_fn *fn, void *arg)
{
	const struct tls_placed *placed = t ? t->places.running : NULL;
	size_t i;

	for (; placed; placed = placed->next) {
		const struct listener *l = (const struct listener *)placed;

		for (i = 0; i < l->n; i++)
			fn(arg, l->config, &l->config->tls.certificates[i], l->certificates[i]);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/tls/listeners.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cp/log.h"
#include "cp/tls/reload.h"
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
	const struct listener_config *config;
	struct tls_place place;
	struct tls_server *server;             /* a reference */
	struct tls_certificate **certificates; /* references, by config */
	struct tls_watched *pairs;             /* by config */
	size_t n;                              /* of them */
	struct tls_trust *trust;               /* a reference; NULL: clients are not asked */
	struct tls_watched trusted;
	struct tls_ticket_keys *shared; /* a reference; NULL: tickets have keys of their own */
	struct tls_watched shared_file;
	uint64_t made; /* when the server was, by loop_now */
	bool stale;    /* the server is older than what it is made of */
};

/* Those of a configuration. */
struct listeners {
	struct listener *list;
	size_t n;
};

struct tls_listeners {
	struct tls_store *store;
	struct loop_timer *timer;
	struct listeners running, offered;
	char error[300];
};

/* ---- a listener ------------------------------------------------------------------------------ */

/* From what was read with the configuration; no server yet. False: no memory. */
static bool
listener_begin(struct listener *l, const struct listener_config *config, struct tls_place place)
{
	const struct tls_config *tls = &config->tls;
	size_t i;

	l->config = config;
	l->place = place;
	l->certificates = calloc(tls->n_certificates + 1, sizeof(struct tls_certificate *));
	l->pairs = calloc(tls->n_certificates + 1, sizeof(*l->pairs));
	if (!l->certificates || !l->pairs)
		return false;
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
	return true;
}

static void
listeners_clear(struct listeners *all)
{
	size_t i, j;

	for (i = 0; i < all->n; i++) {
		struct listener *l = &all->list[i];

		for (j = 0; j < l->n; j++)
			tls_certificate_put(l->certificates[j]);
		tls_trust_put(l->trust);
		tls_ticket_keys_put(l->shared);
		tls_server_free(l->server);
		free(l->certificates);
		free(l->pairs);
	}
	free(all->list);
	*all = (struct listeners){ 0 };
}

/* NULL, and a sentence. tickets: whose keys stay good, or NULL. */
static struct tls_server *
make_server(struct listener *l, struct tls_tickets *tickets, char *error, size_t size)
{
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
		.ticket_keys = tickets,
		.shared_keys = l->shared,
		.client_auth = (enum tls_client_auth)tls->client_auth.mode,
		.trust = l->trust,
	};
	size_t i;

	for (i = 0; i < tls->n_ciphers; i++)
		s.ciphers[i] = (enum tls_cipher)tls->ciphers[i];
	for (i = 0; i < tls->n_alpn; i++)
		alpn[i] = tls->alpn[i];
	if (tls->n_alpn == 0 && l->config->protocol == LISTENER_HTTPS)
		alpn[0] = "http/1.1";
	s.alpn = alpn[0] ? alpn : NULL;
	l->made = loop_now();
	return tls_server_create(&s, error, size);
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
 * the other has the keys of the one. Those of a file are not handed on, they are read. */
static bool
same_terms(const struct listener *a, const struct listener *b)
{
	const struct tls_config *x = &a->config->tls, *y = &b->config->tls;

	return a->config->protocol == b->config->protocol && x->minimum == y->minimum &&
	       x->n_ciphers == y->n_ciphers && x->n_alpn == y->n_alpn &&
	       x->tickets.lifetime == y->tickets.lifetime && !a->shared && !b->shared &&
	       x->client_auth.mode == y->client_auth.mode &&
	       (x->n_ciphers == 0 || memcmp(x->ciphers, y->ciphers, x->n_ciphers) == 0) &&
	       same_texts(x->alpn, y->alpn, x->n_alpn) && tls_trust_equal(a->trust, b->trust);
}

/* ---- a configuration ------------------------------------------------------------------------- */

static struct listener *
find_place(const struct listeners *all, struct tls_place place)
{
	size_t i;

	for (i = 0; i < all->n; i++)
		if (all->list[i].place.slot == place.slot &&
		    all->list[i].place.epoch == place.epoch)
			return &all->list[i];
	return NULL;
}

/* Is the slot in use, by whatever epoch? */
static bool
has_slot(const struct listeners *all, uint32_t slot)
{
	size_t i;

	for (i = 0; i < all->n; i++)
		if (all->list[i].place.slot == slot)
			return true;
	return false;
}

static int
put(struct tls_listeners *t, const struct listener *l)
{
	int rc = tls_store_put(t->store, l->place.slot, l->place.epoch, tls_server_get(l->server));

	if (rc < 0)
		tls_server_free(l->server);
	return rc;
}

static void
put_none(struct tls_listeners *t, struct tls_place place)
{
	tls_store_put(t->store, place.slot, place.epoch, NULL);
}

/* The next of those that are offered, with its server. False: error says why. */
static bool
add_listener(struct tls_listeners *t, const struct listener_config *config, struct tls_place place)
{
	const struct listener *before = find_place(&t->running, place);
	struct listener *l = &t->offered.list[t->offered.n++];
	char why[200] = "not enough memory";

	if (listener_begin(l, config, place))
		l->server =
		    make_server(l, before && same_terms(before, l) ? before->server->tickets : NULL,
				why, sizeof(why));
	if (!l->server)
		snprintf(t->error, sizeof(t->error), "listener %s: tls: %s", config->service.name,
			 why);
	return l->server != NULL;
}

int
tls_listeners_offer(struct tls_listeners *t, const struct config *config, tls_place_fn *place,
		    const void *arg, const char **error)
{
	bool ok;
	size_t i;

	*error = t->error;
	snprintf(t->error, sizeof(t->error), "not enough memory");
	t->offered.list = calloc(config->n_listeners + 1, sizeof(*t->offered.list));
	ok = t->offered.list != NULL;
	for (i = config->n_services; ok && i < config_n_services(config); i++)
		if (listener_ends_tls(config_listener(config, i)))
			ok = add_listener(t, config_listener(config, i), place(arg, i));
	if (!ok) {
		listeners_clear(&t->offered);
		return -EINVAL;
	}
	for (i = 0; ok && i < t->offered.n; i++)
		ok = put(t, &t->offered.list[i]) == 0;
	if (ok)
		return 0;
	tls_listeners_withdraw(t);
	return -ENOMEM;
}

void
tls_listeners_published(struct tls_listeners *t)
{
	size_t i;

	for (i = 0; i < t->running.n; i++)
		if (!has_slot(&t->offered, t->running.list[i].place.slot))
			put_none(t, t->running.list[i].place);
	listeners_clear(&t->running);
	t->running = t->offered;
	t->offered = (struct listeners){ 0 };
	if (t->running.n)
		loop_timer_arm(t->timer, loop_now() + TLS_LOOK_EVERY);
	else
		loop_timer_disarm(t->timer);
}

void
tls_listeners_withdraw(struct tls_listeners *t)
{
	size_t i;

	for (i = 0; i < t->offered.n; i++)
		if (!has_slot(&t->running, t->offered.list[i].place.slot))
			put_none(t, t->offered.list[i].place);
	/* Those that the store does not take are put again at the next look. */
	for (i = 0; i < t->running.n; i++)
		if (put(t, &t->running.list[i]) < 0)
			t->running.list[i].stale = true;
	listeners_clear(&t->offered);
}

/* ---- files that change ----------------------------------------------------------------------- */

static struct tls_owner
owner_of(const struct listener *l)
{
	return (struct tls_owner){ "listener", l->config->service.name };
}

static bool
read_shared(struct listener *l, const struct tls_owner *owner)
{
	struct tls_fault fault = { "" };
	struct tls_watched *w = &l->shared_file;
	struct tls_ticket_keys *k = tls_ticket_keys_load(w->paths[0], &fault);

	w->known[0] = k ? k->stamp : w->seen[0];
	if (!k)
		tls_watched_refuse(owner, w->paths[0], fault.text);
	if (k && !tls_ticket_keys_equal(k, l->shared)) {
		tls_ticket_keys_put(l->shared);
		l->shared = k;
		return w->fresh = true;
	}
	tls_ticket_keys_put(k);
	return false;
}

static void
log_fresh(struct listener *l)
{
	struct tls_owner owner = owner_of(l);
	size_t i;

	for (i = 0; i < l->n; i++)
		tls_watched_log_pair(&l->pairs[i], &owner, l->certificates[i]);
	tls_watched_log(&l->trusted, &owner, "authorities-reloaded");
	tls_watched_log(&l->shared_file, &owner, "ticket-keys-reloaded");
}

/* A new server of what has been read. Clients' certificates that were good once say nothing of what
 * the new authorities say: then their tickets are not good any more. */
static void
renew(struct tls_listeners *t, struct listener *l)
{
	struct tls_server *old = l->server;
	bool same = tls_trust_equal(old->trust, l->trust) && !l->shared;
	char why[200] = "not enough memory";
	struct tls_server *server = make_server(l, same ? old->tickets : NULL, why, sizeof(why));

	if (server)
		l->server = server;
	if (!server || put(t, l) < 0) {
		log_error("listener %s: the new certificates cannot be used yet: %s",
			  l->config->service.name, why);
		if (server)
			tls_server_free(server);
		l->server = old;
		return;
	}
	tls_server_free(old);
	l->stale = false;
	log_fresh(l);
}

static void
look_at(struct tls_listeners *t, struct listener *l, unsigned int *left)
{
	struct tls_owner owner = owner_of(l);
	size_t i;

	for (i = 0; i < l->n; i++)
		if (tls_watched_due(&l->pairs[i], left))
			l->stale |= tls_watched_read_pair(&l->pairs[i], &owner, TLS_ROLE_SERVER,
							  &l->certificates[i]);
	if (l->trust && tls_watched_due(&l->trusted, left))
		l->stale |= tls_watched_read_trust(&l->trusted, &owner, &l->trust);
	if (l->shared && tls_watched_due(&l->shared_file, left))
		l->stale |= read_shared(l, &owner);
	/* mbedTLS replaces keys that are as old as tickets get by others, also those of a file. */
	if (l->shared && loop_now() - l->made > l->config->tls.tickets.lifetime / 2)
		l->stale = true;
	if (l->stale)
		renew(t, l);
}

void
tls_listeners_look(struct tls_listeners *t)
{
	unsigned int left = TLS_READ_MOST;
	size_t i;

	for (i = 0; i < t->running.n; i++)
		look_at(t, &t->running.list[i], &left);
	loop_timer_arm(t->timer, loop_now() + (left ? TLS_LOOK_EVERY : TLS_READ_AGAIN));
}

static void
on_timer(void *arg)
{
	tls_listeners_look(arg);
}

/* ---- all of it ------------------------------------------------------------------------------- */

struct tls_listeners *
tls_listeners_create(struct loop *loop, struct tls_store *store)
{
	struct tls_listeners *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->store = store;
	t->timer = loop_timer_create(loop, on_timer, t);
	if (t->timer)
		return t;
	free(t);
	return NULL;
}

void
tls_listeners_destroy(struct tls_listeners *t)
{
	if (!t)
		return;
	listeners_clear(&t->offered);
	listeners_clear(&t->running);
	loop_timer_free(t->timer);
	free(t);
}

void
tls_listeners_each(const struct tls_listeners *t, tls_certificate_fn *fn, void *arg)
{
	size_t i, j;

	for (i = 0; t && i < t->running.n; i++) {
		const struct listener *l = &t->running.list[i];

		for (j = 0; j < l->n; j++)
			fn(arg, l->config, &l->config->tls.certificates[j], l->certificates[j]);
	}
}

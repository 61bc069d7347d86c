/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/tls/listeners.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cp/log.h"
#include "cp/tls/certificate.h"
#include "cp/tls/server.h"
#include "cp/tls/ticket_keys.h"
#include "cp/tls/trust.h"

/* What one look reads at most; the rest is soon. */
#define READ_MOST  16
#define READ_AGAIN 50000000ULL /* ns */
/* As browsers take them; each is good for one connection. */
#define TICKETS 2

#define SECOND 1000000000ULL

static_assert((int)TLS_CLIENT_AUTH_NONE == TLS_CLIENT_NONE &&
		  (int)TLS_CLIENT_AUTH_REQUEST == TLS_CLIENT_REQUEST &&
		  (int)TLS_CLIENT_AUTH_REQUIRE == TLS_CLIENT_REQUIRE,
	      "the configuration and mbedTLS's settings number these alike");

/* Two files that belong together: certificate and key, or authorities and what they revoked. */
struct watched {
	const char *paths[2];      /* the configuration's; the second may be NULL */
	struct tls_stamp known[2]; /* of what was read last, good or bad */
	struct tls_stamp seen[2];  /* at the last look */
	bool fresh;                /* read, and no server has been made of it yet */
};

struct listener {
	const struct listener_config *config;
	struct tls_place place;
	struct tls_server *server;             /* a reference */
	struct tls_certificate **certificates; /* references, by config */
	struct watched *pairs;                 /* by config */
	size_t n;                              /* of them */
	struct tls_trust *trust;               /* a reference; NULL: clients are not asked */
	struct watched trusted;
	struct tls_ticket_keys *shared; /* a reference; NULL: tickets have keys of their own */
	struct watched shared_file;
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

static void
watch_begin(struct watched *w, const char *first, const char *second,
	    const struct tls_stamp stamps[2])
{
	*w = (struct watched){ .paths = { first, second } };
	memcpy(w->known, stamps, sizeof(w->known));
	memcpy(w->seen, stamps, sizeof(w->seen));
}

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
		watch_begin(&l->pairs[i], pair->certificate, pair->key, pair->loaded->stamps);
	}
	l->trust = tls_trust_get(tls->client_auth.loaded);
	if (l->trust)
		watch_begin(&l->trusted, tls->client_auth.ca, tls->client_auth.crl,
			    l->trust->stamps);
	l->shared = tls_ticket_keys_get(tls->tickets.loaded);
	if (l->shared)
		watch_begin(&l->shared_file, tls->tickets.keys, NULL,
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

static bool
same_trust(const struct tls_trust *a, const struct tls_trust *b)
{
	return a && b ? memcmp(a->digest, b->digest, sizeof(a->digest)) == 0 : a == b;
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
	       same_texts(x->alpn, y->alpn, x->n_alpn) && same_trust(a->trust, b->trust);
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

/* Have both kept still since the last look, and are not what was read? */
static bool
is_due(struct watched *w)
{
	bool known = true, still = true;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		struct tls_stamp now = { 0 };

		if (w->paths[i])
			now = tls_file_stamp(w->paths[i]);
		known &= tls_stamp_equal(&now, &w->known[i]);
		still &= tls_stamp_equal(&now, &w->seen[i]);
		w->seen[i] = now;
	}
	return still && !known;
}

static void
refuse(const struct listener *l, const char *path, const char *why)
{
	log_event(LOG_LEVEL_ERROR, "certificate-refused", "message", "the one before stays in use",
		  "listener", l->config->service.name, "file", path, "reason", why, NULL);
}

static void
refuse_faults(const struct listener *l, const struct watched *w, const struct tls_fault faults[2])
{
	unsigned int i;

	for (i = 0; i < 2; i++)
		if (faults[i].text[0])
			refuse(l, w->paths[i], faults[i].text);
}

static void
read_pair(struct listener *l, size_t i)
{
	struct tls_pair_faults faults = { 0 };
	struct watched *w = &l->pairs[i];
	struct tls_certificate *old = l->certificates[i];
	struct tls_certificate *c =
	    tls_certificate_load(w->paths[0], w->paths[1], TLS_ROLE_SERVER, &faults);
	time_t now = time(NULL);

	memcpy(w->known, c ? c->stamps : w->seen, sizeof(w->known));
	if (!c) {
		refuse_faults(l, w, (struct tls_fault[2]){ faults.certificate, faults.key });
	} else if (c->not_after < now && old->not_after >= now) {
		refuse(l, w->paths[0], "has expired");
	} else if (memcmp(c->digest, old->digest, sizeof(c->digest)) != 0) {
		l->certificates[i] = c;
		c = old;
		l->stale = w->fresh = true;
	}
	tls_certificate_put(c);
}

static void
read_trust(struct listener *l)
{
	struct tls_trust_faults faults = { 0 };
	struct watched *w = &l->trusted;
	struct tls_trust *t = tls_trust_load(w->paths[0], w->paths[1], &faults);

	memcpy(w->known, t ? t->stamps : w->seen, sizeof(w->known));
	if (!t) {
		refuse_faults(l, w, (struct tls_fault[2]){ faults.ca, faults.crl });
	} else if (!same_trust(t, l->trust)) {
		struct tls_trust *old = l->trust;

		l->trust = t;
		t = old;
		l->stale = w->fresh = true;
	}
	tls_trust_put(t);
}

static void
read_shared(struct listener *l)
{
	struct tls_fault fault = { "" };
	struct watched *w = &l->shared_file;
	struct tls_ticket_keys *k = tls_ticket_keys_load(w->paths[0], &fault);

	w->known[0] = k ? k->stamp : w->seen[0];
	if (!k) {
		refuse(l, w->paths[0], fault.text);
	} else if (!tls_ticket_keys_equal(k, l->shared)) {
		struct tls_ticket_keys *old = l->shared;

		l->shared = k;
		k = old;
		l->stale = w->fresh = true;
	}
	tls_ticket_keys_put(k);
}

static void
log_read(const char *event, const struct listener *l, struct watched *w)
{
	if (w->fresh)
		log_event(LOG_LEVEL_INFO, event, "listener", l->config->service.name, "file",
			  w->paths[0], NULL);
	w->fresh = false;
}

static void
log_fresh(struct listener *l)
{
	char day[32];
	struct tm tm;
	size_t i;

	for (i = 0; i < l->n; i++) {
		time_t until = (time_t)l->certificates[i]->not_after;

		if (!l->pairs[i].fresh)
			continue;
		l->pairs[i].fresh = false;
		strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&until, &tm));
		log_event(LOG_LEVEL_INFO, "certificate-reloaded", "listener",
			  l->config->service.name, "file", l->pairs[i].paths[0], "not_after", day,
			  NULL);
	}
	log_read("authorities-reloaded", l, &l->trusted);
	log_read("ticket-keys-reloaded", l, &l->shared_file);
}

/* A new server of what has been read. Clients' certificates that were good once say nothing of what
 * the new authorities say: then their tickets are not good any more. */
static void
renew(struct tls_listeners *t, struct listener *l)
{
	struct tls_server *old = l->server;
	bool same = same_trust(old->trust, l->trust) && !l->shared;
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
	size_t i;

	for (i = 0; i < l->n; i++) {
		if (!is_due(&l->pairs[i]) || !*left)
			continue;
		--*left;
		read_pair(l, i);
	}
	if (l->trust && is_due(&l->trusted) && *left) {
		--*left;
		read_trust(l);
	}
	if (l->shared && is_due(&l->shared_file) && *left) {
		--*left;
		read_shared(l);
	}
	/* mbedTLS replaces keys that are as old as tickets get by others, also those of a file. */
	if (l->shared && loop_now() - l->made > l->config->tls.tickets.lifetime / 2)
		l->stale = true;
	if (l->stale)
		renew(t, l);
}

void
tls_listeners_look(struct tls_listeners *t)
{
	unsigned int left = READ_MOST;
	size_t i;

	for (i = 0; i < t->running.n; i++)
		look_at(t, &t->running.list[i], &left);
	loop_timer_arm(t->timer, loop_now() + (left ? TLS_LOOK_EVERY : READ_AGAIN));
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

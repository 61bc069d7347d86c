/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/tls/pools.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cp/log.h"
#include "cp/tls/client.h"
#include "cp/tls/reload.h"

struct pool_client {
	const struct pool_config *config;
	struct tls_place place;
	struct tls_client *client;           /* a reference */
	struct tls_certificate *certificate; /* a reference; NULL: it has none */
	struct tls_watched pair;
	struct tls_trust *trust; /* a reference; NULL: backends are not verified */
	struct tls_watched trusted;
	bool stale; /* the client is older than what it is made of */
};

/* Those of a configuration. */
struct pool_clients {
	struct pool_client *list;
	size_t n;
};

struct tls_pools {
	struct tls_store *store;
	struct loop_timer *timer;
	struct pool_clients running, offered;
	char error[300];
};

/* ---- a pool ---------------------------------------------------------------------------------- */

/* From what was read with the configuration; no client yet. */
static void
pool_begin(struct pool_client *p, const struct pool_config *config, struct tls_place place)
{
	const struct pool_tls_config *tls = &config->tls;

	p->config = config;
	p->place = place;
	if (tls->own.loaded) {
		p->certificate = tls_certificate_get(tls->own.loaded);
		tls_watched_begin(&p->pair, tls->own.certificate, tls->own.key,
				  p->certificate->stamps);
	}
	p->trust = tls_trust_get(tls->trust);
	if (p->trust)
		tls_watched_begin(&p->trusted, tls->ca ? tls->ca : TLS_SYSTEM_AUTHORITIES, NULL,
				  p->trust->stamps);
}

static void
pools_clear(struct pool_clients *all)
{
	size_t i;

	for (i = 0; i < all->n; i++) {
		tls_certificate_put(all->list[i].certificate);
		tls_trust_put(all->list[i].trust);
		tls_client_free(all->list[i].client);
	}
	free(all->list);
	*all = (struct pool_clients){ 0 };
}

/* NULL, and a sentence. */
static struct tls_client *
make_client(const struct pool_client *p, char *error, size_t size)
{
	const struct pool_tls_config *tls = &p->config->tls;
	const struct tls_client_settings s = {
		.trust = p->trust,
		.server_name = tls->server_name,
		.certificate = p->certificate,
		.verify = tls->verify,
		.minimum = (enum tls_version)tls->minimum,
		.maximum = TLS_1_3,
	};

	return tls_client_create(&s, error, size);
}

/* ---- a configuration ------------------------------------------------------------------------- */

/* Is the slot in use, by whatever epoch? */
static bool
has_slot(const struct pool_clients *all, uint32_t slot)
{
	size_t i;

	for (i = 0; i < all->n; i++)
		if (all->list[i].place.slot == slot)
			return true;
	return false;
}

static int
put(struct tls_pools *t, const struct pool_client *p)
{
	int rc = tls_store_put_client(t->store, p->place.slot, p->place.epoch,
				      tls_client_get(p->client));

	if (rc < 0)
		tls_client_free(p->client);
	return rc;
}

static void
put_none(struct tls_pools *t, struct tls_place place)
{
	tls_store_put_client(t->store, place.slot, place.epoch, NULL);
}

/* The next of those that are offered, with its client. False: error says why. */
static bool
add_pool(struct tls_pools *t, const struct pool_config *config, struct tls_place place)
{
	struct pool_client *p = &t->offered.list[t->offered.n++];
	char why[200] = "not enough memory";

	pool_begin(p, config, place);
	p->client = make_client(p, why, sizeof(why));
	if (!p->client)
		snprintf(t->error, sizeof(t->error), "pool %s: tls: %s", config->name, why);
	return p->client != NULL;
}

int
tls_pools_offer(struct tls_pools *t, const struct config *config, tls_place_fn *place,
		const void *arg, const char **error)
{
	bool ok;
	size_t i;

	*error = t->error;
	snprintf(t->error, sizeof(t->error), "not enough memory");
	t->offered.list = calloc(config->n_pools + 1, sizeof(*t->offered.list));
	ok = t->offered.list != NULL;
	for (i = 0; ok && i < config->n_pools; i++)
		if (pool_speaks_tls(&config->pools[i]))
			ok = add_pool(t, &config->pools[i], place(arg, i));
	if (!ok) {
		pools_clear(&t->offered);
		return -EINVAL;
	}
	for (i = 0; ok && i < t->offered.n; i++)
		ok = put(t, &t->offered.list[i]) == 0;
	if (ok)
		return 0;
	tls_pools_withdraw(t);
	return -ENOMEM;
}

void
tls_pools_published(struct tls_pools *t)
{
	size_t i;

	for (i = 0; i < t->running.n; i++)
		if (!has_slot(&t->offered, t->running.list[i].place.slot))
			put_none(t, t->running.list[i].place);
	pools_clear(&t->running);
	t->running = t->offered;
	t->offered = (struct pool_clients){ 0 };
	if (t->running.n)
		loop_timer_arm(t->timer, loop_now() + TLS_LOOK_EVERY);
	else
		loop_timer_disarm(t->timer);
}

void
tls_pools_withdraw(struct tls_pools *t)
{
	size_t i;

	for (i = 0; i < t->offered.n; i++)
		if (!has_slot(&t->running, t->offered.list[i].place.slot))
			put_none(t, t->offered.list[i].place);
	/* Those that the store does not take are put again at the next look. */
	for (i = 0; i < t->running.n; i++)
		if (put(t, &t->running.list[i]) < 0)
			t->running.list[i].stale = true;
	pools_clear(&t->offered);
}

/* ---- files that change ----------------------------------------------------------------------- */

/* Another pool that has read this pool's file of authorities as it is now; NULL: none has. */
static const struct pool_client *
find_reader(const struct tls_pools *t, const struct pool_client *p)
{
	size_t i;

	for (i = 0; i < t->running.n; i++) {
		const struct pool_client *other = &t->running.list[i];

		if (other != p && other->trust &&
		    other->trust->is_partial == p->trust->is_partial &&
		    strcmp(other->trusted.paths[0], p->trusted.paths[0]) == 0 &&
		    tls_stamp_equal(&other->trust->stamps[0], &p->trusted.seen[0]))
			return other;
	}
	return NULL;
}

/* True: there are others. */
static bool
read_trust(struct tls_pools *t, struct pool_client *p, const struct tls_owner *owner)
{
	const struct pool_client *reader = find_reader(t, p);

	if (!reader)
		return tls_watched_read_trust(&p->trusted, owner, &p->trust);
	p->trusted.known[0] = p->trusted.seen[0];
	if (tls_trust_equal(reader->trust, p->trust))
		return false;
	tls_trust_put(p->trust);
	p->trust = tls_trust_get(reader->trust);
	return p->trusted.fresh = true;
}

/* A new client of what has been read. */
static void
renew(struct tls_pools *t, struct pool_client *p, const struct tls_owner *owner)
{
	struct tls_client *old = p->client;
	char why[200] = "not enough memory";
	struct tls_client *client = make_client(p, why, sizeof(why));

	if (client)
		p->client = client;
	if (!client || put(t, p) < 0) {
		log_error("pool %s: the new certificates cannot be used yet: %s", owner->name, why);
		tls_client_free(client);
		p->client = old;
		return;
	}
	tls_client_free(old);
	p->stale = false;
	if (p->certificate)
		tls_watched_log_pair(&p->pair, owner, p->certificate);
	tls_watched_log(&p->trusted, owner, "authorities-reloaded");
}

static void
look_at(struct tls_pools *t, struct pool_client *p, unsigned int *left)
{
	const struct tls_owner owner = { "pool", p->config->name };

	if (p->certificate && tls_watched_due(&p->pair, left))
		p->stale |=
		    tls_watched_read_pair(&p->pair, &owner, TLS_ROLE_CLIENT, &p->certificate);
	if (p->trust && tls_watched_due(&p->trusted, left))
		p->stale |= read_trust(t, p, &owner);
	if (p->stale)
		renew(t, p, &owner);
}

void
tls_pools_look(struct tls_pools *t)
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
	tls_pools_look(arg);
}

/* ---- all of it ------------------------------------------------------------------------------- */

struct tls_pools *
tls_pools_create(struct loop *loop, struct tls_store *store)
{
	struct tls_pools *t = calloc(1, sizeof(*t));

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
tls_pools_destroy(struct tls_pools *t)
{
	if (!t)
		return;
	pools_clear(&t->offered);
	pools_clear(&t->running);
	loop_timer_free(t->timer);
	free(t);
}

void
tls_pools_each(const struct tls_pools *t, tls_pool_certificate_fn *fn, void *arg)
{
	size_t i;

	for (i = 0; t && i < t->running.n; i++)
		if (t->running.list[i].certificate)
			fn(arg, t->running.list[i].config, t->running.list[i].certificate);
}

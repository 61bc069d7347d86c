/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/tls/pools.h"

#include <stdlib.h>
#include <string.h>

#include "cp/tls/client.h"
#include "cp/tls/places.h"

struct pool_client {
	struct tls_placed placed;
	const struct pool_config *config;
	struct tls_certificate *certificate; /* a reference; NULL: it has none */
	struct tls_watched pair;
	struct tls_trust *trust; /* a reference; NULL: backends are not verified */
	struct tls_watched trusted;
};

struct tls_pools {
	struct tls_places places;
};

/* ---- a pool ---------------------------------------------------------------------------------- */

/* From what was read with the configuration; no client yet. NULL: no memory. */
static struct tls_placed *
pool_create(const struct pool_config *config)
{
	const struct pool_tls_config *tls = &config->tls;
	struct pool_client *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->placed.owner = (struct tls_owner){ "pool", config->name };
	p->config = config;
	if (tls->own.loaded) {
		p->certificate = tls_certificate_get(tls->own.loaded);
		tls_watched_begin(&p->pair, tls->own.certificate, tls->own.key,
				  p->certificate->stamps);
	}
	p->trust = tls_trust_get(tls->trust);
	if (p->trust)
		tls_watched_begin(&p->trusted, tls->ca ? tls->ca : TLS_SYSTEM_AUTHORITIES, NULL,
				  p->trust->stamps);
	return &p->placed;
}

static void
pool_destroy(struct tls_placed *placed)
{
	struct pool_client *p = (struct pool_client *)placed;

	tls_certificate_put(p->certificate);
	tls_trust_put(p->trust);
	free(p);
}

static void *
make_client(struct tls_placed *placed, const struct tls_placed *before, char *error, size_t size)
{
	const struct pool_client *p = (struct pool_client *)placed;
	const struct pool_tls_config *tls = &p->config->tls;
	const struct tls_client_settings s = {
		.trust = p->trust,
		.server_name = tls->server_name,
		.certificate = p->certificate,
		.verify = tls->verify,
		.minimum = (enum tls_version)tls->minimum,
		.maximum = TLS_1_3,
	};

	(void)before;
	return tls_client_create(&s, error, size);
}

static int
put_client(struct tls_store *store, struct tls_place place, void *client)
{
	int rc = tls_store_put_client(store, place.slot, place.epoch,
				      client ? tls_client_get(client) : NULL);

	if (rc < 0)
		tls_client_free(client);
	return rc;
}

static void
free_client(void *client)
{
	tls_client_free(client);
}

/* ---- files that change ----------------------------------------------------------------------- */

/* Another pool that has read this pool's file of authorities as it is now; NULL: none has. */
static const struct pool_client *
find_reader(const struct tls_placed *running, const struct pool_client *p)
{
	for (; running; running = running->next) {
		const struct pool_client *other = (const struct pool_client *)running;

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
read_trust(const struct tls_placed *running, struct pool_client *p)
{
	const struct pool_client *reader = find_reader(running, p);

	if (!reader)
		return tls_watched_read_trust(&p->trusted, &p->placed.owner, &p->trust);
	p->trusted.known[0] = p->trusted.seen[0];
	if (tls_trust_equal(reader->trust, p->trust))
		return false;
	tls_trust_put(p->trust);
	p->trust = tls_trust_get(reader->trust);
	return p->trusted.fresh = true;
}

static bool
read_files(const struct tls_places *t, struct tls_placed *placed, unsigned int *left)
{
	struct pool_client *p = (struct pool_client *)placed;
	bool others = false;

	if (p->certificate && tls_watched_due(&p->pair, left))
		others = tls_watched_read_pair(&p->pair, &placed->owner, TLS_ROLE_CLIENT,
					       &p->certificate);
	if (p->trust && tls_watched_due(&p->trusted, left))
		others |= read_trust(t->running, p);
	return others;
}

static void
log_files(struct tls_placed *placed)
{
	struct pool_client *p = (struct pool_client *)placed;

	if (p->certificate)
		tls_watched_log_pair(&p->pair, &placed->owner, p->certificate);
	tls_watched_log(&p->trusted, &placed->owner, "authorities-reloaded");
}

/* ---- all of it ------------------------------------------------------------------------------- */

struct tls_pools *
tls_pools_create(struct loop *loop, struct tls_store *store)
{
	static const struct tls_placed_kind kind = {
		.make = make_client,
		.put = put_client,
		.free_made = free_client,
		.free = pool_destroy,
		.read = read_files,
		.log = log_files,
	};
	struct tls_pools *t = calloc(1, sizeof(*t));

	if (t && tls_places_init(&t->places, &kind, loop, store))
		return t;
	free(t);
	return NULL;
}

void
tls_pools_destroy(struct tls_pools *t)
{
	if (t)
		tls_places_end(&t->places);
	free(t);
}

int
tls_pools_offer(struct tls_pools *t, const struct config *config, tls_place_fn *place,
		const void *arg, const char **error)
{
	bool ok = true;
	size_t i;

	*error = tls_places_begin(&t->places);
	for (i = 0; ok && i < config->n_pools; i++)
		if (pool_speaks_tls(&config->pools[i]))
			ok = tls_places_add(&t->places, pool_create(&config->pools[i]),
					    place(arg, i));
	return tls_places_offer(&t->places, ok);
}

void
tls_pools_published(struct tls_pools *t)
{
	tls_places_published(&t->places);
}

void
tls_pools_withdraw(struct tls_pools *t)
{
	tls_places_withdraw(&t->places);
}

void
tls_pools_look(struct tls_pools *t)
{
	tls_places_look(&t->places);
}

void
tls_pools_each(const struct tls_pools *t, tls_pool_certificate_fn *fn, void *arg)
{
	const struct tls_placed *placed = t ? t->places.running : NULL;

	for (; placed; placed = placed->next) {
		const struct pool_client *p = (const struct pool_client *)placed;

		if (p->certificate)
			fn(arg, p->config, p->certificate);
	}
}

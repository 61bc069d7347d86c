/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The backend of a request: the one that its affinity cookie names, in whichever of the route's
 * pools that is; else a pool of the route's by weight, then one of the pool's members.
 *
 *     round-robin      the one that has had the least for its weight (stride scheduling:
 * Waldspurger and Weihl 1995); of a large pool, of some at random least-requests   of two at random
 * the one with fewer requests of this worker for its weight (two choices: Mitzenmacher 2001) maglev
 * the row of the hash; the rows that follow where its backend has failed
 *
 * One that has failed this request is chosen again only where all others that are found have, too.
 */
#include <errno.h>

#include "dp/l4/balance.h"
#include "dp/l7/internal.h"
#include "lib/maglev.h"
#include "lib/siphash.h"

#define CANDIDATES 32
#define ROWS_MAX   256
#define MORE_MAX   1024

/* The request is for this pool, NULL: which is no more. */
static const struct pool *
take_pool(struct http *h, struct http_session *s, uint32_t slot, uint32_t epoch)
{
	s->x->pool_slot = slot;
	s->x->pool_epoch = epoch;
	return snapshot_pool(h->worker->snapshot, slot, epoch);
}

static const struct pool *
choose_pool(struct http *h, struct http_session *s)
{
	const struct http_route *r = s->x->route;
	uint32_t i = 0, at;

	if (s->mirrors)
		return take_pool(h, s, r->mirror_slot, r->mirror_epoch);
	if (r->n_pools > 1) {
		at = (uint32_t)((uint64_t)proxy_random(h->worker) * r->total_weight >> 32);
		while (i + 1 < r->n_pools && at >= r->pools[i].up_to)
			i++;
	}
	return take_pool(h, s, r->pools[i].slot, r->pools[i].epoch);
}

void
http_tried_add(struct http *h, struct http_session *s, uint32_t backend)
{
	struct http_tried *tried = &h->tried[http_exchange_index(h, s->x)];

	if (s->x->n_tried < HTTP_TRIED_MAX)
		tried->backends[s->x->n_tried++] = backend;
}

static bool
tried(const struct http *h, const struct http_session *s, uint32_t backend)
{
	uint32_t i;

	for (i = 0; i < s->x->n_tried; i++)
		if (h->tried[http_exchange_index(h, s->x)].backends[i] == backend)
			return true;
	return false;
}

static bool
usable(const struct http *h, uint32_t backend)
{
	return backend != INDEX_NONE && h->worker->snapshot->backends[backend].weight &&
	       !http_is_out(h, backend);
}

/* The better of two by what each has for its weight; one that failed only if need be. */
static bool
better(const struct http *h, const struct http_session *s, uint32_t a, uint32_t b)
{
	const struct backend *backends = h->worker->snapshot->backends;
	const struct http_backend *x = &h->backends[a], *y = &h->backends[b];

	if (unlikely(s->x->n_tried) && tried(h, s, a) != tried(h, s, b))
		return tried(h, s, b);
	if (s->x->route->balance == HTTP_ROUND_ROBIN)
		return (int64_t)(x->pass - y->pass) < 0;
	return (uint64_t)x->active * backends[b].weight < (uint64_t)y->active * backends[a].weight;
}

static uint32_t
random_member(struct http *h, const struct pool *pool)
{
	return (uint32_t)((uint64_t)proxy_random(h->worker) * pool->n_members >> 32);
}

/* One was looked for at random, and none was found, or only one that failed: the first one that is
 * better. */
static uint32_t
look_further(struct http *h, const struct http_session *s, const struct pool *pool, uint32_t best)
{
	uint32_t i, at = random_member(h, pool);

	for (i = 0; i < pool->n_members && i < MORE_MAX; i++) {
		uint32_t backend = balance_member(h->worker->snapshot, pool, (uint16_t)at);

		at = at + 1 < pool->n_members ? at + 1 : 0;
		if (!usable(h, backend))
			continue;
		if (!tried(h, s, backend))
			return backend;
		if (best == INDEX_NONE)
			best = backend;
	}
	return best;
}

/* The best of `n` members from `at` on, or of as many at random. */
static uint32_t
choose_best(struct http *h, const struct http_session *s, const struct pool *pool, uint32_t n)
{
	uint32_t best = INDEX_NONE, i, at = random_member(h, pool);
	bool all = n >= pool->n_members;

	for (i = 0; i < (all ? pool->n_members : n); i++) {
		uint32_t backend = balance_member(h->worker->snapshot, pool, (uint16_t)at);

		if (!all)
			at = random_member(h, pool);
		else if (++at == pool->n_members)
			at = 0;
		if (!usable(h, backend))
			continue;
		if (best == INDEX_NONE || better(h, s, backend, best))
			best = backend;
	}
	if (unlikely(!all && (best == INDEX_NONE || tried(h, s, best))))
		return look_further(h, s, pool, best);
	return best;
}

static uint32_t
choose_row(struct http *h, const struct http_session *s, const struct pool *pool, uint32_t hash)
{
	uint32_t row = maglev_row(hash, pool->rows), i, found = INDEX_NONE;

	for (i = 0; i < ROWS_MAX && i < pool->rows; i++) {
		uint32_t at = row + i < pool->rows ? row + i : row + i - pool->rows;
		uint32_t backend = balance_member(h->worker->snapshot, pool, pool->candidate[at]);

		if (backend == INDEX_NONE)
			continue;
		found = backend;
		if (!tried(h, s, backend) && !http_is_out(h, backend))
			return backend;
	}
	return found;
}

/* Sixteen hexadecimal digits. 0 or -EINVAL. */
static int
hex_number(const uint8_t *bytes, uint64_t *out)
{
	uint32_t i;

	*out = 0;
	for (i = 0; i < 16; i++) {
		uint8_t c = bytes[i];

		if (c >= '0' && c <= '9')
			*out = *out << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			*out = *out << 4 | (uint64_t)(c - 'a' + 10);
		else
			return -EINVAL;
	}
	return 0;
}

/* ---- what Maglev hashes ---------------------------------------------------------------------- */

/* The value of a cookie, RFC 6265 4.2.1; length 0: there is none. */
static struct http_span
cookie_find(const struct http_head *head, const uint8_t *bytes, const struct http_text *name)
{
	const struct http_field *f = http_find(head, HTTP_COOKIE);
	uint32_t at, end, value_end;

	if (!f)
		return (struct http_span){ 0, 0 };
	end = (uint32_t)f->value.at + f->value.length;
	for (at = f->value.at; at < end; at = value_end + 1) {
		while (at < end && bytes[at] == ' ')
			at++;
		for (value_end = at; value_end < end && bytes[value_end] != ';';)
			value_end++;
		if (value_end - at > name->length && bytes[at + name->length] == '=' &&
		    memcmp(bytes + at, name->bytes, name->length) == 0) {
			at += name->length + 1;
			return (struct http_span){ (uint16_t)at, (uint16_t)(value_end - at) };
		}
	}
	return (struct http_span){ 0, 0 };
}

struct http_span
http_field_value(const struct http_head *head, const uint8_t *bytes, const struct http_text *name)
{
	const struct http_field *f;

	for (f = head->fields; f < head->fields + head->n_fields; f++)
		if (f->name.length == name->length &&
		    http_same_name(bytes + f->name.at, (const uint8_t *)name->bytes, name->length))
			return f->value;
	return (struct http_span){ 0, 0 };
}

bool
http_has_field(const struct http_head *head, const uint8_t *bytes, const struct http_text *name,
	       const struct http_text *value)
{
	const struct http_field *f;

	for (f = head->fields; f < head->fields + head->n_fields; f++)
		if (f->name.length == name->length &&
		    http_same_name(bytes + f->name.at, (const uint8_t *)name->bytes,
				   name->length) &&
		    (!value->bytes ||
		     (f->value.length == value->length &&
		      memcmp(bytes + f->value.at, value->bytes, value->length) == 0)))
			return true;
	return false;
}

/* Of text: the same on every node, so no secret. */
static uint32_t
hash_text(const uint8_t *bytes, size_t length)
{
	static const struct siphash_key key = { 0x243f6a8885a308d3ull, 0x13198a2e03707344ull };

	return (uint32_t)siphash13(&key, bytes, length);
}

static uint32_t
hash_of(const struct http *h, const struct http_session *s, const uint8_t *bytes)
{
	const struct http_route *r = s->x->route;
	struct http_span value = { 0, 0 };

	if (r->hash == HTTP_HASH_HEADER)
		value = http_field_value(&h->head, bytes, &r->hash_name);
	else if (r->hash == HTTP_HASH_COOKIE)
		value = cookie_find(&h->head, bytes, &r->hash_name);
	if (value.length)
		return hash_text(bytes + value.at, value.length);
	return balance_hash_from(http_client(s), 0, 0);
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* A backend that comes (back) does not make up for what it has missed. */
static void
count_turn(struct http *h, uint32_t backend)
{
	struct http_backend *b = &h->backends[backend];
	uint32_t weight = h->worker->snapshot->backends[backend].weight;

	if ((int64_t)(h->turn - b->pass) > 0)
		b->pass = h->turn;
	h->turn = b->pass;
	b->pass += (1ull << 32) / weight;
}

/* The backend of this id in the pool, if it takes requests; a draining one does from those who know
 * it. */
static uint32_t
find_kept(const struct http *h, const struct http_session *s, const struct pool *pool, uint64_t id)
{
	const struct snapshot *snapshot = h->worker->snapshot;
	uint32_t at = (uint32_t)id & pool->id_mask;

	for (; pool->by_id && pool->by_id[at]; at = (at + 1) & pool->id_mask) {
		uint32_t backend = balance_member(snapshot, pool, (uint16_t)(pool->by_id[at] - 1));

		if (backend != INDEX_NONE && snapshot->backends[backend].id == id)
			return tried(h, s, backend) || http_is_out(h, backend) ? INDEX_NONE
									       : backend;
	}
	return INDEX_NONE;
}

/* The backend that the affinity cookie names: of the pools that share the route, but not of one
 * that has no share any more. */
static uint32_t
choose_kept(struct http *h, struct http_session *s, const uint8_t *bytes)
{
	const struct http_route *r = s->x->route;
	struct http_span value = cookie_find(&h->head, bytes, &r->affinity_cookie);
	uint32_t i, below = 0, backend;
	uint64_t id;

	if (value.length != 16 || hex_number(bytes + value.at, &id) < 0)
		return INDEX_NONE;
	for (i = 0; i < r->n_pools; below = r->pools[i++].up_to) {
		const struct http_route_pool *p = &r->pools[i];
		const struct pool *pool = snapshot_pool(h->worker->snapshot, p->slot, p->epoch);

		backend = pool && p->up_to > below ? find_kept(h, s, pool, id) : INDEX_NONE;
		if (backend == INDEX_NONE)
			continue;
		take_pool(h, s, p->slot, p->epoch);
		return backend;
	}
	return INDEX_NONE;
}

uint32_t
http_choose(struct http *h, struct http_session *s, const uint8_t *bytes)
{
	const struct pool *pool;
	uint32_t backend;

	s->x->set_cookie = false; /* of another route, perhaps */
	if (s->x->route->affinity_cookie.bytes && !s->mirrors) {
		backend = choose_kept(h, s, bytes);
		s->x->set_cookie = backend == INDEX_NONE;
		if (!s->x->set_cookie)
			return backend;
	}
	pool = choose_pool(h, s);
	if (!pool || !pool->n_members)
		return INDEX_NONE;
	switch (s->x->route->balance) {
	case HTTP_MAGLEV:
		return choose_row(h, s, pool, hash_of(h, s, bytes));
	case HTTP_LEAST_REQUESTS:
		return choose_best(h, s, pool, 2);
	default:
		backend = choose_best(h, s, pool, CANDIDATES);
		if (backend != INDEX_NONE)
			count_turn(h, backend);
		return backend;
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The backends that are known, in a table of chained buckets. */
#include <stdlib.h>
#include <string.h>

#include "cp/health/internal.h"
#include "lib/siphash.h"

static const struct siphash_key bucket_key = { 0x6865616c74682d63ull, 0x6865636b732d6f66ull };

static size_t
bucket_of(const struct health *h, const char *pool, const struct addr *addr, uint16_t port)
{
	uint8_t key[16 + 2 + CONFIG_NAME_MAX];
	size_t len = strnlen(pool, CONFIG_NAME_MAX);

	memcpy(key, addr->b, 16);
	memcpy(key + 16, &port, 2);
	memcpy(key + 18, pool, len);
	return (size_t)siphash13(&bucket_key, key, 18 + len) & h->mask;
}

static struct member *
find_from(struct member *m, const char *pool, const struct addr *addr, uint16_t port)
{
	while (m && (m->port != port || !addr_equal(&m->addr, addr) || strcmp(m->pool, pool) != 0))
		m = m->next;
	return m;
}

struct member *
member_find(const struct health *h, const char *pool, const struct addr *addr, uint16_t port)
{
	struct member *m = h->buckets ? h->buckets[bucket_of(h, pool, addr, port)] : NULL;

	return find_from(m, pool, addr, port);
}

size_t
members_burst(const struct health *h, const struct pool_config *pool, size_t first,
	      struct member *out[MEMBERS_BURST])
{
	const struct backend_config *b = &pool->backends[first];
	size_t left = pool->n_backends - first, n = left < MEMBERS_BURST ? left : MEMBERS_BURST, i;
	struct member **buckets[MEMBERS_BURST];

	if (!h->buckets) {
		memset(out, 0, n * sizeof(out[0]));
		return n;
	}
	/* They lie far apart; so fetched, they are waited for together. */
	for (i = 0; i < n; i++) {
		buckets[i] = &h->buckets[bucket_of(h, pool->name, &b[i].address, b[i].port)];
		__builtin_prefetch(buckets[i]);
	}
	for (i = 0; i < n; i++) {
		out[i] = *buckets[i];
		if (out[i])
			__builtin_prefetch(&out[i]->addr);
	}
	for (i = 0; i < n; i++)
		out[i] = find_from(out[i], pool->name, &b[i].address, b[i].port);
	return n;
}

/* As many buckets as members, at least. */
static bool
grow(struct health *h)
{
	size_t n = h->buckets ? 2 * (h->mask + 1) : 64, old = h->buckets ? h->mask + 1 : 0, i;
	struct member **buckets = calloc(n, sizeof(struct member *)), *m, *next;

	if (!buckets)
		return false;
	h->mask = n - 1;
	for (i = 0; i < old; i++) {
		for (m = h->buckets[i]; m; m = next) {
			size_t at = bucket_of(h, m->pool, &m->addr, m->port);

			next = m->next;
			m->next = buckets[at];
			buckets[at] = m;
		}
	}
	free(h->buckets);
	h->buckets = buckets;
	return true;
}

static void
member_free(struct member *m)
{
	if (m->waits)
		TAILQ_REMOVE(&m->health->waiting, m, waiting);
	if (m->probe.running)
		m->health->running--;
	if (m->probe.timer)
		probe_free(&m->probe);
	loop_timer_free(m->due);
	free(m);
}

struct member *
member_get(struct health *h, const char *pool, const struct addr *addr, uint16_t port)
{
	struct member *m = member_find(h, pool, addr, port);
	size_t at;

	if (m)
		return m;
	if ((!h->buckets || h->n_members > h->mask) && !grow(h))
		return NULL;
	m = calloc(1, sizeof(*m));
	if (!m)
		return NULL;
	m->health = h;
	strncpy(m->pool, pool, sizeof(m->pool) - 1);
	m->addr = *addr;
	m->port = port;
	m->probe.addr = *addr;
	m->probe.done = member_checked;
	m->due = loop_timer_create(h->loop, member_due, m);
	if (probe_init(&m->probe, &h->prober) < 0 || !m->due) {
		member_free(m);
		return NULL;
	}
	at = bucket_of(h, pool, addr, port);
	m->next = h->buckets[at];
	h->buckets[at] = m;
	h->n_members++;
	return m;
}

void
members_each(struct health *h, void (*fn)(struct member *m))
{
	struct member *m;
	size_t i;

	for (i = 0; h->buckets && i <= h->mask; i++)
		for (m = h->buckets[i]; m; m = m->next)
			fn(m);
}

void
members_sweep(struct health *h, bool (*fn)(const struct member *m))
{
	struct member **at, *m;
	size_t i;

	for (i = 0; h->buckets && i <= h->mask; i++) {
		for (at = &h->buckets[i]; (m = *at);) {
			if (!fn(m)) {
				at = &m->next;
				continue;
			}
			*at = m->next;
			h->n_members--;
			member_free(m);
		}
	}
}

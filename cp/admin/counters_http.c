/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/admin/counters_http.h"

#include <stdlib.h>
#include <string.h>

#include "dp/l7/http.h"
#include "dp/proxy/proxy.h"

enum kind {
	KIND_LISTENER,
	KIND_POOL,
	KIND_BACKEND,
	KINDS,
};

#define WORDS_MAX (sizeof(struct http_latency) / 8)

static const size_t words[KINDS] = {
	sizeof(struct http_latency) / 8,
	sizeof(struct http_latency) / 8,
	sizeof(struct http_attempts) / 8,
};

/* Of a slot: who has it, and the sums when that began. */
struct base {
	uint32_t epoch; /* 0: nobody yet */
	uint64_t sums[WORDS_MAX];
};

struct counters_http {
	struct control *control;
	struct base *bases[KINDS];
	uint32_t n[KINDS]; /* their lengths; slots beyond have none */
};

struct counters_http *
counters_http_create(struct control *control)
{
	struct counters_http *c = calloc(1, sizeof(*c));

	if (c)
		c->control = control;
	return c;
}

void
counters_http_destroy(struct counters_http *c)
{
	enum kind kind;

	for (kind = 0; c && kind < KINDS; kind++)
		free(c->bases[kind]);
	free(c);
}

/* A worker's counts of a slot, NULL: it has had no HTTP listener. */
static const uint64_t *
counts_of(const struct worker *w, enum kind kind, uint32_t slot)
{
	struct http_view view;

	proxy_http_seen(w, &view);
	if (!view.listeners)
		return NULL;
	switch (kind) {
	case KIND_LISTENER:
		return (const uint64_t *)(view.listeners + slot);
	case KIND_POOL:
		return (const uint64_t *)(view.pools + slot);
	default:
		return (const uint64_t *)(view.backends + slot);
	}
}

static void
total(const struct counters_http *c, enum kind kind, uint32_t slot, uint64_t *out)
{
	const struct dataplane *dp = c->control->dp;
	uint32_t i, word;

	memset(out, 0, words[kind] * 8);
	for (i = 0; i < dp->n_workers; i++) {
		const uint64_t *counts = counts_of(dp->workers[i], kind, slot);

		for (word = 0; counts && word < words[kind]; word++)
			out[word] += counts[word];
	}
}

static void
since(const struct counters_http *c, enum kind kind, uint32_t slot, uint64_t *out)
{
	uint32_t word;

	total(c, kind, slot, out);
	for (word = 0; slot < c->n[kind] && word < words[kind]; word++)
		out[word] -= c->bases[kind][slot].sums[word];
}

static uint32_t
slots_of(const struct snapshot *s, enum kind kind)
{
	if (kind == KIND_POOL)
		return s->n_pool_slots;
	return kind == KIND_LISTENER ? s->n_services : s->n_backends;
}

static uint32_t
epoch_of(const struct snapshot *s, enum kind kind, uint32_t slot)
{
	uint32_t i;

	if (kind == KIND_LISTENER)
		return s->services[slot].epoch;
	if (kind == KIND_BACKEND)
		return s->backends[slot].epoch;
	i = s->pool_by_slot[slot];
	return i == UINT32_MAX ? 0 : s->pools[i].epoch;
}

static void
follow(struct counters_http *c, const struct snapshot *s, enum kind kind)
{
	uint32_t n = slots_of(s, kind), slot;
	struct base *grown;

	if (n > c->n[kind]) {
		grown = realloc(c->bases[kind], n * sizeof(*grown));
		if (!grown)
			return;
		memset(grown + c->n[kind], 0, (n - c->n[kind]) * sizeof(*grown));
		c->bases[kind] = grown;
		c->n[kind] = n;
	}
	for (slot = 0; slot < n; slot++) {
		struct base *base = &c->bases[kind][slot];
		uint32_t epoch = epoch_of(s, kind, slot);

		if (!epoch || epoch == base->epoch)
			continue;
		if (base->epoch)
			total(c, kind, slot, base->sums);
		base->epoch = epoch;
	}
}

void
counters_http_follow(struct counters_http *c)
{
	enum kind kind;

	for (kind = 0; kind < KINDS; kind++)
		follow(c, c->control->snapshot, kind);
}

void
counters_http_listener(const struct counters_http *c, uint32_t slot, struct http_latency *out)
{
	since(c, KIND_LISTENER, slot, (uint64_t *)out);
}

void
counters_http_pool(const struct counters_http *c, uint32_t slot, struct http_latency *out)
{
	since(c, KIND_POOL, slot, (uint64_t *)out);
}

void
counters_http_backend(const struct counters_http *c, uint32_t slot, struct http_attempts *out)
{
	since(c, KIND_BACKEND, slot, (uint64_t *)out);
}

uint64_t
http_classes_all(const uint64_t classes[HTTP_CLASSES])
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < HTTP_CLASSES; i++)
		sum += classes[i];
	return sum;
}

uint64_t
http_classes_errors(const uint64_t classes[HTTP_CLASSES])
{
	return classes[0] + classes[5];
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "dp/tcp/cookie_memory.h"

#include <string.h>

static uint32_t
buckets_for(uint32_t n)
{
	uint32_t buckets = 1;

	while (buckets < 1u << 27 && buckets * COOKIE_BUCKET < n)
		buckets *= 2;
	return buckets;
}

size_t
cookie_memory_size(uint32_t n)
{
	return buckets_for(n) * COOKIE_BUCKET * sizeof(uint64_t);
}

void
cookie_memory_init(struct cookie_memory *m, uint32_t n, void *memory)
{
	m->buckets = memory;
	m->mask = buckets_for(n) - 1;
}

/* Two cookies of one tuple never have the same: the factor is odd. */
static uint64_t
fingerprint(uint64_t hash, uint32_t cookie)
{
	uint64_t f = hash ^ (cookie + 1ull) * 0x9e3779b97f4a7c15ull;

	return f ? f : 1;
}

bool
cookie_memory_has(const struct cookie_memory *m, uint64_t hash, uint32_t cookie)
{
	const uint64_t *bucket = m->buckets[hash & m->mask];
	uint64_t wanted = fingerprint(hash, cookie);
	unsigned int i;

	for (i = 0; i < COOKIE_BUCKET; i++)
		if (bucket[i] == wanted)
			return true;
	return false;
}

void
cookie_memory_add(struct cookie_memory *m, uint64_t hash, uint32_t cookie)
{
	uint64_t *bucket = m->buckets[hash & m->mask];

	memmove(bucket + 1, bucket, (COOKIE_BUCKET - 1) * sizeof(*bucket));
	bucket[0] = fingerprint(hash, cookie);
}

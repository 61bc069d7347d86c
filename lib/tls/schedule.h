/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What AES-GCM computes from a key before the first record: round keys and powers of the hash key,
 * a kilobyte. To make one takes about as long as sealing 1,400 bytes, and less than fetching one
 * from memory; while it lies in a near cache it is worth keeping. So a worker keeps those of the
 * connections that it had to do with last, in as many slots as its caches hold well (a few hundred
 * to a thousand), and a connection that rests has none.
 *
 *     key ──its first bytes──> slot ── another key in it? ──> made anew
 *
 * The worker owns its schedules and alone uses them; the memory is the caller's. Invariant: a slot
 * that is in use has the schedule of the key and cipher that stand in it.
 */
#ifndef LIB_TLS_SCHEDULE_H
#define LIB_TLS_SCHEDULE_H

#include "lib/tls/keys.h"

struct tls_schedule {
	alignas(64) uint8_t bytes[1024];
};

struct tls_slot {
	struct tls_schedule schedule;
	uint8_t key[TLS_KEY_MAX];
	uint8_t in_use;
	uint8_t cipher; /* enum tls_cipher */
};

struct tls_schedules {
	const struct tls_engine *engine;
	struct tls_slot *slots;
	uint32_t mask;
};

/* `n` slots, a power of 2, all zero. */
static inline struct tls_schedules
tls_schedules_of(const struct tls_engine *engine, struct tls_slot *slots, uint32_t n)
{
	return (struct tls_schedules){ engine, slots, n - 1 };
}

static inline struct tls_slot *
tls_schedules_slot(const struct tls_schedules *s, const struct tls_keys *keys)
{
	uint32_t word;

	/* Keys are as good as random. */
	__builtin_memcpy(&word, keys->key, sizeof(word));
	return &s->slots[word & s->mask];
}

/* The schedule of these keys, until the next call for others; NULL with ChaCha20-Poly1305, which
 * needs none. */
const struct tls_schedule *tls_schedules_get(struct tls_schedules *s, const struct tls_keys *keys);

/* The keys are used no more: their schedule is wiped. */
void tls_schedules_forget(struct tls_schedules *s, const struct tls_keys *keys);

/* Make one, wherever it is. */
void tls_schedule_make(struct tls_schedule *schedule, const struct tls_keys *keys,
		       const struct tls_engine *engine);

#endif

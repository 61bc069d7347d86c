/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which SYN cookies have been redeemed lately. A cookie says nothing of whether its connection has
 * been and gone, so a late copy of the segment that brought it would open the connection again,
 * with the data that came with it. What is remembered here does not.
 *
 *     hash of the tuple, cookie ──> bucket of 8 fingerprints, one cache line, the latest first
 *
 * Each bucket forgets its oldest for a new one, so what is forgotten was redeemed longest ago, and
 * the memory is bounded; a cookie that is too old is refused by cookie_check anyway. Fingerprints
 * have 64 bits of a keyed hash: none is taken for another.
 *
 * No allocation, one thread.
 */
#ifndef DP_TCP_COOKIE_MEMORY_H
#define DP_TCP_COOKIE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COOKIE_BUCKET 8

struct cookie_memory {
	uint64_t (*buckets)[COOKIE_BUCKET]; /* 0: nothing */
	uint32_t mask;
};

/* Bytes that cookie_memory_init needs, zeroed, for about n cookies. */
size_t cookie_memory_size(uint32_t n);
void cookie_memory_init(struct cookie_memory *m, uint32_t n, void *memory);

/* hash: of the tuple, keyed; both of the segment that brings the cookie. */
bool cookie_memory_has(const struct cookie_memory *m, uint64_t hash, uint32_t cookie);
void cookie_memory_add(struct cookie_memory *m, uint64_t hash, uint32_t cookie);

#endif

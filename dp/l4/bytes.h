/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words inside packets: access at any alignment, and the account of what was changed.
 *
 * A delta sums up the 16-bit words that were replaced and those that replaced them, in the order in
 * which they lie in memory. A checksum that covers them is then corrected in one step (RFC 1624):
 *     checksum' = csum_update(checksum, delta.old, delta.new)
 * Pure functions over the caller's bytes, any thread.
 */
#ifndef DP_L4_BYTES_H
#define DP_L4_BYTES_H

#include <arpa/inet.h>
#include <stdint.h>
#include <string.h>

#include "lib/addr.h"
#include "lib/checksum.h"

struct delta {
	uint64_t old, new;
};

static inline uint16_t
get16(const uint8_t *at)
{
	uint16_t v;

	memcpy(&v, at, 2);
	return v;
}

static inline uint32_t
get32(const uint8_t *at)
{
	uint32_t v;

	memcpy(&v, at, 4);
	return v;
}

static inline void
put16(uint8_t *at, uint16_t v)
{
	memcpy(at, &v, 2);
}

static inline void
put32(uint8_t *at, uint32_t v)
{
	memcpy(at, &v, 4);
}

/* Replace a word; both in network byte order. */
static inline void
set16(uint8_t *at, uint16_t v, struct delta *d)
{
	d->old += get16(at);
	d->new += v;
	put16(at, v);
}

static inline void
set_addr4(uint8_t *at, const struct addr *a, struct delta *d)
{
	d->old += get32(at);
	d->new += a->w[3];
	put32(at, a->w[3]);
}

static inline void
set_addr6(uint8_t *at, const struct addr *a, struct delta *d)
{
	unsigned int i;

	for (i = 0; i < 4; i++) {
		d->old += get32(at + 4 * i);
		d->new += a->w[i];
	}
	memcpy(at, a->b, 16);
}

static inline void
delta_add(struct delta *d, const struct delta *more)
{
	d->old += more->old;
	d->new += more->new;
}

/* The TTL of an IPv4 header less one, as one word with its neighbour: to read back wider than was
 * just written waits for the write. */
static inline void
one_hop_less(uint8_t *ip, struct delta *d)
{
	uint16_t word = get16(ip + 8);

	set16(ip + 8, (uint16_t)(word - htons(0x0100)), d);
}

/* Correct a checksum field. */
static inline void
csum_correct(uint8_t *field, const struct delta *d)
{
	put16(field, csum_update(get16(field), d->old, d->new));
}

#endif

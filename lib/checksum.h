/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Internet checksum (RFC 1071), whole and incremental (RFC 1624).
 *
 * Sums are kept as 32 or 64-bit partial sums of 16-bit words in the order in which they lie in
 * memory, so no byte is ever swapped: wire field = ~fold(sum of all other words) Pure functions,
 * any thread.
 */
#ifndef LIB_CHECKSUM_H
#define LIB_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"

/* Fold a partial sum to 16 bits (not complemented). */
static inline uint16_t
csum_fold(uint64_t sum)
{
	uint32_t low = (uint32_t)sum, high = (uint32_t)(sum >> 32);

	/* With the carry, which cannot carry again; and the same with halves, in the upper one. */
	low += high;
	low += low < high;
	return (uint16_t)((low + (low >> 16 | low << 16)) >> 16);
}

/* Partial sum of len bytes at p (any alignment; an odd last byte is padded with zero), added to
 * sum. */
uint64_t csum_add_bytes(uint64_t sum, const void *p, size_t len);
/* The same where there is no AVX-512. */
uint64_t csum_add_bytes_plain(uint64_t sum, const void *p, size_t len);

/* The field value for a header or message of len bytes whose checksum field is zero. */
uint16_t csum_compute(const void *p, size_t len);

/* Partial sum of the pseudo header (RFC 793 3.1, RFC 8200 8.1): IPv4 if both addresses are mapped,
 * IPv6 otherwise. l4_len in host byte order. */
uint64_t csum_pseudo(const struct addr *src, const struct addr *dst, uint8_t proto,
		     uint32_t l4_len);

/* RFC 1624, equation 3, for a whole difference: field' = ~(~field + ~old + new), where `old` and
 * `new` are partial sums of the words that were replaced and of those that replaced them. */
static inline uint16_t
csum_update(uint16_t field, uint64_t old, uint64_t new)
{
	return (uint16_t)~csum_fold((uint64_t)(uint16_t)~field + (uint16_t)~csum_fold(old) +
				    csum_fold(new));
}

/* Partial sum of an address: of its 4 bytes if it is IPv4, of its 16 otherwise. */
static inline uint64_t
csum_addr(const struct addr *a)
{
	uint64_t sum = (uint64_t)a->w[3];

	if (!addr_is_v4(a))
		sum += (uint64_t)a->w[0] + a->w[1] + a->w[2];
	return sum;
}

#endif

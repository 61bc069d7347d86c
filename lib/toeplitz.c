/* SPDX-License-Identifier: Apache-2.0 */
/* The Toeplitz hash by byte tables. */
#include "lib/toeplitz.h"

#include <string.h>

const uint8_t toeplitz_key_microsoft[TOEPLITZ_KEY_LEN] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
	0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
	0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

/*
 * Random, but for one property: any 8 consecutive input bits determine the hash's low 7 bits by a
 * matrix of full rank over GF(2). So 256 clients that are numbered one after the other (or in steps
 * of any power of two), aligned, fall on each of 128 entries of an indirection table exactly twice.
 * Microsoft's key does not have this property.
 */
const uint8_t toeplitz_key_default[TOEPLITZ_KEY_LEN] = {
	0x0a, 0x26, 0xee, 0x30, 0xfb, 0x61, 0xd1, 0x48, 0xfc, 0x26, 0x08, 0x9c, 0xaa, 0x0d,
	0xbf, 0x60, 0xda, 0x70, 0xed, 0x18, 0x3d, 0x98, 0x67, 0x14, 0x36, 0x3d, 0xa0, 0x5a,
	0xcc, 0x66, 0xe4, 0xfd, 0x48, 0x63, 0xeb, 0x60, 0x75, 0x04, 0x95, 0x03,
};

/* Bits [at, at + 32) of the key. */
static uint32_t
key_window(const uint8_t *key, unsigned int at)
{
	const uint8_t *k = key + at / 8;
	uint64_t five = (uint64_t)k[0] << 32 | (uint64_t)k[1] << 24 | (uint64_t)k[2] << 16 |
			(uint64_t)k[3] << 8;

	/* The last window ends with the key, so there is no fifth byte to read. */
	if (at % 8)
		five |= k[4];
	return (uint32_t)(five >> (8 - at % 8));
}

void
toeplitz_init(struct toeplitz *t, const uint8_t key[TOEPLITZ_KEY_LEN])
{
	unsigned int i, bit, v;
	uint32_t h;

	memcpy(t->key, key, TOEPLITZ_KEY_LEN);
	for (i = 0; i < TOEPLITZ_MAX_INPUT; i++) {
		for (v = 0; v < 256; v++) {
			h = 0;
			for (bit = 0; bit < 8; bit++)
				if (v & (0x80u >> bit))
					h ^= key_window(key, 8 * i + bit);
			t->table[i][v] = h;
		}
	}
}

uint32_t
toeplitz_hash(const struct toeplitz *t, const void *input, size_t len)
{
	const uint8_t *b = input;
	uint32_t h = 0;
	size_t i;

	if (len > TOEPLITZ_MAX_INPUT)
		len = TOEPLITZ_MAX_INPUT;
	for (i = 0; i < len; i++)
		h ^= t->table[i][b[i]];
	return h;
}

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
 * Of some thousand such keys it is the one whose worst spread, over many runs of numbered clients
 * and tables of 64 to 512 entries, was best.
 */
const uint8_t toeplitz_key_default[TOEPLITZ_KEY_LEN] = {
	0x69, 0xff, 0xe1, 0x46, 0x61, 0x48, 0x75, 0x8f, 0x40, 0x67, 0xa0, 0x7f, 0x01, 0x1f,
	0xac, 0x46, 0xb3, 0xd5, 0xc9, 0x31, 0xbe, 0x09, 0x9d, 0xf5, 0x8f, 0x15, 0xd6, 0xed,
	0xd7, 0x03, 0xcb, 0xfc, 0x9c, 0x0a, 0x26, 0xc7, 0xa4, 0x53, 0xf3, 0xae,
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

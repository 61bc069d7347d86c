/* SPDX-License-Identifier: Apache-2.0 */
/* SipHash-1-3: one round a word, three at the end. The result does not depend on byte order. */
#include "lib/siphash.h"

#include <string.h>

struct state {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t
rotate_left(uint64_t x, unsigned int n)
{
	return x << n | x >> (64 - n);
}

static inline void
sip_round(struct state *s)
{
	s->v0 += s->v1;
	s->v1 = rotate_left(s->v1, 13) ^ s->v0;
	s->v0 = rotate_left(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = rotate_left(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = rotate_left(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = rotate_left(s->v1, 17) ^ s->v2;
	s->v2 = rotate_left(s->v2, 32);
}

static inline uint64_t
little_endian(uint64_t x)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	return __builtin_bswap64(x);
#else
	return x;
#endif
}

uint64_t
siphash13(const struct siphash_key *key, const void *p, size_t len)
{
	struct state s = {
		.v0 = key->k0 ^ 0x736f6d6570736575ULL,
		.v1 = key->k1 ^ 0x646f72616e646f6dULL,
		.v2 = key->k0 ^ 0x6c7967656e657261ULL,
		.v3 = key->k1 ^ 0x7465646279746573ULL,
	};
	uint64_t m, length = (uint64_t)len << 56;
	const uint8_t *b = p;

	for (; len >= 8; len -= 8, b += 8) {
		memcpy(&m, b, 8);
		m = little_endian(m);
		s.v3 ^= m;
		sip_round(&s);
		s.v0 ^= m;
	}
	/* The last word: what is left over, and the length in the highest byte. */
	m = 0;
	if (len)
		memcpy(&m, b, len);
	m = little_endian(m) | length;
	s.v3 ^= m;
	sip_round(&s);
	s.v0 ^= m;

	s.v2 ^= 0xff;
	sip_round(&s);
	sip_round(&s);
	sip_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* SipHash-1-3: one round a word, three at the end. The result does not depend on byte order. */
#include "lib/siphash.h"

#include <string.h>

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
	struct siphash_state s = siphash_begin(key);
	uint64_t m, length = (uint64_t)len << 56;
	const uint8_t *b = p;

	for (; len >= 8; len -= 8, b += 8) {
		memcpy(&m, b, 8);
		siphash_word(&s, little_endian(m));
	}
	/* The last word: what is left over, and the length in the highest byte. */
	m = 0;
	if (len)
		memcpy(&m, b, len);
	siphash_word(&s, little_endian(m) | length);
	return siphash_end(&s);
}

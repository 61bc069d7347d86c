/* SPDX-License-Identifier: Apache-2.0 */
/* The Internet checksum over bytes and the pseudo header. */
#include "lib/checksum.h"

#include <arpa/inet.h>
#include <string.h>

#ifdef __AVX512BW__
#include <immintrin.h>
#endif

/* Four words side by side: a vector register where there is one so wide, else what the compiler
 * makes of it. */
typedef uint64_t words __attribute__((vector_size(32)));

/* A 16-bit ones' complement sum may be taken over 32-bit words and folded later (RFC 1071, 2(D));
 * 64 bits hold 2^32 of them. n pairs of `words`. */
static uint64_t
sum_words(const uint8_t *b, size_t n)
{
	const words low = { UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX };
	words first, second, sum = { 0 };

	for (; n > 0; n--, b += 2 * sizeof(words)) {
		memcpy(&first, b, sizeof(words));
		memcpy(&second, b + sizeof(words), sizeof(words));
		sum += (first & low) + (first >> 32) + (second & low) + (second >> 32);
	}
	return sum[0] + sum[1] + sum[2] + sum[3];
}

uint64_t
csum_add_bytes_plain(uint64_t sum, const void *p, size_t len)
{
	const uint8_t *b = p;
	uint32_t w[4];
	uint16_t half;

	if (len >= 2 * sizeof(words)) {
		sum += sum_words(b, len / (2 * sizeof(words)));
		b += len / (2 * sizeof(words)) * (2 * sizeof(words));
		len %= 2 * sizeof(words);
	}
	for (; len >= 16; len -= 16, b += 16) {
		memcpy(w, b, 16);
		sum += (uint64_t)w[0] + w[1] + ((uint64_t)w[2] + w[3]);
	}
	for (; len >= 4; len -= 4, b += 4) {
		memcpy(w, b, 4);
		sum += w[0];
	}
	for (; len >= 2; len -= 2, b += 2) {
		memcpy(&half, b, 2);
		sum += half;
	}
	if (len) {
		half = 0;
		memcpy(&half, b, 1);
		sum += half;
	}
	return sum;
}

#ifdef __AVX512BW__

/* The same, 64 bytes a step; what is missing at the end of the last is 0. */
uint64_t
csum_add_bytes(uint64_t sum, const void *p, size_t len)
{
	const __m512i low = _mm512_set1_epi64(UINT32_MAX);
	__m512i total = _mm512_setzero_si512(), v;
	const uint8_t *b = p;

	for (; len >= 64; len -= 64, b += 64) {
		v = _mm512_loadu_si512(b);
		total = _mm512_add_epi64(total, _mm512_and_si512(v, low));
		total = _mm512_add_epi64(total, _mm512_srli_epi64(v, 32));
	}
	if (len) {
		v = _mm512_maskz_loadu_epi8((1ull << len) - 1, b);
		total = _mm512_add_epi64(total, _mm512_and_si512(v, low));
		total = _mm512_add_epi64(total, _mm512_srli_epi64(v, 32));
	}
	return sum + (uint64_t)_mm512_reduce_add_epi64(total);
}

#else

uint64_t
csum_add_bytes(uint64_t sum, const void *p, size_t len)
{
	return csum_add_bytes_plain(sum, p, len);
}

#endif

uint16_t
csum_compute(const void *p, size_t len)
{
	return (uint16_t)~csum_fold(csum_add_bytes(0, p, len));
}

uint64_t
csum_pseudo(const struct addr *src, const struct addr *dst, uint8_t proto, uint32_t l4_len)
{
	uint64_t sum = (uint64_t)htons(proto) + htonl(l4_len);

	if (addr_is_v4(src) && addr_is_v4(dst))
		return sum + src->w[3] + dst->w[3];
	return csum_add_bytes(csum_add_bytes(sum, src->b, 16), dst->b, 16);
}

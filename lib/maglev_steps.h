/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How lib/maglev.c looks for free rows: several of a member's next rows at once. Rows that nobody
 * has are zeros of a bitmap, which fits the first cache level where the table would not.
 */
#ifndef LIB_MAGLEV_STEPS_H
#define LIB_MAGLEV_STEPS_H

#include <stdbool.h>
#include <stdint.h>
#ifdef __AVX512F__
#include <immintrin.h>
#endif

#define LOOK 16u /* rows at once */

/* How long a queue of free rows is worth it. */
#ifdef __AVX512F__
#define WANT_MAX 16u
#else
#define WANT_MAX 1u /* looking is dearer than a wrong guess of how often */
#endif

static inline bool
is_free(const uint64_t *taken, uint32_t row)
{
	return !(taken[row / 64] >> (row % 64) & 1);
}

/* row + by modulo m, of numbers below m, which may have 32 bits. */
static inline uint32_t
ahead(uint32_t row, uint32_t by, uint32_t m)
{
	uint32_t back = m - by;

	return row >= back ? row - back : row + by;
}

/* A member's next LOOK rows; looking at them writes those that are free to `queue`, which has room
 * for LOOK, and tells how many they are. */
#ifdef __AVX512F__
struct steps {
	__m512i rows, by, back; /* LOOK steps are by; beyond back, m too many */
};

static inline struct steps
steps_begin(uint32_t row, uint32_t skip, uint32_t m)
{
	static const __mmask16 lanes[] = { 0xaaaa, 0xcccc, 0xf0f0, 0xff00 };
	__m512i rows = _mm512_set1_epi32((int)row), back;
	uint32_t by = skip, i;
	__mmask16 over;

	for (i = 0; i < 4; i++) {
		back = _mm512_set1_epi32((int)(m - by));
		over = _mm512_mask_cmpge_epu32_mask(lanes[i], rows, back);
		rows = _mm512_mask_add_epi32(rows, lanes[i], rows, _mm512_set1_epi32((int)by));
		rows = _mm512_mask_sub_epi32(rows, over, rows, _mm512_set1_epi32((int)m));
		by = ahead(by, by, m);
	}
	return (struct steps){ rows, _mm512_set1_epi32((int)by), _mm512_set1_epi32((int)(m - by)) };
}

static inline uint32_t
steps_look(struct steps *s, const uint64_t *taken, uint32_t m, uint32_t *queue)
{
	__m512i words = _mm512_i32gather_epi32(_mm512_srli_epi32(s->rows, 5), taken, 4);
	__m512i bits = _mm512_sllv_epi32(_mm512_set1_epi32(1),
					 _mm512_and_si512(s->rows, _mm512_set1_epi32(31)));
	__mmask16 found = _mm512_testn_epi32_mask(words, bits);
	__mmask16 over = _mm512_cmpge_epu32_mask(s->rows, s->back);
	__m512i next = _mm512_add_epi32(s->rows, s->by);

	_mm512_storeu_si512(queue, _mm512_maskz_compress_epi32(found, s->rows));
	s->rows = _mm512_mask_sub_epi32(next, over, next, _mm512_set1_epi32((int)m));
	return (uint32_t)__builtin_popcount(found);
}

static inline uint32_t
steps_row(const struct steps *s)
{
	return (uint32_t)_mm_cvtsi128_si32(_mm512_castsi512_si128(s->rows));
}
#else
/* Two chains of steps, as each waits for its last one. */
struct steps {
	uint32_t even, odd, two;
};

static inline struct steps
steps_begin(uint32_t row, uint32_t skip, uint32_t m)
{
	return (struct steps){ row, ahead(row, skip, m), ahead(skip, skip, m) };
}

static inline uint32_t
steps_look(struct steps *s, const uint64_t *taken, uint32_t m, uint32_t *queue)
{
	uint32_t i, n = 0;

	for (i = 0; i < LOOK; i += 2) {
		queue[n] = s->even;
		n += is_free(taken, s->even);
		s->even = ahead(s->even, s->two, m);
		queue[n] = s->odd;
		n += is_free(taken, s->odd);
		s->odd = ahead(s->odd, s->two, m);
	}
	return n;
}

static inline uint32_t
steps_row(const struct steps *s)
{
	return s->even;
}
#endif

#endif

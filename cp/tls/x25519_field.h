/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The field of RFC 7748's curve25519, integers modulo p = 2^255 - 19, four elements at a time: for
 * x25519.c alone. Functions of their arguments; any thread.
 *
 * An element is five limbs of 51 bits, element e's in lane e of five vectors. Invariant
 * ("carried"): a limb that is multiplied is below 2^52, since that is what the instructions look
 * at. After a carry it is below 2^51 + 2^15, after an addition of two of these it is not, so that
 * is followed by a carry, too.
 */
#ifndef CP_TLS_X25519_FIELD_H
#define CP_TLS_X25519_FIELD_H

#include <immintrin.h>
#include <stdint.h>

#define LIMBS     5
#define LIMB_BITS 51
#define LIMB_MASK ((UINT64_C(1) << LIMB_BITS) - 1)

/* For lanes 0 to 3: their numbers in an order; and one's bits in a blend. */
#define ORDER(a, b, c, d) _mm256_set_epi64x(d, c, b, a)
#define LANE(n)           (3 << 2 * (n))

#define UNROLLED _Pragma("GCC unroll 16")
#define VECTORS  __attribute__((target("avx2,avx512f,avx512vl,avx512ifma")))
/* The ladder keeps nearly all in registers if what it calls is part of it. */
#define PART VECTORS static inline __attribute__((always_inline))

typedef __m256i lanes;

/* Four elements. */
struct four {
	lanes limb[LIMBS];
};

PART lanes
all(uint64_t number)
{
	return _mm256_set1_epi64x((long long)number);
}

/* 19 * v: what is carried out of 2^255 comes back so at 1. */
PART lanes
times_19(lanes v)
{
	return _mm256_add_epi64(v,
				_mm256_add_epi64(_mm256_slli_epi64(v, 1), _mm256_slli_epi64(v, 4)));
}

PART struct four
carried(const struct four *a)
{
	lanes mask = all(LIMB_MASK), carry[LIMBS];
	struct four to;
	int i;

	UNROLLED
	for (i = 0; i < LIMBS; i++) {
		carry[i] = _mm256_srli_epi64(a->limb[i], LIMB_BITS);
		to.limb[i] = _mm256_and_si256(a->limb[i], mask);
	}
	to.limb[0] = _mm256_madd52lo_epu64(to.limb[0], carry[LIMBS - 1], all(19));
	UNROLLED
	for (i = 1; i < LIMBS; i++)
		to.limb[i] = _mm256_add_epi64(to.limb[i], carry[i - 1]);
	return to;
}

/* The low 52 bits of a product belong to its limbs' place, those above to the next one, doubled,
 * since limbs are 51 bits apart. */
PART struct four
multiply(const struct four *a, const struct four *b)
{
	lanes low[2 * LIMBS], high[2 * LIMBS];
	struct four product;
	int i, j;

	UNROLLED
	for (i = 0; i < 2 * LIMBS; i++)
		low[i] = high[i] = _mm256_setzero_si256();
	UNROLLED
	for (i = 0; i < LIMBS; i++)
		UNROLLED
	for (j = 0; j < LIMBS; j++) {
		low[i + j] = _mm256_madd52lo_epu64(low[i + j], a->limb[i], b->limb[j]);
		high[i + j + 1] = _mm256_madd52hi_epu64(high[i + j + 1], a->limb[i], b->limb[j]);
	}
	UNROLLED
	for (i = 0; i < 2 * LIMBS; i++)
		low[i] = _mm256_add_epi64(low[i], _mm256_slli_epi64(high[i], 1));
	UNROLLED
	for (i = 0; i < LIMBS; i++)
		product.limb[i] = _mm256_add_epi64(low[i], times_19(low[i + LIMBS]));
	return carried(&product);
}

/* a + b in even lanes, a - b in odd ones: there 4p is added before, so that no limb is negative, be
 * b the sum of two that were carried. */
PART struct four
add_and_subtract(const struct four *a, const struct four *b)
{
	lanes bias, signed_b;
	struct four sum;
	int i;

	UNROLLED
	for (i = 0; i < LIMBS; i++) {
		bias = all(4 * LIMB_MASK - (i == 0 ? 4 * 18 : 0));
		signed_b = _mm256_sub_epi64(bias, b->limb[i]);
		sum.limb[i] = _mm256_add_epi64(
		    a->limb[i], _mm256_blend_epi32(b->limb[i], signed_b, LANE(1) | LANE(3)));
	}
	return carried(&sum);
}

/* A mask that is made of a secret: the compiler shall not see that it is one of two, else it may
 * jump or load by it. */
PART lanes
veiled(lanes mask)
{
	__asm__("" : "+x"(mask));
	return mask;
}

/* Lanes in another order, that of their numbers in `order`. */
PART struct four
ordered(const struct four *a, lanes order)
{
	struct four to;
	int i;

	UNROLLED
	for (i = 0; i < LIMBS; i++)
		to.limb[i] = _mm256_permutexvar_epi64(order, a->limb[i]);
	return to;
}

/* a, but `those` lanes of b; a macro, since instructions have `those` in them. */
#define MIXED(a, b, those)                                                               \
	((struct four){ { MIX(a, b, 0, those), MIX(a, b, 1, those), MIX(a, b, 2, those), \
			  MIX(a, b, 3, those), MIX(a, b, 4, those) } })
#define MIX(a, b, i, those) _mm256_blend_epi32((a)->limb[i], (b)->limb[i], those)

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Montgomery ladder of RFC 7748, section 5, with four elements of the field in a vector: the
 * ten multiplications of a step are three of such vectors.
 */
#include "cp/tls/x25519.h"

#include <mbedtls/platform_util.h>
#include <pthread.h>
#include <string.h>

#include "cp/tls/x25519_field.h"

#define A24 121666 /* (486662 + 2) / 4; the RFC's a24 is one less */

bool
x25519_is_possible(void)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("avx512vl") &&
	       __builtin_cpu_supports("avx512ifma");
}

/* ---- the inverse ----------------------------------------------------------------------------- */

VECTORS static struct four
squared(const struct four *a, int times)
{
	struct four square = *a;

	while (times--)
		square = multiply(&square, &square);
	return square;
}

VECTORS static struct four
product_of(const struct four *a, const struct four *b)
{
	return multiply(a, b);
}

/* a^(p - 2) = a^(2^255 - 21), by powers whose exponents are n ones in binary. */
VECTORS static struct four
inverse(const struct four *a)
{
	struct four a2 = squared(a, 1), a8 = squared(&a2, 2), a9 = product_of(&a8, a);
	struct four a11 = product_of(&a9, &a2), a22 = squared(&a11, 1);
	struct four ones_5 = product_of(&a22, &a9), t = squared(&ones_5, 5);
	struct four ones_10 = product_of(&t, &ones_5), ones_20, ones_50, ones_100;

	t = squared(&ones_10, 10);
	ones_20 = product_of(&t, &ones_10);
	t = squared(&ones_20, 20);
	t = product_of(&t, &ones_20);
	t = squared(&t, 10);
	ones_50 = product_of(&t, &ones_10);
	t = squared(&ones_50, 50);
	ones_100 = product_of(&t, &ones_50);
	t = squared(&ones_100, 100);
	t = product_of(&t, &ones_100);
	t = squared(&t, 50);
	t = product_of(&t, &ones_50);
	t = squared(&t, 5);
	return product_of(&t, &a11);
}

/* ---- bytes ----------------------------------------------------------------------------------- */

/* Below 2^255, so that each limb is below 2^51. */
static void
parse(uint64_t *limbs, const uint8_t *bytes)
{
	uint64_t word[4];

	memcpy(word, bytes, sizeof(word));
	limbs[0] = word[0] & LIMB_MASK;
	limbs[1] = (word[0] >> 51 | word[1] << 13) & LIMB_MASK;
	limbs[2] = (word[1] >> 38 | word[2] << 26) & LIMB_MASK;
	limbs[3] = (word[2] >> 25 | word[3] << 39) & LIMB_MASK;
	limbs[4] = word[3] >> 12 & LIMB_MASK;
}

/* Of carried limbs, brought below p. */
static void
print(uint8_t *bytes, uint64_t *limbs)
{
	uint64_t word[4], carry = 0;
	int i;

	for (i = 0; i < LIMBS; i++) {
		limbs[i] += carry;
		carry = limbs[i] >> LIMB_BITS;
		limbs[i] &= LIMB_MASK;
	}
	limbs[0] += 19 * carry;
	/* Below 2p by now. If it is p or more, adding 19 carries out of 2^255, and so does adding
	 * it for good: p less. */
	for (carry = 19, i = 0; i < LIMBS; i++)
		carry = (limbs[i] + carry) >> LIMB_BITS;
	for (carry *= 19, i = 0; i < LIMBS; i++) {
		limbs[i] += carry;
		carry = limbs[i] >> LIMB_BITS;
		limbs[i] &= LIMB_MASK;
	}
	word[0] = limbs[0] | limbs[1] << 51;
	word[1] = limbs[1] >> 13 | limbs[2] << 38;
	word[2] = limbs[2] >> 26 | limbs[3] << 25;
	word[3] = limbs[3] >> 39 | limbs[4] << 12;
	memcpy(bytes, word, sizeof(word));
}

/* out = a's lane 0 over its lane 1, which is 0 for points of small order alone. */
VECTORS static void
print_quotient(uint8_t *out, const struct four *a)
{
	uint64_t limbs[LIMBS];
	struct four t = ordered(a, ORDER(1, 1, 1, 1));
	int i;

	t = carried(&t);
	t = inverse(&t);
	t = product_of(&t, a);
	for (i = 0; i < LIMBS; i++)
		limbs[i] = (uint64_t)_mm256_extract_epi64(t.limb[i], 0);
	print(out, limbs);
}

static void
clamp(uint8_t *to, const uint8_t *scalar)
{
	memcpy(to, scalar, X25519_BYTES);
	to[0] &= 248;
	to[31] = (to[31] & 127) | 64;
}

/* ---- any point: the ladder ------------------------------------------------------------------- */

/*
 * One bit of the scalar; x is (x2, z2, x3, z3), where z2 need not be carried, and swapped before if
 * all of `swap` is 2 and not 0: an order of lanes, no jump. `fixed` is (A24, -, 1, x1). The names
 * are the RFC's, and its AA + a24 * E is BB + A24 * E.
 */
PART struct four
step(const struct four *x, lanes swap, const struct four *fixed)
{
	struct four even = ordered(x, _mm256_xor_si256(swap, ORDER(0, 0, 2, 2)));
	struct four odd = ordered(x, _mm256_xor_si256(swap, ORDER(1, 1, 3, 3)));
	struct four abcd = add_and_subtract(&even, &odd);
	struct four abba = ordered(&abcd, ORDER(0, 1, 1, 0));
	struct four first = multiply(&abcd, &abba); /* AA, BB, CB, DA */
	struct four sums, left, right, second, to;
	int i;

	even = ordered(&first, ORDER(0, 0, 3, 3));
	odd = ordered(&first, ORDER(1, 1, 2, 2));
	sums = add_and_subtract(&even, &odd); /* -, E, DA + CB, DA - CB */
	left = ordered(&sums, ORDER(1, 1, 2, 3));
	right = MIXED(&left, &first, LANE(1));
	second = multiply(&left, &right); /* E^2, E * BB, (DA + CB)^2, (DA - CB)^2 */
	left = MIXED(&second, &even, LANE(1));
	right = MIXED(fixed, &odd, LANE(1));
	left = multiply(&left, &right); /* A24 * E^2, AA * BB, (DA + CB)^2, x1 * (DA - CB)^2 */
	to = ordered(&left, ORDER(1, 0, 2, 3));
	UNROLLED
	for (i = 0; i < LIMBS; i++)
		to.limb[i] =
		    _mm256_add_epi64(to.limb[i], _mm256_blend_epi32(_mm256_setzero_si256(),
								    second.limb[i], LANE(1)));
	return to;
}

VECTORS static struct four
climb(const uint8_t *scalar, const struct four *start, const struct four *fixed)
{
	struct four x = *start;
	uint64_t bit, swap = 0;
	int i;

	for (i = 254; i >= 0; i--) {
		bit = scalar[i / 8] >> (i % 8) & 1;
		x = step(&x, veiled(all(2 * (swap ^ bit))), fixed);
		swap = bit;
	}
	return ordered(&x, _mm256_xor_si256(veiled(all(2 * swap)), ORDER(0, 1, 2, 3)));
}

static void __attribute__((noinline)) VECTORS
multiply_point(uint8_t *out, const uint8_t *scalar, const uint8_t *point)
{
	uint8_t clamped[X25519_BYTES];
	uint64_t x1[LIMBS];
	struct four start, fixed, end;
	int i;

	clamp(clamped, scalar);
	parse(x1, point);
	for (i = 0; i < LIMBS; i++) {
		long long one = i == 0, x = (long long)x1[i];

		start.limb[i] = _mm256_set_epi64x(one, x, 0, one);
		fixed.limb[i] = _mm256_set_epi64x(x, one, 0, i == 0 ? A24 : 0);
	}
	end = climb(clamped, &start, &fixed);
	print_quotient(out, &end);
}

/* ---- the base point: a table ----------------------------------------------------------------- */

/*
 * On the twisted Edwards curve that is the same (RFC 7748, section 4.1), by RFC 8032's extended
 * coordinates, section 5.1.4: their sum has no exceptions, so that it doubles, too. A point is
 * (X, Y, Z, T); a summand has been made of one: (Y + X, Y - X, 2 * Z, 2 * d * T).
 *
 * The scalar's digits are of four bits. The table has for each COLUMNth of them all that it can be;
 * the others are those times 16 to 16^(COLUMN - 1), by as many doublings for all together.
 */
#define DIGITS  64
#define VALUES  16
#define COLUMN  8
#define BITS    4
#define X_Y_Z_T 4

static const uint64_t base_x[] = { 0xc9562d608f25d51a, 0x692cc7609525a7b2, 0xc0a4e231fdd6dc5c,
				   0x216936d3cd6e53fe };
static const uint64_t base_y[] = { 0x6666666666666658, 0x6666666666666666, 0x6666666666666666,
				   0x6666666666666666 };
static const uint64_t base_t[] = { 0x6dde8ab3a5b7dda3, 0x20f09f80775152f5, 0x66ea4e8e64abe37d,
				   0x67875f0fd78b7665 };
static const uint64_t twice_d[] = { 0xebd69b9426b2f159, 0x00e0149a8283b156, 0x198e80f2eef3d130,
				    0x2406d9dc56dffce7 };
static const uint64_t number_0[4], number_1[] = { 1, 0, 0, 0 }, number_2[] = { 2, 0, 0, 0 };

/* Made once, then read by all. */
static struct {
	struct four sums[DIGITS / COLUMN][VALUES];
	struct four to_summand; /* (1, 1, 2, 2 * d) */
} table;
static pthread_once_t once = PTHREAD_ONCE_INIT;

VECTORS static struct four
four_of(const uint64_t *a, const uint64_t *b, const uint64_t *c, const uint64_t *d)
{
	const uint64_t *const from[X_Y_Z_T] = { a, b, c, d };
	uint64_t limbs[X_Y_Z_T][LIMBS];
	struct four to;
	int i;

	for (i = 0; i < X_Y_Z_T; i++)
		parse(limbs[i], (const uint8_t *)from[i]);
	for (i = 0; i < LIMBS; i++)
		to.limb[i] = _mm256_set_epi64x((long long)limbs[3][i], (long long)limbs[2][i],
					       (long long)limbs[1][i], (long long)limbs[0][i]);
	return to;
}

/* (Y + X, Y - X, Z, T) */
PART struct four
opened(const struct four *point)
{
	struct four even = ordered(point, ORDER(1, 1, 2, 3)),
		    odd = ordered(point, ORDER(0, 0, 0, 0));
	const struct four zero = { { _mm256_setzero_si256() } };

	odd = MIXED(&odd, &zero, LANE(2) | LANE(3));
	return add_and_subtract(&even, &odd);
}

PART struct four
add(const struct four *point, const struct four *summand)
{
	struct four sides = opened(point), left, right;

	sides = multiply(&sides, summand); /* B, A, D, C of the RFC */
	left = ordered(&sides, ORDER(0, 0, 2, 2));
	right = ordered(&sides, ORDER(1, 1, 3, 3));
	sides = add_and_subtract(&left, &right); /* H, E, G, F */
	left = ordered(&sides, ORDER(1, 2, 3, 1));
	right = ordered(&sides, ORDER(3, 0, 2, 0));
	return multiply(&left, &right);
}

PART struct four
summand_of(const struct four *point)
{
	struct four summand = opened(point);

	return multiply(&summand, &table.to_summand);
}

VECTORS static void
double_times(struct four *point, int times)
{
	struct four summand;

	while (times--) {
		summand = summand_of(point);
		*point = add(point, &summand);
	}
}

VECTORS static void
make_table(void)
{
	struct four base = four_of(base_x, base_y, number_1, base_t), sum, one;
	int column, value;

	table.to_summand = four_of(number_1, number_1, number_2, twice_d);
	for (column = 0; column < DIGITS / COLUMN; column++) {
		one = summand_of(&base);
		sum = four_of(number_0, number_1, number_1, number_0);
		for (value = 0; value < VALUES; value++) {
			table.sums[column][value] = summand_of(&sum);
			sum = add(&sum, &one);
		}
		double_times(&base, COLUMN * BITS);
	}
}

/* All values are looked at, and by a mask one is taken: which, no cache can tell. */
PART struct four
looked_up(const struct four *values, uint64_t digit)
{
	struct four found;
	lanes mask;
	int value, i;

	for (i = 0; i < LIMBS; i++)
		found.limb[i] = _mm256_setzero_si256();
	for (value = 0; value < VALUES; value++) {
		mask = veiled(_mm256_cmpeq_epi64(all(digit), all((uint64_t)value)));
		UNROLLED
		for (i = 0; i < LIMBS; i++)
			found.limb[i] = _mm256_or_si256(
			    found.limb[i], _mm256_and_si256(mask, values[value].limb[i]));
	}
	return found;
}

static void __attribute__((noinline)) VECTORS
multiply_base(uint8_t *out, const uint8_t *scalar)
{
	uint8_t clamped[X25519_BYTES];
	struct four sum, summand, left, right;
	int place, column, digit;

	pthread_once(&once, make_table);
	clamp(clamped, scalar);
	sum = four_of(number_0, number_1, number_1, number_0);
	for (place = COLUMN - 1; place >= 0; place--) {
		double_times(&sum, place == COLUMN - 1 ? 0 : BITS);
		for (column = 0; column < DIGITS / COLUMN; column++) {
			digit = column * COLUMN + place;
			summand = looked_up(table.sums[column],
					    clamped[digit / 2] >> digit % 2 * BITS & (VALUES - 1));
			sum = add(&sum, &summand);
		}
	}
	/* (Z + Y) / (Z - Y) */
	left = ordered(&sum, ORDER(2, 2, 2, 2));
	right = ordered(&sum, ORDER(1, 1, 1, 1));
	sum = add_and_subtract(&left, &right);
	print_quotient(out, &sum);
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* Where the stack was that the others had, with the secrets that it held. */
#define STACK (8 * 1024)

static void __attribute__((noinline)) wipe_stack(void)
{
	uint8_t room[STACK];

	mbedtls_platform_zeroize(room, sizeof(room));
}

void
x25519(uint8_t *out, const uint8_t *scalar, const uint8_t *point)
{
	multiply_point(out, scalar, point);
	wipe_stack();
}

void
x25519_public(uint8_t *out, const uint8_t *scalar)
{
	multiply_base(out, scalar);
	wipe_stack();
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far a run of allowed bytes goes: the inner loops of the HTTP codec. Each in three ways,
 * plain, with AVX2 and with AVX-512, that give the same, for at <= end:
 *
 *     scan_X(bytes, at, end) = the least i in [at, end] with i = end or bytes[i] not allowed
 *
 * Nothing outside [0, end) is read. What is left behind the last whole vector is looked at with one
 * that ends at `end` and begins before it; AVX-512 can leave out what lies behind `end`, and does
 * most of what there is to scan in one step.
 *
 * A set of ASCII characters is 16 bytes, one for each low half of a character:
 *
 *      bit          7    6    5    4    3    2    1    0      = the high half
 *     [0x00]        p    P    @         0   ' '             } is the character in the set?
 *     [0x01]        q    a    A    Q    1    !              }
 *
 * of which two byte shuffles make the answer for 32 characters. Pure, any thread.
 */
#ifndef LIB_HTTP_SCAN_H
#define LIB_HTTP_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __AVX2__
#include <immintrin.h>
#endif

enum scan_set {
	SCAN_TOKEN,      /* tchar, RFC 9110 5.6.2 */
	SCAN_PATH,       /* what a target may have before its '?': see scan.c */
	SCAN_SEGMENT,    /* ... and between its slashes, without escapes */
	SCAN_NORMAL,     /* ... and with them */
	SCAN_QUERY,      /* ... and behind it */
	SCAN_HOST,       /* unreserved and sub-delims, RFC 3986 3.2.2 */
	SCAN_UNRESERVED, /* RFC 3986 2.3 */
	SCAN_NAME,       /* letters, digits and the hyphen */
	SCAN_SETS,
};

#define SCAN_VECTOR 32

extern const uint8_t scan_sets[SCAN_SETS][16];

static inline bool
scan_in(enum scan_set set, uint8_t c)
{
	return c < 0x80 && (scan_sets[set][c & 15] >> (c >> 4) & 1);
}

/* What a field value or a line may have: no controls but the tab (RFC 9110 5.5). */
static inline bool
scan_is_text(uint8_t c)
{
	return (c >= 0x20 && c != 0x7f) || c == '\t';
}

static inline size_t
scan_set_plain(enum scan_set set, const uint8_t *bytes, size_t at, size_t end)
{
	while (at < end && scan_in(set, bytes[at]))
		at++;
	return at;
}

static inline size_t
scan_text_plain(const uint8_t *bytes, size_t at, size_t end)
{
	while (at < end && scan_is_text(bytes[at]))
		at++;
	return at;
}

#ifdef __AVX2__

/* A bit for each byte of v that is not in the set. */
static inline uint32_t
scan_set_stops(__m256i set, __m256i v)
{
	/* 1 << the high half; none from 0x80 on */
	const __m256i bits = _mm256_setr_epi8(1, 2, 4, 8, 16, 32, 64, -128, 0, 0, 0, 0, 0, 0, 0, 0,
					      1, 2, 4, 8, 16, 32, 64, -128, 0, 0, 0, 0, 0, 0, 0, 0);
	const __m256i half = _mm256_set1_epi8(0x0f);
	__m256i high = _mm256_shuffle_epi8(bits, _mm256_and_si256(_mm256_srli_epi16(v, 4), half));
	__m256i low = _mm256_shuffle_epi8(set, _mm256_and_si256(v, half));
	__m256i both = _mm256_and_si256(high, low);

	return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(both, _mm256_setzero_si256()));
}

/* A bit for each byte of v that is a control other than the tab. */
static inline uint32_t
scan_text_stops(__m256i v)
{
	const __m256i space = _mm256_set1_epi8(0x20);
	__m256i allowed = _mm256_cmpeq_epi8(_mm256_max_epu8(v, space), v);
	__m256i del = _mm256_cmpeq_epi8(v, _mm256_set1_epi8(0x7f));

	allowed = _mm256_or_si256(allowed, _mm256_cmpeq_epi8(v, _mm256_set1_epi8('\t')));
	return ~(uint32_t)_mm256_movemask_epi8(_mm256_andnot_si256(del, allowed));
}

static inline __m256i
scan_load(const uint8_t *p)
{
	return _mm256_loadu_si256((const __m256i *)p);
}

/* Fewer bytes than a vector, 4 at least, without reading beside them: the first and the last 16, 8
 * or 4 of them, which may be the same in part, in the two halves of a vector. */
struct scan_ends {
	__m256i v;
	unsigned int each;
};

static inline struct scan_ends
scan_load_ends(const uint8_t *p, size_t n)
{
	uint64_t first, last;

	if (n >= 16)
		return (struct scan_ends){
			_mm256_loadu2_m128i((const __m128i *)(p + n - 16), (const __m128i *)p), 16
		};
	first = last = 0;
	memcpy(&first, p, n >= 8 ? 8 : 4);
	memcpy(&last, p + n - (n >= 8 ? 8 : 4), n >= 8 ? 8 : 4);
	return (struct scan_ends){ _mm256_set_epi64x(0, (int64_t)last, 0, (int64_t)first),
				   n >= 8 ? 8 : 4 };
}

/* The first byte of n at which `stops` says so of one of the ends, or n. */
static inline size_t
scan_ends_stop(uint32_t stops, unsigned int each, size_t n)
{
	uint32_t of_one = (1u << each) - 1;

	stops = (stops & of_one) | (stops >> 16 & of_one) << (n - each);
	return stops ? (size_t)__builtin_ctz(stops) : n;
}

static inline __m256i
scan_table(enum scan_set set)
{
	return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)scan_sets[set]));
}

/* The same where there are fewer than SCAN_VECTOR bytes up to `end`. */
static inline size_t
scan_set_short(enum scan_set set, const uint8_t *bytes, size_t at, size_t end)
{
	struct scan_ends ends;

	if (end < at + 4)
		return scan_set_plain(set, bytes, at, end);
	ends = scan_load_ends(bytes + at, end - at);
	return at + scan_ends_stop(scan_set_stops(scan_table(set), ends.v), ends.each, end - at);
}

static inline size_t
scan_text_short(const uint8_t *bytes, size_t at, size_t end)
{
	struct scan_ends ends;

	if (end < at + 4)
		return scan_text_plain(bytes, at, end);
	ends = scan_load_ends(bytes + at, end - at);
	return at + scan_ends_stop(scan_text_stops(ends.v), ends.each, end - at);
}

static inline size_t
scan_set_avx2(enum scan_set set, const uint8_t *bytes, size_t at, size_t end)
{
	__m256i table;
	uint32_t stops;

	if (end < SCAN_VECTOR)
		return scan_set_short(set, bytes, at, end);
	table = scan_table(set);
	for (; at + SCAN_VECTOR <= end; at += SCAN_VECTOR) {
		stops = scan_set_stops(table, scan_load(bytes + at));
		if (stops)
			return at + (size_t)__builtin_ctz(stops);
	}
	if (at == end)
		return end;
	stops = scan_set_stops(table, scan_load(bytes + end - SCAN_VECTOR));
	stops >>= SCAN_VECTOR - (end - at);
	return stops ? at + (size_t)__builtin_ctz(stops) : end;
}

static inline size_t
scan_text_avx2(const uint8_t *bytes, size_t at, size_t end)
{
	uint32_t stops;

	if (end < SCAN_VECTOR)
		return scan_text_short(bytes, at, end);
	for (; at + SCAN_VECTOR <= end; at += SCAN_VECTOR) {
		stops = scan_text_stops(scan_load(bytes + at));
		if (stops)
			return at + (size_t)__builtin_ctz(stops);
	}
	if (at == end)
		return end;
	stops = scan_text_stops(scan_load(bytes + end - SCAN_VECTOR));
	stops >>= SCAN_VECTOR - (end - at);
	return stops ? at + (size_t)__builtin_ctz(stops) : end;
}

#endif

#ifdef __AVX512BW__

/* A bit for each of the next n bytes, of at most 64. */
static inline __mmask64
scan_mask(size_t n)
{
	return n < 64 ? (1ull << n) - 1 : ~0ull;
}

static inline size_t
scan_set_avx512(enum scan_set set, const uint8_t *bytes, size_t at, size_t end)
{
	const __m512i bits = _mm512_set4_epi32(0, 0, (int)0x80402010, 0x08040201);
	const __m512i half = _mm512_set1_epi8(0x0f);
	const __m512i table =
	    _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)scan_sets[set]));

	if (at == end) /* bytes may be NULL then */
		return end;
	for (;; at += 64) {
		__mmask64 k = scan_mask(end - at);
		__m512i v = _mm512_maskz_loadu_epi8(k, bytes + at), high, low;
		uint64_t stops;

		high = _mm512_shuffle_epi8(bits, _mm512_and_si512(_mm512_srli_epi16(v, 4), half));
		low = _mm512_shuffle_epi8(table, _mm512_and_si512(v, half));
		stops = _mm512_mask_testn_epi8_mask(k, high, low);
		if (stops)
			return at + (size_t)__builtin_ctzll(stops);
		if (end - at <= 64)
			return end;
	}
}

static inline size_t
scan_text_avx512(const uint8_t *bytes, size_t at, size_t end)
{
	if (at == end) /* bytes may be NULL then */
		return end;
	for (;; at += 64) {
		__mmask64 k = scan_mask(end - at);
		__m512i v = _mm512_maskz_loadu_epi8(k, bytes + at);
		uint64_t stops;

		stops = _mm512_mask_cmplt_epu8_mask(k, v, _mm512_set1_epi8(0x20)) &
			~_mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('\t'));
		stops |= _mm512_mask_cmpeq_epi8_mask(k, v, _mm512_set1_epi8(0x7f));
		if (stops)
			return at + (size_t)__builtin_ctzll(stops);
		if (end - at <= 64)
			return end;
	}
}

#endif

#if defined(__AVX512BW__)
#define scan_set_best  scan_set_avx512
#define scan_text_best scan_text_avx512
#elif defined(__AVX2__)
#define scan_set_best  scan_set_avx2
#define scan_text_best scan_text_avx2
#else
#define scan_set_best  scan_set_plain
#define scan_text_best scan_text_plain
#endif

static inline size_t
scan_set(enum scan_set set, const uint8_t *bytes, size_t at, size_t end)
{
	return scan_set_best(set, bytes, at, end);
}

static inline size_t
scan_text(const uint8_t *bytes, size_t at, size_t end)
{
	return scan_text_best(bytes, at, end);
}

#endif

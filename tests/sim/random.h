/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The random numbers of a simulated run: xoshiro256** (Blackman and Vigna, 2018), seeded by
 * splitmix64. A value; the same seed gives the same run on every machine.
 */
#ifndef TESTS_SIM_RANDOM_H
#define TESTS_SIM_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct random {
	uint64_t s[4];
};

static inline uint64_t
random_mix(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static inline void
random_seed(struct random *r, uint64_t seed)
{
	for (int i = 0; i < 4; i++)
		r->s[i] = random_mix(&seed);
}

static inline uint64_t
random_rotate(uint64_t x, int n)
{
	return x << n | x >> (64 - n);
}

static inline uint64_t
random_next(struct random *r)
{
	uint64_t *s = r->s, result = random_rotate(s[1] * 5, 7) * 9, t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = random_rotate(s[3], 45);
	return result;
}

/* 0..n-1; n is at least 1. */
static inline uint64_t
random_below(struct random *r, uint64_t n)
{
	return (uint64_t)((unsigned __int128)random_next(r) * n >> 64);
}

static inline uint64_t
random_between(struct random *r, uint64_t low, uint64_t high)
{
	return low + random_below(r, high - low + 1);
}

/* True once in n times. */
static inline bool
random_one_in(struct random *r, uint64_t n)
{
	return random_below(r, n) == 0;
}

/* True with the probability p / 65536. */
static inline bool
random_chance(struct random *r, uint32_t p)
{
	return (random_next(r) >> 48) < p;
}

/* Between low and high so that each power of two is as likely as the next; low is at least 1. */
static inline uint64_t
random_scale(struct random *r, uint64_t low, uint64_t high)
{
	unsigned int least = 63 - (unsigned int)__builtin_clzll(low);
	unsigned int most = 63 - (unsigned int)__builtin_clzll(high);
	uint64_t value = 1ull << random_between(r, least, most);

	value += random_below(r, value);
	if (value < low)
		return low;
	return value > high ? high : value;
}

#endif

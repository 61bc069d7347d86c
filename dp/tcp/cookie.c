/* SPDX-License-Identifier: Apache-2.0 */
#include "dp/tcp/cookie.h"

#include "dp/tcp/tuple_words.h"

#define AGE_NS    64000000000ull /* so an age has no more than 29 bits */
#define AGE_SHIFT 30
#define AGE_MASK  3u
#define MSS_SHIFT 26
#define MSS_MASK  15u
#define MAC_MASK  0x3ffffffu

#define BITS_MASK   0x3fu
#define BITS_ECN    0x20u
#define BITS_SACK   0x10u
#define BITS_SCALE  0x0fu
#define SCALE_NONE  15u
#define BITS_ABSENT 0x40u /* the peer has no timestamps: nothing but the MSS is known */

/* Ascending. What Ethernet, PPPoE, tunnels, IPv6 and jumbo frames make the usual ones, and steps
 * between them. */
static const uint16_t mss_values[16] = { 48,   88,   216,  384,  536,  940,  1180, 1220,
					 1300, 1360, 1380, 1400, 1420, 1440, 1460, 8940 };

static uint32_t
mss_index(uint16_t mss)
{
	uint32_t i = 15;

	while (i > 0 && mss_values[i] > mss)
		i--;
	return i;
}

uint16_t
cookie_mss(uint16_t mss)
{
	return mss_values[mss_index(mss)];
}

static uint32_t
option_bits(const struct cookie_options *o)
{
	uint32_t bits = o->scaled ? o->window_scale & BITS_SCALE : SCALE_NONE;

	if (!o->timestamps)
		return BITS_ABSENT;
	if (o->sack)
		bits |= BITS_SACK;
	if (o->ecn)
		bits |= BITS_ECN;
	return bits;
}

static uint32_t
mac(const struct siphash_key *key, const struct cookie_ends *ends, uint64_t age,
    uint32_t index_bits)
{
	struct siphash_state s = siphash_begin(key);
	const struct tuple *t = ends->tuple;
	uint32_t family = siphash_addresses(&s, t);

	siphash_word(&s, (uint64_t)t->sport << 48 | (uint64_t)t->dport << 32 | ends->peer_isn);
	siphash_word(&s, age << 32 | index_bits << 8 | family);
	return (uint32_t)siphash_end(&s) & MAC_MASK;
}

static uint32_t
assemble(const struct siphash_key *key, const struct cookie_ends *ends, uint64_t age,
	 uint32_t index_bits)
{
	uint32_t index = index_bits >> 8;

	return (uint32_t)(age & AGE_MASK) << AGE_SHIFT | index << MSS_SHIFT |
	       mac(key, ends, age, index_bits);
}

uint32_t
cookie_make(const struct siphash_key *key, const struct cookie_ends *ends,
	    const struct cookie_options *options, uint64_t now)
{
	return assemble(key, ends, now / AGE_NS,
			mss_index(options->mss) << 8 | option_bits(options));
}

uint32_t
cookie_timestamp(const struct cookie_options *options, uint32_t timestamp)
{
	uint32_t t;

	if (!options->timestamps)
		return timestamp;
	t = (timestamp & ~BITS_MASK) | option_bits(options);
	return (int32_t)(t - timestamp) > 0 ? t - (BITS_MASK + 1) : t;
}

static void
fill_options(struct cookie_options *o, uint32_t index, uint32_t bits)
{
	*o = (struct cookie_options){ .mss = mss_values[index] };
	if (bits & BITS_ABSENT)
		return;
	o->timestamps = true;
	o->sack = bits & BITS_SACK;
	o->ecn = bits & BITS_ECN;
	o->scaled = (bits & BITS_SCALE) != SCALE_NONE;
	o->window_scale = o->scaled ? bits & BITS_SCALE : 0;
}

bool
cookie_check(const struct siphash_key *key, const struct cookie_ends *ends,
	     const struct cookie_answer *answer, uint64_t now, struct cookie_options *options)
{
	uint64_t age = now / AGE_NS;
	uint32_t index = answer->cookie >> MSS_SHIFT & MSS_MASK, i;
	uint32_t bits = answer->timestamps ? answer->tsecr & BITS_MASK : BITS_ABSENT;

	for (i = 0; i < 2 && i <= age; i++) {
		if (assemble(key, ends, age - i, index << 8 | bits) != answer->cookie)
			continue;
		fill_options(options, index, bits);
		return true;
	}
	return false;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "dp/tcp/options.h"

enum kind {
	KIND_END = 0,
	KIND_NOP = 1,
	KIND_MSS = 2,
	KIND_WINDOW_SCALE = 3,
	KIND_SACK_PERMITTED = 4,
	KIND_SACK = 5,
	KIND_TIMESTAMPS = 8,
};

enum length {
	LENGTH_MSS = 4,
	LENGTH_WINDOW_SCALE = 3,
	LENGTH_SACK_PERMITTED = 2,
	LENGTH_SACK = 2, /* and 8 a block */
	LENGTH_BLOCK = 8,
	LENGTH_TIMESTAMPS = 10,
};

static uint32_t
get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void
put32(uint8_t *p, uint32_t x)
{
	p[0] = (uint8_t)(x >> 24);
	p[1] = (uint8_t)(x >> 16);
	p[2] = (uint8_t)(x >> 8);
	p[3] = (uint8_t)x;
}

/* ---- reading -------------------------------------------------------------------------------- */

static void
read_syn_option(struct segment_options *o, const uint8_t *p)
{
	uint32_t mss;

	if (p[0] == KIND_MSS && p[1] == LENGTH_MSS) {
		mss = (uint32_t)p[2] << 8 | p[3];
		if (mss) {
			o->flags |= OPTION_MSS;
			o->mss = (uint16_t)mss;
		}
	} else if (p[0] == KIND_WINDOW_SCALE && p[1] == LENGTH_WINDOW_SCALE) {
		o->flags |= OPTION_WINDOW_SCALE;
		o->window_scale = p[2] < WINDOW_SCALE_MAX ? p[2] : WINDOW_SCALE_MAX;
	} else if (p[0] == KIND_SACK_PERMITTED && p[1] == LENGTH_SACK_PERMITTED) {
		o->flags |= OPTION_SACK_PERMITTED;
	}
}

static void
read_sack(struct segment_options *o, const uint8_t *p)
{
	uint32_t i, n = (uint32_t)(p[1] - LENGTH_SACK) / LENGTH_BLOCK;

	if ((p[1] - LENGTH_SACK) % LENGTH_BLOCK || n == 0 || n > SACK_BLOCKS_MAX)
		return;
	o->n_sack = (uint8_t)n;
	for (i = 0; i < n; i++) {
		o->sack[i].left = get32(p + LENGTH_SACK + LENGTH_BLOCK * i);
		o->sack[i].right = get32(p + LENGTH_SACK + LENGTH_BLOCK * i + 4);
	}
}

static void
read_timestamps(struct segment_options *o, const uint8_t *p)
{
	o->flags |= OPTION_TIMESTAMPS;
	o->tsval = get32(p + 2);
	o->tsecr = get32(p + 6);
}

static void
read_option(struct segment_options *o, const uint8_t *p, bool syn)
{
	if (p[0] == KIND_TIMESTAMPS && p[1] == LENGTH_TIMESTAMPS)
		read_timestamps(o, p);
	else if (syn)
		read_syn_option(o, p);
	else if (p[0] == KIND_SACK)
		read_sack(o, p);
}

/* The options of a SYN as Linux and many others send it:
 *
 *     MSS | SACK permitted, timestamps | NOP, window scale
 */
static bool
read_usual_syn(struct segment_options *o, const uint8_t *p, uint32_t length)
{
	uint32_t mss, scale;

	if (length != 20 || get32(p + 4) != 0x0402080a)
		return false;
	mss = get32(p) ^ ((uint32_t)KIND_MSS << 24 | LENGTH_MSS << 16);
	scale =
	    get32(p + 16) ^ (KIND_NOP << 24 | KIND_WINDOW_SCALE << 16 | LENGTH_WINDOW_SCALE << 8);
	if (mss - 1 >= UINT16_MAX || scale > WINDOW_SCALE_MAX)
		return false;
	o->flags = OPTION_MSS | OPTION_SACK_PERMITTED | OPTION_WINDOW_SCALE;
	o->mss = (uint16_t)mss;
	o->window_scale = (uint8_t)scale;
	read_timestamps(o, p + 6);
	return true;
}

bool
segment_options_parse(struct segment_options *o, const uint8_t *p, uint32_t length, bool syn)
{
	const uint8_t *end = p + length;

	o->flags = 0;
	o->n_sack = 0;
	/* What nearly every segment has (RFC 7323, appendix A). */
	if (length == 12 && get32(p) == 0x0101080a) {
		read_timestamps(o, p + 2);
		return true;
	}
	if (syn && read_usual_syn(o, p, length))
		return true;
	while (p < end && p[0] != KIND_END) {
		if (p[0] == KIND_NOP) {
			p++;
			continue;
		}
		if (end - p < 2 || p[1] < 2 || p[1] > end - p)
			return false;
		read_option(o, p, syn);
		p += p[1];
	}
	return true;
}

/* ---- writing -------------------------------------------------------------------------------- */

/* Without SACK, padded. Timestamps share a word with SACK permitted where there is one. */
static uint32_t
fixed_length(const struct segment_options *o)
{
	uint32_t length = 0;

	if (o->flags & OPTION_MSS)
		length += 4;
	if (o->flags & OPTION_TIMESTAMPS)
		length += 12;
	else if (o->flags & OPTION_SACK_PERMITTED)
		length += 4;
	if (o->flags & OPTION_WINDOW_SCALE)
		length += 4;
	return length;
}

/* Two NOPs, kind and length stand before them. */
static uint32_t
blocks_that_fit(const struct segment_options *o, uint32_t length)
{
	uint32_t room = length + 4 < OPTIONS_MAX ? (OPTIONS_MAX - length - 4) / LENGTH_BLOCK : 0;

	return o->n_sack < room ? o->n_sack : room;
}

uint32_t
options_length(const struct segment_options *o)
{
	uint32_t length = fixed_length(o), n = blocks_that_fit(o, length);

	return n ? length + 4 + LENGTH_BLOCK * n : length;
}

static uint8_t *
write_timestamps(const struct segment_options *o, uint8_t *p)
{
	p[0] = p[1] = KIND_NOP;
	if (o->flags & OPTION_SACK_PERMITTED) {
		p[0] = KIND_SACK_PERMITTED;
		p[1] = LENGTH_SACK_PERMITTED;
	}
	p[2] = KIND_TIMESTAMPS;
	p[3] = LENGTH_TIMESTAMPS;
	put32(p + 4, o->tsval);
	put32(p + 8, o->tsecr);
	return p + 12;
}

static uint8_t *
write_blocks(const struct segment_options *o, uint8_t *p, uint32_t n)
{
	uint32_t i;

	p[0] = p[1] = KIND_NOP;
	p[2] = KIND_SACK;
	p[3] = (uint8_t)(LENGTH_SACK + LENGTH_BLOCK * n);
	for (i = 0; i < n; i++) {
		put32(p + 4 + LENGTH_BLOCK * i, o->sack[i].left);
		put32(p + 8 + LENGTH_BLOCK * i, o->sack[i].right);
	}
	return p + 4 + LENGTH_BLOCK * n;
}

uint32_t
options_build(const struct segment_options *o, uint8_t out[OPTIONS_MAX])
{
	uint32_t n = blocks_that_fit(o, fixed_length(o));
	uint8_t *p = out;

	if (o->flags & OPTION_MSS) {
		put32(p, (uint32_t)KIND_MSS << 24 | LENGTH_MSS << 16 | o->mss);
		p += 4;
	}
	if (o->flags & OPTION_TIMESTAMPS) {
		p = write_timestamps(o, p);
	} else if (o->flags & OPTION_SACK_PERMITTED) {
		put32(p, KIND_NOP << 24 | KIND_NOP << 16 | KIND_SACK_PERMITTED << 8 |
			     LENGTH_SACK_PERMITTED);
		p += 4;
	}
	if (o->flags & OPTION_WINDOW_SCALE) {
		put32(p, (uint32_t)KIND_NOP << 24 | KIND_WINDOW_SCALE << 16 |
			     LENGTH_WINDOW_SCALE << 8 | o->window_scale);
		p += 4;
	}
	if (n)
		p = write_blocks(o, p, n);
	return (uint32_t)(p - out);
}

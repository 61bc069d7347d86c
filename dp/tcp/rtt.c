/* SPDX-License-Identifier: Apache-2.0 */
#include "dp/tcp/rtt.h"

#define NS_PER_MS 1000000ull
/* 2^30 ns is 1.07 s; half of the window of minima is 300 s. */
#define HALF_SHIFT 30
#define HALF       280

void
rtt_init(struct rtt *r, uint16_t min_rto_ms)
{
	*r = (struct rtt){ .min = { UINT32_MAX, UINT32_MAX }, .min_rto_ms = min_rto_ms };
}

static void
update_minimum(struct rtt *r, uint64_t sample, uint64_t now)
{
	uint32_t when = (uint32_t)(now >> HALF_SHIFT), age = when - r->half;

	/* The first sample finds no half begun; after a pause of two halves neither counts. */
	if (r->srtt == 0 || age >= 2 * HALF) {
		r->min[0] = r->min[1] = UINT32_MAX;
		r->half = when;
	} else if (age >= HALF) {
		r->min[1] = r->min[0];
		r->min[0] = UINT32_MAX;
		r->half += HALF;
	}
	if (sample < r->min[0])
		r->min[0] = (uint32_t)sample;
}

uint32_t
rtt_min(const struct rtt *r)
{
	uint32_t min = r->min[0] < r->min[1] ? r->min[0] : r->min[1];

	if (r->srtt == 0)
		return 0;
	return min;
}

void
rtt_set_minimum(struct rtt *r, uint32_t min, uint64_t when)
{
	r->min[0] = min;
	r->min[1] = UINT32_MAX;
	r->half = (uint32_t)(when >> HALF_SHIFT);
}

/* a moved towards b by 1/divisor of the way. */
static uint64_t
approach(uint64_t a, uint64_t b, uint64_t divisor)
{
	return b > a ? a + (b - a) / divisor : a - (a - b) / divisor;
}

void
rtt_sample(struct rtt *r, uint64_t sample, uint64_t now, uint32_t segments)
{
	/* RFC 7323, appendix G: ExpectedSamples = ceil(FlightSize / (2 SMSS)). */
	uint64_t expected = segments > 2 ? segments / 2 + segments % 2 : 1, scaled, off;

	if (sample == 0)
		sample = 1;
	if (sample > RTT_SAMPLE_MAX)
		sample = RTT_SAMPLE_MAX;
	update_minimum(r, sample, now);
	scaled = sample << 8;
	r->backoff = 0;
	if (r->srtt == 0) {
		r->srtt = scaled;
		r->rttvar = scaled / 2;
		return;
	}
	off = scaled > r->srtt ? scaled - r->srtt : r->srtt - scaled;
	r->rttvar = approach(r->rttvar, off, 4 * expected);
	r->srtt = approach(r->srtt, scaled, 8 * expected);
}

uint64_t
rtt_timeout(const struct rtt *r)
{
	uint64_t rto, min = r->min_rto_ms * NS_PER_MS, variation = rtt_variation(r) * 4;
	unsigned int shift = r->backoff < 20 ? r->backoff : 20;

	if (r->srtt == 0) {
		rto = r->syn_lost ? RTO_AFTER_LOST_SYN : RTO_INITIAL;
	} else {
		rto = rtt_smoothed(r) + (variation > RTT_GRANULARITY ? variation : RTT_GRANULARITY);
		if (rto < min)
			rto = min;
	}
	rto <<= shift;
	return rto < RTO_MAX ? rto : RTO_MAX;
}

void
rtt_back_off(struct rtt *r)
{
	if (r->backoff < UINT8_MAX)
		r->backoff++;
}

void
rtt_syn_was_lost(struct rtt *r)
{
	r->syn_lost = true;
	r->backoff = 0;
}

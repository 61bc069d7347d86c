/* SPDX-License-Identifier: Apache-2.0 */
#include "dp/tcp/hystart.h"

#include "dp/tcp/sequence.h"

void
hystart_init(struct hystart *h, uint32_t snd_nxt)
{
	*h = (struct hystart){
		.window_end = snd_nxt,
		.last_min = UINT32_MAX,
		.current_min = UINT32_MAX,
		.css_baseline = UINT32_MAX,
	};
}

static uint32_t
threshold(const struct hystart *h)
{
	uint32_t eighth = h->last_min / HYSTART_RTT_DIVISOR;

	if (eighth < HYSTART_MIN_RTT_THRESH)
		return HYSTART_MIN_RTT_THRESH;
	return eighth < HYSTART_MAX_RTT_THRESH ? eighth : HYSTART_MAX_RTT_THRESH;
}

static void
take_sample(struct hystart *h, uint64_t rtt)
{
	if (!rtt)
		return;
	if (rtt < h->current_min)
		h->current_min = (uint32_t)rtt;
	if (h->samples < HYSTART_SAMPLES)
		h->samples++;
	if (h->samples < HYSTART_SAMPLES)
		return;
	if (h->css) {
		/* It was no queue: back to slow start. */
		h->css = h->current_min >= h->css_baseline;
	} else if (h->last_min != UINT32_MAX &&
		   h->current_min >= (uint64_t)h->last_min + threshold(h)) {
		h->css = true;
		h->css_baseline = h->current_min;
		h->css_rounds = 0;
	}
}

bool
hystart_ack(struct hystart *h, uint32_t ack, uint32_t snd_nxt, uint64_t rtt)
{
	take_sample(h, rtt);
	if (seq_lt(ack, h->window_end))
		return false;
	h->window_end = snd_nxt;
	h->last_min = h->current_min;
	h->current_min = UINT32_MAX;
	h->samples = 0;
	if (!h->css)
		return false;
	return ++h->css_rounds >= HYSTART_CSS_ROUNDS;
}

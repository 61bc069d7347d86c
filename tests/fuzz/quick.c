/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: the short way of the pipeline beside the long one, on frames as they come.
 *
 * Input: frames one behind the other, each with two bytes for its length (low, high) in front. They
 * go in bursts through two workers, one of which takes the long way only; what leaves and what they
 * know must not differ.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tests/stage/worlds.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BURST 16

static void
run(const struct world_frame *frames, uint16_t n)
{
	if (!n)
		return;
	worlds_receive(frames, n, 1000000);
	assert(worlds_sent_the_same());
	assert(worlds_know_the_same());
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world_frame frames[BURST];
	size_t at = 0, len;
	uint16_t n = 0;

	worlds_set_up();
	while (size - at >= 2) {
		len = (size_t)data[at] | (size_t)(data[at + 1] & 7) << 8;
		at += 2;
		len = len < size - at ? len : size - at;
		memcpy(frames[n].bytes, data + at, len);
		frames[n++].len = (uint16_t)len;
		at += len;
		if (n < BURST)
			continue;
		run(frames, n);
		n = 0;
	}
	run(frames, n);
	worlds_tear_down();
	return 0;
}

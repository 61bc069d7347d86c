/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/health/state.h"

#include <string.h>

#define SLOW_START_STEPS 10

static const char *const cause_names[] = {
#define X(constant, name, help) [HEALTH_CAUSE_##constant] = (name),
	HEALTH_CAUSES(X)
#undef X
};

const char *
health_cause_name(enum health_cause cause)
{
	return cause < HEALTH_CAUSE_COUNT ? cause_names[cause] : "?";
}

enum health_cause
health_cause_find(const char *name)
{
	unsigned int cause = 0;

	while (cause < HEALTH_CAUSE_COUNT && strcmp(cause_names[cause], name) != 0)
		cause++;
	return (enum health_cause)cause;
}

bool
health_state_result(struct health_state *s, bool passed, unsigned int rise, unsigned int fall)
{
	enum health_status next = passed ? HEALTH_PASSING : HEALTH_FAILING;
	unsigned int needed = passed ? rise : fall;

	if (s->status == next) {
		s->streak = 0;
		return false;
	}
	/* One success is enough to know somebody of whom nothing is known; but a failure before it
	 * must not count for ever. */
	if (s->status == HEALTH_UNKNOWN && passed)
		needed = 1;
	if (++s->streak < needed)
		return false;
	s->status = next;
	s->streak = 0;
	return true;
}

/* The steps have their borders where the clock is a multiple of a tenth, for everybody the same: a
 * pool of many that come back is built anew ten times, not ten times for each. */
static uint64_t
step_length(uint64_t slow_start)
{
	return slow_start < SLOW_START_STEPS ? 1 : slow_start / SLOW_START_STEPS;
}

uint32_t
slow_start_weight(uint32_t weight, uint64_t since, uint64_t slow_start, uint64_t now)
{
	uint64_t step = step_length(slow_start), steps, share;

	if (since == 0 || slow_start == 0 || weight == 0 || now < since)
		return weight;
	steps = now / step - since / step;
	if (steps >= SLOW_START_STEPS)
		return weight;
	if (steps == 0)
		steps = 1;
	share = (uint64_t)weight * steps / SLOW_START_STEPS;
	return share ? (uint32_t)share : 1;
}

uint64_t
slow_start_next(uint64_t since, uint64_t slow_start, uint64_t now)
{
	uint64_t step = step_length(slow_start);

	if (since == 0 || slow_start == 0 || now < since ||
	    now / step - since / step >= SLOW_START_STEPS)
		return UINT64_MAX;
	return (now / step + 1) * step;
}

uint64_t
health_wait(uint64_t interval, uint64_t random)
{
	return interval - random % (interval / 10 + 1);
}

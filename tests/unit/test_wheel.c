/* SPDX-License-Identifier: Apache-2.0 */
/* lib/wheel: against an array of deadlines. */
#include <CUnit/CUnit.h>
#include <stdlib.h>
#include <string.h>

#include "lib/wheel.h"
#include "tests/unit/suites.h"

#define OBJECTS 300u
#define TICK    1000u
#define MANY    100000u

/* The wheel and what it should do: deadline[i] of the objects that are armed. */
struct model {
	struct wheel *w;
	uint64_t now;
	uint64_t seed;
	bool armed[OBJECTS];
	uint64_t deadline[OBJECTS];
};

static void *
take_memory(size_t size, void *arg)
{
	*(size_t *)arg += size;
	return malloc(size);
}

static void *
no_memory(size_t size, void *arg)
{
	(void)size;
	(void)arg;
	return NULL;
}

static struct wheel *
make_wheel(uint32_t n, uint64_t now)
{
	size_t taken = 0;
	struct wheel *w = wheel_create(n, TICK, now, take_memory, &taken);

	CU_ASSERT_PTR_NOT_NULL_FATAL(w);
	CU_ASSERT_EQUAL(taken, wheel_size(n));
	return w;
}

/* Never early; never later than a tick after: so after an advance nothing may be left that was due
 * a whole tick ago. */
static void
advance_and_check(struct model *m)
{
	uint32_t out[64], i;
	size_t n, k, max, guard = 0;

	do {
		max = 1 + test_random(&m->seed) % 64;
		n = wheel_advance(m->w, m->now, out, max);
		CU_ASSERT_FATAL(n <= max);
		for (k = 0; k < n; k++) {
			CU_ASSERT_FATAL(out[k] < OBJECTS);
			CU_ASSERT_TRUE(m->armed[out[k]]);
			CU_ASSERT(m->deadline[out[k]] <= m->now);
			CU_ASSERT_FALSE(wheel_armed(m->w, out[k]));
			m->armed[out[k]] = false;
		}
		CU_ASSERT_FATAL(guard++ < 10 * OBJECTS);
	} while (n == max);
	CU_ASSERT_FALSE(wheel_behind(m->w));
	for (i = 0; i < OBJECTS; i++) {
		CU_ASSERT_EQUAL(wheel_armed(m->w, i), m->armed[i]);
		if (m->armed[i])
			CU_ASSERT(m->deadline[i] + TICK > m->now);
	}
}

/* A span of time of any magnitude, or one about the size of a level. */
static uint64_t
random_span(uint64_t *seed, unsigned int bits)
{
	uint64_t r = test_random(seed);

	if (r % 4 == 0)
		return ((1ULL << 8 * (1 + r / 4 % 4)) - 2 + r / 16 % 4) * TICK - 2 + r / 64 % 4;
	return test_random(seed) >> (64 - bits) >> r / 4 % bits;
}

static void
random_step(struct model *m, unsigned int bits)
{
	uint32_t i = (uint32_t)(test_random(&m->seed) % OBJECTS);
	uint64_t span;

	switch (test_random(&m->seed) % 8) {
	case 0:
		wheel_disarm(m->w, i);
		m->armed[i] = false;
		break;
	case 1:
		span = random_span(&m->seed, bits);
		m->now += span;
		advance_and_check(m);
		break;
	case 2: /* a deadline that has passed */
		span = random_span(&m->seed, bits);
		m->deadline[i] = m->now > span ? m->now - span : 0;
		wheel_arm(m->w, i, m->deadline[i]);
		m->armed[i] = true;
		break;
	default:
		m->deadline[i] = m->now + random_span(&m->seed, bits);
		wheel_arm(m->w, i, m->deadline[i]);
		m->armed[i] = true;
	}
	CU_ASSERT_EQUAL(wheel_armed(m->w, i), m->armed[i]);
}

/* Short, middle and long spans: 2^14 ns are 16 ticks, 2^46 are more than the wheel's 2^32. */
static void
test_wheel_random(void)
{
	static const unsigned int bits[] = { 14, 20, 27, 36, 46 };
	struct model m;
	unsigned int k, step;

	for (k = 0; k < 15; k++) {
		memset(&m, 0, sizeof(m));
		m.seed = 100 + k;
		m.now = test_random(&m.seed) >> (k % 2 ? 10 : 40);
		m.w = make_wheel(OBJECTS, m.now);
		for (step = 0; step < 20000; step++)
			random_step(&m, bits[k % 5]);
		free(m.w);
	}
}

/* Every tick on its own, through the first two levels and over their borders. */
static void
test_wheel_ticks(void)
{
	static const uint64_t spans[] = {
		0, 1, 255, 256, 257, 511, 512, 65535, 65536, 65537, 70000
	};
	struct wheel *w = make_wheel(16, 77 * TICK);
	uint64_t tick, fired[16] = { 0 };
	uint32_t out[16], i, n = sizeof(spans) / sizeof(spans[0]);
	size_t k, count;

	for (i = 0; i < n; i++)
		wheel_arm(w, i, (77 + spans[i]) * TICK);
	for (tick = 77; tick < 77 + 70001; tick++) {
		count = wheel_advance(w, tick * TICK, out, 16);
		for (k = 0; k < count; k++)
			fired[out[k]] = tick;
	}
	for (i = 0; i < n; i++)
		CU_ASSERT_EQUAL(fired[i], 77 + spans[i]);
	free(w);
}

static void
test_wheel_rounding(void)
{
	struct wheel *w = make_wheel(2, 0);
	uint32_t out[2];

	wheel_arm(w, 0, 5 * TICK + 1);
	CU_ASSERT_EQUAL(wheel_advance(w, 5 * TICK + 999, out, 2), 0);
	CU_ASSERT_EQUAL(wheel_advance(w, 6 * TICK, out, 2), 1);
	/* A deadline that has passed fires at the next advance, of the same time too. */
	wheel_arm(w, 1, 3);
	CU_ASSERT_TRUE(wheel_behind(w));
	CU_ASSERT_EQUAL(wheel_advance(w, 6 * TICK, out, 2), 1);
	CU_ASSERT_EQUAL(out[0], 1);
	/* A clock that goes back does no harm. */
	wheel_arm(w, 1, 8 * TICK);
	CU_ASSERT_EQUAL(wheel_advance(w, 2 * TICK, out, 2), 0);
	CU_ASSERT_EQUAL(wheel_advance(w, 8 * TICK - 1, out, 2), 0);
	CU_ASSERT_EQUAL(wheel_advance(w, 8 * TICK, out, 2), 1);
	free(w);
}

static void
test_wheel_far(void)
{
	struct wheel *w = make_wheel(2, 0);
	uint64_t far = (5ULL << 32) * TICK + 7;
	uint32_t out[2];

	wheel_arm(w, 0, far);
	wheel_arm(w, 1, UINT64_MAX);
	CU_ASSERT_EQUAL(wheel_advance(w, far / 2, out, 2), 0);
	CU_ASSERT_EQUAL(wheel_advance(w, far - 1, out, 2), 0);
	CU_ASSERT_EQUAL(wheel_advance(w, far + TICK - 1, out, 2), 1);
	CU_ASSERT_EQUAL(out[0], 0);
	CU_ASSERT_TRUE(wheel_armed(w, 1));
	CU_ASSERT_EQUAL(wheel_advance(w, UINT64_MAX - TICK, out, 2), 0);
	CU_ASSERT_TRUE(wheel_armed(w, 1));
	free(w);
}

/* Very many that are due together: each call does a bounded part, and none is lost. */
static void
test_wheel_many(void)
{
	struct wheel *w = make_wheel(MANY, 0);
	uint32_t *out = malloc(MANY * sizeof(*out)), i;
	uint64_t due = 1000000ULL * TICK;
	size_t fired = 0, calls = 0;
	bool *seen = calloc(MANY, sizeof(*seen));

	CU_ASSERT_FATAL(out && seen);
	for (i = 0; i < MANY; i++)
		wheel_arm(w, i, due - i % 3 * TICK);
	do {
		fired += wheel_advance(w, due, out + fired, MANY - fired);
		calls++;
	} while (wheel_behind(w) && calls < MANY);
	CU_ASSERT_EQUAL(fired, MANY);
	CU_ASSERT(calls > 10);
	for (i = 0; i < fired; i++) {
		CU_ASSERT_FALSE(seen[out[i]]);
		seen[out[i]] = true;
	}
	free(seen);
	free(out);
	free(w);
}

static void
test_wheel_create(void)
{
	size_t taken = 0;
	struct wheel *w;

	CU_ASSERT_PTR_NULL(wheel_create(1, TICK, 0, no_memory, NULL));
	CU_ASSERT_PTR_NULL(wheel_create(1, 0, 0, take_memory, &taken));
	CU_ASSERT_PTR_NULL(wheel_create(UINT32_MAX, TICK, 0, take_memory, &taken));
	CU_ASSERT_EQUAL(taken, 0);
	w = make_wheel(0, 0);
	CU_ASSERT_EQUAL(wheel_advance(w, UINT64_MAX, NULL, 0), 0);
	free(w);
}

int
test_wheel_register(void)
{
	static CU_TestInfo tests[] = {
		{ "creation", test_wheel_create },
		{ "against the model", test_wheel_random },
		{ "tick by tick", test_wheel_ticks },
		{ "rounding", test_wheel_rounding },
		{ "far deadlines", test_wheel_far },
		{ "many at once", test_wheel_many },
		CU_TEST_INFO_NULL,
	};
	static CU_SuiteInfo suites[] = { { "wheel", NULL, NULL, NULL, NULL, tests },
					 CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}

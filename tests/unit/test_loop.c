/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop: order of timers, and everything that callbacks may do to it. */
#include <CUnit/CUnit.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "cp/loop.h"
#include "tests/unit/suites.h"

#define MS     1000000ull
#define TIMERS 500

struct record {
	struct loop *loop;
	struct loop_timer *timers[TIMERS];
	uint64_t at[TIMERS], last;
	unsigned int fired, disorder, early;
};

struct one {
	struct record *record;
	unsigned int i;
};

static void
stop(void *arg)
{
	loop_stop(arg);
}

/* Run for a while. */
static void
run(struct loop *loop, uint64_t ns)
{
	struct loop_timer *end = loop_timer_create(loop, stop, loop);

	loop_timer_arm(end, loop_now() + ns);
	loop_run(loop);
	loop_timer_free(end);
}

static void
on_one(void *arg)
{
	struct one *one = arg;
	struct record *r = one->record;

	r->fired++;
	r->disorder += r->at[one->i] < r->last;
	r->early += loop_now() < r->at[one->i];
	r->last = r->at[one->i];
}

static void
timers_fire_in_order(void)
{
	static struct one ones[TIMERS];
	struct record r = { .loop = loop_create() };
	uint64_t state = 1, base = loop_now() + 5 * MS;
	unsigned int i, gone = 0;

	for (i = 0; i < TIMERS; i++) {
		ones[i] = (struct one){ &r, i };
		r.timers[i] = loop_timer_create(r.loop, on_one, &ones[i]);
		r.at[i] = base + test_random(&state) % (20 * MS);
		loop_timer_arm(r.timers[i], r.at[i]);
	}
	/* move some, stop some */
	for (i = 0; i < TIMERS; i += 3) {
		r.at[i] = base + test_random(&state) % (20 * MS);
		loop_timer_arm(r.timers[i], r.at[i]);
	}
	for (i = 1; i < TIMERS; i += 5, gone++)
		loop_timer_disarm(r.timers[i]);
	run(r.loop, 40 * MS);
	CU_ASSERT_EQUAL(r.fired, TIMERS - gone);
	CU_ASSERT_EQUAL(r.disorder, 0);
	CU_ASSERT_EQUAL(r.early, 0);
	for (i = 0; i < TIMERS; i++)
		loop_timer_free(r.timers[i]);
	loop_destroy(r.loop);
}

struct again {
	struct loop_timer *timer;
	unsigned int left;
};

static void
on_again(void *arg)
{
	struct again *a = arg;

	if (--a->left > 0) {
		loop_timer_arm(a->timer, loop_now() + MS / 4);
	} else {
		loop_timer_free(a->timer);
		a->timer = NULL;
	}
}

static void
a_timer_may_arm_and_free_itself(void)
{
	struct loop *loop = loop_create();
	struct again a = { .left = 10 };

	a.timer = loop_timer_create(loop, on_again, &a);
	loop_timer_arm(a.timer, loop_now());
	run(loop, 30 * MS);
	CU_ASSERT_EQUAL(a.left, 0);
	CU_ASSERT_PTR_NULL(a.timer);
	loop_destroy(loop);
}

/* Two pipes that are readable in the same round; whichever comes first removes the other. */
struct rivals {
	struct loop *loop;
	int ends[2][2];
	int empty; /* the other end of that file */
	unsigned int calls;
	bool reuse; /* and put another file in the place of the removed one */
};

static void
on_stranger(int fd, uint32_t events, void *arg)
{
	(void)fd;
	(void)events;
	++*(unsigned int *)arg;
}

static unsigned int strangers;

static void
on_rival(int fd, uint32_t events, void *arg)
{
	struct rivals *r = arg;
	int other = fd == r->ends[0][0] ? 1 : 0, empty[2];

	CU_ASSERT_TRUE(events & EPOLLIN);
	r->calls++;
	loop_fd_remove(r->loop, r->ends[other][0]);
	loop_fd_remove(r->loop, fd);
	if (!r->reuse || pipe(empty) != 0)
		return;
	/* Another file, with nothing to read, gets the number. */
	dup2(empty[0], r->ends[other][0]);
	close(empty[0]);
	r->empty = empty[1];
	CU_ASSERT_EQUAL(loop_fd_add(r->loop, r->ends[other][0], EPOLLIN, on_stranger, &strangers),
			0);
}

static void
rivals_run(bool reuse)
{
	struct rivals r = { .loop = loop_create(), .reuse = reuse, .empty = -1 };
	int i;

	for (i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL(pipe(r.ends[i]), 0);
		CU_ASSERT_EQUAL(write(r.ends[i][1], "x", 1), 1);
		CU_ASSERT_EQUAL(loop_fd_add(r.loop, r.ends[i][0], EPOLLIN, on_rival, &r), 0);
	}
	strangers = 0;
	run(r.loop, 10 * MS);
	CU_ASSERT_EQUAL(r.calls, 1);
	CU_ASSERT_EQUAL(strangers, 0);
	for (i = 0; i < 2; i++) {
		loop_fd_remove(r.loop, r.ends[i][0]);
		close(r.ends[i][0]);
		close(r.ends[i][1]);
	}
	if (r.empty >= 0)
		close(r.empty);
	loop_destroy(r.loop);
}

static void
a_callback_may_remove_others(void)
{
	rivals_run(false);
}

static void
an_event_of_a_removed_file_is_not_given_to_its_successor(void)
{
	rivals_run(true);
}

static void
mistakes_are_errors(void)
{
	struct loop *loop = loop_create();
	int ends[2];

	CU_ASSERT_EQUAL(pipe(ends), 0);
	CU_ASSERT_TRUE(loop_fd_add(loop, -1, EPOLLIN, on_stranger, &strangers) < 0);
	CU_ASSERT_EQUAL(loop_fd_add(loop, ends[0], EPOLLIN, on_stranger, &strangers), 0);
	CU_ASSERT_TRUE(loop_fd_add(loop, ends[0], EPOLLIN, on_stranger, &strangers) < 0);
	CU_ASSERT_TRUE(loop_fd_modify(loop, ends[1], EPOLLIN) < 0);
	loop_fd_remove(loop, ends[1]);
	loop_fd_remove(loop, 100000);
	close(ends[0]);
	close(ends[1]);
	loop_destroy(loop);
}

static void
a_stop_before_the_run_counts(void)
{
	struct loop *loop = loop_create();

	loop_stop(loop);
	loop_run(loop); /* would wait for ever */
	loop_destroy(loop);
}

int
test_loop_register(void)
{
	CU_TestInfo tests[] = {
		{ "timers fire in order", timers_fire_in_order },
		{ "a timer arms and frees itself", a_timer_may_arm_and_free_itself },
		{ "a callback removes others", a_callback_may_remove_others },
		{ "a number that is used again",
		  an_event_of_a_removed_file_is_not_given_to_its_successor },
		{ "mistakes", mistakes_are_errors },
		{ "a stop before the run", a_stop_before_the_run_counts },
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = { { "loop", NULL, NULL, NULL, NULL, tests }, CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * epoll for descriptors, a binary heap for timers.
 *
 * A round: timers that are due fire, then epoll waits until the next one. Callbacks may add and
 * remove anything: a descriptor's epoll data holds its number and the generation of its entry, so
 * an event that was fetched before its descriptor was removed (and perhaps given to another file)
 * is recognised and skipped; the heap is looked at anew after each timer.
 */
#include "cp/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S     1000000000ull
#define EVENTS_MAX   64
#define NOT_IN_HEAP  SIZE_MAX
#define DELAY_WINDOW (10 * NS_PER_S)
#define TIMERS_ROUND 256 /* so many timers may fire before descriptors get their turn */

struct loop_fd {
	loop_fd_fn *fn; /* NULL: not watched */
	void *arg;
	uint32_t generation; /* counts loop_fd_add of this number */
};

struct loop_timer {
	struct loop *loop;
	loop_timer_fn *fn;
	void *arg;
	uint64_t at;
	size_t position; /* in loop.heap: heap[position] == this; NOT_IN_HEAP if not armed */
};

struct loop {
	int epoll;
	bool stop;
	struct loop_fd *fds; /* by descriptor */
	size_t n_fds;
	struct loop_timer **heap; /* heap[(i - 1) / 2]->at <= heap[i]->at */
	size_t n_armed;
	size_t n_timers, heap_size; /* n_armed <= n_timers <= heap_size, so arming cannot fail */
	uint64_t delay,
	    delay_before; /* the longest in this window of DELAY_WINDOW, and in the last */
	uint64_t delay_since;
};

uint64_t
loop_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t
loop_next_beat(uint64_t now)
{
	return now - now % LOOP_BEAT + LOOP_BEAT;
}

struct loop *
loop_create(void)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return NULL;
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll < 0) {
		free(loop);
		return NULL;
	}
	return loop;
}

void
loop_destroy(struct loop *loop)
{
	size_t i;

	if (!loop)
		return;
	for (i = 0; i < loop->n_armed; i++)
		loop->heap[i]->position = NOT_IN_HEAP;
	close(loop->epoll);
	free(loop->heap);
	free(loop->fds);
	free(loop);
}

/* ---- descriptors ---- */

static struct loop_fd *
loop_fd_entry(struct loop *loop, int fd)
{
	if (fd < 0 || (size_t)fd >= loop->n_fds || !loop->fds[fd].fn)
		return NULL;
	return &loop->fds[fd];
}

static int
loop_fd_control(struct loop *loop, int op, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events };

	event.data.u64 = (uint64_t)loop->fds[fd].generation << 32 | (uint32_t)fd;
	return epoll_ctl(loop->epoll, op, fd, &event) < 0 ? -errno : 0;
}

static int
loop_fd_grow(struct loop *loop, size_t needed)
{
	size_t size = loop->n_fds ? loop->n_fds : 64, i;
	struct loop_fd *fds;

	while (size < needed)
		size *= 2;
	fds = realloc(loop->fds, size * sizeof(*fds));
	if (!fds)
		return -ENOMEM;
	for (i = loop->n_fds; i < size; i++)
		fds[i] = (struct loop_fd){ 0 };
	loop->fds = fds;
	loop->n_fds = size;
	return 0;
}

int
loop_fd_add(struct loop *loop, int fd, uint32_t events, loop_fd_fn *fn, void *arg)
{
	int ret;

	if (fd < 0 || !fn)
		return -EINVAL;
	if (loop_fd_entry(loop, fd))
		return -EEXIST;
	if ((size_t)fd >= loop->n_fds) {
		ret = loop_fd_grow(loop, (size_t)fd + 1);
		if (ret)
			return ret;
	}
	loop->fds[fd].generation++;
	ret = loop_fd_control(loop, EPOLL_CTL_ADD, fd, events);
	if (ret)
		return ret;
	loop->fds[fd].fn = fn;
	loop->fds[fd].arg = arg;
	return 0;
}

int
loop_fd_modify(struct loop *loop, int fd, uint32_t events)
{
	if (!loop_fd_entry(loop, fd))
		return -ENOENT;
	return loop_fd_control(loop, EPOLL_CTL_MOD, fd, events);
}

void
loop_fd_remove(struct loop *loop, int fd)
{
	struct loop_fd *entry = loop_fd_entry(loop, fd);

	if (!entry)
		return;
	/* Fails if the descriptor was closed before: then epoll has forgotten it by itself. */
	epoll_ctl(loop->epoll, EPOLL_CTL_DEL, fd, NULL);
	entry->fn = NULL;
	entry->arg = NULL;
}

/* ---- timers ---- */

static void
heap_put(struct loop *loop, size_t position, struct loop_timer *timer)
{
	loop->heap[position] = timer;
	timer->position = position;
}

static void
heap_up(struct loop *loop, size_t i)
{
	struct loop_timer *timer = loop->heap[i];

	while (i > 0 && loop->heap[(i - 1) / 2]->at > timer->at) {
		heap_put(loop, i, loop->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	heap_put(loop, i, timer);
}

static void
heap_down(struct loop *loop, size_t i)
{
	struct loop_timer *timer = loop->heap[i];
	size_t child;

	while ((child = 2 * i + 1) < loop->n_armed) {
		if (child + 1 < loop->n_armed && loop->heap[child + 1]->at < loop->heap[child]->at)
			child++;
		if (loop->heap[child]->at >= timer->at)
			break;
		heap_put(loop, i, loop->heap[child]);
		i = child;
	}
	heap_put(loop, i, timer);
}

struct loop_timer *
loop_timer_create(struct loop *loop, loop_timer_fn *fn, void *arg)
{
	struct loop_timer *timer = malloc(sizeof(*timer));

	if (!timer)
		return NULL;
	if (loop->n_timers == loop->heap_size) {
		size_t size = loop->heap_size ? loop->heap_size * 2 : 16;
		struct loop_timer **heap = realloc(loop->heap, size * sizeof(struct loop_timer *));

		if (!heap) {
			free(timer);
			return NULL;
		}
		loop->heap = heap;
		loop->heap_size = size;
	}
	loop->n_timers++;
	*timer = (struct loop_timer){ .loop = loop, .fn = fn, .arg = arg, .position = NOT_IN_HEAP };
	return timer;
}

void
loop_timer_arm(struct loop_timer *timer, uint64_t at)
{
	struct loop *loop = timer->loop;

	timer->at = at;
	if (timer->position == NOT_IN_HEAP)
		heap_put(loop, loop->n_armed++, timer);
	heap_up(loop, timer->position);
	heap_down(loop, timer->position);
}

void
loop_timer_disarm(struct loop_timer *timer)
{
	struct loop *loop = timer->loop;
	size_t hole = timer->position;
	struct loop_timer *last;

	if (hole == NOT_IN_HEAP)
		return;
	timer->position = NOT_IN_HEAP;
	last = loop->heap[--loop->n_armed];
	if (last == timer)
		return;
	heap_put(loop, hole, last);
	heap_up(loop, last->position);
	heap_down(loop, last->position);
}

void
loop_timer_free(struct loop_timer *timer)
{
	if (!timer)
		return;
	loop_timer_disarm(timer);
	timer->loop->n_timers--;
	free(timer);
}

/* ---- the loop ---- */

uint64_t
loop_delay(const struct loop *loop)
{
	return loop->delay > loop->delay_before ? loop->delay : loop->delay_before;
}

static void
note_delay(struct loop *loop, uint64_t late)
{
	uint64_t now = loop_now();

	if (now - loop->delay_since > DELAY_WINDOW) {
		loop->delay_before = now - loop->delay_since > 2 * DELAY_WINDOW ? 0 : loop->delay;
		loop->delay = 0;
		loop->delay_since = now;
	}
	if (late > loop->delay)
		loop->delay = late;
}

static void
loop_fire_timers(struct loop *loop)
{
	uint64_t now = loop_now();
	unsigned int fired;

	for (fired = 0; fired < TIMERS_ROUND && !loop->stop && loop->n_armed > 0; fired++) {
		struct loop_timer *timer = loop->heap[0];

		if (timer->at > now)
			return;
		loop_timer_disarm(timer);
		note_delay(loop, loop_now() - timer->at);
		timer->fn(timer->arg);
	}
}

static int
loop_wait(struct loop *loop, struct epoll_event *events)
{
	struct timespec timeout = { 0 };
	uint64_t now, wait;
	int n;

	if (loop->n_armed == 0)
		return epoll_wait(loop->epoll, events, EVENTS_MAX, -1);
	now = loop_now();
	wait = loop->heap[0]->at > now ? loop->heap[0]->at - now : 0;
	/* Far timers (UINT64_MAX for "never") need no more than a look from time to time. */
	if (wait > 3600 * NS_PER_S)
		wait = 3600 * NS_PER_S;
	timeout.tv_sec = (time_t)(wait / NS_PER_S);
	timeout.tv_nsec = (long)(wait % NS_PER_S);
	n = epoll_pwait2(loop->epoll, events, EVENTS_MAX, &timeout, NULL);
	if (n >= 0 || errno != ENOSYS)
		return n;
	/* A kernel before 5.11: whole milliseconds, rounded up. */
	return epoll_wait(loop->epoll, events, EVENTS_MAX, (int)((wait + 999999) / 1000000));
}

void
loop_run(struct loop *loop)
{
	struct epoll_event events[EVENTS_MAX];
	int n, i;

	/* Not cleared at the beginning: a stop that comes before the loop runs counts too. */
	while (!loop->stop) {
		loop_fire_timers(loop);
		if (loop->stop)
			break;
		n = loop_wait(loop, events);
		for (i = 0; i < n && !loop->stop; i++) {
			int fd = (int)(uint32_t)events[i].data.u64;
			struct loop_fd *entry = loop_fd_entry(loop, fd);

			/* Removed by an earlier callback of this round? */
			if (!entry || entry->generation != events[i].data.u64 >> 32)
				continue;
			entry->fn(fd, events[i].events, entry->arg);
		}
	}
	loop->stop = false;
}

void
loop_stop(struct loop *loop)
{
	loop->stop = true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control thread's event loop: file descriptors and timers over epoll. One thread only.
 */
#ifndef CP_LOOP_H
#define CP_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct loop_timer;

/* NULL: errno says why. */
struct loop *loop_create(void);
void loop_destroy(struct loop *loop);
/* Run until loop_stop. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);
/* Monotonic now in ns (the clock of timers and of the workers). */
uint64_t loop_now(void);

/* The next beat after `now`, for timers that look again and again for what workers have left: on
 * the same beat they wake the thread once for all, which may have to share a worker's core. */
#define LOOP_BEAT 5000000ULL /* ns */
uint64_t loop_next_beat(uint64_t now);

/* The longest that a timer was late, in the last ten to twenty seconds (ns): how long something
 * kept the loop from looking. */
uint64_t loop_delay(const struct loop *loop);

typedef void loop_fd_fn(int fd, uint32_t events, void *arg);
typedef void loop_timer_fn(void *arg);

/* Call fn when fd has one of events (EPOLLIN, EPOLLOUT). 0 or -errno. Change events or stop by
 * loop_fd_modify / loop_fd_remove (safe inside callbacks, also for other fds of the same round).
 * The fd is not closed. */
int loop_fd_add(struct loop *loop, int fd, uint32_t events, loop_fd_fn *fn, void *arg);
int loop_fd_modify(struct loop *loop, int fd, uint32_t events);
void loop_fd_remove(struct loop *loop, int fd);

/* A timer, not yet running. Owned by the loop; loop_timer_free ends it. */
struct loop_timer *loop_timer_create(struct loop *loop, loop_timer_fn *fn, void *arg);
/* Fire once at `at` (ns, loop_now's clock); arming again moves it. */
void loop_timer_arm(struct loop_timer *timer, uint64_t at);
void loop_timer_disarm(struct loop_timer *timer);
void loop_timer_free(struct loop_timer *timer);

#endif

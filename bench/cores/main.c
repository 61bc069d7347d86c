/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-cores FIRST SECOND: how long a cache line takes from one core to another one and back, in
 * ns, as JSON. Where the virtual machine's cores are moved about, this is what tells one of its
 * phases from another: some 100 ns where both have a cache in common, and 400 where they have none.
 */
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define TURNS    50000u
#define TIME_MAX 0.1 /* s: others may have the cores, too */
#define OVER     UINT_MAX

static _Alignas(128) atomic_uint ball;

static double
seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
pin(int core)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(core, &set);
	if (sched_setaffinity(0, sizeof(set), &set) != 0) {
		perror("bench-cores: sched_setaffinity");
		exit(1);
	}
}

/* Wait for a number; false: it is over. */
static bool
wait_for(unsigned int number)
{
	unsigned int now;

	do
		now = atomic_load_explicit(&ball, memory_order_acquire);
	while (now != number && now != OVER);
	return now != OVER;
}

/* The other side makes of each odd number the next one. */
static void *
other(void *core)
{
	unsigned int i;

	pin(*(const int *)core);
	for (i = 1; wait_for(i); i += 2)
		atomic_store_explicit(&ball, i + 1, memory_order_release);
	return NULL;
}

/* Seconds there and back. */
static double
play(void)
{
	double begin = seconds(), took = 0;
	unsigned int i;

	for (i = 0; i < TURNS && took < TIME_MAX; i++) {
		atomic_store_explicit(&ball, 2 * i + 1, memory_order_release);
		wait_for(2 * i + 2);
		took = i % 64 ? took : seconds() - begin;
	}
	took = seconds() - begin;
	atomic_store_explicit(&ball, OVER, memory_order_release);
	return took / i;
}

int
main(int argc, char **argv)
{
	int second = argc == 3 ? atoi(argv[2]) : -1;
	pthread_t thread;

	if (argc != 3) {
		fprintf(stderr, "usage: bench-cores FIRST SECOND\n");
		return 2;
	}
	pin(atoi(argv[1]));
	if (pthread_create(&thread, NULL, other, &second) != 0)
		return 1;
	printf("{\"round_trip_ns\": %.1f}\n", play() * 1e9);
	pthread_join(thread, NULL);
	return 0;
}
